#include "fs/repo/prune_internal.h"

#include <unistd.h>

#define HEAD_FIRST (64u << 10)	/* most heads are shorter */

struct lean {
	struct prune *prune;
	struct prune_pack *pack;	/* NULL: came after the catalog was frozen */
	uint32_t number;
	const char *path;
	int fd;
};

/* 1: marked, or of no row; 0: not. */
static int is_marked(struct mark *mark, const struct id *id, struct err *err)
{
	struct place places[PLACES_MAX];
	uint64_t rows[PLACES_MAX];
	size_t count = 0;
	int r = catalog_find_rows(mark->frozen, id, places, rows, PLACES_MAX,
				  &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (mark_has(mark, rows[i]))
			return 1;
	return r < 0 ? r : count == 0;
}

static int lean_on(struct lean *lean, const struct id *id, struct err *err)
{
	struct mark *mark = &lean->prune->mark;
	int r = is_marked(mark, id, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (lean->pack)
		lean->pack->lonely = true;
	r = mark_chunk(mark, id, err);
	return r < 0 ? r : mark_flush(mark, err);
}

static int read_head(struct lean *lean, uint32_t offset, uint32_t len,
		     struct buf *raw, struct block_head *ret, struct err *err)
{
	int r;

	buf_clear(raw);
	if (buf_reserve(raw, len) < 0)
		return err_nomem(err);
	r = disk_read(&lean->prune->repo->dir, lean->path, lean->fd, offset,
		      raw->data, len, err);
	raw->len = len;
	return r < 0 ? r : block_parse_head(buf_span(raw), ret, err);
}

static int lean_block(struct lean *lean, uint32_t offset, uint32_t stored,
		      struct err *err)
{
	OWNED_BUF struct buf raw = BUF_INIT;
	struct block_head head;
	int r = read_head(lean, offset, stored < HEAD_FIRST ? stored :
			  HEAD_FIRST, &raw, &head, err);

	if (r == -ENODATA)
		r = read_head(lean, offset, stored, &raw, &head, err);
	for (uint32_t i = 0; r == 0 && i < head.prefix_count; i++) {
		struct id id;

		id_from_disk(head.prefixes.data + (size_t)i * ID_BYTES, &id);
		r = lean_on(lean, &id, err);
	}
	return r;
}

/* Is an object marked in the block whose entries begin at from?  All of a pack
 * that came later are taken to be. */
static int block_lives(struct lean *lean, const struct pack_index *index,
		       size_t from, struct err *err)
{
	struct mark *mark = &lean->prune->mark;
	int r = lean->pack ? 0 : 1;

	for (size_t i = from; r == 0 && i < index->count &&
	     index->entries[i].block == index->entries[from].block; i++) {
		struct place places[PLACES_MAX];
		uint64_t rows[PLACES_MAX];
		size_t count = 0;

		r = catalog_find_rows(mark->frozen, &index->entries[i].id,
				      places, rows, PLACES_MAX, &count, err);
		for (size_t k = 0; r == 0 && k < count; k++)
			if (places[k].pack == lean->number &&
			    mark_has(mark, rows[k]))
				r = 1;
	}
	return r;
}

static int lean_blocks(struct lean *lean, const struct pack_index *index,
		       struct err *err)
{
	size_t entry = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < index->block_count; i++) {
		size_t from = entry;

		while (entry < index->count &&
		       index->entries[entry].block == index->blocks[i])
			entry++;
		if (index->codecs[i] != BLOCK_ZSTD_PREFIX || entry == from)
			continue;
		r = block_lives(lean, index, from, err);
		if (r == 1)
			r = lean_block(lean, index->blocks[i],
				       index->stored[i], err);
	}
	return r < 0 ? r : 0;
}

static int lean_pack(void *arg, const struct catalog_pack *row,
		     struct err *err)
{
	struct prune *prune = arg;
	struct lean lean = { .prune = prune, .number = row->number,
			     .pack = plan_find(prune, row->number) };
	struct pack_index index = { 0 };
	struct pack_name name;
	char path[PACK_PATH];
	int r;

	if (lean.pack && lean.pack->gone)
		return 0;
	memcpy(name.b, row->name, PACK_NAME);
	pack_path(&name, path);
	lean.path = path;
	r = disk_open_read(&prune->repo->dir, path, &lean.fd, err);
	if (r < 0)
		return err_wrap(err, "cannot tell what a pack leans on, so "
				"nothing is removed");
	r = pack_read_index(&prune->repo->dir, &name, &index, err);
	if (r == 0)
		r = lean_blocks(&lean, &index, err);
	pack_index_release(&index);
	close(lean.fd);
	return r < 0 ? err_wrap(err, "cannot tell what a pack leans on, so "
				"nothing is removed") : 0;
}

int lean_mark(struct prune *prune, struct err *err)
{
	return catalog_each_leaning(prune->repo->catalog, lean_pack, prune,
				    err);
}
