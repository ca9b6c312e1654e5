#include "indexer/pgdump/pg_internal.h"

#include <stdlib.h>
#include <strings.h>

int pg_flush(struct pg_plain *p, struct err *err)
{
	int r = pg_put(p, buf_span(&p->held), err);

	buf_clear(&p->held);
	p->header = 0;
	p->frame = p->state_at = SIZE_MAX;
	return r;
}

/* The first n bytes are no longer held. */
static void drop_held(struct pg_plain *p, size_t n)
{
	if (n)
		memmove(p->held.data, p->held.data + n, p->held.len - n);
	p->held.len -= n;
	p->header = 0;
	if (p->frame != SIZE_MAX)
		p->frame = p->frame < n ? SIZE_MAX : p->frame - n;
	if (p->state_at != SIZE_MAX)
		p->state_at = p->state_at < n ? SIZE_MAX : p->state_at - n;
}

/* The first n bytes of what is held go where the target says. */
static int flush_some(struct pg_plain *p, size_t n, struct err *err)
{
	int r = pg_put(p, span_of(p->held.data, n), err);

	drop_held(p, n);
	return r;
}

int pg_hold(struct pg_plain *p, struct span bytes, struct err *err)
{
	buf_append(&p->held, bytes.data, bytes.len);
	return buf_check(&p->held, err);
}

/* The rest of what is held is in no object's file. */
static int set_aside(struct pg_plain *p, struct err *err)
{
	bool head = p->target == PG_TO_HEAD;
	int r = pg_turn(p, PG_TO_ASIDE, err);

	if (r == 0)
		r = pg_flush(p, err);
	return r == 0 && head ? pg_turn(p, PG_TO_HEAD, err) : r;
}

/* Comments. */

static uint32_t *numbers(struct span text, size_t *ret_count)
{
	uint32_t *list = NULL;
	size_t count = 0, room = 0;
	uint32_t n;

	while (pg_number_parse(&text, &n)) {
		if (count == room) {
			uint32_t *more;

			room = room ? room * 2 : 16;
			more = realloc(list, room * sizeof(*list));
			if (!more)
				break;
			list = more;
		}
		list[count++] = n;
		pg_skip(&text, " ");
	}
	*ret_count = count;
	return list;
}

/* The lines that number the entry stay out of its file, so that it is the same
 * in the next dump. */
static int flush_header(struct pg_plain *p, size_t own, struct err *err)
{
	enum pg_target target = p->target;
	int r;

	if (!own)
		return pg_flush(p, err);
	if (target == PG_TO_FILE && p->frame) {
		p->joined = true;
		r = flush_some(p, p->frame, err);
		if (r == 0)
			r = pg_put_between(p, span_of(p->held.data, own), err);
		if (r == 0)
			drop_held(p, own);
		return r < 0 ? r : pg_flush(p, err);
	}
	r = flush_some(p, p->frame, err);
	if (r == 0)
		r = pg_turn(p, PG_TO_ASIDE, err);
	if (r == 0)
		r = flush_some(p, own, err);
	if (r == 0)
		r = pg_turn(p, target, err);
	return r < 0 ? r : pg_flush(p, err);
}

/* What is held and is not yet the next entry's: the comment of a data entry
 * that had no statement, and comments behind a statement. */
static int end_last(struct pg_plain *p, struct err *err)
{
	size_t n = p->header;

	if (!n) {
		n = p->state_at < p->frame ? p->state_at : p->frame;
		return flush_some(p, n, err);
	}
	while (n < p->held.len && strchr(" \t\r\n", p->held.data[n]))
		n++;
	return flush_some(p, n, err);
}

static bool is_full(struct pg_plain *p)
{
	if (p->out.files < PG_ENTRIES_MAX)
		return false;
	if (!p->told_full)
		sink_warn(p->out.sink, WEIGHT_FLAWED, span_of(NULL, 0),
			  "there are more than %u objects: those that follow "
			  "are in the file of the last", PG_ENTRIES_MAX);
	p->told_full = true;
	return true;
}

