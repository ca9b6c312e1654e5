#include "indexer/item.h"

#include <stdlib.h>

#define KEY_MAX (1u << 20)

void item_release(struct item *item)
{
	free(item->xattrs);
	item->xattrs = NULL;
	item->xattr_room = 0;
}

static void write_xattrs(const struct entry *entry, struct buf *out)
{
	buf_varint(out, entry->xattr_count);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		const struct xattr *xattr = &entry->xattrs[i];

		buf_string(out, xattr->name);
		buf_u8(out, !id_is_none(&xattr->chunk));
		buf_varint(out, xattr->value_len);
		if (id_is_none(&xattr->chunk))
			buf_append(out, xattr->value.data, xattr->value.len);
		else
			id_write(&xattr->chunk, out);
	}
}

static void write_entry(const struct entry *entry, struct buf *out)
{
	buf_u8(out, (uint8_t)entry->type);
	buf_u16(out, entry->mode);
	buf_u32(out, entry->uid);
	buf_u32(out, entry->gid);
	buf_string(out, entry->uname);
	buf_string(out, entry->gname);
	buf_zigzag(out, entry->mtime.s);
	buf_u32(out, entry->mtime.ns);
	buf_u32(out, entry->dev_major);
	buf_u32(out, entry->dev_minor);
	buf_string(out, entry->target);
	buf_u32(out, entry->flags);
	write_xattrs(entry, out);
}

void item_write_begin(const struct item *item, struct buf *out)
{
	buf_u8(out, (uint8_t)item->kind);
	if (item->kind == ITEM_QUERY)
		return;
	if (item->kind == ITEM_LINK) {
		buf_string(out, item->target);
		return;
	}
	buf_varint(out, item->group);
	buf_u8(out, item->has_origin);
	if (item->has_origin)
		buf_append(out, item->origin, sizeof(item->origin));
	write_entry(&item->entry, out);
}

void item_write_content(const struct content *content, struct buf *out)
{
	buf_u8(out, content->count);
	buf_u8(out, content->levels);
	id_write(&content->list, out);
	buf_varint(out, content->holes);
	for (uint8_t i = 0; i < content->count; i++) {
		const struct extent *extent = &content->extent[i];

		buf_u8(out, (uint8_t)extent->type);
		buf_varint(out, extent->len);
		if (extent->type != EXTENT_CHUNK)
			continue;
		buf_u32(out, extent->from);
		id_write(&extent->id, out);
	}
}

void item_write_end(const struct content *content, uint64_t size,
		    struct buf *out)
{
	buf_varint(out, size);
	item_write_content(content, out);
}

void item_parse_content(struct bytes *in, struct content *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->count = bytes_u8(in);
	ret->levels = bytes_u8(in);
	id_parse(in, &ret->list);
	ret->holes = bytes_varint(in);
	if (ret->count > INLINE_EXTENTS) {
		in->bad = true;
		ret->count = 0;
	}
	for (uint8_t i = 0; i < ret->count; i++) {
		struct extent *extent = &ret->extent[i];

		extent->type = bytes_u8(in);
		extent->len = bytes_varint(in);
		if (extent->type != EXTENT_CHUNK)
			continue;
		extent->from = bytes_u32(in);
		id_parse(in, &extent->id);
	}
}

static int make_room(struct item *item, uint32_t count, struct err *err)
{
	struct xattr *xattrs;

	if (count <= item->xattr_room)
		return 0;
	xattrs = realloc(item->xattrs, count * sizeof(*xattrs));
	if (!xattrs)
		return err_nomem(err);
	item->xattrs = xattrs;
	item->xattr_room = count;
	return 0;
}

static int parse_xattrs(struct bytes *in, struct item *ret, struct err *err)
{
	uint32_t count = (uint32_t)bytes_count(in, XATTRS_MAX);
	int r = make_room(ret, count, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		struct xattr *xattr = &ret->xattrs[i];
		bool apart;

		memset(xattr, 0, sizeof(*xattr));
		xattr->name = bytes_string(in, XATTR_NAME_MAX);
		apart = bytes_u8(in);
		xattr->value_len = (uint32_t)bytes_count(in, XATTR_VALUE_MAX);
		if (apart)
			id_parse(in, &xattr->chunk);
		else
			xattr->value = bytes_take(in, xattr->value_len);
	}
	ret->entry.xattrs = ret->xattrs;
	ret->entry.xattr_count = count;
	return 0;
}

static int parse_entry(struct bytes *in, struct item *ret, struct err *err)
{
	struct entry *entry = &ret->entry;
	int r;

	entry->type = bytes_u8(in);
	entry->mode = bytes_u16(in);
	entry->uid = bytes_u32(in);
	entry->gid = bytes_u32(in);
	entry->uname = bytes_string(in, KEY_MAX);
	entry->gname = bytes_string(in, KEY_MAX);
	entry->mtime.s = bytes_zigzag(in);
	entry->mtime.ns = bytes_u32(in);
	entry->dev_major = bytes_u32(in);
	entry->dev_minor = bytes_u32(in);
	entry->target = bytes_string(in, TARGET_MAX);
	entry->flags = bytes_u32(in);
	r = parse_xattrs(in, ret, err);
	if (r < 0)
		return r;
	entry->size = bytes_varint(in);
	item_parse_content(in, &entry->content);
	return 0;
}

int item_parse(struct span bytes, struct item *ret, struct err *err)
{
	struct bytes in = bytes_of(bytes);
	struct span origin;
	int r = 0;

	memset(&ret->entry, 0, sizeof(ret->entry));
	ret->group = 0;
	ret->has_origin = false;
	ret->target = span_of(NULL, 0);
	ret->kind = bytes_u8(&in);
	if (ret->kind == ITEM_LINK) {
		ret->target = bytes_string(&in, KEY_MAX);
	} else if (ret->kind == ITEM_ENTRY) {
		ret->group = bytes_varint(&in);
		ret->has_origin = bytes_u8(&in);
		origin = bytes_take(&in, ret->has_origin ? ORIGIN_WIDTH : 0);
		memcpy(ret->origin, origin.data, origin.len);
		r = parse_entry(&in, ret, err);
	}
	if (r == 0 && !bytes_done(&in))
		r = err_set(err, -EIO, "a temporary file came back changed");
	return r;
}
