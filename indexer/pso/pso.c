#include "indexer/pso/pso.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "indexer/pso/pso_model.h"

#define HEAD_MARK "varve-pso-capture"
#define HEAD_LOOKED 256

static int probe(const struct input *input, const struct stat *st,
		 struct span head)
{
	char path[4096], text[HEAD_LOOKED + 1];
	size_t n;
	FILE *file;

	(void)head;
	if (!S_ISDIR(st->st_mode) || input->fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/capture.json", input->path);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, HEAD_LOOKED, file);
	fclose(file);
	text[n] = '\0';
	return strstr(text, HEAD_MARK) ? 90 : 0;
}

static void warn_file(void *arg, const char *path, const char *why)
{
	sink_warn(arg, WEIGHT_NOTE, span_str(path), "%s: passed over", why);
}

/* Secrets. */

static void end_list(struct pso_doc *doc, struct buf *out)
{
	buf_append_str(out, "{\"items\": [");
	buf_append(out, doc->bytes.data, doc->bytes.len);
	buf_append_str(out, "\n]}");
}

/* Go through a document; write (or NULL) takes it without its secrets. */
static int pass(struct pso_capture *capture, struct pso_doc *doc,
		struct buf *write, struct err *err)
{
	OWNED_JDOC struct jdoc parsed = JDOC_INIT;
	OWNED_BUF struct buf whole = BUF_INIT, dropped = BUF_INIT;
	struct err why = ERR_INIT;
	int r;

	if (doc->state != PSO_HAD)
		return 0;
	if (doc->list)
		end_list(doc, &whole);
	else
		buf_append(&whole, doc->bytes.data, doc->bytes.len);
	r = buf_check(&whole, err);
	if (r == 0)
		r = jdoc_parse(buf_span(&whole), doc->name, &parsed, &why);
	if (r < 0 && r != -ENOMEM)
		return pso_put_state(capture, doc->name, PSO_FAILED, why.text,
				     err);
	if (r == 0)
		r = redact_json(capture->redact, parsed.root, false,
				write ? write : &dropped, NULL, err);
	explicit_bzero(whole.data, whole.len);
	return r;
}

static int take_out(struct pso_capture *capture, struct pso_doc *doc,
		    struct err *err)
{
	OWNED_BUF struct buf clean = BUF_INIT;
	int r = pass(capture, doc, &clean, err);

