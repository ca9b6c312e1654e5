#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/kube_act.h"
#include "tools/pso_rebuild.h"

#define CLAIM_S 600
#define LAST_WORDS 300

/* Installed anew. */

static int do_install(void *arg, struct err *err)
{
	struct rebuild *rb = arg;

	if (rebuild_chart(rb))
		return rebuild_install(rb, err);
	say(rb->moving.tool, "Install PSO again, as:\n"
	    "    helm install %s pure/pure-pso -n %s -f %s\n"
	    "with the same clusterID.  This goes on when its datastore is "
	    "Live.", rb->release, rb->ns, rebuild_values(rb));
	return 0;
}

static int check_controller(struct rebuild *rb, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	bool ready = false;
	int r = kube_get_one(&rb->kube, rb->ns, "pod/" PSO_CONTROLLER_POD,
			     &doc, &why);

	if (r == -ENXIO)
		return err_set(err, -EAGAIN, "PSO is not installed: there is "
			       "no pod " PSO_CONTROLLER_POD);
	if (r < 0)
		return rebuild_patient(err_set(err, r, "%s", why.text), err);
	if (!pso_condition(doc.root, "Ready", &ready) || !ready)
		return err_set(err, -EAGAIN, "pod " PSO_CONTROLLER_POD " is "
			       "not ready");
	return 0;
}

static int check_live(struct rebuild *rb, struct err *err)
{
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_HEALTH struct pso_health health = { .replicas = NULL };
	int r = pso_look_cluster(&look, rb->tool, err);

	if (r == 0)
		r = pso_health_find(&look, &health, err);
	return r < 0 ? r : pso_health_gate(&look, &health, err);
}

static int check_installed(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	int r = check_controller(rb, err);

	if (r == 0)
		r = check_live(rb, err);
	if (r == -EPERM && err)
		err->code = -EAGAIN;
	if (r == 0)
		say(rb->moving.tool, "PSO is installed, and its datastore is "
		    "empty: new volumes work, the old ones\ndo not before "
		    "db-reconstructor has run.");
	return r == -EPERM ? -EAGAIN : r;
}

/* Definitions of snapshots. */

static int check_snapshots(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_BUF struct buf words = BUF_INIT;
	struct pso_crds crds;
	bool used = run_fact(rb->run, "snapshots") != NULL;
	int r = pso_look_cluster(&look, rb->tool, err);

	if (r == 0)
		r = pso_crds_find(&look, &crds, err);
	if (r < 0)
		return r;
	used |= crds.used;
	pso_crds_advice(&crds, &words);
	if (buf_check(&words, err) < 0)
		return -ENOMEM;
	if (!words.len)
		return 0;
	buf_str(&words);
	if (used && !crds.why[0]) {
		err_set(err, -EPERM, "%s, and there are snapshots of PSO's",
			(char *)words.data);
		return err_hint(err, "install the three v1beta1 definitions of "
				"external-snapshotter's release-2.0, and the "
				"class " "pure-snapshotclass");
	}
	note(rb->moving.tool, "%s%s", (char *)words.data, used ? "" :
	     ": no snapshot of PSO's is there, so it is left so");
	return 0;
}

/* db-reconstructor. */

static void last_line(const struct buf *out, char words[LAST_WORDS])
{
	size_t end = out->len, begin;

	while (end > 0 && out->data[end - 1] <= ' ')
		end--;
	for (begin = end; begin > 0 && out->data[begin - 1] != '\n' &&
	     end - begin < LAST_WORDS - 1;)
		begin--;
	snprintf(words, LAST_WORDS, "%.*s", (int)(end - begin), out->data ?
		 (const char *)out->data + begin : "");
}

static int do_reconstruct(void *arg, struct err *err)
{
	static const char *const command[] = { "db-reconstructor", NULL };
	struct rebuild *rb = arg;
	const struct kube_container where = { rb->ns, PSO_CONTROLLER_POD,
					      PSO_CONTAINER };
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct stamp begun = stamp_now();
	char words[LAST_WORDS];
	struct err why = ERR_INIT;
	int r, kept;

	if (run_fact(rb->run, "asked"))
		note(rb->moving.tool, "it was begun before, and what it said "
		     "then may be lost: it is run once more");
	r = run_learn(rb->run, "asked", "1", err);
	if (r < 0)
		return r;
	r = kube_exec(&rb->kube, &where, command, span_of(NULL, 0),
		      rb->deadline_s, &end, &why);
	/* also what came before it broke off tells something */
	kept = rebuild_keep_output(rb, &end, begun, err);
	if (r < 0) {
		err_set(err, r, "db-reconstructor: %s", why.text);
		return r;
	}
	if (kept < 0)
		return kept;
	last_line(end.status && end.said.len ? &end.said : &end.out, words);
	if (end.status == 0)
		return 0;
	err_set(err, -EIO, "db-reconstructor ended with status %d: %s",
		end.status, words);
	return err_hint(err, "what it said: varve cat %s:stdout.txt",
			run_fact(rb->run, "output"));
}

/* What came of it. */

