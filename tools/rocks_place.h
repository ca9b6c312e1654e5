/*
 * rocks_place: where a RocksDB directory lies: on a disk, or in a snapshot.
 *
 * Gives rocks_open() its files from either.  Reads only, follows symbolic
 * links on a disk and none in a snapshot.  One thread.
 */
#ifndef VARVE_ROCKS_PLACE_H
#define VARVE_ROCKS_PLACE_H

#include "indexer/rocks_tree.h"
#include "tools/target.h"

struct tool;

struct rocks_place {
	struct rocks_source source;
	char *name;		/* of the directory itself */
	int fd;			/* on a disk; or -1 */
	int open_fd;		/* of the last file read on a disk; or -1 */
	char *open_name;
	struct repo *repo;	/* in a snapshot; or NULL */
	struct target target;
	struct rocks_tree tree;
};

#define ROCKS_PLACE_INIT { .fd = -1, .open_fd = -1, .target = TARGET_INIT, \
			   .tree = ROCKS_TREE_INIT }
#define OWNED_ROCKS_PLACE CLEANUP(rocks_place_close)

/*
 * text is a directory's path where that is there or begins with '/' or '.',
 * else SNAPSHOT[:PATH] of the tool's store.  *ret does not move while it is
 * open, and is closed also after a failure.
 */
int rocks_place_open(const struct tool *tool, const char *text,
		     struct rocks_place *ret, struct err *err);
void rocks_place_close(struct rocks_place *place);

#endif
