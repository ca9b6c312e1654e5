#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

/* Runs: every segment, fence and filter, and the counts of runs and packs. */

struct run_check {
	struct catalog *catalog;
	const struct run *run;
	uint32_t next;		/* segment that must follow */
	bool some;
	uint8_t last[ID_BYTES];
	uint64_t segs, passed, kept;	/* entries before and behind the bound */
	uint64_t *packs;	/* entries of each pack */
	size_t pack_count;
};

static int check_entry(struct run_check *check, const uint8_t *entry,
		       const uint8_t *filter, struct err *err)
{
	const struct run *target = check->run->target;
	uint32_t pack = get_le32(entry + ID_BYTES);
	long long id = (long long)check->run->id;

	if (check->some && memcmp(check->last, entry, ID_BYTES) > 0)
		return sql_corrupt(check->catalog, err,
				   "run %lld is not sorted", id);
	if (!filter_has(filter, entry))
		return sql_corrupt(check->catalog, err,
				   "a filter of run %lld lacks an object", id);
	check->some = true;
	memcpy(check->last, entry, ID_BYTES);
	if (target && target->has_bound &&
	    memcmp(entry, target->bound, ID_BYTES) <= 0) {
		check->passed++;
		return 0;
	}
	check->kept++;
	if (pack < check->pack_count)
		check->packs[pack]++;
	return 0;
}

static int check_seg(struct run_check *check, int64_t key, struct span row,
		     const uint8_t *fence, const uint8_t *filter,
		     struct err *err)
{
	size_t count;
	int r = seg_verify(check->catalog, key, row, &count, err);

	if (r < 0)
		return r;
	if (memcmp(row.data, fence, ID_BYTES) != 0)
		return sql_corrupt(check->catalog, err,
				   "a fence of run %lld is wrong",
				   (long long)check->run->id);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_entry(check, row.data + i * ENTRY_BYTES, filter,
				err);
	check->segs++;
	return r;
}

/* The segments of one group; those merged away may be missing in front. */
static int check_group(struct run_check *check, int64_t key,
		       struct span fences, struct span filters,
		       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	size_t segs = 0, seen = 0;
	int r = guide_verify(check->catalog, key, fences, filters, &segs,
			     err);

	if (r < 0)
		return r;
	r = sql_open(check->catalog, "SELECT key, data FROM seg WHERE key>=?"
		     " AND key<? ORDER BY key", &stmt, err, "ii", key,
		     key + (int64_t)segs);
	while (r == 0 && (r = sql_step(check->catalog, stmt, err)) == 1) {
		int64_t at = sqlite3_column_int64(stmt, 0) - key;

		r = check_seg(check, at + key, sql_blob(stmt, 1),
			      fences.data + at * ID_BYTES,
			      filters.data + at * FILTER_BYTES, err);
		seen++;
	}
	if (r == 0 && seen < segs && !check->run->into)
		return sql_corrupt(check->catalog, err,
				   "run %lld lacks segments",
				   (long long)check->run->id);
	return r;
}

static int check_run(struct run_check *check, struct err *err)
{
	const struct run *run = check->run;
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(check->catalog, "SELECT key, fences, filters FROM"
			 " guide WHERE key>=?1 AND key<?2", &stmt, err, "ii",
			 seg_key(run->id, 0), seg_key(run->id + 1, 0));

	while (r == 0 && (r = sql_step(check->catalog, stmt, err)) == 1)
		r = check_group(check, sqlite3_column_int64(stmt, 0),
				sql_blob(stmt, 1), sql_blob(stmt, 2), err);
	if (r == 0 && (check->kept != run->count || check->segs != run->segs))
		return sql_corrupt(check->catalog, err, "run %lld has %llu "
				   "objects in %llu segments, and should have "
				   "%llu in %llu", (long long)run->id,
				   (unsigned long long)check->kept,
				   (unsigned long long)check->segs,
				   (unsigned long long)run->count,
				   (unsigned long long)run->segs);
	return r;
}

static int check_packs(struct catalog *catalog, const uint64_t *packs,
		       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT number, objects FROM pack", &stmt,
			 err, "");

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		int64_t number = sqlite3_column_int64(stmt, 0);
		int64_t objects = sqlite3_column_int64(stmt, 1);

		r = packs[number] == (uint64_t)objects ? 0 :
			sql_corrupt(catalog, err, "%llu of the %lld objects of "
				    "pack number %lld are in runs",
				    (unsigned long long)packs[number],
				    (long long)objects, (long long)number);
	}
	return r;
}

static int runs_check(struct catalog *catalog, struct err *err)
{
	CLEANUP(free_ptr) uint64_t *packs = NULL;
	struct lookup *lookup = &catalog->lookup;
	size_t count;
	int r;

	lookup_forget(catalog);
	r = lookup_refresh(catalog, NULL, err);
	if (r < 0)
		return r;
	count = (size_t)lookup->last_pack + 1;
	packs = calloc(count, sizeof(*packs));
	if (!packs)
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < lookup->run_count; i++) {
		struct run_check check = {
			.catalog = catalog, .run = lookup->runs[i],
			.packs = packs, .pack_count = count,
		};

		r = check_run(&check, err);
	}
	return r < 0 ? r : check_packs(catalog, packs, err);
}

/* All of it. */

static int quick_check(struct catalog *catalog, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	const char *words, *line;
	int r = sql_open(catalog, "PRAGMA quick_check(1)", &stmt, err, "");

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	words = r == 1 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (!words)
		return sql_corrupt(catalog, err, "its check says nothing");
	if (strcmp(words, "ok") == 0)
		return 0;
	/* The first line only says which database it is about. */
	line = strchr(words, '\n');
	line = line ? line + 1 : words;
	return sql_corrupt(catalog, err, "%.*s", (int)strcspn(line, "\n"),
			   line);
}

static int check_all(struct catalog *catalog, struct err *err)
{
	int r = quick_check(catalog, err);

	if (r == 0)
		r = runs_check(catalog, err);
	return r < 0 ? r : snapshots_check(catalog, err);
}

int catalog_check(struct catalog *catalog, struct err *err)
{
	bool alone;
	int r = 0;

	catalog_lock(catalog);
	alone = sqlite3_get_autocommit(catalog->db) != 0;
	/* All of it as of one moment. */
	if (alone)
		r = sql_exec(catalog, "BEGIN", err, "");
	if (r == 0)
		r = check_all(catalog, err);
	if (alone && !sqlite3_get_autocommit(catalog->db))
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
	catalog_unlock(catalog);
	return r;
}
