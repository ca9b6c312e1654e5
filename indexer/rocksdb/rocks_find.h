/*
 * rocks_find: which directories of a tree are RocksDB's, by names alone.
 *
 * Whoever walks a tree tells of each directory that it enters, of the names in
 * it, and that it leaves it; on a disk or in a snapshot, in any order.  Gives
 * the checkpoints and databases among them, in the order of their databases and
 * numbers.  Opens nothing, and does not judge: rocks_open() does.
 *
 * A directory is known by its files.  It is a checkpoint of a database where its
 * name is a number and it lies in a directory that is called after checkpoints
 * ("checkpoints", "rocksdbdata_checkpoint"); a number with ".tmp" behind it is
 * one on its way.  One thread.
 */
#ifndef VARVE_ROCKS_FIND_H
#define VARVE_ROCKS_FIND_H

#include "fs/base/buf.h"
#include "fs/base/stamp.h"

#define ROCKS_FIND_DEPTH 64	/* directories below the top */
#define ROCKS_FIND_MAX	 10000u	/* that are found */

/* What names have been seen in one directory. */
struct rocks_marks {
	bool current, manifest, options, table, leveldb, lock;
};
void rocks_marks_take(struct rocks_marks *marks, const char *name);
/* One whose files are not all there: what rocks_open() does not refuse. */
static inline bool rocks_marks_any(const struct rocks_marks *marks)
{
	return marks->current || marks->manifest || marks->table;
}
/* Surely one, and not one of LevelDB, which has much of it in common. */
bool rocks_marks_sure(const struct rocks_marks *marks);

/* A table or blob file, which RocksDB never changes once it is written. */
bool rocks_is_sealed(const char *name);
/* A checkpoint's name, as concord gives it: a decimal number without leading
 * zeros, with ".tmp" behind it while it is unfinished. */
bool rocks_number(struct span name, uint64_t *ret, bool *ret_unfinished);
/* Is a directory of that name one in which checkpoints lie? */
bool rocks_holds_checkpoints(struct span name);

/*
 * How many checkpoints there are among files whose paths come in the order of a
 * walk: in a numbered directory, or in any below the top that has a checkpoint's
 * files and no LOCK.  No more than a count: of a tar in an odd order one may be
 * counted twice.
 */
struct rocks_tally {
	uint64_t count;
	struct buf dir;		/* the one at hand */
	struct rocks_tally_level {	/* it, and those that it lies in */
		size_t len;	/* of dir */
		struct rocks_marks marks;
	} level[ROCKS_FIND_DEPTH];
	unsigned depth;
};
void rocks_tally_take(struct rocks_tally *tally, struct span path);
/* The last path was taken. */
void rocks_tally_end(struct rocks_tally *tally);
void rocks_tally_release(struct rocks_tally *tally);

struct rocks_found {
	char *path;		/* below the top; "" the top itself */
	char *database;		/* whose it is, below the top; "" the top, or
				 * one above it */
	bool numbered, unfinished;
	uint64_t number;
	bool opened;		/* somebody has had it open: a LOCK is there */
	bool emptied;		/* its name is all that tells of it */
	bool has_checkpoints;	/* a database, and they are found as well */
	struct stamp mtime;
};

struct rocks_finder {
	struct rocks_found *found;
	size_t count;

	/* the walk */
	size_t room;
	struct buf path;
	unsigned depth;		/* of the directory in hand, 1 for the top */
	struct rocks_finder_level {
		struct rocks_marks marks;
		struct stamp mtime;
		size_t path_len;
	} level[ROCKS_FIND_DEPTH + 2];
	char *above[2];		/* names of the top and of what it lies in */
};

/* top: the path of the top, as far as it is known: "" where it has no name. */
int rocks_finder_init(struct rocks_finder *finder, const char *top,
		      struct err *err);
void rocks_finder_release(struct rocks_finder *finder);
#define OWNED_ROCKS_FINDER CLEANUP(rocks_finder_release)

/* name: "" for the top.  1: entered; 0: it lies too deep to be looked into. */
int rocks_finder_enter(struct rocks_finder *finder, const char *name,
		       struct stamp mtime, struct err *err);
void rocks_finder_file(struct rocks_finder *finder, const char *name);
int rocks_finder_leave(struct rocks_finder *finder, struct err *err);
/* All was told: sorts, and settles what is a checkpoint by its neighbours. */
void rocks_finder_finish(struct rocks_finder *finder);

#endif
