#include "fs/base/kv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/id.h"

#define KV_LINES 65536
#define KV_KEY 128
#define SUM_LINE (4 + 16 + 1)	/* "sum=", digits, newline */

struct pair {
	char *key;	/* owned, with value in the same allocation */
	char *value;
	size_t len;
};

struct kv {
	char *type;
	char *what;
	unsigned version;
	struct pair *pairs;
	size_t count;
	size_t cap;
	struct err failed;	/* the first put that did not succeed */
};

static struct kv *make(const char *type, unsigned version, const char *what)
{
	struct kv *kv = calloc(1, sizeof(*kv));

	if (!kv)
		return NULL;
	kv->version = version;
	kv->type = strdup(type);
	kv->what = strdup(what);
	if (!kv->type || !kv->what) {
		kv_free(kv);
		return NULL;
	}
	return kv;
}

struct kv *kv_new(const char *type, unsigned version)
{
	return make(type, version, type);
}

void kv_free(struct kv *kv)
{
	if (!kv)
		return;
	for (size_t i = 0; i < kv->count; i++)
		free(kv->pairs[i].key);
	free(kv->pairs);
	free(kv->type);
	free(kv->what);
	free(kv);
}

static void kv_release(struct kv **kv)
{
	kv_free(*kv);
}

static bool is_key(struct span key)
{
	if (key.len == 0 || key.len > KV_KEY)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = key.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-')
			return false;
	}
	/* The last line's own name. */
	return !span_equal(key, span_str("sum"));
}

static int grow(struct kv *kv, struct err *err)
{
	size_t cap = kv->cap ? kv->cap * 2 : 16;
	struct pair *pairs;

	if (kv->count < kv->cap)
		return 0;
	pairs = reallocarray(kv->pairs, cap, sizeof(*pairs));
	if (!pairs)
		return err_nomem(err);
	kv->pairs = pairs;
	kv->cap = cap;
	return 0;
}

/* Room for key and a value of value_len bytes, which the caller fills in. */
static int add(struct kv *kv, struct span key, size_t value_len,
	       struct pair **ret, struct err *err)
{
	struct pair *pair;
	int r;

	if (!is_key(key))
		return err_set(err, -EINVAL, "%s: '%.*s' is not a key",
			       kv->what,
			       (int)(key.len < KV_KEY ? key.len : KV_KEY),
			       (const char *)key.data);
	/* Two lines are the first and the last. */
	if (value_len > KV_MAX || kv->count + 2 >= KV_LINES)
		return err_set(err, -EFBIG, "%s: larger than a document may be",
			       kv->what);
	r = grow(kv, err);
	if (r < 0)
		return r;
	pair = &kv->pairs[kv->count];
	pair->key = malloc(key.len + 1 + value_len + 1);
	if (!pair->key)
		return err_nomem(err);
	memcpy(pair->key, key.data, key.len);
	pair->key[key.len] = '\0';
	pair->value = pair->key + key.len + 1;
	pair->value[value_len] = '\0';
	pair->len = value_len;
	kv->count++;
	*ret = pair;
	return 0;
}

void kv_put_span(struct kv *kv, const char *key, struct span value)
{
	struct pair *pair;

	if (kv->failed.code)
		return;
	if (add(kv, span_str(key), value.len, &pair, &kv->failed) < 0)
		return;
	if (value.len > 0)
		memcpy(pair->value, value.data, value.len);
}

void kv_put(struct kv *kv, const char *key, const char *value)
{
	kv_put_span(kv, key, span_str(value));
}

void kv_put_u64(struct kv *kv, const char *key, uint64_t value)
{
	kv_putf(kv, key, "%" PRIu64, value);
}

void kv_put_hex(struct kv *kv, const char *key, const uint8_t *b, size_t n)
{
	OWNED_BUF struct buf hex = BUF_INIT;

	if (n > KV_MAX || buf_reserve(&hex, 2 * n + 1) < 0) {
		err_nomem(&kv->failed);
		return;
	}
	hex_write(b, n, (char *)hex.data);
	hex.len = 2 * n;
	kv_put_span(kv, key, buf_span(&hex));
}

