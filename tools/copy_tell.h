/*
 * copy_tell: what became of each snapshot that was to be copied, in words or,
 * with --json, as an object.  Knows not why.
 */
#ifndef VARVE_COPY_TELL_H
#define VARVE_COPY_TELL_H

#include "fs/repo/copy.h"
#include "tools/format.h"
#include "tools/tool.h"

struct copy_ends {
	const struct tool *tool;
	struct repo *from, *to;
};

/* The label of snapshot `number` of the other store. */
void copy_other_label(const struct copy_ends *ends, uint64_t number,
		      char text[LABEL_TEXT]);

/* s is of the first store; number is that of its copy in the other one. */
void copy_tell_there(const struct copy_ends *ends, const struct snapshot *s,
		     uint64_t number);
void copy_tell_copied(const struct copy_ends *ends, const struct snapshot *s,
		      const struct record *record,
		      const struct copy_report *p);
void copy_tell_healed(const struct copy_ends *ends, const struct snapshot *s,
		      uint64_t number, const struct copy_report *p);
/* Of --dry-run. */
void copy_tell_dry(const struct copy_ends *ends, const struct snapshot *s);
void copy_tell_dry_heal(const struct copy_ends *ends,
			const struct snapshot *s, uint64_t number);
/* JSON only. */
void copy_tell_left_out(const struct snapshot *s);

#endif
