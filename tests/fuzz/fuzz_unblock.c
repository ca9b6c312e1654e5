/*
 * Blocks of Snappy, LZ4 and deflate.  The first byte chooses which, two more
 * say how long the plain bytes are to be.  Nothing is written behind them, and
 * all of them are written where it says so.
 */
#include <stdlib.h>

#include "fs/base/bytes.h"
#include "fs/base/codec.h"
#include "tests/fuzz/fuzz.h"

#define HEAD 3

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	if (len <= HEAD || max <= HEAD || !fuzz_mostly(rng))
		return LLVMFuzzerMutate(data, len, max);
	return HEAD + LLVMFuzzerMutate(data + HEAD, len - HEAD, max - HEAD);
}

static int attempt(enum unblock_format format, struct span packed,
		   uint8_t *plain, size_t len, uint8_t fill)
{
	int r;

	memset(plain, fill, len);
	r = unblock(format, packed, plain, len, NULL);
	FUZZ_CHECK(r == 0 || r == -EBADMSG);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum unblock_format format;
	struct span packed;
	uint8_t *one, *two;
	size_t want;

	if (len < HEAD)
		return 0;
	format = UNBLOCK_SNAPPY + data[0] % 3;
	want = (size_t)data[1] | (size_t)data[2] << 8;
	packed = span_of(data + HEAD, len - HEAD);
	one = malloc(want ? want : 1);
	two = malloc(want ? want : 1);
	FUZZ_CHECK(one && two);
	if (attempt(format, packed, one, want, 0) == 0) {
		FUZZ_CHECK(attempt(format, packed, two, want, 0xff) == 0);
		FUZZ_CHECK(memcmp(one, two, want) == 0);
	}
	free(one);
	free(two);
	return 0;
}
