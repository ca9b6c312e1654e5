/*
 * id_set: a growing set of ids.  24 bytes each, twice over.
 *
 * One thread at a time.
 */
#ifndef VARVE_ID_SET_H
#define VARVE_ID_SET_H

#include "fs/base/id.h"

struct id_set {
	struct id *slot;
	size_t slots, count;
};

void id_set_release(struct id_set *set);
/* 1: added; 0: it was there.  id is not none. */
int id_set_add(struct id_set *set, const struct id *id, struct err *err);
bool id_set_has(const struct id_set *set, const struct id *id);

#endif
