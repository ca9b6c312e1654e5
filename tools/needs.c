#include "tools/needs.h"

#include <string.h>

#define WORD_ROOM 128

/* Which cluster it is. */
#define ORIGIN { "get", "namespaces:kube-system", NEED_ALL, NULL }
/* kubectl of 1.30 and newer asks with get, older ones with create; all of them get
 * the pod first. */
#define EXEC(scope) { "create get", "pods/exec", scope, NULL }
#define PODS(scope) { "get list", "pods", scope, NULL }
/* kubectl patches it; older ones, and oc, get and update it. */
#define SCALE(what) { "get patch update", what "/scale", NEED_NS, NULL }
#define ATTACHED \
	{ "list", "volumeattachments.storage.k8s.io", NEED_ALL, \
	  "where a volume is attached is not known" }
#define NO_MORE { NULL, NULL, 0, NULL }

static const struct need add_pvc[] = {
	ORIGIN, PODS(NEED_NS), EXEC(NEED_NS),
	{ "create delete", "pods", NEED_NS, NULL },
	{ "get", "persistentvolumeclaims", NEED_NS, NULL },
	ATTACHED, NO_MORE
};

static const struct need push_pvc[] = {
	ORIGIN, PODS(NEED_NS), EXEC(NEED_NS),
	{ "create delete", "pods", NEED_NS, NULL },
	{ "get", "persistentvolumeclaims", NEED_NS, NULL },
	{ "get", "deployments.apps", NEED_NS, NULL },
	{ "get", "statefulsets.apps", NEED_NS, NULL },
	SCALE("deployments.apps"), SCALE("statefulsets.apps"),
	ATTACHED, NO_MORE
};

static const struct need pg[] = {
	ORIGIN,
	{ "list", "postgresclusters.postgres-operator.crunchydata.com",
	  NEED_ALL, NULL },
	PODS(NEED_ALL), EXEC(NEED_ALL), NO_MORE
};

#define PSO_LISTS \
	ORIGIN, \
	{ "list", "persistentvolumes", NEED_ALL, NULL }, \
	{ "list", "persistentvolumeclaims", NEED_ALL, NULL }, \
	{ "list", "storageclasses.storage.k8s.io", NEED_ALL, NULL }, \
	{ "list", "volumesnapshots.snapshot.storage.k8s.io", NEED_ALL, \
	  NULL }, \
	{ "list", "volumesnapshotcontents.snapshot.storage.k8s.io", \
	  NEED_ALL, NULL }, \
	{ "list", "volumesnapshotclasses.snapshot.storage.k8s.io", \
	  NEED_ALL, NULL }, \
	{ "list", "volumeattachments.storage.k8s.io", NEED_ALL, NULL }, \
	{ "list", "nodes", NEED_ALL, NULL }, \
	{ "list", "csinodes.storage.k8s.io", NEED_ALL, NULL }, \
	{ "list", "intrusions.pso.purestorage.com", NEED_ALL, NULL }, \
	{ "list", "statefulsets.apps", NEED_ALL, NULL }, \
	{ "list", "deployments.apps", NEED_ALL, NULL }, \
	{ "list", "pods", NEED_ALL, NULL }

#define DEFINITION(name) \
	{ "get", "customresourcedefinitions.apiextensions.k8s.io:" name \
	  ".snapshot.storage.k8s.io", NEED_ALL, \
	  "whether snapshots are served as PSO wants them is not known" }
#define DEFINITIONS \
	DEFINITION("volumesnapshotclasses"), \
	DEFINITION("volumesnapshotcontents"), DEFINITION("volumesnapshots")

static const struct need pso[] = { PSO_LISTS, NO_MORE };

#define CLOCKS "how far apart the nodes' clocks are is not known"
static const struct need pso_status[] = {
	PSO_LISTS, DEFINITIONS,
	{ "get", "pods", NEED_NS, CLOCKS },
	{ "create get", "pods/exec", NEED_NS, CLOCKS },
	NO_MORE
};

#define TEST_CLASS "--test-class makes no claim"
static const struct need pso_reconstruct[] = {
	PSO_LISTS, DEFINITIONS,
	{ "get", "pods", NEED_NS, NULL },
	EXEC(NEED_NS),
	{ "create get delete", "persistentvolumeclaims", NEED_NS, TEST_CLASS },
	NO_MORE
};

static const struct need dv[] = {
	ORIGIN, PODS(NEED_NS), EXEC(NEED_NS),
	{ "get list create delete", "jobs.batch", NEED_NS, NULL },
	{ "get", "pods/log", NEED_NS, NULL },
	{ "list", "persistentvolumeclaims", NEED_NS, NULL },
	{ "create get", "persistentvolumeclaims", NEED_NS,
	  "--storage-class does not make the claim dv-bar-pvc" },
	{ "get", "serviceaccounts", NEED_NS, NULL },
	{ "get list", "deployments.apps", NEED_NS, NULL },
	SCALE("deployments.apps"),
	{ "get", "persistentvolumes", NEED_ALL,
	  "whether backups go with their claim is not known" },
	NO_MORE
};

