#include "tools/vmbc_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/kube_target.h"
#include "tools/procedure.h"

static bool is_set(const struct run *run, const char *key)
{
	const char *value = run_fact(run, key);

	return value && !strcmp(value, "1");
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct vmbc_run *all = arg;

	say(all->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - all->plan.steps + 1, all->plan.count, step->says);
}

static int make_part(struct vmbc_run *all, size_t index, struct repo *repo,
		     struct err *err)
{
	struct vmbc_part *part = &all->parts[index];
	uint64_t replica;
	int r;

	snprintf(part->prefix, sizeof(part->prefix), "r%u-",
		 (unsigned)index);
	r = push_make_part(all->tool, all->run, part->prefix, repo,
			   &part->push, err);
	if (r == 0)
		r = push_fact_u64(&part->push, "replica", &replica, err);
	if (r < 0)
		return r;
	part->replica = (unsigned)replica;
	part->ns = push_fact(&part->push, "ns");
	part->claim = push_fact(&part->push, "claim");
	return 0;
}

static int make_kube(struct vmbc_run *all, struct err *err)
{
	uint64_t timeout = KUBE_TIMEOUT_S;
	int r = 0;

	all->asks = is_set(all->run, "asks");
	all->how = STOP_NOTHING;
	if (run_fact(all->run, "stop-by"))
		all->how = !strcmp(run_fact(all->run, "stop-by"), "helm") ?
			   STOP_HELM : STOP_SCALE;
	if (run_fact(all->run, "timeout"))
		r = run_fact_u64(all->run, "timeout", &timeout, err);
	if (r < 0)
		return r;
	kube_init_as(&all->kube, run_fact(all->run, "kubectl"),
		     run_fact(all->run, "context"),
		     run_fact(all->run, "kubeconfig"), (int64_t)timeout);
	all->kube.past_stop = &all->plan.past_stop;
	return 0;
}

int vmbc_make(const struct tool *tool, struct run *run, struct repo *repo,
	      struct vmbc_run *ret, struct err *err)
{
	uint64_t count, deadline = PUSH_DEADLINE_S;
	int r = run_fact_u64(run, "parts", &count, err);

	*ret = (struct vmbc_run){ .tool = tool, .run = run };
	if (r == 0 && (count == 0 || count > VMBC_REPLICAS_MAX))
		r = err_corrupt(err, "the journal of run %s has no replicas",
				run->id);
	if (r == 0 && run_fact(run, "deadline"))
		r = run_fact_u64(run, "deadline", &deadline, err);
	if (r < 0)
		return r;
	ret->parts = calloc(count, sizeof(*ret->parts));
	if (!ret->parts)
		return err_nomem(err);
	ret->checkpoint = run_fact(run, "checkpoint") != NULL;
	ret->in_place = is_set(run, "in-place");
	for (size_t i = 0; r == 0 && i < count; i++) {
		ret->parts[i].push.swap.place = -1;
		ret->count++;
		r = make_part(ret, i, repo, err);
	}
	if (r == 0)
		r = make_kube(ret, err);
	if (r == 0)
		r = ret->in_place ? vmbc_add_in_place(ret, err) :
				    vmbc_add_steps(ret, err);
	for (size_t i = 0; i < ret->plan.count; i++)
		ret->plan.steps[i].deadline_s = (int64_t)deadline;
	ret->plan.arg = ret;
	ret->plan.tell = tell_step;
	ret->plan.stop = &stopped;
	return r;
}

void vmbc_run_release(struct vmbc_run *all)
{
	for (size_t i = 0; i < all->count; i++)
		push_release(&all->parts[i].push);
	free(all->parts);
	all->parts = NULL;
	all->count = 0;
	plan_release(&all->plan);
}

/* The same cluster as it was begun in. */
static int check_cluster(struct vmbc_run *all, struct err *err)
{
	return all->asks ? kube_check_run(&all->kube, all->run, "cluster-uid",
					  "server", err) : 0;
}

static int check_free(struct vmbc_run *all, struct err *err)
{
	bool writes = run_step_state(all->run, "write") != STEP_NEW;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++)
		r = push_check_free(&all->parts[i].push, err);
	/* from then on, old or new, they run as they should */
	if (r < 0 || all->run->proved >= TREE_WHOLLY_OLD ||
	    (!writes && !push_has_begun_swap(all->run)))
		return r;
	for (size_t i = 0; r == 0 && writes && i < all->count; i++)
		r = push_check_use(all->parts[i].push.swap.target, err);
	return r < 0 ? r : vmbc_check_gone(all, err);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	OWNED_VMBC_RUN struct vmbc_run all = { .count = 0 };
	int r = vmbc_make(tool, run, NULL, &all, err);

	if (r == 0)
		r = check_cluster(&all, err);
	if (r == 0)
		r = check_free(&all, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.count; i++)
		all.parts[i].push.accept = accept;
	if (back)
		r = plan_back(&all.plan, run, accept, err);
	else
		r = plan_go(&all.plan, run, err);
	return back && r == -EALREADY ? r : vmbc_end(tool, &all, r, err);
}

const struct procedure procedure_vmbc = { VMBC_KIND, go_on };
