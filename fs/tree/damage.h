/*
 * damage: which files of which snapshots suffer from objects that cannot be
 * read, and what of it is remembered.
 *
 * Takes the ids of such objects, from a check, and walks every snapshot, each
 * distinct directory that is whole once for all of them.  Chunks are not read.
 * Memory grows with the number of distinct directories and lists: 24 bytes
 * each, twice over.
 *
 * One thread.
 */
#ifndef VARVE_DAMAGE_H
#define VARVE_DAMAGE_H

#include "fs/repo/id_set.h"
#include "fs/repo/remember.h"
#include "fs/tree/tree.h"

enum damage_part {
	DAMAGE_FILE = 1,	/* bytes of a file */
	DAMAGE_XATTR,		/* an extended attribute of an entry */
	DAMAGE_DIR,		/* entries of a directory and all below them */
	DAMAGE_LINKS,		/* which names are one file: listing fails */
	DAMAGE_ORIGIN,		/* what the next add compares with */
	DAMAGE_VIEW,		/* the original stream */
	DAMAGE_NOTES,		/* warnings of the add */
	DAMAGE_ROWS,		/* what it tells the catalog of its kind */
};
const char *damage_part_name(enum damage_part part);

struct damage {
	const struct snapshot *snapshot;
	enum damage_part part;
	const char *path;	/* below the root; "" for it, and where the
				 * part is of no path */
	const char *words;	/* "its bytes, from byte 0 of 1000 on" */
	const struct id *ids;	/* what cannot be read, at most */
	size_t count;		/* DAMAGE_KEYS_MAX of them */
	bool more;		/* than these */
};

struct damage_report {
	uint64_t places;	/* told */
	uint64_t snapshots;	/* that have any, forgotten ones as well */
	uint64_t remembered;	/* notes that are new */
	uint64_t healed;	/* snapshots that are whole again */
	struct err unkept;	/* why something was not remembered */
};

struct damage_options {
	bool bad_is_all;	/* no object beside these is damaged, so a
				 * snapshot that needs none of them is whole */
	bool only_look;		/* nothing is remembered, nor healed */
	void (*each)(void *arg, const struct damage *damage);	/* or NULL */
	void *arg;
};

/*
 * Tell each place in which a snapshot, forgotten ones as well, needs an object
 * of bad (objects that turn out so are added), and remember it where the store
 * can be written: each object by itself, up to DAMAGE_KEYS_MAX for a snapshot,
 * the rest as one.  Places come one source after the other, by time.
 */
int damage_find(struct repo *repo, struct id_set *bad,
		const struct damage_options *options,
		struct damage_report *report, struct err *err);

/*
 * Take back what is remembered of objects that can be read again, and of
 * snapshots in which all can: of these the metadata is read, and chunks that
 * lie in packs known to be damaged.  Nothing is read where nothing is
 * remembered.
 */
int damage_heal(struct repo *repo, uint64_t *ret_healed, struct err *err);

/*
 * Remember what err says of a snapshot, met while it was read, if it is of a
 * damaged object (err->object) and not known yet; path for the words.  Where
 * it cannot be remembered nothing happens: what was met was told.
 */
void damage_note(struct repo *repo, const struct record *record,
		 const char *path, const struct err *met);

#endif
