/*
 * kv: small text documents of the store: varve.conf, records, state events.
 *
 *     varve-record 1
 *     source=cpd30/dv
 *     tag=env=prod
 *     sum=0123456789abcdef
 *
 * First line: type, space, version (decimal).  Then key=value lines; a key is
 * [a-z0-9-]+ and may come again, order is kept.  In values every byte below
 * 0x20, 0x7f and '%' is %XX (upper-case hex); all else stands for itself (also
 * bytes over 0x7f).  Last line: sum= and 16 hex digits of the XXH3-64 of all
 * bytes before that line.  Each line ends in \n; nothing may follow the sum.
 * Limits: 1 MiB a document, 65 536 lines, 128 bytes a key.
 *
 * A document is one thread's.
 */
#ifndef VARVE_KV_H
#define VARVE_KV_H

#include "fs/base/buf.h"

#define KV_MAX (1u << 20)

struct kv;

/* type as in the first line.  NULL: out of memory. */
struct kv *kv_new(const char *type, unsigned version);
void kv_free(struct kv *kv);

/* Append a pair; failures are remembered and come out of kv_write(). */
void kv_put(struct kv *kv, const char *key, const char *value);
void kv_put_span(struct kv *kv, const char *key, struct span value);
void kv_put_u64(struct kv *kv, const char *key, uint64_t value);
void kv_put_hex(struct kv *kv, const char *key, const uint8_t *b, size_t n);
void kv_putf(struct kv *kv, const char *key, const char *fmt, ...)
	PRINTF(3, 4);

/* The whole document, sum line included, appended to out. */
int kv_write(const struct kv *kv, struct buf *out, struct err *err);

/*
 * Parse bytes.  what names the document in messages ("record 'ab12'").
 * -EBADMSG: malformed or the sum does not fit; -EINVAL: another type;
 * -ENOTSUP: version is over max_version (the words say which is needed).
 */
int kv_parse(struct span bytes, const char *type, unsigned max_version,
	     const char *what, struct kv **ret, struct err *err);
unsigned kv_version(const struct kv *kv);

/* First value of key, NUL-terminated, borrowed until kv_free(); or NULL. */
const char *kv_get(const struct kv *kv, const char *key);
/* -ENOENT where the key is absent, -EBADMSG where it is no such number. */
int kv_get_u64(const struct kv *kv, const char *key, uint64_t *ret,
	       struct err *err);
/* Exactly n bytes of hex.  Errors as kv_get_u64(). */
int kv_get_hex(const struct kv *kv, const char *key, uint8_t *ret, size_t n,
	       struct err *err);

/* All pairs in order: index 0 up; false past the end.  Values may hold any
 * byte but NUL-terminated use sees the first part; len in *ret_len or NULL. */
bool kv_pair(const struct kv *kv, size_t index, const char **ret_key,
	     const char **ret_value, size_t *ret_len);

#endif
