/*
 * check: what is promised compared with what is there.
 *
 * Packs are read (their indexes, or every block of them), and the catalog is
 * asked for each object; records are parsed and compared with the catalog both
 * ways; then everything a record reaches is looked up, each metadata object
 * once.  Memory grows with the number of metadata objects: 24 bytes each.
 */
#include "fs/repo/id_set.h"
#include "fs/repo/repo_internal.h"

#include <stdarg.h>
#include <unistd.h>
#include <stdlib.h>

struct names_set {
	uint8_t (*name)[16];
	size_t count, cap;
};

struct check {
	struct repo *repo;
	bool read_data;
	void (*fault)(void *arg, const char *sentence);
	void *arg;
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	struct check_report *report;
	struct id_set seen;	/* metadata objects walked */
	struct id *stack;
	size_t depth, stack_cap;
	struct names_set packs;		/* sealed packs on disk */
	struct names_set named;		/* packs named by records */
	struct bits reached;		/* packs, by number, snapshots need */
	const char *snapshot;		/* being walked, for sentences */
	const uint8_t *snapshot_id;
	uint64_t done, total;
};

static void fault(struct check *check, const char *fmt, ...) PRINTF(2, 3);

static void fault(struct check *check, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	check->report->errors++;
	if (!check->fault)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check->fault(check->arg, text);
}

/* Sets. */

static int names_push(struct names_set *set, const uint8_t name[16],
		      struct err *err)
{
	if (set->count == set->cap) {
		size_t cap = set->cap ? 2 * set->cap : 64;
		void *more = realloc(set->name, cap * sizeof(*set->name));

		if (!more)
			return err_nomem(err);
		set->name = more;
		set->cap = cap;
	}
	memcpy(set->name[set->count++], name, 16);
	return 0;
}

static int name_order(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void names_sort(struct names_set *set)
{
	if (set->count)
		qsort(set->name, set->count, 16, name_order);
}

static bool names_have(const struct names_set *set, const uint8_t name[16])
{
	return set->count && bsearch(name, set->name, set->count, 16,
				     name_order);
}

/* Packs. */

static int read_block(struct check *check, int fd, const char *path,
		      uint32_t offset, uint32_t stored, uint64_t head_sum,
		      struct err *err)
{
	struct block_head head;
	OWNED_BUF struct buf raw = BUF_INIT;
	struct cached block;
	struct err why = ERR_INIT;
	int r;

	if (buf_reserve(&raw, stored) < 0)
		return err_nomem(err);
	r = disk_read(&check->repo->dir, path, fd, offset, raw.data, stored,
		      &why);
	check->report->bytes_read += stored;
	if (r == 0)
		r = block_parse_head(span_of(raw.data, stored), &head, &why);
	/* sound in itself, but not the block this pack was sealed with */
	if (r == 0 && head.head_sum != head_sum)
		r = err_corrupt(&why, "another block than its index has");
	if (r == 0)
		r = repo_decode_block(check->repo, span_of(raw.data, stored),
				      &block, &why);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0) {
		fault(check, "%s at offset %u: %s", path, offset, why.text);
		return 0;
	}
	for (uint32_t i = 0; i < block.count; i++) {
		struct span bytes = span_of(block.plain.data + block.at[i],
					    block.ids[i].len);

		if (!id_proves(&check->repo->key, &block.ids[i], bytes))
			fault(check, "%s at offset %u: object %s does not have "
			      "the bytes its id names", path, offset,
			      id_hex(&block.ids[i]).s);
	}
	cached_release_parts(&block);
	return 0;
}

static int read_blocks(struct check *check, const struct pack_index *index,
		       const char *path, struct err *err)
{
	int fd, r;

	r = disk_open_read(&check->repo->dir, path, &fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < index->block_count; i++)
		r = read_block(check, fd, path, index->blocks[i],
			       index->stored[i], index->head_sums[i], err);
	close(fd);
	return r;
}

/* Prune takes it from the catalog first: what neither has is no fault. */
static bool was_pruned(struct check *check, const uint8_t name[16])
{
	struct catalog_pack pack;

	return catalog_find_pack(check->repo->catalog, name, &pack, NULL) ==
	       -ENOENT;
}

