/*
 * runs: where runs of procedures lie, and which have not ended.
 *
 * One thread.
 */
#ifndef VARVE_RUNS_H
#define VARVE_RUNS_H

#include "tools/run.h"
#include "tools/tool.h"

/*
 * The directory of runs: --journal, else STORE/runs.  make: made where it is
 * missing, else -ENOENT.  repo may be NULL: a store that cannot be opened has
 * its runs all the same.
 */
int runs_open(const struct tool *tool, struct repo *repo, bool make,
	      struct disk_dir *ret, struct err *err);
/* -EBUSY: a run with this target has not come to its end. */
int runs_refuse_other(struct disk_dir *dir, const char *target,
		      struct err *err);
/* What would refuse a run with this target, were it more than a plan. */
int runs_refuse_plan(const struct tool *tool, struct repo *repo,
		     const char *target, struct err *err);
/* Name the command that brings run, of what, to its end; err's code. */
int runs_hint(const struct run *run, const char *what, struct err *err);
/* What was given up at its end; true where there is such. */
bool runs_tell_left_out(const struct tool *tool, const struct run *run);

struct runs_left {		/* in a store */
	uint64_t count;		/* have not come to their end, or cannot be read */
	char first[RUN_ID];	/* of these */
};

/* running: also those that are going on in another process. */
int runs_find_left(const struct tool *tool, bool running,
		   struct runs_left *ret, struct err *err);

#endif
