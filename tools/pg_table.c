#include "tools/pg_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/jdoc.h"
#include "fs/tree/content.h"
#include "indexer/pgdump/pg_token.h"
#include "tools/pg_table_internal.h"

#define STEP (1u << 20)

/* Files. */

static int find_file(struct pg_pick *pick, struct span name,
		     struct node *ret, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	int r;

	if (pick->dir) {
		buf_append_str(&path, pick->dir);
		buf_append_byte(&path, '/');
	}
	buf_append(&path, name.data, name.len);
	if (!buf_str(&path))
		return err_nomem(err);
	r = tree_find(pick->target->tree, (char *)path.data, ret, err);
	if (r < 0)
		return r;
	return ret->entry.type == ENTRY_FILE ? 0 :
	       err_set(err, -EINVAL, "'%s' is no file", (char *)path.data);
}

int pg_pick_read(struct pg_pick *pick, struct span name, struct buf *text,
		 struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct getter getter = tree_getter(pick->target->tree);
	size_t got = 1;
	int r = find_file(pick, name, &node, err);

	buf_clear(text);
	if (r < 0)
		return r;
	if (node.entry.size > JDOC_BYTES_MAX)
		return err_set(err, -E2BIG, "'%.*s' is too large to be read "
			       "into memory", (int)name.len, name.data);
	if (buf_reserve(text, (size_t)node.entry.size + 1) < 0)
		return err_nomem(err);
	while (r == 0 && got && text->len < node.entry.size) {
		r = content_read_into(&getter, &node.entry.content,
				      node.entry.size, text->len,
				      text->data + text->len,
				      (size_t)node.entry.size - text->len,
				      &got, err);
		text->len += got;
	}
	return r;
}

static int put(struct span bytes, struct err *err)
{
	if (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len)
		return err_sys(err, "cannot write to standard output");
	return 0;
}

static int put_file(struct pg_pick *pick, const struct jnode *entry,
		    struct span name, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	CLEANUP(free_ptr) uint8_t *bytes = malloc(STEP);
	struct getter getter = tree_getter(pick->target->tree);
	uint64_t at = 0, end = 0;
	size_t got = 0;
	int r = bytes ? find_file(pick, name, &node, err) : err_nomem(err);

	if (r == 0)
		r = pg_pick_rows(pick, entry, &node, &end, err);
	for (; r == 0 && at < end; at += got) {
		r = content_read_into(&getter, &node.entry.content,
				      node.entry.size, at, bytes,
				      end - at < STEP ? (size_t)(end - at) :
				      STEP, &got, err);
		if (r == 0 && !got)
			return err_corrupt(err, "'%.*s' ends early",
					   (int)name.len, name.data);
		if (r == 0)
			r = put(span_of(bytes, got), err);
	}
	return r;
}

/* What is in toc.json. */

int pg_pick_text(const struct jnode *entry, const char *key, struct buf *ret)
{
	OWNED_BUF struct buf hex_key = BUF_INIT;
	struct span text = jnode_text(entry, key), hex;

	buf_clear(ret);
	buf_append_str(&hex_key, key);
	buf_append_str(&hex_key, "_hex");
	if (!buf_str(&hex_key))
		return -ENOMEM;
	hex = jnode_text(entry, (char *)hex_key.data);
	if (!hex.data)
		buf_append(ret, text.data, text.len);
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		char pair[3] = { (char)hex.data[i], (char)hex.data[i + 1] };

		buf_append_byte(ret, (uint8_t)strtoul(pair, NULL, 16));
	}
	return ret->failed ? -ENOMEM : 0;
}

static int load(struct pg_pick *pick, struct span name, struct jdoc *ret,
		struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r = pg_pick_read(pick, name, &text, err);

	return r < 0 ? r : jdoc_parse(buf_span(&text), "toc.json", ret, err);
}

/* Which table. */

/* Does entry make the table that is asked for? */
static int is_asked(struct pg_pick *pick, const struct jnode *entry)
{
	int r;

	if (!jnode_is(entry, "desc", "TABLE"))
		return 0;
	r = pg_pick_text(entry, "tag", &pick->scratch);
	if (r < 0 || !span_equal(buf_span(&pick->scratch),
				 buf_span(&pick->asked.name)))
		return r;
	r = pg_pick_text(entry, "schema", &pick->scratch);
	if (r < 0)
		return r;
	return !pick->asked.schema.len ||
	       span_equal(buf_span(&pick->scratch),
			  buf_span(&pick->asked.schema));
}

static int find_in(struct pg_pick *pick, const struct jnode *toc,
		   struct err *err)
{
	const struct jnode *entries = jnode_get(toc, "entries");
	const struct jnode *e;

