#include "fs/tree/tree_internal.h"

#include <stdlib.h>

typedef int each_node(void *arg, const char *path, unsigned depth,
		      const struct node *node, struct err *err);

typedef int lost_part(void *arg, const char *path, const struct err *why);

/* A directory that is being walked. */
struct frame {
	struct dir_iter iter;
	size_t path_len;	/* of its own path */
};

struct walk {
	struct tree *tree;
	each_node *each;
	lost_part *lost;	/* NULL: damage ends the walk */
	void *arg;
	struct frame *frames;
	unsigned depth, have;
	struct buf path;
};

static void walk_release(struct walk *walk)
{
	for (unsigned i = 0; i < walk->depth; i++)
		dir_iter_pause(&walk->frames[i].iter);
	free(walk->frames);
	buf_release(&walk->path);
}

static int enter(struct walk *walk, const struct node *node, struct err *err)
{
	struct frame *frame;
	struct dir dir;
	int r;

	r = dir_of(node, &dir, err);
	if (r < 0)
		return r;
	if (walk->depth > DEPTH_MAX)
		return err_corrupt(err, "directories lie too deep");
	if (walk->depth == walk->have) {
		unsigned have = walk->have ? walk->have * 2 : 16;

		frame = realloc(walk->frames, have * sizeof(*frame));
		if (!frame)
			return err_nomem(err);
		walk->frames = frame;
		walk->have = have;
	}
	/* the page above can be found again; a deep walk holds one only */
	if (walk->depth > 0)
		dir_iter_pause(&walk->frames[walk->depth - 1].iter);
	frame = &walk->frames[walk->depth++];
	dir_iter_init(&frame->iter, walk->tree, &dir);
	frame->path_len = walk->path.len;
	return 0;
}

/* Tell of node, and enter it where it is a directory. */
static int visit(struct walk *walk, const struct node *node,
		 struct err *err)
{
	const char *path = buf_str(&walk->path);
	int r;

	if (!path)
		return err_nomem(err);
	r = walk->each(walk->arg, path, walk->depth, node, err);
	if (r < 0)
		return r;
	if (node->entry.type == ENTRY_DIR && r != TREE_SKIP)
		return enter(walk, node, err);
	return 0;
}

static int leave(struct walk *walk)
{
	dir_iter_pause(&walk->frames[--walk->depth].iter);
	return 0;
}

static int go_past(struct walk *walk, struct frame *frame,
		   const struct err *why, struct err *err)
{
	const char *path = buf_str(&walk->path);
	int r;

	if (!path)
		return err_nomem(err);
	r = walk->lost(walk->arg, path, why);
	if (r < 0)
		return r;
	return dir_iter_skip(&frame->iter) ? 0 : leave(walk);
}

static int step(struct walk *walk, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct frame *frame = &walk->frames[walk->depth - 1];
	struct err why = ERR_INIT;
	int r;

	walk->path.len = frame->path_len;
	r = dir_iter_next(&frame->iter, &node, &why);
	if ((r == -EBADMSG || r == -EIO) && walk->lost)
		return go_past(walk, frame, &why, err);
	if (r < 0 && err)
		*err = why;
	if (r <= 0)
		return r < 0 ? r : leave(walk);
	if (walk->path.len > 0)
		buf_u8(&walk->path, '/');
	buf_append(&walk->path, node.entry.name.data, node.entry.name.len);
	return visit(walk, &node, err);
}

int tree_walk(struct tree *tree, const struct node *top,
	      int (*each)(void *arg, const char *path, unsigned depth,
			  const struct node *node, struct err *err),
	      void *arg, struct err *err)
{
	return tree_walk_past(tree, top, each, NULL, arg, err);
}

int tree_walk_past(struct tree *tree, const struct node *top,
		   int (*each)(void *arg, const char *path, unsigned depth,
			       const struct node *node, struct err *err),
		   int (*lost)(void *arg, const char *path,
			       const struct err *why),
		   void *arg, struct err *err)
{
	CLEANUP(walk_release) struct walk walk = {
		.tree = tree, .each = each, .lost = lost, .arg = arg };
	int r;

	r = visit(&walk, top, err);
	while (r == 0 && walk.depth > 0)
		r = step(&walk, err);
	return r;
}
