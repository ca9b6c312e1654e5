#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "indexer/rocksdb/rocks_find.h"

static struct rocks_marks marks_of(const char *names)
{
	struct rocks_marks marks = { .lock = false };
	char *copy = strdup(names), *rest = copy, *name;

	while ((name = strsep(&rest, " ")))
		rocks_marks_take(&marks, name);
	free(copy);
	return marks;
}

static bool any(const char *names)
{
	struct rocks_marks marks = marks_of(names);

	return rocks_marks_any(&marks);
}

static bool sure(const char *names)
{
	struct rocks_marks marks = marks_of(names);

	return rocks_marks_sure(&marks);
}

static void test_a_directory_is_known_by_its_names(void **state)
{
	(void)state;
	assert_true(sure("CURRENT MANIFEST-000005 OPTIONS-000007"));
	assert_true(sure("CURRENT MANIFEST-000005 000008.sst"));
	/* whichever one is gone */
	assert_true(sure("MANIFEST-000005 OPTIONS-000007 000008.sst"));
	assert_true(sure("CURRENT OPTIONS-000007 000008.sst"));
	assert_true(sure("CURRENT 000009.blob"));
	assert_true(sure("OPTIONS-000007 000008.sst"));
	/* what others have too */
	assert_false(sure("CURRENT MANIFEST-000005"));
	assert_false(sure("CURRENT MANIFEST-000005 LOCK LOG 000003.log"));
	assert_false(sure("CURRENT MANIFEST-000005 000005.ldb LOCK"));
	assert_false(sure("OPTIONS-000007"));
	assert_false(sure("000008.sst"));
	assert_false(sure("CURRENT model.sst OPTIONS-x MANIFEST-"));
	assert_false(sure("current manifest-000005 000008.SST"));
	/* RocksDB also reads tables that LevelDB named */
	assert_true(sure("CURRENT MANIFEST-000005 OPTIONS-000007 000005.ldb"));

	assert_true(any("CURRENT"));
	assert_true(any("MANIFEST-000005"));
	assert_true(any("000008.sst"));
	assert_false(any("OPTIONS-000007 LOCK LOG 000003.log"));
	assert_false(any("MANIFEST-5x x.sst .sst"));
}

static bool number(const char *name, uint64_t want, bool want_tmp)
{
	uint64_t n = 0;
	bool tmp = false;

	return rocks_number(span_str(name), &n, &tmp) && n == want &&
	       tmp == want_tmp;
}

static bool no_number(const char *name)
{
	uint64_t n;
	bool tmp;

	return !rocks_number(span_str(name), &n, &tmp);
}

static void test_a_number(void **state)
{
	(void)state;
	assert_true(number("0", 0, false));
	assert_true(number("1500", 1500, false));
	assert_true(number("1500.tmp", 1500, true));
	assert_true(number("18446744073709551615", UINT64_MAX, false));
	assert_true(no_number("18446744073709551616"));
	assert_true(no_number("99999999999999999999"));
	assert_true(no_number("123456789012345678901"));
	assert_true(no_number("01"));
	assert_true(no_number(""));
	assert_true(no_number(".tmp"));
	assert_true(no_number("-1"));
	assert_true(no_number("1500a"));
	assert_true(no_number("1500.tmp.tmp"));
	assert_true(no_number("15 00"));
}

static void check_tally(const char *paths, uint64_t want)
{
	struct rocks_tally tally = { .count = 0 };

	while (*paths) {
		size_t len = strcspn(paths, " ");

		rocks_tally_take(&tally, span_of(paths, len));
		paths += len + strspn(paths + len, " ");
	}
	rocks_tally_end(&tally);
	assert_int_equal(tally.count, want);
	rocks_tally_release(&tally);
}

