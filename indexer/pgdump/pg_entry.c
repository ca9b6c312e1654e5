#include "indexer/pgdump/pg_internal.h"

#include <inttypes.h>

static void set(struct buf *buf, struct span value)
{
	buf_clear(buf);
	buf_append(buf, value.data, value.len);
}

static bool is(const struct buf *buf, const char *text)
{
	return span_equal(buf_span(buf), span_str(text));
}

/* Where bytes go. */

static const char *ending(const struct pg_plain *p)
{
	if (p->entry.class != PG_CLASS_DATA)
		return ".sql";
	return p->kind == PG_DATA_COPY ? ".copy" : ".rows.sql";
}

static int make_path(struct pg_plain *p, struct err *err)
{
	struct pg_entry *e = &p->entry;
	struct pg_paths *paths = &p->out.paths;
	int r = 0;

	set(&p->path, buf_span(&p->db.dir));
	if (e->schema.len)
		r = pg_path_add(paths, PG_LEVEL_DATABASE, buf_span(&e->schema),
				"", &p->path, err);
	buf_append_byte(&p->path, '/');
	pg_path_kind(buf_span(&e->desc), &p->path);
	if (r == 0)
		r = pg_path_add(paths, PG_LEVEL_OBJECT, buf_span(&e->tag),
				ending(p), &p->path, err);
	return r;
}

static int open_piece(struct pg_plain *p, struct err *err)
{
	int r;

	switch (p->target) {
	case PG_TO_FILE:
		if (p->joined)
			return pg_out_aside(&p->out, &p->file, err);
		r = make_path(p, err);
		if (r == 0)
			r = pg_out_file(&p->out, buf_span(&p->path), err);
		return r;
	case PG_TO_HEAD:
		return pg_out_aside(&p->out,
				    p->db.open ? &p->db.head : &p->globals,
				    err);
	case PG_TO_ASIDE:
		break;
	}
	return pg_out_aside(&p->out, NULL, err);
}

int pg_put_passed(struct pg_plain *p, struct err *err)
{
	struct span bytes = p->passed;

	p->passed.len = 0;
	return bytes.len ? pg_out_put(&p->out, bytes, err) : 0;
}

int pg_put(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r;

	if (!bytes.len)
		return 0;
	r = pg_put_passed(p, err);
	if (r == 0 && !p->out.open)
		r = open_piece(p, err);
	return r < 0 ? r : pg_out_put(&p->out, bytes, err);
}

int pg_pass(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r;

	if (p->passed.len && p->passed.data + p->passed.len == bytes.data) {
		p->passed.len += bytes.len;
		return 0;
	}
	r = pg_put_passed(p, err);
	if (r == 0 && !p->out.open)
		r = open_piece(p, err);
	p->passed = bytes;
	return r;
}

static int tell_file(struct pg_plain *p, struct pg_data *data,
		     struct err *err)
{
	bool rows = p->kind == PG_DATA_COPY;
	struct pg_toc_file file = {
		.path = buf_span(&p->path),
		.size = data->size,
		.rows = rows ? &p->rows.count : NULL,
		.copy = rows ? buf_span(&p->copy) : span_of(NULL, 0),
	};
	int r = pg_toc_add(p, &file, err);

	p->entry.files++;
	if (r < 0 || !p->is_data || !p->options.data)
		return r;
	data->dump_id = p->entry.dump_id;
	data->kind = p->kind;
	data->oid = 0;
	return p->options.data(p->options.arg, data, err);
}

static int end_joined(struct pg_plain *p, struct err *err)
{
	struct pg_data data;
	int r = p->out.open ? pg_out_end(&p->out, NULL, err) : 0;

	p->joined = false;
	if (r == 0)
		r = make_path(p, err);
	if (r == 0)
		r = pg_out_extra(&p->out, buf_span(&p->path), &p->file,
				 span_of(NULL, 0), &data, err);
	return r < 0 ? r : tell_file(p, &data, err);
}

