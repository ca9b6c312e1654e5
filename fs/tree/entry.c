#include "fs/tree/entry.h"

#include <stdlib.h>

#include "fs/tree/extent.h"
#include "fs/tree/intern.h"
#include "fs/tree/page.h"

uint64_t entry_data_bytes(const struct entry *entry)
{
	const struct content *content = &entry->content;
	uint64_t holes = 0;

	if (!id_is_none(&content->list))
		return entry->size - content->holes;
	for (unsigned i = 0; i < content->count; i++)
		if (content->extent[i].type == EXTENT_HOLE)
			holes += content->extent[i].len;
	return entry->size - holes;
}

static bool has_nul(struct span s)
{
	return s.len > 0 && memchr(s.data, '\0', s.len);
}

static int name_check(struct span name, struct err *err)
{
	if (name.len > NAME_BYTES_MAX)
		return err_set(err, -EINVAL, "a name is longer than %d bytes",
			       NAME_BYTES_MAX);
	if (span_equal(name, span_str(".")) ||
	    span_equal(name, span_str("..")) || has_nul(name) ||
	    (name.len > 0 && memchr(name.data, '/', name.len)))
		return err_set(err, -EINVAL, "a name is none a file can have");
	return 0;
}

static int xattr_check(const struct xattr *xattr, struct err *err)
{
	if (xattr->name.len == 0 || xattr->name.len > XATTR_NAME_MAX ||
	    has_nul(xattr->name))
		return err_set(err, -EINVAL,
			       "the name of an extended attribute is empty, "
			       "longer than %d bytes or has a NUL in it",
			       XATTR_NAME_MAX);
	if (id_is_none(&xattr->chunk) ? xattr->value.len > XATTR_INLINE_MAX
	    : id_is_meta(&xattr->chunk) ||
	      xattr->chunk.len > XATTR_VALUE_MAX ||
	      xattr->chunk.len <= XATTR_INLINE_MAX)
		return err_set(err, -EINVAL, "the value of extended attribute "
			       "'%.*s' is longer than it may be",
			       (int)xattr->name.len,
			       (const char *)xattr->name.data);
	return 0;
}

static int dir_check(const struct entry *entry, struct err *err)
{
	bool empty = id_is_none(&entry->tree);

	if (empty != (entry->below == 0) || entry->dirs_below > entry->below ||
	    entry->below > NODES_MAX || entry->tree_levels > TREE_LEVELS ||
	    (empty ? entry->tree_levels != 0 : !id_is_meta(&entry->tree)))
		return err_set(err, -EINVAL,
			       "a directory's counts do not fit each other");
	return 0;
}

static int kind_check(const struct entry *entry, struct err *err)
{
	switch (entry->type) {
	case ENTRY_FILE:
		return content_check(&entry->content, entry->size, err);
	case ENTRY_DIR:
		return dir_check(entry, err);
	case ENTRY_SYMLINK:
		if (entry->target.len > TARGET_MAX || has_nul(entry->target))
			return err_set(err, -EINVAL,
				       "the target of a symbolic link is "
				       "longer than %d bytes or has a NUL "
				       "in it", TARGET_MAX);
		return 0;
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
	case ENTRY_FIFO:
	case ENTRY_SOCKET:
		return 0;
	}
	return err_set(err, -EINVAL, "an entry is of no known type");
}

bool xattr_is_shadow(const char *name)
{
	return !strcmp(name, "trusted.SGI_ACL_FILE") ||
	       !strcmp(name, "trusted.SGI_ACL_DEFAULT");
}

int entry_check(const struct entry *entry, struct err *err)
{
	int r;

	r = name_check(entry->name, err);
	if (r < 0)
		return r;
	if (entry->mode > 07777)
		return err_set(err, -EINVAL, "mode %o is out of range",
			       entry->mode);
	if (entry->mtime.ns > 999999999)
		return err_set(err, -EINVAL,
			       "a time has over 999999999 nanoseconds");
	if (entry->uname.len > OWNER_NAME_MAX ||
	    entry->gname.len > OWNER_NAME_MAX)
		return err_set(err, -EINVAL, "a user's or group's name is "
			       "longer than %d bytes", OWNER_NAME_MAX);
	if (entry->xattr_count > XATTRS_MAX)
		return err_set(err, -EINVAL, "an entry has more than %d "
			       "extended attributes", XATTRS_MAX);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		r = xattr_check(&entry->xattrs[i], err);
		if (r < 0)
			return r;
	}
	return kind_check(entry, err);
}

