#include "fs/store/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SHARDS_MAX    16u
#define SHARD_LEAST   (8u << 20)	/* bytes of budget worth a shard */
#define BUCKETS_FIRST 64u
/* Of a shard's share of the budget: what the protected segment may hold, */
#define PROTECTED_NUM 2u
#define PROTECTED_DEN 5u
/* and how much must have been loaded since a block came before another hit
 * counts as use again and not as the rest of the same one. */
#define AGE_DEN	      16u
#define NEST_MAX      4u	/* loads within loads */
/* Rooms of blocks that went, kept for others: those that malloc() would take
 * from the kernel and give back each time. */
#define SPARES	      24u
#define SPARE_BYTES   (4u << 20)
#define ROOM_LEAST    (64u << 10)
#define ROOM_MAX      (1280u << 10)
#define ROOM_OVER     4u	/* at most so many times less is left unused */

enum state { LOADING = 1, READY, FAILED };
enum segment { PROBATION, PROTECTED, SEGMENTS };

struct entry {
	struct cached block;	/* first: cache_release() gets its address */
	uint64_t key;
	size_t bytes;
	struct entry *chain;
	struct entry *newer, *older;	/* while unpinned */
	uint64_t loaded_at;	/* the shard's loaded when it came */
	unsigned pins;		/* users, loader and waiters */
	enum state state;
	enum segment segment;
	bool kept;		/* in the hash table */
	pthread_cond_t done;
	int result;		/* of a FAILED load */
	struct err *why;
};

/* Blocks nobody pins: newest at one end, next to go at the other. */
struct order {
	struct entry *newest, *oldest;
	size_t bytes;
};

struct shard {
	pthread_mutex_t lock;	/* over all below */
	struct entry **buckets;
	size_t bucket_count, count;
	struct order order[SEGMENTS];
	uint64_t loaded;	/* bytes, ever */
	uint64_t hits, misses, waits, evictions;
} __attribute__((aligned(64)));

struct cache {
	size_t budget;
	size_t protected_max;	/* bytes of one shard */
	size_t age;
	unsigned shard_count;	/* a power of two */
	_Atomic uint64_t bytes, peak;
	void (*about)(void);
	pthread_mutex_t spare_lock;
	struct buf spare[SPARES];
	unsigned spare_count;
	size_t spare_bytes;
	uint64_t rooms_again;
	struct shard shards[];
};

/* Loads this thread is inside of. */
static _Thread_local unsigned nested;

static uint64_t key_of(uint32_t pack, uint32_t offset)
{
	return (uint64_t)pack << 32 | offset;
}

static uint64_t spread(uint64_t key)
{
	key ^= key >> 31;
	key *= 0x9e3779b97f4a7c15u;
	return key ^ key >> 29;
}

static struct shard *shard_of(struct cache *cache, uint64_t key)
{
	return &cache->shards[spread(key) >> 40 & (cache->shard_count - 1)];
}

static struct entry **bucket_of(struct shard *shard, uint64_t key)
{
	return &shard->buckets[spread(key) & (shard->bucket_count - 1)];
}

static struct entry *find(struct shard *shard, uint64_t key)
{
	struct entry *entry = *bucket_of(shard, key);

	while (entry && entry->key != key)
		entry = entry->chain;
	return entry;
}

/* Chains get long rather than a load fail. */
static void grow(struct shard *shard)
{
	size_t old_count = shard->bucket_count;
	struct entry **old = shard->buckets;
	struct entry **buckets;

	buckets = calloc(old_count * 2, sizeof(struct entry *));
	if (!buckets)
		return;
	shard->buckets = buckets;
	shard->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		struct entry *entry = old[i];

		while (entry) {
			struct entry *next = entry->chain;
			struct entry **bucket = bucket_of(shard, entry->key);

			entry->chain = *bucket;
			*bucket = entry;
			entry = next;
		}
	}
	free(old);
}

static void enter(struct shard *shard, struct entry *entry)
{
	struct entry **bucket;

	if (shard->count >= shard->bucket_count)
		grow(shard);
	bucket = bucket_of(shard, entry->key);
	entry->chain = *bucket;
	*bucket = entry;
	entry->kept = true;
	shard->count++;
}

