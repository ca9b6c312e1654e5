/*
 * A capture of Pure Service Orchestrator, from documents to what is pushed.  A
 * secret that is known, or that stands in one of them where a token does, is in
 * nothing that is pushed; nor is anything that looks like one.
 *
 * Documents are parted by bytes 0x1e; the first byte of each says what it is.
 */
#include <stdio.h>

#include "indexer/pso/pso_internal.h"
#include "tests/fuzz/fuzz.h"

#define PLANTED "planted-Secret-0123"

struct sink {
	struct redact *redact;
	uint64_t files, rows;
	bool open;
};

static const char *const names[] = {
	"values", "table", "kubernetes/persistentvolumes",
	"kubernetes/persistentvolumeclaims", "kubernetes/storageclasses",
	"kubernetes/volumesnapshots", "kubernetes/volumesnapshotcontents",
	"kubernetes/nodes", "kubernetes/csinodes", "kubernetes/intrusions",
	"kubernetes/statefulsets", "kubernetes/pods", "arrays/a/arrays",
	"arrays/a/volumes", "arrays/a/volume-snapshots", "arrays/a/hosts",
	"arrays/a/connections", "arrays/a/ports", "arrays/b/file-systems",
	"arrays/b/arrays", "index", "arrays/b/file-system-snapshots",
};
#define NAMES (sizeof(names) / sizeof(*names))

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	static const char *const put[] = {
		PLANTED, "\"apiToken\":\"" PLANTED "\"", "\"token\":",
		"T-01234567-89ab-cdef-0123-456789abcdef", "\x1e",
		"-----BEGIN KEY-----", "cGxhbnRlZC1TZWNyZXQtMDEy", "{}", "[",
	};
	const char *what = put[fuzz_below(rng, sizeof(put) / sizeof(*put))];
	size_t n = strlen(what), at = fuzz_below(rng, (uint32_t)len + 1);

	if (fuzz_below(rng, 4) || len + n > max)
		return LLVMFuzzerMutate(data, len, max);
	memmove(data + at + n, data + at, len - at);
	memcpy(data + at, what, n);
	return len + n;
}

/* What comes out. */

static void look(const struct sink *sink, struct span bytes)
{
	size_t n = strlen(PLANTED);

	FUZZ_CHECK(!redact_finds(sink->redact, bytes));
	for (size_t i = 0; i + n <= bytes.len; i++)
		FUZZ_CHECK((bytes.data[i] | 0x20) != 'p' ||
			   strncasecmp((const char *)bytes.data + i, PLANTED,
				       n) != 0);
}

int sink_begin(struct sink *sink, struct span path, const struct entry *entry,
	       struct err *err)
{
	(void)err;
	FUZZ_CHECK(!sink->open);
	FUZZ_CHECK(path.len > 0 && path.data[0] != '/');
	look(sink, path);
	sink->open = entry->type == ENTRY_FILE;
	return 1;
}

int sink_data(struct sink *sink, uint64_t offset, struct span bytes,
	      struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;

	FUZZ_CHECK(sink->open && offset == 0);
	look(sink, bytes);
	/* all that is shown is JSON */
	FUZZ_CHECK(jdoc_parse(bytes, "it", &doc, err) == 0);
	return 0;
}

int sink_end(struct sink *sink, uint64_t size, struct err *err)
{
	(void)size;
	(void)err;
	FUZZ_CHECK(sink->open);
	sink->open = false;
	sink->files++;
	return 0;
}

int sink_row(struct sink *sink, const char *table, struct span object,
	     struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;

	FUZZ_CHECK(!strncmp(table, "pso_", 4));
	look(sink, object);
	FUZZ_CHECK(jdoc_parse(object, "a row", &doc, err) == 0);
	FUZZ_CHECK(doc.root->type == JTYPE_OBJECT);
	sink->rows++;
	return 0;
}

void sink_warn(struct sink *sink, enum weight weight, struct span path,
	       const char *fmt, ...)
{
	char words[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	(void)weight;
	(void)path;
	look(sink, span_str(words));
}

void sink_format(struct sink *sink, const char *format)
{
	look(sink, span_str(format));
}

void sink_attr(struct sink *sink, const char *key, const char *value)
{
	(void)key;
	look(sink, span_str(value));
}

/* What goes in. */

static void put_list(struct pso_capture *capture, const char *name,
		     const struct jnode *root)
{
	const struct jnode *items = jnode_get(root, "items");

	FUZZ_CHECK(pso_add(capture, name, NULL, NULL) == 0);
	for (items = items ? items->child : NULL; items; items = items->next)
		FUZZ_CHECK(pso_add(capture, name, items, NULL) == 0);
}

static void put(struct pso_capture *capture, const char *name,
		struct span bytes)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;

	if (!strcmp(name, "values")) {
		FUZZ_CHECK(pso_put_values(capture, bytes, NULL) == 0);
	} else if (!strcmp(name, "table")) {
		FUZZ_CHECK(pso_put_table(capture, bytes, NULL) == 0);
	} else if (jdoc_parse(bytes, name, &doc, NULL) < 0) {
		FUZZ_CHECK(pso_put_state(capture, name, PSO_FAILED,
					 "token: no JSON", NULL) == 0);
	} else if (!strcmp(name, "index")) {
		pso_take_index(capture, doc.root, NULL);
	} else {
		put_list(capture, name, doc.root);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input input = { .fd = -1 };
	struct pso_capture capture;
	struct sink sink = { .open = false };
	struct err err = ERR_INIT;
	struct span rest = span_of(data, len);
	int r;

	FUZZ_CHECK(pso_capture_init(&capture, &err) == 0);
	FUZZ_CHECK(redact_know(capture.redact, span_str(PLANTED), &err) == 0);
	for (int i = 0; i < 64 && rest.len > 0; i++) {
		const uint8_t *end = memchr(rest.data, 0x1e, rest.len);
		size_t n = end ? (size_t)(end - rest.data) : rest.len;

		if (n > 0)
			put(&capture, names[rest.data[0] % NAMES],
			    span_of(rest.data + 1, n - 1));
		n += end != NULL;
		rest = span_of(rest.data + n, rest.len - n);
	}
	r = pso_find_arrays(&capture, &err);
	sink.redact = capture.redact;
	input.given = &capture;
	if (r == 0)
		r = reader_pso.read(&input, &sink, &err);
	/* more secrets than it keeps, and the like */
	FUZZ_CHECK(r == 0 || (r == -E2BIG && err.text[0]));
	FUZZ_CHECK(!sink.open);
	pso_capture_release(&capture);
	return 0;
}
