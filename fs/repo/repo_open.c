#include "fs/repo/repo_internal.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const store_dirs[] = { "packs", "snapshots", "state",
					  "tmp", PRESENCE_DIR };
#define STORE_DIRS (sizeof(store_dirs) / sizeof(store_dirs[0]))

static int not_empty(void *arg, const char *name, struct err *err)
{
	(void)arg;
	(void)name;
	(void)err;
	return -ENOTEMPTY;
}

/* What an init that died leaves behind is no reason to refuse the next. */
static bool is_from_init(struct disk_dir *dir, const char *name)
{
	for (size_t i = 0; i < STORE_DIRS; i++)
		if (!strcmp(name, store_dirs[i]))
			return !strcmp(name, "tmp") ||
			       disk_list(dir, name, not_empty, NULL,
					 NULL) == 0;
	return false;
}

static int refuse_nonempty(void *arg, const char *name, struct err *err)
{
	struct disk_dir *dir = arg;

	if (!strcmp(name, "lost+found") || is_from_init(dir, name))
		return 0;
	return err_set(err, -EEXIST, "'%s' is not empty: it has '%s'",
		       dir->path, name);
}

static int set_group(const char *group, struct disk_dir *dir, struct err *err)
{
	struct group gr, *found = NULL;
	char room[4096];

	if (getgrnam_r(group, &gr, room, sizeof(room), &found) != 0 || !found)
		return err_set(err, -EINVAL, "there is no group '%s'", group);
	dir->file_mode = 0640;
	dir->dir_mode = 0750;
	if (fchown(dir->fd, (uid_t)-1, found->gr_gid) < 0)
		return err_sys(err, "cannot give '%s' to group '%s'",
			       dir->path, group);
	return 0;
}

static int share_secrets(const char *like, struct conf *conf, struct err *err)
{
	struct conf other = { .text = BUF_INIT };
	struct disk_dir dir;
	int r;

	r = disk_open(like, &dir, err);
	if (r < 0)
		return r;
	r = conf_load(&dir, &other, err);
	disk_close(&dir);
	if (r < 0)
		return r;
	memcpy(conf->seed, other.seed, ID_SEED);
	conf->bits = other.bits;
	conf_release(&other);
	return 0;
}

static int fill_conf(const struct repo_init_options *options,
		     struct conf *conf, struct err *err)
{
	struct id_key key;
	int r;

	r = random_bytes(conf->store_id, sizeof(conf->store_id), err);
	if (r == 0)
		r = random_bytes(conf->seed, sizeof(conf->seed), err);
	if (r < 0)
		return r;
	id_key_init(&key, conf->seed);
	conf->bits = key.bits;
	if (options->like) {
		r = share_secrets(options->like, conf, err);
		if (r < 0)
			return err_wrap(err, "cannot share with '%s'",
					options->like);
	}
	if (options->catalog_dir) {
		conf->catalog_dir = realpath(options->catalog_dir, NULL);
		if (!conf->catalog_dir)
			return err_sys(err, "cannot use '%s' for the catalog",
				       options->catalog_dir);
	}
	if (options->group && !(conf->group = strdup(options->group)))
		return err_nomem(err);
	return conf_write(conf, err);
}

static int make_store(struct disk_dir *dir,
		      const struct repo_init_options *options,
		      struct conf *conf, struct err *err)
{
	int r;

	if (fchmod(dir->fd, options->group ? 0750 : 0700) < 0)
		return err_sys(err, "cannot set the mode of '%s'", dir->path);
	r = fill_conf(options, conf, err);
	for (size_t i = 0; r == 0 && i < STORE_DIRS; i++)
		r = disk_mkdir(dir, store_dirs[i], err);
	/* varve.conf comes last: with it the store exists. */
	if (r == 0)
		r = disk_publish(dir, CONF_NAME, buf_span(&conf->text), err);
	/* Who may not read the directory above cannot sync it either. */
	if (r == 0)
		r = disk_sync_dir(dir, "..", err);
	return r == -EACCES ? 0 : r;
}

