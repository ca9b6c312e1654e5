#include "fs/catalog/catalog_internal.h"

#include <stdio.h>

static int code_of(sqlite3 *db, int code)
{
	int sys = db ? sqlite3_system_errno(db) : 0;

	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:	/* our own SQL: tables are not as made */
	case SQLITE_MISMATCH:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return sys > 0 ? -sys : -EIO;
	default:
		return -EIO;
	}
}

int sql_fail(struct catalog *catalog, struct err *err)
{
	int code = catalog->db ? sqlite3_extended_errcode(catalog->db) :
				 SQLITE_NOMEM;
	int r = code_of(catalog->db, code);
	const char *words = catalog->db ? sqlite3_errmsg(catalog->db) :
					  sqlite3_errstr(code);

	if (r == -EBADMSG)
		return sql_corrupt(catalog, err, "%s", words);
	if (r == -EBUSY)
		return err_set(err, r, "the catalog '%s' was in use by another "
			       "process for over a minute", catalog->path);
	if (r == -ENOSPC || r == -EDQUOT) {
		err_set(err, r, "catalog '%s': %s", catalog->path,
			strerror(-r));
		return err_hint(err, "make room on the file system of '%s'",
				catalog->path);
	}
	/* "disk I/O error" does not tell which */
	if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN)
		return err_set(err, r, "catalog '%s': %s: %s", catalog->path,
			       words, strerror(-r));
	return err_set(err, r, "catalog '%s': %s", catalog->path, words);
}

int sql_corrupt(struct catalog *catalog, struct err *err, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	err_corrupt(err, "the catalog '%s' is damaged: %s", catalog->path,
		    words);
	err_hint(err, "'varve rebuild' makes it anew from the store");
	return -EBADMSG;
}

static struct statement *find_slot(struct catalog *catalog, const char *sql)
{
	uintptr_t at = (uintptr_t)sql * 0x9E3779B97F4A7C15u >> 40;

	for (size_t i = 0; i < STATEMENTS; i++) {
		struct statement *s =
			&catalog->statements[(at + i) % STATEMENTS];

		if (!s->sql || s->sql == sql)
			return s;
	}
	return NULL;
}

static int get_statement(struct catalog *catalog, const char *sql,
			 sqlite3_stmt **ret, struct err *err)
{
	struct statement *slot = find_slot(catalog, sql);

	if (!slot)
		return err_set(err, -ENOMEM, "catalog '%s': too many "
			       "statements", catalog->path);
	if (!slot->stmt) {
		if (sqlite3_prepare_v3(catalog->db, sql, -1,
				       SQLITE_PREPARE_PERSISTENT, &slot->stmt,
				       NULL) != SQLITE_OK)
			return sql_fail(catalog, err);
		slot->sql = sql;
	}
	*ret = slot->stmt;
	return 0;
}

int sql_prepare(struct catalog *catalog, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt;

	return get_statement(catalog, sql, &stmt, err);
}

static int bind_all(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int r = SQLITE_OK;

	for (int i = 1; r == SQLITE_OK && *types; i++, types++) {
		const void *data;

		switch (*types) {
		case 'i':
			r = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
			break;
		case 't':
			r = sqlite3_bind_text(stmt, i, va_arg(ap, const char *),
					      -1, SQLITE_STATIC);
			break;
		default:
			data = va_arg(ap, const void *);
			r = sqlite3_bind_blob64(stmt, i, data,
						va_arg(ap, size_t),
						SQLITE_STATIC);
			break;
		}
	}
	return r;
}

static int open_bound(struct catalog *catalog, const char *sql,
		      sqlite3_stmt **ret, struct err *err, const char *types,
		      va_list ap)
{
	sqlite3_stmt *stmt = NULL;
	int r = get_statement(catalog, sql, &stmt, err);

	if (r < 0)
		return r;
	if (bind_all(stmt, types, ap) != SQLITE_OK) {
		r = sql_fail(catalog, err);
		sql_done(&stmt);
		return r;
	}
	*ret = stmt;
	return 0;
}

int sql_open(struct catalog *catalog, const char *sql, sqlite3_stmt **ret,
	     struct err *err, const char *types, ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = open_bound(catalog, sql, ret, err, types, ap);
	va_end(ap);
	return r;
}

int sql_step(struct catalog *catalog, sqlite3_stmt *stmt, struct err *err)
{
	int r = sqlite3_step(stmt);

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : sql_fail(catalog, err);
}

void sql_done(sqlite3_stmt **stmt)
{
	if (!*stmt)
		return;
	sqlite3_reset(*stmt);
	sqlite3_clear_bindings(*stmt);
	*stmt = NULL;
}

int sql_text(sqlite3_stmt *stmt, int column, const char **ret,
	     struct err *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	if (!text && sqlite3_column_type(stmt, column) != SQLITE_NULL)
		return err_nomem(err);
	*ret = text;
	return 0;
}

int sql_exec(struct catalog *catalog, const char *sql, struct err *err,
	     const char *types, ...)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = open_bound(catalog, sql, &stmt, err, types, ap);
	va_end(ap);
	if (r < 0)
		return r;
	do
		r = sql_step(catalog, stmt, err);
	while (r == 1);
	return r;
}

int sql_number(struct catalog *catalog, const char *sql, int64_t *ret,
	       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, sql, &stmt, err, "");

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret = sqlite3_column_int64(stmt, 0);
	return 0;
}
