#include "indexer/pgdump/pgarc_internal.h"

#include <ctype.h>
#include <stdlib.h>

/*
 * What stands between the heading and the first entry, and the major versions
 * from which on (in their last minor ones) it does.
 */
void print_settings(const struct pgarc_toc *toc, struct buf *out)
{
	unsigned major = toc->head.major;

	buf_append_str(out, "SET statement_timeout = 0;\n");
	if (major >= 903)
		buf_append_str(out, "SET lock_timeout = 0;\n");
	if (major >= 906)
		buf_append_str(out, "SET idle_in_transaction_session_timeout "
				    "= 0;\n");
	if (major >= 1700)
		buf_append_str(out, "SET transaction_timeout = 0;\n");
	buf_printf(out, "SET client_encoding = '%.*s';\n",
		   (int)toc->encoding.len, (const char *)toc->encoding.data);
	buf_printf(out, "SET standard_conforming_strings = %s;\n",
		   toc->std_strings ? "on" : "off");
	if (toc->search_path)
		buf_append_str(out, toc->search_path);
	buf_append_str(out, "SET check_function_bodies = false;\n");
	if (major >= 904)
		buf_append_str(out, "SET xmloption = content;\n");
	buf_append_str(out, "SET client_min_messages = warning;\n");
	if (!toc->std_strings)
		buf_append_str(out, "SET escape_string_warning = off;\n");
	if (major >= 905)
		buf_append_str(out, "SET row_security = off;\n");
	buf_append_byte(out, '\n');
}

void print_schema(struct print *print, const char *schema, struct buf *out)
{
	if (print->toc->search_path || str_empty(schema) ||
	    (print->schema && !strcmp(print->schema, schema)))
		return;
	buf_append_str(out, "SET search_path = ");
	name_quote(out, schema, print->toc->head.major);
	if (strcmp(schema, "pg_catalog"))
		buf_append_str(out, ", pg_catalog");
	buf_append_str(out, ";\n\n");
	print->schema = schema;
}

/* True: it is not as wanted yet; now it is. */
static bool changes(const char **have, const char *want)
{
	if (!want || (*have && !strcmp(*have, want)))
		return false;
	*have = want;
	return true;
}

static bool is_partitioned(const struct pgarc_entry *entry)
{
	return entry->relkind == 'p';
}

void print_before(struct print *print, const struct pgarc_entry *entry,
		  struct buf *out)
{
	const struct pgarc_head *head = &print->toc->head;

	print_schema(print, entry->schema, out);
	if (changes(&print->tablespace, entry->tablespace)) {
		buf_append_str(out, "SET default_tablespace = ");
		if (*entry->tablespace)
			name_quote(out, entry->tablespace, head->major);
		else
			buf_append_str(out, "''");
		buf_append_str(out, ";\n\n");
	}
	if (!is_partitioned(entry) && changes(&print->method, entry->method)) {
		buf_append_str(out, "SET default_table_access_method = ");
		name_quote(out, entry->method, head->major);
		buf_append_str(out, ";\n\n");
	}
	if (head->major < 1200 && desc_is(entry, "TABLE") &&
	    (!print->oids_known || print->oids != entry->with_oids)) {
		buf_printf(out, "SET default_with_oids = %s;\n\n",
			   entry->with_oids ? "true" : "false");
		print->oids_known = true;
		print->oids = entry->with_oids;
	}
}

static void print_comment(const struct pgarc_entry *entry,
			  enum print_what what, struct buf *out)
{
	static const char *const before[] = {
		[PRINT_DEFINITION] = "",
		[PRINT_DATA] = "Data for ",
		[PRINT_STATS] = "Statistics for ",
	};

	buf_printf(out, "--\n-- %sName: ", before[what]);
	name_comment(out, entry->tag, false);
	buf_printf(out, "; Type: %s; Schema: ", entry->desc);
	name_comment(out, entry->schema, true);
	buf_append_str(out, "; Owner: ");
	name_comment(out, entry->owner, true);
	if (!str_empty(entry->tablespace)) {
		buf_append_str(out, "; Tablespace: ");
		name_comment(out, entry->tablespace, false);
	}
	buf_append_str(out, "\n--\n\n");
}

/* A statement for each line of numbers of large objects.  Many of these for
 * many numbers are out of proportion to what they are made of. */
static void each_number(struct print *print, const char *lines,
			struct span before, struct span behind,
			struct buf *out)
{
	const char *end;

	for (; (end = strchr(lines, '\n')); lines = end + 1) {
		if (out->len > PRINT_MAX) {
			print->too_large = true;
			return;
		}
		buf_append(out, before.data, before.len);
		buf_append(out, lines, (size_t)(end - lines));
		buf_append(out, behind.data, behind.len);
		buf_append_str(out, ";\n");
	}
	buf_append_byte(out, '\n');
}

/*
 * The statements of an ACL of many large objects are written for one of them:
 * each is given for all numbers of the entry that it depends on.
 */
