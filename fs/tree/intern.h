/*
 * intern: byte strings numbered in the order in which they were first seen.
 *
 * One thread.  An allocation that failed is remembered: bytes.failed.
 */
#ifndef VARVE_INTERN_H
#define VARVE_INTERN_H

#include "fs/base/buf.h"

struct intern {
	struct buf bytes;	/* the strings, one behind the other */
	struct buf ends;	/* u32 each: where it ends in bytes */
	uint32_t count;
	uint32_t *table;	/* open hash: number + 1 */
	uint32_t slots;
};

#define INTERN_INIT { .bytes = BUF_INIT, .ends = BUF_INIT }

/* The number of key: an old one, or count before the call. */
uint32_t intern_put(struct intern *intern, struct span key);
struct span intern_at(const struct intern *intern, uint32_t index);
/* Forget the strings, keep the memory. */
void intern_clear(struct intern *intern);
void intern_release(struct intern *intern);

#endif
