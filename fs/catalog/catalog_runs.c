#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

/* Loading a run's filters costs about as much as this many probes a segment
 * would: by then it has paid. */
#define FILTER_WORTH 32
#define REFRESH_TRIES 4

/* Filters: one 64-byte line of FILTER_BYTES, six bits in it.  Ids of a segment
 * agree in their first bytes, so the others decide.  On disk: not to be
 * changed without a new CATALOG_VERSION. */

static uint64_t filter_hash(const uint8_t *entry)
{
	uint64_t v = get_le64(entry + 8) ^
		     (get_le64(entry) ^ get_le32(entry + 16) ^
		      (uint64_t)entry[20] << 40 ^ (uint64_t)entry[21] << 48) *
		     0x9E3779B97F4A7C15u;

	v ^= v >> 32;
	v *= 0xD6E8FEB86659FD93u;
	v ^= v >> 29;
	v *= 0x94D049BB133111EBu;
	return v ^ v >> 32;
}

void filter_add(uint8_t *filter, const uint8_t *entry)
{
	uint64_t hash = filter_hash(entry);
	uint8_t *line = filter + 64 * (hash & 7);

	for (unsigned i = 0; i < 6; i++) {
		unsigned bit = (unsigned)(hash >> (3 + 9 * i)) & 511;

		line[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

bool filter_has(const uint8_t *filter, const uint8_t *entry)
{
	uint64_t hash = filter_hash(entry);
	const uint8_t *line = filter + 64 * (hash & 7);

	for (unsigned i = 0; i < 6; i++) {
		unsigned bit = (unsigned)(hash >> (3 + 9 * i)) & 511;

		if (!(line[bit / 8] & 1u << bit % 8))
			return false;
	}
	return true;
}

uint64_t row_sum(int64_t key, struct span bytes)
{
	return sum64(bytes) ^ (uint64_t)key * 0x9E3779B97F4A7C15u;
}

/* Packs. */

bool pack_is_live(const struct catalog *catalog, uint32_t pack)
{
	const struct lookup *lookup = &catalog->lookup;

	return pack / 8 < lookup->live_bytes &&
	       (lookup->live[pack / 8] & 1u << pack % 8);
}

static int set_live(struct lookup *lookup, int64_t pack, struct err *err)
{
	size_t byte = (size_t)pack / 8;

	if (byte >= lookup->live_bytes) {
		size_t size = byte + byte / 2 + 64;
		uint8_t *live = realloc(lookup->live, size);

		if (!live)
			return err_nomem(err);
		memset(live + lookup->live_bytes, 0,
		       size - lookup->live_bytes);
		lookup->live = live;
		lookup->live_bytes = size;
	}
	lookup->live[byte] |= (uint8_t)(1u << pack % 8);
	if (pack > lookup->last_pack)
		lookup->last_pack = pack;
	return 0;
}

int packs_load(struct catalog *catalog, struct err *err)
{
	struct lookup *lookup = &catalog->lookup;
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int64_t removals;
	int r = meta_get(catalog, "removals", &removals, err);

	if (r < 0)
		return r;
	if (!lookup->loaded || removals != lookup->removals) {
		if (lookup->live_bytes > 0)
			memset(lookup->live, 0, lookup->live_bytes);
		lookup->last_pack = 0;
	}
	r = sql_open(catalog, "SELECT number FROM pack WHERE number>?", &stmt,
		     err, "i", lookup->last_pack);
	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		int64_t number = sqlite3_column_int64(stmt, 0);

		r = number > 0 && number <= UINT32_MAX ?
			set_live(lookup, number, err) :
			sql_corrupt(catalog, err, "a pack has number %lld",
				    (long long)number);
	}
	if (r == 0)
		lookup->removals = removals;
	return r;
}

/* Runs. */

static void run_free(struct lookup *lookup, struct run *run)
{
	if (!run)
		return;
	lookup->filter_bytes -= run->filter_count * FILTER_BYTES;
	free(run->fences);
	free(run->filters);
	free(run);
}

static void free_runs(struct lookup *lookup)
{
	for (size_t i = 0; i < lookup->run_count; i++)
		run_free(lookup, lookup->runs[i]);
	free(lookup->runs);
	lookup->runs = NULL;
	lookup->run_count = 0;
}

void lookup_forget(struct catalog *catalog)
{
	struct lookup *lookup = &catalog->lookup;

	/* Numbers of runs that were never committed will be given again. */
	for (size_t i = 0; i < CACHE_SETS; i++)
		for (size_t j = 0; j < CACHE_WAYS; j++)
			lookup->cache[i][j].key = 0;
	free_runs(lookup);
	lookup->loaded = false;
}

void lookup_release(struct catalog *catalog)
{
	struct lookup *lookup = &catalog->lookup;

	free_runs(lookup);
	free(lookup->live);
	lookup->live = NULL;
	lookup->live_bytes = 0;
	for (size_t i = 0; i < CACHE_SETS; i++)
		for (size_t j = 0; j < CACHE_WAYS; j++)
			free(lookup->cache[i][j].data);
}

static struct run *take_run(struct lookup *lookup, int64_t id)
{
	for (size_t i = 0; i < lookup->run_count; i++) {
		struct run *run = lookup->runs[i];

		if (run && run->id == id) {
			lookup->runs[i] = NULL;
			return run;
		}
	}
	return calloc(1, sizeof(struct run));
}

static int fill_run(struct catalog *catalog, sqlite3_stmt *stmt,
		    struct run *run, struct err *err)
{
	struct span bound = sql_blob(stmt, 6);

	run->id = sqlite3_column_int64(stmt, 0);
	run->level = (unsigned)sqlite3_column_int(stmt, 1);
	run->count = (uint64_t)sqlite3_column_int64(stmt, 2);
	run->segs = (uint64_t)sqlite3_column_int64(stmt, 3);
	run->building = sqlite3_column_int(stmt, 4) == 2;
	run->into = sqlite3_column_int64(stmt, 5);
	run->has_bound = bound.len == ID_BYTES;
	if (run->id <= 0 || run->id > INT32_MAX || run->level > 64 ||
	    (bound.len > 0 && !run->has_bound))
		return sql_corrupt(catalog, err, "a row of a run is malformed");
	if (run->has_bound)
		memcpy(run->bound, bound.data, ID_BYTES);
	return 0;
}

static int link_targets(struct catalog *catalog, struct err *err)
{
	struct lookup *lookup = &catalog->lookup;

	for (size_t i = 0; i < lookup->run_count; i++) {
		struct run *run = lookup->runs[i];

		run->target = NULL;
		for (size_t j = 0; run->into && j < lookup->run_count; j++)
			if (lookup->runs[j]->id == run->into)
				run->target = lookup->runs[j];
		if (run->into && (!run->target || !run->target->building))
			return sql_corrupt(catalog, err,
					   "run %lld goes into no run",
					   (long long)run->id);
	}
	return 0;
}

/* Put *run at the end of runs, which then owns it. */
static int append_run(struct lookup *lookup, struct run *run, struct err *err)
{
	struct run **runs = realloc(lookup->runs, (lookup->run_count + 1) *
						  sizeof(struct run *));

	if (!runs) {
		run_free(lookup, run);
		return err_nomem(err);
	}
	lookup->runs = runs;
	lookup->runs[lookup->run_count++] = run;
	return 0;
}

int runs_load(struct catalog *catalog, struct err *err)
{
	struct lookup *lookup = &catalog->lookup;
	struct lookup old = { .runs = lookup->runs,
			      .run_count = lookup->run_count };
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT id, level, count, segs, state,"
			 " \"into\", bound FROM run ORDER BY id DESC", &stmt,
			 err, "");

	lookup->runs = NULL;
	lookup->run_count = 0;
	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		struct run *run = take_run(&old,
					   sqlite3_column_int64(stmt, 0));

		r = run ? append_run(lookup, run, err) : err_nomem(err);
		if (r == 0)
			r = fill_run(catalog, stmt, run, err);
	}
	if (r == 0)
		r = link_targets(catalog, err);
	old.filter_bytes = lookup->filter_bytes;
	free_runs(&old);
	lookup->filter_bytes = old.filter_bytes;
	if (r < 0)
		lookup_forget(catalog);
	return r;
}

