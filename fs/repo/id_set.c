#include "fs/repo/id_set.h"

#include <stdlib.h>

void id_set_release(struct id_set *set)
{
	free(set->slot);
	*set = (struct id_set){ .slot = NULL };
}

static int grow(struct id_set *set, struct err *err)
{
	size_t slots = set->slots ? 2 * set->slots : 1024;
	struct id *slot = calloc(slots, sizeof(*slot));

	if (!slot)
		return err_nomem(err);
	for (size_t i = 0; i < set->slots; i++) {
		size_t at = id_spread(&set->slot[i]) & (slots - 1);

		if (id_is_none(&set->slot[i]))
			continue;
		while (!id_is_none(&slot[at]))
			at = (at + 1) & (slots - 1);
		slot[at] = set->slot[i];
	}
	free(set->slot);
	set->slot = slot;
	set->slots = slots;
	return 0;
}

int id_set_add(struct id_set *set, const struct id *id, struct err *err)
{
	size_t at;

	if (2 * set->count >= set->slots && grow(set, err) < 0)
		return -ENOMEM;
	at = id_spread(id) & (set->slots - 1);
	while (!id_is_none(&set->slot[at])) {
		if (id_equal(&set->slot[at], id))
			return 0;
		at = (at + 1) & (set->slots - 1);
	}
	set->slot[at] = *id;
	set->count++;
	return 1;
}

bool id_set_has(const struct id_set *set, const struct id *id)
{
	size_t at;

	if (set->count == 0)
		return false;
	at = id_spread(id) & (set->slots - 1);
	while (!id_is_none(&set->slot[at])) {
		if (id_equal(&set->slot[at], id))
			return true;
		at = (at + 1) & (set->slots - 1);
	}
	return false;
}
