#include "tools/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/kv.h"
#include "tools/shell.h"

#define STOP_MS_MAX (INT32_MAX / 2)

/* What is not looked at, of a volume's root, is no part of either tree. */
static const char *const skipped[] = { SWAP_PREFIX, NULL };
static const char *const skipped_lost[] = { SWAP_PREFIX, LOST_FOUND, NULL };

static int open_target(struct push *push, int *ret_fd, struct err *err)
{
	struct disk_dir dir;
	int r = disk_open(push->swap.target, &dir, err);

	if (r < 0)
		return r;
	*ret_fd = dup(dir.fd);
	disk_close(&dir);
	return *ret_fd < 0 ? err_sys(err, "cannot open '%s'",
				     push->swap.target) : 0;
}

static int look_at_target(struct push *push, struct swap_mark *mark,
			  struct swap_attributes *top, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	int r = open_target(push, &fd, err);

	if (r == 0 && mark)
		r = swap_mark(fd, !push->swap.entries ? NULL :
			      push->swap.keep_lost ? skipped_lost : skipped,
			      false, mark, err);
	return r < 0 ? r : swap_attributes_get(fd, top, err);
}

static int learn_top(struct push *push, const char *key,
		     const struct swap_attributes *top, struct err *err)
{
	char text[SWAP_ATTRIBUTES_TEXT];

	swap_attributes_text(top, text);
	return push_note(push, key, text, err);
}

static bool fact_is(const struct push *push, const char *key, const char *text)
{
	const char *fact = push_fact(push, key);

	return fact && !strcmp(fact, text);
}

static bool top_is(const struct push *push, const char *key,
		   const struct swap_attributes *top)
{
	char text[SWAP_ATTRIBUTES_TEXT];

	swap_attributes_text(top, text);
	return fact_is(push, key, text);
}

/* Give a volume's root the time it had, by the fact key. */
static int set_time(struct push *push, const char *key, struct err *err)
{
	const char *text = push_fact(push, key);
	struct swap_attributes top;

	if (!text || swap_attributes_parse(text, &top) < 0)
		return err_corrupt(err, "the journal of run %s has no '%s'",
				   push->run->id, key);
	return swap_set_mtime(push->swap.place, &top, err);
}

bool push_has_begun_swap(const struct run *run)
{
	return run_step_state(run, "swap") != STEP_NEW ||
	       run_step_state(run, "set-aside") != STEP_NEW;
}

/* claim */

static int claim(void *arg, struct err *err)
{
	OWNED_BUF struct buf about = BUF_INIT;
	struct swap_attributes top;
	struct push *push = arg;
	struct kv *kv = kv_new("varve-push", 1);
	const char *store = push_fact(push, "store");
	bool at_once = false;
	int r;

	if (!kv)
		return err_nomem(err);
	kv_put(kv, "run", push->run->id);
	kv_put(kv, "target", push->swap.target);
	kv_put(kv, "entries", push->swap.entries ? "1" : "0");
	kv_put(kv, "store", store ? store : "");
	kv_put(kv, "snapshot", push_fact(push, "label"));
	if (push_fact(push, "journal"))
		kv_put(kv, "journal", push_fact(push, "journal"));
	r = kv_write(kv, &about, err);
	kv_free(kv);
	if (r == 0 && !push->absent && !push_fact(push, "old-top")) {
		r = look_at_target(push, NULL, &top, err);
		if (r == 0)
			r = learn_top(push, "old-top", &top, err);
	}
	if (r == 0 && !buf_str(&about))
		r = err_nomem(err);
	if (r == 0)
		r = swap_claim(&push->swap, (char *)about.data, err);
	if (r == 0 && !push->swap.entries)
		r = swap_can_exchange(&push->swap, &at_once, err);
	if (r == 0)
		r = push_note(push, "exchange", at_once ? "1" : "0", err);
	if (r == 0 && !push->absent)
		r = look_at_target(push, NULL, &top, err);
	if (r == 0 && !push->absent)
		r = learn_top(push, "claimed-top", &top, err);
	if (r == 0)
		swap_unlock(&push->swap);
	return r;
}

