#include "tools/push_pvc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/procedure.h"
#include "tools/runs.h"

static int need(const struct run *run, const char *key, struct err *err)
{
	return run_fact(run, key) ? 0 :
	       err_corrupt(err, "the journal of run %s has no '%s'", run->id,
			   key);
}

static int take_facts(struct push_pvc *push, struct err *err)
{
	static const char *const needed[] = { "target", "staging", "snapshot",
					      "path", "label", "claim",
					      "mount", "container", "pod" };
	struct run *run = push->run;
	uint64_t timeout = 0, deadline = 0;
	const char *slash;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(needed) / sizeof(needed[0]);
	     i++)
		r = need(run, needed[i], err);
	if (r == 0)
		r = run_fact_u64(run, "timeout", &timeout, err);
	if (r == 0)
		r = run_fact_u64(run, "deadline", &deadline, err);
	if (r == 0)
		r = pvc_name_parse(run_fact(run, "claim"), &push->claim, err);
	if (r < 0)
		return r;
	push->deadline_s = (int64_t)deadline;
	kube_init_as(&push->kube, run_fact(run, "kubectl"),
		     run_fact(run, "context"), run_fact(run, "kubeconfig"),
		     (int64_t)timeout);
	push->kube.past_stop = &push->plan.past_stop;
	slash = strrchr(push->claim.path, '/');
	push->name = slash ? slash + 1 : push->claim.path;
	if (asprintf(&push->place, "%s%s%.*s", run_fact(run, "mount"),
		     slash ? "/" : "", slash ? (int)(slash -
		     push->claim.path) : 0, push->claim.path) < 0) {
		push->place = NULL;
		return err_nomem(err);
	}
	return 0;
}

static void take_pod(struct push_pvc *push)
{
	const struct run *run = push->run;

	push->own_pod = run_fact(run, "image") != NULL;
	snprintf(push->pod_name, sizeof(push->pod_name), "%s",
		 run_fact(run, "pod"));
	push->pod = (struct far_pod){
		.ns = push->claim.ns, .name = push->pod_name, .run = run->id,
		.claim = push->claim.name, .image = run_fact(run, "image"),
		.node = run_fact(run, "node"),
		.run_as = run_fact(run, "run-as"),
		.fs_group = run_fact(run, "fs-group"),
	};
	push->far = (struct far){
		.kube = &push->kube,
		.where = { push->claim.ns, run_fact(run, "pod"),
			   run_fact(run, "container") },
		.idle_s = PUSH_PVC_IDLE_S, .tries = PUSH_PVC_TRIES,
	};
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct push_pvc *push = arg;
	const struct plan *plan = &push->plan;

	say(push->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - plan->steps + 1, plan->count, step->says);
}

int push_pvc_make(const struct tool *tool, struct run *run,
		  struct repo *repo, struct push_pvc *ret, struct err *err)
{
	const char *owner = run_fact(run, "owner");
	int r;

	*ret = (struct push_pvc){
		.tool = tool, .run = run, .repo = repo,
		.tree = TARGET_INIT, .quiet = tool->quiet,
		.staging = run_fact(run, "staging"),
		.discard = run_fact(run, "discard") != NULL,
		.in_use = run_fact(run, "in-use") != NULL,
	};
	r = take_facts(ret, err);
	if (r < 0)
		return r;
	take_pod(ret);
	if (owner && sscanf(owner, "%" SCNu32 ":%" SCNu32 " %" SCNu32 ":%"
			    SCNu32, &ret->given.top_uid, &ret->given.top_gid,
			    &ret->given.uid, &ret->given.gid) != 4)
		return err_corrupt(err, "the journal of run %s has '%s' for "
				   "an owner", run->id, owner);
	if (owner)
		ret->owner = &ret->given;
	ret->plan.tell = tell_step;
	ret->plan.stop = &stopped;
	return push_pvc_add_steps(ret, err);
}

void push_pvc_release(struct push_pvc *push)
{
	plan_release(&push->plan);
	pvc_name_release(&push->claim);
	free(push->place);
	push->place = NULL;
	target_close(&push->tree);
	if (push->own_repo)
		repo_close(push->own_repo);
	push->own_repo = NULL;
}

static int open_repo(struct push_pvc *push, enum repo_mode mode,
		     struct err *err)
{
	struct tool tool = *push->tool;
	int r = 0;

