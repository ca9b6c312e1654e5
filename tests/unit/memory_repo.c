#include "memory_repo.h"

#include <stdio.h>
#include <stdlib.h>

struct stored {
	struct id id;
	uint8_t *data;		/* exactly id.len: overruns are seen */
	struct buf posed;
	bool poses;
};

struct deposit {
	struct repo *repo;
};

struct repo {
	struct id_key key;
	struct deposit deposit;
	struct stored **table;	/* open hash */
	size_t slots, count;
	struct id *metas;
	size_t meta_count, meta_cap;
	struct memory_counts counts;
	int fail_after;
};

static void must(bool ok)
{
	if (!ok) {
		fputs("memory_repo: out of memory\n", stderr);
		abort();
	}
}

struct repo *memory_repo_new(uint8_t seed)
{
	struct repo *repo = calloc(1, sizeof(*repo));
	uint8_t bytes[ID_SEED] = { seed };

	must(repo);
	id_key_init(&repo->key, bytes);
	repo->deposit.repo = repo;
	repo->slots = 1024;
	repo->table = calloc(repo->slots, sizeof(*repo->table));
	must(repo->table);
	repo->fail_after = -1;
	return repo;
}

void memory_repo_free(struct repo *repo)
{
	for (size_t i = 0; i < repo->slots; i++) {
		if (!repo->table[i])
			continue;
		free(repo->table[i]->data);
		buf_release(&repo->table[i]->posed);
		free(repo->table[i]);
	}
	free(repo->table);
	free(repo->metas);
	free(repo);
}

struct deposit *memory_deposit(struct repo *repo)
{
	return &repo->deposit;
}

const struct memory_counts *memory_counts(const struct repo *repo)
{
	return &repo->counts;
}

size_t memory_objects(const struct repo *repo)
{
	return repo->meta_count;
}

const struct id *memory_object(const struct repo *repo, size_t index)
{
	return &repo->metas[index];
}

void memory_fail_after(struct repo *repo, int n)
{
	repo->fail_after = n;
}

static struct stored **find(const struct repo *repo, const struct id *id)
{
	size_t at = id_spread(id) & (repo->slots - 1);

	while (repo->table[at] && !id_equal(&repo->table[at]->id, id))
		at = (at + 1) & (repo->slots - 1);
	return &repo->table[at];
}

void memory_pose(struct repo *repo, const struct id *id, struct span bytes)
{
	struct stored *stored = *find(repo, id);

	must(stored);
	buf_release(&stored->posed);
	stored->poses = bytes.len > 0;
	if (!stored->poses)
		return;
	stored->posed.data = malloc(bytes.len);
	must(stored->posed.data);
	memcpy(stored->posed.data, bytes.data, bytes.len);
	stored->posed.len = stored->posed.cap = bytes.len;
}

static void grow(struct repo *repo)
{
	struct stored **old = repo->table;
	size_t slots = repo->slots;

	repo->slots *= 2;
	repo->table = calloc(repo->slots, sizeof(*repo->table));
	must(repo->table);
	for (size_t i = 0; i < slots; i++)
		if (old[i])
			*find(repo, &old[i]->id) = old[i];
	free(old);
}

static void keep_meta(struct repo *repo, const struct id *id)
{
	if (repo->meta_count == repo->meta_cap) {
		repo->meta_cap = repo->meta_cap ? repo->meta_cap * 2 : 64;
		repo->metas = realloc(repo->metas,
				      repo->meta_cap * sizeof(*repo->metas));
		must(repo->metas);
	}
	repo->metas[repo->meta_count++] = *id;
}

static int put(struct repo *repo, struct span bytes, uint16_t bit,
	       struct id *ret, struct err *err)
{
	struct stored **slot, *stored;
	struct id id;

	if (repo->fail_after == 0)
		return err_set(err, -ENOSPC, "the disk is full");
	if (repo->fail_after > 0)
		repo->fail_after--;
	for (uint16_t nth = 0;; nth++) {
		id_of(&repo->key, nth | bit, bytes, &id);
		slot = find(repo, &id);
		if (!*slot)
			break;
		if (!memcmp((*slot)->data, bytes.data, bytes.len)) {
			*ret = id;
			return 0;
		}
	}
	stored = calloc(1, sizeof(*stored));
	must(stored);
	stored->id = id;
	stored->data = malloc(bytes.len);
	must(stored->data);
	memcpy(stored->data, bytes.data, bytes.len);
	*slot = stored;
	if (++repo->count > repo->slots / 2)
		grow(repo);
	if (bit) {
		keep_meta(repo, &id);
		repo->counts.objects++;
		repo->counts.object_bytes += bytes.len;
	} else {
		repo->counts.chunks++;
		repo->counts.chunk_bytes += bytes.len;
	}
	*ret = id;
	return 0;
}

int deposit_chunk(struct deposit *deposit, enum chunk_class class,
		  struct span chunk, struct id *ret, struct err *err)
{
	(void)class;
	return put(deposit->repo, chunk, 0, ret, err);
}

int deposit_chunk_like(struct deposit *deposit, enum chunk_class class,
		       struct span chunk, const struct deposit_like *like,
		       struct id *ret, struct err *err)
{
	(void)like;
	return deposit_chunk(deposit, class, chunk, ret, err);
}

int deposit_object(struct deposit *deposit, struct span object,
		   struct id *ret, struct err *err)
{
	return put(deposit->repo, object, ID_META, ret, err);
}

/* Packs nothing, so nothing is asked what it is like. */
int deposit_object_like(struct deposit *deposit, struct span object,
			const struct deposit_like *like, struct id *ret,
			struct err *err)
{
	(void)like;
	return deposit_object(deposit, object, ret, err);
}

int deposit_get(struct deposit *deposit, const struct id *id,
		struct held *ret, struct err *err)
{
	return repo_get(deposit->repo, id, ret, err);
}

int repo_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err)
{
	const struct stored *stored = *find(repo, id);

	if (ret->block)
		abort();	/* the contract: *ret is empty */
	if (!stored)
		return err_set(err, -ENOENT, "no object %s", id_hex(id).s);
	ret->bytes = stored->poses ? buf_span(&stored->posed)
		     : span_of(stored->data, id->len);
	ret->block = (struct cached *)repo;
	ret->repo = repo;
	__atomic_add_fetch(&repo->counts.gets, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&repo->counts.pins, 1, __ATOMIC_RELAXED);
	return 0;
}

void held_release(struct held *held)
{
	if (held->block)
		__atomic_sub_fetch(&held->repo->counts.pins, 1,
				   __ATOMIC_RELAXED);
	held->block = NULL;
}

int held_copy(const struct held *from, struct held *ret)
{
	*ret = *from;
	if (ret->block)
		__atomic_add_fetch(&ret->repo->counts.pins, 1,
				   __ATOMIC_RELAXED);
	return 0;
}

void repo_prefetch(struct repo *repo, const struct id *id)
{
	(void)repo;
	(void)id;
}

const struct id_key *repo_key(const struct repo *repo)
{
	return &repo->key;
}
