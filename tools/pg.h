/*
 * pg: the parts of varve pg.
 *
 *   pg_clusters.c  PostgresClusters of a Kubernetes cluster, and their leaders
 *   pg_dump.c      the nightly dumps
 *   cmd_pg.c       the command
 */
#ifndef VARVE_PG_TOOLS_H
#define VARVE_PG_TOOLS_H

#include "tools/kube.h"
#include "tools/tool.h"

struct pg_cluster {
	char *namespace, *name;
	unsigned running, leaders;	/* of its instances' pods */
	char *pod;		/* the first leader; or NULL */
	bool shut_down;		/* as its specification wants it */
	bool wanted;
};

struct pg_clusters {
	struct pg_cluster *cluster;	/* in byte order of "namespace/name" */
	size_t count;
};
void pg_clusters_release(struct pg_clusters *clusters);

/*
 * All PostgresClusters of the operator (postgres-operator.crunchydata.com), or
 * those of a namespace, with the pod in which each one's primary runs.
 * -ENXIO: the operator's kind is not in this cluster.
 */
int pg_clusters_find(struct kube *kube, const char *namespace,
		     struct pg_clusters *ret, struct err *err);

/* Why it has no pod to ask; NULL: pod is its only leader. */
const char *pg_cluster_why(const struct pg_cluster *cluster);

/* varve pg dump. */
int pg_dump(struct tool *tool, struct err *err);

#endif
