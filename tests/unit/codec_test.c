#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#include "fs/base/bytes.h"
#include "fs/base/codec.h"
#include "fs/base/id.h"

/* Words enough to compress well, the same every time. */
static void fill_text(struct buf *buf, size_t len, uint32_t seed)
{
	static const char *const words[] = { "pack ", "chunk ", "store ",
		"snapshot ", "tree ", "extent\n", "0123 ", "catalog " };

	while (buf->len < len) {
		seed = seed * 1103515245 + 12345;
		buf_append_str(buf, words[seed >> 16 & 7]);
	}
	buf->len = len;
}

static void goes_around(struct span plain, struct span prefix,
			size_t *ret_packed)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	struct packer *packer = packer_new(3);
	struct unpacker *unpacker = unpacker_new();
	uint8_t *back = malloc(plain.len + 1);

	buf_append_str(&packed, "head");
	assert_int_equal(packer_pack(packer, plain, prefix, &packed, NULL), 0);
	assert_memory_equal(packed.data, "head", 4);
	assert_int_equal(unpacker_unpack(unpacker,
					 span_of(packed.data + 4,
						 packed.len - 4),
					 prefix, back, plain.len, NULL), 0);
	assert_true(span_equal(span_of(back, plain.len), plain));
	*ret_packed = packed.len - 4;
	free(back);
	packer_free(packer);
	unpacker_free(unpacker);
}

static void sizes_go_around(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 100, 4095, 65536, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		OWNED_BUF struct buf text = BUF_INIT, noise = BUF_INIT;
		size_t packed;

		fill_text(&text, sizes[i], 1);
		goes_around(buf_span(&text), span_of(NULL, 0), &packed);
		if (sizes[i] >= 4095)
			assert_true(packed < sizes[i] / 3);
		buf_reserve(&noise, sizes[i] + 1);
		random_bytes(noise.data, sizes[i], NULL);
		noise.len = sizes[i];
		goes_around(buf_span(&noise), span_of(NULL, 0), &packed);
		goes_around(buf_span(&noise), buf_span(&text), &packed);
	}
}

/* "a changed chunk compressed against what stood in its place costs almost
 * nothing" */
static void a_prefix_saves_nearly_all(void **state)
{
	static const size_t sizes[] = { 70000, 3000000, 20000000 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		OWNED_BUF struct buf old = BUF_INIT, new = BUF_INIT;
		size_t alone, with;

		buf_reserve(&old, sizes[i]);
		random_bytes(old.data, sizes[i], NULL);
		old.len = sizes[i];
		buf_append(&new, old.data, old.len);
		memcpy(new.data + sizes[i] / 2, "changed", 7);
		goes_around(buf_span(&new), span_of(NULL, 0), &alone);
		goes_around(buf_span(&new), buf_span(&old), &with);
		assert_true(alone >= sizes[i]);
		assert_in_range(with, 1, 200 + sizes[i] / 1000);
	}
}

/* One context for many, with prefix and without, in any order. */
static void a_context_serves_many(void **state)
{
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	struct packer *packer = packer_new(1);
	struct unpacker *unpacker = unpacker_new();
	uint8_t *back = malloc(50000);

	(void)state;
	fill_text(&a, 50000, 1);
	fill_text(&b, 50000, 2);
	for (int i = 0; i < 20; i++) {
		OWNED_BUF struct buf packed = BUF_INIT;
		struct span prefix = i % 3 ? buf_span(&b) : span_of(NULL, 0);
		struct span wrong = i % 3 ? span_of(NULL, 0) : buf_span(&b);
		size_t n = (size_t)(i + 1) * 2000;
		struct err err = ERR_INIT;

		assert_int_equal(packer_pack(packer, span_of(a.data, n),
					     prefix, &packed, NULL), 0);
		/* a failure in between leaves no trace */
		assert_int_equal(unpacker_unpack(unpacker,
						 span_of(packed.data,
							 packed.len - 1),
						 wrong, back, n, &err),
				 -EBADMSG);
		assert_int_equal(unpacker_unpack(unpacker, buf_span(&packed),
						 prefix, back, n, NULL), 0);
		assert_memory_equal(back, a.data, n);
	}
	free(back);
	packer_free(packer);
	unpacker_free(unpacker);
	packer_free(NULL);
	unpacker_free(NULL);
}

