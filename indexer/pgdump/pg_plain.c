#include "indexer/pgdump/pg_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fs/base/json.h"

struct pg_plain *pg_plain_new(struct sink *sink,
			      const struct pg_plain_options *options)
{
	struct pg_plain *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->options = *options;
	p->out = (struct pg_out){
		.sink = sink,
		.like = *options->like,
		.stream = options->is_input,
	};
	p->out.like.type = ENTRY_FILE;
	p->options.like = NULL;
	p->decided = !options->is_input;
	p->mode = PG_MODE_SQL;
	p->target = PG_TO_ASIDE;
	p->frame = p->state_at = SIZE_MAX;
	p->line = 1;
	pg_lex_init(&p->lex);
	sink_keep_times(sink);
	return p;
}

static void release_texts(struct pg_plain *p)
{
	struct buf *all[] = {
		&p->held, &p->path, &p->copy, &p->names, &p->first_server,
		&p->first_program, &p->first_encoding, &p->noise_text,
		&p->stray_text, &p->begin, &p->undone, &p->object.raw,
		&p->db.name, &p->db.dir, &p->db.owner, &p->db.tablespace,
		&p->db.server, &p->db.program, &p->db.encoding,
		&p->db.ends, &p->db.lost,
		&p->entry.desc, &p->entry.tag, &p->entry.schema,
		&p->entry.owner, &p->entry.tablespace, &p->entry.depends,
		&p->entry.method, &p->method, &p->space,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_release(all[i]);
}

void pg_plain_free(struct pg_plain *p)
{
	if (!p)
		return;
	release_texts(p);
	pg_out_release(&p->out);
	pg_joint_release(&p->globals);
	pg_joint_release(&p->file);
	pg_joint_release(&p->db.head);
	pg_joint_release(&p->object.parts);
	pg_toc_release(&p->db.toc);
	pg_toc_release(&p->list);
	free(p);
}

int pg_plain_db(struct pg_plain *p, struct span name, struct err *err)
{
	if (!p->db.open)
		return pg_database_begin(p, name, err);
	if (p->db.settled)
		return err_set(err, -EINVAL,
			       "the name of a database came too late");
	buf_clear(&p->db.name);
	buf_append(&p->db.name, name.data, name.len);
	return buf_check(&p->db.name, err);
}

int pg_plain_hint(struct pg_plain *p, const struct pg_hint *hint,
		  struct err *err)
{
	int r;

	if (p->mode != PG_MODE_SQL || !pg_lex_is_idle(&p->lex))
		return err_set(err, -EINVAL,
			       "an entry begins inside the one before");
	p->hinted = true;
	r = pg_flush(p, err);
	if (r < 0)
		return r;
	return hint ? pg_entry_begin(p, hint, err) : pg_entry_end(p, err);
}

int pg_plain_lost(struct pg_plain *p, const struct pg_hint *entry,
		  const char *why, struct err *err)
{
	struct pg_database *db = &p->db;

	p->partial = true;
	if (entry && db->lost.len < PG_LOST_MAX)
		return pg_toc_add_lost(p, entry, why, err);
	if (!db->ends.len)
		buf_append_str(&db->ends, entry ? "more of it is lost than is "
			       "listed" : why);
	return buf_check(&db->ends, err);
}

int pg_plain_break(struct pg_plain *p, struct err *err)
{
	bool backslashes = p->lex.backslashes;
	int r = pg_flush(p, err);

	if (r == 0 && p->mode == PG_MODE_ROWS)
		r = pg_rows_end(p, err);
	p->mode = PG_MODE_SQL;
	pg_lex_init(&p->lex);
	p->lex.backslashes = backslashes;
	p->line_at = SIZE_MAX;
	p->statement_at = 0;
	return r;
}

/* Damage by a terminal. */

/* Where banner's line ends in text; NULL: it has no such line. */
static const uint8_t *find_line(struct span text, const char *banner)
{
	size_t len = strlen(banner);
	struct span rest = text;
	const uint8_t *at;

	while (rest.len && (at = memmem(rest.data, rest.len, banner, len))) {
		size_t skip = (size_t)(at - rest.data) + len;

		rest.data += skip;
		rest.len -= skip;
		if ((at == text.data || at[-1] == '\n') && rest.len &&
		    (rest.data[0] == '\n' || rest.data[0] == '\r'))
			return rest.data;
	}
	return NULL;
}

/* The first of either; NULL: there is none. */
static const uint8_t *find_banner(struct span text)
{
	const uint8_t *one = find_line(text, "-- PostgreSQL database dump");
	const uint8_t *all = find_line(text,
				       "-- PostgreSQL database cluster dump");

	return one && all ? (one < all ? one : all) : one ? one : all;
}

bool pg_plain_is(struct span head)
{
	if (head.len > PG_HEAD_MAX)
		head.len = PG_HEAD_MAX;
	return find_banner(head) != NULL;
}

/*
 * A terminal makes every "\n" a "\r\n", so where each "\n" has its "\r" the
 * first of the two are the terminal's.  The stream stays what came in.
 */
static int feed_undone(struct pg_plain *p, struct span bytes, struct err *err)
{
	struct buf *out = &p->undone;

	buf_clear(out);
	if (buf_reserve(out, bytes.len + 1) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];

		if (p->cr && c != '\n')
			out->data[out->len++] = '\r';
		if (c == '\n') {
			if (!p->cr && !p->lone_line)
				p->lone_line = p->line;
			p->line++;
		}
		p->cr = c == '\r';
		if (!p->cr)
			out->data[out->len++] = c;
	}
	return pg_text_feed(p, buf_span(out), err);
}

