#include "fs/tree/view_recipe.h"

#include <stdlib.h>

#define SEGMENT_MIN (4u << 10)
#define SEGMENT_MAX (64u << 10)
#define SEGMENT_MASK 2047	/* one run in 2048 ends a segment */

struct view_builder {
	struct deposit *deposit;
	struct run last;	/* not yet written: more may join it */
	bool has_last;
	struct object_out object;	/* the open segment */
	struct ref_out refs;
	struct view_child open;
	uint64_t last_pos;
	bool has_base;
	struct buf children;	/* struct view_child of each segment */
	uint64_t len, glue;	/* all that was told */
	struct buf bytes;
};

static void segment_begin(struct view_builder *builder)
{
	object_begin(&builder->object, OBJECT_RECIPE);
	builder->refs = (struct ref_out){ .object = &builder->object };
	memset(&builder->open, 0, sizeof(builder->open));
	builder->last_pos = 0;
	builder->has_base = false;
}

struct view_builder *view_builder_new(struct deposit *deposit)
{
	struct view_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return NULL;
	builder->deposit = deposit;
	segment_begin(builder);
	return builder;
}

void view_builder_free(struct view_builder *builder)
{
	if (!builder)
		return;
	object_out_release(&builder->object);
	buf_release(&builder->children);
	buf_release(&builder->bytes);
	free(builder);
}

static int segment_flush(struct view_builder *builder, struct err *err)
{
	int r;

	if (builder->open.len == 0)
		return 0;
	r = object_finish(&builder->object, &builder->bytes, err);
	if (r < 0)
		return r;
	r = deposit_object(builder->deposit, buf_span(&builder->bytes),
			   &builder->open.id, err);
	if (r < 0)
		return r;
	buf_append(&builder->children, &builder->open, sizeof(builder->open));
	segment_begin(builder);
	return buf_check(&builder->children, err);
}

/* Write the run that nothing can join any more. */
static int settle_last(struct view_builder *builder, struct err *err)
{
	struct run *run = &builder->last;
	struct buf *body = &builder->object.body;
	size_t before = body->len;
	uint64_t hash;

	if (!builder->has_last)
		return 0;
	builder->has_last = false;
	if (run->form == RUN_FILE_AT && !builder->has_base) {
		builder->open.base = run->pos;
		builder->last_pos = run->pos;
		builder->has_base = true;
	}
	run_write(&builder->refs, body, run, &builder->last_pos);
	builder->open.len += run->len;
	if (run->form == RUN_GLUE)
		builder->open.glue += run->len;
	if (body->failed)
		return err_nomem(err);
	hash = sum64(span_of(body->data + before, body->len - before));
	if (body->len < SEGMENT_MIN ||
	    (body->len < SEGMENT_MAX && (hash & SEGMENT_MASK)))
		return 0;
	return segment_flush(builder, err);
}

static bool joins(const struct run *last, const struct run *run)
{
	if (last->form != run->form || run->len > RUN_MAX - last->len)
		return false;
	switch (run->form) {
	case RUN_GLUE:
		return true;
	case RUN_FILE:
	case RUN_FILE_AT:
		return last->pos == run->pos &&
		       last->offset + last->len == run->offset;
	case RUN_CONTENT:
		return last->size == run->size &&
		       content_equal(&last->content, &run->content) &&
		       last->offset + last->len == run->offset;
	}
	return false;
}

static int add(struct view_builder *builder, const struct run *run,
	       struct err *err)
{
	int r;

	if (run->len > RUN_MAX || run->len > SIZE_LIMIT - builder->len ||
	    run->pos >= NODES_MAX || run->offset > SIZE_LIMIT - run->len)
		return err_set(err, -EINVAL, "a run of a view is malformed");
	if (run->len == 0)
		return 0;
	builder->len += run->len;
	builder->glue += run->form == RUN_GLUE ? run->len : 0;
	if (builder->has_last && joins(&builder->last, run)) {
		builder->last.len += run->len;
		return 0;
	}
	r = settle_last(builder, err);
	if (r < 0)
		return r;
	builder->last = *run;
	builder->has_last = true;
	return 0;
}

int view_add_glue(struct view_builder *builder, uint64_t len,
		  struct err *err)
{
	const struct run run = { .form = RUN_GLUE, .len = len };

