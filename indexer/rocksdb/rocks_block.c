#include "indexer/rocksdb/rocks_internal.h"

#include "fs/base/checksum.h"
#include "fs/base/codec.h"
#include "fs/base/id.h"

/*
 * A block lies at its handle, with a trailer behind:
 *
 *     0      size  the block, packed as the type says
 *     size      1  type: 0 plain, 1 Snappy, 2 zlib, 3 bzip2, 4 LZ4, 5 LZ4HC, 6
 *                  XPRESS, 7 zstd
 *     size+1    4  sum of block and type; a CRC-32C is masked
 *
 * A packed block begins with its plain length as a varint (from version 2 of
 * the table on).
 */
enum packing {
	PACK_NONE, PACK_SNAPPY, PACK_ZLIB, PACK_BZIP2, PACK_LZ4, PACK_LZ4HC,
	PACK_XPRESS, PACK_ZSTD,
};
enum sum { SUM_NONE, SUM_CRC32C, SUM_XXHASH32, SUM_XXHASH64, SUM_XXH3 };

#define MASK_DELTA    0xa282ead8u
#define XXH3_TYPE     0x6b9083d9u
#define PACKED_FROM   2u	/* versions from which the length stands there */
#define CONTEXT_FROM  6u

int block_handle_parse(struct bytes *in, struct block_handle *ret)
{
	ret->offset = bytes_varint(in);
	ret->size = bytes_varint(in);
	return in->bad ? -EBADMSG : 0;
}

uint32_t block_sum(const struct footer *footer, uint64_t offset,
		   struct span bytes, uint8_t type)
{
	struct span head = span_of(bytes.data, bytes.len - 1);
	uint32_t sum = 0;

	/* bytes are the block and its type */
	switch (footer->checksum) {
	case SUM_CRC32C:
		sum = crc32c(0, bytes);
		sum = (sum >> 15 | sum << 17) + MASK_DELTA;
		break;
	case SUM_XXHASH32:
		sum = xxhash32(bytes);
		break;
	case SUM_XXHASH64:
		sum = (uint32_t)xxhash64(bytes);
		break;
	case SUM_XXH3:
		sum = (uint32_t)sum64(head) ^ type * XXH3_TYPE;
		break;
	default:
		/* The place is there, and zeros stand in it. */
		break;
	}
	if (footer->version >= CONTEXT_FROM && footer->context)
		sum += footer->context ^
		       ((uint32_t)offset + (uint32_t)(offset >> 32));
	return sum;
}

static int unpack_zstd(struct span packed, uint8_t *plain, size_t len,
		       struct err *err)
{
	struct unpacker *unpacker = unpacker_new();
	int r;

	if (!unpacker)
		return err_nomem(err);
	r = unpacker_unpack(unpacker, packed, span_of(NULL, 0), plain, len,
			    err);
	unpacker_free(unpacker);
	return r;
}

static int unpack(uint8_t type, struct span packed, uint8_t *plain, size_t len,
		  struct err *err)
{
	switch (type) {
	case PACK_SNAPPY:
		return unblock(UNBLOCK_SNAPPY, packed, plain, len, err);
	case PACK_ZLIB:
		return unblock(UNBLOCK_DEFLATE, packed, plain, len, err);
	case PACK_LZ4:
	case PACK_LZ4HC:
		return unblock(UNBLOCK_LZ4, packed, plain, len, err);
	default:
		return unpack_zstd(packed, plain, len, err);
	}
}

/* The block in scratch, whose sum is right. */
static int open_block(struct rocks *rocks, const struct footer *footer,
		      struct span packed, uint8_t type, struct span *ret,
		      int *ret_skip, const char **why, struct err *err)
{
	struct buf *plain = &rocks->own->plain;
	struct bytes in = bytes_of(packed);
	uint64_t len;
	int r;

	if (type == PACK_NONE) {
		*ret = packed;
		return 0;
	}
	if (type == PACK_BZIP2 || type == PACK_XPRESS || type > PACK_ZSTD ||
	    (footer->version < PACKED_FROM && type != PACK_SNAPPY)) {
		*ret_skip = -EOPNOTSUPP;
		return 0;
	}
	len = bytes_count(&in, BLOCK_MAX);
	if (in.bad) {
		*why = "a packed block has no length";
		return 0;
	}
	buf_clear(plain);
	r = buf_reserve(plain, len ? (size_t)len : 1);
	if (r < 0)
		return err_nomem(err);
	r = unpack(type, span_of(in.at, bytes_left(&in)), plain->data,
		   (size_t)len, NULL);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		*why = "a packed block cannot be unpacked";
	plain->len = (size_t)len;
	*ret = buf_span(plain);
	return 0;
}

