#include "tools/commands.h"

/* The bash completion, made from the option tables when this is built. */

static const char *const head =
	"# bash completion for varve, made from its option tables\n"
	"\n"
	"# The word at the cursor, not cut at : = @ as bash does it.\n"
	"_varve_offer()\n"
	"{\n"
	"\tlocal before=${cur%\"${cur##*[:=@]}\"} word\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r word; do\n"
	"\t\tCOMPREPLY+=(\"${word#\"$before\"}\")\n"
	"\t\t[[ $word == *[/:=] ]] && compopt -o nospace 2>/dev/null\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_varve_words()\n"
	"{\n"
	"\t_varve_offer < <(compgen -W \"$1\" -- \"$cur\")\n"
	"}\n"
	"\n"
	"_varve_ask()\n"
	"{\n"
	"\t_varve_offer < <(varve __complete ${store:+--store \"$store\"} "
	"-- \"$1\" \"$cur\" 2>/dev/null)\n"
	"}\n"
	"\n"
	"_varve_type()\n"
	"{\n"
	"\tcase $1 in\n"
	"\tfile) compopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\tdir) compopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
	"\tnode-dir)\n"
	"\t\tif ((count > 0)); then _varve_type dir; "
	"else _varve_ask node; fi ;;\n"
	"\tcommand) _varve_words \"$_varve_commands\" ;;\n"
	"\ttype) _varve_words 'f d l c b p s' ;;\n"
	"\ttext) ;;\n"
	"\t*) _varve_ask \"$1\" ;;\n"
	"\tesac\n"
	"}\n";

static const char *const tail =
	"\n"
	"_varve()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} command= store= count=0\n"
	"\tlocal options= word= argument= i\n"
	"\tlocal cur=${line##*[[:space:]]}\n"
	"\tlocal -a seen\n"
	"\tread -ra seen <<<\"${line%\"$cur\"}\"\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < ${#seen[@]}; i++)); do\n"
	"\t\tcase ${seen[i]} in\n"
	"\t\t--store) store=${seen[++i]} ;;\n"
	"\t\t--store=*) store=${seen[i]#*=} ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) if [[ -z $command ]]; then command=${seen[i]}\n"
	"\t\t   else ((++count)); fi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tif [[ -z $command ]]; then\n"
	"\t\tcase ${seen[-1]} in --store) _varve_type dir; return ;; esac\n"
	"\t\t_varve_words \"$_varve_commands --store --json --quiet --help "
	"--version\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t_varve_command \"$command\" \"${seen[-1]}\"\n"
	"\tif [[ -n $argument ]]; then _varve_type \"$argument\"\n"
	"\telif [[ $cur == -* ]]; then _varve_words \"$options\"\n"
	"\telse _varve_type \"$word\"; fi\n"
	"}\n"
	"complete -F _varve varve\n";

static const char *type_word(enum word_type type)
{
	switch (type) {
	case WORD_FILE:
		return "file";
	case WORD_DIR:
		return "dir";
	case WORD_SNAPSHOT:
		return "snapshot";
	case WORD_SOURCE:
		return "source";
	case WORD_NODE:
		return "node";
	case WORD_KIND:
		return "kind";
	case WORD_COMMAND:
		return "command";
	case WORD_TYPE:
		return "type";
	default:
		return "text";
	}
}

static void print_options(const struct option_def *const *tables)
{
	printf("\t\toptions='");
	for (; *tables; tables++)
		for (const struct option_def *d = *tables; d->name; d++)
			if (!(d->flags & OPT_HIDDEN))
				printf("--%s%s ", d->name,
				       d->flags & OPT_MAYBE ? "=" : "");
	printf("'\n");
}

static void print_arguments(const struct option_def *const *tables)
{
	printf("\t\tcase $2 in\n");
	for (; *tables; tables++) {
		for (const struct option_def *d = *tables; d->name; d++) {
			if (!d->arg || (d->flags & OPT_MAYBE))
				continue;
			printf("\t\t--%s", d->name);
			if (d->letter)
				printf("|-%c", d->letter);
			printf(") argument=%s ;;\n", type_word(d->type));
		}
	}
	printf("\t\tesac ;;\n");
}

static void print_command(const struct command *c)
{
	const struct option_def *tables[COMMAND_TABLES];
	/* The last word of restore is where to. */
	const char *word = strstr(c->words, "] TARGET") ? "node-dir" :
			   type_word(c->word_type);

	command_tables(c, tables);
	printf("\t%s)\n\t\tword=%s\n", c->name, word);
	print_options(tables);
	print_arguments(tables);
}

static int run(struct tool *tool, struct err *err)
{
	(void)tool;
	(void)err;
	fputs(head, stdout);
	printf("\n_varve_command()\n{\n\tcase $1 in\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			print_command(commands[i]);
	printf("\tesac\n}\n");
	/* The names stand where _varve_type() and _varve() see them. */
	printf("\n_varve_commands='");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			printf("%s%s", i ? " " : "", commands[i]->name);
	printf("'\n");
	fputs(tail, stdout);
	return DONE;
}

const struct command command_completion = {
	.name = "__completion",
	.words = "",
	.about = "the bash completion",
	.text = "Prints the bash completion. Used when Varve is built.",
	.example = "varve __completion",
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
	.hidden = true,
};
