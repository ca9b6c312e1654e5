/*
 * Whole packs: header, conf, blocks, index and footer, by index and by scan.
 * Where both take a pack as undamaged they find the same in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/store/block.h"
#include "fs/store/pack_internal.h"
#include "tests/fuzz/fuzz.h"

#define BLOCKS_MAX 64u
#define INDEX_PLAIN_MAX (1u << 20)

/* A pack taken apart. */
struct parts {
	struct buf header, conf;
	struct buf block[BLOCKS_MAX];
	uint32_t count;
	struct buf index;	/* plain */
	uint8_t footer[PACK_FOOTER];
};

static void parts_release(struct parts *parts)
{
	buf_release(&parts->header);
	buf_release(&parts->conf);
	buf_release(&parts->index);
	for (uint32_t i = 0; i < parts->count; i++)
		buf_release(&parts->block[i]);
}

/* The plain index by what the footer says. */
static bool plain_index(struct span pack, struct buf *ret)
{
	static struct unpacker *unpacker;
	const uint8_t *footer = pack.data + pack.len - PACK_FOOTER;
	uint64_t offset, stored, plain;

	if (pack.len < PACK_HEADER + PACK_FOOTER)
		return false;
	offset = get_le64(footer);
	stored = get_le32(footer + 8);
	plain = get_le32(footer + 12);
	if (offset > pack.len - PACK_FOOTER ||
	    stored > pack.len - PACK_FOOTER - offset ||
	    plain > INDEX_PLAIN_MAX || plain == 0)
		return false;
	if (footer[16] == PACK_RAW) {
		buf_append(ret, pack.data + offset, stored);
		return true;
	}
	if (!unpacker)
		unpacker = unpacker_new();
	if (buf_reserve(ret, plain) < 0 ||
	    unpacker_unpack(unpacker, span_of(pack.data + offset, stored),
			    span_of(NULL, 0), ret->data, plain, NULL) < 0)
		return false;
	ret->len = plain;
	return true;
}

static bool split(struct span pack, struct parts *ret)
{
	struct bytes in = bytes_of(pack);
	struct block_head head;
	struct span s;

	if (!plain_index(pack, &ret->index))
		return false;
	s = bytes_take(&in, PACK_HEADER);
	buf_append(&ret->header, s.data, s.len);
	s = bytes_take(&in, get_le32(s.data + 12));
	buf_append(&ret->conf, s.data, s.len);
	while (!in.bad && ret->count < BLOCKS_MAX) {
		s = span_of(in.at, bytes_left(&in));
		if (block_parse_head(s, &head, NULL) < 0)
			break;
		s = bytes_take(&in, head.head_len + head.payload_len);
		if (!in.bad)
			buf_append(&ret->block[ret->count++], s.data, s.len);
	}
	memcpy(ret->footer, pack.data + pack.len - PACK_FOOTER, PACK_FOOTER);
	return ret->count > 0 && !in.bad;
}

/* The index that the blocks would have. */
static void mend_index(struct parts *parts)
{
	OWNED_BUF struct buf ids = BUF_INIT;
	struct buf *index = &parts->index;
	uint32_t at = (uint32_t)(PACK_HEADER + parts->conf.len), count = 0;

	if (index->len < PACK_INDEX_HEAD)
		buf_append_zero(index, PACK_INDEX_HEAD);
	index->len = PACK_INDEX_HEAD;
	index->data[PACK_NONCE] = parts->header.data[10];
	for (uint32_t i = 0; i < parts->count; i++) {
		struct buf *block = &parts->block[i];
		struct block_head head;

		if (block_parse_head(buf_span(block), &head, NULL) < 0)
			continue;
		buf_u32(index, at);
		buf_u32(index, (uint32_t)block->len);
		buf_u32(index, head.plain_len);
		buf_u8(index, (uint8_t)head.codec);
		buf_u64(index, head.payload_sum);
		buf_u64(index, head.head_sum);
		buf_u32(index, head.count);
		buf_append(&ids, head.ids.data, head.ids.len);
		at += (uint32_t)block->len;
		count++;
	}
	put_le32(index->data + PACK_NONCE + 1, count);
	buf_append(index, ids.data, ids.len);
}

