#include "tools/pg_stanza.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/runs.h"
#include "tools/target.h"

struct planning {
	struct tool *tool;
	struct kube kube;
	struct kube_origin origin;
	struct pg_asking asking;
	char *namespace, *name, *leader;
	bool by_label;
	struct pg_info info;
	struct buf prefix;	/* of sources */
	int64_t deadline_s;
};

static void planning_release(struct planning *p)
{
	kube_origin_release(&p->origin);
	free(p->namespace);
	free(p->name);
	free(p->leader);
	pg_info_release(&p->info);
	buf_release(&p->prefix);
}

static int take_word(struct planning *p, struct err *err)
{
	const struct options *o = &p->tool->options;
	const char *slash = o->word_count == 2 ? strchr(o->words[1], '/') :
						 NULL;

	if (!slash || slash == o->words[1] || !slash[1] ||
	    strchr(slash + 1, '/'))
		return err_set(err, -EINVAL, "'varve pg stanza' takes one "
			       "cluster, NAMESPACE/NAME");
	p->namespace = strndup(o->words[1], (size_t)(slash - o->words[1]));
	p->name = strdup(slash + 1);
	return p->namespace && p->name ? 0 : err_nomem(err);
}

static int take_times(struct planning *p, struct err *err)
{
	const struct options *o = &p->tool->options;
	const char *deadline = option_value(o, "deadline");
	int64_t timeout_s;
	int r = kube_timeout(o, &timeout_s, err);

	p->deadline_s = PG_STANZA_DEADLINE_S;
	if (r == 0 && deadline)
		r = duration_parse(deadline, &p->deadline_s, err);
	if (r < 0)
		return r;
	if (p->deadline_s < 1 || p->deadline_s > KUBE_TIMEOUT_MAX_S)
		return err_set(err, -EINVAL, "--deadline: from 1 s to %d s",
			       KUBE_TIMEOUT_MAX_S);
	kube_init(&p->kube, o, timeout_s);
	p->asking = (struct pg_asking){
		.tool = p->tool, .kube = &p->kube,
		.deadline_s = p->deadline_s,
		.debug = option_given(o, "debug"),
	};
	return 0;
}

/* 0: something is to be done; 1: nothing. */
static int judge(const struct planning *p, struct err *err)
{
	const struct pg_info *info = &p->info;

	switch (info->outcome) {
	case PG_OKAY:
		say(p->tool, "[%s] %s (%s): the stanza '" PG_STANZA "' is "
		    "there already (%s). Nothing was done.", p->namespace,
		    p->name, p->leader, info->code == PG_CODE_OK ? "ok" :
		    info->status);
		return 1;
	case PG_NO_STANZA:
		return 0;
	case PG_TIMEOUT:
		err_set(err, -ETIMEDOUT, "[%s] %s (%s): its repository does "
			"not answer: %s", p->namespace, p->name, p->leader,
			info->why);
		return err_hint(err, "correct the way from pod to pod "
				"(ServiceEntry) first: stanza-create would "
				"fail the same");
	default:
		if (info->partial)
			return 0;
		return err_set(err, -EIO, "[%s] %s (%s): %s", p->namespace,
			       p->name, p->leader, info->why);
	}
}

static int look(struct planning *p, struct err *err)
{
	int r = kube_find_origin(&p->kube, &p->origin, err);

	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r == 0)
		r = kube_require_target(&p->origin, err);
	if (r == 0)
		r = kube_source_prefix(&p->origin, option_value(&p->tool->options,
							      "source"),
				       &p->prefix, err);
	if (r == 0)
		r = pg_leader_now(&p->asking, p->namespace, p->name,
				  &p->leader, &p->by_label, err);
	if (r < 0)
		return r;
	if (p->by_label)
		note(p->tool, "patronictl could not be asked: the leader is "
		     "the one that the labels tell of");
	r = pg_ask_info(&p->asking, p->namespace, p->leader, &p->info, err);
	return r < 0 ? r : judge(p, err);
}

/* All that the plan is made from. */

static int learn_maybe(struct run *run, const char *key, const char *value,
		       struct err *err)
{
	return value ? run_learn(run, key, value, err) : 0;
}

/* A file's: whole, as a run is gone on with from anywhere. */
static int learn_path(struct run *run, const char *key, const char *path,
		      bool is_file, struct err *err)
{
	CLEANUP(free_ptr) char *whole = path && is_file ?
					realpath(path, NULL) : NULL;

	return learn_maybe(run, key, whole ? whole : path, err);
}

static int learn_kube(const struct planning *p, struct run *run,
		      struct err *err)
{
	int r = learn_path(run, "kubectl", p->kube.kubectl,
			   strchr(p->kube.kubectl, '/') != NULL, err);

