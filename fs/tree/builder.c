#include "fs/tree/builder.h"

#include <stdlib.h>

#include "fs/tree/cut.h"
#include "fs/tree/tree_internal.h"

/* An entry with memory of its own. */
struct kept {
	struct entry entry;
	struct buf bytes;
	struct xattr *xattrs;
};

enum former { FORMER_UNASKED, FORMER_THERE, FORMER_NONE };

/* A directory being built.  Frames are kept when they are left, with their
 * memory, for the next directory at that depth. */
struct frame {
	struct kept dir;
	uint64_t pos;
	struct page_out *page;
	struct index_out index[TREE_LEVELS + 1];	/* 1 up */
	unsigned levels;		/* index levels begun */
	struct buf first;		/* first name in page */
	struct buf last;		/* last name added or entered */
	uint64_t page_nodes, page_dirs, count, dirs;
	enum former has_former;
	struct node former;		/* the same directory in builder->former */
};

struct builder {
	struct deposit *deposit;
	struct frame **frames;
	unsigned depth;			/* frames open; 0: not begun */
	unsigned have;			/* frames allocated */
	uint64_t next_pos;
	struct buf bytes;		/* finished objects, scratch */
	struct tree *former;		/* or NULL */
};

struct builder *builder_new(struct deposit *deposit)
{
	struct builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return NULL;
	builder->deposit = deposit;
	builder->frames = calloc(DEPTH_MAX + 1, sizeof(*builder->frames));
	if (!builder->frames) {
		free(builder);
		return NULL;
	}
	return builder;
}

static void kept_release(struct kept *kept)
{
	buf_release(&kept->bytes);
	free(kept->xattrs);
}

static void frame_free(struct frame *frame)
{
	kept_release(&frame->dir);
	page_out_free(frame->page);
	for (unsigned i = 0; i <= TREE_LEVELS; i++)
		index_out_release(&frame->index[i]);
	buf_release(&frame->first);
	buf_release(&frame->last);
	node_release(&frame->former);
	free(frame);
}

void builder_free(struct builder *builder)
{
	if (!builder)
		return;
	for (unsigned i = 0; i < builder->have; i++)
		frame_free(builder->frames[i]);
	free(builder->frames);
	buf_release(&builder->bytes);
	free(builder);
}

/* Move *span into bytes, which has room for it. */
static void keep_span(struct buf *bytes, struct span *span)
{
	const uint8_t *at = bytes->data + bytes->len;

	buf_append(bytes, span->data, span->len);
	span->data = at;
}

static int keep(const struct entry *entry, struct kept *ret, struct err *err)
{
	uint32_t count = entry->xattr_count;
	size_t need = entry->name.len + entry->uname.len + entry->gname.len + 1;

	for (uint32_t i = 0; i < count; i++)
		need += entry->xattrs[i].name.len + entry->xattrs[i].value.len;
	free(ret->xattrs);
	ret->xattrs = calloc(count ? count : 1, sizeof(*ret->xattrs));
	buf_clear(&ret->bytes);
	if (!ret->xattrs || buf_reserve(&ret->bytes, need) < 0)
		return err_nomem(err);

	ret->entry = *entry;
	keep_span(&ret->bytes, &ret->entry.name);
	keep_span(&ret->bytes, &ret->entry.uname);
	keep_span(&ret->bytes, &ret->entry.gname);
	for (uint32_t i = 0; i < count; i++) {
		ret->xattrs[i] = entry->xattrs[i];
		keep_span(&ret->bytes, &ret->xattrs[i].name);
		keep_span(&ret->bytes, &ret->xattrs[i].value);
	}
	ret->entry.xattrs = ret->xattrs;
	ret->entry.below = 0;
	ret->entry.dirs_below = 0;
	ret->entry.tree_levels = 0;
	memset(&ret->entry.tree, 0, sizeof(ret->entry.tree));
	return 0;
}

static int check_dir(const struct entry *dir, bool root, struct err *err)
{
	struct entry bare = *dir;

	bare.below = 0;
	bare.dirs_below = 0;
	bare.tree_levels = 0;
	memset(&bare.tree, 0, sizeof(bare.tree));
	if (dir->type != ENTRY_DIR || (dir->name.len == 0) != root)
		return err_set(err, -EINVAL, "%s", root
			       ? "a root must be a directory without a name"
			       : "only a directory with a name is entered");
	return entry_check(&bare, err);
}

static int frame_new(struct builder *builder, struct frame **ret,
		     struct err *err)
{
	struct frame *frame;

	if (builder->depth < builder->have) {
		*ret = builder->frames[builder->depth];
		return 0;
	}
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return err_nomem(err);
	frame->page = page_out_new();
	if (!frame->page) {
		frame_free(frame);
		return err_nomem(err);
	}
	builder->frames[builder->have++] = frame;
	*ret = frame;
	return 0;
}

/* The former tree. */

static void forget_former(struct frame *frame)
{
	node_release(&frame->former);
	frame->former = (struct node)NODE_INIT;
	frame->has_former = FORMER_UNASKED;
}

void builder_former(struct builder *builder, struct tree *former)
{
	builder->former = former;
}

