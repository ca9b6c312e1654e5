/* pso_status: what the files of the checks share. */
#ifndef VARVE_PSO_STATUS_H
#define VARVE_PSO_STATUS_H

#include "tools/pso_act.h"

struct checking {
	struct pso_look *look;
	const struct pso_health *health;
	struct findings *f;
};

/* pso_spread.c: on which nodes and arrays replicas are, and what is to spare. */
int pso_check_spread(const struct checking *checking, struct err *err);

#endif
