#include "fs/repo/near.h"

#include <stdlib.h>

void near_init(struct near *near)
{
	pthread_mutex_init(&near->mutex, NULL);
	near->slot = calloc(NEAR_SLOTS, sizeof(*near->slot));
	near->found = 0;
}

void near_release(struct near *near)
{
	free(near->slot);
	pthread_mutex_destroy(&near->mutex);
}

static uint64_t spread_of(const struct id *id)
{
	uint64_t spread = id_spread(id);

	return spread ? spread : 1;
}

void near_put(struct near *near, uint32_t pack, uint32_t offset,
	      uint32_t stored, const struct cached *block)
{
	if (!near->slot)
		return;
	pthread_mutex_lock(&near->mutex);
	for (uint32_t i = 0; i < block->count; i++) {
		uint64_t spread = spread_of(&block->ids[i]);

		near->slot[spread % NEAR_SLOTS] = (struct near_slot){
			spread, { pack, offset, stored, block->at[i] },
		};
	}
	pthread_mutex_unlock(&near->mutex);
}

bool near_get(struct near *near, const struct id *id, struct place *ret)
{
	uint64_t spread = spread_of(id);
	const struct near_slot *slot;
	bool known;

	if (!near->slot)
		return false;
	slot = &near->slot[spread % NEAR_SLOTS];
	pthread_mutex_lock(&near->mutex);
	known = slot->spread == spread;
	if (known) {
		*ret = slot->place;
		near->found++;
	}
	pthread_mutex_unlock(&near->mutex);
	return known;
}

uint64_t near_found(struct near *near)
{
	uint64_t found;

	pthread_mutex_lock(&near->mutex);
	found = near->found;
	pthread_mutex_unlock(&near->mutex);
	return found;
}
