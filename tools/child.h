/*
 * child: a program run to its end for what it prints.
 *
 * It gets no terminal and no input, a session of its own, and a deadline; it
 * and what it started are killed where that passes, or where the user stops
 * varve.  One thread.
 */
#ifndef VARVE_CHILD_H
#define VARVE_CHILD_H

#include "fs/base/buf.h"

struct child_end {
	struct buf out, said;	/* stdout; the end of stderr */
	int status;		/* of exit; -1: a signal, or killed here */
	bool late;		/* killed as its deadline passed */
};
#define OWNED_CHILD CLEANUP(child_end_release)

/*
 * Run argv (NULL-terminated), at most timeout_s seconds.  0: it ended, see
 * *ret; -ENOENT, …: it could not be run; -E2BIG: over out_max bytes of output;
 * -ECANCELED: stopped.
 */
int child_run(const char *const *argv, size_t out_max, int64_t timeout_s,
	      struct child_end *ret, struct err *err);
void child_end_release(struct child_end *end);
/* For what it does: anything but status 0 is -EIO with what it said, and
 * -ETIMEDOUT where its time passed. */
int child_do(const char *const *argv, int64_t timeout_s, struct err *err);

#endif
