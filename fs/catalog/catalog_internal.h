/*
 * catalog_internal: what the catalog's source files share.
 *
 * Every function here wants catalog->mutex held, which is recursive: each
 * public function takes it, and an open transaction keeps it, so that no
 * other thread's work gets into the transaction.
 */
#ifndef VARVE_CATALOG_INTERNAL_H
#define VARVE_CATALOG_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "fs/catalog/catalog.h"

#define STATEMENTS 128		/* slots of the cache; a power of two */

/* A segment: up to SEG_ENTRIES sorted entries, then the sum64 of them xor the
 * segment's key.  An entry: id, then pack, offset, stored and at as u32. */
#define ENTRY_BYTES (ID_BYTES + 16)
#define SEG_ENTRIES 431
#define SEG_BYTES (SEG_ENTRIES * ENTRY_BYTES)
#define SUM_BYTES 8
/* Segments whose first ids (fences) and filters stand in one row. */
#define GROUP_SEGS 64
#define FILTER_BYTES 512
#define FILTER_BUDGET (64u << 20)

#define CACHE_SETS 64		/* of decoded segments: 4 MiB in all */
#define CACHE_WAYS 4

struct run {
	int64_t id;
	unsigned level;
	uint64_t count, segs;
	bool building;		/* others are being merged into it */
	int64_t into;		/* the run this one is being merged into */
	struct run *target;	/* that run, or NULL */
	uint64_t base;		/* frozen: row of its segment 0 */
	bool has_bound;		/* building: ids up to bound lie here, */
	uint8_t bound[ID_BYTES];	/* later ones still in its sources */

	uint32_t first_seg;	/* index of the segment of fences[0] */
	size_t fence_count, fence_cap;
	uint8_t (*fences)[ID_BYTES];
	size_t filter_count, filter_cap;
	uint8_t (*filters)[FILTER_BYTES];
	uint64_t probes;	/* segments searched without a filter */
};

struct cached_seg {
	int64_t key;		/* 0: empty */
	uint64_t used;
	size_t count;
	uint8_t *data;		/* SEG_BYTES */
};

struct lookup {
	bool loaded;
	int64_t data_version;
	struct run **runs;	/* newest first */
	size_t run_count;
	uint8_t *live;		/* bit per pack number */
	size_t live_bytes;
	int64_t last_pack;	/* highest number in live */
	int64_t removals;
	size_t filter_bytes;
	struct cached_seg cache[CACHE_SETS][CACHE_WAYS];
	uint64_t tick;
	uint64_t rejects, probes;
};

struct statement {
	const char *sql;	/* compared by address */
	sqlite3_stmt *stmt;
};

struct catalog {
	sqlite3 *db;
	char *path;
	enum catalog_mode mode;
	bool immutable;
	pthread_mutex_t mutex;
	unsigned depth;		/* of transactions */
	uint64_t commits;	/* of this struct */
	bool put_off;		/* merging of runs */
	bool names_stale;	/* renames are to be applied at the commit */
	struct statement statements[STATEMENTS];
	struct lookup lookup;
	bool frozen;
	uint64_t rows;		/* frozen */
};

/* Locking. */

static inline void catalog_lock(struct catalog *catalog)
{
	pthread_mutex_lock(&catalog->mutex);
}

static inline void catalog_unlock(struct catalog *catalog)
{
	pthread_mutex_unlock(&catalog->mutex);
}

/* Statements.  sql is a string that lives as long as the program. */

/* The errno and words for what SQLite said last. */
int sql_fail(struct catalog *catalog, struct err *err);
int sql_corrupt(struct catalog *catalog, struct err *err, const char *fmt, ...)
	PRINTF(3, 4);
/*
 * A statement from the cache with its arguments bound: i int64_t, t const
 * char * (NULL is NULL), b const void * and size_t (as t).  What is bound is
 * borrowed until sql_done().
 */
int sql_open(struct catalog *catalog, const char *sql, sqlite3_stmt **ret,
	     struct err *err, const char *types, ...);
/* Have it in the cache, so that running it takes no memory. */
int sql_prepare(struct catalog *catalog, const char *sql, struct err *err);
/* 1: a row; 0: no more. */
int sql_step(struct catalog *catalog, sqlite3_stmt *stmt, struct err *err);
void sql_done(sqlite3_stmt **stmt);
#define OWNED_STMT CLEANUP(sql_done)
/* Open, step to the end. */
int sql_exec(struct catalog *catalog, const char *sql, struct err *err,
	     const char *types, ...);
