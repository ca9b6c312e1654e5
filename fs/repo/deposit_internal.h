/*
 * deposit_internal: an add on its way, between the thread that puts and the
 * workers that compress and write.
 *
 * Objects gather in the open block of their lane.  A full block is queued;
 * a worker encodes it and appends it, in the order of queueing, to the lane's
 * open pack.  A full pack is sealed and told to the catalog under the commit
 * lock, so a killed add leaves whole packs the next one finds its chunks in.
 * Until then its objects are found through `table`.
 */
#ifndef VARVE_DEPOSIT_INTERNAL_H
#define VARVE_DEPOSIT_INTERNAL_H

#include "fs/repo/repo_internal.h"

#define WORKERS_MAX 16
#define BLOCK_SMALL (1u << 20)		/* plain bytes: small files' chunks */
#define BLOCK_LARGE (128u << 10)	/* chunks of large files */
#define BLOCK_ROWS_LARGE (1u << 20)	/* the same, of dense rows */
#define BLOCK_SEALED (1u << 20)		/* chunks of large files for ever */
#define BLOCK_LEANING (128u << 10)	/* chunks to be compressed against others */
#define LIKES_MAX 16u			/* of such a block: reading it reads them */
#define META_LIKES_MAX 32u		/* they are short */
#define BLOCK_META (128u << 10)
#define LEVEL_SEALED 5			/* at least */
#define PACK_LEAST (16u << 20)		/* bytes that make a pack */
#define PACK_MOST (64u << 20)
#define PACK_OBJECTS (128u << 10)	/* or so many: its index is held in memory */
#define PACKS_WANTED 4096		/* from here on packs of data get larger */

enum lane_kind {
	LANE_SMALL, LANE_LARGE, LANE_SEALED, LANE_LEANING, LANE_META,
	LANE_META_LEANING, LANES
};
enum file_kind { FILE_DATA, FILE_META, FILES };

struct pend {				/* an object not in the catalog yet */
	struct id id;
	uint32_t at;
	struct block_job *block;
	struct pend *next;		/* in its slot of the table */
};

struct block_job {
	struct block_job *next;		/* in the queue, then in its pack */
	enum file_kind file;
	int level;
	uint64_t target;		/* plain bytes */
	uint64_t ticket;		/* order of appending to its file */
	struct buf plain;		/* empty once it is written */
	struct pend **pends;
	uint32_t count, cap;
	struct id likes[META_LIKES_MAX];	/* what they may lean on */
	uint32_t like_count;
	bool is_dense;			/* rows that need none */
	struct open_pack *pack;		/* once written */
	uint32_t offset, stored;
};

struct open_pack {
	struct pack_writer *writer;
	uint32_t cache_key;		/* OPEN_PACK_BASE + n */
	struct block_job *blocks;	/* written into it */
	uint64_t objects;
};

struct lane_file {			/* data or meta */
	struct open_pack *pack;		/* NULL: begun with the next block */
	uint64_t tickets;		/* drawn */
	uint64_t turn;			/* the ticket that may append */
};

struct deposit {
	struct repo *repo;
	int level;
	unsigned workers;		/* that were started */
	pthread_t thread[WORKERS_MAX];

	/* of the putting thread only */
	struct block_job *open[LANES];
	struct bits condemned;		/* packs not to be counted on */
	bool present;			/* told that it adds */
	uint64_t min_free;
	uint64_t data_pack_bytes;
	bool moving;			/* of a prune: all it puts is stored */
	struct deposit_stats stats;
	uint8_t (*packs)[16];		/* names sealed; under mutex */
	size_t pack_count;

	pthread_mutex_t mutex;
	pthread_cond_t work;		/* something queued, or stop */
	pthread_cond_t done;		/* something appended or failed */
	/* all below under mutex */
	struct bits hits;		/* packs with hits */
	struct block_job *queue, **queue_tail;
	unsigned queued;		/* waiting or being encoded */
	unsigned sealing;		/* packs being sealed by workers */
	bool stop;
	struct lane_file file[FILES];
	struct pend **table;
	size_t slots, pend_count;
	uint64_t stored_bytes, blocks, raw_blocks, column_blocks;
	uint64_t leaning_blocks;
	int failed;			/* first error of a worker */
	struct err failure;
	uint64_t mark;			/* under the commit lock: catalog as we left it */
};

/* deposit_write.c */
int deposit_start_workers(struct deposit *deposit, unsigned count,
			  struct err *err);
void deposit_stop_workers(struct deposit *deposit);
int deposit_queue(struct deposit *deposit, struct block_job *job,
		  struct err *err);
/* Would more bytes leave min_free? */
int deposit_check_room(struct deposit *deposit, uint64_t more,
		       struct err *err);
/* deposit.c: everything open is queued, written and sealed. */
int deposit_drain(struct deposit *deposit, struct err *err);
/* Wait for the queue, then seal the packs that are left. */
int deposit_finish_files(struct deposit *deposit, struct err *err);
void block_job_free(struct block_job *job);
void open_pack_free(struct open_pack *pack);

/* Of a chunk of len bytes that lay in a block of plain: those that gathered with
 * others in a large one do so again; a long one of a large file has its own. */
static inline enum chunk_class class_in_block(uint32_t len, size_t plain)
{
	return plain > BLOCK_LARGE && len < plain ? CHUNK_SMALL : CHUNK_LARGE;
}

/*
 * Store a stored object once more, for a prune that removes the other copy;
 * block: plain length of the block it lay in, so that it comes to lie among
 * its kind.  On a deposit that is used for nothing else.
 */
int deposit_move(struct deposit *deposit, const struct id *id,
		 struct span bytes, uint32_t block, struct err *err);

/* deposit.c: how many bytes make a pack.  In builds with faults VARVE_PACK may
 * say another number, for tests that want many packs of little data. */
uint64_t deposit_pack_bytes(const struct deposit *deposit,
			    enum file_kind file);

/* deposit.c: under mutex */
void deposit_forget_block(struct deposit *deposit, struct block_job *job);

/* deposit_like.c */
/* What the block of job can be compressed against, their bytes in prefix.  0
 * also where there is nothing, or nothing that can be read. */
struct prefix {
	struct id ids[BLOCK_PREFIX_MAX];
	uint32_t count;
	struct buf bytes;
};
int deposit_gather_prefix(struct deposit *deposit,
			  const struct block_job *job, struct prefix *ret,
			  struct err *err);
/* An object at place, of a pack that this deposit then counts on.  1; 0: it is
 * not to be counted on. */
int deposit_count_on(struct deposit *deposit, const struct place *place,
		     struct err *err);

/* commit.c */
int deposit_seal(struct deposit *deposit, struct open_pack *pack,
		 enum file_kind file, struct err *err);
/* Bytes of a pend whose block may be in memory or written, appended to buf. */
int pend_read(struct deposit *deposit, const struct pend *pend,
	      struct held *ret, struct err *err);

#endif
