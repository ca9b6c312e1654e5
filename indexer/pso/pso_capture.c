#include <stdlib.h>

#include "indexer/pso/pso.h"
#include "indexer/pso/yaml.h"

const struct pso_resource pso_resources[] = {
	{ "persistentvolumes", "persistentvolumes", "PersistentVolume",
	  false, false, false },
	{ "persistentvolumeclaims", "persistentvolumeclaims",
	  "PersistentVolumeClaim", true, false, false },
	{ "storageclasses", "storageclasses.storage.k8s.io", "StorageClass",
	  false, false, false },
	{ "volumesnapshots", "volumesnapshots.snapshot.storage.k8s.io",
	  "VolumeSnapshot", true, false, true },
	{ "volumesnapshotcontents",
	  "volumesnapshotcontents.snapshot.storage.k8s.io",
	  "VolumeSnapshotContent", false, false, true },
	{ "volumesnapshotclasses",
	  "volumesnapshotclasses.snapshot.storage.k8s.io",
	  "VolumeSnapshotClass", false, false, true },
	{ "volumeattachments", "volumeattachments.storage.k8s.io",
	  "VolumeAttachment", false, false, false },
	{ "nodes", "nodes", "Node", false, false, false },
	{ "csinodes", "csinodes.storage.k8s.io", "CSINode", false, false,
	  true },
	{ "intrusions", "intrusions.pso.purestorage.com", "Intrusion", true,
	  false, false },
	{ "statefulsets", "statefulsets.apps", "StatefulSet", true, true,
	  false },
	{ "deployments", "deployments.apps", "Deployment", true, true, false },
	{ "pods", "pods", "Pod", true, true, false },
	{ .name = NULL },
};

const struct pso_query pso_queries[] = {
	{ "arrays", PSO_FLASHARRAY },
	{ "volumes", PSO_FLASHARRAY },
	{ "volume-snapshots", PSO_FLASHARRAY },
	{ "hosts", PSO_FLASHARRAY },
	{ "connections", PSO_FLASHARRAY },
	{ "ports", PSO_FLASHARRAY },
	{ "arrays", PSO_FLASHBLADE },
	{ "file-systems", PSO_FLASHBLADE },
	{ "file-system-snapshots", PSO_FLASHBLADE },
	{ "network-interfaces", PSO_FLASHBLADE },
	{ .name = NULL },
};

const struct pso_resource *pso_resource_of_kind(struct span kind)
{
	for (size_t i = 0; kind.data && pso_resources[i].name; i++)
		if (span_equal(kind, span_str(pso_resources[i].kind)))
			return &pso_resources[i];
	return NULL;
}

const char *pso_type_name(enum pso_type type)
{
	return type == PSO_FLASHBLADE ? "FlashBlade" : "FlashArray";
}

enum pso_type pso_type_parse(struct span text)
{
	static const struct {
		const char *word;
		enum pso_type type;
	} words[] = {
		{ "flasharray", PSO_FLASHARRAY }, { "fa", PSO_FLASHARRAY },
		{ "flashblade", PSO_FLASHBLADE }, { "fb", PSO_FLASHBLADE },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (text.len == strlen(words[i].word) &&
		    !strncasecmp((const char *)text.data, words[i].word,
				 text.len))
			return words[i].type;
	return 0;
}

int pso_capture_init(struct pso_capture *capture, struct err *err)
{
	*capture = (struct pso_capture){ .redact = redact_new() };
	return capture->redact ? 0 : err_nomem(err);
}

static void doc_release(struct pso_doc *doc)
{
	if (doc->bytes.data)
		explicit_bzero(doc->bytes.data, doc->bytes.len);
	buf_release(&doc->bytes);
	jdoc_release(&doc->doc);
	free(doc->name);
	free(doc->why);
}

static void forget_arrays(struct pso_capture *capture)
{
	for (size_t i = 0; i < capture->array_count; i++) {
		free(capture->arrays[i].dir);
		free(capture->arrays[i].mgmt);
		free(capture->arrays[i].api);
		free(capture->arrays[i].why);
	}
	capture->array_count = 0;
}

void pso_forget(struct pso_capture *capture, const char *begin)
{
	size_t kept = 0;

	if (!strcmp(begin, "arrays/"))
		forget_arrays(capture);
	for (size_t i = 0; i < capture->doc_count; i++) {
		struct pso_doc *doc = &capture->docs[i];

		if (!strncmp(doc->name, begin, strlen(begin))) {
			capture->bytes -= doc->bytes.len;
			doc_release(doc);
		} else {
			capture->docs[kept++] = *doc;
		}
	}
	capture->doc_count = kept;
}

void pso_capture_release(struct pso_capture *capture)
{
	for (size_t i = 0; i < capture->doc_count; i++)
		doc_release(&capture->docs[i]);
	forget_arrays(capture);
	free(capture->docs);
	free(capture->arrays);
	free(capture->context);
	free(capture->server);
	free(capture->cluster_uid);
	free(capture->namespace);
	free(capture->captured);
	redact_free(capture->redact);
	*capture = (struct pso_capture){ .redact = NULL };
}

struct pso_doc *pso_find(const struct pso_capture *capture, const char *name)
{
	for (size_t i = 0; i < capture->doc_count; i++)
		if (!strcmp(capture->docs[i].name, name))
			return &capture->docs[i];
	return NULL;
}

/* One of that name, made where there is none. */
static struct pso_doc *find_or_add(struct pso_capture *capture,
				   const char *name)
{
	struct pso_doc *found = pso_find(capture, name);
	void *more;

	if (found)
		return found;
	more = reallocarray(capture->docs, capture->doc_count + 1,
			    sizeof(*capture->docs));
	if (!more)
		return NULL;
	capture->docs = more;
	found = &capture->docs[capture->doc_count];
	*found = (struct pso_doc){ .name = strdup(name),
				   .bytes = BUF_INIT, .doc = JDOC_INIT };
	if (!found->name)
		return NULL;
	capture->doc_count++;
	return found;
}

static int take_room(struct pso_capture *capture, const struct pso_doc *doc,
		     uint64_t more, struct err *err)
{
	if (more > PSO_BYTES_MAX - capture->bytes ||
	    doc->bytes.len + more > JDOC_BYTES_MAX)
		return err_set(err, -E2BIG, "the documents are longer than "
			       "%llu MiB together, or one of them than %u",
			       (unsigned long long)(PSO_BYTES_MAX >> 20),
			       JDOC_BYTES_MAX >> 20);
	capture->bytes += more;
	return 0;
}

static void set_had(struct pso_doc *doc)
{
	free(doc->why);
	doc->why = NULL;
	doc->state = PSO_HAD;
}

int pso_put(struct pso_capture *capture, const char *name, struct buf *bytes,
	    struct err *err)
{
	struct pso_doc *doc = find_or_add(capture, name);
	int r = doc ? buf_check(bytes, err) : err_nomem(err);

