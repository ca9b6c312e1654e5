#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>

#define SEEK_FROM (256u << 10) /* less than this is read over */

void take_init(struct take *take, const struct pgarc_input *from,
	       const char *what)
{
	*take = (struct take){ .from = *from, .what = what };
}

/* 1: there are bytes left. */
static int fill(struct take *take, struct err *err)
{
	int r = 1;

	if (!take->left.len) {
		take->left = take->rest;
		take->rest = span_of(NULL, 0);
	}
	while (!take->left.len && !take->ended && r > 0) {
		r = take->from.next(take->from.arg, &take->left, err);
		if (r == 0)
			take->ended = true;
	}
	if (r < 0)
		return r;
	return take->left.len > 0;
}

int take_some(struct take *take, uint64_t max, struct span *ret,
	      struct err *err)
{
	int r = fill(take, err);

	if (r <= 0)
		return r;
	*ret = take->left;
	if (ret->len > max)
		ret->len = (size_t)max;
	take->left.data += ret->len;
	take->left.len -= ret->len;
	take->at += ret->len;
	return 1;
}

void take_back(struct take *take, const void *bytes, size_t len)
{
	memcpy(take->back, bytes, len);
	take->rest = take->left;
	take->left = span_of(take->back, len);
	take->at -= len;
}

static int ends_early(const struct take *take, struct err *err)
{
	return err_corrupt(err, "%s ends early, after %" PRIu64 " bytes",
			   take->what, take->at);
}

int take_exact(struct take *take, void *out, size_t len, struct err *err)
{
	uint8_t *at = out;

	while (len > 0) {
		struct span some;
		int r = take_some(take, len, &some, err);

		if (r < 0)
			return r;
		if (r == 0)
			return ends_early(take, err);
		memcpy(at, some.data, some.len);
		at += some.len;
		len -= some.len;
	}
	return 0;
}

int take_seek(struct take *take, uint64_t offset, struct err *err)
{
	int r;

	if (!take->from.seek)
		return err_set(err, -ESPIPE, "%s cannot be read from another "
			       "place: it is a stream", take->what);
	r = take->from.seek(take->from.arg, offset, err);
	if (r < 0)
		return r;
	take->left = take->rest = span_of(NULL, 0);
	take->ended = false;
	take->at = offset;
	return 0;
}

int take_skip(struct take *take, uint64_t len, struct err *err)
{
	struct span some;
	uint8_t last;
	int r;

	/* What a seek lands behind is not known to be there: the last byte is
	 * read. */
	if (len > SEEK_FROM && len > take->left.len && !take->rest.len &&
	    take->from.seek) {
		if (take->at + len < len)
			return ends_early(take, err);
		r = take_seek(take, take->at + len - 1, err);
		return r < 0 ? r : take_exact(take, &last, 1, err);
	}
	while (len > 0) {
		r = take_some(take, len, &some, err);
		if (r < 0)
			return r;
		if (r == 0)
			return ends_early(take, err);
		len -= some.len;
	}
	return 0;
}
