/* catalog: objects, records, events, and what becomes of them in bad times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/catalog/catalog.h"

static char dir[64];
static char path[96];
static struct err err;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/catalog_test.XXXXXX");
	err.code = 0;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/catalog.db", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	disk_set_hook(NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

#define must(call) \
	do { \
		int r_ = (call); \
		if (r_ < 0) \
			fail_msg("%s: %d %s", #call, r_, err.text); \
	} while (0)

static struct catalog *open_mode(enum catalog_mode mode)
{
	struct catalog *catalog = NULL;

	must(catalog_open(mode == CATALOG_MEMORY ? NULL : path, mode,
			  &catalog, &err));
	return catalog;
}

static struct catalog *open_new(void)
{
	return open_mode(CATALOG_WRITE);
}

/* Objects. */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static struct id make_id(uint64_t n)
{
	struct id id = { .len = (uint32_t)(1 + n % 5000), .nth = 0 };

	put_le64(id.hash, mix(2 * n + 1));
	put_le64(id.hash + 8, mix(3 * n + 7));
	return id;
}

/* A pack with the objects from..from+count, each at offset n, at 2n. */
static uint32_t add_pack(struct catalog *catalog, uint64_t name, uint64_t from,
			 size_t count)
{
	struct catalog_entry *entries = calloc(count + 1, sizeof(*entries));
	uint8_t bytes[16] = { 0 };
	uint32_t number = 0;

	put_le64(bytes, name);
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct catalog_entry){
			make_id(from + i), (uint32_t)(from + i), 77,
			(uint32_t)(2 * (from + i)),
		};
	must(catalog_add_pack(catalog, bytes, name % 2, 1000 + name, entries,
			      count, &number, &err));
	free(entries);
	return number;
}

static size_t find(struct catalog *catalog, uint64_t n, struct place *places,
		   size_t max)
{
	struct id id = make_id(n);
	size_t count = 99;

	must(catalog_find(catalog, &id, places, max, &count, &err));
	return count;
}

/* How many of from..from+count are found where add_pack() put them. */
static size_t found(struct catalog *catalog, uint64_t from, uint64_t count,
		    uint32_t pack)
{
	struct place place;
	size_t sum = 0;

	for (uint64_t n = from; n < from + count; n++)
		sum += find(catalog, n, &place, 1) == 1 &&
		       (pack == 0 || place.pack == pack) &&
		       place.offset == n && place.stored == 77 &&
		       place.at == 2 * n;
	return sum;
}

static uint64_t runs(struct catalog *catalog)
{
	struct catalog_object_stats stats;

	must(catalog_object_stats(catalog, &stats, &err));
	return stats.runs;
}

static void test_open(void **state)
{
	mode_t old = umask(0277);
	struct catalog *catalog = open_new();
	struct stat st;
	char wal[128];

	(void)state;
	umask(old);
	add_pack(catalog, 1, 0, 10);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	catalog_close(catalog);
	catalog = open_new();
	assert_int_equal(found(catalog, 0, 10, 1), 10);
	catalog_close(catalog);
	catalog_close(NULL);
}

static void patch(uint64_t offset, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)offset), len);
	close(fd);
}

static unsigned version_of_file(void)
{
	uint8_t bytes[4];
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, 4, 60), 4);
	close(fd);
	return bytes[3];
}

static void test_open_what_is_none(void **state)
{
	struct catalog *catalog = NULL;

	(void)state;
	assert_int_equal(catalog_open(path, CATALOG_READONLY, &catalog, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, path));
	catalog_close(open_new());

	/* user_version, big-endian at 60 of SQLite's header. */
	patch(60, "\0\0\0\x04", 4);
	assert_int_equal(catalog_open(path, CATALOG_WRITE, &catalog, &err),
			 -ENOTSUP);
	patch(60, "\0\0\0\x00", 4);
	assert_int_equal(catalog_open(path, CATALOG_WRITE, &catalog, &err),
			 -EBADMSG);
	/* One of a version before is read, and brought to ours. */
	for (char version = 1; version < CATALOG_VERSION; version++) {
		const char bytes[] = { 0, 0, 0, version };

		patch(60, bytes, 4);
		must(catalog_open(path, CATALOG_READONLY, &catalog, &err));
		catalog_close(catalog);
		catalog = NULL;
		assert_int_equal(version_of_file(), version);
		catalog_close(open_new());
		assert_int_equal(version_of_file(), CATALOG_VERSION);
	}
	/* application_id at 68. */
	patch(68, "abcd", 4);
	assert_int_equal(catalog_open(path, CATALOG_READONLY, &catalog, &err),
			 -EBADMSG);
	patch(0, "This is no database at all", 26);
	assert_int_equal(catalog_open(path, CATALOG_WRITE, &catalog, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.hint, "varve rebuild"));
	assert_null(catalog);

	snprintf(path, sizeof(path), "%s/no/such", dir);
	assert_int_equal(catalog_open(path, CATALOG_WRITE, &catalog, &err),
			 -ENOENT);
}

static int gather(void *arg, const struct catalog_pack *pack, struct err *e)
{
	(void)e;
	*(uint64_t *)arg = *(uint64_t *)arg * 10 + pack->number;
	return 0;
}

static int sum_up(void *arg, const struct catalog_pack *pack, struct err *e)
{
	(void)e;
	*(uint64_t *)arg += pack->number;
	return 0;
}

static int stop(void *arg, const struct catalog_pack *pack, struct err *e)
{
	(void)arg;
	(void)pack;
	return err_set(e, -ECANCELED, "stop");
}

