#include "fs/store/block.h"

#include <inttypes.h>

#include "fs/base/columns.h"

/*
 * Offset  Bytes  Field
 *      0      4  magic "VBLK"
 *      4      1  codec: 1 raw, 2 zstd, 3 zstd against the prefix, 4 zstd of
 *                rows, whose length in order is a u32 before the frame
 *      5      1  flags: none known; one in 0x0f must be understood
 *      6      2  ext_len: bytes of extensions
 *      8      4  plain_len
 *     12      4  payload_len
 *     16      4  count of objects
 *     20      2  prefix_count
 *     22      2  0
 *     24  ext_len  extensions: u16 tag, u16 len, len bytes; tag bit 15:
 *                must be understood
 *         22 * count         ids
 *         22 * prefix_count  ids of the prefix
 *                8  sum64 of the payload
 *                8  sum64 of everything before it
 *         payload_len  payload
 */
#define FIXED	       24u
#define SUMS	       16u
#define FLAGS_CRITICAL 0x0fu
#define EXT_CRITICAL   0x8000u
/* Less saved than one part in this: not worth decoding. */
#define WORTH	       32u
/* Rows are tried on so many bytes, and taken where they save a quarter: the
 * bytes of others are had back sooner. */
#define SAMPLE	       (16u << 10)
#define COLUMNS_HEAD      4u

static uint64_t ids_sum_disk(struct span ids)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < ids.len; at += ID_BYTES)
		sum += get_le32(ids.data + at + ID_HASH);
	return sum;
}

static bool some_is_empty(struct span ids)
{
	for (size_t at = 0; at < ids.len; at += ID_BYTES)
		if (get_le32(ids.data + at + ID_HASH) == 0)
			return true;
	return false;
}

static uint64_t ids_sum(const struct id *ids, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (id_is_none(&ids[i]))
			return UINT64_MAX;
		sum += ids[i].len;
	}
	return sum;
}

static int encode_check(const struct id *ids, uint32_t count,
			struct span plain, const struct id *prefix_ids,
			uint32_t prefix_count, struct span prefix,
			struct err *err)
{
	if (count == 0 || count > BLOCK_OBJECTS_MAX ||
	    prefix_count > BLOCK_PREFIX_MAX)
		return err_set(err, -EINVAL,
			       "a block cannot hold %u objects and %u prefixes",
			       count, prefix_count);
	if (plain.len > BLOCK_PLAIN_MAX || ids_sum(ids, count) != plain.len)
		return err_set(err, -EINVAL,
			       "%zu bytes do not make a block of these objects",
			       plain.len);
	if (prefix.len > BLOCK_PLAIN_MAX ||
	    ids_sum(prefix_ids, prefix_count) != prefix.len)
		return err_set(err, -EINVAL,
			       "%zu bytes do not make a prefix of these objects",
			       prefix.len);
	return 0;
}

static uint32_t head_len_of(size_t ext_len, uint32_t count,
			    uint32_t prefix_count)
{
	return (uint32_t)(FIXED + ext_len +
			  (size_t)ID_BYTES * (count + prefix_count) + SUMS);
}

static uint8_t *put_ids(uint8_t *p, const struct id *ids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, p += ID_BYTES)
		id_to_disk(&ids[i], p);
	return p;
}

/* p has room for head_len bytes; the payload stands behind them. */
static void head_write(uint8_t *p, const struct block_head *head,
		       const struct id *ids, const struct id *prefix_ids)
{
	uint8_t *at = p + FIXED;

	memset(p, 0, FIXED);
	put_le32(p, BLOCK_MAGIC);
	p[4] = (uint8_t)head->codec;
	put_le32(p + 8, head->plain_len);
	put_le32(p + 12, head->payload_len);
	put_le32(p + 16, head->count);
	p[20] = (uint8_t)head->prefix_count;
	p[21] = (uint8_t)(head->prefix_count >> 8);
	at = put_ids(at, ids, head->count);
	at = put_ids(at, prefix_ids, head->prefix_count);
	put_le64(at, sum64(span_of(p + head->head_len, head->payload_len)));
	put_le64(at + 8, sum64(span_of(p, (size_t)(at + 8 - p))));
}

/*
 * Compress behind a head's room.  1: worth it; 0: not, out is as it was;
 * head->payload_len tells in both cases what it came to.
 */
static int try_packed(struct packer *packer, struct block_head *head,
		      struct span plain, struct span prefix, struct buf *out,
		      struct err *err)
{
	size_t start = out->len;
	size_t stored;
	int r;

