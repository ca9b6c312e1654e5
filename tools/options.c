#include "tools/options.h"

#include <assert.h>
#include <stdlib.h>

#include "tools/format.h"

#define WIDTH 79
#define HELP_COLUMN 27
#define WORD_LONGEST 64		/* longer words are not compared for hints */

void options_release(struct options *options)
{
	free(options->uses);
	free(options->words);
	memset(options, 0, sizeof(*options));
}

static const struct option_def *
find_long(const struct option_def *const *tables, const char *name,
	  size_t len)
{
	for (; *tables; tables++)
		for (const struct option_def *d = *tables; d->name; d++)
			if (!strncmp(d->name, name, len) && !d->name[len])
				return d;
	return NULL;
}

static const struct option_def *
find_letter(const struct option_def *const *tables, char letter)
{
	for (; *tables; tables++)
		for (const struct option_def *d = *tables; d->name; d++)
			if (d->letter == letter)
				return d;
	return NULL;
}

unsigned word_distance(const char *a, const char *b)
{
	unsigned row[3][WORD_LONGEST + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_LONGEST || lb > WORD_LONGEST)
		return WORD_LONGEST;
	for (size_t j = 0; j <= lb; j++)
		row[1][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *two = row[(i + 2) % 3], *up = row[i % 3];
		unsigned *now = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[(la + 1) % 3][lb];
}

static const struct option_def *
nearest(const struct option_def *const *tables, const char *name)
{
	const struct option_def *best = NULL;
	unsigned least = (unsigned)strlen(name) / 3 + 2;

	for (; *tables; tables++) {
		for (const struct option_def *d = *tables; d->name; d++) {
			unsigned n = word_distance(name, d->name);

			if (d->flags & OPT_HIDDEN)
				continue;
			if (strlen(name) > 1 &&
			    !strncmp(d->name, name, strlen(name)))
				n = 0;
			if (n < least) {
				least = n;
				best = d;
			}
		}
	}
	return best;
}

static int unknown_long(const struct option_def *const *tables,
			const char *name, size_t len, struct err *err)
{
	const struct option_def *near;
	char word[WORD_LONGEST + 1];
	int r = err_set(err, -EINVAL, "no option '--%.*s'", (int)len, name);

	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	near = nearest(tables, word);
	if (near)
		err_hint(err, "did you mean '--%s'?  --help lists all",
			 near->name);
	else
		err_hint(err, "--help lists the options there are");
	return r;
}

static void use(struct options *options, const struct option_def *def,
		const char *value)
{
	options->uses[options->use_count].def = def;
	options->uses[options->use_count++].value = value;
}

static int no_argument(const struct option_def *def, struct err *err)
{
	return err_set(err, -EINVAL, "option '--%s' needs an argument: %s",
		       def->name, def->arg);
}

/* argv[i] begins with "--".  Gives the index of the last argument used. */
static int parse_long(struct options *options, int argc, char **argv, int i,
		      struct err *err)
{
	const char *name = argv[i] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_def *def = find_long(options->tables, name, len);

	if (!def)
		return unknown_long(options->tables, name, len, err);
	if (def->flags & OPT_REST) {
		if (equals || i + 1 >= argc)
			return no_argument(def, err);
		use(options, def, NULL);
		options->rest = argv + i + 1;
		return argc;
	}
	if (!def->arg && equals)
		return err_set(err, -EINVAL,
			       "option '--%s' takes no argument", def->name);
	if (!def->arg || (def->flags & OPT_MAYBE) || equals) {
		use(options, def, equals ? equals + 1 : NULL);
		return i;
	}
	if (i + 1 >= argc)
		return no_argument(def, err);
	use(options, def, argv[i + 1]);
	return i + 1;
}

/* argv[i] is a '-' and letters. */
static int parse_letters(struct options *options, int argc, char **argv,
			 int i, struct err *err)
{
	for (const char *c = argv[i] + 1; *c; c++) {
		const struct option_def *def =
			find_letter(options->tables, *c);

		if (!def) {
			err_set(err, -EINVAL, "no option '-%c'", *c);
			return err_hint(err,
				"--help lists the options there are");
		}
		if (!def->arg || (def->flags & OPT_MAYBE)) {
			use(options, def, NULL);
			continue;
		}
		if (c[1]) {
			use(options, def, c + 1);
			return i;
		}
		if (i + 1 >= argc)
			return no_argument(def, err);
		use(options, def, argv[i + 1]);
		return i + 1;
	}
	return i;
}

/* Room for the longest outcome: each letter a use, each argument a word. */
static int make_room(struct options *options, int argc, char **argv,
		     struct err *err)
{
	size_t most = 1;

	for (int i = 0; i < argc; i++)
		most += strlen(argv[i]) + 1;
	options->uses = calloc(most, sizeof(*options->uses));
	options->words = calloc((size_t)argc + 1, sizeof(*options->words));
	return options->uses && options->words ? 0 : err_nomem(err);
}

int options_parse(const struct option_def *const *tables, int argc,
		  char **argv, bool stop_at_word, struct options *ret,
		  struct err *err)
{
	bool ended = false;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->tables = tables;
	r = make_room(ret, argc, argv, err);
	for (int i = 0; r >= 0 && i < argc; i = r + 1) {
		r = i;
		if (!ended && !strcmp(argv[i], "--"))
			ended = true;
		else if (!ended && !strncmp(argv[i], "--", 2))
			r = parse_long(ret, argc, argv, i, err);
		else if (!ended && argv[i][0] == '-' && argv[i][1])
			r = parse_letters(ret, argc, argv, i, err);
		else if (stop_at_word)
			break;
		else
			ret->words[ret->word_count++] = argv[i];
		ret->taken = r + 1;
	}
	return r < 0 ? r : 0;
}

const char *option_nth(const struct options *options, const char *name,
		       size_t n)
{
	/* A name no table has is a slip in this program, not in its use. */
	assert(find_long(options->tables, name, strlen(name)));
	for (size_t i = 0; i < options->use_count; i++)
		if (!strcmp(options->uses[i].def->name, name) && n-- == 0)
			return options->uses[i].value;
	return NULL;
}

static const struct option_use *last_use(const struct options *options,
					 const char *name)
{
	assert(find_long(options->tables, name, strlen(name)));
	for (size_t i = options->use_count; i > 0; i--)
		if (!strcmp(options->uses[i - 1].def->name, name))
			return &options->uses[i - 1];
	return NULL;
}

bool option_given(const struct options *options, const char *name)
{
	return last_use(options, name) != NULL;
}

const char *option_value(const struct options *options, const char *name)
{
	const struct option_use *u = last_use(options, name);

	return u ? u->value : NULL;
}

int option_u64(const struct options *options, const char *name, uint64_t max,
	       uint64_t *ret, struct err *err)
{
	const char *text = option_value(options, name);
	unsigned long long v;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || v > max)
		return err_set(err, -EINVAL,
			       "'--%s %s': not a number from 0 to %llu", name,
			       text, (unsigned long long)max);
	*ret = v;
	return 0;
}

