#include "tools/procedure.h"
#include "tools/push.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/format.h"
#include "tools/runs.h"

static bool is_kept(const struct push *push)
{
	return push->run->closed == TREE_WHOLLY_NEW && !push->discard &&
	       !push->absent && !push->empty;
}

/* It was mounted for the push alone. */
static bool is_away(const struct push *push)
{
	return strcmp(push->name, push->swap.target) != 0;
}

static void tell_json(const struct push *push)
{
	const struct run *run = push->run;
	OWNED_BUF struct buf line = BUF_INIT, path = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "run", run->id);
	json_name(&json, "snapshot", span_str(run_fact(run, "label")));
	json_name(&json, "target", span_str(push->name));
	json_bool(&json, "finished", run->closed != 0);
	json_str(&json, "tree", run->closed ? run_tree_name(run->closed) :
		 run->proved ? run_tree_name(run->proved) : "unproved");
	if (is_kept(push) && is_away(push))
		buf_printf(&path, "%s/old", push->swap.name);
	else if (is_kept(push) &&
		 swap_path(&push->swap, "old", &path, NULL) < 0)
		buf_clear(&path);
	if (path.len)
		json_name(&json, "former", buf_span(&path));
	json_close_object(&json);
	json_print(&line);
}

static void tell(const struct tool *tool, const struct push *push)
{
	const struct run *run = push->run;
	bool left_out = runs_tell_left_out(tool, run);
	OWNED_BUF struct buf path = BUF_INIT;

	if (run->closed == TREE_WHOLLY_OLD)
		say(tool, push->empty ? "'%s' is as it was." :
		    push_has_begun_swap(run) ? "'%s' is as it was: wholly the "
		    "former tree." : "'%s' was not touched.", push->name);
	if (run->closed == TREE_UNPROVED)
		say(tool, "Run %s is closed. Whether '%s' is as it was was not "
		    "shown, and nothing was started.", run->id,
		    push->name);
	if (run->closed != TREE_WHOLLY_NEW)
		return;
	say(tool, left_out ? "'%s' was shown to be wholly %s before." :
	    "'%s' is wholly %s.", push->name, run_fact(run, "label"));
	if (!is_kept(push))
		return;
	if (is_away(push))
		say(tool, "The former tree is kept in it, in '%s/old'; where it "
		    "is mounted 'varve push --discard-old dir:PATH' gives its "
		    "room back.", push->swap.name);
	else if (swap_path(&push->swap, "old", &path, NULL) == 0)
		say(tool, "The former tree is kept in '%s'; 'varve push "
		    "--discard-old dir:%s' gives its room back.",
		    (char *)path.data, push->name);
}

static void log_end(struct push *push, int r)
{
	const struct run *run = push->run;
	struct tool tool = *push->tool;

	if (!tool.store)
		tool.store = run_fact(run, "store");
	if (!push->repo &&
	    tool_open(&tool, REPO_WRITE, &push->own_repo, NULL) == 0)
		push->repo = push->own_repo;
	if (push->repo)
		tool_log(push->repo, "push", "%s to %s: %s, run %s",
			 run_fact(run, "label"), push->name,
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ?
			 (r < 0 ? "failed and taken back" : "taken back") :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
}

/* As a restore that lost something: done, but not all. */
static int tell_lost(const struct run *run, struct err *err)
{
	err_set(err, -EIO, "%s entries of %s could not be read, and are "
		"missing", run_fact(run, "failed"), run_fact(run, "label"));
	complain(err);
	return INCOMPLETE;
}

int push_end(const struct tool *tool, struct push *push, int r,
	    struct err *err)
{
	const struct run *run = push->run;

	log_end(push, r);
	if (tool->json)
		tell_json(push);
	else
		tell(tool, push);
	if (run->closed == TREE_WHOLLY_NEW && run_fact(run, "failed"))
		return tell_lost(run, err);
	if (run->closed || r >= 0)
		return r < 0 ? r : DONE;
	return runs_hint(run, push->name, err);
}

/* What it made is gone for good, and nothing can be done or undone. */
static int give_up(const struct tool *tool, struct push *push, struct err *err)
{
	struct err why = *err;
	int r = run_close(push->run, TREE_UNPROVED, err);

	if (r < 0)
		return r;
	warn("%s", why.text);
	return push_end(tool, push, 0, err);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	OWNED_PUSH struct push push = { .swap.place = -1, .tool = tool,
					.tree = TARGET_INIT };
	int r = push_make_dir(tool, run, NULL, &push, err);

	if (r == 0)
		r = push_check_free(&push, err);
	if (r == -ENOENT && accept)
		return give_up(tool, &push, err);
	if (r < 0)
		return r;
	push.accept = accept;
	if (back)
		r = plan_back(&push.plan, run, accept, err);
	else
		r = plan_go(&push.plan, run, err);
	if (back && r == -EALREADY)
		return r;
	return push_end(tool, &push, r, err);
}

const struct procedure procedure_push = { PUSH_KIND, go_on };
