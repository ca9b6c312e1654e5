/*
 * push_pvc_expect: what a tree reads like in a pod, and what is there.
 *
 * Each entry of the snapshot, and the digest of each of its files, is a fact; so
 * is each that the far side reads back (far_read_back).  Facts are kept as sums of
 * 8 bytes in order, so that they may come in any order and need no memory to
 * speak of, and what is there but should not be is named.
 *
 * Of the far side, NUL-ended fields:
 *
 *     E<type> <mode> <uid> <gid> <size> <mtime> <names>, path, link target
 *     D<major> <minor> (hex), path               devices
 *     H                                          from here on:
 *     <sha256>  <path>                           files
 *
 * One thread.
 */
#ifndef VARVE_PUSH_PVC_EXPECT_H
#define VARVE_PUSH_PVC_EXPECT_H

#include "fs/out/restore.h"
#include "fs/tree/tree.h"

struct expect {
	uint64_t *facts;
	size_t count, room;
	uint8_t *seen;			/* a bit each */
	size_t met;
	bool part;			/* names outside it are not counted */
	/* how far the reading has come */
	struct buf field[3];
	unsigned at;
	bool sums;
	char first[256];		/* what is there and should not be */
	uint64_t strange;
};
#define EXPECT_INIT { .facts = NULL }
void expect_release(struct expect *expect);
#define OWNED_EXPECT CLEANUP(expect_release)

/* Of node (of tree), given to owner (or NULL), but for lost+found at its top
 * where skip_lost. */
int expect_make(struct tree *tree, const struct node *node,
		const struct restore_owner *owner, bool skip_lost,
		volatile int *stop, struct expect *ret, struct err *err);
/* What the far side says, as it comes: far_read(). */
int expect_take(void *arg, struct span printed, struct err *err);
/* -EIO: it is not that tree, and what differs first. */
int expect_end(const struct expect *expect, struct err *err);

#endif
