/*
 * buf: bytes that grow (struct buf, owning) and bytes looked at (struct span,
 * borrowing).
 *
 * A failed allocation is remembered: later appends do nothing, and
 * buf_failed() tells, so that code which writes many small fields checks once
 * at its end.  One thread at a time.
 */
#ifndef VARVE_BUF_H
#define VARVE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fs/base/err.h"

struct span {
	const uint8_t *data;
	size_t len;
};

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT { .data = NULL, .len = 0, .cap = 0, .failed = false }
#define CLEANUP(f) __attribute__((cleanup(f)))
#define OWNED_BUF CLEANUP(buf_release)

void buf_release(struct buf *buf);

/* Forget the contents, keep the memory; also forgets a failure. */
void buf_clear(struct buf *buf);

/*
 * Make room for more bytes behind len; data[len .. len+more) may then be
 * written by the caller, who adds to len.  0 or -ENOMEM (remembered).
 */
int buf_reserve(struct buf *buf, size_t more);

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, const char *str);
void buf_append_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);
/* As buf_append() of len zero bytes. */
void buf_append_zero(struct buf *buf, size_t len);

void buf_swap(struct buf *a, struct buf *b);

/* NUL behind the contents (not counted); NULL if an append ever failed. */
char *buf_str(struct buf *buf);
/* As buf_str(), and the caller owns the memory; buf is empty after. */
char *buf_detach(struct buf *buf);

static inline bool buf_failed(const struct buf *buf) { return buf->failed; }

/* 0, or -ENOMEM with words if an append ever failed. */
static inline int buf_check(const struct buf *buf, struct err *err)
{
	return buf->failed ? err_nomem(err) : 0;
}

static inline struct span buf_span(const struct buf *buf)
{
	return (struct span){ buf->data, buf->len };
}

static inline struct span span_of(const void *data, size_t len)
{
	return (struct span){ data, len };
}

static inline struct span span_str(const char *str)
{
	return (struct span){ (const uint8_t *)str, strlen(str) };
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

/* memcmp order, the shorter first where one is the other's beginning. */
int span_cmp(struct span a, struct span b);

/* Cleanup for malloc()ed locals: CLEANUP(free_ptr) char *x. */
void free_ptr(void *ptr);

#endif
