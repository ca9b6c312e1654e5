#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/bytes.h"
#include "fs/base/disk.h"
#include "fs/base/id.h"

/*
 * These stand in front of the C library's, so that the tests can have the
 * file system of their choice: one that writes little at a time, that is
 * interrupted, or that, as NFS, knows neither RENAME_NOREPLACE nor O_TMPFILE.
 */
static bool is_slow;
static bool is_nfs;
static unsigned nfs_calls;
static unsigned slow_calls;

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (is_slow && ++slow_calls % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	if (is_slow && len > 7)
		len = 7;
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	if (is_slow && ++slow_calls % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	if (is_slow && len > 5)
		len = 5;
	return syscall(SYS_pread64, fd, data, len, offset);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to,
	      unsigned flags)
{
	if (is_nfs && flags) {
		nfs_calls++;
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int openat(int fd, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (is_nfs && (flags & O_TMPFILE) == O_TMPFILE) {
		nfs_calls++;
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_openat, fd, name, flags, mode);
}

static char top[64];
static struct disk_dir dir;

static int begin(void **state)
{
	(void)state;
	strcpy(top, "/tmp/varve-disk-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	if (disk_open(top, &dir, NULL) < 0)
		return -1;
	return disk_mkdir(&dir, "tmp", NULL);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	is_slow = is_nfs = false;
	disk_set_hook(NULL, NULL);
	disk_close(&dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) == 0 ? 0 : -1;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir.fd, name, &st, 0), 0);
	return st.st_mode & 0777;
}

static int count_one(void *arg, const char *name, struct err *err)
{
	(void)name;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int count_in(const char *name)
{
	int n = 0;

	assert_int_equal(disk_list(&dir, name, count_one, &n, NULL), 0);
	return n;
}

static void missing_directory_is_named(void **state)
{
	struct disk_dir other = { .path = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(disk_open("/tmp/varve-none/x", &other, &err), -ENOENT);
	assert_string_equal(err.text, "cannot open the directory "
			    "'/tmp/varve-none/x': No such file or directory");
	disk_close(&other);
}

static void modes_hold_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0177 };
	mode_t old = umask(0);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char name[32];
		int fd;

		umask(masks[i]);
		snprintf(name, sizeof(name), "d%zu", i);
		assert_int_equal(disk_mkdir(&dir, name, NULL), 0);
		assert_int_equal(mode_of(name), 0700);
		snprintf(name, sizeof(name), "f%zu", i);
		assert_int_equal(disk_create(&dir, name, &fd, NULL), 0);
		close(fd);
		assert_int_equal(mode_of(name), 0600);
		snprintf(name, sizeof(name), "l%zu", i);
		assert_int_equal(disk_lock(&dir, name, DISK_LOCK_SHARED, false,
					   &fd, NULL), 0);
		close(fd);
		assert_int_equal(mode_of(name), 0600);
	}
	dir.file_mode = 0640;
	dir.dir_mode = 0750;
	umask(077);
	assert_int_equal(disk_mkdir(&dir, "group", NULL), 0);
	assert_int_equal(mode_of("group"), 0750);
	assert_int_equal(disk_publish(&dir, "group/f", span_str("x"), NULL),
			 0);
	assert_int_equal(mode_of("group/f"), 0640);
	dir.file_mode = 0600;
	dir.dir_mode = 0700;
	umask(old);
}

static void mkdir_again_is_fine_but_not_over_a_file(void **state)
{
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	assert_int_equal(disk_mkdir(&dir, "a", NULL), 0);
	assert_int_equal(disk_mkdir(&dir, "a", NULL), 0);
	assert_int_equal(disk_create(&dir, "file", &fd, NULL), 0);
	close(fd);
	assert_int_equal(disk_mkdir(&dir, "file", &err), -ENOTDIR);
	assert_int_equal(disk_mkdir(&dir, "x/y", &err), -ENOENT);
}

static void bytes_go_around(void **state)
{
	struct err err = ERR_INIT;
	char got[16];
	int fd;

	(void)state;
	assert_int_equal(disk_create(&dir, "f", &fd, NULL), 0);
	assert_int_equal(disk_write(&dir, "f", fd, 0, span_str("hello"), NULL),
			 0);
	assert_int_equal(disk_write(&dir, "f", fd, 5, span_str(" you"), NULL),
			 0);
	assert_int_equal(disk_sync(&dir, "f", fd, NULL), 0);
	assert_int_equal(disk_read(&dir, "f", fd, 4, got, 5, NULL), 0);
	assert_memory_equal(got, "o you", 5);
	assert_int_equal(disk_read(&dir, "f", fd, 9, got, 0, NULL), 0);
	assert_int_equal(disk_read(&dir, "f", fd, 5, got, 5, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "/f' ends early: nothing at offset 9"));
	assert_int_equal(disk_read(&dir, "f", fd, UINT64_MAX, got, 2, &err),
			 -EBADMSG);
	assert_int_equal(disk_create(&dir, "f", &fd, &err), -EEXIST);
	close(fd);
}

static void only_regular_files_are_read(void **state)
{
	struct err err = ERR_INIT;
	int fd = -7;

	(void)state;
	assert_int_equal(mkfifoat(dir.fd, "fifo", 0600), 0);
	assert_int_equal(disk_open_read(&dir, "fifo", &fd, &err), -EBADMSG);
	assert_int_equal(disk_open_read(&dir, "tmp", &fd, &err), -EBADMSG);
	assert_int_equal(disk_open_read(&dir, "none", &fd, &err), -ENOENT);
	assert_int_equal(fd, -7);
}

static void read_all_is_bounded(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	buf_append_str(&buf, "before ");
	assert_int_equal(disk_publish(&dir, "f", span_str("12345"), NULL), 0);
	assert_int_equal(disk_publish(&dir, "empty", span_str(""), NULL), 0);
	assert_int_equal(disk_read_all(&dir, "f", 5, &buf, NULL), 0);
	assert_int_equal(disk_read_all(&dir, "empty", 0, &buf, NULL), 0);
	assert_string_equal(buf_str(&buf), "before 12345");
	assert_int_equal(disk_read_all(&dir, "f", 4, &buf, &err), -EFBIG);
	assert_int_equal(disk_read_all(&dir, "none", 4, &buf, &err), -ENOENT);
	assert_string_equal(buf_str(&buf), "before 12345");
}

static void renames(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	disk_publish(&dir, "a", span_str("A"), NULL);
	disk_publish(&dir, "b", span_str("B"), NULL);
	assert_int_equal(disk_rename_new(&dir, "a", "b", &err), -EEXIST);
	assert_non_null(strstr(err.text, "/a' to 'b': File exists"));
	assert_int_equal(disk_rename_new(&dir, "a", "c", NULL), 0);
	assert_int_equal(disk_rename(&dir, "c", "b", NULL), 0);
	assert_int_equal(disk_read_all(&dir, "b", 9, &buf, NULL), 0);
	assert_string_equal(buf_str(&buf), "A");
	assert_int_equal(disk_rename(&dir, "a", "b", &err), -ENOENT);
	assert_int_equal(disk_unlink(&dir, "b", NULL), 0);
	assert_int_equal(disk_unlink(&dir, "b", &err), -ENOENT);
}

static void publish_never_replaces(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	disk_mkdir(&dir, "snapshots", NULL);
	assert_int_equal(disk_publish(&dir, "snapshots/a", span_str("1"),
				      NULL), 0);
	assert_int_equal(disk_publish(&dir, "snapshots/a", span_str("2"),
				      &err), -EEXIST);
	assert_int_equal(disk_read_all(&dir, "snapshots/a", 9, &buf, NULL), 0);
	assert_string_equal(buf_str(&buf), "1");
	assert_int_equal(count_in("tmp"), 0);
	assert_int_equal(disk_publish(&dir, "none/a", span_str("2"), &err),
			 -ENOENT);
	assert_int_equal(count_in("tmp"), 0);
}

static void temporary_files_have_no_name(void **state)
{
	char got[3];
	int fd;

	(void)state;
	assert_int_equal(disk_open_temp(&dir, &fd, NULL), 0);
	assert_int_equal(count_in("tmp"), 0);
	assert_int_equal(disk_write(&dir, DISK_TEMP, fd, 0, span_str("abc"),
				    NULL), 0);
	assert_int_equal(disk_read(&dir, DISK_TEMP, fd, 0, got, 3, NULL), 0);
	assert_memory_equal(got, "abc", 3);
	close(fd);
}

static void short_and_interrupted_calls_go_on(void **state)
{
	OWNED_BUF struct buf data = BUF_INIT, back = BUF_INIT;
	uint8_t got[1000];
	int fd;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_append_byte(&data, (uint8_t)(i * 31));
	is_slow = true;
	assert_int_equal(disk_create(&dir, "f", &fd, NULL), 0);
	assert_int_equal(disk_write(&dir, "f", fd, 3, buf_span(&data), NULL),
			 0);
	assert_int_equal(disk_read(&dir, "f", fd, 3, got, 1000, NULL), 0);
	assert_memory_equal(got, data.data, 1000);
	assert_int_equal(disk_read(&dir, "f", fd, 4, got, 1000, NULL),
			 -EBADMSG);
	assert_int_equal(disk_read_all(&dir, "f", 1003, &back, NULL), 0);
	assert_int_equal(back.len, 1003);
	assert_memory_equal(back.data + 3, data.data, 1000);
	assert_true(slow_calls > 500);
	close(fd);
}

static void without_noreplace_and_tmpfile(void **state)
{
	(void)state;
	is_nfs = true;
	renames(state);
	publish_never_replaces(state);
	temporary_files_have_no_name(state);
	assert_int_equal(count_in("tmp"), 0);
	assert_int_equal(disk_publish(&dir, "one", span_str("1"), NULL), 0);
	/* A link whose reply was lost: made, and called refused. */
	assert_int_equal(linkat(dir.fd, "one", dir.fd, "two", 0), 0);
	assert_int_equal(disk_rename_new(&dir, "one", "two", NULL), 0);
	assert_int_equal(faccessat(dir.fd, "one", F_OK, 0), -1);
	assert_int_equal(faccessat(dir.fd, "two", F_OK, 0), 0);
	assert_true(nfs_calls > 5);
}

static int stop_at_second(void *arg, const char *name, struct err *err)
{
	int *n = arg;

	(void)name;
	return ++*n == 2 ? err_set(err, -ECANCELED, "enough") : 0;
}

static void listing(void **state)
{
	struct err err = ERR_INIT;
	int n = 0;

	(void)state;
	disk_mkdir(&dir, "l", NULL);
	assert_int_equal(count_in("l"), 0);
	disk_publish(&dir, "l/a", span_str(""), NULL);
	disk_publish(&dir, "l/.b", span_str(""), NULL);
	disk_publish(&dir, "l/..c", span_str(""), NULL);
	assert_int_equal(count_in("l"), 3);
	assert_int_equal(disk_list(&dir, "l", stop_at_second, &n, &err),
			 -ECANCELED);
	assert_string_equal(err.text, "enough");
	assert_int_equal(n, 2);
	assert_int_equal(disk_list(&dir, "none", count_one, &n, &err),
			 -ENOENT);
	assert_int_equal(disk_list(&dir, "l/a", count_one, &n, &err),
			 -ENOTDIR);
}

static void locks_exclude(void **state)
{
	struct err err = ERR_INIT;
	int a, b, c = -7;

	(void)state;
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_SHARED, false, &a,
				   NULL), 0);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_SHARED, true, &b,
				   NULL), 0);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_EXCLUSIVE, false,
				   &c, &err), -EBUSY);
	assert_non_null(strstr(err.text, "/lock' is locked by another"));
	assert_int_equal(c, -7);
	close(a);
	close(b);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_EXCLUSIVE, false,
				   &c, NULL), 0);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_SHARED, false, &a,
				   &err), -EBUSY);
	close(c);
}

