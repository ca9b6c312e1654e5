#include "fs/out/restore_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/base/disk.h"

#define FIRSTS_START 256

/* Telling. */

void restore_fail(struct restorer *r, const char *path, const struct err *err)
{
	char sentence[1600];

	if (err->code == -ECANCELED)
		return;
	snprintf(sentence, sizeof(sentence), "'%s': %s",
		 *path ? path : r->options->verify_only ? "/" :
		 r->options->target, err->text);
	pthread_mutex_lock(&r->mutex);
	r->report->failed++;
	/* what would meet every other entry, too */
	if ((err->code == -ENOMEM || err->code == -ENOSPC ||
	     err->code == -EDQUOT || err->code == -EROFS) && !r->broken) {
		r->failure = *err;
		err_wrap(&r->failure, "cannot restore '%s'", path);
		__atomic_store_n(&r->broken, err->code, __ATOMIC_RELAXED);
	}
	if (r->options->warn && r->broken != err->code)
		r->options->warn(r->options->arg, sentence);
	if (r->options->damaged && err->object[0])
		r->options->damaged(r->options->arg, path, err);
	pthread_mutex_unlock(&r->mutex);
}

void restore_change(struct restorer *r, char sign, const char *path)
{
	if (!r->options->change)
		return;
	pthread_mutex_lock(&r->mutex);
	r->options->change(r->options->arg, sign, path);
	pthread_mutex_unlock(&r->mutex);
}

bool restore_stopped(const struct restorer *r)
{
	return (r->options->stop && *r->options->stop) ||
	       __atomic_load_n(&r->broken, __ATOMIC_RELAXED);
}

/* What is wanted. */

static bool matches(const char *const *globs, size_t count, const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	for (size_t i = 0; i < count; i++) {
		const char *glob = globs[i];

		if (strchr(glob, '/')) {
			glob += *glob == '/';
			if (!fnmatch(glob, path, FNM_PATHNAME))
				return true;
		} else if (!fnmatch(glob, base, 0)) {
			return true;
		}
	}
	return false;
}

bool restore_is_excluded(const struct restorer *r, const char *path)
{
	return matches(r->options->exclude, r->options->exclude_count, path);
}

