#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "fs/base/bytes.h"
#include "fs/base/codec.h"

static void fill_text(struct buf *buf, size_t len, uint32_t seed)
{
	static const char *const words[] = { "pack ", "chunk ", "store ",
		"snapshot ", "tree ", "extent\n", "0123 ", "catalog " };
	size_t end = buf->len + len;

	while (buf->len < end) {
		seed = seed * 1103515245 + 12345;
		if ((seed >> 20 & 15) == 0)
			buf_append(buf, &seed, 4);
		else
			buf_append_str(buf, words[seed >> 16 & 7]);
	}
	buf->len = end;
}

static void fill_noise(struct buf *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		buf_append_byte(buf, (uint8_t)(seed >> 16));
	}
}

/* plain as the gzip command packs it, appended to out. */
static void gzip(struct span plain, const char *options, struct buf *out)
{
	char name[] = "/tmp/varve-inflate-XXXXXX";
	char command[200];
	FILE *pipe;
	size_t n;
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_true(plain.len == 0 ||
		    write(fd, plain.data, plain.len) == (ssize_t)plain.len);
	close(fd);
	snprintf(command, sizeof(command), "gzip -c %s '%s'", options, name);
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

/* How the bytes come in and go out. */
struct way {
	size_t in;		/* at once */
	size_t first;		/* in the first piece, if not 0 */
	size_t out;
};

static bool as_zlib;		/* not gzip */

struct result {
	struct buf plain;
	int code;
	bool garbage;
	struct err err;
};

static void run(struct span packed, struct way way, struct result *ret)
{
	struct inflate *inflate = as_zlib ? inflate_new_zlib() :
					    inflate_new();
	size_t piece = way.first ? way.first : way.in;
	int r = 0;

	*ret = (struct result){ .plain = BUF_INIT };
	while (packed.len > 0 && r == 0) {
		struct span in = packed;
		size_t len = 0;

		if (in.len > piece)
			in.len = piece;
		packed.data += in.len;
		packed.len -= in.len;
		piece = way.in;
		do {
			assert_int_equal(buf_reserve(&ret->plain, way.out), 0);
			len = 0;
			r = inflate_run(inflate, &in,
					ret->plain.data + ret->plain.len,
					way.out, &len, &ret->err);
			assert_true(len <= way.out);
			ret->plain.len += len;
		} while (r == 0 && (in.len > 0 || len == way.out));
	}
	if (r == 0)
		r = inflate_end(inflate, &ret->garbage, &ret->err);
	ret->code = r;
	inflate_free(inflate);
}

static const struct way whole = { 1 << 30, 0, 1 << 20 };

static void gives(struct span packed, struct way way, struct span want,
		  bool garbage)
{
	struct result result;

	run(packed, way, &result);
	if (result.code < 0)
		print_message("%s\n", result.err.text);
	assert_int_equal(result.code, 0);
	assert_true(span_equal(buf_span(&result.plain), want));
	assert_int_equal(result.garbage, garbage);
	buf_release(&result.plain);
}

static void fails(struct span packed, struct way way, const char *words)
{
	struct result result;

	run(packed, way, &result);
	assert_int_equal(result.code, -EBADMSG);
	if (!strstr(result.err.text, words))
		print_message("%s\n", result.err.text);
	assert_non_null(strstr(result.err.text, words));
	buf_release(&result.plain);
}

/* A member with the given header flags and all their fields, by hand. */
static void member(uint8_t flags, struct span plain, struct buf *out)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	size_t start = out->len;

	gzip(plain, "-n", &packed);
	buf_append(out, "\x1f\x8b\x08", 3);
	buf_u8(out, flags);
	buf_append(out, "\x01\x02\x03\x04\x02\x03", 6);
	if (flags & 4) {
		buf_u16(out, 300);
		buf_append_zero(out, 300);
	}
	if (flags & 8)
		buf_append(out, "name", 5);
	if (flags & 16)
		buf_append(out, "a comment", 10);
	if (flags & 2)
		buf_u16(out, (uint16_t)crc32_gzip_refl(0, out->data + start,
						       out->len - start));
	buf_append(out, packed.data + 10, packed.len - 10);
}

