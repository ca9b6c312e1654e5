/*
 * bits: a growing set of small numbers (packs, rows of a catalog).
 *
 * One thread at a time.
 */
#ifndef VARVE_BITS_H
#define VARVE_BITS_H

#include "fs/base/buf.h"

struct bits {
	uint8_t *bytes;
	size_t size;
};

#define BITS_INIT { .bytes = NULL, .size = 0 }

void bits_release(struct bits *bits);
int bits_set(struct bits *bits, uint64_t n, struct err *err);
/* Room for numbers below count: bits_set() of these cannot fail then. */
int bits_reserve(struct bits *bits, uint64_t count, struct err *err);

static inline bool bits_has(const struct bits *bits, uint64_t n)
{
	return n / 8 < bits->size && (bits->bytes[n / 8] & 1u << n % 8);
}

#endif
