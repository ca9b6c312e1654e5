/*
 * archive_internal: the parts of the archive reader among themselves.
 *
 *     tap (fd) -> decoder -> ring (own thread) -> window -> tar reader   -> put
 *                                                        -> format reader
 *
 * A decoder fills memory, a source lends blocks, a window shows them to a
 * parser that wants to look ahead.  put_* is the only way to the sink.  All
 * but the ring's decoder runs in the thread that called the reader.
 *
 * Damage is not an error here: a window that can give no more says why in
 * `why` and looks like the end.  What must stop everything (the sink failed,
 * no memory, stopped by a signal) is remembered in run->fatal and returned
 * as a negative errno by whoever meets it.
 */
#ifndef VARVE_ARCHIVE_INTERNAL_H
#define VARVE_ARCHIVE_INTERNAL_H

#include <stdatomic.h>

#include "indexer/reader.h"

#define TAR_BLOCK 512
#define ARCHIVE_BUFFER (512u << 10)	/* one of a ring's */
#define ARCHIVE_RING 4
#define ARCHIVE_HEAD (64u << 10)	/* looked at to tell formats */
#define SNIFF_MAX (1u << 20)		/* of a packed member, decoded to look inside */
#define HEADER_MAX (8u << 20)		/* one pax header or long name */
#define PATH_BYTES_MAX (1u << 19)
#define SPARSE_MAX (4u << 20)		/* regions of one sparse file */
#define EXPAND_RATIO 1000u
#define EXPAND_FLOOR (1ull << 30)	/* below this no ratio is looked at */
#define EXPAND_TOTAL (1ull << 40)
#define EXPAND_TRIED (64u << 20)	/* members up to this are tried first */

/* archive_sniff.c: what are these bytes? */

enum packing {
	PACKING_NONE = 1, PACKING_GZIP, PACKING_BZIP2, PACKING_XZ,
	PACKING_ZSTD, PACKING_LZ4, PACKING_LZIP, PACKING_LZMA,
	PACKING_LZOP, PACKING_COMPRESS, PACKING_LRZIP, PACKING_GRZIP,
	PACKING_UU, PACKING_RPM,
};

/* One around the other, the outermost first. */
#define PEEL_MAX 4
struct layers {
	enum packing list[PEEL_MAX];
	unsigned count;
};

enum form {
	FORM_NONE = 1, FORM_TAR, FORM_CPIO, FORM_ZIP, FORM_7ZIP, FORM_RAR,
	FORM_CAB, FORM_AR, FORM_XAR, FORM_ISO, FORM_LHA, FORM_WARC,
};

enum packing sniff_packing(struct span head);
/* whole: nothing follows head. */
enum form sniff_form(struct span head, bool whole);
/* What is around the archive of which head is the beginning, and its form.
 * FORM_NONE: no archive is seen, and the outermost layer alone is given. */
enum form sniff_layers(struct span head, bool whole, struct layers *ret);
const char *packing_name(enum packing packing);
/* ", gzip, xz": the innermost first. */
void layers_name(const struct layers *layers, char *ret, size_t size);
/* name without the ending that its packing puts there ("x.sql.gz" is 5 long,
 * "x.tgz" stays). */
size_t sniff_plain_name(const char *name);
bool sniff_named_tar(const char *name);

/* archive_input.c: the way of the bytes. */

struct source {
	/* 1 and bytes lent until the next call; 0: the end; negative. */
	int (*next)(struct source *source, struct span *ret, struct err *err);
	void (*free)(struct source *source);
};

struct decoder {
	/* Some bytes into out (cap > 0); *ret_len 0: the end. */
	int (*read)(struct decoder *decoder, uint8_t *out, size_t cap,
		    size_t *ret_len, struct err *err);
	void (*free)(struct decoder *decoder);
};

/* The descriptor, read by one thread and watched by another. */
struct tap {
	int fd;
	int wake[2];		/* a pipe: written to when reading must end */
	struct buf head;	/* read ahead of the first decoder */
	size_t head_at;
	_Atomic uint64_t taken;
};
int tap_open(struct tap *tap, int fd, struct err *err);
void tap_close(struct tap *tap);
/* Read up to ARCHIVE_HEAD bytes ahead, for looking at them. */
int tap_head(struct tap *tap, struct span *ret, struct err *err);

