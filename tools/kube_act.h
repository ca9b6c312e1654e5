/*
 * kube_act: what procedures ask of and do to a cluster, through kube.h.
 *
 * Takes one object, or one container, and gives what it is, or changes it.  All
 * give 0, or -ENXIO there is no such thing, -EREMOTEIO kubectl failed (its words),
 * -ETIMEDOUT no answer in time, else as child_run().  An error is never "none".
 *
 * Waits for nothing: a plan's step asks again until its deadline (plan.h).  What
 * undoes runs to its end also where the user stopped varve: kube.past_stop.
 *
 * Suites that want a cluster share the simulator tests/kube/cluster.py: they source
 * tests/kube/prelude, which says how it is filled, and give varve
 * "--kubectl $kubectl".  One thread.
 */
#ifndef VARVE_KUBE_ACT_H
#define VARVE_KUBE_ACT_H

#include "tools/kube.h"

#define KUBE_ARGV_MAX 64	/* words of a command that exec runs */

/* Where exec runs: the container is always named.  Borrowed. */
struct kube_container {
	const char *ns, *pod, *container;
};

/*
 * Run argv (NULL-terminated) in it, without a terminal, at most timeout_s
 * seconds; input: what it reads, or nothing.  0: it ran, its own exit status is
 * ret->status and its own words are ret->said; -EREMOTEIO: it could not be run
 * or the connection was lost, never to be taken for its own failure.
 *
 * A connection that breaks may also look like status 0 with less in ret->out:
 * what counts must be known by its end (a last line, a digest).
 */
int kube_exec(struct kube *kube, const struct kube_container *where,
	      const char *const *argv, struct span input, int64_t timeout_s,
	      struct child_end *ret, struct err *err);
/*
 * The same in pieces: child_put() is what it reads, and idle_s seconds in which
 * nothing moves end it.  kube_exec_end() instead of child_finish(); without it,
 * child_kill().  take (or NULL): given what it prints, as in struct child_how.
 */
int kube_exec_begin(struct kube *kube, const struct kube_container *where,
		    const char *const *argv, int64_t idle_s,
		    int (*take)(void *arg, struct span out, struct err *err),
		    void *arg, struct child *child, struct child_end *ret,
		    struct err *err);
int kube_exec_end(const struct kube *kube, struct child *child,
		  struct err *err);

/* One object.  ns NULL: not in a namespace.  what: "deployment/dv-api" */
int kube_get_one(struct kube *kube, const char *ns, const char *what,
		 struct jdoc *ret, struct err *err);
/* spec.replicas of deployment/… or statefulset/… */
int kube_replicas(struct kube *kube, const char *ns, const char *what,
		  int64_t *ret, struct err *err);
int kube_scale(struct kube *kube, const char *ns, const char *what,
	       int64_t replicas, struct err *err);
/* json: an object, or a List of them.  By the client's apply: of kubectl and oc
 * each version has that one. */
int kube_apply(struct kube *kube, const char *ns, struct span json,
	       struct err *err);
/* -EEXIST: there is one of that name. */
int kube_create(struct kube *kube, const char *ns, struct span json,
		struct err *err);
/* 0 also where it is gone already.  It may go on being there for a while. */
int kube_delete(struct kube *kube, const char *ns, const char *what,
		struct err *err);
/* type: "merge", "json" or "strategic".  No secrets: it is seen in ps. */
int kube_patch(struct kube *kube, const char *ns, const char *what,
	       const char *type, const char *json, struct err *err);
/* May we?  resource: "pods", "pods/exec", "deployments.apps/scale", or of one
 * object "namespaces:kube-system"; ns NULL: in all of the cluster.
 * -ENXIO: there is no such type. */
int kube_can(struct kube *kube, const char *ns, const char *verb,
	     const char *resource, bool *ret, struct err *err);
/* The pods of ns that have the claim, or soon will, or may still have it (all but
 * Succeeded and Failed): "items" of *ret.  None is an empty list. */
int kube_pods_of_claim(struct kube *kube, const char *ns, const char *claim,
		       struct jdoc *ret, struct err *err);
/* Is pod one of these? */
bool kube_pod_has(const struct jnode *pod, const char *claim);

struct record;
/* Where a snapshot is from, as far as its record says.  Release it. */
void kube_origin_of(const struct record *record, struct kube_origin *ret);
/* What names of sources from this cluster begin with, appended: given, or the
 * cluster's name. */
int kube_source_prefix(const struct kube_origin *origin, const char *given,
		       struct buf *ret, struct err *err);
/* The option by which another cluster is allowed. */
#define KUBE_OTHER_OPTION \
	{ .name = "other-cluster", \
	  .help = "also into another cluster than the snapshot's" }
/*
 * Is now the cluster (the UID of its kube-system) of wanted?  -EXDEV with both
 * in words where it is not, or where one cannot be known; 0 where other_cluster
 * allows that, or wanted says nothing.
 */
int kube_compare_origin(const struct kube_origin *wanted,
			const struct kube_origin *now, bool other_cluster,
			struct err *err);
/* The same of the cluster that answers.  *ret_now: which one it is; NULL: not
 * wanted.  Release it also on failure. */
int kube_check_origin(struct kube *kube, const struct kube_origin *wanted,
		      bool other_cluster, struct kube_origin *ret_now,
		      struct err *err);

#endif
