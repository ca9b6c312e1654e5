#include <unistd.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/procedure.h"
#include "tools/push.h"
#include "tools/runs.h"

static const struct procedure *const procedures[] = {
	&procedure_push, &procedure_push_pvc, &procedure_pvc_visit,
	&procedure_push_array, &procedure_pg_stanza,
	&procedure_vmbc, &procedure_dv_backup, &procedure_dv_restore,
	&procedure_dv_clean, &procedure_dv_mend,
	&procedure_pso_volumes, &procedure_pso_reconstruct, NULL,
};

/* Which run, where none is named. */
struct choosing {
	struct disk_dir *dir;
	char id[RUN_ID];
	unsigned count;
	struct buf all;
};

static int choose_one(void *arg, const char *id, struct err *err)
{
	struct choosing *c = arg;
	OWNED_RUN struct run run = RUN_INIT;
	const char *target;
	int r = run_load(c->dir, id, false, &run, err);

	if (r < 0 || !run_is_unfinished(&run))
		return r == -ENOENT ? 0 : r;
	target = run_fact(&run, "target");
	buf_printf(&c->all, "%s%s (%s)", c->count ? ", " : "", id,
		   target ? target : "?");
	strcpy(c->id, run.id);
	c->count++;
	return 0;
}

static int choose(struct disk_dir *dir, char id[RUN_ID], struct err *err)
{
	struct choosing c = { .dir = dir };
	int r = runs_each(dir, choose_one, &c, err);

	if (r == 0 && c.count == 0)
		r = err_set(err, -ENOENT, "there is no unfinished run in '%s'",
			    dir->path);
	if (r == 0 && c.count > 1)
		r = err_set(err, -EINVAL, "which run? There are %u: %s",
			    c.count, buf_str(&c.all) ? (char *)c.all.data :
			    "");
	buf_release(&c.all);
	if (r == 0)
		strcpy(id, c.id);
	return r;
}

static int load(const struct tool *tool, struct disk_dir *dir,
		struct run *run, struct err *err)
{
	const char *given = tool->options.word_count ? tool->options.words[0] :
						       NULL;
	char id[RUN_ID];
	int r = given ? 0 : choose(dir, id, err);

	if (r == 0)
		r = run_load(dir, given ? given : id, true, run, err);
	if (r < 0)
		return r;
	if (!run->started)
		return err_set(err, -ENOENT, "run %s began nothing", run->id);
	if (run->closed)
		return err_set(err, -EALREADY, "run %s has come to its end: %s",
			       run->id, run->closed == TREE_UNPROVED ?
			       "closed unproved" : run->closed ==
			       TREE_WHOLLY_NEW ? "wholly new" : "wholly old");
	return 0;
}

static int find_procedure(const struct run *run, const struct procedure **ret,
			  struct err *err)
{
	const char *kind = run_fact(run, "kind");

	for (size_t i = 0; kind && procedures[i]; i++)
		if (!strcmp(procedures[i]->kind, kind)) {
			*ret = procedures[i];
			return 0;
		}
	return err_set(err, -ENOTSUP, "run %s is of a kind that this varve "
		       "does not know: '%s'", run->id, kind ? kind : "");
}

static int go_on(struct tool *tool, bool back, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	const struct procedure *procedure = NULL;
	int r = runs_open(tool, NULL, false, &dir, err);

	if (r == 0)
		r = load(tool, &dir, &run, err);
	if (r == -EALREADY && back && run.closed == TREE_WHOLLY_NEW &&
	    run_fact(&run, "kind") &&
	    !strcmp(run_fact(&run, "kind"), PUSH_KIND))
		err_hint(err, "the former tree may still be kept: varve help "
			 "push");
	if (r == 0)
		r = find_procedure(&run, &procedure, err);
	if (r < 0)
		return r;
	catch_stop();
	if (!back && run.back && run_fact(&run, RUN_ONLY_FORWARD))
		r = run_set_forward(&run, err);
	if (r < 0)
		return r;
	if (!back && run.back)
		say(tool, "Run %s is being taken back: that goes on.", run.id);
	r = procedure->go_on(tool, &run, back, back &&
			     option_given(&tool->options, "accept"), err);
	/* also where it failed before it came to its first step */
	if (r < 0 && !run.closed && !err->hint[0])
		err_hint(err, "the run is as it was: 'varve %s %s' goes on",
			 back ? "rollback" : "resume", run.id);
	return r;
}

static int run_resume(struct tool *tool, struct err *err)
{
	return go_on(tool, false, err);
}

static int run_rollback(struct tool *tool, struct err *err)
{
	return go_on(tool, true, err);
}

struct showing {
	const struct tool *tool;
	struct disk_dir *dir;
	struct table *table;
	bool all;
	unsigned shown, bad;
};

