#include "fs/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

int buf_reserve(struct buf *buf, size_t more)
{
	size_t cap = buf->cap ? buf->cap : 64;
	uint8_t *data;

	if (buf->failed || more > SIZE_MAX / 2 - buf->len) {
		buf->failed = true;
		return -ENOMEM;
	}
	if (buf->len + more <= buf->cap)
		return 0;
	while (cap < buf->len + more)
		cap += cap / 2 + 16;
	data = realloc(buf->data, cap);
	if (!data) {
		buf->failed = true;
		return -ENOMEM;
	}
	buf->data = data;
	buf->cap = cap;
	return 0;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
	if (len == 0 || buf_reserve(buf, len) < 0)
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void buf_append_str(struct buf *buf, const char *str)
{
	buf_append(buf, str, strlen(str));
}

void buf_append_byte(struct buf *buf, uint8_t byte)
{
	buf_append(buf, &byte, 1);
}

void buf_append_zero(struct buf *buf, size_t len)
{
	if (len == 0 || buf_reserve(buf, len) < 0)
		return;
	memset(buf->data + buf->len, 0, len);
	buf->len += len;
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_reserve(buf, (size_t)n + 1) < 0) {
		buf->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
}

void buf_swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

char *buf_str(struct buf *buf)
{
	if (buf_reserve(buf, 1) < 0)
		return NULL;
	buf->data[buf->len] = '\0';
	return (char *)buf->data;
}

char *buf_detach(struct buf *buf)
{
	char *str = buf_str(buf);

	if (!str) {
		buf_release(buf);
		return NULL;
	}
	*buf = (struct buf)BUF_INIT;
	return str;
}

int span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n ? memcmp(a.data, b.data, n) : 0;

	if (r)
		return r;
	return a.len < b.len ? -1 : a.len > b.len;
}

void free_ptr(void *ptr)
{
	free(*(void **)ptr);
}
