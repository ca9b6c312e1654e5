#include "fs/store/block.h"
#include "tests/fuzz/fuzz.h"

#define FIXED 24
#define PLAIN_MAX (1u << 20)	/* no more is decoded to be changed */

/* A block taken apart. */
struct parts {
	struct buf fixed, ext, ids, prefixes, payload;
	struct buf plain;	/* of it, where it was decoded; of columns: in order */
	bool has_plain;
};

static void parts_release(struct parts *parts)
{
	buf_release(&parts->fixed);
	buf_release(&parts->ext);
	buf_release(&parts->ids);
	buf_release(&parts->prefixes);
	buf_release(&parts->payload);
	buf_release(&parts->plain);
}

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void put_le16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void take(struct bytes *in, size_t len, struct buf *ret)
{
	struct span s = bytes_take(in, len);

	buf_append(ret, s.data, s.len);
}

/* By the lengths its head states, nothing of which is believed otherwise. */
static bool split(struct span block, struct parts *ret)
{
	struct bytes in = bytes_of(block);
	const uint8_t *head = block.data;

	if (block.len < FIXED + 16)
		return false;
	take(&in, FIXED, &ret->fixed);
	take(&in, get_le16(head + 6), &ret->ext);
	if (get_le32(head + 16) > BLOCK_OBJECTS_MAX)
		return false;
	take(&in, (size_t)get_le32(head + 16) * ID_BYTES, &ret->ids);
	take(&in, (size_t)get_le16(head + 20) * ID_BYTES, &ret->prefixes);
	bytes_u64(&in);
	bytes_u64(&in);
	if (in.bad)
		return false;
	take(&in, bytes_left(&in), &ret->payload);
	return true;
}

void fuzz_prefix(struct span prefixes, struct buf *ret)
{
	for (size_t at = 0; at + ID_BYTES <= prefixes.len; at += ID_BYTES) {
		const uint8_t *id = prefixes.data + at;
		uint32_t len = get_le32(id + ID_HASH);

		if (len > BLOCK_PLAIN_MAX - ret->len)
			return;
		if (buf_reserve(ret, len) < 0)
			return;
		for (uint32_t i = 0; i < len; i++)
			ret->data[ret->len++] = (uint8_t)(id[i % 16] + i / 16);
	}
}

static void decode(struct parts *parts)
{
	static struct unpacker *unpacker;
	OWNED_BUF struct buf prefix = BUF_INIT;
	struct span payload = buf_span(&parts->payload);
	uint8_t codec = parts->fixed.data[4];
	uint32_t len = get_le32(parts->fixed.data + 8);

	if (!unpacker)
		unpacker = unpacker_new();
	if (codec == BLOCK_COLUMNS && payload.len >= 4) {
		len = get_le32(payload.data);
		payload = span_of(payload.data + 4, payload.len - 4);
	}
	if (len == 0 || len > PLAIN_MAX || buf_reserve(&parts->plain, len) < 0)
		return;
	if (codec == BLOCK_RAW) {
		buf_append(&parts->plain, parts->payload.data,
			   parts->payload.len);
		parts->has_plain = true;
		return;
	}
	if (codec == BLOCK_ZSTD_PREFIX)
		fuzz_prefix(buf_span(&parts->prefixes), &prefix);
	if (unpacker_unpack(unpacker, payload, buf_span(&prefix),
			    parts->plain.data, len, NULL) == 0) {
		parts->plain.len = len;
		parts->has_plain = true;
	}
}

/* Compress what was changed, or store it raw, as the codec says. */
static void encode(struct parts *parts)
{
	static struct packer *packer;
	OWNED_BUF struct buf prefix = BUF_INIT;
	uint8_t codec = parts->fixed.data[4];

	if (!packer)
		packer = packer_new(1);
	buf_clear(&parts->payload);
	if (codec == BLOCK_ZSTD_PREFIX)
		fuzz_prefix(buf_span(&parts->prefixes), &prefix);
	if (codec == BLOCK_COLUMNS)
		buf_u32(&parts->payload, (uint32_t)parts->plain.len);
	if (codec == BLOCK_RAW)
		buf_append(&parts->payload, parts->plain.data,
			   parts->plain.len);
	else
		packer_pack(packer, buf_span(&parts->plain),
			    buf_span(&prefix), &parts->payload, NULL);
}

