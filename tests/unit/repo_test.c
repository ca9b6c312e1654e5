#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static void add(struct repo *repo, const char *source, int64_t time,
		const char *bytes)
{
	struct record record;
	struct err err = ERR_INIT;

	fixture_record(&record, source, time);
	wanted(0, fixture_commit(repo, &record, span_str(bytes), &err), &err);
	record_release(&record);
}

static void test_init_refuses_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_int_equal(repo_init(f->dir, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "already"));
	assert_int_equal(repo_init("/usr", NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not empty"));
}

static void test_open_where_there_is_none(void **state)
{
	struct err err = ERR_INIT;
	struct repo *repo;

	(void)state;
	assert_int_equal(repo_open("/nowhere/at/all", REPO_READ, 0, &repo,
				   &err), -ENOENT);
	assert_int_equal(repo_open("/usr", REPO_READ, 0, &repo, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "there is no store in '/usr'"));
}

/* "Files of a store are 0600 and directories 0700 whatever the umask." */
static void test_modes(void **state)
{
	struct fixture *f = *state;
	char command[256];
	FILE *out;
	char line[256] = "";

	umask(0);
	add(f->repo, "s", 1, "x");
	umask(022);
	snprintf(command, sizeof(command), "find %s "
		 "\\( -type f ! -perm 0600 -o -type d ! -perm 0700 \\) -print",
		 f->dir);
	out = popen(command, "r");
	assert_non_null(out);
	if (fgets(line, sizeof(line), out))
		fail_msg("wrong mode: %s", line);
	pclose(out);
}

/* A second process sees a snapshot as soon as it exists. */
static void test_other_opener_sees_it(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct snapshot snapshot;
	struct repo *other;
	bool changed;

	wanted(0, repo_open(f->dir, REPO_READ, 1u << 20, &other, &err), &err);
	assert_int_equal(repo_find_snapshot(other, "s", &snapshot,
					    NULL, &err),
			 -ENOENT);
	add(f->repo, "s", 1, "x");
	wanted(0, repo_refresh(other, &changed, &err), &err);
	assert_true(changed);
	wanted(0, repo_find_snapshot(other, "s", &snapshot, NULL,
				     &err), &err);
	snapshot_release(&snapshot);
	wanted(0, repo_refresh(other, &changed, &err), &err);
	assert_false(changed);
	repo_close(other);
}

static void remove_catalog(struct fixture *f)
{
	char path[128];
	const char *const suffix[] = { "", "-wal", "-shm" };

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/catalog.db%s", f->dir,
			 suffix[i]);
		unlink(path);
	}
}

static void event(struct repo *repo, enum event_type type,
		  const struct record *record)
{
	struct event event = { .type = type, .number = record->number };
	struct err err = ERR_INIT;

	memcpy(event.snapshot, record->id, sizeof(event.snapshot));
	wanted(0, repo_event(repo, &event, &err), &err);
	event_release(&event);
}

static void expect_state(struct fixture *f)
{
	struct err err = ERR_INIT;
	struct snapshot snapshot;
	OWNED_HELD struct held held = HELD_INIT;

	/* 2 was forgotten, 1 is pinned, 3 the newest */
	wanted(0, repo_find_snapshot(f->repo, "s", &snapshot, NULL,
				     &err), &err);
	assert_int_equal(snapshot.record.number, 3);
	wanted(0, repo_get(f->repo, &snapshot.record.root, &held, &err),
	       &err);
	snapshot_release(&snapshot);
	wanted(0, repo_find_snapshot(f->repo, "s@-1", &snapshot, NULL,
				     &err), &err);
	assert_int_equal(snapshot.record.number, 1);
	assert_true(snapshot.pinned);
	snapshot_release(&snapshot);
}

/* Invariant 4: "A catalog that is missing, older or torn is brought level
 * from packs, records and state." */
static void test_catalog_comes_back(void **state)
{
	struct fixture *f = *state;
	struct rebuild_report report;
	struct err err = ERR_INIT;
	struct snapshot snapshot;
	char path[128];
	int fd;

	add(f->repo, "s", 100, "one");
	add(f->repo, "s", 200, "two");
	add(f->repo, "s", 300, "three");
	wanted(0, catalog_get_snapshot(repo_catalog(f->repo), 1, &snapshot,
				       &err), &err);
	event(f->repo, EVENT_PIN, &snapshot.record);
	snapshot_release(&snapshot);
	wanted(0, catalog_get_snapshot(repo_catalog(f->repo), 2, &snapshot,
				       &err), &err);
	event(f->repo, EVENT_FORGET, &snapshot.record);
	snapshot_release(&snapshot);
	expect_state(f);

	repo_close(f->repo);
	remove_catalog(f);
	fixture_open(f, REPO_WRITE);
	expect_state(f);

	repo_close(f->repo);
	wanted(0, repo_rebuild(f->dir, &report, NULL, NULL, &err), &err);
	assert_int_equal(report.records, 3);
	assert_int_equal(report.events, 2);
	fixture_open(f, REPO_WRITE);
	expect_state(f);

	repo_close(f->repo);
	snprintf(path, sizeof(path), "%s/catalog.db", f->dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "garbage garbage garbage", 23, 0), 23);
	close(fd);
	fixture_open(f, REPO_WRITE);
	expect_state(f);
	/* numbers go on where they were */
	add(f->repo, "s", 400, "four");
	wanted(0, repo_find_snapshot(f->repo, "s", &snapshot, NULL,
				     &err), &err);
	assert_int_equal(snapshot.record.number, 4);
	snapshot_release(&snapshot);
}

