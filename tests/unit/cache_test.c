#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <pthread.h>
#include <cmocka.h>

#include "fs/store/cache.h"

#define THREADS 8
#define BLOCK	10000u	/* plain bytes of most blocks here */

/* What loads do, and count. */
struct source {
	_Atomic unsigned loads;
	_Atomic int fail;	/* this, if not 0 */
	unsigned delay_us;
	size_t len;
	struct cache *cache;
	uint32_t nested;	/* offset of a block that loads need; 0: none */
};

static uint8_t byte_of(uint32_t pack, uint32_t offset)
{
	return (uint8_t)(pack * 31 + offset * 7 + 1);
}

static int load(void *arg, uint32_t pack, uint32_t offset, uint32_t stored,
		struct cached *ret, struct err *err)
{
	struct source *source = arg;
	struct cached *other;
	int r;

	source->loads++;
	if (source->delay_us)
		usleep(source->delay_us);
	if (source->nested && source->nested != offset) {
		r = cache_get(source->cache, pack, source->nested, stored,
			      load, arg, &other, err);
		if (r < 0)
			return r;
		cache_release(source->cache, other);
	}
	/* Also on failure, so that what a load left behind must be freed. */
	buf_reserve(&ret->plain, source->len);
	memset(ret->plain.data, byte_of(pack, offset), source->len);
	ret->plain.len = source->len;
	ret->count = 2;
	ret->ids = calloc(2, sizeof(*ret->ids));
	ret->at = calloc(2, sizeof(*ret->at));
	ret->ids[1].len = stored;
	if (source->fail)
		return err_set(err, source->fail, "block %u is gone", offset);
	return 0;
}

static int load_self(void *arg, uint32_t pack, uint32_t offset,
		     uint32_t stored, struct cached *ret, struct err *err)
{
	struct source *source = arg;
	struct cached *self;

	(void)ret;
	return cache_get(source->cache, pack, offset, stored, load_self, arg,
			 &self, err);
}

static struct cached *get(struct cache *cache, struct source *source,
			  uint32_t pack, uint32_t offset)
{
	struct err err = ERR_INIT;
	struct cached *block;

	assert_int_equal(0, cache_get(cache, pack, offset, 77, load, source,
				      &block, &err));
	assert_int_equal(source->len, block->plain.len);
	assert_int_equal(byte_of(pack, offset), block->plain.data[0]);
	return block;
}

static void use(struct cache *cache, struct source *source, uint32_t pack,
		uint32_t offset)
{
	cache_release(cache, get(cache, source, pack, offset));
}

static struct cache_stats stats_of(struct cache *cache)
{
	struct cache_stats stats;

	cache_get_stats(cache, &stats);
	return stats;
}

static void test_hit_and_miss(void **state)
{
	struct cache *cache = cache_new(1 << 20);
	struct source source = { .len = BLOCK };
	struct cached *a, *b;

	(void)state;
	assert_false(cache_has(cache, 1, 40));
	a = get(cache, &source, 1, 40);
	assert_true(cache_has(cache, 1, 40));
	assert_false(cache_has(cache, 2, 40));
	assert_false(cache_has(cache, 1, 41));
	assert_int_equal(2, a->count);
	assert_int_equal(77, a->ids[1].len);
	assert_int_equal(0, a->proved[0]);
	assert_int_equal(0, a->proved[1]);
	a->proved[1] = 1;
	b = get(cache, &source, 1, 40);
	assert_ptr_equal(a, b);
	cache_release(cache, a);
	cache_release(cache, b);
	/* what was proved stays so */
	b = get(cache, &source, 1, 40);
	assert_int_equal(1, b->proved[1]);
	cache_release(cache, b);
	use(cache, &source, 2, 40);
	assert_int_equal(2, source.loads);
	assert_int_equal(2, stats_of(cache).misses);
	assert_int_equal(2, stats_of(cache).hits);
	cache_free(cache);
	cache_free(NULL);
}

