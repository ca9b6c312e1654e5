#include "tools/format.h"

#include <assert.h>
#include <stdlib.h>

struct table {
	FILE *out;
	const char *const *heads;
	size_t columns, rows;
	size_t *width;
	bool begun;		/* widths are fixed, heads printed */
	bool harmless;
	char **cells;		/* columns * TABLE_HOLD places */
	size_t held;		/* cells held now */
	int blanks;		/* due before the next text of this row */
};

/* Places on the screen: bytes that do not continue a character. */
static size_t shown_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((uint8_t)*text & 0xc0) != 0x80;
	return n;
}

struct table *table_new(FILE *out, const char *const *heads, size_t columns)
{
	struct table *table = calloc(1, sizeof(*table));

	assert(columns > 0 && columns <= TABLE_COLUMNS);
	if (!table)
		return NULL;
	table->out = out;
	table->heads = heads;
	table->columns = columns;
	table->harmless = out_is_terminal(out);
	table->width = calloc(columns, sizeof(*table->width));
	table->cells = calloc(columns * TABLE_HOLD, sizeof(*table->cells));
	if (!table->width || !table->cells) {
		table_free(table);
		return NULL;
	}
	for (size_t i = 0; i < columns; i++)
		table->width[i] = shown_width(heads[i] + 1);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; table->cells && i < table->held; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->width);
	free(table);
}

void table_free_ptr(struct table **table)
{
	table_free(*table);
}

/* Blanks behind the last text of a row are not written. */
static void print_cell(struct table *table, size_t column, const char *text)
{
	size_t shown = shown_width(text), width = table->width[column];
	int pad = shown < width ? (int)(width - shown) : 0;

	if (column == 0)
		table->blanks = 0;
	if (table->heads[column][0] == '>')
		table->blanks += pad;
	if (text[0]) {
		fprintf(table->out, "%*s%s", table->blanks, "", text);
		table->blanks = 0;
	}
	if (table->heads[column][0] != '>')
		table->blanks += pad;
	table->blanks += 2;
	if (column + 1 == table->columns)
		fputc('\n', table->out);
}

static void flush(struct table *table)
{
	if (!table->begun)
		for (size_t i = 0; i < table->columns; i++)
			print_cell(table, i, table->heads[i] + 1);
	table->begun = true;
	for (size_t i = 0; i < table->held; i++) {
		char *text = table->cells[i];

		print_cell(table, i % table->columns, text ? text : "");
		free(text);
		table->cells[i] = NULL;
	}
	table->held = 0;
}

void table_cell(struct table *table, const char *text)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	size_t column = table->held % table->columns, shown;
	char *copy;

	name_append(&buf, span_str(text), table->harmless);
	copy = buf_detach(&buf);
	output_lost |= !copy;
	shown = copy ? shown_width(copy) : 0;
	if (!table->begun && shown > table->width[column])
		table->width[column] = shown;
	table->cells[table->held++] = copy;
	if (table->held == table->columns * TABLE_HOLD)
		flush(table);
}

void table_cellf(struct table *table, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(table, text);
}

void table_print(struct table *table)
{
	flush(table);
}