/* One id more or less, an id from elsewhere, or bytes of ids changed. */
static void change_ids(struct buf *ids, size_t max, struct fuzz_rng *rng)
{
	uint32_t count = (uint32_t)(ids->len / ID_BYTES);
	uint32_t at = count ? fuzz_below(rng, count) * ID_BYTES : 0;
	uint8_t id[ID_BYTES];

	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)fuzz_random(rng);
	put_le32(id + ID_HASH, fuzz_below(rng, 300));
	switch (fuzz_below(rng, 4)) {
	case 0:
		buf_append(ids, id, sizeof(id));
		break;
	case 1:
		if (count > 1)
			ids->len -= ID_BYTES;
		break;
	case 2:
		if (count > 0)
			memcpy(ids->data + at, id, sizeof(id));
		break;
	default:
		fuzz_change_buf(ids, max);
		ids->len -= ids->len % ID_BYTES;
	}
}

static void change(struct parts *parts, size_t max, struct fuzz_rng *rng)
{
	switch (fuzz_below(rng, 6)) {
	case 0:
		LLVMFuzzerMutate(parts->fixed.data, FIXED, FIXED);
		break;
	case 1:
		fuzz_change_buf(&parts->ext, max < 2000 ? max : 2000);
		break;
	case 2:
		change_ids(&parts->ids, max, rng);
		break;
	case 3:
		change_ids(&parts->prefixes, max, rng);
		if (fuzz_mostly(rng))
			parts->fixed.data[4] = parts->prefixes.len
					       ? BLOCK_ZSTD_PREFIX : BLOCK_ZSTD;
		break;
	case 4:
		fuzz_change_buf(&parts->payload, max);
		break;
	default:
		decode(parts);
		if (!parts->has_plain)
			return;
		fuzz_change_buf(&parts->plain, max);
		if (fuzz_below(rng, 3) == 0)
			parts->fixed.data[4] =
				(uint8_t)(1 + fuzz_below(rng, 3));
		encode(parts);
	}
}

/* Let the lengths in ids add up to plain. */
static void mend_lengths(struct buf *ids, uint64_t plain)
{
	size_t count = ids->len / ID_BYTES;
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t *len = ids->data + i * ID_BYTES + ID_HASH;
		uint64_t left = plain - sum, want = get_le32(len);

		if (count - i - 1 < left && want > left - (count - i - 1))
			want = left - (count - i - 1);
		if (want == 0)
			want = 1;
		if (i == count - 1)
			want = left;
		put_le32(len, (uint32_t)want);
		sum += want;
	}
}

static void mend_fields(struct parts *parts, struct fuzz_rng *rng)
{
	uint8_t *fixed = parts->fixed.data;

	if (fuzz_mostly(rng))
		put_le32(fixed, BLOCK_MAGIC);
	if (fuzz_mostly(rng))
		put_le16(fixed + 6, parts->ext.len);
	if (parts->has_plain)
		put_le32(fixed + 8, (uint32_t)parts->plain.len);
	else if (fixed[4] == BLOCK_RAW && fuzz_mostly(rng))
		put_le32(fixed + 8, (uint32_t)parts->payload.len);
	if (fuzz_mostly(rng))
		put_le32(fixed + 12, (uint32_t)parts->payload.len);
	if (fuzz_mostly(rng))
		put_le32(fixed + 16, (uint32_t)(parts->ids.len / ID_BYTES));
	if (fuzz_mostly(rng))
		put_le16(fixed + 20, parts->prefixes.len / ID_BYTES);
	if (fuzz_mostly(rng))
		put_le16(fixed + 22, 0);
	if (fuzz_mostly(rng))
		mend_lengths(&parts->ids, get_le32(fixed + 8));
}

void fuzz_block_change(struct buf *block, size_t max, struct fuzz_rng *rng)
{
	CLEANUP(parts_release) struct parts parts = { .has_plain = false };
	struct buf *out = &parts.fixed;

	if (!split(buf_span(block), &parts)) {
		fuzz_change_buf(block, max);
		return;
	}
	change(&parts, max, rng);
	mend_fields(&parts, rng);
	buf_append(out, parts.ext.data, parts.ext.len);
	buf_append(out, parts.ids.data, parts.ids.len);
	buf_append(out, parts.prefixes.data, parts.prefixes.len);
	buf_u64(out, sum64(buf_span(&parts.payload)));
	if (!buf_failed(out))
		buf_u64(out, sum64(buf_span(out)));
	buf_append(out, parts.payload.data, parts.payload.len);
	if (out->len <= max && !buf_failed(out))
		buf_swap(block, out);
}
