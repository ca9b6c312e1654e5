/* redact: what is a secret, where it is taken out, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "indexer/pso/redact.h"
#include "indexer/pso/yaml.h"

#define UUID "0e9f6a4b-77aa-4c1d-8e2f-dd44ee55ff66"

#define OTHER "1f8e7d6c-0b4a-4938-8271-605040302010"

static struct redact *redact;

static int set_up(void **state)
{
	(void)state;
	redact = redact_new();
	return redact ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	redact_free(redact);
	return 0;
}

static void becomes(const char *text, const char *want)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(redact_text(redact, span_str(text), &out, NULL,
				     &err), 0);
	assert_string_equal(buf_str(&out), want);
	assert_false(redact_finds(redact, buf_span(&out)));
}

static void stays(const char *text)
{
	becomes(text, text);
}

static void json_becomes(const char *text, const char *want)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(jdoc_parse(span_str(text), "it", &doc, &err), 0);
	for (int i = 0; i < 2; i++) {
		buf_clear(&out);
		assert_int_equal(redact_json(redact, doc.root, false, &out,
					     NULL, &err), 0);
	}
	assert_string_equal(buf_str(&out), want);
	assert_false(redact_finds(redact, buf_span(&out)));
}

/* "and by its shape" */
static void test_shapes(void **state)
{
	(void)state;
	becomes("x T-" UUID " y", "x [redacted] y");
	becomes("t-" UUID, "[redacted]");
	becomes("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE "
		"KEY----- b", "a [redacted] b");
	becomes("-----BEGIN CERTIFICATE-----\nMII", "[redacted]");
	becomes("eyJhbGciOiJSUzI1.eyJpc3MiOiJrdW.c2lnbmF0dXJl!",
		"[redacted]!");
	becomes("LS0tLS1CRUdJTiBDRVJU== z", "[redacted] z");
	becomes("Authorization: Bearer abcdefgh",
		"Authorization: [redacted]");
	becomes("use bearer abc.def-123 now", "use bearer [redacted] now");
	becomes("https://u:geheim@h/p", "https://u:[redacted]@h/p");
	/* not these */
	stays("pvc-" OTHER);
	stays("k8s-pvc-" OTHER ".snapshot-" OTHER);
	stays("https://h:8443/p@x");
	stays("bearer of news");
	stays("eyJhbGciOiJSUzI1 alone");
	stays("XT-" OTHER);
	stays("T-" OTHER "0");
}

static void test_pairs(void **state)
{
	(void)state;
	becomes("apiToken: abc", "apiToken: [redacted]");
	becomes("--api-token=abc --x", "--api-token=[redacted] --x");
	becomes("{\"APIToken\": \"abc\", \"a\": 1}",
		"{\"APIToken\": \"[redacted]\", \"a\": 1}");
	becomes("{\\\"password\\\":\\\"abc\\\"}",
		"{\\\"password\\\":\\\"[redacted]\\\"}");
	becomes("DB_PASSWORD='a b'", "DB_PASSWORD='[redacted]'");
	becomes("x-auth-token: 123;", "x-auth-token: [redacted];");
	stays("token: null");
	stays("secretName: pso-cockroach-node-certs");
	stays("tokens");
	stays("token:");
	stays("password: [redacted]");
	/* a word of prose is taken out there, and nowhere else */
	becomes("secret: forgotten", "secret: [redacted]");
	stays("forgotten");
	/* what looks drawn is */
	becomes("secret: f0rg0tten", "secret: [redacted]");
	becomes("F0RG0TTEN!", "[redacted]!");
}

/* "a value once seen as a token is redacted wherever it stands" */
static void test_known(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(redact_know(redact, span_str(" " UUID "\n"), &err),
			 0);
	assert_int_equal(redact_know(redact, span_str("short"), &err), 0);
	becomes("a" UUID "b", "a[redacted]b");
	becomes("0E9F6A4B-77AA-4C1D-8E2F-DD44EE55FF66", "[redacted]");
	/* base64 of it */
	becomes("MGU5ZjZhNGItNzdhYS00YzFkLThlMmYtZGQ0NGVlNTVmZjY2",
		"[redacted]");
	stays("short");
	stays("0e9f6a4b-77aa-4c1d-8e2f");
	/* the longest of those that begin alike */
	assert_int_equal(redact_know(redact, span_str("abcdefgh"), &err), 0);
	assert_int_equal(redact_know(redact, span_str("abcdefghij"), &err),
			 0);
	becomes("abcdefghijk", "[redacted]k");
	assert_true(redact_finds(redact, span_str("xx" UUID)));
	assert_false(redact_finds(redact, span_str(REDACTED)));
}

