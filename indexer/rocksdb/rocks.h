/*
 * rocks: a RocksDB database or checkpoint, read and judged.
 *
 * Takes the files of one directory through a rocks_source, so they may lie on
 * a disk, in a snapshot or in memory.  Gives what CURRENT, the MANIFEST, the
 * OPTIONS, the tables and the blob files say, and whether all that the MANIFEST
 * names is there.  Hides RocksDB's formats: log blocks, version edits, blocks,
 * footers, properties (facebook/rocksdb: db/log_format.h, db/version_edit.cc,
 * table/format.cc, db/blob/blob_log_format.h).  Does not know where the files
 * lie, writes nothing, and never opens a database.
 *
 * Every size that a file claims is bounded before memory is taken for it.  One
 * thread for each struct rocks; as many of these as one likes.
 */
#ifndef VARVE_ROCKS_H
#define VARVE_ROCKS_H

#include "fs/base/buf.h"

#define ROCKS_DIR_FILES_MAX 4000000u	/* names in the directory */
#define ROCKS_LIVE_MAX	    4000000u	/* tables, and blob files */
#define ROCKS_FAMILIES_MAX  100000u
#define ROCKS_WALS_MAX	    10000u
#define ROCKS_MEMORY_MAX    (1u << 30)	/* keys and names together */
#define ROCKS_RECORD_MAX    (256u << 20)	/* one version edit */
#define ROCKS_FINDINGS_MAX  10000u	/* that are kept; all are counted */
#define ROCKS_NAME_MAX	    255

/*
 * Where the files come from.  list() tells every name in the directory, with
 * the size of what is a file (dir false), in any order, and ends with what each
 * returned where that is not 0.  read() gives bytes of a file from offset on:
 * *ret_len of them, fewer than len only at its end.  Both return 0 or a
 * negative errno, with -EBADMSG where the place they lie in is damaged.
 */
struct rocks_source {
	int (*list)(void *arg,
		    int (*each)(void *each_arg, const char *name, bool dir,
				uint64_t size, struct err *err),
		    void *each_arg, struct err *err);
	int (*read)(void *arg, const char *name, uint64_t offset, void *out,
		    size_t len, size_t *ret_len, struct err *err);
	void *arg;
};

enum rocks_weight {
	ROCKS_NOTE = 1,		/* worth knowing, and nothing is lost by it */
	ROCKS_INCOMPLETE,	/* missing, cut short, or unfinished */
	ROCKS_DAMAGED,		/* there, but its bytes are not right */
};

/* What is the matter with one file. */
struct rocks_finding {
	enum rocks_weight weight;
	char file[ROCKS_NAME_MAX + 1];	/* "" for the directory */
	char *text;		/* without the file's name */
	bool has_sizes;
	uint64_t want, found;	/* bytes; found is 0 where it is missing */
	bool has_offset;
	uint64_t offset;	/* where in the file */
};

/* A key as the MANIFEST has it; bytes are the user's. */
struct rocks_key {
	struct span user;
	uint64_t seq;
	uint8_t type;
};

/* What a table's properties say; all 0 where it could not be read. */
struct rocks_table {
	bool known;
	uint32_t format_version;
	uint8_t checksum;	/* 0 none, 1 CRC-32C, 2 and 3 xxHash, 4 XXH3 */
	uint64_t entries, deletions, merges, range_deletions;
	uint64_t raw_key_bytes, raw_value_bytes;
	uint64_t data_bytes, index_bytes, filter_bytes, data_blocks;
	uint64_t creation_time;	/* of the oldest data, in seconds; 0 unknown */
	uint64_t file_time;	/* of the file, in seconds; 0 unknown */
	uint64_t original_number;	/* 0 unknown */
	struct span compression, comparator, family, db_id;
};

struct rocks_file {		/* a table of the live set */
	uint64_t number, size;
	uint32_t family, level;
	uint32_t path;		/* index of db_paths; 0: the directory itself */
	struct rocks_key smallest, largest;
	uint64_t smallest_seq, largest_seq;
	uint64_t oldest_blob;	/* 0: it refers to none */
	uint64_t epoch;
	struct span checksum, checksum_name;
	struct rocks_table table;
};

struct rocks_blob {
	uint64_t number;
	uint32_t family;
	uint64_t count, bytes;	/* blobs, and their bytes on disk */
	uint64_t garbage_count, garbage_bytes;
	uint64_t size;		/* of the file, as it must be */
	bool linked;		/* a table has it as its oldest one */
};

struct rocks_family {
	uint32_t id;
	struct span name, comparator;
	uint64_t log_number;	/* older WALs have nothing of it */
	bool has_options;	/* a section of OPTIONS is about it */
	bool dropped;		/* only while the MANIFEST is read */
	uint64_t oldest_blob;	/* that a table of it refers to; 0: none */
};

struct rocks_wal {
	uint64_t number, size;
	bool there, needed;	/* needed: the MANIFEST tracks it */
	uint64_t synced;	/* bytes at least, where it is tracked */
	uint64_t records;	/* with ROCKS_READ_DATA */
};

#define ROCKS_READ_DATA 1u	/* read and check every block of every file */

struct rocks {
	char manifest[ROCKS_NAME_MAX + 1], options[ROCKS_NAME_MAX + 1];
	uint64_t manifest_size, edits;
	struct span db_id;	/* or empty */
	const char *db_id_from;	/* "MANIFEST", "IDENTITY", "tables"; or NULL */
	struct span version;	/* RocksDB's, of OPTIONS; or empty */
	uint64_t next_file, last_sequence, min_log, max_family;
	bool has_manifest;	/* all of it was read: the lists below are so */

	struct rocks_family *families;	/* by id */
	struct rocks_file *files;	/* by family, level, then key or age */
	struct rocks_blob *blobs;	/* by number */
	struct rocks_wal *wals;		/* by number */
	size_t family_count, file_count, blob_count, wal_count;

	struct rocks_finding *findings;
	size_t finding_count;	/* at most ROCKS_FINDINGS_MAX */
	uint64_t incomplete, damaged, notes;	/* how many there were */
	struct rocks_own *own;	/* memory, and what is going on */
};

/*
 * Read the directory.  name is what it is called (a name that ends in ".tmp"
 * is an unfinished checkpoint).  What is wrong with the files are findings, and
 * 0 is returned; -ENODATA where this is no RocksDB directory at all,
 * -ESTALE where a file became shorter meanwhile, -EFBIG beyond the limits above,
 * -ENOMEM, and whatever the source fails with.
 */
int rocks_open(const struct rocks_source *source, const char *name,
	       unsigned flags, struct rocks **ret, struct err *err);
void rocks_free(struct rocks *rocks);
void rocks_free_ptr(struct rocks **rocks);
#define OWNED_ROCKS CLEANUP(rocks_free_ptr)

static inline bool rocks_is_complete(const struct rocks *rocks)
{
	return rocks->incomplete == 0 && rocks->damaged == 0;
}

/* By id; NULL where there is none. */
const struct rocks_family *rocks_family(const struct rocks *rocks,
					uint32_t id);

/* A key as RocksDB's own tools write the bytes: printable ASCII as it is, '\'
 * doubled, all others as \xHH. */
void rocks_key_text(struct span key, struct buf *out);

#endif
