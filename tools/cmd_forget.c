#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/keep.h"
#include "tools/policy.h"
#include "tools/prune.h"
#include "tools/target.h"

static int publish(struct repo *repo, enum event_type type,
		   const struct record *record, struct err *err)
{
	struct event event = { .type = type, .number = record->number };
	int r;

	memcpy(event.snapshot, record->id, RECORD_ID);
	r = repo_event(repo, &event, err);
	event_release(&event);
	return r;
}

static void print_fate(const struct tool *tool, const struct snapshot *s,
		       const char *fate, const char *why)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT], id[SHORT_ID + 1];
	struct json json;

	snapshot_label(&s->record, label);
	snapshot_short_id(&s->record, id);
	if (tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "snapshot", label);
		json_str(&json, "id", id);
		json_str(&json, "fate", fate);
		json_str(&json, "why", why);
		json_close_object(&json);
		json_print(&line);
	} else if (!tool->quiet) {
		printf("%-6s %s (id:%s)%s%s\n", fate, label, id,
		       why[0] ? "  " : "", why);
	}
}

static int forget_one(const struct tool *tool, struct repo *repo,
		      const struct snapshot *s, struct err *err)
{
	char label[LABEL_TEXT];
	int r = 0;

	if (s->pinned) {
		snapshot_label(&s->record, label);
		r = err_set(err, -EPERM, "'%s' is pinned", label);
		err_hint(err, "varve unpin '%s' lets it be forgotten", label);
		return r;
	}
	if (!option_given(&tool->options, "dry-run"))
		r = publish(repo, EVENT_FORGET, &s->record, err);
	if (r >= 0)
		print_fate(tool, s, "forget", "");
	return r;
}

static int forget_named(const struct tool *tool, struct repo *repo,
			struct err *err)
{
	const struct options *o = &tool->options;
	int status = DONE, r;

	for (size_t i = 0; i < o->word_count; i++) {
		CLEANUP(snapshot_release) struct snapshot s = {
			.forgotten = false,
		};

		r = repo_find_snapshot(repo, o->words[i], &s, err);
		if (r >= 0)
			r = forget_one(tool, repo, &s, err);
		if (r >= 0)
			continue;
		if (o->word_count == 1)
			return r;
		complain(err);
		status = exit_status_of(r);
	}
	return status;
}

/* Rows [from, to) are one source's, oldest first. */
static int forget_source(const struct tool *tool, struct repo *repo,
			 const struct snapshots *list, size_t from, size_t to,
			 const struct keep *keep, uint64_t *forgotten,
			 struct err *err)
{
	CLEANUP(free_ptr) struct verdict *verdict =
		calloc(to - from, sizeof(*verdict));
	bool dry = option_given(&tool->options, "dry-run");
	int r;

	if (!verdict)
		return err_nomem(err);
	r = keep_judge(keep, list->row + from, to - from, stamp_now(),
		       verdict, err);
	for (size_t i = from; r >= 0 && i < to; i++) {
		const struct verdict *v = &verdict[i - from];

		if (v->keep) {
			print_fate(tool, &list->row[i], "keep", v->why);
			continue;
		}
		if (!dry)
			r = publish(repo, EVENT_FORGET, &list->row[i].record,
				    err);
		if (r >= 0)
			print_fate(tool, &list->row[i], "forget", "");
		++*forgotten;
	}
	return r;
}

struct ruling {			/* which rules a source falls under */
	const struct tool *tool;
	bool given;		/* from the command line: for all sources */
	struct keep keep;
	struct policies policies;
};

static bool rules_for(const struct ruling *ruling, const char *source,
		      struct keep *ret)
{
	const char *glob = option_value(&ruling->tool->options, "source");

	if (glob && strcmp(glob, source) && fnmatch(glob, source, 0))
		return false;
	if (ruling->given) {
		*ret = ruling->keep;
		return true;
	}
	return policies_find(&ruling->policies, source, ret);
}

static int forget_by_rules(const struct tool *tool, struct repo *repo,
			   const struct ruling *ruling, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	uint64_t forgotten = 0, sources = 0;
	size_t from = 0, to;
	int r;

	r = snapshots_load(repo, NULL, false, &list, err);
	for (; r >= 0 && from < list.count; from = to) {
		const char *source = list.row[from].record.source;
		struct keep keep;

		to = from + 1;
		while (to < list.count &&
		       !strcmp(list.row[to].record.source, source))
			to++;
		if (!rules_for(ruling, source, &keep))
			continue;
		sources++;
		r = forget_source(tool, repo, &list, from, to, &keep,
				  &forgotten, err);
	}
	if (r < 0)
		return r;
	say(tool, "%s of %s %s.", counted(forgotten, "snapshot").s,
	    counted(sources, "source").s,
	    option_given(&tool->options, "dry-run") ? "would be forgotten" :
	    "forgotten");
	if (forgotten && !option_given(&tool->options, "dry-run") &&
	    !option_given(&tool->options, "prune"))
		say(tool, "'varve undelete' brings them back until a prune.");
	return DONE;
}

