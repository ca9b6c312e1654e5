#include "indexer/pso/pso_model.h"

#include <stdio.h>
#include <stdlib.h>

/*
 *   capture.json                            what was asked, and what is missing
 *   volumes/<namespace>/<pvc>.json          claim, PV, class and array's volume
 *   volumes/_unclaimed/<pv>.json            a PV that no claim is named in
 *   snapshots/<namespace>/<name>.json       VolumeSnapshot, content, array's
 *   by-backend/<array>/backend.json, volumes/…, snapshots/…, hosts/…
 *   nodes/<node>.json                       with the arrays' hosts
 *   datastore/…                             the intrusion, sets, pods
 *   classes/<class>.json
 *   raw/…                                   every document as it came
 *
 * All but raw/ leaves out what changes by itself.  A name that is no path
 * component is escaped: %XX for '/', '%', ':', control bytes, and a dot at
 * the beginning.
 */
struct planting {
	const struct pso_model *model;
	struct sink *sink;
	struct buf text, path;
	struct json json;
	uint64_t *seen;		/* sums of directories' paths; 0: free */
	size_t seen_cap, seen_count;
	struct err *err;
};

static void begin_path(struct planting *p, const char *dir)
{
	buf_clear(&p->path);
	buf_append_str(&p->path, dir);
}

static void path_part(struct planting *p, struct span name)
{
	buf_append_byte(&p->path, '/');
	pso_component(name, &p->path);
}

/* Directories. */

static bool is_seen(struct planting *p, uint64_t sum)
{
	for (size_t i = sum % p->seen_cap; p->seen[i];
	     i = (i + 1) % p->seen_cap)
		if (p->seen[i] == sum)
			return true;
	return false;
}

static void insert_seen(struct planting *p, uint64_t sum)
{
	size_t i = sum % p->seen_cap;

	while (p->seen[i])
		i = (i + 1) % p->seen_cap;
	p->seen[i] = sum;
	p->seen_count++;
}

static int grow_seen(struct planting *p)
{
	uint64_t *old = p->seen;
	size_t cap = p->seen_cap;

	if (p->seen_count * 2 < cap)
		return 0;
	p->seen = calloc(cap ? 2 * cap : 64, sizeof(*p->seen));
	if (!p->seen) {
		p->seen = old;
		return err_nomem(p->err);
	}
	p->seen_cap = cap ? 2 * cap : 64;
	p->seen_count = 0;
	for (size_t i = 0; i < cap; i++)
		if (old[i])
			insert_seen(p, old[i]);
	free(old);
	return 0;
}

static struct entry entry_of(enum entry_type type, uint16_t mode,
			     uint64_t size)
{
	return (struct entry){ .type = type, .mode = mode, .size = size };
}

static int push_dir(struct planting *p, struct span path)
{
	struct entry entry = entry_of(ENTRY_DIR, 0755, 0);
	uint64_t sum = sum64(path) | 1;
	int r = grow_seen(p);

	if (r < 0 || is_seen(p, sum))
		return r;
	insert_seen(p, sum);
	r = sink_begin(p->sink, path, &entry, p->err);
	return r < 0 ? r : 0;
}

/* Every directory above path, once. */
static int push_dirs(struct planting *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->path.len; i++)
		if (p->path.data[i] == '/')
			r = push_dir(p, span_of(p->path.data, i));
	return r;
}

static int push_bytes(struct planting *p, struct span bytes)
{
	struct entry entry = entry_of(ENTRY_FILE, 0644, bytes.len);
	struct span path = buf_span(&p->path);
	int r = buf_check(&p->path, p->err);

	if (r < 0)
		return r;
	/* Redacted documents have none; and what has one is not written. */
	if (redact_finds(p->model->capture->redact, bytes) ||
	    redact_finds(p->model->capture->redact, path)) {
		sink_warn(p->sink, WEIGHT_LOST, span_of(NULL, 0),
			  "a document looks as if it held a secret, and was "
			  "left out");
		return 0;
	}
	r = push_dirs(p);
	if (r == 0)
		r = sink_begin(p->sink, path, &entry, p->err);
	if (r <= 0)
		return r;
	r = sink_data(p->sink, 0, bytes, p->err);
	return r < 0 ? r : sink_end(p->sink, bytes.len, p->err);
}

/* Documents. */

/* What changes by itself, and is of no use to who compares or restores. */
static int leave_noise_out(void *arg, const struct jnode *node,
			   struct buf *out, struct err *err)
{
	static const char *const noise[] = {
		"managedFields", "resourceVersion", "selfLink",
		"kubectl.kubernetes.io/last-applied-configuration",
		"lastHeartbeatTime", "lastProbeTime", "asOf", "space",
		"time_remaining", NULL,
	};

