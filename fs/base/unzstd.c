#include "fs/base/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct unzstd {
	ZSTD_DCtx *ctx;
	bool inside;		/* a frame has begun and not ended */
	size_t want;		/* bytes up to the end of the next block's head */
	uint64_t frames;
	uint64_t taken;
	struct err failed;
};

#define FRAME_BEGIN 5		/* what tells how long the header is */
#define BLOCK_HEAD  3

struct unzstd *unzstd_new(void)
{
	struct unzstd *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->ctx = ZSTD_createDCtx();
	if (!u->ctx ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(u->ctx, ZSTD_d_windowLogMax,
						UNPACK_WINDOW_LOG))) {
		unzstd_free(u);
		return NULL;
	}
	return u;
}

void unzstd_free(struct unzstd *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->ctx);
	free(u);
}

static void fail(struct unzstd *u, size_t code)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_memory_allocation:
		err_nomem(&u->failed);
		return;
	case ZSTD_error_frameParameter_windowTooLarge:
		err_set(&u->failed, -ENOTSUP, "its zstd data wants a window of "
			"more than %u MiB to be unpacked",
			1u << UNPACK_WINDOW_LOG >> 20);
		return;
	default:
		err_corrupt(&u->failed, "zstd data is damaged at byte %" PRIu64
			    ": %s", u->taken,
			    u->frames && !u->inside
				    ? "other bytes follow the last frame"
				    : ZSTD_getErrorName(code));
	}
}

/* True: a frame may begin with the next byte of in. */
static bool begin(struct unzstd *u, struct span *in)
{
	while (u->frames && in->len && !in->data[0]) {
		in->data++;
		in->len--;
		u->taken++;
	}
	return in->len > 0;
}

/* What may be given at once: a block and the next one's head apart. */
static size_t portion(const struct unzstd *u)
{
	if (!u->inside)
		return FRAME_BEGIN;
	return u->want > BLOCK_HEAD ? u->want - BLOCK_HEAD : u->want;
}

/*
 * False: it wants more input, or has failed.  Where a block is damaged, what
 * the same call made of the blocks before is lost: one at a time.
 */
static bool step(struct unzstd *u, struct span *in, ZSTD_outBuffer *out)
{
	size_t want = portion(u);
	ZSTD_inBuffer from = { in->data, in->len < want ? in->len : want, 0 };
	size_t before = out->pos;
	size_t r = ZSTD_decompressStream(u->ctx, out, &from);

	u->taken += from.pos;
	in->data += from.pos;
	in->len -= from.pos;
	if (ZSTD_isError(r)) {
		fail(u, r);
		return false;
	}
	u->inside = r != 0;
	u->want = r;
	if (!u->inside)
		u->frames++;
	return from.pos || out->pos > before;
}

static int give_failed(const struct unzstd *u, struct err *err)
{
	if (err)
		*err = u->failed;
	return u->failed.code;
}

int unzstd_run(struct unzstd *u, struct span *in, uint8_t *out, size_t cap,
	       size_t *ret_len, struct err *err)
{
	ZSTD_outBuffer to = { out, cap, 0 };

	while (to.pos < cap && !u->failed.code) {
		if (!u->inside && !begin(u, in))
			break;
		if (!step(u, in, &to))
			break;
	}
	/* What came out before the damage goes out first. */
	if (u->failed.code && !to.pos)
		return give_failed(u, err);
	*ret_len = to.pos;
	return 0;
}

int unzstd_end(struct unzstd *u, struct err *err)
{
	if (u->failed.code)
		return give_failed(u, err);
	if (u->inside || !u->frames)
		return err_corrupt(err, "zstd data ends early, after %" PRIu64
				   " bytes", u->taken);
	return 0;
}
