#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/kube_target.h"
#include "tools/procedure.h"
#include "tools/pso_volumes.h"
#include "tools/runs.h"

void moving_release(struct moving *moving)
{
	plan_release(&moving->plan);
	pso_moves_release(&moving->moves);
	pso_arms_release(&moving->arms);
}

static enum pso_mode mode_of(const struct run *run)
{
	const char *text = run_fact(run, "mode");

	for (enum pso_mode m = PSO_CLEAN; text && m <= PSO_ERADICATE_ALL; m++)
		if (!strcmp(text, pso_mode_name(m)))
			return m;
	return 0;
}

/* What is done, and back. */

static int each(struct moving *m, enum pso_verb verb, bool back,
		struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->moves.count; i++) {
		const struct pso_move *move = &m->moves.row[back ?
			m->moves.count - 1 - i : i];

		if (move->verb != verb)
			continue;
		/* a step that was begun is brought to its end, or back */
		r = back ? pso_move_back(&m->arms, move, err) :
			   pso_move_go(&m->arms, move, err);
	}
	return r;
}

static int do_rename(void *arg, struct err *err)
{
	return each(arg, PSO_RENAME, false, err);
}

static int undo_rename(void *arg, struct err *err)
{
	return each(arg, PSO_RENAME, true, err);
}

static int do_destroy(void *arg, struct err *err)
{
	return each(arg, PSO_DESTROY, false, err);
}

static int undo_destroy(void *arg, struct err *err)
{
	return each(arg, PSO_DESTROY, true, err);
}

/* What SafeMode keeps goes by itself when its time is over. */
static int do_eradicate(void *arg, struct err *err)
{
	struct moving *m = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->moves.count; i++) {
		struct err why = ERR_INIT;

		if (m->moves.row[i].verb != PSO_ERADICATE)
			continue;
		r = pso_move_go(&m->arms, &m->moves.row[i], &why);
		if (r == -EACCES) {
			warn("%s", why.text);
			m->kept++;
			r = 0;
		} else if (r < 0) {
			err_set(err, r, "%s", why.text);
		}
	}
	return r < 0 || !m->kept ? r :
		run_learnf(m->run, err, "kept", "%zu", m->kept);
}

int moving_prove(void *arg, enum run_tree tree, struct err *err)
{
	struct moving *m = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->moves.count; i++)
		r = pso_move_prove(&m->arms, &m->moves.row[i],
				   tree == TREE_WHOLLY_NEW, err);
	return r;
}

static bool is_used(const struct pso_look *look,
		    const struct pso_health *health,
		    const struct pso_move *move)
{
	for (size_t b = 0; b < look->model.backend_count; b++)
		if (span_equal(look->model.backends[b].mgmt,
			       span_str(move->mgmt)) &&
		    pso_health_uses(health, span_str(move->name), b))
			return true;
	return false;
}

/* May it still be?  Asked once more before the first call, as the night goes
 * on. */
static int still_allowed(void *arg, struct err *err)
{
	struct moving *m = arg;
	enum pso_mode mode = mode_of(m->run);
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_HEALTH struct pso_health health = { .replicas = NULL };
	int r = pso_look_open(&look, m->arms.tool, err);

	if (r == 0 && look.live)
		r = kube_check_run(&look.kube, m->run, "cluster-uid",
				   "server", err);
	if (r == 0 && mode == PSO_CLEAN)
		r = pso_health_find(&look, &health, err);
	if (r == 0 && mode == PSO_CLEAN)
		r = pso_health_gate(&look, &health, err);
	for (size_t i = 0; r == 0 && i < m->moves.count; i++)
		if (is_used(&look, &health, &m->moves.row[i]))
			r = err_set(err, -EPERM, "a replica has '%s' now",
				    m->moves.row[i].name);
	if (r == 0)
		r = pso_mode_gate(&look, mode, err);
	if (r == 0 && mode != PSO_ERADICATE_ALL)
		r = pso_gate_free(&look, &m->moves, err);
	return r;
}

/* The plan. */

static size_t count(const struct moving *m, enum pso_verb verb,
		    enum pso_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < m->moves.count; i++)
		n += m->moves.row[i].verb == verb &&
		     m->moves.row[i].type == type;
	return n;
}

static struct plan_step *add_step(struct moving *m, struct plan_step *step,
				  int64_t deadline_s, plan_step_fn *ready,
				  plan_step_fn *act, plan_step_fn *undo)
{
	if (!step)
		return NULL;
	step->arg = m;
	step->deadline_s = deadline_s;
	step->ready = ready;
	step->act = act;
	step->undo = undo;
	return step;
}

