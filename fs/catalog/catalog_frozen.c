#include "fs/catalog/catalog_internal.h"

/*
 * A row is (segment's number in its run, entry in the segment), numbered
 * through all runs: row = base of the run + SEG_ENTRIES x segment + entry.
 * Segments that were used up by a merge, and what is missing in the last one,
 * leave numbers unused.
 */
static int number_rows(struct catalog *frozen, struct err *err)
{
	struct lookup *lookup = &frozen->lookup;
	int r = 0;

	for (size_t i = 0; r == 0 && i < lookup->run_count; i++) {
		OWNED_STMT sqlite3_stmt *stmt = NULL;
		struct run *run = lookup->runs[i];

		run->base = frozen->rows;
		r = sql_open(frozen, "SELECT max(key) FROM seg"
			     " WHERE key>=? AND key<?", &stmt, err, "ii",
			     seg_key(run->id, 0), seg_key(run->id + 1, 0));
		if (r == 0)
			r = sql_step(frozen, stmt, err);
		if (r == 1 && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			frozen->rows += SEG_ENTRIES *
				((uint64_t)(uint32_t)
				 sqlite3_column_int64(stmt, 0) + 1);
		r = r < 0 ? r : 0;
	}
	return r;
}

int catalog_freeze(struct catalog *catalog, struct catalog **ret,
		   struct err *err)
{
	struct catalog *frozen;
	int r;

	if (catalog->mode == CATALOG_MEMORY)
		return err_set(err, -ENOTSUP, "the catalog is in memory");
	r = catalog_open(catalog->path, CATALOG_READONLY, &frozen, err);
	if (r < 0)
		return r;
	/* The first read fixes the moment; catalog_close() ends it. */
	r = sql_exec(frozen, "BEGIN", err, "");
	if (r == 0)
		r = lookup_refresh(frozen, NULL, err);
	frozen->frozen = true;
	if (r == 0)
		r = number_rows(frozen, err);
	if (r < 0) {
		catalog_close(frozen);
		return r;
	}
	*ret = frozen;
	return 0;
}

uint64_t catalog_rows(const struct catalog *frozen)
{
	return frozen->rows;
}

struct each_row {
	int (*each)(void *arg, uint64_t row, const struct id *id,
		    const struct place *place, struct err *err);
	void *arg;
};

static int each_entry(struct catalog *frozen, const struct run *run,
		      uint64_t row, const uint8_t *entry,
		      const struct each_row *each, struct err *err)
{
	const struct place place = {
		.pack = get_le32(entry + ID_BYTES),
		.offset = get_le32(entry + ID_BYTES + 4),
		.stored = get_le32(entry + ID_BYTES + 8),
		.at = get_le32(entry + ID_BYTES + 12),
	};
	struct id id;

	if (!run_is_for(run, entry) || !pack_is_live(frozen, place.pack))
		return 0;
	id_from_disk(entry, &id);
	return each->each(each->arg, row, &id, &place, err);
}

static int each_of_run(struct catalog *frozen, const struct run *run,
		       const struct each_row *each, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(frozen, "SELECT key, data FROM seg"
			 " WHERE key>=? AND key<? ORDER BY key", &stmt, err,
			 "ii", seg_key(run->id, 0), seg_key(run->id + 1, 0));

	while (r == 0 && (r = sql_step(frozen, stmt, err)) == 1) {
		int64_t key = sqlite3_column_int64(stmt, 0);
		struct span data = sql_blob(stmt, 1);
		uint64_t row = run->base + (uint64_t)(uint32_t)key *
					   SEG_ENTRIES;
		size_t count = 0;

		r = seg_verify(frozen, key, data, &count, err);
		for (size_t i = 0; r == 0 && i < count; i++)
			r = each_entry(frozen, run, row + i,
				       data.data + i * ENTRY_BYTES, each,
				       err);
	}
	return r;
}

int catalog_each_row(struct catalog *frozen,
		     int (*each)(void *arg, uint64_t row, const struct id *id,
				 const struct place *place, struct err *err),
		     void *arg, struct err *err)
{
	const struct each_row rows = { each, arg };
	int r = 0;

	catalog_lock(frozen);
	for (size_t i = 0; r == 0 && i < frozen->lookup.run_count; i++)
		r = each_of_run(frozen, frozen->lookup.runs[i], &rows, err);
	catalog_unlock(frozen);
	return r;
}
