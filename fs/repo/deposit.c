#include "fs/repo/deposit_internal.h"
#include "fs/base/columns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_FIRST 4096
#define NTH_MAX 0x7fffu

static const struct {
	enum file_kind file;
	uint32_t target;
} lanes[LANES] = {
	[LANE_SMALL] = { FILE_DATA, BLOCK_SMALL },
	[LANE_LARGE] = { FILE_DATA, BLOCK_LARGE },
	[LANE_SEALED] = { FILE_DATA, BLOCK_SEALED },
	[LANE_LEANING] = { FILE_DATA, BLOCK_LEANING },
	[LANE_META] = { FILE_META, BLOCK_META },
	[LANE_META_LEANING] = { FILE_META, BLOCK_META },
};

uint64_t deposit_pack_bytes(const struct deposit *deposit,
			    enum file_kind file)
{
#ifdef VARVE_FAULTS
	const char *bytes = getenv("VARVE_PACK");

	if (bytes)
		return strtoull(bytes, NULL, 10);
#endif
	return file == FILE_META ? PACK_LEAST : deposit->data_pack_bytes;
}

/* What nobody needs any more lies together in a small pack, which then gives it
 * back at little cost; but a large store shall not have too many. */
static int choose_pack_bytes(struct deposit *deposit, struct err *err)
{
	struct catalog_object_stats stats;
	uint64_t bytes;
	int r = catalog_object_stats(deposit->repo->catalog, &stats, err);

	if (r < 0)
		return r;
	bytes = stats.pack_bytes / PACKS_WANTED;
	deposit->data_pack_bytes = bytes < PACK_LEAST ? PACK_LEAST :
				   bytes > PACK_MOST ? PACK_MOST : bytes;
	return 0;
}

/* As much of wanted as a pack of file may hold. */
static uint64_t block_bytes(const struct deposit *deposit,
			    enum file_kind file, uint64_t wanted)
{
	uint64_t pack = deposit_pack_bytes(deposit, file);

	return wanted < pack ? wanted : pack;
}

/* The table of what the catalog does not know yet; under mutex. */

static int table_grow(struct deposit *deposit)
{
	size_t slots = deposit->slots ? 2 * deposit->slots : TABLE_FIRST;
	struct pend **table = calloc(slots, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < deposit->slots; i++) {
		struct pend *p = deposit->table[i], *next;

		for (; p; p = next) {
			size_t at = id_spread(&p->id) & (slots - 1);

			next = p->next;
			p->next = table[at];
			table[at] = p;
		}
	}
	free(deposit->table);
	deposit->table = table;
	deposit->slots = slots;
	return 0;
}

static struct pend *table_find(struct deposit *deposit, const struct id *id)
{
	struct pend *p;

	if (deposit->slots == 0)
		return NULL;
	p = deposit->table[id_spread(id) & (deposit->slots - 1)];
	while (p && !id_equal(&p->id, id))
		p = p->next;
	return p;
}

static int table_add(struct deposit *deposit, struct pend *pend)
{
	size_t at;

	if (deposit->pend_count >= deposit->slots &&
	    table_grow(deposit) < 0)
		return -ENOMEM;
	at = id_spread(&pend->id) & (deposit->slots - 1);
	pend->next = deposit->table[at];
	deposit->table[at] = pend;
	deposit->pend_count++;
	return 0;
}

void deposit_forget_block(struct deposit *deposit, struct block_job *job)
{
	for (uint32_t i = 0; i < job->count; i++) {
		struct pend *p = job->pends[i];
		struct pend **at = &deposit->table[id_spread(&p->id) &
						   (deposit->slots - 1)];

		while (*at && *at != p)
			at = &(*at)->next;
		if (*at) {
			*at = p->next;
			deposit->pend_count--;
		}
	}
}

/* Making and ending. */

int deposit_check_room(struct deposit *deposit, uint64_t more,
		       struct err *err)
{
	uint64_t free_bytes;
	int r;

	if (deposit->min_free == 0)
		return 0;
	r = disk_free_bytes(&deposit->repo->dir, &free_bytes, err);
	if (r < 0 || free_bytes >= deposit->min_free + more)
		return r;
	r = err_set(err, -ENOSPC, "No space left on device: %" PRIu64
		    " bytes are free on the file system of '%s', and %" PRIu64
		    " are to stay free: at least %" PRIu64 " more are needed",
		    free_bytes,
		    deposit->repo->path, deposit->min_free,
		    deposit->min_free + more - free_bytes);
	err_hint(err, "'varve forget' and 'varve prune' make room");
	return r;
}

