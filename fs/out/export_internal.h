/*
 * export_internal: what the files of export share.
 */
#ifndef VARVE_EXPORT_INTERNAL_H
#define VARVE_EXPORT_INTERNAL_H

#include "fs/out/export.h"
#include "fs/out/pax_write.h"

#define EXPORT_PIECES 64
#define EXPORT_READ (4u << 20)		/* bytes asked of a content at once */
#define EXPORT_BUFFER (256u << 10)	/* gathered before they go out */
#define EXPORT_REGIONS (1u << 20)	/* of a sparse file, in its map */

struct first_seen {		/* of a hard link group */
	uint64_t inode, pos;	/* pos 0: slot is free */
};

struct exporter {
	struct tree *tree;
	struct getter getter;
	const struct export_options *options;
	struct export_report *report;
	uint64_t top;			/* position */
	struct deflate *gzip;
	struct zstd_stream *zstd;
	struct buf waiting;		/* for more, before they go out */
	uint64_t written;		/* bytes of the archive */
	uint64_t member_end;		/* of which the present member takes */
	bool lost;			/* what takes them takes no more */
	struct buf path, link, records;	/* of the present member */
	struct first_seen *firsts;
	size_t first_slots, first_count;
};

/* export.c: bytes of the archive, on their way out. */
int export_put(struct exporter *x, struct span bytes, struct err *err);
int export_zeros(struct exporter *x, uint64_t len, struct err *err);
int export_stopped(const struct exporter *x, struct err *err);
/* The headers of member with x->records. */
int export_header(struct exporter *x, const struct pax_member *member,
		  struct err *err);

/* export_file.c: a file's headers and bytes; member is all but size. */
int export_file(struct exporter *x, const struct entry *entry,
		struct pax_member *member, struct err *err);

/* export_meta.c: records of what ustar knows nothing of, into x->records. */
int export_meta(struct exporter *x, const struct entry *entry,
		struct err *err);
/* The kernel's form of an ACL as "user::rwx,user:1000:r--,..."; -EINVAL where
 * it is none.  Owners by number. */
int acl_text(struct span value, struct buf *out);
/* Flags of chattr as star and bsdtar name them, with commas between. */
void flags_text(uint32_t flags, struct buf *out);

#endif
