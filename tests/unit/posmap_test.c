#include "tree_fixture.h"

static int setup(void **state)
{
	*state = memory_repo_new(2);
	return 0;
}

static int teardown(void **state)
{
	struct repo *repo = *state;
	bool leaked = memory_counts(repo)->pins != 0;

	memory_repo_free(repo);
	return leaked ? -1 : 0;
}

/* The value of the nth pair, width bytes, each its own. */
static void value_of(uint64_t n, uint32_t width, uint8_t *out)
{
	uint64_t seed = n;

	for (uint32_t i = 0; i < width; i += 8) {
		uint8_t b[8];

		put_le64(b, rnd(&seed));
		memcpy(out + i, b, width - i < 8 ? width - i : 8);
	}
}

static struct id build(struct repo *repo, uint32_t width,
		       const uint64_t *pos, size_t count, uint64_t first)
{
	struct posmap_builder *b =
		posmap_builder_new(memory_deposit(repo), width);
	uint8_t value[POSMAP_WIDTH_MAX];
	struct err err = ERR_INIT;
	struct id id;

	for (size_t i = 0; i < count; i++) {
		value_of(first + i, width, value);
		assert_ok(posmap_add(b, pos[i], value, &err));
	}
	assert_ok(posmap_finish(b, &id, &err));
	posmap_builder_free(b);
	return id;
}

static void test_empty(void **state)
{
	struct repo *repo = *state;
	struct getter getter = { .repo = repo };
	struct id none = build(repo, 16, NULL, 0, 0);
	uint8_t value[16];
	struct err err = ERR_INIT;

	assert_true(id_is_none(&none));
	assert_int_equal(posmap_get(&getter, &none, 16, 0, value, &err),
			 -ENOENT);
	assert_ok(posmap_range(&getter, &none, 16, 0, UINT64_MAX, NULL, NULL,
			       &err));
	assert_int_equal(memory_objects(repo), 0);
}

static void test_refused(void **state)
{
	struct repo *repo = *state;
	struct posmap_builder *b =
		posmap_builder_new(memory_deposit(repo), 8);
	struct err err = ERR_INIT;

	assert_int_equal(posmap_add(b, NODES_MAX, "12345678", &err), -EINVAL);
	assert_ok(posmap_add(b, 5, "12345678", &err));
	assert_int_equal(posmap_add(b, 5, "12345678", &err), -EINVAL);
	assert_int_equal(posmap_add(b, 4, "12345678", &err), -EINVAL);
	assert_ok(posmap_add(b, 6, "12345678", &err));
	posmap_builder_free(b);
	b = posmap_builder_new(memory_deposit(repo), POSMAP_WIDTH_MAX + 1);
	assert_int_equal(posmap_add(b, 0, NULL, &err), -EINVAL);
	posmap_builder_free(b);
}

struct range {
	const uint64_t *pos;
	size_t next;
	uint32_t width;
	int stop_after;
};

static int on_pair(void *arg, uint64_t pos, const void *value,
		   struct err *err)
{
	struct range *range = arg;
	uint8_t want[POSMAP_WIDTH_MAX];

	(void)err;
	assert_int_equal(pos, range->pos[range->next]);
	value_of(range->next, range->width, want);
	assert_memory_equal(value, want, range->width);
	range->next++;
	return --range->stop_after == 0 ? -EINTR : 0;
}

static size_t lower(const uint64_t *pos, size_t count, uint64_t from)
{
	size_t i = 0;

	while (i < count && pos[i] < from)
		i++;
	return i;
}

static void check_get(const struct getter *getter, const struct id *map,
		      uint32_t width, const uint64_t *pos, size_t count,
		      uint64_t at)
{
	uint8_t value[POSMAP_WIDTH_MAX], want[POSMAP_WIDTH_MAX];
	struct err err = ERR_INIT;
	size_t i = lower(pos, count, at);
	int r = posmap_get(getter, map, width, at, value, &err);

	if (i == count || pos[i] != at) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	value_of(i, width, want);
	assert_memory_equal(value, want, width);
}

static void check(struct repo *repo, uint32_t width, size_t count,
		  uint64_t step)
{
	struct getter getter = { .repo = repo };
	uint64_t *pos = calloc(count, sizeof(*pos));
	uint64_t seed = count, at = rnd(&seed) % 1000;
	struct err err = ERR_INIT;
	struct range range;
	struct id map;

	for (size_t i = 0; i < count; i++) {
		pos[i] = at;
		at += 1 + rnd(&seed) % step;
	}
	map = build(repo, width, pos, count, 0);

	range = (struct range){ .pos = pos, .width = width };
	assert_ok(posmap_range(&getter, &map, width, 0, UINT64_MAX, on_pair,
			       &range, &err));
	assert_int_equal(range.next, count);
	for (int i = 0; i < 50; i++) {
		uint64_t from = rnd(&seed) % (at + 10);
		uint64_t to = from + rnd(&seed) % (step * 300);

		check_get(&getter, &map, width, pos, count, from);
		check_get(&getter, &map, width, pos, count,
			  pos[rnd(&seed) % count]);
		range.next = lower(pos, count, from);
		assert_ok(posmap_range(&getter, &map, width, from, to,
				       on_pair, &range, &err));
		assert_int_equal(range.next, lower(pos, count, to));
	}
	check_get(&getter, &map, width, pos, count, 0);
	check_get(&getter, &map, width, pos, count, UINT64_MAX);
	range = (struct range){ .pos = pos, .width = width, .stop_after = 1 };
	assert_int_equal(posmap_range(&getter, &map, width, 0, UINT64_MAX,
				      on_pair, &range, &err), -EINTR);
	free(pos);
}

