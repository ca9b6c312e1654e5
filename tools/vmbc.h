/*
 * vmbc: VMware Blockchain's replicas and the checkpoints of them, in
 * directories and in the store (varve vmbc).
 *
 *   vmbc_find.c     replicas in directories, known by names
 *   vmbc_points.c   their checkpoints, judged; which number all of them have
 *   vmbc_stored.c   the same of the store's snapshots
 *   vmbc_cluster.c  volumes, claims, classes and pods, asked through kubectl
 *   vmbc_show.c     the list
 *   vmbc_policy.c   how checkpoints are made, as files or helm tell
 *   vmbc_status.c   that, and what becomes of volumes, shown
 *   vmbc_add.c      a set of checkpoints into the store
 *   vmbc_create.c   a new one by the operator
 *   vmbc_restore.h  all back to one: vmbc_restore.c, vmbc_aim.c, vmbc_room.c
 *   vmbc_run.h      as a plan: vmbc_run.c, vmbc_plan.c, vmbc_place.c,
 *                   vmbc_stop.c, vmbc_end.c
 *
 * A replica's database is a directory "rocksdbdata" below one called
 * "replica-N" or "concord-pvc-ID-replica-N", at any depth; its checkpoints are
 * rocksdbdata/checkpoints/NUMBER.  One thread.
 */
#ifndef VARVE_VMBC_H
#define VARVE_VMBC_H

#include "fs/repo/repo.h"
#include "tools/kube.h"
#include "tools/tool.h"

#define VMBC_DATA	"rocksdbdata"
#define VMBC_BASE	"vmbc"		/* sources: vmbc/BLOCKCHAIN/replica-N */
#define VMBC_REPLICAS_MAX 100
#define VMBC_LEAST	4		/* 3f + 1, for f = 1 */

enum vmbc_state { POINT_WHOLE = 1, POINT_HURT, POINT_UNFINISHED };

struct vmbc_point {
	uint64_t number;
	enum vmbc_state state;
	char *why;		/* where it is not whole */
	char *place;		/* its directory; of the store, SOURCE@NAME */
	char *id;		/* of the store's: 32 hex digits */
};

struct vmbc_replica {
	unsigned number;
	char *dir;		/* its rocksdbdata, resolved; NULL: none here */
	char *top;		/* the directory that tells its number */
	char *volume;		/* the outermost that does */
	char *source;		/* of the store's */
	struct vmbc_point *points;	/* the newest first */
	size_t point_count;
	bool chosen;		/* it is to be put back */
	char *odd;		/* a name among the checkpoints that is none */
	/* as the cluster tells; NULL: not told */
	char *ns, *claim, *pv, *path, *handle, *zone, *reclaim, *class;
};

struct vmbc {
	char *blockchain;
	char *ns;		/* NULL: not known */
	struct vmbc_replica *replicas;	/* by number */
	size_t count;
	unsigned wanted;	/* how many there are to be */
	char *uid;		/* of the cluster, NULL: not known */
	char *settings;		/* of checkpoints (vmbc_policy_text()); or NULL */
};

#define VMBC_INIT { .count = 0 }
void vmbc_release(struct vmbc *vmbc);
#define OWNED_VMBC CLEANUP(vmbc_release)
/* The replica of that number, made where there is none; NULL: no memory. */
struct vmbc_replica *vmbc_replica(struct vmbc *vmbc, unsigned number);
/* NULL: there is none. */
struct vmbc_replica *vmbc_has(const struct vmbc *vmbc, unsigned number);

/* vmbc_find.c */
/* "replica-2", "concord-pvc-ID-replica-2": its number, and ID (empty: none). */
bool vmbc_name(struct span name, unsigned *ret_number, struct span *ret_id);
/*
 * Add the replicas below path, with their directories, to *vmbc.  blockchain:
 * only of this one, or NULL.  -EINVAL: two directories are one replica's, or of
 * several blockchains, or a directory is called after two replicas.
 */
int vmbc_find(const char *path, const char *blockchain, struct vmbc *vmbc,
	      struct err *err);

/* vmbc_points.c */
/* Look for and judge the checkpoints of all replicas that have a dir. */
int vmbc_judge(const struct tool *tool, struct vmbc *vmbc, struct err *err);
/* NULL: it has none of that number. */
const struct vmbc_point *vmbc_point(const struct vmbc_replica *replica,
				    uint64_t number);
struct vmbc_point *vmbc_add_point(struct vmbc_replica *replica,
				  uint64_t number, enum vmbc_state state,
				  const char *place, const char *why);
void vmbc_sort_points(struct vmbc_replica *replica);
/* Do all that are wanted have it whole?  *ret_why (owned): which do not. */
bool vmbc_everywhere(const struct vmbc *vmbc, uint64_t number,
		     char **ret_why);
/* The newest of these; false: there is none. */
bool vmbc_newest(const struct vmbc *vmbc, uint64_t *ret);
/* All numbers that any replica has, the newest first; owned. */
int vmbc_numbers(const struct vmbc *vmbc, uint64_t **ret, size_t *ret_count,
		 struct err *err);