	head->head_len = head_len_of(0, head->count, head->prefix_count);
	buf_append_zero(out, head->head_len);
	r = buf_check(out, err);
	if (r == 0)
		r = packer_pack(packer, plain, prefix, out, err);
	if (r < 0) {
		out->len = start;
		return r;
	}
	stored = out->len - start - head->head_len;
	head->payload_len = (uint32_t)stored;
	if (stored + (size_t)ID_BYTES * head->prefix_count >=
	    plain.len - plain.len / WORTH) {
		out->len = start;
		return 0;
	}
	head->codec = head->prefix_count ? BLOCK_ZSTD_PREFIX : BLOCK_ZSTD;
	return 1;
}

/* 1: rows, as they are in *ret, give plain back; 0: there are too few. */
static int put_in_order(struct span plain, uint8_t separator,
			struct buf *rows, struct err *err)
{
	OWNED_BUF struct buf back = BUF_INIT;
	int r = columns_pack(plain, separator, rows, err);

	if (r <= 0)
		return r;
	if (buf_reserve(&back, plain.len) < 0)
		return err_nomem(err);
	r = columns_unpack(buf_span(rows), back.data, plain.len, err);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && !memcmp(back.data, plain.data, plain.len))
		return rows->len <= plain.len;
	err_set(err, -EIO, "%zu bytes of rows came back otherwise than they "
		"went in; nothing was stored", plain.len);
	err_hint(err, "suspect this machine's memory");
	return -EIO;
}

/* Rows in order and compressed, behind their length.  1; 0: there are too few;
 * out is as it was then, and on failure. */
static int pack_columns(struct packer *packer, struct span plain,
		     uint8_t separator, struct buf *out, struct err *err)
{
	OWNED_BUF struct buf rows = BUF_INIT;
	size_t start = out->len;
	int r = put_in_order(plain, separator, &rows, err);

	if (r <= 0)
		return r;
	buf_u32(out, (uint32_t)rows.len);
	r = buf_check(out, err);
	if (r == 0)
		r = packer_pack(packer, buf_span(&rows), span_of(NULL, 0), out,
				err);
	if (r < 0)
		out->len = start;
	return r < 0 ? r : 1;
}

static int columns_are_worth(struct packer *packer, struct span plain,
			  uint8_t separator, struct err *err)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	size_t rows;
	int r;

	if (plain.len > SAMPLE)
		plain.len = SAMPLE;
	r = pack_columns(packer, plain, separator, &packed, err);
	if (r <= 0)
		return r;
	rows = packed.len;
	buf_clear(&packed);
	r = packer_pack(packer, plain, span_of(NULL, 0), &packed, err);
	return r < 0 ? r : rows <= packed.len - packed.len / 4;
}

/* As try_packed(). */
static int try_columns(struct packer *packer, struct block_head *head,
		    struct span plain, struct buf *out, struct err *err)
{
	uint8_t separator = columns_detect(plain);
	size_t start = out->len;
	int r = separator ?
		columns_are_worth(packer, plain, separator, err) : 0;

	if (r <= 0)
		return r;
	head->head_len = head_len_of(0, head->count, 0);
	buf_append_zero(out, head->head_len);
	r = buf_check(out, err);
	if (r == 0)
		r = pack_columns(packer, plain, separator, out, err);
	head->codec = BLOCK_COLUMNS;
	head->payload_len = (uint32_t)(out->len - start - head->head_len);
	if (r > 0 && head->payload_len < plain.len - plain.len / WORTH)
		return 1;
	out->len = start;
	return r < 0 ? r : 0;
}

/*
 * Against the prefix instead of what stands in out from start, where that makes
 * it half as long: whoever reads it reads the prefix too.  head: of
 * try_packed() without a prefix.  1: it does; 0: all is as it was.
 */
static int try_prefix(struct packer *packer, struct block_head *head,
		      struct span plain, uint32_t prefix_count,
		      struct span prefix, struct buf *out, size_t start,
		      struct err *err)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	struct block_head leaning = *head;
	size_t ids = (size_t)ID_BYTES * prefix_count;
	int r;

	leaning.prefix_count = prefix_count;
	r = try_packed(packer, &leaning, plain, prefix, &packed, err);
	if (r <= 0 || leaning.payload_len + ids > head->payload_len / 2)
		return r < 0 ? r : 0;
	*head = leaning;
	out->len = start;
	buf_append(out, packed.data, packed.len);
	r = buf_check(out, err);
	return r < 0 ? r : 1;
}

