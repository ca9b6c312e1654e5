#include "fs/catalog/catalog_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENTS_AT_ONCE 64
#define RENAMES_MAX 100000

/* Reading. */

static int read_event(struct catalog *catalog, struct span bytes,
		      struct event *ret, struct err *err)
{
	struct err words = ERR_INIT;
	int r = event_parse(bytes, "an event", ret, &words);

	if (r == -EBADMSG)
		return sql_corrupt(catalog, err, "%s", words.text);
	return r < 0 ? err_set(err, r, "%s", words.text) : 0;
}

/* Tags. */

static int remove_tag(struct record *record, const char *key)
{
	for (size_t i = 0; i < record->tag_count; i++) {
		if (strcmp(record->tags[i].key, key) != 0)
			continue;
		free(record->tags[i].key);
		free(record->tags[i].value);
		memmove(&record->tags[i], &record->tags[i + 1],
			(record->tag_count - i - 1) * sizeof(record->tags[0]));
		record->tag_count--;
		break;
	}
	return 0;
}

static int apply_tag(struct record *record, const struct event *event,
		     struct err *err)
{
	int r = event->value ? record_add_tag(record, event->key,
					      event->value) :
			       remove_tag(record, event->key);

	return r == -ENOMEM ? err_nomem(err) : 0;
}

int state_tags(struct catalog *catalog, struct record *record,
	       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT event FROM event WHERE snapshot=?"
			 " AND type='tag' ORDER BY seq, name", &stmt, err,
			 "b", record->id, (size_t)RECORD_ID);

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		struct event event;

		r = read_event(catalog, sql_blob(stmt, 0), &event, err);
		if (r < 0)
			return r;
		r = apply_tag(record, &event, err);
		event_release(&event);
	}
	return r;
}

static int tags_store(struct catalog *catalog, const struct record *record,
		      struct err *err)
{
	int r = sql_exec(catalog, "DELETE FROM tag WHERE number=?", err, "i",
			 (int64_t)record->number);

	for (size_t i = 0; r == 0 && i < record->tag_count; i++)
		r = sql_exec(catalog, "INSERT INTO tag VALUES(?,?,?)", err,
			     "itt", (int64_t)record->number,
			     record->tags[i].key, record->tags[i].value);
	return r;
}

/* -ENOENT: its record is not here yet. */
static int recorded(struct catalog *catalog, const uint8_t id[16],
		    struct record *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT record FROM snapshot WHERE id=?",
			 &stmt, err, "b", id, (size_t)RECORD_ID);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r == 1)
		return record_parse(sql_blob(stmt, 0), "a record of the catalog",
				    ret, err);
	return r < 0 ? r : -ENOENT;
}

int tags_derive(struct catalog *catalog, const uint8_t id[16],
		struct err *err)
{
	struct record record;
	int r = recorded(catalog, id, &record, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = state_tags(catalog, &record, err);
	if (r == 0)
		r = tags_store(catalog, &record, err);
	record_release(&record);
	return r;
}

/* Forgotten, pinned, damaged. */

#define LAST_OF(yes, no) \
	"coalesce((SELECT e.type='" yes "' FROM event e WHERE" \
	" e.snapshot=?1 AND e.type IN('" yes "','" no "')" \
	" ORDER BY e.seq DESC, e.name DESC LIMIT 1), 0)"

/* Damage of ?1 that no later heal of its key took back; newest first. */
#define DAMAGE \
	" FROM event d WHERE d.snapshot=?1 AND d.type='damage' AND NOT EXISTS" \
	"(SELECT 1 FROM event h WHERE h.key=d.key AND h.type='heal' AND" \
	" (h.snapshot=?1 OR h.snapshot IS NULL) AND" \
	" (h.seq, h.name) > (d.seq, d.name))"

int state_derive(struct catalog *catalog, const uint8_t id[16],
		 struct err *err)
{
	return sql_exec(catalog, "UPDATE snapshot SET"
			" forgotten=" LAST_OF("forget", "undelete") ","
			" pinned=" LAST_OF("pin", "unpin") ","
			" tagged=EXISTS(SELECT 1 FROM event e WHERE"
			"  e.snapshot=?1 AND e.type='tag'),"
			" damage=(SELECT d.value ||"
			"  (SELECT CASE WHEN n>1 THEN printf(' (and %d more)',"
			"   n-1) ELSE '' END FROM"
			"   (SELECT count(DISTINCT d.key) AS n" DAMAGE "))"
			DAMAGE " ORDER BY d.seq DESC, d.name DESC LIMIT 1)"
			" WHERE id=?1", err, "b", id, (size_t)RECORD_ID);
}

/* The next snapshot behind *id that ever had damage of key. */
static int next_damaged(struct catalog *catalog, const char *key,
			uint8_t id[16], bool *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT snapshot FROM event WHERE key=?"
			 " AND type='damage' AND snapshot>? ORDER BY snapshot"
			 " LIMIT 1", &stmt, err, "tb", key, id, (size_t)16);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	*ret = r == 1;
	if (r == 1 && sql_blob(stmt, 0).len != 16)
		return sql_corrupt(catalog, err, "an event is malformed");
	if (r == 1)
		memcpy(id, sql_blob(stmt, 0).data, 16);
	return 0;
}

