/*
 * cut: preloaded, it makes of a process that kills itself (VARVE_FAULT=kill=N)
 * one whose machine lost its power: what was not synced by then is taken back,
 * the latest first.  So it is once more when the process ends by itself, as all
 * that it said is to be durable.
 *
 * CUT=dropped   all of it
 *     zeros     bytes alone: files have their length, with zeros in them
 *     random    each change, or not, by CUT_SEED
 * CUT_BELOW=DIR:...   where; of one file system
 * CUT_GRAVE=DIR       on it, for what was removed and may come back
 * CUT_ALIAS=DIR=DIR   a bind mount, out of which nothing can be moved, and the
 *                     directory that is mounted there
 *
 * A name is durable once its directory was synced, a rename once both were,
 * bytes and attributes once their file or directory was; syncfs() makes all
 * durable.  That is less than file systems keep.  Attributes that are set by a
 * path are not followed: only those of what is staged are, all before a
 * syncfs().
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_ROOM 4200
#define XATTR_ROOM 65536

/* One that is not durable yet.  Of a name: from is its directory, and to the file
 * that was created, or the directory it was moved to.  Of bytes and attributes:
 * from is what has them. */
struct change {
	enum { NONE, MOVE, CREATE, REMOVE, BYTES, MODE, OWNER, TIME, XATTR } what;
	int from, to;
	ino_t from_inode, to_inode;
	bool from_synced, to_synced;
	struct timespec from_time, to_time;
	char name[256], as[256];	/* as: also of an attribute */
	unsigned flags, grave;
	struct stat before;
	char path[PATH_ROOM];
	void *value;
	ssize_t len;			/* of value; -1: it was not there */
};

static struct change **changes;
static size_t count;
static unsigned graves;
static const char *how, *below, *grave, *alias;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Places. */

static bool is_below(const char *path)
{
	for (const char *at = below; at && *at;) {
		size_t len = strcspn(at, ":");

		if (!strncmp(path, at, len) &&
		    (path[len] == '\0' || path[len] == '/'))
			return true;
		at += len + (at[len] == ':');
	}
	return false;
}

static bool path_of(int fd, char out[PATH_ROOM])
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, PATH_ROOM - 300);
	out[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

static bool fd_is_below(int fd)
{
	char path[PATH_ROOM];

	return how && path_of(fd, path) && is_below(path);
}

static void unalias(char path[PATH_ROOM])
{
	const char *to = alias ? strchr(alias, '=') : NULL;
	size_t len = to ? (size_t)(to - alias) : 0;
	char other[PATH_ROOM];

	if (!to || strncmp(path, alias, len) != 0)
		return;
	snprintf(other, sizeof(other), "%s%.*s", to + 1,
		 (int)(PATH_ROOM - 1 - strlen(to + 1)), path + len);
	strcpy(path, other);
}

static void set_times(int fd, const struct timespec *mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *mtime };

	syscall(SYS_utimensat, fd, NULL, times, 0);
}

/* The directory that a name is in, as fd and what it is; -1: not below. */
static int above(int dirfd, const char *name, char path[PATH_ROOM],
		 char base[256], ino_t *inode, struct timespec *mtime)
{
	const char *slash = strrchr(name, '/');
	char dir[PATH_ROOM] = ".";
	struct stat st;
	int fd;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - name), name);
	fd = (int)syscall(SYS_openat, dirfd, dir, O_RDONLY | O_DIRECTORY |
			  O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	snprintf(base, 256, "%s", slash ? slash + 1 : name);
	if (!path_of(fd, path) || fstat(fd, &st) < 0) {
		close(fd);
		return -1;
	}
	strcat(path, "/");
	strcat(path, base);
	if (!is_below(path)) {
		close(fd);
		return -1;
	}
	*inode = st.st_ino;
	*mtime = st.st_mtim;
	return fd;
}

/* What is not durable. */

static void change_free(struct change *c)
{
	if (c->from >= 0)
		close(c->from);
	if (c->to >= 0)
		close(c->to);
	free(c->value);
	free(c);
}

static struct change *change_new(int what)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->what = what;
	c->from = c->to = -1;
	c->to_synced = true;
	return c;
}

