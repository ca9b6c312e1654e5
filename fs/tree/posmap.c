#include "fs/tree/posmap.h"

#include <stdlib.h>

#include "fs/tree/cut.h"
#include "fs/tree/extent.h"
#include "fs/tree/posmap_format.h"

struct child {
	struct id id;
	uint64_t first;
	uint64_t pairs;
};

struct open_node {
	struct object_out object;
	struct ref_out refs;
	struct buf children;
	uint32_t count;
	uint64_t first, last, pairs;
	uint64_t hash;			/* of the last child */
};

struct posmap_builder {
	struct deposit *deposit;
	uint32_t width;
	struct buf deltas, values;	/* of the open page; values in rows */
	uint32_t count;
	uint64_t first, last;
	bool some;			/* last is valid */
	struct open_node level[POSMAP_LEVELS + 1];	/* 1 up */
	unsigned levels;
	struct object_out object;
	struct buf bytes;
	struct posmap_cursor *former;	/* or NULL */
};

struct posmap_builder *posmap_builder_new(struct deposit *deposit,
					  uint32_t width)
{
	struct posmap_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return NULL;
	builder->deposit = deposit;
	builder->width = width;
	return builder;
}

void posmap_builder_free(struct posmap_builder *builder)
{
	if (!builder)
		return;
	for (unsigned i = 0; i <= POSMAP_LEVELS; i++) {
		object_out_release(&builder->level[i].object);
		buf_release(&builder->level[i].children);
	}
	buf_release(&builder->deltas);
	buf_release(&builder->values);
	object_out_release(&builder->object);
	buf_release(&builder->bytes);
	posmap_cursor_free(builder->former);
	free(builder);
}

void posmap_former(struct posmap_builder *builder, const struct getter *getter,
		   const struct id *map)
{
	posmap_cursor_free(builder->former);
	builder->former = id_is_none(map) ? NULL :
			  posmap_cursor_new(getter, map, builder->width);
}

/* The same positions, and some around them: nodes came and went before. */
static size_t find_like(void *arg, struct id *ret, size_t max)
{
	const struct posmap_builder *builder = arg;
	uint64_t around = (builder->last - builder->first) / 4;

	if (!builder->former)
		return 0;
	return posmap_cursor_pages(builder->former, builder->first > around ?
				   builder->first - around : 0,
				   builder->last + around, ret,
				   max < OBJECT_LIKES ? max : OBJECT_LIKES);
}

static void node_begin(struct open_node *node)
{
	object_begin(&node->object, OBJECT_POSMAP_INDEX);
	node->refs = (struct ref_out){ .object = &node->object };
	buf_clear(&node->children);
	node->count = 0;
	node->pairs = 0;
	node->first = 0;
	node->last = 0;
}

static int flush_node(struct posmap_builder *builder, unsigned level,
		      bool top, struct child *ret, struct err *err)
{
	struct open_node *node = &builder->level[level];
	struct buf *body = &node->object.body;
	int r;

	if (node->children.failed)
		return err_nomem(err);
	buf_varint(body, level);
	buf_varint(body, builder->width);
	buf_varint(body, node->count);
	/* the first child's code is always 0, its place follows */
	buf_u8(body, 0);
	buf_varint(body, top ? node->first : 0);
	buf_append(body, node->children.data, node->children.len);
	r = object_finish(&node->object, &builder->bytes, err);
	if (r < 0)
		return r;
	ret->first = node->first;
	ret->pairs = node->pairs;
	return deposit_object(builder->deposit, buf_span(&builder->bytes),
			      &ret->id, err);
}

static int put_child(struct posmap_builder *builder, unsigned level,
		     const struct child *child, struct err *err)
{
	struct open_node *node = &builder->level[level];
	struct child full;
	int r;

	if (level > POSMAP_LEVELS)
		return err_set(err, -EFBIG, "a position map is too large");
	if (level > builder->levels) {
		builder->levels = level;
		node_begin(node);
	}
	if (cut_list(node->count, node->hash)) {
		r = flush_node(builder, level, false, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, level + 1, &full, err);
		if (r < 0)
			return r;
		node_begin(node);
	}
	if (node->count == 0) {
		node->first = child->first;
		object_ref(&node->object, level == 1 ? OBJECT_POSMAP
			   : OBJECT_POSMAP_INDEX, &child->id);
		node->refs.next = 1;
	} else {
		ref_write(&node->refs, &node->children, level == 1
			  ? OBJECT_POSMAP : OBJECT_POSMAP_INDEX, &child->id);
		buf_varint(&node->children, child->first - node->last);
	}
	buf_varint(&node->children, child->pairs);
	node->last = child->first;
	node->pairs += child->pairs;
	node->hash = id_spread(&child->id);
	node->count++;
	return 0;
}

static int flush_page(struct posmap_builder *builder, struct child *ret,
		      struct err *err)
{
	const struct deposit_like like = { find_like, builder };
	struct buf *body = &builder->object.body;
	uint32_t width = builder->width;
	int r;

	object_begin(&builder->object, OBJECT_POSMAP);
	buf_varint(body, width);
	buf_varint(body, builder->count);
	buf_append(body, builder->deltas.data, builder->deltas.len);
	if (builder->deltas.failed || builder->values.failed ||
	    buf_reserve(body, builder->values.len) < 0)
		return err_nomem(err);
	for (uint32_t i = 0; i < width; i++)
		for (uint32_t row = 0; row < builder->count; row++)
			body->data[body->len++] =
				builder->values.data[(size_t)row * width + i];
	r = object_finish(&builder->object, &builder->bytes, err);
	if (r < 0)
		return r;
	ret->first = builder->first;
	ret->pairs = builder->count;
	buf_clear(&builder->deltas);
	buf_clear(&builder->values);
	builder->count = 0;
	return deposit_object_like(builder->deposit,
				   buf_span(&builder->bytes), &like, &ret->id,
				   err);
}

int posmap_add(struct posmap_builder *builder, uint64_t pos,
	       const void *value, struct err *err)
{
	struct span span = span_of(value, builder->width);
	struct child full;
	int r;

	if ((builder->some && pos <= builder->last) || pos >= NODES_MAX ||
	    builder->width == 0 || builder->width > POSMAP_WIDTH_MAX)
		return err_set(err, -EINVAL,
			       "positions do not rise, or a width is wrong");
	if (cut_page(builder->deltas.len + builder->values.len, sum64(span))) {
		r = flush_page(builder, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, 1, &full, err);
		if (r < 0)
			return r;
	}
	if (builder->count == 0)
		builder->first = pos;
	else
		buf_varint(&builder->deltas, pos - builder->last - 1);
	buf_append(&builder->values, value, builder->width);
	builder->last = pos;
	builder->some = true;
	builder->count++;
	return builder->deltas.failed || builder->values.failed
	       ? err_nomem(err) : 0;
}

int posmap_finish(struct posmap_builder *builder, struct id *ret,
		  struct err *err)
{
	struct child top;
	unsigned level = 0;
	int r;

	if (!builder->some) {
		memset(ret, 0, sizeof(*ret));
		return 0;
	}
	r = flush_page(builder, &top, err);
	/* a put may begin the next level; there is at least one */
	while (r == 0 && (level == 0 || level < builder->levels)) {
		level++;
		r = put_child(builder, level, &top, err);
		if (r == 0)
			r = flush_node(builder, level,
				       level == builder->levels, &top, err);
	}
	if (r < 0)
		return r;
	*ret = top.id;
	builder->some = false;
	builder->levels = 0;
	return 0;
}
