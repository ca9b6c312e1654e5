/*
 * pso_install: the chart as it is installed, and what it needs of the cluster.
 *
 * Spans are borrowed from what was looked at.  One thread.
 */
#ifndef VARVE_PSO_INSTALL_H
#define VARVE_PSO_INSTALL_H

#include "tools/pso_ask.h"

#define PSO_VERSION_WANTED "6.2.1"	/* whose db-reconstructor is mended */
#define PSO_CONTROLLER "pso-csi-controller"
#define PSO_CONTROLLER_POD PSO_CONTROLLER "-0"
#define PSO_CONTAINER "pso-csi-container"
#define PSO_RELEASE "pure-pso"		/* as the documents call it */
#define PSO_OPERATOR "pso-db-cockroach-operator"

struct pso_install {
	struct span version;	/* "6.2.3"; data NULL: not known */
	const char *version_of;	/* what says so */
	struct span release;	/* helm's */
	bool release_assumed;
	const char *namespace;	/* NULL: not known */
	size_t pods;		/* of the chart that are there: see below */
	struct span pod;	/* one of them */
	bool pods_known;
};
/* Pods of the plugin, of the datastore, and its operator, which goes last. */
void pso_install_find(const struct pso_look *look, struct pso_install *ret);
bool pso_is_pod_of_chart(struct span name);
/* Is version ("6.2.3", "v6.2.1") at least wanted?  false also where it is none. */
bool pso_version_reaches(struct span version, const char *wanted);
/* The first "N.N.N" in text; data NULL: there is none. */
struct span pso_version_in(struct span text);

/* The three definitions of snapshots, as v1beta1. */
enum pso_crd { PSO_CRD_UNKNOWN = 1, PSO_CRD_MISSING, PSO_CRD_UNSERVED,
	       PSO_CRD_SERVED };
#define PSO_CRDS 3
struct pso_crds {
	enum pso_crd state[PSO_CRDS];
	char why[256];		/* of one that is not known */
	bool used;		/* there are snapshots of PSO's */
	bool class_there;	/* a VolumeSnapshotClass of PSO's driver */
};
extern const char *const pso_crd_names[PSO_CRDS];
/* Asks a live cluster for them. */
int pso_crds_find(struct pso_look *look, struct pso_crds *ret,
		  struct err *err);
/* What to do about them, appended to out; nothing where all is well. */
void pso_crds_advice(const struct pso_crds *crds, struct buf *out);

#endif
