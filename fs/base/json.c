#include "fs/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/id.h"

/*
 * Well-formed UTF-8 (Unicode 15, table 3-7).  What follows the second byte is
 * 80..BF always.
 *
 *     first     second    bytes
 *     00..7F              1
 *     C2..DF    80..BF    2
 *     E0        A0..BF    3
 *     E1..EC    80..BF    3
 *     ED        80..9F    3
 *     EE..EF    80..BF    3
 *     F0        90..BF    4
 *     F1..F3    80..BF    4
 *     F4        80..8F    4
 *
 * The length of the character at text's beginning; 0 where none stands there.
 */
static size_t utf8_char(struct span text)
{
	uint8_t c = text.data[0];
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		lo = 0xa0;
	else if (c == 0xed)
		hi = 0x9f;
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f;
	if (text.len < n || text.data[1] < lo || text.data[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static struct span behind(struct span text, size_t n)
{
	return span_of(text.data + n, text.len - n);
}

bool utf8_is_valid(struct span text)
{
	while (text.len > 0) {
		size_t n = utf8_char(text);

		if (n == 0)
			return false;
		text = behind(text, n);
	}
	return true;
}

static void write_control(struct buf *out, uint8_t c)
{
	switch (c) {
	case '\n': buf_append_str(out, "\\n"); break;
	case '\r': buf_append_str(out, "\\r"); break;
	case '\t': buf_append_str(out, "\\t"); break;
	case '"': buf_append_str(out, "\\\""); break;
	case '\\': buf_append_str(out, "\\\\"); break;
	default: buf_printf(out, "\\u%04x", c); break;
	}
}

void json_quote(struct buf *out, struct span text)
{
	buf_append_byte(out, '"');
	while (text.len > 0) {
		uint8_t c = text.data[0];
		size_t n = utf8_char(text);

		if (n == 0) {
			buf_append_str(out, "\xef\xbf\xbd");
			n = 1;
		} else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			write_control(out, c);
		} else {
			buf_append(out, text.data, n);
		}
		text = behind(text, n);
	}
	buf_append_byte(out, '"');
}

void json_init(struct json *json, struct buf *out)
{
	*json = (struct json){ .out = out };
}

/* At the top, each value has a line; the caller may have ended the last. */
static void separate(struct json *json)
{
	struct buf *out = json->out;

	if (json->depth > 0)
		buf_append_byte(out, ',');
	else if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_append_byte(out, '\n');
}

/* Comma and key before a value. */
static void begin(struct json *json, const char *key)
{
	if (json->some[json->depth])
		separate(json);
	json->some[json->depth] = true;
	if (!key)
		return;
	json_quote(json->out, span_str(key));
	buf_append_byte(json->out, ':');
}

/* Deeper than JSON_DEPTH, or closed more often than opened, is the program's
 * mistake: the text is then failed rather than wrong. */
static void open_level(struct json *json, const char *key, uint8_t bracket)
{
	begin(json, key);
	buf_append_byte(json->out, bracket);
	if (json->depth + 1 >= JSON_DEPTH) {
		json->out->failed = true;
		return;
	}
	json->some[++json->depth] = false;
}

static void close_level(struct json *json, uint8_t bracket)
{
	if (json->depth == 0) {
		json->out->failed = true;
		return;
	}
	json->depth--;
	buf_append_byte(json->out, bracket);
}

void json_open_object(struct json *json, const char *key)
{
	open_level(json, key, '{');
}

void json_close_object(struct json *json)
{
	close_level(json, '}');
}

void json_open_array(struct json *json, const char *key)
{
	open_level(json, key, '[');
}

void json_close_array(struct json *json)
{
	close_level(json, ']');
}

void json_span(struct json *json, const char *key, struct span value)
{
	begin(json, key);
	json_quote(json->out, value);
}

void json_str(struct json *json, const char *key, const char *value)
{
	if (value)
		json_span(json, key, span_str(value));
	else
		json_null(json, key);
}

static void write_hex(struct json *json, const char *key, struct span value)
{
	OWNED_BUF struct buf name = BUF_INIT;

	buf_printf(&name, "%s_hex", key);
	if (!buf_str(&name) || value.len > SIZE_MAX / 4) {
		json->out->failed = true;
		return;
	}
	begin(json, (const char *)name.data);
	buf_append_byte(json->out, '"');
	/* hex_write() ends with a NUL, which is not counted. */
	if (buf_reserve(json->out, 2 * value.len + 1) < 0)
		return;
	hex_write(value.data, value.len,
		  (char *)json->out->data + json->out->len);
	json->out->len += 2 * value.len;
	buf_append_byte(json->out, '"');
}

void json_name(struct json *json, const char *key, struct span value)
{
	json_span(json, key, value);
	if (key && !utf8_is_valid(value))
		write_hex(json, key, value);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	buf_printf(json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	begin(json, key);
	buf_printf(json->out, "%" PRId64, value);
}

/* The shortest form that reads back the same, with a point in any locale; JSON
 * has no word for infinity and NaN. */
void json_double(struct json *json, const char *key, double value)
{
	char text[40];

	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '.';
	begin(json, key);
	buf_append_str(json->out, text);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	buf_append_str(json->out, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
	begin(json, key);
	buf_append_str(json->out, "null");
}

void json_raw(struct json *json, const char *key, struct span value)
{
	begin(json, key);
	buf_append(json->out, value.data, value.len);
}
