/*
 * catalog: the SQLite index of packs, records and state.
 *
 * Takes what is already durable elsewhere and makes it quick to ask: where
 * an object lies, which snapshots there are, what was forgotten, pinned,
 * tagged.  Every row can be rebuilt; nothing is served on its word alone.
 * The only user of SQLite.  Does not know how packs are laid out, nor trees.
 *
 * Objects are found by sorted runs: each sealed pack adds one run (rows of
 * about 16 KiB of sorted entries, each with its sum); when CATALOG_FANOUT runs
 * of a level have gathered they are merged into one of the next, so that
 * adding stays sequential however many objects there are, and a lookup asks a
 * few runs, each guarded by Bloom filters.  Merges go on in bounded steps with
 * each pack that is added or removed, so nobody waits for a large one.
 *
 * WAL, synchronous=NORMAL: after a power cut it may be older than the store,
 * never torn; repo brings it level at the next open.  A struct catalog may be
 * used from any thread: it has a mutex, which an open transaction keeps, so
 * that others wait until it ends.  each() callbacks are called without it, and
 * may use the catalog (but not catalog_query()'s).  Several processes at once.
 * Where the file or its directory cannot be written it is opened
 * read-only (immutable where no -wal stands beside it, and then the repo falls
 * back to one in memory if it is not level).
 */
#ifndef VARVE_CATALOG_H
#define VARVE_CATALOG_H

#include "fs/catalog/event.h"
#include "fs/catalog/record.h"

#define CATALOG_VERSION 3
#define CATALOG_FANOUT 8

struct catalog;

struct place {			/* where an object lies */
	uint32_t pack;		/* number of the pack in this catalog */
	uint32_t offset;	/* of the block in the pack */
	uint32_t stored;	/* the block's length in the pack */
	uint32_t at;		/* of the object in the block's plain bytes */
};

struct catalog_entry {
	struct id id;
	uint32_t offset, stored, at;
};

struct catalog_pack {
	uint32_t number;
	uint8_t name[16];
	bool meta;
	uint64_t size;
	uint64_t objects;
};

enum catalog_mode { CATALOG_WRITE = 1, CATALOG_READONLY, CATALOG_MEMORY };

/*
 * Open path, made where it is not there (CATALOG_WRITE).  -EBADMSG: it is
 * damaged (also found by later calls: the caller rebuilds); -ENOTSUP: made by
 * a newer version.
 */
int catalog_open(const char *path, enum catalog_mode mode,
		 struct catalog **ret, struct err *err);
void catalog_close(struct catalog *catalog);

/*
 * Nest freely; the outermost commit counts (BEGIN IMMEDIATE).  An inner abort
 * takes back what is inside only.  A commit that fails has aborted.  -EROFS,
 * -EBUSY (another process for over a minute), -ENOSPC.
 */
int catalog_begin(struct catalog *catalog, struct err *err);
int catalog_commit(struct catalog *catalog, struct err *err);
void catalog_abort(struct catalog *catalog);
/* Commit where r is 0, abort where it is not; gives what there is to return. */
int catalog_end(struct catalog *catalog, int r, struct err *err);

/* Packs. */

/* Index a pack: entries in any order (sorted in place).  0 and its number
 * also where the pack is known already.  One transaction. */
int catalog_add_pack(struct catalog *catalog, const uint8_t name[16],
		     bool meta, uint64_t size, struct catalog_entry *entries,
		     size_t count, uint32_t *ret_number, struct err *err);
/* -ENOENT. */
int catalog_find_pack(struct catalog *catalog, const uint8_t name[16],
		      struct catalog_pack *ret, struct err *err);
int catalog_get_pack(struct catalog *catalog, uint32_t number,
		     struct catalog_pack *ret, struct err *err);
int catalog_each_pack(struct catalog *catalog,
		      int (*each)(void *arg, const struct catalog_pack *pack,
				  struct err *err),
		      void *arg, struct err *err);
/* Its objects are no longer found there (their entries go when they are merged,
 * and all are merged once more than half are such).  0 where it is not there. */
int catalog_remove_pack(struct catalog *catalog, uint32_t number,
			struct err *err);
/* Is it there, as far as was seen when something was found last? */
bool catalog_has_pack(struct catalog *catalog, uint32_t number);
/* See what other processes committed, also where something is found already:
 * places in packs that were removed meanwhile are found no longer. */