static void test_packs(void **state)
{
	struct catalog *catalog = open_new();
	uint8_t name[16] = { 2 };
	struct catalog_pack pack;
	struct catalog_object_stats stats;
	uint64_t order = 0;

	(void)state;
	assert_int_equal(add_pack(catalog, 1, 0, 1000), 1);
	assert_int_equal(add_pack(catalog, 2, 1000, 500), 2);
	assert_int_equal(add_pack(catalog, 3, 0, 0), 3);
	assert_int_equal(add_pack(catalog, 2, 1000, 500), 2);
	must(catalog_find_pack(catalog, name, &pack, &err));
	assert_int_equal(pack.number, 2);
	assert_false(pack.meta);
	assert_int_equal(pack.size, 1002);
	assert_int_equal(pack.objects, 500);
	must(catalog_get_pack(catalog, 1, &pack, &err));
	assert_true(pack.meta);
	assert_int_equal(pack.name[0], 1);
	assert_int_equal(catalog_get_pack(catalog, 4, &pack, &err), -ENOENT);
	name[0] = 9;
	assert_int_equal(catalog_find_pack(catalog, name, &pack, &err),
			 -ENOENT);
	must(catalog_each_pack(catalog, gather, &order, &err));
	assert_int_equal(order, 123);
	assert_int_equal(catalog_each_pack(catalog, stop, NULL, &err),
			 -ECANCELED);
	must(catalog_object_stats(catalog, &stats, &err));
	assert_int_equal(stats.objects, 1500);
	assert_int_equal(stats.packs, 3);
	assert_int_equal(stats.pack_bytes, 3006);
	assert_int_equal(stats.runs, 2);
	assert_int_equal(stats.segments, 3 + 2);

	must(catalog_remove_pack(catalog, 2, &err));
	must(catalog_remove_pack(catalog, 2, &err));
	assert_int_equal(catalog_get_pack(catalog, 2, &pack, &err), -ENOENT);
	assert_int_equal(found(catalog, 0, 1000, 1), 1000);
	assert_int_equal(found(catalog, 1000, 500, 0), 0);
	/* The same pack again has a number of its own. */
	assert_int_equal(add_pack(catalog, 2, 1000, 500), 4);
	assert_int_equal(found(catalog, 1000, 500, 4), 500);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static void test_many_packs(void **state)
{
	struct catalog *catalog = open_mode(CATALOG_MEMORY);
	uint64_t seen = 0;
	int last = 0;

	(void)state;
	for (uint64_t i = 1; i <= 600; i++)
		last = (int)add_pack(catalog, i, i, 1);
	assert_int_equal(last, 600);
	must(catalog_each_pack(catalog, sum_up, &seen, &err));
	assert_int_equal(seen, 600 * 601 / 2);
	assert_int_equal(found(catalog, 1, 600, 0), 600);
	assert_true(runs(catalog) <= 7 * 4);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static void test_find_copies(void **state)
{
	struct catalog *catalog = open_new();
	struct place places[40];
	bool seen[40] = { false };

	(void)state;
	for (uint64_t i = 1; i <= 30; i++)
		add_pack(catalog, i, 0, 500);
	assert_int_equal(find(catalog, 250, places, 40), 30);
	for (size_t i = 0; i < 30; i++) {
		assert_false(seen[places[i].pack]);
		seen[places[i].pack] = true;
		assert_int_equal(places[i].offset, 250);
	}
	assert_int_equal(find(catalog, 250, places, 4), 4);
	assert_int_equal(find(catalog, 500, places, 4), 0);
	for (uint32_t i = 1; i < 30; i++)
		must(catalog_remove_pack(catalog, i, &err));
	assert_int_equal(find(catalog, 250, places, 40), 1);
	assert_int_equal(places[0].pack, 30);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

/* Rows: every entry once, each found under its own, whatever is merged or
 * removed by others meanwhile. */
struct rows {
	struct catalog *frozen;
	uint8_t *seen;
	uint64_t count, packs;
};

static int see_row(void *arg, uint64_t row, const struct id *id,
		   const struct place *place, struct err *e)
{
	struct rows *rows = arg;
	struct place places[8];
	uint64_t numbers[8];
	size_t count, i = 0;

	assert_true(row < catalog_rows(rows->frozen));
	assert_int_equal(rows->seen[row]++, 0);
	must(catalog_find_rows(rows->frozen, id, places, numbers, 8, &count,
			       e));
	while (i < count && numbers[i] != row)
		i++;
	assert_true(i < count);
	assert_memory_equal(&places[i], place, sizeof(*place));
	rows->count++;
	rows->packs |= 1u << place->pack;
	return 0;
}

static void check_rows(struct catalog *frozen, uint64_t count,
		       uint64_t packs)
{
	struct rows rows = { frozen, calloc(catalog_rows(frozen), 1), 0, 0 };

	must(catalog_each_row(frozen, see_row, &rows, &err));
	assert_int_equal(rows.count, count);
	assert_int_equal(rows.packs, packs);
	free(rows.seen);
}

static void test_frozen(void **state)
{
	struct catalog *catalog = open_new(), *frozen = NULL;

	(void)state;
	for (uint64_t i = 1; i <= 9; i++)
		add_pack(catalog, i, 700 * i, i < 9 ? 1000 : 40000);
	must(catalog_remove_pack(catalog, 3, &err));
	must(catalog_freeze(catalog, &frozen, &err));
	check_rows(frozen, 47000, 0x3f6);
	for (uint64_t i = 10; i <= 20; i++)
		add_pack(catalog, i, 100000 * i, 1000);
	must(catalog_remove_pack(catalog, 2, &err));
	assert_int_equal(found(frozen, 100000 * 15, 1000, 0), 0);
	check_rows(frozen, 47000, 0x3f6);
	catalog_close(frozen);
	/* While a merge is on its way. */
	frozen = NULL;
	must(catalog_freeze(catalog, &frozen, &err));
	check_rows(frozen, 57000, 0x1ffff2);
	catalog_close(frozen);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static int gather_condemned(void *arg, uint32_t number, uint64_t seq,
			    struct err *e)
{
	(void)e;
	*(uint64_t *)arg = *(uint64_t *)arg * 100 + number * 10 + seq;
	return 0;
}

static uint64_t condemned(struct catalog *catalog)
{
	uint64_t list = 0;

	must(catalog_each_condemned(catalog, gather_condemned, &list, &err));
	return list;
}

static void test_condemned(void **state)
{
	struct catalog *catalog = open_new();

	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		add_pack(catalog, i, 1000 * i, 10);
	assert_int_equal(condemned(catalog), 0);
	must(catalog_condemn_pack(catalog, 3, 5, &err));
	must(catalog_condemn_pack(catalog, 1, 6, &err));
	/* The first mark stays; what is not there gets none. */
	must(catalog_condemn_pack(catalog, 3, 7, &err));
	must(catalog_condemn_pack(catalog, 9, 7, &err));
	assert_int_equal(condemned(catalog), 1635);
	must(catalog_spare_pack(catalog, 1, &err));
	must(catalog_spare_pack(catalog, 2, &err));
	assert_int_equal(condemned(catalog), 35);
	must(catalog_remove_pack(catalog, 3, &err));
	assert_int_equal(condemned(catalog), 0);
	catalog_close(catalog);
}

/* Ids whose hashes are cut short (a build for tests) fall together. */
static void test_find_clustered(void **state)
{
	struct catalog *catalog = open_new();
	struct catalog_entry entries[2000];
	uint8_t name[16] = { 1 };
	uint32_t number;

	(void)state;
	memset(entries, 0, sizeof(entries));
	for (uint32_t i = 0; i < 2000; i++) {
		entries[i].id.hash[0] = (uint8_t)(i % 2);
		entries[i].id.len = 1 + i / 4;
		entries[i].id.nth = (uint16_t)(i / 2 % 2);
		entries[i].at = i;
	}
	must(catalog_add_pack(catalog, name, false, 1, entries, 2000, &number,
			      &err));
	for (uint32_t i = 0; i < 2000; i++) {
		struct place place;
		size_t count;

		must(catalog_find(catalog, &entries[i].id, &place, 1, &count,
				  &err));
		assert_int_equal(count, 1);
		assert_int_equal(place.at, entries[i].at);
	}
	entries[0].id.nth = 5;
	{
		struct place place;
		size_t count;

		must(catalog_find(catalog, &entries[0].id, &place, 1, &count,
				  &err));
		assert_int_equal(count, 0);
	}
	catalog_close(catalog);
}

/* A merge that is on its way, step by step, seen from everywhere. */
static void test_merge_in_steps(void **state)
{
	struct catalog *catalog = open_new(), *other, *reader;
	uint64_t most = 0;

	(void)state;
	for (uint64_t i = 0; i < 7; i++)
		add_pack(catalog, i + 1, i * 20000, 20000);
	assert_int_equal(runs(catalog), 7);
	other = open_new();
	reader = open_mode(CATALOG_READONLY);
	/* Both have the old runs in memory from here on. */
	assert_int_equal(found(other, 0, 2000, 1), 2000);
	assert_int_equal(found(reader, 0, 140000, 0), 140000);
	for (uint64_t i = 0; i < 5; i++) {
		/* Few objects: the merge goes on by a step of 65 536. */
		add_pack(catalog, 100 + i, 140000 + i * 10, 10);
		if (runs(catalog) > most)
			most = runs(catalog);
		assert_int_equal(found(reader, 19000, 3000, 0), 3000);
		assert_int_equal(found(reader, 140000, i * 10 + 10, 0),
				 i * 10 + 10);
		assert_int_equal(found(other, 0, 140000, 0), 140000);
		assert_int_equal(found(catalog, 0, 140000, 0), 140000);
		assert_int_equal(found(catalog, 900000, 1000, 0), 0);
		assert_int_equal(found(other, 900000, 1000, 0), 0);
		must(catalog_check(other, &err));
	}
	/* Eight sources, a target and one new; then one run and four new. */
	assert_int_equal(most, 10);
	assert_int_equal(runs(catalog), 5);
	catalog_close(other);
	catalog_close(reader);
	catalog_close(catalog);
	catalog = open_new();
	assert_int_equal(found(catalog, 0, 140050, 0), 140050);
	catalog_close(catalog);
}

static void test_purge(void **state)
{
	struct catalog *catalog = open_new();
	struct catalog_object_stats stats;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		add_pack(catalog, i + 1, i * 15000, 15000);
	for (uint32_t i = 1; i <= 8; i++)
		must(catalog_remove_pack(catalog, i, &err));
	must(catalog_check(catalog, &err));
	must(catalog_object_stats(catalog, &stats, &err));
	assert_int_equal(stats.objects, 30000);
	/* 150 000 entries are 349 segments. */
	assert_true(stats.segments < 200);
	assert_int_equal(found(catalog, 0, 120000, 0), 0);
	assert_int_equal(found(catalog, 120000, 30000, 0), 30000);
	/* Down to nothing, and up again. */
	must(catalog_remove_pack(catalog, 9, &err));
	must(catalog_remove_pack(catalog, 10, &err));
	assert_int_equal(found(catalog, 0, 150000, 0), 0);
	add_pack(catalog, 50, 0, 100);
	assert_int_equal(found(catalog, 0, 100, 11), 100);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static uint64_t file_bytes(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void test_shrink(void **state)
{
	struct catalog *catalog = open_new(), *other = open_new();
	uint64_t full;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		add_pack(catalog, i + 1, i * 15000, 15000);
	catalog_close(catalog);
	catalog_close(other);
	full = file_bytes();
	catalog = open_new();
	other = open_new();
	/* less than half is gone */
	for (uint32_t i = 1; i <= 4; i++)
		must(catalog_remove_pack(catalog, i, &err));
	must(catalog_shrink(catalog, &err));
	assert_int_equal(found(other, 60000, 90000, 0), 90000);
	must(catalog_check(other, &err));
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
	catalog_close(other);
	/* 90 000 of 150 000 entries are left */
	assert_true(file_bytes() < full * 7 / 10);
	full = file_bytes();
	catalog = open_new();
	/* Where there is nothing to give back nothing is written. */
	must(catalog_shrink(catalog, &err));
	catalog_close(catalog);
	assert_int_equal(file_bytes(), full);
}

/* Transactions. */

static void test_transactions(void **state)
{
	struct catalog *catalog = open_new(), *other = open_new();

	(void)state;
	must(catalog_begin(catalog, &err));
	add_pack(catalog, 1, 0, 100);
	assert_int_equal(found(catalog, 0, 100, 1), 100);
	assert_int_equal(found(other, 0, 100, 1), 0);
	must(catalog_begin(catalog, &err));
	add_pack(catalog, 2, 100, 100);
	assert_int_equal(found(catalog, 0, 200, 0), 200);
	/* What is inside goes alone. */
	catalog_abort(catalog);
	assert_int_equal(found(catalog, 0, 200, 0), 100);
	add_pack(catalog, 3, 300, 50);
	must(catalog_commit(catalog, &err));
	assert_int_equal(found(other, 0, 400, 0), 150);

	must(catalog_begin(catalog, &err));
	add_pack(catalog, 4, 400, 100);
	assert_int_equal(found(catalog, 400, 100, 0), 100);
	catalog_abort(catalog);
	assert_int_equal(found(catalog, 400, 100, 0), 0);
	/* Numbers of runs that were taken back are given again. */
	add_pack(catalog, 5, 500, 100);
	assert_int_equal(found(catalog, 500, 100, 0), 100);
	assert_int_equal(found(catalog, 400, 100, 0), 0);
	assert_int_equal(found(other, 500, 100, 0), 100);
	assert_int_equal(catalog_commit(catalog, &err), -EINVAL);
	catalog_abort(catalog);
	must(catalog_check(catalog, &err));
	catalog_close(other);
	/* Closing takes an open one back. */
	must(catalog_begin(catalog, &err));
	add_pack(catalog, 6, 600, 100);
	catalog_close(catalog);
	catalog = open_new();
	assert_int_equal(found(catalog, 0, 700, 0), 250);
	catalog_close(catalog);
}

static int fail_catalog(void *arg, enum disk_step step, const char *d,
			const char *name, const char *to, uint64_t offset,
			struct span data)
{
	(void)d;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	if (step == DISK_CATALOG)
		++*(unsigned *)arg;
	return step == DISK_CATALOG ? -EIO : 0;
}

static void test_commit_fails(void **state)
{
	struct catalog *catalog = open_new();
	struct catalog_entry entry = { .id = make_id(1) };
	uint8_t name[16] = { 7 };
	uint32_t number = 99;
	unsigned steps = 0;

	(void)state;
	disk_set_hook(fail_catalog, &steps);
	assert_int_equal(catalog_add_pack(catalog, name, false, 1, &entry, 1,
					  &number, &err), -EIO);
	assert_int_equal(steps, 1);
	assert_int_equal(number, 99);
	disk_set_hook(NULL, NULL);
	assert_int_equal(found(catalog, 1, 1, 0), 0);
	assert_int_equal(add_pack(catalog, 7, 1, 1), 1);
	assert_int_equal(found(catalog, 1, 1, 1), 1);
	catalog_close(catalog);
}

static int die_at_catalog(void *arg, enum disk_step step, const char *d,
			  const char *name, const char *to, uint64_t offset,
			  struct span data)
{
	(void)arg;
	(void)d;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	if (step == DISK_CATALOG)
		_exit(7);
	return 0;
}

static void test_killed_in_commit(void **state)
{
	struct catalog *catalog = open_new();
	int status;
	pid_t pid;

	(void)state;
	add_pack(catalog, 1, 0, 5000);
	catalog_close(catalog);
	pid = fork();
	if (pid == 0) {
		catalog = open_new();
		disk_set_hook(die_at_catalog, NULL);
		add_pack(catalog, 2, 5000, 5000);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	catalog = open_new();
	assert_int_equal(found(catalog, 0, 10000, 0), 5000);
	assert_int_equal(add_pack(catalog, 2, 5000, 5000), 2);
	assert_int_equal(found(catalog, 0, 10000, 0), 10000);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static void test_change_mark(void **state)
{
	struct catalog *catalog = open_new(), *other = open_new();
	uint64_t a, b, c, d;

	(void)state;
	must(catalog_change_mark(catalog, &a, &err));
	must(catalog_change_mark(catalog, &b, &err));
	assert_int_equal(a, b);
	add_pack(catalog, 1, 0, 1);
	must(catalog_change_mark(catalog, &b, &err));
	assert_int_not_equal(a, b);
	add_pack(other, 2, 1, 1);
	must(catalog_change_mark(catalog, &c, &err));
	assert_int_not_equal(b, c);
	assert_int_not_equal(a, c);
	must(catalog_change_mark(catalog, &d, &err));
	assert_int_equal(c, d);
	catalog_close(catalog);
	catalog_close(other);
}

/* Many at once. */

struct finder {
	struct catalog *catalog;
	int wrong;
};

static void *find_often(void *arg)
{
	struct finder *finder = arg;

	for (uint64_t i = 0; i < 20000; i++) {
		struct id id = make_id(mix(i) % 40000);
		struct place place;
		size_t count;

		/* The first 20 000 are always there. */
		if (catalog_find(finder->catalog, &id, &place, 1, &count,
				 NULL) < 0 ||
		    (count == 0 && mix(i) % 40000 < 20000) ||
		    (count == 1 && place.offset != mix(i) % 40000))
			finder->wrong++;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct finder finder = { open_new(), 0 }, other = { open_new(), 0 };
	pthread_t threads[4];

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		add_pack(finder.catalog, i + 1, i * 2000, 2000);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_often,
						i < 2 ? &finder : &other), 0);
	for (uint64_t i = 10; i < 30; i++)
		add_pack(finder.catalog, i + 1, i * 1000 + 10000, 1000);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(finder.wrong, 0);
	assert_int_equal(other.wrong, 0);
	assert_int_equal(found(other.catalog, 0, 40000, 0), 40000);
	catalog_close(other.catalog);
	catalog_close(finder.catalog);
}

static void test_processes(void **state)
{
	struct catalog *catalog;
	pid_t pids[3];
	int status;

	(void)state;
	for (uint64_t p = 0; p < 3; p++) {
		pids[p] = fork();
		if (pids[p] > 0)
			continue;
		catalog = open_new();
		for (uint64_t i = 0; i < 20; i++) {
			uint64_t from = (p * 20 + i) * 1000;

			add_pack(catalog, p * 20 + i + 1, from, 1000);
			if (found(catalog, p * 20000, i * 1000 + 1000, 0) !=
			    i * 1000 + 1000)
				_exit(1);
		}
		catalog_close(catalog);
		_exit(0);
	}
	for (size_t p = 0; p < 3; p++) {
		assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
		assert_int_equal(status, 0);
	}
	catalog = open_new();
	assert_int_equal(found(catalog, 0, 60000, 0), 60000);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

/* SQLite refuses at once those who turn a new file to WAL second. */
static void test_made_at_once(void **state)
{
	struct catalog *catalog;
	pid_t pids[4];
	char go, fresh[sizeof(path) + 8];
	int status, gate[2];

	(void)state;
	for (int round = 0; round < 40; round++) {
		snprintf(fresh, sizeof(fresh), "%s-%d", path, round);
		assert_int_equal(pipe(gate), 0);
		for (size_t p = 0; p < 4; p++) {
			pids[p] = fork();
			assert_true(pids[p] >= 0);
			if (pids[p] > 0)
				continue;
			close(gate[1]);
			if (read(gate[0], &go, 1) != 0 ||
			    catalog_open(fresh, CATALOG_WRITE, &catalog,
					 NULL) < 0)
				_exit(1);
			catalog_close(catalog);
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		for (size_t p = 0; p < 4; p++) {
			assert_int_equal(waitpid(pids[p], &status, 0),
					 pids[p]);
			assert_int_equal(status, 0);
		}
	}
}

/* Damage. */

static bool flip_after(const void *needle, size_t len, size_t by)
{
	OWNED_BUF struct buf all = BUF_INIT;
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *at;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(buf_reserve(&all, (size_t)st.st_size), 0);
	assert_int_equal(read(fd, all.data, (size_t)st.st_size), st.st_size);
	close(fd);
	at = memmem(all.data, (size_t)st.st_size, needle, len);
	if (!at)
		return false;
	at += by;
	*at ^= 0x10;
	patch((uint64_t)(at - all.data), at, 1);
	return true;
}

static void test_damaged_segment(void **state)
{
	struct catalog *catalog = open_new();
	uint8_t needle[ID_BYTES + 8];
	struct place place;
	struct id id = make_id(5);
	size_t count;

	(void)state;
	add_pack(catalog, 1, 0, 300);
	catalog_close(catalog);
	/* Entry: id, pack, offset. */
	id_to_disk(&id, needle);
	put_le32(needle + ID_BYTES, 1);
	put_le32(needle + ID_BYTES + 4, 5);
	assert_true(flip_after(needle, sizeof(needle), ID_BYTES + 4));
	catalog = open_new();
	assert_int_equal(catalog_find(catalog, &id, &place, 1, &count, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(catalog_check(catalog, &err), -EBADMSG);
	catalog_close(catalog);
}

static void test_truncated(void **state)
{
	struct catalog *catalog = open_new();
	struct place place;
	struct id id;
	size_t count;
	int r = 0;

	(void)state;
	add_pack(catalog, 1, 0, 20000);
	catalog_close(catalog);
	assert_int_equal(truncate(path, 300000), 0);
	if (catalog_open(path, CATALOG_WRITE, &catalog, &err) < 0) {
		assert_int_equal(err.code, -EBADMSG);
		return;
	}
	for (uint64_t i = 0; r == 0 && i < 20000; i++) {
		id = make_id(i);
		r = catalog_find(catalog, &id, &place, 1, &count, &err);
		if (r == 0)
			assert_int_equal(count, 1);
	}
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(catalog_check(catalog, &err), -EBADMSG);
	catalog_close(catalog);
}

/* Any byte of the file flipped: an error or the truth, never a wrong place. */
static void test_flips(void **state)
{
	struct catalog *catalog = open_new();
	struct stat st;

	(void)state;
	add_pack(catalog, 1, 0, 900);
	catalog_close(catalog);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 100; at < st.st_size; at += 997) {
		int fd = open(path, O_RDWR);
		uint8_t byte, bad;
		int r;

		catalog = NULL;
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		bad = byte ^ 0x41;
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		r = catalog_open(path, CATALOG_READONLY, &catalog, &err);
		for (uint64_t i = 0; r == 0 && i < 900; i += 7) {
			struct id id = make_id(i);
			struct place place;
			size_t count;

			r = catalog_find(catalog, &id, &place, 1, &count,
					 &err);
			if (r == 0 && count == 1)
				assert_int_equal(place.offset, i);
		}
		assert_true(r == 0 || r == -EBADMSG || r == -ENOTSUP);
		catalog_close(catalog);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
	}
}

/* Reading where nothing can be written. */

static void test_readonly(void **state)
{
	struct catalog *catalog = open_new(), *reader;

	(void)state;
	add_pack(catalog, 1, 0, 100);
	reader = open_mode(CATALOG_READONLY);
	assert_int_equal(found(reader, 0, 100, 1), 100);
	assert_int_equal(catalog_begin(reader, &err), -EROFS);
	assert_int_equal(catalog_remove_pack(reader, 1, &err), -EROFS);
	add_pack(catalog, 2, 100, 100);
	assert_int_equal(found(reader, 0, 200, 0), 200);
	must(catalog_check(reader, &err));
	catalog_close(reader);
	catalog_close(catalog);
}

/* In a process that may not write there, be it by another user's right. */
static int look_without_rights(const char *file)
{
	struct catalog *catalog;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setegid(65534) || seteuid(65534)))
			_exit(100);
		if (catalog_open(file, CATALOG_READONLY, &catalog, &err) < 0)
			_exit(1);
		if (found(catalog, 0, 100, 1) != 100)
			_exit(2);
		if (catalog_check(catalog, &err) < 0)
			_exit(3);
		catalog_close(catalog);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_immutable(void **state)
{
	struct catalog *catalog = open_new();
	char odd[96], wal[128];
	struct stat st;

	(void)state;
	add_pack(catalog, 1, 0, 100);
	catalog_close(catalog);
	/* What a URI would take for something else. */
	snprintf(odd, sizeof(odd), "%s/a%%41?mode=rw#x", dir);
	assert_int_equal(rename(path, odd), 0);
	assert_int_equal(chmod(odd, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_int_equal(look_without_rights(odd), 0);
	snprintf(wal, sizeof(wal), "%s-shm", odd);
	assert_int_equal(stat(wal, &st), -1);
	assert_int_equal(chmod(dir, 0700), 0);
}

/* Snapshots. */

static struct record make_record(uint64_t number, const char *source,
				 const char *name, int64_t time)
{
	struct record record = {
		.number = number, .time = { time, 0 }, .added = { 9, 0 },
		.entries = 10 * number, .bytes = 100 * number,
	};

	memset(record.id, (int)number, RECORD_ID);
	record.id[0] = 0xee;
	record.source = strdup(source);
	record.name = strdup(name);
	record.kind = strdup("tar");
	record.root = make_id(number);
	return record;
}

static int add_snapshot_as(struct catalog *catalog, struct record record)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	int r;

	must(record_write(&record, &bytes, &err));
	r = catalog_add_record(catalog, &record, buf_span(&bytes), &err);
	record_release(&record);
	return r;
}

static int add_snapshot(struct catalog *catalog, uint64_t number,
			const char *source, int64_t time)
{
	char name[STAMP_TEXT];

	stamp_name((struct stamp){ time, 0 }, name);
	return add_snapshot_as(catalog, make_record(number, source, name,
						    time));
}

static int list_one(void *arg, const struct snapshot *snapshot,
		    struct err *e)
{
	struct buf *out = arg;

	(void)e;
	buf_printf(out, "%llu %s/%s%s%s",
		   (unsigned long long)snapshot->record.number,
		   snapshot->record.source, snapshot->record.name,
		   snapshot->forgotten ? " forgotten" : "",
		   snapshot->pinned ? " pinned" : "");
	if (snapshot->damage)
		buf_printf(out, " damage=%s", snapshot->damage);
	for (size_t i = 0; i < snapshot->record.tag_count; i++)
		buf_printf(out, " %s=%s", snapshot->record.tags[i].key,
			   snapshot->record.tags[i].value);
	buf_append_str(out, "\n");
	return 0;
}

static const char *list(struct catalog *catalog, const char *source,
			bool with_forgotten, struct buf *out)
{
	buf_clear(out);
	must(catalog_each_snapshot(catalog, source, with_forgotten, list_one,
				   out, &err));
	return buf_str(out);
}

static void test_snapshots(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct catalog *catalog = open_new();
	struct snapshot snapshot;
	struct record twin;
	uint64_t high, records, events, packs;
	uint8_t id[16];

	(void)state;
	must(catalog_high_number(catalog, &high, &err));
	assert_int_equal(high, 0);
	must(add_snapshot(catalog, 3, "b", 1000));
	must(add_snapshot(catalog, 1, "b", 2000));
	must(add_snapshot(catalog, 2, "a/z", -5));
	must(add_snapshot(catalog, 4, "b/c", 500));
	must(add_snapshot(catalog, 4, "b/c", 500));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "2 a/z/1969-12-31T23-59-55Z\n"
			    "3 b/1970-01-01T00-16-40Z\n"
			    "1 b/1970-01-01T00-33-20Z\n"
			    "4 b/c/1970-01-01T00-08-20Z\n");
	assert_string_equal(list(catalog, "b", false, &out),
			    "3 b/1970-01-01T00-16-40Z\n"
			    "1 b/1970-01-01T00-33-20Z\n");
	assert_string_equal(list(catalog, "c", true, &out), "");

	/* No number twice; a name that is taken becomes a twin's. */
	twin = make_record(3, "x", "2001-01-01T00-00-00Z", 7);
	twin.id[5] = 1;
	assert_int_equal(add_snapshot_as(catalog, twin), -EEXIST);
	assert_non_null(strstr(err.text, "ee030303"));
	must(add_snapshot(catalog, 5, "b", 1000));
	must(catalog_get_snapshot(catalog, 5, &snapshot, &err));
	assert_string_equal(snapshot.record.name, "1970-01-01T00-16-40Z-2");
	memcpy(id, snapshot.record.id, 16);
	snapshot_release(&snapshot);
	must(catalog_remove_record(catalog, id, &err));
	must(catalog_get_snapshot(catalog, 3, &snapshot, &err));
	assert_string_equal(snapshot.record.source, "b");
	assert_int_equal(snapshot.record.entries, 30);
	assert_int_equal(snapshot.record.time.s, 1000);
	memcpy(id, snapshot.record.id, 16);
	snapshot_release(&snapshot);
	must(catalog_get_snapshot_by_id(catalog, id, &snapshot, &err));
	assert_int_equal(snapshot.record.number, 3);
	snapshot_release(&snapshot);
	assert_int_equal(catalog_get_snapshot(catalog, 9, &snapshot, &err),
			 -ENOENT);
	assert_true(catalog_has_record(catalog, id));

	must(catalog_remove_record(catalog, id, &err));
	assert_false(catalog_has_record(catalog, id));
	assert_int_equal(catalog_get_snapshot_by_id(catalog, id, &snapshot,
						    &err), -ENOENT);
	must(catalog_counts(catalog, &records, &events, &packs, &err));
	assert_int_equal(records, 3);
	assert_int_equal(events, 0);
	assert_int_equal(packs, 0);
	id[0] = 1;
	must(catalog_remove_record(catalog, id, &err));
	must(catalog_high_number(catalog, &high, &err));
	assert_int_equal(high, 5);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static void test_many_snapshots(void **state)
{
	struct catalog *catalog = open_mode(CATALOG_MEMORY);
	OWNED_BUF struct buf out = BUF_INIT, want = BUF_INIT;
	char name[STAMP_TEXT];

	(void)state;
	must(catalog_begin(catalog, &err));
	for (uint64_t i = 200; i >= 1; i--)
		must(add_snapshot(catalog, i, i % 2 ? "a" : "b",
				  (int64_t)i * 60));
	must(catalog_commit(catalog, &err));
	for (unsigned odd = 1; odd <= 2; odd++)
		for (unsigned i = odd; i <= 200; i += 2) {
			stamp_name((struct stamp){ 60 * i, 0 }, name);
			buf_printf(&want, "%u %s/%s\n", i, i % 2 ? "a" : "b",
				   name);
		}
	assert_string_equal(list(catalog, NULL, true, &out), buf_str(&want));
	catalog_close(catalog);
}

/* Stops at the fifth. */
static int list_five(void *arg, const struct snapshot *snapshot, struct err *e)
{
	struct buf *out = arg;

	(void)e;
	buf_printf(out, "%llu ", (unsigned long long)snapshot->record.number);
	return snapshot->record.number == 190 ? 1 : 0;
}

static int list_name(void *arg, const char *name)
{
	buf_printf(arg, "%s ", name);
	return 0;
}

static void test_newest_first_and_names(void **state)
{
	struct catalog *catalog = open_mode(CATALOG_MEMORY);
	OWNED_BUF struct buf out = BUF_INIT, names = BUF_INIT;

	(void)state;
	must(catalog_begin(catalog, &err));
	for (uint64_t i = 1; i <= 200; i++)
		must(add_snapshot(catalog, i, i % 2 ? "a" : "b",
				  i == 200 ? 198 * 60 : (int64_t)i * 60));
	must(add_snapshot(catalog, 201, "b", 199 * 60));
	must(catalog_commit(catalog, &err));
	assert_int_equal(catalog_each_newest(catalog, "b", list_five, &out,
					     &err), 1);
	assert_string_equal(buf_str(&out), "201 200 198 196 194 192 190 ");
	buf_clear(&out);
	must(catalog_each_newest(catalog, "c", list_five, &out, &err));
	assert_int_equal(out.len, 0);
	/* to the end, over all pages */
	must(catalog_each_newest(catalog, "a", list_five, &out, &err));
	assert_int_equal(strncmp(buf_str(&out), "199 197 195 ", 12), 0);
	assert_string_equal(buf_str(&out) + out.len - 6, "5 3 1 ");

	must(catalog_each_name(catalog, "b", "1970-01-01T03-18-00Z", list_name,
			       &names, &err));
	assert_string_equal(buf_str(&names), "1970-01-01T03-18-00Z "
			    "1970-01-01T03-18-00Z-2 ");
	buf_clear(&names);
	must(catalog_each_name(catalog, "a", "1970-01-01T03-18-00Z", list_name,
			       &names, &err));
	assert_int_equal(names.len, 0);
	catalog_close(catalog);
}

static void test_bytes_that_differ(void **state)
{
	struct catalog *catalog = open_mode(CATALOG_MEMORY);
	struct record record = make_record(1, "a", "2001-01-01T00-00-00Z", 1);
	OWNED_BUF struct buf bytes = BUF_INIT;

	(void)state;
	must(record_write(&record, &bytes, &err));
	record.number = 2;
	assert_int_equal(catalog_add_record(catalog, &record,
					    buf_span(&bytes), &err), -EINVAL);
	assert_int_equal(catalog_add_record(catalog, &record,
					    span_str("x"), &err), -EBADMSG);
	assert_false(catalog_has_record(catalog, record.id));
	record_release(&record);
	catalog_close(catalog);
}

static void test_damaged_record(void **state)
{
	struct catalog *catalog = open_new();
	struct snapshot snapshot;

	(void)state;
	must(add_snapshot(catalog, 1, "cpd30/dv", 1000));
	catalog_close(catalog);
	/* In the record's own bytes. */
	assert_true(flip_after("source=cpd30/dv", 15, 9));
	catalog = open_new();
	assert_int_equal(catalog_get_snapshot(catalog, 1, &snapshot, &err),
			 -EBADMSG);
	assert_int_equal(catalog_check(catalog, &err), -EBADMSG);
	catalog_close(catalog);
}

/* State. */

struct told {
	uint64_t seq;
	enum event_type type;
	uint64_t snapshot;	/* number, whose id it is about */
	uint64_t number;
	const char *source, *key, *value;
};

#define TOLD(seq, type, snapshot, number, key, value) \
	(&(struct told){ seq, type, snapshot, number, NULL, key, value })

static void tell(struct catalog *catalog, const struct told *told)
{
	struct event event = {
		.seq = told->seq, .type = told->type, .at = { 1, 0 },
		.number = told->number, .source = (char *)told->source,
		.key = (char *)told->key, .value = (char *)told->value,
	};
	char name[64];

	if (told->snapshot) {
		memset(event.snapshot, (int)told->snapshot, 16);
		event.snapshot[0] = 0xee;
	}
	snprintf(name, sizeof(name), "%020llu-%016x",
		 (unsigned long long)told->seq, 1);
	must(catalog_add_event(catalog, name, &event, &err));
	assert_true(catalog_has_event(catalog, name));
	/* Again does nothing. */
	must(catalog_add_event(catalog, name, &event, &err));
}

static void test_state(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct catalog *catalog = open_new();
	uint64_t seq, high, records, events, packs;

	(void)state;
	must(add_snapshot(catalog, 1, "a", 1000));
	must(add_snapshot(catalog, 2, "a", 2000));
	must(catalog_high_seq(catalog, &seq, &err));
	assert_int_equal(seq, 0);
	tell(catalog, TOLD(1, EVENT_FORGET, 1, 1, NULL, NULL));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "2 a/1970-01-01T00-33-20Z\n");
	assert_string_equal(list(catalog, NULL, true, &out),
			    "1 a/1970-01-01T00-16-40Z forgotten\n"
			    "2 a/1970-01-01T00-33-20Z\n");
	tell(catalog, TOLD(2, EVENT_UNDELETE, 1, 0, NULL, NULL));
	tell(catalog, TOLD(3, EVENT_PIN, 1, 0, NULL, NULL));
	tell(catalog, TOLD(4, EVENT_TAG, 2, 0, "env", "prod"));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "1 a/1970-01-01T00-16-40Z pinned\n"
			    "2 a/1970-01-01T00-33-20Z env=prod\n");
	tell(catalog, TOLD(5, EVENT_UNPIN, 1, 0, NULL, NULL));
	tell(catalog, TOLD(6, EVENT_TAG, 2, 0, "env", NULL));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "1 a/1970-01-01T00-16-40Z\n"
			    "2 a/1970-01-01T00-33-20Z\n");

	tell(catalog, TOLD(7, EVENT_DAMAGE, 1, 0, "aa", "etc/passwd"));
	tell(catalog, TOLD(8, EVENT_DAMAGE, 1, 0, "bb", "etc/hosts"));
	tell(catalog, TOLD(9, EVENT_DAMAGE, 2, 0, "aa", "etc/passwd"));
	tell(catalog, TOLD(10, EVENT_DAMAGE, 0, 0, "cc", "of no snapshot"));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "1 a/1970-01-01T00-16-40Z "
			    "damage=etc/hosts (and 1 more)\n"
			    "2 a/1970-01-01T00-33-20Z damage=etc/passwd\n");
	tell(catalog, TOLD(11, EVENT_HEAL, 0, 0, "aa", NULL));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "1 a/1970-01-01T00-16-40Z damage=etc/hosts\n"
			    "2 a/1970-01-01T00-33-20Z\n");
	tell(catalog, TOLD(12, EVENT_HEAL, 1, 0, "bb", NULL));
	tell(catalog, TOLD(13, EVENT_DAMAGE, 2, 0, "aa", "again"));
	assert_string_equal(list(catalog, NULL, false, &out),
			    "1 a/1970-01-01T00-16-40Z\n"
			    "2 a/1970-01-01T00-33-20Z damage=again\n");

	tell(catalog, TOLD(14, EVENT_HIGHWATER, 0, 700, NULL, NULL));
	must(catalog_high_number(catalog, &high, &err));
	assert_int_equal(high, 700);
	must(catalog_high_seq(catalog, &seq, &err));
	assert_int_equal(seq, 14);
	must(catalog_counts(catalog, &records, &events, &packs, &err));
	assert_int_equal(records, 2);
	assert_int_equal(events, 14);
	assert_false(catalog_has_event(catalog, "x"));
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

static int list_event(void *arg, const char *name, const struct event *event,
		      struct err *e)
{
	(void)e;
	buf_printf(arg, "%llu %s %s %s\n", (unsigned long long)event->seq,
		   event_type_name(event->type),
		   event->value ? event->value : "-", name);
	return 0;
}

static void test_each_event(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct catalog *catalog = open_mode(CATALOG_MEMORY);

	(void)state;
	for (uint64_t seq = 150; seq >= 1; seq--)
		tell(catalog, TOLD(seq, seq % 3 ? EVENT_LOG : EVENT_SCRUB, 0, 0,
			   "k", seq == 3 ? "%x" : "w"));
	must(catalog_each_event(catalog, EVENT_SCRUB, list_event, &out, &err));
	assert_memory_equal(out.data, "3 scrub %x 00000000000000000003-", 32);
	{
		size_t lines = 0;
		char want[64];

		for (char *c = buf_str(&out); *c; c++)
			lines += *c == '\n';
		assert_int_equal(lines, 50);
		buf_clear(&out);
		must(catalog_each_event(catalog, 0, list_event, &out, &err));
		for (unsigned i = 1; i <= 150; i++) {
			snprintf(want, sizeof(want), "%u %s ", i,
				 i % 3 ? "log" : "scrub");
			assert_non_null(strstr(buf_str(&out), want));
		}
	}
	catalog_close(catalog);
}

/* Everything at once, in any order: the same state in the end. */

static const struct told story[] = {
	{ 1, EVENT_FORGET, 1, 1, NULL, NULL, NULL },
	{ 2, EVENT_UNDELETE, 1, 0, NULL, NULL, NULL },
	{ 3, EVENT_FORGET, 2, 2, NULL, NULL, NULL },
	{ 4, EVENT_PIN, 3, 0, NULL, NULL, NULL },
	{ 5, EVENT_UNPIN, 3, 0, NULL, NULL, NULL },
	{ 6, EVENT_PIN, 3, 0, NULL, NULL, NULL },
	{ 7, EVENT_TAG, 4, 0, NULL, "k", "1" },
	{ 8, EVENT_TAG, 4, 0, NULL, "k", "2" },
	{ 9, EVENT_TAG, 4, 0, NULL, "own", NULL },
	{ 10, EVENT_DAMAGE, 5, 0, NULL, "aa", "first" },
	{ 11, EVENT_HEAL, 0, 0, NULL, "aa", NULL },
	{ 12, EVENT_DAMAGE, 5, 0, NULL, "aa", "second" },
	{ 13, EVENT_RENAME, 0, 5, "a", NULL, "b" },
	{ 14, EVENT_RENAME, 0, 5, "b", NULL, "c" },
	{ 15, EVENT_RENAME, 0, 6, "x", NULL, "y" },
};
#define STORY (sizeof(story) / sizeof(story[0]))
#define TALES 7			/* snapshots in it */

static void tale(struct catalog *catalog, unsigned number)
{
	/* 1, 3 and 5 have one time; so has 6, which was always "c"'s. */
	static const char *const sources[] = { "", "a", "b", "b", "a", "x",
					       "c", "a" };
	static const int64_t times[] = { 0, 100, 200, 100, 400, 500, 100,
					 100 };
	char name[STAMP_TEXT];
	struct record record;

	stamp_name((struct stamp){ times[number], 0 }, name);
	record = make_record(number, sources[number], name, times[number]);
	must(record_add_tag(&record, "own", "yes"));
	must(add_snapshot_as(catalog, record));
}

static const char tale_end[] =
	"7 a/1970-01-01T00-01-40Z own=yes\n"
	"1 c/1970-01-01T00-01-40Z-2 own=yes\n"
	"3 c/1970-01-01T00-01-40Z-3 pinned own=yes\n"
	"6 c/1970-01-01T00-01-40Z own=yes\n"
	"2 c/1970-01-01T00-03-20Z forgotten own=yes\n"
	"4 c/1970-01-01T00-06-40Z k=2\n"
	"5 y/1970-01-01T00-08-20Z damage=second own=yes\n";

static void test_any_order(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	for (uint64_t round = 0; round < 60; round++) {
		struct catalog *catalog = open_mode(CATALOG_MEMORY);
		unsigned order[STORY + TALES];
		unsigned n = STORY + TALES;

		for (unsigned i = 0; i < n; i++)
			order[i] = i;
		for (unsigned i = n - 1; round > 0 && i > 0; i--) {
			unsigned j = (unsigned)(mix(round * 1000 + i) %
						(i + 1));
			unsigned t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		if (round % 3 == 0)
			must(catalog_begin(catalog, &err));
		for (unsigned i = 0; i < n; i++) {
			if (order[i] < STORY)
				tell(catalog, &story[order[i]]);
			else
				tale(catalog, order[i] - (unsigned)STORY + 1);
		}
		assert_string_equal(list(catalog, NULL, true, &out), tale_end);
		if (round % 3 == 0)
			must(catalog_commit(catalog, &err));
		assert_string_equal(list(catalog, NULL, true, &out), tale_end);
		must(catalog_check(catalog, &err));
		catalog_close(catalog);
	}
}

/* Queries. */

static int list_row(void *arg, int columns, const char **names,
		    const char **values, const int *types, struct err *e)
{
	(void)e;
	for (int i = 0; i < columns; i++)
		buf_printf(arg, "%s%s=%s:%d", i ? " " : "", names[i],
			   values[i] ? values[i] : "NULL", types[i]);
	buf_append_str(arg, "\n");
	return 0;
}

static const char *ask(struct catalog *catalog, const char *sql,
		       struct buf *out)
{
	buf_clear(out);
	must(catalog_query(catalog, sql, list_row, out, &err));
	return buf_str(out);
}

static void test_query(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct catalog *catalog = open_new();

	(void)state;
	tale(catalog, 1);
	tale(catalog, 2);
	tale(catalog, 4);
	tell(catalog, &story[2]);
	tell(catalog, &story[6]);
	add_pack(catalog, 1, 0, 10);
	assert_string_equal(ask(catalog, "SELECT number, source, name, time,"
				" damage FROM v_snapshot WHERE NOT forgotten"
				" ORDER BY number; -- end", &out),
			    "number=1:1 source=a:3 name=1970-01-01T00-01-40Z:3"
			    " time=1970-01-01T00:01:40Z:3 damage=NULL:5\n"
			    "number=4:1 source=a:3 name=1970-01-01T00-06-40Z:3"
			    " time=1970-01-01T00:06:40Z:3 damage=NULL:5\n");
	assert_string_equal(ask(catalog, "SELECT id FROM v_snapshot WHERE"
				" number=1", &out),
			    "id=ee010101010101010101010101010101:3\n");
	assert_string_equal(ask(catalog, "SELECT source, snapshots, first,"
				" last_good, bytes FROM v_source", &out),
			    "source=a:3 snapshots=2:1"
			    " first=1970-01-01T00:01:40Z:3"
			    " last_good=1970-01-01T00:06:40Z:3 bytes=500:1\n");
	assert_string_equal(ask(catalog, "SELECT * FROM v_pack", &out),
			    "number=1:1 "
			    "name=01000000000000000000000000000000:3 "
			    "type=meta:3 size=1001:1 objects=10:1\n");
	assert_string_equal(ask(catalog, "SELECT seq, type, snapshot, value"
				" FROM v_event", &out),
			    "seq=3:1 type=forget:3 snapshot="
			    "ee020202020202020202020202020202:3 value=NULL:5\n"
			    "seq=7:1 type=tag:3 snapshot="
			    "ee040404040404040404040404040404:3 value=1:3\n");
	assert_string_equal(ask(catalog, "SELECT * FROM v_tag WHERE key='k'",
				&out),
			    "number=4:1 source=a:3 "
			    "name=1970-01-01T00-06-40Z:3 key=k:3 value=1:3\n");
	assert_string_equal(ask(catalog, "WITH x AS (SELECT 1 AS a UNION ALL"
				" SELECT a+1 FROM x WHERE a<3) SELECT sum(a)"
				" AS s FROM x", &out), "s=6:1\n");
	assert_string_equal(ask(catalog, "SELECT count(*) AS n FROM v_tag",
				&out), "n=4:1\n");
	/* And all goes on as before. */
	tale(catalog, 5);
	add_pack(catalog, 2, 10, 10);
	assert_int_equal(found(catalog, 0, 20, 0), 20);
	catalog_close(catalog);
}

static int fail_row(void *arg, int columns, const char **names,
		    const char **values, const int *types, struct err *e)
{
	(void)columns;
	(void)names;
	(void)values;
	(void)types;
	++*(int *)arg;
	return err_set(e, -ECANCELED, "enough");
}

static void test_query_refusals(void **state)
{
	static const char *const refused[] = {
		"", ";", "-- nothing", "DELETE FROM snapshot",
		"INSERT INTO meta VALUES('x', 1)", "DROP VIEW v_pack",
		"CREATE TABLE x(y)", "CREATE TEMP TABLE x(y)",
		"ATTACH '/tmp/x' AS x", "PRAGMA user_version=9",
		"PRAGMA journal_mode=DELETE", "VACUUM",
		"VACUUM INTO '/tmp/x'", "BEGIN", "COMMIT", "ANALYZE",
		"SELECT load_extension('x')", "SELECT * FROM seg",
		"SELECT record FROM snapshot",
		"SELECT 1; SELECT 2", "SELECT 1; DROP TABLE meta",
		"SELECT nothing FROM v_pack", "SELEKT", "EXPLAIN DROP TABLE meta",
		"SELECT * FROM pragma_user_version",
	};
	OWNED_BUF struct buf out = BUF_INIT;
	struct catalog *catalog = open_new();
	int rows = 0;

	(void)state;
	add_pack(catalog, 1, 0, 10);
	add_pack(catalog, 2, 10, 10);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int r = catalog_query(catalog, refused[i], list_row, &out,
				      &err);

		if (r != -EINVAL && r != -EACCES)
			fail_msg("%d for %s: %s", r, refused[i], err.text);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(catalog_query(catalog, "SELECT * FROM v_pack",
				       fail_row, &rows, &err), -ECANCELED);
	assert_int_equal(rows, 1);
	must(catalog_check(catalog, &err));
	catalog_close(catalog);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_open_what_is_none),
		TEST(test_packs),
		TEST(test_many_packs),
		TEST(test_find_copies),
		TEST(test_frozen),
		TEST(test_condemned),
		TEST(test_find_clustered),
		TEST(test_merge_in_steps),
		TEST(test_purge),
		TEST(test_shrink),
		TEST(test_transactions),
		TEST(test_commit_fails),
		TEST(test_killed_in_commit),
		TEST(test_change_mark),
		TEST(test_threads),
		TEST(test_processes),
		TEST(test_made_at_once),
		TEST(test_damaged_segment),
		TEST(test_truncated),
		TEST(test_flips),
		TEST(test_readonly),
		TEST(test_immutable),
		TEST(test_snapshots),
		TEST(test_many_snapshots),
		TEST(test_newest_first_and_names),
		TEST(test_bytes_that_differ),
		TEST(test_damaged_record),
		TEST(test_state),
		TEST(test_each_event),
		TEST(test_any_order),
		TEST(test_query),
		TEST(test_query_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
