#include "indexer/pso/pso_model.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * One row at a time.  Members and tables: fs/catalog/catalog_rows.c, and
 * docs/format.md.  What is not known is left out.
 */
struct rowing {
	const struct pso_model *model;
	struct sink *sink;
	struct buf text;
	struct json json;
	struct err *err;
};

static void begin(struct rowing *r)
{
	buf_clear(&r->text);
	json_init(&r->json, &r->text);
	json_open_object(&r->json, NULL);
}

static int end(struct rowing *r, const char *table)
{
	int ret;

	json_close_object(&r->json);
	ret = buf_check(&r->text, r->err);
	if (ret < 0)
		return ret;
	/* Redacted documents have none; and what has one is not written. */
	if (redact_finds(r->model->capture->redact, buf_span(&r->text))) {
		sink_warn(r->sink, WEIGHT_LOST, span_of(NULL, 0),
			  "a row of %s looks as if it held a secret, and was "
			  "left out", table);
		return 0;
	}
	return sink_row(r->sink, table, buf_span(&r->text), r->err);
}

static void put(struct rowing *r, const char *key, struct span text)
{
	if (text.data)
		json_span(&r->json, key, text);
}

static void put_str(struct rowing *r, const char *key, const char *text)
{
	if (text)
		json_str(&r->json, key, text);
}

static void copy(struct rowing *r, const char *key, const struct jnode *node,
		 const char *path)
{
	put(r, key, jnode_text(node, path));
}

static void copy_u64(struct rowing *r, const char *key,
		     const struct jnode *node, const char *path)
{
	uint64_t value;

	if (jnode_u64(node, path, &value))
		json_u64(&r->json, key, value);
}

static void copy_bool(struct rowing *r, const char *key,
		      const struct jnode *node, const char *path)
{
	const struct jnode *found = jnode_path(node, path);

	if (found && (found->type == JTYPE_TRUE || found->type == JTYPE_FALSE))
		json_bool(&r->json, key, found->type == JTYPE_TRUE);
}

static void copy_list(struct rowing *r, const char *key,
		      const struct jnode *list)
{
	if (!list || list->type != JTYPE_ARRAY)
		return;
	json_open_array(&r->json, key);
	for (const struct jnode *one = list->child; one; one = one->next)
		if (one->type == JTYPE_STRING)
			json_span(&r->json, NULL, one->text);
	json_close_array(&r->json);
}

/* Milliseconds, as arrays have them. */
static void copy_time(struct rowing *r, const char *key,
		      const struct jnode *node, const char *path)
{
	char text[STAMP_TEXT];
	uint64_t ms;

	if (!jnode_u64(node, path, &ms) || ms / 1000 > 253402300799)
		return;
	stamp_iso((struct stamp){ (int64_t)(ms / 1000),
				  (uint32_t)(ms % 1000) * 1000000 }, text);
	json_str(&r->json, key, text);
}

static void put_quantity(struct rowing *r, const char *key,
			 struct span text)
{
	uint64_t bytes;

	if (pso_quantity(text, &bytes))
		json_u64(&r->json, key, bytes);
}

static void put_backend(struct rowing *r, uint32_t backend)
{
	const struct pso_backend *b = &r->model->backends[backend];

	json_str(&r->json, "backend", b->name);
	put(r, "backend_id", b->id);
	json_str(&r->json, "backend_type", pso_type_name(b->type));
}

/* Volumes. */

static void put_pv(struct rowing *r, const struct pso_ref *pv)
{
	const struct jnode *n = pv->node;
	const struct jnode *attrs = jnode_path(n, "spec.csi.volumeAttributes");

	put(r, "handle", pv->key);
	copy(r, "namespace", n, "spec.claimRef.namespace");
	copy(r, "pvc", n, "spec.claimRef.name");
	copy(r, "pvc_uid", n, "spec.claimRef.uid");
	copy(r, "pv", n, "metadata.name");
	copy(r, "phase", n, "status.phase");
	copy(r, "class", n, "spec.storageClassName");
	copy(r, "reclaim", n, "spec.persistentVolumeReclaimPolicy");
	copy_list(r, "access", jnode_path(n, "spec.accessModes"));
	copy(r, "mode", n, "spec.volumeMode");
	copy(r, "fs_type", n, "spec.csi.fsType");
	put_quantity(r, "pv_size", jnode_text(n, "spec.capacity.storage"));
	copy(r, "iops_wanted", attrs, "iops_limit");
	copy(r, "bandwidth_wanted", attrs, "bandwidth_limit");
}