static int unclaim(void *arg, struct err *err)
{
	struct push *push = arg;
	struct swap_attributes top;
	bool ours = false;
	int r = 0;

	if (swap_has(&push->swap, "old")) {
		/* only ever an empty one: else it holds the former tree */
		OWNED_BUF struct buf path = BUF_INIT;

		r = swap_path(&push->swap, "old", &path, err);
		if (r == 0 && rmdir((char *)path.data) < 0)
			r = err_sys(err, "the former tree is still in '%s'",
				    (char *)path.data);
	}
	/* what others did to the root's time is not taken back */
	if (r == 0 && push->swap.entries) {
		r = look_at_target(push, NULL, &top, err);
		ours = push_has_begun_swap(push->run) ||
		       !push_fact(push, "claimed-top") ||
		       top_is(push, "claimed-top", &top);
	}
	if (r == 0 && ours && push_fact(push, "old-top"))
		r = push_note(push, "claimed-by-us", "1", err);
	/* what others wrote stays, for --discard-old */
	if (r == 0)
		r = push_flag(push, "left") ?
		    swap_finish(&push->swap, err) :
		    swap_remove(&push->swap, NULL, err);
	if (r == 0 && push->swap.entries && push_flag(push, "claimed-by-us"))
		r = look_at_target(push, NULL, &top, err);
	if (r == 0 && push->swap.entries && push_flag(push, "claimed-by-us") &&
	    !top_is(push, "old-top", &top))
		r = set_time(push, "old-top", err);
	return r;
}

/* stage: push_stage.c */

/* Did somebody write into it while it was in place? */
static int check_staged(struct push *push, const char *noted, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct swap_mark mark, then;
	struct disk_dir dir;
	int r = swap_path(&push->swap, "new", &path, err);

	if (r == 0)
		r = disk_open((char *)path.data, &dir, err);
	if (r < 0)
		return r;
	r = swap_mark(dir.fd, NULL, false, &mark, err);
	disk_close(&dir);
	if (r < 0 || (swap_mark_parse(noted, &then) == 0 &&
		      swap_mark_equal(&mark, &then)))
		return r;
	err_set(err, -EUCLEAN, "something wrote into the new tree, which is "
		"now in '%s'", (char *)path.data);
	return err_hint(err, "look whether it is needed; 'varve rollback "
			"--accept %s' leaves it there and ends the run",
			push->run->id);
}

static int unstage(void *arg, struct err *err)
{
	struct push *push = arg;
	const char *noted = push_fact(push, "new-mark");
	int r = 0;

	if (!swap_has(&push->swap, "new"))
		return 0;
	if (noted && push_has_begun_swap(push->run) &&
	    !push_fact(push, "removing"))
		r = check_staged(push, noted, err);
	if (r == -EUCLEAN && push->accept)
		return push_note(push, "left", "1", err);
	if (r == 0)
		r = push_note(push, "removing", "1", err);
	return r < 0 ? r : swap_remove(&push->swap, "new", err);
}

/* stop and start */

/* fd: see shell_run_with(). */
static int run_command(struct push *push, int fd, const char *key,
		       const char *what, struct err *err)
{
	int left = plan_left_ms(&push->plan);
	int r = disk_step_outside(key, "run", err);

	if (left > STOP_MS_MAX)
		left = STOP_MS_MAX;
	return r < 0 ? r : shell_run_with(fd, what, push_fact(push, key), left,
					  err);
}

/* It holds the run's journal: while it goes on nobody starts again what it stops. What
 * is started may be there for good, and does not. */
static int stop_users(void *arg, struct err *err)
{
	struct push *push = arg;

	return run_command(push, push->run->journal.fd, "stop",
			   "stops what uses it", err);
}

static int start_users(void *arg, struct err *err)
{
	return run_command(arg, -1, "start", "starts what uses it", err);
}

static int hint_accept(const struct push *push, struct err *err)
{
	return err_hint(err, "look what became of it; 'varve rollback "
			"--accept %s' ends the run and starts nothing",
			push->run->id);
}

/* Is it still what was put there, or put back?  Of a start that was begun before, what
 * it started may have changed it since: then it is at least the same directory. */