	(void)arg;
	(void)out;
	(void)err;
	for (size_t i = 0; node->key.data && noise[i]; i++)
		if (span_equal(node->key, span_str(noise[i])))
			return 1;
	return 0;
}

static void begin_document(struct planting *p)
{
	buf_clear(&p->text);
	json_init(&p->json, &p->text);
	json_open_object(&p->json, NULL);
}

static int part(struct planting *p, const char *key, const struct jnode *node)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r;

	if (!node)
		return 0;
	r = jnode_write(node, false, leave_noise_out, NULL, &text, p->err);
	json_raw(&p->json, key, buf_span(&text));
	return r;
}

/* As people read it. */
static int push_pretty(struct planting *p, struct span json)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf pretty = BUF_INIT;
	int r = jdoc_parse(json, "a document", &doc, p->err);

	if (r == 0)
		r = jnode_write(doc.root, true, NULL, NULL, &pretty, p->err);
	buf_append_byte(&pretty, '\n');
	if (r == 0)
		r = buf_check(&pretty, p->err);
	return r < 0 ? r : push_bytes(p, buf_span(&pretty));
}

static int end_document(struct planting *p)
{
	int r;

	buf_append_str(&p->path, ".json");
	json_close_object(&p->json);
	r = buf_check(&p->text, p->err);
	return r < 0 ? r : push_pretty(p, buf_span(&p->text));
}

/* One that is an object alone. */
static int push_object(struct planting *p, const struct jnode *node)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r;

	buf_append_str(&p->path, ".json");
	r = jnode_write(node, true, leave_noise_out, NULL, &text, p->err);
	buf_append_byte(&text, '\n');
	return r < 0 ? r : push_bytes(p, buf_span(&text));
}

static void put(struct planting *p, const char *key, struct span text)
{
	if (text.data)
		json_span(&p->json, key, text);
}

/* Volumes. */

static const struct jnode *claim_of(const struct pso_model *model,
				    const struct jnode *pv)
{
	size_t count;
	const struct pso_ref *claims = pso_refs_find(&model->claims,
		jnode_text(pv, "spec.claimRef.name"), &count);

	for (size_t i = 0; i < count; i++)
		if (span_equal(jnode_text(claims[i].node,
					  "metadata.namespace"),
			       jnode_text(pv, "spec.claimRef.namespace")))
			return claims[i].node;
	return NULL;
}

static const struct jnode *class_of(const struct pso_model *model,
				    const struct jnode *pv)
{
	size_t count;
	const struct pso_ref *class = pso_refs_find(&model->classes,
		jnode_text(pv, "spec.storageClassName"), &count);

	return class ? class->node : NULL;
}

static int list_connections(struct planting *p, struct span volume,
			    uint32_t backend)
{
	size_t count;
	const struct pso_ref *all = pso_refs_find(&p->model->connections,
						  volume, &count);
	int r = 0;

	json_open_array(&p->json, "connections");
	for (size_t i = 0; r == 0 && i < count; i++)
		if (all[i].backend == backend)
			r = part(p, NULL, all[i].node);
	json_close_array(&p->json);
	return r;
}

static int list_volumes(struct planting *p, const struct pso_ref *volumes,
			size_t count)
{
	int r = 0;

	json_open_array(&p->json, "volumes");
	for (size_t i = 0; r == 0 && i < count; i++) {
		json_open_object(&p->json, NULL);
		json_str(&p->json, "backend", p->model->backends[
			 volumes[i].backend].name);
		r = part(p, "volume", volumes[i].node);
		if (r == 0)
			r = list_connections(p, volumes[i].key,
					     volumes[i].backend);
		json_close_object(&p->json);
	}
	json_close_array(&p->json);
	return r;
}

static int plant_pv(struct planting *p, const struct pso_ref *pv)
{
	const struct pso_model *m = p->model;
	struct span claim = jnode_text(pv->node, "spec.claimRef.name");
	struct span space = jnode_text(pv->node, "spec.claimRef.namespace");
	size_t count;
	const struct pso_ref *volumes = pso_refs_find(&m->volumes, pv->key,
						      &count);
	int r;

	begin_path(p, "volumes");
	if (claim.len && space.len) {
		path_part(p, space);
		path_part(p, claim);
	} else {
		buf_append_str(&p->path, "/_unclaimed");
		path_part(p, jnode_text(pv->node, "metadata.name"));
	}
	begin_document(p);
	put(p, "namespace", space);
	put(p, "pvc", claim);
	put(p, "handle", pv->key);
	json_str(&p->json, "match", pso_match(m, pv, volumes, count));
	r = part(p, "persistentVolumeClaim", claim_of(m, pv->node));
	if (r == 0)
		r = part(p, "persistentVolume", pv->node);
	if (r == 0)
		r = part(p, "storageClass", class_of(m, pv->node));
	if (r == 0)
		r = list_volumes(p, volumes, count);
	return r < 0 ? r : end_document(p);
}

