#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/codec.h"

/* unlzma, unzstd and unlz4, against what the programs of their formats write. */

enum { KIND_XZ = 1, KIND_LZMA, KIND_LZIP, KIND_ZSTD, KIND_LZ4 };

static const struct kind {
	int kind;
	const char *tool;
	const char *name;
} kinds[] = {
	{ KIND_XZ, "xz -c", "xz" },
	{ KIND_XZ, "xz -c -C none --block-size=700", "xz" },
	{ KIND_LZMA, "xz --format=lzma -c", "lzma" },
	{ KIND_LZIP, "lzip -c", "lzip" },
	{ KIND_ZSTD, "zstd -c", "zstd" },
	{ KIND_ZSTD, "zstd -c --no-check --long=27", "zstd" },
	{ KIND_LZ4, "lz4 -q -c", "lz4" },
	{ KIND_LZ4, "lz4 -q -c -9 -B4 -BX --content-size", "lz4" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void fill_text(struct buf *buf, size_t len)
{
	uint32_t seed = 1;

	while (buf->len < len) {
		seed = seed * 1103515245 + 12345;
		if (seed >> 30)
			buf_append_str(buf, "sediment ");
		else
			buf_append(buf, &seed, 4);
	}
	buf->len = len;
}

/* plain as the tool packs it from a pipe, appended to out. */
static void pack(const struct kind *kind, struct span plain, struct buf *out)
{
	char name[] = "/tmp/varve-unpack-XXXXXX", command[200];
	int fd = mkstemp(name);
	FILE *pipe;
	size_t n;

	assert_true(fd >= 0);
	assert_true(plain.len == 0 ||
		    write(fd, plain.data, plain.len) == (ssize_t)plain.len);
	close(fd);
	snprintf(command, sizeof(command), "%s <%s", kind->tool, name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	do {
		assert_int_equal(buf_reserve(out, 65536), 0);
		n = fread(out->data + out->len, 1, 65536, pipe);
		out->len += n;
	} while (n > 0);
	assert_int_equal(pclose(pipe), 0);
	unlink(name);
}

struct result {
	struct buf plain;
	int code;
	bool garbage;
	struct err err;
};

static int run_some(int kind, void *state, struct span *in, uint8_t *out,
		    size_t cap, size_t *ret_len, struct err *err)
{
	if (kind == KIND_ZSTD)
		return unzstd_run(state, in, out, cap, ret_len, err);
	if (kind == KIND_LZ4)
		return unlz4_run(state, in, out, cap, ret_len, err);
	return unlzma_run(state, in, out, cap, ret_len, err);
}

static void *state_new(int kind)
{
	if (kind == KIND_ZSTD)
		return unzstd_new();
	if (kind == KIND_LZ4)
		return unlz4_new();
	return unlzma_new(kind == KIND_XZ     ? UNLZMA_XZ
			  : kind == KIND_LZMA ? UNLZMA_ALONE
					      : UNLZMA_LZIP);
}

static void state_end(int kind, void *state, struct result *ret)
{
	if (ret->code == 0)
		ret->code = kind == KIND_ZSTD
				    ? unzstd_end(state, &ret->err)
			    : kind == KIND_LZ4
				    ? unlz4_end(state, &ret->err)
				    : unlzma_end(state, &ret->garbage,
						 &ret->err);
	if (kind == KIND_ZSTD)
		unzstd_free(state);
	else if (kind == KIND_LZ4)
		unlz4_free(state);
	else
		unlzma_free(state);
}

/* Given in pieces of in bytes, taken in pieces of out. */
static void run(int kind, struct span packed, size_t in, size_t out,
		struct result *ret)
{
	void *state = state_new(kind);
	size_t len, before;
	int r = 0;

	assert_non_null(state);
	*ret = (struct result){ .plain = BUF_INIT };
	while (packed.len && r == 0) {
		struct span piece = packed;

		if (piece.len > in)
			piece.len = in;
		packed.data += piece.len;
		packed.len -= piece.len;
		do {
			assert_int_equal(buf_reserve(&ret->plain, out), 0);
			len = 0;
			before = piece.len;
			r = run_some(kind, state, &piece,
				     ret->plain.data + ret->plain.len, out,
				     &len, &ret->err);
			assert_true(len <= out);
			ret->plain.len += len;
		} while (r == 0 && (piece.len < before || len));
	}
	ret->code = r;
	state_end(kind, state, ret);
}

static void gives(int kind, struct span packed, size_t in, size_t out,
		  struct span want, bool garbage)
{
	struct result result;

	run(kind, packed, in, out, &result);
	if (result.code < 0)
		print_message("%s\n", result.err.text);
	assert_int_equal(result.code, 0);
	assert_true(span_equal(buf_span(&result.plain), want));
	assert_int_equal(result.garbage, garbage);
	buf_release(&result.plain);
}

static void fails(int kind, struct span packed, struct span want,
		  int code, const char *words)
{
	struct result result;

	run(kind, packed, 1 << 30, 1 << 20, &result);
	assert_int_equal(result.code, code);
	if (!strstr(result.err.text, words))
		print_message("%s\n", result.err.text);
	assert_non_null(strstr(result.err.text, words));
	assert_true(span_equal(buf_span(&result.plain), want));
	buf_release(&result.plain);
}

static void agree_with_their_programs(void **state)
{
	static const size_t sizes[] = { 0, 1, 5000, 1000000 };
	static const size_t ways[][2] = {
		{ 1 << 30, 8 << 20 }, { 65536, 1 << 20 }, { 777, 5000 },
	};

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < 4; i++) {
			OWNED_BUF struct buf plain = BUF_INIT;
			OWNED_BUF struct buf packed = BUF_INIT;

			fill_text(&plain, sizes[i]);
			pack(&kinds[k], buf_span(&plain), &packed);
			for (size_t w = 0; w < 3; w++)
				gives(kinds[k].kind, buf_span(&packed),
				      ways[w][0], ways[w][1],
				      buf_span(&plain), false);
		}
	}
}

/* Log rotation, plzip, pzstd and cat make several out of one. */
static void many_members(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;

		fill_text(&plain, 3000);
		pack(&kinds[k], span_of(NULL, 0), &packed);
		pack(&kinds[k], span_of(plain.data, 2000), &packed);
		pack(&kinds[k], span_of(NULL, 0), &packed);
		pack(&kinds[k], span_of(plain.data + 2000, 1000), &packed);
		for (size_t in = 1; in < 12; in++)
			gives(kinds[k].kind, buf_span(&packed), in, in * 3,
			      buf_span(&plain), false);
	}
}

