/* What is left by those who died or failed half-way, and who comes next. */
#include "store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "fs/base/disk.h"

#define STEPS_MAX 256

/* Every step that was announced; one of them may be made to fail. */
struct steps {
	struct {
		enum disk_step step;
		char name[64];
	} made[STEPS_MAX];
	size_t count;
	enum disk_step fail_step;	/* 0: none */
	int code;
};

static pthread_mutex_t steps_mutex = PTHREAD_MUTEX_INITIALIZER;

static int on_step(void *arg, enum disk_step step, const char *dir,
		   const char *name, const char *to, uint64_t offset,
		   struct span data)
{
	struct steps *steps = arg;

	(void)dir;
	(void)to;
	(void)offset;
	(void)data;
	pthread_mutex_lock(&steps_mutex);
	if (steps->count < STEPS_MAX) {
		steps->made[steps->count].step = step;
		snprintf(steps->made[steps->count++].name, 64, "%s", name);
	}
	pthread_mutex_unlock(&steps_mutex);
	return step == steps->fail_step ? -steps->code : 0;
}

/* Where the step first stands among those made; STEPS_MAX: nowhere. */
static size_t first(const struct steps *steps, enum disk_step step,
		    const char *begin)
{
	for (size_t i = 0; i < steps->count; i++)
		if (steps->made[i].step == step &&
		    !strncmp(steps->made[i].name, begin, strlen(begin)))
			return i;
	return STEPS_MAX;
}

static int add(struct repo *repo, const char *bytes, struct err *err)
{
	struct record record;
	int r;

	fixture_record(&record, "s", 100);
	r = fixture_commit(repo, &record, span_str(bytes), err);
	record_release(&record);
	return r;
}

static void remove_catalog(struct fixture *f)
{
	const char *const suffix[] = { "", "-wal", "-shm" };
	char path[128];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/catalog.db%s", f->dir,
			 suffix[i]);
		unlink(path);
	}
}

static int count_pack(void *arg, const struct catalog_pack *pack,
		      struct err *err)
{
	(void)pack;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int known_packs(struct repo *repo)
{
	struct err err = ERR_INIT;
	int count = 0;

	wanted(0, catalog_each_pack(repo_catalog(repo), count_pack, &count,
				    &err), &err);
	return count;
}

/* An event without a subject. */
static int note(struct repo *repo, uint64_t *ret_seq, struct err *err)
{
	struct event event = { .type = EVENT_LOG, .key = strdup("test"),
			       .value = strdup("words") };
	int r = repo_event(repo, &event, err);

	*ret_seq = event.seq;
	event_release(&event);
	return r;
}

static void make(const char *dir, const char *name, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(S_ISDIR(mode) ? mkdir(path, 0700) :
			 mknod(path, S_IFREG | 0600, 0), 0);
}

/* An init that died may be run again; what holds anything is refused. */
static void test_init_after_init_that_died(void **state)
{
	char dir[] = "/tmp/varve-unit.XXXXXX";
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	make(dir, "packs", S_IFDIR);
	make(dir, "snapshots", S_IFDIR);
	make(dir, "snapshots/0123", S_IFREG);
	assert_int_equal(repo_init(dir, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "it has 'snapshots'"));
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);

