/*
 * tree_internal: decoded pages, and how a directory's are found.
 */
#ifndef VARVE_TREE_INTERNAL_H
#define VARVE_TREE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/tree/index.h"
#include "fs/tree/page.h"
#include "fs/tree/tree.h"

struct node_page {
	atomic_uint pins;
	struct id id;
	unsigned level;		/* 0: rows; above: index */
	uint64_t used;		/* under the tree's lock: when last asked for */
	struct buf bytes;	/* what rows borrow from */
	struct rows rows;
	struct index_in index;
};

/*
 * A cursor on the map of hard links, which keeps the page it was at.  There
 * are a few, each for every so many positions, so that threads at work in
 * different directories do not take it from each other.
 */
#define LINK_CURSORS 4
#define LINK_STRIDE 4096
struct link_cursor {
	pthread_mutex_t lock;
	struct posmap_cursor *cursor;	/* under lock */
};

/* What is needed of a directory to look into it. */
struct dir {
	struct id tree;
	unsigned levels;
	uint64_t pos;		/* its own */
	uint64_t below;
};

/*
 * Directories met on the way down to a position, one at each so many levels:
 * the next position near by is not looked for from the root again, which in
 * 2 000 directories within one another takes as many pages each time.
 */
#define MARKS 64
#define MARK_EVERY 32
struct mark {
	struct dir dir;
	unsigned depth;
};

struct tree {
	struct getter getter;
	struct record record;
	struct node_page *root;
	pthread_mutex_t lock;		/* down to marked */
	struct node_page *cache[TREE_PAGES];
	uint64_t clock;
	struct mark marks[MARKS];
	uint64_t marked;		/* ever */
	bool has_links;
	struct link_cursor links[LINK_CURSORS];
};

struct node_page *node_page_pin(struct node_page *page);
/* NULL is fine. */
void node_page_drop(struct node_page *page);

/* The decoded page or index of id, pinned. */
int tree_page(struct tree *tree, const struct id *id, unsigned level,
	      struct node_page **ret, struct err *err);

/* -ENOTDIR. */
int dir_of(const struct node *node, struct dir *ret, struct err *err);

/* Number of entries directly in it. */
int dir_count(struct tree *tree, const struct dir *dir, uint64_t *ret,
	      struct err *err);

/* A page of a directory: what its first row is. */
struct spot {
	struct node_page *page;	/* pinned */
	uint64_t pos;
	uint64_t ordinal;
};

enum spot_by { BY_NAME = 1, BY_ORDINAL, BY_NODE };
struct spot_key {
	enum spot_by by;
	struct span name;
	uint64_t number;	/* ordinal; or position less that of the first */
};

/* 1: the page in which key is or would be; 0: the directory is empty, or the
 * number is past its end. */
int spot_find(struct tree *tree, const struct dir *dir,
	      const struct spot_key *key, struct spot *ret, struct err *err);

/* Fill *ret with row number row of spot's page. */
int spot_node(struct tree *tree, const struct dir *dir,
	      const struct spot *spot, uint32_t row, struct node *ret,
	      struct err *err);

/* The pages of the directory node in which names from first to last are or would
 * be, for one that is likely like them.  At most max ids; how many: 0 also where
 * they cannot be read. */
size_t dir_pages_like(struct tree *tree, const struct node *node,
		      struct span first, struct span last, struct id *ret,
		      size_t max);

/* The entries of a directory, one after the other. */
struct dir_iter {
	struct tree *tree;
	struct dir dir;
	uint64_t next;		/* ordinal */
	struct spot spot;	/* page NULL: to be found */
};

void dir_iter_init(struct dir_iter *iter, struct tree *tree,
		   const struct dir *dir);
/* 1 and a node (which must be empty), 0 at the end. */
int dir_iter_next(struct dir_iter *iter, struct node *ret, struct err *err);
/* Behind what dir_iter_next() could not read: 1 where more may follow, 0 where
 * the end is not known to come later. */
int dir_iter_skip(struct dir_iter *iter);
/* Hold no page until the next call. */
void dir_iter_pause(struct dir_iter *iter);

#endif
