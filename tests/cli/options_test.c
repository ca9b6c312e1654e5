#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/options.h"

static const struct option_def defs[] = {
	{ .letter = 'l', .name = "long", .help = "" },
	{ .letter = 'R', .name = "recursive", .help = "" },
	{ .letter = 'k', .name = "kind", .arg = "KIND", .help = "" },
	{ .name = "expand", .arg = "DEPTH", .flags = OPT_MAYBE, .help = "" },
	{ .name = "size", .arg = "N", .help = "" },
	{ .name = "command", .arg = "COMMAND", .flags = OPT_REST,
	  .help = "" },
	{ .name = NULL },
};
static const struct option_def *const tables[] = { defs, NULL };

#define PARSE(ret, err, ...) \
	parse(ret, err, (const char *[]){ __VA_ARGS__, NULL })

static int parse(struct options *ret, struct err *err, const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return options_parse(tables, argc, (char **)argv, false, ret, err);
}

static void test_forms(void **state)
{
	CLEANUP(options_release) struct options o = { .tables = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, &err, "a", "-lR", "-ktar", "b", "--size",
			       "-5", "--", "-x"), 0);
	assert_true(option_given(&o, "long"));
	assert_true(option_given(&o, "recursive"));
	assert_false(option_given(&o, "expand"));
	assert_string_equal(option_value(&o, "kind"), "tar");
	assert_string_equal(option_value(&o, "size"), "-5");
	assert_int_equal(o.word_count, 3);
	assert_string_equal(o.words[0], "a");
	assert_string_equal(o.words[1], "b");
	assert_string_equal(o.words[2], "-x");
}

static void test_repeated(void **state)
{
	CLEANUP(options_release) struct options o = { .tables = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, &err, "--kind=a", "-k", "b", "-kc=d"), 0);
	assert_string_equal(option_value(&o, "kind"), "c=d");
	assert_string_equal(option_nth(&o, "kind", 0), "a");
	assert_string_equal(option_nth(&o, "kind", 1), "b");
	assert_null(option_nth(&o, "kind", 3));
}

static void test_maybe_and_rest(void **state)
{
	CLEANUP(options_release) struct options o = { .tables = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&o, &err, "--expand", "x", "--expand=3",
			       "--command", "sh", "-c", "--kind"), 0);
	assert_string_equal(option_value(&o, "expand"), "3");
	assert_int_equal(o.word_count, 1);
	assert_string_equal(o.words[0], "x");
	assert_string_equal(o.rest[0], "sh");
	assert_string_equal(o.rest[2], "--kind");
	assert_null(o.rest[3]);
	assert_false(option_given(&o, "kind"));
}

static void wrong(const char **argv, const char *text, const char *hint)
{
	CLEANUP(options_release) struct options o = { .tables = NULL };
	struct err err = ERR_INIT;

	assert_int_equal(parse(&o, &err, argv), -EINVAL);
	assert_string_equal(err.text, text);
	if (hint)
		assert_non_null(strstr(err.hint, hint));
}

#define WRONG(text, hint, ...) \
	wrong((const char *[]){ __VA_ARGS__, NULL }, text, hint)

static void test_wrong(void **state)
{
	(void)state;
	WRONG("no option '--lnog'", "'--long'", "--lnog");
	WRONG("no option '--recurs'", "'--recursive'", "--recurs");
	WRONG("no option '--kin'", "'--kind'", "--kin=x");
	WRONG("no option '--'", NULL, "--=x");
	WRONG("no option '-x'", NULL, "-lx");
	WRONG("option '--kind' needs an argument: KIND", NULL, "-k");
	WRONG("option '--kind' needs an argument: KIND", NULL, "--kind");
	WRONG("option '--long' takes no argument", NULL, "--long=1");
	WRONG("option '--command' needs an argument: COMMAND", NULL,
	      "--command");
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "5x", " 5", "101",
					   "99999999999999999999" };
	struct err err = ERR_INIT;
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP(options_release) struct options o = { .tables = NULL };

		assert_int_equal(PARSE(&o, &err, "--size", bad[i]), 0);
		assert_int_equal(option_u64(&o, "size", 100, &v, &err),
				 -EINVAL);
		assert_int_equal(v, 7);
	}
	CLEANUP(options_release) struct options o = { .tables = NULL };

	assert_int_equal(PARSE(&o, &err, "--size=100"), 0);
	assert_int_equal(option_u64(&o, "size", 100, &v, &err), 0);
	assert_int_equal(v, 100);
	assert_int_equal(option_u64(&o, "kind", 100, &v, &err), 0);
	assert_int_equal(v, 100);
}

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(word_distance("list", "list"), 0);
	assert_int_equal(word_distance("lsit", "list"), 1);
	assert_int_equal(word_distance("lst", "list"), 1);
	assert_int_equal(word_distance("", "list"), 4);
	assert_int_equal(word_distance("kitten", "sitting"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_maybe_and_rest),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
