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
 * down, DV's files are neither the former nor the backup's until it is complete:
 * then there is only the way forward, by the Job once more.
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

static int act_link(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	char target[128];
	int rc = disk_step_outside(DV_JOINED, "link", err);

	snprintf(target, sizeof(target), DV_BAR "/%.19s/" DV_JOINED,
		 run_fact(r->run, "ts"));
	return rc < 0 ? rc : dv_link_set(&r->dv, target, err);
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
	/* from then on it cannot be taken back */
	if (!run_fact(r->run, "at-work") &&
	    dv_job_started(&r->dv, DV_RESTORE_JOB, &started, NULL) == 0 &&
	    started && run_learn(r->run, "at-work", "1", err) < 0)
		return err->code;
	*err = words;
	return rc;
}

static bool has_begun(const struct run *run)
{
	return run_fact(run, "at-work") != NULL;
}

static int undo_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours, started = has_begun(r->run), marked = false;
	int rc = dv_job_state(&r->dv, DV_RESTORE_JOB, r->run->id, &state,
			      &ours, err);

	if (rc == 0 && !started && ours)
		rc = dv_job_started(&r->dv, DV_RESTORE_JOB, &started, err);
	if (rc == 0 && !started)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && (started || marked) && !r->accept) {
		if (!has_begun(r->run))
			rc = run_learn(r->run, "at-work", "1", err);
		if (rc < 0)
			return rc;
		err_set(err, -EBUSY, "the restore has begun, and DV's files "
			"are neither the former nor the backup's");
		return err_hint(err, "'varve resume %s' runs it once more; "
				"'varve rollback --accept %s' gives up, and "
				"DV stays stopped", r->run->id, r->run->id);
	}
	/* one that failed tells later that DV must not be started as it is */
	if (rc < 0 || !ours || (started && state == DV_JOB_FAILED))
		return rc;
	return dv_job_remove(&r->dv, DV_RESTORE_JOB, err);
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
	int rc;

	if (run_step_state(r->run, "job") == STEP_NEW)
		return 0;
	if (tree == TREE_WHOLLY_OLD && has_begun(r->run))
		return err_set(err, -EBUSY, "the restore had begun to write: "
			       "DV's files are not what they were");
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
	step->flags = PLAN_END;
	return dv_add_unread(r, err);
}

static int make(struct dv_run *r, struct err *err)
{
	const char *ts = run_fact(r->run, "ts");
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
		       " min", r->dv.image, ts, deadline / 60);
	if (!step)
		return err_nomem(err);
	step->ready = ready_job;
	if (!dv_step(r, "pods", DV_RETURN_S, NULL, check_pods, NULL,
		     "wait until all pods of DV run"))
		return err_nomem(err);
	return add_end(r, err);
}

/* Before: which one. */

static int learn_snapshot(struct dv *dv, const struct dv_kept *kept,
			  struct run *run, struct err *err)
{
	const struct record *record = &kept->snapshot.record;
	const char *of = record_tag(record, "dv_instance");
	const char *ns = record_tag(record, "dv_namespace");
	const char *other = option_value(&dv->tool->options,
					 "other-instance");
	char spec[2 * RECORD_ID + 8] = "id:";
	bool same = of && !strcmp(of, dv->instance);

	if (!snapshot_is_good(&kept->snapshot))
		return err_set(err, -EUCLEAN, "backup %s is incomplete or "
			       "damaged in the store", kept->ts);
	if (!same && (!other || strcmp(other, dv->instance) != 0)) {
		err_set(err, -EXDEV, "backup %s is of another instance: %s in "
			"namespace %s, and this is %s in %s", kept->ts,
			of ? of : "?", ns ? ns : "?", dv->instance, dv->ns);
		return err_hint(err, "DV restores into the instance it backed "
				"up; --other-instance %s forces it",
				dv->instance);
	}
	hex_write(record->id, RECORD_ID, spec + 3);
	return run_learn(run, "snapshot", spec, err);
}

static int find_in_store(struct dv *dv, struct repo *repo, const char *ts,
			 struct run *run, uint64_t *ret_bytes, struct err *err)
{
	OWNED_KEPTS struct dv_kepts own = { .count = 0 };
	OWNED_KEPTS struct dv_kepts all = { .count = 0 };
	const struct dv_kept *kept;
	const char *joined;
	int r = dv_kepts_load(repo, dv, false, &own, err);

