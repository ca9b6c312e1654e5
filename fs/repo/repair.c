#include "fs/repo/repair_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TWINS_MAX 1000		/* of one name in quarantine/ */

void repair_tell(struct repair *repair, const char *fmt, ...)
{
	char text[1400];
	va_list ap;

	if (!repair->options->tell)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	repair->options->tell(repair->options->arg, text);
}

/* The plan. */

static int add_task(struct repair *repair, enum fault_kind kind,
		    const char *name, bool sure)
{
	char *own;
	void *more;

	for (size_t i = 0; i < repair->count; i++)
		if (repair->task[i].kind == kind &&
		    !strcmp(repair->task[i].name, name)) {
			repair->task[i].sure |= sure;
			return 0;
		}
	more = reallocarray(repair->task, repair->count + 1,
			    sizeof(*repair->task));
	if (!more)
		return -ENOMEM;
	repair->task = more;
	own = strdup(name);
	if (!own)
		return -ENOMEM;
	repair->task[repair->count++] = (struct repair_task){ kind, sure, own };
	return 0;
}

static void see_fault(void *arg, const struct fault *fault)
{
	struct repair *repair = arg;

	if (fault->kind == FAULT_CATALOG) {
		repair_tell(repair, "%s: 'varve rebuild' makes it anew",
			    fault->words);
		repair->report->left++;
	} else if (fault->kind != FAULT_OBJECT &&
		   fault->kind != FAULT_OBJECT_LOST && repair->failed == 0) {
		repair->failed = add_task(repair, fault->kind, fault->name,
					  true);
	}
}

static int suspect(struct repair *repair, const uint8_t name[16])
{
	struct catalog_pack pack;
	char hex[33];

	if (catalog_find_pack(repair->repo->catalog, name, &pack, NULL) < 0)
		return 0;
	hex_write(name, 16, hex);
	return add_task(repair, FAULT_PACK, hex, false);
}

/* The packs in which an object lies that is remembered as damaged. */
static int suspect_of(struct repair *repair, const struct id *id,
		      struct err *err)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r = catalog_find(repair->repo->catalog, id, places, PLACES_MAX,
			     &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		OWNED_HELD struct held held = HELD_INIT;
		struct catalog_pack pack;

		if (repo_get_at(repair->repo, &places[i], id, &held, NULL) ==
		    0)
			continue;
		if (catalog_get_pack(repair->repo->catalog, places[i].pack,
				     &pack, NULL) == 0)
			r = suspect(repair, pack.name);
	}
	return r;
}

/* What the check met just now, as all metadata is read. */
static int plan_found(struct repair *repair, struct err *err)
{
	const struct id_set *bad = repair->bad;
	int r = 0;

	for (size_t i = 0; r == 0 && i < bad->slots; i++)
		if (!id_is_none(&bad->slot[i]))
			r = suspect_of(repair, &bad->slot[i], err);
	return r == -ENOMEM ? err_nomem(err) : r;
}

static int plan_remembered(struct repair *repair, struct err *err)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	int r = remembered_load(repair->repo, &known, err);

	for (size_t i = 0; r == 0 && i < known.count; i++) {
		const char *key = known.note[i].key;
		uint8_t name[16];
		struct id id;

		if (damage_key_is_object(key, &id))
			r = suspect_of(repair, &id, err);
		else if (strlen(key) == 32 && hex_parse(key, 16, name) == 0)
			r = suspect(repair, name);
	}
	return r == -ENOMEM ? err_nomem(err) : r;
}

/* Also packs of an add that died before it could tell. */
static int know_every_pack(struct repo *repo, struct err *err)
{
	struct level_report level = { .locked = true, .every_pack = true };
	int lock, r = repo_lock_commit(repo, &lock, err);

	if (r < 0)
		return r;
	r = level_catalog(repo, repo->catalog, &level, NULL, NULL, err);
	repo_unlock_commit(lock);
	return r;
}

static int make_plan(struct repair *repair, struct err *err)
{
	const struct check_options check = {
		.read_data = repair->options->read_data,
		.only_look = repair->options->dry_run,
		.bad = repair->bad,
		.fault = see_fault, .arg = repair,
	};
	struct check_report report = { 0 };
	int r = repair->options->dry_run ? 0 :
		know_every_pack(repair->repo, err);

	if (r == 0)
		r = repo_check(repair->repo, &check, &report, err);
	if (r == 0 && repair->failed < 0)
		r = err_nomem(err);
	repair->report->more_bad = report.more_bad;
	if (r < 0 || repair->report->left > 0)
		return r;
	r = report.told[FAULT_OBJECT] ? plan_found(repair, err) : 0;
	return r == 0 ? plan_remembered(repair, err) : r;
}