static void forget(struct shard *shard, struct entry *entry)
{
	struct entry **at = bucket_of(shard, entry->key);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	entry->kept = false;
	shard->count--;
}

static void order_put(struct shard *shard, struct entry *entry,
		      enum segment segment)
{
	struct order *order = &shard->order[segment];

	entry->segment = segment;
	entry->newer = NULL;
	entry->older = order->newest;
	if (order->newest)
		order->newest->newer = entry;
	else
		order->oldest = entry;
	order->newest = entry;
	order->bytes += entry->bytes;
}

static void order_take(struct shard *shard, struct entry *entry)
{
	struct order *order = &shard->order[entry->segment];

	if (entry->newer)
		entry->newer->older = entry->older;
	else
		order->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		order->oldest = entry->newer;
	order->bytes -= entry->bytes;
}

static void count_bytes(struct cache *cache, size_t bytes)
{
	uint64_t now = atomic_fetch_add_explicit(&cache->bytes, bytes,
						 memory_order_relaxed) + bytes;
	uint64_t peak = atomic_load_explicit(&cache->peak,
					     memory_order_relaxed);

	while (now > peak &&
	       !atomic_compare_exchange_weak_explicit(
		       &cache->peak, &peak, now, memory_order_relaxed,
		       memory_order_relaxed))
		;
}

static bool over_budget(struct cache *cache)
{
	return atomic_load_explicit(&cache->bytes, memory_order_relaxed) >
	       cache->budget;
}

/* Under the lock: the oldest is the first. */
static struct buf spare_take(struct cache *cache, unsigned i)
{
	struct buf spare = cache->spare[i];

	cache->spare_count--;
	cache->spare_bytes -= spare.cap;
	memmove(&cache->spare[i], &cache->spare[i + 1],
		(cache->spare_count - i) * sizeof(spare));
	return spare;
}

/* The oldest spares go for it: sizes that nobody asks for must not stay. */
static void room_keep(struct cache *cache, struct buf *room)
{
	if (room->cap < ROOM_LEAST || room->cap > ROOM_MAX)
		return;
	buf_clear(room);
	pthread_mutex_lock(&cache->spare_lock);
	while (cache->spare_count == SPARES ||
	       cache->spare_bytes + room->cap > SPARE_BYTES) {
		struct buf old = spare_take(cache, 0);

		pthread_mutex_unlock(&cache->spare_lock);
		buf_release(&old);
		pthread_mutex_lock(&cache->spare_lock);
	}
	cache->spare_bytes += room->cap;
	cache->spare[cache->spare_count++] = *room;
	pthread_mutex_unlock(&cache->spare_lock);
	*room = (struct buf)BUF_INIT;
}

/* Under the lock: the smallest that has room, and not far too much. */
static bool room_find(struct cache *cache, size_t len, unsigned *ret)
{
	size_t best = SIZE_MAX;

	for (unsigned i = 0; i < cache->spare_count; i++) {
		size_t cap = cache->spare[i].cap;

		if (cap >= len && cap - len <= len / ROOM_OVER && cap < best) {
			best = cap;
			*ret = i;
		}
	}
	return best < SIZE_MAX;
}

int cache_room(struct cache *cache, size_t len, struct buf *ret)
{
	struct buf room = BUF_INIT;
	unsigned i;

	if (len >= ROOM_LEAST) {
		pthread_mutex_lock(&cache->spare_lock);
		if (room_find(cache, len, &i)) {
			room = spare_take(cache, i);
			cache->rooms_again++;
		}
		pthread_mutex_unlock(&cache->spare_lock);
	}
	if (!room.data && len > 0) {
		room.data = malloc(len);
		if (!room.data)
			return -ENOMEM;
		room.cap = len;
	}
	*ret = room;
	return 0;
}

static void cached_release(struct cache *cache, struct cached *block)
{
	room_keep(cache, &block->plain);
	buf_release(&block->plain);
	free(block->ids);
	free(block->bases);
	free(block->at);
	free(block->proved);
}

