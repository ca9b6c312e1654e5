#include "fs/repo/repo_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_NAME "reserve"
#define RESERVE_MAX ((uint64_t)8 << 20)
#define RESERVE_LAST ((uint64_t)512 << 10)
#define RESERVE_SHARE 50	/* of the file system at most one part in this */

/*
 * A file of nothing that takes room.  When the disk is full it is given up, so
 * that what makes room again (forget, prune) has room for its own few files;
 * it is made anew when there is plenty.  It is no part of what a store holds:
 * losing it loses nothing.
 */

static bool is_there(struct repo *repo)
{
	return faccessat(repo->dir.fd, RESERVE_NAME, F_OK, 0) == 0;
}

bool reserve_release(struct repo *repo)
{
	return unlinkat(repo->dir.fd, RESERVE_NAME, 0) == 0;
}

uint64_t reserve_bytes(struct repo *repo)
{
	struct stat st;

	return fstatat(repo->dir.fd, RESERVE_NAME, &st,
		       AT_SYMLINK_NOFOLLOW) < 0 ? 0 :
		       (uint64_t)st.st_blocks * 512;
}

static uint64_t size_for(const struct statvfs *st)
{
	uint64_t size = (uint64_t)st->f_blocks * st->f_frsize / RESERVE_SHARE;

	if (size > RESERVE_MAX)
		size = RESERVE_MAX;
	return size - size % 4096;
}

uint64_t reserve_wanted(struct repo *repo)
{
	struct statvfs st;

	return is_there(repo) || fstatvfs(repo->dir.fd, &st) < 0 ? 0 :
		size_for(&st);
}

int repo_room(struct repo *repo, uint64_t *ret, struct err *err)
{
	uint64_t wanted = reserve_wanted(repo), bytes;
	int r = disk_free_bytes(&repo->dir, &bytes, err);

	if (r == 0)
		*ret = bytes > wanted ? bytes - wanted : 0;
	return r;
}

void reserve_keep(struct repo *repo)
{
	struct statvfs st;
	uint64_t size;
	int fd;

	if (repo_is_readonly(repo) || is_there(repo) ||
	    fstatvfs(repo->dir.fd, &st) < 0)
		return;
	size = size_for(&st);
	/* not the last there is */
	if (size == 0 || (uint64_t)st.f_bavail * st.f_frsize < 4 * size)
		return;
	fd = openat(repo->dir.fd, RESERVE_NAME, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, repo->dir.file_mode);
	if (fd < 0)
		return;
	/* only room that is really taken can be given back */
	if (fchmod(fd, repo->dir.file_mode) < 0 ||
	    fallocate(fd, 0, 0, (off_t)size) < 0)
		reserve_release(repo);
	close(fd);
}

uint64_t reserve_last(struct repo *repo)
{
	struct statvfs st;
	uint64_t half = fstatvfs(repo->dir.fd, &st) < 0 ? 0 :
			size_for(&st) / 2;

	return half < RESERVE_LAST ? half : RESERVE_LAST;
}