/* Aside, not away. */

static int make_quarantine(struct repo *repo, struct err *err)
{
	int r = disk_mkdir(&repo->dir, QUARANTINE_DIR, err);

	return r == 0 ? disk_sync_dir(&repo->dir, ".", err) : r;
}

static int rename_aside(struct repo *repo, const char *path,
			const char *prefix, const char *name, struct err *err)
{
	char to[256];
	int r = -EEXIST;

	for (int i = 1; r == -EEXIST && i <= TWINS_MAX; i++) {
		if (i == 1)
			snprintf(to, sizeof(to), QUARANTINE_DIR "/%s%s%.160s",
				 prefix, *prefix ? "-" : "", name);
		else
			snprintf(to, sizeof(to), QUARANTINE_DIR
				 "/%s%s%.160s-%d", prefix, *prefix ? "-" : "",
				 name, i);
		r = disk_rename_new(&repo->dir, path, to, err);
	}
	return r;
}

static int sync_around(struct repo *repo, const char *path, struct err *err)
{
	char above[128];
	const char *slash = strrchr(path, '/');
	int r;

	snprintf(above, sizeof(above), "%.*s",
		 slash ? (int)(slash - path) : 1, slash ? path : ".");
	r = disk_sync_dir(&repo->dir, QUARANTINE_DIR, err);
	return r == 0 ? disk_sync_dir(&repo->dir, above, err) : r;
}

int quarantine(struct repair *repair, const char *path, const char *prefix,
	       const char *name, struct err *err)
{
	struct repo *repo = repair->repo;
	int r;

	if (repair->options->dry_run)
		return 0;
	r = make_quarantine(repo, err);
	if (r == 0)
		r = rename_aside(repo, path, prefix, name, err);
	if (r == -ENOENT)
		return 0;
	return r == 0 ? sync_around(repo, path, err) : r;
}

/* Records, events, varve.conf. */

static int publish_again(struct repair *repair, const char *path,
			 struct span bytes, struct err *err)
{
	int r;

	if (repair->options->dry_run)
		return 0;
	r = disk_publish(&repair->repo->dir, path, bytes, err);
	return r == -EEXIST ? 0 : r;
}

static int repair_conf(struct repair *repair, struct err *err)
{
	int r;

	repair_tell(repair, "varve.conf: written anew, from a pack's copy");
	r = quarantine(repair, CONF_NAME, "", CONF_NAME, err);
	if (r == 0)
		r = publish_again(repair, CONF_NAME,
				  buf_span(&repair->repo->conf.text), err);
	repair->report->conf = r == 0;
	return r;
}

/* The catalog's copy of snapshots/name; -ENOENT. */
static int record_copy_of(struct repair *repair, const char *name,
			  struct buf *bytes, struct err *err)
{
	uint8_t id[RECORD_ID];

	if (strlen(name) != 2 * RECORD_ID ||
	    hex_parse(name, RECORD_ID, id) < 0)
		return -ENOENT;
	return catalog_record_bytes(repair->repo->catalog, id, bytes, err);
}

struct wanted_event {
	const char *name;
	struct buf *bytes;
	bool found;
};

static int take_event(void *arg, const char *name, const struct event *event,
		      struct err *err)
{
	struct wanted_event *wanted = arg;
	int r;

	if (strcmp(name, wanted->name))
		return 0;
	r = event_write(event, wanted->bytes, err);
	wanted->found = r == 0;
	return r < 0 ? r : 1;
}

static int event_copy_of(struct repair *repair, const char *name,
			 struct buf *bytes, struct err *err)
{
	struct wanted_event wanted = { .name = name, .bytes = bytes };
	int r;

	if (!catalog_has_event(repair->repo->catalog, name))
		return -ENOENT;
	r = catalog_each_event(repair->repo->catalog, 0, take_event, &wanted,
			       err);
	return r < 0 ? r : wanted.found ? 0 : -ENOENT;
}

