#include "tools/vmbc.h"

#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"

static void class_release(struct vmbc_class *class)
{
	free(class->name);
	free(class->provisioner);
	free(class->reclaim);
	free(class->binding);
	free(class->manifest);
}

static void volume_release(struct vmbc_volume *volume)
{
	free(volume->pv);
	free(volume->ns);
	free(volume->claim);
	free(volume->reclaim);
	free(volume->class);
	free(volume->path);
	free(volume->handle);
	free(volume->zone);
	free(volume->node);
}

void vmbc_cluster_release(struct vmbc_cluster *cluster)
{
	for (size_t i = 0; i < cluster->class_count; i++)
		class_release(&cluster->classes[i]);
	for (size_t i = 0; i < cluster->volume_count; i++)
		volume_release(&cluster->volumes[i]);
	free(cluster->classes);
	free(cluster->volumes);
	free(cluster->blockchain);
	kube_origin_release(&cluster->origin);
	*cluster = (struct vmbc_cluster){ .class_count = 0 };
}

/* NULL: there is none, or no memory for it, which *lost then tells. */
static char *text_of(const struct jnode *node, const char *path, bool *lost)
{
	struct span text = jnode_text(node, path);
	char *copy;

	if (text.len == 0)
		return NULL;
	copy = strndup((const char *)text.data, text.len);
	*lost |= !copy;
	return copy;
}

/* Storage classes. */

static bool is_default(const struct jnode *class)
{
	const struct jnode *notes = jnode_path(class, "metadata.annotations");
	const struct jnode *is =
		jnode_get(notes, "storageclass.kubernetes.io/is-default-class");

	return is && span_equal(is->text, span_str("true"));
}

/* What the server gave it is left out, and the policy is Retain. */
static int as_retained(void *arg, const struct jnode *node, struct buf *out,
		       struct err *err)
{
	static const char *const given[] = {
		"uid", "resourceVersion", "creationTimestamp", "generation",
		"managedFields", "selfLink",
		"kubectl.kubernetes.io/last-applied-configuration",
	};
	const struct jnode *top = arg;

	(void)err;
	if (node->parent == top &&
	    span_equal(node->key, span_str("reclaimPolicy"))) {
		buf_append_str(out, "\"Retain\"");
		return 2;
	}
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (span_equal(node->key, span_str(given[i])))
			return 1;
	return 0;
}

static char *manifest_of(const struct jnode *class, bool *lost)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char *text = NULL;

	if (jnode_write(class, true, as_retained, (void *)(uintptr_t)class,
			&out, NULL) == 0)
		text = buf_detach(&out);
	*lost |= !text;
	return text;
}

static int take_class(struct vmbc_cluster *cluster, const struct jnode *item,
		      struct err *err)
{
	struct vmbc_class *list = reallocarray(cluster->classes,
					       cluster->class_count + 1,
					       sizeof(*list));
	bool lost = false;

	if (!list)
		return err_nomem(err);
	cluster->classes = list;
	list[cluster->class_count++] = (struct vmbc_class){
		.name = text_of(item, "metadata.name", &lost),
		.provisioner = text_of(item, "provisioner", &lost),
		.reclaim = text_of(item, "reclaimPolicy", &lost),
		.binding = text_of(item, "volumeBindingMode", &lost),
		.is_default = is_default(item),
		.manifest = manifest_of(item, &lost),
	};
	return lost ? err_nomem(err) : 0;
}

static int ask_classes(struct vmbc_cluster *cluster, struct err *err)
{
	static const char *const words[] = { "storageclass", NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *item;
	int r = kube_get(&cluster->kube, words, &doc, err);

	if (r < 0)
		return err_wrap(err, "cannot ask for the storage classes");
	item = jnode_get(doc.root, "items")->child;
	for (; r == 0 && item; item = item->next)
		r = take_class(cluster, item, err);
	return r;
}

/* Volumes. */

static char *zone_of(const struct jnode *pv, bool *lost)
{
	static const char *const keys[] = {
		"topology.ebs.csi.aws.com/zone", "topology.kubernetes.io/zone",
		"topology.gke.io/zone",
		"failure-domain.beta.kubernetes.io/zone",
	};
	const struct jnode *terms = jnode_path(pv,
		"spec.nodeAffinity.required.nodeSelectorTerms"), *one, *values;

	one = terms && terms->child ?
		jnode_get(terms->child, "matchExpressions") : NULL;
	for (one = one ? one->child : NULL; one; one = one->next)
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (!jnode_is(one, "key", keys[i]))
				continue;
			values = jnode_get(one, "values");
			if (values && values->child)
				return text_of(values->child, "", lost);
		}
	return NULL;
}

/* What holds its bytes: a volume's number at the vendor, or none. */
static char *handle_of(const struct jnode *pv, bool *lost)
{
	static const char *const paths[] = {
		"spec.csi.volumeHandle", "spec.awsElasticBlockStore.volumeID",
		"spec.gcePersistentDisk.pdName",
	};
	char *handle = NULL;

	for (size_t i = 0; !handle && i < sizeof(paths) / sizeof(paths[0]);
	     i++)
		handle = text_of(pv, paths[i], lost);
	return handle;
}

