#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/pso_rebuild.h"

#define KEY_MAX 48
#define ATTACHED_MAX 2000	/* that are told by name */

void rebuild_release(struct rebuild *rebuild)
{
	plan_release(&rebuild->plan);
	moving_release(&rebuild->moving);
}

/* What is attached: a volume's PV and its node. */

static const struct jnode *attachments(const struct pso_look *look)
{
	const struct jnode *list = pso_items(&look->capture,
					     "kubernetes/volumeattachments");

	return list ? list->child : NULL;
}

int rebuild_learn_attached(const struct pso_look *look, struct run *run,
			   struct err *err)
{
	size_t n = 0, more = 0;
	int r = 0;

	for (const struct jnode *a = attachments(look); r == 0 && a;
	     a = a->next) {
		char key[KEY_MAX];

		if (!jnode_is(a, "spec.attacher", PSO_DRIVER) ||
		    !jnode_true(a, "status.attached"))
			continue;
		if (n == ATTACHED_MAX) {
			more++;
			continue;
		}
		snprintf(key, sizeof(key), "attached-%zu", n++);
		r = run_learnf(run, err, key, "%.*s@%.*s",
			       SPAN_ARG(jnode_text(a,
				"spec.source.persistentVolumeName")),
			       SPAN_ARG(jnode_text(a, "spec.nodeName")));
	}
	if (r == 0 && more)
		r = run_learnf(run, err, "attached-more", "%zu", more);
	return r;
}

static bool is_attached(const struct pso_look *look, const char *fact)
{
	for (const struct jnode *a = attachments(look); a; a = a->next) {
		struct span pv = jnode_text(a,
			"spec.source.persistentVolumeName");
		struct span node = jnode_text(a, "spec.nodeName");

		if (strlen(fact) == pv.len + node.len + 1 &&
		    !memcmp(fact, pv.data, pv.len) && fact[pv.len] == '@' &&
		    !memcmp(fact + pv.len + 1, node.data, node.len))
			return jnode_true(a, "status.attached");
	}
	return false;
}

void rebuild_tell_detached(const struct rebuild *rb,
			   const struct pso_look *look)
{
	const char *fact;
	size_t gone = 0;
	char key[KEY_MAX];

	for (size_t n = 0; ; n++) {
		snprintf(key, sizeof(key), "attached-%zu", n);
		fact = run_fact(rb->run, key);
		if (!fact)
			break;
		if (is_attached(look, fact))
			continue;
		gone++;
		warn("%s was attached as it began, and is not now", fact);
	}
	fact = run_fact(rb->run, "attached-more");
	if (fact)
		say(rb->moving.tool, "%d that were attached were compared, %s "
		    "more were not.", ATTACHED_MAX, fact);
	else if (!gone)
		say(rb->moving.tool, "What was attached still is.");
}

/* Steps up to the proof. */

static int do_check(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	OWNED_LOOK struct pso_look look = { .live = false };
	char label[LABEL_TEXT], source[SOURCE_MAX + 1];
	int r = pso_look_open(&look, rb->tool, err);

	if (r == 0)
		r = pso_gate_begin(&look, label, source, err);
	if (r == 0)
		r = run_learn(rb->run, "capture", label, err);
	if (r == 0)
		r = run_learn(rb->run, "source", source, err);
	return r < 0 ? r : rebuild_learn_attached(&look, rb->run, err);
}

static int do_uninstall(void *arg, struct err *err)
{
	struct rebuild *rb = arg;

	if (rebuild_chart(rb))
		return rebuild_uninstall(rb, err);
	say(rb->moving.tool, "Run, in another shell:\n"
	    "    helm uninstall %s -n %s\n"
	    "Until PSO is installed again, no new volume is made or attached; "
	    "what is attached\nstays so.  This goes on when its pods are gone, "
	    "the operator's as the last.", rb->release, rb->ns);
	return 0;
}

int rebuild_patient(int r, struct err *err)
{
	if (r != -EREMOTEIO && r != -ETIMEDOUT && r != -EPROTO)
		return r;
	if (err)
		err->code = -EAGAIN;
	return -EAGAIN;
}

static int check_gone(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	const char *const what[] = { "pods", "-n", rb->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *pod;
	struct span first = span_of(NULL, 0);
	size_t count = 0;
	int r = kube_get(&rb->kube, what, &doc, err);

	if (r < 0)
		return rebuild_patient(r, err);
	pod = jnode_get(doc.root, "items");
	for (pod = pod ? pod->child : NULL; pod; pod = pod->next) {
		struct span name = jnode_text(pod, "metadata.name");

		if (!pso_is_pod_of_chart(name))
			continue;
		first = name;
		count++;
	}
	return count ? err_set(err, -EAGAIN, "PSO is still installed: %zu of "
			       "its pods are there, as %.*s", count,
			       SPAN_ARG(first)) : 0;
}

struct plan_step *rebuild_step(struct rebuild *rb, struct plan_step *step,
			       int64_t deadline_s, plan_step_fn *act,
			       plan_step_fn *check)
{
	if (!step)
		return NULL;
	step->arg = rb;
	step->deadline_s = deadline_s;
	step->act = act;
	step->check = check;
	return step;
}

static int add_begin(struct rebuild *rb, struct err *err)
{
	struct plan *plan = &rb->plan;

	if (!rebuild_step(rb, plan_add(plan, "check", "see that every array "
				       "lets the tokens of '%s' in, that the "
				       "clusterID is the same, and a capture "
				       "of the last hour verifies",
				       rb->values), 0, do_check, NULL) ||
	    !rebuild_step(rb, plan_add(plan, "uninstall", "%s: helm uninstall "
				       "%s -n %s, until its pods are gone",
				       rebuild_chart(rb) ? "run" : "wait for",
				       rb->release, rb->ns),
			  rb->deadline_s, do_uninstall, check_gone))
		return err_nomem(err);
	if (rebuild_chart(rb))
		plan->steps[plan->count - 1].undo = rebuild_tell_uninstalled;
	return moving_add_steps(&rb->moving, plan, rb->deadline_s, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct rebuild *rb = arg;

	return moving_prove(&rb->moving, tree, err);
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct rebuild *rb = arg;

	say(rb->moving.tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - rb->plan.steps + 1, rb->plan.count, step->says);
}

int rebuild_make(const struct tool *tool, struct run *run,
		 struct rebuild *ret, struct err *err)
{
	uint64_t deadline = 0;
	int r;

	*ret = (struct rebuild){ .tool = tool, .run = run };
	ret->ns = run_fact(run, "namespace");
	ret->release = run_fact(run, "release");
	ret->values = option_value(&tool->options, "values");
	if (!ret->ns || !ret->release || !ret->values)
		return err_corrupt(err, "the journal of run %s lacks what is "
				   "to be installed", run->id);
	r = run_fact_u64(run, "deadline", &deadline, err);
	ret->deadline_s = (int64_t)deadline;
	if (r == 0)
		r = moving_fill(tool, run, &ret->moving, err);
	if (r < 0)
		return r;
	kube_init(&ret->kube, &tool->options, ret->moving.arms.asking.
		  timeout_s);
	ret->moving.arms.asking.past_stop = &ret->plan.past_stop;
	ret->plan.prove = prove;
	ret->plan.tell = tell_step;
	ret->plan.arg = ret;
	ret->plan.stop = &stopped;
	r = add_begin(ret, err);
	return r < 0 ? r : rebuild_add_end(ret, err);
}
