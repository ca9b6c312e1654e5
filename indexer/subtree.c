#include "indexer/subtree.h"

struct pushing {
	struct sink *sink;
	uint64_t done;		/* bytes */
};

static int push(void *arg, const char *path, unsigned depth,
		const struct node *node, struct err *err)
{
	struct pushing *pushing = arg;
	const struct entry *entry = &node->entry;
	int r;

	(void)depth;
	if (entry->type != ENTRY_DIR && node->nlink > 1)
		sink_group(pushing->sink, node->inode + 1);
	if (entry->type == ENTRY_FILE) {
		r = sink_same(pushing->sink, span_str(path), entry,
			      &entry->content, err);
		pushing->done += entry->size;
		sink_progress(pushing->sink, pushing->done);
		return r < 0 ? r : 0;
	}
	r = sink_begin(pushing->sink, span_str(path), entry, err);
	if (r > 0)
		r = sink_end(pushing->sink, 0, err);
	return r < 0 ? r : 0;
}

int subtree_read(const struct input *input, struct sink *sink,
		 struct err *err)
{
	OWNED_NODE struct node top = NODE_INIT;
	struct pushing pushing = { .sink = sink };
	int r = tree_find(input->tree, input->path, &top, err);

	if (r == 0 && top.entry.type != ENTRY_DIR)
		r = err_set(err, -ENOTDIR, "'%s' is no directory",
			    input->path);
	if (r == 0)
		r = tree_walk(input->tree, &top, push, &pushing, err);
	return r;
}