int pg_put_between(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r = pg_put_passed(p, err);

	p->joined = true;
	if (r == 0 && p->out.open)
		r = pg_out_end(&p->out, NULL, err);
	if (r == 0)
		r = pg_out_aside(&p->out, NULL, err);
	if (r == 0)
		r = pg_out_put(&p->out, bytes, err);
	return r < 0 ? r : pg_out_end(&p->out, NULL, err);
}

int pg_turn(struct pg_plain *p, enum pg_target target, struct err *err)
{
	enum pg_target was = p->target;
	struct pg_data data;
	int r = pg_put_passed(p, err);

	p->target = target;
	if (r == 0 && p->joined)
		return end_joined(p, err);
	if (r < 0 || !p->out.open)
		return r;
	r = pg_out_end(&p->out, &data, err);
	if (r == 0 && was == PG_TO_FILE)
		r = tell_file(p, &data, err);
	return r;
}

/* Databases. */

static int end_globals(struct pg_plain *p, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	int r = pg_turn(p, PG_TO_ASIDE, err);

	if (r < 0 || !p->globals.count)
		return r;
	r = pg_path_add(&p->out.paths, PG_LEVEL_OBJECT, span_str("globals"),
			".sql", &path, err);
	if (r == 0)
		r = pg_out_extra(&p->out, buf_span(&path), &p->globals,
				 span_of(NULL, 0), NULL, err);
	return r < 0 ? r : pg_toc_add_globals(p, buf_span(&path), err);
}

static void note_name(struct pg_plain *p)
{
	p->databases++;
	if (!p->db.name.len || p->names.len > 32768)
		return;
	if (p->names.len)
		buf_append_byte(&p->names, ',');
	pg_path_escape(buf_span(&p->db.name), &p->names);
}

static void note_first(struct buf *first, const struct buf *value)
{
	if (!first->len)
		set(first, buf_span(value));
}

/* The head is over: its database has a name, or will have none. */
static int settle(struct pg_plain *p, struct err *err)
{
	struct pg_database *db = &p->db;
	OWNED_BUF struct buf path = BUF_INIT;
	struct span name = db->name.len ? buf_span(&db->name)
					: span_str("database");
	struct pg_data data = { .size = 0 };
	int r;

	if (db->settled)
		return 0;
	db->settled = true;
	note_name(p);
	note_first(&p->first_server, &db->server);
	note_first(&p->first_program, &db->program);
	note_first(&p->first_encoding, &db->encoding);
	r = pg_turn(p, PG_TO_ASIDE, err);
	if (r == 0)
		r = pg_path_database(&p->out.paths, name, &db->dir, err);
	if (r < 0 || !db->head.count)
		return r;
	buf_append(&path, db->dir.data, db->dir.len);
	buf_append_str(&path, "/database.sql");
	r = buf_check(&path, err);
	if (r == 0)
		r = pg_out_extra(&p->out, buf_span(&path), &db->head,
				 span_of(NULL, 0), &data, err);
	return r < 0 ? r : pg_toc_add_head(p, data.size, err);
}

static void clear_database(struct pg_database *db)
{
	struct buf *all[] = { &db->name, &db->dir, &db->owner, &db->server,
			      &db->tablespace, &db->program, &db->encoding,
			      &db->ends, &db->lost };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_clear(all[i]);
	db->open = db->banner = db->complete = db->settled = false;
	pg_joint_release(&db->head);
	pg_toc_release(&db->toc);
}

int pg_database_end(struct pg_plain *p, struct err *err)
{
	int r;

	if (!p->db.open)
		return 0;
	r = pg_entry_end(p, err);
	if (r == 0)
		r = settle(p, err);
	if (r == 0 && p->options.is_input && !p->ending && !p->db.complete) {
		sink_warn(p->out.sink, WEIGHT_LOST, buf_span(&p->db.dir),
			  "is the dump of a database without the mark of its "
			  "completion, though another follows");
		r = pg_plain_lost(p, NULL, "it ends without the mark of its "
				  "completion", err);
	}
	if (r == 0)
		r = pg_toc_write(p, err);
	clear_database(&p->db);
	return r;
}

