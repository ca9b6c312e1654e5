#include "indexer/rocks_tree.h"

#define BATCH 256

typedef int each_name(void *each_arg, const char *name, bool dir,
		      uint64_t size, struct err *err);

static int tell(const struct entry *entry, each_name *each, void *each_arg,
		struct err *err)
{
	char name[NAME_BYTES_MAX + 1];

	memcpy(name, entry->name.data, entry->name.len);
	name[entry->name.len] = '\0';
	return each(each_arg, name, entry->type != ENTRY_FILE, entry->size,
		    err);
}

static int list_names(void *arg, each_name *each, void *each_arg,
		      struct err *err)
{
	struct rocks_tree *place = arg;
	struct node nodes[BATCH];
	uint64_t index = 0;
	size_t count = 0;
	int r = 0;

	memset(nodes, 0, sizeof(nodes));
	do {
		int told = 0;

		r = tree_list(place->tree, &place->dir, index, nodes, BATCH,
			      &count, err);
		for (size_t i = 0; r >= 0 && i < count; i++) {
			if (told == 0)
				told = tell(&nodes[i].entry, each, each_arg,
					    err);
			node_release(&nodes[i]);
		}
		if (r >= 0)
			r = told;
		index += count;
	} while (r == 0 && count > 0);
	return r;
}

static int read_bytes(void *arg, const char *name, uint64_t offset, void *out,
		      size_t len, size_t *ret_len, struct err *err)
{
	struct rocks_tree *place = arg;
	struct getter getter = tree_getter(place->tree);
	const struct entry *e = &place->file.entry;
	int r = 0;

	if (!place->file.page || !span_equal(e->name, span_str(name))) {
		node_release(&place->file);
		r = tree_child(place->tree, &place->dir, span_str(name),
			       &place->file, err);
	}
	if (r < 0)
		return r;
	*ret_len = 0;
	if (offset >= e->size)
		return 0;
	r = content_read_into(&getter, &e->content, e->size, offset, out, len,
			      ret_len, err);
	return r < 0 ? err_wrap(err, "cannot read '%s'", name) : 0;
}

void rocks_tree_init(struct rocks_tree *ret, struct tree *tree,
		     const struct node *dir)
{
	*ret = (struct rocks_tree){
		.source = { list_names, read_bytes, ret },
		.tree = tree,
	};
	node_copy(dir, &ret->dir);
}

void rocks_tree_release(struct rocks_tree *place)
{
	node_release(&place->file);
	node_release(&place->dir);
}