	if (!tool.store)
		tool.store = run_fact(push->run, "store");
	if (!push->repo) {
		r = mode == REPO_WRITE ?
		    tool_open(&tool, mode, &push->own_repo, err) :
		    tool_open_maybe(&tool, &push->own_repo, err);
		push->repo = push->own_repo;
	}
	return r < 0 ? r : 0;
}

int push_pvc_open_tree(struct push_pvc *push, struct err *err)
{
	char spec[64];
	int r;

	if (push->tree.tree)
		return 0;
	r = open_repo(push, REPO_READ, err);
	if (r < 0)
		return r;
	snprintf(spec, sizeof(spec), "id:%.32s", run_fact(push->run,
							  "snapshot"));
	push->tree.older = OLDER_UNTOLD;
	return target_open_at(push->repo, spec, run_fact(push->run, "path"),
			      &push->tree, err);
}

/* The end. */

static void tell(const struct tool *tool, const struct push_pvc *push)
{
	const struct run *run = push->run;
	const char *target = run_fact(run, "target");
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "run", run->id);
		json_name(&json, "snapshot", span_str(run_fact(run, "label")));
		json_name(&json, "target", span_str(target));
		json_bool(&json, "finished", run->closed != 0);
		json_str(&json, "tree", run->closed ?
			 run_tree_name(run->closed) : run->proved ?
			 run_tree_name(run->proved) : "unproved");
		json_close_object(&json);
		json_print(&line);
		return;
	}
	if (run->closed == TREE_WHOLLY_OLD)
		say(tool, "'%s' is as it was: wholly the former tree.",
		    target);
	if (run->closed == TREE_UNPROVED)
		say(tool, "Run %s is closed. Whether '%s' is as it was was not "
		    "shown, and nothing was started.", run->id, target);
	if (run->closed != TREE_WHOLLY_NEW)
		return;
	say(tool, "'%s' is wholly %s.", target, run_fact(run, "label"));
	if (!push->discard && !run_fact(run, "absent"))
		say(tool, "The former tree is kept in '%s/old' in the volume; "
		    "'varve push --discard-old %s' gives its room back.",
		    push->staging, target);
}

int push_pvc_end(const struct tool *tool, struct push_pvc *push, int r,
		 struct err *err)
{
	const struct run *run = push->run;
	const char *target = run_fact(run, "target");

	if (open_repo(push, REPO_WRITE, NULL) == 0)
		tool_log(push->repo, "push", "%s to %s: %s, run %s",
			 run_fact(run, "label"), target,
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ?
			 (r < 0 ? "failed and taken back" : "taken back") :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
	tell(tool, push);
	if (run->closed || r >= 0)
		return r < 0 ? r : DONE;
	return runs_hint(run, target, err);
}

/* Later, perhaps from elsewhere: is it the cluster, and is there a pod? */
static int check_free(struct push_pvc *push, struct err *err)
{
	struct kube_origin wanted = {
		.uid = (char *)(uintptr_t)run_fact(push->run, "cluster-uid"),
	};
	struct run *run = push->run;
	int r = kube_check_origin(&push->kube, &wanted, false, NULL, err);

	if (r == -EXDEV)
		return err_hint(err, "choose the cluster of the run: its "
				"context was '%s'", push->kube.context ?
				push->kube.context : "");
	if (r == 0 && push->own_pod &&
	    run_step_state(run, "remove-pod") == STEP_NEW &&
	    run_step_state(run, "pod") != STEP_NEW)
		r = far_pod_await(&push->kube, &push->pod, push->deadline_s,
				  err);
	/* from then on, old or new, it is in use as it should be */
	if (r < 0 || run->proved >= TREE_WHOLLY_OLD || !push_pvc_swapped(run))
		return r;
	r = push_pvc_nobody(push, err);
	if (r == -EBUSY || r == -EAGAIN)
		err_hint(err, "stop what uses it: it is neither wholly old nor "
			 "wholly new");
	if (r == -EAGAIN && err)
		err->code = -EBUSY;
	return r == -EAGAIN ? -EBUSY : r;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	OWNED_PUSH_PVC struct push_pvc push = { .tree = TARGET_INIT };
	int r = push_pvc_make(tool, run, NULL, &push, err);

	if (r == 0)
		r = check_free(&push, err);
	if (r < 0)
		return r;
	push.accept = accept;
	if (back)
		r = plan_back(&push.plan, run, accept, err);
	else
		r = plan_go(&push.plan, run, err);
	if (back && r == -EALREADY)
		return r;
	return push_pvc_end(tool, &push, r, err);
}

const struct procedure procedure_push_pvc = { PUSH_PVC_KIND, go_on };
