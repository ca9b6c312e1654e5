#include "fs/tree/tree_internal.h"

int dir_of(const struct node *node, struct dir *ret, struct err *err)
{
	const struct entry *entry = &node->entry;

	if (!node->page || entry->type != ENTRY_DIR)
		return err_set(err, -ENOTDIR, "'%.*s' is not a directory",
			       (int)entry->name.len,
			       (const char *)entry->name.data);
	*ret = (struct dir){ .tree = entry->tree, .levels = entry->tree_levels,
			     .pos = node->pos, .below = entry->below };
	return 0;
}

/*
 * What a page must hold by the word of what stands above it.  Without the end,
 * pages could overlap: a name would be listed in one and looked for in another.
 */
struct promise {
	uint64_t nodes;
	uint64_t entries;	/* 0: not known */
	struct span first;	/* empty: not known; borrowed from above */
	size_t end_len;		/* 0: not known */
	uint8_t end[NAME_BYTES_MAX];	/* all names come before it */
};

static struct span first_name(const struct node_page *page)
{
	return page->level ? index_first(&page->index, 0)
	       : rows_name(&page->rows, 0);
}

/* The last name that stands in page itself. */
static struct span last_name(const struct node_page *page)
{
	return page->level ? index_first(&page->index, page->index.count - 1)
	       : rows_name(&page->rows, page->rows.count - 1);
}

static uint64_t entries_of(const struct node_page *page)
{
	return page->level ? page->index.entries[page->index.count]
	       : page->rows.count;
}

static bool is_kept(const struct node_page *page,
		    const struct promise *promise)
{
	uint64_t nodes = page->level ? page->index.nodes[page->index.count]
			 : page->rows.before[page->rows.count];
	struct span end = span_of(promise->end, promise->end_len);

	return nodes == promise->nodes &&
	       (promise->entries == 0 ||
		entries_of(page) == promise->entries) &&
	       (promise->first.len == 0 ||
		span_equal(first_name(page), promise->first)) &&
	       (end.len == 0 || span_cmp(last_name(page), end) < 0);
}

static int promised_page(struct tree *tree, const struct id *id,
			 unsigned level, const struct promise *promise,
			 struct node_page **ret, struct err *err)
{
	struct node_page *page = NULL;
	int r;

	r = tree_page(tree, id, level, &page, err);
	if (r < 0)
		return r;
	if (!is_kept(page, promise)) {
		node_page_drop(page);
		return err_corrupt(err, "the pages of a directory do not fit "
				   "together");
	}
	*ret = page;
	return 0;
}

/* What index says of its child number i; the end of index is also that of its
 * last child. */
static void promise_narrow(struct promise *promise,
			   const struct index_in *index, uint32_t i)
{
	promise->nodes = index->nodes[i + 1] - index->nodes[i];
	promise->entries = index->entries[i + 1] - index->entries[i];
	promise->first = index_first(index, i);
	if (i + 1 < index->count) {
		struct span next = index_first(index, i + 1);

		promise->end_len = next.len;
		memcpy(promise->end, next.data, next.len);
	}
}

int dir_count(struct tree *tree, const struct dir *dir, uint64_t *ret,
	      struct err *err)
{
	const struct promise promise = { .nodes = dir->below };
	struct node_page *page = NULL;
	int r;

	if (dir->below == 0) {
		*ret = 0;
		return 0;
	}
	r = promised_page(tree, &dir->tree, dir->levels, &promise, &page, err);
	if (r < 0)
		return r;
	*ret = entries_of(page);
	node_page_drop(page);
	return 0;
}

static uint32_t choose(const struct index_in *index,
		       const struct spot_key *key, const struct spot *spot,
		       const struct dir *dir)
{
	switch (key->by) {
	case BY_NAME:
		break;
	case BY_ORDINAL:
		return index_by_ordinal(index, key->number - spot->ordinal);
	case BY_NODE:
		return index_by_node(index, key->number -
					    (spot->pos - dir->pos - 1));
	}
	return index_by_name(index, key->name);
}

static bool is_past_end(const struct node_page *page,
			const struct spot_key *key, const struct dir *dir)
{
	return (key->by == BY_ORDINAL && key->number >= entries_of(page)) ||
	       (key->by == BY_NODE && key->number >= dir->below);
}

int spot_find(struct tree *tree, const struct dir *dir,
	      const struct spot_key *key, struct spot *ret, struct err *err)
{
	struct promise promise = { .nodes = dir->below };
	struct spot spot = { .pos = dir->pos + 1 };
	struct node_page *above = NULL, *page = NULL;
	struct id id = dir->tree;
	int r;

	if (dir->below == 0)
		return 0;
	for (unsigned level = dir->levels;; level--) {
		const struct index_in *index;
		uint32_t i;

		r = promised_page(tree, &id, level, &promise, &page, err);
		node_page_drop(above);	/* promise.first was its */
		if (r < 0)
			return r;
		if (level == dir->levels && is_past_end(page, key, dir)) {
			node_page_drop(page);
			return 0;
		}
		if (level == 0)
			break;
		index = &page->index;
		i = choose(index, key, &spot, dir);
		spot.pos += index->nodes[i];
		spot.ordinal += index->entries[i];
		promise_narrow(&promise, index, i);
		id = index->ids[i];
		above = page;
	}
	spot.page = page;
	*ret = spot;
	return 1;
}

