/* pgdump: the reader of PostgreSQL dumps. */
#include "indexer/pgdump/pg_plain.h"

#include <stdio.h>

#include "indexer/peel.h"

static bool is_plain(const struct input *input, const struct stat *st,
		     struct span head)
{
	OWNED_BUF struct buf plain = BUF_INIT;

	if (!peel_head(head, &plain))
		return pg_plain_is(head);
	/* A block of bzip2 or lz4 may be longer than head. */
	if (!plain.len && S_ISREG(st->st_mode))
		peel_file_head(input, &plain);
	return pg_plain_is(buf_span(&plain));
}

static int pgdump_probe(const struct input *input, const struct stat *st,
			struct span head)
{
	if (S_ISDIR(st->st_mode))
		return 0;
	return is_plain(input, st, head) ? 90 : 0;
}

/* Whose the files are: the dump's.  Nobody else reads one that came as a
 * stream. */
static void entry_like(const struct peel *peel, struct entry *ret)
{
	struct stat st;

	*ret = (struct entry){
		.type = ENTRY_FILE, .mode = 0600, .mtime = stamp_now(),
	};
	ret->mtime.ns = 0;
	if (peel_stat(peel, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	ret->mode = (uint16_t)(st.st_mode & 0666);
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	ret->mtime.s = st.st_mtim.tv_sec;
	ret->mtime.ns = (uint32_t)st.st_mtim.tv_nsec;
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

static int read_plain(struct peel *peel, struct sink *sink, struct err *err)
{
	CLEANUP(free_plain) struct pg_plain *plain = NULL;
	struct entry like;
	struct pg_plain_options options = { .like = &like, .is_input = true };
	int r;

	entry_like(peel, &like);
	plain = pg_plain_new(sink, &options);
	if (!plain)
		return err_nomem(err);
	r = feed_all(peel, plain, err);
	if (r == 0)
		tell_format(peel, sink);
	return r;
}

static int pgdump_read(const struct input *input, struct sink *sink,
		       struct err *err)
{
	struct err own = ERR_INIT;
	struct peel *peel;
	int r = peel_open(input, sink, &peel, err ? err : &own);

	if (r < 0)
		return r;
	r = read_plain(peel, sink, err ? err : &own);
	peel_close(peel);
	return r;
}

const struct reader reader_pgdump = {
	.kind = "pgdump",
	.about = "what pg_dump and pg_dumpall write as SQL, packed or not",
	.probe = pgdump_probe,
	.read = pgdump_read,
};
