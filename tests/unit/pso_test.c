/* pso: what single parts make of a document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "indexer/pso/pso_model.h"

static void test_quantity(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 }, { "10Gi", 10737418240 }, { "1.5Gi", 1610612736 },
		{ "500M", 500000000 }, { "1e3", 1000 }, { "12k", 12000 },
		{ "1Ti", 1099511627776 }, { "128974848000m", 128974848 },
	};
	static const char *const bad[] = { "", "-1", "10GiB", "Gi", "1 Gi",
		"nan", "inf", "1e30", "0x10Zi", "9999999P",
		"111111111111111111111111111111111111111111111111111" };
	uint64_t bytes = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(pso_quantity(span_str(good[i].text), &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	bytes = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (pso_quantity(span_str(bad[i]), &bytes))
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(bytes, 7);
}

/* %XX taken back. */
static void back(const struct buf *path, struct buf *out)
{
	for (size_t i = 0; i < path->len; i++) {
		if (path->data[i] == '%' && i + 2 < path->len) {
			char hex[3] = { (char)path->data[i + 1],
					(char)path->data[i + 2] };

			buf_append_byte(out, (uint8_t)strtoul(hex, NULL, 16));
			i += 2;
		} else {
			buf_append_byte(out, path->data[i]);
		}
	}
}

static void test_component(void **state)
{
	static const struct {
		const char *name, *component;
	} names[] = {
		{ "k8s_lab-pso-db_0000000003", "k8s_lab-pso-db_0000000003" },
		{ "pod1::vol", "pod1%3A%3Avol" },
		{ "vgroup/vol", "vgroup%2Fvol" }, { "..", "%2E." },
		{ ".hidden", "%2Ehidden" }, { "100%", "100%25" },
		{ "a\nb", "a%0Ab" }, { "a.b", "a.b" }, { "x%2Fy", "x%252Fy" },
	};
	OWNED_BUF struct buf long_name = BUF_INIT, other = BUF_INIT;
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		OWNED_BUF struct buf path = BUF_INIT, plain = BUF_INIT;

		pso_component(span_str(names[i].name), &path);
		assert_string_equal(buf_str(&path), names[i].component);
		back(&path, &plain);
		assert_string_equal(buf_str(&plain), names[i].name);
	}
	/* too long for a component: cut, and still distinct */
	for (int i = 0; i < 400; i++)
		buf_append_byte(&long_name, ':');
	buf_append(&other, long_name.data, long_name.len);
	buf_append_byte(&other, 'x');
	pso_component(buf_span(&long_name), &a);
	pso_component(buf_span(&other), &b);
	assert_true(a.len <= 250 && b.len <= 250);
	assert_false(span_equal(buf_span(&a), buf_span(&b)));
}

static void table(const char *text, const char *want)
{
	struct pso_capture capture;
	const struct pso_doc *doc;
	struct err err = ERR_INIT;

	assert_int_equal(pso_capture_init(&capture, &err), 0);
	assert_int_equal(pso_put_table(&capture, span_str(text), &err), 0);
	doc = pso_find(&capture, "kubernetes/intrusions");
	assert_non_null(doc);
	if (want) {
		assert_int_equal(doc->state, PSO_HAD);
		assert_int_equal(doc->bytes.len, strlen(want));
		assert_memory_equal(doc->bytes.data, want, strlen(want));
	} else {
		assert_int_equal(doc->state, PSO_FAILED);
		assert_true(doc->why[0]);
	}
	pso_capture_release(&capture);
}

/* "READY is a string "5/5"": a table says what the object does. */
static void test_table(void **state)
{
	(void)state;
	table("NAME     STATUS   READY   RANGES   UNDER-REPLICATED   "
	      "UNAVAILABLE   AS-OF\n"
	      "pso-db   Live     5/5     40       1                  2    "
	      "         2020-11-05T21:47:10Z\n",
	      "\n{\"kind\":\"Intrusion\",\"ofTable\":true,\"metadata\":"
	      "{\"name\":\"pso-db\"},\"status\":{\"status\":\"Live\","
	      "\"readyNodes\":\"5/5\",\"totalRanges\":\"40\","
	      "\"underreplicatedRanges\":\"1\",\"unavailableRanges\":\"2\","
	      "\"asOf\":\"2020-11-05T21:47:10Z\"}}");
	table("NAMESPACE NAME READY\npso pso-db 4/5\n",
	      "\n{\"kind\":\"Intrusion\",\"ofTable\":true,\"metadata\":"
	      "{\"namespace\":\"pso\",\"name\":\"pso-db\"},\"status\":"
	      "{\"readyNodes\":\"4/5\"}}");
	/* a cell that is empty would shift the others */
	table("NAME STATUS READY RANGES\npso-db Live 40\n", NULL);
	table("No resources found in pso namespace.\n", NULL);
	table("error: the server doesn't have a resource type\n", NULL);
	table("", NULL);
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(pso_type_parse(span_str("FA")), PSO_FLASHARRAY);
	assert_int_equal(pso_type_parse(span_str("flashBlade")),
			 PSO_FLASHBLADE);
	assert_int_equal(pso_type_parse(span_str("fax")), 0);
	assert_int_equal(pso_type_parse(span_str("")), 0);
}

static void test_db_names(void **state)
{
	static const struct {
		const char *name;
		size_t pair;	/* its length; 0: it is none */
		bool unusable;
	} names[] = {
		{ "k8s_lab-pso-db_0000000003", 25, false },
		{ "k8s_lab-pso-db_0000000003-u", 25, true },
		{ "k8s_lab-pso-db_0000000003-2-u", 25, true },
		{ "k8s_lab-pso-db_0000000003-2", 0, false },
		{ "k8s_lab-pso-db_0000000003-uu", 0, false },
		{ "k8s_lab-pso-db_0000000003-2-", 0, false },
		{ "k8s_lab-pso-db_000000003", 0, false },
		{ "k8s_lab-pso-db_00000000031", 0, false },
		{ "k8s_lab-pso-db_000000000x", 0, false },
		{ "k8s_lab-pvc-0000000003", 0, false },
		{ "k8s_lab2-pso-db_0000000003", 0, false },
		{ "k8s-pso-db_0000000003", 0, false },
		{ "pod::k8s_lab-pso-db_0000000003", 0, false },
		{ "k8s_lab-pso-db_", 0, false }, { "k8s_lab", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct pso_db_name got = { .pair = span_of(NULL, 0) };
		bool is = pso_db_name_parse(span_str("k8s_lab"),
					    span_str(names[i].name), &got);

		if (is != (names[i].pair > 0))
			fail_msg("%s", names[i].name);
		if (is) {
			assert_int_equal(got.pair.len, names[i].pair);
			assert_int_equal(got.unusable, names[i].unusable);
		}
	}
	assert_true(pso_cluster_id_is_valid(span_str("k8s_lab")));
	assert_true(pso_cluster_id_is_valid(span_str("0123456789012345678901")));
	assert_false(pso_cluster_id_is_valid(span_str("01234567890123456789012")));
	assert_false(pso_cluster_id_is_valid(span_str("k8s-lab")));
	assert_false(pso_cluster_id_is_valid(span_str("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantity),
		cmocka_unit_test(test_component),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_db_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
