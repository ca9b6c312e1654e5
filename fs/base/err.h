/*
 * err: what went wrong, in words, on its way to the user.
 *
 * Every function that can fail returns 0 or a negative errno and takes a
 * struct err on the caller's stack as its last parameter.  The words are set
 * once, where the failure is first seen, and wrapped on the way up with what
 * the caller was doing.  Prints nothing.  err may be NULL everywhere.
 */
#ifndef VARVE_ERR_H
#define VARVE_ERR_H

#include <errno.h>
#include <stdarg.h>

struct err {
	int code;	   /* the negative errno, 0 while nothing is wrong */
	char text[1024];   /* "cannot read 'X': Input/output error" */
	char hint[512];	   /* what to do next; empty when there is no advice */
	char object[48];   /* hex of the id of what is damaged, where that is
			    * known; goes with the next err_set() */
};

#define ERR_INIT { .code = 0 }
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Set code (negative errno) and words; clears the rest.  Returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/*
 * As err_set() with the present errno: ": " and its strerror() are appended.
 * Returns -errno (-EIO where errno is 0).
 */
int err_sys(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* The one door for "these bytes are damaged".  Returns -EBADMSG. */
int err_corrupt(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* Out of memory.  Returns -ENOMEM. */
int err_nomem(struct err *err);

/* Put "words: " before what err says; code stays.  Returns err's code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* Say what to do next.  Returns err's code. */
int err_hint(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif
