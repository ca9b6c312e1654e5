#include "fs/tree/content.h"

#include <stdlib.h>

#include "fs/tree/content_list.h"
#include "fs/tree/cut.h"

/* A list or index that is being filled. */
struct open_list {
	struct object_out object;
	struct ref_out refs;
	struct buf items;	/* extents or children as they will stand */
	uint64_t len, holes;
	uint32_t count;
	uint64_t hash;		/* of the last item: does the list end there? */
};

struct content_builder {
	struct deposit *deposit;
	struct extent last;		/* not yet in a list: holes may join it */
	bool has_last;
	struct extent head[INLINE_EXTENTS];	/* the first ones */
	uint64_t total;			/* extents, last not counted */
	uint64_t len;			/* with last */
	struct open_list level[CONTENT_LEVELS + 2];
	unsigned levels;		/* lists begun are 0..levels */
	struct buf bytes;
};

static void open_list_clear(struct open_list *list)
{
	object_begin(&list->object, OBJECT_LIST);
	list->refs = (struct ref_out){ .object = &list->object };
	buf_clear(&list->items);
	list->len = 0;
	list->holes = 0;
	list->count = 0;
}

static void builder_clear(struct content_builder *builder)
{
	builder->has_last = false;
	builder->total = 0;
	builder->len = 0;
	for (unsigned i = 0; i <= builder->levels; i++)
		open_list_clear(&builder->level[i]);
	builder->levels = 0;
}

struct content_builder *content_builder_new(struct deposit *deposit)
{
	struct content_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return NULL;
	builder->deposit = deposit;
	builder_clear(builder);
	return builder;
}

void content_builder_free(struct content_builder *builder)
{
	if (!builder)
		return;
	for (unsigned i = 0; i < CONTENT_LEVELS + 2; i++) {
		object_out_release(&builder->level[i].object);
		buf_release(&builder->level[i].items);
	}
	buf_release(&builder->bytes);
	free(builder);
}

static int list_finish(struct open_list *list, unsigned level,
		       struct buf *bytes, struct err *err)
{
	struct buf *body = &list->object.body;

	if (list->items.failed)
		return err_nomem(err);
	list->object.type = level ? OBJECT_LIST_INDEX : OBJECT_LIST;
	if (level)
		buf_varint(body, level);
	buf_varint(body, list->len);
	buf_varint(body, list->holes);
	buf_varint(body, list->count);
	buf_append(body, list->items.data, list->items.len);
	return object_finish(&list->object, bytes, err);
}

/* Store what is open at level; *ret is its place in the level above. */
static int flush(struct content_builder *builder, unsigned level,
		 struct list_child *ret, struct err *err)
{
	struct open_list *list = &builder->level[level];
	int r;

	r = list_finish(list, level, &builder->bytes, err);
	if (r < 0)
		return r;
	r = deposit_object(builder->deposit, buf_span(&builder->bytes),
			   &ret->id, err);
	if (r < 0)
		return r;
	ret->len = list->len;
	ret->holes = list->holes;
	open_list_clear(list);
	return 0;
}

/* Before another item is put into the list at level: is the list full? */
static bool is_full(const struct content_builder *builder, unsigned level)
{
	const struct open_list *list = &builder->level[level];

	return cut_list(list->count, list->hash);
}

static int put_child(struct content_builder *builder, unsigned level,
		     const struct list_child *child, struct err *err)
{
	struct open_list *list = &builder->level[level];
	struct list_child full;
	int r;

	if (level > CONTENT_LEVELS)
		return err_set(err, -EFBIG, "a file has too many extents");
	if (level > builder->levels) {
		builder->levels = level;
		open_list_clear(list);
	}
	if (is_full(builder, level)) {
		r = flush(builder, level, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, level + 1, &full, err);
		if (r < 0)
			return r;
	}
	ref_write(&list->refs, &list->items,
		  level == 1 ? OBJECT_LIST : OBJECT_LIST_INDEX, &child->id);
	buf_varint(&list->items, child->len);
	buf_varint(&list->items, child->holes);
	list->len += child->len;
	list->holes += child->holes;
	list->count++;
	list->hash = id_spread(&child->id);
	return 0;
}

