#include "tools/pso_install.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/kube_act.h"

const char *const pso_crd_names[PSO_CRDS] = {
	"volumesnapshotclasses.snapshot.storage.k8s.io",
	"volumesnapshotcontents.snapshot.storage.k8s.io",
	"volumesnapshots.snapshot.storage.k8s.io",
};

/* Versions. */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "N.N.N" at the beginning: its length, and the numbers. */
static size_t take_version(struct span text, unsigned number[3])
{
	size_t at = 0;

	for (unsigned i = 0; i < 3; i++) {
		size_t begin = at;

		number[i] = 0;
		for (; at < text.len && is_digit(text.data[at]) &&
		     at - begin < 6; at++)
			number[i] = number[i] * 10 + (text.data[at] - '0');
		if (at == begin || (i < 2 && (at == text.len ||
		    text.data[at++] != '.')))
			return 0;
	}
	return at;
}

struct span pso_version_in(struct span text)
{
	unsigned number[3];

	for (size_t i = 0; i < text.len; i++) {
		size_t len = is_digit(text.data[i]) && (i == 0 ||
			!is_digit(text.data[i - 1])) ?
			take_version(span_of(text.data + i, text.len - i),
				     number) : 0;

		if (len)
			return span_of(text.data + i, len);
	}
	return span_of(NULL, 0);
}

bool pso_version_reaches(struct span version, const char *wanted)
{
	unsigned have[3], want[3];
	struct span in = pso_version_in(version);

	if (!in.data || !take_version(in, have) ||
	    !take_version(span_str(wanted), want))
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (have[i] != want[i])
			return have[i] > want[i];
	return true;
}

/* What is installed. */

static const struct jnode *items_of(const struct pso_look *look,
				    const char *name)
{
	const struct jnode *items = pso_items(&look->capture, name);

	return items ? items->child : NULL;
}

/* A member whose name has dots in it, as its text. */
static struct span member(const struct jnode *object, const char *where,
			  const char *key)
{
	const struct jnode *found = jnode_get(jnode_path(object, where), key);

	return found && found->type == JTYPE_STRING ? found->text :
		span_of(NULL, 0);
}

bool pso_is_pod_of_chart(struct span name)
{
	static const char *const begins[] = { PSO_CONTROLLER "-",
		"pso-csi-node", "pso-db-", NULL };

	for (size_t i = 0; begins[i]; i++)
		if (span_begins(name, begins[i], strlen(begins[i])))
			return true;
	return false;
}

static bool is_of_chart(const struct jnode *object)
{
	return pso_is_pod_of_chart(jnode_text(object, "metadata.name")) ||
	       jnode_is(object, "metadata.name", PSO_CONTROLLER);
}

static void take_labels(const struct jnode *object, struct pso_install *ret)
{
	static const char *const charts[] = { "helm.sh/chart", "chart", NULL };
	static const char *const releases[] = { "app.kubernetes.io/instance",
						"release", NULL };
	struct span text = member(object, "metadata.annotations",
				  "meta.helm.sh/release-name");

	if (!ret->release.len && text.len)
		ret->release = text;
	for (size_t i = 0; releases[i] && !ret->release.len; i++)
		ret->release = member(object, "metadata.labels", releases[i]);
	for (size_t i = 0; charts[i] && !ret->version.len; i++) {
		ret->version = pso_version_in(member(object,
			"metadata.labels", charts[i]));
		ret->version_of = "the chart's label";
	}
}

/* "purestorage/k8s:v6.2.3" */
static void take_image(const struct jnode *pod, struct pso_install *ret)
{
	const struct jnode *c = jnode_path(pod, "spec.containers");

	for (c = c ? c->child : NULL; c; c = c->next) {
		struct span image = jnode_text(c, "image");
		const uint8_t *colon = image.len ? memrchr(image.data, ':',
							   image.len) : NULL;

		if (!jnode_is(c, "name", PSO_CONTAINER) || !colon)
			continue;
		ret->version = pso_version_in(span_of(colon, image.len -
			(size_t)(colon - image.data)));
		ret->version_of = "the plugin's image";
	}
}

