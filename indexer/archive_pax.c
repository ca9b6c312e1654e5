#include "indexer/archive_internal.h"

#include <stdlib.h>

/*
 * A pax header is records "LENGTH KEY=VALUE\n", LENGTH counting all of it.
 * POSIX 1003.1 pax; the keys of GNU tar ("GNU.", "RHT."), star ("SCHILY.") and
 * libarchive ("LIBARCHIVE.").
 */

void map_release(struct map *map)
{
	free(map->regions);
	*map = (struct map){ .regions = NULL };
}

int map_add(struct map *map, uint64_t offset, uint64_t len)
{
	uint64_t end = 0;

	if (map->count)
		end = map->regions[map->count - 1].offset +
		      map->regions[map->count - 1].len;
	if (offset < end || offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	if (map->count == SPARSE_MAX)
		return -E2BIG;
	if (map->count == map->cap) {
		size_t cap = map->cap ? map->cap * 2 : 32;
		struct region *more =
			realloc(map->regions, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		map->regions = more;
		map->cap = cap;
	}
	map->regions[map->count++] = (struct region){ offset, len };
	return 0;
}

void pax_release(struct pax *pax)
{
	buf_release(&pax->raw);
	buf_release(&pax->flaws);
	map_release(&pax->map);
	attrs_release(&pax->attrs);
}

void pax_clear(struct pax *pax)
{
	struct buf raw = pax->raw, flaws = pax->flaws;

	/* Most headers are small: keep that much memory. */
	if (raw.cap > ARCHIVE_BUFFER)
		buf_release(&raw);
	buf_clear(&raw);
	buf_clear(&flaws);
	map_release(&pax->map);
	attrs_release(&pax->attrs);
	*pax = (struct pax){ .raw = raw, .flaws = flaws };
}

static void flaw(struct pax *pax, const char *what, struct span key)
{
	if (pax->flaws.len > 512)
		return;
	buf_printf(&pax->flaws, "%s%s '%.*s'", pax->flaws.len ? "; " : "",
		   what, (int)(key.len < 100 ? key.len : 100),
		   (const char *)key.data);
}

/* Names end at a NUL, as they do for whoever made the file. */
static struct span c_string(struct span s)
{
	const void *nul = s.len ? memchr(s.data, '\0', s.len) : NULL;

	if (nul)
		s.len = (size_t)((const uint8_t *)nul - s.data);
	return s;
}

static int number(struct span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.len)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.data[i] - '0');

		if (s.data[i] < '0' || digit > 9 ||
		    v > ((uint64_t)INT64_MAX - digit) / 10)
			return -EINVAL;
		v = v * 10 + digit;
	}
	*ret = v;
	return 0;
}

static int signed_number(struct span s, int64_t *ret)
{
	bool minus = s.len && s.data[0] == '-';
	uint64_t v;

	if (minus) {
		s.data++;
		s.len--;
	}
	if (number(s, &v) < 0)
		return -EINVAL;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* Nanoseconds of a fraction's digits; *ret_rest: something smaller is left. */
static int fraction(struct span s, uint32_t *ret, bool *ret_rest)
{
	uint32_t ns = 0;
	bool rest = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return -EINVAL;
		if (i < 9)
			ns = ns * 10 + (uint32_t)(s.data[i] - '0');
		else if (s.data[i] != '0')
			rest = true;
	}
	for (size_t i = s.len; i < 9; i++)
		ns *= 10;
	*ret = ns;
	*ret_rest = rest;
	return 0;
}

int pax_time(struct span text, struct stamp *ret)
{
	bool minus = text.len && text.data[0] == '-', rest = false;
	struct span whole = text, part = { NULL, 0 };
	const uint8_t *dot = text.len ? memchr(text.data, '.', text.len) : NULL;
	struct stamp t = { 0, 0 };
	uint64_t v;

	if (dot) {
		whole.len = (size_t)(dot - text.data);
		part = span_of(dot + 1, text.len - whole.len - 1);
	}
	if (minus) {
		whole.data++;
		whole.len--;
	}
	if (number(whole, &v) < 0 || fraction(part, &t.ns, &rest) < 0)
		return -EINVAL;
	t.s = (int64_t)v;
	if (minus) {
		t.s = -t.s;
		t.ns += rest;
		if (t.ns) {
			t.s--;
			t.ns = 1000000000 - t.ns;
		}
	}
	*ret = t;
	return 0;
}

/* Keys. */

enum value_type {
	VALUE_STRING = 1, VALUE_UNSIGNED, VALUE_SIGNED, VALUE_TIME,
};

