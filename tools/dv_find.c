#include "tools/dv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SH_TIMEOUT_S 60

const char *const dv_deployments[DV_DEPLOYMENTS] = {
	"dv-caching", "dv-api", "dv-unified-console",
};

void dv_release(struct dv *dv)
{
	kube_origin_release(&dv->origin);
	free(dv->container);
	free(dv->image);
	free(dv->image_of);
	free(dv->claim);
	free(dv->policy);
	free(dv->class);
	free(dv->instance);
	free(dv->pod);
	*dv = (struct dv){ .ns = NULL };
}

char *dv_copy(struct span text)
{
	return text.len ? strndup((const char *)text.data, text.len) : NULL;
}

/* YYYY-MM-DD-HH-MM-SS */
bool dv_is_ts(const char *name, size_t len)
{
	static const char form[] = "dddd-dd-dd-dd-dd-dd";

	if (len != DV_TS)
		return false;
	for (size_t i = 0; i < DV_TS; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)name[i]) :
				     name[i] != form[i])
			return false;
	return true;
}

/* Scripts. */

static int cut_end(struct buf *out, struct err *err)
{
	static const char end[] = "end\n";
	size_t len = sizeof(end) - 1;

	if (out->len < len || memcmp(out->data + out->len - len, end, len) ||
	    (out->len > len && out->data[out->len - len - 1] != '\n'))
		return err_set(err, -EIO, "the answer of the pod was cut off");
	out->len -= len;
	return 0;
}

static void one_line(struct buf *said)
{
	for (size_t i = 0; i < said->len; i++)
		if (said->data[i] < 0x20 || said->data[i] == 0x7f)
			said->data[i] = ' ';
	while (said->len && said->data[said->len - 1] == ' ')
		said->len--;
}

int dv_sh(struct dv *dv, const char *pod, const char *container,
	  const char *script, const char *const *args, int64_t timeout_s,
	  struct buf *out, struct err *err)
{
	const struct kube_container where = { dv->ns, pod, container };
	OWNED_CHILD struct child_end end = { .status = 0 };
	OWNED_BUF struct buf text = BUF_INIT;
	const char *words[16] = { "bash", "-c", NULL, "dv" };
	size_t n = 4;
	int r;

	buf_printf(&text, "set -e\n%s\necho end", script);
	words[2] = buf_str(&text);
	for (; args && *args && n + 1 < 16; args++)
		words[n++] = *args;
	if (!words[2])
		return err_nomem(err);
	r = kube_exec(&dv->kube, &where, words, span_of(NULL, 0), timeout_s,
		      &end, err);
	if (r < 0)
		return err_wrap(err, "cannot ask pod %s", pod);
	if (end.status != 0) {
		one_line(&end.said);
		return err_set(err, -EIO, "in pod %s: %.*s (status %d)", pod,
			       (int)(end.said.len < 600 ? end.said.len : 600),
			       (const char *)end.said.data, end.status);
	}
	r = cut_end(&end.out, err);
	if (r == 0 && out)
		buf_swap(out, &end.out);
	return r;
}

static int engine_sh(struct dv *dv, const char *script, const char *arg,
		     struct buf *out, struct err *err)
{
	const char *args[] = { arg, NULL };
	int r = dv->container ? 0 : dv_find_engine(dv, err);

	return r < 0 ? r : dv_sh(dv, DV_ENGINE, dv->container, script, args,
				 SH_TIMEOUT_S, out, err);
}

/* Markers. */

int dv_marker(struct dv *dv, const char *name, bool *ret, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	/* the directory must be there, or no answer says anything */
	int r = engine_sh(dv, "cd " DV_MARKERS "\n"
			  "if [ -e \"$1\" ]; then echo yes; fi", name, &out,
			  err);

	if (r == 0)
		*ret = out.len > 0;
	return r;
}

int dv_marker_remove(struct dv *dv, const char *name, struct err *err)
{
	return engine_sh(dv, "cd " DV_MARKERS "\n"
			 "rm -f \"$1\" 2>/dev/null || sudo -n rm -f \"$1\"",
			 name, NULL, err);
}

int dv_check_marker(struct dv *dv, struct err *err)
{
	static const char *const jobs[] = { DV_BACKUP_JOB, DV_RESTORE_JOB };
	enum dv_job_state state;
	bool marked = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = dv_job_state(dv, jobs[i], NULL, &state, NULL, err);
		if (r == 0 && state == DV_JOB_ACTIVE)
			return err_set(err, -EBUSY, "%s is at work in "
				       "namespace %s", jobs[i], dv->ns);
	}
	if (r == 0)
		r = dv_marker(dv, DV_MARKER, &marked, err);
	if (r < 0 || !marked)
		return r;
	err_set(err, -EBUSY, "a backup or restore left the marker "
		DV_MARKERS DV_MARKER " in " DV_ENGINE ": it keeps DV stopped, "
		"and no job is at work");
	return err_hint(err, "'varve dv mend -n %s' removes it; DV's pods may "
			"take up to 30 min to come back", dv->ns);
}

