#include "tools/push_pvc.h"

#include <inttypes.h>
#include <stdio.h>

#include "fs/base/kv.h"
#include "tools/far_scripts.h"
#include "tools/format.h"

#define ROOM_MARGIN (1u << 20)
#define ROOM_SHARE 64
#define ROOM_INODES 8
#define KEY_ROOM 32
#define FAR_MORE 4

int push_pvc_far(struct push_pvc *push, const char *script,
		 const char *const *more, int64_t timeout_s, struct buf *out,
		 struct err *err)
{
	const char *args[FAR_MORE + 4] = { push->place, push->staging,
					   push->name };
	size_t n = 3;

	for (; more && *more && n < FAR_MORE + 3; more++)
		args[n++] = *more;
	args[n] = NULL;
	return far_run(&push->far, script, args, timeout_s, out, err);
}

static const char *text_of(const struct push_pvc *push, const char *key)
{
	const char *value = run_fact(push->run, key);

	return value ? value : "";
}

/* pod */

static int have_pod(void *arg, struct err *err)
{
	struct push_pvc *push = arg;

	return far_pod_await(&push->kube, &push->pod, push->deadline_s, err);
}

static int remove_pod(void *arg, struct err *err)
{
	struct push_pvc *push = arg;

	return far_pod_remove(&push->kube, &push->pod, err);
}

static int pod_is_gone(void *arg, struct err *err)
{
	struct push_pvc *push = arg;

	return far_pod_gone(&push->kube, &push->pod, err);
}

/* look */

static int check_room(struct push_pvc *push, const struct buf *seen,
		      struct err *err)
{
	uint64_t bytes, inodes, need_bytes, need_inodes, free_bytes;
	char want[SIZE_TEXT], have[SIZE_TEXT];
	int r = run_fact_u64(push->run, "bytes", &bytes, err);

	if (r == 0)
		r = run_fact_u64(push->run, "inodes", &inodes, err);
	if (r < 0)
		return r;
	need_bytes = bytes + bytes / ROOM_SHARE + ROOM_MARGIN;
	need_inodes = inodes + ROOM_INODES;
	if (!far_number(seen, "bytes", &free_bytes))
		return err_set(err, -EPROTO, "cannot tell how full the volume "
			       "is");
	size_text(need_bytes, want);
	size_text(free_bytes, have);
	if (free_bytes < need_bytes)
		err_set(err, -ENOSPC, "no room for the new tree beside the "
			"present one: it takes %s (%" PRIu64 " bytes), and %s "
			"(%" PRIu64 ") are free in the volume of '%s/%s'",
			want, need_bytes, have, free_bytes, push->claim.ns,
			push->claim.name);
	else if (far_number(seen, "inodes", &inodes) && inodes < need_inodes)
		err_set(err, -ENOSPC, "no room for the new tree beside the "
			"present one: it takes %" PRIu64 " inodes, and %" PRIu64
			" are free in the volume of '%s/%s'", need_inodes,
			inodes, push->claim.ns, push->claim.name);
	else
		return 0;
	return err_hint(err, "nothing was done; grow the claim, or 'varve push "
			"--discard-old' what earlier pushes kept");
}

static int check_user(struct push_pvc *push, const struct buf *seen,
		      struct err *err)
{
	uint64_t uid;

	if (!far_number(seen, "uid", &uid))
		return err_set(err, -EPROTO, "cannot tell who runs in pod "
			       "'%s'", push->far.where.pod);
	if (uid == 0 || (push->owner && push->owner->uid == uid))
		return 0;
	err_set(err, -EPERM, "pod '%s' runs as user %" PRIu64 ", which cannot "
		"give files to others", push->far.where.pod, uid);
	return err_hint(err, "--owner %" PRIu64 ":GID gives it all to that "
			"user", uid);
}

static int check_kind(struct push_pvc *push, const struct buf *seen,
		      struct err *err)
{
	struct span kind = far_value(seen, "kind");
	struct span other = far_value(seen, "other");
	struct span mounted = far_value(seen, "mounted");
	const char *path = push->claim.path;

