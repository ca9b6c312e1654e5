#include <inttypes.h>

#include "tools/pso_clock.h"
#include "tools/pso_status.h"

/* The intrusion. */

static void check_intrusion(const struct checking *c)
{
	const struct pso_health *h = c->health;
	struct span status = jnode_text(h->intrusion, "status.status");
	char age[SIZE_TEXT];
	enum tell tell;

	if (!h->intrusion) {
		findings_add(c->f, h->gone ? TELL_BAD : TELL_UNKNOWN,
			     "intrusion", "%s", h->why);
		return;
	}
	tell = span_equal(status, span_str("Live")) ? TELL_OK : TELL_BAD;
	if (h->ready_known && h->ready < pso_majority(h->of))
		tell = TELL_BAD;
	else if (tell == TELL_OK && (!h->ready_known || h->ready < h->of))
		tell = TELL_WARN;
	findings_add(c->f, tell, "intrusion", "%.*s, %" PRIu64 "/%" PRIu64
		     " ready", SPAN_ARG(status.len ? status :
		     span_str("no status")), h->ready, h->of);
	if (h->age_s >= 0 && h->age_s <= PSO_STALE_S)
		return;
	age_text(h->age_s, age);
	if (h->age_s < 0)
		findings_add(c->f, TELL_UNKNOWN, "as of", "it does not say");
	else
		findings_add(c->f, TELL_BAD, "as of", "it tells of %s ago: "
			     "its operator writes it no more", age);
}

static void check_ranges(const struct checking *c)
{
	const struct pso_health *h = c->health;

	if (!h->intrusion)
		return;
	if (!h->under_known || !h->unavailable_known) {
		findings_add(c->f, TELL_UNKNOWN, "ranges", "it does not say "
			     "how many are under-replicated or unavailable");
		return;
	}
	findings_add(c->f, h->unavailable ? TELL_BAD : h->under ? TELL_WARN :
		     TELL_OK, "ranges", "%" PRIu64 ", of them %" PRIu64
		     " under-replicated, %" PRIu64 " unavailable%s",
		     h->total, h->under, h->unavailable, h->unavailable ?
		     ": metadata is lost while that is so" : "");
}

static void check_replicas(const struct checking *c)
{
	const struct pso_health *h = c->health;

	for (size_t i = 0; i < h->count; i++) {
		const struct pso_replica *r = &h->replicas[i];

		if (r->wanted && !r->status.len)
			findings_add(c->f, TELL_WARN, "replica", "%.*s is "
				     "wanted, and not told of",
				     SPAN_ARG(r->volume));
		else if (!r->wanted)
			findings_add(c->f, TELL_WARN, "replica", "%.*s is "
				     "%.*s, and not wanted any more: it is "
				     "being replaced", SPAN_ARG(r->volume),
				     SPAN_ARG(r->status));
		else if (!span_equal(r->status, span_str("Live")))
			findings_add(c->f, TELL_BAD, "replica", "%.*s is %.*s",
				     SPAN_ARG(r->volume), SPAN_ARG(r->status));
	}
}

/* 5 or 7, by the number of backends; numbers grow as they are replaced. */
static void check_sets(const struct checking *c)
{
	const struct pso_health *h = c->health;
	bool odd = h->intrusion && h->wanted != 5 && h->wanted != 7;

	if (!h->sets_known)
		findings_add(c->f, TELL_UNKNOWN, "statefulsets",
			     "they could not be read");
	else if (odd || (h->intrusion && h->sets != h->wanted))
		findings_add(c->f, TELL_WARN, "statefulsets", "%zu pso-db-N, "
			     "and the intrusion wants %zu replicas: usual are "
			     "as many, 5 or 7", h->sets, h->wanted);
	else
		findings_add(c->f, TELL_OK, "statefulsets", "%zu pso-db-N",
			     h->sets);
}

static void check_pods(const struct checking *c)
{
	const struct pso_health *h = c->health;
	const struct jnode *pod = pso_items(&c->look->capture,
					    "kubernetes/pods");

	if (!h->pods_known) {
		findings_add(c->f, TELL_UNKNOWN, "pods", "they could not be "
			     "read");
		return;
	}
	for (pod = pod ? pod->child : NULL; pod; pod = pod->next) {
		struct span name = jnode_text(pod, "metadata.name");
		bool ready = false;

		if (!pso_is_pod_of_chart(name) || jnode_is(pod,
		    "status.phase", "Succeeded") || (pso_condition(pod,
		    "Ready", &ready) && ready))
			continue;
		findings_add(c->f, TELL_BAD, "pods", "%.*s is %.*s and not "
			     "ready", SPAN_ARG(name), SPAN_ARG(jnode_text(pod,
			     "status.phase")));
	}
	findings_add(c->f, h->pods && !h->pods_bad ? TELL_OK : TELL_BAD,
		     "pods", "%zu of %zu of the datastore are running and "
		     "ready", h->pods - h->pods_bad, h->pods);
}