static int see_condemned(void *arg, uint32_t number, uint64_t seq,
			 struct err *err)
{
	struct deposit *deposit = arg;

	(void)seq;
	return bits_set(&deposit->condemned, number, err);
}

/*
 * An add that died may have left a pack the catalog was not told of.  Its ids
 * are taken all the same: were one given to other bytes, a rebuild, which finds
 * both, could not tell which are meant.
 *
 * What is condemned by now is not counted on; what is condemned later is not
 * removed while this add goes on, as it is told under the same lock.
 */
static int look_around(struct deposit *deposit, struct err *err)
{
	struct level_report report = { .every_pack = true, .locked = true };
	struct repo *repo = deposit->repo;
	uint64_t seq;
	int r;

	r = level_catalog(repo, repo->catalog, &report, NULL, NULL, err);
	if (r == 0)
		r = catalog_high_seq(repo->catalog, &seq, err);
	if (r == 0)
		r = presence_begin_adding(&repo->presence, seq, err);
	if (r < 0)
		return r;
	deposit->present = true;
	r = catalog_each_condemned(repo->catalog, see_condemned, deposit, err);
	if (r == 0)
		r = catalog_change_mark(repo->catalog, &deposit->mark, err);
	return r;
}

static int look_around_locked(struct deposit *deposit, struct err *err)
{
	int lock, r;

	r = repo_lock_commit(deposit->repo, &lock, err);
	if (r < 0)
		return r;
	r = look_around(deposit, err);
	repo_unlock_commit(lock);
	return r;
}

int deposit_begin(struct repo *repo, const struct deposit_options *options,
		  struct deposit **ret, struct err *err)
{
	struct deposit *deposit;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned workers;
	int r;

	if (repo_is_readonly(repo))
		return err_set(err, -EROFS, "the store '%s' is open for "
			       "reading only", repo->path);
	deposit = calloc(1, sizeof(*deposit));
	if (!deposit)
		return err_nomem(err);
	deposit->repo = repo;
	deposit->level = options && options->level ? options->level : 3;
	workers = options && options->workers ? options->workers :
		  cores > 0 ? (unsigned)cores : 1;
	if (workers > WORKERS_MAX)
		workers = WORKERS_MAX;
	if (!options || !options->use_all)
		deposit->min_free = reserve_wanted(repo);
	if (options && options->min_free > deposit->min_free)
		deposit->min_free = options->min_free;
	deposit->queue_tail = &deposit->queue;
	pthread_mutex_init(&deposit->mutex, NULL);
	pthread_cond_init(&deposit->work, NULL);
	pthread_cond_init(&deposit->done, NULL);
	r = deposit_check_room(deposit, 0, err);
	if (r == 0)
		r = choose_pack_bytes(deposit, err);
	if (r == 0)
		r = look_around_locked(deposit, err);
	if (r == 0)
		r = deposit_start_workers(deposit, workers, err);
	if (r < 0) {
		deposit_free(deposit);
		return r;
	}
	*ret = deposit;
	return 0;
}

void deposit_free(struct deposit *deposit)
{
	if (!deposit)
		return;
	deposit_stop_workers(deposit);
	for (int i = 0; i < LANES; i++)
		block_job_free(deposit->open[i]);
	while (deposit->queue) {
		struct block_job *next = deposit->queue->next;

		block_job_free(deposit->queue);
		deposit->queue = next;
	}
	for (int i = 0; i < FILES; i++)
		open_pack_free(deposit->file[i].pack);
	free(deposit->table);
	bits_release(&deposit->hits);
	bits_release(&deposit->condemned);
	free(deposit->packs);
	if (deposit->present)
		presence_end_adding(&deposit->repo->presence);
	pthread_mutex_destroy(&deposit->mutex);
	pthread_cond_destroy(&deposit->work);
	pthread_cond_destroy(&deposit->done);
	free(deposit);
}

/* Reading back what is pending. */

struct open_block {
	struct repo *repo;
	const struct block_job *job;
};

static int load_open_block(void *arg, uint32_t pack, uint32_t offset,
			   uint32_t stored, struct cached *ret,
			   struct err *err)
{
	OWNED_BUF struct buf raw = BUF_INIT;
	const struct open_block *open = arg;
	int r;

