#include "fs/out/mount_internal.h"

#include <stdlib.h>

void names_free(struct names *names)
{
	if (!names)
		return;
	buf_release(&names->text);
	free(names->dirs);
	free(names->dir_slots);
	free(names->dirs_by_key);
	free(names->snaps);
	free(names->children);
	free(names->by_name);
	free(names);
}

const char *names_text(const struct names *names, uint32_t at)
{
	return (const char *)names->text.data + at;
}

fuse_ino_t names_dir_ino(const struct names_dir *dir, enum area area)
{
	return ino_virtual(area, dir->key, dir->depth);
}

fuse_ino_t names_child_ino(const struct names *names,
			   const struct names_child *child)
{
	const struct names_snap *snap;

	if (child->kind == CHILD_DIR)
		return names_dir_ino(&names->dirs[child->index], child->area);
	snap = &names->snaps[child->index];
	if (child->kind == CHILD_LATEST)
		return ino_virtual(VIRTUAL_LATEST, snap->number, 0);
	if (child->area == AREA_ORIGINAL)
		return ino_virtual(VIRTUAL_ORIGINAL, snap->number, 0);
	if (child->area == AREA_INFO)
		return ino_virtual(VIRTUAL_INFO, snap->number, 0);
	return ino_tree(snap->number, 0);
}

const struct names_dir *names_dir(const struct names *names, enum area area,
				  uint64_t key, unsigned depth)
{
	uint32_t low = 0, high = names->dir_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct names_dir *dir =
			&names->dirs[names->dirs_by_key[middle]];

		if (dir->depth == depth && dir->key == key)
			return depth == 0 || dir->in[area].live > 0 ? dir :
								      NULL;
		if (dir->depth < depth ||
		    (dir->depth == depth && dir->key < key))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct names_snap *names_snap(const struct names *names,
				    uint64_t number)
{
	uint32_t low = 0, high = names->snap_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct names_snap *snap = &names->snaps[middle];

		if (snap->number == number)
			return snap->hidden ? NULL : snap;
		if (snap->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct names_child *names_find(const struct names *names,
				     enum area area,
				     const struct names_dir *dir,
				     const char *name)
{
	uint32_t low = dir->in[area].first;
	uint32_t high = low + dir->in[area].count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct names_child *child =
			&names->children[names->by_name[middle]];
		int order = strcmp(names_text(names, child->name), name);

		if (order == 0)
			return child;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct names_child *names_after(const struct names *names,
				      enum area area,
				      const struct names_dir *dir,
				      uint64_t cookie)
{
	uint32_t low = dir->in[area].first;
	uint32_t high = low + dir->in[area].count;
	uint32_t end = high;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (names->children[middle].cookie <= cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end ? &names->children[low] : NULL;
}
