#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/disk.h"
#include "tools/format.h"
#include "tools/procedure.h"
#include "tools/target.h"

/*
 * Up to the Job everything can be put back.  Once the Job has put its marker
 * down, DV's files are neither the former nor the backup's until it is complete.
 * The way back is then the Job once more with the backup that was made first
 * (DV_FORMER); without one there is only the way forward, with this backup or, by
 * another run, with another one (dv_past.c).
 */

static void hold_name(const struct run *run, char out[64])
{
	snprintf(out, 64, ".varve-sent-%.40s", run->id);
}

/* send: a backup that only the store has */

static int act_send(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	const char *ts = run_fact(r->run, "ts");
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	char hold[64];
	int rc = dv_volume_read(&r->dv, &volume, err);

	/* moved to its name as the last thing */
	if (rc < 0 || dv_dir_find(&volume, ts))
		return rc;
	hold_name(r->run, hold);
	rc = dv_run_repo(r, err);
	if (rc == 0)
		rc = disk_step_outside(ts, "send", err);
	return rc < 0 ? rc : dv_store_send(&r->dv, r->repo,
					   run_fact(r->run, "snapshot"), ts,
					   hold, err);
}

static int undo_send(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	char hold[64];
	const char *args[] = { hold, run_fact(r->run, "ts"), NULL };

	hold_name(r->run, hold);
	/* it was not there before, and the link has never pointed to it but for
	 * this run */
	return dv_volume_sh(&r->dv, "$as rm -rf \"$1\" \"$2\"", args, 600,
			    NULL, err);
}

static int act_verify(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	const char *ts = run_fact(r->run, "ts");
	const char *args[] = { ts, NULL };
	int rc = dv_volume_sh(&r->dv, "cd \"$1\"\n"
			      "$as gzip -t " DV_JOINED "\n"
			      "$as tar tzf " DV_JOINED " >/dev/null", args,
			      DV_LOOK_S, NULL, err);

	return rc < 0 ? err_wrap(err, "backup %s does not read to its end",
				 ts) : 0;
}

/* link */

static int point_to(struct dv_run *r, const char *ts, struct err *err)
{
	char target[128];
	int rc = disk_step_outside(DV_JOINED, "link", err);

	snprintf(target, sizeof(target), DV_BAR "/%.19s/" DV_JOINED, ts);
	return rc < 0 ? rc : dv_link_set(&r->dv, target, err);
}

static int act_link(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return point_to(r, run_fact(r->run, "ts"), err);
}

static int undo_link(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = disk_step_outside(DV_JOINED, "link", err);

	return rc < 0 ? rc : dv_link_set(&r->dv, run_fact(r->run, "link"),
					 err);
}

/* job */

static int ready_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours;
	int rc = dv_job_state(&r->dv, DV_RESTORE_JOB, r->run->id, &state,
			      &ours, err);

	if (rc < 0 || state == DV_JOB_NONE)
		return rc;
	if (!ours && state == DV_JOB_ACTIVE)
		return err_set(err, -EBUSY, DV_RESTORE_JOB " is at work, and "
			       "not of this run");
	/* ours that failed is run once more */
	if (ours && state != DV_JOB_FAILED)
		return 0;
	return dv_job_remove(&r->dv, DV_RESTORE_JOB, err);
}

static int act_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_BUF struct buf text = BUF_INIT;
	enum dv_job_state state;
	bool ours;
	int rc = dv_job_state(&r->dv, DV_RESTORE_JOB, r->run->id, &state,
			      &ours, err);

	if (rc < 0 || ours)
		return rc;
	rc = dv_job_make(&r->dv, "dv-restore-job.yaml", r->run->id,
			 dv_fact_is(r->run, "by-link", "1") ? NULL :
			 run_fact(r->run, "ts"), NULL, &text, err);
	if (rc == 0)
		rc = disk_step_outside(DV_RESTORE_JOB, "create", err);
	if (rc == 0)
		rc = kube_create(&r->dv.kube, r->dv.ns, buf_span(&text), err);
	return rc < 0 ? err_wrap(err, "cannot make Job " DV_RESTORE_JOB) : 0;
}

/* From then on the files are not what they were. */
static int learn_begun(struct run *run, struct err *err)
{
	return run_learn(run, run_fact(run, DV_FORMER) ? DV_BEGUN :
			 RUN_ONLY_FORWARD, "1", err);
}

static int check_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	bool marked = false, started = false;
	int rc = dv_job_watch(&r->dv, DV_RESTORE_JOB, r->run, err);
	struct err words = *err;

	if (rc == 0)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0)
		return marked ? err_set(err, -EAGAIN, DV_RESTORE_JOB " is "
					"complete, and its marker " DV_MARKERS
					DV_MARKER " is still there") : 0;
	if (!dv_has_begun(r->run) &&
	    dv_job_started(&r->dv, DV_RESTORE_JOB, &started, NULL) == 0 &&
	    started && learn_begun(r->run, err) < 0)
		return err->code;
	*err = words;
	return rc;
}

/* The way back: the Job once more, with the backup that was made first. */