/* Snapshots. */

static const struct jnode *content_of(const struct pso_model *model,
				      const struct jnode *snapshot)
{
	struct span name = jnode_text(snapshot,
				      "status.boundVolumeSnapshotContentName");
	size_t count;
	const struct pso_ref *found = pso_refs_find(&model->contents_by_name,
						    name, &count);

	return found && jnode_is(found->node, "spec.driver", PSO_DRIVER) ?
		found->node : NULL;
}

static int plant_snapshot(struct planting *p, const struct pso_ref *snapshot)
{
	const struct pso_model *m = p->model;
	const struct jnode *content = content_of(m, snapshot->node);
	struct span handle = jnode_text(content, "status.snapshotHandle");
	const struct pso_ref *found;
	size_t count;
	int r;

	/* those of other drivers are in raw/ */
	if (!content)
		return 0;
	found = pso_refs_find(&m->snapshots, handle, &count);
	begin_path(p, "snapshots");
	path_part(p, jnode_text(snapshot->node, "metadata.namespace"));
	path_part(p, snapshot->key);
	begin_document(p);
	put(p, "handle", handle);
	r = part(p, "volumeSnapshot", snapshot->node);
	if (r == 0)
		r = part(p, "volumeSnapshotContent", content);
	json_open_array(&p->json, "snapshots");
	for (size_t i = 0; r == 0 && i < count; i++) {
		json_open_object(&p->json, NULL);
		json_str(&p->json, "backend",
			 m->backends[found[i].backend].name);
		r = part(p, "snapshot", found[i].node);
		json_close_object(&p->json);
	}
	json_close_array(&p->json);
	return r < 0 ? r : end_document(p);
}

/* By backend. */

static void begin_backend(struct planting *p, const struct pso_backend *b)
{
	begin_path(p, "by-backend");
	path_part(p, span_str(b->name));
}

static int plant_backend(struct planting *p, const struct pso_backend *b)
{
	int r;

	begin_backend(p, b);
	buf_append_str(&p->path, "/backend");
	begin_document(p);
	json_str(&p->json, "name", b->name);
	json_str(&p->json, "type", pso_type_name(b->type));
	put(p, "id", b->id);
	put(p, "mgmt", b->mgmt);
	put(p, "nfs", b->nfs);
	if (b->array && b->array->api)
		json_str(&p->json, "api", b->array->api);
	json_bool(&p->json, "reached", b->why == NULL);
	if (b->why)
		json_str(&p->json, "why", b->why);
	r = part(p, "array", b->info);
	if (r == 0)
		r = part(p, "values", b->values);
	return r < 0 ? r : end_document(p);
}

static int plant_of_array(struct planting *p, const struct pso_refs *refs,
			  const char *dir)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < refs->count; i++) {
		const struct pso_ref *one = &refs->ref[i];

		begin_backend(p, &p->model->backends[one->backend]);
		buf_append_str(&p->path, dir);
		path_part(p, one->key);
		r = push_object(p, one->node);
	}
	return r;
}

static int plant_volume(struct planting *p, const struct pso_ref *volume)
{
	const struct pso_model *m = p->model;
	size_t count;
	const struct pso_ref *pv = pso_refs_find(&m->pvs, volume->key,
						 &count);
	size_t copies;
	int r;

	pso_refs_find(&m->volumes, volume->key, &copies);
	begin_backend(p, &m->backends[volume->backend]);
	buf_append_str(&p->path, "/volumes");
	path_part(p, volume->key);
	begin_document(p);
	json_str(&p->json, "match", pso_match(m, pv, volume, copies));
	if (pv) {
		put(p, "pv", jnode_text(pv->node, "metadata.name"));
		put(p, "namespace", jnode_text(pv->node,
					       "spec.claimRef.namespace"));
		put(p, "pvc", jnode_text(pv->node, "spec.claimRef.name"));
	}
	r = part(p, "volume", volume->node);
	if (r == 0)
		r = list_connections(p, volume->key, volume->backend);
	return r < 0 ? r : end_document(p);
}

/* Nodes, classes, the datastore. */

