/*
 * JSON documents, and YAML that becomes one.  What is read and written again
 * is the same document, in a line or in many; YAML gives JSON that is read.
 *
 * The first byte: even for JSON, odd for YAML.
 */
#include "fs/base/jdoc.h"
#include "indexer/pso/yaml.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	(void)rng;
	return LLVMFuzzerMutate(data, len, max);
}

static void walk(const struct jnode *root)
{
	size_t count = 0, children = 0;

	for (const struct jnode *n = root; n; n = jnode_after(n, root)) {
		FUZZ_CHECK(n->type >= JTYPE_NULL && n->type <= JTYPE_OBJECT);
		FUZZ_CHECK((n == root) == (n->parent == NULL));
		FUZZ_CHECK(!n->parent || (n->key.data != NULL) ==
			   (n->parent->type == JTYPE_OBJECT));
		children += jnode_count(n);
		count++;
	}
	FUZZ_CHECK(count == children + 1);
}

static void json(struct span bytes)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT, again = JDOC_INIT,
		pretty = JDOC_INIT;
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
	struct err err = ERR_INIT;
	int r = jdoc_parse(bytes, "input", &doc, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return;
	walk(doc.root);
	FUZZ_CHECK(!jnode_write(doc.root, false, NULL, NULL, &a, &err));
	FUZZ_CHECK(!jnode_write(doc.root, true, NULL, NULL, &b, &err));
	if (jdoc_parse(buf_span(&a), "again", &again, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	if (jdoc_parse(buf_span(&b), "pretty", &pretty, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	FUZZ_CHECK(!jnode_write(again.root, false, NULL, NULL, &c, &err));
	FUZZ_CHECK(span_equal(buf_span(&a), buf_span(&c)));
	buf_clear(&c);
	FUZZ_CHECK(!jnode_write(pretty.root, false, NULL, NULL, &c, &err));
	FUZZ_CHECK(span_equal(buf_span(&a), buf_span(&c)));
}

static void yaml(struct span bytes)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int r = yaml_to_json(bytes, "input", &out, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r == 0 && jdoc_parse(buf_span(&out), "its JSON", &doc, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	if (data[0] % 2)
		yaml(span_of(data + 1, len - 1));
	else
		json(span_of(data + 1, len - 1));
	return 0;
}
