/*
 * The invariants of a store (docs/design.md explains; tests quote them):
 *
 * 1. A sealed pack is never changed, only removed by prune, or moved aside by
 *    repair.
 * 2. A pack and its directory entry are durable before any record or row
 *    names them.
 * 3. A snapshot exists from its record's rename on: before that nothing of it
 *    is seen, after it all of it is; the catalog follows, at once or at the
 *    next open.  Hits on stored chunks are settled in the commit, under a lock
 *    that also covers that rename; prune never runs between.
 * 4. A catalog that is missing, older or torn is brought level from packs,
 *    records and state.
 * 5. Prune makes durable what stays before it removes what goes, and never
 *    removes what a snapshot, a running add or an open mount still needs.
 * 6. Nothing leaves the repo whose hash was not compared.  An error or a short
 *    listing is never "empty".
 * 7. Many may add at once, many may read, one prunes; a killed process leaves
 *    no lock behind.
 */
#include "fs/repo/repo_internal.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *repo_path(const struct repo *repo)
{
	return repo->path;
}

const uint8_t *repo_store_id(const struct repo *repo)
{
	return repo->conf.store_id;
}

const struct id_key *repo_key(const struct repo *repo)
{
	return &repo->key;
}

struct disk_dir *repo_dir(struct repo *repo)
{
	return &repo->dir;
}

bool repo_is_readonly(const struct repo *repo)
{
	return repo->readonly || repo->mode == REPO_READ;
}

struct catalog *repo_catalog(struct repo *repo)
{
	return repo->catalog;
}

void repo_cache_stats(struct repo *repo, struct cache_stats *ret)
{
	cache_get_stats(repo->cache, ret);
}

void repo_on_wait(struct repo *repo, void (*about)(void))
{
	cache_on_wait(repo->cache, about);
}

int repo_lock_commit(struct repo *repo, int *ret_fd, struct err *err)
{
	return disk_lock(&repo->dir, LOCK_NAME, DISK_LOCK_EXCLUSIVE, true,
			 ret_fd, err);
}

int repo_lock_prune(struct repo *repo, const char *who, int *ret_fd,
		    struct err *err)
{
	int r;

	if (repo_is_readonly(repo))
		return err_set(err, -EROFS, "the store '%s' is read-only",
			       repo->path);
	r = disk_lock(&repo->dir, PRUNE_NAME, DISK_LOCK_EXCLUSIVE, false,
		      ret_fd, err);
	if (r == -EBUSY)
		err_set(err, r, "%s is at work in '%s'", who, repo->path);
	return r;
}

