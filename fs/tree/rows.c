#include "fs/tree/rows.h"

#define HEAD "{\"table\":\""
#define HEAD_LEN (sizeof(HEAD) - 1)
#define READ_STEP (64u << 10)

bool row_table_is_valid(struct span table)
{
	if (table.len == 0 || table.len > ROW_TABLE_MAX ||
	    table.data[0] < 'a' || table.data[0] > 'z')
		return false;
	for (size_t i = 0; i < table.len; i++) {
		uint8_t c = table.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '_')
			return false;
	}
	return true;
}

int row_write(struct span table, struct span object, struct buf *line,
	      struct err *err)
{
	bool some = object.len > 2;

	if (!row_table_is_valid(table))
		return err_set(err, -EINVAL, "'%.*s' cannot be a table of rows",
			       (int)table.len, (const char *)table.data);
	if (object.len < 2 || object.data[0] != '{' ||
	    object.data[object.len - 1] != '}' ||
	    memchr(object.data, '\n', object.len) ||
	    object.len > ROW_MAX - HEAD_LEN - ROW_TABLE_MAX - 2)
		return err_set(err, -EINVAL, "a row of table '%.*s' is not an "
			       "object in a line of at most %u bytes",
			       (int)table.len, (const char *)table.data,
			       ROW_MAX);
	buf_append_str(line, HEAD);
	buf_append(line, table.data, table.len);
	buf_append_str(line, some ? "\"," : "\"");
	buf_append(line, object.data + 1, object.len - 1);
	buf_append_byte(line, '\n');
	return buf_check(line, err);
}

static int parse_line(struct span line, struct span *ret_table,
		      struct err *err)
{
	const uint8_t *end;
	struct span table;

	if (line.len < HEAD_LEN + 3 || memcmp(line.data, HEAD, HEAD_LEN) ||
	    line.data[line.len - 1] != '}')
		return err_corrupt(err, "a row is malformed");
	table.data = line.data + HEAD_LEN;
	end = memchr(table.data, '"', line.len - HEAD_LEN);
	table.len = end ? (size_t)(end - table.data) : 0;
	if (!row_table_is_valid(table))
		return err_corrupt(err, "a row has no table");
	*ret_table = table;
	return 0;
}

struct reading {
	struct buf bytes;	/* what is read and not yet given */
	int (*each)(void *arg, struct span table, struct span object,
		    struct err *err);
	void *arg;
};

/* Give the whole lines there are; what is left of the last one stays. */
static int give_lines(struct reading *reading, struct err *err)
{
	struct span rest = buf_span(&reading->bytes);
	const uint8_t *end;
	int r = 0;

	while (r == 0 && rest.len > 0 &&
	       (end = memchr(rest.data, '\n', rest.len))) {
		struct span line = span_of(rest.data,
					   (size_t)(end - rest.data));
		struct span table;

		r = parse_line(line, &table, err);
		if (r == 0)
			r = reading->each(reading->arg, table, line, err);
		rest = span_of(end + 1, rest.len - line.len - 1);
	}
	if (r == 0 && rest.len > ROW_MAX)
		r = err_corrupt(err, "a row is longer than %u bytes", ROW_MAX);
	memmove(reading->bytes.data, rest.data, rest.len);
	reading->bytes.len = rest.len;
	return r;
}

static int read_rows(const struct getter *getter, const struct id *id,
		     struct reading *reading, struct err *err)
{
	struct content content;
	uint64_t size = 0, offset = 0;
	int r = content_load(getter, id, &content, &size, err);

	while (r == 0 && offset < size) {
		struct buf *bytes = &reading->bytes;
		size_t len = size - offset < READ_STEP ?
			(size_t)(size - offset) : READ_STEP, got = 0;

		if (buf_reserve(bytes, len) < 0)
			return err_nomem(err);
		r = content_read_into(getter, &content, size, offset,
				      bytes->data + bytes->len, len, &got,
				      err);
		if (r == 0 && got != len)
			r = err_corrupt(err, "rows end early");
		bytes->len += got;
		offset += got;
		if (r == 0)
			r = give_lines(reading, err);
	}
	if (r == 0 && reading->bytes.len > 0)
		r = err_corrupt(err, "the last row has no end");
	return r;
}

int rows_each(const struct getter *getter, const struct record *record,
	      int (*each)(void *arg, struct span table, struct span object,
			  struct err *err),
	      void *arg, struct err *err)
{
	struct reading reading = { .bytes = BUF_INIT, .each = each,
				   .arg = arg };
	int r = 0;

	if (!id_is_none(&record->rows))
		r = read_rows(getter, &record->rows, &reading, err);
	buf_release(&reading.bytes);
	return r;
}

/* Into the catalog. */

struct loading {
	struct catalog *catalog;
	uint64_t number;
};

static int add_row(void *arg, struct span table, struct span object,
		   struct err *err)
{
	struct loading *loading = arg;

	return catalog_add_row(loading->catalog, loading->number, table,
			       object, err);
}

static int load_locked(struct repo *repo, struct catalog *catalog,
		       uint64_t number, struct err *err)
{
	const struct getter getter = { .repo = repo };
	struct loading loading = { catalog, number };
	struct snapshot snapshot = { .damage = NULL };
	int r = catalog_rows_begin(catalog, number, err);

	if (r <= 0)
		return r;
	r = catalog_get_snapshot(catalog, number, &snapshot, err);
	if (r == 0)
		r = rows_each(&getter, &snapshot.record, add_row, &loading,
			      err);
	if (r < 0)
		err_wrap(err, "the rows of snapshot %s@%s",
			 snapshot.record.source ? snapshot.record.source : "?",
			 snapshot.record.name ? snapshot.record.name : "?");
	snapshot_release(&snapshot);
	return r < 0 ? r : 1;
}

static int load(struct repo *repo, uint64_t number, struct err *err)
{
	struct catalog *catalog = repo_catalog(repo);
	int r = catalog_begin(catalog, err), loaded;

	if (r < 0)
		return r;
	loaded = load_locked(repo, catalog, number, err);
	r = catalog_end(catalog, loaded < 0 ? loaded : 0, err);
	return r < 0 ? r : loaded;
}

int rows_level(struct repo *repo, struct rows_report *report,
	       struct err *err)
{
	struct rows_report told = { .why = ERR_INIT };
	uint64_t number = 0;
	int r;

	while ((r = catalog_next_rowless(repo_catalog(repo), number, &number,
					 err)) == 1) {
		struct err why = ERR_INIT;
		int one = load(repo, number, &why);

		if (one == -ENOMEM)
			return err_nomem(err);
		told.loaded += one > 0;
		if (one < 0 && told.lacking++ == 0)
			told.why = why;
	}
	if (r == 0)
		*report = told;
	return r;
}
