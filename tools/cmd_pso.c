#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "indexer/ingest.h"
#include "tools/add_report.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/kube.h"
#include "tools/progress.h"
#include "tools/pso_act.h"
#include "tools/target.h"

#define TRIES 5			/* where other adds took ids meanwhile */
#define SOURCE_WORD "pso"

struct capturing {
	struct tool *tool;
	struct pso_capture capture;
	struct add_warnings warnings;
	struct record_pair *tags;
	size_t tag_count;
	struct buf source;
	struct stamp time;
	const char *time_from;
};

static void capturing_release(struct capturing *c)
{
	pso_capture_release(&c->capture);
	add_warnings_release(&c->warnings);
	for (size_t i = 0; i < c->tag_count; i++) {
		free(c->tags[i].key);
		free(c->tags[i].value);
	}
	free(c->tags);
	buf_release(&c->source);
}

static int take_tags(struct capturing *c, struct err *err)
{
	const struct options *o = &c->tool->options;
	const char *tag;

	c->tags = calloc(o->use_count + 1, sizeof(*c->tags));
	if (!c->tags)
		return err_nomem(err);
	for (size_t n = 0; (tag = option_nth(o, "tag", n)); n++) {
		const char *equals = strchr(tag, '=');

		if (!equals || equals == tag)
			return err_set(err, -EINVAL,
				       "'--tag %s' is not KEY=VALUE", tag);
		c->tag_count = n + 1;
		c->tags[n].key = strndup(tag, (size_t)(equals - tag));
		c->tags[n].value = strdup(equals + 1);
		if (!c->tags[n].key || !c->tags[n].value)
			return err_nomem(err);
	}
	return 0;
}

/* Documents. */

static void warn_file(void *arg, const char *path, const char *why)
{
	struct capturing *c = arg;

	note(c->tool, "'%s' is passed over: %s", path, why);
}

/* Beside documents of Kubernetes that lie in a directory, arrays are asked that
 * the command line tells of. */
static bool asks_arrays_of_dir(const struct capturing *c)
{
	const struct options *o = &c->tool->options;

	return c->capture.array_count == 0 && !c->capture.no_arrays &&
	       (option_given(o, "values") || option_given(o, "array"));
}

static int gather(struct capturing *c, struct err *err)
{
	const struct options *o = &c->tool->options;
	const char *dir = option_value(o, "from-dir");
	const char *values = option_value(o, "values");
	struct pso_asking asking = { .tool = c->tool,
				     .capture = &c->capture };
	char now[STAMP_TEXT];
	int r = kube_timeout(o, &asking.timeout_s, err);

	c->capture.no_arrays = option_given(o, "no-arrays");
	if (r == 0)
		r = pso_check_arrays(c->tool, err);
	if (r == 0 && dir)
		r = pso_load(dir, &c->capture, warn_file, c, err);
	if (r == 0 && values)
		r = pso_read_values(&c->capture, values, err);
	if (r < 0 || dir)
		return r < 0 || !asks_arrays_of_dir(c) ? r :
			pso_ask_arrays(&asking, err);
	stamp_iso((struct stamp){ stamp_now().s, 0 }, now);
	c->capture.captured = strdup(now);
	if (!c->capture.captured)
		return err_nomem(err);
	r = pso_ask_kubernetes(&asking, err);
	if (r == 0 && !c->capture.no_arrays)
		r = pso_ask_arrays(&asking, err);
	return r;
}

/* Where nothing at all was had there is nothing to keep. */
static int check_some(const struct capturing *c, struct err *err)
{
	const struct pso_doc *first = NULL;

	for (size_t i = 0; i < c->capture.doc_count; i++) {
		const struct pso_doc *doc = &c->capture.docs[i];

		if (doc->state == PSO_HAD && strcmp(doc->name, "values"))
			return 0;
		if (doc->state == PSO_FAILED && !first)
			first = doc;
	}
	err_set(err, -EIO, "nothing could be had: %s", first ? first->why :
		"there are no documents");
	return option_given(&c->tool->options, "from-dir") ?
		err_hint(err, "varve-pso(1) tells what a directory of "
			 "documents has in it") :
		err_hint(err, "'kubectl get pv' tells whether the cluster "
			 "answers");
}

/* Name and time. */

/* "lab/pso": the context's name, as far as it may stand in a source's. */
static int find_source(struct capturing *c, struct err *err)
{
	const char *name = option_value(&c->tool->options, "source");
	const char *context = c->capture.context;

	if (name) {
		buf_append_str(&c->source, name);
		return source_check_new(name, err);
	}
	for (; context && *context; context++)
		buf_append_byte(&c->source, strchr("*?[@:/ ", *context) ||
				(*context == '.' && !c->source.len) ?
				'-' : (uint8_t)*context);
	buf_append_str(&c->source, c->source.len ? "/" SOURCE_WORD :
		       SOURCE_WORD);
	return buf_str(&c->source) ?
		source_check_new(buf_str(&c->source), err) : err_nomem(err);
}

