/*
 * policy: the keep rules that are kept in the store.
 *
 * Each is an event of a source glob and its rules; a later one for the same
 * glob takes the place of the earlier, one without rules removes it.  Of
 * several globs that fit a source its exact name comes first, then the
 * longest.  What is kept and how old a source may be are looked for apart: a
 * policy that says nothing of the one leaves it to the others.  One thread.
 */
#ifndef VARVE_POLICY_H
#define VARVE_POLICY_H

#include "tools/keep.h"

struct policy {
	char *glob;
	struct keep keep;
	struct stamp at;
	char *user, *host;	/* who set it */
};

struct policies {
	struct policy *row;
	size_t count;
};

int policies_load(struct repo *repo, struct policies *ret, struct err *err);
/* As if keep were set for glob now; nothing is in the store of it. */
int policies_put(struct policies *policies, const char *glob,
		 const struct keep *keep, struct err *err);
void policies_release(struct policies *policies);
/* That for this very glob; NULL. */
const struct policy *policies_get(const struct policies *policies,
				  const char *glob);
/* No source in the list is one that it is for: a job that never ran even once. */
bool policy_is_idle(const struct policy *policy,
		    const struct snapshots *list);
/* False where no policy says what to keep of source. */
bool policies_find(const struct policies *policies, const char *source,
		   struct keep *ret);
/* How old its newest good one may be, in seconds; 0: no policy says. */
int64_t policies_max_age(const struct policies *policies, const char *source);

#endif
