#include "fs/tree/view_recipe.h"

#include <stdlib.h>

#include "fs/tree/index.h"

struct view {
	struct tree *tree;
	struct getter getter;
	uint64_t size, glue_len;
	uint8_t sum[16];
	struct content glue;
	struct view_node top;
};

static int damaged(struct err *err)
{
	return err_corrupt(err, "the recipe of the original stream is damaged");
}

static int top_parse(struct span bytes, struct view *view, struct err *err)
{
	struct object_in object;
	struct bytes *in = &object.body;
	struct ref_in refs = { &object, 0 };
	struct span sum;
	uint64_t glue_len;
	int r;

	r = object_parse(bytes, &object, err);
	if (r < 0)
		return r;
	if (object.type != OBJECT_VIEW || bytes_varint(in) != 1)
		return damaged(err);
	view->size = bytes_count(in, SIZE_LIMIT);
	view->glue_len = bytes_count(in, view->size);
	sum = bytes_take(in, sizeof(view->sum));
	content_parse(&refs, &view->glue, &glue_len);
	if (in->bad || glue_len != view->glue_len)
		return damaged(err);
	memcpy(view->sum, sum.data, sizeof(view->sum));
	r = view_node_parse(&refs, &view->top, err);
	if (r < 0)
		return r;
	if (view->top.stream_at[view->top.count] != view->size ||
	    view->top.glue_at[view->top.count] != view->glue_len)
		return damaged(err);
	return 0;
}

int view_open(struct tree *tree, struct view **ret, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	const struct id *id = &tree_record(tree)->view;
	struct getter getter = tree_getter(tree);
	struct view *view;
	int r;

	if (id_is_none(id))
		return err_set(err, -ENOENT, "the snapshot has no original "
			       "stream");
	r = getter_get(&getter, id, &held, err);
	if (r < 0)
		return r;
	view = calloc(1, sizeof(*view));
	if (!view)
		return err_nomem(err);
	view->tree = tree;
	view->getter = getter;
	r = top_parse(held.bytes, view, err);
	if (r < 0) {
		view_close(view);
		return r;
	}
	*ret = view;
	return 0;
}

void view_close(struct view *view)
{
	if (!view)
		return;
	view_node_release(&view->top);
	free(view);
}

uint64_t view_size(const struct view *view)
{
	return view->size;
}

const uint8_t *view_sum(const struct view *view)
{
	return view->sum;
}

/* A segment and where it stands. */
struct segment {
	struct view_child child;
	uint64_t stream_at, glue_at;
};

static void segment_of(const struct view_node *node, uint64_t offset,
		       struct segment *segment)
{
	uint32_t i = sums_find(node->stream_at, node->count,
			       offset - segment->stream_at);

	segment->child = node->children[i];
	segment->stream_at += node->stream_at[i];
	segment->glue_at += node->glue_at[i];
}

/* The node that child of a node at level + 1 is. */
static int node_get(struct view *view, const struct view_child *child,
		    unsigned level, struct view_node *ret, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct object_in object;
	struct ref_in refs = { &object, 0 };
	int r;

	r = getter_get(&view->getter, &child->id, &held, err);
	if (r < 0)
		return r;
	r = object_parse(held.bytes, &object, err);
	if (r < 0)
		return r;
	if (object.type != OBJECT_VIEW || bytes_varint(&object.body) != 0)
		return damaged(err);
	r = view_node_parse(&refs, ret, err);
	if (r < 0)
		return r;
	if (ret->level == level && ret->count > 0 &&
	    ret->stream_at[ret->count] == child->len &&
	    ret->glue_at[ret->count] == child->glue)
		return 0;
	view_node_release(ret);
	return damaged(err);
}

static int find_segment(struct view *view, uint64_t offset,
			struct segment *ret, struct err *err)
{
	struct segment segment = { .stream_at = 0 };
	unsigned level = view->top.level;
	int r;

	segment_of(&view->top, offset, &segment);
	while (level > 0) {
		CLEANUP(view_node_release) struct view_node node = {
			.level = 0 };

		r = node_get(view, &segment.child, --level, &node, err);
		if (r < 0)
			return r;
		segment_of(&node, offset, &segment);
	}
	*ret = segment;
	return 0;
}

/* Bytes [skip, skip+len) of run, which has as many. */
static int read_run(struct view *view, const struct run *run,
		    uint64_t glue_at, uint64_t skip, void *out, size_t len,
		    struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	const struct content *content = &run->content;
	uint64_t size = run->size, offset = run->offset + skip;
	size_t got;
	int r;

	if (run->form == RUN_GLUE) {
		content = &view->glue;
		size = view->glue_len;
		offset = glue_at + skip;
	} else if (run->form != RUN_CONTENT) {
		r = tree_at(view->tree, run->pos, &node, err);
		if (r < 0)
			return r == -ENOENT ? damaged(err) : r;
		if (node.entry.type != ENTRY_FILE)
			return damaged(err);
		content = &node.entry.content;
		size = node.entry.size;
	}
	r = content_read_into(&view->getter, content, size, offset, out, len,
			      &got, err);
	if (r < 0)
		return r;
	return got == len ? 0 : damaged(err);
}

/* As much of [offset, offset+len) as segment has, which is at least a byte. */
static int read_segment(struct view *view, const struct segment *segment,
			uint64_t offset, uint8_t *out, size_t len,
			size_t *ret_len, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	uint64_t at = segment->stream_at, glue_at = segment->glue_at;
	uint64_t end = at + segment->child.len;
	uint64_t glue_end = glue_at + segment->child.glue;
	uint64_t last_pos = segment->child.base;
	struct object_in object;
	struct ref_in refs = { &object, 0 };
	struct run run;
	size_t done = 0;
	int r;

	r = getter_get(&view->getter, &segment->child.id, &held, err);
	if (r < 0)
		return r;
	r = object_parse(held.bytes, &object, err);
	if (r < 0)
		return r;
	if (object.type != OBJECT_RECIPE)
		return damaged(err);
	while (done < len && at < end) {
		uint64_t skip, take;

		run_read(&refs, &run, &last_pos);
		if (object.body.bad || run.len > end - at ||
		    (run.form == RUN_GLUE && run.len > glue_end - glue_at))
			return damaged(err);
		if (at + run.len > offset) {
			skip = offset - at;
			take = run.len - skip;
			if (take > len - done)
				take = len - done;
			r = read_run(view, &run, glue_at, skip, out + done,
				     (size_t)take, err);
			if (r < 0)
				return r;
			done += (size_t)take;
			offset += take;
		}
		at += run.len;
		glue_at += run.form == RUN_GLUE ? run.len : 0;
	}
	*ret_len = done;
	return 0;
}

int view_read(struct view *view, uint64_t offset, void *out, size_t len,
	      size_t *ret_len, struct err *err)
{
	uint8_t *to = out;
	size_t done = 0;
	int r;

	while (done < len && offset < view->size) {
		struct segment segment;
		size_t got = 0;

		r = find_segment(view, offset, &segment, err);
		if (r < 0)
			return r;
		r = read_segment(view, &segment, offset, to + done,
				 len - done, &got, err);
		if (r < 0)
			return r;
		done += got;
		offset += got;
	}
	*ret_len = done;
	return 0;
}
