/*
 * keep: which snapshots of a source stay, by rules.
 *
 * A rule of N days keeps the newest good snapshot of each of the last N days
 * that have one (hours, weeks from Monday, months, years likewise), in the
 * time zone given.  A snapshot stays that any rule keeps.  Beside the rules:
 * the newest good one stays, pinned ones stay, those dated in the future stay
 * and fill no place, incomplete and damaged ones fill no place and stay where
 * nothing good is newer.  Without a good one all stay.  Pure.
 */
#ifndef VARVE_KEEP_H
#define VARVE_KEEP_H

#include "tools/options.h"
#include "tools/target.h"

enum keep_rule {
	KEEP_LAST, KEEP_HOURLY, KEEP_DAILY, KEEP_WEEKLY, KEEP_MONTHLY,
	KEEP_YEARLY, KEEP_RULES,
};

#define KEEP_MAX 100000u	/* places of one rule */

struct keep {
	uint32_t places[KEEP_RULES];
	int64_t within;		/* seconds; 0: no such rule */
	char tz[64];		/* empty: the host's */
};

struct verdict {
	bool keep;
	char why[96];		/* "daily, weekly" */
};

#define KEEP_OPTIONS \
	{ .name = "keep-last", .arg = "N", \
	  .help = "the newest N stay" }, \
	{ .name = "keep-hourly", .arg = "N", \
	  .help = "the newest of each of N hours stay" }, \
	{ .name = "keep-daily", .arg = "N", \
	  .help = "the newest of each of N days stay" }, \
	{ .name = "keep-weekly", .arg = "N", \
	  .help = "the newest of each of N weeks stay" }, \
	{ .name = "keep-monthly", .arg = "N", \
	  .help = "the newest of each of N months stay" }, \
	{ .name = "keep-yearly", .arg = "N", \
	  .help = "the newest of each of N years stay" }, \
	{ .name = "keep-within", .arg = "AGE", \
	  .help = "all younger than AGE stay, as 26h, 7d, 5w" }, \
	{ .name = "tz", .arg = "ZONE", \
	  .help = "zone in which days begin (default: the host's)" }

/* -EINVAL.  All zero where no option was given. */
int keep_from_options(const struct options *options, struct keep *ret,
		      struct err *err);
bool keep_is_any(const struct keep *keep);
/* "keep-daily=7 keep-within=26h tz=Europe/Berlin", as policies hold it. */
void keep_write(const struct keep *keep, struct buf *out);
int keep_parse(const char *text, struct keep *ret, struct err *err);

/* rows: one source's, oldest first; a verdict for each. */
int keep_judge(const struct keep *keep, const struct snapshot *rows,
	       size_t count, struct stamp now, struct verdict *verdicts,
	       struct err *err);

#endif
