/*
 * content_list: how lists of extents and the indexes above them stand in
 * their objects, and a cursor over the extents of a content.
 */
#ifndef VARVE_CONTENT_LIST_H
#define VARVE_CONTENT_LIST_H

#include "fs/tree/content.h"
#include "fs/tree/extent.h"

/*
 * A list, OBJECT_LIST (docs/format.md, "Content lists"):
 *
 *     varint   length in bytes of content
 *     varint   bytes of it that are holes
 *     varint   number of extents
 *     ...      extents
 *
 * An index, OBJECT_LIST_INDEX:
 *
 *     varint   level, from 1
 *     varint   length, varint holes, as above
 *     varint   number of children
 *     each:    varint reference code (OBJECT_LIST at level 1, else
 *              OBJECT_LIST_INDEX), varint length, varint holes
 */
struct list_head {
	unsigned level;		/* 0: OBJECT_LIST */
	uint64_t len, holes;
	uint32_t count;
};

/* *ret_object's body stands at the first extent or child.  Any level. */
int list_parse(struct span bytes, struct object_in *ret_object,
	       struct list_head *ret, struct err *err);

struct list_child {
	struct id id;
	uint64_t len, holes;
};
void list_child_read(struct ref_in *in, unsigned level,
		     struct list_child *ret);

#define LIST_COUNT_MAX 65536u

/* What a cursor may pass over without reading it. */
enum cursor_skip { SKIP_NONE, SKIP_HOLES, SKIP_DATA };

struct cursor_frame {
	struct held held;
	struct object_in object;
	struct ref_in refs;
	uint32_t left;		/* children not yet taken */
	uint64_t at, end;	/* content offset of the next child; of the end */
	uint64_t holes;		/* not yet seen in children */
};

/*
 * Extents of a content in order.  content must outlive the cursor.  Errors are
 * those of getter_get() and -EBADMSG where the parts do not fit together.
 */
struct cursor {
	const struct getter *getter;
	const struct content *content;
	uint64_t size;
	unsigned depth;		/* frames open */
	unsigned next;		/* of inline extents */
	uint64_t at;		/* offset of the next inline extent */
	struct cursor_frame frame[CONTENT_LEVELS + 1];
};
#define OWNED_CURSOR CLEANUP(cursor_release)

/* The next extent will be the one at offset (or the end). */
int cursor_seek(struct cursor *cursor, const struct getter *getter,
		const struct content *content, uint64_t size, uint64_t offset,
		struct err *err);
/* 1 and an extent with its offset; 0 at the end. */
int cursor_next(struct cursor *cursor, enum cursor_skip skip,
		struct extent *ret, uint64_t *ret_offset, struct err *err);
void cursor_release(struct cursor *cursor);

#endif
