#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/repo/remember.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/policy.h"
#include "tools/runs.h"
#include "tools/target.h"

struct health {			/* of one source */
	const char *source;
	const struct snapshot *good;	/* newest good one, or NULL */
	const struct snapshot *bad;	/* first with a flaw behind it */
	const struct snapshot *empty;	/* first behind it without a file */
	const struct snapshot *future;	/* newest, dated in the future, or NULL */
	uint64_t snapshots, damaged;
	int64_t age;		/* of good, in seconds */
	int64_t max_age;	/* 0: any is young enough */
	bool late;
};

struct statuses {
	const struct tool *tool;
	struct table *table;
	struct stamp now;
	int64_t max_age;	/* of the option; 0: by the policies */
	struct policies policies;
	const char *glob;	/* only these sources; NULL: all */
	char host[128];
	uint64_t late, none, empty, damaged;	/* sources of which this is so */
	struct store_damage store;
	struct runs_left runs;	/* that nobody goes on with now */
};

static void look_at(const struct statuses *st, struct health *h,
		    const struct snapshot *s)
{
	h->snapshots++;
	if (stamp_cmp(s->record.time, st->now) > 0)
		h->future = s;
	h->damaged += s->damage != NULL;
	if (snapshot_is_good_after(s, h->good ? &h->good->record : NULL)) {
		h->good = s;
		h->bad = h->empty = NULL;
	} else if (snapshot_is_good(s)) {
		if (!h->empty)
			h->empty = s;
	} else if (!h->bad && snapshot_flaw(s, NULL)) {
		h->bad = s;
	}
}

static void judge(const struct statuses *st, struct health *h)
{
	if (h->good)
		h->age = st->now.s - h->good->record.time.s;
	h->max_age = st->max_age ? st->max_age :
		     policies_max_age(&st->policies, h->source);
	h->late = h->good && h->max_age && h->age > h->max_age;
}

static void count(struct statuses *st, const struct health *h)
{
	st->late += h->late;
	st->none += !h->good;
	st->empty += h->empty != NULL;
	st->damaged += h->damaged > 0;
}

static void print_json(const struct health *h)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "source", span_str(h->source));
	json_u64(&json, "snapshots", h->snapshots);
	if (h->good) {
		json_str(&json, "last_good", h->good->record.name);
		json_i64(&json, "age_seconds", h->age);
	} else {
		json_null(&json, "last_good");
	}
	if (h->max_age)
		json_i64(&json, "max_age_seconds", h->max_age);
	json_bool(&json, "late", h->late || !h->good);
	json_u64(&json, "damaged", h->damaged);
	if (h->future)
		json_str(&json, "dated_in_the_future", h->future->record.name);
	if (h->empty)
		json_str(&json, "empty_since", h->empty->record.name);
	if (h->bad) {
		json_str(&json, "bad_since", h->bad->record.name);
		json_str(&json, "bad_why", snapshot_flaw(h->bad, NULL));
	}
	json_close_object(&json);
	json_print(&line);
}

static void put_row(const struct statuses *st, const struct health *h)
{
	const char *what = "";
	char age[SIZE_TEXT];

	if (h->bad)
		snapshot_flaw(h->bad, &what);
	table_cell(st->table, h->source);
	table_cell(st->table, h->good ? h->good->record.name : "none");
	age_text(h->age, age);
	table_cell(st->table, h->good ? age : "-");
	table_cellf(st->table, "%" PRIu64, h->snapshots);
	table_cellf(st->table, "%s%s%s%s%s%s%s%s%s%s",
		    !h->good ? "NO GOOD BACKUP" :
		    h->late ? "LATE" : h->empty ? "EMPTY" : "ok",
		    !h->empty ? "" : h->late ? ", empty since " : " since ",
		    h->empty ? h->empty->record.name : "",
		    h->damaged && !(h->bad && h->bad->damage) ? ", damage" :
		    "",
		    h->bad ? ", " : "", what, h->bad ? " since " : "",
		    h->bad ? h->bad->record.name : "",
		    h->future ? ", dated in the future: " : "",
		    h->future ? h->future->record.name : "");
}