static int find_time(struct capturing *c, struct err *err)
{
	const struct options *o = &c->tool->options;
	const char *text = option_value(o, "time");

	c->time = stamp_now();
	c->time.ns = 0;
	c->time_from = "now";
	if (text) {
		c->time_from = "option";
		return stamp_parse(text, option_value(o, "tz"), &c->time, NULL,
				   err) < 0 ? err_wrap(err, "--time") : 0;
	}
	/* a capture's own time, where that is there */
	if (c->capture.captured &&
	    stamp_parse(c->capture.captured, "UTC", &c->time, NULL,
			NULL) == 0)
		c->time_from = "header";
	return 0;
}

/* Into the store. */

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct capturing *c = arg;

	add_warnings_take(&c->warnings, weight, sentence);
}

static int store(struct capturing *c, struct repo *repo, struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0 };
	const struct options *o = &c->tool->options;
	const char *dir = option_value(o, "from-dir");
	struct ingest_options options = {
		.source = buf_str(&c->source),
		.time = c->time,
		.time_from = c->time_from,
		.input_name = dir ? dir : "varve pso capture",
		.tags = c->tags,
		.tag_count = c->tag_count,
		.no_view = true,
		.progress = add_progress,
		.warn = take_warning,
		.arg = c,
		.stop = &stopped,
	};
	const struct input input = { .path = options.input_name, .fd = -1,
				     .size = UINT64_MAX,
				     .given = &c->capture, .repo = repo };
	int r = -EAGAIN;

	progress_start(c->tool->quiet);
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		add_warnings_release(&c->warnings);
		r = ingest(repo, &reader_pso, &input, &options, &result, err);
	}
	progress_end();
	return r < 0 ? r : add_report(c->tool, repo, &result, &c->warnings);
}

static int capture(struct tool *tool, struct err *err)
{
	CLEANUP(capturing_release) struct capturing c = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	int r;

	/* tokens are in memory: not in a core file */
	prctl(PR_SET_DUMPABLE, 0);
	r = pso_capture_init(&c.capture, err);
	if (r >= 0)
		r = take_tags(&c, err);
	if (r >= 0)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	if (r < 0)
		return r;
	catch_stop();
	r = gather(&c, err);
	if (r == 0)
		r = check_some(&c, err);
	if (r == 0)
		r = find_source(&c, err);
	if (r == 0)
		r = find_time(&c, err);
	return r < 0 ? r : store(&c, repo, err);
}

static int run(struct tool *tool, struct err *err)
{
	static const struct {
		const char *use;
		int (*run)(struct tool *tool, struct err *err);
	} uses[] = {
		{ "capture", capture }, { "status", pso_status },
		{ "volumes", pso_volumes }, { "reconstruct", pso_reconstruct },
		{ "diff", pso_diff },
	};
	static const struct option_of of[] = {
		{ "dry-run", "volumes reconstruct" },
		{ "yes", "volumes reconstruct" },
		{ "clean", "volumes" }, { "rename", "volumes" },
		{ "destroy", "volumes" }, { "eradicate", "volumes" },
		{ "count", "volumes" }, { NULL, NULL },
	};
	const char *use = tool->options.words[0];
	int r;

	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		if (strcmp(use, uses[i].use) != 0)
			continue;
		r = options_check_use(&tool->options, "pso", of, err);
		if (r < 0)
			return r;
		if (tool->options.word_count > 1 && uses[i].run != pso_diff)
			return err_set(err, -EINVAL, "'varve pso %s' takes no "
				       "words: '%s'", use,
				       tool->options.words[1]);
		if (uses[i].run != capture && option_given(&tool->options,
							   "from-dir"))
			return err_set(err, -EINVAL, "--from-dir is of 'varve "
				       "pso capture'; --from takes a snapshot");
		return uses[i].run(tool, err);
	}
	err_set(err, -EINVAL, "'varve pso %s' is not one of its uses", use);
	return err_hint(err, "pso capture, status, volumes, reconstruct, diff "
			"SNAPSHOT SNAPSHOT");
}