static void a_killed_holder_leaves_no_lock(void **state)
{
	int fds[2], fd;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (disk_lock(&dir, "lock", DISK_LOCK_EXCLUSIVE, false, &fd,
			      NULL) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_EXCLUSIVE, false,
				   &fd, NULL), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(disk_lock(&dir, "lock", DISK_LOCK_EXCLUSIVE, false,
				   &fd, NULL), 0);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

/* The holder removes the file; who waited must not hold the removed one. */
static void a_lock_on_a_removed_file_is_none(void **state)
{
	int fd, other;
	struct stat held, named;
	pid_t pid;

	(void)state;
	assert_int_equal(disk_lock(&dir, "gone", DISK_LOCK_EXCLUSIVE, false,
				   &fd, NULL), 0);
	pid = fork();
	if (pid == 0) {
		close(fd);	/* not the description: that is shared */
		if (disk_lock(&dir, "gone", DISK_LOCK_EXCLUSIVE, true, &other,
			      NULL) < 0)
			_exit(1);
		if (fstat(other, &held) < 0 ||
		    fstatat(dir.fd, "gone", &named, 0) < 0)
			_exit(2);
		_exit(held.st_ino == named.st_ino ? 0 : 3);
	}
	usleep(100000);
	assert_int_equal(disk_unlink(&dir, "gone", NULL), 0);
	close(fd);
	{
		int status;

		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void room_and_readonly(void **state)
{
	struct disk_dir other;
	uint64_t room = 0;

	(void)state;
	assert_int_equal(disk_free_bytes(&dir, &room, NULL), 0);
	assert_true(room > 0);
	assert_false(disk_is_readonly(&dir));
	if (geteuid() != 0) {
		char path[80];

		assert_int_equal(fchmodat(dir.fd, "tmp", 0500, 0), 0);
		snprintf(path, sizeof(path), "%s/tmp", top);
		assert_int_equal(disk_open(path, &other, NULL), 0);
		assert_true(disk_is_readonly(&other));
		disk_close(&other);
		assert_int_equal(fchmodat(dir.fd, "tmp", 0700, 0), 0);
	}
}

/* ---- the hook ---- */

struct trace {
	struct buf text;
	int fail_at;
	int steps;
};

static int trace_step(void *arg, enum disk_step step, const char *where,
		      const char *name, const char *to, uint64_t offset,
		      struct span data)
{
	static const char *const words[] = { "?", "create", "write", "sync",
		"sync_dir", "rename", "unlink", "mkdir", "catalog" };
	struct trace *trace = arg;

	if (++trace->steps == trace->fail_at)
		return -ENOSPC;
	if (!strncmp(name, "tmp/", 4))
		name = "tmp/X";
	assert_string_equal(where, step == DISK_CATALOG ? "" : top);
	buf_printf(&trace->text, "%s %s %s %d+%d;", words[step], name,
		   to ? to : "-", (int)offset, (int)data.len);
	return 0;
}

static void the_hook_sees_every_step(void **state)
{
	struct trace trace = { .text = BUF_INIT };
	int fd;

	(void)state;
	disk_set_hook(trace_step, &trace);
	disk_mkdir(&dir, "p", NULL);
	disk_publish(&dir, "p/a", span_str("abc"), NULL);
	disk_open_temp(&dir, &fd, NULL);
	close(fd);
	disk_rename(&dir, "p/a", "p/b", NULL);
	disk_unlink(&dir, "p/b", NULL);
	disk_lock(&dir, "lock", DISK_LOCK_SHARED, true, &fd, NULL);
	close(fd);
	disk_lock(&dir, "lock", DISK_LOCK_SHARED, true, &fd, NULL);
	close(fd);
	disk_step_catalog("/x/catalog.db", NULL);
	assert_string_equal(buf_str(&trace.text),
			    "mkdir p - 0+0;create tmp/X - 0+0;"
			    "write tmp/X - 0+3;sync tmp/X - 0+0;"
			    "rename tmp/X p/a 0+0;sync_dir p - 0+0;"
			    "create tmp - 0+0;rename p/a p/b 0+0;"
			    "unlink p/b - 0+0;create lock - 0+0;"
			    "catalog /x/catalog.db - 0+0;");
	buf_release(&trace.text);
}

/* "On failure nothing of it is seen." */
static void a_publish_that_fails_leaves_nothing(void **state)
{
	(void)state;
	for (int n = 1; n <= 5; n++) {
		struct trace trace = { .text = BUF_INIT, .fail_at = n };
		struct err err = ERR_INIT;

		disk_set_hook(trace_step, &trace);
		assert_int_equal(disk_publish(&dir, "rec", span_str("abc"),
					      &err), -ENOSPC);
		assert_non_null(strstr(err.text, "No space left on device"));
		assert_non_null(strstr(err.hint, "make room"));
		disk_set_hook(NULL, NULL);
		assert_int_equal(faccessat(dir.fd, "rec", F_OK, 0), -1);
		assert_int_equal(count_in("tmp"), 0);
		buf_release(&trace.text);
	}
	assert_int_equal(disk_publish(&dir, "rec", span_str("abc"), NULL), 0);
}

static void a_failed_step_is_not_done(void **state)
{
	struct trace trace = { .text = BUF_INIT };
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	disk_create(&dir, "f", &fd, NULL);
	disk_set_hook(trace_step, &trace);
#define FAILS(call) do { \
		trace.steps = 0; \
		trace.fail_at = 1; \
		assert_int_equal(call, -ENOSPC); \
	} while (0)
	FAILS(disk_mkdir(&dir, "d", &err));
	FAILS(disk_create(&dir, "g", &fd, &err));
	FAILS(disk_write(&dir, "f", fd, 0, span_str("x"), &err));
	FAILS(disk_sync(&dir, "f", fd, &err));
	FAILS(disk_sync_dir(&dir, ".", &err));
	FAILS(disk_rename(&dir, "f", "h", &err));
	FAILS(disk_rename_new(&dir, "f", "h", &err));
	FAILS(disk_unlink(&dir, "f", &err));
	FAILS(disk_open_temp(&dir, &fd, &err));
	FAILS(disk_lock(&dir, "lk", DISK_LOCK_SHARED, true, &fd, &err));
	FAILS(disk_step_catalog("c", &err));
#undef FAILS
	disk_set_hook(NULL, NULL);
	assert_int_equal(count_in("."), 2);	/* tmp and f */
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	buf_release(&trace.text);
}

/* ---- VARVE_FAULT, in builds that have it ---- */

#ifdef VARVE_FAULTS

/* Two records published by a child under VARVE_FAULT; its wait status. */
static int run_child(const char *fault)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("VARVE_FAULT", fault, 1);
		if (disk_fault_from_env(NULL) < 0)
			exit(9);
		if (disk_publish(&dir, "a", span_str("first"), NULL) < 0)
			exit(1);
		if (disk_publish(&dir, "b", span_str("second"), NULL) < 0)
			exit(2);
		exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static bool is_there(const char *name)
{
	return faccessat(dir.fd, name, F_OK, 0) == 0;
}

static void faults_are_set_from_the_environment(void **state)
{
	static const char *const bad[] = { "x", "fail=", "fail=1", "fail=0:EIO",
		"fail=1:EWHAT", "fail=1:", "kill=", "kill=x", "kill=1x",
		"kill=0", "kill=-1", "count=", "fail=1:EIO what=2" };
	OWNED_BUF struct buf buf = BUF_INIT;
	char fault[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(WEXITSTATUS(run_child(bad[i])), 9);
	assert_false(is_there("a"));

	snprintf(fault, sizeof(fault), "count=%s/count", top);
	assert_int_equal(run_child(fault), 0);
	assert_int_equal(disk_read_all(&dir, "count", 9, &buf, NULL), 0);
	assert_string_equal(buf_str(&buf), "10\n");
	disk_unlink(&dir, "a", NULL);
	disk_unlink(&dir, "b", NULL);

	/* Before step 9, b's rename, a is whole and b is not there. */
	assert_int_equal(WTERMSIG(run_child("kill=9")), SIGKILL);
	assert_true(is_there("a"));
	assert_false(is_there("b"));
	disk_unlink(&dir, "a", NULL);

	assert_int_equal(WEXITSTATUS(run_child("fail=3:EIO")), 1);
	assert_false(is_there("a"));
	assert_int_equal(WEXITSTATUS(run_child("fail=8:ENOSPC")), 2);
	assert_true(is_there("a"));
	assert_false(is_there("b"));
}

static void the_log_can_be_replayed(void **state)
{
	static const enum disk_step steps[] = { DISK_CREATE, DISK_WRITE,
		DISK_SYNC, DISK_RENAME, DISK_SYNC_DIR };
	OWNED_BUF struct buf buf = BUF_INIT;
	struct bytes in;
	char fault[128];

	(void)state;
	snprintf(fault, sizeof(fault), "log=%s/log", top);
	assert_int_equal(run_child(fault), 0);
	assert_int_equal(disk_read_all(&dir, "log", 10000, &buf, NULL), 0);
	in = bytes_of(buf_span(&buf));
	for (uint64_t n = 1; n <= 10; n++) {
		uint32_t len = bytes_u32(&in);
		uint64_t sum = bytes_u64(&in);
		struct span body = bytes_take(&in, len - 8);
		struct bytes record = bytes_of(body);
		enum disk_step step = steps[(n - 1) % 5];
		struct span name, to, data;

		assert_true(sum == sum64(body));
		assert_int_equal(bytes_u8(&record), step);
		assert_int_equal(bytes_u64(&record), n);
		assert_true(span_equal(bytes_string(&record, 100),
				       span_str(top)));
		name = bytes_string(&record, 100);
		to = bytes_string(&record, 100);
		assert_int_equal(bytes_u64(&record), 0);
		data = bytes_string(&record, 100);
		assert_true(bytes_done(&record));
		assert_int_equal(name.len, step == DISK_SYNC_DIR ? 1 : 36);
		assert_true(span_equal(to, span_str(step != DISK_RENAME ? "" :
						    n > 5 ? "b" : "a")));
		assert_true(span_equal(data, span_str(step != DISK_WRITE ? "" :
						      n > 5 ? "second" :
						      "first")));
	}
	assert_true(bytes_done(&in));
}

#else

static void faults_need_a_build_with_them(void **state)
{
	(void)state;
	setenv("VARVE_FAULT", "kill=1", 1);
	assert_int_equal(disk_fault_from_env(NULL), 0);
	assert_int_equal(disk_publish(&dir, "a", span_str("x"), NULL), 0);
	unsetenv("VARVE_FAULT");
}

#endif

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_directory_is_named),
		TEST(modes_hold_whatever_the_umask),
		TEST(mkdir_again_is_fine_but_not_over_a_file),
		TEST(bytes_go_around),
		TEST(only_regular_files_are_read),
		TEST(read_all_is_bounded),
		TEST(renames),
		TEST(publish_never_replaces),
		TEST(temporary_files_have_no_name),
		TEST(short_and_interrupted_calls_go_on),
		TEST(without_noreplace_and_tmpfile),
		TEST(listing),
		TEST(locks_exclude),
		TEST(a_killed_holder_leaves_no_lock),
		TEST(a_lock_on_a_removed_file_is_none),
		TEST(room_and_readonly),
		TEST(the_hook_sees_every_step),
		TEST(a_publish_that_fails_leaves_nothing),
		TEST(a_failed_step_is_not_done),
#ifdef VARVE_FAULTS
		TEST(faults_are_set_from_the_environment),
		TEST(the_log_can_be_replayed),
#else
		TEST(faults_need_a_build_with_them),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
