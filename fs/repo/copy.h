/*
 * copy: snapshots of one store put into another.
 *
 * Objects are gone through from the leaves up: a chunk's bytes are put into
 * the other store like any chunk of an add (a hit there was compared), and a
 * metadata object follows with the ids its references got there.  Between
 * stores that share their secret these are the ids they had, and only what the
 * other lacks is written; where other bytes have an id there already, or
 * between stores with secrets of their own, they are others, and nothing else
 * changes.  Knows envelopes only, no trees.
 *
 * A copy says in its record whose copy it is (COPY_OF).  So the objects of an
 * earlier copy and of its original are known pair by pair, and what a later
 * snapshot shares with it is neither read nor compared again.
 *
 * Everything is proved against its hash when it is read, and before the record
 * is published all that it reaches was looked up in the other store.
 *
 * Memory: three id_maps of 48 MiB at most (what does not fit is compared once
 * more), and the bytes of each object on the way down from the root.  One thread; reading ahead and writing
 * go on in others.  After a power cut or a kill the copy is there whole or not
 * at all; what it had sealed is found by the next one.
 */
#ifndef VARVE_COPY_H
#define VARVE_COPY_H

#include "fs/repo/repo.h"

/* Attributes of a copy: id of the original's record in hex (that of the first
 * one, where a copy was copied); path of the store it was copied from. */
#define COPY_OF "copy-of"
#define COPY_FROM "copied-from"
/* Key of the events of type log by which copier_note() notes. */
#define COPIED_EVENT "copied"

struct copier;

struct copy_report {
	uint64_t objects, bytes;	/* read from the first store */
	uint64_t known;			/* known to be there, and not read */
	uint64_t new_objects, new_bytes; /* that the other lacked */
	uint64_t stored_bytes;		/* what it grew by */
	uint64_t read_back;		/* bytes read from it again */
	unsigned tries;
	char damage[1024];	/* of an earlier copy, in words; or empty */
};

struct copy_options {
	int level;		/* as those of a deposit */
	unsigned workers;
	uint64_t min_free;
	bool reread;		/* compare also what earlier copies brought */
	bool read_back;		/* all of the copy is read once more */
	const volatile int *stop;	/* not 0: end with -ECANCELED; NULL */
	/* phase: static words; report as far as it is known. */
	void (*progress)(void *arg, const char *phase,
			 const struct copy_report *report);
	void *arg;
};

/*
 * Between two open stores, which stay the caller's; `to` for writing, unless
 * nothing is copied.  Which snapshots both have is found out here.  options are
 * borrowed.
 */
int copier_new(struct repo *from, struct repo *to,
	       const struct copy_options *options, struct copier **ret,
	       struct err *err);
void copier_free(struct copier *copier);

/* Do the stores share their secret? */
bool copier_is_like(const struct copier *copier);

/* COPY_GONE: it was there, and is not even forgotten any more.  COPY_DAMAGED: it
 * is there, and remembered as damaged. */
enum copy_there {
	COPY_ABSENT = 1,
	COPY_GONE,
	COPY_FORGOTTEN,
	COPY_THERE,
	COPY_DAMAGED,
};
/* Is a copy of record, or what it is a copy of, in the other store?  *ret (may
 * be NULL): its number there. */
enum copy_there copier_has(const struct copier *copier,
			   const struct record *record, uint64_t *ret);
/* Find out anew what the other store has, and what of it is damaged. */
int copier_look_again(struct copier *copier, struct err *err);

/*
 * Note in the other store whose copies it has, so that it is known also when
 * they are pruned there.  Nothing is written where all of it is noted; what was
 * not noted because of a kill is the next time.
 */
int copier_note(struct copier *copier, struct err *err);

/*
 * Copy a snapshot of the first store.  *ret is its record in the other: of the
 * same source, time and facts, and by the same name where that is free; with
 * an id and a number of its own, COPY_OF and COPY_FROM.  One that is damaged is
 * copied if all of it can be read.  Where an earlier copy turns out to be
 * damaged, nothing of it is believed; what is read anew mends it.  report is
 * filled in also on failure.
 *
 * -EALREADY: another process copied it meanwhile, as copier_has() now says.
 * -EBADMSG: an object of either store is damaged, named in the words; nothing
 * of it is there then.  -ECANCELED: stopped.  Else as deposit_commit().
 */
int copier_copy(struct copier *copier, const struct snapshot *snapshot,
		struct record *ret, struct copy_report *report,
		struct err *err);

/*
 * Of a snapshot of the first store that is there in the other (COPY_THERE,
 * COPY_DAMAGED): read and compare all of both, and put into the other what is
 * damaged or missing there, so that the snapshot it has is whole.  What is
 * remembered of it stays the caller's to take back (damage_heal()).  report:
 * new_objects are what was put anew; filled in also on failure.
 *
 * -ENOENT: it is not there.  -EBADMSG: an object of the first store is damaged,
 * or what is there is no copy of this snapshot.  What was put until then stays.
 * -EAGAIN, -ECANCELED, and others as copier_copy().
 */
int copier_heal(struct copier *copier, const struct snapshot *snapshot,
		struct copy_report *report, struct err *err);

#endif
