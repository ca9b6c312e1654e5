/*
 * ahead: what a walk of directories will want next is asked of the disk early.
 *
 * The walk takes one file after the other, and where nothing is in memory it
 * waits for the disk at each.  Some threads go a little before it: they look at
 * what an entry is, begin to read the files that the walk will read, and list
 * the directories it will enter.  A help and nothing more: what fails here, the
 * walk meets itself, and tells.
 *
 * Nothing is opened but regular files and directories of the same file system.
 * Memory: AHEAD_TASKS names.  The calls are for the thread that walks.
 */
#ifndef VARVE_AHEAD_H
#define VARVE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/base/stamp.h"

#define AHEAD_THREADS 4
#define AHEAD_TASKS   512u
#define AHEAD_NAMES   96u		/* so far before the walk, in one directory */
#define AHEAD_BYTES   (1u << 20)	/* of a file; the kernel goes on by itself */

struct ahead_options {
	/* Files whose ctime is older are not read: the walk will not. */
	struct stamp since;
	bool into;			/* also list directories, and look at what is in small ones */
};

struct ahead;
struct ahead_dir;			/* a directory of the walk */

/* NULL where there are no threads to be had: all calls take it. */
struct ahead *ahead_new(const struct ahead_options *options);
/* Waits for what is being asked. */
void ahead_free(struct ahead *ahead);

/* A directory that the walk has entered, open as fd (which may be closed after
 * that); NULL: not this one. */
struct ahead_dir *ahead_enter(struct ahead *ahead, int fd);
void ahead_leave(struct ahead *ahead, struct ahead_dir *dir);
/* The walk is at its name of that number (at first 0): what it has passed is not
 * asked any more. */
void ahead_at(struct ahead_dir *dir, size_t number);
/* The walk will want names[from..to) of dir.  How many were taken: fewer, where
 * enough is asked already. */
size_t ahead_ask(struct ahead *ahead, struct ahead_dir *dir,
		 char *const *names, size_t from, size_t to);

/* Files that were begun to be read. */
uint64_t ahead_files(struct ahead *ahead);

#endif