static int heal_everywhere(struct catalog *catalog, const char *key,
			   struct err *err)
{
	uint8_t id[16] = { 0 };
	bool some = true;
	int r = 0;

	while (r == 0 && some) {
		r = next_damaged(catalog, key, id, &some, err);
		if (r == 0 && some)
			r = state_derive(catalog, id, err);
	}
	return r;
}

/* Renames. */

struct renames {
	struct event *events;
	size_t count;
};

static void renames_release(struct renames *renames)
{
	for (size_t i = 0; i < renames->count; i++)
		event_release(&renames->events[i]);
	free(renames->events);
}

static int load_renames(struct catalog *catalog, struct renames *ret,
			struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT event FROM event WHERE"
			 " type='rename' ORDER BY seq, name", &stmt, err, "");

	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1) {
		struct event *more;

		if (ret->count >= RENAMES_MAX)
			return err_set(err, -E2BIG, "there are more than %d "
				       "renames", RENAMES_MAX);
		more = realloc(ret->events, (ret->count + 1) * sizeof(*more));
		if (!more)
			return err_nomem(err);
		ret->events = more;
		r = read_event(catalog, sql_blob(stmt, 0), &more[ret->count],
			       err);
		if (r == 0)
			ret->count++;
	}
	return r;
}

/* Each rename in its turn takes all of a source that there was then. */
static const char *renamed(const struct renames *renames, const char *source,
			   uint64_t number)
{
	for (size_t i = 0; i < renames->count; i++) {
		const struct event *event = &renames->events[i];

		if (number <= event->number && !strcmp(source, event->source))
			source = event->value;
	}
	return source;
}

int names_source(struct catalog *catalog, const char *source,
		 uint64_t number, char **ret, struct err *err)
{
	CLEANUP(renames_release) struct renames renames = { NULL, 0 };
	int r = load_renames(catalog, &renames, err);

	if (r < 0)
		return r;
	*ret = strdup(renamed(&renames, source, number));
	return *ret ? 0 : err_nomem(err);
}

/* The next snapshot above *number.  If its source is to change, or its name is
 * not the recorded one, the name is taken away, to be given anew. */
static int move_next(struct catalog *catalog, const struct renames *renames,
		     int64_t *number, bool *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	CLEANUP(free_ptr) char *source = NULL;
	const char *recorded_source;
	int r = sql_open(catalog, "SELECT number, recorded_source FROM"
			 " snapshot WHERE number>? ORDER BY number LIMIT 1",
			 &stmt, err, "i", *number);

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	*ret = r == 1;
	if (r == 0)
		return 0;
	*number = sqlite3_column_int64(stmt, 0);
	r = sql_text(stmt, 1, &recorded_source, err);
	if (r < 0)
		return r;
	if (!recorded_source)
		return sql_corrupt(catalog, err, "a snapshot has no source");
	source = strdup(renamed(renames, recorded_source, (uint64_t)*number));
	if (!source)
		return err_nomem(err);
	return sql_exec(catalog, "UPDATE snapshot SET source=?2, name=NULL"
			" WHERE number=?1 AND (source<>?2 OR"
			" recorded_source<>source OR recorded_name<>name)",
			err, "it", *number, source);
}

static int try_name(struct catalog *catalog, int64_t number,
		    const char *name, struct err *err)
{
	return sql_exec(catalog, "UPDATE OR IGNORE snapshot SET name=?2"
			" WHERE number=?1", err, "it", number, name) < 0 ?
		(err ? err->code : -EIO) : sqlite3_changes(catalog->db);
}

