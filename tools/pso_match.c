#include "tools/pso_match.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *pso_odd_name(enum pso_odd odd)
{
	static const char *const names[] = {
		[PSO_MISSING] = "missing", [PSO_UNSEEN] = "not seen",
		[PSO_GONE_SOON] = "destroyed", [PSO_SIZE] = "size",
		[PSO_DUPLICATE] = "duplicate", [PSO_TWICE] = "two PVs",
		[PSO_OTHER_ID] = "clusterID", [PSO_CLAIM] = "no PV",
		[PSO_ORPHAN] = "orphan", [PSO_IMPORTED] = "imported",
	};

	return names[odd];
}

void pso_matches_release(struct pso_matches *matches)
{
	for (size_t i = 0; i < matches->count; i++)
		free(matches->row[i].words);
	free(matches->row);
	*matches = (struct pso_matches){ .row = NULL };
}

static void tell(struct pso_matches *m, enum pso_odd odd,
		 const struct pso_ref *pv, const char *fmt, ...)
	PRINTF(4, 5);
static void tell(struct pso_matches *m, enum pso_odd odd,
		 const struct pso_ref *pv, const char *fmt, ...)
{
	struct pso_oddity *more = reallocarray(m->row, m->count + 1,
					       sizeof(*more));
	va_list ap;
	int n;

	if (more)
		m->row = more;
	m->failed |= !more;
	if (!more)
		return;
	more = &more[m->count];
	*more = (struct pso_oddity){ .odd = odd };
	if (pv) {
		more->handle = pv->key;
		more->pv = jnode_text(pv->node, "metadata.name");
		more->namespace = jnode_text(pv->node,
					     "spec.claimRef.namespace");
		more->claim = jnode_text(pv->node, "spec.claimRef.name");
	}
	va_start(ap, fmt);
	n = vasprintf(&more->words, fmt, ap);
	va_end(ap);
	m->failed |= n < 0;
	m->count += n >= 0;
	m->wrong += odd != PSO_IMPORTED;
}

/* Names. */

/* ID-PV is PSO's name for a PV's volume; whose it is where it has that form. */
static bool is_named(struct span handle, struct span pv, struct span *ret_id)
{
	if (!pv.len || handle.len < pv.len + 2 ||
	    memcmp(handle.data + handle.len - pv.len, pv.data, pv.len) != 0 ||
	    handle.data[handle.len - pv.len - 1] != '-')
		return false;
	*ret_id = span_of(handle.data, handle.len - pv.len - 1);
	return pso_cluster_id_is_valid(*ret_id);
}

static bool is_of_other(const struct pso_model *model,
			const struct pso_ref *pv, struct span *ret_id)
{
	struct span name = jnode_text(pv->node, "metadata.name");

	return is_named(pv->key, name, ret_id) &&
	       !span_equal(*ret_id, model->cluster_id);
}

static bool is_imported(const struct pso_model *model,
			const struct pso_ref *pv)
{
	struct span name = jnode_text(pv->node, "metadata.name"), id;

	return !is_named(pv->key, name, &id) ||
	       !span_equal(id, model->cluster_id);
}

/* PVs. */

static void places(const struct pso_model *model, const struct pso_ref *v,
		   size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s%s", i ? ", " : "",
			   model->backends[v[i].backend].name);
}

static bool match_volume(const struct pso_model *model,
			 struct pso_matches *m, const struct pso_ref *pv,
			 const struct pso_ref *volume)
{
	const char *array = model->backends[volume->backend].name;
	struct span text = jnode_text(pv->node, "spec.capacity.storage");
	char is[SIZE_TEXT], wanted[SIZE_TEXT];
	uint64_t size, left = 0, capacity;

	if (jnode_true(volume->node, "destroyed")) {
		jnode_u64(volume->node, "time_remaining", &left);
		tell(m, PSO_GONE_SOON, pv, "destroyed on %s, which makes an "
		     "end of it in %" PRIu64 " min: recover it first", array,
		     left / 60000);
		return false;
	}
	if (!jnode_u64(volume->node, "provisioned", &size) ||
	    !pso_quantity(text, &capacity)) {
		tell(m, PSO_SIZE, pv, "its size on %s, or the PV's, is not "
		     "known", array);
		return false;
	}
	if (size == capacity)
		return true;
	size_text(size, is);
	size_text(capacity, wanted);
	tell(m, PSO_SIZE, pv, "%s on %s (%" PRIu64 " bytes), and the PV has "
	     "%s", is, array, size, wanted);
	return false;
}