void source_free(struct source *source);
void decoder_free(struct decoder *decoder);
/* All of these own what they are given, also when they fail (NULL, -errno). */
struct decoder *decoder_tap(struct tap *tap);
struct source *source_sync(struct decoder *decoder);
struct source *source_ring(struct decoder *decoder, struct tap *tap,
			   const struct sink *sink);
/* Lends what it is given; bytes stay the caller's. */
struct source *source_memory(struct span bytes);
/* Lends what window does, which stays the caller's. */
struct window;
struct source *source_window(struct window *window);

/* archive_unpack.c.  *garbage (or NULL) is set where something else follows
 * the packed data. */
int decoder_unpack(enum packing packing, struct source *from,
		   _Atomic bool *garbage, struct decoder **ret,
		   struct err *err);
/* The beginning of what is packed in head, appended; true: it is all. */
bool unpack_head(enum packing packing, struct span head, struct buf *ret);
/* All layers, in this thread. */
struct source *source_unpack(const struct layers *layers, struct source *from,
			     _Atomic bool *garbage, struct err *err);
/* archive_filter.c: one by libarchive.  The packings that it would leave to
 * another program are refused when they are read. */
int decoder_filter(enum packing packing, struct source *from,
		   _Atomic bool *garbage, struct decoder **ret,
		   struct err *err);

struct run {			/* one call of the reader */
	const struct input *input;
	struct sink *sink;
	struct tap tap;
	struct err *err;
	int fatal;
	uint64_t expanded;	/* bytes that came out of members */
	uint64_t told;		/* as progress */
	_Atomic bool garbage;	/* behind the packed data */
};
/* Open the input; err is kept and used until archive_run_close(). */
int archive_run_open(struct run *run, const struct input *input, struct sink *sink,
	     struct err *err);
void archive_run_close(struct run *run);
/* Remember code as fatal (the words are in run->err); gives it back. */
int run_fatal(struct run *run, int code);

/* Never falls back, whoever reads ahead. */
void run_progress(struct run *run, uint64_t taken);

struct window {
	struct run *run;
	struct source *source;
	uint64_t at;		/* bytes taken */
	uint64_t limit;		/* more than this may not come */
	uint64_t got;
	bool ended;
	struct err why;		/* code 0: ended as it should */
	struct buf carry;
	size_t carry_at;
	struct span block;
};
void window_init(struct window *window, struct run *run,
		 struct source *source);
void window_release(struct window *window);
/* Over the run's input, what packs it taken off in a thread of its own.
 * Negative: run->fatal. */
int window_open(struct window *window, struct run *run, enum packing packing);
/* The next n bytes, fewer only at the end.  Valid until the next call. */
struct span window_peek(struct window *window, size_t n);
/* 1..max bytes as they lie, none only at the end. */
struct span window_some(struct window *window, uint64_t max);
void window_take(struct window *window, size_t n);

/* archive_put.c: the way out. */

struct level {			/* an archive: the input, or one in a member */
	struct run *run;
	struct window *window;
	struct layers layers;	/* that were taken off around it */
	const char *name;	/* for messages */
	struct span prefix;	/* before each path: empty or "a/b.tgz/" */
	unsigned depth;		/* levels allowed below */
	bool view;		/* its stream goes to the sink */
	uint64_t start;		/* where it begins in its descriptor */
	uint64_t limit;		/* bytes of files that may come out of it */
	uint64_t out;
	uint64_t entries;	/* put */
	bool lost;		/* put_lost() was called, */
	char why[256];		/* with these words first */
	bool dry;		/* only looked at: nothing goes to the sink */
	bool trouble;		/* dry: something would have been told */
	char format[64];	/* told by who reads it */
};

int put_begin(struct level *level, struct span path,
	      const struct entry *entry);
int put_data(struct level *level, uint64_t offset, struct span bytes);
int put_end(struct level *level, uint64_t size);
/* begin and end of what has no bytes */
int put_plain(struct level *level, struct span path,
	      const struct entry *entry);
