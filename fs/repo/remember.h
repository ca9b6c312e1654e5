/*
 * remember: damage that was met, kept as events until it is healed.
 *
 * A note is a key that a snapshot suffers from: the id of an object of which
 * no copy can be read, in hex; or the snapshot's own id, for more objects than
 * are kept one by one.  Or it is of no snapshot, and its key the name of a
 * pack in which something is damaged, whoever needs it.  Notes of snapshots
 * that are gone count no more.
 *
 * A struct remembered is one thread's.
 */
#ifndef VARVE_REMEMBER_H
#define VARVE_REMEMBER_H

#include "fs/repo/repo.h"

#define DAMAGE_KEY (2 * ID_BYTES + 1)	/* hex of an id, or of a name of 16 */
#define DAMAGE_WORDS_MAX 4096
/* Objects remembered one by one, for each snapshot. */
#define DAMAGE_KEYS_MAX 8

struct damage_note {
	char key[DAMAGE_KEY];
	uint8_t snapshot[RECORD_ID];	/* zeros: of no one */
	uint64_t seq;
};

struct remembered {
	struct damage_note *note;	/* by key, then snapshot; each once */
	size_t count, cap;
};

#define REMEMBERED_INIT { .note = NULL }
#define OWNED_REMEMBERED CLEANUP(remembered_release)

void remembered_release(struct remembered *known);
/* What holds now, by the catalog. */
int remembered_load(struct repo *repo, struct remembered *ret,
		    struct err *err);
bool remembered_has(const struct remembered *known,
		    const uint8_t snapshot[RECORD_ID], const char *key);
/* Is key that of an object? */
bool damage_key_is_object(const char *key, struct id *ret);

/*
 * Publish that snapshot (NULL: none) suffers from the damage of key, unless it
 * is known already; words for people.  known (NULL: nothing is known) follows.
 * -EROFS; -ENOENT: the snapshot is gone.
 */
int remember_damage(struct repo *repo, struct remembered *known,
		    const uint8_t *snapshot, const char *key,
		    const char *words, struct err *err);
/* Publish that key is whole again, for one snapshot or (NULL) for all. */
int remember_healed(struct repo *repo, struct remembered *known,
		    const uint8_t *snapshot, const char *key,
		    struct err *err);
/*
 * Damage of the store itself, whoever suffers from it: packs in which something
 * is damaged, and how many errors the last check found that came to its end
 * (also in records, state, varve.conf and the catalog, which have no notes).
 */
struct store_damage {
	uint64_t packs, errors;
	struct stamp checked;	/* 0: never */
};

#define CHECK_EVENT "check"	/* key of the event of type log of a check */

int store_damage_load(struct repo *repo, struct store_damage *ret,
		      struct err *err);

/*
 * Take back the damage of objects that can be read again: *ret_healed of them.
 * Reads one object for each that is remembered, and none where nothing is.
 */
int repo_heal(struct repo *repo, uint64_t *ret_healed, struct err *err);

#endif