/* Its own name, else that time's first "-2", "-3", … which nobody has. */
static int give_name(struct catalog *catalog, int64_t number,
		     const char *recorded_name, struct err *err)
{
	char base[21], name[64];
	int r = try_name(catalog, number, recorded_name, err);

	snprintf(base, sizeof(base), "%s", recorded_name);
	for (unsigned n = 2; r == 0; n++) {
		snprintf(name, sizeof(name), "%s-%u", base, n);
		r = try_name(catalog, number, name, err);
	}
	return r < 0 ? r : 0;
}

/* Those without a name, the ones that were not renamed first. */
static int name_next(struct catalog *catalog, bool *ret, struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	CLEANUP(free_ptr) char *name = NULL;
	const char *recorded_name;
	int64_t number;
	int r = sql_open(catalog, "SELECT number, recorded_name FROM snapshot"
			 " WHERE name IS NULL ORDER BY"
			 " recorded_source<>source, number LIMIT 1", &stmt,
			 err, "");

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	*ret = r == 1;
	if (r == 0)
		return 0;
	number = sqlite3_column_int64(stmt, 0);
	r = sql_text(stmt, 1, &recorded_name, err);
	if (r < 0)
		return r;
	name = strdup(recorded_name ? recorded_name : "");
	if (!name)
		return err_nomem(err);
	sql_done(&stmt);
	return give_name(catalog, number, name, err);
}

int names_derive(struct catalog *catalog, struct err *err)
{
	CLEANUP(renames_release) struct renames renames = { NULL, 0 };
	int64_t number = 0;
	bool some = true;
	int r = load_renames(catalog, &renames, err);

	while (r == 0 && some)
		r = move_next(catalog, &renames, &number, &some, err);
	some = true;
	while (r == 0 && some)
		r = name_next(catalog, &some, err);
	if (r == 0)
		catalog->names_stale = false;
	return r;
}

/* Adding. */

static int insert_event(struct catalog *catalog, const char *name,
			const struct event *event, struct span bytes,
			struct err *err)
{
	static const uint8_t none[16];
	bool of_one = memcmp(event->snapshot, none, sizeof(none)) != 0;

	return sql_exec(catalog, "INSERT INTO event(name, seq, type, at_s,"
			" host, user, snapshot, number, source, key, value,"
			" event) VALUES(?,?,?,?,?,?,?,nullif(?,0),?,?,?,?)",
			err, "titittb" "itttb", name, (int64_t)event->seq,
			event_type_name(event->type), event->at.s, event->host,
			event->user, of_one ? event->snapshot : NULL,
			(size_t)16, (int64_t)event->number, event->source,
			event->key, event->value, bytes.data, bytes.len);
}

static int apply_event(struct catalog *catalog, const struct event *event,
		       struct err *err)
{
	static const uint8_t none[16];

	switch (event->type) {
	case EVENT_RENAME:
		catalog->names_stale = true;
		return 0;
	case EVENT_TAG:
		return tags_derive(catalog, event->snapshot, err);
	case EVENT_HEAL:
		if (!memcmp(event->snapshot, none, sizeof(none)))
			return heal_everywhere(catalog, event->key, err);
		return 0;
	default:
		return 0;
	}
}

static int add_event(struct catalog *catalog, const char *name,
		     const struct event *event, struct span bytes,
		     struct err *err)
{
	int r;

	if (catalog_has_event(catalog, name))
		return 0;
	r = insert_event(catalog, name, event, bytes, err);
	if (r == 0)
		r = state_derive(catalog, event->snapshot, err);
	if (r == 0)
		r = apply_event(catalog, event, err);
	if (r == 0)
		r = meta_raise(catalog, "high_number", (int64_t)event->number,
			       err);
	return r;
}

int catalog_add_event(struct catalog *catalog, const char *name,
		      const struct event *event, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	int r = event_write(event, &bytes, err);

	if (r == 0)
		r = catalog_begin(catalog, err);
	if (r < 0)
		return r;
	return catalog_end(catalog, add_event(catalog, name, event,
					      buf_span(&bytes), err), err);
}

bool catalog_has_event(struct catalog *catalog, const char *name)
{
	bool has = false;

	catalog_lock(catalog);
	{
		OWNED_STMT sqlite3_stmt *stmt = NULL;

		if (sql_open(catalog, "SELECT 1 FROM event WHERE name=?",
			     &stmt, NULL, "t", name) == 0)
			has = sql_step(catalog, stmt, NULL) == 1;
	}
	catalog_unlock(catalog);
	return has;
}

