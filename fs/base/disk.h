/*
 * disk: the only door to the disk for what a store is made of.
 *
 * Packs, records, events, locks and temporary files are created, written,
 * synced, renamed and removed through here and nowhere else (SQLite opens its
 * own file).  So one hook sees every step that changes a store: the fault
 * tests fail or kill at each, and record them to replay power cuts.
 *
 * Paths are relative to a directory descriptor.  Files are 0600 and
 * directories 0700 whatever the umask (0640/0750 where a group was given:
 * disk_modes()).  EINTR is retried; a short write or read of what must be
 * there is an error.  An fsync that failed is fatal for its file: it is never
 * repeated and taken for success.  Any thread.
 */
#ifndef VARVE_DISK_H
#define VARVE_DISK_H

#include <sys/types.h>

#include "fs/base/buf.h"

struct disk_dir {
	int fd;			/* O_PATH-free directory descriptor */
	char *path;		/* for messages */
	mode_t file_mode;	/* 0600 or 0640 */
	mode_t dir_mode;	/* 0700 or 0750 */
};

int disk_open(const char *path, struct disk_dir *ret, struct err *err);
void disk_close(struct disk_dir *dir);

/* 0 also where it is there already. */
int disk_mkdir(struct disk_dir *dir, const char *name, struct err *err);

/* A new file (O_EXCL) for writing and reading back.  fd in *ret_fd. */
int disk_create(struct disk_dir *dir, const char *name, int *ret_fd,
		struct err *err);
/* For reading. -ENOENT where it is not there. */
int disk_open_read(struct disk_dir *dir, const char *name, int *ret_fd,
		   struct err *err);
/* An unlinked temporary file below dir/tmp; DISK_TEMP is its name for
 * disk_write() and disk_read(). */
#define DISK_TEMP "tmp"
int disk_open_temp(struct disk_dir *dir, int *ret_fd, struct err *err);

/* Cleanup for descriptors: CLEANUP(disk_close_fd) int fd = -1. */
void disk_close_fd(int *fd);

/* All of data at offset; name only for messages and the hook. */
int disk_write(struct disk_dir *dir, const char *name, int fd,
	       uint64_t offset, struct span data, struct err *err);
/* Exactly len bytes from offset; a shorter file is -EBADMSG ("ends early"). */
int disk_read(struct disk_dir *dir, const char *name, int fd, uint64_t offset,
	      void *data, size_t len, struct err *err);
/* A whole small file (at most max bytes, else -EFBIG) appended to buf. */
int disk_read_all(struct disk_dir *dir, const char *name, size_t max,
		  struct buf *buf, struct err *err);
int disk_sync(struct disk_dir *dir, const char *name, int fd,
	      struct err *err);
/* fsync of a directory below dir ("." for itself). */
int disk_sync_dir(struct disk_dir *dir, const char *name, struct err *err);
/* Replaces `to` atomically where it is there. */
int disk_rename(struct disk_dir *dir, const char *from, const char *to,
		struct err *err);
/* As disk_rename(), -EEXIST where `to` is there (RENAME_NOREPLACE). */
int disk_rename_new(struct disk_dir *dir, const char *from, const char *to,
		    struct err *err);
int disk_unlink(struct disk_dir *dir, const char *name, struct err *err);

/*
 * A whole small file, made durable: written to tmp/, synced, renamed to name
 * (-EEXIST if that is there), its directory synced.  On failure nothing of it
 * is seen.
 */
int disk_publish(struct disk_dir *dir, const char *name, struct span data,
		 struct err *err);

/* Names in a directory, "." and ".." left out, in no order.  The callback's
 * non-zero result ends the listing and is returned.  A failed or short
 * listing is an error, never an empty one. */
int disk_list(struct disk_dir *dir, const char *name,
	      int (*each)(void *arg, const char *name, struct err *err),
	      void *arg, struct err *err);

/*
 * Locks on an open file description (flock): gone with the process.
 * fd of the lock file in *ret_fd; closing it unlocks.  wait false: -EBUSY
 * where another holds it.
 */
enum disk_lock_mode { DISK_LOCK_SHARED = 1, DISK_LOCK_EXCLUSIVE };
int disk_lock(struct disk_dir *dir, const char *name,
	      enum disk_lock_mode mode, bool wait, int *ret_fd,
	      struct err *err);

/* Free bytes for this user on the file system of dir. */
int disk_free_bytes(struct disk_dir *dir, uint64_t *ret, struct err *err);
/* True where dir lies on a read-only file system or may not be written. */
bool disk_is_readonly(struct disk_dir *dir);

/*
 * The hook of the fault tests; NULL in normal life.  Called before each step
 * that changes a store.  A negative errno makes the step fail without being
 * done.  data is empty but for writes.
 */
enum disk_step {
	DISK_CREATE = 1, DISK_WRITE, DISK_SYNC, DISK_SYNC_DIR, DISK_RENAME,
	DISK_UNLINK, DISK_MKDIR, DISK_CATALOG, DISK_OUTSIDE,
};
typedef int disk_hook(void *arg, enum disk_step step, const char *dir,
		      const char *name, const char *to, uint64_t offset,
		      struct span data);
void disk_set_hook(disk_hook *hook, void *arg);
/* For the catalog, whose file SQLite opens: announce a commit to the hook. */
int disk_step_catalog(const char *path, struct err *err);
/* For a push, which changes what is no store: announce what is done to path. */
int disk_step_outside(const char *path, const char *what, struct err *err);
/*
 * Set the hook from the environment (VARVE_FAULT), in builds with faults only
 * (-DVARVE_FAULTS): "fail=N:ERRNO" fails the Nth step, "kill=N" kills this
 * process before the Nth (SIGKILL to itself), "count=FILE" writes the number of
 * steps at exit, "log=FILE" appends each step, for replaying; several, with
 * spaces between.  See disk_fault.c for the log's form.  0, or -EINVAL.
 */
int disk_fault_from_env(struct err *err);
/* How long to pause, milliseconds: ms, or in builds with faults what VARVE_PAUSE_MS
 * says, for tests of what waits for others. */
int disk_fault_pause(int ms);

#endif
