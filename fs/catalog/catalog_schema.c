#include "fs/catalog/catalog_internal.h"

/*
 * Columns of snapshot and event beside bytes are there to be searched and
 * queried; what is served is parsed from bytes.
 *
 *   seg, guide   key is run << 32 | index of the (first) segment
 *   run          state 1: live; 2: being built from those whose into names it
 *   condemned    packs a prune wants to remove; seq is its event's
 *   leaning      packs of which a block has a prefix
 *   meta         high_number, dead (entries of removed packs), removals
 *
 * The views are for people and are a contract: docs/format.md, "Catalog".
 */
const char catalog_schema[] =
"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL)"
" WITHOUT ROWID;"
"INSERT INTO meta VALUES('high_number',0),('dead',0),('removals',0);"

"CREATE TABLE pack(number INTEGER PRIMARY KEY AUTOINCREMENT,"
" name BLOB NOT NULL UNIQUE, meta INTEGER NOT NULL, size INTEGER NOT NULL,"
" objects INTEGER NOT NULL);"
"CREATE TABLE condemned(pack INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"
"CREATE TABLE leaning(pack INTEGER PRIMARY KEY);"
"CREATE TABLE run(id INTEGER PRIMARY KEY AUTOINCREMENT,"
" level INTEGER NOT NULL, count INTEGER NOT NULL, segs INTEGER NOT NULL,"
" state INTEGER NOT NULL, 'into' INTEGER, bound BLOB);"
"CREATE TABLE seg(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
"CREATE TABLE guide(key INTEGER PRIMARY KEY, fences BLOB NOT NULL,"
" filters BLOB NOT NULL);"

"CREATE TABLE snapshot(number INTEGER PRIMARY KEY,"
" id BLOB NOT NULL UNIQUE, source TEXT NOT NULL, name TEXT,"
" time_s INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
" recorded_source TEXT NOT NULL, recorded_name TEXT NOT NULL,"
" added_s INTEGER NOT NULL, kind TEXT, format TEXT, input TEXT, host TEXT,"
" user TEXT, version TEXT, entries INTEGER, files INTEGER, dirs INTEGER,"
" bytes INTEGER, stream_bytes INTEGER, new_bytes INTEGER, warnings INTEGER,"
" incomplete TEXT, forgotten INTEGER NOT NULL DEFAULT 0,"
" pinned INTEGER NOT NULL DEFAULT 0, damage TEXT,"
" tagged INTEGER NOT NULL DEFAULT 0, record BLOB NOT NULL);"
"CREATE UNIQUE INDEX snapshot_name ON snapshot(source, name);"
"CREATE INDEX snapshot_time ON snapshot(source, time_s, time_ns, number);"
"CREATE TABLE tag(number INTEGER, key TEXT, value TEXT NOT NULL,"
" PRIMARY KEY(number, key)) WITHOUT ROWID;"

"CREATE TABLE event(name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,"
" type TEXT NOT NULL, at_s INTEGER NOT NULL, host TEXT, user TEXT,"
" snapshot BLOB, number INTEGER, source TEXT, key TEXT, value TEXT,"
" event BLOB NOT NULL);"
"CREATE UNIQUE INDEX event_seq ON event(seq, name);"
"CREATE INDEX event_type ON event(type, seq, name);"
"CREATE INDEX event_snapshot ON event(snapshot, type, seq, name)"
" WHERE snapshot IS NOT NULL;"
"CREATE INDEX event_key ON event(key, type) WHERE key IS NOT NULL;"

"CREATE VIEW v_snapshot AS SELECT number, lower(hex(id)) AS id, source, name,"
" strftime('%Y-%m-%dT%H:%M:%SZ', time_s, 'unixepoch') AS time, time_s,"
" strftime('%Y-%m-%dT%H:%M:%SZ', added_s, 'unixepoch') AS added, added_s,"
" kind, format, input, host, user, version, entries, files, dirs, bytes,"
" stream_bytes, new_bytes, warnings, incomplete, forgotten, pinned, damage"
" FROM snapshot;"

"CREATE VIEW v_source AS SELECT source, count(*) AS snapshots,"
" strftime('%Y-%m-%dT%H:%M:%SZ', min(time_s), 'unixepoch') AS first,"
" strftime('%Y-%m-%dT%H:%M:%SZ', max(time_s), 'unixepoch') AS last,"
" max(CASE WHEN incomplete IS NULL AND damage IS NULL THEN"
"  strftime('%Y-%m-%dT%H:%M:%SZ', time_s, 'unixepoch') END) AS last_good,"
" sum(incomplete IS NOT NULL) AS incomplete,"
" sum(damage IS NOT NULL) AS damaged, sum(pinned) AS pinned,"
" sum(bytes) AS bytes, sum(new_bytes) AS new_bytes"
" FROM snapshot WHERE NOT forgotten GROUP BY source;"

"CREATE VIEW v_pack AS SELECT number, lower(hex(name)) AS name,"
" CASE WHEN meta THEN 'meta' ELSE 'data' END AS type, size, objects"
" FROM pack;"

"CREATE VIEW v_event AS SELECT seq, name, type,"
" strftime('%Y-%m-%dT%H:%M:%SZ', at_s, 'unixepoch') AS at, at_s, host, user,"
" lower(hex(snapshot)) AS snapshot, number, source, key, value FROM event;"

"CREATE VIEW v_tag AS SELECT t.number AS number, s.source AS source,"
" s.name AS name, t.key AS key, t.value AS value"
" FROM tag t JOIN snapshot s ON s.number = t.number;";

const char catalog_upgrade_1[] =
"CREATE TABLE IF NOT EXISTS condemned(pack INTEGER PRIMARY KEY,"
" seq INTEGER NOT NULL);"
"CREATE TABLE IF NOT EXISTS leaning(pack INTEGER PRIMARY KEY);";
