#include "tools/pvc_visit.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/procedure.h"
#include "tools/runs.h"

#define WAIT_S 600
#define IDLE_S 300
#define TRIES 3

void pvc_visit_release(struct pvc_visit *visit)
{
	pvc_name_release(&visit->name);
	kube_origin_release(&visit->cluster);
	pvc_release(&visit->pvc);
}

static int find_way(struct pvc_visit *v, struct err *err)
{
	int r;

	v->image = option_value(&v->tool->options, "image");
	r = v->image ? 0 : pvc_find_door(&v->pvc, v->name.name, v->write,
					 &v->door, err);
	if (r == -ENOENT)
		return err_hint(err, "--image debian:12-slim starts one; the "
				"image must have GNU's tar, find and "
				"coreutils");
	if (r == 0 && v->image && v->pvc.one_pod &&
	    jnode_get(v->pvc.pods.root, "items")->child)
		r = err_set(err, -EBUSY, "the claim '%s/%s' can be in one pod "
			    "at a time, and is in one", v->name.ns,
			    v->name.name);
	return r;
}

int pvc_visit_open(struct tool *tool, const char *name, bool write,
		   struct pvc_visit *ret, struct err *err)
{
	int64_t timeout_s;
	int r = kube_timeout(&tool->options, &timeout_s, err);

	*ret = (struct pvc_visit){ .tool = tool, .write = write,
				   .name.path = "" };
	if (r == 0)
		r = pvc_name_parse(name, &ret->name, err);
	if (r == 0)
		r = far_pod_check(option_value(&tool->options, "run-as"),
				  option_value(&tool->options, "fs-group"),
				  err);
	if (r < 0)
		return r;
	kube_init(&ret->kube, &tool->options, timeout_s);
	r = kube_find_origin(&ret->kube, &ret->cluster, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r == 0)
		r = pvc_find(&ret->kube, &ret->name, &ret->pvc, err);
	return r < 0 ? r : find_way(ret, err);
}

/* The run: a pod that is made and removed, whatever is done in between. */

struct pod_run {
	const struct tool *tool;
	struct run *run;
	struct plan plan;
	struct kube *kube;
	struct far_pod pod;
	int (*work)(void *arg, struct pvc_visit *visit, struct err *err);
	void *arg;
	struct pvc_visit *visit;
	int worked;		/* what work gave */
};

static int make_pod(void *arg, struct err *err)
{
	struct pod_run *p = arg;

	return far_pod_await(p->kube, &p->pod, WAIT_S, err);
}

static int do_work(void *arg, struct err *err)
{
	struct pod_run *p = arg;

	p->worked = p->work ? p->work(p->arg, p->visit, err) : 0;
	return p->worked < 0 ? p->worked : 0;
}

static int remove_pod(void *arg, struct err *err)
{
	struct pod_run *p = arg;

	return far_pod_remove(p->kube, &p->pod, err);
}

static int pod_is_gone(void *arg, struct err *err)
{
	struct pod_run *p = arg;

	return far_pod_gone(p->kube, &p->pod, err);
}

static int prove(void *arg, enum run_tree tree, struct err *err)
{
	(void)arg;
	(void)tree;
	(void)err;
	return 0;
}

static int make_plan(struct pod_run *p, struct err *err)
{
	struct plan_step *step = plan_add(&p->plan, "pod", "start pod '%s'",
					  p->pod.name);

	if (!step)
		return err_nomem(err);
	step->act = make_pod;
	step = plan_add(&p->plan, "work", "%s", run_fact(p->run, "label"));
	if (!step)
		return err_nomem(err);
	step->act = do_work;
	step = plan_add(&p->plan, "remove-pod", "remove pod '%s'",
			p->pod.name);
	if (!step)
		return err_nomem(err);
	step->flags = PLAN_RESTART;
	step->starts = "pod";
	step->act = remove_pod;
	step->check = pod_is_gone;
	step->deadline_s = WAIT_S;
	p->plan.prove = prove;
	p->plan.arg = p;
	p->plan.stop = &stopped;
	p->kube->past_stop = &p->plan.past_stop;
	return 0;
}

struct noting {
	struct run *run;
	int code;
	struct err *err;
};

static void put(struct noting *n, const char *key, const char *value)
{
	if (n->code == 0 && value)
		n->code = run_learn(n->run, key, value, n->err);
}

static int learn_facts(struct pvc_visit *v, const char *says,
		       struct run *run, struct err *err)
{
	const struct options *o = &v->tool->options;
	struct noting n = { .run = run, .err = err };
	char pod[FAR_POD_NAME];