static int feed_piece(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r;

	if (!p->crlf)
		return pg_text_feed(p, bytes, err);
	r = sink_stream_glue(p->out.sink, bytes, err);
	while (r == 0 && bytes.len) {
		struct span some = bytes;

		if (some.len > PG_TOC_MAX)
			some.len = PG_TOC_MAX;
		r = feed_undone(p, some, err);
		bytes.data += some.len;
		bytes.len -= some.len;
	}
	return r;
}

/* The banner's line has ended, or will not come: how do lines end? */
static int decide(struct pg_plain *p, struct err *err)
{
	const uint8_t *end = find_banner(buf_span(&p->begin));
	int r;

	p->decided = true;
	p->crlf = end && *end == '\r' &&
		  end + 1 < p->begin.data + p->begin.len && end[1] == '\n';
	p->out.stream = !p->crlf;
	r = feed_piece(p, buf_span(&p->begin), err);
	buf_release(&p->begin);
	return r;
}

static int feed_begin(struct pg_plain *p, struct span *bytes,
		      struct err *err)
{
	size_t n = PG_HEAD_MAX - p->begin.len;
	const uint8_t *end;

	if (n > bytes->len)
		n = bytes->len;
	buf_append(&p->begin, bytes->data, n);
	bytes->data += n;
	bytes->len -= n;
	if (buf_check(&p->begin, err) < 0)
		return -ENOMEM;
	end = find_banner(buf_span(&p->begin));
	/* Both bytes that may end the line must be there. */
	if ((!end || end + 2 > p->begin.data + p->begin.len) &&
	    p->begin.len < PG_HEAD_MAX)
		return 0;
	return decide(p, err);
}

int pg_plain_feed(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r = 0;

	if (!p->decided)
		r = feed_begin(p, &bytes, err);
	if (r == 0 && p->decided && bytes.len)
		r = feed_piece(p, bytes, err);
	return r;
}

/* The end. */

static const char *text_of(struct buf *buf)
{
	const char *text = buf_str(buf);

	return text ? text : "";
}

