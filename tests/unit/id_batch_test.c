#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fs/repo/id_batch.h"

struct seen {
	uint64_t count, batches;
	uint8_t last[ID_HASH];
	uint64_t fail_at;
};

static int see(void *arg, const struct id *id, struct err *err)
{
	struct seen *seen = arg;

	/* it begins anew where a batch does */
	seen->batches += seen->count == 0 ||
			 memcmp(seen->last, id->hash, ID_HASH) > 0;
	memcpy(seen->last, id->hash, ID_HASH);
	if (++seen->count == seen->fail_at)
		return err_set(err, -EIO, "that one");
	return 0;
}

static struct id nth(uint64_t n)
{
	struct id id = { .len = 1 };
	uint64_t mixed = n * 0x9E3779B97F4A7C15u;

	memcpy(id.hash, &mixed, sizeof(mixed));
	return id;
}

static void test_each_once_and_in_order(void **state)
{
	struct err err = ERR_INIT;
	struct seen seen = { 0 };
	struct id_batch batch;
	uint64_t n = 2 * ID_BATCH + 1000;

	(void)state;
	assert_int_equal(id_batch_init(&batch, see, &seen, &err), 0);
	for (uint64_t i = 0; i < n; i++) {
		struct id id = nth(i);

		assert_int_equal(id_batch_put(&batch, &id, &err), 0);
	}
	assert_int_equal(seen.count, 2 * ID_BATCH);
	assert_int_equal(id_batch_flush(&batch, &err), 0);
	assert_int_equal(seen.count, n);
	assert_int_equal(seen.batches, 3);
	assert_int_equal(id_batch_flush(&batch, &err), 0);
	assert_int_equal(seen.count, n);
	id_batch_release(&batch);
}

static void test_an_error_ends_it(void **state)
{
	struct err err = ERR_INIT;
	struct seen seen = { .fail_at = 3 };
	struct id_batch batch;

	(void)state;
	assert_int_equal(id_batch_init(&batch, see, &seen, &err), 0);
	for (uint64_t i = 0; i < 10; i++) {
		struct id id = nth(i);

		assert_int_equal(id_batch_put(&batch, &id, &err), 0);
	}
	assert_int_equal(id_batch_flush(&batch, &err), -EIO);
	assert_int_equal(seen.count, 3);
	assert_int_equal(id_batch_flush(&batch, &err), 0);
	assert_int_equal(seen.count, 3);
	id_batch_release(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once_and_in_order),
		cmocka_unit_test(test_an_error_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
