#include "indexer/pso/pso_model.h"

#include <stdio.h>
#include <stdlib.h>

#define QUANTITY_MAX 48

bool span_begins(struct span text, const char *with, size_t len)
{
	return text.len >= len && !memcmp(text.data, with, len);
}

void pso_full_name(struct span namespace, struct span name, struct buf *out)
{
	buf_append(out, namespace.data, namespace.len);
	buf_append_byte(out, '/');
	buf_append(out, name.data, name.len);
}

/* In no locale: "1.5" has a point.  What is behind it is left in *text. */
static bool take_decimal(struct span *text, double *ret)
{
	double value = 0, scale = 1;
	unsigned exponent = 0;
	size_t i = 0;

	for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9';
	     i++)
		value = value * 10 + (text->data[i] - '0');
	if (i == 0)
		return false;
	if (i < text->len && text->data[i] == '.')
		for (i++; i < text->len && text->data[i] >= '0' &&
		     text->data[i] <= '9'; i++) {
			scale /= 10;
			value += scale * (text->data[i] - '0');
		}
	if (i + 1 < text->len && (text->data[i] | 0x20) == 'e' &&
	    text->data[i + 1] >= '0' && text->data[i + 1] <= '9')
		for (i++; i < text->len && exponent < 100 &&
		     text->data[i] >= '0' && text->data[i] <= '9'; i++)
			exponent = exponent * 10 + (text->data[i] - '0');
	for (; exponent > 0; exponent--)
		value *= 10;
	*text = span_of(text->data + i, text->len - i);
	*ret = value;
	return true;
}

bool pso_quantity(struct span text, uint64_t *ret)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {
		{ "", 1 }, { "Ki", 1024.0 }, { "Mi", 1048576.0 },
		{ "Gi", 1073741824.0 }, { "Ti", 1099511627776.0 },
		{ "Pi", 1125899906842624.0 }, { "k", 1e3 }, { "K", 1e3 },
		{ "M", 1e6 }, { "G", 1e9 }, { "T", 1e12 }, { "P", 1e15 },
		{ "m", 1e-3 },
	};
	double value;

	if (text.len >= QUANTITY_MAX || !take_decimal(&text, &value))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!span_equal(text, span_str(units[i].suffix)))
			continue;
		value *= units[i].factor;
		if (!(value >= 0 && value < 9e18))
			return false;
		*ret = (uint64_t)(value + 0.5);
		return true;
	}
	return false;
}

/* Lists. */

