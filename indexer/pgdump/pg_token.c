#include "indexer/pgdump/pg_token.h"

#include <strings.h>

static bool begins_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c >= 0x80;
}

static bool is_word(uint8_t c)
{
	return begins_word(c) || (c >= '0' && c <= '9') || c == '$';
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The length of what begins text, up to its end at quote, which doubled is one
 * within. */
static size_t quoted(struct span text, size_t from, bool backslashes)
{
	uint8_t quote = text.data[from];
	size_t i = from + 1;

	for (; i < text.len; i++) {
		if (text.data[i] == '\\' && backslashes) {
			i++;
			continue;
		}
		if (text.data[i] != quote)
			continue;
		if (i + 1 == text.len || text.data[i + 1] != quote)
			return i + 1;
		i++;
	}
	return text.len;
}

static size_t line_comment(struct span text)
{
	const uint8_t *nl = memchr(text.data, '\n', text.len);

	return nl ? (size_t)(nl - text.data) + 1 : text.len;
}

static size_t block_comment(struct span text)
{
	size_t i = 2, depth = 1;

	for (; i + 1 < text.len && depth; i++) {
		if (text.data[i] == '*' && text.data[i + 1] == '/') {
			depth--;
			i++;
		} else if (text.data[i] == '/' && text.data[i + 1] == '*') {
			depth++;
			i++;
		}
	}
	return depth ? text.len : i;
}

static size_t space(struct span text)
{
	size_t i = 0;

	while (i < text.len && is_space(text.data[i]))
		i++;
	if (i || text.len < 2)
		return i;
	if (text.data[0] == '-' && text.data[1] == '-')
		return line_comment(text);
	if (text.data[0] == '/' && text.data[1] == '*')
		return block_comment(text);
	return 0;
}

/* $tag$ ... $tag$; 0: it is none. */
static size_t dollar(struct span text)
{
	size_t n = 1;
	const uint8_t *end;

	while (n < text.len && is_word(text.data[n]) && text.data[n] != '$')
		n++;
	if (n == text.len || text.data[n] != '$' ||
	    (n > 1 && !begins_word(text.data[1])))
		return 0;
	n++;
	end = memmem(text.data + n, text.len - n, text.data, n);
	return end ? (size_t)(end - text.data) + n : text.len;
}

static size_t word(struct span text)
{
	size_t i = 0;

	while (i < text.len && is_word(text.data[i]))
		i++;
	return i;
}

/* E'...' */
static bool is_escaped(struct span text)
{
	return text.len > 1 && (text.data[0] | 0x20) == 'e' &&
	       text.data[1] == '\'';
}

bool pg_token_next(struct span *text, bool backslashes,
		   struct pg_token *ret)
{
	size_t n;

	if (!text->len)
		return false;
	ret->kind = PG_TOKEN_SPACE;
	n = space(*text);
	if (!n && is_escaped(*text)) {
		ret->kind = PG_TOKEN_OTHER;
		n = quoted(*text, 1, true);
	} else if (!n && begins_word(text->data[0])) {
		ret->kind = PG_TOKEN_WORD;
		n = word(*text);
	} else if (!n && text->data[0] == '"') {
		ret->kind = PG_TOKEN_NAME;
		n = quoted(*text, 0, false);
	} else if (!n && text->data[0] == '\'') {
		ret->kind = PG_TOKEN_STRING;
		n = quoted(*text, 0, backslashes);
	} else if (!n) {
		ret->kind = PG_TOKEN_OTHER;
		if (text->data[0] == '$')
			n = dollar(*text);
		/* A number's letters are no word. */
		else if (is_word(text->data[0]))
			n = word(*text);
		n = n ? n : 1;
	}
	ret->text = span_of(text->data, n);
	text->data += n;
	text->len -= n;
	return true;
}

bool pg_token_is(const struct pg_token *token, const char *keyword)
{
	size_t len = strlen(keyword);

	return token->kind == PG_TOKEN_WORD && token->text.len == len &&
	       !strncasecmp((const char *)token->text.data, keyword, len);
}

bool pg_has_command(struct span text, bool backslashes)
{
	struct pg_token token;

	while (pg_token_next(&text, backslashes, &token))
		if (token.kind == PG_TOKEN_OTHER &&
		    token.text.data[0] == '\\')
			return true;
	return false;
}

/* What a name is, without its quotes. */
static void name_of(const struct pg_token *token, struct buf *ret)
{
	struct span s = token->text;

	buf_clear(ret);
	if (token->kind == PG_TOKEN_WORD) {
		buf_append(ret, s.data, s.len);
		return;
	}
	for (size_t i = 1; i + 1 < s.len; i++) {
		buf_append_byte(ret, s.data[i]);
		if (s.data[i] == s.data[0])
			i++;
	}
}

static bool is_name(const struct pg_token *token)
{
	return token->kind == PG_TOKEN_WORD || token->kind == PG_TOKEN_NAME;
}

void pg_qualified_release(struct pg_qualified *name)
{
	buf_release(&name->schema);
	buf_release(&name->name);
}

/* schema.name behind first, which was taken off *text; else *text stays. */
static bool take_qualified(const struct pg_token *first, struct span *text,
			   bool backslashes, struct pg_qualified *ret)
{
	struct span rest = *text;
	struct pg_token token;

	if (!is_name(first) || !rest.len || rest.data[0] != '.')
		return false;
	rest.data++;
	rest.len--;
	if (!pg_token_next(&rest, backslashes, &token) || !is_name(&token))
		return false;
	name_of(first, &ret->schema);
	name_of(&token, &ret->name);
	*text = rest;
	return true;
}

bool pg_qualified_parse(struct span text, struct pg_qualified *ret)
{
	struct pg_token first;

	buf_clear(&ret->schema);
	if (!pg_token_next(&text, false, &first) || !is_name(&first))
		return false;
	if (!text.len) {
		name_of(&first, &ret->name);
		return !ret->name.failed && ret->name.len;
	}
	return take_qualified(&first, &text, false, ret) && !text.len &&
	       !ret->schema.failed && !ret->name.failed;
}

int pg_qualified_find(struct span text, bool backslashes,
		      const char *keyword, struct pg_qualified *ret)
{
	struct pg_token token;
	bool behind = false;

	while (pg_token_next(&text, backslashes, &token)) {
		if (token.kind == PG_TOKEN_SPACE)
			continue;
		if (behind && take_qualified(&token, &text, backslashes, ret))
			return ret->schema.failed || ret->name.failed ?
				-ENOMEM : 1;
		behind = pg_token_is(&token, keyword) ||
			 (behind && pg_token_is(&token, "ONLY"));
	}
	return 0;
}

/* Changes. */

void pg_quote_name(struct span name, struct buf *out)
{
	buf_append_byte(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		buf_append_byte(out, name.data[i]);
		if (name.data[i] == '"')
			buf_append_byte(out, '"');
	}
	buf_append_byte(out, '"');
}

static void quote_both(const struct pg_change *change, struct buf *out)
{
	pg_quote_name(change->to_schema, out);
	buf_append_byte(out, '.');
	pg_quote_name(change->to, out);
}

struct changer {
	const struct pg_change *changes;
	size_t count;
	bool backslashes;
	struct buf *out;
	struct pg_qualified name;	/* scratch */
	bool constraint, index, cluster;	/* the keyword before */
	bool dotted;		/* a '.' is before */
};

static const struct pg_change *find(const struct changer *c, bool alone)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct pg_change *change = &c->changes[i];

		if (!span_equal(change->from, buf_span(&c->name.name)))
			continue;
		if (alone ? change->alone
			  : span_equal(change->schema,
				       buf_span(&c->name.schema)))
			return change;
	}
	return NULL;
}

