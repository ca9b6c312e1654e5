#include "fs/base/codec.h"

#include <stdlib.h>
#include <zstd.h>

#define LEVEL 3
#define OUT_SIZE (64 * 1024)

struct zstd_stream {
	ZSTD_CCtx *ctx;
	uint8_t out[OUT_SIZE];
};

static bool set(ZSTD_CCtx *ctx, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, what, value));
}

struct zstd_stream *zstd_stream_new(void)
{
	struct zstd_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->ctx = ZSTD_createCCtx();
	if (!stream->ctx ||
	    !set(stream->ctx, ZSTD_c_compressionLevel, LEVEL) ||
	    !set(stream->ctx, ZSTD_c_checksumFlag, 1)) {
		zstd_stream_free(stream);
		return NULL;
	}
	return stream;
}

void zstd_stream_free(struct zstd_stream *stream)
{
	if (!stream)
		return;
	ZSTD_freeCCtx(stream->ctx);
	free(stream);
}

/* Until all of plain was taken, or, at the end, all was given. */
static int run(struct zstd_stream *stream, struct span plain,
	       ZSTD_EndDirective how, const struct outlet *to,
	       struct err *err)
{
	ZSTD_inBuffer in = { plain.data, plain.len, 0 };
	size_t left;
	int r;

	do {
		ZSTD_outBuffer out = { stream->out, OUT_SIZE, 0 };

		left = ZSTD_compressStream2(stream->ctx, &out, &in, how);
		if (ZSTD_isError(left))
			return err_set(err, -EIO, "cannot compress: %s",
				       ZSTD_getErrorName(left));
		r = out.pos ? to->put(to->arg, span_of(stream->out, out.pos),
				      err) : 0;
		if (r < 0)
			return r;
	} while (in.pos < in.size || (how == ZSTD_e_end && left > 0));
	return 0;
}

int zstd_stream_put(struct zstd_stream *stream, struct span plain,
		    const struct outlet *to, struct err *err)
{
	return plain.len ? run(stream, plain, ZSTD_e_continue, to, err) : 0;
}

int zstd_stream_end(struct zstd_stream *stream, const struct outlet *to,
		    struct err *err)
{
	return run(stream, span_of(NULL, 0), ZSTD_e_end, to, err);
}
