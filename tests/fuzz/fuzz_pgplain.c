/*
 * The text of plain PostgreSQL dumps.  However it is cut into pieces the same
 * comes of it, the stream is the text, and restore.sql is as long; between two
 * pieces an archive's reader may say which entry follows.
 */
#include <stdlib.h>

#include "indexer/pgdump/pg_plain.h"
#include "indexer/pgdump/pg_token.h"
#include "tests/fuzz/fuzz_sink.h"

enum {
	WAY_REFUSE = 1,		/* some files are refused */
	WAY_FAIL = 2,		/* the sink fails at some call */
	WAY_HINTS = 4,		/* it is no input, and entries are named */
};

static const char *const tokens[] = {
	"--\n", "-- Name: t; Type: TABLE; Schema: s; Owner: o\n--\n\n",
	"--\n-- Name: f; Type: FUNCTION; Schema: -; Owner: -\n--\n\n",
	"--\n-- TOC entry 6 (class 2615 OID 16386)\n-- Dependencies: 1 2\n",
	"--\n-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o\n--\n\n",
	"--\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -\n--\n\n",
	"--\n-- PostgreSQL database dump\n--\n\n",
	"--\n-- PostgreSQL database dump complete\n--\n\n",
	"--\n-- PostgreSQL database cluster dump\n--\n\n",
	"--\n-- PostgreSQL database cluster dump complete\n--\n\n",
	"--\n-- Database \"x\" dump\n--\n\n", "\\connect x\n",
	"\\connect -reuse-previous=on \"dbname='x'\"\n", "\\restrict k\n",
	"\\unrestrict k\n", "COPY s.t (a) FROM stdin;\n", "\\.\n", "1\t\\N\n",
	"SET default_tablespace = '';\n\n", "SET client_encoding = 'UTF8';\n",
	"SET standard_conforming_strings = off;\n",
	"SELECT pg_catalog.set_config('search_path', '', false);\n",
	"SELECT pg_catalog.lo_open('7', 131072);\n",
	"SELECT pg_catalog.lowrite(0, '\\x00');\n",
	"SELECT pg_catalog.lo_close(0);\n", "BEGIN;\n", "ALTER ROLE a PASSWORD 'x';\n",
	"pg_dump: warning: x\n", "-- Started on 2026-01-02 03:04:05 UTC\n",
	"-- Dumped from database version 15.1\n", "$$", "$a$", "E'\\'", "/*",
	"*/", "'", "\"", ";", "\r\n", "(", ")", "CREATE FUNCTION f() BEGIN ATOMIC ",
	"END;", "CASE ", "\n\n",
};
#define TOKENS (sizeof(tokens) / sizeof(tokens[0]))

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	const char *token = tokens[fuzz_below(rng, TOKENS)];
	size_t n = strlen(token), at;

	if (fuzz_below(rng, 3) == 0 || len + n > max || len == 0)
		return LLVMFuzzerMutate(data, len, max);
	at = 1 + fuzz_below(rng, (uint32_t)len);
	/* Mostly where a line begins. */
	while (fuzz_mostly(rng) && at > 1 && data[at - 1] != '\n')
		at--;
	memmove(data + at + n, data + at, len - at);
	memcpy(data + at, token, n);
	return len + n;
}

struct result {
	int r;
	uint64_t entries, bytes, ended, trouble, last;
};

static int tell(void *arg, const struct pg_data *data, struct err *err)
{
	const struct sink *sink = arg;

	(void)err;
	FUZZ_CHECK(!sink->open);
	FUZZ_CHECK(data->number > 0 && data->number <= sink->ended);
	FUZZ_CHECK(data->content.holes == data->number);
	return 0;
}

static int hint(struct pg_plain *plain, struct fuzz_rng *rng,
		struct span bytes)
{
	static const char *const descs[] = {
		"TABLE", "TABLE DATA", "BLOBS", "DATABASE", "ACL", "X/y",
	};
	uint32_t depends[2] = { 1, 2 };
	struct pg_hint one = {
		.dump_id = fuzz_below(rng, 9),
		.desc = span_str(descs[fuzz_below(rng, 6)]),
		.tag = span_of(bytes.data, bytes.len % 400),
		.schema = span_of(bytes.data, bytes.len % 5),
		.depends = depends,
		.depend_count = fuzz_below(rng, 3),
	};
	int r = pg_plain_hint(plain, fuzz_mostly(rng) ? &one : NULL, NULL);