static void mend_header(struct parts *parts)
{
	OWNED_BUF struct buf all = BUF_INIT;

	put_le32(parts->header.data + 12, (uint32_t)parts->conf.len);
	buf_append(&all, parts->header.data, PACK_HEADER_HEAD);
	buf_append(&all, parts->conf.data, parts->conf.len);
	put_le64(parts->header.data + PACK_HEADER_HEAD,
		 sum64(buf_span(&all)));
	if (parts->index.len >= PACK_INDEX_HEAD) {
		memcpy(parts->index.data, parts->header.data + 16, PACK_NONCE);
		memcpy(parts->index.data + PACK_NONCE + 5,
		       parts->header.data + PACK_HEADER_HEAD, 8);
	}
}

static void put_index(const struct parts *parts, struct buf *out,
		      struct fuzz_rng *rng)
{
	static struct packer *packer;
	size_t start = out->len, stored;
	uint8_t codec = PACK_RAW, footer[PACK_FOOTER];

	if (!packer)
		packer = packer_new(1);
	if (fuzz_below(rng, 2) == 0 &&
	    packer_pack(packer, buf_span(&parts->index), span_of(NULL, 0),
			out, NULL) == 0)
		codec = PACK_ZSTD;
	else
		buf_append(out, parts->index.data, parts->index.len);
	stored = out->len - start;
	memcpy(footer, parts->footer, sizeof(footer));
	if (fuzz_mostly(rng)) {
		put_le64(footer, start);
		put_le32(footer + 8, (uint32_t)stored);
		put_le32(footer + 12, (uint32_t)parts->index.len);
		footer[16] = codec;
		memcpy(footer + 25, PACK_END_MAGIC, PACK_MAGIC_LEN);
	}
	put_le64(footer + 17, sum64(span_of(out->data + start, stored)));
	put_le64(footer + 33, sum64(span_of(footer, PACK_FOOTER_HEAD)));
	buf_append(out, footer, sizeof(footer));
}

static void change(struct parts *parts, size_t max, struct fuzz_rng *rng)
{
	struct buf *block = &parts->block[fuzz_below(rng, parts->count)];
	struct buf spare;

	switch (fuzz_below(rng, 8)) {
	case 0:
		LLVMFuzzerMutate(parts->header.data, PACK_HEADER, PACK_HEADER);
		break;
	case 1:
		fuzz_change_buf(&parts->conf, max < 4096 ? max : 4096);
		break;
	case 2:
		LLVMFuzzerMutate(parts->footer, PACK_FOOTER, PACK_FOOTER);
		break;
	case 3:
		fuzz_change_buf(&parts->index, max);
		break;
	case 4:
		spare = *block;		/* other order */
		*block = parts->block[0];
		parts->block[0] = spare;
		break;
	case 5:				/* one more, one less */
		if (parts->count < BLOCKS_MAX && fuzz_below(rng, 2))
			buf_append(&parts->block[parts->count++], block->data,
				   block->len);
		else if (parts->count > 1)
			buf_release(&parts->block[--parts->count]);
		break;
	default:
		fuzz_block_change(block, max, rng);
	}
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	CLEANUP(parts_release) struct parts parts = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;

	if (!split(span_of(data, len), &parts))
		return LLVMFuzzerMutate(data, len, max);
	change(&parts, max, rng);
	if (fuzz_below(rng, 4) && parts.header.len == PACK_HEADER)
		mend_index(&parts);
	if (fuzz_mostly(rng))
		mend_header(&parts);
	buf_append(&out, parts.header.data, parts.header.len);
	buf_append(&out, parts.conf.data, parts.conf.len);
	for (uint32_t i = 0; i < parts.count; i++)
		buf_append(&out, parts.block[i].data, parts.block[i].len);
	put_index(&parts, &out, rng);
	return fuzz_take(&out, data, len, max);
}

/* The name that the pack's own index gives it. */
static void name_of(struct span pack, struct pack_name *ret)
{
	OWNED_BUF struct buf index = BUF_INIT;

	plain_index(pack, &index);
	sum128(buf_span(&index), ret->b);
}

static void put_file(const struct pack_name *name, struct span pack)
{
	char path[PACK_PATH];
	int fd;

	pack_path(name, path);
	fd = openat(fuzz_dir()->fd, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, pack.data, pack.len) == (ssize_t)pack.len);
	close(fd);
}

