#include <inttypes.h>
#include <stdio.h>

#include "tools/pso_rebuild.h"
#include "tools/target.h"

/* helm uninstall takes the Secret with the tokens, and captures have none. */
static int gate_values(const struct pso_look *look, struct err *err)
{
	const struct options *o = &look->asking.tool->options;
	const struct pso_doc *doc = pso_find(&look->capture, "values");

	if (!look->live)
		return err_set(err, -EPERM, "the cluster must answer: from a "
			       "capture it is only shown");
	if (!option_given(o, "values"))
		return err_set(err, -EPERM, "--values FILE is wanted: to "
			       "uninstall PSO takes away the only other copy "
			       "of the arrays' tokens");
	if (!doc || doc->state != PSO_HAD)
		return err_set(err, -EPERM, "'%s' is no values.yaml: %s",
			       option_value(o, "values"), doc && doc->why ?
			       doc->why : "");
	for (size_t i = 0; i < look->targets.count; i++)
		if (!look->targets.row[i].token)
			return err_set(err, -EPERM, "no token is known for "
				       "array %s", look->targets.row[i].mgmt);
	return 0;
}

/* Is it the clusterID that this cluster's PVs were made with? */
static int gate_same_id(const struct pso_look *look, struct err *err)
{
	const struct pso_model *m = &look->model;
	size_t same = 0, other = 0;
	struct span seen = span_of(NULL, 0);

	for (size_t i = 0; i < m->pvs.count; i++) {
		struct span handle = m->pvs.ref[i].key;
		struct span name = jnode_text(m->pvs.ref[i].node,
					      "metadata.name");

		if (handle.len < name.len + 2 || memcmp(handle.data +
		    handle.len - name.len, name.data, name.len) != 0)
			continue;
		if (span_equal(span_of(handle.data, handle.len - name.len -
				       1), m->cluster_id)) {
			same++;
			continue;
		}
		other++;
		seen = span_of(handle.data, handle.len - name.len - 1);
	}
	if (same == 0 && other > 0)
		return err_set(err, -EPERM, "no PV here is of clusterID '%.*s'"
			       ", and %zu are of others, as '%.*s': is it the "
			       "right values.yaml?", SPAN_ARG(m->cluster_id),
			       other, SPAN_ARG(seen));
	return 0;
}

/* uid NULL: of any cluster. */
static const struct snapshot *newest(const struct snapshots *list,
				     const char *uid)
{
	const struct snapshot *best = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct snapshot *s = &list->row[i];
		const char *of = record_attr(&s->record, "cluster-uid");

		if (strcmp(s->record.kind, "pso") != 0 || !of ||
		    (uid && strcmp(of, uid) != 0))
			continue;
		if (!best || s->record.time.s > best->record.time.s)
			best = s;
	}
	return best;
}

/* What a reconstruction lives on must be in it, and readable; that the datastore
 * could not be asked is why there is one. */
static int verify(struct repo *repo, const struct record *record,
		  const char *label, struct err *err)
{
	static const char *const wanted[] = { "kubernetes/persistentvolumes",
		"kubernetes/persistentvolumeclaims",
		"kubernetes/storageclasses", NULL };
	CLEANUP(pso_capture_release) struct pso_capture capture = {
		.redact = NULL };
	CLEANUP(pso_model_release) struct pso_model model = {
		.capture = NULL };
	int r = pso_capture_init(&capture, err);

	if (r == 0)
		r = pso_look_load(&capture, repo, record, err);
	if (r == 0)
		r = pso_capture_clean(&capture, err);
	if (r == 0)
		r = pso_model_build(&capture, &model, err);
	if (r < 0)
		return err_wrap(err, "capture '%s' does not verify", label);
	for (size_t i = 0; wanted[i]; i++)
		if (!pso_items(&capture, wanted[i]))
			return err_set(err, -EPERM, "capture '%s' has no %s",
				       label, wanted[i]);
	return model.all_read ? 0 :
		err_set(err, -EPERM, "capture '%s' lacks volumes of an array",
			label);
}

