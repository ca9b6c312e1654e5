/*
 * gzip streams, compared with zlib: where one reads a stream to its end so
 * does the other, and the bytes are the same however they are cut.
 */
#include <stdlib.h>
#include <zlib.h>

#include "fs/base/bytes.h"
#include "fs/base/codec.h"
#include "tests/fuzz/fuzz.h"

#define PLAIN_MAX (4u << 20)	/* of zlib's answer that is compared */

/* The length of a member's header, as zlib reads it; 0: it is none. */
static size_t header_len(const uint8_t *data, size_t len)
{
	size_t at = 10;

	if (len < 18 || data[0] != 0x1f || data[1] != 0x8b)
		return 0;
	if (data[3] & 4)
		at += 2u + data[10] + 256u * data[11];
	for (unsigned bit = 8; bit <= 16; bit *= 2) {
		if (!(data[3] & bit))
			continue;
		while (at < len && data[at])
			at++;
		at++;
	}
	if ((data[3] & 2) && at + 2 <= len) {
		uLong crc = crc32(0, data, (uInt)at);

		data += at;
		((uint8_t *)data)[0] = (uint8_t)crc;
		((uint8_t *)data)[1] = (uint8_t)(crc >> 8);
		at += 2;
	}
	return at < len ? at : 0;
}

/* Give one member a true trailer; where the next may begin, or 0. */
static size_t mend_member(uint8_t *data, size_t len)
{
	static uint8_t out[65536];
	size_t head = header_len(data, len), end = 0;
	uint32_t crc = 0, plain = 0;
	z_stream z = { .next_in = data + head,
		       .avail_in = (uInt)(len - head) };
	int r = Z_OK;

	if (head == 0 || inflateInit2(&z, -15) != Z_OK)
		return 0;
	while (r == Z_OK && plain < PLAIN_MAX) {
		size_t made;

		z.next_out = out;
		z.avail_out = sizeof(out);
		r = inflate(&z, Z_NO_FLUSH);
		made = sizeof(out) - z.avail_out;
		crc = (uint32_t)crc32(crc, out, (uInt)made);
		plain += (uint32_t)made;
	}
	if (r == Z_STREAM_END && z.avail_in >= 8) {
		end = len - z.avail_in;
		put_le32(data + end, crc);
		put_le32(data + end + 4, plain);
		end += 8;
	}
	inflateEnd(&z);
	return end;
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	size_t n = LLVMFuzzerMutate(data, len, max), at = 0, next = 1;

	while (at < n && next > 0 && fuzz_mostly(rng)) {
		next = mend_member(data + at, n - at);
		at += next;
	}
	return n;
}

/* -1: damaged; else 1 and all of it in plain.  0: damaged in a way that leaves the
 * bytes and their checksum as they were: codes that nothing uses. */
static int by_zlib(const uint8_t *data, size_t len, struct buf *plain)
{
	z_stream z = { .next_in = (uint8_t *)data, .avail_in = (uInt)len };
	uint8_t out[4096];
	bool bad_codes;
	int r = Z_OK;

	FUZZ_CHECK(inflateInit2(&z, 31) == Z_OK);
	while (r == Z_OK && plain->len <= PLAIN_MAX) {
		z.next_out = out;
		z.avail_out = sizeof(out);
		r = inflate(&z, Z_NO_FLUSH);
		buf_append(plain, out, sizeof(out) - z.avail_out);
		if (r != Z_STREAM_END)
			continue;
		/* Behind a member: another, padding, garbage or nothing. */
		if (z.avail_in < 2 || z.next_in[0] != 0x1f ||
		    z.next_in[1] != 0x8b)
			break;
		FUZZ_CHECK(inflateReset(&z) == Z_OK);
		r = Z_OK;
	}
	/* A lone 1f is the beginning of a member that ends early. */
	if (r == Z_STREAM_END && z.avail_in == 1 && z.next_in[0] == 0x1f)
		r = Z_DATA_ERROR;
	bad_codes = r == Z_DATA_ERROR && z.msg && strstr(z.msg, " set");
	inflateEnd(&z);
	return r == Z_STREAM_END ? 1 : bad_codes ? 0 : -1;
}

/* By pieces of up to in_step and out_step bytes. */
static int by_ours(const uint8_t *data, size_t len, size_t in_step,
		   size_t out_step, struct buf *plain)
{
	struct inflate *inflate = inflate_new();
	uint8_t *out = malloc(out_step);
	struct err err = ERR_INIT;
	bool garbage;
	size_t at = 0;
	int r = 0;

	FUZZ_CHECK(inflate && out);
	while (r == 0 && at < len && plain->len <= PLAIN_MAX) {
		size_t n = len - at < in_step ? len - at : in_step;
		struct span in = span_of(data + at, n);
		size_t got = out_step;

		while (r == 0 && (in.len > 0 || got == out_step) &&
		       plain->len <= PLAIN_MAX) {
			r = inflate_run(inflate, &in, out, out_step, &got,
					&err);
			if (r == 0) {
				FUZZ_CHECK(got <= out_step);
				buf_append(plain, out, got);
			}
		}
		at += n;
	}
	FUZZ_CHECK(r == 0 || (r == -EBADMSG && err.text[0]));
	if (r == 0)
		r = inflate_end(inflate, &garbage, &err);
	inflate_free(inflate);
	free(out);
	return r;
}

static bool begins_with(const struct buf *a, const struct buf *b)
{
	return b->len <= a->len &&
	       (!b->len || !memcmp(a->data, b->data, b->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	OWNED_BUF struct buf want = BUF_INIT, whole = BUF_INIT;
	OWNED_BUF struct buf cut = BUF_INIT;
	struct fuzz_rng rng = fuzz_rng_of(span_of(data, len));
	int zlib = by_zlib(data, len, &want);
	int a, b;

	if (want.len > PLAIN_MAX)
		return 0;
	a = by_ours(data, len, len + 1, 1u << 18, &whole);
	b = by_ours(data, len, 1 + fuzz_below(&rng, 300),
		    1 + fuzz_below(&rng, 5000), &cut);
	FUZZ_CHECK((a == 0) == (b == 0));
	if (zlib == 0)
		return 0;
	FUZZ_CHECK((a == 0) == (zlib == 1));
	if (a == 0) {
		FUZZ_CHECK(span_equal(buf_span(&want), buf_span(&whole)));
		FUZZ_CHECK(span_equal(buf_span(&want), buf_span(&cut)));
	} else {
		/* What came out before the damage is good. */
		FUZZ_CHECK(begins_with(&whole, &want) ||
			   begins_with(&want, &whole));
		FUZZ_CHECK(begins_with(&cut, &want) ||
			   begins_with(&want, &cut));
	}
	return 0;
}
