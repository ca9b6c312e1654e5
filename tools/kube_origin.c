#include "tools/kube_act.h"

#include <stdlib.h>

#include "fs/catalog/record.h"

/* Which cluster it is. */

static const char *known(const char *text)
{
	return text ? text : "not known";
}

int kube_compare_origin(const struct kube_origin *wanted,
			const struct kube_origin *now, bool other_cluster,
			struct err *err)
{
	bool same = wanted->uid && now->uid && !strcmp(wanted->uid, now->uid);

	if (!wanted->uid || same || other_cluster)
		return 0;
	err_set(err, -EXDEV, "the snapshot is of cluster %s (%s), and this is "
		"%s (%s)", wanted->uid, known(wanted->server), known(now->uid),
		known(now->server));
	return err_hint(err, now->uid ? "--context chooses another cluster; "
			"--other-cluster allows this one" :
			"may kubectl 'get namespace kube-system'?");
}

int kube_check_origin(struct kube *kube, const struct kube_origin *wanted,
		      bool other_cluster, struct kube_origin *ret_now,
		      struct err *err)
{
	struct kube_origin now = { .uid = NULL };
	int r = kube_find_origin(kube, &now, err);

	if (r == 0)
		r = kube_compare_origin(wanted, &now, other_cluster, err);
	if (ret_now)
		*ret_now = now;
	else
		kube_origin_release(&now);
	return r;
}

static char *first_of(const struct record *record, const char *a,
		      const char *b)
{
	const char *text = record_attr(record, a);

	if (!text)
		text = record_tag(record, b);
	return text ? strdup(text) : NULL;
}

/* Captures of PSO have attributes, others tags. */
void kube_origin_of(const struct record *record, struct kube_origin *ret)
{
	*ret = (struct kube_origin){
		.uid = first_of(record, "cluster-uid", "cluster_uid"),
		.server = first_of(record, "server", "cluster_server"),
		.context = first_of(record, "context", "cluster_context"),
	};
}

/* What may not be in a name becomes '-'. */
int kube_source_prefix(const struct kube_origin *origin, const char *given,
		       struct buf *ret, struct err *err)
{
	const char *from = given ? given : origin->cluster ? origin->cluster :
			   origin->context;

	if (!from || !*from) {
		err_set(err, -EINVAL, "the cluster's name is not known");
		return err_hint(err, "-s NAME is what the sources begin with");
	}
	for (const char *c = from; *c; c++) {
		bool bad = !given && (strchr("/:@*?[", *c) || *c < 0x20 ||
				      ((*c == '.' || *c == '-') && c == from));

		buf_append(ret, bad ? "-" : c, 1);
	}
	if (!given && ret->len && ret->data[0] == '-')
		ret->data[0] = 'c';
	return buf_str(ret) ? 0 : err_nomem(err);
}