static void put_volume(struct rowing *r, const struct pso_ref *volume)
{
	const struct jnode *n = volume->node;

	put(r, "volume", volume->key);
	put_backend(r, volume->backend);
	copy_u64(r, "size", n, "provisioned");
	copy(r, "origin", n, "source.name");
	if (!jnode_text(n, "source.name").data)
		copy(r, "origin", n, "source.display_name");
	copy(r, "serial", n, "serial");
	copy_time(r, "created", n, "created");
	json_bool(&r->json, "destroyed", jnode_true(n, "destroyed"));
	copy_u64(r, "iops_limit", n, "qos.iops_limit");
	copy_u64(r, "bandwidth_limit", n, "qos.bandwidth_limit");
	copy(r, "export_rules", n, "nfs.rules");
	if (pso_is_database(r->model, volume->key)) {
		json_bool(&r->json, "database", true);
		json_bool(&r->json, "unusable",
			  pso_is_unusable(volume->key));
	}
}

static int push_volume(struct rowing *r, const struct pso_ref *pv,
		       const struct pso_ref *volume, size_t copies)
{
	begin(r);
	json_str(&r->json, "match", pso_match(r->model, pv, volume, copies));
	if (pv)
		put_pv(r, pv);
	if (volume)
		put_volume(r, volume);
	return end(r, "pso_volume");
}

static int push_pv(struct rowing *r, const struct pso_ref *pv)
{
	size_t count;
	const struct pso_ref *volumes = pso_refs_find(&r->model->volumes,
						      pv->key, &count);
	int ret = count ? 0 : push_volume(r, pv, NULL, 0);

	for (size_t i = 0; ret == 0 && i < count; i++)
		ret = push_volume(r, pv, &volumes[i], count);
	return ret;
}

static int push_volumes(struct rowing *r)
{
	const struct pso_model *m = r->model;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < m->pvs.count; i++)
		ret = push_pv(r, &m->pvs.ref[i]);
	for (size_t i = 0; ret == 0 && i < m->volumes.count; i++) {
		size_t count;

		pso_refs_find(&m->pvs, m->volumes.ref[i].key, &count);
		if (count == 0)
			ret = push_volume(r, NULL, &m->volumes.ref[i], 1);
	}
	return ret;
}

/* Snapshots. */

static void put_content(struct rowing *r, const struct pso_ref *content)
{
	const struct jnode *n = content->node;
	uint64_t size;

	put(r, "handle", content->key);
	copy(r, "namespace", n, "spec.volumeSnapshotRef.namespace");
	copy(r, "volume_snapshot", n, "spec.volumeSnapshotRef.name");
	copy(r, "uid", n, "spec.volumeSnapshotRef.uid");
	copy(r, "content", n, "metadata.name");
	copy(r, "class", n, "spec.volumeSnapshotClassName");
	copy(r, "deletion", n, "spec.deletionPolicy");
	copy_bool(r, "ready", n, "status.readyToUse");
	if (jnode_u64(n, "status.restoreSize", &size))
		json_u64(&r->json, "restore_size", size);
}

/* The array says what the volume is and what the suffix.  A handle alone is
 * cut at its first dot, as volumes have none in their names. */
static void put_snapshot(struct rowing *r, const struct pso_ref *snapshot)
{
	const struct jnode *n = snapshot->node;
	struct span volume = jnode_text(n, "source.name");

	put(r, "name", snapshot->key);
	if (!volume.data)
		volume = jnode_text(n, "owner.name");
	put(r, "volume", volume);
	copy(r, "suffix", n, "suffix");
	put_backend(r, snapshot->backend);
	copy_u64(r, "size", n, "provisioned");
	copy_time(r, "created", n, "created");
	json_bool(&r->json, "destroyed", jnode_true(n, "destroyed"));
}

