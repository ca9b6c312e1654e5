#include "indexer/archive_internal.h"

#include <grp.h>
#include <linux/fs.h>
#include <pwd.h>
#include <stdlib.h>

/* Extended attributes. */

void attrs_release(struct attrs *attrs)
{
	for (size_t i = 0; i < attrs->count; i++) {
		free(attrs->list[i].name);
		free(attrs->list[i].value);
	}
	free(attrs->list);
	free(attrs->xattrs);
	*attrs = (struct attrs){ .list = NULL };
}

static size_t find(const struct attrs *attrs, struct span name)
{
	size_t i;

	for (i = 0; i < attrs->count; i++) {
		if (span_equal(span_str(attrs->list[i].name), name))
			break;
	}
	return i;
}

static int grow(struct attrs *attrs)
{
	size_t cap = attrs->cap ? attrs->cap * 2 : 8;
	struct attr *list;

	if (attrs->count < attrs->cap)
		return 0;
	list = realloc(attrs->list, cap * sizeof(*list));
	if (!list)
		return -ENOMEM;
	attrs->list = list;
	attrs->cap = cap;
	return 0;
}

int attrs_set(struct attrs *attrs, struct span name, struct span value)
{
	size_t i = find(attrs, name);
	uint8_t *copy;

	if (name.len == 0 || name.len > XATTR_NAME_MAX ||
	    memchr(name.data, '\0', name.len) || value.len > XATTR_VALUE_MAX ||
	    i >= XATTRS_MAX) {
		attrs->dropped++;
		return 0;
	}
	if (grow(attrs) < 0)
		return -ENOMEM;
	copy = malloc(value.len + 1);
	if (!copy)
		return -ENOMEM;
	if (value.len)
		memcpy(copy, value.data, value.len);
	if (i == attrs->count) {
		char *own = strndup((const char *)name.data, name.len);

		if (!own) {
			free(copy);
			return -ENOMEM;
		}
		attrs->list[attrs->count++] = (struct attr){ .name = own };
	}
	free(attrs->list[i].value);
	attrs->list[i].value = copy;
	attrs->list[i].len = value.len;
	return 0;
}

const struct attr *attrs_find(const struct attrs *attrs, const char *name)
{
	size_t i = find(attrs, span_str(name));

	return i < attrs->count ? &attrs->list[i] : NULL;
}

void attrs_remove(struct attrs *attrs, const char *name)
{
	size_t i = find(attrs, span_str(name));

	if (i == attrs->count)
		return;
	free(attrs->list[i].name);
	free(attrs->list[i].value);
	attrs->list[i] = attrs->list[--attrs->count];
}

int attrs_copy(struct attrs *to, const struct attrs *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct attr *a = &from->list[i];
		int r = attrs_set(to, span_str(a->name),
				  span_of(a->value, a->len));

		if (r < 0)
			return r;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct xattr *x = a, *y = b;

	return span_cmp(x->name, y->name);
}

int attrs_give(struct attrs *attrs, struct entry *entry)
{
	entry->xattrs = NULL;
	entry->xattr_count = 0;
	free(attrs->xattrs);
	attrs->xattrs = NULL;
	if (!attrs->count)
		return 0;
	attrs->xattrs = calloc(attrs->count, sizeof(*attrs->xattrs));
	if (!attrs->xattrs)
		return -ENOMEM;
	for (size_t i = 0; i < attrs->count; i++) {
		const struct attr *a = &attrs->list[i];

		attrs->xattrs[i].name = span_str(a->name);
		attrs->xattrs[i].value = span_of(a->value, a->len);
		attrs->xattrs[i].value_len = (uint32_t)a->len;
	}
	/* Equal attributes in another order are equal. */
	qsort(attrs->xattrs, attrs->count, sizeof(*attrs->xattrs), by_name);
	entry->xattrs = attrs->xattrs;
	entry->xattr_count = (uint32_t)attrs->count;
	return 0;
}