int catalog_refresh(struct catalog *catalog, struct err *err);

/* Blocks of the pack have a prefix: it leans on chunks of others.  Part of
 * telling of it (in one transaction). */
int catalog_note_leaning(struct catalog *catalog, uint32_t number,
			 struct err *err);
int catalog_each_leaning(struct catalog *catalog,
			 int (*each)(void *arg,
				     const struct catalog_pack *pack,
				     struct err *err),
			 void *arg, struct err *err);

/*
 * Packs that a prune wants to remove: whoever begins to write now does not
 * count on what lies in them.  seq is that of the prune's event.  A mark on a
 * pack that has one stays as it is.  catalog_spare_pack() takes it back; 0
 * where there is none.
 */
int catalog_condemn_pack(struct catalog *catalog, uint32_t number,
			 uint64_t seq, struct err *err);
int catalog_spare_pack(struct catalog *catalog, uint32_t number,
		       struct err *err);
int catalog_each_condemned(struct catalog *catalog,
			   int (*each)(void *arg, uint32_t number,
				       uint64_t seq, struct err *err),
			   void *arg, struct err *err);

/*
 * The catalog as of one moment, in a handle of its own: it sees nothing that
 * is committed later, and holds nobody up.  Close it with catalog_close().
 * Each entry of an object in it has a row, a number below catalog_rows(), that
 * stays while it is open.  -ENOTSUP for a catalog in memory.
 */
int catalog_freeze(struct catalog *catalog, struct catalog **ret,
		   struct err *err);
uint64_t catalog_rows(const struct catalog *frozen);
/* As catalog_find(), and the rows of the entries. */
int catalog_find_rows(struct catalog *frozen, const struct id *id,
		      struct place *places, uint64_t *rows, size_t max,
		      size_t *ret_count, struct err *err);
/* Every entry in a pack that is there, in order of rows. */
int catalog_each_row(struct catalog *frozen,
		     int (*each)(void *arg, uint64_t row, const struct id *id,
				 const struct place *place, struct err *err),
		     void *arg, struct err *err);

/* The places of id, at most max, newest packs first: *ret_count of them; 0 is
 * "not there", which counts what other processes committed before the call. */
int catalog_find(struct catalog *catalog, const struct id *id,
		 struct place *places, size_t max, size_t *ret_count,
		 struct err *err);
/* How many ids there are with these hash and length under any nth below
 * limit is asked by catalog_find() per nth. */

struct catalog_object_stats {
	uint64_t objects, packs, pack_bytes, runs, segments;
	uint64_t bloom_rejects, probes;
};
int catalog_object_stats(struct catalog *catalog,
			 struct catalog_object_stats *ret, struct err *err);

/* Snapshots.  A row is its record and what state says of it. */

struct snapshot {
	struct record record;
	bool forgotten;
	bool pinned;
	char *damage;		/* NULL, or words: damage events that name it */
};
void snapshot_release(struct snapshot *snapshot);

/*
 * One transaction; 0 also where the record is known already.  -EEXIST: another
 * record has its number; -EINVAL: bytes are not this record's.  Where its name
 * in the source is taken the higher number is shown with a twin's ("-2").
 */
int catalog_add_record(struct catalog *catalog, const struct record *record,
		       struct span bytes, struct err *err);
bool catalog_has_record(struct catalog *catalog, const uint8_t id[16]);
/*
 * record is as recorded, but for what events changed: source and name
 * (renames) and tags.  Rows in order of (source bytes, time, number).  source
 * NULL: all; else that source exactly.  Forgotten ones only where
 * with_forgotten.
 */
int catalog_each_snapshot(struct catalog *catalog, const char *source,
			  bool with_forgotten,
			  int (*each)(void *arg,
				      const struct snapshot *snapshot,
				      struct err *err),
			  void *arg, struct err *err);
/* Those of source that are not forgotten, from the newest on, until each() gives
 * other than 0, which is returned.  So what looks for the newest one does not
 * read a thousand. */
int catalog_each_newest(struct catalog *catalog, const char *source,
			int (*each)(void *arg, const struct snapshot *snapshot,
				    struct err *err),
			void *arg, struct err *err);
/* The names that begin so and are taken in source, also by what is forgotten.
 * Under the catalog's mutex: each() must not use it. */
