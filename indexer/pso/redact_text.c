#include "indexer/pso/redact_internal.h"

/*
 * Shapes, each at the beginning of a word:
 *
 *   T-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx     a FlashBlade's token
 *   -----BEGIN … -----END …-----               PEM
 *   LS0tLS1CRUdJTi…                            PEM in base64
 *   eyJ….….…                                   JWT
 *   Bearer XXXXXXXX                            a header
 *   ://user:password@                          in a URL
 *   KEY: VALUE, KEY=VALUE, "KEY":"VALUE"       where KEY is a secret's
 */
#define UUID_LEN 36
#define JWT_PART_MIN 10
#define BEARER_MIN 8

struct found {
	size_t keep;		/* bytes before it that stay */
	size_t len;		/* of the secret */
	bool know;		/* look for it elsewhere, too */
};

static bool is_alnum(uint8_t c)
{
	c = redact_fold(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_hex(uint8_t c)
{
	c = redact_fold(c);
	return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9');
}

static bool is_base64(uint8_t c)
{
	return is_alnum(c) || c == '+' || c == '/' || c == '=' || c == '-' ||
	       c == '_';
}

static bool begins(struct span text, const char *word)
{
	for (size_t i = 0; word[i]; i++)
		if (i >= text.len || redact_fold(text.data[i]) !=
		    redact_fold((uint8_t)word[i]))
			return false;
	return true;
}

static struct span from(struct span text, size_t at)
{
	return span_of(text.data + at, text.len - at);
}

static size_t run(struct span text, size_t at, bool (*is)(uint8_t c))
{
	size_t len = 0;

	while (at + len < text.len && is(text.data[at + len]))
		len++;
	return len;
}

static bool is_uuid(struct span text)
{
	if (text.len < UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text.data[i] != '-' : !is_hex(text.data[i]))
			return false;
	}
	return text.len == UUID_LEN || !is_alnum(text.data[UUID_LEN]);
}

static bool find_token(struct span text, struct found *ret)
{
	if (!begins(text, "t-") || !is_uuid(from(text, 2)))
		return false;
	*ret = (struct found){ 0, 2 + UUID_LEN, true };
	return true;
}

static bool find_pem(struct span text, struct found *ret)
{
	static const char end[] = "-----END";
	const uint8_t *at;
	size_t len;

	if (!begins(text, "-----BEGIN "))
		return false;
	at = memmem(text.data, text.len, end, sizeof(end) - 1);
	len = at ? (size_t)(at - text.data) + sizeof(end) - 1 : text.len;
	at = len < text.len ? memmem(text.data + len, text.len - len, "-----",
				     5) : NULL;
	if (at)
		len = (size_t)(at - text.data) + 5;
	*ret = (struct found){ 0, len, false };
	return true;
}

static bool find_packed_pem(struct span text, struct found *ret)
{
	if (text.len < 14 || memcmp(text.data, "LS0tLS1CRUdJTi", 14) != 0)
		return false;
	*ret = (struct found){ 0, run(text, 0, is_base64), false };
	return true;
}

static bool is_base64url(uint8_t c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

static bool find_jwt(struct span text, struct found *ret)
{
	size_t at = 0;

	if (text.len < 3 || memcmp(text.data, "eyJ", 3) != 0)
		return false;
	/* linear: no run is gone through from within */
	for (int part = 0; part < 3; part++) {
		size_t len = run(text, at, is_base64url);

		if (len < JWT_PART_MIN)
			return false;
		at += len;
		if (part < 2) {
			if (at >= text.len || text.data[at] != '.')
				return false;
			at++;
		}
	}
	*ret = (struct found){ 0, at, true };
	return true;
}

static bool is_token_byte(uint8_t c)
{
	return is_base64(c) || c == '.' || c == '~';
}

static bool find_bearer(struct span text, struct found *ret)
{
	size_t len;

	if (!begins(text, "bearer "))
		return false;
	len = run(text, 7, is_token_byte);
	if (len < BEARER_MIN)
		return false;
	*ret = (struct found){ 7, len, true };
	return true;
}

static bool is_userinfo(uint8_t c)
{
	return c > 0x20 && c != '/' && c != '@' && c != '"' && c != '\'' &&
	       c != '\\' && c != '<' && c != '>';
}

static bool find_userinfo(struct span text, struct found *ret)
{
	size_t len, colon;
	const uint8_t *at;

	if (!begins(text, "://"))
		return false;
	len = run(text, 3, is_userinfo);
	at = len ? memchr(text.data + 3, ':', len) : NULL;
	if (!at || 3 + len >= text.len || text.data[3 + len] != '@')
		return false;
	colon = (size_t)(at - text.data) + 1;
	if (colon == 3 + len)
		return false;
	*ret = (struct found){ colon, 3 + len - colon, true };
	return true;
}

/* KEY: VALUE. */

static bool is_key_byte(uint8_t c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_bare(uint8_t c)
{
	return c > 0x20 && c != ',' && c != '"' && c != '\'' && c != '}' &&
	       c != ']' && c != ')' && c != ';' && c != '\\' && c != '&';
}

static bool is_in_line(uint8_t c)
{
	return c != '\n' && c != '\r' && c != '"';
}

/* Skip a quote, also one that is escaped; its byte or 0. */
static uint8_t skip_quote(struct span text, size_t *at)
{
	size_t i = *at;

	if (i < text.len && text.data[i] == '\\')
		i++;
	if (i >= text.len || (text.data[i] != '"' && text.data[i] != '\''))
		return 0;
	*at = i + 1;
	return text.data[i];
}

static size_t value_len(struct span text, size_t at, uint8_t quote,
			bool whole_line)
{
	size_t len = 0;

	if (begins(from(text, at), REDACTED))
		return strlen(REDACTED);
	if (!quote)
		return run(text, at, whole_line ? is_in_line : is_bare);
	while (at + len < text.len && text.data[at + len] != quote &&
	       text.data[at + len] != '\\')
		len++;
	return len;
}

/* Asked first, so that what begins a list is not gone through for nothing. */
static bool may_begin_value(struct span text, size_t at)
{
	return at < text.len && text.data[at] &&
	       !strchr("[{|>&*", text.data[at]);
}

static bool is_value(struct span value)
{
	static const char *const none[] = { "null", "true", "false", "~",
					    "none", NULL };

	if (value.len == 0)
		return false;
	for (size_t i = 0; none[i]; i++)
		if (value.len == strlen(none[i]) && begins(value, none[i]))
			return false;
	return true;
}

bool redact_looks_drawn(struct span value)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = redact_fold(value.data[i]);

		digit |= c >= '0' && c <= '9';
		letter |= c >= 'a' && c <= 'z';
	}
	return digit && letter;
}

/* A word of prose behind "token:" is not looked for elsewhere. */
static bool find_pair(struct span text, struct found *ret)
{
	size_t at = run(text, 0, is_key_byte), len;
	struct span key = span_of(text.data, at), value;
	enum key_class class;
	uint8_t quote;

	if (at < 3 || (class = redact_key(key)) < KEY_WEAK)
		return false;
	skip_quote(text, &at);
	at += run(text, at, is_blank);
	if (at >= text.len || (text.data[at] != ':' && text.data[at] != '='))
		return false;
	at++;
	at += run(text, at, is_blank);
	quote = skip_quote(text, &at);
	if (!may_begin_value(text, at) && !begins(from(text, at), REDACTED))
		return false;
	len = value_len(text, at, quote, begins(key, "authorization") ||
			begins(key, "cookie") || begins(key, "set-cookie"));
	value = span_of(text.data + at, len);
	if (!is_value(value))
		return false;
	*ret = (struct found){ at, len, redact_looks_drawn(value) };
	return true;
}

static bool find_shape(struct span text, uint8_t before, struct found *ret)
{
	switch (redact_fold(text.data[0])) {
	case '-':
		return find_pem(text, ret);
	case 't':
		return find_token(text, ret);
	case 'e':
		return !is_base64url(before) && find_jwt(text, ret);
	case 'l':
		return find_packed_pem(text, ret);
	case 'b':
		return find_bearer(text, ret);
	case ':':
		return find_userinfo(text, ret);
	default:
		return false;
	}
}

static bool is_word_start(struct span text, size_t at)
{
	return at == 0 || !is_alnum(text.data[at - 1]) ||
	       !is_alnum(text.data[at]);
}

/* Is there one at this place? */
static bool find(const struct redact *redact, struct span text, size_t at,
		 bool pairs, struct found *ret)
{
	size_t known = redact_known_at(redact, text, at);

	if (known > 0) {
		*ret = (struct found){ 0, known, false };
		return true;
	}
	if (!is_word_start(text, at))
		return false;
	if (find_shape(from(text, at), at ? text.data[at - 1] : ' ', ret))
		return true;
	return pairs && (at == 0 || !is_key_byte(text.data[at - 1])) &&
	       find_pair(from(text, at), ret);
}

int redact_text(struct redact *redact, struct span text, struct buf *out,
		uint64_t *ret_count, struct err *err)
{
	size_t at = 0, done = 0;

	while (at < text.len) {
		struct found found;
		int r;

		if (!find(redact, text, at, true, &found)) {
			at++;
			continue;
		}
		at += found.keep;
		buf_append(out, text.data + done, at - done);
		if (!begins(from(text, at), REDACTED)) {
			buf_append_str(out, REDACTED);
			if (ret_count)
				++*ret_count;
		} else {
			buf_append(out, text.data + at, found.len);
		}
		r = found.know ? redact_know(redact, span_of(text.data + at,
							     found.len), err) :
			0;
		if (r < 0)
			return r;
		at += found.len;
		done = at;
	}
	buf_append(out, text.data + done, text.len - done);
	return buf_check(out, err);
}

bool redact_finds(const struct redact *redact, struct span bytes)
{
	struct found found;

	for (size_t at = 0; at < bytes.len; at++)
		if (find(redact, bytes, at, false, &found) &&
		    !begins(from(bytes, at + found.keep), REDACTED))
			return true;
	return false;
}
