#include "tools/commands.h"

const struct command *const commands[] = {
	&command_init,	   &command_add,	&command_list,
	&command_ls,	   &command_cat,	&command_find,
	&command_diff,	   &command_history,	&command_mount,
	&command_umount,   &command_restore,	&command_verify,
	&command_push,	   &command_resume,	&command_rollback,
	&command_runs,
	&command_copy,	   &command_forget,	&command_prune,
	&command_undelete, &command_pin,
	&command_unpin,	   &command_tag,	&command_policy,
	&command_check,	   &command_repair,	&command_rebuild,
	&command_status,
	&command_doctor,   &command_stats,	&command_sql,
	&command_log,	   &command_rocksdb,	&command_pg,
	&command_pso,	   &command_vmbc,	&command_dv,
	&command_help,	   &command_complete,
	&command_completion, &command_manual,	NULL,
};

static const struct option_def store_options[] = {
	{ .name = "store", .arg = "DIR", .type = WORD_DIR,
	  .help = "the store (default: VARVE_STORE)" },
	{ .name = NULL },
};

static const struct option_def json_options[] = {
	{ .name = "json", .help = "facts as JSON, one object a line" },
	{ .name = NULL },
};

static const struct option_def quiet_options[] = {
	{ .letter = 'q', .name = "quiet",
	  .help = "no talk, no progress; only results and errors" },
	{ .name = NULL },
};

static const struct option_def wait_options[] = {
	{ .name = "wait", .arg = "TIME", .flags = OPT_MAYBE,
	  .help = "wait for another process that is in the way, as long as "
		  "it takes or for TIME, as 90s, 15m, 2h, instead of ending "
		  "with status 5" },
	{ .name = NULL },
};

static const struct option_def help_options[] = {
	{ .name = "help", .help = "this text" },
	{ .name = NULL },
};

const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

const char *command_nearest(const char *name)
{
	const char *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; commands[i]; i++) {
		unsigned n = word_distance(name, commands[i]->name);

		if (!commands[i]->hidden && n < least) {
			least = n;
			best = commands[i]->name;
		}
	}
	return best;
}

void command_tables(const struct command *command,
		    const struct option_def *tables[COMMAND_TABLES])
{
	size_t n = 0;

	if (command->options)
		tables[n++] = command->options;
	if (command->common & TAKES_STORE)
		tables[n++] = store_options;
	if (command->common & TAKES_JSON)
		tables[n++] = json_options;
	if (command->common & TAKES_QUIET)
		tables[n++] = quiet_options;
	if (command->common & TAKES_WAIT)
		tables[n++] = wait_options;
	tables[n++] = help_options;
	tables[n] = NULL;
}

/* Does line begin with this word? */
static bool is_of_use(const char *line, size_t len, const char *use)
{
	size_t n = strlen(use);

	return n <= len && !strncmp(line, use, n) &&
	       (n == len || line[n] == ' ');
}

static void usage_lines(const struct command *command, const char *use,
			struct buf *out)
{
	const char *words = command->words;

	for (;;) {
		size_t len = strcspn(words, "\n");

		if (!use || is_of_use(words, len, use))
			buf_printf(out, "%svarve %s [OPTION]...%s%.*s",
				   out->len ? "\n" : "", command->name,
				   len ? " " : "", (int)len, words);
		words += len;
		if (!*words++)
			return;
	}
}

void command_usage(const struct command *command, struct buf *out)
{
	usage_lines(command, NULL, out);
}

bool command_has_use(const struct command *command, const char *use)
{
	OWNED_BUF struct buf lines = BUF_INIT;

	/* a use is a word as it is typed, and no argument's name */
	if (use[0] < 'a' || use[0] > 'z')
		return false;
	usage_lines(command, use, &lines);
	return lines.len > 0;
}

/* What is told of all uses, or the paragraphs that begin with this one. */
static void print_text(FILE *out, const char *text, const char *use)
{
	OWNED_BUF struct buf word = BUF_INIT, some = BUF_INIT;

	buf_printf(&word, "'%s'", use ? use : "");
	for (const char *at = text, *end; use && at; at = end ? end + 2 : NULL) {
		end = strstr(at, "\n\n");
		if (!buf_str(&word) || strncmp(at, (char *)word.data, word.len))
			continue;
		buf_append_str(&some, some.len ? "\n\n" : "");
		buf_append(&some, at, end ? (size_t)(end - at) : strlen(at));
	}
	text_wrap(out, some.len && buf_str(&some) ? (char *)some.data : text,
		  0, 0);
}

static void print_lines(FILE *out, const char *first, const char *before,
			const char *lines)
{
	for (;;) {
		size_t len = strcspn(lines, "\n");

		fprintf(out, "%s%.*s\n", first, (int)len, lines);
		first = before;
		lines += len;
		if (!*lines++)
			return;
	}
}

void command_print_help(FILE *out, const struct command *command,
			const char *use)
{
	const struct option_def *tables[COMMAND_TABLES];
	OWNED_BUF struct buf usage = BUF_INIT;

	usage_lines(command, use, &usage);
	if (!buf_str(&usage))
		return;
	print_lines(out, "usage: ", "       ", (char *)usage.data);
	fputc('\n', out);
	print_text(out, command->text, use);
	fputs("\nOptions:\n", out);
	command_tables(command, tables);
	option_print_help(out, tables);
	if (command->more_help)
		command->more_help(out);
	fputs(strchr(command->example, '\n') ? "\nExamples:\n" :
	      "\nExample:\n", out);
	print_lines(out, "  ", "  ", command->example);
	fprintf(out, "\nManual page: varve-%s(1)\n", command->name);
}

void commands_print(FILE *out)
{
	fputs("usage: varve [--store DIR] COMMAND [OPTION]... [ARGUMENT]...\n"
	      "\n"
	      "Keeps backups (archives, directories), each distinct piece "
	      "once, and shows\nall of them as one read-only file system.\n"
	      "\nCommands:\n", out);
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			fprintf(out, "  %-10s %s\n", commands[i]->name,
				commands[i]->about);
	fputs("\n"
	      "The store is named by --store DIR or by VARVE_STORE.  SNAPSHOT "
	      "is SOURCE (its\nnewest complete one), SOURCE@2021-01-22 (the "
	      "beginning of its time),\nSOURCE@-1 (the one before the "
	      "newest), SOURCE@KEY=VALUE (a tag or attribute)\nor "
	      "id:BEGINNING.\n\n"
	      "Exit status: 0 done, 1 failed, 2 wrong use, 3 done but "
	      "incomplete,\n4 store damaged, 5 locked.\n"
	      "\nExamples:\n"
	      "  varve init --store /backup/store\n"
	      "  varve add -s web/etc /etc\n"
	      "  varve help COMMAND\n"
	      "\nManual page: varve(1)\n", out);
}
