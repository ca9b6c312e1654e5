#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fs/store/block.h"

#define HEAD 24		/* before extensions and ids */

struct fixture {
	struct packer *packer;
	struct unpacker *unpacker;
	struct id_key key;
	struct buf plain;
	struct buf block;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t seed[ID_SEED] = { 1, 2, 3 };

	f->packer = packer_new(3);
	f->unpacker = unpacker_new();
	id_key_init(&f->key, seed);
	*state = f;
	return f->packer && f->unpacker ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	packer_free(f->packer);
	unpacker_free(f->unpacker);
	buf_release(&f->plain);
	buf_release(&f->block);
	free(f);
	return 0;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 24;
}

static void put_noise(struct buf *out, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf_u8(out, (uint8_t)next_random(&seed));
}

static void put_text(struct buf *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_u8(out, (uint8_t)"all work and no play "[i % 21]);
}

/* Ids for count objects of equal length that fill plain. */
static void cut(const struct fixture *f, struct span plain, struct id *ids,
		uint32_t count)
{
	size_t each = plain.len / count;

	for (uint32_t i = 0; i < count; i++)
		id_of(&f->key, 0, span_of(plain.data + i * each, each),
		      &ids[i]);
}

static void encode(struct fixture *f, const struct id *ids, uint32_t count)
{
	struct err err = ERR_INIT;

	assert_int_equal(0, block_encode(f->packer, ids, count,
					 buf_span(&f->plain), NULL, 0,
					 span_of(NULL, 0), &f->block, &err));
}

/* Both checksums made good again, so that only what was changed is wrong. */
static void resum(struct buf *block, uint32_t head_len)
{
	put_le64(block->data + head_len - 16,
		 sum64(span_of(block->data + head_len,
			       block->len - head_len)));
	put_le64(block->data + head_len - 8,
		 sum64(span_of(block->data, head_len - 8)));
}

static int decode(struct fixture *f, struct span block, struct span prefix,
		  struct buf *plain)
{
	struct block_head head;
	int r = block_parse_head(block, &head, NULL);

	return r < 0 ? r : block_decode(f->unpacker, block, &head, prefix,
					plain, NULL);
}

/* docs/format.md, "Blocks", byte for byte. */
static void test_layout(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf want = BUF_INIT;
	struct id ids[2];

	put_noise(&f->plain, 200, 7);
	cut(f, buf_span(&f->plain), ids, 2);
	encode(f, ids, 2);

	buf_append(&want, "VBLK\1\0\0\0", 8);
	buf_u32(&want, 200);
	buf_u32(&want, 200);
	buf_u32(&want, 2);
	buf_u32(&want, 0);
	id_write(&ids[0], &want);
	id_write(&ids[1], &want);
	buf_u64(&want, sum64(buf_span(&f->plain)));
	buf_u64(&want, sum64(buf_span(&want)));
	buf_append(&want, f->plain.data, f->plain.len);
	assert_int_equal(want.len, f->block.len);
	assert_memory_equal(want.data, f->block.data, want.len);
}

static void test_compressed(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf back = BUF_INIT;
	struct block_head head;
	struct id ids[10], id;
	struct bytes in;

	put_text(&f->plain, 100000);
	cut(f, buf_span(&f->plain), ids, 10);
	buf_append_str(&f->block, "what stood before");
	encode(f, ids, 10);
	assert_memory_equal("what stood before", f->block.data, 17);
	assert_true(f->block.len < 5000);

	assert_int_equal(0, block_parse_head(
		span_of(f->block.data + 17, f->block.len - 17), &head, NULL));
	assert_int_equal(BLOCK_ZSTD, head.codec);
	assert_int_equal(100000, head.plain_len);
	assert_int_equal(10, head.count);
	assert_int_equal(0, head.prefix_count);
	assert_int_equal(HEAD + 10 * ID_BYTES + 16, head.head_len);
	assert_int_equal(f->block.len - 17, head.head_len + head.payload_len);
	in = bytes_of(head.ids);
	for (int i = 0; i < 10; i++) {
		id_parse(&in, &id);
		assert_true(id_equal(&ids[i], &id));
	}
	assert_true(bytes_done(&in));

	buf_append_str(&back, "kept ");
	assert_int_equal(0, decode(f, span_of(f->block.data + 17,
					      f->block.len - 17),
				   span_of(NULL, 0), &back));
	assert_int_equal(100005, back.len);
	assert_memory_equal("kept ", back.data, 5);
	assert_memory_equal(f->plain.data, back.data + 5, 100000);
}