int pg_database_begin(struct pg_plain *p, struct span name, struct err *err)
{
	int r = p->db.open ? pg_database_end(p, err) : end_globals(p, err);

	if (r == 0)
		r = pg_turn(p, PG_TO_HEAD, err);
	if (r < 0)
		return r;
	p->db.open = true;
	buf_clear(&p->method);
	buf_clear(&p->space);
	set(&p->db.name, name);
	return buf_check(&p->db.name, err);
}

int pg_cluster_begin(struct pg_plain *p, struct err *err)
{
	int r = pg_cluster_end(p, err);

	if (r == 0)
		r = pg_turn(p, PG_TO_HEAD, err);
	p->cluster = true;
	p->cluster_complete = false;
	return r;
}

int pg_cluster_end(struct pg_plain *p, struct err *err)
{
	int r = pg_database_end(p, err);

	if (r == 0)
		r = end_globals(p, err);
	if (r == 0 && p->cluster && !p->cluster_complete && !p->ending &&
	    p->options.is_input) {
		p->partial = true;
		sink_warn(p->out.sink, WEIGHT_LOST, span_of(NULL, 0),
			  "the dump of a cluster ends without the mark of its "
			  "completion, though another follows");
	}
	return r;
}

/* Entries. */

static bool is_of_database(const struct pg_entry *e)
{
	if (is(&e->desc, "DATABASE") || is(&e->desc, "DATABASE PROPERTIES"))
		return true;
	return (is(&e->desc, "COMMENT") || is(&e->desc, "ACL") ||
		is(&e->desc, "SECURITY LABEL")) && e->tag.len > 9 &&
	       !memcmp(e->tag.data, "DATABASE ", 9);
}

static enum pg_class classify(const struct pg_plain *p)
{
	const struct pg_entry *e = &p->entry;

	if (!p->db.settled && !e->schema.len && is_of_database(e))
		return PG_CLASS_HEAD;
	if (is(&e->desc, "TABLE DATA"))
		return PG_CLASS_DATA;
	return is(&e->desc, "BLOBS") ? PG_CLASS_OBJECTS : PG_CLASS_SQL;
}

static int take_facts(struct pg_entry *e, const struct pg_hint *hint,
		      struct err *err)
{
	struct buf *all[] = { &e->desc, &e->tag, &e->schema, &e->owner,
			      &e->tablespace, &e->depends, &e->method };
	int r = 0;

	set(&e->desc, hint->desc);
	set(&e->tag, hint->tag);
	set(&e->schema, hint->schema);
	set(&e->owner, hint->owner);
	set(&e->tablespace, hint->tablespace);
	buf_clear(&e->depends);
	for (size_t i = 0; i < hint->depend_count; i++)
		buf_u32(&e->depends, hint->depends[i]);
	e->dump_id = hint->dump_id;
	e->catalog = hint->catalog;
	e->oid = hint->oid;
	e->files = 0;
	for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		r = buf_check(all[i], err);
	return r;
}

static void name_database(struct pg_plain *p)
{
	const struct pg_entry *e = &p->entry;

	if (!is(&e->desc, "DATABASE"))
		return;
	if (!p->db.name.len)
		set(&p->db.name, buf_span(&e->tag));
	set(&p->db.owner, buf_span(&e->owner));
	set(&p->db.tablespace, buf_span(&e->tablespace));
}

int pg_entry_begin(struct pg_plain *p, const struct pg_hint *hint,
		   struct err *err)
{
	struct pg_entry *e = &p->entry;
	int r = pg_entry_end(p, err);

	if (r == 0 && !p->db.open)
		r = pg_database_begin(p, span_of(NULL, 0), err);
	if (r == 0)
		r = take_facts(e, hint, err);
	if (r < 0)
		return r;
	e->open = true;
	e->class = classify(p);
	p->is_data = e->class == PG_CLASS_DATA || e->class == PG_CLASS_OBJECTS;
	p->kind = PG_DATA_TEXT;
	if (e->class == PG_CLASS_HEAD) {
		name_database(p);
		return pg_turn(p, PG_TO_HEAD, err);
	}
	set(&e->method, buf_span(&p->method));
	r = settle(p, err);
	return r < 0 ? r : pg_turn(p, p->is_data ? PG_TO_ASIDE : PG_TO_FILE,
				   err);
}