	for (e = entries ? entries->child : NULL; e; e = e->next) {
		int r = is_asked(pick, e);

		if (r < 0)
			return err_nomem(err);
		if (!r)
			continue;
		buf_printf(&pick->found, "%s'%s' in '%s'",
			   pick->found_count ? ", " : "",
			   pick->options->table, pick->dir);
		if (pick->scratch.len)
			buf_printf(&pick->found, " (schema '%.*s')",
				   (int)pick->scratch.len,
				   (char *)pick->scratch.data);
		if (pick->found_count++ == 0) {
			buf_swap(&pick->schema, &pick->scratch);
			pick->chosen = strdup(pick->dir);
		}
	}
	return buf_check(&pick->found, err);
}

static int look_into(struct pg_pick *pick, const struct jnode *part,
		     struct err *err)
{
	OWNED_JDOC struct jdoc toc = JDOC_INIT;
	OWNED_BUF struct buf dir = BUF_INIT;
	const char *want = pick->options->database;
	int r = pg_pick_text(part, "directory", &dir);

	if (r < 0 || !buf_str(&dir))
		return err_nomem(err);
	if (!dir.len || (want && strcmp(want, (char *)dir.data) != 0 &&
			 !jnode_is(part, "database", want)))
		return 0;
	pick->dir = (char *)dir.data;
	r = load(pick, span_str("toc.json"), &toc, err);
	if (r == 0)
		r = find_in(pick, toc.root, err);
	pick->dir = NULL;
	return r;
}

static int choose(struct pg_pick *pick, struct err *err)
{
	OWNED_JDOC struct jdoc list = JDOC_INIT;
	const struct jnode *parts, *part;
	int r = load(pick, span_str("toc.json"), &list, err);

	if (r == -ENOENT)
		return err_set(err, -EINVAL, "'%s' is no PostgreSQL dump",
			       pick->target->spec);
	parts = r == 0 ? jnode_get(list.root, "parts") : NULL;
	pick->lists_lost = r == 0 && jnode_get(list.root, "complete");
	for (part = parts ? parts->child : NULL; part && r == 0;
	     part = part->next)
		r = look_into(pick, part, err);
	if (r < 0)
		return r;
	if (!pick->found_count) {
		r = err_set(err, -ENOENT, "no table '%s' is in '%s'",
			    pick->options->table, pick->target->spec);
		if (pick->target->snapshot.record.incomplete)
			err_hint(err, "the dump is incomplete, and it may have "
				 "stood in what is lost");
		else
			err_hint(err, "'varve find' looks for a part of its "
				 "name: varve find '*%s*.copy'",
				 (char *)pick->asked.name.data);
		return r;
	}
	if (pick->found_count > 1) {
		r = err_set(err, -ENOTUNIQ, "there are several: %s",
			    buf_str(&pick->found));
		err_hint(err, "-d DIRECTORY and SCHEMA.TABLE say which");
		return r;
	}
	pick->dir = pick->chosen;
	return pick->chosen ? 0 : err_nomem(err);
}

/* Writing. */

static int put_head(struct pg_pick *pick, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct span encoding = jnode_text(pick->toc.root, "encoding");

	/* What setval() answers is no news. */
	buf_append_str(&out, "\\set ON_ERROR_STOP on\n\\set QUIET on\n"
		       "\\o /dev/null\nBEGIN;\n");
	if (encoding.len) {
		buf_append_str(&out, "SET LOCAL client_encoding = ");
		pg_quote_name(encoding, &out);
		buf_append_str(&out, ";\n");
	}
	buf_printf(&out, "SET LOCAL standard_conforming_strings = %s;\n",
		   pick->backslashes ? "off" : "on");
	buf_append_str(&out,
		       "SET LOCAL search_path = '';\n"
		       "SET LOCAL check_function_bodies = off;\n"
		       "SET LOCAL xmloption = content;\n"
		       "SET LOCAL client_min_messages = warning;\n"
		       "SET LOCAL row_security = off;\n");
	buf_append_byte(&out, '\n');
	return buf_failed(&out) ? err_nomem(err) : put(buf_span(&out), err);
}

/* Settings that a file may have from one before it, in the dump's order. */
static int put_state(struct pg_pick *pick, const struct jnode *entry,
		     struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct span method = jnode_text(entry, "access_method");

	if (pg_pick_text(entry, "tablespace", &pick->scratch) < 0)
		return err_nomem(err);
	buf_append_str(&out, "SET LOCAL default_tablespace = ");
	if (pick->scratch.len)
		pg_quote_name(buf_span(&pick->scratch), &out);
	else
		buf_append_str(&out, "''");
	buf_printf(&out, ";\nSET LOCAL default_table_access_method = %.*s;\n",
		   method.len ? (int)method.len : 4,
		   method.len ? (const char *)method.data : "heap");
	return buf_failed(&out) ? err_nomem(err) : put(buf_span(&out), err);
}

static int put_changed(struct pg_pick *pick, struct span text,
		       struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;

	/* As in a dump of a server that someone else is master of. */
	if (pg_has_command(text, pick->backslashes))
		return err_set(err, -EINVAL, "the dump's statements have a "
			       "command for psql among them, which no pg_dump "
			       "writes");
	if (!pick->as.name.len)
		return put(text, err);
	if (pg_change_names(text, pick->backslashes, pick->changes,
			    pick->change_count, &out) < 0)
		return err_nomem(err);
	return put(buf_span(&out), err);
}

