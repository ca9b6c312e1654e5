#include "tools/pg_stanza.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/pg_add.h"
#include "tools/target.h"

#define TRIES 2		/* of stanza-create, where the connection is lost */

/* leader */

/* The run is of one cluster, whatever kubectl is configured for now. */
static int is_its_cluster(struct pg_stanza *s, struct err *err)
{
	CLEANUP(kube_origin_release) struct kube_origin now = { .uid = NULL };
	const char *uid = run_fact(s->run, "uid");
	int r = uid && !s->its_cluster ? kube_find_origin(&s->kube, &now, err) :
					 0;

	if (r < 0 || !uid || s->its_cluster)
		return r;
	s->its_cluster = now.uid && !strcmp(now.uid, uid);
	if (s->its_cluster)
		return 0;
	err_set(err, -EXDEV, "run %s is of the cluster %s, and kubectl asks "
		"%s", s->run->id, uid, now.uid ? now.uid : "one that does not "
		"say which it is");
	return err_hint(err, "configure kubectl for that cluster, then again");
}

static int ask_leader(struct pg_stanza *s, char **ret, struct err *err)
{
	bool by_label;
	int r = is_its_cluster(s, err);

	return r < 0 ? r : pg_leader_now(&s->asking, s->namespace, s->name,
					 ret, &by_label, err);
}

static int is_still_leader(struct pg_stanza *s, struct err *err)
{
	CLEANUP(free_ptr) char *leader = NULL;
	int r = ask_leader(s, &leader, err);

	if (r < 0 || !strcmp(leader, s->leader))
		return r;
	err_set(err, -EUCLEAN, "the leader of [%s] %s was %s, and is %s now",
		s->namespace, s->name, s->leader, leader);
	return err_hint(err, "run it again: it goes by the leader there is "
			"then");
}

static int look_for_leader(void *arg, struct err *err)
{
	return is_still_leader(arg, err);
}

/* dump */

/* The run's own, complete and whole; 0: there is none. */
static int find_dump(struct pg_stanza *s, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .count = 0 };
	char hex[2 * RECORD_ID + 1], label[LABEL_TEXT];
	int r = pg_stanza_open(s, err);

	if (r == 0)
		r = repo_refresh(s->repo, NULL, err);
	if (r == 0)
		r = snapshots_load(s->repo, run_fact(s->run, "dump-source"),
				   false, &list, err);
	for (size_t i = list.count; r == 0 && i-- > 0;) {
		const struct snapshot *row = &list.row[i];
		const char *run = record_tag(&row->record, "run");

		if (!run || strcmp(run, s->run->id) != 0 ||
		    strcmp(row->record.kind, "pgdump") != 0 ||
		    row->record.incomplete || row->damage)
			continue;
		hex_write(row->record.id, RECORD_ID, hex);
		snapshot_label(&row->record, label);
		r = run_learn(s->run, "dump", hex, err);
		if (r == 0)
			r = run_learn(s->run, "dump-label", label, err);
		return r < 0 ? r : 1;
	}
	return r;
}

static int dump(void *arg, struct err *err)
{
	struct pg_stanza *s = arg;
	OWNED_BUF struct buf tag = BUF_INIT;
	const char *tags[3] = { NULL, "before=stanza-create", NULL };
	struct pg_pod_dump dumping = {
		.kube = &s->kube, .uid = run_fact(s->run, "uid"),
		.namespace = s->namespace, .pod = s->leader,
		.source = run_fact(s->run, "dump-source"), .tags = tags,
	};
	struct tool tool = *s->tool;
	int status, r = find_dump(s, err);

	/* it was there before the kill */
	if (r != 0)
		return r < 0 ? r : 0;
	buf_printf(&tag, "run=%s", s->run->id);
	tags[0] = buf_str(&tag);
	if (!tags[0])
		return err_nomem(err);
	if (!tool.store)
		tool.store = run_fact(s->run, "store");
	tool.quiet |= tool.json;
	tool.json = false;
	status = pg_dump_pod(&tool, &dumping, err);
	if (status < 0)
		return status;
	r = status == DONE ? find_dump(s, err) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	err_set(err, -EIO, "the dump of [%s] %s is not whole (status %d)",
		s->namespace, s->name, status);
	return err_hint(err, "the stanza was not touched; what failed stands "
			"above");
}

static int is_dumped(void *arg, struct err *err)
{
	struct pg_stanza *s = arg;
	int r = find_dump(s, err);

	if (r != 0)
		return r < 0 ? r : 0;
	return err_set(err, -ENOENT, "the dump of run %s is not in the store "
		       "any more, or is damaged", s->run->id);
}