/* 1: the catalog has the object in that place, or too many to tell; 0: not. */
static int has_entry(struct check *check, const struct pack_entry *e,
		     uint32_t number, struct err *err)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r;

	r = catalog_find(check->repo->catalog, &e->id, places, PLACES_MAX,
			 &count, err);
	for (size_t k = 0; r == 0 && k < count; k++)
		if (places[k].pack == number && places[k].offset == e->block &&
		    places[k].at == e->at)
			return 1;
	return r < 0 ? r : count == PLACES_MAX;
}

/* -ENOENT: the pack was pruned meanwhile. */
static int compare_entries(struct check *check, const struct pack_name *name,
			   const struct pack_index *index, uint32_t number,
			   const char *path, struct err *err)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct pack_entry *e = &index->entries[i];
		int r = has_entry(check, e, number, err);

		/* what is found elsewhere may have been found in an older
		 * state */
		if (r == 0)
			r = catalog_refresh(check->repo->catalog, err);
		else if (r == 1)
			continue;
		if (r == 0)
			r = has_entry(check, e, number, err);
		if (r == 0 && was_pruned(check, name->b))
			return -ENOENT;
		if (r < 0)
			return r;
		if (r == 0)
			fault(check, "the catalog does not know object %s of "
			      "%s", id_hex(&e->id).s, path);
	}
	check->report->objects += index->count;
	return 0;
}

static int check_index(struct check *check, const struct pack_name *name,
		       const char *path, struct err *err)
{
	struct pack_index index = { 0 };
	struct catalog_pack pack;
	struct err why = ERR_INIT;
	int r;

	r = pack_read_index(&check->repo->dir, name, &index, &why);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == -ENOENT && was_pruned(check, name->b))
		return 0;
	if (r < 0) {
		fault(check, "%s: %s", path, why.text);
		return 0;
	}
	r = catalog_find_pack(check->repo->catalog, name->b, &pack, err);
	if (r == 0)
		r = compare_entries(check, name, &index, pack.number, path,
				    err);
	/* a sealed pack of a killed add may be unknown, if no record names it */
	else if (r == -ENOENT && names_have(&check->named, name->b))
		fault(check, "the catalog does not know %s", path);
	if (r == -ENOENT)
		r = 0;
	if (r == 0 && check->read_data)
		r = read_blocks(check, &index, path, err);
	pack_index_release(&index);
	return r == -ENOENT && was_pruned(check, name->b) ? 0 : r;
}

static int check_pack_file(struct check *check, const uint8_t name[16],
			   struct err *err)
{
	char path[PACK_PATH];
	struct pack_name pack;

	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	check->report->packs++;
	if (check->progress)
		check->progress(check->arg, check->done++, check->total);
	return check_index(check, &pack, path, err);
}

static int list_pack(void *arg, const struct pack_name *name,
		     struct err *err)
{
	struct check *check = arg;

	return names_push(&check->packs, name->b, err);
}

static int stray_pack(void *arg, const char *path, struct err *err)
{
	(void)err;
	fault(arg, "'%s' is no pack", path);
	return 0;
}

/* A pack that was sealed since they were listed is there all the same. */
static bool pack_is_there(struct check *check, const uint8_t name[16])
{
	char path[PACK_PATH];
	struct pack_name pack;
	int fd;

	if (names_have(&check->packs, name))
		return true;
	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	if (disk_open_read(&check->repo->dir, path, &fd, NULL) < 0)
		return false;
	close(fd);
	return true;
}

static int known_pack(void *arg, const struct catalog_pack *pack,
		      struct err *err)
{
	struct check *check = arg;
	char hex[33];

	(void)err;
	if (pack_is_there(check, pack->name) || was_pruned(check, pack->name))
		return 0;
	hex_write(pack->name, 16, hex);
	fault(check, "pack %s is missing", hex);
	return 0;
}

/* Records. */

/*
 * Whoever made what the catalog does not know may be about to tell it, or have
 * died since this process opened the store: the next open would tell it, so
 * it is told here.  False where the store is read-only.
 */
static bool level_again(struct check *check)
{
	struct level_report report = { 0 };

	return level_catalog(check->repo, check->repo->catalog, &report, NULL,
			     NULL, NULL) == 0;
}

static bool knows_record(struct check *check, const uint8_t id[RECORD_ID])
{
	struct catalog *catalog = check->repo->catalog;

	return catalog_has_record(catalog, id) ||
	       (level_again(check) && catalog_has_record(catalog, id));
}

