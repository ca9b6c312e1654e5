#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/json.h"
#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/procedure.h"
#include "tools/runs.h"

bool dv_fact_is(const struct run *run, const char *key, const char *value)
{
	const char *fact = run_fact(run, key);

	return fact && !strcmp(fact, value);
}

/* Facts. */

static int learn(struct run *run, const char *key, const char *value,
		 struct err *err)
{
	return value ? run_learn(run, key, value, err) : 0;
}

static int learn_counts(const struct dv *dv, struct run *run, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < DV_DEPLOYMENTS; i++)
		if (dv->replicas[i] >= 0)
			r = run_learnf(run, err, dv_deployments[i], "%" PRId64,
				       dv->replicas[i]);
	return r;
}

void dv_by_hand(const struct dv *dv, const char *action, const char *ts,
		struct buf *out)
{
	const char *class = option_value(&dv->tool->options,
					 "storage-class");

	buf_printf(out, "./dvcli.sh -o bar -a %s", action);
	if (ts)
		buf_printf(out, " -b %s", ts);
	buf_printf(out, " -n %s", dv->ns);
	if (dv->class || class)
		buf_printf(out, " --storage-class %s", dv->class ? dv->class :
			   class);
}

void dv_target(const struct dv *dv, struct buf *out)
{
	buf_printf(out, "dv:%s/%s", dv->origin.uid ? dv->origin.uid : "?",
		   dv->ns);
}

static int learn_all(struct dv *dv, struct run *run, const char *kind,
		     const char *label, struct err *err)
{
	const struct {
		const char *key, *value;
	} facts[] = {
		{ "kind", kind }, { "label", label },
		{ "store", dv->tool->store }, { "namespace", dv->ns },
		{ "kubectl", dv->kube.kubectl },
		{ "context", dv->kube.context ? dv->kube.context :
						dv->origin.context },
		{ "kubeconfig", dv->kube.kubeconfig },
		{ "cluster-uid", dv->origin.uid },
		{ "server", dv->origin.server },
		{ "instance", dv->instance }, { "image", dv->image },
		{ "image-of", dv->image_of },
		{ "reader", dv->reader },
	};
	OWNED_BUF struct buf target = BUF_INIT;
	int r;

	dv_target(dv, &target);
	r = buf_str(&target) ? run_learn(run, "target", buf_str(&target),
					 err) : err_nomem(err);

	for (size_t i = 0; r == 0 && i < sizeof(facts) / sizeof(facts[0]); i++)
		r = learn(run, facts[i].key, facts[i].value, err);
	if (r == 0)
		r = run_learnf(run, err, "timeout", "%" PRId64,
			       dv->kube.timeout_s);
	return r < 0 ? r : learn_counts(dv, run, err);
}