static void test_rebuild_refuses_while_in_use(void **state)
{
	struct fixture *f = *state;
	struct rebuild_report report;
	struct err err = ERR_INIT;

	assert_int_equal(repo_rebuild(f->dir, &report, NULL, NULL, &err),
			 -EBUSY);
	assert_non_null(strstr(err.text, "in use"));
}

static void test_conf_from_a_pack(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct snapshot snapshot;
	char path[128];

	add(f->repo, "s", 1, "x");
	repo_close(f->repo);
	snprintf(path, sizeof(path), "%s/varve.conf", f->dir);
	assert_int_equal(truncate(path, 20), 0);
	fixture_open(f, REPO_WRITE);
	wanted(0, repo_find_snapshot(f->repo, "s", &snapshot, NULL,
				     &err), &err);
	snapshot_release(&snapshot);
}

/* Names that are no longer given to sources stay readable where they are. */
static void test_odd_names_of_before(void **state)
{
	static const char *const names[] = { "a:b", "u@h", "x*", "-z", "w[1" };
	struct snapshot snapshot = { .forgotten = false };
	struct rebuild_report report;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 5; i++)
		add(f->repo, names[i], 100, names[i]);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < 5; i++) {
			wanted(0,
			       repo_find_snapshot(f->repo, names[i], &snapshot,
						  NULL, &err),
			       &err);
			assert_string_equal(snapshot.record.source, names[i]);
			snapshot_release(&snapshot);
		}
		repo_close(f->repo);
		wanted(0, repo_rebuild(f->dir, &report, NULL, NULL, &err),
		       &err);
		fixture_open(f, REPO_WRITE);
	}
}

static void test_twins_get_numbers(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct snapshot snapshot;

	add(f->repo, "s", 100, "one");
	add(f->repo, "s", 100, "two");
	add(f->repo, "s", 100, "three");
	wanted(0, repo_find_snapshot(f->repo, "s@1970-01-01T00-01-40Z-3",
				     &snapshot, NULL, &err), &err);
	assert_int_equal(snapshot.record.number, 3);
	snapshot_release(&snapshot);
	wanted(0, repo_find_snapshot(f->repo, "s@1970-01-01T00-01-40Z",
				     &snapshot, NULL, &err), &err);
	assert_int_equal(snapshot.record.number, 1);
	snapshot_release(&snapshot);
}

static void test_readonly_repo_refuses_events(void **state)
{
	struct fixture *f = *state;
	struct event event = { .type = EVENT_LOG };
	struct err err = ERR_INIT;
	struct repo *repo;

	wanted(0, repo_open(f->dir, REPO_READ, 1u << 20, &repo, &err), &err);
	assert_int_equal(repo_event(repo, &event, &err), -EROFS);
	event_release(&event);
	repo_close(repo);
}

/* More than are published under one hold of the lock; and one in the middle is
 * of a snapshot that is not there. */
static void test_events_in_order(void **state)
{
	struct event events[150] = { { .type = EVENT_TAG } };
	struct fixture *f = *state;
	struct snapshot s = { .forgotten = false };
	struct err err = ERR_INIT;
	char value[16];
	size_t done;

	add(f->repo, "s", 1, "x");
	wanted(0, repo_find_snapshot(f->repo, "s", &s, NULL, &err), &err);
	for (size_t i = 0; i < 150; i++) {
		events[i].type = EVENT_TAG;
		events[i].key = strdup("k");
		snprintf(value, sizeof(value), "%zu", i);
		events[i].value = strdup(value);
		events[i].number = s.record.number;
		memcpy(events[i].snapshot, s.record.id, RECORD_ID);
	}
	wanted(0, repo_events(f->repo, events, 120, &done, &err), &err);
	assert_int_equal(done, 120);
	for (size_t i = 1; i < 120; i++)
		assert_int_equal(events[i].seq, events[0].seq + i);
	events[135].snapshot[0] ^= 1;
	assert_int_equal(repo_events(f->repo, events + 120, 30, &done, &err),
			 -ENOENT);
	assert_int_equal(done, 15);
	for (int i = 0; i < 2; i++) {
		snapshot_release(&s);
		wanted(0, repo_find_snapshot(f->repo, "s", &s, NULL, &err), &err);
		assert_string_equal(record_tag(&s.record, "k"), "134");
		fixture_reopen(f);
	}
	snapshot_release(&s);
	for (size_t i = 0; i < 150; i++)
		event_release(&events[i]);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, \
						fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_init_refuses_what_is_there),
		TEST(test_open_where_there_is_none),
		TEST(test_modes),
		TEST(test_other_opener_sees_it),
		TEST(test_catalog_comes_back),
		TEST(test_rebuild_refuses_while_in_use),
		TEST(test_conf_from_a_pack),
		TEST(test_odd_names_of_before),
		TEST(test_twins_get_numbers),
		TEST(test_readonly_repo_refuses_events),
		TEST(test_events_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
