/*
 * group: which snapshots are judged together by keep rules.
 *
 * A grouping is a list of what those of one group have in common: the source,
 * the host that took them, a tag's value.  The empty list puts all together.
 * Pure.
 */
#ifndef VARVE_GROUP_H
#define VARVE_GROUP_H

#include "tools/target.h"

#define GROUP_PARTS 8
#define GROUP_TAG_KEY 65

enum group_by { GROUP_SOURCE = 1, GROUP_HOST, GROUP_TAG };

struct group_part {
	enum group_by by;
	char tag[GROUP_TAG_KEY];	/* the key, of GROUP_TAG */
};

struct grouping {
	struct group_part part[GROUP_PARTS];
	size_t count;
	bool given;		/* else each source is a group */
};

/* "source,tag:KEY,host" or "none".  -EINVAL. */
int grouping_parse(const char *text, struct grouping *ret, struct err *err);
/* The same back. */
void grouping_write(const struct grouping *by, struct buf *out);
bool grouping_has(const struct grouping *by, enum group_by what);
/* Order of the groups that a and b fall into; 0: the same one. */
int grouping_cmp(const struct grouping *by, const struct snapshot *a,
		 const struct snapshot *b);
/* What a group is called: "web/etc", "web/etc, db=main", "all snapshots". */
void grouping_label(const struct grouping *by, const struct snapshot *one,
		    struct buf *out);

#endif
