/* pgdump: the reader of PostgreSQL dumps. */
#include "indexer/pgdump/pg_plain.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "indexer/pgdump/pg_archive.h"
#include "indexer/pgdump/pg_stream.h"

#define ARCHIVE_HEAD 512	/* what tells an archive */

static bool is_dump(const struct input *input, const struct stat *st,
		    struct span head)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	if (!peel_head(head, &plain))
		return pg_plain_is(head) || pgarc_is(head);
	/* A block of bzip2 or lz4 may be longer than head. */
	if (!plain.len && S_ISREG(st->st_mode))
		peel_file_head(input, &plain);
	return pg_plain_is(buf_span(&plain)) || pgarc_is(buf_span(&plain));
}

/* A directory with an archive's table of contents in it, packed or not. */
static bool is_archive_dir(const char *path)
{
	static const char *const names[] = {
		"toc.dat", "toc.dat.gz", "toc.dat.lz4", "toc.dat.zst",
	};
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pgarc *arc = NULL;
	bool found = false;

	for (size_t i = 0; i < 4 && dir >= 0; i++)
		found |= faccessat(dir, names[i], R_OK, 0) == 0;
	/* Another kind's toc.dat is none of ours. */
	if (found)
		found = pgarc_open_dir(dir, &arc, NULL) == 0;
	pgarc_free(arc);
	if (dir >= 0)
		close(dir);
	return found;
}

static int pgdump_probe(const struct input *input, const struct stat *st,
			struct span head)
{
	if (S_ISDIR(st->st_mode))
		return is_archive_dir(input->path) ? 90 : 0;
	return is_dump(input, st, head) ? 90 : 0;
}

/* Whose the files are: the dump's.  Nobody else reads one that came as a
 * stream. */
static void entry_like(const struct stat *st, struct entry *ret)
{
	*ret = (struct entry){
		.type = ENTRY_FILE, .mode = 0600, .mtime = stamp_now(),
	};
	ret->mtime.ns = 0;
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return;
	ret->mode = (uint16_t)(st->st_mode & 0666);
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	ret->mtime.s = st->st_mtim.tv_sec;
	ret->mtime.ns = (uint32_t)st->st_mtim.tv_nsec;
}

static int feed_all(struct peel *peel, struct pg_plain *plain,
		    struct err *err)
{
	struct span some;
	int r = 0;

	do {
		some = peel_some(peel);
		if (some.len)
			r = pg_plain_feed(plain, some, err);
		peel_take(peel, some.len);
	} while (r == 0 && some.len);
	if (r == 0)
		r = peel_stopped(peel);
	return r < 0 ? r : pg_plain_finish(plain, peel_why(peel), err);
}

static void tell_format(const struct peel *peel, struct sink *sink)
{
	const char *packing = peel_packing(peel);
	char words[64];

	snprintf(words, sizeof(words), "PostgreSQL plain dump%s%s",
		 packing ? ", " : "", packing ? packing : "");
	sink_format(sink, words);
	/* The original's name in a mount ends by it. */
	sink_attr(sink, "format", "plain");
	if (peel_has_garbage(peel))
		sink_warn(sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "other bytes follow the packed data; passed over");
}

static void free_plain(struct pg_plain **plain)
{
	pg_plain_free(*plain);
}

static int read_plain(struct peel *peel, const struct entry *like,
		      struct sink *sink, struct err *err)
{
	CLEANUP(free_plain) struct pg_plain *plain = NULL;
	struct pg_plain_options options = { .like = like, .is_input = true };
	int r;

	plain = pg_plain_new(sink, &options);
	if (!plain)
		return err_nomem(err);
	r = feed_all(peel, plain, err);
	if (r == 0)
		tell_format(peel, sink);
	return r;
}

static int read_stream(struct peel *peel, const struct input *input,
		       const struct entry *like, struct sink *sink,
		       struct err *err)
{
	struct pg_stream stream;
	int r;

	pg_stream_peel(&stream, peel);
	r = pg_archive_read(&stream.input, input, like, sink, err);
	pg_stream_close(&stream);
	return r;
}

/* Its data is read from where it stands. */
static int read_file(const struct input *input, const struct entry *like,
		     struct sink *sink, struct err *err)
{
	struct pg_stream stream;
	int r = pg_stream_file(&stream, input, err);

	if (r == 0)
		r = pg_archive_read(&stream.input, input, like, sink, err);
	pg_stream_close(&stream);
	return r;
}

static int read_dir(const struct input *input, struct sink *sink,
		    struct err *err)
{
	int dir = open(input->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct entry like;
	struct stat st;
	int r;

	if (dir < 0 || fstat(dir, &st))
		r = err_sys(err, "cannot open '%s'", input->path);
	else {
		entry_like(&st, &like);
		r = pg_archive_read_dir(dir, input, &like, sink, err);
	}
	if (dir >= 0)
		close(dir);
	return r;
}

/* Nothing came, and nothing says why: that is no dump cut short. */
static bool is_empty(struct peel *peel)
{
	return peel_peek(peel, 1).len == 0 && !peel_stopped(peel) &&
	       !peel_why(peel);
}

static int read_peeled(const struct input *input, struct sink *sink,
		       struct err *err)
{
	struct stat st = { .st_mode = 0 };
	struct entry like;
	struct peel *peel;
	bool file;
	int r = peel_open(input, sink, &peel, err);

	if (r < 0)
		return r;
	peel_stat(peel, &st);
	entry_like(&st, &like);
	file = S_ISREG(st.st_mode) && !peel_packing(peel);
	if (is_empty(peel))
		r = err_set(err, -EPROTO, "it is empty: no dump is in it");
	else if (!pgarc_is(peel_peek(peel, ARCHIVE_HEAD)))
		r = read_plain(peel, &like, sink, err);
	else if (!file)
		r = read_stream(peel, input, &like, sink, err);
	else
		r = 1;
	peel_close(peel);
	return r > 0 ? read_file(input, &like, sink, err) : r;
}

static int pgdump_read(const struct input *input, struct sink *sink,
		       struct err *err)
{
	struct err own = ERR_INIT;
	struct stat st;

	if (!err)
		err = &own;
	if (input->fd < 0 && stat(input->path, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		return read_dir(input, sink, err);
	return read_peeled(input, sink, err);
}

const struct reader reader_pgdump = {
	.kind = "pgdump",
	.about = "what pg_dump writes in any format, and pg_dumpall",
	.probe = pgdump_probe,
	.read = pgdump_read,
};
