/*
 * mounting: a file system mounted somewhere for a while, and unmounted.
 *
 * By mount(8) and umount(8), which know what each file system wants, or by a
 * command of the user's.  Each may be called again: it looks what is done.
 * One thread.
 */
#ifndef VARVE_MOUNTING_H
#define VARVE_MOUNTING_H

#include <sys/types.h>

#include "fs/base/buf.h"

struct mounting {
	const char *place;	/* the directory; made and removed with it */
	const char *source;	/* "/dev/sda", "10.0.0.6:/fs" */
	const char *type;	/* "ext4", "nfs" */
	const char *options;	/* of mount -o, or NULL */
	const char *command;	/* instead of mount: run with source and place
				 * behind it; or NULL */
	dev_t device;		/* what must then be there; 0: not known */
	int64_t timeout_s;
};

/* 1: something is mounted on place, of this device where that is not 0;
 * -EBUSY: something else is.  0: nothing is. */
int mounting_look(const char *place, dev_t device, struct err *err);
/* -EBUSY: something else is mounted there, or something is in it. */
int mounting_mount(const struct mounting *mounting, struct err *err);
/* Unmount what is there, and remove the directory. */
int mounting_unmount(const char *place, int64_t timeout_s, struct err *err);

#endif
