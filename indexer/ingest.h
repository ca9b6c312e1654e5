/*
 * ingest: from a reader's pushes to a snapshot.
 *
 * Implements the sink: names are normalised, bytes cut and deposited, entries
 * collected in a sorter (so that memory is bounded whatever the order), and at
 * the end duplicates, conflicts and hard links are settled, the tree, link map,
 * origin map and view are built, and the record is committed.
 *
 * What becomes of conflicting entries: docs/design.md, "Names that collide";
 * top of settle.c.
 */
#ifndef VARVE_INGEST_H
#define VARVE_INGEST_H

#include "indexer/reader.h"

struct ingest_progress {
	uint64_t input_bytes, input_total;	/* total UINT64_MAX: not known */
	uint64_t entries, bytes;		/* files' bytes read */
	uint64_t stored_bytes;			/* growth of the store */
	const char *phase;			/* "reading", "sorting", "writing the tree", "committing" */
};

struct ingest_options {
	const char *source;
	struct stamp time;		/* when the data was captured */
	const char *time_from;
	const char *tz;
	bool time_is_guess;		/* what the input says is better */
	const char *zone;		/* in which that is read */
	const char *input_name;		/* for the record */
	struct record_pair *tags;
	size_t tag_count;
	const char *incomplete;		/* known to be so before (command failed) */
	/* asked after reading, before the commit: NULL or a reason */
	const char *(*incomplete_at_end)(void *arg);
	unsigned workers;
	int level;
	uint64_t min_free;		/* bytes to leave free on the store's disk */
	size_t sort_memory;		/* 0: 24 MiB */
	bool no_view;
	bool reread;			/* nothing of the last snapshot is taken as read */
	void (*progress)(void *arg, const struct ingest_progress *progress);
	void (*warn)(void *arg, enum weight weight, const char *sentence);
	void *arg;
	volatile int *stop;		/* set by a signal: stop cleanly, commit nothing */
};

/* How a record says that more is lost than it names; the notes have all. */
#define INGEST_FIRST_OF "the first of "

struct ingest_result {
	struct record record;		/* as committed */
	struct deposit_stats stats;
	uint64_t unchanged;		/* files not read again */
	uint64_t ahead;			/* files begun to be read before their turn */
	uint64_t archives;		/* files with an archive's name */
	uint64_t checkpoints;		/* of RocksDB, by the names of files */
	unsigned sort_runs;
};
void ingest_result_release(struct ingest_result *result);

/*
 * Read input by reader into a new snapshot of options->source.  0: it exists
 * (result->record.incomplete tells whether it is whole).  -ECANCELED: stopped.
 * Nothing is left behind by a failure but sealed packs the next add will use.
 */
int ingest(struct repo *repo, const struct reader *reader,
	   const struct input *input, const struct ingest_options *options,
	   struct ingest_result *result, struct err *err);

#endif