static bool knows_event(struct check *check, const char *name)
{
	struct catalog *catalog = check->repo->catalog;

	return catalog_has_event(catalog, name) ||
	       (level_again(check) && catalog_has_event(catalog, name));
}

static bool is_record_of_none(struct check *check, const char *name)
{
	uint8_t id[RECORD_ID];

	return strlen(name) == 2 * RECORD_ID &&
	       hex_parse(name, RECORD_ID, id) == 0 &&
	       !catalog_has_record(check->repo->catalog, id);
}

static int list_record(void *arg, const char *name, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct check *check = arg;
	struct record record = { 0 };
	struct err why = ERR_INIT;
	int r;

	r = record_load(check->repo, name, &record, &bytes, &why);
	if (r == -ENOMEM)
		return err_nomem(err);
	/* pruned since it was listed */
	if (r == -ENOENT && is_record_of_none(check, name))
		return 0;
	if (r < 0) {
		fault(check, "%s", why.text);
		return 0;
	}
	if (!knows_record(check, record.id))
		fault(check, "the catalog does not know snapshot %s@%s",
		      record.source, record.name);
	for (size_t i = 0; r == 0 && i < record.pack_count; i++)
		r = names_push(&check->named, record.packs[i], err);
	record_release(&record);
	return r;
}

static int list_event(void *arg, const char *name, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct check *check = arg;
	struct event event = { 0 };
	struct err why = ERR_INIT;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "state/%.100s", name);
	r = disk_read_all(&check->repo->dir, path, RECORD_MAX, &bytes, &why);
	if (r == 0)
		r = event_parse(buf_span(&bytes), path, &event, &why);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == -ENOENT && !catalog_has_event(check->repo->catalog, name))
		return 0;
	if (r < 0)
		fault(check, "%s", why.text);
	else if (!knows_event(check, name))
		fault(check, "the catalog does not know %s", path);
	event_release(&event);
	return 0;
}

/* What the catalog knows is lost with it where the file is gone. */
static int known_event(void *arg, const char *name,
		       const struct event *event, struct err *err)
{
	struct check *check = arg;
	char path[128];
	int fd;

	(void)event;
	(void)err;
	snprintf(path, sizeof(path), "state/%.100s", name);
	if (disk_open_read(&check->repo->dir, path, &fd, NULL) == 0)
		close(fd);
	else if (catalog_has_event(check->repo->catalog, name))
		fault(check, "%s is missing", path);
	return 0;
}

/* The packs stand in for it, as long as there is one. */
static int check_conf(struct check *check, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct conf conf = { .text = BUF_INIT };
	struct err why = ERR_INIT;
	int r;

	r = disk_read_all(&check->repo->dir, CONF_NAME, CONF_MAX, &bytes,
			  &why);
	if (r == 0)
		r = conf_parse(buf_span(&bytes), &conf, &why);
	conf_release(&conf);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		fault(check, "%s: what it says is taken from a pack",
		      why.text);
	return 0;
}

/* What records reach. */

static int push(struct check *check, const struct id *id, struct err *err)
{
	int r = id_is_none(id) ? 0 : id_set_add(&check->seen, id, err);

	if (r <= 0)
		return r;
	if (check->depth == check->stack_cap) {
		size_t cap = check->stack_cap ? 2 * check->stack_cap : 256;
		void *more = realloc(check->stack, cap *
						   sizeof(*check->stack));

		if (!more)
			return err_nomem(err);
		check->stack = more;
		check->stack_cap = cap;
	}
	check->stack[check->depth++] = *id;
	return 0;
}

/* A forgotten snapshot may be pruned while it is walked. */
static bool is_still_there(struct check *check)
{
	return catalog_has_record(check->repo->catalog, check->snapshot_id);
}

static int look_up_chunk(struct check *check, const struct id *id,
			 struct err *err)
{
	struct place place;
	int r = repo_locate(check->repo, id, &place, err);

	if (r == 0)
		return bits_set(&check->reached, place.pack, err);
	if (r != -ENOENT)
		return r;
	if (is_still_there(check))
		fault(check, "snapshot %s: chunk %s is missing",
		      check->snapshot, id_hex(id).s);
	return 0;
}

