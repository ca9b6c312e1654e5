#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

/* Loading a run's filters costs about as much as this many probes a segment
 * would: by then it has paid. */
#define FILTER_WORTH 32

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

bool catalog_has_pack(struct catalog *catalog, uint32_t number)
{
	bool has;

	catalog_lock(catalog);
	has = pack_is_live(catalog, number);
	catalog_unlock(catalog);
	return has;
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
	static const char commit[] = "COMMIT";
	int64_t version = 0;
	bool alone = sqlite3_get_autocommit(catalog->db) != 0;
	int r = 0;

	/* Its end first: prepared, it wants no memory any more.  A moment that
	 * does not end hides what others commit for good. */
	if (alone)
		r = sql_prepare(catalog, commit, err);
	if (alone && r == 0)
		r = sql_exec(catalog, "BEGIN", err, "");
	if (r < 0)
		return r;
	r = sql_number(catalog, "PRAGMA data_version", &version, err);
	if (r == 0)
		r = load_all(catalog, version, err);
	if (alone)
		sql_exec(catalog, commit, NULL, "");
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
		/* Nobody else can commit while a transaction is open, or is
		 * seen by one that reads. */
		if (catalog->depth > 0 || catalog->frozen ||
		    catalog->mode == CATALOG_MEMORY)
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

int run_guides(struct catalog *catalog, struct run *run, struct err *err)
{
	int r = ensure_fences(catalog, run, err);

	return r < 0 ? r : ensure_filters(catalog, run, err);
}