static int put_rows(struct pg_pick *pick, const struct jnode *entry,
		    struct span file, struct err *err)
{
	int r = put_changed(pick, buf_span(&pick->scratch), err);

	if (r == 0)
		r = put(span_str("\n"), err);
	if (r == 0)
		r = put_file(pick, entry, file, err);
	return r < 0 ? r : put(span_str("\\.\n\n"), err);
}

static int put_entry(struct pg_pick *pick, const struct jnode *entry,
		     struct err *err)
{
	OWNED_BUF struct buf file = BUF_INIT, text = BUF_INIT;
	int r = pg_pick_text(entry, "file", &file);

	if (r < 0)
		return err_nomem(err);
	if (!file.len)
		return 0;
	r = put_state(pick, entry, err);
	if (r == 0 && pg_pick_text(entry, "copy", &pick->scratch) < 0)
		r = err_nomem(err);
	if (r < 0)
		return r;
	if (pick->scratch.len)
		return put_rows(pick, entry, buf_span(&file), err);
	r = pg_pick_read(pick, buf_span(&file), &text, err);
	return r < 0 ? r : put_changed(pick, buf_span(&text), err);
}

/* psql ends here with status 3, also where it has a transaction of its own
 * (-1), which the mere end of its input would commit. */
static const char refusal[] =
	"\\set ON_ERROR_STOP on\n"
	"DO $$BEGIN RAISE EXCEPTION 'varve pg table: not all of the table could "
	"be had, and nothing is loaded'; END$$;\n";

static void refuse(bool in_rows)
{
	if (in_rows)
		put(span_str("\n\\.\n"), NULL);
	put(span_str(refusal), NULL);
	fflush(stdout);
}

static int put_all(struct pg_pick *pick, struct err *err)
{
	int r = put_head(pick, err);

	for (size_t i = 0; r == 0 && i < pick->count; i++)
		r = put_entry(pick, pick->entries[i], err);
	if (r < 0)
		refuse(true);
	if (r == 0)
		r = put(span_str("\nCOMMIT;\n\\o\n"), err);
	if (r == 0 && fflush(stdout))
		r = err_sys(err, "cannot write to standard output");
	return r;
}

static int put_whole(struct pg_pick *pick, struct buf *why, struct err *err)
{
	int r = pg_pick_judge(pick, why, err);

	pick->cut = why->len > 0;
	if (r < 0 || !why->len || pick->options->partial)
		return r < 0 ? r : put_all(pick, err);
	refuse(false);
	r = err_set(err, -EUCLEAN, "'%s' is not whole in '%s', and nothing of it "
		    "is loaded: %s", pick->options->table, pick->target->spec,
		    buf_str(why));
	err_hint(err, "--incomplete writes what there is of it, as to a table "
		 "beside it with --as; 'varve list' names other snapshots");
	return r;
}

static void pick_release(struct pg_pick *pick)
{
	pg_pick_forget(pick);
	jdoc_release(&pick->toc);
	pg_qualified_release(&pick->asked);
	pg_qualified_release(&pick->as);
	pg_qualified_release(&pick->name);
	buf_release(&pick->schema);
	buf_release(&pick->scratch);
	buf_release(&pick->found);
	free(pick->chosen);
}

static int parse_names(struct pg_pick *pick, struct err *err)
{
	const struct pg_table_options *o = pick->options;

	if (!pg_qualified_parse(span_str(o->table), &pick->asked) ||
	    !buf_str(&pick->asked.name))
		return err_set(err, -EINVAL, "'%s' is no name of a table",
			       o->table);
	if (o->as && !pg_qualified_parse(span_str(o->as), &pick->as))
		return err_set(err, -EINVAL, "'%s' is no name of a table",
			       o->as);
	return 0;
}

int pg_table_write(struct target *target,
		   const struct pg_table_options *options, struct buf *why,
		   struct err *err)
{
	CLEANUP(pick_release) struct pg_pick pick = {
		.target = target, .options = options,
	};
	const struct jnode *strings;
	int r = parse_names(&pick, err);

	if (r == 0)
		r = choose(&pick, err);
	if (r == 0)
		r = load(&pick, span_str("toc.json"), &pick.toc, err);
	if (r < 0)
		return r;
	strings = jnode_get(pick.toc.root, "standard_conforming_strings");
	pick.backslashes = strings && strings->type == JTYPE_FALSE;
	if (options->as && !pick.as.schema.len)
		buf_append(&pick.as.schema, pick.schema.data,
			   pick.schema.len);
	r = buf_check(&pick.as.schema, err);
	if (r == 0)
		r = pg_pick_entries(&pick, err);
	return r < 0 ? r : put_whole(&pick, why, err);
}