static bool is_in(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX && faccessat(AT_FDCWD, path, F_OK,
						  AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whoever moves, copies or cleans the outer store would do it to the other as
 * well.  path need not be there, but what it is to lie in is. */
static int refuse_inside(const char *path, struct err *err)
{
	CLEANUP(free_ptr) char *above = strdup(path);
	CLEANUP(free_ptr) char *whole = NULL;
	char *slash;
	int r;

	if (!above)
		return err_nomem(err);
	whole = realpath(path, NULL);
	if (whole) {
		slash = strrchr(whole, '/');
		slash[slash == whole] = '\0';
	} else {
		whole = realpath(dirname(above), NULL);
	}
	for (; whole; *slash = '\0') {
		if (is_in(whole, CONF_NAME) && is_in(whole, "packs")) {
			r = err_set(err, -EEXIST, "'%s' lies in the store '%s'",
				    path, whole);
			err_hint(err, "name a directory outside of it; what "
				 "is different belongs into one store under "
				 "different sources (-s SOURCE)");
			return r;
		}
		slash = strrchr(whole, '/');
		if (slash == whole)
			break;
	}
	return 0;
}

int repo_init(const char *path, const struct repo_init_options *options,
	      struct err *err)
{
	static const struct repo_init_options none = { NULL, NULL, NULL };
	struct conf conf = { .text = BUF_INIT };
	struct disk_dir dir;
	struct repo *repo;
	int r;

	if (!options)
		options = &none;
	r = refuse_inside(path, err);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the store '%s'", path);
	r = disk_open(path, &dir, err);
	if (r < 0)
		return r;
	if (faccessat(dir.fd, CONF_NAME, F_OK, 0) == 0)
		r = err_set(err, -EEXIST, "'%s' is a store already", path);
	else
		r = disk_list(&dir, ".", refuse_nonempty, &dir, err);
	if (r == 0 && options->group)
		r = set_group(options->group, &dir, err);
	if (r == 0)
		r = make_store(&dir, options, &conf, err);
	conf_release(&conf);
	disk_close(&dir);
	if (r < 0)
		return r;
	r = repo_open(path, REPO_WRITE, 1u << 20, &repo, err);
	if (r < 0)
		return r;
	reserve_keep(repo);
	repo_close(repo);
	return 0;
}

struct sweep {
	char (*names)[64];
	size_t count;
	bool others;		/* write as well */
};

static int see_leftover(void *arg, const char *name, struct err *err)
{
	struct sweep *sweep = arg;
	void *more = reallocarray(sweep->names, sweep->count + 1,
				  sizeof(*sweep->names));

	if (!more)
		return err_nomem(err);
	sweep->names = more;
	if (strlen(name) < sizeof(*sweep->names))
		strcpy(sweep->names[sweep->count++], name);
	return 0;
}

static int see_writer(void *arg, const struct presence_info *info,
		      struct err *err)
{
	struct sweep *sweep = arg;

	(void)err;
	sweep->others |= info->writer || info->unknown;
	return 0;
}

/*
 * What lay in tmp/ before it was found that nobody else is writing was left by
 * the dead: a writer is there before it makes anything.
 */
static void sweep_tmp(struct repo *repo)
{
	struct sweep sweep = { .count = 0 };
	char path[80];

	if (disk_list(&repo->dir, "tmp", see_leftover, &sweep, NULL) < 0 ||
	    sweep.count == 0 ||
	    presence_each(&repo->presence, see_writer, &sweep, NULL) < 0 ||
	    sweep.others)
		sweep.count = 0;
	for (size_t i = 0; i < sweep.count; i++) {
		snprintf(path, sizeof(path), "tmp/%s", sweep.names[i]);
		disk_unlink(&repo->dir, path, NULL);
	}
	free(sweep.names);
}

static int join(struct repo *repo, struct err *err)
{
	int r;

	presence_init(&repo->presence, &repo->dir);
	r = presence_join(&repo->presence, repo->mode == REPO_WRITE, err);
	if (r == 0 && repo->mode == REPO_WRITE)
		sweep_tmp(repo);
	return r;
}

static int place_catalog(struct repo *repo, struct err *err)
{
	const char *dir = repo->conf.catalog_dir;
	char hex[33];
	int n;

	hex_write(repo->conf.store_id, 16, hex);
	if (dir)
		n = asprintf(&repo->catalog_path, "%s/%s.db", dir, hex);
	else
		n = asprintf(&repo->catalog_path, "%s/catalog.db", repo->path);
	if (n < 0) {
		repo->catalog_path = NULL;
		return err_nomem(err);
	}
	return 0;
}

static int level_fresh(struct repo *repo, struct err *err)
{
	struct level_report report = { 0 };

	return level_catalog(repo, repo->catalog, &report, NULL, NULL, err);
}

/* Another catalog, in memory: for media where none can be written. */
static int open_in_memory(struct repo *repo, struct err *err)
{
	int r;

	catalog_close(repo->catalog);
	repo->catalog = NULL;
	r = catalog_open(":memory:", CATALOG_MEMORY, &repo->catalog, err);
	if (r < 0)
		return r;
	repo->catalog_in_memory = true;
	return level_fresh(repo, err);
}

static int open_readonly(struct repo *repo, struct err *err)
{
	struct level_report report = { 0 };
	int r;

	r = catalog_open(repo->catalog_path, CATALOG_READONLY, &repo->catalog,
			 NULL);
	if (r == 0)
		r = level_catalog(repo, repo->catalog, &report, NULL, NULL,
				  NULL);
	if (r == 0)
		return 0;
	return open_in_memory(repo, err);
}

/*
 * Put a damaged catalog aside, unless another process did so first: under the
 * commit lock, and only if it is still damaged.
 */
static int replace_damaged(struct repo *repo, struct err *err)
{
	char aside[4200], side[4200];
	int lock, r;

	r = repo_lock_commit(repo, &lock, err);
	if (r < 0)
		return r;
	r = catalog_open(repo->catalog_path, CATALOG_WRITE, &repo->catalog,
			 NULL);
	if (r == 0)
		r = catalog_check(repo->catalog, NULL);
	if (r == -EBADMSG) {
		catalog_close(repo->catalog);
		repo->catalog = NULL;
		snprintf(aside, sizeof(aside), "%s.damaged",
			 repo->catalog_path);
		rename(repo->catalog_path, aside);
		snprintf(side, sizeof(side), "%s-wal", repo->catalog_path);
		unlink(side);
		snprintf(side, sizeof(side), "%s-shm", repo->catalog_path);
		unlink(side);
		r = catalog_open(repo->catalog_path, CATALOG_WRITE,
				 &repo->catalog, err);
	}
	repo_unlock_commit(lock);
	return r;
}

static int open_writable(struct repo *repo, struct err *err)
{
	int r;

	r = catalog_open(repo->catalog_path, CATALOG_WRITE, &repo->catalog,
			 err);
	if (r == 0)
		r = level_fresh(repo, err);
	if (r != -EBADMSG)
		return r;
	catalog_close(repo->catalog);
	repo->catalog = NULL;
	r = replace_damaged(repo, err);
	if (r == 0)
		r = level_fresh(repo, err);
	return r;
}

static int open_parts(struct repo *repo, struct err *err)
{
	int r;

	r = conf_load(&repo->dir, &repo->conf, err);
	if (r < 0)
		return r;
	if (repo->conf.group) {
		repo->dir.file_mode = 0640;
		repo->dir.dir_mode = 0750;
	}
	id_key_init(&repo->key, repo->conf.seed);
	repo->key.bits = repo->conf.bits;
	repo->readonly = disk_is_readonly(&repo->dir);
	if (repo->readonly && repo->mode == REPO_WRITE)
		return err_set(err, -EROFS, "the store '%s' is read-only",
			       repo->path);
	return place_catalog(repo, err);
}

static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

/* A disk that takes no more, or fails, can still be read from. */
static bool may_go_without(const struct repo *repo, int r)
{
	return repo->mode == REPO_READ &&
	       (is_full(r) || r == -EIO || r == -EROFS);
}

static int join_and_open(struct repo *repo, struct err *err)
{
	int r = join(repo, err);

	return r < 0 ? r : open_writable(repo, err);
}

static int open_catalog(struct repo *repo, struct err *err)
{
	int r;

	if (repo->readonly) {
		presence_init(&repo->presence, &repo->dir);
		presence_join_unseen(&repo->presence);
		return open_readonly(repo, err);
	}
	r = join_and_open(repo, err);
	if (is_full(r) && repo->mode == REPO_WRITE && reserve_release(repo)) {
		presence_leave(&repo->presence);
		catalog_close(repo->catalog);
		repo->catalog = NULL;
		r = join_and_open(repo, err);
	}
	if (r == 0 || !may_go_without(repo, r))
		return r;
	catalog_close(repo->catalog);
	repo->catalog = NULL;
	repo->readonly = true;
	return open_readonly(repo, err);
}

static struct repo *repo_new(const char *path, enum repo_mode mode,
			     size_t budget)
{
	struct repo *repo = calloc(1, sizeof(*repo));

	if (!repo)
		return NULL;
	repo->mode = mode;
	repo->dir.fd = -1;
	near_init(&repo->near);
	pthread_mutex_init(&repo->state_mutex, NULL);
	pthread_mutex_init(&repo->unpack_mutex, NULL);
	pthread_mutex_init(&repo->prefetch_mutex, NULL);
	pthread_cond_init(&repo->prefetch_cond, NULL);
	for (int i = 0; i < PACK_FDS; i++) {
		pthread_mutex_init(&repo->fds[i].mutex, NULL);
		repo->fds[i].fd = -1;
	}
	repo->path = realpath(path, NULL);
	if (!repo->path)
		repo->path = strdup(path);
	repo->cache = cache_new(budget ? budget : REPO_CACHE_DEFAULT);
	if (!repo->path || !repo->cache) {
		repo_close(repo);
		return NULL;
	}
	return repo;
}

int repo_open_bare(const char *path, enum repo_mode mode, size_t budget,
		   struct repo **ret, struct err *err)
{
	struct repo *repo = repo_new(path, mode, budget);
	int r;

	if (!repo)
		return err_nomem(err);
	r = disk_open(path, &repo->dir, err);
	if (r < 0)
		repo->dir.fd = -1;
	if (r == -ENOENT || r == -ENOTDIR)
		err_set(err, r, "there is no store in '%s'", path);
	if (r == 0)
		r = open_parts(repo, err);
	if (r == -ENOENT)
		err_hint(err, "'varve init' makes one; --store or VARVE_STORE "
			 "names another");
	if (r < 0) {
		repo_close(repo);
		return r;
	}
	*ret = repo;
	return 0;
}

/* Who cannot tell is taken to know of nothing, and is safe. */
static void tell_seen(struct repo *repo)
{
	uint64_t seq;

	if (repo->presence.dir &&
	    catalog_high_seq(repo->catalog, &seq, NULL) == 0)
		presence_see(&repo->presence, seq, NULL, 0, NULL);
}

int repo_open(const char *path, enum repo_mode mode, size_t cache_budget,
	      struct repo **ret, struct err *err)
{
	struct repo *repo;
	int r;

	r = repo_open_bare(path, mode, cache_budget, &repo, err);
	if (r < 0)
		return r;
	r = open_catalog(repo, err);
	if (r == 0)
		r = catalog_change_mark(repo->catalog, &repo->change_mark,
					err);
	if (r == 0)
		tell_seen(repo);
	if (r < 0) {
		repo_close(repo);
		return r;
	}
	*ret = repo;
	return 0;
}

void repo_close(struct repo *repo)
{
	if (!repo)
		return;
	repo_stop_prefetch(repo);
	catalog_close(repo->catalog);
	cache_free(repo->cache);
	near_release(&repo->near);
	for (int i = 0; i < PACK_FDS; i++) {
		if (repo->fds[i].fd >= 0)
			close(repo->fds[i].fd);
		pthread_mutex_destroy(&repo->fds[i].mutex);
	}
	while (repo->unpacker_count > 0)
		unpacker_free(repo->unpackers[--repo->unpacker_count]);
	while (repo->scratch_count > 0)
		buf_release(&repo->scratch[--repo->scratch_count]);
	presence_leave(&repo->presence);
	if (repo->dir.fd >= 0)
		disk_close(&repo->dir);
	pthread_mutex_destroy(&repo->state_mutex);
	pthread_mutex_destroy(&repo->unpack_mutex);
	pthread_mutex_destroy(&repo->prefetch_mutex);
	pthread_cond_destroy(&repo->prefetch_cond);
	conf_release(&repo->conf);
	free(repo->catalog_path);
	free(repo->path);
	free(repo);
}
