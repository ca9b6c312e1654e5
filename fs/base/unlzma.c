#include "fs/base/codec.h"

#include <inttypes.h>
#include <lzma.h>
#include <stdlib.h>

struct unlzma {
	enum unlzma_format format;
	lzma_stream lzma;
	bool inside;		/* a stream has begun and not ended */
	bool over;		/* what follows is no stream */
	bool garbage;
	uint64_t streams;	/* that ended as they should */
	uint64_t taken;
	struct err failed;
};

static const char *format_name(const struct unlzma *u)
{
	if (u->format == UNLZMA_XZ)
		return "xz";
	return u->format == UNLZMA_LZIP ? "lzip" : "lzma";
}

struct unlzma *unlzma_new(enum unlzma_format format)
{
	struct unlzma *u = calloc(1, sizeof(*u));

	if (u)
		u->format = format;
	return u;
}

void unlzma_free(struct unlzma *u)
{
	if (!u)
		return;
	lzma_end(&u->lzma);
	free(u);
}

static void damaged(struct unlzma *u, const char *why)
{
	err_corrupt(&u->failed, "%s data is damaged at byte %" PRIu64 ": %s",
		    format_name(u), u->taken, why);
}

static void too_large(struct unlzma *u)
{
	uint64_t wants = lzma_memusage(&u->lzma) >> 20;

	err_set(&u->failed, -ENOTSUP, "its %s data wants %" PRIu64 " MiB of "
		"memory to be unpacked, and %u MiB are the most it may have",
		format_name(u), wants, UNPACK_MEMORY >> 20);
}

/* A stream that does not even begin: of xz an error, as it is to xz(1); the
 * others end without a mark of their own, and something may follow them. */
static void no_stream(struct unlzma *u)
{
	if (!u->streams || u->format == UNLZMA_XZ) {
		damaged(u, u->streams ? "other bytes follow the last stream"
				      : "this is none");
		return;
	}
	u->over = true;
	u->garbage = true;
}

static void end_with(struct unlzma *u, lzma_ret r)
{
	u->inside = false;
	switch (r) {
	case LZMA_STREAM_END:
		u->streams++;
		break;
	case LZMA_MEM_ERROR:
		err_nomem(&u->failed);
		break;
	case LZMA_MEMLIMIT_ERROR:
		too_large(u);
		break;
	case LZMA_FORMAT_ERROR:
		no_stream(u);
		break;
	case LZMA_OPTIONS_ERROR:
		damaged(u, "it was made in a way that is not known here");
		break;
	default:
		damaged(u, "it does not decompress, or its checksum differs");
	}
}

static lzma_ret start(struct unlzma *u)
{
	switch (u->format) {
	case UNLZMA_LZIP:
		return lzma_lzip_decoder(&u->lzma, UNPACK_MEMORY, 0);
	case UNLZMA_ALONE:
		return lzma_alone_decoder(&u->lzma, UNPACK_MEMORY);
	case UNLZMA_XZ:
		break;
	}
	return lzma_stream_decoder(&u->lzma, UNPACK_MEMORY, 0);
}

/* True: a stream begins with the next byte of in. */
static bool begin(struct unlzma *u, struct span *in)
{
	static const uint8_t first[] = {
		[UNLZMA_XZ] = 0xfd, [UNLZMA_ALONE] = 0x5d, [UNLZMA_LZIP] = 'L',
	};
	lzma_ret r;

	while (u->streams && in->len && !in->data[0]) {
		in->data++;
		in->len--;
		u->taken++;
	}
	if (!in->len)
		return false;
	if (in->data[0] != first[u->format]) {
		no_stream(u);
		return false;
	}
	r = start(u);
	u->inside = r == LZMA_OK;
	if (!u->inside)
		end_with(u, r);
	return u->inside;
}

/* False: it wants more input. */
static bool step(struct unlzma *u, struct span *in)
{
	size_t room = u->lzma.avail_out;
	lzma_ret r;

	u->lzma.next_in = in->data;
	u->lzma.avail_in = in->len;
	r = lzma_code(&u->lzma, LZMA_RUN);
	u->taken += in->len - u->lzma.avail_in;
	in->data += in->len - u->lzma.avail_in;
	in->len = u->lzma.avail_in;
	if (r == LZMA_BUF_ERROR)
		return false;
	if (r != LZMA_OK)
		end_with(u, r);
	return r != LZMA_OK || in->len || u->lzma.avail_out < room;
}

static int give_failed(const struct unlzma *u, struct err *err)
{
	if (err)
		*err = u->failed;
	return u->failed.code;
}

int unlzma_run(struct unlzma *u, struct span *in, uint8_t *out, size_t cap,
	       size_t *ret_len, struct err *err)
{
	u->lzma.next_out = out;
	u->lzma.avail_out = cap;
	while (u->lzma.avail_out && !u->failed.code && !u->over) {
		if (!u->inside && !begin(u, in))
			break;
		if (!step(u, in))
			break;
	}
	/* What came out before the damage goes out first. */
	if (u->failed.code && u->lzma.avail_out == cap)
		return give_failed(u, err);
	*ret_len = cap - u->lzma.avail_out;
	return 0;
}

int unlzma_end(struct unlzma *u, bool *ret_garbage, struct err *err)
{
	if (u->failed.code)
		return give_failed(u, err);
	if (u->inside || !u->streams)
		return err_corrupt(err, "%s data ends early, after %" PRIu64
				   " bytes", format_name(u), u->taken);
	*ret_garbage = u->garbage;
	return 0;
}
