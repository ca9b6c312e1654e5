#include <inttypes.h>
#include <stdlib.h>

#include "fs/repo/copy.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

/* What happened once; all strings owned. */
struct happening {
	struct stamp at;
	uint64_t order;		/* among those of one moment */
	char *who, *what, *to, *words;
};

struct chronicle {
	struct happening *row;
	size_t count, room;
	const struct snapshots *snapshots;
};

static void chronicle_release(struct chronicle *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->row[i].who);
		free(c->row[i].what);
		free(c->row[i].to);
		free(c->row[i].words);
	}
	free(c->row);
}

static struct happening *next_row(struct chronicle *c)
{
	struct happening *more;

	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 256;

		more = reallocarray(c->row, room, sizeof(*more));
		if (!more)
			return NULL;
		c->row = more;
		c->room = room;
	}
	more = &c->row[c->count];
	memset(more, 0, sizeof(*more));
	more->order = c->count++;
	return more;
}

static char *who_of(const char *user, const char *host)
{
	char *who;

	if (asprintf(&who, "%s@%s", user ? user : "?", host ? host : "?") < 0)
		return NULL;
	return who;
}

static int check_row(const struct happening *h, struct err *err)
{
	return h->who && h->what && h->to && h->words ? 0 : err_nomem(err);
}

static int take_add(struct chronicle *c, const struct snapshot *s,
		    struct err *err)
{
	struct happening *h = next_row(c);
	const struct record *r = &s->record;
	const char *store = record_attr(r, COPY_FROM);
	char label[LABEL_TEXT], bytes[SIZE_TEXT];

	if (!h)
		return err_nomem(err);
	snapshot_label(r, label);
	size_text(r->new_bytes, bytes);
	h->at = r->added;
	h->who = who_of(r->user, r->host);
	h->what = strdup(store ? "copy" : "add");
	h->to = strdup(label);
	if (asprintf(&h->words, "from %s%s%s; the store grew by %s%s%s",
		     store ? store : "", store ? ", where it was added from " :
		     "", r->input ? r->input : "?", bytes, r->incomplete ? ", INCOMPLETE: " : "",
		     r->incomplete ? r->incomplete : "") < 0)
		h->words = NULL;
	return check_row(h, err);
}

/* A snapshot whose record is gone is named by its id. */
static char *label_of(const struct chronicle *c, const uint8_t id[RECORD_ID])
{
	char text[LABEL_TEXT];

	snprintf(text, sizeof(text), "id:");
	hex_write(id, RECORD_ID, text + 3);
	for (size_t i = 0; i < c->snapshots->count; i++)
		if (!memcmp(c->snapshots->row[i].record.id, id, RECORD_ID))
			snapshot_label(&c->snapshots->row[i].record, text);
	return strdup(text);
}

static void tell_event(struct chronicle *c, struct happening *h,
		       const struct event *e)
{
	const char *key = e->key ? e->key : "", *source = e->source;
	const char *value = e->value ? e->value : "";

	switch (e->type) {
	case EVENT_FORGET:
	case EVENT_UNDELETE:
	case EVENT_PIN:
	case EVENT_UNPIN:
		h->to = label_of(c, e->snapshot);
		h->words = strdup("");
		return;
	case EVENT_TAG:
		h->to = label_of(c, e->snapshot);
		if (asprintf(&h->words, "%s=%s", key, value) < 0)
			h->words = NULL;
		return;
	case EVENT_POLICY:
	case EVENT_RENAME:
		h->to = strdup(source ? source : "");
		h->words = strdup(e->value ? value : "removed");
		return;
	case EVENT_LOG:
		free(h->what);
		h->what = strdup(key);
		h->to = strdup("");
		h->words = strdup(value);
		return;
	default:
		h->to = strdup(key);
		h->words = strdup(value);
	}
}

static int take_event(void *arg, const char *name, const struct event *event,
		      struct err *err)
{
	struct chronicle *c = arg;
	struct happening *h;

	(void)name;
	/* The store's own book-keeping is nobody's doing. */
	if (event->type == EVENT_SCRUB || event->type == EVENT_HIGHWATER ||
	    (event->type == EVENT_LOG && !strcmp(event->key, COPIED_EVENT)))
		return 0;
	h = next_row(c);
	if (!h)
		return err_nomem(err);
	h->at = event->at;
	h->who = who_of(event->user, event->host);
	h->what = strdup(event_type_name(event->type));
	tell_event(c, h, event);
	return check_row(h, err);
}

static int earlier(const void *pa, const void *pb)
{
	const struct happening *a = pa, *b = pb;
	int order = stamp_cmp(a->at, b->at);

	if (order)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void print_json(const struct happening *h)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_stamp(&json, "time", h->at);
	json_str(&json, "who", h->who);
	json_str(&json, "what", h->what);
	json_name(&json, "to", span_str(h->to));
	json_name(&json, "words", span_str(h->words));
	json_close_object(&json);
	json_print(&line);
}

static void print_rows(const struct tool *tool, struct table *table,
		       const struct chronicle *c, uint64_t most)
{
	for (size_t i = c->count > most ? c->count - most : 0; i < c->count;
	     i++) {
		const struct happening *h = &c->row[i];
		char when[STAMP_TEXT];

		if (tool->json) {
			print_json(h);
			continue;
		}
		stamp_local(h->at, NULL, when);
		table_cell(table, when);
		table_cell(table, h->who);
		table_cell(table, h->what);
		table_cellf(table, "%s%s%s", h->to, h->to[0] && h->words[0] ?
			    ": " : "", h->words);
	}
	if (!tool->json && c->count)
		table_print(table);
}

static int run(struct tool *tool, struct err *err)
{
	static const char *const heads[] = { "<TIME", "<WHO", "<WHAT", "<" };
	CLEANUP(chronicle_release) struct chronicle c = { .row = NULL };
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 4);
	OWNED_REPO struct repo *repo = NULL;
	uint64_t most = UINT64_MAX;
	int r;

	if (!table)
		return err_nomem(err);
	if (option_u64(&tool->options, "lines", UINT32_MAX, &most, err) < 0)
		return -EINVAL;
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = snapshots_load(repo, NULL, true, &list, err);
	c.snapshots = &list;
	for (size_t i = 0; r >= 0 && i < list.count; i++)
		r = take_add(&c, &list.row[i], err);
	if (r >= 0)
		r = catalog_each_event(repo_catalog(repo), 0, take_event, &c,
				       err);
	if (r < 0)
		return r;
	if (c.count)
		qsort(c.row, c.count, sizeof(*c.row), earlier);
	print_rows(tool, table, &c, most);
	return DONE;
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "lines", .arg = "N",
	  .help = "only the last N" },
	{ .name = NULL },
};

const struct command command_log = {
	.name = "log",
	.words = "",
	.about = "who did what to the store, and when",
	.text = "Lists what was added, copied, forgotten, brought back, pinned, "
		"tagged, restored, pruned, checked and rebuilt, and which "
		"policies were set, "
		"the newest last. Times are local.",
	.example = "varve log -n 20",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
};
