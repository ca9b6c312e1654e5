#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/base/err.h"

static void says_code_and_words(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, -ENOENT, "no %s %d", "thing", 7),
			 -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "no thing 7");
	assert_string_equal(err.hint, "");
}

static void set_clears_the_hint(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_set(&err, -EIO, "first");
	assert_int_equal(err_hint(&err, "try %s", "again"), -EIO);
	assert_string_equal(err.hint, "try again");
	err_set(&err, -EIO, "second");
	assert_string_equal(err.hint, "");
}

static void sys_appends_the_reason(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	errno = EACCES;
	assert_int_equal(err_sys(&err, "cannot open '%s'", "X"), -EACCES);
	assert_string_equal(err.text, "cannot open 'X': Permission denied");
	errno = 0;
	assert_int_equal(err_sys(&err, "odd"), -EIO);
	assert_int_equal(err.code, -EIO);
}

static void wrap_keeps_code_and_hint(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_corrupt(&err, "inner");
	err_hint(&err, "advice");
	assert_int_equal(err_wrap(&err, "outer %d", 1), -EBADMSG);
	assert_string_equal(err.text, "outer 1: inner");
	assert_string_equal(err.hint, "advice");
}

static void long_words_are_cut_not_overrun(void **state)
{
	struct err err = ERR_INIT;
	char big[3000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_hint(&err, "%s", big);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	errno = EIO;
	err_sys(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void null_is_welcome(void **state)
{
	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_sys(NULL, "x"), -ENOSPC);
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_corrupt(NULL, "x"), -EBADMSG);
	assert_int_equal(err_nomem(NULL), -ENOMEM);
	assert_true(err_wrap(NULL, "x") < 0);
	assert_true(err_hint(NULL, "x") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_code_and_words),
		cmocka_unit_test(set_clears_the_hint),
		cmocka_unit_test(sys_appends_the_reason),
		cmocka_unit_test(wrap_keeps_code_and_hint),
		cmocka_unit_test(long_words_are_cut_not_overrun),
		cmocka_unit_test(null_is_welcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