/* The one number of the one row; -ENOENT where there is no row. */
int sql_number(struct catalog *catalog, const char *sql, int64_t *ret,
	       struct err *err);

/* NULL only where the column is; SQLite says it also where it has no memory. */
int sql_text(sqlite3_stmt *stmt, int column, const char **ret,
	     struct err *err);

static inline struct span sql_blob(sqlite3_stmt *stmt, int column)
{
	const void *data = sqlite3_column_blob(stmt, column);

	return span_of(data, (size_t)sqlite3_column_bytes(stmt, column));
}

/* meta. */
int meta_get(struct catalog *catalog, const char *key, int64_t *ret,
	     struct err *err);
int meta_add(struct catalog *catalog, const char *key, int64_t by,
	     struct err *err);
int meta_raise(struct catalog *catalog, const char *key, int64_t to,
	       struct err *err);

/* catalog_runs.c: packs and runs in memory. */

static inline int64_t seg_key(int64_t run, uint32_t seg)
{
	return (int64_t)((uint64_t)run << 32 | seg);
}

void lookup_release(struct catalog *catalog);
/* Nothing in memory counts any more (a transaction was aborted). */
void lookup_forget(struct catalog *catalog);
/* See what other processes committed; *ret_changed may be NULL. */
int lookup_refresh(struct catalog *catalog, bool *ret_changed,
		   struct err *err);
/* Read the table of runs again (inside a transaction, after a change). */
int runs_load(struct catalog *catalog, struct err *err);
int packs_load(struct catalog *catalog, struct err *err);
bool pack_is_live(const struct catalog *catalog, uint32_t pack);
/* Have run's fences in memory, and its filters where they pay.  -ESTALE
 * (without words): another process has merged it meanwhile. */
int run_guides(struct catalog *catalog, struct run *run, struct err *err);
/* Does a row of guide have its sum?  It speaks of *ret_segs segments. */
int guide_verify(struct catalog *catalog, int64_t key, struct span fences,
		 struct span filters, size_t *ret_segs, struct err *err);
bool filter_has(const uint8_t *filter, const uint8_t *entry);
void filter_add(uint8_t *filter, const uint8_t *entry);
uint64_t row_sum(int64_t key, struct span bytes);

/* catalog_find.c: segments and lookups. */

/* While a merge is on its way, each id is in the target or in its sources:
 * does run speak for id (disk form)? */
bool run_is_for(const struct run *run, const uint8_t *id);

/* Does a row of seg have its sum?  It holds *ret_count entries. */
int seg_verify(struct catalog *catalog, int64_t key, struct span row,
	       size_t *ret_count, struct err *err);

/* catalog_merge.c: runs written and merged. */

/* Entries sorted by id become a run of level 0. */
int run_add(struct catalog *catalog, uint32_t pack,
	    const struct catalog_entry *entries, size_t count,
	    struct err *err);
/* Merge what has gathered, as much as befits entries new or gone ones. */
int runs_upkeep(struct catalog *catalog, uint64_t entries, struct err *err);
/* To the end, also where less than half is of packs that are gone. */
int runs_tidy(struct catalog *catalog, struct err *err);

/* catalog_snapshots.c, catalog_events.c. */

int snapshots_check(struct catalog *catalog, struct err *err);
/* Set the row of id from its events. */
int state_derive(struct catalog *catalog, const uint8_t id[16],
		 struct err *err);
/* Put the tag events of record's snapshot over its tags. */
int state_tags(struct catalog *catalog, struct record *record,
	       struct err *err);
/* Table tag, from a record and its tag events. */
int tags_derive(struct catalog *catalog, const uint8_t id[16],
		struct err *err);
/* Apply every rename to every snapshot. */
int names_derive(struct catalog *catalog, struct err *err);
/* The source that renames give number; owned. */
int names_source(struct catalog *catalog, const char *source,
		 uint64_t number, char **ret, struct err *err);

extern const char catalog_schema[];
/* catalog_rows.c: the second half of the schema, which came with version 3. */
extern const char catalog_schema_rows[];
/* From version 1 to 2. */
extern const char catalog_upgrade_1[];
/* A record's rows are to be told; or go with it. */
int rows_expect(struct catalog *catalog, uint64_t number, struct err *err);
int rows_remove(struct catalog *catalog, const uint8_t id[16],
		struct err *err);

#endif
