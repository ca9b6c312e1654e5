/*
 * fuzz: what the harnesses share: a mutator that keeps checksums true, random
 * numbers that repeat, and the word for "this must never be".
 *
 * A harness is LLVMFuzzerTestOneInput() and fuzz_change(), which changes an
 * input and then puts right what guards it (sums, lengths), so that a change
 * reaches the parser behind the guard.  One input in sixteen is changed
 * without that, so that the guards are tried too.  docs/fuzzing.md.
 */
#ifndef VARVE_FUZZ_H
#define VARVE_FUZZ_H

#include "fs/base/buf.h"
#include "fs/base/disk.h"

#define FUZZ_CHECK(cond) \
	((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond))
/* Says what does not hold and aborts: a find. */
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

struct fuzz_rng {
	uint64_t state;
};
uint64_t fuzz_random(struct fuzz_rng *rng);
/* 0 .. n-1; n > 0. */
uint32_t fuzz_below(struct fuzz_rng *rng, uint32_t n);
/* True seven times of eight: do the right thing, mostly. */
bool fuzz_mostly(struct fuzz_rng *rng);
/* A number that depends on the bytes alone, for choices in a test. */
struct fuzz_rng fuzz_rng_of(struct span bytes);

/* Of the harness: change data[0..len) in place, at most max bytes after;
 * the new length. */
size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng);

/* libFuzzer's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
			       unsigned seed);

/* Change the bytes of buf, which may grow to max. */
void fuzz_change_buf(struct buf *buf, size_t max);
/* Copy buf to data where it fits into max: its length; else len. */
size_t fuzz_take(const struct buf *buf, uint8_t *data, size_t len,
		 size_t max);

/* A store's directories below /tmp, made at the first call, gone at exit. */
struct disk_dir *fuzz_dir(void);

/* fuzz_kv_mend.c: for kv documents. */
size_t fuzz_kv_change(uint8_t *data, size_t len, size_t max,
		      struct fuzz_rng *rng);

/* fuzz_block_mend.c: for blocks, alone and in packs. */
void fuzz_block_change(struct buf *block, size_t max, struct fuzz_rng *rng);
/* Bytes that prefixes (disk ids, one after the other) ask for. */
void fuzz_prefix(struct span prefixes, struct buf *ret);

#endif
