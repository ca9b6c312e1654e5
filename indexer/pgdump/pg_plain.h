/*
 * pg_plain: the text of a PostgreSQL dump, pushed in, to the tree of its
 * databases.
 *
 * Takes the text in pieces of any size, as pg_dump and pg_dumpall write it or
 * as pg_restore would, and gives the sink a file for each object, one for the
 * rows of each table, the large objects, toc.json, and restore.sql, which is
 * the whole text once more and costs nothing.  Hides how SQL is scanned and how
 * names of objects become names of files (docs/pgdump.md).  Knows nothing of
 * where the bytes come from.
 *
 * Holds no statement and no row: only what is not yet known to belong to one
 * file or the next, and the sizes at the top of pg_internal.h bound that.  One
 * thread.
 */
#ifndef VARVE_PG_PLAIN_H
#define VARVE_PG_PLAIN_H

#include "indexer/reader.h"

struct pg_plain;

/* What an archive's table of contents says of an entry.  Borrowed; an empty
 * span where it says nothing. */
struct pg_hint {
	uint32_t dump_id;	/* > 0 */
	uint32_t catalog, oid;	/* class and object; 0: none */
	struct span desc;	/* "TABLE DATA" */
	struct span tag;	/* exact, newlines included */
	struct span schema;
	struct span owner;
	struct span tablespace;
	const uint32_t *depends;	/* dump ids */
	size_t depend_count;
};

enum pg_data_kind {
	PG_DATA_COPY = 1,	/* rows as COPY takes them, no "\." */
	PG_DATA_TEXT,		/* INSERT statements and other SQL */
	PG_DATA_OBJECT,		/* the bytes of a large object */
};

/* A file of data that has ended. */
struct pg_data {
	uint32_t dump_id;	/* as hinted, or from the comment; 0: not known */
	enum pg_data_kind kind;
	uint32_t oid;		/* PG_DATA_OBJECT: the large object's */
	uint64_t number;	/* for sink_stream_file() */
	uint64_t size;
	struct content content;	/* for sink_join() */
};

struct pg_plain_options {
	/* Owners, mode (of files) and mtime of all entries; a time that the text
	 * tells is taken instead of the last. */
	const struct entry *like;
	/*
	 * Is the text the very input?  Then its bytes are the sink's stream, for
	 * the view of the original, damage by a terminal (CRLF) is looked for and
	 * undone, and a text without its completion mark is told as incomplete.
	 * Else the caller sees to all three.
	 */
	bool is_input;
	/* Called at the end of each file of data; may be NULL.  Not while a
	 * file is begun. */
	int (*data)(void *arg, const struct pg_data *data, struct err *err);
	void *arg;
};

/* NULL: no memory.  sink is borrowed, options and like copied, but for
 * like's names. */
struct pg_plain *pg_plain_new(struct sink *sink,
			      const struct pg_plain_options *options);
void pg_plain_free(struct pg_plain *plain);

/*
 * The name of the database that the text from here on is of, where that is
 * known otherwise: before the first byte, or between two dumps.  Without it the
 * text tells, or the directory is called "database".
 */
int pg_plain_db(struct pg_plain *plain, struct span name, struct err *err);

/*
 * The next bytes are all that is printed for this entry, up to the next call:
 * state ("SET default_tablespace") and comment before it, statements, rows.
 * From the first call on no comment in the text begins an entry.  NULL: the
 * next bytes belong to no entry (what ends a dump).  Between statements only:
 * -EINVAL inside one, or inside rows.
 */
int pg_plain_hint(struct pg_plain *plain, const struct pg_hint *hint,
		  struct err *err);

/*
 * The entry at hand is over, whatever its text makes the scanner expect: a
 * string that is not closed, rows.  Who knows the entries from elsewhere says
 * so where a hint is refused.
 */
int pg_plain_break(struct pg_plain *plain, struct err *err);

/*
 * Not all of entry is in the text; why: in words.  NULL: something lacks, and
 * nobody can tell of what.  toc.json says so, so that what is whole in a dump
 * that is not can be told.
 */
int pg_plain_lost(struct pg_plain *plain, const struct pg_hint *entry,
		  const char *why, struct err *err);

/*
 * The next bytes of the text.  0, or negative where the sink failed, memory
 * ran out or it was stopped: never for what the bytes are, which is told to
 * the sink as warnings.  bytes is borrowed for the call.
 */
int pg_plain_feed(struct pg_plain *plain, struct span bytes,
		  struct err *err);

/*
 * The text has ended: toc.json and restore.sql are written.  why (NULL: it
 * ended as it should) is what cut it short, in words, and is told with the
 * place reached.
 */
int pg_plain_finish(struct pg_plain *plain, const char *why,
		    struct err *err);

/* Does text begin as a plain dump does: banner at its head, or behind a few
 * lines of something else (what a program said on the same terminal)? */
bool pg_plain_is(struct span head);

#endif
