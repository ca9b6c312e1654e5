#include "tools/vmbc_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/rocks_place.h"
#include "tools/shell.h"


static const struct plan_step *step_of(const struct push *push,
				       const char *name)
{
	const struct plan *plan = &push->plan;

	for (size_t i = 0; i < plan->count; i++)
		if (!strcmp(plan->steps[i].name, name))
			return &plan->steps[i];
	/* what is left of one that was not there before */
	if (!strcmp(name, "discard"))
		return step_of(push, "keep");
	return NULL;
}

enum which { READY = 1, ACT, UNDO };

static int part_do(struct vmbc_part *part, const char *name, enum which which,
		   struct err *err)
{
	const struct plan_step *step = step_of(&part->push, name);
	plan_step_fn *fn = !step ? NULL : which == READY ? step->ready :
			   which == ACT ? step->act : step->undo;
	int r = fn ? fn(&part->push, err) : 0;

	return r < 0 && r != -EAGAIN ?
		err_wrap(err, "replica %u", part->replica) : r;
}

/* The same step of each replica; what is undone, from the last one on. */
static int each(struct vmbc_step *step, enum which which, struct err *err)
{
	struct vmbc_run *all = step->all;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++)
		r = part_do(&all->parts[which == UNDO ? all->count - 1 - i :
					i], step->name, which, err);
	return r;
}

static int act(void *arg, struct err *err)
{
	return each(arg, ACT, err);
}

static int undo(void *arg, struct err *err)
{
	return each(arg, UNDO, err);
}

/* Nobody has a claim, and nobody here has anything of a directory open. */
static int ready(void *arg, struct err *err)
{
	struct vmbc_step *step = arg;
	int r = vmbc_check_gone(step->all, err);

	if (r == 0)
		r = each(step, READY, err);
	return r == -EBUSY && step->all->how != STOP_NOTHING ? -EAGAIN : r;
}

int vmbc_check_whole(const struct tool *tool, const char *path,
		     struct err *err)
{
	OWNED_ROCKS_PLACE struct rocks_place place = ROCKS_PLACE_INIT;
	OWNED_ROCKS struct rocks *rocks = NULL;
	int r = rocks_place_open(tool, path, &place, err);

	if (r == 0)
		r = rocks_open(&place.source, place.name, 0, &rocks, err);
	if (r < 0 || rocks_is_complete(rocks))
		return r;
	for (size_t i = 0; i < rocks->finding_count; i++) {
		const struct rocks_finding *f = &rocks->findings[i];

		if (f->weight != ROCKS_NOTE)
			return err_set(err, -EUCLEAN, "'%s' is not what its "
				       "MANIFEST says: %s: %s", path, f->file,
				       f->text);
	}
	return err_set(err, -EUCLEAN, "'%s' is not what its MANIFEST says",
		       path);
}

static int verify(void *arg, struct err *err)
{
	struct vmbc_step *step = arg;
	struct vmbc_run *all = step->all;
	int r = each(step, ACT, err);

	for (size_t i = 0; r == 0 && all->checkpoint && i < all->count; i++) {
		OWNED_BUF struct buf path = BUF_INIT;

		r = swap_path(&all->parts[i].push.swap, "new", &path, err);
		if (r == 0)
			r = vmbc_check_whole(all->tool, (char *)path.data,
					     err);
	}
	return r;
}

static int validate(void *arg, struct err *err)
{
	struct vmbc_run *all = ((struct vmbc_step *)arg)->all;
	int r = disk_step_outside("validate", "run", err);

	return r < 0 ? r : shell_run("validates it",
				     run_fact(all->run, "validate"),
				     plan_left_ms(&all->plan), err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct vmbc_run *all = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++) {
		struct push *push = &all->parts[i].push;

		r = push_prove(push, tree, err);
		if (r == 0 && tree == TREE_WHOLLY_NEW && all->checkpoint)
			r = vmbc_check_whole(all->tool, push->swap.target,
					     err);
		if (r < 0)
			err_wrap(err, "replica %u", all->parts[i].replica);
	}
	return r;
}

/* The plan. */

struct plan_step *vmbc_step(struct vmbc_run *all, const char *name,
			    const char *says)
{
	struct vmbc_step *step = &all->steps[all->step_count];
	struct plan_step *made;

	if (!says || all->step_count == VMBC_STEPS_MAX)
		return NULL;
	made = plan_add(&all->plan, name, "%s", says);
	if (!made)
		return NULL;
	*step = (struct vmbc_step){ .all = all, .name = name };
	all->step_count++;
	made->arg = step;
	return made;
}

static bool any(const struct vmbc_run *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t j = 0; j < all->parts[i].push.plan.count; j++)
			if (!strcmp(all->parts[i].push.plan.steps[j].name,
				    name))
				return true;
	return false;
}

/* Steps of each push of that name, if any has one. */
static int add_of_all(struct vmbc_run *all, const char *name,
		      const char *says, unsigned flags)
{
	struct plan_step *step;

	if (!any(all, name))
		return 0;
	step = vmbc_step(all, name, says);
	if (!step)
		return -ENOMEM;
	step->flags = flags;
	step->act = act;
	step->undo = flags ? NULL : undo;
	return 0;
}

