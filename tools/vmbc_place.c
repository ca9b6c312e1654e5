/*
 * Where there is no room for a second tree: what is there is kept in the store
 * alone while it is written over, so that it must be shown to be there, byte for
 * byte, before.
 */
#include "tools/vmbc_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"

static const char *target_of(const struct vmbc_part *part)
{
	return part->push.swap.target;
}

/* The snapshot of what was there; *ret as a push that only restores. */
static int open_saved(const struct vmbc_run *all, struct vmbc_part *part,
		      struct push *ret, struct err *err)
{
	struct tool tool = *all->tool;
	char spec[64];
	int r;

	*ret = (struct push){ .tool = all->tool, .run = all->run,
			      .prefix = part->prefix,
			      .swap = part->push.swap, .tree = TARGET_INIT,
			      .quiet = all->tool->quiet };
	/* the descriptor stays the other one's */
	ret->swap.place = -1;
	if (!tool.store)
		tool.store = run_fact(all->run, "store");
	r = tool_open_maybe(&tool, &ret->own_repo, err);
	if (r < 0)
		return r;
	snprintf(spec, sizeof(spec), "id:%.32s",
		 push_fact(&part->push, "saved"));
	ret->tree.older = OLDER_UNTOLD;
	return target_open_at(ret->own_repo, spec, NULL, &ret->tree, err);
}

/* push->tree is what lies in the target, in every byte and attribute. */
static int compare(struct push *push, const char *target, const char *what,
		   struct err *err)
{
	struct restore_report report;
	int r = push_run_restore(push, target, true, &report, err);

	if (r < 0)
		return r;
	if (report.failed)
		return err_set(err, -EIO, "%s could not be compared",
			       counted(report.failed, "entry").s);
	if (push->changes)
		return err_set(err, -EUCLEAN, "'%s' is not wholly %s: %s, the "
			       "first '%s'", target, what,
			       counted(push->changes, "difference").s,
			       push->first_change);
	return 0;
}

static int write_over(struct push *push, const char *target, struct err *err)
{
	struct restore_report report;
	int r = disk_step_outside(target, "write", err);

	if (r == 0)
		r = push_run_restore(push, target, false, &report, err);
	if (r == 0 && report.failed)
		return err_set(err, -EIO, "%s could not be written; the "
			       "warnings above name them",
			       counted(report.failed, "entry").s);
	return r;
}

static int each(struct vmbc_run *all,
		int (*fn)(struct vmbc_run *all, struct vmbc_part *part,
			  struct err *err), struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++) {
		r = fn(all, &all->parts[i], err);
		if (r < 0 && r != -EAGAIN)
			err_wrap(err, "replica %u", all->parts[i].replica);
	}
	return r;
}

/* save */

static int find_saved(struct vmbc_run *all, struct vmbc_part *part,
		      const char *source, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	char hex[2 * RECORD_ID + 1];
	struct tool tool = *all->tool;
	struct snapshot found;
	int r;

	if (!tool.store)
		tool.store = run_fact(all->run, "store");
	r = tool_open_maybe(&tool, &repo, err);
	if (r >= 0)
		r = find_snapshot(repo, source, OLDER_REFUSED, &found, err);
	if (r < 0)
		return r;
	hex_write(found.record.id, RECORD_ID, hex);
	snapshot_release(&found);
	return push_note(&part->push, "saved", hex, err);
}

static int save_one(struct vmbc_run *all, struct vmbc_part *part,
		    struct err *err)
{
	OWNED_PUSH struct push saved = { .swap.place = -1,
					 .tree = TARGET_INIT };
	const char *source = push_fact(&part->push, "present");
	int r;

	if (!source)
		return err_corrupt(err, "the journal of run %s has no "
				   "'present'", all->run->id);
	r = disk_step_outside(target_of(part), "save", err);
	if (r == 0)
		r = vmbc_add_present(run_fact(all->run, "store"), source,
				     target_of(part), err);
	if (r == 0)
		r = find_saved(all, part, source, err);
	if (r == 0)
		r = open_saved(all, part, &saved, err);
	return r < 0 ? r : compare(&saved, target_of(part), "in the store",
				   err);
}

static int save(void *arg, struct err *err)
{
	return each(((struct vmbc_step *)arg)->all, save_one, err);
}

static int unused_one(struct vmbc_run *all, struct vmbc_part *part,
		      struct err *err)
{
	(void)all;
	return push_check_use(target_of(part), err);
}

static int ready(void *arg, struct err *err)
{
	struct vmbc_run *all = ((struct vmbc_step *)arg)->all;
	int r = vmbc_check_gone(all, err);

	if (r == 0)
		r = each(all, unused_one, err);
	return r == -EBUSY && all->how != STOP_NOTHING ? -EAGAIN : r;
}

/* write */

static int write_one(struct vmbc_run *all, struct vmbc_part *part,
		     struct err *err)
{
	int r = push_open_tree(&part->push, err);

	(void)all;
	return r < 0 ? r : write_over(&part->push, target_of(part), err);
}

static int write_new(void *arg, struct err *err)
{
	return each(((struct vmbc_step *)arg)->all, write_one, err);
}

static int write_back_one(struct vmbc_run *all, struct vmbc_part *part,
			  struct err *err)
{
	OWNED_PUSH struct push saved = { .swap.place = -1,
					 .tree = TARGET_INIT };
	int r = open_saved(all, part, &saved, err);

	return r < 0 ? r : write_over(&saved, target_of(part), err);
}

static int write_back(void *arg, struct err *err)
{
	return each(((struct vmbc_step *)arg)->all, write_back_one, err);
}

/* the proof */

static int prove_new(struct vmbc_run *all, struct vmbc_part *part,
		     struct err *err)
{
	int r = push_open_tree(&part->push, err);

	if (r == 0)
		r = compare(&part->push, target_of(part), "new", err);
	if (r == 0 && all->checkpoint)
		r = vmbc_check_whole(all->tool, target_of(part), err);
	return r;
}

static int prove_old(struct vmbc_run *all, struct vmbc_part *part,
		     struct err *err)
{
	OWNED_PUSH struct push saved = { .swap.place = -1,
					 .tree = TARGET_INIT };
	int r;

	/* nothing of it was touched */
	if (run_step_state(all->run, "write") == STEP_NEW)
		return 0;
	r = open_saved(all, part, &saved, err);
	return r < 0 ? r : compare(&saved, target_of(part), "as it was", err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	return each(arg, tree == TREE_WHOLLY_NEW ? prove_new : prove_old,
		    err);
}

int vmbc_add_in_place(struct vmbc_run *all, struct err *err)
{
	struct plan_step *step;
	int r = vmbc_add_stop(all);

	step = vmbc_step(all, "save", "add what is there of each replica to "
			 "the store, once no pod has the claims and nobody "
			 "uses it, and compare it byte for byte");
	if (r < 0 || !step)
		return err_nomem(err);
	step->ready = ready;
	step->act = save;
	step = vmbc_step(all, "write", "write the snapshot of each OVER what "
			 "is there, which then is in the store alone");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_DESTROYS;
	step->ready = ready;
	step->act = write_new;
	step->undo = write_back;
	all->plan.prove = prove;
	return vmbc_add_restart(all) < 0 ? err_nomem(err) : 0;
}
