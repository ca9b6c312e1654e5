#include "tools/helm.h"

#include <stdio.h>

#define HELM_OUT_MAX (16u << 20)
#define NOT_FOUND "release: not found"

void helm_put(struct helm *helm, const char *a, const char *b)
{
	if (helm->n + 3 > HELM_WORDS)
		return;
	helm->words[helm->n++] = a;
	if (b)
		helm->words[helm->n++] = b;
	helm->words[helm->n] = NULL;
}

void helm_where(struct helm *helm, const char *ns, const struct kube *kube)
{
	if (ns)
		helm_put(helm, "-n", ns);
	if (kube->context)
		helm_put(helm, "--kube-context", kube->context);
	if (kube->kubeconfig)
		helm_put(helm, "--kubeconfig", kube->kubeconfig);
}

int helm_run(const struct helm *helm, const struct kube *kube,
	     int64_t timeout_s, struct child_end *end, struct err *err)
{
	const struct child_how how = {
		.out_max = HELM_OUT_MAX, .timeout_s = timeout_s,
		.past_stop = kube->past_stop && *kube->past_stop,
	};
	int r = child_feed(helm->words, &how, span_of(NULL, 0), end, err);

	if (r < 0)
		return err_wrap(err, "cannot run '%s'", helm->words[0]);
	if (end->status == 0)
		return 0;
	while (end->said.len > 0 && end->said.data[end->said.len - 1] == '\n')
		end->said.len--;
	return err_set(err, end->late ? -ETIMEDOUT : -EREMOTEIO, "'%s %s' %s: "
		       "%.*s", helm->words[0], helm->words[1], end->late ?
		       "did not end in its time" : "failed",
		       (int)end->said.len, end->said.len ?
		       (const char *)end->said.data : "");
}

int helm_status(const char *command, const char *release, const char *ns,
		const struct kube *kube, char ret[HELM_STATUS],
		struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct helm helm = { .n = 0 };
	struct span status;
	int r;

	helm_put(&helm, command ? command : "helm", "status");
	helm_put(&helm, release, NULL);
	helm_put(&helm, "-o", "json");
	helm_where(&helm, ns, kube);
	r = helm_run(&helm, kube, kube->timeout_s, &end, err);
	if (r == -EREMOTEIO && end.said.len &&
	    memmem(end.said.data, end.said.len, NOT_FOUND,
		   strlen(NOT_FOUND))) {
		ret[0] = '\0';
		return 0;
	}
	if (r == 0)
		r = jdoc_parse(buf_span(&end.out), "what helm printed", &doc,
			       err);
	if (r < 0)
		return r;
	status = jnode_text(doc.root, "info.status");
	if (!status.len)
		return err_set(err, -EPROTO, "helm does not say how release "
			       "'%s' is", release);
	snprintf(ret, HELM_STATUS, "%.*s", (int)status.len,
		 (const char *)status.data);
	return 0;
}

int helm_values(const char *command, const char *release, const char *ns,
		const struct kube *kube, struct jdoc *ret, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct helm helm = { .n = 0 };
	int r;

	helm_put(&helm, command ? command : "helm", "get");
	helm_put(&helm, "values", release);
	helm_put(&helm, "--all", NULL);
	helm_put(&helm, "-o", "json");
	helm_where(&helm, ns, kube);
	r = helm_run(&helm, kube, kube->timeout_s, &end, err);
	return r < 0 ? r : jdoc_parse(buf_span(&end.out), "what helm printed",
				      ret, err);
}
