#include "fs/repo/bits.h"

#include <stdlib.h>

void bits_release(struct bits *bits)
{
	free(bits->bytes);
	*bits = (struct bits)BITS_INIT;
}

int bits_reserve(struct bits *bits, uint64_t count, struct err *err)
{
	size_t size = count / 8 + 1;
	uint8_t *more;

	if (size <= bits->size)
		return 0;
	more = realloc(bits->bytes, size);
	if (!more)
		return err_nomem(err);
	memset(more + bits->size, 0, size - bits->size);
	bits->bytes = more;
	bits->size = size;
	return 0;
}

int bits_set(struct bits *bits, uint64_t n, struct err *err)
{
	if (n / 8 >= bits->size) {
		int r = bits_reserve(bits, n + n / 2 + 512, err);

		if (r < 0)
			return r;
	}
	bits->bytes[n / 8] |= (uint8_t)(1u << n % 8);
	return 0;
}
