/*
 * target: SNAPSHOT[:PATH] from the command line, opened.
 *
 * The text is parted at the first ':' (one that belongs to a leading "id:" not
 * counted), so a path may hold anything.  One thread.
 */
#ifndef VARVE_TARGET_H
#define VARVE_TARGET_H

#include "fs/repo/repo.h"
#include "fs/tree/tree.h"

struct target {
	struct snapshot snapshot;
	struct tree *tree;
	struct node node;
	char *spec;		/* SNAPSHOT as given */
	const char *path;	/* as given, in the text; "" where none was */
};

#define TARGET_INIT { .tree = NULL, .node = NODE_INIT }
#define OWNED_TARGET CLEANUP(target_close)

/* Part text: a copy of SNAPSHOT (owned by the caller), and PATH in text, NULL
 * where there is no ':'. */
int target_split(const char *text, char **ret_spec, const char **ret_path,
		 struct err *err);
/* Open text; *ret is empty before and after a failure. */
int target_open(struct repo *repo, const char *text, struct target *ret,
		struct err *err);
/* The same with the path apart (NULL: the root). */
int target_open_at(struct repo *repo, const char *spec, const char *path,
		   struct target *ret, struct err *err);
void target_close(struct target *target);

/* Copy of a row (catalog callbacks borrow theirs). */
int snapshot_copy(const struct snapshot *from, struct snapshot *ret,
		  struct err *err);

/* Snapshots of a store, owned. */
struct snapshots {
	struct snapshot *row;
	size_t count, room;
};
void snapshots_release(struct snapshots *list);
#define OWNED_SNAPSHOTS CLEANUP(snapshots_release)
/* Those whose source matches glob (NULL: all; '*' also spans '/'), in order of
 * source and time. */
int snapshots_load(struct repo *repo, const char *glob, bool with_forgotten,
		   struct snapshots *ret, struct err *err);
/* Complete, whole, shown and not in the future. */
bool snapshot_is_good(const struct snapshot *snapshot);

#endif