static int take_volume(struct vmbc_cluster *cluster, const struct jnode *pv,
		       struct err *err)
{
	struct span claim = jnode_text(pv, "spec.claimRef.name"), id;
	struct vmbc_volume *list;
	struct vmbc_volume v = { .pv = NULL };
	bool lost = false;

	if (claim.len < 12 || memcmp(claim.data, "concord-pvc-", 12) != 0)
		return 0;
	list = reallocarray(cluster->volumes, cluster->volume_count + 1,
			    sizeof(*list));
	if (!list)
		return err_nomem(err);
	cluster->volumes = list;
	v.is_replica = vmbc_name(claim, &v.number, &id);
	v.pv = text_of(pv, "metadata.name", &lost);
	v.ns = text_of(pv, "spec.claimRef.namespace", &lost);
	v.claim = text_of(pv, "spec.claimRef.name", &lost);
	v.reclaim = text_of(pv, "spec.persistentVolumeReclaimPolicy", &lost);
	v.class = text_of(pv, "spec.storageClassName", &lost);
	v.path = text_of(pv, "spec.hostPath.path", &lost);
	if (!v.path)
		v.path = text_of(pv, "spec.local.path", &lost);
	v.handle = handle_of(pv, &lost);
	v.zone = zone_of(pv, &lost);
	list[cluster->volume_count++] = v;
	return lost ? err_nomem(err) : 0;
}

static int ask_volumes(struct vmbc_cluster *cluster, struct err *err)
{
	static const char *const words[] = { "pv", NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *item;
	int r = kube_get(&cluster->kube, words, &doc, err);

	if (r < 0)
		return err_wrap(err, "cannot ask for the persistent volumes");
	item = jnode_get(doc.root, "items")->child;
	for (; r == 0 && item; item = item->next)
		r = take_volume(cluster, item, err);
	return r;
}

/* Only told, never needed: not every cluster has them, nor lets them be seen. */
static int ask_nodes(const struct tool *tool, struct vmbc_cluster *cluster,
		     struct err *err)
{
	static const char *const words[] = { "volumeattachments", NULL };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	const struct jnode *item;
	bool lost = false;
	int r = kube_get(&cluster->kube, words, &doc, &why);

	if (r == -ENOMEM || r == -ECANCELED)
		return err_set(err, r, "%s", why.text);
	if (r < 0) {
		note(tool, "to which nodes volumes are attached is not known: "
		     "%s", why.text);
		return 0;
	}
	item = jnode_get(doc.root, "items")->child;
	for (; item; item = item->next)
		for (size_t i = 0; i < cluster->volume_count; i++) {
			struct vmbc_volume *v = &cluster->volumes[i];

			if (!v->pv || v->node ||
			    !jnode_is(item, "spec.source.persistentVolumeName",
				      v->pv))
				continue;
			v->node = text_of(item, "spec.nodeName", &lost);
		}
	return lost ? err_nomem(err) : 0;
}

/* Which blockchain. */

static int choose(struct vmbc_cluster *cluster, const char *wanted,
		  struct err *err)
{
	struct span id, first = span_of(NULL, 0);
	unsigned number;

	for (size_t i = 0; i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];

		if (!v->is_replica ||
		    !vmbc_name(span_str(v->claim), &number, &id) ||
		    (wanted && !span_equal(id, span_str(wanted))))
			continue;
		if (first.len && !span_equal(first, id)) {
			err_set(err, -EINVAL, "the cluster has several "
				"blockchains: '%.*s' and '%.*s'",
				(int)first.len, (const char *)first.data,
				(int)id.len, (const char *)id.data);
			return err_hint(err, "--blockchain says which is "
					"meant");
		}
		first = id;
	}
	if (!first.len && wanted)
		return err_set(err, -ENODATA, "no persistent volume of the "
			       "cluster is a replica's of blockchain '%s'",
			       wanted);
	if (!first.len) {
		err_set(err, -ENODATA, "no persistent volume of the cluster "
			"has a claim called concord-pvc-ID-replica-N");
		return err_hint(err, "is it the right cluster (--context)? The "
				"replicas' directories can be named as well");
	}
	cluster->blockchain = strndup((const char *)first.data, first.len);
	return cluster->blockchain ? 0 : err_nomem(err);
}

static bool is_of(const struct vmbc_volume *volume, const char *blockchain)
{
	size_t len = strlen(blockchain);

	return !strncmp(volume->claim + 12, blockchain, len) &&
	       volume->claim[12 + len] == '-';
}

static void drop_others(struct vmbc_cluster *cluster)
{
	size_t kept = 0;

	for (size_t i = 0; i < cluster->volume_count; i++) {
		struct vmbc_volume *v = &cluster->volumes[i];

		if (is_of(v, cluster->blockchain))
			cluster->volumes[kept++] = *v;
		else
			volume_release(v);
	}
	cluster->volume_count = kept;
}

static int by_claim(const void *a, const void *b)
{
	const struct vmbc_volume *x = a, *y = b;

	if (x->is_replica != y->is_replica)
		return x->is_replica ? -1 : 1;
	if (x->is_replica && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->claim, y->claim);
}