	if (other.len) {
		err_set(err, -EBUSY, "another push to '%s/%s' has not come to "
			"its end: run %.*s", push->claim.ns, push->claim.name,
			(int)other.len, (const char *)other.data);
		return err_hint(err, "'varve resume' goes on with it, 'varve "
				"rollback' takes it back, where its journal "
				"is");
	}
	if (mounted.len)
		return err_set(err, -EBUSY, "in pod '%s' something else is "
			       "mounted in it, on '%.*s'", push->far.where.pod,
			       (int)mounted.len, (const char *)mounted.data);
	if (far_value(seen, "writable").len == 0)
		return err_set(err, -EROFS, "'%s' in pod '%s' cannot be "
			       "written", push->place, push->far.where.pod);
	if (span_equal(kind, span_str("dir")) ||
	    span_equal(kind, span_str("absent")))
		return 0;
	return err_set(err, -ENOTDIR, "'%s' in the volume is %s", path,
		       span_equal(kind, span_str("link")) ?
		       "a symbolic link: name the directory itself" :
		       "not a directory");
}

static int learn_span(struct push_pvc *push, const char *key,
		      struct span value, struct err *err)
{
	return run_learnf(push->run, err, key, "%.*s", (int)value.len,
			  value.len ? (const char *)value.data : "");
}

static int look(void *arg, struct err *err)
{
	OWNED_BUF struct buf seen = BUF_INIT;
	struct push_pvc *push = arg;
	struct span lack;
	int r = push_pvc_far(push, far_look, NULL, PUSH_PVC_SHORT_S, &seen,
			     err);

	if (r < 0)
		return r;
	lack = far_value(&seen, "lack");
	if (lack.len) {
		err_set(err, -ENOSYS, "pod '%s' lacks what is needed in it:"
			"%.*s", push->far.where.pod, (int)lack.len,
			(const char *)lack.data);
		return err_hint(err, "--image debian:12-slim, or another with "
				"GNU's tar, find and coreutils, and flock");
	}
	r = check_user(push, &seen, err);
	if (r == 0)
		r = check_kind(push, &seen, err);
	if (r == 0)
		r = check_room(push, &seen, err);
	if (r == 0 && span_equal(far_value(&seen, "kind"),
				 span_str("absent")))
		r = run_learn(push->run, "absent", "1", err);
	if (r == 0 && far_value(&seen, "lost").len)
		r = run_learn(push->run, "keep-lost", "1", err);
	if (r == 0)
		r = learn_span(push, "first-top", far_value(&seen, "top"),
			       err);
	return r;
}

/* claim */

/* "755 0 0 1611277200.000000000": the time. */
static const char *time_of(const struct push_pvc *push, const char *key)
{
	const char *top = text_of(push, key), *space = strrchr(top, ' ');

	return space ? space + 1 : "";
}

static int claim(void *arg, struct err *err)
{
	OWNED_BUF struct buf about = BUF_INIT, out = BUF_INIT;
	struct push_pvc *push = arg;
	struct kv *kv = kv_new("varve-push", 1);
	const char *more[2] = { NULL };
	int r;

	if (!kv)
		return err_nomem(err);
	kv_put(kv, "run", push->run->id);
	kv_put(kv, "target", text_of(push, "target"));
	kv_put(kv, "store", text_of(push, "store"));
	kv_put(kv, "snapshot", text_of(push, "label"));
	r = kv_write(kv, &about, err);
	kv_free(kv);
	/* the script ends it with a line break */
	while (about.len && about.data[about.len - 1] == '\n')
		about.len--;
	if (r == 0 && !(more[0] = buf_str(&about)))
		r = err_nomem(err);
	if (r == 0)
		r = push_pvc_far(push, far_claim, more, PUSH_PVC_SHORT_S, &out,
				 err);
	return r < 0 ? r : learn_span(push, "claimed-top",
				      far_value(&out, "top"), err);
}

