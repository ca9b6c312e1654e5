/*
 * level: a catalog brought level with what is durable.
 *
 * Records and events are compared by their file names.  A record nobody told
 * the catalog of means that the catalog is older than the store (a power cut,
 * a copy, a rebuild): then every pack is looked at, for a record may lean on
 * packs that no record names.  If what it does not know of is a prune, packs and
 * records it knows may be gone, and are looked for.
 *
 * Whoever made what is found may be between its rename and the sync of the
 * directory, or have died there.  So all is looked at once more under the
 * commit lock, and directories are synced before the catalog is told.
 */
#include "fs/repo/repo_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct names {
	char (*name)[72];
	size_t count, cap;
};

struct level {
	struct repo *repo;
	struct catalog *catalog;
	struct names records, events;
	uint64_t new_packs;		/* the catalog does not know of */
	bool synced_packs, synced[256];	/* packs, and packs/xx by xx */
	bool saw_packs, looked_for_gone;
	struct level_report *report;
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	uint64_t done, total;
};

static int names_add(struct names *names, const char *name, struct err *err)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? 2 * names->cap : 64;
		void *more = realloc(names->name, cap * sizeof(*names->name));

		if (!more)
			return err_nomem(err);
		names->name = more;
		names->cap = cap;
	}
	strcpy(names->name[names->count++], name);
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int see_record(void *arg, const char *name, struct err *err)
{
	struct level *level = arg;
	uint8_t id[RECORD_ID];

	if (strlen(name) != 2 * RECORD_ID ||
	    hex_parse(name, RECORD_ID, id) < 0)
		return 0;
	if (catalog_has_record(level->catalog, id))
		return 0;
	return names_add(&level->records, name, err);
}

static int see_event(void *arg, const char *name, struct err *err)
{
	struct level *level = arg;

	if (strlen(name) != 20 + 1 + 16 || name[20] != '-')
		return 0;
	if (catalog_has_event(level->catalog, name))
		return 0;
	return names_add(&level->events, name, err);
}

/*
 * A pack whose end cannot be read.  Blocks found by walking it may be planted:
 * a file that was backed up can hold whole blocks.  So what a block says is
 * believed only of objects whose bytes prove their ids.
 */
static int prove_entry(struct level *level, const struct pack_name *name,
		       int fd, const struct pack_entry *entry,
		       struct cached *block, uint32_t *block_at,
		       struct err *err)
{
	OWNED_BUF struct buf raw = BUF_INIT;
	char path[PACK_PATH];
	int r, i;

	if (block->plain.len == 0 || *block_at != entry->block) {
		cached_release_parts(block);
		*block = (struct cached){ .plain = BUF_INIT };
		*block_at = entry->block;
		pack_path(name, path);
		if (buf_reserve(&raw, entry->stored) < 0)
			return err_nomem(err);
		r = disk_read(&level->repo->dir, path, fd, entry->block,
			      raw.data, entry->stored, err);
		if (r == 0)
			r = repo_decode_block(level->repo,
					      span_of(raw.data,
						      entry->stored), block,
					      err);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
	}
	i = cached_find(block, entry->at, &entry->id);
	return i >= 0 && id_proves(&level->repo->key, &entry->id,
				   span_of(block->plain.data + entry->at,
					   entry->id.len));
}

static int prove_scanned(struct level *level, const struct pack_name *name,
			 struct pack_index *index, struct err *err)
{
	struct cached block = { .plain = BUF_INIT };
	uint32_t block_at = 0;
	char path[PACK_PATH];
	size_t kept = 0;
	int fd, r;

	pack_path(name, path);
	r = disk_open_read(&level->repo->dir, path, &fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < index->count; i++) {
		r = prove_entry(level, name, fd, &index->entries[i], &block,
				&block_at, err);
		if (r > 0)
			index->entries[kept++] = index->entries[i];
	}
	index->count = kept;
	cached_release_parts(&block);
	close(fd);
	return r < 0 ? r : 0;
}

static int tell_in_one(struct catalog *catalog, const struct told_pack *pack,
		       struct catalog_entry *entries, struct err *err)
{
	uint32_t number = 0;
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	r = catalog_add_pack(catalog, pack->name, pack->meta, pack->size,
			     entries, pack->count, &number, err);
	if (r == 0 && pack->leans)
		r = catalog_note_leaning(catalog, number, err);
	return catalog_end(catalog, r, err);
}

int level_tell_pack(struct catalog *catalog, const struct told_pack *pack,
		    struct err *err)
{
	struct catalog_entry *entries = calloc(pack->count + 1,
					       sizeof(*entries));
	int r;

	if (!entries)
		return err_nomem(err);
	for (size_t i = 0; i < pack->count; i++) {
		const struct pack_entry *e = &pack->entries[i];

		entries[i] = (struct catalog_entry){ e->id, e->block,
						     e->stored, e->at };
	}
	r = tell_in_one(catalog, pack, entries, err);
	free(entries);
	return r;
}