/* 's.t' is 's2.t2', where that is all of it. */
static bool change_string(struct changer *c, const struct pg_token *token)
{
	OWNED_BUF struct buf text = BUF_INIT, quoted_name = BUF_INIT;
	const struct pg_change *change = NULL;

	if (memchr(token->text.data, '\\', token->text.len))
		return false;
	name_of(token, &text);
	if (pg_qualified_parse(buf_span(&text), &c->name))
		change = find(c, false);
	if (!change)
		return false;
	quote_both(change, &quoted_name);
	buf_append_byte(c->out, '\'');
	for (size_t i = 0; i < quoted_name.len; i++) {
		buf_append_byte(c->out, quoted_name.data[i]);
		if (quoted_name.data[i] == '\'')
			buf_append_byte(c->out, '\'');
	}
	buf_append_byte(c->out, '\'');
	c->out->failed |= text.failed || quoted_name.failed;
	return true;
}

static bool change_name(struct changer *c, const struct pg_token *token,
			struct span *rest)
{
	struct span behind = *rest;
	const struct pg_change *change = NULL;

	if (c->dotted)
		return false;
	if (take_qualified(token, &behind, c->backslashes, &c->name)) {
		change = find(c, false);
		if (!change)
			return false;
		*rest = behind;
		quote_both(change, c->out);
		return true;
	}
	if (!c->constraint && !c->index && !c->cluster)
		return false;
	name_of(token, &c->name.name);
	change = find(c, true);
	if (change)
		pg_quote_name(change->to, c->out);
	return change != NULL;
}

static void note_keyword(struct changer *c, const struct pg_token *token)
{
	bool on = pg_token_is(token, "ON");

	c->cluster = pg_token_is(token, "CLUSTER") || (c->cluster && on);
	c->constraint = pg_token_is(token, "CONSTRAINT");
	c->index = pg_token_is(token, "INDEX");
	c->dotted = token->text.len == 1 && token->text.data[0] == '.';
}

int pg_change_names(struct span text, bool backslashes,
		    const struct pg_change *changes, size_t count,
		    struct buf *out)
{
	struct changer c = { .changes = changes, .count = count,
			     .backslashes = backslashes, .out = out };
	struct pg_token token;

	while (pg_token_next(&text, backslashes, &token)) {
		bool changed = false;

		if (token.kind == PG_TOKEN_STRING)
			changed = change_string(&c, &token);
		else if (is_name(&token))
			changed = change_name(&c, &token, &text);
		if (!changed)
			buf_append(out, token.text.data, token.text.len);
		if (token.kind != PG_TOKEN_SPACE)
			note_keyword(&c, &token);
	}
	out->failed |= c.name.schema.failed || c.name.name.failed;
	pg_qualified_release(&c.name);
	return out->failed ? -ENOMEM : 0;
}
