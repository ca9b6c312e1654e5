/*
 * Each dump is a "varve add --command" of its own: what that promises (a producer
 * that fails makes no good backup, what ends early is incomplete) holds here as
 * well, and one dump that fails takes no other with it.
 */
#include "tools/pg_add.h"

int pg_add_begin(struct words *words, char self[PATH_MAX],
		 const struct tool *tool, const char *source,
		 const char *const *tags, struct err *err)
{
	int r = self_find(self, err);

	if (r < 0)
		return r;
	words->count = 0;
	words_put(words, self);
	words_put(words, "add");
	words_put(words, "--store");
	words_put(words, tool->store);
	words_put(words, "-s");
	words_put(words, source);
	words_put(words, "-k");
	words_put(words, "pgdump");
	if (tool->json)
		words_put(words, "--json");
	if (tool->quiet)
		words_put(words, "--quiet");
	for (; tags && *tags; tags++) {
		words_put(words, "--tag");
		words_put(words, *tags);
	}
	return 0;
}

static void put_exec(const struct pg_pod_dump *dump, struct words *words)
{
	const char *kube[KUBE_WORDS_MAX];
	size_t n = kube_words(dump->kube, false, kube);

	for (size_t i = 0; i < n; i++)
		words_put(words, kube[i]);
	/* no terminal: it would make every line end in CR LF */
	words_put(words, "exec");
	words_put(words, "-i");
	words_put(words, "-n");
	words_put(words, dump->namespace);
	words_put(words, dump->pod);
	words_put(words, "-c");
	words_put(words, PG_CONTAINER);
	words_put(words, "--");
}

int pg_dump_pod(const struct tool *tool, const struct pg_pod_dump *dump,
		struct err *err)
{
	OWNED_BUF struct buf uid = BUF_INIT, pod = BUF_INIT;
	char self[PATH_MAX];
	struct words words;
	int r = pg_add_begin(&words, self, tool, dump->source, dump->tags,
			     err);

	if (r < 0)
		return r;
	buf_printf(&pod, "pod=%s", dump->pod);
	if (dump->uid)
		buf_printf(&uid, "cluster_uid=%s", dump->uid);
	if (!buf_str(&pod) || !buf_str(&uid))
		return err_nomem(err);
	words_put(&words, "--tag");
	words_put(&words, buf_str(&pod));
	if (uid.len) {
		words_put(&words, "--tag");
		words_put(&words, buf_str(&uid));
	}
	words_put(&words, "--command");
	put_exec(dump, &words);
	words_put(&words, "pg_dumpall");
	if (!dump->passwords)
		words_put(&words, "--no-role-passwords");
	for (char **word = dump->with; word && *word; word++)
		words_put(&words, *word);
	return self_run(&words, err);
}
