#include "fs/tree/damage_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/tree/content_list.h"
#include "fs/tree/index.h"

#define QUEUE_FIRST 64

void finder_release(struct finder *finder)
{
	id_set_release(&finder->clean);
	free(finder->item);
	buf_release(&finder->names);
	buf_release(&finder->path);
}

static bool is_damage(int r)
{
	return r == -EBADMSG || r == -EIO;
}

static void note_id(struct finder *finder, const struct id *id)
{
	for (size_t i = 0; i < finder->count; i++)
		if (id_equal(&finder->ids[i], id))
			return;
	if (finder->count < DAMAGE_KEYS_MAX)
		finder->ids[finder->count++] = *id;
	else
		finder->more = true;
}

static void begin_ids(struct finder *finder)
{
	finder->count = 0;
	finder->more = false;
}

/* The object of id, held; 1: it cannot be read, and is noted. */
static int hold(struct finder *finder, const struct id *id, struct held *ret,
		struct err *err)
{
	struct err why = ERR_INIT;
	int r = id_set_has(finder->bad, id) ? -EBADMSG :
		getter_get(&finder->getter, id, ret, &why);

	if (is_damage(r)) {
		note_id(finder, id);
		r = id_set_add(finder->bad, id, err);
		return r < 0 ? r : 1;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

/* An object that holds what it should not: nothing but damage made it so. */
static int spoiled(struct finder *finder, const struct id *id,
		   struct err *err)
{
	int r = id_set_add(finder->bad, id, err);

	note_id(finder, id);
	return r < 0 ? r : 1;
}

/* 1: no copy of this chunk can be read, as far as is known. */
static int is_bad_chunk(struct finder *finder, const struct id *id,
			struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct place place;
	int r;

	if (id_set_has(finder->bad, id))
		return 1;
	if (!finder->prove || id_set_has(&finder->clean, id))
		return 0;
	r = repo_locate(finder->repo, id, &place, NULL);
	if (r == 0 && !bits_has(finder->prove, place.pack))
		return 0;
	if (r == 0)
		r = repo_get(finder->repo, id, &held, NULL);
	if (r == -ENOMEM)
		return err_nomem(err);
	r = id_set_add(r == 0 ? &finder->clean : finder->bad, id, err) < 0 ?
		-ENOMEM : r < 0;
	return r;
}

/*
 * Objects under one another, whatever they mean.
 */

struct queue {
	struct id *id;
	size_t count, cap;
};

static int queue_add(struct queue *queue, const struct id *id,
		     struct err *err)
{
	if (queue->count == queue->cap) {
		size_t cap = queue->cap ? 2 * queue->cap : QUEUE_FIRST;
		void *more = reallocarray(queue->id, cap, sizeof(*queue->id));

		if (!more)
			return err_nomem(err);
		queue->id = more;
		queue->cap = cap;
	}
	queue->id[queue->count++] = *id;
	return 0;
}

static int look_at_refs(struct finder *finder, struct queue *queue,
			struct span bytes, struct err *err)
{
	struct object_in in;
	int r = object_parse(bytes, &in, err);

	for (uint32_t i = 0; r == 0 && i < in.count; i++) {
		enum object_type type;
		struct id id;

		object_get_any(&in, i, &type, &id);
		if (type != OBJECT_CHUNK && !id_set_has(&finder->clean, &id))
			r = queue_add(queue, &id, err);
		if (type != OBJECT_CHUNK || r < 0)
			continue;
		r = is_bad_chunk(finder, &id, err);
		if (r > 0)
			note_id(finder, &id);
		r = r > 0 ? 0 : r;
	}
	return r;
}

/* All under top and itself; finder->count tells what cannot be read. */
static int look_below(struct finder *finder, const struct id *top,
		      struct err *err)
{
	struct queue queue = { .id = NULL };
	size_t before = finder->count;
	int r = 0;

	if (!id_is_none(top) && !id_set_has(&finder->clean, top))
		r = queue_add(&queue, top, err);
	for (size_t i = 0; r == 0 && i < queue.count; i++) {
		OWNED_HELD struct held held = HELD_INIT;
		struct id id = queue.id[i];

		r = hold(finder, &id, &held, err);
		if (r == 0)
			r = look_at_refs(finder, &queue, held.bytes, err);
		if (is_damage(r))
			r = spoiled(finder, &id, err);
		r = r > 0 ? 0 : r;
	}
	for (size_t i = 0; r == 0 && finder->count == before &&
	     !finder->more && i < queue.count; i++) {
		r = id_set_add(&finder->clean, &queue.id[i], err);
		r = r > 0 ? 0 : r;
	}
	free(queue.id);
	return r;
}

/*
 * Entries.
 */

/* Where in the file the first of it is; 0 where it can be read by now. */
static uint64_t first_bad_byte(struct finder *finder,
			       const struct entry *entry)
{
	OWNED_CURSOR struct cursor cursor = { .depth = 0 };
	struct extent extent;
	uint64_t at = 0;
	int r = cursor_seek(&cursor, &finder->getter, &entry->content,
			    entry->size, 0, NULL);

	while (r == 0 && (r = cursor_next(&cursor, SKIP_HOLES, &extent, &at,
					  NULL)) > 0) {
		if (extent.type == EXTENT_CHUNK &&
		    id_set_has(finder->bad, &extent.id))
			return at;
		at += extent.len;
		r = 0;
	}
	return r < 0 ? at : 0;
}

static int look_at_bytes(struct finder *finder, const struct entry *entry,
			 const char *path, bool *dirty, struct err *err)
{
	const struct content *content = &entry->content;
	char words[96];
	int r = 0;

	begin_ids(finder);
	for (unsigned i = 0; r >= 0 && i < content->count; i++) {
		if (content->extent[i].type != EXTENT_CHUNK)
			continue;
		r = is_bad_chunk(finder, &content->extent[i].id, err);
		if (r > 0)
			note_id(finder, &content->extent[i].id);
	}
	if (r >= 0)
		r = look_below(finder, &content->list, err);
	if (r < 0 || finder->count == 0)
		return r;
	*dirty = true;
	snprintf(words, sizeof(words), "its bytes, from byte %" PRIu64 " of %"
		 PRIu64 " on", first_bad_byte(finder, entry), entry->size);
	return finder->tell(finder, DAMAGE_FILE, path, words, err);
}

static int look_at_xattrs(struct finder *finder, const struct entry *entry,
			  const char *path, bool *dirty, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < entry->xattr_count; i++) {
		const struct xattr *xattr = &entry->xattrs[i];
		char words[XATTR_NAME_MAX + 32];

		if (id_is_none(&xattr->chunk))
			continue;
		r = is_bad_chunk(finder, &xattr->chunk, err);
		if (r <= 0)
			continue;
		begin_ids(finder);
		note_id(finder, &xattr->chunk);
		*dirty = true;
		snprintf(words, sizeof(words), "its attribute '%.*s'",
			 (int)xattr->name.len, (const char *)xattr->name.data);
		r = finder->tell(finder, DAMAGE_XATTR, path, words, err);
	}
	return r;
}

/*
 * Directories: a stack of pages and indexes, each met twice, before and
 * behind what is below it.
 */

static int push(struct finder *finder, const struct id *id, unsigned levels,
		size_t above, struct span name, struct span first,
		struct span end, struct err *err)
{
	if (finder->depth == finder->cap) {
		size_t cap = finder->cap ? 2 * finder->cap : 64;
		void *more = reallocarray(finder->item, cap,
					  sizeof(*finder->item));

		if (!more)
			return err_nomem(err);
		finder->item = more;
		finder->cap = cap;
	}
	finder->item[finder->depth++] = (struct damage_item){
		.id = *id, .above = above, .levels = levels,
		.name_at = finder->names.len,
	};
	buf_append(&finder->names, name.data, name.len);
	buf_u8(&finder->names, 0);
	buf_append(&finder->names, first.data, first.len);
	buf_u8(&finder->names, 0);
	buf_append(&finder->names, end.data, end.len);
	buf_u8(&finder->names, 0);
	return buf_check(&finder->names, err);
}

static const char *name_of(const struct finder *finder, size_t i)
{
	return (const char *)finder->names.data + finder->item[i].name_at;
}

static int put_path(struct finder *finder, size_t i, struct span last,
		    const char **ret, struct err *err)
{
	size_t chain[DEPTH_MAX + 2], n = 0;
	struct buf *path = &finder->path;

	for (; n < DEPTH_MAX + 2; i = finder->item[i].above) {
		if (*name_of(finder, i))
			chain[n++] = i;
		if (finder->item[i].above == i)
			break;
	}
	buf_clear(path);
	while (n > 0) {
		const char *name = name_of(finder, chain[--n]);

		buf_append(path, name, strlen(name));
		if (n > 0 || last.len > 0)
			buf_u8(path, '/');
	}
	buf_append(path, last.data, last.len);
	*ret = buf_str(path);
	return *ret ? 0 : err_nomem(err);
}

static int tell_dir(struct finder *finder, size_t i, struct err *err)
{
	const char *first = name_of(finder, i), *end, *path;
	char words[2 * NAME_BYTES_MAX + 64];
	int r = put_path(finder, i, span_str(""), &path, err);

	first = name_of(finder, i);
	first += strlen(first) + 1;
	end = first + strlen(first) + 1;
	if (!*first)
		snprintf(words, sizeof(words), "everything below it");
	else if (!*end)
		snprintf(words, sizeof(words), "everything below it from '%s' "
			 "on", first);
	else
		snprintf(words, sizeof(words), "everything below it from '%s' "
			 "to before '%s'", first, end);
	return r < 0 ? r : finder->tell(finder, DAMAGE_DIR, path, words, err);
}

static int enter_index(struct finder *finder, size_t i, struct span bytes,
		       struct err *err)
{
	CLEANUP(index_release) struct index_in index = { .count = 0 };
	unsigned level = finder->item[i].levels;
	int r = index_parse(bytes, level, &index, err);

