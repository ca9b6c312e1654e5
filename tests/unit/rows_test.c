/* rows: pushed by a reader, kept by the store, asked of the catalog. */
#include "store_fixture.h"

#include "fs/tree/rows.h"
#include "indexer/ingest.h"

#define MANY 3000

static void row(struct sink *sink, const char *table, const char *text)
{
	struct err err = ERR_INIT;

	wanted(0, sink_row(sink, table, span_str(text), &err), &err);
}

static int read_rows(const struct input *input, struct sink *sink,
		     struct err *err)
{
	char text[256];

	(void)input;
	(void)err;
	row(sink, "pso_backend", "{\"name\":\"fa1\",\"type\":\"FlashArray\","
	    "\"iqns\":[\"iqn.a\",\"iqn.b\"]}");
	row(sink, "empty", "{}");
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "{\"volume\":\"v\\u0041%d\","
			 "\"size\":%d,\"namespace\":\"shop %d\"}", i, i * 512,
			 i * 7919 % 1000);
		row(sink, "pso_volume", text);
	}
	return 0;
}

static int read_none(const struct input *input, struct sink *sink,
		     struct err *err)
{
	(void)input;
	(void)sink;
	(void)err;
	return 0;
}

static int read_broken(const struct input *input, struct sink *sink,
		       struct err *err)
{
	(void)input;
	(void)err;
	row(sink, "pso_volume", "{\"size\":1}");
	row(sink, "pso_volume", "{\"size\":}");
	return 0;
}

static void add(struct fixture *f,
		int (*read)(const struct input *input, struct sink *sink,
			    struct err *err),
		const char *source, struct record *ret)
{
	const struct reader reader = { .kind = "pso", .about = "a test's",
				       .read = read };
	const struct ingest_options options = {
		.source = source, .time = { 1611343651, 0 },
		.time_from = "option", .input_name = "x",
	};
	const struct input input = { .path = "x", .fd = -1,
				     .size = UINT64_MAX };
	struct ingest_result result;
	struct err err = ERR_INIT;

	wanted(0, ingest(f->repo, &reader, &input, &options, &result, &err),
	       &err);
	wanted(0, record_copy(&result.record, ret), &err);
	ingest_result_release(&result);
}

static int take_value(void *arg, int columns, const char **names,
		      const char **values, const int *types, struct err *err)
{
	(void)names;
	(void)types;
	(void)err;
	for (int i = 0; i < columns; i++)
		buf_printf(arg, "%s%s", i ? "|" : "",
			   values[i] ? values[i] : "NULL");
	buf_append_byte(arg, '\n');
	return 0;
}

static void asked(struct fixture *f, const char *sql, const char *want)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	wanted(0, catalog_query(repo_catalog(f->repo), sql, take_value, &out,
				&err), &err);
	assert_string_equal(out.len ? buf_str(&out) : "", want);
}

static void level(struct fixture *f, uint64_t loaded, uint64_t lacking)
{
	struct rows_report report;
	struct err err = ERR_INIT;

	wanted(0, rows_level(f->repo, &report, &err), &err);
	assert_int_equal(report.loaded, loaded);
	assert_int_equal(report.lacking, lacking);
	if (lacking)
		assert_true(report.why.text[0]);
}

static const char all[] =
	"SELECT snapshot, time, source, count(*), sum(size), max(volume),"
	" count(DISTINCT namespace), max(pvc) FROM pso_volume"
	" GROUP BY number";
static const char all_said[] =
	"2021-01-22T19-27-31Z|2021-01-22T19:27:31Z|a|3000|2303232000|vA999|"
	"1000|NULL\n";

static void test_views(void **state)
{
	struct fixture *f = *state;
	struct record record, none;

	add(f, read_rows, "a", &record);
	add(f, read_none, "b", &none);
	assert_true(!id_is_none(&record.rows));
	assert_true(id_is_none(&none.rows));
	asked(f, all, all_said);
	level(f, 0, 0);
	asked(f, "SELECT name, type, iqns, wwns FROM pso_backend",
	      "fa1|FlashArray|[\"iqn.a\",\"iqn.b\"]|NULL\n");
	asked(f, "SELECT \"table\", data FROM v_row WHERE \"table\"='empty'",
	      "empty|{\"table\":\"empty\"}\n");
	record_release(&record);
	record_release(&none);
}

/* "Every row can be rebuilt", and needs no reader for it. */
static void test_rebuilt(void **state)
{
	struct fixture *f = *state;
	struct rebuild_report report;
	struct err err = ERR_INIT;
	struct record record;

	add(f, read_rows, "a", &record);
	repo_close(f->repo);
	wanted(0, repo_rebuild(f->dir, &report, NULL, NULL, &err), &err);
	fixture_open(f, REPO_READ);
	asked(f, all, "");
	level(f, 1, 0);
	asked(f, all, all_said);
	record_release(&record);
}

static void forget(struct fixture *f, const struct record *record,
		   enum event_type type)
{
	struct event event = { .type = type, .number = record->number };
	struct err err = ERR_INIT;

	memcpy(event.snapshot, record->id, RECORD_ID);
	wanted(0, repo_event(f->repo, &event, &err), &err);
	event_release(&event);
}

static void prune(struct fixture *f)
{
	const struct prune_options options = { .force = true };
	struct prune_report report = { .snapshots = 0 };
	struct err err = ERR_INIT;

	wanted(0, repo_prune(f->repo, &options, &report, &err), &err);
}

