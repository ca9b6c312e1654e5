/* jdoc: JSON read into nodes, and written as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fs/base/jdoc.h"

static void parsed(const char *text, struct jdoc *ret)
{
	struct err err = ERR_INIT;

	if (jdoc_parse(span_str(text), "it", ret, &err) < 0)
		fail_msg("%s: %s", text, err.text);
}

static void same(const char *text, const char *want, bool pretty)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf out = BUF_INIT;

	parsed(text, &doc);
	assert_int_equal(jnode_write(doc.root, pretty, NULL, NULL, &out,
				     NULL), 0);
	assert_string_equal(buf_str(&out), want);
}

/* "Keeps what a rewriting must not change." */
static void test_as_it_was(void **state)
{
	static const char *const texts[] = {
		"null", "true", "false", "0", "-0.10e+05", "1E400",
		"123456789012345678901234567890", "\"\"", "[]", "{}",
		"[1,[2,[3]],{}]", "{\"a\":1,\"a\":2}", "{\"\":\"\\u0000\"}",
		"{\"b\":{\"c\":[]},\"a\":[null]}", "\"\xc3\xa9\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		same(texts[i], texts[i], false);
	same(" [ 1 ,\t2\r\n] ", "[1,2]", false);
	same("\"\\u00e9\\ud83d\\ude00\\/\\b\"",
	     "\"\xc3\xa9\xf0\x9f\x98\x80/\\u0008\"", false);
	same("{\"a\":[1,{}],\"b\":{\"c\":[]}}",
	     "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n"
	     "    \"c\": []\n  }\n}", true);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"", " ", "nul", "tru", "01", "-", "1.", ".5", "1e", "+1",
		"'a'", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\\u12",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
		"\"a\nb\"", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",
		"{a:1}", "{\"a\":1,}", "[", "{", "]", "1 2", "[1]]",
		"\"\xff\"", "\"\xed\xa0\x80\"", "NaN", "[1}", "\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct jdoc doc = JDOC_INIT;
		struct err err = ERR_INIT;
		int r = jdoc_parse(span_str(texts[i]), "it", &doc, &err);

		if (r != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_non_null(strstr(err.text, "it "));
		assert_null(doc.root);
	}
}

static void test_limits(void **state)
{
	OWNED_BUF struct buf deep = BUF_INIT;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < JDOC_DEPTH_MAX; i++)
		buf_append_byte(&deep, '[');
	for (int i = 0; i < JDOC_DEPTH_MAX; i++)
		buf_append_byte(&deep, ']');
	assert_int_equal(jdoc_parse(buf_span(&deep), "it", &doc, &err), 0);
	jdoc_release(&doc);
	deep.data[JDOC_DEPTH_MAX] = '[';
	assert_int_equal(jdoc_parse(buf_span(&deep), "it", &doc, &err),
			 -E2BIG);
	/* nodes: more than fit, in few bytes */
	buf_clear(&deep);
	buf_append_byte(&deep, '[');
	for (unsigned i = 0; i < JDOC_NODES_MAX; i++)
		buf_append_str(&deep, "0,");
	buf_append_str(&deep, "0]");
	assert_int_equal(jdoc_parse(buf_span(&deep), "it", &doc, &err),
			 -E2BIG);
	assert_int_equal(jdoc_parse(span_of(deep.data, JDOC_BYTES_MAX + 1ul),
				    "it", &doc, &err), -E2BIG);
}

static void test_looking(void **state)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *root, *n;
	uint64_t value = 7;
	size_t count = 0;

	(void)state;
	parsed("{\"a\":{\"b\":{\"c\":\"x\",\"n\":12,\"t\":true}},"
	       "\"s\":\"34\",\"big\":9223372036854775808,\"neg\":-1,"
	       "\"l\":[1,2,3]}", &doc);
	root = doc.root;
	assert_true(jnode_is(root, "a.b.c", "x"));
	assert_false(jnode_is(root, "a.b", "x"));
	assert_false(jnode_is(root, "a.x.c", "x"));
	assert_true(jnode_true(root, "a.b.t"));
	assert_true(jnode_u64(root, "a.b.n", &value) && value == 12);
	assert_true(jnode_u64(root, "s", &value) && value == 34);
	assert_false(jnode_u64(root, "big", &value));
	assert_false(jnode_u64(root, "neg", &value));
	assert_false(jnode_u64(root, "a", &value));
	assert_int_equal(value, 34);
	assert_null(jnode_text(root, "l").data);
	assert_null(jnode_get(NULL, "a"));
	assert_null(jnode_path(root, "l.a"));
	assert_int_equal(jnode_count(jnode_get(root, "l")), 3);
	for (n = root; n; n = jnode_after(n, root))
		count++;
	assert_int_equal(count, 13);
	/* below a node only */
	count = 0;
	for (n = jnode_get(root, "a"); n;
	     n = jnode_after(n, jnode_get(root, "a")))
		count++;
	assert_int_equal(count, 5);
}

static int leave_out(void *arg, const struct jnode *node, struct buf *out,
		     struct err *err)
{
	(void)arg;
	(void)err;
	if (node->key.data && span_equal(node->key, span_str("no")))
		return 1;
	if (node->type != JTYPE_NUMBER)
		return 0;
	buf_append_str(out, "\"n\"");
	return 2;
}

static void test_filter(void **state)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	parsed("{\"no\":{\"x\":[]},\"a\":[1,\"s\"],\"b\":{\"no\":1},"
	       "\"no\":2}", &doc);
	assert_int_equal(jnode_write(doc.root, false, leave_out, NULL, &out,
				     NULL), 0);
	assert_string_equal(buf_str(&out),
			    "{\"a\":[\"n\",\"s\"],\"b\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_it_was),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_looking),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
