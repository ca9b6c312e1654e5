#include "fs/base/codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "fs/base/bytes.h"

#define WINDOW_LOG_MAX 27
/* From here on a level's own tables forget the beginning of a prefix. */
#define WINDOW_LOG_FAR 20

struct packer {
	ZSTD_CCtx *ctx;
	int level;
	struct unpacker *proof;
	struct buf back;	/* what proof gives */
};

struct unpacker {
	ZSTD_DCtx *ctx;
	struct buf room;
};

static bool set(ZSTD_CCtx *ctx, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, what, value));
}

struct packer *packer_new(int level)
{
	struct packer *packer = calloc(1, sizeof(*packer));

	if (!packer)
		return NULL;
	packer->level = level;
	packer->ctx = ZSTD_createCCtx();
	packer->proof = unpacker_new();
	/* No checksum of zstd's: every block carries one of our own. */
	if (!packer->ctx || !packer->proof ||
	    !set(packer->ctx, ZSTD_c_checksumFlag, 0) ||
	    !set(packer->ctx, ZSTD_c_contentSizeFlag, 1)) {
		packer_free(packer);
		return NULL;
	}
	return packer;
}

void packer_free(struct packer *packer)
{
	if (!packer)
		return;
	ZSTD_freeCCtx(packer->ctx);
	unpacker_free(packer->proof);
	buf_release(&packer->back);
	free(packer);
}

void packer_set_level(struct packer *packer, int level)
{
	packer->level = level;
}

/* The smallest window that reaches from the end of plain to the beginning of
 * prefix; the level's own (0) where there is no prefix. */
static int window_log(struct span plain, struct span prefix)
{
	int log = 10;

	if (prefix.len == 0)
		return 0;
	while (log < WINDOW_LOG_MAX &&
	       ((size_t)1 << log) < plain.len + prefix.len)
		log++;
	return log;
}

static int compress(struct packer *packer, struct span plain,
		    struct span prefix, struct buf *out, struct err *err)
{
	int window = window_log(plain, prefix);
	size_t n;

	if (buf_reserve(out, ZSTD_compressBound(plain.len)) < 0)
		return err_nomem(err);
	/* A call that failed half-way refuses all settings until then. */
	ZSTD_CCtx_reset(packer->ctx, ZSTD_reset_session_only);
	if (!set(packer->ctx, ZSTD_c_compressionLevel, packer->level) ||
	    !set(packer->ctx, ZSTD_c_windowLog, window) ||
	    !set(packer->ctx, ZSTD_c_enableLongDistanceMatching,
		 window >= WINDOW_LOG_FAR))
		return err_set(err, -EIO, "cannot set up zstd");
	n = ZSTD_CCtx_refPrefix(packer->ctx, prefix.data, prefix.len);
	if (!ZSTD_isError(n))
		n = ZSTD_compress2(packer->ctx, out->data + out->len,
				   out->cap - out->len, plain.data, plain.len);
	if (ZSTD_isError(n))
		return err_set(err, -EIO, "cannot compress: %s",
			       ZSTD_getErrorName(n));
	out->len += n;
	return 0;
}

static int prove(struct packer *packer, struct span packed,
		 struct span plain, struct span prefix, struct err *err)
{
	int r;

	buf_clear(&packer->back);
	if (buf_reserve(&packer->back, plain.len) < 0)
		return err_nomem(err);
	r = unpacker_unpack(packer->proof, packed, prefix, packer->back.data,
			    plain.len, err);
	if (r == -ENOMEM)
		return r;
	packer->back.len = plain.len;
	if (r == 0 && span_equal(buf_span(&packer->back), plain))
		return 0;
	err_set(err, -EIO, "%zu bytes came back otherwise from zstd than they "
		"went in; nothing was stored", plain.len);
	err_hint(err, "suspect this machine's memory or its zstd library");
	return -EIO;
}

int packer_pack(struct packer *packer, struct span plain, struct span prefix,
		struct buf *out, struct err *err)
{
	size_t before = out->len;
	int r;

	r = compress(packer, plain, prefix, out, err);
	if (r == 0)
		r = prove(packer,
			  span_of(out->data + before, out->len - before),
			  plain, prefix, err);
	if (r < 0)
		out->len = before;
	return r;
}

struct unpacker *unpacker_new(void)
{
	struct unpacker *unpacker = calloc(1, sizeof(*unpacker));

	if (!unpacker)
		return NULL;
	unpacker->ctx = ZSTD_createDCtx();
	if (!unpacker->ctx) {
		unpacker_free(unpacker);
		return NULL;
	}
	return unpacker;
}

void unpacker_free(struct unpacker *unpacker)
{
	if (!unpacker)
		return;
	ZSTD_freeDCtx(unpacker->ctx);
	buf_release(&unpacker->room);
	free(unpacker);
}

uint8_t *unpacker_room(struct unpacker *unpacker, size_t len)
{
	buf_clear(&unpacker->room);
	return buf_reserve(&unpacker->room, len) < 0 ? NULL
						    : unpacker->room.data;
}

void unpacker_trim(struct unpacker *unpacker, size_t most)
{
	if (unpacker->room.cap > most)
		buf_release(&unpacker->room);
}

int unpacker_unpack(struct unpacker *unpacker, struct span packed,
		    struct span prefix, uint8_t *plain, size_t plain_len,
		    struct err *err)
{
	uint8_t none;
	size_t n;

	/* One frame, of the present format and not of those before 1.0, and
	 * nothing behind it. */
	if (packed.len < 4 || get_le32(packed.data) != ZSTD_MAGICNUMBER)
		return err_corrupt(err, "compressed bytes are damaged: they "
				   "do not begin as zstd does");
	n = ZSTD_findFrameCompressedSize(packed.data, packed.len);
	if (ZSTD_isError(n))
		return err_corrupt(err, "compressed bytes are damaged: %s",
				   ZSTD_getErrorName(n));
	if (n != packed.len)
		return err_corrupt(err, "compressed bytes are damaged: "
				   "something stands behind their end");
	n = ZSTD_DCtx_refPrefix(unpacker->ctx, prefix.data, prefix.len);
	/* no memory is no damage */
	if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_nomem(err);
	if (!ZSTD_isError(n))
		n = ZSTD_decompressDCtx(unpacker->ctx, plain_len ? plain : &none,
					plain_len, packed.data, packed.len);
	if (ZSTD_isError(n))
		return err_corrupt(err, "compressed bytes are damaged: %s",
				   ZSTD_getErrorName(n));
	if (n != plain_len)
		return err_corrupt(err, "compressed bytes give %zu bytes and "
				   "not %zu", n, plain_len);
	return 0;
}
