/*
 * extent: references, extents and contents as bytes, the way pages, lists and
 * recipes have them in common.
 *
 * A reference is written as 0 where it is the next new one of its object, else
 * as how many it lies back from there; so most cost one byte beside the id
 * in the envelope.  Pure.  docs/format.md, "Content lists".
 */
#ifndef VARVE_EXTENT_H
#define VARVE_EXTENT_H

#include "fs/tree/entry.h"

struct ref_out {
	struct object_out *object;
	uint32_t next;		/* references written so far, each new one once */
};

struct ref_in {
	struct object_in *object;	/* its body is what is read */
	uint32_t next;
};

/*
 * Append the code of a reference to body.  All references of one object must
 * go through here until none follows.
 */
void ref_write(struct ref_out *out, struct buf *body, enum object_type type,
	       const struct id *id);
/* Sets object->body.bad where the code or the type is wrong. */
void ref_read(struct ref_in *in, enum object_type want, struct id *ret);

bool extent_is_valid(const struct extent *extent);
void extent_write(struct ref_out *out, struct buf *body,
		  const struct extent *extent);
/* One extent, at least a byte long; else object->body.bad. */
void extent_read(struct ref_in *in, struct extent *ret);

/* 0, or -EINVAL where content and size do not fit each other. */
int content_check(const struct content *content, uint64_t size,
		  struct err *err);
void content_write(struct ref_out *out, struct buf *body,
		   const struct content *content, uint64_t size);
/* holes is filled in for either form; else object->body.bad. */
void content_parse(struct ref_in *in, struct content *ret,
		   uint64_t *ret_size);

#endif
