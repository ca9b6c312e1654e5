#include "tools/policy.h"

#include <fnmatch.h>
#include <stdlib.h>

static void policy_release(struct policy *policy)
{
	free(policy->glob);
	free(policy->user);
	free(policy->host);
}

void policies_release(struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		policy_release(&policies->row[i]);
	free(policies->row);
	memset(policies, 0, sizeof(*policies));
}

static void drop(struct policies *list, const char *glob)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->row[i].glob, glob))
			continue;
		policy_release(&list->row[i]);
		list->count--;
		memmove(&list->row[i], &list->row[i + 1],
			(list->count - i) * sizeof(*list->row));
		return;
	}
}

/* Takes policy's strings; a missing one is want of memory. */
static int put(struct policies *list, struct policy *policy, struct err *err)
{
	struct policy *more = reallocarray(list->row, list->count + 1,
					   sizeof(*more));

	if (more)
		list->row = more;
	if (!more || !policy->glob || !policy->user || !policy->host) {
		policy_release(policy);
		return err_nomem(err);
	}
	list->row[list->count++] = *policy;
	return 0;
}

int policies_put(struct policies *policies, const char *glob,
		 const struct keep *keep, struct err *err)
{
	struct policy policy = { .glob = strdup(glob), .keep = *keep,
				 .at = stamp_now(), .user = strdup(""),
				 .host = strdup("") };

	drop(policies, glob);
	return put(policies, &policy, err);
}

static int take_event(void *arg, const char *name, const struct event *event,
		      struct err *err)
{
	struct policies *list = arg;
	struct policy policy = { .at = event->at };
	int r;

	if (!event->source)
		return 0;
	drop(list, event->source);
	if (!event->value || !event->value[0])
		return 0;
	r = keep_parse(event->value, &policy.keep, err);
	if (r < 0)
		return err_wrap(err, "policy of '%s' (event %s)",
				event->source, name);
	policy.glob = strdup(event->source);
	policy.user = strdup(event->user ? event->user : "");
	policy.host = strdup(event->host ? event->host : "");
	return put(list, &policy, err);
}

int policies_load(struct repo *repo, struct policies *ret, struct err *err)
{
	struct policies list = { .row = NULL };
	int r;

	r = catalog_each_event(repo_catalog(repo), EVENT_POLICY, take_event,
			       &list, err);
	if (r < 0) {
		policies_release(&list);
		return r;
	}
	*ret = list;
	return 0;
}

const struct policy *policies_get(const struct policies *policies,
				  const char *glob)
{
	for (size_t i = 0; i < policies->count; i++)
		if (!strcmp(policies->row[i].glob, glob))
			return &policies->row[i];
	return NULL;
}

bool policy_is_idle(const struct policy *policy, const struct snapshots *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (source_fits(policy->glob, list->row[i].record.source))
			return false;
	return true;
}

static bool says_what_to_keep(const struct policy *policy)
{
	return keep_is_any(&policy->keep);
}

static bool says_how_old(const struct policy *policy)
{
	return policy->keep.max_age != 0;
}

static const struct policy *
find(const struct policies *policies, const char *source,
     bool (*counts)(const struct policy *policy))
{
	const struct policy *best = NULL;

	for (size_t i = 0; i < policies->count; i++) {
		const struct policy *p = &policies->row[i];

		if (!counts(p))
			continue;
		if (!strcmp(p->glob, source))
			return p;
		if (fnmatch(p->glob, source, 0) == 0 &&
		    (!best || strlen(p->glob) >= strlen(best->glob)))
			best = p;
	}
	return best;
}

bool policies_find(const struct policies *policies, const char *source,
		   struct keep *ret)
{
	const struct policy *best = find(policies, source, says_what_to_keep);

	if (best)
		*ret = best->keep;
	return best != NULL;
}

int64_t policies_max_age(const struct policies *policies, const char *source)
{
	const struct policy *best = find(policies, source, says_how_old);

	return best ? best->keep.max_age : 0;
}
