#include "tools/runs.h"

#include <stdio.h>
#include <unistd.h>

#include "fs/out/mounts.h"
#include "tools/format.h"

static int hint_elsewhere(struct err *err)
{
	return err_hint(err, "--journal DIR keeps the journal elsewhere, on a "
			"disk that stays");
}

int runs_open(const struct tool *tool, struct repo *repo, bool make,
	      struct disk_dir *ret, struct err *err)
{
	const char *given = option_value(&tool->options, "journal");
	OWNED_BUF struct buf path = BUF_INIT;
	struct disk_dir store;
	int r = 0;

	tool_expect_runs(tool);
	if (given)
		return disk_open(given, ret, err);
	if (!tool->store)
		return err_set(err, -EINVAL, "no store was named: give --store "
			       "DIR, or set VARVE_STORE");
	r = disk_open(tool->store, &store, err);
	if (r < 0)
		return r;
	if (repo)
		store.dir_mode = repo_dir(repo)->dir_mode;
	if (make && faccessat(store.fd, RUNS_DIR, F_OK, 0) < 0) {
		r = disk_mkdir(&store, RUNS_DIR, err);
		if (r == 0)
			r = disk_sync_dir(&store, ".", err);
		if (r < 0)
			hint_elsewhere(err);
	}
	buf_printf(&path, "%s/" RUNS_DIR, tool->store);
	if (r == 0)
		r = buf_str(&path) ? disk_open((char *)path.data, ret, err) :
				     err_nomem(err);
	disk_close(&store);
	return r;
}

struct refusing {
	struct disk_dir *dir;
	const char *target;
};

/* The same, or directories of which one lies in the other. */
static bool overlap(const char *a, const char *b)
{
	return strcmp(a, b) == 0 ||
	       (*a == '/' && *b == '/' && (path_is_in(a, b) || path_is_in(b, a)));
}

static int refuse_one(void *arg, const char *id, struct err *err)
{
	struct refusing *refusing = arg;
	OWNED_RUN struct run run = RUN_INIT;
	const char *target;
	int r = run_load(refusing->dir, id, false, &run, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	target = run_fact(&run, "target");
	if (!run_is_unfinished(&run) || !target ||
	    !overlap(target, refusing->target))
		return 0;
	err_set(err, -EBUSY, "another run on '%s' has not come to its end: "
		"run %s%s", target, id, run.running ?
		", which is going on in another process" : "");
	if (run.running)
		return -EBUSY;
	return run.proved == TREE_WHOLLY_NEW ?
	       err_hint(err, "it is wholly new: 'varve resume %s' does what is "
			"left of it", id) :
	       err_hint(err, "'varve resume %s' goes on with it, 'varve "
			"rollback %s' takes it back", id, id);
}

int runs_refuse_other(struct disk_dir *dir, const char *target,
		      struct err *err)
{
	struct refusing refusing = { dir, target };

	return runs_each(dir, refuse_one, &refusing, err);
}

int runs_refuse_plan(const struct tool *tool, struct repo *repo,
		     const char *target, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	int r = runs_open(tool, repo, false, &dir, err);

	if (r == 0 && faccessat(dir.fd, ".", W_OK, 0) < 0)
		r = err_sys(err, "cannot write a journal into '%s'", dir.path);
	else if (r == 0)
		r = runs_refuse_other(&dir, target, err);
	else if (r == -ENOENT && tool->store &&
		 !option_given(&tool->options, "journal"))
		r = access(tool->store, W_OK) == 0 ? 0 :
		    err_sys(err, "cannot write a journal into '%s'",
			    tool->store);
	return r == -EROFS || r == -EACCES || r == -EPERM ?
	       hint_elsewhere(err) : r;
}

int runs_hint(const struct run *run, const char *what, struct err *err)
{
	char first[256] = "";

	/* what to do first, then the command, unless that ends it */
	if (err && strstr(err->hint, "--accept"))
		return err->code;
	if (err && err->hint[0])
		snprintf(first, sizeof(first), "%.200s; then: ", err->hint);
	if (run->proved == TREE_WHOLLY_NEW)
		return err_hint(err, "%s'%s' is wholly new; what is left is "
				"done by: varve resume %s", first, what,
				run->id);
	if (run->back)
		return err_hint(err, "%svarve rollback %s", first, run->id);
	return err_hint(err, "%svarve rollback %s takes it back, varve resume "
			"%s goes on", first, run->id, run->id);
}

bool runs_tell_left_out(const struct tool *tool, const struct run *run)
{
	const char *left = run_fact(run, RUN_LEFT_OUT);

	if (left && run->closed)
		say(tool, "Run %s is at its end without: %s.", run->id, left);
	return left != NULL;
}

struct counting {
	struct disk_dir dir;
	bool running;
	struct runs_left *left;
};

static int count_one(void *arg, const char *id, struct err *err)
{
	struct counting *counting = arg;
	OWNED_RUN struct run run = RUN_INIT;
	int r = run_load(&counting->dir, id, false, &run, NULL);

	(void)err;
	/* one that cannot be read has not ended well either */
	if (r == 0 && (!run_is_unfinished(&run) ||
		       (run.running && !counting->running)))
		return 0;
	if (counting->left->count++ == 0)
		snprintf(counting->left->first, RUN_ID, "%.39s", id);
	return 0;
}

int runs_find_left(const struct tool *tool, bool running,
		   struct runs_left *ret, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct counting counting = { .running = running, .left = ret };
	int r;

	*ret = (struct runs_left){ .count = 0 };
	buf_printf(&path, "%s/" RUNS_DIR, tool->store ? tool->store : "");
	if (!buf_str(&path))
		return err_nomem(err);
	if (access((char *)path.data, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = disk_open((char *)path.data, &counting.dir, err);
	if (r < 0)
		return r;
	r = runs_each(&counting.dir, count_one, &counting, err);
	disk_close(&counting.dir);
	return r;
}
