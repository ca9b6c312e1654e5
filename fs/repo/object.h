/*
 * object: the envelope of every metadata object.
 *
 *     u8 type | varint n | n types (u8) | n ids | body
 *
 * The ids an object refers to stand apart from its body, which names them by
 * index.  So whoever walks what is alive (check, prune, copy) needs no
 * knowledge of trees, lists or kinds.  An id is listed once.
 *
 * Pure.  docs/format.md, "Objects".
 */
#ifndef VARVE_OBJECT_H
#define VARVE_OBJECT_H

#include "fs/base/id.h"

#define OBJECT_MAX (4u << 20)		/* bytes of a metadata object */
#define OBJECT_REFS_MAX 100000u
#define CHUNK_MAX (4u << 20)		/* bytes of a chunk */

enum object_type {
	OBJECT_CHUNK = 1,	/* plain bytes, no envelope: only as a ref */
	OBJECT_ROOT,		/* the root directory's own entry */
	OBJECT_PAGE,		/* sorted entries of a directory */
	OBJECT_INDEX,		/* pages or indexes of a directory */
	OBJECT_LIST,		/* extents of a content */
	OBJECT_LIST_INDEX,	/* lists of a content */
	OBJECT_POSMAP,		/* values by node position */
	OBJECT_POSMAP_INDEX,
	OBJECT_VIEW,		/* index of an original stream's recipe */
	OBJECT_RECIPE,		/* one segment of a recipe */
	OBJECT_ROWS,		/* a kind's rows (later) */
	OBJECT_TYPE_END,
};

struct object_out {
	enum object_type type;
	struct buf body;
	struct buf types, ids;	/* what was referred to */
	uint32_t count;
	uint32_t *table;	/* open hash of ids to index; owned */
	uint32_t slots;
};

#define OBJECT_OUT_INIT { .body = BUF_INIT, .types = BUF_INIT, .ids = BUF_INIT }

void object_begin(struct object_out *out, enum object_type type);
/* The index that body writes for this reference (same id: same index). */
uint32_t object_ref(struct object_out *out, enum object_type type,
		    const struct id *id);
/* Bytes the finished object would have now. */
size_t object_size(const struct object_out *out);
int object_finish(struct object_out *out, struct buf *bytes,
		  struct err *err);
void object_out_release(struct object_out *out);

struct object_in {
	enum object_type type;
	uint32_t count;
	const uint8_t *types;	/* borrowed from the bytes */
	const uint8_t *ids;
	struct bytes body;
};

/* -EBADMSG.  Every type of a reference is checked to be a known one. */
int object_parse(struct span bytes, struct object_in *ret, struct err *err);
/* Reference number index, which must have one of the wanted types; else
 * sets in->body.bad and *ret to none. */
void object_get_ref(struct object_in *in, uint64_t index,
		    enum object_type want, struct id *ret);
/* As above, any type; the type in *ret_type. */
void object_get_any(struct object_in *in, uint64_t index,
		    enum object_type *ret_type, struct id *ret);

#endif
