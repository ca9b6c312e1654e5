#include "indexer/archive_format.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/archive_load.h"

/*
 * The formats libarchive reads.  mtree is not among them: it makes libarchive
 * open files of this host that the archive names.
 */

#define FAILED_MAX 1000

struct format {
	struct level *level;
	struct run *run;
	struct archive *archive;
	struct cpio_links *links;
	enum form form;
	locale_t locale;
	int fd;			/* seekable, or -1 */
	uint64_t base, at, size;
	uint64_t taken;		/* read in all, for the progress */
	uint8_t *buffer;
	size_t lent;
	bool in_header;		/* libarchive looks for one, */
	uint64_t header_taken;	/* with these bytes so far */
	bool some_entry;	/* whose data may not all be read */
};

/* Reading: from the window, or from a file that can be sought in. */

/*
 * libarchive gathers a cpio header's name whole, however long it claims to be
 * (up to 4 GiB).  So it gets no more than HEADER_MAX while it looks for one.
 */
static bool header_too_long(struct format *f, struct archive *a)
{
	if (!f->in_header || f->header_taken <= HEADER_MAX)
		return false;
	libarchive.set_error(a, EINVAL, "a header is too long");
	return true;
}

/* The data before a header is passed over first, as it may be of any length. */
static int next_header(struct format *f, struct archive_entry **ret)
{
	int la;

	if (f->form != FORM_CPIO)
		return libarchive.read_next_header(f->archive, ret);
	if (f->some_entry) {
		la = libarchive.read_data_skip(f->archive);
		if (la == ARCHIVE_FATAL)
			return la;
	}
	f->header_taken = 0;
	f->in_header = true;
	la = libarchive.read_next_header(f->archive, ret);
	f->in_header = false;
	f->some_entry = la == ARCHIVE_OK || la == ARCHIVE_WARN;
	return la;
}

static la_ssize_t take_window(struct archive *a, void *arg, const void **ret)
{
	struct format *f = arg;
	struct window *w = f->level->window;
	struct span some;

	window_take(w, f->lent);
	f->lent = 0;
	if (header_too_long(f, a))
		return -1;
	some = window_some(w, UINT64_MAX);
	f->lent = some.len;
	f->header_taken += some.len;
	if (!some.len && w->why.code) {
		libarchive.set_error(a, EIO, "%s", w->why.text);
		return -1;
	}
	*ret = some.data;
	return (la_ssize_t)some.len;
}

static la_ssize_t take_fd(struct archive *a, void *arg, const void **ret)
{
	struct format *f = arg;
	ssize_t n;

	if (header_too_long(f, a))
		return -1;
	do {
		n = pread(f->fd, f->buffer, ARCHIVE_BUFFER,
			  (off_t)(f->base + f->at));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		libarchive.set_error(a, errno, "cannot read it");
		return -1;
	}
	f->at += (uint64_t)n;
	f->taken += (uint64_t)n;
	f->header_taken += (uint64_t)n;
	if (!f->level->prefix.len && !f->level->window)
		run_progress(f->run,
			     f->taken < f->size ? f->taken : f->size);
	*ret = f->buffer;
	return (la_ssize_t)n;
}

static la_int64_t skip_fd(struct archive *a, void *arg, la_int64_t request)
{
	struct format *f = arg;
	uint64_t n = request > 0 ? (uint64_t)request : 0;

	(void)a;
	if (n > f->size - f->at)
		n = f->size - f->at;
	f->at += n;
	return (la_int64_t)n;
}

static la_int64_t seek_fd(struct archive *a, void *arg, la_int64_t offset,
			  int whence)
{
	struct format *f = arg;
	int64_t from = whence == SEEK_CUR ? (int64_t)f->at
					  : whence == SEEK_END
						    ? (int64_t)f->size : 0;

	if (offset > INT64_MAX - from || from + offset < 0 ||
	    (uint64_t)(from + offset) > f->size) {
		libarchive.set_error(a, EINVAL,
				     "a place outside of the archive");
		return ARCHIVE_FATAL;
	}
	f->at = (uint64_t)(from + offset);
	return (la_int64_t)f->at;
}

/*
 * Raw names come out raw in the C locale only; names the format marks as
 * UTF-8 or UTF-16 come out at all in a UTF-8 one only (composed there: two
 * names that differ in that alone become one, as they do in bsdtar).
 */
static locale_t locale_for(enum form form)
{
	switch (form) {
	case FORM_ZIP:
	case FORM_7ZIP:
	case FORM_RAR:
	case FORM_CAB:
	case FORM_ISO:
	case FORM_LHA:
	case FORM_XAR:
		return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	default:
		return newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	}
}

