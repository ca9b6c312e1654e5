#include "indexer/pgdump/pgarc_internal.h"

/* "SET client_encoding = 'UTF8';": what stands between the first two quotes. */
static const char *quoted(const char *defn, size_t *ret_len)
{
	const char *begin = defn ? strchr(defn, '\'') : NULL;
	const char *end = begin ? strchr(begin + 1, '\'') : NULL;

	if (!end)
		return NULL;
	*ret_len = (size_t)(end - begin - 1);
	return begin + 1;
}

/* Entries that are not printed but say how the others are. */
static bool is_special(const struct pgarc_entry *entry)
{
	return desc_is(entry, "ENCODING") || desc_is(entry, "STDSTRINGS") ||
	       desc_is(entry, "SEARCHPATH");
}

static void judge_special(struct pgarc_toc *toc,
			  const struct pgarc_entry *entry)
{
	size_t len = 0;
	const char *value = quoted(entry->defn, &len);

	if (desc_is(entry, "SEARCHPATH"))
		toc->search_path = entry->defn;
	else if (desc_is(entry, "STDSTRINGS"))
		toc->std_strings = value && len == 2 &&
				   str_begins(value, "on");
	else if (value)
		toc->encoding = span_of(value, len);
}

/* Large objects are data, and what is said of them comes with them. */
static bool is_of_data(const struct pgarc_entry *entry)
{
	if (desc_is(entry, "SEQUENCE SET") || desc_is(entry, "BLOB") ||
	    desc_is(entry, "BLOB METADATA"))
		return true;
	return str_begins(entry->tag, "LARGE OBJECT") &&
	       (desc_is(entry, "ACL") || desc_is(entry, "COMMENT") ||
		desc_is(entry, "SECURITY LABEL"));
}

/* pg_restore prints what is of the database itself with -C only. */
static bool is_of_database(const struct pgarc_entry *entry)
{
	if (desc_is(entry, "DATABASE") || desc_is(entry, "DATABASE PROPERTIES"))
		return true;
	return str_begins(entry->tag, "DATABASE ") &&
	       (desc_is(entry, "ACL") || desc_is(entry, "COMMENT") ||
		desc_is(entry, "SECURITY LABEL"));
}

static unsigned wants(const struct pgarc_entry *entry, unsigned major)
{
	bool defined = !str_empty(entry->defn) &&
		       !str_begins(entry->defn, "-- load via partition root ");
	unsigned want = 0;

	if (is_special(entry))
		return 0;
	/* Before 11 the comment on a database was printed in any case. */
	if (is_of_database(entry) &&
	    (major >= 1100 || desc_is(entry, "DATABASE")))
		return 0;
	if (desc_is(entry, "<Init>") && !strcmp(entry->tag, "Max OID"))
		return 0;
	if (desc_is(entry, "STATISTICS DATA"))
		return PGARC_WANT_STATS;
	if (entry->has_data || is_of_data(entry))
		want |= PGARC_WANT_DATA;
	if (defined && (entry->has_data || !is_of_data(entry)))
		want |= PGARC_WANT_SCHEMA;
	return want;
}

static enum pgarc_pass pass_of(const struct pgarc_entry *entry)
{
	if (desc_is(entry, "ACL") || desc_is(entry, "ACL LANGUAGE") ||
	    desc_is(entry, "DEFAULT ACL"))
		return PGARC_ACL;
	if (desc_is(entry, "EVENT TRIGGER") ||
	    desc_is(entry, "MATERIALIZED VIEW DATA"))
		return PGARC_LATE;
	if ((desc_is(entry, "COMMENT") || desc_is(entry, "SECURITY LABEL")) &&
	    str_begins(entry->tag, "EVENT TRIGGER "))
		return PGARC_LATE;
	if (desc_is(entry, "STATISTICS DATA") &&
	    entry->section == PGARC_POST_DATA)
		return PGARC_LATE;
	return PGARC_MAIN;
}

void toc_judge(struct pgarc_toc *toc)
{
	toc->encoding = span_str("SQL_ASCII");
	for (uint32_t i = 0; i < toc->count; i++) {
		struct pgarc_entry *entry = &toc->entries[i];

		if (is_special(entry))
			judge_special(toc, entry);
		entry->want = wants(entry, toc->head.major);
		entry->pass = pass_of(entry);
	}
}