/* Which part of "o; Tablespace: a; Tablespace: b" is whose, the setting in
 * force tells. */
static void part_space(const struct pg_plain *p, struct pg_comment *comment)
{
	static const char mark[] = "; Tablespace: ";
	struct span all = comment->owner, space = comment->tablespace;
	size_t n = sizeof(mark) - 1, len = p->space.len;

	if (!len || !space.len || !all.data)
		return;
	all.len = (size_t)(space.data - all.data) + space.len;
	if (all.len < len + n ||
	    memcmp(all.data + all.len - len, p->space.data, len) != 0 ||
	    memcmp(all.data + all.len - len - n, mark, n) != 0)
		return;
	comment->owner.len = all.len - len - n;
	comment->tablespace = span_of(all.data + all.len - len, len);
}

static int begin_entry(struct pg_plain *p, struct err *err)
{
	CLEANUP(free_ptr) uint32_t *depends = NULL;
	struct pg_comment comment;
	struct pg_hint hint;
	int r;

	if (p->hinted || is_full(p))
		return 0;
	r = end_last(p, err);
	if (r < 0)
		return r;
	pg_comment_parse(span_of(p->held.data + p->frame,
				 p->held.len - p->frame), &comment);
	part_space(p, &comment);
	hint = (struct pg_hint){
		.dump_id = comment.dump_id,
		.catalog = comment.catalog,
		.oid = comment.oid,
		.desc = comment.desc,
		.tag = comment.name,
		.schema = comment.schema,
		.owner = comment.owner,
		.tablespace = comment.tablespace,
	};
	hint.depends = depends = numbers(comment.depends, &hint.depend_count);
	r = pg_entry_begin(p, &hint, err);
	if (r < 0)
		return r;
	if (!p->is_data)
		return flush_header(p, comment.own, err);
	p->header = p->held.len;
	return 0;
}

static int begin_dump(struct pg_plain *p, struct err *err)
{
	int r = flush_some(p, p->frame, err);

	if (r == 0 && (!p->db.open || p->db.banner || p->db.complete))
		r = pg_database_begin(p, span_of(NULL, 0), err);
	p->db.banner = true;
	return r < 0 ? r : pg_flush(p, err);
}

static int begin_database(struct pg_plain *p, struct span name,
			  struct err *err)
{
	OWNED_BUF struct buf copy = BUF_INIT;
	int r;

	buf_append(&copy, name.data, name.len);
	r = buf_check(&copy, err);
	if (r == 0)
		r = flush_some(p, p->frame, err);
	if (r == 0)
		r = pg_database_begin(p, buf_span(&copy), err);
	return r < 0 ? r : pg_flush(p, err);
}

static int begin_cluster(struct pg_plain *p, struct err *err)
{
	int r = flush_some(p, p->frame, err);

	if (r == 0)
		r = pg_cluster_begin(p, err);
	return r < 0 ? r : pg_flush(p, err);
}

static int end_dump(struct pg_plain *p, struct err *err)
{
	int r = pg_entry_end(p, err);

	p->db.complete = p->db.open;
	return r < 0 ? r : pg_flush(p, err);
}

static int end_cluster(struct pg_plain *p, struct err *err)
{
	int r = pg_entry_end(p, err);

	p->cluster_complete = p->cluster;
	return r < 0 ? r : pg_flush(p, err);
}

int pg_text_frame(struct pg_plain *p, struct err *err)
{
	struct pg_comment comment;

	pg_comment_parse(span_of(p->held.data + p->frame,
				 p->held.len - p->frame), &comment);
	switch (comment.mark) {
	case PG_MARK_ENTRY:
		return begin_entry(p, err);
	case PG_MARK_DUMP:
		return begin_dump(p, err);
	case PG_MARK_DUMP_END:
		return end_dump(p, err);
	case PG_MARK_CLUSTER:
		return begin_cluster(p, err);
	case PG_MARK_CLUSTER_END:
		return end_cluster(p, err);
	case PG_MARK_DATABASE:
		return begin_database(p, comment.name, err);
	case PG_MARK_OTHER:
		break;
	}
	return 0;
}