static void agrees_with_gzip(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 32768, 65536, 300000,
					5000000 };
	static const char *const levels[] = { "-1", "-6", "-9" };
	static const struct way ways[] = {
		{ 1 << 30, 0, 8 << 20 }, { 65536, 0, 1 << 20 },
		{ 4096, 0, 128 * 1024 }, { 1000, 0, 128 * 1024 - 1 },
		{ 777, 0, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		OWNED_BUF struct buf text = BUF_INIT, noise = BUF_INIT;

		fill_text(&text, sizes[i], 1);
		fill_noise(&noise, sizes[i], 2);
		for (size_t l = 0; l < 3; l++) {
			OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;

			gzip(buf_span(&text), levels[l], &a);
			gzip(buf_span(&noise), levels[l], &b);
			for (size_t w = 0; w < 5; w++) {
				gives(buf_span(&a), ways[w], buf_span(&text),
				      false);
				gives(buf_span(&b), ways[w], buf_span(&noise),
				      false);
			}
		}
	}
}

/* Three members, one of them empty, cut in two at every byte, and in bytes. */
static void members_split_anywhere(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	size_t middle;

	(void)state;
	fill_text(&plain, 700, 1);
	middle = plain.len;
	fill_noise(&plain, 300, 2);
	member(0x1e, span_of(plain.data, middle), &packed);
	member(0, span_of(NULL, 0), &packed);
	member(0x08, span_of(plain.data + middle, plain.len - middle),
	       &packed);
	for (size_t i = 1; i < packed.len; i++) {
		struct way way = { packed.len, i, 1 << 20 };

		gives(buf_span(&packed), way, buf_span(&plain), false);
		way.out = 1;
		gives(buf_span(&packed), way, buf_span(&plain), false);
	}
	for (size_t in = 1; in < 12; in++)
		for (size_t out = 1; out < 4; out++)
			gives(buf_span(&packed),
			      (struct way){ in, 0, in * out * out },
			      buf_span(&plain), false);
}

static void many_small_members(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	OWNED_BUF struct buf one = BUF_INIT, all = BUF_INIT;

	(void)state;
	fill_text(&plain, 50, 3);
	member(0, buf_span(&plain), &one);
	for (int i = 0; i < 5000; i++) {
		buf_append(&packed, one.data, one.len);
		buf_append(&all, plain.data, plain.len);
	}
	gives(buf_span(&packed), whole, buf_span(&all), false);
	gives(buf_span(&packed), (struct way){ 61, 0, 97 }, buf_span(&all),
	      false);
}

/* Flushed streams hold empty stored blocks and blocks that end anywhere. */
static void flushed_streams(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	struct isal_zstream *stream = calloc(1, sizeof(*stream));
	size_t at = 0;

	(void)state;
	fill_text(&plain, 200000, 5);
	isal_deflate_init(stream);
	stream->gzip_flag = IGZIP_GZIP;
	buf_reserve(&packed, 1 << 20);
	stream->next_out = packed.data;
	stream->avail_out = 1 << 20;
	for (size_t n = 1; at < plain.len; n = n * 3 % 5003 + 1) {
		if (n > plain.len - at)
			n = plain.len - at;
		stream->next_in = plain.data + at;
		stream->avail_in = (uint32_t)n;
		stream->flush = n % 2 ? SYNC_FLUSH : FULL_FLUSH;
		at += n;
		stream->end_of_stream = at == plain.len;
		assert_int_equal(isal_deflate(stream), COMP_OK);
	}
	packed.len = stream->total_out;
	gives(buf_span(&packed), whole, buf_span(&plain), false);
	for (size_t in = 1; in < 40; in += 3)
		gives(buf_span(&packed), (struct way){ in, 0, 70000 },
		      buf_span(&plain), false);
	free(stream);
}

static void headers_of_all_kinds(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	(void)state;
	fill_text(&plain, 100, 1);
	for (uint8_t flags = 0; flags < 32; flags++) {
		OWNED_BUF struct buf packed = BUF_INIT;

		member(flags, buf_span(&plain), &packed);
		gives(buf_span(&packed), whole, buf_span(&plain), false);
		gives(buf_span(&packed), (struct way){ 1, 0, 1 },
		      buf_span(&plain), false);
		if (!(flags & 2))
			continue;
		packed.data[4] ^= 1;
		fails(buf_span(&packed), whole, "header's checksum differs");
	}
}