/* Included itself, or by a directory above it. */
bool restore_is_included(const struct restorer *r, const char *path)
{
	CLEANUP(free_ptr) char *part = NULL;

	if (r->options->include_count == 0)
		return true;
	part = strdup(path);
	while (part && *part) {
		char *slash = strrchr(part, '/');

		if (matches(r->options->include, r->options->include_count,
			    part))
			return true;
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

/* Directories. */

int restore_open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int restore_open_parent(struct restorer *r, const char *path)
{
	char name[NAME_BYTES_MAX + 1];
	int fd = dup(r->target_fd);
	const char *slash;

	while (fd >= 0 && (slash = strchr(path, '/'))) {
		size_t len = (size_t)(slash - path);
		int above = fd, why = ENAMETOOLONG;

		fd = -1;
		if (len <= NAME_BYTES_MAX) {
			memcpy(name, path, len);
			name[len] = '\0';
			fd = openat(above, name, O_PATH | O_DIRECTORY |
							 O_NOFOLLOW | O_CLOEXEC);
			why = errno;
		}
		close(above);
		errno = why;
		path = slash + 1;
	}
	return fd;
}

const char *restore_last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * Are the attributes of a directory that is there those that it is to have?
 * Asked before anything in it changes its times, so that a dry run and what is
 * done count the same.  Where that cannot be told, giving it its attributes
 * tells.
 */
static void look_at_dir(struct restorer *r, struct rdir *dir)
{
	struct err err = ERR_INIT;
	struct stat st;
	int e = 0;

	if (fstat(dir->fd, &st) < 0)
		e = err_sys(&err, "cannot look at the directory");
	else
		e = restore_meta_differs(r, -1, "", dir->fd, &dir->node.entry,
					 &st, &dir->differs, &err);
	if (e < 0 && r->options->dry_run)
		restore_fail(r, dir->path, &err);
}

/* Make the directory and those above it, unless they are there. */
int rdir_make(struct restorer *r, struct rdir *dir, struct err *err)
{
	const char *name = restore_last_name(dir->path);
	int e, why = ENOENT;

	/* in a dry run not even the target needs to be there */
	if (dir->fd >= 0 || dir->told || !dir->parent)
		return 0;
	e = rdir_make(r, dir->parent, err);
	if (e < 0)
		return e;
	if (dir->parent->fd >= 0) {
		dir->fd = restore_open_dir(dir->parent->fd, name);
		why = errno;
	}
	if (dir->fd >= 0) {
		look_at_dir(r, dir);
		return 0;
	}
	if (why != ENOENT && why != ENOTDIR && why != ELOOP)
		return err_sys(err, "cannot open the directory");
	restore_change(r, '+', dir->path);
	if (r->options->dry_run) {
		dir->told = true;
		return 0;
	}
	/* what is no directory, or a link to one, makes way */
	if (why != ENOENT && unlinkat(dir->parent->fd, name, 0) < 0)
		return err_sys(err, "cannot remove what is in its place");
	if (mkdirat(dir->parent->fd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the directory");
	dir->fd = restore_open_dir(dir->parent->fd, name);
	if (dir->fd < 0)
		return err_sys(err, "cannot open the directory");
	return 0;
}

static void finish_dir(struct restorer *r, struct rdir *dir)
{
	struct err err = ERR_INIT;
	bool changed;
	struct stat st;
	int e = 0;

	if (dir->fd < 0 || dir->failed || r->options->verify_only)
		return;
	if (!r->options->dry_run && fstat(dir->fd, &st) < 0)
		e = err_sys(&err, "cannot look at the directory");
	else if (!r->options->dry_run)
		e = restore_meta(r, dir->path, -1, "", dir->fd,
				 &dir->node.entry, &st, &changed, &err);
	if (e < 0)
		restore_fail(r, dir->path, &err);
	if (e < 0 || !dir->differs)
		return;
	__atomic_add_fetch(&r->report->meta_changed, 1, __ATOMIC_RELAXED);
	restore_change(r, '~', *dir->path ? dir->path : ".");
}

void rdir_drop(struct restorer *r, struct rdir *dir)
{
	while (dir && __atomic_sub_fetch(&dir->refs, 1, __ATOMIC_ACQ_REL) ==
			      0) {
		struct rdir *parent = dir->parent;

		finish_dir(r, dir);
		if (dir->fd >= 0)
			close(dir->fd);
		node_release(&dir->node);
		free(dir->path);
		free(dir);
		dir = parent;
	}
}

static struct rdir *rdir_hold(struct rdir *dir)
{
	__atomic_add_fetch(&dir->refs, 1, __ATOMIC_RELAXED);
	return dir;
}

static struct rdir *rdir_new(struct rdir *parent, const char *path,
			     const struct node *node)
{
	struct rdir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return NULL;
	dir->fd = -1;
	dir->refs = 1;
	dir->path = strdup(path);
	if (!dir->path) {
		free(dir);
		return NULL;
	}
	node_copy(node, &dir->node);
	dir->parent = parent ? rdir_hold(parent) : NULL;
	return dir;
}

/* First names of hard links. */

static size_t first_slot(const struct restorer *r, uint64_t inode)
{
	size_t at = (size_t)(inode * 0x9E3779B97F4A7C15u) &
		    (r->first_slots - 1);

	while (r->firsts[at].path && r->firsts[at].inode != inode)
		at = (at + 1) & (r->first_slots - 1);
	return at;
}

static int firsts_grow(struct restorer *r, struct err *err)
{
	struct first_name *old = r->firsts;
	size_t slots = r->first_slots;

	r->first_slots = slots ? 2 * slots : FIRSTS_START;
	r->firsts = calloc(r->first_slots, sizeof(*r->firsts));
	if (!r->firsts) {
		r->firsts = old;
		r->first_slots = slots;
		return err_nomem(err);
	}
	for (size_t i = 0; i < slots; i++)
		if (old[i].path)
			r->firsts[first_slot(r, old[i].inode)] = old[i];
	free(old);
	return 0;
}

/* The first name restored of inode; NULL: it is this one (remembered). */
static int first_of(struct restorer *r, uint64_t inode, const char *path,
		    const char **ret, struct err *err)
{
	size_t at;

	if (2 * r->first_count >= r->first_slots && firsts_grow(r, err) < 0)
		return -ENOMEM;
	at = first_slot(r, inode);
	*ret = r->firsts[at].path;
	if (*ret)
		return 0;
	r->firsts[at].path = strdup(path);
	if (!r->firsts[at].path)
		return err_nomem(err);
	r->firsts[at].inode = inode;
	r->first_count++;
	return 0;
}

void restore_first_anew(struct restorer *r, uint64_t inode)
{
	pthread_mutex_lock(&r->mutex);
	/* one that is restored by itself is in no list */
	if (r->first_slots)
		r->firsts[first_slot(r, inode)].anew = true;
	pthread_mutex_unlock(&r->mutex);
}

bool restore_is_first_anew(struct restorer *r, uint64_t inode)
{
	return r->firsts[first_slot(r, inode)].anew;
}

/* The walk. */

static int queue_job(struct restorer *r, struct rdir *dir, const char *path,
		     const struct node *node, bool link, struct err *err)
{
	struct rjob *job = calloc(1, sizeof(*job));

	if (!job || !(job->path = strdup(path))) {
		free(job);
		return err_nomem(err);
	}
	node_copy(node, &job->node);
	job->dir = rdir_hold(dir);
	if (link) {
		job->next = r->links;
		r->links = job;
	} else {
		restore_queue(r, job);
	}
	return 0;
}

static int visit_other(struct restorer *r, struct rdir *dir,
		       const char *path, const struct node *node,
		       struct err *err)
{
	const char *first = NULL;
	struct err why = ERR_INIT;
	int e = 0;

	if (node->nlink > 1) {
		pthread_mutex_lock(&r->mutex);
		e = first_of(r, node->inode, path, &first, err);
		pthread_mutex_unlock(&r->mutex);
	}
	if (e < 0)
		return e;
	if (!r->options->verify_only) {
		e = rdir_make(r, dir, &why);
		restore_clear_place(r, dir, path);
	}
	if (e < 0)
		restore_fail(r, path, &why);
	else if (first && !r->options->verify_only)
		return queue_job(r, dir, path, node, true, err);
	else if (node->entry.type == ENTRY_FILE && !first)
		return queue_job(r, dir, path, node, false, err);
	else if (!r->options->verify_only &&
		 restore_special(r, dir, node, path, &why) < 0)
		restore_fail(r, path, &why);
	return 0;
}

static int visit_dir(struct restorer *r, struct rdir *parent,
		     const char *path, const struct node *node,
		     struct err *err)
{
	struct rdir *dir = rdir_new(parent, path, node);
	struct err why = ERR_INIT;

	if (!dir)
		return err_nomem(err);
	r->stack[r->depth++] = dir;
	if (r->options->verify_only || !restore_is_included(r, path))
		return 0;
	if (rdir_make(r, dir, &why) < 0) {
		dir->failed = true;
		restore_fail(r, path, &why);
		return TREE_SKIP;
	}
	if (r->options->delete && dir->fd >= 0)
		restore_delete_others(r, dir);
	return 0;
}

static int visit(void *arg, const char *path, unsigned depth,
		 const struct node *node, struct err *err)
{
	struct restorer *r = arg;

	if (restore_stopped(r))
		return err_set(err, -ECANCELED, "stopped");
	if (depth == 0)
		return 0;
	while (r->depth > depth)
		rdir_drop(r, r->stack[--r->depth]);
	if (restore_is_excluded(r, path))
		return TREE_SKIP;
	if (node->entry.type != ENTRY_DIR && !restore_is_included(r, path))
		return 0;
	if (restore_is_included(r, path))
		__atomic_add_fetch(&r->report->entries, 1, __ATOMIC_RELAXED);
	if (node->entry.type == ENTRY_DIR)
		return visit_dir(r, r->stack[r->depth - 1], path, node, err);
	return visit_other(r, r->stack[r->depth - 1], path, node, err);
}

static void make_links(struct restorer *r)
{
	while (r->links) {
		struct rjob *job = r->links;
		const char *first = r->firsts[first_slot(r, job->node.inode)]
					    .path;
		struct err err = ERR_INIT;

		r->links = job->next;
		if (!restore_stopped(r) && job->dir->fd < 0)
			restore_change(r, '+', job->path);
		else if (!restore_stopped(r) &&
			 restore_link(r, job, first, &err) < 0)
			restore_fail(r, job->path, &err);
		rjob_free(r, job);
	}
}

/* Begin and end. */

static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_target(struct restorer *r, const char *path, bool *ret_made,
		       struct err *err)
{
	bool dry = r->options->dry_run;

	/* Only the target itself: a path of which more is missing is a typing
	 * error, or a disk that is not mounted. */
	*ret_made = !dry && mkdir(path, 0700) == 0;
	if (!dry && !*ret_made && errno != EEXIST) {
		err_sys(err, "cannot make '%s'", path);
		if (err->code == -ENOENT)
			err_hint(err, "the directory above it is not there");
		return err->code;
	}
	r->target_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->target_fd < 0 && !(dry && errno == ENOENT))
		return err_sys(err, "cannot open '%s'", path);
	return 0;
}

/* Nothing is restored into the store: not even by a tired person. */
static int refuse_store(struct restorer *r, struct err *err)
{
	int fd = r->target_fd < 0 ? -1 : dup(r->target_fd);
	struct stat st, above;
	int up, e = 0;

	while (fd >= 0 && e == 0 && fstat(fd, &st) == 0) {
		if (restore_is_store(r, &st)) {
			e = err_set(err, -EINVAL, "'%s' lies in the store "
				    "itself", r->options->target);
			break;
		}
		up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = up;
		if (fd >= 0 && fstat(fd, &above) == 0 &&
		    above.st_ino == st.st_ino && above.st_dev == st.st_dev)
			break;
	}
	if (fd >= 0)
		close(fd);
	return e;
}

static int begin_target(struct restorer *r, const struct node *node,
			const char *target, struct err *err)
{
	struct rdir *top = rdir_new(NULL, "", node);
	bool made = false;
	int e = 0;

	if (!top)
		return err_nomem(err);
	r->stack[r->depth++] = top;
	if (!r->options->verify_only)
		e = open_target(r, target, &made, err);
	if (e == 0)
		e = refuse_store(r, err);
	if (e == 0 && r->target_fd >= 0) {
		top->fd = dup(r->target_fd);
		if (top->fd < 0)
			e = err_sys(err, "cannot open '%s'", target);
		else if (!made && node->entry.type == ENTRY_DIR)
			look_at_dir(r, top);
	}
	return e;
}

/* Entries of a directory that cannot be read: the others come back. */
static int lose(void *arg, const char *path, const struct err *why)
{
	struct restorer *r = arg;

	restore_fail(r, path, why);
	return r->broken;
}

static int run_tree(struct restorer *r, const struct node *node,
		    struct err *err)
{
	struct rdir *top;
	int e;

	e = begin_target(r, node, r->options->target, err);
	top = r->depth ? r->stack[0] : NULL;
	if (e == 0 && r->options->delete && top->fd >= 0)
		restore_delete_others(r, top);
	r->report->entries = 1;
	if (e == 0)
		e = tree_walk_past(r->tree, node, visit, lose, r, err);
	while (r->depth > 1)
		rdir_drop(r, r->stack[--r->depth]);
	restore_wait(r);
	make_links(r);
	if (top && e < 0)
		top->failed = true;
	if (top)
		rdir_drop(r, top);
	return e;
}

/*
 * A single entry becomes the target, or an entry in it where that is a
 * directory.
 */
static int run_single(struct restorer *r, const struct node *node,
		      struct err *err)
{
	const char *target = r->options->target;
	CLEANUP(free_ptr) char *own = NULL;
	CLEANUP(free_ptr) char *name = NULL;
	const char *where = target ? target : ".";
	struct stat st;
	char *slash;
	int e;

	name = strndup((const char *)node->entry.name.data,
		       node->entry.name.len);
	if (target && (stat(target, &st) < 0 || !S_ISDIR(st.st_mode))) {
		own = strdup(target);
		slash = own ? strrchr(own, '/') : NULL;
		free(name);
		name = own ? strdup(slash ? slash + 1 : own) : NULL;
		where = !slash ? "." : slash == own ? "/" : own;
		if (slash)
			*slash = '\0';
	}
	if (!name)
		return err_nomem(err);
	if (!*name && !r->options->verify_only)
		return err_set(err, -EINVAL, "'%s' names no file", target);
	e = begin_target(r, node, where, err);
	if (r->depth)
		r->stack[0]->failed = true;	/* its attributes are its own */
	r->report->entries = 1;
	if (e == 0)
		e = visit_other(r, r->stack[0], name, node, err);
	restore_wait(r);
	while (r->depth > 0)
		rdir_drop(r, r->stack[--r->depth]);
	return e;
}

static int sync_target(struct restorer *r, struct err *err)
{
	if (r->options->dry_run || r->options->no_sync || r->target_fd < 0)
		return 0;
	if (syncfs(r->target_fd) < 0)
		return err_sys(err, "cannot make '%s' durable",
			       r->options->target);
	return 0;
}

static void init(struct restorer *r, struct tree *tree,
		 const struct node *node)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	r->tree = tree;
	r->getter = tree_getter(tree);
	r->target_fd = -1;
	r->own = geteuid() == 0 && !r->options->no_owner;
	r->queue_tail = &r->queue;
	r->workers = r->options->workers ? r->options->workers
		     : cores > 0 ? (unsigned)cores : 1;
	if (r->workers > RESTORE_WORKERS_MAX)
		r->workers = RESTORE_WORKERS_MAX;
	if (node->pos == 0) {
		r->total_files = tree_record(tree)->files;
		r->total_bytes = tree_record(tree)->bytes;
	}
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->done, NULL);
	raise_files();
}

static void release(struct restorer *r)
{
	if (r->target_fd >= 0)
		close(r->target_fd);
	for (size_t i = 0; i < r->first_slots; i++)
		free(r->firsts[i].path);
	free(r->firsts);
	owner_names_free(r->names);
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->done);
	free(r);
}

int restore(struct tree *tree, const struct node *node,
	    const struct restore_options *options,
	    struct restore_report *report, struct err *err)
{
	struct restorer *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return err_nomem(err);
	r->options = options;
	*report = (struct restore_report){ 0 };
	r->report = report;
	init(r, tree, node);
	if (options->owner_names)
		r->names = owner_names_new();
	e = options->owner_names && !r->names ? err_nomem(err) :
		restore_start_workers(r, err);
	if (e == 0)
		e = node->entry.type == ENTRY_DIR ? run_tree(r, node, err)
						  : run_single(r, node, err);
	restore_stop_workers(r);
	if (r->broken && (e >= 0 || e == -ECANCELED)) {
		*err = r->failure;
		e = r->broken;
	}
	if (e >= 0)
		e = sync_target(r, err);
	release(r);
	return e < 0 ? e : 0;
}