void pg_value(struct span value, struct buf *ret)
{
	if (value.len && value.data[value.len - 1] == '\n')
		value.len--;
	if (value.len > 256)
		return;
	buf_clear(ret);
	buf_append(ret, value.data, value.len);
}

/* "2026-11-27 19:12:04 UTC"; a zone's short name that is not known everywhere
 * ("CET") is the one times are read in. */
static void take_time(struct pg_plain *p, struct span value)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct stamp time;
	char *zone;

	pg_value(value, &text);
	if (p->timed || !p->options.is_input || !buf_str(&text))
		return;
	if (sink_when(p->out.sink, (const char *)text.data, &time) < 0) {
		zone = strrchr((char *)text.data, ' ');
		if (zone)
			*zone = '\0';
		if (sink_when(p->out.sink, (const char *)text.data,
			      &time) < 0)
			return;
	}
	p->timed = true;
	p->out.like.mtime = time;
}

/* One that stands alone. */
static int take_remark(struct pg_plain *p, struct err *err)
{
	struct span text = span_of(p->held.data + p->line_at,
				   p->held.len - p->line_at);
	int r;

	if (pg_skip(&text, "-- Dumped from database version "))
		pg_value(text, &p->db.server);
	else if (pg_skip(&text, "-- Dumped by pg_dump version "))
		pg_value(text, &p->db.program);
	if (!pg_skip(&text, "-- Started on "))
		return 0;
	take_time(p, text);
	if (p->target != PG_TO_HEAD)
		return 0;
	/* It would make each database.sql another one. */
	r = flush_some(p, p->line_at, err);
	return r < 0 ? r : set_aside(p, err);
}

static int end_comment(struct pg_plain *p, struct err *err)
{
	struct span line = span_of(p->held.data + p->line_at,
				   p->held.len - p->line_at);
	size_t frame = p->frame;
	bool framed = frame != SIZE_MAX;
	int r;

	if (!span_equal(line, span_str("--\n"))) {
		if (!pg_skip(&line, "-- "))
			p->frame = SIZE_MAX;
		return framed ? 0 : take_remark(p, err);
	}
	if (!framed || frame + 3 == p->line_at) {
		p->frame = p->line_at;
		return 0;
	}
	r = pg_text_frame(p, err);
	p->frame = SIZE_MAX;
	return r;
}

/* Bytes of a line that is held to its end; false: it is too long for that. */
static int hold_line(struct pg_plain *p, const struct pg_run *run,
		     struct span bytes, struct err *err)
{
	int r;

	if (run->begins)
		p->line_at = p->held.len;
	if (p->line_at != SIZE_MAX &&
	    p->held.len + bytes.len > PG_HELD_MAX) {
		p->line_at = SIZE_MAX;
		r = pg_flush(p, err);
		if (r < 0)
			return r;
	}
	return p->line_at == SIZE_MAX ? pg_put(p, bytes, err)
				      : pg_hold(p, bytes, err);
}

static int take_comment(struct pg_plain *p, const struct pg_run *run,
			struct span bytes, struct err *err)
{
	int r = hold_line(p, run, bytes, err);

	if (r < 0 || !run->ends || p->line_at == SIZE_MAX)
		return r;
	return end_comment(p, err);
}

/* Lines for psql. */

static int take_connect(struct pg_plain *p, struct span line,
			struct err *err)
{
	OWNED_BUF struct buf name = BUF_INIT;