static void no_checksum_and_a_size_are_in_the_frame(void **state)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	struct packer *packer = packer_new(3);

	(void)state;
	assert_int_equal(packer_pack(packer, span_str("some plain bytes"),
				     span_of(NULL, 0), &packed, NULL), 0);
	assert_int_equal(ZSTD_getFrameContentSize(packed.data, packed.len),
			 16);
	assert_int_equal(packed.data[4] & 4, 0);
	packer_free(packer);
}

static void damage_is_told(void **state)
{
	OWNED_BUF struct buf text = BUF_INIT, packed = BUF_INIT;
	OWNED_BUF struct buf twice = BUF_INIT;
	struct packer *packer = packer_new(3);
	struct unpacker *unpacker = unpacker_new();
	uint8_t back[3000];
	struct err err = ERR_INIT;

	(void)state;
	fill_text(&text, 2000, 1);
	packer_pack(packer, buf_span(&text), span_of(NULL, 0), &packed, NULL);
	/* another length than stated, both ways */
	assert_int_equal(unpacker_unpack(unpacker, buf_span(&packed),
					 span_of(NULL, 0), back, 1999, &err),
			 -EBADMSG);
	assert_int_equal(unpacker_unpack(unpacker, buf_span(&packed),
					 span_of(NULL, 0), back, 2001, &err),
			 -EBADMSG);
	assert_string_equal(err.text,
			    "compressed bytes give 2000 bytes and not 2001");
	for (size_t i = 0; i < packed.len; i++)
		assert_int_equal(unpacker_unpack(unpacker,
						 span_of(packed.data, i),
						 span_of(NULL, 0), back, 2000,
						 &err), -EBADMSG);
	/* a flip gives an error or other bytes, and never more of them */
	memset(back, 0xaa, sizeof(back));
	for (size_t i = 0; i < packed.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			packed.data[i] ^= (uint8_t)(1u << bit);
			unpacker_unpack(unpacker, buf_span(&packed),
					span_of(NULL, 0), back, 2000, &err);
			assert_int_equal(back[2000], 0xaa);
			packed.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	/* something behind */
	buf_append_byte(&packed, 0);
	assert_int_equal(unpacker_unpack(unpacker, buf_span(&packed),
					 span_of(NULL, 0), back, 2000, &err),
			 -EBADMSG);
	packed.len--;
	buf_append(&twice, packed.data, packed.len);
	buf_append(&twice, packed.data, packed.len);
	assert_int_equal(unpacker_unpack(unpacker, buf_span(&twice),
					 span_of(NULL, 0), back, 2000, &err),
			 -EBADMSG);
	packer_free(packer);
	unpacker_free(unpacker);
}

static void other_frames_are_refused(void **state)
{
	static const struct { const char *data; size_t len; } cases[] = {
		{ "", 0 },
		{ "\x28\xb5\x2f", 3 },
		{ "\x28\xb5\x2f\xfd", 4 },
		{ "\x50\x2a\x4d\x18\x00\x00\x00\x00", 8 },	/* skippable */
		{ "\x27\xb5\x2f\xfd\x00\x00\x00\x00", 8 },	/* v0.7 */
		{ "plain text, no frame", 20 },
	};
	struct unpacker *unpacker = unpacker_new();
	uint8_t back[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span packed = span_of(cases[i].data, cases[i].len);

		assert_int_equal(unpacker_unpack(unpacker, packed,
						 span_of(NULL, 0), back, 0,
						 NULL), -EBADMSG);
	}
	unpacker_free(unpacker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_go_around),
		cmocka_unit_test(a_prefix_saves_nearly_all),
		cmocka_unit_test(a_context_serves_many),
		cmocka_unit_test(no_checksum_and_a_size_are_in_the_frame),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(other_frames_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
