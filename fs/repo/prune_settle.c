#include "fs/repo/copy.h"
#include "fs/repo/prune_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMED_BYTES 50000	/* of an event's value, which has 64 KiB */
#define LOG_KEPT 5000		/* events; older ones are dropped */

/* Events that are of no use without the snapshot they are about. */
struct stale {
	struct prune *prune;
	char (*names)[72];
	size_t count;
	char high[72];		/* the newest high-water mark */
	char scrub[72];		/* and how far check has read */
	uint64_t logs;		/* to be dropped still */
};

struct settling {
	struct prune *prune;
	const struct roots *roots;
	int lock;		/* the commit lock */
	uint64_t seq;		/* of our event; 0: none yet */
	size_t condemned, drops;
	size_t due;		/* condemned before, and can go now */
};

/* Marks in the catalog. */

static int see_condemned(void *arg, uint32_t number, uint64_t seq,
			 struct err *err)
{
	struct prune *prune = arg;
	struct prune_pack *pack = plan_find(prune, number);

	/* made since the catalog was frozen: the next prune looks at it */
	if (!pack || pack->gone)
		return 0;
	if (!pack->empty)
		return catalog_spare_pack(prune->repo->catalog, number, err);
	pack->condemned = true;
	pack->seq = seq;
	return 0;
}

/* The log's word of what goes: events that said it go with it. */
static void name_gone(struct settling *s, struct buf *words)
{
	size_t named = 0;

	for (size_t i = 0; i < s->roots->count; i++) {
		const struct root *root = &s->roots->row[i];

		if (root_stays(root))
			continue;
		if (words->len > NAMED_BYTES)
			break;
		buf_printf(words, "%s%s", named++ ? ", " :
			   "snapshots gone for good: ", root->label);
		if (root->by)
			buf_printf(words, " (forgotten %s)", root->by);
	}
	if (s->drops > named)
		buf_printf(words, " and %zu more", s->drops - named);
	if (s->condemned + s->due)
		buf_printf(words, "%s%zu %s to be removed",
			   named ? "; " : "", s->condemned + s->due,
			   s->condemned + s->due == 1 ? "pack" : "packs");
}

static int publish(struct settling *s, struct err *err)
{
	struct event event = { .type = EVENT_LOG };
	struct buf words = BUF_INIT;
	int r;

	name_gone(s, &words);
	event.key = strdup(PRUNE_EVENT);
	event.value = buf_detach(&words);
	r = event.key && event.value ?
		repo_event_locked(s->prune->repo, &event, err) :
		err_nomem(err);
	s->seq = event.seq;
	event_release(&event);
	return r;
}

/* Numbers of snapshots that go are never given again. */
static int publish_high(struct repo *repo, struct err *err)
{
	struct event event = { .type = EVENT_HIGHWATER };
	int r = catalog_high_number(repo->catalog, &event.number, err);

	if (r == 0 && event.number > 0)
		r = repo_event_locked(repo, &event, err);
	event_release(&event);
	return r;
}

static int condemn(struct settling *s, struct err *err)
{
	struct prune *prune = s->prune;
	struct catalog *catalog = prune->repo->catalog;
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < prune->pack_count; i++) {
		struct prune_pack *pack = &prune->pack[i];

		if (!pack->empty || pack->gone || pack->condemned)
			continue;
		r = catalog_condemn_pack(catalog, pack->number, s->seq, err);
		pack->condemned = true;
		pack->seq = s->seq;
	}
	return catalog_end(catalog, r, err);
}

/* Who adds and began after it was condemned does not count on it. */
static bool may_go(const struct settling *s, const struct prune_pack *pack)
{
	return pack->empty && !pack->gone && pack->condemned &&
	       pack->seq <= s->roots->oldest_add;
}

/* Removing: from the catalog first, which is on the disk then.  What is left
 * of that after a crash is found again, as what nobody needs. */

static int remove_rows(struct settling *s, struct err *err)
{
	struct prune *prune = s->prune;
	struct catalog *catalog = prune->repo->catalog;
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < s->roots->count; i++)
		if (!root_stays(&s->roots->row[i]))
			r = catalog_remove_record(catalog,
						  s->roots->row[i].id, err);
	for (size_t i = 0; r == 0 && i < prune->pack_count; i++)
		if (may_go(s, &prune->pack[i]))
			r = catalog_remove_pack(catalog,
						prune->pack[i].number, err);
	return catalog_end(catalog, r, err);
}

static int unlink_gone(struct disk_dir *dir, const char *path,
		       struct err *err)
{
	int r = disk_unlink(dir, path, err);

	return r == -ENOENT ? 0 : r;
}

