/*
 * columns: text of rows and columns put in an order that compresses.
 *
 * The rows of a table's dump, of a CSV file or a log have their columns apart
 * here, each one by itself: one that never changes is kept once, numbers, dates
 * and times are kept as numbers or as steps between them.  What does not fit a
 * column's form stays text beside it, and what is no row stays as it is, so any
 * bytes come back exactly.
 *
 * Pure: bytes in, bytes out; any thread.  docs/format.md, "Columns".
 */
#ifndef VARVE_COLUMNS_H
#define VARVE_COLUMNS_H

#include "fs/base/buf.h"

#define COLUMNS_PLAIN_MAX (16u << 20)	/* as BLOCK_PLAIN_MAX */

/*
 * The byte that parts the columns, if plain looks like rows a little behind its
 * beginning; 0: it does not, or is over COLUMNS_PLAIN_MAX.  Cheap: a few
 * KiB are looked at.
 */
uint8_t columns_detect(struct span plain);
/* They shrink so much that a block may hold many of them and is had quickly all
 * the same; judged by the first 16 KiB. */
bool columns_are_dense(struct span plain);
/* plain (that columns_detect() answered for) put in order, appended to out.  1;
 * 0 where too little of it is rows, out is as it was; -ENOMEM. */
int columns_pack(struct span plain, uint8_t separator, struct buf *out,
	      struct err *err);
/* Exactly plain_len bytes into plain (caller's memory).  -EBADMSG where packed
 * is damaged or gives another length; -ENOMEM. */
int columns_unpack(struct span packed, uint8_t *plain, size_t plain_len,
		struct err *err);

#endif