int option_size(const struct options *options, const char *name,
		uint64_t *ret, struct err *err)
{
	const char *text = option_value(options, name);

	if (!text)
		return 0;
	if (size_parse(text, ret, err) < 0)
		return err_wrap(err, "--%s", name);
	return 0;
}

void option_label(const struct option_def *def, struct buf *out)
{
	if (def->letter)
		buf_printf(out, "-%c, ", def->letter);
	buf_printf(out, "--%s", def->name);
	if (def->arg && (def->flags & OPT_MAYBE))
		buf_printf(out, "[=%s]", def->arg);
	else if (def->arg)
		buf_printf(out, " %s", def->arg);
}

void text_wrap(FILE *out, const char *text, int at, int indent)
{
	for (;;) {
		size_t len;

		text += strspn(text, " ");
		len = strcspn(text, " \n");
		if (len > 0 && at > indent && at + 1 + (int)len > WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
		} else if (len > 0 && at > indent) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += (int)len;
		text += len;
		if (!*text)
			break;
		if (*text == '\n') {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
			text++;
		}
	}
	fputc('\n', out);
}

void option_print_help(FILE *out, const struct option_def *const *tables)
{
	for (; *tables; tables++) {
		for (const struct option_def *d = *tables; d->name; d++) {
			OWNED_BUF struct buf label = BUF_INIT;
			int n;

			if (d->flags & OPT_HIDDEN)
				continue;
			buf_append_str(&label, d->letter ? "" : "    ");
			option_label(d, &label);
			n = fprintf(out, "  %s", buf_str(&label));
			if (n > HELP_COLUMN - 2)
				fprintf(out, "\n%*s", HELP_COLUMN, "");
			else
				fprintf(out, "%*s", HELP_COLUMN - n, "");
			text_wrap(out, d->help, HELP_COLUMN, HELP_COLUMN);
		}
	}
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

int options_check_use(const struct options *options, const char *command,
		      const struct option_of *of, struct err *err)
{
	for (; of->option; of++)
		if (option_given(options, of->option) &&
		    !has_word(of->uses, options->words[0]))
			return err_set(err, -EINVAL, "--%s is of 'varve %s %s', "
				       "not of 'varve %s %s'", of->option,
				       command, of->uses, command,
				       options->words[0]);
	return 0;
}
