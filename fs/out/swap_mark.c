#include "fs/out/swap_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/base/bytes.h"
#include "fs/base/id.h"
#include "fs/tree/entry.h"

struct marking {
	struct swap_mark mark;
	bool drop;
	dev_t dev;
};

static uint64_t sum_entry(uint64_t above, const char *name,
			  const struct stat *st, struct err *err)
{
	bool dir = S_ISDIR(st->st_mode);
	OWNED_BUF struct buf bytes = BUF_INIT;

	buf_u64(&bytes, above);
	buf_u64(&bytes, st->st_ino);
	buf_u32(&bytes, st->st_mode);
	buf_u32(&bytes, st->st_uid);
	buf_u32(&bytes, st->st_gid);
	buf_u64(&bytes, st->st_rdev);
	/* those of a directory are the file system's own */
	buf_u64(&bytes, dir ? 0 : (uint64_t)st->st_size);
	buf_u64(&bytes, dir ? 0 : st->st_nlink);
	buf_u64(&bytes, (uint64_t)st->st_mtim.tv_sec);
	buf_u64(&bytes, (uint64_t)st->st_mtim.tv_nsec);
	buf_append_str(&bytes, name);
	if (buf_failed(&bytes))
		err_nomem(err);
	return sum64(buf_span(&bytes));
}

static bool is_skipped(const char *const *skip, const char *name)
{
	for (; skip && *skip; skip++)
		if (!strcmp(*skip, name) ||
		    (!strcmp(*skip, SWAP_PREFIX) &&
		     !strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1)))
			return true;
	return false;
}

static void let_go(int fd, const char *name)
{
	OWNED_FD int file = openat(fd, name, O_RDONLY | O_NOFOLLOW |
				   O_NONBLOCK | O_CLOEXEC);

	if (file >= 0)
		posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static int mark_dir(struct marking *m, int fd, const char *const *skip,
		    uint64_t above, unsigned depth, struct err *err);

static int mark_one(struct marking *m, int fd, const char *name,
		    uint64_t above, unsigned depth, struct err *err)
{
	OWNED_FD int below = -1;
	struct err failed = ERR_INIT;
	struct stat st;
	uint64_t sum;
	int r;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot look at '%s'", name);
	if (st.st_dev != m->dev)
		return err_set(err, -EXDEV, "another file system is mounted "
			       "on '%s' in it", name);
	sum = sum_entry(above, name, &st, &failed);
	if (failed.code)
		return err_nomem(err);
	m->mark.entries++;
	m->mark.sum += sum;
	if (S_ISREG(st.st_mode))
		m->mark.bytes += (uint64_t)st.st_size;
	if (m->drop && S_ISREG(st.st_mode))
		let_go(fd, name);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth > DEPTH_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s' is too deep", name);
	r = swap_open_dir(fd, name, &below, err);
	return r < 0 ? r : mark_dir(m, below, NULL, sum, depth + 1, err);
}

static int mark_dir(struct marking *m, int fd, const char *const *skip,
		    uint64_t above, unsigned depth, struct err *err)
{
	OWNED_NAMES struct swap_names names = { .name = NULL };
	int r = swap_list(fd, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++)
		if (!is_skipped(skip, names.name[i]))
			r = mark_one(m, fd, names.name[i], above, depth, err);
	return r;
}

int swap_mark(int fd, const char *const *skip, bool drop,
	      struct swap_mark *ret, struct err *err)
{
	struct marking m = { .drop = drop };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot look at the directory");
	m.dev = st.st_dev;
	r = mark_dir(&m, fd, skip, 0, 0, err);
	if (r == 0)
		*ret = m.mark;
	return r;
}

void swap_mark_text(const struct swap_mark *mark, char out[SWAP_MARK_TEXT])
{
	snprintf(out, SWAP_MARK_TEXT, "%" PRIu64 " %" PRIu64 " %016" PRIx64,
		 mark->entries, mark->bytes, mark->sum);
}

bool swap_mark_equal(const struct swap_mark *a, const struct swap_mark *b)
{
	return a->entries == b->entries && a->bytes == b->bytes &&
	       a->sum == b->sum;
}

int swap_mark_parse(const char *text, struct swap_mark *ret)
{
	struct swap_mark mark;

	if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNx64, &mark.entries,
		   &mark.bytes, &mark.sum) != 3)
		return -EBADMSG;
	*ret = mark;
	return 0;
}
