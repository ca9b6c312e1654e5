#include "indexer/pgdump/pg_internal.h"

#include "fs/base/json.h"

void pg_toc_release(struct pg_toc *toc)
{
	pg_joint_release(&toc->written);
	buf_release(&toc->text);
	toc->count = 0;
}

static void begin_line(struct pg_toc *toc, struct json *json)
{
	buf_append_str(&toc->text, toc->count++ ? ",\n" : "");
	json_init(json, &toc->text);
	json_open_object(json, NULL);
}

static int end_line(struct pg_plain *p, struct pg_toc *toc,
		    struct json *json, struct err *err)
{
	int r;

	json_close_object(json);
	r = buf_check(&toc->text, err);
	if (r < 0 || toc->text.len < PG_TOC_MAX)
		return r;
	r = pg_out_part(&p->out, &toc->written, buf_span(&toc->text), err);
	buf_clear(&toc->text);
	return r;
}

static void name(struct json *json, const char *key, struct span value)
{
	if (value.len)
		json_name(json, key, value);
}

static void number(struct json *json, const char *key, uint32_t value)
{
	if (value)
		json_u64(json, key, value);
}

/* A path, without the database's directory. */
static struct span below(const struct pg_plain *p, struct span path)
{
	size_t skip = p->db.dir.len + 1;

	return path.len > skip ? span_of(path.data + skip, path.len - skip)
			       : path;
}

/* The usual one goes without saying. */
static void method(struct json *json, const struct pg_entry *e)
{
	struct span desc = buf_span(&e->desc), how = buf_span(&e->method);

	if (how.len && !span_equal(how, span_str("heap")) &&
	    (span_equal(desc, span_str("TABLE")) ||
	     span_equal(desc, span_str("MATERIALIZED VIEW"))))
		json_name(json, "access_method", how);
}

static void depends(struct json *json, const struct pg_entry *entry)
{
	size_t count = entry->depends.len / sizeof(uint32_t);

	if (!count)
		return;
	json_open_array(json, "dependencies");
	for (size_t i = 0; i < count; i++)
		json_u64(json, NULL,
			 get_le32(entry->depends.data + i * sizeof(uint32_t)));
	json_close_array(json);
}

int pg_toc_add(struct pg_plain *p, const struct pg_toc_file *file,
	       struct err *err)
{
	const struct pg_entry *e = &p->entry;
	struct json json;

	begin_line(&p->db.toc, &json);
	if (file->path.len) {
		json_name(&json, "file", below(p, file->path));
		json_u64(&json, "size", file->size);
	}
	json_name(&json, "desc", buf_span(&e->desc));
	name(&json, "schema", buf_span(&e->schema));
	json_name(&json, "tag", buf_span(&e->tag));
	name(&json, "owner", buf_span(&e->owner));
	name(&json, "tablespace", buf_span(&e->tablespace));
	method(&json, e);
	number(&json, "dump_id", e->dump_id);
	number(&json, "catalog", e->catalog);
	number(&json, "oid", e->oid);
	depends(&json, e);
	if (file->rows)
		json_u64(&json, "rows", *file->rows);
	name(&json, "copy", file->copy);
	if (file->object)
		json_u64(&json, "large_object", *file->object);
	return end_line(p, &p->db.toc, &json, err);
}

int pg_toc_add_lost(struct pg_plain *p, const struct pg_hint *entry,
		    const char *why, struct err *err)
{
	struct buf *lost = &p->db.lost;
	struct json json;

	buf_append_str(lost, lost->len ? ",\n" : "");
	json_init(&json, lost);
	json_open_object(&json, NULL);
	json_name(&json, "desc", entry->desc);
	name(&json, "schema", entry->schema);
	json_name(&json, "tag", entry->tag);
	number(&json, "dump_id", entry->dump_id);
	json_name(&json, "why", span_str(why));
	json_close_object(&json);
	return buf_check(lost, err);
}

