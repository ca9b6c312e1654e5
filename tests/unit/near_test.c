#include "store_fixture.h"

#include <unistd.h>

#include "fs/repo/repo_internal.h"

#define CHUNKS 500

static struct id ids[CHUNKS];

static struct span bytes_of_chunk(int i, char text[32])
{
	snprintf(text, 32, "chunk number %d", i);
	return span_str(text);
}

/* All of them once more: so many were new. */
static uint64_t add(struct fixture *f, int64_t time)
{
	struct deposit *deposit;
	struct deposit_stats stats;
	struct record record;
	struct err err = ERR_INIT;
	char text[32];

	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	for (int i = 0; i < CHUNKS; i++)
		wanted(0, deposit_chunk(deposit, CHUNK_SMALL,
					bytes_of_chunk(i, text), &ids[i],
					&err), &err);
	fixture_record(&record, "s", time);
	record.root = ids[0];
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_get_stats(deposit, &stats);
	deposit_free(deposit);
	record_release(&record);
	return stats.new_chunks;
}

static void expect_all(struct fixture *f)
{
	struct err err = ERR_INIT;
	char text[32];

	for (int i = 0; i < CHUNKS; i++) {
		OWNED_HELD struct held held = HELD_INIT;

		wanted(0, repo_get(f->repo, &ids[i], &held, &err), &err);
		assert_true(span_equal(held.bytes, bytes_of_chunk(i, text)));
	}
}

static uint64_t probes(struct fixture *f)
{
	struct catalog_object_stats stats;
	struct err err = ERR_INIT;

	wanted(0, catalog_object_stats(repo_catalog(f->repo), &stats, &err),
	       &err);
	return stats.probes;
}

static uint32_t pack_of(struct fixture *f, const struct id *id)
{
	struct place place;
	struct err err = ERR_INIT;

	wanted(0, repo_locate(f->repo, id, &place, &err), &err);
	return place.pack;
}

/* Of so few, few fall into one slot and are forgotten. */
#define FORGOTTEN 20

/* What is read beside each other costs one look at the catalog. */
static void test_readers_ask_once_a_block(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 100), CHUNKS);
	fixture_reopen(f);
	expect_all(f);
	assert_in_range(probes(f), 1, 1 + FORGOTTEN);
	assert_in_range(near_found(&f->repo->near), CHUNKS - 1 - FORGOTTEN,
			CHUNKS - 1);
}

static void test_adding_again_asks_once_a_block(void **state)
{
	struct fixture *f = *state;

	add(f, 100);
	fixture_reopen(f);
	assert_int_equal(add(f, 200), 0);
	/* with ids of 8 bits others' places are met on the way */
	assert_in_range(near_found(&f->repo->near), CHUNKS - 1 - FORGOTTEN,
			UINT32_MAX);
	/* and what comes of the commit */
	assert_in_range(probes(f), 1, 8 + FORGOTTEN);
}

/* A hint is no more than that. */
static void test_a_wrong_place_is_no_loss(void **state)
{
	struct fixture *f = *state;
	uint32_t at[CHUNKS] = { 0 };
	struct cached wrong = { .count = CHUNKS, .ids = ids, .at = at };

	add(f, 100);
	near_put(&f->repo->near, pack_of(f, &ids[0]), 1 << 30, 100, &wrong);
	expect_all(f);
	near_put(&f->repo->near, 77, 0, 100, &wrong);
	expect_all(f);
	near_put(&f->repo->near, 77, 0, 100, &wrong);
	assert_int_equal(add(f, 200), 0);
}

/* "Places in packs that were removed meanwhile are found no longer." */
static void test_a_removed_pack_is_not_counted_on(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	struct catalog_pack pack;
	struct pack_name name;
	char path[PACK_PATH];

	add(f, 100);
	expect_all(f);
	wanted(0, catalog_get_pack(repo_catalog(f->repo), pack_of(f, &ids[0]),
				   &pack, &err), &err);
	memcpy(name.b, pack.name, PACK_NAME);
	pack_path(&name, path);
	assert_int_equal(unlinkat(f->repo->dir.fd, path, 0), 0);
	wanted(0, catalog_remove_pack(repo_catalog(f->repo), pack.number,
				      &err), &err);
	assert_int_equal(add(f, 200), CHUNKS);
	expect_all(f);
}

static void test_it_forgets_and_does_not_mix_up(void **state)
{
	struct near near;
	struct place place;
	struct id many[3 * 1000] = { 0 };
	uint32_t at[3 * 1000];
	struct cached block = { .ids = many, .at = at };
	unsigned known = 0;

	(void)state;
	near_init(&near);
	for (uint32_t i = 0; i < 3000; i++) {
		many[i].len = i + 1;
		memcpy(many[i].hash, &i, sizeof(i));
		at[i] = 2 * i;
	}
	block.count = 2000;
	near_put(&near, 5, 6, 7, &block);
	for (uint32_t i = 0; i < 3000; i++) {
		if (!near_get(&near, &many[i], &place))
			continue;
		assert_true(i < 2000);
		assert_int_equal(place.pack, 5);
		assert_int_equal(place.offset, 6);
		assert_int_equal(place.stored, 7);
		assert_int_equal(place.at, 2 * i);
		known++;
	}
	/* of so few, few share a slot */
	assert_in_range(known, 1900, 2000);
	near_release(&near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_readers_ask_once_a_block,
						fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_adding_again_asks_once_a_block, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(test_a_wrong_place_is_no_loss,
						fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_removed_pack_is_not_counted_on, fixture_setup,
			fixture_teardown),
		cmocka_unit_test(test_it_forgets_and_does_not_mix_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
