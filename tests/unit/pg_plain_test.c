#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "fs/base/json.h"
#include "indexer/pgdump/pg_internal.h"
#include "tests/unit/fake_sink.h"
#include "tests/unit/pg_sample.h"

static int read_pieces(struct sink *sink, struct span text, size_t piece)
{
	struct entry like = { .type = ENTRY_FILE, .mode = 0640, .uid = 7,
			      .mtime = { 5, 6 } };
	struct pg_plain_options options = { .like = &like, .is_input = true };
	struct pg_plain *p = pg_plain_new(sink, &options);
	struct err err = ERR_INIT;
	int r = 0;

	assert_non_null(p);
	while (r == 0 && text.len) {
		size_t n = text.len < piece ? text.len : piece;
		/* Of its own, so that a byte too many is seen. */
		uint8_t *copy = malloc(n);

		memcpy(copy, text.data, n);
		r = pg_plain_feed(p, span_of(copy, n), &err);
		free(copy);
		text.data += n;
		text.len -= n;
	}
	if (r == 0)
		r = pg_plain_finish(p, NULL, &err);
	if (r < 0)
		assert_int_equal(err.code, r);
	pg_plain_free(p);
	return r;
}

static void read_text(struct sink *sink, const char *text)
{
	fake_init(sink);
	assert_int_equal(read_pieces(sink, span_str(text), 4096), 0);
	assert_null(sink->broken);
}

static void assert_buf(const struct buf *buf, const char *text)
{
	assert_int_equal(buf->len, strlen(text));
	assert_memory_equal(buf->data, text, buf->len);
}

static void assert_file(struct sink *sink, const char *path,
			const char *text)
{
	struct fake_entry *e = fake_find(sink, path);

	if (!e)
		fail_msg("there is no '%s'", path);
	if (!span_equal(buf_span(&e->data), span_str(text)))
		fail_msg("'%s' is\n%.*s\nand not\n%s", path,
			 (int)e->data.len, (char *)e->data.data, text);
}

static void assert_has(struct sink *sink, const char *path,
		       const char *text)
{
	struct fake_entry *e = fake_find(sink, path);

	if (!e)
		fail_msg("there is no '%s'", path);
	if (!memmem(e->data.data, e->data.len, text, strlen(text)))
		fail_msg("'%s' is\n%.*s\nwithout\n%s", path,
			 (int)e->data.len, (char *)e->data.data, text);
}

/* All that must hold of an input, whatever it is. */
static void assert_kept(struct sink *sink, struct span text)
{
	struct fake_entry *e = fake_find(sink, "restore.sql");

	assert_null(sink->broken);
	assert_non_null(e);
	assert_true(span_equal(buf_span(&e->data), text));
	assert_true(span_equal(buf_span(&sink->stream), text));
}

static bool is_incomplete(const struct sink *sink)
{
	return sink->weights[WEIGHT_LOST] + sink->weights[WEIGHT_INPUT] > 0;
}

/* The tree. */

static void test_tree(void **state)
{
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	read_text(&sink, pg_sample);
	assert_kept(&sink, span_str(pg_sample));
	assert_false(is_incomplete(&sink));
	assert_int_equal(sink.warnings.len, 0);
	assert_file(&sink, "database/schemas/s.sql",
		    "-- Name: s; Type: SCHEMA; Schema: -; Owner: bob\n--\n\n"
		    "CREATE SCHEMA s;\n\n\nALTER SCHEMA s OWNER TO bob;\n\n");
	assert_has(&sink, "database/s/functions/f(integer).sql",
		   "COPY s.no FROM stdin;\n$_ $$\n\\.\n$_$;\n\n\n");
	assert_has(&sink, "database/s/functions/g().sql",
		   " SELECT 2;\nEND;\n\n\n");
	assert_file(&sink, "database/s/tables/t.sql",
		    "SET default_tablespace = '';\n\n"
		    "SET default_table_access_method = heap;\n\n"
		    "--\n-- Name: t; Type: TABLE; Schema: s; Owner: -; "
		    "Tablespace: fast\n--\n\n"
		    "CREATE TABLE s.t (\n    a integer DEFAULT ';'''::text,\n"
		    "    \"b;\"\"--\" text /* ; /* ; */ ' */ -- ; '\n);\n\n\n");
	assert_file(&sink, "database/s/tables/t.copy",
		    "1\tx\n--\n-- Name: x; Type: TABLE; Schema: s; Owner: -\n"
		    "--\n\n\\\\.\n\\N\n\\.x\n\\\n;'$$\n\n");
	assert_file(&sink, "database/s/tables/empty.copy", "");
	assert_has(&sink, "database/s/tables/rows.rows.sql",
		   "(1, 'a;');\nINSERT INTO s.rows VALUES (2, E'\\';');\n");
	assert_null(fake_find(&sink, "database/s/tables/none.copy"));
	e = fake_find(&sink, "database/large_objects/16396");
	assert_non_null(e);
	assert_int_equal(e->data.len, 5);
	assert_memory_equal(e->data.data, "\0\1\n\xff\2", 5);
	assert_file(&sink, "database/large_objects/4000000001", "");
	assert_has(&sink, "database/s/constraints/t t_pkey.sql",
		   "PRIMARY KEY (a);\n\n\n");
	assert_file(&sink, "database/new_kind/w.sql",
		    "--\n-- Name: w; Type: NEW KIND; Schema: -; Owner: -\n"
		    "--\n\nCREATE WIDGET w;\n\n\n");
	assert_has(&sink, "database/database.sql", "SET client_encoding");
	assert_null(memmem(fake_find(&sink, "database/database.sql")->data.data,
			   fake_find(&sink, "database/database.sql")->data.len,
			   "restrict", 8));
	fake_release(&sink);
}

