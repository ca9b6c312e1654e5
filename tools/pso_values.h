/*
 * pso_values: two values.yaml of the chart compared, before it is installed anew.
 *
 * Both without their secrets.  One thread.
 */
#ifndef VARVE_PSO_VALUES_H
#define VARVE_PSO_VALUES_H

#include "tools/pso_ask.h"
#include "tools/pso_tell.h"

/*
 * What differs, as findings: TELL_BAD where PSO would not find what it has
 * (another clusterID, an array that is left out, a key in the wrong case).
 */
int pso_values_compare(const struct jnode *was, const struct jnode *is,
		       struct findings *findings, struct err *err);

#endif
