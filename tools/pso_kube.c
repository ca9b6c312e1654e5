#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/child.h"
#include "tools/pso_ask.h"

#define WORDS_MAX 24
#define WHY_MAX 600
#define GRACE_S 2	/* for it to say by itself that time is over */
#define SILENT_MAX 2	/* deadlines that pass before the rest is not asked */
#define NAME_MAX_BYTES 512

struct kube {
	const struct pso_asking *asking;
	const char *kubectl, *context, *kubeconfig, *namespace;
	char request_timeout[48];
	unsigned silent;
};

/* kubectl and what it is always given; a deadline of its own as well, so that
 * it can say which server does not answer. */
static size_t begin_words(const struct kube *kube, const char **words)
{
	size_t n = 0;

	words[n++] = kube->kubectl;
	if (kube->kubeconfig) {
		words[n++] = "--kubeconfig";
		words[n++] = kube->kubeconfig;
	}
	if (kube->context) {
		words[n++] = "--context";
		words[n++] = kube->context;
	}
	words[n++] = kube->request_timeout;
	return n;
}

static int run(struct kube *kube, const char *const *what,
	       struct child_end *end, struct err *err)
{
	const char *words[WORDS_MAX];
	size_t n = begin_words(kube, words);

	for (; *what && n + 1 < WORDS_MAX; what++)
		words[n++] = *what;
	words[n] = NULL;
	return child_run(words, JDOC_BYTES_MAX,
			 kube->asking->timeout_s + GRACE_S, end, err);
}

static bool says(const struct child_end *end, const char *words)
{
	return end->said.len && memmem(end->said.data, end->said.len, words,
				       strlen(words));
}

/* What kubectl said, in one line. */
static void why_of(const struct kube *kube, const struct child_end *end,
		   char why[WHY_MAX])
{
	size_t n = 0;

	if (end->late) {
		snprintf(why, WHY_MAX, "no answer within %lld s",
			 (long long)kube->asking->timeout_s);
		return;
	}
	for (size_t i = 0; i < end->said.len && n + 1 < WHY_MAX; i++) {
		uint8_t c = end->said.data[i];

		if (c < 0x20 || c == 0x7f)
			c = ' ';
		if (c != ' ' || (n > 0 && why[n - 1] != ' '))
			why[n++] = (char)c;
	}
	while (n > 0 && why[n - 1] == ' ')
		n--;
	why[n] = '\0';
	if (n == 0)
		snprintf(why, WHY_MAX, "kubectl ended with status %d",
			 end->status);
}

static enum pso_state state_of(const struct child_end *end)
{
	if (says(end, "the server doesn't have a resource type") ||
	    says(end, "(NotFound)") ||
	    says(end, "could not find the requested resource"))
		return PSO_GONE;
	return PSO_FAILED;
}

/* Answers. */

static int take_items(struct kube *kube, const char *name,
		      const struct jnode *root, struct err *err)
{
	const struct jnode *items = jnode_get(root, "items"), *one;
	struct pso_capture *capture = kube->asking->capture;
	int r;

	if (!items || items->type != JTYPE_ARRAY)
		return pso_put_state(capture, name, PSO_FAILED, "kubectl gave "
				     "no list", err);
	r = pso_add(capture, name, NULL, err);
	for (one = items->child; r == 0 && one; one = one->next)
		r = pso_add(capture, name, one, err);
	return r;
}

static int take_end(struct kube *kube, const char *name,
		    const struct child_end *end, struct err *err)
{
	struct pso_capture *capture = kube->asking->capture;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err bad = ERR_INIT;
	char why[WHY_MAX];
	int r;

	kube->silent = end->late ? kube->silent + 1 : 0;
	if (end->status != 0) {
		why_of(kube, end, why);
		return pso_put_state(capture, name, state_of(end), why, err);
	}
	r = jdoc_parse(buf_span(&end->out), "what kubectl printed", &doc,
		       &bad);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return pso_put_state(capture, name, PSO_FAILED, bad.text,
				     err);
	return take_items(kube, name, doc.root, err);
}