	far_pod_name(run->id, pod);
	put(&n, "kind", PVC_VISIT_KIND);
	put(&n, "label", says);
	put(&n, "ns", v->name.ns);
	put(&n, "claim", v->name.name);
	put(&n, "pod", pod);
	put(&n, "image", v->image);
	put(&n, "node", v->pvc.one_node ? v->pvc.node : NULL);
	put(&n, "run-as", option_value(o, "run-as"));
	put(&n, "fs-group", option_value(o, "fs-group"));
	put(&n, "cluster-uid", v->cluster.uid);
	put(&n, "kubectl", v->kube.kubectl);
	put(&n, "context", v->kube.context ? v->kube.context :
	    v->cluster.context);
	put(&n, "kubeconfig", v->kube.kubeconfig);
	if (n.code == 0)
		n.code = run_learnf(run, err, "timeout", "%" PRId64,
				    v->kube.timeout_s);
	/* its own name, so that one left behind hinders no other */
	return n.code < 0 ? n.code : run_learnf(run, err, "target", "%s/%s by "
						"pod %s", v->name.ns,
						v->name.name, pod);
}

static void take_pod(struct pod_run *p, bool read_only)
{
	const struct run *run = p->run;

	p->pod = (struct far_pod){
		.ns = run_fact(run, "ns"), .name = run_fact(run, "pod"),
		.run = run->id, .claim = run_fact(run, "claim"),
		.image = run_fact(run, "image"),
		.node = run_fact(run, "node"),
		.run_as = run_fact(run, "run-as"),
		.fs_group = run_fact(run, "fs-group"),
		.read_only = read_only,
	};
}

static void open_far(struct pvc_visit *v, const char *pod,
		     const char *container, const char *mount)
{
	v->far = (struct far){
		.kube = &v->kube, .where = { v->name.ns, pod, container },
		.idle_s = IDLE_S, .tries = TRIES,
	};
	v->mount = mount;
}

static int run_with_pod(struct pod_run *p, struct repo *repo,
			struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	int r = make_plan(p, err);

	if (r == 0)
		r = runs_open(p->tool, repo, true, &dir, err);
	p->run->dir = &dir;
	if (r == 0)
		r = run_start(p->run, err);
	if (r == 0) {
		r = plan_go(&p->plan, p->run, err);
		if (r < 0 && !p->run->closed)
			r = runs_hint(p->run, p->pod.name, err);
	}
	plan_release(&p->plan);
	journal_close(&p->run->journal);
	p->run->dir = NULL;
	p->kube->past_stop = NULL;
	return r < 0 ? r : p->worked;
}

int pvc_visit_run(struct pvc_visit *visit, struct repo *repo,
		  const char *says,
		  int (*work)(void *arg, struct pvc_visit *visit,
			      struct err *err),
		  void *arg, struct err *err)
{
	OWNED_RUN struct run run = RUN_INIT;
	struct pod_run p = { .tool = visit->tool, .run = &run,
			     .kube = &visit->kube, .work = work, .arg = arg,
			     .visit = visit };
	int r;

	if (!visit->image) {
		open_far(visit, visit->door.pod, visit->door.container,
			 visit->door.mount);
		return work(arg, visit, err);
	}
	r = run_new(NULL, &run, err);
	if (r == 0)
		r = learn_facts(visit, says, &run, err);
	if (r < 0)
		return r;
	take_pod(&p, !visit->write);
	open_far(visit, p.pod.name, FAR_POD_CONTAINER, FAR_POD_MOUNT);
	return run_with_pod(&p, repo, err);
}

/* What is left of one is the pod: both ways remove it. */
static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	struct pod_run p = { .tool = tool, .run = run };
	struct kube_origin wanted = {
		.uid = (char *)(uintptr_t)run_fact(run, "cluster-uid"),
	};
	struct kube kube;
	uint64_t timeout;
	int r = run_fact_u64(run, "timeout", &timeout, err);

	(void)back;
	if (r < 0)
		return r;
	kube_init_as(&kube, run_fact(run, "kubectl"),
		     run_fact(run, "context"), run_fact(run, "kubeconfig"),
		     (int64_t)timeout);
	p.kube = &kube;
	take_pod(&p, true);
	r = kube_check_origin(&kube, &wanted, false, NULL, err);
	if (r == 0)
		r = make_plan(&p, err);
	if (r == 0 && run->proved == TREE_WHOLLY_NEW)
		r = plan_go(&p.plan, run, err);
	else if (r == 0)
		r = plan_back(&p.plan, run, accept, err);
	plan_release(&p.plan);
	if (r < 0)
		return run->closed ? r : runs_hint(run, p.pod.name, err);
	say(tool, "Pod '%s' is removed.", p.pod.name);
	return DONE;
}

const struct procedure procedure_pvc_visit = { PVC_VISIT_KIND, go_on };
