/*
 * pg: the parts of varve pg.
 *
 *   pg_clusters.c   PostgresClusters of a Kubernetes cluster, and their leaders
 *   pg_dump.c       the nightly dumps (pg_add.h)
 *   pg_ask.c        what is asked in their pods
 *   pg_audit.c      which of them have no stanza (pg_scan.h)
 *   pg_stanza*.c    a stanza made again (pg_stanza.h)
 *   cmd_pg.c        the command
 */
#ifndef VARVE_PG_TOOLS_H
#define VARVE_PG_TOOLS_H

#include "tools/kube.h"
#include "tools/pg_info.h"
#include "tools/tool.h"

#define PG_CONTAINER "database"	/* of an instance's pod */

struct pg_cluster {
	char *namespace, *name;
	char **pods;		/* of its instances, that run; in byte order */
	size_t running;
	unsigned leaders;	/* of them, by their labels */
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
/* The one that word, "NAMESPACE/NAME", names.  -ENOENT; -EINVAL: no such word. */
int pg_cluster_named(const struct pg_clusters *clusters, const char *word,
		     struct pg_cluster **ret, struct err *err);

/* Why it has no pod to ask; NULL: pod is its only leader. */
const char *pg_cluster_why(const struct pg_cluster *cluster);
/* One of its instances: the leader by its label, where that is a single one.
 * NULL: none runs. */
const char *pg_cluster_any(const struct pg_cluster *cluster);

/* pg_dump.c */

/* varve pg dump. */
int pg_dump(struct tool *tool, struct err *err);
/* What sources of the cluster begin with: name, or else what origin says. */
int pg_source_prefix(const char *name, const struct kube_origin *origin,
		     struct buf *ret, struct err *err);

/* pg_ask.c */

struct pg_asking {
	const struct tool *tool;
	struct kube *kube;
	int64_t deadline_s;	/* of each question */
	bool debug;		/* show commands, and what they print */
};

/* As kube_exec(), in the container of the database; end: released by the
 * caller. */
int pg_exec(const struct pg_asking *asking, const char *namespace,
	    const char *pod, const char *const *argv, int64_t deadline_s,
	    struct child_end *end, struct err *err);
/*
 * What its pgBackRest says of the stanza.  Also what could not be asked is an
 * outcome, with its reason; negative only where nothing more can be asked.
 */
int pg_ask_info(const struct pg_asking *asking, const char *namespace,
		const char *pod, struct pg_info *ret, struct err *err);
/*
 * The one leader: as patronictl says in one of its pods, in its JSON or else its
 * table; where it can be asked in none, as the labels say (*ret_by_label).
 * Borrowed from cluster.  Errors as pg_members_leader(); -EREMOTEIO.
 */
int pg_ask_leader(const struct pg_asking *asking,
		  const struct pg_cluster *cluster, const char **ret,
		  bool *ret_by_label, struct err *err);

/* The same by its names, as the cluster is now; *ret: owned. */
int pg_leader_now(const struct pg_asking *asking, const char *namespace,
		  const char *name, char **ret, bool *ret_by_label,
		  struct err *err);

struct pg_wal {			/* what a missing stanza does to a disk */
	bool known, disk_known;
	bool standby;		/* a replica archives nothing */
	uint64_t bytes, files;	/* of pg_wal */
	uint64_t disk_bytes, disk_free;	/* of what it lies on */
	uint64_t archived, failed;	/* since statistics were reset */
	uint64_t last_archived, last_failed;	/* seconds; 0: never */
};
/* Where it can be asked; else it is not known.  Negative as pg_ask_info(). */
int pg_ask_wal(const struct pg_asking *asking, const char *namespace,
	       const char *pod, struct pg_wal *ret, struct err *err);
/* The last time, archiving failed (pg_scan.c). */
bool pg_wal_is_failing(const struct pg_wal *wal);

/* pg_exit.c: exit statuses of pgbackrest */

/* "host-connect"; NULL: not one of those known. */
const char *pg_exit_name(int status);
/* What to do where stanza-create or check ended so; NULL. */
const char *pg_exit_hint(int status);
/* The line that says why, out of what it printed; owned, "" where none does. */
char *pg_exit_words(const struct child_end *end);

/* pg_audit.c */
#define PG_TARGETS_FOUND 6	/* exit status */
int pg_audit(struct tool *tool, struct err *err);

/* pg_stanza.c */
int pg_stanza(struct tool *tool, struct err *err);

#endif