/* A document of which there may be a copy; damaged (else it is gone). */
static int repair_document(struct repair *repair, const char *folder,
			   const char *name, bool damaged, uint64_t *done,
			   struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	char path[160];
	int r, copy;

	snprintf(path, sizeof(path), "%s/%.140s", folder, name);
	copy = *folder == 's' && folder[1] == 'n' ?
		record_copy_of(repair, name, &bytes, err) :
		event_copy_of(repair, name, &bytes, err);
	if (copy < 0 && copy != -ENOENT && copy != -EBADMSG)
		return copy;
	if (copy < 0)
		repair_tell(repair, "%s: lost; the catalog has no copy%s",
			    path, damaged ? ", and it is moved to "
			    QUARANTINE_DIR "/" : "");
	else
		repair_tell(repair, "%s: written anew, from the catalog's "
			    "copy%s", path, damaged ? "; the damaged one is "
			    "moved to " QUARANTINE_DIR "/" : "");
	r = damaged ? quarantine(repair, path, folder, name, err) : 0;
	if (r == 0 && copy == 0)
		r = publish_again(repair, path, buf_span(&bytes), err);
	if (r == 0)
		++*(copy == 0 ? done : &repair->report->lost);
	return r;
}

static int repair_stray(struct repair *repair, const char *path,
			struct err *err)
{
	const char *slash = strrchr(path, '/');
	int r;

	repair_tell(repair, "%s: no pack; moved to " QUARANTINE_DIR "/", path);
	r = quarantine(repair, path, "stray", slash ? slash + 1 : path, err);
	repair->report->strays += r == 0;
	return r;
}

static int repair_one(struct repair *repair, const struct repair_task *task,
		      struct err *err)
{
	struct repair_report *report = repair->report;

	switch (task->kind) {
	case FAULT_CONF:
		return repair_conf(repair, err);
	case FAULT_RECORD:
	case FAULT_RECORD_LOST:
		return repair_document(repair, "snapshots", task->name,
				       task->kind == FAULT_RECORD,
				       &report->records, err);
	case FAULT_EVENT:
	case FAULT_EVENT_LOST:
		return repair_document(repair, "state", task->name,
				       task->kind == FAULT_EVENT,
				       &report->events, err);
	case FAULT_STRAY:
		return repair_stray(repair, task->name, err);
	case FAULT_PACK:
		return repair_pack(repair, task, err);
	case FAULT_PACK_LOST:
		return repair_pack_gone(repair, task->name, err);
	case FAULT_CATALOG:
	case FAULT_OBJECT:
	case FAULT_OBJECT_LOST:
		break;
	}
	return 0;
}

/* What others need first: how ids are made, then what snapshots there are. */
static int order_of(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_CONF:
		return 0;
	case FAULT_PACK:
		return 2;
	case FAULT_PACK_LOST:
		return 3;
	default:
		return 1;
	}
}

/* An add counts on packs it has seen; a mount finds what was moved. */
static int see_add(void *arg, const struct presence_info *info,
		   struct err *err)
{
	struct repo *repo = arg;

	if (!info->adding && !info->unknown)
		return 0;
	err_set(err, -EBUSY, "the store '%s' is being added to%s%s",
		repo->path, info->who[0] ? " by " : "", info->who);
	return err_hint(err, "let running adds finish first; mounts may go "
			"on");
}

static int carry_out(struct repair *repair, struct err *err)
{
	int r = 0;

	for (int order = 0; order <= 3; order++)
		for (size_t i = 0; r == 0 && i < repair->count; i++)
			if (order_of(repair->task[i].kind) == order)
				r = repair_one(repair, &repair->task[i], err);
	return r;
}

static int repair_locked(struct repair *repair, struct err *err)
{
	struct repo *repo = repair->repo;
	int r = 0;

	if (!repair->options->dry_run)
		r = presence_each(&repo->presence, see_add, repo, err);
	if (r == 0)
		r = make_plan(repair, err);
	if (r < 0)
		return r;
	r = catalog_set_durable(repo->catalog, true, err);
	if (r == 0)
		r = carry_out(repair, err);
	catalog_set_durable(repo->catalog, false, NULL);
	return r;
}

int repo_repair(struct repo *repo, const struct repair_options *options,
		struct repair_report *report, struct err *err)
{
	struct repair repair = { .repo = repo, .options = options,
				 .report = report };
	int lock, r;

	*report = (struct repair_report){ .conf = false };
	repair.bad = options->bad ? options->bad : &repair.own_bad;
	r = repo_lock_prune(repo, "a prune or repair", &lock, err);
	if (r < 0)
		return r;
	r = repair_locked(&repair, err);
	for (size_t i = 0; i < repair.count; i++)
		free(repair.task[i].name);
	free(repair.task);
	id_set_release(&repair.own_bad);
	close(lock);
	return r;
}
