#include "tools/dv.h"

#include <stdio.h>

#include "tools/runs.h"

/*
 * A restore that failed half way leaves a failed Job and a marker.  Somebody may
 * delete the Job, or the cluster after a while: then the journal alone tells that
 * DV's files are neither the former nor a backup's.
 */

struct looking {
	struct disk_dir *dir;
	const char *target;
	struct dv_past *past;
};

static int look_at(void *arg, const char *id, struct err *err)
{
	struct looking *looking = arg;
	struct dv_past *past = looking->past;
	OWNED_RUN struct run run = RUN_INIT;
	int r = run_load(looking->dir, id, false, &run, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!dv_fact_is(&run, "target", looking->target))
		return 0;
	/* which began only where no marker was */
	if (dv_fact_is(&run, "kind", DV_BACKUP_KIND) &&
	    run.closed == TREE_WHOLLY_NEW)
		past->half[0] = '\0';
	if (!dv_fact_is(&run, "kind", DV_RESTORE_KIND))
		return 0;
	if (run_is_unfinished(&run) && !run.running && dv_has_begun(&run))
		snprintf(past->stuck, RUN_ID, "%s", run.id);
	else if (run.closed == TREE_UNPROVED && dv_has_begun(&run))
		snprintf(past->half, RUN_ID, "%s", run.id);
	else if (run.closed == TREE_WHOLLY_NEW ||
		 (run.closed && dv_has_begun(&run)))
		past->half[0] = '\0';
	return 0;
}

int dv_past_find(const struct tool *tool, const char *target,
		 struct dv_past *ret, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	struct looking looking = { &dir, target, ret };
	int r = runs_open(tool, NULL, false, &dir, err);

	*ret = (struct dv_past){ .stuck = "" };
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return runs_each(&dir, look_at, &looking, err);
}

int dv_is_half(struct dv *dv, bool *ret, struct err *err)
{
	OWNED_BUF struct buf target = BUF_INIT;
	struct dv_past past;
	enum dv_job_state state;
	int r = dv_job_state(dv, DV_RESTORE_JOB, NULL, &state, NULL, err);

	dv_target(dv, &target);
	if (r == 0 && !buf_str(&target))
		r = err_nomem(err);
	if (r == 0)
		r = dv_past_find(dv->tool, buf_str(&target), &past, err);
	if (r == 0)
		*ret = state == DV_JOB_FAILED || past.half[0] || past.stuck[0];
	return r;
}

int dv_replace_check(struct dv *dv, const char *ts, struct run *run,
		     struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_RUN struct run old = RUN_INIT;
	int r = runs_open(dv->tool, NULL, false, &dir, err);

	if (r == 0)
		r = run_load(&dir, dv->stuck, false, &old, err);
	if (r < 0)
		return r;
	if (dv_fact_is(&old, "ts", ts)) {
		err_set(err, -EINVAL, "backup %s is what run %s restores", ts,
			old.id);
		return err_hint(err, "'varve resume %s' runs it once more",
				old.id);
	}
	return run_fact(&old, "link") ?
		run_learn(run, "link", run_fact(&old, "link"), err) : 0;
}

int dv_replace(struct dv *dv, struct disk_dir *dir, const struct run *by,
	       struct err *err)
{
	OWNED_RUN struct run old = RUN_INIT;
	int r = run_load(dir, dv->stuck, true, &old, err);

	if (r < 0)
		return r;
	if (old.closed)
		return 0;
	say(dv->tool, "Run %s, whose restore failed, is given up for run %s.",
	    old.id, by->id);
	return procedure_dv_restore.go_on(dv->tool, &old, true, true, err);
}
