#include "tools/dv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/base/json.h"

#define LOG_TAIL "2000"
#define ANNOTATION "varve/run"
#define YAML_S 60

/* Editing. */

struct editing {
	const struct dv *dv;
	const char *run, *ts;		/* NULL: not that */
	const char *class, *size;
	unsigned images, values;	/* met */
};

static bool has_parents(const struct jnode *node, const char *parent,
			const char *above)
{
	const struct jnode *p = node->parent;

	/* an element of a list stands in between */
	if (p && !p->key.data)
		p = p->parent;
	return p && span_equal(p->key, span_str(parent)) &&
	       (!above || (p->parent &&
			   span_equal(p->parent->key, span_str(above))));
}

static bool is_member(const struct jnode *node, const char *key)
{
	return node->key.data && span_equal(node->key, span_str(key));
}

static int put_text(struct buf *out, const char *text)
{
	json_quote(out, span_str(text));
	return 2;
}

/* metadata of the Job itself: whose run it is of. */
static int put_metadata(struct editing *e, const struct jnode *node,
			struct buf *out, struct err *err)
{
	struct json json;
	int r = 0;

	json_init(&json, out);
	json_open_object(&json, NULL);
	for (const struct jnode *one = node->child; r == 0 && one;
	     one = one->next) {
		OWNED_BUF struct buf value = BUF_INIT;

		if (!is_member(one, "name") && !is_member(one, "labels"))
			continue;
		r = jnode_write(one, false, NULL, NULL, &value, err);
		if (is_member(one, "name"))
			json_raw(&json, "name", buf_span(&value));
		else
			json_raw(&json, "labels", buf_span(&value));
	}
	if (e->run) {
		json_open_object(&json, "annotations");
		json_str(&json, ANNOTATION, e->run);
		json_close_object(&json);
	}
	json_close_object(&json);
	return r < 0 ? r : 2;
}

static int edit(void *arg, const struct jnode *node, struct buf *out,
		struct err *err)
{
	struct editing *e = arg;

	if (is_member(node, "status") && node->parent && !node->parent->parent)
		return 1;
	if (is_member(node, "metadata") && node->parent &&
	    !node->parent->parent)
		return put_metadata(e, node, out, err);
	if (is_member(node, "image") && memmem(node->text.data, node->text.len,
					       "dv-init-volume", 14)) {
		e->images++;
		return put_text(out, e->dv->image);
	}
	if (is_member(node, "claimName") && e->dv->claim &&
	    span_equal(node->text, span_str(DV_CLAIM)))
		return put_text(out, e->dv->claim);
	if (is_member(node, "value") && has_parents(node, "env", NULL) &&
	    span_equal(node->text, span_str(DV_JOINED))) {
		e->values++;
		if (!e->ts)
			return 0;
		buf_printf(out, "\"%s/" DV_JOINED "\"", e->ts);
		return 2;
	}
	if (is_member(node, "storageClassName") && e->class)
		return put_text(out, e->class);
	if (is_member(node, "storage") && e->size &&
	    has_parents(node, "resources", NULL) == false &&
	    has_parents(node, "requests", "resources"))
		return put_text(out, e->size);
	return 0;
}

/* The instance's YAML, read by kubectl, which is a parser of it. */
static int take_yaml(struct dv *dv, const char *name, struct jdoc *ret,
		     struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	OWNED_BUF struct buf yaml = BUF_INIT;
	const char *args[] = { name, NULL };
	const char *const what[] = { "create", "--dry-run=client", "-o",
				     "json", "-n", dv->ns, "-f", "-", NULL };
	int r = dv->container ? 0 : dv_find_engine(dv, err);

	if (r == 0)
		r = dv_sh(dv, DV_ENGINE, dv->container,
			  "cat " DV_YAML "\"$1\"", args, YAML_S, &yaml, err);
	if (r == 0)
		r = kube_feed(&dv->kube, what, buf_span(&yaml), &end, err);
	if (r == 0)
		r = kube_judge(&dv->kube, &end, err);
	if (r == 0)
		r = jdoc_parse(buf_span(&end.out), "what kubectl made of it",
			       ret, err);
	return r < 0 ? err_wrap(err, "cannot take " DV_YAML "%s", name) : 0;
}

int dv_job_make(struct dv *dv, const char *yaml, const char *run,
		const char *ts, bool *ret_ts, struct buf *out,
		struct err *err)
{
	struct editing e = { .dv = dv, .run = run, .ts = ts };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = take_yaml(dv, yaml, &doc, err);

