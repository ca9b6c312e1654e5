/* sink_times: files that are as they were keep the time they had. */
#include "indexer/sink_internal.h"

#include <stdlib.h>

void sink_keep_times(struct sink *sink)
{
	sink->keep_times = true;
}

struct stamp sink_last_mtime(const struct sink *sink)
{
	return sink->last_mtime;
}

void sink_times_begin(struct sink *sink, const struct item *item)
{
	const struct entry *e = &item->entry;

	sink->last_mtime = e->mtime;
	sink->may_keep = sink->keep_times && sink->previous &&
			 e->type == ENTRY_FILE && !item->group &&
			 !item->has_origin && !e->xattr_count &&
			 !e->uname.len && !e->gname.len;
	if (sink->may_keep)
		sink->timed = *item;
}

/* The key as a path; NULL: no memory. */
static char *path_of(struct span key)
{
	char *path = key.len ? malloc(key.len) : NULL;

	if (!path)
		return NULL;
	memcpy(path, key.data, key.len);
	for (size_t i = 0; i + 1 < key.len; i++)
		if (!path[i])
			path[i] = '/';
	return path;
}

static bool is_as_it_was(const struct entry *was, const struct entry *is,
			 const struct content *content, uint64_t size)
{
	return was->type == ENTRY_FILE && was->mode == is->mode &&
	       was->uid == is->uid && was->gid == is->gid &&
	       was->flags == is->flags && !was->xattr_count &&
	       !was->uname.len && !was->gname.len && was->size == size &&
	       content_equal(&was->content, content) &&
	       stamp_cmp(was->mtime, is->mtime) < 0;
}

int sink_find_former(void *arg, struct getter *ret_getter, struct node *ret)
{
	CLEANUP(free_ptr) char *path = NULL;
	struct sink *sink = arg;

	if (!sink->previous || sink->aside)
		return -ENOENT;
	path = path_of(buf_span(&sink->key));
	if (!path)
		return -ENOMEM;
	*ret_getter = tree_getter(sink->previous);
	return tree_find(sink->previous, path, ret, NULL);
}

void sink_times_end(struct sink *sink, const struct content *content,
		    uint64_t size)
{
	CLEANUP(free_ptr) char *path = NULL;
	OWNED_NODE struct node node = NODE_INIT;
	struct item *item = &sink->timed;

	if (!sink->may_keep)
		return;
	sink->may_keep = false;
	path = path_of(buf_span(&sink->key));
	/* One that cannot be read is none. */
	if (!path || tree_find(sink->previous, path, &node, NULL) < 0 ||
	    !is_as_it_was(&node.entry, &item->entry, content, size))
		return;
	sink->last_mtime = item->entry.mtime = node.entry.mtime;
	buf_clear(&sink->item);
	item_write_begin(item, &sink->item);
}