static void test_attributes(void **state)
{
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	read_text(&sink, pg_sample);
	e = fake_find(&sink, "database/s/tables/t.copy");
	assert_int_equal(e->entry.mode, 0640);
	assert_int_equal(e->entry.uid, 7);
	/* 2026-01-02 03:04:05 UTC */
	assert_int_equal(e->entry.mtime.s, 1767323045);
	e = fake_find(&sink, "database/s");
	assert_int_equal(e->entry.type, ENTRY_DIR);
	assert_int_equal(e->entry.mode, 0750);
	assert_non_null(fake_find(&sink, ""));
	assert_non_null(buf_str(&sink.attrs));
	assert_non_null(strstr((char *)sink.attrs.data,
			       "server_version=15.18 (Debian)"));
	assert_non_null(strstr((char *)sink.attrs.data,
			       "pg_dump_version=16.1"));
	assert_non_null(strstr((char *)sink.attrs.data, "encoding=UTF8"));
	fake_release(&sink);
}

static void test_toc(void **state)
{
	static const char *const lines[] = {
		"{\"file\":\"database.sql\",\"size\":",
		"\"entries\":[\n{\"file\":\"database.sql\"",
		"{\"file\":\"schemas/s.sql\",\"size\":",
		",\"desc\":\"SCHEMA\",\"tag\":\"s\",\"owner\":\"bob\","
		"\"dump_id\":6,\"catalog\":2615,\"oid\":16386},\n",
		"\"desc\":\"TABLE\",\"schema\":\"s\",\"tag\":\"t\","
		"\"tablespace\":\"fast\"},\n",
		"{\"file\":\"s/tables/t.copy\",\"size\":75,"
		"\"desc\":\"TABLE DATA\",\"schema\":\"s\",\"tag\":\"t\","
		"\"owner\":\"bob\",\"dump_id\":3350,\"oid\":16398,"
		"\"dependencies\":[217,16],\"rows\":11,"
		"\"copy\":\"COPY s.t (a, \\\"b;\\\"\\\"--\\\") FROM stdin;\"}",
		"{\"desc\":\"TABLE DATA\",\"schema\":\"s\",\"tag\":\"none\"}",
		"{\"file\":\"large_objects/4000000001\",\"size\":0,"
		"\"desc\":\"BLOBS\",\"tag\":\"BLOBS\","
		"\"large_object\":4000000001}",
	};
	struct sink sink;

	(void)state;
	read_text(&sink, pg_sample);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_has(&sink, "database/toc.json", lines[i]);
	assert_file(&sink, "toc.json", "{\"parts\":[\n{\"database\":null,"
		    "\"directory\":\"database\"}\n]}\n");
	fake_release(&sink);
}

/* How the text is cut into pieces changes nothing. */
static void test_pieces(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 5, 7, 64, 1000 };
	struct sink whole;

	(void)state;
	read_text(&whole, pg_sample);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sink sink;

		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, span_str(pg_sample),
					     sizes[i]), 0);
		assert_kept(&sink, span_str(pg_sample));
		assert_int_equal(sink.count, whole.count);
		for (size_t k = 0; k < sink.count; k++) {
			assert_string_equal(sink.entries[k].path,
					    whole.entries[k].path);
			assert_true(span_equal(
				buf_span(&sink.entries[k].data),
				buf_span(&whole.entries[k].data)));
		}
		fake_release(&sink);
	}
	fake_release(&whole);
}

