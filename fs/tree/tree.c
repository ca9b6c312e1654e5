#include "fs/tree/tree_internal.h"

#include <stdlib.h>

struct node_page *node_page_pin(struct node_page *page)
{
	atomic_fetch_add_explicit(&page->pins, 1, memory_order_relaxed);
	return page;
}

void node_page_drop(struct node_page *page)
{
	if (!page || atomic_fetch_sub_explicit(&page->pins, 1,
					       memory_order_acq_rel) > 1)
		return;
	rows_release(&page->rows);
	index_release(&page->index);
	buf_release(&page->bytes);
	free(page);
}

static int page_load(struct tree *tree, const struct id *id,
		     enum object_type type, unsigned level,
		     struct node_page **ret, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct node_page *page;
	int r;

	r = getter_get(&tree->getter, id, &held, err);
	if (r < 0)
		return r;
	page = calloc(1, sizeof(*page));
	if (!page)
		return err_nomem(err);
	atomic_init(&page->pins, 1);
	page->id = *id;
	page->level = level;
	if (level > 0) {
		r = index_parse(held.bytes, level, &page->index, err);
	} else {
		buf_append(&page->bytes, held.bytes.data, held.bytes.len);
		r = buf_check(&page->bytes, err);
		if (r == 0)
			r = rows_parse(buf_span(&page->bytes), type,
				       &page->rows, err);
	}
	if (r < 0) {
		node_page_drop(page);
		return r;
	}
	*ret = page;
	return 0;
}

/* A pin on the cached page of id, or NULL.  Under the lock. */
static struct node_page *cached(struct tree *tree, const struct id *id,
				unsigned level)
{
	for (unsigned i = 0; i < TREE_PAGES; i++) {
		struct node_page *page = tree->cache[i];

		if (page && page->level == level && id_equal(&page->id, id)) {
			page->used = ++tree->clock;
			return node_page_pin(page);
		}
	}
	return NULL;
}

/* The slot for a new page: a free one, or that of the page not asked for
 * longest.  Under the lock. */
static struct node_page **slot_for_new(struct tree *tree)
{
	struct node_page **oldest = &tree->cache[0];

	for (unsigned i = 0; i < TREE_PAGES; i++) {
		if (!tree->cache[i])
			return &tree->cache[i];
		if (tree->cache[i]->used < (*oldest)->used)
			oldest = &tree->cache[i];
	}
	return oldest;
}

int tree_page(struct tree *tree, const struct id *id, unsigned level,
	      struct node_page **ret, struct err *err)
{
	struct node_page *page, *other, *old = NULL;
	int r;

	pthread_mutex_lock(&tree->lock);
	page = cached(tree, id, level);
	pthread_mutex_unlock(&tree->lock);
	if (page) {
		*ret = page;
		return 0;
	}
	r = page_load(tree, id, OBJECT_PAGE, level, &page, err);
	if (r < 0)
		return r;

	pthread_mutex_lock(&tree->lock);
	other = cached(tree, id, level);
	if (!other) {
		struct node_page **slot = slot_for_new(tree);

		old = *slot;
		*slot = node_page_pin(page);
		page->used = ++tree->clock;
	}
	pthread_mutex_unlock(&tree->lock);
	node_page_drop(old);
	if (other) {		/* another thread was quicker */
		node_page_drop(page);
		page = other;
	}
	*ret = page;
	return 0;
}

static int tree_load(struct tree *tree, struct err *err)
{
	const struct record *record = &tree->record;
	int r;

	r = page_load(tree, &record->root, OBJECT_ROOT, 0, &tree->root, err);
	if (r < 0)
		return err_wrap(err, "cannot read the root of the snapshot");
	tree->has_links = !id_is_none(&record->links);
	for (unsigned i = 0; i < LINK_CURSORS && tree->has_links; i++) {
		tree->links[i].cursor = posmap_cursor_new(
			&tree->getter, &record->links, LINKS_WIDTH);
		if (!tree->links[i].cursor)
			return err_nomem(err);
	}
	return 0;
}

