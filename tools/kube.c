#include "tools/kube.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/base/disk.h"
#include "tools/format.h"

#define WHY_MAX 600
#define GRACE_S 2	/* for it to say by itself that time is over */

int kube_timeout(const struct options *options, int64_t *ret,
		 struct err *err)
{
	const char *text = option_value(options, "timeout");

	*ret = KUBE_TIMEOUT_S;
	if (!text)
		return 0;
	if (duration_parse(text, ret, err) < 0)
		return err_wrap(err, "--timeout");
	if (*ret < 1 || *ret > KUBE_TIMEOUT_MAX_S)
		return err_set(err, -EINVAL, "--timeout: from 1 s to %d s",
			       KUBE_TIMEOUT_MAX_S);
	return 0;
}

void kube_init_as(struct kube *kube, const char *kubectl,
		  const char *context, const char *kubeconfig,
		  int64_t timeout_s)
{
	*kube = (struct kube){
		.kubectl = kubectl ? kubectl : "kubectl",
		.context = context,
		.kubeconfig = kubeconfig,
		.timeout_s = timeout_s,
	};
	snprintf(kube->request_timeout, sizeof(kube->request_timeout),
		 "--request-timeout=%llds", (long long)timeout_s);
}

void kube_init(struct kube *kube, const struct options *options,
	       int64_t timeout_s)
{
	kube_init_as(kube, option_value(options, "kubectl"),
		     option_value(options, "context"),
		     option_value(options, "kubeconfig"), timeout_s);
}

size_t kube_words(const struct kube *kube, bool deadline,
		  const char *words[KUBE_WORDS_MAX])
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
	if (deadline)
		words[n++] = kube->request_timeout;
	return n;
}

int kube_feed(struct kube *kube, const char *const *what, struct span input,
	      struct child_end *ret, struct err *err)
{
	const struct child_how how = {
		.out_max = JDOC_BYTES_MAX,
		.timeout_s = kube->timeout_s + GRACE_S,
		.input = input.len > 0,
		.past_stop = kube->past_stop && *kube->past_stop,
	};
	const char *words[KUBE_WORDS_MAX], *first = *what;
	size_t n = kube_words(kube, true, words);
	int r;

	*ret = (struct child_end){ .out = BUF_INIT, .said = BUF_INIT };
	for (; *what; what++) {
		if (n + 1 == KUBE_WORDS_MAX)
			return err_set(err, -E2BIG, "too many words for '%s'",
				       kube->kubectl);
		words[n++] = *what;
	}
	words[n] = NULL;
	r = disk_step_outside(first, "kubectl", err);
	if (r == 0)
		r = child_feed(words, &how, input, ret, err);
	if (r == 0)
		kube->silent = ret->late ? kube->silent + 1 : 0;
	return r;
}

int kube_run(struct kube *kube, const char *const *what,
	     struct child_end *ret, struct err *err)
{
	return kube_feed(kube, what, (struct span){ NULL, 0 }, ret, err);
}

/* A line of kubectl's log, "E1128 00:10:26.123456 ...", as it has before what it
 * says at its end. */
static bool is_logged(struct span line)
{
	if (line.len < 6 || !memchr("IWEF", line.data[0], 4) ||
	    line.data[5] != ' ')
		return false;
	for (int i = 1; i < 5; i++)
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
	return true;
}

static size_t put_line(struct span line, char why[WHY_MAX], size_t n)
{
	for (size_t i = 0; i < line.len && n + 1 < WHY_MAX; i++) {
		uint8_t c = line.data[i];

		if (c < 0x20 || c == 0x7f)
			c = ' ';
		if (c != ' ' || (n > 0 && why[n - 1] != ' '))
			why[n++] = (char)c;
	}
	return n;
}

static size_t put_said(struct span said, bool logged, char why[WHY_MAX])
{
	size_t n = 0;

	for (size_t at = 0; at < said.len;) {
		const uint8_t *end = memchr(said.data + at, '\n',
					    said.len - at);
		size_t next = end ? (size_t)(end - said.data) + 1 : said.len;
		struct span line = span_of(said.data + at, next - at);

		if (logged || !is_logged(line))
			n = put_line(line, why, n);
		at = next;
	}
	while (n > 0 && why[n - 1] == ' ')
		n--;
	why[n] = '\0';
	return n;
}

/* What it said, in one line. */
static void why_of(const struct kube *kube, const struct child_end *end,
		   char why[WHY_MAX])
{
	struct span said = buf_span(&end->said);

	if (end->late) {
		snprintf(why, WHY_MAX, "no answer within %lld s",
			 (long long)kube->timeout_s);
		return;
	}
	if (put_said(said, false, why) == 0 && put_said(said, true, why) == 0)
		snprintf(why, WHY_MAX, "kubectl ended with status %d",
			 end->status);
}

