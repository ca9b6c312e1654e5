/*
 * pso_clock: how far the clocks of nodes are apart, as their pods tell.
 *
 * `date` is run in a pod of each node; when it was asked and when it had
 * answered bound what its clock can be off, so each offset has a doubt of half
 * the time that took.  The pods' and this host's clocks are compared with this
 * host's alone; what counts is how far nodes are from each other.  One thread.
 */
#ifndef VARVE_PSO_CLOCK_H
#define VARVE_PSO_CLOCK_H

#include "tools/pso_ask.h"

struct pso_clock {
	struct span node;
	int64_t low_ms, high_ms;	/* bounds of its offset */
	bool known;
	char why[200];			/* it is not */
};
struct pso_clocks {
	struct pso_clock *row;
	size_t count, known;
	/* what two nodes are apart at least, and at most; of these two */
	int64_t least_ms, most_ms;
	size_t early, late;
};
void pso_clocks_release(struct pso_clocks *clocks);
#define OWNED_CLOCKS CLEANUP(pso_clocks_release)
/* Of nodes where a pod of the datastore or of the plugin runs. */
int pso_clocks_find(struct pso_look *look, struct pso_clocks *ret,
		    struct err *err);

#endif