static void need_ready(struct vmbc_run *all)
{
	struct plan_step *step = &all->plan.steps[all->plan.count - 1];

	step->ready = ready;
}

static void say_sets(const struct vmbc_run *all, const char *count,
		     struct buf *out)
{
	char key[16];
	const char *set;

	for (unsigned i = 0; i < VMBC_SETS_MAX; i++) {
		char name[256];
		unsigned was;

		snprintf(key, sizeof(key), "set-%u", i);
		set = run_fact(all->run, key);
		if (!set || sscanf(set, "%u %*s %255s", &was, name) != 2)
			break;
		buf_printf(out, "%s%s to ", i ? ", " : "", name);
		if (count)
			buf_append_str(out, count);
		else
			buf_printf(out, "%u", was);
	}
}

int vmbc_add_stop(struct vmbc_run *all)
{
	OWNED_BUF struct buf says = BUF_INIT;
	struct plan_step *step;

	if (all->how == STOP_NOTHING)
		return 0;
	buf_append_str(&says, "stop the replicas: ");
	if (all->how == STOP_HELM)
		vmbc_helm_text(all, "0", &says);
	else
		say_sets(all, "0", &says);
	buf_append_str(&says, ", and wait until no pod has their claims");
	step = vmbc_step(all, "stop", buf_str(&says));
	if (!step)
		return -ENOMEM;
	step->act = vmbc_stop;
	step->check = vmbc_are_gone;
	return 0;
}

static int add_start(struct vmbc_run *all)
{
	OWNED_BUF struct buf says = BUF_INIT;
	struct plan_step *step;

	if (all->how == STOP_NOTHING)
		return 0;
	buf_append_str(&says, "start them as they were: ");
	if (all->how == STOP_HELM)
		vmbc_helm_text(all, run_fact(all->run, "helm-count"), &says);
	else
		say_sets(all, NULL, &says);
	buf_append_str(&says, ", and wait until the pods are ready");
	step = vmbc_step(all, "start", buf_str(&says));
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_RESTART;
	step->starts = "stop";
	step->act = vmbc_start;
	step->check = vmbc_are_up;
	return 0;
}

static int add_validate(struct vmbc_run *all)
{
	const char *command = run_fact(all->run, "validate");
	OWNED_BUF struct buf says = BUF_INIT;
	struct plan_step *step;

	if (!command)
		return 0;
	buf_printf(&says, "validate it: %s", command);
	step = vmbc_step(all, "validate", buf_str(&says));
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_END | PLAN_SPARE;
	step->act = validate;
	return 0;
}

int vmbc_add_restart(struct vmbc_run *all)
{
	int r = add_start(all);

	return r < 0 ? r : add_validate(all);
}

static int add_before(struct vmbc_run *all)
{
	struct plan_step *step;
	int r = add_of_all(all, "claim", "make a staging directory on the "
			   "volume of each replica", 0);

	if (r == 0)
		r = add_of_all(all, "stage", "restore the snapshot of each "
			       "into it", 0);
	if (r < 0)
		return r;
	step = vmbc_step(all, "verify", all->checkpoint ?
			 "read all of them back from the disk, compare them "
			 "with the snapshots, and check them by their MANIFEST" :
			 "read all of them back from the disk, and compare "
			 "them with the snapshots");
	if (!step)
		return -ENOMEM;
	step->act = verify;
	r = vmbc_add_stop(all);
	if (r == 0)
		r = add_of_all(all, "note", "look that no pod has the claims "
			       "and nobody uses the directories, and note "
			       "what is in them", 0);
	if (r == 0)
		need_ready(all);
	return r;
}

static int add_swap(struct vmbc_run *all)
{
	int r = add_of_all(all, "swap", "exchange the new tree and the former "
			   "one, replica by replica", 0);

	if (r == 0 && any(all, "swap"))
		need_ready(all);
	if (r == 0)
		r = add_of_all(all, "set-aside", "move each entry aside, where "
			       "it is the root of a volume, which cannot be "
			       "exchanged", 0);
	if (r == 0 && any(all, "set-aside"))
		need_ready(all);
	if (r == 0)
		r = add_of_all(all, "put", "move each entry of the new tree "
			       "into its place there", 0);
	if (r == 0 && any(all, "put"))
		need_ready(all);
	return r;
}

int vmbc_add_steps(struct vmbc_run *all, struct err *err)
{
	bool absent = any(all, "discard");
	int r = add_before(all);

	if (r == 0)
		r = add_swap(all);
	if (r == 0)
		r = vmbc_add_restart(all);
	/* by the name of a step a push knows whether its staging may be gone */
	if (r == 0)
		r = add_of_all(all, absent ? "discard" : "keep", "keep the "
			       "former data of each beside it, in "
			       SWAP_PREFIX "*/old", PLAN_END);
	all->plan.prove = prove;
	return r < 0 ? err_nomem(err) : 0;
}