/* "a note says how many there are in it" */
static void test_checkpoints_are_counted(void **state)
{
	(void)state;
	check_tally("a/checkpoints/1500/CURRENT", 1);
	check_tally("7/CURRENT", 1);
	check_tally("./7//CURRENT", 1);
	check_tally("7.tmp/CURRENT", 0);
	check_tally("CURRENT", 0);
	check_tally("db/CURRENT", 0);
	check_tally("7/CURRENT/x", 0);
	check_tally("7/CURRENTS", 0);
	check_tally("", 0);
	check_tally("cp1/000012.sst cp1/CURRENT cp1/MANIFEST-000005 "
		    "cp2/OPTIONS-000007 cp2/CURRENT", 2);
	check_tally("db/CURRENT db/LOCK db/OPTIONS-000007", 0);
	check_tally("db/LOCK db/checkpoints/cp1/CURRENT "
		    "db/checkpoints/cp1/OPTIONS-000007 "
		    "db/checkpoints/2/CURRENT db/OPTIONS-000007 "
		    "db/000012.sst dbx/000012.sst dbx/CURRENT", 3);
	check_tally("Cache/000005.ldb Cache/CURRENT Cache/MANIFEST-000001", 0);
	check_tally("CURRENT OPTIONS-000007 000012.sst", 0);
	check_tally("./CURRENT ./OPTIONS-000007 ./cp/MANIFEST-000005 "
		    "./cp/000012.sst", 1);
	check_tally("1/CURRENT 1/OPTIONS-000007 2/CURRENT x/file", 2);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(rocks_holds_checkpoints(span_str("checkpoints")));
	assert_true(rocks_holds_checkpoints(span_str("db_checkpoint")));
	assert_false(rocks_holds_checkpoints(span_str("checkpoin")));
	assert_false(rocks_holds_checkpoints(span_str("")));

	assert_true(rocks_is_sealed("000012.sst"));
	assert_true(rocks_is_sealed("1234567.blob"));
	assert_false(rocks_is_sealed("000012.log"));
	assert_false(rocks_is_sealed("000012.sst.tmp"));
	assert_false(rocks_is_sealed("MANIFEST-000005"));
}

/*
 * A tree as words: "name(" enters, ")" leaves, others are files; "*" stands for
 * the files of a checkpoint, "!" for those of a database that is open.
 */
static void walk(struct rocks_finder *finder, const char *top,
		 const char *words)
{
	static const char *const files[] = { "CURRENT", "MANIFEST-000005",
					     "OPTIONS-000007", "000008.sst" };
	char *copy = strdup(words), *rest = copy, *word;
	struct err err = ERR_INIT;
	struct stamp mtime = { 1000, 0 };

	assert_int_equal(rocks_finder_init(finder, top, &err), 0);
	assert_int_equal(rocks_finder_enter(finder, "", mtime, &err), 1);
	while ((word = strsep(&rest, " "))) {
		size_t len = strlen(word);

		if (!strcmp(word, ")")) {
			assert_int_equal(rocks_finder_leave(finder, &err), 0);
		} else if (len && word[len - 1] == '(') {
			word[len - 1] = '\0';
			mtime.s++;
			assert_int_equal(rocks_finder_enter(finder, word,
							    mtime, &err), 1);
		} else if (!strcmp(word, "*") || !strcmp(word, "!")) {
			for (size_t i = 0; i < 4; i++)
				rocks_finder_file(finder, files[i]);
			if (*word == '!')
				rocks_finder_file(finder, "LOCK");
		} else if (len) {
			rocks_finder_file(finder, word);
		}
	}
	assert_int_equal(finder->depth, 1);
	assert_int_equal(rocks_finder_leave(finder, &err), 0);
	rocks_finder_finish(finder);
	free(copy);
}

/* What was found, a line each: "path < database number flags". */
static void check(const char *top, const char *words, const char *want)
{
	struct rocks_finder finder;
	OWNED_BUF struct buf text = BUF_INIT;

	walk(&finder, top, words);
	for (size_t i = 0; i < finder.count; i++) {
		const struct rocks_found *f = &finder.found[i];

		buf_printf(&text, "'%s' < '%s'", f->path, f->database);
		if (f->numbered)
			buf_printf(&text, " %" PRIu64, f->number);
		buf_printf(&text, "%s%s%s%s\n", f->unfinished ? " tmp" : "",
			   f->opened ? " opened" : "",
			   f->emptied ? " empty" : "",
			   f->has_checkpoints ? " more" : "");
	}
	assert_string_equal(text.len ? buf_str(&text) : "", want);
	rocks_finder_release(&finder);
}

static void test_a_database_and_its_checkpoints(void **state)
{
	(void)state;
	check("/data/db", "! checkpoints( 1500( * ) 300( * ) 3000.tmp( * ) )",
	      "'' < '' opened more\n"
	      "'checkpoints/300' < '' 300\n"
	      "'checkpoints/1500' < '' 1500\n"
	      "'checkpoints/3000.tmp' < '' 3000 tmp\n");
	/* without the database, as a tarball may have them */
	check("", "a( db( checkpoints( 2( * ) 10( * ) ) ) )",
	      "'a/db/checkpoints/2' < 'a/db' 2\n"
	      "'a/db/checkpoints/10' < 'a/db' 10\n");
	/* beside the database, as concord has it by default */
	check("/data", "db( ! ) db_checkpoint( 5( ! ) )",
	      "'db' < 'db' opened\n"
	      "'db_checkpoint/5' < 'db_checkpoint' 5 opened\n");
}

