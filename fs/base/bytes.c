#include "fs/base/bytes.h"

struct span bytes_take(struct bytes *in, size_t len)
{
	struct span none = { in->at, 0 };
	struct span got;

	if (in->bad || len > (size_t)(in->end - in->at)) {
		in->bad = true;
		return none;
	}
	got = span_of(in->at, len);
	in->at += len;
	return got;
}

static uint64_t fixed(struct bytes *in, size_t n)
{
	struct span s = bytes_take(in, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v |= (uint64_t)s.data[i] << (8 * i);
	return v;
}

uint8_t bytes_u8(struct bytes *in)
{
	return (uint8_t)fixed(in, 1);
}

uint16_t bytes_u16(struct bytes *in)
{
	return (uint16_t)fixed(in, 2);
}

uint32_t bytes_u32(struct bytes *in)
{
	return (uint32_t)fixed(in, 4);
}

uint64_t bytes_u64(struct bytes *in)
{
	return fixed(in, 8);
}

uint64_t bytes_varint(struct bytes *in)
{
	const uint8_t *p = in->at;
	uint64_t v = 0;

	if (in->bad)
		return 0;
	for (unsigned shift = 0; shift < 70 && p < in->end; shift += 7) {
		uint8_t b = *p++;

		/* no tenth byte over 1, no last byte 0 behind others */
		if ((shift == 63 && b > 1) || (shift > 0 && b == 0))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			in->at = p;
			return v;
		}
	}
	in->bad = true;
	return 0;
}

int64_t bytes_zigzag(struct bytes *in)
{
	return zigzag_unfold(bytes_varint(in));
}

uint64_t bytes_count(struct bytes *in, uint64_t max)
{
	uint64_t v = bytes_varint(in);

	if (v > max) {
		in->bad = true;
		return 0;
	}
	return v;
}

struct span bytes_string(struct bytes *in, size_t max)
{
	return bytes_take(in, (size_t)bytes_count(in, max));
}

static void put(struct buf *out, uint64_t v, size_t n)
{
	uint8_t b[8];

	put_le64(b, v);
	buf_append(out, b, n);
}

void buf_u8(struct buf *out, uint8_t v)
{
	put(out, v, 1);
}

void buf_u16(struct buf *out, uint16_t v)
{
	put(out, v, 2);
}

void buf_u32(struct buf *out, uint32_t v)
{
	put(out, v, 4);
}

void buf_u64(struct buf *out, uint64_t v)
{
	put(out, v, 8);
}

void buf_varint(struct buf *out, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		b[n++] = (uint8_t)(v | 0x80);
	b[n++] = (uint8_t)v;
	buf_append(out, b, n);
}

void buf_zigzag(struct buf *out, int64_t v)
{
	buf_varint(out, zigzag_fold(v));
}

void buf_string(struct buf *out, struct span span)
{
	buf_varint(out, span.len);
	buf_append(out, span.data, span.len);
}

int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}
