#include "indexer/rocksdb/rocks_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Numbers to places. */

static size_t slot_of(const struct number_map *map, uint64_t number)
{
	/* Numbers are drawn one after the other; this spreads them. */
	size_t i = (size_t)(number * 0x9e3779b97f4a7c15u >> 20) &
		   (map->room - 1);

	while (map->key[i] && map->key[i] != number)
		i = (i + 1) & (map->room - 1);
	return i;
}

static bool map_get(const struct number_map *map, uint64_t number,
		    uint32_t *ret)
{
	size_t i;

	if (map->room == 0)
		return false;
	i = slot_of(map, number);
	if (map->key[i] == 0)
		return false;
	*ret = map->place[i];
	return true;
}

static int map_widen(struct number_map *map, struct err *err)
{
	struct number_map wide = { .room = map->room ? 2 * map->room : 64 };

	wide.key = calloc(wide.room, sizeof(*wide.key));
	wide.place = calloc(wide.room, sizeof(*wide.place));
	if (!wide.key || !wide.place) {
		number_map_release(&wide);
		return err_nomem(err);
	}
	for (size_t i = 0; i < map->room; i++) {
		size_t to;

		if (!map->key[i])
			continue;
		to = slot_of(&wide, map->key[i]);
		wide.key[to] = map->key[i];
		wide.place[to] = map->place[i];
	}
	wide.count = map->count;
	number_map_release(map);
	*map = wide;
	return 0;
}

/* number is not 0. */
static int map_put(struct number_map *map, uint64_t number, uint32_t place,
		   struct err *err)
{
	size_t i;
	int r;

	if (2 * (map->count + 1) > map->room) {
		r = map_widen(map, err);
		if (r < 0)
			return r;
	}
	i = slot_of(map, number);
	if (map->key[i] == 0)
		map->count++;
	map->key[i] = number;
	map->place[i] = place;
	return 0;
}

/* What stood behind it moves up, so that no search ends too early. */
static void map_remove(struct number_map *map, uint64_t number)
{
	size_t mask = map->room - 1;
	size_t hole = slot_of(map, number);

	if (map->key[hole] == 0)
		return;
	map->key[hole] = 0;
	map->count--;
	for (size_t i = (hole + 1) & mask; map->key[i]; i = (i + 1) & mask) {
		uint64_t key = map->key[i];
		uint32_t place = map->place[i];
		size_t to;

		map->key[i] = 0;
		to = slot_of(map, key);
		map->key[to] = key;
		map->place[to] = place;
	}
}

void number_map_release(struct number_map *map)
{
	free(map->key);
	free(map->place);
	memset(map, 0, sizeof(*map));
}

/* Families, sorted by id; one that was dropped stays until the end, as ids
 * are not used again. */

