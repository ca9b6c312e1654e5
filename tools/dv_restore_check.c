#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/target.h"

/* Which backup is to be restored, and whether DV is in a state for it. */

static int learn_snapshot(struct dv *dv, const struct dv_kept *kept,
			  struct run *run, struct err *err)
{
	const struct record *record = &kept->snapshot.record;
	const char *of = record_tag(record, "dv_instance");
	const char *ns = record_tag(record, "dv_namespace");
	const char *other = option_value(&dv->tool->options,
					 "other-instance");
	char spec[2 * RECORD_ID + 8] = "id:";
	bool same = of && !strcmp(of, dv->instance);
	int r = kube_check_record(dv->tool, record, &dv->origin, err);

	if (r < 0)
		return r;
	if (!snapshot_is_good(&kept->snapshot))
		return err_set(err, -EUCLEAN, "backup %s is incomplete or "
			       "damaged in the store", kept->ts);
	if (!same && (!other || strcmp(other, dv->instance) != 0)) {
		err_set(err, -EXDEV, "backup %s is of another instance: %s in "
			"namespace %s, and this is %s in %s", kept->ts,
			of ? of : "?", ns ? ns : "?", dv->instance, dv->ns);
		return err_hint(err, "DV restores into the instance it backed "
				"up; --other-instance %s forces it",
				dv->instance);
	}
	hex_write(record->id, RECORD_ID, spec + 3);
	return run_learn(run, "snapshot", spec, err);
}

static int find_in_store(struct dv *dv, struct repo *repo, const char *ts,
			 struct run *run, uint64_t *ret_bytes, struct err *err)
{
	OWNED_KEPTS struct dv_kepts own = { .count = 0 };
	OWNED_KEPTS struct dv_kepts all = { .count = 0 };
	const struct dv_kept *kept;
	const char *joined;
	int r = dv_kepts_load(repo, dv, false, &own, err);

	if (r == 0)
		r = dv_kepts_load(repo, dv, true, &all, err);
	if (r < 0)
		return r;
	kept = dv_kept_find(&own, ts);
	if (!kept)
		kept = dv_kept_find(&all, ts);
	if (!kept) {
		err_set(err, -ENOENT, "there is no backup '%s' on %s, nor in "
			"the store", ts, dv->claim);
		return err_hint(err, "'varve dv list -n %s' names those there "
				"are", dv->ns);
	}
	joined = record_tag(&kept->snapshot.record, "dv_joined");
	*ret_bytes = joined ? strtoull(joined, NULL, 10) : 0;
	return learn_snapshot(dv, kept, run, err);
}

static int last_failed(struct dv *dv, bool *ret, struct err *err)
{
	enum dv_job_state state;
	int r = dv_job_state(dv, DV_BACKUP_JOB, NULL, &state, NULL, err);

	*ret = r == 0 && state == DV_JOB_FAILED;
	return r;
}

/* Of the volume, if it is named, else what the link names. */
static int find_ts(struct dv *dv, const struct dv_volume *volume,
		   const struct dv_dir **ret, const char **ret_ts,
		   struct err *err)
{
	const struct options *o = &dv->tool->options;
	bool failed = false;
	int r = last_failed(dv, &failed, err);

	if (r < 0)
		return r;
	if (o->word_count > 1) {
		*ret_ts = o->words[1];
		if (!dv_is_ts(*ret_ts, strlen(*ret_ts))) {
			err_set(err, -EINVAL, "'%s' is no backup's name",
				*ret_ts);
			return err_hint(err, "as 2021-01-22-19-27-31");
		}
		if (failed)
			note(dv->tool, "the last backup, " DV_BACKUP_JOB
			     ", failed");
		*ret = dv_dir_find(volume, *ret_ts);
		return 0;
	}
	for (size_t i = 0; i < volume->count; i++)
		if (volume->dirs[i].linked)
			*ret = &volume->dirs[i];
	if (failed || !*ret || volume->dangling || dv->stuck[0]) {
		err_set(err, -EINVAL, dv->stuck[0] ? "the last restore failed" :
			failed ? "the last backup failed" :
			"the link " DV_JOINED " points to no backup");
		return err_hint(err, "name the one that is to be restored; "
				"'varve dv list -n %s' has them", dv->ns);
	}
	*ret_ts = (*ret)->ts;
	return 0;
}

