#include "store_fixture.h"

#include <pthread.h>

#include "fs/repo/check.h"

static struct id put(struct deposit *deposit, struct span bytes)
{
	struct err err = ERR_INIT;
	struct id id;

	wanted(0, deposit_chunk(deposit, CHUNK_SMALL, bytes, &id, &err),
	       &err);
	return id;
}

static struct deposit *begin(struct repo *repo)
{
	struct err err = ERR_INIT;
	struct deposit *deposit;

	wanted(0, deposit_begin(repo, NULL, &deposit, &err), &err);
	return deposit;
}

/* Bytes that do not repeat, from a number. */
static void fill(uint8_t *out, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)x;
	}
}

static void expect(struct repo *repo, const struct id *id, struct span bytes)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct err err = ERR_INIT;

	wanted(0, repo_get(repo, id, &held, &err), &err);
	assert_true(span_equal(held.bytes, bytes));
}

static void test_chunk_comes_back(void **state)
{
	struct fixture *f = *state;
	struct deposit *deposit = begin(f->repo);
	struct record record;
	struct err err = ERR_INIT;
	struct id a, b;

	a = put(deposit, span_str("hello"));
	b = put(deposit, span_str("world"));
	assert_false(id_equal(&a, &b));
	fixture_record(&record, "s", 1000);
	record.root = a;
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_free(deposit);
	expect(f->repo, &a, span_str("hello"));
	fixture_reopen(f);
	expect(f->repo, &a, span_str("hello"));
	expect(f->repo, &b, span_str("world"));
	assert_int_equal(record.number, 1);
	assert_string_equal(record.name, "1970-01-01T00-16-40Z");
	record_release(&record);
}

static void test_equal_chunks_are_stored_once(void **state)
{
	static uint8_t bytes[300000];
	struct fixture *f = *state;
	struct deposit_stats stats;
	struct record record;
	struct err err = ERR_INIT;
	struct id first = { 0 };

	fill(bytes, sizeof(bytes), 1);
	for (int round = 0; round < 3; round++) {
		struct deposit *deposit = begin(f->repo);
		struct id a = put(deposit, span_of(bytes, sizeof(bytes)));
		struct id b = put(deposit, span_of(bytes, sizeof(bytes)));

		assert_true(id_equal(&a, &b));
		if (round > 0)
			assert_true(id_equal(&a, &first));
		first = a;
		fixture_record(&record, "s", 1000 + round);
		record.root = a;
		wanted(0, deposit_commit(deposit, &record, &err), &err);
		deposit_get_stats(deposit, &stats);
		assert_int_equal(stats.chunks, 2);
		assert_int_equal(stats.new_chunks, round == 0 ? 1 : 0);
		deposit_free(deposit);
		record_release(&record);
	}
}

static void test_get_before_commit(void **state)
{
	static uint8_t bytes[100000];
	struct fixture *f = *state;
	struct deposit *deposit = begin(f->repo);
	struct err err = ERR_INIT;
	struct id ids[200];

	for (int i = 0; i < 200; i++) {
		fill(bytes, sizeof(bytes), (uint64_t)i);
		ids[i] = put(deposit, span_of(bytes, sizeof(bytes)));
	}
	for (int i = 0; i < 200; i++) {
		OWNED_HELD struct held held = HELD_INIT;

		fill(bytes, sizeof(bytes), (uint64_t)i);
		wanted(0, deposit_get(deposit, &ids[i], &held, &err), &err);
		assert_true(span_equal(held.bytes,
				       span_of(bytes, sizeof(bytes))));
	}
	deposit_free(deposit);
}

static void test_many_packs(void **state)
{
	static uint8_t bytes[1 << 20];
	struct fixture *f = *state;
	struct deposit *deposit = begin(f->repo);
	struct record record;
	struct err err = ERR_INIT;
	struct id ids[150];

	for (int i = 0; i < 150; i++) {
		fill(bytes, sizeof(bytes), (uint64_t)i);
		ids[i] = put(deposit, span_of(bytes, sizeof(bytes)));
	}
	fixture_record(&record, "s", 1000);
	record.root = ids[0];
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_free(deposit);
	assert_true(record.pack_count >= 2);
	for (int i = 149; i >= 0; i--) {
		fill(bytes, sizeof(bytes), (uint64_t)i);
		expect(f->repo, &ids[i], span_of(bytes, sizeof(bytes)));
	}
	record_release(&record);
}

static void fill_rows(uint8_t *out, size_t len, uint64_t from)
{
	OWNED_BUF struct buf rows = BUF_INIT;

	while (rows.len < len)
		buf_printf(&rows, "%llu\t0\t%40s\n",
			   (unsigned long long)(from * 100000 + rows.len), "");
	memcpy(out, rows.data, len);
}

