/*
 * check_internal: the parts of a check.
 *
 *   check_packs.c   packs on disk: their indexes, what the catalog has
 *   check_read.c    their blocks
 *   check_state.c   varve.conf, records and events, both ways
 *   check.c         what snapshots reach, and all in their order
 */
#ifndef VARVE_CHECK_INTERNAL_H
#define VARVE_CHECK_INTERNAL_H

#include "fs/repo/check.h"
#include "fs/repo/id_batch.h"
#include "fs/repo/remember.h"
#include "fs/repo/repo_internal.h"

struct names_set {			/* of packs */
	uint8_t (*name)[16];
	size_t count, cap;
};

struct check {
	struct repo *repo;
	const struct check_options *options;
	struct check_report *report;
	struct id_set *bad;
	struct id_set own_bad;		/* where the caller wants none */
	struct id_set seen;		/* metadata objects walked */
	struct id *stack;
	size_t depth, stack_cap;
	struct id_batch chunks;		/* of the snapshot, to look up */
	struct names_set packs;		/* sealed packs on disk */
	struct names_set named;		/* packs named by records */
	struct names_set whole;		/* read to the end, and sound */
	struct names_set hurt;		/* with a fault; some more than once */
	struct bits reached;		/* packs, by number, snapshots need */
	struct bits suspect;		/* what they reach there is read */
	struct bits told;		/* of them those a fault was told of */
	struct remembered known;
	const char *snapshot;		/* being walked, for sentences */
	const uint8_t *snapshot_id;
	bool lacks;			/* chunks; told */
	uint64_t faults;		/* told */
	uint64_t pack_bytes;		/* of all packs the catalog has */
	uint64_t done, total;
};

void check_fault(struct check *check, enum fault_kind kind, const char *name,
		 const char *fmt, ...) PRINTF(4, 5);

/* The pack of that number, or none any more, has a fault. */
int check_hurt(struct check *check, uint32_t number, struct err *err);

int names_push(struct names_set *set, const uint8_t name[16],
	       struct err *err);
void names_sort(struct names_set *set);
/* set is sorted. */
bool names_have(const struct names_set *set, const uint8_t name[16]);

/* Something in this pack is damaged: told, remembered, suspected. */
int check_pack_fault(struct check *check, const uint8_t name[16],
		     const char *words, struct err *err);
static inline bool check_may_write(const struct check *check)
{
	return !check->options->only_look && !repo_is_readonly(check->repo);
}
/* Keep the first reason why something was not remembered. */
void check_unkept(struct check *check, int r, const struct err *why);

/* check_state.c */
int check_state(struct check *check, struct err *err);
/* check_packs.c: check_state() was there before. */
int check_packs(struct check *check, struct err *err);
/*
 * check_read.c: read each block of the pack, whose index is sound, and prove each
 * object in it; by as many threads as there are processors.  What is found is told
 * in the order of the blocks.  Without a fault the pack is in check->whole.
 */
int check_read_blocks(struct check *check, const struct pack_name *name,
		      const struct pack_index *index, const char *path,
		      struct err *err);

#endif
