/*
 * bytes: fields in and out of byte strings.
 *
 * Writing appends to a struct buf.  Reading takes from a struct bytes that
 * never runs over its end: past it, or at a malformed varint, every take
 * gives 0 and `bad` stays set, so that a parser checks once at its end (and
 * before it trusts a count).  Fixed numbers are little-endian; a varint is
 * LEB128, at most 10 bytes, shortest form only; zigzag as protobuf's sint64.
 */
#ifndef VARVE_BYTES_H
#define VARVE_BYTES_H

#include "fs/base/buf.h"

struct bytes {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline struct bytes bytes_of(struct span span)
{
	/* An empty span may point nowhere, and nowhere has no arithmetic. */
	const uint8_t *at = span.data ? span.data : (const uint8_t *)"";

	return (struct bytes){ at, at + span.len, false };
}

static inline size_t bytes_left(const struct bytes *in)
{
	return in->bad ? 0 : (size_t)(in->end - in->at);
}

/* Everything was taken and nothing was malformed. */
static inline bool bytes_done(const struct bytes *in)
{
	return !in->bad && in->at == in->end;
}

/* As protobuf folds a sign into a number, and back. */
static inline uint64_t zigzag_fold(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t zigzag_unfold(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

uint8_t bytes_u8(struct bytes *in);
uint16_t bytes_u16(struct bytes *in);
uint32_t bytes_u32(struct bytes *in);
uint64_t bytes_u64(struct bytes *in);
uint64_t bytes_varint(struct bytes *in);
int64_t bytes_zigzag(struct bytes *in);
/* A varint that must not exceed max, else bad and 0. */
uint64_t bytes_count(struct bytes *in, uint64_t max);
/* The next len bytes, borrowed; empty and bad where there are fewer. */
struct span bytes_take(struct bytes *in, size_t len);
/* A varint length of at most max, then that many bytes. */
struct span bytes_string(struct bytes *in, size_t max);

void buf_u8(struct buf *out, uint8_t v);
void buf_u16(struct buf *out, uint16_t v);
void buf_u32(struct buf *out, uint32_t v);
void buf_u64(struct buf *out, uint64_t v);
void buf_varint(struct buf *out, uint64_t v);
void buf_zigzag(struct buf *out, int64_t v);
void buf_string(struct buf *out, struct span span);

/* What a digit of base64 stands for, in either alphabet of RFC 4648; -1: it is
 * none. */
int base64_digit(uint8_t c);

/* At fixed places of memory the caller has sized. */
static inline void put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static inline uint64_t get_le64(const uint8_t *p)
{
	return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return __builtin_bswap64(get_le64(p));
}

#endif
