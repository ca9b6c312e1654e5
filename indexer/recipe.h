/*
 * recipe: how the plain input stream is put together again, while it is read.
 *
 * Takes the stream in order, as glue or as ranges of items by sequence number;
 * keeps the glue like a file's bytes and the order of runs in a temporary
 * table.  When the tree stands and every item's place is known it is written
 * as a view.  One thread.
 */
#ifndef VARVE_RECIPE_H
#define VARVE_RECIPE_H

#include "indexer/cutter.h"
#include "indexer/settle.h"
#include "indexer/slots.h"

struct recipe_run {
	uint64_t seq;		/* 0: glue */
	uint64_t offset;	/* in the item's file */
	uint64_t len;
	uint64_t pad;
};

struct recipe {
	struct deposit *deposit;
	struct cutter glue;
	struct slots *runs;
	uint64_t run_count;
	struct recipe_run last;	/* not yet in runs; len 0: none */
	struct sorter *apart;	/* contents that are in no file, by seq */
	struct sum_stream *sum;
	bool unsummed;		/* not all bytes of the stream went by */
	uint64_t len;		/* of the stream so far */
};

int recipe_init(struct recipe *recipe, struct deposit *deposit,
		const struct chunker *chunker, struct disk_dir *dir,
		size_t budget, struct err *err);
void recipe_release(struct recipe *recipe);
int recipe_glue(struct recipe *recipe, struct span bytes, struct err *err);
/* The caller proved that bytes are item seq's at offset.  seq never falls. */
int recipe_member(struct recipe *recipe, uint64_t seq, uint64_t offset,
		  struct span bytes, struct err *err);
/* The same of an item whose bytes are not at hand: the view gets no sum. */
int recipe_refer(struct recipe *recipe, uint64_t seq, uint64_t offset,
		 uint64_t len, struct err *err);
/* Item seq is in no place of the tree, or may not be: its content. */
int recipe_apart(struct recipe *recipe, uint64_t seq,
		 const struct content *content, uint64_t size,
		 struct err *err);
/* settle knows the places by now. */
int recipe_write(struct recipe *recipe, struct settle *settle,
		 struct id *ret_view, struct err *err);

#endif
