#include <inttypes.h>
#include <stdio.h>

#include "tools/far_scripts.h"
#include "tools/format.h"
#include "tools/push_pvc.h"
#include "tools/pvc_visit.h"

struct discarding {
	const char *target;
	uint64_t count;
};

static int discard(void *arg, struct pvc_visit *v, struct err *err)
{
	const char *slash = strrchr(v->name.path, '/');
	OWNED_BUF struct buf place = BUF_INIT, out = BUF_INIT;
	struct discarding *d = arg;
	const char *args[] = { NULL, "", "", d->target, NULL };
	int r;

	buf_printf(&place, "%s%s%.*s", v->mount, slash ? "/" : "",
		   slash ? (int)(slash - v->name.path) : 0, v->name.path);
	args[0] = buf_str(&place);
	if (!args[0])
		return err_nomem(err);
	r = far_run(&v->far, far_discard_kept, args, PUSH_PVC_LONG_S, &out,
		    err);
	if (r == 0 && !far_number(&out, "count", &d->count))
		r = err_set(err, -EPROTO, "pod '%s' does not say what it "
			    "discarded", v->far.where.pod);
	return r;
}

int push_pvc_discard(struct tool *tool, struct err *err)
{
	const char *word = tool->options.words[0];
	OWNED_VISIT struct pvc_visit visit = { .name.path = "" };
	OWNED_BUF struct buf question = BUF_INIT, target = BUF_INIT;
	OWNED_REPO struct repo *repo = NULL;
	struct discarding d = { .count = 0 };
	int r = tool_open_maybe(tool, &repo, err);

	if (r >= 0)
		r = pvc_visit_open(tool, word + sizeof(PVC_SCHEME) - 1, true,
				   &visit, err);
	if (r < 0)
		return r;
	buf_printf(&target, PVC_SCHEME "%s/%s%s%s", visit.name.ns,
		   visit.name.name, visit.name.path[0] ? ":" : "",
		   visit.name.path);
	buf_printf(&question, "discard all former trees of '%s', in cluster %s, "
		   "for good?", word, visit.cluster.server ?
		   visit.cluster.server : "?");
	d.target = buf_str(&target);
	if (!buf_str(&question) || !d.target)
		return err_nomem(err);
	if (option_given(&tool->options, "dry-run")) {
		say(tool, "Would %s", (char *)question.data);
		return DONE;
	}
	r = confirm(option_given(&tool->options, "yes"),
		    (char *)question.data, err);
	if (r <= 0)
		return r < 0 ? r : FAILED;
	catch_stop();
	r = pvc_visit_run(&visit, repo, "discard of former trees", discard,
			  &d, err);
	if (r < 0)
		return r;
	say(tool, "Discarded %s of '%s'.", counted(d.count, "former tree").s,
	    d.target);
	tool_log(repo, "push", "discarded %s of %s",
		 counted(d.count, "former tree").s, d.target);
	return DONE;
}
