#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

#define PACKS_AT_ONCE 256

static int read_pack(struct catalog *catalog, sqlite3_stmt *stmt,
		     struct catalog_pack *ret, struct err *err)
{
	struct span name = sql_blob(stmt, 1);
	int64_t number = sqlite3_column_int64(stmt, 0);

	if (name.len != sizeof(ret->name) || number <= 0 ||
	    number > UINT32_MAX)
		return sql_corrupt(catalog, err, "a row of a pack is malformed");
	ret->number = (uint32_t)number;
	memcpy(ret->name, name.data, name.len);
	ret->meta = sqlite3_column_int(stmt, 2) != 0;
	ret->size = (uint64_t)sqlite3_column_int64(stmt, 3);
	ret->objects = (uint64_t)sqlite3_column_int64(stmt, 4);
	return 0;
}

static int find_pack(struct catalog *catalog, const uint8_t name[16],
		     struct catalog_pack *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT number, name, meta, size, objects"
			 " FROM pack WHERE name=?", &stmt, err, "b", name,
			 (size_t)16);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r == 1)
		return read_pack(catalog, stmt, ret, err);
	return r < 0 ? r : -ENOENT;
}

static int get_pack(struct catalog *catalog, uint32_t number,
		    struct catalog_pack *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT number, name, meta, size, objects"
			 " FROM pack WHERE number=?", &stmt, err, "i",
			 (int64_t)number);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r == 1)
		return read_pack(catalog, stmt, ret, err);
	return r < 0 ? r : -ENOENT;
}

int catalog_find_pack(struct catalog *catalog, const uint8_t name[16],
		      struct catalog_pack *ret, struct err *err)
{
	char hex[33];
	int r;

	catalog_lock(catalog);
	r = find_pack(catalog, name, ret, err);
	catalog_unlock(catalog);
	hex_write(name, 16, hex);
	return r == -ENOENT ? err_set(err, r, "the catalog '%s' does not know "
				      "pack '%s'", catalog->path, hex) : r;
}

int catalog_get_pack(struct catalog *catalog, uint32_t number,
		     struct catalog_pack *ret, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = get_pack(catalog, number, ret, err);
	catalog_unlock(catalog);
	return r == -ENOENT ? err_set(err, r, "the catalog '%s' has no pack "
				      "number %u", catalog->path, number) : r;
}

/* The packs after number, as many as fit. */
static int next_packs(struct catalog *catalog, bool leaning, uint32_t after,
		      struct catalog_pack *packs, size_t *ret_count,
		      struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	size_t count = 0;
	int r = leaning ?
		sql_open(catalog, "SELECT number, name, meta, size, objects"
			 " FROM pack WHERE number>? AND number IN"
			 " (SELECT pack FROM leaning) ORDER BY number LIMIT ?",
			 &stmt, err, "ii", (int64_t)after,
			 (int64_t)PACKS_AT_ONCE) :
		sql_open(catalog, "SELECT number, name, meta, size, objects"
			 " FROM pack WHERE number>? ORDER BY number LIMIT ?",
			 &stmt, err, "ii", (int64_t)after,
			 (int64_t)PACKS_AT_ONCE);

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1)
		r = read_pack(catalog, stmt, &packs[count++], err);
	if (r == 0)
		*ret_count = count;
	return r;
}

static int each_pack(struct catalog *catalog, bool leaning,
		     int (*each)(void *arg, const struct catalog_pack *pack,
				 struct err *err),
		     void *arg, struct err *err)
{
	struct catalog_pack packs[PACKS_AT_ONCE];
	uint32_t after = 0;
	size_t count;

	do {
		int r;

		catalog_lock(catalog);
		r = next_packs(catalog, leaning, after, packs, &count, err);
		catalog_unlock(catalog);
		for (size_t i = 0; r == 0 && i < count; i++)
			r = each(arg, &packs[i], err);
		if (r != 0)
			return r;
		if (count > 0)
			after = packs[count - 1].number;
	} while (count == PACKS_AT_ONCE);
	return 0;
}

