#include "store_fixture.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "indexer/ahead.h"

#define FILES 40u

struct rig {
	char top[64];
	int fd;
	char text[FILES][16];
	char *names[FILES];
};

static void put(struct rig *rig, const char *name, const char *bytes)
{
	int fd = openat(rig->fd, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	close(fd);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	strcpy(rig->top, "/tmp/varve-ahead.XXXXXX");
	assert_non_null(mkdtemp(rig->top));
	rig->fd = open(rig->top, O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(rig->text[i], sizeof(rig->text[i]), "f%02u", i);
		rig->names[i] = rig->text[i];
		put(rig, rig->text[i], "bytes");
	}
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	char command[128];

	close(rig->fd);
	snprintf(command, sizeof(command), "rm -rf %s", rig->top);
	assert_int_equal(system(command), 0);
	free(rig);
	return 0;
}

/* Waits until n files were begun; then a little for more, which must not come. */
static void assert_begun(struct ahead *ahead, uint64_t n)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (int i = 0; i < 5000 && ahead_files(ahead) < n; i++)
		nanosleep(&pause, NULL);
	for (int i = 0; i < 5; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(ahead_files(ahead), n);
}

/* All but the one the walk is at. */
static void test_begins_files(void **state)
{
	const struct ahead_options options = { .into = true };
	struct ahead *ahead = ahead_new(&options);
	struct rig *rig = *state;
	struct ahead_dir *dir = ahead_enter(ahead, rig->fd);

	assert_non_null(dir);
	assert_int_equal(ahead_ask(ahead, dir, rig->names, 1, FILES),
			 FILES - 1);
	assert_begun(ahead, FILES - 1);
	ahead_leave(ahead, dir);
	ahead_free(ahead);
}

/* The walk is behind them already. */
static void test_passed(void **state)
{
	const struct ahead_options options = { .into = true };
	struct ahead *ahead = ahead_new(&options);
	struct rig *rig = *state;
	struct ahead_dir *dir = ahead_enter(ahead, rig->fd);

	ahead_at(dir, FILES);
	assert_int_equal(ahead_ask(ahead, dir, rig->names, 1, 10), 9);
	assert_begun(ahead, 0);
	ahead_free(ahead);
}

static void test_since(void **state)
{
	struct ahead_options options = { .since = stamp_now() };
	struct rig *rig = *state;
	struct ahead_dir *dir;
	struct ahead *ahead;

	options.since.s += 60;
	ahead = ahead_new(&options);
	dir = ahead_enter(ahead, rig->fd);
	ahead_ask(ahead, dir, rig->names, 1, FILES);
	assert_begun(ahead, 0);
	ahead_leave(ahead, dir);
	ahead_free(ahead);
}

/* More than it takes: the rest is for later. */
static void test_bounded(void **state)
{
	const struct ahead_options options = { .into = true };
	static char *names[2 * AHEAD_TASKS];
	struct ahead *ahead = ahead_new(&options);
	struct rig *rig = *state;
	struct ahead_dir *dir = ahead_enter(ahead, rig->fd);

	for (size_t i = 0; i < 2 * AHEAD_TASKS; i++)
		names[i] = rig->names[i % FILES];
	assert_true(ahead_ask(ahead, dir, names, 1, 2 * AHEAD_TASKS) <=
		    AHEAD_NAMES);
	ahead_free(ahead);
}

/* What lies in a small directory, one level; no FIFO, nor what a link names. */
static void test_into(void **state)
{
	const struct ahead_options into = { .into = true };
	const struct ahead_options flat = { .into = false };
	struct rig *rig = *state;
	char text[4][8] = { "at", "fifo", "link", "sub" };
	char *names[] = { text[0], text[1], text[2], text[3] };
	int fd = inotify_init1(IN_NONBLOCK);
	struct inotify_event event;
	struct ahead_dir *dir;
	struct ahead *ahead;
	char path[128];

	assert_int_equal(mkfifoat(rig->fd, "fifo", 0600), 0);
	assert_int_equal(symlinkat("f00", rig->fd, "link"), 0);
	assert_int_equal(mkdirat(rig->fd, "sub", 0700), 0);
	put(rig, "sub/one", "1");
	put(rig, "sub/two", "2");
	assert_int_equal(mkdirat(rig->fd, "sub/below", 0700), 0);
	put(rig, "sub/below/three", "3");

	ahead = ahead_new(&into);
	dir = ahead_enter(ahead, rig->fd);
	ahead_ask(ahead, dir, names, 1, 4);
	assert_begun(ahead, 2);
	ahead_free(ahead);

	snprintf(path, sizeof(path), "%s/sub", rig->top);
	assert_true(inotify_add_watch(fd, path, IN_OPEN) >= 0);
	ahead = ahead_new(&flat);
	dir = ahead_enter(ahead, rig->fd);
	ahead_ask(ahead, dir, names, 1, 4);
	assert_begun(ahead, 0);
	ahead_free(ahead);
	assert_int_equal(read(fd, &event, sizeof(event)), -1);
	close(fd);
}

/* A directory is left while threads are at it. */
static void test_left(void **state)
{
	const struct ahead_options options = { .into = true };
	struct ahead *ahead = ahead_new(&options);
	struct rig *rig = *state;

	for (int i = 0; i < 200; i++) {
		struct ahead_dir *outer = ahead_enter(ahead, rig->fd);
		struct ahead_dir *inner = ahead_enter(ahead, rig->fd);

		ahead_ask(ahead, outer, rig->names, 1, FILES);
		ahead_ask(ahead, inner, rig->names, 1, FILES);
		ahead_leave(ahead, i % 2 ? outer : inner);
		ahead_leave(ahead, i % 2 ? inner : outer);
	}
	ahead_free(ahead);
}

static void test_none(void **state)
{
	struct rig *rig = *state;

	assert_null(ahead_enter(NULL, rig->fd));
	assert_int_equal(ahead_ask(NULL, NULL, rig->names, 3, 10), 7);
	ahead_leave(NULL, NULL);
	assert_int_equal(ahead_files(NULL), 0);
	ahead_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_begins_files, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_since, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_into, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
