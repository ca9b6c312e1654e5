#include "fs/repo/deposit_internal.h"

/*
 * A block leans on chunks of blocks that lean on none, so that reading one is
 * never reading a chain.  Where a chunk that it is like lies in a block that
 * leans itself, it leans on what that one does.
 */

#define PREFIX_BYTES (2u << 20)	/* reading a block reads them too */

int deposit_count_on(struct deposit *deposit, const struct place *place,
		     struct err *err)
{
	int r;

	if (bits_has(&deposit->condemned, place->pack))
		return 0;
	pthread_mutex_lock(&deposit->mutex);
	r = bits_set(&deposit->hits, place->pack, err);
	pthread_mutex_unlock(&deposit->mutex);
	return r < 0 ? r : 1;
}

static bool is_own(const struct block_job *job, const struct id *id)
{
	for (uint32_t i = 0; i < job->count; i++)
		if (id_equal(&job->pends[i]->id, id))
			return true;
	return false;
}

static bool has(const struct prefix *prefix, const struct id *id)
{
	for (uint32_t i = 0; i < prefix->count; i++)
		if (id_equal(&prefix->ids[i], id))
			return true;
	return false;
}

/* Each copy of it that can be read and lies in no block that leans; leaning: the
 * first that does, pinned, where there is no such. */
static int read_upright(struct deposit *deposit, const struct id *id,
			struct held *ret, struct held *ret_leaning,
			struct err *err)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r = catalog_find(deposit->repo->catalog, id, places, PLACES_MAX,
			     &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct held held = HELD_INIT;

		if (repo_get_at(deposit->repo, &places[i], id, &held,
				NULL) < 0)
			continue;
		if (held.block->base_count > 0 && !ret_leaning->block) {
			*ret_leaning = held;
			continue;
		}
		if (held.block->base_count == 0)
			r = deposit_count_on(deposit, &places[i], err);
		if (r > 0)
			*ret = held;
		else
			held_release(&held);
	}
	return r < 0 ? r : 0;
}

static int add_upright(struct prefix *prefix, const struct block_job *job,
		       const struct id *id, const struct held *held,
		       struct err *err)
{
	if (!held->block || has(prefix, id) || is_own(job, id) ||
	    prefix->count == BLOCK_PREFIX_MAX ||
	    prefix->bytes.len + id->len > PREFIX_BYTES)
		return 0;
	prefix->ids[prefix->count++] = *id;
	buf_append(&prefix->bytes, held->bytes.data, held->bytes.len);
	return buf_check(&prefix->bytes, err);
}

static int add_base(struct deposit *deposit, const struct block_job *job,
		    const struct id *id, struct prefix *prefix,
		    struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	OWNED_HELD struct held leaning = HELD_INIT;
	int r;

	if (has(prefix, id))
		return 0;
	r = read_upright(deposit, id, &held, &leaning, err);
	return r < 0 ? r : add_upright(prefix, job, id, &held, err);
}

/*
 * Which bases of its block an object leans on is not told.  They stand in the
 * order of the objects, so where they are many (small pages of a tree), it is
 * those at about the same place.
 */
static void own_bases(const struct held *leaning, uint32_t *from, uint32_t *to)
{
	const struct cached *block = leaning->block;
	uint32_t at = (uint32_t)(leaning->bytes.data - block->plain.data);
	uint32_t middle, i = 0;

	*from = 0;
	*to = block->base_count;
	if (block->base_count <= LIKES_MAX)
		return;
	while (i + 1 < block->count && block->at[i] < at)
		i++;
	middle = (uint32_t)((uint64_t)i * block->base_count / block->count);
	if (block->base_count == block->count) {
		*from = i;
		*to = i + 1;
		return;
	}
	*from = middle > 0 ? middle - 1 : 0;
	if (middle + 2 < *to)
		*to = middle + 2;
}

static int add_like(struct deposit *deposit, const struct block_job *job,
		    const struct id *id, struct prefix *prefix,
		    struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	OWNED_HELD struct held leaning = HELD_INIT;
	uint32_t i, to;
	int r = read_upright(deposit, id, &held, &leaning, err);

	if (r < 0 || held.block)
		return r < 0 ? r : add_upright(prefix, job, id, &held, err);
	if (!leaning.block)
		return 0;
	for (own_bases(&leaning, &i, &to); r == 0 && i < to; i++)
		r = add_base(deposit, job, &leaning.block->bases[i], prefix,
			     err);
	return r;
}

int deposit_gather_prefix(struct deposit *deposit,
			  const struct block_job *job, struct prefix *ret,
			  struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < job->like_count; i++)
		r = add_like(deposit, job, &job->likes[i], ret, err);
	return r;
}