/* Chunks of one class, half a block of a large file each. */
static struct deposit_stats put_class(struct repo *repo,
				      enum chunk_class class,
				      void (*make)(uint8_t *, size_t,
						   uint64_t))
{
	static uint8_t bytes[64 << 10];
	struct deposit *deposit = begin(repo);
	struct deposit_stats stats;
	struct record record;
	struct err err = ERR_INIT;
	struct id ids[64];

	for (uint64_t i = 0; i < 64; i++) {
		make(bytes, sizeof(bytes), i + 1000 * (uint64_t)class);
		wanted(0, deposit_chunk(deposit, class,
					span_of(bytes, sizeof(bytes)),
					&ids[i], &err), &err);
	}
	fixture_record(&record, "s", 1000 + class);
	record.root = ids[0];
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_get_stats(deposit, &stats);
	deposit_free(deposit);
	record_release(&record);
	for (uint64_t i = 64; i-- > 0;) {
		make(bytes, sizeof(bytes), i + 1000 * (uint64_t)class);
		expect(repo, &ids[i], span_of(bytes, sizeof(bytes)));
	}
	return stats;
}

/* Small blocks for what is read at random, large ones for the rest, and for
 * rows that shrink to little. */
static void test_block_sizes(void **state)
{
	struct fixture *f = *state;
	struct deposit_stats stats;

	stats = put_class(f->repo, CHUNK_LARGE, fill);
	assert_int_equal(stats.blocks, 32);
	assert_int_equal(stats.raw_blocks, 32);
	stats = put_class(f->repo, CHUNK_SEALED, fill);
	assert_int_equal(stats.blocks, 4);
	stats = put_class(f->repo, CHUNK_SMALL, fill);
	assert_int_equal(stats.blocks, 4);
	stats = put_class(f->repo, CHUNK_LARGE, fill_rows);
	assert_int_equal(stats.blocks, 4);
	assert_int_equal(stats.column_blocks, 4);
	assert_int_equal(stats.raw_blocks, 0);
}

struct alike {
	struct id ids[DEPOSIT_LIKES];
	size_t count;
	unsigned asked;
};

static size_t find_alike(void *arg, struct id *ret, size_t max)
{
	struct alike *alike = arg;

	assert_true(alike->count <= max);
	alike->asked++;
	memcpy(ret, alike->ids, alike->count * sizeof(*ret));
	return alike->count;
}

/* One chunk in a snapshot of its own, said to be like another (or none). */
static struct deposit_stats put_like(struct repo *repo, struct span bytes,
				     const struct id *other, struct id *ret)
{
	struct alike alike = { .count = other ? 1 : 0 };
	const struct deposit_like like = { find_alike, &alike };
	struct deposit *deposit = begin(repo);
	struct deposit_stats stats;
	struct record record;
	struct err err = ERR_INIT;
	static int time = 1000;

	if (other)
		alike.ids[0] = *other;
	wanted(0, deposit_chunk_like(deposit, CHUNK_LARGE, bytes, &like, ret,
				     &err), &err);
	assert_int_equal(alike.asked, 1);
	wanted(0, deposit_chunk_like(deposit, CHUNK_LARGE, bytes, &like, ret,
				     &err), &err);
	assert_int_equal(alike.asked, 1);
	fixture_record(&record, "s", time++);
	record.root = *ret;
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_get_stats(deposit, &stats);
	deposit_free(deposit);
	record_release(&record);
	return stats;
}

static void expect_base(struct repo *repo, const struct id *id,
			const struct id *base)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct err err = ERR_INIT;

	wanted(0, repo_get(repo, id, &held, &err), &err);
	assert_int_equal(held.block->base_count, base ? 1 : 0);
	if (base)
		assert_true(id_equal(&held.block->bases[0], base));
}

/* A chunk that is like another is compressed against it: always against one
 * that leans on none, and only where that makes it half as long. */
static void test_likes(void **state)
{
	static uint8_t bytes[60000], other[60000];
	struct fixture *f = *state;
	struct deposit_stats stats;
	struct id first, id[4], nowhere = { .len = 77, .hash = { 1 } };

	fill(bytes, sizeof(bytes), 1);
	fill(other, sizeof(other), 2);
	stats = put_like(f->repo, span_of(bytes, sizeof(bytes)), NULL, &first);
	assert_int_equal(stats.leaning_blocks, 0);
	for (int i = 0; i < 4; i++) {
		bytes[1000 * i] ^= 1;
		stats = put_like(f->repo, span_of(bytes, sizeof(bytes)),
				 i ? &id[i - 1] : &first, &id[i]);
		assert_int_equal(stats.leaning_blocks, 1);
		assert_true(stats.stored_bytes < 4000);
		expect_base(f->repo, &id[i], &first);
		if (i == 1)
			fixture_reopen(f);
	}
	for (int i = 4; i-- > 0;) {
		fixture_reopen(f);
		expect(f->repo, &id[i], span_of(bytes, sizeof(bytes)));
		bytes[1000 * i] ^= 1;
	}
	stats = put_like(f->repo, span_of(other, sizeof(other)), &id[3],
			 &id[0]);
	assert_int_equal(stats.leaning_blocks, 0);
	expect_base(f->repo, &id[0], NULL);
	bytes[7] ^= 1;
	stats = put_like(f->repo, span_of(bytes, sizeof(bytes)), &nowhere,
			 &id[0]);
	assert_int_equal(stats.leaning_blocks, 0);
	expect(f->repo, &id[0], span_of(bytes, sizeof(bytes)));
}

