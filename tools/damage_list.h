/*
 * damage_list: what suffers from damage, in as many lines as are read.
 *
 * Takes each damaged place of each snapshot, as damage_find() tells them: one
 * source after the other, by time.  For people, a place that is damaged in many snapshots of a
 * source is one line, with how many they are and which is the first and the
 * last; of a source DAMAGE_LINES lines are shown, and how many more there
 * would be.  With all, or as JSON, each is a line of its own, at once.
 *
 * Holds the lines of one source, and 24 bytes, twice over, for each place of
 * it, up to DAMAGE_COUNTED of them.  One thread.
 */
#ifndef VARVE_DAMAGE_LIST_H
#define VARVE_DAMAGE_LIST_H

#include "fs/tree/damage.h"
#include "tools/tool.h"

#define DAMAGE_LINES 20
#define DAMAGE_COUNTED (1u << 20)

struct damage_line {		/* a place, in some snapshots of a source */
	enum damage_part part;
	char *path, *words;
	char *first, *last;	/* names of snapshots */
	uint64_t snapshots, forgotten;
	bool differs;		/* the words, from one snapshot to another */
};

struct damage_list {
	const struct tool *tool;
	bool all;
	uint64_t distinct;	/* places, by source and path */
	bool more;		/* than were counted */
	/* of the source at hand */
	char *source;
	struct damage_line line[DAMAGE_LINES];
	size_t lines;
	struct id_set seen;
};

/* all is by the option of that name. */
void damage_list_init(struct damage_list *list, const struct tool *tool);
void damage_list_release(struct damage_list *list);
/* The callback of damage_find(); arg is the list. */
void damage_list_take(void *arg, const struct damage *damage);
/* Show what is held, of the last source. */
void damage_list_end(struct damage_list *list);

#endif
