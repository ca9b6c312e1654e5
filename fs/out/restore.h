/*
 * restore: a tree, or a part of one, back into a directory.
 *
 * Everything below the target is opened name by name from it, no symbolic
 * link followed, so nothing on the target can lead outside (and no openat2() is
 * needed, which kernels before 5.6 and some containers lack).
 * Writes only what differs; files are written beside and renamed, holes and
 * hard links kept, directory times last, all synced before it says done.
 */
#ifndef VARVE_RESTORE_H
#define VARVE_RESTORE_H

#include "fs/tree/tree.h"

/* Of the directory that is restored itself, and of all in it. */
struct restore_owner {
	uint32_t top_uid, top_gid, uid, gid;
};

struct restore_options {
	const char *target;
	bool delete;			/* remove what the snapshot has not */
	bool dry_run;
	bool no_sync;			/* for benchmarks and scratch copies */
	bool verify_only;		/* read and hash all, write nothing */
	bool owner_names;		/* owners by name where it is known here */
	bool no_owner;			/* implied where not root */
	const struct restore_owner *owner;	/* or NULL: the snapshot's */
	bool checksum;			/* compare bytes also where size and mtime agree */
	unsigned workers;		/* 0: by processors */
	const char *const *include;	/* globs on paths; none: all */
	size_t include_count;
	const char *const *exclude;
	size_t exclude_count;
	/* one line a change (dry run and -v): '+' made, '~' changed, '-' deleted */
	void (*change)(void *arg, char sign, const char *path);
	void (*warn)(void *arg, const char *sentence);
	/* a path whose damaged object err names; one call at a time, or NULL */
	void (*damaged)(void *arg, const char *path, const struct err *err);
	void (*progress)(void *arg, uint64_t files, uint64_t bytes,
			 uint64_t total_files, uint64_t total_bytes);
	void *arg;
	volatile int *stop;
};

struct restore_report {
	uint64_t entries, files, bytes;		/* in the part restored */
	uint64_t written_files, written_bytes, meta_changed, deleted, same;
	uint64_t failed;			/* entries not restored: exit 3 */
};

/*
 * Restore node (of tree) to options->target: a directory's contents go into
 * target (made where missing); any other node becomes target itself, or an
 * entry in it where target is a directory.  0 also where single entries
 * failed: the report tells.
 */
int restore(struct tree *tree, const struct node *node,
	    const struct restore_options *options,
	    struct restore_report *report, struct err *err);

#endif