static int support(struct archive *a, enum form form)
{
	switch (form) {
	case FORM_CPIO:
		return libarchive.read_support_format_cpio(a);
	case FORM_ZIP:
		return libarchive.read_support_format_zip(a);
	case FORM_7ZIP:
		return libarchive.read_support_format_7zip(a);
	case FORM_RAR:
		libarchive.read_support_format_rar5(a);
		return libarchive.read_support_format_rar(a);
	case FORM_CAB:
		return libarchive.read_support_format_cab(a);
	case FORM_AR:
		return libarchive.read_support_format_ar(a);
	case FORM_XAR:
		return libarchive.read_support_format_xar(a);
	case FORM_ISO:
		return libarchive.read_support_format_iso9660(a);
	case FORM_LHA:
		return libarchive.read_support_format_lha(a);
	case FORM_WARC:
		return libarchive.read_support_format_warc(a);
	case FORM_NONE:
	case FORM_TAR:
		break;
	}
	return ARCHIVE_FATAL;
}

static const char *words(struct format *f)
{
	const char *text = libarchive.error_string(f->archive);

	return text && *text ? text : "it ends early or is damaged";
}

static int format_open(struct format *f)
{
	f->archive = libarchive.read_new();
	if (!f->archive)
		return ARCHIVE_FATAL;
	if (support(f->archive, f->form) < ARCHIVE_WARN)
		return ARCHIVE_FATAL;
	libarchive.read_set_callback_data(f->archive, f);
	libarchive.read_set_read_callback(f->archive,
					  f->fd < 0 ? take_window : take_fd);
	if (f->fd >= 0) {
		libarchive.read_set_skip_callback(f->archive, skip_fd);
		libarchive.read_set_seek_callback(f->archive, seek_fd);
	}
	return libarchive.read_open1(f->archive);
}

/* Data. */

static int over_limit(struct format *f, struct span path)
{
	if (f->level->out <= f->level->limit)
		return 0;
	put_lost(f->level, path,
		 "it holds far more bytes than it is large: not read further");
	return 1;
}

