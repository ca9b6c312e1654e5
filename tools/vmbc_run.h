/*
 * vmbc_run: replicas put back to one checkpoint, as a plan.
 *
 * Each replica is a push of its own (push.h), whose steps the plan goes through
 * side by side: all are staged before the first is put in place, and nothing is
 * started before all of them are shown to be wholly new, or wholly old.  The
 * plan is made from a run's facts alone.  One thread.
 */
#ifndef VARVE_VMBC_RUN_H
#define VARVE_VMBC_RUN_H

#include "tools/push.h"
#include "tools/vmbc.h"

#define VMBC_KIND "vmbc-restore"
#define VMBC_STEPS_MAX 12
#define VMBC_SETS_MAX 64	/* workloads that are scaled */

enum vmbc_how { STOP_NOTHING = 1, STOP_SCALE, STOP_HELM };

struct vmbc_run;

struct vmbc_part {
	struct push push;
	char prefix[16];		/* "r2-" */
	unsigned replica;
	const char *ns, *claim;	/* of its facts; NULL: not known */
};

struct vmbc_step {		/* what a plan's step works on */
	struct vmbc_run *all;
	const char *name;
};

struct vmbc_run {
	const struct tool *tool;
	struct run *run;	/* borrowed */
	struct plan plan;
	struct vmbc_part *parts;
	size_t count;
	bool checkpoint;	/* else whole volumes */
	bool in_place;		/* written over, as there is no room for two */
	bool asks;		/* the cluster is asked who has the claims */
	enum vmbc_how how;
	struct kube kube;
	struct vmbc_step steps[VMBC_STEPS_MAX];
	size_t step_count;
};

/* From the facts of run; repo may be NULL.  *ret does not move, and must be
 * released also after a failure. */
int vmbc_make(const struct tool *tool, struct run *run, struct repo *repo,
	      struct vmbc_run *ret, struct err *err);
void vmbc_run_release(struct vmbc_run *all);
#define OWNED_VMBC_RUN CLEANUP(vmbc_run_release)
/* The next step of the plan; its arg tells the name.  NULL: no memory. */
struct plan_step *vmbc_step(struct vmbc_run *all, const char *name,
			    const char *says);

/* vmbc_plan.c */
int vmbc_add_steps(struct vmbc_run *all, struct err *err);
/* What stops them, and what starts and validates them: as the facts say.
 * -ENOMEM, without words. */
int vmbc_add_stop(struct vmbc_run *all);
int vmbc_add_restart(struct vmbc_run *all);
/* The checkpoint in path, by its MANIFEST: -EUCLEAN, and why it is not whole. */
int vmbc_check_whole(const struct tool *tool, const char *path,
		     struct err *err);
/* vmbc_place.c: written over, and back. */
int vmbc_add_in_place(struct vmbc_run *all, struct err *err);

/* vmbc_stop.c */
/* How they are to be stopped, as facts of run; says what is to be done where
 * they run and nothing says how. */
int vmbc_note_stop(const struct tool *tool, const struct vmbc *vmbc,
		   struct vmbc_cluster *cluster, struct run *run,
		   struct err *err);
/* As plan_step_fn over a vmbc_step. */
int vmbc_stop(void *arg, struct err *err);
int vmbc_are_gone(void *arg, struct err *err);
int vmbc_start(void *arg, struct err *err);
int vmbc_are_up(void *arg, struct err *err);
/* -EBUSY, or -EAGAIN where they were stopped by this run: a pod has a claim. */
int vmbc_check_gone(struct vmbc_run *all, struct err *err);
/* "helm upgrade … --set global.replicaCount=N", for people. */
void vmbc_helm_text(const struct vmbc_run *all, const char *count,
		    struct buf *out);

/* vmbc_end.c: as push_end(). */
int vmbc_end(const struct tool *tool, struct vmbc_run *all, int r,
	     struct err *err);

#endif