/* Sentences that say all there is to know in a mail from cron. */
static void print_problem(const struct statuses *st, const struct health *h)
{
	char age[SIZE_TEXT], most[SIZE_TEXT];
	const char *what = NULL, *why = NULL;

	if (h->bad)
		why = snapshot_flaw(h->bad, &what);
	age_text(h->age, age);
	age_text(h->max_age, most);
	if (!h->good)
		printf("Host '%s', store '%s': source '%s' has no good "
		       "backup%s%s%s.\n", st->host, st->tool->store,
		       h->source, h->bad ? " (" : "",
		       !h->bad ? "" : h->bad->record.incomplete ? why : what,
		       h->bad ? ")" : "");
	else if (h->late)
		printf("Host '%s', store '%s': the last good backup of "
		       "source '%s' is %s, %s old (at most %s is "
		       "allowed).\n", st->host, st->tool->store, h->source,
		       h->good->record.name, age, most);
	if (h->good && h->bad)
		printf("Host '%s', store '%s': backups of source '%s' are "
		       "incomplete, damaged or flawed since %s: %s.\n",
		       st->host, st->tool->store, h->source,
		       h->bad->record.name, why);
	if (h->empty)
		printf("Host '%s', store '%s': backups of source '%s' hold no "
		       "file since %s, and %s before it held %s.\n", st->host,
		       st->tool->store, h->source, h->empty->record.name,
		       h->good->record.name, counted_held(&h->good->record).s);
	if (h->future)
		printf("Host '%s', store '%s': the newest snapshot of source "
		       "'%s' is dated in the future, %s: it is no good backup "
		       "before that time.\n", st->host, st->tool->store,
		       h->source, h->future->record.name);
	if (h->damaged)
		printf("Host '%s', store '%s': %s of source '%s' %s damaged "
		       "('varve check').\n", st->host, st->tool->store,
		       counted(h->damaged, "snapshot").s, h->source,
		       h->damaged == 1 ? "is" : "are");
}

static void each_source(struct statuses *st, const struct snapshots *list,
		       bool problems)
{
	size_t i = 0;

	while (i < list->count) {
		struct health h = { .source = list->row[i].record.source };

		for (; i < list->count &&
		       !strcmp(list->row[i].record.source, h.source); i++)
			look_at(st, &h, &list->row[i]);
		judge(st, &h);
		if (problems) {
			print_problem(st, &h);
			continue;
		}
		count(st, &h);
		if (st->tool->json)
			print_json(&h);
		else
			put_row(st, &h);
	}
}

static void tell_missing(const struct statuses *st, const char *glob)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (!st->tool->json) {
		printf("Host '%s', store '%s': source '%s' has a policy and "
		       "no backup at all.\n", st->host, st->tool->store, glob);
		return;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "source", span_str(glob));
	json_u64(&json, "snapshots", 0);
	json_null(&json, "last_good");
	json_bool(&json, "late", true);
	json_u64(&json, "damaged", 0);
	json_close_object(&json);
	json_print(&line);
}

static void each_missing(struct statuses *st, const struct snapshots *list)
{
	for (size_t i = 0; i < st->policies.count; i++) {
		const struct policy *policy = &st->policies.row[i];

		if (!policy_is_idle(policy, list) ||
		    (st->glob && fnmatch(st->glob, policy->glob, 0)))
			continue;
		st->none++;
		tell_missing(st, policy->glob);
	}
}

/* What belongs to no snapshot, which no source's line tells of. */
static bool tell_store(const struct statuses *st)
{
	const struct store_damage *damage = &st->store;
	OWNED_BUF struct buf line = BUF_INIT;
	char when[STAMP_TEXT];
	struct json json;

	if (damage->packs + damage->errors == 0)
		return false;
	stamp_iso((struct stamp){ damage->checked.s, 0 }, when);
	if (st->tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_name(&json, "store", span_str(st->tool->store));
		json_u64(&json, "damaged_packs", damage->packs);
		json_stamp(&json, "last_check", damage->checked);
		json_u64(&json, "last_check_errors", damage->errors);
		json_close_object(&json);
		json_print(&line);
	} else if (damage->errors > 0) {
		printf("Host '%s', store '%s': the last check, of %s, found "
		       "damage ('varve check' names it, 'varve repair -n' "
		       "what can be done).\n", st->host, st->tool->store,
		       when);
	} else {
		printf("Host '%s', store '%s': %s %s known to be damaged "
		       "('varve check' looks whether that is still so).\n",
		       st->host, st->tool->store,
		       counted(damage->packs, "pack").s,
		       damage->packs == 1 ? "is" : "are");
	}
	return true;
}

