#include "indexer/pso/redact_internal.h"

#include <stdlib.h>

struct redact *redact_new(void)
{
	return calloc(1, sizeof(struct redact));
}

void redact_free(struct redact *redact)
{
	if (!redact)
		return;
	for (size_t i = 0; i < redact->slots; i++) {
		struct secret *secret = &redact->slot[i];

		if (secret->text)
			explicit_bzero(secret->text, secret->len);
		free(secret->text);
	}
	free(redact->slot);
	free(redact);
}

/* The set: by the first SECRET_MIN bytes, letters in lower case. */

uint8_t redact_fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static size_t slot_of(const struct redact *redact, uint64_t prefix)
{
	return (size_t)(prefix * 0x9E3779B97F4A7C15u >> 32) % redact->slots;
}

static uint64_t prefix_of(const uint8_t *bytes)
{
	uint64_t prefix = 0;

	for (size_t i = 0; i < SECRET_MIN; i++)
		prefix = prefix << 8 | redact_fold(bytes[i]);
	return prefix;
}

static unsigned two_of(const uint8_t *bytes)
{
	return (unsigned)redact_fold(bytes[0]) << 8 | redact_fold(bytes[1]);
}

static bool is_folded(const struct secret *secret, const uint8_t *bytes)
{
	/* from the end, where they differ if they begin alike */
	for (size_t i = secret->len; i > 0; i--)
		if (secret->text[i - 1] != redact_fold(bytes[i - 1]))
			return false;
	return true;
}

