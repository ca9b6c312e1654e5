/* sink_internal: what sink.c and ingest*.c share. */
#ifndef VARVE_SINK_INTERNAL_H
#define VARVE_SINK_INTERNAL_H

#include "indexer/ingest.h"
#include "indexer/item.h"
#include "indexer/recipe.h"
#include "indexer/rocksdb/rocks_find.h"

#define NOTES_LINES_MAX 10000
#define NOTES_BYTES_MAX (8u << 20)

/* Told to the user and kept with the snapshot. */
struct notes {
	struct buf text;	/* a line each */
	uint64_t lines;		/* in text */
	uint64_t left_out;	/* more than text takes */
	uint64_t warnings;	/* all but mere notes */
	char *incomplete;	/* the first loss; NULL: none */
	uint64_t losses;
};

struct sink {
	struct repo *repo;
	const struct ingest_options *options;
	struct deposit *deposit;
	struct settle *settle;
	struct chunker chunker;
	struct cutter file;
	struct cutter rows;	/* all lines, one behind the other */
	struct buf row;
	struct recipe recipe;
	struct notes notes;
	struct record record;	/* format, attributes, counts */

	/* the entry begun */
	bool open;
	bool aside;		/* it, or the next, is to be in no tree */
	struct buf key, target;	/* scratch too while none is */
	struct buf item;	/* without its content */
	uint64_t item_group;
	uint64_t members;	/* bytes of it in the recipe */
	struct span data;	/* of the last sink_data(), by address */
	uint64_t data_offset;

	/* said before it */
	uint64_t group;
	bool has_origin;
	uint8_t origin[ORIGIN_WIDTH];

	bool has_last;
	struct content last;
	uint64_t last_size;
	uint64_t last_number;	/* of the last file that ended, for settle */

	bool keep_times;
	struct tree *previous;	/* whose, borrowed; or NULL */
	struct tree *former;	/* the same, also when all was read */
	struct tree *own_former;	/* where it was opened here */
	bool may_keep;		/* of the entry begun */
	struct item timed;	/* it, without what it borrowed */
	struct stamp last_mtime;

	struct xattr *xattrs;	/* XATTRS_MAX; NULL till needed */
	bool told_absolute;
	uint64_t unchanged;
	uint64_t ahead;
	uint64_t archives;	/* files with an archive's name */
	struct rocks_tally checkpoints;	/* by the names of files */
	uint64_t last_group;	/* the highest that had its data */
	uint64_t input_bytes, input_total;
	uint64_t entries, bytes;
	bool has_when;		/* the input said so, in options->zone or not */
	bool when_zoneless;
	struct stamp when;
	struct stamp told_progress;
	const char *phase;
};

int sink_init(struct sink *sink, struct repo *repo,
	      struct deposit *deposit, const struct ingest_options *options,
	      uint64_t input_total, struct err *err);
void sink_release(struct sink *sink);
/* -ECANCELED where it is to stop. */
int sink_check_stop(const struct sink *sink, struct err *err);
void sink_phase(struct sink *sink, const char *phase);
/* sink_times.c: an entry is begun, its scalars in item; a file ends, its item
 * not yet put. */
void sink_times_begin(struct sink *sink, const struct item *item);
/* The node of this path in the snapshot before (struct likes). */
int sink_find_former(void *arg, struct getter *ret_getter, struct node *ret);
void sink_times_end(struct sink *sink, const struct content *content,
		    uint64_t size);
/* As sink_warn(), of a key. */
void sink_warn_key(struct sink *sink, enum weight weight, struct span key,
		   const char *sentence);

/* ingest_tree.c: the settled entries become the tree, and the maps and view
 * by position; sink->record's ids and counts are filled in. */
int ingest_build(struct sink *sink, struct err *err);

#endif
