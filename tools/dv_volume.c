#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs/base/disk.h"
#include "fs/base/json.h"

#define READER_S 21600		/* the pod ends by itself */
#define START_S 300
#define READ_S 300

/* The pod. */

static void put_mount(struct json *json, const char *path, const char *volume,
		      const char *sub, bool read_only)
{
	json_open_object(json, NULL);
	json_str(json, "mountPath", path);
	json_str(json, "name", volume);
	json_str(json, "subPath", sub);
	json_bool(json, "readOnly", read_only);
	json_close_object(json);
}

static void put_volume(struct json *json, const char *name, const char *claim)
{
	json_open_object(json, NULL);
	json_str(json, "name", name);
	json_open_object(json, "persistentVolumeClaim");
	json_str(json, "claimName", claim);
	json_close_object(json);
	json_close_object(json);
}

static void put_container(struct json *json, const struct dv *dv, bool whole,
			  bool write)
{
	json_open_object(json, NULL);
	json_str(json, "name", DV_READER_CONTAINER);
	json_str(json, "image", dv->image);
	json_str(json, "imagePullPolicy", "Always");
	json_open_array(json, "command");
	json_str(json, NULL, "sleep");
	json_str(json, NULL, "21600");
	json_close_array(json);
	json_open_array(json, "env");
	json_open_object(json, NULL);
	json_str(json, "name", "DV_PVC");
	json_str(json, "value", DV_DATA_CLAIM);
	json_close_object(json);
	json_close_array(json);
	json_open_array(json, "volumeMounts");
	/* who only looks needs not all of it, nor may write to it */
	put_mount(json, "/mnt/PV/versioned", "dv-data", "1.5.0", !whole);
	if (whole) {
		put_mount(json, "/mnt/PV/versioned/uc_dsserver_shared",
			  "dv-data", "uc_dsserver_shared", false);
		put_mount(json, "/mnt/PV/versioned/unified_console_data",
			  "dv-data", "unified_console_data", false);
	}
	put_mount(json, DV_BAR, "dv-bar-data", "1.5.0", !write);
	json_close_array(json);
	json_close_object(json);
}

static void put_labels(struct json *json, const char *name)
{
	json_open_object(json, "labels");
	json_str(json, "app", name);
	json_str(json, "made-by", "varve");
	json_close_object(json);
}

static void put_pod_spec(struct json *json, const struct dv *dv, bool whole,
			 bool write)
{
	json_open_object(json, "spec");
	json_str(json, "restartPolicy", "Never");
	json_str(json, "serviceAccountName", DV_ACCOUNT);
	json_bool(json, "hostNetwork", false);
	json_bool(json, "hostPID", false);
	json_bool(json, "hostIPC", false);
	json_open_object(json, "securityContext");
	json_bool(json, "runAsNonRoot", true);
	json_u64(json, "runAsUser", DV_USER);
	json_close_object(json);
	json_open_array(json, "containers");
	put_container(json, dv, whole, write);
	json_close_array(json);
	json_open_array(json, "volumes");
	put_volume(json, "dv-data", DV_DATA_CLAIM);
	put_volume(json, "dv-bar-data", dv->claim);
	json_close_array(json);
	json_close_object(json);
}

void dv_test_job(const struct dv *dv, const char *name, bool write,
		 struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_open_object(&json, NULL);
	json_str(&json, "apiVersion", "batch/v1");
	json_str(&json, "kind", "Job");
	json_open_object(&json, "metadata");
	json_str(&json, "name", name);
	put_labels(&json, name);
	json_close_object(&json);
	json_open_object(&json, "spec");
	json_u64(&json, "backoffLimit", 0);
	json_u64(&json, "activeDeadlineSeconds", READER_S);
	json_u64(&json, "ttlSecondsAfterFinished", 600);
	json_open_object(&json, "template");
	json_open_object(&json, "metadata");
	put_labels(&json, name);
	json_close_object(&json);
	put_pod_spec(&json, dv, !strcmp(name, DV_TEST_JOB), write);
	json_close_object(&json);
	json_close_object(&json);
	json_close_object(&json);
}

static bool is_owned(const struct jnode *pod, const char *job)
{
	const struct jnode *list = jnode_path(pod, "metadata.ownerReferences");
	const struct jnode *one = list ? list->child : NULL;

	for (; one; one = one->next)
		if (jnode_is(one, "kind", "Job") &&
		    jnode_is(one, "name", job))
			return true;
	return false;
}

static void why_waiting(const struct jnode *pod, struct err *err)
{
	const struct jnode *list = jnode_path(pod, "status.containerStatuses");
	const struct jnode *first = list ? list->child : NULL;
	struct span reason = jnode_text(first, "state.waiting.reason");
	struct span words = jnode_text(first, "state.waiting.message");

	if (reason.len)
		err_set(err, -EAGAIN, "%.*s: %.*s", (int)reason.len,
			(const char *)reason.data, (int)words.len,
			(const char *)words.data);
	else
		err_set(err, -EAGAIN, "it has not started");
}

