/*
 * cuts DUMP COUNT: a plain dump cut off at COUNT lengths, drawn by a seed that
 * is told, through the scanner alone: each is told as incomplete, and its text
 * is all there.  Prints what does not hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "indexer/pgdump/pg_plain.h"
#include "tests/unit/fake_sink.h"

#define PIECE (256u << 10)

static bool read_file(const char *path, struct buf *ret)
{
	FILE *file = fopen(path, "rb");
	size_t n = file ? 1 : 0;

	while (n && buf_reserve(ret, PIECE) == 0) {
		n = fread(ret->data + ret->len, 1, PIECE, file);
		ret->len += n;
	}
	if (file)
		fclose(file);
	return file && !n;
}

static int feed(struct pg_plain *plain, struct span text)
{
	int r = 0;

	while (r == 0 && text.len) {
		size_t n = text.len < PIECE ? text.len : PIECE;

		r = pg_plain_feed(plain, span_of(text.data, n), NULL);
		text.data += n;
		text.len -= n;
	}
	return r < 0 ? r : pg_plain_finish(plain, NULL, NULL);
}

static const char *judge(struct sink *sink, int r, size_t len, bool whole)
{
	const struct fake_entry *all = fake_find(sink, "restore.sql");
	bool told = sink->weights[WEIGHT_LOST] || sink->weights[WEIGHT_INPUT];

	if (r < 0)
		return "it failed";
	if (sink->broken)
		return sink->broken;
	if (told == whole)
		return whole ? "it is told as incomplete"
			     : "it is told as complete";
	if (!all || all->size != len || sink->stream_len != len)
		return "restore.sql or the original is not as long";
	return NULL;
}

static bool try(struct span text, bool whole)
{
	const struct entry like = { .type = ENTRY_FILE, .mode = 0640 };
	const struct pg_plain_options options = { .like = &like,
						  .is_input = true };
	const char *why = "no memory";
	struct pg_plain *plain;
	struct sink sink;

	fake_init(&sink);
	sink.keep_nothing = true;
	plain = pg_plain_new(&sink, &options);
	if (plain)
		why = judge(&sink, feed(plain, text), text.len, whole);
	if (why)
		printf("cut at %zu: %s\n", text.len, why);
	pg_plain_free(plain);
	fake_release(&sink);
	return !why;
}

int main(int argc, char **argv)
{
	OWNED_BUF struct buf dump = BUF_INIT;
	unsigned seed = (unsigned)time(NULL);
	bool fine;

	if (argc != 3 || !read_file(argv[1], &dump) || dump.len < 100) {
		fprintf(stderr, "usage: cuts DUMP COUNT\n");
		return 2;
	}
	printf("seed %u\n", seed);
	srandom(seed);
	fine = try(buf_span(&dump), true);
	/* The last of its two newlines is no part of the mark. */
	for (int i = atoi(argv[2]); i > 0; i--)
		fine &= try(span_of(dump.data,
				    (size_t)random() % (dump.len - 1)),
			    false);
	return fine ? 0 : 1;
}