/* Objects. */

int dv_find_engine(struct dv *dv, struct err *err)
{
	static const char annotation[] = "kubectl.kubernetes.io/"
					 "default-container";
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *annotations, *node = NULL, *list;
	int r = kube_get_one(&dv->kube, dv->ns, "pod/" DV_ENGINE, &doc, err);

	free(dv->container);
	dv->container = NULL;
	if (r == -ENXIO) {
		err_set(err, r, "there is no pod " DV_ENGINE " in namespace %s",
			dv->ns);
		return err_hint(err, "-n names the namespace of the DV "
				"instance");
	}
	if (r < 0)
		return err_wrap(err, "kubectl");
	if (!jnode_is(doc.root, "status.phase", "Running"))
		return err_set(err, -ENXIO, "pod " DV_ENGINE " in namespace %s "
			       "does not run", dv->ns);
	annotations = jnode_path(doc.root, "metadata.annotations");
	list = jnode_path(doc.root, "spec.containers");
	if (annotations)
		node = jnode_get(annotations, annotation);
	if (!node && list && list->child)
		node = jnode_get(list->child, "name");
	dv->container = node ? dv_copy(node->text) : NULL;
	return dv->container ? 0 : err_set(err, -EPROTO, "pod " DV_ENGINE
					   " has no container");
}

static int find_policy(struct dv *dv, const struct jnode *claim,
		       struct err *err)
{
	struct span name = jnode_text(claim, "spec.volumeName");
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	char what[300];

	free(dv->policy);
	dv->policy = NULL;
	if (!name.len)
		return 0;
	snprintf(what, sizeof(what), "persistentvolume/%.*s", (int)name.len,
		 (const char *)name.data);
	/* who may not look at volumes is told so, and goes on */
	if (kube_get_one(&dv->kube, NULL, what, &doc, err) == 0)
		dv->policy = dv_copy(jnode_text(doc.root, "spec."
					"persistentVolumeReclaimPolicy"));
	return 0;
}

/* Of a list, the one of that name. */
static const struct jnode *named(const struct jdoc *doc, const char *name)
{
	const struct jnode *one = jnode_get(doc->root, "items")->child;

	while (one && !jnode_is(one, "metadata.name", name))
		one = one->next;
	return one;
}

static int take_claim(struct dv *dv, const struct jnode *claim,
		      struct err *err)
{
	free(dv->claim);
	free(dv->class);
	dv->claim = claim ? dv_copy(jnode_text(claim, "metadata.name")) : NULL;
	dv->class = claim ? dv_copy(jnode_text(claim, "spec.storageClassName"))
			  : NULL;
	if (claim && !dv->claim)
		return err_nomem(err);
	return claim ? find_policy(dv, claim, NULL) : 0;
}