static void keep(struct change *c)
{
	changes = realloc(changes, (count + 1) * sizeof(*changes));
	if (!changes)
		abort();
	changes[count++] = c;
}

static struct change *named(int what, int dirfd, const char *name)
{
	struct change *c;

	if (!how)
		return NULL;
	c = change_new(what);
	c->from = above(dirfd, name, c->path, c->name, &c->from_inode,
			&c->from_time);
	if (c->from >= 0)
		return c;
	change_free(c);
	return NULL;
}

/* Done, or not: then it never was. */
static void settle(struct change *c, long r)
{
	int code = errno;

	if (c && r >= 0)
		keep(c);
	else if (c)
		change_free(c);
	errno = code;
}

static void grave_path(const struct change *c, char out[PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s/%d.%u", grave, (int)getpid(), c->grave);
}

static void is_durable(struct change *c)
{
	char path[PATH_ROOM];

	if (c->what == REMOVE) {
		grave_path(c, path);
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
		syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
	}
	change_free(c);
}

static void sync_all(bool all, ino_t inode)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		struct change *c = changes[i];

		c->from_synced |= all || c->from_inode == inode;
		c->to_synced |= all || c->to_inode == inode;
		if (c->from_synced && c->to_synced)
			is_durable(c);
		else
			changes[left++] = c;
	}
	count = left;
}

/* The cut. */

static void fill_zeros(int fd, off_t from, const struct stat *now)
{
	char *zeros = calloc(1, (size_t)(now->st_size - from) + 1);

	if (zeros)
		syscall(SYS_pwrite64, fd, zeros, now->st_size - from, from);
	free(zeros);
	set_times(fd, &now->st_mtim);
}

static void lose_bytes(const struct change *c, bool zeros)
{
	int fd = c->what == CREATE ? c->to : c->from;
	off_t from = c->what == CREATE ? 0 : c->before.st_size;
	struct stat now;

	if (fd < 0 || (c->what == CREATE && c->to_synced) ||
	    fstat(fd, &now) < 0 || now.st_size <= from)
		return;
	if (zeros)
		fill_zeros(fd, from, &now);
	else
		syscall(SYS_ftruncate, fd, from);
}

static void lose_attribute(const struct change *c)
{
	const struct stat *st = &c->before;

	if (c->what == MODE)
		syscall(SYS_fchmod, c->from, st->st_mode & 07777);
	if (c->what == OWNER) {
		syscall(SYS_fchown, c->from, st->st_uid, st->st_gid);
		syscall(SYS_fchmod, c->from, st->st_mode & 07777);
	}
	if (c->what == TIME)
		set_times(c->from, &st->st_mtim);
	if (c->what == XATTR && c->len >= 0)
		syscall(SYS_fsetxattr, c->from, c->as, c->value, c->len, 0);
	else if (c->what == XATTR)
		syscall(SYS_fremovexattr, c->from, c->as);
}

static void lose_name(struct change *c)
{
	char path[PATH_ROOM];
	long r = -1;

	if (c->what == MOVE) {
		r = syscall(SYS_renameat2, c->to, c->as, c->from, c->name,
			    c->flags & RENAME_EXCHANGE ? RENAME_EXCHANGE :
							 RENAME_NOREPLACE);
	} else if (c->what == CREATE) {
		r = syscall(SYS_unlinkat, c->from, c->name, 0);
		if (r < 0)
			r = syscall(SYS_unlinkat, c->from, c->name,
				    AT_REMOVEDIR);
	} else {
		grave_path(c, path);
		unalias(c->path);
		r = syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, c->path,
			    RENAME_NOREPLACE);
	}
	if (r < 0)
		return;
	set_times(c->from, &c->from_time);
	if (c->what == MOVE)
		set_times(c->to, &c->to_time);
}

static void lose(struct change *c)
{
	bool zeros = !strcmp(how, "zeros");

	if (!strcmp(how, "random") && (random() & 1))
		return;
	if (c->what == BYTES || c->what == CREATE)
		lose_bytes(c, zeros);
	if (zeros)
		return;
	if (c->what >= MODE)
		lose_attribute(c);
	else if (c->what != BYTES && !(c->what == CREATE && c->from_synced))
		lose_name(c);
}