static int check_room(struct dv *dv, const struct dv_volume *volume,
		      uint64_t joined, bool send, struct err *err)
{
	uint64_t need = 2 * joined;
	char wants[SIZE_TEXT], has[SIZE_TEXT];
	int r = option_size(&dv->tool->options, "room", &need, err);

	if (r < 0)
		return r;
	size_text(need, wants);
	size_text(volume->data_free, has);
	if (volume->data_free < need)
		return err_set(err, -ENOSPC, DV_DATA_CLAIM " has %s free, and "
			       "a restore needs %s on it", has, wants);
	if (!send)
		return 0;
	need = 2 * joined + joined / 10;
	size_text(need, wants);
	size_text(volume->free, has);
	if (volume->free >= need)
		return 0;
	err_set(err, -ENOSPC, "%s has %s free, and the backup needs %s on it",
		dv->claim, has, wants);
	return err_hint(err, "'varve dv clean --keep 1 -n %s' removes from it "
			"what the store holds", dv->ns);
}

/* Either the Job can be told which, or the link is to be changed. */
static int choose_way(struct dv *dv, const struct dv_volume *volume,
		      const char *ts, struct run *run, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	bool told = false;
	int r = dv_job_make(dv, "dv-restore-job.yaml", run->id, ts, &told,
			    &text, err);

	if (r == 0 && volume->link)
		r = run_learn(run, "link", volume->link, err);
	if (r == 0 && (!told || option_given(&dv->tool->options, "by-link")))
		r = run_learn(run, "by-link", "1", err);
	return r;
}

/* The one that was made just now, to which the link points. */
static int learn_former(const struct dv *dv, const struct dv_volume *volume,
			struct run *run, struct err *err)
{
	if (option_given(&dv->tool->options, "dry-run"))
		return 0;
	for (size_t i = 0; i < volume->count; i++)
		if (volume->dirs[i].linked)
			return run_learn(run, DV_FORMER, volume->dirs[i].ts,
					 err);
	return err_set(err, -ENOENT, "the backup that was made first is not on "
		       "%s", dv->claim);
}

static int check_volume(struct dv *dv, struct repo *repo, struct run *run,
			struct err *err)
{
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	const struct dv_dir *dir = NULL;
	const char *ts = NULL;
	uint64_t joined = 0;
	int r = dv_reader_open(dv, err);

	if (r == 0)
		r = dv_volume_read(dv, &volume, err);
	if (r == 0)
		r = find_ts(dv, &volume, &dir, &ts, err);
	if (r == 0 && dir && !dir->joined)
		r = err_set(err, -ENOENT, "backup %s has no " DV_JOINED
			    ": it was never finished", ts);
	if (r == 0 && dir)
		joined = dir->joined;
	if (r == 0 && !dir)
		r = find_in_store(dv, repo, ts, run, &joined, err);
	if (r == 0)
		r = check_room(dv, &volume, joined, !dir, err);
	if (r == 0)
		r = choose_way(dv, &volume, ts, run, err);
	if (r == 0 && dv->stuck[0])
		r = dv_replace_check(dv, ts, run, err);
	if (r == 0 && option_given(&dv->tool->options, "backup-first"))
		r = learn_former(dv, &volume, run, err);
	return r < 0 ? r : run_learn(run, "ts", ts, err);
}

/* All of DV runs; but where a restore failed, another one is the cure. */
static int check_state(struct dv *dv, struct err *err)
{
	bool marked = false, half = false;
	int r = dv_marker(dv, DV_MARKER, &marked, err);

	if (r == 0 && marked)
		r = dv_is_half(dv, &half, err);
	if (r == 0 && half) {
		note(dv->tool, "the last restore failed, and keeps DV stopped");
		return 0;
	}
	if (r == 0)
		r = dv_check_marker(dv, err);
	if (r == 0)
		r = dv_check_pods(dv, err);
	if (r != -EAGAIN)
		return r;
	if (err)
		err->code = -EBUSY;
	err_hint(err, "a restore needs all pods of DV running: 'kubectl get "
		 "pods -n %s'", dv->ns);
	return -EBUSY;
}

int dv_restore_check(struct dv *dv, struct repo *repo, struct run *run,
		     struct err *err)
{
	int64_t seconds;
	int r = dv_deadline(dv->tool, &seconds, err);

	if (r == 0)
		r = run_learnf(run, err, "deadline", "%" PRId64, seconds);
	if (r == 0 && option_given(&dv->tool->options, "caching"))
		r = run_learn(run, "caching", "1", err);
	if (r == 0 && !dv->claim)
		r = err_set(err, -ENXIO, "there is no claim " DV_CLAIM
			    " in namespace %s", dv->ns);
	if (r == 0)
		r = dv_check_rights(dv, err);
	if (r == 0)
		r = dv_find_image(dv, err);
	if (r == 0)
		r = check_state(dv, err);
	return r < 0 ? r : check_volume(dv, repo, run, err);
}
