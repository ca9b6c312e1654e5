#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

#define QUERY_COLUMNS_MAX 2000	/* SQLite's own limit */

/* Only the views are promised; tables are free to change, and are read
 * through views alone. */
static const char *const views[] = {
	"v_snapshot", "v_source", "v_pack", "v_event", "v_tag", "v_row",
	"pso_volume", "pso_snapshot", "pso_backend", "pso_node",
	"pso_replica", "pso_datastore", "pso_attachment", "pso_class",
	"pso_document", NULL,
};

static bool is_view(const char *table)
{
	for (const char *const *name = views; table && *name; name++)
		if (!sqlite3_stricmp(table, *name))
			return true;
	return false;
}

static bool is_own_table(const char *table)
{
	static const char *const own[] = {
		"meta", "pack", "run", "seg", "guide", "snapshot", "tag",
		"event", "kind_row", "row_state", "sqlite_sequence", NULL,
	};

	for (const char *const *name = own; *name; name++)
		if (!sqlite3_stricmp(table, *name))
			return true;
	return false;
}

/*
 * In a query any function may stand, in a view those that ours are made with:
 * the file may be somebody else's.  SQLite would do that by itself
 * (TRUSTED_SCHEMA), but takes its own json_extract() for unsafe.
 */
static bool function_may_be(const char *name, const char *through)
{
	static const char *const in_views[] = {
		"json_extract", "strftime", "lower", "hex", "min", "max",
		"count", "sum", NULL,
	};

	if (!through)
		return !name || sqlite3_stricmp(name, "load_extension") != 0;
	for (const char *const *f = in_views; name && *f; f++)
		if (!sqlite3_stricmp(name, *f))
			return true;
	return false;
}

static int authorize(void *arg, int action, const char *a, const char *b,
		     const char *database, const char *through)
{
	(void)arg;
	(void)database;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_READ:
		/* What is no table of the catalog is the query's own.  No
		 * column: rows are counted, of a view that was dissolved. */
		return is_view(through) || !is_own_table(a) || !*b ?
			SQLITE_OK : SQLITE_DENY;
	case SQLITE_FUNCTION:
		return function_may_be(b, through) ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static int query_fail(struct catalog *catalog, struct err *err)
{
	int code = sqlite3_errcode(catalog->db) & 0xff;

	if (code == SQLITE_ERROR || code == SQLITE_AUTH ||
	    code == SQLITE_MISMATCH || code == SQLITE_RANGE) {
		err_set(err, code == SQLITE_AUTH ? -EACCES : -EINVAL,
			"cannot answer the query: %s",
			sqlite3_errmsg(catalog->db));
		return err_hint(err, "there are the views v_snapshot, v_source, "
				"v_pack, v_event, v_tag and v_row, and those of "
				"varve-sql(1), for SELECT only");
	}
	return sql_fail(catalog, err);
}

/* Nothing but space and comments? */
static bool is_blank(struct catalog *catalog, const char *sql)
{
	while (*sql) {
		sqlite3_stmt *stmt = NULL;
		int r = sqlite3_prepare_v2(catalog->db, sql, -1, &stmt, &sql);

		sqlite3_finalize(stmt);
		if (r != SQLITE_OK || stmt)
			return false;
	}
	return true;
}

static int prepare(struct catalog *catalog, const char *sql,
		   sqlite3_stmt **ret, struct err *err)
{
	const char *rest = "";

	if (sqlite3_prepare_v2(catalog->db, sql, -1, ret, &rest) != SQLITE_OK)
		return query_fail(catalog, err);
	if (!*ret)
		return err_set(err, -EINVAL, "the query is empty");
	if (!is_blank(catalog, rest))
		return err_set(err, -EINVAL, "one query at a time");
	if (!sqlite3_stmt_readonly(*ret))
		return err_set(err, -EACCES, "the query would write");
	return 0;
}

struct row {
	int columns;
	const char **names, **values;
	int *types;
};

static int row_init(struct row *row, sqlite3_stmt *stmt, struct err *err)
{
	size_t n = (size_t)sqlite3_column_count(stmt);

	row->columns = (int)n;
	if (n > QUERY_COLUMNS_MAX)
		return err_set(err, -E2BIG, "the query has too many columns");
	row->names = calloc(n + 1, sizeof(*row->names));
	row->values = calloc(n + 1, sizeof(*row->values));
	row->types = calloc(n + 1, sizeof(*row->types));
	if (!row->names || !row->values || !row->types)
		return err_nomem(err);
	return 0;
}

static void row_release(struct row *row)
{
	free(row->names);
	free(row->values);
	free(row->types);
}

static int row_fill(struct row *row, sqlite3_stmt *stmt, struct err *err)
{
	for (int i = 0; i < row->columns; i++) {
		row->names[i] = sqlite3_column_name(stmt, i);
		row->types[i] = sqlite3_column_type(stmt, i);
		row->values[i] = row->types[i] == SQLITE_NULL ? NULL :
			(const char *)sqlite3_column_text(stmt, i);
		if (!row->names[i] || (row->types[i] != SQLITE_NULL &&
				       !row->values[i]))
			return err_nomem(err);
	}
	return 0;
}

static void finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static int run_query(struct catalog *catalog, const char *sql,
		     int (*each)(void *arg, int columns, const char **names,
				 const char **values, const int *types,
				 struct err *err),
		     void *arg, struct err *err)
{
	CLEANUP(finalize) sqlite3_stmt *stmt = NULL;
	CLEANUP(row_release) struct row row = { 0, NULL, NULL, NULL };
	int r = prepare(catalog, sql, &stmt, err);

	if (r == 0)
		r = row_init(&row, stmt, err);
	while (r == 0) {
		int step = sqlite3_step(stmt);

		if (step == SQLITE_DONE)
			break;
		if (step != SQLITE_ROW)
			return query_fail(catalog, err);
		r = row_fill(&row, stmt, err);
		if (r == 0)
			r = each(arg, row.columns, row.names, row.values,
				 row.types, err);
	}
	return r;
}

int catalog_query(struct catalog *catalog, const char *sql,
		  int (*each)(void *arg, int columns, const char **names,
			      const char **values, const int *types,
			      struct err *err),
		  void *arg, struct err *err)
{
	int r = 0;

	catalog_lock(catalog);
	if (catalog->names_stale)
		r = names_derive(catalog, err);
	sqlite3_set_authorizer(catalog->db, authorize, NULL);
	sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1,
			  NULL);
	if (r == 0)
		r = run_query(catalog, sql, each, arg, err);
	sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
			  NULL);
	sqlite3_set_authorizer(catalog->db, NULL, NULL);
	catalog_unlock(catalog);
	return r;
}
