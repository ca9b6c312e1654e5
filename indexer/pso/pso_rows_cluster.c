#include "indexer/pso/pso_rows.h"

/* Nodes. */

static void gather_of_hosts(struct rowing *r, const struct jnode *node,
			    const char *member)
{
	json_open_array(&r->json, member);
	for (size_t i = 0; i < r->model->hosts.count; i++) {
		const struct pso_ref *host = &r->model->hosts.ref[i];
		const struct jnode *one = jnode_get(host->node, member);

		if (!one || pso_link_of(r->model, host)->node != node)
			continue;
		for (one = one->child; one; one = one->next)
			if (one->type == JTYPE_STRING)
				json_span(&r->json, NULL, one->text);
	}
	json_close_array(&r->json);
}

static void put_hosts(struct rowing *r, const struct jnode *node)
{
	json_open_array(&r->json, "hosts");
	for (size_t i = 0; i < r->model->hosts.count; i++) {
		const struct pso_ref *host = &r->model->hosts.ref[i];
		const struct pso_link *link = pso_link_of(r->model, host);

		if (link->node != node)
			continue;
		json_open_object(&r->json, NULL);
		json_str(&r->json, "backend",
			 r->model->backends[host->backend].name);
		json_span(&r->json, "host", host->key);
		json_str(&r->json, "by", link->by);
		json_close_object(&r->json);
	}
	json_close_array(&r->json);
}

static int push_node(struct rowing *r, const struct pso_ref *node)
{
	const struct jnode *n = node->node, *one;
	bool ready;

	row_begin(r);
	row_put(r, "name", node->key);
	row_copy(r, "uid", n, "metadata.uid");
	if (pso_condition(n, "Ready", &ready))
		json_bool(&r->json, "ready", ready);
	json_open_array(&r->json, "addresses");
	one = jnode_path(n, "status.addresses");
	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_text(one, "address").data)
			json_span(&r->json, NULL, jnode_text(one, "address"));
	json_close_array(&r->json);
	gather_of_hosts(r, n, "iqns");
	gather_of_hosts(r, n, "wwns");
	gather_of_hosts(r, n, "nqns");
	put_hosts(r, n);
	row_copy(r, "kubelet", n, "status.nodeInfo.kubeletVersion");
	row_copy(r, "os", n, "status.nodeInfo.osImage");
	row_copy(r, "kernel", n, "status.nodeInfo.kernelVersion");
	return row_end(r, "pso_node");
}

/* The datastore. */

static void put_backend_of_id(struct rowing *r, struct span id)
{
	for (size_t i = 0; id.len && i < r->model->backend_count; i++)
		if (span_equal(r->model->backends[i].id, id))
			json_str(&r->json, "backend",
				 r->model->backends[i].name);
}

static void put_pod(struct rowing *r, const struct jnode *pod)
{
	bool ready;

	row_copy(r, "pod", pod, "metadata.name");
	row_copy(r, "pod_phase", pod, "status.phase");
	if (pso_condition(pod, "Ready", &ready))
		json_bool(&r->json, "pod_ready", ready);
	row_copy(r, "node", pod, "spec.nodeName");
}

static bool same_backend(const struct jnode *a, const struct jnode *b)
{
	struct span x = jnode_text(a, "backendID");
	struct span y = jnode_text(b, "backendID");

	return !x.data || !y.data || span_equal(x, y);
}

/* spec: wanted (or NULL); status: as it is (or NULL). */
static int push_replica(struct rowing *r, struct span volume,
			const struct jnode *spec, const struct jnode *status)
{
	const struct jnode *any = spec ? spec : status;
	const struct jnode *pod = pso_pod_of_volume(r->model, volume);

	row_begin(r);
	row_put(r, "volume", volume);
	row_copy(r, "backend_id", any, "backendID");
	row_copy(r, "backend_type", any, "backendType");
	row_copy(r, "mgmt", spec, "mgmtEndpoint");
	put_backend_of_id(r, jnode_text(any, "backendID"));
	row_copy(r, "status", status, "status");
	row_copy(r, "since", status, "currentStatusStart");
	row_copy(r, "decommission", status, "decommission");
	json_bool(&r->json, "wanted", spec != NULL);
	if (pod)
		put_pod(r, pod);
	return row_end(r, "pso_replica");
}

/* refs: backend 0 is of spec, 1 of status; sorted so by volume. */
static int push_replicas(struct rowing *r)
{
	const struct pso_refs *refs = &r->model->replicas;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < refs->count; i++) {
		const struct pso_ref *one = &refs->ref[i];
		const struct jnode *other = NULL;
		size_t count;
		const struct pso_ref *same = pso_refs_find(refs, one->key,
							   &count);

		for (size_t k = 0; k < count; k++)
			if (same[k].backend != one->backend &&
			    same_backend(same[k].node, one->node))
				other = same[k].node;
		if (one->backend == 0)
			ret = push_replica(r, one->key, one->node, other);
		else if (!other)
			ret = push_replica(r, one->key, NULL, one->node);
	}
	return ret;
}