static int unlink_records(struct settling *s, struct err *err)
{
	struct disk_dir *dir = &s->prune->repo->dir;
	char path[64], hex[2 * RECORD_ID + 1];
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->roots->count; i++) {
		if (root_stays(&s->roots->row[i]))
			continue;
		hex_write(s->roots->row[i].id, RECORD_ID, hex);
		snprintf(path, sizeof(path), "snapshots/%s", hex);
		r = unlink_gone(dir, path, err);
		s->prune->report->snapshots_removed += r == 0;
	}
	return r == 0 && s->drops ? disk_sync_dir(dir, "snapshots", err) : r;
}

static int unlink_packs(struct settling *s, struct err *err)
{
	struct prune *prune = s->prune;
	struct disk_dir *dir = &prune->repo->dir;
	bool touched[256] = { false };
	int r = 0;

	for (size_t i = 0; r == 0 && i < prune->pack_count; i++) {
		struct prune_pack *pack = &prune->pack[i];
		struct pack_name name;
		char path[PACK_PATH];

		if (!may_go(s, pack))
			continue;
		prune_progress(prune, PRUNE_REMOVE, i, prune->pack_count);
		memcpy(name.b, pack->name, PACK_NAME);
		pack_path(&name, path);
		r = unlink_gone(dir, path, err);
		if (r < 0)
			break;
		touched[name.b[0]] = true;
		pack->gone = true;
		r = bits_set(&prune->mark.gone, pack->number, err);
		prune->report->packs_removed++;
		prune->report->bytes_removed += pack->size;
	}
	for (int i = 0; r == 0 && i < 256; i++) {
		char fan[16];

		snprintf(fan, sizeof(fan), "packs/%02x", i);
		if (touched[i])
			r = disk_sync_dir(dir, fan, err);
	}
	return r;
}

/* State that is left over. */

static bool is_about_gone(struct repo *repo, const struct event *event)
{
	static const uint8_t none[RECORD_ID];
	char path[64], hex[2 * RECORD_ID + 1];

	if (!memcmp(event->snapshot, none, RECORD_ID))
		return false;
	hex_write(event->snapshot, RECORD_ID, hex);
	snprintf(path, sizeof(path), "snapshots/%s", hex);
	return faccessat(repo->dir.fd, path, F_OK, 0) < 0 && errno == ENOENT;
}

static int note_stale(struct stale *stale, const char *name, struct err *err)
{
	size_t n = stale->count;

	if ((n & (n - 1)) == 0) {
		void *more = reallocarray(stale->names, n ? 2 * n : 1,
					  sizeof(*stale->names));

		if (!more)
			return err_nomem(err);
		stale->names = more;
	}
	snprintf(stale->names[stale->count++], sizeof(*stale->names), "%s",
		 name);
	return 0;
}

/* What a copy goes by is no old news. */
static bool is_for_people(const struct event *event)
{
	return event->type == EVENT_LOG && strcmp(event->key, COPIED_EVENT);
}

/* Events come in order, and numbers rise with them. */
static int see_event(void *arg, const char *name, const struct event *event,
		     struct err *err)
{
	struct stale *stale = arg;
	int r = 0;

	if (event->type == EVENT_HIGHWATER) {
		if (stale->high[0])
			r = note_stale(stale, stale->high, err);
		snprintf(stale->high, sizeof(stale->high), "%s", name);
		return r;
	}
	if (event->type == EVENT_SCRUB) {
		if (stale->scrub[0])
			r = note_stale(stale, stale->scrub, err);
		snprintf(stale->scrub, sizeof(stale->scrub), "%s", name);
		return r;
	}
	if (stale->logs > 0 && is_for_people(event)) {
		stale->logs--;
		return note_stale(stale, name, err);
	}
	return is_about_gone(stale->prune->repo, event) ?
		note_stale(stale, name, err) : 0;
}

static int remove_event_rows(struct catalog *catalog,
			     const struct stale *stale, struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < stale->count; i++)
		r = catalog_remove_event(catalog, stale->names[i], err);
	return catalog_end(catalog, r, err);
}

static int count_log(void *arg, const char *name, const struct event *event,
		     struct err *err)
{
	(void)name;
	(void)err;
	*(uint64_t *)arg += is_for_people(event);
	return 0;
}

static int tidy_state(struct prune *prune, struct err *err)
{
	struct stale stale = { .prune = prune };
	struct repo *repo = prune->repo;
	uint64_t logs = 0;
	char path[96];
	int r;

	r = catalog_each_event(repo->catalog, EVENT_LOG, count_log, &logs,
			       err);
	stale.logs = logs > LOG_KEPT ? logs - LOG_KEPT : 0;
	if (r == 0)
		r = catalog_each_event(repo->catalog, 0, see_event, &stale,
				       err);
	if (r == 0 && stale.count > 0)
		r = remove_event_rows(repo->catalog, &stale, err);
	for (size_t i = 0; r == 0 && i < stale.count; i++) {
		snprintf(path, sizeof(path), "state/%s", stale.names[i]);
		r = unlink_gone(&repo->dir, path, err);
	}
	if (r == 0 && stale.count > 0)
		r = disk_sync_dir(&repo->dir, "state", err);
	free(stale.names);
	return r;
}