/* create, check */

/* What it printed, as far as a line of the journal holds it: its end. */
static int learn_said(struct pg_stanza *s, const char *key,
		      const struct child_end *end, struct err *err)
{
	OWNED_BUF struct buf said = BUF_INIT;
	size_t from;

	buf_append(&said, end->out.data, end->out.len);
	buf_append(&said, end->said.data, end->said.len);
	for (size_t i = 0; i < said.len; i++)
		if (said.data[i] == '\0')
			said.data[i] = '?';
	from = said.len > PG_SAID_MAX ? said.len - PG_SAID_MAX : 0;
	if (!buf_str(&said))
		return err_nomem(err);
	return run_learn(s->run, key, (char *)said.data + from, err);
}

static int learn_end(struct pg_stanza *s, const char *what,
		     const struct child_end *end, struct err *err)
{
	char key[64], when[STAMP_TEXT];
	int r;

	stamp_iso((struct stamp){ stamp_now().s, 0 }, when);
	snprintf(key, sizeof(key), "%s-said", what);
	r = learn_said(s, key, end, err);
	snprintf(key, sizeof(key), "%s-at", what);
	if (r == 0)
		r = run_learn(s->run, key, when, err);
	snprintf(key, sizeof(key), "%s-status", what);
	return r < 0 ? r : run_learnf(s->run, err, key, "%d", end->status);
}

/* 0 only where it ended with 0. */
static int judge(const char *what, const struct child_end *end,
		 struct err *err)
{
	CLEANUP(free_ptr) char *words = pg_exit_words(end);
	const char *name = pg_exit_name(end->status);
	const char *hint = pg_exit_hint(end->status);

	if (end->status == 0)
		return 0;
	err_set(err, -EIO, "pgbackrest %s ended with status %d%s%s%s: %s",
		what, end->status, name ? " (" : "", name ? name : "",
		name ? ")" : "", words ? words : "");
	return hint ? err_hint(err, "%s", hint) : -EIO;
}

/* Begun already, it is done again, which is the same, by who leads now. */
static int take_leader(struct pg_stanza *s, struct err *err)
{
	CLEANUP(free_ptr) char *leader = NULL;
	int r = ask_leader(s, &leader, err);

	if (r == 0 && strcmp(leader, s->leader) != 0)
		r = run_learn(s->run, "leader", leader, err);
	s->leader = run_fact(s->run, "leader");
	return r;
}

static int ready_to_create(void *arg, struct err *err)
{
	struct pg_stanza *s = arg;
	int r = is_dumped(s, err);

	if (r < 0)
		return r;
	return run_step_state(s->run, "create") == STEP_NEW ?
		is_still_leader(s, err) : take_leader(s, err);
}

bool pg_stanza_is_there(const struct pg_info *info)
{
	return info->outcome == PG_OKAY;
}

int pg_stanza_ask(struct pg_stanza *s, struct err *err)
{
	int r = is_its_cluster(s, err);

	pg_info_release(&s->info);
	return r < 0 ? r : pg_ask_info(&s->asking, s->namespace, s->leader, &s->info,
				       err);
}

/* How it ended is not known.  What was asked for may be done all the same, also
 * where it was stopped; that it is of this database is shown by check. */
static int lost(struct pg_stanza *s, const struct err *why, struct err *err)
{
	bool past_stop = s->plan.past_stop;
	int r;

	s->plan.past_stop = true;
	r = pg_stanza_ask(s, err);
	s->plan.past_stop = past_stop;
	if (r == 0 && pg_stanza_is_there(&s->info))
		return run_learnf(s->run, err, "create-said", "(what it "
				  "printed was lost: %s)\n", why->text);
	if (err)
		*err = *why;
	return why->code;
}

static int create(void *arg, struct err *err)
{
	static const char *const argv[] = {
		"pgbackrest", "stanza-create", "--stanza=" PG_STANZA,
		"--log-level-console=info", NULL,
	};
	struct pg_stanza *s = arg;
	struct err why = ERR_INIT;
	int r = -EREMOTEIO;

	/* done twice it says that the stanza is there, and valid */
	for (int i = 0; i < TRIES && r == -EREMOTEIO; i++) {
		OWNED_CHILD struct child_end end = { .status = 0 };

		r = pg_exec(&s->asking, s->namespace, s->leader, argv,
			    s->deadline_s, &end, &why);
		if (r < 0)
			continue;
		r = learn_end(s, "create", &end, err);
		return r < 0 ? r : judge("stanza-create", &end, err);
	}
	if (r == -ETIMEDOUT)
		err_set(&why, r, "stanza-create did not end within %" PRId64
			" s", s->deadline_s);
	return lost(s, &why, err);
}

