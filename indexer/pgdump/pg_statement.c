#include "indexer/pgdump/pg_internal.h"

#include <strings.h>

static const struct {
	const char *begin;
	enum pg_statement says;
} sayings[] = {
	{ "SET ", PG_SAYS_SETTING },
	{ "RESET ", PG_SAYS_SETTING },
	{ "SELECT pg_catalog.set_config('search_path', ", PG_SAYS_SETTING },
	{ "COPY ", PG_SAYS_COPY },
	{ "ALTER ROLE ", PG_SAYS_ROLE },
	{ "ALTER USER ", PG_SAYS_ROLE },
};
#define SAYINGS (sizeof(sayings) / sizeof(sayings[0]))

/* What a statement is that begins with text; ended: there is no more. */
static enum pg_statement judge(const struct pg_plain *p, struct span text,
			       bool ended)
{
	bool maybe = pg_lex_may_be_noise(&p->lex);

	if (p->entry.open && p->entry.class == PG_CLASS_OBJECTS)
		return PG_SAYS_OBJECT;
	for (size_t i = 0; i < SAYINGS; i++) {
		size_t len = strlen(sayings[i].begin);
		size_t n = text.len < len ? text.len : len;

		if (strncasecmp((const char *)text.data, sayings[i].begin,
				n) != 0)
			continue;
		if (n == len)
			return sayings[i].says;
		maybe = true;
	}
	return maybe && !ended ? PG_SAYS_NOTHING : PG_SAYS_SQL;
}

static size_t limit_of(enum pg_statement says)
{
	return says == PG_SAYS_COPY || says == PG_SAYS_OBJECT ?
		PG_HELD_MAX : PG_SETTING_MAX;
}

/* No object's file but the next one's would be the place of these; the path is
 * set for all, at the head. */
static bool is_state(const struct pg_plain *p, struct span text)
{
	static const char *const states[] = {
		"default_tablespace ", "default_table_access_method ",
		"default_with_oids ", "search_path ",
		"SESSION AUTHORIZATION ",
	};

	if (pg_skip(&text, "SELECT "))
		return p->target != PG_TO_HEAD;
	if (pg_skip(&text, "RESET SESSION AUTHORIZATION"))
		return true;
	if (!pg_skip(&text, "SET "))
		return false;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (pg_skip(&text, states[i]))
			return true;
	return false;
}

/* "fast;", "\"a b\";", "'';" */
static void take_space(struct pg_plain *p, struct span text)
{
	OWNED_BUF struct buf none = BUF_INIT;

	if (pg_skip(&text, "''"))
		buf_clear(&p->space);
	else
		pg_name_parse(text, &none, &p->space);
}

static void take_setting(struct pg_plain *p, struct span text)
{
	pg_skip(&text, "SET ");
	if (pg_skip(&text, "standard_conforming_strings = ")) {
		p->lex.backslashes = pg_skip(&text, "off") ||
				     pg_skip(&text, "'off'");
	} else if (pg_skip(&text, "default_tablespace = ")) {
		take_space(p, text);
	} else if (pg_skip(&text, "default_table_access_method = ")) {
		while (text.len && strchr(";\n", text.data[text.len - 1]))
			text.len--;
		pg_value(text, &p->method);
		/* With hints it comes behind the entry's beginning. */
		if (p->hinted && p->entry.open)
			pg_value(text, &p->entry.method);
	} else if (pg_skip(&text, "client_encoding = '")) {
		const uint8_t *end = memchr(text.data, '\'', text.len);

		if (end)
			pg_value(span_of(text.data,
					   (size_t)(end - text.data)),
				   &p->db.encoding);
	}
}

/* Has it PASSWORD behind the role's name? */
static bool has_password(struct span text)
{
	OWNED_BUF struct buf schema = BUF_INIT, name = BUF_INIT;
	static const char word[] = " PASSWORD '";
	size_t at = 11 + pg_name_parse(span_of(text.data + 11,
					       text.len - 11),
				       &schema, &name);

	return memmem(text.data + at, text.len - at, word,
		      sizeof(word) - 1) != NULL;
}

static int end_copy(struct pg_plain *p, struct span text, struct err *err)
{
	int r;

	if (!p->lex.copies_in) {
		r = pg_entry_statement(p, err);
		return r < 0 ? r : pg_flush(p, err);
	}
	buf_clear(&p->copy);
	buf_append(&p->copy, text.data, text.len);
	r = buf_check(&p->copy, err);
	if (r == 0)
		r = pg_turn(p, PG_TO_ASIDE, err);
	p->mode = PG_MODE_LINE;
	return r < 0 ? r : pg_flush(p, err);
}

static int end_object_statement(struct pg_plain *p, struct err *err)
{
	int r = pg_object_statement(p, err);

	if (r < 0)
		return r;
	r = r ? pg_entry_leave(p, err) : pg_entry_statement(p, err);
	return r < 0 ? r : pg_flush(p, err);
}

static int end_statement(struct pg_plain *p, struct err *err)
{
	struct span text = span_of(p->held.data + p->statement_at,
				   p->held.len - p->statement_at);
	int r;

	switch (p->says) {
	case PG_SAYS_COPY:
		return end_copy(p, text, err);
	case PG_SAYS_OBJECT:
		return end_object_statement(p, err);
	case PG_SAYS_SETTING:
		take_setting(p, text);
		if (!is_state(p, text))
			break;
		if (p->state_at == SIZE_MAX)
			p->state_at = p->statement_at;
		return 0;
	case PG_SAYS_ROLE:
		p->roles = true;
		p->passwords |= p->cluster && has_password(text);
		break;
	case PG_SAYS_SQL:
	case PG_SAYS_NOTHING:
		break;
	}
	r = pg_entry_statement(p, err);
	return r < 0 ? r : pg_flush(p, err);
}

int pg_statement_run(struct pg_plain *p, const struct pg_run *run,
		     struct span bytes, struct err *err)
{
	int r = 0;

	if (run->begins) {
		p->frame = SIZE_MAX;
		p->statement_at = p->held.len;
		p->says = judge(p, bytes, run->ends);
		if (p->says == PG_SAYS_SQL)
			r = pg_entry_statement(p, err);
		if (r == 0 && p->says == PG_SAYS_SQL)
			r = pg_flush(p, err);
	}
	if (r < 0 || p->says == PG_SAYS_SQL)
		return r < 0 ? r : pg_pass(p, bytes, err);
	r = pg_hold(p, bytes, err);
	if (r < 0)
		return r;
	if (p->says == PG_SAYS_NOTHING)
		p->says = judge(p, span_of(p->held.data + p->statement_at,
					   p->held.len - p->statement_at),
				run->ends);
	if (p->held.len - p->statement_at > limit_of(p->says))
		p->says = PG_SAYS_SQL;
	if (p->says == PG_SAYS_SQL) {
		r = pg_entry_statement(p, err);
		return r < 0 ? r : pg_flush(p, err);
	}
	return run->ends ? end_statement(p, err) : 0;
}
