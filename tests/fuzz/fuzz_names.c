/*
 * Paths as archives have them, to keys: no key names a place outside of the
 * snapshot, and a key's path gives that key again.  What is a checkpoint's
 * number is written as it was.
 */
#include <inttypes.h>
#include <stdio.h>

#include "fs/tree/entry.h"
#include "indexer/key.h"
#include "indexer/rocksdb/rocks_find.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	if (fuzz_below(rng, 4) == 0) {
		static const char *const odd[] = {
			"/../", "/./", "//", "..", "/", ".", "/...", "/.. /",
			"/CURRENT", ".tmp", "18446744073709551615", "/0",
		};
		const char *put = odd[fuzz_below(rng, 12)];
		size_t n = strlen(put), at = fuzz_below(rng, (uint32_t)len + 1);

		if (len + n > max)
			return len;
		memmove(data + at + n, data + at, len - at);
		memcpy(data + at, put, n);
		return len + n;
	}
	return LLVMFuzzerMutate(data, len, max);
}

/* Components are none of "", ".", "..", have no '/', are not too long. */
static unsigned look(struct span key)
{
	unsigned depth = 0;

	while (key.len > 0) {
		const uint8_t *end = memchr(key.data, '\0', key.len);
		size_t n;

		FUZZ_CHECK(end != NULL);
		n = (size_t)(end - key.data);
		FUZZ_CHECK(n > 0 && n <= NAME_BYTES_MAX);
		FUZZ_CHECK(!memchr(key.data, '/', n));
		FUZZ_CHECK(!span_equal(span_of(key.data, n), span_str(".")));
		FUZZ_CHECK(!span_equal(span_of(key.data, n), span_str("..")));
		key.data += n + 1;
		key.len -= n + 1;
		depth++;
	}
	return depth;
}

static void again(const struct buf *key)
{
	OWNED_BUF struct buf path = BUF_INIT, other = BUF_INIT;
	const char *why;
	bool absolute;

	buf_append(&path, key->data, key->len);
	for (size_t i = 0; i < path.len; i++)
		if (path.data[i] == '\0')
			path.data[i] = '/';
	FUZZ_CHECK(key_make(buf_span(&path), &other, &absolute, &why) == 0);
	FUZZ_CHECK(!absolute);
	FUZZ_CHECK(span_equal(buf_span(key), buf_span(&other)));
}

static bool is_number(struct span name)
{
	char text[32];
	uint64_t number;
	bool unfinished;

	if (!rocks_number(name, &number, &unfinished))
		return false;
	snprintf(text, sizeof(text), "%" PRIu64 "%s", number,
		 unfinished ? ".tmp" : "");
	FUZZ_CHECK(span_equal(name, span_str(text)));
	return !unfinished;
}

static void checkpoints(struct span path, const struct buf *key)
{
	static const char current[] = "/CURRENT";
	size_t n = sizeof(current) - 1;
	struct rocks_tally tally = { .count = 0 };

	is_number(path);
	rocks_tally_take(&tally, path);
	rocks_tally_end(&tally);
	rocks_tally_release(&tally);
	if (!tally.count || key_depth(buf_span(key)) < 2)
		return;
	FUZZ_CHECK(path.len > n &&
		   !memcmp(path.data + path.len - n, current, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	OWNED_BUF struct buf key = BUF_INIT, text = BUF_INIT;
	struct span path = span_of(data, len);
	const char *why = NULL;
	bool absolute = false;
	int r = key_make(path, &key, &absolute, &why);

	key_print(path, false, &text);
	FUZZ_CHECK(!memchr(text.data, '\n', text.len));
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && why && why[0]);
		return 0;
	}
	FUZZ_CHECK(absolute == (len > 0 && data[0] == '/'));
	FUZZ_CHECK(look(buf_span(&key)) == key_depth(buf_span(&key)));
	FUZZ_CHECK(key_depth(buf_span(&key)) <= DEPTH_MAX);
	FUZZ_CHECK(key.len == 0 || key_name(buf_span(&key)).len > 0);
	again(&key);
	checkpoints(path, &key);
	buf_clear(&text);
	key_print(buf_span(&key), true, &text);
	return 0;
}
