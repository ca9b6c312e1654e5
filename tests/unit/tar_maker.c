#include "tests/unit/tar_maker.h"

#include <stdio.h>
#include <stdlib.h>

void maker_sum(uint8_t *header)
{
	unsigned sum = 0;
	char text[9];

	memset(header + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += header[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(header + 148, text, 7);
}

size_t maker_header(struct buf *tar, enum maker_dialect dialect,
		    const char *name, char type, uint64_t size)
{
	uint8_t h[512] = { 0 };
	size_t n = strlen(name), at = tar->len;
	char octal[24];

	memcpy(h, name, n < 100 ? n : 100);
	memcpy(h + 100, "0000640", 8);
	memcpy(h + 108, "0001750", 8);
	memcpy(h + 116, "0000144", 8);
	snprintf(octal, sizeof(octal), "%011llo", (unsigned long long)size);
	memcpy(h + 124, octal, 12);
	memcpy(h + 136, "14000000001", 12);
	h[156] = (uint8_t)type;
	if (dialect == MAKER_GNU)
		memcpy(h + 257, "ustar  ", 8);
	if (dialect == MAKER_USTAR || dialect == MAKER_STAR)
		memcpy(h + 257, "ustar\00000", 8);
	if (dialect == MAKER_STAR)
		memcpy(h + 508, "tar", 4);
	if (dialect != MAKER_V7) {
		memcpy(h + 265, "joe", 3);
		memcpy(h + 297, "staff", 5);
	}
	maker_sum(h);
	buf_append(tar, h, sizeof(h));
	return at;
}

void maker_patch(struct buf *tar, size_t at, size_t field, const void *bytes,
		 size_t len)
{
	memcpy(tar->data + at + field, bytes, len);
	maker_sum(tar->data + at);
}

void maker_data(struct buf *tar, const void *data, size_t len)
{
	buf_append(tar, data, len);
	buf_append_zero(tar, -len % 512);
}

void maker_text(struct buf *tar, const char *text)
{
	maker_data(tar, text, strlen(text));
}

void maker_file(struct buf *tar, enum maker_dialect dialect,
		const char *name, const char *text)
{
	maker_header(tar, dialect, name, '0', strlen(text));
	maker_text(tar, text);
}

void maker_record(struct buf *pax, const char *key, struct span value)
{
	size_t rest = strlen(key) + value.len + 3, len = rest + 1;
	char text[24];

	while ((size_t)snprintf(text, sizeof(text), "%zu", len) + rest != len)
		len = (size_t)snprintf(text, sizeof(text), "%zu", len) + rest;
	buf_printf(pax, "%zu %s=", len, key);
	buf_append(pax, value.data, value.len);
	buf_append_byte(pax, '\n');
}

void maker_pax(struct buf *tar, int type, ...)
{
	OWNED_BUF struct buf pax = BUF_INIT;
	const char *pair;
	va_list ap;

	va_start(ap, type);
	while ((pair = va_arg(ap, const char *))) {
		const char *equals = strchr(pair, '=');
		char key[128];

		snprintf(key, sizeof(key), "%.*s", (int)(equals - pair), pair);
		maker_record(&pax, key, span_str(equals + 1));
	}
	va_end(ap);
	maker_header(tar, MAKER_USTAR, "pax", (char)type, pax.len);
	maker_data(tar, pax.data, pax.len);
}

void maker_end(struct buf *tar)
{
	buf_append_zero(tar, 1024);
}
