#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "indexer/pgdump/pg_token.h"

#define SPAN(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static void test_tokens(void **state)
{
	static const char text[] =
		"a1$ \"b\"\"c\" 'd''e' E'f\\'' $$g$$ $t$h$$i$t$ -- '\n"
		"/* /* */ ' */1e5 $1;U&\"j\"";
	static const struct {
		enum pg_token_kind kind;
		const char *text;
	} want[] = {
		{ PG_TOKEN_WORD, "a1$" }, { PG_TOKEN_NAME, "\"b\"\"c\"" },
		{ PG_TOKEN_STRING, "'d''e'" }, { PG_TOKEN_OTHER, "E'f\\''" },
		{ PG_TOKEN_OTHER, "$$g$$" }, { PG_TOKEN_OTHER, "$t$h$$i$t$" },
		{ PG_TOKEN_OTHER, "1e5" }, { PG_TOKEN_OTHER, "$" },
		{ PG_TOKEN_OTHER, "1" }, { PG_TOKEN_OTHER, ";" },
		{ PG_TOKEN_WORD, "U" }, { PG_TOKEN_OTHER, "&" },
		{ PG_TOKEN_NAME, "\"j\"" },
	};
	struct span rest = span_str(text);
	struct pg_token token;
	size_t n = 0;

	(void)state;
	while (pg_token_next(&rest, false, &token)) {
		if (token.kind == PG_TOKEN_SPACE)
			continue;
		assert_true(n < sizeof(want) / sizeof(want[0]));
		assert_int_equal(token.kind, want[n].kind);
		assert_true(span_equal(token.text, span_str(want[n].text)));
		n++;
	}
	assert_int_equal(n, sizeof(want) / sizeof(want[0]));
}

/* Each beginning of text is taken to its end, and in whole. */
static void test_ends(void **state)
{
	static const char text[] = "a \"b\"\"c\" 'd\\'' e'f\\''$t$x$t$/* /* */*/ --";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		uint8_t *copy = malloc(len + 1);
		struct span rest = span_of(copy, len);
		struct pg_token token;
		size_t taken = 0;

		memcpy(copy, text, len);
		while (pg_token_next(&rest, len & 1, &token)) {
			assert_true(token.text.len > 0);
			taken += token.text.len;
		}
		assert_int_equal(taken, len);
		free(copy);
	}
}

static void test_find(void **state)
{
	OWNED_QUALIFIED struct pg_qualified name = { .schema = BUF_INIT };

	(void)state;
	assert_int_equal(pg_qualified_find(span_str(
		"-- ON a.b\nCREATE INDEX \"ON c.d\" ON ONLY \"S\".\"t\"\"u\" "
		"USING btree (e.f)"), false, "on", &name), 1);
	assert_true(span_equal(buf_span(&name.schema), span_str("S")));
	assert_true(span_equal(buf_span(&name.name), span_str("t\"u")));
	assert_int_equal(pg_qualified_find(span_str(
		"COMMENT ON CONSTRAINT c ON s.t IS 'ON x.y'"), false, "ON",
		&name), 1);
	assert_true(span_equal(buf_span(&name.name), span_str("t")));
	assert_int_equal(pg_qualified_find(span_str("CREATE TABLE t (a)"),
					   false, "TABLE", &name), 0);
	assert_true(pg_qualified_parse(span_str("\"a.b\".C"), &name));
	assert_true(span_equal(buf_span(&name.schema), span_str("a.b")));
	assert_true(span_equal(buf_span(&name.name), span_str("C")));
	assert_true(pg_qualified_parse(span_str("t"), &name));
	assert_int_equal(name.schema.len, 0);
	assert_false(pg_qualified_parse(span_str(""), &name));
	assert_false(pg_qualified_parse(span_str("a."), &name));
	assert_false(pg_qualified_parse(span_str("a.b.c"), &name));
	assert_false(pg_qualified_parse(span_str("a b"), &name));
}

static void test_change(void **state)
{
	static const struct pg_change changes[] = {
		{ SPAN("s"), SPAN("t"), SPAN("S2"), SPAN("t\"2"), false },
		{ SPAN("s"), SPAN("t_id_seq"), SPAN("S2"), SPAN("q'2"), false },
		{ SPAN("s"), SPAN("t_pkey"), SPAN("S2"), SPAN("p2"), true },
	};
	static const struct {
		const char *from, *to;
	} want[] = {
		{ "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY",
		  "ALTER TABLE ONLY \"S2\".\"t\"\"2\"\n    ADD CONSTRAINT \"p2\" "
		  "PRIMARY KEY" },
		{ "ALTER SEQUENCE s.t_id_seq OWNED BY s.t.t_pkey;",
		  "ALTER SEQUENCE \"S2\".\"q'2\" OWNED BY \"S2\".\"t\"\"2\".t_pkey;" },
		{ "DEFAULT nextval('s.t_id_seq'::regclass)",
		  "DEFAULT nextval('\"S2\".\"q''2\"'::regclass)" },
		{ "ALTER TABLE \"s\".\"t\" CLUSTER ON t_pkey;",
		  "ALTER TABLE \"S2\".\"t\"\"2\" CLUSTER ON \"p2\";" },
		{ "CREATE UNIQUE INDEX t_pkey ON s.t USING btree (t_pkey)",
		  "CREATE UNIQUE INDEX \"p2\" ON \"S2\".\"t\"\"2\" USING btree "
		  "(t_pkey)" },
		{ "t_pkey s.u x.s.t 's.t ' E's.t' $$s.t$$ /* s.t */ \"s.t\" t.s",
		  "t_pkey s.u x.s.t 's.t ' E's.t' $$s.t$$ /* s.t */ \"s.t\" t.s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		OWNED_BUF struct buf out = BUF_INIT;

		assert_int_equal(pg_change_names(span_str(want[i].from), false,
						 changes, 3, &out), 0);
		assert_non_null(buf_str(&out));
		assert_string_equal((char *)out.data, want[i].to);
	}
}

static void test_command(void **state)
{
	(void)state;
	assert_true(pg_has_command(span_str("SELECT 1;\n\\! rm x\n"), false));
	assert_true(pg_has_command(span_str("-- a\n\\! x\n'"), false));
	assert_true(pg_has_command(span_str("SELECT '\\'\\g"), false));
	assert_false(pg_has_command(span_str("SELECT '\\'\\g"), true));
	assert_false(pg_has_command(span_str("'\\' E'\\'' \"\\\" $$\\$$ -- \\\n"
					     "/* \\ */"), false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
