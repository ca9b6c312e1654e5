/*
 * view_recipe: how a view's index and the segments of its recipe stand in
 * their objects.
 */
#ifndef VARVE_VIEW_RECIPE_H
#define VARVE_VIEW_RECIPE_H

#include "fs/tree/extent.h"
#include "fs/tree/view.h"

/*
 * The index, OBJECT_VIEW (docs/format.md, "Views"):
 *
 *     varint   1 in the top, 0 in a node under it
 *     top:     varint bytes of the stream, varint bytes of glue,
 *              16 bytes sum128 of the stream, content of the glue
 *     varint   level
 *     varint   number of children
 *     each:    varint reference code (OBJECT_RECIPE at level 0, else
 *              OBJECT_VIEW), varint bytes of the stream, varint bytes of glue,
 *              zigzag base: node position less the base of the child before
 *
 * A segment, OBJECT_RECIPE: runs to its end:
 *
 *     varint   (bytes of the stream << 2) | form
 *     by form:
 *     0 glue
 *     1 a file from its beginning: zigzag node position less that of the run
 *       of a file before (the first: less the base)
 *     2 a file: the same, varint offset in the file
 *     3 a content of its own: content, varint offset in it
 */
#define VIEW_LEVELS 4
#define VIEW_CHILDREN_MAX 512u
#define RUN_MAX (1ull << 60)

struct view_child {
	struct id id;
	uint64_t len, glue;
	uint64_t base;
};

void view_children_write(struct ref_out *out, struct buf *body,
			 unsigned level, const struct view_child *children,
			 uint32_t count);

/* Children with their sums, decoded. */
struct view_node {
	unsigned level;
	uint32_t count;
	struct view_child *children;
	uint64_t *stream_at, *glue_at;	/* count + 1 of each */
};
void view_node_release(struct view_node *node);
/* in stands at the level. */
int view_node_parse(struct ref_in *in, struct view_node *ret,
		    struct err *err);

enum run_form { RUN_GLUE, RUN_FILE, RUN_FILE_AT, RUN_CONTENT };

struct run {
	enum run_form form;	/* RUN_FILE_AT also where offset is 0 */
	uint64_t len;
	uint64_t pos, offset;
	struct content content;
	uint64_t size;		/* of content */
};

/* *last_pos: of the run of a file before; set to this one's. */
void run_write(struct ref_out *out, struct buf *body, const struct run *run,
	       uint64_t *last_pos);
void run_read(struct ref_in *in, struct run *ret, uint64_t *last_pos);

#endif
