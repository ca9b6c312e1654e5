#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

static int show(const struct tool *tool, const struct record *record)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	for (size_t i = 0; i < record->tag_count; i++) {
		const struct record_pair *tag = &record->tags[i];

		if (tool->json)
			json_name(&json, tag->key, span_str(tag->value));
		else
			printf("%s=%s\n", tag->key, tag->value);
	}
	json_close_object(&json);
	if (tool->json)
		json_print(&line);
	else if (record->tag_count == 0)
		say(tool, "It has no tags.");
	return DONE;
}

static int publish(struct repo *repo, const struct record *record,
		   const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	CLEANUP(free_ptr) char *key = strndup(text, (size_t)(equals - text));

	/* "KEY=" takes the tag away. */
	return key ? snapshot_set_tag(repo, record, key, equals[1] ?
				      equals + 1 : NULL, err) : err_nomem(err);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot s = { .forgotten = false };
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	int r;

	for (size_t i = 1; i < o->word_count; i++)
		if (!strchr(o->words[i], '=') || o->words[i][0] == '=')
			return err_set(err, -EINVAL, "'%s' is not KEY=VALUE",
				       o->words[i]);
	r = tool_open(tool, o->word_count > 1 ? REPO_WRITE : REPO_READ, &repo,
		      err);
	if (r >= 0)
		r = find_snapshot(repo, o->words[0], OLDER_TOLD, &s, err);
	if (r >= 0 && o->word_count == 1)
		return show(tool, &s.record);
	for (size_t i = 1; r >= 0 && i < o->word_count; i++)
		r = publish(repo, &s.record, o->words[i], err);
	return r < 0 ? r : DONE;
}

const struct command command_tag = {
	.name = "tag",
	.words = "SNAPSHOT [KEY=VALUE]...",
	.about = "show or change the tags of a snapshot",
	.text = "Without KEY=VALUE it shows the tags. 'KEY=' takes a tag "
		"away. SOURCE@KEY=VALUE names the newest snapshot with a "
		"tag, and 'varve list --tag' lists by them.",
	.example = "varve tag cpd30/dv@2021-01-22 ticket=4711",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
