#include "fs/catalog/catalog_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOTS_AT_ONCE 64

#define NAME_TIME 20		/* what twins have in common */

#define COLUMNS \
	"number, id, source, name, recorded_source, recorded_name," \
	" forgotten, pinned, damage, tagged, record, time_s, time_ns"

enum column {
	NUMBER, ID, SOURCE, NAME, RECORDED_SOURCE, RECORDED_NAME, FORGOTTEN,
	PINNED, DAMAGE, TAGGED, RECORD, TIME_S, TIME_NS,
};

void snapshot_release(struct snapshot *snapshot)
{
	record_release(&snapshot->record);
	free(snapshot->damage);
	memset(snapshot, 0, sizeof(*snapshot));
}

/* Adding. */

static int insert_record(struct catalog *catalog, const struct record *record,
			 const char *source, const char *name,
			 struct span bytes, struct err *err)
{
	const struct record *r = record;

	return sql_exec(catalog, "INSERT INTO snapshot(number, id, source,"
			" name, recorded_source, recorded_name, time_s,"
			" time_ns, added_s, kind, format, input, host, user,"
			" version, entries, files, dirs, bytes, stream_bytes,"
			" new_bytes, warnings, incomplete, record) VALUES"
			"(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			err, "ibttttiiitttttt" "iiiiiii" "tb",
			(int64_t)r->number, r->id, (size_t)RECORD_ID, source,
			name, r->source, r->name, r->time.s,
			(int64_t)r->time.ns, r->added.s, r->kind, r->format,
			r->input, r->host, r->user, r->version,
			(int64_t)r->entries, (int64_t)r->files,
			(int64_t)r->dirs, (int64_t)r->bytes,
			(int64_t)r->stream_bytes, (int64_t)r->new_bytes,
			(int64_t)r->warnings, r->incomplete, bytes.data,
			bytes.len);
}

/* What would be found later must be what is there now. */
static int check_bytes(const struct record *record, struct span bytes,
		       struct err *err)
{
	struct record parsed;
	bool same;
	int r = record_parse(bytes, "the record", &parsed, err);

	if (r < 0)
		return r;
	same = parsed.number == record->number &&
	       !memcmp(parsed.id, record->id, RECORD_ID) &&
	       !strcmp(parsed.source, record->source) &&
	       !strcmp(parsed.name, record->name);
	record_release(&parsed);
	return same ? 0 : err_set(err, -EINVAL,
				  "a record and its bytes differ");
}

/* A name is its who was recorded with it, was not renamed, and has the lowest
 * number.  Whoever else holds it has to yield. */
static int yield_name(struct catalog *catalog, const struct record *record,
		      struct err *err)
{
	int r = sql_exec(catalog, "UPDATE snapshot SET name=NULL WHERE"
			 " source=?1 AND name=?2 AND (recorded_source<>source"
			 " OR recorded_name<>name OR number>?3)", err, "tti",
			 record->source, record->name,
			 (int64_t)record->number);

	if (r == 0 && sqlite3_changes(catalog->db) > 0)
		catalog->names_stale = true;
	return r;
}

static int say_taken(struct catalog *catalog, const struct record *record,
		     struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	char hex[2 * RECORD_ID + 1];
	int r = sql_open(catalog, "SELECT id FROM snapshot WHERE number=?",
			 &stmt, err, "i", (int64_t)record->number);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	if (r == 0 || sql_blob(stmt, 0).len != RECORD_ID)
		return sql_corrupt(catalog, err, "a record cannot be added");
	hex_write(sql_blob(stmt, 0).data, RECORD_ID, hex);
	return err_set(err, -EEXIST, "record '%s' has number %llu already",
		       hex, (unsigned long long)record->number);
}

/* Has source a snapshot of this name, or (like) a twin of it? */
static int has_twin(struct catalog *catalog, const char *source,
		    const char *name, bool like, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT 1 FROM snapshot WHERE source=?1 AND"
			 " (name=?2 OR (?3 AND name>=substr(?2,1,20) AND"
			 " name<substr(?2,1,20)||'.'))", &stmt, err, "tti",
			 source, name, (int64_t)like);

	return r < 0 ? r : sql_step(catalog, stmt, err);
}


