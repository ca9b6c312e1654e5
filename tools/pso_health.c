#include "tools/pso_health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void pso_health_release(struct pso_health *health)
{
	free(health->replicas);
	health->replicas = NULL;
}

size_t pso_majority(size_t replicas)
{
	return replicas / 2 + 1;
}

/* Replicas. */

static int64_t backend_of(const struct pso_model *model, struct span id,
			  struct span mgmt)
{
	for (size_t i = 0; i < model->backend_count; i++) {
		const struct pso_backend *b = &model->backends[i];

		if ((id.len && span_equal(b->id, id)) ||
		    (mgmt.len && span_equal(b->mgmt, mgmt)))
			return (int64_t)i;
	}
	return -1;
}

static struct pso_replica *same(struct pso_health *health,
				const struct jnode *node)
{
	struct span volume = jnode_text(node, "volume");
	struct span id = jnode_text(node, "backendID");

	for (size_t i = 0; i < health->count; i++) {
		struct pso_replica *r = &health->replicas[i];

		if (span_equal(r->volume, volume) && (!id.len ||
		    !r->backend_id.len || span_equal(r->backend_id, id)))
			return r;
	}
	return NULL;
}

/* Those of spec come before those of status. */
static void take_replicas(const struct pso_model *model,
			  struct pso_health *health, const char *path,
			  bool wanted)
{
	const struct jnode *one = jnode_path(health->intrusion, path);

	for (one = one ? one->child : NULL; one; one = one->next) {
		struct pso_replica *r = same(health, one);

		if (!r) {
			r = &health->replicas[health->count++];
			*r = (struct pso_replica){
				.volume = jnode_text(one, "volume"),
				.backend_id = jnode_text(one, "backendID"),
				.wanted = wanted,
				.backend = backend_of(model, jnode_text(one,
					"backendID"), jnode_text(one,
					"mgmtEndpoint")),
			};
			health->wanted += wanted;
		}
		if (!wanted)
			r->status = jnode_text(one, "status");
	}
}

static void find_pods(const struct pso_model *model,
		      struct pso_health *health)
{
	for (size_t i = 0; i < health->count; i++) {
		struct pso_replica *r = &health->replicas[i];

		health->not_live += r->wanted &&
			!span_equal(r->status, span_str("Live"));
		r->object = r->volume.len ? pso_pod_of_volume(model,
			r->volume) : NULL;
		if (!r->object)
			continue;
		r->pod = jnode_text(r->object, "metadata.name");
		r->node = jnode_text(r->object, "spec.nodeName");
		if (!pso_condition(r->object, "Ready", &r->ready) ||
		    !jnode_is(r->object, "status.phase", "Running"))
			r->ready = false;
		health->pods_ready += r->ready;
	}
	for (size_t i = 0; i < model->pods.count; i++) {
		const struct pso_ref *pod = &model->pods.ref[i];
		bool ready = false;

		if (!pso_is_db_pod(pod->key))
			continue;
		health->pods++;
		if (!pso_condition(pod->node, "Ready", &ready) || !ready ||
		    !jnode_is(pod->node, "status.phase", "Running"))
			health->pods_bad++;
	}
}

/* The intrusion. */

