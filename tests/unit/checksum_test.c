#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/base/checksum.h"

/* RFC 3720, B.4, and the check value of the CRC catalogues. */
static void crc32c_is_that_of_the_standards(void **state)
{
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(crc32c(0, span_str("123456789")), 0xe3069283u);
	assert_int_equal(crc32c(0, span_of(NULL, 0)), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c(0, span_of(bytes, 32)), 0x8a9136aau);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, span_of(bytes, 32)), 0x62a8ab43u);
}

static void crc32c_goes_on(void **state)
{
	(void)state;
	assert_int_equal(crc32c(crc32c(0, span_str("1234")),
				span_str("56789")), 0xe3069283u);
}

/* xxHash's own check values. */
static void xxhash_is_xxhash(void **state)
{
	(void)state;
	assert_int_equal(xxhash32(span_of(NULL, 0)), 0x02cc5d05u);
	assert_true(xxhash64(span_of(NULL, 0)) == 0xef46db3751d8e999u);
	assert_int_equal(xxhash32(span_str("abc")), 0x32d153ffu);
	assert_true(xxhash64(span_str("abc")) == 0x44bc2cf5ad770999u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_is_that_of_the_standards),
		cmocka_unit_test(crc32c_goes_on),
		cmocka_unit_test(xxhash_is_xxhash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
