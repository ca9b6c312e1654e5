#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/disk.h"
#include "tools/format.h"
#include "tools/procedure.h"

#define HOLD ".varve-removed-"

/*
 * What goes is first moved aside, all of it, and then removed: until then it can
 * be put back.  Nothing that is given up as it is made sure of in the store.
 */

static int move_all(struct dv_run *r, bool back, struct err *err)
{
	char hold[64];
	const char *args[] = { run_fact(r->run, "remove"), hold, NULL };

	snprintf(hold, sizeof(hold), HOLD "%.40s", r->run->id);
	/* the link's target is looked at once more, in the same breath */
	return dv_volume_sh(&r->dv, back ?
			    "for d in $1; do\n"
			    "	[ ! -e \"$2/$d\" ] || $as mv -Tn \"$2/$d\" \"$d\"\n"
			    "done\n"
			    "[ ! -d \"$2\" ] || $as rmdir \"$2\"" :
			    "link=$(readlink " DV_JOINED " || true)\n"
			    "for d in $1; do\n"
			    "	case $link in\n"
			    "	*$d/*) echo \"the link points to $d\" >&2; exit 1 ;;\n"
			    "	esac\n"
			    "done\n"
			    "$as mkdir -p \"$2\"\n"
			    "for d in $1; do\n"
			    "	[ ! -e \"$d\" ] || $as mv -Tn \"$d\" \"$2/$d\"\n"
			    "done", args, 300, NULL, err);
}

static int act_move(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	int rc = disk_step_outside(DV_BAR, "move", err);

	return rc < 0 ? rc : move_all(r, false, err);
}

static int undo_move(void *arg, struct err *err)
{
	return move_all(arg, true, err);
}

static int act_remove(void *arg, struct err *err)
{
	struct dv_run *r = arg;
	char hold[64];
	const char *args[] = { hold, NULL };
	int rc = disk_step_outside(DV_BAR, "remove", err);

	snprintf(hold, sizeof(hold), HOLD "%.40s", r->run->id);
	return rc < 0 ? rc : dv_volume_sh(&r->dv, "$as rm -rf \"$1\"", args,
					  1800, NULL, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	struct dv_run *r = arg;
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const char *list = run_fact(r->run, "remove");
	int rc = dv_volume_read(&r->dv, &volume, err);

	for (size_t at = 0; rc == 0 && list && at < strlen(list);
	     at += DV_TS + 1) {
		char ts[DV_TS + 1];
		bool there;

		snprintf(ts, sizeof(ts), "%.19s", list + at);
		there = dv_dir_find(&volume, ts) != NULL;
		if (there != (tree == TREE_WHOLLY_OLD))
			rc = err_set(err, -EIO, "backup %s is %s on the volume",
				     ts, there ? "still" : "not");
	}
	if (rc == 0 && volume.dangling)
		rc = err_set(err, -EIO, "the link " DV_JOINED " points to "
			     "nothing");
	return rc;
}

static int make(struct dv_run *r, struct err *err)
{
	const char *list = run_fact(r->run, "remove");
	struct plan_step *step;

	r->plan.prove = prove;
	if (!list)
		return err_corrupt(err, "the journal of run %s does not say "
				   "what is to be removed", r->run->id);
	if (dv_add_reader(r, err) < 0)
		return -ENOMEM;
	if (!dv_step(r, "move", DV_GONE_S, act_move, NULL, undo_move,
		     "move aside on %s: %s", r->dv.claim, list))
		return err_nomem(err);
	step = dv_step(r, "remove", DV_RETURN_S, act_remove, NULL, NULL,
		       "remove them for good; the store has them");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_DESTROYS;
	return dv_add_unread(r, err);
}

/* Which go: past the newest that are kept, and not the link's. */
static int choose(struct dv *dv, struct repo *repo, uint64_t keep,
		  struct buf *list, unsigned *ret_stay, struct err *err)
{
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	OWNED_KEPTS struct dv_kepts kepts = { .count = 0 };
	uint64_t bytes = 0, whole = 0;
	char size[SIZE_TEXT];
	int r = dv_kepts_load(repo, dv, false, &kepts, err);

	if (r == 0)
		r = dv_volume_read(dv, &volume, err);
	for (size_t i = 0; r == 0 && i < volume.count; i++) {
		const struct dv_dir *dir = &volume.dirs[i];
		struct err why = ERR_INIT;

		/* what never became a backup is none that is kept */
		whole += dir->joined > 0;
		if (dir->linked || (dir->joined && whole <= keep))
			continue;
		r = dv_store_holds(repo, &kepts, dir, &why);
		if (r == -ECANCELED || r == -ENOMEM)
			return err_set(err, r, "%s", why.text);
		if (r < 0) {
			warn("backup %s stays: %s", dir->ts, why.text);
			(*ret_stay)++;
			r = 0;
			continue;
		}
		bytes += dir->all;
		buf_printf(list, "%s%s", list->len ? " " : "", dir->ts);
	}
	size_text(bytes, size);
	if (r == 0 && list->len)
		say(dv->tool, "%s can go from %s.", size, dv->claim);
	return r < 0 ? r : buf_check(list, err);
}

int dv_clean(struct tool *tool, struct err *err)
{
	const struct dv_plan plan = {
		.kind = DV_CLEAN_KIND, .label = "clean of DV's backups",
		.make = make,
		.question = "remove these backups from the volume?",
	};
	OWNED_BUF struct buf list = BUF_INIT;
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	unsigned stay = 0;
	uint64_t keep = 0;
	int r = option_u64(&tool->options, "keep", DV_DIRS_MAX, &keep, err);

	if (r == 0 && keep == 0) {
		err_set(err, -EINVAL, "how many are to stay on the volume?");
		return err_hint(err, "--keep 1 leaves the newest, from which "
				"a restore begins at once");
	}
	if (r == 0)
		r = dv_begin(tool, &repo, &dv, &run, false, err);
	if (r == 0)
		r = dv_find_image(&dv, err);
	if (r == 0)
		r = dv_check_marker(&dv, err);
	if (r == 0)
		r = dv_reader_open(&dv, err);
	if (r == 0)
		r = choose(&dv, repo, keep, &list, &stay, err);
	if (r == 0 && list.len) {
		r = run_learn(&run, "remove", buf_str(&list), err);
		r = dv_plan_of(&dv, &repo, &run, &plan, r, err);
		return r == DONE && stay ? INCOMPLETE : r;
	}
	if (r == 0)
		say(tool, "Nothing is to be removed from %s.", dv.claim);
	dv.past_stop = true;
	if (dv.pod)
		dv_reader_remove(&dv, NULL);
	return r == 0 && stay ? INCOMPLETE : r;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_clean = { .kind = DV_CLEAN_KIND, .go_on = go_on };