static bool says(const struct child_end *end, const char *words)
{
	return end->said.len && memmem(end->said.data, end->said.len, words,
				       strlen(words));
}

static bool says_none(const struct child_end *end)
{
	return says(end, "the server doesn't have a resource type") ||
	       says(end, "(NotFound)") ||
	       says(end, "could not find the requested resource");
}

int kube_judge(const struct kube *kube, const struct child_end *end,
	       struct err *err)
{
	char why[WHY_MAX];

	if (end->status == 0)
		return 0;
	why_of(kube, end, why);
	return err_set(err, end->late ? -ETIMEDOUT :
		       says_none(end) ? -ENXIO :
		       says(end, "(AlreadyExists)") ? -EEXIST : -EREMOTEIO,
		       "%s", why);
}

static int take_list(const struct kube *kube, const struct child_end *end,
		     struct jdoc *ret, struct err *err)
{
	struct err bad = ERR_INIT;
	const struct jnode *items;
	int r = kube_judge(kube, end, err);

	if (r < 0)
		return r;
	r = jdoc_parse(buf_span(&end->out), "what kubectl printed", ret,
		       &bad);
	if (r < 0)
		return r == -ENOMEM ? err_nomem(err) :
			err_set(err, -EPROTO, "%s", bad.text);
	items = jnode_get(ret->root, "items");
	if (!items || items->type != JTYPE_ARRAY)
		return err_set(err, -EPROTO, "kubectl gave no list");
	return 0;
}

int kube_get(struct kube *kube, const char *const *what, struct jdoc *ret,
	     struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	const char *words[KUBE_WORDS_MAX] = { "get" };
	size_t n = 1;
	int r;

	for (; *what && n + 3 < KUBE_WORDS_MAX; what++)
		words[n++] = *what;
	words[n++] = "-o";
	words[n++] = "json";
	words[n] = NULL;
	r = kube_run(kube, words, &end, err);
	return r < 0 ? r : take_list(kube, &end, ret, err);
}

/* Which cluster it is. */

void kube_origin_release(struct kube_origin *origin)
{
	free(origin->context);
	free(origin->cluster);
	free(origin->server);
	free(origin->uid);
	free(origin->why);
	*origin = (struct kube_origin){ .uid = NULL };
}

static char *first_line(const struct buf *out)
{
	size_t len = 0;

	while (len < out->len && out->data[len] >= 0x20)
		len++;
	return len ? strndup((const char *)out->data, len) : NULL;
}

static char *text_of(const struct jnode *node, const char *path)
{
	struct span text = jnode_text(node, path);

	return text.len ? strndup((const char *)text.data, text.len) : NULL;
}

static void take_view(const struct child_end *end, struct kube_origin *ret)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *list;

	if (end->status != 0 ||
	    jdoc_parse(buf_span(&end->out), "it", &doc, NULL) < 0)
		return;
	list = jnode_get(doc.root, "clusters");
	if (!list || !list->child)
		return;
	ret->cluster = text_of(list->child, "name");
	ret->server = text_of(list->child, "cluster.server");
}

static void take_uid(const struct child_end *end, struct kube_origin *ret)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;

	if (end->status == 0 &&
	    jdoc_parse(buf_span(&end->out), "it", &doc, NULL) == 0)
		ret->uid = text_of(doc.root, "metadata.uid");
}

int kube_find_origin(struct kube *kube, struct kube_origin *ret,
		     struct err *err)
{
	static const char *const current[] = { "config", "current-context",
					       NULL };
	static const char *const view[] = { "config", "view", "--minify",
					    "-o", "json", NULL };
	static const char *const system[] = { "get", "namespace",
					      "kube-system", "-o", "json",
					      NULL };
	OWNED_CHILD struct child_end a = { .status = 0 };
	OWNED_CHILD struct child_end b = { .status = 0 };
	OWNED_CHILD struct child_end c = { .status = 0 };
	struct err why = ERR_INIT;
	int r = kube_run(kube, current, &a, err);

	*ret = (struct kube_origin){ .uid = NULL };
	if (r < 0)
		return r;
	if (kube->context)
		ret->context = strdup(kube->context);
	else if (a.status == 0)
		ret->context = first_line(&a.out);
	r = kube_run(kube, view, &b, err);
	if (r == 0)
		take_view(&b, ret);
	if (r == 0)
		r = kube_run(kube, system, &c, err);
	if (r < 0)
		return r;
	take_uid(&c, ret);
	if (!ret->uid && kube_judge(kube, &c, &why) < 0)
		ret->why = strdup(why.text);
	return 0;
}
