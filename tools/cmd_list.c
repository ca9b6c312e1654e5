#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

#define NOTES_STEP 65536
#define WHY_SHOWN  100		/* bytes of why one is incomplete, in the table */

static int print_notes(struct repo *repo, const struct tool *tool,
		       const char *spec, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot s = { .forgotten = false };
	struct getter getter = { .repo = repo };
	struct content content;
	uint64_t size = 0, at = 0;
	size_t got = 0;
	uint8_t bytes[NOTES_STEP];
	int r;

	r = find_snapshot(repo, spec, OLDER_TOLD, &s, err);
	if (r < 0)
		return r;
	if (s.record.incomplete)
		say(tool, "Incomplete: %s.", s.record.incomplete);
	if (s.damage)
		say(tool, "Damaged: %s.", s.damage);
	if (record_tag(&s.record, TAG_FLAWED))
		say(tool, "Flawed: %s.", record_tag(&s.record, TAG_FLAWED));
	if (id_is_none(&s.record.notes)) {
		say(tool, "There were no warnings.");
		return DONE;
	}
	r = content_load(&getter, &s.record.notes, &content, &size, err);
	for (; r >= 0 && at < size; at += got) {
		r = content_read_into(&getter, &content, size, at, bytes,
				      sizeof(bytes), &got, err);
		if (r < 0 || got == 0)
			break;
		/* Lines end in '\n'; the rest must not drive a terminal. */
		for (size_t i = 0, n; i < got; i += n) {
			const uint8_t *nl = memchr(bytes + i, '\n', got - i);

			n = nl ? (size_t)(nl - bytes) - i : got - i;
			name_print(stdout, span_of(bytes + i, n));
			if (nl) {
				fputc('\n', stdout);
				n++;
			}
		}
	}
	return r < 0 ? err_wrap(err, "cannot read the notes of '%s'", spec) :
		       DONE;
}

static bool is_wanted(const struct tool *tool, const struct snapshot *s)
{
	const struct options *o = &tool->options;
	const char *tag;

	for (size_t n = 0; (tag = option_nth(o, "tag", n)); n++) {
		const char *equals = strchr(tag, '=');
		CLEANUP(free_ptr) char *key = equals ?
			strndup(tag, (size_t)(equals - tag)) : strdup(tag);
		const char *value = key ? record_tag(&s->record, key) : NULL;

		if (!value || (equals && strcmp(value, equals + 1)))
			return false;
	}
	for (size_t i = 0; i < o->word_count; i++)
		if (source_fits(o->words[i], s->record.source))
			return true;
	return o->word_count == 0;
}

/* "rocksdb:1500": which of its kind it is. */
static void put_kind(struct table *table, const struct record *r)
{
	const char *number = record_attr(r, "checkpoint");

	if (number)
		table_cellf(table, "%s:%s", r->kind, number);
	else
		table_cell(table, r->kind);
}

static void put_state(struct table *table, const struct snapshot *s)
{
	const char *why = s->record.incomplete;
	char state[64];

	if (!why)
		why = record_tag(&s->record, TAG_FLAWED);
	snapshot_state(s, state);
	if (!why)
		table_cell(table, state);
	else
		table_cellf(table, "%s: %.*s%s", state, WHY_SHOWN, why,
			    strlen(why) > WHY_SHOWN ? "..." : "");
}

static void put_row(struct table *table, const struct snapshot *s)
{
	const struct record *r = &s->record;
	char id[SHORT_ID + 1], text[SIZE_TEXT];

	snapshot_short_id(r, id);
	table_cell(table, id);
	table_cell(table, r->source);
	table_cell(table, r->name);
	put_kind(table, r);
	table_cellf(table, "%" PRIu64, r->files);
	size_text(r->bytes, text);
	table_cell(table, text);
	size_text(r->new_bytes, text);
	table_cell(table, text);
	put_state(table, s);
}

static void print_one(const struct tool *tool, struct table *table,
		      const struct snapshot *s)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_snapshot(&json, s);
		json_close_object(&json);
		json_print(&line);
	} else if (option_given(&tool->options, "names")) {
		printf("%s@%s\n", s->record.source, s->record.name);
	} else {
		put_row(table, s);
	}
}

static int run(struct tool *tool, struct err *err)
{
	static const char *const heads[] = {
		"<ID", "<SOURCE", "<TIME", "<KIND", ">FILES", ">SIZE",
		">NEW", "<STATE",
	};
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TABLE struct table *table = table_new(stdout, heads, 8);
	const struct options *o = &tool->options;
	size_t shown = 0;
	int r;

	if (!table)
		return err_nomem(err);
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r < 0)
		return r;
	if (option_given(o, "notes"))
		return print_notes(repo, tool, option_value(o, "notes"), err);
	r = snapshots_load(repo, NULL, option_given(o, "all"), &list, err);
	for (size_t i = 0; r >= 0 && i < list.count; i++) {
		if (!is_wanted(tool, &list.row[i]))
			continue;
		print_one(tool, table, &list.row[i]);
		shown++;
	}
	if (r < 0)
		return r;
	if (shown == 0 && o->word_count) {
		r = err_set(err, -ENOENT, "no snapshot of '%s' in '%s'",
			    o->words[0], tool->store);
		repo_hint_below(repo, o->words[0], err);
		return r;
	}
	if (shown == 0)
		say(tool, "No snapshots in '%s'.", tool->store);
	else if (!tool->json && !option_given(o, "names"))
		table_print(table);
	return DONE;
}

static const struct option_def options[] = {
	{ .letter = 'a', .name = "all", .help = "forgotten ones as well" },
	{ .letter = '1', .name = "names",
	  .help = "only SOURCE@TIME, one a line, as commands take it" },
	{ .name = "tag", .arg = "KEY[=VALUE]",
	  .help = "only those with this tag (all, where given again)" },
	{ .name = "notes", .arg = "SNAPSHOT", .type = WORD_SNAPSHOT,
	  .help = "the warnings of one snapshot" },
	{ .name = NULL },
};

const struct command command_list = {
	.name = "list",
	.words = "[SOURCE]...",
	.about = "snapshots: id, source, time, kind, size, state",
	.text = "Lists the snapshots of the store, or of each SOURCE (a name "
		"or a glob, in which '*' spans '/' as well), by source and "
		"time. NEW is what the snapshot added to the store, as "
		"stored. STATE is ok, or of: incomplete, damaged, flawed "
		"('varve rocksdb info --read-data' found what was backed up "
		"damaged), forgotten, pinned; and why. What nobody read since "
		"is called ok, too: 'varve check --read-data' and 'varve "
		"verify' read. Times are UTC.",
	.example = "varve list\nvarve list --json 'lab/*'\n"
		   "varve list --notes home@2021-01-22",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = ANY_WORDS,
	.word_type = WORD_SOURCE,
	.run = run,
};