/* The running pod of the reader's Job. */
static int find_pod(struct dv *dv, struct err *err)
{
	const char *const what[] = { "pods", "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_get(&dv->kube, what, &doc, err);

	free(dv->pod);
	dv->pod = NULL;
	if (r < 0)
		return err_wrap(err, "kubectl");
	err_set(err, -EAGAIN, "it has no pod");
	for (const struct jnode *one = jnode_get(doc.root, "items")->child;
	     one; one = one->next) {
		if (!is_owned(one, dv->reader) ||
		    jnode_path(one, "metadata.deletionTimestamp"))
			continue;
		if (!jnode_is(one, "status.phase", "Running")) {
			why_waiting(one, err);
			continue;
		}
		dv->pod = dv_copy(jnode_text(one, "metadata.name"));
		return dv->pod ? 0 : err_nomem(err);
	}
	return err_wrap(err, "Job %s, which reads the volume of backups",
			dv->reader);
}

int dv_reader_ensure(struct dv *dv, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	enum dv_job_state state;
	int r;

	if (!dv->claim)
		return err_set(err, -ENXIO, "there is no claim " DV_CLAIM
			       " in namespace %s", dv->ns);
	r = dv_job_state(dv, dv->reader, NULL, &state, NULL, err);
	if (r < 0)
		return r;
	/* one whose time is over */
	if (state == DV_JOB_COMPLETE || state == DV_JOB_FAILED) {
		r = dv_job_remove(dv, dv->reader, err);
		if (r < 0)
			return r;
		state = DV_JOB_NONE;
	}
	if (state == DV_JOB_NONE) {
		dv_test_job(dv, dv->reader, !dv->reads_only, &text);
		r = buf_check(&text, err);
		if (r == 0)
			r = disk_step_outside(dv->reader, "create", err);
		if (r == 0)
			r = kube_create(&dv->kube, dv->ns, buf_span(&text),
					err);
		if (r < 0 && r != -EEXIST)
			return err_wrap(err, "cannot make Job %s",
					dv->reader);
	}
	return find_pod(dv, err);
}

int dv_reader_open(struct dv *dv, struct err *err)
{
	const struct timespec nap = { .tv_nsec = 300 * 1000000 };
	struct timespec now, begin;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while ((r = dv_reader_ensure(dv, err)) == -EAGAIN && !stopped) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begin.tv_sec > START_S)
			break;
		nanosleep(&nap, NULL);
	}
	if (stopped)
		return err_set(err, -ECANCELED, "stopped");
	if (r == -EAGAIN && err)
		err->code = -ETIMEDOUT;
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

int dv_reader_remove(struct dv *dv, struct err *err)
{
	char what[96];
	int r;

	if (!dv->reader[0])
		return 0;
	snprintf(what, sizeof(what), "job/%s", dv->reader);
	r = kube_delete(&dv->kube, dv->ns, what, err);
	free(dv->pod);
	dv->pod = NULL;
	return r;
}

int dv_volume_sh(struct dv *dv, const char *script, const char *const *args,
		 int64_t timeout_s, struct buf *out, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r = dv->pod ? 0 : dv_reader_open(dv, err);

	/* files of root's lie beside the user's */
	buf_printf(&text, "as=\n"
		   "if sudo -n true 2>/dev/null; then as='sudo -n'; fi\n"
		   "cd " DV_BAR "\n%s", script);
	if (r == 0 && !buf_str(&text))
		r = err_nomem(err);
	return r < 0 ? r : dv_sh(dv, dv->pod, DV_READER_CONTAINER, (char *)text.data,
				 args, timeout_s, out, err);
}

/* What is on it. */

static const char look[] =
	"df -P -B1 . | awk 'NR == 2 { print \"df\\t\" $2 \"\\t\" $3 \"\\t\" $4 }'\n"
	"df -P -B1 /mnt/PV/versioned |\n"
	"	awk 'NR == 2 { print \"data\\t\" $2 \"\\t\" $3 \"\\t\" $4 }'\n"
	"if [ -w . ]; then echo writable; fi\n"
	"if [ -L " DV_JOINED " ]; then\n"
	"	printf 'link\\t%s\\n' \"$(readlink " DV_JOINED ")\"\n"
	"	[ -e " DV_JOINED " ] || echo dangling\n"
	"fi\n"
	"for d in *; do\n"
	"	case $d in\n"
	"	[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9]) ;;\n"
	"	*) continue ;;\n"
	"	esac\n"
	"	all=$($as du -s -B1 \"$d\")\n"
	"	printf 'dir\\t%s\\t%s\\n' \"$d\" \"${all%%[!0-9]*}\"\n"
	"	for f in \"$d\"/*.tar.gz; do\n"
	"		[ -f \"$f\" ] || continue\n"
	"		printf 'file\\t%s\\t%s\\n' \"${f#*/}\" \"$($as stat -c '%s %Y' \"$f\")\"\n"
	"	done\n"
	"done";

