#include "tools/vmbc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "tools/add_parts.h"
#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/self.h"

#define CONCOP "./concop"
#define WAIT_S 1800		/* a checkpoint comes at a stable number */
#define POLL_S 2
#define EXEC_S 300

struct creating {
	struct tool *tool;
	struct vmbc_cluster cluster;
	struct vmbc vmbc;
	char *base;
	char *pod, *container;
	int64_t wait_s;
	uint64_t before;	/* the newest number that any replica has */
	bool had;
	struct disk_dir said;	/* the operator's words, each a file */
	char *said_path;
};

static void creating_release(struct creating *c)
{
	if (c->said_path) {
		static const char *const names[] = {
			"create.out", "create.err", "create.json",
			"status.out", "status.err", "status.json",
		};

		for (size_t i = 0; i < 6; i++)
			unlinkat(c->said.fd, names[i], 0);
		disk_close(&c->said);
		rmdir(c->said_path);
		free(c->said_path);
	}
	vmbc_cluster_release(&c->cluster);
	vmbc_release(&c->vmbc);
	free(c->base);
	free(c->pod);
	free(c->container);
}

/* The operator. */

/* POD, or POD/CONTAINER. */
static int take_operator(struct creating *c, const char *given,
			 struct err *err)
{
	const char *slash = strchr(given, '/');

	c->pod = slash ? strndup(given, (size_t)(slash - given)) :
			 strdup(given);
	c->container = slash ? strdup(slash + 1) : NULL;
	return c->pod && (!slash || c->container) ? 0 : err_nomem(err);
}

static bool is_operator(const struct jnode *pod)
{
	struct span name = jnode_text(pod, "metadata.name");

	return jnode_is(pod, "status.phase", "Running") && name.len &&
	       memmem(name.data, name.len, "operator", 8);
}

static int take_pod(struct creating *c, const struct jnode *pod,
		    struct err *err)
{
	const struct jnode *list = jnode_path(pod, "spec.containers");
	struct span name = jnode_text(pod, "metadata.name");
	struct span first = list && list->child ?
			    jnode_text(list->child, "name") :
			    span_of(NULL, 0);

	if (!c->pod)
		c->pod = strndup((const char *)name.data, name.len);
	if (!c->container && first.len)
		c->container = strndup((const char *)first.data, first.len);
	return c->pod && c->container ? 0 : err_nomem(err);
}

static int find_operator(struct creating *c, struct err *err)
{
	const char *const words[] = { "pods", "-n", c->vmbc.ns, NULL };
	const char *given = option_value(&c->tool->options, "operator");
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *one, *found = NULL;
	unsigned count = 0;
	int r = given ? take_operator(c, given, err) : 0;

	if (r < 0 || c->container)
		return r;
	r = kube_get(&c->cluster.kube, words, &doc, err);
	if (r < 0)
		return err_wrap(err, "cannot look for the operator");
	one = jnode_get(doc.root, "items")->child;
	for (; one; one = one->next)
		if (given ? jnode_is(one, "metadata.name", c->pod) :
			    is_operator(one)) {
			found = one;
			count++;
		}
	if (count == 1)
		return take_pod(c, found, err);
	err_set(err, -ENODATA, given ? "there is no pod '%s'" : count ?
		"%2$u pods of namespace %1$s are called operators" :
		"no running pod of namespace %s is called an operator",
		given ? given : c->vmbc.ns, count);
	return err_hint(err, "--operator POD[/CONTAINER] says which is");
}

/* What it said, as it said it. */

static int keep(struct creating *c, const char *name, struct span bytes,
		struct err *err)
{
	int fd, r = disk_create(&c->said, name, &fd, err);

	if (r < 0)
		return r;
	r = disk_write(&c->said, name, fd, 0, bytes, err);
	close(fd);
	return r;
}

static int keep_about(struct creating *c, const char *name, int status,
		      struct stamp from, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char began[STAMP_TEXT], ended[STAMP_TEXT];
	struct json json;

	stamp_iso(from, began);
	stamp_iso(stamp_now(), ended);
	json_init(&json, &out);
	json_open_object(&json, NULL);
	json_str(&json, "pod", c->pod);
	json_str(&json, "container", c->container);
	json_i64(&json, "status", status);
	json_str(&json, "began", began);
	json_str(&json, "ended", ended);
	json_close_object(&json);
	buf_append_byte(&out, '\n');
	return buf_str(&out) ? keep(c, name, buf_span(&out), err) :
	       err_nomem(err);
}

