#include <inttypes.h>
#include <stdio.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/push_pvc.h"
#include "tools/runs.h"

/* What the command is told and finds, before there is a run. */
struct beginning {
	struct tool *tool;
	struct repo *repo;
	struct target tree;
	struct pvc_name name;
	struct kube kube;
	struct kube_origin cluster;
	struct pvc pvc;
	struct pvc_door door;
	struct push_room room;
	const char *image;
	char owner[PUSH_OWNER_TEXT];	/* "": as in the snapshot */
	int64_t deadline_s;
};

static void beginning_release(struct beginning *b)
{
	target_close(&b->tree);
	if (b->repo)
		repo_close(b->repo);
	pvc_name_release(&b->name);
	kube_origin_release(&b->cluster);
	pvc_release(&b->pvc);
}

static const char *option_of(const struct beginning *b, const char *name)
{
	return option_value(&b->tool->options, name);
}

static bool is_given(const struct beginning *b, const char *name)
{
	return option_given(&b->tool->options, name);
}

/* Before the cluster is asked anything. */
static int take_options(struct beginning *b, struct err *err)
{
	const char *owner = option_of(b, "owner");
	const char *deadline = option_of(b, "deadline");
	int r = 0;

	if (is_given(b, "in-use") && is_given(b, "scale"))
		return err_set(err, -EINVAL, "--in-use and --scale exclude "
			       "each other");
	if (owner)
		r = push_owner_given(owner, b->owner, err);
	b->deadline_s = PUSH_DEADLINE_S;
	if (r == 0 && deadline &&
	    duration_parse(deadline, &b->deadline_s, err) < 0)
		r = err_wrap(err, "--deadline");
	return r < 0 ? r : far_pod_check(option_of(b, "run-as"),
					 option_of(b, "fs-group"), err);
}

static int open_snapshot(struct beginning *b, struct err *err)
{
	const struct options *o = &b->tool->options;
	char label[LABEL_TEXT];
	int r = tool_open_maybe(b->tool, &b->repo, err);

	b->tree.older = OLDER_REFUSED;
	if (r >= 0)
		r = target_open(b->repo, o->words[0], &b->tree, err);
	if (r >= 0 && !option_given(o, "incomplete"))
		r = target_refuse_partial(&b->tree, "pushes", err);
	if (r >= 0 && b->tree.node.entry.type != ENTRY_DIR) {
		snapshot_label(&b->tree.snapshot.record, label);
		return err_set(err, -ENOTDIR, "'%s' in %s is not a directory",
			       b->tree.path, label);
	}
	if (r >= 0)
		r = push_measure(b->tree.tree, &b->tree.node, &b->room, err);
	return r < 0 ? r : 0;
}

static int find_cluster(struct beginning *b, struct err *err)
{
	int64_t timeout_s;
	int r = kube_timeout(&b->tool->options, &timeout_s, err);

	if (r < 0)
		return r;
	kube_init(&b->kube, &b->tool->options, timeout_s);
	r = kube_find_origin(&b->kube, &b->cluster, err);
	if (r == 0)
		r = kube_check_record(b->tool, &b->tree.snapshot.record,
				      &b->cluster, err);
	return r < 0 ? r : kube_require_target(&b->cluster, err);
}

/* Each pod that has the claim must be one of what is scaled. */
static int check_covered(const struct beginning *b, const struct jdoc *scaled,
			 size_t count, struct err *err)
{
	const struct jnode *pod = jnode_get(b->pvc.pods.root, "items")->child;

	for (; pod; pod = pod->next) {
		struct span name = jnode_text(pod, "metadata.name");
		bool covered = false;

		for (size_t i = 0; i < count; i++)
			covered |= pvc_selects(scaled[i].root, pod);
		if (covered)
			continue;
		err_set(err, -EBUSY, "the claim '%s/%s' is in use by pod "
			"'%.*s'%s", b->name.ns, b->name.name, (int)name.len,
			(const char *)name.data, count ? ", which is of "
			"nothing that --scale names" : "");
		return err_hint(err, "--scale deployment/NAME stops what uses "
				"it, and starts it again; --in-use pushes "
				"while it is used");
	}
	return 0;
}