static void test_raw_where_nothing_is_saved(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf back = BUF_INIT;
	struct block_head head;
	struct id id;

	/* About two in a hundred would be saved. */
	put_noise(&f->plain, 100000, 1);
	put_text(&f->plain, 2000);
	cut(f, buf_span(&f->plain), &id, 1);
	encode(f, &id, 1);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_RAW, head.codec);
	assert_int_equal(0, decode(f, buf_span(&f->block), span_of(NULL, 0),
				   &back));
	assert_true(span_equal(buf_span(&f->plain), buf_span(&back)));

	/* About nine. */
	put_text(&f->plain, 8000);
	cut(f, buf_span(&f->plain), &id, 1);
	buf_clear(&f->block);
	encode(f, &id, 1);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_ZSTD, head.codec);
}

static void put_table(struct buf *out, unsigned rows, unsigned step)
{
	for (unsigned i = 0; i < rows; i++)
		buf_printf(out, "%u\t%u\t2026-11-27 %02u:%02u:00\tactive\n",
			   10000000 + i * i * step, i * 7919 % 1000, i / 60 % 24,
			   i % 60);
}

/* Tables are kept in columns, where that makes them much shorter. */
static void test_columns(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf back = BUF_INIT, plain = BUF_INIT;
	struct block_head head;
	struct id ids[3];

	put_table(&f->plain, 900, 3);
	f->plain.len -= f->plain.len % 3;
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_COLUMNS, head.codec);
	assert_int_equal(BLOCK_COLUMNS, block_codec(buf_span(&f->block)));
	assert_int_equal(0, packer_pack(f->packer, buf_span(&f->plain),
					span_of(NULL, 0), &plain, NULL));
	assert_true(head.payload_len <= plain.len - plain.len / 4);
	assert_int_equal(0, decode(f, buf_span(&f->block), span_of(NULL, 0),
				   &back));
	assert_true(span_equal(buf_span(&f->plain), buf_span(&back)));

	/* words, of which columns save less than a quarter */
	buf_clear(&f->plain);
	buf_clear(&f->block);
	for (uint32_t i = 0, seed = 5; i < 900; i++) {
		for (int k = 0; k < 60; k++)
			buf_u8(&f->plain, (uint8_t)('a' + next_random(&seed) %
						    26));
		buf_append_str(&f->plain, i % 2 ? "\tyes\n" : "\tno\n");
	}
	f->plain.len -= f->plain.len % 3;
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	assert_int_equal(BLOCK_ZSTD, block_codec(buf_span(&f->block)));
}

static void test_prefix(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf prefix = BUF_INIT;
	OWNED_BUF struct buf back = BUF_INIT;
	struct id prefix_ids[2], id;
	struct block_head head;

	put_noise(&prefix, 60000, 5);
	cut(f, buf_span(&prefix), prefix_ids, 2);
	buf_append(&f->plain, prefix.data, prefix.len);
	f->plain.data[30000] ^= 1;
	cut(f, buf_span(&f->plain), &id, 1);
	assert_int_equal(0, block_encode(f->packer, &id, 1,
					 buf_span(&f->plain), prefix_ids, 2,
					 buf_span(&prefix), &f->block, NULL));
	assert_true(f->block.len < 1000);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_ZSTD_PREFIX, head.codec);
	assert_int_equal(2, head.prefix_count);
	assert_int_equal(2 * ID_BYTES, head.prefixes.len);

	assert_int_equal(0, decode(f, buf_span(&f->block), buf_span(&prefix),
				   &back));
	assert_true(span_equal(buf_span(&f->plain), buf_span(&back)));
	/* Not without its prefix, nor with a part of it. */
	assert_int_equal(-EINVAL, decode(f, buf_span(&f->block),
					 span_of(NULL, 0), &back));
	assert_int_equal(-EINVAL, decode(f, buf_span(&f->block),
					 span_of(prefix.data, 59999), &back));
	assert_int_equal(60000, back.len);
}

