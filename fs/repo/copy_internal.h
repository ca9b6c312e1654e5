/*
 * copy_internal: what the files of a copy share.
 */
#ifndef VARVE_COPY_INTERNAL_H
#define VARVE_COPY_INTERNAL_H

#include "fs/repo/copy.h"
#include "fs/repo/deposit_internal.h"
#include "fs/repo/id_map.h"

#define COPY_ROOTS 6
#define COPY_TRIES 5		/* where other adds took ids meanwhile */

struct kin {			/* a snapshot, by whose copy it is */
	uint8_t origin[RECORD_ID];
	uint64_t number;
	struct stamp time;
	char *source;
	bool forgotten, damaged;
};

struct kins {
	struct kin *row;
	size_t count, room;
};

/*
 * Whose copies the other store has had, by its events: what was pruned there
 * since has no record that says so.  In the order of ids.
 */
struct noted {
	uint8_t (*row)[RECORD_ID];
	size_t count, room;
};

void noted_release(struct noted *noted);
int noted_load(struct repo *repo, struct noted *noted, struct err *err);
bool noted_has(const struct noted *noted, const uint8_t origin[RECORD_ID]);

struct copier {
	struct repo *from, *to;
	bool like;			/* they share their secret */
	struct copy_options options;
	struct kins here, there;	/* in from, in to */
	struct noted noted;
	struct deposit *deposit;	/* of the snapshot being copied */
	/*
	 * Of a snapshot both have, or of the one being copied: what the object
	 * of `from`, with all below it, is in `to`.  Believed only as long as
	 * no copy failed, for then what it had put may go again.
	 */
	struct id_map metas, chunks;
	struct id_map sound;		/* metadata of `to` that was looked up */
	struct bits learnt;		/* numbers in `to` whose pairs they are */
	bool believing;			/* pairs whose bytes were not compared */
	struct copy_report *report;
};

/* copy_walk.c: the object id of `from`, and all below it, in `to`. */
int copy_object(struct copier *copier, const struct id *id, struct id *ret,
		struct err *err);

/* copy_known.c */

/*
 * All that the snapshot in `to` reaches is found there, or, with read_back,
 * read; -EBADMSG, with words, where it is not.
 */
int copy_look_up(struct copier *copier, const struct record *there,
		 struct err *err);
/* The same, and learn what the objects of its original are in it. */
int copy_learn(struct copier *copier, const struct record *here,
	       const struct record *there, struct err *err);

/* copy.c */
/* One that is shown rather than one that is not; NULL. */
const struct kin *kins_find(const struct kins *kins,
			    const uint8_t origin[RECORD_ID]);
int copy_go_on(struct copier *copier, const char *phase, struct err *err);
/* As repo_get(), with the object and the store in the words; what is missing
 * is -EBADMSG. */
int copy_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err);
/* Pointers to the ids a record has. */
void copy_roots(struct record *record, struct id *roots[COPY_ROOTS]);
/* No pair is believed any more. */
void copy_unlearn(struct copier *copier);
/* What the deposit did so far, into the report. */
void copy_take_stats(struct copier *copier);
/* All of the report but what concerns every try. */
void copy_forget_try(struct copy_report *report);

#endif
