/*
 * cutter: a run of bytes cut into chunks, deposited, and listed.
 *
 * Takes a file's bytes in pieces of any size and holes between them; gives the
 * content.  Where chunks end depends on the bytes only, never on the pieces.
 * Of a large file that begins with rows which pack to next to nothing they are
 * longer: an id would cost as much as its bytes.
 * Holds at most twice the largest chunk.  One thread.
 */
#ifndef VARVE_CUTTER_H
#define VARVE_CUTTER_H

#include "indexer/chunker.h"
#include "indexer/likes.h"

struct cutter {
	struct deposit *deposit;
	const struct chunker *chunker;
	struct chunker_sizes sizes;
	enum chunk_class class;
	bool judging;		/* its first bytes may still say other sizes */
	struct content_builder *list;
	struct buf held;	/* bytes not yet cut */
	uint64_t offset;	/* bytes and holes taken so far */
	uint64_t at;		/* of the chunk that is cut next */
	struct likes likes;	/* find and arg may be set */
};

#define OWNED_CUTTER CLEANUP(cutter_release)

int cutter_init(struct cutter *cutter, struct deposit *deposit,
		const struct chunker *chunker, struct err *err);
void cutter_release(struct cutter *cutter);

/* Begin a file of about size bytes (UINT64_MAX: not known); what was begun
 * before and not finished is dropped. */
int cutter_begin(struct cutter *cutter, uint64_t size, struct err *err);
/* The file begun never changes once it stands: if it is large, its chunks are
 * longer, in larger blocks, and compressed harder. */
void cutter_seal(struct cutter *cutter);
int cutter_add(struct cutter *cutter, struct span bytes, struct err *err);
int cutter_hole(struct cutter *cutter, uint64_t len, struct err *err);
/* Bytes that are a content of their own already, size of them; the chunk before
 * them ends.  Nothing of them is read. */
int cutter_join(struct cutter *cutter, const struct content *content,
		uint64_t size, struct err *err);
int cutter_finish(struct cutter *cutter, struct content *ret,
		  uint64_t *ret_len, struct err *err);

#endif