static const struct need vmbc[] = {
	ORIGIN, PODS(NEED_NS), EXEC(NEED_NS),
	{ "get", "replicasets.apps", NEED_NS, NULL },
	{ "get", "deployments.apps", NEED_NS, NULL },
	{ "get", "statefulsets.apps", NEED_NS, NULL },
	SCALE("deployments.apps"), SCALE("statefulsets.apps"),
	{ "list", "persistentvolumes", NEED_ALL, NULL },
	{ "list", "storageclasses.storage.k8s.io", NEED_ALL, NULL },
	ATTACHED, NO_MORE
};

static const struct need_program helm_stops[] = {
	{ "helm", NULL, "--release does not stop the replicas" },
	{ NULL, NULL, NULL }
};

static const struct need_program helm_installs[] = {
	{ "helm", NULL, "you run it elsewhere, when reconstruct says so" },
	{ NULL, NULL, NULL }
};

static const struct need_program for_volumes[] = {
	{ "mount", "mount", NULL }, { "umount", "mount", NULL },
	{ "blkid", "util-linux", NULL },
	{ "mkfs.ext4", "e2fsprogs", "--mkfs ext4 fails" },
	{ "e2fsck", "e2fsprogs", "ext4 is not made larger" },
	{ "resize2fs", "e2fsprogs", "ext4 is not made larger" },
	{ "mkfs.xfs", "xfsprogs", "--mkfs xfs fails" },
	{ "xfs_growfs", "xfsprogs", "xfs is not made larger" },
	{ NULL, NULL, NULL }
};

static const struct need_program for_files[] = {
	{ "mount", "mount", NULL }, { "umount", "mount", NULL },
	{ "mount.nfs", "nfs-common", NULL },
	{ NULL, NULL, NULL }
};

const struct procedure_needs procedure_needs[] = {
	{ .name = "add-pvc", .also = "", .commands = "add --pvc",
	  .needs = add_pvc, .flags = NEEDS_STREAM },
	{ .name = "push-pvc", .also = "pvc", .commands = "push … pvc:",
	  .needs = push_pvc, .flags = NEEDS_STREAM },
	{ .name = "push-flasharray", .also = "flasharray push-fa fa",
	  .commands = "push … flasharray:", .programs = for_volumes,
	  .flags = NEEDS_ROOT | NEEDS_TOKEN | NEEDS_INITIATOR },
	{ .name = "push-flashblade", .also = "flashblade push-fb fb",
	  .commands = "push … flashblade:", .programs = for_files,
	  .flags = NEEDS_ROOT | NEEDS_TOKEN },
	{ .name = "pg", .also = "pg-audit pg-dump pg-stanza audit stanza",
	  .commands = "pg audit, dump and stanza, of clusters", .needs = pg,
	  .flags = NEEDS_STREAM },
	{ .name = "pso", .also = "pso-capture pso-volumes capture",
	  .commands = "pso capture and volumes", .needs = pso },
	{ .name = "pso-status", .also = "", .commands = "pso status",
	  .needs = pso_status },
	{ .name = "pso-reconstruct", .also = "reconstruct",
	  .commands = "pso reconstruct", .needs = pso_reconstruct,
	  .programs = helm_installs },
	{ .name = "dv", .also = "dv-backup dv-clean dv-list dv-mend "
				"dv-restore",
	  .commands = "dv backup, list, restore, clean and mend",
	  .needs = dv, .flags = NEEDS_STREAM },
	{ .name = "vmbc", .also = "vmbc-add vmbc-create vmbc-list "
				  "vmbc-restore vmbc-status",
	  .commands = "vmbc, of a cluster", .needs = vmbc,
	  .programs = helm_stops },
	{ .name = NULL }
};

static bool is_in(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !memcmp(list, name, len))
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

static const struct procedure_needs *by_name(const char *name)
{
	for (const struct procedure_needs *p = procedure_needs; p->name; p++)
		if (!strcmp(p->name, name) || is_in(p->also, name))
			return p;
	return NULL;
}

/* As one word: blanks are '-', and of "pvc:shop/data" the scheme counts. */
static void put_word(char name[WORD_ROOM], const char *word)
{
	size_t at = strlen(name);

	for (; *word && *word != ':' && at + 1 < WORD_ROOM; word++)
		name[at++] = *word == ' ' ? '-' : *word;
	name[at] = '\0';
}

const struct procedure_needs *needs_of(char *const *words, size_t count,
				       size_t *ret_taken)
{
	const struct procedure_needs *found = NULL;
	char one[WORD_ROOM] = "", two[WORD_ROOM] = "";

	put_word(one, words[0]);
	if (count > 1) {
		put_word(two, words[0]);
		put_word(two, "-");
		put_word(two, words[1]);
		found = by_name(two);
	}
	*ret_taken = found ? 2 : 1;
	return found ? found : by_name(one);
}
