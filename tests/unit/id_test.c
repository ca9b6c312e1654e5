#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <xxhash.h>

#include "fs/base/id.h"

static struct id_key key_of(uint8_t first)
{
	uint8_t seed[ID_SEED] = { first };
	struct id_key key;

	id_key_init(&key, seed);
	return key;
}

/* "Secret number nth is, for i = 0..11, the 16 bytes (low64 LE, high64 LE) of
 * XXH3_128bits(seed[32] || nth as u16 LE || i as u8)." */
static void secrets_are_as_written(void **state)
{
	struct id_key key = key_of(9);
	uint8_t in[ID_SEED + 3] = { 9 };
	uint8_t want[16];
	XXH128_hash_t h;

	(void)state;
	in[ID_SEED] = 2;
	in[ID_SEED + 1] = 0x80;
	in[ID_SEED + 2] = 11;
	h = XXH3_128bits(in, sizeof(in));
	put_le64(want, h.low64);
	put_le64(want + 8, h.high64);
	assert_memory_equal(key.secret[1][2] + 11 * 16, want, 16);
}

static void an_id_proves_its_bytes_only(void **state)
{
	struct id_key key = key_of(1), other = key_of(2);
	struct id id, again;

	(void)state;
	id_of(&key, 0, span_str("hello"), &id);
	id_of(&key, 0, span_str("hello"), &again);
	assert_true(id_equal(&id, &again));
	assert_int_equal(id.len, 5);
	assert_true(id_proves(&key, &id, span_str("hello")));
	assert_false(id_proves(&key, &id, span_str("hellO")));
	assert_false(id_proves(&key, &id, span_str("hell")));
	if (key.bits == 128)
		assert_false(id_proves(&other, &id, span_str("hello")));
}

static void nth_and_kind_have_secrets_of_their_own(void **state)
{
	static const uint16_t nths[] = { 0, 1, 3, 4, 5, 0x7fff, ID_META,
					 ID_META | 3, ID_META | 4, 0xffff };
	struct id_key key = key_of(1);
	struct id ids[10];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		id_of(&key, nths[i], span_str("same bytes"), &ids[i]);
		assert_int_equal(ids[i].nth, nths[i]);
		assert_int_equal(id_is_meta(&ids[i]), nths[i] >= ID_META);
		for (size_t j = 0; j < i && key.bits == 128; j++)
			assert_memory_not_equal(ids[i].hash, ids[j].hash,
						ID_HASH);
		assert_true(id_proves(&key, &ids[i], span_str("same bytes")));
	}
}

static void disk_form_goes_around(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct id_key key = key_of(1);
	struct id id, back;
	struct id_hex hex;
	struct bytes in;

	(void)state;
	id_of(&key, 0x1234, span_str("x"), &id);
	id_write(&id, &buf);
	assert_int_equal(buf.len, ID_BYTES);
	assert_memory_equal(buf.data + 16, "\x01\0\0\0\x34\x12", 6);
	in = bytes_of(buf_span(&buf));
	id_parse(&in, &back);
	assert_true(bytes_done(&in));
	assert_true(id_equal(&id, &back));
	assert_int_equal(id_cmp(&id, &back), 0);
	hex = id_hex(&id);
	assert_int_equal(strlen(hex.s), 44);
	assert_int_equal(id_from_hex(hex.s, &back), 0);
	assert_true(id_equal(&id, &back));
	in = bytes_of(span_of(buf.data, ID_BYTES - 1));
	id_parse(&in, &back);
	assert_true(in.bad);
	assert_true(id_is_none(&back));
}

static void bad_hex_is_refused(void **state)
{
	struct id_key key = key_of(1);
	struct id_hex hex;
	struct id id, back;
	uint8_t raw[2];

	(void)state;
	id_of(&key, 0, span_str("x"), &id);
	hex = id_hex(&id);
	hex.s[43] = 'g';
	assert_int_equal(id_from_hex(hex.s, &back), -EINVAL);
	hex.s[43] = '\0';
	assert_int_equal(id_from_hex(hex.s, &back), -EINVAL);
	assert_int_equal(id_from_hex("", &back), -EINVAL);
	assert_int_equal(hex_parse("00FF", 2, raw), -EINVAL);
	assert_int_equal(hex_parse("00f", 2, raw), -EINVAL);
	assert_int_equal(hex_parse("00ff", 2, raw), 0);
	assert_int_equal(raw[1], 0xff);
}

static void order_is_that_of_the_disk(void **state)
{
	struct id a = { .hash = { 1 }, .len = 9 };
	struct id b = { .hash = { 2 }, .len = 1 };

	(void)state;
	assert_true(id_cmp(&a, &b) < 0);
	assert_true(id_cmp(&b, &a) > 0);
	b = a;
	b.nth = 1;
	assert_true(id_cmp(&a, &b) < 0);
	assert_true(id_spread(&a) != id_spread(&b));
}

static void sums_are_xxh3(void **state)
{
	struct sum_stream *sum = sum_stream_new();
	uint8_t whole[16], parts[16];
	XXH128_hash_t h;

	(void)state;
	assert_non_null(sum);
	assert_true(sum64(span_str("abc")) == XXH3_64bits("abc", 3));
	assert_true(sum64(span_of(NULL, 0)) == XXH3_64bits("", 0));
	sum128(span_str("abcdef"), whole);
	h = XXH3_128bits("abcdef", 6);
	assert_true(get_le64(whole) == h.low64);
	assert_true(get_le64(whole + 8) == h.high64);
	sum_stream_add(sum, span_str("abc"));
	sum_stream_add(sum, span_of(NULL, 0));
	sum_stream_add(sum, span_str("def"));
	sum_stream_get(sum, parts);
	assert_memory_equal(whole, parts, 16);
	sum_stream_free(sum);
	sum_stream_free(NULL);
}

static void random_bytes_differ(void **state)
{
	uint8_t a[600] = { 0 }, b[600] = { 0 };

	(void)state;
	assert_int_equal(random_bytes(a, sizeof(a), NULL), 0);
	assert_int_equal(random_bytes(b, sizeof(b), NULL), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + 568, b + 568, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_as_written),
		cmocka_unit_test(an_id_proves_its_bytes_only),
		cmocka_unit_test(nth_and_kind_have_secrets_of_their_own),
		cmocka_unit_test(disk_form_goes_around),
		cmocka_unit_test(bad_hex_is_refused),
		cmocka_unit_test(order_is_that_of_the_disk),
		cmocka_unit_test(sums_are_xxh3),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