static int add_ref(struct pso_refs *refs, struct span key,
		   const struct jnode *node, size_t backend, struct err *err)
{
	if (refs->count == refs->cap) {
		size_t cap = refs->cap ? 2 * refs->cap : 64;
		void *more = reallocarray(refs->ref, cap, sizeof(*refs->ref));

		if (!more)
			return err_nomem(err);
		refs->ref = more;
		refs->cap = cap;
	}
	refs->ref[refs->count] = (struct pso_ref){
		key, node, (uint32_t)backend, (uint32_t)refs->count };
	refs->count++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct pso_ref *x = a, *y = b;
	int order = span_cmp(x->key, y->key);

	if (order == 0 && x->backend != y->backend)
		order = x->backend < y->backend ? -1 : 1;
	return order ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void sort_refs(struct pso_refs *refs)
{
	if (refs->count)
		qsort(refs->ref, refs->count, sizeof(*refs->ref), by_key);
}

const struct pso_ref *pso_refs_find(const struct pso_refs *refs,
				    struct span key, size_t *ret_count)
{
	size_t low = 0, high = refs->count, count = 0;

	*ret_count = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (span_cmp(refs->ref[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + count < refs->count &&
	       span_equal(refs->ref[low + count].key, key))
		count++;
	*ret_count = count;
	return count ? &refs->ref[low] : NULL;
}

const struct jnode *pso_items(const struct pso_capture *capture,
			      const char *name)
{
	const struct pso_doc *doc = pso_find(capture, name);
	const struct jnode *items = doc && doc->state == PSO_HAD ?
		jnode_get(doc->doc.root, "items") : NULL;

	return items && items->type == JTYPE_ARRAY ? items : NULL;
}

static int add_items(const struct pso_model *model, const char *name,
		     const char *key, size_t backend, struct pso_refs *refs,
		     struct err *err)
{
	const struct jnode *item = pso_items(model->capture, name);
	int r = 0;

	for (item = item ? item->child : NULL; r == 0 && item;
	     item = item->next) {
		struct span text = jnode_text(item, key);

		/* what has no name can be named by nobody */
		if (text.data && text.len)
			r = add_ref(refs, text, item, backend, err);
	}
	return r;
}

/* Backends. */

static const struct jnode *values_root(const struct pso_model *model)
{
	const struct pso_doc *doc = pso_find(model->capture, "values");

	return doc && doc->state == PSO_HAD ? doc->doc.root : NULL;
}

static const char *const values_lists[] = {
	[PSO_FLASHARRAY] = "arrays.FlashArrays",
	[PSO_FLASHBLADE] = "arrays.FlashBlades",
};

/* The entry of values.yaml for an array: by its endpoint, or as the only one
 * of its type beside the only array of that type. */
static const struct jnode *values_of(const struct pso_model *model,
				     const struct pso_array *array)
{
	const struct jnode *list = jnode_path(values_root(model),
					      values_lists[array->type]);
	size_t alike = 0;

	for (size_t i = 0; i < model->capture->array_count; i++)
		alike += model->capture->arrays[i].type == array->type;
	for (const struct jnode *e = list ? list->child : NULL; e;
	     e = e->next)
		if (jnode_is(e, "MgmtEndPoint", array->mgmt ? array->mgmt :
			     array->dir))
			return e;
	return !array->mgmt && alike == 1 && jnode_count(list) == 1 ?
		list->child : NULL;
}

static bool name_is_taken(const struct pso_model *model, const char *name)
{
	for (size_t i = 0; i < model->backend_count; i++)
		if (!strcmp(model->backends[i].name, name))
			return true;
	return false;
}

/* As the array calls itself, else by its endpoint; a second one of that name
 * is told apart. */
static char *distinct_name(const struct pso_model *model, struct span wish)
{
	OWNED_BUF struct buf name = BUF_INIT;

	buf_append(&name, wish.data, wish.len);
	for (unsigned n = 2; buf_str(&name) &&
	     name_is_taken(model, buf_str(&name)); n++) {
		buf_clear(&name);
		buf_append(&name, wish.data, wish.len);
		buf_printf(&name, "-%u", n);
	}
	return buf_detach(&name);
}

static int add_backend(struct pso_model *model,
		       const struct pso_backend *backend, struct span wish,
		       struct err *err)
{
	struct pso_backend *more = reallocarray(model->backends,
						model->backend_count + 1,
						sizeof(*more));

	if (!more)
		return err_nomem(err);
	model->backends = more;
	more[model->backend_count] = *backend;
	more[model->backend_count].name = distinct_name(model, wish);
	if (!more[model->backend_count].name)
		return err_nomem(err);
	model->backend_count++;
	return 0;
}

static struct span span_or_none(const char *text)
{
	return text ? span_str(text) : span_of(NULL, 0);
}

static int add_array(struct pso_model *model, const struct pso_array *array,
		     struct err *err)
{
	struct pso_backend b = { .array = array, .type = array->type,
				 .why = array->why };
	char name[PSO_NAME_MAX];
	const struct jnode *items;
	struct span wish;

	snprintf(name, sizeof(name), "arrays/%s/arrays", array->dir);
	items = pso_items(model->capture, name);
	b.info = items ? items->child : NULL;
	b.values = values_of(model, array);
	b.id = jnode_text(b.info, "id");
	b.mgmt = array->mgmt ? span_or_none(array->mgmt) :
		jnode_text(b.values, "MgmtEndPoint");
	b.nfs = jnode_text(b.values, "NFSEndPoint");
	wish = jnode_text(b.info, "name");
	if (!wish.len)
		wish = b.mgmt.len ? b.mgmt : span_str(array->dir);
	return add_backend(model, &b, wish, err);
}

static bool has_values(const struct pso_model *model,
		       const struct jnode *entry)
{
	for (size_t i = 0; i < model->backend_count; i++)
		if (model->backends[i].values == entry)
			return true;
	return false;
}

static int add_unasked(struct pso_model *model, enum pso_type type,
		       struct err *err)
{
	const struct jnode *entry = jnode_path(values_root(model),
					       values_lists[type]);
	int r = 0;

	for (entry = entry ? entry->child : NULL; r == 0 && entry;
	     entry = entry->next) {
		struct pso_backend b = { .type = type, .values = entry,
					 .why = "nobody asked it" };

		if (has_values(model, entry))
			continue;
		b.mgmt = jnode_text(entry, "MgmtEndPoint");
		b.nfs = jnode_text(entry, "NFSEndPoint");
		r = add_backend(model, &b, b.mgmt.len ? b.mgmt :
				span_str("unnamed"), err);
	}
	return r;
}

static int build_backends(struct pso_model *model, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < model->capture->array_count; i++)
		r = add_array(model, &model->capture->arrays[i], err);
	if (r == 0)
		r = add_unasked(model, PSO_FLASHARRAY, err);
	return r == 0 ? add_unasked(model, PSO_FLASHBLADE, err) : r;
}

static int build_array(struct pso_model *model, size_t backend,
		       struct err *err)
{
	const struct pso_backend *b = &model->backends[backend];
	bool is_blade = b->type == PSO_FLASHBLADE;
	const struct {
		const char *query, *key;
		struct pso_refs *refs;
	} lists[] = {
		{ is_blade ? "file-systems" : "volumes", "name",
		  &model->volumes },
		{ is_blade ? "file-system-snapshots" : "volume-snapshots",
		  "name", &model->snapshots },
		{ "hosts", "name", &model->hosts },
		{ "connections", "volume.name", &model->connections },
	};
	char name[PSO_NAME_MAX];
	int r = 0;

	if (!b->array) {
		model->all_read = false;
		return 0;
	}
	for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(*lists); i++) {
		snprintf(name, sizeof(name), "arrays/%s/%s", b->array->dir,
			 lists[i].query);
		r = add_items(model, name, lists[i].key, backend,
			      lists[i].refs, err);
		if (i == 0 && !pso_items(model->capture, name))
			model->all_read = false;
	}
	return r;
}

/* Objects of Kubernetes. */

static bool is_of_pso(const struct jnode *pv)
{
	return jnode_is(pv, "spec.csi.driver", PSO_DRIVER);
}

static int build_pvs(struct pso_model *model, struct err *err)
{
	const struct jnode *pv = pso_items(model->capture,
					   "kubernetes/persistentvolumes");
	int r = 0;

	for (pv = pv ? pv->child : NULL; r == 0 && pv; pv = pv->next) {
		struct span handle = jnode_text(pv, "spec.csi.volumeHandle");

		if (is_of_pso(pv))
			r = add_ref(&model->pvs, handle.data ? handle :
				    span_str(""), pv, 0, err);
	}
	return r;
}

static int build_contents(struct pso_model *model, struct err *err)
{
	const struct jnode *c = pso_items(model->capture,
		"kubernetes/volumesnapshotcontents");
	int r = 0;

	for (c = c ? c->child : NULL; r == 0 && c; c = c->next) {
		struct span handle = jnode_text(c, "status.snapshotHandle");

		if (!handle.data)
			handle = jnode_text(c, "spec.source.snapshotHandle");
		if (jnode_is(c, "spec.driver", PSO_DRIVER))
			r = add_ref(&model->contents, handle.data ? handle :
				    span_str(""), c, 0, err);
	}
	return r;
}

static int build_replicas(struct pso_model *model, struct err *err)
{
	const struct jnode *one;
	int r = 0;

	for (size_t i = 0; r == 0 && i < model->intrusions.count; i++) {
		const struct jnode *top = model->intrusions.ref[i].node;

		one = jnode_path(top, "spec.replicas");
		for (one = one ? one->child : NULL; r == 0 && one;
		     one = one->next)
			r = add_ref(&model->replicas, jnode_text(one,
				    "volume"), one, 0, err);
		one = jnode_path(top, "status.replicas");
		for (one = one ? one->child : NULL; r == 0 && one;
		     one = one->next)
			r = add_ref(&model->replicas, jnode_text(one,
				    "volume"), one, 1, err);
	}
	return r;
}

static int build_kubernetes(struct pso_model *model, struct err *err)
{
	const struct {
		const char *name;
		struct pso_refs *refs;
	} lists[] = {
		{ "kubernetes/persistentvolumeclaims", &model->claims },
		{ "kubernetes/storageclasses", &model->classes },
		{ "kubernetes/volumesnapshots", &model->volume_snapshots },
		{ "kubernetes/volumesnapshotcontents",
		  &model->contents_by_name },
		{ "kubernetes/nodes", &model->nodes },
		{ "kubernetes/csinodes", &model->csinodes },
		{ "kubernetes/intrusions", &model->intrusions },
		{ "kubernetes/pods", &model->pods },
	};
	int r = build_pvs(model, err);

	if (r == 0)
		r = build_contents(model, err);
	for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(*lists); i++)
		r = add_items(model, lists[i].name, "metadata.name", 0,
			      lists[i].refs, err);
	return r == 0 ? build_replicas(model, err) : r;
}

