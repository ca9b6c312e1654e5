/*
 * codec: compression, and nowhere else (zstd for blocks; inflate by ISA-L in
 * front of archives).
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

#endif
