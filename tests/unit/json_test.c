#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "fs/base/json.h"

static void commas_stand_where_they_belong(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	json_open_object(&json, NULL);
	json_str(&json, "a", "x");
	json_open_array(&json, "b");
	json_u64(&json, NULL, 1);
	json_i64(&json, NULL, -2);
	json_open_object(&json, NULL);
	json_close_object(&json);
	json_open_array(&json, NULL);
	json_close_array(&json);
	json_close_array(&json);
	json_bool(&json, "c", true);
	json_bool(&json, "d", false);
	json_null(&json, "e");
	json_str(&json, "f", NULL);
	json_close_object(&json);
	assert_string_equal(buf_str(&buf),
			    "{\"a\":\"x\",\"b\":[1,-2,{},[]],\"c\":true,"
			    "\"d\":false,\"e\":null,\"f\":null}");
}

static void objects_stand_on_lines(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	for (int i = 0; i < 3; i++) {
		json_open_object(&json, NULL);
		json_i64(&json, "i", i);
		json_close_object(&json);
		if (i == 1)
			buf_append_byte(&buf, '\n');
	}
	assert_string_equal(buf_str(&buf), "{\"i\":0}\n{\"i\":1}\n{\"i\":2}");
}

static void strings_are_escaped(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	json_span(&json, NULL, span_of("\"\\/\b\f\n\r\t\x01\x1f\x7f\0z", 13));
	assert_string_equal(buf_str(&buf),
			    "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\\u001f"
			    "\\u007f\\u0000z\"");
	buf_clear(&buf);
	json_init(&json, &buf);
	json_str(&json, NULL, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_string_equal(buf_str(&buf),
			    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void odd_names_come_in_hex_as_well(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	json_open_object(&json, NULL);
	json_name(&json, "good", span_str("n\xc3\xa4me"));
	json_name(&json, "bad", span_str("a\xff\xc3" "b"));
	json_u64(&json, "next", 1);
	json_close_object(&json);
	assert_string_equal(buf_str(&buf),
			    "{\"good\":\"n\xc3\xa4me\","
			    "\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd" "b\","
			    "\"bad_hex\":\"61ffc362\",\"next\":1}");
}

static void numbers_keep_their_value(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	json_open_array(&json, NULL);
	json_u64(&json, NULL, UINT64_MAX);
	json_i64(&json, NULL, INT64_MIN);
	json_double(&json, NULL, 0.1);
	json_double(&json, NULL, 1.0 / 3);
	json_double(&json, NULL, -2.5);
	json_double(&json, NULL, 1e300);
	json_double(&json, NULL, NAN);
	json_double(&json, NULL, -INFINITY);
	json_close_array(&json);
	assert_string_equal(buf_str(&buf),
			    "[18446744073709551615,-9223372036854775808,0.1,"
			    "0.3333333333333333,-2.5,1e+300,null,null]");
}

static void too_deep_fails_and_does_not_overrun(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct json json;

	(void)state;
	json_init(&json, &buf);
	for (int i = 0; i < JSON_DEPTH - 1; i++)
		json_open_array(&json, NULL);
	assert_false(buf_failed(&buf));
	json_open_array(&json, NULL);
	json_open_array(&json, NULL);
	assert_true(buf_failed(&buf));
	buf_clear(&buf);
	json_init(&json, &buf);
	json_close_object(&json);
	assert_true(buf_failed(&buf));
}

static void utf8_is_well_formed_or_not(void **state)
{
	static const char *const good[] = {
		"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2" "a",
		"\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xe2\x82" "a", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "\xfe", "\xf0\x90\x80",
		"\xf0\x90\x80" "a", "ok\xc2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_is_valid(span_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_is_valid(span_str(bad[i])));
	assert_true(utf8_is_valid(span_of("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_where_they_belong),
		cmocka_unit_test(objects_stand_on_lines),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(odd_names_come_in_hex_as_well),
		cmocka_unit_test(numbers_keep_their_value),
		cmocka_unit_test(too_deep_fails_and_does_not_overrun),
		cmocka_unit_test(utf8_is_well_formed_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
