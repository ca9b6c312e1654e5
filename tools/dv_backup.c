#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs/base/disk.h"
#include "tools/format.h"
#include "tools/procedure.h"

#define FRESH_MIN (3ull << 30)		/* of a fresh instance */

static bool is_before(const struct run *run, const char *ts)
{
	const char *before = run_fact(run, "before");

	return before && strstr(before, ts);
}

/* claim: the volume of backups, where there is none */

static int act_claim(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_BUF struct buf text = BUF_INIT;
	int rc = dv_claim_make(&r->dv, run_fact(r->run, "class"),
			       run_fact(r->run, "size"), &text, err);

	if (rc == 0)
		rc = disk_step_outside(DV_CLAIM, "create", err);
	if (rc == 0)
		rc = kube_create(&r->dv.kube, r->dv.ns, buf_span(&text), err);
	return rc == -EEXIST ? 0 : rc;
}

static int check_claim(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int rc = kube_get_one(&r->dv.kube, r->dv.ns,
			      "persistentvolumeclaim/" DV_CLAIM, &doc, err);

	if (rc < 0)
		return rc;
	/* one that waits for its first pod is as good */
	return dv_find_claims(&r->dv, err);
}

/* stop and start */

static int act_stop(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	char what[64];
	int rc = 0;

	if (!run_fact(r->run, "stopped-at"))
		rc = run_learnf(r->run, err, "stopped-at", "%" PRId64,
				(int64_t)time(NULL));
	for (size_t i = 0; rc == 0 && i < DV_DEPLOYMENTS; i++) {
		if (r->dv.replicas[i] <= 0)
			continue;
		snprintf(what, sizeof(what), "deployment/%s",
			 dv_deployments[i]);
		rc = disk_step_outside(what, "scale", err);
		if (rc == 0)
			rc = kube_scale(&r->dv.kube, r->dv.ns, what, 0, err);
	}
	return rc;
}

static void put_selector(const struct jnode *deployment, struct buf *out)
{
	const struct jnode *labels = jnode_path(deployment, "spec.selector."
						"matchLabels");
	const struct jnode *one = labels ? labels->child : NULL;

	for (; one; one = one->next)
		buf_printf(out, "%s%.*s=%.*s", out->len ? "," : "",
			   (int)one->key.len, (const char *)one->key.data,
			   (int)one->text.len, (const char *)one->text.data);
}

static int check_gone(struct dv *dv, const char *name, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT, pods = JDOC_INIT;
	OWNED_BUF struct buf selector = BUF_INIT;
	char what[64];
	uint64_t n = 0;
	int r;

	snprintf(what, sizeof(what), "deployment/%s", name);
	r = kube_get_one(&dv->kube, dv->ns, what, &doc, err);
	if (r < 0)
		return err_wrap(err, "kubectl");
	if (jnode_u64(doc.root, "spec.replicas", &n) && n > 0)
		return err_set(err, -EBUSY, "%s was scaled up by somebody "
			       "else, to %" PRIu64, what, n);
	put_selector(doc.root, &selector);
	if (!selector.len || !buf_str(&selector))
		return err_set(err, -EPROTO, "%s selects no pods", what);
	{
		const char *const words[] = { "pods", "-n", dv->ns, "-l",
					      buf_str(&selector), NULL };

		r = kube_get(&dv->kube, words, &pods, err);
	}
	if (r < 0)
		return err_wrap(err, "kubectl");
	n = jnode_count(jnode_get(pods.root, "items"));
	return n ? err_set(err, -EAGAIN, "%s of %s still there",
			   counted(n, "pod").s, what) : 0;
}

static int check_stop(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < DV_DEPLOYMENTS; i++)
		if (r->dv.replicas[i] > 0)
			rc = check_gone(&r->dv, dv_deployments[i], err);
	return rc;
}

static int act_start(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	char what[64];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < DV_DEPLOYMENTS; i++) {
		if (r->dv.replicas[i] <= 0)
			continue;
		snprintf(what, sizeof(what), "deployment/%s",
			 dv_deployments[i]);
		rc = disk_step_outside(what, "scale", err);
		if (rc == 0)
			rc = kube_scale(&r->dv.kube, r->dv.ns, what,
					r->dv.replicas[i], err);
	}
	return rc;
}

