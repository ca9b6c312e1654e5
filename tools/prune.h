/*
 * prune: 'varve prune', and what 'varve forget --prune' does after it forgot.
 */
#ifndef VARVE_TOOLS_PRUNE_H
#define VARVE_TOOLS_PRUNE_H

#include "tools/tool.h"

/* The options both have. */
#define PRUNE_OPTIONS \
	{ .name = "max-unused", .arg = "N%|SIZE", \
	  .help = "how much that is unused may stay in packs that are in " \
		  "use: a share of what is used, a size, or 'unlimited' " \
		  "(default: 5%)" }, \
	{ .name = "max-repack", .arg = "SIZE", \
	  .help = "write no more than this anew" }, \
	{ .name = "force", \
	  .help = "also where over half of the store would go" }

/* What it reads it reads once, in order: a small cache does. */
#define PRUNE_CACHE (12u << 20)

/* Prune repo as the options say, and tell of it.  An exit status, or negative
 * errno with words.  forgotten: count numbers, ascending, of snapshots that a dry
 * run takes for forgotten. */
int prune_run(struct tool *tool, struct repo *repo, const uint64_t *forgotten,
	      size_t count, struct err *err);
/* -EINVAL: an option makes no sense.  To be asked before anything is done. */
int prune_check_options(const struct tool *tool, struct err *err);

#endif