static int place_record(struct catalog *catalog, const struct record *record,
			struct span bytes, struct err *err)
{
	CLEANUP(free_ptr) char *source = NULL;
	bool renamed;
	int twin = 0;
	int r = names_source(catalog, record->source, record->number, &source,
			     err);

	if (r < 0)
		return r;
	renamed = strcmp(source, record->source) != 0;
	if (!renamed)
		r = yield_name(catalog, record, err);
	if (r == 0)
		r = twin = has_twin(catalog, source, record->name, renamed,
				    err);
	if (r < 0)
		return r;
	/* Who takes which of the names left is decided once all are known. */
	if (twin)
		catalog->names_stale = true;
	r = insert_record(catalog, record, source, twin ? NULL : record->name,
			  bytes, err);
	return r == -EEXIST ? say_taken(catalog, record, err) : r;
}

static int add_record(struct catalog *catalog, const struct record *record,
		      struct span bytes, struct err *err)
{
	int r;

	if (catalog_has_record(catalog, record->id))
		return 0;
	r = place_record(catalog, record, bytes, err);
	if (r == 0)
		r = state_derive(catalog, record->id, err);
	if (r == 0)
		r = tags_derive(catalog, record->id, err);
	if (r == 0 && !id_is_none(&record->rows))
		r = rows_expect(catalog, record->number, err);
	if (r == 0)
		r = meta_raise(catalog, "high_number",
			       (int64_t)record->number, err);
	return r;
}

int catalog_add_record(struct catalog *catalog, const struct record *record,
		       struct span bytes, struct err *err)
{
	int r = check_bytes(record, bytes, err);

	if (r == 0)
		r = catalog_begin(catalog, err);
	if (r < 0)
		return r;
	return catalog_end(catalog, add_record(catalog, record, bytes, err),
			   err);
}

bool catalog_has_record(struct catalog *catalog, const uint8_t id[16])
{
	bool has = false;

	catalog_lock(catalog);
	{
		OWNED_STMT sqlite3_stmt *stmt = NULL;

		if (sql_open(catalog, "SELECT 1 FROM snapshot WHERE id=?",
			     &stmt, NULL, "b", id, (size_t)RECORD_ID) == 0)
			has = sql_step(catalog, stmt, NULL) == 1;
	}
	catalog_unlock(catalog);
	return has;
}

static int remove_record(struct catalog *catalog, const uint8_t id[16],
			 struct err *err)
{
	int r = sql_exec(catalog, "DELETE FROM tag WHERE number IN"
			 " (SELECT number FROM snapshot WHERE id=?)", err,
			 "b", id, (size_t)RECORD_ID);

	if (r == 0)
		r = rows_remove(catalog, id, err);
	return r < 0 ? r : sql_exec(catalog, "DELETE FROM snapshot WHERE id=?",
				    err, "b", id, (size_t)RECORD_ID);
}

static int record_bytes(struct catalog *catalog, const uint8_t id[16],
			struct buf *bytes, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	struct record record;
	struct span found;
	int r = sql_open(catalog, "SELECT record FROM snapshot WHERE id=?",
			 &stmt, err, "b", id, (size_t)RECORD_ID);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, -ENOENT, "the catalog has no such record");
	found = sql_blob(stmt, 0);
	r = record_parse(found, "a record of the catalog", &record, err);
	if (r < 0)
		return r;
	record_release(&record);
	buf_append(bytes, found.data, found.len);
	return buf_check(bytes, err);
}

int catalog_record_bytes(struct catalog *catalog, const uint8_t id[16],
			 struct buf *bytes, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = record_bytes(catalog, id, bytes, err);
	catalog_unlock(catalog);
	return r;
}

int catalog_remove_record(struct catalog *catalog, const uint8_t id[16],
			  struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	return catalog_end(catalog, remove_record(catalog, id, err), err);
}