/* All together. */

static void count_waiting(struct settling *s)
{
	struct prune_report *report = s->prune->report;

	report->packs_waiting = report->bytes_waiting = 0;
	report->waits_for[0] = '\0';
	for (size_t i = 0; i < s->prune->pack_count; i++) {
		const struct prune_pack *pack = &s->prune->pack[i];

		if (!pack->empty || pack->gone)
			continue;
		report->packs_waiting++;
		report->bytes_waiting += pack->size;
		snprintf(report->waits_for, sizeof(report->waits_for), "%s",
			 s->roots->waits_for);
	}
}

static void count_work(struct settling *s)
{
	struct prune_report *report = s->prune->report;

	report->snapshots = report->snapshots_held = 0;
	for (size_t i = 0; i < s->roots->count; i++) {
		const struct root *root = &s->roots->row[i];

		s->drops += !root_stays(root);
		report->snapshots += !root->forgotten;
		report->snapshots_held += root->forgotten && root->needed;
	}
	for (size_t i = 0; i < s->prune->pack_count; i++) {
		const struct prune_pack *pack = &s->prune->pack[i];

		s->condemned += pack->empty && !pack->gone &&
				!pack->condemned;
		s->due += may_go(s, pack);
	}
}

/*
 * Whoever seals a pack after this was cut short looks first what is left: ids
 * in it are taken, though the catalog does not know them any more.
 */
static int remove_all(struct settling *s, struct err *err)
{
	struct repo *repo = s->prune->repo;
	int r = repo_mark_sealing(repo, s->lock, true, err);

	if (r == 0)
		r = remove_rows(s, err);
	if (r == 0)
		r = unlink_records(s, err);
	if (r == 0)
		r = unlink_packs(s, err);
	if (r == 0)
		r = repo_mark_sealing(repo, s->lock, false, err);
	return r;
}

/* A mark of before may have been taken away, and then does not count. */
static int load_condemned(struct prune *prune, struct err *err)
{
	for (size_t i = 0; i < prune->pack_count; i++)
		prune->pack[i].condemned = false;
	return catalog_each_condemned(prune->repo->catalog, see_condemned,
				      prune, err);
}

static int settle_locked(struct settling *s, struct err *err)
{
	struct prune *prune = s->prune;
	int r;

	r = load_condemned(prune, err);
	if (r < 0)
		return r;
	count_work(s);
	/* an older catalog that does not know this event looks for what is
	 * gone */
	if (s->condemned + s->drops + s->due > 0) {
		r = publish(s, err);
		if (r == 0)
			r = condemn(s, err);
	}
	if (r == 0 && s->drops > 0)
		r = publish_high(prune->repo, err);
	if (r == 0)
		r = remove_all(s, err);
	count_waiting(s);
	return r == 0 ? tidy_state(prune, err) : r;
}

/* 1: more is to be marked first; 0: settled. */
static int try_to_settle(struct prune *prune, struct roots *roots,
			 struct err *err)
{
	struct level_report level = { .locked = true };
	struct settling s = { .prune = prune, .roots = roots };
	int lock, r;

	r = repo_lock_commit(prune->repo, &lock, err);
	if (r < 0)
		return r;
	s.lock = lock;
	level.every_pack = repo_was_sealing(lock);
	r = level_catalog(prune->repo, prune->repo->catalog, &level, NULL,
			  NULL, err);
	if (r == 0)
		r = roots_load(prune->repo, prune->options, roots, err);
	for (size_t i = 0; r == 0 && i < roots->count; i++)
		if (root_stays(&roots->row[i]) &&
		    !bits_has(&prune->mark.snapshots, roots->row[i].number))
			r = 1;
	if (r == 0)
		r = settle_locked(&s, err);
	repo_unlock_commit(lock);
	return r;
}

int settle(struct prune *prune, struct err *err)
{
	int r = 1;

	while (r == 1) {
		struct roots roots = { .row = NULL };

		r = try_to_settle(prune, &roots, err);
		if (r == 1) {
			r = prune_mark(prune, &roots, err);
			if (r >= 0)
				r = lean_mark(prune, err);
			if (r == 0)
				r = plan_recheck(prune, err);
			r = r < 0 ? r : 1;
		}
		roots_release(&roots);
	}
	return r;
}