static void print_many_acl(struct print *print,
			   const struct pgarc_entry *entry, struct buf *out)
{
	const struct pgarc_entry *of = entry->depend_count ?
		pgarc_find(print->toc, entry->depends[0]) : NULL;
	const char *begin = entry->defn, *behind = NULL, *at;
	struct span before = span_of("", 0);
	bool quoted = false;

	if (!of || str_empty(of->defn) || !begin)
		return;
	for (at = begin; *at && !print->too_large; at++) {
		if (*at == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		if (str_begins(at, "LARGE OBJECT ")) {
			before = span_of(begin, (size_t)(at - begin) + 13);
			for (at += 13; isdigit((unsigned char)*at); at++)
				;
			behind = at--;
		} else if (*at == ';' && behind) {
			each_number(print, of->defn, before,
				    span_of(behind, (size_t)(at - behind)),
				    out);
			while (isspace((unsigned char)at[1]))
				at++;
			begin = at + 1;
			behind = NULL;
		}
	}
}

static void print_definition(struct print *print,
			     const struct pgarc_entry *entry, struct buf *out)
{
	if (desc_is(entry, "BLOB METADATA"))
		each_number(print, entry->defn ? entry->defn : "",
			    span_str("SELECT pg_catalog.lo_create('"),
			    span_str("')"), out);
	else if (desc_is(entry, "ACL") &&
		 str_begins(entry->tag, "LARGE OBJECTS"))
		print_many_acl(print, entry, out);
	else if (!str_empty(entry->defn)) {
		buf_append_str(out, entry->defn);
		buf_append_str(out, "\n\n");
	}
}

static bool is_one_of(const char *what, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(what, *list))
			return true;
	return false;
}

/* As ALTER … OWNER TO names it; false: it has no owner of its own. */
static bool describe(const struct pgarc_entry *entry, unsigned major,
		     struct buf *out)
{
	static const char *const named[] = {
		"COLLATION", "CONVERSION", "DATABASE", "DOMAIN",
		"EVENT TRIGGER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE",
		"MATERIALIZED VIEW", "PROCEDURAL LANGUAGE", "PUBLICATION",
		"SCHEMA", "SEQUENCE", "SERVER", "STATISTICS", "SUBSCRIPTION",
		"TABLE", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY",
		"TYPE", "VIEW", NULL,
	};
	/* What was a table to ALTER before 16. */
	static const char *const tables[] = {
		"MATERIALIZED VIEW", "SEQUENCE", "VIEW", NULL,
	};
	/* Their names have more in them: they stand in the DROP statement. */
	static const char *const dropped[] = {
		"AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS",
		"OPERATOR FAMILY", "PROCEDURE", NULL,
	};
	const char *desc = entry->desc;
	size_t len;

	if (is_one_of(desc, named)) {
		if (major < 1600 && is_one_of(desc, tables))
			desc = "TABLE";
		buf_printf(out, "%s ", desc);
		if (!str_empty(entry->schema)) {
			name_quote(out, entry->schema, major);
			buf_append_byte(out, '.');
		}
		name_quote(out, entry->tag, major);
	} else if (!strcmp(desc, "BLOB")) {
		buf_printf(out, "LARGE OBJECT %s", entry->tag);
	} else if (is_one_of(desc, dropped) &&
		   str_begins(entry->drop, "DROP ")) {
		len = strlen(entry->drop);
		while (len > 5 && strchr("\n;", entry->drop[len - 1]))
			len--;
		buf_append(out, entry->drop + 5, len - 5);
	} else {
		return false;
	}
	return true;
}

static void print_owner(struct print *print, const struct pgarc_entry *entry,
			struct buf *out)
{
	unsigned major = print->toc->head.major;
	OWNED_BUF struct buf text = BUF_INIT;

	/* What cannot be dropped cannot be owned. */
	if (str_empty(entry->owner) || str_empty(entry->drop))
		return;
	if (desc_is(entry, "BLOB METADATA")) {
		buf_append_str(&text, " OWNER TO ");
		name_quote(&text, entry->owner, major);
		each_number(print, entry->defn ? entry->defn : "",
			    span_str("ALTER LARGE OBJECT "), buf_span(&text),
			    out);
	} else if (describe(entry, major, &text)) {
		buf_append_str(out, "ALTER ");
		buf_append(out, text.data, text.len);
		buf_append_str(out, " OWNER TO ");
		name_quote(out, entry->owner, major);
		buf_append_str(out, ";\n\n");
	}
	if (buf_failed(&text))
		out->failed = true;
}

void print_entry(struct print *print, const struct pgarc_entry *entry,
		 enum print_what what, struct buf *out)
{
	const struct pgarc_toc *toc = print->toc;

	print_comment(entry, what, out);
	print_definition(print, entry, out);
	print_owner(print, entry, out);
	if (is_partitioned(entry) && entry->method) {
		buf_append_str(out, "ALTER TABLE ");
		if (!str_empty(entry->schema)) {
			name_quote(out, entry->schema, toc->head.major);
			buf_append_byte(out, '.');
		}
		name_quote(out, entry->tag, toc->head.major);
		buf_append_str(out, " SET ACCESS METHOD ");
		name_quote(out, entry->method, toc->head.major);
		buf_append_str(out, ";\n\n");
	}
}