int put_link(struct level *level, struct span path, struct span target);
int put_glue(struct level *level, struct span bytes);
/* put_data() and, where there is a view, the same bytes for it */
int put_member(struct level *level, uint64_t offset, struct span bytes);
void put_warn(struct level *level, enum weight weight, struct span path,
	      const char *fmt, ...) PRINTF(4, 5);
/* The rest of this archive is lost. */
void put_lost(struct level *level, struct span path, const char *fmt, ...)
	PRINTF(3, 4);
/* Does path, as archives write it, mean the archive's root? */
bool path_is_root(struct span path);

/* archive_meta.c: attributes, as archives write them, to the kernel's. */

struct attr {
	char *name;
	uint8_t *value;
	size_t len;
};

struct attrs {			/* owning list */
	struct attr *list;
	size_t count, cap;
	struct xattr *xattrs;	/* made by attrs_give() */
	size_t dropped;		/* over the limits of entry.h */
};
void attrs_release(struct attrs *attrs);
/* Replaces one of the same name.  0 or -ENOMEM. */
int attrs_set(struct attrs *attrs, struct span name, struct span value);
const struct attr *attrs_find(const struct attrs *attrs, const char *name);
void attrs_remove(struct attrs *attrs, const char *name);
int attrs_copy(struct attrs *to, const struct attrs *from);
/* Let entry point at them. */
int attrs_give(struct attrs *attrs, struct entry *entry);

struct acl_item {
	uint16_t tag, perm;
	uint32_t id;
};
#define ACL_ITEMS_MAX 4096
struct acl {
	struct acl_item *items;
	size_t count, cap;
};
enum { ACL_TAG_USER_OBJ = 1, ACL_TAG_USER = 2, ACL_TAG_GROUP_OBJ = 4,
       ACL_TAG_GROUP = 8, ACL_TAG_MASK = 16, ACL_TAG_OTHER = 32 };
void acl_release(struct acl *acl);
int acl_add(struct acl *acl, unsigned tag, unsigned perm, uint32_t id);
/* "user::rw-,user:joe:rwx:1001,..." by commas or newlines.  -EINVAL where it
 * is none, -ENOENT where it names a user or group not known here. */
int acl_parse(struct span text, struct acl *acl);
/*
 * Into attrs as the kernel keeps it, and into *mode what chmod would see.  An
 * access list that says no more than the mode is dropped.
 */
int acl_give(struct acl *acl, bool is_default, struct attrs *attrs,
	     uint16_t *mode);
/* Take an access list lying in attrs in the kernel's form into *mode. */
int acl_settle(struct attrs *attrs, uint16_t *mode);
/* "nodump,schg" to chattr flags; false where a word is not known. */
bool fflags_parse(struct span text, uint32_t *ret);
/* 0, or -EINVAL */
int base64_parse(struct span text, struct buf *out);
int urlencoded_parse(struct span text, struct buf *out);

/* archive_pax.c: extended headers. */

struct region {
	uint64_t offset, len;
};
struct map {
	struct region *regions;
	size_t count, cap;
};
void map_release(struct map *map);
/* -EINVAL: falls back or overflows; -E2BIG: over SPARSE_MAX. */
int map_add(struct map *map, uint64_t offset, uint64_t len);

enum pax_has {
	PAX_PATH = 1, PAX_LINKPATH = 2, PAX_UNAME = 4, PAX_GNAME = 8,
	PAX_UID = 16, PAX_GID = 32, PAX_SIZE = 64, PAX_MTIME = 128,
	PAX_SPARSE_NAME = 256, PAX_REAL_SIZE = 512, PAX_SPARSE_MAJOR = 1024,
	PAX_SPARSE_MAP = 2048, PAX_ACL_ACCESS = 4096, PAX_ACL_DEFAULT = 8192,
	PAX_FFLAGS = 1 << 14, PAX_DEV_MAJOR = 1 << 15,
	PAX_DEV_MINOR = 1 << 16, PAX_ACE = 1 << 17, PAX_VOLUME = 1 << 18,
};

