#include "indexer/archive_internal.h"

#include <stdlib.h>

#include "fs/base/codec.h"

/*
 * A codec of ours as a decoder; libarchive's are in archive_filter.c.  Ours
 * give all that is good before damage, and bound the memory that the packed
 * data asks for.
 */
struct codec {
	void *(*make)(void);
	int (*run)(void *state, struct span *in, uint8_t *out, size_t cap,
		   size_t *ret_len, struct err *err);
	int (*end)(void *state, bool *ret_garbage, struct err *err);
	void (*free)(void *state);
};

static void *gzip_make(void)
{
	return inflate_new();
}

static int gzip_run(void *state, struct span *in, uint8_t *out, size_t cap,
		    size_t *ret_len, struct err *err)
{
	return inflate_run(state, in, out, cap, ret_len, err);
}

static int gzip_end(void *state, bool *ret_garbage, struct err *err)
{
	return inflate_end(state, ret_garbage, err);
}

static void gzip_free(void *state)
{
	inflate_free(state);
}

static void *xz_make(void)
{
	return unlzma_new(UNLZMA_XZ);
}

static void *lzma_make(void)
{
	return unlzma_new(UNLZMA_ALONE);
}

static void *lzip_make(void)
{
	return unlzma_new(UNLZMA_LZIP);
}

static int lzma_run(void *state, struct span *in, uint8_t *out, size_t cap,
		    size_t *ret_len, struct err *err)
{
	return unlzma_run(state, in, out, cap, ret_len, err);
}

static int lzma_end(void *state, bool *ret_garbage, struct err *err)
{
	return unlzma_end(state, ret_garbage, err);
}

static void lzma_free(void *state)
{
	unlzma_free(state);
}

static void *zstd_make(void)
{
	return unzstd_new();
}

static int zstd_run(void *state, struct span *in, uint8_t *out, size_t cap,
		    size_t *ret_len, struct err *err)
{
	return unzstd_run(state, in, out, cap, ret_len, err);
}

static int zstd_end(void *state, bool *ret_garbage, struct err *err)
{
	*ret_garbage = false;
	return unzstd_end(state, err);
}

static void zstd_free(void *state)
{
	unzstd_free(state);
}

static const struct codec *codec_for(enum packing packing)
{
	static const struct codec codecs[] = {
		[PACKING_GZIP] = { gzip_make, gzip_run, gzip_end, gzip_free },
		[PACKING_XZ] = { xz_make, lzma_run, lzma_end, lzma_free },
		[PACKING_LZMA] = { lzma_make, lzma_run, lzma_end, lzma_free },
		[PACKING_LZIP] = { lzip_make, lzma_run, lzma_end, lzma_free },
		[PACKING_ZSTD] = { zstd_make, zstd_run, zstd_end, zstd_free },
	};

	if (packing >= sizeof(codecs) / sizeof(codecs[0]) ||
	    !codecs[packing].make)
		return NULL;
	return &codecs[packing];
}

struct unpack_decoder {
	struct decoder base;
	const struct codec *codec;
	void *state;
	struct source *from;
	struct span in;
	bool full;		/* more may come out without more going in */
	bool ended;
	_Atomic bool *garbage;
	struct err late;	/* met behind bytes that were good */
};

static int unpack_finish(struct unpack_decoder *d, struct err *err)
{
	bool garbage = false;
	int r = d->codec->end(d->state, &garbage, err);

	d->ended = true;
	if (r == 0 && garbage && d->garbage)
		atomic_store(d->garbage, true);
	return r;
}

static int unpack_step(struct unpack_decoder *d, uint8_t *out, size_t cap,
		       size_t *ret_len, struct err *err)
{
	size_t before = d->in.len;
	int r = d->codec->run(d->state, &d->in, out, cap, ret_len, err);

	if (r < 0 && *ret_len) {
		d->late.code = r;
		if (err)
			d->late = *err;
		return 0;
	}
	if (r < 0)
		return r;
	d->full = *ret_len == cap;
	/* It takes no more: what is left is behind the last member. */
	if (!*ret_len && before && d->in.len == before)
		return unpack_finish(d, err);
	return 0;
}

static int unpack_decode(struct decoder *decoder, uint8_t *out, size_t cap,
			 size_t *ret_len, struct err *err)
{
	struct unpack_decoder *d = (struct unpack_decoder *)decoder;
	size_t n = 0;
	int r = 0;

	if (d->late.code) {
		if (err)
			*err = d->late;
		return d->late.code;
	}
	while (!n && !d->ended) {
		if (!d->in.len && !d->full) {
			r = d->from->next(d->from, &d->in, err);
			if (r < 0)
				return r;
			if (r == 0) {
				r = unpack_finish(d, err);
				break;
			}
		}
		r = unpack_step(d, out, cap, &n, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	*ret_len = n;
	return 0;
}

static void unpack_free(struct decoder *decoder)
{
	struct unpack_decoder *d = (struct unpack_decoder *)decoder;

	source_free(d->from);
	if (d->state)
		d->codec->free(d->state);
	free(d);
}

int decoder_unpack(enum packing packing, struct source *from,
		   _Atomic bool *garbage, struct decoder **ret,
		   struct err *err)
{
	const struct codec *codec = codec_for(packing);
	struct unpack_decoder *d;

	if (!from)
		return err_nomem(err);
	if (!codec)
		return decoder_filter(packing, from, garbage, ret, err);
	d = calloc(1, sizeof(*d));
	if (!d) {
		source_free(from);
		return err_nomem(err);
	}
	d->base = (struct decoder){ unpack_decode, unpack_free };
	d->codec = codec;
	d->from = from;
	d->garbage = garbage;
	d->state = codec->make();
	if (!d->state) {
		unpack_free(&d->base);
		return err_nomem(err);
	}
	*ret = &d->base;
	return 0;
}

struct source *source_unpack(const struct layers *layers, struct source *from,
			     _Atomic bool *garbage, struct err *err)
{
	struct decoder *decoder;

	for (unsigned i = 0; i < layers->count && from; i++) {
		if (decoder_unpack(layers->list[i], from, garbage, &decoder,
				   err) < 0)
			return NULL;
		from = source_sync(decoder);
	}
	if (!from)
		err_nomem(err);
	return from;
}
