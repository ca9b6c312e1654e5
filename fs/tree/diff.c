#include "fs/tree/tree_internal.h"

#include <stdlib.h>

typedef int each_change(void *arg, unsigned kind, const char *path,
			const struct node *a, const struct node *b,
			struct err *err);

/* One of the two directories of a frame; tree NULL: there is none. */
struct side {
	struct dir_iter iter;
	struct node node;	/* read ahead, not yet told of */
	bool has_node, ended;
};

struct frame {
	struct side side[2];
	size_t path_len;
};

struct diff {
	struct tree *tree[2];
	each_change *each;
	void *arg;
	struct frame **frames;	/* each of its own: nodes in it must not move */
	unsigned depth, have;
	struct buf path;
};

static void side_release(struct side *side)
{
	if (side->iter.tree)
		dir_iter_pause(&side->iter);
	if (side->has_node)
		node_release(&side->node);
	side->has_node = false;
}

static void frame_free(struct frame *frame)
{
	side_release(&frame->side[0]);
	side_release(&frame->side[1]);
	free(frame);
}

static void diff_release(struct diff *diff)
{
	while (diff->depth > 0)
		frame_free(diff->frames[--diff->depth]);
	free(diff->frames);
	buf_release(&diff->path);
}

static int push(struct diff *diff, struct frame *frame, struct err *err)
{
	if (diff->depth > DEPTH_MAX)
		return err_corrupt(err, "directories lie too deep");
	if (diff->depth == diff->have) {
		unsigned have = diff->have ? diff->have * 2 : 16;
		struct frame **frames;

		frames = realloc(diff->frames, have * sizeof(*frames));
		if (!frames)
			return err_nomem(err);
		diff->frames = frames;
		diff->have = have;
	}
	diff->frames[diff->depth++] = frame;
	return 0;
}

/* Enter the directories among nodes (one may be NULL or none). */
static int enter(struct diff *diff, const struct node *const nodes[2],
		 struct err *err)
{
	struct frame *frame;
	struct dir dir;
	int r = 0;

	if (diff->depth > 0)
		for (int i = 0; i < 2; i++)
			dir_iter_pause(&diff->frames[diff->depth - 1]
				       ->side[i].iter);
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return err_nomem(err);
	frame->path_len = diff->path.len;
	for (int i = 0; i < 2 && r == 0; i++) {
		frame->side[i].ended = true;
		if (!nodes[i] || nodes[i]->entry.type != ENTRY_DIR)
			continue;
		r = dir_of(nodes[i], &dir, err);
		dir_iter_init(&frame->side[i].iter, diff->tree[i], &dir);
		frame->side[i].ended = false;
	}
	if (r == 0)
		r = push(diff, frame, err);
	if (r < 0)
		frame_free(frame);
	return r;
}

static bool xattrs_equal(const struct entry *a, const struct entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (uint32_t i = 0; i < a->xattr_count; i++) {
		const struct xattr *x = &a->xattrs[i], *y = &b->xattrs[i];

		if (!span_equal(x->name, y->name) ||
		    !span_equal(x->value, y->value) ||
		    !id_equal(&x->chunk, &y->chunk))
			return false;
	}
	return true;
}

static bool meta_equal(const struct entry *a, const struct entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       span_equal(a->uname, b->uname) &&
	       span_equal(a->gname, b->gname) &&
	       stamp_cmp(a->mtime, b->mtime) == 0 && a->flags == b->flags &&
	       xattrs_equal(a, b);
}

