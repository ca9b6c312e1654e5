#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/base/buf.h"

static void grows_and_keeps_order(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_append_byte(&buf, (uint8_t)(i * 7));
	assert_int_equal(buf.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], (uint8_t)(i * 7));
	assert_int_equal(buf_check(&buf, NULL), 0);
}

static void prints_and_ends_with_nul(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;

	(void)state;
	buf_append_str(&buf, "ab");
	buf_printf(&buf, "%s-%d", "cd", 42);
	buf_append_zero(&buf, 2);
	buf_append_str(&buf, "e");
	assert_int_equal(buf.len, 10);
	assert_memory_equal(buf.data, "abcd-42\0\0e", 10);
	assert_int_equal(buf_str(&buf)[10], '\0');
	assert_int_equal(buf.len, 10);
}

static void failure_is_remembered_and_forgotten(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	buf_append_str(&buf, "kept");
	assert_int_equal(buf_reserve(&buf, SIZE_MAX / 2), -ENOMEM);
	buf_append_str(&buf, "lost");
	assert_true(buf_failed(&buf));
	assert_int_equal(buf.len, 4);
	assert_null(buf_str(&buf));
	assert_int_equal(buf_check(&buf, &err), -ENOMEM);
	assert_string_equal(err.text, "out of memory");
	buf_clear(&buf);
	assert_false(buf_failed(&buf));
	buf_append_str(&buf, "new");
	assert_string_equal(buf_str(&buf), "new");
}

static void detach_gives_the_memory_away(void **state)
{
	struct buf buf = BUF_INIT;
	char *str;

	(void)state;
	buf_append_str(&buf, "mine");
	str = buf_detach(&buf);
	assert_string_equal(str, "mine");
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	free(str);
	str = buf_detach(&buf);
	assert_string_equal(str, "");
	free(str);
}

static void swap_and_compare(void **state)
{
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;

	(void)state;
	buf_append_str(&a, "ab");
	buf_append_str(&b, "abc");
	assert_true(span_cmp(buf_span(&a), buf_span(&b)) < 0);
	assert_true(span_cmp(buf_span(&b), buf_span(&a)) > 0);
	assert_true(span_cmp(span_str("b"), buf_span(&b)) > 0);
	assert_true(span_cmp(span_of("\xff", 1), span_str("a")) > 0);
	assert_int_equal(span_cmp(span_of(NULL, 0), span_of(NULL, 0)), 0);
	assert_true(span_equal(span_of(NULL, 0), span_str("")));
	assert_false(span_equal(buf_span(&a), buf_span(&b)));
	buf_swap(&a, &b);
	assert_string_equal(buf_str(&a), "abc");
	assert_string_equal(buf_str(&b), "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_order),
		cmocka_unit_test(prints_and_ends_with_nul),
		cmocka_unit_test(failure_is_remembered_and_forgotten),
		cmocka_unit_test(detach_gives_the_memory_away),
		cmocka_unit_test(swap_and_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
