/*
 * prune_internal: the parts of a prune.
 *
 *   prune_roots.c   what must stay: snapshots, and what others tell they need
 *   prune_lean.c    what blocks lean on
 *   prune_plan.c    packs weighed, and what becomes of each
 *   prune_repack.c  what is alive in a pack written anew
 *   prune_settle.c  condemned, then removed, under the commit lock
 *   prune.c         one after the other
 *
 * Safety does not hang on the plan.  A pack is removed only under the commit
 * lock, after every snapshot there is (and every forgotten one somebody may
 * still read) was marked and nothing that is marked lies in it alone; and only
 * if no add that goes on began before the pack was condemned, for such an add
 * may have found chunks in it.  An add that commits with chunks in a condemned
 * pack spares it, under the same lock.
 */
#ifndef VARVE_PRUNE_INTERNAL_H
#define VARVE_PRUNE_INTERNAL_H

#include "fs/repo/deposit_internal.h"
#include "fs/repo/mark.h"

struct root {			/* a snapshot there is */
	uint8_t id[RECORD_ID];
	uint64_t number;
	struct id parts[5];	/* root, links, origin, view, notes */
	char *label, *by;	/* by: who forgot it, and when; or NULL */
	bool forgotten, pinned;
	bool needed;		/* forgotten, and somebody may still read it */
	uint64_t seq;		/* of the event that forgot it */
};

/* What must stay, as of one moment under the commit lock. */
struct roots {
	struct root *row;
	size_t count;
	uint8_t (*busy)[16];	/* packs of adds that go on */
	size_t busy_count;
	uint64_t oldest_add;	/* what it looked at; UINT64_MAX: none goes on */
	char waits_for[256];
};

int roots_load(struct repo *repo, const struct prune_options *options,
	       struct roots *ret, struct err *err);
void roots_release(struct roots *roots);
/* Did an add that goes on seal this pack? */
bool roots_busy(const struct roots *roots, const uint8_t name[16]);
static inline bool root_stays(const struct root *root)
{
	return !root->forgotten || root->pinned || root->needed;
}

enum fate { FATE_STAYS = 1, FATE_GOES, FATE_MOVES };

struct prune_pack {
	uint32_t number;
	uint8_t name[16];
	uint64_t size, objects;
	uint64_t all, live;	/* plain bytes of its objects, and of marked ones */
	enum fate fate;
	bool kept;		/* of an add that goes on, or broken */
	bool empty;		/* nothing alive lies in it alone (any more) */
	bool condemned, gone;
	bool lonely;		/* a block leans on what nothing else needs */
	uint64_t seq;		/* by which event */
};

struct prune {
	struct repo *repo;
	const struct prune_options *options;
	struct prune_report *report;
	struct mark mark;
	bool marking;		/* mark is initialised */
	struct prune_pack *pack;	/* by number */
	size_t pack_count;
	struct bits moved;	/* rows that are stored elsewhere as well */
	uint64_t used;		/* bytes that are alive */
};

/* Mark what of roots is not marked yet: 1 where there was any. */
int prune_mark(struct prune *prune, const struct roots *roots,
	       struct err *err);

/*
 * prune_lean.c: chunks that blocks with something alive in them were compressed
 * against are alive.  Where nothing else needs one, the block's pack is lonely:
 * written anew without it, so that the next prune takes the chunk.
 */
int lean_mark(struct prune *prune, struct err *err);

/* prune_plan.c */
int plan_packs(struct prune *prune, const struct roots *roots,
	       struct err *err);
int plan_fates(struct prune *prune, struct err *err);
/* Weigh again after more was marked: packs that hold some of it alone are
 * empty no longer. */
int plan_recheck(struct prune *prune, struct err *err);
struct prune_pack *plan_find(struct prune *prune, uint32_t number);
/* Bytes, as stored, of what is dead in it. */
uint64_t plan_dead(const struct prune_pack *pack);

/* prune_repack.c: packs from `from` on, up to a bound; *ret_next is the next
 * one.  What was moved is empty then. */
int repack_some(struct prune *prune, size_t from, size_t *ret_next,
		struct err *err);

/* prune_settle.c: condemn what is empty, remove what can be; with the first,
 * snapshots that were forgotten go as well. */
int settle(struct prune *prune, struct err *err);

static inline bool prune_stopped(const struct prune *prune)
{
	return prune->options->stop && *prune->options->stop;
}

static inline void prune_progress(const struct prune *prune,
				  enum prune_phase phase, uint64_t done,
				  uint64_t total)
{
	if (prune->options->progress)
		prune->options->progress(prune->options->arg, phase, done,
					 total);
}

#endif