	(void)pack;
	if (buf_reserve(&raw, stored) < 0)
		return err_nomem(err);
	r = pack_read_back(open->job->pack->writer, offset, stored, raw.data,
			   err);
	if (r < 0)
		return r;
	return repo_decode_block(open->repo, span_of(raw.data, stored), ret,
				 err);
}

/*
 * Under mutex.  A pack is only freed by the thread that seals it, after its
 * pends left the table, and sealing waits for the mutex: so the writer stays
 * while this reads.
 */
int pend_read(struct deposit *deposit, const struct pend *pend,
	      struct held *ret, struct err *err)
{
	struct block_job *job = pend->block;
	struct repo *repo = deposit->repo;
	struct open_block open = { repo, job };
	struct cached *block;
	struct span bytes;
	int r, i;

	if (!job->pack) {
		bytes = span_of(job->plain.data + pend->at, pend->id.len);
		*ret = (struct held){ bytes, NULL, NULL, repo };
		return 0;
	}
	r = cache_get(repo->cache, job->pack->cache_key, job->offset,
		      job->stored, load_open_block, &open, &block, err);
	if (r < 0)
		return r;
	i = cached_find(block, pend->at, &pend->id);
	bytes = span_of(block->plain.data + pend->at, pend->id.len);
	if (i < 0 || !id_proves(&repo->key, &pend->id, bytes)) {
		cache_release(repo->cache, block);
		return err_corrupt(err, "what was written to a pack came back "
				   "with other bytes");
	}
	*ret = (struct held){ bytes, block, NULL, repo };
	return 0;
}

/* 1: these bytes are pending under id; 0: id is free; -EEXIST: taken. */
static int match_pending(struct deposit *deposit, const struct id *id,
			 struct span bytes, struct err *err)
{
	struct held held = HELD_INIT;
	struct pend *pend;
	int r;

	pthread_mutex_lock(&deposit->mutex);
	pend = table_find(deposit, id);
	r = pend ? pend_read(deposit, pend, &held, err) : 0;
	if (r == 0 && pend)
		r = span_equal(held.bytes, bytes) ? 1 : -EEXIST;
	held_release(&held);
	pthread_mutex_unlock(&deposit->mutex);
	return r;
}

/*
 * As match_pending(), for a copy that is stored.  One that cannot be read is no
 * hit: the bytes are stored again, which heals it.  Nor is one in a pack that
 * was condemned before this add began, though an id it takes is taken.
 */
static int match_at(struct deposit *deposit, const struct place *place,
		    const struct id *id, struct span bytes, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct err why = ERR_INIT;
	int r = repo_get_at(deposit->repo, place, id, &held, &why);

	if (r == -EBADMSG || r == -EIO || r == -ENOENT)
		return 0;
	/* what could not be looked at for want of memory may have other bytes */
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	deposit->stats.compared++;
	if (!span_equal(held.bytes, bytes))
		return -EEXIST;
	return deposit_count_on(deposit, place, err);
}

static int match_stored(struct deposit *deposit, const struct id *id,
			struct span bytes, struct err *err)
{
	struct repo *repo = deposit->repo;
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r = 0;