static int ask(struct kube *kube, const struct pso_resource *of,
	       struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	char name[NAME_MAX_BYTES];
	const char *words[8] = { "get", of->ask, "-o", "json" };
	struct err why = ERR_INIT;
	int r;

	snprintf(name, sizeof(name), "kubernetes/%s", of->name);
	if (kube->silent >= SILENT_MAX)
		return pso_put_state(kube->asking->capture, name, PSO_FAILED,
				     "not asked: there was no answer before",
				     err);
	if (of->of_pso && kube->namespace) {
		words[4] = "-n";
		words[5] = kube->namespace;
	} else if (of->namespaced) {
		words[4] = "-A";
	}
	r = run(kube, words, &end, &why);
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", why.text);
	if (r < 0)
		return pso_put_state(kube->asking->capture, name, PSO_FAILED,
				     why.text, err);
	return take_end(kube, name, &end, err);
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
static int find_namespace(struct kube *kube, struct err *err)
{
	struct pso_capture *capture = kube->asking->capture;
	const struct pso_resource *sets = NULL;
	struct pso_doc *doc;
	int r;

	if (kube->namespace)
		capture->namespace = strdup(kube->namespace);
	else
		capture->namespace = namespace_of_first(capture,
			"kubernetes/intrusions", NULL);
	if (capture->namespace) {
		kube->namespace = capture->namespace;
		return 0;
	}
	for (size_t i = 0; pso_resources[i].name; i++)
		if (!strcmp(pso_resources[i].kind, "StatefulSet"))
			sets = &pso_resources[i];
	r = ask(kube, sets, err);
	if (r < 0)
		return r;
	capture->namespace = namespace_of_first(capture,
		"kubernetes/statefulsets", is_set_of_pso);
	kube->namespace = capture->namespace;
	doc = pso_find(capture, "kubernetes/statefulsets");
	if (kube->namespace || doc->state != PSO_HAD)
		return 0;
	return pso_put_state(capture, "kubernetes/statefulsets", PSO_GONE,
			     "no namespace has StatefulSets of PSO", err);
}

static int ask_of_pso(struct kube *kube, const struct pso_resource *of,
		      struct err *err)
{
	struct pso_capture *capture = kube->asking->capture;
	const struct pso_doc *sets;
	char name[NAME_MAX_BYTES];

	if (kube->namespace)
		return ask(kube, of, err);
	snprintf(name, sizeof(name), "kubernetes/%s", of->name);
	if (pso_find(capture, name))
		return 0;
	sets = pso_find(capture, "kubernetes/statefulsets");
	return pso_put_state(capture, name, sets && sets->state == PSO_GONE ?
			     PSO_GONE : PSO_FAILED, "PSO's namespace is not "
			     "known: --namespace names it", err);
}

static int ask_all(struct kube *kube, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && pso_resources[i].name; i++)
		if (!pso_resources[i].of_pso)
			r = ask(kube, &pso_resources[i], err);
	if (r == 0)
		r = find_namespace(kube, err);
	for (size_t i = 0; r == 0 && pso_resources[i].name; i++)
		if (pso_resources[i].of_pso)
			r = ask_of_pso(kube, &pso_resources[i], err);
	return r;
}

/* Which cluster it is. */

static char *first_line(const struct buf *out)
{
	size_t len = 0;

	while (len < out->len && out->data[len] >= 0x20)
		len++;
	return len ? strndup((const char *)out->data, len) : NULL;
}

static char *text_of(const struct buf *out, const char *path)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *node;
	struct span text;

	if (jdoc_parse(buf_span(out), "it", &doc, NULL) < 0)
		return NULL;
	node = jnode_get(doc.root, "clusters");
	text = jnode_text(node && node->child ? node->child : doc.root, path);
	return text.len ? strndup((const char *)text.data, text.len) : NULL;
}

/* The first question; what cannot be run at all ends here.  The file that
 * kubectl is configured by has keys in it: nothing but the server is taken. */
static int ask_identity(struct kube *kube, struct err *err)
{
	static const char *const current[] = { "config", "current-context",
					       NULL };
	static const char *const view[] = { "config", "view", "--minify",
					    "-o", "json", NULL };
	static const char *const system[] = { "get", "namespace",
					      "kube-system", "-o", "json",
					      NULL };
	struct pso_capture *capture = kube->asking->capture;
	OWNED_CHILD struct child_end a = { .status = 0 };
	OWNED_CHILD struct child_end b = { .status = 0 };
	OWNED_CHILD struct child_end c = { .status = 0 };
	int r = run(kube, current, &a, err);

	if (r < 0)
		return r;
	if (kube->context)
		capture->context = strdup(kube->context);
	else if (a.status == 0)
		capture->context = first_line(&a.out);
	r = run(kube, view, &b, err);
	if (r == 0 && b.status == 0)
		capture->server = text_of(&b.out, "cluster.server");
	if (r == 0)
		r = run(kube, system, &c, err);
	if (r == 0 && c.status == 0)
		capture->cluster_uid = text_of(&c.out, "metadata.uid");
	kube->silent += r == 0 && c.late;
	return r;
}

int pso_ask_kubernetes(const struct pso_asking *asking, struct err *err)
{
	const struct options *o = &asking->tool->options;
	struct kube kube = {
		.asking = asking,
		.kubectl = option_value(o, "kubectl"),
		.context = option_value(o, "context"),
		.kubeconfig = option_value(o, "kubeconfig"),
		.namespace = option_value(o, "namespace"),
	};
	int r;

	if (!kube.kubectl)
		kube.kubectl = "kubectl";
	snprintf(kube.request_timeout, sizeof(kube.request_timeout),
		 "--request-timeout=%llds", (long long)asking->timeout_s);
	r = ask_identity(&kube, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc; --from-dir "
			 "reads what kubectl gave elsewhere");
	return r < 0 ? r : ask_all(&kube, err);
}