static bool is_digit64(uint8_t c)
{
	uint8_t low = redact_fold(c);

	return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

size_t redact_known_at(const struct redact *redact, struct span text,
		       size_t at)
{
	size_t left = text.len - at, best = 0;
	bool packed = false;
	uint64_t prefix;

	unsigned two;

	if (redact->count == 0 || left < SECRET_MIN)
		return 0;
	/* nearly every place ends here */
	two = two_of(text.data + at);
	if (!(redact->begins[two / 8] >> two % 8 & 1))
		return 0;
	prefix = prefix_of(text.data + at);
	for (size_t i = slot_of(redact, prefix); redact->slot[i].text;
	     i = (i + 1) % redact->slots) {
		const struct secret *secret = &redact->slot[i];

		if (secret->prefix == prefix && secret->len <= left &&
		    secret->len > best && is_folded(secret, text.data + at)) {
			best = secret->len;
			packed = secret->packed;
		}
	}
	while (packed && best < left && is_digit64(text.data[at + best]))
		best++;
	return best;
}

static int grow(struct redact *redact, struct err *err)
{
	struct secret *old = redact->slot;
	size_t slots = redact->slots;

	if (slots && redact->count * 2 < slots)
		return 0;
	redact->slot = calloc(slots ? 2 * slots : FIRST_SLOTS,
			      sizeof(*redact->slot));
	if (!redact->slot) {
		redact->slot = old;
		return err_nomem(err);
	}
	redact->slots = slots ? 2 * slots : FIRST_SLOTS;
	for (size_t k = 0; k < slots; k++) {
		size_t i = slot_of(redact, old[k].prefix);

		if (!old[k].text)
			continue;
		while (redact->slot[i].text)
			i = (i + 1) % redact->slots;
		redact->slot[i] = old[k];
	}
	free(old);
	return 0;
}

static int add(struct redact *redact, struct span value, bool packed,
	       struct err *err)
{
	uint64_t prefix = prefix_of(value.data);
	size_t i, alike = 0;
	struct secret *secret;
	int r = grow(redact, err);

	if (r < 0)
		return r;
	i = slot_of(redact, prefix);
	for (; redact->slot[i].text; i = (i + 1) % redact->slots) {
		if (redact->slot[i].prefix != prefix)
			continue;
		if (redact->slot[i].len == value.len &&
		    is_folded(&redact->slot[i], value.data))
			return 0;
		alike++;
	}
	if (redact->count >= SECRETS_MAX || alike >= ALIKE_MAX ||
	    redact->bytes + value.len > SECRET_BYTES_MAX)
		return err_set(err, -E2BIG, "the documents hold more than %d "
			       "secrets, or over %u MiB of them", SECRETS_MAX,
			       SECRET_BYTES_MAX >> 20);
	secret = &redact->slot[i];
	secret->text = malloc(value.len);
	if (!secret->text)
		return err_nomem(err);
	for (size_t k = 0; k < value.len; k++)
		secret->text[k] = redact_fold(value.data[k]);
	secret->len = value.len;
	secret->prefix = prefix;
	secret->packed = packed;
	redact->begins[two_of(value.data) / 8] |=
		(uint8_t)(1u << two_of(value.data) % 8);
	redact->count++;
	redact->bytes += value.len;
	return 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span text)
{
	while (text.len > 0 && is_space(text.data[0]))
		text = span_of(text.data + 1, text.len - 1);
	while (text.len > 0 && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* As it stands in base64, where it stands alone in it: whole groups, as the
 * last one hangs on what follows. */
static int add_base64(struct redact *redact, struct span value,
		      struct err *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";
	OWNED_BUF struct buf out = BUF_INIT;
	int r;

	for (size_t i = 0; i + 3 <= value.len; i += 3) {
		uint32_t v = (uint32_t)value.data[i] << 16 |
			     (uint32_t)value.data[i + 1] << 8 |
			     value.data[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			buf_append_byte(&out,
					(uint8_t)digits[v >> shift & 63]);
	}
	if (out.failed)
		return err_nomem(err);
	r = out.len >= BASE64_SECRET_MIN ? add(redact, buf_span(&out), true,
						  err) : 0;
	explicit_bzero(out.data, out.len);
	return r;
}

static bool is_redacted(struct span value)
{
	return span_equal(value, span_str(REDACTED));
}

/* A text of several lines is looked for by each that is long enough. */
int redact_know(struct redact *redact, struct span value, struct err *err)
{
	size_t least = SECRET_MIN;
	int r = 0;

	value = trim(value);
	if (memchr(value.data ? value.data : (const uint8_t *)"", '\n',
		   value.len))
		least = LINE_SECRET_MIN;
	while (r == 0 && value.len > 0) {
		const uint8_t *end = memchr(value.data, '\n', value.len);
		size_t len = end ? (size_t)(end - value.data) : value.len;
		struct span line = trim(span_of(value.data, len));

		if (line.len >= least && !is_redacted(line) &&
		    line.len <= SECRET_LEN_MAX) {
			r = add(redact, line, false, err);
			if (r == 0)
				r = add_base64(redact, line, err);
		}
		len += end != NULL;
		value = span_of(value.data + len, value.len - len);
	}
	return r;
}

/* Keys. */

static const char *const strong[] = {
	"apitoken", "password", "passwd", "passphrase", "privatekey",
	"clientkey", "clientkeydata", "clientsecret", "secretkey",
	"secretaccesskey", "accesstoken", "refreshtoken", "idtoken",
	"bearertoken", "xauthtoken", "authtoken", "sessiontoken",
	"authorization", "purejson", "tlskey", "dockerconfigjson",
	"dockercfg", "credentials", "cookie", "setcookie", "apikey",
	"hostpassword", "targetpassword", "kubeconfig", "stringdata", NULL,
};
static const char *const strong_ends[] = {
	"password", "passwd", "apitoken", "privatekey", "authtoken",
	"clientsecret", "secretkey", "apikey", "passphrase", NULL,
};
static const char *const weak_ends[] = { "token", "tokens", "secret",
					 "secrets", NULL };
static const char *const naming[] = {
	"certificate", "certificates", "cert", "ca", "cacert", "cacrt",
	"cabundle", "certificateauthority", "certificateauthoritydata",
	"clientcertificate", "clientcertificatedata", "tlscrt", "truststore",
	"keystore", "csr", NULL,
};

static bool is_one_of(const char *key, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(key, *words))
			return true;
	return false;
}

static bool ends_in(const char *key, const char *const *words)
{
	size_t len = strlen(key);

	for (; *words; words++) {
		size_t n = strlen(*words);

		if (len >= n && !strcmp(key + len - n, *words))
			return true;
	}
	return false;
}

enum key_class redact_key(struct span key)
{
	char plain[KEY_LEN_MAX + 1];
	size_t len = 0;

	/* the end is what counts of a long one */
	if (key.len > KEY_LEN_MAX)
		key = span_of(key.data + key.len - KEY_LEN_MAX, KEY_LEN_MAX);
	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = redact_fold(key.data[i]);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			plain[len++] = (char)c;
	}
	plain[len] = '\0';
	if (is_one_of(plain, strong) || ends_in(plain, strong_ends))
		return KEY_STRONG;
	if (ends_in(plain, weak_ends))
		return KEY_WEAK;
	return is_one_of(plain, naming) ? KEY_NAMING : KEY_PLAIN;
}
