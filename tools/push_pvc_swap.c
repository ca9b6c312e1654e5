#include "tools/push_pvc.h"

#include <stdio.h>

#include "tools/far_scripts.h"

static const char *text_of(const struct push_pvc *push, const char *key)
{
	const char *value = run_fact(push->run, key);

	return value ? value : "";
}

static bool is_root(const struct push_pvc *push)
{
	return !push->name[0];
}

bool push_pvc_swapped(const struct run *run)
{
	return run_step_state(run, "swap") != STEP_NEW ||
	       run_step_state(run, "set-aside") != STEP_NEW;
}

static void put_value(struct buf *out, const struct buf *said,
		      const char *key)
{
	struct span value = far_value(said, key);

	buf_clear(out);
	buf_append(out, value.data, value.len);
}

int push_pvc_mark(struct push_pvc *push, bool staged, struct buf *mark,
		  struct buf *top, struct err *err)
{
	const char *const more[] = { staged ? "new" : "target", NULL };
	OWNED_BUF struct buf out = BUF_INIT;
	int r = push_pvc_far(push, far_mark, more, PUSH_PVC_LONG_S, &out, err);

	if (r < 0)
		return r;
	if (far_value(&out, "broken").len)
		return err_set(err, -EIO, "cannot read all of what is in the "
			       "volume of '%s/%s'", push->claim.ns,
			       push->claim.name);
	put_value(mark, &out, "mark");
	put_value(top, &out, "top");
	if (staged && far_value(&out, "inode").len && r == 0)
		r = run_learnf(push->run, err, "new-inode", "%.*s",
			       (int)far_value(&out, "inode").len,
			       (const char *)far_value(&out, "inode").data);
	if (r == 0 && (!buf_str(mark) || !buf_str(top)))
		return err_nomem(err);
	return r < 0 || (mark->len && top->len) ? r :
	       err_set(err, -EPROTO, "pod '%s' does not say what is in the "
		       "volume", push->far.where.pod);
}

/* note */

static int is_absent(struct push_pvc *push, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	int r = push_pvc_far(push, far_look, NULL, PUSH_PVC_SHORT_S, &out,
			     err);

	return r < 0 || span_equal(far_value(&out, "kind"),
				   span_str("absent")) ? r :
	       err_set(err, -EEXIST, "'%s' was made meanwhile", push->name);
}

static int nobody(void *arg, struct err *err)
{
	struct push_pvc *push = arg;

	return push_pvc_nobody(push, err);
}

static int note_old(void *arg, struct err *err)
{
	OWNED_BUF struct buf mark = BUF_INIT, top = BUF_INIT;
	struct push_pvc *push = arg;
	int r;

	if (run_fact(push->run, "absent"))
		return is_absent(push, err);
	r = push_pvc_mark(push, false, &mark, &top, err);
	if (r == 0)
		r = run_learn(push->run, "old-mark", (char *)mark.data, err);
	/* its own staging directory changed the time of a volume's root */
	if (r == 0)
		r = run_learn(push->run, "old-top", is_root(push) &&
			      !strcmp((char *)top.data,
				      text_of(push, "claimed-top")) ?
			      text_of(push, "first-top") : (char *)top.data,
			      err);
	return r;
}

/* the swap */

static int ready(void *arg, struct err *err)
{
	OWNED_BUF struct buf mark = BUF_INIT, top = BUF_INIT;
	struct push_pvc *push = arg;
	int r = push_pvc_nobody(push, err);

	if (r < 0 || push_pvc_swapped(push->run))
		return r;
	if (run_fact(push->run, "absent"))
		return is_absent(push, err);
	r = push_pvc_mark(push, false, &mark, &top, err);
	return r < 0 || !strcmp((char *)mark.data, text_of(push, "old-mark")) ?
	       r : err_set(err, -EUCLEAN, "something wrote into the volume of "
			   "'%s/%s' meanwhile", push->claim.ns,
			   push->claim.name);
}

