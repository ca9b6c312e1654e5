#include "fs/repo/repo_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Packs, opened. */

static int open_pack(struct repo *repo, uint32_t number,
		     char path[PACK_PATH], int *ret_fd, struct err *err)
{
	struct catalog_pack pack;
	struct pack_name name;
	int r;

	r = catalog_get_pack(repo->catalog, number, &pack, err);
	if (r < 0)
		return r;
	memcpy(name.b, pack.name, PACK_NAME);
	pack_path(&name, path);
	r = disk_open_read(&repo->dir, path, ret_fd, err);
	if (r == -ENOENT)
		return err_corrupt(err, "'%s/%s' is missing", repo->path,
				   path);
	return r;
}

/* A pack's file, for a while. */
struct taken {
	struct pack_fd *slot;
	int fd;
	bool own;		/* others hold the slot for another pack */
	char path[PACK_PATH];
};

static int take_pack(struct repo *repo, uint32_t number, struct taken *ret,
		     struct err *err)
{
	struct pack_fd *slot = &repo->fds[number % PACK_FDS];
	int r = 0;

	*ret = (struct taken){ .slot = slot };
	pthread_mutex_lock(&slot->mutex);
	if (slot->fd >= 0 && slot->pack != number && slot->users == 0) {
		close(slot->fd);
		slot->fd = -1;
	}
	if (slot->fd < 0) {
		r = open_pack(repo, number, slot->path, &slot->fd, err);
		if (r < 0)
			slot->fd = -1;
		slot->pack = number;
	}
	if (r == 0 && slot->pack == number) {
		slot->users++;
		ret->fd = slot->fd;
		memcpy(ret->path, slot->path, sizeof(ret->path));
	} else if (r == 0) {
		ret->own = true;
		r = open_pack(repo, number, ret->path, &ret->fd, err);
	}
	pthread_mutex_unlock(&slot->mutex);
	return r;
}

static void give_pack(const struct taken *taken)
{
	if (taken->own) {
		close(taken->fd);
		return;
	}
	pthread_mutex_lock(&taken->slot->mutex);
	taken->slot->users--;
	pthread_mutex_unlock(&taken->slot->mutex);
}

static int read_stored(struct repo *repo, uint32_t number, uint32_t offset,
		       void *out, size_t len, struct err *err)
{
	struct taken taken;
	int r = take_pack(repo, number, &taken, err);

	if (r < 0)
		return r;
	r = disk_read(&repo->dir, taken.path, taken.fd, offset, out, len, err);
	give_pack(&taken);
	return r;
}

/* The kernel may begin to read it: all that waits to be decoded, at once. */
static void announce(struct repo *repo, const struct place *place)
{
	struct taken taken;

	if (take_pack(repo, place->pack, &taken, NULL) < 0)
		return;
	posix_fadvise(taken.fd, place->offset, place->stored,
		      POSIX_FADV_WILLNEED);
	give_pack(&taken);
}

/* An open file keeps the room of a pack that was removed. */
void repo_close_removed(struct repo *repo)
{
	for (int i = 0; i < PACK_FDS; i++) {
		struct pack_fd *slot = &repo->fds[i];
		struct catalog_pack pack;

		pthread_mutex_lock(&slot->mutex);
		if (slot->fd >= 0 && slot->users == 0 &&
		    catalog_get_pack(repo->catalog, slot->pack, &pack,
				     NULL) == -ENOENT) {
			cache_drop_pack(repo->cache, slot->pack);
			close(slot->fd);
			slot->fd = -1;
		}
		pthread_mutex_unlock(&slot->mutex);
	}
}

/* Blocks, decoded. */

struct unpacker *repo_take_unpacker(struct repo *repo, struct err *err)
{
	struct unpacker *unpacker = NULL;

	pthread_mutex_lock(&repo->unpack_mutex);
	if (repo->unpacker_count > 0)
		unpacker = repo->unpackers[--repo->unpacker_count];
	pthread_mutex_unlock(&repo->unpack_mutex);
	if (!unpacker)
		unpacker = unpacker_new();
	if (!unpacker)
		err_nomem(err);
	return unpacker;
}

void repo_give_unpacker(struct repo *repo, struct unpacker *unpacker)
{
	if (unpacker)
		unpacker_trim(unpacker, UNPACKER_ROOM_MAX);
	pthread_mutex_lock(&repo->unpack_mutex);
	if (unpacker && repo->unpacker_count < UNPACKERS) {
		repo->unpackers[repo->unpacker_count++] = unpacker;
		unpacker = NULL;
	}
	pthread_mutex_unlock(&repo->unpack_mutex);
	unpacker_free(unpacker);
}

