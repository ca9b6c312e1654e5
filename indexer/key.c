#include "indexer/key.h"

#include "fs/tree/entry.h"

#define PRINT_MAX 1000

static const char *component_fault(struct span name)
{
	if (name.len == 2 && !memcmp(name.data, "..", 2))
		return "has '..' in its path";
	if (name.len > NAME_BYTES_MAX)
		return "has a name of more than 255 bytes in its path";
	return NULL;
}

int key_make(struct span path, struct buf *key, bool *ret_absolute,
	     const char **ret_why)
{
	/* An empty span may point nowhere, and nowhere has no arithmetic. */
	const uint8_t *at = path.data ? path.data : (const uint8_t *)"";
	const uint8_t *end = at + path.len;
	unsigned depth = 0;

	buf_clear(key);
	if (path.len && memchr(path.data, '\0', path.len)) {
		*ret_why = "has a zero byte in its path";
		return -EINVAL;
	}
	*ret_absolute = path.len && *at == '/';
	while (at < end) {
		const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
		struct span name = span_of(at, (size_t)((slash ? slash : end) -
							at));

		at += name.len + 1;
		if (name.len == 0 || (name.len == 1 && name.data[0] == '.'))
			continue;
		*ret_why = component_fault(name);
		if (!*ret_why && ++depth > DEPTH_MAX)
			*ret_why = "lies more than 2000 directories deep";
		if (*ret_why)
			return -EINVAL;
		buf_append(key, name.data, name.len);
		buf_append_byte(key, '\0');
	}
	return buf_failed(key) ? -ENOMEM : 0;
}

void key_print(struct span key, bool is_key, struct buf *out)
{
	size_t len = is_key && key.len ? key.len - 1 : key.len;

	if (len == 0)
		buf_append_str(out, ".");
	for (size_t i = 0; i < len && i < PRINT_MAX; i++) {
		uint8_t c = key.data[i];

		if (is_key && c == '\0')
			buf_append_byte(out, '/');
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\%03o", c);
		else
			buf_append_byte(out, c);
	}
	if (len > PRINT_MAX)
		buf_append_str(out, "...");
}

struct span key_name(struct span key)
{
	const uint8_t *before;

	if (key.len == 0)
		return key;
	before = memrchr(key.data, '\0', key.len - 1);
	before = before ? before + 1 : key.data;
	return span_of(before, (size_t)(key.data + key.len - 1 - before));
}

unsigned key_depth(struct span key)
{
	unsigned depth = 0;

	for (size_t i = 0; i < key.len; i++)
		depth += key.data[i] == '\0';
	return depth;
}