static int run_swap(struct push_pvc *push, const char *script,
		    const char *fourth, const char *time_key, struct err *err)
{
	const char *top = text_of(push, time_key);
	const char *space = strrchr(top, ' ');
	const char *const more[] = { fourth, space ? space + 1 : "", NULL };
	OWNED_BUF struct buf out = BUF_INIT;

	return push_pvc_far(push, script, more, PUSH_PVC_LONG_S, &out, err);
}

static int swap_in(void *arg, struct err *err)
{
	return run_swap(arg, far_swap, text_of(arg, "new-inode"), "", err);
}

static int swap_out(void *arg, struct err *err)
{
	return run_swap(arg, far_swap_back, text_of(arg, "new-inode"), "",
			err);
}

static int set_aside(void *arg, struct err *err)
{
	return run_swap(arg, far_set_aside, text_of(arg, "keep-lost"), "",
			err);
}

static int set_aside_back(void *arg, struct err *err)
{
	return run_swap(arg, far_set_aside_back, text_of(arg, "keep-lost"),
			"old-top", err);
}

static int put(void *arg, struct err *err)
{
	return run_swap(arg, far_put, text_of(arg, "keep-lost"), "new-top",
			err);
}

static int put_back(void *arg, struct err *err)
{
	return run_swap(arg, far_put_back, text_of(arg, "keep-lost"),
			"old-top", err);
}

int push_pvc_add_swap(struct push_pvc *push)
{
	struct plan *plan = &push->plan;
	struct plan_step *step;

	step = plan_add(plan, "note", push->in_use ?
			"note what is in it, though it is in use" :
			"look that nobody else has the claim, and note what is "
			"in it");
	if (!step)
		return -ENOMEM;
	step->ready = nobody;
	step->deadline_s = push->deadline_s;
	step->act = note_old;
	step = is_root(push) ?
	       plan_add(plan, "set-aside", "move each entry of the volume "
			"aside") :
	       plan_add(plan, "swap", "move '%s' aside, and the new tree into "
			"its place", push->name);
	if (!step)
		return -ENOMEM;
	step->ready = ready;
	step->deadline_s = push->deadline_s;
	step->act = is_root(push) ? set_aside : swap_in;
	step->undo = is_root(push) ? set_aside_back : swap_out;
	if (!is_root(push))
		return 0;
	step = plan_add(plan, "put", "move each entry of the new tree into the "
			"volume, and set its attributes");
	if (!step)
		return -ENOMEM;
	step->ready = ready;
	step->deadline_s = push->deadline_s;
	step->act = put;
	step->undo = put_back;
	return 0;
}

/* the proof */

static int prove_is(struct push_pvc *push, const char *mark_key,
		    const char *top_key, const char *what, struct err *err)
{
	OWNED_BUF struct buf mark = BUF_INIT, top = BUF_INIT;
	int r = push_pvc_mark(push, false, &mark, &top, err);

	if (r < 0)
		return r;
	if (strcmp((char *)mark.data, text_of(push, mark_key)) != 0)
		return err_set(err, -EUCLEAN, "what is in '%s' is not wholly "
			       "the %s tree", text_of(push, "target"), what);
	if (strcmp((char *)top.data, text_of(push, top_key)) != 0)
		return err_set(err, -EUCLEAN, "the attributes of '%s' (%s) are "
			       "not those of the %s tree (%s)",
			       text_of(push, "target"), (char *)top.data, what,
			       text_of(push, top_key));
	return 0;
}

int push_pvc_prove(void *arg, enum run_tree tree, struct err *err)
{
	struct push_pvc *push = arg;

	if (tree == TREE_WHOLLY_NEW)
		return prove_is(push, "new-mark", "new-top", "new", err);
	/* nothing of it was touched */
	if (!push_pvc_swapped(push->run))
		return 0;
	if (run_fact(push->run, "absent"))
		return is_absent(push, err);
	return prove_is(push, "old-mark", "old-top", "former", err);
}
