#include <stdio.h>
#include <stdlib.h>

#include "indexer/pso/pso_model.h"

#define FORMAT 1
#define TABLE_LINE_MAX 4096
#define COMPONENT_MAX 240

const char *pso_state_name(enum pso_state state)
{
	static const char *const names[] = {
		[PSO_HAD] = "had", [PSO_GONE] = "gone",
		[PSO_FAILED] = "failed", [PSO_UNASKED] = "not asked",
	};

	return names[state];
}

static enum pso_state state_of(struct span text)
{
	for (enum pso_state s = PSO_HAD; s <= PSO_UNASKED; s++)
		if (text.data && span_equal(text,
					    span_str(pso_state_name(s))))
			return s;
	return 0;
}

static int take_text(const struct jnode *root, const char *key, char **ret,
		     struct err *err)
{
	struct span text = jnode_text(root, key);

	if (!text.data || *ret)
		return 0;
	*ret = strndup((const char *)text.data, text.len);
	return *ret ? 0 : err_nomem(err);
}

static int take_state(struct pso_capture *capture, const struct jnode *item,
		      struct err *err)
{
	struct span name = jnode_text(item, "name");
	struct span why = jnode_text(item, "why");
	enum pso_state state = state_of(jnode_text(item, "state"));
	char text[PSO_NAME_MAX], words[1024];

	if (name.len == 0 || name.len >= sizeof(text) || !state ||
	    state == PSO_HAD)
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)name.len,
		 (const char *)name.data);
	snprintf(words, sizeof(words), "%.*s", (int)(why.len < 1000 ?
		 why.len : 1000), why.data ? (const char *)why.data : "");
	if (pso_find(capture, text))
		return 0;
	return pso_put_state(capture, text, state, words, err);
}

static int take_array(struct pso_capture *capture, const struct jnode *item,
		      struct err *err)
{
	CLEANUP(free_ptr) char *name = NULL, *mgmt = NULL;
	enum pso_type type = pso_type_parse(jnode_text(item, "type"));
	struct pso_array *array;
	int r = take_text(item, "name", &name, err);

	if (r == 0)
		r = take_text(item, "mgmt", &mgmt, err);
	if (r < 0 || !name || !type)
		return r;
	r = pso_add_array(capture, name, type, mgmt, &array, err);
	if (r == 0)
		r = take_text(item, "api", &array->api, err);
	if (r == 0)
		r = take_text(item, "why", &array->why, err);
	return r;
}

int pso_take_index(struct pso_capture *capture, const struct jnode *root,
		   struct err *err)
{
	const struct jnode *item;
	int r = take_text(root, "context", &capture->context, err);

	if (r == 0)
		r = take_text(root, "server", &capture->server, err);
	if (r == 0)
		r = take_text(root, "cluster_uid", &capture->cluster_uid,
			      err);
	if (r == 0)
		r = take_text(root, "namespace", &capture->namespace, err);
	if (r == 0)
		r = take_text(root, "captured", &capture->captured, err);
	capture->no_arrays |= jnode_true(root, "no_arrays");
	item = jnode_get(root, "documents");
	for (item = item ? item->child : NULL; r == 0 && item;
	     item = item->next)
		r = take_state(capture, item, err);
	item = jnode_get(root, "arrays");
	for (item = item ? item->child : NULL; r == 0 && item;
	     item = item->next)
		r = take_array(capture, item, err);
	return r;
}

static void put_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_str(json, key, text);
}

void pso_component(struct span name, struct buf *path)
{
	size_t begin = path->len;
	char sum[24];

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c < 0x20 || c == 0x7f || c == '/' || c == '%' ||
		    c == ':' || (c == '.' && i == 0))
			buf_printf(path, "%%%02X", c);
		else
			buf_append_byte(path, c);
	}
	if (name.len == 0)
		buf_append_str(path, "%");
	if (path->len - begin <= COMPONENT_MAX)
		return;
	/* longer than any component: the document has it whole */
	path->len = begin + COMPONENT_MAX - 20;
	snprintf(sum, sizeof(sum), "~%016llx", (unsigned long long)
		 sum64(name));
	buf_append_str(path, sum);
}

