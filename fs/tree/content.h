/*
 * content: the bytes of a file as extents, in lists of any length.
 *
 * Building: extents are appended in order; short ones stay in the entry, long
 * ones become OBJECT_LIST objects, cut by the ids in them (about 500 extents,
 * at most 2048) so that an edit inside a large file writes one list, under
 * OBJECT_LIST_INDEX objects.  Memory is bounded whatever the length.
 * Reading: a range of bytes, found by one descent through the levels; lists
 * are decoded as they stand, without memory of their own.
 *
 * A builder is one thread's; reads any.
 */
#ifndef VARVE_CONTENT_H
#define VARVE_CONTENT_H

#include "fs/repo/repo.h"
#include "fs/tree/entry.h"

struct content_builder;
struct content_builder *content_builder_new(struct deposit *deposit);
void content_builder_free(struct content_builder *builder);
/* Neighbouring holes become one. */
int content_add(struct content_builder *builder, const struct extent *extent,
		struct err *err);
/* The finished content and its length; the builder is empty again. */
int content_finish(struct content_builder *builder, struct content *ret,
		   uint64_t *ret_len, struct err *err);

/* Where objects come from: a repo, or a deposit that is still writing. */
struct getter {
	struct repo *repo;
	struct deposit *deposit;	/* NULL: from repo */
};
/* As repo_get(), but an object that is missing is -EBADMSG: whoever asks has a
 * reference to it, so the store is damaged.  err->object names what is. */
int getter_get(const struct getter *getter, const struct id *id,
	       struct held *ret, struct err *err);

/* A piece of a file: held bytes, or a hole (held empty, bytes.data NULL). */
struct piece {
	struct held held;
	struct span bytes;	/* part of held's; len is the piece's length */
	bool hole;
};

/*
 * The bytes [offset, offset+len) of content, whose whole length is size, as at
 * most max pieces in order; *ret_count of them.  Fewer bytes than asked for at
 * the end of the file, or where max is reached (ask again).  Release each
 * piece's held.  Chunks are hashed against their ids (repo_get()).
 */
int content_read(const struct getter *getter, const struct content *content,
		 uint64_t size, uint64_t offset, uint64_t len,
		 struct piece *pieces, size_t max, size_t *ret_count,
		 struct err *err);
/* The same into memory; holes are zeros.  *ret_len < len only at the end. */
int content_read_into(const struct getter *getter,
		      const struct content *content, uint64_t size,
		      uint64_t offset, void *out, size_t len,
		      size_t *ret_len, struct err *err);
/* The extent at offset: whole in *ret, and where it begins in *ret_start. */
int content_extent_at(const struct getter *getter,
		      const struct content *content, uint64_t size,
		      uint64_t offset, struct extent *ret,
		      uint64_t *ret_start, struct err *err);
/* First offset >= offset that is data (hole false) or hole (true); holes end
 * at size.  -ENXIO past the end, as lseek(2) has it. */
int content_seek(const struct getter *getter, const struct content *content,
		 uint64_t size, uint64_t offset, bool hole, uint64_t *ret,
		 struct err *err);
/* Each extent in order; the callback's non-zero ends it. */
int content_each(const struct getter *getter, const struct content *content,
		 uint64_t size,
		 int (*each)(void *arg, uint64_t offset,
			     const struct extent *extent, struct err *err),
		 void *arg, struct err *err);
/* Same bytes as far as ids tell (holes against zero chunks are different). */
bool content_equal(const struct content *a, const struct content *b);
/* Bytes that are not holes. */
int content_data_bytes(const struct getter *getter,
		       const struct content *content, uint64_t size,
		       uint64_t *ret, struct err *err);

/* A content as bytes of its own (record.notes, view.glue): an OBJECT_LIST
 * with the length, by id. */
int content_store(struct deposit *deposit, const struct content *content,
		  uint64_t size, struct id *ret, struct err *err);
int content_load(const struct getter *getter, const struct id *id,
		 struct content *ret, uint64_t *ret_size, struct err *err);

#endif
