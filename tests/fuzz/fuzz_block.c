/*
 * Blocks.  What decodes is encoded again and decodes the same; a head cut
 * short is asked for, never misread.
 */
#include <stdlib.h>

#include "fs/store/block.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	OWNED_BUF struct buf block = BUF_INIT;

	buf_append(&block, data, len);
	fuzz_block_change(&block, max, rng);
	return fuzz_take(&block, data, len, max);
}

/* A beginning of a good head: more is asked for, or the same is told. */
static void try_short(struct span bytes, const struct block_head *head)
{
	struct fuzz_rng rng = fuzz_rng_of(bytes);

	for (int i = 0; i < 4; i++) {
		struct span part = span_of(bytes.data,
					   fuzz_below(&rng, head->head_len));
		struct block_head got;

		FUZZ_CHECK(block_parse_head(part, &got, NULL) == -ENODATA);
	}
}

static void try_again(const struct block_head *head, const struct buf *plain,
		      struct span prefix)
{
	static struct packer *packer;
	static struct unpacker *unpacker;
	OWNED_BUF struct buf out = BUF_INIT, back = BUF_INIT;
	struct bytes ids = bytes_of(head->ids), pre = bytes_of(head->prefixes);
	struct id *list = calloc(head->count, sizeof(*list));
	struct id prefixes[BLOCK_PREFIX_MAX];
	struct block_head got;

	if (!packer) {
		packer = packer_new(1);
		unpacker = unpacker_new();
	}
	for (uint32_t i = 0; i < head->count; i++)
		id_parse(&ids, &list[i]);
	for (uint32_t i = 0; i < head->prefix_count; i++)
		id_parse(&pre, &prefixes[i]);
	FUZZ_CHECK(block_encode(packer, list, head->count, buf_span(plain),
				prefixes, head->prefix_count, prefix, &out,
				NULL) == 0);
	FUZZ_CHECK(block_parse_head(buf_span(&out), &got, NULL) == 0);
	FUZZ_CHECK(span_equal(got.ids, head->ids));
	if (got.codec != BLOCK_ZSTD_PREFIX)
		prefix.len = 0;
	FUZZ_CHECK(block_decode(unpacker, buf_span(&out), &got, prefix, &back,
				NULL) == 0);
	FUZZ_CHECK(span_equal(buf_span(plain), buf_span(&back)));
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct unpacker *unpacker;
	OWNED_BUF struct buf prefix = BUF_INIT, plain = BUF_INIT;
	struct span bytes = span_of(data, len), block;
	struct err err = ERR_INIT;
	struct block_head head;
	int r = block_parse_head(bytes, &head, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	try_short(bytes, &head);
	fuzz_prefix(head.prefixes, &prefix);
	block = span_of(data, head.head_len + head.payload_len);
	if (block.len > len)
		block.len = len;
	if (!unpacker)
		unpacker = unpacker_new();
	r = block_decode(unpacker, block, &head, buf_span(&prefix), &plain,
			 &err);
	FUZZ_CHECK(r == 0 ? plain.len == head.plain_len : plain.len == 0);
	if (r == 0)
		try_again(&head, &plain, buf_span(&prefix));
	return 0;
}
