#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

#define REFRESH_TRIES 4

/* Segments. */

int seg_verify(struct catalog *catalog, int64_t key, struct span row,
	       size_t *ret_count, struct err *err)
{
	size_t count = row.len / ENTRY_BYTES;

	if (row.len % ENTRY_BYTES != SUM_BYTES || count == 0 ||
	    count > SEG_ENTRIES)
		return sql_corrupt(catalog, err, "segment %llx is malformed",
				   (unsigned long long)key);
	if (get_le64(row.data + row.len - SUM_BYTES) !=
	    row_sum(key, span_of(row.data, row.len - SUM_BYTES)))
		return sql_corrupt(catalog, err, "segment %llx is not as it "
				   "was written", (unsigned long long)key);
	*ret_count = count;
	return 0;
}

static int read_seg(struct catalog *catalog, int64_t key,
		    struct cached_seg *seg, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	struct span row;
	size_t count;
	int r = sql_open(catalog, "SELECT data FROM seg WHERE key=?", &stmt,
			 err, "i", key);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return -ESTALE;
	row = sql_blob(stmt, 0);
	r = seg_verify(catalog, key, row, &count, err);
	if (r < 0)
		return r;
	if (!seg->data)
		seg->data = malloc(SEG_BYTES);
	if (!seg->data)
		return err_nomem(err);
	memcpy(seg->data, row.data, count * ENTRY_BYTES);
	seg->count = count;
	seg->key = key;
	return 0;
}

/* -ESTALE: another process has merged it away. */
static int get_seg(struct catalog *catalog, int64_t key,
		   const struct cached_seg **ret, struct err *err)
{
	struct lookup *lookup = &catalog->lookup;
	uint64_t mixed = (uint64_t)key * 0x9E3779B97F4A7C15u >> 32;
	struct cached_seg *set = lookup->cache[mixed % CACHE_SETS];
	struct cached_seg *oldest = &set[0];
	int r;

	for (size_t i = 0; i < CACHE_WAYS; i++) {
		if (set[i].key == key) {
			set[i].used = ++lookup->tick;
			*ret = &set[i];
			return 0;
		}
		if (set[i].key == 0 || set[i].used < oldest->used)
			oldest = &set[i];
	}
	oldest->key = 0;
	r = read_seg(catalog, key, oldest, err);
	if (r < 0)
		return r;
	oldest->used = ++lookup->tick;
	*ret = oldest;
	return 0;
}

/* Lookups. */

/* How many fences are below key.  Ids are spread evenly: begin near where it
 * must be and widen from there. */
