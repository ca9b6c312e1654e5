#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/forget.h"
#include "tools/format.h"
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

static int publish_forgotten(struct repo *repo,
			     const struct snapshot *const *list, size_t count,
			     size_t *ret_done, struct err *err)
{
	struct event *events = calloc(count + 1, sizeof(*events));
	int r;

	if (!events)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		events[i].type = EVENT_FORGET;
		events[i].number = list[i]->record.number;
		memcpy(events[i].snapshot, list[i]->record.id, RECORD_ID);
	}
	r = repo_events(repo, events, count, ret_done, err);
	for (size_t i = 0; i < count; i++)
		event_release(&events[i]);
	free(events);
	return r;
}

int forget_snapshots(struct forgetting *f, const struct snapshot *const *list,
		     size_t count, size_t *ret_done, struct err *err)
{
	uint64_t *more = reallocarray(f->number, f->count + count + 1,
				      sizeof(*more));
	int r = 0;

	*ret_done = 0;
	if (!more)
		return err_nomem(err);
	f->number = more;
	if (f->dry)
		*ret_done = count;
	else
		r = publish_forgotten(f->repo, list, count, ret_done, err);
	for (size_t i = 0; i < *ret_done; i++)
		f->number[f->count++] = list[i]->record.number;
	return r;
}

static int forget_one(struct forgetting *f, const struct snapshot *s,
		      struct err *err)
{
	char label[LABEL_TEXT];
	size_t done;
	int r;

	if (s->pinned) {
		snapshot_label(&s->record, label);
		r = err_set(err, -EPERM, "'%s' is pinned", label);
		err_hint(err, "varve unpin '%s' lets it be forgotten", label);
		return r;
	}
	r = forget_snapshots(f, &s, 1, &done, err);
	if (r >= 0)
		print_fate(f->tool, s, "forget", "");
	return r;
}

static int forget_named(struct forgetting *f, struct err *err)
{
	const struct options *o = &f->tool->options;
	int status = DONE, r;

	for (size_t i = 0; i < o->word_count; i++) {
		CLEANUP(snapshot_release) struct snapshot s = {
			.forgotten = false,
		};

		r = repo_find_named(f->repo, o->words[i], &s, err);
		if (r >= 0)
			r = forget_one(f, &s, err);
		if (r >= 0)
			continue;
		if (o->word_count == 1)
			return r;
		complain(err);
		status = exit_status_of(r);
	}
	return status;
}

static void ruling_release(struct ruling *ruling)
{
	policies_release(&ruling->policies);
}

static int check_use(const struct options *o, bool given, struct err *err)
{
	bool by_policy = option_given(o, "policy");
	int r;

	if (o->word_count && (given || by_policy))
		return err_set(err, -EINVAL, "either SNAPSHOT or rules: '%s'",
			       o->words[0]);
	if (given && by_policy)
		return err_set(err, -EINVAL, "either --policy or --keep-...");
	if (by_policy && (option_given(o, "group-by") ||
			  option_given(o, "tz"))) {
		r = err_set(err, -EINVAL, "--group-by and --tz are part of a "
			    "policy");
		err_hint(err, "'varve policy set SOURCE' takes them");
		return r;
	}
	for (size_t i = 0; !given && i < o->use_count; i++)
		if (!strncmp(o->uses[i].def->name, "keep-", 5))
			return err_set(err, -EINVAL, "these rules keep "
				       "nothing");
	if (!o->word_count && !given && !by_policy) {
		r = err_set(err, -EINVAL, "forget what?");
		err_hint(err, "SNAPSHOT..., --keep-daily N and the like, or "
			 "--policy");
		return r;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void forgetting_release(struct forgetting *f)
{
	free(f->number);
}

/* On a full disk not all could be forgotten: what was makes room. */
static int prune_full(struct forgetting *f, int r, struct err *err)
{
	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	complain(err);
	r = prune_run(f->tool, f->repo, f->number, f->count, err);
	return r < 0 ? r : FAILED;
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(ruling_release) struct ruling ruling = { .given = false };
	CLEANUP(forgetting_release) struct forgetting f = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	int r;

	f.dry = option_given(o, "dry-run");
	ruling.glob = option_value(o, "source");
	r = keep_from_options(o, &ruling.keep, err);
	if (r < 0)
		return r;
	ruling.given = keep_is_any(&ruling.keep);
	r = check_use(o, ruling.given, err);
	if (r >= 0)
		r = prune_check_options(tool, err);
	if (option_given(o, "prune"))
		tool->cache_budget = PRUNE_CACHE;
	if (r >= 0)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	f.repo = repo;
	if (r >= 0 && option_given(o, "policy"))
		r = policies_load(repo, &ruling.policies, err);
	if (r >= 0)
		r = o->word_count ? forget_named(&f, err) :
				    forget_by_rules(&f, &ruling, err);
	if (f.count)
		qsort(f.number, f.count, sizeof(*f.number), ascending);
	if (r == DONE && option_given(o, "prune"))
		return prune_run(tool, repo, f.number, f.count, err);
	return f.left && option_given(o, "prune") ? prune_full(&f, r, err) : r;
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
	  .help = "then give the space back, as 'varve prune' does; with "
		  "--dry-run, say what would come back" },
	PRUNE_OPTIONS,
	{ .name = NULL },
};

const struct command command_forget = {
	.name = "forget",
	.words = "SNAPSHOT...\n--keep-daily N ...\n--policy",
	.about = "stop showing snapshots, by name or by rule",
	.text = "A forgotten snapshot is no longer shown; 'varve undelete' "
		"brings it back as long as its data has not been pruned. By "
		"rule, each source is judged on its own, unless --group-by "
		"says otherwise: a snapshot stays that any rule keeps, and "
		"which ones is told. Pinned ones stay, incomplete ones fill "
		"no place, and the newest complete one always stays.",
	.example = "varve forget home@2021-01-22\n"
		   "varve forget -n --prune --keep-daily 7 --keep-weekly 5\n"
		   "varve forget --keep-within 2d --keep-within-daily 90d",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
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

		r = find_snapshot(repo, o->words[i], OLDER_TOLD, &s, err);
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
