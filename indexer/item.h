/*
 * item: an entry as it came from a reader, in bytes, on its way through the
 * sorters of ingest.
 *
 * These bytes never outlive one ingest, so they have no version; they are
 * parsed with every bound checked all the same, since they may have been to a
 * temporary file.  The content comes last: it is known when the rest was
 * written long ago.
 */
#ifndef VARVE_ITEM_H
#define VARVE_ITEM_H

#include "fs/base/sorter.h"
#include "fs/tree/builder.h"

enum item_kind {
	ITEM_ENTRY = 1,
	ITEM_LINK,		/* a further name of an earlier path */
	ITEM_QUERY,		/* what is at this path when a link asks? */
};

struct item {
	enum item_kind kind;
	uint64_t group;		/* names of one file; 0: none */
	bool has_origin;
	uint8_t origin[ORIGIN_WIDTH];
	struct span target;	/* ITEM_LINK: as a key (see settle.h) */
	struct entry entry;	/* ITEM_ENTRY; spans borrowed, name empty */
	struct xattr *xattrs;	/* owned; entry.xattrs points to it */
	uint32_t xattr_room;
};
#define ITEM_INIT { .kind = 0 }
#define OWNED_ITEM CLEANUP(item_release)
void item_release(struct item *item);

/* All but the content and size; item_write_end() must follow for ITEM_ENTRY. */
void item_write_begin(const struct item *item, struct buf *out);
void item_write_end(const struct content *content, uint64_t size,
		    struct buf *out);
/* Spans borrow from bytes.  ret may have been parsed into before. */
int item_parse(struct span bytes, struct item *ret, struct err *err);

void item_write_content(const struct content *content, struct buf *out);
void item_parse_content(struct bytes *in, struct content *ret);

#endif
