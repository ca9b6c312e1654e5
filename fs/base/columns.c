#include "fs/base/columns_internal.h"

#include <stdlib.h>

#define LOOKED_AT    8192u	/* bytes that columns_detect() looks at */
#define LOOKED_LINES 8u
/* Fewer rows alike are not worth a head of their columns. */
#define ROWS_LEAST   32u
#define SAMPLED	     64u	/* values that a form is chosen by */
#define STRIDE	     7919u	/* between them: a prime, no period of theirs */
#define DENSE_SAMPLE (16u << 10)
#define DENSE	     8u

static size_t count_bytes(struct span text, uint8_t c)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == c;
	return n;
}

/* The line that begins at, without its end; false: it has none. */
static bool next_line(struct span text, size_t at, struct span *ret)
{
	const uint8_t *end = at < text.len ?
		memchr(text.data + at, '\n', text.len - at) : NULL;

	if (!end)
		return false;
	*ret = span_of(text.data + at, (size_t)(end - text.data) - at);
	return true;
}

uint8_t columns_detect(struct span plain)
{
	static const uint8_t separators[] = { '\t', '|', ',', ';' };
	struct span line, part;
	size_t best = 0, first;
	uint8_t found = 0;

	if (plain.len > COLUMNS_PLAIN_MAX || !next_line(plain, 0, &line) ||
	    line.len > LOOKED_AT)
		return 0;
	first = line.len + 1;
	part = span_of(plain.data, plain.len < first + LOOKED_AT ?
			plain.len : first + LOOKED_AT);
	for (size_t s = 0; s < sizeof(separators); s++) {
		size_t at = first, lines = 0, columns = 0;

		while (next_line(part, at, &line)) {
			size_t n = count_bytes(line, separators[s]);

			if (n == 0 || (lines > 0 && n != columns))
				break;
			columns = n;
			at += line.len + 1;
			lines++;
		}
		if (lines >= LOOKED_LINES && columns > best) {
			best = columns;
			found = separators[s];
		}
	}
	return found;
}

/* Some rows one after the other that have as many columns. */
struct run {
	const uint8_t *text;
	uint8_t separator;
	uint32_t *cells;	/* where each begins, row by row, and the end */
	size_t count, room;
	size_t rows, columns;
	size_t end;		/* behind the last row */
};

static struct span cell(const struct run *run, size_t row, size_t column)
{
	const uint32_t *at = run->cells + row * run->columns + column;

	return span_of(run->text + at[0], at[1] - 1 - at[0]);
}

static int put_cell(struct run *run, size_t at)
{
	if (run->count == run->room) {
		size_t room = run->room ? 2 * run->room : 4096;
		void *more = realloc(run->cells, room * sizeof(*run->cells));

		if (!more)
			return -ENOMEM;
		run->cells = more;
		run->room = room;
	}
	run->cells[run->count++] = (uint32_t)at;
	return 0;
}

/* The line's cells; how many, or -ENOMEM. */
static int cut_line(struct run *run, struct span line, size_t at)
{
	const uint8_t *p = line.data, *end = line.data + line.len;
	int columns = 0;

	for (;;) {
		const uint8_t *next = p < end ?
			memchr(p, run->separator, (size_t)(end - p)) : NULL;

		if (put_cell(run, at + (size_t)(p - line.data)) < 0)
			return -ENOMEM;
		columns++;
		if (!next || columns > COLUMNS_MAX)
			return columns;
		p = next + 1;
	}
}

/* The run that begins at; run->rows 0: no line ends behind it. */
static int find_run(struct span text, size_t at, struct run *run)
{
	struct span line;

	run->count = run->rows = 0;
	for (run->end = at; next_line(text, run->end, &line); run->rows++) {
		size_t before = run->count;
		int columns = cut_line(run, line, run->end);

		if (columns < 0)
			return columns;
		if (run->rows == 0)
			run->columns = (size_t)columns;
		else if (run->columns != (size_t)columns) {
			run->count = before;
			break;
		}
		run->end += line.len + 1;
	}
	return put_cell(run, run->end);
}

/* Columns. */

static bool is_constant(const struct run *run, size_t column)
{
	struct span first = cell(run, 0, column);

	for (size_t i = 1; i < run->rows; i++)
		if (!span_equal(first, cell(run, i, column)))
			return false;
	return true;
}

static size_t sample_size(const struct run *run)
{
	return run->rows < SAMPLED ? run->rows : SAMPLED;
}

static size_t count_misfits(const struct run *run, size_t column,
			    const struct columns_form *form)
{
	size_t n = 0;
	int64_t value;

	for (size_t i = 0; i < sample_size(run); i++)
		n += !columns_form_value(form, cell(run, i * STRIDE % run->rows,
						    column), &value);
	return n;
}

/* A form that three in four of some values have. */
static bool choose_form(const struct run *run, size_t column,
			struct columns_form *ret)
{
	size_t most = sample_size(run) / 4, best = most + 1;

	for (size_t part = 0; part < 3; part++) {
		struct columns_form form[COLUMNS_GUESSES];
		size_t n = columns_form_guess(cell(run, (run->rows - 1) *
						   part / 2, column), form);

		for (size_t i = 0; i < n; i++) {
			size_t misfits = count_misfits(run, column, &form[i]);

			if (misfits < best) {
				best = misfits;
				*ret = form[i];
			}
		}
	}
	return best <= most;
}