/* Nobody sees it any more.  Needs no lock: freeing large blocks is slow. */
static void entry_free(struct cache *cache, struct entry *entry)
{
	if (!entry)
		return;
	atomic_fetch_sub_explicit(&cache->bytes, entry->bytes,
				  memory_order_relaxed);
	cached_release(cache, &entry->block);
	pthread_cond_destroy(&entry->done);
	free(entry->why);
	free(entry);
}

/* The one to go next, taken out of the shard; NULL: all are pinned. */
static struct entry *victim(struct shard *shard)
{
	struct entry *entry = shard->order[PROBATION].oldest;

	if (!entry)
		entry = shard->order[PROTECTED].oldest;
	if (!entry)
		return NULL;
	order_take(shard, entry);
	forget(shard, entry);
	shard->evictions++;
	return entry;
}

/* Beginning with the shard that grew.  Its lock is not held. */
static void evict(struct cache *cache, struct shard *shard)
{
	unsigned first = (unsigned)(shard - cache->shards);

	for (unsigned i = 0; i < cache->shard_count; i++) {
		shard = &cache->shards[(first + i) & (cache->shard_count - 1)];
		while (over_budget(cache)) {
			struct entry *entry;

			pthread_mutex_lock(&shard->lock);
			entry = victim(shard);
			pthread_mutex_unlock(&shard->lock);
			if (!entry)
				break;
			entry_free(cache, entry);
		}
	}
}

static unsigned shards_for(size_t budget)
{
	unsigned count = 1;

	while (count < SHARDS_MAX && budget / (count * 2) >= SHARD_LEAST)
		count *= 2;
	return count;
}

struct cache *cache_new(size_t budget)
{
	unsigned count = shards_for(budget);
	size_t size = sizeof(struct cache) + count * sizeof(struct shard);
	struct cache *cache = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!cache)
		return NULL;
	memset(cache, 0, size);
	cache->budget = budget;
	cache->shard_count = count;
	pthread_mutex_init(&cache->spare_lock, NULL);
	cache->protected_max = budget / count / PROTECTED_DEN * PROTECTED_NUM;
	cache->age = budget / count / AGE_DEN;
	for (unsigned i = 0; i < count; i++) {
		struct shard *shard = &cache->shards[i];

		pthread_mutex_init(&shard->lock, NULL);
		shard->bucket_count = BUCKETS_FIRST;
		shard->buckets = calloc(BUCKETS_FIRST, sizeof(struct entry *));
		if (!shard->buckets) {
			cache->shard_count = i + 1;
			cache_free(cache);
			return NULL;
		}
	}
	return cache;
}

void cache_on_wait(struct cache *cache, void (*about)(void))
{
	cache->about = about;
}

static void tell_about(struct cache *cache)
{
	if (cache->about)
		cache->about();
}

static void chain_free(struct cache *cache, struct entry *entry)
{
	while (entry) {
		struct entry *next = entry->chain;

		entry_free(cache, entry);
		entry = next;
	}
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];

		for (size_t b = 0; shard->buckets && b < shard->bucket_count;
		     b++)
			chain_free(cache, shard->buckets[b]);
		free(shard->buckets);
		pthread_mutex_destroy(&shard->lock);
	}
	for (unsigned i = 0; i < cache->spare_count; i++)
		buf_release(&cache->spare[i]);
	pthread_mutex_destroy(&cache->spare_lock);
	free(cache);
}

/* Under the lock: one user less.  True: the caller frees it, unlocked. */
static bool unpin(struct cache *cache, struct shard *shard,
		  struct entry *entry)
{
	struct order *protected = &shard->order[PROTECTED];

	if (--entry->pins > 0)
		return false;
	if (!entry->kept)
		return true;
	order_put(shard, entry, entry->segment);
	while (protected->bytes > cache->protected_max) {
		struct entry *demoted = protected->oldest;

		order_take(shard, demoted);
		order_put(shard, demoted, PROBATION);
	}
	return false;
}