/* "Budget counts plain, ids and at." */
static void test_budget(void **state)
{
	size_t budget = 20 * BLOCK;
	struct cache *cache = cache_new(budget);
	struct source source = { .len = BLOCK };
	struct cached *pinned[40];

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		use(cache, &source, 1, i);
		assert_true(stats_of(cache).bytes <= budget);
		assert_true(stats_of(cache).bytes >=
			    (i < 18 ? i + 1 : 18) * BLOCK);
	}
	assert_true(stats_of(cache).evictions >= 180);
	/* Pinned ones may exceed it, and then nothing else is kept. */
	for (uint32_t i = 0; i < 40; i++)
		pinned[i] = get(cache, &source, 2, i);
	assert_true(stats_of(cache).bytes >= 40 * BLOCK);
	assert_true(stats_of(cache).bytes < 42 * BLOCK);
	use(cache, &source, 3, 0);
	assert_false(cache_has(cache, 3, 0));
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(byte_of(2, i), pinned[i]->plain.data[9999]);
		cache_release(cache, pinned[i]);
	}
	assert_true(stats_of(cache).bytes <= budget);
	assert_true(stats_of(cache).peak_bytes >= 40 * BLOCK);
	assert_true(stats_of(cache).peak_bytes < 43 * BLOCK);
	cache_free(cache);
}

/* Larger than all of it: served, not kept. */
static void test_larger_than_budget(void **state)
{
	struct cache *cache = cache_new(1000);
	struct source source = { .len = BLOCK };

	(void)state;
	use(cache, &source, 1, 1);
	use(cache, &source, 1, 1);
	assert_int_equal(2, source.loads);
	assert_int_equal(0, stats_of(cache).bytes);
	cache_free(cache);
	cache = cache_new(0);
	use(cache, &source, 1, 1);
	assert_int_equal(0, stats_of(cache).bytes);
	cache_free(cache);
}

/* Every shard together keeps to one budget, whichever the blocks fall into. */
static void test_many_shards(void **state)
{
	size_t budget = 64u << 20;
	struct cache *cache = cache_new(budget);
	struct source source = { .len = 1 << 20 };

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		use(cache, &source, i % 3, i);
		assert_true(stats_of(cache).bytes <= budget);
	}
	/* and use it */
	assert_true(stats_of(cache).bytes > budget - (2u << 20));
	cache_free(cache);
}

static void test_least_recent_goes_first(void **state)
{
	struct cache *cache = cache_new(10 * (BLOCK + 400));
	struct source source = { .len = BLOCK };

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		use(cache, &source, 1, i);
	for (uint32_t i = 0; i < 10; i++)
		assert_true(cache_has(cache, 1, i));
	use(cache, &source, 1, 0);
	use(cache, &source, 1, 10);
	use(cache, &source, 1, 11);
	assert_true(cache_has(cache, 1, 0));
	assert_false(cache_has(cache, 1, 1));
	assert_false(cache_has(cache, 1, 2));
	assert_true(cache_has(cache, 1, 3));
	cache_free(cache);
}

/* "Segmented so that one scan does not flush what is used again": also where
 * the scan reads each of its blocks in several small pieces. */
static void test_scan_does_not_flush(void **state)
{
	struct cache *cache = cache_new(100 * (BLOCK + 400));
	struct source source = { .len = BLOCK };

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		use(cache, &source, 1, i);
	for (uint32_t i = 0; i < 20; i++)
		use(cache, &source, 1, i);
	for (uint32_t i = 0; i < 1000; i++)
		for (int part = 0; part < 8; part++)
			use(cache, &source, 2, i);
	for (uint32_t i = 0; i < 8; i++)
		assert_true(cache_has(cache, 1, i));
	assert_int_equal(1020, source.loads);
	/* What is used no more must go all the same when others are. */
	for (int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 84; i++)
			use(cache, &source, 3, i);
	for (uint32_t i = 0; i < 100; i++)
		use(cache, &source, 4, i);
	for (uint32_t i = 0; i < 8; i++)
		assert_false(cache_has(cache, 1, i));
	cache_free(cache);
}

static void test_failed_load_is_not_kept(void **state)
{
	struct cache *cache = cache_new(1 << 20);
	struct source source = { .len = BLOCK, .fail = -EBADMSG };
	struct err err = ERR_INIT;
	struct cached *block = NULL;

	(void)state;
	assert_int_equal(-EBADMSG, cache_get(cache, 1, 5, 77, load, &source,
					     &block, &err));
	assert_null(block);
	assert_int_equal(-EBADMSG, err.code);
	assert_string_equal("block 5 is gone", err.text);
	assert_false(cache_has(cache, 1, 5));
	assert_int_equal(0, stats_of(cache).bytes);
	assert_int_equal(-EBADMSG, cache_get(cache, 1, 5, 77, load, &source,
					     &block, NULL));
	source.fail = 0;
	use(cache, &source, 1, 5);
	assert_int_equal(3, source.loads);
	cache_free(cache);
}

