/*
 * pso_model: who belongs to whom in a capture.
 *
 * Objects are borrowed from the capture's documents.  A volume is matched with
 * what claims it by the PV's volumeHandle alone: imported volumes keep names
 * that no rule makes.  Lists are sorted, so that equal captures give equal
 * trees and rows.
 */
#ifndef VARVE_PSO_MODEL_H
#define VARVE_PSO_MODEL_H

#include "indexer/pso/pso_internal.h"

struct pso_backend {
	const struct pso_array *array;	/* NULL: only values.yaml names it */
	enum pso_type type;
	char *name;			/* owned; distinct */
	struct span id, mgmt, nfs;	/* data NULL: not known */
	const struct jnode *info;	/* of the array itself, or NULL */
	const struct jnode *values;	/* its entry in values.yaml, or NULL */
	const char *why;		/* not reached; else NULL */
};

/* A key and what it is of: lists to look things up in. */
struct pso_ref {
	struct span key;
	const struct jnode *node;
	uint32_t backend;		/* of what is an array's */
	uint32_t seq;			/* in the document */
};
struct pso_refs {
	struct pso_ref *ref;
	size_t count, cap;
};

struct pso_model {
	const struct pso_capture *capture;
	struct pso_backend *backends;
	size_t backend_count;
	struct span cluster_id;		/* data NULL: not known */
	char *guessed_id;		/* what cluster_id is, where guessed */
	bool all_read;			/* volumes of all backends are here */
	/* by volumeHandle; by name; "namespace/name"; … */
	struct pso_refs pvs, volumes, claims, classes, snapshots, contents,
		contents_by_name, volume_snapshots, hosts, connections, nodes,
		csinodes, intrusions, replicas, pods;
	struct pso_link *links;		/* of hosts, in their order */
};

/* The node that a host of an array stands for. */
struct pso_link {
	const struct jnode *node;	/* NULL: none is known */
	const char *by;			/* "port", "name" */
};

int pso_model_build(const struct pso_capture *capture,
		    struct pso_model *ret, struct err *err);
void pso_model_release(struct pso_model *model);

/* The refs of key: *ret_count of them. */
const struct pso_ref *pso_refs_find(const struct pso_refs *refs,
				    struct span key, size_t *ret_count);
/* The root's items of a document that is had; else NULL. */
const struct jnode *pso_items(const struct pso_capture *capture,
			      const char *name);
/* "Ns/name" of a namespaced object, appended to out. */
void pso_full_name(struct span namespace, struct span name, struct buf *out);
/* "10Gi", "500M", "1e9" in bytes; false: it is none. */
bool pso_quantity(struct span text, uint64_t *ret);
bool span_begins(struct span text, const char *with, size_t len);
/* What an array's volume is to this cluster, apart from PVs. */
bool pso_is_database(const struct pso_model *model, struct span volume);
bool pso_is_claimed_name(const struct pso_model *model, struct span volume);
bool pso_is_unusable(struct span volume);
/* pso_name.c. */

#define PSO_CLUSTER_ID_MAX 22
#define PSO_DB_DIGITS 10

/* [a-zA-Z0-9_]+, at most 22: as the chart's schema has it. */
bool pso_cluster_id_is_valid(struct span id);
/*
 * A volume of the datastore: ID-pso-db_NNNNNNNNNN, or an unusable one, with -u
 * or -N-u behind that.  The whole name, so that nothing that only begins so is
 * taken for one.
 */
struct pso_db_name {
	struct span pair;	/* the name without -u, in the name */
	bool unusable;
};
bool pso_db_name_parse(struct span id, struct span name,
		       struct pso_db_name *ret);
/* status.conditions of an object: false where there is none of that type. */
bool pso_condition(const struct jnode *object, const char *type, bool *ret);
/* "pso-db-8-0", not "pso-db-deployer-…". */
bool pso_is_db_pod(struct span name);
/* Does any string of the pod name the volume? */
bool pso_pod_has_volume(const struct jnode *pod, struct span volume);
/* The pod of the datastore that has it; NULL: none. */
const struct jnode *pso_pod_of_volume(const struct pso_model *model,
				      struct span volume);

/* pso_link.c: of each host in model->hosts. */
int pso_link_hosts(struct pso_model *model, struct err *err);
const struct pso_link *pso_link_of(const struct pso_model *model,
				   const struct pso_ref *host);

/* A document's name with the array's own in it, for what is shown. */
void pso_shown_name(const struct pso_model *model, const struct pso_doc *doc,
		    struct buf *out);
/* Append name as a path component. */
void pso_component(struct span name, struct buf *path);
/* capture.json. */
int pso_write_index(const struct pso_model *model, struct buf *out,
		    struct err *err);

/* pso_rows.c, pso_tree.c: push all that model has. */

int pso_push_rows(const struct pso_model *model, struct sink *sink,
		  struct err *err);
int pso_push_tree(const struct pso_model *model, struct sink *sink,
		  struct err *err);
/* A volume's state to the cluster in a word, for rows and documents. */
const char *pso_match(const struct pso_model *model, const struct pso_ref *pv,
		      const struct pso_ref *volume, size_t copies);

#endif
