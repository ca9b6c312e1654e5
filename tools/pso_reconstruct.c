#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/kube_target.h"
#include "tools/procedure.h"
#include "tools/pso_rebuild.h"
#include "tools/pso_values.h"
#include "tools/runs.h"

/* What may be mended without it, or is to be known before. */
static int tell_cures(struct pso_look *look, const struct pso_health *health,
		      struct findings *ret, struct err *err)
{
	OWNED_FINDINGS struct findings all = { .row = NULL };
	int r = pso_status_checks(look, health, &all, err);

	for (size_t i = 0; r == 0 && i < all.count; i++)
		if (all.row[i].tell > TELL_NOTE)
			findings_add(ret, all.row[i].tell, all.row[i].check,
				     "%s", all.row[i].words);
	return r < 0 ? r : all.failed ? err_nomem(err) : 0;
}

static int compare_values(const struct pso_look *look, struct findings *f,
			  struct err *err)
{
	const char *path = option_value(&look->asking.tool->options,
					"new-values");
	const struct pso_doc *was = pso_find(&look->capture, "values"), *is;
	CLEANUP(pso_capture_release) struct pso_capture capture = {
		.redact = NULL };
	int r;

	if (!path)
		return 0;
	if (!was || was->state != PSO_HAD)
		return err_set(err, -EINVAL, "--new-values is compared with "
			       "--values, which is not given");
	r = pso_capture_init(&capture, err);
	if (r == 0)
		r = pso_read_values(&capture, path, err);
	if (r == 0)
		r = pso_capture_clean(&capture, err);
	if (r < 0)
		return r;
	is = pso_find(&capture, "values");
	if (!is || is->state != PSO_HAD)
		return err_set(err, -EINVAL, "'%s' is no values.yaml: %s",
			       path, is && is->why ? is->why : "");
	return pso_values_compare(was->doc.root, is->doc.root, f, err);
}

/* The run. */

static int learn(const struct tool *tool, const struct pso_look *look,
		 const struct pso_moves *moves,
		 const struct pso_matches *matches, struct run *run,
		 struct err *err)
{
	const char *text = option_value(&tool->options, "deadline");
	int64_t deadline = PSO_REBUILD_S;
	struct pso_install install;
	int r = text ? duration_parse(text, &deadline, err) : 0;

	if (r < 0)
		return err_wrap(err, "--deadline");
	pso_install_find(look, &install);
	if (!install.namespace)
		return err_set(err, -EPERM, "PSO's namespace is not known: "
			       "--namespace says where it runs");
	r = run_learn(run, "kind", PSO_REBUILD_KIND, err);
	if (r == 0)
		r = moving_learn(tool, look, PSO_PUT_ASIDE, moves, run, err);
	/* the same target as of volumes alone: one at a time */
	if (r == 0)
		r = run_learn(run, "label", "reconstruct", err);
	if (r == 0)
		r = run_learn(run, "namespace", install.namespace, err);
	if (r == 0)
		r = run_learnf(run, err, "release", "%.*s",
			       SPAN_ARG(install.release));
	if (r == 0)
		r = run_learnf(run, err, "deadline", "%" PRId64, deadline);
	if (r == 0)
		r = run_learnf(run, err, "matched", "%zu", matches->matched);
	if (r == 0 && look->model.contents.count)
		r = run_learn(run, "snapshots", "1", err);
	if (r == 0 && option_given(&tool->options, "chart"))
		r = pso_helm_check(tool, run_fact(run, "release"),
				   install.namespace, &look->kube, err);
	if (r == 0 && install.release_assumed && !tool->json)
		note(tool, "nothing names helm's release: it is taken to be "
		     "'" PSO_RELEASE "'");
	return r;
}

static void tell(const struct tool *tool, const struct rebuild *rb)
{
	const struct run *run = rb->run;
	const char *left = run_fact(run, "left");
	const char *output = run_fact(run, "output");

	if (run->closed == TREE_WHOLLY_OLD)
		say(tool, "The datastore's volumes are as they were.");
	if (run->closed == TREE_UNPROVED)
		say(tool, "Run %s is closed; whether all is as it was was not "
		    "shown.", run->id);
	if (output)
		say(tool, "What db-reconstructor said: varve cat "
		    "%s:stdout.txt", output);
	if (run->closed != TREE_WHOLLY_NEW || runs_tell_left_out(tool, run))
		return;
	say(tool, "The datastore is made anew.  Mount an imported volume once "
	    "before it is cloned, snapshotted or resized.");
	if (left && strcmp(left, "0") != 0)
		say(tool, "What was not in order before is not now: varve pso "
		    "reconstruct tells.");
	if (!option_given(&rb->tool->options, "test-class"))
		say(tool, "Test that a new claim is bound.");
}

static int end(const struct tool *tool, struct rebuild *rb, int r,
	       struct err *err)
{
	const struct run *run = rb->run;
	OWNED_REPO struct repo *repo = NULL;

	if (rb->tool->store && tool_open(rb->tool, REPO_WRITE, &repo, NULL) ==
	    0)
		tool_log(repo, "pso", "reconstruct %s: %s, run %s",
			 run_fact(run, "target"),
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ? "taken back" :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
	tell(tool, rb);
	return r < 0 ? pso_run_hint(run, r, err) : DONE;
}

static int go(const struct tool *tool, struct run *run, struct rebuild *rb,
	      struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	int r = runs_open(tool, NULL, true, &dir, err);

	run->dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, run_fact(run, "target"), err);
	if (r == 0)
		r = run_start(run, err);
	if (r < 0)
		return r;
	say(tool, "Run %s.", run->id);
	return end(tool, rb, plan_go(&rb->plan, run, err), err);
}