static void test_nested_loads(void **state)
{
	struct cache *cache = cache_new(1 << 20);
	struct source source = { .len = BLOCK, .cache = cache, .nested = 9 };
	struct err err = ERR_INIT;
	struct cached *block;

	(void)state;
	use(cache, &source, 1, 5);
	assert_int_equal(2, source.loads);
	assert_true(cache_has(cache, 1, 9));
	/* A block that needs itself is damage, and must not hang. */
	assert_int_equal(-EBADMSG, cache_get(cache, 1, 6, 77, load_self,
					     &source, &block, &err));
	assert_int_equal(-EBADMSG, err.code);
	assert_false(cache_has(cache, 1, 6));
	/* All is as before. */
	use(cache, &source, 1, 6);
	assert_true(cache_has(cache, 1, 6));
	cache_free(cache);
}

static void test_drop_pack(void **state)
{
	struct cache *cache = cache_new(64u << 20);
	struct source source = { .len = BLOCK };
	struct cached *held, *again;
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		use(cache, &source, i % 2, i);
	held = get(cache, &source, 1, 7);
	before = stats_of(cache).bytes;
	cache_drop_pack(cache, 1);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(i % 2 == 0, cache_has(cache, i % 2, i));
	assert_true(stats_of(cache).bytes < before / 2 + 2 * BLOCK);
	/* Who holds one keeps it; who asks anew gets a new one. */
	assert_int_equal(byte_of(1, 7), held->plain.data[5000]);
	again = get(cache, &source, 1, 7);
	assert_ptr_not_equal(held, again);
	before = stats_of(cache).bytes;
	cache_release(cache, held);
	assert_true(stats_of(cache).bytes < before);
	assert_true(cache_has(cache, 1, 7));
	cache_release(cache, again);
	cache_free(cache);
}

static void test_second_pin(void **state)
{
	struct cache *cache = cache_new(1000);
	struct source source = { .len = BLOCK };
	struct cached *block;

	(void)state;
	block = get(cache, &source, 1, 1);
	cache_hold(cache, block);
	cache_release(cache, block);
	assert_int_equal(byte_of(1, 1), block->plain.data[0]);
	assert_true(cache_has(cache, 1, 1));
	cache_release(cache, block);
	assert_false(cache_has(cache, 1, 1));
	cache_free(cache);
}

struct crowd {
	struct cache *cache;
	struct source *source;
	pthread_barrier_t start;
	_Atomic unsigned failed;
	_Atomic unsigned wrong;
	unsigned rounds;
	struct cached *got[THREADS];
};

struct member {
	struct crowd *crowd;
	unsigned number;
	pthread_t thread;
};