int moving_add_steps(struct moving *m, struct plan *plan,
		     int64_t deadline_s, struct err *err)
{
	size_t renames = count(m, PSO_RENAME, PSO_FLASHARRAY);
	size_t volumes = count(m, PSO_DESTROY, PSO_FLASHARRAY);
	size_t systems = count(m, PSO_DESTROY, PSO_FLASHBLADE);
	size_t gone = count(m, PSO_ERADICATE, PSO_FLASHARRAY) +
		      count(m, PSO_ERADICATE, PSO_FLASHBLADE);
	struct plan_step *step;

	if (renames) {
		step = plan_add(plan, "rename", "rename %s to -u, which PSO "
				"leaves alone", counted(renames, "volume").s);
		if (!add_step(m, step, deadline_s, still_allowed, do_rename,
			      undo_rename))
			return err_nomem(err);
	}
	if (volumes || systems) {
		step = plan_add(plan, "destroy", "%s%s%s%s%s; the arrays keep "
				"them for a while", volumes ? "destroy " : "",
				volumes ? counted(volumes, "volume").s : "",
				volumes && systems ? "; " : "", systems ?
				"end what serves, and destroy, " : "",
				systems ? counted(systems, "file system").s :
				"");
		if (!add_step(m, step, deadline_s, renames ? NULL :
			      still_allowed, do_destroy, undo_destroy))
			return err_nomem(err);
	}
	if (gone) {
		step = plan_add(plan, "eradicate", "eradicate %s: nothing "
				"brings them back",
				counted(gone, "volume").s);
		if (!add_step(m, step, 0, still_allowed, do_eradicate, NULL))
			return err_nomem(err);
		step->flags = PLAN_END | PLAN_DESTROYS;
	}
	return 0;
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct moving *m = arg;

	say(m->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - m->plan.steps + 1, m->plan.count, step->says);
}

int moving_fill(const struct tool *tool, struct run *run,
		struct moving *ret, struct err *err)
{
	int r;

	*ret = (struct moving){ .tool = tool, .run = run };
	if (!mode_of(run))
		return err_corrupt(err, "the journal of run %s does not say "
				   "what is done", run->id);
	r = pso_moves_recall(run, &ret->moves, err);
	return r < 0 ? r : pso_arms_find(&ret->arms, tool, run, err);
}

int moving_make(const struct tool *tool, struct run *run,
		struct moving *ret, struct err *err)
{
	int r = moving_fill(tool, run, ret, err);

	ret->arms.asking.past_stop = &ret->plan.past_stop;
	if (r == 0)
		r = moving_add_steps(ret, &ret->plan, 0, err);
	ret->plan.prove = moving_prove;
	ret->plan.tell = tell_step;
	ret->plan.arg = ret;
	ret->plan.stop = &stopped;
	return r;
}

/* The one that it is done in, also where another becomes kubectl's current one. */
static int learn_cluster(const struct tool *tool,
			 const struct pso_capture *capture, struct run *run,
			 struct err *err)
{
	int r = 0;

	if (capture->cluster_uid)
		r = run_learn(run, "cluster-uid", capture->cluster_uid, err);
	if (r == 0 && capture->server)
		r = run_learn(run, "server", capture->server, err);
	if (r == 0 && capture->context &&
	    !option_given(&tool->options, "context"))
		r = pso_option_learn(run, "context", capture->context, err);
	return r;
}

int moving_learn(const struct tool *tool, const struct pso_look *look,
		 enum pso_mode mode, const struct pso_moves *moves,
		 struct run *run, struct err *err)
{
	const char *ns = look->capture.namespace;
	struct span id = look->model.cluster_id;
	int r = run_learn(run, "mode", pso_mode_name(mode), err);

	if (r == 0)
		r = run_learnf(run, err, "label", "%s", pso_mode_name(mode));
	if (r == 0)
		r = run_learnf(run, err, "target", "datastore volumes of "
			       "%.*s", SPAN_ARG(id));
	if (r == 0 && tool->store)
		r = run_learn(run, "store", tool->store, err);
	if (r == 0)
		r = pso_options_learn(tool, run, err);
	if (r == 0 && look->live)
		r = learn_cluster(tool, &look->capture, run, err);
	/* where PSO was is not to be found any more when it is gone */
	if (r == 0 && ns && !option_given(&tool->options, "namespace"))
		r = pso_option_learn(run, "namespace", ns, err);
	return r < 0 ? r : pso_moves_learn(moves, run, err);
}

int pso_run_hint(const struct run *run, int r, struct err *err)
{
	return r >= 0 || !run_is_unfinished(run) ? r :
		runs_hint(run, run_fact(run, "target"), err);
}