struct pax {			/* spans borrow from the header's bytes */
	struct buf raw;
	unsigned has;
	struct span path, linkpath, uname, gname, sparse_name;
	struct span acl_access, acl_default, ace, fflags, label;
	struct span volume_file;	/* the first member began in another */
	int64_t uid, gid;
	uint64_t size, real_size, sparse_major, sparse_minor;
	uint64_t dev_major, dev_minor;
	struct stamp mtime;
	struct map map;
	uint64_t map_offset;	/* of a GNU.sparse.offset waiting */
	bool map_bad;
	struct attrs attrs;
	struct buf flaws;	/* sentences, "; " between them */
	bool damaged;		/* not all of it could be read */
};
void pax_release(struct pax *pax);
void pax_clear(struct pax *pax);
/* Read pax->raw.  0 or -ENOMEM; trouble is told in flaws and damaged. */
int pax_parse(struct pax *pax);
/* What local does not say, global does. */
int pax_inherit(struct pax *local, const struct pax *global);
/* "-1.75" to { -2, 250000000 }: rounds down. */
int pax_time(struct span text, struct stamp *ret);

/* archive_header.c: the 512 bytes. */

enum dialect {
	DIALECT_V7 = 1, DIALECT_USTAR, DIALECT_GNU, DIALECT_STAR,
};

struct header {
	enum dialect dialect;
	char type;
	char name[260];
	char link[101];
	char uname[33], gname[33];
	uint16_t mode;
	int64_t uid, gid, mtime;
	uint64_t size;
	uint64_t dev_major, dev_minor;
	const char *flaw;	/* a field that could not be read, or NULL */
};
bool header_is_zero(const uint8_t block[TAR_BLOCK]);
bool header_is_good(const uint8_t block[TAR_BLOCK]);
/* -EINVAL: good sum, but a size that cannot be. */
int header_parse(const uint8_t block[TAR_BLOCK], struct header *ret);
/* Octal or base-256; -EINVAL, -ERANGE. */
int header_number(const uint8_t *field, size_t len, int64_t *ret);
/* The sparse map in a header and its extension blocks.  1: more follow. */
int header_sparse(const uint8_t block[TAR_BLOCK], bool star,
		  struct map *map, uint64_t *ret_real_size);
int header_sparse_more(const uint8_t block[TAR_BLOCK], struct map *map);

/* The readers: each reads level to its end.  0, or run->fatal. */
int tar_read(struct level *level);				/* archive_tar.c */
int format_read(struct level *level, enum form form, int fd);	/* archive_format.c */

/*
 * archive_cpio.c: names of one file in cpio archives, where the data may come
 * with the last name (newc) or with each (odc).
 */
struct cpio_links;
struct cpio_links *cpio_links_new(void);
void cpio_links_free(struct cpio_links *links);
struct cpio_name {
	uint64_t dev, ino;
	uint32_t nlink;
	uint64_t size;
};
/* 1: done with here (held back or linked); 0: put it; negative. */
int cpio_links_seen(struct cpio_links *links, struct level *level,
		    const struct cpio_name *name, struct span path,
		    const struct entry *entry);
/* It was put: the names held back become links to it. */
int cpio_links_put(struct cpio_links *links, struct level *level,
		   const struct cpio_name *name, struct span path);
/* Names whose data never came. */
int cpio_links_finish(struct cpio_links *links, struct level *level);

/* archive_expand.c */

enum expand_way { EXPAND_NOT = 1, EXPAND_STREAM, EXPAND_SPOOL };
struct expand_plan {
	enum expand_way way;
	struct layers layers;
	enum form form;
};
/* Could a member with these first TAR_BLOCK bytes be an archive? */
bool expand_likely(struct span head);
/* Is it one to be opened?  head: its first SNIFF_MAX bytes or all of them. */
void expand_sniff(struct span path, struct span head, uint64_t whole_size,
		  struct expand_plan *ret);
/* All that the window has left, into a file without a name where the store has
 * room for such; its end may be missing, which is told. */
int spool_window(struct level *level, int *ret_fd);
/* Open it: entry is the member's, bytes (owned) give its whole data. */
int expand_run(struct level *level, struct span path,
	       const struct entry *entry, const struct expand_plan *plan,
	       struct source *bytes);

#endif