static void test_the_top_may_be_anything(void **state)
{
	(void)state;
	check("/data/db/checkpoints", "1( * ) 2( * )",
	      "'1' < '' 1\n'2' < '' 2\n");
	check("/data/db/checkpoints/7", "*", "'' < '' 7\n");
	check("/data/db/checkpoints/7/", "! archive( )", "'' < '' 7 opened\n");
	check("/data/x_checkpoint/7.tmp", "CURRENT", "'' < '' 7 tmp\n");
	check("/backup/mine", "*", "'' < ''\n");
	check("/data/db", "!", "'' < '' opened\n");
	/* that which was given is looked into, however little is left of it */
	check("/data/db", "CURRENT", "'' < ''\n");
	check("/data/db", "notes.txt", "");
	check("/", "*", "'' < ''\n");
}

static void test_numbers_that_are_none(void **state)
{
	(void)state;
	/* live shards are numbered as well */
	check("/shards", "1( ! ) 2( ! )",
	      "'1' < '1' opened\n'2' < '2' opened\n");
	/* and copies of checkpoints lie anywhere */
	check("/copies", "7( * ) 8( CURRENT )", "'7' < '' 7\n");
	/* others have checkpoints, too */
	check("/training", "checkpoints( 100( model.bin ) 200( model.bin ) )",
	      "");
	check("/x", "checkpoints( best( * ) 007( * ) )",
	      "'checkpoints/007' < 'checkpoints/007'\n"
	      "'checkpoints/best' < 'checkpoints/best'\n");
}

static void test_one_of_which_nothing_is_left(void **state)
{
	(void)state;
	check("/db", "checkpoints( 1( ) 2( 000004.log ) 3( 000008.sst ) 4( * ) )",
	      "'checkpoints/1' < '' 1 empty\n"
	      "'checkpoints/2' < '' 2 empty\n"
	      "'checkpoints/3' < '' 3\n"
	      "'checkpoints/4' < '' 4\n");
	check("/db", "! checkpoints( 1( ) )",
	      "'' < '' opened more\n"
	      "'checkpoints/1' < '' 1 empty\n");
	check("/db", "checkpoints( 1( ) 2( ) )", "");
}

static void test_several_databases(void **state)
{
	(void)state;
	check("/vmbc", "r2( db( ! checkpoints( 1( * ) ) ) ) "
	      "r1( db( checkpoints( 9( * ) 8( * ) ) ) ) r3( * )",
	      "'r1/db/checkpoints/8' < 'r1/db' 8\n"
	      "'r1/db/checkpoints/9' < 'r1/db' 9\n"
	      "'r2/db' < 'r2/db' opened more\n"
	      "'r2/db/checkpoints/1' < 'r2/db' 1\n"
	      "'r3' < 'r3'\n");
}

static void test_the_time_is_the_directorys(void **state)
{
	struct rocks_finder finder;

	(void)state;
	walk(&finder, "/db", "checkpoints( 2( * ) 1( * ) )");
	assert_int_equal(finder.count, 2);
	assert_int_equal(finder.found[0].number, 1);
	assert_int_equal(finder.found[0].mtime.s, 1003);
	assert_int_equal(finder.found[1].mtime.s, 1002);
	rocks_finder_release(&finder);
}

static void test_depth_has_its_end(void **state)
{
	struct rocks_finder finder;
	struct err err = ERR_INIT;
	struct stamp mtime = { 0, 0 };
	unsigned entered = 0;

	(void)state;
	assert_int_equal(rocks_finder_init(&finder, "/x", &err), 0);
	while (rocks_finder_enter(&finder, entered ? "d" : "", mtime,
				  &err) == 1)
		entered++;
	assert_int_equal(entered, ROCKS_FIND_DEPTH + 1);
	rocks_finder_file(&finder, "CURRENT");
	rocks_finder_file(&finder, "000008.sst");
	while (entered-- > 0)
		assert_int_equal(rocks_finder_leave(&finder, &err), 0);
	rocks_finder_finish(&finder);
	assert_int_equal(finder.count, 1);
	assert_int_equal(strlen(finder.found[0].path),
			 2 * ROCKS_FIND_DEPTH - 1);
	rocks_finder_release(&finder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_directory_is_known_by_its_names),
		cmocka_unit_test(test_a_number),
		cmocka_unit_test(test_checkpoints_are_counted),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_a_database_and_its_checkpoints),
		cmocka_unit_test(test_the_top_may_be_anything),
		cmocka_unit_test(test_numbers_that_are_none),
		cmocka_unit_test(test_one_of_which_nothing_is_left),
		cmocka_unit_test(test_several_databases),
		cmocka_unit_test(test_the_time_is_the_directorys),
		cmocka_unit_test(test_depth_has_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
