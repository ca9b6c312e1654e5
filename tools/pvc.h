/*
 * pvc: a PersistentVolumeClaim, and who has it.
 *
 * What is in its volume is reached through a pod: one that has it and runs, or one
 * made for that (far_pod.h) on the node where the volume is.
 *
 * One thread.
 */
#ifndef VARVE_PVC_H
#define VARVE_PVC_H

#include "tools/far_pod.h"

#define PVC_SCHEME "pvc:"
#define PVC_NAME 254

struct pvc_name {		/* of "NAMESPACE/NAME[:PATH]" */
	char ns[PVC_NAME], name[PVC_NAME];
	const char *path;	/* below the volume's root; "": the root */
	char *text;		/* owns path */
};
/* -EINVAL. */
int pvc_name_parse(const char *text, struct pvc_name *ret, struct err *err);
void pvc_name_release(struct pvc_name *name);
#define OWNED_PVC_NAME CLEANUP(pvc_name_release)

struct pvc {
	struct jdoc pods;	/* that have it: kube_pods_of_claim() */
	bool one_node;		/* it can be on one node at a time */
	bool one_pod;		/* or in one pod */
	bool no_write;		/* nobody may write to it */
	char *node;		/* where it is; NULL: nowhere, or not known */
};
void pvc_release(struct pvc *pvc);
#define OWNED_PVC CLEANUP(pvc_release)
/* -ENXIO: there is none; -EINVAL: it holds no file system. */
int pvc_find(struct kube *kube, const struct pvc_name *name, struct pvc *ret,
	     struct err *err);
/* How many pods have it, but for the one called but (or NULL); *ret_first one of
 * them, borrowed from pods. */
size_t pvc_users(const struct jdoc *pods, const char *but,
		 struct span *ret_first);

/* A container that has the whole of it mounted, in a pod that runs. */
struct pvc_door {
	char pod[PVC_NAME], container[PVC_NAME], mount[4096];
};
/* -ENOENT: none has; write: none that may write. */
int pvc_find_door(const struct pvc *pvc, const char *claim, bool write,
		  struct pvc_door *ret, struct err *err);
/* Is pod one of what's, by the labels it selects?  what: an object. */
bool pvc_selects(const struct jnode *what, const struct jnode *pod);

#endif