/* Cut anywhere: what came out is right, nothing of it is held back for
 * good, and the end is told. */
static void truncation_is_told(void **state)
{
	char words[64];

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
		size_t most = 0;

		fill_text(&plain, 2000);
		pack(&kinds[k], buf_span(&plain), &packed);
		snprintf(words, sizeof(words), "%s data ends early, after",
			 kinds[k].name);
		for (size_t i = 0; i < packed.len;
		     i += i < 50 || i + 50 > packed.len ? 1 : 9) {
			struct result result;

			run(kinds[k].kind, span_of(packed.data, i), 1 << 30,
			    1 << 20, &result);
			assert_int_equal(result.code, -EBADMSG);
			assert_non_null(strstr(result.err.text, words));
			assert_true(result.plain.len >= most);
			most = result.plain.len;
			assert_true(span_equal(buf_span(&result.plain),
					       span_of(plain.data, most)));
			buf_release(&result.plain);
		}
		/* zstd and lz4 give a block at once, and may end with an
		 * empty one. */
		if (kinds[k].kind != KIND_ZSTD && kinds[k].kind != KIND_LZ4)
			assert_int_equal(most, plain.len);
	}
}

static void damage_is_told(void **state)
{
	char words[64];

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
		struct result result;

		/* not the second xz and zstd, which have no checksum */
		if (k == 1 || k == 5)
			continue;
		fill_text(&plain, 500000);
		pack(&kinds[k], buf_span(&plain), &packed);
		snprintf(words, sizeof(words), "%s data is damaged at byte",
			 kinds[k].name);
		for (size_t i = 0; i < 8; i++)
			packed.data[packed.len / 2 + i] ^= 0x55;
		run(kinds[k].kind, buf_span(&packed), 65536, 1 << 20, &result);
		assert_int_equal(result.code, -EBADMSG);
		assert_non_null(strstr(result.err.text, words));
		assert_true(result.plain.len > 60000);
		/* lzma has a checksum nowhere, the others may have theirs at
		 * the end: what was good up to the damage is the same. */
		assert_memory_equal(result.plain.data, plain.data, 60000);
		buf_release(&result.plain);
	}
}