/* By zstd, each way once.  As try_packed(). */
static int pack(struct packer *packer, struct block_head *head,
		struct span plain, uint32_t prefix_count, struct span prefix,
		struct buf *out, struct err *err)
{
	size_t start = out->len;
	int alone = try_packed(packer, head, plain, span_of(NULL, 0), out,
			       err);
	int r;

	if (alone < 0 || prefix_count == 0)
		return alone;
	r = try_prefix(packer, head, plain, prefix_count, prefix, out, start,
		       err);
	return r != 0 ? r : alone;
}

static int put_plain(struct block_head *head, struct span plain,
		     struct buf *out, struct err *err)
{
	head->codec = BLOCK_RAW;
	head->payload_len = head->plain_len;
	head->head_len = head_len_of(0, head->count, 0);
	buf_append_zero(out, head->head_len);
	buf_append(out, plain.data, plain.len);
	return buf_check(out, err);
}

int block_encode(struct packer *packer, const struct id *ids, uint32_t count,
		 struct span plain, const struct id *prefix_ids,
		 uint32_t prefix_count, struct span prefix, struct buf *out,
		 struct err *err)
{
	struct block_head head = {
		.plain_len = (uint32_t)plain.len,
		.count = count,
	};
	size_t start = out->len;
	int r;

	r = encode_check(ids, count, plain, prefix_ids, prefix_count, prefix,
			 err);
	if (r == 0)
		r = try_columns(packer, &head, plain, out, err);
	if (r == 0)
		r = pack(packer, &head, plain, prefix_count, prefix, out, err);
	if (r == 0)
		r = put_plain(&head, plain, out, err);
	if (r < 0) {
		out->len = start;
		return r;
	}
	head_write(out->data + start, &head, ids, prefix_ids);
	return 0;
}

static int ends_early(struct err *err)
{
	return err_set(err, -ENODATA, "a block's head ends early");
}

/* Known extensions: none.  What may be skipped is. */
static int ext_check(struct span ext, struct err *err)
{
	struct bytes in = bytes_of(ext);

	while (!in.bad && bytes_left(&in) > 0) {
		unsigned tag = bytes_u16(&in);

		bytes_take(&in, bytes_u16(&in));
		if (!in.bad && (tag & EXT_CRITICAL))
			return err_set(err, -ENOTSUP,
				       "a block needs extension %u, which this "
				       "version does not know",
				       tag & ~EXT_CRITICAL);
	}
	if (!bytes_done(&in))
		return err_corrupt(err, "a block's extensions are malformed");
	return 0;
}

/* The fields that say how long the head is; nothing of it is proved yet. */
static int fixed_parse(struct bytes *in, struct block_head *head,
		       uint8_t *flags, uint8_t *codec, uint16_t *ext_len,
		       struct err *err)
{
	uint32_t magic = bytes_u32(in);
	uint16_t zero;

	*codec = bytes_u8(in);
	*flags = bytes_u8(in);
	*ext_len = bytes_u16(in);
	head->plain_len = bytes_u32(in);
	head->payload_len = bytes_u32(in);
	head->count = bytes_u32(in);
	head->prefix_count = bytes_u16(in);
	zero = bytes_u16(in);
	if (magic != BLOCK_MAGIC)
		return err_corrupt(err, "no block begins here");
	if (head->count == 0 || head->count > BLOCK_OBJECTS_MAX ||
	    head->prefix_count > BLOCK_PREFIX_MAX ||
	    head->plain_len == 0 || head->plain_len > BLOCK_PLAIN_MAX ||
	    head->payload_len == 0 || zero != 0)
		return err_corrupt(err, "a block's head is malformed");
	head->head_len = head_len_of(*ext_len, head->count,
				     head->prefix_count);
	if ((uint64_t)head->head_len + head->payload_len > BLOCK_STORED_MAX)
		return err_corrupt(err, "a block's head is malformed");
	return 0;
}

