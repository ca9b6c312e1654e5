#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/plan.h"

/*
 * A world of three letters: old "aaa", new "bbb".  Three steps change one each,
 * a service is stopped before and started at the end, and what it saw as it was
 * started is kept.
 */
struct world {
	char path[64];
	struct disk_dir dir;
	char tree[4];
	bool runs;
	char saw[16];		/* of each start, its first letter; '?' mixed */
	unsigned starts, discards, not_yet;
	const char *fails;	/* the function that fails, once: "act 2" */
	bool foreign;		/* somebody wrote: nothing can be proved old */
};

static int may_fail(struct world *w, const char *what, struct err *err)
{
	if (!w->fails || strcmp(w->fails, what))
		return 0;
	w->fails = NULL;
	return err_set(err, -EIO, "%s failed", what);
}

#define STEP(n) \
	static int act_##n(void *arg, struct err *err) \
	{ \
		struct world *w = arg; \
		w->tree[n] = 'b'; \
		return may_fail(w, "act " #n, err); \
	} \
	static int check_##n(void *arg, struct err *err) \
	{ \
		struct world *w = arg; \
		if (w->not_yet && w->not_yet--) \
			return err_set(err, -EAGAIN, "not yet"); \
		assert_int_equal(w->tree[n], 'b'); \
		return may_fail(w, "check " #n, err); \
	} \
	static int undo_##n(void *arg, struct err *err) \
	{ \
		struct world *w = arg; \
		int r = may_fail(w, "undo " #n, err); \
		if (r == 0) \
			w->tree[n] = 'a'; \
		return r; \
	}
STEP(0)
STEP(1)
STEP(2)

static int stop(void *arg, struct err *err)
{
	struct world *w = arg;

	w->runs = false;
	return may_fail(w, "stop", err);
}

static int start(void *arg, struct err *err)
{
	struct world *w = arg;
	int r = may_fail(w, "start", err);

	if (r < 0)
		return r;
	w->saw[w->starts++] = !strcmp(w->tree, "aaa") ? 'a' :
			      !strcmp(w->tree, "bbb") ? 'b' : '?';
	w->runs = true;
	return 0;
}

static int discard(void *arg, struct err *err)
{
	struct world *w = arg;

	assert_string_equal(w->tree, "bbb");
	w->discards++;
	return may_fail(w, "discard", err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct world *w = arg;
	bool old = tree == TREE_WHOLLY_OLD;

	if (old && w->foreign)
		return err_set(err, -EUCLEAN, "somebody wrote");
	assert_string_equal(w->tree, old ? "aaa" : "bbb");
	return may_fail(w, old ? "prove old" : "prove new", err);
}

static void make_plan(struct world *w, struct plan *plan)
{
	static plan_step_fn *const fns[][3] = {
		{ act_0, check_0, undo_0 },
		{ act_1, check_1, undo_1 },
		{ act_2, check_2, undo_2 },
	};
	static const char *const names[] = { "first", "second", "third" };
	struct plan_step *step;

	*plan = (struct plan){ .prove = prove, .arg = w };
	step = plan_add(plan, "stop", "stop it");
	step->act = stop;
	for (size_t i = 0; i < 3; i++) {
		step = plan_add(plan, names[i], "change letter %zu", i);
		step->act = fns[i][0];
		step->check = fns[i][1];
		step->undo = fns[i][2];
	}
	step = plan_add(plan, "start", "start it");
	step->flags = PLAN_RESTART;
	step->starts = "stop";
	step->act = start;
	step = plan_add(plan, "discard", "discard the old one");
	step->flags = PLAN_END | PLAN_DESTROYS;
	step->act = discard;
}

static void set_world(struct world *w)
{
	strcpy(w->tree, "aaa");
	memset(w->saw, 0, sizeof(w->saw));
	w->starts = w->discards = w->not_yet = 0;
	w->runs = true;
	w->foreign = false;
	w->fails = NULL;
}

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->path, "/tmp/varve-plan.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	assert_int_equal(disk_open(w->path, &w->dir, NULL), 0);
	set_world(w);
	*state = w;
	return 0;
}

static int remove_world(void **state)
{
	struct world *w = *state;
	char command[96];

	disk_close(&w->dir);
	snprintf(command, sizeof(command), "rm -rf %s", w->path);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void start_run(struct world *w, struct run *run)
{
	int r;

	/* of hundreds in a second two may be called alike */
	do {
		run_release(run);
		assert_int_equal(run_new(&w->dir, run, NULL), 0);
		assert_int_equal(run_learn(run, "kind", "letters", NULL), 0);
		r = run_start(run, NULL);
	} while (r == -EEXIST);
	assert_int_equal(r, 0);
}

/* As another process would find it. */
static void load_again(struct world *w, struct run *run)
{
	char id[RUN_ID];

	strcpy(id, run->id);
	run_release(run);
	assert_int_equal(run_load(&w->dir, id, true, run, NULL), 0);
	assert_string_equal(run_fact(run, "kind"), "letters");
}

static int go(struct world *w, struct run *run, bool back, struct err *err)
{
	struct plan plan;
	int r;

	make_plan(w, &plan);
	r = back ? plan_back(&plan, run, false, err) :
		   plan_go(&plan, run, err);
	plan_release(&plan);
	return r;
}

static void it_goes_to_the_end(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;

	start_run(w, &run);
	assert_int_equal(go(w, &run, false, NULL), 0);
	assert_string_equal(w->tree, "bbb");
	assert_string_equal(w->saw, "b");
	assert_int_equal(w->discards, 1);
	load_again(w, &run);
	assert_int_equal(run.closed, TREE_WHOLLY_NEW);
	assert_false(run_is_unfinished(&run));
}

static void what_fails_is_taken_back_and_started(void **state)
{
	static const char *const points[] = {
		"stop", "act 0", "check 0", "act 1", "check 1", "act 2",
		"check 2", "prove new",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		OWNED_RUN struct run run = RUN_INIT;
		struct err err = ERR_INIT;

		set_world(w);
		w->fails = points[i];
		start_run(w, &run);
		assert_int_equal(go(w, &run, false, &err), -EIO);
		assert_int_equal(strncmp(err.text, points[i],
					 strlen(points[i])), 0);
		assert_string_equal(w->tree, "aaa");
		assert_string_equal(w->saw, "a");
		assert_int_equal(w->discards, 0);
		load_again(w, &run);
		assert_int_equal(run.closed, TREE_WHOLLY_OLD);
	}
}

/* What cannot be taken back stays stopped, and is taken back later. */
static void an_undo_that_fails_leaves_it_stopped(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;
	struct err err = ERR_INIT;

	start_run(w, &run);
	w->foreign = true;
	w->fails = "act 1";
	assert_int_equal(go(w, &run, false, &err), -EIO);
	assert_non_null(strstr(err.text, "roll it back failed: somebody"));
	assert_int_equal(w->starts, 0);
	load_again(w, &run);
	assert_true(run_is_unfinished(&run));
	/* going on with what goes back is going back */
	w->fails = "undo 0";
	assert_int_equal(go(w, &run, false, &err), -EUCLEAN);
	w->foreign = false;
	load_again(w, &run);
	assert_int_equal(go(w, &run, false, NULL), 0);
	assert_string_equal(w->tree, "aaa");
	assert_string_equal(w->saw, "a");
	assert_int_equal(run.closed, TREE_WHOLLY_OLD);
}

/* "What was to be taken back, and could not be, goes on." */
static void what_cannot_go_back_may_go_on(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;

	start_run(w, &run);
	w->foreign = true;
	w->fails = "act 1";
	assert_int_equal(go(w, &run, false, NULL), -EIO);
	assert_true(run.back);
	assert_int_equal(run_set_forward(&run, NULL), 0);
	load_again(w, &run);
	assert_false(run.back);
	w->fails = NULL;
	assert_int_equal(go(w, &run, false, NULL), 0);
	assert_string_equal(w->tree, "bbb");
	assert_int_equal(run.closed, TREE_WHOLLY_NEW);
}

static void unproved_is_closed_for_the_asking_and_not_started(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;
	struct plan plan;

	start_run(w, &run);
	w->foreign = true;
	w->fails = "act 1";
	go(w, &run, false, NULL);
	make_plan(w, &plan);
	assert_int_equal(plan_back(&plan, &run, true, NULL), 0);
	plan_release(&plan);
	assert_int_equal(run.closed, TREE_UNPROVED);
	assert_int_equal(w->starts, 0);
	assert_false(w->runs);
}

static void at_the_end_nothing_is_taken_back(void **state)
{
	static const char *const points[] = { "start", "discard" };
	struct world *w = *state;

	for (size_t i = 0; i < 2; i++) {
		OWNED_RUN struct run run = RUN_INIT;

		set_world(w);
		w->fails = points[i];
		start_run(w, &run);
		assert_int_equal(go(w, &run, false, NULL), -EIO);
		assert_int_equal(run.proved, TREE_WHOLLY_NEW);
		load_again(w, &run);
		assert_int_equal(go(w, &run, true, NULL), -EALREADY);
		assert_string_equal(w->tree, "bbb");
		assert_int_equal(go(w, &run, false, NULL), 0);
		assert_string_equal(w->saw, "b");
		assert_int_equal(run.closed, TREE_WHOLLY_NEW);
	}
}

/* Each write and sync of the journal is the last thing that happens. */
static int cut_at(void *arg, enum disk_step step, const char *dir,
		  const char *name, const char *to, uint64_t offset,
		  struct span data)
{
	int *left = arg;

	(void)dir;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	return (step == DISK_WRITE || step == DISK_SYNC) && --*left < 0 ?
	       -EIO : 0;
}

/* True once the run came to its end before it was cut. */
static bool cut_and_bring_back(struct world *w, int at, bool back, bool twice)
{
	OWNED_RUN struct run run = RUN_INIT;
	int left = at, r;

	set_world(w);
	start_run(w, &run);
	disk_set_hook(cut_at, &left);
	r = go(w, &run, false, NULL);
	disk_set_hook(NULL, NULL);
	assert_true(!w->runs || w->starts || !strcmp(w->tree, "aaa"));
	load_again(w, &run);
	if (run.closed) {
		assert_int_equal(run.closed, TREE_WHOLLY_NEW);
		return r == 0;
	}
	if (twice) {
		left = at / 2;
		disk_set_hook(cut_at, &left);
		go(w, &run, back, NULL);
		disk_set_hook(NULL, NULL);
		load_again(w, &run);
	}
	if (!run.closed) {
		r = go(w, &run, back, NULL);
		if (r == -EALREADY)
			r = go(w, &run, false, NULL);
		assert_int_equal(r, 0);
	}
	assert_string_equal(w->tree, run.closed == TREE_WHOLLY_NEW ? "bbb" :
								      "aaa");
	assert_true(w->runs);
	assert_null(strchr(w->saw, '?'));
	return false;
}

static void cut_anywhere_it_comes_to_an_end(void **state)
{
	struct world *w = *state;
	int cuts = 0;

	for (int back = 0; back < 2; back++)
		for (int twice = 0; twice < 2; twice++) {
			for (cuts = 0; !cut_and_bring_back(w, cuts, back,
							   twice);)
				cuts++;
			assert_true(cuts >= 2 * (2 * 6 + 2));
		}
}

static void not_yet_is_asked_again_until_the_deadline(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;
	struct err err = ERR_INIT;
	struct plan plan;

	start_run(w, &run);
	make_plan(w, &plan);
	w->not_yet = 1;
	plan.steps[1].deadline_s = 20;
	assert_int_equal(plan_go(&plan, &run, NULL), 0);
	assert_int_equal(w->not_yet, 0);
	run_release(&run);

	set_world(w);
	start_run(w, &run);
	w->not_yet = 1000;
	plan.steps[1].deadline_s = 1;
	assert_int_equal(plan_go(&plan, &run, &err), -ETIMEDOUT);
	assert_string_equal(err.text, "not yet");
	assert_int_equal(err.code, -ETIMEDOUT);
	assert_string_equal(w->tree, "aaa");
	assert_true(w->runs);
	plan_release(&plan);
}

static void who_stops_it_gets_all_back(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;
	volatile int asked = 1;
	struct plan plan;

	start_run(w, &run);
	make_plan(w, &plan);
	plan.stop = &asked;
	assert_int_equal(plan_go(&plan, &run, NULL), -ECANCELED);
	assert_int_equal(run.closed, TREE_WHOLLY_OLD);
	plan_release(&plan);
}

/* What the way back asks of others is not cut short by that. */
static struct plan *watched;
static bool seen_past_stop[2];

static int see_act(void *arg, struct err *err)
{
	(void)arg;
	seen_past_stop[0] = watched->past_stop;
	return err_set(err, -ECANCELED, "stopped amid it");
}

static int see_undo(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	seen_past_stop[1] = watched->past_stop;
	return 0;
}

static void the_way_back_is_past_any_stop(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT;
	struct plan plan;

	start_run(w, &run);
	make_plan(w, &plan);
	watched = &plan;
	plan.steps[1].act = see_act;
	plan.steps[1].undo = see_undo;
	assert_int_equal(plan_go(&plan, &run, NULL), -ECANCELED);
	assert_false(seen_past_stop[0]);
	assert_true(seen_past_stop[1]);
	assert_false(plan.past_stop);
	plan_release(&plan);
}

static void runs_are_listed_and_told_apart(void **state)
{
	struct world *w = *state;
	OWNED_RUN struct run run = RUN_INIT, other = RUN_INIT;

	start_run(w, &run);
	assert_int_equal(run_load(&w->dir, run.id, false, &other, NULL), 0);
	assert_true(other.running && run_is_unfinished(&other));
	run_release(&other);
	assert_int_equal(run_load(&w->dir, run.id, true, &other, NULL),
			 -EBUSY);
	assert_int_equal(run_load(&w->dir, "../../etc", false, &other, NULL),
			 -ENOENT);
	assert_int_equal(run_load(&w->dir, "2021-01-01", false, &other, NULL),
			 -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, \
						   remove_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_goes_to_the_end),
		TEST(what_fails_is_taken_back_and_started),
		TEST(an_undo_that_fails_leaves_it_stopped),
		TEST(what_cannot_go_back_may_go_on),
		TEST(unproved_is_closed_for_the_asking_and_not_started),
		TEST(at_the_end_nothing_is_taken_back),
		TEST(cut_anywhere_it_comes_to_an_end),
		TEST(not_yet_is_asked_again_until_the_deadline),
		TEST(who_stops_it_gets_all_back),
		TEST(the_way_back_is_past_any_stop),
		TEST(runs_are_listed_and_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