static void put_handle_parts(struct rowing *r, struct span handle)
{
	const uint8_t *dot = handle.len ? memchr(handle.data, '.',
						 handle.len) : NULL;
	size_t len = dot ? (size_t)(dot - handle.data) : handle.len;

	if (!dot)
		return;
	put(r, "volume", span_of(handle.data, len));
	put(r, "suffix", span_of(dot + 1, handle.len - len - 1));
}

static int push_snapshot(struct rowing *r, const struct pso_ref *content,
			 const struct pso_ref *snapshot, size_t copies)
{
	const char *match = !snapshot ? r->model->all_read ? "missing" :
		"unknown" : !content ? pso_is_claimed_name(r->model,
		snapshot->key) ? "orphaned" : "other" : copies > 1 ?
		"duplicated" : "matched";

	begin(r);
	json_str(&r->json, "match", match);
	if (content)
		put_content(r, content);
	if (snapshot)
		put_snapshot(r, snapshot);
	else
		put_handle_parts(r, content->key);
	return end(r, "pso_snapshot");
}

static int push_snapshots(struct rowing *r)
{
	const struct pso_model *m = r->model;
	const struct pso_ref *found;
	size_t count;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < m->contents.count; i++) {
		found = pso_refs_find(&m->snapshots, m->contents.ref[i].key,
				      &count);
		if (!found)
			ret = push_snapshot(r, &m->contents.ref[i], NULL, 0);
		for (size_t k = 0; ret == 0 && k < count; k++)
			ret = push_snapshot(r, &m->contents.ref[i], &found[k],
					    count);
	}
	for (size_t i = 0; ret == 0 && i < m->snapshots.count; i++) {
		pso_refs_find(&m->contents, m->snapshots.ref[i].key, &count);
		if (count == 0)
			ret = push_snapshot(r, NULL, &m->snapshots.ref[i], 1);
	}
	return ret;
}

/* Backends. */

static void gather_ports(struct rowing *r, const struct pso_backend *b,
			 const char *query, const char *member,
			 const char *key)
{
	char name[PSO_NAME_MAX];
	const struct jnode *port;

	snprintf(name, sizeof(name), "arrays/%s/%s", b->array->dir, query);
	port = pso_items(r->model->capture, name);
	if (!port)
		return;
	json_open_array(&r->json, key);
	for (port = port->child; port; port = port->next) {
		struct span text = jnode_text(port, member);

		if (text.len)
			json_span(&r->json, NULL, text);
	}
	json_close_array(&r->json);
}

static int push_backend(struct rowing *r, const struct pso_backend *b)
{
	const struct jnode *labels = jnode_get(b->values, "Labels");

	begin(r);
	json_str(&r->json, "name", b->name);
	json_str(&r->json, "type", pso_type_name(b->type));
	put(r, "id", b->id);
	put(r, "mgmt", b->mgmt);
	put(r, "nfs", b->nfs);
	if (labels) {
		OWNED_BUF struct buf text = BUF_INIT;

		if (jnode_write(labels, false, NULL, NULL, &text, r->err) < 0)
			return r->err ? r->err->code : -ENOMEM;
		json_raw(&r->json, "labels", buf_span(&text));
	}
	copy(r, "model", b->info, "model");
	copy(r, "version", b->info, "version");
	if (b->array)
		put_str(r, "api", b->array->api);
	if (b->array && b->type == PSO_FLASHARRAY) {
		gather_ports(r, b, "ports", "iqn", "iqns");
		gather_ports(r, b, "ports", "portal", "portals");
		gather_ports(r, b, "ports", "wwn", "wwns");
		gather_ports(r, b, "ports", "nqn", "nqns");
	} else if (b->array) {
		gather_ports(r, b, "network-interfaces", "address",
			     "portals");
	}
	json_bool(&r->json, "reached", b->why == NULL);
	put_str(r, "why", b->why);
	return end(r, "pso_backend");
}

