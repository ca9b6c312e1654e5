/*
 * treecmp: two trees compared in everything stat, read, lseek, getxattr and
 * lsattr can tell.  One line a difference: "PATH: WHAT: A | B".
 *
 * usage: treecmp [--holes] [--flags] [--ignore CLASS[,CLASS...]] A B
 *
 * Exit status 0: the same; 1: differences; 2: wrong use.  A name or file that
 * cannot be read is a difference.  Classes: see classes[] below.  Of top
 * directories everything but the name is compared; --ignore top leaves it out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK (1u << 20)
#define SLOTS (1u << 21)	/* names of files with several */
#define PATH_LEN 70000

enum class {
	DIR_MTIME = 1, MTIME = 2, MTIME_NS = 4, OWNER = 8, MODE = 16,
	XATTRS = 32, SOCKETS = 64, NLINK = 128, DIR_NLINK = 256,
	CONTENT = 512, LINKS = 1024, TOP = 2048, TRUSTED = 4096, ACLS = 8192,
};

static const struct {
	const char *name;
	unsigned class;
} classes[] = {
	{ "mtime-of-dirs", DIR_MTIME }, { "mtime", MTIME },
	{ "mtime-ns", MTIME_NS },	{ "owner", OWNER },
	{ "mode", MODE },		{ "xattrs", XATTRS },
	{ "trusted", TRUSTED },		{ "acls", ACLS },
	{ "sockets", SOCKETS },		{ "nlink", NLINK },
	{ "nlink-of-dirs", DIR_NLINK }, { "content", CONTENT },
	{ "links", LINKS },		{ "top", TOP },
};

static unsigned ignored;
static bool want_holes, want_flags;
static unsigned long differences, nodes;
static char *block[2];

/* Where the walk is; the same path in both. */
static char path[PATH_LEN];
static size_t path_len;

static void put_name(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c >= 0x7f || *c == '\\')
			fprintf(out, "\\x%02x", *c);
		else
			putc(*c, out);
	}
}

__attribute__((format(printf, 1, 2)))
static void differ(const char *format, ...)
{
	va_list args;

	differences++;
	put_name(stdout, path_len ? path : "/");
	fputs(": ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void *need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "treecmp: out of memory\n");
		exit(2);
	}
	return memory;
}

/*
 * Hard links: the first path at which each inode was met, per side.  Both
 * sides are walked in one order, so groups are the same if these paths are.
 */

struct first {
	uint64_t dev, ino;
	char *path;
};

static struct first *firsts[2];
static unsigned first_count[2];

static const char *first_path(int side, const struct stat *st)
{
	uint64_t slot = (st->st_ino ^ st->st_dev << 17) *
			UINT64_C(0x9e3779b97f4a7c15) >> 43;

	for (;; slot++) {
		struct first *first = &firsts[side][slot % SLOTS];

		if (!first->path) {
			if (++first_count[side] > SLOTS / 2)
				need(NULL);
			first->dev = st->st_dev;
			first->ino = st->st_ino;
			first->path = need(strdup(path));
			return first->path;
		}
		if (first->dev == st->st_dev && first->ino == st->st_ino)
			return first->path;
	}
}

static void compare_links(const struct stat *a, const struct stat *b)
{
	const char *first_a, *first_b;

	if (ignored & LINKS || S_ISDIR(a->st_mode))
		return;
	if (a->st_nlink < 2 && b->st_nlink < 2)
		return;
	first_a = first_path(0, a);
	first_b = first_path(1, b);
	if (strcmp(first_a, first_b) != 0)
		differ("hard link of: %s | %s", first_a, first_b);
}

/*
 * Attributes.
 */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "link";
	case S_IFCHR: return "char";
	case S_IFBLK: return "block";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	}
	return "?";
}