static int do_verify(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_HEALTH struct pso_health health = { .replicas = NULL };
	OWNED_MATCHES struct pso_matches now = { .row = NULL };
	uint64_t before = 0;
	int r = pso_look_open(&look, rb->tool, err);

	if (r == 0)
		r = pso_gate_arrays(&look, err);
	if (r == 0)
		r = pso_health_find(&look, &health, err);
	if (r == 0)
		r = pso_health_gate(&look, &health, err);
	if (r == 0)
		r = pso_matches_find(&look, &now, err);
	if (r == 0)
		r = run_fact_u64(rb->run, "matched", &before, err);
	if (r < 0)
		return r;
	rebuild_tell_detached(rb, &look);
	if (now.matched < before)
		return err_set(err, -EUCLEAN, "%zu of %zu PVs have their "
			       "volume, and %" PRIu64 " had before: varve pso "
			       "reconstruct tells which", now.matched, now.pvs,
			       before);
	return run_learnf(rb->run, err, "left", "%zu", now.wrong);
}

/* A claim of our own. */

static void claim_name(const struct rebuild *rb, char out[64])
{
	const char *tail = strrchr(rb->run->id, '-');

	snprintf(out, 64, "varve-test%.8s", tail ? tail : "");
}

static int make_claim(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	OWNED_BUF struct buf text = BUF_INIT;
	struct json json;
	char name[64];
	int r;

	claim_name(rb, name);
	json_init(&json, &text);
	json_open_object(&json, NULL);
	json_str(&json, "apiVersion", "v1");
	json_str(&json, "kind", "PersistentVolumeClaim");
	json_open_object(&json, "metadata");
	json_str(&json, "name", name);
	json_close_object(&json);
	json_open_object(&json, "spec");
	json_open_array(&json, "accessModes");
	json_str(&json, NULL, "ReadWriteOnce");
	json_close_array(&json);
	json_str(&json, "storageClassName",
		 option_value(&rb->tool->options, "test-class"));
	json_open_object(&json, "resources");
	json_open_object(&json, "requests");
	json_str(&json, "storage", "1Gi");
	json_close_object(&json);
	json_close_object(&json);
	json_close_object(&json);
	json_close_object(&json);
	r = buf_check(&text, err);
	if (r == 0)
		r = kube_create(&rb->kube, rb->ns, buf_span(&text), err);
	return r == -EEXIST ? 0 : r;
}

static int see_claim(struct rebuild *rb, struct jdoc *doc, struct err *err)
{
	char name[64], what[96];

	claim_name(rb, name);
	snprintf(what, sizeof(what), "persistentvolumeclaim/%s", name);
	return kube_get_one(&rb->kube, rb->ns, what, doc, err);
}

static int check_claim(void *arg, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = see_claim(arg, &doc, err);

	if (r < 0)
		return r;
	return jnode_is(doc.root, "status.phase", "Bound") ? 0 :
		err_set(err, -EAGAIN, "the claim for testing is not bound");
}

static int drop_claim(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	char name[64], what[96];

	claim_name(rb, name);
	snprintf(what, sizeof(what), "persistentvolumeclaim/%s", name);
	return kube_delete(&rb->kube, rb->ns, what, err);
}

static int check_dropped(void *arg, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	int r = see_claim(arg, &doc, &why);

	if (r == -ENXIO)
		return 0;
	return r < 0 ? err_set(err, r, "%s", why.text) :
		err_set(err, -EAGAIN, "the claim for testing is still there");
}

static int add(struct rebuild *rb, const char *name, int64_t deadline_s,
	       plan_step_fn *act, plan_step_fn *check, struct err *err,
	       const char *says)
{
	struct plan_step *step = rebuild_step(rb, plan_add(&rb->plan, name,
		"%s", says), deadline_s, act, check);

	if (!step)
		return err_nomem(err);
	/* but the claim, which is ours, goes whatever is given up */
	step->flags = PLAN_END | (act == drop_claim ? 0 : PLAN_SPARE);
	return 0;
}

int rebuild_add_end(struct rebuild *rb, struct err *err)
{
	const char *class = option_value(&rb->tool->options, "test-class");
	const char *chart = rebuild_chart(rb);
	char says[600];
	int r;

	snprintf(says, sizeof(says), "%s: helm install %.100s %.100s -n %.100s "
		 "-f %.150s, until its empty datastore is Live", chart ? "run" :
		 "wait for", rb->release, chart ? chart : "pure/pure-pso",
		 rb->ns, rebuild_values(rb));
	r = add(rb, "install", rb->deadline_s, do_install, check_installed,
		err, says);
	if (r == 0)
		r = add(rb, "snapshots", 0, NULL, check_snapshots, err,
			"see that the definitions of snapshots serve "
			"v1beta1");
	snprintf(says, sizeof(says), "kubectl exec -n %.100s "
		 PSO_CONTROLLER_POD " -c " PSO_CONTAINER " -- "
		 "db-reconstructor, and keep what it says", rb->ns);
	if (r == 0)
		r = add(rb, "reconstruct", 0, do_reconstruct, NULL, err, says);
	if (r == 0)
		r = add(rb, "verify", 0, do_verify, NULL, err, "see that the "
			"datastore is healthy, and every PV has one volume");
	if (r < 0 || !class)
		return r;
	snprintf(says, sizeof(says), "make a claim of %.200s, of 1 Gi, and "
		 "wait until it is bound", class);
	r = add(rb, "test-claim", CLAIM_S, make_claim, check_claim, err,
		says);
	return r < 0 ? r : add(rb, "test-clean", CLAIM_S, drop_claim,
			       check_dropped, err, "delete that claim");
}