static int unclaim(void *arg, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct push_pvc *push = arg;
	bool swapped = push_pvc_swapped(push->run);
	const char *const more[] = {
		time_of(push, swapped ? "old-top" : "first-top"),
		/* what others did to the root's time is not taken back */
		swapped ? "" : text_of(push, "claimed-top"), NULL
	};

	/* what others wrote stays, for --discard-old */
	return push_pvc_far(push, run_fact(push->run, "left") ? far_keep :
			    far_unclaim, more, PUSH_PVC_LONG_S, &out, err);
}

/* Did somebody write into it while it was in place? */
static int check_staged(struct push_pvc *push, struct err *err)
{
	OWNED_BUF struct buf mark = BUF_INIT, top = BUF_INIT;
	int r = push_pvc_mark(push, true, &mark, &top, err);

	if (r < 0 || !strcmp(buf_str(&mark) ? (char *)mark.data : "",
			     text_of(push, "new-mark")))
		return r;
	err_set(err, -EUCLEAN, "something wrote into the new tree, which is "
		"now in '%s/new'", push->staging);
	return err_hint(err, "look whether it is needed; 'varve rollback "
			"--accept %s' leaves it there and ends the run",
			push->run->id);
}

static int unstage(void *arg, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct push_pvc *push = arg;
	int r = 0;

	if (push_pvc_swapped(push->run) && run_fact(push->run, "new-mark") &&
	    !run_fact(push->run, "removing"))
		r = check_staged(push, err);
	if (r == -EUCLEAN && push->accept)
		return run_learn(push->run, "left", "1", err);
	if (r == 0)
		r = run_learn(push->run, "removing", "1", err);
	return r < 0 ? r : push_pvc_far(push, far_unstage, NULL,
					PUSH_PVC_LONG_S, &out, err);
}

/* stop and start */

static int scale_all(struct push_pvc *push, bool up, struct err *err)
{
	char key[KEY_ROOM];
	const char *what;
	uint64_t replicas = 0;
	int r = 0;

	for (int i = 0; r == 0 && i < PUSH_PVC_SCALE_MAX; i++) {
		snprintf(key, sizeof(key), "scale-%d", i);
		what = run_fact(push->run, key);
		if (!what)
			break;
		snprintf(key, sizeof(key), "replicas-%d", i);
		if (up)
			r = run_fact_u64(push->run, key, &replicas, err);
		if (r == 0)
			r = kube_scale(&push->kube, push->claim.ns, what,
				       (int64_t)replicas, err);
		if (r < 0)
			err_wrap(err, "cannot scale %s to %" PRIu64, what,
				 replicas);
	}
	return r;
}

static int stop_users(void *arg, struct err *err)
{
	return scale_all(arg, false, err);
}

static int start_users(void *arg, struct err *err)
{
	return scale_all(arg, true, err);
}

static int users_are_gone(void *arg, struct err *err)
{
	return push_pvc_nobody(arg, err);
}

int push_pvc_nobody(struct push_pvc *push, struct err *err)
{
	OWNED_JDOC struct jdoc pods = JDOC_INIT;
	struct span first;
	size_t count;
	int r;

	if (push->in_use)
		return 0;
	r = kube_pods_of_claim(&push->kube, push->claim.ns, push->claim.name,
			       &pods, err);
	if (r < 0)
		return r;
	count = pvc_users(&pods, push->own_pod ? push->pod_name : NULL,
			  &first);
	if (count == 0)
		return 0;
	/* what was told to stop may take a while */
	return err_set(err, run_fact(push->run, "scale-0") ? -EAGAIN : -EBUSY,
		       "the claim '%s/%s' is in use by %s, as '%.*s'",
		       push->claim.ns, push->claim.name,
		       counted(count, "pod").s, (int)first.len,
		       (const char *)first.data);
}

/* the end */

static int keep_former(void *arg, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct push_pvc *push = arg;
	const char *const more[] = { time_of(push, "new-top"), NULL };

	return push_pvc_far(push, far_keep, more, PUSH_PVC_SHORT_S, &out, err);
}

static int discard_former(void *arg, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct push_pvc *push = arg;
	const char *const more[] = { time_of(push, "new-top"), NULL };

	/* an end that is told first: who finds the rest knows that it is one */
	int r = push_pvc_far(push, far_keep, more, PUSH_PVC_SHORT_S, &out,
			     err);

	return r < 0 ? r : push_pvc_far(push, far_discard, more,
					PUSH_PVC_LONG_S, &out, err);
}

