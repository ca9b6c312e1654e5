#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/bytes.h"
#include "fs/base/sorter.h"

static char top[64];
static struct disk_dir dir;

static int begin(void **state)
{
	(void)state;
	strcpy(top, "/tmp/varve-sorter-XXXXXX");
	if (!mkdtemp(top) || disk_open(top, &dir, NULL) < 0)
		return -1;
	return disk_mkdir(&dir, "tmp", NULL);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	disk_set_hook(NULL, NULL);
	disk_close(&dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) == 0 ? 0 : -1;
}

/* A model that is plainly right: qsort of copies with their number. */
struct record {
	uint8_t key[64];
	size_t key_len;
	size_t value_len;
	uint32_t number;
};

static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int c = span_cmp(span_of(x->key, x->key_len),
			 span_of(y->key, y->key_len));

	if (c)
		return c;
	return x->number < y->number ? -1 : x->number > y->number;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void make(struct record *record, uint32_t number, uint32_t *seed,
		 uint32_t alphabet)
{
	record->number = number;
	record->key_len = next_random(seed) % 20;
	for (size_t i = 0; i < record->key_len; i++)
		record->key[i] = (uint8_t)(next_random(seed) % alphabet *
					   (255 / (alphabet - 1)));
	record->value_len = 4 + next_random(seed) % 100;
}

static void value_of(const struct record *record, uint8_t *value)
{
	put_le32(value, record->number);
	memset(value + 4, (int)(record->number & 0xff), record->value_len - 4);
}

static void check_pass(struct sorter *sorter, const struct record *records,
		       size_t count)
{
	struct span key, value;
	uint8_t want[128];

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(sorter_next(sorter, &key, &value, NULL), 1);
		value_of(&records[i], want);
		assert_true(span_equal(key, span_of(records[i].key,
						    records[i].key_len)));
		assert_true(span_equal(value, span_of(want,
						records[i].value_len)));
	}
	assert_int_equal(sorter_next(sorter, &key, &value, NULL), 0);
	assert_int_equal(sorter_next(sorter, &key, &value, NULL), 0);
}

static unsigned check_sort(size_t count, size_t budget, uint32_t alphabet)
{
	struct record *records = calloc(count + 1, sizeof(*records));
	struct sorter *sorter = sorter_new(&dir, budget);
	uint32_t seed = 12345;
	uint8_t value[128];
	unsigned runs;

	for (size_t i = 0; i < count; i++) {
		make(&records[i], (uint32_t)i, &seed, alphabet);
		value_of(&records[i], value);
		assert_int_equal(sorter_put(sorter,
					    span_of(records[i].key,
						    records[i].key_len),
					    span_of(value,
						    records[i].value_len),
					    NULL), 0);
	}
	qsort(records, count, sizeof(*records), compare);
	assert_int_equal(sorter_count(sorter), count);
	assert_int_equal(sorter_rewind(sorter, NULL), 0);
	check_pass(sorter, records, count);
	assert_int_equal(sorter_rewind(sorter, NULL), 0);
	check_pass(sorter, records, count);
	runs = sorter_runs(sorter);
	sorter_free(sorter);
	free(records);
	return runs;
}

static void sorts_in_memory(void **state)
{
	(void)state;
	assert_int_equal(check_sort(0, 1 << 20, 256), 0);
	assert_int_equal(check_sort(1, 1 << 20, 256), 0);
	assert_int_equal(check_sort(5000, 16 << 20, 256), 0);
}

static void sorts_through_runs(void **state)
{
	(void)state;
	assert_in_range(check_sort(20000, 256 * 1024, 256), 5, 31);
}

/* So many runs that some are merged on the way, twice over. */
static void sorts_through_many_runs(void **state)
{
	(void)state;
	assert_true(check_sort(20000, 16 * 1024, 256) > 100);
	assert_true(check_sort(15000, 1200, 256) > 1024);
}

/* Two letters make many equal keys and many that begin alike. */
static void equal_keys_keep_their_order(void **state)
{
	(void)state;
	assert_int_equal(check_sort(20000, 16 << 20, 2), 0);
	assert_true(check_sort(20000, 32 * 1024, 2) > 32);
}