	if (!pg_connect_parse(line, &name))
		return buf_check(&name, err);
	if (p->cluster && (!p->db.open || p->db.complete))
		return pg_database_begin(p, buf_span(&name), err);
	if (p->db.open && !p->db.settled && !p->db.name.len) {
		buf_append(&p->db.name, name.data, name.len);
		return buf_check(&p->db.name, err);
	}
	return 0;
}

static int end_meta(struct pg_plain *p, struct err *err)
{
	struct span line;
	bool restrict_, unrestrict;
	int r = flush_some(p, p->line_at, err);

	if (r < 0)
		return r;
	line = buf_span(&p->held);
	restrict_ = pg_skip(&line, "\\restrict ");
	unrestrict = pg_skip(&line, "\\unrestrict ");
	if (restrict_ || unrestrict) {
		p->restricted = restrict_;
		return set_aside(p, err);
	}
	line = buf_span(&p->held);
	if (line.len && line.data[line.len - 1] == '\n')
		line.len--;
	r = take_connect(p, line, err);
	if (r == 0)
		r = pg_entry_statement(p, err);
	return r < 0 ? r : pg_flush(p, err);
}

static int take_meta(struct pg_plain *p, const struct pg_run *run,
		     struct span bytes, struct err *err)
{
	int r;

	p->frame = SIZE_MAX;
	r = hold_line(p, run, bytes, err);
	if (r < 0 || !run->ends || p->line_at == SIZE_MAX)
		return r;
	return end_meta(p, err);
}

/* A line that no dump has, where a program's stderr came with its stdout. */
static int take_noise(struct pg_plain *p, const struct pg_run *run,
		      struct span bytes, struct err *err)
{
	int r = 0;

	if (run->begins)
		p->statement_at = p->held.len;
	p->frame = SIZE_MAX;
	if (p->held.len + bytes.len > PG_HELD_MAX) {
		r = pg_flush(p, err);
		p->statement_at = 0;
	}
	if (r == 0)
		r = pg_hold(p, bytes, err);
	if (r < 0 || !run->ends)
		return r;
	if (p->noise++ == 0)
		pg_value(span_of(p->held.data + p->statement_at,
				   p->held.len - p->statement_at),
			   &p->noise_text);
	r = flush_some(p, p->statement_at, err);
	return r < 0 ? r : set_aside(p, err);
}

static int take_run(struct pg_plain *p, const struct pg_run *run,
		    struct span bytes, struct err *err)
{
	switch (run->kind) {
	case PG_RUN_SPACE:
		p->frame = SIZE_MAX;
		if (p->held.len + bytes.len > PG_HELD_MAX) {
			int r = pg_flush(p, err);

			if (r < 0)
				return r;
		}
		return p->held.len ? pg_hold(p, bytes, err)
				   : pg_pass(p, bytes, err);
	case PG_RUN_COMMENT:
		return take_comment(p, run, bytes, err);
	case PG_RUN_META:
		return take_meta(p, run, bytes, err);
	case PG_RUN_STATEMENT:
		return pg_statement_run(p, run, bytes, err);
	case PG_RUN_NOISE:
		break;
	}
	return take_noise(p, run, bytes, err);
}

/* Rows. */

static int feed_line(struct pg_plain *p, struct span *bytes, struct err *err)
{
	const uint8_t *nl = memchr(bytes->data, '\n', bytes->len);
	size_t n = nl ? (size_t)(nl - bytes->data) + 1 : bytes->len;
	int r = pg_put(p, span_of(bytes->data, n), err);

	bytes->data += n;
	bytes->len -= n;
	if (r < 0 || !nl)
		return r;
	p->mode = PG_MODE_ROWS;
	return pg_rows_begin(p, err);
}

static int end_rows(struct pg_plain *p, struct err *err)
{
	int r = pg_rows_end(p, err);

	p->mode = PG_MODE_SQL;
	return r < 0 ? r : pg_put(p, span_str("\\.\n"), err);
}

