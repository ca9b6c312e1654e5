#include "tools/probe.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PEEK_ENOUGH 4096	/* bytes by which every stream kind is known */
#define PEEK_TRIES 100		/* of 20 ms: a slow producer's first bytes */

static int read_head(int fd, struct buf *head, struct err *err)
{
	while (head->len < HEAD_BYTES) {
		ssize_t n = pread(fd, head->data + head->len,
				  HEAD_BYTES - head->len, (off_t)head->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read the first bytes");
		if (n == 0)
			break;
		head->len += (size_t)n;
	}
	return 0;
}

/* Wait until the pipe holds enough to tell, or its writer has ended. */
static void wait_for_head(int fd)
{
	struct timespec nap = { .tv_nsec = 20 * 1000 * 1000 };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int there = 0;

	for (int i = 0; i < PEEK_TRIES; i++) {
		if (poll(&poll_fd, 1, -1) < 0 ||
		    (poll_fd.revents & (POLLHUP | POLLERR)))
			return;
		if (ioctl(fd, FIONREAD, &there) < 0 || there >= PEEK_ENOUGH)
			return;
		nanosleep(&nap, NULL);
	}
}

/* tee(2) copies what a pipe holds and leaves it there. */
static int peek_pipe(int fd, struct buf *head, struct err *err)
{
	int copy[2];
	ssize_t n;
	int r = 0;

	wait_for_head(fd);
	if (pipe2(copy, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	n = tee(fd, copy[1], HEAD_BYTES, 0);
	close(copy[1]);
	while (n > 0 && head->len < HEAD_BYTES) {
		n = read(copy[0], head->data + head->len,
			 HEAD_BYTES - head->len);
		if (n > 0)
			head->len += (size_t)n;
	}
	if (n < 0)
		r = err_sys(err, "cannot look into the stream");
	close(copy[0]);
	return r;
}

static int look_at_fd(int fd, const struct stat *st, struct buf *head,
		      struct err *err)
{
	if (S_ISFIFO(st->st_mode))
		return peek_pipe(fd, head, err);
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return read_head(fd, head, err);
	return 0;	/* a socket or terminal: the reader must tell itself */
}

static int look_at_path(const char *path, struct buf *head, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	r = read_head(fd, head, err);
	close(fd);
	return r < 0 ? err_wrap(err, "'%s'", path) : 0;
}

static int no_kind(const char *kind, struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT;
	int r = err_set(err, -EINVAL, "no kind of backup is called '%s'",
			kind);

	for (size_t i = 0; readers[i]; i++)
		buf_printf(&all, "%s%s", i ? ", " : "", readers[i]->kind);
	if (buf_str(&all))
		err_hint(err, "kinds: %s", (char *)all.data);
	return r;
}

int probe_reader(const struct input *input, const struct stat *st,
		 const char *kind, const struct reader **ret,
		 struct err *err)
{
	OWNED_BUF struct buf head = BUF_INIT;
	const struct reader *best = NULL;
	int most = 0, r = 0;

	if (kind) {
		best = reader_by_kind(kind);
		if (!best)
			return no_kind(kind, err);
		*ret = best;
		return 0;
	}
	if (buf_reserve(&head, HEAD_BYTES) < 0)
		return err_nomem(err);
	if (input->fd >= 0)
		r = look_at_fd(input->fd, st, &head, err);
	else if (!S_ISDIR(st->st_mode))
		r = look_at_path(input->path, &head, err);
	if (r < 0)
		return r;
	for (size_t i = 0; readers[i]; i++) {
		int sure = readers[i]->probe(input, st, buf_span(&head));

		if (sure > most) {
			most = sure;
			best = readers[i];
		}
	}
	if (!S_ISDIR(st->st_mode) && !S_ISSOCK(st->st_mode) && head.len == 0)
		return err_set(err, -ENODATA, "'%s' is empty", input->path);
	if (!best) {
		r = err_set(err, -EMEDIUMTYPE,
			    "no kind of backup Varve knows is in '%s'",
			    input->path);
		err_hint(err, "-k KIND says what it is; a plain file can be "
			 "added compressed ('gzip -1'), or as the directory "
			 "it is in");
		return r;
	}
	*ret = best;
	return 0;
}

/* Behind a name these tell how it was packed, not what it is. */
static const char *const packings[] = {
	".gz", ".bz2", ".xz", ".zst", ".lz4", ".lz", ".lzma", ".lzo", ".lrz",
	".Z", ".uu", ".tar", ".tgz", ".tbz2", ".tbz", ".txz", ".tzst", ".tlz",
	".taz", ".cpio", ".zip", ".7z", ".iso", ".cab", ".lzh", ".xar",
	".pax", ".sql", ".dump", ".rpm", ".deb", ".ar", ".rar", NULL,
};

static bool cut_packing(char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; packings[i]; i++) {
		size_t n = strlen(packings[i]);

		if (len > n && !strcasecmp(name + len - n, packings[i])) {
			name[len - n] = '\0';
			return true;
		}
	}
	return false;
}

/* Where a date begins that runs to the end of name: at least
 * 2021-01-22 or 20210122, then more digits and what parts them. */
static bool cut_date(char *name)
{
	size_t len = strlen(name), start = len, digits = 0;

	while (start > 0 && (isdigit((unsigned char)name[start - 1]) ||
			     strchr("-_.:TZ", name[start - 1])))
		start--;
	while (start < len && !isdigit((unsigned char)name[start]))
		start++;
	for (size_t i = start; i < len; i++)
		digits += isdigit((unsigned char)name[i]) != 0;
	/* The year of a date: 19xx or 20xx, and months and days behind it. */
	if (digits < 8 || digits > 20 ||
	    (strncmp(name + start, "20", 2) && strncmp(name + start, "19", 2)))
		return false;
	while (start > 0 && strchr("-_.:", name[start - 1]))
		start--;
	name[start] = '\0';
	return true;
}

static bool name_of(char *name)
{
	size_t len = strlen(name);

	while (len > 1 && name[len - 1] == '/')
		name[--len] = '\0';
	while (cut_packing(name))
		;
	cut_date(name);
	/* "db-2021-01-22.tar": packing behind the date, and before it. */
	while (name[0] && cut_packing(name))
		;
	return name[0] && strcmp(name, "/");
}

int source_from_path(const char *path, struct buf *ret, struct err *err)
{
	CLEANUP(free_ptr) char *whole = realpath(path, NULL);
	char *slash;
	int r;

	if (!whole)
		return err_sys(err, "cannot find '%s'", path);
	for (; (slash = strrchr(whole, '/')); *slash = '\0') {
		OWNED_BUF struct buf name = BUF_INIT;
		struct err why = ERR_INIT;

		buf_append_str(&name, slash + 1);
		if (!buf_str(&name))
			return err_nomem(err);
		if (!name_of((char *)name.data))
			continue;
		if (source_check_new((char *)name.data, &why) < 0) {
			err_set(err, -EINVAL, "no name for the source comes "
				"out of '%s': %s", path, why.text);
			return err_hint(err, "-s SOURCE names it, as -s "
					"web/etc");
		}
		buf_append_str(ret, (char *)name.data);
		return buf_check(ret, err);
	}
	r = err_set(err, -EINVAL, "no name for the source comes out of '%s'",
		    path);
	err_hint(err, "-s SOURCE names it, as -s web/etc");
	return r;
}

void zone_name(const char *tz, struct buf *ret)
{
	const char *environment = getenv("TZ");
	char link[PATH_MAX];
	ssize_t n;
	char *zone;

	if (!tz && environment && environment[0])
		tz = environment[0] == ':' ? environment + 1 : environment;
	if (tz) {
		buf_append_str(ret, tz);
		return;
	}
	n = readlink("/etc/localtime", link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	zone = strstr(link, "/zoneinfo/");
	buf_append_str(ret, zone ? zone + 10 : "UTC");
}
