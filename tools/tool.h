/*
 * tool: what every command of `varve` is given and what they share: the
 * store, the talk to the user, a snapshot named on the command line.
 *
 * A command is one row of commands[] and one function in one file.  It writes
 * its result to stdout and its talk to stderr, and returns an exit status or
 * a negative errno, whose words main.c prints.
 *
 * One thread, but for say() and warn(), which any may call.
 */
#ifndef VARVE_TOOL_H
#define VARVE_TOOL_H

#include "fs/repo/repo.h"
#include "fs/tree/tree.h"
#include "tools/options.h"

enum exit_status {
	DONE = 0, FAILED = 1, WRONG_USE = 2, INCOMPLETE = 3, DAMAGED = 4,
	LOCKED = 5,
};

/* Common options a command takes. */
#define TAKES_STORE 1u
#define TAKES_JSON  2u
#define TAKES_QUIET 4u
#define TAKES_WAIT  8u
#define ANY_WORDS (-1)

struct tool;

struct command {
	const char *name;
	const char *words;	/* "SNAPSHOT[:PATH]..."; alternatives by '\n' */
	const char *about;	/* one line */
	const char *text;	/* paragraphs for --help */
	void (*more_help)(FILE *out);	/* behind the options; or NULL */
	const char *example;	/* command lines, with '\n' between */
	const struct option_def *options;
	unsigned common;	/* TAKES_* */
	int min_words, max_words;
	enum word_type word_type;
	int (*run)(struct tool *tool, struct err *err);
	bool hidden;
};

struct tool {
	size_t cache_budget;	/* of decoded blocks; 0: the usual */
	const struct command *command;
	struct options options;
	const char *store;	/* NULL: none was named */
	bool json, quiet;
	int64_t wait_s;		/* --wait: for who is in the way; 0: not */
};

/* All commands in the order of help, NULL-terminated (commands.c). */
extern const struct command *const commands[];
const struct command *command_by_name(const char *name);
/* The option tables of command, its own and the common ones: at most 7
 * places, NULL-terminated. */
#define COMMAND_TABLES 7
void command_tables(const struct command *command,
		    const struct option_def *tables[COMMAND_TABLES]);
/* "varve add [OPTION]... PATH...", one line per alternative. */
void command_usage(const struct command *command, struct buf *out);
/* use: only of this one ("audit" of pg), or NULL. */
void command_print_help(FILE *out, const struct command *command,
			const char *use);
bool command_has_use(const struct command *command, const char *use);
void commands_print(FILE *out);
/* The command's name that is nearest to name; NULL where none is near. */
const char *command_nearest(const char *name);

/* The exit status that err's code stands for. */
int exit_status_of(int code);
/* "varve: WORDS" and "hint: WORDS" on stderr, control bytes made harmless. */
void complain(const struct err *err);
/* Talk, on stderr, a newline added; nothing with --quiet. */
void say(const struct tool *tool, const char *fmt, ...) PRINTF(2, 3);
/* "varve: note: …" on stderr; nothing with --quiet. */
void note(const struct tool *tool, const char *fmt, ...) PRINTF(2, 3);
/* "varve: warning: …" on stderr, also with --quiet. */
void warn(const char *fmt, ...) PRINTF(1, 2);
/* The same of words that come with a hint. */
void warn_of(const struct err *words);
/* Was yes given, or is there a terminal to ask on? */
bool can_confirm(bool yes);
/* Ask on the terminal; true for yes.  -EINVAL where there is none and yes was
 * not given: the words say what is asked. */
int confirm(bool yes, const char *question, struct err *err);

/*
 * From now on complaints and warnings begin with host, store and, in an add,
 * the source: with --quiet and no terminal they are read in a mail, far from
 * the command that they are of.
 */
void tool_expect_mail(const struct tool *tool);

/* "NAME VALUE ", VALUE as a shell takes it, of a command in a hint. */
void hint_option(struct buf *out, const char *name, const char *value);
/* There may be a run: from now on hints that name resume, rollback or runs name store
 * and journal as they were given with the command, and who stops it is told what is
 * waited for. */
void tool_expect_runs(const struct tool *tool);

/* Set once by SIGINT, SIGTERM or SIGHUP after catch_stop(); a second one kills. */
extern volatile int stopped;
void catch_stop(void);

/*
 * After r, what came of an attempt: true where it failed as another process is
 * in the way (-EBUSY), one waits for that, and a while has passed: try again,
 * err is empty.  Says once whom it waits for.  False also once the time is over
 * (of all attempts together) or the user stopped it.
 */
bool tool_wait(const struct tool *tool, int r, struct err *err);
/* The store named by --store or VARVE_STORE; -EINVAL where there is none. */
int tool_open(const struct tool *tool, enum repo_mode mode,
	      struct repo **ret, struct err *err);
/* For writing where that may be, else for reading. */
int tool_open_maybe(const struct tool *tool, struct repo **ret,
		    struct err *err);
/* --min-free: a size, or a share of the file system repo lies on. */
int tool_min_free(const struct tool *tool, const struct repo *repo,
		  uint64_t *ret, struct err *err);
/* Note in the store what was done; no failure of it undoes what was done, so
 * one is only warned of. */
void tool_log(struct repo *repo, const char *command, const char *fmt, ...)
	PRINTF(3, 4);

#define OWNED_REPO CLEANUP(repo_close_ptr)
static inline void repo_close_ptr(struct repo **repo)
{
	if (*repo)
		repo_close(*repo);
}

#endif
