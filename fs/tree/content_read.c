#include "fs/tree/content_list.h"

/* Fill in piece with [offset, offset+len) of extent, which begins at start. */
static int piece_get(const struct getter *getter, const struct extent *extent,
		     uint64_t start, uint64_t offset, uint64_t len,
		     struct piece *piece, struct err *err)
{
	uint64_t skip = offset - start;
	int r;

	memset(piece, 0, sizeof(*piece));
	if (extent->type == EXTENT_HOLE) {
		piece->hole = true;
		piece->bytes.len = (size_t)len;
		return 0;
	}
	r = getter_get(getter, &extent->id, &piece->held, err);
	if (r < 0)
		return r;
	piece->bytes = span_of(piece->held.bytes.data + extent->from + skip,
			       (size_t)len);
	return 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int content_read(const struct getter *getter, const struct content *content,
		 uint64_t size, uint64_t offset, uint64_t len,
		 struct piece *pieces, size_t max, size_t *ret_count,
		 struct err *err)
{
	OWNED_CURSOR struct cursor cursor;
	struct extent extent;
	size_t count = 0;
	uint64_t start, end;
	int r;

	cursor.depth = 0;
	if (offset >= size || len == 0 || max == 0) {
		*ret_count = 0;
		return 0;
	}
	end = offset + min_u64(len, size - offset);
	r = cursor_seek(&cursor, getter, content, size, offset, err);
	while (r == 0 && offset < end && count < max) {
		uint64_t take;

		r = cursor_next(&cursor, SKIP_NONE, &extent, &start, err);
		if (r == 0)
			r = err_corrupt(err, "a file's content is shorter "
					"than its size");
		if (r < 0)
			break;
		take = min_u64(end, start + extent.len) - offset;
		r = piece_get(getter, &extent, start, offset, take,
			      &pieces[count], err);
		if (r < 0)
			break;
		count++;
		offset += take;
	}
	if (r < 0) {
		while (count > 0)
			held_release(&pieces[--count].held);
		return r;
	}
	*ret_count = count;
	return 0;
}

#define PIECES 16

int content_read_into(const struct getter *getter,
		      const struct content *content, uint64_t size,
		      uint64_t offset, void *out, size_t len,
		      size_t *ret_len, struct err *err)
{
	struct piece pieces[PIECES];
	uint8_t *to = out;
	size_t done = 0, count;
	int r;

	do {
		r = content_read(getter, content, size, offset + done,
				 len - done, pieces, PIECES, &count, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++) {
			struct span bytes = pieces[i].bytes;

			if (pieces[i].hole)
				memset(to + done, 0, bytes.len);
			else
				memcpy(to + done, bytes.data, bytes.len);
			done += bytes.len;
			held_release(&pieces[i].held);
		}
	} while (count == PIECES && done < len);
	*ret_len = done;
	return 0;
}

int content_extent_at(const struct getter *getter,
		      const struct content *content, uint64_t size,
		      uint64_t offset, struct extent *ret,
		      uint64_t *ret_start, struct err *err)
{
	OWNED_CURSOR struct cursor cursor;
	int r;

	cursor.depth = 0;
	if (offset >= size)
		return err_set(err, -ENXIO, "offset %llu lies past the end",
			       (unsigned long long)offset);
	r = cursor_seek(&cursor, getter, content, size, offset, err);
	if (r < 0)
		return r;
	r = cursor_next(&cursor, SKIP_NONE, ret, ret_start, err);
	if (r == 0)
		return err_corrupt(err, "a file's content is shorter than its "
				   "size");
	return r < 0 ? r : 0;
}

int content_seek(const struct getter *getter, const struct content *content,
		 uint64_t size, uint64_t offset, bool hole, uint64_t *ret,
		 struct err *err)
{
	enum extent_type want = hole ? EXTENT_HOLE : EXTENT_CHUNK;
	OWNED_CURSOR struct cursor cursor;
	struct extent extent;
	uint64_t start;
	int r;

	cursor.depth = 0;
	if (offset >= size)
		return err_set(err, -ENXIO, "offset %llu lies past the end",
			       (unsigned long long)offset);
	r = cursor_seek(&cursor, getter, content, size, offset, err);
	if (r < 0)
		return r;
	do {
		r = cursor_next(&cursor, hole ? SKIP_DATA : SKIP_HOLES,
				&extent, &start, err);
		if (r < 0)
			return r;
	} while (r == 1 && extent.type != want);

	if (r == 0 && !hole)
		return err_set(err, -ENXIO, "no data from offset %llu on",
			       (unsigned long long)offset);
	*ret = r == 0 ? size : start > offset ? start : offset;
	return 0;
}

int content_each(const struct getter *getter, const struct content *content,
		 uint64_t size,
		 int (*each)(void *arg, uint64_t offset,
			     const struct extent *extent, struct err *err),
		 void *arg, struct err *err)
{
	OWNED_CURSOR struct cursor cursor;
	struct extent extent;
	uint64_t start;
	int r;

	cursor.depth = 0;
	r = cursor_seek(&cursor, getter, content, size, 0, err);
	while (r == 0) {
		r = cursor_next(&cursor, SKIP_NONE, &extent, &start, err);
		if (r <= 0)
			return r;
		r = each(arg, start, &extent, err);
	}
	return r;
}

int content_data_bytes(const struct getter *getter,
		       const struct content *content, uint64_t size,
		       uint64_t *ret, struct err *err)
{
	struct entry entry = { .size = size, .content = *content };
	OWNED_HELD struct held held = HELD_INIT;
	struct object_in object;
	struct list_head head;
	int r;

	if (id_is_none(&content->list)) {
		*ret = entry_data_bytes(&entry);
		return 0;
	}
	r = getter_get(getter, &content->list, &held, err);
	if (r < 0)
		return r;
	r = list_parse(held.bytes, &object, &head, err);
	if (r < 0)
		return r;
	if (head.len != size)
		return err_corrupt(err, "a file's content is not as long as "
				   "its size");
	*ret = size - head.holes;
	return 0;
}

/* The extents of a list that are few enough to stand without it. */
static int load_inline(struct object_in *object, const struct list_head *head,
		       struct content *ret, struct err *err)
{
	struct ref_in refs = { object, 0 };
	struct content got = { .count = (uint8_t)head->count };

	for (unsigned i = 0; i < got.count; i++) {
		extent_read(&refs, &got.extent[i]);
		if (got.extent[i].type == EXTENT_HOLE)
			got.holes += got.extent[i].len;
	}
	if (!bytes_done(&object->body) || got.holes != head->holes ||
	    content_check(&got, head->len, NULL) < 0)
		return err_corrupt(err, "a content list is malformed");
	*ret = got;
	return 0;
}

int content_load(const struct getter *getter, const struct id *id,
		 struct content *ret, uint64_t *ret_size, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct object_in object;
	struct list_head head;
	int r;

	r = getter_get(getter, id, &held, err);
	if (r < 0)
		return r;
	r = list_parse(held.bytes, &object, &head, err);
	if (r < 0)
		return r;
	if (head.level == 0 && head.count <= INLINE_EXTENTS) {
		r = load_inline(&object, &head, ret, err);
		if (r < 0)
			return r;
	} else {
		memset(ret, 0, sizeof(*ret));
		ret->list = *id;
		ret->levels = (uint8_t)head.level;
		ret->holes = head.holes;
	}
	*ret_size = head.len;
	return 0;
}