void cache_hold(struct cache *cache, struct cached *block)
{
	struct entry *entry = (struct entry *)block;
	struct shard *shard = shard_of(cache, entry->key);

	pthread_mutex_lock(&shard->lock);
	entry->pins++;
	pthread_mutex_unlock(&shard->lock);
}

void cache_release(struct cache *cache, struct cached *block)
{
	struct entry *entry = (struct entry *)block;
	struct shard *shard = shard_of(cache, entry->key);
	bool gone;

	pthread_mutex_lock(&shard->lock);
	gone = unpin(cache, shard, entry);
	pthread_mutex_unlock(&shard->lock);
	if (gone)
		entry_free(cache, entry);
	else if (over_budget(cache))
		evict(cache, shard);
}

/* What the block really takes up; gives back what growing left over. */
static size_t measure(struct entry *entry)
{
	struct cached *block = &entry->block;
	struct buf *plain = &block->plain;
	size_t over = plain->cap - plain->len;
	uint8_t *data;

	if (plain->len > 0 &&
	    over > plain->len / (plain->cap < ROOM_LEAST ? 8 : ROOM_OVER)) {
		data = realloc(plain->data, plain->len);
		if (data) {
			plain->data = data;
			plain->cap = plain->len;
		}
	}
	return sizeof(*entry) + plain->cap +
	       block->count * (sizeof(*block->ids) + sizeof(*block->at) +
			       sizeof(*block->proved));
}

static int run_load(struct entry *entry, uint32_t stored, cache_load *load,
		    void *arg, struct err *why)
{
	struct cached *block = &entry->block;
	int r;

	nested++;
	r = load(arg, (uint32_t)(entry->key >> 32), (uint32_t)entry->key,
		 stored, block, why);
	nested--;
	if (r < 0)
		return r;
	if (buf_failed(&block->plain))
		return err_nomem(why);
	block->proved = calloc(block->count ? block->count : 1, 1);
	if (!block->proved)
		return err_nomem(why);
	return 0;
}

/* The words for those who wait; without memory the code must do. */
static void tell_failure(struct entry *entry, int r, const struct err *why)
{
	entry->state = FAILED;
	entry->result = r;
	entry->why = malloc(sizeof(*why));
	if (entry->why)
		*entry->why = *why;
}

/* entry is ours and LOADING; the lock is not held. */
static int load_entry(struct cache *cache, struct shard *shard,
		      struct entry *entry, uint32_t stored, cache_load *load,
		      void *arg, struct cached **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r = run_load(entry, stored, load, arg, &why);
	bool gone = false;

	if (r == 0) {
		entry->bytes = measure(entry);
		count_bytes(cache, entry->bytes);
	}
	pthread_mutex_lock(&shard->lock);
	if (r == 0) {
		entry->state = READY;
		shard->loaded += entry->bytes;
		entry->loaded_at = shard->loaded;
	} else {
		tell_failure(entry, r, &why);
		if (entry->kept)
			forget(shard, entry);
		gone = unpin(cache, shard, entry);
	}
	pthread_cond_broadcast(&entry->done);
	pthread_mutex_unlock(&shard->lock);
	if (gone)
		entry_free(cache, entry);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	if (over_budget(cache))
		evict(cache, shard);
	*ret = &entry->block;
	return 0;
}

/* Under the lock, which is given back.  entry is on its way or was when we
 * came; our pin on it is taken already. */
static int wait_entry(struct cache *cache, struct shard *shard,
		      struct entry *entry, struct cached **ret,
		      struct err *err)
{
	bool gone;
	int r;

	shard->waits++;
	tell_about(cache);
	while (entry->state == LOADING)
		pthread_cond_wait(&entry->done, &shard->lock);
	if (entry->state == READY) {
		pthread_mutex_unlock(&shard->lock);
		*ret = &entry->block;
		return 0;
	}
	r = entry->result;
	if (!entry->why)
		err_set(err, r, "a block could not be read");
	else if (err)
		*err = *entry->why;
	gone = unpin(cache, shard, entry);
	pthread_mutex_unlock(&shard->lock);
	if (gone)
		entry_free(cache, entry);
	return r;
}