static int learn_scaled(const struct beginning *b, struct run *run,
			const struct jdoc *scaled, size_t count,
			struct err *err)
{
	uint64_t replicas;
	char key[32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!jnode_u64(scaled[i].root, "spec.replicas", &replicas))
			return err_set(err, -EPROTO, "%s has no number of "
				       "replicas", option_nth(&b->tool->options,
							      "scale", i));
		snprintf(key, sizeof(key), "scale-%zu", i);
		r = run_learn(run, key, option_nth(&b->tool->options, "scale",
						   i), err);
		snprintf(key, sizeof(key), "replicas-%zu", i);
		if (r == 0)
			r = run_learnf(run, err, key, "%" PRIu64, replicas);
	}
	return r;
}

static int look_at_scaled(struct beginning *b, struct run *run,
			  struct err *err)
{
	struct jdoc scaled[PUSH_PVC_SCALE_MAX] = { JDOC_INIT };
	const char *what;
	size_t n = 0;
	int r = 0;

	while (r == 0 && (what = option_nth(&b->tool->options, "scale", n))) {
		if (strncmp(what, "deployment/", 11) != 0 &&
		    strncmp(what, "statefulset/", 12) != 0)
			r = err_set(err, -EINVAL, "--scale '%s' is neither "
				    "deployment/NAME nor statefulset/NAME",
				    what);
		else if (n == PUSH_PVC_SCALE_MAX)
			r = err_set(err, -E2BIG, "--scale: more than %d",
				    PUSH_PVC_SCALE_MAX);
		else
			r = kube_get_one(&b->kube, b->name.ns, what,
					 &scaled[n], err);
		n += r == 0;
	}
	if (r == 0 && !is_given(b, "in-use"))
		r = check_covered(b, scaled, n, err);
	if (r == 0)
		r = learn_scaled(b, run, scaled, n, err);
	for (size_t i = 0; i < n; i++)
		jdoc_release(&scaled[i]);
	return r;
}

static int find_claim(struct beginning *b, struct run *run, struct err *err)
{
	bool used;
	int r = pvc_find(&b->kube, &b->name, &b->pvc, err);

	if (r < 0)
		return r;
	if (b->pvc.no_write)
		return err_set(err, -EROFS, "the claim '%s/%s' is read-only",
			       b->name.ns, b->name.name);
	r = look_at_scaled(b, run, err);
	if (r < 0)
		return r;
	used = jnode_get(b->pvc.pods.root, "items")->child != NULL;
	b->image = option_of(b, "image");
	if (used && b->pvc.one_pod && b->image)
		return err_set(err, -EBUSY, "the claim '%s/%s' can be in one "
			       "pod at a time, and is in one: stop that first",
			       b->name.ns, b->name.name);
	if (b->image)
		return 0;
	if (is_given(b, "in-use") &&
	    pvc_find_door(&b->pvc, b->name.name, true, &b->door, err) == 0)
		return 0;
	err_set(err, -EINVAL, "there is no pod through which '%s/%s' could be "
		"written", b->name.ns, b->name.name);
	return err_hint(err, "--image debian:12-slim starts one; the image "
			"must have GNU's tar, find and coreutils, and flock");
}

/* Facts: all that the plan is made from. */

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

static void put_number(struct noting *n, const char *key, uint64_t value)
{
	if (n->code == 0)
		n->code = run_learnf(n->run, n->err, key, "%" PRIu64, value);
}

static void put_snapshot(struct noting *n, const struct beginning *b)
{
	const struct record *record = &b->tree.snapshot.record;
	char hex[2 * RECORD_ID + 1], label[LABEL_TEXT];

	hex_write(record->id, RECORD_ID, hex);
	snapshot_label(record, label);
	put(n, "kind", PUSH_PVC_KIND);
	put(n, "store", repo_path(b->repo));
	put(n, "snapshot", hex);
	if (n->code == 0)
		n->code = run_learnf(n->run, n->err, "label", "%s%s%s", label,
				     b->tree.path[0] ? ":" : "",
				     b->tree.path);
	put(n, "path", b->tree.path);
	put_number(n, "bytes", b->room.bytes);
	put_number(n, "inodes", b->room.inodes);
}

static void put_cluster(struct noting *n, const struct beginning *b)
{
	put(n, "cluster-uid", b->cluster.uid);
	put(n, "cluster-server", b->cluster.server);
	put(n, "kubectl", b->kube.kubectl);
	/* also where it was the current one: that may be another tomorrow */
	put(n, "context", b->kube.context ? b->kube.context :
	    b->cluster.context);
	put(n, "kubeconfig", b->kube.kubeconfig);
	put_number(n, "timeout", (uint64_t)b->kube.timeout_s);
}

