#include "fs/repo/prune_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM_WANTED ((uint64_t)16 << 20)

/* The catalog as of now and what must stay, under one hold of the lock; and
 * every pack is known, also one whose add died before it could tell. */
static int look_locked(struct prune *prune, struct roots *roots,
		       struct err *err)
{
	struct level_report level = { .locked = true, .every_pack = true };
	struct repo *repo = prune->repo;
	struct catalog *frozen = NULL;
	int r;

	r = level_catalog(repo, repo->catalog, &level, NULL, NULL, err);
	if (r == 0)
		r = roots_load(repo, prune->options, roots, err);
	if (r == 0)
		r = catalog_freeze(repo->catalog, &frozen, err);
	if (r < 0)
		return r;
	prune->marking = true;
	return mark_init(&prune->mark, repo, frozen, err);
}

static int look(struct prune *prune, struct roots *roots, struct err *err)
{
	int lock, r;

	r = repo_lock_commit(prune->repo, &lock, err);
	if (r < 0)
		return r;
	r = look_locked(prune, roots, err);
	repo_unlock_commit(lock);
	return r;
}

static void count_snapshots(struct prune *prune, const struct roots *roots)
{
	struct prune_report *report = prune->report;

	for (size_t i = 0; i < roots->count; i++) {
		const struct root *root = &roots->row[i];

		report->snapshots += !root->forgotten;
		report->snapshots_held += root->forgotten && root->needed;
		report->snapshots_removed += !root_stays(root);
	}
}

/* A dry run is told of it. */
static int refuse_too_much(const struct prune *prune, struct err *err)
{
	struct prune_report *report = prune->report;
	int r;

	if (prune->options->force ||
	    report->unreachable <= report->bytes_before / 2)
		return 0;
	report->over_half = true;
	if (prune->options->dry_run)
		return 0;
	r = err_set(err, -EPERM, "%" PRIu64 " of the %" PRIu64 " bytes in '%s' "
		    "are needed by no snapshot: over half of all would be "
		    "removed", report->unreachable, report->bytes_before,
		    prune->repo->path);
	if (prune->drops)
		err_hint(err, "'varve list --all' shows what was forgotten: "
			 "'varve undelete' brings back that, and nothing "
			 "else; --force goes on");
	else
		err_hint(err, "no forgotten snapshot is left to be brought "
			 "back: this is what an earlier prune ('varve log') "
			 "did not come to, or what adds left that did not end; "
			 "--force goes on");
	return r;
}

static int make_plan(struct prune *prune, struct err *err)
{
	struct roots roots = { .row = NULL };
	int r;

	r = look(prune, &roots, err);
	if (r == 0)
		r = prune_mark(prune, &roots, err);
	if (r >= 0)
		r = plan_packs(prune, &roots, err);
	if (r == 0)
		r = lean_mark(prune, err);
	if (r == 0)
		r = plan_fates(prune, err);
	for (size_t i = 0; i < roots.count; i++)
		prune->drops += !root_stays(&roots.row[i]);
	prune->adding = roots.oldest_add != UINT64_MAX;
	if (r == 0 && prune->options->dry_run)
		count_snapshots(prune, &roots);
	prune->report->missing = prune->mark.missing;
	roots_release(&roots);
	return r;
}

static void foresee(struct prune *prune)
{
	struct prune_report *report = prune->report;

	room_foresee(prune);
	for (size_t i = 0; i < prune->pack_count; i++) {
		const struct prune_pack *pack = &prune->pack[i];

		if (pack->fate == FATE_STAYS ||
		    (pack->fate == FATE_MOVES && !pack->moved))
			continue;
		report->packs_removed++;
		report->bytes_removed += pack->size;
		report->packs_repacked += pack->fate == FATE_MOVES;
		if (pack->fate == FATE_MOVES)
			report->bytes_repacked += pack->size -
						  plan_dead(pack);
	}
}

static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

/* 1: some were written anew; 0: all were for which there is room. */
static int repack_next(struct prune *prune, struct err *err)
{
	uint64_t room;
	size_t index;
	int r = room_look(prune, &room, err);

	if (r < 0 || !room_next(prune, room, &index))
		return r;
	r = repack_some(prune, index, room, err);
	if (is_full(r)) {
		prune->full_at = room;
		return 0;
	}
	return r < 0 ? r : 1;
}

/* What is dead as a whole goes first: that makes room for the rest. */
static int carry_out(struct prune *prune, struct err *err)
{
	int r = settle(prune, err), more = 1;

	while (r == 0 && more && !prune_stopped(prune)) {
		/* what is open still is no room yet */
		repo_close_removed(prune->repo);
		more = r = repack_next(prune, err);
		if (r == 1)
			r = settle(prune, err);
	}
	prune->report->stopped = prune_stopped(prune);
	if (r == 0)
		room_report(prune);
	return r;
}

/* For the few files that removing others takes. */
static void make_room(struct repo *repo)
{
	uint64_t room;

	if (disk_free_bytes(&repo->dir, &room, NULL) == 0 &&
	    room < ROOM_WANTED)
		reserve_release(repo);
}

static int prune_locked(struct prune *prune, struct err *err)
{
	struct repo *repo = prune->repo;
	int r = make_plan(prune, err);

	if (r == -ECANCELED) {
		prune->report->stopped = true;
		return 0;
	}
	if (r == 0)
		r = refuse_too_much(prune, err);
	if (r == 0)
		r = room_refuse_loss(prune, err);
	if (r < 0)
		return r;
	if (prune->options->dry_run) {
		foresee(prune);
		return 0;
	}
	make_room(repo);
	catalog_put_off(repo->catalog, room_is_scarce(prune));
	r = catalog_set_durable(repo->catalog, true, err);
	if (r == 0)
		r = carry_out(prune, err);
	catalog_set_durable(repo->catalog, false, NULL);
	catalog_put_off(repo->catalog, false);
	reserve_keep(repo);
	return r;
}

static void prune_release(struct prune *prune)
{
	if (prune->marking)
		mark_release(&prune->mark);
	bits_release(&prune->moved);
	free(prune->pack);
}

int repo_prune(struct repo *repo, const struct prune_options *options,
	       struct prune_report *report, struct err *err)
{
	struct prune prune = { .repo = repo, .options = options,
			       .report = report };
	int lock, r;

	*report = (struct prune_report){ 0 };
	r = repo_lock_prune(repo, "another prune", &lock, err);
	if (r < 0)
		return r;
	r = prune_locked(&prune, err);
	prune_release(&prune);
	/* After all else, and no loss where it fails. */
	if (r == 0 && !options->dry_run && report->packs_short == 0)
		catalog_shrink(repo->catalog, NULL);
	close(lock);
	return r;
}
