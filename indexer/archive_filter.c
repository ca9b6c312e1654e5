#include "indexer/archive_internal.h"

#include <stdlib.h>

#include "indexer/archive_load.h"

/*
 * libarchive as a decompressor: one filter and its "raw" format.  Called in
 * one thread only, the ring's or the reader's.
 */
struct filter {
	struct decoder base;
	struct archive *archive;
	struct source *from;
	enum packing packing;
	_Atomic bool *garbage;
	struct err why;		/* what `from` said */
	struct span in;		/* the last that `from` lent */
	uint64_t given;		/* to this archive, all of in included */
	bool fresh;		/* in was not given to it */
	struct span block;	/* decoded, not taken */
	bool ended;		/* this archive, */
	bool over;		/* and nothing is behind it */
};

static la_ssize_t take(struct archive *a, void *arg, const void **ret)
{
	struct filter *f = arg;
	int r = 1;

	while (r > 0 && (!f->fresh || !f->in.len)) {
		f->in = span_of(NULL, 0);
		r = f->from->next(f->from, &f->in, &f->why);
		f->fresh = true;
	}
	if (r < 0) {
		f->why.code = r;
		libarchive.set_error(a, EIO, "%s", f->why.text);
		return -1;
	}
	f->fresh = false;
	f->given += f->in.len;
	*ret = f->in.data;
	return (la_ssize_t)f->in.len;
}

static int support(struct archive *a, enum packing packing)
{
	switch (packing) {
	case PACKING_BZIP2:
		return libarchive.read_support_filter_bzip2(a);
	case PACKING_LZ4:
		return libarchive.read_support_filter_lz4(a);
	case PACKING_LZOP:
		return libarchive.read_support_filter_lzop(a);
	case PACKING_COMPRESS:
		return libarchive.read_support_filter_compress(a);
	case PACKING_UU:
		return libarchive.read_support_filter_uu(a);
	case PACKING_RPM:
		return libarchive.read_support_filter_rpm(a);
	default:
		break;
	}
	return ARCHIVE_FATAL;
}

/*
 * libarchive runs other programs for these, found in $PATH, and their failure
 * looks like the end of the data.  --command runs them where one can see it,
 * and asks how they ended.
 */
static int refuse(enum packing packing, struct err *err)
{
	const char *command = "lzop -dc FILE";

	if (packing == PACKING_LRZIP)
		command = "lrzcat FILE";
	else if (packing == PACKING_GRZIP)
		command = "sh -c 'grzip -d <FILE'";
	err_set(err, -ENOTSUP, "%s data is not unpacked by Varve itself",
		packing_name(packing));
	err_hint(err, "let its own program do so: "
		 "varve add -s SOURCE --command %s", command);
	return -ENOTSUP;
}

static int filter_err(struct filter *f, struct err *err)
{
	const char *words = libarchive.error_string(f->archive);

	if (f->why.code) {
		if (err)
			*err = f->why;
		return f->why.code;
	}
	if (libarchive.error_number(f->archive) == ENOMEM)
		return err_nomem(err);
	return err_corrupt(err, "%s data is damaged or ends early (%s)",
			   packing_name(f->packing),
			   words ? words : "no reason given");
}

static int filter_begin(struct filter *f, struct err *err)
{
	struct archive_entry *entry;
	int r;

	r = archive_load(err);
	if (r < 0)
		return r;
	f->archive = libarchive.read_new();
	if (!f->archive)
		return err_nomem(err);
	/* ARCHIVE_WARN: it would be done by another program. */
	if (support(f->archive, f->packing) != ARCHIVE_OK)
		return refuse(f->packing, err);
	libarchive.read_support_format_raw(f->archive);
	libarchive.read_support_format_empty(f->archive);
	if (libarchive.read_open2(f->archive, f, NULL, take, NULL, NULL) !=
	    ARCHIVE_OK)
		return filter_err(f, err);
	r = libarchive.read_next_header(f->archive, &entry);
	if (r == ARCHIVE_EOF)
		f->ended = true;
	else if (r < ARCHIVE_WARN)
		return filter_err(f, err);
	if (libarchive.filter_count(f->archive) < 2)
		return err_corrupt(err, "%s data does not begin as it should",
				   packing_name(f->packing));
	return 0;
}

/* in: what the archive did not want of what it was given, or more. */
static int find_rest(struct filter *f, struct err *err)
{
	int64_t took = libarchive.filter_bytes(f->archive, -1);
	uint64_t left = took > 0 && (uint64_t)took < f->given
				? f->given - (uint64_t)took : 0;
	int r = 1;

	if (left < f->in.len) {
		f->in.data += f->in.len - left;
		f->in.len = (size_t)left;
	}
	while (r > 0) {
		while (f->in.len && !f->in.data[0]) {
			f->in.data++;
			f->in.len--;
		}
		if (f->in.len)
			break;
		r = f->from->next(f->from, &f->in, err);
	}
	return r;
}

/* libarchive ends a stream at a member that is empty, and before what it does
 * not know.  A member that follows is read on. */
static int filter_again(struct filter *f, struct err *err)
{
	int r = find_rest(f, err);

	f->over = true;
	if (r <= 0)
		return r;
	if (f->packing == PACKING_RPM || f->packing == PACKING_UU ||
	    sniff_packing(f->in) != f->packing) {
		if (f->garbage)
			atomic_store(f->garbage, true);
		return 0;
	}
	libarchive.read_free(f->archive);
	f->archive = NULL;
	f->given = 0;
	f->fresh = true;
	f->ended = false;
	f->over = false;
	return filter_begin(f, err);
}

static int filter_block(struct filter *f, struct err *err)
{
	const void *data;
	la_int64_t offset;
	size_t len = 0;
	int r = libarchive.read_data_block(f->archive, &data, &len, &offset);

	if (r < ARCHIVE_WARN)
		return filter_err(f, err);
	f->ended = r == ARCHIVE_EOF;
	if (!f->ended)
		f->block = span_of(data, len);
	return 0;
}

static int filter_read(struct decoder *decoder, uint8_t *out, size_t cap,
		       size_t *ret_len, struct err *err)
{
	struct filter *f = (struct filter *)decoder;
	size_t n;
	int r = 0;

	*ret_len = 0;
	if (!f->archive)
		r = filter_begin(f, err);
	while (r == 0 && !f->block.len && !f->over)
		r = f->ended ? filter_again(f, err) : filter_block(f, err);
	if (r < 0 || f->over)
		return r;
	n = f->block.len < cap ? f->block.len : cap;
	memcpy(out, f->block.data, n);
	f->block.data += n;
	f->block.len -= n;
	*ret_len = n;
	return 0;
}

static void filter_free(struct decoder *decoder)
{
	struct filter *f = (struct filter *)decoder;

	if (f->archive)
		libarchive.read_free(f->archive);
	source_free(f->from);
	free(f);
}

int decoder_filter(enum packing packing, struct source *from,
		   _Atomic bool *garbage, struct decoder **ret,
		   struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (!f) {
		source_free(from);
		return err_nomem(err);
	}
	f->base = (struct decoder){ filter_read, filter_free };
	f->packing = packing;
	f->from = from;
	f->garbage = garbage;
	*ret = &f->base;
	return 0;
}
