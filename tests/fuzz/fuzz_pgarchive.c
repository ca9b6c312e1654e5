/*
 * PostgreSQL's archives.  The first byte says whether the stream can be read
 * from any place, or that the rest is a directory's list of large objects; else
 * the rest is a custom archive or a tar.  What comes of it must
 * not depend on how much is lent at a time.  Where nothing is lost, the archive
 * put together from its rows must give the same text.
 */
#include <stdio.h>
#include <stdlib.h>

#include "indexer/pgdump/pgarc_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/pgarc_memory.h"

#define TEXT_MAX (32u << 20)	/* of a bomb: enough was seen */
#define FILES    64u

struct got {
	struct buf text;
	struct buf lost;
	struct pgarc_view *view;
	struct buf files[FILES];
	size_t file_count;
	size_t entry_at;
	bool no_view;		/* large objects, or too many files */
};

static int entry(void *arg, const struct pgarc_entry *e, struct err *err)
{
	struct got *got = arg;

	(void)err;
	FUZZ_CHECK(!e || e->id > 0);
	got->entry_at = got->text.len;
	return 0;
}

static int text(void *arg, struct span bytes, struct err *err)
{
	struct got *got = arg;

	FUZZ_CHECK(bytes.len > 0);
	if (got->text.len + bytes.len > TEXT_MAX)
		return err_set(err, -EFBIG, "enough");
	buf_append(&got->text, bytes.data, bytes.len);
	return buf_check(&got->text, err);
}

static int lost(void *arg, const struct pgarc_entry *e, const struct err *why,
		struct err *err)
{
	struct got *got = arg;

	(void)err;
	FUZZ_CHECK(why->code < 0 && why->text[0]);
	/* The byte that words tell may be some further on. */
	buf_printf(&got->lost, "%d %d\n", e ? e->id : 0, why->code);
	return 0;
}

static int has_data(void *arg, const struct pgarc_entry *e, uint64_t before,
		    uint64_t len, struct span tail, struct err *err)
{
	struct got *got = arg;
	size_t n = got->file_count;

	FUZZ_CHECK(tail.len <= len);
	if (n == FILES || got->text.len - got->entry_at != before + len ||
	    !strcmp(e->desc, "BLOBS")) {
		got->no_view = true;
		return 0;
	}
	if (tail.len > 0)
		FUZZ_CHECK(!memcmp(got->text.data + got->text.len - tail.len,
				   tail.data, tail.len));
	if (!got->view)
		return 0;
	/* The rows, without their end; or all of the entry. */
	if (len % 2)
		buf_append(&got->files[n], got->text.data + got->entry_at,
			   before + len);
	else
		buf_append(&got->files[n], got->text.data + got->text.len -
			   len, len - tail.len);
	got->file_count++;
	FUZZ_CHECK(pgarc_view_file(got->view, e->id, 0, n,
				   got->files[n].len, err) == 0);
	return pgarc_view_data(got->view, e, before, len, tail, err);
}

struct viewing {
	struct got *got;
	struct buf out;
};

static int view_bytes(void *arg, struct span bytes, struct err *err)
{
	struct viewing *viewing = arg;

	buf_append(&viewing->out, bytes.data, bytes.len);
	return buf_check(&viewing->out, err);
}

static int view_file(void *arg, uint64_t number, uint64_t offset, uint64_t len,
		     struct err *err)
{
	struct viewing *viewing = arg;
	const struct buf *file = &viewing->got->files[number];

	FUZZ_CHECK(number < viewing->got->file_count && len > 0 &&
		   offset + len <= file->len);
	return view_bytes(viewing, span_of(file->data + offset, len), err);
}

static void release(struct got *got)
{
	buf_release(&got->text);
	buf_release(&got->lost);
	for (size_t i = 0; i < got->file_count; i++)
		buf_release(&got->files[i]);
}