static void back_mark(const struct run *run, char out[RUN_ID + 8])
{
	snprintf(out, RUN_ID + 8, "%s-back", run->id);
}

static int make_back(struct dv_run *r, const char *mark, struct err *err)
{
	const char *ts = run_fact(r->run, DV_FORMER);
	bool by_link = dv_fact_is(r->run, "by-link", "1");
	OWNED_BUF struct buf text = BUF_INIT;
	int rc = by_link ? point_to(r, ts, err) : 0;

	if (rc == 0)
		rc = dv_job_make(&r->dv, "dv-restore-job.yaml", mark,
				 by_link ? NULL : ts, NULL, &text, err);
	if (rc == 0)
		rc = disk_step_outside(DV_RESTORE_JOB, "create", err);
	if (rc == 0)
		rc = kube_create(&r->dv.kube, r->dv.ns, buf_span(&text), err);
	return rc < 0 ? err_wrap(err, "cannot make Job " DV_RESTORE_JOB) : 0;
}

static int put_back(struct dv_run *r, struct err *err)
{
	enum dv_job_state state;
	bool ours, marked = false;
	char mark[RUN_ID + 8];
	int rc;

	back_mark(r->run, mark);
	rc = dv_job_state(&r->dv, DV_RESTORE_JOB, mark, &state, &ours, err);
	/* one that failed is run once more, by each rollback */
	if (rc == 0 && state != DV_JOB_NONE &&
	    (!ours || (state == DV_JOB_FAILED && !r->tried))) {
		rc = dv_job_remove(&r->dv, DV_RESTORE_JOB, err);
		state = DV_JOB_NONE;
	}
	if (rc == 0 && state == DV_JOB_NONE) {
		say(r->dv.tool, "  " DV_RESTORE_JOB " puts back %s",
		    run_fact(r->run, DV_FORMER));
		r->tried = true;
		rc = make_back(r, mark, err);
	}
	if (rc == 0)
		rc = dv_job_watch(&r->dv, DV_RESTORE_JOB, r->run, err);
	if (rc == 0)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && marked)
		return err_set(err, -EAGAIN, DV_RESTORE_JOB " is complete, and "
			       "its marker " DV_MARKERS DV_MARKER " is still "
			       "there");
	return rc < 0 ? rc : dv_check_pods(&r->dv, err);
}

static int refuse_back(const struct dv_run *r, struct err *err)
{
	err_set(err, -EBUSY, "the restore has begun, and DV's files are neither "
		"the former nor the backup's");
	return err_hint(err, "'varve resume %s' runs it once more, 'varve dv "
			"restore BACKUP -n %s --yes' takes another backup; "
			"until one is complete DV stays stopped", r->run->id,
			r->dv.ns);
}

static int undo_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours, started = dv_has_begun(r->run), marked = false;
	int rc = dv_job_state(&r->dv, DV_RESTORE_JOB, r->run->id, &state,
			      &ours, err);

	if (rc == 0 && !started && ours)
		rc = dv_job_started(&r->dv, DV_RESTORE_JOB, &started, err);
	if (rc == 0 && !started)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && (started || marked) && !dv_has_begun(r->run))
		rc = learn_begun(r->run, err);
	if (rc < 0)
		return rc;
	if ((started || marked) && !r->accept)
		return run_fact(r->run, DV_FORMER) ? put_back(r, err) :
						     refuse_back(r, err);
	/* one that failed tells later that DV must not be started as it is */
	if (!ours || (started && state == DV_JOB_FAILED))
		return 0;
	rc = dv_job_remove(&r->dv, DV_RESTORE_JOB, err);
	if (rc == 0 && !started)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	/* its pod began just before it went */
	return rc == 0 && marked ? undo_job(arg, err) : rc;
}

static int check_pods(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return dv_check_pods(&r->dv, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours = false, marked = false;
	char mark[RUN_ID + 8];
	int rc;

	if (run_step_state(r->run, "job") == STEP_NEW)
		return 0;
	if (tree == TREE_WHOLLY_OLD && dv_has_begun(r->run)) {
		back_mark(r->run, mark);
		rc = dv_job_state(&r->dv, DV_RESTORE_JOB, mark, &state, &ours,
				  err);
		if (rc < 0)
			return rc;
		if (!ours || state != DV_JOB_COMPLETE)
			return err_set(err, -EBUSY, "the restore had begun to "
				       "write: DV's files are not what they "
				       "were");
	}
	rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && marked)
		return err_set(err, -EBUSY, "the marker " DV_MARKERS DV_MARKER
			       " is there");
	if (rc == 0 && tree == TREE_WHOLLY_NEW)
		rc = dv_job_state(&r->dv, DV_RESTORE_JOB, r->run->id, &state,
				  &ours, err);
	if (rc == 0 && tree == TREE_WHOLLY_NEW &&
	    (!ours || state != DV_JOB_COMPLETE))
		rc = err_set(err, -EIO, "the restore is not complete");
	return rc;
}

/* caching */