	if (r < 0)
		return r;
	capture->bytes -= doc->bytes.len;
	doc->bytes.len = 0;
	r = take_room(capture, doc, bytes->len, err);
	if (r < 0)
		return r;
	buf_swap(&doc->bytes, bytes);
	doc->list = false;
	set_had(doc);
	return 0;
}

int pso_add(struct pso_capture *capture, const char *name,
	    const struct jnode *item, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct pso_doc *doc = find_or_add(capture, name);
	int r = 0;

	if (!doc)
		return err_nomem(err);
	if (doc->state != PSO_HAD || !doc->list) {
		capture->bytes -= doc->bytes.len;
		doc->bytes.len = 0;
		doc->items = 0;
		doc->list = true;
		set_had(doc);
	}
	if (!item)
		return 0;
	buf_append_str(&text, doc->items ? ",\n" : "\n");
	r = jnode_write(item, false, NULL, NULL, &text, err);
	if (r == 0)
		r = take_room(capture, doc, text.len, err);
	if (r < 0)
		return r;
	buf_append(&doc->bytes, text.data, text.len);
	doc->items++;
	return buf_check(&doc->bytes, err);
}

int pso_put_values(struct pso_capture *capture, struct span yaml,
		   struct err *err)
{
	OWNED_BUF struct buf json = BUF_INIT;
	struct err why = ERR_INIT;
	int r = yaml_to_json(yaml, "values.yaml", &json, &why);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return pso_put_state(capture, "values", PSO_FAILED, why.text,
				     err);
	r = pso_put(capture, "values", &json, err);
	if (json.data)
		explicit_bzero(json.data, json.len);
	return r;
}

int pso_clean(struct pso_capture *capture, char **text, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	int r;

	if (!*text)
		return 0;
	r = redact_text(capture->redact, span_str(*text), &out, NULL, err);
	if (r < 0)
		return r;
	free(*text);
	*text = buf_detach(&out);
	return *text ? 0 : err_nomem(err);
}

int pso_put_state(struct pso_capture *capture, const char *name,
		  enum pso_state state, const char *why, struct err *err)
{
	struct pso_doc *doc = find_or_add(capture, name);

	if (!doc)
		return err_nomem(err);
	doc->state = state;
	free(doc->why);
	doc->why = strdup(why ? why : "");
	if (!doc->why)
		return err_nomem(err);
	return pso_clean(capture, &doc->why, err);
}

int pso_add_array(struct pso_capture *capture, const char *dir,
		  enum pso_type type, const char *mgmt,
		  struct pso_array **ret, struct err *err)
{
	struct pso_array *array;
	void *more;

	if (capture->array_count >= PSO_ARRAYS_MAX)
		return err_set(err, -E2BIG, "more than %d arrays",
			       PSO_ARRAYS_MAX);
	more = reallocarray(capture->arrays, capture->array_count + 1,
			    sizeof(*capture->arrays));
	if (!more)
		return err_nomem(err);
	capture->arrays = more;
	array = &capture->arrays[capture->array_count];
	*array = (struct pso_array){ .dir = strdup(dir), .type = type,
				     .mgmt = mgmt ? strdup(mgmt) : NULL };
	if (!array->dir || (mgmt && !array->mgmt)) {
		free(array->dir);
		free(array->mgmt);
		return err_nomem(err);
	}
	capture->array_count++;
	*ret = array;
	return 0;
}
