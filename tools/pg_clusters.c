#include <stdlib.h>

#include "tools/pg.h"

#define OPERATOR "postgres-operator.crunchydata.com"
#define CLUSTERS_MAX 100000u

void pg_clusters_release(struct pg_clusters *clusters)
{
	for (size_t i = 0; i < clusters->count; i++) {
		struct pg_cluster *c = &clusters->cluster[i];

		free(c->namespace);
		free(c->name);
		free(c->pod);
		for (size_t n = 0; n < c->running; n++)
			free(c->pods[n]);
		free(c->pods);
	}
	free(clusters->cluster);
	*clusters = (struct pg_clusters){ .count = 0 };
}

static char *text_of(const struct jnode *node, const char *path)
{
	struct span text = jnode_text(node, path);

	return text.len ? strndup((const char *)text.data, text.len) : NULL;
}

static int take_cluster(const struct jnode *item, struct pg_clusters *ret,
			struct err *err)
{
	struct pg_cluster cluster = {
		.namespace = text_of(item, "metadata.namespace"),
		.name = text_of(item, "metadata.name"),
		.shut_down = jnode_true(item, "spec.shutdown"),
	};
	struct pg_cluster *list;

	if (!cluster.namespace || !cluster.name ||
	    ret->count == CLUSTERS_MAX) {
		free(cluster.namespace);
		free(cluster.name);
		return err_set(err, -EREMOTEIO, "kubectl gave a PostgresCluster "
			       "without a name, or too many");
	}
	list = reallocarray(ret->cluster, ret->count + 1, sizeof(*list));
	if (!list) {
		free(cluster.namespace);
		free(cluster.name);
		return err_nomem(err);
	}
	ret->cluster = list;
	list[ret->count++] = cluster;
	return 0;
}

/* As of "namespace/name": '-' comes before '/', so "brr-b" before "brr". */
static int order(const void *a, const void *b)
{
	const struct pg_cluster *x = a, *y = b;
	OWNED_BUF struct buf s = BUF_INIT, t = BUF_INIT;

	buf_printf(&s, "%s/%s", x->namespace, x->name);
	buf_printf(&t, "%s/%s", y->namespace, y->name);
	return span_cmp(buf_span(&s), buf_span(&t));
}

static struct pg_cluster *cluster_of(struct pg_clusters *clusters,
				     const struct jnode *pod,
				     const struct jnode *labels)
{
	struct span namespace = jnode_text(pod, "metadata.namespace");
	const struct jnode *name = jnode_get(labels, OPERATOR "/cluster");

	for (size_t i = 0; name && i < clusters->count; i++) {
		struct pg_cluster *c = &clusters->cluster[i];

		if (span_equal(namespace, span_str(c->namespace)) &&
		    span_equal(name->text, span_str(c->name)))
			return c;
	}
	return NULL;
}

/* Patroni 4 says primary; the operator keeps to master. */
static bool is_leader(const struct jnode *labels)
{
	const struct jnode *role = jnode_get(labels, OPERATOR "/role");

	return role && (span_equal(role->text, span_str("master")) ||
			span_equal(role->text, span_str("primary")));
}

static int add_pod(struct pg_cluster *c, struct span name, struct err *err)
{
	char **more = reallocarray(c->pods, c->running + 1, sizeof(*more));

	if (!more)
		return err_nomem(err);
	c->pods = more;
	more[c->running] = strndup((const char *)name.data, name.len);
	if (!more[c->running])
		return err_nomem(err);
	c->running++;
	return 0;
}

static int take_pod(struct pg_clusters *clusters, const struct jnode *pod,
		    struct err *err)
{
	const struct jnode *labels = jnode_path(pod, "metadata.labels");
	struct pg_cluster *c = cluster_of(clusters, pod, labels);
	struct span name = jnode_text(pod, "metadata.name");
	int r;

