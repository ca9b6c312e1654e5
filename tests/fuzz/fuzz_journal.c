/* Journals.  What parses is written again and gives the same bytes. */
#include <inttypes.h>
#include <stdio.h>

#include "fs/base/id.h"
#include "fs/base/journal.h"
#include "tests/fuzz/fuzz.h"

#define START "0000000000000000"

/* The line from its blank on, behind its sum in the chain. */
static void put_line(struct buf *out, char sum[17], struct span line)
{
	OWNED_BUF struct buf whole = BUF_INIT;

	buf_append(&whole, sum, 16);
	buf_append(&whole, line.data, line.len);
	snprintf(sum, 17, "%016" PRIx64, sum64(buf_span(&whole)));
	buf_append(out, sum, 16);
	buf_append(out, line.data, line.len);
	buf_append_byte(out, '\n');
}

/* Change one line or more, and put right all sums. */
size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char sum[17] = START;
	struct span rest = span_of(data, len);
	bool torn = !fuzz_mostly(rng);

	while (rest.len > 16) {
		OWNED_BUF struct buf line = BUF_INIT;
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t n = end ? (size_t)(end - rest.data) : rest.len;

		if (n > 16)
			buf_append(&line, rest.data + 16, n - 16);
		if (n > 16 && !fuzz_mostly(rng))
			fuzz_change_buf(&line, n + 64);
		if (fuzz_below(rng, 16) || n <= 16)
			put_line(&out, sum, buf_span(&line));
		rest = end ? span_of(end + 1, rest.len - n - 1) :
			     span_of(NULL, 0);
	}
	if (out.len == 0)
		return LLVMFuzzerMutate(data, len, max);
	if (torn)
		out.len -= 1 + fuzz_below(rng, out.len > 24 ? 24 : 1);
	return fuzz_take(&out, data, len, max);
}

static int again(void *arg, const char *verb, const char *key,
		 const char *value, struct err *err)
{
	struct journal *journal = arg;

	FUZZ_CHECK(strlen(verb) <= JOURNAL_NAME);
	FUZZ_CHECK(strlen(key) <= JOURNAL_NAME);
	return journal_add(journal, verb, key, value, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct journal journal = { .fd = -1, .sum = START };
	struct span bytes = span_of(data, len);
	struct err err = ERR_INIT;
	char sum[17];
	size_t good;
	int r = journal_parse(bytes, "input", again, &journal, &good, sum,
			      &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	FUZZ_CHECK(good <= len);
	FUZZ_CHECK(span_equal(buf_span(&journal.pending),
			      span_of(data, good)));
	if (r == 0) {
		FUZZ_CHECK(!strcmp(sum, journal.sum));
		/* torn: one line, and no more of it is whole */
		FUZZ_CHECK(good == len ||
			   !memchr(data + good, '\n', len - good) ||
			   memchr(data + good, '\n', len - good) ==
			   data + len - 1);
	}
	buf_release(&journal.pending);
	return 0;
}
