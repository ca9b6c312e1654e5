/*
 * posmap: fixed-size values by node position, sorted, in pages.  For hard
 * links (width 16: position of the group's first name u64, nlink u64) and for
 * origins (width 40: device u64, inode u64, ctime s i64, ctime ns u32, mtime ns
 * u32, size u64: see indexer/dir_internal.h).
 *
 * Pages are cut by a hash of the values, and hold positions relative to their
 * first; so where a later snapshot has a few nodes more, only the pages they
 * fall in and the index are new.
 *
 * A builder and a cursor are one thread's each; the rest is any thread's.
 */
#ifndef VARVE_POSMAP_H
#define VARVE_POSMAP_H

#include "fs/tree/content.h"

#define LINKS_WIDTH 16
#define ORIGIN_WIDTH 40
#define POSMAP_WIDTH_MAX 256

struct posmap_builder;
struct posmap_builder *posmap_builder_new(struct deposit *deposit,
					  uint32_t width);
void posmap_builder_free(struct posmap_builder *builder);
/* Pages are compressed against those of this map (none: not).  A help: nothing
 * fails for it.  Before the first is added. */
void posmap_former(struct posmap_builder *builder, const struct getter *getter,
		   const struct id *map);
/* Positions strictly rising, -EINVAL otherwise. value is width bytes. */
int posmap_add(struct posmap_builder *builder, uint64_t pos,
	       const void *value, struct err *err);
/* None where nothing was added.  The builder is empty again. */
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

/*
 * Many lookups at rising positions: one pass over the pages that are met,
 * whatever lies between.  (A lookup further back is right too, and costs a new
 * descent.)
 */
struct posmap_cursor;
/* NULL: out of memory. */
struct posmap_cursor *posmap_cursor_new(const struct getter *getter,
					const struct id *map, uint32_t width);
void posmap_cursor_free(struct posmap_cursor *cursor);
/* The pages in which positions from..to are, at most max; 0 also where the map
 * cannot be read. */
size_t posmap_cursor_pages(struct posmap_cursor *cursor, uint64_t from,
			   uint64_t to, struct id *ret, size_t max);
/* As posmap_get(). */
int posmap_cursor_get(struct posmap_cursor *cursor, uint64_t pos, void *out,
		      struct err *err);
/* The first pair at or behind pos: 1, its position and its value (borrowed until the
 * next call); 0 where there is none. */
int posmap_cursor_next(struct posmap_cursor *cursor, uint64_t pos,
		       uint64_t *ret_pos, const void **ret_value,
		       struct err *err);

#endif
