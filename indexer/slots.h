/*
 * slots: an array of small fixed-size values that may outgrow memory.
 *
 * Values are got and put by index, in any order; what was never put is zeros.
 * A budget of pages stays in memory, the others lie in an unlinked temporary
 * file of the store, each checked against its sum when it comes back.  The
 * file is made when the budget is first exceeded.  One thread; nothing of it
 * outlives the process.
 */
#ifndef VARVE_SLOTS_H
#define VARVE_SLOTS_H

#include "fs/base/disk.h"

/* Small, as far-apart values are what brings a table to disk. */
#define SLOTS_PAGE 512

struct slots;

/* width: bytes of a value, a divisor of SLOTS_PAGE.  dir: the store's,
 * borrowed.  budget: bytes of pages kept, at least two pages. */
struct slots *slots_new(struct disk_dir *dir, size_t width, size_t budget);
void slots_free(struct slots *slots);
int slots_get(struct slots *slots, uint64_t index, void *ret,
	      struct err *err);
int slots_put(struct slots *slots, uint64_t index, const void *value,
	      struct err *err);

#endif