	assert_int_equal(mkdir(dir, 0700), 0);
	make(dir, "state", S_IFREG);
	assert_int_equal(repo_init(dir, NULL, &err), -EEXIST);
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);

	assert_int_equal(mkdir(dir, 0700), 0);
	make(dir, "packs", S_IFDIR);
	make(dir, "tmp", S_IFDIR);
	make(dir, "tmp/0123", S_IFREG);
	wanted(0, repo_init(dir, NULL, &err), &err);
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* The store's own name must survive a power cut as well. */
static void test_init_syncs_the_directory_above(void **state)
{
	char dir[] = "/tmp/varve-unit.XXXXXX";
	struct steps steps = { .count = 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	disk_set_hook(on_step, &steps);
	wanted(0, repo_init(dir, NULL, &err), &err);
	disk_set_hook(NULL, NULL);
	assert_true(first(&steps, DISK_SYNC_DIR, "..") < STEPS_MAX);
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* Invariant 2: "A pack and its directory entry are durable before any record
 * or row names them", whoever made it. */
static void test_found_is_synced_before_told(void **state)
{
	struct steps steps = { .count = 0 };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t seq;
	size_t told;

	wanted(0, add(f->repo, "bytes", &err), &err);
	wanted(0, note(f->repo, &seq, &err), &err);
	repo_close(f->repo);
	remove_catalog(f);
	disk_set_hook(on_step, &steps);
	fixture_open(f, REPO_WRITE);
	disk_set_hook(NULL, NULL);
	/* the first commit is the schema's */
	told = first(&steps, DISK_CATALOG, "") + 1;
	while (steps.made[told].step != DISK_CATALOG)
		assert_true(++told < steps.count);
	assert_true(first(&steps, DISK_SYNC_DIR, "packs") < told);
	assert_true(first(&steps, DISK_SYNC_DIR, "packs/") < told);
	assert_true(first(&steps, DISK_SYNC_DIR, "snapshots") < steps.count);
	assert_true(first(&steps, DISK_SYNC_DIR, "state") < steps.count);
	assert_int_equal(known_packs(f->repo), 2);
}

/* Nothing new: an open asks nothing of the disk. */
static void test_open_makes_no_step(void **state)
{
	struct steps steps = { .count = 0 };
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	wanted(0, add(f->repo, "bytes", &err), &err);
	repo_close(f->repo);
	disk_set_hook(on_step, &steps);
	fixture_open(f, REPO_WRITE);
	disk_set_hook(NULL, NULL);
	assert_int_equal(steps.count, 0);
}

/* A pack was sealed, and its add died before it told the catalog. */
static void leave_untold_pack(struct fixture *f, const char *bytes)
{
	struct steps steps = { .fail_step = DISK_CATALOG, .code = EIO };
	struct err err = ERR_INIT;

	disk_set_hook(on_step, &steps);
	assert_int_equal(add(f->repo, bytes, &err), -EIO);
	disk_set_hook(NULL, NULL);
	assert_int_equal(known_packs(f->repo), 0);
}

static void test_next_add_knows_untold_packs(void **state)
{
	struct deposit_stats stats;
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct deposit *deposit;
	struct id id;

	leave_untold_pack(f, "bytes");
	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	assert_int_equal(known_packs(f->repo), 1);
	wanted(0, deposit_chunk(deposit, CHUNK_SMALL, span_str("bytes"), &id,
				&err), &err);
	deposit_get_stats(deposit, &stats);
	assert_int_equal(stats.new_chunks, 0);
	deposit_free(deposit);
}

/* The add that died began later than the one that goes on. */
static void test_running_add_learns_of_untold_packs(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct deposit *deposit;
	struct record record;
	struct id id;

	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	leave_untold_pack(f, "theirs");
	fixture_record(&record, "s", 200);
	wanted(0, deposit_chunk(deposit, CHUNK_SMALL, span_str("mine"), &id,
				&err), &err);
	wanted(0, deposit_object(deposit, span_str("\1root"), &record.root,
				 &err), &err);
	wanted(0, deposit_commit(deposit, &record, &err), &err);
	deposit_free(deposit);
	record_release(&record);
	/* theirs, mine, and mine of metadata */
	assert_int_equal(known_packs(f->repo), 3);
}

/* What is durable was done, whatever the catalog says. */
static void test_event_holds_without_the_catalog(void **state)
{
	struct steps steps = { .fail_step = DISK_CATALOG, .code = ENOSPC };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t one, two;

	disk_set_hook(on_step, &steps);
	wanted(0, note(f->repo, &one, &err), &err);
	disk_set_hook(NULL, NULL);
	wanted(0, note(f->repo, &two, &err), &err);
	/* and keeps its number */
	assert_int_equal(one, 1);
	assert_int_equal(two, 2);
}

/* An event that could not be made durable was not done. */
static void test_event_that_failed_is_not_there(void **state)
{
	struct steps steps = { .fail_step = DISK_SYNC_DIR, .code = EIO };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t seq;

	disk_set_hook(on_step, &steps);
	assert_int_equal(note(f->repo, &seq, &err), -EIO);
	disk_set_hook(NULL, NULL);
	fixture_reopen(f);
	wanted(0, catalog_high_seq(repo_catalog(f->repo), &seq, &err), &err);
	assert_int_equal(seq, 0);
}

/* A disk that takes no more can still be read from. */
static void test_full_disk_is_read(void **state)
{
	struct steps steps = { .fail_step = DISK_CATALOG, .code = ENOSPC };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct snapshot snapshot;
	struct repo *repo;

	wanted(0, add(f->repo, "bytes", &err), &err);
	repo_close(f->repo);
	remove_catalog(f);
	disk_set_hook(on_step, &steps);
	assert_int_equal(repo_open(f->dir, REPO_WRITE, 1u << 20, &repo, &err),
			 -ENOSPC);
	wanted(0, repo_open(f->dir, REPO_READ, 1u << 20, &repo, &err), &err);
	wanted(0, repo_find_snapshot(repo, "s", &snapshot, NULL,
				     &err), &err);
	disk_set_hook(NULL, NULL);
	snapshot_release(&snapshot);
	repo_close(repo);
	fixture_open(f, REPO_WRITE);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, \
						fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_init_after_init_that_died),
		TEST(test_init_syncs_the_directory_above),
		TEST(test_found_is_synced_before_told),
		TEST(test_open_makes_no_step),
		TEST(test_next_add_knows_untold_packs),
		TEST(test_running_add_learns_of_untold_packs),
		TEST(test_event_holds_without_the_catalog),
		TEST(test_event_that_failed_is_not_there),
		TEST(test_full_disk_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