static int check_start(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	uint64_t since;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < DV_DEPLOYMENTS; i++) {
		char what[64];
		int64_t now = 0;

		if (r->dv.replicas[i] <= 0)
			continue;
		snprintf(what, sizeof(what), "deployment/%s",
			 dv_deployments[i]);
		rc = kube_replicas(&r->dv.kube, r->dv.ns, what, &now, err);
		if (rc == 0 && now != r->dv.replicas[i])
			rc = err_set(err, -EAGAIN, "%s has %" PRId64
				     " replicas, and had %" PRId64, what, now,
				     r->dv.replicas[i]);
	}
	if (rc == 0 && run_fact(r->run, "stopped-at") &&
	    run_fact_u64(r->run, "stopped-at", &since, NULL) == 0)
		say(r->dv.tool, "They were stopped for %" PRId64 " s.",
		    (int64_t)time(NULL) - (int64_t)since);
	return rc;
}

static int check_ready(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < DV_DEPLOYMENTS; i++) {
		OWNED_JDOC struct jdoc doc = JDOC_INIT;
		char what[64];
		uint64_t n = 0;

		if (r->dv.replicas[i] <= 0)
			continue;
		snprintf(what, sizeof(what), "deployment/%s",
			 dv_deployments[i]);
		rc = kube_get_one(&r->dv.kube, r->dv.ns, what, &doc, err);
		if (rc == 0)
			jnode_u64(doc.root, "status.readyReplicas", &n);
		if (rc == 0 && (int64_t)n < r->dv.replicas[i])
			rc = err_set(err, -EAGAIN, "%" PRIu64 " of %" PRId64
				     " pods of %s are ready", n,
				     r->dv.replicas[i], what);
	}
	return rc;
}

/* job */

static int ready_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours;
	int rc = dv_job_state(&r->dv, DV_BACKUP_JOB, r->run->id, &state, &ours,
			      err);

	if (rc < 0 || ours || state == DV_JOB_NONE)
		return rc;
	if (state == DV_JOB_ACTIVE)
		return err_set(err, -EBUSY, DV_BACKUP_JOB " is at work, and not "
			       "of this run");
	return dv_job_remove(&r->dv, DV_BACKUP_JOB, err);
}

static int act_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_BUF struct buf text = BUF_INIT;
	enum dv_job_state state;
	bool ours;
	int rc = dv_job_state(&r->dv, DV_BACKUP_JOB, r->run->id, &state, &ours,
			      err);

	if (rc < 0 || ours)
		return rc;
	rc = dv_job_make(&r->dv, "dv-backup-job.yaml", r->run->id, NULL, NULL,
			 &text, err);
	if (rc == 0)
		rc = disk_step_outside(DV_BACKUP_JOB, "create", err);
	if (rc == 0)
		rc = kube_create(&r->dv.kube, r->dv.ns, buf_span(&text), err);
	return rc < 0 ? err_wrap(err, "cannot make Job " DV_BACKUP_JOB) : 0;
}

/* What the failed Job left; not to be able to is no reason to keep DV down. */
static void remove_debris(struct dv_run *r)
{
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const char *link = run_fact(r->run, "link");
	struct err why = ERR_INIT;
	int rc = dv_reader_ensure(&r->dv, &why);

	if (rc == 0)
		rc = dv_volume_read(&r->dv, &volume, &why);
	for (size_t i = 0; rc == 0 && i < volume.count; i++) {
		const char *args[] = { volume.dirs[i].ts, NULL };

		if (is_before(r->run, volume.dirs[i].ts))
			continue;
		rc = dv_volume_sh(&r->dv, "$as rm -rf \"$1\"", args, 600, NULL,
				  &why);
	}
	if (rc == 0 && (!link != !volume.link ||
			(link && strcmp(link, volume.link) != 0)))
		rc = dv_link_set(&r->dv, link, &why);
	if (rc < 0)
		warn("what the Job left on the volume of backups was not "
		     "removed: %s", why.text);
}

static int undo_job(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours, marked = false;
	int rc = dv_job_state(&r->dv, DV_BACKUP_JOB, r->run->id, &state, &ours,
			      err);

	if (rc == 0 && (ours || state == DV_JOB_NONE))
		rc = dv_job_remove(&r->dv, DV_BACKUP_JOB, err);
	/* none was there before the Job: it is the Job's */
	if (rc == 0)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && marked)
		rc = disk_step_outside(DV_MARKER, "remove", err);
	if (rc == 0 && marked) {
		rc = dv_marker_remove(&r->dv, DV_MARKER, err);
		note(r->dv.tool, "the marker " DV_MARKERS DV_MARKER " is "
		     "removed: DV's pods start their work again by themselves, "
		     "which may take up to 30 min");
	}
	if (rc == 0)
		remove_debris(r);
	return rc;
}