static void compare_mtime(const struct stat *a, const struct stat *b)
{
	if (ignored & MTIME ||
	    (S_ISDIR(a->st_mode) && ignored & DIR_MTIME))
		return;
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	    (!(ignored & MTIME_NS) &&
	     a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		differ("mtime: %lld.%09ld | %lld.%09ld",
		       (long long)a->st_mtim.tv_sec, a->st_mtim.tv_nsec,
		       (long long)b->st_mtim.tv_sec, b->st_mtim.tv_nsec);
}

static void compare_stat(const struct stat *a, const struct stat *b)
{
	bool dir = S_ISDIR(a->st_mode);

	if (!(ignored & MODE) &&
	    (a->st_mode & 07777) != (b->st_mode & 07777))
		differ("mode: %04o | %04o", a->st_mode & 07777,
		       b->st_mode & 07777);
	if (!(ignored & OWNER) && a->st_uid != b->st_uid)
		differ("uid: %u | %u", a->st_uid, b->st_uid);
	if (!(ignored & OWNER) && a->st_gid != b->st_gid)
		differ("gid: %u | %u", a->st_gid, b->st_gid);
	if (!dir && a->st_size != b->st_size)
		differ("size: %lld | %lld", (long long)a->st_size,
		       (long long)b->st_size);
	if (!(ignored & NLINK) && !(dir && ignored & DIR_NLINK) &&
	    a->st_nlink != b->st_nlink)
		differ("nlink: %lu | %lu", (unsigned long)a->st_nlink,
		       (unsigned long)b->st_nlink);
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) &&
	    a->st_rdev != b->st_rdev)
		differ("device: %u,%u | %u,%u", major(a->st_rdev),
		       minor(a->st_rdev), major(b->st_rdev),
		       minor(b->st_rdev));
	compare_mtime(a, b);
}

/* A path that reaches any name below a descriptor, whatever its type. */
static void place(int dir, const char *name, char out[PATH_LEN])
{
	snprintf(out, PATH_LEN, "/proc/self/fd/%d/%s", dir, name);
}

static bool is_ignored_xattr(const char *name)
{
	return (ignored & TRUSTED && !strncmp(name, "trusted.", 8)) ||
	       (ignored & ACLS && !strncmp(name, "system.posix_acl", 16));
}

static int by_string(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct xattrs {
	char list[65536];
	char *names[4096];
	size_t count;
};

static bool list_xattrs(const char *at, struct xattrs *xattrs, char side)
{
	ssize_t n = llistxattr(at, xattrs->list, sizeof(xattrs->list));

	xattrs->count = 0;
	if (n < 0 && errno == EOPNOTSUPP)
		n = 0;
	if (n < 0) {
		differ("cannot list xattrs of %c: %s", side, strerror(errno));
		return false;
	}
	for (char *name = xattrs->list; name < xattrs->list + n;
	     name += strlen(name) + 1) {
		if (!is_ignored_xattr(name) && xattrs->count < 4096)
			xattrs->names[xattrs->count++] = name;
	}
	qsort(xattrs->names, xattrs->count, sizeof(char *), by_string);
	return true;
}

static void compare_xattr(const char *at_a, const char *at_b,
			  const char *name)
{
	static char a[65537], b[65537];
	ssize_t na = lgetxattr(at_a, name, a, sizeof(a));
	ssize_t nb = lgetxattr(at_b, name, b, sizeof(b));

	if (na < 0 || nb < 0)
		differ("cannot read xattr %s: %s", name, strerror(errno));
	else if (na != nb || memcmp(a, b, (size_t)na) != 0)
		differ("xattr %s: %zd bytes | %zd bytes, not the same", name,
		       na, nb);
}

static void compare_xattrs(int da, int db, const char *name)
{
	static char at_a[PATH_LEN], at_b[PATH_LEN];
	static struct xattrs a, b;
	size_t i = 0, j = 0;

	if (ignored & XATTRS)
		return;
	place(da, name, at_a);
	place(db, name, at_b);
	if (!list_xattrs(at_a, &a, 'A') || !list_xattrs(at_b, &b, 'B'))
		return;
	while (i < a.count || j < b.count) {
		int order = i == a.count ? 1 : j == b.count ? -1 :
			strcmp(a.names[i], b.names[j]);

		if (order < 0)
			differ("xattr %s: there | missing", a.names[i++]);
		else if (order > 0)
			differ("xattr %s: missing | there", b.names[j++]);
		else
			compare_xattr(at_a, at_b, a.names[i]), i++, j++;
	}
}

static void compare_flags(int a, int b)
{
	/* Not extents, encryption or inline data: how, not what is kept. */
	const int kept = FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL |
			 FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL |
			 FS_NOATIME_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL |
			 FS_NOCOW_FL | FS_PROJINHERIT_FL;
	int fa = 0, fb = 0;

	if (!want_flags)
		return;
	if (ioctl(a, FS_IOC_GETFLAGS, &fa) < 0)
		fa = 0;
	if (ioctl(b, FS_IOC_GETFLAGS, &fb) < 0)
		differ("cannot read flags of B: %s", strerror(errno));
	if ((fa & kept) != (fb & kept))
		differ("flags: %#x | %#x", fa & kept, fb & kept);
}

/*
 * Bytes.
 */

static off_t seek(int fd, off_t at, int whence, off_t size)
{
	off_t found = lseek(fd, at, whence);

	return found < 0 ? size : found;
}

static void compare_holes(int a, int b, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data_a = seek(a, at, SEEK_DATA, size);
		off_t data_b = seek(b, at, SEEK_DATA, size);
		off_t hole_a, hole_b;

		if (data_a != data_b) {
			differ("data from %lld on: at %lld | %lld",
			       (long long)at, (long long)data_a,
			       (long long)data_b);
			return;
		}
		if (data_a >= size)
			return;
		hole_a = seek(a, data_a, SEEK_HOLE, size);
		hole_b = seek(b, data_b, SEEK_HOLE, size);
		if (hole_a != hole_b) {
			differ("hole from %lld on: at %lld | %lld",
			       (long long)data_a, (long long)hole_a,
			       (long long)hole_b);
			return;
		}
		at = hole_a;
	}
}

