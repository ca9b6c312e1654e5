#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/base/bytes.h"

static void fixed_numbers_are_little_endian(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct bytes in;

	(void)state;
	buf_u8(&buf, 0x01);
	buf_u16(&buf, 0x0203);
	buf_u32(&buf, 0x04050607);
	buf_u64(&buf, 0x08090a0b0c0d0e0f);
	assert_int_equal(buf.len, 15);
	assert_memory_equal(buf.data, "\x01\x03\x02\x07\x06\x05\x04"
			    "\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08", 15);
	in = bytes_of(buf_span(&buf));
	assert_int_equal(bytes_u8(&in), 0x01);
	assert_int_equal(bytes_u16(&in), 0x0203);
	assert_int_equal(bytes_u32(&in), 0x04050607);
	assert_int_equal(bytes_left(&in), 8);
	assert_true(bytes_u64(&in) == 0x08090a0b0c0d0e0f);
	assert_true(bytes_done(&in));
	assert_int_equal(get_le32(buf.data + 3), 0x04050607);
	assert_true(get_le64(buf.data + 7) == 0x08090a0b0c0d0e0f);
}

static void varints_go_around(void **state)
{
	static const struct { uint64_t v; size_t len; } cases[] = {
		{ 0, 1 }, { 1, 1 }, { 127, 1 }, { 128, 2 }, { 16383, 2 },
		{ 16384, 3 }, { UINT32_MAX, 5 }, { 1ull << 56, 9 },
		{ 1ull << 63, 10 }, { UINT64_MAX, 10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf buf = BUF_INIT;
		struct bytes in;

		buf_varint(&buf, cases[i].v);
		assert_int_equal(buf.len, cases[i].len);
		in = bytes_of(buf_span(&buf));
		assert_true(bytes_varint(&in) == cases[i].v);
		assert_true(bytes_done(&in));
		for (size_t cut = 0; cut < buf.len; cut++) {
			in = bytes_of(span_of(buf.data, cut));
			assert_int_equal(bytes_varint(&in), 0);
			assert_true(in.bad);
		}
	}
}

static void zigzag_goes_around(void **state)
{
	static const int64_t cases[] = { 0, -1, 1, -2, 2, 1000000, -1000000,
					 INT64_MAX, INT64_MIN };
	OWNED_BUF struct buf buf = BUF_INIT;
	struct bytes in;

	(void)state;
	buf_zigzag(&buf, -1);
	buf_zigzag(&buf, 1);
	buf_zigzag(&buf, -64);
	assert_memory_equal(buf.data, "\x01\x02\x7f", 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&buf);
		buf_zigzag(&buf, cases[i]);
		in = bytes_of(buf_span(&buf));
		assert_true(bytes_zigzag(&in) == cases[i]);
		assert_true(bytes_done(&in));
	}
}

static void malformed_varints_are_refused(void **state)
{
	static const struct { const char *data; size_t len; } cases[] = {
		{ "", 0 },
		{ "\x80", 1 },
		{ "\x80\x00", 2 },		/* 0, not in shortest form */
		{ "\xff\x00", 2 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes in = bytes_of(span_of(cases[i].data,
						   cases[i].len));

		assert_int_equal(bytes_varint(&in), 0);
		assert_true(in.bad);
		assert_false(bytes_done(&in));
		assert_int_equal(bytes_left(&in), 0);
	}
}

static void nothing_runs_over_the_end(void **state)
{
	struct bytes in = bytes_of(span_of("\x01\x02\x03", 3));
	struct span got;

	(void)state;
	assert_int_equal(bytes_u32(&in), 0);
	assert_true(in.bad);
	/* and stays bad, though one byte would be there */
	assert_int_equal(bytes_u8(&in), 0);
	in = bytes_of(span_of(NULL, 0));
	assert_int_equal(bytes_take(&in, 0).len, 0);
	assert_true(bytes_done(&in));
	assert_int_equal(bytes_varint(&in), 0);
	assert_true(in.bad);
	in = bytes_of(span_of("abc", 3));
	got = bytes_take(&in, 2);
	assert_true(span_equal(got, span_str("ab")));
	got = bytes_take(&in, SIZE_MAX);
	assert_int_equal(got.len, 0);
	assert_true(in.bad);
}

static void counts_and_strings_are_bounded(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct bytes in;

	(void)state;
	buf_string(&buf, span_str("name"));
	buf_varint(&buf, 10);
	in = bytes_of(buf_span(&buf));
	assert_true(span_equal(bytes_string(&in, 4), span_str("name")));
	assert_int_equal(bytes_count(&in, 10), 10);
	assert_true(bytes_done(&in));
	in = bytes_of(buf_span(&buf));
	assert_int_equal(bytes_string(&in, 3).len, 0);
	assert_true(in.bad);
	in = bytes_of(span_of("\x0b", 1));
	assert_int_equal(bytes_count(&in, 10), 0);
	assert_true(in.bad);
	/* a length beyond what follows */
	in = bytes_of(span_of("\x7f" "ab", 3));
	assert_int_equal(bytes_string(&in, 1000).len, 0);
	assert_true(in.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_numbers_are_little_endian),
		cmocka_unit_test(varints_go_around),
		cmocka_unit_test(zigzag_goes_around),
		cmocka_unit_test(malformed_varints_are_refused),
		cmocka_unit_test(nothing_runs_over_the_end),
		cmocka_unit_test(counts_and_strings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
