#include "fs/tree/extent.h"

void ref_write(struct ref_out *out, struct buf *body, enum object_type type,
	       const struct id *id)
{
	uint32_t index = object_ref(out->object, type, id);

	if (index == out->next) {
		buf_u8(body, 0);
		out->next++;
	} else {
		buf_varint(body, out->next - index);
	}
}

static void ref_decode(struct ref_in *in, uint64_t code,
		       enum object_type want, struct id *ret)
{
	uint64_t index = in->next;

	if (code > in->next)
		in->object->body.bad = true;
	else if (code > 0)
		index -= code;
	else
		in->next++;
	object_get_ref(in->object, index, want, ret);
}

void ref_read(struct ref_in *in, enum object_type want, struct id *ret)
{
	ref_decode(in, bytes_varint(&in->object->body), want, ret);
}

/*
 * An extent:
 *
 *     varint   (reference code << 2) | form
 *
 * and by form:
 *     0        a whole chunk
 *     1        part of a chunk: varint first byte, varint length
 *     2        a hole (reference code 0): varint length
 */
enum { FORM_WHOLE, FORM_PART, FORM_HOLE };

bool extent_is_valid(const struct extent *extent)
{
	const struct id *id = &extent->id;

	if (extent->len == 0 || extent->len > SIZE_LIMIT)
		return false;
	if (extent->type == EXTENT_HOLE)
		return true;
	return extent->type == EXTENT_CHUNK && !id_is_none(id) &&
	       !id_is_meta(id) && id->len <= CHUNK_MAX &&
	       extent->from < id->len && extent->len <= id->len - extent->from;
}

void extent_write(struct ref_out *out, struct buf *body,
		  const struct extent *extent)
{
	uint32_t index, code = 0;
	bool whole = extent->from == 0 && extent->len == extent->id.len;

	if (extent->type == EXTENT_HOLE) {
		buf_varint(body, FORM_HOLE);
		buf_varint(body, extent->len);
		return;
	}
	index = object_ref(out->object, OBJECT_CHUNK, &extent->id);
	if (index == out->next)
		out->next++;
	else
		code = out->next - index;
	buf_varint(body, (uint64_t)code << 2 | (whole ? FORM_WHOLE : FORM_PART));
	if (!whole) {
		buf_varint(body, extent->from);
		buf_varint(body, extent->len);
	}
}

void extent_read(struct ref_in *in, struct extent *ret)
{
	struct bytes *body = &in->object->body;
	uint64_t head = bytes_varint(body);

	memset(ret, 0, sizeof(*ret));
	ret->type = EXTENT_CHUNK;
	switch (head & 3) {
	case FORM_WHOLE:
		ref_decode(in, head >> 2, OBJECT_CHUNK, &ret->id);
		ret->len = ret->id.len;
		break;
	case FORM_PART:
		ref_decode(in, head >> 2, OBJECT_CHUNK, &ret->id);
		ret->from = (uint32_t)bytes_count(body, CHUNK_MAX);
		ret->len = bytes_count(body, CHUNK_MAX);
		break;
	case FORM_HOLE:
		ret->type = EXTENT_HOLE;
		ret->len = bytes_count(body, SIZE_LIMIT);
		if (head >> 2)
			body->bad = true;
		break;
	default:
		body->bad = true;
	}
	if (!extent_is_valid(ret))
		body->bad = true;
}

/*
 * A content:
 *
 *     varint   n: 0..8 extents follow, and their lengths make the size;
 *              9 + levels: a list
 * a list:
 *     varint   reference code: OBJECT_LIST, or OBJECT_LIST_INDEX where
 *              levels is not 0
 *     varint   size in bytes
 *     varint   bytes of it that are holes
 */
#define HEAD_LIST (INLINE_EXTENTS + 1)

int content_check(const struct content *content, uint64_t size,
		  struct err *err)
{
	uint64_t sum = 0;

	if (size > SIZE_LIMIT)
		return err_set(err, -EINVAL, "a size is out of range");
	if (!id_is_none(&content->list)) {
		if (content->count || content->levels > CONTENT_LEVELS ||
		    !id_is_meta(&content->list) || size == 0 ||
		    content->holes > size)
			return err_set(err, -EINVAL,
				       "a content's list is malformed");
		return 0;
	}
	if (content->count > INLINE_EXTENTS)
		return err_set(err, -EINVAL, "a content has too many extents");
	for (unsigned i = 0; i < content->count; i++) {
		const struct extent *extent = &content->extent[i];

		if (!extent_is_valid(extent) || extent->len > size - sum)
			return err_set(err, -EINVAL,
				       "a content's extent is malformed");
		sum += extent->len;
	}
	if (sum != size)
		return err_set(err, -EINVAL,
			       "a content's extents do not make its size");
	return 0;
}

void content_write(struct ref_out *out, struct buf *body,
		   const struct content *content, uint64_t size)
{
	if (id_is_none(&content->list)) {
		buf_varint(body, content->count);
		for (unsigned i = 0; i < content->count; i++)
			extent_write(out, body, &content->extent[i]);
		return;
	}
	buf_varint(body, HEAD_LIST + content->levels);
	ref_write(out, body, content->levels ? OBJECT_LIST_INDEX : OBJECT_LIST,
		  &content->list);
	buf_varint(body, size);
	buf_varint(body, content->holes);
}

static void inline_parse(struct ref_in *in, struct content *ret,
			 uint64_t *ret_size)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ret->count; i++) {
		struct extent *extent = &ret->extent[i];

		extent_read(in, extent);
		if (extent->len > SIZE_LIMIT - sum) {
			in->object->body.bad = true;
			return;
		}
		sum += extent->len;
		if (extent->type == EXTENT_HOLE)
			ret->holes += extent->len;
	}
	*ret_size = sum;
}

void content_parse(struct ref_in *in, struct content *ret,
		   uint64_t *ret_size)
{
	struct bytes *body = &in->object->body;
	uint64_t head = bytes_count(body, HEAD_LIST + CONTENT_LEVELS);

	memset(ret, 0, sizeof(*ret));
	*ret_size = 0;
	if (head < HEAD_LIST) {
		ret->count = (uint8_t)head;
		inline_parse(in, ret, ret_size);
		return;
	}
	ret->levels = (uint8_t)(head - HEAD_LIST);
	ref_read(in, ret->levels ? OBJECT_LIST_INDEX : OBJECT_LIST, &ret->list);
	*ret_size = bytes_count(body, SIZE_LIMIT);
	ret->holes = bytes_count(body, *ret_size);
	if (*ret_size == 0)
		body->bad = true;
}
