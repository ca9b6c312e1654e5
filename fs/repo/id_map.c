#include "fs/repo/id_map.h"

#include <stdlib.h>

#define SLOTS_FIRST 1024u
#define WINDOW 8u		/* slots an id may stand in */

void id_map_release(struct id_map *map)
{
	free(map->slot);
	*map = (struct id_map){ .slot = NULL };
}

/* The slot that has from, or a free one for it; else another's. */
static struct id_pair *slot_for(const struct id_map *map,
				const struct id *from)
{
	uint64_t spread = id_spread(from);
	struct id_pair *slot = NULL;

	for (size_t i = 0; i < WINDOW; i++) {
		slot = &map->slot[(spread + i) & (map->slots - 1)];
		if (id_is_none(&slot->from) || id_equal(&slot->from, from))
			return slot;
	}
	/* which of the window's gives way depends on who comes */
	return &map->slot[(spread + (spread >> 56) % WINDOW) &
			  (map->slots - 1)];
}

static void put(struct id_map *map, const struct id *from,
		const struct id *to)
{
	struct id_pair *slot = slot_for(map, from);

	map->count += id_is_none(&slot->from);
	slot->from = *from;
	slot->to = *to;
}

static void grow(struct id_map *map)
{
	struct id_map larger = {
		.slots = map->slots ? 2 * map->slots : SLOTS_FIRST,
	};

	if (larger.slots > ID_MAP_SLOTS)
		return;
	larger.slot = calloc(larger.slots, sizeof(*larger.slot));
	if (!larger.slot)
		return;
	for (size_t i = 0; i < map->slots; i++)
		if (!id_is_none(&map->slot[i].from))
			put(&larger, &map->slot[i].from, &map->slot[i].to);
	free(map->slot);
	*map = larger;
}

void id_map_put(struct id_map *map, const struct id *from,
		const struct id *to)
{
	if (2 * map->count >= map->slots)
		grow(map);
	if (map->slots > 0)
		put(map, from, to);
}

bool id_map_get(const struct id_map *map, const struct id *from,
		struct id *ret)
{
	const struct id_pair *slot;

	if (map->slots == 0)
		return false;
	slot = slot_for(map, from);
	if (!id_equal(&slot->from, from))
		return false;
	*ret = slot->to;
	return true;
}
