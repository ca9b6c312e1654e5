#include "fs/out/restore_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"

bool restore_is_store(const struct restorer *r, const struct stat *st)
{
	struct stat store;

	return fstat(repo_dir(r->getter.repo)->fd, &store) == 0 &&
	       store.st_dev == st->st_dev && store.st_ino == st->st_ino;
}

/* May what stands there be removed?  A mount point and the store may not. */
static int may_remove(const struct restorer *r, int dirfd,
		      const struct stat *st, struct err *err)
{
	struct stat dir;

	if (restore_is_store(r, st))
		return err_set(err, -EBUSY, "it is the store itself: left");
	if (fstat(dirfd, &dir) < 0)
		return err_sys(err, "cannot look at its directory");
	if (dir.st_dev != st->st_dev)
		return err_set(err, -EXDEV, "another file system is mounted "
			       "there: left");
	return 0;
}

static int remove_one(struct restorer *r, int dirfd, const char *name,
		      const char *path, int flags, struct err *err)
{
	if (!r->options->dry_run && unlinkat(dirfd, name, flags) < 0)
		return err_sys(err, "cannot remove '%s'", path);
	__atomic_add_fetch(&r->report->deleted, 1, __ATOMIC_RELAXED);
	restore_change(r, '-', path);
	return 0;
}

static int remove_tree(struct restorer *r, int dirfd, const char *name,
		       const char *path, unsigned depth, struct err *err);

static int remove_below(struct restorer *r, int fd, const char *path,
			unsigned depth, struct err *err)
{
	CLEANUP(free_ptr) char *child = NULL;
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int code = 0;

	if (!dir) {
		err_sys(err, "cannot list '%s'", path);
		close(fd);
		return err->code;
	}
	while (code == 0 && (errno = 0, e = readdir(dir)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		free(child);
		child = NULL;
		if (asprintf(&child, "%s/%s", path, e->d_name) < 0) {
			child = NULL;
			code = err_nomem(err);
		} else {
			code = remove_tree(r, fd, e->d_name, child, depth + 1,
					   err);
		}
	}
	if (code == 0 && errno)
		code = err_sys(err, "cannot list '%s'", path);
	closedir(dir);
	return code;
}

/* In a dry run nothing is removed, but all is counted and named. */
static int remove_tree(struct restorer *r, int dirfd, const char *name,
		       const char *path, unsigned depth, struct err *err)
{
	struct stat st;
	int fd, e;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot look at '%s'", path);
	e = may_remove(r, dirfd, &st, err);
	if (e < 0)
		return e;
	if (!S_ISDIR(st.st_mode))
		return remove_one(r, dirfd, name, path, 0, err);
	if (depth > DEPTH_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s' is too deep", path);
	fd = restore_open_dir(dirfd, name);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	e = remove_below(r, fd, path, depth, err);
	if (e < 0)
		return e;
	return remove_one(r, dirfd, name, path, AT_REMOVEDIR, err);
}

static void delete_entry(struct restorer *r, struct rdir *dir,
			 const char *name)
{
	OWNED_NODE struct node node = NODE_INIT;
	CLEANUP(free_ptr) char *path = NULL;
	struct err err = ERR_INIT;
	int e;

	if (asprintf(&path, "%s%s%s", dir->path, *dir->path ? "/" : "",
		     name) < 0) {
		path = NULL;
		err_nomem(&err);
		restore_fail(r, dir->path, &err);
		return;
	}
	e = tree_child(r->tree, &dir->node, span_str(name), &node, &err);
	if (e == 0)
		return;
	if (e == -ENOENT && (restore_is_excluded(r, path) || !restore_is_included(r, path)))
		return;
	/* not known to be absent: kept */
	if (e == -ENOENT)
		e = remove_tree(r, dir->fd, name, path, 0, &err);
	if (e < 0)
		restore_fail(r, path, &err);
}

void restore_delete_others(struct restorer *r, struct rdir *dir)
{
	struct err err = ERR_INIT;
	struct dirent *e;
	DIR *list;
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	list = fd >= 0 ? fdopendir(fd) : NULL;
	if (!list) {
		err_sys(&err, "cannot list the directory");
		restore_fail(r, dir->path, &err);
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((errno = 0, e = readdir(list)) != NULL)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			delete_entry(r, dir, e->d_name);
	if (errno) {
		err_sys(&err, "cannot list the directory");
		restore_fail(r, dir->path, &err);
	}
	closedir(list);
}


void restore_clear_place(struct restorer *r, struct rdir *dir,
			const char *path)
{
	const char *name = restore_last_name(path);
	struct err err = ERR_INIT;
	struct stat st;

	if (!r->options->delete || dir->fd < 0)
		return;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return;
	if (remove_tree(r, dir->fd, name, path, 0, &err) < 0)
		restore_fail(r, path, &err);
}
