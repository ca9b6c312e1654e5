/*
 * Whole graphs of objects: content lists, position maps, trees and views, by
 * way of a store in memory (fuzz_store.h).  Ways to the same thing agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/tree/content_list.h"
#include "fs/tree/view.h"
#include "tests/fuzz/fuzz_store.h"

#define BYTES_MAX (64u << 10)	/* of a content that is read */
#define NODES_TRIED 200u
#define STEPS_MAX 2000u

/* Add, take out, copy or change an object; keep the frames. */
static void change(struct repo *repo, size_t max, struct fuzz_rng *rng)
{
	uint32_t at = fuzz_below(rng, repo->count);
	uint32_t other = fuzz_below(rng, repo->count);
	struct buf *object = &repo->object[at], spare;

	switch (fuzz_below(rng, 12)) {
	case 0:
		spare = *object;
		*object = repo->object[other];
		repo->object[other] = spare;
		break;
	case 1:
		if (repo->count < FUZZ_OBJECTS)
			buf_append(&repo->object[repo->count++], object->data,
				   object->len);
		break;
	case 2:
		if (repo->count > 1)
			buf_release(&repo->object[--repo->count]);
		break;
	default:
		fuzz_change_buf(object, max < 20000 ? max : 20000);
		if (object->len == 0)
			buf_append_byte(object, 1);
	}
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct repo repo;

	fuzz_store_load(&repo, span_of(data, len));
	if (repo.count > 0) {
		change(&repo, max, rng);
		fuzz_store_bundle(&repo, &out);
	}
	fuzz_store_release(&repo);
	return out.len ? fuzz_take(&out, data, len, max)
		       : LLVMFuzzerMutate(data, len, max);
}

/* Contents. */

struct sweep {
	uint64_t at, data;
	uint8_t *want;		/* the first BYTES_MAX bytes */
	uint64_t last_hole_end;
	uint32_t steps;
};

static int sweep_extent(void *arg, uint64_t offset,
			const struct extent *extent, struct err *err)
{
	struct sweep *sweep = arg;
	uint64_t n = extent->len;

	(void)err;
	if (++sweep->steps > STEPS_MAX)
		return -ECANCELED;
	FUZZ_CHECK(offset == sweep->at && extent_is_valid(extent));
	if (extent->type == EXTENT_CHUNK)
		sweep->data += n;
	for (uint64_t i = 0; i < n && offset + i < BYTES_MAX; i++)
		sweep->want[offset + i] =
			extent->type == EXTENT_HOLE ? 0
			: fuzz_chunk_byte(&extent->id, extent->from + i);
	sweep->at += n;
	return 0;
}

/* Everything about content is good: all questions have the right answers. */
static void try_good(const struct getter *getter,
		     const struct content *content, uint64_t size,
		     const struct sweep *sweep)
{
	static uint8_t got[BYTES_MAX];
	uint64_t at = 0, n = size < BYTES_MAX ? size : BYTES_MAX, start, next;
	struct extent extent;
	size_t len = 0;

	FUZZ_CHECK(sweep->at == size);
	FUZZ_CHECK(content_data_bytes(getter, content, size, &next, NULL) == 0);
	FUZZ_CHECK(next == sweep->data);
	FUZZ_CHECK(content_read_into(getter, content, size, 0, got, n, &len,
				     NULL) == 0);
	FUZZ_CHECK(len == n && !memcmp(got, sweep->want, n));
	for (int i = 0; i < 20 && at < size; i++) {
		FUZZ_CHECK(content_extent_at(getter, content, size, at,
					     &extent, &start, NULL) == 0);
		FUZZ_CHECK(start <= at && at < start + extent.len);
		FUZZ_CHECK(content_seek(getter, content, size, at,
					extent.type == EXTENT_HOLE, &next,
					NULL) == 0);
		FUZZ_CHECK(next == at);
		at = start + extent.len;
	}
	FUZZ_CHECK(content_seek(getter, content, size, size, false, &next,
				NULL) == -ENXIO);
}

/* Whatever it is: no harm, and no more than was asked for. */
static void try_any(const struct getter *getter,
		    const struct content *content, uint64_t size,
		    struct fuzz_rng *rng)
{
	static uint8_t got[BYTES_MAX];

