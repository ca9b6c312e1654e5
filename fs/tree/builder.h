/*
 * builder: trees from entries that come sorted.
 *
 * Entries are given in pre-order, names sorted by bytes within each
 * directory: begin the root, then add non-directories and enter/leave
 * directories.  Positions are drawn in that order, the root's is 0.
 * Pages are cut by a hash of the names (about 64 KiB, 16 to 128), so that one
 * change in a huge directory writes one page and its index nodes.  Equal
 * directories give equal ids whatever stands around them.  Memory: the open
 * directories only.
 *
 * After a failure other than -EINVAL, -ENAMETOOLONG the builder is of no
 * more use.  One thread.
 */
#ifndef VARVE_BUILDER_H
#define VARVE_BUILDER_H

#include "fs/tree/content.h"
#include "fs/tree/posmap.h"

struct builder;
struct builder *builder_new(struct deposit *deposit);
void builder_free(struct builder *builder);

/* Pages are compressed against those of this tree's directories of the same
 * paths.  A help: nothing fails for it.  Before builder_begin(); it stays open
 * until builder_free(). */
struct tree;
void builder_former(struct builder *builder, struct tree *former);
/* The root directory's own attributes (name empty). */
int builder_begin(struct builder *builder, const struct entry *root,
		  struct err *err);
/* Any entry but a directory; its position in *ret_pos. */
int builder_add(struct builder *builder, const struct entry *entry,
		uint64_t *ret_pos, struct err *err);
/* A directory with its attributes; below, dirs_below, tree are worked out.
 * -ENAMETOOLONG at DEPTH_MAX. */
int builder_enter(struct builder *builder, const struct entry *dir,
		  uint64_t *ret_pos, struct err *err);
int builder_leave(struct builder *builder, struct err *err);
/* After everything was left: the root object's id and the number of nodes. */
int builder_finish(struct builder *builder, struct id *ret_root,
		   uint64_t *ret_nodes, struct err *err);
/* What is told of the root, after that and before the next builder_begin(). */
void builder_top(const struct builder *builder, struct record_top *ret);

#endif
