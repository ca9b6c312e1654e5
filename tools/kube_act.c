#include "tools/kube_act.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TERMINATED "command terminated with exit code "
#define RESOURCE_ROOM 256
#define EXEC_OUT_MAX (256u << 20)

/* Words of one request: at most three of ns, and what. */
struct words {
	const char *list[KUBE_WORDS_MAX];
	size_t n;
};

static void put(struct words *words, const char *word)
{
	if (words->n + 1 < KUBE_WORDS_MAX)
		words->list[words->n++] = word;
	words->list[words->n] = NULL;
}

static void put_ns(struct words *words, const char *ns)
{
	if (!ns)
		return;
	put(words, "-n");
	put(words, ns);
}

static int ask(struct kube *kube, const struct words *words, struct span input,
	       struct child_end *end, struct err *err)
{
	int r = kube_feed(kube, words->list, input, end, err);

	return r < 0 ? r : kube_judge(kube, end, err);
}

static int act(struct kube *kube, const struct words *words,
	       struct span input, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };

	return ask(kube, words, input, &end, err);
}

static const struct span nothing;

/* exec */

static int exec_words(const struct kube *kube,
		      const struct kube_container *where,
		      const char *const *argv, bool input,
		      const char *words[KUBE_WORDS_MAX + KUBE_ARGV_MAX],
		      struct err *err)
{
	size_t n = kube_words(kube, false, words);

	words[n++] = "exec";
	if (input)
		words[n++] = "-i";
	words[n++] = "-n";
	words[n++] = where->ns;
	words[n++] = where->pod;
	words[n++] = "-c";
	words[n++] = where->container;
	words[n++] = "--";
	for (; *argv; argv++) {
		if (n + 1 == KUBE_WORDS_MAX + KUBE_ARGV_MAX)
			return err_set(err, -E2BIG, "too many words for exec");
		words[n++] = *argv;
	}
	words[n] = NULL;
	return 0;
}

/* Its own exit status is said in the last line, which is no words of its. */
static bool ran(struct child_end *end)
{
	char line[64];
	size_t len;

	if (end->status == 0)
		return true;
	if (end->late || end->status < 0)
		return false;
	len = (size_t)snprintf(line, sizeof(line), TERMINATED "%d\n",
			       end->status);
	if (end->said.len < len ||
	    memcmp(end->said.data + end->said.len - len, line, len) != 0)
		return false;
	end->said.len -= len;
	return true;
}

static int judge_exec(const struct kube *kube, struct child_end *end,
		      struct err *err)
{
	int r;

	if (ran(end))
		return 0;
	r = kube_judge(kube, end, err);
	/* no pod, no container: it is not what the command says of its things */
	if (r < 0 && r != -ETIMEDOUT && err)
		err->code = -EREMOTEIO;
	return r == -ETIMEDOUT ? r : -EREMOTEIO;
}

int kube_exec(struct kube *kube, const struct kube_container *where,
	      const char *const *argv, struct span input, int64_t timeout_s,
	      struct child_end *ret, struct err *err)
{
	const char *words[KUBE_WORDS_MAX + KUBE_ARGV_MAX];
	const struct child_how how = {
		.out_max = EXEC_OUT_MAX, .timeout_s = timeout_s,
		.input = input.len > 0,
		.past_stop = kube->past_stop && *kube->past_stop,
	};
	int r;

	*ret = (struct child_end){ .out = BUF_INIT, .said = BUF_INIT };
	r = exec_words(kube, where, argv, how.input, words, err);
	if (r == 0)
		r = child_feed(words, &how, input, ret, err);
	return r < 0 ? r : judge_exec(kube, ret, err);
}

int kube_exec_begin(struct kube *kube, const struct kube_container *where,
		    const char *const *argv, int64_t idle_s,
		    struct child *child, struct child_end *ret,
		    struct err *err)
{
	const char *words[KUBE_WORDS_MAX + KUBE_ARGV_MAX];
	const struct child_how how = {
		.out_max = EXEC_OUT_MAX, .timeout_s = idle_s, .idle = true,
		.input = true,
		.past_stop = kube->past_stop && *kube->past_stop,
	};
	int r;