int catalog_high_number(struct catalog *catalog, uint64_t *ret,
			struct err *err)
{
	int64_t value;
	int r;

	catalog_lock(catalog);
	r = meta_get(catalog, "high_number", &value, err);
	catalog_unlock(catalog);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

/* Reading. */

static int replace_text(char **text, const char *with, struct err *err)
{
	char *own = strdup(with);

	if (!own)
		return err_nomem(err);
	free(*text);
	*text = own;
	return 0;
}

/* Where a rename moved it, the row says where to. */
static int apply_names(struct catalog *catalog, sqlite3_stmt *stmt,
		       struct record *record, struct err *err)
{
	const char *source, *name;
	int r = sql_text(stmt, SOURCE, &source, err);

	if (r == 0)
		r = sql_text(stmt, NAME, &name, err);
	if (r < 0)
		return r;
	if (!source || !name)
		return sql_corrupt(catalog, err, "snapshot %llu has no name",
				   (unsigned long long)record->number);
	if (!strcmp(source, record->source) && !strcmp(name, record->name))
		return 0;
	if (source_check(source, NULL) < 0 ||
	    !name_is_time(name, strlen(name)) ||
	    strncmp(name, record->name, NAME_TIME) != 0)
		return sql_corrupt(catalog, err, "snapshot %llu has the name "
				   "'%s' in source '%s'",
				   (unsigned long long)record->number, name,
				   source);
	r = replace_text(&record->source, source, err);
	return r < 0 ? r : replace_text(&record->name, name, err);
}

static int read_state(struct catalog *catalog, sqlite3_stmt *stmt,
		      struct snapshot *ret, struct err *err)
{
	const char *damage;
	int r = sql_text(stmt, DAMAGE, &damage, err);

	if (r < 0)
		return r;
	ret->forgotten = sqlite3_column_int(stmt, FORGOTTEN) != 0;
	ret->pinned = sqlite3_column_int(stmt, PINNED) != 0;
	if (damage)
		r = replace_text(&ret->damage, damage, err);
	if (r == 0)
		r = apply_names(catalog, stmt, &ret->record, err);
	if (r == 0 && sqlite3_column_int(stmt, TAGGED))
		r = state_tags(catalog, &ret->record, err);
	return r;
}

static int read_snapshot(struct catalog *catalog, sqlite3_stmt *stmt,
			 struct snapshot *ret, struct err *err)
{
	struct snapshot snapshot = { .forgotten = false };
	struct span id = sql_blob(stmt, ID);
	uint64_t number = (uint64_t)sqlite3_column_int64(stmt, NUMBER);
	struct err words = ERR_INIT;
	char what[64];
	int r;