static void test_limits(void **state)
{
	struct err err = ERR_INIT;
	char text[64];
	int r = 0;

	(void)state;
	for (int i = 0; r == 0 && i <= SECRETS_MAX; i++) {
		snprintf(text, sizeof(text), "%08d", i * 7919);
		r = redact_know(redact, span_str(text), &err);
	}
	assert_int_equal(r, -E2BIG);
	assert_true(err.text[0]);
	/* many that begin alike would cost at each place */
	tear_down(NULL);
	set_up(NULL);
	r = 0;
	for (int i = 0; r == 0 && i < 1000; i++) {
		snprintf(text, sizeof(text), "alike-alike-%d", i);
		r = redact_know(redact, span_str(text), &err);
	}
	assert_int_equal(r, -E2BIG);
}

static void test_json(void **state)
{
	(void)state;
	json_becomes("{\"apiToken\":\"" UUID "\",\"name\":\"x " UUID "\","
		     "\"n\":1}", "{\"apiToken\":\"[redacted]\","
		     "\"name\":\"x [redacted]\",\"n\":1}");
	json_becomes("{\"password\":12345678,\"token\":true,\"secret\":\"\","
		     "\"apiKey\":null}", "{\"password\":\"[redacted]\","
		     "\"token\":true,\"secret\":\"\",\"apiKey\":null}");
	json_becomes("{\"pure.json\":\"{\\\"x\\\":\\\"y\\\"}\"}",
		     "{\"pure.json\":\"[redacted]\"}");
	json_becomes("{\"clientKey\":{\"a\":[\"b\",{\"name\":\"c\"}]}}",
		     "{\"clientKey\":{\"a\":[\"[redacted]\","
		     "{\"name\":\"[redacted]\"}]}}");
	/* a reference to a secret is none */
	json_becomes("{\"secret\":{\"secretName\":\"certs\",\"items\":"
		     "[{\"key\":\"k\",\"path\":\"p\"}],\"x\":\"y\"}}",
		     "{\"secret\":{\"secretName\":\"certs\",\"items\":"
		     "[{\"key\":\"k\",\"path\":\"p\"}],\"x\":\"[redacted]\"}}");
	json_becomes("{\"env\":[{\"name\":\"API_TOKEN\",\"value\":\"abc\"},"
		     "{\"name\":\"A\",\"value\":\"abc\"}]}",
		     "{\"env\":[{\"name\":\"API_TOKEN\",\"value\":"
		     "\"[redacted]\"},{\"name\":\"A\",\"value\":\"abc\"}]}");
	json_becomes("{\"certificate\":\"some-name-of-one\",\"x\":"
		     "\"some-name-of-one\"}", "{\"certificate\":"
		     "\"[redacted]\",\"x\":\"some-name-of-one\"}");
}

/* Names are what documents are matched by: a word is not taken out of them. */
static void test_words(void **state)
{
	(void)state;
	json_becomes("{\"password\":\"postgres\",\"pvc\":\"data-postgres-0\"}",
		     "{\"password\":\"[redacted]\",\"pvc\":"
		     "\"data-postgres-0\"}");
	json_becomes("{\"password\":\"Postgres\",\"x\":\"a-postgres\"}",
		     "{\"password\":\"[redacted]\",\"x\":\"a-[redacted]\"}");
	json_becomes("{\"password\":\"correcthorse\",\"x\":\"correcthorse\"}",
		     "{\"password\":\"[redacted]\",\"x\":\"[redacted]\"}");
	json_becomes("{\"secret\":\"pure-provisioner-secret\",\"x\":"
		     "\"pure-provisioner-secret\"}",
		     "{\"secret\":\"[redacted]\",\"x\":"
		     "\"pure-provisioner-secret\"}");
}

