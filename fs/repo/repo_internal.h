/*
 * repo_internal: what the files of fs/repo share.
 */
#ifndef VARVE_REPO_INTERNAL_H
#define VARVE_REPO_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "fs/repo/bits.h"
#include "fs/repo/near.h"
#include "fs/repo/presence.h"
#include "fs/repo/repo.h"
#include "fs/store/block.h"
#include "fs/store/cache.h"
#include "fs/store/pack.h"

#define CONF_NAME "varve.conf"
#define CONF_TYPE "varve-store"
#define LOCK_NAME "lock"	/* the commit lock */
#define PRUNE_NAME "prune"	/* the prune lock */
#define LIVE_NAME "live"	/* presence.h */
#define PRUNE_EVENT "condemn"	/* key of the event before anything goes */
#define CONF_MAX 4096
#define RECORD_MAX (1u << 20)

#define PACK_FDS 128		/* open packs kept, direct-mapped by number */
#define UNPACKERS 16		/* idle decompressors kept */
#define UNPACKER_ROOM_MAX (2u << 20)	/* bytes that one keeps for columns */
#define SCRATCHES 8
#define SCRATCH_MAX (512u << 10)	/* bytes of one that is kept */
#define PREFETCH_QUEUE 64
#define PREFETCH_THREADS 2
/* Cache keys of packs still being written begin here; a catalog never gets
 * that far. */
#define OPEN_PACK_BASE 0xF0000000u
#define PLACES_MAX 8		/* copies of one object that are tried */
#define GET_TRIES 8		/* while prune moves it about */

struct conf {
	uint8_t store_id[16];
	uint8_t seed[ID_SEED];
	unsigned bits;		/* of hash kept in ids */
	char *catalog_dir;	/* NULL: in the store */
	char *group;		/* NULL: none */
	struct buf text;	/* as on disk */
};

struct pack_fd {
	pthread_mutex_t mutex;
	uint32_t pack;
	int fd;			/* -1: none */
	char path[PACK_PATH];	/* of fd, for words */
	unsigned users;
};

struct prefetch_job {
	uint32_t pack, offset, stored;
};

struct repo {
	char *path;
	struct disk_dir dir;
	struct conf conf;
	struct id_key key;
	enum repo_mode mode;
	bool readonly;
	struct presence presence;	/* while presence.dir is set */
	char *catalog_path;
	bool catalog_in_memory;
	struct catalog *catalog;
	struct cache *cache;
	struct near near;
	uint64_t change_mark;		/* under state_mutex */
	pthread_mutex_t state_mutex;

	struct pack_fd fds[PACK_FDS];

	pthread_mutex_t unpack_mutex;
	struct unpacker *unpackers[UNPACKERS];
	struct buf scratch[SCRATCHES];	/* for blocks as they are stored */
	unsigned scratch_count;
	unsigned unpacker_count;

	pthread_mutex_t prefetch_mutex;
	pthread_cond_t prefetch_cond;
	struct prefetch_job prefetch[PREFETCH_QUEUE];
	unsigned prefetch_head, prefetch_count;
	bool prefetch_stop;
	unsigned prefetch_threads;
	pthread_t prefetch_thread[PREFETCH_THREADS];

	uint32_t open_packs;		/* atomic: next OPEN_PACK_BASE key */
};

/* conf.c */
int conf_write(struct conf *conf, struct err *err);
int conf_parse(struct span bytes, struct conf *ret, struct err *err);
void conf_release(struct conf *conf);
/* varve.conf, or the copy in any readable pack where it is damaged. */
int conf_load(struct disk_dir *dir, struct conf *ret, struct err *err);

/* level.c: bring a catalog level with packs, records and state. */
struct level_report {
	uint64_t packs, objects, records, events, damaged_packs;
	bool changed;
	bool every_pack;	/* in: also those no record names */
	bool locked;		/* in: the caller has the commit lock */
};
/*
 * Under the commit lock (taken here unless report->locked, and only where there
 * is news), so that nothing is believed whose maker may yet take it back; and
 * what the catalog is told of is durable first, for the maker may have died
 * before it was.
 */
int level_catalog(struct repo *repo, struct catalog *catalog,
		  struct level_report *report,
		  void (*progress)(void *arg, uint64_t done, uint64_t total),
		  void *arg, struct err *err);
struct told_pack {		/* what a catalog is told of a pack */
	const uint8_t *name;
	bool meta, leans;
	uint64_t size;
	const struct pack_entry *entries;
	size_t count;
};
int level_tell_pack(struct catalog *catalog, const struct told_pack *pack,
		    struct err *err);
/* Read and parse snapshots/<hex of id>. */
int record_load(struct repo *repo, const char *name, struct record *ret,
		struct buf *bytes, struct err *err);

/* repo_get.c */
int repo_get_at(struct repo *repo, const struct place *place,
		const struct id *id, struct held *ret, struct err *err);
struct unpacker *repo_take_unpacker(struct repo *repo, struct err *err);
void repo_give_unpacker(struct repo *repo, struct unpacker *unpacker);
/* Decode a whole block (with its prefix) into *ret. */
int repo_decode_block(struct repo *repo, struct span block,
		      struct cached *ret, struct err *err);
void repo_stop_prefetch(struct repo *repo);
/* Let go of packs that are there no longer. */
void repo_close_removed(struct repo *repo);
void cached_release_parts(struct cached *cached);
/* Find id in a decoded block: its index, or -ENOENT. */
int cached_find(const struct cached *block, uint32_t at,
		const struct id *id);

/* reserve.c: give up the reserve on a full disk (true: there was one); make
 * one where there is none and room enough. */
bool reserve_release(struct repo *repo);
/* Bytes that reserve_release() would make free. */
uint64_t reserve_bytes(struct repo *repo);
void reserve_keep(struct repo *repo);
/* Bytes that a prune needs to begin with, and that nobody else is to take who
 * gave the reserve up. */
uint64_t reserve_last(struct repo *repo);
/* Bytes that must stay free so that one could be made; 0 where one is there. */
uint64_t reserve_wanted(struct repo *repo);

/* repo_open.c: all but the catalog. */
int repo_open_bare(const char *path, enum repo_mode mode, size_t budget,
		   struct repo **ret, struct err *err);

/* repo.c: the commit lock.  fd in *ret_fd, closed to unlock. */
int repo_lock_commit(struct repo *repo, int *ret_fd, struct err *err);
void repo_unlock_commit(int fd);
/* The lock of who removes packs: one at a time, and nobody is waited for.
 * -EBUSY: `who` is at work; -EROFS.  Closed to unlock. */
int repo_lock_prune(struct repo *repo, const char *who, int *ret_fd,
		    struct err *err);
/*
 * A mark in the lock file that a pack is being sealed, or packs removed.  Who
 * gets the lock and finds it knows that the holder before died, or failed,
 * between the rename of a pack and telling the catalog, or between that and
 * removing it: there may be a pack the catalog does not know, and its ids are
 * taken.
 */
int repo_mark_sealing(struct repo *repo, int lock, bool sealing,
		      struct err *err);
bool repo_was_sealing(int lock);
/* As repo_event(), for who has the commit lock. */
int repo_event_locked(struct repo *repo, struct event *event,
		      struct err *err);
/* Who runs this, for records and events; owned by the caller. */
char *repo_host(void);
char *repo_user(void);

#endif
