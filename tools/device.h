/*
 * device: the block device of an array's volume, found by the serial number.
 *
 * Looks for the links that udev makes in DEVICE_DIR, and asks blkid what is on
 * it.  Whatever cannot be read or told is an error, and never "blank": that is
 * only what blkid finds nothing on and what begins and ends with DEVICE_EDGE
 * bytes of zeros.  Does not know arrays.  One thread.
 */
#ifndef VARVE_DEVICE_H
#define VARVE_DEVICE_H

#include <sys/types.h>

#include "fs/base/buf.h"

#define DEVICE_DIR "/dev/disk/by-id"
#define DEVICE_SYS "/sys"
#define DEVICE_SERIAL 24		/* hex digits */
#define DEVICE_EDGE (4u << 20)

struct device {
	char path[256];		/* "/dev/dm-3", resolved */
	dev_t rdev;
	uint64_t size;
};

/*
 * The one with the serial, of at least size bytes.  -EAGAIN: it is not there
 * yet, or not of that size yet; err says what was looked for.
 */
int device_find(const char *dir, const char *serial, uint64_t size,
		struct device *ret, struct err *err);
/* Make the kernel look for volumes that are new or of another size.  path: a
 * device that is there, or NULL. */
int device_rescan(const char *sys, const char *path, struct err *err);
/* -EBUSY: it is mounted, part of another device, or being formatted. */
int device_check_free(const struct device *device, struct err *err);

enum device_holds { DEVICE_BLANK = 1, DEVICE_FILES, DEVICE_OTHER };
struct device_content {
	enum device_holds holds;
	char type[64];		/* "ext4"; of DEVICE_OTHER what it is, as words */
};
int device_look(const struct device *device, struct device_content *ret,
		struct err *err);
/* ext4 or xfs: what device_format() makes. */
bool device_can_format(const char *type);
/* It was blank: its edges are made so again first. */
int device_format(const struct device *device, const char *type,
		  int64_t timeout_s, struct err *err);
/* Zeros at both edges, so that it is blank; durable. */
int device_blank(const struct device *device, struct err *err);
/*
 * The file system on it as large as it is: to be called before it is mounted
 * (place is NULL), and mounted on place, as there are both sorts.  -ENOTSUP:
 * it is of another type.
 */
int device_grow(const struct device *device, const char *type,
		const char *place, int64_t timeout_s, struct err *err);
/* Before it is taken from this machine: the kernel forgets it, with its paths
 * where it is a multipath map. */
int device_forget(const char *sys, const char *path, struct err *err);

#endif
