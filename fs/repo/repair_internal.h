/*
 * repair_internal: the parts of a repair.
 *
 *   repair.c        the plan, from a check; varve.conf, records and events
 *   repair_packs.c  packs: what is kept of them, and where they go
 */
#ifndef VARVE_REPAIR_INTERNAL_H
#define VARVE_REPAIR_INTERNAL_H

#include "fs/repo/check.h"
#include "fs/repo/deposit_internal.h"
#include "fs/repo/remember.h"
#include "fs/repo/repair.h"

struct repair_task {
	enum fault_kind kind;
	bool sure;		/* seen now, not only remembered */
	char *name;
};

struct repair {
	struct repo *repo;
	const struct repair_options *options;
	struct repair_report *report;
	struct id_set *bad;
	struct id_set own_bad;	/* where the caller wants none */
	struct repair_task *task;
	size_t count;
	int failed;		/* of memory, in the check's callback */
};

void repair_tell(struct repair *repair, const char *fmt, ...) PRINTF(2, 3);

/*
 * Move path (below the store) to quarantine/PREFIX-NAME, or with -2, -3, …
 * behind, durably; not with dry_run.  0 also where it is not there.
 */
int quarantine(struct repair *repair, const char *path, const char *prefix,
	       const char *name, struct err *err);

/* What can be read of a damaged pack kept, and the pack moved. */
int repair_pack(struct repair *repair, const struct repair_task *task,
		struct err *err);
/* The rows of a pack that is not there leave the catalog. */
int repair_pack_gone(struct repair *repair, const char *hex,
		     struct err *err);

#endif
