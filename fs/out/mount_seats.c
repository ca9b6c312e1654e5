#include "fs/out/mount_internal.h"

#include <stdlib.h>

int seats_init(struct seats *seats, struct err *err)
{
	if (pthread_mutex_init(&seats->lock, NULL) != 0 ||
	    pthread_cond_init(&seats->changed, NULL) != 0)
		return err_nomem(err);
	for (unsigned i = 0; i < SEATS_MAX; i++)
		pthread_mutex_init(&seats->seats[i].view_lock, NULL);
	seats->ready = true;
	return 0;
}

static void seat_clear(struct seat *seat)
{
	view_close(seat->view);
	tree_close(seat->tree);
	seat->view = NULL;
	seat->tree = NULL;
	seat->number = 0;
}

static void known_free(struct known *known)
{
	record_release(&known->record);
	free(known);
}

void seats_release(struct seats *seats)
{
	if (!seats->ready)
		return;
	for (unsigned i = 0; i < SEATS_MAX; i++) {
		seat_clear(&seats->seats[i]);
		pthread_mutex_destroy(&seats->seats[i].view_lock);
	}
	for (unsigned i = 0; i < KNOWN_BUCKETS; i++) {
		while (seats->known[i]) {
			struct known *next = seats->known[i]->next;

			known_free(seats->known[i]);
			seats->known[i] = next;
		}
	}
	free(seats->told);
	pthread_mutex_destroy(&seats->lock);
	pthread_cond_destroy(&seats->changed);
}

static struct known **known_at(struct seats *seats, uint64_t number)
{
	struct known **at = &seats->known[number % KNOWN_BUCKETS];

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

/* What the kernel has nodes of stays open to it; else it must be shown. */
static int find_record(struct mount *mount, uint64_t number,
		       struct record *ret, struct err *err)
{
	struct seats *seats = &mount->seats;
	struct snapshot row = { .forgotten = false };
	struct known *known;
	bool shown;
	int r = -ENOENT;

	pthread_mutex_lock(&seats->lock);
	known = *known_at(seats, number);
	shown = known;
	if (known && known->has_record)
		r = record_copy(&known->record, ret);
	pthread_mutex_unlock(&seats->lock);
	if (r == 0)
		return 0;
	if (r != -ENOENT)
		return err_nomem(err);

	pthread_rwlock_rdlock(&mount->names_lock);
	shown |= names_snap(mount->names, number) != NULL;
	pthread_rwlock_unlock(&mount->names_lock);
	if (!shown)
		return err_set(err, -ESTALE, "snapshot %llu is not shown here",
			       (unsigned long long)number);
	r = catalog_get_snapshot(repo_catalog(mount->repo), number, &row, err);
	if (r == -ENOENT)
		return err_set(err, -ESTALE, "snapshot %llu is gone",
			       (unsigned long long)number);
	if (r < 0)
		return r;
	*ret = row.record;
	memset(&row.record, 0, sizeof(row.record));
	snapshot_release(&row);
	return 0;
}

static int open_tree(struct mount *mount, uint64_t number, struct tree **ret,
		     struct err *err)
{
	struct record record;
	int r;

	memset(&record, 0, sizeof(record));
	r = find_record(mount, number, &record, err);
	if (r < 0)
		return r;
	r = tree_open(mount->repo, &record, ret, err);
	if (r < 0)
		err_wrap(err, "cannot open snapshot %s of '%s'", record.name,
			 record.source);
	else
		count(&mount->counters.trees_opened, 1);
	record_release(&record);
	return r;
}

/* Under the lock: the seat of number, or the one to give up for it. */
static struct seat *choose(struct seats *seats, uint64_t number)
{
	struct seat *oldest = NULL;

	for (unsigned i = 0; i < SEATS_MAX; i++) {
		struct seat *seat = &seats->seats[i];

		if (seat->number == number)
			return seat;
		if (seat->users || seat->opening)
			continue;
		if (!oldest || seat->used < oldest->used)
			oldest = seat;
	}
	return oldest;
}

int seat_get(struct mount *mount, uint64_t number, struct seat **ret,
	     struct err *err)
{
	struct seats *seats = &mount->seats;
	struct tree *tree = NULL;
	struct seat *seat;
	int r;