/* 0; 1: nothing more can be read from this archive. */
static int copy_data(struct format *f, struct span path, uint64_t *ret_end)
{
	const void *data;
	size_t len;
	la_int64_t offset;
	int r = ARCHIVE_OK;

	while (!f->run->fatal && !over_limit(f, path)) {
		r = libarchive.read_data_block(f->archive, &data, &len,
					       &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			break;
		if (r == ARCHIVE_WARN)
			put_warn(f->level, WEIGHT_LOST, path,
				 "its data is damaged: %s", words(f));
		if (!len)
			continue;
		if (offset < 0 || (uint64_t)offset < *ret_end)
			break;
		if (put_data(f->level, (uint64_t)offset,
			     span_of(data, len)) < 0)
			return f->run->fatal;
		*ret_end = (uint64_t)offset + len;
	}
	if (f->run->fatal)
		return f->run->fatal;
	if (f->level->out > f->level->limit)
		return 1;
	put_warn(f->level, WEIGHT_LOST, path,
		 "only %" PRIu64 " bytes of it could be read: %s", *ret_end,
		 words(f));
	return r == ARCHIVE_FATAL;
}

static int put_file(struct format *f, struct span path, struct entry *e)
{
	uint64_t end = 0;
	int r = put_begin(f->level, path, e), stop;

	if (r <= 0)
		return r;
	stop = copy_data(f, path, &end);
	if (stop < 0)
		return stop;
	/* What is cut off is not filled up with a hole. */
	r = put_end(f->level, end);
	return r < 0 ? r : stop;
}

struct member_decoder {
	struct decoder base;
	struct format *format;
	struct buf head;
	size_t head_at;
	bool ended;
};

static int member_decode(struct decoder *decoder, uint8_t *out, size_t cap,
			 size_t *ret_len, struct err *err)
{
	struct member_decoder *d = (struct member_decoder *)decoder;
	size_t n = d->head.len - d->head_at;
	la_ssize_t got;

	if (n) {
		n = n < cap ? n : cap;
		memcpy(out, d->head.data + d->head_at, n);
		d->head_at += n;
		*ret_len = n;
		return 0;
	}
	got = d->ended ? 0 : libarchive.read_data(d->format->archive, out, cap);
	if (got < 0)
		return err_corrupt(err, "%s", words(d->format));
	d->ended = got == 0;
	*ret_len = (size_t)got;
	return 0;
}

static void member_decoder_free(struct decoder *decoder)
{
	struct member_decoder *d = (struct member_decoder *)decoder;

	buf_release(&d->head);
	free(d);
}

static int read_head(struct member_decoder *d, size_t want)
{
	la_ssize_t n;

	if (buf_reserve(&d->head, want) < 0)
		return -ENOMEM;
	while (d->head.len < want && !d->ended) {
		n = libarchive.read_data(d->format->archive,
					 d->head.data + d->head.len,
					 want - d->head.len);
		if (n < 0)
			return -EBADMSG;
		d->ended = n == 0;
		d->head.len += (size_t)n;
	}
	return 0;
}

/* A member whose head was read to look at it is put from there on. */
static int put_from_head(struct format *f, struct span path, struct entry *e,
			 struct member_decoder *d)
{
	uint8_t *room = f->level->run->fatal ? NULL : malloc(ARCHIVE_BUFFER);
	struct err why = ERR_INIT;
	uint64_t end = 0;
	size_t n = 0;
	int r;

	if (!room)
		return run_fatal(f->run, err_nomem(f->run->err));
	r = put_begin(f->level, path, e);
	while (r > 0) {
		int d_r = member_decode(&d->base, room, ARCHIVE_BUFFER, &n,
					&why);

		if (d_r < 0)
			put_warn(f->level, WEIGHT_LOST, path, "only %" PRIu64
				 " bytes of it could be read: %s", end,
				 why.text);
		if (d_r < 0 || !n || over_limit(f, path)) {
			r = put_end(f->level, end);
			break;
		}
		if (put_data(f->level, end, span_of(room, n)) < 0)
			r = f->run->fatal;
		end += n;
	}
	free(room);
	return r < 0 ? r : 0;
}

static int put_or_expand(struct format *f, struct span path,
			 struct entry *e)
{
	struct expand_plan plan = { .way = EXPAND_NOT };
	struct member_decoder *d;
	int r = 0;

	if (!f->run->input->expand || !f->level->depth || !e->size)
		return put_file(f, path, e);
	d = calloc(1, sizeof(*d));
	if (!d)
		return run_fatal(f->run, err_nomem(f->run->err));
	d->base = (struct decoder){ member_decode, member_decoder_free };
	d->format = f;
	r = read_head(d, TAR_BLOCK);
	if (r == 0 && expand_likely(buf_span(&d->head))) {
		r = read_head(d, SNIFF_MAX);
		expand_sniff(path, buf_span(&d->head),
			     d->ended ? d->head.len : e->size, &plan);
	}
	if (plan.way != EXPAND_NOT)
		return expand_run(f->level, path, e, &plan,
				  source_sync(&d->base));
	r = put_from_head(f, path, e, d);
	decoder_free(&d->base);
	return r;
}

static int put_cpio_file(struct format *f, struct archive_entry *ae,
			 struct span path, struct entry *e)
{
	struct cpio_name name = {
		.dev = (uint64_t)libarchive.entry_dev(ae),
		.ino = (uint64_t)libarchive.entry_ino64(ae),
		.nlink = libarchive.entry_nlink(ae),
		.size = e->size,
	};
	int r, stop;

	if (name.nlink < 2)
		return put_or_expand(f, path, e);
	r = cpio_links_seen(f->links, f->level, &name, path, e);
	if (r)
		return r < 0 ? r : 0;
	stop = put_file(f, path, e);
	if (stop < 0)
		return stop;
	r = cpio_links_put(f->links, f->level, &name, path);
	return r < 0 ? r : stop;
}

static int put_by_type(struct format *f, struct archive_entry *ae,
		      struct span path, struct entry *e)
{
	const char *link = libarchive.entry_hardlink(ae);

	if (e->type == ENTRY_SYMLINK &&
	    (!e->target.len || e->target.len > TARGET_MAX)) {
		put_warn(f->level, WEIGHT_REFUSED, path,
			 "a symbolic link that leads nowhere");
		return 0;
	}
	if (f->form == FORM_CPIO && e->type == ENTRY_FILE)
		return put_cpio_file(f, ae, path, e);
	if (link)
		return put_link(f->level, path, span_str(link));
	if (e->type != ENTRY_FILE)
		return put_plain(f->level, path, e);
	if (libarchive.entry_is_data_encrypted(ae)) {
		put_warn(f->level, WEIGHT_LOST, path,
			 "is encrypted; left out");
		return 0;
	}
	return put_or_expand(f, path, e);
}

/*
 * Where libarchive finds no header it looks for the next one, and tells how
 * much it passed over as a mere warning.
 */
static void tell_skipped(struct format *f, int la)
{
	const char *text = libarchive.error_string(f->archive);

	if (la == ARCHIVE_WARN && f->form == FORM_CPIO && text &&
	    !strncmp(text, "Skipped ", 8))
		put_warn(f->level, WEIGHT_LOST, span_of(NULL, 0),
			 "a header is damaged, and what follows it is left "
			 "out: %s", text);
}

static int read_entry(struct format *f, struct archive_entry *ae)
{
	CLEANUP(attrs_release) struct attrs attrs = { .list = NULL };
	const char *name = libarchive.entry_pathname(ae);
	struct entry e = { .size = 0 };

	if (!name)
		name = libarchive.entry_pathname_utf8(ae);
	if (!name) {
		put_warn(f->level, WEIGHT_LOST, span_of(NULL, 0),
			 "an entry whose name cannot be read was left out");
		return 0;
	}
	/* The index and the long names of an ar archive are its own. */
	if (f->form == FORM_AR && path_is_root(span_str(name)))
		return 0;
	format_entry(ae, &e);
	if (format_attrs(f->run, ae, &attrs, &e) < 0)
		return f->run->fatal;
	return put_by_type(f, ae, span_str(name), &e);
}

/* The next entry.  1: one more may follow; 0: the end; -1: it broke off. */
static int read_next(struct format *f, unsigned *failed)
{
	locale_t old = uselocale(f->locale);
	struct archive_entry *ae;
	int la = next_header(f, &ae), r = 0;

	tell_skipped(f, la);
	if (la == ARCHIVE_OK || la == ARCHIVE_WARN)
		r = read_entry(f, ae);
	uselocale(old);
	if (la == ARCHIVE_EOF)
		return 0;
	if (la == ARCHIVE_OK || la == ARCHIVE_WARN) {
		*failed = 0;
		/* A file whose data broke off fatally ends the archive too. */
		return r == 0 ? 1 : -1;
	}
	/* A format might fail at one place for ever. */
	if (la != ARCHIVE_FAILED || ++*failed > FAILED_MAX)
		return -1;
	put_warn(f->level, WEIGHT_LOST, span_of(NULL, 0),
		 "an entry was left out: %s", words(f));
	return 1;
}

/* The end of packed data is proved only when it is reached. */
static void drain(struct format *f)
{
	struct window *w = f->level->window;
	struct span some;

	window_take(w, f->lent);
	f->lent = 0;
	do {
		some = window_some(w, UINT64_MAX);
		window_take(w, some.len);
	} while (some.len);
	if (w->why.code && !f->level->lost && !f->run->fatal)
		put_lost(f->level, span_of(NULL, 0),
			 "read to its end, but: %s", w->why.text);
}

static void read_entries(struct format *f)
{
	unsigned failed = 0;
	int r = 1;

	while (r > 0 && !f->run->fatal)
		r = read_next(f, &failed);
	if (f->run->fatal)
		return;
	if (r < 0 && !f->level->lost)
		put_lost(f->level, span_of(NULL, 0),
			 "the archive cannot be read on: %s", words(f));
	if (f->links)
		cpio_links_finish(f->links, f->level);
	if (f->fd < 0)
		drain(f);
}

static void tell_format(struct format *f)
{
	const char *name = libarchive.format_name(f->archive);

	snprintf(f->level->format, sizeof(f->level->format), "%s",
		 name ? name : "archive");
}

static int open_fd(struct format *f)
{
	struct stat st;

	if (f->fd < 0)
		return 0;
	if (fstat(f->fd, &st) < 0)
		return err_sys(f->run->err, "cannot look at '%s'",
			       f->level->name);
	f->base = f->level->start;
	if ((uint64_t)st.st_size > f->base)
		f->size = (uint64_t)st.st_size - f->base;
	f->buffer = malloc(ARCHIVE_BUFFER);
	return f->buffer ? 0 : err_nomem(f->run->err);
}

int format_read(struct level *level, enum form form, int fd)
{
	struct format f = {
		.level = level, .run = level->run, .form = form, .fd = fd,
	};
	int r;

	f.links = form == FORM_CPIO ? cpio_links_new() : NULL;
	f.locale = locale_for(form);
	r = archive_load(f.run->err);
	if (r == 0)
		r = open_fd(&f);
	if (r == 0 && form == FORM_CPIO && !f.links)
		r = err_nomem(f.run->err);
	if (r < 0)
		run_fatal(f.run, r);
	else if (format_open(&f) < ARCHIVE_WARN)
		put_lost(level, span_of(NULL, 0), "it cannot be read: %s",
			 f.archive ? words(&f) : "out of memory");
	else
		read_entries(&f);
	if (f.archive) {
		tell_format(&f);
		libarchive.read_free(f.archive);
	}
	if (f.locale)
		freelocale(f.locale);
	cpio_links_free(f.links);
	free(f.buffer);
	return level->run->fatal;
}