/* Room for len bytes: fresh memory would cost as much as what is read into it. */
static int take_scratch(struct repo *repo, size_t len, struct buf *ret)
{
	struct buf scratch = BUF_INIT;

	pthread_mutex_lock(&repo->unpack_mutex);
	if (repo->scratch_count > 0)
		scratch = repo->scratch[--repo->scratch_count];
	pthread_mutex_unlock(&repo->unpack_mutex);
	if (scratch.cap < len)
		buf_release(&scratch);
	*ret = scratch;
	return buf_reserve(ret, len);
}

static void give_scratch(struct repo *repo, struct buf *scratch)
{
	pthread_mutex_lock(&repo->unpack_mutex);
	if (repo->scratch_count < SCRATCHES && scratch->cap <= SCRATCH_MAX) {
		buf_clear(scratch);
		repo->scratch[repo->scratch_count++] = *scratch;
		*scratch = (struct buf)BUF_INIT;
	}
	pthread_mutex_unlock(&repo->unpack_mutex);
	buf_release(scratch);
}

void cached_release_parts(struct cached *cached)
{
	buf_release(&cached->plain);
	free(cached->ids);
	free(cached->at);
	free(cached->bases);
	cached->bases = NULL;
	cached->ids = NULL;
	cached->at = NULL;
}

/* The chunks a block was compressed against; they have no prefix themselves,
 * so this goes one level deep. */
static int gather_prefix(struct repo *repo, const struct block_head *head,
			 struct buf *prefix, struct err *err)
{
	/* a catalog on its way to being made cannot be asked */
	if (!repo->catalog)
		return err_corrupt(err, "a block leans on others that cannot "
				   "be looked up yet");
	for (uint32_t i = 0; i < head->prefix_count; i++) {
		OWNED_HELD struct held held = HELD_INIT;
		struct id id;
		int r;

		id_from_disk(head->prefixes.data + (size_t)i * ID_BYTES, &id);
		r = repo_get(repo, &id, &held, err);
		if (r < 0)
			return r;
		buf_append(prefix, held.bytes.data, held.bytes.len);
	}
	return buf_check(prefix, err);
}

static int fill_table(const struct block_head *head, struct cached *ret,
		      struct err *err)
{
	uint32_t at = 0;

	ret->count = head->count;
	ret->ids = calloc(head->count + 1, sizeof(*ret->ids));
	ret->at = calloc(head->count + 1, sizeof(*ret->at));
	if (!ret->ids || !ret->at)
		return err_nomem(err);
	for (uint32_t i = 0; i < head->count; i++) {
		id_from_disk(head->ids.data + (size_t)i * ID_BYTES,
			     &ret->ids[i]);
		ret->at[i] = at;
		at += ret->ids[i].len;
	}
	if (head->prefix_count == 0)
		return 0;
	ret->bases = calloc(head->prefix_count, sizeof(*ret->bases));
	if (!ret->bases)
		return err_nomem(err);
	ret->base_count = head->prefix_count;
	for (uint32_t i = 0; i < head->prefix_count; i++)
		id_from_disk(head->prefixes.data + (size_t)i * ID_BYTES,
			     &ret->bases[i]);
	return 0;
}

int repo_decode_block(struct repo *repo, struct span block,
		      struct cached *ret, struct err *err)
{
	OWNED_BUF struct buf prefix = BUF_INIT;
	struct cached cached = { .plain = BUF_INIT };
	struct unpacker *unpacker;
	struct block_head head;
	int r;

	r = block_parse_head(block, &head, err);
	if (r == -ENODATA)
		r = err_corrupt(err, "a block ends inside its head");
	if (r == 0 && head.prefix_count > 0)
		r = gather_prefix(repo, &head, &prefix, err);
	if (r == 0)
		r = fill_table(&head, &cached, err);
	if (r == 0) {
		unpacker = repo_take_unpacker(repo, err);
		r = unpacker ? 0 : -ENOMEM;
		if (r == 0 && cache_room(repo->cache, head.plain_len,
					 &cached.plain) < 0)
			r = err_nomem(err);
		if (r == 0)
			r = block_decode(unpacker, block, &head,
					 buf_span(&prefix), &cached.plain, err);
		repo_give_unpacker(repo, unpacker);
	}
	if (r < 0)
		cached_release_parts(&cached);
	else
		*ret = cached;
	return r;
}

