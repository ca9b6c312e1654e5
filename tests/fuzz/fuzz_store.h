/*
 * fuzz_store: objects in memory in place of a repo, so that what reads trees
 * can be given objects no store would vouch for.
 *
 * A bundle is objects one after the other, each u16 its length and its bytes;
 * an object refers only to those before it: the first two bytes of an id's
 * hash, modulo what there is, are its number.  Lengths and kinds in ids are
 * put right when a bundle is loaded, as an id proves both.  Chunks are made up
 * from their ids.
 */
#ifndef VARVE_FUZZ_STORE_H
#define VARVE_FUZZ_STORE_H

#include "fs/repo/repo.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_OBJECTS 256u
#define FUZZ_CHUNK_MAX 4096u

struct repo {
	struct buf object[FUZZ_OBJECTS];
	uint32_t count;
	uint32_t gets, gets_max;	/* no more are answered: -EIO */
};

void fuzz_store_load(struct repo *repo, struct span bundle);
void fuzz_store_release(struct repo *repo);
void fuzz_store_id(const struct repo *repo, uint32_t number, struct id *ret);
/* The last object of this type; false where there is none. */
bool fuzz_store_last(const struct repo *repo, enum object_type type,
		     struct id *ret);
/* All objects as a bundle. */
void fuzz_store_bundle(const struct repo *repo, struct buf *ret);
/* Put ids of an object right, number objects being before it. */
void fuzz_store_mend(const struct repo *repo, uint32_t number,
		     struct buf *object);
/* Byte number at of a chunk. */
uint8_t fuzz_chunk_byte(const struct id *id, uint64_t at);

/* The deposit that puts into repo. */
struct deposit {
	struct repo *repo;
};

#endif