static void tell_end(struct pg_plain *p, const char *why)
{
	OWNED_BUF struct buf place = BUF_INIT;
	struct sink *sink = p->out.sink;
	bool any = p->cluster || p->db.open;
	bool whole = !p->restricted && (!p->db.open || p->db.complete) &&
		     (!p->cluster || p->cluster_complete);
	bool cut;

	pg_place(p, &place);
	cut = why || (!whole && p->options.is_input);
	p->partial |= cut;
	if (cut && p->db.open && !p->db.complete)
		buf_printf(&p->db.ends, "it ends %s%s%s", text_of(&place),
			   why ? ": " : "", why ? why : "");
	if (!any && p->options.is_input)
		sink_warn(sink, WEIGHT_INPUT, span_of(NULL, 0),
			  "no PostgreSQL dump is in it%s%s", why ? ": " : "",
			  why ? why : "");
	else if (why)
		sink_warn(sink, WEIGHT_INPUT, buf_span(&p->db.dir),
			  "ends %s: %s", text_of(&place), why);
	else if (!whole && p->options.is_input)
		sink_warn(sink, WEIGHT_INPUT, buf_span(&p->db.dir),
			  "ends %s, without the mark of a complete dump: it "
			  "was cut off, or pg_dump failed", text_of(&place));
}

static void tell_others(struct pg_plain *p)
{
	struct sink *sink = p->out.sink;

	if (p->noise)
		sink_warn(sink, WEIGHT_FLAWED, span_of(NULL, 0),
			  "messages of a program stand among the SQL (%" PRIu64
			  " lines), as: %s", p->noise,
			  text_of(&p->noise_text));
	if (p->stray_before || p->stray_behind)
		sink_warn(sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "other text stands %s the dump%s: %s",
			  p->stray_before ? "before" : "behind",
			  p->stray_before && p->stray_behind ?
			  " and behind it" : "", text_of(&p->stray_text));
	if (!p->crlf)
		return;
	if (p->lone_line)
		sink_warn(sink, WEIGHT_FLAWED, span_of(NULL, 0),
			  "lines end in CR LF, as a terminal leaves them, but "
			  "not all (not line %" PRIu64 "): CR was taken off "
			  "all that have it, and rows or text may have lost "
			  "one that was theirs; the original has them",
			  p->lone_line);
	else
		sink_warn(sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "a terminal made CR LF of the end of each line; "
			  "undone, but for the original");
}

static void attr(struct pg_plain *p, const char *key, struct buf *value)
{
	const char *text = value->len ? buf_str(value) : NULL;

	if (text && utf8_is_valid(buf_span(value)))
		sink_attr(p->out.sink, key, text);
}

static void tell_attrs(struct pg_plain *p)
{
	attr(p, "databases", &p->names);
	attr(p, "server_version", &p->first_server);
	attr(p, "pg_dump_version", &p->first_program);
	attr(p, "encoding", &p->first_encoding);
	if (p->cluster)
		sink_attr(p->out.sink, "role_passwords",
			  p->passwords ? "yes" : "no");
}

/* All that was begun ends; what was read of it is kept. */
static int end_all(struct pg_plain *p, struct err *err)
{
	int r = 0;

	if (p->mode == PG_MODE_ROWS) {
		r = pg_flush(p, err);
		if (r == 0)
			r = pg_rows_end(p, err);
	}
	p->mode = PG_MODE_SQL;
	if (r == 0)
		r = pg_flush(p, err);
	if (r == 0)
		r = pg_cluster_end(p, err);
	if (r == 0)
		r = pg_turn(p, PG_TO_ASIDE, err);
	if (r == 0 && p->list.count)
		r = pg_toc_write_list(p, err);
	if (r == 0)
		r = pg_out_extra(&p->out, span_str("restore.sql"),
				 &p->out.whole, span_of(NULL, 0), NULL, err);
	return r < 0 ? r : pg_out_dirs(&p->out, err);
}

int pg_plain_finish(struct pg_plain *p, const char *why, struct err *err)
{
	int r = 0;

	if (!p->decided)
		r = decide(p, err);
	if (r == 0 && p->cr)
		r = pg_text_feed(p, span_str("\r"), err);
	if (r < 0)
		return r;
	p->ending = true;
	tell_end(p, why);
	r = end_all(p, err);
	if (r < 0)
		return r;
	tell_others(p);
	tell_attrs(p);
	return 0;
}
