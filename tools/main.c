#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"

#include <sys/stat.h>

#define WAIT_FOREVER_S ((int64_t)100 * 366 * 86400)

static const struct option_def global_options[] = {
	{ .name = "store", .arg = "DIR", .type = WORD_DIR,
	  .help = "the store (default: VARVE_STORE)" },
	{ .name = "json", .help = "facts as JSON, one object a line" },
	{ .letter = 'q', .name = "quiet", .help = "no talk, no progress" },
	{ .letter = 'h', .name = "help", .help = "this text" },
	{ .letter = 'V', .name = "version", .help = "the version" },
	{ .name = NULL },
};

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * mount(8) runs either mount.varve / mount.fuse.varve, or by way of
 * mount.fuse the plain `varve STORE MOUNTPOINT -o OPTIONS`.  No command's name
 * holds a '/'.
 */
static bool is_mount_helper(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	base = base ? base + 1 : argv[0];
	if (!strcmp(base, "mount.varve") || !strcmp(base, "mount.fuse.varve"))
		return true;
	return argc >= 3 && strchr(argv[1], '/') && argv[1][0] != '-' &&
	       is_directory(argv[1]);
}

static int no_command(const char *name, struct err *err)
{
	const char *near = command_nearest(name);
	int r = err_set(err, -EINVAL, "no command '%s'", name);

	if (near)
		err_hint(err, "did you mean '%s'?  'varve help' lists all",
			 near);
	else
		err_hint(err, "'varve help' lists the commands there are");
	return r;
}

static int check_words(const struct tool *tool, struct err *err)
{
	const struct command *c = tool->command;
	size_t n = tool->options.word_count;
	const char *words = c->words;
	int r;

	/* A producer on the command line stands in place of the words. */
	if (n >= (size_t)c->min_words &&
	    (c->max_words == ANY_WORDS || n <= (size_t)c->max_words))
		return 0;
	if (n < (size_t)c->min_words && tool->options.rest)
		return 0;
	if (n < (size_t)c->min_words)
		r = err_set(err, -EINVAL, "'varve %s' needs more: %.*s",
			    c->name, (int)strcspn(words, "\n"), words);
	else
		r = err_set(err, -EINVAL,
			    "'%s' is one argument too many for 'varve %s'",
			    tool->options.words[c->max_words], c->name);
	err_hint(err, "'varve %s --help' shows its use", c->name);
	return r;
}

static int take_wait(struct tool *tool, struct err *err)
{
	const char *text = option_value(&tool->options, "wait");
	int r;

	if (!text) {
		tool->wait_s = WAIT_FOREVER_S;
		return 0;
	}
	r = duration_parse(text, &tool->wait_s, err);
	if (r < 0)
		return err_wrap(err, "--wait");
	if (tool->wait_s < 0 || tool->wait_s > WAIT_FOREVER_S)
		tool->wait_s = WAIT_FOREVER_S;
	return 0;
}

static int run_command(struct tool *tool, int argc, char **argv,
		       struct err *err)
{
	const struct option_def *tables[COMMAND_TABLES];
	const struct command *c = tool->command;
	int r;

	command_tables(c, tables);
	r = options_parse(tables, argc, argv, false, &tool->options, err);
	if (r < 0)
		return r;
	if (option_given(&tool->options, "help")) {
		command_print_help(stdout, c, NULL);
		return DONE;
	}
	if ((c->common & TAKES_STORE) &&
	    option_given(&tool->options, "store"))
		tool->store = option_value(&tool->options, "store");
	if (c->common & TAKES_JSON)
		tool->json |= option_given(&tool->options, "json");
	if (c->common & TAKES_QUIET)
		tool->quiet |= option_given(&tool->options, "quiet");
	tool_expect_mail(tool);
	r = check_words(tool, err);
	if (r >= 0 && (c->common & TAKES_WAIT) &&
	    option_given(&tool->options, "wait"))
		r = take_wait(tool, err);
	return r < 0 ? r : c->run(tool, err);
}

static int dispatch(struct tool *tool, int argc, char **argv,
		    struct err *err)
{
	const struct option_def *tables[] = { global_options, NULL };
	CLEANUP(options_release) struct options global = { .tables = NULL };
	int r;

	r = options_parse(tables, argc, argv, true, &global, err);
	if (r < 0)
		return r;
	if (option_given(&global, "help")) {
		commands_print(stdout);
		return DONE;
	}
	if (option_given(&global, "version")) {
		puts("varve " VARVE_VERSION);
		return DONE;
	}
	if (global.taken >= argc) {
		commands_print(stderr);
		return WRONG_USE;
	}
	tool->store = option_value(&global, "store");
	if (!tool->store)
		tool->store = getenv("VARVE_STORE");
	if (tool->store && !tool->store[0])
		tool->store = NULL;
	tool->json = option_given(&global, "json");
	tool->quiet = option_given(&global, "quiet");
	argv += global.taken;
	argc -= global.taken;
	tool->command = command_by_name(argv[0]);
	if (!tool->command)
		return no_command(argv[0], err);
	return run_command(tool, argc - 1, argv + 1, err);
}

/* What to do about what may befall any command. */
static void advise(int code, struct err *err)
{
	if (err->hint[0])
		return;
	if (code == -EBADMSG)
		err_hint(err, "'varve check' tells what is damaged, and "
			 "what helps");
	else if (code == -ENOSPC)
		err_hint(err, "nothing that was stored is lost: make room "
			 "and run it again");
}

int main(int argc, char **argv)
{
	struct tool tool = { .command = NULL };
	struct err err = ERR_INIT;
	int r;

	if (argc < 1)
		return WRONG_USE;
	r = disk_fault_from_env(&err);
	if (r >= 0 && is_mount_helper(argc, argv))
		r = mount_helper(argc - 1, argv + 1, &err);
	else if (r >= 0)
		r = dispatch(&tool, argc - 1, argv + 1, &err);
	progress_end();
	if (r < 0) {
		advise(r, &err);
		complain(&err);
		r = exit_status_of(r);
	}
	options_release(&tool.options);
	if (output_lost) {
		fputs("varve: out of memory: some of what was to be printed "
		      "is missing\n", stderr);
		if (r == DONE)
			r = FAILED;
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "varve: cannot write to standard output: "
			"%s\n", strerror(errno));
		if (r == DONE)
			r = FAILED;
	}
	return r;
}