struct showing {
	struct pso_look look;
	struct pso_health health;
	struct pso_db_volumes volumes;
	struct pso_moves moves;
	struct pso_matches matches;
	struct findings cures, values, gate;
};

static void showing_release(struct showing *s)
{
	findings_release(&s->gate);
	findings_release(&s->values);
	findings_release(&s->cures);
	pso_matches_release(&s->matches);
	pso_moves_release(&s->moves);
	pso_db_volumes_release(&s->volumes);
	pso_health_release(&s->health);
	pso_look_release(&s->look);
}

/* What would keep it from beginning; in findings where it is only shown. */
static int ask_gate(struct showing *s, bool yes, struct err *err)
{
	const struct pso_look *look = &s->look;
	const struct findings *values = &s->values;
	char label[LABEL_TEXT], source[SOURCE_MAX + 1];
	struct err why = ERR_INIT;
	int r;

	/* what is only compared has no beginning */
	if (!yes && (!look->live || !option_given(&look->asking.tool->options,
						  "values")))
		return 0;
	r = pso_gate_begin(look, label, source, &why);
	if (r == 0)
		r = pso_gate_alive(look, &s->health, &s->cures, values, &why);
	if (r == 0 && findings_worst(values) == TELL_BAD)
		r = err_set(&why, -EPERM, "the new values.yaml would not do: "
			    "without --yes it is told why");
	if (r == 0)
		return 0;
	if (yes || (r != -EPERM && r != -EINVAL && r != -EAGAIN)) {
		err_set(err, r, "%s", why.text);
		return why.hint[0] ? err_hint(err, "%s", why.hint) : r;
	}
	findings_add(&s->gate, TELL_BAD, "gate", "it does not begin yet: %s%s%s%s",
		     why.text, why.hint[0] ? " (" : "", why.hint,
		     why.hint[0] ? ")" : "");
	return 0;
}

static int find_all(struct tool *tool, struct showing *s, struct err *err)
{
	bool yes = option_given(&tool->options, "yes");
	int r = pso_look_open(&s->look, tool, err);

	if (r == 0)
		r = pso_health_find(&s->look, &s->health, err);
	if (r == 0)
		r = pso_matches_find(&s->look, &s->matches, err);
	if (r == 0)
		r = pso_db_volumes_find(&s->look, &s->health, &s->volumes,
					err);
	if (r == 0)
		r = pso_moves_choose(&s->look, &s->volumes, PSO_PUT_ASIDE,
				     &s->moves, err);
	if (r == 0)
		r = compare_values(&s->look, &s->values, err);
	if (r == 0)
		r = tell_cures(&s->look, &s->health, &s->cures, err);
	return r < 0 ? r : ask_gate(s, yes, err);
}

static int print_all(struct tool *tool, const struct showing *s,
		     struct err *err)
{
	int r = 0;

	if (!tool->json)
		pso_print_head(&s->look);
	if (!tool->json && s->cures.count)
		puts("What may be mended first, so that nothing need be made "
		     "anew:");
	r = findings_print(&s->cures, tool, err);
	if (r == 0)
		r = pso_matches_print(&s->matches, tool, err);
	if (r == 0)
		r = findings_print(&s->values, tool, err);
	return r < 0 ? r : findings_print(&s->gate, tool, err);
}

int pso_reconstruct(struct tool *tool, struct err *err)
{
	CLEANUP(showing_release) struct showing s = { .look.live = false };
	CLEANUP(pso_recalled_release) struct pso_recalled was = {
		.words = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REBUILD struct rebuild rb = { .tool = tool };
	bool yes = option_given(&tool->options, "yes") &&
		   !option_given(&tool->options, "dry-run");
	int r;

	catch_stop();
	r = find_all(tool, &s, err);
	if (r == 0)
		r = print_all(tool, &s, err);
	if (r < 0)
		return r;
	if (!s.look.live || !option_given(&tool->options, "values"))
		return s.matches.wrong || s.gate.count ? INCOMPLETE : DONE;
	r = run_new(NULL, &run, err);
	if (r == 0)
		r = learn(tool, &s.look, &s.moves, &s.matches, &run, err);
	if (r == 0)
		r = pso_options_recall(tool, &run, &was, err);
	if (r == 0)
		r = rebuild_make(&was.tool, &run, &rb, err);
	if (r < 0)
		return r;
	if (!tool->json && s.moves.count) {
		puts("Volumes of the datastore:");
		pso_moves_print(&s.moves);
	}
	plan_show(&rb.plan, tool->json);
	fflush(stdout);
	if (yes)
		return go(tool, &run, &rb, err);
	say(tool, "Nothing was done: --yes does it, with --cluster-id %.*s "
	    "typed out.", SPAN_ARG(s.look.model.cluster_id));
	return s.matches.wrong || s.gate.count ? INCOMPLETE : DONE;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	CLEANUP(pso_recalled_release) struct pso_recalled was = {
		.words = NULL };
	OWNED_REBUILD struct rebuild rb = { .tool = tool };
	int r = pso_options_recall(tool, run, &was, err);

	if (r == 0)
		r = rebuild_make(&was.tool, run, &rb, err);
	/* to go back only arrays are asked */
	if (r == 0 && !back)
		r = kube_check_run(&rb.kube, run, "cluster-uid", "server",
				   err);
	if (r < 0)
		return r;
	r = back ? plan_back(&rb.plan, run, accept, err) :
		   plan_go(&rb.plan, run, err);
	return back && r == -EALREADY ? r : end(tool, &rb, r, err);
}

const struct procedure procedure_pso_reconstruct = { PSO_REBUILD_KIND, go_on };