static const char *backend_name(const struct pso_model *model,
				const struct pso_array *array)
{
	for (size_t i = 0; i < model->backend_count; i++)
		if (model->backends[i].array == array)
			return model->backends[i].name;
	return array->dir;
}

void pso_shown_name(const struct pso_model *model, const struct pso_doc *doc,
		    struct buf *out)
{
	const struct pso_capture *capture = model->capture;

	for (size_t i = 0; i < capture->array_count; i++) {
		const struct pso_array *array = &capture->arrays[i];
		size_t len = strlen(array->dir);

		if (strncmp(doc->name, "arrays/", 7) != 0 ||
		    strncmp(doc->name + 7, array->dir, len) != 0 ||
		    doc->name[7 + len] != '/')
			continue;
		buf_append_str(out, "arrays/");
		pso_component(span_str(backend_name(model, array)), out);
		buf_append_str(out, doc->name + 7 + len);
		return;
	}
	buf_append_str(out, doc->name);
}

static void write_arrays(const struct pso_model *model, struct json *json)
{
	json_open_array(json, "arrays");
	for (size_t i = 0; i < model->capture->array_count; i++) {
		const struct pso_array *array = &model->capture->arrays[i];
		OWNED_BUF struct buf name = BUF_INIT;

		pso_component(span_str(backend_name(model, array)), &name);
		json_open_object(json, NULL);
		json_span(json, "name", buf_span(&name));
		json_str(json, "type", pso_type_name(array->type));
		put_text(json, "mgmt", array->mgmt);
		put_text(json, "api", array->api);
		put_text(json, "why", array->why);
		json_close_object(json);
	}
	json_close_array(json);
}

static void write_documents(const struct pso_model *model, struct json *json)
{
	json_open_array(json, "documents");
	for (size_t i = 0; i < model->capture->doc_count; i++) {
		const struct pso_doc *doc = &model->capture->docs[i];
		OWNED_BUF struct buf name = BUF_INIT;

		pso_shown_name(model, doc, &name);
		json_open_object(json, NULL);
		json_span(json, "name", buf_span(&name));
		json_str(json, "state", pso_state_name(doc->state));
		if (doc->state == PSO_HAD && doc->list)
			json_u64(json, "items", doc->items);
		if (doc->state != PSO_HAD)
			put_text(json, "why", doc->why);
		json_close_object(json);
	}
	json_close_array(json);
}

int pso_write_index(const struct pso_model *model, struct buf *out,
		    struct err *err)
{
	const struct pso_capture *capture = model->capture;
	struct json json;

	json_init(&json, out);
	json_open_object(&json, NULL);
	json_str(&json, "document", "varve-pso-capture");
	json_u64(&json, "format", FORMAT);
	put_text(&json, "captured", capture->captured);
	put_text(&json, "context", capture->context);
	put_text(&json, "server", capture->server);
	put_text(&json, "cluster_uid", capture->cluster_uid);
	put_text(&json, "namespace", capture->namespace);
	if (capture->no_arrays)
		json_bool(&json, "no_arrays", true);
	write_arrays(model, &json);
	write_documents(model, &json);
	json_close_object(&json);
	return buf_check(out, err);
}

/*
 * NAME   STATUS   READY   RANGES   UNDER-REPLICATED   UNAVAILABLE   AS-OF
 * pso-db   Live   5/5   40   0   0   2020-11-05T21:47:10Z
 *
 * oc and kubectl print it alike; -A puts NAMESPACE in front.  A cell that is
 * empty would shift the others: a line with another number of words than the
 * head is not believed.
 */
static size_t split(struct span line, struct span *words, size_t max)
{
	size_t count = 0;

	while (line.len > 0) {
		size_t n = 0;

		while (n < line.len && line.data[n] > ' ')
			n++;
		if (n > 0 && count++ < max)
			words[count - 1] = span_of(line.data, n);
		while (n < line.len && line.data[n] <= ' ')
			n++;
		line = span_of(line.data + n, line.len - n);
	}
	return count;
}