	pthread_mutex_lock(&seats->lock);
	for (;;) {
		seat = choose(seats, number);
		if (seat && !(seat->number == number && seat->opening))
			break;
		crew_will_wait();
		pthread_cond_wait(&seats->changed, &seats->lock);
	}
	seat->used = ++seats->clock;
	if (seat->number == number) {
		seat->users++;
		pthread_mutex_unlock(&seats->lock);
		*ret = seat;
		return 0;
	}
	seat_clear(seat);
	seat->number = number;
	seat->opening = true;
	pthread_mutex_unlock(&seats->lock);

	crew_will_wait();
	r = open_tree(mount, number, &tree, err);

	pthread_mutex_lock(&seats->lock);
	seat->opening = false;
	seat->tree = tree;
	seat->number = r < 0 ? 0 : number;
	seat->users = r < 0 ? 0 : 1;
	if (r < 0)
		seat->used = 0;
	pthread_cond_broadcast(&seats->changed);
	pthread_mutex_unlock(&seats->lock);
	if (r == 0)
		*ret = seat;
	return r;
}

void seat_put(struct mount *mount, struct seat *seat)
{
	struct seats *seats = &mount->seats;

	if (!seat)
		return;
	pthread_mutex_lock(&seats->lock);
	if (--seat->users == 0)
		pthread_cond_broadcast(&seats->changed);
	pthread_mutex_unlock(&seats->lock);
}

int seat_view(struct seat *seat, struct view **ret, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&seat->view_lock);
	if (!seat->view)
		r = view_open(seat->tree, &seat->view, err);
	if (r == 0)
		*ret = seat->view;
	pthread_mutex_unlock(&seat->view_lock);
	return r;
}

/* Under the lock: that of number, made where there is none; NULL: no memory. */
static struct known *known_make(struct seats *seats, uint64_t number)
{
	struct known **at = known_at(seats, number);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			(*at)->number = number;
	}
	return *at;
}

/* Under the lock.  Without memory for it the snapshot still is served while it
 * is shown; only forgetting it would cut its readers off. */
static void known_keep(struct known *known, const struct record *record)
{
	if (known->has_record || record_copy(record, &known->record) < 0)
		return;
	known->has_record = true;
	free(known->record.packs);
	known->record.packs = NULL;
	known->record.pack_count = 0;
}

void seat_know(struct mount *mount, struct seat *seat, uint64_t lookups)
{
	struct seats *seats = &mount->seats;
	struct known *known;

	pthread_mutex_lock(&seats->lock);
	known = known_make(seats, seat->number);
	if (known) {
		known_keep(known, tree_record(seat->tree));
		known->lookups += lookups;
	}
	pthread_mutex_unlock(&seats->lock);
}

bool seats_know_top(struct mount *mount, uint64_t number)
{
	struct seats *seats = &mount->seats;
	struct known *known;

	pthread_mutex_lock(&seats->lock);
	known = known_make(seats, number);
	if (known)
		known->lookups++;
	pthread_mutex_unlock(&seats->lock);
	return known;
}

void seats_forget(struct mount *mount, uint64_t number, uint64_t lookups)
{
	struct seats *seats = &mount->seats;
	struct known **at, *known;

	pthread_mutex_lock(&seats->lock);
	at = known_at(seats, number);
	known = *at;
	if (known && known->lookups > lookups) {
		known->lookups -= lookups;
	} else if (known) {
		*at = known->next;
		known_free(known);
	}
	pthread_mutex_unlock(&seats->lock);
}

/* What is held. */

int numbers_add(struct numbers *list, uint64_t number)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		void *more = reallocarray(list->n, cap, sizeof(*list->n));

		if (!more)
			return -ENOMEM;
		list->n = more;
		list->cap = cap;
	}
	list->n[list->count++] = number;
	return 0;
}

