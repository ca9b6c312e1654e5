/*
 * cache: decoded blocks, kept in a stated budget of memory.
 *
 * Keyed by (pack number, block offset).  Whoever asks first decodes; others
 * that ask for the same block meanwhile wait for that one result (single
 * flight).  A result is pinned until released, and may be borrowed by any
 * thread while pinned.  Eviction is LRU-like (segmented so that one scan does
 * not flush what is used again).  Pinned blocks may exceed the budget for a
 * moment; unpinned ones never do.  Beside it there is the room of blocks that
 * went, 4 MiB at most.  A failed load is told to all its waiters
 * and not kept.
 *
 * A load may itself cache_get() other blocks (those of its prefix), a few
 * levels deep; -EBADMSG beyond, as blocks then need each other to be read.
 * Inside a load nobody waits for another's: what is on its way is decoded a
 * second time, so that loads can never wait for each other.
 *
 * Any thread.
 */
#ifndef VARVE_CACHE_H
#define VARVE_CACHE_H

#include "fs/base/buf.h"
#include "fs/base/id.h"

struct cache;

struct cached {			/* one decoded block */
	struct buf plain;
	uint32_t count;		/* objects */
	struct id *ids;		/* owned, count of them */
	uint32_t *at;		/* their offsets in plain; count of them */
	struct id *bases;	/* the chunks it leans on; owned, or NULL */
	uint32_t base_count;
	uint8_t *proved;	/* atomic flags: bytes were hashed against ids */
};

struct cache_stats {
	uint64_t hits, misses, waits /* single flights */, evictions;
	uint64_t bytes, peak_bytes;
	uint64_t rooms_again;		/* times a block got the room of another */
};

/* budget in bytes.  NULL: out of memory. */
struct cache *cache_new(size_t budget);
/* about() is called by each thread that is to load a block or to wait for one.
 * Before other calls. */
void cache_on_wait(struct cache *cache, void (*about)(void));
/* Nothing is pinned any more. */
void cache_free(struct cache *cache);

/*
 * Pin the block, loading it by load(arg, pack, offset, stored, ret, err)
 * where it is not there.  load fills *ret (plain, ids, at; all empty before;
 * malloc()ed, the cache frees them, also what a failed load left); proved is
 * made by the cache.  Returns load's error.
 */
typedef int cache_load(void *arg, uint32_t pack, uint32_t offset,
		       uint32_t stored, struct cached *ret, struct err *err);
int cache_get(struct cache *cache, uint32_t pack, uint32_t offset,
	      uint32_t stored, cache_load *load, void *arg,
	      struct cached **ret, struct err *err);
/* Give one pin back. */
void cache_release(struct cache *cache, struct cached *block);
/* A second pin on a block that the caller has pinned. */
void cache_hold(struct cache *cache, struct cached *block);
/* Is it there (or on its way)?  For read-ahead. */
bool cache_has(struct cache *cache, uint32_t pack, uint32_t offset);
/*
 * Room for len bytes into *ret, which is empty: that of a block which went, where
 * there is some, as fresh memory costs more than what is decoded into it.  What a
 * load puts into its block's plain may come from here.  -ENOMEM.
 */
int cache_room(struct cache *cache, size_t len, struct buf *ret);
/* Forget what is kept of a pack (it was removed or found damaged). */
void cache_drop_pack(struct cache *cache, uint32_t pack);
void cache_get_stats(struct cache *cache, struct cache_stats *ret);

#endif