void kv_putf(struct kv *kv, const char *key, const char *fmt, ...)
{
	CLEANUP(free_ptr) char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		err_nomem(&kv->failed);
		return;
	}
	kv_put_span(kv, key, span_of(text, (size_t)n));
}

static bool is_escaped(uint8_t c)
{
	return c < 0x20 || c == 0x7f || c == '%';
}

static void write_value(struct buf *out, const struct pair *pair)
{
	for (size_t i = 0; i < pair->len; i++) {
		uint8_t c = (uint8_t)pair->value[i];

		if (is_escaped(c))
			buf_printf(out, "%%%02X", c);
		else
			buf_append_byte(out, c);
	}
}

int kv_write(const struct kv *kv, struct buf *out, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r;

	if (kv->failed.code) {
		if (err)
			*err = kv->failed;
		return kv->failed.code;
	}
	buf_printf(&text, "%s %u\n", kv->type, kv->version);
	for (size_t i = 0; i < kv->count; i++) {
		buf_append_str(&text, kv->pairs[i].key);
		buf_append_byte(&text, '=');
		write_value(&text, &kv->pairs[i]);
		buf_append_byte(&text, '\n');
	}
	r = buf_check(&text, err);
	if (r < 0)
		return r;
	if (text.len + SUM_LINE > KV_MAX)
		return err_set(err, -EFBIG, "%s: larger than a document may be",
			       kv->what);
	buf_printf(&text, "sum=%016" PRIx64 "\n", sum64(buf_span(&text)));
	r = buf_check(&text, err);
	if (r < 0)
		return r;
	buf_append(out, text.data, text.len);
	return buf_check(out, err);
}

/* Decimal, shortest form, nothing around it. */
static int parse_u64(struct span text, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.len == 0 || (text.data[0] == '0' && text.len > 1))
		return -EBADMSG;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)text.data[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return -EBADMSG;
	}
	*ret = v;
	return 0;
}

/* Take the next line, without its newline, off text; false at the end. */
static bool next_line(struct span *text, struct span *ret)
{
	const uint8_t *end;
	size_t len;

	if (text->len == 0)
		return false;
	end = memchr(text->data, '\n', text->len);
	if (!end)
		return false;
	len = (size_t)(end - text->data);
	*ret = span_of(text->data, len);
	text->data += len + 1;
	text->len -= len + 1;
	return true;
}

static int check_sum(struct span bytes, const char *what, struct span *ret,
		     struct err *err)
{
	char want[SUM_LINE + 1];
	struct span body;

	if (bytes.len > KV_MAX)
		return err_corrupt(err, "%s is larger than %u bytes", what,
				   KV_MAX);
	if (bytes.len <= SUM_LINE)
		return err_corrupt(err, "%s ends early", what);
	body = span_of(bytes.data, bytes.len - SUM_LINE);
	if (body.data[body.len - 1] != '\n' ||
	    memcmp(body.data + body.len, "sum=", 4))
		return err_corrupt(err, "%s ends without its checksum", what);
	snprintf(want, sizeof(want), "sum=%016" PRIx64 "\n", sum64(body));
	if (memcmp(body.data + body.len, want, SUM_LINE))
		return err_corrupt(err, "%s is damaged: its checksum differs",
				   what);
	*ret = body;
	return 0;
}