static int ready_to_start(void *arg, struct err *err)
{
	struct push *push = arg;
	bool old = push->run->proved == TREE_WHOLLY_OLD;
	uint64_t inode;
	struct stat st;
	int r = 0;

	if (push->proved == push->run->proved)
		return 0;
	if (run_step_state(push->run, "start") == STEP_NEW) {
		r = push_prove(push, push->run->proved, err);
	} else if (!push->swap.entries && !old) {
		r = push_fact_u64(push, "new-inode", &inode, err);
		if (r == 0 && (lstat(push->swap.target, &st) < 0 ||
			       st.st_ino != inode))
			r = err_set(err, -EUCLEAN, "'%s' is not the tree that "
				    "was put there", push->swap.target);
	}
	return r == -EUCLEAN ? hint_accept(push, err) : r;
}

/* note */

static int nobody_uses_it(void *arg, struct err *err)
{
	struct push *push = arg;
	int r = push->absent && !push_has_begun_swap(push->run) ? 0 :
		push_check_use(push->swap.target, err);

	/* what was told to stop may take a while */
	return r == -EBUSY && push_fact(push, "stop") ? -EAGAIN : r;
}

static int note_old(void *arg, struct err *err)
{
	char text[SWAP_MARK_TEXT];
	struct push *push = arg;
	struct swap_attributes top;
	struct swap_mark mark;
	int r;

	if (push->absent)
		return access(push->swap.target, F_OK) < 0 ? 0 :
		       err_set(err, -EEXIST, "'%s' was made meanwhile",
			       push->swap.target);
	r = look_at_target(push, &mark, &top, err);
	/* its own staging directory changed the time of a volume's root */
	if (r == 0 && !top_is(push, "claimed-top", &top))
		r = learn_top(push, "old-top", &top, err);
	if (r == 0 && push->empty && mark.entries)
		r = err_set(err, -ENOTEMPTY, "something is in '%s', in which "
			    "nothing was", push->swap.target);
	if (r < 0)
		return r;
	swap_mark_text(&mark, text);
	return push_note(push, "old-mark", text, err);
}

/* the swap */

static int is_as_noted(struct push *push, struct err *err)
{
	char text[SWAP_MARK_TEXT];
	struct swap_attributes top;
	struct swap_mark mark;
	int r;

	if (push->absent)
		return note_old(push, err);
	r = look_at_target(push, &mark, &top, err);
	if (r < 0)
		return r;
	swap_mark_text(&mark, text);
	return fact_is(push, "old-mark", text) ? 0 :
	       err_set(err, -EUCLEAN, "something wrote into '%s' meanwhile",
		       push->swap.target);
}

static int ready_to_swap(void *arg, struct err *err)
{
	struct push *push = arg;
	int r = nobody_uses_it(push, err);

	if (r == 0 && !push_has_begun_swap(push->run))
		r = is_as_noted(push, err);
	return r;
}

static int swap_facts(struct push *push, bool *ret_at_once, uint64_t *ret_inode,
		      struct err *err)
{
	*ret_at_once = push_flag(push, "exchange");
	return push_fact_u64(push, "new-inode", ret_inode, err);
}

static int swap_in(void *arg, struct err *err)
{
	struct push *push = arg;
	uint64_t inode;
	bool at_once;
	int r = swap_facts(push, &at_once, &inode, err);

	return r < 0 ? r : swap_whole(&push->swap, at_once, inode, err);
}

static int swap_out(void *arg, struct err *err)
{
	struct push *push = arg;
	uint64_t inode;
	bool at_once;
	int r = swap_facts(push, &at_once, &inode, err);

	return r < 0 ? r : swap_whole_back(&push->swap, at_once, inode, err);
}

static int set_aside(void *arg, struct err *err)
{
	return swap_set_aside(&((struct push *)arg)->swap, err);
}

static int set_aside_back(void *arg, struct err *err)
{
	return swap_set_aside_back(&((struct push *)arg)->swap, err);
}

static int put(void *arg, struct err *err)
{
	struct push *push = arg;
	int r = swap_put(&push->swap, err);

	if (r == 0)
		r = set_time(push, "new-top", err);
	return r < 0 ? r : disk_step_outside(push->swap.target, "keep", err);
}

static int put_back(void *arg, struct err *err)
{
	return swap_put_back(&((struct push *)arg)->swap, err);
}

/* the proof */

