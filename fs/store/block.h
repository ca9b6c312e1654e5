/*
 * block: some objects compressed together.
 *
 * Header, object table (ids, in order; their lengths are in the ids), prefix
 * ids, payload.  The payload is one zstd frame, of columns put in order (columns.h)
 * where that makes it much shorter, or the plain bytes where
 * compressing does not shrink them.  A prefix is a list of chunk ids whose
 * bytes, one after the other, the frame was compressed against; they lie in
 * blocks without a prefix.  A checksum covers everything before it, another
 * the payload.  Room for a nonce and a tag is kept in the header's extension
 * area (ext_len bytes, 0 today).
 *
 * Pure: bytes in, bytes out.  docs/format.md, "Blocks".
 */
#ifndef VARVE_BLOCK_H
#define VARVE_BLOCK_H

#include "fs/base/codec.h"
#include "fs/base/id.h"

#define BLOCK_MAGIC 0x4b4c4256u		/* "VBLK" */
#define BLOCK_PLAIN_MAX (16u << 20)
#define BLOCK_STORED_MAX (20u << 20)	/* head and payload */
#define BLOCK_OBJECTS_MAX 65535u
#define BLOCK_PREFIX_MAX 64u		/* of BLOCK_PLAIN_MAX bytes together */
#define BLOCK_HEAD_MAX (2u << 20)	/* no head is longer */

enum block_codec {
	BLOCK_RAW = 1, BLOCK_ZSTD = 2, BLOCK_ZSTD_PREFIX = 3, BLOCK_COLUMNS = 4,
	BLOCK_CODEC_LAST = BLOCK_COLUMNS,
};

struct block_head {
	enum block_codec codec;
	uint32_t plain_len;
	uint32_t payload_len;
	uint32_t head_len;		/* everything before the payload */
	uint32_t count;			/* objects */
	uint32_t prefix_count;
	struct span ids;		/* count * ID_BYTES, disk form, borrowed */
	struct span prefixes;		/* prefix_count * ID_BYTES, borrowed */
	uint64_t payload_sum;		/* sum64 */
	uint64_t head_sum;		/* sum64 of the head, payload_sum in it */
};

/*
 * Encode objects ids[0..count) whose bytes stand one after the other in plain
 * (their lengths add up to it).  prefix_ids/prefix: what to compress against,
 * or 0 and an empty span.  Verified after compressing.  Appended to out.
 */
int block_encode(struct packer *packer, const struct id *ids, uint32_t count,
		 struct span plain, const struct id *prefix_ids,
		 uint32_t prefix_count, struct span prefix, struct buf *out,
		 struct err *err);

/* Of a block that was encoded here. */
static inline enum block_codec block_codec(struct span block)
{
	return (enum block_codec)block.data[4];
}

/*
 * Parse the head of a block that begins at bytes (which may go on beyond it,
 * or end before the payload does).  Lengths are bounded, the head's checksum
 * and the sum of the object lengths against plain_len are compared.
 * -EBADMSG; -ENODATA where bytes end inside the head (give more); -ENOTSUP
 * where the head is whole but needs what this version does not know.
 */
int block_parse_head(struct span bytes, struct block_head *ret,
		     struct err *err);

/*
 * The plain bytes of a whole block (head and payload) into plain (appended,
 * exactly plain_len).  Compares the payload's checksum.  prefix: the bytes of
 * head->prefixes one after the other.
 */
int block_decode(struct unpacker *unpacker, struct span block,
		 const struct block_head *head, struct span prefix,
		 struct buf *plain, struct err *err);

#endif
