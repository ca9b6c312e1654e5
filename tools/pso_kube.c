#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/kube.h"
#include "tools/pso_ask.h"

#define SILENT_MAX 2	/* deadlines that pass before the rest is not asked */
#define NAME_MAX_BYTES 512

struct asking {
	const struct pso_asking *asking;
	const char *namespace;
	struct kube kube;
};

/* Answers. */

static int take_items(struct asking *all, const char *name,
		      const struct jnode *root, struct err *err)
{
	const struct jnode *one = jnode_get(root, "items")->child;
	struct pso_capture *capture = all->asking->capture;
	int r = pso_add(capture, name, NULL, err);

	for (; r == 0 && one; one = one->next)
		r = pso_add(capture, name, one, err);
	return r;
}

static int ask(struct asking *all, const struct pso_resource *of,
	       struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	char name[NAME_MAX_BYTES];
	const char *words[4] = { of->ask };
	struct err why = ERR_INIT;
	int r;

	snprintf(name, sizeof(name), "kubernetes/%s", of->name);
	if (all->kube.silent >= SILENT_MAX)
		return pso_put_state(all->asking->capture, name, PSO_FAILED,
				     "not asked: there was no answer before",
				     err);
	if (of->of_pso && all->namespace) {
		words[1] = "-n";
		words[2] = all->namespace;
	} else if (of->namespaced) {
		words[1] = "-A";
	}
	r = kube_get(&all->kube, words, &doc, &why);
	if (r == 0)
		return take_items(all, name, doc.root, err);
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", why.text);
	return pso_put_state(all->asking->capture, name,
			     r == -ENXIO ? PSO_GONE : PSO_FAILED, why.text,
			     err);
}

/* PSO's namespace: as told, or the intrusion's, or where its sets are. */

static char *namespace_of_first(const struct pso_capture *capture,
				const char *name,
				bool (*is)(const struct jnode *item))
{
	const struct pso_doc *doc = pso_find(capture, name);
	OWNED_JDOC struct jdoc parsed = JDOC_INIT;
	OWNED_BUF struct buf whole = BUF_INIT;
	const struct jnode *item;

	if (!doc || doc->state != PSO_HAD)
		return NULL;
	buf_printf(&whole, "[%.*s]", (int)doc->bytes.len,
		   doc->bytes.data ? (const char *)doc->bytes.data : "");
	if (jdoc_parse(buf_span(&whole), "a list", &parsed, NULL) < 0)
		return NULL;
	for (item = parsed.root->child; item; item = item->next) {
		struct span text = jnode_text(item, "metadata.namespace");

		if (text.len && (!is || is(item)))
			return strndup((const char *)text.data, text.len);
	}
	return NULL;
}

static bool is_set_of_pso(const struct jnode *item)
{
	struct span name = jnode_text(item, "metadata.name");

	return (name.len > 7 && !memcmp(name.data, "pso-db-", 7)) ||
	       span_equal(name, span_str("pso-csi-controller"));
}

/* Those of other namespaces are none of ours: only the namespace was looked
 * for. */
static int find_namespace(struct asking *all, struct err *err)
{
	struct pso_capture *capture = all->asking->capture;
	const struct pso_resource *sets = NULL;
	struct pso_doc *doc;
	int r;

	if (all->namespace)
		capture->namespace = strdup(all->namespace);
	else
		capture->namespace = namespace_of_first(capture,
			"kubernetes/intrusions", NULL);
	if (capture->namespace) {
		all->namespace = capture->namespace;
		return 0;
	}
	for (size_t i = 0; pso_resources[i].name; i++)
		if (!strcmp(pso_resources[i].kind, "StatefulSet"))
			sets = &pso_resources[i];
	r = ask(all, sets, err);
	if (r < 0)
		return r;
	capture->namespace = namespace_of_first(capture,
		"kubernetes/statefulsets", is_set_of_pso);
	all->namespace = capture->namespace;
	doc = pso_find(capture, "kubernetes/statefulsets");
	if (all->namespace || doc->state != PSO_HAD)
		return 0;
	return pso_put_state(capture, "kubernetes/statefulsets", PSO_GONE,
			     "no namespace has StatefulSets of PSO", err);
}

static int ask_of_pso(struct asking *all, const struct pso_resource *of,
		      struct err *err)
{
	struct pso_capture *capture = all->asking->capture;
	const struct pso_doc *sets;
	char name[NAME_MAX_BYTES];

	if (all->namespace)
		return ask(all, of, err);
	snprintf(name, sizeof(name), "kubernetes/%s", of->name);
	if (pso_find(capture, name))
		return 0;
	sets = pso_find(capture, "kubernetes/statefulsets");
	return pso_put_state(capture, name, sets && sets->state == PSO_GONE ?
			     PSO_GONE : PSO_FAILED, "PSO's namespace is not "
			     "known: --namespace names it", err);
}

static int ask_all(struct asking *all, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && pso_resources[i].name; i++)
		if (!pso_resources[i].of_pso)
			r = ask(all, &pso_resources[i], err);
	if (r == 0)
		r = find_namespace(all, err);
	for (size_t i = 0; r == 0 && pso_resources[i].name; i++)
		if (pso_resources[i].of_pso)
			r = ask_of_pso(all, &pso_resources[i], err);
	return r;
}

/* The first question; what cannot be run at all ends here. */
static int ask_identity(struct asking *all, struct err *err)
{
	struct pso_capture *capture = all->asking->capture;
	struct kube_origin origin;
	int r = kube_find_origin(&all->kube, &origin, err);

	if (r < 0)
		return r;
	capture->context = origin.context;
	capture->server = origin.server;
	capture->cluster_uid = origin.uid;
	origin.context = origin.server = origin.uid = NULL;
	kube_origin_release(&origin);
	return 0;
}

int pso_ask_kubernetes(const struct pso_asking *asking, struct err *err)
{
	const struct options *o = &asking->tool->options;
	struct asking all = {
		.asking = asking,
		.namespace = option_value(o, "namespace"),
	};
	int r;

	kube_init(&all.kube, o, asking->timeout_s);
	r = ask_identity(&all, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc; 'pso "
			 "capture --from-dir' reads what kubectl gave elsewhere");
	return r < 0 ? r : ask_all(&all, err);
}