static int index_pack(struct level *level, const struct pack_name *name,
		      struct err *err)
{
	struct pack_index index = { 0 };
	struct told_pack told;
	uint64_t lost;
	int r;

	r = pack_read_index(&level->repo->dir, name, &index, err);
	if (r == -EBADMSG || r == -EIO) {
		level->report->damaged_packs++;
		r = pack_scan(&level->repo->dir, name, &index, &lost, err);
		if (r == -EBADMSG || r == -EIO)
			return 0;	/* nothing in it can be read */
		if (r == 0)
			r = prove_scanned(level, name, &index, err);
	}
	told = (struct told_pack){ name->b, index.type == PACK_META,
				   index.leans, index.size, index.entries,
				   index.count };
	if (r == 0)
		r = level_tell_pack(level->catalog, &told, err);
	if (r == 0) {
		level->report->packs++;
		level->report->objects += index.count;
	}
	pack_index_release(&index);
	return r;
}

static bool may_sync(const struct level *level)
{
	return !level->repo->readonly;
}

static int sync_fan(struct level *level, const struct pack_name *name,
		    struct err *err)
{
	char fan[16];
	int r = 0;

	if (!may_sync(level) || level->synced[name->b[0]])
		return 0;
	snprintf(fan, sizeof(fan), "packs/%02x", name->b[0]);
	if (!level->synced_packs)
		r = disk_sync_dir(&level->repo->dir, "packs", err);
	level->synced_packs = r == 0;
	if (r == 0)
		r = disk_sync_dir(&level->repo->dir, fan, err);
	level->synced[name->b[0]] = r == 0;
	return r;
}

/* 1: known. */
static int knows_pack(struct level *level, const struct pack_name *name,
		      struct err *err)
{
	struct catalog_pack pack;
	int r = catalog_find_pack(level->catalog, name->b, &pack, NULL);

	if (r == 0)
		return 1;
	if (r == -ENOENT)
		return 0;
	return catalog_find_pack(level->catalog, name->b, &pack, err);
}

static int see_pack(void *arg, const struct pack_name *name, struct err *err)
{
	struct level *level = arg;
	int r;

	if (level->progress)
		level->progress(level->arg, level->done++, level->total);
	r = knows_pack(level, name, err);
	if (r == 0)
		r = sync_fan(level, name, err);
	else
		return r < 0 ? r : 0;
	return r < 0 ? r : index_pack(level, name, err);
}

static int count_new_pack(void *arg, const struct pack_name *name,
			  struct err *err)
{
	struct level *level = arg;
	int r = knows_pack(level, name, err);

	level->new_packs += r == 0;
	return r < 0 ? r : 0;
}

static int count_pack(void *arg, const struct pack_name *name,
		      struct err *err)
{
	struct level *level = arg;

	(void)name;
	(void)err;
	level->total++;
	return 0;
}

int record_load(struct repo *repo, const char *name, struct record *ret,
		struct buf *bytes, struct err *err)
{
	char path[96], what[96], hex[2 * RECORD_ID + 1];
	int r;

	snprintf(path, sizeof(path), "snapshots/%.64s", name);
	snprintf(what, sizeof(what), "record %.64s", name);
	r = disk_read_all(&repo->dir, path, RECORD_MAX, bytes, err);
	if (r == 0)
		r = record_parse(buf_span(bytes), what, ret, err);
	if (r < 0)
		return r;
	hex_write(ret->id, RECORD_ID, hex);
	if (strcmp(hex, name)) {
		record_release(ret);
		return err_corrupt(err, "%s has another record's name", what);
	}
	return 0;
}

