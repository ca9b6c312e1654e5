/*
 * peel: an input as a stream of plain bytes.
 *
 * For readers of kinds that come packed or not: opens the input (a file, a
 * pipe), takes off the outermost compression in a thread of its own, and lends
 * the bytes.  Hides which compression it is.  Damage is not an error: the bytes
 * end, and peel_why() says so in words.  One thread.
 */
#ifndef VARVE_PEEL_H
#define VARVE_PEEL_H

#include "indexer/reader.h"

#include <sys/stat.h>

struct peel;

/* input, sink and err are borrowed until peel_close(); err takes what stops
 * everything. */
int peel_open(const struct input *input, struct sink *sink,
	      struct peel **ret, struct err *err);
void peel_close(struct peel *peel);

/* The next n bytes, fewer only at the end.  Valid until the next call. */
struct span peel_peek(struct peel *peel, size_t n);
/* Bytes as they lie; none only at the end. */
struct span peel_some(struct peel *peel);
void peel_take(struct peel *peel, size_t n);
/* Negative: the bytes ended because all must stop; err has the words. */
int peel_stopped(const struct peel *peel);
/* Why they ended where they should not; NULL: they did not. */
const char *peel_why(const struct peel *peel);
/* Did other bytes follow the packed data?  At the end. */
bool peel_has_garbage(const struct peel *peel);
/* "gzip"; NULL: it is not packed. */
const char *peel_packing(const struct peel *peel);
/* Of what was opened. */
int peel_stat(const struct peel *peel, struct stat *ret);

/* For probes: what head begins with when it is plain, appended to plain, as far
 * as head has it.  false: head is not packed. */
bool peel_head(struct span head, struct buf *plain);
/* The same of a regular file of which head shows too little. */
bool peel_file_head(const struct input *input, struct buf *plain);

#endif