static const struct option_def options[] = {
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "the capture's source (default: the context's name and "
		  "/pso)" },
	{ .name = "from-dir", .arg = "DIR", .type = WORD_DIR,
	  .help = "the documents of DIR, instead of asking for them" },
	{ .name = "values", .arg = "FILE", .type = WORD_FILE,
	  .help = "the chart's values.yaml, which names the arrays" },
	{ .name = "array", .arg = "TYPE:ENDPOINT",
	  .help = "an array to ask as well, as fa:10.0.0.5 or fb:10.0.0.6; "
		  "may be given again" },
	{ .name = "tokens", .arg = "FILE", .type = WORD_FILE,
	  .help = "API tokens: ENDPOINT TOKEN in each line (else those of "
		  "values.yaml, else VARVE_ARRAY_TOKEN)" },
	{ .name = "no-arrays", .help = "ask no array" },
	{ .name = "ca-file", .arg = "FILE", .type = WORD_FILE,
	  .help = "certificates that arrays are verified by (default: the "
		  "system's)" },
	{ .name = "insecure",
	  .help = "do not verify the arrays' certificates: whoever is in "
		  "between gets the tokens" },
	KUBE_OPTIONS,
	{ .name = "namespace", .arg = "NAME",
	  .help = "where PSO runs (default: where its intrusion is)" },
	{ .name = "timeout", .arg = "DURATION",
	  .help = "how long to wait for each answer (default 60s)" },
	{ .name = "from", .arg = "SNAPSHOT", .type = WORD_SNAPSHOT,
	  .help = "status, volumes, reconstruct: what a capture has, where the "
		  "cluster does not answer" },
	{ .name = "clean",
	  .help = "volumes: destroy those that may go, -u and their pairs" },
	{ .name = "rename",
	  .help = "volumes: put those of a datastore that is uninstalled aside "
		  "as -u; file systems are destroyed" },
	{ .name = "destroy", .help = "volumes: destroy all of them instead" },
	{ .name = "eradicate",
	  .help = "volumes: make an end of those that are destroyed" },
	{ .name = "count", .arg = "N",
	  .help = "how many volumes will go, typed out" },
	{ .name = "cluster-id", .arg = "ID",
	  .help = "the clusterID, typed out, where volumes are taken away" },
	{ .name = "cluster-gone",
	  .help = "with --from: nothing of the cluster runs any more" },
	{ .name = "new-values", .arg = "FILE", .type = WORD_FILE,
	  .help = "reconstruct: the values.yaml to install with, compared with "
		  "--values" },
	{ .name = "chart", .arg = "PATH", .type = WORD_DIR,
	  .help = "reconstruct: run helm, and install from this chart; without "
		  "it helm is run by you" },
	{ .name = "helm", .arg = "COMMAND",
	  .help = "reconstruct: instead of helm" },
	{ .name = "test-class", .arg = "CLASS",
	  .help = "reconstruct: make a claim of 1 Gi of that StorageClass at "
		  "the end, and delete it" },
	{ .name = "deadline", .arg = "TIME",
	  .help = "reconstruct: how long to wait for helm (default: 1h)" },
	{ .letter = 'n', .name = "dry-run", .help = "only show the plan" },
	{ .letter = 'y', .name = "yes",
	  .help = "do it; without it the plan is only shown" },
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep a run's journal in DIR (default: in the store)" },
	{ .letter = 't', .name = "time", .arg = "TIME",
	  .help = "when it was captured (default: now; what capture.json of "
		  "DIR says)" },
	{ .name = "tz", .arg = "ZONE",
	  .help = "zone of a time that names none, as Europe/Berlin" },
	{ .name = "tag", .arg = "KEY=VALUE",
	  .help = "a tag to find it by; may be given again" },
	{ .name = "stats", .help = "say more about what was stored" },
	{ .name = "page", .arg = "N", .flags = OPT_HIDDEN,
	  .help = "items to ask for at once" },
	{ .name = NULL },
};

const struct command command_pso = {
	.name = "pso",
	.words = "capture\nstatus\nvolumes\nreconstruct\n"
		 "diff SNAPSHOT SNAPSHOT",
	.about = "Pure Service Orchestrator: capture, status, reconstruct",
	.text = "'capture' takes what a cluster with Pure Service Orchestrator "
		"has, and what its arrays have, into the store: documents, and "
		"rows that 'varve sql' shows. API tokens, passwords, "
		"certificates and keys are taken out before anything is "
		"written. What cannot be had makes the snapshot incomplete, "
		"and is named. It is metadata: no volume's data is in it.\n"
		"\n"
		"'diff' compares two captures, without what changes by itself.\n"
		"\n"
		"'status' tells how PSO's datastore is. 'volumes' lists its "
		"volumes on the arrays and which may go, and with --clean, "
		"--rename, --destroy or --eradicate does that. 'reconstruct' "
		"compares PVs with the arrays' volumes, and makes the "
		"datastore anew. Nothing is changed without --yes.",
	.example = "varve pso capture -s lab/pso --values values.yaml\n"
		   "varve pso status --values values.yaml\n"
		   "varve pso diff lab/pso@-1 lab/pso",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 1,
	.max_words = 3,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