static const struct key {
	const char *name;
	unsigned has;
	enum value_type type;
	size_t at;
} keys[] = {
#define KEY(n, h, t, f) { n, h, t, offsetof(struct pax, f) }
	KEY("path", PAX_PATH, VALUE_STRING, path),
	KEY("linkpath", PAX_LINKPATH, VALUE_STRING, linkpath),
	KEY("uname", PAX_UNAME, VALUE_STRING, uname),
	KEY("gname", PAX_GNAME, VALUE_STRING, gname),
	KEY("uid", PAX_UID, VALUE_SIGNED, uid),
	KEY("gid", PAX_GID, VALUE_SIGNED, gid),
	KEY("size", PAX_SIZE, VALUE_UNSIGNED, size),
	KEY("mtime", PAX_MTIME, VALUE_TIME, mtime),
	KEY("SCHILY.devmajor", PAX_DEV_MAJOR, VALUE_UNSIGNED, dev_major),
	KEY("SCHILY.devminor", PAX_DEV_MINOR, VALUE_UNSIGNED, dev_minor),
	KEY("SCHILY.realsize", PAX_REAL_SIZE, VALUE_UNSIGNED, real_size),
	KEY("SCHILY.acl.access", PAX_ACL_ACCESS, VALUE_STRING, acl_access),
	KEY("SCHILY.acl.default", PAX_ACL_DEFAULT, VALUE_STRING, acl_default),
	KEY("SCHILY.acl.ace", PAX_ACE, VALUE_STRING, ace),
	KEY("SCHILY.fflags", PAX_FFLAGS, VALUE_STRING, fflags),
	KEY("GNU.sparse.name", PAX_SPARSE_NAME, VALUE_STRING, sparse_name),
	KEY("GNU.sparse.size", PAX_REAL_SIZE, VALUE_UNSIGNED, real_size),
	KEY("GNU.sparse.realsize", PAX_REAL_SIZE, VALUE_UNSIGNED, real_size),
	KEY("GNU.sparse.major", PAX_SPARSE_MAJOR, VALUE_UNSIGNED,
	    sparse_major),
	KEY("GNU.sparse.minor", 0, VALUE_UNSIGNED, sparse_minor),
	KEY("GNU.volume.filename", PAX_VOLUME, VALUE_STRING, volume_file),
	KEY("GNU.volume.label", 0, VALUE_STRING, label),
#undef KEY
};

static int put_value(const struct key *key, struct span value,
		     struct pax *pax)
{
	void *at = (char *)pax + key->at;

	switch (key->type) {
	case VALUE_STRING:
		*(struct span *)at = c_string(value);
		return 0;
	case VALUE_UNSIGNED:
		return number(value, at);
	case VALUE_SIGNED:
		return signed_number(value, at);
	case VALUE_TIME:
		return pax_time(value, at);
	}
	return -EINVAL;
}

/* "0,512,4096,512,...": pairs of offset and length. */
static void sparse_list(struct pax *pax, struct span list)
{
	uint64_t v, offset = 0;
	bool second = false;
	size_t n;

	while (list.len && !pax->map_bad) {
		const void *comma = memchr(list.data, ',', list.len);

		n = comma ? (size_t)((const uint8_t *)comma - list.data)
			  : list.len;
		if (number(span_of(list.data, n), &v) < 0 ||
		    (second && map_add(&pax->map, offset, v) < 0))
			pax->map_bad = true;
		offset = v;
		second = !second;
		n += comma != NULL;
		list.data += n;
		list.len -= n;
	}
	pax->map_bad = pax->map_bad || second;
	pax->has |= PAX_SPARSE_MAP;
}

static bool sparse_key(struct pax *pax, struct span key, struct span value)
{
	uint64_t v;

	if (span_equal(key, span_str("GNU.sparse.map"))) {
		sparse_list(pax, value);
		return true;
	}
	if (span_equal(key, span_str("GNU.sparse.offset"))) {
		if (number(value, &pax->map_offset) < 0)
			pax->map_bad = true;
		pax->has |= PAX_SPARSE_MAP;
		return true;
	}
	if (!span_equal(key, span_str("GNU.sparse.numbytes")))
		return false;
	if (number(value, &v) < 0 || map_add(&pax->map, pax->map_offset, v) < 0)
		pax->map_bad = true;
	return true;
}

static bool begins(struct span *key, const char *with)
{
	size_t n = strlen(with);

	if (key->len <= n || memcmp(key->data, with, n) != 0)
		return false;
	key->data += n;
	key->len -= n;
	return true;
}

static int libarchive_xattr(struct pax *pax, struct span name,
			    struct span value)
{
	OWNED_BUF struct buf plain_name = BUF_INIT;
	OWNED_BUF struct buf plain = BUF_INIT;

	if (urlencoded_parse(name, &plain_name) < 0 ||
	    base64_parse(value, &plain) < 0) {
		flaw(pax, "cannot read the attribute", name);
		return 0;
	}
	if (buf_failed(&plain_name) || buf_failed(&plain))
		return -ENOMEM;
	return attrs_set(&pax->attrs, buf_span(&plain_name),
			 buf_span(&plain));
}