static void run_crowd(struct crowd *crowd, void *(*body)(void *))
{
	struct member members[THREADS];

	pthread_barrier_init(&crowd->start, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		members[i].crowd = crowd;
		members[i].number = i;
		assert_int_equal(0, pthread_create(&members[i].thread, NULL,
						   body, &members[i]));
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(members[i].thread, NULL);
	pthread_barrier_destroy(&crowd->start);
}

static void *get_same(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;
	struct err err = ERR_INIT;
	int r;

	pthread_barrier_wait(&crowd->start);
	r = cache_get(crowd->cache, 3, 4, 77, load, crowd->source,
		      &crowd->got[member->number], &err);
	if (r < 0) {
		crowd->failed++;
		if (r != -EBADMSG || err.code != -EBADMSG ||
		    strcmp(err.text, "block 4 is gone"))
			crowd->wrong++;
	}
	return NULL;
}

/* "Whoever asks first decodes; others wait for that one result." */
static void test_single_flight(void **state)
{
	struct source source = { .len = BLOCK, .delay_us = 200000 };
	struct crowd crowd = {
		.cache = cache_new(1 << 20), .source = &source,
	};

	(void)state;
	run_crowd(&crowd, get_same);
	assert_int_equal(1, source.loads);
	assert_int_equal(0, crowd.failed);
	assert_int_equal(1, stats_of(crowd.cache).misses);
	assert_int_equal(THREADS - 1, stats_of(crowd.cache).waits +
				      stats_of(crowd.cache).hits);
	assert_true(stats_of(crowd.cache).waits >= 1);
	for (int i = 0; i < THREADS; i++) {
		assert_ptr_equal(crowd.got[0], crowd.got[i]);
		cache_release(crowd.cache, crowd.got[i]);
	}
	cache_free(crowd.cache);
}

/* Blocks 2n and 2n + 1 each want the other. */
static int load_mutual(void *arg, uint32_t pack, uint32_t offset,
		       uint32_t stored, struct cached *ret, struct err *err)
{
	struct source *source = arg;
	struct cached *other;

	(void)ret;
	source->loads++;
	usleep(20000);
	return cache_get(source->cache, pack, offset ^ 1, stored, load_mutual,
			 arg, &other, err);
}

static void *get_mutual(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;
	struct err err = ERR_INIT;
	struct cached *block;

	pthread_barrier_wait(&crowd->start);
	if (cache_get(crowd->cache, 3, member->number & 3, 77, load_mutual,
		      crowd->source, &block, &err) != -EBADMSG ||
	    err.code != -EBADMSG)
		crowd->wrong++;
	return NULL;
}

/* "Loads can never wait for each other." */
static void test_mutual_loads(void **state)
{
	struct cache *cache = cache_new(1 << 20);
	struct source source = { .len = BLOCK, .cache = cache };
	struct crowd crowd = { .cache = cache, .source = &source };

	(void)state;
	run_crowd(&crowd, get_mutual);
	assert_int_equal(0, crowd.wrong);
	assert_int_equal(0, stats_of(cache).bytes);
	cache_free(cache);
}

/* "A failed load is told to all its waiters and not kept." */
static void test_single_flight_fails(void **state)
{
	struct source source = {
		.len = BLOCK, .delay_us = 200000, .fail = -EBADMSG,
	};
	struct crowd crowd = {
		.cache = cache_new(1 << 20), .source = &source,
	};
	struct cache_stats stats;

	(void)state;
	run_crowd(&crowd, get_same);
	stats = stats_of(crowd.cache);
	assert_int_equal(THREADS, crowd.failed);
	assert_int_equal(0, crowd.wrong);
	/* Late ones may have begun a flight of their own. */
	assert_int_equal(source.loads, stats.misses);
	assert_int_equal(THREADS, stats.misses + stats.waits);
	assert_true(stats.waits >= 1);
	assert_int_equal(0, stats.bytes);
	assert_false(cache_has(crowd.cache, 3, 4));
	cache_free(crowd.cache);
}

static void *drop_while_loading(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;

	if (member->number > 0)
		return get_same(arg);
	pthread_barrier_wait(&crowd->start);
	usleep(60000);
	cache_drop_pack(crowd->cache, 3);
	return NULL;
}

/* What was on its way goes to those who wait for it, and is not kept. */
static void test_drop_while_loading(void **state)
{
	struct source source = { .len = BLOCK, .delay_us = 200000 };
	struct crowd crowd = {
		.cache = cache_new(1 << 20), .source = &source,
	};

	(void)state;
	run_crowd(&crowd, drop_while_loading);
	assert_int_equal(0, crowd.failed);
	for (int i = 1; i < THREADS; i++) {
		assert_int_equal(byte_of(3, 4), crowd.got[i]->plain.data[0]);
		cache_release(crowd.cache, crowd.got[i]);
	}
	cache_drop_pack(crowd.cache, 3);
	assert_int_equal(0, stats_of(crowd.cache).bytes);
	cache_free(crowd.cache);
}

static bool is_whole(const struct cached *block, size_t len, uint32_t pack,
		     uint32_t offset)
{
	for (size_t i = 0; i < block->plain.len; i += 997)
		if (block->plain.data[i] != byte_of(pack, offset))
			return false;
	return block->plain.len == len && block->count == 2;
}

static void *use_at_random(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;
	uint32_t x = member->number + 1;

	pthread_barrier_wait(&crowd->start);
	for (unsigned i = 0; i < crowd->rounds; i++) {
		struct cached *block;
		uint32_t pack, offset;

		x = x * 1664525u + 1013904223u;
		pack = x >> 28 & 3;
		offset = x >> 20 & 31;
		if (i % 100 == 0)
			crowd->source->fail = i % 1000 == 0 ? -EIO : 0;
		if (i % 500 == 499)
			cache_drop_pack(crowd->cache, pack);
		if (cache_get(crowd->cache, pack, offset, 77, load,
			      crowd->source, &block, NULL) < 0) {
			crowd->failed++;
			continue;
		}
		if (!is_whole(block, crowd->source->len, pack, offset))
			crowd->wrong++;
		__atomic_store_n(&block->proved[0], 1, __ATOMIC_RELAXED);
		cache_hold(crowd->cache, block);
		cache_release(crowd->cache, block);
		(void)cache_has(crowd->cache, pack, offset ^ 1);
		cache_release(crowd->cache, block);
	}
	return NULL;
}

static void stress(size_t budget, size_t len, unsigned rounds)
{
	struct source source = { .len = len };
	struct crowd crowd = {
		.cache = cache_new(budget), .source = &source,
		.rounds = rounds,
	};
	struct cache_stats stats;

	run_crowd(&crowd, use_at_random);
	stats = stats_of(crowd.cache);
	assert_int_equal(0, crowd.wrong);
	assert_true(crowd.failed > 0 && crowd.failed < THREADS * rounds / 2);
	assert_true(stats.bytes <= budget);
	assert_true(stats.peak_bytes <= budget + 2 * THREADS * len);
	assert_int_equal(source.loads, stats.misses);
	assert_int_equal(THREADS * rounds,
			 stats.hits + stats.misses + stats.waits);
	assert_true(stats.evictions > 0);
	for (uint32_t pack = 0; pack < 4; pack++)
		cache_drop_pack(crowd.cache, pack);
	assert_int_equal(0, stats_of(crowd.cache).bytes);
	cache_free(crowd.cache);
}

static void test_many_threads(void **state)
{
	(void)state;
	stress(40 * BLOCK, BLOCK, 4000);
	/* several shards, evicting from one another */
	stress(32u << 20, 512 << 10, 400);
}

/* A load that takes its room from the cache. */
static int load_in_room(void *arg, uint32_t pack, uint32_t offset,
			uint32_t stored, struct cached *ret, struct err *err)
{
	struct source *source = arg;

	(void)stored;
	(void)err;
	assert_int_equal(cache_room(source->cache, source->len, &ret->plain),
			 0);
	assert_true(ret->plain.cap >= source->len);
	assert_true(ret->plain.cap <= source->len + source->len / 4);
	assert_int_equal(ret->plain.len, 0);
	memset(ret->plain.data, byte_of(pack, offset), source->len);
	ret->plain.len = source->len;
	ret->ids = calloc(1, sizeof(*ret->ids));
	ret->at = calloc(1, sizeof(*ret->at));
	ret->count = 1;
	return 0;
}

static uint64_t rooms_again(size_t len)
{
	struct source source = { .len = len, .cache = cache_new(4u << 20) };
	uint64_t again;

	for (uint32_t i = 0; i < 400; i++) {
		struct cached *block = NULL;

		source.len = len + i * 37 % 100 * 100;
		assert_int_equal(cache_get(source.cache, 1, i, 0, load_in_room,
					   &source, &block, NULL), 0);
		assert_int_equal(block->plain.data[source.len - 1],
				 byte_of(1, i));
		cache_release(source.cache, block);
	}
	again = stats_of(source.cache).rooms_again;
	cache_free(source.cache);
	return again;
}

/* Large blocks get the room of those that went; small ones, and what is larger
 * than any block of a file, are malloc()'s. */
static void test_rooms(void **state)
{
	(void)state;
	assert_true(rooms_again(120000) > 300);
	assert_true(rooms_again(300000) > 300);
	assert_true(rooms_again(70000) > 250);
	assert_int_equal(rooms_again(1000), 0);
	assert_true(rooms_again(1000000) > 300);
	assert_int_equal(rooms_again(1400000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_hit_and_miss),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_larger_than_budget),
		cmocka_unit_test(test_many_shards),
		cmocka_unit_test(test_least_recent_goes_first),
		cmocka_unit_test(test_scan_does_not_flush),
		cmocka_unit_test(test_failed_load_is_not_kept),
		cmocka_unit_test(test_nested_loads),
		cmocka_unit_test(test_drop_pack),
		cmocka_unit_test(test_second_pin),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_single_flight_fails),
		cmocka_unit_test(test_mutual_loads),
		cmocka_unit_test(test_drop_while_loading),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