	if (r == 0 && !jnode_is(doc.root, "kind", "Job"))
		r = err_set(err, -EPROTO, "%s%s is no Job", DV_YAML, yaml);
	if (r == 0)
		r = jnode_write(doc.root, false, edit, &e, out, err);
	if (r == 0)
		r = buf_check(out, err);
	if (r == 0 && e.images == 0)
		r = err_set(err, -EPROTO, "%s%s has no image dv-init-volume "
			    "to be set", DV_YAML, yaml);
	if (r == 0 && ret_ts)
		*ret_ts = e.values == 1;
	return r;
}

int dv_claim_make(struct dv *dv, const char *class, const char *size,
		  struct buf *out, struct err *err)
{
	struct editing e = { .dv = dv, .class = class, .size = size };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = take_yaml(dv, "dv-bar-pvc.yaml", &doc, err);

	if (r == 0)
		r = jnode_write(doc.root, false, edit, &e, out, err);
	return r < 0 ? r : buf_check(out, err);
}

/* State. */

static enum dv_job_state state_of(const struct jnode *job, struct span *why)
{
	const struct jnode *list = jnode_path(job, "status.conditions");
	const struct jnode *one = list ? list->child : NULL;

	/* whichever comes first in the list, and not the first alone */
	for (; one; one = one->next) {
		if (!jnode_is(one, "status", "True"))
			continue;
		if (jnode_is(one, "type", "Complete"))
			return DV_JOB_COMPLETE;
		if (jnode_is(one, "type", "Failed")) {
			*why = jnode_text(one, "reason");
			return DV_JOB_FAILED;
		}
	}
	return DV_JOB_ACTIVE;
}

static int get_job(struct dv *dv, const char *name, struct jdoc *ret,
		   struct err *err)
{
	char what[128];
	int r;

	snprintf(what, sizeof(what), "job/%s", name);
	r = kube_get_one(&dv->kube, dv->ns, what, ret, err);
	return r == -ENXIO || r == 0 ? r : err_wrap(err, "kubectl");
}

int dv_job_state(struct dv *dv, const char *name, const char *run,
		 enum dv_job_state *ret, bool *ret_ours, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *annotations, *ours;
	struct span why;
	int r = get_job(dv, name, &doc, err);

	if (ret_ours)
		*ret_ours = false;
	if (r == -ENXIO) {
		*ret = DV_JOB_NONE;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = state_of(doc.root, &why);
	annotations = jnode_path(doc.root, "metadata.annotations");
	ours = annotations ? jnode_get(annotations, ANNOTATION) : NULL;
	if (ret_ours && run && ours)
		*ret_ours = span_equal(ours->text, span_str(run));
	return 0;
}

/* Logs. */

#define CHANGED \
	"files changed while they were packed: the backup is inconsistent", \
	"something of DV still ran: are there other pods that have dv-pvc?"

static const struct {
	const char *text, *words, *hint;
} known[] = {
	{ "Permission denied: '/mnt/PV/bar/",
	  "the backup may not make its directory on the volume: the storage "
	  "class made it with other rights (issue 2 of the vendor's document)",
	  "'varve dv mend --permissions' gives the directory to the backup, by "
	  "a pod; then run the backup again" },
	{ "Use DV init image: in ",
	  "dvcli.sh found no image, as the pod of dv-init-volume was deleted "
	  "(issue 1 of the vendor's document)",
	  "'varve dv backup' takes the image from the Job dv-init-volume" },
	{ "extra characters at the end of d command",
	  "dvcli.sh found no image and edited its file with nothing (issue 1 "
	  "of the vendor's document)",
	  "'varve dv backup' takes the image from the Job dv-init-volume" },
	{ "file changed as we read it", CHANGED },
	{ "files were changed", CHANGED },
	{ "No space left on device",
	  "the volume of backups is full",
	  "'varve dv clean --keep 1' removes from it what the store holds" },
};

bool dv_explain(struct span log, struct err *err)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!log.len || !memmem(log.data, log.len, known[i].text,
					strlen(known[i].text)))
			continue;
		err_set(err, -EIO, "%s", known[i].words);
		err_hint(err, "%s", known[i].hint);
		return true;
	}
	return false;
}

static int read_log(struct dv *dv, const char *name, struct buf *out,
		    struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	char job[128];
	const char *const what[] = { "logs", job, "-n", dv->ns, "--tail="
				     LOG_TAIL, NULL };
	int r;

	snprintf(job, sizeof(job), "job/%s", name);
	r = kube_run(&dv->kube, what, &end, err);
	if (r == 0)
		r = kube_judge(&dv->kube, &end, err);
	if (r == 0)
		buf_swap(out, &end.out);
	return r;
}

/* Beside the journal; what it cannot keep is no reason to fail. */
static void keep_log(struct run *run, const char *name, const struct buf *log)
{
	char path[RUN_ID + 64];
	int fd;

	if (!run->dir || !log->len)
		return;
	snprintf(path, sizeof(path), "%s/%s.log", run->id, name);
	fd = openat(run->dir->fd, path, O_WRONLY | O_CREAT | O_TRUNC |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, log->data, log->len) < 0)
		warn("the log of %s was not kept", name);
	close(fd);
}

