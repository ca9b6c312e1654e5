#include "tools/push_pvc.h"

#include <inttypes.h>
#include <stdio.h>

#include "fs/base/disk.h"
#include "fs/out/export.h"
#include "tools/digest.h"
#include "tools/far_scripts.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/push_pvc_expect.h"

#define WARNINGS 20	/* lines of tar's that are shown */

/* The archive on its way. */
struct pouring {
	struct far_stream stream;
	struct digest digest;
	uint64_t len;
	bool lost;		/* the far side takes no more */
};

static int pour(void *arg, struct span bytes, struct err *err)
{
	struct pouring *p = arg;
	int r = child_put(&p->stream.child, bytes, err);

	digest_put(&p->digest, bytes);
	p->len += bytes.len;
	p->lost = r == -EPIPE || r == -ETIMEDOUT;
	return r;
}

static void show_warning(void *arg, const char *sentence)
{
	(void)arg;
	progress_wipe();
	warn("%s", sentence);
}

static void show_progress(void *arg, uint64_t files, uint64_t bytes)
{
	struct progress_state state = {
		.phase = "streaming", .done = bytes, .total = NOT_KNOWN,
		.is_bytes = true, .files = files, .grown = NOT_KNOWN,
	};

	(void)arg;
	progress_show(&state);
}

/* What tar says on the far side without failing. */
static void tell_warnings(const struct child_end *end)
{
	const char *at = (const char *)end->said.data;
	size_t left = end->said.len;

	for (int i = 0; left > 0 && i < WARNINGS; i++) {
		const char *stop = memchr(at, '\n', left);
		size_t len = stop ? (size_t)(stop - at) : left;

		if (len)
			warn("in the pod: %.*s", (int)len, at);
		len += stop != NULL;
		at += len;
		left -= len;
	}
}

static int export_all(struct push_pvc *push, struct pouring *p,
		      struct err *err)
{
	struct export_options options = {
		.format = EXPORT_TAR, .owner = push->owner,
		.to = { pour, p }, .warn = show_warning,
		.progress = show_progress, .arg = push, .stop = &stopped,
	};
	struct export_report report;
	int r;

	progress_start(push->quiet);
	r = export_tree(push->tree.tree, &push->tree.node, &options, &report,
			err);
	progress_end();
	return r;
}

static int compare(const struct pouring *p, const struct buf *out,
		   const struct child_end *end, struct err *err)
{
	char sum[DIGEST_TEXT];
	struct digest digest = p->digest;
	struct span there = far_value(out, "sum");
	uint64_t len;

	if (!far_number(out, "len", &len) || !there.len)
		return err_set(err, -EREMOTEIO, "the far side does not say "
			       "what came");
	digest_end(&digest, sum);
	if (len != p->len)
		return err_set(err, -EREMOTEIO, "of %" PRIu64 " bytes of the "
			       "stream %" PRIu64 " came", p->len, len);
	if (!span_equal(there, span_str(sum)))
		return err_set(err, -EREMOTEIO, "the stream came with another "
			       "digest than it went");
	if (!far_value(out, "tar").len)
		return 0;
	tell_warnings(end);
	return err_set(err, -EIO, "tar failed in the pod; the warnings above "
		       "say why");
}

static int stream_once(struct push_pvc *push, struct err *err)
{
	const char *lost = run_fact(push->run, "keep-lost");
	const char *const args[] = { push->place, push->staging, push->name,
				     lost ? lost : "", NULL };
	OWNED_BUF struct buf out = BUF_INIT;
	struct pouring p = { .len = 0 };
	int r, end;

	digest_begin(&p.digest);
	r = far_begin(&push->far, far_stage, args, &p.stream, err);
	if (r == 0)
		r = export_all(push, &p, err);
	/* who takes no more says why; who was to be given more is not asked */
	if (r == 0 || p.lost) {
		end = far_end(&push->far, &p.stream, &out, err);
		r = end < 0 ? end : compare(&p, &out, &p.stream.end, err);
		if (r == 0)
			tell_warnings(&p.stream.end);
	}
	far_stream_release(&p.stream);
	return r;
}

static bool was_lost(int r)
{
	return r == -EREMOTEIO || r == -ETIMEDOUT || r == -EPIPE;
}

/* An earlier try may still be unpacking on the far side: each begins with an
 * empty directory of its own making, and only one that is whole counts. */
int push_pvc_stage(void *arg, struct err *err)
{
	struct push_pvc *push = arg;
	int r = disk_step_outside(push->place, "stage", err);

	if (r == 0)
		r = push_pvc_open_tree(push, err);
	for (unsigned i = 0; r == 0; i++) {
		r = stream_once(push, err);
		if (r == 0 || !was_lost(r) || i + 1 >= PUSH_PVC_TRIES)
			break;
		say(push->tool, "%s; again.", err ? err->text : "it was lost");
		r = 0;
	}
	return r;
}

static int read_back(struct push_pvc *push, struct expect *expect,
		     struct err *err)
{
	const char *const args[] = { push->place, push->staging, push->name,
				     NULL };
	int r = far_read(&push->far, far_read_back, args, expect_take, expect,
			 err);

	return r < 0 ? r : expect_end(expect, err);
}

int push_pvc_verify(void *arg, struct err *err)
{
	OWNED_BUF struct buf mark = BUF_INIT, top = BUF_INIT;
	struct push_pvc *push = arg;
	int r = push_pvc_open_tree(push, err);

	for (unsigned i = 0; r == 0; i++) {
		OWNED_EXPECT struct expect expect = EXPECT_INIT;

		r = expect_make(push->tree.tree, &push->tree.node, push->owner,
				run_fact(push->run, "keep-lost") != NULL,
				&stopped, &expect, err);
		if (r == 0)
			r = read_back(push, &expect, err);
		if (r == 0 || !was_lost(r) || i + 1 >= PUSH_PVC_TRIES)
			break;
		say(push->tool, "%s; again.", err ? err->text : "it was lost");
		r = 0;
	}
	if (r == 0)
		r = push_pvc_mark(push, true, &mark, &top, err);
	if (r == 0)
		r = run_learn(push->run, "new-mark", (char *)mark.data, err);
	return r < 0 ? r : run_learn(push->run, "new-top", (char *)top.data,
				     err);
}
