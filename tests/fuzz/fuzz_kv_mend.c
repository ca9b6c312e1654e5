#include <inttypes.h>
#include <stdio.h>

#include "fs/base/id.h"
#include "fs/base/kv.h"
#include "tests/fuzz/fuzz.h"

#define SUM_LINE 21		/* "sum=" 16 digits "\n" */
#define LINES_MAX 4096u

struct lines {
	struct span line[LINES_MAX];	/* with their newlines */
	uint32_t count;
};

static void split(struct span text, struct lines *ret)
{
	ret->count = 0;
	while (text.len > 0 && ret->count < LINES_MAX) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t n = end ? (size_t)(end - text.data) + 1 : text.len;

		ret->line[ret->count++] = span_of(text.data, n);
		text.data += n;
		text.len -= n;
	}
}

/* The value of one line, or all of it. */
static void change_line(struct span line, struct buf *out, size_t max,
			struct fuzz_rng *rng)
{
	OWNED_BUF struct buf part = BUF_INIT;
	const uint8_t *equals = memchr(line.data, '=', line.len);
	size_t key = equals ? (size_t)(equals - line.data) + 1 : 0;

	if (!fuzz_mostly(rng))
		key = 0;
	if (line.data[line.len - 1] == '\n')
		line.len--;
	buf_append(&part, line.data + key, line.len - key);
	fuzz_change_buf(&part, max);
	buf_append(out, line.data, key);
	for (size_t i = 0; i < part.len; i++)
		if (fuzz_mostly(rng) && part.data[i] < 0x20)
			part.data[i] |= 0x40;
	buf_append(out, part.data, part.len);
	buf_append_byte(out, '\n');
}

static void put(struct buf *out, struct span line)
{
	buf_append(out, line.data, line.len);
}

static void change_lines(const struct lines *lines, struct buf *out,
			 size_t max, struct fuzz_rng *rng)
{
	uint32_t at = fuzz_below(rng, lines->count);
	uint32_t other = fuzz_below(rng, lines->count);
	uint32_t way = fuzz_below(rng, 8);

	for (uint32_t i = 0; i < lines->count; i++) {
		if (i != at)
			put(out, lines->line[i]);
		else if (way == 0)		/* left out */
			continue;
		else if (way == 1)		/* another one's too */
			put(out, lines->line[other]), put(out, lines->line[i]);
		else if (way == 2)		/* twice */
			put(out, lines->line[i]), put(out, lines->line[i]);
		else
			change_line(lines->line[i], out, max, rng);
	}
}

size_t fuzz_kv_change(uint8_t *data, size_t len, size_t max,
		      struct fuzz_rng *rng)
{
	static struct lines lines;
	OWNED_BUF struct buf out = BUF_INIT;
	size_t body = len;

	if (len >= SUM_LINE && !memcmp(data + len - SUM_LINE, "sum=", 4))
		body = len - SUM_LINE;
	split(span_of(data, body), &lines);
	if (lines.count == 0 || max < SUM_LINE + 16)
		return LLVMFuzzerMutate(data, len, max);
	change_lines(&lines, &out, max - SUM_LINE, rng);
	if (out.len == 0 || out.data[out.len - 1] != '\n')
		buf_append_byte(&out, '\n');
	buf_printf(&out, "sum=%016" PRIx64 "\n", sum64(buf_span(&out)));
	return fuzz_take(&out, data, len, max);
}
