/*
 * pso: what Pure Service Orchestrator has, as documents.
 *
 * A capture is documents: objects of Kubernetes, answers of arrays, the chart's
 * values.  tools/ fetches them or pso_load() reads them from a directory; the
 * reader takes secrets out of all of them, matches volumes with what claims
 * them, and shows a tree and rows.  What could not be had is part of it: each
 * document says whether it is there, and if not, why.
 *
 * Documents hold secrets until the reader has gone through them, so they stay
 * in memory.  At most PSO_BYTES_MAX of them.  One thread.
 */
#ifndef VARVE_PSO_H
#define VARVE_PSO_H

#include "fs/base/stamp.h"
#include "indexer/pso/redact.h"
#include "indexer/reader.h"

#define PSO_BYTES_MAX (512ull << 20)
#define PSO_FILES_MAX 20000
#define PSO_DEPTH_MAX 8		/* of a directory of documents */
#define PSO_ARRAYS_MAX 256
#define PSO_DB "pso-db"
#define PSO_DRIVER "pure-csi"

enum pso_state {
	PSO_HAD = 1,	/* it is there */
	PSO_GONE,	/* whoever was asked says that there is no such thing */
	PSO_FAILED,	/* it could not be asked for, or understood */
	PSO_UNASKED,	/* nobody asked, nor was it given */
};

/* What is asked of Kubernetes. */
struct pso_resource {
	const char *name;	/* "persistentvolumes": the document's name */
	const char *ask;	/* as kubectl names it */
	const char *kind;	/* of its objects */
	bool namespaced;
	bool of_pso;		/* only in PSO's namespace */
	bool optional;		/* a cluster need not have it */
};
extern const struct pso_resource pso_resources[];	/* name NULL ends */
const struct pso_resource *pso_resource_of_kind(struct span kind);

enum pso_type { PSO_FLASHARRAY = 1, PSO_FLASHBLADE };
const char *pso_type_name(enum pso_type type);
/* FlashArray, fa, FlashBlade, fb, in any case; 0: none of them. */
enum pso_type pso_type_parse(struct span text);

/* What is asked of an array. */
struct pso_query {
	const char *name;	/* "volumes": of the document, and in the URL */
	enum pso_type type;
};
extern const struct pso_query pso_queries[];	/* name NULL ends */

struct pso_doc {
	char *name;		/* "kubernetes/nodes", "arrays/1/volumes" */
	enum pso_state state;
	char *why;		/* where it is not had; without secrets */
	bool list;		/* bytes are items, without the list's end */
	uint64_t items;
	struct buf bytes;	/* JSON, as it came; empty once redacted */
	struct jdoc doc;	/* and without secrets */
};

struct pso_array {
	char *dir;		/* its documents are "arrays/<dir>/…" */
	enum pso_type type;
	char *mgmt;		/* endpoint as named in values.yaml, or NULL */
	char *api;		/* version spoken, or NULL */
	char *why;		/* it could not be asked at all; or NULL */
};

struct pso_capture {
	struct redact *redact;
	struct pso_doc *docs;
	size_t doc_count;
	struct pso_array *arrays;
	size_t array_count;
	char *context, *server, *cluster_uid, *namespace;	/* or NULL */
	char *captured;		/* ISO 8601; NULL: not known */
	bool no_arrays;		/* they were deliberately left out */
	bool clean;		/* secrets are out of all documents */
	uint64_t bytes;
};

int pso_capture_init(struct pso_capture *capture, struct err *err);
void pso_capture_release(struct pso_capture *capture);

/* A document that is had: bytes are JSON, taken over.  -E2BIG. */
int pso_put(struct pso_capture *capture, const char *name, struct buf *bytes,
	    struct err *err);
/* The same of a list, item by item; NULL: it is there, and may stay empty. */
int pso_add(struct pso_capture *capture, const char *name,
	    const struct jnode *item, struct err *err);
/* The chart's values, as YAML, with their tokens. */
int pso_put_values(struct pso_capture *capture, struct span yaml,
		   struct err *err);
/* One that is not, and why; secrets are taken out of the words. */
int pso_put_state(struct pso_capture *capture, const char *name,
		  enum pso_state state, const char *why, struct err *err);
struct pso_doc *pso_find(const struct pso_capture *capture, const char *name);
/* dir, and endpoint where it is known, are copied. */
int pso_add_array(struct pso_capture *capture, const char *dir,
		  enum pso_type type, const char *mgmt,
		  struct pso_array **ret, struct err *err);
/* Forget documents whose names begin so, and with "arrays/" all arrays. */
void pso_forget(struct pso_capture *capture, const char *begin);
/* Take the secrets out of all documents, and read them: what was put can be
 * looked at from then on. */
int pso_capture_clean(struct pso_capture *capture, struct err *err);
/* Words without the secrets known so far, in place of *text. */
int pso_clean(struct pso_capture *capture, char **text, struct err *err);

/*
 * The documents of a directory:
 *
 *   capture.json                 as a capture shows it: what was not had
 *   values.yaml
 *   arrays/<ARRAY>/<QUERY>.json, <QUERY>-<N>.json    answers, pages
 *   intrusion*.txt               the table that kubectl prints
 *   *.json                       what 'kubectl get -o json' gave
 *
 * or all that below raw/.  What cannot be understood is told in capture as
 * PSO_FAILED, or passed over with a warning to warn (path, why).
 */
int pso_load(const char *dir, struct pso_capture *capture,
	     void (*warn)(void *arg, const char *path, const char *why),
	     void *arg, struct err *err);

/* The same, file by file: path is relative to such a directory, or its raw/;
 * and what is behind the last one. */
int pso_load_file(struct pso_capture *capture, const char *path,
		  struct span bytes,
		  void (*warn)(void *arg, const char *path, const char *why),
		  void *arg, struct err *err);
int pso_load_end(struct pso_capture *capture, struct err *err);

/* input->given is a struct pso_capture, or input->path a directory. */
extern const struct reader reader_pso;

#endif
