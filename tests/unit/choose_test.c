#include "store_fixture.h"

static void add_flawed(struct fixture *f, const char *source, int64_t time,
		       const char *incomplete, const char *checkpoint,
		       const char *flawed)
{
	struct record record;
	struct err err = ERR_INIT;

	fixture_record(&record, source, time);
	if (flawed)
		assert_int_equal(record_add_tag(&record, TAG_FLAWED, flawed), 0);
	if (incomplete)
		record.incomplete = strdup(incomplete);
	if (checkpoint)
		assert_int_equal(record_add_attr(&record, "checkpoint",
						 checkpoint), 0);
	wanted(0, fixture_commit(f->repo, &record, span_str("bytes"), &err),
	       &err);
	record_release(&record);
}

static void add(struct fixture *f, const char *source, int64_t time,
		const char *incomplete, const char *checkpoint)
{
	add_flawed(f, source, time, incomplete, checkpoint, NULL);
}

/* The number found, or the error. */
static int64_t find_over(struct fixture *f, const char *spec,
			 struct passed *passed, struct err *err)
{
	struct snapshot snapshot;
	int64_t number;
	int r = repo_find_snapshot(f->repo, spec, &snapshot, passed, err);

	if (r < 0)
		return r;
	number = (int64_t)snapshot.record.number;
	snapshot_release(&snapshot);
	return number;
}

static int64_t find(struct fixture *f, const char *spec, struct err *err)
{
	return find_over(f, spec, NULL, err);
}

#define DAY 86400
#define JAN21 (18648LL * DAY)	/* 2021-01-21 */

static int setup(void **state)
{
	struct fixture *f;

	fixture_setup(state);
	f = *state;
	add(f, "a/b", JAN21 + 3600, NULL, "10");		/* 1 */
	add(f, "a/b", JAN21 + DAY, NULL, "11");			/* 2 */
	add(f, "a/b", JAN21 + DAY + 60, "cut short", "12");	/* 3 */
	add(f, "a/b", JAN21 + 100000LL * DAY, NULL, NULL);	/* 4: future */
	add(f, "a", JAN21, NULL, NULL);				/* 5 */
	add(f, "x@y", JAN21, NULL, NULL);			/* 6 */
	add(f, "torn", JAN21, "cut short", NULL);		/* 7 */
	add(f, "hurt", JAN21, NULL, "3");			/* 8 */
	add_flawed(f, "hurt", JAN21 + DAY, NULL, "4", "found");	/* 9 */
	add_flawed(f, "all", JAN21, NULL, NULL, "found");	/* 10 */
	return 0;
}

static void test_newest_complete_not_future(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b", &err), 2);
	assert_int_equal(find(*state, "a/b@latest", &err), 2);
	assert_int_equal(find(*state, "a", &err), 5);
}

static void test_back(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b@-1", &err), 1);
	assert_int_equal(find(*state, "a/b@-2", &err), -ENOENT);
	assert_int_equal(find(*state, "a/b@-0", &err), -EINVAL);
	assert_int_equal(find(*state, "a/b@-x", &err), -EINVAL);
}

static void test_time_prefix(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b@2021-01-21", &err), 1);
	assert_int_equal(find(*state, "a/b@2021", &err), 2);
	assert_int_equal(find(*state, "a/b@2021-01-21 01:00", &err), 1);
	assert_int_equal(find(*state, "a/b@2020", &err), -ENOENT);
	assert_non_null(strstr(err.hint, "varve list"));
}

/* "An incomplete snapshot is reached only by its own time or id" */
static void test_incomplete(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b@2021-01-22T00-01-00Z", &err), 3);
	assert_int_equal(find(*state, "a/b@2021-01-22T00-01", &err),
			 -ENOENT);
	assert_int_equal(find(*state, "a/b@checkpoint=12", &err), -ENOENT);
	assert_int_equal(find(*state, "torn", &err), -ENOENT);
	assert_int_equal(find(*state, "torn@2021-01-21T00-00-00Z", &err), 7);
}

static void test_future_by_its_date(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b@2294", &err), 4);
}

