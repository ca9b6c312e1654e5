#include "fs/repo/deposit_internal.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * Two adds that run at once may each have stored bytes under an id that was
 * free when they looked.  The same bytes are a second copy, which prune
 * tidies; other bytes under one id would leave the id with two meanings, so the
 * later pack is not sealed and its add runs again.
 */
static int check_pend(struct deposit *deposit, const struct pend *pend,
		      struct err *err)
{
	OWNED_HELD struct held mine = HELD_INIT;
	OWNED_HELD struct held theirs = HELD_INIT;
	struct place place;
	size_t count = 0;
	int r;

	r = catalog_find(deposit->repo->catalog, &pend->id, &place, 1, &count,
			 err);
	if (r < 0 || count == 0)
		return r;
	/* a damaged copy is what this pack is to heal */
	if (repo_get_at(deposit->repo, &place, &pend->id, &theirs, NULL) < 0)
		return 0;
	pthread_mutex_lock(&deposit->mutex);
	r = pend_read(deposit, pend, &mine, err);
	pthread_mutex_unlock(&deposit->mutex);
	if (r == 0 && !span_equal(mine.bytes, theirs.bytes))
		r = err_set(err, -EAGAIN, "another add took the id of a chunk "
			    "for other bytes meanwhile");
	return r;
}

static int check_pack(struct deposit *deposit, const struct open_pack *pack,
		      struct err *err)
{
	uint64_t mark;
	int r;

	/* what a prune moves has its id already, with these bytes */
	if (deposit->moving)
		return 0;
	r = catalog_change_mark(deposit->repo->catalog, &mark, err);
	if (r < 0 || mark == deposit->mark)
		return r;
	for (const struct block_job *b = pack->blocks; b; b = b->next)
		for (uint32_t i = 0; r == 0 && i < b->count; i++)
			r = check_pend(deposit, b->pends[i], err);
	return r;
}

/* Let the catalog know of a pack whose add died before it could tell. */
static int settle_dead(struct deposit *deposit, int lock, struct err *err)
{
	struct level_report report = { .locked = true, .every_pack = true };

	if (!repo_was_sealing(lock))
		return 0;
	return level_catalog(deposit->repo, deposit->repo->catalog, &report,
			     NULL, NULL, err);
}

static int seal_locked(struct deposit *deposit, int lock,
		       struct open_pack *pack, enum file_kind file,
		       struct pack_name *name, uint64_t *size,
		       struct err *err)
{
	struct told_pack told = { .name = name->b, .meta = file == FILE_META,
				  .leans = pack_leans(pack->writer) };
	int r;

	r = settle_dead(deposit, lock, err);
	if (r == 0)
		r = check_pack(deposit, pack, err);
	if (r == 0)
		r = repo_mark_sealing(deposit->repo, lock, true, err);
	if (r == 0)
		r = pack_seal(pack->writer, name, &told.entries, &told.count,
			      size, err);
	if (r == 0)
		r = presence_add_pack(&deposit->repo->presence, name->b, err);
	told.size = *size;
	if (r == 0)
		r = level_tell_pack(deposit->repo->catalog, &told, err);
	if (r == 0)
		r = catalog_change_mark(deposit->repo->catalog,
					&deposit->mark, err);
	if (r == 0)
		r = repo_mark_sealing(deposit->repo, lock, false, err);
	return r;
}

static int remember_pack(struct deposit *deposit, const struct pack_name *name)
{
	void *more = realloc(deposit->packs, (deposit->pack_count + 1) *
					     sizeof(*deposit->packs));

	if (!more)
		return -ENOMEM;
	deposit->packs = more;
	memcpy(deposit->packs[deposit->pack_count++], name->b, PACK_NAME);
	return 0;
}

int deposit_seal(struct deposit *deposit, struct open_pack *pack,
		 enum file_kind file, struct err *err)
{
	struct pack_name name;
	uint64_t size = 0, written = pack_size(pack->writer);
	int lock, r;

	r = repo_lock_commit(deposit->repo, &lock, err);
	if (r == 0) {
		r = seal_locked(deposit, lock, pack, file, &name, &size, err);
		repo_unlock_commit(lock);
	}
	pthread_mutex_lock(&deposit->mutex);
	if (r == 0 && remember_pack(deposit, &name) < 0)
		r = err_nomem(err);
	/* index and header count as stored, too */
	if (r == 0 && size > written)
		deposit->stored_bytes += size - written;
	for (struct block_job *b = pack->blocks; b; b = b->next)
		deposit_forget_block(deposit, b);
	pthread_mutex_unlock(&deposit->mutex);
	cache_drop_pack(deposit->repo->cache, pack->cache_key);
	open_pack_free(pack);
	return r;
}

/* The commit. */

static int is_condemned(void *arg, uint32_t number, uint64_t seq,
			struct err *err)
{
	(void)seq;
	return bits_set(arg, number, err);
}