int catalog_each_name(struct catalog *catalog, const char *source,
		      const char *prefix,
		      int (*each)(void *arg, const char *name), void *arg,
		      struct err *err);
/* -ENOENT. */
int catalog_get_snapshot(struct catalog *catalog, uint64_t number,
			 struct snapshot *ret, struct err *err);
int catalog_get_snapshot_by_id(struct catalog *catalog, const uint8_t id[16],
			       struct snapshot *ret, struct err *err);
/* The document of a record as it was published, appended to bytes; its sum was
 * compared.  -ENOENT. */
int catalog_record_bytes(struct catalog *catalog, const uint8_t id[16],
			 struct buf *bytes, struct err *err);
/* Remove the row of a record that is gone. */
int catalog_remove_record(struct catalog *catalog, const uint8_t id[16],
			  struct err *err);
/* The highest number a record or a high-water event ever had; 0 for none. */
int catalog_high_number(struct catalog *catalog, uint64_t *ret,
			struct err *err);

/*
 * Rows: what kinds tell of their snapshots, one JSON object each, by the name
 * of a table.  They follow records, and lie in objects of the store: whoever
 * can read these (fs/tree/rows.h) has the catalog know them when they are
 * asked for.  Rows go with their snapshot's row.
 */

/* The lowest snapshot above number of which rows are kept and not known here:
 * 1, or 0: none. */
int catalog_next_rowless(struct catalog *catalog, uint64_t above,
			 uint64_t *ret, struct err *err);
/* Inside one transaction: begin (1: go on; 0: another process told them
 * meanwhile), each row in order, then commit.  -EBADMSG: data is not JSON. */
int catalog_rows_begin(struct catalog *catalog, uint64_t number,
		       struct err *err);
int catalog_add_row(struct catalog *catalog, uint64_t number,
		    struct span table, struct span data, struct err *err);

/* State. */

/* name: the event's file name.  Applies it; 0 also where it is known.  Events
 * and records may come in any order: the state is the same in the end. */
int catalog_add_event(struct catalog *catalog, const char *name,
		      const struct event *event, struct err *err);
bool catalog_has_event(struct catalog *catalog, const char *name);
/* Remove the row of an event whose file goes. */
int catalog_remove_event(struct catalog *catalog, const char *name,
			 struct err *err);
int catalog_high_seq(struct catalog *catalog, uint64_t *ret,
		     struct err *err);
/* Events of one type (0: all) in order of sequence. */
int catalog_each_event(struct catalog *catalog, enum event_type type,
		       int (*each)(void *arg, const char *name,
				   const struct event *event,
				   struct err *err),
		       void *arg, struct err *err);

/* Counts for "is it level?": records and events it knows. */
int catalog_counts(struct catalog *catalog, uint64_t *ret_records,
		   uint64_t *ret_events, uint64_t *ret_packs,
		   struct err *err);
/* Changes with every commit by anyone (PRAGMA data_version and own commits):
 * a mount polls it. */
int catalog_change_mark(struct catalog *catalog, uint64_t *ret,
			struct err *err);

/*
 * A read-only query over the documented views (docs/design.md; `varve sql`):
 * v_snapshot, v_source, v_pack, v_event, v_tag, v_row, and those of the kinds'
 * rows.  Refuses anything that writes
 * or attaches (authorizer).  each gets column names and values as text (NULL
 * pointers for NULL); one row a call.
 */
int catalog_query(struct catalog *catalog, const char *sql,
		  int (*each)(void *arg, int columns, const char **names,
			      const char **values, const int *types,
			      struct err *err),
		  void *arg, struct err *err);
/* From now on a commit is on the disk when it returns (what is to be removed
 * next must not come back with a power cut).  Off: as a catalog is opened. */
int catalog_set_durable(struct catalog *catalog, bool on, struct err *err);
/* Give back the room in the file of what is of packs that are gone, where it is
 * worth it. */
int catalog_shrink(struct catalog *catalog, struct err *err);
/* From now on runs are not merged, which takes room and can wait: the next pack
 * after it is off again has it done. */
void catalog_put_off(struct catalog *catalog, bool on);
/* PRAGMA quick_check; every segment, filter and record; runs and packs against
 * their counts.  -EBADMSG: the first that is wrong. */
int catalog_check(struct catalog *catalog, struct err *err);

#endif
