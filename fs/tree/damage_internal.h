/*
 * damage_internal: the walk over a snapshot, apart from what becomes of it.
 */
#ifndef VARVE_DAMAGE_INTERNAL_H
#define VARVE_DAMAGE_INTERNAL_H

#include "fs/repo/bits.h"
#include "fs/tree/damage.h"

/* A page or index that is to be looked at. */
struct damage_item {
	struct id id;
	size_t above;		/* the item it came from; its own for the top */
	size_t name_at;		/* in names: its own name ("" in the middle of
				 * a directory), first entry, end */
	unsigned levels;
	bool entered, dirty;
};

struct finder {
	struct repo *repo;
	struct getter getter;
	struct id_set *bad;
	struct id_set clean;		/* objects with all below them */
	const struct bits *prove;	/* chunks in these packs are read: bad is
					 * found on the way; or NULL */
	struct damage_item *item;
	size_t depth, cap;
	struct buf names, path;
	struct id ids[DAMAGE_KEYS_MAX];	/* of what is being looked at */
	size_t count;
	bool more;
	const struct snapshot *snapshot;
	/* Tell of it: ids and count are filled in. */
	int (*tell)(struct finder *finder, enum damage_part part,
		    const char *path, const char *words, struct err *err);
	void *arg;
};

void finder_release(struct finder *finder);
/* Everything of finder->snapshot. */
int finder_walk(struct finder *finder, struct err *err);

#endif