/*
 * Prune condemned a pack after this add had found it: it stays.  A pack that
 * is gone (who removed it did not see this add) makes it run again.
 */
static int settle_hits(struct deposit *deposit, struct err *err)
{
	CLEANUP(bits_release) struct bits condemned = BITS_INIT;
	struct catalog *catalog = deposit->repo->catalog;
	int r = catalog_each_condemned(catalog, is_condemned, &condemned, err);

	for (uint64_t i = 0; r == 0 && i < deposit->hits.size * 8; i++) {
		struct catalog_pack pack;

		if (!bits_has(&deposit->hits, i))
			continue;
		r = catalog_get_pack(catalog, (uint32_t)i, &pack, err);
		if (r == -ENOENT)
			return err_set(err, -EAGAIN, "a pack that has chunks "
				       "of this add was removed meanwhile");
		if (r == 0 && bits_has(&condemned, i))
			r = catalog_spare_pack(catalog, (uint32_t)i, err);
	}
	return r;
}

struct taken {
	size_t base_len;
	const char *wish;	/* or NULL */
	bool wish_taken;
	unsigned highest;	/* 0: base is free */
};

static int see_name(void *arg, const char *name)
{
	struct taken *taken = arg;
	unsigned n = 1;

	taken->wish_taken |= taken->wish && !strcmp(name, taken->wish);
	if (name[taken->base_len] == '-')
		n = (unsigned)strtoul(name + taken->base_len + 1, NULL, 10);
	else if (name[taken->base_len])
		return 0;
	if (n > taken->highest)
		taken->highest = n;
	return 0;
}

/* "2021-01-22T19-27-31Z", or with the next "-N" where that was used.  A copy
 * keeps the name it comes with where that is free. */
static int draw_name(struct repo *repo, struct record *record,
		     struct err *err)
{
	char base[STAMP_TEXT], name[STAMP_TEXT + 16];
	struct taken taken = { .wish = record->name };
	int r;

	stamp_name(record->time, base);
	taken.base_len = strlen(base);
	r = catalog_each_name(repo->catalog, record->source, base, see_name,
			      &taken, err);
	if (r < 0 || (record->name && !taken.wish_taken &&
		      !strncmp(record->name, base, taken.base_len)))
		return r;
	if (taken.highest)
		snprintf(name, sizeof(name), "%s-%u", base,
			 taken.highest + 1);
	else
		snprintf(name, sizeof(name), "%s", base);
	free(record->name);
	record->name = strdup(name);
	return record->name ? 0 : err_nomem(err);
}

static int fill_record(struct deposit *deposit, struct record *record,
		       struct err *err)
{
	int r;

	r = random_bytes(record->id, sizeof(record->id), err);
	if (r < 0)
		return r;
	record->added = stamp_now();
	if (!record->host)
		record->host = repo_host();
	if (!record->user)
		record->user = repo_user();
	if (!record->version)
		record->version = strdup(VARVE_VERSION);
	if (!record->host || !record->user || !record->version)
		return err_nomem(err);
	free(record->packs);
	record->packs = deposit->packs;
	record->pack_count = deposit->pack_count;
	record->new_bytes = deposit->stored_bytes;
	deposit->packs = NULL;
	deposit->pack_count = 0;
	return 0;
}

static int publish(struct repo *repo, struct record *record, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	char path[64], hex[2 * RECORD_ID + 1];
	int r;

	hex_write(record->id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "snapshots/%s", hex);
	r = record_write(record, &bytes, err);
	if (r == 0)
		r = disk_publish(&repo->dir, path, buf_span(&bytes), err);
	if (r < 0)
		return r;
	/* It exists now.  A catalog that cannot be told follows at the next
	 * open (invariant 3), so that is no failure of the add. */
	catalog_add_record(repo->catalog, record, buf_span(&bytes), NULL);
	return 0;
}

static int commit_locked(struct deposit *deposit, struct record *record,
			 struct err *err)
{
	struct level_report report = { .locked = true };
	struct repo *repo = deposit->repo;
	uint64_t high;
	int r;

	r = level_catalog(repo, repo->catalog, &report, NULL, NULL, err);
	if (r == 0)
		r = settle_hits(deposit, err);
	if (r == 0)
		r = catalog_high_number(repo->catalog, &high, err);
	if (r < 0)
		return r;
	record->number = high + 1;
	r = draw_name(repo, record, err);
	if (r == 0)
		r = publish(repo, record, err);
	return r;
}

int deposit_commit(struct deposit *deposit, struct record *record,
		   struct err *err)
{
	int lock, r;

	r = deposit_drain(deposit, err);
	if (r == 0)
		r = fill_record(deposit, record, err);
	if (r < 0)
		return r;
	r = repo_lock_commit(deposit->repo, &lock, err);
	if (r < 0)
		return r;
	r = commit_locked(deposit, record, err);
	repo_unlock_commit(lock);
	if (r == 0)
		reserve_keep(deposit->repo);
	return r;
}
