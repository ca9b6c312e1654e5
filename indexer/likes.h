/*
 * likes: the chunks that stood in the last snapshot where a file's new ones
 * stand now, to be compressed against.
 *
 * Nothing is read until a first chunk is new, or likes_ahead() asks.  From then on
 * the file's former chunks are held in memory (30 bytes each, LIKES_MOST of them), and where the
 * bytes were last the same tells which of them to look at.  What cannot be read
 * is not there: it is a help and nothing more.  One file at a time, one thread.
 */
#ifndef VARVE_LIKES_H
#define VARVE_LIKES_H

#include "fs/tree/tree.h"

#define LIKES_MOST (1u << 20)

struct likes_chunk {
	struct id id;
	uint64_t offset;
};

struct likes {
	/*
	 * The file's former content and size; the getter's too.  0, or negative
	 * where there is none (no words).
	 */
	int (*find)(void *arg, struct getter *ret_getter, struct node *ret);
	void *arg;
	bool asked;
	struct likes_chunk *list;	/* in order */
	size_t count, room;
	size_t next;			/* behind the last that was met again */
	size_t ahead;			/* behind the last that was told early */
	uint64_t now, then;		/* where that ends, in both files */
};

void likes_release(struct likes *likes);
/* Another file. */
void likes_begin(struct likes *likes);
/* A chunk that was there already is at offset. */
void likes_met(struct likes *likes, const struct id *id, uint64_t offset);
/* After likes_met(): former chunks that likely come next, each told once; how
 * many of max.  They come some at a time. */
size_t likes_ahead(struct likes *likes, struct id *ret, size_t max);
/* Those former chunks that stood where a new one of len bytes at offset does;
 * how many of max. */
size_t likes_of(struct likes *likes, uint64_t offset, uint32_t len,
		struct id *ret, size_t max);

#endif
