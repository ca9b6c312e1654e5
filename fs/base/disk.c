#include "fs/base/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/base/id.h"

#define TEMP_NAME (sizeof("tmp/") + 32)
#define TEMP_TRIES 8
#define LOCK_TRIES 100

static disk_hook *the_hook;
static void *the_hook_arg;

void disk_set_hook(disk_hook *hook, void *arg)
{
	the_hook = hook;
	the_hook_arg = arg;
}

/* 0, or -1 and errno like a system call, so that both fail by one path. */
static int announce(const struct disk_dir *dir, enum disk_step step,
		    const char *name, const char *to, uint64_t offset,
		    struct span data)
{
	int r;

	if (!the_hook)
		return 0;
	r = the_hook(the_hook_arg, step, dir ? dir->path : "", name, to,
		     offset, data);
	if (r >= 0)
		return 0;
	errno = -r;
	return -1;
}

static int announce_name(const struct disk_dir *dir, enum disk_step step,
			 const char *name)
{
	return announce(dir, step, name, NULL, 0, span_of(NULL, 0));
}

/* errno into words: "cannot VERB 'DIR/NAME': Why". */
static int fail(const struct disk_dir *dir, const char *verb,
		const char *name, struct err *err)
{
	int r;

	if (!strcmp(name, "."))
		r = err_sys(err, "cannot %s '%s'", verb, dir->path);
	else
		r = err_sys(err, "cannot %s '%s/%s'", verb, dir->path, name);
	if (r == -ENOSPC || r == -EDQUOT)
		err_hint(err, "make room on the file system of '%s'",
			 dir->path);
	return r;
}

