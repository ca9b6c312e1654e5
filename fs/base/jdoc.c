#include "fs/base/jdoc.h"

#include <stdlib.h>

#include "fs/base/json.h"

#define FIRST_NODES 16		/* of the first block; each has twice as many */
#define BLOCK_DOUBLED 8		/* times at most */

struct parser {
	struct jdoc *doc;
	const uint8_t *begin, *at, *end;
	const char *what;
	struct jnode *open[JDOC_DEPTH_MAX];	/* containers, outermost first */
	struct jnode *last[JDOC_DEPTH_MAX];	/* their last child */
	unsigned depth;
	size_t nodes;
	struct err *err;
};

void jdoc_release(struct jdoc *doc)
{
	for (size_t i = 0; i < doc->block_count; i++)
		free(doc->blocks[i]);
	free(doc->blocks);
	free(doc->text);
	*doc = (struct jdoc)JDOC_INIT;
}

static int bad(const struct parser *p, const char *why)
{
	return err_corrupt(p->err, "%s is not JSON: %s at byte %zu", p->what,
			   why, (size_t)(p->at - p->begin));
}

static size_t block_nodes(size_t index)
{
	return (size_t)FIRST_NODES << (index < BLOCK_DOUBLED ? index :
				       BLOCK_DOUBLED);
}

static int add_block(struct parser *p)
{
	struct jdoc *doc = p->doc;
	struct jnode **more;

	/* doubles at powers of two */
	if ((doc->block_count & (doc->block_count - 1)) == 0) {
		more = realloc(doc->blocks, (doc->block_count ?
			       2 * doc->block_count : 1) * sizeof(*more));
		if (!more)
			return err_nomem(p->err);
		doc->blocks = more;
	}
	doc->blocks[doc->block_count] = 
		calloc(block_nodes(doc->block_count), sizeof(struct jnode));
	if (!doc->blocks[doc->block_count])
		return err_nomem(p->err);
	doc->block_count++;
	doc->used = 0;
	return 0;
}

static int add_node(struct parser *p, struct span key, struct jnode **ret)
{
	struct jdoc *doc = p->doc;
	struct jnode *node;
	int r;

	if (p->nodes++ >= JDOC_NODES_MAX)
		return err_set(p->err, -E2BIG, "%s has more than %u values",
			       p->what, JDOC_NODES_MAX);
	if (doc->block_count == 0 ||
	    doc->used == block_nodes(doc->block_count - 1)) {
		r = add_block(p);
		if (r < 0)
			return r;
	}
	node = &doc->blocks[doc->block_count - 1][doc->used++];
	node->key = key;
	if (p->depth > 0) {
		struct jnode *last = p->last[p->depth - 1];

		node->parent = p->open[p->depth - 1];
		if (last)
			last->next = node;
		else
			p->open[p->depth - 1]->child = node;
		p->last[p->depth - 1] = node;
	} else {
		doc->root = node;
	}
	*ret = node;
	return 0;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' ||
				  *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

/* Strings. */

static int hex4(struct parser *p, uint32_t *ret)
{
	uint32_t value = 0;

	if (p->end - p->at < 4)
		return bad(p, "a \\u ends early");
	for (int i = 0; i < 4; i++) {
		uint8_t c = *p->at;
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)c - '0' :
			(c | 0x20) >= 'a' && (c | 0x20) <= 'f' ?
			(uint32_t)(c | 0x20) - 'a' + 10 : 16;

		if (digit > 15)
			return bad(p, "a \\u lacks digits");
		value = value << 4 | digit;
		p->at++;
	}
	*ret = value;
	return 0;
}

static void put_char(uint8_t **out, uint32_t c)
{
	uint8_t *o = *out;

	if (c < 0x80) {
		*o++ = (uint8_t)c;
	} else if (c < 0x800) {
		*o++ = (uint8_t)(0xc0 | c >> 6);
		*o++ = (uint8_t)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*o++ = (uint8_t)(0xe0 | c >> 12);
		*o++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		*o++ = (uint8_t)(0x80 | (c & 0x3f));
	} else {
		*o++ = (uint8_t)(0xf0 | c >> 18);
		*o++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		*o++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		*o++ = (uint8_t)(0x80 | (c & 0x3f));
	}
	*out = o;
}