struct page_out {
	uint32_t count;
	struct buf entries;
	struct buf last;		/* name of the last entry */
	struct intern owners, sets;
	struct object_out object;	/* refs of entries; xattrs' at the end */
	struct ref_out refs;
	uint32_t owner;			/* of the last entry */
	uint64_t mtime_s;		/* the same */
	uint16_t modes[ROW_TYPE + 1];	/* last of each type */
	struct buf key;			/* scratch */
};

static void page_out_clear(struct page_out *page)
{
	page->count = 0;
	buf_clear(&page->entries);
	buf_clear(&page->last);
	intern_clear(&page->owners);
	intern_clear(&page->sets);
	object_begin(&page->object, OBJECT_PAGE);
	page->refs = (struct ref_out){ .object = &page->object };
	page->owner = 0;
	page->mtime_s = 0;
	memset(page->modes, 0, sizeof(page->modes));
}

struct page_out *page_out_new(void)
{
	struct page_out *page = calloc(1, sizeof(*page));

	if (page)
		page_out_clear(page);
	return page;
}

void page_out_free(struct page_out *page)
{
	if (!page)
		return;
	buf_release(&page->entries);
	buf_release(&page->last);
	intern_release(&page->owners);
	intern_release(&page->sets);
	object_out_release(&page->object);
	buf_release(&page->key);
	free(page);
}

uint32_t page_out_count(const struct page_out *page)
{
	return page->count;
}

size_t page_out_size(const struct page_out *page)
{
	return object_size(&page->object) + page->entries.len +
	       page->owners.bytes.len + page->sets.bytes.len;
}

static uint32_t put_owner(struct page_out *page, const struct entry *entry)
{
	buf_clear(&page->key);
	buf_varint(&page->key, entry->uid);
	buf_varint(&page->key, entry->gid);
	buf_string(&page->key, entry->uname);
	buf_string(&page->key, entry->gname);
	return intern_put(&page->owners, buf_span(&page->key));
}

/* By name; of equal names the one given later first. */
static int by_name(const void *x, const void *y)
{
	const struct xattr *a = *(const struct xattr *const *)x;
	const struct xattr *b = *(const struct xattr *const *)y;
	int r = span_cmp(a->name, b->name);

	return r ? r : a < b ? 1 : -1;
}

/*
 * A set while the page is open: as in the page, but long values by their id,
 * which becomes an index when all other references are known.
 */
static void set_key(struct buf *key, const struct xattr **sorted,
		    uint32_t count)
{
	uint32_t distinct = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		if (i == 0 || !span_equal(sorted[i]->name, sorted[i - 1]->name))
			sorted[distinct++] = sorted[i];
	buf_varint(key, distinct);
	for (i = 0; i < distinct; i++) {
		const struct xattr *xattr = sorted[i];

		buf_string(key, xattr->name);
		if (id_is_none(&xattr->chunk)) {
			buf_string(key, xattr->value);
		} else {
			buf_varint(key, xattr->chunk.len);
			id_write(&xattr->chunk, key);
		}
	}
}

static uint32_t put_set(struct page_out *page, const struct entry *entry)
{
	CLEANUP(free_ptr) const struct xattr **sorted = NULL;

	sorted = calloc(entry->xattr_count, sizeof(const struct xattr *));
	if (!sorted) {
		page->entries.failed = true;
		return 0;
	}
	for (uint32_t i = 0; i < entry->xattr_count; i++)
		sorted[i] = &entry->xattrs[i];
	qsort(sorted, entry->xattr_count, sizeof(*sorted), by_name);
	buf_clear(&page->key);
	set_key(&page->key, sorted, entry->xattr_count);
	return intern_put(&page->sets, buf_span(&page->key));
}

static void put_kind(struct page_out *page, const struct entry *entry)
{
	struct buf *out = &page->entries;

	switch (entry->type) {
	case ENTRY_FILE:
		content_write(&page->refs, out, &entry->content, entry->size);
		break;
	case ENTRY_DIR:
		buf_varint(out, entry->below);
		buf_varint(out, entry->dirs_below);
		if (id_is_none(&entry->tree)) {
			buf_u8(out, 0);
			break;
		}
		buf_varint(out, 1 + (uint64_t)entry->tree_levels);
		ref_write(&page->refs, out,
			  entry->tree_levels ? OBJECT_INDEX : OBJECT_PAGE,
			  &entry->tree);
		break;
	case ENTRY_SYMLINK:
		buf_string(out, entry->target);
		break;
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		buf_varint(out, entry->dev_major);
		buf_varint(out, entry->dev_minor);
		break;
	case ENTRY_FIFO:
	case ENTRY_SOCKET:
		break;
	}
}