	if (r == 0)
		r = dv_kepts_load(repo, dv, true, &all, err);
	if (r < 0)
		return r;
	kept = dv_kept_find(&own, ts);
	if (!kept)
		kept = dv_kept_find(&all, ts);
	if (!kept) {
		err_set(err, -ENOENT, "there is no backup '%s' on %s, nor in "
			"the store", ts, dv->claim);
		return err_hint(err, "'varve dv list -n %s' names those there "
				"are", dv->ns);
	}
	joined = record_tag(&kept->snapshot.record, "dv_joined");
	*ret_bytes = joined ? strtoull(joined, NULL, 10) : 0;
	return learn_snapshot(dv, kept, run, err);
}

static int last_failed(struct dv *dv, bool *ret, struct err *err)
{
	enum dv_job_state state;
	int r = dv_job_state(dv, DV_BACKUP_JOB, NULL, &state, NULL, err);

	*ret = r == 0 && state == DV_JOB_FAILED;
	return r;
}

/* Of the volume, if it is named, else what the link names. */
static int find_ts(struct dv *dv, const struct dv_volume *volume,
		   const struct dv_dir **ret, const char **ret_ts,
		   struct err *err)
{
	const struct options *o = &dv->tool->options;
	bool failed = false;
	int r = last_failed(dv, &failed, err);

	if (r < 0)
		return r;
	if (o->word_count > 1) {
		*ret_ts = o->words[1];
		if (!dv_is_ts(*ret_ts, strlen(*ret_ts))) {
			err_set(err, -EINVAL, "'%s' is no backup's name",
				*ret_ts);
			return err_hint(err, "as 2021-01-22-19-27-31");
		}
		if (failed)
			note(dv->tool, "the last backup, " DV_BACKUP_JOB
			     ", failed");
		*ret = dv_dir_find(volume, *ret_ts);
		return 0;
	}
	for (size_t i = 0; i < volume->count; i++)
		if (volume->dirs[i].linked)
			*ret = &volume->dirs[i];
	if (failed || !*ret || volume->dangling) {
		err_set(err, -EINVAL, failed ? "the last backup failed" :
			"the link " DV_JOINED " points to no backup");
		return err_hint(err, "name the one that is to be restored; "
				"'varve dv list -n %s' has them", dv->ns);
	}
	*ret_ts = (*ret)->ts;
	return 0;
}

static int check_room(struct dv *dv, const struct dv_volume *volume,
		      uint64_t joined, bool send, struct err *err)
{
	uint64_t need = 2 * joined;
	char wants[SIZE_TEXT], has[SIZE_TEXT];
	int r = option_size(&dv->tool->options, "room", &need, err);

	if (r < 0)
		return r;
	size_text(need, wants);
	size_text(volume->data_free, has);
	if (volume->data_free < need)
		return err_set(err, -ENOSPC, DV_DATA_CLAIM " has %s free, and "
			       "a restore needs %s on it", has, wants);
	if (!send)
		return 0;
	need = 2 * joined + joined / 10;
	size_text(need, wants);
	size_text(volume->free, has);
	if (volume->free >= need)
		return 0;
	err_set(err, -ENOSPC, "%s has %s free, and the backup needs %s on it",
		dv->claim, has, wants);
	return err_hint(err, "'varve dv clean --keep 1 -n %s' removes from it "
			"what the store holds", dv->ns);
}

/* Either the Job can be told which, or the link is to be changed. */
static int choose_way(struct dv *dv, const struct dv_volume *volume,
		      const char *ts, struct run *run, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	bool told = false;
	int r = dv_job_make(dv, "dv-restore-job.yaml", run->id, ts, &told,
			    &text, err);

	if (r == 0 && volume->link)
		r = run_learn(run, "link", volume->link, err);
	if (r == 0 && (!told || option_given(&dv->tool->options, "by-link")))
		r = run_learn(run, "by-link", "1", err);
	return r;
}

static int check_volume(struct dv *dv, struct repo *repo, struct run *run,
			struct err *err)
{
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const struct dv_dir *dir = NULL;
	const char *ts = NULL;
	uint64_t joined = 0;
	int r = dv_reader_open(dv, err);

