#include "tools/vmbc_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/helm.h"
#include "tools/kube_act.h"

#define COUNT_KEY "global.replicaCount"

/* Who has the claims. */

/* The pods of a namespace, asked for once for all claims in it. */
struct pods {
	struct jdoc doc;
	const char *ns;		/* NULL: not asked yet */
};
static void pods_release(struct pods *pods)
{
	jdoc_release(&pods->doc);
	pods->ns = NULL;
}
#define OWNED_PODS CLEANUP(pods_release)

static int ask_pods(struct kube *kube, const char *ns, struct pods *pods,
		    struct err *err)
{
	const char *const words[] = { "pods", "-n", ns, NULL };
	int r;

	if (pods->ns && !strcmp(pods->ns, ns))
		return 0;
	pods_release(pods);
	r = kube_get(kube, words, &pods->doc, err);
	if (r < 0)
		return r == -ECANCELED ? r :
			err_wrap(err, "cannot ask which pods have the claims");
	pods->ns = ns;
	return 0;
}

/* The next one behind after (NULL: the first one) that has claim. */
static const struct jnode *next_pod(const struct pods *pods,
				    const struct jnode *after,
				    const char *claim)
{
	after = after ? after->next :
			jnode_get(pods->doc.root, "items")->child;
	while (after && !kube_pod_has(after, claim))
		after = after->next;
	return after;
}

int vmbc_check_gone(struct vmbc_run *all, struct err *err)
{
	OWNED_PODS struct pods pods = { .ns = NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && all->asks && i < all->count; i++) {
		const struct vmbc_part *part = &all->parts[i];
		const struct jnode *pod;
		struct span name;

		if (!part->claim)
			continue;
		r = ask_pods(&all->kube, part->ns, &pods, err);
		pod = r == 0 ? next_pod(&pods, NULL, part->claim) : NULL;
		if (!pod)
			continue;
		name = jnode_text(pod, "metadata.name");
		r = err_set(err, -EBUSY, "pod %.*s has the claim of replica "
			    "%u", (int)name.len, (const char *)name.data,
			    part->replica);
		err_hint(err, "the replicas must be stopped until their data "
			 "is wholly new or wholly old");
	}
	return r;
}

int vmbc_are_gone(void *arg, struct err *err)
{
	int r = vmbc_check_gone(((struct vmbc_step *)arg)->all, err);

	return r == -EBUSY ? -EAGAIN : r;
}

static bool is_ready(const struct jnode *pod)
{
	const struct jnode *one = jnode_path(pod, "status.conditions");

	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_is(one, "type", "Ready"))
			return jnode_is(one, "status", "True");
	return false;
}

int vmbc_are_up(void *arg, struct err *err)
{
	struct vmbc_run *all = ((struct vmbc_step *)arg)->all;
	OWNED_PODS struct pods pods = { .ns = NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++) {
		const struct vmbc_part *part = &all->parts[i];
		const struct jnode *pod;

		if (!part->claim)
			continue;
		r = ask_pods(&all->kube, part->ns, &pods, err);
		if (r < 0)
			break;
		pod = next_pod(&pods, NULL, part->claim);
		while (pod && !is_ready(pod))
			pod = next_pod(&pods, pod, part->claim);
		if (!pod)
			r = err_set(err, -EAGAIN, "no pod with the claim of "
				    "replica %u is ready", part->replica);
	}
	return r;
}

/* What they are pods of. */

struct sets {
	struct kube *kube;
	struct run *run;
	unsigned count;
};

static const struct jnode *owner_of(const struct jnode *object)
{
	const struct jnode *one = jnode_path(object,
					     "metadata.ownerReferences");

	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_true(one, "controller"))
			return one;
	return NULL;
}

static int note_set(struct sets *sets, const char *ns, const char *what,
		    struct err *err)
{
	char key[16], value[512];
	int64_t replicas;
	int r;

	for (unsigned i = 0; i < sets->count; i++) {
		const char *had;

		snprintf(key, sizeof(key), "set-%u", i);
		had = run_fact(sets->run, key);
		snprintf(value, sizeof(value), " %s %s", ns, what);
		if (had && strlen(had) > strlen(value) &&
		    !strcmp(had + strlen(had) - strlen(value), value))
			return 0;
	}
	if (sets->count == VMBC_SETS_MAX)
		return err_set(err, -E2BIG, "too much to be scaled");
	r = kube_replicas(sets->kube, ns, what, &replicas, err);
	if (r < 0)
		return err_wrap(err, "cannot ask how many replicas %s has",
				what);
	/* it is being stopped by others */
	if (replicas == 0)
		return 0;
	snprintf(key, sizeof(key), "set-%u", sets->count);
	snprintf(value, sizeof(value), "%" PRId64 " %s %s", replicas, ns,
		 what);
	sets->count++;
	return run_learn(sets->run, key, value, err);
}

