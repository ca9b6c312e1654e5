/*
 * pg_comment: what the comments of a dump say.
 *
 * Takes the text of comments, statements and psql lines that stand between
 * statements; gives what they name.  Comments do not quote, so a name may look
 * like more than it is: see pg_comment_parse().  Pure.
 */
#ifndef VARVE_PG_COMMENT_H
#define VARVE_PG_COMMENT_H

#include "fs/base/buf.h"

enum pg_mark {
	PG_MARK_OTHER = 1,	/* a comment like any */
	PG_MARK_ENTRY,		/* "-- Name: t; Type: TABLE; ..." */
	PG_MARK_DUMP,		/* "-- PostgreSQL database dump" */
	PG_MARK_DUMP_END,
	PG_MARK_CLUSTER,	/* "-- PostgreSQL database cluster dump" */
	PG_MARK_CLUSTER_END,
	PG_MARK_DATABASE,	/* "-- Database "x" dump" */
};

/* Spans borrow from the comment; "-" where there is none comes as empty. */
struct pg_comment {
	enum pg_mark mark;
	struct span name;	/* of the entry or database */
	struct span desc, schema, owner, tablespace;
	uint32_t dump_id, catalog, oid;	/* 0: not told */
	struct span depends;	/* "215 16" */
	size_t own;		/* where its lines that differ from dump to dump
				 * have ended; 0: it has none */
};

/*
 * Parse "--\n-- ...\n--\n".  Of an entry's line the last "; Type: " that is
 * followed by upper-case words and "; Schema: " counts: names before it may
 * hold anything.
 */
void pg_comment_parse(struct span text, struct pg_comment *ret);

/* The database in "\connect x", "\connect "x"" or "\connect
 * -reuse-previous=on "dbname='x'"", appended to name.  false: none. */
bool pg_connect_parse(struct span line, struct buf *name);

/* The last word of a name such as public."a b" at the beginning of text, and
 * the one before it, without their quotes.  Bytes taken; 0: none is there. */
size_t pg_name_parse(struct span text, struct buf *schema, struct buf *name);

/* Decimal digits at the beginning of *text, taken off it; false: none, or
 * over 32 bits. */
bool pg_number_parse(struct span *text, uint32_t *ret);

/* Take word off the beginning of *text, if it is there. */
bool pg_skip(struct span *text, const char *word);

#endif