static size_t fences_below(const struct run *run, const uint8_t *key)
{
	size_t n = run->fence_count, lo, hi, step = 4;
	uint64_t prefix = get_be64(key);
	size_t at = (size_t)((unsigned __int128)prefix * n >> 64);

	lo = 0;
	hi = n;
	if (hash_cmp(run->fences[at], key, ID_BYTES) < 0) {
		lo = at + 1;
		while (lo + step < n &&
		       hash_cmp(run->fences[lo + step], key, ID_BYTES) < 0) {
			lo += step + 1;
			step *= 2;
		}
		hi = lo + step < n ? lo + step : n;
	} else {
		hi = at;
		while (hi > step &&
		       hash_cmp(run->fences[hi - step], key, ID_BYTES) >= 0) {
			hi -= step;
			step *= 2;
		}
		lo = hi > step ? hi - step : 0;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hash_cmp(run->fences[mid], key, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct search {
	uint8_t id[ID_BYTES];
	struct place *places;
	uint64_t *rows;		/* NULL, or of each place */
	size_t max, count;
};

static const uint8_t *entry_at(const struct cached_seg *seg, size_t i)
{
	return seg->data + i * ENTRY_BYTES;
}

/* first_row: of the segment, where rows are asked for. */
static void search_seg(struct catalog *catalog, const struct cached_seg *seg,
		       uint64_t first_row, struct search *search)
{
	size_t lo = 0, hi = seg->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hash_cmp(entry_at(seg, mid), search->id, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < seg->count && search->count < search->max; lo++) {
		const uint8_t *entry = entry_at(seg, lo);
		uint32_t pack = get_le32(entry + ID_BYTES);

		if (hash_cmp(entry, search->id, ID_BYTES) != 0)
			return;
		if (!pack_is_live(catalog, pack))
			continue;
		if (search->rows)
			search->rows[search->count] = first_row + lo;
		search->places[search->count++] = (struct place){
			.pack = pack,
			.offset = get_le32(entry + ID_BYTES + 4),
			.stored = get_le32(entry + ID_BYTES + 8),
			.at = get_le32(entry + ID_BYTES + 12),
		};
	}
}

/* A source of a merge lacks the segments that were used up: they hold nothing
 * behind the bound.  But is it as old as that? */
static int check_used_up(struct catalog *catalog, const struct run *run,
			 struct err *err)
{
	bool changed;
	int r;

	if (!run->into)
		return -ESTALE;
	r = lookup_refresh(catalog, &changed, err);
	if (r < 0)
		return r;
	return changed ? -ESTALE : 0;
}

static int probe(struct catalog *catalog, struct run *run, size_t at,
		 struct search *search, struct err *err)
{
	const struct cached_seg *seg = NULL;
	uint32_t number = (uint32_t)(run->first_seg + at);
	int r;

	if (at >= run->filter_count)
		run->probes++;
	else if (!filter_has(run->filters[at], search->id)) {
		catalog->lookup.rejects++;
		return 0;
	}
	catalog->lookup.probes++;
	r = get_seg(catalog, seg_key(run->id, number), &seg, err);
	if (r == -ESTALE)
		return check_used_up(catalog, run, err);
	if (r == 0)
		search_seg(catalog, seg,
			   run->base + (uint64_t)number * SEG_ENTRIES, search);
	return r;
}

static int search_run(struct catalog *catalog, struct run *run,
		      struct search *search, struct err *err)
{
	size_t at;
	int r = run_guides(catalog, run, err);

	if (r < 0 || run->fence_count == 0)
		return r;
	/* The last segment that begins below id, and those that begin with
	 * it: one id may have many places. */
	at = fences_below(run, search->id);
	if (at > 0)
		at--;
	for (; r == 0 && at < run->fence_count &&
	     hash_cmp(run->fences[at], search->id, ID_BYTES) <= 0; at++)
		r = probe(catalog, run, at, search, err);
	return r;
}

bool run_is_for(const struct run *run, const uint8_t *id)
{
	if (run->building)
		return run->has_bound &&
		       hash_cmp(id, run->bound, ID_BYTES) <= 0;
	if (run->target && run->target->has_bound)
		return hash_cmp(id, run->target->bound, ID_BYTES) > 0;
	return true;
}

static int search_runs(struct catalog *catalog, struct search *search,
		       struct err *err)
{
	struct lookup *lookup = &catalog->lookup;
	int r = 0;

	search->count = 0;
	for (size_t i = 0; r == 0 && i < lookup->run_count &&
	     search->count < search->max; i++)
		if (run_is_for(lookup->runs[i], search->id))
			r = search_run(catalog, lookup->runs[i], search, err);
	return r;
}

/*
 * What is found is there, however old the runs in memory are; that nothing
 * is found counts only if nobody committed since they were read.
 */
static int search_fresh(struct catalog *catalog, struct search *search,
			struct err *err)
{
	bool changed = false, stale;
	int r = 0;

	if (!catalog->lookup.loaded)
		r = lookup_refresh(catalog, NULL, err);
	for (unsigned i = 0; r == 0 && i < REFRESH_TRIES; i++) {
		r = search_runs(catalog, search, err);
		if (r < 0 && r != -ESTALE)
			return r;
		if (r == 0 && search->count > 0)
			return 0;
		stale = r == -ESTALE;
		if (stale)
			lookup_forget(catalog);
		r = lookup_refresh(catalog, &changed, err);
		if (r == 0 && !stale && !changed)
			return 0;
	}
	return r < 0 ? r : sql_corrupt(catalog, err, "its runs name segments "
				       "that are not there");
}

int catalog_find_rows(struct catalog *catalog, const struct id *id,
		      struct place *places, uint64_t *rows, size_t max,
		      size_t *ret_count, struct err *err)
{
	struct search search = { .places = places, .rows = rows, .max = max };
	int r;

	id_to_disk(id, search.id);
	catalog_lock(catalog);
	r = search_fresh(catalog, &search, err);
	catalog_unlock(catalog);
	if (r == 0)
		*ret_count = search.count;
	return r;
}

int catalog_find(struct catalog *catalog, const struct id *id,
		 struct place *places, size_t max, size_t *ret_count,
		 struct err *err)
{
	return catalog_find_rows(catalog, id, places, NULL, max, ret_count,
				 err);
}

int catalog_refresh(struct catalog *catalog, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = lookup_refresh(catalog, NULL, err);
	catalog_unlock(catalog);
	return r;
}
