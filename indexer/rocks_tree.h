/*
 * rocks_tree: the files of a RocksDB directory in a snapshot, for rocks_open().
 *
 * The snapshot may be one that is not committed yet.  Follows no links.  One
 * thread.
 */
#ifndef VARVE_ROCKS_TREE_H
#define VARVE_ROCKS_TREE_H

#include "fs/tree/tree.h"
#include "indexer/rocksdb/rocks.h"

struct rocks_tree {
	struct rocks_source source;
	struct tree *tree;
	struct node dir;
	struct node file;	/* that was read last */
};

#define ROCKS_TREE_INIT { .dir = NODE_INIT, .file = NODE_INIT }
#define OWNED_ROCKS_TREE CLEANUP(rocks_tree_release)

/* dir is a directory of tree, which stays open.  *ret must not move. */
void rocks_tree_init(struct rocks_tree *ret, struct tree *tree,
		     const struct node *dir);
void rocks_tree_release(struct rocks_tree *place);

#endif
