/*
 * id: the names of objects.
 *
 * An id is the XXH3-128 of an object's bytes under a secret of the store,
 * with the length.  XXH3 is quick and not cryptographic: equal ids are a
 * reason to compare the bytes, never a proof.  Bytes whose id is taken by
 * other bytes get the id of the next `nth` secret, so that an object always
 * proves which name it has.  Chunks and metadata objects have secrets of
 * their own (bit 15 of nth), so neither can pose as the other.
 *
 * Secret number nth is, for i = 0..11, the 16 bytes (low64 LE, high64 LE) of
 * XXH3_128bits(seed[32] || nth as u16 LE || i as u8).  Everything here is
 * pure; a struct id_key may be read from any thread.
 */
#ifndef VARVE_ID_H
#define VARVE_ID_H

#include "fs/base/bytes.h"

#define ID_HASH 16
#define ID_BYTES 22		/* on disk: hash, u32 len, u16 nth */
#define ID_SEED 32
#define ID_SECRET 192
#define ID_META 0x8000u		/* bit of nth: a metadata object */
#define ID_CACHED 4		/* secrets of nth below this are kept ready */

struct id {
	uint8_t hash[ID_HASH];
	uint32_t len;		/* of the object's bytes; 0 with hash 0: none */
	uint16_t nth;
};

struct id_key {
	uint8_t seed[ID_SEED];
	uint8_t secret[2][ID_CACHED][ID_SECRET];
	unsigned bits;		/* 128; a build for tests cuts the hash to 8 */
};

struct id_hex {
	char s[2 * ID_BYTES + 1];
};

void id_key_init(struct id_key *key, const uint8_t seed[ID_SEED]);

/* The id of bytes under secret nth (ID_META included).  len < 4 GiB. */
void id_of(const struct id_key *key, uint16_t nth, struct span bytes,
	   struct id *ret);

/* Do bytes prove id? */
bool id_proves(const struct id_key *key, const struct id *id,
	       struct span bytes);

static inline bool id_equal(const struct id *a, const struct id *b)
{
	return a->len == b->len && a->nth == b->nth &&
	       !memcmp(a->hash, b->hash, ID_HASH);
}

/* As memcmp() of len bytes that begin with a hash, whose first 8 nearly always
 * tell. */
static inline int hash_cmp(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t x = get_be64(a), y = get_be64(b);

	return x < y ? -1 : x > y ? 1 : memcmp(a + 8, b + 8, len - 8);
}

/* Byte order of the disk form. */
int id_cmp(const struct id *a, const struct id *b);

static inline bool id_is_none(const struct id *id)
{
	return id->len == 0;
}

static inline bool id_is_meta(const struct id *id)
{
	return (id->nth & ID_META) != 0;
}

/* For hash tables: spread over all 64 bits also when ids are cut short. */
uint64_t id_spread(const struct id *id);

void id_write(const struct id *id, struct buf *out);
void id_parse(struct bytes *in, struct id *ret);
void id_to_disk(const struct id *id, uint8_t out[ID_BYTES]);
void id_from_disk(const uint8_t in[ID_BYTES], struct id *ret);
struct id_hex id_hex(const struct id *id);
/* 0, or -EINVAL where str is not 44 hex digits. */
int id_from_hex(const char *str, struct id *ret);

/* Unkeyed XXH3-64 and -128 (low64 LE, high64 LE) for checksums. */
uint64_t sum64(struct span bytes);
void sum128(struct span bytes, uint8_t ret[16]);

/* A running XXH3-128 over a stream. */
struct sum_stream;
struct sum_stream *sum_stream_new(void);
void sum_stream_add(struct sum_stream *sum, struct span bytes);
void sum_stream_get(const struct sum_stream *sum, uint8_t ret[16]);
void sum_stream_free(struct sum_stream *sum);

/* lower-case hex of n bytes into out[2n+1]; and back, -EINVAL if it is not. */
void hex_write(const uint8_t *bytes, size_t n, char *out);
int hex_parse(const char *str, size_t n, uint8_t *ret);

/* len bytes from the system's random source; 0 or -errno. */
int random_bytes(void *out, size_t len, struct err *err);

#endif
