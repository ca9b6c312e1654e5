/*
 * archive_tar: the tar reader's parts among themselves.
 *
 * archive_tar.c walks the stream header by header, archive_member.c makes a
 * member of a header and what was said before it, archive_sparse.c reads maps
 * of holes.  Everything taken from the window goes to the stream's view, as
 * glue or as a member's bytes, in order.
 */
#ifndef VARVE_ARCHIVE_TAR_H
#define VARVE_ARCHIVE_TAR_H

#include "indexer/archive_internal.h"

struct tar {
	struct level *level;
	struct window *window;
	struct run *run;
	struct pax global, local;
	struct buf long_name, long_link;
	bool has_name, has_link;
	const char *refuse;	/* why the next entry must be left out */
	bool seen_pax, seen[DIALECT_STAR + 1];
	bool labelled;		/* the volume's name was told */
	bool over;		/* nothing more is to be read */
};

struct member {
	struct header head;
	struct span path, link;
	struct entry entry;
	struct map map;
	bool sparse;
	uint64_t left;		/* bytes of data still in the stream */
	uint64_t padding;
};

/* bytes, lent by the window, are glue, and taken. */
int tar_take_glue(struct tar *t, struct span bytes);
/* Pass over n bytes; *ret_missing (or NULL): how many were not there. */
int tar_pass_over(struct tar *t, uint64_t n, uint64_t *ret_missing);
const char *tar_why_ended(const struct tar *t);
/* The archive ends where it should not: told, and over. */
int tar_cut_short(struct tar *t, struct span path, const char *where);
/* Find the next header, from skip bytes behind here on (so that a bad one is
 * not found again). */
int tar_resync(struct tar *t, const char *what, size_t skip);
void tar_tell_flaws(struct tar *t, struct pax *pax, struct span path);

/* archive_member.c: block, of which head was parsed, and its data. */
int tar_read_member(struct tar *t, const struct header *head,
		    struct span block);

/*
 * archive_sparse.c: the regions of m, and its real size.  blocks_follow: what
 * header_sparse() said of its header.  -EINVAL, -E2BIG: it makes no sense.
 */
bool tar_is_sparse(const struct tar *t, const struct member *m);
int tar_read_map(struct tar *t, struct member *m, int blocks_follow);

#endif
