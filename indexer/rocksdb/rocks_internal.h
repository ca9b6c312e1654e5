/*
 * What the parts of rocks share.  Each function returns 0, or a negative errno
 * for what ends the reading altogether; what is wrong with a file is told by
 * rocks_find() and is no failure.
 */
#ifndef VARVE_ROCKS_INTERNAL_H
#define VARVE_ROCKS_INTERNAL_H

#include "fs/base/bytes.h"
#include "indexer/rocksdb/rocks.h"

#define BLOB_HEADER 30u
#define BLOB_FOOTER 32u
#define LOG_BLOCK   32768u

struct dir_file {
	char *name;
	uint64_t size;
	bool dir, known;	/* known: something was said or asked of it */
};

/* Places by number, for numbers that are drawn once in a database. */
struct number_map {
	uint64_t *key;		/* 0: free */
	uint32_t *place;
	size_t room, count;
};

struct rocks_own {
	struct rocks_source source;
	unsigned flags;
	struct dir_file *names;	/* sorted */
	size_t name_count, name_room;
	struct arena_part *arena;
	size_t arena_left, arena_sum;

	size_t family_room, file_room, blob_room, wal_room, finding_room;
	struct number_map tables, blob_files;
	bool has_next_file, has_log_number, has_last_sequence;
	uint64_t prev_log, wals_from;
	struct buf scratch, plain;	/* blocks */
};

/* rocks.c */

/* len bytes that live as long as rocks; -EFBIG, -ENOMEM. */
int rocks_keep(struct rocks *rocks, struct span bytes, struct span *ret,
	       struct err *err);
/* Room for one more element of an array that is at most max long. */
int rocks_grow(void **array, size_t *room, size_t count, size_t size,
	       size_t max, struct err *err);
/* A file of the directory; NULL where there is none. */
struct dir_file *rocks_name(struct rocks *rocks, const char *name);
/*
 * len bytes (at most max) at offset into out, which is cleared.  -ESTALE where
 * the file ends before; what the source says else.
 */
int rocks_read(struct rocks *rocks, const char *name, uint64_t offset,
	       uint64_t len, uint64_t max, struct buf *out, struct err *err);

/* Tell that file has this fault.  offset and want: NULL where they tell
 * nothing.  0 or -ENOMEM. */
int rocks_find(struct rocks *rocks, enum rocks_weight weight,
	       const char *file, const uint64_t *offset,
	       const uint64_t *want, uint64_t found, struct err *err,
	       const char *fmt, ...) PRINTF(8, 9);

/* rocks_log.c: the records of a log (MANIFEST or WAL). */
enum log_kind { LOG_MANIFEST = 1, LOG_WAL };
enum log_end {
	LOG_WHOLE = 1,		/* ended between records */
	LOG_CUT,		/* ended within a record, or in zeros */
	LOG_BAD,		/* a sum or a type is wrong */
	LOG_OLD,		/* the rest is of an older log (a WAL's) */
};
struct log_reader {
	struct rocks *rocks;
	const char *name;
	enum log_kind kind;
	uint64_t number;	/* of a WAL */
	uint64_t size;
	uint64_t block;		/* offset of what is in data */
	uint32_t at;		/* within */
	struct buf data;	/* one block */
	struct buf record;
	uint64_t start;		/* of the record in the file */
	enum log_end end;
	uint64_t end_at;	/* where that is */
	const char *why;	/* of LOG_CUT and LOG_BAD, in words */
};
/* 1 and reader->record, 0 at the end (reader->end tells which), or an errno. */
int log_next(struct log_reader *reader, struct err *err);
void log_reader_release(struct log_reader *reader);

/* rocks_edit.c: one version edit, borrowed from its record. */
struct edit_deleted {
	uint32_t level;
	uint64_t number;
};
struct edit_wal {
	uint64_t number, synced;
};
struct edit {
	struct span db_id, comparator, family_name;
	bool has_db_id, has_comparator, has_log_number, has_prev_log;
	bool has_next_file, has_last_sequence, has_max_family, has_min_log;
	bool adds_family, drops_family, in_group, has_wal_deletion;
	uint64_t log_number, prev_log, next_file, last_sequence, min_log;
	uint64_t wals_before;	/* are deleted */
	uint32_t family, max_family, group_left;
	struct edit_deleted *deleted;
	struct rocks_file *added;
	struct rocks_blob *blobs, *garbage;
	struct edit_wal *wals;
	size_t deleted_count, added_count, blob_count, garbage_count;
	size_t wal_count;
	size_t deleted_room, added_room, blob_room, garbage_room, wal_room;
};
/* *ret_why (constant words) is NULL where record is an edit.  ret must be
 * released also then and after a failure. */
int edit_parse(struct span record, struct edit *ret, const char **ret_why,
	       struct err *err);
void edit_release(struct edit *edit);

/* rocks_live.c: what the edits come to.  *ret_why as in edit_parse(). */
int live_apply(struct rocks *rocks, const struct edit *edit,
	       const char **ret_why, struct err *err);
/* Leave out what was dropped, and blob files that nothing needs; sort. */
void live_finish(struct rocks *rocks);
/* The MANIFEST, from its first record to its last. */
int live_read(struct rocks *rocks, struct err *err);
void number_map_release(struct number_map *map);

/* rocks_options.c */
int options_read(struct rocks *rocks, struct err *err);

/* rocks_block.c: one block of a table. */
struct block_handle {
	uint64_t offset, size;	/* without the trailer of 5 bytes */
};
struct footer {
	bool legacy;
	uint32_t version;
	uint8_t checksum;
	uint32_t context;	/* of a block's sum from version 6 on */
	struct block_handle metaindex, index;
	uint64_t offset;	/* of the footer */
};
#define BLOCK_TRAILER 5u
#define BLOCK_MAX     (256u << 20)
struct block_entry {
	struct span key, value;
	struct bytes in;	/* the rest of the entries */
	struct buf key_bytes;
	bool values_bare;	/* an index whose values have no length */
	bool restart;		/* this entry shares nothing with another */
};
/* The sum of size bytes and their type byte, as it must stand in the block. */
uint32_t block_sum(const struct footer *footer, uint64_t offset,
		   struct span bytes, uint8_t type);
/*
 * Read, prove and unpack a block.  *ret_plain borrows from rocks->own until the
 * next block is read.  *ret_why as in edit_parse(); -EOPNOTSUPP in *ret_skip
 * (else 0) where its sum is right and it is packed as cannot be undone here.
 */
int block_read(struct rocks *rocks, const char *name,
	       const struct footer *footer, struct block_handle handle,
	       struct span *ret_plain, int *ret_skip, const char **ret_why,
	       struct err *err);
int block_handle_parse(struct bytes *in, struct block_handle *ret);
/* Iterate: 1 and the entry, 0 at the end, -EBADMSG (without words). */
int block_entries(struct span plain, bool values_bare,
		  struct block_entry *ret);
int block_next(struct block_entry *entry);
void block_entry_release(struct block_entry *entry);

/* rocks_table.c, rocks_blob.c: one file each, whose size is right. */
int table_read(struct rocks *rocks, const char *name, struct rocks_file *file,
	       struct err *err);
int blob_read(struct rocks *rocks, const char *name,
	      const struct rocks_blob *blob, struct err *err);

/* rocks_check.c: the directory against what the MANIFEST names. */
int check_files(struct rocks *rocks, struct err *err);

#endif
