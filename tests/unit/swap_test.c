#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/disk.h"
#include "fs/out/in_use.h"
#include "fs/out/mounts.h"
#include "fs/out/swap.h"

/* A directory with parent/target and parent/target/{a,d/b}. */
struct place {
	char path[64], target[80];
};

static void make_file(const char *dir, const char *name, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char path[100];

	strcpy(p->path, "/tmp/varve-swap.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	snprintf(p->target, sizeof(p->target), "%s/target", p->path);
	snprintf(path, sizeof(path), "%s/d", p->target);
	assert_int_equal(mkdir(p->target, 0750), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	make_file(p->target, "a", "one");
	make_file(path, "b", "two");
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", p->path);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static struct swap_mark mark_of(const char *path, const char *const *skip)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	struct swap_mark mark;

	assert_int_equal(swap_mark(fd, skip, false, &mark, NULL), 0);
	close(fd);
	return mark;
}

static bool is_marked(const char *path, const struct swap_mark *as)
{
	struct swap_mark now = mark_of(path, NULL);

	return swap_mark_equal(&now, as);
}

static void a_mark_stays_when_the_tree_is_renamed(void **state)
{
	struct place *p = *state;
	struct swap_mark mark = mark_of(p->target, NULL), again;
	char text[SWAP_MARK_TEXT], to[100];

	assert_int_equal(mark.entries, 3);
	assert_int_equal(mark.bytes, 6);
	swap_mark_text(&mark, text);
	assert_int_equal(swap_mark_parse(text, &again), 0);
	assert_true(swap_mark_equal(&mark, &again));
	assert_int_equal(swap_mark_parse("3 6", &again), -EBADMSG);
	snprintf(to, sizeof(to), "%s/other", p->path);
	assert_int_equal(rename(p->target, to), 0);
	assert_true(is_marked(to, &mark));
}

/* Each of these somebody might do while nobody should. */
static void a_mark_tells_of_each_change(void **state)
{
	static const char *const changes[] = {
		"echo x >>a", "echo x >d/new", "rm d/b", "mv a c", "chmod 640 a",
		"touch -d 2001-01-01 a", "ln a hard", "touch -d 2001-01-01 d",
		"cp -p a c && mv c a", "mv d/b b", "rm a && ln -s x a",
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct swap_mark before = mark_of(p->target, NULL);
		char command[300];

		snprintf(command, sizeof(command), "cd %s && %s", p->target,
			 changes[i]);
		assert_int_equal(system(command), 0);
		assert_false(is_marked(p->target, &before));
		remove_place(state);
		make_place(state);
		p = *state;
	}
}

static void names_at_the_top_may_be_left_out(void **state)
{
	static const char *const skip[] = { SWAP_PREFIX, LOST_FOUND, NULL };
	struct place *p = *state;
	struct swap_mark mark = mark_of(p->target, skip), again;
	char command[200];

	snprintf(command, sizeof(command), "cd %s && mkdir lost+found "
		 SWAP_PREFIX "1 && touch " SWAP_PREFIX "1/x", p->target);
	assert_int_equal(system(command), 0);
	again = mark_of(p->target, skip);
	assert_true(swap_mark_equal(&mark, &again));
	snprintf(command, sizeof(command), "mkdir %s/d/lost+found", p->target);
	assert_int_equal(system(command), 0);
	again = mark_of(p->target, skip);
	assert_false(swap_mark_equal(&mark, &again));
}

static void attributes_are_copied_and_told(void **state)
{
	struct place *p = *state;
	int from = open(p->target, O_RDONLY), to = open(p->path, O_RDONLY);
	struct swap_attributes a, b;
	char one[SWAP_ATTRIBUTES_TEXT], two[SWAP_ATTRIBUTES_TEXT];

	assert_int_equal(swap_attributes_copy(from, to, NULL), 0);
	assert_int_equal(swap_attributes_get(from, &a, NULL), 0);
	assert_int_equal(a.mode, 0750);
	a.mtime_s = -5;
	a.mtime_ns = 7;
	assert_int_equal(swap_set_mtime(to, &a, NULL), 0);
	assert_int_equal(swap_attributes_get(to, &b, NULL), 0);
	swap_attributes_text(&a, one);
	swap_attributes_text(&b, two);
	assert_string_equal(one, two);
	assert_non_null(strstr(one, " -5.000000007 "));
	assert_int_equal(swap_attributes_parse(one, &b), 0);
	swap_attributes_text(&b, two);
	assert_string_equal(one, two);
	assert_int_equal(swap_attributes_parse("0755 0:0", &b), -EBADMSG);
	close(from);
	close(to);
}

static void a_path_is_in_a_directory_by_whole_names(void **state)
{
	(void)state;
	assert_true(path_is_in("/srv/db", "/srv/db"));
	assert_true(path_is_in("/srv/db/x", "/srv/db"));
	assert_true(path_is_in("/srv", "/"));
	assert_false(path_is_in("/srv/db2", "/srv/db"));
	assert_false(path_is_in("/srv", "/srv/db"));
}

static int find_root(void *arg, const struct mount_row *row, struct err *err)
{
	(void)err;
	if (!strcmp(row->place, "/proc") && !strcmp(row->type, "proc"))
		*(bool *)arg = !strcmp(row->root, "/");
	return 0;
}

static void mounts_are_told(void **state)
{
	bool found = false;

	(void)state;
	assert_int_equal(mounts_each(find_root, &found, NULL), 0);
	assert_true(found);
}

/* A child that does what, says so, and waits to be killed. */
static pid_t child(const char *target, int what)
{
	char path[100], byte;
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	snprintf(path, sizeof(path), "%s/a", target);
	pid = fork();
	if (pid == 0) {
		if (what == 0 ? open(path, O_RDONLY) < 0 : chdir(target) < 0)
			_exit(1);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void who_uses_it_is_found(void **state)
{
	struct place *p = *state;
	struct in_use in_use = { .path = p->target };
	char number[128];

	for (int what = 0; what < 2; what++) {
		pid_t pid;

		assert_int_equal(in_use_find(&in_use, NULL), 0);
		assert_int_equal(in_use.count, 0);
		pid = child(p->target, what);
		assert_int_equal(in_use_find(&in_use, NULL), 0);
		assert_int_equal(in_use.count, 1);
		snprintf(number, sizeof(number), "(%d): %s", (int)pid,
			 p->target);
		assert_non_null(strstr(in_use.first, number));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mark_stays_when_the_tree_is_renamed),
		TEST(a_mark_tells_of_each_change),
		TEST(names_at_the_top_may_be_left_out),
		TEST(attributes_are_copied_and_told),
		TEST(a_path_is_in_a_directory_by_whole_names),
		TEST(mounts_are_told),
		TEST(who_uses_it_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