	if (r == 0)
		r = dv_volume_read(dv, &volume, err);
	if (r == 0)
		r = find_ts(dv, &volume, &dir, &ts, err);
	if (r == 0 && dir && !dir->joined)
		r = err_set(err, -ENOENT, "backup %s has no " DV_JOINED
			    ": it was never finished", ts);
	if (r == 0 && dir)
		joined = dir->joined;
	if (r == 0 && !dir)
		r = find_in_store(dv, repo, ts, run, &joined, err);
	if (r == 0)
		r = check_room(dv, &volume, joined, !dir, err);
	if (r == 0)
		r = choose_way(dv, &volume, ts, run, err);
	return r < 0 ? r : run_learn(run, "ts", ts, err);
}

/* All of DV runs; but where a restore failed, another one is the cure. */
static int check_state(struct dv *dv, struct err *err)
{
	enum dv_job_state state;
	bool marked = false;
	int r = dv_job_state(dv, DV_RESTORE_JOB, NULL, &state, NULL, err);

	if (r == 0)
		r = dv_marker(dv, DV_MARKER, &marked, err);
	if (r == 0 && marked && state == DV_JOB_FAILED) {
		note(dv->tool, "the last restore failed, and keeps DV stopped");
		return 0;
	}
	if (r == 0)
		r = dv_check_marker(dv, err);
	if (r == 0)
		r = dv_check_pods(dv, err);
	if (r != -EAGAIN)
		return r;
	if (err)
		err->code = -EBUSY;
	err_hint(err, "a restore needs all pods of DV running: 'kubectl get "
		 "pods -n %s'", dv->ns);
	return -EBUSY;
}

static int check_all(struct dv *dv, struct repo *repo, struct run *run,
		     struct err *err)
{
	const char *deadline = option_value(&dv->tool->options, "deadline");
	int64_t seconds = DV_DEADLINE_S;
	int r = deadline ? duration_parse(deadline, &seconds, err) : 0;

	if (r == 0)
		r = run_learnf(run, err, "deadline", "%" PRId64, seconds);
	if (r == 0 && option_given(&dv->tool->options, "caching"))
		r = run_learn(run, "caching", "1", err);
	if (r == 0 && !dv->claim)
		r = err_set(err, -ENXIO, "there is no claim " DV_CLAIM
			    " in namespace %s", dv->ns);
	if (r == 0)
		r = dv_check_rights(dv, err);
	if (r == 0)
		r = dv_find_image(dv, err);
	if (r == 0)
		r = check_state(dv, err);
	return r < 0 ? r : check_volume(dv, repo, run, err);
}

int dv_restore(struct tool *tool, struct err *err)
{
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	OWNED_BUF struct buf question = BUF_INIT, by_hand = BUF_INIT;
	int r = tool_open(tool, REPO_READ, &repo, err);

	if (r == 0)
		r = dv_open(tool, &dv, err);
	if (r == 0)
		r = dv_refuse_other(&dv, err);
	if (r == 0)
		r = run_new(NULL, &run, err);
	if (r < 0)
		return r;
	catch_stop();
	snprintf(dv.reader, sizeof(dv.reader), "varve-dv-%s",
		 run.id + strlen(run.id) - 4);
	r = check_all(&dv, repo, &run, err);
	if (r == 0)
		r = dv_learn(&dv, &run, DV_RESTORE_KIND, "restore of DV", err);
	dv_by_hand(&dv, "restore", tool->options.word_count > 1 ?
		   tool->options.words[1] : NULL, &by_hand);
	if (r == 0)
		r = buf_str(&by_hand) ? run_learn(&run, "by-hand",
						  buf_str(&by_hand), err) :
					err_nomem(err);
	if (r == 0) {
		repo_close(repo);
		repo = NULL;
		buf_printf(&question, "stop DV in namespace %s, and put backup "
			   "%s in the place of its files?", dv.ns,
			   run_fact(&run, "ts"));
		r = buf_str(&question) ? 0 : err_nomem(err);
	}
	if (r == 0)
		return dv_run_plan(tool, &dv, &run, make, buf_str(&question),
				   err);
	dv.past_stop = true;
	if (dv.pod)
		dv_reader_remove(&dv, NULL);
	return r;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_restore = {
	.kind = DV_RESTORE_KIND, .go_on = go_on, .only_forward = has_begun,
};
