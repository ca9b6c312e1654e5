#include "fs/tree/content_list.h"

int getter_get(const struct getter *getter, const struct id *id,
	       struct held *ret, struct err *err)
{
	int r;

	if (getter->deposit)
		r = deposit_get(getter->deposit, id, ret, err);
	else
		r = repo_get(getter->repo, id, ret, err);
	/* An object that a tree refers to and the store lacks is damage.  As
	 * -ENOENT it would pass for a name, link or value that is not there. */
	if (r == -ENOENT && err)
		err->code = -EBADMSG;
	return r == -ENOENT ? -EBADMSG : r;
}

int list_parse(struct span bytes, struct object_in *ret_object,
	       struct list_head *ret, struct err *err)
{
	struct object_in object;
	struct list_head head = { .level = 0 };
	struct bytes *in = &object.body;
	int r;

	r = object_parse(bytes, &object, err);
	if (r < 0)
		return r;
	if (object.type == OBJECT_LIST_INDEX) {
		head.level = (unsigned)bytes_count(in, CONTENT_LEVELS);
		if (head.level == 0)
			in->bad = true;
	} else if (object.type != OBJECT_LIST) {
		in->bad = true;
	}
	head.len = bytes_count(in, SIZE_LIMIT);
	head.holes = bytes_count(in, head.len);
	head.count = (uint32_t)bytes_count(in, LIST_COUNT_MAX);
	if (in->bad || (head.count == 0) != (head.len == 0) ||
	    head.count > head.len || head.count > bytes_left(in))
		return err_corrupt(err, "an object is not the content list it "
				   "should be");
	*ret_object = object;
	*ret = head;
	return 0;
}

void list_child_read(struct ref_in *in, unsigned level,
		     struct list_child *ret)
{
	struct bytes *body = &in->object->body;

	ref_read(in, level == 1 ? OBJECT_LIST : OBJECT_LIST_INDEX, &ret->id);
	ret->len = bytes_count(body, SIZE_LIMIT);
	ret->holes = bytes_count(body, ret->len);
	if (ret->len == 0)
		body->bad = true;
}

void cursor_release(struct cursor *cursor)
{
	while (cursor->depth > 0)
		held_release(&cursor->frame[--cursor->depth].held);
}

static int damaged(struct err *err)
{
	return err_corrupt(err, "the lists of a file's content do not fit "
			   "together");
}

/* Open the list id, which is to hold [at, at+len) with so many holes. */
static int down(struct cursor *cursor, const struct list_child *child,
		uint64_t at, struct err *err)
{
	struct cursor_frame *frame = &cursor->frame[cursor->depth];
	unsigned level = cursor->content->levels - cursor->depth;
	struct list_head head;
	int r;

	memset(&frame->held, 0, sizeof(frame->held));
	r = getter_get(cursor->getter, &child->id, &frame->held, err);
	if (r < 0)
		return r;
	cursor->depth++;
	r = list_parse(frame->held.bytes, &frame->object, &head, err);
	if (r < 0)
		return r;
	if (head.level != level || head.len != child->len ||
	    (cursor->depth > 1 && head.holes != child->holes))
		return damaged(err);
	frame->refs = (struct ref_in){ &frame->object, 0 };
	frame->left = head.count;
	frame->at = at;
	frame->end = at + head.len;
	frame->holes = head.holes;
	return 0;
}

/* The next item of a frame takes len bytes, holes of them holes. */
static int advance(struct cursor_frame *frame, uint64_t len, uint64_t holes,
		   struct err *err)
{
	if (frame->object.body.bad || len > frame->end - frame->at ||
	    holes > frame->holes)
		return damaged(err);
	frame->at += len;
	frame->holes -= holes;
	frame->left--;
	return 0;
}

static int frame_extent(struct cursor_frame *frame, struct extent *ret,
			uint64_t *ret_offset, struct err *err)
{
	int r;

	*ret_offset = frame->at;
	extent_read(&frame->refs, ret);
	r = advance(frame, ret->len,
		    ret->type == EXTENT_HOLE ? ret->len : 0, err);
	return r < 0 ? r : 1;
}

