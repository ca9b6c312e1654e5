#include "indexer/pgdump/pg_internal.h"

#include <stdio.h>

static struct span trim(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool is_frame(struct span s)
{
	return span_equal(s, span_str("BEGIN;")) ||
	       span_equal(s, span_str("COMMIT;"));
}

/* SELECT pg_catalog.lo_open('16396', 131072); */
static bool parse_open(struct span s, uint32_t *ret_oid)
{
	uint32_t mode;

	return pg_skip(&s, "SELECT pg_catalog.lo_open('") &&
	       pg_number_parse(&s, ret_oid) && pg_skip(&s, "', ") &&
	       pg_number_parse(&s, &mode) && pg_skip(&s, ");") && !s.len;
}

static const int8_t digits[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Append what the digits of text mean; false: they are no such, and raw is as
 * it was. */
static bool parse_hex(struct span text, struct buf *raw)
{
	uint8_t *to;

	if (text.len % 2 || buf_reserve(raw, text.len / 2) < 0)
		return false;
	to = raw->data + raw->len;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = digits[text.data[i]] - 1;
		int low = digits[text.data[i + 1]] - 1;

		if (high < 0 || low < 0)
			return false;
		to[i / 2] = (uint8_t)(high << 4 | low);
	}
	raw->len += text.len / 2;
	return true;
}

/* SELECT pg_catalog.lowrite(0, '\x0001'); the backslash is doubled where
 * standard_conforming_strings is off. */
static bool parse_write(struct span s, bool doubled, struct buf *raw)
{
	static const char end[] = "');";
	size_t n = sizeof(end) - 1;

	if (!pg_skip(&s, "SELECT pg_catalog.lowrite(0, '") ||
	    !pg_skip(&s, doubled ? "\\\\x" : "\\x") || s.len < n ||
	    memcmp(s.data + s.len - n, end, n) != 0)
		return false;
	s.len -= n;
	return parse_hex(s, raw);
}

/* What was read of it so far is no longer in memory. */
static int put_part(struct pg_plain *p, struct err *err)
{
	struct pg_object *o = &p->object;
	int r = pg_turn(p, PG_TO_ASIDE, err);

	if (r == 0)
		r = pg_out_part(&p->out, &o->parts, buf_span(&o->raw), err);
	buf_clear(&o->raw);
	return r;
}

static int put_object(struct pg_plain *p, struct err *err)
{
	struct pg_object *o = &p->object;
	OWNED_BUF struct buf path = BUF_INIT;
	struct pg_data data = {
		.dump_id = p->entry.dump_id,
		.kind = PG_DATA_OBJECT,
		.oid = o->oid,
	};
	struct pg_toc_file file = { .object = &o->oid };
	char oid[16];
	int r;

	snprintf(oid, sizeof(oid), "%u", o->oid);
	buf_append(&path, p->db.dir.data, p->db.dir.len);
	buf_append_str(&path, "/large_objects");
	r = pg_path_add(&p->out.paths, PG_LEVEL_OBJECT, span_str(oid), "",
			&path, err);
	if (r == 0)
		r = pg_out_extra(&p->out, buf_span(&path), &o->parts,
				 buf_span(&o->raw), &data, err);
	if (r < 0)
		return r;
	file.path = buf_span(&path);
	file.size = data.size;
	r = pg_toc_add(p, &file, err);
	if (r == 0 && p->options.data)
		r = p->options.data(p->options.arg, &data, err);
	return r;
}

int pg_object_end(struct pg_plain *p, struct err *err)
{
	int r;

	if (!p->object.open)
		return 0;
	r = pg_turn(p, PG_TO_ASIDE, err);
	if (r == 0)
		r = put_object(p, err);
	p->object.open = false;
	buf_clear(&p->object.raw);
	pg_joint_release(&p->object.parts);
	return r;
}

int pg_object_statement(struct pg_plain *p, struct err *err)
{
	struct pg_object *o = &p->object;
	struct span s = trim(span_of(p->held.data + p->statement_at,
				     p->held.len - p->statement_at));
	uint32_t oid;
	int r = 0;

	if (is_frame(s))
		return 1;
	if (parse_open(s, &oid)) {
		r = pg_object_end(p, err);
		o->open = r == 0;
		o->oid = oid;
	} else if (o->open && parse_write(s, p->lex.backslashes, &o->raw)) {
		if (o->raw.len >= PG_OBJECT_PART)
			r = put_part(p, err);
	} else if (o->open &&
		   span_equal(s, span_str("SELECT pg_catalog.lo_close(0);"))) {
		r = pg_object_end(p, err);
	} else {
		return buf_check(&o->raw, err);
	}
	return r < 0 ? r : 1;
}
