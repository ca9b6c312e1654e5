#include <stdlib.h>

#include "tools/commands.h"

/*
 * A manual page in mdoc: name, synopsis and options from the tables, the rest
 * from a hand-written body.  In the body a line ".\" options" stands where
 * the options go; what is before it follows the synopsis.
 */

#define BODY_LINE 4096
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

static void mdoc_flag(const struct option_def *d)
{
	if (d->letter)
		printf("Fl %c , Fl Fl %s", d->letter, d->name);
	else
		printf("Fl Fl %s", d->name);
	if (!d->arg)
		return;
	/* Metacharacters in an argument's name must not end the macro. */
	printf("%s Ar \"%s\"", d->flags & OPT_MAYBE ? " Ns =" : "", d->arg);
}

static void synopsis_flag(const struct option_def *d)
{
	fputs(".Op ", stdout);
	if (d->letter)
		printf("Fl %c", d->letter);
	else
		printf("Fl Fl %s", d->name);
	if (d->arg && (d->flags & OPT_MAYBE))
		printf(" Ns = Ns Ar \"%s\"", d->arg);
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
		if (len) {
			fputs(".Ar \"", stdout);
			mdoc_text(words, len);
			fputs("\"\n", stdout);
		}
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
			mdoc_text(d->help, strlen(d->help));
			fputs(".\n", stdout);
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
	printf(".Dd $Mdocdate$\n.Dt VARVE-");
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
