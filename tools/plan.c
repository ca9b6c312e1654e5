#include "tools/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_MS 500

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct plan_step *plan_addv(struct plan *plan, const char *name,
			    const char *fmt, va_list ap)
{
	struct plan_step *step = &plan->steps[plan->count];

	if (plan->count == PLAN_STEPS_MAX)
		return NULL;
	*step = (struct plan_step){ .name = name };
	if (vasprintf(&step->says, fmt, ap) < 0) {
		step->says = NULL;
		return NULL;
	}
	plan->count++;
	return step;
}

struct plan_step *plan_add(struct plan *plan, const char *name,
			   const char *fmt, ...)
{
	struct plan_step *step;
	va_list ap;

	va_start(ap, fmt);
	step = plan_addv(plan, name, fmt, ap);
	va_end(ap);
	return step;
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->steps[i].says);
	plan->count = 0;
}

int plan_left_ms(const struct plan *plan)
{
	int64_t left = plan->until_ms - now_ms();

	if (!plan->until_ms)
		return INT_MAX;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static bool is_stopped(const struct plan *plan)
{
	return plan->stop && *plan->stop;
}

/* Who kills it at every step (builds with faults) has it wait less. */
static int pause_between(int left_ms)
{
	int ms = disk_fault_pause(PAUSE_MS);

	return left_ms < ms ? left_ms : ms;
}

static void pause_ms(int ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&pause, NULL);
}

/* One of the four, within the step's deadline. */
static int call(struct plan *plan, const struct plan_step *step,
		plan_step_fn *fn, struct err *err)
{
	int left, r;

	if (!fn)
		return 0;
	plan->until_ms = step->deadline_s ?
			 now_ms() + step->deadline_s * 1000 : 0;
	while ((r = fn(step->arg ? step->arg : plan->arg, err)) == -EAGAIN) {
		left = plan_left_ms(plan);
		if (left == 0 || !plan->until_ms) {
			r = -ETIMEDOUT;
			if (err)
				err->code = r;
			break;
		}
		if (is_stopped(plan))
			return err_set(err, -ECANCELED, "stopped");
		pause_ms(pause_between(left));
	}
	return r;
}

static int take_step(struct plan *plan, struct run *run,
		     const struct plan_step *step, struct err *err)
{
	int r;

	if (run_step_state(run, step->name) == STEP_DONE)
		return 0;
	if (is_stopped(plan))
		return err_set(err, -ECANCELED, "stopped");
	if (plan->tell)
		plan->tell(plan->arg, step, false);
	r = call(plan, step, step->ready, err);
	if (r >= 0 && run_step_state(run, step->name) != STEP_BEGUN)
		r = run_step_set(run, step->name, STEP_BEGUN, err);
	if (r >= 0)
		r = call(plan, step, step->act, err);
	if (r >= 0)
		r = call(plan, step, step->check, err);
	return r < 0 ? r : run_step_set(run, step->name, STEP_DONE, err);
}

static bool is_left_out(const struct run *run, const char *name)
{
	const char *all = run_fact(run, RUN_LEFT_OUT);
	size_t len = strlen(name);

	while (all && *all) {
		size_t word = strcspn(all, " ");

		if (word == len && !memcmp(all, name, len))
			return true;
		all += word + (all[word] == ' ');
	}
	return false;
}

/* Steps at the end; after a proof that it is old only what starts again. */
static int end_steps(struct plan *plan, struct run *run, bool old,
		     struct err *err)
{
	volatile int *stop = plan->stop;
	bool past_stop = plan->past_stop;
	int r = 0;

	/* what was stopped is not left so for the asking */
	plan->stop = NULL;
	plan->past_stop = true;
	for (size_t i = 0; r >= 0 && i < plan->count; i++) {
		const struct plan_step *step = &plan->steps[i];
		bool restart = step->flags & PLAN_RESTART;

		if (!(step->flags & (PLAN_END | PLAN_RESTART)))
			continue;
		if (old && (!restart || run_step_state(run, step->starts) ==
					STEP_NEW))
			continue;
		if (is_left_out(run, step->name))
			continue;
		r = take_step(plan, run, step, err);
	}
	plan->stop = stop;
	plan->past_stop = past_stop;
	return r;
}

static int undo_step(struct plan *plan, struct run *run,
		     const struct plan_step *step, struct err *err)
{
	enum step_state state = run_step_state(run, step->name);
	int r;

	if (state == STEP_NEW || state == STEP_UNDONE)
		return 0;
	/* what is undone by starting it again, which is at the end */
	if (!step->undo)
		return 0;
	if (plan->tell)
		plan->tell(plan->arg, step, true);
	r = run_step_set(run, step->name, STEP_UNDOING, err);
	if (r >= 0)
		r = call(plan, step, step->undo, err);
	return r < 0 ? r : run_step_set(run, step->name, STEP_UNDONE, err);
}

