#include "fs/base/codec.h"

#include <stdlib.h>

#include <isa-l/igzip_lib.h>

#include "fs/base/bytes.h"

/* What has been made so far; all of it is what a copy may reach back into. */
struct made {
	uint8_t *at, *begin, *end;
};

static bool put(struct made *out, struct span bytes)
{
	if (bytes.len > (size_t)(out->end - out->at))
		return false;
	if (bytes.len > 0)
		memcpy(out->at, bytes.data, bytes.len);
	out->at += bytes.len;
	return true;
}

/* len bytes from back behind the end on, which may run into themselves. */
static bool copy(struct made *out, size_t back, size_t len)
{
	if (back == 0 || back > (size_t)(out->at - out->begin) ||
	    len > (size_t)(out->end - out->at))
		return false;
	for (; len > 0; len--, out->at++)
		*out->at = out->at[-(ptrdiff_t)back];
	return true;
}

/*
 * Snappy, behind the length.  The low two bits of a tag say what follows:
 *
 *     0  literal   length-1 in the upper six bits; 60..63: in 1..4 bytes behind
 *     1  copy      length-4 in bits 2..4, back: bits 5..7 and one byte behind
 *     2  copy      length-1 in the upper six bits, back: two bytes
 *     3  copy      the same, back: four bytes
 */
static bool snappy(struct bytes *in, struct made *out)
{
	while (bytes_left(in) > 0) {
		uint8_t tag = bytes_u8(in);
		size_t len = (size_t)(tag >> 2) + 1;
		size_t back = 0;

		switch (tag & 3) {
		case 0:
			if (len > 60) {
				unsigned n = (unsigned)len - 60;

				len = 1;
				for (unsigned i = 0; i < n; i++)
					len += (size_t)bytes_u8(in) << 8 * i;
			}
			if (!put(out, bytes_take(in, len)) || in->bad)
				return false;
			continue;
		case 1:
			len = (size_t)(tag >> 2 & 7) + 4;
			back = (size_t)(tag >> 5) << 8 | bytes_u8(in);
			break;
		case 2:
			back = bytes_u16(in);
			break;
		default:
			back = bytes_u32(in);
		}
		if (in->bad || !copy(out, back, len))
			return false;
	}
	return !in->bad;
}

/* 15 goes on in bytes behind, the last of which is not 255. */
static size_t lz4_length(struct bytes *in, size_t len)
{
	uint8_t more = 255;

	if (len < 15)
		return len;
	while (more == 255 && bytes_left(in) > 0) {
		more = bytes_u8(in);
		len += more;
	}
	if (more == 255)
		in->bad = true;
	return len;
}

/* LZ4: length of literals, literals, back (two bytes), length-4; the last
 * sequence ends with its literals. */
static bool lz4(struct bytes *in, struct made *out)
{
	while (bytes_left(in) > 0) {
		uint8_t token = bytes_u8(in);
		size_t len = lz4_length(in, token >> 4);
		size_t back;

		if (!put(out, bytes_take(in, len)) || in->bad)
			return false;
		if (bytes_left(in) == 0)
			return true;
		back = bytes_u16(in);
		len = lz4_length(in, token & 15) + 4;
		if (in->bad || !copy(out, back, len))
			return false;
	}
	return false;
}

static int raw_deflate(struct span packed, struct made *out, struct err *err)
{
	CLEANUP(free_ptr) struct inflate_state *state =
		malloc(sizeof(*state));

	if (!state)
		return err_nomem(err);
	isal_inflate_init(state);
	state->crc_flag = ISAL_DEFLATE;
	state->next_in = (uint8_t *)(uintptr_t)packed.data;
	state->avail_in = (uint32_t)packed.len;
	state->next_out = out->at;
	state->avail_out = (uint32_t)(out->end - out->at);
	if (isal_inflate_stateless(state) != ISAL_DECOMP_OK)
		return err_corrupt(err, "deflated bytes are damaged");
	out->at += state->total_out;
	return 0;
}

int unblock(enum unblock_format format, struct span packed, uint8_t *plain,
	    size_t plain_len, struct err *err)
{
	struct made out = { plain, plain, plain + plain_len };
	struct bytes in = bytes_of(packed);
	bool good = true;
	int r = 0;

	if (packed.len > UINT32_MAX || plain_len > UINT32_MAX)
		return err_set(err, -EFBIG, "a block of %zu bytes is too "
			       "large", packed.len);
	switch (format) {
	case UNBLOCK_SNAPPY:
		good = snappy(&in, &out);
		break;
	case UNBLOCK_LZ4:
		good = lz4(&in, &out);
		break;
	case UNBLOCK_DEFLATE:
		r = raw_deflate(packed, &out, err);
		break;
	}
	if (r < 0)
		return r;
	if (!good || out.at != out.end)
		return err_corrupt(err, "compressed bytes are damaged");
	return 0;
}
