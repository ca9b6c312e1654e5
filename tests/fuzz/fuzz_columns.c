/*
 * Columns.  The first byte says which way: a text that may be a table, put in
 * order and back; or a table in order, of as many bytes as two more say.
 */
#include <stdlib.h>

#include "fs/base/bytes.h"
#include "fs/base/columns.h"
#include "tests/fuzz/fuzz.h"

#define HEAD 3

/* Cells become others, and rows are told again: random bytes are no table. */
static void repeat_rows(struct buf *text, size_t max, struct fuzz_rng *rng)
{
	size_t at = HEAD + fuzz_below(rng, (uint32_t)(text->len - HEAD));
	const uint8_t *end = memchr(text->data + at, '\n', text->len - at);
	size_t len = end ? (size_t)(end - (text->data + at)) + 1 : 0;
	unsigned times = 1 + fuzz_below(rng, 40);

	while (len > 0 && times-- > 0 && text->len + len <= max) {
		if (buf_reserve(text, len) < 0)
			return;
		memcpy(text->data + text->len, text->data + at, len);
		text->len += len;
		text->data[text->len - 1 - fuzz_below(rng, (uint32_t)len)] ^=
			(uint8_t)(fuzz_below(rng, 4) ? 0 : 1);
	}
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	OWNED_BUF struct buf text = BUF_INIT;

	if (len <= HEAD || max <= HEAD)
		return LLVMFuzzerMutate(data, len, max);
	if (data[0] % 2 || fuzz_below(rng, 3))
		return HEAD + LLVMFuzzerMutate(data + HEAD, len - HEAD,
					       max - HEAD);
	buf_append(&text, data, len);
	repeat_rows(&text, max, rng);
	return fuzz_take(&text, data, len, max);
}

static void there_and_back(struct span text)
{
	OWNED_BUF struct buf packed = BUF_INIT;
	uint8_t separator = columns_detect(text);
	uint8_t *back;
	int r;

	if (!separator)
		return;
	r = columns_pack(text, separator, &packed, NULL);
	FUZZ_CHECK(r == 1 || (r == 0 && packed.len == 0));
	if (r == 0)
		return;
	back = malloc(text.len);
	FUZZ_CHECK(back);
	FUZZ_CHECK(columns_unpack(buf_span(&packed), back, text.len,
				  NULL) == 0);
	FUZZ_CHECK(memcmp(back, text.data, text.len) == 0);
	free(back);
}

static void back_only(struct span packed, size_t len)
{
	uint8_t *one = malloc(len ? len : 1), *two = malloc(len ? len : 1);
	int r;

	FUZZ_CHECK(one && two);
	memset(one, 0, len);
	memset(two, 0xff, len);
	r = columns_unpack(packed, one, len, NULL);
	FUZZ_CHECK(r == 0 || r == -EBADMSG);
	FUZZ_CHECK(columns_unpack(packed, two, len, NULL) == r);
	FUZZ_CHECK(r < 0 || memcmp(one, two, len) == 0);
	free(one);
	free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < HEAD)
		return 0;
	if (data[0] % 2 == 0)
		there_and_back(span_of(data + HEAD, len - HEAD));
	else
		back_only(span_of(data + HEAD, len - HEAD),
			  (size_t)data[1] | (size_t)data[2] << 8);
	return 0;
}
