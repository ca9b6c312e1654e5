/*
 * near: where the objects lie that came with one that was read.
 *
 * Whoever decodes a block learns the places of all that is in it, and what is
 * asked for next is mostly among them: files lie beside each other as they did
 * when they were added.  So the catalog, which has to look each id up in a
 * random place of what may be gigabytes, is asked once a block.
 *
 * It forgets, never fails, and may be out of date: a place it tells is a hint,
 * which repo_get_at() proves.  1.5 MiB.  Any thread.
 */
#ifndef VARVE_NEAR_H
#define VARVE_NEAR_H

#include <pthread.h>

#include "fs/catalog/catalog.h"
#include "fs/store/cache.h"

#define NEAR_SLOTS (64u << 10)

struct near_slot {
	uint64_t spread;	/* of the id; 0: empty */
	struct place place;
};

struct near {
	pthread_mutex_t mutex;
	struct near_slot *slot;	/* NULL: no memory was there */
	uint64_t found;
};

void near_init(struct near *near);
void near_release(struct near *near);
/* Of the block at (pack, offset, stored). */
void near_put(struct near *near, uint32_t pack, uint32_t offset,
	      uint32_t stored, const struct cached *block);
bool near_get(struct near *near, const struct id *id, struct place *ret);
/* How often near_get() knew (tests). */
uint64_t near_found(struct near *near);

#endif
