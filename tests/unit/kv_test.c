#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/base/id.h"
#include "fs/base/kv.h"

/* body with the sum line that fits it, parsed. */
static int parse_with_sum(const char *body, size_t len, struct kv **ret,
			  struct err *err)
{
	OWNED_BUF struct buf doc = BUF_INIT;

	buf_append(&doc, body, len);
	buf_printf(&doc, "sum=%016llx\n",
		   (unsigned long long)sum64(span_of(body, len)));
	return kv_parse(buf_span(&doc), "t", 3, "record 'x'", ret, err);
}

static void the_text_is_as_documented(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct kv *kv = kv_new("varve-record", 1);
	char want[200];
	const char *body = "varve-record 1\n"
			   "source=cpd30/dv\n"
			   "tag=env=prod\n"
			   "odd=a%0A%25%7F%00\xff z\n"
			   "n=18446744073709551615\n"
			   "hex=00ff\n"
			   "f=7-x\n"
			   "empty=\n";

	(void)state;
	kv_put(kv, "source", "cpd30/dv");
	kv_put(kv, "tag", "env=prod");
	kv_put_span(kv, "odd", span_of("a\n%\x7f\0\xff z", 8));
	kv_put_u64(kv, "n", UINT64_MAX);
	kv_put_hex(kv, "hex", (const uint8_t *)"\0\xff", 2);
	kv_putf(kv, "f", "%d-%s", 7, "x");
	kv_put(kv, "empty", "");
	assert_int_equal(kv_write(kv, &out, NULL), 0);
	snprintf(want, sizeof(want), "%ssum=%016llx\n", body,
		 (unsigned long long)sum64(span_str(body)));
	assert_string_equal(buf_str(&out), want);
	kv_free(kv);
}

static void what_is_written_reads_back(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT, again = BUF_INIT;
	struct kv *kv = kv_new("t", 2), *back;
	const char *key, *value;
	uint8_t all[256], hex[2];
	uint64_t n;
	size_t len;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	kv_put_span(kv, "all", span_of(all, 256));
	kv_put(kv, "tag", "one");
	kv_put(kv, "tag", "two");
	kv_put_u64(kv, "n", 42);
	kv_put_hex(kv, "hex", all + 254, 2);
	assert_int_equal(kv_write(kv, &out, NULL), 0);
	assert_int_equal(kv_parse(buf_span(&out), "t", 3, "it", &back, NULL),
			 0);
	assert_int_equal(kv_version(back), 2);
	assert_true(kv_pair(back, 0, &key, &value, &len));
	assert_string_equal(key, "all");
	assert_int_equal(len, 256);
	assert_memory_equal(value, all, 256);
	assert_string_equal(kv_get(back, "tag"), "one");
	assert_true(kv_pair(back, 2, &key, &value, NULL));
	assert_string_equal(value, "two");
	assert_false(kv_pair(back, 5, &key, &value, NULL));
	assert_null(kv_get(back, "none"));
	assert_int_equal(kv_get_u64(back, "n", &n, NULL), 0);
	assert_int_equal(n, 42);
	assert_int_equal(kv_get_hex(back, "hex", hex, 2, NULL), 0);
	assert_memory_equal(hex, "\xfe\xff", 2);
	assert_int_equal(kv_write(back, &again, NULL), 0);
	assert_true(span_equal(buf_span(&out), buf_span(&again)));
	kv_free(back);
	kv_free(kv);
	kv_free(NULL);
}

static void no_pairs_are_a_document_too(void **state)
{
	struct kv *kv = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(parse_with_sum("t 1\n", 4, &kv, &err), 0);
	assert_null(kv_get(kv, "a"));
	kv_free(kv);
}

static void malformed_documents_are_refused(void **state)
{
	static const struct { const char *body; size_t len; int code; }
	cases[] = {
#define CASE(s, c) { s, sizeof(s) - 1, c }
		CASE("t 4\n", -ENOTSUP),
		CASE("t 99999999999\n", -EBADMSG),
		CASE("u 1\n", -EINVAL),
		CASE("tt 1\n", -EINVAL),
		CASE("t1\n", -EINVAL),
		CASE("t\n", -EINVAL),
		CASE("\n", -EINVAL),
		CASE("t \n", -EINVAL),
		CASE("t x\n", -EBADMSG),
		CASE("t 01\n", -EBADMSG),
		CASE("t +1\n", -EBADMSG),
		CASE("t 1 \n", -EBADMSG),
		CASE("t 1\r\n", -EBADMSG),
		CASE("t 1\n\n", -EBADMSG),
		CASE("t 1\nnovalue\n", -EBADMSG),
		CASE("t 1\n=x\n", -EBADMSG),
		CASE("t 1\nA=x\n", -EBADMSG),
		CASE("t 1\na_b=x\n", -EBADMSG),
		CASE("t 1\n a=x\n", -EBADMSG),
		CASE("t 1\na\0=x\n", -EBADMSG),
		CASE("t 1\nsum=0123456789abcdef\n", -EBADMSG),
		CASE("t 1\na=%\n", -EBADMSG),
		CASE("t 1\na=%0\n", -EBADMSG),
		CASE("t 1\na=%0a\n", -EBADMSG),		/* lower case */
		CASE("t 1\na=%41\n", -EBADMSG),		/* needs no escape */
		CASE("t 1\na=%0G\n", -EBADMSG),
		CASE("t 1\na=\t\n", -EBADMSG),
		CASE("t 1\na=x\r\n", -EBADMSG),
		CASE("t 1\na=\x7f\n", -EBADMSG),
		CASE("t 1\na=\0\n", -EBADMSG),
		CASE("t 1\na=x", -EBADMSG),		/* sum on the line */
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct kv *kv = NULL;
		int r = parse_with_sum(cases[i].body, cases[i].len, &kv, &err);

		if (r != cases[i].code)
			print_message("case %zu: %s\n", i, cases[i].body);
		assert_int_equal(r, cases[i].code);
		assert_int_equal(err.code, r);
		assert_null(kv);
	}
}

