/*
 * catalog_starved: a catalog that is read for long, as by a mount, while one
 * allocation of SQLite's after the other fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "fs/catalog/catalog.h"

static char dir[64], path[96];
static struct err err;

/* SQLite's allocator, which fails when fail_in gets to 0. */
static sqlite3_mem_methods own;
static int fail_in = -1;

static bool fails(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

static void *get_memory(int size)
{
	return fails() ? NULL : own.xMalloc(size);
}

static void *get_more(void *old, int size)
{
	return fails() ? NULL : own.xRealloc(old, size);
}

static int set_up_all(void **state)
{
	sqlite3_mem_methods methods;

	(void)state;
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) != SQLITE_OK)
		return -1;
	methods = own;
	methods.xMalloc = get_memory;
	methods.xRealloc = get_more;
	/* Every allocation is to be seen. */
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
	       sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK ?
	       0 : -1;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/catalog_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/catalog.db", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

#define must(call) \
	do { \
		int r_ = (call); \
		if (r_ < 0) \
			fail_msg("%s: %d %s", #call, r_, err.text); \
	} while (0)

static uint64_t made;	/* snapshots, numbered from 1 */

static void add_snapshot(struct catalog *catalog)
{
	struct record record = { .added = { 9, 0 }, .entries = 1 };
	OWNED_BUF struct buf bytes = BUF_INIT;
	char name[STAMP_TEXT];

	record.number = ++made;
	record.time.s = (int64_t)made;
	stamp_name(record.time, name);
	memset(record.id, 0xee, RECORD_ID);
	put_le64(record.id, made);
	memset(record.root.hash, 7, sizeof(record.root.hash));
	record.root.len = 9;
	record.source = strdup("source");
	record.name = strdup(name);
	record.kind = strdup("tar");
	must(record_write(&record, &bytes, &err));
	must(catalog_add_record(catalog, &record, buf_span(&bytes), &err));
	record_release(&record);
}

static void add_damage(struct catalog *catalog, uint64_t seq,
		       uint64_t number)
{
	struct event event = { .seq = seq, .type = EVENT_DAMAGE,
			       .at = { 1, 0 }, .key = strdup("aa") };
	char name[64];

	/* Longer than what a page keeps of a row. */
	event.value = calloc(1, 20001);
	assert_true(event.key && event.value);
	memset(event.value, 'x', 20000);
	memset(event.snapshot, 0xee, sizeof(event.snapshot));
	put_le64(event.snapshot, number);
	snprintf(name, sizeof(name), "%020llu-%016x",
		 (unsigned long long)seq, 1);
	must(catalog_add_event(catalog, name, &event, &err));
	free(event.key);
	free(event.value);
}

struct seen {
	uint64_t snapshots, damaged;
};

static int see(void *arg, const struct snapshot *snapshot, struct err *e)
{
	struct seen *seen = arg;

	(void)e;
	seen->snapshots++;
	seen->damaged += snapshot->damage != NULL;
	return 0;
}

static int look(struct catalog *catalog, struct seen *seen, uint64_t *mark)
{
	int r = catalog_change_mark(catalog, mark, &err);

	*seen = (struct seen){ 0, 0 };
	return r < 0 ? r : catalog_each_snapshot(catalog, NULL, true, see,
						 seen, &err);
}

/* One allocation fails while the reader looks at what was added: it says so, or
 * sees all; and from then on it sees what is added as before. */
static bool starve(struct catalog *reader, struct catalog *writer, int n)
{
	uint64_t before, mark, later;
	struct seen seen;
	bool hit;
	int r;

	must(look(reader, &seen, &before));
	add_snapshot(writer);
	fail_in = n;
	r = look(reader, &seen, &mark);
	hit = fail_in < 0;
	fail_in = -1;
	if (r != 0 && r != -ENOMEM)
		fail_msg("allocation %d: %d %s", n, r, err.text);
	if (r == 0) {
		assert_int_equal(seen.snapshots, made);
		assert_int_equal(seen.damaged, 1);
	}
	must(look(reader, &seen, &mark));
	assert_int_equal(seen.snapshots, made);
	assert_int_equal(seen.damaged, 1);
	assert_int_not_equal(mark, before);
	add_snapshot(writer);
	must(look(reader, &seen, &later));
	assert_int_equal(seen.snapshots, made);
	assert_int_not_equal(later, mark);
	return hit;
}

static void open_both(struct catalog **reader, struct catalog **writer)
{
	must(catalog_open(path, CATALOG_WRITE, writer, &err));
	must(catalog_open(path, CATALOG_WRITE, reader, &err));
}

static void test_reader(void **state)
{
	struct catalog *reader, *writer;
	int n = 0;

	(void)state;
	made = 0;
	open_both(&reader, &writer);
	add_snapshot(writer);
	add_damage(writer, 1, 1);
	while (starve(reader, writer, n))
		n++;
	assert_true(n > 5);
	catalog_close(reader);
	catalog_close(writer);
}

/* The same where nothing was asked before: statements are made too. */
static void test_first_look(void **state)
{
	struct catalog *reader, *writer;
	struct seen seen;
	uint64_t mark;
	bool hit = true;

	(void)state;
	made = 0;
	must(catalog_open(path, CATALOG_WRITE, &writer, &err));
	add_snapshot(writer);
	add_damage(writer, 1, 1);
	for (int n = 0; hit; n++) {
		int r;

		must(catalog_open(path, CATALOG_WRITE, &reader, &err));
		fail_in = n;
		r = look(reader, &seen, &mark);
		hit = fail_in < 0;
		fail_in = -1;
		if (r != 0 && r != -ENOMEM)
			fail_msg("allocation %d: %d %s", n, r, err.text);
		must(look(reader, &seen, &mark));
		add_snapshot(writer);
		must(look(reader, &seen, &mark));
		assert_int_equal(seen.snapshots, made);
		assert_int_equal(seen.damaged, 1);
		catalog_close(reader);
	}
	catalog_close(writer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_reader),
		TEST(test_first_look),
	};

	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
