/*
 * pg_lex: where statements, comments and rows begin and end in the text of a
 * plain dump, as psql would see it.
 *
 * Takes bytes in pieces cut anywhere and tells runs of them.  Knows strings of
 * both kinds, quoted identifiers, dollar quotes, nested comments, parentheses,
 * bodies between BEGIN ATOMIC and END, lines that begin with a backslash, and
 * lines that a program's stderr left between statements.  Pure: remembers some
 * bytes, never the text.  The rules are those of psql's own scanner
 * (PostgreSQL's psqlscan.l).
 */
#ifndef VARVE_PG_LEX_H
#define VARVE_PG_LEX_H

#include "fs/base/buf.h"

#define PG_LEX_TAG 128		/* bytes of a dollar quote's tag, both '$' too */
#define PG_LEX_WORD 12		/* of a word that means something here */

enum pg_run_kind {
	PG_RUN_SPACE = 1,	/* between statements */
	PG_RUN_COMMENT,		/* between statements, its newline included */
	PG_RUN_META,		/* a line for psql itself, newline included */
	PG_RUN_STATEMENT,	/* its ';' included */
	PG_RUN_NOISE,		/* a line some program wrote to its stderr */
};

struct pg_run {
	enum pg_run_kind kind;
	size_t len;
	bool begins, ends;	/* of the comment, line or statement */
};

struct pg_lex {
	unsigned state;		/* of enum lex_state in pg_lex.c */
	bool backslashes;	/* in plain strings: standard_conforming_strings
				 * is off.  The caller's to set. */
	/* Of the statement at hand, or that ended last: */
	bool copies_in;		/* COPY ... FROM stdin: rows follow its line */

	bool tracked;		/* words of it mean something */
	bool newline;		/* since a string ended */
	uint8_t before[2];	/* the last byte, and that before it */
	unsigned depth;		/* of block comments */
	unsigned parens, blocks;
	unsigned words;
	char initials[4];	/* of its first words, where they matter */
	char word[PG_LEX_WORD];
	unsigned word_len;
	bool from;		/* COPY: the last word was FROM */
	unsigned noise, noise_at;
	uint8_t tag[PG_LEX_TAG];
	unsigned tag_len, tag_at;
};

void pg_lex_init(struct pg_lex *lex);

/*
 * The first run of in, which is not empty; ret->len is at least 1.  A statement
 * that turns out to be noise is told so by a run of that kind that goes on
 * where runs of PG_RUN_STATEMENT were.
 */
void pg_lex_next(struct pg_lex *lex, struct span in, struct pg_run *ret);
/* Between statements, comments and lines? */
bool pg_lex_is_idle(const struct pg_lex *lex);
/* May the statement at hand yet turn out to be noise? */
bool pg_lex_may_be_noise(const struct pg_lex *lex);

/* Rows of COPY. */
struct pg_rows {
	bool in_line;
	uint64_t count;		/* of newlines so far */
	uint64_t noises;	/* lines that begin as some stderr's do */
	unsigned noise, noise_at;
};

enum pg_rows_end {
	PG_ROWS_GO_ON = 1,	/* all of in is rows */
	PG_ROWS_OVER,		/* "\.\n" stands behind *ret_len */
	PG_ROWS_UNSURE,		/* what stands behind *ret_len may be its begin */
};

/* How much of in is rows. */
enum pg_rows_end pg_rows_scan(struct pg_rows *rows, struct span in,
			      size_t *ret_len);

#endif