static void a_huge_name_takes_no_memory(void **state)
{
	OWNED_BUF struct buf packed = BUF_INIT;

	(void)state;
	buf_append(&packed, "\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10);
	for (int i = 0; i < 8000000; i++)
		buf_append_byte(&packed, 'x');
	fails(buf_span(&packed), whole, "ends early");
	buf_append(&packed, "\0\x03\0\0\0\0\0\0\0\0\0", 11);
	gives(buf_span(&packed), whole, span_of(NULL, 0), false);
}

static void bad_headers_are_refused(void **state)
{
	(void)state;
	fails(span_of("", 0), whole, "ends early");
	fails(span_str("plain text"), whole, "this is not gzip");
	fails(span_str("\x1f\x8c"), whole, "this is not gzip");
	fails(span_str("\x1f\x9d\x90"), whole, "this is not gzip");
	fails(span_of("\x1f\x8b\x07\0\0\0\0\0\0\x03", 10), whole,
	      "at byte 10: unknown compression method");
	fails(span_of("\x1f\x8b\x08\x20\0\0\0\0\0\x03", 10), whole,
	      "unknown flags");
	fails(span_of("\0\0\0\0", 4), whole, "this is not gzip");
}

/* Cut at every byte: what came out is right, and the end is told. */
static void truncation_is_told(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	OWNED_BUF struct buf two = BUF_INIT;

	(void)state;
	fill_text(&plain, 2000, 1);
	member(0x1e, buf_span(&plain), &packed);
	for (size_t i = 0; i < packed.len; i++) {
		struct result result;

		run(span_of(packed.data, i), whole, &result);
		assert_int_equal(result.code, -EBADMSG);
		assert_non_null(strstr(result.err.text, "ends early"));
		assert_true(result.plain.len <= plain.len);
		assert_true(span_equal(buf_span(&result.plain),
				       span_of(plain.data,
					       result.plain.len)));
		if (i >= packed.len - 8)
			assert_int_equal(result.plain.len, plain.len);
		buf_release(&result.plain);
	}
	/* inside a second member as well */
	for (size_t i = 1; i < packed.len; i += 7) {
		buf_clear(&two);
		buf_append(&two, packed.data, packed.len);
		buf_append(&two, packed.data, i);
		fails(buf_span(&two), whole, "ends early");
	}
}

static void a_wrong_trailer_is_told(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;

	(void)state;
	fill_text(&plain, 2000, 1);
	member(0, buf_span(&plain), &packed);
	for (size_t i = 1; i <= 8; i++) {
		struct result result;

		packed.data[packed.len - i] ^= 1;
		run(buf_span(&packed), whole, &result);
		assert_int_equal(result.code, -EBADMSG);
		assert_non_null(strstr(result.err.text, i <= 4 ?
				       "the length differs" :
				       "the checksum differs"));
		/* what came out before is handed on */
		assert_true(span_equal(buf_span(&result.plain),
				       buf_span(&plain)));
		buf_release(&result.plain);
		packed.data[packed.len - i] ^= 1;
	}
}

static void what_stands_behind(void **state)
{
	static const struct {
		const char *behind;
		size_t len;
		bool garbage;
	} cases[] = {
		{ "\0", 1, false }, { "\0\0\0\0\0\0\0\0\0\0\0\0", 12, false },
		{ "x", 1, true }, { "\0\0\0x", 4, true },
		{ "\x1f\x8c", 2, true }, { "\x1f\0", 2, true },
		{ "\0\x1f\x8b\x08", 4, true }, { "garbage behind", 14, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf packed = BUF_INIT;

		member(0, span_str("inside"), &packed);
		buf_append(&packed, cases[i].behind, cases[i].len);
		gives(buf_span(&packed), whole, span_str("inside"),
		      cases[i].garbage);
		gives(buf_span(&packed), (struct way){ 1, 0, 3 },
		      span_str("inside"), cases[i].garbage);
	}
}

/* Any bit flipped: an error, or the same bytes (names and dates may change). */
static void no_flip_gives_other_bytes(void **state)
{
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	size_t told = 0;

	(void)state;
	fill_text(&plain, 900, 7);
	member(0x18, buf_span(&plain), &packed);
	for (size_t i = 0; i < packed.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct result result;

			packed.data[i] ^= (uint8_t)(1u << bit);
			run(buf_span(&packed), (struct way){ 100, 0, 500 },
			    &result);
			if (result.code < 0)
				told++;
			else
				assert_true(span_equal(buf_span(&result.plain),
						       buf_span(&plain)));
			buf_release(&result.plain);
			packed.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_true(told > (packed.len - 40) * 8);
}

/* "damaged from here on (what came out before is good)": up to the damage
 * nothing is kept back, however small the pieces. */
static void all_before_the_damage_comes_out(void **state)
{
	static const size_t outs[] = { 1 << 20, 128 * 1024, 10000, 100 };
	OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;
	size_t first = 0;

	(void)state;
	fill_text(&plain, 400000, 1);
	gzip(buf_span(&plain), "-6", &packed);
	/* hundreds of bytes of ones soon make no sense as deflate */
	memset(packed.data + packed.len * 3 / 4, 0xff, 400);
	for (size_t i = 0; i < 4; i++) {
		struct result result;
		size_t same = 0;

		run(buf_span(&packed), (struct way){ 5000, 0, outs[i] },
		    &result);
		assert_int_equal(result.code, -EBADMSG);
		while (same < result.plain.len &&
		       result.plain.data[same] == plain.data[same])
			same++;
		assert_true(same > 400000 * 7 / 10);
		if (i == 0)
			first = result.plain.len;
		assert_int_equal(result.plain.len, first);
		buf_release(&result.plain);
	}
}

static void damage_stays(void **state)
{
	struct inflate *inflate = inflate_new();
	struct span in = span_str("this is no gzip");
	struct err err = ERR_INIT;
	uint8_t out[10];
	size_t len = 7;
	bool garbage;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(inflate_run(inflate, &in, out, 10, &len,
					     &err), -EBADMSG);
	assert_int_equal(inflate_end(inflate, &garbage, &err), -EBADMSG);
	inflate_free(inflate);
	inflate_free(NULL);
}

/* What gzip deflates, within the head and sum of a zlib stream. */
static void zlib(struct span plain, struct buf *out)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	uint32_t a = 1, b = 0;

	gzip(plain, "-n", &packed);
	buf_append(out, "\x78\x9c", 2);
	buf_append(out, packed.data + 10, packed.len - 18);
	for (size_t i = 0; i < plain.len; i++) {
		a = (a + plain.data[i]) % 65521;
		b = (b + a) % 65521;
	}
	buf_append_byte(out, (uint8_t)(b >> 8));
	buf_append_byte(out, (uint8_t)b);
	buf_append_byte(out, (uint8_t)(a >> 8));
	buf_append_byte(out, (uint8_t)a);
}

static void zlib_is_read(void **state)
{
	static const struct way ways[] = {
		{ 1 << 30, 0, 1 << 20 }, { 4096, 1, 5000 }, { 1, 0, 1 },
	};
	static const size_t sizes[] = { 0, 1, 70000 };

	(void)state;
	as_zlib = true;
	for (size_t i = 0; i < 3; i++) {
		OWNED_BUF struct buf plain = BUF_INIT, packed = BUF_INIT;

		fill_text(&plain, sizes[i], 1);
		zlib(buf_span(&plain), &packed);
		for (size_t w = 0; w < 3; w++)
			gives(buf_span(&packed), ways[w], buf_span(&plain),
			      false);
		for (size_t cut = 0; cut < packed.len; cut += 1 + cut / 7)
			fails(span_of(packed.data, cut), ways[0],
			      "zlib data ends early");
		buf_append_zero(&packed, 3);
		gives(buf_span(&packed), ways[1], buf_span(&plain), false);
		buf_append_byte(&packed, 1);
		gives(buf_span(&packed), ways[1], buf_span(&plain), true);
		packed.data[packed.len - 5] ^= 1;
		fails(buf_span(&packed), ways[0], "the checksum differs");
	}
	fails(span_str("\x78\x9d"), ways[0], "this is not zlib");
	fails(span_str("\x79\x9c"), ways[0], "this is not zlib");
	fails(span_str("\x78\xbb"), ways[0], "it wants a dictionary");
	fails(span_str("\x1f\x8b\x08"), ways[0], "this is not zlib");
	as_zlib = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_gzip),
		cmocka_unit_test(members_split_anywhere),
		cmocka_unit_test(many_small_members),
		cmocka_unit_test(flushed_streams),
		cmocka_unit_test(headers_of_all_kinds),
		cmocka_unit_test(a_huge_name_takes_no_memory),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(truncation_is_told),
		cmocka_unit_test(a_wrong_trailer_is_told),
		cmocka_unit_test(what_stands_behind),
		cmocka_unit_test(no_flip_gives_other_bytes),
		cmocka_unit_test(all_before_the_damage_comes_out),
		cmocka_unit_test(damage_stays),
		cmocka_unit_test(zlib_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
