/*
 * mounts: what is mounted here, as /proc/self/mountinfo tells it.
 *
 * Lines it cannot read are passed over.  Any thread.
 */
#ifndef VARVE_MOUNTS_H
#define VARVE_MOUNTS_H

#include <sys/types.h>

#include "fs/base/buf.h"

struct mount_row {
	const char *place;	/* where it is mounted */
	const char *root;	/* of it, what is: "/", or a directory (bind) */
	const char *type;	/* of file system: "ext4", "fuse.varve" */
	const char *source;	/* "/dev/sda1", "host:/export" */
};

/* The topmost mount on a place comes last.  each's non-zero result ends it
 * and is returned. */
int mounts_each(int (*each)(void *arg, const struct mount_row *row,
			    struct err *err), void *arg, struct err *err);
/* Does path lie below dir (both absolute and resolved), or is it that? */
bool path_is_in(const char *path, const char *dir);

#endif