/* "Truncated, or without its completion mark: incomplete" */
static void test_cut(void **state)
{
	size_t len = sizeof(pg_sample) - 1;

	(void)state;
	for (size_t n = 0; n < len - 1; n++) {
		struct sink sink;

		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, span_of(pg_sample, n), 37),
				 0);
		assert_kept(&sink, span_of(pg_sample, n));
		if (!is_incomplete(&sink))
			fail_msg("complete with %zu of %zu bytes", n, len);
		fake_release(&sink);
	}
}

static void test_place(void **state)
{
	static const struct {
		const char *at, *words;
	} cuts[] = {
		{ "-- Name: x; Type: TABLE; Schema: s; Owner: -\n--\n\n\\\\.",
		  "in the rows of TABLE DATA 's.t', after 2 of them" },
		{ "SELECT 2;\nEND", "in FUNCTION 's.g()'" },
		{ "SET default_tablespace", "behind FUNCTION 's.g()'" },
		{ "SET statement_timeout", "behind its first lines" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const char *at = strstr(pg_sample, cuts[i].at);
		struct sink sink;

		assert_non_null(at);
		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, span_of(pg_sample,
			(size_t)(at - pg_sample)), 4096), 0);
		if (!fake_warned(&sink, cuts[i].words))
			fail_msg("%s: %s", cuts[i].words,
				 buf_str(&sink.warnings));
		fake_release(&sink);
	}
}

/* Whatever the sink fails at, it comes out, and nothing leaks. */
static void test_sink_fails(void **state)
{
	int r = -1;

	(void)state;
	for (uint64_t n = 1; r < 0; n++) {
		struct sink sink;

		fake_init(&sink);
		sink.fail_at = n;
		r = read_pieces(&sink, span_str(pg_sample), 300);
		assert_true(r == 0 || r == -ENOSPC);
		assert_true(n > 100 || r < 0);
		fake_release(&sink);
	}
}

/* A path that is refused is told by the sink; its text is not lost. */
static void test_refused(void **state)
{
	struct sink sink;

	(void)state;
	fake_init(&sink);
	sink.refuse = "database/s/tables/t.copy";
	assert_int_equal(read_pieces(&sink, span_str(pg_sample), 300), 0);
	assert_kept(&sink, span_str(pg_sample));
	fake_release(&sink);
}

/* Terminals and what is on them. */

static void with_cr(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_append_byte(out, '\r');
		buf_append_byte(out, (uint8_t)*text);
	}
}

static void test_crlf(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
		OWNED_BUF struct buf text = BUF_INIT;
		struct sink sink;

		with_cr(pg_sample, &text);
		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, buf_span(&text), piece),
				 0);
		assert_null(sink.broken);
		assert_file(&sink, "restore.sql", pg_sample);
		assert_true(span_equal(buf_span(&sink.stream),
				       buf_span(&text)));
		assert_false(is_incomplete(&sink));
		assert_int_equal(sink.weights[WEIGHT_FLAWED], 0);
		assert_true(fake_warned(&sink, "undone, but for the original"));
		fake_release(&sink);
	}
}

static void test_crlf_unproved(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct sink sink;

	(void)state;
	with_cr(pg_sample, &text);
	/* The 20th line has none. */
	for (size_t i = 0, line = 1; i < text.len; i++) {
		line += text.data[i] == '\n';
		if (line == 20 && text.data[i] == '\r') {
			text.data[i] = ' ';
			break;
		}
	}
	fake_init(&sink);
	assert_int_equal(read_pieces(&sink, buf_span(&text), 100), 0);
	assert_true(fake_warned(&sink, "not all (not line 20)"));
	assert_int_equal(sink.weights[WEIGHT_FLAWED], 1);
	assert_true(span_equal(buf_span(&sink.stream), buf_span(&text)));
	fake_release(&sink);
}

/* A CR of the data is none of a terminal's. */
static void test_cr_in_data(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *at = strstr(pg_sample, "CREATE WIDGET");
	struct sink sink;

	(void)state;
	buf_append(&text, pg_sample, (size_t)(at - pg_sample));
	buf_append_str(&text, "SELECT '\r\n\r\n';\n");
	buf_append_str(&text, at);
	fake_init(&sink);
	assert_int_equal(read_pieces(&sink, buf_span(&text), 100), 0);
	assert_kept(&sink, buf_span(&text));
	assert_int_equal(sink.warnings.len, 0);
	fake_release(&sink);
}