static void messages_name_the_document(void **state)
{
	struct err err = ERR_INIT;
	struct kv *kv = NULL;

	(void)state;
	parse_with_sum("t 4\n", 4, &kv, &err);
	assert_string_equal(err.text, "record 'x' has format 4, and this "
			    "program knows formats up to 3");
	assert_string_equal(err.hint, "use a newer varve");
	parse_with_sum("t 1\na=%\n", 8, &kv, &err);
	assert_string_equal(err.text, "record 'x': line 2 is malformed");
}

/* Each byte changed in each of some ways, each cut, each byte appended. */
static void no_flaw_goes_unseen(void **state)
{
	OWNED_BUF struct buf doc = BUF_INIT;
	struct kv *kv = kv_new("t", 1), *back = NULL;

	(void)state;
	kv_put(kv, "source", "cpd30/dv");
	kv_put(kv, "odd", "\n%");
	assert_int_equal(kv_write(kv, &doc, NULL), 0);
	kv_free(kv);
	for (size_t i = 0; i < doc.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			doc.data[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(kv_parse(buf_span(&doc), "t", 1, "it",
						  &back, NULL), -EBADMSG);
			doc.data[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_equal(kv_parse(span_of(doc.data, i), "t", 1, "it",
					  &back, NULL), -EBADMSG);
	}
	buf_append_byte(&doc, '\n');
	assert_int_equal(kv_parse(buf_span(&doc), "t", 1, "it", &back, NULL),
			 -EBADMSG);
	assert_null(back);
}

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "01",
		"1x", "0x1", "18446744073709551616", "99999999999999999999" };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kv *kv = kv_new("t", 1);
		uint64_t n = 7;

		kv_put(kv, "n", bad[i]);
		assert_int_equal(kv_get_u64(kv, "n", &n, &err), -EBADMSG);
		assert_int_equal(n, 7);
		assert_int_equal(kv_get_u64(kv, "m", &n, &err), -ENOENT);
		kv_free(kv);
	}
}

static void hex_is_strict(void **state)
{
	struct kv *kv = kv_new("t", 1);
	uint8_t raw[2] = { 7, 7 };

	(void)state;
	kv_put(kv, "short", "0f0");
	kv_put(kv, "long", "0f0f0f");
	kv_put(kv, "upper", "0F0F");
	assert_int_equal(kv_get_hex(kv, "short", raw, 2, NULL), -EBADMSG);
	assert_int_equal(kv_get_hex(kv, "long", raw, 2, NULL), -EBADMSG);
	assert_int_equal(kv_get_hex(kv, "upper", raw, 2, NULL), -EBADMSG);
	assert_int_equal(kv_get_hex(kv, "none", raw, 2, NULL), -ENOENT);
	assert_int_equal(raw[0], 7);
	kv_free(kv);
}

static void limits_hold_when_writing(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	char key[200];
	char *big = calloc(1, KV_MAX);
	struct kv *kv;

	(void)state;
	kv = kv_new("t", 1);
	kv_put(kv, "Bad Key", "x");
	kv_put(kv, "good", "x");
	assert_int_equal(kv_write(kv, &out, &err), -EINVAL);
	assert_string_equal(err.text, "t: 'Bad Key' is not a key");
	kv_free(kv);
	kv = kv_new("t", 1);
	kv_put(kv, "sum", "x");
	assert_int_equal(kv_write(kv, &out, &err), -EINVAL);
	kv_free(kv);
	kv = kv_new("t", 1);
	memset(key, 'k', sizeof(key));
	key[128] = '\0';
	kv_put(kv, key, "x");
	assert_int_equal(kv_write(kv, &out, &err), 0);
	key[128] = 'k';
	key[129] = '\0';
	kv_put(kv, key, "x");
	assert_int_equal(kv_write(kv, &out, &err), -EINVAL);
	kv_free(kv);
	kv = kv_new("t", 1);
	memset(big, 'x', KV_MAX - 1);
	kv_put(kv, "big", big);
	assert_int_equal(kv_write(kv, &out, &err), -EFBIG);
	kv_free(kv);
	free(big);
}

static void a_large_document_goes_around(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct kv *kv = kv_new("t", 1), *back = NULL;
	struct err err = ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 65534; i++)
		kv_putf(kv, "k", "%u", i);
	assert_int_equal(kv_write(kv, &out, NULL), 0);
	assert_int_equal(kv_parse(buf_span(&out), "t", 1, "it", &back, NULL),
			 0);
	kv_free(back);
	kv_put(kv, "k", "one too many");
	assert_int_equal(kv_write(kv, &out, &err), -EFBIG);
	kv_free(kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_documented),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(no_pairs_are_a_document_too),
		cmocka_unit_test(malformed_documents_are_refused),
		cmocka_unit_test(messages_name_the_document),
		cmocka_unit_test(no_flaw_goes_unseen),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(hex_is_strict),
		cmocka_unit_test(limits_hold_when_writing),
		cmocka_unit_test(a_large_document_goes_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
