/*
 * pso_ask: the parts of varve pso.
 *
 *   pso_kube.c    documents of Kubernetes, through kubectl
 *   pso_arrays.c  documents of arrays, through REST
 *   pso_diff.c    two captures compared
 *   cmd_pso.c     the command
 */
#ifndef VARVE_PSO_ASK_H
#define VARVE_PSO_ASK_H

#include "indexer/pso/pso.h"
#include "tools/tool.h"

struct pso_asking {
	const struct tool *tool;
	struct pso_capture *capture;
	int64_t timeout_s;
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
/* varve pso diff. */
int pso_diff(struct tool *tool, struct err *err);

#endif
