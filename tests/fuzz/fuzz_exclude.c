/*
 * Patterns of what is left out: lines of patterns, a zero byte, then a path.
 * Any pattern is decided in time that the length bounds.
 */
#include <stdlib.h>

#include "indexer/reader.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	if (fuzz_below(rng, 4) == 0 && len < max) {
		size_t at = fuzz_below(rng, (uint32_t)len + 1);

		memmove(data + at + 1, data + at, len - at);
		data[at] = (uint8_t)"**/?[]!\\a-\n"[fuzz_below(rng, 11)];
		return len + 1;
	}
	return LLVMFuzzerMutate(data, len, max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *path, *line, *rest;
	struct exclude *exclude = exclude_new();

	FUZZ_CHECK(text && exclude);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	path = strlen(text) < len ? text + strlen(text) + 1 : text + len;
	for (line = text; line; line = rest) {
		struct err err = ERR_INIT;
		int r;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		r = exclude_add(exclude, line, &err);
		FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	}
	exclude_match(exclude, path, false);
	exclude_match(exclude, path, true);
	exclude_free(exclude);
	free(text);
	return 0;
}