	snprintf(what, sizeof(what), "the record of snapshot %llu",
		 (unsigned long long)number);
	r = record_parse(sql_blob(stmt, RECORD), what, &snapshot.record,
			 &words);
	if (r == -EBADMSG)
		return sql_corrupt(catalog, err, "%s", words.text);
	if (r < 0)
		return err_set(err, r, "%s", words.text);
	if (snapshot.record.number != number || id.len != RECORD_ID ||
	    memcmp(id.data, snapshot.record.id, RECORD_ID) != 0)
		r = sql_corrupt(catalog, err, "%s is another's", what);
	else
		r = read_state(catalog, stmt, &snapshot, err);
	if (r < 0) {
		snapshot_release(&snapshot);
		return r;
	}
	*ret = snapshot;
	return 0;
}

#define NEWEST_AT_ONCE 4	/* mostly the first is the one */

struct page {
	const char *source;
	bool with_forgotten;
	bool newest_first;	/* of source, and none that is forgotten */
	char *after_source;	/* the last row that was given */
	int64_t time_s, time_ns, number;
	struct snapshot snapshots[SNAPSHOTS_AT_ONCE];
	size_t count;
};

static void page_release(struct page *page)
{
	for (size_t i = 0; i < page->count; i++)
		snapshot_release(&page->snapshots[i]);
	page->count = 0;
	free(page->after_source);
	page->after_source = NULL;
}

static int page_open(struct catalog *catalog, const struct page *page,
		     sqlite3_stmt **ret, struct err *err)
{
	if (page->newest_first)
		return sql_open(catalog, "SELECT " COLUMNS " FROM snapshot"
				" WHERE source=? AND (time_s, time_ns, number)"
				" < (?,?,?) AND NOT forgotten ORDER BY time_s"
				" DESC, time_ns DESC, number DESC LIMIT ?", ret,
				err, "tiiii", page->source, page->time_s,
				page->time_ns, page->number,
				(int64_t)NEWEST_AT_ONCE);
	if (page->source)
		return sql_open(catalog, "SELECT " COLUMNS " FROM snapshot"
				" WHERE source=? AND (time_s, time_ns, number)"
				" > (?,?,?) AND (NOT forgotten OR ?) ORDER BY"
				" time_s, time_ns, number LIMIT ?", ret, err,
				"tiiiii", page->source, page->time_s,
				page->time_ns, page->number,
				(int64_t)page->with_forgotten,
				(int64_t)SNAPSHOTS_AT_ONCE);
	return sql_open(catalog, "SELECT " COLUMNS " FROM snapshot WHERE"
			" (source, time_s, time_ns, number) > (?,?,?,?) AND"
			" (NOT forgotten OR ?) ORDER BY source, time_s,"
			" time_ns, number LIMIT ?", ret, err, "tiiiii",
			page->after_source ? page->after_source : "",
			page->time_s, page->time_ns, page->number,
			(int64_t)page->with_forgotten,
			(int64_t)SNAPSHOTS_AT_ONCE);
}

static int page_add(struct catalog *catalog, struct page *page,
		    sqlite3_stmt *stmt, struct err *err)
{
	struct snapshot *to = &page->snapshots[page->count];
	int r = read_snapshot(catalog, stmt, to, err);

	if (r < 0)
		return r;
	page->count++;
	page->time_s = sqlite3_column_int64(stmt, TIME_S);
	page->time_ns = sqlite3_column_int64(stmt, TIME_NS);
	page->number = (int64_t)to->record.number;
	return 0;
}

static int page_load(struct catalog *catalog, struct page *page,
		     struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = 0;

	for (size_t i = 0; i < page->count; i++)
		snapshot_release(&page->snapshots[i]);
	page->count = 0;
	/* A page of a half-derived state is none. */
	if (catalog->names_stale)
		r = names_derive(catalog, err);
	if (r == 0)
		r = page_open(catalog, page, &stmt, err);
	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1)
		r = page_add(catalog, page, stmt, err);
	/* The text that is bound was the old one. */
	sql_done(&stmt);
	if (r < 0 || page->count == 0)
		return r;
	return replace_text(&page->after_source, page->snapshots[
			    page->count - 1].record.source, err);
}

/* each()'s answer, where that is not 0. */
static int each_page(struct catalog *catalog, struct page *page, size_t full,
		     int (*each)(void *arg, const struct snapshot *snapshot,
				 struct err *err),
		     void *arg, struct err *err)
{
	do {
		int r;

		catalog_lock(catalog);
		r = page_load(catalog, page, err);
		catalog_unlock(catalog);
		for (size_t i = 0; r == 0 && i < page->count; i++)
			r = each(arg, &page->snapshots[i], err);
		if (r != 0)
			return r;
	} while (page->count == full);
	return 0;
}

int catalog_each_snapshot(struct catalog *catalog, const char *source,
			  bool with_forgotten,
			  int (*each)(void *arg,
				      const struct snapshot *snapshot,
				      struct err *err),
			  void *arg, struct err *err)
{
	CLEANUP(page_release) struct page page = {
		.source = source, .with_forgotten = with_forgotten,
		.time_s = INT64_MIN,
	};

	return each_page(catalog, &page, SNAPSHOTS_AT_ONCE, each, arg, err);
}