/* The data of a Secret, and what is packed in it. */
static void test_secret(void **state)
{
	(void)state;
	/* {"arrays":{"APIToken":"inner-token-1"}} and plain-value-22 */
	json_becomes("{\"kind\":\"Secret\",\"data\":{\"a\":"
		     "\"eyJhcnJheXMiOnsiQVBJVG9rZW4iOiJpbm5lci10b2tlbi0xIn19"
		     "\",\"b\":\"cGxhaW4tdmFsdWUtMjI=\"},\"x\":"
		     "\"inner-token-1 plain-value-22\"}",
		     "{\"kind\":\"Secret\",\"data\":{\"a\":\"[redacted]\","
		     "\"b\":\"[redacted]\"},\"x\":\"[redacted] [redacted]\"}");
	json_becomes("{\"kind\":\"ConfigMap\",\"data\":{\"a\":\"b\"}}",
		     "{\"kind\":\"ConfigMap\",\"data\":{\"a\":\"b\"}}");
}

/* kubectl keeps what was applied as JSON in an annotation. */
static void test_nested(void **state)
{
	(void)state;
	json_becomes("{\"a\":\"{\\\"spec\\\":{\\\"apiToken\\\":\\\"nested-1"
		     "\\\"}}\",\"b\":\"nested-1\"}",
		     "{\"a\":\"{\\\"spec\\\":{\\\"apiToken\\\":\\\""
		     "[redacted]\\\"}}\",\"b\":\"[redacted]\"}");
	/* its layout stays where nothing is taken out */
	json_becomes("{\"a\":\"{ \\\"x\\\" : 1 }\"}",
		     "{\"a\":\"{ \\\"x\\\" : 1 }\"}");
	/* a key that is one goes with its value */
	json_becomes("{\"T-" UUID "\":1,\"a\":2}", "{\"a\":2}");
}

static void test_keys(void **state)
{
	(void)state;
	assert_int_equal(redact_key(span_str("API_Token")), KEY_STRONG);
	assert_int_equal(redact_key(span_str("host-password")), KEY_STRONG);
	assert_int_equal(redact_key(span_str(".dockerconfigjson")),
			 KEY_STRONG);
	assert_int_equal(redact_key(span_str("tls.key")), KEY_STRONG);
	assert_int_equal(redact_key(span_str("continuation_token")),
			 KEY_WEAK);
	assert_int_equal(redact_key(span_str("imagePullSecrets")), KEY_WEAK);
	assert_int_equal(redact_key(span_str("caBundle")), KEY_NAMING);
	assert_int_equal(redact_key(span_str("secretName")), KEY_PLAIN);
	assert_int_equal(redact_key(span_str("key")), KEY_PLAIN);
	assert_int_equal(redact_key(span_str("")), KEY_PLAIN);
}

static void yaml_is(const char *text, const char *want)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (yaml_to_json(span_str(text), "it", &out, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(buf_str(&out), want);
}

static void test_yaml(void **state)
{
	static const char *const bad[] = {
		"", "a: b: c", "[1", "? [a]\n: b", "*x", "a: 1\n---\nb: 2",
		"\tx: y", "a: \"\\q\"",
	};

	(void)state;
	yaml_is("a: 1\nb: [x, '2', 3.5, true, ~, null, no]\nc: {d: }\n",
		"{\"a\":1,\"b\":[\"x\",\"2\",3.5,true,null,null,\"no\"],"
		"\"c\":{\"d\":null}}");
	yaml_is("a: &x {k: v}\nb: *x\n# c: d\ne: |\n  two\n  lines\n",
		"{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"},"
		"\"e\":\"two\\nlines\\n\"}");
	yaml_is("1: 010\n", "{\"1\":\"010\"}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		OWNED_BUF struct buf out = BUF_INIT;
		struct err err = ERR_INIT;

		if (yaml_to_json(span_str(bad[i]), "it", &out, &err) !=
		    -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.text[0]);
	}
}

/* Ten aliases of ten aliases … end at a bound. */
static void test_yaml_laughs(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT, out = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	buf_append_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 20; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
		buf_append_str(&text, "]\n");
	}
	assert_int_equal(yaml_to_json(buf_span(&text), "it", &out, &err),
			 -E2BIG);
	assert_true(out.len < 64u << 20);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_shapes), TEST(test_pairs), TEST(test_known),
		TEST(test_limits), TEST(test_json), TEST(test_words), TEST(test_secret),
		TEST(test_nested), TEST(test_keys), TEST(test_yaml),
		TEST(test_yaml_laughs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
