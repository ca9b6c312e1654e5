#include "fs/out/mount_internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

/* Cookies 1 and 2 are "." and "..", 3 is latest. */
#define COOKIE_LATEST 3
#define COOKIE_NUMBERS 16

struct building {
	struct mount *mount;
	const struct names *before;
	struct names *names;
	uint32_t source_text, source_dir;	/* of the row before */
	bool some_source;
};

static int grow(void *array, uint32_t count, uint32_t *cap, size_t size,
		struct err *err)
{
	void **at = array;
	uint32_t want = *cap ? *cap * 2 : 64;
	void *bigger;

	if (count < *cap)
		return 0;
	bigger = want > *cap ? reallocarray(*at, want, size) : NULL;
	if (!bigger)
		return err_nomem(err);
	*at = bigger;
	*cap = want;
	return 0;
}

static int put_text(struct names *names, struct span text, uint32_t *ret,
		    struct err *err)
{
	size_t at = names->text.len;

	if (at + text.len + 1 > UINT32_MAX)
		return err_nomem(err);
	buf_append(&names->text, text.data, text.len);
	buf_append_byte(&names->text, 0);
	*ret = (uint32_t)at;
	return buf_check(&names->text, err);
}

/*
 * Directories by (parent, name).
 */

static uint32_t dir_slot(const struct names *names, uint32_t parent,
			 struct span name)
{
	uint64_t hash = sum64(name) ^ parent * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t slot = (uint32_t)(hash ^ hash >> 32);

	for (;; slot++) {
		uint32_t at = slot & (names->dir_slot_count - 1);
		uint32_t index = names->dir_slots[at];
		const char *found;

		if (index == NAMES_NONE)
			return at;
		if (names->dirs[index].parent != parent)
			continue;
		found = names_text(names, names->dirs[index].name);
		if (index != 0 && strlen(found) == name.len &&
		    !memcmp(found, name.data, name.len))
			return at;
	}
}

static int dir_slots_grow(struct names *names, struct err *err)
{
	uint32_t slots = names->dir_slot_count ? names->dir_slot_count * 2 :
						 256;
	uint32_t *fresh;

	if (names->dir_slot_count > names->dir_count * 2)
		return 0;
	fresh = malloc(slots * sizeof(*fresh));
	if (!fresh)
		return err_nomem(err);
	memset(fresh, 0xff, slots * sizeof(*fresh));
	free(names->dir_slots);
	names->dir_slots = fresh;
	names->dir_slot_count = slots;
	for (uint32_t i = 1; i < names->dir_count; i++) {
		const struct names_dir *dir = &names->dirs[i];
		const char *name = names_text(names, dir->name);

		fresh[dir_slot(names, dir->parent, span_str(name))] = i;
	}
	return 0;
}

static uint32_t dir_of_name(const struct names *names, uint32_t parent,
			    struct span name)
{
	return names->dir_slots[dir_slot(names, parent, name)];
}

static int dir_make(struct building *b, uint32_t parent, struct span name,
		    uint32_t *ret, struct err *err)
{
	struct names *names = b->names;
	struct names_dir *dir;
	uint32_t index;
	int r;

	r = dir_slots_grow(names, err);
	if (r < 0)
		return r;
	index = dir_of_name(names, parent, name);
	if (index != NAMES_NONE) {
		*ret = index;
		return 0;
	}
	r = grow(&names->dirs, names->dir_count, &names->dir_cap,
		 sizeof(*names->dirs), err);
	if (r < 0)
		return r;
	index = names->dir_count;
	dir = &names->dirs[index];
	memset(dir, 0, sizeof(*dir));
	dir->parent = parent;
	dir->depth = index ? names->dirs[parent].depth + 1 : 0;
	dir->lowest = UINT64_MAX;
	dir->latest = dir->was = NAMES_NONE;
	if (b->before && index == 0)
		dir->was = 0;
	else if (b->before && names->dirs[parent].was != NAMES_NONE)
		dir->was = dir_of_name(b->before, names->dirs[parent].was,
				       name);
	r = put_text(names, name, &dir->name, err);
	if (r < 0)
		return r;
	names->dir_count++;
	if (index)
		names->dir_slots[dir_slot(names, parent, name)] = index;
	*ret = index;
	return 0;
}