/* "4/5" */
static bool take_ready(const struct jnode *intrusion, uint64_t *ready,
		       uint64_t *of)
{
	struct span text = jnode_text(intrusion, "status.readyNodes");
	char copy[48];
	int end = 0;

	if (!text.len || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return sscanf(copy, "%" SCNu64 "/%" SCNu64 "%n", ready, of, &end) == 2 &&
	       (size_t)end == text.len;
}

static int64_t age_of(const struct jnode *intrusion, struct stamp now)
{
	struct span text = jnode_text(intrusion, "status.asOf");
	struct stamp then;
	char copy[64];

	if (!text.len || text.len >= sizeof(copy))
		return -1;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (stamp_parse(copy, "UTC", &then, NULL, NULL) < 0)
		return -1;
	return now.s > then.s ? now.s - then.s : 0;
}

static int take_intrusion(const struct pso_look *look,
			  struct pso_health *health, struct err *err)
{
	const struct pso_model *model = &look->model;
	const struct pso_doc *doc = pso_find(&look->capture,
					     "kubernetes/intrusions");
	const struct jnode *i;

	for (size_t k = 0; k < model->intrusions.count; k++)
		if (span_equal(model->intrusions.ref[k].key,
			       span_str(PSO_DB)))
			health->intrusion = model->intrusions.ref[k].node;
	i = health->intrusion;
	if (!i) {
		health->gone = doc && (doc->state == PSO_GONE ||
				       doc->state == PSO_HAD);
		health->why = doc && doc->why && *doc->why ? doc->why :
			"there is no intrusion " PSO_DB;
		return 0;
	}
	health->replicas = calloc(jnode_count(jnode_path(i,
		"spec.replicas")) + jnode_count(jnode_path(i,
		"status.replicas")) + 1, sizeof(*health->replicas));
	if (!health->replicas)
		return err_nomem(err);
	take_replicas(model, health, "spec.replicas", true);
	take_replicas(model, health, "status.replicas", false);
	health->ready_known = take_ready(i, &health->ready, &health->of);
	jnode_u64(i, "status.totalRanges", &health->total);
	health->under_known = jnode_u64(i, "status.underreplicatedRanges",
					&health->under);
	health->unavailable_known = jnode_u64(i, "status.unavailableRanges",
					      &health->unavailable);
	health->age_s = age_of(i, look->at);
	return 0;
}

static void count_sets(const struct pso_look *look,
		       struct pso_health *health)
{
	const struct jnode *set = pso_items(&look->capture,
					    "kubernetes/statefulsets");

	health->sets_known = set != NULL;
	for (set = set ? set->child : NULL; set; set = set->next)
		health->sets += pso_is_db_pod(jnode_text(set,
							 "metadata.name"));
	health->pods_known = pso_items(&look->capture,
				       "kubernetes/pods") != NULL;
}

static void count_unusable(const struct pso_model *model,
			   struct pso_health *health)
{
	for (size_t i = 0; i < model->volumes.count; i++) {
		const struct pso_ref *v = &model->volumes.ref[i];
		struct pso_db_name name;
		uint64_t size;

		if (!pso_db_name_parse(model->cluster_id, v->key, &name) ||
		    !name.unusable || jnode_true(v->node, "destroyed"))
			continue;
		health->unusable++;
		if (jnode_u64(v->node, "provisioned", &size))
			health->unusable_bytes += size;
	}
}

int pso_health_find(const struct pso_look *look, struct pso_health *ret,
		    struct err *err)
{
	int r;

	*ret = (struct pso_health){ .age_s = -1 };
	r = take_intrusion(look, ret, err);
	if (r < 0)
		return r;
	count_sets(look, ret);
	find_pods(&look->model, ret);
	count_unusable(&look->model, ret);
	return 0;
}

/* Gates. */

static void against(struct buf *words, const char *fmt, ...) PRINTF(2, 3);
static void against(struct buf *words, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(words, "%s%s", words->len ? "; " : "", text);
}

static void against_ranges(const struct pso_health *h, struct buf *words)
{
	if (!h->under_known || !h->unavailable_known)
		against(words, "it does not say how many ranges are "
			"under-replicated or unavailable");
	else if (h->under || h->unavailable)
		against(words, "%" PRIu64 " ranges are under-replicated and %"
			PRIu64 " unavailable", h->under, h->unavailable);
	if (!h->ready_known || h->ready < h->of || h->ready < h->wanted)
		against(words, "%" PRIu64 " of %zu replicas are ready",
			h->ready, h->of > h->wanted ? (size_t)h->of :
			h->wanted);
}

static void against_replicas(const struct pso_health *h, struct buf *words)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct pso_replica *r = &h->replicas[i];

		if (!span_equal(r->status, span_str("Live")))
			against(words, "replica %.*s is %.*s",
				SPAN_ARG(r->volume), SPAN_ARG(r->status.len ?
				r->status : span_str("of no known state")));
	}
	if (!h->pods_known)
		against(words, "the datastore's pods could not be read");
	else if (h->pods_bad || h->pods < h->wanted)
		against(words, "%zu of %zu pods of the datastore are not "
			"running and ready", h->pods_bad + (h->pods <
			h->wanted ? h->wanted - h->pods : 0), h->pods >
			h->wanted ? h->pods : h->wanted);
}

bool pso_health_alive(const struct pso_health *h)
{
	return h->intrusion &&
	       jnode_is(h->intrusion, "status.status", "Live") &&
	       h->age_s >= 0 && h->age_s <= PSO_STALE_S &&
	       h->unavailable_known && !h->unavailable && h->ready_known &&
	       h->wanted && h->ready >= pso_majority(h->wanted);
}

int pso_health_gate(const struct pso_look *look,
		    const struct pso_health *h, struct err *err)
{
	OWNED_BUF struct buf words = BUF_INIT;

	(void)look;
	if (!h->intrusion)
		return err_set(err, -EPERM, "the intrusion cannot be read: "
			       "%s", h->why);
	if (!jnode_is(h->intrusion, "status.status", "Live"))
		against(&words, "the datastore is %.*s",
			SPAN_ARG(jnode_text(h->intrusion, "status.status")));
	if (h->age_s < 0)
		against(&words, "it does not say as of when it is so");
	else if (h->age_s > PSO_STALE_S)
		against(&words, "what it says is %" PRId64 " s old (at most "
			"%d)", h->age_s, PSO_STALE_S);
	if (!h->wanted)
		against(&words, "it names no replicas");
	against_ranges(h, &words);
	against_replicas(h, &words);
	if (buf_check(&words, err) < 0)
		return -ENOMEM;
	return words.len ? err_set(err, -EPERM, "the datastore is not "
				   "healthy: %s", buf_str(&words)) : 0;
}

bool pso_health_uses(const struct pso_health *health, struct span volume,
		     size_t backend)
{
	for (size_t i = 0; i < health->count; i++) {
		const struct pso_replica *r = &health->replicas[i];

		if (span_equal(r->volume, volume) && (r->backend < 0 ||
		    (size_t)r->backend == backend))
			return true;
	}
	return false;
}
