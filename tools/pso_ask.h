/*
 * pso_ask: the parts of varve pso that ask.
 *
 *   pso_kube.c    documents of Kubernetes, through kubectl
 *   pso_arrays.c  documents of arrays, through REST
 *   pso_look.c    both, or a capture's, to be looked at
 *   pso_diff.c    two captures compared
 *   cmd_pso.c     the command, and its captures
 *
 * The parts that tell and act: pso_tell.h, pso_act.h.
 */
#ifndef VARVE_PSO_ASK_H
#define VARVE_PSO_ASK_H

#include "indexer/pso/pso_model.h"
#include "tools/format.h"
#include "tools/kube.h"
#include "tools/rest.h"
#include "tools/tool.h"

struct pso_asking {
	const struct tool *tool;
	struct pso_capture *capture;
	int64_t timeout_s;
	const bool *past_stop;	/* as in struct rest_options */
};

/*
 * Ask kubectl for all that pso_resources[] names.  What cannot be had is told
 * in the capture.  -ENOENT and the like: kubectl itself cannot be run.
 */
int pso_ask_kubernetes(const struct pso_asking *asking, struct err *err);
/* Are those that --array names arrays?  -EINVAL. */
int pso_check_arrays(const struct tool *tool, struct err *err);
/* Ask the arrays that values.yaml and --array name. */
int pso_ask_arrays(const struct pso_asking *asking, struct err *err);
/* values.yaml of path, with its tokens. */
int pso_read_values(struct pso_capture *capture, const char *path,
		    struct err *err);
/* varve pso diff. */
int pso_diff(struct tool *tool, struct err *err);

/* An array that may be asked.  Owned; the token (or NULL) is wiped. */
struct pso_target {
	char *mgmt, *token;
	enum pso_type type;
};
struct pso_targets {
	struct pso_target *row;
	size_t count;
};
void pso_targets_release(struct pso_targets *targets);
/* Those of --array and of the capture's values, which still have tokens. */
int pso_targets_find(const struct pso_asking *asking,
		     struct pso_targets *ret, struct err *err);
int pso_ask_targets(const struct pso_asking *asking,
		    const struct pso_targets *targets, struct err *err);
/* Log in to one.  -ENOKEY: no token is known; else as rest_open(). */
int pso_target_open(const struct pso_asking *asking,
		    const struct pso_target *target, struct rest **ret,
		    struct err *err);

/*
 * What a cluster and its arrays are, now or as of a capture.  Secrets are out of
 * all of it but the targets.
 */
struct pso_look {
	struct pso_asking asking;
	struct pso_capture capture;
	struct pso_model model;
	struct pso_targets targets;	/* empty where arrays are not live */
	struct kube kube;
	bool live;			/* the cluster was asked just now */
	bool arrays_live, without_arrays;
	char label[LABEL_TEXT];		/* of the snapshot, where not live */
	struct stamp at;		/* when it was so */
};
#define OWNED_LOOK CLEANUP(pso_look_release)
void pso_look_release(struct pso_look *look);
/*
 * Live; or with --from of that snapshot: arrays are asked now all the same where
 * --values or --array names them.  tool is borrowed.
 */
int pso_look_open(struct pso_look *look, const struct tool *tool,
		  struct err *err);
/* The cluster alone. */
int pso_look_cluster(struct pso_look *look, const struct tool *tool,
		     struct err *err);
/* The documents of a capture in a snapshot, each byte hashed on the way. */
int pso_look_load(struct pso_capture *capture, struct repo *repo,
		  const struct record *record, struct err *err);
/* Whom to ask of the model's backend; NULL: nobody is known. */
const struct pso_target *pso_look_target(const struct pso_look *look,
					 size_t backend);
/* A span as printf's "%.*s" wants it. */
#define SPAN_ARG(s) (int)(s).len, (s).data ? (const char *)(s).data : ""

#endif
