/*
 * json: facts as JSON text, one object a line.
 *
 * A writer that puts commas where they belong and escapes strings.  Bytes that
 * are not valid UTF-8 come out as U+FFFD, and json_name() then adds a second
 * member "<key>_hex" with the exact bytes.  Append-only on a struct buf, whose
 * failure it shares.
 */
#ifndef VARVE_JSON_H
#define VARVE_JSON_H

#include "fs/base/buf.h"

#define JSON_DEPTH 32

struct json {
	struct buf *out;
	unsigned depth;
	bool some[JSON_DEPTH];	/* a member stands already at this depth */
};

void json_init(struct json *json, struct buf *out);
/* key NULL inside arrays and at the top, where a second value begins a new
 * line; the newline behind the last one is the caller's. */
void json_open_object(struct json *json, const char *key);
void json_close_object(struct json *json);
void json_open_array(struct json *json, const char *key);
void json_close_array(struct json *json);
void json_str(struct json *json, const char *key, const char *value);
void json_span(struct json *json, const char *key, struct span value);
/* As json_span(), with "<key>_hex" beside it where value is not UTF-8. */
void json_name(struct json *json, const char *key, struct span value);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_double(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

/* Append text as a string with its quotes. */
void json_quote(struct buf *out, struct span text);
/* Append what is JSON already as a value. */
void json_raw(struct json *json, const char *key, struct span value);

/* Is it well-formed UTF-8 (no surrogates, shortest forms)? */
bool utf8_is_valid(struct span text);

#endif
