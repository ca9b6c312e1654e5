#include "tools/pg_add.h"

#include "tools/add_parts.h"
#include "tools/format.h"

struct dumping {
	struct tool *tool;
	struct kube kube;
	struct kube_origin origin;
	struct pg_clusters clusters;
	struct buf prefix;	/* of sources in a cluster */
};

static void dumping_release(struct dumping *d)
{
	kube_origin_release(&d->origin);
	pg_clusters_release(&d->clusters);
	buf_release(&d->prefix);
}

#define TAGS_MAX 16

/* The user's. */
static const char *const *take_tags(const struct tool *tool,
				    const char *tags[TAGS_MAX + 1])
{
	size_t n = 0;

	while (n < TAGS_MAX && (tags[n] = option_nth(&tool->options, "tag",
						     n)))
		n++;
	tags[n] = NULL;
	return tags;
}

/* pg_dumpall, or pg_dump of one database, and what the user adds to it. */
static void put_program(const struct options *o, struct words *words,
			const char *database)
{
	if (database) {
		words_put(words, "pg_dump");
		words_put(words, "-Fc");
		/* the store compresses, across tables and nights */
		words_put(words, "-Z0");
		words_put(words, "-d");
		words_put(words, database);
	} else {
		words_put(words, "pg_dumpall");
		if (option_given(o, "no-role-passwords"))
			words_put(words, "--no-role-passwords");
	}
	for (char **word = o->rest; word && *word; word++)
		words_put(words, *word);
}

static int dump_local(struct dumping *d, const char *database,
		      const char *source, struct err *err)
{
	const char *tags[TAGS_MAX + 1];
	char self[PATH_MAX];
	struct words words;
	int r = pg_add_begin(&words, self, d->tool, source,
			     take_tags(d->tool, tags), err);

	if (r < 0)
		return r;
	words_put(&words, "--command");
	put_program(&d->tool->options, &words, database);
	return self_run(&words, err);
}

static int dump_locals(struct dumping *d, struct err *err)
{
	const struct options *o = &d->tool->options;
	const char *source = option_value(o, "source"), *database;
	bool several = option_nth(o, "dbname", 1) != NULL;
	int status = DONE, r;

	if (!source) {
		err_set(err, -EINVAL, "the dump has no name");
		return err_hint(err, "-s SOURCE names it, as -s db/orders; "
				"--all takes those of a Kubernetes cluster");
	}
	if (!option_given(o, "dbname"))
		return dump_local(d, NULL, source, err);
	for (size_t n = 0; (database = option_nth(o, "dbname", n)); n++) {
		OWNED_BUF struct buf name = BUF_INIT;

		buf_append_str(&name, source);
		if (several)
			buf_printf(&name, "/%s", database);
		if (!buf_str(&name))
			return err_nomem(err);
		r = dump_local(d, database, buf_str(&name), err);
		if (r < 0)
			return r;
		status = worse_status(status, r);
	}
	return status;
}

/* In a Kubernetes cluster. */

static int dump_cluster(struct dumping *d, const struct pg_cluster *cluster,
			struct err *err)
{
	const struct options *o = &d->tool->options;
	const char *tags[TAGS_MAX + 1];
	OWNED_BUF struct buf source = BUF_INIT;
	struct pg_pod_dump dump = {
		.kube = &d->kube, .uid = d->origin.uid,
		.namespace = cluster->namespace, .pod = cluster->pod,
		.tags = take_tags(d->tool, tags), .with = o->rest,
		.passwords = option_given(o, "role-passwords"),
	};

	buf_printf(&source, "%s/%s/%s", buf_str(&d->prefix),
		   cluster->namespace, cluster->name);
	dump.source = buf_str(&source);
	return dump.source ? pg_dump_pod(d->tool, &dump, err) :
			     err_nomem(err);
}

