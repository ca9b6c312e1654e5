/*
 * dir_internal: the parts of the directory reader.
 *
 * dir.c walks; dir_file.c reads files; dir_meta.c reads what is known of an
 * entry besides its bytes; dir_past.c walks the last snapshot beside it;
 * dir_links.c remembers files with several names.
 */
#ifndef VARVE_DIR_INTERNAL_H
#define VARVE_DIR_INTERNAL_H

#include <sys/stat.h>

#include "fs/repo/id_set.h"
#include "indexer/ahead.h"
#include "indexer/pump.h"
#include "indexer/reader.h"

/* Metadata.  The entry's spans stay till the next call. */
struct owner {
	uint32_t id;
	bool known;
	char *name;		/* NULL: it has none */
};

#define OWNERS 256

struct meta {
	struct owner users[OWNERS], groups[OWNERS];
	struct buf target;
	struct buf names;	/* of xattrs, as listxattr(2) gives them */
	struct buf values;
	struct xattr *xattrs;	/* XATTRS_MAX; NULL till needed */
	char flaw[256];		/* what could not be read; empty: nothing */
};

void meta_release(struct meta *meta);
/*
 * All of name in the directory open as dir_fd (or of fd itself, where it is
 * not -1) but bytes, into *ret.  What could not be read is told in meta->flaw.
 * Negative: not even the link target could be read (errno as from readlink),
 * or -ENOMEM.
 */
int meta_read(struct meta *meta, int dir_fd, const char *name, int fd,
	      const struct stat *st, struct entry *ret);
/* The part that stat(2) tells. */
void meta_from_stat(struct meta *meta, const struct stat *st,
		    struct entry *ret);

/*
 * Origins: what a file looked like when it was read (ORIGIN_WIDTH bytes, all
 * little-endian): u64 device, u64 inode, i64 ctime seconds, u32 ctime ns, u32
 * mtime ns, u64 size.
 *
 * The kernel's clock for ctime ticks in steps of some milliseconds (and some
 * file systems keep whole seconds): a file written right after it was read can
 * look as it did before.  So an origin is only kept of a file whose ctime was
 * at least ORIGIN_SETTLED_S old when it was read; a younger one is read again
 * by the next add.  A ctime in the future (a clock set back, a server ahead)
 * is never old enough.  Of files that are sealed (input->is_sealed) the mtime
 * stands for it, and the ctime is that of the last link that came or went.
 */
#define ORIGIN_SETTLED_S    2
#define ORIGIN_CTIME	    16
#define ORIGIN_BEHIND_CTIME 28

void origin_write(const struct stat *st, uint8_t ret[ORIGIN_WIDTH]);
bool origin_is_settled(const struct stat *st, bool sealed, struct stamp now);
bool origin_is_same(const uint8_t a[ORIGIN_WIDTH],
		    const uint8_t b[ORIGIN_WIDTH], bool sealed);

/* The last snapshot.  Positions are asked for in rising order, so its origins
 * are read in windows. */
#define PAST_WINDOW 2048
#define PAST_NODES 32

struct past {
	struct tree *tree;	/* NULL: none (any more) */
	uint64_t from, to;	/* positions in the window */
	size_t count;
	uint64_t *pos;
	uint8_t *origins;
	struct id_set spoiled;	/* objects known to be damaged: what needs one
				 * is read again, which heals it */
};

/* A directory of it that is being walked. */
struct past_dir {
	struct node dir;
	bool open;
	uint64_t index;		/* of the next entry to list */
	struct node *nodes;	/* PAST_NODES; NULL till needed */
	size_t count, at;
};

int past_init(struct past *past, struct tree *tree, struct repo *repo,
	      struct err *err);
void past_release(struct past *past);
int past_root(struct past *past, struct past_dir *ret, struct err *err);
/* The entry called name, or NULL; names come in rising order.  Borrowed until
 * the next call. */
int past_find(struct past *past, struct past_dir *dir, const char *name,
	      const struct node **ret, struct err *err);
/* node as a directory to walk. */
void past_enter(const struct node *node, struct past_dir *ret);
void past_dir_release(struct past_dir *dir);
/* 1: node is a file that looks as st does, so its bytes and attributes are
 * the same (where it is sealed, only its bytes); 0: it must be read. */
int past_is_same(struct past *past, const struct node *node,
		 const struct stat *st, bool sealed, struct err *err);
/* 1 and the origin of position pos, borrowed; 0: it has none. */
int past_origin(struct past *past, uint64_t pos, const uint8_t **ret,
		struct err *err);

/* Files with several names: those whose names have not all been seen. */
struct link_file {
	struct link_file *next;
	uint64_t dev, ino;
	uint64_t group;
	uint64_t left;		/* names not seen yet */
	uint64_t size;
	struct stamp mtime;
	size_t content_len;
	uint8_t content[];	/* as item_write_content() wrote it */
};

struct links {
	struct link_file **slots;
	size_t slot_count, count;
	uint64_t groups;	/* numbers drawn */
};

void links_release(struct links *links);
struct link_file *links_find(const struct links *links,
			     const struct stat *st);
int links_add(struct links *links, const struct stat *st, uint64_t group,
	      const struct content *content, uint64_t size, struct err *err);
/* One more name was seen; forgets the file with its last. */
void links_seen(struct links *links, struct link_file *file);

/* The walk. */

#define READ_BYTES (1u << 20)

/* The names in a directory, sorted by bytes as a tree has them. */
struct names {
	struct buf text;	/* each with its zero byte */
	char **sorted;		/* into text */
	size_t count, at;
};

struct dir_level {
	int fd;			/* -1: closed for now */
	dev_t dev;
	ino_t ino;
	struct names names;
	struct past_dir past;
	size_t path_len;	/* of walk.path, for this directory */
	struct ahead_dir *ahead;
	size_t asked;		/* names that ahead has been asked for */
};

struct walk {
	const struct input *input;
	struct sink *sink;
	struct buf path;	/* of the entry at hand; empty: the root */
	struct dir_level *levels;
	unsigned depth, room;	/* levels[depth] is the deepest */
	struct past past;
	struct links links;
	struct meta meta;
	struct stat store;
	bool has_store;
	uint8_t *bytes;		/* READ_BYTES */
	uint64_t read;
	struct ahead *ahead;
	struct pump *pump;	/* NULL till needed */
};

static inline struct dir_level *deepest(struct walk *walk)
{
	return &walk->levels[walk->depth];
}

void close_fd(int *fd);
#define OWNED_FD CLEANUP(close_fd) int

/* For reading, without touching access times where that is allowed (the owner,
 * root), and without following name.  The descriptor or a negative errno. */
int open_at(int dir_fd, const char *name, int flags);
/* An errno of what walk->path names: gone since it was listed, or lost. */
void walk_tell(struct walk *walk, int code, const char *what);
void walk_tell_as(struct walk *walk, enum weight weight, const char *text);
/* r of a past_… call: where the last snapshot is damaged it is given up with
 * a note, and 0 returned. */
int walk_past_failed(struct walk *walk, int r, struct err *err);

/* A regular file; node: what the last snapshot has under its name, or NULL. */
int walk_add_file(struct walk *walk, const char *name, const struct stat *st,
		  const struct node *node, struct err *err);
/* Symbolic links, devices, FIFOs, sockets; file: taken under another name
 * before, or NULL. */
int walk_add_special(struct walk *walk, const char *name,
		     const struct stat *st, struct link_file *file,
		     struct err *err);
/* A further name of file. */
int walk_add_linked(struct walk *walk, const char *name,
		    struct link_file *file, const struct stat *st,
		    struct err *err);

#endif
