/*
 * dv: IBM Data Virtualization's own backup and restore (varve dv).
 *
 *   dv_find.c     the instance: pods, claims, image, Deployments, markers
 *   dv_volume.c   the volume of backups, through a pod that reads it
 *   dv_job.c      the vendor's Jobs: taken from the instance, run, watched
 *   dv_store.c    a backup into the store, and what there is
 *   dv_send.c     a backup out of the store, on the volume
 *   dv_plan.c     what the plans share
 *   dv_past.c     what earlier runs on the instance left
 *   dv_backup.c, dv_restore.c, dv_clean.c, dv_mend.c   the plans
 *   dv_backup_check.c, dv_restore_check.c   what is looked at before
 *   dv_list.c     what there is
 *   cmd_dv.c      the command
 *
 * Names and numbers are the vendor's, as dvcli.sh and its document have them:
 * docs/dv.md.  One thread.
 */
#ifndef VARVE_DV_H
#define VARVE_DV_H

#include "tools/kube_act.h"
#include "tools/plan.h"
#include "tools/procedure.h"
#include "tools/tool.h"

#define DV_ENGINE "dv-engine-0"
#define DV_YAML "/opt/dv/current/bar/yaml/"
#define DV_CACHING "/opt/dv/current/bar/scripts/dv-caching-bar.sh"
#define DV_MARKERS "/mnt/marker_files/"
#define DV_MARKER ".bar"		/* DV is kept stopped */
#define DV_RESTORED ".bar_restored.txt"
#define DV_BAR "/mnt/PV/bar"
#define DV_JOINED "dv_backup.tar.gz"	/* also the link's name */
#define DV_METASTORE "dv_backup_dv_metastore.tar.gz"
#define DV_PARTS_MAX 16
#define DV_CLAIM "dv-bar-pvc"
#define DV_CLAIM_OLD "dv-pvc-bar"	/* as the document also has it */
#define DV_DATA_CLAIM "dv-pvc"
#define DV_ACCOUNT "dv-bar-sa"
#define DV_USER 1000322824u		/* bigsql */
#define DV_BACKUP_JOB "dv-backup-job"
#define DV_RESTORE_JOB "dv-restore-job"
#define DV_TEST_JOB "dv-test-job"
#define DV_READER_CONTAINER "dv-test-pod"
#define DV_NEED (10ull << 30)		/* of one backup */
#define DV_DEADLINE_S 3600		/* dvcli.sh: 120 times 30 s */
#define DV_RETURN_S 1800		/* DV's pods by themselves */
#define DV_GONE_S 600			/* pods that end */
#define DV_LOOK_S 7200			/* to read a backup through */
#define DV_TS 19			/* YYYY-MM-DD-HH-MM-SS */
#define DV_DEPLOYMENTS 3
#define DV_DIRS_MAX 1000

extern const char *const dv_deployments[DV_DEPLOYMENTS];

struct dv {
	const struct tool *tool;
	struct kube kube;
	bool past_stop;
	const char *ns;			/* borrowed */
	struct kube_origin origin;
	char *container;		/* of DV_ENGINE; NULL: it does not run */
	char *image, *image_of;		/* NULL: not known */
	char *claim, *policy, *class;	/* NULL: there is none yet */
	char *instance;			/* UID of DV_DATA_CLAIM */
	int64_t replicas[DV_DEPLOYMENTS];	/* -1: there is none */
	char reader[64], *pod;		/* Job and pod that read the volume */
	bool reads_only;		/* and may not write to it */
	char stuck[RUN_ID];	/* a restore that failed half way; "": none */
};
void dv_release(struct dv *dv);
#define OWNED_DV CLEANUP(dv_release)

/* dv_find.c */
/* By the options: the namespace, the cluster, dv-engine-0, claims, counts. */
int dv_open(const struct tool *tool, struct dv *ret, struct err *err);
/* -ENXIO: dv-engine-0 is not there, or does not run. */
int dv_find_engine(struct dv *dv, struct err *err);
int dv_find_claims(struct dv *dv, struct err *err);
/* --image, the pod of dv-init-volume, or its Job; the words are issue 1's. */
int dv_find_image(struct dv *dv, struct err *err);
int dv_find_counts(struct dv *dv, struct err *err);
/* All pods of DV run and are ready: 0; -EAGAIN with the first that is not. */
int dv_check_pods(struct dv *dv, struct err *err);
/* -EACCES: what of all that is done is not allowed. */
int dv_check_rights(struct dv *dv, struct err *err);
/* A marker file in dv-engine-0. */
int dv_marker(struct dv *dv, const char *name, bool *ret, struct err *err);
int dv_marker_remove(struct dv *dv, const char *name, struct err *err);
/* -EBUSY: DV is stopped by a marker, and no Job is at work; what to do. */
int dv_check_marker(struct dv *dv, struct err *err);
/* A shell script in a container; args NULL-terminated.  Its output is whole
 * ("end" is its last line, taken off) and its status 0, else -EIO with what it
 * said. */
