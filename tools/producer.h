/*
 * producer: a command whose output is the backup (varve add --command).
 *
 * A backup whose producer failed must never pass for whole, so how it ended
 * is asked before the snapshot is committed.  One at a time, one thread.
 */
#ifndef VARVE_PRODUCER_H
#define VARVE_PRODUCER_H

#include "fs/base/buf.h"

struct producer {
	long pid;		/* 0: none runs */
	int fd;			/* its output */
	const char *name;	/* as it was called, borrowed */
	char why[256];		/* how it failed; empty: it did not */
};

/* Start argv (NULL-terminated), its stdout in producer->fd. */
int producer_start(struct producer *producer, char *const *argv,
		   struct err *err);
/*
 * Take what is left of its output, wait for its end.  NULL where it exited
 * with 0, else why not ("command 'tar' exited with status 2"), borrowed from
 * it.  May be called again.
 */
const char *producer_end(struct producer *producer);
/*
 * As producer_end() where it ends by itself within a few seconds while its
 * output is thrown away; NULL also where it does not, or is not known to have
 * failed by itself.
 */
const char *producer_failure(struct producer *producer);
/* Stop it where it still runs, and close all. */
void producer_release(struct producer *producer);
/* The command as one line of words. */
void producer_words(char *const *argv, struct buf *ret);

#endif
