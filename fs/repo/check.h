/*
 * check: what is promised compared with what is there.
 *
 * Packs are read (their indexes, and as much of their blocks as is asked for),
 * and the catalog is asked for each object; records and events are parsed and
 * compared with the catalog both ways; then everything a record reaches is
 * looked up, each metadata object once and read.  Packs that are remembered as
 * damaged are read block by block, whatever else is, and chunks in packs that
 * were found damaged are read as well, so that it is known of each object
 * whether any copy of it can be had.  So a check that reads no data tells the
 * same of known damage as one that does.
 *
 * Knows objects, no names: fs/tree/damage.h tells which files are hurt.
 * Memory grows with the number of metadata objects: 24 bytes each, twice over.
 *
 * One at a time for one struct repo; the store may be used meanwhile.
 */
#ifndef VARVE_CHECK_H
#define VARVE_CHECK_H

#include "fs/repo/id_set.h"
#include "fs/repo/repo.h"

#define CHECK_BAD_MAX (1u << 20)	/* bad objects told by id */

enum fault_kind {
	FAULT_CONF = 1,		/* varve.conf is damaged or gone */
	FAULT_CATALOG,		/* damaged, or lacks what there is */
	FAULT_RECORD,		/* name: a file in snapshots/ that is damaged */
	FAULT_RECORD_LOST,	/* name: one that only the catalog has */
	FAULT_EVENT,		/* the same in state/ */
	FAULT_EVENT_LOST,
	FAULT_PACK,		/* name (hex): header, index or a block */
	FAULT_PACK_LOST,	/* name: only the catalog has it */
	FAULT_STRAY,		/* name: a path in packs/ that is no pack's */
	FAULT_OBJECT,		/* name: an id; no copy of it can be read */
	FAULT_OBJECT_LOST,	/* name: one that lies in no pack */
};
#define FAULT_KINDS (FAULT_OBJECT_LOST + 1)

struct fault {
	enum fault_kind kind;
	const char *name;	/* by kind, else "" */
	const char *words;	/* a sentence for the user */
};

struct check_options {
	bool read_data;		/* blocks as well: all, or of all packs' bytes */
	double share;		/* this share (0: not asked) */
	uint64_t bytes;		/* or so many (0: not asked), from behind where
				 * the last such check ended, round and round */
	bool only_look;		/* nothing is remembered, nor healed */
	void (*fault)(void *arg, const struct fault *fault);	/* or NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* or NULL */
	void *arg;
	struct id_set *bad;	/* those no copy of can be read; or NULL */
};

struct check_report {
	uint64_t packs, objects, snapshots, bytes_read;
	uint64_t readers;	/* threads that read blocks at once, at most */
	uint64_t packs_read;	/* block by block, as was asked for */
	uint64_t told[FAULT_KINDS];	/* faults, by their kind; of a pack as
					 * many as there are in it */
	uint64_t hurt_packs;	/* damaged or missing; each once */
	uint64_t hurt_objects;	/* that snapshots need, and no copy of which
				 * can be read */
	uint64_t errors;	/* things damaged or missing: these two, and
				 * what was told of all that is neither */
	uint64_t orphans;	/* packs no snapshot needs (unfinished adds) */
	uint64_t healed;	/* keys of damage that are whole again */
	bool blind;		/* the catalog is damaged: that is all that was
				 * looked at */
	bool more_bad;		/* over CHECK_BAD_MAX: bad is not all */
	struct err unkept;	/* why what was found could not be remembered */
};

/*
 * Compare all of it.  Each fault is told once.  What is damaged or whole again
 * is remembered (remember.h), and how far a partial reading got, where the
 * store may be written.  0 also where errors > 0: the report tells.
 */
int repo_check(struct repo *repo, const struct check_options *options,
	       struct check_report *report, struct err *err);

/* Was anything told that a repair sets right, or moves out of the way? */
bool check_wants_repair(const struct check_report *report);

#endif