int dv_sh(struct dv *dv, const char *pod, const char *container,
	  const char *script, const char *const *args, int64_t timeout_s,
	  struct buf *out, struct err *err);
char *dv_copy(struct span text);	/* NULL where it is empty */
bool dv_is_ts(const char *name, size_t len);

/* dv_volume.c */
struct dv_dir {			/* one backup on the volume */
	char ts[DV_TS + 1];
	uint64_t joined, parts, all;	/* bytes; all: with tmp/ */
	int64_t mtime;			/* of the joined one */
	unsigned part_count;
	bool linked;
};
struct dv_volume {
	uint64_t size, used, free;
	uint64_t data_size, data_used, data_free;	/* of dv-pvc; 0: unknown */
	char *link;		/* where the link points; NULL: there is none */
	bool dangling, writable;
	struct dv_dir *dirs;	/* the newest first */
	size_t count;
};
void dv_volume_release(struct dv_volume *volume);
#define OWNED_VOLUME CLEANUP(dv_volume_release)
/* The Job of the document's dv-test-job. */
void dv_test_job(const struct dv *dv, const char *name, bool write,
		 struct buf *out);
/* Make the pod, if it is not there; -EAGAIN until it runs. */
int dv_reader_ensure(struct dv *dv, struct err *err);
/* The same, waited for. */
int dv_reader_open(struct dv *dv, struct err *err);
int dv_reader_remove(struct dv *dv, struct err *err);
int dv_volume_read(struct dv *dv, struct dv_volume *ret, struct err *err);
const struct dv_dir *dv_dir_find(const struct dv_volume *volume,
				 const char *ts);
/* In the reading pod; args as of dv_sh(). */
int dv_volume_sh(struct dv *dv, const char *script, const char *const *args,
		 int64_t timeout_s, struct buf *out, struct err *err);
/* Point the link at target, at once; NULL: take it away. */
int dv_link_set(struct dv *dv, const char *target, struct err *err);

/* dv_job.c */
/* Run a Job of the instance's YAML: image and claim are set, "value" of
 * dv_backup.tar.gz is TS/dv_backup.tar.gz where ts is given.  Its fields are
 * edited, no text.  *ret_ts: there was such a value. */
int dv_job_make(struct dv *dv, const char *yaml, const char *run,
		const char *ts, bool *ret_ts, struct buf *out,
		struct err *err);
/* A claim of the instance's YAML, with class and size (NULL: as it is). */
int dv_claim_make(struct dv *dv, const char *class, const char *size,
		  struct buf *out, struct err *err);
enum dv_job_state {
	DV_JOB_NONE = 1, DV_JOB_ACTIVE, DV_JOB_COMPLETE, DV_JOB_FAILED,
};
/* run NULL: whoever's; else *ret_ours says whether it is that run's. */
int dv_job_state(struct dv *dv, const char *name, const char *run,
		 enum dv_job_state *ret, bool *ret_ours, struct err *err);
/* 0: it is complete; -EAGAIN while it is not; -EIO: it failed, why, and what to
 * do about it. */
int dv_job_watch(struct dv *dv, const char *name, struct run *run,
		 struct err *err);
/* Delete it; -EAGAIN until its pods are gone. */
int dv_job_remove(struct dv *dv, const char *name, struct err *err);
/* Did a container of it ever start? */
int dv_job_started(struct dv *dv, const char *name, bool *ret,
		   struct err *err);
/* What a Job's log, or a log of dvcli.sh, tells of a known failure: words into
 * err with their hint, and true; else false. */
bool dv_explain(struct span log, struct err *err);

/* dv_store.c */
struct dv_kept {		/* a backup in the store */
	char ts[DV_TS + 1];
	struct snapshot snapshot;
};
struct dv_kepts {
	struct dv_kept *list;	/* the newest first */
	size_t count;
};
void dv_kepts_release(struct dv_kepts *kepts);
#define OWNED_KEPTS CLEANUP(dv_kepts_release)
/* Those of this instance (its UID, or of any: other). */
int dv_kepts_load(struct repo *repo, const struct dv *dv, bool other,
		  struct dv_kepts *ret, struct err *err);
const struct dv_kept *dv_kept_find(const struct dv_kepts *kepts,
				   const char *ts);
/* lab/cpd30/dv, or --source. */
int dv_source(const struct dv *dv, const char *given, struct buf *ret,
	      struct err *err);
/* Take the backup into the store; the exit status. */
int dv_store_add(struct dv *dv, struct repo *repo, const char *source,
		 const struct dv_dir *dir, struct err *err);
/* Is the whole of it in the store, as it is on the volume?  -ENOENT or another
 * with why not. */
int dv_store_holds(struct repo *repo, const struct dv_kepts *kepts,
		   const struct dv_dir *dir, struct err *err);