/* A frame at its end is left only if it held what was said of it. */
static int up(struct cursor *cursor, struct err *err)
{
	struct cursor_frame *frame = &cursor->frame[cursor->depth - 1];

	if (frame->at != frame->end || frame->holes ||
	    !bytes_done(&frame->object.body))
		return damaged(err);
	held_release(&frame->held);
	cursor->depth--;
	return 0;
}

static bool may_skip(const struct list_child *child, enum cursor_skip skip)
{
	return (skip == SKIP_HOLES && child->holes == child->len) ||
	       (skip == SKIP_DATA && child->holes == 0);
}

static int list_next(struct cursor *cursor, enum cursor_skip skip,
		     struct extent *ret, uint64_t *ret_offset,
		     struct err *err)
{
	while (cursor->depth > 0) {
		struct cursor_frame *frame = &cursor->frame[cursor->depth - 1];
		unsigned level = cursor->content->levels - cursor->depth + 1;
		uint64_t at = frame->at;
		struct list_child child;
		int r;

		if (frame->left == 0) {
			r = up(cursor, err);
		} else if (level == 0) {
			return frame_extent(frame, ret, ret_offset, err);
		} else {
			list_child_read(&frame->refs, level, &child);
			r = advance(frame, child.len, child.holes, err);
			if (r == 0 && !may_skip(&child, skip))
				r = down(cursor, &child, at, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int cursor_next(struct cursor *cursor, enum cursor_skip skip,
		struct extent *ret, uint64_t *ret_offset, struct err *err)
{
	if (!id_is_none(&cursor->content->list))
		return list_next(cursor, skip, ret, ret_offset, err);
	if (cursor->next == cursor->content->count)
		return 0;
	*ret = cursor->content->extent[cursor->next++];
	*ret_offset = cursor->at;
	cursor->at += ret->len;
	return 1;
}

/* Pass over items that end at or before offset, down to the list. */
static int list_seek(struct cursor *cursor, uint64_t offset, struct err *err)
{
	for (;;) {
		struct cursor_frame *frame = &cursor->frame[cursor->depth - 1];
		unsigned level = cursor->content->levels - cursor->depth + 1;
		const uint8_t *body_at = frame->object.body.at;
		uint32_t next_ref = frame->refs.next;
		uint64_t at = frame->at, holes = frame->holes;
		struct list_child child = { .len = 0 };
		struct extent extent;
		int r;

		if (frame->left == 0)
			return 0;
		if (level > 0) {
			list_child_read(&frame->refs, level, &child);
			r = advance(frame, child.len, child.holes, err);
		} else {
			r = frame_extent(frame, &extent, &at, err);
		}
		if (r < 0)
			return r;
		if (frame->at <= offset)
			continue;
		if (level == 0) {	/* it is the next one: untake it */
			frame->object.body.at = body_at;
			frame->refs.next = next_ref;
			frame->at = at;
			frame->holes = holes;
			frame->left++;
			return 0;
		}
		r = down(cursor, &child, at, err);
		if (r < 0)
			return r;
	}
}

int cursor_seek(struct cursor *cursor, const struct getter *getter,
		const struct content *content, uint64_t size, uint64_t offset,
		struct err *err)
{
	struct list_child top = { content->list, size, content->holes };
	int r;

	cursor->getter = getter;
	cursor->content = content;
	cursor->size = size;
	cursor->depth = 0;
	cursor->next = 0;
	cursor->at = 0;
	if (content->levels > CONTENT_LEVELS ||
	    content->count > INLINE_EXTENTS)
		return err_set(err, -EINVAL, "a content is malformed");
	if (!id_is_none(&content->list)) {
		r = down(cursor, &top, 0, err);
		return r < 0 ? r : list_seek(cursor, offset, err);
	}
	while (cursor->next < content->count &&
	       content->extent[cursor->next].len <= offset - cursor->at)
		cursor->at += content->extent[cursor->next++].len;
	return 0;
}