static ssize_t read_block(int fd, char *out, off_t at)
{
	size_t done = 0;

	while (done < BLOCK) {
		ssize_t n = pread(fd, out + done, BLOCK - done,
				  at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Where both have a hole both read as zeros. */
static void compare_bytes(int a, int b, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data_a = seek(a, at, SEEK_DATA, size);
		off_t data_b = seek(b, at, SEEK_DATA, size);
		ssize_t na, nb, i = 0;

		at = data_a < data_b ? data_a : data_b;
		if (at >= size)
			return;
		na = read_block(a, block[0], at);
		if (na < 0)
			differ("cannot read A at %lld: %s", (long long)at,
			       strerror(errno));
		nb = read_block(b, block[1], at);
		if (nb < 0)
			differ("cannot read B at %lld: %s", (long long)at,
			       strerror(errno));
		if (na < 0 || nb < 0)
			return;
		while (i < na && i < nb && block[0][i] == block[1][i])
			i++;
		if (i < na || i < nb) {
			differ("content at %lld", (long long)at + i);
			return;
		}
		if (na == 0)
			return;
		at += na;
	}
}

static void compare_files(int da, int db, const char *name,
			  const struct stat *st)
{
	int a, b;

	if (ignored & CONTENT)
		return;
	a = openat(da, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (a < 0)
		differ("cannot open A: %s", strerror(errno));
	b = openat(db, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (b < 0)
		differ("cannot open B: %s", strerror(errno));
	if (a >= 0 && b >= 0) {
		compare_flags(a, b);
		if (want_holes)
			compare_holes(a, b, st->st_size);
		compare_bytes(a, b, st->st_size);
	}
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
}

static void compare_targets(int da, int db, const char *name)
{
	static char a[8192], b[8192];
	ssize_t na = readlinkat(da, name, a, sizeof(a));
	ssize_t nb = readlinkat(db, name, b, sizeof(b));

	if (na < 0 || nb < 0)
		differ("cannot read link: %s", strerror(errno));
	else if (na != nb || memcmp(a, b, (size_t)na) != 0)
		differ("target: %.*s | %.*s", (int)na, a, (int)nb, b);
}

/*
 * Directories.
 */

struct names {
	char **names;
	size_t count, cap;
};

static bool list(int dir, struct names *names, char side)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	memset(names, 0, sizeof(*names));
	if (!stream) {
		differ("cannot open directory %c: %s", side, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (errno = 0, (entry = readdir(stream))) {
		if (!strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		if (names->count == names->cap) {
			names->cap = names->cap * 2 + 64;
			names->names = need(reallocarray(names->names,
				names->cap, sizeof(char *)));
		}
		names->names[names->count++] = need(strdup(entry->d_name));
	}
	if (errno)
		differ("cannot list %c: %s", side, strerror(errno));
	closedir(stream);
	if (names->count)
		qsort(names->names, names->count, sizeof(char *), by_string);
	return true;
}

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

static void compare_dirs(int a, int b);

static void compare_node(int da, int db, const char *name)
{
	struct stat a, b;
	int fa, fb;

	nodes++;
	if (fstatat(da, name, &a, AT_SYMLINK_NOFOLLOW) < 0) {
		differ("cannot stat A: %s", strerror(errno));
		return;
	}
	if (fstatat(db, name, &b, AT_SYMLINK_NOFOLLOW) < 0) {
		differ("cannot stat B: %s", strerror(errno));
		return;
	}
	if ((a.st_mode & S_IFMT) != (b.st_mode & S_IFMT)) {
		differ("type: %s | %s", type_name(a.st_mode),
		       type_name(b.st_mode));
		return;
	}
	compare_stat(&a, &b);
	compare_links(&a, &b);
	compare_xattrs(da, db, name);
	if (S_ISLNK(a.st_mode))
		compare_targets(da, db, name);
	else if (S_ISREG(a.st_mode))
		compare_files(da, db, name, &a);
	if (!S_ISDIR(a.st_mode))
		return;
	fa = openat(da, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fb = openat(db, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fa < 0 || fb < 0) {
		differ("cannot open directory: %s", strerror(errno));
	} else {
		compare_flags(fa, fb);
		compare_dirs(fa, fb);
	}
	if (fa >= 0)
		close(fa);
	if (fb >= 0)
		close(fb);
}

/* path names the missing one already. */
static void only_on(int dir, const char *name, char side)
{
	struct stat st;

	if (ignored & SOCKETS &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(st.st_mode))
		return;
	differ("only in %c", side);
}

static void enter(const char *name)
{
	size_t len = strlen(name);

	if (path_len + len + 2 > sizeof(path)) {
		fprintf(stderr, "treecmp: paths are too long\n");
		exit(2);
	}
	if (path_len)
		path[path_len++] = '/';
	memcpy(path + path_len, name, len + 1);
	path_len += len;
}

static void compare_dirs(int a, int b)
{
	struct names na, nb;
	size_t i = 0, j = 0, above = path_len;
	bool listed = list(a, &na, 'A');

	listed = list(b, &nb, 'B') && listed;
	while (listed && (i < na.count || j < nb.count)) {
		int order = i == na.count ? 1 : j == nb.count ? -1 :
			strcmp(na.names[i], nb.names[j]);
		const char *name = order <= 0 ? na.names[i] : nb.names[j];

		enter(name);
		if (order == 0)
			compare_node(a, b, name);
		else
			only_on(order < 0 ? a : b, name,
				order < 0 ? 'A' : 'B');
		i += order <= 0;
		j += order >= 0;
		path_len = above;
		path[above] = 0;
	}
	names_free(&na);
	names_free(&nb);
}

static bool ignore(char *list)
{
	char *name;

	while ((name = strsep(&list, ","))) {
		size_t i = 0;

		while (i < sizeof(classes) / sizeof(*classes) &&
		       strcmp(classes[i].name, name) != 0)
			i++;
		if (i == sizeof(classes) / sizeof(*classes))
			return false;
		ignored |= classes[i].class;
	}
	return true;
}

static int open_top(const char *top)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "treecmp: %s: %s\n", top, strerror(errno));
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int i, a, b;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--holes"))
			want_holes = true;
		else if (!strcmp(argv[i], "--flags"))
			want_flags = true;
		else if (strcmp(argv[i], "--ignore") != 0 || ++i == argc ||
			 !ignore(argv[i]))
			argc = 0;
	}
	if (argc != i + 2) {
		fprintf(stderr, "usage: treecmp [--holes] [--flags] "
			"[--ignore CLASS[,CLASS]] A B\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (int side = 0; side < 2; side++) {
		block[side] = need(malloc(BLOCK));
		firsts[side] = need(calloc(SLOTS, sizeof(struct first)));
	}
	a = open_top(argv[i]);
	b = open_top(argv[i + 1]);
	if (ignored & TOP)
		compare_dirs(a, b);
	else
		compare_node(a, b, ".");
	if (differences)
		printf("%lu differences in %lu nodes\n", differences, nodes);
	return differences ? 1 : 0;
}