static int load_all(struct catalog *catalog, int64_t version, struct err *err)
{
	int r = packs_load(catalog, err);

	if (r == 0)
		r = runs_load(catalog, err);
	if (r < 0) {
		lookup_forget(catalog);
		return r;
	}
	catalog->lookup.data_version = version;
	catalog->lookup.loaded = true;
	return 0;
}

/* Packs and runs as of one moment. */
static int load_together(struct catalog *catalog, struct err *err)
{
	int64_t version = 0;
	bool alone = sqlite3_get_autocommit(catalog->db) != 0;
	int r = alone ? sql_exec(catalog, "BEGIN", err, "") : 0;

	if (r < 0)
		return r;
	r = sql_number(catalog, "PRAGMA data_version", &version, err);
	if (r == 0)
		r = load_all(catalog, version, err);
	if (alone)
		sqlite3_exec(catalog->db, "COMMIT", NULL, NULL, NULL);
	return r;
}

int lookup_refresh(struct catalog *catalog, bool *ret_changed,
		   struct err *err)
{
	int64_t version;
	int r;

	if (ret_changed)
		*ret_changed = false;
	if (catalog->lookup.loaded) {
		/* Nobody else can commit while a transaction is open. */
		if (catalog->depth > 0 || catalog->mode == CATALOG_MEMORY)
			return 0;
		r = sql_number(catalog, "PRAGMA data_version", &version, err);
		if (r < 0 || version == catalog->lookup.data_version)
			return r;
	}
	if (ret_changed)
		*ret_changed = true;
	return load_together(catalog, err);
}

