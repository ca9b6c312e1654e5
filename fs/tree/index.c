#include "fs/tree/index.h"

#include <stdlib.h>

/*
 * An index node (docs/format.md, "Tree pages"):
 *
 *     varint   level, from 1
 *     varint   number of children
 *     each:    varint reference code (OBJECT_PAGE at level 1, else
 *              OBJECT_INDEX)
 *              varint entries, varint nodes
 *              varint bytes of the first name shared with that of the child
 *              before, string the rest of it
 */
#define CHILD_BYTES_MIN 6

int index_out_begin(struct index_out *index, unsigned level,
		    struct err *err)
{
	object_begin(&index->object, OBJECT_INDEX);
	index->refs = (struct ref_out){ .object = &index->object };
	buf_clear(&index->children);
	buf_clear(&index->last);
	index->level = level;
	index->count = 0;
	index->entries = 0;
	index->nodes = 0;
	/* index->first is still what was handed out by the last finish */
	return buf_check(&index->first, err);
}

void index_out_release(struct index_out *index)
{
	object_out_release(&index->object);
	buf_release(&index->children);
	buf_release(&index->first);
	buf_release(&index->last);
}

size_t index_out_size(const struct index_out *index)
{
	return object_size(&index->object) + index->children.len;
}

int index_out_add(struct index_out *index, const struct index_child *child,
		  struct err *err)
{
	struct buf *out = &index->children;
	const struct buf *last = &index->last;
	struct span name = child->first;
	size_t shared = 0;

	while (shared < name.len && shared < last->len &&
	       name.data[shared] == last->data[shared])
		shared++;
	ref_write(&index->refs, out,
		  index->level == 1 ? OBJECT_PAGE : OBJECT_INDEX, &child->id);
	buf_varint(out, child->entries);
	buf_varint(out, child->nodes);
	buf_varint(out, shared);
	buf_string(out, span_of(name.data + shared, name.len - shared));
	if (index->count == 0) {
		buf_clear(&index->first);
		buf_append(&index->first, name.data, name.len);
	}
	buf_clear(&index->last);
	buf_append(&index->last, name.data, name.len);
	index->count++;
	index->entries += child->entries;
	index->nodes += child->nodes;
	if (out->failed || last->failed || index->first.failed ||
	    index->object.body.failed)
		return err_nomem(err);
	return 0;
}

int index_out_finish(struct index_out *index, struct buf *bytes,
		     struct index_child *ret, struct err *err)
{
	struct buf *body = &index->object.body;
	int r;

	buf_varint(body, index->level);
	buf_varint(body, index->count);
	buf_append(body, index->children.data, index->children.len);
	r = object_finish(&index->object, bytes, err);
	if (r < 0)
		return r;
	memset(&ret->id, 0, sizeof(ret->id));
	ret->entries = index->entries;
	ret->nodes = index->nodes;
	ret->first = buf_span(&index->first);
	return 0;
}

void index_release(struct index_in *index)
{
	free(index->ids);
	free(index->entries);
	free(index->nodes);
	free(index->names_at);
	buf_release(&index->names);
	memset(index, 0, sizeof(*index));
}

struct span index_first(const struct index_in *index, uint32_t child)
{
	uint32_t from = index->names_at[child];

	return span_of(index->names.data + from,
		       index->names_at[child + 1] - from);
}

uint32_t sums_find(const uint64_t *sums, uint32_t count, uint64_t value)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (sums[mid] <= value)
			low = mid;
		else
			high = mid;
	}
	return low;
}

uint32_t index_by_ordinal(const struct index_in *index, uint64_t ordinal)
{
	return sums_find(index->entries, index->count, ordinal);
}

uint32_t index_by_node(const struct index_in *index, uint64_t node)
{
	return sums_find(index->nodes, index->count, node);
}

uint32_t index_by_name(const struct index_in *index, struct span name)
{
	uint32_t low = 0, high = index->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (span_cmp(index_first(index, mid), name) <= 0)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static bool first_parse(struct bytes *in, struct index_in *ret, uint32_t i)
{
	struct buf *names = &ret->names;
	size_t last = i ? ret->names_at[i] - ret->names_at[i - 1] : 0;
	size_t shared = (size_t)bytes_count(in, last);
	struct span rest = bytes_string(in, NAME_BYTES_MAX - shared);

	if (buf_reserve(names, NAME_BYTES_MAX + 1) < 0)
		return false;
	buf_append(names, names->data + names->len - last, shared);
	buf_append(names, rest.data, rest.len);
	ret->names_at[i + 1] = (uint32_t)names->len;
	if (shared + rest.len == 0 ||
	    (i && span_cmp(index_first(ret, i - 1), index_first(ret, i)) >= 0))
		in->bad = true;
	return true;
}

static int children_parse(struct object_in *object, struct index_in *ret,
			  struct err *err)
{
	struct bytes *in = &object->body;
	struct ref_in refs = { object, 0 };
	uint64_t entries, nodes;

	for (uint32_t i = 0; i < ret->count; i++) {
		ref_read(&refs, ret->level == 1 ? OBJECT_PAGE : OBJECT_INDEX,
			 &ret->ids[i]);
		entries = bytes_count(in, NODES_MAX);
		nodes = bytes_count(in, NODES_MAX);
		if (!first_parse(in, ret, i))
			return err_nomem(err);
		if (in->bad || entries == 0 || nodes < entries)
			return err_corrupt(err, "a child of a directory index "
					   "is malformed");
		ret->entries[i + 1] = ret->entries[i] + entries;
		ret->nodes[i + 1] = ret->nodes[i] + nodes;
		if (ret->nodes[i + 1] > NODES_MAX)
			return err_corrupt(err, "a directory index counts more "
					   "nodes than there can be");
	}
	if (!bytes_done(in))
		return err_corrupt(err, "a directory index has bytes behind "
				   "its children");
	return 0;
}

static int index_room(struct index_in *index, struct err *err)
{
	size_t n = index->count;

	index->ids = calloc(n, sizeof(*index->ids));
	index->entries = calloc(n + 1, sizeof(*index->entries));
	index->nodes = calloc(n + 1, sizeof(*index->nodes));
	index->names_at = calloc(n + 1, sizeof(*index->names_at));
	if (!index->ids || !index->entries || !index->nodes ||
	    !index->names_at)
		return err_nomem(err);
	return 0;
}

int index_parse(struct span bytes, unsigned level, struct index_in *ret,
		struct err *err)
{
	struct index_in got = { .level = level };
	struct object_in object;
	struct bytes *in = &object.body;
	uint64_t found;
	int r;

	r = object_parse(bytes, &object, err);
	if (r < 0)
		return r;
	found = bytes_varint(in);
	got.count = (uint32_t)bytes_count(in, INDEX_CHILDREN_MAX);
	if (object.type != OBJECT_INDEX || found != level || got.count == 0 ||
	    got.count > bytes_left(in) / CHILD_BYTES_MIN)
		return err_corrupt(err, "an object is not the directory index "
				   "it should be");
	r = index_room(&got, err);
	if (r == 0)
		r = children_parse(&object, &got, err);
	if (r < 0) {
		index_release(&got);
		return r;
	}
	*ret = got;
	return 0;
}
