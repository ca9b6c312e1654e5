/*
 * entry: one name in a directory with all that is known of it, and how a
 * page of them is written and parsed.
 *
 * Pure.  docs/format.md, "Tree pages"; byte table above the parser in entry.c.
 */
#ifndef VARVE_ENTRY_H
#define VARVE_ENTRY_H

#include "fs/base/stamp.h"
#include "fs/repo/object.h"

#define NAME_BYTES_MAX 255
#define DEPTH_MAX 2000
#define TARGET_MAX 4095		/* bytes of a symbolic link */
#define XATTR_INLINE_MAX 256	/* longer values are chunks */
#define XATTR_VALUE_MAX 65536
#define XATTR_NAME_MAX 255
#define XATTRS_MAX 1024		/* of one entry */
#define INLINE_EXTENTS 8
#define OWNER_NAME_MAX 255	/* bytes of a user's or group's name */
#define SIZE_LIMIT INT64_MAX	/* bytes of a file */
#define NODES_MAX (1ull << 48)	/* nodes of a snapshot */
#define CONTENT_LEVELS 8	/* of list indexes over a list */
#define TREE_LEVELS 8		/* of indexes over pages */
#define PAGE_BYTES_MAX (1u << 20)
#define PAGE_ENTRIES_MAX 32768u

enum entry_type {
	ENTRY_FILE = 1, ENTRY_DIR, ENTRY_SYMLINK, ENTRY_CHAR, ENTRY_BLOCK,
	ENTRY_FIFO, ENTRY_SOCKET,
};

enum extent_type { EXTENT_CHUNK = 1, EXTENT_HOLE };

struct extent {
	enum extent_type type;
	struct id id;		/* of the chunk */
	uint64_t len;		/* bytes of content it stands for */
	uint32_t from;		/* first byte used of the chunk */
};

/*
 * The bytes of a file.  Either up to INLINE_EXTENTS extents here, or the id of
 * a list object of the given number of levels (0: OBJECT_LIST, more:
 * OBJECT_LIST_INDEX above).  count 0 and no list: empty.
 */
struct content {
	uint8_t count;
	uint8_t levels;
	struct extent extent[INLINE_EXTENTS];
	struct id list;		/* none, or the top of the list */
	uint64_t holes;		/* bytes that are holes, where there is a list */
};

struct xattr {
	struct span name;	/* "user.k", "system.posix_acl_access" as the kernel has it */
	struct span value;	/* where it is short */
	struct id chunk;	/* where it is longer than XATTR_INLINE_MAX; else none */
	uint32_t value_len;	/* of either */
};
/*
 * XFS lists, to root, what it keeps an ACL as beside the ACL itself.  That is
 * no attribute of the entry's: other file systems take it for one of their own.
 */
bool xattr_is_shadow(const char *name);

/* Spans borrow from wherever the entry came from. */
struct entry {
	struct span name;	/* empty for the root */
	enum entry_type type;
	uint16_t mode;		/* 07777 */
	uint32_t uid, gid;
	struct span uname, gname;	/* may be empty */
	struct stamp mtime;
	uint64_t size;		/* files: bytes; symlinks: of target; else 0 */
	uint32_t dev_major, dev_minor;	/* devices */
	struct span target;	/* symlinks */
	struct content content;	/* files */
	uint32_t flags;		/* chattr flags (FS_*_FL), 0 where not kept */
	const struct xattr *xattrs;
	uint32_t xattr_count;
	/* directories: */
	uint64_t below;		/* nodes under it, itself not counted */
	uint64_t dirs_below;	/* subdirectories directly in it: nlink - 2 */
	struct id tree;		/* page or index; none: empty */
	uint8_t tree_levels;	/* 0: a page, else levels of index above pages */
};

/* Bytes of content that are not holes. */
uint64_t entry_data_bytes(const struct entry *entry);

/*
 * May entry stand in a page: name (empty only for the root's), type, times,
 * lengths, extents that add up to size?  0, or -EINVAL with words that say which
 * rule it breaks, so that a reader can refuse it alone.
 */
int entry_check(const struct entry *entry, struct err *err);

/* Sorted entries on their way into one page. */
struct page_out;
struct page_out *page_out_new(void);
void page_out_free(struct page_out *page);
/*
 * Names must come in order, each once.  Copies all.  -EINVAL otherwise, and
 * for what entry_check() refuses.  Extended attributes may come in any order;
 * of two with one name the later one counts.
 */
int page_out_add(struct page_out *page, const struct entry *entry,
		 struct err *err);
uint32_t page_out_count(const struct page_out *page);
size_t page_out_size(const struct page_out *page);	/* bytes so far */
/* The finished object's bytes; page is empty after and may be used again. */
int page_out_finish(struct page_out *page, enum object_type type,
		    struct buf *bytes, struct err *err);

/*
 * A decoded page: all entries, sorted, spans borrowed from bytes (which the
 * caller keeps).  type OBJECT_PAGE or OBJECT_ROOT (exactly one entry with an
 * empty name, a directory).  Refuses names out of order, empty, ".", "..",
 * with '/' or NUL, over-long; sizes that do not fit their content's inline
 * extents; counts that overflow.  before[i] is the number of nodes in entries
 * 0..i-1 with all below them (prefix sums; before[count] the whole).
 */
struct page {
	uint32_t count;
	struct entry *entries;
	uint64_t *before;
	struct xattr *xattrs;		/* entries point into it */
	uint8_t *names;			/* the same */
};
int page_parse(struct span bytes, enum object_type type, struct page *ret,
	       struct err *err);
void page_release(struct page *page);

#endif
