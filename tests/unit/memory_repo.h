/*
 * memory_repo: a repo and a deposit in memory, for the tests of what stands
 * above them.  Ids are the real ones; what is put is there at once.
 */
#ifndef VARVE_MEMORY_REPO_H
#define VARVE_MEMORY_REPO_H

#include "fs/repo/repo.h"

struct memory_counts {
	uint64_t objects, object_bytes;	/* metadata objects, distinct */
	uint64_t chunks, chunk_bytes;
	uint64_t gets;
	int64_t pins;			/* held and not released */
};

struct repo *memory_repo_new(uint8_t seed);
void memory_repo_free(struct repo *repo);
struct deposit *memory_deposit(struct repo *repo);
const struct memory_counts *memory_counts(const struct repo *repo);

/* All metadata objects in the order in which they came. */
size_t memory_objects(const struct repo *repo);
const struct id *memory_object(const struct repo *repo, size_t index);
/* The bytes that will be given for id from now on, whatever it proves;
 * back to its own with an empty span. */
void memory_pose(struct repo *repo, const struct id *id, struct span bytes);
/* Let puts fail (-ENOSPC) after n more of them; negative: never. */
void memory_fail_after(struct repo *repo, int n);

#endif