	/* also where another becomes the current one */
	if (r == 0)
		r = learn_maybe(run, "context", p->kube.context ?
				p->kube.context : p->origin.context, err);
	if (r == 0)
		r = learn_path(run, "kubeconfig", p->kube.kubeconfig, true,
			       err);
	if (r == 0)
		r = learn_maybe(run, "uid", p->origin.uid, err);
	if (r == 0)
		r = learn_maybe(run, "server", p->origin.server, err);
	if (r == 0)
		r = run_learnf(run, err, "timeout", "%" PRId64,
			       p->kube.timeout_s);
	return r;
}

static int learn_facts(const struct planning *p, const struct repo *repo,
		       struct run *run, struct err *err)
{
	const char *prefix = (const char *)p->prefix.data;
	int r = run_learn(run, "kind", PG_STANZA_KIND, err);

	if (r == 0)
		r = run_learn(run, "store", repo_path(repo), err);
	if (r == 0)
		r = run_learn(run, "label", "stanza '" PG_STANZA "'", err);
	if (r == 0)
		r = run_learnf(run, err, "target", "%s/%s of %s", p->namespace,
			       p->name, prefix);
	if (r == 0)
		r = run_learn(run, "namespace", p->namespace, err);
	if (r == 0)
		r = run_learn(run, "name", p->name, err);
	if (r == 0)
		r = run_learn(run, "leader", p->leader, err);
	if (r == 0)
		r = run_learn(run, "before", pg_outcome_name(p->info.outcome),
			      err);
	if (r == 0)
		r = run_learnf(run, err, "dump-source", "%s/%s/%s", prefix,
			       p->namespace, p->name);
	if (r == 0)
		r = run_learnf(run, err, "report-source",
			       "%s/" PG_STANZA_SOURCE "/%s/%s", prefix,
			       p->namespace, p->name);
	if (r == 0)
		r = run_learnf(run, err, "deadline", "%" PRId64,
			       p->deadline_s);
	if (r == 0 && p->asking.debug)
		r = run_learn(run, "debug", "1", err);
	return r < 0 ? r : learn_kube(p, run, err);
}

/* The dumps that the store has under this name must be of this cluster. */
static int check_former(const struct planning *p, struct repo *repo,
			const struct run *run, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .count = 0 };
	int r = snapshots_load(repo, run_fact(run, "dump-source"), false,
			       &list, err);

	if (r < 0 || list.count == 0)
		return r;
	return kube_check_record(p->tool, &list.row[list.count - 1].record,
				 &p->origin, err);
}

static void show(const struct planning *p, const struct pg_stanza *stanza)
{
	if (!p->tool->json)
		printf("[%s] %s (leader %s), as %s\n", p->namespace, p->name,
		       p->leader, (const char *)p->prefix.data);
	kube_print_target(&p->origin, p->tool->json);
	plan_show(&stanza->plan, p->tool->json);
	fflush(stdout);
}

static int agree(const struct planning *p, const struct pg_stanza *stanza,
		 struct err *err)
{
	const struct options *o = &p->tool->options;
	OWNED_BUF struct buf question = BUF_INIT;

	if (option_given(o, "yes"))
		return true;
	show(p, stanza);
	buf_printf(&question, "create the stanza of %s/%s?", p->namespace,
		   p->name);
	if (!buf_str(&question))
		return err_nomem(err);
	return confirm(false, (char *)question.data, err);
}

static int go(const struct planning *p, struct repo *repo, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_PG_STANZA struct pg_stanza stanza = { .tool = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	int r = run_new(NULL, &run, err);

	if (r == 0)
		r = learn_facts(p, repo, &run, err);
	if (r == 0)
		r = check_former(p, repo, &run, err);
	if (r == 0)
		r = pg_stanza_make(p->tool, &run, repo, &stanza, err);
	if (r < 0)
		return r;
	if (option_given(&p->tool->options, "dry-run")) {
		show(p, &stanza);
		return DONE;
	}
	r = agree(p, &stanza, err);
	if (r == 0)
		say(p->tool, "Nothing was done.");
	if (r <= 0)
		return r < 0 ? r : FAILED;
	r = runs_open(p->tool, repo, true, &dir, err);
	run.dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, run_fact(&run, "target"), err);
	if (r == 0)
		r = run_start(&run, err);
	if (r < 0)
		return r;
	kube_say_target(p->tool, &p->origin);
	say(p->tool, "Run %s.", run.id);
	return pg_stanza_end(&stanza, plan_go(&stanza.plan, &run, err), err);
}

int pg_stanza(struct tool *tool, struct err *err)
{
	CLEANUP(planning_release) struct planning p = {
		.tool = tool, .info.code = PG_CODE_NONE,
	};
	OWNED_REPO struct repo *repo = NULL;
	int r = take_word(&p, err);

	if (r == 0)
		r = take_times(&p, err);
	if (r == 0)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r < 0)
		return r;
	catch_stop();
	r = look(&p, err);
	if (r != 0)
		return r < 0 ? r : DONE;
	return go(&p, repo, err);
}