static void test_noise(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *at = strstr(pg_sample, "--\n-- Name: g()");

	(void)state;
	buf_append_str(&text, "Defaulted container \"db\" out of: db, x\n");
	buf_append(&text, pg_sample, (size_t)(at - pg_sample));
	buf_append_str(&text, "pg_dump: warning: there are circular; 'x\n");
	buf_append_str(&text, at);
	buf_append_str(&text, "it took 3 s; 'quoted\nbye\n");
	for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
		struct sink sink;

		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, buf_span(&text), piece),
				 0);
		assert_kept(&sink, buf_span(&text));
		assert_false(is_incomplete(&sink));
		assert_true(fake_warned(&sink, "messages of a program stand "
					"among the SQL (1 lines)"));
		assert_true(fake_warned(&sink, "stands before the dump and "
					"behind it: Defaulted"));
		assert_has(&sink, "database/s/functions/g().sql",
			   "--\n-- Name: g(); Type");
		assert_has(&sink, "database/toc.json", "{\"file\":\"database.sql\"");
		fake_release(&sink);
	}
}

static void test_no_dump(void **state)
{
	struct sink sink;

	(void)state;
	read_text(&sink, "SELECT 1;\n");
	assert_true(is_incomplete(&sink));
	assert_true(fake_warned(&sink, "no PostgreSQL dump is in it"));
	assert_kept(&sink, span_str("SELECT 1;\n"));
	fake_release(&sink);
	read_text(&sink, "");
	assert_true(is_incomplete(&sink));
	fake_release(&sink);
	assert_false(pg_plain_is(span_str("x -- PostgreSQL database dump\n")));
	assert_false(pg_plain_is(span_str("-- PostgreSQL database dumps\n")));
	assert_true(pg_plain_is(span_str(pg_sample)));
	assert_true(pg_plain_is(span_str("hello\n--\n-- PostgreSQL database "
					 "cluster dump\r\n--\r\n")));
}

/* Clusters. */

static void test_cluster(void **state)
{
	struct sink sink;

	(void)state;
	read_text(&sink, pg_cluster);
	assert_kept(&sink, span_str(pg_cluster));
	assert_int_equal(sink.warnings.len, 0);
	assert_has(&sink, "globals.sql", "WITH LOGIN;\n\n--\n-- Databases\n");
	assert_has(&sink, "template1/database.sql", "\\connect template1\n");
	assert_has(&sink, "a \"%2Fb/database.sql", "COMMENT ON DATABASE x;\n");
	assert_has(&sink, "a \"%2Fb/extensions/e.sql", "CREATE EXTENSION e;");
	assert_has(&sink, "a \"%2Fb/acls/DATABASE a \"%2Fb.sql", "GRANT x;");
	assert_file(&sink, "toc.json",
		    "{\"parts\":[\n{\"globals\":\"globals.sql\"},\n"
		    "{\"database\":\"template1\",\"directory\":\"template1\"},\n"
		    "{\"database\":\"a \\\"/b\",\"directory\":\"a \\\"%2Fb\"}\n"
		    "]}\n");
	assert_non_null(buf_str(&sink.attrs));
	assert_non_null(strstr((char *)sink.attrs.data, "role_passwords=no"));
	assert_non_null(strstr((char *)sink.attrs.data,
			       "databases=template1,a \"%2Fb"));
	fake_release(&sink);
}

static void test_passwords(void **state)
{
	static const char text[] =
		"--\n-- PostgreSQL database cluster dump\n--\n\n"
		"CREATE ROLE a;\nALTER ROLE a WITH LOGIN PASSWORD 'md5x';\n\n"
		"--\n-- PostgreSQL database cluster dump complete\n--\n\n";
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_int_equal(sink.warnings.len, 0);
	assert_non_null(buf_str(&sink.attrs));
	assert_non_null(strstr((char *)sink.attrs.data, "role_passwords=yes"));
	fake_release(&sink);
}

static void test_cluster_cut(void **state)
{
	size_t len = sizeof(pg_cluster) - 1;

	(void)state;
	for (size_t n = 0; n < len - 1; n++) {
		struct sink sink;

		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, span_of(pg_cluster, n), 50),
				 0);
		assert_kept(&sink, span_of(pg_cluster, n));
		if (!is_incomplete(&sink))
			fail_msg("complete with %zu of %zu bytes", n, len);
		fake_release(&sink);
	}
}