	*child = (struct child)CHILD_INIT;
	*ret = (struct child_end){ .out = BUF_INIT, .said = BUF_INIT };
	r = exec_words(kube, where, argv, true, words, err);
	return r < 0 ? r : child_start(words, &how, child, ret, err);
}

int kube_exec_end(const struct kube *kube, struct child *child,
		  struct err *err)
{
	struct child_end *end = child->end;
	int r = child_finish(child, err);

	return r < 0 ? r : judge_exec(kube, end, err);
}

/* Objects */

static int parse(const struct child_end *end, struct jdoc *ret,
		 struct err *err)
{
	struct err bad = ERR_INIT;
	int r = jdoc_parse(buf_span(&end->out), "what kubectl printed", ret,
			   &bad);

	if (r == 0 && ret->root->type != JTYPE_OBJECT) {
		jdoc_release(ret);
		r = err_set(&bad, -EPROTO, "kubectl gave no object");
	}
	return r == -ENOMEM ? err_nomem(err) :
	       r < 0 ? err_set(err, -EPROTO, "%s", bad.text) : 0;
}

int kube_get_one(struct kube *kube, const char *ns, const char *what,
		 struct jdoc *ret, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct words words = { .list = { "get", what, "-o", "json" }, .n = 4 };
	int r;

	put_ns(&words, ns);
	r = ask(kube, &words, nothing, &end, err);
	return r < 0 ? r : parse(&end, ret, err);
}

int kube_replicas(struct kube *kube, const char *ns, const char *what,
		  int64_t *ret, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	uint64_t n;
	int r = kube_get_one(kube, ns, what, &doc, err);

	if (r < 0)
		return r;
	if (!jnode_u64(doc.root, "spec.replicas", &n) || n > INT32_MAX)
		return err_set(err, -EPROTO, "%s in %s has no number of "
			       "replicas", what, ns);
	*ret = (int64_t)n;
	return 0;
}

int kube_scale(struct kube *kube, const char *ns, const char *what,
	       int64_t replicas, struct err *err)
{
	struct words words = { .list = { "scale", what }, .n = 2 };
	char count[40];

	snprintf(count, sizeof(count), "--replicas=%" PRId64, replicas);
	put(&words, count);
	put_ns(&words, ns);
	return act(kube, &words, nothing, err);
}

int kube_apply(struct kube *kube, const char *ns, struct span json,
	       struct err *err)
{
	struct words words = { .list = { "apply", "-f", "-" }, .n = 3 };

	put_ns(&words, ns);
	return act(kube, &words, json, err);
}

int kube_create(struct kube *kube, const char *ns, struct span json,
		struct err *err)
{
	struct words words = { .list = { "create", "-f", "-" }, .n = 3 };

	put_ns(&words, ns);
	return act(kube, &words, json, err);
}

int kube_delete(struct kube *kube, const char *ns, const char *what,
		struct err *err)
{
	struct words words = { .list = { "delete", what, "--ignore-not-found",
					 "--wait=false" }, .n = 4 };

	put_ns(&words, ns);
	return act(kube, &words, nothing, err);
}

int kube_patch(struct kube *kube, const char *ns, const char *what,
	       const char *type, const char *json, struct err *err)
{
	struct words words = { .list = { "patch", what, "--type", type, "-p",
					 json }, .n = 6 };

	put_ns(&words, ns);
	return act(kube, &words, nothing, err);
}

/* can-i takes what is behind a '/' for the name of one: exec and the like go
 * by an option. */