static void test_useless_prefix_is_dropped(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf prefix = BUF_INIT;
	struct id prefix_id, id;
	struct block_head head;

	put_noise(&prefix, 5000, 5);
	cut(f, buf_span(&prefix), &prefix_id, 1);
	put_noise(&f->plain, 5000, 6);
	cut(f, buf_span(&f->plain), &id, 1);
	assert_int_equal(0, block_encode(f->packer, &id, 1,
					 buf_span(&f->plain), &prefix_id, 1,
					 buf_span(&prefix), &f->block, NULL));
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_RAW, head.codec);
	assert_int_equal(0, head.prefix_count);
}

static void test_encode_refuses(void **state)
{
	struct fixture *f = *state;
	struct id ids[2];
	struct span none = span_of(NULL, 0);

	put_text(&f->plain, 100);
	cut(f, buf_span(&f->plain), ids, 2);
	/* no objects; lengths that do not add up; an empty object */
	assert_int_equal(-EINVAL, block_encode(f->packer, ids, 0,
					       buf_span(&f->plain), NULL, 0,
					       none, &f->block, NULL));
	assert_int_equal(-EINVAL, block_encode(f->packer, ids, 1,
					       buf_span(&f->plain), NULL, 0,
					       none, &f->block, NULL));
	ids[0].len = 0;
	ids[1].len = 100;
	assert_int_equal(-EINVAL, block_encode(f->packer, ids, 2,
					       buf_span(&f->plain), NULL, 0,
					       none, &f->block, NULL));
	/* a prefix that is not its ids' length */
	assert_int_equal(-EINVAL, block_encode(f->packer, &ids[1], 1,
					       buf_span(&f->plain), &ids[1],
					       1, none, &f->block, NULL));
	assert_int_equal(0, f->block.len);
}

static void test_ends_early(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf back = BUF_INIT;
	struct block_head head;
	struct id ids[3];

	put_text(&f->plain, 3000);
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	for (size_t n = 0; n < f->block.len; n++) {
		/* Exactly n bytes of memory, for the sanitizer to guard. */
		uint8_t *some = malloc(n ? n : 1);
		struct block_head h;
		int r;

		memcpy(some, f->block.data, n);
		r = block_parse_head(span_of(some, n), &h, NULL);
		assert_int_equal(n < head.head_len ? -ENODATA : 0, r);
		if (r == 0)
			assert_int_equal(-EBADMSG, block_decode(
				f->unpacker, span_of(some, n), &h,
				span_of(NULL, 0), &back, NULL));
		free(some);
	}
	assert_int_equal(0, back.len);
}

