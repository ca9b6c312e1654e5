/*
 * pax_write: members of a tar archive as bytes (POSIX 1003.1, pax format).
 *
 * What a ustar header has room for stands there; what it has not stands in an
 * extended header before it, and in the ustar header as near as it can be, for
 * those who read no extended ones: numbers in base 256, names cut off.  Names
 * and values are the bytes they are: no character set is named, as GNU tar
 * knows none but its own.
 *
 * Pure, and the same for the same.  Knows no tree.
 */
#ifndef VARVE_PAX_WRITE_H
#define VARVE_PAX_WRITE_H

#include "fs/base/stamp.h"

#define PAX_BLOCK 512
/* What an archive's length is a multiple of, as tar has it. */
#define PAX_ARCHIVE_BLOCK (20 * PAX_BLOCK)

enum pax_type {
	PAX_FILE = '0', PAX_LINK = '1', PAX_SYMLINK = '2', PAX_CHAR = '3',
	PAX_BLOCK_DEVICE = '4', PAX_DIR = '5', PAX_FIFO = '6',
};

struct pax_member {
	enum pax_type type;
	struct span path;	/* as it stands in the archive */
	struct span link;	/* of links of either kind */
	unsigned mode;		/* 07777 */
	uint32_t uid, gid;
	struct span uname, gname;
	struct stamp mtime;
	uint64_t size;		/* bytes that follow, without padding */
	uint32_t dev_major, dev_minor;
	bool sparse;		/* a map of regions begins what follows */
	uint64_t real_size;	/* of the file, where sparse */
};

/* Append one record of an extended header, "LENGTH KEY=VALUE\n". */
void pax_record(struct buf *records, const char *key, struct span value);

/*
 * Append to out the headers of member: an extended one where there are records
 * (made by pax_record(), of what is no part of member) or where it must be,
 * then the ustar one.
 */
void pax_write(const struct pax_member *member, struct span records,
	       struct buf *out);

/* Zeros to append so that len is whole blocks. */
static inline size_t pax_padding(uint64_t len)
{
	return (size_t)(-len % PAX_BLOCK);
}

/* The end of an archive of which written bytes are there. */
void pax_write_end(uint64_t written, struct buf *out);

/*
 * What stands at the end of an archive that is not whole: tar takes one that
 * just ends between two members for whole.  Begins an extended header whose
 * records do not follow, so it is an unexpected end to everyone and makes no
 * file.
 */
void pax_write_broken_end(struct buf *out);

#endif
