#include "fs/catalog/catalog_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/disk.h"

#define APPLICATION_ID 0x56525645	/* "VRVE" */
#define BUSY_MS 60000
#define SHRINK_SHARE 16		/* less than this part is kept for the next */
#define WAL_RETRY_MS 5

/* Opening. */

/* SQLite gives -wal and -shm the mode of the file it finds. */
static int make_file(const char *path, struct err *err)
{
	if (mknod(path, S_IFREG | 0600, 0) < 0)
		return errno == EEXIST ? 0 :
			err_sys(err, "cannot make the catalog '%s'", path);
	if (chmod(path, 0600) < 0)
		return err_sys(err, "cannot set the mode of '%s'", path);
	return 0;
}

static bool has_wal(const char *path)
{
	OWNED_BUF struct buf name = BUF_INIT;
	struct stat st;

	buf_printf(&name, "%s-wal", path);
	return buf_str(&name) && stat(buf_str(&name), &st) == 0 &&
	       st.st_size > 0;
}

static bool dir_is_writable(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_ptr) char *dir = !slash ? strdup(".") :
		slash == path ? strdup("/") :
		strndup(path, (size_t)(slash - path));

	return dir && faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0;
}

/* "file:" and the absolute path, its special bytes escaped. */
static char *make_uri(const char *path, const char *query)
{
	OWNED_BUF struct buf uri = BUF_INIT;
	CLEANUP(free_ptr) char *full = realpath(path, NULL);

	buf_append_str(&uri, "file://");
	for (const char *c = full ? full : path; *c; c++) {
		if (strchr("%?#", *c))
			buf_printf(&uri, "%%%02X", (unsigned char)*c);
		else
			buf_append_byte(&uri, (uint8_t)*c);
	}
	buf_append_str(&uri, query);
	return buf_detach(&uri);
}