static int add_record(struct level *level, const char *name, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct record record = { 0 };
	int r;

	r = record_load(level->repo, name, &record, &bytes, err);
	/* Gone since it was listed, or damaged: check names it; the others
	 * must not wait for it. */
	if (r == -ENOENT || r == -EBADMSG || r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	r = catalog_add_record(level->catalog, &record, buf_span(&bytes),
			       err);
	record_release(&record);
	level->report->records++;
	return r;
}

static bool is_missing(struct level *level, const char *path)
{
	return faccessat(level->repo->dir.fd, path, F_OK, 0) < 0 &&
	       errno == ENOENT;
}

static int drop_pack(void *arg, const struct catalog_pack *pack,
		     struct err *err)
{
	struct level *level = arg;
	struct pack_name name;
	char path[PACK_PATH];

	memcpy(name.b, pack->name, PACK_NAME);
	pack_path(&name, path);
	return is_missing(level, path) ?
		catalog_remove_pack(level->catalog, pack->number, err) : 0;
}

static int drop_record(void *arg, const struct snapshot *snapshot,
		       struct err *err)
{
	char path[64], hex[2 * RECORD_ID + 1];
	struct level *level = arg;

	hex_write(snapshot->record.id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "snapshots/%s", hex);
	return is_missing(level, path) ?
		catalog_remove_record(level->catalog, snapshot->record.id,
				      err) : 0;
}

/* Of those that prune tidies away: others are missed. */
static int drop_event(void *arg, const char *name, const struct event *event,
		      struct err *err)
{
	static const uint8_t none[RECORD_ID];
	struct level *level = arg;
	char path[96];

	if (event->type != EVENT_LOG && event->type != EVENT_HIGHWATER &&
	    (!memcmp(event->snapshot, none, RECORD_ID) ||
	     catalog_has_record(level->catalog, event->snapshot)))
		return 0;
	snprintf(path, sizeof(path), "state/%.64s", name);
	return is_missing(level, path) ?
		catalog_remove_event(level->catalog, name, err) : 0;
}

/*
 * The catalog is of before a prune.  What is missing is missed as before where
 * no prune was: then it is damage, and stays for check to name.
 */
static int follow_prune(struct level *level, struct err *err)
{
	int r;

	if (level->looked_for_gone)
		return 0;
	r = level->saw_packs ? 0 : pack_list(&level->repo->dir, see_pack,
					     NULL, level, err);
	if (r == 0)
		r = catalog_each_pack(level->catalog, drop_pack, level, err);
	if (r == 0)
		r = catalog_each_snapshot(level->catalog, NULL, true,
					  drop_record, level, err);
	if (r == 0)
		r = catalog_each_event(level->catalog, 0, drop_event, level,
				       err);
	level->looked_for_gone = r == 0;
	return r;
}

static bool is_of_prune(const struct event *event)
{
	return event->type == EVENT_LOG && event->key &&
	       !strcmp(event->key, PRUNE_EVENT);
}

static int add_event(struct level *level, const char *name, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct event event = { 0 };
	char path[96];
	int r;

	snprintf(path, sizeof(path), "state/%.64s", name);
	r = disk_read_all(&level->repo->dir, path, RECORD_MAX, &bytes, err);
	if (r == 0)
		r = event_parse(buf_span(&bytes), path, &event, err);
	if (r == -ENOENT || r == -EBADMSG || r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	/* before it is told: once the catalog knows it, nobody looks again */
	r = is_of_prune(&event) ? follow_prune(level, err) : 0;
	if (r == 0)
		r = catalog_add_event(level->catalog, name, &event, err);
	event_release(&event);
	level->report->events++;
	return r;
}

static int add_all(struct level *level, struct err *err)
{
	struct names *records = &level->records, *events = &level->events;
	int r = 0;

	if (records->count > 0 || level->report->every_pack) {
		if (level->progress)
			r = pack_list(&level->repo->dir, count_pack, NULL,
				      level, err);
		if (r == 0)
			r = pack_list(&level->repo->dir, see_pack, NULL,
				      level, err);
		level->saw_packs = r == 0;
	}
	if (r == 0 && records->count > 0 && may_sync(level))
		r = disk_sync_dir(&level->repo->dir, "snapshots", err);
	for (size_t i = 0; r == 0 && i < records->count; i++)
		r = add_record(level, records->name[i], err);
	if (r == 0 && events->count > 0 && may_sync(level))
		r = disk_sync_dir(&level->repo->dir, "state", err);
	/* in the order of their sequence */
	if (events->count > 0)
		qsort(events->name, events->count, sizeof(*events->name),
		      name_cmp);
	for (size_t i = 0; r == 0 && i < events->count; i++)
		r = add_event(level, events->name[i], err);
	return r;
}

static int look(struct level *level, struct err *err)
{
	struct repo *repo = level->repo;
	int r;

	level->records.count = level->events.count = 0;
	level->new_packs = 0;
	r = disk_list(&repo->dir, "snapshots", see_record, level, err);
	if (r == 0)
		r = disk_list(&repo->dir, "state", see_event, level, err);
	if (r == 0 && level->report->every_pack)
		r = pack_list(&repo->dir, count_new_pack, NULL, level, err);
	return r;
}

static bool has_news(const struct level *level)
{
	return level->records.count + level->events.count +
	       level->new_packs > 0;
}

static int look_and_add(struct level *level, struct err *err)
{
	int r = look(level, err);

	if (r < 0 || !has_news(level))
		return r;
	level->report->changed = true;
	return add_all(level, err);
}

static int level_unlocked(struct level *level, struct err *err)
{
	int r, lock;

	r = look(level, err);
	if (r < 0 || !has_news(level))
		return r;
	r = repo_lock_commit(level->repo, &lock, err);
	if (r < 0)
		return r;
	r = look_and_add(level, err);
	repo_unlock_commit(lock);
	return r;
}

int level_catalog(struct repo *repo, struct catalog *catalog,
		  struct level_report *report,
		  void (*progress)(void *arg, uint64_t done, uint64_t total),
		  void *arg, struct err *err)
{
	struct level level = { .repo = repo, .catalog = catalog,
			       .report = report, .progress = progress,
			       .arg = arg };
	int r;

	if (report->locked || repo->readonly)
		r = look_and_add(&level, err);
	else
		r = level_unlocked(&level, err);
	free(level.records.name);
	free(level.events.name);
	return r;
}