int catalog_remove_event(struct catalog *catalog, const char *name,
			 struct err *err)
{
	int r = catalog_begin(catalog, err);

	if (r < 0)
		return r;
	r = sql_exec(catalog, "DELETE FROM event WHERE name=?", err, "t",
		     name);
	return catalog_end(catalog, r, err);
}

int catalog_high_seq(struct catalog *catalog, uint64_t *ret,
		     struct err *err)
{
	int64_t seq;
	int r;

	catalog_lock(catalog);
	r = sql_number(catalog, "SELECT coalesce(max(seq),0) FROM event", &seq,
		       err);
	catalog_unlock(catalog);
	if (r == 0)
		*ret = (uint64_t)seq;
	return r;
}

/* Listing. */

struct event_page {
	enum event_type type;
	int64_t seq;		/* after this one */
	char *after;
	char *names[EVENTS_AT_ONCE];
	struct event events[EVENTS_AT_ONCE];
	size_t count;
};

static void events_clear(struct event_page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		event_release(&page->events[i]);
		free(page->names[i]);
	}
	page->count = 0;
}

static void events_release(struct event_page *page)
{
	events_clear(page);
	free(page->after);
}

static int events_open(struct catalog *catalog, const struct event_page *page,
		       sqlite3_stmt **ret, struct err *err)
{
	const char *after = page->after ? page->after : "";

	if (page->type)
		return sql_open(catalog, "SELECT name, event FROM event WHERE"
				" type=? AND (seq, name) > (?,?) ORDER BY seq,"
				" name LIMIT ?", ret, err, "titi",
				event_type_name(page->type), page->seq, after,
				(int64_t)EVENTS_AT_ONCE);
	return sql_open(catalog, "SELECT name, event FROM event WHERE"
			" (seq, name) > (?,?) ORDER BY seq, name LIMIT ?",
			ret, err, "iti", page->seq, after,
			(int64_t)EVENTS_AT_ONCE);
}

static int events_add(struct catalog *catalog, struct event_page *page,
		      sqlite3_stmt *stmt, struct err *err)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);
	char *own = name ? strdup(name) : NULL;
	int r;

	if (!own)
		return err_nomem(err);
	r = read_event(catalog, sql_blob(stmt, 1), &page->events[page->count],
		       err);
	if (r < 0) {
		free(own);
		return r;
	}
	page->names[page->count++] = own;
	return 0;
}

static int events_load(struct catalog *catalog, struct event_page *page,
		       struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	const struct event *last;
	int r;

	events_clear(page);
	r = events_open(catalog, page, &stmt, err);
	while (r == 0 && (r = sql_step(catalog, stmt, err)) == 1)
		r = events_add(catalog, page, stmt, err);
	if (r < 0 || page->count == 0)
		return r;
	last = &page->events[page->count - 1];
	page->seq = (int64_t)last->seq;
	/* The text it is bound to was the old one. */
	sql_done(&stmt);
	free(page->after);
	page->after = strdup(page->names[page->count - 1]);
	return page->after ? 0 : err_nomem(err);
}

int catalog_each_event(struct catalog *catalog, enum event_type type,
		       int (*each)(void *arg, const char *name,
				   const struct event *event,
				   struct err *err),
		       void *arg, struct err *err)
{
	CLEANUP(events_release) struct event_page page = {
		.type = type, .seq = -1,
	};

	do {
		int r;

		catalog_lock(catalog);
		r = events_load(catalog, &page, err);
		catalog_unlock(catalog);
		for (size_t i = 0; r == 0 && i < page.count; i++)
			r = each(arg, page.names[i], &page.events[i], err);
		if (r != 0)
			return r;
	} while (page.count == EVENTS_AT_ONCE);
	return 0;
}

int catalog_counts(struct catalog *catalog, uint64_t *ret_records,
		   uint64_t *ret_events, uint64_t *ret_packs,
		   struct err *err)
{
	int64_t records, events, packs;
	int r;

	catalog_lock(catalog);
	r = sql_number(catalog, "SELECT count(*) FROM snapshot", &records,
		       err);
	if (r == 0)
		r = sql_number(catalog, "SELECT count(*) FROM event", &events,
			       err);
	if (r == 0)
		r = sql_number(catalog, "SELECT count(*) FROM pack", &packs,
			       err);
	catalog_unlock(catalog);
	if (r < 0)
		return r;
	*ret_records = (uint64_t)records;
	*ret_events = (uint64_t)events;
	*ret_packs = (uint64_t)packs;
	return 0;
}
