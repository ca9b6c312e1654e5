#include "tools/rocks_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

/* On a disk. */

static int tell_entry(const struct rocks_place *place, const char *name,
		      int (*each)(void *each_arg, const char *name, bool dir,
				  uint64_t size, struct err *err),
		      void *each_arg, struct err *err)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(place->fd, name, &st, 0) < 0) {
		/* gone meanwhile, or a link to nowhere: not there */
		if (errno == ENOENT)
			return 0;
		return err_sys(err, "cannot look at '%s/%s'", place->name,
			       name);
	}
	return each(each_arg, name, !S_ISREG(st.st_mode), (uint64_t)st.st_size,
		    err);
}

static int disk_list_names(void *arg,
			   int (*each)(void *each_arg, const char *name,
				       bool dir, uint64_t size,
				       struct err *err),
			   void *each_arg, struct err *err)
{
	const struct rocks_place *place = arg;
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "cannot list '%s'", place->name);
		if (fd >= 0)
			close(fd);
		return r;
	}
	errno = 0;
	while (r == 0 && (e = readdir(dir))) {
		r = tell_entry(place, e->d_name, each, each_arg, err);
		errno = 0;
	}
	if (r == 0 && errno)
		r = err_sys(err, "cannot list '%s'", place->name);
	closedir(dir);
	return r;
}

/* Blocks are read one after the other, so the file stays open. */
static int open_file(struct rocks_place *place, const char *name,
		     struct err *err)
{
	if (place->open_name && !strcmp(place->open_name, name))
		return 0;
	if (place->open_fd >= 0)
		close(place->open_fd);
	free(place->open_name);
	place->open_name = NULL;
	place->open_fd = openat(place->fd, name,
				O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (place->open_fd < 0)
		return err_sys(err, "cannot open '%s/%s'", place->name, name);
	place->open_name = strdup(name);
	return place->open_name ? 0 : err_nomem(err);
}

static int disk_read_bytes(void *arg, const char *name, uint64_t offset,
			   void *out, size_t len, size_t *ret_len,
			   struct err *err)
{
	struct rocks_place *place = arg;
	ssize_t n;
	int r = open_file(place, name, err);

	if (r < 0)
		return r;
	do {
		n = pread(place->open_fd, out, len, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot read '%s/%s'", place->name, name);
	*ret_len = (size_t)n;
	return 0;
}

/* Which. */

static char *last_name(const char *path)
{
	size_t len = strlen(path);
	const char *begin;

	while (len > 0 && path[len - 1] == '/')
		len--;
	begin = path + len;
	while (begin > path && begin[-1] != '/')
		begin--;
	return strndup(begin, (size_t)(path + len - begin));
}

static int open_disk(const char *path, struct rocks_place *ret,
		     struct err *err)
{
	ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	ret->name = last_name(path);
	if (!ret->name)
		return err_nomem(err);
	ret->source = (struct rocks_source){ disk_list_names, disk_read_bytes,
					     ret };
	return 0;
}

/* What the directory was called that target is; a snapshot's own has no name
 * in it. */
static const char *name_in(const struct target *target)
{
	const struct record *record = &target->snapshot.record;
	const char *number = record_attr(record, "checkpoint");

	if (target->node.pos != 0)
		return target->path;
	return number ? number : record->source;
}

static int open_snapshot(const struct tool *tool, const char *text,
			 struct rocks_place *ret, struct err *err)
{
	int r;

	if (!tool->store) {
		err_set(err, -ENOENT, "there is no directory '%s'", text);
		return err_hint(err, "a snapshot's is SNAPSHOT:PATH, with "
				"--store DIR or VARVE_STORE");
	}
	r = tool_open(tool, REPO_READ, &ret->repo, err);
	if (r >= 0)
		r = target_open(ret->repo, text, &ret->target, err);
	if (r < 0 && !strchr(text, ':'))
		return err_wrap(err, "there is no directory '%s', and no such "
				"snapshot", text);
	if (r < 0)
		return r;
	if (ret->target.node.entry.type != ENTRY_DIR)
		return err_set(err, -ENOTDIR, "'%s' is no directory", text);
	ret->name = last_name(name_in(&ret->target));
	if (!ret->name)
		return err_nomem(err);
	rocks_tree_init(&ret->tree, ret->target.tree, &ret->target.node);
	ret->source = ret->tree.source;
	return 0;
}

int rocks_place_open(const struct tool *tool, const char *text,
		     struct rocks_place *ret, struct err *err)
{
	struct stat st;

	if (text[0] == '/' || text[0] == '.' || stat(text, &st) == 0)
		return open_disk(text, ret, err);
	return open_snapshot(tool, text, ret, err);
}

void rocks_place_close(struct rocks_place *place)
{
	rocks_tree_release(&place->tree);
	target_close(&place->target);
	repo_close_ptr(&place->repo);
	if (place->fd >= 0)
		close(place->fd);
	if (place->open_fd >= 0)
		close(place->open_fd);
	free(place->open_name);
	free(place->name);
}
