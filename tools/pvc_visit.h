/*
 * pvc_visit: something done once in the volume of a claim, through a pod.
 *
 * Through one that has the claim and runs; or, with --image, through one that is
 * made for it and removed on every way out.  The pod is a run in the journal: where
 * varve is killed, `varve rollback` removes it.
 *
 * One thread.
 */
#ifndef VARVE_PVC_VISIT_H
#define VARVE_PVC_VISIT_H

#include "tools/far.h"
#include "tools/plan.h"
#include "tools/pvc.h"
#include "tools/tool.h"

#define PVC_VISIT_KIND "pvc-visit"

/* --image, --run-as, --fs-group and what kubectl is told. */
#define PVC_POD_OPTIONS \
	{ .name = "image", .arg = "IMAGE", \
	  .help = "of the pod that is started for the claim (needs GNU's tar, " \
		  "find and coreutils, as debian:12-slim)" }, \
	{ .name = "run-as", .arg = "UID[:GID]", \
	  .help = "of that pod, where root is not allowed" }, \
	{ .name = "fs-group", .arg = "GID", \
	  .help = "of that pod; the cluster may give all of the volume to it" }

struct pvc_visit {
	struct tool *tool;
	struct pvc_name name;
	struct kube kube;
	struct kube_origin cluster;
	struct pvc pvc;
	struct pvc_door door;
	const char *image;		/* NULL: through door */
	bool write;
	struct far far;			/* and where it is mounted there: */
	const char *mount;
};
void pvc_visit_release(struct pvc_visit *visit);
#define OWNED_VISIT CLEANUP(pvc_visit_release)
/* Of "NAMESPACE/NAME[:PATH]".  -EINVAL with a hint where there is no pod, and
 * no image to start one from. */
int pvc_visit_open(struct tool *tool, const char *name, bool write,
		   struct pvc_visit *ret, struct err *err);
/* Call work while the pod is there; says: what it does, for people.  What work
 * gives, or why it could not be called. */
int pvc_visit_run(struct pvc_visit *visit, struct repo *repo,
		  const char *says,
		  int (*work)(void *arg, struct pvc_visit *visit,
			      struct err *err),
		  void *arg, struct err *err);

#endif
