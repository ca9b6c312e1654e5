#include "tools/push_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/format.h"
#include "tools/procedure.h"

static bool is_volume(const struct push_array *array)
{
	return array->type == REST_FLASHARRAY;
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct push_array *array = arg;
	const struct run *run = array->push.run;
	int r = 0;

	if (tree == TREE_WHOLLY_NEW)
		r = push_prove(arg, tree, err);
	else if (push_has_begun_swap(run) && !run_flag(run, "old-proved"))
		r = err_set(err, -EUCLEAN, "that what is in '%s' is as it was "
			    "was not shown", array->push.name);
	return r < 0 ? r : array_prove(array, tree, err);
}

/* Steps.  What may wait for others has a deadline. */

static int set_step(struct push_array *array, struct plan_step *step,
		    plan_step_fn *ready, plan_step_fn *act,
		    plan_step_fn *check, plan_step_fn *undo)
{
	if (!step)
		return -ENOMEM;
	step->ready = ready;
	step->act = act;
	step->check = check;
	step->undo = undo;
	step->deadline_s = array->push.deadline_s;
	return 0;
}

static int add_make(struct push_array *array, struct err *err)
{
	struct push *push = &array->push;
	const char *what = is_volume(array) ? "volume" : "file system";
	char size[SIZE_TEXT];

	size_text(array->size, size);
	if (!array->existed)
		return set_step(array, push_step(push, "make", err,
			"make the %s '%s' of %s on '%s'", what, array->made,
			size, array->endpoint), NULL, array_make, NULL,
			array_unmake);
	if (!array->grows)
		return 0;
	return set_step(array, push_step(push, "resize", err, "make the %s "
		"'%s' %s large, which a rollback does not undo", what,
		array->name, size), NULL, array_resize, NULL, NULL);
}

static int add_device(struct push_array *array, struct err *err)
{
	struct push *push = &array->push;
	const struct run *run = push->run;
	const char *devices = run_fact(run, "devices");
	const char *mkfs = run_fact(run, "mkfs");
	int r;

	r = set_step(array, push_step(push, "connect", err, "connect it to "
		"'%s', which is this machine", run_fact(run, "host")),
		array_free, array_connect, NULL, array_disconnect);
	if (r == 0)
		r = set_step(array, push_step(push, "attach", err, "wait for "
			"its device in '%s'", devices ? devices : DEVICE_DIR),
			NULL, array_rescan, array_attached, array_detach);
	if (r == 0 && mkfs)
		r = set_step(array, push_step(push, "format", err, "make a "
			"file system on it, %s, %s", mkfs, array->existed ?
			"if it is blank" : "as it is blank"),
			array_format_ready, array_format, NULL,
			array_unformat);
	return r;
}

static int add_grow(struct push_array *array, struct err *err)
{
	if (!array->grows || !is_volume(array))
		return 0;
	return set_step(array, push_step(&array->push, "grow", err, "make its "
		"file system as large as it is"), NULL, array_grow, NULL,
		NULL);
}

static int add_begin(struct push_array *array, struct err *err)
{
	struct push *push = &array->push;
	int r = push_add_stop(push, err);

	if (r == 0)
		r = add_make(array, err);
	if (r == 0 && is_volume(array))
		r = add_device(array, err);
	if (r == 0)
		r = add_grow(array, err);
	if (r == 0)
		r = set_step(array, push_step(push, "mount", err, "mount it on "
			"'%s'", push->swap.target), array_mount_ready,
			array_mount, NULL, array_unmount_old);
	return r < 0 ? r : set_step(array, push_step(push, "look", err,
		array->replace ? "look that there is room in it" :
		"look that nothing is in it, and that there is room"),
		NULL, array_look, NULL, NULL);
}