static void cut(void)
{
	while (count > 0) {
		struct change *c = changes[--count];

		lose(c);
		change_free(c);
	}
}

__attribute__((constructor)) static void begin(void)
{
	struct rlimit files;

	how = getenv("CUT");
	below = getenv("CUT_BELOW");
	grave = getenv("CUT_GRAVE");
	alias = getenv("CUT_ALIAS");
	if (how && !*how)
		how = NULL;
	srandom((unsigned)atoi(getenv("CUT_SEED") ? getenv("CUT_SEED") : "1"));
	/* what it runs is somebody else */
	unsetenv("LD_PRELOAD");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

__attribute__((destructor)) static void end(void)
{
	pthread_mutex_lock(&lock);
	if (how)
		cut();
	how = NULL;
	pthread_mutex_unlock(&lock);
}

int kill(pid_t pid, int signal)
{
	pthread_mutex_lock(&lock);
	if (signal == SIGKILL && pid == getpid() && how)
		cut();
	else
		pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_kill, pid, signal);
}

/* What is followed. */

static struct change *moving(int from, const char *name, int to,
			     const char *as, unsigned flags)
{
	struct change *c = named(MOVE, from, name);
	char path[PATH_ROOM];

	if (!c)
		return NULL;
	c->to = above(to, as, path, c->as, &c->to_inode, &c->to_time);
	c->to_synced = c->to < 0;
	c->flags = flags;
	return c;
}

int renameat2(int from, const char *name, int to, const char *as,
	      unsigned flags)
{
	int (*real)(int, const char *, int, const char *, unsigned);
	struct change *c;
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "renameat2");
	pthread_mutex_lock(&lock);
	c = moving(from, name, to, as, flags);
	r = real(from, name, to, as, flags);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