/* 0: it ran, and its words are kept; *ret_status its own. */
static int concop(struct creating *c, const char *what, int *ret_status,
		  struct err *err)
{
	const char *program = option_value(&c->tool->options, "concop");
	const char *const argv[] = { program ? program : CONCOP,
				     "db-checkpoint", what, NULL };
	const struct kube_container where = { c->vmbc.ns, c->pod,
					      c->container };
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct stamp from = stamp_now();
	char name[32];
	int r = kube_exec(&c->cluster.kube, &where, argv, span_of(NULL, 0),
			  EXEC_S, &end, err);

	if (r < 0)
		return r;
	*ret_status = end.status;
	snprintf(name, sizeof(name), "%s.out", what);
	r = keep(c, name, buf_span(&end.out), err);
	snprintf(name, sizeof(name), "%s.err", what);
	if (r == 0)
		r = keep(c, name, buf_span(&end.said), err);
	snprintf(name, sizeof(name), "%s.json", what);
	if (r == 0)
		r = keep_about(c, name, end.status, from, err);
	if (r == 0 && !c->tool->quiet && end.out.len)
		fwrite(end.out.data, 1, end.out.len, stderr);
	return r;
}

static int make_said(struct creating *c, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	int r;

	if (asprintf(&c->said_path, "%s/varve-concop.XXXXXX", tmp && *tmp ?
		     tmp : "/tmp") < 0) {
		c->said_path = NULL;
		return err_nomem(err);
	}
	r = mkdtemp(c->said_path) ? disk_open(c->said_path, &c->said, err) :
	    err_sys(err, "cannot make '%s'", c->said_path);
	if (r < 0) {
		free(c->said_path);
		c->said_path = NULL;
	}
	return r;
}

static int store_said(struct creating *c, struct err *err)
{
	OWNED_BUF struct buf source = BUF_INIT;
	struct words words = { .count = 0 };
	char self[PATH_MAX];
	int r = self_find(self, err);

	buf_printf(&source, "%s/operator", c->base);
	if (r < 0 || !buf_str(&source))
		return r < 0 ? r : err_nomem(err);
	words_put(&words, self);
	words_put(&words, "add");
	words_put(&words, "--quiet");
	words_put(&words, "--store");
	words_put(&words, c->tool->store);
	words_put(&words, "-k");
	words_put(&words, "dir");
	words_put(&words, "-s");
	words_put(&words, buf_str(&source));
	words_put(&words, c->said_path);
	r = self_run(&words, err);
	if (r > 0)
		warn("what the operator said was not added to the store as it "
		     "should be");
	return r;
}

/* The new one. */

static void nap(void)
{
	struct timespec pause = { .tv_sec = POLL_S };

	nanosleep(&pause, NULL);
}

/* The newest number behind the former ones that any replica has. */
static bool newer(const struct creating *c, uint64_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < c->vmbc.count; i++) {
		const struct vmbc_replica *r = &c->vmbc.replicas[i];

		for (size_t j = 0; j < r->point_count; j++) {
			uint64_t n = r->points[j].number;

			if (r->points[j].state == POINT_UNFINISHED ||
			    (c->had && n <= c->before))
				continue;
			if (!found || n > *ret)
				*ret = n;
			found = true;
		}
	}
	return found;
}

/*
 * All have it whole, twice in a row: concord prepares what RocksDB has made, and
 * only then is it one.  -ETIMEDOUT: it did not come, or not to all: then
 * *ret_number is what some have, and *ret_some.
 */
static int await(struct creating *c, uint64_t *ret_number, bool *ret_some,
		 struct err *err)
{
	int64_t until = stamp_now().s + c->wait_s;
	CLEANUP(free_ptr) char *why = NULL;
	uint64_t number = 0, seen = 0;
	unsigned times = 0;
	int r = 0;

	*ret_some = false;
	while (r == 0) {
		r = vmbc_judge(c->tool, &c->vmbc, err);
		if (r < 0)
			return r;
		*ret_some = newer(c, &number);
		free(why);
		why = NULL;
		if (*ret_some && vmbc_everywhere(&c->vmbc, number, &why)) {
			times = number == seen ? times + 1 : 1;
			seen = number;
		} else {
			times = 0;
		}
		*ret_number = number;
		if (times == 2)
			return 0;
		if (stopped)
			return err_set(err, -ECANCELED, "stopped");
		if (times == 0 && stamp_now().s >= until)
			break;
		nap();
	}
	if (!*ret_some)
		return err_set(err, -ETIMEDOUT, "no replica has a new "
			       "checkpoint");
	return err_set(err, -ETIMEDOUT, "checkpoint %" PRIu64 " is not on all: "
		       "%s", number, why ? why : "");
}

