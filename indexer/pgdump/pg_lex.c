#include "indexer/pgdump/pg_lex.h"

#include <strings.h>

enum lex_state {
	LEX_TOP = 0,		/* between statements */
	LEX_COMMENT,		/* of its own, to the end of the line */
	LEX_SLASH,		/* between statements, behind a '/' */
	LEX_TOP_BLOCK,		/* between statements */
	LEX_META,
	LEX_NOISE,
	/* in a statement: */
	LEX_PLAIN,
	LEX_LINE,		/* a comment to the end of the line */
	LEX_BLOCK,
	LEX_STRING,
	LEX_ESCAPES,		/* a string in which a backslash escapes */
	LEX_ESCAPED,		/* behind such a backslash */
	LEX_AFTER,		/* behind a string with escapes: it may go on */
	LEX_NAME,		/* a quoted identifier */
	LEX_TAG,		/* of a dollar quote, or a parameter */
	LEX_DOLLAR,
};

/* How bytes of a statement begin something else. */
enum lex_class {
	CLASS_NONE = 0, CLASS_WORD, CLASS_SPACE, CLASS_QUOTE, CLASS_NAME,
	CLASS_DOLLAR, CLASS_DASH, CLASS_STAR, CLASS_OPEN, CLASS_CLOSE,
	CLASS_END,
};

static const uint8_t classes[256] = {
	['a' ... 'z'] = CLASS_WORD, ['A' ... 'Z'] = CLASS_WORD,
	['0' ... '9'] = CLASS_WORD, ['_'] = CLASS_WORD,
	[0x80 ... 0xff] = CLASS_WORD,
	[' '] = CLASS_SPACE, ['\t' ... '\r'] = CLASS_SPACE,
	['\''] = CLASS_QUOTE, ['"'] = CLASS_NAME, ['$'] = CLASS_DOLLAR,
	['-'] = CLASS_DASH, ['*'] = CLASS_STAR,
	['('] = CLASS_OPEN, [')'] = CLASS_CLOSE, [';'] = CLASS_END,
};

/* What programs write to a terminal that also took the dump.  None of these is
 * the beginning of SQL. */
static const char *const noises[] = {
	"pg_dump: ", "pg_dumpall: ", "pg_restore: ", "psql: ",
	"Defaulted container ", "Unable to use a TTY ",
	"command terminated with exit code ",
};
#define NOISES (sizeof(noises) / sizeof(noises[0]))

static bool is_word(uint8_t c)
{
	return classes[c] == CLASS_WORD || c == '$';
}

void pg_lex_init(struct pg_lex *lex)
{
	*lex = (struct pg_lex){ .state = LEX_TOP };
}

bool pg_lex_is_idle(const struct pg_lex *lex)
{
	return lex->state == LEX_TOP;
}

bool pg_lex_may_be_noise(const struct pg_lex *lex)
{
	return lex->noise != 0;
}

/* Statements. */

static void begin_statement(struct pg_lex *lex)
{
	lex->state = LEX_PLAIN;
	lex->tracked = true;
	lex->copies_in = lex->from = false;
	lex->before[0] = lex->before[1] = 0;
	lex->parens = lex->blocks = lex->words = 0;
	lex->word_len = 0;
	memset(lex->initials, 0, sizeof(lex->initials));
	lex->noise = (1u << NOISES) - 1;
	lex->noise_at = 0;
}

static bool word_is(const struct pg_lex *lex, const char *word)
{
	size_t len = strlen(word);

	return lex->word_len == len && !strncasecmp(lex->word, word, len);
}

/* CREATE [OR REPLACE] FUNCTION or PROCEDURE, by their initials. */
static bool has_body(const struct pg_lex *lex)
{
	const char *i = lex->initials;

	return i[0] == 'c' &&
	       (i[1] == 'f' || i[1] == 'p' ||
		(i[1] == 'o' && i[2] == 'r' && (i[3] == 'f' || i[3] == 'p')));
}

