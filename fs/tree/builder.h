/*
 * builder: trees from entries that come sorted.
 *
 * Entries are given in pre-order, names sorted by bytes within each
 * directory: begin the root, then add non-directories and enter/leave
 * directories.  Positions are drawn in that order, the root's is 0.  Pages are cut by a hash
 * of the names (about 64 KiB, 16 to 128), so that one change in a huge
 * directory writes one page and its index nodes.  Memory: the open
 * directories only.
 */
#ifndef VARVE_BUILDER_H
#define VARVE_BUILDER_H

#include "fs/tree/content.h"

struct builder;
struct builder *builder_new(struct deposit *deposit);
void builder_free(struct builder *builder);

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

/*
 * posmap: fixed-size values by node position, sorted, in pages.  For hard
 * links (width 16: position of the group's first name u64, nlink u64) and for
 * origins (width 40: device u64, inode u64, ctime s i64, ctime ns u32, size
 * low u32, mtime ns + pad u64: see indexer/dir.c).
 */
struct posmap_builder;
struct posmap_builder *posmap_builder_new(struct deposit *deposit,
					  uint32_t width);
void posmap_builder_free(struct posmap_builder *builder);
/* Positions strictly rising. value is width bytes. */
int posmap_add(struct posmap_builder *builder, uint64_t pos,
	       const void *value, struct err *err);
/* None where nothing was added. */
int posmap_finish(struct posmap_builder *builder, struct id *ret,
		  struct err *err);

/* Look pos up: width bytes into out; -ENOENT.  map none: -ENOENT. */
int posmap_get(const struct getter *getter, const struct id *map,
	       uint32_t width, uint64_t pos, void *out, struct err *err);
/* Every pair with from <= pos < to, in order. */
int posmap_range(const struct getter *getter, const struct id *map,
		 uint32_t width, uint64_t from, uint64_t to,
		 int (*each)(void *arg, uint64_t pos, const void *value,
			     struct err *err),
		 void *arg, struct err *err);

#define LINKS_WIDTH 16
#define ORIGIN_WIDTH 40

#endif