/* The directory of a source; rows of one source come together. */
static int source_dir(struct building *b, const char *source, uint32_t *ret,
		      uint32_t *ret_text, struct err *err)
{
	struct names *names = b->names;
	uint32_t dir = 0;
	int r;

	if (b->some_source &&
	    !strcmp(names_text(names, b->source_text), source)) {
		*ret = b->source_dir;
		*ret_text = b->source_text;
		return 0;
	}
	r = put_text(names, span_str(source), &b->source_text, err);
	if (r < 0)
		return r;
	for (const char *at = source; *at;) {
		size_t len = strcspn(at, "/");

		r = dir_make(b, dir, span_of(at, len), &dir, err);
		if (r < 0)
			return r;
		at += len + (at[len] == '/');
	}
	b->some_source = true;
	*ret = b->source_dir = dir;
	*ret_text = b->source_text;
	return 0;
}

static bool is_shown(const struct mount_options *options, const char *source)
{
	for (size_t i = 0; i < options->source_count; i++) {
		if (!fnmatch(options->sources[i], source, 0))
			return true;
	}
	return options->source_count == 0;
}

/* Kinds that keep their stream name it here. */
static const char *original_suffix(const struct record *record)
{
	const char *format = record_attr(record, "format");

	if (record->kind && !strcmp(record->kind, "tar"))
		return ".tar";
	if (record->kind && !strcmp(record->kind, "pgdump"))
		return format && !strcmp(format, "plain") ? ".sql" : ".dump";
	return ".raw";
}

static void count_snap(struct names *names, const struct names_snap *snap)
{
	for (uint32_t i = snap->dir;; i = names->dirs[i].parent) {
		struct names_dir *dir = &names->dirs[i];

		if (snap->number < dir->lowest)
			dir->lowest = snap->number;
		for (int a = AREA_SHOWN; a < AREA_END && !snap->hidden; a++) {
			if (a == AREA_ORIGINAL && !snap->original)
				continue;
			if (a == AREA_ASIDE && !snap->aside)
				continue;
			dir->in[a].live++;
			if (stamp_cmp(snap->added, dir->in[a].mtime) > 0)
				dir->in[a].mtime = snap->added;
		}
		if (i == 0)
			return;
	}
}

static int add_row(void *arg, const struct snapshot *row, struct err *err)
{
	struct building *b = arg;
	struct names *names = b->names;
	const struct record *record = &row->record;
	struct names_snap *snap;
	struct err why = ERR_INIT;
	int r;

	if (record->number > INO_NUMBER_MAX ||
	    record->entries > INO_POS_MAX) {
		err_set(&why, -EOVERFLOW, "snapshot %s of '%s' is not shown: "
			"its number or its count of files is too large",
			record->name, record->source);
		mount_fault(b->mount, 0, -EOVERFLOW, "list", &why);
		return 0;
	}
	r = grow(&names->snaps, names->snap_count, &names->snap_cap,
		 sizeof(*names->snaps), err);
	if (r < 0)
		return r;
	snap = &names->snaps[names->snap_count];
	memset(snap, 0, sizeof(*snap));
	snap->number = record->number;
	snap->time = record->time;
	snap->added = record->added;
	snap->hidden = row->forgotten ||
		       !is_shown(b->mount->options, record->source);
	snap->damaged = row->damage || record_tag(record, TAG_FLAWED);
	/* Damage is told of where it is met; a name that is gone tells
	 * nothing. */
	snap->aside = record->incomplete != NULL;
	snap->original = !id_is_none(&record->view);
	snap->has_top = record_top(record, &snap->top);
	snprintf(snap->suffix, sizeof(snap->suffix), "%s",
		 original_suffix(record));
	r = source_dir(b, record->source, &snap->dir, &snap->source, err);
	if (r == 0)
		r = put_text(names, span_str(record->name), &snap->name, err);
	if (r < 0)
		return r;
	names->snap_count++;
	count_snap(names, snap);
	return 0;
}

/*
 * Node numbers of directories.  In a live mount a directory keeps its own even
 * where the snapshot it was named after is pruned, unless that snapshot lies
 * elsewhere now (its source was renamed).
 */
