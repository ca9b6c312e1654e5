/*
 * codec: compression, and nowhere else (zstd for blocks; inflate by ISA-L,
 * liblzma, liblz4 and zstd in front of archives; streams of gzip and zstd on the
 * way out).
 *
 * A context is one thread's.  Nothing here trusts a length that came with the
 * data: the caller states how much may come out.
 */
#ifndef VARVE_CODEC_H
#define VARVE_CODEC_H

#include "fs/base/buf.h"

struct packer;			/* a zstd compressor */
struct packer *packer_new(int level);
void packer_free(struct packer *packer);
/* Of what it packs from now on. */
void packer_set_level(struct packer *packer, int level);
/*
 * Compress plain, optionally against prefix (empty span: none), into out
 * (appended).  Decompressed and compared before it returns: -EIO where the
 * result would not give plain back.  Level as made.
 */
int packer_pack(struct packer *packer, struct span plain, struct span prefix,
		struct buf *out, struct err *err);

struct unpacker;
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *unpacker);
/* Room for len bytes of what is unpacked in two steps; stays until the next call
 * or unpacker_free().  NULL: there is no memory. */
uint8_t *unpacker_room(struct unpacker *unpacker, size_t len);
/* For one that is put aside: it keeps no room over `most` bytes. */
void unpacker_trim(struct unpacker *unpacker, size_t most);
/*
 * Exactly plain_len bytes into plain (caller's memory).  -EBADMSG where packed
 * is damaged or gives another length.
 */
int unpacker_unpack(struct unpacker *unpacker, struct span packed,
		    struct span prefix, uint8_t *plain, size_t plain_len,
		    struct err *err);

/*
 * inflate: a gzip stream of any number of members, as it arrives.  Checks each
 * member's CRC-32 and length.  Zero bytes behind the last member are padding
 * (as gzip takes them); other bytes there are reported in *ret_garbage by
 * inflate_end().
 */
struct inflate;
struct inflate *inflate_new(void);
/* The same for one zlib stream (RFC 1950), whose Adler-32 is checked; behind it
 * nothing but zeros may follow. */
struct inflate *inflate_new_zlib(void);
void inflate_free(struct inflate *inflate);
/*
 * Take from in (advanced past what was used) and put up to cap bytes into
 * out; *ret_len is how many.  0; -EBADMSG: damaged from here on (what came
 * out before is good).  Ask again with more input once in is empty and
 * *ret_len < cap.
 */
int inflate_run(struct inflate *inflate, struct span *in, uint8_t *out,
		size_t cap, size_t *ret_len, struct err *err);
/* No more input: 0 between members, -EBADMSG inside one ("ends early"). */
int inflate_end(struct inflate *inflate, bool *ret_garbage, struct err *err);

/*
 * unlzma and unzstd: the same for xz, lzma and lzip, and for zstd.  An archive
 * says itself how much memory its decoder needs: where that is more than these
 * the stream is refused with -ENOTSUP (any lzip file and whatever xz -9 or
 * zstd --ultra -22 make can be read).
 */
#define UNPACK_MEMORY (600u << 20)
#define UNPACK_WINDOW_LOG 29	/* 512 MiB */

enum unlzma_format { UNLZMA_XZ = 1, UNLZMA_ALONE, UNLZMA_LZIP };
struct unlzma;
struct unlzma *unlzma_new(enum unlzma_format format);
void unlzma_free(struct unlzma *unlzma);
/* As inflate_run() and inflate_end(); behind an xz stream nothing but zeros may
 * follow.  -ENOMEM too. */
int unlzma_run(struct unlzma *unlzma, struct span *in, uint8_t *out,
	       size_t cap, size_t *ret_len, struct err *err);
int unlzma_end(struct unlzma *unlzma, bool *ret_garbage, struct err *err);

struct unzstd;
struct unzstd *unzstd_new(void);
void unzstd_free(struct unzstd *unzstd);
/* Nothing but zeros may follow the last frame; skippable ones are passed over. */
int unzstd_run(struct unzstd *unzstd, struct span *in, uint8_t *out,
	       size_t cap, size_t *ret_len, struct err *err);
int unzstd_end(struct unzstd *unzstd, struct err *err);

/* unlz4: the same for LZ4 frames, one behind the other (by liblz4). */
struct unlz4;
struct unlz4 *unlz4_new(void);
void unlz4_free(struct unlz4 *u);
int unlz4_run(struct unlz4 *u, struct span *in, uint8_t *out, size_t cap,
	      size_t *ret_len, struct err *err);
int unlz4_end(struct unlz4 *u, struct err *err);

/*
 * unblock: one block of other formats that stands in memory whole: raw Snappy
 * (behind its length), LZ4 (without a frame) or deflate (without a header).
 * Exactly plain_len bytes into plain; -EBADMSG where packed gives others, is
 * damaged, or -EFBIG where either is 4 GiB or more.
 */
enum unblock_format { UNBLOCK_SNAPPY = 1, UNBLOCK_LZ4, UNBLOCK_DEFLATE };
int unblock(enum unblock_format format, struct span packed, uint8_t *plain,
	    size_t plain_len, struct err *err);

/*
 * Where a compressed stream goes: put is called with bytes as they come, some
 * 64 KiB at a time, and its negative result ends what called it.
 */
struct outlet {
	int (*put)(void *arg, struct span bytes, struct err *err);
	void *arg;
};

/*
 * deflate: a stream as one gzip member (no name, no time), compressed as it
 * arrives.  Memory does not grow with its length.  The same bytes given in other
 * pieces may come out otherwise; they inflate to the same.  After a failure only
 * deflate_free() may follow.
 */
struct deflate;
struct deflate *deflate_new(void);
void deflate_free(struct deflate *deflate);
int deflate_put(struct deflate *deflate, struct span plain,
		const struct outlet *to, struct err *err);
/* The rest of it and the trailer; nothing may be put after. */
int deflate_end(struct deflate *deflate, const struct outlet *to,
		struct err *err);

/* The same as one zstd frame with a checksum. */
struct zstd_stream;
struct zstd_stream *zstd_stream_new(void);
void zstd_stream_free(struct zstd_stream *stream);
int zstd_stream_put(struct zstd_stream *stream, struct span plain,
		    const struct outlet *to, struct err *err);
int zstd_stream_end(struct zstd_stream *stream, const struct outlet *to,
		    struct err *err);

#endif