/* clusterID. */

static bool guess_from(struct pso_model *model, struct span name,
		       const char *mark)
{
	const uint8_t *at = name.data ? memmem(name.data, name.len, mark,
					       strlen(mark)) : NULL;

	if (!at || at == name.data)
		return false;
	model->guessed_id = strndup((const char *)name.data,
				    (size_t)(at - name.data));
	return model->guessed_id != NULL;
}

/* values.yaml has it; else the volumes of the datastore; else handles that are
 * made of it and the PV's name. */
static void find_cluster_id(struct pso_model *model)
{
	model->cluster_id = jnode_text(values_root(model), "clusterID");
	if (model->cluster_id.len)
		return;
	model->cluster_id = span_of(NULL, 0);
	for (size_t i = 0; !model->guessed_id && i < model->replicas.count;
	     i++)
		guess_from(model, model->replicas.ref[i].key, "-pso-db_");
	for (size_t i = 0; !model->guessed_id && i < model->pvs.count; i++) {
		const struct pso_ref *pv = &model->pvs.ref[i];
		struct span name = jnode_text(pv->node, "metadata.name");

		if (name.len && pv->key.len > name.len + 1 &&
		    !memcmp(pv->key.data + pv->key.len - name.len, name.data,
			    name.len))
			guess_from(model, pv->key, "-pvc-");
	}
	if (model->guessed_id)
		model->cluster_id = span_str(model->guessed_id);
}