static void last_line(const struct buf *log, char out[300])
{
	size_t end = log->len, begin;

	while (end && log->data[end - 1] <= ' ')
		end--;
	for (begin = end; begin && log->data[begin - 1] != '\n'; begin--)
		;
	snprintf(out, 300, "%.*s", (int)(end - begin),
		 (const char *)log->data + begin);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20)
			*c = ' ';
}

static int tell_failed(struct dv *dv, const char *name, struct span reason,
		       struct run *run, struct err *err)
{
	OWNED_BUF struct buf log = BUF_INIT;
	char line[300] = "";
	int r = read_log(dv, name, &log, NULL);

	if (r == 0)
		keep_log(run, name, &log);
	if (r == 0 && dv_explain(buf_span(&log), err))
		return err_wrap(err, "Job %s failed", name);
	last_line(&log, line);
	err_set(err, -EIO, "Job %s failed (%.*s)%s%s", name, (int)reason.len,
		(const char *)reason.data, line[0] ? ": " : "", line);
	return err_hint(err, "its log is in the store, runs/%s/%s.log",
			run->id, name);
}

/* Why its pod does not start, where that is so. */
static void tell_pod(struct dv *dv, const char *name, struct err *err)
{
	const char *const what[] = { "pods", "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;

	err_set(err, -EAGAIN, "Job %s is at work", name);
	if (kube_get(&dv->kube, what, &doc, NULL) < 0)
		return;
	for (const struct jnode *one = jnode_get(doc.root, "items")->child;
	     one; one = one->next) {
		const struct jnode *list, *owners;
		struct span reason;

		owners = jnode_path(one, "metadata.ownerReferences");
		if (!owners || !owners->child ||
		    !jnode_is(owners->child, "name", name))
			continue;
		list = jnode_path(one, "status.containerStatuses");
		reason = jnode_text(list ? list->child : NULL,
				    "state.waiting.reason");
		if (reason.len)
			err_set(err, -EAGAIN, "the pod of Job %s does not "
				"start: %.*s", name, (int)reason.len,
				(const char *)reason.data);
	}
}

int dv_job_watch(struct dv *dv, const char *name, struct run *run,
		 struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct span reason = { NULL, 0 };
	int r = get_job(dv, name, &doc, err);

	if (r == -ENXIO)
		return err_set(err, -EIO, "Job %s was deleted by somebody",
			       name);
	if (r < 0)
		return r;
	switch (state_of(doc.root, &reason)) {
	case DV_JOB_COMPLETE:
		return 0;
	case DV_JOB_FAILED:
		return tell_failed(dv, name, reason, run, err);
	default:
		tell_pod(dv, name, err);
		return -EAGAIN;
	}
}

static int count_pods(struct dv *dv, const char *name, bool started,
		      unsigned *ret, struct err *err)
{
	const char *const what[] = { "pods", "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_get(&dv->kube, what, &doc, err);

	*ret = 0;
	if (r < 0)
		return err_wrap(err, "kubectl");
	for (const struct jnode *one = jnode_get(doc.root, "items")->child;
	     one; one = one->next) {
		const struct jnode *owners = jnode_path(one, "metadata."
							"ownerReferences");
		const struct jnode *owner = owners ? owners->child : NULL;

		if (!owner || !jnode_is(owner, "kind", "Job") ||
		    !jnode_is(owner, "name", name))
			continue;
		if (!started || !jnode_is(one, "status.phase", "Pending"))
			(*ret)++;
	}
	return 0;
}

int dv_job_started(struct dv *dv, const char *name, bool *ret,
		   struct err *err)
{
	unsigned count;
	int r = count_pods(dv, name, true, &count, err);

	if (r == 0)
		*ret = count > 0;
	return r;
}

int dv_job_remove(struct dv *dv, const char *name, struct err *err)
{
	enum dv_job_state state;
	unsigned count = 0;
	char what[128];
	int r = dv_job_state(dv, name, NULL, &state, NULL, err);

	snprintf(what, sizeof(what), "job/%s", name);
	if (r == 0 && state != DV_JOB_NONE) {
		r = disk_step_outside(name, "delete", err);
		if (r == 0)
			r = kube_delete(&dv->kube, dv->ns, what, err);
		if (r == 0)
			r = dv_job_state(dv, name, NULL, &state, NULL, err);
	}
	if (r == 0)
		r = count_pods(dv, name, false, &count, err);
	if (r == 0 && (state != DV_JOB_NONE || count))
		return err_set(err, -EAGAIN, "Job %s or its pod is still "
			       "there", name);
	return r;
}
