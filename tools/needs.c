#include "tools/needs.h"

#include <string.h>

/* Which cluster it is. */
#define ORIGIN { "get", "namespaces:kube-system", NEED_ALL }
/* kubectl of 1.30 and newer asks with get, older ones with create. */
#define EXEC { "create get", "pods/exec", NEED_NS }
#define PODS { "get list", "pods", NEED_NS }
#define NO_MORE { NULL, NULL, 0 }

static const struct need add_pvc[] = {
	ORIGIN, PODS, EXEC,
	{ "create delete", "pods", NEED_NS },
	{ "get", "persistentvolumeclaims", NEED_NS },
	{ "list", "volumeattachments.storage.k8s.io", NEED_WISH },
	NO_MORE
};

static const struct need push_pvc[] = {
	ORIGIN, PODS, EXEC,
	{ "create delete", "pods", NEED_NS },
	{ "get", "persistentvolumeclaims", NEED_NS },
	{ "get", "deployments.apps", NEED_NS },
	{ "get", "statefulsets.apps", NEED_NS },
	{ "get patch update", "deployments.apps/scale", NEED_NS },
	{ "get patch update", "statefulsets.apps/scale", NEED_NS },
	{ "list", "volumeattachments.storage.k8s.io", NEED_WISH },
	NO_MORE
};

static const struct need pg[] = {
	ORIGIN,
	{ "get list", "postgresclusters.postgres-operator.crunchydata.com",
	  NEED_ALL },
	{ "get list", "pods", NEED_ALL },
	{ "create get", "pods/exec", NEED_ALL },
	NO_MORE
};

static const struct need pso[] = {
	ORIGIN,
	{ "list", "persistentvolumes", NEED_ALL },
	{ "list", "persistentvolumeclaims", NEED_ALL },
	{ "list", "storageclasses.storage.k8s.io", NEED_ALL },
	{ "list", "volumesnapshots.snapshot.storage.k8s.io", NEED_ALL },
	{ "list", "volumesnapshotcontents.snapshot.storage.k8s.io",
	  NEED_ALL },
	{ "list", "volumesnapshotclasses.snapshot.storage.k8s.io", NEED_ALL },
	{ "list", "volumeattachments.storage.k8s.io", NEED_ALL },
	{ "list", "nodes", NEED_ALL },
	{ "list", "csinodes.storage.k8s.io", NEED_ALL },
	{ "list", "intrusions.pso.purestorage.com", NEED_ALL },
	{ "list", "statefulsets.apps", NEED_ALL },
	{ "list", "deployments.apps", NEED_ALL },
	{ "list", "pods", NEED_ALL },
	NO_MORE
};

static const struct need vmbc[] = {
	ORIGIN, EXEC,
	{ "list", "pods", NEED_NS },
	{ "get", "replicasets.apps", NEED_NS },
	{ "get", "deployments.apps", NEED_NS },
	{ "get", "statefulsets.apps", NEED_NS },
	{ "get patch update", "deployments.apps/scale", NEED_NS },
	{ "get patch update", "statefulsets.apps/scale", NEED_NS },
	{ "list", "persistentvolumes", NEED_ALL },
	{ "list", "storageclasses.storage.k8s.io", NEED_ALL },
	{ "list", "volumeattachments.storage.k8s.io", NEED_WISH },
	NO_MORE
};

const struct procedure_needs procedure_needs[] = {
	{ "add-pvc", "varve add --pvc", add_pvc },
	{ "push-pvc", "varve push … pvc:", push_pvc },
	{ "pg", "varve pg of clusters", pg },
	{ "pso", "varve pso capture", pso },
	{ "vmbc", "varve vmbc of a cluster", vmbc },
	{ NULL, NULL, NULL }
};

const struct procedure_needs *needs_of(const char *name)
{
	for (const struct procedure_needs *p = procedure_needs; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}