/* Fences and filters. */

static int grow(void **rows, size_t *cap, size_t want, size_t size)
{
	size_t more = *cap + *cap / 4 + GROUP_SEGS;
	void *p;

	if (want <= *cap)
		return 0;
	if (more < want)
		more = want;
	p = reallocarray(*rows, more, size);
	if (!p)
		return -ENOMEM;
	*rows = p;
	*cap = more;
	return 0;
}

/* The sum of a guide's row stands at the end of its filters. */
int guide_verify(struct catalog *catalog, int64_t key, struct span fences,
		 struct span filters, size_t *ret_segs, struct err *err)
{
	OWNED_BUF struct buf both = BUF_INIT;
	size_t segs = fences.len / ID_BYTES;

	if (segs == 0 || segs > GROUP_SEGS || fences.len % ID_BYTES ||
	    filters.len != segs * FILTER_BYTES + SUM_BYTES)
		return sql_corrupt(catalog, err, "a row of guide is malformed");
	buf_append(&both, fences.data, fences.len);
	buf_append(&both, filters.data, filters.len - SUM_BYTES);
	if (buf_failed(&both))
		return err_nomem(err);
	if (get_le64(filters.data + filters.len - SUM_BYTES) !=
	    row_sum(key, buf_span(&both)))
		return sql_corrupt(catalog, err, "a row of guide is not as it "
				   "was written");
	*ret_segs = segs;
	return 0;
}

static int take_fences(struct catalog *catalog, struct run *run, int64_t key,
		       struct span fences, struct err *err)
{
	size_t segs = fences.len / ID_BYTES;

	if (run->fence_count == 0)
		run->first_seg = (uint32_t)key;
	if ((uint32_t)key != run->first_seg + run->fence_count)
		return sql_corrupt(catalog, err, "run %lld has a gap",
				   (long long)run->id);
	if (grow((void **)&run->fences, &run->fence_cap,
		 run->fence_count + segs, ID_BYTES) < 0)
		return err_nomem(err);
	memcpy(run->fences[run->fence_count], fences.data, fences.len);
	run->fence_count += segs;
	return 0;
}

/* Segments whose groups were merged away after their fences were read have
 * no filters any more, nor any use for them. */
static int take_filters(struct catalog *catalog, struct run *run, int64_t key,
			struct span filters, size_t segs, struct err *err)
{
	size_t at = (uint32_t)key - run->first_seg, had = run->filter_count;

	if (at < had || (at > had && !run->into) ||
	    at + segs > run->fence_count)
		return -ESTALE;
	if (grow((void **)&run->filters, &run->filter_cap,
		 at + segs, FILTER_BYTES) < 0)
		return err_nomem(err);
	memset(run->filters + had, 0xff, (at - had) * FILTER_BYTES);
	memcpy(run->filters[at], filters.data, segs * FILTER_BYTES);
	run->filter_count = at + segs;
	catalog->lookup.filter_bytes += (at + segs - had) * FILTER_BYTES;
	return 0;
}

/*
 * Read the groups that are not yet in memory: those of a run that is being
 * built come later.  A group is checked whenever its filters are read; fences
 * alone are proved by the segments they lead to.
 */
static int load_guides(struct catalog *catalog, struct run *run, bool filters,
		       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	size_t have = filters ? run->filter_count : run->fence_count;
	int64_t from = seg_key(run->id, (uint32_t)(run->first_seg + have));
	int r = sql_open(catalog, "SELECT key, fences, filters FROM guide"
			 " WHERE key>=? AND key<? ORDER BY key", &stmt, err,
			 "ii", from, seg_key(run->id + 1, 0));

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		int64_t key = sqlite3_column_int64(stmt, 0);
		struct span fences = sql_blob(stmt, 1);
		size_t segs = 0;

		if (!filters) {
			r = take_fences(catalog, run, key, fences, err);
			continue;
		}
		r = guide_verify(catalog, key, fences, sql_blob(stmt, 2),
				 &segs, err);
		if (r == 0)
			r = take_filters(catalog, run, key, sql_blob(stmt, 2),
					 segs, err);
	}
	return r;
}

