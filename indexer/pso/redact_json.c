#include "indexer/pso/redact_internal.h"

#include <stdlib.h>

#include "fs/base/bytes.h"
#include "fs/base/json.h"

struct redacting {
	struct redact *redact;
	uint64_t count;
};

/* Below a weak key these only name what is elsewhere. */
static bool is_reference(struct span key)
{
	static const char *const words[] = {
		"secretName", "name", "optional", "defaultMode", "items",
		"path", "key", "expirationSeconds", "audience", "namespace",
		"mode", NULL,
	};

	for (size_t i = 0; words[i]; i++)
		if (span_equal(key, span_str(words[i])))
			return true;
	return false;
}

static bool is_of_secret(const struct jnode *data)
{
	return jnode_is(data->parent, "kind", "Secret") &&
	       (span_equal(data->key, span_str("data")) ||
		span_equal(data->key, span_str("stringData")));
}

/* {"name":"API_TOKEN","value":"…"}: an environment's, a header's. */
static enum key_class class_of_pair(const struct jnode *node)
{
	if (!node->key.data || !span_equal(node->key, span_str("value")) ||
	    !node->parent)
		return KEY_PLAIN;
	return redact_key(jnode_text(node->parent, "name"));
}

/* What the place of a value says of it: its own key, and those above. */
static enum key_class class_of(const struct jnode *node)
{
	enum key_class class = class_of_pair(node);
	bool reference = false;

	for (const struct jnode *up = node; up; up = up->parent) {
		enum key_class found;

		if (!up->key.data)
			continue;
		if (is_of_secret(up))
			return KEY_STRONG;
		found = redact_key(up->key);
		if (found == KEY_WEAK && up != node && reference)
			found = KEY_PLAIN;
		if (found > class)
			class = found;
		reference |= is_reference(up->key);
	}
	return class;
}

static bool unpack_base64(struct span text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.data[i]);

		if (text.data[i] == '=' || text.data[i] == '\n')
			continue;
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_append_byte(out, (uint8_t)(bits >> have));
		}
	}
	return !out->failed && out->len > 0;
}

static bool looks_like_json(struct span text)
{
	size_t i = 0;

	while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\n' ||
				text.data[i] == '\t' || text.data[i] == '\r'))
		i++;
	return i < text.len && (text.data[i] == '{' || text.data[i] == '[');
}

/* 1: text was JSON, and is in out without its secrets; 0: it is none. */
static int redact_inside(struct redacting *r, struct span text,
			 struct buf *out, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	int ret;

	if (!looks_like_json(text) || r->redact->nested >= REDACT_NESTED_MAX)
		return 0;
	ret = jdoc_parse(text, "a string", &doc, &why);
	if (ret < 0)
		return ret == -ENOMEM ? err_nomem(err) : 0;
	r->redact->nested++;
	ret = redact_json(r->redact, doc.root, false, out, &r->count, err);
	r->redact->nested--;
	return ret < 0 ? ret : 1;
}

/* Could it as well be a word, or the name of something? */
static bool is_word(struct span text, enum key_class class)
{
	if (class == KEY_WEAK)
		return !redact_looks_drawn(text);
	for (size_t i = 0; i < text.len; i++)
		if (!(text.data[i] >= 'a' && text.data[i] <= 'z') &&
		    text.data[i] != '-')
			return false;
	return text.len < WORD_LEN_MAX;
}

/* What stands where a secret does is looked for elsewhere: as it is, what is
 * in it, and what it is packed from. */
static int know(struct redacting *r, struct span text, struct err *err)
{
	OWNED_BUF struct buf plain = BUF_INIT, dropped = BUF_INIT;
	int ret = redact_inside(r, text, &dropped, err);

	if (ret == 0)
		ret = redact_know(r->redact, text, err);
	if (ret < 0 || !unpack_base64(text, &plain) ||
	    !utf8_is_valid(buf_span(&plain)))
		return ret < 0 ? ret : 0;
	buf_clear(&dropped);
	ret = redact_inside(r, buf_span(&plain), &dropped, err);
	if (ret == 0)
		ret = redact_know(r->redact, buf_span(&plain), err);
	explicit_bzero(plain.data, plain.len);
	return ret < 0 ? ret : 0;
}

static int take_out(struct redacting *r, const struct jnode *node,
		    enum key_class class, struct buf *out, struct err *err)
{
	int ret;

	if (node->text.len == 0 || span_equal(node->text, span_str(REDACTED)))
		return 0;
	ret = class > KEY_NAMING && !is_word(node->text, class) ?
		know(r, node->text, err) : 0;
	if (ret < 0)
		return ret;
	r->count++;
	json_quote(out, span_str(REDACTED));
	return 2;
}

static int redact_string(struct redacting *r, const struct jnode *node,
			 struct buf *out, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	uint64_t before = r->count;
	int ret = redact_inside(r, node->text, &text, err);

	if (ret == 1 && r->count == before) {
		/* as it was: not its layout either is changed */
		buf_clear(&text);
		ret = 0;
	}
	if (ret == 0)
		ret = redact_text(r->redact, node->text, &text, &r->count,
				  err);
	if (ret < 0)
		return ret;
	if (r->count == before)
		return 0;
	json_quote(out, buf_span(&text));
	return buf_check(&text, err) < 0 ? -ENOMEM : 2;
}

static bool key_is_one(struct redacting *r, const struct jnode *node)
{
	return node->key.len > 0 && redact_finds(r->redact, node->key);
}

static int filter(void *arg, const struct jnode *node, struct buf *out,
		  struct err *err)
{
	struct redacting *r = arg;
	enum key_class class;

	if (key_is_one(r, node)) {
		r->count++;
		return 1;
	}
	if (node->type != JTYPE_STRING && node->type != JTYPE_NUMBER)
		return 0;
	class = class_of(node);
	if (class > KEY_PLAIN)
		return take_out(r, node, class, out, err);
	return node->type == JTYPE_STRING ? redact_string(r, node, out, err) :
		0;
}

int redact_json(struct redact *redact, const struct jnode *root, bool pretty,
		struct buf *out, uint64_t *ret_count, struct err *err)
{
	struct redacting redacting = { .redact = redact };
	int r = jnode_write(root, pretty, filter, &redacting, out, err);

	if (ret_count)
		*ret_count += redacting.count;
	return r;
}
