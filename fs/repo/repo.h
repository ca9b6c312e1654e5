/*
 * repo: the waist.  Objects by id, snapshots by record, state by event.
 *
 * Hides packs, blocks, the cache and the catalog from all above it; knows no
 * trees and no kinds.  Invariants: top of repo.c.
 *
 * A struct repo may be used from any thread.  Any number of processes may
 * have a store open, write to it and read from it at once.
 */
#ifndef VARVE_REPO_H
#define VARVE_REPO_H

#include "fs/catalog/catalog.h"
#include "fs/repo/object.h"
#include "fs/store/cache.h"

struct repo;

#define REPO_CACHE_DEFAULT (48u << 20)
#define REPO_FORMAT 1

struct repo_init_options {
	const char *catalog_dir;	/* NULL: in the store */
	const char *like;		/* another store whose secret and chunker to share */
	const char *group;		/* group that may read and write; NULL: none */
};

/* Make a store in path (made where missing, must be empty). -EEXIST: it is
 * one already, lies in one, or something else lies there. */
int repo_init(const char *path, const struct repo_init_options *options,
	      struct err *err);

enum repo_mode {
	REPO_READ = 1,		/* never writes but to bring the catalog level */
	REPO_WRITE,
};

/*
 * Open the store at path.  cache_budget: bytes of decoded blocks.  Brings the
 * catalog level with records and state; rebuilds it where it is missing or
 * damaged (a store on read-only media gets one in memory).  -ENOENT: no store
 * there; -ENOTSUP: newer format; -EBADMSG: its varve.conf is damaged and no
 * pack could stand in.
 */
int repo_open(const char *path, enum repo_mode mode, size_t cache_budget,
	      struct repo **ret, struct err *err);
void repo_close(struct repo *repo);

const char *repo_path(const struct repo *repo);
/* 16 bytes. */
const uint8_t *repo_store_id(const struct repo *repo);
const struct id_key *repo_key(const struct repo *repo);
struct disk_dir *repo_dir(struct repo *repo);
/* True: read-only media or mode. */
bool repo_is_readonly(const struct repo *repo);
/* Bytes that an add may take of its disk: what is free there, but for the
 * reserve where that is still to be made. */
int repo_room(struct repo *repo, uint64_t *ret, struct err *err);
/* The catalog, for questions only (list, sql, stats). */
struct catalog *repo_catalog(struct repo *repo);
/* Look for records and events that other processes made.  *ret_changed may be
 * NULL.  Cheap when nothing is new. */
int repo_refresh(struct repo *repo, bool *ret_changed, struct err *err);
/*
 * What a prune must leave to this process: it has seen the events up to
 * `seen` and reads nothing that was forgotten by one of them, but for the
 * snapshots in held (numbers).  As opened: the events of then, none held.
 */
int repo_tell_reading(struct repo *repo, uint64_t seen, const uint64_t *held,
		      size_t count, struct err *err);

/* Reading. */

struct held {			/* an object's bytes, pinned */
	struct span bytes;
	struct cached *block;	/* the decoded block they lie in, or NULL */
	void *own;		/* or a copy of their own (from a deposit) */
	struct repo *repo;
};
#define HELD_INIT { .block = NULL, .own = NULL }
#define OWNED_HELD CLEANUP(held_release)

/*
 * Pin the bytes of id, which were hashed against it.  -ENOENT: the store has
 * no such object (damage, said so); -EBADMSG: every copy is damaged.  With
 * both err->object names it; without, it is the catalog that is damaged.
 * *ret must be empty.
 */
int repo_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err);
void held_release(struct held *held);
/* A second pin on the same bytes (0, or -ENOMEM where they were a copy). */
int held_copy(const struct held *from, struct held *ret);
/* Have the block of id decoded by a worker soon; never fails, may do nothing. */
void repo_prefetch(struct repo *repo, const struct id *id);
/* Where id lies, for reading in disk order; -ENOENT. */
int repo_locate(struct repo *repo, const struct id *id, struct place *ret,
		struct err *err);
/* about() is called by each thread that is to wait for a block; before other
 * calls. */
void repo_on_wait(struct repo *repo, void (*about)(void));
void repo_cache_stats(struct repo *repo, struct cache_stats *ret);

/* Writing: a deposit is one add on its way. */

struct deposit;

struct deposit_options {
	int level;		/* zstd; 0: 3 */
	unsigned workers;	/* compressing threads; 0: as many as processors */
	uint64_t min_free;	/* bytes to leave free on the disk; what a full
				 * disk is pruned with stays free in any case */
	bool use_all;		/* but for this: it makes room, and is what that
				 * is kept for */
};