int pg_toc_add_head(struct pg_plain *p, uint64_t size, struct err *err)
{
	const struct pg_database *db = &p->db;
	struct json json;

	begin_line(&p->db.toc, &json);
	json_str(&json, "file", "database.sql");
	json_u64(&json, "size", size);
	json_str(&json, "desc", "DATABASE");
	name(&json, "tag", buf_span(&db->name));
	name(&json, "owner", buf_span(&db->owner));
	name(&json, "tablespace", buf_span(&db->tablespace));
	return end_line(p, &p->db.toc, &json, err);
}

/* { head, key: [ toc's lines ] } as the file at path. */
static int write_document(struct pg_plain *p, struct span path,
			  struct buf *head, struct pg_toc *toc,
			  struct err *err)
{
	struct pg_joint whole = { .count = 0 };
	int r;

	buf_append_str(&toc->text, "\n]}\n");
	r = buf_check(&toc->text, err);
	if (r == 0)
		r = buf_check(head, err);
	if (r == 0 && !toc->written.count) {
		buf_append(head, toc->text.data, toc->text.len);
		r = buf_check(head, err);
		buf_clear(&toc->text);
		buf_swap(&toc->text, head);
	} else if (r == 0) {
		r = pg_out_part(&p->out, &whole, buf_span(head), err);
		if (r == 0)
			r = buf_check(&whole.list, err);
		buf_append(&whole.list, toc->written.list.data,
			   toc->written.list.len);
		whole.count += toc->written.count;
		whole.size += toc->written.size;
	}
	if (r == 0)
		r = pg_out_extra(&p->out, path, &whole, buf_span(&toc->text),
				 NULL, err);
	pg_joint_release(&whole);
	pg_toc_release(toc);
	return r < 0 ? r : 0;
}

static int add_to_list(struct pg_plain *p, struct err *err)
{
	struct json json;

	begin_line(&p->list, &json);
	if (p->db.name.len)
		json_name(&json, "database", buf_span(&p->db.name));
	else
		json_null(&json, "database");
	json_name(&json, "directory", buf_span(&p->db.dir));
	if (p->db.ends.len || p->db.lost.len)
		json_bool(&json, "complete", false);
	return end_line(p, &p->list, &json, err);
}

int pg_toc_write(struct pg_plain *p, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT, head = BUF_INIT;
	const struct pg_database *db = &p->db;
	struct json json;
	int r;

	json_init(&json, &head);
	json_open_object(&json, NULL);
	name(&json, "database", buf_span(&db->name));
	name(&json, "server_version", buf_span(&db->server));
	name(&json, "pg_dump_version", buf_span(&db->program));
	name(&json, "encoding", buf_span(&db->encoding));
	if (p->lex.backslashes)
		json_bool(&json, "standard_conforming_strings", false);
	name(&json, "incomplete", buf_span(&db->ends));
	if (db->lost.len) {
		buf_append_str(&head, head.len > 1 ? ",\n\"lost\":[\n"
						   : "\"lost\":[\n");
		buf_append(&head, db->lost.data, db->lost.len);
		buf_append_byte(&head, ']');
	}
	buf_append_str(&head, head.len > 1 ? ",\n\"entries\":[\n"
					   : "\"entries\":[\n");
	buf_append(&path, db->dir.data, db->dir.len);
	buf_append_str(&path, "/toc.json");
	r = buf_check(&path, err);
	if (r == 0)
		r = write_document(p, buf_span(&path), &head, &p->db.toc, err);
	return r < 0 ? r : add_to_list(p, err);
}

int pg_toc_add_globals(struct pg_plain *p, struct span path, struct err *err)
{
	struct json json;

	begin_line(&p->list, &json);
	json_name(&json, "globals", path);
	return end_line(p, &p->list, &json, err);
}

int pg_toc_write_list(struct pg_plain *p, struct err *err)
{
	OWNED_BUF struct buf head = BUF_INIT;

	buf_append_str(&head, p->partial ? "{\"complete\":false,\n\"parts\":[\n"
					 : "{\"parts\":[\n");
	return write_document(p, span_str("toc.json"), &head, &p->list, err);
}