/* "The status might be reported as error": without a backup it is. */
static int confirm_created(void *arg, struct err *err)
{
	struct pg_stanza *s = arg;
	int r = pg_stanza_ask(s, err);

	if (r < 0 || pg_stanza_is_there(&s->info))
		return r;
	return err_set(err, -EIO, "stanza-create ended well, and then "
		       "pgbackrest info says: %s%s%s",
		       pg_outcome_name(s->info.outcome),
		       s->info.why ? ": " : "",
		       s->info.why ? s->info.why : "");
}

static int check_wal(void *arg, struct err *err)
{
	static const char *const argv[] = {
		"pgbackrest", "check", "--stanza=" PG_STANZA,
		"--log-level-console=info", NULL,
	};
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct pg_stanza *s = arg;
	int r = pg_exec(&s->asking, s->namespace, s->leader, argv,
			s->deadline_s, &end, err);

	if (r == 0)
		r = learn_end(s, "check", &end, err);
	if (r == 0)
		r = judge("check", &end, err);
	/* what it archived is seen there */
	return r < 0 ? r : pg_stanza_ask(s, err);
}

static int keep(void *arg, struct err *err)
{
	return pg_stanza_keep(arg, err);
}

/* The proof. */

int pg_stanza_prove(void *arg, enum run_tree tree, struct err *err)
{
	struct pg_stanza *s = arg;
	const char *before = run_fact(s->run, "before");
	int r;

	if (tree == TREE_WHOLLY_NEW)
		return pg_stanza_is_there(&s->info) ? 0 :
			confirm_created(s, err);
	if (run_step_state(s->run, "create") == STEP_NEW)
		return 0;
	r = pg_stanza_ask(s, err);
	if (r < 0)
		return r;
	if (before && !strcmp(before, pg_outcome_name(s->info.outcome)))
		return 0;
	if (pg_stanza_is_there(&s->info))
		return err_set(err, -EUCLEAN, "the stanza of [%s] %s is there",
			       s->namespace, s->name);
	err_set(err, -EUCLEAN, "before, pgbackrest info said of [%s] %s: %s; "
		"and now: %s%s%s", s->namespace, s->name, before,
		pg_outcome_name(s->info.outcome), s->info.why ? ": " : "",
		s->info.why ? s->info.why : "");
	return err_hint(err, "look at it; 'varve rollback --accept %s' ends "
			"the run, and 'varve pg stanza %s/%s' may be run again",
			s->run->id, s->namespace, s->name);
}

/* The plan. */

static int add(struct plan_step *step, plan_step_fn *ready, plan_step_fn *act,
	       plan_step_fn *check, unsigned flags)
{
	if (!step)
		return -ENOMEM;
	step->ready = ready;
	step->act = act;
	step->check = check;
	step->flags = flags;
	return 0;
}

int pg_stanza_add_steps(struct pg_stanza *s, struct err *err)
{
	struct plan *plan = &s->plan;
	const char *source = run_fact(s->run, "dump-source");
	const char *report = run_fact(s->run, "report-source");
	int r;

	if (!source || !report)
		return err_corrupt(err, "the journal of run %s has no names "
				   "for what it keeps", s->run->id);
	r = add(plan_add(plan, "leader", "look that %s is the leader",
			 s->leader), NULL, look_for_leader, NULL, 0);
	if (r == 0)
		r = add(plan_add(plan, "dump", "dump all databases there "
				 "(pg_dumpall --no-role-passwords), into "
				 "the store as %s", source), NULL, dump,
			is_dumped, 0);
	if (r == 0)
		r = add(plan_add(plan, "create", "create the stanza there: "
				 "pgbackrest stanza-create --stanza="
				 PG_STANZA), ready_to_create, create,
			confirm_created, 0);
	if (r == 0)
		r = add(plan_add(plan, "check", "show that WAL is archived: "
				 "pgbackrest check --stanza=" PG_STANZA),
			NULL, check_wal, NULL, PLAN_END | PLAN_SPARE);
	if (r == 0)
		r = add(plan_add(plan, "keep", "keep log and status in the "
				 "store as %s", report), NULL, keep, NULL,
			PLAN_END);
	plan->prove = pg_stanza_prove;
	plan->arg = s;
	return r < 0 ? err_nomem(err) : 0;
}