/* "Sealed packs stay for the next add to find." */
static void test_dropped_deposit_leaves_nothing_seen(void **state)
{
	struct fixture *f = *state;
	struct deposit *deposit = begin(f->repo);
	struct snapshot snapshot;
	struct err err = ERR_INIT;

	put(deposit, span_str("never committed"));
	deposit_free(deposit);
	assert_int_equal(repo_find_snapshot(f->repo, "s", &snapshot,
					    NULL, &err),
			 -ENOENT);
	fixture_reopen(f);
	assert_int_equal(repo_find_snapshot(f->repo, "s", &snapshot,
					    NULL, &err),
			 -ENOENT);
}

static void test_metadata_and_chunk_of_equal_bytes(void **state)
{
	struct fixture *f = *state;
	struct deposit *deposit = begin(f->repo);
	struct record record;
	struct err err = ERR_INIT;
	struct id chunk, object;

	chunk = put(deposit, span_str("same bytes"));
	wanted(0, deposit_object(deposit, span_str("same bytes"), &object,
				 &err), &err);
	assert_false(id_equal(&chunk, &object));
	assert_true(id_is_meta(&object));
	assert_false(id_is_meta(&chunk));
	fixture_record(&record, "s", 1);
	record.root = object;
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_free(deposit);
	expect(f->repo, &chunk, span_str("same bytes"));
	expect(f->repo, &object, span_str("same bytes"));
	record_release(&record);
}

struct add {
	struct fixture *f;
	int number;
};

static void *add_main(void *arg)
{
	struct add *add = arg;
	struct err err = ERR_INIT;
	struct repo *repo;
	char source[16], bytes[64];

	if (repo_open(add->f->dir, REPO_WRITE, 1u << 20, &repo, &err) < 0)
		return strdup(err.text);
	snprintf(source, sizeof(source), "s%d", add->number % 2);
	for (int i = 0; i < 10; i++) {
		struct record record;
		int r;

		/* half of the bytes are every add's, half are this one's own */
		snprintf(bytes, sizeof(bytes), "bytes %d of %d", i,
			 i % 2 ? add->number : -1);
		do {
			fixture_record(&record, source, 1000 + i);
			r = fixture_commit(repo, &record, span_str(bytes),
					   &err);
			record_release(&record);
		} while (r == -EAGAIN);
		if (r < 0) {
			repo_close(repo);
			return strdup(err.text);
		}
	}
	repo_close(repo);
	return NULL;
}

struct numbers {
	uint64_t count;
	bool used[64];
};

static int see(void *arg, const struct snapshot *snapshot, struct err *err)
{
	struct numbers *numbers = arg;
	uint64_t n = snapshot->record.number;

	(void)err;
	assert_in_range(n, 1, 40);
	assert_false(numbers->used[n]);
	numbers->used[n] = true;
	numbers->count++;
	return 0;
}

/* "Many may add at once": numbers and names are drawn once each. */
static void test_adds_at_once(void **state)
{
	struct fixture *f = *state;
	struct add adds[4];
	pthread_t threads[4];
	struct numbers numbers = { 0 };
	const struct check_options options = { .read_data = true };
	struct check_report report;
	struct err err = ERR_INIT;

	for (int i = 0; i < 4; i++) {
		adds[i] = (struct add){ f, i };
		pthread_create(&threads[i], NULL, add_main, &adds[i]);
	}
	for (int i = 0; i < 4; i++) {
		void *words;

		pthread_join(threads[i], &words);
		if (words)
			fail_msg("add %d: %s", i, (char *)words);
	}
	wanted(0, catalog_each_snapshot(repo_catalog(f->repo), NULL, true,
					see, &numbers, &err), &err);
	assert_int_equal(numbers.count, 40);
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	assert_int_equal(report.errors, 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, \
						fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_chunk_comes_back),
		TEST(test_equal_chunks_are_stored_once),
		TEST(test_get_before_commit),
		TEST(test_many_packs),
		TEST(test_block_sizes),
		TEST(test_likes),
		TEST(test_dropped_deposit_leaves_nothing_seen),
		TEST(test_metadata_and_chunk_of_equal_bytes),
		TEST(test_adds_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