static void test_forgotten(void **state)
{
	struct fixture *f = *state;
	struct record record, other;
	struct err err = ERR_INIT;
	struct rebuild_report report;

	add(f, read_rows, "a", &record);
	add(f, read_none, "b", &other);
	level(f, 0, 0);
	forget(f, &record, EVENT_FORGET);
	asked(f, all, "");
	forget(f, &record, EVENT_UNDELETE);
	asked(f, all, all_said);
	/* What a snapshot that stays has of rows stays. */
	prune(f);
	repo_close(f->repo);
	wanted(0, repo_rebuild(f->dir, &report, NULL, NULL, &err), &err);
	fixture_open(f, REPO_WRITE);
	level(f, 1, 0);
	asked(f, all, all_said);
	/* And goes with it. */
	forget(f, &record, EVENT_FORGET);
	fixture_reopen(f);
	prune(f);
	asked(f, "SELECT count(*) FROM v_snapshot", "1\n");
	asked(f, "SELECT count(*) FROM v_row", "0\n");
	level(f, 0, 0);
	record_release(&record);
	record_release(&other);
}

/* One that is not as it should be takes no others with it. */
static void test_broken(void **state)
{
	struct fixture *f = *state;
	struct record broken, good;

	add(f, read_broken, "broken", &broken);
	add(f, read_rows, "a", &good);
	level(f, 0, 1);
	asked(f, all, all_said);
	asked(f, "SELECT count(*) FROM v_row WHERE source='broken'", "0\n");
	record_release(&broken);
	record_release(&good);
}

static int flip_middle(const char *path, const struct stat *st, int flag,
		       struct FTW *ftw)
{
	FILE *file;
	int c;

	(void)ftw;
	/* the catalog has them already: it is to be made anew */
	if (flag == FTW_F && strstr(path, "/catalog.db"))
		assert_int_equal(unlink(path), 0);
	if (flag != FTW_F || !strstr(path, "/packs/"))
		return 0;
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, st->st_size / 2, SEEK_SET), 0);
	c = fgetc(file);
	assert_int_equal(fseek(file, st->st_size / 2, SEEK_SET), 0);
	assert_true(fputc(c ^ 0xff, file) != EOF);
	assert_int_equal(fclose(file), 0);
	return 0;
}

/* "An error is never an empty set": rows that cannot be read are told of, each
 * time, and the catalog does not take them for read. */
static void test_damaged(void **state)
{
	struct fixture *f = *state;
	struct record record;

	add(f, read_rows, "a", &record);
	repo_close(f->repo);
	assert_int_equal(nftw(f->dir, flip_middle, 16, FTW_PHYS), 0);
	fixture_open(f, REPO_READ);
	level(f, 0, 1);
	level(f, 0, 1);
	asked(f, all, "");
	record_release(&record);
}

struct counted_rows {
	int rows, wanted;
	size_t bytes;
};

static int count_row(void *arg, struct span table, struct span object,
		     struct err *err)
{
	struct counted_rows *counted = arg;

	assert_true(row_table_is_valid(table));
	counted->bytes += object.len;
	return ++counted->rows == counted->wanted ?
		err_set(err, -ECANCELED, "enough") : 0;
}

static void test_each(void **state)
{
	struct fixture *f = *state;
	struct getter getter = { .repo = f->repo };
	struct counted_rows counted = { .wanted = -1 };
	struct err err = ERR_INIT;
	struct record record;

	add(f, read_rows, "a", &record);
	wanted(0, rows_each(&getter, &record, count_row, &counted, &err),
	       &err);
	assert_int_equal(counted.rows, MANY + 2);
	assert_true(counted.bytes > 65536);
	counted = (struct counted_rows){ .wanted = 2 };
	wanted(-ECANCELED, rows_each(&getter, &record, count_row, &counted,
				     &err), &err);
	assert_int_equal(counted.rows, 2);
	record_release(&record);
}

static void test_refused(void **state)
{
	static const char long_name[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaa";
	static const char *const tables[] = { "", "A", "1a", "a-b", "a\"b",
					      long_name };
	static const char *const objects[] = { "", "{", "[]", "{\n}", "{} ",
					       "x" };
	OWNED_BUF struct buf line = BUF_INIT, large = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		assert_int_equal(row_write(span_str(tables[i]), span_str("{}"),
					   &line, &err), -EINVAL);
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++)
		assert_int_equal(row_write(span_str("t"), span_str(objects[i]),
					   &line, &err), -EINVAL);
	buf_append_byte(&large, '{');
	while (large.len < ROW_MAX)
		buf_append_str(&large, "                ");
	buf_append_byte(&large, '}');
	assert_int_equal(row_write(span_str("t"), buf_span(&large), &line,
				   &err), -EINVAL);
	assert_int_equal(line.len, 0);
	assert_int_equal(row_write(span_str("t_1"), span_str("{\"a\":1}"),
				   &line, &err), 0);
	assert_string_equal(buf_str(&line), "{\"table\":\"t_1\",\"a\":1}\n");
}

int main(void)
{
#define TEST(t) \
	cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_views),
		TEST(test_rebuilt),
		TEST(test_forgotten),
		TEST(test_broken),
		TEST(test_damaged),
		TEST(test_each),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