static int push_attachment(struct rowing *r, const struct pso_ref *c)
{
	struct span host = jnode_text(c->node, "host.name");
	const struct jnode *node = NULL;
	size_t count;
	const struct pso_ref *hosts = pso_refs_find(&r->model->hosts, host,
						    &count);

	begin(r);
	put_backend(r, c->backend);
	put(r, "volume", c->key);
	put(r, "host", host);
	copy(r, "host_group", c->node, "host_group.name");
	copy_u64(r, "lun", c->node, "lun");
	for (size_t i = 0; i < count; i++)
		if (hosts[i].backend == c->backend)
			node = pso_link_of(r->model, &hosts[i])->node;
	copy(r, "node", node, "metadata.name");
	return end(r, "pso_attachment");
}

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

	begin(r);
	put(r, "name", node->key);
	copy(r, "uid", n, "metadata.uid");
	one = jnode_path(n, "status.conditions");
	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_is(one, "type", "Ready"))
			json_bool(&r->json, "ready", jnode_is(one, "status",
							      "True"));
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
	copy(r, "kubelet", n, "status.nodeInfo.kubeletVersion");
	copy(r, "os", n, "status.nodeInfo.osImage");
	copy(r, "kernel", n, "status.nodeInfo.kernelVersion");
	return end(r, "pso_node");
}

/* The datastore. */

static void put_backend_of_id(struct rowing *r, struct span id)
{
	for (size_t i = 0; id.len && i < r->model->backend_count; i++)
		if (span_equal(r->model->backends[i].id, id))
			json_str(&r->json, "backend",
				 r->model->backends[i].name);
}

/* Does any string of the pod name the volume? */
static bool pod_has_volume(const struct jnode *pod, struct span volume)
{
	for (const struct jnode *n = pod; n; n = jnode_after(n, pod)) {
		const uint8_t *at = n->type == JTYPE_STRING && volume.len ?
			memmem(n->text.data, n->text.len, volume.data,
			       volume.len) : NULL;
		size_t end = at ? (size_t)(at - n->text.data) + volume.len : 0;

		/* not X within X-u */
		if (at && (end == n->text.len || n->text.data[end] <= ' ' ||
			   n->text.data[end] == '"' || n->text.data[end] ==
			   ','))
			return true;
	}
	return false;
}

static bool is_db_pod(struct span name)
{
	return span_begins(name, "pso-db-", 7) && name.len > 7 &&
	       name.data[7] >= '0' && name.data[7] <= '9';
}

static void put_pod(struct rowing *r, const struct jnode *pod)
{
	const struct jnode *one = jnode_path(pod, "status.conditions");

	copy(r, "pod", pod, "metadata.name");
	copy(r, "pod_phase", pod, "status.phase");
	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_is(one, "type", "Ready"))
			json_bool(&r->json, "pod_ready",
				  jnode_is(one, "status", "True"));
	copy(r, "node", pod, "spec.nodeName");
}

static const struct jnode *pod_of(const struct rowing *r, struct span volume)
{
	for (size_t i = 0; i < r->model->pods.count; i++) {
		const struct pso_ref *pod = &r->model->pods.ref[i];

		if (is_db_pod(pod->key) && pod_has_volume(pod->node, volume))
			return pod->node;
	}
	return NULL;
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
	const struct jnode *pod = pod_of(r, volume);

	begin(r);
	put(r, "volume", volume);
	copy(r, "backend_id", any, "backendID");
	copy(r, "backend_type", any, "backendType");
	copy(r, "mgmt", spec, "mgmtEndpoint");
	put_backend_of_id(r, jnode_text(any, "backendID"));
	copy(r, "status", status, "status");
	copy(r, "since", status, "currentStatusStart");
	copy(r, "decommission", status, "decommission");
	json_bool(&r->json, "wanted", spec != NULL);
	if (pod)
		put_pod(r, pod);
	return end(r, "pso_replica");
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
			known = pod_has_volume(pod->node, refs->ref[k].key);
		if (known || !is_db_pod(pod->key))
			continue;
		begin(r);
		put_pod(r, pod->node);
		ret = end(r, "pso_replica");
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
		count += is_db_pod(jnode_text(set, "metadata.name"));
	return count;
}