struct deposit_stats {
	uint64_t chunks, chunk_bytes;		/* put */
	uint64_t new_chunks, new_chunk_bytes;	/* of them not yet stored */
	uint64_t metas, new_metas;
	uint64_t stored_bytes;			/* in packs written */
	uint64_t compared;			/* hits whose bytes were compared */
	uint64_t predicted;			/* chunks decoded before their turn */
	uint64_t collisions;			/* ids taken by other bytes */
	uint64_t blocks, raw_blocks, column_blocks, leaning_blocks;
};

/* -ENOSPC: less than options->min_free is free; it also comes out of later
 * calls, before anything is written that would break it. */
int deposit_begin(struct repo *repo, const struct deposit_options *options,
		  struct deposit **ret, struct err *err);
/* Unfinished business is dropped; sealed packs stay for the next add to find. */
void deposit_free(struct deposit *deposit);

/* How chunks gather into blocks: small files' together (up to 1 MiB), large
 * files' in small blocks (128 KiB; 1 MiB of rows that shrink to little), as they
 * are read at random; those of large files that never change again together
 * (1 MiB), and compressed harder: they stay. */
enum chunk_class { CHUNK_SMALL = 1, CHUNK_LARGE, CHUNK_SEALED };

/*
 * Store chunk (1..CHUNK_MAX bytes, copied) unless it is there, and tell its
 * id.  A hit was compared byte by byte.  One thread at a time for one deposit;
 * compressing and writing go on behind.  An error of those comes out of a
 * later call, at the latest of deposit_commit().
 */
int deposit_chunk(struct deposit *deposit, enum chunk_class class,
		  struct span chunk, struct id *ret, struct err *err);
#define DEPOSIT_LIKES 8
/*
 * Asked only where the chunk is new: chunks of the store that its bytes are
 * likely to be like, at most max; it is compressed against them where that
 * makes it half as long.  How many.
 */
struct deposit_like {
	size_t (*find)(void *arg, struct id *ret, size_t max);
	void *arg;
};
int deposit_chunk_like(struct deposit *deposit, enum chunk_class class,
		       struct span chunk, const struct deposit_like *like,
		       struct id *ret, struct err *err);
/* A chunk of the store that will likely be put soon: it is decoded by others
 * meanwhile.  A help. */
void deposit_expect(struct deposit *deposit, const struct id *id);
/* The same for a finished metadata object; its likes are such objects too, and
 * the first of them are what it is likeliest like. */
#define OBJECT_LIKES 3
int deposit_object(struct deposit *deposit, struct span object,
		   struct id *ret, struct err *err);
int deposit_object_like(struct deposit *deposit, struct span object,
			const struct deposit_like *like, struct id *ret,
			struct err *err);
/*
 * Pin what was put through this deposit or is in the store (tree building
 * reads back lists it wrote).
 */
int deposit_get(struct deposit *deposit, const struct id *id,
		struct held *ret, struct err *err);
void deposit_get_stats(struct deposit *deposit, struct deposit_stats *ret);

/*
 * Make the snapshot exist: all packs sealed and durable, then under the commit
 * lock its number and name drawn, the record published, the catalog told.
 * Fills in record's id, number, name, added, new_bytes, packs; host, user and
 * version where there are none.  A name that is given is kept where it is free
 * and fits the time.  After 0 every process sees it.  After a failure nothing of it is seen;
 * -EAGAIN: another add took an id for other bytes meanwhile: run again.
 */
int deposit_commit(struct deposit *deposit, struct record *record,
		   struct err *err);

/* Choosing snapshots. */

#define PASSED_NAME (STAMP_TEXT + 16)
#define PASSED_TEXT 512

/*
 * What fits as well as the snapshot that was taken, is newer, and was passed
 * over.  Who asked for the newest has got an older one: that is to be said.
 */
struct passed_kind {
	uint64_t count;
	char name[PASSED_NAME];	/* of the newest of them */
};

struct passed {
	struct passed_kind damaged, incomplete, flawed, future;
	char newest[PASSED_NAME];
};

uint64_t passed_count(const struct passed *passed);
/* Is the newest of them damaged or incomplete? */
bool passed_is_partial(const struct passed *passed);
/* "X is damaged, 2 are incomplete, the newest of them Y". */
void passed_describe(const struct passed *passed, char text[PASSED_TEXT]);

/*
 * SOURCE, SOURCE@TIMEPREFIX, SOURCE@-N, SOURCE@KEY=VALUE, id:PREFIX (DESIGN,
 * section 9).  An incomplete, damaged or flawed one only by its own time or id; nor
 * is one dated in the future the newest.  *passed (NULL: nobody is told): none
 * where the snapshot was named by its own time or id.
 * -ENOENT with the nearest that there are in the hint, and in *passed; -EINVAL:
 * ambiguous or malformed.
 */