/* What a push stopped may stand still until it is ended. */
static void tell_runs(const struct statuses *st)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (!st->runs.count)
		return;
	if (!st->tool->json) {
		printf("Host '%s', store '%s': %s not come to %s end: run %s "
		       "('varve runs' tells of %s).\n", st->host,
		       st->tool->store, st->runs.count == 1 ? "a run has" :
		       "runs have", st->runs.count == 1 ? "its" : "their",
		       st->runs.first, st->runs.count == 1 ? "it" : "them");
		return;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "store", span_str(st->tool->store));
	json_u64(&json, "unfinished_runs", st->runs.count);
	json_str(&json, "unfinished_run", st->runs.first);
	json_close_object(&json);
	json_print(&line);
}

static int no_source(const struct statuses *st, const char *glob,
		     struct err *err)
{
	int r;

	if (glob)
		r = err_set(err, -ENOENT, "host '%s', store '%s': no backup "
			    "of any source '%s'", st->host, st->tool->store,
			    glob);
	else
		r = err_set(err, -ENOENT, "host '%s', store '%s': no backup "
			    "at all", st->host, st->tool->store);
	err_hint(err, "varve add takes one");
	return r;
}

static int show(struct statuses *st, const struct snapshots *list,
		struct err *err)
{
	static const char *const heads[] = {
		"<SOURCE", "<LAST GOOD", ">AGE", ">SNAPSHOTS", "<STATE",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 5);
	bool is_damaged;

	if (!table)
		return err_nomem(err);
	st->table = table;
	each_source(st, list, false);
	if (!st->tool->json) {
		if (!st->tool->quiet && list->count)
			table_print(table);
		each_source(st, list, true);
	}
	each_missing(st, list);
	is_damaged = tell_store(st) || st->damaged;
	tell_runs(st);
	if (list->count == 0 && st->none == 0)
		return no_source(st, st->glob, err);
	if (is_damaged)
		return DAMAGED;
	return st->late || st->none || st->empty || st->runs.count ? FAILED :
	       DONE;
}

static void statuses_release(struct statuses *st)
{
	policies_release(&st->policies);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(statuses_release) struct statuses st = {
		.tool = tool, .now = stamp_now(),
		.glob = option_value(&tool->options, "source"),
	};
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	const char *age = option_value(&tool->options, "max-age");
	int r = 0;

	if (gethostname(st.host, sizeof(st.host) - 1) < 0)
		strcpy(st.host, "?");
	if (age)
		r = duration_parse(age, &st.max_age, err);
	if (r < 0)
		return err_wrap(err, "--max-age");
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = policies_load(repo, &st.policies, err);
	if (r >= 0)
		r = store_damage_load(repo, &st.store, err);
	if (r >= 0)
		r = snapshots_load(repo, st.glob, false, &list, err);
	if (r >= 0 && !st.glob)
		r = runs_find_left(tool, false, &st.runs, err);
	return r < 0 ? r : show(&st, &list, err);
}

static const struct option_def options[] = {
	{ .name = "max-age", .arg = "AGE",
	  .help = "a source whose last good backup is older has failed, as "
		  "26h or 7d (default: what its policy says)" },
	{ .name = "source", .arg = "GLOB", .type = WORD_SOURCE,
	  .help = "only these sources; that there are none has failed too" },
	{ .name = NULL },
};

const struct command command_status = {
	.name = "status",
	.words = "",
	.about = "per source: the last good backup, its age, damage",
	.text = "Shows for each source its newest complete backup and how "
		"old it is, and a sentence for each that is late, damaged, "
		"without any or of late without a file, also where there is "
		"but a policy for it; one where a check found damage that is "
		"no snapshot's; and one where a push or another procedure was "
		"interrupted. With --quiet there are only the sentences. Exit "
		"status 4 where anything is damaged, else 1 where there is a "
		"sentence, so cron mails only then.",
	.example = "varve status --quiet --max-age 26h",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
};