static void put_pod(struct noting *n, const struct beginning *b)
{
	char name[FAR_POD_NAME];

	far_pod_name(n->run->id, name);
	put(n, "image", b->image);
	put(n, "node", b->pvc.one_node ? b->pvc.node : NULL);
	put(n, "run-as", option_of(b, "run-as"));
	put(n, "fs-group", option_of(b, "fs-group"));
	put(n, "pod", b->image ? name : b->door.pod);
	put(n, "container", b->image ? FAR_POD_CONTAINER : b->door.container);
	put(n, "mount", b->image ? FAR_POD_MOUNT : b->door.mount);
}

static int learn_facts(const struct beginning *b, struct run *run,
		       struct err *err)
{
	struct noting n = { .run = run, .err = err };

	put_snapshot(&n, b);
	put_cluster(&n, b);
	put_pod(&n, b);
	if (n.code == 0)
		n.code = run_learnf(run, err, "claim", "%s/%s:%s", b->name.ns,
				    b->name.name, b->name.path);
	if (n.code == 0)
		n.code = run_learnf(run, err, "target", PVC_SCHEME "%s/%s%s%s",
				    b->name.ns, b->name.name,
				    b->name.path[0] ? ":" : "", b->name.path);
	if (n.code == 0)
		n.code = run_learnf(run, err, "staging", SWAP_PREFIX "%s",
				    run->id);
	put(&n, "owner", b->owner[0] ? b->owner : NULL);
	put(&n, "discard", is_given(b, "discard-old") ? "1" : NULL);
	put(&n, "in-use", is_given(b, "in-use") ? "1" : NULL);
	put_number(&n, "deadline",
		   (uint64_t)(b->deadline_s < 1 ? 1 : b->deadline_s));
	return n.code;
}

/* The plan, shown and gone through. */

static void show(const struct beginning *b, const struct push_pvc *push)
{
	const struct run *run = push->run;
	char size[SIZE_TEXT];

	size_text(b->room.bytes, size);
	if (!b->tool->json)
		printf("%s to '%s' (%s, %s)\n", run_fact(run, "label"),
		       run_fact(run, "target"),
		       counted(b->room.inodes, "entry").s, size);
	kube_print_target(&b->cluster, b->tool->json);
	plan_show(&push->plan, b->tool->json);
	fflush(stdout);
}

static int ask(const struct beginning *b, const struct run *run,
	       struct err *err)
{
	OWNED_BUF struct buf question = BUF_INIT;

	buf_printf(&question, "replace what is in '%s'%s?",
		   run_fact(run, "target"), is_given(b, "discard-old") ?
		   ", and DISCARD it" : "");
	if (!buf_str(&question))
		return err_nomem(err);
	return confirm(is_given(b, "yes"), (char *)question.data, err);
}

static int go(struct beginning *b, struct run *run, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_PUSH_PVC struct push_pvc push = { .tree = TARGET_INIT };
	int r = push_pvc_make(b->tool, run, b->repo, &push, err);

	if (r < 0)
		return r;
	if (is_given(b, "dry-run") || !is_given(b, "yes"))
		show(b, &push);
	if (is_given(b, "dry-run"))
		return DONE;
	r = ask(b, run, err);
	if (r == 0)
		say(b->tool, "Nothing was done.");
	if (r <= 0)
		return r < 0 ? r : FAILED;
	r = runs_open(b->tool, b->repo, true, &dir, err);
	run->dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, run_fact(run, "target"), err);
	if (r == 0)
		r = run_start(run, err);
	if (r == 0) {
		say(b->tool, "Run %s.", run->id);
		r = push_pvc_end(b->tool, &push,
				 plan_go(&push.plan, run, err), err);
	}
	/* dir goes first */
	journal_close(&run->journal);
	run->dir = NULL;
	return r;
}

int push_pvc(struct tool *tool, struct err *err)
{
	CLEANUP(beginning_release) struct beginning b = {
		.tool = tool, .tree = TARGET_INIT, .name.path = "",
	};
	OWNED_RUN struct run run = RUN_INIT;
	int r = take_options(&b, err);

	if (r == 0)
		r = pvc_name_parse(tool->options.words[1] +
				   sizeof(PVC_SCHEME) - 1, &b.name, err);
	if (r == 0)
		r = open_snapshot(&b, err);
	if (r < 0)
		return r;
	catch_stop();
	r = find_cluster(&b, err);
	if (r == 0)
		r = run_new(NULL, &run, err);
	if (r == 0)
		r = find_claim(&b, &run, err);
	if (r == 0)
		r = learn_facts(&b, &run, err);
	return r < 0 ? r : go(&b, &run, err);
}
