/*
 * prune_internal: the parts of a prune.
 *
 *   prune_roots.c   what must stay: snapshots, and what others tell they need
 *   prune_lean.c    what blocks lean on
 *   prune_plan.c    packs weighed, and what becomes of each
 *   prune_room.c    for which of them there is room to be written anew
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
	struct id parts[6];	/* root, links, origin, view, notes, rows */
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
	bool moving, moved;	/* written anew: in this batch, for good */
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
	size_t drops;		/* forgotten snapshots that are to go */
	bool adding;		/* somebody adds: what is condemned now waits */
	size_t next;		/* pack to look at next for writing it anew */
	uint64_t full_at;	/* this much room was not enough; 0: it was */
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

/*
 * prune_room.c.  Written is before removed, so writing a pack anew takes room
 * first, and gives back more.  Where there is too little, that pack stays; it is
 * never begun, as what is half written on a full disk helps nobody.
 */
/* Bytes that may be written: what is free, but for what telling and removing
 * take. */
int room_look(struct prune *prune, uint64_t *ret, struct err *err);
/* Bytes that writing pack anew takes. */
uint64_t room_for(const struct prune_pack *pack);
/* 1: *ret_index is the next pack that is to be written anew and for which room
 * is enough; 0: there is none. */
int room_next(const struct prune *prune, uint64_t room, size_t *ret_index);
/* Tell in the report what stays for want of room. */
void room_report(struct prune *prune);
/* The same of a dry run; what there will be room for is moved then. */
void room_foresee(struct prune *prune);
/* -ENOSPC: forgotten snapshots would be gone for good and next to nothing would
 * come back for it.  To be asked before anything is written. */
int room_refuse_loss(struct prune *prune, struct err *err);
/* What is there is for removing, and merging the catalog's runs can wait. */
bool room_is_scarce(struct prune *prune);

/* prune_repack.c: packs from `from` on for which room is enough, up to a bound.
 * What was moved is empty then.  -ENOSPC: room was not enough after all. */
int repack_some(struct prune *prune, size_t from, uint64_t room,
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
