#include "fs/catalog/catalog_internal.h"

/*
 *   row_state   a snapshot that has rows; loaded 1: they are in kind_row
 *   kind_row    one row of a kind: the table it is of, and its JSON object
 *
 * The views join them with their snapshot, leave forgotten ones out, and give
 * each member a column of its name.  They are a contract: docs/format.md,
 * "Catalog".  Members that a row lacks are NULL, lists are JSON text.
 */
#define ROW_HEAD \
	"SELECT s.number AS number, s.source AS source, s.name AS snapshot," \
	" strftime('%Y-%m-%dT%H:%M:%SZ', s.time_s, 'unixepoch') AS time"
#define ROW_TAIL(table) \
	" FROM kind_row r JOIN snapshot s ON s.number = r.number" \
	" WHERE r.name = '" table "' AND NOT s.forgotten;"
#define COL(name) ", json_extract(r.data, '$." name "') AS \"" name "\""
#define VIEW(table, columns) \
	"CREATE VIEW IF NOT EXISTS " table " AS " ROW_HEAD columns ROW_TAIL(table)

const char catalog_schema_rows[] =
"CREATE TABLE IF NOT EXISTS row_state(number INTEGER PRIMARY KEY,"
" loaded INTEGER NOT NULL DEFAULT 0);"
"CREATE INDEX IF NOT EXISTS row_lacking ON row_state(number) WHERE NOT loaded;"
"CREATE TABLE IF NOT EXISTS kind_row(number INTEGER NOT NULL, name TEXT NOT NULL,"
" data TEXT NOT NULL);"
"CREATE INDEX IF NOT EXISTS kind_row_of ON kind_row(number);"
"CREATE INDEX IF NOT EXISTS kind_row_name ON kind_row(name, number);"

"CREATE VIEW IF NOT EXISTS v_row AS " ROW_HEAD ", r.name AS \"table\", r.data AS data"
" FROM kind_row r JOIN snapshot s ON s.number = r.number"
" WHERE NOT s.forgotten;"

VIEW("pso_volume",
     COL("match") COL("handle") COL("volume") COL("backend")
     COL("backend_id") COL("backend_type") COL("namespace") COL("pvc")
     COL("pvc_uid") COL("pv") COL("phase") COL("class") COL("reclaim")
     COL("access") COL("mode") COL("fs_type") COL("size") COL("pv_size")
     COL("origin") COL("serial") COL("created") COL("destroyed")
     COL("iops_limit") COL("bandwidth_limit") COL("export_rules")
     COL("iops_wanted") COL("bandwidth_wanted")
     COL("database") COL("unusable"))
VIEW("pso_snapshot",
     COL("match") COL("handle") COL("name") COL("volume") COL("suffix")
     COL("backend") COL("backend_id") COL("backend_type") COL("namespace")
     COL("volume_snapshot") COL("uid") COL("content") COL("class")
     COL("ready") COL("deletion") COL("size") COL("restore_size")
     COL("created")
     COL("destroyed"))
VIEW("pso_backend",
     COL("name") COL("type") COL("id") COL("mgmt") COL("nfs") COL("labels")
     COL("model") COL("version") COL("api") COL("iqns") COL("portals")
     COL("wwns") COL("nqns") COL("reached") COL("why"))
VIEW("pso_node",
     COL("name") COL("uid") COL("ready") COL("addresses") COL("iqns")
     COL("wwns") COL("nqns") COL("hosts") COL("kubelet") COL("os")
     COL("kernel"))
VIEW("pso_replica",
     COL("volume") COL("backend_id") COL("backend_type") COL("mgmt")
     COL("backend") COL("status") COL("since") COL("decommission")
     COL("wanted") COL("pod") COL("pod_phase") COL("pod_ready") COL("node"))
VIEW("pso_datastore",
     COL("name") COL("namespace") COL("status") COL("initialized")
     COL("ready_nodes") COL("total_ranges") COL("underreplicated")
     COL("unavailable") COL("as_of") COL("stateful_sets") COL("cluster_id")
     COL("max_suspect_s"))
VIEW("pso_attachment",
     COL("backend") COL("backend_id") COL("volume") COL("host")
     COL("host_group") COL("lun") COL("node"))
VIEW("pso_class",
     COL("name") COL("provisioner") COL("backend") COL("reclaim")
     COL("binding") COL("is_default") COL("expansion") COL("parameters"))
VIEW("pso_document",
     COL("name") COL("state") COL("items") COL("why"));

int rows_expect(struct catalog *catalog, uint64_t number, struct err *err)
{
	return sql_exec(catalog, "INSERT OR IGNORE INTO row_state(number)"
			" VALUES(?)", err, "i", (int64_t)number);
}

int rows_remove(struct catalog *catalog, const uint8_t id[16],
		struct err *err)
{
	int r = sql_exec(catalog, "DELETE FROM kind_row WHERE number IN"
			 " (SELECT number FROM snapshot WHERE id=?)", err,
			 "b", id, (size_t)RECORD_ID);

	return r < 0 ? r : sql_exec(catalog, "DELETE FROM row_state WHERE"
				    " number IN (SELECT number FROM snapshot"
				    " WHERE id=?)", err, "b", id,
				    (size_t)RECORD_ID);
}

/* A catalog of before rows that is only read has none of these tables, and its
 * snapshots no rows. */
static int has_rows(struct catalog *catalog, struct err *err)
{
	int64_t tables;
	int r = sql_number(catalog, "SELECT count(*) FROM sqlite_schema WHERE"
			   " name='row_state'", &tables, err);

	return r < 0 ? r : tables > 0;
}

static int next_rowless(struct catalog *catalog, uint64_t above,
			uint64_t *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = has_rows(catalog, err);

	if (r <= 0)
		return r;
	r = sql_open(catalog, "SELECT number FROM row_state WHERE NOT loaded"
		     " AND number>? ORDER BY number LIMIT 1", &stmt, err, "i",
		     (int64_t)above);
	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r == 1)
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	return r;
}

int catalog_next_rowless(struct catalog *catalog, uint64_t above,
			 uint64_t *ret, struct err *err)
{
	int r;

	catalog_lock(catalog);
	r = next_rowless(catalog, above, ret, err);
	catalog_unlock(catalog);
	return r;
}

int catalog_rows_begin(struct catalog *catalog, uint64_t number,
		       struct err *err)
{
	int r = sql_exec(catalog, "UPDATE row_state SET loaded=1 WHERE"
			 " number=? AND NOT loaded", err, "i",
			 (int64_t)number);

	return r < 0 ? r : sqlite3_changes(catalog->db) > 0;
}

int catalog_add_row(struct catalog *catalog, uint64_t number,
		    struct span table, struct span data, struct err *err)
{
	int r = sql_exec(catalog, "INSERT INTO kind_row(number, name, data)"
			 " SELECT ?1, CAST(?2 AS TEXT), CAST(?3 AS TEXT)"
			 " WHERE json_valid(CAST(?3 AS TEXT))", err, "ibb",
			 (int64_t)number, table.data, table.len, data.data,
			 data.len);

	if (r == 0 && sqlite3_changes(catalog->db) == 0)
		r = err_corrupt(err, "a row of table '%.*s' is not JSON",
				(int)table.len, (const char *)table.data);
	return r;
}