static int push_datastore(struct rowing *r, const struct jnode *intrusion)
{
	const struct pso_doc *values = pso_find(r->model->capture, "values");
	bool known;
	uint64_t sets = count_sets(r, &known);

	begin(r);
	copy(r, "name", intrusion, "metadata.name");
	copy(r, "namespace", intrusion, "metadata.namespace");
	copy(r, "status", intrusion, "status.status");
	copy_bool(r, "initialized", intrusion, "status.initialized");
	copy(r, "ready_nodes", intrusion, "status.readyNodes");
	copy_u64(r, "total_ranges", intrusion, "status.totalRanges");
	copy_u64(r, "underreplicated", intrusion,
		 "status.underreplicatedRanges");
	copy_u64(r, "unavailable", intrusion, "status.unavailableRanges");
	copy(r, "as_of", intrusion, "status.asOf");
	if (known)
		json_u64(&r->json, "stateful_sets", sets);
	put(r, "cluster_id", r->model->cluster_id);
	if (values && values->state == PSO_HAD)
		copy_u64(r, "max_suspect_s", values->doc.root,
			 "database.maxSuspectSeconds");
	return end(r, "pso_datastore");
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
	begin(r);
	put(r, "name", class->key);
	copy(r, "provisioner", n, "provisioner");
	copy(r, "backend", parameters, "backend");
	copy(r, "reclaim", n, "reclaimPolicy");
	copy(r, "binding", n, "volumeBindingMode");
	notes = jnode_get(notes,
			  "storageclass.kubernetes.io/is-default-class");
	json_bool(&r->json, "is_default", jnode_is(notes, "", "true"));
	copy_bool(r, "expansion", n, "allowVolumeExpansion");
	if (parameters) {
		OWNED_BUF struct buf text = BUF_INIT;

		if (jnode_write(parameters, false, NULL, NULL, &text,
				r->err) < 0)
			return -ENOMEM;
		json_raw(&r->json, "parameters", buf_span(&text));
	}
	return end(r, "pso_class");
}

static int push_document(struct rowing *r, const struct pso_doc *doc)
{
	OWNED_BUF struct buf name = BUF_INIT;

	pso_shown_name(r->model, doc, &name);
	begin(r);
	json_span(&r->json, "name", buf_span(&name));
	json_str(&r->json, "state", pso_state_name(doc->state));
	if (doc->state == PSO_HAD && doc->list)
		json_u64(&r->json, "items", doc->items);
	if (doc->state != PSO_HAD)
		put_str(r, "why", doc->why);
	return end(r, "pso_document");
}

static int push_refs(struct rowing *r, const struct pso_refs *refs,
		     int (*push)(struct rowing *r, const struct pso_ref *ref))
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < refs->count; i++)
		ret = push(r, &refs->ref[i]);
	return ret;
}

int pso_push_rows(const struct pso_model *model, struct sink *sink,
		  struct err *err)
{
	struct rowing r = { .model = model, .sink = sink, .text = BUF_INIT,
			    .err = err };
	int ret = push_volumes(&r);

	if (ret == 0)
		ret = push_snapshots(&r);
	for (size_t i = 0; ret == 0 && i < model->backend_count; i++)
		ret = push_backend(&r, &model->backends[i]);
	if (ret == 0)
		ret = push_refs(&r, &model->connections, push_attachment);
	if (ret == 0)
		ret = push_refs(&r, &model->nodes, push_node);
	if (ret == 0)
		ret = push_refs(&r, &model->classes, push_class);
	if (ret == 0)
		ret = push_replicas(&r);
	if (ret == 0)
		ret = push_other_pods(&r);
	if (ret == 0)
		ret = push_datastores(&r);
	for (size_t i = 0; ret == 0 && i < model->capture->doc_count; i++)
		ret = push_document(&r, &model->capture->docs[i]);
	buf_release(&r.text);
	return ret;
}