static void look_at_pods(const struct pso_look *look,
			 struct pso_install *ret)
{
	const struct jnode *pod = items_of(look, "kubernetes/pods");
	const struct pso_doc *doc = pso_find(&look->capture,
					     "kubernetes/pods");

	ret->pods_known = doc && doc->state == PSO_HAD &&
			  look->capture.namespace;
	for (; pod; pod = pod->next) {
		if (!is_of_chart(pod))
			continue;
		ret->pod = jnode_text(pod, "metadata.name");
		ret->pods++;
		if (!ret->version.len)
			take_image(pod, ret);
	}
}

void pso_install_find(const struct pso_look *look, struct pso_install *ret)
{
	static const char *const lists[] = { "kubernetes/statefulsets",
		"kubernetes/deployments", NULL };
	const struct pso_doc *values = pso_find(&look->capture, "values");

	*ret = (struct pso_install){ .namespace = look->capture.namespace };
	for (size_t i = 0; lists[i]; i++)
		for (const struct jnode *o = items_of(look, lists[i]); o;
		     o = o->next)
			if (is_of_chart(o))
				take_labels(o, ret);
	look_at_pods(look, ret);
	if (!ret->version.len && values && values->state == PSO_HAD) {
		ret->version = pso_version_in(jnode_text(values->doc.root,
			"images.plugin.tag"));
		ret->version_of = "values.yaml";
	}
	if (ret->release.len)
		return;
	ret->release = span_str(PSO_RELEASE);
	ret->release_assumed = true;
}

/* Definitions. */

static enum pso_crd state_of(const struct jnode *crd)
{
	const struct jnode *v = jnode_path(crd, "spec.versions");

	for (v = v ? v->child : NULL; v; v = v->next)
		if (jnode_is(v, "name", "v1beta1"))
			return jnode_true(v, "served") ? PSO_CRD_SERVED :
							 PSO_CRD_UNSERVED;
	return PSO_CRD_UNSERVED;
}

static int find_crd(struct pso_look *look, const char *name,
		    enum pso_crd *ret, char why[256], struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf what = BUF_INIT;
	struct err words = ERR_INIT;
	int r;

	buf_printf(&what, "customresourcedefinition/%s", name);
	if (!buf_str(&what))
		return err_nomem(err);
	r = kube_get_one(&look->kube, NULL, buf_str(&what), &doc, &words);
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", words.text);
	*ret = r == 0 ? state_of(doc.root) : r == -ENXIO ? PSO_CRD_MISSING :
							   PSO_CRD_UNKNOWN;
	if (*ret == PSO_CRD_UNKNOWN)
		snprintf(why, 256, "%.255s", words.text);
	return 0;
}

int pso_crds_find(struct pso_look *look, struct pso_crds *ret,
		  struct err *err)
{
	const struct jnode *class = items_of(look,
		"kubernetes/volumesnapshotclasses");
	int r = 0;

	*ret = (struct pso_crds){ .used = look->model.contents.count > 0 };
	for (; class; class = class->next)
		ret->class_there |= jnode_is(class, "driver", PSO_DRIVER);
	for (size_t i = 0; i < PSO_CRDS && r == 0; i++) {
		ret->state[i] = PSO_CRD_UNKNOWN;
		if (look->live)
			r = find_crd(look, pso_crd_names[i], &ret->state[i],
				     ret->why, err);
		else
			strcpy(ret->why, "a capture does not tell");
	}
	return r;
}

void pso_crds_advice(const struct pso_crds *crds, struct buf *out)
{
	for (size_t i = 0; i < PSO_CRDS; i++) {
		const char *is = crds->state[i] == PSO_CRD_MISSING ?
			"is not installed" : crds->state[i] ==
			PSO_CRD_UNSERVED ? "does not serve v1beta1" :
			crds->state[i] == PSO_CRD_UNKNOWN ? "is not known" :
			NULL;

		if (is)
			buf_printf(out, "%s%s %s", out->len ? "; " : "",
				   pso_crd_names[i], is);
	}
	if (!out->len && !crds->class_there)
		buf_append_str(out, "there is no VolumeSnapshotClass of "
			       PSO_DRIVER ": the chart makes it only where "
			       "v1beta1 was served as it was installed");
}
