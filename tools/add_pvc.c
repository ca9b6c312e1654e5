#include "tools/add_pvc.h"

#include <stdio.h>

#include "tools/add_parts.h"
#include "tools/far_scripts.h"
#include "tools/format.h"
#include "tools/pvc_visit.h"
#include "tools/self.h"

#define IDLE_OF_LOOK_S 120

struct capture {
	struct tool *tool;
	char self[PATH_MAX];
	struct buf source;
	int status;
};

/* What only files and streams take. */
static int check_options(const struct tool *tool, struct err *err)
{
	static const char *const others[] = {
		"kind", "time", "command", "exclude", "exclude-from",
		"one-file-system", "exclude-caches", "reread", NULL
	};
	const struct options *o = &tool->options;

	for (size_t i = 0; others[i]; i++)
		if (option_given(o, others[i]))
			return err_set(err, -EINVAL, "--%s and --pvc exclude "
				       "each other", others[i]);
	if (o->word_count > 1 && option_given(o, "source"))
		return err_set(err, -EINVAL, "-s names one source, and there "
			       "are %zu claims", o->word_count);
	return 0;
}

static int find_source(struct capture *c, const struct pvc_visit *v,
		       struct err *err)
{
	const char *given = option_value(&c->tool->options, "source");
	int r = 0;

	buf_clear(&c->source);
	if (given) {
		buf_append_str(&c->source, given);
	} else {
		r = kube_source_prefix(&v->cluster, NULL, &c->source, err);
		buf_printf(&c->source, "/%s/%s", v->name.ns, v->name.name);
	}
	return r < 0 ? r : buf_str(&c->source) ? 0 : err_nomem(err);
}

static void put_pair(struct words *words, struct buf *pair, const char *key,
		     const char *value)
{
	if (!value)
		return;
	buf_printf(pair, "%s=%s", key, value);
	if (!buf_str(pair))
		return;
	words_put(words, "--tag");
	words_put(words, buf_str(pair));
}

static void put_add(const struct capture *c, struct words *words)
{
	const struct options *o = &c->tool->options;
	static const char *const flags[] = { "no-view", "stats", NULL };
	static const char *const values[] = { "level", "workers", "min-free",
					      NULL };
	const char *tag;

	words_put(words, c->self);
	words_put(words, "add");
	words_put(words, "--store");
	words_put(words, c->tool->store);
	words_put(words, "-s");
	words_put(words, (const char *)c->source.data);
	words_put(words, "-k");
	words_put(words, "tar");
	if (c->tool->json)
		words_put(words, "--json");
	if (c->tool->quiet)
		words_put(words, "--quiet");
	for (size_t i = 0; flags[i]; i++)
		if (option_given(o, flags[i]))
			words_put(words, i == 0 ? "--no-view" : "--stats");
	for (size_t i = 0; values[i]; i++)
		if (option_given(o, values[i])) {
			words_put(words, i == 0 ? "--level" : i == 1 ?
				  "--workers" : "--min-free");
			words_put(words, option_value(o, values[i]));
		}
	if (option_given(o, "expand"))
		words_put(words, "--expand");
	for (size_t n = 0; (tag = option_nth(o, "tag", n)) && n < 8; n++) {
		words_put(words, "--tag");
		words_put(words, tag);
	}
}

static void put_exec(const struct pvc_visit *v, struct words *words,
		     const char *dir)
{
	const char *kube[KUBE_WORDS_MAX];
	size_t n = kube_words(&v->kube, false, kube);

	words_put(words, "--command");
	for (size_t i = 0; i < n; i++)
		words_put(words, kube[i]);
	words_put(words, "exec");
	words_put(words, "-n");
	words_put(words, v->name.ns);
	words_put(words, v->far.where.pod);
	words_put(words, "-c");
	words_put(words, v->far.where.container);
	words_put(words, "--");
	words_put(words, "sh");
	words_put(words, "-c");
	words_put(words, far_capture);
	words_put(words, "varve");
	words_put(words, dir);
}

/* What the pod can is looked at first; then it is an add of its own, which knows
 * a stream that ends early. */
static int capture(void *arg, struct pvc_visit *v, struct err *err)
{
	OWNED_BUF struct buf seen = BUF_INIT, dir = BUF_INIT, uid = BUF_INIT;
	OWNED_BUF struct buf server = BUF_INIT, claim = BUF_INIT;
	OWNED_BUF struct buf name = BUF_INIT, context = BUF_INIT;
	struct words words = { .count = 0 };
	struct capture *c = arg;
	const char *args[] = { NULL, "", "", NULL };
	struct span lack;
	int r;

	buf_printf(&dir, "%s%s%s", v->mount, v->name.path[0] ? "/" : "",
		   v->name.path);
	buf_printf(&name, "%s/%s", v->name.ns, v->name.name);
	if (!(args[0] = buf_str(&dir)) || !buf_str(&name))
		return err_nomem(err);
	r = far_run(&v->far, far_look, args, IDLE_OF_LOOK_S, &seen, err);
	if (r < 0)
		return r;
	lack = far_value(&seen, "lack");
	if (lack.len)
		return err_set(err, -ENOSYS, "pod '%s' lacks what is needed in "
			       "it:%.*s", v->far.where.pod, (int)lack.len,
			       (const char *)lack.data);
	put_add(c, &words);
	put_pair(&words, &claim, "pvc", buf_str(&name));
	put_pair(&words, &uid, "cluster_uid", v->cluster.uid);
	put_pair(&words, &server, "cluster_server", v->cluster.server);
	put_pair(&words, &context, "cluster_context", v->cluster.context);
	put_exec(v, &words, buf_str(&dir));
	r = self_run(&words, err);
	if (r > 0)
		warn("[%s] %s: not captured as it should be", v->name.ns,
		     v->name.name);
	if (r >= 0)
		c->status = worse_status(c->status, r);
	return r;
}

static int capture_one(struct capture *c, struct repo *repo,
		       const char *word, struct err *err)
{
	OWNED_VISIT struct pvc_visit visit = { .name.path = "" };
	OWNED_BUF struct buf says = BUF_INIT;
	int r = pvc_visit_open(c->tool, word, false, &visit, err);

	if (r == 0)
		r = find_source(c, &visit, err);
	buf_printf(&says, "capture of %s", word);
	if (r == 0 && !buf_str(&says))
		r = err_nomem(err);
	return r < 0 ? r : pvc_visit_run(&visit, repo, buf_str(&says), capture,
					 c, err);
}

int add_pvc(struct tool *tool, struct err *err)
{
	struct capture c = { .tool = tool, .source = BUF_INIT };
	OWNED_REPO struct repo *repo = NULL;
	int r = check_options(tool, err);

	if (r == 0)
		r = self_find(c.self, err);
	if (r == 0)
		r = tool_open_maybe(tool, &repo, err);
	catch_stop();
	for (size_t i = 0; r >= 0 && i < tool->options.word_count; i++)
		r = capture_one(&c, repo, tool->options.words[i], err);
	buf_release(&c.source);
	return r < 0 ? r : c.status;
}
