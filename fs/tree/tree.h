/*
 * tree: a snapshot as directories and files.
 *
 * A node is found by path, by name in a directory, or by its pre-order
 * position, which is found again from the counts in the pages: nothing is kept
 * per node.  Hard links: every name of a group reports the position of the
 * first as its inode, and the true number of links.
 *
 * A struct tree may be read from any thread.  It keeps a small cache of
 * decoded pages (stated below) with a copy of their bytes, about 160 KiB each
 * for the pages of large directories.
 *
 * What a page says of the pages under it (counts, names, and that these rise
 * from page to page) is compared with what they hold when they are read: -EBADMSG
 * where it is not so.  So a name is where it is looked for, or nowhere.
 */
#ifndef VARVE_TREE_H
#define VARVE_TREE_H

#include "fs/tree/builder.h"

#define TREE_PAGES 64		/* decoded pages a tree keeps at most */

struct tree;
struct node_page;		/* a decoded page, counted */

struct node {
	uint64_t pos;		/* its own pre-order position */
	uint64_t inode;		/* pos of the first name of its hard links */
	uint64_t nlink;
	uint64_t parent;	/* position of its directory; root: 0 */
	struct entry entry;	/* borrows from page */
	struct node_page *page;	/* pinned; NULL: empty node */
};
#define NODE_INIT { .page = NULL }
#define OWNED_NODE CLEANUP(node_release)
void node_release(struct node *node);
void node_copy(const struct node *from, struct node *ret);

int tree_open(struct repo *repo, const struct record *record,
	      struct tree **ret, struct err *err);
/* The same of what a deposit has put but not committed (view replay). */
int tree_open_getter(const struct getter *getter,
		     const struct record *record, struct tree **ret,
		     struct err *err);
void tree_close(struct tree *tree);
const struct record *tree_record(const struct tree *tree);
struct getter tree_getter(const struct tree *tree);

int tree_root(struct tree *tree, struct node *ret, struct err *err);
/* -ENOENT; -ENOTDIR. */
int tree_child(struct tree *tree, const struct node *dir, struct span name,
	       struct node *ret, struct err *err);
/* '/'-parted; empty and "." components are skipped, ".." is -EINVAL; symbolic
 * links are not followed. */
int tree_find(struct tree *tree, const char *path, struct node *ret,
	      struct err *err);
/* -ENOENT past the end. */
int tree_at(struct tree *tree, uint64_t pos, struct node *ret,
	    struct err *err);

/*
 * Entries of a directory in name order from ordinal index (0 up) on: fills at
 * most max nodes, *ret_count of them, 0 at the end.  nodes need not be
 * initialised; release each.  One call costs one descent, then walks pages.
 */
int tree_list(struct tree *tree, const struct node *dir, uint64_t index,
	      struct node *nodes, size_t max, size_t *ret_count,
	      struct err *err);
/* Number of entries directly in dir. */
int tree_dir_count(struct tree *tree, const struct node *dir,
		   uint64_t *ret, struct err *err);

/*
 * Walk in pre-order from top (itself first, depth 0).  path is relative to top
 * ("" for top).  The callback returns 0 to go on, TREE_SKIP not to enter this
 * directory, a negative errno to stop.  Not recursive in the C stack.
 * -EBADMSG below DEPTH_MAX directories.
 */
#define TREE_SKIP 1
int tree_walk(struct tree *tree, const struct node *top,
	      int (*each)(void *arg, const char *path, unsigned depth,
			  const struct node *node, struct err *err),
	      void *arg, struct err *err);

/*
 * The same, past what is damaged: where entries of a directory cannot be read,
 * lost() is told its path and why, and the walk goes on behind them (a whole
 * page of them, or all, as it is).  lost() returns 0 or a negative errno.
 */
int tree_walk_past(struct tree *tree, const struct node *top,
		   int (*each)(void *arg, const char *path, unsigned depth,
			       const struct node *node, struct err *err),
		   int (*lost)(void *arg, const char *path,
			       const struct err *why),
		   void *arg, struct err *err);

/* The value of an xattr, into buf (appended). */
int tree_xattr(struct tree *tree, const struct xattr *xattr, struct buf *buf,
	       struct err *err);

/* As stat(2) has it; ino is inode+1 (never 0). */
struct stat;
void node_stat(const struct node *node, struct stat *ret);

/*
 * diff: two nodes compared, equal subtrees skipped by id.  Told in name order,
 * a directory before what is in it.  What is only in a has b NULL and is
 * REMOVED, only in b the other way round and ADDED, every node under a
 * directory too.  The others are told where something differs: CONTENT (bytes of
 * a file, target of a link, number of a device), META (mode, owner, mtime, chattr
 * flags, xattrs), TYPE (alone: nothing else is compared; what was under a
 * directory follows as removed or added).  path is relative to na and nb, ""
 * for themselves.  The callback returns 0 to go on, TREE_SKIP not to enter this
 * directory, a negative errno to stop.  -EINVAL where a and b are of stores
 * with different secrets.
 */
enum diff_kind {
	DIFF_ADDED = 1, DIFF_REMOVED,
	DIFF_CONTENT = 4, DIFF_META = 8, DIFF_TYPE = 16,	/* or-ed */
};
int tree_diff(struct tree *a, const struct node *na, struct tree *b,
	      const struct node *nb,
	      int (*each)(void *arg, unsigned kind, const char *path,
			  const struct node *a, const struct node *b,
			  struct err *err),
	      void *arg, struct err *err);

#endif
