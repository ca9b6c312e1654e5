#include "indexer/cutter.h"

#include "fs/base/columns.h"

#define SMALL_FILE (4u << 20)
#define JUDGED	   (32u << 10)	/* first bytes of a large file */
#define EXPECTED   64u

int cutter_init(struct cutter *cutter, struct deposit *deposit,
		const struct chunker *chunker, struct err *err)
{
	*cutter = (struct cutter){
		.deposit = deposit,
		.chunker = chunker,
		.held = BUF_INIT,
	};
	return cutter_begin(cutter, UINT64_MAX, err);
}

void cutter_release(struct cutter *cutter)
{
	content_builder_free(cutter->list);
	cutter->list = NULL;
	buf_release(&cutter->held);
	likes_release(&cutter->likes);
}

int cutter_begin(struct cutter *cutter, uint64_t size, struct err *err)
{
	buf_clear(&cutter->held);
	likes_begin(&cutter->likes);
	cutter->at = 0;
	cutter->sizes = chunker_sizes_for(size);
	cutter->class = size < SMALL_FILE ? CHUNK_SMALL : CHUNK_LARGE;
	cutter->judging = cutter->class == CHUNK_LARGE;
	if (cutter->list && cutter->offset == 0)
		return 0;
	content_builder_free(cutter->list);
	cutter->offset = 0;
	cutter->list = content_builder_new(cutter->deposit);
	return cutter->list ? 0 : err_nomem(err);
}

void cutter_seal(struct cutter *cutter)
{
	if (cutter->class != CHUNK_LARGE)
		return;
	cutter->class = CHUNK_SEALED;
	cutter->sizes = chunker_sizes_for(CHUNKER_LARGEST);
	cutter->judging = false;
}

struct asking {
	struct cutter *cutter;
	uint32_t len;
	bool asked;		/* so the chunk is new */
};

static size_t find_likes(void *arg, struct id *ret, size_t max)
{
	struct asking *asking = arg;

	asking->asked = true;
	return likes_of(&asking->cutter->likes, asking->cutter->at,
			asking->len, ret, max);
}

/* What the large file held behind this is decoded by others meanwhile: it will
 * be compared. */
static void expect_next(struct cutter *cutter)
{
	struct id next[EXPECTED];
	size_t count;

	if (cutter->class == CHUNK_SMALL)
		return;
	count = likes_ahead(&cutter->likes, next, EXPECTED);
	for (size_t i = 0; i < count; i++)
		deposit_expect(cutter->deposit, &next[i]);
}

static int keep(struct cutter *cutter, struct span chunk, struct err *err)
{
	struct asking asking = { cutter, (uint32_t)chunk.len, false };
	const struct deposit_like like = { find_likes, &asking };
	struct extent extent = {
		.type = EXTENT_CHUNK,
		.len = chunk.len,
	};
	int r = deposit_chunk_like(cutter->deposit, cutter->class, chunk,
				   &like, &extent.id, err);

	if (r < 0)
		return r;
	if (!asking.asked) {
		likes_met(&cutter->likes, &extent.id, cutter->at);
		expect_next(cutter);
	}
	cutter->at += chunk.len;
	return content_add(cutter->list, &extent, err);
}

/* Cut chunks off the front of bytes; *bytes is what is left. */
static int cut(struct cutter *cutter, struct span *bytes, bool more,
	       struct err *err)
{
	size_t least = more ? cutter->sizes.max : 1;

	/* Asking only where the answer is sure scans each byte once. */
	while (bytes->len >= least) {
		size_t n = chunker_cut(cutter->chunker, &cutter->sizes,
				       bytes->data, bytes->len, more);
		int r = keep(cutter, span_of(bytes->data, n), err);

		if (r < 0)
			return r;
		bytes->data += n;
		bytes->len -= n;
	}
	return 0;
}

static int cut_held(struct cutter *cutter, bool more, struct err *err)
{
	struct span left = buf_span(&cutter->held);
	int r = cut(cutter, &left, more, err);

	cutter->judging = false;

	if (r < 0)
		return r;
	if (left.len && left.data != cutter->held.data)
		memmove(cutter->held.data, left.data, left.len);
	cutter->held.len = left.len;
	return 0;
}

/* Hold the first bytes until there are enough to judge by. */
static int judge(struct cutter *cutter, struct span *bytes, struct err *err)
{
	size_t n = JUDGED - cutter->held.len;

	n = n < bytes->len ? n : bytes->len;
	buf_append(&cutter->held, bytes->data, n);
	bytes->data += n;
	bytes->len -= n;
	if (cutter->held.len == JUDGED) {
		cutter->judging = false;
		if (columns_are_dense(buf_span(&cutter->held)))
			cutter->sizes = chunker_sizes_for(CHUNKER_LARGEST);
	}
	return buf_check(&cutter->held, err);
}

int cutter_add(struct cutter *cutter, struct span bytes, struct err *err)
{
	size_t max;
	int r;

	cutter->offset += bytes.len;
	if (cutter->judging) {
		r = judge(cutter, &bytes, err);
		if (r < 0)
			return r;
	}
	max = cutter->sizes.max;
	while (cutter->held.len && bytes.len) {
		size_t n = 2 * max - cutter->held.len;

		n = n < bytes.len ? n : bytes.len;
		buf_append(&cutter->held, bytes.data, n);
		bytes.data += n;
		bytes.len -= n;
		r = buf_check(&cutter->held, err);
		if (r == 0 && cutter->held.len >= max)
			r = cut_held(cutter, true, err);
		if (r < 0)
			return r;
	}
	r = cut(cutter, &bytes, true, err);
	if (r < 0)
		return r;
	buf_append(&cutter->held, bytes.data, bytes.len);
	return buf_check(&cutter->held, err);
}

int cutter_hole(struct cutter *cutter, uint64_t len, struct err *err)
{
	struct extent hole = { .type = EXTENT_HOLE, .len = len };
	int r;

	if (len == 0)
		return 0;
	r = cut_held(cutter, false, err);
	if (r < 0)
		return r;
	cutter->offset += len;
	cutter->at = cutter->offset;
	return content_add(cutter->list, &hole, err);
}

static int join_extent(void *arg, uint64_t offset,
		       const struct extent *extent, struct err *err)
{
	struct cutter *cutter = arg;

	(void)offset;
	return content_add(cutter->list, extent, err);
}

int cutter_join(struct cutter *cutter, const struct content *content,
		uint64_t size, struct err *err)
{
	const struct getter getter = { .deposit = cutter->deposit };
	int r = cut_held(cutter, false, err);

	if (r == 0)
		r = content_each(&getter, content, size, join_extent, cutter,
				 err);
	if (r == 0)
		cutter->offset += size;
	cutter->at = cutter->offset;
	return r;
}

int cutter_finish(struct cutter *cutter, struct content *ret,
		  uint64_t *ret_len, struct err *err)
{
	int r = cut_held(cutter, false, err);

	if (r == 0)
		r = content_finish(cutter->list, ret, ret_len, err);
	if (r < 0)
		return r;
	cutter->offset = 0;
	return 0;
}