static int dump_clusters(struct dumping *d, struct err *err)
{
	size_t wanted = 0, dumped = 0;
	int status = DONE, r;

	for (size_t i = 0; i < d->clusters.count; i++) {
		const struct pg_cluster *c = &d->clusters.cluster[i];
		const char *why;

		if (!c->wanted)
			continue;
		wanted++;
		why = pg_cluster_why(c);
		if (why) {
			warn("[%s] %s: %s: not dumped", c->namespace, c->name,
			     why);
			status = worse_status(status, INCOMPLETE);
			continue;
		}
		r = dump_cluster(d, c, err);
		if (r < 0)
			return r;
		/* the others are there */
		r = r == FAILED ? INCOMPLETE : r;
		if (r != DONE)
			warn("[%s] %s (%s): not dumped as it should be",
			     c->namespace, c->name, c->pod);
		dumped += r == DONE;
		status = worse_status(status, r);
	}
	say(d->tool, "%zu of %s dumped.", dumped,
	    counted(wanted, "PostgresCluster").s);
	return status;
}

/* As a source's name; what may not be in one becomes '-'. */
int pg_source_prefix(const char *name, const struct kube_origin *origin,
		     struct buf *ret, struct err *err)
{
	const char *from = name ? name : origin->cluster ? origin->cluster :
							   origin->context;

	if (!from || !*from) {
		err_set(err, -EINVAL, "the cluster's name is not known");
		return err_hint(err, "-s NAME is what the sources begin with");
	}
	for (const char *c = from; *c; c++) {
		bool bad = !name && (strchr("/:@*?[", *c) || *c < 0x20 ||
				     ((*c == '.' || *c == '-') && c == from));

		buf_append(ret, bad ? "-" : c, 1);
	}
	if (!name && ret->len && ret->data[0] == '-')
		ret->data[0] = 'c';
	return buf_str(ret) ? 0 : err_nomem(err);
}

static int want_named(struct dumping *d, const char *word, struct err *err)
{
	struct pg_cluster *cluster;
	int r = pg_cluster_named(&d->clusters, word, &cluster, err);

	if (r == 0)
		cluster->wanted = true;
	return r;
}

static int find_clusters(struct dumping *d, struct err *err)
{
	const struct options *o = &d->tool->options;
	bool all = option_given(o, "all");
	int64_t timeout_s;
	int r = kube_timeout(o, &timeout_s, err);

	if (r < 0)
		return r;
	kube_init(&d->kube, o, timeout_s);
	r = kube_find_origin(&d->kube, &d->origin, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r == 0)
		r = pg_clusters_find(&d->kube, option_value(o, "namespace"),
				     &d->clusters, err);
	if (r < 0)
		return r == -ECANCELED ? r :
			err_wrap(err, "cannot ask for the PostgresClusters");
	if (d->clusters.count == 0)
		return err_set(err, -ENODATA, "there is no PostgresCluster");
	for (size_t i = 0; all && i < d->clusters.count; i++)
		d->clusters.cluster[i].wanted = true;
	for (size_t i = 1; r == 0 && i < o->word_count; i++)
		r = want_named(d, o->words[i], err);
	return r < 0 ? r : pg_source_prefix(option_value(o, "source"),
					    &d->origin, &d->prefix, err);
}

/* Before a cluster is asked. */
static int check_store(const struct tool *tool, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;

	return tool_open(tool, REPO_READ, &repo, err);
}

int pg_dump(struct tool *tool, struct err *err)
{
	CLEANUP(dumping_release) struct dumping d = {
		.tool = tool, .prefix = BUF_INIT,
	};
	const struct options *o = &tool->options;
	bool clusters = option_given(o, "all") || o->word_count > 1;
	int r;

	if (clusters && option_given(o, "dbname"))
		return err_set(err, -EINVAL, "-d takes databases of one "
			       "server, not of clusters");
	if (option_given(o, "all") && o->word_count > 1)
		return err_set(err, -EINVAL, "either --all or single "
			       "clusters: '%s'", o->words[1]);
	r = check_store(tool, err);
	if (r < 0)
		return r;
	catch_stop();
	if (!clusters)
		return dump_locals(&d, err);
	r = find_clusters(&d, err);
	return r < 0 ? r : dump_clusters(&d, err);
}
