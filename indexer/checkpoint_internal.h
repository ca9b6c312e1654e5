/*
 * checkpoint_internal: what the parts of the RocksDB reader share.
 *
 * checkpoint.c reads and judges; checkpoint_find.c looks for checkpoints on a
 * disk and in snapshots; checkpoint_known.c compares one with what is stored.
 */
#ifndef VARVE_CHECKPOINT_INTERNAL_H
#define VARVE_CHECKPOINT_INTERNAL_H

#include "indexer/reader.h"

#define ATTR_CHECKPOINT	 "checkpoint"
#define ATTR_CONSISTENCY "consistency"
#define CONSISTENT	 "checkpoint"	/* all of one moment */
#define CRASH_LEVEL	 "crash"	/* files of a database that may be open */

/* members of struct reader */
int checkpoint_parts(const struct input *input, struct parts *parts,
		     struct err *err);
int checkpoint_known(const struct input *input, const char *source,
		     struct snapshot *ret, struct err *err);

/*
 * 1: the directory at path has the files of the tree, no more and no others,
 * each with its size and mtime, and where tree knows it, its inode; 0: it does
 * not, or is gone.
 */
int checkpoint_is_as(const char *path, struct tree *tree, struct err *err);

#endif
