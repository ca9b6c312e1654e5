/*
 * self: another command of this program, run as a child.
 *
 * What an add promises (a failed producer makes no good backup; one that is
 * stopped leaves nothing) holds of each by itself, and one that fails takes no
 * other with it.  What it prints is printed.  One thread.
 */
#ifndef VARVE_SELF_H
#define VARVE_SELF_H

#include <limits.h>

#include "fs/base/buf.h"

#define WORDS_MAX 4096

struct words {
	const char *list[WORDS_MAX];	/* NULL-terminated; borrowed */
	size_t count;
};

/* Append word; NULL, and what is too much, is left out. */
void words_put(struct words *words, const char *word);

/* The path of this program. */
int self_find(char out[PATH_MAX], struct err *err);
/* Run words to its end: its exit status; -ECANCELED where the user stopped
 * it. */
int self_run(const struct words *words, struct err *err);

#endif
