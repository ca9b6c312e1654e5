#include "tools/runs.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/format.h"

int runs_open(const struct tool *tool, struct repo *repo, bool make,
	      struct disk_dir *ret, struct err *err)
{
	const char *given = option_value(&tool->options, "journal");
	OWNED_BUF struct buf path = BUF_INIT;
	struct disk_dir store;
	int r = 0;

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
			err_hint(err, "--journal DIR keeps the journal "
				 "elsewhere, on a disk that stays");
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
	    strcmp(target, refusing->target) != 0)
		return 0;
	err_set(err, -EBUSY, "another push to '%s' has not come to its end: "
		"run %s", target, id);
	return err_hint(err, "'varve resume %s' goes on with it, 'varve "
			"rollback %s' takes it back", id, id);
}

int runs_refuse_other(struct disk_dir *dir, const char *target,
		      struct err *err)
{
	struct refusing refusing = { dir, target };

	return runs_each(dir, refuse_one, &refusing, err);
}

struct counting {
	struct disk_dir *dir;
	unsigned count;
	char *first;
};

static int count_one(void *arg, const char *id, struct err *err)
{
	struct counting *counting = arg;
	OWNED_RUN struct run run = RUN_INIT;

	(void)err;
	/* one that cannot be read has not ended well either */
	if (run_load(counting->dir, id, false, &run, NULL) == 0 &&
	    !run_is_unfinished(&run))
		return 0;
	if (counting->count++ == 0)
		snprintf(counting->first, RUN_ID, "%.39s", id);
	return 0;
}

unsigned runs_unfinished(const struct tool *tool, char first[RUN_ID])
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct counting counting = { .first = first };
	struct disk_dir dir;

	buf_printf(&path, "%s/" RUNS_DIR, tool->store ? tool->store : "");
	if (!buf_str(&path) || disk_open((char *)path.data, &dir, NULL) < 0)
		return 0;
	counting.dir = &dir;
	runs_each(&dir, count_one, &counting, NULL);
	disk_close(&dir);
	return counting.count;
}

static void tell_json(const struct push *push)
{
	const struct run *run = push->run;
	OWNED_BUF struct buf line = BUF_INIT, path = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "run", run->id);
	json_name(&json, "snapshot", span_str(run_fact(run, "label")));
	json_name(&json, "target", span_str(push->swap.target));
	json_bool(&json, "finished", run->closed != 0);
	json_str(&json, "tree", run->closed ? run_tree_name(run->closed) :
		 run->proved ? run_tree_name(run->proved) : "unproved");
	if (run->closed == TREE_WHOLLY_NEW && !push->discard &&
	    !push->absent && swap_path(&push->swap, "old", &path, NULL) == 0)
		json_name(&json, "former", buf_span(&path));
	json_close_object(&json);
	json_print(&line);
}

static void tell(const struct tool *tool, const struct push *push)
{
	const struct run *run = push->run;
	OWNED_BUF struct buf path = BUF_INIT;

	if (run->closed == TREE_WHOLLY_OLD)
		say(tool, "'%s' is as it was: wholly the former tree.",
		    push->swap.target);
	if (run->closed == TREE_UNPROVED)
		say(tool, "Run %s is closed. Whether '%s' is as it was was not "
		    "shown, and nothing was started.", run->id,
		    push->swap.target);
	if (run->closed != TREE_WHOLLY_NEW)
		return;
	say(tool, "'%s' is wholly %s.", push->swap.target,
	    run_fact(run, "label"));
	if (!push->discard && !push->absent &&
	    swap_path(&push->swap, "old", &path, NULL) == 0)
		say(tool, "The former tree is kept in '%s'; 'varve push "
		    "--discard-old dir:%s' gives its room back.",
		    (char *)path.data, push->swap.target);
}

static void log_end(struct push *push, int r)
{
	const struct run *run = push->run;
	struct tool tool = *push->tool;

	if (!tool.store)
		tool.store = run_fact(run, "store");
	if (!push->repo &&
	    tool_open(&tool, REPO_WRITE, &push->own_repo, NULL) == 0)
		push->repo = push->own_repo;
	if (push->repo)
		tool_log(push->repo, "push", "%s to %s: %s, run %s",
			 run_fact(run, "label"), push->swap.target,
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ?
			 (r < 0 ? "failed and taken back" : "taken back") :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
}

int run_end(const struct tool *tool, struct push *push, int r,
	    struct err *err)
{
	const struct run *run = push->run;
	const char *option = option_given(&tool->options, "journal") ?
			     "--journal DIR " : "";
	char first[256] = "";

	log_end(push, r);
	if (tool->json)
		tell_json(push);
	else
		tell(tool, push);
	if (run->closed || r >= 0)
		return r < 0 ? r : DONE;
	/* what to do first, then the command */
	if (err && err->hint[0])
		snprintf(first, sizeof(first), "%.200s; then: ", err->hint);
	if (run->proved == TREE_WHOLLY_NEW)
		return err_hint(err, "%s'%s' is wholly new; what is left is "
				"done by: varve resume %s%s", first,
				push->swap.target, option, run->id);
	if (run->back)
		return err_hint(err, "%svarve rollback %s%s", first, option,
				run->id);
	return err_hint(err, "%svarve rollback %s%s takes it back, varve "
			"resume %s%s goes on", first, option, run->id, option,
			run->id);
}