/* The frames up to depth are looked for as far as they were not. */
static bool find_former(struct builder *builder, unsigned depth)
{
	bool there = true;

	for (unsigned i = 0; there && i < depth; i++) {
		struct frame *frame = builder->frames[i];
		int r = 0;

		if (frame->has_former == FORMER_UNASKED) {
			r = i == 0 ? tree_root(builder->former, &frame->former,
					       NULL) :
			    tree_child(builder->former,
				       &builder->frames[i - 1]->former,
				       frame->dir.entry.name, &frame->former,
				       NULL);
			frame->has_former = r < 0 ? FORMER_NONE : FORMER_THERE;
		}
		there = frame->has_former == FORMER_THERE;
	}
	return there;
}

/* A page with names from first to last. */
struct asking {
	struct builder *builder;
	struct span first, last;
};

static size_t find_like(void *arg, struct id *ret, size_t max)
{
	const struct asking *asking = arg;
	struct builder *builder = asking->builder;
	struct frame *frame = builder->frames[builder->depth - 1];

	if (!builder->former || !find_former(builder, builder->depth))
		return 0;
	return dir_pages_like(builder->former, &frame->former, asking->first,
			      asking->last, ret,
			      max < OBJECT_LIKES ? max : OBJECT_LIKES);
}

/*
 * A page that leads on, to directories or to other pages, leans on nothing: what
 * is new in a snapshot is reached whatever befell the packs of older ones.
 */
static int put_page(struct builder *builder, const struct frame *frame,
		    struct span first, struct id *ret, struct err *err)
{
	struct asking asking = { builder, first, buf_span(&frame->last) };
	const struct deposit_like like = { find_like, &asking };

	return deposit_object_like(builder->deposit, buf_span(&builder->bytes),
				   frame->page_dirs ? NULL : &like, ret, err);
}

static int push(struct builder *builder, const struct entry *dir,
		struct err *err)
{
	struct frame *frame = NULL;
	int r;

	r = frame_new(builder, &frame, err);
	if (r < 0)
		return r;
	r = keep(dir, &frame->dir, err);
	if (r < 0)
		return r;
	frame->pos = builder->next_pos++;
	frame->levels = 0;
	frame->page_nodes = 0;
	frame->page_dirs = 0;
	frame->count = 0;
	frame->dirs = 0;
	forget_former(frame);
	buf_clear(&frame->first);
	buf_clear(&frame->last);
	builder->depth++;
	return 0;
}

int builder_begin(struct builder *builder, const struct entry *root,
		  struct err *err)
{
	int r;

	r = check_dir(root, true, err);
	if (r < 0)
		return r;
	if (builder->depth > 0)
		return err_set(err, -EINVAL, "a tree is being built already");
	builder->next_pos = 0;
	return push(builder, root, err);
}

/* The name comes behind all others of frame: remember it. */
static int take_name(struct frame *frame, struct span name, struct err *err)
{
	if (name.len == 0 ||
	    (frame->last.len > 0 &&
	     span_cmp(buf_span(&frame->last), name) >= 0))
		return err_set(err, -EINVAL,
			       "'%.*s' does not come behind the name before it",
			       (int)name.len, (const char *)name.data);
	buf_clear(&frame->last);
	buf_append(&frame->last, name.data, name.len);
	return buf_check(&frame->last, err);
}

static int flush_index(struct builder *builder, struct frame *frame,
		       unsigned level, struct index_child *ret,
		       struct err *err)
{
	struct index_out *index = &frame->index[level];
	int r;

	r = index_out_finish(index, &builder->bytes, ret, err);
	if (r < 0)
		return r;
	return deposit_object(builder->deposit, buf_span(&builder->bytes),
			      &ret->id, err);
}

/* Hand child to the index at level, cutting there first where it is due. */
static int put_child(struct builder *builder, struct frame *frame,
		     unsigned level, const struct index_child *child,
		     struct err *err)
{
	struct index_out *index = &frame->index[level];
	struct index_child full;
	int r;

	if (level > TREE_LEVELS)
		return err_set(err, -EFBIG, "a directory has too many entries");
	if (level > frame->levels) {
		frame->levels = level;
		r = index_out_begin(index, level, err);
		if (r < 0)
			return r;
	}
	if (index->count > 0 && cut_page(index_out_size(index),
					 sum64(child->first) >> 20)) {
		r = flush_index(builder, frame, level, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, frame, level + 1, &full, err);
		if (r < 0)
			return r;
		r = index_out_begin(index, level, err);
		if (r < 0)
			return r;
	}
	return index_out_add(index, child, err);
}

static int flush_page(struct builder *builder, struct frame *frame,
		      struct index_child *ret, struct err *err)
{
	int r;

	ret->first = buf_span(&frame->first);
	ret->entries = page_out_count(frame->page);
	ret->nodes = frame->page_nodes;
	r = page_out_finish(frame->page, OBJECT_PAGE, &builder->bytes, err);
	if (r < 0)
		return r;
	r = put_page(builder, frame, ret->first, &ret->id, err);
	frame->page_nodes = 0;
	frame->page_dirs = 0;
	return r;
}