static int plant_node(struct planting *p, const struct pso_ref *node)
{
	size_t count;
	const struct pso_ref *csi = pso_refs_find(&p->model->csinodes,
						  node->key, &count);
	int r;

	begin_path(p, "nodes");
	path_part(p, node->key);
	begin_document(p);
	r = part(p, "node", node->node);
	if (r == 0)
		r = part(p, "csiNode", csi ? csi->node : NULL);
	json_open_array(&p->json, "hosts");
	for (size_t i = 0; r == 0 && i < p->model->hosts.count; i++) {
		const struct pso_ref *host = &p->model->hosts.ref[i];
		const struct pso_link *link = pso_link_of(p->model, host);

		if (link->node != node->node)
			continue;
		json_open_object(&p->json, NULL);
		json_str(&p->json, "backend",
			 p->model->backends[host->backend].name);
		json_str(&p->json, "by", link->by);
		r = part(p, "host", host->node);
		json_close_object(&p->json);
	}
	json_close_array(&p->json);
	return r < 0 ? r : end_document(p);
}

static int plant_class(struct planting *p, const struct pso_ref *class)
{
	if (!jnode_is(class->node, "provisioner", PSO_DRIVER))
		return 0;
	begin_path(p, "classes");
	path_part(p, class->key);
	return push_object(p, class->node);
}

static int plant_pod(struct planting *p, const struct pso_ref *pod)
{
	begin_path(p, "datastore/pods");
	path_part(p, pod->key);
	return push_object(p, pod->node);
}

static int plant_intrusion(struct planting *p, const struct pso_ref *one)
{
	begin_path(p, "datastore");
	path_part(p, span_str("intrusions"));
	path_part(p, one->key);
	return push_object(p, one->node);
}

static int plant_items(struct planting *p, const char *name, const char *dir)
{
	const struct jnode *item = pso_items(p->model->capture, name);
	int r = 0;

	for (item = item ? item->child : NULL; r == 0 && item;
	     item = item->next) {
		begin_path(p, dir);
		path_part(p, jnode_text(item, "metadata.name"));
		r = push_object(p, item);
	}
	return r;
}

/* raw/ and capture.json. */

static int plant_raw(struct planting *p, const struct pso_doc *doc)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r;

	if (doc->state != PSO_HAD)
		return 0;
	begin_path(p, "raw/");
	pso_shown_name(p->model, doc, &p->path);
	/* JSON is YAML, and has no comments with an old token in them */
	buf_append_str(&p->path, strcmp(doc->name, "values") ? ".json" :
		       ".yaml");
	r = jnode_write(doc->doc.root, true, NULL, NULL, &text, p->err);
	buf_append_byte(&text, '\n');
	if (r == 0)
		r = buf_check(&text, p->err);
	return r < 0 ? r : push_bytes(p, buf_span(&text));
}

static int plant_index(struct planting *p)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r = pso_write_index(p->model, &text, p->err);

	begin_path(p, "capture.json");
	return r < 0 ? r : push_pretty(p, buf_span(&text));
}

static int plant_refs(struct planting *p, const struct pso_refs *refs,
		      int (*plant)(struct planting *p,
				   const struct pso_ref *ref))
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < refs->count; i++)
		r = plant(p, &refs->ref[i]);
	return r;
}

static int plant_all(struct planting *p)
{
	const struct pso_model *m = p->model;
	int r = plant_index(p);

	if (r == 0)
		r = plant_refs(p, &m->pvs, plant_pv);
	if (r == 0)
		r = plant_refs(p, &m->volume_snapshots, plant_snapshot);
	for (size_t i = 0; r == 0 && i < m->backend_count; i++)
		r = plant_backend(p, &m->backends[i]);
	if (r == 0)
		r = plant_refs(p, &m->volumes, plant_volume);
	if (r == 0)
		r = plant_of_array(p, &m->snapshots, "/snapshots");
	if (r == 0)
		r = plant_of_array(p, &m->hosts, "/hosts");
	if (r == 0)
		r = plant_refs(p, &m->nodes, plant_node);
	if (r == 0)
		r = plant_refs(p, &m->classes, plant_class);
	if (r == 0)
		r = plant_refs(p, &m->intrusions, plant_intrusion);
	if (r == 0)
		r = plant_refs(p, &m->pods, plant_pod);
	if (r == 0)
		r = plant_items(p, "kubernetes/statefulsets",
				"datastore/statefulsets");
	if (r == 0)
		r = plant_items(p, "kubernetes/deployments",
				"datastore/deployments");
	for (size_t i = 0; r == 0 && i < m->capture->doc_count; i++)
		r = plant_raw(p, &m->capture->docs[i]);
	return r;
}

int pso_push_tree(const struct pso_model *model, struct sink *sink,
		  struct err *err)
{
	struct planting p = { .model = model, .sink = sink,
			      .text = BUF_INIT, .path = BUF_INIT,
			      .err = err };
	struct entry root = entry_of(ENTRY_DIR, 0755, 0);
	int r = sink_begin(sink, span_str("."), &root, err);

	if (r >= 0)
		r = plant_all(&p);
	buf_release(&p.text);
	buf_release(&p.path);
	free(p.seen);
	return r < 0 ? r : 0;
}