void repo_unlock_commit(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The file never shrinks, so that taking the mark away needs no room. */
int repo_mark_sealing(struct repo *repo, int lock, bool sealing,
		      struct err *err)
{
	return disk_write(&repo->dir, LOCK_NAME, lock, 0,
			  span_str(sealing ? "1" : "0"), err);
}

bool repo_was_sealing(int lock)
{
	char mark;
	ssize_t n = pread(lock, &mark, 1, 0);

	return n < 0 || (n == 1 && mark != '0');
}

char *repo_host(void)
{
	char host[256];

	if (gethostname(host, sizeof(host)) < 0)
		return strdup("");
	host[sizeof(host) - 1] = '\0';
	return strdup(host);
}

char *repo_user(void)
{
	struct passwd pw, *found = NULL;
	char room[4096], number[32];

	if (getpwuid_r(geteuid(), &pw, room, sizeof(room), &found) == 0 &&
	    found)
		return strdup(found->pw_name);
	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	return strdup(number);
}

int repo_refresh(struct repo *repo, bool *ret_changed, struct err *err)
{
	struct level_report report = { 0 };
	bool changed = false;
	uint64_t mark = 0;
	int r;

	pthread_mutex_lock(&repo->state_mutex);
	if (repo->catalog_in_memory)
		r = level_catalog(repo, repo->catalog, &report, NULL, NULL,
				  err);
	else
		r = 0;
	if (r == 0)
		r = catalog_change_mark(repo->catalog, &mark, err);
	if (r == 0 && (report.changed || mark != repo->change_mark)) {
		changed = true;
		repo->change_mark = mark;
		repo_close_removed(repo);
	}
	pthread_mutex_unlock(&repo->state_mutex);
	if (r == 0 && ret_changed)
		*ret_changed = changed;
	return r;
}

int repo_tell_reading(struct repo *repo, uint64_t seen, const uint64_t *held,
		      size_t count, struct err *err)
{
	return repo->presence.dir ? presence_see(&repo->presence, seen, held,
						 count, err) : 0;
}

/* Who publishes waited for the lock: a prune may have been there first. */
static int check_subject(struct repo *repo, const struct event *event,
			 struct err *err)
{
	static const uint8_t none[RECORD_ID];
	struct snapshot row = { .forgotten = false };
	int r;

	if (!memcmp(event->snapshot, none, RECORD_ID) ||
	    event->type == EVENT_HEAL)
		return 0;
	r = catalog_get_snapshot_by_id(repo->catalog, event->snapshot, &row,
				       err);
	if (r == 0)
		snapshot_release(&row);
	if (r == -ENOENT)
		err_set(err, r, "the snapshot is gone: a prune removed it");
	return r;
}

#define EVENTS_AT_ONCE 64	/* under one hold of the commit lock */
#define EVENT_ROOM 8192		/* its file, and its rows in the catalog */

struct event_name {
	char text[64];
};

/* Under the commit lock; event->seq is free. */
static int publish_event(struct repo *repo, struct event *event,
			 struct event_name *ret_name, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	char path[80], hex[17];
	uint8_t rnd[8];
	int r = random_bytes(rnd, sizeof(rnd), err);

	if (r == 0)
		r = check_subject(repo, event, err);
	if (r < 0)
		return r;
	if (!event->host)
		event->host = repo_host();
	if (!event->user)
		event->user = repo_user();
	event->at = stamp_now();
	hex_write(rnd, 8, hex);
	snprintf(ret_name->text, sizeof(ret_name->text), "%020llu-%s",
		 (unsigned long long)event->seq, hex);
	snprintf(path, sizeof(path), "state/%s", ret_name->text);
	r = event_write(event, &bytes, err);
	return r < 0 ? r : disk_publish(&repo->dir, path, buf_span(&bytes),
					err);
}

/* They hold now.  As with records, a catalog that cannot be told follows at
 * the next open, and that is no failure. */
static void tell_catalog(struct repo *repo, const struct event *events,
			 const struct event_name *names, size_t count)
{
	int r = catalog_begin(repo->catalog, NULL);

	if (r < 0)
		return;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = catalog_add_event(repo->catalog, names[i].text,
				      &events[i], NULL);
	catalog_end(repo->catalog, r, NULL);
}

static int publish_events(struct repo *repo, struct event *events,
			  size_t count, size_t *done, struct err *err)
{
	struct level_report report = { .locked = true };
	struct event_name names[EVENTS_AT_ONCE];
	uint64_t seq;
	int r;

	/* its number must be above those the catalog was not told of */
	r = level_catalog(repo, repo->catalog, &report, NULL, NULL, err);
	if (r == 0)
		r = catalog_high_seq(repo->catalog, &seq, err);
	for (*done = 0; r == 0 && *done < count; *done += r == 0) {
		events[*done].seq = ++seq;
		r = publish_event(repo, &events[*done], &names[*done], err);
	}
	if (*done > 0)
		tell_catalog(repo, events, names, *done);
	return r;
}

int repo_event_locked(struct repo *repo, struct event *event, struct err *err)
{
	size_t done;

	return publish_events(repo, event, 1, &done, err);
}

/*
 * Events that make room for a prune leave it the room to begin: how many of count
 * there is room for beside that.  One alone is never refused.
 */
static int room_for_events(struct repo *repo, size_t count, size_t *ret,
			   struct err *err)
{
	uint64_t room, last = reserve_last(repo);
	int r = disk_free_bytes(&repo->dir, &room, err);

	if (r == 0 && room < last + count * EVENT_ROOM &&
	    reserve_release(repo))
		r = disk_free_bytes(&repo->dir, &room, err);
	if (r < 0)
		return r;
	room = room > last ? (room - last) / EVENT_ROOM : 0;
	*ret = room < count ? (size_t)room : count;
	return *ret > 0 ? 0 :
		err_set(err, -ENOSPC, "No space left on device: what is free "
			"on the file system of '%s' is left to a prune",
			repo->path);
}

/* As many as are done at once. */
static int next_events(struct repo *repo, struct event *events, size_t count,
		       size_t *done, struct err *err)
{
	int r, lock;

	r = repo_lock_commit(repo, &lock, err);
	if (r < 0)
		return r;
	r = publish_events(repo, events, count, done, err);
	/* what makes room must not want for it */
	if ((r == -ENOSPC || r == -EDQUOT) && reserve_release(repo)) {
		size_t more = 0;

		r = publish_events(repo, events + *done, count - *done, &more,
				   err);
		*done += more;
	}
	repo_unlock_commit(lock);
	return r;
}

int repo_events(struct repo *repo, struct event *events, size_t count,
		size_t *ret_done, struct err *err)
{
	size_t done = 0;
	int r = 0;

	*ret_done = 0;
	if (repo_is_readonly(repo))
		return err_set(err, -EROFS, "the store '%s' is read-only",
			       repo->path);
	while (r == 0 && *ret_done < count) {
		size_t some = count - *ret_done;

		if (some > EVENTS_AT_ONCE)
			some = EVENTS_AT_ONCE;
		done = 0;
		if (count > 1)
			r = room_for_events(repo, some, &some, err);
		if (r < 0)
			break;
		r = next_events(repo, events + *ret_done, some, &done, err);
		*ret_done += done;
	}
	return r;
}

int repo_event(struct repo *repo, struct event *event, struct err *err)
{
	size_t done;

	return repo_events(repo, event, 1, &done, err);
}
