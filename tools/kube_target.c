#include "tools/kube_target.h"

#include <stdio.h>

#include "tools/format.h"
#include "tools/target.h"

static const char *known(const char *text)
{
	return text ? text : "not known";
}

int kube_require_target(const struct kube_origin *now, struct err *err)
{
	if (now->uid)
		return 0;
	err_set(err, -EREMOTEIO, "cannot tell which cluster it is: kubectl "
		"does not give the namespace 'kube-system'%s%s", now->why ?
		": " : "", now->why ? now->why : "");
	return err_hint(err, "'varve doctor' with the procedure's name tells "
			"what of the cluster it wants; --context chooses "
			"another one");
}

static void print_json(const struct kube_origin *now)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "cluster_uid", now->uid ? now->uid : "");
	json_str(&json, "server", now->server ? now->server : "");
	json_str(&json, "context", now->context ? now->context : "");
	json_close_object(&json);
	json_print(&line);
}

void kube_print_target(const struct kube_origin *now, bool as_json)
{
	if (as_json)
		print_json(now);
	else
		printf("in cluster %s (%s, context %s):\n", known(now->uid),
		       now->server ? now->server : "?",
		       now->context ? now->context : "?");
}

void kube_say_target(const struct tool *tool, const struct kube_origin *now)
{
	say(tool, "Cluster %s (%s, context %s).", known(now->uid),
	    now->server ? now->server : "?",
	    now->context ? now->context : "?");
}

int kube_check_record(const struct tool *tool, const struct record *record,
		      const struct kube_origin *now, struct err *err)
{
	CLEANUP(kube_origin_release) struct kube_origin was = { .uid = NULL };
	bool other = option_given(&tool->options, "other-cluster");
	char label[LABEL_TEXT];
	int r;

	kube_origin_of(record, &was);
	snapshot_label(record, label);
	if (!was.uid) {
		note(tool, "'%s' does not say which cluster it is of", label);
		return 0;
	}
	r = kube_compare_origin(&was, now, other, err);
	if (r < 0)
		return err_wrap(err, "'%s'", label);
	if (!now->uid || strcmp(was.uid, now->uid) != 0)
		note(tool, "'%s' is of another cluster, %s (%s)", label,
		     was.uid, known(was.server));
	return 0;
}

int kube_check_run(struct kube *kube, const struct run *run, const char *uid_key,
		   const char *server_key, struct err *err)
{
	CLEANUP(kube_origin_release) struct kube_origin now = { .uid = NULL };
	const char *uid = run_fact(run, uid_key);
	int r = uid ? kube_find_origin(kube, &now, err) : 0;

	if (r < 0 || !uid)
		return r;
	if (!now.uid) {
		err_set(err, -EREMOTEIO, "cannot tell whether it is the "
			"cluster of run %s, %s (%s)", run->id, uid,
			known(run_fact(run, server_key)));
		return err_hint(err, "may kubectl 'get namespace "
				"kube-system'?");
	}
	if (!strcmp(uid, now.uid))
		return 0;
	err_set(err, -EXDEV, "run %s is of cluster %s (%s), and this is %s "
		"(%s)", run->id, uid, known(run_fact(run, server_key)),
		now.uid, known(now.server));
	return err_hint(err, "configure kubectl for that cluster, then again");
}