static bool data_equal(const struct entry *a, const struct entry *b)
{
	return a->size == b->size && content_equal(&a->content, &b->content) &&
	       span_equal(a->target, b->target) &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

static unsigned compare(const struct node *a, const struct node *b)
{
	unsigned kind = 0;

	if (!a || !b)
		return a ? DIFF_REMOVED : DIFF_ADDED;
	if (a->entry.type != b->entry.type)
		return DIFF_TYPE;
	kind |= data_equal(&a->entry, &b->entry) ? 0 : DIFF_CONTENT;
	kind |= meta_equal(&a->entry, &b->entry) ? 0 : DIFF_META;
	return kind;
}

/* Could anything under nodes differ?  Equal directories have equal ids. */
static bool worth_entering(const struct node *const nodes[2])
{
	bool dir[2];

	for (int i = 0; i < 2; i++)
		dir[i] = nodes[i] && nodes[i]->entry.type == ENTRY_DIR &&
			 nodes[i]->entry.below > 0;
	if (dir[0] && dir[1])
		return !id_equal(&nodes[0]->entry.tree, &nodes[1]->entry.tree);
	return dir[0] || dir[1];
}

static int visit(struct diff *diff, const struct node *a,
		 const struct node *b, struct err *err)
{
	const struct node *const nodes[2] = { a, b };
	unsigned kind = compare(a, b);
	const char *path = buf_str(&diff->path);
	int r = 0;

	if (!path)
		return err_nomem(err);
	if (kind)
		r = diff->each(diff->arg, kind, path, a, b, err);
	if (r < 0 || r == TREE_SKIP || !worth_entering(nodes))
		return r < 0 ? r : 0;
	return enter(diff, nodes, err);
}

static int fill(struct side *side, struct err *err)
{
	int r;

	if (side->has_node || side->ended)
		return 0;
	r = dir_iter_next(&side->iter, &side->node, err);
	if (r < 0)
		return r;
	side->has_node = r > 0;
	side->ended = r == 0;
	return 0;
}

static int step(struct diff *diff, struct err *err)
{
	struct frame *frame = diff->frames[diff->depth - 1];
	struct side *a = &frame->side[0], *b = &frame->side[1];
	OWNED_NODE struct node na = NODE_INIT, nb = NODE_INIT;
	struct span name;
	int r;

	r = fill(a, err);
	if (r == 0)
		r = fill(b, err);
	if (r < 0)
		return r;
	if (!a->has_node && !b->has_node) {
		diff->depth--;
		frame_free(frame);
		return 0;
	}
	/* below 0: only in a; above 0: only in b */
	r = !a->has_node ? 1 : !b->has_node ? -1
	    : span_cmp(a->node.entry.name, b->node.entry.name);
	if (r <= 0) {
		na = a->node;
		a->has_node = false;
	}
	if (r >= 0) {
		nb = b->node;
		b->has_node = false;
	}
	name = r <= 0 ? na.entry.name : nb.entry.name;
	diff->path.len = frame->path_len;
	if (diff->path.len > 0)
		buf_u8(&diff->path, '/');
	buf_append(&diff->path, name.data, name.len);
	return visit(diff, r <= 0 ? &na : NULL, r >= 0 ? &nb : NULL, err);
}

static int check_comparable(const struct tree *a, const struct tree *b,
			    struct err *err)
{
	const struct repo *x = a->getter.repo, *y = b->getter.repo;

	if (!x || !y || x == y)
		return 0;
	if (memcmp(repo_key(x)->seed, repo_key(y)->seed, ID_SEED))
		return err_set(err, -EINVAL, "snapshots of two stores with "
			       "different secrets cannot be compared");
	return 0;
}

int tree_diff(struct tree *a, const struct node *na, struct tree *b,
	      const struct node *nb,
	      int (*each)(void *arg, unsigned kind, const char *path,
			  const struct node *a, const struct node *b,
			  struct err *err),
	      void *arg, struct err *err)
{
	CLEANUP(diff_release) struct diff diff = {
		.tree = { a, b }, .each = each, .arg = arg };
	int r;

	r = check_comparable(a, b, err);
	if (r == 0)
		r = visit(&diff, na, nb, err);
	while (r == 0 && diff.depth > 0)
		r = step(&diff, err);
	return r;
}
