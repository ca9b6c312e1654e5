#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/repo/id_map.h"

static struct id number(uint32_t n)
{
	struct id id = { .len = 1 + n % 7, .nth = (uint16_t)(n % 3) };

	memcpy(id.hash, &n, sizeof(n));
	return id;
}

static void put(struct id_map *map, uint32_t n, uint32_t to)
{
	const struct id a = number(n), b = number(to);

	id_map_put(map, &a, &b);
}

/* 1: found and right; 0: not there; anything else is a failure. */
static int find(const struct id_map *map, uint32_t n, uint32_t to)
{
	const struct id a = number(n), b = number(to);
	struct id got;

	if (!id_map_get(map, &a, &got))
		return 0;
	assert_true(id_equal(&got, &b));
	return 1;
}

static void test_an_empty_one_has_nothing(void **state)
{
	struct id_map map = { .slot = NULL };

	(void)state;
	assert_int_equal(find(&map, 1, 1), 0);
	id_map_release(&map);
}

static void test_a_later_one_takes_the_place_of_its_own(void **state)
{
	struct id_map map = { .slot = NULL };

	(void)state;
	put(&map, 1, 10);
	put(&map, 2, 20);
	put(&map, 1, 11);
	assert_int_equal(find(&map, 1, 11), 1);
	assert_int_equal(find(&map, 2, 20), 1);
	assert_int_equal(find(&map, 3, 0), 0);
	assert_int_equal(map.count, 2);
	id_map_release(&map);
}

static void test_while_it_grows_it_forgets_next_to_nothing(void **state)
{
	const uint32_t n = ID_MAP_SLOTS / 4;
	struct id_map map = { .slot = NULL };
	uint32_t kept = 0;

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		put(&map, i, i + 1);
	for (uint32_t i = 0; i < n; i++)
		kept += (uint32_t)find(&map, i, i + 1);
	assert_true(kept >= n - n / 100);
	id_map_release(&map);
}

static void test_what_does_not_fit_is_forgotten_and_never_mistaken(void **state)
{
	const uint32_t n = 3 * ID_MAP_SLOTS;
	struct id_map map = { .slot = NULL };
	uint32_t kept = 0;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		put(&map, i, i + 1);
		/* the last one is always there */
		assert_int_equal(find(&map, i, i + 1), 1);
	}
	assert_int_equal(map.slots, ID_MAP_SLOTS);
	for (uint32_t i = 0; i < n; i++)
		kept += (uint32_t)find(&map, i, i + 1);
	assert_true(kept <= ID_MAP_SLOTS);
	assert_true(kept >= ID_MAP_SLOTS - ID_MAP_SLOTS / 10);
	id_map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_one_has_nothing),
		cmocka_unit_test(test_a_later_one_takes_the_place_of_its_own),
		cmocka_unit_test(test_while_it_grows_it_forgets_next_to_nothing),
		cmocka_unit_test(
			test_what_does_not_fit_is_forgotten_and_never_mistaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