	for (int i = 0; i < 4; i++) {
		uint64_t at = size ? fuzz_random(rng) % size : 0, next;
		size_t want = fuzz_below(rng, 9000), len = 0;
		struct piece pieces[4];
		size_t count = 0;

		if (content_read_into(getter, content, size, at, got, want,
				      &len, NULL) == 0)
			FUZZ_CHECK(len <= want);
		if (content_read(getter, content, size, at, want, pieces, 4,
				 &count, NULL) < 0)
			count = 0;
		FUZZ_CHECK(count <= 4);
		while (count > 0)
			held_release(&pieces[--count].held);
		if (content_seek(getter, content, size, at, i & 1, &next,
				 NULL) == 0)
			FUZZ_CHECK(next >= at && next <= size);
	}
}

static void try_content(const struct getter *getter,
			const struct content *content, uint64_t size,
			struct fuzz_rng *rng)
{
	struct sweep sweep = { .want = calloc(1, BYTES_MAX) };
	struct repo *repo = getter->repo;

	FUZZ_CHECK(sweep.want != NULL);
	try_any(getter, content, size, rng);
	if (content_each(getter, content, size, sweep_extent, &sweep,
			 NULL) == 0 && repo->gets < repo->gets_max / 4)
		try_good(getter, content, size, &sweep);
	free(sweep.want);
}

static void try_lists(const struct getter *getter, struct fuzz_rng *rng)
{
	struct content content = { .count = 0 };
	struct object_in object;
	struct list_head head;
	uint64_t size = 0;
	struct id id;

	if (fuzz_store_last(getter->repo, OBJECT_LIST, &id) &&
	    content_load(getter, &id, &content, &size, NULL) == 0)
		try_content(getter, &content, size, rng);
	if (!fuzz_store_last(getter->repo, OBJECT_LIST_INDEX, &id) ||
	    list_parse(buf_span(&getter->repo->object[id.hash[0] + 256u *
						      id.hash[1]]),
		       &object, &head, NULL) < 0)
		return;
	content = (struct content){ .levels = (uint8_t)head.level, .list = id,
				    .holes = head.holes };
	if (head.len > 0)
		try_content(getter, &content, head.len, rng);
}

/* Position maps. */

struct pairs {
	uint64_t pos[STEPS_MAX];
	uint8_t value[STEPS_MAX][POSMAP_WIDTH_MAX];
	uint32_t width, count;
};

static int take_pair(void *arg, uint64_t pos, const void *value,
		     struct err *err)
{
	struct pairs *pairs = arg;

	(void)err;
	if (pairs->count == STEPS_MAX)
		return -ECANCELED;
	FUZZ_CHECK(pairs->count == 0 || pos > pairs->pos[pairs->count - 1]);
	FUZZ_CHECK(pos < NODES_MAX);
	pairs->pos[pairs->count] = pos;
	memcpy(pairs->value[pairs->count++], value, pairs->width);
	return 0;
}

static void try_posmap(const struct getter *getter, uint32_t width)
{
	static struct pairs pairs;
	uint8_t value[POSMAP_WIDTH_MAX];
	struct repo *repo = getter->repo;
	struct id id;
	int r;

	if (!fuzz_store_last(repo, OBJECT_POSMAP_INDEX, &id))
		return;
	pairs.width = width;
	pairs.count = 0;
	r = posmap_range(getter, &id, width, 0, UINT64_MAX, take_pair, &pairs,
			 NULL);
	posmap_get(getter, &id, width, 7, value, NULL);
	posmap_get(getter, &id, width, NODES_MAX - 1, value, NULL);
	for (uint32_t i = 0; r == 0 && i < pairs.count && i < 50 &&
	     repo->gets < repo->gets_max / 2; i++) {
		FUZZ_CHECK(posmap_get(getter, &id, width, pairs.pos[i], value,
				      NULL) == 0);
		FUZZ_CHECK(!memcmp(value, pairs.value[i], width));
	}
}

/* Trees. */

struct walk {
	struct tree *tree;
	uint64_t count;		/* positions met */
	uint32_t tried;
	bool cut;
};