int catalog_each_pack(struct catalog *catalog,
		      int (*each)(void *arg, const struct catalog_pack *pack,
				  struct err *err),
		      void *arg, struct err *err)
{
	return each_pack(catalog, false, each, arg, err);
}

int catalog_each_leaning(struct catalog *catalog,
			 int (*each)(void *arg,
				     const struct catalog_pack *pack,
				     struct err *err),
			 void *arg, struct err *err)
{
	return each_pack(catalog, true, each, arg, err);
}

int catalog_note_leaning(struct catalog *catalog, uint32_t number,
			 struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	r = sql_exec(catalog, "INSERT OR IGNORE INTO leaning VALUES(?)", err,
		     "i", (int64_t)number);
	return catalog_end(catalog, r, err);
}

static int compare_entries(const void *a, const void *b)
{
	const struct catalog_entry *x = a, *y = b;
	int r = hash_cmp(x->id.hash, y->id.hash, ID_HASH);

	return r ? r : id_cmp(&x->id, &y->id);
}

static int insert_pack(struct catalog *catalog, const uint8_t name[16],
		       bool meta, uint64_t size, size_t count,
		       uint32_t *ret, struct err *err)
{
	int64_t number;
	int r = sql_exec(catalog, "INSERT INTO pack(name, meta, size, objects)"
			 " VALUES(?,?,?,?)", err, "biii", name, (size_t)16,
			 (int64_t)meta, (int64_t)size, (int64_t)count);

	if (r < 0)
		return r;
	number = sqlite3_last_insert_rowid(catalog->db);
	if (number > UINT32_MAX)
		return err_set(err, -EOVERFLOW, "the catalog '%s' has used up "
			       "its numbers for packs", catalog->path);
	*ret = (uint32_t)number;
	return 0;
}

static int add_pack(struct catalog *catalog, const uint8_t name[16],
		    bool meta, uint64_t size, struct catalog_entry *entries,
		    size_t count, uint32_t *ret_number, struct err *err)
{
	struct catalog_pack known;
	int r = find_pack(catalog, name, &known, err);

	if (r == 0)
		*ret_number = known.number;
	if (r != -ENOENT)
		return r;
	r = insert_pack(catalog, name, meta, size, count, ret_number, err);
	if (r == 0)
		r = packs_load(catalog, err);
	if (r == 0 && count > 0)
		r = run_add(catalog, *ret_number, entries, count, err);
	if (r == 0)
		r = runs_upkeep(catalog, count, err);
	return r;
}

int catalog_add_pack(struct catalog *catalog, const uint8_t name[16],
		     bool meta, uint64_t size, struct catalog_entry *entries,
		     size_t count, uint32_t *ret_number, struct err *err)
{
	uint32_t number = 0;
	int r;

	if (count > UINT32_MAX || size > INT64_MAX)
		return err_set(err, -EINVAL, "a pack cannot have that many "
			       "objects");
	/* Before the lock: it takes a while. */
	if (count > 0)
		qsort(entries, count, sizeof(*entries), compare_entries);
	r = catalog_begin(catalog, err);
	if (r < 0)
		return r;
	r = add_pack(catalog, name, meta, size, entries, count, &number, err);
	r = catalog_end(catalog, r, err);
	if (r == 0)
		*ret_number = number;
	return r;
}

