/*
 * swap: one directory tree put in the place of another, and back.
 *
 * The new tree is made in a staging directory on the file system of the
 * target: beside it, or inside where the target is the root of a volume,
 * which cannot be renamed.  It holds
 *
 *     about   what it is, for whoever finds it
 *     new/    the new tree, until it is in place
 *     old/    the former tree, from when it was set aside
 *     attributes/   empty: has the attributes of a volume's root as it was
 *     done    there once the swap has come to its end
 *
 * Each function here may be stopped at any point and called again: what is
 * left to do is seen from what lies where.  A name is in old/ or not, in new/
 * or not, and only renames move it; a directory that was exchanged is known
 * by its inode. So what is on disk is neither old nor new only between calls
 * that the caller writes down (docs/design.md, "Push").  All is durable when
 * a call returns.
 *
 * Knows no store and no snapshot.  Follows no symbolic link below the target's
 * directory.  One thread.
 */
#ifndef VARVE_SWAP_H
#define VARVE_SWAP_H

#include <sys/stat.h>

#include "fs/base/buf.h"
#include "fs/base/staging.h"

#define SWAP_ABOUT_MAX 65536
#define LOST_FOUND "lost+found"

struct swap {
	const char *target;	/* absolute, resolved; borrowed */
	const char *name;	/* SWAP_PREFIX and the run's id; borrowed */
	bool entries;		/* the target is the root of a volume */
	bool keep_lost;		/* its lost+found stays where it is */
	int place;		/* the directory with staging and target in it, or
				 * that is the target; -1: not open */
};

/* Open where the staging directory lies or is to lie. */
int swap_open(struct swap *swap, struct err *err);
void swap_close(struct swap *swap);
/* One at a time makes a staging directory there.  -EBUSY: another has been at
 * it for some seconds. */
int swap_lock(struct swap *swap, struct err *err);
void swap_unlock(struct swap *swap);

/* swap.c */
/* Make the staging directory with new/ in it; about is text. */
int swap_claim(struct swap *swap, const char *about, struct err *err);
/* about of the staging directory called name, appended; -ENOENT. */
int swap_read_about(struct swap *swap, const char *name, struct buf *about,
		    struct err *err);
/* Each staging directory there is; is_done: it has come to its end. */
int swap_each(struct swap *swap,
	      int (*each)(void *arg, const char *name, bool is_done,
			  struct err *err), void *arg, struct err *err);
/* "PLACE/NAME/PART" as a path. */
int swap_path(const struct swap *swap, const char *part, struct buf *ret,
	      struct err *err);
/* Is there something called part in the staging directory? */
bool swap_has(struct swap *swap, const char *part);
/* Can two directories here be exchanged at one stroke? */
int swap_can_exchange(struct swap *swap, bool *ret, struct err *err);
/*
 * Of directories that are no root of a volume: the new tree into its place, the
 * former, if there is one, to old/; and back.  new_inode is that of new/.
 */
int swap_whole(struct swap *swap, bool exchange, uint64_t new_inode,
	       struct err *err);
int swap_whole_back(struct swap *swap, bool exchange, uint64_t new_inode,
		    struct err *err);
/* It has come to its end; old/ may be thrown away. */
int swap_finish(struct swap *swap, struct err *err);

/* swap_entries.c: of a volume's root, in this order, and back in the other. */
int swap_set_aside(struct swap *swap, struct err *err);
int swap_put(struct swap *swap, struct err *err);
int swap_set_aside_back(struct swap *swap, struct err *err);
int swap_put_back(struct swap *swap, struct err *err);
/* It stays so: old/ gets the attributes that the root had, with this time. */
struct swap_attributes;
int swap_settle(struct swap *swap, const struct swap_attributes *former,
		struct err *err);

/* swap_remove.c: part (or all, NULL) of the staging directory.  Never leaves
 * its file system. */
int swap_remove(struct swap *swap, const char *part, struct err *err);

/*
 * swap_attributes.c: mode, owner, time and extended attributes of a directory.
 */
struct swap_attributes {
	uint32_t mode, uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t xattrs;	/* a sum over names and values */
};
#define SWAP_ATTRIBUTES_TEXT 128
int swap_attributes_get(int fd, struct swap_attributes *ret, struct err *err);
void swap_attributes_text(const struct swap_attributes *attributes,
			  char out[SWAP_ATTRIBUTES_TEXT]);
int swap_attributes_parse(const char *text, struct swap_attributes *ret);
/* Give to the attributes of from, but for its time. */
int swap_attributes_copy(int from, int to, struct err *err);
int swap_set_mtime(int fd, const struct swap_attributes *attributes,
		   struct err *err);

/*
 * swap_mark.c: what a tree is, but for the bytes in its files: a sum over
 * paths, inodes, types, modes, owners, sizes, times and numbers of names, in
 * any order. It stays when directories are renamed, and changes when anybody
 * writes.  The top itself is not in it.
 */
struct swap_mark {
	uint64_t entries, bytes, sum;
};
#define SWAP_MARK_TEXT 80
/* skip: names at the top that are not looked at, NULL-terminated, or NULL.
 * drop: let go of cached bytes, so that who reads next reads the disk. */
int swap_mark(int fd, const char *const *skip, bool drop,
	      struct swap_mark *ret, struct err *err);
void swap_mark_text(const struct swap_mark *mark, char out[SWAP_MARK_TEXT]);
bool swap_mark_equal(const struct swap_mark *a, const struct swap_mark *b);
int swap_mark_parse(const char *text, struct swap_mark *ret);

#endif
