#include "fs/repo/repair_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct salvage {
	struct repair *repair;
	struct deposit *deposit;	/* NULL: only counted */
	uint32_t number;		/* of the pack */
	struct id_set moved;		/* by now */
	uint64_t objects, readable, kept, bytes;
};

static bool is_damage(int r)
{
	return r == -EBADMSG || r == -EIO || r == -ENOENT || r == -ENODATA ||
	       r == -EINVAL || r == -ELOOP || r == -ENOTDIR || r == -EISDIR;
}

/* 1: a copy in another pack can be read. */
static int lies_elsewhere(struct salvage *s, const struct id *id,
			  struct err *err)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r = catalog_find(s->repair->repo->catalog, id, places, PLACES_MAX,
			     &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		OWNED_HELD struct held held = HELD_INIT;

		if (places[i].pack != s->number &&
		    repo_get_at(s->repair->repo, &places[i], id, &held,
				NULL) == 0)
			return 1;
	}
	return r;
}

static int keep_entry(struct salvage *s, const struct pack_entry *entry,
		      uint32_t block, struct err *err)
{
	const struct place place = { s->number, entry->block, entry->stored,
				     entry->at };
	OWNED_HELD struct held held = HELD_INIT;
	struct err why = ERR_INIT;
	int r = repo_get_at(s->repair->repo, &place, &entry->id, &held, &why);

	s->objects++;
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return 0;
	s->readable++;
	r = id_set_add(&s->moved, &entry->id, err);
	if (r <= 0)
		return r;
	r = lies_elsewhere(s, &entry->id, err);
	if (r != 0)
		return r < 0 ? r : 0;
	s->kept++;
	s->bytes += entry->id.len;
	return s->deposit ? deposit_move(s->deposit, &entry->id, held.bytes,
					 block, err) : 0;
}

static uint32_t plain_of_block(const struct pack_index *index, size_t from)
{
	uint64_t plain = 0;

	for (size_t i = from; i < index->count &&
	     index->entries[i].block == index->entries[from].block; i++)
		plain += index->entries[i].id.len;
	return plain > UINT32_MAX ? UINT32_MAX : (uint32_t)plain;
}

static int keep_entries(struct salvage *s, const struct pack_index *index,
			struct err *err)
{
	uint32_t plain = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < index->count; i++) {
		if (i == 0 ||
		    index->entries[i].block != index->entries[i - 1].block)
			plain = plain_of_block(index, i);
		r = keep_entry(s, &index->entries[i], plain, err);
	}
	return r;
}

/* By its index, or where that is damaged by its blocks.  1: as it is, nothing
 * speaks against it; -ENOTSUP: a newer format. */
static int find_entries(struct repo *repo, const struct pack_name *name,
			struct pack_index *ret, struct err *err)
{
	struct err why = ERR_INIT;
	uint64_t lost;
	int r = pack_read_index(&repo->dir, name, ret, &why);

	if (r == 0)
		return 1;
	if (is_damage(r))
		r = pack_scan(&repo->dir, name, ret, &lost, &why);
	if (is_damage(r))
		return 0;	/* nothing in it can be read */
	if (r < 0 && err)
		*err = why;
	return r;
}

/* Away from packs/, and the catalog: after what can be had is elsewhere. */

static int publish_intent(struct repo *repo, const char *words,
			  struct err *err)
{
	struct event event = { .type = EVENT_LOG, .key = strdup(PRUNE_EVENT),
			       .value = strdup(words) };
	int r = event.key && event.value ?
		repo_event_locked(repo, &event, err) : err_nomem(err);

	event_release(&event);
	return r;
}

static int remove_rows(struct repo *repo, const uint8_t name[16],
		       struct err *err)
{
	struct catalog_pack pack;
	int r = catalog_find_pack(repo->catalog, name, &pack, err);

	if (r == 0)
		r = catalog_remove_pack(repo->catalog, pack.number, err);
	if (r == 0)
		cache_drop_pack(repo->cache, pack.number);
	return r == -ENOENT ? 0 : r;
}

/* path NULL: there is no file.  An older catalog that does not know of it
 * looks what is gone. */
static int remove_locked(struct repair *repair, int lock,
			 const struct pack_name *name, const char *path,
			 struct err *err)
{
	struct repo *repo = repair->repo;
	char hex[33], words[128];
	int r;

