#include "indexer/archive_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

/*
 * libarchive as a decompressor: one filter and its "raw" format.  Called in
 * one thread only, the ring's or the reader's.
 */
struct filter {
	struct decoder base;
	struct archive *archive;
	struct source *from;
	enum packing packing;
	struct err why;		/* what `from` said */
	bool skipped;		/* skippable frames at the beginning are gone */
	struct buf carry;
	bool ended;
};

/*
 * Takes zstd's skippable frames off the beginning: libarchive does not know
 * a stream that begins with one.  They are small (pzstd: 12 bytes).
 */
static int skip_frames(struct filter *f, struct span *bytes)
{
	uint32_t len;

	f->skipped = true;
	while (bytes->len >= 8 && (bytes->data[0] & 0xf0) == 0x50 &&
	       !memcmp(bytes->data + 1, "\x2a\x4d\x18", 3)) {
		len = get_le32(bytes->data + 4);
		if (len > bytes->len - 8)
			return err_corrupt(&f->why, "zstd data begins with a "
					   "frame that is too large");
		bytes->data += 8 + len;
		bytes->len -= 8 + len;
	}
	return 0;
}

static la_ssize_t take(struct archive *a, void *arg, const void **ret)
{
	struct filter *f = arg;
	struct span bytes;
	int r;

	do {
		r = f->from->next(f->from, &bytes, &f->why);
		if (r > 0 && !f->skipped && f->packing == PACKING_ZSTD)
			if (skip_frames(f, &bytes) < 0)
				r = -EBADMSG;
	} while (r > 0 && !bytes.len);
	if (r < 0) {
		f->why.code = r;
		archive_set_error(a, EIO, "%s", f->why.text);
		return -1;
	}
	if (r == 0)
		return 0;
	*ret = bytes.data;
	return (la_ssize_t)bytes.len;
}

static int support(struct archive *a, enum packing packing)
{
	switch (packing) {
	case PACKING_BZIP2:
		return archive_read_support_filter_bzip2(a);
	case PACKING_XZ:
		return archive_read_support_filter_xz(a);
	case PACKING_ZSTD:
		return archive_read_support_filter_zstd(a);
	case PACKING_LZ4:
		return archive_read_support_filter_lz4(a);
	case PACKING_LZIP:
		return archive_read_support_filter_lzip(a);
	case PACKING_LZMA:
		return archive_read_support_filter_lzma(a);
	case PACKING_LZOP:
		return archive_read_support_filter_lzop(a);
	case PACKING_COMPRESS:
		return archive_read_support_filter_compress(a);
	case PACKING_GZIP:
	case PACKING_NONE:
		break;
	}
	return ARCHIVE_FATAL;
}

static int filter_err(struct filter *f, struct err *err)
{
	const char *words = archive_error_string(f->archive);

	if (f->why.code) {
		if (err)
			*err = f->why;
		return f->why.code;
	}
	if (archive_errno(f->archive) == ENOMEM)
		return err_nomem(err);
	return err_corrupt(err, "%s data is damaged or ends early (%s)",
			   packing_name(f->packing),
			   words ? words : "no reason given");
}

static int filter_begin(struct filter *f, struct err *err)
{
	struct archive_entry *entry;
	int r;

	f->archive = archive_read_new();
	if (!f->archive)
		return err_nomem(err);
	/* ARCHIVE_WARN: it would be done by another program. */
	if (support(f->archive, f->packing) != ARCHIVE_OK)
		return err_set(err, -ENOTSUP, "libarchive here cannot read "
			       "%s", packing_name(f->packing));
	archive_read_support_format_raw(f->archive);
	archive_read_support_format_empty(f->archive);
	if (archive_read_open2(f->archive, f, NULL, take, NULL, NULL) !=
	    ARCHIVE_OK)
		return filter_err(f, err);
	r = archive_read_next_header(f->archive, &entry);
	if (r == ARCHIVE_EOF)
		f->ended = true;
	else if (r < ARCHIVE_WARN)
		return filter_err(f, err);
	if (!f->ended && archive_filter_count(f->archive) < 2)
		return err_corrupt(err, "%s data does not begin as it should",
				   packing_name(f->packing));
	return 0;
}

static int filter_read(struct decoder *decoder, uint8_t *out, size_t cap,
		       size_t *ret_len, struct err *err)
{
	struct filter *f = (struct filter *)decoder;
	la_ssize_t n = 0;
	int r;

	if (!f->archive) {
		r = filter_begin(f, err);
		if (r < 0)
			return r;
	}
	if (!f->ended) {
		n = archive_read_data(f->archive, out, cap);
		if (n < 0)
			return filter_err(f, err);
		f->ended = n == 0;
	}
	*ret_len = (size_t)n;
	return 0;
}

static void filter_free(struct decoder *decoder)
{
	struct filter *f = (struct filter *)decoder;

	archive_read_free(f->archive);
	source_free(f->from);
	buf_release(&f->carry);
	free(f);
}

int decoder_filter(enum packing packing, struct source *from,
		   struct decoder **ret, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (!f) {
		source_free(from);
		return err_nomem(err);
	}
	f->base = (struct decoder){ filter_read, filter_free };
	f->packing = packing;
	f->from = from;
	*ret = &f->base;
	return 0;
}
