#include "tools/pg_stanza.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/procedure.h"

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct pg_stanza *stanza = arg;

	say(stanza->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - stanza->plan.steps + 1, stanza->plan.count, step->says);
}

static int need(const struct run *run, const char *key, const char **ret,
		struct err *err)
{
	*ret = run_fact(run, key);
	return *ret ? 0 : err_corrupt(err, "the journal of run %s has no '%s'",
				      run->id, key);
}

/* As kube_init(), of what was given when the run began. */
static int take_kube(struct pg_stanza *s, struct err *err)
{
	uint64_t timeout;
	int r = run_fact_u64(s->run, "timeout", &timeout, err);

	if (r < 0)
		return r;
	r = need(s->run, "kubectl", &s->kube.kubectl, err);
	s->kube.context = run_fact(s->run, "context");
	s->kube.kubeconfig = run_fact(s->run, "kubeconfig");
	s->kube.timeout_s = (int64_t)(timeout & INT32_MAX);
	s->kube.past_stop = &s->plan.past_stop;
	snprintf(s->kube.request_timeout, sizeof(s->kube.request_timeout),
		 "--request-timeout=%" PRId64 "s", s->kube.timeout_s);
	return r;
}

int pg_stanza_make(const struct tool *tool, struct run *run,
		   struct repo *repo, struct pg_stanza *ret, struct err *err)
{
	uint64_t deadline;
	int r;

	*ret = (struct pg_stanza){ .tool = tool, .run = run, .repo = repo,
				   .info.code = PG_CODE_NONE };
	r = need(run, "namespace", &ret->namespace, err);
	if (r == 0)
		r = need(run, "name", &ret->name, err);
	if (r == 0)
		r = need(run, "leader", &ret->leader, err);
	if (r == 0)
		r = run_fact_u64(run, "deadline", &deadline, err);
	if (r == 0)
		r = take_kube(ret, err);
	if (r < 0)
		return r;
	ret->deadline_s = (int64_t)(deadline & INT32_MAX);
	ret->asking = (struct pg_asking){
		.tool = tool, .kube = &ret->kube,
		.deadline_s = ret->deadline_s,
		.debug = run_fact(run, "debug") != NULL,
	};
	r = pg_stanza_add_steps(ret, err);
	ret->plan.tell = tell_step;
	ret->plan.stop = &stopped;
	return r;
}

void pg_stanza_release(struct pg_stanza *stanza)
{
	plan_release(&stanza->plan);
	pg_info_release(&stanza->info);
	if (stanza->own_repo)
		repo_close(stanza->own_repo);
	stanza->own_repo = NULL;
}

int pg_stanza_open(struct pg_stanza *stanza, struct err *err)
{
	struct tool tool = *stanza->tool;
	int r;

	if (stanza->repo)
		return 0;
	if (!tool.store)
		tool.store = run_fact(stanza->run, "store");
	r = tool_open(&tool, REPO_WRITE, &stanza->own_repo, err);
	if (r >= 0)
		stanza->repo = stanza->own_repo;
	return r < 0 ? r : 0;
}

/* No stanza is taken away.  Where it is there, a rollback is refused (-EALREADY),
 * and what went back when that could not be asked goes on. */
static int look_which_way(struct pg_stanza *stanza, bool back, struct err *err)
{
	struct run *run = stanza->run;
	int r = 0;

	if (!(back || run->back) || run->proved ||
	    run_step_state(run, "create") == STEP_NEW)
		return 0;
	r = pg_stanza_ask(stanza, err);
	if (r < 0 || !pg_stanza_is_there(&stanza->info))
		return r;
	if (!back) {
		say(stanza->tool, "But the stanza of [%s] %s is there: the run "
		    "goes forward.", stanza->namespace, stanza->name);
		return run_set_forward(run, err);
	}
	err_set(err, -EALREADY, "the stanza of [%s] %s is there",
		stanza->namespace, stanza->name);
	return err_hint(err, "'varve resume %s' does what is left: no stanza "
			"is taken away", run->id);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	OWNED_PG_STANZA struct pg_stanza stanza = { .tool = NULL };
	int r = pg_stanza_make(tool, run, NULL, &stanza, err);

	if (r < 0)
		return r;
	if (!accept)
		r = look_which_way(&stanza, back, err);
	if (r == 0 && back)
		r = plan_back(&stanza.plan, run, accept, err);
	else if (r == 0)
		r = plan_go(&stanza.plan, run, err);
	return back && r == -EALREADY ? r : pg_stanza_end(&stanza, r, err);
}

const struct procedure procedure_pg_stanza = { PG_STANZA_KIND, go_on };
