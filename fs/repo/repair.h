/*
 * repair: a damaged store made sound again, of what can be read of it.
 *
 * Does what a check finds to do, and nothing else.  Nothing is deleted: what is
 * damaged goes to quarantine/, by a rename, after what can be had of it is
 * durable elsewhere.  So it can be killed at any step; the next one goes on.
 *
 *   varve.conf             from the copy a pack has
 *   a record, an event     damaged or gone: from the catalog's copy
 *   a damaged pack         objects that prove their ids and lie nowhere else
 *                          are stored anew, then the pack is moved
 *   a pack that is gone    the catalog no longer speaks of it
 *
 * One at a time for a store, and no prune with it.
 */
#ifndef VARVE_REPAIR_H
#define VARVE_REPAIR_H

#include "fs/repo/id_set.h"
#include "fs/repo/repo.h"

#define QUARANTINE_DIR "quarantine"

struct repair_options {
	bool dry_run;		/* only tell what would be done */
	bool read_data;		/* look for damage in every block; else in packs
				 * known to be damaged, and by their indexes */
	struct id_set *bad;	/* objects no copy of can be read, which a
				 * repair does not bring back; or NULL */
	void (*tell)(void *arg, const char *sentence);	/* each deed; or NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct repair_report {
	bool conf;
	uint64_t records, events;	/* written anew */
	uint64_t lost;			/* records and events no copy is of */
	uint64_t packs;			/* moved to quarantine */
	uint64_t packs_gone;		/* that the catalog forgot */
	uint64_t objects, bytes;	/* of them, stored anew (plain) */
	uint64_t strays;		/* files in packs/ that are no packs */
	uint64_t left;			/* faults that it cannot put right */
	bool more_bad;			/* bad is not all */
};

/*
 * -EBUSY: an add goes on, a prune or another repair, or somebody who does not
 * tell what he does; -EROFS; -ENOSPC.  What is done is done, also on failure.
 */
int repo_repair(struct repo *repo, const struct repair_options *options,
		struct repair_report *report, struct err *err);

#endif
