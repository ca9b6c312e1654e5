#include "tools/kube_act.h"
#include "tools/pg_scan.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/progress.h"
#include "tools/report.h"

/* Above the 120 s after which pgBackRest says by itself who is silent. */
#define DEADLINE_S 150
#define AT_ONCE 8		/* databases that are asked */
/* No namespace is called so: there is no '_' in their names. */
#define SOURCE_WORD "pg_audit"

struct auditing {
	struct tool *tool;
	struct kube kube;
	struct kube_origin origin;
	struct pg_clusters clusters;
	struct pg_asking asking;
	struct pg_scan scan;
	struct stamp began;
	bool keeps;
	struct buf source;	/* of what is kept */
};

static void auditing_release(struct auditing *a)
{
	kube_origin_release(&a->origin);
	pg_clusters_release(&a->clusters);
	pg_scan_release(&a->scan);
	buf_release(&a->source);
}

/* What is asked of each. */

static int ask_one(const struct pg_asking *asking, struct pg_row *row,
		   struct err *err)
{
	OWNED_PG_INFO struct pg_info info = { .code = PG_CODE_NONE };
	int r = pg_ask_info(asking, row->namespace, row->pod, &info, err);

	if (r < 0)
		return r;
	row->outcome = info.outcome;
	row->why = info.why;
	info.why = NULL;
	row->partial = info.partial;
	row->code = info.code;
	return pg_ask_wal(asking, row->namespace, row->pod, &row->wal, err);
}

static int choose(struct auditing *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	bool all = o->word_count == 1;
	int r = 0;

	for (size_t i = 0; i < a->clusters.count; i++)
		a->clusters.cluster[i].wanted = all;
	for (size_t i = 1; r == 0 && i < o->word_count; i++) {
		struct pg_cluster *cluster;

		r = pg_cluster_named(&a->clusters, o->words[i], &cluster, err);
		if (r == 0)
			cluster->wanted = true;
	}
	return r;
}

static int find_source(struct auditing *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	const char *namespace = option_value(o, "namespace");
	struct buf *source = &a->source;
	int r = kube_source_prefix(&a->origin, option_value(o, "source"),
				   source, err);

	if (r < 0)
		return r;
	buf_append_str(source, "/" SOURCE_WORD);
	if (namespace)
		buf_printf(source, "/%s", namespace);
	return buf_str(source) ? source_check_new(buf_str(source), err) :
				 err_nomem(err);
}

static int find(struct auditing *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	int r;

	/* lists come quickly, or not at all */
	kube_init(&a->kube, o, KUBE_TIMEOUT_S);
	r = kube_find_origin(&a->kube, &a->origin, err);
	if (r == -ENOENT)
		err_hint(err, "--kubectl names another, as oc");
	if (r < 0)
		return r;
	r = pg_clusters_find(&a->kube, option_value(o, "namespace"),
			     &a->clusters, err);
	if (r < 0)
		return r == -ECANCELED ? r : 
			err_wrap(err, "cannot ask for the PostgresClusters");
	/* before it takes its time */
	if (a->keeps)
		r = find_source(a, err);
	if (r < 0)
		return r;
	if (a->asking.debug)
		fprintf(stderr, "debug: %s\n",
			counted(a->clusters.count, "PostgresCluster").s);
	if (a->clusters.count == 0)
		return err_set(err, -ENODATA, "there is no PostgresCluster");
	return choose(a, err);
}

/*
 * Those that are silent take two minutes each, so several are asked at once.
 * What a thread has of kubectl is its own; kube is only read.
 */
struct crew {
	const struct auditing *a;
	struct pg_scan *scan;
	pthread_mutex_t lock;	/* guards all below */
	size_t next;		/* row */
	struct progress_state state;
	int r;
	struct err err;		/* of the first that ended it */
};

static struct pg_row *next_row(struct crew *crew)
{
	struct pg_row *row = NULL;

	pthread_mutex_lock(&crew->lock);
	if (stopped && crew->r == 0)
		crew->r = err_set(&crew->err, -ECANCELED, "stopped");
	if (crew->r == 0 && crew->next < crew->scan->count)
		row = &crew->scan->row[crew->next++];
	progress_show(&crew->state);
	pthread_mutex_unlock(&crew->lock);
	return row;
}

static void *work(void *arg)
{
	struct crew *crew = arg;
	struct pg_row *row;

	while ((row = next_row(crew)) != NULL) {
		struct err err = ERR_INIT;
		int r = row->pod ? ask_one(&crew->a->asking, row, &err) : 0;

		pthread_mutex_lock(&crew->lock);
		crew->state.done++;
		if (r < 0 && crew->r == 0) {
			crew->r = r;
			crew->err = err;
		}
		pthread_mutex_unlock(&crew->lock);
	}
	return NULL;
}