static void match_pv(const struct pso_model *model, struct pso_matches *m,
		     const struct pso_ref *pv)
{
	OWNED_BUF struct buf where = BUF_INIT;
	size_t count, twins;
	const struct pso_ref *volumes = pso_refs_find(&model->volumes,
						      pv->key, &count);
	struct span id;

	if (is_of_other(model, pv, &id)) {
		tell(m, PSO_OTHER_ID, pv, "of clusterID '%.*s': this one is "
		     "'%.*s', and will not have it", SPAN_ARG(id),
		     SPAN_ARG(model->cluster_id));
		return;
	}
	pso_refs_find(&model->pvs, pv->key, &twins);
	if (twins > 1) {
		tell(m, PSO_TWICE, pv, "%zu PVs have this volume", twins);
		return;
	}
	if (count == 0 && model->all_read) {
		tell(m, PSO_MISSING, pv, "on no array, nor among what is "
		     "destroyed");
	} else if (count == 0) {
		tell(m, PSO_UNSEEN, pv, "on no array that was read; not all "
		     "were");
	} else if (count > 1) {
		places(model, volumes, count, &where);
		tell(m, PSO_DUPLICATE, pv, "on %zu arrays: %s", count,
		     buf_str(&where) ? buf_str(&where) : "");
	} else if (match_volume(model, m, pv, volumes)) {
		m->matched++;
		if (is_imported(model, pv))
			tell(m, PSO_IMPORTED, pv, "on %s under a name of its "
			     "own: imported, and matched by its handle",
			     model->backends[volumes->backend].name);
	}
}

/* What is left over on either side. */

static void match_orphans(const struct pso_model *model,
			  struct pso_matches *m)
{
	for (size_t i = 0; i < model->volumes.count; i++) {
		const struct pso_ref *v = &model->volumes.ref[i];
		char size[SIZE_TEXT] = "unknown size";
		uint64_t bytes;
		size_t pvs;

		pso_refs_find(&model->pvs, v->key, &pvs);
		/* a claim that was deleted leaves its volume destroyed */
		if (pvs || !pso_is_claimed_name(model, v->key) ||
		    jnode_true(v->node, "destroyed"))
			continue;
		if (jnode_u64(v->node, "provisioned", &bytes))
			size_text(bytes, size);
		tell(m, PSO_ORPHAN, NULL, "%s on %s, of no PV", size,
		     model->backends[v->backend].name);
		if (!m->failed)
			m->row[m->count - 1].handle = v->key;
	}
}

static bool is_of_pso(const struct pso_model *model, const struct jnode *claim)
{
	size_t count;
	const struct pso_ref *class = pso_refs_find(&model->classes,
		jnode_text(claim, "spec.storageClassName"), &count);

	return class && jnode_is(class->node, "provisioner", PSO_DRIVER);
}

static bool has_pv(const struct pso_look *look, struct span name)
{
	const struct jnode *pv = pso_items(&look->capture,
					   "kubernetes/persistentvolumes");

	for (pv = pv ? pv->child : NULL; pv; pv = pv->next)
		if (span_equal(jnode_text(pv, "metadata.name"), name))
			return true;
	return false;
}

