/* pso_internal: what the files of the pso kind share. */
#ifndef VARVE_PSO_INTERNAL_H
#define VARVE_PSO_INTERNAL_H

#include "fs/base/json.h"
#include "indexer/pso/pso.h"

#define PSO_NAME_MAX 512	/* bytes of a document's name */

/* pso_index.c: capture.json, and the table of kubectl get intrusion. */

int pso_take_index(struct pso_capture *capture, const struct jnode *root,
		   struct err *err);
int pso_put_table(struct pso_capture *capture, struct span text,
		  struct err *err);
/* Arrays whose documents are there, and that nobody named. */
int pso_find_arrays(struct pso_capture *capture, struct err *err);
const char *pso_state_name(enum pso_state state);

#endif
