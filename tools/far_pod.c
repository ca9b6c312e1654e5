#include "tools/far_pod.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fs/base/json.h"

#define PAUSES_A_SECOND 4
#define WHAT_ROOM (FAR_POD_NAME + 8)

void far_pod_name(const char *run, char out[FAR_POD_NAME])
{
	size_t n = (size_t)snprintf(out, FAR_POD_NAME, "varve-%.50s", run);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
}

int far_pod_user(const char *text, uint64_t *ret_uid, uint64_t *ret_gid,
		 struct err *err)
{
	uint32_t uid, gid = 0;
	int len = 0;

	if ((sscanf(text, "%" SCNu32 ":%" SCNu32 "%n", &uid, &gid, &len) != 2 ||
	     text[len]) &&
	    (sscanf(text, "%" SCNu32 "%n", &uid, &len) != 1 || text[len]))
		return err_set(err, -EINVAL, "'%s' is not UID[:GID]", text);
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int far_pod_check(const char *run_as, const char *fs_group, struct err *err)
{
	uint64_t uid, gid;

	if (run_as && far_pod_user(run_as, &uid, &gid, err) < 0)
		return err_wrap(err, "--run-as");
	if (fs_group && far_pod_user(fs_group, &uid, &gid, err) < 0)
		return err_wrap(err, "--fs-group");
	return 0;
}

/* The pod as JSON. */

static void put_meta(struct json *json, const struct far_pod *pod)
{
	json_open_object(json, "metadata");
	json_str(json, "name", pod->name);
	json_str(json, "namespace", pod->ns);
	json_open_object(json, "labels");
	json_str(json, "app.kubernetes.io/name", "varve");
	json_str(json, "varve/run", pod->run);
	/* a sidecar would have to be waited for, and would not end */
	json_str(json, "sidecar.istio.io/inject", "false");
	json_close_object(json);
	json_open_object(json, "annotations");
	json_str(json, "sidecar.istio.io/inject", "false");
	json_str(json, "linkerd.io/inject", "disabled");
	json_close_object(json);
	json_close_object(json);
}

static void put_security(struct json *json, const struct far_pod *pod,
			 uint64_t uid, uint64_t gid)
{
	json_open_object(json, "securityContext");
	json_u64(json, "runAsUser", uid);
	json_u64(json, "runAsGroup", gid);
	if (uid)
		json_bool(json, "runAsNonRoot", true);
	if (pod->fs_group) {
		uint64_t group = 0, none;

		far_pod_user(pod->fs_group, &group, &none, NULL);
		json_u64(json, "fsGroup", group);
	}
	if (uid) {
		json_open_object(json, "seccompProfile");
		json_str(json, "type", "RuntimeDefault");
		json_close_object(json);
	}
	json_close_object(json);
}

static void put_container(struct json *json, const struct far_pod *pod,
			  bool root)
{
	json_open_array(json, "containers");
	json_open_object(json, NULL);
	json_str(json, "name", FAR_POD_CONTAINER);
	json_str(json, "image", pod->image);
	json_open_array(json, "command");
	json_str(json, NULL, "sh");
	json_str(json, NULL, "-c");
	json_str(json, NULL, "trap 'exit 0' TERM; sleep 86400 & wait");
	json_close_array(json);
	json_open_array(json, "volumeMounts");
	json_open_object(json, NULL);
	json_str(json, "name", "volume");
	json_str(json, "mountPath", FAR_POD_MOUNT);
	json_bool(json, "readOnly", pod->read_only);
	json_close_object(json);
	json_close_array(json);
	json_open_object(json, "resources");
	json_open_object(json, "requests");
	json_str(json, "cpu", "50m");
	json_str(json, "memory", "64Mi");
	json_close_object(json);
	json_close_object(json);
	if (!root) {
		json_open_object(json, "securityContext");
		json_bool(json, "allowPrivilegeEscalation", false);
		json_open_object(json, "capabilities");
		json_open_array(json, "drop");
		json_str(json, NULL, "ALL");
		json_close_array(json);
		json_close_object(json);
		json_close_object(json);
	}
	json_close_object(json);
	json_close_array(json);
}

static void put_volume(struct json *json, const struct far_pod *pod)
{
	json_open_array(json, "volumes");
	json_open_object(json, NULL);
	json_str(json, "name", "volume");
	json_open_object(json, "persistentVolumeClaim");
	json_str(json, "claimName", pod->claim);
	json_close_object(json);
	json_close_object(json);
	json_close_array(json);
}

/* By the scheduler, so that it looks at what the node has; by the node's own
 * name, as the label of its host's may be another. */
static void put_node(struct json *json, const char *node)
{
	json_open_array(json, "tolerations");
	json_open_object(json, NULL);
	json_str(json, "operator", "Exists");
	json_close_object(json);
	json_close_array(json);
	if (!node)
		return;
	json_open_object(json, "affinity");
	json_open_object(json, "nodeAffinity");
	json_open_object(json,
			 "requiredDuringSchedulingIgnoredDuringExecution");
	json_open_array(json, "nodeSelectorTerms");
	json_open_object(json, NULL);
	json_open_array(json, "matchFields");
	json_open_object(json, NULL);
	json_str(json, "key", "metadata.name");
	json_str(json, "operator", "In");
	json_open_array(json, "values");
	json_str(json, NULL, node);
	json_close_array(json);
	json_close_object(json);
	json_close_array(json);
	json_close_object(json);
	json_close_array(json);
	json_close_object(json);
	json_close_object(json);
	json_close_object(json);
}

int far_pod_write(const struct far_pod *pod, struct buf *out, struct err *err)
{
	uint64_t uid = 0, gid = 0, group, none;
	struct json json;
	int r = pod->run_as ? far_pod_user(pod->run_as, &uid, &gid, err) : 0;

	if (r == 0 && pod->fs_group)
		r = far_pod_user(pod->fs_group, &group, &none, err);
	if (r < 0)
		return r;
	json_init(&json, out);
	json_open_object(&json, NULL);
	json_str(&json, "apiVersion", "v1");
	json_str(&json, "kind", "Pod");
	put_meta(&json, pod);
	json_open_object(&json, "spec");
	json_str(&json, "restartPolicy", "Never");
	json_u64(&json, "activeDeadlineSeconds", FAR_POD_LIFE_S);
	json_u64(&json, "terminationGracePeriodSeconds", 1);
	json_bool(&json, "automountServiceAccountToken", false);
	put_security(&json, pod, uid, gid);
	put_container(&json, pod, uid == 0);
	put_volume(&json, pod);
	put_node(&json, pod->node);
	json_close_object(&json);
	json_close_object(&json);
	return buf_check(out, err);
}

/* In the cluster. */

static void what_of(const struct far_pod *pod, char out[WHAT_ROOM])
{
	snprintf(out, WHAT_ROOM, "pod/%s", pod->name);
}

int far_pod_make(struct kube *kube, const struct far_pod *pod,
		 struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf json = BUF_INIT;
	char what[WHAT_ROOM];
	struct span run;
	int r = far_pod_write(pod, &json, err);

	if (r == 0)
		r = kube_create(kube, pod->ns, buf_span(&json), err);
	if (r != -EEXIST)
		return r < 0 ? err_wrap(err, "cannot make pod '%s'",
					pod->name) : 0;
	what_of(pod, what);
	r = kube_get_one(kube, pod->ns, what, &doc, err);
	if (r < 0)
		return r;
	/* the key has a '/', and its path no dots */
	run = jnode_text(jnode_path(doc.root, "metadata.labels"), "varve/run");
	return span_equal(run, span_str(pod->run)) ? 0 :
	       err_set(err, -EEXIST, "there is a pod '%s' in '%s' already, "
		       "which is not of this run", pod->name, pod->ns);
}

/* Why it does not run: what the scheduler or the node says. */
static struct span why_not(const struct jnode *pod)
{
	const struct jnode *list = jnode_path(pod, "status.containerStatuses");
	struct span why = { NULL, 0 };

	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next)
		if (!why.len)
			why = jnode_text(one, "state.waiting.reason");
	list = jnode_path(pod, "status.conditions");
	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next)
		if (!why.len && jnode_is(one, "status", "False"))
			why = jnode_text(one, "message");
	return why.len ? why : jnode_text(pod, "status.phase");
}

