#include "fs/tree/view_recipe.h"

#include <stdlib.h>

#define CHILD_BYTES_MIN 4

void view_children_write(struct ref_out *out, struct buf *body,
			 unsigned level, const struct view_child *children,
			 uint32_t count)
{
	uint64_t base = 0;

	buf_varint(body, level);
	buf_varint(body, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct view_child *child = &children[i];

		ref_write(out, body, level ? OBJECT_VIEW : OBJECT_RECIPE,
			  &child->id);
		buf_varint(body, child->len);
		buf_varint(body, child->glue);
		buf_zigzag(body, (int64_t)(child->base - base));
		base = child->base;
	}
}

void view_node_release(struct view_node *node)
{
	free(node->children);
	free(node->stream_at);
	free(node->glue_at);
	memset(node, 0, sizeof(*node));
}

static int node_room(struct view_node *node, struct err *err)
{
	size_t n = node->count;

	node->children = calloc(n + 1, sizeof(*node->children));
	node->stream_at = calloc(n + 1, sizeof(*node->stream_at));
	node->glue_at = calloc(n + 1, sizeof(*node->glue_at));
	return node->children && node->stream_at && node->glue_at
	       ? 0 : err_nomem(err);
}

static int children_parse(struct ref_in *in, struct view_node *node,
			  struct err *err)
{
	struct bytes *body = &in->object->body;
	uint64_t base = 0;

	for (uint32_t i = 0; i < node->count; i++) {
		struct view_child *child = &node->children[i];

		ref_read(in, node->level ? OBJECT_VIEW : OBJECT_RECIPE,
			 &child->id);
		child->len = bytes_count(body,
					 SIZE_LIMIT - node->stream_at[i]);
		child->glue = bytes_count(body, child->len);
		base += (uint64_t)bytes_zigzag(body);
		child->base = base;
		if (body->bad || child->len == 0)
			return err_corrupt(err, "a view's index is malformed");
		node->stream_at[i + 1] = node->stream_at[i] + child->len;
		node->glue_at[i + 1] = node->glue_at[i] + child->glue;
	}
	return bytes_done(body) ? 0
	       : err_corrupt(err, "a view's index has bytes behind its end");
}

int view_node_parse(struct ref_in *in, struct view_node *ret,
		    struct err *err)
{
	struct bytes *body = &in->object->body;
	struct view_node node = { .level = 0 };
	int r;

	node.level = (unsigned)bytes_count(body, VIEW_LEVELS);
	node.count = (uint32_t)bytes_count(body, VIEW_CHILDREN_MAX);
	if (body->bad || node.count > bytes_left(body) / CHILD_BYTES_MIN)
		return err_corrupt(err, "a view's index is malformed");
	r = node_room(&node, err);
	if (r == 0)
		r = children_parse(in, &node, err);
	if (r < 0) {
		view_node_release(&node);
		return r;
	}
	*ret = node;
	return 0;
}

void run_write(struct ref_out *out, struct buf *body, const struct run *run,
	       uint64_t *last_pos)
{
	enum run_form form = run->form;

	if (form == RUN_FILE_AT && run->offset == 0)
		form = RUN_FILE;
	buf_varint(body, run->len << 2 | (uint64_t)form);
	if (form == RUN_FILE || form == RUN_FILE_AT) {
		buf_zigzag(body, (int64_t)(run->pos - *last_pos));
		*last_pos = run->pos;
	}
	if (form == RUN_CONTENT)
		content_write(out, body, &run->content, run->size);
	if (form == RUN_FILE_AT || form == RUN_CONTENT)
		buf_varint(body, run->offset);
}

void run_read(struct ref_in *in, struct run *ret, uint64_t *last_pos)
{
	struct bytes *body = &in->object->body;
	uint64_t head = bytes_varint(body);

	memset(ret, 0, sizeof(*ret));
	ret->form = (enum run_form)(head & 3);
	ret->len = head >> 2;
	if (ret->form == RUN_FILE || ret->form == RUN_FILE_AT) {
		*last_pos += (uint64_t)bytes_zigzag(body);
		ret->pos = *last_pos;
	}
	if (ret->form == RUN_CONTENT)
		content_parse(in, &ret->content, &ret->size);
	if (ret->form == RUN_FILE_AT || ret->form == RUN_CONTENT)
		ret->offset = bytes_count(body, SIZE_LIMIT);
	if (ret->len == 0 || ret->len > RUN_MAX)
		body->bad = true;
	if (ret->form == RUN_CONTENT &&
	    (ret->offset > ret->size || ret->len > ret->size - ret->offset))
		body->bad = true;
}
