/*
 * child: a program run to its end for what it prints.
 *
 * It gets no terminal, a session of its own, and a deadline; it and what it
 * started are killed where that passes, or where the user stops varve.  What it
 * reads is nothing, or is written to it piece by piece while what it prints is
 * taken, so that neither waits for the other for good.  One thread.
 */
#ifndef VARVE_CHILD_H
#define VARVE_CHILD_H

#include <sys/types.h>

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

struct child_how {
	size_t out_max;
	int64_t timeout_s;
	bool idle;	/* the time in which nothing is read or written */
	bool input;	/* child_put() is what it reads; else nothing */
	bool past_stop;	/* it ends by itself also where varve is stopped */
};

struct child {
	struct child_how how;
	pid_t pid;
	int in, out, said;	/* -1: at its end */
	struct child_end *end;
	int64_t until_ms;
};
#define CHILD_INIT { .pid = 0, .in = -1, .out = -1, .said = -1 }
#define OWNED_RUNNING CLEANUP(child_kill)

/* ret: borrowed until the child has ended.  Errors as of child_run(). */
int child_start(const char *const *argv, const struct child_how *how,
		struct child *child, struct child_end *ret, struct err *err);
/* Write all of it.  -EPIPE: it reads no more; -ETIMEDOUT: its deadline passed.
 * Either way child_finish() tells more. */
int child_put(struct child *child, struct span bytes, struct err *err);
/* No more input; await its end.  As child_run(). */
int child_finish(struct child *child, struct err *err);
/* All three, with input where how says so. */
int child_feed(const char *const *argv, const struct child_how *how,
	       struct span input, struct child_end *ret, struct err *err);
/* Kill it, if it runs. */
void child_kill(struct child *child);

#endif