/* The plan. */

static int add_begin(struct push_pvc *push)
{
	struct plan *plan = &push->plan;
	struct plan_step *step;

	if (push->own_pod) {
		step = plan_add(plan, "pod", "start pod '%s' with the claim, "
				"from image %s%s%s", push->pod_name,
				push->pod.image,
				push->pod.node ? ", on node " : "",
				push->pod.node ? push->pod.node : "");
		if (!step)
			return -ENOMEM;
		step->act = have_pod;
	}
	step = plan_add(plan, "look", "look into the volume, in pod '%s': room, "
			"and what is in it", push->far.where.pod);
	if (!step)
		return -ENOMEM;
	step->act = look;
	step = plan_add(plan, "claim", "make the staging directory '%s' in it",
			push->staging);
	if (!step)
		return -ENOMEM;
	step->act = claim;
	step->undo = unclaim;
	step = plan_add(plan, "stage", "stream %s into it, and compare length "
			"and digest", text_of(push, "label"));
	if (!step)
		return -ENOMEM;
	step->act = push_pvc_stage;
	step->undo = unstage;
	step = plan_add(plan, "verify", "read all of it back there, and "
			"compare it with the snapshot");
	if (!step)
		return -ENOMEM;
	step->act = push_pvc_verify;
	return 0;
}

/* "deployment/web (2), statefulset/db (1)" */
static void scaled_text(const struct push_pvc *push, struct buf *out)
{
	char key[KEY_ROOM], count[KEY_ROOM];

	for (int i = 0; i < PUSH_PVC_SCALE_MAX; i++) {
		snprintf(key, sizeof(key), "scale-%d", i);
		snprintf(count, sizeof(count), "replicas-%d", i);
		if (run_fact(push->run, key))
			buf_printf(out, "%s%s (%s)", i ? ", " : "",
				   text_of(push, key), text_of(push, count));
	}
}

static int add_scale(struct push_pvc *push, bool up)
{
	OWNED_BUF struct buf all = BUF_INIT;
	struct plan_step *step;

	if (!run_fact(push->run, "scale-0"))
		return 0;
	scaled_text(push, &all);
	if (!buf_str(&all))
		return -ENOMEM;
	step = plan_add(&push->plan, up ? "start" : "stop", up ?
			"scale back, as it was: %s" : "scale to 0, and wait "
			"until nobody has the claim: %s", (char *)all.data);
	if (!step)
		return -ENOMEM;
	step->act = up ? start_users : stop_users;
	step->deadline_s = push->deadline_s;
	if (up) {
		step->flags = PLAN_RESTART | PLAN_SPARE;
		step->starts = "stop";
	} else {
		step->check = users_are_gone;
	}
	return 0;
}

static int add_end(struct push_pvc *push)
{
	struct plan_step *step;

	if (add_scale(push, true) < 0)
		return -ENOMEM;
	step = plan_add(&push->plan, push->discard ? "discard" : "keep",
			push->discard ? "DISCARD the former tree, for good%s" :
			"keep the former tree in '%s/old'",
			push->discard ? "" : push->staging);
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_END | (push->discard ? PLAN_DESTROYS : 0);
	step->act = push->discard ? discard_former : keep_former;
	if (!push->own_pod)
		return 0;
	step = plan_add(&push->plan, "remove-pod", "remove pod '%s'",
			push->pod_name);
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_RESTART;
	step->starts = "pod";
	step->act = remove_pod;
	step->check = pod_is_gone;
	step->deadline_s = push->deadline_s;
	return 0;
}

int push_pvc_add_steps(struct push_pvc *push, struct err *err)
{
	if (add_begin(push) < 0 || add_scale(push, false) < 0 ||
	    push_pvc_add_swap(push) < 0 || add_end(push) < 0)
		return err_nomem(err);
	push->plan.prove = push_pvc_prove;
	push->plan.arg = push;
	return 0;
}
