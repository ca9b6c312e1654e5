#include "fs/base/codec.h"

#include <inttypes.h>
#include <lz4frame.h>
#include <stdlib.h>

/*
 * A frame declares blocks of at most 4 MiB, and the library allocates for two
 * of them and no more: what a stranger says costs no more than that.
 */
struct unlz4 {
	LZ4F_dctx *ctx;
	bool inside;		/* a frame has begun and not ended */
	size_t want;		/* bytes up to the end of the next block's size */
	uint64_t frames;
	uint64_t taken;
	struct err failed;
};

struct unlz4 *unlz4_new(void)
{
	struct unlz4 *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&u->ctx,
							 LZ4F_VERSION))) {
		u->ctx = NULL;
		unlz4_free(u);
		return NULL;
	}
	return u;
}

void unlz4_free(struct unlz4 *u)
{
	if (!u)
		return;
	LZ4F_freeDecompressionContext(u->ctx);
	free(u);
}

#define FRAME_BEGIN 7		/* the shortest header */
#define BLOCK_SIZE  4		/* the bytes that tell a block's */

/* Zeros behind the last frame are padding. */
static void skip_padding(struct unlz4 *u, struct span *in)
{
	while (u->frames && !u->inside && in->len && !in->data[0]) {
		in->data++;
		in->len--;
		u->taken++;
	}
}

static void fail(struct unlz4 *u, size_t code)
{
	err_corrupt(&u->failed, "lz4 data is damaged at byte %" PRIu64 ": %s",
		    u->taken, u->frames && !u->inside
				      ? "other bytes follow the last frame"
				      : LZ4F_getErrorName(code));
}

/* What may be given at once: a block and its size apart. */
static size_t portion(const struct unlz4 *u)
{
	if (!u->inside)
		return FRAME_BEGIN;
	return u->want > BLOCK_SIZE ? u->want - BLOCK_SIZE : u->want;
}

/*
 * False: it wants more input, or has failed.  Where a call fails, what it made
 * before is lost: one block at a time.
 */
static bool step(struct unlz4 *u, struct span *in, uint8_t *out, size_t cap,
		 size_t *len)
{
	size_t made = cap - *len;
	size_t used, r;

	skip_padding(u, in);
	used = portion(u);
	if (used > in->len)
		used = in->len;
	if (!u->inside && used == 0)
		return false;
	r = LZ4F_decompress(u->ctx, out + *len, &made, in->data, &used, NULL);
	if (LZ4F_isError(r)) {
		fail(u, r);
		return false;
	}
	u->taken += used;
	in->data += used;
	in->len -= used;
	*len += made;
	u->inside = r != 0;
	u->want = r;
	if (r == 0)
		u->frames++;
	return used || made;
}

static int give_failed(const struct unlz4 *u, struct err *err)
{
	if (err)
		*err = u->failed;
	return u->failed.code;
}

int unlz4_run(struct unlz4 *u, struct span *in, uint8_t *out, size_t cap,
	      size_t *ret_len, struct err *err)
{
	size_t len = 0;

	while (len < cap && !u->failed.code && step(u, in, out, cap, &len))
		;
	/* What came out before the damage goes out first. */
	if (u->failed.code && !len)
		return give_failed(u, err);
	*ret_len = len;
	return 0;
}

int unlz4_end(struct unlz4 *u, struct err *err)
{
	if (u->failed.code)
		return give_failed(u, err);
	if (u->inside || !u->frames)
		return err_corrupt(err, "lz4 data ends early, after %" PRIu64
				   " bytes", u->taken);
	return 0;
}
