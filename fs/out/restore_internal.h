/*
 * restore_internal: what the files of restore share.
 *
 * One thread walks the tree and makes directories; workers write files.  A
 * directory is counted: by the walk while it is inside, by each child directory
 * and each job.  Who drops the last count gives it its final attributes, so
 * its times are set after everything in it.
 */
#ifndef VARVE_RESTORE_INTERNAL_H
#define VARVE_RESTORE_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>

#include "fs/out/owner_names.h"
#include "fs/out/restore.h"

#define RESTORE_WORKERS_MAX 16
#define RESTORE_QUEUE 256
#define RESTORE_PIECES 64
#define RESTORE_READ (4u << 20)		/* bytes asked of a content at once */
#define RESTORE_TEMP ".varve-%016llx"	/* beside the file it becomes */

struct rdir {
	struct rdir *parent;	/* NULL: the target itself */
	int fd;			/* -1: not made yet */
	char *path;		/* below the target, "" for it */
	struct node node;
	unsigned refs;		/* atomic */
	bool failed;		/* could not be made: nothing below it is */
	bool told;		/* a dry run said that it would be made */
	bool differs;		/* it was there, with other metadata */
};

struct rjob {
	struct rdir *dir;
	struct node node;
	char *path;
	struct rjob *next;
};

struct first_name {		/* of a hard link group */
	uint64_t inode;
	char *path;		/* NULL: slot is free */
	bool anew;		/* a dry run would write it: its other names
				 * would be linked again */
};

struct restorer {
	struct tree *tree;
	struct getter getter;
	const struct restore_options *options;
	struct restore_report *report;	/* counters under mutex */
	int target_fd;
	bool own;		/* owners are set */
	struct owner_names *names;	/* by name; NULL: by number */
	struct rdir *stack[DEPTH_MAX + 2];
	unsigned depth;
	struct rjob *links;	/* deferred, in no order */
	struct first_name *firsts;	/* under mutex */
	size_t first_slots, first_count;
	uint64_t total_files, total_bytes;

	pthread_mutex_t mutex;
	pthread_cond_t work, done;
	struct rjob *queue, **queue_tail;
	unsigned queued, busy;
	bool stop;
	int broken;		/* atomic: an error that ends everything
				 * (memory); why under mutex */
	struct err failure;
	uint64_t temps;		/* atomic */
	pthread_t thread[RESTORE_WORKERS_MAX];
	unsigned workers;
};

/* restore.c: tell of an entry that could not be restored. */
void restore_fail(struct restorer *r, const char *path, const struct err *err);
void restore_change(struct restorer *r, char sign, const char *path);
bool restore_stopped(const struct restorer *r);
void rdir_drop(struct restorer *r, struct rdir *dir);
int rdir_make(struct restorer *r, struct rdir *dir, struct err *err);

bool restore_is_excluded(const struct restorer *r, const char *path);
/* Included itself, or by a directory above it. */
bool restore_is_included(const struct restorer *r, const char *path);
/* The first name of this group of links would be written, in a dry run. */
void restore_first_anew(struct restorer *r, uint64_t inode);
bool restore_is_first_anew(struct restorer *r, uint64_t inode);
/* A directory right below dirfd, never through a symbolic link; -1, errno. */
int restore_open_dir(int dirfd, const char *name);
/* The directory that has path (below the target) in it, for names in it only,
 * never through a symbolic link; -1, errno. */
int restore_open_parent(struct restorer *r, const char *path);
const char *restore_last_name(const char *path);

/* restore_delete.c */
bool restore_is_store(const struct restorer *r, const struct stat *st);
/* What the directory has and the snapshot has not. */
void restore_delete_others(struct restorer *r, struct rdir *dir);
/* A directory in the way of something else goes with --delete. */
void restore_clear_place(struct restorer *r, struct rdir *dir,
			 const char *path);

/* restore_write.c */
int restore_start_workers(struct restorer *r, struct err *err);
void restore_stop_workers(struct restorer *r);
/* Takes job; blocks while the queue is full. */
void restore_queue(struct restorer *r, struct rjob *job);
void restore_wait(struct restorer *r);
void rjob_free(struct restorer *r, struct rjob *job);
/* Everything but regular files and directories, at once. */
int restore_special(struct restorer *r, struct rdir *dir,
		    const struct node *node, const char *path,
		    struct err *err);
/* job's name becomes a link to first (a path below the target). */
int restore_link(struct restorer *r, const struct rjob *job,
		 const char *first, struct err *err);

/* restore_meta.c: give an entry its attributes, through fd (files, dirs) or
 * dirfd and name (others; fd -1).  st: as it is now, or NULL for a new one.
 * *ret_changed tells whether anything had to be set.  Extended attributes that
 * the file system does not take are told as path's failures, and are no reason
 * to withhold its bytes. */
int restore_meta(struct restorer *r, const char *path, int dirfd,
		 const char *name, int fd, const struct entry *entry,
		 const struct stat *st, bool *ret_changed, struct err *err);
/* Would restore_meta() change anything? */
int restore_meta_differs(struct restorer *r, int dirfd, const char *name,
			 int fd, const struct entry *entry,
			 const struct stat *st, bool *ret_differs,
			 struct err *err);

#endif