static int add_end(struct push_array *array, struct err *err)
{
	struct push *push = &array->push;
	bool ours = is_volume(array) &&
		    !run_flag(push->run, "was-connected");
	size_t first = push->plan.count;
	int r = push_add_end(push, err);

	if (r == 0)
		r = set_step(array, push_step(push, "unmount", err,
			"unmount it"), NULL, array_unmount, NULL, NULL);
	if (r == 0 && ours)
		r = set_step(array, push_step(push, "detach", err, "have this "
			"machine forget its device"), NULL, array_detach,
			NULL, NULL);
	if (r == 0 && ours)
		r = set_step(array, push_step(push, "disconnect", err,
			"disconnect it from '%s'", run_fact(push->run,
			"host")), NULL, array_disconnect, NULL, NULL);
	for (; r == 0 && first < push->plan.count; first++)
		push->plan.steps[first].flags |= PLAN_END;
	return r < 0 ? r : push_add_start(push, err);
}

static int add_steps(struct push_array *array, struct err *err)
{
	struct push *push = &array->push;
	int r = add_begin(array, err);

	if (r == 0)
		r = push_add_begin(push, err);
	if (r == 0)
		r = push_add_swap(push, err);
	if (r == 0 && strcmp(array->made, array->name) != 0)
		r = set_step(array, push_step(push, "name", err, "call it "
			"'%s'", array->name), NULL, array_name, NULL,
			array_unname);
	return r < 0 ? r : add_end(array, err);
}

/* A step of what ends or is taken back is not cut short by the first Ctrl-C
 * any more: what it asks for must come to its end. */
static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct push *push = arg;
	const struct plan *plan = &push->plan;

	if (undo || step->flags & (PLAN_END | PLAN_RESTART))
		stopped = 0;
	say(push->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - plan->steps + 1, plan->count, step->says);
}

static int take_facts(struct push_array *array, struct err *err)
{
	static const char *const needed[] = { "array", "type", "name", "made",
					      "bytes", "inodes" };
	const struct run *run = array->push.run;
	const char *type = run_fact(run, "type");

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!run_fact(run, needed[i]))
			return err_corrupt(err, "the journal of run %s has no "
					   "'%s'", run->id, needed[i]);
	array->type = !strcmp(type, "flasharray") ? REST_FLASHARRAY :
		      !strcmp(type, "flashblade") ? REST_FLASHBLADE : 0;
	if (!array->type || (array->type == REST_FLASHARRAY &&
			     !run_fact(run, "host")) ||
	    (array->type == REST_FLASHBLADE && !run_fact(run, "nfs-address")))
		return err_corrupt(err, "the journal of run %s names no array",
				   run->id);
	array->endpoint = run_fact(run, "array");
	array->name = run_fact(run, "name");
	array->made = run_fact(run, "made");
	array->existed = run_flag(run, "existed");
	array->replace = run_flag(run, "replace");
	array->grows = run_flag(run, "grows");
	return run_fact(run, "size") ?
	       run_fact_u64(run, "size", &array->size, err) : 0;
}

int push_array_make(const struct tool *tool, struct run *run,
		    struct repo *repo, struct push_array *ret,
		    struct err *err)
{
	int r;

	*ret = (struct push_array){ .rest = NULL };
	r = push_make(tool, run, repo, &ret->push, err);
	if (r == 0)
		r = take_facts(ret, err);
	if (r == 0)
		r = add_steps(ret, err);
	ret->push.plan.tell = tell_step;
	ret->push.plan.prove = prove;
	ret->push.plan.arg = ret;
	return r;
}

void push_array_release(struct push_array *array)
{
	rest_close(array->rest);
	array->rest = NULL;
	push_release(&array->push);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	OWNED_PUSH_ARRAY struct push_array array = {
		.push = { .swap.place = -1, .tree = TARGET_INIT },
	};
	struct push *push = &array.push;
	int r = push_array_make(tool, run, NULL, &array, err);

	/* what is wholly new is not taken back: that is told below */
	if (r == 0 && !(back && run->proved == TREE_WHOLLY_NEW))
		r = array_regain(&array, back || run->back, err);
	if (r == 0 && push->swap.place >= 0)
		r = push_check_free(push, err);
	if (r < 0)
		return r;
	push->accept = accept;
	if (back)
		r = plan_back(&push->plan, run, accept, err);
	else
		r = plan_go(&push->plan, run, err);
	if (back && r == -EALREADY)
		return r;
	return push_end(tool, push, r, err);
}

const struct procedure procedure_push_array = { PUSH_ARRAY_KIND, go_on };