/*
 * Under the lock.  A request puts its number on a seat before it looks whether
 * the snapshot is shown: one that is not seen here looks at names that do not
 * show what was forgotten.
 */
static int list_read(struct seats *seats, struct numbers *list)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SEATS_MAX; i++) {
		const struct seat *seat = &seats->seats[i];

		if (seat->number && (seat->users || seat->opening))
			r = numbers_add(list, seat->number);
	}
	for (unsigned i = 0; i < KNOWN_BUCKETS; i++)
		for (struct known *k = seats->known[i]; r == 0 && k;
		     k = k->next)
			r = numbers_add(list, k->number);
	return r;
}

/* Its record is here when it is gone from the catalog. */
static void known_remember(struct seats *seats, const struct snapshot *row)
{
	struct known *known;

	pthread_mutex_lock(&seats->lock);
	known = *known_at(seats, row->record.number);
	if (known)
		known_keep(known, &row->record);
	pthread_mutex_unlock(&seats->lock);
}

/* 1: forgotten (or gone, though it is read).  remember: its record, which
 * takes the lock. */
static int is_forgotten(struct mount *mount, uint64_t number, bool remember,
			struct err *err)
{
	struct snapshot row = { .forgotten = false };
	int r = catalog_get_snapshot(repo_catalog(mount->repo), number, &row,
				     err);

	if (r == -ENOENT)
		return 1;
	if (r < 0)
		return r;
	r = row.forgotten;
	if (r == 1 && remember)
		known_remember(&mount->seats, &row);
	snapshot_release(&row);
	return r;
}

static int keep_forgotten(struct mount *mount, struct numbers *list,
			  struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		int r = is_forgotten(mount, list->n[i], true, err);

		if (r < 0)
			return r;
		if (r == 1)
			list->n[kept++] = list->n[i];
	}
	list->count = kept;
	return 0;
}

/* A tree that is only kept open is none that is read. */
static void close_idle(struct mount *mount, const struct numbers *list)
{
	struct seats *seats = &mount->seats;

	pthread_mutex_lock(&seats->lock);
	for (unsigned i = 0; i < SEATS_MAX; i++) {
		struct seat *seat = &seats->seats[i];
		bool shown = false;

		if (!seat->number || seat->users || seat->opening ||
		    *known_at(seats, seat->number))
			continue;
		for (size_t k = 0; k < list->count; k++)
			shown |= list->n[k] == seat->number;
		if (!shown &&
		    is_forgotten(mount, seat->number, false, NULL) == 1)
			seat_clear(seat);
	}
	pthread_mutex_unlock(&seats->lock);
}

static bool was_told(const struct seats *seats, uint64_t seen,
		     const struct numbers *list)
{
	return seats->told_once && seats->told_seen == seen &&
	       seats->told_count == list->count &&
	       (list->count == 0 || !memcmp(seats->told, list->n,
					    list->count * sizeof(*list->n)));
}

int seats_tell(struct mount *mount, uint64_t seen, struct err *err)
{
	struct seats *seats = &mount->seats;
	struct numbers list = { .n = NULL };
	int r;

	pthread_mutex_lock(&seats->lock);
	r = list_read(seats, &list);
	pthread_mutex_unlock(&seats->lock);
	if (r < 0)
		err_nomem(err);
	if (r == 0)
		r = keep_forgotten(mount, &list, err);
	if (r == 0)
		close_idle(mount, &list);
	if (r == 0 && !was_told(seats, seen, &list)) {
		r = repo_tell_reading(mount->repo, seen, list.n, list.count,
				      err);
		if (list.count < seats->told_count)
			seats->release_every = 0;	/* it helps: again soon */
		free(seats->told);
		seats->told = list.n;
		seats->told_count = list.count;
		seats->told_seen = seen;
		seats->told_once = r == 0;
		return r;
	}
	free(list.n);
	return r;
}