int tree_open_getter(const struct getter *getter,
		     const struct record *record, struct tree **ret,
		     struct err *err)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return err_nomem(err);
	tree->getter = *getter;
	pthread_mutex_init(&tree->lock, NULL);
	for (unsigned i = 0; i < LINK_CURSORS; i++)
		pthread_mutex_init(&tree->links[i].lock, NULL);
	r = record_copy(record, &tree->record);
	if (r < 0)
		r = err_nomem(err);
	else
		r = tree_load(tree, err);
	if (r < 0) {
		tree_close(tree);
		return r;
	}
	*ret = tree;
	return 0;
}

int tree_open(struct repo *repo, const struct record *record,
	      struct tree **ret, struct err *err)
{
	const struct getter getter = { .repo = repo };

	return tree_open_getter(&getter, record, ret, err);
}

void tree_close(struct tree *tree)
{
	if (!tree)
		return;
	for (unsigned i = 0; i < TREE_PAGES; i++)
		node_page_drop(tree->cache[i]);
	node_page_drop(tree->root);
	record_release(&tree->record);
	pthread_mutex_destroy(&tree->lock);
	for (unsigned i = 0; i < LINK_CURSORS; i++) {
		posmap_cursor_free(tree->links[i].cursor);
		pthread_mutex_destroy(&tree->links[i].lock);
	}
	free(tree);
}

const struct record *tree_record(const struct tree *tree)
{
	return &tree->record;
}

struct getter tree_getter(const struct tree *tree)
{
	return tree->getter;
}

int tree_root(struct tree *tree, struct node *ret, struct err *err)
{
	(void)err;
	memset(ret, 0, sizeof(*ret));
	rows_get(&tree->root->rows, 0, &ret->entry);
	ret->nlink = 2 + ret->entry.dirs_below;
	ret->page = node_page_pin(tree->root);
	return 0;
}

int tree_child(struct tree *tree, const struct node *dir, struct span name,
	       struct node *ret, struct err *err)
{
	struct spot_key key = { .by = BY_NAME, .name = name };
	struct spot spot = { .page = NULL };
	struct dir in;
	uint32_t row;
	int r;

	r = dir_of(dir, &in, err);
	if (r < 0)
		return r;
	r = spot_find(tree, &in, &key, &spot, err);
	if (r < 0)
		return r;
	if (r == 0 || !rows_find(&spot.page->rows, name, &row)) {
		node_page_drop(spot.page);
		return err_set(err, -ENOENT, "there is no '%.*s'",
			       (int)(name.len < 256 ? name.len : 256),
			       (const char *)name.data);
	}
	r = spot_node(tree, &in, &spot, row, ret, err);
	node_page_drop(spot.page);
	return r;
}

int tree_find(struct tree *tree, const char *path, struct node *ret,
	      struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	const char *at = path;
	int r;

	r = tree_root(tree, &node, err);
	while (r == 0) {
		struct node child = NODE_INIT;
		struct span name;

		at += strspn(at, "/");
		if (!*at)
			break;
		name = span_of(at, strcspn(at, "/"));
		at += name.len;
		if (span_equal(name, span_str(".")))
			continue;
		if (span_equal(name, span_str("..")))
			return err_set(err, -EINVAL,
				       "'..' leads nowhere in '%s'", path);
		r = tree_child(tree, &node, name, &child, err);
		if (r < 0)
			return err_wrap(err, "'%s'", path);
		node_release(&node);
		node = child;
	}
	if (r < 0)
		return r;
	*ret = node;
	node.page = NULL;
	return 0;
}