static size_t family_place(const struct rocks *rocks, uint32_t id)
{
	size_t lo = 0, hi = rocks->family_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rocks->families[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct rocks_family *family_any(const struct rocks *rocks, uint32_t id)
{
	size_t i = family_place(rocks, id);

	return i < rocks->family_count && rocks->families[i].id == id ?
	       &rocks->families[i] : NULL;
}

static struct rocks_family *family_of(const struct rocks *rocks, uint32_t id)
{
	struct rocks_family *family = family_any(rocks, id);

	return family && !family->dropped ? family : NULL;
}

const struct rocks_family *rocks_family(const struct rocks *rocks,
					uint32_t id)
{
	return family_of(rocks, id);
}

static int family_add(struct rocks *rocks, uint32_t id, struct span name,
		      const char **why, struct err *err)
{
	struct rocks_family family = { .id = id };
	size_t at = family_place(rocks, id);
	int r;

	if (family_any(rocks, id)) {
		*why = "a column family is added that was there";
		return 0;
	}
	r = rocks_grow((void **)&rocks->families, &rocks->own->family_room,
		       rocks->family_count, sizeof(family),
		       ROCKS_FAMILIES_MAX, err);
	if (r == 0)
		r = rocks_keep(rocks, name, &family.name, err);
	if (r < 0)
		return r;
	memmove(rocks->families + at + 1, rocks->families + at,
		(rocks->family_count - at) * sizeof(family));
	rocks->families[at] = family;
	rocks->family_count++;
	if (id > rocks->max_family)
		rocks->max_family = id;
	return 0;
}

static void family_drop(struct rocks *rocks, uint32_t id, const char **why)
{
	if (id == 0)
		*why = "the default column family is dropped";
	else
		family_of(rocks, id)->dropped = true;
}

/* Tables lie in their array in no order; the last one takes the place of one
 * that goes. */
static void table_remove(struct rocks *rocks, uint32_t place)
{
	struct number_map *map = &rocks->own->tables;
	uint32_t last = (uint32_t)rocks->file_count - 1;

	map_remove(map, rocks->files[place].number);
	rocks->file_count--;
	if (place == last)
		return;
	rocks->files[place] = rocks->files[last];
	map->place[slot_of(map, rocks->files[place].number)] = place;
}

static int table_add(struct rocks *rocks, const struct rocks_file *added,
		     uint32_t family, const char **why, struct err *err)
{
	struct rocks_file file = *added;
	uint32_t place;
	int r;

	if (map_get(&rocks->own->tables, file.number, &place)) {
		*why = "a table is added that is there";
		return 0;
	}
	file.family = family;
	r = rocks_grow((void **)&rocks->files, &rocks->own->file_room,
		       rocks->file_count, sizeof(file), ROCKS_LIVE_MAX, err);
	if (r == 0)
		r = rocks_keep(rocks, added->smallest.user,
			       &file.smallest.user, err);
	if (r == 0)
		r = rocks_keep(rocks, added->largest.user, &file.largest.user,
			       err);
	if (r == 0)
		r = rocks_keep(rocks, added->checksum, &file.checksum, err);
	if (r == 0)
		r = rocks_keep(rocks, added->checksum_name,
			       &file.checksum_name, err);
	if (r == 0)
		r = map_put(&rocks->own->tables, file.number,
			    (uint32_t)rocks->file_count, err);
	if (r == 0)
		rocks->files[rocks->file_count++] = file;
	return r;
}

static int apply_tables(struct rocks *rocks, const struct edit *edit,
			const char **why, struct err *err)
{
	int r = 0;

	/* First what goes: a table may go from one level to another. */
	for (size_t i = 0; i < edit->deleted_count && !*why; i++) {
		const struct edit_deleted *d = &edit->deleted[i];
		uint32_t place;

		if (!map_get(&rocks->own->tables, d->number, &place) ||
		    rocks->files[place].level != d->level ||
		    rocks->files[place].family != edit->family)
			*why = "a table is deleted that is not there";
		else
			table_remove(rocks, place);
	}
	for (size_t i = 0; r == 0 && i < edit->added_count && !*why; i++)
		r = table_add(rocks, &edit->added[i], edit->family, why, err);
	return r;
}

static int apply_blobs(struct rocks *rocks, const struct edit *edit,
		       const char **why, struct err *err)
{
	struct number_map *map = &rocks->own->blob_files;
	uint32_t place;
	int r = 0;

	for (size_t i = 0; r == 0 && i < edit->blob_count && !*why; i++) {
		struct rocks_blob blob = edit->blobs[i];

		blob.family = edit->family;
		blob.size = blob.bytes + BLOB_HEADER + BLOB_FOOTER;
		if (map_get(map, blob.number, &place)) {
			*why = "a blob file is added that is there";
			return 0;
		}
		r = rocks_grow((void **)&rocks->blobs, &rocks->own->blob_room,
			       rocks->blob_count, sizeof(blob),
			       ROCKS_LIVE_MAX, err);
		if (r == 0)
			r = map_put(map, blob.number,
				    (uint32_t)rocks->blob_count, err);
		if (r == 0)
			rocks->blobs[rocks->blob_count++] = blob;
	}
	for (size_t i = 0; r == 0 && i < edit->garbage_count && !*why; i++) {
		const struct rocks_blob *g = &edit->garbage[i];
		struct rocks_blob *blob;

		if (!map_get(map, g->number, &place)) {
			*why = "a blob file has garbage that is not there";
			break;
		}
		blob = &rocks->blobs[place];
		if (g->count > blob->count - blob->garbage_count ||
		    g->bytes > blob->bytes - blob->garbage_bytes) {
			*why = "a blob file has more garbage than blobs";
			break;
		}
		blob->garbage_count += g->count;
		blob->garbage_bytes += g->bytes;
	}
	return r;
}

/* Sorted by number. */
static int wal_put(struct rocks *rocks, const struct edit_wal *added,
		   struct err *err)
{
	struct rocks_wal wal = { .number = added->number, .needed = true,
				 .synced = added->synced };
	size_t at = rocks->wal_count;
	int r;

	while (at > 0 && rocks->wals[at - 1].number >= wal.number)
		at--;
	if (at < rocks->wal_count && rocks->wals[at].number == wal.number) {
		rocks->wals[at] = wal;
		return 0;
	}
	r = rocks_grow((void **)&rocks->wals, &rocks->own->wal_room,
		       rocks->wal_count, sizeof(wal), ROCKS_WALS_MAX, err);
	if (r < 0)
		return r;
	memmove(rocks->wals + at + 1, rocks->wals + at,
		(rocks->wal_count - at) * sizeof(wal));
	rocks->wals[at] = wal;
	rocks->wal_count++;
	return 0;
}

static int apply_wals(struct rocks *rocks, const struct edit *edit,
		      struct err *err)
{
	struct rocks_own *own = rocks->own;
	size_t gone = 0;
	int r = 0;

	if (edit->has_wal_deletion && edit->wals_before > own->wals_from)
		own->wals_from = edit->wals_before;
	for (size_t i = 0; r == 0 && i < edit->wal_count; i++)
		if (edit->wals[i].number >= own->wals_from)
			r = wal_put(rocks, &edit->wals[i], err);
	while (gone < rocks->wal_count &&
	       rocks->wals[gone].number < own->wals_from)
		gone++;
	if (gone > 0) {
		rocks->wal_count -= gone;
		memmove(rocks->wals, rocks->wals + gone,
			rocks->wal_count * sizeof(*rocks->wals));
	}
	return r;
}

static int apply_numbers(struct rocks *rocks, const struct edit *edit,
			 struct err *err)
{
	struct rocks_own *own = rocks->own;

	if (edit->has_next_file)
		rocks->next_file = edit->next_file;
	if (edit->has_last_sequence &&
	    edit->last_sequence > rocks->last_sequence)
		rocks->last_sequence = edit->last_sequence;
	if (edit->has_min_log && edit->min_log > rocks->min_log)
		rocks->min_log = edit->min_log;
	if (edit->has_max_family && edit->max_family > rocks->max_family)
		rocks->max_family = edit->max_family;
	if (edit->has_prev_log)
		own->prev_log = edit->prev_log;
	own->has_next_file |= edit->has_next_file;
	own->has_last_sequence |= edit->has_last_sequence;
	own->has_log_number |= edit->has_log_number;
	if (!edit->has_db_id)
		return 0;
	rocks->db_id_from = "MANIFEST";
	return rocks_keep(rocks, edit->db_id, &rocks->db_id, err);
}

int live_apply(struct rocks *rocks, const struct edit *edit,
	       const char **ret_why, struct err *err)
{
	struct rocks_family *family;
	int r = 0;

	*ret_why = NULL;
	if (edit->adds_family)
		r = family_add(rocks, edit->family, edit->family_name,
			       ret_why, err);
	if (r < 0 || *ret_why)
		return r;
	family = family_of(rocks, edit->family);
	if (!family) {
		*ret_why = "an edit is of a column family that is not there";
		return 0;
	}
	if (edit->has_comparator)
		r = rocks_keep(rocks, edit->comparator, &family->comparator,
			       err);
	if (edit->has_log_number && edit->log_number > family->log_number)
		family->log_number = edit->log_number;
	if (r == 0)
		r = apply_numbers(rocks, edit, err);
	if (r == 0)
		r = apply_tables(rocks, edit, ret_why, err);
	if (r == 0 && !*ret_why)
		r = apply_blobs(rocks, edit, ret_why, err);
	if (r == 0 && !*ret_why)
		r = apply_wals(rocks, edit, err);
	if (r == 0 && !*ret_why && edit->drops_family)
		family_drop(rocks, edit->family, ret_why);
	return r;
}

/* The end. */

/* Level 0 by age, the newest first, as RocksDB's tools have it; the others by
 * key, as far as memcmp() is the comparator's order. */
static int file_cmp(const void *a, const void *b)
{
	const struct rocks_file *x = a, *y = b;
	int c;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	c = x->level ? span_cmp(x->smallest.user, y->smallest.user) : 0;
	if (c)
		return c;
	if (x->largest_seq != y->largest_seq)
		return x->largest_seq > y->largest_seq ? -1 : 1;
	return x->number > y->number ? -1 : x->number < y->number;
}

static int blob_cmp(const void *a, const void *b)
{
	const struct rocks_blob *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/*
 * A blob file stays in a version from the oldest one on that a table of its
 * family refers to, and only as long as not all of it is garbage or a table
 * has it as its oldest.
 */
static void mark_linked(struct rocks *rocks)
{
	uint32_t place;

	for (size_t i = 0; i < rocks->file_count; i++) {
		const struct rocks_file *f = &rocks->files[i];
		struct rocks_family *family = family_of(rocks, f->family);

		if (f->oldest_blob == 0)
			continue;
		if (!family->oldest_blob ||
		    f->oldest_blob < family->oldest_blob)
			family->oldest_blob = f->oldest_blob;
		if (map_get(&rocks->own->blob_files, f->oldest_blob, &place) &&
		    rocks->blobs[place].family == f->family)
			rocks->blobs[place].linked = true;
	}
}

static bool blob_is_live(const struct rocks *rocks,
			 const struct rocks_blob *blob)
{
	const struct rocks_family *family = family_of(rocks, blob->family);

	if (!family)
		return false;
	return blob->linked || (family->oldest_blob &&
				family->oldest_blob <= blob->number &&
				blob->garbage_count < blob->count);
}

static void leave_out(struct rocks *rocks)
{
	size_t kept = 0;

	for (size_t i = 0; i < rocks->file_count; i++)
		if (family_of(rocks, rocks->files[i].family))
			rocks->files[kept++] = rocks->files[i];
	rocks->file_count = kept;
	mark_linked(rocks);
	kept = 0;
	for (size_t i = 0; i < rocks->blob_count; i++)
		if (blob_is_live(rocks, &rocks->blobs[i]))
			rocks->blobs[kept++] = rocks->blobs[i];
	rocks->blob_count = kept;
	kept = 0;
	for (size_t i = 0; i < rocks->family_count; i++)
		if (!rocks->families[i].dropped)
			rocks->families[kept++] = rocks->families[i];
	rocks->family_count = kept;
}

void live_finish(struct rocks *rocks)
{
	leave_out(rocks);
	number_map_release(&rocks->own->tables);
	number_map_release(&rocks->own->blob_files);
	if (rocks->file_count)
		qsort(rocks->files, rocks->file_count, sizeof(*rocks->files),
		      file_cmp);
	if (rocks->blob_count)
		qsort(rocks->blobs, rocks->blob_count, sizeof(*rocks->blobs),
		      blob_cmp);
}

/* The MANIFEST. */

/* Edits of a group count all together, with the last one, or not at all. */
struct group {
	struct buf bytes;	/* each behind its length, 8 bytes */
	uint32_t left;		/* as the last one said */
	bool open;
};

static int apply_record(struct rocks *rocks, struct span record,
			const char **why, struct err *err)
{
	CLEANUP(edit_release) struct edit edit;
	int r = edit_parse(record, &edit, why, err);

	if (r == 0 && !*why)
		r = live_apply(rocks, &edit, why, err);
	return r;
}

static int group_apply(struct rocks *rocks, struct group *group,
		       const char **why, struct err *err)
{
	struct bytes in = bytes_of(buf_span(&group->bytes));
	int r = 0;

	while (r == 0 && !*why && bytes_left(&in) > 0) {
		size_t len = (size_t)bytes_u64(&in);

		r = apply_record(rocks, bytes_take(&in, len), why, err);
	}
	buf_clear(&group->bytes);
	group->open = false;
	return r;
}

static int group_take(struct rocks *rocks, struct group *group,
		      const struct edit *edit, struct span record,
		      const char **why, struct err *err)
{
	if (group->open && edit->group_left + 1 != group->left) {
		*why = "an edit of a group is missing";
		return 0;
	}
	if (group->bytes.len + record.len > ROCKS_RECORD_MAX)
		return err_set(err, -EFBIG, "a group of edits is longer than "
			       "%u bytes", ROCKS_RECORD_MAX);
	buf_u64(&group->bytes, record.len);
	buf_append(&group->bytes, record.data, record.len);
	if (buf_failed(&group->bytes))
		return err_nomem(err);
	group->open = true;
	group->left = edit->group_left;
	return group->left ? 0 : group_apply(rocks, group, why, err);
}

static int take_record(struct rocks *rocks, struct group *group,
		       struct span record, const char **why, struct err *err)
{
	CLEANUP(edit_release) struct edit edit;
	int r = edit_parse(record, &edit, why, err);

	if (r < 0 || *why)
		return r;
	rocks->edits++;
	if (edit.in_group)
		return group_take(rocks, group, &edit, record, why, err);
	if (group->open) {
		*why = "an edit of a group is missing";
		return 0;
	}
	return live_apply(rocks, &edit, why, err);
}

/* What a database cannot be opened without. */
static const char *lacks(const struct rocks *rocks)
{
	const struct rocks_own *own = rocks->own;

	if (!own->has_next_file)
		return "it does not say which file number comes next";
	if (!own->has_log_number)
		return "it does not say which logs count";
	if (!own->has_last_sequence)
		return "it does not say the last sequence number";
	return NULL;
}

static int judge_end(struct rocks *rocks, const struct log_reader *reader,
		     const struct group *group, struct err *err)
{
	const char *why = reader->why;
	enum rocks_weight weight = ROCKS_INCOMPLETE;

	if (reader->end == LOG_BAD) {
		weight = ROCKS_DAMAGED;
	} else if (reader->end == LOG_WHOLE) {
		why = group->open ? "it ends within a group of edits" :
				    lacks(rocks);
		if (!why) {
			rocks->has_manifest = true;
			return 0;
		}
	}
	return rocks_find(rocks, weight, rocks->manifest, &reader->end_at,
			  NULL, 0, err, "%s", why);
}

static int read_records(struct rocks *rocks, struct log_reader *reader,
			struct group *group, struct err *err)
{
	const char *why = NULL;
	int r;

	while ((r = log_next(reader, err)) > 0) {
		r = take_record(rocks, group, buf_span(&reader->record),
				&why, err);
		if (r < 0)
			return r;
		if (why)
			return rocks_find(rocks, ROCKS_DAMAGED,
					  rocks->manifest, &reader->start,
					  NULL, 0, err, "%s", why);
	}
	return r < 0 ? r : judge_end(rocks, reader, group, err);
}

int live_read(struct rocks *rocks, struct err *err)
{
	CLEANUP(log_reader_release) struct log_reader reader = {
		.rocks = rocks, .name = rocks->manifest,
		.kind = LOG_MANIFEST, .size = rocks->manifest_size,
	};
	struct group group = { .bytes = BUF_INIT };
	const char *why = NULL;
	int r;

	/* The default family is there without being added. */
	r = family_add(rocks, 0, span_str("default"), &why, err);
	if (r == 0)
		r = read_records(rocks, &reader, &group, err);
	buf_release(&group.bytes);
	if (r == 0)
		live_finish(rocks);
	return r;
}