int kube_can(struct kube *kube, const char *ns, const char *verb,
	     const char *resource, bool *ret, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct words words = { .list = { "auth", "can-i", verb }, .n = 3 };
	char type[RESOURCE_ROOM], sub[RESOURCE_ROOM];
	const char *slash = strchr(resource, '/');
	int r;

	snprintf(type, sizeof(type), "%.*s",
		 slash ? (int)(slash - resource) : (int)strlen(resource),
		 resource);
	put(&words, type);
	if (slash) {
		snprintf(sub, sizeof(sub), "--subresource=%s", slash + 1);
		put(&words, sub);
	}
	if (ns)
		put_ns(&words, ns);
	else
		put(&words, "-A");
	r = kube_run(kube, words.list, &end, err);
	if (r < 0)
		return r;
	/* "no" may have its reason behind it, and is status 1 */
	if (end.out.len >= 2 && !memcmp(end.out.data, "no", 2) && !end.late) {
		*ret = false;
		return 0;
	}
	r = kube_judge(kube, &end, err);
	if (r == 0 && (end.out.len < 3 || memcmp(end.out.data, "yes", 3) != 0))
		r = err_set(err, -EPROTO, "kubectl auth can-i said neither yes "
			    "nor no");
	if (r == 0)
		*ret = true;
	return r;
}

/* Pods of a claim. */

static bool is_over(const struct jnode *pod)
{
	return jnode_is(pod, "status.phase", "Succeeded") ||
	       jnode_is(pod, "status.phase", "Failed");
}

static bool has_claim(const struct jnode *pod, const char *claim)
{
	const struct jnode *volumes = jnode_path(pod, "spec.volumes");
	struct span name = jnode_text(pod, "metadata.name");
	const struct jnode *one = volumes ? volumes->child : NULL;
	char own[RESOURCE_ROOM];

	for (; one; one = one->next) {
		struct span volume = jnode_text(one, "name");

		if (jnode_is(one, "persistentVolumeClaim.claimName", claim))
			return true;
		/* made for this pod alone, and named after both */
		snprintf(own, sizeof(own), "%.*s-%.*s", (int)name.len,
			 (const char *)name.data, (int)volume.len,
			 (const char *)volume.data);
		if (jnode_get(one, "ephemeral") && !strcmp(own, claim))
			return true;
	}
	return false;
}

bool kube_pod_has(const struct jnode *pod, const char *claim)
{
	return !is_over(pod) && has_claim(pod, claim);
}

static int write_pods(const struct jnode *items, const char *claim,
		      struct buf *out, struct err *err)
{
	bool first = true;
	int r = 0;

	buf_append_str(out, "{\"items\": [");
	for (const struct jnode *one = items->child; r == 0 && one;
	     one = one->next) {
		if (!kube_pod_has(one, claim))
			continue;
		if (!first)
			buf_append_byte(out, ',');
		first = false;
		r = jnode_write(one, false, NULL, NULL, out, err);
	}
	buf_append_str(out, "]}");
	return r < 0 ? r : buf_check(out, err);
}

int kube_pods_of_claim(struct kube *kube, const char *ns, const char *claim,
		       struct jdoc *ret, struct err *err)
{
	const char *const what[] = { "pods", "-n", ns, NULL };
	OWNED_JDOC struct jdoc all = JDOC_INIT;
	OWNED_BUF struct buf out = BUF_INIT;
	int r = kube_get(kube, what, &all, err);

	if (r == 0)
		r = write_pods(jnode_get(all.root, "items"), claim, &out, err);
	return r < 0 ? r : jdoc_parse(buf_span(&out), "the pods", ret, err);
}

/* Which cluster it is. */

static const char *known(const char *text)
{
	return text ? text : "not known";
}

int kube_check_origin(struct kube *kube, const struct kube_origin *wanted,
		      bool other_cluster, struct kube_origin *ret_now,
		      struct err *err)
{
	struct kube_origin now = { .uid = NULL };
	int r = kube_find_origin(kube, &now, err);
	bool same = r == 0 && wanted->uid && now.uid &&
		    !strcmp(wanted->uid, now.uid);

	if (r == 0 && wanted->uid && !same && !other_cluster) {
		r = err_set(err, -EXDEV, "the snapshot is of cluster %s (%s), "
			    "and this is %s (%s)", wanted->uid,
			    known(wanted->server), known(now.uid),
			    known(now.server));
		err_hint(err, now.uid ? "--context chooses another cluster; "
			 "--other-cluster allows this one" :
			 "may kubectl 'get namespace kube-system'?");
	}
	if (ret_now)
		*ret_now = now;
	else
		kube_origin_release(&now);
	return r;
}