static const char *scaled_as(const struct jnode *owner)
{
	return !owner ? NULL :
	       jnode_is(owner, "kind", "StatefulSet") ? "statefulset" :
	       jnode_is(owner, "kind", "Deployment") ? "deployment" :
	       jnode_is(owner, "kind", "ReplicaSet") ? "replicaset" : NULL;
}

/* A pod's set, or the deployment behind its set. */
static int note_owner(struct sets *sets, const char *ns,
		      const struct jnode *object, unsigned depth,
		      struct err *err)
{
	const struct jnode *owner = owner_of(object);
	OWNED_JDOC struct jdoc above = JDOC_INIT;
	struct span name = jnode_text(object, "metadata.name");
	char what[320];
	int r;

	if (!scaled_as(owner) || depth > 2) {
		err_set(err, -EINVAL, "'%.*s' is of no StatefulSet and no "
			"Deployment that could be scaled", (int)name.len,
			(const char *)name.data);
		return err_hint(err, "stop it, then run this again");
	}
	name = jnode_text(owner, "name");
	snprintf(what, sizeof(what), "%s/%.*s",
		 scaled_as(owner), (int)name.len, (const char *)name.data);
	if (!jnode_is(owner, "kind", "ReplicaSet"))
		return note_set(sets, ns, what, err);
	r = kube_get_one(sets->kube, ns, what, &above, err);
	if (r < 0)
		return err_wrap(err, "cannot ask for %s", what);
	return owner_of(above.root) ?
		note_owner(sets, ns, above.root, depth + 1, err) :
		note_set(sets, ns, what, err);
}

static int note_sets(struct sets *sets, const struct vmbc *vmbc,
		     struct err *err)
{
	OWNED_PODS struct pods pods = { .ns = NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < vmbc->count; i++) {
		const struct vmbc_replica *replica = &vmbc->replicas[i];
		const struct jnode *pod = NULL;

		if (!replica->claim || !replica->chosen)
			continue;
		r = ask_pods(sets->kube, replica->ns, &pods, err);
		while (r == 0 && (pod = next_pod(&pods, pod, replica->claim)))
			r = note_owner(sets, replica->ns, pod, 0, err);
	}
	return r;
}

/* helm. */

static int helm_count(const struct run *run, const struct kube *kube,
		      uint64_t *ret, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = helm_values(run_fact(run, "helm"), run_fact(run, "release"),
			    run_fact(run, "helm-ns"), kube, &doc, err);

	if (r < 0)
		return r;
	return jnode_u64(doc.root, COUNT_KEY, ret) ? 0 :
	       err_set(err, -EPROTO, "release '%s' has no " COUNT_KEY,
		       run_fact(run, "release"));
}

void vmbc_helm_text(const struct vmbc_run *all, const char *count,
		    struct buf *out)
{
	struct helm helm = { .n = 0 };

	helm_where(&helm, run_fact(all->run, "helm-ns"), &all->kube);
	buf_printf(out, "%s upgrade %s %s", run_fact(all->run, "helm"),
		   run_fact(all->run, "release"),
		   run_fact(all->run, "chart"));
	for (size_t i = 0; i < helm.n; i++)
		buf_printf(out, " %s", helm.words[i]);
	buf_printf(out, " --reuse-values --set " COUNT_KEY "=%s",
		   count ? count : "?");
}

static int helm_set(struct vmbc_run *all, const char *count, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct helm helm = { .n = 0 };
	char set[64];

	snprintf(set, sizeof(set), COUNT_KEY "=%s", count);
	helm_put(&helm, run_fact(all->run, "helm"), "upgrade");
	helm_put(&helm, run_fact(all->run, "release"),
		 run_fact(all->run, "chart"));
	helm_where(&helm, run_fact(all->run, "helm-ns"), &all->kube);
	helm_put(&helm, "--reuse-values", NULL);
	helm_put(&helm, "--set", set);
	return helm_run(&helm, &all->kube,
			plan_left_ms(&all->plan) / 1000 + 1, &end, err);
}