	return add(builder, &run, err);
}

int view_add_node(struct view_builder *builder, uint64_t pos,
		  uint64_t offset, uint64_t len, struct err *err)
{
	const struct run run = { .form = RUN_FILE_AT, .len = len, .pos = pos,
				 .offset = offset };

	return add(builder, &run, err);
}

int view_add_content(struct view_builder *builder,
		     const struct content *content, uint64_t size,
		     uint64_t offset, uint64_t len, struct err *err)
{
	const struct run run = { .form = RUN_CONTENT, .len = len,
				 .offset = offset, .content = *content,
				 .size = size };
	int r;

	r = content_check(content, size, err);
	if (r < 0)
		return r;
	if (offset > size || len > size - offset)
		return err_set(err, -EINVAL, "a run of a view lies past the "
			       "end of its content");
	return add(builder, &run, err);
}

/*
 * Store children in nodes of at most VIEW_CHILDREN_MAX; in place of them come
 * the nodes.
 */
static int gather(struct view_builder *builder, unsigned level,
		  struct err *err)
{
	OWNED_BUF struct buf above = BUF_INIT;
	const struct view_child *children = (void *)builder->children.data;
	size_t count = builder->children.len / sizeof(*children);
	int r;

	for (size_t at = 0; at < count; at += VIEW_CHILDREN_MAX) {
		struct object_out *object = &builder->object;
		struct ref_out refs = { .object = object };
		uint32_t n = (uint32_t)(count - at < VIEW_CHILDREN_MAX
					? count - at : VIEW_CHILDREN_MAX);
		struct view_child node = { .len = 0 };

		object_begin(object, OBJECT_VIEW);
		buf_varint(&object->body, 0);
		view_children_write(&refs, &object->body, level, children + at,
				    n);
		for (uint32_t i = 0; i < n; i++) {
			node.len += children[at + i].len;
			node.glue += children[at + i].glue;
		}
		r = object_finish(object, &builder->bytes, err);
		if (r < 0)
			return r;
		r = deposit_object(builder->deposit, buf_span(&builder->bytes),
				   &node.id, err);
		if (r < 0)
			return r;
		buf_append(&above, &node, sizeof(node));
	}
	r = buf_check(&above, err);
	if (r == 0)
		buf_swap(&above, &builder->children);
	return r;
}

static int put_top(struct view_builder *builder, unsigned level,
		   const struct content *glue, const uint8_t sum[16],
		   struct id *ret, struct err *err)
{
	struct object_out *object = &builder->object;
	struct ref_out refs = { .object = object };
	const struct buf *children = &builder->children;
	int r;

	object_begin(object, OBJECT_VIEW);
	buf_varint(&object->body, 1);
	buf_varint(&object->body, builder->len);
	buf_varint(&object->body, builder->glue);
	buf_append(&object->body, sum, 16);
	content_write(&refs, &object->body, glue, builder->glue);
	view_children_write(&refs, &object->body, level,
			    (void *)children->data,
			    (uint32_t)(children->len /
				       sizeof(struct view_child)));
	r = object_finish(object, &builder->bytes, err);
	if (r < 0)
		return r;
	return deposit_object(builder->deposit, buf_span(&builder->bytes),
			      ret, err);
}

int view_finish(struct view_builder *builder, const struct content *glue,
		uint64_t glue_len, const uint8_t sum[16], struct id *ret,
		struct err *err)
{
	const size_t most = VIEW_CHILDREN_MAX * sizeof(struct view_child);
	unsigned level = 0;
	int r;

	r = content_check(glue, glue_len, err);
	if (r < 0)
		return r;
	if (glue_len != builder->glue)
		return err_set(err, -EINVAL, "a view has %llu bytes of glue, "
			       "not %llu", (unsigned long long)builder->glue,
			       (unsigned long long)glue_len);
	r = settle_last(builder, err);
	if (r == 0)
		r = segment_flush(builder, err);
	while (r == 0 && builder->children.len > most) {
		r = level < VIEW_LEVELS ? gather(builder, level, err)
		    : err_set(err, -EFBIG, "a view has too many parts");
		level++;
	}
	return r < 0 ? r : put_top(builder, level, glue, sum, ret, err);
}
