#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/base/disk.h"
#include "fs/repo/check.h"
#include "fs/repo/repair.h"
#include "fs/store/pack.h"

static struct record last;

static int setup(void **state)
{
	struct fixture *f;
	struct err err = ERR_INIT;

	fixture_setup(state);
	f = *state;
	for (int i = 0; i < 3; i++) {
		char bytes[64];

		snprintf(bytes, sizeof(bytes), "these are bytes number %d", i);
		record_release(&last);
		fixture_record(&last, "s", 100 + i);
		wanted(0, fixture_commit(f->repo, &last, span_str(bytes),
					 &err), &err);
	}
	return 0;
}

static int teardown(void **state)
{
	record_release(&last);
	return fixture_teardown(state);
}

static uint64_t errors_of(struct fixture *f)
{
	const struct check_options options = { .read_data = true };
	struct check_report report;
	struct err err = ERR_INIT;

	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	return report.errors;
}

static struct repair_report mend(struct fixture *f, bool read_data)
{
	const struct repair_options options = { .read_data = read_data };
	struct repair_report report;
	struct err err = ERR_INIT;

	wanted(0, repo_repair(f->repo, &options, &report, &err), &err);
	return report;
}

/* The pack of last that is of type. */
static void pack_of(struct fixture *f, enum pack_type type, char path[160],
		    struct pack_index *ret)
{
	char rel[PACK_PATH];
	struct err err = ERR_INIT;

	for (size_t i = 0; i < last.pack_count; i++) {
		struct pack_name name;

		memcpy(name.b, last.packs[i], PACK_NAME);
		wanted(0, pack_read_index(repo_dir(f->repo), &name, ret, &err),
		       &err);
		pack_path(&name, rel);
		snprintf(path, 160, "%s/%s", f->dir, rel);
		if (ret->type == type)
			return;
		pack_index_release(ret);
	}
	fail_msg("no such pack");
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static bool is_there(struct fixture *f, const char *before, const char *name,
		     const char *after)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s%s%s", f->dir, before, name, after);
	return stat(path, &st) == 0;
}

static void test_nothing_to_do(void **state)
{
	static const struct repair_report nothing;
	struct fixture *f = *state;
	struct repair_report report = mend(f, true);

	assert_memory_equal(&report, &nothing, sizeof(report));
	assert_false(is_there(f, "quarantine", "", ""));
}

/* The index is lost, and nothing of what it spoke of. */
static void test_damaged_index(void **state)
{
	struct fixture *f = *state;
	struct repair_report report;
	struct pack_index index;
	OWNED_HELD struct held held = HELD_INIT;
	struct err err = ERR_INIT;
	char path[160];

	pack_of(f, PACK_META, path, &index);
	flip(path, (off_t)index.size - 45);
	pack_index_release(&index);
	fixture_reopen(f);
	report = mend(f, false);
	assert_int_equal(report.packs, 1);
	assert_int_equal(report.objects, 1);
	assert_int_equal(report.left + report.lost, 0);
	assert_true(is_there(f, "quarantine/packs-", strrchr(path, '/') + 1,
			     ""));
	assert_false(is_there(f, strstr(path, "packs/"), "", ""));
	assert_int_equal(errors_of(f), 0);
	wanted(0, repo_get(f->repo, &last.root, &held, &err), &err);
	assert_int_equal(mend(f, true).packs, 0);
}

/* Without being told, or having read all, it knows of no damage in a block. */
static void test_damaged_block(void **state)
{
	struct fixture *f = *state;
	struct repair_report report;
	struct pack_index index;
	struct record record;
	struct err err = ERR_INIT;
	char path[160];

	pack_of(f, PACK_DATA, path, &index);
	flip(path, index.blocks[0] + index.stored[0] - 1);
	pack_index_release(&index);
	fixture_reopen(f);
	assert_int_equal(mend(f, false).packs, 0);
	assert_int_equal(errors_of(f), 2);	/* the pack, and the chunk */
	fixture_reopen(f);
	report = mend(f, false);	/* what check remembered */
	assert_int_equal(report.packs, 1);
	assert_int_equal(report.objects, 0);
	assert_int_equal(errors_of(f), 1);	/* the chunk is missing */
	fixture_record(&record, "s", 500);
	wanted(0, fixture_commit(f->repo, &record,
				 span_str("these are bytes number 2"), &err),
	       &err);
	record_release(&record);
	assert_int_equal(errors_of(f), 0);
}