/* One step of tree_at(): the entry of dir that is at pos or above it. */
static int step_towards(struct tree *tree, const struct dir *dir,
			uint64_t pos, struct node *ret, struct err *err)
{
	struct spot_key key = { .by = BY_NODE, .number = pos - dir->pos - 1 };
	struct spot spot;
	uint32_t row;
	int r;

	r = spot_find(tree, dir, &key, &spot, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_corrupt(err, "a directory holds fewer nodes than "
				   "it says");
	row = sums_find(spot.page->rows.before, spot.page->rows.count,
			pos - spot.pos);
	r = spot_node(tree, dir, &spot, row, ret, err);
	node_page_drop(spot.page);
	return r;
}

/* The deepest directory marked above pos, in *dir, and its depth; or 0. */
static unsigned mark_above(struct tree *tree, uint64_t pos, struct dir *dir)
{
	unsigned depth = 0;

	pthread_mutex_lock(&tree->lock);
	for (unsigned i = 0; i < MARKS && i < tree->marked; i++) {
		const struct mark *mark = &tree->marks[i];

		if (mark->depth > depth && mark->dir.pos < pos &&
		    pos - mark->dir.pos <= mark->dir.below) {
			*dir = mark->dir;
			depth = mark->depth;
		}
	}
	pthread_mutex_unlock(&tree->lock);
	return depth;
}

static void mark_set(struct tree *tree, const struct dir *dir, unsigned depth)
{
	pthread_mutex_lock(&tree->lock);
	tree->marks[tree->marked++ % MARKS] = (struct mark){ *dir, depth };
	pthread_mutex_unlock(&tree->lock);
}

/* tree_at() of a node that is not top, the root. */
static int descend(struct tree *tree, const struct node *top, uint64_t pos,
		   struct node *ret, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	unsigned depth;
	struct dir dir;
	int r;

	r = dir_of(top, &dir, err);
	if (r < 0)
		return r;
	for (depth = mark_above(tree, pos, &dir);; depth++) {
		if (depth > DEPTH_MAX)
			return err_corrupt(err, "directories lie too deep");
		if (depth && depth % MARK_EVERY == 0)
			mark_set(tree, &dir, depth);
		r = step_towards(tree, &dir, pos, &node, err);
		if (r < 0)
			return r;
		if (node.pos == pos)
			break;
		r = dir_of(&node, &dir, err);
		if (r < 0)
			return r;
		node_release(&node);
	}
	*ret = node;
	node.page = NULL;
	return 0;
}

int tree_at(struct tree *tree, uint64_t pos, struct node *ret,
	    struct err *err)
{
	OWNED_NODE struct node root = NODE_INIT;
	int r;

	r = tree_root(tree, &root, err);
	if (r < 0)
		return r;
	if (pos > root.entry.below)
		return err_set(err, -ENOENT, "the snapshot has no node %llu",
			       (unsigned long long)pos);
	if (pos > 0)
		return descend(tree, &root, pos, ret, err);
	*ret = root;
	root.page = NULL;
	return 0;
}

int tree_list(struct tree *tree, const struct node *dir, uint64_t index,
	      struct node *nodes, size_t max, size_t *ret_count,
	      struct err *err)
{
	struct dir_iter iter;
	struct dir in;
	size_t count = 0;
	int r;

	r = dir_of(dir, &in, err);
	if (r < 0)
		return r;
	dir_iter_init(&iter, tree, &in);
	iter.next = index;
	while (count < max) {
		r = dir_iter_next(&iter, &nodes[count], err);
		if (r <= 0)
			break;
		count++;
	}
	dir_iter_pause(&iter);
	if (r < 0) {
		while (count > 0)
			node_release(&nodes[--count]);
		return r;
	}
	*ret_count = count;
	return 0;
}

int tree_dir_count(struct tree *tree, const struct node *dir,
		   uint64_t *ret, struct err *err)
{
	struct dir in;
	int r;

	r = dir_of(dir, &in, err);
	if (r < 0)
		return r;
	return dir_count(tree, &in, ret, err);
}
