#include "fs/base/codec.h"

#include <inttypes.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "fs/base/bytes.h"

/*
 * A gzip member (RFC 1952):
 *
 *     1f 8b | 08 | flags | mtime[4] | xfl | os
 *     [FEXTRA: u16 len, len bytes] [FNAME: ..00] [FCOMMENT: ..00]
 *     [FHCRC: u16, low half of the CRC-32 of all of the header before it]
 *     deflate blocks
 *     u32 CRC-32 of the plain bytes | u32 their number mod 2^32
 */
#define FHCRC 0x02
#define FEXTRA 0x04
#define FNAME 0x08
#define FCOMMENT 0x10
#define FRESERVED 0xe0

/*
 * A zlib stream (RFC 1950), of which there is one:
 *
 *     cmf: method 8 in the low four bits, window in the high ones (at most 7)
 *     flg: bit 5 a dictionary (refused); cmf * 256 + flg divides by 31
 *     deflate blocks
 *     Adler-32 of the plain bytes, big-endian
 */
#define FDICT 0x20

/*
 * The decoder reads up to 8 bytes ahead and, depending on its version, keeps
 * them or moves next_in back at the end of a member, maybe into bytes of an
 * earlier call.  So it is given bytes of a buffer of ours, where the last 8
 * always stand before the new ones.
 */
#define BACK 8
#define IN_SIZE (64 * 1024)

/*
 * Where a block turns out to be damaged, the decoder drops what it decoded and
 * could not put out yet.  With more room than its own buffer (64 KiB and a
 * match) nothing is left behind.
 */
#define OUT_SIZE (256 * 1024)
#define OUT_MIN (128 * 1024)

enum part {
	PART_MAGIC = 1, PART_FIXED, PART_EXTRA_LEN, PART_EXTRA, PART_NAME,
	PART_COMMENT, PART_HCRC, PART_BODY, PART_TRAILER, PART_BETWEEN,
	PART_PADDING, PART_GARBAGE, PART_ZLIB, PART_ADLER,
};

struct inflate {
	struct inflate_state isal;
	enum part part;
	bool zlib;
	uint8_t flags;		/* optional header fields yet to come */
	uint8_t field[8];	/* a field that arrives in pieces */
	size_t have;
	size_t extra_left;
	uint32_t head_crc;
	uint32_t crc;		/* of zlib: the Adler-32 */
	uint32_t length;	/* mod 2^32, as in the trailer */
	uint64_t members;
	uint64_t taken;		/* bytes taken in so far, for messages */
	struct err failed;
	size_t in_at;
	size_t in_end;
	size_t out_at;
	size_t out_end;
	uint8_t in[BACK + IN_SIZE];
	uint8_t out[OUT_SIZE];
};

struct inflate *inflate_new(void)
{
	struct inflate *inflate = calloc(1, sizeof(*inflate));

	if (!inflate)
		return NULL;
	inflate->part = PART_MAGIC;
	inflate->in_at = inflate->in_end = BACK;
	return inflate;
}

struct inflate *inflate_new_zlib(void)
{
	struct inflate *inflate = inflate_new();

	if (!inflate)
		return NULL;
	inflate->zlib = true;
	inflate->part = PART_ZLIB;
	return inflate;
}

void inflate_free(struct inflate *inflate)
{
	free(inflate);
}

static uint64_t position(const struct inflate *inflate)
{
	return inflate->taken - (inflate->in_end - inflate->in_at);
}

static void damaged(struct inflate *inflate, const char *why)
{
	err_corrupt(&inflate->failed, "%s data is damaged at byte %" PRIu64
		    ": %s", inflate->zlib ? "zlib" : "gzip",
		    position(inflate), why);
}

static void enter(struct inflate *inflate, enum part part)
{
	inflate->part = part;
	inflate->have = 0;
}

static void begin_body(struct inflate *inflate)
{
	isal_inflate_init(&inflate->isal);
	inflate->crc = inflate->zlib ? 1 : 0;
	inflate->length = 0;
	enter(inflate, PART_BODY);
}

/* On to the next of the header's fields that its flags tell of. */
static void next_field(struct inflate *inflate)
{
	static const struct {
		uint8_t flag;
		enum part part;
	} order[] = {
		{ FEXTRA, PART_EXTRA_LEN },
		{ FNAME, PART_NAME },
		{ FCOMMENT, PART_COMMENT },
		{ FHCRC, PART_HCRC },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(inflate->flags & order[i].flag))
			continue;
		inflate->flags &= (uint8_t)~order[i].flag;
		enter(inflate, order[i].part);
		return;
	}
	begin_body(inflate);
}

/* Take n bytes of the header (at most what there is). */
static void skip(struct inflate *inflate, size_t n)
{
	inflate->head_crc = crc32_gzip_refl(inflate->head_crc,
					    inflate->in + inflate->in_at, n);
	inflate->in_at += n;
}

