#include "indexer/pso/pso_rows.h"

#include <stdio.h>
#include <stdlib.h>

void row_begin(struct rowing *r)
{
	buf_clear(&r->text);
	json_init(&r->json, &r->text);
	json_open_object(&r->json, NULL);
}

int row_end(struct rowing *r, const char *table)
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

void row_put(struct rowing *r, const char *key, struct span text)
{
	if (text.data)
		json_span(&r->json, key, text);
}

void row_put_str(struct rowing *r, const char *key, const char *text)
{
	if (text)
		json_str(&r->json, key, text);
}

void row_copy(struct rowing *r, const char *key, const struct jnode *node,
		 const char *path)
{
	row_put(r, key, jnode_text(node, path));
}

void row_copy_u64(struct rowing *r, const char *key,
		     const struct jnode *node, const char *path)
{
	uint64_t value;

	if (jnode_u64(node, path, &value))
		json_u64(&r->json, key, value);
}

void row_copy_bool(struct rowing *r, const char *key,
		      const struct jnode *node, const char *path)
{
	const struct jnode *found = jnode_path(node, path);

	if (found && (found->type == JTYPE_TRUE || found->type == JTYPE_FALSE))
		json_bool(&r->json, key, found->type == JTYPE_TRUE);
}

void row_copy_list(struct rowing *r, const char *key,
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
void row_copy_time(struct rowing *r, const char *key,
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

void row_put_quantity(struct rowing *r, const char *key,
			 struct span text)
{
	uint64_t bytes;

	if (pso_quantity(text, &bytes))
		json_u64(&r->json, key, bytes);
}

void row_put_backend(struct rowing *r, uint32_t backend)
{
	const struct pso_backend *b = &r->model->backends[backend];

	json_str(&r->json, "backend", b->name);
	row_put(r, "backend_id", b->id);
	json_str(&r->json, "backend_type", pso_type_name(b->type));
}

/* Volumes. */

static void put_pv(struct rowing *r, const struct pso_ref *pv)
{
	const struct jnode *n = pv->node;
	const struct jnode *attrs = jnode_path(n, "spec.csi.volumeAttributes");

	row_put(r, "handle", pv->key);
	row_copy(r, "namespace", n, "spec.claimRef.namespace");
	row_copy(r, "pvc", n, "spec.claimRef.name");
	row_copy(r, "pvc_uid", n, "spec.claimRef.uid");
	row_copy(r, "pv", n, "metadata.name");
	row_copy(r, "phase", n, "status.phase");
	row_copy(r, "class", n, "spec.storageClassName");
	row_copy(r, "reclaim", n, "spec.persistentVolumeReclaimPolicy");
	row_copy_list(r, "access", jnode_path(n, "spec.accessModes"));
	row_copy(r, "mode", n, "spec.volumeMode");
	row_copy(r, "fs_type", n, "spec.csi.fsType");
	row_put_quantity(r, "pv_size", jnode_text(n, "spec.capacity.storage"));
	row_copy(r, "iops_wanted", attrs, "iops_limit");
	row_copy(r, "bandwidth_wanted", attrs, "bandwidth_limit");
}

static void put_volume(struct rowing *r, const struct pso_ref *volume)
{
	const struct jnode *n = volume->node;

	row_put(r, "volume", volume->key);
	row_put_backend(r, volume->backend);
	row_copy_u64(r, "size", n, "provisioned");
	row_copy(r, "origin", n, "source.name");
	if (!jnode_text(n, "source.name").data)
		row_copy(r, "origin", n, "source.display_name");
	row_copy(r, "serial", n, "serial");
	row_copy_time(r, "created", n, "created");
	json_bool(&r->json, "destroyed", jnode_true(n, "destroyed"));
	row_copy_u64(r, "iops_limit", n, "qos.iops_limit");
	row_copy_u64(r, "bandwidth_limit", n, "qos.bandwidth_limit");
	row_copy(r, "export_rules", n, "nfs.rules");
	if (pso_is_database(r->model, volume->key)) {
		json_bool(&r->json, "database", true);
		json_bool(&r->json, "unusable",
			  pso_is_unusable(volume->key));
	}
}

static int push_volume(struct rowing *r, const struct pso_ref *pv,
		       const struct pso_ref *volume, size_t copies)
{
	row_begin(r);
	json_str(&r->json, "match", pso_match(r->model, pv, volume, copies));
	if (pv)
		put_pv(r, pv);
	if (volume)
		put_volume(r, volume);
	return row_end(r, "pso_volume");
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

	row_put(r, "handle", content->key);
	row_copy(r, "namespace", n, "spec.volumeSnapshotRef.namespace");
	row_copy(r, "volume_snapshot", n, "spec.volumeSnapshotRef.name");
	row_copy(r, "uid", n, "spec.volumeSnapshotRef.uid");
	row_copy(r, "content", n, "metadata.name");
	row_copy(r, "class", n, "spec.volumeSnapshotClassName");
	row_copy(r, "deletion", n, "spec.deletionPolicy");
	row_copy_bool(r, "ready", n, "status.readyToUse");
	if (jnode_u64(n, "status.restoreSize", &size))
		json_u64(&r->json, "restore_size", size);
}

/* The array says what the volume is and what the suffix.  A handle alone is
 * cut at its first dot, as volumes have none in their names. */
static void put_snapshot(struct rowing *r, const struct pso_ref *snapshot)
{
	const struct jnode *n = snapshot->node;
	struct span volume = jnode_text(n, "source.name");

	row_put(r, "name", snapshot->key);
	if (!volume.data)
		volume = jnode_text(n, "owner.name");
	row_put(r, "volume", volume);
	row_copy(r, "suffix", n, "suffix");
	row_put_backend(r, snapshot->backend);
	row_copy_u64(r, "size", n, "provisioned");
	row_copy_time(r, "created", n, "created");
	json_bool(&r->json, "destroyed", jnode_true(n, "destroyed"));
}

static void put_handle_parts(struct rowing *r, struct span handle)
{
	const uint8_t *dot = handle.len ? memchr(handle.data, '.',
						 handle.len) : NULL;
	size_t len = dot ? (size_t)(dot - handle.data) : handle.len;

	if (!dot)
		return;
	row_put(r, "volume", span_of(handle.data, len));
	row_put(r, "suffix", span_of(dot + 1, handle.len - len - 1));
}

static int push_snapshot(struct rowing *r, const struct pso_ref *content,
			 const struct pso_ref *snapshot, size_t copies)
{
	const char *match = !snapshot ? r->model->all_read ? "missing" :
		"unknown" : !content ? pso_is_claimed_name(r->model,
		snapshot->key) ? "orphaned" : "other" : copies > 1 ?
		"duplicated" : "matched";

	row_begin(r);
	json_str(&r->json, "match", match);
	if (content)
		put_content(r, content);
	if (snapshot)
		put_snapshot(r, snapshot);
	else
		put_handle_parts(r, content->key);
	return row_end(r, "pso_snapshot");
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

	row_begin(r);
	json_str(&r->json, "name", b->name);
	json_str(&r->json, "type", pso_type_name(b->type));
	row_put(r, "id", b->id);
	row_put(r, "mgmt", b->mgmt);
	row_put(r, "nfs", b->nfs);
	if (labels) {
		OWNED_BUF struct buf text = BUF_INIT;

		if (jnode_write(labels, false, NULL, NULL, &text, r->err) < 0)
			return r->err ? r->err->code : -ENOMEM;
		json_raw(&r->json, "labels", buf_span(&text));
	}
	row_copy(r, "model", b->info, "model");
	row_copy(r, "version", b->info, "version");
	if (b->array)
		row_put_str(r, "api", b->array->api);
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
	row_put_str(r, "why", b->why);
	return row_end(r, "pso_backend");
}

static int push_attachment(struct rowing *r, const struct pso_ref *c)
{
	struct span host = jnode_text(c->node, "host.name");
	const struct jnode *node = NULL;
	size_t count;
	const struct pso_ref *hosts = pso_refs_find(&r->model->hosts, host,
						    &count);

	row_begin(r);
	row_put_backend(r, c->backend);
	row_put(r, "volume", c->key);
	row_put(r, "host", host);
	row_copy(r, "host_group", c->node, "host_group.name");
	row_copy_u64(r, "lun", c->node, "lun");
	for (size_t i = 0; i < count; i++)
		if (hosts[i].backend == c->backend)
			node = pso_link_of(r->model, &hosts[i])->node;
	row_copy(r, "node", node, "metadata.name");
	return row_end(r, "pso_attachment");
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
	for (size_t i = 0; ret == 0 && i < model->connections.count; i++)
		ret = push_attachment(&r, &model->connections.ref[i]);
	if (ret == 0)
		ret = pso_push_cluster(&r);
	buf_release(&r.text);
	return ret;
}