static bool follows_id(const struct pso_model *model, struct span volume,
		       const char *mark)
{
	struct span id = model->cluster_id;

	return id.len && volume.len > id.len &&
	       span_begins(volume, (const char *)id.data, id.len) &&
	       span_begins(span_of(volume.data + id.len, volume.len - id.len),
			   mark, strlen(mark));
}

bool pso_is_database(const struct pso_model *model, struct span volume)
{
	return follows_id(model, volume, "-pso-db_");
}

bool pso_is_claimed_name(const struct pso_model *model, struct span volume)
{
	return follows_id(model, volume, "-pvc-");
}

bool pso_is_unusable(struct span volume)
{
	return volume.len > 2 && !memcmp(volume.data + volume.len - 2, "-u",
					 2);
}

const char *pso_match(const struct pso_model *model, const struct pso_ref *pv,
		      const struct pso_ref *volume, size_t copies)
{
	if (pv && !volume)
		return model->all_read ? "missing" : "unknown";
	if (pv && copies > 1)
		return "duplicated";
	if (pv)
		return jnode_true(volume->node, "destroyed") ? "destroyed" :
			"matched";
	if (pso_is_database(model, volume->key))
		return "database";
	return pso_is_claimed_name(model, volume->key) ? "orphaned" : "other";
}

void pso_model_release(struct pso_model *model)
{
	struct pso_refs *const all[] = {
		&model->pvs, &model->volumes, &model->claims, &model->classes,
		&model->snapshots, &model->contents,
		&model->contents_by_name, &model->volume_snapshots,
		&model->hosts, &model->connections, &model->nodes,
		&model->csinodes, &model->intrusions, &model->replicas,
		&model->pods,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		free(all[i]->ref);
	for (size_t i = 0; i < model->backend_count; i++)
		free(model->backends[i].name);
	free(model->backends);
	free(model->links);
	free(model->guessed_id);
	*model = (struct pso_model){ .capture = NULL };
}

int pso_model_build(const struct pso_capture *capture,
		    struct pso_model *ret, struct err *err)
{
	struct pso_model model = { .capture = capture };
	struct pso_refs *const sorted[] = {
		&model.pvs, &model.volumes, &model.claims, &model.classes,
		&model.snapshots, &model.contents, &model.contents_by_name,
		&model.volume_snapshots, &model.hosts, &model.connections, &model.nodes,
		&model.csinodes, &model.intrusions, &model.replicas,
		&model.pods,
	};
	int r = build_backends(&model, err);

	model.all_read = model.backend_count > 0;
	for (size_t i = 0; r == 0 && i < model.backend_count; i++)
		r = build_array(&model, i, err);
	if (r == 0)
		r = build_kubernetes(&model, err);
	for (size_t i = 0; i < sizeof(sorted) / sizeof(*sorted); i++)
		sort_refs(sorted[i]);
	if (r == 0)
		r = pso_link_hosts(&model, err);
	if (r < 0) {
		pso_model_release(&model);
		return r;
	}
	find_cluster_id(&model);
	*ret = model;
	return 0;
}
