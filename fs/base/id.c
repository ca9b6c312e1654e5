#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fs/base/id.h"

#include <stdlib.h>
#include <sys/random.h>

#ifndef VARVE_ID_BITS
#define VARVE_ID_BITS 128
#endif

static void sum_put(XXH128_hash_t h, uint8_t ret[16])
{
	put_le64(ret, h.low64);
	put_le64(ret + 8, h.high64);
}

static void make_secret(const uint8_t seed[ID_SEED], uint16_t nth,
			uint8_t ret[ID_SECRET])
{
	uint8_t in[ID_SEED + 3];

	memcpy(in, seed, ID_SEED);
	in[ID_SEED] = (uint8_t)nth;
	in[ID_SEED + 1] = (uint8_t)(nth >> 8);
	for (uint8_t i = 0; i < ID_SECRET / 16; i++) {
		in[ID_SEED + 2] = i;
		sum_put(XXH3_128bits(in, sizeof(in)), ret + 16 * i);
	}
}

void id_key_init(struct id_key *key, const uint8_t seed[ID_SEED])
{
	memcpy(key->seed, seed, ID_SEED);
	key->bits = VARVE_ID_BITS;
	for (uint16_t i = 0; i < ID_CACHED; i++) {
		make_secret(seed, i, key->secret[0][i]);
		make_secret(seed, (uint16_t)(ID_META | i), key->secret[1][i]);
	}
}

void id_of(const struct id_key *key, uint16_t nth, struct span bytes,
	   struct id *ret)
{
	uint16_t low = nth & (uint16_t)~ID_META;
	uint8_t made[ID_SECRET];
	const uint8_t *secret = made;

	if (low < ID_CACHED)
		secret = key->secret[nth & ID_META ? 1 : 0][low];
	else
		make_secret(key->seed, nth, made);
	sum_put(XXH3_128bits_withSecret(bytes.data, bytes.len, secret,
					ID_SECRET), ret->hash);
	if (key->bits < 128)
		memset(ret->hash + key->bits / 8, 0, ID_HASH - key->bits / 8);
	ret->len = (uint32_t)bytes.len;
	ret->nth = nth;
}

bool id_proves(const struct id_key *key, const struct id *id,
	       struct span bytes)
{
	struct id found;

	if (bytes.len != id->len)
		return false;
	id_of(key, id->nth, bytes, &found);
	return id_equal(&found, id);
}

void id_to_disk(const struct id *id, uint8_t out[ID_BYTES])
{
	memcpy(out, id->hash, ID_HASH);
	put_le32(out + 16, id->len);
	out[20] = (uint8_t)id->nth;
	out[21] = (uint8_t)(id->nth >> 8);
}

void id_from_disk(const uint8_t in[ID_BYTES], struct id *ret)
{
	memcpy(ret->hash, in, ID_HASH);
	ret->len = get_le32(in + 16);
	ret->nth = (uint16_t)(in[20] | in[21] << 8);
}

int id_cmp(const struct id *a, const struct id *b)
{
	uint8_t x[ID_BYTES], y[ID_BYTES];

	id_to_disk(a, x);
	id_to_disk(b, y);
	return memcmp(x, y, ID_BYTES);
}

uint64_t id_spread(const struct id *id)
{
	uint64_t v = get_le64(id->hash) ^
		     ((uint64_t)id->len << 17 | id->nth) * 0x9E3779B97F4A7C15u;

	v ^= v >> 32;
	v *= 0xD6E8FEB86659FD93u;
	return v ^ v >> 32;
}

void id_write(const struct id *id, struct buf *out)
{
	uint8_t b[ID_BYTES];

	id_to_disk(id, b);
	buf_append(out, b, sizeof(b));
}

void id_parse(struct bytes *in, struct id *ret)
{
	struct span s = bytes_take(in, ID_BYTES);

	memset(ret, 0, sizeof(*ret));
	if (s.len == ID_BYTES)
		id_from_disk(s.data, ret);
}

struct id_hex id_hex(const struct id *id)
{
	uint8_t b[ID_BYTES];
	struct id_hex hex;

	id_to_disk(id, b);
	hex_write(b, sizeof(b), hex.s);
	return hex;
}

int id_from_hex(const char *str, struct id *ret)
{
	uint8_t b[ID_BYTES];

	if (strlen(str) != 2 * ID_BYTES || hex_parse(str, ID_BYTES, b) < 0)
		return -EINVAL;
	id_from_disk(b, ret);
	return 0;
}

uint64_t sum64(struct span bytes)
{
	return XXH3_64bits(bytes.data, bytes.len);
}

void sum128(struct span bytes, uint8_t ret[16])
{
	sum_put(XXH3_128bits(bytes.data, bytes.len), ret);
}

struct sum_stream {
	XXH3_state_t *state;
};

struct sum_stream *sum_stream_new(void)
{
	struct sum_stream *sum = calloc(1, sizeof(*sum));

	if (!sum)
		return NULL;
	sum->state = XXH3_createState();
	if (!sum->state || XXH3_128bits_reset(sum->state) != XXH_OK) {
		sum_stream_free(sum);
		return NULL;
	}
	return sum;
}

void sum_stream_add(struct sum_stream *sum, struct span bytes)
{
	XXH3_128bits_update(sum->state, bytes.data, bytes.len);
}

void sum_stream_get(const struct sum_stream *sum, uint8_t ret[16])
{
	sum_put(XXH3_128bits_digest(sum->state), ret);
}

void sum_stream_free(struct sum_stream *sum)
{
	if (!sum)
		return;
	XXH3_freeState(sum->state);
	free(sum);
}

void hex_write(const uint8_t *bytes, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digit[bytes[i] >> 4];
		*out++ = digit[bytes[i] & 15];
	}
	*out = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_parse(const char *str, size_t n, uint8_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(str[2 * i]);
		int lo = hi < 0 ? -1 : nibble(str[2 * i + 1]);

		if (lo < 0)
			return -EINVAL;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int random_bytes(void *out, size_t len, struct err *err)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot get random bytes");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