static int check_watch(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	bool marked = false;
	int rc = dv_job_watch(&r->dv, DV_BACKUP_JOB, r->run, err);

	if (rc == 0)
		rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	return rc == 0 && marked ?
		err_set(err, -EAGAIN, DV_BACKUP_JOB " is complete, and its "
			"marker " DV_MARKERS DV_MARKER " is still there") : rc;
}

/* look: what the Job made */

static void tell_sizes(const struct dv_run *r, const struct dv_volume *volume,
		       const struct dv_dir *dir)
{
	char size[SIZE_TEXT], all[SIZE_TEXT], left[SIZE_TEXT];
	const struct dv_dir *former = NULL;

	size_text(dir->joined, size);
	size_text(dir->all, all);
	size_text(volume->free, left);
	say(r->dv.tool, "Backup %s: " DV_JOINED " %s, %s with its parts; %s "
	    "free on %s.", dir->ts, size, all, left, r->dv.claim);
	for (size_t i = 0; i < volume->count && !former; i++)
		if (&volume->dirs[i] != dir && volume->dirs[i].joined)
			former = &volume->dirs[i];
	if (former && dir->joined < former->joined / 2)
		warn("it is less than half of backup %s", former->ts);
	if (!former && dir->joined < FRESH_MIN)
		note(r->dv.tool, "of a fresh instance 3 to 4 GB are usual");
	/* the joined archive is of the parts, which are packed already */
	if (dir->joined < dir->parts - dir->parts / 50 ||
	    dir->joined > dir->parts + dir->parts / 50 + 65536)
		warn("its parts and " DV_JOINED " differ in size: %" PRIu64
		     " and %" PRIu64 " bytes", dir->parts, dir->joined);
}