static void ruling_release(struct ruling *ruling)
{
	policies_release(&ruling->policies);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(ruling_release) struct ruling ruling = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	bool by_policy = option_given(o, "policy");
	int r;

	r = keep_from_options(o, &ruling.keep, err);
	if (r < 0)
		return r;
	ruling.given = keep_is_any(&ruling.keep);
	if (o->word_count && (ruling.given || by_policy))
		return err_set(err, -EINVAL, "either SNAPSHOT or rules: '%s'",
			       o->words[0]);
	if (ruling.given && by_policy)
		return err_set(err, -EINVAL, "either --policy or --keep-...");
	if (!o->word_count && !ruling.given && !by_policy) {
		r = err_set(err, -EINVAL, "forget what?");
		err_hint(err, "SNAPSHOT..., --keep-daily N and the like, or "
			 "--policy");
		return r;
	}
	r = prune_check_options(tool, err);
	if (option_given(o, "prune"))
		tool->cache_budget = PRUNE_CACHE;
	if (r >= 0)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r >= 0 && by_policy)
		r = policies_load(repo, &ruling.policies, err);
	if (r >= 0)
		r = o->word_count ? forget_named(tool, repo, err) :
				    forget_by_rules(tool, repo, &ruling, err);
	/* what a dry run leaves unforgotten cannot be weighed */
	if (r == DONE && option_given(o, "prune") &&
	    !option_given(o, "dry-run"))
		r = prune_run(tool, repo, err);
	return r;
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what would be forgotten" },
	KEEP_OPTIONS,
	{ .name = "policy",
	  .help = "by the rules kept in the store ('varve policy'); sources "
		  "without any keep everything" },
	{ .name = "source", .arg = "GLOB", .type = WORD_SOURCE,
	  .help = "rules apply to these sources only" },
	{ .name = "prune",
	  .help = "then give the space back, as 'varve prune' does" },
	PRUNE_OPTIONS,
	{ .name = NULL },
};

const struct command command_forget = {
	.name = "forget",
	.words = "SNAPSHOT...\n--keep-daily N ...\n--policy",
	.about = "stop showing snapshots, by name or by rule",
	.text = "A forgotten snapshot is no longer shown; 'varve undelete' "
		"brings it back as long as its data has not been pruned. By "
		"rule, each source is judged on its own: a snapshot stays "
		"that any rule keeps. Pinned ones stay, incomplete ones fill "
		"no place, and the newest complete one always stays.",
	.example = "varve forget home@2021-01-22\n"
		   "varve forget -n --keep-daily 7 --keep-weekly 5",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};

/* A forgotten one is not found by the usual way: SOURCE@TIME or id:PREFIX. */
static bool names_row(const char *spec, const struct snapshot *s)
{
	char label[LABEL_TEXT], id[2 * RECORD_ID + 1];

	snapshot_label(&s->record, label);
	hex_write(s->record.id, RECORD_ID, id);
	if (!strncmp(spec, "id:", 3))
		return spec[3] && !strncmp(id, spec + 3, strlen(spec + 3));
	return strchr(spec, '@') && !strncmp(label, spec, strlen(spec));
}

static int find_forgotten(const struct snapshots *list, const char *spec,
			  const struct snapshot **ret, struct err *err)
{
	const struct snapshot *found = NULL;
	int r;

	for (size_t i = 0; i < list->count; i++) {
		if (!list->row[i].forgotten || !names_row(spec, &list->row[i]))
			continue;
		if (found)
			return err_set(err, -EINVAL, "'%s' is the beginning "
				       "of several forgotten snapshots", spec);
		found = &list->row[i];
	}
	if (found) {
		*ret = found;
		return 0;
	}
	r = err_set(err, -ENOENT, "no forgotten snapshot '%s'", spec);
	err_hint(err, "'varve list --all' shows them; name one by SOURCE@TIME "
		 "or id:BEGINNING");
	return r;
}

static int run_undelete(struct tool *tool, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	const struct snapshot *s = NULL;
	int r;

	r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r >= 0)
		r = snapshots_load(repo, NULL, true, &list, err);
	for (size_t i = 0; r >= 0 && i < o->word_count; i++) {
		r = find_forgotten(&list, o->words[i], &s, err);
		if (r >= 0)
			r = publish(repo, EVENT_UNDELETE, &s->record, err);
		if (r >= 0)
			print_fate(tool, s, "back", "");
	}
	return r < 0 ? r : DONE;
}

const struct command command_undelete = {
	.name = "undelete",
	.words = "SNAPSHOT...",
	.about = "bring forgotten snapshots back",
	.text = "Shows a forgotten snapshot again. It is named by SOURCE@TIME "
		"or id:BEGINNING, as 'varve list --all' has them.",
	.example = "varve undelete home@2021-01-22",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run_undelete,
};

static int publish_all(struct tool *tool, enum event_type type,
		       const char *fate, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	int r;

	r = tool_open(tool, REPO_WRITE, &repo, err);
	for (size_t i = 0; r >= 0 && i < o->word_count; i++) {
		CLEANUP(snapshot_release) struct snapshot s = {
			.forgotten = false,
		};

		r = repo_find_snapshot(repo, o->words[i], &s, err);
		if (r >= 0 && s.pinned != (type == EVENT_PIN))
			r = publish(repo, type, &s.record, err);
		if (r >= 0)
			print_fate(tool, &s, fate, "");
	}
	return r < 0 ? r : DONE;
}

static int run_pin(struct tool *tool, struct err *err)
{
	return publish_all(tool, EVENT_PIN, "pin", err);
}

static int run_unpin(struct tool *tool, struct err *err)
{
	return publish_all(tool, EVENT_UNPIN, "unpin", err);
}

const struct command command_pin = {
	.name = "pin",
	.words = "SNAPSHOT...",
	.about = "keep snapshots from being forgotten",
	.text = "A pinned snapshot is forgotten neither by rule nor by name "
		"until it is unpinned.",
	.example = "varve pin cpd30/dv@2021-01-22",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run_pin,
};

const struct command command_unpin = {
	.name = "unpin",
	.words = "SNAPSHOT...",
	.about = "let pinned snapshots be forgotten again",
	.text = "Takes away what 'varve pin' gave.",
	.example = "varve unpin cpd30/dv@2021-01-22",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run_unpin,
};