static int open_write(struct catalog *catalog, struct err *err)
{
	int r = make_file(catalog->path, err);

	if (r < 0)
		return r;
	if (sqlite3_open_v2(catalog->path, &catalog->db, SQLITE_OPEN_READWRITE |
			    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sql_fail(catalog, err);
	/* SQLite opens what it may not write for reading, and says nothing. */
	if (sqlite3_db_readonly(catalog->db, "main") != 0)
		return err_set(err, -EROFS, "the catalog '%s' cannot be "
			       "written", catalog->path);
	return 0;
}

static int open_readonly(struct catalog *catalog, struct err *err)
{
	CLEANUP(free_ptr) char *uri = NULL;

	if (access(catalog->path, F_OK) < 0)
		return err_sys(err, "cannot open the catalog '%s'",
			       catalog->path);
	catalog->immutable = !dir_is_writable(catalog->path) &&
			     !has_wal(catalog->path);
	uri = make_uri(catalog->path, catalog->immutable ?
		       "?mode=ro&immutable=1" : "?mode=ro");
	if (!uri)
		return err_nomem(err);
	if (sqlite3_open_v2(uri, &catalog->db, SQLITE_OPEN_READONLY |
			    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
			    NULL) != SQLITE_OK)
		return sql_fail(catalog, err);
	return 0;
}

static int open_memory(struct catalog *catalog, struct err *err)
{
	if (sqlite3_open_v2(":memory:", &catalog->db, SQLITE_OPEN_READWRITE |
			    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sql_fail(catalog, err);
	return 0;
}

static int exec_script(struct catalog *catalog, const char *sql,
		       struct err *err)
{
	if (sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_fail(catalog, err);
	return 0;
}

/* 1 when it has the mode, 0 when it cannot. */
static int ask_for_wal(struct catalog *catalog, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	const char *mode;
	int r = sql_open(catalog, "PRAGMA journal_mode=WAL", &stmt, err, "");

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	mode = (const char *)sqlite3_column_text(stmt, 0);
	return r == 1 && mode && !strcmp(mode, "wal");
}

/*
 * WAL needs shared memory, which a network file system does not have.  Of
 * several processes that turn a new file to WAL at once SQLite lets one, and
 * refuses the others at once whatever the timeout: they wait here.
 */
static int set_wal(struct catalog *catalog, struct err *err)
{
	const struct timespec pause = { .tv_nsec = WAL_RETRY_MS * 1000000 };
	struct err told = ERR_INIT;
	int r = ask_for_wal(catalog, &told);

	for (int waited = 0; r == -EBUSY && waited < BUSY_MS;
	     waited += WAL_RETRY_MS) {
		nanosleep(&pause, NULL);
		told = (struct err)ERR_INIT;
		r = ask_for_wal(catalog, &told);
	}
	if (r < 0 && err)
		*err = told;
	if (r < 0)
		return r;
	if (r == 1)
		return 0;
	err_set(err, -ENOTSUP, "the catalog '%s' lies on a file system "
		"without shared memory", catalog->path);
	err_hint(err, "keep it on a local file system: "
		 "'varve init --catalog DIR'");
	return -ENOTSUP;
}

/* Only a file in which nothing is yet can be made one that shrinks. */
static int make_shrinkable(struct catalog *catalog, struct err *err)
{
	int64_t pages;
	int r = sql_number(catalog, "PRAGMA page_count", &pages, err);

	if (r < 0 || pages > 0)
		return r;
	return exec_script(catalog, "PRAGMA auto_vacuum=INCREMENTAL", err);
}

static int configure(struct catalog *catalog, struct err *err)
{
	sqlite3 *db = catalog->db;

	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	return exec_script(catalog,
			   "PRAGMA page_size=8192;"
			   "PRAGMA mmap_size=0;"
			   "PRAGMA cache_size=-8192;"
			   "PRAGMA temp_store=MEMORY;"
			   "PRAGMA synchronous=NORMAL;"
			   "PRAGMA journal_size_limit=67108864;"
			   "PRAGMA foreign_keys=OFF", err);
}

static int check_version(struct catalog *catalog, struct err *err)
{
	int64_t version, application;
	int r = sql_number(catalog, "PRAGMA user_version", &version, err);

	if (r == 0)
		r = sql_number(catalog, "PRAGMA application_id", &application,
			       err);
	if (r < 0)
		return r;
	if (application != APPLICATION_ID)
		return sql_corrupt(catalog, err, "it is not a catalog");
	if (version > CATALOG_VERSION) {
		err_set(err, -ENOTSUP, "the catalog '%s' has version %lld, "
			"and this program knows %d", catalog->path,
			(long long)version, CATALOG_VERSION);
		err_hint(err, "use the newer varve, or 'varve rebuild'");
		return -ENOTSUP;
	}
	/* Those before lack what writers need, and rows, of which their
	 * programs knew nothing. */
	if (version != CATALOG_VERSION &&
	    !(version >= 1 && catalog->mode == CATALOG_READONLY))
		return sql_corrupt(catalog, err, "it has version %lld",
				   (long long)version);
	return 0;
}

/* One in memory changes no store. */
static int announce_commit(struct catalog *catalog, struct err *err)
{
	if (catalog->mode == CATALOG_MEMORY)
		return 0;
	return disk_step_catalog(catalog->path, err);
}

/* Two processes may make it at once: the second finds it made. */
static int make_schema(struct catalog *catalog, struct err *err)
{
	char pragmas[128];
	int64_t tables;
	int r = sql_number(catalog, "SELECT count(*) FROM sqlite_schema",
			   &tables, err);

	if (r < 0 || tables > 0)
		return r;
	if (catalog->mode == CATALOG_READONLY)
		return sql_corrupt(catalog, err, "it is empty");
	r = exec_script(catalog, "BEGIN IMMEDIATE", err);
	if (r == 0)
		r = sql_number(catalog, "SELECT count(*) FROM sqlite_schema",
			       &tables, err);
	if (r == 0 && tables == 0) {
		snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d;"
			 "PRAGMA user_version=%d", APPLICATION_ID,
			 CATALOG_VERSION);
		r = exec_script(catalog, catalog_schema, err);
		if (r == 0)
			r = exec_script(catalog, catalog_schema_rows, err);
		if (r == 0)
			r = exec_script(catalog, pragmas, err);
	}
	if (r == 0)
		r = announce_commit(catalog, err);
	if (r == 0)
		r = exec_script(catalog, "COMMIT", err);
	if (r < 0 && !sqlite3_get_autocommit(catalog->db))
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static bool is_older(int64_t version)
{
	return version >= 1 && version < CATALOG_VERSION;
}

static int upgrade_locked(struct catalog *catalog, struct err *err)
{
	char pragma[64];
	int64_t version;
	int r = sql_number(catalog, "PRAGMA user_version", &version, err);

	if (r < 0 || !is_older(version))
		return r;
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d",
		 CATALOG_VERSION);
	if (version == 1)
		r = exec_script(catalog, catalog_upgrade_1, err);
	if (r == 0)
		r = exec_script(catalog, catalog_schema_rows, err);
	if (r == 0)
		r = exec_script(catalog, pragma, err);
	return r == 0 ? announce_commit(catalog, err) : r;
}

/* An older catalog is brought to this version; others may do so as well. */
static int upgrade(struct catalog *catalog, struct err *err)
{
	int64_t version, application;
	int r = sql_number(catalog, "PRAGMA user_version", &version, err);

	if (r == 0)
		r = sql_number(catalog, "PRAGMA application_id", &application,
			       err);
	if (r < 0 || !is_older(version) || application != APPLICATION_ID ||
	    catalog->mode == CATALOG_READONLY)
		return r;
	r = exec_script(catalog, "BEGIN IMMEDIATE", err);
	if (r == 0)
		r = upgrade_locked(catalog, err);
	if (r == 0)
		r = exec_script(catalog, "COMMIT", err);
	if (r < 0 && !sqlite3_get_autocommit(catalog->db))
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int open_db(struct catalog *catalog, struct err *err)
{
	int r;

	if (catalog->mode == CATALOG_MEMORY)
		r = open_memory(catalog, err);
	else if (catalog->mode == CATALOG_READONLY)
		r = open_readonly(catalog, err);
	else
		r = open_write(catalog, err);
	if (r == 0)
		r = configure(catalog, err);
	if (r == 0 && catalog->mode == CATALOG_WRITE)
		r = make_shrinkable(catalog, err);
	if (r == 0 && catalog->mode == CATALOG_WRITE)
		r = set_wal(catalog, err);
	if (r == 0)
		r = make_schema(catalog, err);
	if (r == 0)
		r = upgrade(catalog, err);
	if (r == 0)
		r = check_version(catalog, err);
	return r;
}

static int init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int r = pthread_mutexattr_init(&attr);

	if (r)
		return -r;
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	r = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

int catalog_open(const char *path, enum catalog_mode mode,
		 struct catalog **ret, struct err *err)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	int r;

	if (!catalog)
		return err_nomem(err);
	if (init_mutex(&catalog->mutex) < 0) {
		free(catalog);
		return err_nomem(err);
	}
	catalog->mode = mode;
	catalog->path = strdup(path ? path : "in memory");
	r = catalog->path ? open_db(catalog, err) : err_nomem(err);
	if (r < 0) {
		catalog_close(catalog);
		return r;
	}
	*ret = catalog;
	return 0;
}

void catalog_close(struct catalog *catalog)
{
	if (!catalog)
		return;
	while (catalog->depth > 0)
		catalog_abort(catalog);
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(catalog->statements[i].stmt);
	lookup_release(catalog);
	sqlite3_close_v2(catalog->db);
	pthread_mutex_destroy(&catalog->mutex);
	free(catalog->path);
	free(catalog);
}

int catalog_set_durable(struct catalog *catalog, bool on, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = exec_script(catalog, on ? "PRAGMA synchronous=FULL" :
			"PRAGMA synchronous=NORMAL", err);
	catalog_unlock(catalog);
	return r;
}

static int shrink(struct catalog *catalog, struct err *err)
{
	int64_t pages, free_pages;
	int r = runs_tidy(catalog, err);

	if (r == 0)
		r = sql_number(catalog, "PRAGMA page_count", &pages, err);
	if (r == 0)
		r = sql_number(catalog, "PRAGMA freelist_count", &free_pages,
			       err);
	if (r < 0 || free_pages <= pages / SHRINK_SHARE)
		return r;
	r = announce_commit(catalog, err);
	return r < 0 ? r : exec_script(catalog, "PRAGMA incremental_vacuum",
				       err);
}

int catalog_shrink(struct catalog *catalog, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = shrink(catalog, err);
	catalog_unlock(catalog);
	return r;
}

void catalog_put_off(struct catalog *catalog, bool on)
{
	catalog_lock(catalog);
	catalog->put_off = on;
	catalog_unlock(catalog);
}

/* Transactions. */

static int begin_inner(struct catalog *catalog, struct err *err)
{
	/* SQLite ends a transaction by itself after some errors; what would
	 * follow must not be committed piecemeal. */
	if (sqlite3_get_autocommit(catalog->db))
		return err_set(err, -EIO, "catalog '%s': the transaction was "
			       "undone after an error", catalog->path);
	return sql_exec(catalog, "SAVEPOINT inner_step", err, "");
}

static int begin_outer(struct catalog *catalog, struct err *err)
{
	int r;

	if (catalog->mode == CATALOG_READONLY)
		return err_set(err, -EROFS, "the catalog '%s' is open for "
			       "reading only", catalog->path);
	r = sql_exec(catalog, "BEGIN IMMEDIATE", err, "");
	if (r < 0)
		return r;
	r = lookup_refresh(catalog, NULL, err);
	if (r < 0)
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int catalog_begin(struct catalog *catalog, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = catalog->depth > 0 ? begin_inner(catalog, err) :
				 begin_outer(catalog, err);
	if (r < 0)
		catalog_unlock(catalog);
	else
		catalog->depth++;
	return r;
}

void catalog_abort(struct catalog *catalog)
{
	if (catalog->depth == 0)
		return;
	if (catalog->depth > 1) {
		sql_exec(catalog, "ROLLBACK TO inner_step", NULL, "");
		sql_exec(catalog, "RELEASE inner_step", NULL, "");
	} else {
		if (!sqlite3_get_autocommit(catalog->db))
			sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL,
				     NULL);
		catalog->names_stale = false;
	}
	lookup_forget(catalog);
	catalog->depth--;
	catalog_unlock(catalog);
}

static int commit_outer(struct catalog *catalog, struct err *err)
{
	int r = 0;

	if (sqlite3_get_autocommit(catalog->db))
		return err_set(err, -EIO, "catalog '%s': the transaction was "
			       "undone after an error", catalog->path);
	if (catalog->names_stale)
		r = names_derive(catalog, err);
	if (r == 0)
		r = announce_commit(catalog, err);
	if (r == 0)
		r = sql_exec(catalog, "COMMIT", err, "");
	if (r == 0)
		catalog->commits++;
	return r;
}

int catalog_commit(struct catalog *catalog, struct err *err)
{
	int r;

	if (catalog->depth == 0)
		return err_set(err, -EINVAL, "no transaction is open");
	r = catalog->depth > 1 ?
		sql_exec(catalog, "RELEASE inner_step", err, "") :
		commit_outer(catalog, err);
	if (r < 0) {
		catalog_abort(catalog);
		return r;
	}
	catalog->depth--;
	catalog_unlock(catalog);
	return 0;
}

int catalog_end(struct catalog *catalog, int r, struct err *err)
{
	if (r < 0) {
		catalog_abort(catalog);
		return r;
	}
	return catalog_commit(catalog, err);
}

int catalog_change_mark(struct catalog *catalog, uint64_t *ret,
			struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = lookup_refresh(catalog, NULL, err);
	if (r == 0)
		*ret = ((uint64_t)catalog->lookup.data_version << 32) +
		       catalog->commits;
	catalog_unlock(catalog);
	return r;
}

/* meta. */

int meta_get(struct catalog *catalog, const char *key, int64_t *ret,
	     struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT value FROM meta WHERE key=?", &stmt,
			 err, "t", key);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r == 0)
		return sql_corrupt(catalog, err, "'%s' is missing", key);
	if (r < 0)
		return r;
	*ret = sqlite3_column_int64(stmt, 0);
	return 0;
}

int meta_add(struct catalog *catalog, const char *key, int64_t by,
	     struct err *err)
{
	return sql_exec(catalog, "UPDATE meta SET value=max(0, value+?2)"
			" WHERE key=?1", err, "ti", key, by);
}

int meta_raise(struct catalog *catalog, const char *key, int64_t to,
	       struct err *err)
{
	return sql_exec(catalog, "UPDATE meta SET value=max(value, ?2)"
			" WHERE key=?1", err, "ti", key, to);
}