/* The children of index from the one on in which first is. */
static size_t children_like(const struct index_in *index, struct span first,
			    struct span last, struct id *ret, size_t max)
{
	uint32_t i = index_by_name(index, first);
	size_t count = 0;

	do
		ret[count++] = index->ids[i++];
	while (count < max && i < index->count &&
	       span_cmp(index_first(index, i), last) <= 0);
	return count;
}

size_t dir_pages_like(struct tree *tree, const struct node *node,
		      struct span first, struct span last, struct id *ret,
		      size_t max)
{
	struct dir dir;

	if (max == 0 || dir_of(node, &dir, NULL) < 0 || dir.below == 0)
		return 0;
	for (unsigned at = dir.levels; at > 0; at--) {
		struct node_page *page;
		size_t count = 0;

		if (tree_page(tree, &dir.tree, at, &page, NULL) < 0)
			return 0;
		if (at == 1)
			count = children_like(&page->index, first, last, ret,
					      max);
		else
			dir.tree = page->index.ids[index_by_name(&page->index,
								 first)];
		node_page_drop(page);
		if (count > 0)
			return count;
	}
	ret[0] = dir.tree;
	return 1;
}

/* Inode and number of links of a node that is no directory. */
static int links_get(struct tree *tree, struct node *node, struct err *err)
{
	struct link_cursor *links =
		&tree->links[node->pos / LINK_STRIDE % LINK_CURSORS];
	uint8_t value[LINKS_WIDTH];
	int r;

	node->inode = node->pos;
	node->nlink = 1;
	if (!tree->has_links)
		return 0;
	pthread_mutex_lock(&links->lock);
	r = posmap_cursor_get(links->cursor, node->pos, value, err);
	pthread_mutex_unlock(&links->lock);
	if (r == -ENOENT && err)
		*err = (struct err)ERR_INIT;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	node->inode = get_le64(value);
	node->nlink = get_le64(value + 8);
	if (node->inode > node->pos || node->nlink == 0)
		return err_corrupt(err, "the map of hard links is damaged");
	return 0;
}

int spot_node(struct tree *tree, const struct dir *dir,
	      const struct spot *spot, uint32_t row, struct node *ret,
	      struct err *err)
{
	struct node node = { .pos = spot->pos + spot->page->rows.before[row],
			     .parent = dir->pos };
	int r;

	rows_get(&spot->page->rows, row, &node.entry);
	if (node.entry.type == ENTRY_DIR) {
		node.inode = node.pos;
		node.nlink = 2 + node.entry.dirs_below;
	} else {
		r = links_get(tree, &node, err);
		if (r < 0)
			return r;
	}
	node.page = node_page_pin(spot->page);
	*ret = node;
	return 0;
}

void dir_iter_init(struct dir_iter *iter, struct tree *tree,
		   const struct dir *dir)
{
	*iter = (struct dir_iter){ .tree = tree, .dir = *dir };
}

void dir_iter_pause(struct dir_iter *iter)
{
	node_page_drop(iter->spot.page);
	iter->spot.page = NULL;
}

int dir_iter_next(struct dir_iter *iter, struct node *ret, struct err *err)
{
	struct spot_key key = { .by = BY_ORDINAL, .number = iter->next };
	struct spot *spot = &iter->spot;
	int r;

	if (spot->page &&
	    iter->next >= spot->ordinal + spot->page->rows.count)
		dir_iter_pause(iter);
	if (!spot->page) {
		r = spot_find(iter->tree, &iter->dir, &key, spot, err);
		if (r <= 0)
			return r;
	}
	r = spot_node(iter->tree, &iter->dir, spot,
		      (uint32_t)(iter->next - spot->ordinal), ret, err);
	if (r < 0)
		return r;
	iter->next++;
	return 1;
}

int dir_iter_skip(struct dir_iter *iter)
{
	struct id id = iter->dir.tree;
	uint64_t base = 0, end = 0;
	unsigned level = iter->dir.levels;
	struct node_page *page = NULL;

	if (iter->spot.page) {		/* its page is there */
		iter->next++;
		return 1;
	}
	for (; level > 0 &&
	     tree_page(iter->tree, &id, level, &page, NULL) == 0; level--) {
		const struct index_in *index = &page->index;
		uint32_t i;

		if (iter->next - base >= index->entries[index->count]) {
			node_page_drop(page);
			break;
		}
		i = index_by_ordinal(index, iter->next - base);
		id = index->ids[i];
		end = base + index->entries[i + 1];
		base += index->entries[i];
		node_page_drop(page);
	}
	if (end <= iter->next)
		return 0;
	iter->next = end;
	return 1;
}
