/*
 * report: what a procedure saw or did, kept as a snapshot of a few files.
 *
 * Of the kind "report": a scan, the log of a run and what came of it.  In a
 * mount it is a directory like any other, and `diff` and `history` work on it.
 * It is nobody's backup, and holds no secrets: that is the caller's to see to.
 * One thread.
 */
#ifndef VARVE_REPORT_H
#define VARVE_REPORT_H

#include "fs/repo/repo.h"
#include "tools/tool.h"

struct report_file {
	const char *name;
	struct span bytes;
};

struct report {
	const char *source, *input_name;
	struct stamp time;
	const struct report_file *files;
	size_t file_count;
	struct record_pair *tags;	/* borrowed */
	size_t tag_count;
	const struct record_pair *attrs;	/* facts to find it by */
	size_t attr_count;
};

/* Into repo, which is open for writing; the snapshot's record in *ret, which
 * the caller releases. */
int report_keep(struct repo *repo, const struct report *report,
		struct record *ret, struct err *err);

#endif