static int not_as_noted(const struct push *push, const struct swap_mark *now,
			const char *noted, const char *what, struct err *err)
{
	const char *target = push->swap.target;
	struct swap_mark then;

	if (!noted || swap_mark_parse(noted, &then) < 0)
		return err_set(err, -EUCLEAN, "'%s' is not wholly the %s tree, "
			       "of which nothing was noted", target, what);
	if (then.entries == now->entries && then.bytes == now->bytes)
		return err_set(err, -EUCLEAN, "'%s' is not wholly the %s tree: "
			       "it has as many entries and bytes, and "
			       "something was changed", target, what);
	return err_set(err, -EUCLEAN, "'%s' is not wholly the %s tree: it has "
		       "%" PRIu64 " entries and %" PRIu64 " bytes, and %"
		       PRIu64 " and %" PRIu64 " were noted", target, what,
		       now->entries, now->bytes, then.entries, then.bytes);
}

static int prove_is(struct push *push, const char *mark_key,
		    const char *top_key, const char *what, struct err *err)
{
	char text[SWAP_MARK_TEXT];
	struct swap_attributes top;
	struct swap_mark mark;
	int r = look_at_target(push, &mark, &top, err);

	if (r < 0)
		return r;
	swap_mark_text(&mark, text);
	if (!fact_is(push, mark_key, text))
		return not_as_noted(push, &mark, push_fact(push, mark_key),
				    what, err);
	if (!top_is(push, top_key, &top))
		return err_set(err, -EUCLEAN, "the attributes of '%s' are not "
			       "those of the %s tree", push->swap.target,
			       what);
	return 0;
}

/* Nothing was moved yet, and what is in it is whose who uses it; but is it there? */
static int prove_untouched(struct push *push, struct err *err)
{
	const char *target = push->swap.target;
	char identity[PUSH_IDENTITY_TEXT] = "";

	if (push->absent)
		return access(target, F_OK) < 0 ? 0 :
		       err_set(err, -EUCLEAN, "'%s' was made meanwhile",
			       target);
	if (!push_fact(push, "identity"))
		return 0;
	if (push_identity(target, identity, NULL) == 0 &&
	    fact_is(push, "identity", identity))
		return 0;
	return err_set(err, -EUCLEAN, "'%s' is not the directory that it was "
		       "when the run began", target);
}

int push_prove(void *arg, enum run_tree tree, struct err *err)
{
	struct push *push = arg;
	int r = disk_step_outside(push->swap.target, "prove", err);

	if (r < 0)
		return r;
	if (tree == TREE_WHOLLY_NEW)
		r = prove_is(push, "new-mark", "new-top", "new", err);
	else if (!push_has_begun_swap(push->run))
		r = prove_untouched(push, err);
	else if (push->absent)
		r = access(push->swap.target, F_OK) < 0 ? 0 :
		    err_set(err, -EUCLEAN, "'%s' is still there",
			    push->swap.target);
	else
		r = prove_is(push, "old-mark", "old-top", "former", err);
	if (r == 0)
		push->proved = tree;
	return r == -EUCLEAN && tree == TREE_WHOLLY_OLD ?
	       hint_accept(push, err) : r;
}

/* the end */

static int keep_former(void *arg, struct err *err)
{
	struct push *push = arg;
	const char *text = push_fact(push, "old-top");
	struct swap_attributes former;
	int r = 0;

	if (push->swap.entries && text &&
	    swap_attributes_parse(text, &former) == 0)
		r = swap_settle(&push->swap, &former, err);
	return r < 0 ? r : swap_finish(&push->swap, err);
}

static int discard_former(void *arg, struct err *err)
{
	struct push *push = arg;
	struct swap_attributes top;
	int r = 0;

	if (push->swap.entries)
		r = look_at_target(push, NULL, &top, err);
	if (r == 0 && push->swap.entries && top_is(push, "new-top", &top))
		r = push_note(push, "top-is-ours", "1", err);
	if (r == 0 && swap_has(&push->swap, SWAP_ABOUT))
		r = swap_finish(&push->swap, err);
	if (r == 0)
		r = swap_remove(&push->swap, "old", err);
	if (r == 0)
		r = swap_remove(&push->swap, SWAP_ABOUT, err);
	if (r == 0)
		r = swap_remove(&push->swap, NULL, err);
	if (r == 0 && push_flag(push, "top-is-ours"))
		r = set_time(push, "new-top", err);
	return r;
}

/* The plan. */

