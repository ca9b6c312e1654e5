/*
 * pso_rebuild: the datastore made anew from the cluster's PVs and the arrays'
 * volumes, as the vendor's document has it, as a plan.
 *
 * Until the volumes of the old datastore are put aside all can be taken back.
 * From then on each step waits where it is (PLAN_END): manifests are the user's, and
 * helm too without --chart, and the run goes on behind them.  One thread.
 */
#ifndef VARVE_PSO_REBUILD_H
#define VARVE_PSO_REBUILD_H

#include "tools/pso_match.h"
#include "tools/pso_volumes.h"

#define PSO_REBUILD_KIND "pso-reconstruct"
#define PSO_REBUILD_S 3600		/* that helm may take */
#define PSO_CAPTURE_AGE_S 3600		/* of the capture before it begins */

struct rebuild {
	struct moving moving;	/* its plan is not used */
	struct plan plan;
	struct kube kube;
	const struct tool *tool;	/* as options were at first */
	struct run *run;
	const char *ns, *release, *values;
	int64_t deadline_s;
};
#define OWNED_REBUILD CLEANUP(rebuild_release)
void rebuild_release(struct rebuild *rebuild);
int rebuild_make(const struct tool *tool, struct run *run,
		 struct rebuild *ret, struct err *err);
/* pso_rebuild_end.c: the steps behind the proof. */
int rebuild_add_end(struct rebuild *rebuild, struct err *err);
/* pso_helm.c: --chart, or NULL: helm is run by somebody else. */
const char *rebuild_chart(const struct rebuild *rebuild);
/* --new-values, else --values. */
const char *rebuild_values(const struct rebuild *rebuild);
int rebuild_uninstall(struct rebuild *rebuild, struct err *err);
/* The undo of it: tells how it is installed. */
int rebuild_tell_uninstalled(void *arg, struct err *err);
int rebuild_install(struct rebuild *rebuild, struct err *err);
/* -EPERM: helm has not got it as it should. */
int pso_helm_check(const struct tool *tool, const char *release,
		   const char *ns, const struct kube *kube, struct err *err);
/* What a cluster could not tell just now is not told yet (-EAGAIN), as one waits
 * for somebody who is at work there. */
int rebuild_patient(int r, struct err *err);
/* Which PVs are attached to which nodes, as facts; and what is not so any more,
 * told. */
int rebuild_learn_attached(const struct pso_look *look, struct run *run,
			   struct err *err);
void rebuild_tell_detached(const struct rebuild *rebuild,
			   const struct pso_look *look);
struct plan_step *rebuild_step(struct rebuild *rebuild,
			       struct plan_step *step, int64_t deadline_s,
			       plan_step_fn *act, plan_step_fn *check);
/* pso_output.c: what db-reconstructor printed, as a snapshot; its source is
 * learned as the fact "output". */
struct child_end;
int rebuild_keep_output(struct rebuild *rebuild, const struct child_end *end,
			struct stamp begun, struct err *err);
/* pso_gate.c: may it begin?  -EPERM with why not; *ret_label: the capture. */
int pso_gate_begin(const struct pso_look *look, char ret_label[LABEL_TEXT],
		   char ret_source[SOURCE_MAX + 1], struct err *err);
/* Of a datastore that is not dead is there something to mend first: clocks that are
 * too far apart, as many volumes -u as stop PSO's operator, a version that is too
 * old?  cures: what status tells; values: of the --new-values, or empty. */
int pso_gate_alive(const struct pso_look *look,
		   const struct pso_health *health,
		   const struct findings *cures,
		   const struct findings *values, struct err *err);

#endif
