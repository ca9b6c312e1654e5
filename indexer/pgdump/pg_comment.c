#include "indexer/pgdump/pg_comment.h"

bool pg_skip(struct span *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->data, word, len) != 0)
		return false;
	text->data += len;
	text->len -= len;
	return true;
}

bool pg_number_parse(struct span *text, uint32_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < text->len && i < 11; i++) {
		if (text->data[i] < '0' || text->data[i] > '9')
			break;
		n = n * 10 + (text->data[i] - '0');
	}
	if (!i || n > UINT32_MAX)
		return false;
	text->data += i;
	text->len -= i;
	*ret = (uint32_t)n;
	return true;
}

/* Where word stands last in text; -1: nowhere. */
static ptrdiff_t find_last(struct span text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = text.len + 1; i-- > len;)
		if (!memcmp(text.data + i - len, word, len))
			return (ptrdiff_t)(i - len);
	return -1;
}

static struct span or_none(struct span s)
{
	return s.len == 1 && s.data[0] == '-' ? span_of(NULL, 0) : s;
}

static struct span upto(struct span s, size_t len)
{
	return span_of(s.data, len);
}

static struct span behind(struct span s, size_t at)
{
	return span_of(s.data + at, s.len - at);
}

/* Split text at the last word: 1 and *text is what stands before it. */
static bool split(struct span *text, const char *word, struct span *ret)
{
	ptrdiff_t at = find_last(*text, word);

	if (at < 0)
		return false;
	*ret = behind(*text, (size_t)at + strlen(word));
	*text = upto(*text, (size_t)at);
	return true;
}

/* "TABLE DATA; Schema: " at the beginning of tail. */
static bool parse_desc(struct span tail, struct pg_comment *ret)
{
	size_t n = 0;

	while (n < tail.len && ((tail.data[n] >= 'A' && tail.data[n] <= 'Z') ||
				tail.data[n] == ' '))
		n++;
	ret->desc = upto(tail, n);
	ret->schema = behind(tail, n);
	return n > 0 && pg_skip(&ret->schema, "; Schema: ");
}

/* "Name: X; Type: T; Schema: S; Owner: O[; Tablespace: P]" */
static bool parse_entry(struct span line, struct pg_comment *ret)
{
	struct span head = line, rest;

	if (!pg_skip(&head, "Name: ") && !pg_skip(&head, "Data for Name: ") &&
	    !pg_skip(&head, "Statistics for Name: "))
		return false;
	line = head;
	do {
		if (!split(&head, "; Type: ", &rest))
			return false;
	} while (!parse_desc(behind(line, head.len + strlen("; Type: ")),
			     ret));
	ret->name = head;
	split(&ret->schema, "; Owner: ", &ret->owner);
	rest = ret->owner;
	if (split(&rest, "; Tablespace: ", &ret->tablespace))
		ret->owner = rest;
	ret->schema = or_none(ret->schema);
	ret->owner = or_none(ret->owner);
	ret->mark = PG_MARK_ENTRY;
	return true;
}

/* "TOC entry 3358 (class 1262 OID 16384)" */
static bool parse_numbers(struct span line, struct pg_comment *ret)
{
	if (!pg_skip(&line, "TOC entry ") ||
	    !pg_number_parse(&line, &ret->dump_id))
		return false;
	if (!pg_skip(&line, " (class ") ||
	    !pg_number_parse(&line, &ret->catalog) ||
	    !pg_skip(&line, " OID ") || !pg_number_parse(&line, &ret->oid))
		ret->catalog = ret->oid = 0;
	return true;
}

static bool is_text(struct span line, const char *text)
{
	return span_equal(line, span_str(text));
}

static void parse_banner(struct span line, struct pg_comment *ret)
{
	static const char database[] = "PostgreSQL database dump";
	static const char cluster[] = "PostgreSQL database cluster dump";
	struct span name = line, none;

	if (is_text(line, database))
		ret->mark = PG_MARK_DUMP;
	else if (is_text(line, cluster))
		ret->mark = PG_MARK_CLUSTER;
	else if (pg_skip(&name, database) && is_text(name, " complete"))
		ret->mark = PG_MARK_DUMP_END;
	else if (pg_skip(&name, cluster) && is_text(name, " complete"))
		ret->mark = PG_MARK_CLUSTER_END;
	name = line;
	if (pg_skip(&name, "Database \"") && split(&name, "\" dump", &none) &&
	    !none.len) {
		ret->mark = PG_MARK_DATABASE;
		ret->name = name;
	}
}

static bool next_line(struct span *text, struct span *ret)
{
	const uint8_t *nl = memchr(text->data, '\n', text->len);
	size_t len = nl ? (size_t)(nl - text->data) : text->len;

	if (!text->len)
		return false;
	*ret = upto(*text, len);
	*text = behind(*text, len + (nl != NULL));
	return true;
}

void pg_comment_parse(struct span text, struct pg_comment *ret)
{
	struct span rest = text, line;
	bool only = true;	/* one line so far */

	*ret = (struct pg_comment){ .mark = PG_MARK_OTHER };
	while (next_line(&rest, &line)) {
		size_t end = (size_t)(rest.data - text.data);

		if (!pg_skip(&line, "-- "))
			continue;
		if (parse_numbers(line, ret)) {
			ret->own = end;
		} else if (ret->own && pg_skip(&line, "Dependencies: ")) {
			ret->depends = line;
			ret->own = end;
		} else if (!parse_entry(line, ret) && only &&
			   ret->mark == PG_MARK_OTHER) {
			parse_banner(line, ret);
		}
		only = false;
	}
	if (ret->mark != PG_MARK_ENTRY)
		ret->own = 0;
}

/* Names. */

/* One identifier of a statement. */
static size_t identifier(struct span text, struct buf *ret)
{
	size_t i = 0;

	if (!text.len || text.data[0] != '"') {
		while (i < text.len && !strchr(" .(;,\t\n", text.data[i]))
			i++;
		buf_append(ret, text.data, i);
		return i;
	}
	for (i = 1; i < text.len; i++) {
		if (text.data[i] == '"' &&
		    (++i == text.len || text.data[i] != '"'))
			return i;
		buf_append_byte(ret, text.data[i]);
	}
	return 0;
}

size_t pg_name_parse(struct span text, struct buf *schema, struct buf *name)
{
	size_t at, n;

	buf_clear(schema);
	buf_clear(name);
	at = identifier(text, name);
	if (!at || at == text.len || text.data[at] != '.')
		return at;
	buf_swap(schema, name);
	n = identifier(behind(text, at + 1), name);
	return n ? at + 1 + n : 0;
}

/* "dbname='x'": a value in which a backslash escapes. */
static bool parse_conninfo(struct span text, struct buf *name)
{
	if (!pg_skip(&text, "dbname='"))
		return false;
	for (size_t i = 0; i < text.len && text.data[i] != '\''; i++) {
		if (text.data[i] == '\\' && ++i == text.len)
			return false;
		buf_append_byte(name, text.data[i]);
	}
	return name->len > 0;
}

bool pg_connect_parse(struct span line, struct buf *name)
{
	OWNED_BUF struct buf word = BUF_INIT;
	bool options;

	if (!pg_skip(&line, "\\connect ") && !pg_skip(&line, "\\c "))
		return false;
	options = pg_skip(&line, "-reuse-previous=on ");
	if (!identifier(line, &word))
		return false;
	if (options)
		return parse_conninfo(buf_span(&word), name);
	buf_append(name, word.data, word.len);
	return word.len > 0 && !(word.len == 1 && word.data[0] == '-');
}