/* Under the lock: one user more of a block that is there. */
static void pin_hit(struct cache *cache, struct shard *shard,
		    struct entry *entry)
{
	shard->hits++;
	if (entry->pins++ == 0)
		order_take(shard, entry);
	if (shard->loaded - entry->loaded_at >= cache->age)
		entry->segment = PROTECTED;
}

static int entry_new(uint64_t key, struct entry **ret, struct err *err)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return err_nomem(err);
	if (pthread_cond_init(&entry->done, NULL) != 0) {
		free(entry);
		return err_nomem(err);
	}
	entry->key = key;
	entry->pins = 1;
	entry->state = LOADING;
	entry->segment = PROBATION;
	*ret = entry;
	return 0;
}

int cache_get(struct cache *cache, uint32_t pack, uint32_t offset,
	      uint32_t stored, cache_load *load, void *arg,
	      struct cached **ret, struct err *err)
{
	uint64_t key = key_of(pack, offset);
	struct shard *shard = shard_of(cache, key);
	struct entry *entry, *mine = NULL;
	int r = 0;

	pthread_mutex_lock(&shard->lock);
	entry = find(shard, key);
	if (entry && entry->state == READY) {
		pin_hit(cache, shard, entry);
		pthread_mutex_unlock(&shard->lock);
		*ret = &entry->block;
		return 0;
	}
	if (entry && nested == 0) {
		entry->pins++;
		return wait_entry(cache, shard, entry, ret, err);
	}
	if (nested >= NEST_MAX)
		r = err_corrupt(err, "blocks need each other to be read");
	else
		r = entry_new(key, &mine, err);
	if (r == 0) {
		shard->misses++;
		if (!entry)
			enter(shard, mine);
	}
	pthread_mutex_unlock(&shard->lock);
	if (r < 0)
		return r;
	tell_about(cache);
	return load_entry(cache, shard, mine, stored, load, arg, ret, err);
}

bool cache_has(struct cache *cache, uint32_t pack, uint32_t offset)
{
	uint64_t key = key_of(pack, offset);
	struct shard *shard = shard_of(cache, key);
	bool has;

	pthread_mutex_lock(&shard->lock);
	has = find(shard, key) != NULL;
	pthread_mutex_unlock(&shard->lock);
	return has;
}

/* Under the lock: the shard's blocks of pack, those unpinned chained up. */
static struct entry *drop_from(struct shard *shard, uint32_t pack)
{
	struct entry *unpinned = NULL;

	for (size_t b = 0; b < shard->bucket_count; b++) {
		struct entry **at = &shard->buckets[b];

		while (*at) {
			struct entry *entry = *at;

			if (entry->key >> 32 != pack) {
				at = &entry->chain;
				continue;
			}
			*at = entry->chain;
			entry->kept = false;
			shard->count--;
			if (entry->pins > 0)
				continue;
			order_take(shard, entry);
			entry->chain = unpinned;
			unpinned = entry;
		}
	}
	return unpinned;
}

void cache_drop_pack(struct cache *cache, uint32_t pack)
{
	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];
		struct entry *unpinned;

		pthread_mutex_lock(&shard->lock);
		unpinned = drop_from(shard, pack);
		pthread_mutex_unlock(&shard->lock);
		chain_free(cache, unpinned);
	}
}

void cache_get_stats(struct cache *cache, struct cache_stats *ret)
{
	struct cache_stats stats = { .hits = 0 };

	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];

		pthread_mutex_lock(&shard->lock);
		stats.hits += shard->hits;
		stats.misses += shard->misses;
		stats.waits += shard->waits;
		stats.evictions += shard->evictions;
		pthread_mutex_unlock(&shard->lock);
	}
	pthread_mutex_lock(&cache->spare_lock);
	stats.rooms_again = cache->rooms_again;
	pthread_mutex_unlock(&cache->spare_lock);
	stats.bytes = cache->bytes;
	stats.peak_bytes = cache->peak;
	*ret = stats;
}