static int act_caching(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = r->dv.container ? 0 : dv_find_engine(&r->dv, err);

	if (rc == 0)
		rc = dv_sh(&r->dv, DV_ENGINE, r->dv.container,
			   "cd " DV_MARKERS "\n"
			   "[ ! -e " DV_RESTORED " ] || " DV_CACHING " false "
			   ">/dev/null\n", NULL, DV_RETURN_S, NULL, err);
	return rc < 0 ? rc : dv_marker_remove(&r->dv, DV_RESTORED, err);
}

static int act_tell(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	(void)err;
	say(r->dv.tool, "Backup %s is restored. Only where DV caching is "
	    "enabled, run in " DV_ENGINE ":", run_fact(r->run, "ts"));
	say(r->dv.tool, "  " DV_CACHING " false");
	say(r->dv.tool, "  rm -rf " DV_MARKERS DV_RESTORED);
	return 0;
}

/* The plan. */

static int add_front(struct dv_run *r, const char *ts, struct err *err)
{
	if (run_fact(r->run, "snapshot") &&
	    !dv_step(r, "send", 0, act_send, NULL, undo_send,
		     "put backup %s back on %s, from the store", ts,
		     r->dv.claim))
		return err_nomem(err);
	if (!dv_step(r, "verify", 0, act_verify, NULL, NULL,
		     "read its " DV_JOINED " to the end, while DV still runs"))
		return err_nomem(err);
	if (dv_fact_is(r->run, "by-link", "1") &&
	    !dv_step(r, "link", DV_GONE_S, act_link, NULL, undo_link,
		     "point the link " DV_JOINED " to it"))
		return err_nomem(err);
	return 0;
}

static int add_end(struct dv_run *r, struct err *err)
{
	bool caching = dv_fact_is(r->run, "caching", "1");
	struct plan_step *step;

	if (dv_fact_is(r->run, "by-link", "1") && run_fact(r->run, "link")) {
		step = dv_step(r, "relink", DV_GONE_S, undo_link, NULL, NULL,
			       "point the link where it pointed: %s",
			       run_fact(r->run, "link"));
		if (!step)
			return err_nomem(err);
		step->flags = PLAN_END;
	}
	step = caching ?
		dv_step(r, "caching", DV_RETURN_S, act_caching, NULL, NULL,
			"run dv-caching-bar.sh false, and remove " DV_RESTORED) :
		dv_step(r, "tell", 0, act_tell, NULL, NULL,
			"tell what is left to do where DV caching is enabled");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_SPARE;
	return dv_add_unread(r, err);
}

static int make(struct dv_run *r, struct err *err)
{
	const char *ts = run_fact(r->run, "ts");
	const char *former = run_fact(r->run, DV_FORMER);
	struct plan_step *step;
	uint64_t deadline;
	int rc = run_fact_u64(r->run, "deadline", &deadline, err);

	if (rc == 0 && !ts)
		rc = err_corrupt(err, "the journal of run %s names no backup",
				 r->run->id);
	r->plan.prove = prove;
	if (rc == 0)
		rc = dv_add_reader(r, err);
	if (rc == 0)
		rc = add_front(r, ts, err);
	if (rc < 0)
		return rc;
	step = dv_step(r, "job", (int64_t)deadline, act_job, check_job,
		       undo_job, "run " DV_RESTORE_JOB " with image %s: it "
		       "stops DV, restores %s, and starts DV; at most %" PRIu64
		       " min%s%s", r->dv.image, ts, deadline / 60, former ?
		       "; to take it back, the same with " : "", former ?
		       former : "");
	if (!step)
		return err_nomem(err);
	step->ready = ready_job;
	if (!dv_step(r, "pods", DV_RETURN_S, NULL, check_pods, NULL,
		     "wait until all pods of DV run"))
		return err_nomem(err);
	return add_end(r, err);
}

/* DV's files as they are, as only the vendor's own backup can take them: stopped. */
static int back_up_first(struct tool *tool, const char *ts, struct err *err)
{
	int r;

	if (!ts) {
		err_set(err, -EINVAL, "with --backup-first name the backup to "
			"be restored, as the newest will be the one made "
			"first");
		return err_hint(err, "'varve dv list' has them");
	}
	r = dv_backup(tool, err);
	if (r != DONE)
		return r < 0 ? err_wrap(err, "nothing is restored") : r;
	if (option_given(&tool->options, "dry-run"))
		say(tool, "Then, and if it fails, that backup is put back:");
	return DONE;
}

int dv_restore(struct tool *tool, struct err *err)
{
	const struct dv_plan plan = {
		.kind = DV_RESTORE_KIND, .label = "restore of DV",
		.action = "restore",
		.ts = tool->options.word_count > 1 ? tool->options.words[1] :
						     NULL,
		.make = make,
		.question = "stop DV, and put the backup in the place of its "
			    "files?",
	};
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	int r = option_given(&tool->options, "backup-first") ?
		back_up_first(tool, plan.ts, err) : DONE;

	if (r != DONE)
		return r;
	r = dv_begin(tool, &repo, &dv, &run, true, err);
	if (r < 0)
		return r;
	r = dv_restore_check(&dv, repo, &run, err);
	return dv_plan_of(&dv, &repo, &run, &plan, r, err);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_restore = {
	.kind = DV_RESTORE_KIND, .go_on = go_on,
};