/* What is held may be the beginning of "\.\n". */
static int feed_unsure(struct pg_plain *p, uint8_t c, struct err *err)
{
	struct span end = span_str("\\.\n");
	int r;

	buf_append_byte(&p->held, c);
	r = buf_check(&p->held, err);
	if (r < 0)
		return r;
	if (!memcmp(p->held.data, end.data, p->held.len)) {
		if (p->held.len < end.len)
			return 0;
		buf_clear(&p->held);
		return end_rows(p, err);
	}
	p->rows.in_line = c != '\n';
	p->rows.count += c == '\n';
	return pg_flush(p, err);
}

static int feed_rows(struct pg_plain *p, struct span *bytes, struct err *err)
{
	enum pg_rows_end is;
	size_t n;
	int r;

	if (p->held.len) {
		uint8_t c = bytes->data[0];

		bytes->data++;
		bytes->len--;
		return feed_unsure(p, c, err);
	}
	is = pg_rows_scan(&p->rows, *bytes, &n);
	r = pg_put(p, span_of(bytes->data, n), err);
	bytes->data += n;
	bytes->len -= n;
	if (r < 0 || is == PG_ROWS_GO_ON)
		return r;
	if (is == PG_ROWS_UNSURE) {
		r = pg_hold(p, *bytes, err);
		bytes->len = 0;
		return r;
	}
	bytes->data += 3;
	bytes->len -= 3;
	return end_rows(p, err);
}

/* Outside of any dump, where lines that are no dump's may stand: before the
 * banner, and behind the completion mark. */
static bool is_outside(const struct pg_plain *p, uint8_t c)
{
	if (!p->options.is_input || p->target != PG_TO_ASIDE ||
	    !pg_lex_is_idle(&p->lex) || (p->db.open && !p->db.complete))
		return false;
	return c != '-' && c != '\\' && !strchr(" \t\r\n", c);
}

static int feed_stray(struct pg_plain *p, struct span *bytes, struct err *err)
{
	const uint8_t *nl = memchr(bytes->data, '\n', bytes->len);
	size_t n = nl ? (size_t)(nl - bytes->data) + 1 : bytes->len;
	int r;

	if (!p->stray_lines && p->stray_text.len + n < 256)
		buf_append(&p->stray_text, bytes->data, nl ? n - 1 : n);
	p->stray_lines += nl != NULL;
	p->stray_before |= !p->db.open && !p->cluster;
	p->stray_behind |= p->db.open || p->cluster;
	r = pg_flush(p, err);
	if (r == 0)
		r = pg_put(p, span_of(bytes->data, n), err);
	p->mode = nl ? PG_MODE_SQL : PG_MODE_STRAY;
	bytes->data += n;
	bytes->len -= n;
	return r;
}

static int feed_sql(struct pg_plain *p, struct span *bytes, struct err *err)
{
	struct pg_run run;
	int r;

	if (is_outside(p, bytes->data[0]))
		return feed_stray(p, bytes, err);

	pg_lex_next(&p->lex, *bytes, &run);
	r = take_run(p, &run, span_of(bytes->data, run.len), err);
	bytes->data += run.len;
	bytes->len -= run.len;
	return r;
}

int pg_text_feed(struct pg_plain *p, struct span bytes, struct err *err)
{
	int r = 0;

	while (r == 0 && bytes.len) {
		switch (p->mode) {
		case PG_MODE_SQL:
			r = feed_sql(p, &bytes, err);
			break;
		case PG_MODE_LINE:
			r = feed_line(p, &bytes, err);
			break;
		case PG_MODE_ROWS:
			r = feed_rows(p, &bytes, err);
			break;
		case PG_MODE_STRAY:
			r = feed_stray(p, &bytes, err);
			break;
		}
	}
	/* The caller's bytes are lent for this call. */
	if (r == 0)
		r = pg_put_passed(p, err);
	p->passed.len = 0;
	return r;
}
