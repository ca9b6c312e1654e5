/*
 * pso_health: how PSO's datastore is, as facts that status tells and that gates
 * ask.
 *
 * Spans are borrowed from what was looked at.  One thread.
 */
#ifndef VARVE_PSO_HEALTH_H
#define VARVE_PSO_HEALTH_H

#include "tools/pso_ask.h"

#define PSO_UNUSABLE_CAP 20	/* PSO's operator stops there */
#define PSO_SKEW_MS 500		/* CockroachDB bears no more between nodes */
#define PSO_STALE_S 600		/* an intrusion that tells of longer ago */
#define PSO_NODES_MIN 3

struct pso_replica {
	struct span volume, backend_id, status, node, pod;
	const struct jnode *object;	/* the pod, or NULL */
	int64_t backend;		/* in the model; -1: not known */
	bool wanted;			/* in spec.replicas */
	bool ready;			/* its pod is */
};

struct pso_health {
	const struct jnode *intrusion;	/* NULL: there is none, or */
	bool gone;			/* the cluster says that there is none */
	const char *why;		/* it could not be read */
	struct pso_replica *replicas;
	size_t count, wanted, pods_ready, not_live;
	uint64_t ready, of, total, under, unavailable;
	bool ready_known, under_known, unavailable_known;
	int64_t age_s;			/* of what the intrusion tells; -1 */
	size_t sets, pods, pods_bad;	/* pso-db-N */
	bool sets_known, pods_known;
	size_t unusable;		/* volumes X-u on arrays, not destroyed */
	uint64_t unusable_bytes;
};

int pso_health_find(const struct pso_look *look, struct pso_health *ret,
		    struct err *err);
void pso_health_release(struct pso_health *health);
#define OWNED_HEALTH CLEANUP(pso_health_release)
/* Replicas that must be up: more than half. */
size_t pso_majority(size_t replicas);
/* Does it work, be it not well: a majority of replicas is ready, and no range is
 * unavailable, as told not long ago? */
bool pso_health_alive(const struct pso_health *health);
/* Is it Live, with nothing to repair and every replica up and running?  0; -EPERM
 * with all that stands against it. */
int pso_health_gate(const struct pso_look *look,
		    const struct pso_health *health, struct err *err);
/* Is the volume on that backend one of a replica, wanted or there?  Where the
 * backend of a replica is not known, it may be this one. */
bool pso_health_uses(const struct pso_health *health, struct span volume,
		     size_t backend);

#endif