int pg_entry_end(struct pg_plain *p, struct err *err)
{
	struct pg_toc_file none = { .size = 0 };
	int r = pg_turn(p, PG_TO_ASIDE, err);

	if (r == 0)
		r = pg_object_end(p, err);
	/* A table without a row may have no statement, either. */
	if (r == 0 && p->entry.open && p->entry.class == PG_CLASS_DATA &&
	    !p->entry.files)
		r = pg_toc_add(p, &none, err);
	p->entry.open = false;
	return r;
}

int pg_entry_statement(struct pg_plain *p, struct err *err)
{
	if (p->object.open && !p->object.told)
		sink_warn(p->out.sink, WEIGHT_FLAWED, buf_span(&p->db.dir),
			  "large object %" PRIu32 " has statements that are "
			  "not understood; they are in a file beside it",
			  p->object.oid);
	p->object.told = p->object.open;
	if (p->target != PG_TO_ASIDE)
		return 0;
	if (p->entry.open) {
		p->kind = PG_DATA_TEXT;
		return pg_turn(p, p->entry.class == PG_CLASS_HEAD ?
				  PG_TO_HEAD : PG_TO_FILE, err);
	}
	return 0;
}

int pg_entry_leave(struct pg_plain *p, struct err *err)
{
	return p->target == PG_TO_FILE ? pg_turn(p, PG_TO_ASIDE, err) : 0;
}

/* "COPY public.t (a, b) FROM stdin;" where no comment said what it is. */
static int begin_unnamed_rows(struct pg_plain *p, struct err *err)
{
	OWNED_BUF struct buf schema = BUF_INIT, name = BUF_INIT;
	struct pg_hint hint = { .desc = span_str("TABLE DATA") };
	struct span text = buf_span(&p->copy);

	if (text.len > 5)
		pg_name_parse(span_of(text.data + 5, text.len - 5), &schema,
			      &name);
	hint.tag = buf_span(&name);
	hint.schema = buf_span(&schema);
	return pg_entry_begin(p, &hint, err);
}

int pg_rows_begin(struct pg_plain *p, struct err *err)
{
	int r = 0;

	if (!p->entry.open || p->entry.class != PG_CLASS_DATA)
		r = begin_unnamed_rows(p, err);
	if (r == 0)
		r = pg_turn(p, PG_TO_FILE, err);
	p->kind = PG_DATA_COPY;
	p->rows = (struct pg_rows){ .count = 0 };
	/* Also where there are none. */
	return r < 0 ? r : open_piece(p, err);
}

int pg_rows_end(struct pg_plain *p, struct err *err)
{
	/* A table may hold such, too. */
	if (p->rows.noises)
		sink_warn(p->out.sink, WEIGHT_NOTE, buf_span(&p->path),
			  "has %" PRIu64 " rows that look like messages of "
			  "a program", p->rows.noises);
	return pg_turn(p, PG_TO_ASIDE, err);
}

void pg_place(const struct pg_plain *p, struct buf *ret)
{
	const struct pg_entry *e = &p->entry;
	bool inside = p->mode != PG_MODE_SQL || !pg_lex_is_idle(&p->lex);

	if (p->mode == PG_MODE_ROWS)
		buf_append_str(ret, "in the rows of ");
	else
		buf_append_str(ret, inside ? "in " : "behind ");
	if (!e->open) {
		buf_append_str(ret, p->db.settled ? "its last object"
						  : "its first lines");
	} else {
		buf_printf(ret, "%.*s '", (int)(e->desc.len & 63),
			   (const char *)e->desc.data);
		if (e->schema.len) {
			pg_path_escape(buf_span(&e->schema), ret);
			buf_append_byte(ret, '.');
		}
		pg_path_escape(buf_span(&e->tag), ret);
		buf_append_byte(ret, '\'');
	}
	if (p->mode == PG_MODE_ROWS)
		buf_printf(ret, ", after %" PRIu64 " of them", p->rows.count);
}