static int load_block(void *arg, uint32_t pack, uint32_t offset,
		      uint32_t stored, struct cached *ret, struct err *err)
{
	struct buf raw = BUF_INIT;
	struct repo *repo = arg;
	int r;

	if (stored > BLOCK_STORED_MAX)
		return err_corrupt(err, "a block of %u bytes", stored);
	if (take_scratch(repo, stored, &raw) < 0)
		return err_nomem(err);
	r = read_stored(repo, pack, offset, raw.data, stored, err);
	if (r == 0)
		r = repo_decode_block(repo, span_of(raw.data, stored), ret,
				      err);
	give_scratch(repo, &raw);
	if (r == 0)
		near_put(&repo->near, pack, offset, stored, ret);
	if (r < 0) {
		struct catalog_pack of;
		char hex[2 * PACK_NAME + 1] = "?";

		if (catalog_get_pack(repo->catalog, pack, &of, NULL) == 0)
			hex_write(of.name, PACK_NAME, hex);
		err_wrap(err, "pack %s at offset %u", hex, offset);
	}
	return r;
}

int cached_find(const struct cached *block, uint32_t at, const struct id *id)
{
	uint32_t lo = 0, hi = block->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (block->at[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < block->count && block->at[lo] == at &&
	    id_equal(&block->ids[lo], id))
		return (int)lo;
	return -ENOENT;
}

int repo_get_at(struct repo *repo, const struct place *place,
		const struct id *id, struct held *ret, struct err *err)
{
	struct cached *block;
	struct span bytes;
	int r, i;

	r = cache_get(repo->cache, place->pack, place->offset, place->stored,
		      load_block, repo, &block, err);
	if (r < 0)
		return r;
	i = cached_find(block, place->at, id);
	if (i < 0) {
		cache_release(repo->cache, block);
		return err_corrupt(err, "object %s is not where the catalog "
				   "has it", id_hex(id).s);
	}
	bytes = span_of(block->plain.data + block->at[i], id->len);
	if (!__atomic_load_n(&block->proved[i], __ATOMIC_ACQUIRE)) {
		if (!id_proves(&repo->key, id, bytes)) {
			cache_release(repo->cache, block);
			return err_corrupt(err, "object %s does not have the "
					   "bytes its id names",
					   id_hex(id).s);
		}
		__atomic_store_n(&block->proved[i], 1, __ATOMIC_RELEASE);
	}
	*ret = (struct held){ bytes, block, NULL, repo };
	return 0;
}

static int get_from(struct repo *repo, const struct id *id,
		    const struct place *places, size_t count,
		    struct held *ret, struct err *err)
{
	int r = -EBADMSG;

	for (size_t i = 0; i < count; i++) {
		r = repo_get_at(repo, &places[i], id, ret, err);
		if (r == 0)
			return 0;
	}
	return r;
}

struct places {
	struct place place[PLACES_MAX];
	size_t count;
};

static int find_places(struct repo *repo, const struct id *id,
		       struct places *ret, struct err *err)
{
	ret->count = 0;
	return catalog_find(repo->catalog, id, ret->place, PLACES_MAX,
			    &ret->count, err);
}

/* A catalog of one's own in memory is told of new packs by nobody. */
static int see_others(struct repo *repo)
{
	struct level_report report = { .every_pack = true };
	int r;

	if (!repo->catalog_in_memory)
		return catalog_refresh(repo->catalog, NULL);
	pthread_mutex_lock(&repo->state_mutex);
	r = level_catalog(repo, repo->catalog, &report, NULL, NULL, NULL);
	pthread_mutex_unlock(&repo->state_mutex);
	return r;
}

/* Is it found elsewhere than it was, by what others did meanwhile? */
static bool has_moved(struct repo *repo, const struct id *id,
		      const struct places *was)
{
	struct places is;

	return see_others(repo) == 0 &&
	       find_places(repo, id, &is, NULL) == 0 &&
	       (is.count != was->count ||
		memcmp(is.place, was->place, is.count * sizeof(*is.place)));
}

/* A place the catalog cannot tell is no damage of the object. */
static int is_damaged(const struct id *id, int r, struct err *err)
{
	if (err && (r == -ENOENT || r == -EBADMSG || r == -EIO))
		snprintf(err->object, sizeof(err->object), "%s", id_hex(id).s);
	return r;
}

/* -ESTALE: it was moved while it was looked for. */
static int get_once(struct repo *repo, const struct id *id, struct held *ret,
		    struct err *err)
{
	struct places places;
	int r;

	r = find_places(repo, id, &places, err);
	if (r < 0)
		return r;
	if (places.count == 0) {
		r = err_set(err, -ENOENT,
			    "object %s is missing from the store '%s'",
			    id_hex(id).s, repo->path);
		return is_damaged(id, r, err);
	}
	r = get_from(repo, id, places.place, places.count, ret, err);
	if (r < 0 && has_moved(repo, id, &places))
		return -ESTALE;
	return is_damaged(id, r, err);
}

/* Whatever is wrong with it where it was seen, the catalog knows better. */
static bool get_near(struct repo *repo, const struct id *id, struct held *ret)
{
	struct place place;

	return near_get(&repo->near, id, &place) &&
	       repo_get_at(repo, &place, id, ret, NULL) == 0;
}

/* What prune moved meanwhile is found where it lies now. */
int repo_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err)
{
	int r = -ESTALE;

	if (get_near(repo, id, ret))
		return 0;
	for (int i = 0; r == -ESTALE && i < GET_TRIES; i++)
		r = get_once(repo, id, ret, err);
	return r == -ESTALE ? err_set(err, -EIO, "object %s moves about",
				      id_hex(id).s) : r;
}

