#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "indexer/reader.h"

static bool is_excluded(const char *pattern, const char *path, bool is_dir)
{
	struct exclude *exclude = exclude_new();
	struct err err = ERR_INIT;
	bool is;

	if (exclude_add(exclude, pattern, &err) < 0)
		fail_msg("'%s': %s", pattern, err.text);
	is = exclude_match(exclude, path, is_dir);
	exclude_free(exclude);
	return is;
}

static void test_one_pattern(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool is_dir, want;
	} cases[] = {
		/* no '/': the last component */
		{ "*.o", "a.o", false, true },
		{ "*.o", "src/a.o", false, true },
		{ "*.o", "a.oo", false, false },
		{ "*.o", "a.o/b", false, false },
		{ "core", "a/core", false, true },
		{ "core", "a/core.1", false, false },
		{ "*", "x", false, true },
		{ "a?c", "abc", false, true },
		{ "a?c", "a/c", false, false },
		{ "a?c", "ac", false, false },
		/* a '/' at the front or inside: the whole path */
		{ "/proc", "proc", true, true },
		{ "/proc", "a/proc", true, false },
		{ "/proc/*", "proc/1", true, true },
		{ "/proc/*", "proc", true, false },
		{ "/proc/*", "proc/1/2", true, false },
		{ "var/tmp", "var/tmp", true, true },
		{ "var/tmp", "a/var/tmp", true, false },
		/* a '/' at the end: directories */
		{ "cache/", "a/cache", true, true },
		{ "cache/", "a/cache", false, false },
		{ "/a/b/", "a/b", true, true },
		{ "/a/b/", "a/b", false, false },
		/* "**" */
		{ "**", "a/b", false, true },
		{ "a/**", "a/b/c", false, true },
		{ "a/**", "a", true, false },
		{ "**/x", "x", false, true },
		{ "**/x", "a/b/x", false, true },
		{ "**/x", "a/bx", false, false },
		{ "a/**/b", "a/b", false, true },
		{ "a/**/b", "a/x/b", false, true },
		{ "a/**/b", "a/x/y/b", false, true },
		{ "a/**/b", "a/x/y/bb", false, false },
		{ "a/**/b/*.c", "a/b/x/b/q.c", false, true },
		{ "a/**/b/*.c", "a/b/x/b/q/r.c", false, false },
		{ "/a**b", "axxb", false, true },
		{ "/a**b", "ax/xb", false, false },
		/* classes and escapes */
		{ "[a-c]x", "bx", false, true },
		{ "[a-c]x", "dx", false, false },
		{ "[!a-c]x", "dx", false, true },
		{ "[^a-c]x", "ax", false, false },
		{ "[]]x", "]x", false, true },
		{ "[a-]x", "-x", false, true },
		{ "[\\]]x", "]x", false, true },
		{ "/[!a]b", "/b", false, false },
		{ "\\*", "*", false, true },
		{ "\\*", "x", false, false },
		{ "\\!x", "!x", false, true },
		{ "\\#x", "#x", false, true },
		/* raw bytes */
		{ "*.\xff", "a.\xff", false, true },
		{ "[\xf0-\xff]", "\xf8", false, true },
		{ "?", "\xc3\xa9", false, false },
		{ "*a*b*c", "xxaxxbxxc", false, true },
		{ "*a*b*c", "xxbxxaxxc", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (is_excluded(cases[i].pattern, cases[i].path,
				cases[i].is_dir) != cases[i].want)
			fail_msg("'%s' against '%s': wanted %d",
				 cases[i].pattern, cases[i].path,
				 cases[i].want);
}

/* "The last pattern that matches decides." */
static void test_last_decides(void **state)
{
	struct exclude *exclude = exclude_new();
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(exclude_add(exclude, "*.log", &err), 0);
	assert_int_equal(exclude_add(exclude, "!keep.log", &err), 0);
	assert_int_equal(exclude_add(exclude, "/tmp/keep.log", &err), 0);
	assert_true(exclude_match(exclude, "a.log", false));
	assert_false(exclude_match(exclude, "keep.log", false));
	assert_false(exclude_match(exclude, "a/keep.log", false));
	assert_true(exclude_match(exclude, "tmp/keep.log", false));
	assert_false(exclude_match(exclude, "a.txt", false));
	exclude_free(exclude);
	assert_false(exclude_match(NULL, "a", false));
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "/", "!", "!/", "a\\", "[a",
					   "x[a/b]", "[]", "[!]", "[\\]" };
	struct exclude *exclude = exclude_new();
	char *longest = malloc(6000);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = ERR_INIT;

		if (exclude_add(exclude, bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_not_equal(err.text[0], 0);
	}
	memset(longest, 'a', 5999);
	longest[5999] = '\0';
	assert_int_equal(exclude_add(exclude, longest, NULL), -EINVAL);
	assert_false(exclude_match(exclude, "a", false));
	free(longest);
	exclude_free(exclude);
}

/* Wildcards must not take time that grows beyond a product of lengths. */
static void test_hostile(void **state)
{
	char pattern[2048] = "", path[4096];
	struct timespec a, b;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(pattern, "**/*a");
	strcat(pattern, "/x");
	memset(path, 'a', sizeof(path) - 1);
	for (size_t i = 1; i < sizeof(path); i += 3)
		path[i] = '/';
	path[sizeof(path) - 1] = '\0';
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_false(is_excluded(pattern, path, false));
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 5);
}

static void test_file(void **state)
{
	struct exclude *exclude = exclude_new();
	char path[] = "/tmp/varve-exclude.XXXXXX";
	struct err err = ERR_INIT;
	int fd = mkstemp(path);
	static const char text[] = "# what can be made again\n"
				   "\n"
				   "*.o  \r\n"
				   "keep\\ \n"
				   "cache/";

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(exclude_add_file(exclude, path, &err), 0);
	assert_true(exclude_match(exclude, "a.o", false));
	assert_true(exclude_match(exclude, "keep ", false));
	assert_false(exclude_match(exclude, "keep", false));
	assert_true(exclude_match(exclude, "cache", true));
	assert_false(exclude_match(exclude, "# what can be made again",
				   false));
	assert_int_equal(write(fd, "\n[bad\n", 6), 6);
	assert_int_equal(exclude_add_file(exclude, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 6"));
	close(fd);
	unlink(path);
	assert_int_equal(exclude_add_file(exclude, path, &err), -ENOENT);
	exclude_free(exclude);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pattern),
		cmocka_unit_test(test_last_decides),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
