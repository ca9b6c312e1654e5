#include "fs/repo/object.h"

#include <stdlib.h>

/*
 * An object, front to back (docs/format.md, "Objects"):
 *
 *     u8       type of this object
 *     varint   n, how many references (at most OBJECT_REFS_MAX)
 *     n x u8   their types
 *     n x 22   their ids
 *     ...      body
 */

#define TABLE_FIRST 64u

void object_begin(struct object_out *out, enum object_type type)
{
	out->type = type;
	buf_clear(&out->body);
	buf_clear(&out->types);
	buf_clear(&out->ids);
	out->count = 0;
	if (out->slots)
		memset(out->table, 0, out->slots * sizeof(*out->table));
}

void object_out_release(struct object_out *out)
{
	buf_release(&out->body);
	buf_release(&out->types);
	buf_release(&out->ids);
	free(out->table);
	*out = (struct object_out)OBJECT_OUT_INIT;
}

static void listed(const struct object_out *out, uint32_t index,
		   struct id *ret)
{
	id_from_disk(out->ids.data + (size_t)index * ID_BYTES, ret);
}

/* The slot that holds id, or the free one where it belongs. */
static uint32_t *slot_of(const struct object_out *out, const struct id *id)
{
	uint32_t at = (uint32_t)id_spread(id) & (out->slots - 1);
	struct id found;

	for (; out->table[at]; at = (at + 1) & (out->slots - 1)) {
		listed(out, out->table[at] - 1, &found);
		if (id_equal(&found, id))
			break;
	}
	return &out->table[at];
}

static int table_grow(struct object_out *out)
{
	uint32_t slots = out->slots ? out->slots * 2 : TABLE_FIRST;
	uint32_t *table = calloc(slots, sizeof(*table));
	struct id id;

	if (!table)
		return -ENOMEM;
	free(out->table);
	out->table = table;
	out->slots = slots;
	for (uint32_t i = 0; i < out->count; i++) {
		listed(out, i, &id);
		*slot_of(out, &id) = i + 1;
	}
	return 0;
}

uint32_t object_ref(struct object_out *out, enum object_type type,
		    const struct id *id)
{
	uint32_t *slot;

	if (out->body.failed)
		return 0;
	if (out->count >= out->slots / 2 && table_grow(out) < 0) {
		out->body.failed = true;
		return 0;
	}
	slot = slot_of(out, id);
	if (*slot)
		return *slot - 1;
	buf_u8(&out->types, (uint8_t)type);
	id_write(id, &out->ids);
	if (out->types.failed || out->ids.failed) {
		out->body.failed = true;
		return 0;
	}
	*slot = ++out->count;
	return *slot - 1;
}

static size_t varint_len(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

size_t object_size(const struct object_out *out)
{
	return 1 + varint_len(out->count) +
	       (size_t)out->count * (1 + ID_BYTES) + out->body.len;
}

int object_finish(struct object_out *out, struct buf *bytes,
		  struct err *err)
{
	int r;

	r = buf_check(&out->body, err);
	if (r < 0)
		return r;
	if (out->count > OBJECT_REFS_MAX || object_size(out) > OBJECT_MAX)
		return err_set(err, -EFBIG,
			       "a metadata object of %zu bytes with %u "
			       "references is too large",
			       object_size(out), out->count);
	buf_clear(bytes);
	buf_u8(bytes, (uint8_t)out->type);
	buf_varint(bytes, out->count);
	buf_append(bytes, out->types.data, out->types.len);
	buf_append(bytes, out->ids.data, out->ids.len);
	buf_append(bytes, out->body.data, out->body.len);
	return buf_check(bytes, err);
}

static bool type_known(uint8_t type)
{
	return type >= OBJECT_CHUNK && type < OBJECT_TYPE_END;
}

/* An id that could be that of an object of this type. */
static bool ref_fits(uint8_t type, const struct id *id)
{
	bool chunk = type == OBJECT_CHUNK;

	return type_known(type) && !id_is_none(id) &&
	       id_is_meta(id) == !chunk &&
	       id->len <= (chunk ? CHUNK_MAX : OBJECT_MAX);
}

int object_parse(struct span bytes, struct object_in *ret, struct err *err)
{
	struct bytes in = bytes_of(bytes);
	struct object_in got;
	uint8_t type = bytes_u8(&in);
	struct id id;

	if (bytes.len > OBJECT_MAX || !type_known(type) ||
	    type == OBJECT_CHUNK)
		return err_corrupt(err, "a metadata object is of no known type");
	got.type = (enum object_type)type;
	got.count = (uint32_t)bytes_count(&in, OBJECT_REFS_MAX);
	got.types = bytes_take(&in, got.count).data;
	got.ids = bytes_take(&in, (size_t)got.count * ID_BYTES).data;
	if (in.bad)
		return err_corrupt(err, "a metadata object's references are "
				   "cut off");
	for (uint32_t i = 0; i < got.count; i++) {
		id_from_disk(got.ids + (size_t)i * ID_BYTES, &id);
		if (!ref_fits(got.types[i], &id))
			return err_corrupt(err, "a metadata object refers to "
					   "what cannot be");
	}
	got.body = in;
	*ret = got;
	return 0;
}

void object_get_any(struct object_in *in, uint64_t index,
		    enum object_type *ret_type, struct id *ret)
{
	if (in->body.bad || index >= in->count) {
		in->body.bad = true;
		memset(ret, 0, sizeof(*ret));
		*ret_type = OBJECT_CHUNK;
		return;
	}
	*ret_type = (enum object_type)in->types[index];
	id_from_disk(in->ids + index * ID_BYTES, ret);
}

void object_get_ref(struct object_in *in, uint64_t index,
		    enum object_type want, struct id *ret)
{
	enum object_type type;

	object_get_any(in, index, &type, ret);
	if (!in->body.bad && type != want) {
		in->body.bad = true;
		memset(ret, 0, sizeof(*ret));
	}
}