static void test_passed_over(void **state)
{
	struct err err = ERR_INIT;
	struct passed passed;
	char text[PASSED_TEXT];

	assert_int_equal(find_over(*state, "a/b", &passed, &err), 2);
	assert_int_equal(passed.damaged.count, 0);
	assert_int_equal(passed.incomplete.count, 1);
	assert_string_equal(passed.incomplete.name, "2021-01-22T00-01-00Z");
	assert_int_equal(passed.future.count, 1);
	assert_string_equal(passed.newest, passed.future.name);
	assert_int_equal(passed_count(&passed), 2);
	assert_false(passed_is_partial(&passed));
	passed_describe(&passed, text);
	assert_string_equal(text, "2021-01-22T00-01-00Z is incomplete, "
			    "2294-11-06T00-00-00Z is dated in the future");
	assert_int_equal(find_over(*state, "a/b@-1", &passed, &err), 1);
	assert_int_equal(passed_count(&passed), 2);
	assert_int_equal(find_over(*state, "a/b@2021-01-22", &passed, &err),
			 2);
	assert_int_equal(passed_count(&passed), 1);
	assert_true(passed_is_partial(&passed));
	/* nothing that is newer fits, or it was named to the letter */
	assert_int_equal(find_over(*state, "a/b@2021-01-21", &passed, &err),
			 1);
	assert_int_equal(passed_count(&passed), 0);
	assert_int_equal(find_over(*state, "a/b@checkpoint=11", &passed,
				   &err), 2);
	assert_int_equal(passed_count(&passed), 0);
	assert_int_equal(find_over(*state, "a/b@2021-01-22T00-00-00Z",
				   &passed, &err), 2);
	assert_int_equal(passed_count(&passed), 0);
	assert_int_equal(find_over(*state, "a/b@2021-01-22T00-01-00Z",
				   &passed, &err), 3);
	assert_int_equal(passed_count(&passed), 0);
}

/* "It is no good backup any more": of what was damaged as it was backed up */
static void test_flawed(void **state)
{
	struct fixture *f = *state;
	struct snapshot snapshot;
	struct err err = ERR_INIT;
	struct passed passed;
	char text[PASSED_TEXT];

	assert_int_equal(find_over(f, "hurt", &passed, &err), 8);
	assert_int_equal(passed.flawed.count, 1);
	assert_int_equal(passed_count(&passed), 1);
	assert_string_equal(passed.newest, "2021-01-22T00-00-00Z");
	/* it can be restored as it is */
	assert_false(passed_is_partial(&passed));
	passed_describe(&passed, text);
	assert_string_equal(text, "2021-01-22T00-00-00Z is flawed");
	assert_int_equal(find_over(f, "hurt@2021-01-22T00-00-00Z", &passed,
				   &err), 9);
	assert_int_equal(passed_count(&passed), 0);
	assert_int_equal(find(f, "hurt@2021-01-22", &err), -ENOENT);
	assert_int_equal(find(f, "hurt@checkpoint=4", &err), -ENOENT);
	assert_non_null(strstr(err.text, "2021-01-22T00-00-00Z is flawed"));
	assert_null(strstr(err.hint, "--incomplete"));
	assert_int_equal(find(f, "all@latest", &err), -ENOENT);
	wanted(0, repo_latest(f->repo, "hurt", &snapshot, &err), &err);
	assert_int_equal(snapshot.record.number, 8);
	snapshot_release(&snapshot);
	assert_int_equal(repo_latest(f->repo, "all", &snapshot, &err), -ENOENT);
}

static void test_none_good(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "torn", &err), -ENOENT);
	assert_non_null(strstr(err.text, "2021-01-21T00-00-00Z is incomplete"));
	assert_non_null(strstr(err.hint, "'torn@2021-01-21T00-00-00Z'"));
	assert_non_null(strstr(err.hint, "--incomplete"));
	assert_int_equal(find(*state, "a/b@checkpoint=12", &err), -ENOENT);
	assert_non_null(strstr(err.text, "2021-01-22T00-01-00Z is incomplete"));
	assert_int_equal(find(*state, "torn@2020", &err), -ENOENT);
	assert_null(strstr(err.text, "incomplete"));
}

static void test_attribute(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "a/b@checkpoint=10", &err), 1);
	assert_int_equal(find(*state, "a/b@checkpoint=1", &err), -ENOENT);
}

static void test_id(void **state)
{
	struct fixture *f = *state;
	struct snapshot snapshot;
	struct err err = ERR_INIT;
	char spec[64] = "id:";

	wanted(0, catalog_get_snapshot(repo_catalog(f->repo), 3, &snapshot,
				       &err), &err);
	hex_write(snapshot.record.id, RECORD_ID, spec + 3);
	snapshot_release(&snapshot);
	assert_int_equal(find(f, spec, &err), 3);
	spec[15] = '\0';
	assert_int_equal(find(f, spec, &err), 3);
	assert_int_equal(find(f, "id:", &err), -EINVAL);
	assert_int_equal(find(f, "id:zz", &err), -EINVAL);
	assert_int_equal(find(f, "id:00000000000000", &err), -ENOENT);
}

static void test_source_with_at(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(find(*state, "x@y", &err), 6);
	assert_int_equal(find(*state, "x@y@2021", &err), 6);
	assert_int_equal(find(*state, "nobody", &err), -ENOENT);
	assert_non_null(strstr(err.text, "no source 'nobody'"));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_newest_complete_not_future),
		TEST(test_back),
		TEST(test_time_prefix),
		TEST(test_incomplete),
		TEST(test_future_by_its_date),
		TEST(test_passed_over),
		TEST(test_flawed),
		TEST(test_none_good),
		TEST(test_attribute),
		TEST(test_id),
		TEST(test_source_with_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