static int ask_all(struct auditing *a, struct err *err)
{
	struct crew crew = {
		.a = a, .scan = &a->scan,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.state = { .phase = "asking", .total = a->scan.count,
			   .files = NOT_KNOWN, .grown = NOT_KNOWN },
	};
	pthread_t threads[AT_ONCE - 1];
	size_t count = 0;

	progress_start(a->tool->quiet || a->asking.debug);
	/* what is asked and answered is shown one after the other */
	while (!a->asking.debug && count < AT_ONCE - 1 &&
	       count + 1 < a->scan.count &&
	       pthread_create(&threads[count], NULL, work, &crew) == 0)
		count++;
	work(&crew);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	progress_end();
	pg_scan_count(&a->scan);
	if (crew.r < 0 && err)
		*err = crew.err;
	return crew.r;
}

/* A row for each that is to be asked, in order. */
static int add_rows(struct auditing *a, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->clusters.count; i++) {
		const struct pg_cluster *c = &a->clusters.cluster[i];
		struct pg_row *row;

		if (!c->wanted)
			continue;
		r = pg_scan_add(&a->scan, c->namespace, c->name,
				pg_cluster_any(c), &row, err);
		if (r < 0 || row->pod)
			continue;
		row->outcome = PG_NO_POD;
		row->why = c->shut_down ? strdup("it is shut down") : NULL;
	}
	return r;
}

/* Kept in the store. */

static int put_counts(const struct pg_scan *scan, char texts[][24],
		      struct record_pair *attrs)
{
	static const char *const keys[] = {
		"", "okay", "timeout", "no_pod", "no_stanza", "error",
	};

	for (size_t i = 1; i <= PG_OUTCOMES; i++) {
		snprintf(texts[i - 1], 24, "%" PRIu64, scan->outcomes[i]);
		attrs[i - 1].key = (char *)(uintptr_t)keys[i];
		attrs[i - 1].value = texts[i - 1];
	}
	return PG_OUTCOMES;
}

static int keep(struct auditing *a, struct repo *repo, struct err *err)
{
	CLEANUP(record_release) struct record record = { .number = 0 };
	OWNED_BUF struct buf rows = BUF_INIT, lines = BUF_INIT;
	char texts[PG_OUTCOMES][24], label[LABEL_TEXT];
	struct record_pair attrs[PG_OUTCOMES];
	struct report_file files[2];
	struct record_pair uid = { (char *)(uintptr_t)"cluster_uid",
				   a->origin.uid };
	struct report report = {
		.input_name = "varve pg audit", .time = a->began,
		.files = files, .file_count = 2, .attrs = attrs,
		.tags = &uid, .tag_count = a->origin.uid ? 1 : 0,
	};
	int r;

	pg_scan_write(&a->scan, &rows);
	pg_scan_lines(&a->scan, &lines);
	if (buf_check(&rows, err) < 0 || buf_check(&lines, err) < 0)
		return -ENOMEM;
	report.source = (char *)a->source.data;
	report.attr_count = (size_t)put_counts(&a->scan, texts, attrs);
	files[0] = (struct report_file){ PG_SCAN_FILE, buf_span(&rows) };
	files[1] = (struct report_file){ "audit.txt", buf_span(&lines) };
	r = report_keep(repo, &report, &record, err);
	if (r < 0)
		return r;
	snapshot_label(&record, label);
	if (!option_given(&a->tool->options, "lines"))
		say(a->tool, "Kept as %s.", label);
	return 0;
}

static int status_of(const struct pg_scan *scan)
{
	if (scan->outcomes[PG_TIMEOUT] || scan->outcomes[PG_NO_POD] ||
	    scan->outcomes[PG_ERROR])
		return INCOMPLETE;
	return scan->outcomes[PG_NO_STANZA] ? PG_TARGETS_FOUND : DONE;
}

static int deadline(const struct tool *tool, int64_t *ret, struct err *err)
{
	*ret = DEADLINE_S;
	return option_given(&tool->options, "timeout") ?
		kube_timeout(&tool->options, ret, err) : 0;
}

int pg_audit(struct tool *tool, struct err *err)
{
	CLEANUP(auditing_release) struct auditing a = {
		.tool = tool, .began = { stamp_now().s, 0 },
	};
	const struct options *o = &tool->options;
	OWNED_REPO struct repo *repo = NULL;
	int r;

	if (option_given(o, "diff"))
		return pg_audit_diff(tool, err);
	/* an audit of some would not compare with one of all */
	a.keeps = tool->store && !option_given(o, "no-keep") &&
		  o->word_count == 1;
	a.asking = (struct pg_asking){ .tool = tool, .kube = &a.kube,
				       .debug = option_given(o, "debug") };
	r = deadline(tool, &a.asking.deadline_s, err);
	if (r >= 0 && a.keeps)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r < 0)
		return r;
	catch_stop();
	r = find(&a, err);
	if (r == 0)
		r = add_rows(&a, err);
	if (r == 0)
		r = ask_all(&a, err);
	if (r == 0)
		r = pg_audit_tell(tool, &a.scan, err);
	if (r == 0 && a.keeps)
		r = keep(&a, repo, err);
	return r < 0 ? r : status_of(&a.scan);
}
