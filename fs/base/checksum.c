#include "fs/base/checksum.h"

#include <isa-l/crc.h>
#include <xxhash.h>

#define STEP (1u << 30)		/* the library counts in int */

uint32_t crc32c(uint32_t before, struct span bytes)
{
	uint32_t sum = ~before;

	while (bytes.len > 0) {
		size_t n = bytes.len < STEP ? bytes.len : STEP;

		/* It takes a plain pointer, and only reads. */
		sum = crc32_iscsi((unsigned char *)(uintptr_t)bytes.data,
				  (int)n, sum);
		bytes = span_of(bytes.data + n, bytes.len - n);
	}
	return ~sum;
}

uint32_t xxhash32(struct span bytes)
{
	return XXH32(bytes.data ? bytes.data : (const uint8_t *)"", bytes.len,
		     0);
}

uint64_t xxhash64(struct span bytes)
{
	return XXH64(bytes.data ? bytes.data : (const uint8_t *)"", bytes.len,
		     0);
}