/* The names of steps that are left, and may be left out; of a tree that is proved
 * old what starts again. */
static int put_spare(const struct plan *plan, const struct run *run,
		     bool old, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (old && (!(step->flags & PLAN_RESTART) ||
			    run_step_state(run, step->starts) == STEP_NEW))
			continue;
		if ((step->flags & PLAN_SPARE) &&
		    run_step_state(run, step->name) != STEP_DONE)
			buf_printf(out, "%s%s", out->len ? " " : "",
				   step->name);
	}
	return buf_check(out, err);
}

static int go_back(struct plan *plan, struct run *run, bool accept,
		   struct err *err)
{
	OWNED_BUF struct buf spare = BUF_INIT;
	enum run_tree tree = TREE_WHOLLY_OLD;
	bool again = run->proved == TREE_WHOLLY_OLD;
	int r = run_set_back(run, err);

	for (size_t i = plan->count; r >= 0 && i-- > 0;)
		if (!(plan->steps[i].flags & (PLAN_END | PLAN_RESTART)))
			r = undo_step(plan, run, &plan->steps[i], err);
	if (r < 0)
		return r;
	if (run->proved != TREE_WHOLLY_OLD) {
		r = plan->prove(plan->arg, TREE_WHOLLY_OLD, err);
		if (r < 0 && accept)
			tree = TREE_UNPROVED;
		else if (r < 0)
			return r;
		r = run_set_proved(run, tree, err);
	}
	/* it came so far before, and what starts it again failed */
	if (r >= 0 && accept && again)
		r = put_spare(plan, run, true, &spare, err);
	if (r >= 0 && spare.len)
		r = run_learn(run, RUN_LEFT_OUT, buf_str(&spare), err);
	if (r >= 0 && tree == TREE_WHOLLY_OLD)
		r = end_steps(plan, run, true, err);
	return r < 0 ? r : run_close(run, tree, err);
}

/* It is proved new: the rest of it without what may be left out. */
static int give_up(struct plan *plan, struct run *run, bool accept,
		   struct err *err)
{
	OWNED_BUF struct buf spare = BUF_INIT;
	int r = put_spare(plan, run, false, &spare, err);

	if (r < 0)
		return r;
	if (accept && spare.len) {
		r = run_learn(run, RUN_LEFT_OUT, buf_str(&spare), err);
		if (r >= 0)
			r = end_steps(plan, run, false, err);
		return r < 0 ? r : run_close(run, TREE_WHOLLY_NEW, err);
	}
	r = err_set(err, -EALREADY, "run %s has come so far that all is "
		    "wholly new", run->id);
	if (!spare.len)
		err_hint(err, "'varve resume %s' does what is left", run->id);
	else
		err_hint(err, "'varve resume %s' does what is left; 'varve "
			 "rollback --accept %s' ends it without: %s", run->id,
			 run->id, buf_str(&spare));
	return r;
}

int plan_back(struct plan *plan, struct run *run, bool accept,
	      struct err *err)
{
	volatile int *stop = plan->stop;
	int r;

	if (run->proved == TREE_WHOLLY_NEW)
		return give_up(plan, run, accept, err);
	/* half back helps nobody */
	plan->stop = NULL;
	plan->past_stop = true;
	r = go_back(plan, run, accept, err);
	plan->stop = stop;
	plan->past_stop = false;
	return r;
}

/* err stays what it is: why it is rolled back. */
static int fall_back(struct plan *plan, struct run *run, int why,
		     struct err *err)
{
	struct err failed = ERR_INIT;
	int r;

	/* what cannot be written down is not done */
	if (run->journal.failed)
		return why;
	r = plan_back(plan, run, false, &failed);
	if (r < 0 && err) {
		struct err words = *err;

		err_set(err, why, "%s; and to roll it back failed: %s",
			words.text, failed.text);
		err_hint(err, "%s", words.hint);
	}
	return why;
}

int plan_go(struct plan *plan, struct run *run, struct err *err)
{
	int r = 0;

	if (run->back)
		return plan_back(plan, run, false, err);
	for (size_t i = 0; r >= 0 && i < plan->count; i++)
		if (!(plan->steps[i].flags & (PLAN_END | PLAN_RESTART)))
			r = take_step(plan, run, &plan->steps[i], err);
	if (r >= 0 && run->proved != TREE_WHOLLY_NEW) {
		r = plan->prove(plan->arg, TREE_WHOLLY_NEW, err);
		if (r >= 0)
			r = run_set_proved(run, TREE_WHOLLY_NEW, err);
	}
	if (r < 0)
		return run->proved == TREE_WHOLLY_NEW ? r :
		       fall_back(plan, run, r, err);
	r = end_steps(plan, run, false, err);
	return r < 0 ? r : run_close(run, TREE_WHOLLY_NEW, err);
}
