/*
 * mark: what some snapshots reach, as bits over the rows of a frozen catalog.
 *
 * One bit an object, however many snapshots; each metadata object is read
 * once.  Of several copies of an object one is marked, which was read and
 * proved first; so whatever is not marked can go.  Objects the frozen catalog
 * does not have (added since) are followed and need no mark.
 *
 * One thread.
 */
#ifndef VARVE_MARK_H
#define VARVE_MARK_H

#include "fs/repo/id_set.h"
#include "fs/repo/repo_internal.h"

#define MARK_BATCH (256u << 10)	/* ids of chunks gathered before lookup */

struct mark {
	struct repo *repo;
	struct catalog *frozen;	/* owned */
	struct bits rows;
	struct bits bases;	/* metadata that is kept for its bytes: not followed */
	struct bits snapshots;	/* numbers that are marked */
	struct bits gone;	/* packs removed since: no copy lies there */
	struct id_set fresh;
	struct id *stack;	/* metadata to visit */
	size_t depth, stack_cap;
	struct id *batch;	/* chunks to mark */
	size_t batch_count;
	uint64_t missing;	/* chunks that are nowhere */
};

/* frozen is the mark's from here on, also on failure. */
int mark_init(struct mark *mark, struct repo *repo, struct catalog *frozen,
	      struct err *err);
void mark_release(struct mark *mark);
/* Everything the snapshot of record reaches.  -EBADMSG, -ENOENT, -EIO: some of
 * its metadata cannot be read, and what it needs is not known. */
int mark_snapshot(struct mark *mark, const struct record *record,
		  struct err *err);
/*
 * An object as alive for itself, such as one that others lean on.  What metadata
 * refers to is not: a snapshot that comes to be marked later may still need
 * that followed.
 */
int mark_chunk(struct mark *mark, const struct id *id, struct err *err);
int mark_flush(struct mark *mark, struct err *err);

static inline bool mark_has(const struct mark *mark, uint64_t row)
{
	return bits_has(&mark->rows, row) || bits_has(&mark->bases, row);
}

#endif
