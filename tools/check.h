/*
 * check: what commands that look for damage share.
 */
#ifndef VARVE_TOOLS_CHECK_H
#define VARVE_TOOLS_CHECK_H

#include "fs/repo/check.h"
#include "tools/damage_list.h"

struct check_result {
	struct check_report check;
	struct damage_report damage;
	uint64_t places;	/* of damage, each once for all snapshots of a
				 * source */
	bool more_places;	/* than were counted */
};

/* What suffers from bad, shown; result->check is there already.  only_look:
 * none of it is remembered. */
int find_and_show(const struct tool *tool, struct repo *repo,
		  struct id_set *bad, bool only_look,
		  struct check_result *result, struct err *err);
/* repo_check(), then what suffers from what it found. */
int check_and_find(const struct tool *tool, struct repo *repo,
		   struct check_options *options, struct check_result *result,
		   struct err *err);
/* "2 packs, 7 objects, varve.conf": what report->errors counts. */
void errors_text(const struct check_report *report, struct buf *out);

#endif
