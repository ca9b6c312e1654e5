#include <stdlib.h>

#include "tools/pso_status.h"

#define SHARES_MAX 1024		/* nodes, or arrays */

struct share {
	struct span name;
	size_t replicas, ready;
};

static struct share *share_of(struct share *shares, size_t *count,
			      struct span name)
{
	for (size_t i = 0; i < *count; i++)
		if (span_equal(shares[i].name, name))
			return &shares[i];
	if (*count == SHARES_MAX)
		return NULL;
	shares[*count] = (struct share){ .name = name };
	return &shares[(*count)++];
}

/* What is left where it goes: replicas that are up elsewhere, against those
 * there must be. */
static void check_margin(const struct checking *c, const char *check,
			 const struct share *p)
{
	const struct pso_health *h = c->health;
	size_t left = h->pods_ready - p->ready, must = pso_majority(h->wanted);

	if (!h->pods_known)
		findings_add(c->f, TELL_UNKNOWN, check, "%.*s has %zu of %zu; "
			     "how many are up is not known", SPAN_ARG(p->name),
			     p->replicas, h->wanted);
	else if (left >= must)
		findings_add(c->f, TELL_OK, check, "%.*s has %zu of %zu; "
			     "without it %zu are up, %zu must be: %zu to spare",
			     SPAN_ARG(p->name), p->replicas, h->wanted, left,
			     must, left - must);
	else
		findings_add(c->f, TELL_WARN, check, "%.*s has %zu of %zu; "
			     "without it %zu are up, and %zu must be: losing "
			     "it stops the datastore", SPAN_ARG(p->name),
			     p->replicas, h->wanted, left, must);
}

static void check_even(const struct checking *c, const char *what,
		       const struct share *shares, size_t count)
{
	size_t most = 0, least = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		most = shares[i].replicas > most ? shares[i].replicas : most;
		least = shares[i].replicas < least ? shares[i].replicas :
						     least;
	}
	if (count && most - least > 1)
		findings_add(c->f, TELL_WARN, what, "unevenly spread: from "
			     "%zu to %zu replicas", least, most);
}

static void check_nodes(const struct checking *c, struct share *shares)
{
	const struct pso_health *h = c->health;
	size_t count = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct pso_replica *r = &h->replicas[i];
		struct share *p = r->node.len && r->wanted ?
			share_of(shares, &count, r->node) : NULL;

		if (p) {
			p->replicas++;
			p->ready += r->ready;
		}
	}
	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		check_margin(c, "node", &shares[i]);
	if (count < PSO_NODES_MIN)
		findings_add(c->f, TELL_WARN, "nodes", "replicas are on %s"
			     "; with at least %d, one that goes down does "
			     "not stop the datastore", counted(count, "node").s,
			     PSO_NODES_MIN);
	else
		findings_add(c->f, TELL_OK, "nodes", "replicas are on %zu "
			     "nodes", count);
}

static void check_backends(const struct checking *c, struct share *shares)
{
	const struct pso_model *m = &c->look->model;
	const struct pso_health *h = c->health;
	size_t count = 0, named;

	/* one that has none counts, too */
	for (size_t i = 0; i < m->backend_count && h->wanted; i++)
		share_of(shares, &count, span_str(m->backends[i].name));
	named = count;
	for (size_t i = 0; i < h->count; i++) {
		const struct pso_replica *r = &h->replicas[i];
		struct share *p = !r->wanted ? NULL : share_of(shares, &count,
			r->backend >= 0 ? span_str(m->backends[r->backend].
			name) : r->backend_id.len ? r->backend_id :
			span_str("an array that is not known"));

		if (p) {
			p->replicas++;
			p->ready += r->ready;
		}
	}
	for (size_t i = 0; i < count; i++)
		check_margin(c, "backend", &shares[i]);
	check_even(c, "backends", shares, count);
	for (size_t i = named; named && i < count; i++)
		findings_add(c->f, TELL_WARN, "fleet", "%.*s has %zu replicas "
			     "and is not in values.yaml: do not disconnect it "
			     "before the datastore has left it",
			     SPAN_ARG(shares[i].name), shares[i].replicas);
}

/* Volumes of PVs on arrays that are in the fleet no more. */
static void check_fleet(const struct checking *c)
{
	const struct pso_model *m = &c->look->model;
	const struct pso_doc *values = pso_find(&c->look->capture, "values");

	if (!values || values->state != PSO_HAD)
		return;
	for (size_t b = 0; b < m->backend_count; b++) {
		size_t replicas = 0, pvs = 0;

		if (m->backends[b].values)
			continue;
		for (size_t i = 0; i < c->health->count; i++)
			replicas += c->health->replicas[i].backend ==
				    (int64_t)b;
		for (size_t i = 0; i < m->volumes.count; i++) {
			size_t count;

			if (m->volumes.ref[i].backend == b) {
				pso_refs_find(&m->pvs, m->volumes.ref[i].key,
					      &count);
				pvs += count > 0;
			}
		}
		findings_add(c->f, replicas || pvs ? TELL_WARN : TELL_NOTE,
			     "fleet", "%s is not in values.yaml%s: %zu "
			     "replicas and %zu volumes of PVs are on it",
			     m->backends[b].name, replicas || pvs ?
			     ", and must not be disconnected yet" : "",
			     replicas, pvs);
	}
}

int pso_check_spread(const struct checking *c, struct err *err)
{
	struct share *shares = calloc(SHARES_MAX, sizeof(*shares));

	if (!shares)
		return err_nomem(err);
	check_nodes(c, shares);
	check_backends(c, shares);
	check_fleet(c);
	free(shares);
	return 0;
}
