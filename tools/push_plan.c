#include "tools/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static int need(const struct push *push, const char *key, struct err *err)
{
	if (push_fact(push, key))
		return 0;
	return err_corrupt(err, "the journal of run %s has no '%s%s'",
			   push->run->id, push->prefix, key);
}

/* "UID:GID UID:GID": the top's, and that of all in it. */
static int take_owner(struct push *push, struct err *err)
{
	const char *text = push_fact(push, "owner");
	struct restore_owner *owner = &push->given;

	if (!text)
		return 0;
	if (sscanf(text, "%" SCNu32 ":%" SCNu32 " %" SCNu32 ":%" SCNu32,
		   &owner->top_uid, &owner->top_gid, &owner->uid,
		   &owner->gid) != 4)
		return err_corrupt(err, "the journal of run %s has '%s' for "
				   "an owner", push->run->id, text);
	push->owner = owner;
	return 0;
}

static int take_deadline(struct push *push, struct err *err)
{
	uint64_t deadline = PUSH_DEADLINE_S;
	int r = 0;

	if (push_fact(push, "deadline"))
		r = push_fact_u64(push, "deadline", &deadline, err);
	push->deadline_s = (int64_t)deadline;
	return r;
}

/* A tree may be as deep as a snapshot's can, and each level takes one. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void tell_step(void *arg, const struct plan_step *step, bool undo)
{
	const struct push *push = arg;
	const struct plan *plan = &push->plan;

	say(push->tool, "%s%td/%zu: %s", undo ? "back " : "",
	    step - plan->steps + 1, plan->count, step->says);
}

static int make(const struct tool *tool, struct run *run, const char *prefix,
		struct repo *repo, struct push *ret, struct err *err)
{
	static const char *const needed[] = { "target", "staging", "snapshot",
					      "path", "label" };
	int r = 0;

	*ret = (struct push){
		.tool = tool, .run = run, .prefix = prefix, .repo = repo,
		.swap.place = -1, .tree = TARGET_INIT,
		.quiet = tool->quiet,
	};
	for (size_t i = 0; r == 0 && i < sizeof(needed) / sizeof(needed[0]);
	     i++)
		r = need(ret, needed[i], err);
	if (r < 0)
		return r;
	ret->name = push_fact(ret, "target");
	/* what has no path of its own is somewhere while it is pushed to */
	ret->swap.target = push_fact(ret, "place");
	if (!ret->swap.target)
		ret->swap.target = ret->name;
	ret->swap.name = push_fact(ret, "staging");
	if (ret->swap.target[0] != '/' ||
	    strncmp(ret->swap.name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1) ||
	    strchr(ret->swap.name, '/'))
		return err_corrupt(err, "the journal of run %s names no "
				   "target", run->id);
	ret->swap.entries = push_flag(ret, "entries");
	ret->swap.keep_lost = push_flag(ret, "keep-lost");
	ret->absent = push_flag(ret, "absent");
	ret->discard = push_flag(ret, "discard");
	ret->incomplete = push_flag(ret, "incomplete");
	ret->empty = push_flag(ret, "empty");
	raise_files();
	r = take_owner(ret, err);
	if (r == 0)
		r = take_deadline(ret, err);
	ret->plan.tell = tell_step;
	ret->plan.stop = &stopped;
	ret->plan.prove = push_prove;
	ret->plan.arg = ret;
	return r;
}

int push_make(const struct tool *tool, struct run *run, struct repo *repo,
	      struct push *ret, struct err *err)
{
	return make(tool, run, "", repo, ret, err);
}

int push_make_dir(const struct tool *tool, struct run *run, struct repo *repo,
		  struct push *ret, struct err *err)
{
	return push_make_part(tool, run, "", repo, ret, err);
}

int push_make_part(const struct tool *tool, struct run *run,
		   const char *prefix, struct repo *repo, struct push *ret,
		   struct err *err)
{
	int r = make(tool, run, prefix, repo, ret, err);

	if (r == 0)
		r = push_add_begin(ret, err);
	if (r == 0)
		r = push_add_stop(ret, err);
	if (r == 0)
		r = push_add_swap(ret, err);
	if (r == 0)
		r = push_add_start(ret, err);
	if (r == 0)
		r = push_add_end(ret, err);
	return r < 0 ? r : swap_open(&ret->swap, err);
}

void push_release(struct push *push)
{
	plan_release(&push->plan);
	if (push->swap.place >= 0)
		swap_close(&push->swap);
	target_close(&push->tree);
	if (push->own_repo)
		repo_close(push->own_repo);
	push->own_repo = NULL;
}

int push_open_tree(struct push *push, struct err *err)
{
	struct tool tool = *push->tool;
	char spec[64];
	int r = 0;

	if (push->tree.tree)
		return 0;
	if (!tool.store)
		tool.store = push_fact(push, "store");
	if (!push->repo) {
		r = tool_open_maybe(&tool, &push->own_repo, err);
		push->repo = push->own_repo;
	}
	if (r < 0)
		return r;
	snprintf(spec, sizeof(spec), "id:%.32s", push_fact(push, "snapshot"));
	push->tree.older = OLDER_UNTOLD;
	return target_open_at(push->repo, spec, push_fact(push, "path"),
			      &push->tree, err);
}

static int check_volume(struct push *push, struct err *err)
{
	OWNED_PLACE struct push_place place = { .target = NULL };
	OWNED_BUF struct buf text = BUF_INIT;
	int r;

	buf_printf(&text, "dir:%s", push->swap.target);
	r = buf_str(&text) ? push_place_find((char *)text.data, &place, err) :
			     err_nomem(err);
	if (r < 0 || place.entries)
		return r;
	err_set(err, -ENODEV, "'%s' is not the root of a volume any more",
		push->swap.target);
	return err_hint(err, "mount the volume, then run it again");
}

int push_check_free(struct push *push, struct err *err)
{
	const struct run *run = push->run;
	int r = push->swap.entries ? check_volume(push, err) : 0;

	if (r < 0)
		return r;
	if (run_step_state(run, "claim") == STEP_DONE &&
	    run_step_state(run, "discard") == STEP_NEW &&
	    !swap_has(&push->swap, SWAP_ABOUT)) {
		err_set(err, -ENOENT, "the staging directory '%s' of run %s is "
			"not there", push->swap.name, run->id);
		return err_hint(err, "is what it lies on mounted? Where it is "
				"gone for good, 'varve rollback --accept %s' "
				"ends the run", run->id);
	}
	/* from then on, old or new, it is in use as it should be */
	if (run->proved >= TREE_WHOLLY_OLD || !push_has_begun_swap(run))
		return 0;
	r = push_check_use(push->swap.target, err);
	if (r == -EBUSY)
		err_hint(err, "stop what uses it: it is neither wholly old nor "
			 "wholly new");
	return r;
}
