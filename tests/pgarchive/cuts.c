/*
 * Cut an archive short at many places, and turn bytes of it: a cut one is never
 * taken for whole, as a file and as a stream, whatever the pieces it comes in.
 * What is given of it begins as what the whole one gives, up to the first loss.
 * usage: cuts SEED COUNT FILE
 */
#include <stdio.h>
#include <stdlib.h>

#include "indexer/pgdump/pgarc.h"
#include "tests/unit/pgarc_memory.h"

struct result {
	int code;		/* of the table of contents */
	unsigned lost;
	struct buf text;
	size_t good;		/* of text, before the first loss */
	struct err err;
};

static int entry(void *arg, const struct pgarc_entry *e, struct err *err)
{
	(void)arg;
	(void)e;
	(void)err;
	return 0;
}

static int text(void *arg, struct span bytes, struct err *err)
{
	struct result *result = arg;

	buf_append(&result->text, bytes.data, bytes.len);
	if (!result->lost)
		result->good = result->text.len;
	return buf_check(&result->text, err);
}

static int lost(void *arg, const struct pgarc_entry *e, const struct err *why,
		struct err *err)
{
	struct result *result = arg;

	(void)e;
	(void)err;
	if (!why->code || !why->text[0])
		return err_set(err, -EINVAL, "a loss without words");
	result->lost++;
	return 0;
}

static void read_all(struct span all, bool seeks, size_t step,
		     struct result *ret)
{
	const struct pgarc_out out = { .entry = entry, .text = text,
				       .lost = lost, .arg = ret };
	struct pgarc_memory from = { all, 0, step };
	const struct pgarc_input input = {
		pgarc_memory_next, seeks ? pgarc_memory_seek : NULL, &from,
	};
	struct pgarc *arc = NULL;

	*ret = (struct result){ .text = BUF_INIT };
	ret->code = pgarc_open(&input, &arc, &ret->err);
	if (ret->code == 0 && pgarc_text(arc, "key", &out, &ret->err) < 0) {
		fprintf(stderr, "cuts: %s\n", ret->err.text);
		exit(1);
	}
	pgarc_free(arc);
}

static void load(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		exit(2);
	do {
		if (buf_reserve(out, 1 << 20) < 0)
			exit(2);
		n = fread(out->data + out->len, 1, 1 << 20, file);
		out->len += n;
	} while (n > 0);
	fclose(file);
}

/* Everything before the first loss is what the whole gives; the last piece may
 * have been mended at its end (COPY ended, a large object closed). */
static bool begins_as(const struct result *whole, const struct result *cut)
{
	size_t same = 0;

	while (same < cut->good && same < whole->text.len &&
	       cut->text.data[same] == whole->text.data[same])
		same++;
	return cut->good - same <= 64;
}

int main(int argc, char **argv)
{
	struct buf all = BUF_INIT;
	struct result whole, cut;
	unsigned failed = 0;

	if (argc != 4)
		return 2;
	srandom((unsigned)atoi(argv[1]));
	load(argv[3], &all);
	read_all(buf_span(&all), true, 65536, &whole);
	if (whole.code || whole.lost)
		return 1;
	for (int i = 0; i < atoi(argv[2]); i++) {
		/* Half of them near the beginning, where the entries are. */
		size_t len = (size_t)random() %
			     (i & 1 ? all.len : all.len / 50 + 1);
		size_t step = (size_t)random() % 70000 + 1;

		read_all(span_of(all.data, len), i & 2, step, &cut);
		if (!cut.code && (!cut.lost || !begins_as(&whole, &cut))) {
			printf("cut at %zu of %zu: %s\n", len, all.len,
			       cut.lost ? "other bytes" : "taken for whole");
			failed++;
		}
		buf_release(&cut.text);
		/* A turned byte may be anything but a crash. */
		all.data[len] ^= 0x40;
		read_all(buf_span(&all), i & 2, step, &cut);
		all.data[len] ^= 0x40;
		buf_release(&cut.text);
	}
	buf_release(&whole.text);
	buf_release(&all);
	return failed > 0;
}