static bool key_holds(const struct names *names, uint32_t dir, uint64_t key)
{
	for (uint32_t i = 0; i < names->snap_count; i++) {
		if (names->snaps[i].number != key)
			continue;
		for (i = names->snaps[i].dir; i != 0 && i != dir;)
			i = names->dirs[i].parent;
		return i == dir;
	}
	return true;
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct names_dir *dirs = arg;
	const struct names_dir *x = &dirs[*(const uint32_t *)a];
	const struct names_dir *y = &dirs[*(const uint32_t *)b];

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int set_keys(struct building *b, struct err *err)
{
	struct names *names = b->names;

	for (uint32_t i = 1; i < names->dir_count; i++) {
		struct names_dir *dir = &names->dirs[i];
		uint64_t old;

		dir->key = dir->lowest;
		if (dir->was == NAMES_NONE)
			continue;
		old = b->before->dirs[dir->was].key;
		if (old != dir->lowest && key_holds(names, i, old))
			dir->key = old;
	}
	names->dirs_by_key = reallocarray(NULL, names->dir_count,
					  sizeof(*names->dirs_by_key));
	if (!names->dirs_by_key)
		return err_nomem(err);
	for (uint32_t i = 0; i < names->dir_count; i++)
		names->dirs_by_key[i] = i;
	qsort_r(names->dirs_by_key, names->dir_count,
		sizeof(*names->dirs_by_key), by_key, names->dirs);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct names_snap *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* latest: the newest by capture time that is good and not in the future. */
static void set_latest(struct names *names, struct stamp now)
{
	names->due = INT64_MAX;
	for (uint32_t i = 0; i < names->snap_count; i++) {
		const struct names_snap *snap = &names->snaps[i];
		struct names_dir *dir = &names->dirs[snap->dir];

		if (snap->hidden || snap->aside || snap->damaged)
			continue;
		if (stamp_cmp(snap->time, now) > 0) {
			if (snap->time.s < names->due)
				names->due = snap->time.s;
			continue;
		}
		/* Numbers rise: at one time the later taken wins. */
		if (dir->latest == NAMES_NONE ||
		    stamp_cmp(snap->time,
			      names->snaps[dir->latest].time) >= 0)
			dir->latest = i;
	}
}

/*
 * Children.
 */

static int put_child(struct names *names, const struct names_child *child,
		     struct err *err)
{
	int r = grow(&names->children, names->child_count, &names->child_cap,
		     sizeof(*names->children), err);

	if (r == 0)
		names->children[names->child_count++] = *child;
	return r;
}

static int put_dir_children(struct names *names, uint32_t index,
			    uint32_t latest_name, struct err *err)
{
	const struct names_dir *dir = &names->dirs[index];
	int r = 0;

	for (int area = AREA_SHOWN; r == 0 && area < AREA_END; area++) {
		struct names_child child = {
			.dir = dir->parent, .area = (uint8_t)area,
			.kind = CHILD_DIR, .index = index, .name = dir->name,
			.cookie = dir->key + COOKIE_NUMBERS,
		};

		if (index != 0 && dir->in[area].live > 0)
			r = put_child(names, &child, err);
	}
	if (r == 0 && dir->latest != NAMES_NONE) {
		struct names_child child = {
			.dir = index, .area = AREA_SHOWN,
			.kind = CHILD_LATEST, .index = dir->latest,
			.name = latest_name, .cookie = COOKIE_LATEST,
		};

		r = put_child(names, &child, err);
	}
	return r;
}

static int put_snap_child(struct names *names, uint32_t index,
			  enum area area, const char *suffix, struct err *err)
{
	const struct names_snap *snap = &names->snaps[index];
	struct names_child child = {
		.dir = snap->dir, .area = (uint8_t)area, .kind = CHILD_SNAP,
		.index = index, .name = snap->name,
		.cookie = snap->number + COOKIE_NUMBERS,
	};
	char name[NAME_BYTES_MAX + 1];
	int r = 0;

	if (*suffix) {
		snprintf(name, sizeof(name), "%s%s",
			 names_text(names, snap->name), suffix);
		r = put_text(names, span_str(name), &child.name, err);
	}
	return r < 0 ? r : put_child(names, &child, err);
}

static int put_children(struct names *names, struct err *err)
{
	uint32_t latest = 0;
	int r = put_text(names, span_str("latest"), &latest, err);

	for (uint32_t i = 0; r == 0 && i < names->dir_count; i++)
		r = put_dir_children(names, i, latest, err);
	for (uint32_t i = 0; r == 0 && i < names->snap_count; i++) {
		const struct names_snap *snap = &names->snaps[i];

		if (snap->hidden)
			continue;
		r = put_snap_child(names, i,
				   snap->aside ? AREA_ASIDE : AREA_SHOWN, "",
				   err);
		if (r == 0)
			r = put_snap_child(names, i, AREA_INFO, ".json", err);
		if (r == 0 && snap->original)
			r = put_snap_child(names, i, AREA_ORIGINAL,
					   snap->suffix, err);
	}
	return r;
}

static int by_cookie(const void *a, const void *b)
{
	const struct names_child *x = a, *y = b;

	if (x->area != y->area)
		return x->area < y->area ? -1 : 1;
	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static int by_child_name(const void *a, const void *b, void *arg)
{
	const struct names *names = arg;
	const struct names_child *x = &names->children[*(const uint32_t *)a];
	const struct names_child *y = &names->children[*(const uint32_t *)b];
	int order;

	if (x->area != y->area)
		return x->area < y->area ? -1 : 1;
	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	order = strcmp(names_text(names, x->name), names_text(names, y->name));
	if (order)
		return order;
	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static void sort_names(struct names *names)
{
	qsort_r(names->by_name, names->child_count, sizeof(*names->by_name),
		by_child_name, names);
}

/*
 * Two snapshots of one name in one directory come of a source renamed to one
 * that was there.  None may hide the other: the later shows its number too.
 */
static int part_twins(struct names *names, struct err *err)
{
	bool parted = false;

	for (uint32_t i = 1; i < names->child_count; i++) {
		struct names_child *x = &names->children[names->by_name[i - 1]];
		struct names_child *y = &names->children[names->by_name[i]];
		char name[NAME_BYTES_MAX + 1];
		int r;

		if (x->area != y->area || x->dir != y->dir ||
		    strcmp(names_text(names, x->name),
			   names_text(names, y->name)) != 0)
			continue;
		snprintf(name, sizeof(name), "%.200s-n%llu",
			 names_text(names, y->name),
			 (unsigned long long)(y->cookie - COOKIE_NUMBERS));
		r = put_text(names, span_str(name), &y->name, err);
		if (r < 0)
			return r;
		parted = true;
	}
	if (parted)
		sort_names(names);
	return 0;
}

static int order_children(struct names *names, struct err *err)
{
	names->by_name = reallocarray(NULL, names->child_count + 1u,
				      sizeof(*names->by_name));
	if (!names->by_name)
		return err_nomem(err);
	if (names->child_count)
		qsort(names->children, names->child_count,
		      sizeof(*names->children), by_cookie);
	for (uint32_t i = 0; i < names->child_count; i++) {
		const struct names_child *child = &names->children[i];
		struct names_dir *dir = &names->dirs[child->dir];

		if (dir->in[child->area].count++ == 0)
			dir->in[child->area].first = i;
		if (child->kind == CHILD_DIR ||
		    (child->kind == CHILD_SNAP &&
		     (child->area == AREA_SHOWN || child->area == AREA_ASIDE)))
			dir->in[child->area].dirs++;
		names->by_name[i] = i;
	}
	sort_names(names);
	return part_twins(names, err);
}

static int gather(struct building *b, struct err *err)
{
	struct names *names = b->names;
	uint32_t root;
	int r;

	r = dir_make(b, 0, span_str(""), &root, err);
	if (r == 0)
		r = catalog_each_snapshot(repo_catalog(b->mount->repo), NULL,
					  true, add_row, b, err);
	if (r == 0)
		r = set_keys(b, err);
	if (r < 0)
		return r;
	if (names->snap_count)
		qsort(names->snaps, names->snap_count, sizeof(*names->snaps),
		      by_number);
	names->dirs[0].key = 0;
	set_latest(names, stamp_now());
	r = put_children(names, err);
	return r < 0 ? r : order_children(names, err);
}

int names_build(struct mount *mount, const struct names *before,
		struct names **ret, struct err *err)
{
	struct building b = { .mount = mount, .before = before };
	int r;

	b.names = calloc(1, sizeof(*b.names));
	if (!b.names)
		return err_nomem(err);
	r = gather(&b, err);
	if (r < 0) {
		names_free(b.names);
		return err_wrap(err, "cannot list the snapshots");
	}
	*ret = b.names;
	return 0;
}