static const char *state_of(const struct run *run)
{
	return !run->started ? "never begun" :
	       run->closed == TREE_WHOLLY_NEW ?
	       (run_fact(run, RUN_LEFT_OUT) ? "done, in part" : "done") :
	       run->closed == TREE_WHOLLY_OLD ? "taken back" :
	       run->closed ? "closed unproved" :
	       run->running ? "running" :
	       run->proved == TREE_WHOLLY_NEW ? "unfinished, wholly new" :
	       run->back ? "unfinished, going back" : "unfinished";
}

/* The last step that was begun. */
static const char *step_of(const struct run *run)
{
	return run->step_count ? run->steps[run->step_count - 1].name : "";
}

static int show_one(void *arg, const char *id, struct err *err)
{
	struct showing *s = arg;
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_BUF struct buf line = BUF_INIT;
	const char *label, *target;
	struct err why = ERR_INIT;
	struct json json;

	(void)err;
	if (run_load(s->dir, id, false, &run, &why) < 0) {
		if (why.code == -ENOENT)
			return 0;
		warn_of(&why);
		s->bad++;
		return 0;
	}
	if (!s->all && !run_is_unfinished(&run))
		return 0;
	s->shown++;
	label = run_fact(&run, "label");
	target = run_fact(&run, "target");
	if (!s->tool->json) {
		table_cell(s->table, run.id);
		table_cell(s->table, state_of(&run));
		table_cell(s->table, step_of(&run));
		table_cellf(s->table, "%s to %s", label ? label : "?",
			    target ? target : "?");
		return 0;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "run", run.id);
	json_str(&json, "state", state_of(&run));
	json_bool(&json, "unfinished", run_is_unfinished(&run));
	json_str(&json, "step", step_of(&run));
	json_name(&json, "snapshot", span_str(label ? label : ""));
	json_name(&json, "target", span_str(target ? target : ""));
	json_close_object(&json);
	json_print(&line);
	return 0;
}

/* Also one that does not open: its conf may be what is damaged. */
static bool is_store(const struct tool *tool)
{
	OWNED_BUF struct buf path = BUF_INIT;

	if (!tool->store || option_given(&tool->options, "journal"))
		return false;
	buf_printf(&path, "%s/packs", tool->store);
	return buf_str(&path) && access((char *)path.data, F_OK) == 0;
}

static int run_runs(struct tool *tool, struct err *err)
{
	static const char *const heads[] = { "<RUN", "<STATE", "<LAST STEP",
					     "<" };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 4);
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	struct showing s = {
		.tool = tool, .dir = &dir, .table = table,
		.all = option_given(&tool->options, "all"),
	};
	int r;

	if (!table)
		return err_nomem(err);
	r = runs_open(tool, NULL, false, &dir, err);
	if (r == -ENOENT && is_store(tool)) {
		say(tool, "There are no runs.");
		return DONE;
	}
	if (r == 0)
		r = runs_each(&dir, show_one, &s, err);
	if (r < 0)
		return r;
	if (!tool->json && s.shown)
		table_print(table);
	else if (!tool->json && !s.bad)
		say(tool, s.all ? "There are no runs." :
		    "There are no unfinished runs.");
	return s.bad ? DAMAGED : DONE;
}

#define JOURNAL_OPTION \
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR, \
	  .help = "where the journal is (default: in the store)" }

static const struct option_def resume_options[] = {
	JOURNAL_OPTION,
	{ .name = NULL },
};

static const struct option_def rollback_options[] = {
	JOURNAL_OPTION,
	{ .name = "accept",
	  .help = "end the run also where others wrote meanwhile, and the tree "
		  "cannot be shown to be as it was (starts nothing then); or "
		  "where all is wholly new but something at its end can never "
		  "be done: leaves that out" },
	{ .name = NULL },
};

static const struct option_def runs_options[] = {
	JOURNAL_OPTION,
	{ .letter = 'a', .name = "all", .help = "also those that have ended" },
	{ .name = NULL },
};

const struct command command_resume = {
	.name = "resume",
	.words = "[RUN]",
	.about = "go on with a procedure that was interrupted",
	.text = "Goes on where the journal ends, after a kill or a power cut, "
		"until the target is wholly new; one that was being taken back "
		"is taken back. Without RUN it is the one that is "
		"unfinished.",
	.example = "varve runs\nvarve resume",
	.options = resume_options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 1,
	.word_type = WORD_TEXT,
	.run = run_resume,
};

const struct command command_rollback = {
	.name = "rollback",
	.words = "[RUN]",
	.about = "take back a procedure that was interrupted",
	.text = "Undoes what the journal says was begun, the last first, and "
		"shows that the target is as it was. Needs no snapshot, nor a "
		"store that is sound. Without RUN it is the one that is "
		"unfinished.",
	.example = "varve rollback",
	.options = rollback_options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 1,
	.word_type = WORD_TEXT,
	.run = run_rollback,
};

const struct command command_runs = {
	.name = "runs",
	.words = "",
	.about = "procedures that have not come to their end",
	.text = "Lists runs that were interrupted, or are going on, and the "
		"step each has come to. With --all also those that have "
		"ended.",
	.example = "varve runs",
	.options = runs_options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run_runs,
};