int catalog_each_newest(struct catalog *catalog, const char *source,
			int (*each)(void *arg, const struct snapshot *snapshot,
				    struct err *err),
			void *arg, struct err *err)
{
	CLEANUP(page_release) struct page page = {
		.source = source, .newest_first = true,
		.time_s = INT64_MAX, .time_ns = INT64_MAX, .number = INT64_MAX,
	};

	return each_page(catalog, &page, NEWEST_AT_ONCE, each, arg, err);
}

static int each_name(struct catalog *catalog, const char *source,
		     const char *prefix, const char *end,
		     int (*each)(void *arg, const char *name), void *arg,
		     struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = catalog->names_stale ? names_derive(catalog, err) : 0;

	if (r == 0)
		r = sql_open(catalog, "SELECT name FROM snapshot WHERE"
			     " source=? AND name>=? AND name<?", &stmt, err,
			     "ttt", source, prefix, end);
	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1)
		r = each(arg, (const char *)sqlite3_column_text(stmt, 0));
	return r;
}

int catalog_each_name(struct catalog *catalog, const char *source,
		      const char *prefix,
		      int (*each)(void *arg, const char *name), void *arg,
		      struct err *err)
{
	OWNED_BUF struct buf end = BUF_INIT;
	int r;

	/* behind all that may follow in a name */
	buf_printf(&end, "%s\x7f", prefix);
	if (!buf_str(&end))
		return err_nomem(err);
	catalog_lock(catalog);
	r = each_name(catalog, source, prefix, buf_str(&end), each, arg, err);
	catalog_unlock(catalog);
	return r;
}

static int take_one(struct catalog *catalog, sqlite3_stmt *stmt,
		    struct snapshot *ret, struct err *err)
{
	int r = sql_step(catalog, stmt, err);

	if (r == 1)
		return read_snapshot(catalog, stmt, ret, err);
	return r < 0 ? r : -ENOENT;
}

static int get_by_number(struct catalog *catalog, uint64_t number,
			 struct snapshot *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = catalog->names_stale ? names_derive(catalog, err) : 0;

	if (r == 0)
		r = sql_open(catalog, "SELECT " COLUMNS " FROM snapshot"
			     " WHERE number=?", &stmt, err, "i",
			     (int64_t)number);
	return r < 0 ? r : take_one(catalog, stmt, ret, err);
}

int catalog_get_snapshot(struct catalog *catalog, uint64_t number,
			 struct snapshot *ret, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = get_by_number(catalog, number, ret, err);
	catalog_unlock(catalog);
	return r == -ENOENT ? err_set(err, r, "there is no snapshot number "
				      "%llu", (unsigned long long)number) : r;
}

static int get_by_id(struct catalog *catalog, const uint8_t id[16],
		     struct snapshot *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = catalog->names_stale ? names_derive(catalog, err) : 0;

	if (r == 0)
		r = sql_open(catalog, "SELECT " COLUMNS " FROM snapshot"
			     " WHERE id=?", &stmt, err, "b", id,
			     (size_t)RECORD_ID);
	return r < 0 ? r : take_one(catalog, stmt, ret, err);
}

int catalog_get_snapshot_by_id(struct catalog *catalog, const uint8_t id[16],
			       struct snapshot *ret, struct err *err)
{
	char hex[2 * RECORD_ID + 1];
	int r;

	catalog_lock(catalog);
	r = get_by_id(catalog, id, ret, err);
	catalog_unlock(catalog);
	hex_write(id, RECORD_ID, hex);
	return r == -ENOENT ? err_set(err, r, "there is no snapshot '%s'",
				      hex) : r;
}

static int check_one(void *arg, const struct snapshot *snapshot,
		     struct err *err)
{
	struct catalog *catalog = arg;
	int64_t high;
	int r = meta_get(catalog, "high_number", &high, err);

	if (r == 0 && snapshot->record.number > (uint64_t)high)
		return sql_corrupt(catalog, err, "snapshot %llu is over the "
				   "highest number",
				   (unsigned long long)snapshot->record.number);
	return r;
}

int snapshots_check(struct catalog *catalog, struct err *err)
{
	return catalog_each_snapshot(catalog, NULL, true, check_one, catalog,
				     err);
}
