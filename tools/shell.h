/*
 * shell: a command of the user's, run by sh -c until its end or a deadline.
 *
 * In a process group of its own, so that Ctrl-C at the terminal does not cut
 * short what stops or starts a service, and so that all of it can be ended.
 * What it prints goes to stderr; it is given nothing to read.  One at a time.
 */
#ifndef VARVE_SHELL_H
#define VARVE_SHELL_H

#include <stdbool.h>

#include "fs/base/err.h"

/* what names it in messages.  -ETIMEDOUT: ended after ms; -EIO: it failed. */
int shell_run(const char *what, const char *command, int ms, struct err *err);
/* The same, and fd stays open in it: what is locked by fd is so until all that it
 * started has ended, whatever becomes of this process. */
int shell_run_with(int fd, const char *what, const char *command, int ms,
		   struct err *err);

#endif
