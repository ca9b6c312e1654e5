#include "fs/repo/repo_internal.h"

#include <stdio.h>
#include <unistd.h>

static void drop_files(const char *path)
{
	static const char *const suffix[] = { "", "-wal", "-shm",
					      "-journal" };
	char file[4300];

	for (size_t i = 0; i < sizeof(suffix) / sizeof(*suffix); i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffix[i]);
		unlink(file);
	}
}

static bool has_wal(const char *path)
{
	char file[4300];

	snprintf(file, sizeof(file), "%s-wal", path);
	return access(file, F_OK) == 0;
}

static int fill(struct repo *repo, const char *path,
		struct level_report *level,
		void (*progress)(void *arg, uint64_t done, uint64_t total),
		void *arg, struct err *err)
{
	struct catalog *fresh;
	int r;

	drop_files(path);
	r = catalog_open(path, CATALOG_WRITE, &fresh, err);
	if (r < 0)
		return r;
	level->every_pack = true;
	r = level_catalog(repo, fresh, level, progress, arg, err);
	if (r == 0)
		r = catalog_check(fresh, err);
	/* the last one to close puts the -wal into the file, if it can */
	catalog_close(fresh);
	if (r == 0 && has_wal(path))
		r = err_set(err, -EIO, "the new catalog '%s' could not be "
			    "written whole", path);
	return r;
}

static int put_in_place(struct repo *repo, const char *path, struct err *err)
{
	drop_files(repo->catalog_path);
	if (rename(path, repo->catalog_path) < 0)
		return err_sys(err, "cannot rename '%s' to '%s'", path,
			       repo->catalog_path);
	return 0;
}

static int see_other(void *arg, const struct presence_info *info,
		     struct err *err)
{
	struct repo *repo = arg;

	err_set(err, -EBUSY, "the store '%s' is in use%s%s", repo->path,
		info->who[0] ? " by " : "", info->who);
	return err_hint(err, "unmount it and let running adds finish: the "
			"catalog is replaced under them otherwise");
}

/* Who comes in waits until LIVE_NAME is free. */
static int be_alone(struct repo *repo, int *ret_fd, struct err *err)
{
	int r = disk_lock(&repo->dir, LIVE_NAME, DISK_LOCK_EXCLUSIVE, false,
			  ret_fd, err);

	if (r == -EBUSY) {
		err_set(err, r, "the store '%s' is in use", repo->path);
		err_hint(err, "unmount it and let running adds finish: the "
			 "catalog is replaced under them otherwise");
	}
	return r < 0 ? r : presence_each_seen(&repo->presence, see_other,
					      repo, err);
}

int repo_rebuild(const char *path, struct rebuild_report *report,
		 void (*progress)(void *arg, uint64_t done, uint64_t total),
		 void *arg, struct err *err)
{
	struct level_report level = { 0 };
	struct repo *repo;
	char fresh[4200];
	int r, alone = -1;

	r = repo_open_bare(path, REPO_WRITE, 1u << 20, &repo, err);
	if (r < 0)
		return r;
	presence_init(&repo->presence, &repo->dir);
	r = be_alone(repo, &alone, err);
	snprintf(fresh, sizeof(fresh), "%s.new", repo->catalog_path);
	if (r == 0) {
		r = fill(repo, fresh, &level, progress, arg, err);
		if (r == 0)
			r = put_in_place(repo, fresh, err);
		else
			drop_files(fresh);
	}
	if (alone >= 0)
		close(alone);
	repo_close(repo);
	if (r == 0)
		*report = (struct rebuild_report){
			.packs = level.packs, .objects = level.objects,
			.records = level.records, .events = level.events,
			.damaged_packs = level.damaged_packs };
	return r;
}