	/* volumes, jobs and the repository's host have the others */
	if (!c || name.len == 0 || !jnode_get(labels, OPERATOR "/instance") ||
	    !jnode_is(pod, "status.phase", "Running"))
		return 0;
	r = add_pod(c, name, err);
	if (r < 0 || !is_leader(labels))
		return r;
	c->leaders++;
	if (c->pod)
		return 0;
	c->pod = strndup((const char *)name.data, name.len);
	return c->pod ? 0 : err_nomem(err);
}

const char *pg_cluster_why(const struct pg_cluster *cluster)
{
	if (cluster->leaders == 1)
		return NULL;
	if (cluster->shut_down)
		return "it is shut down";
	if (cluster->leaders > 0)
		return "several of its pods are leaders";
	return cluster->running ? "none of its pods is the leader" :
				  "no database instance pod";
}

const char *pg_cluster_any(const struct pg_cluster *cluster)
{
	if (cluster->leaders == 1)
		return cluster->pod;
	return cluster->running ? cluster->pods[0] : NULL;
}

int pg_cluster_named(const struct pg_clusters *clusters, const char *word,
		     struct pg_cluster **ret, struct err *err)
{
	const char *slash = strchr(word, '/');

	for (size_t i = 0; slash && i < clusters->count; i++) {
		struct pg_cluster *c = &clusters->cluster[i];

		if (!strcmp(c->name, slash + 1) &&
		    strlen(c->namespace) == (size_t)(slash - word) &&
		    !memcmp(c->namespace, word, (size_t)(slash - word))) {
			*ret = c;
			return 0;
		}
	}
	err_set(err, slash ? -ENOENT : -EINVAL,
		"there is no PostgresCluster '%s'", word);
	return err_hint(err, "NAMESPACE/NAME, as 'kubectl get "
			"postgresclusters -A' lists them");
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int get_list(struct kube *kube, const char *what,
		    const char *selector, const char *namespace,
		    struct jdoc *ret, struct err *err)
{
	const char *words[6] = { what };
	size_t n = 1;
	int r;

	if (namespace) {
		words[n++] = "-n";
		words[n++] = namespace;
	} else {
		words[n++] = "-A";
	}
	if (selector) {
		words[n++] = "-l";
		words[n++] = selector;
	}
	r = kube_get(kube, words, ret, err);
	if (r == -EREMOTEIO || r == -ETIMEDOUT)
		err_hint(err, "the cluster did not answer that: 'kubectl get %s "
			 "-A' is what was asked; --context and --kubeconfig "
			 "choose another cluster", what);
	return r == -ENXIO || r == -EREMOTEIO || r == -ETIMEDOUT ?
	       err_wrap(err, "kubectl") : r;
}

int pg_clusters_find(struct kube *kube, const char *namespace,
		     struct pg_clusters *ret, struct err *err)
{
	OWNED_JDOC struct jdoc clusters = JDOC_INIT, pods = JDOC_INIT;
	const struct jnode *one;
	int r;

	r = get_list(kube, "postgresclusters." OPERATOR, NULL, namespace,
		     &clusters, err);
	if (r < 0)
		return r;
	one = jnode_get(clusters.root, "items")->child;
	for (; r == 0 && one; one = one->next)
		r = take_cluster(one, ret, err);
	if (r < 0 || ret->count == 0)
		return r;
	qsort(ret->cluster, ret->count, sizeof(*ret->cluster), order);
	r = get_list(kube, "pods", OPERATOR "/cluster", namespace, &pods,
		     err);
	if (r < 0)
		return r;
	one = jnode_get(pods.root, "items")->child;
	for (; r == 0 && one; one = one->next)
		r = take_pod(ret, one, err);
	for (size_t i = 0; r == 0 && i < ret->count; i++)
		if (ret->cluster[i].running)
			qsort(ret->cluster[i].pods, ret->cluster[i].running,
			      sizeof(char *), by_bytes);
	return r;
}