/* Every byte in turn, every bit of it. */
static void flip_all(struct fixture *f, struct span prefix)
{
	OWNED_BUF struct buf back = BUF_INIT;

	for (size_t i = 0; i < f->block.len * 8; i++) {
		int r;

		f->block.data[i / 8] ^= (uint8_t)(1u << i % 8);
		r = decode(f, buf_span(&f->block), prefix, &back);
		/* -ENODATA: it now claims a longer head. */
		assert_true(r == -EBADMSG || r == -ENODATA);
		assert_int_equal(0, back.len);
		f->block.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(0, decode(f, buf_span(&f->block), prefix, &back));
}

static void test_every_flip_is_seen(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf prefix = BUF_INIT;
	struct id ids[3], prefix_id;

	put_noise(&f->plain, 300, 3);
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	flip_all(f, span_of(NULL, 0));

	buf_clear(&f->plain);
	buf_clear(&f->block);
	put_text(&f->plain, 3000);
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	flip_all(f, span_of(NULL, 0));

	buf_clear(&f->plain);
	buf_clear(&f->block);
	put_noise(&prefix, 300, 3);
	id_of(&f->key, 0, buf_span(&prefix), &prefix_id);
	put_noise(&f->plain, 300, 3);
	cut(f, buf_span(&f->plain), ids, 3);
	assert_int_equal(0, block_encode(f->packer, ids, 3,
					 buf_span(&f->plain), &prefix_id, 1,
					 buf_span(&prefix), &f->block, NULL));
	assert_int_equal(BLOCK_ZSTD_PREFIX, block_codec(buf_span(&f->block)));
	flip_all(f, buf_span(&prefix));

	buf_clear(&f->plain);
	buf_clear(&f->block);
	put_table(&f->plain, 60, 5);
	f->plain.len -= f->plain.len % 3;
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	assert_int_equal(BLOCK_COLUMNS, block_codec(buf_span(&f->block)));
	flip_all(f, span_of(NULL, 0));
}

/*
 * Damage behind a checksum that was made good again: what a hostile or broken
 * writer makes.  Never a crash, and never more or fewer bytes than stated.
 */
static void test_hostile_payload(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf back = BUF_INIT;
	struct block_head head;
	struct id ids[3];

	put_text(&f->plain, 3000);
	cut(f, buf_span(&f->plain), ids, 3);
	encode(f, ids, 3);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	for (size_t i = head.head_len; i < f->block.len; i++) {
		for (unsigned v = 1; v < 256; v += 51) {
			int r;

			f->block.data[i] ^= (uint8_t)v;
			resum(&f->block, head.head_len);
			r = decode(f, buf_span(&f->block), span_of(NULL, 0),
				   &back);
			assert_true(r == 0 || r == -EBADMSG);
			assert_int_equal(r == 0 ? 3000 : 0, back.len);
			buf_clear(&back);
			f->block.data[i] ^= (uint8_t)v;
		}
	}
}

static int parse_with(const struct buf *block, size_t at, uint8_t value,
		      uint32_t head_len)
{
	OWNED_BUF struct buf copy = BUF_INIT;
	struct block_head head;

	buf_append(&copy, block->data, block->len);
	copy.data[at] = value;
	resum(&copy, head_len);
	return block_parse_head(buf_span(&copy), &head, NULL);
}

static void test_hostile_head(void **state)
{
	struct fixture *f = *state;
	uint32_t head_len = HEAD + 2 * ID_BYTES + 16;
	struct id ids[2];

	put_noise(&f->plain, 200, 3);
	cut(f, buf_span(&f->plain), ids, 2);
	encode(f, ids, 2);
	/* codec unknown; zstd would be possible; prefix without ids */
	assert_int_equal(-ENOTSUP, parse_with(&f->block, 4, 5, head_len));
	assert_int_equal(-ENOTSUP, parse_with(&f->block, 4, 0, head_len));
	assert_int_equal(0, parse_with(&f->block, 4, 2, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 4, 3, head_len));
	/* flags: those that may be ignored are */
	assert_int_equal(-ENOTSUP, parse_with(&f->block, 5, 1, head_len));
	assert_int_equal(0, parse_with(&f->block, 5, 0x10, head_len));
	/* plain_len: not the sum of the objects; beyond the maximum */
	assert_int_equal(-EBADMSG, parse_with(&f->block, 8, 199, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 11, 2, head_len));
	/* payload_len of a raw block; beyond the maximum */
	assert_int_equal(-EBADMSG, parse_with(&f->block, 12, 199, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 15, 2, head_len));
	/* count 0, too many; prefix count too many; the two bytes of zero */
	assert_int_equal(-EBADMSG, parse_with(&f->block, 16, 0, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 18, 1, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 20, 65, head_len));
	assert_int_equal(-EBADMSG, parse_with(&f->block, 22, 1, head_len));
	/* an object's length, 4 bytes at 16 of its id: an empty one, and
	 * lengths that only come out right in 32 bits */
	assert_int_equal(-EBADMSG, parse_with(&f->block, HEAD + 16, 0,
					      head_len));
	put_le32(f->block.data + HEAD + 16, 0x80000000u);
	put_le32(f->block.data + HEAD + ID_BYTES + 16, 0x80000000u + 200);
	assert_int_equal(-EBADMSG, parse_with(&f->block, 5, 0, head_len));
}

/* A block with room for ext, whose head is then summed. */
static int parse_with_ext(const struct buf *block, struct span ext)
{
	OWNED_BUF struct buf copy = BUF_INIT;
	OWNED_BUF struct buf back = BUF_INIT;
	struct unpacker *unpacker = unpacker_new();
	struct block_head head;
	int r;

	buf_append(&copy, block->data, HEAD);
	copy.data[6] = (uint8_t)ext.len;
	buf_append(&copy, ext.data, ext.len);
	buf_append(&copy, block->data + HEAD, block->len - HEAD);
	resum(&copy, HEAD + (uint32_t)ext.len + 2 * ID_BYTES + 16);
	r = block_parse_head(buf_span(&copy), &head, NULL);
	if (r == 0)
		r = block_decode(unpacker, buf_span(&copy), &head,
				 span_of(NULL, 0), &back, NULL);
	unpacker_free(unpacker);
	return r;
}

static void test_extensions(void **state)
{
	struct fixture *f = *state;
	struct id ids[2];

	put_noise(&f->plain, 200, 3);
	cut(f, buf_span(&f->plain), ids, 2);
	encode(f, ids, 2);
	/* unknown: skipped; critical: refused; malformed: damage */
	assert_int_equal(0, parse_with_ext(&f->block,
					   span_of("\5\0\3\0abc", 7)));
	assert_int_equal(0, parse_with_ext(&f->block,
					   span_of("\5\0\0\0\6\0\1\0x", 9)));
	assert_int_equal(-ENOTSUP, parse_with_ext(
		&f->block, span_of("\5\x80\3\0abc", 7)));
	assert_int_equal(-ENOTSUP, parse_with_ext(
		&f->block, span_of("\5\0\0\0\6\x80\1\0x", 9)));
	assert_int_equal(-EBADMSG, parse_with_ext(
		&f->block, span_of("\5\0\4\0abc", 7)));
	assert_int_equal(-EBADMSG, parse_with_ext(&f->block,
						  span_of("\5\0\0", 3)));
}

static void test_largest(void **state)
{
	struct fixture *f = *state;
	struct id *ids = calloc(BLOCK_OBJECTS_MAX, sizeof(*ids));
	OWNED_BUF struct buf back = BUF_INIT;
	struct block_head head;

	put_noise(&f->plain, BLOCK_OBJECTS_MAX, 9);
	cut(f, buf_span(&f->plain), ids, BLOCK_OBJECTS_MAX);
	encode(f, ids, BLOCK_OBJECTS_MAX);
	assert_int_equal(0, block_parse_head(buf_span(&f->block), &head,
					     NULL));
	assert_int_equal(BLOCK_OBJECTS_MAX, head.count);
	assert_true(head.head_len < BLOCK_HEAD_MAX);
	assert_int_equal(0, decode(f, buf_span(&f->block), span_of(NULL, 0),
				   &back));
	assert_true(span_equal(buf_span(&f->plain), buf_span(&back)));
	free(ids);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_layout),
		T(test_compressed),
		T(test_raw_where_nothing_is_saved),
		T(test_columns),
		T(test_prefix),
		T(test_useless_prefix_is_dropped),
		T(test_encode_refuses),
		T(test_ends_early),
		T(test_every_flip_is_seen),
		T(test_hostile_payload),
		T(test_hostile_head),
		T(test_extensions),
		T(test_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
