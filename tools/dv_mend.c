#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs/base/disk.h"
#include "tools/procedure.h"

#define LOG_MAX (16u << 20)

/*
 * What a failed backup left: its Job, and the marker that keeps DV stopped.  With
 * --permissions also the directory that it may not write to (issue 2 of the
 * vendor's document), by the document's own Job.
 */

static int act_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = dv_job_remove(&r->dv, DV_BACKUP_JOB, err);

	return rc == -EAGAIN ? 0 : rc;
}

static int check_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return dv_job_remove(&r->dv, DV_BACKUP_JOB, err);
}

static int act_marker(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = disk_step_outside(DV_MARKER, "remove", err);

	return rc < 0 ? rc : dv_marker_remove(&r->dv, DV_MARKER, err);
}

static int check_pods(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return dv_check_pods(&r->dv, err);
}

/* The group of the directory is kept for what is made in it. */
static int act_permissions(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	const char *mode = run_fact(r->run, "mode");
	const char *args[] = { mode, NULL };
	int rc = disk_step_outside(DV_BAR, "chmod", err);

	return rc < 0 ? rc : dv_volume_sh(&r->dv, "[ -n \"$as\" ] || "
		"{ echo 'sudo is not allowed in this pod' >&2; exit 1; }\n"
		"[ \"$1\" = 777 ] || $as chown \"$(id -u)\" .\n"
		"$as chmod \"$1\" .\n[ -w . ]", args, 60, NULL, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct dv_run *r = arg;
	bool marked = false;
	int rc;

	/* what it takes away is not put back */
	if (tree == TREE_WHOLLY_OLD)
		return 0;
	rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	return rc == 0 && marked ? err_set(err, -EBUSY, "the marker "
					   DV_MARKERS DV_MARKER " is there") :
				   rc;
}

static int make(struct dv_run *r, struct err *err)
{
	const char *mode = run_fact(r->run, "mode");

	r->plan.prove = prove;
	if (dv_fact_is(r->run, "job", "1") &&
	    !dv_step(r, "job", DV_GONE_S, act_job, check_job, NULL,
		     "delete Job " DV_BACKUP_JOB ", which failed"))
		return err_nomem(err);
	if (dv_fact_is(r->run, "marker", "1") &&
	    (!dv_step(r, "marker", DV_GONE_S, act_marker, NULL, NULL,
		      "remove " DV_MARKERS DV_MARKER " in " DV_ENGINE) ||
	     !dv_step(r, "pods", DV_RETURN_S, NULL, check_pods, NULL,
		      "wait until all pods of DV run again, at most %d min",
		      DV_RETURN_S / 60)))
		return err_nomem(err);
	if (!mode)
		return 0;
	if (dv_add_reader(r, err) < 0)
		return -ENOMEM;
	if (!dv_step(r, "permissions", DV_GONE_S, act_permissions, NULL, NULL,
		     "give " DV_BAR " mode %s%s, in that pod", mode,
		     strcmp(mode, "777") != 0 ?
		     ", and to the user that backs up" : ""))
		return err_nomem(err);
	return dv_add_unread(r, err);
}

static int look(struct dv *dv, struct run *run, struct err *err)
{
	static const char *const jobs[] = { DV_BACKUP_JOB, DV_RESTORE_JOB };
	const struct options *o = &dv->tool->options;
	enum dv_job_state state[2];
	bool marked = false, half = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = dv_job_state(dv, jobs[i], NULL, &state[i], NULL, err);
		if (r == 0 && state[i] == DV_JOB_ACTIVE)
			r = err_set(err, -EBUSY, "%s is at work in namespace "
				    "%s", jobs[i], dv->ns);
	}
	if (r == 0)
		r = dv_marker(dv, DV_MARKER, &marked, err);
	if (r == 0 && marked)
		r = dv_is_half(dv, &half, err);
	if (r == 0 && half) {
		err_set(err, -EBUSY, "the last restore failed, and DV's files "
			"may be half restored: DV is not started on them");
		r = err_hint(err, "restore once more; or look at them, and "
			     "remove " DV_MARKERS DV_MARKER " in " DV_ENGINE
			     " by hand");
	}
	if (r == 0 && marked)
		r = run_learn(run, "marker", "1", err);
	if (r == 0 && state[0] == DV_JOB_FAILED)
		r = run_learn(run, "job", "1", err);
	if (r == 0 && option_given(o, "permissions"))
		r = run_learn(run, "mode", option_given(o, "world") ? "777" :
			      "2775", err);
	return r;
}

/* A log of dvcli.sh, or of a Job. */
static int explain(const struct tool *tool, const char *path, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir here = { .path = NULL };
	OWNED_BUF struct buf log = BUF_INIT;
	int r = disk_open(".", &here, err);

	if (r == 0)
		r = disk_read_all(&here, path, LOG_MAX, &log, err);
	if (r < 0)
		return r;
	if (dv_explain(buf_span(&log), err))
		return err_wrap(err, "'%s'", path);
	say(tool, "'%s' says nothing of a failure that is known.", path);
	return DONE;
}

int dv_mend(struct tool *tool, struct err *err)
{
	const struct dv_plan plan = {
		.kind = DV_MEND_KIND, .label = "mending of DV", .make = make,
		.question = "do this?",
	};
	const char *log = option_value(&tool->options, "log");
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	int r;

	if (log)
		return explain(tool, log, err);
	r = dv_begin(tool, &repo, &dv, &run, false, err);
	if (r == 0)
		r = look(&dv, &run, err);
	if (r == 0 && run_fact(&run, "mode"))
		r = dv_find_image(&dv, err);
	if (r == 0 && run_fact(&run, "mode") && !dv.claim)
		r = err_set(err, -ENXIO, "there is no claim " DV_CLAIM
			    " in namespace %s", dv.ns);
	if (r < 0)
		return r;
	/* as in the vendor's document */
	snprintf(dv.reader, sizeof(dv.reader), DV_TEST_JOB);
	if (!run_fact(&run, "mode") && !run_fact(&run, "marker") &&
	    !run_fact(&run, "job")) {
		say(tool, "There is nothing to mend: no marker, no failed "
		    "backup. --permissions mends the rights of " DV_BAR ".");
		return DONE;
	}
	return dv_plan_of(&dv, &repo, &run, &plan, r, err);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_mend = { .kind = DV_MEND_KIND, .go_on = go_on };