static void a_record_may_exceed_the_budget(void **state)
{
	struct sorter *sorter = sorter_new(&dir, 1000);
	uint8_t *big = calloc(1, 1 << 20);
	struct span key, value;

	(void)state;
	for (uint8_t i = 3; i-- > 0;) {
		big[0] = i;
		assert_int_equal(sorter_put(sorter, span_of(big, 1 << 20),
					    span_of(big, 300000), NULL), 0);
	}
	assert_int_equal(sorter_rewind(sorter, NULL), 0);
	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(sorter_next(sorter, &key, &value, NULL), 1);
		assert_int_equal(key.len, 1 << 20);
		assert_int_equal(value.len, 300000);
		assert_int_equal(key.data[0], i);
		assert_int_equal(value.data[0], i);
	}
	assert_int_equal(sorter_next(sorter, &key, &value, NULL), 0);
	sorter_free(sorter);
	free(big);
}

static void limits_and_order_of_calls(void **state)
{
	struct sorter *sorter = sorter_new(&dir, 1000);
	uint8_t *big = calloc(1, (16 << 20) + 1);
	struct span key, value;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(sorter_put(sorter, span_of(big, (1 << 20) + 1),
				    span_of(NULL, 0), &err), -EINVAL);
	assert_int_equal(sorter_put(sorter, span_of(NULL, 0),
				    span_of(big, (16 << 20) + 1), &err),
			 -EINVAL);
	assert_int_equal(sorter_next(sorter, &key, &value, &err), -EINVAL);
	assert_int_equal(sorter_put(sorter, span_of(NULL, 0),
				    span_of(NULL, 0), NULL), 0);
	assert_int_equal(sorter_rewind(sorter, NULL), 0);
	assert_int_equal(sorter_put(sorter, span_str("a"), span_str("b"),
				    &err), -EINVAL);
	assert_int_equal(sorter_next(sorter, &key, &value, NULL), 1);
	assert_int_equal(key.len + value.len, 0);
	sorter_free(sorter);
	sorter_free(NULL);
	free(big);
}

static int fill(struct sorter *sorter, struct err *err)
{
	uint8_t value[100] = { 0 };
	int r = 0;

	for (uint32_t i = 0; i < 20000 && r == 0; i++) {
		put_le32(value, i * 2654435761u);
		r = sorter_put(sorter, span_of(value, 4), span_of(value, 100),
			       err);
	}
	return r;
}

static int fail_at_write(void *arg, enum disk_step step, const char *where,
			 const char *name, const char *to, uint64_t offset,
			 struct span data)
{
	int *left = arg;

	(void)where;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	return step == DISK_WRITE && --*left == 0 ? -ENOSPC : 0;
}

static void a_full_disk_is_told(void **state)
{
	(void)state;
	for (int at = 1; at < 70; at += 3) {
		struct sorter *sorter = sorter_new(&dir, 32 * 1024);
		struct err err = ERR_INIT;
		int left = at, r;

		disk_set_hook(fail_at_write, &left);
		r = fill(sorter, &err);
		if (r == 0)
			r = sorter_rewind(sorter, &err);
		assert_int_equal(r, -ENOSPC);
		assert_non_null(strstr(err.text, "cannot write"));
		disk_set_hook(NULL, NULL);
		sorter_free(sorter);
	}
}

/* The descriptors of unlinked files below top, to spoil what they hold. */
static int spoil(void)
{
	int spoiled = 0;

	for (int fd = 3; fd < 200; fd++) {
		char link[64], target[200];
		ssize_t n;
		uint8_t byte;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, top, strlen(top)) ||
		    !strstr(target, "(deleted)"))
			continue;
		if (pread(fd, &byte, 1, 5000) != 1)
			continue;
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
		spoiled++;
	}
	return spoiled;
}

static void a_bad_temporary_disk_is_noticed(void **state)
{
	struct sorter *sorter = sorter_new(&dir, 256 * 1024);
	struct err err = ERR_INIT;
	struct span key, value;
	int r;

	(void)state;
	assert_int_equal(fill(sorter, NULL), 0);
	assert_int_equal(sorter_rewind(sorter, NULL), 0);
	assert_true(spoil() > 0);
	r = sorter_rewind(sorter, &err);
	while (r == 0 && (r = sorter_next(sorter, &key, &value, &err)) > 0)
		r = 0;
	assert_int_equal(r, -EIO);
	assert_non_null(strstr(err.text, "other bytes than were written"));
	sorter_free(sorter);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sorts_in_memory),
		TEST(sorts_through_runs),
		TEST(sorts_through_many_runs),
		TEST(equal_keys_keep_their_order),
		TEST(a_record_may_exceed_the_budget),
		TEST(limits_and_order_of_calls),
		TEST(a_full_disk_is_told),
		TEST(a_bad_temporary_disk_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