static int follow(struct check *check, struct span bytes, struct err *err)
{
	struct object_in in;
	int r;

	r = object_parse(bytes, &in, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; r == 0 && i < in.count; i++) {
		enum object_type type;
		struct id id;

		object_get_any(&in, i, &type, &id);
		if (type == OBJECT_CHUNK)
			r = look_up_chunk(check, &id, err);
		else
			r = push(check, &id, err);
	}
	return r;
}

static int walk(struct check *check, struct err *err)
{
	while (check->depth > 0) {
		OWNED_HELD struct held held = HELD_INIT;
		struct id id = check->stack[--check->depth];
		struct err why = ERR_INIT;
		struct place place;
		int r;

		if (repo_locate(check->repo, &id, &place, NULL) == 0 &&
		    bits_set(&check->reached, place.pack, err) < 0)
			return -ENOMEM;
		r = repo_get(check->repo, &id, &held, &why);
		if (r == 0)
			r = follow(check, held.bytes, &why);
		if (r == -ENOMEM)
			return err_nomem(err);
		if (r < 0 && is_still_there(check))
			fault(check, "snapshot %s: %s", check->snapshot,
			      why.text);
	}
	return 0;
}

static int walk_snapshot(void *arg, const struct snapshot *snapshot,
			 struct err *err)
{
	const struct record *record = &snapshot->record;
	const struct id *root[] = { &record->root, &record->links,
				    &record->origin, &record->view,
				    &record->notes };
	struct check *check = arg;
	char name[SOURCE_MAX + 64], path[64], hex[2 * RECORD_ID + 1];
	int fd, r = 0;

	snprintf(name, sizeof(name), "%s@%s", record->source, record->name);
	check->snapshot = name;
	hex_write(record->id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "snapshots/%s", hex);
	check->snapshot_id = record->id;
	if (disk_open_read(&check->repo->dir, path, &fd, NULL) == 0)
		close(fd);
	else if (is_still_there(check))
		fault(check, "snapshot %s: its record is missing", name);
	else
		return 0;
	check->report->snapshots++;
	for (size_t i = 0; r == 0 && i < sizeof(root) / sizeof(*root); i++)
		r = push(check, root[i], err);
	return r < 0 ? r : walk(check, err);
}

static int count_orphan(void *arg, const struct catalog_pack *pack,
			struct err *err)
{
	struct check *check = arg;

	(void)err;
	check->report->orphans += !bits_has(&check->reached, pack->number);
	return 0;
}

static int run(struct check *check, struct err *err)
{
	struct repo *repo = check->repo;
	int r;

	r = check_conf(check, err);
	if (r == 0)
		r = disk_list(&repo->dir, "snapshots", list_record, check,
			      err);
	if (r == 0)
		r = disk_list(&repo->dir, "state", list_event, check, err);
	if (r == 0)
		r = catalog_each_event(repo->catalog, 0, known_event, check,
				       err);
	if (r == 0)
		r = pack_list(&repo->dir, list_pack, stray_pack, check, err);
	if (r < 0)
		return r;
	names_sort(&check->packs);
	names_sort(&check->named);
	check->total = check->packs.count;
	r = catalog_each_pack(repo->catalog, known_pack, check, err);
	for (size_t i = 0; r == 0 && i < check->packs.count; i++)
		r = check_pack_file(check, check->packs.name[i], err);
	if (r == 0)
		r = catalog_each_snapshot(repo->catalog, NULL, true,
					  walk_snapshot, check, err);
	if (r == 0)
		r = catalog_each_pack(repo->catalog, count_orphan, check, err);
	return r;
}

int repo_check(struct repo *repo, bool read_data,
	       void (*tell)(void *arg, const char *sentence), void *arg,
	       void (*progress)(void *arg, uint64_t done, uint64_t total),
	       struct check_report *report, struct err *err)
{
	struct check check = { .repo = repo, .read_data = read_data,
			       .fault = tell, .arg = arg,
			       .progress = progress };
	struct err why = ERR_INIT;
	int r;

	*report = (struct check_report){ 0 };
	check.report = report;
	r = catalog_check(repo->catalog, &why);
	if (r == -EBADMSG) {
		fault(&check, "%s", why.text);
		r = 0;
	} else if (r < 0) {
		*err = why;
		return r;
	}
	r = run(&check, err);
	id_set_release(&check.seen);
	free(check.stack);
	free(check.packs.name);
	free(check.named.name);
	bits_release(&check.reached);
	return r;
}