int dv_find_claims(struct dv *dv, struct err *err)
{
	const char *const what[] = { "persistentvolumeclaims", "-n", dv->ns,
				     NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *data, *claim;
	int r = kube_get(&dv->kube, what, &doc, err);

	if (r < 0)
		return err_wrap(err, "kubectl");
	data = named(&doc, DV_DATA_CLAIM);
	if (!data)
		return err_set(err, -ENXIO, "there is no claim " DV_DATA_CLAIM
			       " in namespace %s", dv->ns);
	free(dv->instance);
	dv->instance = dv_copy(jnode_text(data, "metadata.uid"));
	if (!dv->instance)
		return err_set(err, -EPROTO, "claim " DV_DATA_CLAIM " has no "
			       "UID");
	claim = named(&doc, DV_CLAIM);
	return take_claim(dv, claim ? claim : named(&doc, DV_CLAIM_OLD), err);
}

/* The first of kind whose name has "dv-init-volume" in it. */
static int image_of(struct dv *dv, const char *kind, const char *path,
		    struct err *err)
{
	const char *const what[] = { kind, "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_get(&dv->kube, what, &doc, err);

	if (r < 0)
		return err_wrap(err, "kubectl");
	for (const struct jnode *one = jnode_get(doc.root, "items")->child;
	     one && !dv->image; one = one->next) {
		struct span name = jnode_text(one, "metadata.name");
		const struct jnode *list = jnode_path(one, path);

		if (!memmem(name.data, name.len, "dv-init-volume", 14) ||
		    !list || !list->child)
			continue;
		dv->image = dv_copy(jnode_text(list->child, "image"));
		if (!dv->image)
			continue;
		if (asprintf(&dv->image_of, "%s %.*s", kind, (int)name.len,
			     (const char *)name.data) < 0) {
			dv->image_of = NULL;
			return err_nomem(err);
		}
	}
	return 0;
}

int dv_find_image(struct dv *dv, struct err *err)
{
	const char *given = option_value(&dv->tool->options, "image");
	int r = 0;

	if (given) {
		dv->image = strdup(given);
		dv->image_of = strdup("--image");
		return dv->image && dv->image_of ? 0 : err_nomem(err);
	}
	r = image_of(dv, "pods", "spec.containers", err);
	if (r == 0 && !dv->image)
		r = image_of(dv, "jobs", "spec.template.spec.containers", err);
	if (r < 0 || dv->image)
		return r;
	err_set(err, -ENXIO, "the image that backs up is not known: there is "
		"neither a pod nor a Job dv-init-volume in namespace %s (what "
		"dvcli.sh calls 'Use DV init image: in dv-backup-job.yaml')",
		dv->ns);
	return err_hint(err, "--image NAME, as .../%s/dv-init-volume:"
			"v1.5.0.0-217 of the registry", dv->ns);
}

int dv_find_counts(struct dv *dv, struct err *err)
{
	const char *const what[] = { "deployments", "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_get(&dv->kube, what, &doc, err);

	if (r < 0)
		return err_wrap(err, "kubectl");
	for (size_t i = 0; i < DV_DEPLOYMENTS; i++) {
		const struct jnode *one = named(&doc, dv_deployments[i]);
		uint64_t n = 0;

		dv->replicas[i] = -1;
		if (!one)
			continue;
		if (!jnode_u64(one, "spec.replicas", &n) || n > INT32_MAX)
			return err_set(err, -EPROTO, "deployment/%s has no "
				       "number of replicas", dv_deployments[i]);
		dv->replicas[i] = (int64_t)n;
	}
	return 0;
}

static bool is_ready(const struct jnode *pod)
{
	const struct jnode *list = jnode_path(pod, "status.conditions");
	const struct jnode *one = list ? list->child : NULL;

	for (; one; one = one->next)
		if (jnode_is(one, "type", "Ready"))
			return jnode_is(one, "status", "True");
	return false;
}

/* Pods of Jobs come and go: they are none of the instance's. */
static bool is_of_job(const struct jnode *pod)
{
	const struct jnode *list = jnode_path(pod, "metadata.ownerReferences");
	const struct jnode *one = list ? list->child : NULL;

	for (; one; one = one->next)
		if (jnode_is(one, "kind", "Job"))
			return true;
	return false;
}

int dv_check_pods(struct dv *dv, struct err *err)
{
	const char *const what[] = { "pods", "-n", dv->ns, NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	unsigned count = 0;
	int r = kube_get(&dv->kube, what, &doc, err);

	if (r < 0)
		return err_wrap(err, "kubectl");
	for (const struct jnode *one = jnode_get(doc.root, "items")->child;
	     one; one = one->next) {
		struct span name = jnode_text(one, "metadata.name");
		struct span phase = jnode_text(one, "status.phase");
		char text[256];

		snprintf(text, sizeof(text), "%.*s", (int)name.len,
			 (const char *)name.data);
		if (!strcasestr(text, "dv") || is_of_job(one) ||
		    jnode_is(one, "status.phase", "Succeeded"))
			continue;
		count++;
		if (jnode_is(one, "status.phase", "Running") && is_ready(one) &&
		    !jnode_path(one, "metadata.deletionTimestamp"))
			continue;
		return err_set(err, -EAGAIN, "pod %s is not running and ready "
			       "(%.*s)", text, (int)phase.len,
			       (const char *)phase.data);
	}
	return count ? 0 : err_set(err, -ENXIO, "there are no pods of DV in "
				   "namespace %s", dv->ns);
}

int dv_check_rights(struct dv *dv, struct err *err)
{
	static const struct {
		const char *verb, *resource;
	} rights[] = {
		{ "create", "jobs" }, { "delete", "jobs" },
		{ "create", "pods/exec" }, { "get", "pods/log" },
		{ "patch", "deployments/scale" },
	};

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		bool may = false;
		int r = kube_can(&dv->kube, dv->ns, rights[i].verb,
				 rights[i].resource, &may, err);

		if (r < 0)
			return err_wrap(err, "kubectl");
		if (may)
			continue;
		err_set(err, -EACCES, "kubectl may not %s %s in namespace %s",
			rights[i].verb, rights[i].resource, dv->ns);
		return err_hint(err, "docs/rbac/dv.yaml grants it; 'varve "
				"doctor dv -n %s' names all that lacks",
				dv->ns);
	}
	return 0;
}

int dv_open(const struct tool *tool, struct dv *ret, struct err *err)
{
	const struct options *o = &tool->options;
	int64_t timeout_s;
	int r = kube_timeout(o, &timeout_s, err);

	*ret = (struct dv){ .tool = tool,
			    .ns = option_value(o, "namespace") };
	if (r < 0)
		return r;
	if (!ret->ns) {
		err_set(err, -EINVAL, "no namespace was named");
		return err_hint(err, "-n NAMESPACE is that of the DV instance, "
				"as -n cpd30");
	}
	kube_init(&ret->kube, o, timeout_s);
	ret->kube.past_stop = &ret->past_stop;
	r = kube_find_origin(&ret->kube, &ret->origin, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r == 0)
		r = dv_find_engine(ret, err);
	if (r == 0)
		r = dv_find_claims(ret, err);
	return r < 0 ? r : dv_find_counts(ret, err);
}