/* Two that were put behind each other; the first was cut off. */
static void test_two(void **state)
{
	static const char first[] = DUMP("", ENTRY("e", "EXTENSION") "SELECT 1;\n\n");
	static const char half[] =
		"--\n-- PostgreSQL database dump\n--\n\n"
		"SELECT 2;\n\n";
	struct sink sink;
	char text[2048];

	(void)state;
	snprintf(text, sizeof(text), "%s%s", first, first);
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_int_equal(sink.warnings.len, 0);
	assert_has(&sink, "database/extensions/e.sql", "SELECT 1;");
	assert_has(&sink, "database~2/extensions/e.sql", "SELECT 1;");
	fake_release(&sink);
	snprintf(text, sizeof(text), "%s%s", half, first);
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_int_equal(sink.weights[WEIGHT_LOST], 1);
	fake_release(&sink);
}

/* pg_dumpall before version 11. */
static void test_old_cluster(void **state)
{
	static const char text[] =
		"--\n-- PostgreSQL database cluster dump\n--\n\n"
		"CREATE ROLE a;\n\n"
		"\\connect app\n\nSET default_transaction_read_only = off;\n\n"
		DUMP("", ENTRY("e", "EXTENSION") "SELECT 1;\n\n")
		"\\connect postgres\n\n" DUMP("", "")
		"--\n-- PostgreSQL database cluster dump complete\n--\n\n";
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_int_equal(sink.warnings.len, 0);
	assert_has(&sink, "app/database.sql",
		   "\\connect app\n\nSET default_transaction_read_only");
	assert_has(&sink, "app/extensions/e.sql", "SELECT 1;");
	assert_has(&sink, "postgres/database.sql", "\\connect postgres\n");
	fake_release(&sink);
}

/* Data that is more than rows. */

static void test_mixed_data(void **state)
{
	static const char text[] = DUMP("",
		"--\n-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: -\n"
		"--\n\nALTER TABLE s.t DISABLE TRIGGER ALL;\n\n"
		"COPY s.t (a) FROM stdin;\n1\n\\.\n\n\n"
		"ALTER TABLE s.t ENABLE TRIGGER ALL;\n\n"
		"COPY \"S\".\"u\"\"v\" (a) FROM stdin;\n2\n\\.\n\n\n");
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_has(&sink, "database/s/tables/t.rows.sql", "DISABLE TRIGGER");
	assert_file(&sink, "database/s/tables/t.copy", "1\n");
	assert_has(&sink, "database/s/tables/t~2.rows.sql", "ENABLE TRIGGER");
	/* Rows that no comment names are in the entry's they came with. */
	assert_file(&sink, "database/s/tables/t~2.copy", "2\n");
	fake_release(&sink);
}

static void test_unnamed_rows(void **state)
{
	static const char text[] = DUMP("",
		ENTRY("x", "TABLE") "CREATE TABLE x;\n\n"
		"copy \"S\".\"u\"\"v\" (a) from STDIN;\n2\n\\.\nSELECT 1;\n\n");
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_file(&sink, "database/S/tables/u\"v.copy", "2\n");
	assert_has(&sink, "database/S/tables/u\"v.rows.sql", "SELECT 1;");
	fake_release(&sink);
}

/* From PostgreSQL 16, 17 and 18. */
static void test_newer(void **state)
{
	static const char text[] = DUMP("",
		ENTRY("public", "SCHEMA")
		"-- *not* creating schema, since initdb creates it\n\n\n"
		"SET default_tablespace = '';\n\n"
		ENTRY("t", "TABLE") "CREATE TABLE public.t ();\n\n\n"
		ENTRY("5..6", "BLOB METADATA")
		"SELECT pg_catalog.lo_create('5');\n"
		"SELECT pg_catalog.lo_create('6');\n\n\n"
		"--\n-- Data for Name: 5..6; Type: BLOBS; Schema: -; Owner: o\n"
		"--\n\nBEGIN;\n\n"
		"SELECT pg_catalog.lo_open('5', 131072);\n"
		"SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
		"--\n-- Statistics for Name: t; Type: STATISTICS DATA; "
		"Schema: s; Owner: -\n--\n\n"
		"SELECT * FROM pg_catalog.pg_restore_relation_stats();\n\n\n");
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_int_equal(sink.warnings.len, 0);
	assert_has(&sink, "database/schemas/public.sql", "-- *not* creating");
	assert_file(&sink, "database/tables/t.sql",
		    "SET default_tablespace = '';\n\n"
		    ENTRY("t", "TABLE") "CREATE TABLE public.t ();\n\n\n");
	assert_has(&sink, "database/large_objects/5..6.sql", "lo_create('6')");
	assert_file(&sink, "database/large_objects/5", "");
	assert_has(&sink, "database/s/statistics_data/t.sql",
		   "pg_restore_relation_stats");
	fake_release(&sink);
}