static unsigned bits_of(uint64_t v)
{
	return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* Steps instead of numbers, where those are shorter; the first stays. */
static bool take_steps(uint64_t *values, size_t count)
{
	uint64_t plain = 0, steps = 0;

	for (size_t i = 1; i < count; i++) {
		int64_t step = (int64_t)(values[i] - values[i - 1]);

		plain += bits_of(zigzag_fold((int64_t)values[i]));
		steps += bits_of(zigzag_fold(step));
	}
	if (steps >= plain)
		return false;
	for (size_t i = count - 1; i > 0; i--)
		values[i] -= values[i - 1];
	return true;
}

/* Their bytes of one weight together, the highest first. */
static void put_planes(uint64_t *values, size_t count, struct buf *out)
{
	bool steps = take_steps(values, count);
	size_t first = steps;
	uint64_t all = 0;
	unsigned width;

	for (size_t i = first; i < count; i++) {
		values[i] = zigzag_fold((int64_t)values[i]);
		all |= values[i];
	}
	width = (bits_of(all) + 7) / 8;
	buf_u8(out, (uint8_t)(width | (steps ? COLUMNS_STEPS : 0)));
	if (steps)
		buf_zigzag(out, (int64_t)values[0]);
	if (buf_reserve(out, width * count) < 0)
		return;
	while (width-- > 0)
		for (size_t i = first; i < count; i++)
			out->data[out->len++] =
				(uint8_t)(values[i] >> (8 * width));
}

static void put_text(struct span text, struct buf *out)
{
	buf_append(out, text.data, text.len);
	buf_u8(out, '\n');
}

static int put_values(const struct run *run, size_t column,
		      const struct columns_form *form, struct buf *out)
{
	CLEANUP(free_ptr) uint64_t *values = calloc(run->rows,
						    sizeof(*values));
	CLEANUP(free_ptr) uint8_t *odd = calloc(run->rows / 8 + 1, 1);
	size_t count = 0;
	int64_t value;

	if (!values || !odd)
		return -ENOMEM;
	for (size_t i = 0; i < run->rows; i++) {
		if (columns_form_value(form, cell(run, i, column), &value))
			values[count++] = (uint64_t)value;
		else
			odd[i / 8] |= (uint8_t)(1u << i % 8);
	}
	buf_u8(out, (uint8_t)form->kind);
	columns_form_write(form, out);
	buf_varint(out, run->rows - count);
	if (count < run->rows)
		buf_append(out, odd, (run->rows + 7) / 8);
	for (size_t i = 0; i < run->rows; i++)
		if (odd[i / 8] & 1u << i % 8)
			put_text(cell(run, i, column), out);
	put_planes(values, count, out);
	return 0;
}

static int put_column(const struct run *run, size_t column, struct buf *out)
{
	struct columns_form form;

	if (is_constant(run, column)) {
		buf_u8(out, COLUMNS_CONST);
		buf_string(out, cell(run, 0, column));
		return 0;
	}
	if (choose_form(run, column, &form))
		return put_values(run, column, &form, out);
	buf_u8(out, COLUMNS_TEXT);
	for (size_t i = 0; i < run->rows; i++)
		put_text(cell(run, i, column), out);
	return 0;
}

static int put_run(const struct run *run, struct buf *out)
{
	int r = 0;

	buf_varint(out, run->rows);
	buf_varint(out, run->columns);
	for (size_t i = 0; r == 0 && i < run->columns; i++)
		r = put_column(run, i, out);
	return r;
}

static void put_raw(struct span text, struct buf *out)
{
	if (text.len == 0)
		return;
	buf_varint(out, 0);
	buf_string(out, text);
}

/* The bytes of plain that are in rows, into *ret. */
static int put_all(struct span plain, struct run *run, struct buf *out,
		   size_t *ret)
{
	size_t at = 0, raw = 0, rows = 0;
	int r;

	buf_u8(out, run->separator);
	do {
		r = find_run(plain, at, run);
		if (r == 0 && run->rows >= ROWS_LEAST && run->columns > 1 &&
		    run->columns <= COLUMNS_MAX) {
			put_raw(span_of(plain.data + raw, at - raw), out);
			r = put_run(run, out);
			raw = run->end;
			rows += raw - at;
		}
		at = run->end;
	} while (r == 0 && run->rows > 0);
	put_raw(span_of(plain.data + raw, plain.len - raw), out);
	*ret = rows;
	return r < 0 || out->failed ? -ENOMEM : 0;
}

int columns_pack(struct span plain, uint8_t separator, struct buf *out,
	      struct err *err)
{
	struct run run = { .text = plain.data, .separator = separator };
	size_t start = out->len, rows = 0;
	int r = put_all(plain, &run, out, &rows);

	free(run.cells);
	if (r < 0)
		return err_nomem(err);
	if (rows < plain.len / 2) {
		out->len = start;
		return 0;
	}
	return 1;
}

bool columns_are_dense(struct span plain)
{
	OWNED_BUF struct buf rows = BUF_INIT;
	uint8_t separator = columns_detect(plain);

	if (plain.len > DENSE_SAMPLE)
		plain.len = DENSE_SAMPLE;
	return separator && columns_pack(plain, separator, &rows, NULL) > 0 &&
	       rows.len <= plain.len / DENSE;
}
