#include "fs/repo/remember.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t no_one[RECORD_ID];

void remembered_release(struct remembered *known)
{
	free(known->note);
	*known = (struct remembered)REMEMBERED_INIT;
}

static int order(const struct damage_note *a, const char *key,
		 const uint8_t *snapshot)
{
	int r = strcmp(a->key, key);

	return r ? r : memcmp(a->snapshot, snapshot, RECORD_ID);
}

/* The first note that is not before (key, snapshot). */
static size_t lower_bound(const struct remembered *known, const char *key,
			  const uint8_t *snapshot)
{
	size_t lo = 0, hi = known->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (order(&known->note[mid], key, snapshot) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool remembered_has(const struct remembered *known,
		    const uint8_t snapshot[RECORD_ID], const char *key)
{
	size_t i = lower_bound(known, key, snapshot);

	return i < known->count && order(&known->note[i], key, snapshot) == 0;
}

bool damage_key_is_object(const char *key, struct id *ret)
{
	return strlen(key) == 2 * ID_BYTES && id_from_hex(key, ret) == 0 &&
	       !id_is_none(ret);
}

static int insert(struct remembered *known, const char *key,
		  const uint8_t *snapshot, uint64_t seq, struct err *err)
{
	size_t i = lower_bound(known, key, snapshot);

	if (i < known->count && order(&known->note[i], key, snapshot) == 0) {
		known->note[i].seq = seq;
		return 0;
	}
	if (known->count == known->cap) {
		size_t cap = known->cap ? 2 * known->cap : 64;
		void *more = reallocarray(known->note, cap,
					  sizeof(*known->note));

		if (!more)
			return err_nomem(err);
		known->note = more;
		known->cap = cap;
	}
	memmove(&known->note[i + 1], &known->note[i],
		(known->count - i) * sizeof(*known->note));
	known->count++;
	known->note[i] = (struct damage_note){ .seq = seq };
	snprintf(known->note[i].key, sizeof(known->note[i].key), "%s", key);
	memcpy(known->note[i].snapshot, snapshot, RECORD_ID);
	return 0;
}

/* Notes of key from before seq go: those of snapshot, or (zeros) all. */
static void take_back(struct remembered *known, const char *key,
		      const uint8_t *snapshot, uint64_t seq)
{
	bool all = !memcmp(snapshot, no_one, RECORD_ID);
	size_t from = lower_bound(known, key, no_one), to = from, kept = from;

	for (; to < known->count && !strcmp(known->note[to].key, key); to++) {
		const struct damage_note *note = &known->note[to];

		if (note->seq > seq ||
		    !(all || !memcmp(note->snapshot, snapshot, RECORD_ID)))
			known->note[kept++] = *note;
	}
	memmove(&known->note[kept], &known->note[to],
		(known->count - to) * sizeof(*known->note));
	known->count -= to - kept;
}

struct loading {
	struct repo *repo;
	struct remembered *known;
};

static int see_damage(void *arg, const char *name, const struct event *event,
		      struct err *err)
{
	struct loading *loading = arg;

	(void)name;
	if (strlen(event->key) >= DAMAGE_KEY)
		return 0;
	if (memcmp(event->snapshot, no_one, RECORD_ID) &&
	    !catalog_has_record(repo_catalog(loading->repo), event->snapshot))
		return 0;
	return insert(loading->known, event->key, event->snapshot, event->seq,
		      err);
}

static int see_heal(void *arg, const char *name, const struct event *event,
		    struct err *err)
{
	struct loading *loading = arg;

	(void)name;
	(void)err;
	take_back(loading->known, event->key, event->snapshot, event->seq);
	return 0;
}

int remembered_load(struct repo *repo, struct remembered *ret,
		    struct err *err)
{
	struct loading loading = { repo, ret };
	int r = catalog_each_event(repo_catalog(repo), EVENT_DAMAGE,
				   see_damage, &loading, err);

	if (r == 0 && ret->count > 0)
		r = catalog_each_event(repo_catalog(repo), EVENT_HEAL,
				       see_heal, &loading, err);
	return r;
}

static int publish(struct repo *repo, enum event_type type,
		   const uint8_t *snapshot, const char *key,
		   const char *words, uint64_t *ret_seq, struct err *err)
{
	struct event event = { .type = type, .key = strdup(key) };
	int r = event.key ? 0 : err_nomem(err);

	if (r == 0 && words) {
		event.value = strndup(words, DAMAGE_WORDS_MAX);
		r = event.value ? 0 : err_nomem(err);
	}
	if (snapshot)
		memcpy(event.snapshot, snapshot, RECORD_ID);
	if (r == 0)
		r = repo_event(repo, &event, err);
	*ret_seq = event.seq;
	event_release(&event);
	return r;
}

int remember_damage(struct repo *repo, struct remembered *known,
		    const uint8_t *snapshot, const char *key,
		    const char *words, struct err *err)
{
	const uint8_t *whose = snapshot ? snapshot : no_one;
	uint64_t seq;
	int r;

	if (known && remembered_has(known, whose, key))
		return 0;
	r = publish(repo, EVENT_DAMAGE, snapshot, key, words, &seq, err);
	return r == 0 && known ? insert(known, key, whose, seq, err) : r;
}

int remember_healed(struct repo *repo, struct remembered *known,
		    const uint8_t *snapshot, const char *key,
		    struct err *err)
{
	uint64_t seq;
	int r = publish(repo, EVENT_HEAL, snapshot, key, NULL, &seq, err);

	if (r == 0 && known)
		take_back(known, key, snapshot ? snapshot : no_one, seq);
	return r;
}

/* The words are docs/format.md's. */
static int see_check(void *arg, const char *name, const struct event *event,
		     struct err *err)
{
	struct store_damage *damage = arg;

	(void)name;
	(void)err;
	if (!strcmp(event->key, CHECK_EVENT) && event->value) {
		damage->checked = event->at;
		damage->errors = strtoull(event->value, NULL, 10);
	}
	return 0;
}

int store_damage_load(struct repo *repo, struct store_damage *ret,
		      struct err *err)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	struct store_damage damage = { .packs = 0 };
	int r = remembered_load(repo, &known, err);

	if (r == 0)
		r = catalog_each_event(repo_catalog(repo), EVENT_LOG,
				       see_check, &damage, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < known.count; i++)
		damage.packs += !memcmp(known.note[i].snapshot, no_one,
					RECORD_ID);
	*ret = damage;
	return 0;
}

static bool is_readable(struct repo *repo, const struct id *id)
{
	OWNED_HELD struct held held = HELD_INIT;

	return repo_get(repo, id, &held, NULL) == 0;
}

int repo_heal(struct repo *repo, uint64_t *ret_healed, struct err *err)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	uint64_t healed = 0;
	int r = remembered_load(repo, &known, err);

	for (size_t i = 0; r == 0 && i < known.count;) {
		char key[DAMAGE_KEY];
		struct id id;

		memcpy(key, known.note[i].key, sizeof(key));
		if (damage_key_is_object(key, &id) && is_readable(repo, &id)) {
			r = remember_healed(repo, &known, NULL, key, err);
			healed++;
			continue;	/* all of it left the list */
		}
		while (i < known.count && !strcmp(known.note[i].key, key))
			i++;
	}
	if (r == 0)
		*ret_healed = healed;
	return r;
}
