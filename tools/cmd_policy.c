#include <stdlib.h>

#include "tools/commands.h"
#include "tools/forget.h"
#include "tools/format.h"
#include "tools/policy.h"

static void show_json(const struct policy *p)
{
	OWNED_BUF struct buf rules = BUF_INIT;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	keep_write(&p->keep, &rules);
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "source", p->glob);
	json_span(&json, "rules", buf_span(&rules));
	json_stamp(&json, "set", p->at);
	json_str(&json, "user", p->user);
	json_str(&json, "host", p->host);
	json_close_object(&json);
	json_print(&line);
}

static int show(const struct tool *tool, struct err *err)
{
	static const char *const heads[] = {
		"<SOURCE", "<KEEPS", "<SET", "<BY",
	};
	CLEANUP(policies_release) struct policies list = { .row = NULL };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 4);
	OWNED_REPO struct repo *repo = NULL;
	int r;

	if (!table)
		return err_nomem(err);
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = policies_load(repo, &list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++) {
		const struct policy *p = &list.row[i];
		OWNED_BUF struct buf rules = BUF_INIT;
		char when[STAMP_TEXT];

		if (tool->json) {
			show_json(p);
			continue;
		}
		keep_write(&p->keep, &rules);
		stamp_local(p->at, NULL, when);
		table_cell(table, p->glob);
		table_cell(table, buf_str(&rules));
		table_cell(table, when);
		table_cellf(table, "%s@%s", p->user, p->host);
	}
	if (list.count == 0)
		say(tool, "No policy is set: nothing is forgotten by one.");
	else if (!tool->json)
		table_print(table);
	return DONE;
}

static int publish(const struct tool *tool, const char *glob,
		   const char *rules, struct err *err)
{
	struct event event = { .type = EVENT_POLICY };
	OWNED_REPO struct repo *repo = NULL;
	int r;

	r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r < 0)
		return r;
	event.source = strdup(glob);
	event.value = rules ? strdup(rules) : NULL;
	r = event.source && (event.value || !rules) ?
		    repo_event(repo, &event, err) : err_nomem(err);
	event_release(&event);
	return r;
}

/* Rules that keep something, or an age that is to be watched, or both. */
static int rules_from_options(const struct options *o, const char *glob,
			      struct keep *ret, struct err *err)
{
	const char *age = option_value(o, "max-age");
	struct keep keep;
	int r = keep_from_options(o, &keep, err);

	if (r >= 0 && age)
		r = duration_parse(age, &keep.max_age, err);
	if (r < 0)
		return r;
	if (age && keep.max_age <= 0)
		return err_set(err, -EINVAL, "--max-age %s: nothing is as "
			       "young", age);
	if (!grouping_has(&keep.by, GROUP_SOURCE)) {
		r = err_set(err, -EINVAL, "a policy's groups lie within its "
			    "sources");
		err_hint(err, "--group-by source,... here; 'varve forget' "
			 "takes others");
		return r;
	}
	if (!keep_is_any(&keep) && !keep.max_age) {
		r = err_set(err, -EINVAL, "no rule was given for '%s'", glob);
		err_hint(err, "as --keep-daily 7; 'varve policy remove' takes "
			 "a policy away");
		return r;
	}
	*ret = keep;
	return 0;
}

/* What the next 'forget --policy' would do of the sources it is for. */
static int preview(struct tool *tool, const char *glob,
		   const struct keep *keep, struct err *err)
{
	struct ruling ruling = { .glob = glob, .may_be_none = true };
	struct forgetting f = { .tool = tool, .dry = true };
	OWNED_REPO struct repo *repo = NULL;
	int r = tool_open(tool, REPO_READ, &repo, err);

	f.repo = repo;
	if (r >= 0)
		r = policies_load(repo, &ruling.policies, err);
	if (r >= 0)
		r = policies_put(&ruling.policies, glob, keep, err);
	if (r >= 0)
		r = forget_by_rules(&f, &ruling, err);
	free(f.number);
	policies_release(&ruling.policies);
	if (r >= 0)
		say(tool, "The policy was not set.");
	return r;
}