	if (r != -EINVAL)
		return r;
	/* Inside another: go on, or it is over all the same. */
	if (fuzz_below(rng, 2))
		return 0;
	r = pg_plain_break(plain, NULL);
	return r < 0 ? r : pg_plain_hint(plain, &one, NULL);
}

static void read_text(struct span text, unsigned way, uint32_t piece,
		      struct sink *sink, struct result *ret)
{
	const struct entry like = { .type = ENTRY_FILE, .mode = 0640 };
	struct pg_plain_options options = {
		.like = &like, .is_input = !(way & WAY_HINTS),
		.data = tell, .arg = sink,
	};
	struct pg_plain *plain = pg_plain_new(sink, &options);
	struct fuzz_rng rng = fuzz_rng_of(text);
	int r = 0;

	FUZZ_CHECK(plain);
	while (r == 0 && text.len) {
		size_t n = piece ? piece : 1 + fuzz_below(&rng, 200);

		if (n > text.len)
			n = text.len;
		if (way & WAY_HINTS && fuzz_below(&rng, 4) == 0)
			r = hint(plain, &rng, text);
		if (r == 0)
			r = pg_plain_feed(plain, span_of(text.data, n), NULL);
		text.data += n;
		text.len -= n;
	}
	if (r == 0)
		r = pg_plain_finish(plain, way & 8 ? "cut" : NULL, NULL);
	pg_plain_free(plain);
	*ret = (struct result){
		r, sink->entries, sink->bytes, sink->ended, sink->trouble,
		sink->ended_size,
	};
}

static void one_run(struct span text, unsigned way, uint32_t piece,
		    struct result *ret)
{
	struct sink sink = { .rng = { .state = 1 + way } };
	bool has_cr = memchr(text.data, '\r', text.len);

	sink.refuse = way & WAY_REFUSE;
	if (way & WAY_FAIL)
		sink.fail_at = 1 + (way >> 4) * 3;
	read_text(text, way, piece, &sink, ret);
	FUZZ_CHECK(ret->r == 0 || (ret->r == -ENOSPC && sink.fail_at));
	if (ret->r == 0 && !(way & WAY_REFUSE)) {
		FUZZ_CHECK(has_cr ? ret->last <= text.len
				  : ret->last == text.len);
		FUZZ_CHECK(!sink.open);
	}
	if (ret->r == 0 && !(way & WAY_HINTS)) {
		FUZZ_CHECK(sink.stream_len == text.len);
		FUZZ_CHECK(span_equal(buf_span(&sink.stream), text));
	}
	buf_release(&sink.stream);
}

/* Statements at hand: tokens are all of them; a change of names leaves all that
 * is no name, and none where there is nothing to change. */
static void read_tokens(struct span text)
{
	const struct pg_change changes[] = {
		{ span_str("s"), span_str("t"), span_str("s"), span_str("u"),
		  true },
		{ span_str("s"), span_str("u"), span_str("s"), span_str("t"),
		  false },
	};
	OWNED_QUALIFIED struct pg_qualified name = { .schema = BUF_INIT };
	OWNED_BUF struct buf same = BUF_INIT, other = BUF_INIT;
	struct span rest = text;
	struct pg_token token;
	size_t len = 0;

	while (pg_token_next(&rest, text.len & 1, &token)) {
		FUZZ_CHECK(token.text.len > 0);
		len += token.text.len;
	}
	FUZZ_CHECK(len == text.len);
	pg_qualified_find(text, false, "TABLE", &name);
	FUZZ_CHECK(pg_change_names(text, false, changes, 0, &same) == 0);
	FUZZ_CHECK(span_equal(buf_span(&same), text));
	FUZZ_CHECK(pg_change_names(text, false, changes, 2, &other) == 0);
	FUZZ_CHECK(pg_has_command(text, false) ==
		   pg_has_command(buf_span(&other), false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct result a, b;
	unsigned way;

	if (len < 2)
		return 0;
	way = data[0];
	read_tokens(span_of(data + 1, len - 1));
	one_run(span_of(data + 1, len - 1), way, 0, &a);
	if (way & (WAY_FAIL | WAY_HINTS | WAY_REFUSE))
		return 0;
	one_run(span_of(data + 1, len - 1), way, 1 + data[1] % 7, &b);
	FUZZ_CHECK(a.entries == b.entries && a.bytes == b.bytes &&
		   a.ended == b.ended && a.trouble == b.trouble);
	return 0;
}
