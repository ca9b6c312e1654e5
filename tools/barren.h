/*
 * barren: directories known to hold no match, by the id of their tree.
 *
 * Equal directories have equal ids in all snapshots, so one that was searched
 * in vain is skipped ever after.  Where the pattern looks at paths, the path
 * is part of the key.  Bounded: when full, no more are learnt.  One thread.
 */
#ifndef VARVE_BARREN_H
#define VARVE_BARREN_H

#include "fs/base/id.h"

#define BARREN_MAX (1u << 18)	/* directories remembered */

struct barren;
struct barren *barren_new(void);
void barren_free(struct barren *barren);

/*
 * A walk in pre-order comes to a directory at depth (those at depth and deeper
 * are thereby left).  1: it is known to hold nothing, skip it; 0: go in;
 * -ENOMEM.
 */
int barren_enter(struct barren *barren, unsigned depth, const struct id *tree,
		 const char *path, struct err *err);
/* There was a match at depth: none of the directories above it is barren. */
void barren_found(struct barren *barren, unsigned depth);
/* The walk is over; or was broken off, and nothing is learnt of what is open. */
void barren_finish(struct barren *barren);
void barren_abandon(struct barren *barren);

#endif
