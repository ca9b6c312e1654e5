/*
 * far_pod: a pod that does nothing but hold a claim, so that exec reaches what is
 * in its volume.
 *
 * It runs on the node that has the volume, under any taint; it is given no token,
 * no sidecar, and a day to live where nobody comes to remove it.  As root, with
 * what a container has by default, or as whom run_as says, with no right at all.
 *
 * One thread.
 */
#ifndef VARVE_FAR_POD_H
#define VARVE_FAR_POD_H

#include "tools/kube_act.h"

#define FAR_POD_MOUNT "/varve"
#define FAR_POD_CONTAINER "varve"
#define FAR_POD_NAME 64
#define FAR_POD_LIFE_S 86400

struct far_pod {		/* borrowed */
	const char *ns, *name, *run, *claim, *image;
	const char *node;	/* NULL: any */
	const char *run_as;	/* "UID[:GID]"; NULL: root */
	const char *fs_group;	/* NULL: owners of the volume stay as they are */
	bool read_only;
};

/* "varve-" and of run what a name may have. */
void far_pod_name(const char *run, char out[FAR_POD_NAME]);
/* Append the pod as JSON. */
int far_pod_write(const struct far_pod *pod, struct buf *out,
		  struct err *err);
/* Make it, unless it is there and of this run.  -EEXIST: another's is. */
int far_pod_make(struct kube *kube, const struct far_pod *pod,
		 struct err *err);
/* 0: it runs; -EAGAIN: not yet, and why; -ENXIO: it is not there; -EIO: it has
 * ended. */
int far_pod_look(struct kube *kube, const struct far_pod *pod,
		 struct err *err);
/* Both, again and again until it runs, or until wait_s seconds passed; one that
 * has ended is made anew. */
int far_pod_await(struct kube *kube, const struct far_pod *pod,
		  int64_t wait_s, struct err *err);
int far_pod_remove(struct kube *kube, const struct far_pod *pod,
		   struct err *err);
/* -EAGAIN: it is still there. */
int far_pod_gone(struct kube *kube, const struct far_pod *pod,
		 struct err *err);
/* "1000" or "1000:2000"; -EINVAL. */
int far_pod_user(const char *text, uint64_t *ret_uid, uint64_t *ret_gid,
		 struct err *err);
/* Both as far_pod_user() takes them, or NULL; -EINVAL, the option named. */
int far_pod_check(const char *run_as, const char *fs_group, struct err *err);

#endif
