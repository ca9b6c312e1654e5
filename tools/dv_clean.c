#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/disk.h"
#include "tools/format.h"
#include "tools/procedure.h"

#define HOLD ".varve-removed-"
#define UNSTORED "unstored"	/* fact: the store has not what goes */

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
		       "remove them for good; the store has %s",
		       run_fact(r->run, UNSTORED) ? "it not" : "them");
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_END | PLAN_DESTROYS;
	return dv_add_unread(r, err);
}

struct choosing {
	struct dv *dv;
	struct repo *repo;
	struct dv_volume volume;
	struct dv_kepts kepts;
	uint64_t keep;		/* 0: one is named */
	struct buf list;
	uint64_t bytes;
	unsigned stay;
	bool unstored;		/* the one that is named is not in the store */
};

static void choosing_release(struct choosing *c)
{
	dv_volume_release(&c->volume);
	dv_kepts_release(&c->kepts);
	buf_release(&c->list);
}

static void choose_it(struct choosing *c, const struct dv_dir *dir)
{
	c->bytes += dir->all;
	buf_printf(&c->list, "%s%s", c->list.len ? " " : "", dir->ts);
}

/* Which go: past the newest that are kept, and not the link's. */
static int choose(struct choosing *c, struct err *err)
{
	uint64_t whole = 0;

	for (size_t i = 0; i < c->volume.count; i++) {
		const struct dv_dir *dir = &c->volume.dirs[i];
		struct err why = ERR_INIT;
		int r;

		/* what never became a backup is none that is kept */
		whole += dir->joined > 0;
		if (dir->linked || (dir->joined && whole <= c->keep))
			continue;
		r = dv_store_holds(c->repo, &c->kepts, dir, &why);
		if (r == -ECANCELED || r == -ENOMEM)
			return err_set(err, r, "%s", why.text);
		if (r == 0) {
			choose_it(c, dir);
			continue;
		}
		err_wrap(&why, "backup %s stays", dir->ts);
		err_hint(&why, "varve dv clean %s -n %s --unstored removes it "
			 "all the same", dir->ts, c->dv->ns);
		warn_of(&why);
		c->stay++;
	}
	return 0;
}

static int choose_named(struct choosing *c, const char *ts, struct err *err)
{
	const struct dv_dir *dir = dv_dir_find(&c->volume, ts);
	struct err why = ERR_INIT;
	int r;

	if (!dir) {
		err_set(err, -ENOENT, "backup %s is not on %s", ts,
			c->dv->claim);
		return err_hint(err, "varve dv list -n %s names those that are",
				c->dv->ns);
	}
	if (dir->linked) {
		err_set(err, -EPERM, "the link " DV_JOINED " points to backup "
			"%s", ts);
		return err_hint(err, "it can go once a later backup is there");
	}
	choose_it(c, dir);
	r = dv_store_holds(c->repo, &c->kepts, dir, &why);
	if (r == 0)
		return 0;
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", why.text);
	c->unstored = true;
	if (option_given(&c->dv->tool->options, "unstored")) {
		warn("backup %s: %s", ts, why.text);
		return 0;
	}
	err_set(err, r, "backup %s stays: %s", ts, why.text);
	return err_hint(err, "--unstored removes it all the same");
}

/* --keep N, or the name of one. */
static int check_words(struct choosing *c, const struct tool *tool,
		       const char **ret_ts, struct err *err)
{
	const struct options *o = &tool->options;
	const char *ts = o->word_count > 1 ? o->words[1] : NULL;
	int r = option_u64(o, "keep", DV_DIRS_MAX, &c->keep, err);

	if (r < 0)
		return r;
	if (ts && option_given(o, "keep"))
		return err_set(err, -EINVAL, "--keep is of all backups, and "
			       "'%s' is one: which is it to be?", ts);
	if (!ts && option_given(o, "unstored")) {
		err_set(err, -EINVAL, "--unstored is of a backup that is named");
		return err_hint(err, "varve dv clean BACKUP --unstored");
	}
	if (ts && !dv_is_ts(ts, strlen(ts))) {
		err_set(err, -EINVAL, "'%s' is no backup's name", ts);
		return err_hint(err, "as 2021-01-22-19-27-31");
	}
	if (!ts && c->keep == 0) {
		err_set(err, -EINVAL, "how many are to stay on the volume?");
		return err_hint(err, "--keep 1 leaves the newest, from which "
				"a restore begins at once");
	}
	*ret_ts = ts;
	return 0;
}

static int look(struct choosing *c, const char *ts, struct err *err)
{
	struct dv *dv = c->dv;
	int r = dv_find_image(dv, err);

	if (r == 0)
		r = dv_check_marker(dv, err);
	if (r == 0)
		r = dv_reader_open(dv, err);
	if (r == 0)
		r = dv_kepts_load(c->repo, dv, false, &c->kepts, err);
	if (r == 0)
		r = dv_volume_read(dv, &c->volume, err);
	if (r == 0)
		r = ts ? choose_named(c, ts, err) : choose(c, err);
	return r < 0 ? r : buf_check(&c->list, err);
}

int dv_clean(struct tool *tool, struct err *err)
{
	const struct dv_plan plan = {
		.kind = DV_CLEAN_KIND, .label = "clean of DV's backups",
		.make = make,
		.question = "remove these backups from the volume?",
	};
	CLEANUP(choosing_release) struct choosing c = { .list = BUF_INIT };
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_REPO struct repo *repo = NULL;
	const char *ts = NULL;
	char size[SIZE_TEXT];
	int r = check_words(&c, tool, &ts, err);

	if (r == 0)
		r = dv_begin(tool, &repo, &dv, &run, false, err);
	c.dv = &dv;
	c.repo = repo;
	if (r == 0)
		r = look(&c, ts, err);
	if (r == 0 && c.list.len) {
		size_text(c.bytes, size);
		say(tool, "%s can go from %s.", size, dv.claim);
		r = run_learn(&run, "remove", buf_str(&c.list), err);
		if (r == 0)
			r = c.unstored ? run_learn(&run, UNSTORED, "1", err) :
					 0;
		r = dv_plan_of(&dv, &repo, &run, &plan, r, err);
		return r == DONE && c.stay ? INCOMPLETE : r;
	}
	if (r == 0)
		say(tool, "Nothing is to be removed from %s.", dv.claim);
	dv.past_stop = true;
	if (dv.pod)
		dv_reader_remove(&dv, NULL);
	return r == 0 && c.stay ? INCOMPLETE : r;
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	return dv_go_on(tool, run, back, accept, make, err);
}

const struct procedure procedure_dv_clean = { .kind = DV_CLEAN_KIND, .go_on = go_on };