static void look(const struct pack_index *index, size_t len)
{
	size_t block = 0;

	FUZZ_CHECK(index->size == len);
	for (size_t i = 0; i < index->block_count; i++)
		FUZZ_CHECK((uint64_t)index->blocks[i] + index->stored[i] <=
			   len);
	for (size_t i = 0; i < index->count; i++) {
		const struct pack_entry *e = &index->entries[i];

		while (block < index->block_count &&
		       index->blocks[block] != e->block)
			block++;
		FUZZ_CHECK(block < index->block_count);
		FUZZ_CHECK(e->stored == index->stored[block]);
		FUZZ_CHECK((uint64_t)e->at + e->id.len <= BLOCK_PLAIN_MAX);
		FUZZ_CHECK(e->id.len > 0);
	}
}

/* Block i decoded as a store would: 1 where all about it is good. */
static bool try_block(const struct pack_index *index, size_t i,
		      struct span pack)
{
	static struct unpacker *unpacker;
	OWNED_BUF struct buf prefix = BUF_INIT, plain = BUF_INIT;
	struct span block = span_of(pack.data + index->blocks[i],
				    index->stored[i]);
	struct block_head head;

	if (block_parse_head(block, &head, NULL) < 0 ||
	    head.head_sum != index->head_sums[i])
		return false;
	fuzz_prefix(head.prefixes, &prefix);
	if (!unpacker)
		unpacker = unpacker_new();
	block_decode(unpacker, block, &head, buf_span(&prefix), &plain, NULL);
	return block.len == head.head_len + head.payload_len &&
	       sum64(span_of(block.data + head.head_len, head.payload_len)) ==
		       head.payload_sum;
}

static bool same_entry(const struct pack_entry *a, const struct pack_entry *b)
{
	return id_equal(&a->id, &b->id) && a->block == b->block &&
	       a->stored == b->stored && a->at == b->at;
}

/* Every block is good: a scan finds them all, and nothing lost. */
static void compare(const struct pack_index *index,
		    const struct pack_index *scan, uint64_t lost)
{
	FUZZ_CHECK(lost == 0);
	FUZZ_CHECK(scan->block_count == index->block_count);
	for (size_t i = 0; i < index->block_count; i++)
		FUZZ_CHECK(scan->blocks[i] == index->blocks[i] &&
			   scan->stored[i] == index->stored[i] &&
			   scan->head_sums[i] == index->head_sums[i]);
	if (scan->count != index->count)
		return;		/* an index that lies about its blocks' ids */
	for (size_t i = 0; i < index->count; i++)
		if (!same_entry(&index->entries[i], &scan->entries[i]))
			return;
}

/* Does a scan take a block's ids to be of the pack's type? */
static bool types_fit(const struct pack_index *index, struct span pack)
{
	for (size_t i = 0; i < index->block_count; i++) {
		struct span block = span_of(pack.data + index->blocks[i],
					    index->stored[i]);
		struct block_head head;
		struct bytes ids;
		struct id id;

		if (block_parse_head(block, &head, NULL) < 0)
			return false;
		ids = bytes_of(head.ids);
		while (bytes_left(&ids) > 0) {
			id_parse(&ids, &id);
			if (id_is_meta(&id) != (index->type == PACK_META))
				return false;
		}
	}
	return true;
}

static void try_pack(const struct pack_name *name, struct span pack)
{
	struct pack_index index = { .size = 0 }, scan = index;
	OWNED_BUF struct buf conf = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t lost = 0;
	bool good = true;
	int r, s;

	pack_read_conf(fuzz_dir(), name, &conf, NULL);
	r = pack_read_index(fuzz_dir(), name, &index, &err);
	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	s = pack_scan(fuzz_dir(), name, &scan, &lost, NULL);
	if (s == 0) {
		look(&scan, pack.len);
		FUZZ_CHECK(lost <= pack.len);
		for (size_t i = 0; i < scan.block_count; i++)
			FUZZ_CHECK(try_block(&scan, i, pack));
	}
	if (r == 0) {
		look(&index, pack.len);
		for (size_t i = 0; i < index.block_count; i++)
			good &= try_block(&index, i, pack);
		if (good && types_fit(&index, pack)) {
			FUZZ_CHECK(s == 0);
			compare(&index, &scan, lost);
		}
	}
	pack_index_release(&index);
	pack_index_release(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span pack = span_of(data, len);
	struct pack_name name;
	char path[PACK_PATH];

	name_of(pack, &name);
	put_file(&name, pack);
	try_pack(&name, pack);
	pack_path(&name, path);
	unlinkat(fuzz_dir()->fd, path, 0);
	return 0;
}
