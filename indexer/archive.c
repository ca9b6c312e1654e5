#include "indexer/archive_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *base_name(const struct input *input)
{
	const char *slash;

	if (!input->path || !strcmp(input->path, "-"))
		return "stdin";
	slash = strrchr(input->path, '/');
	return slash && slash[1] ? slash + 1 : input->path;
}

/* Telling archives. */

static int archive_probe(const struct input *input, const struct stat *st,
			 struct span head)
{
	const char *name = base_name(input);
	struct layers layers;

	if (S_ISDIR(st->st_mode))
		return 0;
	if (sniff_layers(head, false, &layers) != FORM_NONE)
		return 80;
	/* Damaged, or more packed than head shows. */
	if (sniff_named_tar(name))
		return layers.count ? 80 : 60;
	return layers.count ? 40 : 0;
}

/* One file, packed. */

static void raw_entry(const struct run *run, struct entry *e)
{
	struct stat st;

	*e = (struct entry){ .type = ENTRY_FILE, .mode = 0644 };
	e->size = UINT64_MAX;
	e->mtime = stamp_now();
	if (fstat(run->tap.fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	e->mode = (uint16_t)(st.st_mode & 07777);
	e->uid = st.st_uid;
	e->gid = st.st_gid;
	e->mtime.s = st.st_mtim.tv_sec;
	e->mtime.ns = (uint32_t)st.st_mtim.tv_nsec;
}

static int raw_read(struct level *level)
{
	const char *name = base_name(level->run->input);
	struct span path = span_of(name, sniff_plain_name(name)), some;
	uint64_t at = 0;
	struct entry e;
	int r;

	raw_entry(level->run, &e);
	r = put_begin(level, path, &e);
	while (r > 0) {
		some = window_some(level->window, UINT64_MAX);
		if (!some.len)
			break;
		if (put_data(level, at, some) < 0)
			return level->run->fatal;
		window_take(level->window, some.len);
		at += some.len;
	}
	if (r > 0 && !level->run->fatal)
		put_end(level, at);
	if (!level->run->fatal && level->window->why.code)
		put_lost(level, path, "ends early: %s",
			 level->window->why.text);
	snprintf(level->format, sizeof(level->format), "one file");
	return level->run->fatal;
}

/* The input. */

static void tell_format(struct level *level)
{
	char packed[128], words[256];

	layers_name(&level->layers, packed, sizeof(packed));
	snprintf(words, sizeof(words), "%s%s", level->format, packed);
	sink_format(level->run->sink, words);
	/* What the files in it lack is told of where it is left behind. */
	for (unsigned i = 0; i < level->layers.count; i++)
		if (level->layers.list[i] == PACKING_RPM)
			put_warn(level, WEIGHT_NOTE, span_of(NULL, 0),
				 "of a package only its files are kept, not "
				 "its description, scripts and signatures");
}

/* The input is damaged or something else; the store is not: no -EBADMSG. */
static int no_archive(struct level *level)
{
	struct err *err = level->run->err;
	const struct window *w = level->window;
	const char *why = level->why;

	if (w && w->why.code)
		why = w->why.text;
	if (*why)
		err_set(err, -EPROTO, "nothing of '%s' can be read: %s",
			level->name, why);
	else
		err_set(err, -EPROTO, "'%s' is no archive that can be read",
			level->name);
	if (w && w->why.hint[0])
		err_hint(err, "%s", w->why.hint);
	return run_fatal(level->run, -EPROTO);
}

/*
 * Formats whose index is at the end, from a stream: libarchive reads no 7z so,
 * and of a zip neither modes nor links.
 */
static int read_spooled(struct level *level, enum form form)
{
	int fd, r;

	r = spool_window(level, &fd);
	if (r < 0)
		return r;
	level->start = 0;
	r = format_read(level, form, fd);
	close(fd);
	return r;
}

static int read_form(struct level *level, enum form form)
{
	bool tar = form == FORM_TAR ||
		   (form == FORM_NONE &&
		    sniff_named_tar(base_name(level->run->input)));

	level->view = tar;
	if (tar)
		return tar_read(level);
	if (form == FORM_ZIP || form == FORM_7ZIP)
		return read_spooled(level, form);
	if (form != FORM_NONE)
		return format_read(level, form, -1);
	/* A package's payload without its head would be no use. */
	if (!level->layers.count || level->layers.list[0] == PACKING_RPM)
		return no_archive(level);
	return raw_read(level);
}

static int read_empty(struct level *level)
{
	if (level->window->why.code)
		return no_archive(level);
	err_set(level->run->err, -EPROTO, "'%s' is empty: no archive",
		level->name);
	return run_fatal(level->run, -EPROTO);
}

/* What ends the stream behind the archive's own end is told of once. */
static void drain(struct level *level)
{
	struct window *w = level->window;
	struct span some;

	do {
		some = window_some(w, UINT64_MAX);
		window_take(w, some.len);
	} while (some.len);
	if (w->why.code && !level->lost && !level->run->fatal)
		put_lost(level, span_of(NULL, 0), "read to its end, but: %s",
			 w->why.text);
}

static int read_window(struct level *level);

/* More layers were found below what was taken off first. */
static int read_peeled(struct level *level, const struct layers *more)
{
	struct window *outer = level->window, inner;
	struct source *bytes = source_unpack(more, source_window(outer),
					     &level->run->garbage,
					     level->run->err);
	int r;

	if (!bytes)
		return run_fatal(level->run, -ENOMEM);
	for (unsigned i = 0; i < more->count; i++)
		level->layers.list[level->layers.count++] = more->list[i];
	window_init(&inner, level->run, bytes);
	level->window = &inner;
	r = read_window(level);
	window_release(&inner);
	level->window = outer;
	if (r == 0)
		drain(level);
	return r;
}

/*
 * Is what was unpacked packed again?  Only around an archive, seen or sure to
 * be there: elsewhere the packed bytes are the file's own.
 */
static bool is_packed_again(struct level *level, struct span head,
			    struct layers *ret)
{
	enum form form;

	if (level->layers.count != 1 || sniff_packing(head) == PACKING_NONE)
		return false;
	head = window_peek(level->window, SNIFF_MAX);
	form = sniff_layers(head, head.len < SNIFF_MAX, ret);
	if (form == FORM_NONE && level->layers.list[0] != PACKING_RPM &&
	    !sniff_named_tar(base_name(level->run->input)))
		return false;
	return ret->count < PEEL_MAX;
}

static int read_window(struct level *level)
{
	struct span head = window_peek(level->window, ARCHIVE_HEAD);
	enum form form = sniff_form(head, head.len < ARCHIVE_HEAD);
	bool empty = !head.len;
	struct layers more;
	int r;

	if (level->run->fatal)
		return level->run->fatal;
	if (empty && (level->window->why.code || !level->layers.count ||
		      sniff_named_tar(base_name(level->run->input))))
		return read_empty(level);
	if (form == FORM_NONE && is_packed_again(level, head, &more))
		return read_peeled(level, &more);
	if (level->run->fatal)
		return level->run->fatal;
	r = read_form(level, form);
	if (r == 0 && level->lost && !level->entries)
		return no_archive(level);
	return r;
}

/* Formats with their index at the end: from a file that can be sought in. */
static bool is_seekable(enum form form, int fd)
{
	struct stat st;

	return form != FORM_NONE && form != FORM_TAR && form != FORM_CPIO &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int read_seekable(struct level *level, enum form form)
{
	int r = format_read(level, form, level->run->tap.fd);

	if (r == 0 && level->lost && !level->entries)
		return no_archive(level);
	return r;
}

static int read_stream(struct level *level)
{
	struct run *run = level->run;
	struct window window;
	int r = window_open(&window, run, level->layers.count ?
			    level->layers.list[0] : PACKING_NONE);

	if (r < 0)
		return r;
	level->window = &window;
	r = read_window(level);
	window_release(&window);
	level->window = NULL;
	if (atomic_load(&run->garbage))
		put_warn(level, WEIGHT_NOTE, span_of(NULL, 0),
			 "other bytes follow the packed data; passed over");
	return r;
}

static int read_input(struct run *run)
{
	off_t start = lseek(run->tap.fd, 0, SEEK_CUR);
	struct level level = {
		.run = run,
		.name = base_name(run->input),
		.depth = run->input->expand_depth,
		.limit = UINT64_MAX,
		.start = start > 0 ? (uint64_t)start : 0,
	};
	enum packing packing;
	struct span head;
	enum form form;
	int r;

	r = tap_head(&run->tap, &head, run->err);
	if (r < 0) {
		err_wrap(run->err, "cannot read '%s'", level.name);
		return run_fatal(run, r);
	}
	packing = sniff_packing(head);
	form = packing == PACKING_NONE ? sniff_form(head, false) : FORM_NONE;
	if (packing != PACKING_NONE)
		level.layers = (struct layers){ { packing }, 1 };
	if (start >= 0 && is_seekable(form, run->tap.fd))
		r = read_seekable(&level, form);
	else
		r = read_stream(&level);
	if (r == 0)
		tell_format(&level);
	return r;
}

static int archive_read_input(const struct input *input, struct sink *sink,
			      struct err *err)
{
	struct err own = ERR_INIT;
	struct run run;
	int r = archive_run_open(&run, input, sink, err ? err : &own);

	if (r < 0)
		return r;
	r = read_input(&run);
	archive_run_close(&run);
	return r;
}

const struct reader reader_archive = {
	.kind = "tar",
	.about = "tar, cpio, zip, 7z, ISO and others, packed or not",
	.probe = archive_probe,
	.read = archive_read_input,
};