static int unicode(struct parser *p, uint8_t **out)
{
	uint32_t c, low = 0;
	int r = hex4(p, &c);

	if (r < 0)
		return r;
	if (c >= 0xdc00 && c <= 0xdfff)
		return bad(p, "half a surrogate pair");
	if (c >= 0xd800 && c <= 0xdbff) {
		if (p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
			return bad(p, "half a surrogate pair");
		p->at += 2;
		r = hex4(p, &low);
		if (r < 0)
			return r;
		if (low < 0xdc00 || low > 0xdfff)
			return bad(p, "half a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_char(out, c);
	return 0;
}

static int escape(struct parser *p, uint8_t **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (p->at == p->end)
		return bad(p, "a string has no end");
	if (*p->at == 'u') {
		p->at++;
		return unicode(p, out);
	}
	found = *p->at ? strchr(from, *p->at) : NULL;
	if (!found)
		return bad(p, "an escape that is none");
	p->at++;
	*(*out)++ = (uint8_t)to[found - from];
	return 0;
}

/* at is behind the opening quote.  What is decoded is never longer. */
static int string(struct parser *p, struct span *ret)
{
	uint8_t *begin = p->doc->text + p->doc->text_len, *out = begin;
	int r = 0;

	while (r == 0 && p->at < p->end && *p->at != '"') {
		uint8_t c = *p->at;

		if (c < 0x20)
			return bad(p, "a control byte in a string");
		p->at++;
		if (c == '\\')
			r = escape(p, &out);
		else
			*out++ = c;
	}
	if (r < 0)
		return r;
	if (p->at == p->end)
		return bad(p, "a string has no end");
	p->at++;
	*ret = span_of(begin, (size_t)(out - begin));
	p->doc->text_len += ret->len;
	return 0;
}

/* Numbers and words. */

static bool digits(struct parser *p)
{
	const uint8_t *from = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > from;
}

static int number(struct parser *p, struct jnode *node)
{
	const uint8_t *from = p->at;
	size_t len;

	if (*p->at == '-')
		p->at++;
	if (p->at < p->end && *p->at == '0')
		p->at++;
	else if (!digits(p))
		return bad(p, "a number without digits");
	if (p->at < p->end && *p->at == '.') {
		p->at++;
		if (!digits(p))
			return bad(p, "a number without digits");
	}
	if (p->at < p->end && (*p->at | 0x20) == 'e') {
		p->at++;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (!digits(p))
			return bad(p, "a number without digits");
	}
	len = (size_t)(p->at - from);
	memcpy(p->doc->text + p->doc->text_len, from, len);
	node->type = JTYPE_NUMBER;
	node->text = span_of(p->doc->text + p->doc->text_len, len);
	p->doc->text_len += len;
	return 0;
}

static int word(struct parser *p, const char *text, enum jtype type,
		struct jnode *node)
{
	size_t len = strlen(text);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0)
		return bad(p, "no value");
	p->at += len;
	node->type = type;
	return 0;
}

static int open_container(struct parser *p, struct jnode *node)
{
	node->type = *p->at == '{' ? JTYPE_OBJECT : JTYPE_ARRAY;
	if (p->depth == JDOC_DEPTH_MAX)
		return err_set(p->err, -E2BIG, "%s is deeper than %u levels",
			       p->what, JDOC_DEPTH_MAX);
	p->at++;
	p->open[p->depth] = node;
	p->last[p->depth] = NULL;
	p->depth++;
	return 0;
}

static int value(struct parser *p, struct span key)
{
	struct jnode *node = NULL;
	int r;

	skip_space(p);
	if (p->at == p->end)
		return bad(p, "the text ends early");
	r = add_node(p, key, &node);
	if (r < 0)
		return r;
	switch (*p->at) {
	case '{':
	case '[':
		return open_container(p, node);
	case '"':
		p->at++;
		node->type = JTYPE_STRING;
		return string(p, &node->text);
	case 't':
		return word(p, "true", JTYPE_TRUE, node);
	case 'f':
		return word(p, "false", JTYPE_FALSE, node);
	case 'n':
		return word(p, "null", JTYPE_NULL, node);
	default:
		if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'))
			return number(p, node);
		return bad(p, "no value");
	}
}

static int member(struct parser *p)
{
	struct span key;
	int r;

	skip_space(p);
	if (p->at == p->end || *p->at != '"')
		return bad(p, "a member without a name");
	p->at++;
	r = string(p, &key);
	if (r < 0)
		return r;
	skip_space(p);
	if (p->at == p->end || *p->at != ':')
		return bad(p, "a name without a value");
	p->at++;
	return value(p, key);
}

static int item(struct parser *p)
{
	return p->open[p->depth - 1]->type == JTYPE_OBJECT ? member(p) :
		value(p, span_of(NULL, 0));
}

/* Behind a value, or an opening bracket: the next item, or the end of the
 * container. */
static int go_on(struct parser *p)
{
	struct jnode *open = p->open[p->depth - 1];
	uint8_t close = open->type == JTYPE_OBJECT ? '}' : ']';

	skip_space(p);
	if (p->at == p->end)
		return bad(p, "the text ends early");
	if (*p->at == close) {
		p->at++;
		p->depth--;
		return 0;
	}
	if (!p->last[p->depth - 1])
		return item(p);
	if (*p->at != ',')
		return bad(p, "a comma is missing");
	p->at++;
	return item(p);
}

static int parse(struct parser *p)
{
	int r = value(p, span_of(NULL, 0));

	while (r == 0 && p->depth > 0)
		r = go_on(p);
	if (r < 0)
		return r;
	skip_space(p);
	return p->at < p->end ? bad(p, "more behind its end") : 0;
}

int jdoc_parse(struct span bytes, const char *what, struct jdoc *ret,
	       struct err *err)
{
	struct jdoc doc = JDOC_INIT;
	struct parser p = { .doc = &doc, .begin = bytes.data,
			    .at = bytes.data, .end = bytes.data + bytes.len,
			    .what = what, .err = err };
	int r;

	if (bytes.len > JDOC_BYTES_MAX)
		return err_set(err, -E2BIG, "%s is longer than %u MiB", what,
			       JDOC_BYTES_MAX >> 20);
	if (bytes.len == 0)
		return err_corrupt(err, "%s is empty", what);
	if (!utf8_is_valid(bytes))
		return err_corrupt(err, "%s is not UTF-8", what);
	doc.text = malloc(bytes.len + 1);
	r = doc.text ? parse(&p) : err_nomem(err);
	if (r < 0) {
		jdoc_release(&doc);
		return r;
	}
	*ret = doc;
	return 0;
}

/* Looking. */

const struct jnode *jnode_after(const struct jnode *node,
				const struct jnode *top)
{
	if (node->child)
		return node->child;
	while (node != top && !node->next)
		node = node->parent;
	return node == top ? NULL : node->next;
}

static const struct jnode *get(const struct jnode *node, struct span key)
{
	if (!node || node->type != JTYPE_OBJECT)
		return NULL;
	for (node = node->child; node; node = node->next)
		if (span_equal(node->key, key))
			return node;
	return NULL;
}

const struct jnode *jnode_get(const struct jnode *node, const char *key)
{
	return get(node, span_str(key));
}

const struct jnode *jnode_path(const struct jnode *node, const char *path)
{
	while (node && *path) {
		size_t len = strcspn(path, ".");

		node = get(node, span_of(path, len));
		path += path[len] ? len + 1 : len;
	}
	return node;
}

struct span jnode_text(const struct jnode *node, const char *path)
{
	node = jnode_path(node, path);
	if (!node || (node->type != JTYPE_STRING &&
		      node->type != JTYPE_NUMBER))
		return span_of(NULL, 0);
	return node->text;
}

bool jnode_is(const struct jnode *node, const char *path, const char *text)
{
	struct span found = jnode_text(node, path);

	return found.data && span_equal(found, span_str(text));
}

bool jnode_u64(const struct jnode *node, const char *path, uint64_t *ret)
{
	struct span text = jnode_text(node, path);
	uint64_t value = 0;

	if (text.len == 0 || text.len > 19)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	if (value > INT64_MAX)
		return false;
	*ret = value;
	return true;
}

bool jnode_true(const struct jnode *node, const char *path)
{
	node = jnode_path(node, path);
	return node && node->type == JTYPE_TRUE;
}

size_t jnode_count(const struct jnode *node)
{
	size_t count = 0;

	for (node = node ? node->child : NULL; node; node = node->next)
		count++;
	return count;
}