/* Nothing of another's is taken, so that no option allows it. */
static int refuse_none(const struct pso_look *look,
		       const struct snapshots *list, struct err *err)
{
	const struct snapshot *other = newest(list, NULL);
	char label[LABEL_TEXT] = "";

	if (other)
		snapshot_label(&other->record, label);
	err_set(err, -EPERM, "the store has no capture of this cluster%s%s%s"
		"%s%s%s", other ? ", " : "", other ?
		look->capture.cluster_uid : "", other ? ": '" : "", label,
		other ? "' is of " : "", other ?
		record_attr(&other->record, "cluster-uid") : "");
	return err_hint(err, "%svarve pso capture --values FILE makes one",
			other ? "--context chooses another cluster; " : "");
}

static int gate_capture(const struct pso_look *look, char label[LABEL_TEXT],
			char source[SOURCE_MAX + 1], struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	const struct snapshot *s;
	int64_t age;
	int r;

	if (!look->capture.cluster_uid)
		return err_set(err, -EPERM, "which cluster this is cannot be "
			       "known: the namespace kube-system was not "
			       "read");
	r = tool_open_maybe(look->asking.tool, &repo, err);
	if (r == 0)
		r = snapshots_load(repo, NULL, false, &list, err);
	if (r < 0)
		return r;
	s = newest(&list, look->capture.cluster_uid);
	if (!s)
		return refuse_none(look, &list, err);
	snapshot_label(&s->record, label);
	snprintf(source, SOURCE_MAX + 1, "%s", s->record.source);
	age = stamp_now().s - s->record.time.s;
	if (age > PSO_CAPTURE_AGE_S) {
		err_set(err, -EPERM, "the newest capture of this cluster, "
			"'%s', is %" PRId64 " min old (at most %d)", label,
			age / 60, PSO_CAPTURE_AGE_S / 60);
		return err_hint(err, "varve pso capture --values FILE makes "
				"one");
	}
	return verify(repo, &s->record, label, err);
}

int pso_gate_begin(const struct pso_look *look, char ret_label[LABEL_TEXT],
		   char ret_source[SOURCE_MAX + 1], struct err *err)
{
	int r = gate_values(look, err);

	if (r == 0)
		r = pso_gate_id(look, PSO_PUT_ASIDE, err);
	if (r == 0)
		r = gate_same_id(look, err);
	if (r == 0)
		r = pso_gate_arrays(look, err);
	return r < 0 ? r : gate_capture(look, ret_label, ret_source, err);
}

static void add_reasons(const struct findings *all, bool upgraded,
			struct buf *words)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct finding *f = &all->row[i];
		bool version = !strcmp(f->check, "version");

		if ((f->tell == TELL_BAD && (!strcmp(f->check, "clocks") ||
		     !strcmp(f->check, "unusable"))) ||
		    (f->tell == TELL_WARN && version && !upgraded))
			buf_printf(words, "; %s: %s", f->check, f->words);
	}
}

int pso_gate_alive(const struct pso_look *look,
		   const struct pso_health *health,
		   const struct findings *cures,
		   const struct findings *values, struct err *err)
{
	const struct options *o = &look->asking.tool->options;
	OWNED_BUF struct buf words = BUF_INIT;

	if (!pso_health_alive(health))
		return 0;
	/* what is installed now is of no matter where another comes */
	add_reasons(cures, option_given(o, "new-values"), &words);
	add_reasons(values, false, &words);
	if (buf_check(&words, err) < 0)
		return -ENOMEM;
	return !words.len ? 0 : err_set(err, -EPERM, "the datastore is not "
					"dead (%" PRIu64 " of %zu replicas are "
					"ready), and first is to be mended%s",
					health->ready, health->wanted,
					buf_str(&words));
}