/* view: filled where there is one, or NULL. */
static int run(struct span all, bool seeks, size_t step, struct got *got,
	       struct buf *view)
{
	const struct pgarc_out out = { entry, text, lost, has_data, got };
	struct pgarc_memory from = { all, 0, step };
	const struct pgarc_input input = {
		pgarc_memory_next, seeks ? pgarc_memory_seek : NULL, &from,
	};
	struct viewing viewing = { got, BUF_INIT };
	const struct pgarc_view_out to = { view_bytes, view_file, &viewing };
	struct err err = ERR_INIT;
	struct pgarc *arc = NULL;
	int r = pgarc_open(&input, &arc, &err);

	memset(got, 0, sizeof(*got));
	FUZZ_CHECK(r == 0 || err.text[0]);
	if (r < 0)
		return r;
	if (view)
		got->view = pgarc_view_new(pgarc_toc(arc));
	r = pgarc_text(arc, "KEY", &out, &err);
	FUZZ_CHECK(r == 0 || r == -EFBIG);
	if (r == 0 && view && !got->lost.len && !got->no_view &&
	    pgarc_view_give(got->view, &to, &err) == 0)
		buf_swap(view, &viewing.out);
	buf_release(&viewing.out);
	pgarc_view_free(got->view);
	pgarc_free(arc);
	return r;
}

/* The lines of a list, each with its number and name, in pieces of step. */
static int list(struct span all, size_t step, struct buf *out)
{
	struct blobs_list lines = { .len = 0 };
	char name[256];
	uint32_t oid;
	int r = 0;

	while (all.len > 0 && r >= 0) {
		struct span some = span_of(all.data,
					   all.len < step ? all.len : step);

		all.data += some.len;
		all.len -= some.len;
		while ((r = blobs_line(&lines, &some, &oid, name, NULL)) > 0) {
			FUZZ_CHECK(oid > 0 && blobs_is_name(name));
			buf_printf(out, "%u %s\n", oid, name);
		}
	}
	return r;
}

static void lists(struct span all)
{
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;

	FUZZ_CHECK(list(all, all.len, &a) == list(all, 7, &b));
	FUZZ_CHECK(span_equal(buf_span(&a), buf_span(&b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span all = span_of(data + 1, len ? len - 1 : 0);
	OWNED_BUF struct buf view = BUF_INIT;
	struct fuzz_rng rng = fuzz_rng_of(all);
	struct got a, b;
	int r, s;

	if (len < 2)
		return 0;
	if (data[0] & 2) {
		lists(all);
		return 0;
	}
	r = run(all, data[0] & 1, 65536, &a, &view);
	s = run(all, data[0] & 1, fuzz_below(&rng, 300) + 1, &b, NULL);
	FUZZ_CHECK(r == s);
	FUZZ_CHECK(r == -EFBIG || span_equal(buf_span(&a.text),
					     buf_span(&b.text)));
	FUZZ_CHECK(r == -EFBIG || span_equal(buf_span(&a.lost),
					     buf_span(&b.lost)));
	release(&b);
	if (r == 0 && view.len) {
		r = run(buf_span(&view), true, 1000, &b, NULL);
		FUZZ_CHECK(r == 0 && !b.lost.len);
		/* of a damaged one the text says so at its end */
		FUZZ_CHECK(a.lost.len ||
			   span_equal(buf_span(&a.text), buf_span(&b.text)));
		release(&b);
	}
	release(&a);
	return 0;
}

/* The sums of a tar's headers, where there are some. */
static void mend_tar(uint8_t *data, size_t len)
{
	for (size_t at = 0; at + 512 <= len; at += 512) {
		uint8_t *block = data + at;
		unsigned sum = 8 * ' ';

		if (memcmp(block + 257, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : block[i];
		snprintf((char *)block + 148, 8, "%06o", sum);
	}
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	len = LLVMFuzzerMutate(data, len, max);
	if (len > 513 && fuzz_mostly(rng))
		mend_tar(data + 1, len - 1);
	return len;
}