/* -EBUSY: a run on this instance has not come to its end. */
static int refuse_other(struct dv *dv, bool replaces, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_BUF struct buf target = BUF_INIT;
	struct dv_past past = { .stuck = "" };
	int r = runs_open(dv->tool, NULL, false, &dir, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	dv_target(dv, &target);
	if (!buf_str(&target))
		return err_nomem(err);
	if (replaces)
		r = dv_past_find(dv->tool, buf_str(&target), &past, err);
	if (r == 0 && past.stuck[0]) {
		memcpy(dv->stuck, past.stuck, RUN_ID);
		return 0;
	}
	return r < 0 ? r : runs_refuse_other(&dir, buf_str(&target), err);
}

static char *fact_copy(const struct run *run, const char *key)
{
	const char *value = run_fact(run, key);

	return value ? strdup(value) : NULL;
}

/* It must be the cluster that the run is of. */
static int check_cluster(struct dv *dv, const struct run *run,
			 struct err *err)
{
	const char *uid = run_fact(run, "cluster-uid");
	int r = kube_find_origin(&dv->kube, &dv->origin, err);

	if (r < 0)
		return r;
	if (!dv->origin.uid)
		return err_set(err, -EREMOTEIO, "the cluster does not answer");
	if (!uid || !strcmp(uid, dv->origin.uid))
		return 0;
	return err_set(err, -EXDEV, "run %s is of cluster %s, and this is %s",
		       run->id, uid, dv->origin.uid);
}

int dv_run_load(const struct tool *tool, struct run *run, struct dv_run *ret,
		struct err *err)
{
	struct dv *dv = &ret->dv;
	uint64_t timeout_s = KUBE_TIMEOUT_S;
	const char *reader = run_fact(run, "reader");
	int r = 0;

	*ret = (struct dv_run){ .run = run };
	*dv = (struct dv){
		.tool = tool, .ns = run_fact(run, "namespace"),
		.image = fact_copy(run, "image"),
		.image_of = fact_copy(run, "image-of"),
		.kube = { .kubectl = run_fact(run, "kubectl"),
			  .context = run_fact(run, "context"),
			  .kubeconfig = run_fact(run, "kubeconfig") },
	};
	if (run_fact(run, "timeout"))
		r = run_fact_u64(run, "timeout", &timeout_s, err);
	if (r == 0 && (!dv->ns || !dv->kube.kubectl))
		r = err_corrupt(err, "the journal of run %s names no "
				"namespace", run->id);
	if (r < 0)
		return r;
	dv->kube.timeout_s = (int64_t)timeout_s;
	snprintf(dv->kube.request_timeout, sizeof(dv->kube.request_timeout),
		 "--request-timeout=%" PRIu64 "s", timeout_s);
	dv->kube.past_stop = &dv->past_stop;
	snprintf(dv->reader, sizeof(dv->reader), "%.60s",
		 reader ? reader : "");
	for (size_t i = 0; r == 0 && i < DV_DEPLOYMENTS; i++) {
		uint64_t n;

		dv->replicas[i] = -1;
		if (!run_fact(run, dv_deployments[i]))
			continue;
		r = run_fact_u64(run, dv_deployments[i], &n, err);
		dv->replicas[i] = (int64_t)n;
	}
	if (r == 0)
		r = check_cluster(dv, run, err);
	return r < 0 ? r : dv_find_claims(dv, err);
}

void dv_run_release(struct dv_run *r)
{
	plan_release(&r->plan);
	dv_release(&r->dv);
	if (r->own_repo)
		repo_close(r->own_repo);
	r->own_repo = r->repo = NULL;
}

int dv_run_repo(struct dv_run *r, struct err *err)
{
	struct tool tool = *r->dv.tool;
	int rc;

	if (r->repo)
		return 0;
	if (!tool.store)
		tool.store = run_fact(r->run, "store");
	rc = tool_open(&tool, REPO_WRITE, &r->own_repo, err);
	if (rc == 0)
		r->repo = r->own_repo;
	return rc;
}

/* Steps. */

struct plan_step *dv_step(struct dv_run *r, const char *name, int64_t deadline_s,
			  plan_step_fn *act, plan_step_fn *check,
			  plan_step_fn *undo, const char *fmt, ...)
{
	CLEANUP(free_ptr) char *says = NULL;
	struct plan_step *step;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&says, fmt, ap);
	va_end(ap);
	if (n < 0) {
		says = NULL;
		return NULL;
	}
	step = plan_add(&r->plan, name, "%s", says);
	if (!step)
		return NULL;
	step->deadline_s = deadline_s;
	step->act = act;
	step->check = check;
	step->undo = undo;
	return step;
}

static int check_reader(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return dv_reader_ensure(&r->dv, err);
}

static int act_unread(void *arg, struct err *err)
{
	struct dv_run *r = arg;

	return dv_reader_remove(&r->dv, err);
}

int dv_add_reader(struct dv_run *r, struct err *err)
{
	return dv_step(r, "reader", DV_GONE_S, NULL, check_reader, NULL,
		       "start a pod that has %s (Job %s)",
		       r->dv.claim ? r->dv.claim : DV_CLAIM, r->dv.reader) ?
		0 : err_nomem(err);
}

/* It is wanted up to either proof. */
int dv_add_unread(struct dv_run *r, struct err *err)
{
	struct plan_step *step = dv_step(r, "unread", DV_GONE_S, act_unread,
					 NULL, NULL, "remove Job %s",
					 r->dv.reader);

	if (!step)
		return err_nomem(err);
	step->flags = PLAN_RESTART;
	step->starts = "reader";
	return 0;
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	struct dv_run *r = arg;

	/* what goes back, or starts what was stopped, goes on to its end */
	r->dv.past_stop = undo || (step->flags & (PLAN_END | PLAN_RESTART));
	say(r->dv.tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - r->plan.steps + 1, r->plan.count, step->says);
}