/* Both. */

static int scale_all(struct vmbc_run *all, bool back, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < VMBC_SETS_MAX; i++) {
		char key[16], ns[256], what[320];
		const char *set;
		unsigned was;

		snprintf(key, sizeof(key), "set-%u", i);
		set = run_fact(all->run, key);
		if (!set)
			break;
		if (sscanf(set, "%u %255s %319s", &was, ns, what) != 3)
			return err_corrupt(err, "the journal of run %s has "
					   "'%s' for what is scaled",
					   all->run->id, set);
		r = kube_scale(&all->kube, ns, what, back ? was : 0, err);
		if (r < 0)
			err_wrap(err, "cannot scale %s", what);
	}
	return r;
}

static int set_all(void *arg, const char *count, bool back, struct err *err)
{
	struct vmbc_run *all = ((struct vmbc_step *)arg)->all;
	int r = disk_step_outside("replicas", back ? "start" : "stop", err);

	if (r < 0)
		return r;
	return all->how == STOP_HELM ? helm_set(all, count, err) :
				       scale_all(all, back, err);
}

int vmbc_stop(void *arg, struct err *err)
{
	return set_all(arg, "0", false, err);
}

int vmbc_start(void *arg, struct err *err)
{
	const struct vmbc_run *all = ((struct vmbc_step *)arg)->all;
	const char *count = run_fact(all->run, "helm-count");

	return set_all(arg, count ? count : "1", true, err);
}

/* What is to be done, before anything is. */

static int note_helm(const struct tool *tool, const struct kube *kube,
		     const char *ns, struct run *run, struct err *err)
{
	const struct options *o = &tool->options;
	const char *helm = option_value(o, "helm");
	const char *chart = option_value(o, "chart");
	/* where it is a directory, for who goes on from another one */
	CLEANUP(free_ptr) char *whole = chart ? realpath(chart, NULL) : NULL;
	uint64_t count = 0, wanted = 0;
	int r;

	if (!chart)
		return err_set(err, -EINVAL, "--release and --chart go "
			       "together");
	r = run_learn(run, "helm", helm ? helm : "helm", err);
	if (r == 0)
		r = run_learn(run, "release", option_value(o, "release"), err);
	if (r == 0)
		r = run_learn(run, "chart", whole ? whole : chart, err);
	if (r == 0 && ns)
		r = run_learn(run, "helm-ns", ns, err);
	if (r == 0)
		r = helm_count(run, kube, &count, err);
	if (r == 0)
		r = option_u64(o, "count", INT32_MAX, &wanted, err);
	if (r == 0 && count == 0 && wanted == 0) {
		err_set(err, -EINVAL, COUNT_KEY " of release '%s' is 0 "
			"already, and what it was before is not known",
			option_value(o, "release"));
		return err_hint(err, "--count N is what it is started with; "
				"without --release nothing is started");
	}
	if (r == 0)
		r = run_learnf(run, err, "helm-count", "%" PRIu64,
			       wanted ? wanted : count);
	return r < 0 ? r : run_learn(run, "stop-by", "helm", err);
}

static int refuse_running(const struct vmbc *vmbc, unsigned sets,
			  struct err *err)
{
	err_set(err, -EBUSY, "the replicas run: their claims are had by pods "
		"of %u workload%s", sets, sets == 1 ? "" : "s");
	return err_hint(err, "--release NAME --chart PATH stops them by helm "
			"and starts them again, --scale by scaling; or by "
			"hand: helm upgrade NAME PATH%s%s --reuse-values --set "
			COUNT_KEY "=0", vmbc->ns ? " -n " : "",
			vmbc->ns ? vmbc->ns : "");
}

int vmbc_note_stop(const struct tool *tool, const struct vmbc *vmbc,
		   struct vmbc_cluster *cluster, struct run *run,
		   struct err *err)
{
	const struct options *o = &tool->options;
	struct sets sets = { .kube = &cluster->kube, .run = run };
	int r;

	if (option_given(o, "release"))
		return note_helm(tool, &cluster->kube, vmbc->ns, run, err);
	r = note_sets(&sets, vmbc, err);
	if (r < 0)
		return r;
	if (sets.count == 0)
		return 0;
	if (!option_given(o, "scale"))
		return refuse_running(vmbc, sets.count, err);
	return run_learn(run, "stop-by", "scale", err);
}