int renameat(int from, const char *name, int to, const char *as)
{
	struct change *c;
	int r;

	pthread_mutex_lock(&lock);
	c = moving(from, name, to, as, 0);
	r = (int)syscall(SYS_renameat2, from, name, to, as, 0);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

int openat64(int dirfd, const char *name, int flags, ...);
int openat64(int dirfd, const char *name, int flags, ...)
{
	struct change *c = NULL;
	struct stat st;
	mode_t mode = 0;
	va_list ap;
	int fd;

	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	pthread_mutex_lock(&lock);
	if ((flags & O_CREAT) &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		c = named(CREATE, dirfd, name);
	fd = (int)syscall(SYS_openat, dirfd, name, flags, mode);
	if (c && fd >= 0 && fstat(fd, &st) == 0) {
		c->to = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		c->to_inode = st.st_ino;
		c->to_synced = false;
	}
	settle(c, fd);
	pthread_mutex_unlock(&lock);
	return fd;
}

/* A name made by one call. */
#define MAKES(call, dirfd, name)                                               \
	do {                                                                   \
		struct change *c;                                              \
		int r;                                                         \
                                                                               \
		pthread_mutex_lock(&lock);                                     \
		c = named(CREATE, dirfd, name);                                \
		r = (int)(call);                                               \
		settle(c, r);                                                  \
		pthread_mutex_unlock(&lock);                                   \
		return r;                                                      \
	} while (0)

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	MAKES(syscall(SYS_mkdirat, dirfd, name, mode), dirfd, name);
}

int symlinkat(const char *target, int dirfd, const char *name)
{
	MAKES(syscall(SYS_symlinkat, target, dirfd, name), dirfd, name);
}

int mknodat(int dirfd, const char *name, mode_t mode, dev_t dev)
{
	MAKES(syscall(SYS_mknodat, dirfd, name, mode, (unsigned)dev), dirfd,
	      name);
}

int linkat(int from, const char *name, int dirfd, const char *as, int flags)
{
	MAKES(syscall(SYS_linkat, from, name, dirfd, as, flags), dirfd, as);
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	int names = 0;

	while (dir && readdir(dir))
		names++;
	if (dir)
		closedir(dir);
	return dir && names == 2;
}

/* To where it can come back from. */
static int bury(struct change *c, int flags)
{
	char path[PATH_ROOM], inside[PATH_ROOM];
	struct stat st;

	if (fstatat(c->from, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	snprintf(inside, sizeof(inside), "%s", c->path);
	unalias(inside);
	errno = !S_ISDIR(st.st_mode) ? (flags & AT_REMOVEDIR ? ENOTDIR : 0) :
		!(flags & AT_REMOVEDIR) ? EISDIR :
		!is_empty(inside) ? ENOTEMPTY : 0;
	if (errno)
		return -1;
	c->grave = ++graves;
	grave_path(c, path);
	return (int)syscall(SYS_renameat2, AT_FDCWD, inside, AT_FDCWD, path, 0);
}

int unlinkat(int dirfd, const char *name, int flags)
{
	struct change *c;
	int r;

	pthread_mutex_lock(&lock);
	c = named(REMOVE, dirfd, name);
	r = c ? bury(c, flags) :
		(int)syscall(SYS_unlinkat, dirfd, name, flags);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

/* Attributes and bytes. */

static struct change *about(int what, int fd)
{
	struct change *c;

	if (!fd_is_below(fd))
		return NULL;
	c = change_new(what);
	c->from = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (c->from >= 0 && fstat(fd, &c->before) == 0) {
		c->from_inode = c->before.st_ino;
		return c;
	}
	change_free(c);
	return NULL;
}

#define SETS(kind, call, fd)                                                   \
	do {                                                                   \
		struct change *c;                                              \
		int r;                                                         \
                                                                               \
		pthread_mutex_lock(&lock);                                     \
		c = about(kind, fd);                                           \
		r = (int)(call);                                               \
		settle(c, r);                                                  \
		pthread_mutex_unlock(&lock);                                   \
		return r;                                                      \
	} while (0)

int fchmod(int fd, mode_t mode)
{
	SETS(MODE, syscall(SYS_fchmod, fd, mode), fd);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	SETS(OWNER, syscall(SYS_fchown, fd, uid, gid), fd);
}

int futimens(int fd, const struct timespec times[2])
{
	SETS(TIME, syscall(SYS_utimensat, fd, NULL, times, 0), fd);
}

static struct change *about_xattr(int fd, const char *name)
{
	struct change *c = about(XATTR, fd);

	if (!c)
		return NULL;
	snprintf(c->as, sizeof(c->as), "%s", name);
	c->value = malloc(XATTR_ROOM);
	c->len = c->value ? syscall(SYS_fgetxattr, fd, name, c->value,
				    XATTR_ROOM) : -1;
	return c;
}

int fsetxattr(int fd, const char *name, const void *value, size_t len,
	      int flags);
int fsetxattr(int fd, const char *name, const void *value, size_t len,
	      int flags)
{
	struct change *c;
	int r;

	pthread_mutex_lock(&lock);
	c = about_xattr(fd, name);
	r = (int)syscall(SYS_fsetxattr, fd, name, value, len, flags);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

int fremovexattr(int fd, const char *name);
int fremovexattr(int fd, const char *name)
{
	struct change *c;
	int r;

	pthread_mutex_lock(&lock);
	c = about_xattr(fd, name);
	r = (int)syscall(SYS_fremovexattr, fd, name);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	struct change *c;
	ssize_t r;

	pthread_mutex_lock(&lock);
	c = about(BYTES, fd);
	r = syscall(SYS_pwrite64, fd, data, len, offset);
	settle(c, r);
	pthread_mutex_unlock(&lock);
	return r;
}

/* What makes durable. */

static int synced(int fd, int r)
{
	struct stat st;
	int code = errno;

	if (r == 0 && how && fstat(fd, &st) == 0) {
		pthread_mutex_lock(&lock);
		sync_all(false, st.st_ino);
		pthread_mutex_unlock(&lock);
	}
	errno = code;
	return r;
}

int fsync(int fd)
{
	return synced(fd, (int)syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
	return synced(fd, (int)syscall(SYS_fdatasync, fd));
}

int syncfs(int fd)
{
	int r = (int)syscall(SYS_syncfs, fd);

	pthread_mutex_lock(&lock);
	if (r == 0 && fd_is_below(fd))
		sync_all(true, 0);
	pthread_mutex_unlock(&lock);
	return r;
}