/* Pods of the datastore that no replica is known of. */
static int push_other_pods(struct rowing *r)
{
	const struct pso_refs *refs = &r->model->replicas;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < r->model->pods.count; i++) {
		const struct pso_ref *pod = &r->model->pods.ref[i];
		bool known = false;

		for (size_t k = 0; k < refs->count && !known; k++)
			known = pso_pod_has_volume(pod->node, refs->ref[k].key);
		if (known || !pso_is_db_pod(pod->key))
			continue;
		row_begin(r);
		put_pod(r, pod->node);
		ret = row_end(r, "pso_replica");
	}
	return ret;
}

static uint64_t count_sets(const struct rowing *r, bool *ret_known)
{
	const struct jnode *set = pso_items(r->model->capture,
					    "kubernetes/statefulsets");
	uint64_t count = 0;

	*ret_known = set != NULL;
	for (set = set ? set->child : NULL; set; set = set->next)
		count += pso_is_db_pod(jnode_text(set, "metadata.name"));
	return count;
}

static int push_datastore(struct rowing *r, const struct jnode *intrusion)
{
	const struct pso_doc *values = pso_find(r->model->capture, "values");
	bool known;
	uint64_t sets = count_sets(r, &known);

	row_begin(r);
	row_copy(r, "name", intrusion, "metadata.name");
	row_copy(r, "namespace", intrusion, "metadata.namespace");
	row_copy(r, "status", intrusion, "status.status");
	row_copy_bool(r, "initialized", intrusion, "status.initialized");
	row_copy(r, "ready_nodes", intrusion, "status.readyNodes");
	row_copy_u64(r, "total_ranges", intrusion, "status.totalRanges");
	row_copy_u64(r, "underreplicated", intrusion,
		 "status.underreplicatedRanges");
	row_copy_u64(r, "unavailable", intrusion, "status.unavailableRanges");
	row_copy(r, "as_of", intrusion, "status.asOf");
	if (known)
		json_u64(&r->json, "stateful_sets", sets);
	row_put(r, "cluster_id", r->model->cluster_id);
	if (values && values->state == PSO_HAD)
		row_copy_u64(r, "max_suspect_s", values->doc.root,
			 "database.maxSuspectSeconds");
	return row_end(r, "pso_datastore");
}

static int push_datastores(struct rowing *r)
{
	const struct pso_refs *refs = &r->model->intrusions;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < refs->count; i++)
		ret = push_datastore(r, refs->ref[i].node);
	return ret;
}

static int push_class(struct rowing *r, const struct pso_ref *class)
{
	const struct jnode *n = class->node;
	const struct jnode *notes = jnode_path(n, "metadata.annotations");
	const struct jnode *parameters = jnode_get(n, "parameters");

	if (!jnode_is(n, "provisioner", PSO_DRIVER))
		return 0;
	row_begin(r);
	row_put(r, "name", class->key);
	row_copy(r, "provisioner", n, "provisioner");
	row_copy(r, "backend", parameters, "backend");
	row_copy(r, "reclaim", n, "reclaimPolicy");
	row_copy(r, "binding", n, "volumeBindingMode");
	notes = jnode_get(notes,
			  "storageclass.kubernetes.io/is-default-class");
	json_bool(&r->json, "is_default", jnode_is(notes, "", "true"));
	row_copy_bool(r, "expansion", n, "allowVolumeExpansion");
	if (parameters) {
		OWNED_BUF struct buf text = BUF_INIT;

		if (jnode_write(parameters, false, NULL, NULL, &text,
				r->err) < 0)
			return -ENOMEM;
		json_raw(&r->json, "parameters", buf_span(&text));
	}
	return row_end(r, "pso_class");
}

static int push_document(struct rowing *r, const struct pso_doc *doc)
{
	OWNED_BUF struct buf name = BUF_INIT;

	pso_shown_name(r->model, doc, &name);
	row_begin(r);
	json_span(&r->json, "name", buf_span(&name));
	json_str(&r->json, "state", pso_state_name(doc->state));
	if (doc->state == PSO_HAD && doc->list)
		json_u64(&r->json, "items", doc->items);
	if (doc->state != PSO_HAD)
		row_put_str(r, "why", doc->why);
	return row_end(r, "pso_document");
}

static int push_refs(struct rowing *r, const struct pso_refs *refs,
		     int (*push)(struct rowing *r, const struct pso_ref *ref))
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < refs->count; i++)
		ret = push(r, &refs->ref[i]);
	return ret;
}

int pso_push_cluster(struct rowing *r)
{
	const struct pso_model *model = r->model;
	int ret = push_refs(r, &model->nodes, push_node);

	if (ret == 0)
		ret = push_refs(r, &model->classes, push_class);
	if (ret == 0)
		ret = push_replicas(r);
	if (ret == 0)
		ret = push_other_pods(r);
	if (ret == 0)
		ret = push_datastores(r);
	for (size_t i = 0; ret == 0 && i < model->capture->doc_count; i++)
		ret = push_document(r, &model->capture->docs[i]);
	return ret;
}
