#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/base/codec.h"

#define ALL(literal) span_of(literal, sizeof(literal) - 1)

static void gives(enum unblock_format format, struct span packed,
		  const char *want)
{
	size_t len = strlen(want);
	uint8_t plain[512];

	assert_int_equal(unblock(format, packed, plain, len, NULL), 0);
	assert_memory_equal(plain, want, len);
	/* other lengths are refused, and nothing is written behind */
	plain[len] = 0xee;
	assert_int_equal(unblock(format, packed, plain, len + 1, NULL),
			 -EBADMSG);
	plain[len - 1] = 0xee;
	assert_int_equal(unblock(format, packed, plain, len - 1, NULL),
			 -EBADMSG);
	assert_int_equal(plain[len - 1], 0xee);
	for (size_t cut = 0; cut < packed.len; cut++)
		assert_int_equal(unblock(format, span_of(packed.data, cut),
					 plain, len, NULL), -EBADMSG);
}

static void refuses(enum unblock_format format, struct span packed, size_t len)
{
	uint8_t plain[512];

	assert_int_equal(unblock(format, packed, plain, len, NULL), -EBADMSG);
}

static void snappy_has_literals_and_copies(void **state)
{
	(void)state;
	gives(UNBLOCK_SNAPPY, ALL("\x08" "abc"), "abc");
	/* 4 bytes from 3 back, into themselves; then 5 from 2 bytes of back */
	gives(UNBLOCK_SNAPPY, ALL("\x08" "abc\x01\x03"), "abcabca");
	gives(UNBLOCK_SNAPPY, ALL("\x08" "abc\x12\x01\x00"), "abcccccc");
	gives(UNBLOCK_SNAPPY, ALL("\x08" "abc\x0b\x02\x00\x00\x00"), "abcbcb");
	/* a literal whose length stands in a byte behind */
	gives(UNBLOCK_SNAPPY, ALL("\xf0\x03" "abcd"), "abcd");
	refuses(UNBLOCK_SNAPPY, ALL("\x08" "abc\x01\x04"), 7);
	refuses(UNBLOCK_SNAPPY, ALL("\x08" "abc\x01\x00"), 7);
	refuses(UNBLOCK_SNAPPY, ALL("\xfc\xff\xff\xff\xff" "abcd"), 4);
}

static void lz4_has_literals_and_copies(void **state)
{
	(void)state;
	gives(UNBLOCK_LZ4, ALL("\x30" "abc"), "abc");
	gives(UNBLOCK_LZ4, ALL("\x31" "abc\x03\x00\x10" "x"), "abcabcabx");
	gives(UNBLOCK_LZ4, ALL("\x1f" "a\x01\x00\x02\x10" "x"),
	      "aaaaaaaaaaaaaaaaaaaaaax");
	refuses(UNBLOCK_LZ4, ALL("\x31" "abc\x04\x00\x10" "x"), 9);
	refuses(UNBLOCK_LZ4, ALL("\x31" "abc\x00\x00\x10" "x"), 9);
}

static void deflate_is_without_a_header(void **state)
{
	(void)state;
	gives(UNBLOCK_DEFLATE, ALL("\x01\x03\x00\xfc\xff" "abc"), "abc");
	gives(UNBLOCK_DEFLATE, ALL("\x4b\x4c\x4a\x4e\x04\x23\x00"),
	      "abcabcabc");
	refuses(UNBLOCK_DEFLATE, ALL("\xff\xff"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snappy_has_literals_and_copies),
		cmocka_unit_test(lz4_has_literals_and_copies),
		cmocka_unit_test(deflate_is_without_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