static void check_deployments(const struct checking *c)
{
	static const char *const names[] = { "pso-db-deployer", PSO_OPERATOR };
	const struct jnode *list = pso_items(&c->look->capture,
					     "kubernetes/deployments");

	for (size_t i = 0; list && i < 2; i++) {
		const struct jnode *d = list->child;
		uint64_t wanted = 1, ready = 0;

		while (d && !jnode_is(d, "metadata.name", names[i]))
			d = d->next;
		jnode_u64(d, "spec.replicas", &wanted);
		jnode_u64(d, "status.readyReplicas", &ready);
		if (!d || ready < wanted || wanted == 0)
			findings_add(c->f, TELL_BAD, "deployments", "%s %s",
				     names[i], d ? "has no ready pod" :
				     "is not there");
		else
			findings_add(c->f, TELL_OK, "deployments",
				     "%s is ready", names[i]);
	}
	if (!list)
		findings_add(c->f, TELL_UNKNOWN, "deployments",
			     "they could not be read");
}

static void check_reach(const struct checking *c)
{
	const struct pso_model *m = &c->look->model;

	for (size_t i = 0; i < m->backend_count; i++) {
		const struct pso_backend *b = &m->backends[i];

		if (b->why)
			findings_add(c->f, b->array ? TELL_BAD : TELL_UNKNOWN,
				     "array", "%s does not answer: %s", b->name,
				     b->why);
		else
			findings_add(c->f, TELL_OK, "array", "%s %s", b->name,
				     c->look->arrays_live ? "answers here; pods "
				     "of the datastore need its management and "
				     "data endpoints, too" :
				     "answered then");
	}
	if (!m->backend_count)
		findings_add(c->f, TELL_UNKNOWN, "array", "none is known: "
			     "--values names the chart's values.yaml");
}

/* Volumes that were put aside. */
static void check_unusable(const struct checking *c)
{
	const struct pso_health *h = c->health;
	char size[SIZE_TEXT];

	if (!c->look->model.backend_count)
		return;
	size_text(h->unusable_bytes, size);
	if (!c->look->model.all_read)
		findings_add(c->f, TELL_UNKNOWN, "unusable", "%zu seen, and "
			     "not every array could be read", h->unusable);
	else if (h->unusable >= PSO_UNUSABLE_CAP)
		findings_add(c->f, TELL_BAD, "unusable", "%zu volumes -u "
			     "(%s): at %d PSO's operator stops replacing "
			     "replicas; 'varve pso volumes' tells which may go",
			     h->unusable, size, PSO_UNUSABLE_CAP);
	else
		findings_add(c->f, h->unusable > PSO_UNUSABLE_CAP * 3 / 4 ?
			     TELL_WARN : TELL_OK, "unusable", "%zu volumes -u "
			     "(%s), of %d at which the operator stops",
			     h->unusable, size, PSO_UNUSABLE_CAP);
}

static void check_version(const struct checking *c)
{
	struct pso_install install;

	pso_install_find(c->look, &install);
	if (!install.version.data)
		findings_add(c->f, TELL_UNKNOWN, "version", "nothing says "
			     "which is installed");
	else if (!pso_version_reaches(install.version, PSO_VERSION_WANTED))
		findings_add(c->f, TELL_WARN, "version", "%.*s (%s): install "
			     "at least " PSO_VERSION_WANTED ", whose "
			     "db-reconstructor is better",
			     SPAN_ARG(install.version), install.version_of);
	else
		findings_add(c->f, TELL_OK, "version", "%.*s (%s)",
			     SPAN_ARG(install.version), install.version_of);
}

static int check_crds(const struct checking *c, struct err *err)
{
	OWNED_BUF struct buf words = BUF_INIT;
	struct pso_crds crds;
	bool unknown = false;
	int r = pso_crds_find(c->look, &crds, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < PSO_CRDS; i++)
		unknown |= crds.state[i] == PSO_CRD_UNKNOWN;
	pso_crds_advice(&crds, &words);
	if (buf_check(&words, err) < 0)
		return -ENOMEM;
	if (unknown)
		findings_add(c->f, TELL_UNKNOWN, "snapshots", "whether their "
			     "definitions serve v1beta1 is not known: %s",
			     crds.why);
	else if (!words.len)
		findings_add(c->f, TELL_OK, "snapshots", "their three "
			     "definitions serve v1beta1");
	else
		findings_add(c->f, crds.used ? TELL_WARN : TELL_NOTE,
			     "snapshots", "%s%s", buf_str(&words), crds.used ?
			     "; PSO's snapshots need them" :
			     "; no snapshot of PSO's is there");
	return 0;
}