int far_pod_look(struct kube *kube, const struct far_pod *pod,
		 struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *statuses;
	char what[WHAT_ROOM];
	struct span why;
	int r;

	what_of(pod, what);
	r = kube_get_one(kube, pod->ns, what, &doc, err);
	if (r < 0)
		return r;
	statuses = jnode_path(doc.root, "status.containerStatuses");
	if (jnode_path(doc.root, "metadata.deletionTimestamp"))
		return err_set(err, -EIO, "pod '%s' is being removed",
			       pod->name);
	if (jnode_is(doc.root, "status.phase", "Running") && statuses &&
	    statuses->child && jnode_true(statuses->child, "ready"))
		return 0;
	why = why_not(doc.root);
	if (jnode_is(doc.root, "status.phase", "Failed") ||
	    jnode_is(doc.root, "status.phase", "Succeeded"))
		return err_set(err, -EIO, "pod '%s' has ended: %.*s",
			       pod->name, (int)why.len,
			       why.len ? (const char *)why.data : "");
	return err_set(err, -EAGAIN, "pod '%s' does not run yet: %.*s",
		       pod->name, (int)why.len,
		       why.len ? (const char *)why.data : "it is not scheduled");
}

int far_pod_await(struct kube *kube, const struct far_pod *pod,
		  int64_t wait_s, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000000 /
						   PAUSES_A_SECOND };
	int r = far_pod_look(kube, pod, err);

	for (int64_t n = 0; r == -EAGAIN || r == -ENXIO || r == -EIO; n++) {
		if (n >= wait_s * PAUSES_A_SECOND)
			break;
		if (r == -EIO)
			r = far_pod_remove(kube, pod, err);
		else if (r == -ENXIO)
			r = far_pod_make(kube, pod, err);
		else
			r = 0;
		if (r < 0)
			return r;
		nanosleep(&pause, NULL);
		r = far_pod_look(kube, pod, err);
	}
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

int far_pod_remove(struct kube *kube, const struct far_pod *pod,
		   struct err *err)
{
	char what[WHAT_ROOM];
	int r;

	what_of(pod, what);
	r = kube_delete(kube, pod->ns, what, err);
	return r < 0 ? err_wrap(err, "cannot remove pod '%s'", pod->name) : 0;
}

int far_pod_gone(struct kube *kube, const struct far_pod *pod,
		 struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	char what[WHAT_ROOM];
	int r;

	what_of(pod, what);
	r = kube_get_one(kube, pod->ns, what, &doc, err);
	return r == -ENXIO ? 0 : r < 0 ? r :
	       err_set(err, -EAGAIN, "pod '%s' is still there", pod->name);
}
