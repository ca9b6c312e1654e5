/*
 * checksum: the sums by which other formats guard their bytes: CRC-32C
 * (Castagnoli), and xxHash of 32 and 64 bits with seed 0.  XXH3 is sum64() of
 * id.h.  Pure.
 */
#ifndef VARVE_CHECKSUM_H
#define VARVE_CHECKSUM_H

#include "fs/base/buf.h"

/* Of bytes that follow those whose sum before is; 0 at the beginning. */
uint32_t crc32c(uint32_t before, struct span bytes);
uint32_t xxhash32(struct span bytes);
uint64_t xxhash64(struct span bytes);

#endif