/* The kernel keeps a label with the NUL that setfilecon(3) gives it. */
static int selinux(struct pax *pax, struct span value)
{
	OWNED_BUF struct buf label = BUF_INIT;

	value = c_string(value);
	buf_append(&label, value.data, value.len);
	buf_append_byte(&label, 0);
	if (buf_failed(&label))
		return -ENOMEM;
	return attrs_set(&pax->attrs, span_str("security.selinux"),
			 buf_span(&label));
}

static int extended_key(struct pax *pax, struct span key, struct span value)
{
	struct span name = key;

	if (begins(&name, "SCHILY.xattr."))
		return attrs_set(&pax->attrs, name, value);
	if (begins(&name, "LIBARCHIVE.xattr."))
		return libarchive_xattr(pax, name, value);
	if (span_equal(key, span_str("RHT.security.selinux")))
		return selinux(pax, value);
	return 0;
}

/* Whether a NUL cuts bytes off, which are not told otherwise. */
static bool is_cut(struct span value)
{
	for (size_t i = c_string(value).len; i < value.len; i++) {
		if (value.data[i] != '\0')
			return true;
	}
	return false;
}

static int put_record(struct pax *pax, struct span key, struct span value)
{
	size_t n = sizeof(keys) / sizeof(keys[0]);

	for (size_t i = 0; i < n; i++) {
		if (!span_equal(key, span_str(keys[i].name)))
			continue;
		/* POSIX: an empty value takes an earlier one back. */
		if (!value.len) {
			pax->has &= ~keys[i].has;
			return 0;
		}
		if (put_value(&keys[i], value, pax) < 0)
			flaw(pax, "cannot read the value of", key);
		else
			pax->has |= keys[i].has;
		if (keys[i].type == VALUE_STRING && is_cut(value))
			flaw(pax, "a zero byte ends the value of", key);
		return 0;
	}
	if (sparse_key(pax, key, value))
		return 0;
	return extended_key(pax, key, value);
}

/* Take a record off text.  -EINVAL: it is none. */
static int next_record(struct span *text, struct span *key,
		       struct span *value)
{
	const uint8_t *equals;
	size_t len = 0, i;

	for (i = 0; i < text->len && text->data[i] >= '0' &&
		    text->data[i] <= '9'; i++) {
		len = len * 10 + (size_t)(text->data[i] - '0');
		if (len > text->len)
			return -EINVAL;
	}
	if (!i || i >= text->len || text->data[i] != ' ' || len < i + 3 ||
	    text->data[len - 1] != '\n')
		return -EINVAL;
	*key = span_of(text->data + i + 1, len - i - 2);
	equals = memchr(key->data, '=', key->len);
	if (!equals)
		return -EINVAL;
	value->data = equals + 1;
	value->len = (size_t)(key->data + key->len - value->data);
	key->len = (size_t)(equals - key->data);
	text->data += len;
	text->len -= len;
	return 0;
}

static bool only_nuls(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i])
			return false;
	}
	return true;
}

int pax_parse(struct pax *pax)
{
	struct span text = buf_span(&pax->raw), key, value;
	int r;

	while (text.len && !only_nuls(span_of(text.data, 1))) {
		if (next_record(&text, &key, &value) < 0)
			break;
		r = put_record(pax, key, value);
		if (r < 0)
			return r;
	}
	pax->damaged = !only_nuls(text);
	return buf_failed(&pax->flaws) ? -ENOMEM : 0;
}

int pax_inherit(struct pax *local, const struct pax *global)
{
	size_t n = sizeof(keys) / sizeof(keys[0]);

	for (size_t i = 0; i < n; i++) {
		const char *from = (const char *)global + keys[i].at;
		char *to = (char *)local + keys[i].at;

		if (!(keys[i].has & global->has & ~local->has))
			continue;
		switch (keys[i].type) {
		case VALUE_STRING:
			memcpy(to, from, sizeof(struct span));
			break;
		case VALUE_TIME:
			memcpy(to, from, sizeof(struct stamp));
			break;
		case VALUE_UNSIGNED:
		case VALUE_SIGNED:
			memcpy(to, from, sizeof(uint64_t));
			break;
		}
	}
	local->has |= global->has & ~(unsigned)PAX_SPARSE_MAP;
	for (size_t i = 0; i < global->attrs.count; i++) {
		const struct attr *a = &global->attrs.list[i];

		if (attrs_find(&local->attrs, a->name))
			continue;
		if (attrs_set(&local->attrs, span_str(a->name),
			      span_of(a->value, a->len)) < 0)
			return -ENOMEM;
	}
	return 0;
}
