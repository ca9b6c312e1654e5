#include "fs/out/swap_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 50

int swap_open_dir(int fd, const char *name, int *ret_fd, struct err *err)
{
	int got = openat(fd, name,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (got < 0)
		return err_sys(err, "cannot open the directory '%s'", name);
	*ret_fd = got;
	return 0;
}

int swap_sync(int fd, const char *what, struct err *err)
{
	int r = disk_step_outside(what, "sync", err);

	if (r < 0)
		return r;
	/* EINVAL: this file system syncs no directories */
	if (fsync(fd) < 0 && errno != EINVAL)
		return err_sys(err, "cannot sync '%s'", what);
	return 0;
}

bool swap_is_there(int fd, const char *name)
{
	return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int swap_refused(int r, struct err *err)
{
	return r == -EPERM && geteuid() == 0 ?
	       err_hint(err, "it, or the directory that it is in, may be "
			"immutable or append-only: lsattr -d") : r;
}

int swap_move(int from, const char *name, int to, const char *as,
	      struct err *err)
{
	int r = disk_step_outside(name, "rename", err);

	if (r < 0)
		return r;
	if (renameat2(from, name, to, as, RENAME_NOREPLACE) == 0)
		return 0;
	/* NFS, for one: nothing else names anything here meanwhile */
	if ((errno == EINVAL || errno == ENOSYS) && !swap_is_there(to, as) &&
	    renameat(from, name, to, as) == 0)
		return 0;
	return swap_refused(err_sys(err, "cannot rename '%s'", name), err);
}

void swap_names_release(struct swap_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct swap_names){ .name = NULL };
}

static int keep_name(struct swap_names *names, const char *name,
		     struct err *err)
{
	char **more;

	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;

		more = reallocarray(names->name, room, sizeof(*more));
		if (!more)
			return err_nomem(err);
		names->name = more;
		names->room = room;
	}
	names->name[names->count] = strdup(name);
	if (!names->name[names->count])
		return err_nomem(err);
	names->count++;
	return 0;
}

int swap_list(int fd, struct swap_names *ret, struct err *err)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "cannot list the directory");
		if (again >= 0)
			close(again);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = keep_name(ret, e->d_name, err);
	if (r == 0 && errno)
		r = err_sys(err, "cannot list the directory");
	closedir(dir);
	return r;
}

