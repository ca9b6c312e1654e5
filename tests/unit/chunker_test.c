#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "indexer/chunker.h"

#define BYTES (8u << 20)

static uint8_t seed[ID_SEED];
static struct chunker chunker;
static uint8_t *data;

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int setup(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (int i = 0; i < ID_SEED; i++)
		seed[i] = (uint8_t)i;
	chunker_init(&chunker, seed);
	data = malloc(BYTES);
	for (size_t i = 0; i < BYTES; i += 8)
		put_le64(data + i, next_random(&random));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(data);
	return 0;
}

/* "By the size of the file: < 4 MiB 4/16/64 KiB; < 1 GiB (or not known:
 * UINT64_MAX) 16/64/256 KiB; above 64/256/1024 KiB." */
static void test_sizes(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t avg;
	} cases[] = {
		{ 0, 16 << 10 }, { (4u << 20) - 1, 16 << 10 },
		{ 4u << 20, 64 << 10 }, { (1u << 30) - 1, 64 << 10 },
		{ 1u << 30, 256 << 10 }, { 1ull << 50, 256 << 10 },
		{ UINT64_MAX, 64 << 10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct chunker_sizes s = chunker_sizes_for(cases[i].size);

		assert_int_equal(s.avg, cases[i].avg);
		assert_int_equal(s.min, cases[i].avg / 4);
		assert_int_equal(s.max, cases[i].avg * 4);
	}
}

/* A change here would make every store share nothing with what is in it. */
static void test_pinned(void **state)
{
	static const size_t want[] = { 25733, 17890, 8131, 5318,
				       25028, 12947 };
	struct chunker_sizes sizes = chunker_sizes_for(0);
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		size_t n = chunker_cut(&chunker, &sizes, data + at,
				       BYTES - at, false);

		assert_int_equal(n, want[i]);
		at += n;
	}
}

static void test_bounds_and_mean(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);
	size_t at = 0, count = 0, at_max = 0;

	(void)state;
	while (at < BYTES) {
		size_t n = chunker_cut(&chunker, &sizes, data + at,
				       BYTES - at, false);

		assert_true(n <= sizes.max);
		assert_true(n > sizes.min || at + n == BYTES);
		at_max += n == sizes.max;
		at += n;
		count++;
	}
	assert_int_equal(at, BYTES);
	assert_in_range(BYTES / count, sizes.avg * 9 / 10, sizes.avg * 3 / 2);
	assert_true(at_max * 50 < count);
}

/* "0: cannot tell yet, give more (only where more is true and len < max)." */
static void test_any_buffer(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);
	uint64_t random = 3;
	size_t at = 0;

	(void)state;
	while (at < 1u << 20) {
		size_t want = chunker_cut(&chunker, &sizes, data + at,
					  BYTES - at, false);
		size_t len = 0, n = 0;

		while (n == 0) {
			len += 1 + next_random(&random) % 9000;
			n = chunker_cut(&chunker, &sizes, data + at, len,
					true);
			if (n == 0)
				assert_true(len < sizes.max);
		}
		assert_int_equal(n, want);
		assert_int_equal(chunker_cut(&chunker, &sizes, data + at,
					     want, true),
				 want);
		if (want > 1)
			assert_int_equal(chunker_cut(&chunker, &sizes,
						     data + at, want - 1,
						     false),
					 want - 1);
		at += want;
	}
}

static void test_short(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);

	(void)state;
	assert_int_equal(chunker_cut(&chunker, &sizes, data, 0, false), 0);
	assert_int_equal(chunker_cut(&chunker, &sizes, data, 1, false), 1);
	assert_int_equal(chunker_cut(&chunker, &sizes, data, 1, true), 0);
	assert_int_equal(chunker_cut(&chunker, &sizes, data, sizes.min,
				     false),
			 sizes.min);
}

/* A byte put in early moves few cuts: the other chunks are found again. */
static void test_resync(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);
	size_t len = 1u << 20, a = 0, b = 0;
	uint8_t *other = malloc(len + 1);

	(void)state;
	other[0] = 42;
	memcpy(other + 1, data, len);
	for (int steps = 0; a + 1 != b; steps++) {
		assert_true(steps < 60);
		if (a + 1 < b)
			a += chunker_cut(&chunker, &sizes, data + a, len - a,
					 false);
		else
			b += chunker_cut(&chunker, &sizes, other + b,
					 len + 1 - b, false);
	}
	assert_true(a < len);
	free(other);
}

/* "so that chunk lengths do not tell what is in a store" */
static void test_seeds_differ(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);
	struct chunker other;
	uint8_t seed2[ID_SEED];

	(void)state;
	memcpy(seed2, seed, sizeof(seed2));
	seed2[31] ^= 1;
	chunker_init(&other, seed2);
	assert_memory_not_equal(other.gear, chunker.gear,
				sizeof(other.gear));
	assert_int_not_equal(chunker_cut(&chunker, &sizes, data, BYTES, false),
			     chunker_cut(&other, &sizes, data, BYTES, false));
}

static void test_zeros(void **state)
{
	struct chunker_sizes sizes = chunker_sizes_for(0);
	uint8_t *zeros = calloc(1, sizes.max + 1);
	size_t n = chunker_cut(&chunker, &sizes, zeros, sizes.max + 1, false);

	(void)state;
	assert_in_range(n, sizes.min + 1, sizes.max);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_bounds_and_mean),
		cmocka_unit_test(test_any_buffer),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_zeros),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
