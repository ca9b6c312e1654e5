/*
 * chunker: cuts bytes by content (gear hash, normalised as FastCDC does).
 *
 * Pure: no memory, no I/O, no ids.  Given the bytes from the start of a chunk,
 * says where it ends.  The gear table is derived from the store's seed, so
 * that chunk lengths do not tell what is in a store.
 */
#ifndef VARVE_CHUNKER_H
#define VARVE_CHUNKER_H

#include "fs/base/id.h"

struct chunker_sizes {
	uint32_t min, avg, max;		/* avg a power of two */
};

struct chunker {
	uint64_t gear[256];
};

void chunker_init(struct chunker *chunker, const uint8_t seed[ID_SEED]);

/* By the size of the file: < 4 MiB 4/16/64 KiB; < 1 GiB (or not known:
 * UINT64_MAX) 16/64/256 KiB; above 64/256/1024 KiB. */
struct chunker_sizes chunker_sizes_for(uint64_t file_size);
#define CHUNKER_LARGEST (UINT64_MAX - 1)	/* a file_size of the longest */

/*
 * Length of the chunk that begins at data.  len bytes are at hand; more says
 * whether others follow them.  0: cannot tell yet, give more (only where more
 * is true and len < max).
 */
size_t chunker_cut(const struct chunker *chunker,
		   const struct chunker_sizes *sizes, const uint8_t *data,
		   size_t len, bool more);

#endif