static int remove_pack(struct catalog *catalog, uint32_t number,
		       struct err *err)
{
	struct catalog_pack pack;
	int r = get_pack(catalog, number, &pack, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = sql_exec(catalog, "DELETE FROM pack WHERE number=?", err,
			     "i", (int64_t)number);
	if (r == 0)
		r = sql_exec(catalog, "DELETE FROM condemned WHERE pack=?",
			     err, "i", (int64_t)number);
	if (r == 0)
		r = sql_exec(catalog, "DELETE FROM leaning WHERE pack=?", err,
			     "i", (int64_t)number);
	if (r == 0)
		r = meta_add(catalog, "dead", (int64_t)pack.objects, err);
	if (r == 0)
		r = meta_add(catalog, "removals", 1, err);
	if (r == 0)
		r = packs_load(catalog, err);
	if (r == 0)
		r = runs_upkeep(catalog, pack.objects, err);
	return r;
}

int catalog_remove_pack(struct catalog *catalog, uint32_t number,
			struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	return catalog_end(catalog, remove_pack(catalog, number, err), err);
}

/* Packs on their way out. */

int catalog_condemn_pack(struct catalog *catalog, uint32_t number,
			 uint64_t seq, struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	r = sql_exec(catalog, "INSERT OR IGNORE INTO condemned"
		     " SELECT number, ?2 FROM pack WHERE number=?1", err, "ii",
		     (int64_t)number, (int64_t)seq);
	return catalog_end(catalog, r, err);
}

int catalog_spare_pack(struct catalog *catalog, uint32_t number,
		       struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	r = sql_exec(catalog, "DELETE FROM condemned WHERE pack=?", err, "i",
		     (int64_t)number);
	return catalog_end(catalog, r, err);
}

struct condemned {
	uint32_t number;
	uint64_t seq;
};

static int next_condemned(struct catalog *catalog, uint32_t after,
			  struct condemned *rows, size_t *ret_count,
			  struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	size_t count = 0;
	int r = sql_open(catalog, "SELECT pack, seq FROM condemned"
			 " WHERE pack>? ORDER BY pack LIMIT ?", &stmt, err,
			 "ii", (int64_t)after, (int64_t)PACKS_AT_ONCE);

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		int64_t number = sqlite3_column_int64(stmt, 0);

		r = number > 0 && number <= UINT32_MAX ? 0 :
			sql_corrupt(catalog, err, "a condemned pack has "
				    "number %lld", (long long)number);
		rows[count++] = (struct condemned){ (uint32_t)number,
			(uint64_t)sqlite3_column_int64(stmt, 1) };
	}
	if (r == 0)
		*ret_count = count;
	return r;
}

int catalog_each_condemned(struct catalog *catalog,
			   int (*each)(void *arg, uint32_t number,
				       uint64_t seq, struct err *err),
			   void *arg, struct err *err)
{
	struct condemned rows[PACKS_AT_ONCE];
	uint32_t after = 0;
	size_t count;

	do {
		int r;

		catalog_lock(catalog);
		r = next_condemned(catalog, after, rows, &count, err);
		catalog_unlock(catalog);
		for (size_t i = 0; r == 0 && i < count; i++)
			r = each(arg, rows[i].number, rows[i].seq, err);
		if (r != 0)
			return r;
		if (count > 0)
			after = rows[count - 1].number;
	} while (count == PACKS_AT_ONCE);
	return 0;
}

static int count_packs(struct catalog *catalog,
		       struct catalog_object_stats *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT count(*), coalesce(sum(size),0),"
			 " coalesce(sum(objects),0) FROM pack", &stmt, err,
			 "");

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	ret->packs = (uint64_t)sqlite3_column_int64(stmt, 0);
	ret->pack_bytes = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret->objects = (uint64_t)sqlite3_column_int64(stmt, 2);
	return 0;
}

int catalog_object_stats(struct catalog *catalog,
			 struct catalog_object_stats *ret, struct err *err)
{
	struct catalog_object_stats stats = { .runs = 0 };
	const struct lookup *lookup = &catalog->lookup;
	int r;

	catalog_lock(catalog);
	r = lookup_refresh(catalog, NULL, err);
	if (r == 0)
		r = count_packs(catalog, &stats, err);
	for (size_t i = 0; i < lookup->run_count; i++)
		stats.segments += lookup->runs[i]->segs;
	stats.runs = lookup->run_count;
	stats.bloom_rejects = lookup->rejects;
	stats.probes = lookup->probes;
	catalog_unlock(catalog);
	if (r == 0)
		*ret = stats;
	return r;
}
