#include "tools/vmbc_run.h"

#include <stdio.h>

#include "tools/format.h"
#include "tools/runs.h"

static const char *what_of(const struct vmbc_run *all)
{
	const char *target = run_fact(all->run, "target");

	return target ? target : "";
}

static void json_part(struct json *json, const struct vmbc_part *part,
		      bool kept)
{
	OWNED_BUF struct buf path = BUF_INIT;

	json_open_object(json, NULL);
	json_u64(json, "replica", part->replica);
	json_name(json, "path", span_str(part->push.swap.target));
	json_name(json, "snapshot", span_str(push_fact(&part->push,
						       "label")));
	if (kept && !part->push.absent &&
	    swap_path(&part->push.swap, "old", &path, NULL) == 0)
		json_name(json, "former", buf_span(&path));
	json_close_object(json);
}

static void tell_json(const struct vmbc_run *all)
{
	const struct run *run = all->run;
	OWNED_BUF struct buf line = BUF_INIT;
	bool kept = run->closed == TREE_WHOLLY_NEW && !all->in_place;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "run", run->id);
	json_name(&json, "restored", span_str(run_fact(run, "label")));
	json_bool(&json, "finished", run->closed != 0);
	json_str(&json, "tree", run->closed ? run_tree_name(run->closed) :
		 run->proved ? run_tree_name(run->proved) : "unproved");
	json_open_array(&json, "replicas");
	for (size_t i = 0; i < all->count; i++)
		json_part(&json, &all->parts[i], kept);
	json_close_array(&json);
	json_close_object(&json);
	json_print(&line);
}

static void tell_kept(const struct vmbc_run *all)
{
	say(all->tool, "The former data is kept beside it; for each:");
	for (size_t i = 0; i < all->count; i++)
		say(all->tool, "  varve push --discard-old dir:%s",
		    all->parts[i].push.swap.target);
	say(all->tool, "gives its room back.");
}

static void tell(const struct vmbc_run *all)
{
	const struct run *run = all->run;

	if (run->closed == TREE_WHOLLY_OLD)
		say(all->tool, "The data of %s is as it was.", what_of(all));
	if (run->closed == TREE_UNPROVED)
		say(all->tool, "Run %s is closed. Whether the data is as it "
		    "was was not shown, and nothing was started.", run->id);
	if (run->closed != TREE_WHOLLY_NEW)
		return;
	say(all->tool, "The data of %s is wholly that of %s.", what_of(all),
	    run_fact(run, "label"));
	runs_tell_left_out(all->tool, run);
	if (!all->in_place)
		tell_kept(all);
	if (all->how == STOP_NOTHING)
		say(all->tool, "Nothing was started, as nothing was stopped "
		    "by this run.");
}

static void log_end(struct vmbc_run *all, int r)
{
	OWNED_REPO struct repo *repo = NULL;
	const struct run *run = all->run;
	struct tool tool = *all->tool;

	if (!tool.store)
		tool.store = run_fact(run, "store");
	if (tool_open(&tool, REPO_WRITE, &repo, NULL) == 0)
		tool_log(repo, "vmbc", "restore of %s to %s: %s, run %s",
			 what_of(all), run_fact(run, "label"),
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ?
			 (r < 0 ? "failed and taken back" : "taken back") :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
}

int vmbc_end(const struct tool *tool, struct vmbc_run *all, int r,
	     struct err *err)
{
	log_end(all, r);
	if (tool->json)
		tell_json(all);
	else
		tell(all);
	if (all->run->closed || r >= 0)
		return r < 0 ? r : DONE;
	return runs_hint(all->run, what_of(all), err);
}