static int act_look(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const struct dv_dir *dir = NULL;
	int rc = dv_volume_read(&r->dv, &volume, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < volume.count && !dir; i++)
		if (!is_before(r->run, volume.dirs[i].ts))
			dir = &volume.dirs[i];
	if (!dir)
		return err_set(err, -ENOENT, DV_BACKUP_JOB " is complete, and "
			       "there is no new backup on %s", r->dv.claim);
	if (!dir->joined || !dir->part_count)
		return err_set(err, -ENOENT, "backup %s has not all files",
			       dir->ts);
	if (!dir->linked || volume.dangling)
		return err_set(err, -ENOENT, "the link " DV_JOINED " does not "
			       "point to backup %s", dir->ts);
	tell_sizes(r, &volume, dir);
	return run_learn(r->run, "ts", dir->ts, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct dv_run *r = arg;
	enum dv_job_state state;
	bool ours = false, marked = false;
	int rc = 0;

	if (run_step_state(r->run, "job") == STEP_NEW)
		return 0;
	rc = dv_marker(&r->dv, DV_MARKER, &marked, err);
	if (rc == 0 && marked)
		return err_set(err, -EBUSY, "the marker " DV_MARKERS DV_MARKER
			       " is there");
	if (rc == 0)
		rc = dv_job_state(&r->dv, DV_BACKUP_JOB, r->run->id, &state,
				  &ours, err);
	if (rc < 0)
		return rc;
	if (tree == TREE_WHOLLY_NEW)
		return state == DV_JOB_COMPLETE && run_fact(r->run, "ts") ? 0 :
			err_set(err, -EIO, "the backup is not complete");
	return ours && state != DV_JOB_NONE ?
		err_set(err, -EBUSY, DV_BACKUP_JOB " is still there") : 0;
}

/* add */

static int act_add(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const char *ts = run_fact(r->run, "ts");
	const struct dv_dir *dir;
	int rc = dv_run_repo(r, err);

	if (rc == 0)
		rc = dv_volume_read(&r->dv, &volume, err);
	if (rc < 0)
		return rc;
	dir = ts ? dv_dir_find(&volume, ts) : NULL;
	if (!dir)
		return err_set(err, -ENOENT, "backup %s is not on %s any more",
			       ts ? ts : "?", r->dv.claim);
	rc = dv_store_add(&r->dv, r->repo, run_fact(r->run, "source"), dir,
			  err);
	if (rc == INCOMPLETE)
		warn("backup %s is not whole in the store; it stays on %s", ts,
		     r->dv.claim);
	if (rc > 0)
		r->status = rc;
	return rc < 0 ? rc : 0;
}

static int act_verify(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	OWNED_KEPTS struct dv_kepts kepts = { .count = 0 };
	const struct dv_dir *dir;
	int rc = r->status ? 0 : dv_run_repo(r, err);

	if (rc < 0 || r->status)
		return rc;
	rc = dv_kepts_load(r->repo, &r->dv, false, &kepts, err);
	if (rc == 0)
		rc = dv_volume_read(&r->dv, &volume, err);
	if (rc < 0)
		return rc;
	dir = dv_dir_find(&volume, run_fact(r->run, "ts"));
	rc = dir ? dv_store_holds(r->repo, &kepts, dir, err) :
		   err_set(err, -ENOENT, "it is not on the volume any more");
	if (rc == -EUCLEAN) {
		warn("backup %s: %s", run_fact(r->run, "ts"), err->text);
		r->status = INCOMPLETE;
		return 0;
	}
	return rc < 0 ? err_wrap(err, "backup %s", run_fact(r->run, "ts")) : 0;
}

/* The plan. */

static void counts_text(const struct dv *dv, struct buf *out)
{
	for (size_t i = 0; i < DV_DEPLOYMENTS; i++)
		if (dv->replicas[i] >= 0)
			buf_printf(out, "%s%s (%" PRId64 ")",
				   out->len ? ", " : "", dv_deployments[i],
				   dv->replicas[i]);
}

static int make(struct dv_run *r, struct err *err)
{
	OWNED_BUF struct buf counts = BUF_INIT;
	
	const char *source = run_fact(r->run, "source");
	const char *size = run_fact(r->run, "size");
	struct plan_step *step;
	uint64_t deadline;
	int rc = run_fact_u64(r->run, "deadline", &deadline, err);

	counts_text(&r->dv, &counts);
	if (rc < 0 || !buf_str(&counts))
		return rc < 0 ? rc : err_nomem(err);
	r->plan.prove = prove;
	if (run_fact(r->run, "class") &&
	    !dv_step(r, "claim", DV_GONE_S, act_claim, check_claim, NULL,
		     "make the claim " DV_CLAIM ", %s of class %s",
		     size ? size : "20Gi", run_fact(r->run, "class")))
		return err_nomem(err);
	if (dv_add_reader(r, err) < 0)
		return -ENOMEM;
	if (!dv_step(r, "stop", DV_GONE_S, act_stop, check_stop, NULL,
		     "scale %s to 0, and wait until their pods are gone",
		     (char *)counts.data))
		return err_nomem(err);
	step = dv_step(r, "job", DV_GONE_S, act_job, NULL, undo_job,
		       "run " DV_BACKUP_JOB " with image %s (of %s): it stops "
		       "DV", r->dv.image, r->dv.image_of);
	if (!step)
		return err_nomem(err);
	step->ready = ready_job;
	if (!dv_step(r, "watch", (int64_t)deadline, NULL, check_watch, NULL,
		     "wait until it is complete, at most %" PRIu64 " min, and "
		     "DV is started again", deadline / 60) ||
	    !dv_step(r, "look", DV_GONE_S, act_look, NULL, NULL,
		     "look whether the backup is all there"))
		return err_nomem(err);
	step = dv_step(r, "start", DV_GONE_S, act_start, check_start, NULL,
		       "scale %s as they were", (char *)counts.data);
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_RESTART;
	step->starts = "stop";
	step = dv_step(r, "add", 0, act_add, NULL, NULL,
		       "take the backup into the store, as %s", source);
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_SPARE;
	step = dv_step(r, "verify", 0, act_verify, NULL, NULL,
		       "read it back from the store");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_SPARE;
	step = dv_step(r, "ready", DV_RETURN_S, NULL, check_ready, NULL,
		       "wait until the pods that were scaled are ready");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_SPARE;
	return dv_add_unread(r, err);
}

int dv_backup(struct tool *tool, struct err *err)
{
	const struct dv_plan plan = {
		.kind = DV_BACKUP_KIND, .label = "backup of DV",
		.action = "backup", .make = make,
		.question = "stop DV, and back it up?",
	};
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	OWNED_BUF struct buf source = BUF_INIT;
	int r = dv_backup_window(tool, err);

	if (r == 0)
		r = dv_begin(tool, &repo, &dv, &run, false, err);
	if (r == 0)
		r = dv_source(&dv, option_value(&tool->options, "source"),
			      &source, err);
	if (r == 0)
		r = run_learn(&run, "source", buf_str(&source), err);
	if (r < 0)
		return r;
	r = dv_backup_check(&dv, repo, &run, err);
	r = dv_plan_of(&dv, &repo, &run, &plan, r, err);
	return r == DONE && run.closed &&
	       option_given(&tool->options, "keep") ? dv_clean(tool, err) : r;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_backup = { .kind = DV_BACKUP_KIND, .go_on = go_on };