/* What CockroachDB can bear least, so it comes first. */
static int check_clocks(const struct checking *c, struct err *err)
{
	OWNED_CLOCKS struct pso_clocks clocks = { .row = NULL };
	int r = 0;

	if (!c->look->live) {
		findings_add(c->f, TELL_UNKNOWN, "clocks", "a capture does "
			     "not tell how far nodes' clocks are apart");
		return 0;
	}
	r = pso_clocks_find(c->look, &clocks, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < clocks.count; i++)
		if (!clocks.row[i].known)
			findings_add(c->f, TELL_UNKNOWN, "clocks", "%.*s: %s",
				     SPAN_ARG(clocks.row[i].node),
				     clocks.row[i].why);
	if (clocks.count == 1 && clocks.known == 1)
		findings_add(c->f, TELL_OK, "clocks", "all is on one node");
	else if (clocks.known < 2)
		findings_add(c->f, TELL_UNKNOWN, "clocks", "of %zu nodes the "
			     "time is known: nothing to compare",
			     clocks.known);
	else if (clocks.least_ms > PSO_SKEW_MS)
		findings_add(c->f, TELL_BAD, "clocks", "%.*s is at least %"
			     PRId64 " ms ahead of %.*s, and %d is the limit: "
			     "the first cause to look at; mend NTP on the nodes",
			     SPAN_ARG(clocks.row[clocks.late].node),
			     clocks.least_ms,
			     SPAN_ARG(clocks.row[clocks.early].node),
			     PSO_SKEW_MS);
	else if (clocks.most_ms <= PSO_SKEW_MS)
		findings_add(c->f, TELL_OK, "clocks", "%zu nodes are at most %"
			     PRId64 " ms apart, of %d", clocks.known,
			     clocks.most_ms, PSO_SKEW_MS);
	else
		findings_add(c->f, TELL_NOTE, "clocks", "%zu nodes are %"
			     PRId64 " to %" PRId64 " ms apart, of %d: asked "
			     "through kubectl it is not known closer",
			     clocks.known, clocks.least_ms, clocks.most_ms,
			     PSO_SKEW_MS);
	return 0;
}

static void check_meaning(const struct checking *c)
{
	const struct pso_health *h = c->health;
	const struct pso_doc *values = pso_find(&c->look->capture, "values");
	uint64_t suspect;

	if (!h->intrusion || (h->unavailable_known && h->unavailable) ||
	    !jnode_is(h->intrusion, "status.status", "Live"))
		findings_add(c->f, TELL_NOTE, "meaning", "while the datastore "
			     "is down, provisioning, snapshots, attaching and "
			     "detaching fail; what is attached goes on working");
	if (values && values->state == PSO_HAD && jnode_u64(values->doc.root,
	    "database.maxSuspectSeconds", &suspect))
		findings_add(c->f, TELL_NOTE, "suspect", "a replica that is "
			     "Suspect for %" PRIu64 " s (maxSuspectSeconds) is "
			     "replaced", suspect);
}

int pso_status_checks(struct pso_look *look, const struct pso_health *health,
		      struct findings *findings, struct err *err)
{
	const struct checking c = { look, health, findings };
	int r = check_clocks(&c, err);

	if (r == 0) {
		check_intrusion(&c);
		check_ranges(&c);
		check_replicas(&c);
		check_sets(&c);
		check_pods(&c);
		check_deployments(&c);
		r = pso_check_spread(&c, err);
	}
	if (r == 0) {
		check_reach(&c);
		check_unusable(&c);
		check_version(&c);
		r = check_crds(&c, err);
		check_meaning(&c);
	}
	return r;
}

void pso_print_head(const struct pso_look *look)
{
	const struct pso_capture *capture = &look->capture;
	char when[STAMP_TEXT];

	stamp_iso(look->at, when);
	printf("PSO's datastore of %.*s in cluster %s (%s, context %s), "
	       "namespace %s, %s%s%s\n"
	       "(metadata alone: no volume's data is in it)\n",
	       SPAN_ARG(look->model.cluster_id.len ? look->model.cluster_id :
			span_str("an unknown clusterID")),
	       capture->cluster_uid ? capture->cluster_uid : "not known",
	       capture->server ? capture->server : "?",
	       capture->context ? capture->context : "?",
	       capture->namespace ? capture->namespace : "?",
	       look->live ? "now" : "as of ", look->live ? "" : look->label,
	       look->live || look->arrays_live ? "" : ", arrays of then");
}

int pso_status(struct tool *tool, struct err *err)
{
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_HEALTH struct pso_health health = { .replicas = NULL };
	OWNED_FINDINGS struct findings findings = { .row = NULL };
	enum tell worst;
	int r;

	catch_stop();
	r = pso_look_open(&look, tool, err);
	if (r == 0)
		r = pso_health_find(&look, &health, err);
	if (r == 0)
		r = pso_status_checks(&look, &health, &findings, err);
	if (r < 0)
		return r;
	if (!tool->json)
		pso_print_head(&look);
	r = findings_print(&findings, tool, err);
	worst = findings_worst(&findings);
	return r < 0 ? r : worst == TELL_BAD ? FAILED :
	       worst == TELL_UNKNOWN ? INCOMPLETE : DONE;
}