	for (uint32_t k = index.count; r == 0 && k-- > 0;) {
		struct span end = span_of(NULL, 0);

		if (k + 1 < index.count)
			end = index_first(&index, k + 1);
		if (!id_set_has(&finder->clean, &index.ids[k]))
			r = push(finder, &index.ids[k], level - 1, i,
				 span_str(""), index_first(&index, k), end,
				 err);
	}
	return r;
}

static int look_at_entry(struct finder *finder, size_t i,
			 const struct entry *entry, struct err *err)
{
	const char *path;
	bool dirty = false;
	int r = 0;

	if (entry->type != ENTRY_FILE && entry->xattr_count == 0)
		return 0;
	r = put_path(finder, i, entry->name, &path, err);
	if (r == 0 && entry->type == ENTRY_FILE)
		r = look_at_bytes(finder, entry, path, &dirty, err);
	if (r == 0)
		r = look_at_xattrs(finder, entry, path, &dirty, err);
	finder->item[i].dirty |= dirty;
	return r;
}

static int push_dir(struct finder *finder, size_t above,
		    const struct entry *entry, struct err *err)
{
	struct span none = span_of(NULL, 0);

	if (entry->type != ENTRY_DIR || id_is_none(&entry->tree) ||
	    id_set_has(&finder->clean, &entry->tree))
		return 0;
	return push(finder, &entry->tree, entry->tree_levels, above,
		    entry->name, none, none, err);
}

static int enter_page(struct finder *finder, size_t i, struct span bytes,
		      struct err *err)
{
	CLEANUP(page_release) struct page page = { .count = 0 };
	int r = page_parse(bytes, OBJECT_PAGE, &page, err);

