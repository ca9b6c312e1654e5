/*
 * view: the original stream of a snapshot, as glue and a recipe.
 *
 * The stream is cut into runs: bytes of the glue (headers, padding, members
 * that are in no file) and ranges of files, named by node position, or by a
 * content of their own where the member was replaced or refused.  The recipe
 * is cut into segments of about 16 KiB, each relative to the places its index
 * tells (offset in the stream, in the glue, node position): any offset of the
 * stream is found by halving, and runs that come again in a later snapshot are
 * the same segments.
 *
 * A builder is one thread's.
 */
#ifndef VARVE_VIEW_H
#define VARVE_VIEW_H

#include "fs/tree/tree.h"

struct view_builder;
struct view_builder *view_builder_new(struct deposit *deposit);
void view_builder_free(struct view_builder *builder);
/* In stream order.  Runs that continue the one before become one with it. */
int view_add_glue(struct view_builder *builder, uint64_t len,
		  struct err *err);
int view_add_node(struct view_builder *builder, uint64_t pos,
		  uint64_t offset, uint64_t len, struct err *err);
int view_add_content(struct view_builder *builder,
		     const struct content *content, uint64_t size,
		     uint64_t offset, uint64_t len, struct err *err);
/* glue: the glue bytes as a content, as long as what was told (-EINVAL).
 * sum: sum128 of the whole stream, or zeros: not known. */
int view_finish(struct view_builder *builder, const struct content *glue,
		uint64_t glue_len, const uint8_t sum[16], struct id *ret,
		struct err *err);

struct view;
/* -ENOENT where the snapshot has none. */
int view_open(struct tree *tree, struct view **ret, struct err *err);
void view_close(struct view *view);
uint64_t view_size(const struct view *view);
const uint8_t *view_sum(const struct view *view);
/* Any thread.  *ret_len < len only at the end.  -EBADMSG where the recipe names
 * what is not in the tree. */
int view_read(struct view *view, uint64_t offset, void *out, size_t len,
	      size_t *ret_len, struct err *err);

#endif