static void table_object(struct json *json, const struct span *heads,
			 const struct span *words, size_t count)
{
	static const struct {
		const char *head, *key;
		bool number;
	} cells[] = {
		{ "STATUS", "status", false },
		{ "READY", "readyNodes", false },
		{ "RANGES", "totalRanges", true },
		{ "UNDER-REPLICATED", "underreplicatedRanges", true },
		{ "UNAVAILABLE", "unavailableRanges", true },
		{ "AS-OF", "asOf", false },
	};

	json_open_object(json, NULL);
	json_str(json, "kind", "Intrusion");
	json_bool(json, "ofTable", true);
	json_open_object(json, "metadata");
	for (size_t i = 0; i < count; i++)
		if (span_equal(heads[i], span_str("NAME")))
			json_span(json, "name", words[i]);
		else if (span_equal(heads[i], span_str("NAMESPACE")))
			json_span(json, "namespace", words[i]);
	json_close_object(json);
	json_open_object(json, "status");
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof(cells) / sizeof(*cells); k++)
			if (span_equal(heads[i], span_str(cells[k].head)))
				json_span(json, cells[k].key, words[i]);
	json_close_object(json);
	json_close_object(json);
}

static int add_line(struct pso_capture *capture, const struct span *heads,
		    const struct span *words, size_t count, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct json json;
	int r;

	json_init(&json, &text);
	table_object(&json, heads, words, count);
	r = buf_check(&text, err);
	if (r == 0)
		r = jdoc_parse(buf_span(&text), "the table", &doc, err);
	return r < 0 ? r : pso_add(capture, "kubernetes/intrusions", doc.root,
				   err);
}

int pso_put_table(struct pso_capture *capture, struct span text,
		  struct err *err)
{
	const char *name = "kubernetes/intrusions";
	struct span heads[16], words[16];
	size_t head_count = 0;
	bool some = false;
	int r = 0;

	/* what kubectl gave as JSON says more */
	if (pso_find(capture, name) &&
	    pso_find(capture, name)->state == PSO_HAD)
		return 0;
	while (r == 0 && text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		struct span line = span_of(text.data, len < TABLE_LINE_MAX ?
					   len : TABLE_LINE_MAX);
		size_t count = split(line, head_count ? words : heads, 16);

		len += end != NULL;
		text = span_of(text.data + len, text.len - len);
		if (count == 0)
			continue;
		if (!head_count && count <= 16 &&
		    span_equal(heads[0], span_str("NAME")) == 0 &&
		    span_equal(heads[0], span_str("NAMESPACE")) == 0)
			break;
		if (!head_count) {
			head_count = count <= 16 ? count : 0;
			continue;
		}
		if (count != head_count)
			break;
		r = add_line(capture, heads, words, count, err);
		some = true;
	}
	if (r == 0 && !some)
		r = pso_put_state(capture, name, PSO_FAILED, "the table of "
				  "'get intrusion' cannot be understood",
				  err);
	return r;
}

/* Arrays. */

static const char *const blade_only[] = { "file-systems",
					  "file-system-snapshots",
					  "network-interfaces" };

static bool has_array(const struct pso_capture *capture, const char *dir)
{
	for (size_t i = 0; i < capture->array_count; i++)
		if (!strcmp(capture->arrays[i].dir, dir))
			return true;
	return false;
}

static enum pso_type type_of(const struct pso_capture *capture,
			     const char *dir)
{
	char name[PSO_NAME_MAX];

	for (size_t i = 0; i < sizeof(blade_only) / sizeof(*blade_only); i++) {
		snprintf(name, sizeof(name), "arrays/%s/%s", dir,
			 blade_only[i]);
		if (pso_find(capture, name))
			return PSO_FLASHBLADE;
	}
	return PSO_FLASHARRAY;
}

int pso_find_arrays(struct pso_capture *capture, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < capture->doc_count; i++) {
		const char *name = capture->docs[i].name;
		CLEANUP(free_ptr) char *dir = NULL;
		struct pso_array *array;

		if (strncmp(name, "arrays/", 7) != 0)
			continue;
		dir = strndup(name + 7, strcspn(name + 7, "/"));
		if (!dir)
			return err_nomem(err);
		if (!has_array(capture, dir))
			r = pso_add_array(capture, dir, type_of(capture, dir),
					  NULL, &array, err);
	}
	return r;
}
