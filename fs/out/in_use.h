/*
 * in_use: which processes have something of a directory open.
 *
 * Asks /proc: working and root directories, programs, open files, mapped files.
 * Of a whole volume also processes that see it under another path (containers)
 * are found, by its device; of a directory in one only those that see it under
 * this path.  Who is not root sees its own processes alone.  Any thread.
 */
#ifndef VARVE_IN_USE_H
#define VARVE_IN_USE_H

#include <sys/types.h>

#include "fs/base/buf.h"

struct in_use {
	const char *path;	/* absolute, resolved */
	bool volume;		/* a whole file system: all of dev is meant */
	dev_t dev;
	int failed;		/* an errno amid it */
	unsigned count;		/* of processes, but for this one */
	char first[256];	/* "postgres (4711): /srv/db/base/1" */
};

int in_use_find(struct in_use *in_use, struct err *err);

#endif
