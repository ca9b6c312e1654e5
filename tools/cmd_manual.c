#include <stdlib.h>

#include "tools/commands.h"

/*
 * A manual page in mdoc: name, synopsis and options from the tables, the rest
 * from a hand-written body.  In the body a line ".\" options" stands where
 * the options go; what is before it follows the synopsis.
 */

#define MANUAL_DATE "November 20, 2026"	/* of what the tables say */
#define BODY_LINE 4096
#define MDOC_LINE 72
#define OPTIONS_MARK ".\\\" options"

/* Text in mdoc: a '\' is an escape, a '.' or "'" at the start a request. */
static void mdoc_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", stdout);
		else if (text[i] == '-')
			fputs("\\-", stdout);
		else if (i == 0 && (text[i] == '.' || text[i] == '\''))
			printf("\\&%c", text[i]);
		else
			fputc(text[i], stdout);
	}
}

/* Help text as mdoc wants it: short lines, each sentence on its own. */
static void mdoc_lines(const char *text)
{
	size_t at = 0;

	while (*text) {
		size_t len = strcspn(text, " "), next = len;
		bool ends = len > 1 && text[len - 1] == '.' && text[len];

		if (at > 0 && at + 1 + len > MDOC_LINE) {
			fputc('\n', stdout);
			at = 0;
		} else if (at > 0) {
			fputc(' ', stdout);
			at++;
		}
		mdoc_text(text, len);
		at += len;
		if (ends) {
			fputc('\n', stdout);
			at = 0;
		}
		next += strspn(text + len, " ");
		text += next;
	}
	fputs(".\n", stdout);
}

/* Words of a synopsis: flags as such, the rest as arguments. */
static void mdoc_words(const char *words, size_t len)
{
	for (size_t n; len > 0; words += n, len -= n) {
		n = strcspn(words, " ") < len ? strcspn(words, " ") : len;
		if (n > 2 && !strncmp(words, "--", 2))
			printf(".Fl Fl %.*s\n", (int)n - 2, words + 2);
		else if (words[0] == '-' && n == 1)
			puts(".Fl");
		else if (words[0] == '-')
			printf(".Fl %.*s\n", (int)n - 1, words + 1);
		else if (words[0] >= 'a' && words[0] <= 'z')
			printf(".Cm %.*s\n", (int)n, words);
		else
			printf(".Ar \"%.*s\"\n", (int)n, words);
		while (n < len && words[n] == ' ')
			n++;
	}
}

static void mdoc_flag(const struct option_def *d)
{
	if (d->letter)
		printf("Fl %c , Fl Fl %s", d->letter, d->name);
	else
		printf("Fl Fl %s", d->name);
	if (!d->arg)
		return;
	/* Metacharacters in an argument's name must not end the macro. */
	if (d->flags & OPT_MAYBE)
		printf(" Ns Op = Ns Ar \"%s\"", d->arg);
	else
		printf(" Ar \"%s\"", d->arg);
}

static void synopsis_flag(const struct option_def *d)
{
	fputs(".Op ", stdout);
	if (d->letter)
		printf("Fl %c", d->letter);
	else
		printf("Fl Fl %s", d->name);
	if (d->arg && (d->flags & OPT_MAYBE))
		printf(" Ns Op = Ns Ar \"%s\"", d->arg);
	else if (d->arg)
		printf(" Ar \"%s\"", d->arg);
	fputc('\n', stdout);
}

static void print_synopsis(const struct command *c,
			   const struct option_def *const *tables)
{
	const char *words = c->words;
	bool first = true;

	puts(".Sh SYNOPSIS");
	for (;;) {
		size_t len = strcspn(words, "\n");

		printf(".Nm varve %s\n", c->name);
		for (const struct option_def *const *t = tables;
		     *t && first; t++)
			for (const struct option_def *d = *t; d->name; d++)
				if (!(d->flags & (OPT_HIDDEN | OPT_REST)))
					synopsis_flag(d);
		if (!first)
			puts(".Op Ar option ...");
		mdoc_words(words, len);
		first = false;
		words += len;
		if (!*words++)
			return;
	}
}

static void print_options(const struct option_def *const *tables)
{
	puts("The options are as follows:\n.Bl -tag -width Ds");
	for (; *tables; tables++) {
		for (const struct option_def *d = *tables; d->name; d++) {
			if (d->flags & OPT_HIDDEN)
				continue;
			fputs(".It ", stdout);
			mdoc_flag(d);
			fputc('\n', stdout);
			mdoc_lines(d->help);
		}
	}
	puts(".El");
}

static int print_body(const char *path,
		      const struct option_def *const *tables,
		      struct err *err)
{
	char line[BODY_LINE];
	FILE *body = fopen(path, "re");

	if (!body)
		return err_sys(err, "cannot open '%s'", path);
	while (fgets(line, sizeof(line), body)) {
		if (strncmp(line, OPTIONS_MARK, strlen(OPTIONS_MARK)))
			fputs(line, stdout);
		else
			print_options(tables);
	}
	fclose(body);
	return 0;
}

static int run(struct tool *tool, struct err *err)
{
	const struct option_def *tables[COMMAND_TABLES];
	const struct options *o = &tool->options;
	const struct command *c = command_by_name(o->words[0]);

	if (!c)
		return err_set(err, -EINVAL, "no command '%s'", o->words[0]);
	command_tables(c, tables);
	printf(".Dd %s\n.Dt VARVE-", MANUAL_DATE);
	for (const char *n = c->name; *n; n++)
		fputc(*n >= 'a' && *n <= 'z' ? *n & ~0x20 : *n, stdout);
	printf(" 1\n.Os\n.Sh NAME\n.Nm varve-%s\n.Nd ", c->name);
	mdoc_text(c->about, strlen(c->about));
	fputc('\n', stdout);
	print_synopsis(c, tables);
	return print_body(o->words[1], tables, err) < 0 ? -EIO : DONE;
}

const struct command command_manual = {
	.name = "__manual",
	.words = "COMMAND BODY",
	.about = "a manual page",
	.text = "Prints a manual page from the option table and the body in "
		"the file BODY. Used when Varve is built.",
	.example = "varve __manual add docs/man/add.mdoc",
	.min_words = 2,
	.max_words = 2,
	.word_type = WORD_FILE,
	.run = run,
	.hidden = true,
};