static char initial(const struct pg_lex *lex)
{
	static const char *const heads[] = {
		"create", "function", "procedure", "or", "replace",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (word_is(lex, heads[i]))
			return heads[i][0];
	return 0;
}

static void count_block(struct pg_lex *lex)
{
	if (word_is(lex, "begin"))
		lex->blocks++;
	else if (word_is(lex, "case") && lex->blocks)
		lex->blocks++;
	else if (word_is(lex, "end") && lex->blocks)
		lex->blocks--;
}

static void end_copy_word(struct pg_lex *lex)
{
	if (lex->parens)
		return;
	if (lex->from && word_is(lex, "stdin"))
		lex->copies_in = true;
	lex->from = word_is(lex, "from");
}

static void end_word(struct pg_lex *lex)
{
	bool copy = lex->initials[0] == 'C';

	if (lex->words == 0) {
		if (word_is(lex, "copy"))
			lex->initials[0] = 'C';
		else
			lex->initials[0] = initial(lex);
		lex->tracked = lex->initials[0] == 'C' ||
			       lex->initials[0] == 'c';
	} else if (copy) {
		end_copy_word(lex);
	} else {
		if (lex->words < 4)
			lex->initials[lex->words] = initial(lex);
		if (has_body(lex) && !lex->parens)
			count_block(lex);
		else if (lex->words >= 4)
			lex->tracked = has_body(lex);
	}
	lex->words++;
	lex->word_len = 0;
}

static void track(struct pg_lex *lex, uint8_t c)
{
	if (is_word(c)) {
		if (lex->word_len < PG_LEX_WORD)
			lex->word[lex->word_len] = (char)c;
		/* One that is too long is none of ours. */
		if (lex->word_len <= PG_LEX_WORD)
			lex->word_len++;
	} else if (lex->word_len) {
		end_word(lex);
	}
}

/* true: from here on the line is noise. */
static bool find_noise(unsigned *candidates, unsigned *at, uint8_t c)
{
	for (unsigned i = 0; i < NOISES; i++) {
		if (!(*candidates >> i & 1))
			continue;
		if (noises[i][*at] != (char)c)
			*candidates &= ~(1u << i);
		else if (!noises[i][*at + 1])
			return true;
	}
	++*at;
	return false;
}

static void enter(struct pg_lex *lex, enum lex_state state)
{
	lex->state = state;
	lex->before[0] = lex->before[1] = 0;
}

/* A quote begins a string; how, its prefix says. */
static void enter_string(struct pg_lex *lex)
{
	bool e = (lex->before[0] | 0x20) == 'e' && !is_word(lex->before[1]);

	enter(lex, e || lex->backslashes ? LEX_ESCAPES : LEX_STRING);
}

/* One byte that means something; true: the statement ends with it. */
static bool plain_byte(struct pg_lex *lex, uint8_t c)
{
	switch (classes[c]) {
	case CLASS_QUOTE:
		enter_string(lex);
		return false;
	case CLASS_NAME:
		enter(lex, LEX_NAME);
		return false;
	case CLASS_DOLLAR:
		if (is_word(lex->before[0]))
			break;
		lex->state = LEX_TAG;
		lex->tag[0] = c;
		lex->tag_len = 1;
		break;
	case CLASS_DASH:
		if (lex->before[0] != '-')
			break;
		enter(lex, LEX_LINE);
		return false;
	case CLASS_STAR:
		if (lex->before[0] != '/')
			break;
		enter(lex, LEX_BLOCK);
		lex->depth = 1;
		return false;
	case CLASS_OPEN:
		lex->parens++;
		break;
	case CLASS_CLOSE:
		lex->parens -= lex->parens > 0;
		break;
	case CLASS_END:
		return !lex->parens && !lex->blocks;
	default:
		break;
	}
	lex->before[1] = lex->before[0];
	lex->before[0] = c;
	return false;
}

/* Words and spaces that nobody asks about, to the next byte that means
 * something. */
static const uint8_t *skip_plain(struct pg_lex *lex, const uint8_t *p,
				 const uint8_t *end)
{
	const uint8_t *from = p;

	while (p < end && classes[*p] <= CLASS_SPACE)
		p++;
	if (p - from >= 2) {
		lex->before[0] = p[-1];
		lex->before[1] = p[-2];
	} else if (p - from == 1) {
		lex->before[1] = lex->before[0];
		lex->before[0] = p[-1];
	}
	return p;
}

/* To the end of in, of the statement, or of what is plain in it. */
static const uint8_t *scan_plain(struct pg_lex *lex, const uint8_t *p,
				 const uint8_t *end)
{
	while (p < end && lex->state == LEX_PLAIN) {
		if (lex->noise &&
		    find_noise(&lex->noise, &lex->noise_at, *p)) {
			lex->noise = 0;
			lex->state = LEX_NOISE;
			break;
		}
		if (lex->tracked)
			track(lex, *p);
		else if (!lex->noise)
			p = skip_plain(lex, p, end);
		if (p < end && plain_byte(lex, *p++))
			lex->state = LEX_TOP;
	}
	if (lex->state == LEX_TOP)
		lex->noise = 0;
	return p;
}

static const uint8_t *find(const uint8_t *p, const uint8_t *end, uint8_t c)
{
	const uint8_t *at = memchr(p, c, (size_t)(end - p));

	return at ? at : end;
}

/* Up to and with the next c; then state follows. */
static const uint8_t *scan_to(struct pg_lex *lex, const uint8_t *p,
			      const uint8_t *end, uint8_t c,
			      enum lex_state state)
{
	p = find(p, end, c);
	if (p < end) {
		p++;
		enter(lex, state);
	}
	return p;
}

static const uint8_t *scan_escapes(struct pg_lex *lex, const uint8_t *p,
				   const uint8_t *end)
{
	while (p < end && *p != '\'' && *p != '\\')
		p++;
	if (p < end) {
		enter(lex, *p == '\\' ? LEX_ESCAPED : LEX_AFTER);
		lex->newline = false;
		p++;
	}
	return p;
}

/* Two quotes are one within; and a string goes on on another line. */
static const uint8_t *scan_after(struct pg_lex *lex, const uint8_t *p,
				 const uint8_t *end)
{
	if (*p == '\'' && !lex->before[0]) {
		enter(lex, LEX_ESCAPES);
		return p + 1;
	}
	for (; p < end && classes[*p] == CLASS_SPACE; p++) {
		lex->newline |= *p == '\n' || *p == '\r';
		lex->before[0] = ' ';
	}
	if (p == end)
		return p;
	if (*p == '\'' && lex->newline) {
		enter(lex, LEX_ESCAPES);
		return p + 1;
	}
	enter(lex, LEX_PLAIN);
	return p;
}

static const uint8_t *scan_block(struct pg_lex *lex, const uint8_t *p,
				 const uint8_t *end, enum lex_state after)
{
	for (; p < end && lex->depth; p++) {
		if (*p == '/' && lex->before[0] == '*') {
			lex->depth--;
			lex->before[0] = 0;
		} else if (*p == '*' && lex->before[0] == '/') {
			lex->depth++;
			lex->before[0] = 0;
		} else {
			lex->before[0] = *p;
		}
	}
	if (!lex->depth)
		enter(lex, after);
	return p;
}

static const uint8_t *scan_tag(struct pg_lex *lex, const uint8_t *p)
{
	uint8_t c = *p;
	bool digit = c >= '0' && c <= '9';

	if (c == '$') {
		lex->tag[lex->tag_len++] = c;
		lex->tag_at = 0;
		enter(lex, LEX_DOLLAR);
		return p + 1;
	}
	if (classes[c] != CLASS_WORD || (digit && lex->tag_len == 1) ||
	    lex->tag_len + 2 > PG_LEX_TAG) {
		lex->state = LEX_PLAIN;		/* "$1", or an odd operator */
		return p;
	}
	lex->tag[lex->tag_len++] = c;
	lex->before[1] = lex->before[0];
	lex->before[0] = c;
	return p + 1;
}

static const uint8_t *scan_dollar(struct pg_lex *lex, const uint8_t *p,
				  const uint8_t *end)
{
	while (p < end) {
		if (!lex->tag_at)
			p = find(p, end, '$');
		if (p == end)
			break;
		if (*p == lex->tag[lex->tag_at])
			lex->tag_at++;
		else
			lex->tag_at = *p == '$';
		p++;
		if (lex->tag_at == lex->tag_len) {
			enter(lex, LEX_PLAIN);
			break;
		}
	}
	return p;
}

/* One state's part of what is at p, at least a byte of it or a change of
 * state. */
static const uint8_t *scan(struct pg_lex *lex, const uint8_t *p,
			   const uint8_t *end)
{
	switch ((enum lex_state)lex->state) {
	case LEX_PLAIN:
		return scan_plain(lex, p, end);
	case LEX_STRING:
		return scan_to(lex, p, end, '\'', LEX_PLAIN);
	case LEX_NAME:
		return scan_to(lex, p, end, '"', LEX_PLAIN);
	case LEX_LINE:
		return scan_to(lex, p, end, '\n', LEX_PLAIN);
	case LEX_COMMENT:
	case LEX_META:
	case LEX_NOISE:
		return scan_to(lex, p, end, '\n', LEX_TOP);
	case LEX_BLOCK:
		return scan_block(lex, p, end, LEX_PLAIN);
	case LEX_TOP_BLOCK:
		return scan_block(lex, p, end, LEX_TOP);
	case LEX_ESCAPES:
		return scan_escapes(lex, p, end);
	case LEX_ESCAPED:
		enter(lex, LEX_ESCAPES);
		return p + 1;
	case LEX_AFTER:
		return scan_after(lex, p, end);
	case LEX_TAG:
		return scan_tag(lex, p);
	case LEX_DOLLAR:
		return scan_dollar(lex, p, end);
	case LEX_SLASH:
		if (*p == '*') {
			enter(lex, LEX_TOP_BLOCK);
			lex->depth = 1;
			return p + 1;
		}
		lex->state = LEX_COMMENT;	/* no SQL */
		return p;
	case LEX_TOP:
		break;
	}
	return p;
}

static enum pg_run_kind kind_of(const struct pg_lex *lex)
{
	switch ((enum lex_state)lex->state) {
	case LEX_COMMENT:
	case LEX_SLASH:
	case LEX_TOP_BLOCK:
		return PG_RUN_COMMENT;
	case LEX_META:
		return PG_RUN_META;
	case LEX_NOISE:
		return PG_RUN_NOISE;
	default:
		return PG_RUN_STATEMENT;
	}
}

/* What begins at c between statements; "-" and "/" begin no SQL. */
static void begin(struct pg_lex *lex, uint8_t c)
{
	if (c == '-')
		lex->state = LEX_COMMENT;
	else if (c == '/')
		lex->state = LEX_SLASH;
	else if (c == '\\')
		lex->state = LEX_META;
	else
		begin_statement(lex);
}

void pg_lex_next(struct pg_lex *lex, struct span in, struct pg_run *ret)
{
	const uint8_t *p = in.data, *end = in.data + in.len;

	*ret = (struct pg_run){ .kind = PG_RUN_SPACE };
	if (lex->state == LEX_TOP) {
		while (p < end && classes[*p] == CLASS_SPACE)
			p++;
		ret->len = (size_t)(p - in.data);
		if (ret->len)
			return;
		ret->begins = true;
		begin(lex, *p);
		if (lex->state == LEX_SLASH)
			p++;
	}
	ret->kind = kind_of(lex);
	while (p < end && lex->state != LEX_TOP) {
		p = scan(lex, p, end);
		if (lex->state == LEX_NOISE)
			ret->kind = PG_RUN_NOISE;
	}
	ret->len = (size_t)(p - in.data);
	ret->ends = lex->state == LEX_TOP;
}

/* Rows. */

static bool may_be_noise(uint8_t c)
{
	return c == 'p' || c == 'D' || c == 'U' || c == 'c';
}

/* Of the line of which some begins at p. */
static void look_for_noise(struct pg_rows *rows, const uint8_t *p,
			   const uint8_t *end)
{
	if (!rows->in_line) {
		rows->noise = may_be_noise(*p) ? (1u << NOISES) - 1 : 0;
		rows->noise_at = 0;
	}
	for (; rows->noise && p < end; p++) {
		if (!find_noise(&rows->noise, &rows->noise_at, *p))
			continue;
		rows->noises++;
		rows->noise = 0;
	}
}

/* What the line at p, which begins with a backslash, is. */
static enum pg_rows_end judge(const uint8_t *p, const uint8_t *end)
{
	size_t len = (size_t)(end - p) < 3 ? (size_t)(end - p) : 3;

	if (memcmp(p, "\\.\n", len) != 0)
		return PG_ROWS_GO_ON;
	return len == 3 ? PG_ROWS_OVER : PG_ROWS_UNSURE;
}

enum pg_rows_end pg_rows_scan(struct pg_rows *rows, struct span in,
			      size_t *ret_len)
{
	const uint8_t *p = in.data, *end = in.data + in.len;
	enum pg_rows_end is = PG_ROWS_GO_ON;

	while (p < end) {
		if (!rows->in_line && *p == '\\')
			is = judge(p, end);
		if (is != PG_ROWS_GO_ON)
			break;
		if (!rows->in_line || rows->noise)
			look_for_noise(rows, p, end);
		p = find(p, end, '\n');
		rows->in_line = p == end;
		if (p < end) {
			rows->count++;
			p++;
		}
	}
	*ret_len = (size_t)(p - in.data);
	return is;
}
