/*
 * options: the command line, read by one table per command.
 *
 * The table is the only place that knows an option: parsing, --help, the
 * synopsis and option list of the manual page and the shell completion are
 * all made from it.  Options and words may be mixed; "--" ends options; short
 * flags may be bundled and take their argument attached or as the next word,
 * long ones as "--name=ARG" or "--name ARG".  Abbreviations are not taken (a
 * new option must not change what an old script means); the nearest right
 * option is offered as a hint.
 *
 * Pure but for option_print_*().  Borrows argv throughout.
 */
#ifndef VARVE_OPTIONS_H
#define VARVE_OPTIONS_H

#include <stdio.h>

#include "fs/base/buf.h"
#include "fs/base/stamp.h"

enum word_type {		/* what completes an argument or a word */
	WORD_TEXT = 1, WORD_FILE, WORD_DIR, WORD_SNAPSHOT, WORD_SOURCE,
	WORD_NODE /* SNAPSHOT:PATH */, WORD_KIND, WORD_COMMAND, WORD_TYPE,
};

#define OPT_MAYBE  1u	/* its argument may be left out: only "--name=ARG" */
#define OPT_REST   2u	/* takes all that follows as words of its own */
#define OPT_HIDDEN 4u	/* parsed, but in no help */

struct option_def {
	char letter;		/* 0: none */
	const char *name;
	const char *arg;	/* "KIND"; NULL: a flag */
	unsigned flags;
	enum word_type type;	/* of arg */
	const char *help;
};

struct option_use {
	const struct option_def *def;
	const char *value;	/* NULL: a flag, or OPT_MAYBE without */
};

struct options {
	const struct option_def *const *tables;	/* NULL-terminated list */
	struct option_use *uses;
	size_t use_count;
	char **words;
	size_t word_count;
	char **rest;		/* of an OPT_REST option; NULL-terminated */
	int taken;		/* arguments read, where stopped at a word */
};

void options_release(struct options *options);

/*
 * Read argv[0..argc) by tables (each ends with a NULL name).  stop_at_word:
 * end before the first word and leave its index in taken.  -EINVAL with the
 * nearest right option as a hint.  *ret must be released also on failure.
 */
int options_parse(const struct option_def *const *tables, int argc,
		  char **argv, bool stop_at_word, struct options *ret,
		  struct err *err);

/* Which uses of a command ("volumes reconstruct") an option is of. */
struct option_of {
	const char *option, *uses;
};
/* -EINVAL where one is given with another use (the first word): silently left
 * out it might have been what counts, as --dry-run.  of ends with NULL. */
int options_check_use(const struct options *options, const char *command,
		      const struct option_of *of, struct err *err);

/* Asking; name must be in a table (checked).  The last use counts. */
bool option_given(const struct options *options, const char *name);
const char *option_value(const struct options *options, const char *name);
/* The nth use of a repeated option; NULL past the last. */
const char *option_nth(const struct options *options, const char *name,
		       size_t n);

/* Typed: 0 and *ret, untouched where the option was not given; -EINVAL. */
int option_u64(const struct options *options, const char *name, uint64_t max,
	       uint64_t *ret, struct err *err);
int option_size(const struct options *options, const char *name,
		uint64_t *ret, struct err *err);

/* "-k, --kind KIND" as it stands in help and manual. */
void option_label(const struct option_def *def, struct buf *out);
/* The option list of tables, wrapped within 80 columns. */
void option_print_help(FILE *out, const struct option_def *const *tables);
/* text wrapped within 80 columns, lines indented by indent; the first one
 * begins at column at. */
void text_wrap(FILE *out, const char *text, int at, int indent);

/* Edits between a and b (insert, delete, change, swap neighbours). */
unsigned word_distance(const char *a, const char *b);

#endif