/* State before a comment that numbers its entry. */
static void test_numbered(void **state)
{
	static const char text[] = DUMP("",
		"--\n-- TOC entry 1 (class 1 OID 2)\n"
		"-- Name: a; Type: SCHEMA; Schema: -; Owner: -\n--\n\n"
		"CREATE SCHEMA a;\n\n"
		"SET default_tablespace = '';\n\n"
		"--\n-- TOC entry 3 (class 4 OID 5)\n-- Dependencies: 1\n"
		"-- Name: t; Type: TABLE; Schema: a; Owner: -\n--\n\n"
		"CREATE TABLE a.t ();\n\n\n"
		ENTRY("u", "TABLE") "CREATE TABLE u ();\n\n");

	(void)state;
	for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
		struct sink sink;

		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, span_str(text), piece),
				 0);
		assert_kept(&sink, span_str(text));
		assert_int_equal(sink.warnings.len, 0);
		assert_file(&sink, "database/a/tables/t.sql",
			    "SET default_tablespace = '';\n\n"
			    "-- Name: t; Type: TABLE; Schema: a; Owner: -\n"
			    "--\n\nCREATE TABLE a.t ();\n\n\n");
		assert_file(&sink, "database/tables/u.sql",
			    ENTRY("u", "TABLE") "CREATE TABLE u ();\n\n");
		assert_has(&sink, "database/toc.json",
			   "{\"file\":\"a/tables/t.sql\",\"size\":102,"
			   "\"desc\":\"TABLE\",\"schema\":\"a\","
			   "\"tag\":\"t\",\"dump_id\":3,");
		fake_release(&sink);
	}
}

static void test_old_strings(void **state)
{
	static const char text[] = DUMP(
		"SET standard_conforming_strings = off;\n",
		ENTRY("f", "FUNCTION") "SELECT '\\';\n\n--\n-- Name: x; Type: T; "
		"Schema: -; Owner: -\n--\n';\n\n"
		"--\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -\n"
		"--\n\n"
		"SELECT pg_catalog.lo_open('5', 131072);\n"
		"SELECT pg_catalog.lowrite(0, '\\\\x4142');\n"
		"SELECT pg_catalog.lo_close(0);\n\n"
		"SELECT pg_catalog.lo_open('6', 131072);\n"
		"SELECT pg_catalog.lowrite(0, '\\\\000');\n"
		"SELECT pg_catalog.lo_close(0);\n\n");
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_has(&sink, "database/functions/f.sql", "Owner: -\n--\n';\n\n");
	assert_file(&sink, "database/large_objects/5", "AB");
	assert_true(fake_warned(&sink, "large object 6 has statements"));
	assert_has(&sink, "database/large_objects/BLOBS.sql", "\\\\000");
	fake_release(&sink);
}

/* A large object of more than is held, whatever the length of its parts. */
static void test_large_object(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT, want = BUF_INIT;
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	buf_append_str(&text, "--\n-- PostgreSQL database dump\n--\n\n"
		       "--\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; "
		       "Owner: -\n--\n\nBEGIN;\n\n"
		       "SELECT pg_catalog.lo_open('5', 131072);\n");
	for (unsigned i = 0; i < 200; i++) {
		buf_append_str(&text, "SELECT pg_catalog.lowrite(0, '\\x");
		for (unsigned k = 0; k < 16384 - i; k++) {
			buf_printf(&text, "%02x", (i * k) & 255);
			buf_append_byte(&want, (uint8_t)(i * k));
		}
		buf_append_str(&text, "');\n");
	}
	buf_append_str(&text, "SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
		       "--\n-- PostgreSQL database dump complete\n--\n\n");
	assert_false(buf_failed(&text));
	fake_init(&sink);
	assert_int_equal(read_pieces(&sink, buf_span(&text), 50000), 0);
	assert_null(sink.broken);
	assert_int_equal(sink.warnings.len, 0);
	e = fake_find(&sink, "database/large_objects/5");
	assert_non_null(e);
	assert_int_equal(e->size, want.len);
	assert_true(span_equal(buf_span(&e->data), buf_span(&want)));
	assert_int_equal(sink.stream_len, text.len);
	fake_release(&sink);
}

/* Names. */

