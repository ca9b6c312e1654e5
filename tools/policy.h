/*
 * policy: the keep rules that are kept in the store.
 *
 * Each is an event of a source glob and its rules; a later one for the same
 * glob takes the place of the earlier, one without rules removes it.  Of
 * several globs that fit a source its exact name comes first, then the
 * longest.  One thread.
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
void policies_release(struct policies *policies);
/* False where no policy is for source. */
bool policies_find(const struct policies *policies, const char *source,
		   struct keep *ret);

#endif