static int put_entry(struct builder *builder, struct frame *frame,
		     const struct entry *entry, struct err *err)
{
	struct index_child full;
	int r;

	if (cut_page(page_out_size(frame->page), sum64(entry->name)) ||
	    page_out_count(frame->page) == PAGE_ENTRIES_MAX) {
		r = flush_page(builder, frame, &full, err);
		if (r < 0)
			return r;
		r = put_child(builder, frame, 1, &full, err);
		if (r < 0)
			return r;
	}
	if (page_out_count(frame->page) == 0) {
		buf_clear(&frame->first);
		buf_append(&frame->first, entry->name.data, entry->name.len);
		r = buf_check(&frame->first, err);
		if (r < 0)
			return r;
	}
	r = page_out_add(frame->page, entry, err);
	if (r < 0)
		return r;
	frame->page_nodes += 1 + entry->below;
	frame->page_dirs += entry->type == ENTRY_DIR;
	frame->count++;
	return 0;
}

int builder_add(struct builder *builder, const struct entry *entry,
		uint64_t *ret_pos, struct err *err)
{
	struct frame *frame;
	int r;

	if (builder->depth == 0 || entry->type == ENTRY_DIR)
		return err_set(err, -EINVAL, "no directory is open, or one is "
			       "added as a file");
	r = entry_check(entry, err);
	if (r < 0)
		return r;
	frame = builder->frames[builder->depth - 1];
	r = take_name(frame, entry->name, err);
	if (r < 0)
		return r;
	r = put_entry(builder, frame, entry, err);
	if (r < 0)
		return r;
	*ret_pos = builder->next_pos++;
	return 0;
}

int builder_enter(struct builder *builder, const struct entry *dir,
		  uint64_t *ret_pos, struct err *err)
{
	struct frame *frame;
	int r;

	if (builder->depth == 0)
		return err_set(err, -EINVAL, "no directory is open");
	if (builder->depth > DEPTH_MAX)
		return err_set(err, -ENAMETOOLONG,
			       "directories lie more than %d deep", DEPTH_MAX);
	r = check_dir(dir, false, err);
	if (r < 0)
		return r;
	frame = builder->frames[builder->depth - 1];
	r = take_name(frame, dir->name, err);
	if (r < 0)
		return r;
	r = push(builder, dir, err);
	if (r < 0)
		return r;
	frame->dirs++;
	*ret_pos = builder->frames[builder->depth - 1]->pos;
	return 0;
}

/* Write what is open of frame; its directory's entry is complete after. */
static int close_frame(struct builder *builder, struct frame *frame,
		       struct err *err)
{
	struct entry *dir = &frame->dir.entry;
	struct index_child top;
	unsigned level = 0;
	int r;

	dir->below = builder->next_pos - frame->pos - 1;
	dir->dirs_below = frame->dirs;
	if (frame->count == 0)
		return 0;
	r = flush_page(builder, frame, &top, err);
	if (r < 0)
		return r;
	/* frame->levels may rise by one on the way */
	while (level < frame->levels) {
		level++;
		r = put_child(builder, frame, level, &top, err);
		if (r < 0)
			return r;
		r = flush_index(builder, frame, level, &top, err);
		if (r < 0)
			return r;
	}
	dir->tree = top.id;
	dir->tree_levels = (uint8_t)level;
	return 0;
}

int builder_leave(struct builder *builder, struct err *err)
{
	struct frame *frame, *parent;
	int r;

	if (builder->depth < 2)
		return err_set(err, -EINVAL, "no directory is open");
	frame = builder->frames[builder->depth - 1];
	parent = builder->frames[builder->depth - 2];
	r = close_frame(builder, frame, err);
	if (r < 0)
		return r;
	r = put_entry(builder, parent, &frame->dir.entry, err);
	if (r < 0)
		return r;
	builder->depth--;
	return 0;
}

int builder_finish(struct builder *builder, struct id *ret_root,
		   uint64_t *ret_nodes, struct err *err)
{
	struct frame *frame;
	int r;

	if (builder->depth != 1)
		return err_set(err, -EINVAL, "a directory is still open, or "
			       "no tree was begun");
	frame = builder->frames[0];
	r = close_frame(builder, frame, err);
	if (r < 0)
		return r;
	r = page_out_add(frame->page, &frame->dir.entry, err);
	if (r < 0)
		return r;
	r = page_out_finish(frame->page, OBJECT_ROOT, &builder->bytes, err);
	if (r < 0)
		return r;
	r = deposit_object(builder->deposit, buf_span(&builder->bytes),
			   ret_root, err);
	if (r < 0)
		return r;
	*ret_nodes = builder->next_pos;
	builder->depth = 0;
	return 0;
}

void builder_top(const struct builder *builder, struct record_top *ret)
{
	const struct entry *root = &builder->frames[0]->dir.entry;

	*ret = (struct record_top){
		.mode = root->mode,
		.uid = root->uid,
		.gid = root->gid,
		.nlink = 2 + root->dirs_below,
		.mtime = root->mtime,
		.xattrs = root->xattr_count > 0,
	};
}