/* However they come: the block before one with a bad head, at once or by
 * bytes. */
static void blocks_before_damage_come_out(void **state)
{
	static const uint8_t zstd[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 3 << 3, 0, 0, 'a', 'b',
		'c', 0xff, 0xff, 0xff, 0, 0, 0,
	};
	static const uint8_t lz4[] = {
		0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 3, 0, 0, 0x80, 'a',
		'b', 'c', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(lz4); i++) {
		struct result result;

		if (i & 1)
			run(KIND_LZ4, span_of(lz4, sizeof(lz4)), i / 2 + 1,
			    100, &result);
		else
			run(KIND_ZSTD, span_of(zstd, sizeof(zstd)), i / 2 + 1,
			    100, &result);
		assert_int_equal(result.code, -EBADMSG);
		assert_true(span_equal(buf_span(&result.plain),
				       span_str("abc")));
		buf_release(&result.plain);
	}
}

static void what_stands_behind(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		OWNED_BUF struct buf packed = BUF_INIT;
		struct span inside = span_str("inside");
		int kind = kinds[k].kind;

		pack(&kinds[k], inside, &packed);
		buf_append_zero(&packed, 4096);
		gives(kind, buf_span(&packed), 1, 3, inside, false);
		gives(kind, buf_span(&packed), 1 << 30, 1 << 20, inside,
		      false);
		buf_append_str(&packed, "garbage");
		if (kind == KIND_LZMA || kind == KIND_LZIP) {
			gives(kind, buf_span(&packed), 1, 3, inside, true);
			gives(kind, buf_span(&packed), 1 << 30, 1 << 20,
			      inside, true);
		} else {
			fails(kind, buf_span(&packed), inside, -EBADMSG,
			      "other bytes follow the last");
		}
	}
}

static void what_is_none(void **state)
{
	struct span nothing = span_of(NULL, 0);

	(void)state;
	fails(KIND_XZ, span_str("plain text"), nothing, -EBADMSG,
	      "xz data is damaged at byte 0: this is none");
	fails(KIND_LZIP, span_str("Lies and not LZIP"), nothing, -EBADMSG,
	      "this is none");
	fails(KIND_ZSTD, span_str("plain text"), nothing, -EBADMSG,
	      "zstd data is damaged at byte 0: Unknown frame descriptor");
}

/* A header says how much memory is needed.  -ENOTSUP, before it is taken. */
static void memory_is_bounded(void **state)
{
	/* A dictionary of 4 GiB less a byte; a window of 2 GiB, one raw byte. */
	static const uint8_t lzma[] = { 0x5d, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0 };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 0x09,
		0, 0, 'x' };
	OWNED_BUF struct buf lzip = BUF_INIT;
	struct span nothing = span_of(NULL, 0);

	(void)state;
	fails(KIND_LZMA, span_of(lzma, sizeof(lzma)), nothing, -ENOTSUP,
	      "wants 4096 MiB of memory to be unpacked, and 600 MiB are");
	fails(KIND_ZSTD, span_of(zstd, sizeof(zstd)), nothing, -ENOTSUP,
	      "wants a window of more than 512 MiB");
	/* The largest that lzip knows, 512 MiB, is read. */
	pack(&kinds[3], span_str("inside"), &lzip);
	lzip.data[5] = 29;
	gives(KIND_LZIP, buf_span(&lzip), 1 << 30, 1 << 20,
	      span_str("inside"), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree_with_their_programs),
		cmocka_unit_test(many_members),
		cmocka_unit_test(truncation_is_told),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(blocks_before_damage_come_out),
		cmocka_unit_test(what_stands_behind),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