static int try_node(void *arg, const char *path, unsigned depth,
		    const struct node *node, struct err *err)
{
	OWNED_NODE struct node at = NODE_INIT, found = NODE_INIT;
	struct walk *walk = arg;
	struct stat st;
	int r;

	(void)err;
	FUZZ_CHECK(depth <= DEPTH_MAX);
	FUZZ_CHECK(node->pos == walk->count);
	walk->count++;
	node_stat(node, &st);
	FUZZ_CHECK(st.st_ino != 0 && st.st_size >= 0);
	if (walk->count > STEPS_MAX) {
		walk->cut = true;
		return -ECANCELED;
	}
	if (walk->tried++ > NODES_TRIED)
		return 0;
	if (tree_at(walk->tree, node->pos, &at, NULL) == 0) {
		FUZZ_CHECK(at.pos == node->pos && at.parent == node->parent);
		FUZZ_CHECK(span_equal(at.entry.name, node->entry.name));
	}
	r = tree_find(walk->tree, path, &found, NULL);
	FUZZ_CHECK(r != -ENOENT && r != -ENOTDIR);
	FUZZ_CHECK(r != 0 || found.pos == node->pos);
	return 0;
}

static void list_dir(struct tree *tree, const struct node *dir)
{
	struct node nodes[8];
	uint64_t total = 0, at = 0;
	size_t count = 0;
	bool counted = tree_dir_count(tree, dir, &total, NULL) == 0;
	int r;

	do {
		r = tree_list(tree, dir, at, nodes, 8, &count, NULL);
		if (r < 0)
			return;
		FUZZ_CHECK(count <= 8);
		at += count;
		for (size_t i = 0; i < count; i++)
			node_release(&nodes[i]);
	} while (count > 0 && at < STEPS_MAX);
	FUZZ_CHECK(!counted || count > 0 || at == total);
}

static void try_view(struct tree *tree, struct fuzz_rng *rng)
{
	static uint8_t whole[BYTES_MAX], part[BYTES_MAX];
	struct view *view;
	size_t len = 0, got = 0;
	uint32_t at;
	int r;

	if (view_open(tree, &view, NULL) < 0)
		return;
	r = view_read(view, 0, whole, sizeof(whole), &len, NULL);
	if (r == 0) {
		FUZZ_CHECK(len == (view_size(view) < sizeof(whole)
				   ? view_size(view) : sizeof(whole)));
		for (int i = 0; i < 6 && len > 0; i++) {
			at = fuzz_below(rng, (uint32_t)len);
			if (view_read(view, at, part, fuzz_below(rng, 3000),
				      &got, NULL) < 0)
				break;
			if (got > len - at)
				got = len - at;
			FUZZ_CHECK(!memcmp(whole + at, part, got));
		}
	}
	if (view_size(view) > 0)
		view_read(view, fuzz_random(rng) % view_size(view), part,
			  1000, &got, NULL);
	view_close(view);
}

static int take_diff(void *arg, unsigned kind, const char *path,
		     const struct node *a, const struct node *b,
		     struct err *err)
{
	(void)arg;
	(void)kind;
	(void)path;
	(void)a;
	(void)b;
	(void)err;
	fuzz_fail(__FILE__, __LINE__, "a tree that differs from itself");
}

static void try_diff(struct tree *tree, const struct node *root)
{
	tree_diff(tree, root, tree, root, take_diff, NULL, NULL);
}

static void try_tree(const struct getter *getter, struct fuzz_rng *rng)
{
	OWNED_NODE struct node root = NODE_INIT;
	struct record record = { .number = 1 };
	struct tree *tree = NULL;
	struct walk walk = { .count = 0 };
	int r;

	if (!fuzz_store_last(getter->repo, OBJECT_ROOT, &record.root))
		return;
	fuzz_store_last(getter->repo, OBJECT_POSMAP_INDEX, &record.links);
	fuzz_store_last(getter->repo, OBJECT_VIEW, &record.view);
	if (tree_open_getter(getter, &record, &tree, NULL) < 0)
		return;
	r = tree_root(tree, &root, NULL);
	if (r == 0) {
		list_dir(tree, &root);
		try_diff(tree, &root);
		walk.tree = tree;
		r = tree_walk(tree, &root, try_node, &walk, NULL);
		FUZZ_CHECK(r != 0 || walk.count == 1 + root.entry.below);
	}
	try_view(tree, rng);
	tree_close(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_rng rng = fuzz_rng_of(span_of(data, len));
	struct repo repo;
	struct getter getter = { .repo = &repo };

	fuzz_store_load(&repo, span_of(data, len));
	if (repo.count > 0) {
		try_lists(&getter, &rng);
		repo.gets = 0;
		try_posmap(&getter, LINKS_WIDTH);
		try_posmap(&getter, ORIGIN_WIDTH);
		repo.gets = 0;
		try_tree(&getter, &rng);
	}
	fuzz_store_release(&repo);
	return 0;
}