static void put_name(struct page_out *page, struct span name)
{
	const struct buf *last = &page->last;
	size_t shared = 0;

	while (shared < name.len && shared < last->len &&
	       name.data[shared] == last->data[shared])
		shared++;
	buf_varint(&page->entries, shared);
	buf_string(&page->entries,
		   span_of(name.data + shared, name.len - shared));
	buf_clear(&page->last);
	buf_append(&page->last, name.data, name.len);
}

static void put_entry(struct page_out *page, const struct entry *entry)
{
	struct buf *out = &page->entries;
	uint16_t *mode = &page->modes[entry->type];
	uint32_t owner = put_owner(page, entry);
	uint64_t mtime_s = (uint64_t)entry->mtime.s;
	uint8_t head = (uint8_t)entry->type;

	head |= page->count > 0 && owner == page->owner ? ROW_SAME_OWNER : 0;
	head |= entry->mode == *mode ? ROW_SAME_MODE : 0;
	head |= entry->mtime.ns ? ROW_NS : 0;
	head |= entry->flags ? ROW_FLAGS : 0;
	head |= entry->xattr_count ? ROW_XATTRS : 0;

	buf_u8(out, head);
	put_name(page, entry->name);
	if (!(head & ROW_SAME_MODE))
		buf_varint(out, entry->mode);
	if (!(head & ROW_SAME_OWNER))
		buf_varint(out, owner);
	buf_zigzag(out, (int64_t)(mtime_s - page->mtime_s));
	if (head & ROW_NS)
		buf_varint(out, entry->mtime.ns);
	put_kind(page, entry);
	if (head & ROW_FLAGS)
		buf_varint(out, entry->flags);
	if (head & ROW_XATTRS)
		buf_varint(out, put_set(page, entry));

	*mode = entry->mode;
	page->owner = owner;
	page->mtime_s = mtime_s;
	page->count++;
}

static bool page_out_failed(const struct page_out *page)
{
	return page->entries.failed || page->last.failed || page->key.failed ||
	       page->owners.bytes.failed || page->sets.bytes.failed ||
	       page->object.body.failed;
}

int page_out_add(struct page_out *page, const struct entry *entry,
		 struct err *err)
{
	int r;

	r = entry_check(entry, err);
	if (r < 0)
		return r;
	if (page->count > 0 &&
	    span_cmp(buf_span(&page->last), entry->name) >= 0)
		return err_set(err, -EINVAL,
			       "'%.*s' does not come behind the name before it",
			       (int)entry->name.len,
			       (const char *)entry->name.data);
	put_entry(page, entry);
	return page_out_failed(page) ? err_nomem(err) : 0;
}

static void finish_set(struct page_out *page, struct span key)
{
	struct bytes in = bytes_of(key);
	struct buf *body = &page->object.body;
	uint64_t count = bytes_varint(&in);
	struct span name, value;
	struct id chunk;
	uint64_t len;

	buf_varint(body, count);
	for (uint64_t i = 0; i < count; i++) {
		name = bytes_string(&in, XATTR_NAME_MAX);
		len = bytes_varint(&in);
		buf_string(body, name);
		buf_varint(body, len);
		if (len > XATTR_INLINE_MAX) {
			id_parse(&in, &chunk);
			buf_varint(body, object_ref(&page->object,
						    OBJECT_CHUNK, &chunk));
		} else {
			value = bytes_take(&in, (size_t)len);
			buf_append(body, value.data, value.len);
		}
	}
}

int page_out_finish(struct page_out *page, enum object_type type,
		    struct buf *bytes, struct err *err)
{
	struct object_out *object = &page->object;
	bool root = page->count == 1 && page->last.len == 0;
	int r;

	if (page_out_failed(page))
		return err_nomem(err);
	if (page->count == 0 || root != (type == OBJECT_ROOT) ||
	    (root && (page->entries.data[0] & ROW_TYPE) != ENTRY_DIR))
		return err_set(err, -EINVAL, "only the root's page has one "
			       "directory without a name in it");
	object->type = type;
	buf_varint(&object->body, page->owners.count);
	buf_append(&object->body, page->owners.bytes.data,
		   page->owners.bytes.len);
	buf_varint(&object->body, page->sets.count);
	for (uint32_t i = 0; i < page->sets.count; i++)
		finish_set(page, intern_at(&page->sets, i));
	buf_varint(&object->body, page->count);
	buf_append(&object->body, page->entries.data, page->entries.len);
	if (object_size(object) > PAGE_BYTES_MAX ||
	    page->count > PAGE_ENTRIES_MAX)
		return err_set(err, -EFBIG, "a directory page is too large");
	r = object_finish(object, bytes, err);
	if (r < 0)
		return r;
	page_out_clear(page);
	return 0;
}
