/*
 * forget: what 'varve forget' does, by name (cmd_forget.c) and by rule
 * (forget_rules.c).
 */
#ifndef VARVE_FORGET_H
#define VARVE_FORGET_H

#include "tools/policy.h"
#include "tools/tool.h"

struct forgetting {
	struct tool *tool;
	struct repo *repo;
	bool dry;		/* nothing is done, only told */
	uint64_t *number;	/* of the snapshots that were, or would be */
	size_t count;
	size_t left;		/* that should have been and could not */
};

/*
 * Forget these, in order, unless it is a dry run.  What they are told by is the
 * caller's.  *ret_done: how many were, also after a failure.
 */
int forget_snapshots(struct forgetting *f, const struct snapshot *const *list,
		     size_t count, size_t *ret_done, struct err *err);

struct ruling {			/* which rules a source falls under */
	bool given;		/* keep is from the command line: for all */
	struct keep keep;
	struct policies policies;
	const char *glob;	/* only these sources; NULL: all */
	bool may_be_none;	/* there need not be any yet */
};

/* Forget what no rule keeps; each group and its reasons on stdout. */
int forget_by_rules(struct forgetting *f, const struct ruling *ruling,
		    struct err *err);

#endif
