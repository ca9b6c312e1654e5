#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/format.h"

/* What is looked at before a backup stops anything. */

static uint64_t peak_of(const struct dv_volume *volume,
			const struct dv_kepts *kepts)
{
	uint64_t peak = 0;

	for (size_t i = 0; i < volume->count; i++)
		if (volume->dirs[i].all > peak)
			peak = volume->dirs[i].all;
	for (size_t i = 0; i < kepts->count; i++) {
		const char *text = record_tag(&kepts->list[i].snapshot.record,
					      "dv_peak");
		uint64_t n = text ? strtoull(text, NULL, 10) : 0;

		/* of the last one only: instances also shrink */
		if (i == 0 && n > peak)
			peak = n;
	}
	return peak;
}

static int check_room(struct dv *dv, const struct dv_volume *volume,
		      const struct dv_kepts *kepts, struct err *err)
{
	uint64_t peak = peak_of(volume, kepts), need = peak + peak / 5;
	char wants[SIZE_TEXT], has[SIZE_TEXT], size[SIZE_TEXT];
	int r;

	if (need < DV_NEED)
		need = DV_NEED;
	r = option_size(&dv->tool->options, "room", &need, err);
	if (r < 0)
		return r;
	size_text(need, wants);
	size_text(volume->free, has);
	size_text(volume->size, size);
	if (volume->free >= need)
		return 0;
	err_set(err, -ENOSPC, "%s has %s of %s free, and a backup needs %s",
		dv->claim, has, size, wants);
	return err_hint(err, "'varve dv clean --keep 1 -n %s' removes from it "
			"what the store holds; --room SIZE sets another "
			"bound", dv->ns);
}

static int learn_volume(const struct dv_volume *volume, struct run *run,
			struct err *err)
{
	OWNED_BUF struct buf before = BUF_INIT;
	int r;

	for (size_t i = 0; i < volume->count; i++)
		buf_printf(&before, "%s%s", i ? " " : "", volume->dirs[i].ts);
	if (!buf_str(&before))
		return err_nomem(err);
	r = run_learn(run, "before", buf_str(&before), err);
	if (r == 0 && volume->link)
		r = run_learn(run, "link", volume->link, err);
	return r;
}

static int check_volume(struct dv *dv, struct repo *repo, struct run *run,
			struct err *err)
{
	OWNED_VOLUME struct dv_volume volume = { .count = 0 };
	OWNED_KEPTS struct dv_kepts kepts = { .count = 0 };
	int r = dv_kepts_load(repo, dv, false, &kepts, err);

	if (r == 0)
		r = dv_reader_open(dv, err);
	if (r == 0)
		r = dv_volume_read(dv, &volume, err);
	if (r == 0)
		r = check_room(dv, &volume, &kepts, err);
	if (r == 0 && !volume.writable) {
		err_set(err, -EACCES, DV_BAR " on %s may not be written by the "
			"user that backs up (%u): its storage class made it "
			"with other rights (issue 2 of the vendor's document)",
			dv->claim, DV_USER);
		r = err_hint(err, "'varve dv mend --permissions -n %s' mends "
			     "it", dv->ns);
	}
	return r < 0 ? r : learn_volume(&volume, run, err);
}

static int take_class(struct dv *dv, struct run *run, struct err *err)
{
	const struct options *o = &dv->tool->options;
	const char *class = option_value(o, "storage-class");
	const char *size = option_value(o, "size");
	int r;

	if (dv->claim && size)
		return err_set(err, -EINVAL, "--size: the claim %s is there "
			       "already", dv->claim);
	if (dv->claim)
		return 0;
	if (!class) {
		err_set(err, -ENXIO, "there is no claim " DV_CLAIM
			" in namespace %s", dv->ns);
		return err_hint(err, "--storage-class NAME makes it, as "
				"ibmc-file-gold-gid; --size 40Gi makes room for "
				"more than one backup");
	}
	r = run_learn(run, "class", class, err);
	return r < 0 || !size ? r : run_learn(run, "size", size, err);
}

static int take_deadline(const struct tool *tool, struct run *run,
			 struct err *err)
{
	int64_t seconds;
	int r = dv_deadline(tool, &seconds, err);

	return r < 0 ? r : run_learnf(run, err, "deadline", "%" PRId64, seconds);
}

/* "22:00-05:00" */
int dv_backup_window(const struct tool *tool, struct err *err)
{
	const char *text = option_value(&tool->options, "window");
	unsigned h1, m1, h2, m2;
	time_t now = time(NULL);
	struct tm tm;
	int len = 0, at, from, to;

	if (!text)
		return 0;
	if (sscanf(text, "%2u:%2u-%2u:%2u%n", &h1, &m1, &h2, &m2, &len) != 4 ||
	    text[len] || h1 > 23 || h2 > 23 || m1 > 59 || m2 > 59)
		return err_set(err, -EINVAL, "--window '%s' is not "
			       "HH:MM-HH:MM", text);
	localtime_r(&now, &tm);
	at = tm.tm_hour * 60 + tm.tm_min;
	from = (int)(h1 * 60 + m1);
	to = (int)(h2 * 60 + m2);
	if (from <= to ? at >= from && at < to : at >= from || at < to)
		return 0;
	return err_set(err, -EBUSY, "it is %02d:%02d, and backups stop DV "
		       "only within %s", tm.tm_hour, tm.tm_min, text);
}

static int check_account(struct dv *dv, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_get_one(&dv->kube, dv->ns, "serviceaccount/" DV_ACCOUNT,
			     &doc, err);

	if (r != -ENXIO)
		return r < 0 ? err_wrap(err, "kubectl") : 0;
	return err_set(err, r, "there is no service account " DV_ACCOUNT
		       " in namespace %s, by which backups run", dv->ns);
}

int dv_backup_check(struct dv *dv, struct repo *repo, struct run *run,
		    struct err *err)
{
	int r = dv_check_rights(dv, err);

	if (r == 0)
		r = check_account(dv, err);
	if (r == 0)
		r = dv_find_image(dv, err);
	if (r == 0 && !strstr(dv->image, "v1.5.0.0"))
		note(dv->tool, "image %s is not of v1.5.0.0, which this was "
		     "written for", dv->image);
	if (r == 0)
		r = dv_check_marker(dv, err);
	if (r == 0)
		r = take_class(dv, run, err);
	if (r == 0)
		r = take_deadline(dv->tool, run, err);
	if (r == 0 && dv->policy && !strcmp(dv->policy, "Delete"))
		note(dv->tool, "the volume of %s has reclaim policy Delete: who "
		     "deletes the claim deletes all backups on it", dv->claim);
	if (r == 0 && dv->claim)
		r = check_volume(dv, repo, run, err);
	return r;
}