	if (doc->bytes.data)
		explicit_bzero(doc->bytes.data, doc->bytes.len);
	capture->bytes -= doc->bytes.len;
	buf_release(&doc->bytes);
	if (r < 0 || doc->state != PSO_HAD)
		return r;
	r = jdoc_parse(buf_span(&clean), doc->name, &doc->doc, err);
	if (r == 0 && doc->list)
		doc->items = jnode_count(jnode_get(doc->doc.root, "items"));
	return r;
}

static int clean_words(struct pso_capture *capture, struct err *err)
{
	int r = pso_clean(capture, &capture->context, err);

	if (r == 0)
		r = pso_clean(capture, &capture->server, err);
	if (r == 0)
		r = pso_clean(capture, &capture->namespace, err);
	for (size_t i = 0; r == 0 && i < capture->doc_count; i++)
		r = pso_clean(capture, &capture->docs[i].why, err);
	for (size_t i = 0; r == 0 && i < capture->array_count; i++) {
		r = pso_clean(capture, &capture->arrays[i].why, err);
		if (r == 0)
			r = pso_clean(capture, &capture->arrays[i].mgmt, err);
	}
	return r;
}

/* An empty list of these is of a chart that is gone, or of another place. */
static int judge_empty(struct pso_capture *capture, struct err *err)
{
	static const struct {
		const char *name, *why;
	} needed[] = {
		{ "kubernetes/intrusions", "there is no intrusion" },
		{ "kubernetes/statefulsets", "there is no StatefulSet" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		const struct pso_doc *doc = pso_find(capture, needed[i].name);

		if (doc && doc->state == PSO_HAD && doc->items == 0)
			r = pso_put_state(capture, needed[i].name, PSO_GONE,
					  needed[i].why, err);
	}
	return r;
}

/* Documents in the order of the names they are shown by. */
static int by_shown_name(const void *a, const void *b, void *arg)
{
	OWNED_BUF struct buf x = BUF_INIT, y = BUF_INIT;

	pso_shown_name(arg, a, &x);
	pso_shown_name(arg, b, &y);
	return span_cmp(buf_span(&x), buf_span(&y));
}

static int by_doc_name(const void *a, const void *b)
{
	return strcmp(((const struct pso_doc *)a)->name,
		      ((const struct pso_doc *)b)->name);
}

int pso_capture_clean(struct pso_capture *capture, struct err *err)
{
	int r = 0;

	if (capture->clean)
		return 0;
	if (capture->doc_count)
		qsort(capture->docs, capture->doc_count,
		      sizeof(*capture->docs), by_doc_name);
	/* the first pass is to know all of them before any is written */
	for (size_t i = 0; r == 0 && i < capture->doc_count; i++)
		r = pass(capture, &capture->docs[i], NULL, err);
	for (size_t i = 0; r == 0 && i < capture->doc_count; i++)
		r = take_out(capture, &capture->docs[i], err);
	if (r == 0)
		r = clean_words(capture, err);
	if (r == 0)
		r = judge_empty(capture, err);
	/* it may be asked for again, where another add came between */
	capture->clean = r == 0;
	return r;
}

/* What is missing. */

struct missing {
	struct sink *sink;
	struct buf words;
};

static void miss(struct missing *missing, const char *what,
		 enum pso_state state, const char *why)
{
	buf_printf(&missing->words, "%s%s (%s)", missing->words.len ? ", " :
		   "", what, pso_state_name(state));
	if (why && *why)
		sink_warn(missing->sink, WEIGHT_FLAWED, span_of(NULL, 0),
			  "%s: %s: %s", what, pso_state_name(state), why);
}

static void look_at_resources(const struct pso_capture *capture,
			      struct missing *missing)
{
	for (size_t i = 0; pso_resources[i].name; i++) {
		const struct pso_resource *of = &pso_resources[i];
		char name[PSO_NAME_MAX];
		const struct pso_doc *doc;
		enum pso_state state;

		snprintf(name, sizeof(name), "kubernetes/%s", of->name);
		doc = pso_find(capture, name);
		state = doc ? doc->state : PSO_UNASKED;
		if (state == PSO_HAD)
			continue;
		if (of->optional && state != PSO_FAILED)
			sink_warn(missing->sink, WEIGHT_NOTE, span_of(NULL, 0),
				  "there are no %s: %s", of->name,
				  pso_state_name(state));
		else
			miss(missing, of->name, state, doc ? doc->why : NULL);
	}
}

static void look_at_others(const struct pso_capture *capture,
			   struct missing *missing)
{
	for (size_t i = 0; i < capture->doc_count; i++) {
		const struct pso_doc *doc = &capture->docs[i];

		if (doc->state == PSO_HAD || !strcmp(doc->name, "values") ||
		    !strncmp(doc->name, "kubernetes/", 11))
			continue;
		miss(missing, doc->name, doc->state, doc->why);
	}
	if (!pso_find(capture, "values"))
		miss(missing, "values.yaml", PSO_UNASKED, NULL);
	else if (pso_find(capture, "values")->state != PSO_HAD)
		miss(missing, "values.yaml", pso_find(capture, "values")->
		     state, pso_find(capture, "values")->why);
}

static void look_at_arrays(const struct pso_model *model,
			   struct missing *missing)
{
	bool left_out = model->capture->no_arrays;

	for (size_t i = 0; i < model->backend_count; i++) {
		const struct pso_backend *b = &model->backends[i];
		char what[PSO_NAME_MAX];

		if (!b->why || (left_out && !b->array))
			continue;
		snprintf(what, sizeof(what), "%s %s", pso_type_name(b->type),
			 b->name);
		miss(missing, what, b->array ? PSO_FAILED : PSO_UNASKED,
		     b->why);
	}
	if (left_out)
		sink_warn(missing->sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "no array was asked: volumes are not matched");
	else if (model->backend_count == 0)
		miss(missing, "arrays", PSO_UNASKED, NULL);
}

static int tell_missing(const struct pso_model *model, struct sink *sink,
			struct err *err)
{
	struct missing missing = { .sink = sink, .words = BUF_INIT };
	int r;

	look_at_resources(model->capture, &missing);
	look_at_others(model->capture, &missing);
	look_at_arrays(model, &missing);
	r = buf_check(&missing.words, err);
	if (r == 0 && missing.words.len)
		sink_warn(sink, WEIGHT_LOST, span_of(NULL, 0),
			  "not all of it could be had: %s",
			  buf_str(&missing.words));
	buf_release(&missing.words);
	return r;
}

static void put_attr(struct sink *sink, const char *key, const char *value)
{
	if (value && *value)
		sink_attr(sink, key, value);
}

static int push(struct pso_capture *capture, struct sink *sink,
		struct err *err)
{
	CLEANUP(pso_model_release) struct pso_model model = {
		.capture = NULL };
	int r = pso_capture_clean(capture, err);

	if (r == 0)
		r = pso_model_build(capture, &model, err);
	if (r == 0 && capture->doc_count)
		qsort_r(capture->docs, capture->doc_count,
			sizeof(*capture->docs), by_shown_name, &model);
	if (r == 0)
		r = pso_push_tree(&model, sink, err);
	if (r == 0)
		r = pso_push_rows(&model, sink, err);
	if (r < 0)
		return r;
	sink_format(sink, "Pure Service Orchestrator");
	put_attr(sink, "context", capture->context);
	put_attr(sink, "server", capture->server);
	put_attr(sink, "cluster-uid", capture->cluster_uid);
	if (model.cluster_id.len) {
		CLEANUP(free_ptr) char *id = strndup((const char *)
			model.cluster_id.data, model.cluster_id.len);

		put_attr(sink, "cluster-id", id);
	}
	return tell_missing(&model, sink, err);
}

static int load_and_push(const struct input *input, struct sink *sink,
			 struct err *err)
{
	struct pso_capture capture;
	int r = pso_capture_init(&capture, err);

	if (r < 0)
		return r;
	r = input->fd >= 0 ? err_set(err, -EINVAL, "it is no directory of "
				     "documents") :
		pso_load(input->path, &capture, warn_file, sink, err);
	if (r == 0)
		r = push(&capture, sink, err);
	pso_capture_release(&capture);
	return r;
}

static int read_pso(const struct input *input, struct sink *sink,
		    struct err *err)
{
	if (input->given)
		return push(input->given, sink, err);
	return load_and_push(input, sink, err);
}

const struct reader reader_pso = {
	.kind = "pso",
	.about = "a directory of documents of Pure Service Orchestrator "
		 "(varve pso capture makes these by itself)",
	.probe = probe,
	.read = read_pso,
};