int repo_find_snapshot(struct repo *repo, const char *spec,
		       struct snapshot *ret, struct passed *passed,
		       struct err *err);
/* Of a source without snapshots: hint at those below it, or at 'varve list'.
 * Gives the code of err. */
int repo_hint_below(struct repo *repo, const char *source, struct err *err);
/*
 * The same for who does what is not to befall another one by mistake: it must be
 * named by id, or by its time from the date on, or an attribute, where that fits
 * no other.  -EINVAL: SOURCE alone, @latest, @-N and a shorter time name none, nor
 * does what fits several; the hint has the names in full.
 */
int repo_find_named(struct repo *repo, const char *spec,
		    struct snapshot *ret, struct err *err);
/* The newest good one of source; -ENOENT. */
int repo_latest(struct repo *repo, const char *source, struct snapshot *ret,
		struct err *err);

/* State. */

/* Publish an event (seq, at, host, user filled in) and apply it. */
int repo_event(struct repo *repo, struct event *event, struct err *err);
/* The same with count of them, in order; the catalog is told of many at once.
 * *ret_done: how many hold, also after a failure.  -ENOSPC also where the last room
 * would be taken, which a prune needs. */
int repo_events(struct repo *repo, struct event *events, size_t count,
		size_t *ret_done, struct err *err);

/* Keeping. */

/* What goes on, for progress: done of total snapshots, bytes, packs. */
enum prune_phase { PRUNE_MARK = 1, PRUNE_REPACK, PRUNE_REMOVE };

#define PRUNE_NO_LIMIT UINT64_MAX

struct prune_options {
	bool dry_run;		/* only look, and report what would be done */
	/* of a dry run: snapshots to take for forgotten, numbers ascending */
	const uint64_t *as_forgotten;
	size_t as_forgotten_count;
	bool force;		/* also where most of the store would go */
	/* Unused bytes that may stay in packs that are in use: a share of all
	 * that is used, or bytes where that is not PRUNE_NO_LIMIT. */
	double max_unused_share;
	uint64_t max_unused;
	uint64_t max_repack;	/* bytes to write anew at most */
	const volatile int *stop;	/* not 0: end soon, with what is done; NULL */
	void (*progress)(void *arg, enum prune_phase phase, uint64_t done,
			 uint64_t total);
	void *arg;
};

struct prune_report {		/* all in bytes of packs, as stored */
	uint64_t bytes_before;
	uint64_t snapshots;		/* that stay */
	uint64_t snapshots_removed;	/* forgotten ones, for good */
	uint64_t snapshots_held;	/* forgotten ones somebody still reads */
	uint64_t unreachable;		/* bytes no snapshot needs */
	uint64_t packs_removed, bytes_removed;
	uint64_t packs_repacked, bytes_repacked;	/* of them; written anew */
	/* What is unreachable and stays: because somebody who adds began
	 * before it was; in packs that are in use. */
	uint64_t packs_waiting, bytes_waiting;
	uint64_t unused;
	/* Packs that were to be written anew and stayed, as there is no room to
	 * write what is needed of them; what they would give back; how much
	 * must be free for the largest, and how much is. */
	uint64_t packs_short, bytes_short, room_needed, room;
	uint64_t missing;		/* chunks that snapshots need and are nowhere */
	uint64_t packs_damaged;		/* that could not be written anew */
	bool over_half;			/* would go, and force was not given */
	bool stopped;
	char waits_for[256];		/* who, or empty */
};

/*
 * Remove what no snapshot needs: packs in which nothing is alive, and by
 * writing what is alive anew those of which much is not (most first, within
 * the limits).  Adds, mounts and readers go on meanwhile.  Forgotten snapshots
 * end here, but for those that somebody still reads.  What is done is done,
 * whatever happens: the next one goes on from there.
 *
 * -EBUSY: another prune, or somebody who does not tell what he needs; -EPERM:
 * over half of all bytes would go, and force is not set (the report says how
 * many); -EBADMSG, -ENOENT: a snapshot's metadata is damaged, so that nothing
 * can be removed.  report is filled in also on failure.
 */
int repo_prune(struct repo *repo, const struct prune_options *options,
	       struct prune_report *report, struct err *err);

struct rebuild_report {
	uint64_t packs, objects, records, events, damaged_packs;
};
/* A new catalog from packs' indexes, records and state; the old one is
 * replaced when the new one is whole. */
int repo_rebuild(const char *path, struct rebuild_report *report,
		 void (*progress)(void *arg, uint64_t done, uint64_t total),
		 void *arg, struct err *err);

#endif
