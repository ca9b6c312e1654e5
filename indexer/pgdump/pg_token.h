/*
 * pg_token: SQL text in memory as tokens, and names changed in it.
 *
 * For text that is at hand whole: the statements of one object.  Pure.  The
 * scanner of dumps, which sees text in pieces and wants to know far less, is
 * pg_lex.
 */
#ifndef VARVE_PG_TOKEN_H
#define VARVE_PG_TOKEN_H

#include "fs/base/buf.h"

enum pg_token_kind {
	PG_TOKEN_SPACE = 1,	/* and comments */
	PG_TOKEN_WORD,		/* a keyword, or a name without quotes */
	PG_TOKEN_NAME,		/* a name in quotes */
	PG_TOKEN_STRING,	/* a plain one */
	PG_TOKEN_OTHER,		/* one byte, or a string of another sort */
};

struct pg_token {
	enum pg_token_kind kind;
	struct span text;
};

/* Take the first token off *text; false: it is empty.  backslashes: plain
 * strings have escapes. */
bool pg_token_next(struct span *text, bool backslashes,
		   struct pg_token *ret);
/* Is it this keyword? */
bool pg_token_is(const struct pg_token *token, const char *word);

/* Does a backslash stand outside of quotes and comments?  SQL has none there:
 * psql would take what follows for a command of its own. */
bool pg_has_command(struct span text, bool backslashes);

struct pg_qualified {
	struct buf schema, name;
};
#define OWNED_QUALIFIED CLEANUP(pg_qualified_release)
void pg_qualified_release(struct pg_qualified *name);
/*
 * The first schema.name that stands behind word ("ON", "TABLE"; ONLY may stand
 * between).  1, 0: there is none, or -ENOMEM.
 */
int pg_qualified_find(struct span text, bool backslashes, const char *word,
		      struct pg_qualified *ret);
/* schema.name, each in quotes or not; a name alone has no schema.  What is not
 * in quotes is taken as it is written.  false: it is neither. */
bool pg_qualified_parse(struct span text, struct pg_qualified *ret);

struct pg_change {
	struct span schema, from;	/* borrowed, as the next two */
	struct span to_schema, to;
	bool alone;	/* also without its schema, behind CONSTRAINT, INDEX
			 * and CLUSTER ON */
};

/*
 * Append text with all names changed that changes lists: where they stand as
 * schema.name, as the whole of a string ('s.t'::regclass), and alone.  Changed
 * names are quoted.  0 or -ENOMEM.
 */
int pg_change_names(struct span text, bool backslashes,
		    const struct pg_change *changes, size_t count,
		    struct buf *out);

/* "a""b" */
void pg_quote_name(struct span name, struct buf *out);

#endif