int block_read(struct rocks *rocks, const char *name,
	       const struct footer *footer, struct block_handle handle,
	       struct span *ret_plain, int *ret_skip, const char **ret_why,
	       struct err *err)
{
	struct buf *raw = &rocks->own->scratch;
	uint8_t type;
	int r;

	*ret_why = NULL;
	*ret_skip = 0;
	*ret_plain = span_of(NULL, 0);
	if (handle.size > footer->offset ||
	    handle.offset > footer->offset - handle.size ||
	    footer->offset - handle.size - handle.offset < BLOCK_TRAILER) {
		*ret_why = "a block would lie outside of the file";
		return 0;
	}
	r = rocks_read(rocks, name, handle.offset, handle.size + BLOCK_TRAILER,
		       BLOCK_MAX, raw, err);
	if (r < 0)
		return r;
	type = raw->data[handle.size];
	if (block_sum(footer, handle.offset,
		      span_of(raw->data, (size_t)handle.size + 1), type) !=
	    get_le32(raw->data + handle.size + 1)) {
		*ret_why = "the checksum of a block is wrong";
		return 0;
	}
	return open_block(rocks, footer,
			  span_of(raw->data, (size_t)handle.size), type,
			  ret_plain, ret_skip, ret_why, err);
}

/*
 * A block of entries:
 *
 *     v32 how many bytes of the key are those of the key before
 *     v32 how many follow
 *     v32 length of the value, but where values are bare
 *     bytes of the key, value
 *
 * then the offsets of entries that share nothing, u32 each, and u32 how many
 * they are (bit 31: a hash index stands before).
 */
int block_entries(struct span plain, bool values_bare,
		  struct block_entry *ret)
{
	uint32_t count;

	memset(ret, 0, sizeof(*ret));
	ret->values_bare = values_bare;
	if (plain.len < 4)
		return -EBADMSG;
	count = get_le32(plain.data + plain.len - 4);
	/* The hash index is u8 a bucket and u16 how many buckets. */
	if (count & 1u << 31) {
		uint32_t buckets;

		if (plain.len < 6)
			return -EBADMSG;
		count &= ~(1u << 31);
		buckets = (uint32_t)plain.data[plain.len - 6] |
			  (uint32_t)plain.data[plain.len - 5] << 8;
		if (buckets > plain.len - 6)
			return -EBADMSG;
		plain.len -= 2 + buckets;
	}
	if (count > (plain.len - 4) / 4)
		return -EBADMSG;
	ret->in = bytes_of(span_of(plain.data,
				   plain.len - 4 - 4 * (size_t)count));
	return 0;
}

int block_next(struct block_entry *entry)
{
	struct bytes *in = &entry->in;
	size_t shared, more, value = 0;

	if (bytes_left(in) == 0)
		return in->bad ? -EBADMSG : 0;
	shared = (size_t)bytes_count(in, UINT32_MAX);
	more = (size_t)bytes_count(in, UINT32_MAX);
	if (!entry->values_bare)
		value = (size_t)bytes_count(in, UINT32_MAX);
	if (in->bad || shared > entry->key_bytes.len || more > bytes_left(in))
		return -EBADMSG;
	entry->key_bytes.len = shared;
	entry->restart = shared == 0;
	buf_append(&entry->key_bytes, in->at, more);
	if (buf_failed(&entry->key_bytes))
		return -ENOMEM;
	bytes_take(in, more);
	entry->key = buf_span(&entry->key_bytes);
	entry->value = bytes_take(in, value);
	return in->bad ? -EBADMSG : 1;
}

void block_entry_release(struct block_entry *entry)
{
	buf_release(&entry->key_bytes);
}