/* A copy elsewhere is enough. */
static void test_what_lies_elsewhere_is_not_stored(void **state)
{
	struct fixture *f = *state;
	struct pack_index index;
	struct record record;
	struct err err = ERR_INIT;
	char path[160];

	pack_of(f, PACK_DATA, path, &index);
	flip(path, index.blocks[0] + index.stored[0] - 1);
	fixture_reopen(f);
	fixture_record(&record, "s", 500);
	wanted(0, fixture_commit(f->repo, &record,
				 span_str("these are bytes number 2"), &err),
	       &err);
	record_release(&record);
	flip(path, index.blocks[0] + index.stored[0] - 1);
	flip(path, (off_t)index.size - 45);
	pack_index_release(&index);
	fixture_reopen(f);
	assert_int_equal(mend(f, true).objects, 0);
	assert_int_equal(errors_of(f), 0);
}

static void test_records_and_events(void **state)
{
	struct fixture *f = *state;
	struct event event = { .type = EVENT_PIN };
	struct repair_report report;
	struct err err = ERR_INIT;
	char path[160], hex[33];
	struct stat st;
	off_t size;

	memcpy(event.snapshot, last.id, RECORD_ID);
	wanted(0, repo_event(f->repo, &event, &err), &err);
	hex_write(last.id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "%s/snapshots/%s", f->dir, hex);
	assert_int_equal(stat(path, &st), 0);
	size = st.st_size;
	flip(path, 60);
	fixture_reopen(f);
	report = mend(f, false);
	assert_int_equal(report.records, 1);
	assert_true(is_there(f, "quarantine/snapshots-", hex, ""));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size);
	/* damaged again: beside the first */
	flip(path, 70);
	assert_int_equal(mend(f, false).records, 1);
	assert_true(is_there(f, "quarantine/snapshots-", hex, "-2"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mend(f, false).records, 1);
	assert_int_equal(errors_of(f), 0);
	event_release(&event);
	/* one that nobody knows */
	snprintf(path, sizeof(path), "%s/snapshots/%032d", f->dir, 7);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	report = mend(f, false);
	assert_int_equal(report.records, 0);
	assert_int_equal(report.lost, 1);
	assert_int_equal(errors_of(f), 0);
}

static void test_dry_run(void **state)
{
	const struct repair_options options = { .dry_run = true };
	struct fixture *f = *state;
	struct repair_report report;
	struct pack_index index;
	struct err err = ERR_INIT;
	char path[160];

	pack_of(f, PACK_META, path, &index);
	flip(path, (off_t)index.size - 45);
	pack_index_release(&index);
	fixture_reopen(f);
	wanted(0, repo_repair(f->repo, &options, &report, &err), &err);
	assert_int_equal(report.packs, 1);
	assert_int_equal(report.objects, 1);
	assert_false(is_there(f, "quarantine", "", ""));
	assert_int_equal(errors_of(f), 1);
}

static void test_one_at_a_time(void **state)
{
	const struct repair_options options = { .dry_run = false };
	struct fixture *f = *state;
	struct repair_report report;
	struct deposit *deposit;
	struct repo *other;
	struct err err = ERR_INIT;
	int lock;

	wanted(0, disk_lock(repo_dir(f->repo), "prune", DISK_LOCK_EXCLUSIVE,
			    false, &lock, &err), &err);
	wanted(-EBUSY, repo_repair(f->repo, &options, &report, &err), &err);
	close(lock);
	wanted(0, repo_open(f->dir, REPO_WRITE, 1u << 20, &other, &err), &err);
	wanted(0, deposit_begin(other, NULL, &deposit, &err), &err);
	wanted(-EBUSY, repo_repair(f->repo, &options, &report, &err), &err);
	deposit_free(deposit);
	wanted(0, repo_repair(f->repo, &options, &report, &err), &err);
	repo_close(other);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_do),
		TEST(test_damaged_index),
		TEST(test_damaged_block),
		TEST(test_what_lies_elsewhere_is_not_stored),
		TEST(test_records_and_events),
		TEST(test_dry_run),
		TEST(test_one_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