/* Put last, which no hole can join any more, into the open list. */
static int settle_last(struct content_builder *builder, struct err *err)
{
	struct open_list *list = &builder->level[0];
	const struct extent *last = &builder->last;
	bool hole = last->type == EXTENT_HOLE;
	struct list_child full;
	int r;

	if (is_full(builder, 0)) {
		r = flush(builder, 0, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, 1, &full, err);
		if (r < 0)
			return r;
	}
	if (builder->total < INLINE_EXTENTS)
		builder->head[builder->total] = *last;
	builder->total++;
	builder->has_last = false;
	extent_write(&list->refs, &list->items, last);
	list->len += last->len;
	list->holes += hole ? last->len : 0;
	list->count++;
	list->hash = hole ? 1 : id_spread(&last->id);	/* not behind holes */
	return 0;
}

int content_add(struct content_builder *builder, const struct extent *extent,
		struct err *err)
{
	int r;

	if (!extent_is_valid(extent) ||
	    extent->len > SIZE_LIMIT - builder->len)
		return err_set(err, -EINVAL, "an extent is malformed");
	builder->len += extent->len;
	if (builder->has_last && extent->type == EXTENT_HOLE &&
	    builder->last.type == EXTENT_HOLE) {
		builder->last.len += extent->len;
		return 0;
	}
	if (builder->has_last) {
		r = settle_last(builder, err);
		if (r < 0)
			return r;
	}
	builder->last = *extent;
	builder->has_last = true;
	return 0;
}

/* Store all that is open; the last thing stored is the top. */
static int finish_list(struct content_builder *builder, struct content *ret,
		       struct err *err)
{
	struct list_child top;
	unsigned level = 0;
	int r;

	r = flush(builder, 0, &top, err);
	/* builder->levels may rise by one on the way */
	while (r == 0 && level < builder->levels) {
		level++;
		r = put_child(builder, level, &top, err);
		if (r == 0)
			r = flush(builder, level, &top, err);
	}
	if (r < 0)
		return r;
	ret->list = top.id;
	ret->levels = (uint8_t)level;
	ret->holes = top.holes;
	return 0;
}

int content_finish(struct content_builder *builder, struct content *ret,
		   uint64_t *ret_len, struct err *err)
{
	struct content got = { .count = 0 };
	int r;

	if (builder->has_last) {
		r = settle_last(builder, err);
		if (r < 0)
			return r;
	}
	if (builder->total > INLINE_EXTENTS) {
		r = finish_list(builder, &got, err);
		if (r < 0)
			return r;
	} else {
		got.count = (uint8_t)builder->total;
		for (unsigned i = 0; i < got.count; i++) {
			got.extent[i] = builder->head[i];
			if (got.extent[i].type == EXTENT_HOLE)
				got.holes += got.extent[i].len;
		}
	}
	*ret_len = builder->len;
	*ret = got;
	builder_clear(builder);
	return 0;
}

bool content_equal(const struct content *a, const struct content *b)
{
	if (a->count != b->count || a->levels != b->levels ||
	    !id_equal(&a->list, &b->list))
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct extent *x = &a->extent[i], *y = &b->extent[i];

		if (x->type != y->type || x->len != y->len)
			return false;
		if (x->type == EXTENT_CHUNK &&
		    (x->from != y->from || !id_equal(&x->id, &y->id)))
			return false;
	}
	return true;
}

static void open_list_release(struct open_list *list)
{
	object_out_release(&list->object);
	buf_release(&list->items);
}

int content_store(struct deposit *deposit, const struct content *content,
		  uint64_t size, struct id *ret, struct err *err)
{
	CLEANUP(open_list_release) struct open_list list = {
		.object = OBJECT_OUT_INIT };
	OWNED_BUF struct buf bytes = BUF_INIT;
	int r;

	r = content_check(content, size, err);
	if (r < 0)
		return r;
	if (!id_is_none(&content->list)) {
		*ret = content->list;
		return 0;
	}
	open_list_clear(&list);
	for (unsigned i = 0; i < content->count; i++) {
		const struct extent *extent = &content->extent[i];

		extent_write(&list.refs, &list.items, extent);
		list.len += extent->len;
		if (extent->type == EXTENT_HOLE)
			list.holes += extent->len;
	}
	list.count = content->count;
	r = list_finish(&list, 0, &bytes, err);
	if (r < 0)
		return r;
	return deposit_object(deposit, buf_span(&bytes), ret, err);
}
