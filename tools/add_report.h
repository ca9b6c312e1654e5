/*
 * add_report: what an add came to, in words a newcomer understands.
 */
#ifndef VARVE_ADD_REPORT_H
#define VARVE_ADD_REPORT_H

#include "indexer/ingest.h"
#include "tools/tool.h"

#define WARNINGS_SHOWN 5

/* The first few sentences, those that matter before those that do not; all of
 * them are in the snapshot's notes. */
struct add_warnings {
	char *sentence[WARNINGS_SHOWN];
	enum weight weight[WARNINGS_SHOWN];
	size_t kept;
	uint64_t count;
};

void add_warnings_take(struct add_warnings *warnings, enum weight weight,
		       const char *sentence);
void add_warnings_release(struct add_warnings *warnings);

/* For ingest_options.progress: show it on a terminal; arg is not looked at. */
void add_progress(void *arg, const struct ingest_progress *progress);

/* Print result, as it is in repo; the exit status: DONE or INCOMPLETE. */
int add_report(const struct tool *tool, struct repo *repo,
	       const struct ingest_result *result,
	       const struct add_warnings *warnings);

#endif