/* What the proved fields say must also make sense together. */
static int head_check(const struct block_head *head, uint8_t codec,
		      uint8_t flags, struct err *err)
{
	if (flags & FLAGS_CRITICAL)
		return err_set(err, -ENOTSUP,
			       "a block has flags %#x, which this version does "
			       "not know", flags & FLAGS_CRITICAL);
	if (codec < BLOCK_RAW || codec > BLOCK_CODEC_LAST)
		return err_set(err, -ENOTSUP,
			       "a block has codec %u, which this version does "
			       "not know", codec);
	if ((codec == BLOCK_ZSTD_PREFIX) != (head->prefix_count > 0) ||
	    (codec == BLOCK_RAW && head->payload_len != head->plain_len) ||
	    (codec == BLOCK_COLUMNS && head->payload_len < COLUMNS_HEAD))
		return err_corrupt(err, "a block's head contradicts itself");
	if (some_is_empty(head->ids) || some_is_empty(head->prefixes) ||
	    ids_sum_disk(head->ids) != head->plain_len ||
	    ids_sum_disk(head->prefixes) > BLOCK_PLAIN_MAX)
		return err_corrupt(err, "the lengths of a block's objects do "
					"not fit the block");
	return 0;
}

int block_parse_head(struct span bytes, struct block_head *ret,
		     struct err *err)
{
	struct bytes in = bytes_of(bytes);
	struct block_head head = { .codec = 0 };
	uint8_t flags, codec;
	uint16_t ext_len;
	struct span ext;
	int r;

	/* Four bytes tell whether more are worth fetching. */
	if (bytes.len >= 4 && get_le32(bytes.data) != BLOCK_MAGIC)
		return err_corrupt(err, "no block begins here");
	if (bytes.len < FIXED)
		return ends_early(err);
	r = fixed_parse(&in, &head, &flags, &codec, &ext_len, err);
	if (r < 0)
		return r;
	if (bytes.len < head.head_len)
		return ends_early(err);
	ext = bytes_take(&in, ext_len);
	head.ids = bytes_take(&in, (size_t)head.count * ID_BYTES);
	head.prefixes = bytes_take(&in, (size_t)head.prefix_count * ID_BYTES);
	head.payload_sum = bytes_u64(&in);
	head.head_sum = bytes_u64(&in);
	if (sum64(span_of(bytes.data, head.head_len - 8)) != head.head_sum)
		return err_corrupt(err, "a block's head is damaged");
	r = ext_check(ext, err);
	if (r == 0)
		r = head_check(&head, codec, flags, err);
	if (r < 0)
		return r;
	head.codec = (enum block_codec)codec;
	*ret = head;
	return 0;
}

static int decode_columns(struct unpacker *unpacker, struct span payload,
		       uint8_t *plain, size_t plain_len, struct err *err)
{
	uint32_t len = get_le32(payload.data);
	uint8_t *rows;
	int r;

	if (len > plain_len)
		return err_corrupt(err, "rows of a block are %u bytes, more "
				   "than all of it", len);
	rows = unpacker_room(unpacker, len);
	if (!rows)
		return err_nomem(err);
	r = unpacker_unpack(unpacker, span_of(payload.data + COLUMNS_HEAD,
					      payload.len - COLUMNS_HEAD),
			    span_of(NULL, 0), rows, len, err);
	return r < 0 ? r : columns_unpack(span_of(rows, len), plain, plain_len,
					  err);
}

int block_decode(struct unpacker *unpacker, struct span block,
		 const struct block_head *head, struct span prefix,
		 struct buf *plain, struct err *err)
{
	struct span payload;
	int r;

	if (block.len != (size_t)head->head_len + head->payload_len)
		return err_corrupt(err, "a block is %zu bytes, not %" PRIu64,
				   block.len, (uint64_t)head->head_len +
				   head->payload_len);
	payload = span_of(block.data + head->head_len, head->payload_len);
	if (sum64(payload) != head->payload_sum)
		return err_corrupt(err, "a block's payload is damaged");
	if (prefix.len != ids_sum_disk(head->prefixes))
		return err_set(err, -EINVAL,
			       "a prefix of %zu bytes is not the block's own",
			       prefix.len);
	if (buf_reserve(plain, head->plain_len) < 0)
		return err_nomem(err);
	if (head->codec == BLOCK_RAW) {
		if (payload.len != head->plain_len)
			return err_corrupt(err, "a block contradicts itself");
		memcpy(plain->data + plain->len, payload.data, payload.len);
		r = 0;
	} else if (head->codec == BLOCK_COLUMNS) {
		r = decode_columns(unpacker, payload, plain->data + plain->len,
				head->plain_len, err);
	} else {
		r = unpacker_unpack(unpacker, payload, prefix,
				    plain->data + plain->len, head->plain_len,
				    err);
	}
	if (r == 0)
		plain->len += head->plain_len;
	return r;
}
