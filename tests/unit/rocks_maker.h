/*
 * rocks_maker: RocksDB's files made by hand, in memory, as a directory that
 * rocks_open() can read.  For unit tests and for seeds of the fuzz harness.
 */
#ifndef VARVE_ROCKS_MAKER_H
#define VARVE_ROCKS_MAKER_H

#include "fs/base/bytes.h"
#include "indexer/rocksdb/rocks.h"

#define MADE_FILES 40

struct made_file {
	char name[64];
	struct buf bytes;
};
struct made_dir {
	struct made_file file[MADE_FILES];
	size_t count;
	size_t step;		/* most bytes that one read gives; 0: all */
};
#define OWNED_MADE CLEANUP(made_release)

void made_release(struct made_dir *dir);
/* The file of that name, made where it is not there; empty it is new. */
struct buf *made_file(struct made_dir *dir, const char *name);
void made_remove(struct made_dir *dir, const char *name);
struct rocks_source made_source(struct made_dir *dir);

/* Append record to a log.  number 0: ordinary records; else reusable ones of
 * that log. */
void made_record(struct buf *log, struct span record, uint32_t number);

/* Fields of a version edit, appended to record. */
void made_number(struct buf *record, uint32_t tag, uint64_t v);
void made_string(struct buf *record, uint32_t tag, const char *text);
void made_key(struct buf *record, const char *user, uint64_t seq);
/* A new file (103) without its fields, which 1 ends. */
void made_new(struct buf *record, uint32_t level, uint64_t number,
	      uint64_t size, const char *smallest, const char *largest);
void made_deleted(struct buf *record, uint32_t level, uint64_t number);
void made_blob_addition(struct buf *record, uint64_t number, uint64_t count,
			uint64_t bytes);

/* A table of that version with two data blocks (0: with the old footer), and
 * sums of that kind (1 CRC-32C, 4 XXH3, 0 none). */
void made_table(struct buf *out, uint32_t version, uint8_t checksum);
/* A blob file of family 1 with count values; its blobs' bytes are returned. */
uint64_t made_blob(struct buf *out, uint64_t count);
void made_options(struct buf *out);

/*
 * A whole checkpoint: families default and blocks, dropped one "gone" (2), two
 * tables each of which one came by a move, a blob file with garbage, a WAL.
 * MADE_* say what is in it.
 */
void made_checkpoint(struct made_dir *dir);
#define MADE_MANIFEST "MANIFEST-000005"
#define MADE_OPTIONS  "OPTIONS-000007"

#endif