/* dv_send.c: put it back as TS on the volume, by way of the directory hold. */
int dv_store_send(struct dv *dv, struct repo *repo, const char *snapshot,
		  const char *ts, const char *hold, struct err *err);

/* dv_plan.c */
struct dv_run {
	struct dv dv;
	struct run *run;	/* borrowed */
	struct plan plan;
	struct repo *repo;	/* borrowed, or opened when it is needed: */
	struct repo *own_repo;
	bool accept;		/* of a rollback */
	bool tried;		/* the Job was made once more by this process */
	int status;		/* of what was done past the proof */
};
void dv_run_release(struct dv_run *r);
#define OWNED_DV_RUN CLEANUP(dv_run_release)
struct dv_plan {		/* what a plan is about */
	const char *kind, *label;
	const char *action, *ts;	/* of the vendor's script; or NULL */
	const char *question;
	int (*make)(struct dv_run *r, struct err *err);
};
/* From a run's facts; engine and claims are asked for. */
int dv_run_load(const struct tool *tool, struct run *run, struct dv_run *ret,
		struct err *err);
int dv_run_repo(struct dv_run *r, struct err *err);
/* The vendor's command, as it is shown beside what is done. */
void dv_by_hand(const struct dv *dv, const char *action, const char *ts,
		struct buf *out);
/* That of --deadline, in seconds. */
int dv_deadline(const struct tool *tool, int64_t *ret, struct err *err);
/* The store, the instance, and a run that has not begun yet.  replaces: it may take
 * the place of a restore that failed half way (dv->stuck). */
int dv_begin(struct tool *tool, struct repo **ret_repo, struct dv *dv,
	     struct run *run, bool replaces, struct err *err);
/* With r from the checks: learn the facts, close the store, and go through the
 * plan; or give up.  ts NULL: not of one. */
int dv_plan_of(struct dv *dv, struct repo **repo, struct run *run,
	       const struct dv_plan *plan, int r, struct err *err);
/* A step with a deadline. */
struct plan_step *dv_step(struct dv_run *r, const char *name, int64_t deadline_s,
			  plan_step_fn *act, plan_step_fn *check,
			  plan_step_fn *undo, const char *fmt, ...)
	PRINTF(7, 8);
/* resume and rollback of it */
int dv_go_on(const struct tool *tool, struct run *run, bool back, bool accept,
	     int (*make)(struct dv_run *r, struct err *err), struct err *err);
/* The first and the last step: the pod that looks at the volume. */
int dv_add_reader(struct dv_run *r, struct err *err);
int dv_add_unread(struct dv_run *r, struct err *err);
bool dv_fact_is(const struct run *run, const char *key, const char *value);

/* A fact of a restore: the backup that was made first, to be put back. */
#define DV_FORMER "former"
/* A fact of one with a former: its Job has begun to write.  Without a former that is
 * RUN_ONLY_FORWARD. */
#define DV_BEGUN "begun"
static inline bool dv_has_begun(const struct run *run)
{
	return run_fact(run, RUN_ONLY_FORWARD) || run_fact(run, DV_BEGUN);
}

/* dv_past.c */
struct dv_past {
	char stuck[RUN_ID];	/* a restore that is open, and failed half way */
	char half[RUN_ID];	/* one that was given up so, and none since */
};
/* Of the target of runs; also from Jobs that are there no more. */
int dv_past_find(const struct tool *tool, const char *target,
		 struct dv_past *ret, struct err *err);
/* DV's files are half a backup's, or may be, and must not be started. */
int dv_is_half(struct dv *dv, bool *ret, struct err *err);
void dv_target(const struct dv *dv, struct buf *out);
/* Facts of the stuck run: the link as it was before it.  -EINVAL: ts is what that
 * run restores itself. */
int dv_replace_check(struct dv *dv, const char *ts, struct run *run,
		     struct err *err);
/* End the stuck run, unproved; what it sent and linked is taken back. */
int dv_replace(struct dv *dv, struct disk_dir *dir, const struct run *by,
	       struct err *err);

#define DV_BACKUP_KIND "dv-backup"
#define DV_RESTORE_KIND "dv-restore"
#define DV_CLEAN_KIND "dv-clean"
#define DV_MEND_KIND "dv-mend"

/* -EBUSY: outside of the hours that --window leaves, by the host's clock. */
int dv_backup_window(const struct tool *tool, struct err *err);
/* Before anything is stopped; facts of it into run. */
int dv_backup_check(struct dv *dv, struct repo *repo, struct run *run,
		    struct err *err);
int dv_restore_check(struct dv *dv, struct repo *repo, struct run *run,
		     struct err *err);

int dv_backup(struct tool *tool, struct err *err);
int dv_restore(struct tool *tool, struct err *err);
int dv_clean(struct tool *tool, struct err *err);
int dv_mend(struct tool *tool, struct err *err);
int dv_list(struct tool *tool, struct err *err);

#endif