void held_release(struct held *held)
{
	if (held->block)
		cache_release(held->repo->cache, held->block);
	free(held->own);
	*held = (struct held)HELD_INIT;
}

int held_copy(const struct held *from, struct held *ret)
{
	struct held held = *from;

	if (from->block) {
		cache_hold(from->repo->cache, from->block);
	} else if (from->own) {
		held.own = malloc(from->bytes.len);
		if (!held.own)
			return -ENOMEM;
		memcpy(held.own, from->bytes.data, from->bytes.len);
		held.bytes.data = held.own;
	}
	*ret = held;
	return 0;
}

int repo_locate(struct repo *repo, const struct id *id, struct place *ret,
		struct err *err)
{
	size_t count = 0;
	int r;

	r = catalog_find(repo->catalog, id, ret, 1, &count, err);
	if (r == 0 && count == 0)
		return err_set(err, -ENOENT, "object %s is missing",
			       id_hex(id).s);
	return r;
}

/* Reading ahead. */

static void *prefetch_main(void *arg)
{
	struct repo *repo = arg;
	struct prefetch_job job;
	struct cached *block;

	pthread_mutex_lock(&repo->prefetch_mutex);
	while (!repo->prefetch_stop) {
		if (repo->prefetch_count == 0) {
			pthread_cond_wait(&repo->prefetch_cond,
					  &repo->prefetch_mutex);
			continue;
		}
		job = repo->prefetch[repo->prefetch_head];
		repo->prefetch_head = (repo->prefetch_head + 1) %
				      PREFETCH_QUEUE;
		repo->prefetch_count--;
		pthread_mutex_unlock(&repo->prefetch_mutex);
		/* whoever needs the block gets the error for himself */
		if (cache_get(repo->cache, job.pack, job.offset, job.stored,
			      load_block, repo, &block, NULL) == 0)
			cache_release(repo->cache, block);
		pthread_mutex_lock(&repo->prefetch_mutex);
	}
	pthread_mutex_unlock(&repo->prefetch_mutex);
	return NULL;
}

/* Under the mutex: of small files many lie in one block. */
static bool is_queued(const struct repo *repo, const struct place *place)
{
	for (unsigned i = 0; i < repo->prefetch_count; i++) {
		const struct prefetch_job *job =
			&repo->prefetch[(repo->prefetch_head + i) %
					PREFETCH_QUEUE];

		if (job->pack == place->pack && job->offset == place->offset)
			return true;
	}
	return false;
}

/* False: it waits already, or too much does. */
static bool prefetch_queue(struct repo *repo, const struct place *place)
{
	bool queued = false;
	unsigned n;

	pthread_mutex_lock(&repo->prefetch_mutex);
	if (repo->prefetch_threads < PREFETCH_THREADS &&
	    !pthread_create(&repo->prefetch_thread[repo->prefetch_threads],
			    NULL, prefetch_main, repo))
		repo->prefetch_threads++;
	n = repo->prefetch_count;
	if (repo->prefetch_threads > 0 && n < PREFETCH_QUEUE &&
	    !is_queued(repo, place)) {
		unsigned slot = (repo->prefetch_head + n) % PREFETCH_QUEUE;

		repo->prefetch[slot] = (struct prefetch_job){
			place->pack, place->offset, place->stored };
		repo->prefetch_count++;
		queued = true;
		pthread_cond_signal(&repo->prefetch_cond);
	}
	pthread_mutex_unlock(&repo->prefetch_mutex);
	return queued;
}

void repo_prefetch(struct repo *repo, const struct id *id)
{
	struct place place;

	if (!near_get(&repo->near, id, &place) &&
	    repo_locate(repo, id, &place, NULL) < 0)
		return;
	if (!cache_has(repo->cache, place.pack, place.offset) &&
	    prefetch_queue(repo, &place))
		announce(repo, &place);
}

void repo_stop_prefetch(struct repo *repo)
{
	pthread_mutex_lock(&repo->prefetch_mutex);
	repo->prefetch_stop = true;
	pthread_cond_broadcast(&repo->prefetch_cond);
	pthread_mutex_unlock(&repo->prefetch_mutex);
	while (repo->prefetch_threads > 0)
		pthread_join(repo->prefetch_thread[--repo->prefetch_threads],
			     NULL);
}