/* Collect a field of n bytes; true once it is whole. */
static bool gather(struct inflate *inflate, size_t n)
{
	size_t left = inflate->in_end - inflate->in_at;
	size_t want = n - inflate->have;

	if (want > left)
		want = left;
	memcpy(inflate->field + inflate->have, inflate->in + inflate->in_at,
	       want);
	inflate->have += want;
	if (inflate->zlib || inflate->part == PART_HCRC ||
	    inflate->part == PART_TRAILER)
		inflate->in_at += want;
	else
		skip(inflate, want);
	return inflate->have == n;
}

static void take_magic(struct inflate *inflate)
{
	if (inflate->have == 0)
		inflate->head_crc = 0;
	if (!gather(inflate, 2))
		return;
	if (inflate->field[0] == 0x1f && inflate->field[1] == 0x8b)
		enter(inflate, PART_FIXED);
	else if (inflate->members > 0)
		enter(inflate, PART_GARBAGE);
	else
		damaged(inflate, "this is not gzip");
}

static void take_fixed(struct inflate *inflate)
{
	if (!gather(inflate, 8))
		return;
	inflate->flags = inflate->field[1] & 0x1f;
	if (inflate->field[0] != 8)
		damaged(inflate, "unknown compression method");
	else if (inflate->field[1] & FRESERVED)
		damaged(inflate, "unknown flags in the header");
	else
		next_field(inflate);
}

static void take_extra_len(struct inflate *inflate)
{
	if (!gather(inflate, 2))
		return;
	inflate->extra_left = (size_t)inflate->field[0] |
			      (size_t)inflate->field[1] << 8;
	enter(inflate, PART_EXTRA);
	if (inflate->extra_left == 0)
		next_field(inflate);
}

static void take_extra(struct inflate *inflate)
{
	size_t n = inflate->in_end - inflate->in_at;

	if (n > inflate->extra_left)
		n = inflate->extra_left;
	skip(inflate, n);
	inflate->extra_left -= n;
	if (inflate->extra_left == 0)
		next_field(inflate);
}

static void take_text(struct inflate *inflate)
{
	const uint8_t *at = inflate->in + inflate->in_at;
	size_t left = inflate->in_end - inflate->in_at;
	const uint8_t *end = memchr(at, 0, left);

	skip(inflate, end ? (size_t)(end - at) + 1 : left);
	if (end)
		next_field(inflate);
}

static void take_hcrc(struct inflate *inflate)
{
	if (!gather(inflate, 2))
		return;
	if ((inflate->field[0] | inflate->field[1] << 8) !=
	    (int)(inflate->head_crc & 0xffff))
		damaged(inflate, "the header's checksum differs");
	else
		next_field(inflate);
}

static void take_trailer(struct inflate *inflate)
{
	if (!gather(inflate, 8))
		return;
	if (get_le32(inflate->field) != inflate->crc) {
		damaged(inflate, "the checksum differs");
	} else if (get_le32(inflate->field + 4) != inflate->length) {
		damaged(inflate, "the length differs");
	} else {
		inflate->members++;
		enter(inflate, PART_BETWEEN);
	}
}

static void take_zlib(struct inflate *inflate)
{
	const uint8_t *field = inflate->field;

	if (!gather(inflate, 2))
		return;
	if ((field[0] & 15) != 8 || field[0] >> 4 > 7 ||
	    (field[0] << 8 | field[1]) % 31 != 0)
		damaged(inflate, "this is not zlib");
	else if (field[1] & FDICT)
		damaged(inflate, "it wants a dictionary");
	else
		begin_body(inflate);
}