	for (uint32_t k = 0; r == 0 && k < page.count; k++)
		r = look_at_entry(finder, i, &page.entries[k], err);
	for (uint32_t k = page.count; r == 0 && k-- > 0;)
		r = push_dir(finder, i, &page.entries[k], err);
	return r;
}

static int enter(struct finder *finder, size_t i, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct id id = finder->item[i].id;
	int r;

	finder->item[i].entered = true;
	begin_ids(finder);
	r = hold(finder, &id, &held, err);
	if (r == 0)
		r = finder->item[i].levels ?
			enter_index(finder, i, held.bytes, err) :
			enter_page(finder, i, held.bytes, err);
	if (is_damage(r)) {
		begin_ids(finder);
		finder->depth = i + 1;
		r = spoiled(finder, &id, err);
	}
	if (r <= 0)
		return r;
	finder->item[i].dirty = true;
	return tell_dir(finder, i, err);
}

static int leave(struct finder *finder, size_t i, struct err *err)
{
	struct damage_item *item = &finder->item[i];
	int r = 0;

	if (item->dirty)
		finder->item[item->above].dirty = true;
	else
		r = id_set_add(&finder->clean, &item->id, err);
	finder->names.len = item->name_at;
	finder->depth--;
	return r < 0 ? r : 0;
}

static int walk_dirs(struct finder *finder, const struct entry *root,
		     struct err *err)
{
	int r = push_dir(finder, 0, root, err);

	while (r == 0 && finder->depth > 0) {
		size_t i = finder->depth - 1;

		r = finder->item[i].entered ? leave(finder, i, err) :
					      enter(finder, i, err);
	}
	return r;
}

static int walk_tree(struct finder *finder, const struct id *root,
		     struct err *err)
{
	CLEANUP(page_release) struct page page = { .count = 0 };
	OWNED_HELD struct held held = HELD_INIT;
	bool dirty = false;
	int r;

	finder->depth = 0;
	buf_clear(&finder->names);
	begin_ids(finder);
	r = hold(finder, root, &held, err);
	if (r == 0)
		r = page_parse(held.bytes, OBJECT_ROOT, &page, err);
	if (is_damage(r))
		r = spoiled(finder, root, err);
	if (r > 0)
		return finder->tell(finder, DAMAGE_DIR, "",
				    "everything below it", err);
	if (r == 0)
		r = look_at_xattrs(finder, &page.entries[0], "", &dirty, err);
	return r < 0 ? r : walk_dirs(finder, &page.entries[0], err);
}

int finder_walk(struct finder *finder, struct err *err)
{
	const struct record *record = &finder->snapshot->record;
	const struct {
		const struct id *top;
		enum damage_part part;
		const char *words;
	} parts[] = {
		{ &record->links, DAMAGE_LINKS, "the map of its hard links, "
		  "without which it may not be listed" },
		{ &record->view, DAMAGE_VIEW, "its original stream" },
		{ &record->notes, DAMAGE_NOTES, "the warnings of the add" },
		{ &record->rows, DAMAGE_ROWS, "the rows that 'varve sql' "
		  "shows of it" },
		{ &record->origin, DAMAGE_ORIGIN, "what the next add would "
		  "compare with" },
	};
	int r = walk_tree(finder, &record->root, err);

	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(*parts); i++) {
		begin_ids(finder);
		r = look_below(finder, parts[i].top, err);
		if (r == 0 && finder->count > 0)
			r = finder->tell(finder, parts[i].part, "",
					 parts[i].words, err);
	}
	return r;
}