static void set_up(struct dv_run *r)
{
	r->plan.arg = r;
	r->plan.tell = tell_step;
	r->plan.stop = &stopped;
}

/* Before. */

static void print_plan(const struct dv_run *r)
{
	const char *by_hand = run_fact(r->run, "by-hand");

	if (!r->dv.tool->json)
		printf("%s, namespace %s\n", run_fact(r->run, "label"),
		       r->dv.ns);
	kube_print_target(&r->dv.origin, r->dv.tool->json);
	if (!r->dv.tool->json && by_hand)
		printf("(its own script for this is: %s)\n", by_hand);
	plan_show(&r->plan, r->dv.tool->json);
	fflush(stdout);
}

/* After. */

static void log_end(struct dv_run *r, int rc)
{
	const struct run *run = r->run;

	if (dv_run_repo(r, NULL) == 0)
		tool_log(r->repo, "dv", "%s, %s: %s, run %s",
			 run_fact(run, "label"), run_fact(run, "target"),
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ?
			 (rc < 0 ? "failed and taken back" : "taken back") :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
}

static void tell_json(const struct dv_run *r)
{
	const char *ts = run_fact(r->run, "ts");
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "run", r->run->id);
	json_str(&json, "does", run_fact(r->run, "label"));
	json_str(&json, "target", run_fact(r->run, "target"));
	json_bool(&json, "finished", r->run->closed != 0);
	json_str(&json, "state", r->run->closed ?
		 run_tree_name(r->run->closed) : "unfinished");
	if (ts)
		json_str(&json, "backup", ts);
	json_close_object(&json);
	json_print(&line);
}

static void tell_left_out(const struct dv_run *r)
{
	const char *ts = run_fact(r->run, "ts");

	if (runs_tell_left_out(r->dv.tool, r->run) && ts &&
	    dv_fact_is(r->run, "kind", DV_BACKUP_KIND))
		say(r->dv.tool, "Backup %s stays on %s. When a later one is "
		    "there, this removes it:\n    varve dv clean %s -n %s "
		    "--unstored", ts, r->dv.claim, ts, r->dv.ns);
}

static int end(struct dv_run *r, int rc, struct err *err)
{
	const struct run *run = r->run;
	char first[300] = "";

	/* else the last step has removed it, or it is wanted yet */
	if (run->closed && run->closed != TREE_WHOLLY_NEW)
		dv_reader_remove(&r->dv, NULL);
	log_end(r, rc);
	if (r->dv.tool->json)
		tell_json(r);
	else if (run->closed == TREE_WHOLLY_OLD)
		say(r->dv.tool, "All is as it was before.");
	else if (run->closed == TREE_WHOLLY_NEW)
		tell_left_out(r);
	else if (run->closed == TREE_UNPROVED)
		say(r->dv.tool, "Run %s is closed. DV was not shown to be as it "
		    "was, and nothing was started.", run->id);
	if (run->closed || rc >= 0)
		return rc < 0 ? rc : r->status;
	if (err && err->hint[0])
		snprintf(first, sizeof(first), "%.250s; then: ", err->hint);
	if (run->proved == TREE_WHOLLY_NEW)
		return err_hint(err, "%swhat is left is done by: varve resume "
				"%s; where it can never be done, varve "
				"rollback --accept %s ends the run without "
				"it", first, run->id, run->id);
	if (run_fact(run, RUN_ONLY_FORWARD))
		return err_hint(err, "varve resume %s restores once more; "
				"varve dv restore BACKUP -n %s --yes takes "
				"another backup; until one is complete DV stays "
				"stopped", run->id, r->dv.ns);
	if (run->back)
		return err_hint(err, "%svarve rollback %s", first, run->id);
	return err_hint(err, "%svarve resume %s goes on, varve rollback %s "
			"takes it back", first, run->id, run->id);
}

