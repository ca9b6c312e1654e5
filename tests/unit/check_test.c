#include "store_fixture.h"

#include "fs/base/disk.h"
#include "fs/repo/check.h"
#include "fs/repo/remember.h"
#include "fs/store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

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

static char first_fault[1200];

static void note(void *arg, const struct fault *fault)
{
	(void)arg;
	if (!*first_fault)
		snprintf(first_fault, sizeof(first_fault), "%s",
			 fault->words);
}

static uint64_t check(struct fixture *f, bool read_data)
{
	const struct check_options options = { .read_data = read_data,
					       .fault = note };
	struct check_report report;
	struct err err = ERR_INIT;

	first_fault[0] = '\0';
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	return report.errors;
}

static void test_a_sound_store_has_no_faults(void **state)
{
	const struct check_options options = { .read_data = true };
	struct check_report report;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	assert_int_equal(report.errors, 0);
	assert_int_equal(report.snapshots, 3);
	assert_int_equal(report.packs, 6);
	assert_int_equal(report.orphans, 0);
}

/* Each byte of each pack, flipped in turn, is found. */
static void test_every_flipped_byte_is_found(void **state)
{
	struct fixture *f = *state;
	char pattern[96];
	glob_t packs;

	snprintf(pattern, sizeof(pattern), "%s/packs/*/*", f->dir);
	assert_int_equal(glob(pattern, 0, NULL, &packs), 0);
	assert_int_equal(packs.gl_pathc, 6);
	for (size_t i = 0; i < packs.gl_pathc; i++) {
		int fd = open(packs.gl_pathv[i], O_RDWR);
		struct stat st;

		assert_true(fd >= 0);
		fstat(fd, &st);
		/* a step that meets every part of these small files */
		for (off_t at = 0; at < st.st_size; at += 7) {
			uint8_t byte, bad;

			assert_int_equal(pread(fd, &byte, 1, at), 1);
			bad = byte ^ 0x10;
			assert_int_equal(pwrite(fd, &bad, 1, at), 1);
			fixture_reopen(f);
			if (check(f, true) == 0)
				fail_msg("byte %ld of %s", (long)at,
					 packs.gl_pathv[i]);
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		close(fd);
	}
	globfree(&packs);
	fixture_reopen(f);
	assert_int_equal(check(f, true), 0);
}

static void test_missing_pack(void **state)
{
	struct fixture *f = *state;
	char path[PACK_PATH + 70];
	struct pack_name name;
	char rel[PACK_PATH];

	memcpy(name.b, last.packs[0], PACK_NAME);
	pack_path(&name, rel);
	snprintf(path, sizeof(path), "%s/%s", f->dir, rel);
	assert_int_equal(unlink(path), 0);
	fixture_reopen(f);
	assert_true(check(f, false) > 0);
	assert_non_null(strstr(first_fault, "is missing"));
}

static void test_missing_record(void **state)
{
	struct fixture *f = *state;
	char path[160], hex[33];

	hex_write(last.id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "%s/snapshots/%s", f->dir, hex);
	assert_int_equal(unlink(path), 0);
	fixture_reopen(f);
	assert_true(check(f, false) > 0);
	assert_non_null(strstr(first_fault, "record is missing"));
}

static void test_missing_event(void **state)
{
	struct fixture *f = *state;
	struct event event = { .type = EVENT_PIN };
	struct err err = ERR_INIT;
	char pattern[96];
	glob_t events;

	memcpy(event.snapshot, last.id, RECORD_ID);
	wanted(0, repo_event(f->repo, &event, &err), &err);
	event_release(&event);
	assert_int_equal(check(f, false), 0);
	snprintf(pattern, sizeof(pattern), "%s/state/*", f->dir);
	assert_int_equal(glob(pattern, 0, NULL, &events), 0);
	assert_int_equal(unlink(events.gl_pathv[events.gl_pathc - 1]), 0);
	globfree(&events);
	assert_int_equal(check(f, false), 1);
	assert_non_null(strstr(first_fault, "is missing"));
}

/* The store opens with a pack's copy: nobody else would ever tell. */
static void test_damaged_conf(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/varve.conf", f->dir);
	assert_int_equal(truncate(path, 20), 0);
	fixture_reopen(f);
	assert_int_equal(check(f, false), 1);
	assert_non_null(strstr(first_fault, "varve.conf"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(check(f, false), 1);
	assert_non_null(strstr(first_fault, "varve.conf"));
}

static void test_stray_file(void **state)
{
	struct fixture *f = *state;
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/packs/notes.txt", f->dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(check(f, false), 1);
	assert_non_null(strstr(first_fault, "is no pack"));
}

/* "the next ingest of the same data heals it" */
static void test_same_data_again_heals(void **state)
{
	struct fixture *f = *state;
	char path[PACK_PATH + 70], rel[PACK_PATH];
	struct record record;
	struct pack_name name;
	struct err err = ERR_INIT;
	OWNED_HELD struct held held = HELD_INIT;
	struct stat st;

	for (size_t i = 0; i < last.pack_count; i++) {
		memcpy(name.b, last.packs[i], PACK_NAME);
		pack_path(&name, rel);
		snprintf(path, sizeof(path), "%s/%s", f->dir, rel);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(truncate(path, st.st_size / 2), 0);
	}
	fixture_reopen(f);
	assert_int_not_equal(repo_get(f->repo, &last.root, &held, &err), 0);
	fixture_record(&record, "s", 500);
	wanted(0, fixture_commit(f->repo, &record,
				 span_str("these are bytes number 2"), &err),
	       &err);
	assert_true(id_equal(&record.root, &last.root));
	record_release(&record);
	wanted(0, repo_get(f->repo, &last.root, &held, &err), &err);
}

/* From the sync of the record's directory on the catalog takes nothing. */
static int lose_the_record(void *arg, enum disk_step step, const char *dir,
			   const char *name, const char *to, uint64_t offset,
			   struct span data)
{
	bool *published = arg;

	(void)dir;
	(void)to;
	(void)offset;
	(void)data;
	if (step == DISK_SYNC_DIR && !strcmp(name, "snapshots"))
		*published = true;
	return step == DISK_CATALOG && *published ? -EIO : 0;
}

/* An add at work, or dead, between its record and the catalog is no damage. */
static void test_untold_record_is_no_fault(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct record record;
	bool published = false;

	fixture_record(&record, "s", 700);
	disk_set_hook(lose_the_record, &published);
	wanted(0, fixture_commit(f->repo, &record, span_str("more"), &err),
	       &err);
	disk_set_hook(NULL, NULL);
	assert_true(published);
	assert_false(catalog_has_record(repo_catalog(f->repo), record.id));
	if (check(f, true) > 0)
		fail_msg("%s", first_fault);
	assert_true(catalog_has_record(repo_catalog(f->repo), record.id));
	record_release(&record);
}

static void flip(struct fixture *f, const uint8_t pack[16], off_t from_end)
{
	char path[PACK_PATH + 70], rel[PACK_PATH];
	struct pack_name name;
	struct stat st;
	uint8_t byte;
	int fd;

	memcpy(name.b, pack, PACK_NAME);
	pack_path(&name, rel);
	snprintf(path, sizeof(path), "%s/%s", f->dir, rel);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	fstat(fd, &st);
	assert_int_equal(pread(fd, &byte, 1, st.st_size - from_end), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, st.st_size - from_end), 1);
	close(fd);
}

static struct check_report check_bad(struct fixture *f, bool read_data,
				     size_t *ret_bad)
{
	struct id_set bad = { .slot = NULL };
	const struct check_options options = { .read_data = read_data,
					       .fault = note, .bad = &bad };
	struct check_report report;
	struct err err = ERR_INIT;

	first_fault[0] = '\0';
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	*ret_bad = bad.count;
	id_set_release(&bad);
	return report;
}

/* A damaged index loses nothing that can be read by the catalog. */
static void test_bad_objects_are_told_by_id(void **state)
{
	struct fixture *f = *state;
	struct check_report report;
	size_t bad = 0;

	flip(f, last.packs[0], 45);	/* the end of its index */
	fixture_reopen(f);
	report = check_bad(f, true, &bad);
	assert_int_equal(report.errors, 1);
	assert_int_equal(bad, 0);
	for (size_t i = 0; i < last.pack_count; i++) {
		char path[PACK_PATH + 70], rel[PACK_PATH];
		struct pack_name name;

		memcpy(name.b, last.packs[i], PACK_NAME);
		pack_path(&name, rel);
		snprintf(path, sizeof(path), "%s/%s", f->dir, rel);
		assert_int_equal(unlink(path), 0);
	}
	fixture_reopen(f);
	check_bad(f, false, &bad);
	assert_int_equal(bad, 1);	/* the root; its chunk hangs on it */
}

/* What a check met is looked at again by one that reads no data, which counts
 * the same, until it is found whole. */
static void test_damaged_packs_are_remembered(void **state)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	struct fixture *f = *state;
	struct check_report report;
	struct err err = ERR_INIT;
	struct pack_index index = { 0 };
	struct pack_name name;
	uint32_t place;
	off_t size;
	size_t bad = 0, data = 0;

	for (size_t i = 0; i < last.pack_count; i++) {
		memcpy(name.b, last.packs[i], PACK_NAME);
		pack_index_release(&index);
		wanted(0, pack_read_index(repo_dir(f->repo), &name, &index,
					  &err), &err);
		data = i;
		if (index.type == PACK_DATA)
			break;
	}
	assert_int_equal(index.type, PACK_DATA);
	place = index.blocks[0] + index.stored[0] - 1;
	size = (off_t)index.size;
	pack_index_release(&index);
	flip(f, last.packs[data], size - place);
	fixture_reopen(f);
	assert_int_equal(check_bad(f, false, &bad).errors, 0);
	report = check_bad(f, true, &bad);
	assert_int_equal(report.hurt_packs, 1);
	assert_int_equal(report.hurt_objects, 1);
	assert_int_equal(report.errors, 2);
	assert_int_equal(bad, 1);
	wanted(0, remembered_load(f->repo, &known, &err), &err);
	assert_int_equal(known.count, 1);
	assert_int_equal(strlen(known.note[0].key), 32);
	fixture_reopen(f);
	report = check_bad(f, false, &bad);
	assert_int_equal(report.hurt_packs, 1);
	assert_int_equal(report.hurt_objects, 1);
	assert_int_equal(report.told[FAULT_PACK], 1);
	assert_int_equal(report.packs_read, 0);	/* as was asked for */
	assert_int_equal(report.errors, 2);
	assert_int_equal(bad, 1);
	/* the pack was read, so it is known to be whole as well */
	flip(f, last.packs[data], size - place);
	fixture_reopen(f);
	report = check_bad(f, false, &bad);
	assert_int_equal(report.errors, 0);
	assert_int_equal(report.healed, 1);
	assert_int_equal(check_bad(f, true, &bad).errors, 0);
}

#define MANY 64
#define LARGE (128u << 10)

/* A snapshot of many blocks in one pack, of bytes that do not compress. */
static void commit_many(struct fixture *f, struct record *record)
{
	struct object_out out = OBJECT_OUT_INIT;
	OWNED_BUF struct buf object = BUF_INIT;
	uint8_t *bytes = malloc(LARGE);
	uint64_t state = 88172645463325252u;
	struct deposit *deposit;
	struct err err = ERR_INIT;

	assert_non_null(bytes);
	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	object_begin(&out, OBJECT_LIST);
	for (int i = 0; i < MANY; i++) {
		struct id chunk;

		for (size_t k = 0; k < LARGE; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			bytes[k] = (uint8_t)state;
		}
		wanted(0, deposit_chunk(deposit, CHUNK_SMALL,
					span_of(bytes, LARGE), &chunk, &err),
		       &err);
		object_ref(&out, OBJECT_CHUNK, &chunk);
	}
	wanted(0, object_finish(&out, &object, &err), &err);
	wanted(0, deposit_object(deposit, buf_span(&object), &record->root,
				 &err), &err);
	wanted(0, deposit_commit(deposit, record, &err), &err);
	object_out_release(&out);
	deposit_free(deposit);
	free(bytes);
}

static uint32_t told_at[MANY];
static size_t told_count;

static void note_offset(void *arg, const struct fault *fault)
{
	const char *at = strstr(fault->words, " at offset ");

	(void)arg;
	if (fault->kind == FAULT_PACK && at && told_count < MANY)
		told_at[told_count++] = (uint32_t)strtoul(at + 11, NULL, 10);
}

/* Blocks are read by all processors, and told of as they lie. */
static void test_blocks_are_read_by_several(void **state)
{
	const struct check_options options = { .read_data = true,
					       .fault = note_offset };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct check_report report;
	struct pack_index index = { 0 };
	struct pack_name name;
	size_t blocks = 0;

	record_release(&last);
	fixture_record(&last, "many", 200);
	commit_many(f, &last);
	for (size_t i = 0; i < last.pack_count && blocks < 4; i++) {
		pack_index_release(&index);
		memcpy(name.b, last.packs[i], PACK_NAME);
		wanted(0, pack_read_index(repo_dir(f->repo), &name, &index,
					  &err), &err);
		blocks = index.block_count;
	}
	assert_true(blocks >= 4);
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	assert_int_equal(report.errors, 0);
	assert_true(report.readers == (cores > 8 ? 8 : (uint64_t)cores) ||
		    report.readers == blocks);
	assert_int_equal(report.bytes_read > MANY * LARGE, true);
	for (size_t i = blocks; i-- > 0;)
		flip(f, name.b, (off_t)(index.size - index.blocks[i] -
					index.stored[i] / 2));
	told_count = 0;
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	assert_int_equal(told_count, blocks);
	for (size_t i = 0; i < blocks; i++)
		assert_int_equal(told_at[i], index.blocks[i]);
	pack_index_release(&index);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_sound_store_has_no_faults),
		TEST(test_every_flipped_byte_is_found),
		TEST(test_missing_pack),
		TEST(test_missing_record),
		TEST(test_missing_event),
		TEST(test_damaged_conf),
		TEST(test_stray_file),
		TEST(test_same_data_again_heals),
		TEST(test_untold_record_is_no_fault),
		TEST(test_bad_objects_are_told_by_id),
		TEST(test_damaged_packs_are_remembered),
		TEST(test_blocks_are_read_by_several),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
