/*
 * presence: who has the store open, and what each of them may still need.
 *
 * Every process that opens a store makes a small file in open/ and keeps it
 * locked (flock), so it is gone, for all who ask, with the process.  The file
 * tells prune what must stay:
 *
 *   seen   all events up to this one are known to it: of what was forgotten
 *          later it may still read
 *   held   snapshots forgotten before that it still reads (a mount whose
 *          kernel has nodes of them)
 *   adding it writes, and looked at what is condemned after this event
 *   pack   packs it sealed for a snapshot that is not recorded yet
 *
 * A file that is locked and cannot be understood needs everything.  Clocks,
 * host names and numbers of processes play no part; those in the file are
 * for people.  Who cannot make a file (a full disk, no right to write) holds
 * LIVE_NAME shared instead, as older versions do: prune then removes nothing.
 *
 * Byte table: docs/format.md, "Who has it open".  Any thread.
 */
#ifndef VARVE_PRESENCE_H
#define VARVE_PRESENCE_H

#include <pthread.h>

#include "fs/base/disk.h"

#define PRESENCE_DIR "open"
#define PRESENCE_NAME 40
/* Events before any: everything forgotten may still be read. */
#define PRESENCE_NOTHING 0

struct presence {
	struct disk_dir *dir;
	pthread_mutex_t mutex;
	int fd;				/* -1: not there */
	int unseen_fd;			/* LIVE_NAME, shared; -1 */
	char name[PRESENCE_NAME];	/* in open/ */
	/* as written; under mutex */
	bool writer;
	uint64_t seen;
	unsigned adding;		/* how many at once */
	uint64_t adding_seq;		/* of the oldest */
	uint64_t *held;
	size_t held_count;
	uint8_t (*packs)[16];
	size_t pack_count;
};

void presence_init(struct presence *presence, struct disk_dir *dir);
/*
 * Be there, knowing nothing yet.  Before anything else of the store is looked
 * at.  writer: it may make files in tmp/.  A reader that cannot make its file
 * is there unseen.
 */
int presence_join(struct presence *presence, bool writer, struct err *err);
/* Be there unseen, where the store cannot be written; or, where not even that
 * can be (media without locks), not at all. */
void presence_join_unseen(struct presence *presence);
void presence_leave(struct presence *presence);

/* Each writes the file anew.  Unchanged on failure, as far as others see. */
int presence_see(struct presence *presence, uint64_t seen,
		 const uint64_t *held, size_t count, struct err *err);
int presence_begin_adding(struct presence *presence, uint64_t seq,
			  struct err *err);
int presence_add_pack(struct presence *presence, const uint8_t name[16],
		      struct err *err);
/* What was sealed is recorded, or nobody's (once no other add goes on). */
void presence_end_adding(struct presence *presence);

/* Another process. */
struct presence_info {
	bool unknown;			/* its file cannot be understood */
	bool writer, adding;
	uint64_t seen, adding_seq;
	const uint64_t *held;
	size_t held_count;
	const uint8_t (*packs)[16];
	size_t pack_count;
	const char *who;		/* "varve mount, process 17 on host", or "" */
};

/*
 * Every other process that is there (this one's own file is left out); files
 * of those that are gone are removed.  -EBUSY, with words, where somebody may
 * be there unseen.
 */
int presence_each(struct presence *presence,
		  int (*each)(void *arg, const struct presence_info *info,
			      struct err *err),
		  void *arg, struct err *err);

/* The same, for who holds LIVE_NAME alone: nobody comes in, or is unseen. */
int presence_each_seen(struct presence *presence,
		       int (*each)(void *arg,
				   const struct presence_info *info,
				   struct err *err),
		       void *arg, struct err *err);

/* Does info need snapshot `number`, forgotten by event `seq`? */
bool presence_needs(const struct presence_info *info, uint64_t number,
		    uint64_t seq);

#endif
