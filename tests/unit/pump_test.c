#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "indexer/pump.h"

#define SIZE (7 * PUMP_BYTES + 4321u)	/* goes round all buffers */

static uint8_t *bytes;

static int setup(void **state)
{
	FILE *file = tmpfile();
	uint64_t x = 1;

	bytes = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++) {
		x = x * UINT64_C(6364136223846793005) + 1;
		bytes[i] = (uint8_t)(x >> 56);
	}
	assert_int_equal(fwrite(bytes, 1, SIZE, file), SIZE);
	fflush(file);
	*state = file;
	return 0;
}

static int teardown(void **state)
{
	fclose(*state);
	free(bytes);
	return 0;
}

/* All from `from` on; where it ended, and how. */
static uint64_t take_all(struct pump *pump, int fd, uint64_t from, uint64_t to,
			 ssize_t *ret_last)
{
	const uint8_t *at;
	ssize_t n = 0;

	pump_begin(pump, fd, from, to);
	while (from < to && (n = pump_next(pump, &at)) > 0) {
		assert_memory_equal(at, bytes + from, (size_t)n);
		from += (uint64_t)n;
	}
	pump_end(pump);
	*ret_last = n;
	return from;
}

static void test_all_of_it(void **state)
{
	struct pump *pump = pump_new();
	int fd = fileno(*state);
	ssize_t last;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(take_all(pump, fd, 0, SIZE, &last), SIZE);
		assert_true(last > 0);
		assert_int_equal(take_all(pump, fd, 12345, 12346, &last),
				 12346);
		assert_int_equal(take_all(pump, fd, 77, PUMP_BYTES * 2, &last),
				 PUMP_BYTES * 2);
	}
	pump_free(pump);
}

/* It is shorter than was said, or cannot be read: that comes last. */
static void test_ends(void **state)
{
	struct pump *pump = pump_new();
	int fd = open("/dev/null", O_WRONLY);
	const uint8_t *at;
	ssize_t last;

	assert_int_equal(take_all(pump, fileno(*state), 0, SIZE + 1, &last),
			 SIZE);
	assert_int_equal(last, 0);
	assert_int_equal(take_all(pump, fd, 0, 1, &last), 0);
	assert_int_equal(last, -EBADF);
	close(fd);
	pump_begin(pump, fileno(*state), 5, 5);
	assert_int_equal(pump_next(pump, &at), 0);
	pump_end(pump);
	pump_free(pump);
}

/* Ended in the middle, whatever it was at; what comes next is of the next. */
static void test_given_up(void **state)
{
	struct pump *pump = pump_new();
	int fd = fileno(*state);
	const uint8_t *at;
	ssize_t last;

	for (unsigned i = 0; i < 100; i++) {
		pump_begin(pump, fd, 0, SIZE);
		for (unsigned k = 0; k < i % 6; k++)
			assert_true(pump_next(pump, &at) > 0);
		pump_end(pump);
		assert_int_equal(take_all(pump, fd, i, PUMP_BYTES + i, &last),
				 PUMP_BYTES + i);
	}
	pump_begin(pump, fd, 0, SIZE);
	pump_free(pump);
	pump_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
