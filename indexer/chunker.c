#include "indexer/chunker.h"

/*
 * What stands here decides where every store's chunks end: a change makes
 * each later snapshot share nothing with those before.  tests/unit/
 * chunker_test.c pins the lengths.
 *
 * Gear: h = 2h + gear[byte], so bit k of h has seen the last k + 1 bytes, and
 * the topmost bits are the best mixed: the masks take those.  Below the
 * average size a cut needs two more zero bits than the average asks for, above
 * it two fewer; lengths gather around the average and few chunks are ended by
 * max (FastCDC's normalisation, level 2).
 */
#define NORMAL_BITS 2

void chunker_init(struct chunker *chunker, const uint8_t seed[ID_SEED])
{
	uint8_t text[ID_SEED + 4], sum[16];

	memcpy(text, seed, ID_SEED);
	for (uint32_t i = 0; i < 128; i++) {
		put_le32(text + ID_SEED, i);
		sum128(span_of(text, sizeof(text)), sum);
		chunker->gear[2 * i] = get_le64(sum);
		chunker->gear[2 * i + 1] = get_le64(sum + 8);
	}
}

struct chunker_sizes chunker_sizes_for(uint64_t file_size)
{
	if (file_size < (4u << 20))
		return (struct chunker_sizes){ 4u << 10, 16u << 10, 64u << 10 };
	if (file_size < (1u << 30) || file_size == UINT64_MAX)
		return (struct chunker_sizes){ 16u << 10, 64u << 10,
					       256u << 10 };
	return (struct chunker_sizes){ 64u << 10, 256u << 10, 1024u << 10 };
}

static uint64_t top_bits(uint32_t avg, int more)
{
	return ~0ull << (64 - (__builtin_ctz(avg) + more));
}

/* Scan [*at, end); true where a cut was found: it is before *at then.  Two
 * bytes a turn, so that only every second step waits for the one before. */
static bool scan(const uint64_t *gear, const uint8_t *data, size_t *at,
		 size_t end, uint64_t mask, uint64_t *hash)
{
	uint64_t h = *hash;
	size_t i = *at;

	for (; i + 2 <= end; i += 2) {
		uint64_t g0 = gear[data[i]], g1 = gear[data[i + 1]];
		uint64_t h1 = 2 * h + g0;

		h = 4 * h + (2 * g0 + g1);
		if (!(h1 & mask)) {
			*at = i + 1;
			return true;
		}
		if (!(h & mask)) {
			*at = i + 2;
			return true;
		}
	}
	if (i < end) {
		h = 2 * h + gear[data[i++]];
		if (!(h & mask)) {
			*at = i;
			return true;
		}
	}
	*at = i;
	*hash = h;
	return false;
}

size_t chunker_cut(const struct chunker *chunker,
		   const struct chunker_sizes *sizes, const uint8_t *data,
		   size_t len, bool more)
{
	size_t end = len < sizes->max ? len : sizes->max;
	size_t middle = end < sizes->avg ? end : sizes->avg;
	size_t at = sizes->min;
	uint64_t hash = 0;

	if (len > sizes->min) {
		if (scan(chunker->gear, data, &at, middle,
			 top_bits(sizes->avg, NORMAL_BITS), &hash))
			return at;
		if (scan(chunker->gear, data, &at, end,
			 top_bits(sizes->avg, -NORMAL_BITS), &hash))
			return at;
	}
	if (end == sizes->max)
		return end;
	return more ? 0 : len;
}
