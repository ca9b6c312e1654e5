#include "fs/repo/remember.h"
#include "indexer/dir_internal.h"

#include <stdlib.h>

void origin_write(const struct stat *st, uint8_t ret[ORIGIN_WIDTH])
{
	put_le64(ret, st->st_dev);
	put_le64(ret + 8, st->st_ino);
	put_le64(ret + 16, (uint64_t)st->st_ctim.tv_sec);
	put_le32(ret + 24, (uint32_t)st->st_ctim.tv_nsec);
	put_le32(ret + 28, (uint32_t)st->st_mtim.tv_nsec);
	put_le64(ret + 32, (uint64_t)st->st_size);
}

bool origin_is_settled(const struct stat *st, bool sealed, struct stamp now)
{
	const struct timespec *of = sealed ? &st->st_mtim : &st->st_ctim;
	struct stamp since = {
		of->tv_sec + ORIGIN_SETTLED_S, (uint32_t)of->tv_nsec,
	};

	return stamp_cmp(since, now) <= 0;
}

bool origin_is_same(const uint8_t a[ORIGIN_WIDTH],
		    const uint8_t b[ORIGIN_WIDTH], bool sealed)
{
	return !memcmp(a, b, ORIGIN_CTIME) &&
	       !memcmp(a + ORIGIN_BEHIND_CTIME, b + ORIGIN_BEHIND_CTIME,
		       ORIGIN_WIDTH - ORIGIN_BEHIND_CTIME) &&
	       (sealed || !memcmp(a + ORIGIN_CTIME, b + ORIGIN_CTIME,
				  ORIGIN_BEHIND_CTIME - ORIGIN_CTIME));
}

static int load_spoiled(struct past *past, struct repo *repo,
			struct err *err)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	int r = remembered_load(repo, &known, err);

	for (size_t i = 0; r >= 0 && i < known.count; i++) {
		struct id id;

		if (damage_key_is_object(known.note[i].key, &id))
			r = id_set_add(&past->spoiled, &id, err);
	}
	return r < 0 ? r : 0;
}

int past_init(struct past *past, struct tree *tree, struct repo *repo,
	      struct err *err)
{
	int r;

	*past = (struct past){ .tree = tree };
	if (!tree)
		return 0;
	r = repo ? load_spoiled(past, repo, err) : 0;
	if (r < 0)
		return r;
	past->pos = malloc(PAST_WINDOW * sizeof(*past->pos));
	past->origins = malloc(PAST_WINDOW * ORIGIN_WIDTH);
	return past->pos && past->origins ? 0 : err_nomem(err);
}

void past_release(struct past *past)
{
	free(past->pos);
	free(past->origins);
	id_set_release(&past->spoiled);
}

int past_root(struct past *past, struct past_dir *ret, struct err *err)
{
	int r;

	*ret = (struct past_dir){ .open = false };
	if (!past->tree)
		return 0;
	r = tree_root(past->tree, &ret->dir, err);
	ret->open = r == 0;
	return r;
}

void past_enter(const struct node *node, struct past_dir *ret)
{
	*ret = (struct past_dir){ .open = false };
	if (!node || node->entry.type != ENTRY_DIR)
		return;
	node_copy(node, &ret->dir);
	ret->open = true;
}

static void release_nodes(struct past_dir *dir)
{
	for (size_t i = 0; i < dir->count; i++)
		node_release(&dir->nodes[i]);
	dir->count = dir->at = 0;
}

void past_dir_release(struct past_dir *dir)
{
	release_nodes(dir);
	free(dir->nodes);
	dir->nodes = NULL;
	if (dir->open)
		node_release(&dir->dir);
	dir->open = false;
}

static int list_more(struct past *past, struct past_dir *dir,
		     struct err *err)
{
	int r;

	release_nodes(dir);
	if (!dir->nodes)
		dir->nodes = calloc(PAST_NODES, sizeof(*dir->nodes));
	if (!dir->nodes)
		return err_nomem(err);
	r = tree_list(past->tree, &dir->dir, dir->index, dir->nodes,
		      PAST_NODES, &dir->count, err);
	if (r < 0) {
		dir->count = 0;
		return r;
	}
	dir->index += dir->count;
	return 0;
}

int past_find(struct past *past, struct past_dir *dir, const char *name,
	      const struct node **ret, struct err *err)
{
	struct span wanted = span_str(name);

	*ret = NULL;
	while (dir->open && past->tree) {
		int r = 0;

		if (dir->at == dir->count)
			r = list_more(past, dir, err);
		if (r < 0 || dir->count == 0)
			return r;
		for (; dir->at < dir->count; dir->at++) {
			const struct node *node = &dir->nodes[dir->at];
			int order = span_cmp(node->entry.name, wanted);

			if (order == 0)
				*ret = node;
			if (order >= 0)
				return 0;
		}
	}
	return 0;
}

static int take_origin(void *arg, uint64_t pos, const void *value,
		       struct err *err)
{
	struct past *past = arg;

	if (past->count == PAST_WINDOW)
		return err_corrupt(err, "the map of origins has a position "
				   "twice");
	past->pos[past->count] = pos;
	memcpy(past->origins + past->count * ORIGIN_WIDTH, value,
	       ORIGIN_WIDTH);
	past->count++;
	return 0;
}

int past_origin(struct past *past, uint64_t pos, const uint8_t **ret,
		struct err *err)
{
	const struct getter getter = tree_getter(past->tree);
	const struct record *record = tree_record(past->tree);
	size_t low = 0, high;
	int r;

	if (id_is_none(&record->origin))
		return 0;
	if (pos < past->from || pos >= past->to) {
		past->count = 0;
		past->from = past->to = 0;
		r = posmap_range(&getter, &record->origin, ORIGIN_WIDTH, pos,
				 pos + PAST_WINDOW, take_origin, past, err);
		if (r < 0)
			return r;
		past->from = pos;
		past->to = pos + PAST_WINDOW;
	}
	for (high = past->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (past->pos[middle] < pos)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == past->count || past->pos[low] != pos)
		return 0;
	*ret = past->origins + low * ORIGIN_WIDTH;
	return 1;
}

static int is_spoiled(void *arg, uint64_t offset, const struct extent *extent,
		      struct err *err)
{
	(void)offset;
	(void)err;
	return extent->type == EXTENT_CHUNK && id_set_has(arg, &extent->id);
}

/* 1: its bytes are known to be damaged. */
static int needs_spoiled(struct past *past, const struct node *node,
			 struct err *err)
{
	const struct getter getter = tree_getter(past->tree);
	int r;

	if (past->spoiled.count == 0)
		return 0;
	r = content_each(&getter, &node->entry.content, node->entry.size,
			 is_spoiled, &past->spoiled, err);
	return r == -EBADMSG || r == -EIO ? 1 : r;
}

int past_is_same(struct past *past, const struct node *node,
		 const struct stat *st, bool sealed, struct err *err)
{
	uint8_t now[ORIGIN_WIDTH];
	const uint8_t *then;
	int r;

	if (!node || node->entry.type != ENTRY_FILE ||
	    node->entry.size != (uint64_t)st->st_size ||
	    node->entry.mtime.s != st->st_mtim.tv_sec ||
	    node->entry.mtime.ns != st->st_mtim.tv_nsec)
		return 0;
	r = past_origin(past, node->pos, &then, err);
	if (r <= 0)
		return r;
	origin_write(st, now);
	if (!origin_is_same(now, then, sealed))
		return 0;
	r = needs_spoiled(past, node, err);
	return r < 0 ? r : !r;
}
