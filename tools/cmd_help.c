#include "tools/commands.h"

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	const struct command *c;
	const char *near;
	int r;

	if (o->word_count == 0) {
		commands_print(stdout);
		return DONE;
	}
	c = command_by_name(o->words[0]);
	if (c && o->word_count > 1 && !command_has_use(c, o->words[1])) {
		err_set(err, -EINVAL, "'%s' is no use of 'varve %s'",
			o->words[1], c->name);
		return err_hint(err, "'varve help %s' shows its uses", c->name);
	}
	if (c) {
		command_print_help(stdout, c, o->word_count > 1 ? o->words[1] :
				   NULL);
		return DONE;
	}
	near = command_nearest(o->words[0]);
	r = err_set(err, -EINVAL, "no command '%s'", o->words[0]);
	if (near)
		err_hint(err, "did you mean '%s'?", near);
	else
		err_hint(err, "'varve help' lists the commands there are");
	return r;
}

const struct command command_help = {
	.name = "help",
	.words = "[COMMAND [USE]]",
	.about = "what a command does and how it is used",
	.text = "Lists the commands, or shows the help of one; with USE, as "
		"'varve help pg audit', how that one is written.",
	.example = "varve help add\nvarve help pg audit",
	.common = 0,
	.min_words = 0,
	.max_words = 2,
	.word_type = WORD_COMMAND,
	.run = run,
};