	if (near_get(&repo->near, id, &places[0]) &&
	    catalog_has_pack(repo->catalog, places[0].pack))
		r = match_at(deposit, &places[0], id, bytes, err);
	if (r == 0)
		r = catalog_find(repo->catalog, id, places, PLACES_MAX, &count,
				 err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = match_at(deposit, &places[i], id, bytes, err);
	return r;
}

/* Putting. */

static struct block_job *job_new(const struct deposit *deposit,
				 enum lane_kind lane)
{
	struct block_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->file = lanes[lane].file;
	job->level = deposit->level;
	if (lane == LANE_SEALED && job->level < LEVEL_SEALED)
		job->level = LEVEL_SEALED;
	job->target = block_bytes(deposit, job->file, lanes[lane].target);
	return job;
}

/* No more fit in, unless they are dense rows, of which it may hold more. */
static bool job_is_full(const struct deposit *deposit, struct block_job *job,
			enum lane_kind lane, size_t more)
{
	if (job->count >= BLOCK_OBJECTS_MAX - 1)
		return true;
	if (job->plain.len + more <= job->target)
		return false;
	if ((lane != LANE_LARGE && lane != LANE_LEANING) || job->is_dense ||
	    !columns_are_dense(buf_span(&job->plain)))
		return true;
	/* in columns they are shorter than against any others */
	job->is_dense = true;
	job->like_count = 0;
	job->target = block_bytes(deposit, job->file, BLOCK_ROWS_LARGE);
	return job->plain.len + more > job->target;
}

static int job_add(struct deposit *deposit, struct block_job *job,
		   const struct id *id, struct span bytes, struct err *err)
{
	struct pend *pend;
	int r;

	if (job->count == job->cap) {
		uint32_t cap = job->cap ? 2 * job->cap : 16;
		void *more = realloc(job->pends, cap * sizeof(*job->pends));

		if (!more)
			return err_nomem(err);
		job->pends = more;
		job->cap = cap;
	}
	pend = calloc(1, sizeof(*pend));
	if (!pend)
		return err_nomem(err);
	*pend = (struct pend){ .id = *id, .at = (uint32_t)job->plain.len,
			       .block = job };
	pthread_mutex_lock(&deposit->mutex);
	buf_append(&job->plain, bytes.data, bytes.len);
	r = job->plain.failed ? -ENOMEM : table_add(deposit, pend);
	if (r == 0)
		job->pends[job->count++] = pend;
	pthread_mutex_unlock(&deposit->mutex);
	if (r < 0) {
		free(pend);
		return err_nomem(err);
	}
	return 0;
}

static int lane_flush(struct deposit *deposit, enum lane_kind lane,
		      struct err *err)
{
	struct block_job *job = deposit->open[lane];

	deposit->open[lane] = NULL;
	if (!job || job->count == 0) {
		block_job_free(job);
		return 0;
	}
	return deposit_queue(deposit, job, err);
}

static bool likes_have(const struct block_job *job, const struct id *id)
{
	for (uint32_t i = 0; i < job->like_count; i++)
		if (id_equal(&job->likes[i], id))
			return true;
	return false;
}

static void job_like(struct block_job *job, const struct id *ids, size_t count)
{
	for (size_t i = 0; i < count && !job->is_dense; i++)
		if (!likes_have(job, &ids[i]))
			job->likes[job->like_count++] = ids[i];
}

static uint32_t likes_max(enum lane_kind lane)
{
	return lane == LANE_META_LEANING ? META_LIKES_MAX : LIKES_MAX;
}

static int store_new(struct deposit *deposit, enum lane_kind lane,
		     const struct id *id, struct span bytes,
		     const struct deposit_like *like, struct err *err)
{
	struct id likes[DEPOSIT_LIKES];
	size_t like_count = like ? like->find(like->arg, likes,
					      DEPOSIT_LIKES) : 0;
	struct block_job *job;
	int r;

	if (like_count == 0 || lane == LANE_SEALED)
		like_count = 0;
	else if (lane == LANE_META)
		lane = LANE_META_LEANING;
	else
		lane = LANE_LEANING;
	job = deposit->open[lane];
	if (job && (job_is_full(deposit, job, lane, bytes.len) ||
		    job->like_count + like_count > likes_max(lane))) {
		r = lane_flush(deposit, lane, err);
		if (r < 0)
			return r;
		job = NULL;
	}
	if (!job) {
		job = job_new(deposit, lane);
		if (!job)
			return err_nomem(err);
		deposit->open[lane] = job;
	}
	job_like(job, likes, like_count);
	return job_add(deposit, job, id, bytes, err);
}

static int put(struct deposit *deposit, enum lane_kind lane,
	       struct span bytes, const struct deposit_like *like,
	       struct id *ret, bool *ret_new, struct err *err)
{
	uint16_t domain = lane == LANE_META ? ID_META : 0;
	struct id id;
	int r;

	for (unsigned nth = 0; nth <= NTH_MAX; nth++) {
		id_of(&deposit->repo->key, (uint16_t)(domain | nth), bytes,
		      &id);
		r = match_pending(deposit, &id, bytes, err);
		if (r == 0)
			r = match_stored(deposit, &id, bytes, err);
		if (r == -EEXIST) {
			deposit->stats.collisions++;
			continue;
		}
		if (r == 0)
			r = store_new(deposit, lane, &id, bytes, like, err);
		else if (r == 1)
			*ret_new = false;
		if (r >= 0)
			*ret = id;
		return r < 0 ? r : 0;
	}
	return err_set(err, -EOVERFLOW, "every secret's id for a chunk is "
		       "taken by other bytes");
}

int deposit_move(struct deposit *deposit, const struct id *id,
		 struct span bytes, uint32_t block, struct err *err)
{
	enum lane_kind lane = id->nth & ID_META ? LANE_META :
			      class_in_block(id->len, block) == CHUNK_SMALL ?
			      LANE_SMALL : LANE_LARGE;