static int create(struct creating *c, struct err *err)
{
	uint64_t number = 0;
	bool some;
	int status = 0, r = make_said(c, err), late;

	if (r == 0)
		r = concop(c, "create", &status, err);
	if (r < 0)
		return err_wrap(err, "cannot ask the operator in pod %s",
				c->pod);
	if (status != 0) {
		store_said(c, err);
		return err_set(err, -EIO, "the operator did not make a "
			       "checkpoint: status %d; what it said is in the "
			       "store, as %s/operator", status, c->base);
	}
	say(c->tool, "The operator was asked; waiting for the checkpoint on "
	    "%s.", counted(c->vmbc.wanted, "replica").s);
	late = await(c, &number, &some, err);
	/* beside what is there, what the operator says that there is */
	if (late != -ECANCELED && concop(c, "status", &status, NULL) < 0)
		warn("the operator's status could not be asked for");
	r = store_said(c, late < 0 ? NULL : err);
	if (late < 0 && !some)
		return late;
	if (late < 0)
		complain(err);
	if (r < 0)
		return r;
	status = r;
	r = vmbc_add_set(c->tool, &c->vmbc, c->base, number, -1,
			 c->tool->quiet, err);
	if (r < 0)
		return r;
	status = worse_status(status, late < 0 ? INCOMPLETE : r);
	if (status == DONE)
		say(c->tool, "Checkpoint %" PRIu64 " of all %u replicas is in "
		    "the store, as %s/replica-*@checkpoint=%" PRIu64 ".",
		    number, c->vmbc.wanted, c->base, number);
	return status;
}

static int find(struct creating *c, struct err *err)
{
	const struct options *o = &c->tool->options;
	const char *wait = option_value(o, "deadline");
	OWNED_REPO struct repo *repo = NULL;
	int r = tool_open(c->tool, REPO_READ, &repo, err);

	c->wait_s = WAIT_S;
	if (r == 0 && wait && duration_parse(wait, &c->wait_s, err) < 0)
		r = err_wrap(err, "--deadline");
	if (r == 0)
		r = vmbc_ask(c->tool, option_value(o, "blockchain"),
			     &c->cluster, err);
	if (r == 0)
		r = vmbc_take_words(c->tool, 1, &c->cluster, &c->vmbc, err);
	if (r == 0)
		r = vmbc_base(c->tool, &c->vmbc, &c->base, err);
	if (r == 0)
		r = vmbc_take_settings(c->tool, &c->cluster, &c->vmbc, err);
	if (r == 0)
		r = vmbc_judge(c->tool, &c->vmbc, err);
	if (r == 0)
		c->had = newer(c, &c->before);
	for (unsigned n = 0; r == 0 && n < c->vmbc.wanted; n++) {
		const struct vmbc_replica *replica = vmbc_has(&c->vmbc, n);

		if (!replica || !replica->dir)
			r = err_set(err, -ENODATA, "the data of replica %u is "
				    "not on this machine: its checkpoint could "
				    "not be seen", n);
	}
	return r < 0 ? r : find_operator(c, err);
}

int vmbc_create(struct tool *tool, struct err *err)
{
	CLEANUP(creating_release) struct creating c = { .tool = tool };
	const struct options *o = &tool->options;
	int r;

	catch_stop();
	r = find(&c, err);
	if (r < 0)
		return r;
	if (option_given(o, "dry-run")) {
		kube_print_target(&c.cluster.origin, false);
		printf("%s db-checkpoint create in pod %s, container %s, "
		       "namespace %s; then checkpoint by checkpoint into the "
		       "store, as %s/replica-N\n",
		       option_given(o, "concop") ? option_value(o, "concop") :
		       CONCOP, c.pod, c.container, c.vmbc.ns,
		       c.base);
		return DONE;
	}
	r = confirm(option_given(o, "yes"), "make a checkpoint, for which the "
		    "replicas may remove their oldest one?", err);
	if (r == 0)
		say(tool, "Nothing was done.");
	return r < 0 ? r : r == 0 ? FAILED : create(&c, err);
}