void disk_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_retry(int at, const char *name, int flags, mode_t mode)
{
	int fd;

	do {
		fd = openat(at, name, flags | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

int disk_open(const char *path, struct disk_dir *ret, struct err *err)
{
	struct disk_dir dir = { .file_mode = 0600, .dir_mode = 0700 };

	dir.fd = open_retry(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (dir.fd < 0)
		return err_sys(err, "cannot open the directory '%s'", path);
	dir.path = strdup(path);
	if (!dir.path) {
		close(dir.fd);
		return err_nomem(err);
	}
	*ret = dir;
	return 0;
}

void disk_close(struct disk_dir *dir)
{
	if (!dir->path)
		return;
	disk_close_fd(&dir->fd);
	free(dir->path);
	dir->path = NULL;
}

int disk_mkdir(struct disk_dir *dir, const char *name, struct err *err)
{
	struct stat st;

	if (announce_name(dir, DISK_MKDIR, name) < 0)
		return fail(dir, "make the directory", name, err);
	if (mkdirat(dir->fd, name, dir->dir_mode) < 0) {
		if (errno != EEXIST)
			return fail(dir, "make the directory", name, err);
		if (fstatat(dir->fd, name, &st, 0) < 0)
			return fail(dir, "examine", name, err);
		if (!S_ISDIR(st.st_mode))
			return err_set(err, -ENOTDIR,
				       "'%s/%s' is not a directory",
				       dir->path, name);
		return 0;
	}
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(dir, "examine", name, err);
	if ((st.st_mode & 0777) != dir->dir_mode &&
	    fchmodat(dir->fd, name, dir->dir_mode, 0) < 0)
		return fail(dir, "set the mode of", name, err);
	return 0;
}

/* Undo what the umask took away; where it took nothing, ask for nothing: some
 * network file systems refuse every chmod. */
static int fix_mode(const struct disk_dir *dir, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if ((st.st_mode & 0777) == dir->file_mode)
		return 0;
	return fchmod(fd, dir->file_mode);
}

int disk_create(struct disk_dir *dir, const char *name, int *ret_fd,
		struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	int r;

	if (announce_name(dir, DISK_CREATE, name) < 0)
		return fail(dir, "create", name, err);
	fd = open_retry(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
			dir->file_mode);
	if (fd < 0)
		return fail(dir, "create", name, err);
	if (fix_mode(dir, fd) < 0) {
		r = fail(dir, "set the mode of", name, err);
		disk_unlink(dir, name, NULL);
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int disk_open_read(struct disk_dir *dir, const char *name, int *ret_fd,
		   struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	struct stat st;

	/* O_NONBLOCK: a FIFO in the way must not hang the reader. */
	fd = open_retry(dir->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(dir, "open", name, err);
	if (!S_ISREG(st.st_mode))
		return err_corrupt(err, "'%s/%s' is not a regular file",
				   dir->path, name);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int temp_name(char out[TEMP_NAME], struct err *err)
{
	uint8_t raw[16];
	int r = random_bytes(raw, sizeof(raw), err);

	if (r < 0)
		return r;
	memcpy(out, "tmp/", 4);
	hex_write(raw, sizeof(raw), out + 4);
	return 0;
}

/* For file systems without O_TMPFILE, NFS above all. */
static int open_temp_named(struct disk_dir *dir, int *ret_fd, struct err *err)
{
	char name[TEMP_NAME];
	int fd = -1;
	int r;

	for (int i = 0; i < TEMP_TRIES && fd < 0; i++) {
		r = temp_name(name, err);
		if (r < 0)
			return r;
		fd = open_retry(dir->fd, name,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return fail(dir, "create a file in", DISK_TEMP, err);
	if (unlinkat(dir->fd, name, 0) < 0) {
		r = fail(dir, "remove", name, err);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int disk_open_temp(struct disk_dir *dir, int *ret_fd, struct err *err)
{
	int fd;

	if (announce_name(dir, DISK_CREATE, DISK_TEMP) < 0)
		return fail(dir, "create a file in", DISK_TEMP, err);
	fd = open_retry(dir->fd, DISK_TEMP, O_TMPFILE | O_RDWR | O_EXCL, 0600);
	if (fd < 0)
		return open_temp_named(dir, ret_fd, err);
	*ret_fd = fd;
	return 0;
}

int disk_write(struct disk_dir *dir, const char *name, int fd,
	       uint64_t offset, struct span data, struct err *err)
{
	if (announce(dir, DISK_WRITE, name, NULL, offset, data) < 0)
		return fail(dir, "write", name, err);
	while (data.len > 0) {
		ssize_t n = pwrite(fd, data.data, data.len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return fail(dir, "write", name, err);
		}
		data.data += n;
		data.len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int disk_read(struct disk_dir *dir, const char *name, int fd, uint64_t offset,
	      void *data, size_t len, struct err *err)
{
	uint8_t *at = data;

	while (len > 0) {
		ssize_t n = 0;

		/* An offset past what files can have is past their end. */
		if (len <= INT64_MAX && offset <= INT64_MAX - len)
			n = pread(fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(dir, "read", name, err);
		if (n == 0)
			return err_corrupt(err, "'%s/%s' ends early: nothing "
					   "at offset %" PRIu64, dir->path,
					   name, offset);
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int too_big(const struct disk_dir *dir, const char *name, size_t max,
		   struct err *err)
{
	return err_set(err, -EFBIG, "'%s/%s' is larger than %zu bytes",
		       dir->path, name, max);
}

/* Append all that fd gives; the caller takes back what a failure left. */
static int read_rest(struct disk_dir *dir, const char *name, int fd,
		     size_t max, struct buf *buf, struct err *err)
{
	size_t got = 0;
	ssize_t n;

	do {
		if (buf_reserve(buf, 1) < 0)
			return err_nomem(err);
		n = pread(fd, buf->data + buf->len, buf->cap - buf->len,
			  (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(dir, "read", name, err);
		buf->len += (size_t)n;
		got += (size_t)n;
		if (got > max)
			return too_big(dir, name, max, err);
	} while (n != 0);
	return 0;
}

int disk_read_all(struct disk_dir *dir, const char *name, size_t max,
		  struct buf *buf, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	size_t before = buf->len;
	struct stat st;
	int r;

	r = disk_open_read(dir, name, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return fail(dir, "examine", name, err);
	if ((uint64_t)st.st_size > max)
		return too_big(dir, name, max, err);
	/* One more than the size, so that the end is seen without growing. */
	if (buf_reserve(buf, (size_t)st.st_size + 1) < 0)
		return err_nomem(err);
	r = read_rest(dir, name, fd, max, buf, err);
	if (r < 0)
		buf->len = before;
	return r;
}

/*
 * Not even EINTR is tried again: the kernel may have dropped the dirty pages
 * and would then call the second attempt a success.
 */
int disk_sync(struct disk_dir *dir, const char *name, int fd,
	      struct err *err)
{
	if (announce_name(dir, DISK_SYNC, name) < 0 || fsync(fd) < 0)
		return fail(dir, "sync", name, err);
	return 0;
}

int disk_sync_dir(struct disk_dir *dir, const char *name, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;

	if (announce_name(dir, DISK_SYNC_DIR, name) < 0)
		return fail(dir, "sync the directory", name, err);
	fd = open_retry(dir->fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fail(dir, "open the directory", name, err);
	/* EINVAL: this file system syncs no directories; nothing to wait for. */
	if (fsync(fd) < 0 && errno != EINVAL)
		return fail(dir, "sync the directory", name, err);
	return 0;
}

static int fail_rename(const struct disk_dir *dir, const char *from,
		       const char *to, struct err *err)
{
	int r = err_sys(err, "cannot rename '%s/%s' to '%s'", dir->path, from,
			to);

	if (r == -ENOSPC || r == -EDQUOT)
		err_hint(err, "make room on the file system of '%s'",
			 dir->path);
	return r;
}

int disk_rename(struct disk_dir *dir, const char *from, const char *to,
		struct err *err)
{
	if (announce(dir, DISK_RENAME, from, to, 0, span_of(NULL, 0)) < 0 ||
	    renameat(dir->fd, from, dir->fd, to) < 0)
		return fail_rename(dir, from, to, err);
	return 0;
}

static bool same_file(int at, const char *a, const char *b)
{
	struct stat x, y;

	return fstatat(at, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(at, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/*
 * NFS has no RENAME_NOREPLACE, but its link() refuses a name that is taken.
 * A reply lost on the way makes a link that was made look refused, so look
 * which file stands there.
 */
static int rename_by_link(int at, const char *from, const char *to)
{
	if (linkat(at, from, at, to, 0) < 0) {
		int code = errno;

		if (code != EEXIST || !same_file(at, from, to)) {
			errno = code;
			return -1;
		}
	}
	/* Should this fail, both names stand; tmp/ is swept some day. */
	unlinkat(at, from, 0);
	return 0;
}

int disk_rename_new(struct disk_dir *dir, const char *from, const char *to,
		    struct err *err)
{
	int at = dir->fd;

	if (announce(dir, DISK_RENAME, from, to, 0, span_of(NULL, 0)) < 0)
		return fail_rename(dir, from, to, err);
	if (renameat2(at, from, at, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return fail_rename(dir, from, to, err);
	if (rename_by_link(at, from, to) < 0)
		return fail_rename(dir, from, to, err);
	return 0;
}

int disk_unlink(struct disk_dir *dir, const char *name, struct err *err)
{
	if (announce_name(dir, DISK_UNLINK, name) < 0 ||
	    unlinkat(dir->fd, name, 0) < 0)
		return fail(dir, "remove", name, err);
	return 0;
}

static int write_synced(struct disk_dir *dir, const char *name,
			struct span data, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	int r;

	r = disk_create(dir, name, &fd, err);
	if (r < 0)
		return r;
	r = disk_write(dir, name, fd, 0, data, err);
	if (r == 0)
		r = disk_sync(dir, name, fd, err);
	if (r < 0)
		disk_unlink(dir, name, NULL);
	return r;
}

int disk_publish(struct disk_dir *dir, const char *name, struct span data,
		 struct err *err)
{
	CLEANUP(free_ptr) char *parent = NULL;
	const char *slash = strrchr(name, '/');
	char temp[TEMP_NAME];
	int r;

	parent = slash ? strndup(name, (size_t)(slash - name)) : strdup(".");
	if (!parent)
		return err_nomem(err);
	r = temp_name(temp, err);
	if (r < 0)
		return r;
	r = write_synced(dir, temp, data, err);
	if (r < 0)
		return r;
	r = disk_rename_new(dir, temp, name, err);
	if (r < 0) {
		disk_unlink(dir, temp, NULL);
		return r;
	}
	r = disk_sync_dir(dir, parent, err);
	if (r < 0)
		disk_unlink(dir, name, NULL);
	return r;
}

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

int disk_list(struct disk_dir *dir, const char *name,
	      int (*each)(void *arg, const char *name, struct err *err),
	      void *arg, struct err *err)
{
	CLEANUP(close_listing) DIR *listing = NULL;
	struct dirent *entry;
	int fd, r;

	fd = open_retry(dir->fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fail(dir, "list", name, err);
	listing = fdopendir(fd);
	if (!listing) {
		r = fail(dir, "list", name, err);
		close(fd);
		return r;
	}
	while (errno = 0, (entry = readdir(listing))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = each(arg, entry->d_name, err);
		if (r != 0)
			return r;
	}
	return errno ? fail(dir, "list", name, err) : 0;
}

/*
 * A shared lock needs no more than reading, so that who may only read the
 * store can still take one.
 */
static int open_lock(struct disk_dir *dir, const char *name,
		     enum disk_lock_mode mode)
{
	bool created = false;
	int fd;

	fd = open_retry(dir->fd, name, O_RDWR | O_NOCTTY, 0);
	if (fd < 0 && errno == ENOENT) {
		if (announce_name(dir, DISK_CREATE, name) < 0)
			return -1;
		fd = open_retry(dir->fd, name, O_RDWR | O_CREAT | O_NOCTTY,
				dir->file_mode);
		created = fd >= 0;
	}
	if (fd < 0 && mode == DISK_LOCK_SHARED &&
	    (errno == EROFS || errno == EACCES || errno == EPERM))
		fd = open_retry(dir->fd, name, O_RDONLY | O_NOCTTY, 0);
	if (created && fix_mode(dir, fd) < 0) {
		int code = errno;

		close(fd);
		errno = code;
		return -1;
	}
	return fd;
}

static int take_lock(const struct disk_dir *dir, const char *name, int fd,
		     int op, struct err *err)
{
	int r;

	do {
		r = flock(fd, op);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(err, -EBUSY,
			       "'%s/%s' is locked by another process",
			       dir->path, name);
	r = fail(dir, "lock", name, err);
	if (r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS)
		err_hint(err, "the file system of '%s' gives no locks "
			 "(on NFS: is lockd running, or is it mounted "
			 "with 'nolock'?)", dir->path);
	return r;
}

/* Its last holder may have removed the file while we waited for it. */
static bool lock_is_current(const struct disk_dir *dir, const char *name,
			    int fd)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 &&
	       fstatat(dir->fd, name, &named, 0) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

int disk_lock(struct disk_dir *dir, const char *name,
	      enum disk_lock_mode mode, bool wait, int *ret_fd,
	      struct err *err)
{
	int op = mode == DISK_LOCK_SHARED ? LOCK_SH : LOCK_EX;

	if (!wait)
		op |= LOCK_NB;
	for (int i = 0; i < LOCK_TRIES; i++) {
		CLEANUP(disk_close_fd) int fd = open_lock(dir, name, mode);
		int r;

		if (fd < 0)
			return fail(dir, "open the lock", name, err);
		r = take_lock(dir, name, fd, op, err);
		if (r < 0)
			return r;
		if (lock_is_current(dir, name, fd)) {
			*ret_fd = fd;
			fd = -1;
			return 0;
		}
	}
	return err_set(err, -EBUSY, "'%s/%s' is removed as often as it is "
		       "locked", dir->path, name);
}

int disk_free_bytes(struct disk_dir *dir, uint64_t *ret, struct err *err)
{
	struct statvfs st;

	if (fstatvfs(dir->fd, &st) < 0)
		return fail(dir, "ask for the free space of", ".", err);
	*ret = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

bool disk_is_readonly(struct disk_dir *dir)
{
	struct statvfs st;

	/* root passes the second test on a read-only mount of old kernels */
	if (fstatvfs(dir->fd, &st) == 0 && (st.f_flag & ST_RDONLY))
		return true;
	return faccessat(dir->fd, ".", W_OK, AT_EACCESS) < 0;
}

int disk_step_catalog(const char *path, struct err *err)
{
	if (announce_name(NULL, DISK_CATALOG, path) < 0)
		return err_sys(err, "cannot commit to '%s'", path);
	return 0;
}

int disk_step_outside(const char *path, const char *what, struct err *err)
{
	if (announce_name(NULL, DISK_OUTSIDE, path) < 0)
		return err_sys(err, "cannot %s '%s'", what, path);
	return 0;
}