	deposit->moving = true;
	return store_new(deposit, lane, id, bytes, NULL, err);
}

static int failed_before(struct deposit *deposit, struct err *err)
{
	int r;

	pthread_mutex_lock(&deposit->mutex);
	r = deposit->failed;
	if (r < 0 && err)
		*err = deposit->failure;
	pthread_mutex_unlock(&deposit->mutex);
	return r;
}

int deposit_chunk(struct deposit *deposit, enum chunk_class class,
		  struct span chunk, struct id *ret, struct err *err)
{
	return deposit_chunk_like(deposit, class, chunk, NULL, ret, err);
}

int deposit_chunk_like(struct deposit *deposit, enum chunk_class class,
		       struct span chunk, const struct deposit_like *like,
		       struct id *ret, struct err *err)
{
	bool fresh = true;
	int r;

	if (chunk.len == 0 || chunk.len > CHUNK_MAX)
		return err_set(err, -EINVAL, "a chunk of %zu bytes",
			       chunk.len);
	r = put(deposit, class == CHUNK_SEALED ? LANE_SEALED :
			 class == CHUNK_LARGE ? LANE_LARGE : LANE_SMALL,
		chunk, like, ret, &fresh, err);
	if (r < 0)
		return r;
	deposit->stats.chunks++;
	deposit->stats.chunk_bytes += chunk.len;
	if (fresh) {
		deposit->stats.new_chunks++;
		deposit->stats.new_chunk_bytes += chunk.len;
	}
	return 0;
}

void deposit_expect(struct deposit *deposit, const struct id *id)
{
	deposit->stats.predicted++;
	repo_prefetch(deposit->repo, id);
}

int deposit_object(struct deposit *deposit, struct span object,
		   struct id *ret, struct err *err)
{
	return deposit_object_like(deposit, object, NULL, ret, err);
}

int deposit_object_like(struct deposit *deposit, struct span object,
			const struct deposit_like *like, struct id *ret,
			struct err *err)
{
	bool fresh = true;
	int r;

	if (object.len == 0 || object.len > OBJECT_MAX)
		return err_set(err, -EINVAL, "an object of %zu bytes",
			       object.len);
	r = put(deposit, LANE_META, object, like, ret, &fresh, err);
	if (r < 0)
		return r;
	deposit->stats.metas++;
	deposit->stats.new_metas += fresh;
	return failed_before(deposit, err);
}

static int held_own(struct held *held, struct err *err)
{
	void *own = malloc(held->bytes.len);

	if (!own)
		return err_nomem(err);
	memcpy(own, held->bytes.data, held->bytes.len);
	held->own = own;
	held->bytes.data = own;
	return 0;
}

int deposit_get(struct deposit *deposit, const struct id *id,
		struct held *ret, struct err *err)
{
	struct held held = HELD_INIT;
	struct pend *pend;
	int r = -ENOENT;

	pthread_mutex_lock(&deposit->mutex);
	pend = table_find(deposit, id);
	if (pend)
		r = pend_read(deposit, pend, &held, err);
	/* a block in memory goes as soon as it is written */
	if (pend && r == 0 && !held.block)
		r = held_own(&held, err);
	pthread_mutex_unlock(&deposit->mutex);
	if (!pend)
		return repo_get(deposit->repo, id, ret, err);
	if (r == 0)
		*ret = held;
	return r;
}

void deposit_get_stats(struct deposit *deposit, struct deposit_stats *ret)
{
	pthread_mutex_lock(&deposit->mutex);
	*ret = deposit->stats;
	ret->stored_bytes = deposit->stored_bytes;
	ret->blocks = deposit->blocks;
	ret->raw_blocks = deposit->raw_blocks;
	ret->column_blocks = deposit->column_blocks;
	ret->leaning_blocks = deposit->leaning_blocks;
	pthread_mutex_unlock(&deposit->mutex);
}

int deposit_drain(struct deposit *deposit, struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < LANES; i++)
		r = lane_flush(deposit, (enum lane_kind)i, err);
	return r < 0 ? r : deposit_finish_files(deposit, err);
}
