#include "fs/base/columns_internal.h"

#include <stdlib.h>

struct column {
	enum columns_kind kind;
	struct columns_form form;
	struct span text;	/* CONST */
	struct bytes texts;	/* what is left of TEXT, or of the odd ones */
	const uint8_t *odd;	/* NULL: none */
	const uint8_t *planes;
	size_t count, at;	/* numbers in planes */
	unsigned width;
	bool steps, first;	/* first: it is in last, and still to come */
	uint64_t last;
};

struct rows {
	struct bytes in;
	uint8_t *out;
	size_t len, cap;
	uint8_t separator;
	struct column columns[COLUMNS_MAX];
};

static int malformed(struct err *err)
{
	return err_corrupt(err, "rows of a block are malformed");
}

/* The text up to a newline, which is taken too. */
static struct span take_text(struct bytes *in)
{
	size_t left = bytes_left(in);
	const uint8_t *end = left ? memchr(in->at, '\n', left) : NULL;
	struct span text;

	if (!end) {
		in->bad = true;
		return span_of(NULL, 0);
	}
	text = span_of(in->at, (size_t)(end - in->at));
	in->at = end + 1;
	return text;
}

/* count texts are passed over; ret reads them. */
static void skip_texts(struct bytes *in, size_t count, struct bytes *ret)
{
	*ret = *in;
	while (count-- > 0 && !in->bad)
		take_text(in);
}

static size_t count_bits(const uint8_t *bits, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += bits[i / 8] >> i % 8 & 1;
	return n;
}

static void read_values(struct bytes *in, size_t rows, struct column *column)
{
	size_t odd;
	uint8_t width;

	if (!columns_form_read(in, column->kind, &column->form))
		return;
	odd = (size_t)bytes_count(in, rows);
	if (odd > 0) {
		column->odd = bytes_take(in, (rows + 7) / 8).data;
		if (in->bad || count_bits(column->odd, rows) != odd)
			in->bad = true;
		skip_texts(in, odd, &column->texts);
	}
	column->count = rows - odd;
	width = bytes_u8(in);
	column->steps = width & COLUMNS_STEPS;
	column->width = width & ~COLUMNS_STEPS;
	in->bad |= column->width > 8 || (column->steps && column->count == 0);
	if (column->steps && !in->bad) {
		column->last = (uint64_t)bytes_zigzag(in);
		column->first = true;
		column->count--;
	}
	if (!in->bad)
		column->planes = bytes_take(in, column->width *
						    column->count).data;
}

static void read_column(struct bytes *in, size_t rows, struct column *ret)
{
	*ret = (struct column){ .kind = (enum columns_kind)bytes_u8(in) };
	switch (ret->kind) {
	case COLUMNS_CONST:
		ret->text = bytes_string(in, COLUMNS_PLAIN_MAX);
		break;
	case COLUMNS_TEXT:
		skip_texts(in, rows, &ret->texts);
		break;
	case COLUMNS_NUMBER:
	case COLUMNS_TIME:
	case COLUMNS_DATE:
		read_values(in, rows, ret);
		break;
	default:
		in->bad = true;
	}
}

static int64_t next_value(struct column *column)
{
	uint64_t v = 0;

	if (column->first) {
		column->first = false;
		return (int64_t)column->last;
	}
	for (unsigned i = 0; i < column->width; i++)
		v = v << 8 | column->planes[i * column->count + column->at];
	column->at++;
	v = (uint64_t)zigzag_unfold(v);
	if (column->steps)
		v += column->last;
	column->last = v;
	return (int64_t)v;
}

/* The text of row in column, and the byte behind it. */
static bool put_cell(struct rows *rows, struct column *column, size_t row,
		     uint8_t behind)
{
	uint8_t number[COLUMNS_VALUE_MAX];
	struct span text;

	if (column->kind == COLUMNS_CONST)
		text = column->text;
	else if (column->kind == COLUMNS_TEXT ||
		 (column->odd && column->odd[row / 8] >> row % 8 & 1))
		text = take_text(&column->texts);
	else {
		text = span_of(number, columns_form_print(&column->form,
					next_value(column), number));
		if (text.len == 0)
			return false;
	}
	if (rows->cap - rows->len <= text.len)
		return false;
	if (text.len > 0)
		memcpy(rows->out + rows->len, text.data, text.len);
	rows->len += text.len;
	rows->out[rows->len++] = behind;
	return true;
}

static bool put_rows(struct rows *rows, size_t count)
{
	size_t columns = (size_t)bytes_count(&rows->in, COLUMNS_MAX);

	/* each cell is a byte at least */
	if (columns == 0 || count > (rows->cap - rows->len) / columns)
		return false;
	for (size_t i = 0; i < columns; i++)
		read_column(&rows->in, count, &rows->columns[i]);
	if (rows->in.bad)
		return false;
	for (size_t row = 0; row < count; row++)
		for (size_t i = 0; i < columns; i++)
			if (!put_cell(rows, &rows->columns[i], row,
				      i + 1 < columns ? rows->separator : '\n'))
				return false;
	return true;
}

static bool put_raw(struct rows *rows)
{
	struct span raw = bytes_string(&rows->in, rows->cap - rows->len);

	if (rows->in.bad || raw.len == 0)
		return false;
	memcpy(rows->out + rows->len, raw.data, raw.len);
	rows->len += raw.len;
	return true;
}

int columns_unpack(struct span packed, uint8_t *plain, size_t plain_len,
		struct err *err)
{
	CLEANUP(free_ptr) struct rows *rows = malloc(sizeof(*rows));
	bool good = true;

	if (!rows)
		return err_nomem(err);
	rows->in = bytes_of(packed);
	rows->out = plain;
	rows->len = 0;
	rows->cap = plain_len;
	rows->separator = bytes_u8(&rows->in);
	while (good && rows->len < rows->cap) {
		size_t count = (size_t)bytes_count(&rows->in, COLUMNS_PLAIN_MAX);

		good = !rows->in.bad &&
		       (count ? put_rows(rows, count) : put_raw(rows));
	}
	return good && bytes_done(&rows->in) ? 0 : malformed(err);
}
