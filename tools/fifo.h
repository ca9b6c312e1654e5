/*
 * fifo: a FIFO by its name, opened for reading.
 *
 * Opening one waits until somebody opens it for writing, which may be never:
 * so who waits says so, and can be stopped.  Sets SIGALRM and the interval
 * timer while it waits.  One thread.
 */
#ifndef VARVE_FIFO_H
#define VARVE_FIFO_H

#include "fs/base/err.h"

/* *ret_fd is the caller's.  -ECANCELED: stopped (tool.h) meanwhile. */
int fifo_open(const char *path, int *ret_fd, struct err *err);

#endif