static void take_adler(struct inflate *inflate)
{
	const uint8_t *field = inflate->field;

	if (!gather(inflate, 4))
		return;
	if (((uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 |
	     (uint32_t)field[2] << 8 | field[3]) != inflate->crc)
		damaged(inflate, "the checksum differs");
	else
		enter(inflate, PART_PADDING);
}

static void take_between(struct inflate *inflate)
{
	uint8_t first = inflate->in[inflate->in_at];

	if (first == 0x1f)
		enter(inflate, PART_MAGIC);
	else
		enter(inflate, first == 0 ? PART_PADDING : PART_GARBAGE);
}

static void take_padding(struct inflate *inflate)
{
	while (inflate->in_at < inflate->in_end &&
	       inflate->in[inflate->in_at] == 0)
		inflate->in_at++;
	if (inflate->in_at < inflate->in_end)
		enter(inflate, PART_GARBAGE);
}

/*
 * Decode into out, room for more than the decoder holds back.  False: nothing
 * moved, so it wants more input.
 */
static bool decode(struct inflate *inflate, uint8_t *out, size_t room,
		   size_t *ret_made)
{
	struct inflate_state *isal = &inflate->isal;
	uint32_t left = (uint32_t)(inflate->in_end - inflate->in_at);
	uint32_t cap = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
	uint32_t unused;
	int r;

	isal->next_in = inflate->in + inflate->in_at;
	isal->avail_in = left;
	isal->next_out = out;
	isal->avail_out = cap;
	r = isal_inflate(isal);
	*ret_made = cap - isal->avail_out;
	inflate->in_at = (size_t)(isal->next_in - inflate->in);
	inflate->crc = inflate->zlib ?
		isal_adler32(inflate->crc, out, *ret_made) :
		crc32_gzip_refl(inflate->crc, out, *ret_made);
	inflate->length += (uint32_t)*ret_made;
	if (r != ISAL_DECOMP_OK) {
		damaged(inflate, "this does not decompress");
		return true;
	}
	if (isal->block_state == ISAL_BLOCK_FINISH) {
		unused = (uint32_t)isal->read_in_length / 8;
		inflate->in_at -= unused < BACK ? unused : BACK;
		enter(inflate, inflate->zlib ? PART_ADLER : PART_TRAILER);
		return true;
	}
	if (*ret_made == 0 && isal->avail_in == left && left > 0)
		damaged(inflate, "the decoder does not move on");
	return *ret_made > 0 || left > 0;
}

/* One part, or what of it there is.  False: more input is wanted. */
static bool take(struct inflate *inflate)
{
	if (inflate->in_at == inflate->in_end)
		return false;
	switch (inflate->part) {
	case PART_MAGIC: take_magic(inflate); break;
	case PART_FIXED: take_fixed(inflate); break;
	case PART_EXTRA_LEN: take_extra_len(inflate); break;
	case PART_EXTRA: take_extra(inflate); break;
	case PART_NAME:
	case PART_COMMENT: take_text(inflate); break;
	case PART_HCRC: take_hcrc(inflate); break;
	case PART_TRAILER: take_trailer(inflate); break;
	case PART_BETWEEN: take_between(inflate); break;
	case PART_PADDING: take_padding(inflate); break;
	case PART_GARBAGE: inflate->in_at = inflate->in_end; break;
	case PART_ZLIB: take_zlib(inflate); break;
	case PART_ADLER: take_adler(inflate); break;
	case PART_BODY: break;
	}
	return true;
}

static void refill(struct inflate *inflate, struct span *in)
{
	size_t n = in->len < IN_SIZE ? in->len : IN_SIZE;

	if (inflate->in_at < inflate->in_end || n == 0)
		return;
	memmove(inflate->in, inflate->in + inflate->in_end - BACK, BACK);
	memcpy(inflate->in + BACK, in->data, n);
	inflate->in_at = BACK;
	inflate->in_end = BACK + n;
	inflate->taken += n;
	in->data += n;
	in->len -= n;
}

/* Hand out what is kept in inflate->out. */
static size_t deliver(struct inflate *inflate, uint8_t *out, size_t room)
{
	size_t n = inflate->out_end - inflate->out_at;

	if (n > room)
		n = room;
	if (n > 0)
		memcpy(out, inflate->out + inflate->out_at, n);
	inflate->out_at += n;
	return n;
}

/* Decode straight to the caller where there is room, else by our buffer. */
static bool decode_to(struct inflate *inflate, uint8_t *out, size_t room,
		      size_t *made)
{
	if (room >= OUT_MIN)
		return decode(inflate, out, room, made);
	inflate->out_at = 0;
	*made = 0;
	return decode(inflate, inflate->out, OUT_SIZE, &inflate->out_end);
}

int inflate_run(struct inflate *inflate, struct span *in, uint8_t *out,
		size_t cap, size_t *ret_len, struct err *err)
{
	size_t len = 0;
	bool moved = true;

	while (moved) {
		size_t made = 0;

		len += deliver(inflate, out + len, cap - len);
		if (len == cap || inflate->failed.code)
			break;
		refill(inflate, in);
		if (inflate->part == PART_BODY)
			moved = decode_to(inflate, out + len, cap - len,
					  &made);
		else
			moved = take(inflate);
		len += made;
	}
	/* What came out before the damage goes out first. */
	if (inflate->failed.code && len == 0 &&
	    inflate->out_at == inflate->out_end) {
		if (err)
			*err = inflate->failed;
		return inflate->failed.code;
	}
	*ret_len = len;
	return 0;
}

int inflate_end(struct inflate *inflate, bool *ret_garbage, struct err *err)
{
	if (inflate->failed.code) {
		if (err)
			*err = inflate->failed;
		return inflate->failed.code;
	}
	switch (inflate->part) {
	case PART_BETWEEN:
	case PART_PADDING:
	case PART_GARBAGE:
		*ret_garbage = inflate->part == PART_GARBAGE;
		return 0;
	default:
		return err_corrupt(err, "%s data ends early, after %" PRIu64
				   " bytes", inflate->zlib ? "zlib" : "gzip",
				   inflate->taken);
	}
}
