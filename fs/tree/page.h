/*
 * page: a decoded directory page in its compact form.
 *
 * A struct entry is large (its content stands in it), a page has thousands; so
 * a page kept in memory holds short rows, and the rest of an entry is decoded
 * from the object's bytes when it is asked for.  rows_parse() has looked at all
 * of it once, so rows_get() cannot fail.
 *
 * Pure.  A parsed struct rows may be read from any thread.
 */
#ifndef VARVE_PAGE_H
#define VARVE_PAGE_H

#include "fs/tree/entry.h"

/*
 * How a page is written (docs/format.md, "Tree pages"):
 *
 *     varint   number of owners
 *     each:    varint uid, varint gid, string user, string group
 *     varint   number of xattr sets
 *     each:    varint number of xattrs, then by name
 *              string name, varint length of the value,
 *              the value (at most 256 bytes), or varint index of its chunk
 *     varint   number of entries
 *     each:    u8 head: type, and the ROW_ bits
 *              varint bytes of the name shared with the one before
 *              string the rest of the name
 *              varint mode, but with ROW_SAME_MODE that of the last of its type
 *              varint owner, but with ROW_SAME_OWNER that of the one before
 *              zigzag seconds of mtime less those of the one before
 *              varint nanoseconds, with ROW_NS
 *              by type:
 *                file     content
 *                dir      varint nodes below, varint directories in it,
 *                         varint 0 (empty) or 1 + levels, and then the
 *                         reference to its page or index
 *                symlink  string target
 *                device   varint major, varint minor
 *              varint chattr flags, with ROW_FLAGS
 *              varint xattr set, with ROW_XATTRS
 */
#define ROW_TYPE 0x07
#define ROW_SAME_OWNER 0x08
#define ROW_SAME_MODE 0x10
#define ROW_XATTRS 0x20
#define ROW_FLAGS 0x40
#define ROW_NS 0x80
#define ROW_BYTES_MIN 5		/* of any entry but the root's */

struct row {
	uint32_t name_at;	/* in names */
	uint8_t name_len;
	uint8_t head;
	uint16_t mode;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t owner;
	uint32_t rest_at;	/* of what stands by type, in the body */
	uint32_t next_ref;
};

struct owner {
	uint32_t uid, gid;
	struct span uname, gname;
};

struct xattr_set {
	uint32_t first, count;
};

struct rows {
	uint32_t count;
	uint64_t dirs;		/* of them directories */
	struct row *rows;
	uint64_t *before;	/* nodes in rows 0..i-1 and below; count + 1 */
	struct buf names;
	struct owner *owners;
	uint32_t owner_count;
	struct xattr_set *sets;
	uint32_t set_count;
	struct xattr *xattrs;
	struct object_in object;	/* body: from its beginning */
};

/* bytes stay the caller's and must outlive ret. */
int rows_parse(struct span bytes, enum object_type type, struct rows *ret,
	       struct err *err);
void rows_release(struct rows *rows);
struct span rows_name(const struct rows *rows, uint32_t index);
void rows_get(const struct rows *rows, uint32_t index, struct entry *ret);
/* The row called name; false, and where it would stand, if there is none. */
bool rows_find(const struct rows *rows, struct span name, uint32_t *ret);

#endif