void dv_volume_release(struct dv_volume *volume)
{
	free(volume->link);
	free(volume->dirs);
	*volume = (struct dv_volume){ .count = 0 };
}

static int take_dir(struct dv_volume *v, const char *ts, const char *size,
		    struct err *err)
{
	struct dv_dir *more;

	if (!dv_is_ts(ts, strlen(ts)))
		return err_set(err, -EPROTO, "'%s' is no backup's name", ts);
	if (v->count == DV_DIRS_MAX)
		return err_set(err, -E2BIG, "there are too many backups on the "
			       "volume");
	more = reallocarray(v->dirs, v->count + 1, sizeof(*more));
	if (!more)
		return err_nomem(err);
	v->dirs = more;
	more[v->count] = (struct dv_dir){ .all = strtoull(size, NULL, 10) };
	memcpy(more[v->count++].ts, ts, DV_TS + 1);
	return 0;
}

static int take_file(struct dv_volume *v, const char *name, const char *facts,
		     struct err *err)
{
	struct dv_dir *dir = v->count ? &v->dirs[v->count - 1] : NULL;
	uint64_t size;
	int64_t mtime;

	if (!dir || sscanf(facts, "%" SCNu64 " %" SCNd64, &size, &mtime) != 2)
		return err_set(err, -EPROTO, "the pod's listing is not "
			       "understood: '%s'", name);
	if (!strcmp(name, DV_JOINED)) {
		dir->joined = size;
		dir->mtime = mtime;
	} else {
		dir->parts += size;
		dir->part_count++;
	}
	return 0;
}

static int take_line(struct dv_volume *v, char *line, struct err *err)
{
	char *word[4] = { line };

	for (size_t i = 1; i < 4; i++) {
		word[i] = word[i - 1] ? strchr(word[i - 1], '\t') : NULL;
		if (word[i])
			*word[i]++ = '\0';
	}
	if (!strcmp(line, "writable")) {
		v->writable = true;
	} else if (!strcmp(line, "dangling")) {
		v->dangling = true;
	} else if (!strcmp(line, "link") && word[1]) {
		v->link = strdup(word[1]);
		return v->link ? 0 : err_nomem(err);
	} else if (!strcmp(line, "df") && word[3]) {
		v->size = strtoull(word[1], NULL, 10);
		v->used = strtoull(word[2], NULL, 10);
		v->free = strtoull(word[3], NULL, 10);
	} else if (!strcmp(line, "data") && word[3]) {
		v->data_size = strtoull(word[1], NULL, 10);
		v->data_used = strtoull(word[2], NULL, 10);
		v->data_free = strtoull(word[3], NULL, 10);
	} else if (!strcmp(line, "dir") && word[2]) {
		return take_dir(v, word[1], word[2], err);
	} else if (!strcmp(line, "file") && word[2]) {
		return take_file(v, word[1], word[2], err);
	} else if (*line) {
		return err_set(err, -EPROTO, "the pod's listing is not "
			       "understood: '%s'", line);
	}
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct dv_dir *x = a, *y = b;

	return strcmp(y->ts, x->ts);
}

static void mark_linked(struct dv_volume *v)
{
	for (size_t i = 0; v->link && i < v->count; i++)
		v->dirs[i].linked = strstr(v->link, v->dirs[i].ts) != NULL;
}

int dv_volume_read(struct dv *dv, struct dv_volume *ret, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct dv_volume volume = { .count = 0 };
	char *line, *rest;
	int r = dv_volume_sh(dv, look, NULL, READ_S, &out, err);

	if (r == 0 && !buf_str(&out))
		r = err_nomem(err);
	for (line = (char *)out.data; r == 0 && line && *line; line = rest) {
		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		r = take_line(&volume, line, err);
	}
	if (r == 0 && volume.size == 0)
		r = err_set(err, -EPROTO, "the size of the volume of backups "
			    "was not told");
	if (r < 0) {
		dv_volume_release(&volume);
		return r;
	}
	if (volume.count)
		qsort(volume.dirs, volume.count, sizeof(*volume.dirs),
		      newest_first);
	mark_linked(&volume);
	*ret = volume;
	return 0;
}

const struct dv_dir *dv_dir_find(const struct dv_volume *volume,
				 const char *ts)
{
	for (size_t i = 0; i < volume->count; i++)
		if (!strcmp(volume->dirs[i].ts, ts))
			return &volume->dirs[i];
	return NULL;
}

int dv_link_set(struct dv *dv, const char *target, struct err *err)
{
	const char *args[] = { target, NULL };

	if (!target)
		return dv_volume_sh(dv, "$as rm -f " DV_JOINED, NULL, READ_S,
				    NULL, err);
	/* a rename: nobody ever finds no link */
	return dv_volume_sh(dv, "ln -sfn \"$1\" .varve-link 2>/dev/null ||\n"
			    "	$as ln -sfn \"$1\" .varve-link\n"
			    "$as mv -Tf .varve-link " DV_JOINED, args, READ_S,
			    NULL, err);
}
