/*
 * mount: every snapshot of a store as one read-only file system.
 *
 * The only user of libfuse.  DESIGN.md section 6 / docs/design.md "The mount".
 */
#ifndef VARVE_MOUNT_H
#define VARVE_MOUNT_H

#include "fs/repo/repo.h"

struct mount_options {
	const char *store;		/* path of the store */
	const char *mountpoint;
	const char *const *sources;	/* globs; count 0: all */
	size_t source_count;
	const char *fuse_options;	/* "allow_other,default_permissions,…" or NULL */
	bool foreground;
	bool has_uid, has_gid, has_umask;
	uint32_t uid, gid, umask;
	size_t cache_budget;		/* 0: 48 MiB */
	unsigned threads;		/* 0: by processors */
	bool stats;			/* print counters at unmount to stderr */
	unsigned refresh_ms;		/* poll for new snapshots; 0: 1000 */
};

/*
 * Mount and serve until unmounted.  In the background (not foreground) returns
 * in the parent when the mount answers.  0 or negative errno; -EBUSY where
 * mountpoint is not empty or lies in the store (or the store in it).
 */
int mount_serve(const struct mount_options *options, struct err *err);
/*
 * Take the mount there away, and wait until its server has closed the store (not
 * where lazy).  0, or the process of a server that goes on after 10 s: it is slow, or
 * is mounted elsewhere, too.  -EBUSY in use, -EINVAL no mount of ours.
 */
int mount_unmount(const char *mountpoint, bool lazy, struct err *err);

#endif