struct plan_step *push_step(struct push *push, const char *name,
			    struct err *err, const char *fmt, ...)
{
	struct plan_step *step;
	va_list ap;

	va_start(ap, fmt);
	step = plan_addv(&push->plan, name, fmt, ap);
	va_end(ap);
	if (!step)
		err_nomem(err);
	return step;
}

int push_add_begin(struct push *push, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct plan_step *step;
	int r = swap_path(&push->swap, "", &path, err);

	if (r < 0)
		return r;
	step = push_step(push, "claim", err, "make the staging directory '%s'",
			 (char *)path.data);
	if (!step)
		return -ENOMEM;
	step->act = claim;
	step->undo = unclaim;
	step = push_step(push, "stage", err, "restore %s into it",
			 push_fact(push, "label"));
	if (!step)
		return -ENOMEM;
	step->act = push_stage;
	step->undo = unstage;
	step = push_step(push, "verify", err, "read all of it back from the "
			 "disk, and compare it with the snapshot");
	if (!step)
		return -ENOMEM;
	step->act = push_verify;
	return 0;
}

int push_add_stop(struct push *push, struct err *err)
{
	const char *stop = push_fact(push, "stop");
	struct plan_step *step;

	if (!stop)
		return 0;
	step = push_step(push, "stop", err, "stop what uses '%s': %s",
			 push->name, stop);
	if (!step)
		return -ENOMEM;
	step->act = stop_users;
	step->deadline_s = push->deadline_s;
	return 0;
}

/* One of those that exchange: it waits until nobody uses the target. */
static int set_move(const struct push *push, struct plan_step *step,
		    plan_step_fn *act, plan_step_fn *undo)
{
	if (!step)
		return -ENOMEM;
	step->ready = ready_to_swap;
	step->act = act;
	step->undo = undo;
	step->deadline_s = push->deadline_s;
	return 0;
}

int push_add_swap(struct push *push, struct err *err)
{
	const char *target = push->swap.target;
	struct plan_step *step;
	int r;

	step = push_step(push, "note", err, push->absent ?
			 "look that '%s' is still not there" :
			 "look that nobody uses '%s', and note what is in it",
			 target);
	if (!step)
		return -ENOMEM;
	step->ready = nobody_uses_it;
	step->act = note_old;
	step->deadline_s = push->deadline_s;
	if (!push->swap.entries) {
		step = push_step(push, "swap", err, push->absent ?
				 "put the new tree in its place, '%s'" :
				 "exchange the new tree and '%s'", target);
		return set_move(push, step, swap_in, swap_out);
	}
	step = push_step(push, "set-aside", err, "move each entry of '%s' "
			 "aside, as a volume's root cannot be exchanged",
			 target);
	r = set_move(push, step, set_aside, set_aside_back);
	if (r < 0)
		return r;
	step = push_step(push, "put", err, "move each entry of the new tree "
			 "into '%s', and set its attributes", target);
	return set_move(push, step, put, put_back);
}

int push_add_start(struct push *push, struct err *err)
{
	const char *start = push_fact(push, "start");
	struct plan_step *step;

	if (!start)
		return 0;
	step = push_step(push, "start", err, "start what uses it: %s", start);
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_RESTART | PLAN_SPARE;
	step->starts = "stop";
	/* what was mounted for the push alone is away by then */
	if (!strcmp(push->name, push->swap.target))
		step->ready = ready_to_start;
	step->act = start_users;
	step->deadline_s = push->deadline_s;
	return 0;
}

int push_add_end(struct push *push, struct err *err)
{
	bool nothing = push->absent || push->empty;
	OWNED_BUF struct buf path = BUF_INIT;
	struct plan_step *step;
	int r = swap_path(&push->swap, "old", &path, err);

	if (r < 0)
		return r;
	if (push->discard || nothing)
		step = push_step(push, "discard", err, nothing ?
				 "remove the staging directory" :
				 "DISCARD the former tree, for good");
	else
		step = push_step(push, "keep", err, "keep the former tree in "
				 "'%s'", (char *)path.data);
	if (!step)
		return -ENOMEM;
	step->flags = PLAN_END;
	if (push->discard && !nothing)
		step->flags |= PLAN_DESTROYS;
	step->act = push->discard || nothing ? discard_former : keep_former;
	return 0;
}
