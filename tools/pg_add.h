/*
 * pg_add: a dump into the store, by a "varve add --command" of its own.
 */
#ifndef VARVE_PG_ADD_H
#define VARVE_PG_ADD_H

#include "tools/pg.h"
#include "tools/self.h"

/* "varve add …" as far as to --command; self: this program's path.  tags:
 * NULL-terminated, or NULL. */
int pg_add_begin(struct words *words, char self[PATH_MAX],
		 const struct tool *tool, const char *source,
		 const char *const *tags, struct err *err);

struct pg_pod_dump {		/* of all databases of a cluster, in a pod */
	struct kube *kube;
	const char *uid;	/* of the Kubernetes cluster; or NULL */
	const char *namespace, *pod, *source;
	const char *const *tags;	/* NULL-terminated; or NULL */
	char **with;		/* further words of pg_dumpall; or NULL */
	bool passwords;		/* of roles */
};
/* As self_run(). */
int pg_dump_pod(const struct tool *tool, const struct pg_pod_dump *dump,
		struct err *err);

#endif