/* "TYPE VERSION" */
static int parse_head(struct span line, const char *type,
		      unsigned max_version, const char *what,
		      unsigned *ret_version, struct err *err)
{
	size_t len = strlen(type);
	uint64_t version;

	if (line.len < len + 2 || memcmp(line.data, type, len) ||
	    line.data[len] != ' ')
		return err_set(err, -EINVAL, "%s is not a '%s'", what, type);
	if (parse_u64(span_of(line.data + len + 1, line.len - len - 1),
		      &version) < 0 || version > UINT32_MAX)
		return err_corrupt(err, "%s names no version", what);
	if (version > max_version) {
		err_set(err, -ENOTSUP, "%s has format %" PRIu64
			", and this program knows formats up to %u", what,
			version, max_version);
		err_hint(err, "use a newer varve");
		return -ENOTSUP;
	}
	*ret_version = (unsigned)version;
	return 0;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at *at of an escaped value, *at moved on; -1: malformed.  Only
 * what must be escaped may be, so that equal documents are equal bytes. */
static int unescape(struct span value, size_t *at)
{
	uint8_t c = value.data[(*at)++];
	int hi, lo;

	if (!is_escaped(c))
		return c;
	if (c != '%' || value.len - *at < 2)
		return -1;
	hi = hex_digit(value.data[(*at)++]);
	lo = hex_digit(value.data[(*at)++]);
	if (hi < 0 || lo < 0 || !is_escaped((uint8_t)(hi << 4 | lo)))
		return -1;
	return hi << 4 | lo;
}

/* KEY=VALUE into a new pair. */
static int parse_line(struct kv *kv, struct span line, struct err *err)
{
	const uint8_t *equals = NULL;
	struct pair *pair;
	struct span key, value;
	size_t n = 0;
	int r;

	if (line.len > 0)
		equals = memchr(line.data, '=', line.len);
	if (!equals)
		return -EBADMSG;
	key = span_of(line.data, (size_t)(equals - line.data));
	value = span_of(equals + 1, line.len - key.len - 1);
	r = add(kv, key, value.len, &pair, err);
	if (r < 0)
		return r;
	for (size_t at = 0; at < value.len;) {
		int c = unescape(value, &at);

		if (c < 0)
			return -EBADMSG;
		pair->value[n++] = (char)c;
	}
	pair->value[n] = '\0';
	pair->len = n;
	return 0;
}

int kv_parse(struct span bytes, const char *type, unsigned max_version,
	     const char *what, struct kv **ret, struct err *err)
{
	CLEANUP(kv_release) struct kv *kv = NULL;
	struct span body = { NULL, 0 }, line;
	unsigned version = 0;
	size_t number = 1;
	int r;

	r = check_sum(bytes, what, &body, err);
	if (r < 0)
		return r;
	if (!next_line(&body, &line))
		return err_corrupt(err, "%s has no first line", what);
	r = parse_head(line, type, max_version, what, &version, err);
	if (r < 0)
		return r;
	kv = make(type, version, what);
	if (!kv)
		return err_nomem(err);
	while (next_line(&body, &line)) {
		number++;
		r = parse_line(kv, line, err);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return err_corrupt(err, "%s: line %zu is malformed",
					   what, number);
	}
	*ret = kv;
	kv = NULL;
	return 0;
}

unsigned kv_version(const struct kv *kv)
{
	return kv->version;
}

static const struct pair *find(const struct kv *kv, const char *key)
{
	for (size_t i = 0; i < kv->count; i++)
		if (!strcmp(kv->pairs[i].key, key))
			return &kv->pairs[i];
	return NULL;
}

const char *kv_get(const struct kv *kv, const char *key)
{
	const struct pair *pair = find(kv, key);

	return pair ? pair->value : NULL;
}

static int absent(const struct kv *kv, const char *key, struct err *err)
{
	return err_set(err, -ENOENT, "%s has no '%s'", kv->what, key);
}

int kv_get_u64(const struct kv *kv, const char *key, uint64_t *ret,
	       struct err *err)
{
	const struct pair *pair = find(kv, key);

	if (!pair)
		return absent(kv, key, err);
	if (parse_u64(span_of(pair->value, pair->len), ret) < 0)
		return err_corrupt(err, "%s: '%s' is not a number", kv->what,
				   key);
	return 0;
}

int kv_get_hex(const struct kv *kv, const char *key, uint8_t *ret, size_t n,
	       struct err *err)
{
	const struct pair *pair = find(kv, key);
	CLEANUP(free_ptr) uint8_t *raw = NULL;

	if (!pair)
		return absent(kv, key, err);
	raw = malloc(n ? n : 1);
	if (!raw)
		return err_nomem(err);
	if (pair->len != 2 * n || hex_parse(pair->value, n, raw) < 0)
		return err_corrupt(err, "%s: '%s' is not %zu bytes in hex",
				   kv->what, key, n);
	memcpy(ret, raw, n);
	return 0;
}

bool kv_pair(const struct kv *kv, size_t index, const char **ret_key,
	     const char **ret_value, size_t *ret_len)
{
	if (index >= kv->count)
		return false;
	*ret_key = kv->pairs[index].key;
	*ret_value = kv->pairs[index].value;
	if (ret_len)
		*ret_len = kv->pairs[index].len;
	return true;
}
