/*
 * add_parts: inputs in which several backups lie, a snapshot of each.
 *
 * Asks the reader which there are, gives each its source, passes over what the
 * store has already, and tells of what went away meanwhile.  Does not know how
 * a snapshot is made: that is the caller's add().  One thread.
 */
#ifndef VARVE_ADD_PARTS_H
#define VARVE_ADD_PARTS_H

#include "indexer/ingest.h"
#include "tools/tool.h"

struct parts_add {
	const struct tool *tool;
	const struct reader *reader;	/* its parts() is not NULL */
	struct input *input;	/* a directory, or in a snapshot (->tree) */
	const char *source;	/* of the whole input */
	bool is_named;		/* it was given, and is not made of a path */
	bool is_timed;		/* a time was given, for one snapshot */
	bool again;		/* also those that are there already */
	const char *shown;	/* what the input is called in messages */
	/* Make a snapshot of source from input (input->part); shown is its
	 * name.  Exit status, or a negative errno. */
	int (*add)(void *arg, const struct reader *reader,
		   struct input *input, const char *source,
		   const char *shown, struct err *err);
	void *arg;
};

/* The exit status that stands for all of them, or a negative errno. */
int parts_add_all(struct parts_add *adding, struct err *err);

/* The worst of what befell single inputs, by what must be done about it. */
int worse_status(int a, int b);

#endif