static int go(struct dv_run *r, struct disk_dir *dir, struct err *err)
{
	int rc = r->dv.stuck[0] ? dv_replace(&r->dv, dir, r->run, err) : 0;

	if (rc >= 0)
		rc = runs_refuse_other(dir, run_fact(r->run, "target"), err);
	r->run->dir = dir;
	if (rc == 0)
		rc = run_start(r->run, err);
	if (rc < 0)
		return rc;
	say(r->dv.tool, "Run %s.", r->run->id);
	rc = plan_go(&r->plan, r->run, err);
	return end(r, rc, err);
}

int dv_deadline(const struct tool *tool, int64_t *ret, struct err *err)
{
	const char *text = option_value(&tool->options, "deadline");

	*ret = DV_DEADLINE_S;
	if (text && duration_parse(text, ret, err) < 0)
		return err_wrap(err, "--deadline");
	return 0;
}

int dv_begin(struct tool *tool, struct repo **ret_repo, struct dv *dv,
	     struct run *run, bool replaces, struct err *err)
{
	int64_t seconds;
	int r = dv_deadline(tool, &seconds, err);

	if (r == 0)
		r = tool_open(tool, REPO_READ, ret_repo, err);
	if (r == 0)
		r = dv_open(tool, dv, err);
	if (r == 0)
		r = kube_require_target(&dv->origin, err);
	if (r == 0)
		r = refuse_other(dv, replaces, err);
	if (r == 0)
		r = run_new(NULL, run, err);
	if (r < 0)
		return r;
	snprintf(dv->reader, sizeof(dv->reader), "varve-dv-%s",
		 run->id + strlen(run->id) - 4);
	catch_stop();
	return 0;
}

/* Shown, and with a yes run. */
static int run_it(struct dv_run *r, const char *question, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	const struct tool *tool = r->dv.tool;
	bool yes = option_given(&tool->options, "yes");
	bool dry = option_given(&tool->options, "dry-run");
	int rc;

	if (!tool->quiet || dry || !yes)
		print_plan(r);
	if (dry)
		return DONE;
	rc = confirm(yes, question, err);
	if (rc == 0)
		say(tool, "Nothing was done.");
	if (rc <= 0)
		return rc < 0 ? rc : FAILED;
	rc = runs_open(tool, NULL, true, &dir, err);
	return rc < 0 ? rc : go(r, &dir, err);
}

int dv_plan_of(struct dv *dv, struct repo **repo, struct run *run,
	       const struct dv_plan *plan, int r, struct err *err)
{
	OWNED_DV_RUN struct dv_run own = { .run = run };
	OWNED_BUF struct buf by_hand = BUF_INIT;

	if (r == 0)
		r = learn_all(dv, run, plan->kind, plan->label, err);
	if (r == 0 && plan->action) {
		dv_by_hand(dv, plan->action, plan->ts, &by_hand);
		r = buf_str(&by_hand) ? run_learn(run, "by-hand",
						  buf_str(&by_hand), err) :
					err_nomem(err);
	}
	/* it is opened again, to write, when it is needed */
	if (*repo)
		repo_close(*repo);
	*repo = NULL;
	/* from here on it is the run's */
	own.dv = *dv;
	own.dv.kube.past_stop = &own.dv.past_stop;
	*dv = (struct dv){ .ns = NULL };
	set_up(&own);
	if (r == 0)
		r = plan->make(&own, err);
	if (r == 0)
		r = run_it(&own, plan->question, err);
	/* the pod that looked is not wanted any more */
	own.dv.past_stop = true;
	if (!run->started && own.dv.pod)
		dv_reader_remove(&own.dv, NULL);
	return r;
}

int dv_go_on(const struct tool *tool, struct run *run, bool back, bool accept,
	     int (*make)(struct dv_run *r, struct err *err), struct err *err)
{
	OWNED_DV_RUN struct dv_run r = { .run = run };
	int rc = dv_run_load(tool, run, &r, err);

	set_up(&r);
	r.accept = accept;
	if (rc == 0)
		rc = make(&r, err);
	if (rc < 0)
		return rc;
	if (back)
		rc = plan_back(&r.plan, run, accept, err);
	else
		rc = plan_go(&r.plan, run, err);
	return back && rc == -EALREADY ? rc : end(&r, rc, err);
}