/* What a policy for this very glob said until now; nothing where there is none. */
static int load_former(const struct tool *tool, const char *glob,
		       struct buf *ret, bool *ret_age, struct err *err)
{
	CLEANUP(policies_release) struct policies list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	const struct policy *former;
	int r = tool_open(tool, REPO_READ, &repo, err);

	if (r >= 0)
		r = policies_load(repo, &list, err);
	former = r < 0 ? NULL : policies_get(&list, glob);
	if (former) {
		keep_write(&former->keep, ret);
		*ret_age = former->keep.max_age > 0;
	}
	return r;
}

static void tell_former(const struct tool *tool, const char *glob,
			const struct buf *former, bool had_age,
			const struct keep *keep)
{
	if (former->len > 0)
		say(tool, "It stands in place of: %s.", (char *)former->data);
	if (had_age && !keep->max_age)
		warn("nothing tells any more that backups of '%s' are too old: "
		     "--max-age was set, and was not given again", glob);
}

static int set(struct tool *tool, const char *glob, struct err *err)
{
	OWNED_BUF struct buf rules = BUF_INIT;
	OWNED_BUF struct buf former = BUF_INIT;
	bool had_age = false;
	struct keep keep;
	int r;

	r = rules_from_options(&tool->options, glob, &keep, err);
	if (r < 0)
		return r;
	if (option_given(&tool->options, "dry-run"))
		return preview(tool, glob, &keep, err);
	r = load_former(tool, glob, &former, &had_age, err);
	if (r < 0)
		return r;
	keep_write(&keep, &rules);
	if (!buf_str(&rules) || !buf_str(&former))
		return err_nomem(err);
	r = publish(tool, glob, (char *)rules.data, err);
	if (r < 0)
		return r;
	say(tool, "'varve %s' now goes by it for '%s': %s.",
	    !keep_is_any(&keep) ? "status" : "forget --policy", glob,
	    (char *)rules.data);
	tell_former(tool, glob, &former, had_age, &keep);
	if (keep_is_any(&keep))
		say(tool, "'varve forget --policy -n' shows what it forgets.");
	return DONE;
}

static int take_away(const struct tool *tool, const char *glob,
		     struct err *err)
{
	CLEANUP(policies_release) struct policies list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	int r;

	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = policies_load(repo, &list, err);
	if (r >= 0 && !policies_get(&list, glob)) {
		r = err_set(err, -ENOENT, "no policy is set for '%s'", glob);
		err_hint(err, "'varve policy show' lists them");
	}
	if (r >= 0)
		r = publish(tool, glob, NULL, err);
	return r < 0 ? r : DONE;
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	const char *verb = o->words[0];
	int r;

	if (option_given(o, "dry-run") && strcmp(verb, "set"))
		return err_set(err, -EINVAL, "--dry-run goes with 'policy "
			       "set'");
	if (!strcmp(verb, "show") && o->word_count == 1)
		return show(tool, err);
	if (!strcmp(verb, "set") && o->word_count == 2)
		return set(tool, o->words[1], err);
	if (!strcmp(verb, "remove") && o->word_count == 2)
		return take_away(tool, o->words[1], err);
	r = err_set(err, -EINVAL, "'varve policy %s' is not one of its uses",
		    verb);
	err_hint(err, "policy show, policy set SOURCE --keep-daily N, policy "
		 "remove SOURCE");
	return r;
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what 'forget --policy' would forget" },
	KEEP_OPTIONS,
	{ .name = "max-age", .arg = "AGE",
	  .help = "a source whose last good backup is older is late, for "
		  "'varve status', as 26h or 7d" },
	{ .name = NULL },
};

const struct command command_policy = {
	.name = "policy",
	.words = "show\nset SOURCE --keep-daily N ...\nremove SOURCE",
	.about = "keep rules that are kept in the store",
	.text = "Keeps in the store by which rules 'varve forget --policy' "
		"goes for a source, and how old its last good backup may be "
		"for 'varve status'. SOURCE is a name or a glob; where "
		"several fit, the exact name counts, else the longest. "
		"Setting it again replaces it.",
	.example = "varve policy set -n 'web/*' --keep-daily 7\n"
		   "varve policy set 'web/*' --keep-daily 7 --keep-weekly 5 "
		   "--max-age 26h\n"
		   "varve policy show",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = 2,
	.word_type = WORD_SOURCE,
	.run = run,
};