static void match_claims(const struct pso_look *look, struct pso_matches *m)
{
	for (size_t i = 0; i < look->model.claims.count; i++) {
		const struct jnode *claim = look->model.claims.ref[i].node;
		struct span name = jnode_text(claim, "spec.volumeName");

		if (!name.len || !is_of_pso(&look->model, claim) ||
		    has_pv(look, name))
			continue;
		tell(m, PSO_CLAIM, NULL, "bound to PV '%.*s', which is not "
		     "there", SPAN_ARG(name));
		if (m->failed)
			return;
		m->row[m->count - 1].namespace = jnode_text(claim,
			"metadata.namespace");
		m->row[m->count - 1].claim = jnode_text(claim,
			"metadata.name");
	}
}

static int by_kind(const void *a, const void *b)
{
	const struct pso_oddity *x = a, *y = b;

	if (x->odd != y->odd)
		return x->odd < y->odd ? -1 : 1;
	return span_cmp(x->handle, y->handle);
}

/* What the comparison needs, and why it is not there. */
static int need(const struct pso_look *look, const char *name,
		const char *words, struct err *err)
{
	const struct pso_doc *doc = pso_find(&look->capture, name);

	if (pso_items(&look->capture, name))
		return 0;
	err_set(err, -EIO, "the cluster's %s could not be read, so there is "
		"nothing to compare: %s", words, doc && doc->why ? doc->why :
		"it is not there");
	return look->live ? err_hint(err, "without a cluster, --from SNAPSHOT "
				     "compares a capture ('varve list' names "
				     "them) with the arrays") : -EIO;
}

int pso_matches_find(const struct pso_look *look, struct pso_matches *ret,
		     struct err *err)
{
	const struct pso_model *m = &look->model;
	int r = need(look, "kubernetes/persistentvolumes", "PVs", err);

	if (r == 0)
		r = need(look, "kubernetes/persistentvolumeclaims", "claims",
			 err);
	if (r == 0 && !m->cluster_id.len)
		r = err_set(err, -EIO, "the clusterID is not known: "
			    "--values names the chart's values.yaml");
	*ret = (struct pso_matches){ .pvs = m->pvs.count };
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->pvs.count; i++)
		match_pv(m, ret, &m->pvs.ref[i]);
	match_claims(look, ret);
	match_orphans(m, ret);
	if (ret->failed)
		return err_nomem(err);
	if (ret->count)
		qsort(ret->row, ret->count, sizeof(*ret->row), by_kind);
	return 0;
}

/* Printing. */

static void put_json(const struct pso_oddity *o, struct buf *line)
{
	struct json json;

	json_init(&json, line);
	json_open_object(&json, NULL);
	json_str(&json, "finding", pso_odd_name(o->odd));
	if (o->namespace.data)
		json_name(&json, "namespace", o->namespace);
	if (o->claim.data)
		json_name(&json, "claim", o->claim);
	if (o->pv.data)
		json_name(&json, "pv", o->pv);
	if (o->handle.data)
		json_name(&json, "volume", o->handle);
	json_name(&json, "what", span_str(o->words));
	json_close_object(&json);
	json_print(line);
}

static void put_row(struct table *table, const struct pso_oddity *o)
{
	table_cell(table, pso_odd_name(o->odd));
	table_cellf(table, "%.*s%s%.*s", SPAN_ARG(o->namespace),
		    o->claim.len ? "/" : "-", SPAN_ARG(o->claim));
	table_cellf(table, "%.*s", SPAN_ARG(o->handle));
	table_cell(table, o->words);
}

int pso_matches_print(const struct pso_matches *m, const struct tool *tool,
		      struct err *err)
{
	static const char *const heads[] = { "<FINDING", "<CLAIM", "<VOLUME",
					     "<WHAT" };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 4);
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < m->count; i++) {
		if (tool->json)
			put_json(&m->row[i], &line);
		else
			put_row(table, &m->row[i]);
	}
	if (tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_u64(&json, "pvs", m->pvs);
		json_u64(&json, "matched", m->matched);
		json_u64(&json, "wrong", m->wrong);
		json_close_object(&json);
		json_print(&line);
		return 0;
	}
	if (m->count)
		table_print(table);
	printf("%zu of %zu PVs have one volume of their size.\n", m->matched,
	       m->pvs);
	return 0;
}