static void test_collisions(void **state)
{
	static const char text[] = DUMP("",
		ENTRY("t", "TABLE") "SELECT 1;\n"
		ENTRY("t", "TABLE") "SELECT 2;\n"
		ENTRY("t~2", "TABLE") "SELECT 3;\n"
		ENTRY("t", "TABLE") "SELECT 4;\n"
		ENTRY("../x", "TABLE") "SELECT 5;\n"
		ENTRY("x/\x01%", "TABLE") "SELECT 6;\n"
		"--\n-- Name: t; Type: TABLE; Schema: tables; Owner: -\n--\n\n"
		"SELECT 7;\n"
		"--\n-- Name: t; Type: TABLE; Schema: a; Type: VIEW; Schema: b; "
		"Owner: q; Owner: r\n--\n\nSELECT 8;\n"
		"--\n-- Name: t; Type: table; Schema: a; Owner: r\n--\n\n"
		"SELECT 9;\n");
	struct sink sink;

	(void)state;
	read_text(&sink, text);
	assert_kept(&sink, span_str(text));
	assert_has(&sink, "database/tables/t.sql", "SELECT 1;");
	assert_has(&sink, "database/tables/t~2.sql", "SELECT 2;");
	assert_has(&sink, "database/tables/t~2~2.sql", "SELECT 3;");
	assert_has(&sink, "database/tables/t~3.sql", "SELECT 4;");
	assert_has(&sink, "database/tables/%2E.%2Fx.sql", "SELECT 5;");
	assert_has(&sink, "database/tables/x%2F%01%25.sql", "SELECT 6;");
	assert_has(&sink, "database/%74ables/tables/t.sql", "SELECT 7;");
	assert_has(&sink, "database/b; Owner: q/views/t; Type: TABLE; Schema: a"
		   ".sql", "SELECT 8;");
	/* No comment of an entry. */
	assert_has(&sink, "database/b; Owner: q/views/t; Type: TABLE; Schema: a"
		   ".sql", "SELECT 9;");
	fake_release(&sink);
}

static void test_long_names(void **state)
{
	struct pg_paths paths = { .used = 0 };
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	char name[400];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[229] = '/';
	assert_int_equal(pg_path_add(&paths, PG_LEVEL_OBJECT,
				     span_of(name, 400), ".sql", &a, NULL), 0);
	name[399] = 'y';
	assert_int_equal(pg_path_add(&paths, PG_LEVEL_OBJECT,
				     span_of(name, 400), ".sql", &b, NULL), 0);
	assert_true(a.len <= 255 && b.len <= 255);
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.data, b.data, a.len);
	for (size_t i = 210; i < 216; i++) {
		buf_clear(&a);
		memset(name, 'x', sizeof(name));
		memcpy(name + i, "\xe6\xbc\xa2\xe6\xbc\xa2", 6);
		assert_int_equal(pg_path_add(&paths, PG_LEVEL_OBJECT,
					     span_of(name, 300), ".sql", &a,
					     NULL), 0);
		assert_true(utf8_is_valid(buf_span(&a)));
	}
	free(paths.keys);
	free(paths.counts);
}

/* Hints. */

struct told {
	struct pg_data data[4];
	unsigned count;
};

static int tell(void *arg, const struct pg_data *data, struct err *err)
{
	struct told *told = arg;

	(void)err;
	assert_true(told->count < 4);
	told->data[told->count++] = *data;
	return 0;
}

static void feed(struct pg_plain *p, const char *text)
{
	assert_int_equal(pg_plain_feed(p, span_str(text), NULL), 0);
}

