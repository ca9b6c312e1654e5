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
#include "tools/format.h"

/* What becomes of an older snapshot than was asked for, as those that are newer
 * are damaged, incomplete, flawed or dated in the future. */
enum older { OLDER_TOLD = 1, OLDER_REFUSED, OLDER_UNTOLD };

struct target {
	enum older older;	/* of who opens it */
	struct snapshot snapshot;
	struct tree *tree;
	struct node node;
	char *spec;		/* SNAPSHOT as given */
	const char *path;	/* as given, in the text; "" where none was */
};

#define TARGET_INIT { .older = OLDER_TOLD, .node = NODE_INIT }
#define OWNED_TARGET CLEANUP(target_close)

/*
 * The snapshot that spec names, and a warning where it is an older one than
 * was asked for, or the newest and empty while one before it holds files.  With
 * OLDER_REFUSED that is -EUCLEAN, and the words say how to name either.
 */
int find_snapshot(struct repo *repo, const char *spec, enum older older,
		  struct snapshot *ret, struct err *err);

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
/* -EUCLEAN where the snapshot is incomplete or damaged; does: "restores". */
int target_refuse_partial(const struct target *target, const char *does,
			  struct err *err);

/* Tag it so from now on; value NULL: no more. */
int snapshot_set_tag(struct repo *repo, const struct record *record,
		     const char *key, const char *value, struct err *err);

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
/* The newest good snapshot of a source before one of it, that holds a file. */
struct held_before {
	char name[STAMP_TEXT + 16];	/* "": there is none */
	struct counted held;
};
/* Of record, where that is empty; else there is none. */
int held_before_find(struct repo *repo, const struct record *record,
		     struct held_before *ret, struct err *err);
/* By its name, or as a pattern ('*' also spans '/'). */
bool source_fits(const char *glob, const char *source);
/* Complete, whole, not flawed, shown and not in the future. */
bool snapshot_is_good(const struct snapshot *snapshot);
/* Holds nothing but directories: what a volume that is not mounted looks like. */
static inline bool record_is_empty(const struct record *record)
{
	return record->entries <= record->dirs;
}
/* Is it good where before (NULL: none) is the newest good one before it?  An
 * empty one is not, where that holds something. */
bool snapshot_is_good_after(const struct snapshot *snapshot,
			    const struct record *before);

#endif
