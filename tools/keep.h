/*
 * keep: which snapshots of a group stay, by rules.
 *
 * A rule of N days keeps the newest good snapshot of each of the last N days
 * that have one (hours, weeks from Monday, months, years likewise), in the
 * time zone given; one "within" a time keeps the newest of each day, or all,
 * of that long before the newest good snapshot: a clock that jumped, or a job
 * that ended long ago, makes nothing old.  One of tags keeps what has the tag.
 * A snapshot stays that any rule keeps.  Beside the rules: the newest good one
 * stays, pinned ones stay, those dated in the future stay and fill no place,
 * incomplete, damaged and flawed ones fill no place and stay where nothing good is
 * newer; and so do those without a file where another good one has some.
 * Without a good one all stay.  Pure.
 */
#ifndef VARVE_KEEP_H
#define VARVE_KEEP_H

#include "tools/format.h"
#include "tools/group.h"
#include "tools/options.h"
#include "tools/target.h"

enum keep_rule {
	KEEP_LAST, KEEP_HOURLY, KEEP_DAILY, KEEP_WEEKLY, KEEP_MONTHLY,
	KEEP_YEARLY, KEEP_RULES,
};

#define KEEP_MAX 100000u	/* places of one rule */
#define KEEP_TAGS 16
#define KEEP_TAG_TEXT 128

struct keep {
	uint32_t places[KEEP_RULES];
	int64_t within[KEEP_RULES];	/* seconds; [KEEP_LAST]: all of them */
	char tag[KEEP_TAGS][KEEP_TAG_TEXT];	/* "KEY" or "KEY=VALUE" */
	size_t tag_count;
	struct grouping by;
	char tz[64];		/* empty: the host's */
	int64_t max_age;	/* seconds; of a policy: older is late; 0: none */
};

struct verdict {
	bool keep;
	char why[240];		/* "daily 1 of 7, weekly 1 of 5" */
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
	  .help = "all stay of this long before the newest good one, as " \
		  "26h, 7d, 5w" }, \
	{ .name = "keep-within-hourly", .arg = "AGE", \
	  .help = "of that long, the newest of each hour stay" }, \
	{ .name = "keep-within-daily", .arg = "AGE", \
	  .help = "of that long, the newest of each day stay" }, \
	{ .name = "keep-within-weekly", .arg = "AGE", \
	  .help = "of that long, the newest of each week stay" }, \
	{ .name = "keep-within-monthly", .arg = "AGE", \
	  .help = "of that long, the newest of each month stay" }, \
	{ .name = "keep-within-yearly", .arg = "AGE", \
	  .help = "of that long, the newest of each year stay" }, \
	{ .name = "keep-tag", .arg = "KEY[=VALUE]", \
	  .help = "those with this tag stay; may be given again" }, \
	{ .name = "group-by", .arg = "LIST", \
	  .help = "what is judged together: source, host, tag:KEY, with " \
		  "commas between, or none (default: source)" }, \
	{ .name = "tz", .arg = "ZONE", \
	  .help = "zone in which days begin (default: the host's)" }

/* -EINVAL.  All zero where no option was given. */
int keep_from_options(const struct options *options, struct keep *ret,
		      struct err *err);
/* Is there a rule that keeps something? */
bool keep_is_any(const struct keep *keep);
/* "keep-daily=7 keep-within=26h tz=Europe/Berlin", as policies hold it (in
 * docs/format.md).  -ENOTSUP: a rule of a newer version. */
void keep_write(const struct keep *keep, struct buf *out);
int keep_parse(const char *text, struct keep *ret, struct err *err);

/* 1209600: "14d", in the largest unit that says it exactly. */
void duration_text(int64_t seconds, char out[SIZE_TEXT]);

/* rows: one group's, oldest first; a verdict for each. */
int keep_judge(const struct keep *keep, const struct snapshot *rows,
	       size_t count, struct stamp now, struct verdict *verdicts,
	       struct err *err);

#endif
