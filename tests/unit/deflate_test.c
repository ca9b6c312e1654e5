#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/base/codec.h"

#define WHOLE 3000000

static void fill(struct buf *buf, size_t len, uint32_t seed)
{
	size_t end = buf->len + len;

	while (buf->len < end) {
		seed = seed * 1103515245 + 12345;
		/* by turns what shrinks and what does not */
		if (buf->len >> 16 & 1)
			buf_append(buf, &seed, 4);
		else
			buf_printf(buf, "line %u of a text\n", seed >> 24);
	}
	buf->len = end;
}

struct out {
	struct buf bytes;
	int fail_after;		/* calls; negative: never */
	size_t most;		/* in one call */
};

static int put(void *arg, struct span bytes, struct err *err)
{
	struct out *out = arg;

	if (out->fail_after == 0)
		return err_set(err, -ENOSPC, "full");
	if (out->fail_after > 0)
		out->fail_after--;
	if (bytes.len > out->most)
		out->most = bytes.len;
	assert_true(bytes.len > 0);
	buf_append(&out->bytes, bytes.data, bytes.len);
	return 0;
}

/* plain in pieces of at most step bytes. */
static int gzip(struct span plain, size_t step, struct out *out,
		struct err *err)
{
	struct deflate *deflate = deflate_new();
	const struct outlet to = { put, out };
	int r = 0;

	assert_non_null(deflate);
	while (r == 0 && plain.len > 0) {
		size_t n = plain.len < step ? plain.len : step;

		r = deflate_put(deflate, span_of(plain.data, n), &to, err);
		plain.data += n;
		plain.len -= n;
	}
	if (r == 0)
		r = deflate_end(deflate, &to, err);
	deflate_free(deflate);
	return r;
}

static int zstd(struct span plain, size_t step, struct out *out,
		struct err *err)
{
	struct zstd_stream *stream = zstd_stream_new();
	const struct outlet to = { put, out };
	int r = 0;

	assert_non_null(stream);
	while (r == 0 && plain.len > 0) {
		size_t n = plain.len < step ? plain.len : step;

		r = zstd_stream_put(stream, span_of(plain.data, n), &to, err);
		plain.data += n;
		plain.len -= n;
	}
	if (r == 0)
		r = zstd_stream_end(stream, &to, err);
	zstd_stream_free(stream);
	return r;
}

static void check_gzip(struct span packed, struct span plain)
{
	struct inflate *inflate = inflate_new();
	struct err err = ERR_INIT;
	struct span in = packed;
	uint8_t *back = malloc(plain.len + 1);
	size_t have = 0, got = 1;
	bool garbage = true;

	assert_non_null(inflate);
	assert_non_null(back);
	while (got > 0) {
		assert_int_equal(inflate_run(inflate, &in, back + have,
					     plain.len + 1 - have, &got,
					     &err), 0);
		have += got;
	}
	/* the checksum and the length at its end agree, too */
	assert_int_equal(inflate_end(inflate, &garbage, &err), 0);
	assert_false(garbage);
	assert_int_equal(have, plain.len);
	assert_int_equal(memcmp(back, plain.len ? plain.data : back, have),
			 0);
	free(back);
	inflate_free(inflate);
}

static void check_zstd(struct span packed, struct span plain)
{
	struct unpacker *unpacker = unpacker_new();
	struct err err = ERR_INIT;
	uint8_t *back = malloc(plain.len + 1);

	assert_non_null(unpacker);
	assert_non_null(back);
	assert_int_equal(unpacker_unpack(unpacker, packed, span_of(NULL, 0),
					 back, plain.len, &err), 0);
	assert_int_equal(memcmp(back, plain.len ? plain.data : back,
				plain.len), 0);
	free(back);
	unpacker_free(unpacker);
}

static const size_t steps[] = { 1, 511, 65536, 262145, WHOLE };

static void test_gzip_comes_back(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	(void)state;
	fill(&plain, WHOLE, 7);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct span some = span_of(plain.data, steps[i] == 1 ? 20000
							: plain.len);
		struct out out = { .fail_after = -1 };
		struct err err = ERR_INIT;

		assert_int_equal(gzip(some, steps[i], &out, &err), 0);
		check_gzip(buf_span(&out.bytes), some);
		assert_true(out.bytes.len < some.len * 3 / 4);
		assert_true(out.most <= 65536);
		buf_release(&out.bytes);
	}
}

static void test_zstd_comes_back(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	(void)state;
	fill(&plain, WHOLE, 7);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct span some = span_of(plain.data, steps[i] == 1 ? 20000
							: plain.len);
		struct out out = { .fail_after = -1 };
		struct err err = ERR_INIT;

		assert_int_equal(zstd(some, steps[i], &out, &err), 0);
		check_zstd(buf_span(&out.bytes), some);
		assert_true(out.bytes.len < some.len * 3 / 4);
		assert_true(out.most <= 65536);
		buf_release(&out.bytes);
	}
}

static void test_nothing(void **state)
{
	struct out out = { .fail_after = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(gzip(span_of(NULL, 0), 1, &out, &err), 0);
	check_gzip(buf_span(&out.bytes), span_of(NULL, 0));
	buf_clear(&out.bytes);
	assert_int_equal(zstd(span_of(NULL, 0), 1, &out, &err), 0);
	check_zstd(buf_span(&out.bytes), span_of(NULL, 0));
	buf_release(&out.bytes);
}

/* "no name, no time": the header is the same each time. */
static void test_gzip_header(void **state)
{
	struct out out = { .fail_after = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(gzip(span_str("text"), 4, &out, &err), 0);
	assert_memory_equal(out.bytes.data, "\x1f\x8b\x08\0\0\0\0\0", 8);
	buf_release(&out.bytes);
}

static void test_zeros(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT;
	struct out out = { .fail_after = -1 };
	struct err err = ERR_INIT;

	(void)state;
	buf_append_zero(&plain, WHOLE);
	assert_int_equal(gzip(buf_span(&plain), 4096, &out, &err), 0);
	check_gzip(buf_span(&out.bytes), buf_span(&plain));
	assert_true(out.bytes.len < WHOLE / 50);
	buf_release(&out.bytes);
}

/* "its negative result ends what called it" */
static void test_outlet_fails(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	(void)state;
	fill(&plain, WHOLE, 3);
	for (int after = 0; after < 12; after++) {
		struct out out = { .fail_after = after };
		struct err err = ERR_INIT;

		assert_int_equal(gzip(buf_span(&plain), 65536, &out, &err),
				 -ENOSPC);
		assert_string_equal(err.text, "full");
		buf_release(&out.bytes);
		out = (struct out){ .fail_after = after };
		assert_int_equal(zstd(buf_span(&plain), 65536, &out, &err),
				 -ENOSPC);
		buf_release(&out.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_comes_back),
		cmocka_unit_test(test_zstd_comes_back),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_gzip_header),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_outlet_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
