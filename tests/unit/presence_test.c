#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/repo/repo_internal.h"

static char path[] = "/tmp/varve-presence.XXXXXX";
static struct disk_dir dir;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	strcpy(path + strlen(path) - 6, "XXXXXX");
	return mkdtemp(path) && disk_open(path, &dir, &err) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	disk_close(&dir);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static void join(struct presence *presence, bool writer)
{
	presence_init(presence, &dir);
	assert_int_equal(presence_join(presence, writer, &err), 0);
}

/* What was told of the others, the last one's lists copied. */
struct told {
	unsigned others, writers, adding, unknown;
	uint64_t seen, adding_seq, held[4];
	size_t held_count, pack_count;
	uint8_t pack[16];
	bool named;
};

static int see(void *arg, const struct presence_info *info, struct err *e)
{
	struct told *told = arg;

	(void)e;
	told->others++;
	told->writers += info->writer;
	told->adding += info->adding;
	told->unknown += info->unknown;
	told->seen = info->seen;
	told->adding_seq = info->adding_seq;
	told->held_count = info->held_count;
	for (size_t i = 0; i < info->held_count && i < 4; i++)
		told->held[i] = info->held[i];
	told->pack_count = info->pack_count;
	if (info->pack_count)
		memcpy(told->pack, info->packs[0], 16);
	told->named = strstr(info->who, "process ") != NULL;
	return 0;
}

static struct told look(struct presence *presence)
{
	struct told told = { 0 };

	assert_int_equal(presence_each(presence, see, &told, &err), 0);
	return told;
}

static void test_told(void **state)
{
	static const uint8_t name[16] = { 0xab, 1 };
	const uint64_t held[] = { 7, 9 };
	struct presence one, two;
	struct told told;

	(void)state;
	join(&one, true);
	assert_int_equal(look(&one).others, 0);
	join(&two, false);
	told = look(&one);
	assert_int_equal(told.others, 1);
	assert_int_equal(told.writers, 0);
	assert_int_equal(told.seen, PRESENCE_NOTHING);
	assert_true(told.named);
	assert_int_equal(look(&two).writers, 1);

	assert_int_equal(presence_see(&two, 12, held, 2, &err), 0);
	told = look(&one);
	assert_int_equal(told.seen, 12);
	assert_int_equal(told.held_count, 2);
	assert_int_equal(told.held[1], 9);
	/* shorter again, in the same file */
	assert_int_equal(presence_see(&two, 13, NULL, 0, &err), 0);
	told = look(&one);
	assert_int_equal(told.seen, 13);
	assert_int_equal(told.held_count, 0);

	/* two adds at once: the older one counts, until both are done */
	assert_int_equal(presence_begin_adding(&one, 20, &err), 0);
	assert_int_equal(presence_begin_adding(&one, 25, &err), 0);
	assert_int_equal(presence_add_pack(&one, name, &err), 0);
	presence_end_adding(&one);
	told = look(&two);
	assert_int_equal(told.adding, 1);
	assert_int_equal(told.adding_seq, 20);
	assert_int_equal(told.pack_count, 1);
	assert_memory_equal(told.pack, name, 16);
	presence_end_adding(&one);
	told = look(&two);
	assert_int_equal(told.adding, 0);
	assert_int_equal(told.pack_count, 0);

	presence_leave(&one);
	assert_int_equal(look(&two).others, 0);
	presence_leave(&two);
}

static int count_names(void *arg, const char *name, struct err *e)
{
	(void)name;
	(void)e;
	++*(unsigned *)arg;
	return 0;
}

static unsigned files(void)
{
	unsigned count = 0;

	assert_int_equal(disk_list(&dir, PRESENCE_DIR, count_names, &count,
				   &err), 0);
	return count;
}

/* Who was killed is not there, whatever its file says. */
static void test_killed(void **state)
{
	struct presence one;
	int ready[2], status;
	pid_t child;
	char byte;

	(void)state;
	join(&one, true);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct presence mine;

		join(&mine, true);
		presence_begin_adding(&mine, 3, &err);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(look(&one).adding, 1);
	assert_int_equal(files(), 2);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(look(&one).others, 0);
	assert_int_equal(files(), 1);
	presence_leave(&one);
	close(ready[0]);
	close(ready[1]);
}

/* A file that is locked and makes no sense needs everything; one that nobody
 * locks is swept, a half-made one as well. */
static void test_nonsense(void **state)
{
	struct presence one;
	struct told told;
	int fd;

	(void)state;
	join(&one, true);
	fd = openat(dir.fd, PRESENCE_DIR "/0123456789abcdef",
		    O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "varve-open 1\n", 13), 13);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	told = look(&one);
	assert_int_equal(told.unknown, 1);
	assert_int_equal(told.writers, 1);
	assert_int_equal(told.adding, 1);
	assert_int_equal(told.adding_seq, 0);
	close(fd);
	fd = openat(dir.fd, PRESENCE_DIR "/.new-0123456789abcdef",
		    O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(look(&one).others, 0);
	assert_int_equal(files(), 2);
	close(fd);
	assert_int_equal(look(&one).others, 0);
	assert_int_equal(files(), 1);
	presence_leave(&one);
}

/* Who is there unseen keeps others from believing that they see everybody. */
static void test_unseen(void **state)
{
	struct presence one;
	struct told told = { 0 };
	int live;

	(void)state;
	join(&one, true);
	assert_int_equal(disk_lock(&dir, LIVE_NAME, DISK_LOCK_SHARED, true,
				   &live, &err), 0);
	assert_int_equal(presence_each(&one, see, &told, &err), -EBUSY);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(presence_each_seen(&one, see, &told, &err), 0);
	close(live);
	assert_int_equal(presence_each(&one, see, &told, &err), 0);
	presence_leave(&one);
}

static void test_needs(void **state)
{
	const uint64_t held[] = { 4 };
	struct presence_info info = { .seen = 10, .held = held,
				      .held_count = 1 };

	(void)state;
	assert_false(presence_needs(&info, 3, 10));
	assert_true(presence_needs(&info, 3, 11));
	assert_true(presence_needs(&info, 4, 10));
	info.unknown = true;
	assert_true(presence_needs(&info, 3, 10));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_told),
		TEST(test_killed),
		TEST(test_nonsense),
		TEST(test_unseen),
		TEST(test_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
