/*
 * id_map: ids by other ids, in bounded memory.
 *
 * It forgets: where it is full, or memory is, an entry takes another's place.
 * So whoever asks it must know what to do where an answer is not there, and it
 * never fails.  48 bytes a slot, at most 48 MiB.
 *
 * One thread at a time.
 */
#ifndef VARVE_ID_MAP_H
#define VARVE_ID_MAP_H

#include "fs/base/id.h"

#define ID_MAP_SLOTS (1u << 20)		/* at most */

struct id_pair {
	struct id from, to;
};

struct id_map {
	struct id_pair *slot;
	size_t slots, count;
};

void id_map_release(struct id_map *map);
/* from is not none.  In place of what it had. */
void id_map_put(struct id_map *map, const struct id *from,
		const struct id *to);
/* False: not there, any more. */
bool id_map_get(const struct id_map *map, const struct id *from,
		struct id *ret);

#endif
