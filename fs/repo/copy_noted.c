#include "fs/repo/copy_internal.h"

#include <stdlib.h>

#define NOTE_IDS 1500		/* of an event, whose value has 64 KiB */
#define HEX_ID (2 * RECORD_ID)

void noted_release(struct noted *noted)
{
	free(noted->row);
	*noted = (struct noted){ .row = NULL };
}

static int noted_add(struct noted *noted, const uint8_t origin[RECORD_ID],
		     struct err *err)
{
	if (noted->count == noted->room) {
		size_t room = noted->room ? 2 * noted->room : 64;
		void *more = reallocarray(noted->row, room,
					  sizeof(*noted->row));

		if (!more)
			return err_nomem(err);
		noted->row = more;
		noted->room = room;
	}
	memcpy(noted->row[noted->count++], origin, RECORD_ID);
	return 0;
}

/* "ID ID …"; who wrote anything else is not believed. */
static int take_ids(struct noted *noted, const char *text, struct err *err)
{
	uint8_t origin[RECORD_ID];
	int r = 0;

	while (r == 0 && strlen(text) >= HEX_ID) {
		if (hex_parse(text, RECORD_ID, origin) < 0)
			return 0;
		r = noted_add(noted, origin, err);
		text += HEX_ID;
		text += *text == ' ';
	}
	return r;
}

static int see_event(void *arg, const char *name, const struct event *event,
		     struct err *err)
{
	(void)name;
	if (strcmp(event->key, COPIED_EVENT) || !event->value)
		return 0;
	return take_ids(arg, event->value, err);
}

static int order(const void *a, const void *b)
{
	return memcmp(a, b, RECORD_ID);
}

int noted_load(struct repo *repo, struct noted *noted, struct err *err)
{
	int r = catalog_each_event(repo->catalog, EVENT_LOG, see_event, noted,
				   err);

	if (r == 0 && noted->count > 0)
		qsort(noted->row, noted->count, sizeof(*noted->row), order);
	return r;
}

bool noted_has(const struct noted *noted, const uint8_t origin[RECORD_ID])
{
	return noted->count > 0 && bsearch(origin, noted->row, noted->count,
					   sizeof(*noted->row), order);
}

static int publish(struct copier *copier, struct buf *ids, struct err *err)
{
	struct event event = { .type = EVENT_LOG };
	int r = buf_check(ids, err);

	event.key = strdup(COPIED_EVENT);
	event.value = r == 0 ? buf_detach(ids) : NULL;
	if (r == 0 && (!event.key || !event.value))
		r = err_nomem(err);
	if (r == 0)
		r = repo_event(copier->to, &event, err);
	event_release(&event);
	return r;
}

int copier_note(struct copier *copier, struct err *err)
{
	OWNED_BUF struct buf ids = BUF_INIT;
	char hex[HEX_ID + 1];
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < copier->there.count; i++) {
		const struct kin *kin = &copier->there.row[i];

		if (noted_has(&copier->noted, kin->origin) ||
		    !kins_find(&copier->here, kin->origin))
			continue;
		hex_write(kin->origin, RECORD_ID, hex);
		buf_printf(&ids, "%s%s", ids.len ? " " : "", hex);
		if (++count % NOTE_IDS == 0)
			r = publish(copier, &ids, err);
	}
	if (r == 0 && ids.len > 0)
		r = publish(copier, &ids, err);
	return r;
}