static void test_lookups(void **state)
{
	struct repo *repo = *state;

	check(repo, 16, 1, 1);
	check(repo, 16, 1000, 1);
	check(repo, 40, 30000, 3);
	check(repo, 1, 200000, 1000);
	check(repo, POSMAP_WIDTH_MAX, 20000, 5);
}

/* Rising lookups read each page once. */
static void test_cursor(void **state)
{
	struct repo *repo = *state;
	struct getter getter = { .repo = repo };
	const size_t count = 50000;
	uint64_t *pos = calloc(count, sizeof(*pos));
	uint8_t value[40], want[40];
	struct posmap_cursor *cursor;
	struct err err = ERR_INIT;
	const void *found;
	uint64_t gets, at;
	struct id map;

	for (size_t i = 0; i < count; i++)
		pos[i] = 1000 + 3 * i;
	map = build(repo, 40, pos, count, 0);
	cursor = posmap_cursor_new(&getter, &map, 40);
	gets = memory_counts(repo)->gets;
	for (uint64_t i = 0; i < 1000 + 3 * count; i++) {
		bool there = i >= 1000 && i % 3 == 1;
		int r = posmap_cursor_get(cursor, i, value, &err);

		assert_int_equal(r, there ? 0 : -ENOENT);
		if (!there)
			continue;
		value_of((i - 1000) / 3, 40, want);
		assert_memory_equal(value, want, 40);
	}
	assert_int_equal(memory_counts(repo)->gets - gets,
			 memory_objects(repo));
	/* and back again */
	assert_ok(posmap_cursor_get(cursor, 1000, value, &err));
	value_of(0, 40, want);
	assert_memory_equal(value, want, 40);
	assert_int_equal(posmap_cursor_next(cursor, 0, &at, &found, &err), 1);
	assert_int_equal(at, 1000);
	assert_int_equal(posmap_cursor_next(cursor, 1001, &at, &found, &err),
			 1);
	assert_int_equal(at, 1003);
	assert_memory_equal(found, (value_of(1, 40, want), want), 40);
	assert_int_equal(posmap_cursor_next(cursor, 1000 + 3 * count, &at,
					    &found, &err), 0);
	posmap_cursor_free(cursor);
	free(pos);
}

/* A few nodes more in front, and all positions move: few pages are new. */
static void test_shift_is_local(void **state)
{
	struct repo *repo = *state;
	const struct memory_counts *counts = memory_counts(repo);
	const size_t count = 100000;
	uint64_t *pos = calloc(count, sizeof(*pos));
	uint64_t objects, bytes;

	for (size_t i = 0; i < count; i++)
		pos[i] = i + i / 7;
	build(repo, 40, pos, count, 0);
	objects = counts->objects;
	bytes = counts->object_bytes;
	assert_true(objects > 30);
	for (size_t i = 500; i < count; i++)
		pos[i] += 3;
	build(repo, 40, pos, count, 0);
	assert_true(counts->objects - objects <= 3);
	assert_true(counts->object_bytes - bytes < bytes / 10);
	free(pos);
}

static int count_pairs(void *arg, uint64_t pos, const void *value,
		       struct err *err)
{
	uint64_t *last = arg;
	unsigned sum = 0;

	(void)err;
	assert_true(*last == UINT64_MAX || pos > *last);
	for (int i = 0; i < 16; i++)
		sum ^= ((const uint8_t *)value)[i];
	*last = pos;
	return sum == 256 ? -1 : 0;	/* have it read the bytes */
}

static void test_mutations(void **state)
{
	struct repo *repo = *state;
	struct getter getter = { .repo = repo };
	const size_t count = 20000;
	uint64_t *pos = calloc(count, sizeof(*pos));
	uint64_t seed = 1, last;
	uint8_t value[16];
	struct err err = ERR_INIT;
	struct id map;

	for (size_t i = 0; i < count; i++)
		pos[i] = 2 * i;
	map = build(repo, 16, pos, count, 0);
	for (size_t round = 0; round < 1200; round++) {
		size_t n = round % memory_objects(repo);
		struct id id = *memory_object(repo, n);
		struct held held = HELD_INIT;
		struct buf bad;

		/* the top, whose few bytes matter most, every other time */
		if (round % 2)
			id = map;
		assert_int_equal(repo_get(repo, &id, &held, NULL), 0);
		bad = mutate(span_of(held.bytes.data, held.bytes.len), &seed);
		if (round % 3 == 0)
			bad.data[rnd(&seed) % (bad.len < 60 ? bad.len : 60)]
				^= (uint8_t)(1 << rnd(&seed) % 8);
		held_release(&held);
		memory_pose(repo, &id, buf_span(&bad));
		last = UINT64_MAX;
		posmap_range(&getter, &map, 16, 0, UINT64_MAX, count_pairs,
			     &last, &err);
		posmap_get(&getter, &map, 16, rnd(&seed) % 40000, value, &err);
		memory_pose(repo, &id, span_of(NULL, 0));
		buf_release(&bad);
		assert_int_equal(memory_counts(repo)->pins, 0);
	}
	assert_int_equal(posmap_get(&getter, &map, 8, 0, value, &err),
			 -EBADMSG);
	free(pos);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_empty),
		T(test_refused),
		T(test_lookups),
		T(test_cursor),
		T(test_shift_is_local),
		T(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
