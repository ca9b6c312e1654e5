/*
 * settle: from entries in any order, with names that collide, to a tree's
 * entries in pre-order.
 *
 * Takes items as they come, each with its place in the input (its sequence
 * number); gives, once all are in, every name that is left exactly once, a
 * directory before what lies in it, names sorted by bytes, directories that
 * were never named made up.  Then it is told where each landed in the tree and
 * gives back hard-link groups and the place of any item.  The rules stand at
 * the top of settle.c.
 *
 * Memory is bounded by the budget whatever comes; the rest goes to temporary
 * files.  Knows neither chunks nor trees nor how they are stored.  One thread.
 */
#ifndef VARVE_SETTLE_H
#define VARVE_SETTLE_H

#include "indexer/item.h"
#include "indexer/reader.h"

/*
 * A key is a path's components, each with a zero byte behind it; the root's is
 * empty.  Byte order of keys is pre-order with names sorted.
 */

struct settle_options {
	struct disk_dir *dir;	/* the store's, borrowed */
	size_t budget;		/* bytes of memory for sorting */
	struct stamp time;	/* mtime of directories that are made up */
	/* path is a key */
	void (*warn)(void *arg, enum weight weight, struct span key,
		     const char *sentence);
	/* A file that was put but is not in the tree under the name it had
	 * (another may still link to it).  May be NULL. */
	int (*dropped)(void *arg, uint64_t seq, const struct entry *entry,
		       struct err *err);
	volatile int *stop;	/* NULL, or set: -ECANCELED soon */
	void *arg;
};

struct settle;

struct settle *settle_new(const struct settle_options *options);
void settle_free(struct settle *settle);
/* The time is known better now; before settle_run(). */
void settle_time(struct settle *settle, struct stamp time);

/*
 * An item, as item_write_begin() and item_write_end() wrote it, under key.
 * *ret_seq: 1, 2, … in the order of calls.  kind, is_dir and group are those
 * in the bytes.
 */
int settle_put(struct settle *settle, struct span key, struct span bytes,
	       bool is_dir, uint64_t group, uint64_t *ret_seq,
	       struct err *err);
/* A hard link key -> target (both keys). */
int settle_put_link(struct settle *settle, struct span key,
		    struct span target, uint64_t *ret_seq, struct err *err);
/* The sequence number the next put will get; and leave that one out. */
uint64_t settle_seq(const struct settle *settle);
void settle_skip(struct settle *settle);
/* Everything is in: decide.  Warnings come from settle_next(). */
int settle_run(struct settle *settle, struct err *err);

struct settled {
	struct span key;
	unsigned depth;		/* components of key */
	struct entry entry;	/* name filled in */
	const uint8_t *origin;	/* NULL: none */
	bool made_up;		/* a directory no entry named */
	uint64_t root;		/* seq of the item it is from; 0: made up */
	bool linked;		/* may share its file with other names */
};

/* 1 and the next (borrowed until the next call), 0 at the end. */
int settle_next(struct settle *settle, struct settled *ret, struct err *err);
/* It was given position pos.  *ret_first: the first name of its file. */
int settle_place(struct settle *settle, const struct settled *settled,
		 uint64_t pos, bool *ret_first, struct err *err);

/* After the end.  Each name of a file with two or more, in order of position:
 * its group's first position and number of names. */
int settle_links(struct settle *settle,
		 int (*each)(void *arg, uint64_t pos, uint64_t first,
			     uint64_t nlink, struct err *err),
		 void *arg, struct err *err);
/* Before settle_next(): settle_find() will be asked. */
void settle_want_places(struct settle *settle);
/* The first position of a name that has item seq; -ENOENT (no words): none. */
int settle_find(struct settle *settle, uint64_t seq, uint64_t *ret_pos,
		struct err *err);
unsigned settle_runs(const struct settle *settle);

#endif