/* The directory above target, resolved as target is. */
static int open_above(const char *target, int *ret_fd, struct err *err)
{
	CLEANUP(free_ptr) char *above = strdup(target);
	char *slash = above ? strrchr(above, '/') : NULL;
	int fd;

	if (!slash)
		return err_nomem(err);
	slash[slash == above] = '\0';
	fd = open(above, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", above);
	*ret_fd = fd;
	return 0;
}

int swap_open(struct swap *swap, struct err *err)
{
	int fd;

	if (!swap->entries)
		return open_above(swap->target, &swap->place, err);
	fd = open(swap->target,
		  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", swap->target);
	swap->place = fd;
	return 0;
}

void swap_close(struct swap *swap)
{
	disk_close_fd(&swap->place);
}

int swap_lock(struct swap *swap, struct err *err)
{
	const struct timespec nap = { .tv_nsec = 100 * 1000000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		/* where directories cannot be locked (NFS), this cannot help */
		if (flock(swap->place, LOCK_EX | LOCK_NB) == 0 ||
		    errno != EWOULDBLOCK)
			return 0;
		nanosleep(&nap, NULL);
	}
	return err_set(err, -EBUSY, "another process begins a push beside '%s'",
		       swap->target);
}

void swap_unlock(struct swap *swap)
{
	flock(swap->place, LOCK_UN);
}

int swap_open_staging(struct swap *swap, int *ret_fd, struct err *err)
{
	return swap_open_dir(swap->place, swap->name, ret_fd, err);
}

int swap_open_part(struct swap *swap, const char *part, int *ret_fd,
		   struct err *err)
{
	OWNED_FD int staging = -1;
	int r = swap_open_staging(swap, &staging, err);

	return r < 0 ? r : swap_open_dir(staging, part, ret_fd, err);
}

bool swap_has(struct swap *swap, const char *part)
{
	OWNED_FD int staging = -1;

	return swap_open_staging(swap, &staging, NULL) == 0 &&
	       swap_is_there(staging, part);
}

/* Name of the target in the directory above it. */
static const char *own_name(const struct swap *swap)
{
	return strrchr(swap->target, '/') + 1;
}

int swap_path(const struct swap *swap, const char *part, struct buf *ret,
	      struct err *err)
{
	size_t len = swap->entries ? strlen(swap->target) :
		     (size_t)(own_name(swap) - swap->target) - 1;

	buf_printf(ret, "%.*s/%s%s%s", (int)len, swap->target, swap->name,
		   *part ? "/" : "", part);
	return buf_str(ret) ? 0 : err_nomem(err);
}

static int make_dir(int fd, const char *name, struct err *err)
{
	int r = disk_step_outside(name, "make", err);

	if (r < 0)
		return r;
	if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
		return swap_refused(err_sys(err, "cannot make the directory "
					    "'%s'", name), err);
	return 0;
}

/* A small file, which stands whole or can be written again. */
static int put_file(int fd, const char *name, const char *text,
		    struct err *err)
{
	size_t len = strlen(text);
	OWNED_FD int file = -1;
	int r = disk_step_outside(name, "write", err);

	if (r < 0)
		return r;
	file = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
		      O_CLOEXEC, 0600);
	if (file < 0)
		return err_sys(err, "cannot make '%s'", name);
	if (write(file, text, len) != (ssize_t)len || fsync(file) < 0)
		return err_sys(err, "cannot write '%s'", name);
	return 0;
}

int swap_claim(struct swap *swap, const char *about, struct err *err)
{
	OWNED_FD int staging = -1;
	int r = make_dir(swap->place, swap->name, err);

	if (r == 0)
		r = swap_open_staging(swap, &staging, err);
	if (r == 0)
		r = put_file(staging, SWAP_ABOUT, about, err);
	if (r == 0)
		r = make_dir(staging, "new", err);
	if (r == 0)
		r = swap_sync(staging, swap->name, err);
	return r < 0 ? r : swap_sync(swap->place, swap->target, err);
}

int swap_read_about(struct swap *swap, const char *name, struct buf *about,
		    struct err *err)
{
	CLEANUP(free_ptr) char *text = malloc(SWAP_ABOUT_MAX);
	OWNED_FD int staging = -1, file = -1;
	ssize_t n;
	int r = text ? swap_open_dir(swap->place, name, &staging, err) :
		       err_nomem(err);

	if (r < 0)
		return r;
	file = openat(staging, SWAP_ABOUT, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
		      O_CLOEXEC);
	n = file < 0 ? -1 : read(file, text, SWAP_ABOUT_MAX);
	if (n < 0)
		return err_sys(err, "cannot read '%s/about'", name);
	buf_append(about, text, (size_t)n);
	return buf_check(about, err);
}

int swap_each(struct swap *swap,
	      int (*each)(void *arg, const char *name, bool is_done,
			  struct err *err), void *arg, struct err *err)
{
	OWNED_NAMES struct swap_names names = { .name = NULL };
	int r = swap_list(swap->place, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		OWNED_FD int staging = -1;

		if (strncmp(names.name[i], SWAP_PREFIX,
			    sizeof(SWAP_PREFIX) - 1))
			continue;
		r = swap_open_dir(swap->place, names.name[i], &staging, err);
		if (r == 0)
			r = each(arg, names.name[i],
				 swap_is_there(staging, SWAP_DONE), err);
	}
	return r;
}

int swap_can_exchange(struct swap *swap, bool *ret, struct err *err)
{
	OWNED_FD int staging = -1;
	int r = swap_open_staging(swap, &staging, err), e;

	if (r == 0)
		r = make_dir(staging, "a", err);
	if (r == 0)
		r = make_dir(staging, "b", err);
	if (r < 0)
		return r;
	e = renameat2(staging, "a", staging, "b", RENAME_EXCHANGE) < 0 ?
	    errno : 0;
	unlinkat(staging, "a", AT_REMOVEDIR);
	unlinkat(staging, "b", AT_REMOVEDIR);
	*ret = e == 0;
	if (e == 0 || e == EINVAL || e == ENOSYS || e == EOPNOTSUPP)
		return 0;
	errno = e;
	return err_sys(err, "cannot rename in '%s'", swap->name);
}

static int exchange(struct swap *swap, int staging, const char *part,
		    struct err *err)
{
	int r = disk_step_outside(swap->target, "exchange", err);

	if (r < 0)
		return r;
	if (renameat2(staging, part, swap->place, own_name(swap),
		      RENAME_EXCHANGE) < 0)
		return swap_refused(err_sys(err, "cannot put the new tree in "
					    "the place of '%s'",
					    swap->target), err);
	return 0;
}

/* Inode of what stands there; 0: nothing does. */
static uint64_t inode_of(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 :
	       st.st_ino;
}

/* Both directories that a rename touched. */
static int sync_both(struct swap *swap, int staging, struct err *err)
{
	int r = swap_sync(staging, swap->name, err);

	return r < 0 ? r : swap_sync(swap->place, swap->target, err);
}

int swap_whole(struct swap *swap, bool at_once, uint64_t new_inode,
	       struct err *err)
{
	const char *name = own_name(swap);
	OWNED_FD int staging = -1;
	int r = swap_open_staging(swap, &staging, err);

	if (r < 0)
		return r;
	if (inode_of(swap->place, name) != new_inode) {
		bool former = swap_is_there(swap->place, name);

		if (former && at_once)
			r = exchange(swap, staging, "new", err);
		else if (former)
			r = swap_move(swap->place, name, staging, "old", err);
		if (r == 0 && inode_of(staging, "new") == new_inode)
			r = swap_move(staging, "new", swap->place, name, err);
	}
	/* what was exchanged */
	if (r == 0 && swap_is_there(staging, "new"))
		r = swap_move(staging, "new", staging, "old", err);
	return r < 0 ? r : sync_both(swap, staging, err);
}

int swap_whole_back(struct swap *swap, bool at_once, uint64_t new_inode,
		    struct err *err)
{
	const char *name = own_name(swap);
	OWNED_FD int staging = -1;
	int r = swap_open_staging(swap, &staging, err);

	if (r == 0 && inode_of(swap->place, name) == new_inode) {
		const char *former = swap_is_there(staging, "old") ? "old" :
				     "new";

		if (at_once && swap_is_there(staging, former))
			r = exchange(swap, staging, former, err);
		else
			r = swap_move(swap->place, name, staging, "new", err);
	}
	if (r < 0)
		return r;
	/* where it was exchanged, the new tree now stands as old/ */
	if (inode_of(staging, "old") == new_inode)
		r = swap_move(staging, "old", staging, "new", err);
	else if (swap_is_there(staging, "old"))
		r = swap_move(staging, "old", swap->place, name, err);
	return r < 0 ? r : sync_both(swap, staging, err);
}

int swap_finish(struct swap *swap, struct err *err)
{
	OWNED_FD int staging = -1;
	int r = swap_open_staging(swap, &staging, err);

	if (r == 0)
		r = put_file(staging, SWAP_DONE, "", err);
	return r < 0 ? r : swap_sync(staging, swap->name, err);
}
