/*
 * plan: a procedure as steps, gone through forward or back, and always to an
 * end that is known.
 *
 * A step has a precondition, an action, a check and an undo; each is a
 * function over the plan's own data, and knows what it works on; the plan
 * does not.  The journal (run.h) tells which steps were begun and done,
 * durably before and after each, so after any kill or power cut the plan is
 * made again from the journal's facts and goes on (plan_go) or back
 * (plan_back).
 *
 * The order of things, and what holds:
 *
 *     ready, "begin", act, check, "done"       of each step
 *     prove, "proved new"                      the result is wholly new
 *     the same of the steps at the end         (PLAN_END: what was stopped is
 *     "closed new"                             started, what is old may go)
 *
 * and back: "back"; of the steps that were begun, the last first: "undo", undo,
 * "undone"; prove, "proved old"; what was stopped is started; "closed old".
 *
 * - act, check and undo are called again after a kill: they look what is done.
 * - What was stopped is started (PLAN_RESTART) only after a proof, on either
 *   way.
 * - A step that fails is rolled back at once, with all before it, unless it is
 *   at the end or the journal itself cannot be written: then it stays as it
 *   is, and who runs the plan names the one command to run.
 * - Nothing is rolled back that was proved new; what can never be done of its end
 *   may be left out (PLAN_SPARE).
 *
 * One thread.
 */
#ifndef VARVE_PLAN_H
#define VARVE_PLAN_H

#include "tools/run.h"

#define PLAN_STEPS_MAX 32

/* Takes away what nobody can bring back. */
#define PLAN_DESTROYS 1u
/* Done only once the tree is proved new. */
#define PLAN_END 2u
/* PLAN_END, and also once it is proved old, where the step `starts` names was
 * begun. */
#define PLAN_RESTART 4u
/* Of those at the end: who gives up what is left may leave it out. */
#define PLAN_SPARE 8u

typedef int plan_step_fn(void *arg, struct err *err);

struct plan_step {
	const char *name;	/* [a-z0-9-]+, as in the journal */
	char *says;		/* what it does, a sentence; owned */
	unsigned flags;
	const char *starts;	/* of PLAN_RESTART: the step that stopped it */
	int64_t deadline_s;	/* of each of the four; 0: none */
	void *arg;		/* of the four; NULL: the plan's */
	/*
	 * NULL: nothing to do.  ready and check may give -EAGAIN, "not yet": they
	 * are asked again until the deadline, and then their words are why.
	 */
	plan_step_fn *ready, *act, *check, *undo;
};

struct plan {
	struct plan_step steps[PLAN_STEPS_MAX];
	size_t count;
	/* 0: the tree is wholly so; its words say what it is not. */
	int (*prove)(void *arg, enum run_tree tree, struct err *err);
	/* told of each step as it begins; or NULL */
	void (*tell)(void *arg, const struct plan_step *step, bool undo);
	void *arg;
	volatile int *stop;	/* set: no further step is begun; or NULL */
	int64_t until_ms;	/* of the function that runs; 0: no deadline */
	/* it goes back, or to its end: what it asks of others is not stopped */
	bool past_stop;
};

/* The next step, its sentence from fmt; NULL: no memory, or too many. */
struct plan_step *plan_add(struct plan *plan, const char *name,
			   const char *fmt, ...) PRINTF(3, 4);
struct plan_step *plan_addv(struct plan *plan, const char *name,
			    const char *fmt, va_list ap) PRINTF(3, 0);
void plan_release(struct plan *plan);
/* plan_show.c: its steps on standard output. */
void plan_show(const struct plan *plan, bool json);
/* What is left of the step's time; INT_MAX where it has no deadline. */
int plan_left_ms(const struct plan *plan);

/*
 * Go on to the end.  What became of the tree is run->closed, or run->proved
 * where it did not come to an end; TREE_WHOLLY_OLD also on failure, if it was
 * rolled back.  The failure's words are those of the step that failed.
 */
int plan_go(struct plan *plan, struct run *run, struct err *err);
/*
 * All back.  -EALREADY: it is proved new; the hint names what can be done.  accept:
 * close it even where the tree cannot be proved old (nothing is started then), or
 * where it is proved new: then steps at the end are done but for those that are to
 * spare, whose names are the fact RUN_LEFT_OUT.  So is what starts again of a tree
 * that was proved old before this call.
 */
int plan_back(struct plan *plan, struct run *run, bool accept,
	      struct err *err);

#endif