/*
 * Access control lists.  The kernel's form: le32 2, then per item le16 tag,
 * le16 permissions, le32 id (all ones where the tag has none).
 */
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define ACL_VERSION 2
#define ACL_NO_ID UINT32_MAX

void acl_release(struct acl *acl)
{
	free(acl->items);
	*acl = (struct acl){ .items = NULL };
}

static bool acl_has_id(unsigned tag)
{
	return tag == ACL_TAG_USER || tag == ACL_TAG_GROUP;
}

int acl_add(struct acl *acl, unsigned tag, unsigned perm, uint32_t id)
{
	if (acl->count == ACL_ITEMS_MAX)
		return -EINVAL;
	if (acl->count == acl->cap) {
		size_t cap = acl->cap ? acl->cap * 2 : 8;
		struct acl_item *items =
			realloc(acl->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		acl->items = items;
		acl->cap = cap;
	}
	acl->items[acl->count++] = (struct acl_item){
		.tag = (uint16_t)tag, .perm = (uint16_t)perm,
		.id = acl_has_id(tag) ? id : ACL_NO_ID,
	};
	return 0;
}

/* The next field of text, up to any byte of seps, which is passed over. */
static struct span field(struct span *text, const char *seps)
{
	struct span f = { text->data, 0 };

	while (f.len < text->len && !strchr(seps, text->data[f.len]))
		f.len++;
	if (f.len < text->len && text->data[f.len] == '\0')
		f.len = text->len;
	text->data += f.len;
	text->len -= f.len;
	if (text->len) {
		text->data++;
		text->len--;
	}
	return f;
}

static struct span trim(struct span s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' ||
			 s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static int decimal32(struct span s, uint32_t *ret)
{
	uint64_t v = 0;

	if (!s.len || s.len > 10)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(s.data[i] - '0');
	}
	if (v >= UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

#define NSS_BUFFER 65536

static int name_to_id(bool user, struct span name, uint32_t *ret)
{
	CLEANUP(free_ptr) char *text = NULL;
	CLEANUP(free_ptr) char *room = NULL;
	struct passwd pw, *pw_found = NULL;
	struct group gr, *gr_found = NULL;

	text = strndup((const char *)name.data, name.len);
	room = malloc(NSS_BUFFER);
	if (!text || !room)
		return -ENOMEM;
	if (user)
		getpwnam_r(text, &pw, room, NSS_BUFFER, &pw_found);
	else
		getgrnam_r(text, &gr, room, NSS_BUFFER, &gr_found);
	if (!pw_found && !gr_found)
		return -ENOENT;
	*ret = user ? pw.pw_uid : gr.gr_gid;
	return 0;
}

static int acl_perm(struct span s, unsigned *ret)
{
	unsigned perm = 0;

	if (s.len == 1 && s.data[0] >= '0' && s.data[0] <= '7') {
		*ret = (unsigned)(s.data[0] - '0');
		return 0;
	}
	for (size_t i = 0; i < s.len; i++) {
		switch (s.data[i]) {
		case 'r':
			perm |= 4;
			break;
		case 'w':
			perm |= 2;
			break;
		case 'x':
			perm |= 1;
			break;
		case '-':
			break;
		default:
			return -EINVAL;
		}
	}
	*ret = perm;
	return 0;
}

static unsigned acl_tag(struct span word, bool named)
{
	static const struct {
		const char *word;
		unsigned bare, named;
	} tags[] = {
		{ "user", ACL_TAG_USER_OBJ, ACL_TAG_USER },
		{ "u", ACL_TAG_USER_OBJ, ACL_TAG_USER },
		{ "group", ACL_TAG_GROUP_OBJ, ACL_TAG_GROUP },
		{ "g", ACL_TAG_GROUP_OBJ, ACL_TAG_GROUP },
		{ "mask", ACL_TAG_MASK, 0 },
		{ "m", ACL_TAG_MASK, 0 },
		{ "other", ACL_TAG_OTHER, 0 },
		{ "o", ACL_TAG_OTHER, 0 },
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (span_equal(word, span_str(tags[i].word)))
			return named ? tags[i].named : tags[i].bare;
	}
	return 0;
}

/* tag:[name]:perms[:id], or tag:perms where a tag takes no name. */
static int acl_parse_item(struct span item, struct acl *acl)
{
	struct span part[4] = { { .data = NULL } };
	unsigned n = 0, tag, perm;
	uint32_t id = ACL_NO_ID;
	int r;

	while (n < 4 && item.len)
		part[n++] = trim(field(&item, ":"));
	if (n == 2 && !acl_has_id(acl_tag(part[0], true))) {
		part[2] = part[1];
		part[1].len = 0;
		n = 3;
	}
	if (n < 3 || item.len)
		return -EINVAL;
	tag = acl_tag(part[0], part[1].len > 0);
	if (!tag || acl_perm(part[2], &perm) < 0)
		return -EINVAL;
	if (acl_has_id(tag) && decimal32(part[3], &id) < 0 &&
	    decimal32(part[1], &id) < 0) {
		r = name_to_id(tag == ACL_TAG_USER, part[1], &id);
		if (r < 0)
			return r;
	}
	return acl_add(acl, tag, perm, id);
}

int acl_parse(struct span text, struct acl *acl)
{
	while (text.len) {
		struct span line = field(&text, ",\n");
		struct span item = trim(field(&line, "#"));
		int r;

		if (!item.len)
			continue;
		if (item.len > 8 && !memcmp(item.data, "default:", 8)) {
			item.data += 8;
			item.len -= 8;
		}
		r = acl_parse_item(item, acl);
		if (r < 0)
			return r;
	}
	return acl->count ? 0 : -EINVAL;
}

static int by_tag(const void *a, const void *b)
{
	const struct acl_item *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct acl_item *acl_find(const struct acl *acl, unsigned tag)
{
	for (size_t i = 0; i < acl->count; i++) {
		if (acl->items[i].tag == tag)
			return &acl->items[i];
	}
	return NULL;
}

/* One each of the three the mode has, a mask where there are names, no name
 * twice: the kernel takes no other. */
static int acl_complete(struct acl *acl)
{
	unsigned all = 0;
	bool names = false;

	qsort(acl->items, acl->count, sizeof(*acl->items), by_tag);
	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_item *it = &acl->items[i];

		if (i && it->tag == it[-1].tag && it->id == it[-1].id)
			return -EINVAL;
		names = names || acl_has_id(it->tag);
		if (acl_has_id(it->tag) || it->tag == ACL_TAG_GROUP_OBJ)
			all |= it->perm;
	}
	if (!acl_find(acl, ACL_TAG_USER_OBJ) ||
	    !acl_find(acl, ACL_TAG_GROUP_OBJ) ||
	    !acl_find(acl, ACL_TAG_OTHER))
		return -EINVAL;
	if (names && !acl_find(acl, ACL_TAG_MASK)) {
		if (acl_add(acl, ACL_TAG_MASK, all, ACL_NO_ID) < 0)
			return -ENOMEM;
		qsort(acl->items, acl->count, sizeof(*acl->items), by_tag);
	}
	return 0;
}

static void acl_to_mode(const struct acl *acl, uint16_t *mode)
{
	const struct acl_item *group = acl_find(acl, ACL_TAG_MASK);

	if (!group)
		group = acl_find(acl, ACL_TAG_GROUP_OBJ);
	*mode = (uint16_t)((*mode & 07000) |
			   acl_find(acl, ACL_TAG_USER_OBJ)->perm << 6 |
			   group->perm << 3 |
			   acl_find(acl, ACL_TAG_OTHER)->perm);
}

int acl_give(struct acl *acl, bool is_default, struct attrs *attrs,
	     uint16_t *mode)
{
	const char *name = is_default ? ACL_DEFAULT : ACL_ACCESS;
	OWNED_BUF struct buf value = BUF_INIT;
	int r = acl_complete(acl);

	if (r < 0)
		return r;
	if (!is_default) {
		acl_to_mode(acl, mode);
		if (acl->count == 3) {
			attrs_remove(attrs, name);
			return 0;
		}
	}
	buf_u32(&value, ACL_VERSION);
	for (size_t i = 0; i < acl->count; i++) {
		buf_u16(&value, acl->items[i].tag);
		buf_u16(&value, acl->items[i].perm);
		buf_u32(&value, acl->items[i].id);
	}
	if (buf_failed(&value))
		return -ENOMEM;
	return attrs_set(attrs, span_str(name), buf_span(&value));
}

int acl_settle(struct attrs *attrs, uint16_t *mode)
{
	const struct attr *attr = attrs_find(attrs, ACL_ACCESS);
	CLEANUP(acl_release) struct acl acl = { .items = NULL };
	struct bytes in;
	int r = 0;

	if (!attr)
		return -ENOENT;
	in = bytes_of(span_of(attr->value, attr->len));
	if (bytes_u32(&in) != ACL_VERSION || bytes_left(&in) % 8)
		return -EINVAL;
	while (r == 0 && bytes_left(&in)) {
		unsigned tag = bytes_u16(&in), perm = bytes_u16(&in);

		r = perm > 7 ? -EINVAL
			     : acl_add(&acl, tag, perm, bytes_u32(&in));
	}
	return r < 0 ? r : acl_give(&acl, false, attrs, mode);
}

/* File flags, by the names star and bsdtar write. */

bool fflags_parse(struct span text, uint32_t *ret)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} words[] = {
		{ "sappnd", FS_APPEND_FL }, { "sappend", FS_APPEND_FL },
		{ "uappnd", FS_APPEND_FL }, { "schg", FS_IMMUTABLE_FL },
		{ "schange", FS_IMMUTABLE_FL },
		{ "simmutable", FS_IMMUTABLE_FL },
		{ "uchg", FS_IMMUTABLE_FL }, { "nodump", FS_NODUMP_FL },
		{ "noatime", FS_NOATIME_FL }, { "compress", FS_COMPR_FL },
		{ "dirsync", FS_DIRSYNC_FL }, { "sync", FS_SYNC_FL },
		{ "journal-data", FS_JOURNAL_DATA_FL },
		{ "journal", FS_JOURNAL_DATA_FL },
		{ "securedeletion", FS_SECRM_FL },
		{ "nocow", FS_NOCOW_FL }, { "projinherit", FS_PROJINHERIT_FL },
		{ "notail", FS_NOTAIL_FL }, { "topdir", FS_TOPDIR_FL },
		{ "undel", FS_UNRM_FL },
	};
	uint32_t flags = 0;
	bool all = true;

	while (text.len) {
		struct span word = trim(field(&text, ","));
		size_t n = sizeof(words) / sizeof(words[0]), i;

		for (i = 0; i < n; i++) {
			if (span_equal(word, span_str(words[i].word)))
				break;
		}
		if (i < n)
			flags |= words[i].flag;
		else if (word.len)
			all = false;
	}
	*ret = flags;
	return all;
}

/* Encodings of libarchive's attributes. */

int base64_parse(struct span text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	while (text.len && text.data[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int v = base64_digit(text.data[i]);

		if (text.data[i] == '\n')
			continue;
		if (v < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_append_byte(out, (uint8_t)(bits >> have));
		}
	}
	return 0;
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int urlencoded_parse(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			buf_append_byte(out, text.data[i]);
			continue;
		}
		if (text.len - i < 3)
			return -EINVAL;
		high = nibble(text.data[i + 1]);
		low = nibble(text.data[i + 2]);
		if (high < 0 || low < 0)
			return -EINVAL;
		buf_append_byte(out, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return 0;
}