	hex_write(name->b, 16, hex);
	snprintf(words, sizeof(words), "pack %s, %s", hex, path ?
		 "damaged, to " QUARANTINE_DIR "/" : "which is gone");
	r = publish_intent(repo, words, err);
	if (r == 0)
		r = repo_mark_sealing(repo, lock, true, err);
	if (r == 0)
		r = remove_rows(repo, name->b, err);
	if (r == 0 && path)
		r = quarantine(repair, path, "packs", hex, err);
	return r == 0 ? repo_mark_sealing(repo, lock, false, err) : r;
}

static int remove_pack(struct repair *repair, const struct pack_name *name,
		       const char *path, struct err *err)
{
	int lock, r;

	if (repair->options->dry_run)
		return 0;
	r = repo_lock_commit(repair->repo, &lock, err);
	if (r < 0)
		return r;
	r = remove_locked(repair, lock, name, path, err);
	repo_unlock_commit(lock);
	if (r == 0)
		repo_close_removed(repair->repo);
	return r;
}

static int keep_all(struct salvage *s, const struct pack_index *index,
		    struct err *err)
{
	bool moves = !s->repair->options->dry_run && index->count > 0;
	int r = moves ? deposit_begin(s->repair->repo, NULL, &s->deposit, err) :
			0;

	/* what it needs can be given back */
	if (r == 0 && s->deposit)
		s->deposit->min_free = 0;
	if (r == 0)
		r = keep_entries(s, index, err);
	if (r == 0 && s->deposit)
		r = deposit_drain(s->deposit, err);
	deposit_free(s->deposit);
	s->deposit = NULL;
	return r;
}

static int settle_pack(struct salvage *s, const struct repair_task *task,
		       const struct pack_name *name, bool index_is_good,
		       struct err *err)
{
	struct repair_report *report = s->repair->report;
	char path[PACK_PATH];
	int r;

	pack_path(name, path);
	if (index_is_good && !task->sure && s->readable == s->objects)
		return 0;	/* what was remembered is not so */
	repair_tell(s->repair, "%s: %" PRIu64 " of %s%" PRIu64 " objects can "
		    "be read; %" PRIu64 " that lie nowhere else are stored "
		    "anew, and it is moved to " QUARANTINE_DIR "/", path,
		    s->readable, index_is_good ? "" : "at least ", s->objects,
		    s->kept);
	r = remove_pack(s->repair, name, path, err);
	report->packs += r == 0;
	report->objects += r == 0 ? s->kept : 0;
	report->bytes += r == 0 ? s->bytes : 0;
	return r;
}

static bool is_gone(struct repair *repair, const char *path)
{
	return faccessat(repair->repo->dir.fd, path, F_OK,
			 AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int repair_pack(struct repair *repair, const struct repair_task *task,
		struct err *err)
{
	struct salvage s = { .repair = repair };
	struct pack_index index = { 0 };
	struct catalog_pack pack;
	struct pack_name name;
	char path[PACK_PATH];
	bool good;
	int r;

	if (hex_parse(task->name, PACK_NAME, name.b) < 0)
		return 0;
	pack_path(&name, path);
	if (is_gone(repair, path))
		return 0;
	r = find_entries(repair->repo, &name, &index, err);
	if (r == -ENOTSUP) {
		repair_tell(repair, "pack %s is of a newer format, and stays "
			    "as it is", task->name);
		repair->report->left++;
		return 0;
	}
	good = r > 0;
	if (r >= 0)
		r = catalog_find_pack(repair->repo->catalog, name.b, &pack,
				      err);
	if (r == 0) {
		s.number = pack.number;
		r = keep_all(&s, &index, err);
	}
	/* one that the catalog does not know had nothing to read */
	if (r == 0 || r == -ENOENT)
		r = settle_pack(&s, task, &name, good, err);
	pack_index_release(&index);
	id_set_release(&s.moved);
	return r;
}

int repair_pack_gone(struct repair *repair, const char *hex, struct err *err)
{
	struct pack_name name;
	char path[PACK_PATH];
	int r;

	if (hex_parse(hex, PACK_NAME, name.b) < 0)
		return 0;
	pack_path(&name, path);
	if (!is_gone(repair, path))
		return 0;	/* it is there, and cannot be opened */
	repair_tell(repair, "%s: gone; the catalog no longer has it", path);
	r = remove_pack(repair, &name, NULL, err);
	repair->report->packs_gone += r == 0;
	return r;
}
