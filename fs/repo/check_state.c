#include "fs/repo/check_internal.h"

#include <unistd.h>

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
		check_fault(check, FAULT_RECORD, name, "%s", why.text);
		return 0;
	}
	if (!knows_record(check, record.id))
		check_fault(check, FAULT_CATALOG, "", "the catalog does not "
			    "know snapshot %s@%s", record.source,
			    record.name);
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
		check_fault(check, FAULT_EVENT, name, "%s", why.text);
	else if (!knows_event(check, name))
		check_fault(check, FAULT_CATALOG, "", "the catalog does not "
			    "know %s", path);
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
		check_fault(check, FAULT_EVENT_LOST, name, "%s is missing",
			    path);
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
		check_fault(check, FAULT_CONF, "", "%s: what it says is taken "
			    "from a pack", why.text);
	return 0;
}

int check_state(struct check *check, struct err *err)
{
	struct repo *repo = check->repo;
	int r = check_conf(check, err);

	if (r == 0)
		r = disk_list(&repo->dir, "snapshots", list_record, check,
			      err);
	if (r == 0)
		r = disk_list(&repo->dir, "state", list_event, check, err);
	return r < 0 ? r : catalog_each_event(repo->catalog, 0, known_event,
					      check, err);
}