static void test_hints(void **state)
{
	struct entry like = { .type = ENTRY_FILE };
	struct told told = { .count = 0 };
	struct pg_plain_options options = { .like = &like, .data = tell,
					    .arg = &told };
	uint32_t depends[] = { 3, 70000 };
	struct pg_hint table = {
		.dump_id = 5, .catalog = 1259, .oid = 9,
		.desc = span_str("TABLE"), .tag = span_str("new\nline"),
		.schema = span_str("s"), .owner = span_str("me"),
		.depends = depends, .depend_count = 2,
	};
	struct pg_hint rows = { .dump_id = 6, .desc = span_str("TABLE DATA"),
				.tag = span_str("new\nline"),
				.schema = span_str("s") };
	struct pg_hint blobs = { .dump_id = 7, .desc = span_str("BLOBS"),
				 .tag = span_str("BLOBS") };
	struct pg_plain *p;
	struct sink sink;

	(void)state;
	fake_init(&sink);
	p = pg_plain_new(&sink, &options);
	assert_non_null(p);
	assert_int_equal(pg_plain_db(p, span_str("app"), NULL), 0);
	feed(p, "--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n");
	assert_int_equal(pg_plain_hint(p, &table, NULL), 0);
	feed(p, "SET default_tablespace = 'x';\n\n"
	     "--\n-- Name: new line; Type: TABLE; Schema: q; Owner: -\n--\n\n"
	     "CREATE TABLE x");
	assert_int_equal(pg_plain_hint(p, &rows, NULL), -EINVAL);
	feed(p, ";\n\n--\n-- Name: z; Type: TABLE; Schema: q; Owner: -\n--\n\n");
	assert_int_equal(pg_plain_hint(p, &rows, NULL), 0);
	feed(p, "--\n-- Data for Name: new line; Type: TABLE DATA; Schema: s; "
	     "Owner: -\n--\n\nCOPY s.x (a) FROM stdin;\n1\n");
	assert_int_equal(pg_plain_hint(p, &rows, NULL), -EINVAL);
	feed(p, "2\n\\.\n\n\n");
	assert_int_equal(pg_plain_hint(p, &blobs, NULL), 0);
	feed(p, "--\n-- x\n--\n\nBEGIN;\n\nSELECT pg_catalog.lo_open('8', 131072);\n"
	     "SELECT pg_catalog.lowrite(0, '\\x41');\n"
	     "SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n");
	assert_int_equal(pg_plain_hint(p, NULL, NULL), 0);
	feed(p, "--\n-- PostgreSQL database dump complete\n--\n\n");
	assert_int_equal(pg_plain_finish(p, NULL, NULL), 0);
	pg_plain_free(p);

	assert_null(sink.broken);
	assert_int_equal(sink.warnings.len, 0);
	assert_int_equal(sink.stream_len, 0);
	assert_has(&sink, "app/s/tables/new%0Aline.sql", "-- Name: z;");
	assert_has(&sink, "app/s/tables/new%0Aline.sql",
		   "SET default_tablespace = 'x';\n\n--\n");
	assert_file(&sink, "app/s/tables/new%0Aline.copy", "1\n2\n");
	assert_file(&sink, "app/large_objects/8", "A");
	assert_has(&sink, "app/toc.json", "\"tag\":\"new\\nline\"");
	assert_has(&sink, "app/toc.json", "\"dependencies\":[3,70000]");
	assert_int_equal(told.count, 2);
	assert_int_equal(told.data[0].dump_id, 6);
	assert_int_equal(told.data[0].kind, PG_DATA_COPY);
	assert_int_equal(told.data[0].size, 4);
	assert_buf(&sink.entries[told.data[0].number - 1].data, "1\n2\n");
	assert_int_equal(told.data[1].dump_id, 7);
	assert_int_equal(told.data[1].kind, PG_DATA_OBJECT);
	assert_int_equal(told.data[1].oid, 8);
	assert_buf(&sink.entries[told.data[1].number - 1].data, "A");
	fake_release(&sink);
}

/* More than is held of anything goes on as what it looks like. */
static void test_too_long(void **state)
{
	static const char *const begins[] = {
		"SET x = '", "COPY t (\"", "-- ", "\\echo ", "pg_dump: ",
		"SELECT pg_catalog.set_config('search_path', '", "/* ", "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		OWNED_BUF struct buf text = BUF_INIT;
		struct sink sink;

		buf_append_str(&text, "--\n-- PostgreSQL database dump\n--\n\n"
			       ENTRY("t", "TABLE"));
		buf_append_str(&text, begins[i]);
		for (unsigned k = 0; k < 100000; k++)
			buf_append_str(&text, "xxxxxxxxxxxxxxxxxxx ");
		fake_init(&sink);
		assert_int_equal(read_pieces(&sink, buf_span(&text), 4000),
				 0);
		assert_kept(&sink, buf_span(&text));
		assert_true(is_incomplete(&sink));
		fake_release(&sink);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_toc),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_sink_fails),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_crlf),
		cmocka_unit_test(test_crlf_unproved),
		cmocka_unit_test(test_cr_in_data),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_no_dump),
		cmocka_unit_test(test_cluster),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_cluster_cut),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_old_cluster),
		cmocka_unit_test(test_mixed_data),
		cmocka_unit_test(test_unnamed_rows),
		cmocka_unit_test(test_newer),
		cmocka_unit_test(test_numbered),
		cmocka_unit_test(test_old_strings),
		cmocka_unit_test(test_large_object),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