int vmbc_ask(const struct tool *tool, const char *blockchain,
	     struct vmbc_cluster *ret, struct err *err)
{
	int64_t timeout_s;
	int r = kube_timeout(&tool->options, &timeout_s, err);

	if (r < 0)
		return r;
	kube_init(&ret->kube, &tool->options, timeout_s);
	r = kube_find_origin(&ret->kube, &ret->origin, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r == 0)
		r = ask_volumes(ret, err);
	if (r == 0)
		r = choose(ret, blockchain, err);
	if (r < 0)
		return r;
	drop_others(ret);
	qsort(ret->volumes, ret->volume_count, sizeof(*ret->volumes),
	      by_claim);
	r = ask_classes(ret, err);
	return r < 0 ? r : ask_nodes(tool, ret, err);
}

/* Of the replicas. */

static char *copy(const char *text, bool *lost)
{
	char *own = text ? strdup(text) : NULL;

	*lost |= text && !own;
	return own;
}

static int take_claim(struct vmbc *vmbc, const struct vmbc_volume *v,
		      struct err *err)
{
	struct vmbc_replica *replica = vmbc_replica(vmbc, v->number);
	bool lost = false;

	if (!replica)
		return err_nomem(err);
	if (replica->claim) {
		err_set(err, -EINVAL, "replica %u has two volumes: '%s' and "
			"'%s'", v->number, replica->pv, v->pv);
		return err_hint(err, "one of them may be left of an earlier "
				"deployment");
	}
	replica->ns = copy(v->ns, &lost);
	replica->claim = copy(v->claim, &lost);
	replica->pv = copy(v->pv, &lost);
	replica->path = copy(v->path, &lost);
	replica->handle = copy(v->handle, &lost);
	replica->zone = copy(v->zone, &lost);
	replica->reclaim = copy(v->reclaim, &lost);
	replica->class = copy(v->class, &lost);
	return lost ? err_nomem(err) : 0;
}

int vmbc_take_cluster(struct vmbc *vmbc, const struct vmbc_cluster *cluster,
		      struct err *err)
{
	int r = 0;

	if (!vmbc->blockchain)
		vmbc->blockchain = strdup(cluster->blockchain);
	if (cluster->origin.uid && !vmbc->uid)
		vmbc->uid = strdup(cluster->origin.uid);
	if (!vmbc->blockchain || (cluster->origin.uid && !vmbc->uid))
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];

		if (!v->is_replica)
			continue;
		if (!vmbc->ns && v->ns)
			vmbc->ns = strdup(v->ns);
		r = take_claim(vmbc, v, err);
	}
	return r;
}

void vmbc_patch(const struct vmbc_cluster *cluster, const char *pv,
		struct buf *out)
{
	buf_printf(out, "%s", cluster->kube.kubectl);
	if (cluster->kube.context)
		buf_printf(out, " --context %s", cluster->kube.context);
	buf_printf(out, " patch pv %s -p "
		   "'{\"spec\":{\"persistentVolumeReclaimPolicy\":"
		   "\"Retain\"}}'", pv);
}

/* Which directories. */

bool vmbc_asks_cluster(const struct tool *tool, size_t first)
{
	const struct options *o = &tool->options;

	return o->word_count <= first || option_given(o, "kubectl") ||
	       option_given(o, "context") || option_given(o, "kubeconfig");
}

static int take_paths(struct vmbc *vmbc, const struct vmbc_cluster *cluster,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];

		/* that of another node is not on this machine */
		if (v->is_replica && v->path && access(v->path, F_OK) == 0)
			r = vmbc_find(v->path, cluster->blockchain, vmbc, err);
	}
	return r;
}

int vmbc_take_words(const struct tool *tool, size_t first,
		    const struct vmbc_cluster *cluster, struct vmbc *ret,
		    struct err *err)
{
	const struct options *o = &tool->options;
	const char *only = cluster ? cluster->blockchain :
			   option_value(o, "blockchain");
	uint64_t replicas = 0;
	int r = option_u64(o, "replicas", VMBC_REPLICAS_MAX, &replicas, err);

	for (size_t i = first; r == 0 && i < o->word_count; i++)
		r = vmbc_find(o->words[i], only, ret, err);
	if (r == 0 && cluster && first >= o->word_count)
		r = take_paths(ret, cluster, err);
	if (r == 0 && cluster)
		r = vmbc_take_cluster(ret, cluster, err);
	if (r < 0)
		return r;
	if (ret->count == 0) {
		err_set(err, -ENODATA, "there is no replica in '%s'",
			first < o->word_count ? o->words[first] : "");
		return err_hint(err, "a replica's data is a directory "
				VMBC_DATA " below one called replica-N");
	}
	if (replicas && ret->wanted > replicas)
		return err_set(err, -EINVAL, "--replicas %u, and there is a "
			       "replica %u", (unsigned)replicas,
			       ret->wanted - 1);
	if (!replicas)
		replicas = VMBC_LEAST;
	if (ret->wanted < replicas)
		ret->wanted = (unsigned)replicas;
	return r;
}
