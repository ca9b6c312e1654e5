#include "indexer/dir_internal.h"

#include <stdlib.h>

#include "indexer/item.h"

static size_t slot_of(const struct links *links, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

	return (size_t)(h >> 32) & (links->slot_count - 1);
}

void links_release(struct links *links)
{
	for (size_t i = 0; i < links->slot_count; i++) {
		while (links->slots[i]) {
			struct link_file *next = links->slots[i]->next;

			free(links->slots[i]);
			links->slots[i] = next;
		}
	}
	free(links->slots);
	*links = (struct links){ .count = 0 };
}

struct link_file *links_find(const struct links *links,
			     const struct stat *st)
{
	struct link_file *file;

	if (links->slot_count == 0)
		return NULL;
	file = links->slots[slot_of(links, st->st_dev, st->st_ino)];
	while (file && (file->dev != st->st_dev || file->ino != st->st_ino))
		file = file->next;
	return file;
}

static int grow(struct links *links, struct err *err)
{
	struct links wider = {
		.slot_count = links->slot_count ? 2 * links->slot_count : 256,
		.count = links->count,
		.groups = links->groups,
	};

	if (links->count < links->slot_count)
		return 0;
	wider.slots = calloc(wider.slot_count, sizeof(struct link_file *));
	if (!wider.slots)
		return err_nomem(err);
	for (size_t i = 0; i < links->slot_count; i++) {
		while (links->slots[i]) {
			struct link_file *file = links->slots[i];
			size_t to = slot_of(&wider, file->dev, file->ino);

			links->slots[i] = file->next;
			file->next = wider.slots[to];
			wider.slots[to] = file;
		}
	}
	free(links->slots);
	*links = wider;
	return 0;
}

int links_add(struct links *links, const struct stat *st, uint64_t group,
	      const struct content *content, uint64_t size, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct link_file *file;
	size_t to;
	int r = grow(links, err);

	item_write_content(content, &bytes);
	if (r == 0)
		r = buf_check(&bytes, err);
	if (r < 0)
		return r;
	file = malloc(sizeof(*file) + bytes.len);
	if (!file)
		return err_nomem(err);
	to = slot_of(links, st->st_dev, st->st_ino);
	*file = (struct link_file){
		.next = links->slots[to],
		.dev = st->st_dev,
		.ino = st->st_ino,
		.group = group,
		.left = st->st_nlink - 1,
		.size = size,
		.mtime = { st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec },
		.content_len = bytes.len,
	};
	memcpy(file->content, bytes.data, bytes.len);
	links->slots[to] = file;
	links->count++;
	return 0;
}

void links_seen(struct links *links, struct link_file *file)
{
	struct link_file **at;

	if (--file->left > 0)
		return;
	at = &links->slots[slot_of(links, file->dev, file->ino)];
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	free(file);
	links->count--;
}
