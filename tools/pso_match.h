/*
 * pso_match: PVs of a cluster against volumes of arrays, for one clusterID.
 *
 * By the whole handle, never by how a name begins.  What is not said of a PV or a
 * volume is in order.  One thread.
 */
#ifndef VARVE_PSO_MATCH_H
#define VARVE_PSO_MATCH_H

#include "tools/pso_ask.h"

enum pso_odd {
	PSO_MISSING = 1,	/* a PV whose volume is on no array */
	PSO_UNSEEN,		/* the same, and not every array could be read */
	PSO_GONE_SOON,		/* its volume is destroyed, not yet eradicated */
	PSO_SIZE,		/* it has another size than the PV */
	PSO_DUPLICATE,		/* on more arrays than one */
	PSO_TWICE,		/* two PVs have one volume */
	PSO_OTHER_ID,		/* a PV of another clusterID */
	PSO_CLAIM,		/* a claim whose PV is not there */
	PSO_ORPHAN,		/* a volume of this clusterID without a PV */
	PSO_IMPORTED,		/* its name is not PSO's: in order, told */
};
const char *pso_odd_name(enum pso_odd odd);

struct pso_oddity {
	enum pso_odd odd;
	struct span handle, pv, namespace, claim;	/* data NULL: none */
	char *words;
};
struct pso_matches {
	struct pso_oddity *row;
	size_t count;
	size_t pvs, matched;	/* of PSO's; with one volume of their size */
	size_t wrong;		/* oddities but those that are only told */
	bool failed;		/* no memory */
};
void pso_matches_release(struct pso_matches *matches);
#define OWNED_MATCHES CLEANUP(pso_matches_release)
int pso_matches_find(const struct pso_look *look, struct pso_matches *ret,
		     struct err *err);
/* On stdout; as JSON each is an object, and the sum is the last. */
int pso_matches_print(const struct pso_matches *matches,
		      const struct tool *tool, struct err *err);

#endif
