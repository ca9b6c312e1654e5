/*
 * push_pvc: a snapshot put in the place of what is in the volume of a claim
 * (`varve push … pvc:NAMESPACE/NAME[:PATH]`), as a plan.
 *
 * As push.h does with a directory, by scripts in a pod (far.h): the new tree is
 * staged beside the present one, read back, and exchanged with it by renames.  The
 * staging directory is laid out as fs/out/swap.h says.
 *
 * The plan is made from a run's facts alone.  One thread.
 */
#ifndef VARVE_PUSH_PVC_H
#define VARVE_PUSH_PVC_H

#include "fs/out/restore.h"
#include "tools/far.h"
#include "tools/plan.h"
#include "tools/pvc.h"
#include "tools/push.h"

#define PUSH_PVC_KIND "push-pvc"
#define PUSH_PVC_SCALE_MAX 8
#define PUSH_PVC_SHORT_S 120	/* a script that moves nothing big */
#define PUSH_PVC_LONG_S 86400	/* one that removes or sums a tree */
#define PUSH_PVC_IDLE_S 300
#define PUSH_PVC_TRIES 3

struct push_pvc {
	const struct tool *tool;
	struct run *run;		/* borrowed */
	struct plan plan;
	struct kube kube;
	struct far far;
	struct far_pod pod;
	struct pvc_name claim;
	bool own_pod;			/* else one that was there */
	char pod_name[FAR_POD_NAME];
	char *place;			/* far: where the staging directory is */
	const char *staging, *name;	/* name "": the volume's root */
	bool discard, in_use, accept;
	int64_t deadline_s;
	struct restore_owner *owner, given;
	struct repo *repo, *own_repo;	/* borrowed; or opened when needed */
	struct target tree;
	bool quiet;
};

/* The plan of run; repo may be NULL.  *ret must be released. */
int push_pvc_make(const struct tool *tool, struct run *run,
		  struct repo *repo, struct push_pvc *ret, struct err *err);
void push_pvc_release(struct push_pvc *push);
#define OWNED_PUSH_PVC CLEANUP(push_pvc_release)
int push_pvc_open_tree(struct push_pvc *push, struct err *err);
/* After plan_go() or plan_back() gave r; as push_end(). */
int push_pvc_end(const struct tool *tool, struct push_pvc *push, int r,
		 struct err *err);

/* push_pvc_steps.c */
int push_pvc_add_steps(struct push_pvc *push, struct err *err);
/* Run a script there with place, staging, name and more (NULL-terminated). */
int push_pvc_far(struct push_pvc *push, const char *script,
		 const char *const *more, int64_t timeout_s, struct buf *out,
		 struct err *err);
/* -EBUSY or -EAGAIN: somebody else has the claim. */
int push_pvc_nobody(struct push_pvc *push, struct err *err);

/* push_pvc_swap.c: the steps between what is staged and the proof. */
int push_pvc_add_swap(struct push_pvc *push);
int push_pvc_prove(void *arg, enum run_tree tree, struct err *err);
bool push_pvc_swapped(const struct run *run);
/* What a tree there is, as text: of the staged one, or of the target. */
int push_pvc_mark(struct push_pvc *push, bool staged, struct buf *mark,
		  struct buf *top, struct err *err);

/* push_pvc_stage.c: the new tree there, and read back. */
int push_pvc_stage(void *arg, struct err *err);
int push_pvc_verify(void *arg, struct err *err);

/* push_pvc_begin.c: the command. */
int push_pvc(struct tool *tool, struct err *err);
/* push_pvc_discard.c: without a snapshot, what earlier pushes kept. */
int push_pvc_discard(struct tool *tool, struct err *err);

#endif