static int ensure_fences(struct catalog *catalog, struct run *run,
			 struct err *err)
{
	int r;

	if (run->fence_count >= run->segs)
		return 0;
	r = load_guides(catalog, run, false, err);
	return r == 0 && run->fence_count < run->segs ? -ESTALE : r;
}

static bool filters_pay(const struct catalog *catalog, const struct run *run)
{
	if ((run->probes + 1) * FILTER_WORTH < run->fence_count)
		return false;
	return catalog->lookup.filter_bytes +
	       (run->fence_count - run->filter_count) * FILTER_BYTES <=
	       FILTER_BUDGET;
}

static int ensure_filters(struct catalog *catalog, struct run *run,
			  struct err *err)
{
	int r;

	if (run->filter_count == run->fence_count || !filters_pay(catalog, run))
		return 0;
	r = load_guides(catalog, run, true, err);
	if (r == 0 && run->filter_count < run->fence_count)
		return -ESTALE;
	return r;
}

/* How many fences are below key.  Ids are spread evenly: begin near where it
 * must be and widen from there. */
static size_t fences_below(const struct run *run, const uint8_t *key)
{
	size_t n = run->fence_count, lo, hi, step = 4;
	uint64_t prefix = __builtin_bswap64(get_le64(key));
	size_t at = (size_t)((unsigned __int128)prefix * n >> 64);

	lo = 0;
	hi = n;
	if (memcmp(run->fences[at], key, ID_BYTES) < 0) {
		lo = at + 1;
		while (lo + step < n &&
		       memcmp(run->fences[lo + step], key, ID_BYTES) < 0) {
			lo += step + 1;
			step *= 2;
		}
		hi = lo + step < n ? lo + step : n;
	} else {
		hi = at;
		while (hi > step &&
		       memcmp(run->fences[hi - step], key, ID_BYTES) >= 0) {
			hi -= step;
			step *= 2;
		}
		lo = hi > step ? hi - step : 0;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(run->fences[mid], key, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

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

struct search {
	uint8_t id[ID_BYTES];
	struct place *places;
	size_t max, count;
};

static const uint8_t *entry_at(const struct cached_seg *seg, size_t i)
{
	return seg->data + i * ENTRY_BYTES;
}

static void search_seg(struct catalog *catalog, const struct cached_seg *seg,
		       struct search *search)
{
	size_t lo = 0, hi = seg->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(entry_at(seg, mid), search->id, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < seg->count && search->count < search->max; lo++) {
		const uint8_t *entry = entry_at(seg, lo);
		uint32_t pack = get_le32(entry + ID_BYTES);

		if (memcmp(entry, search->id, ID_BYTES) != 0)
			return;
		if (!pack_is_live(catalog, pack))
			continue;
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
	int r;

	if (at >= run->filter_count)
		run->probes++;
	else if (!filter_has(run->filters[at], search->id)) {
		catalog->lookup.rejects++;
		return 0;
	}
	catalog->lookup.probes++;
	r = get_seg(catalog, seg_key(run->id, (uint32_t)(run->first_seg + at)),
		    &seg, err);
	if (r == -ESTALE)
		return check_used_up(catalog, run, err);
	if (r == 0)
		search_seg(catalog, seg, search);
	return r;
}

static int search_run(struct catalog *catalog, struct run *run,
		      struct search *search, struct err *err)
{
	size_t at;
	int r = ensure_fences(catalog, run, err);

	if (r < 0 || run->fence_count == 0)
		return r;
	r = ensure_filters(catalog, run, err);
	if (r < 0)
		return r;
	/* The last segment that begins below id, and those that begin with
	 * it: one id may have many places. */
	at = fences_below(run, search->id);
	if (at > 0)
		at--;
	for (; r == 0 && at < run->fence_count &&
	     memcmp(run->fences[at], search->id, ID_BYTES) <= 0; at++)
		r = probe(catalog, run, at, search, err);
	return r;
}

/* While a merge is on its way, each id is in the target or in its sources. */
static bool run_is_for(const struct run *run, const uint8_t *id)
{
	if (run->building)
		return run->has_bound &&
		       memcmp(id, run->bound, ID_BYTES) <= 0;
	if (run->target && run->target->has_bound)
		return memcmp(id, run->target->bound, ID_BYTES) > 0;
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

int catalog_find(struct catalog *catalog, const struct id *id,
		 struct place *places, size_t max, size_t *ret_count,
		 struct err *err)
{
	struct search search = { .places = places, .max = max };
	int r;

	id_to_disk(id, search.id);
	catalog_lock(catalog);
	r = search_fresh(catalog, &search, err);
	catalog_unlock(catalog);
	if (r == 0)
		*ret_count = search.count;
	return r;
}