/* vmbc_stored.c: the snapshots of BASE/replica-N; base NULL: as
 * vmbc_base() has it. */
int vmbc_stored(struct repo *repo, const char *base, struct vmbc *vmbc,
		struct err *err);
/* The one whose checkpoints the store has; owned.  -ENODATA: it has none;
 * -ENOTUNIQ: of several, which the words name. */
int vmbc_only_base(struct repo *repo, char **ret, struct err *err);
/* What sources begin with: --source, or vmbc/BLOCKCHAIN; owned. */
int vmbc_base(const struct tool *tool, const struct vmbc *vmbc, char **ret,
	      struct err *err);

/* vmbc_cluster.c */
struct vmbc_class {
	char *name, *provisioner, *reclaim, *binding;
	bool is_default;
	char *manifest;		/* to make it anew, with Retain */
};
struct vmbc_volume {		/* a bound volume of the blockchain's */
	char *pv, *ns, *claim, *reclaim, *class, *path, *handle, *zone;
	char *node;		/* to which it is attached; NULL: to none */
	bool is_replica;
	unsigned number;
};
struct vmbc_cluster {
	struct kube kube;
	struct kube_origin origin;
	struct vmbc_class *classes;
	struct vmbc_volume *volumes;
	size_t class_count, volume_count;
	char *blockchain;	/* which one these volumes are of */
};
void vmbc_cluster_release(struct vmbc_cluster *cluster);
#define OWNED_CLUSTER CLEANUP(vmbc_cluster_release)
/* Ask.  blockchain NULL: the only one there is (-EINVAL: there are several);
 * -ENODATA: no volume is a replica's. */
int vmbc_ask(const struct tool *tool, const char *blockchain,
	     struct vmbc_cluster *ret, struct err *err);
/* What the cluster knows of vmbc's replicas; adds those that were not found. */
int vmbc_take_cluster(struct vmbc *vmbc, const struct vmbc_cluster *cluster,
		      struct err *err);
/*
 * vmbc_policy.c: replicaCheckpointBackup, of a values.yaml, a descriptor, or
 * what helm says the release has (--values, --descriptor, --release).
 */
struct vmbc_policy {
	char *from;		/* where it was read; NULL: nowhere */
	bool has_enabled, enabled;
	uint64_t number, interval_s, window;	/* NOT_TOLD where it is not */
};
#define VMBC_NOT_TOLD UINT64_MAX
void vmbc_policy_release(struct vmbc_policy *policy);
#define OWNED_POLICY CLEANUP(vmbc_policy_release)
/* cluster NULL: helm is asked without a namespace. */
int vmbc_policy(const struct tool *tool, const struct vmbc_cluster *cluster,
		struct vmbc_policy *ret, struct err *err);
/* "enabled=true,number=5,interval=3600,window=30000"; empty: not known. */
void vmbc_policy_text(const struct vmbc_policy *policy, struct buf *out);
/* The same into vmbc->settings. */
int vmbc_take_settings(const struct tool *tool,
		       const struct vmbc_cluster *cluster, struct vmbc *vmbc,
		       struct err *err);
/* What is amiss with it, one at a time: true while there is. */
bool vmbc_policy_warning(const struct vmbc_policy *policy, unsigned n,
			 struct buf *out);
/* The patch that makes pv's policy Retain, as a command. */
void vmbc_patch(const struct vmbc_cluster *cluster, const char *pv,
		struct buf *out);

/*
 * The replicas that the command line means: below the directories of its words
 * from first on, or where there are none, those of the cluster's volumes on
 * this machine.  cluster: asked for, or NULL.
 */
int vmbc_take_words(const struct tool *tool, size_t first,
		    const struct vmbc_cluster *cluster, struct vmbc *ret,
		    struct err *err);

/* Is it to be asked: where no directory is named from first on, or an option
 * says how. */
bool vmbc_asks_cluster(const struct tool *tool, size_t first);
/* The number that may come behind the use; which word comes next. */
int vmbc_take_number(const struct tool *tool, uint64_t *ret, bool *ret_given);

/* vmbc_show.c */
int vmbc_show(const struct tool *tool, const struct vmbc *vmbc,
	      const char *where, struct err *err);
/* vmbc_status.c, vmbc_add.c, vmbc_restore.c, vmbc_create.c: the uses. */
int vmbc_status(struct tool *tool, struct err *err);
int vmbc_restore(struct tool *tool, struct err *err);
int vmbc_create(struct tool *tool, struct err *err);
int vmbc_add(struct tool *tool, struct err *err);
/* What is in path now, as a snapshot of source. */
int vmbc_add_present(const char *store, const char *source, const char *path,
		     struct err *err);
/* Checkpoint number of each replica that has it whole, or only of one (-1: of
 * all), as BASE/replica-N.  The worst exit status. */
int vmbc_add_set(const struct tool *tool, const struct vmbc *vmbc,
		 const char *base, uint64_t number, int only, bool quiet,
		 struct err *err);

#endif
