#include "tools/damage_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/progress.h"

void damage_list_init(struct damage_list *list, const struct tool *tool)
{
	*list = (struct damage_list){
		.tool = tool,
		.all = tool->json || option_given(&tool->options, "all"),
	};
}

static void line_release(struct damage_line *line)
{
	free(line->path);
	free(line->words);
	free(line->first);
	free(line->last);
	memset(line, 0, sizeof(*line));
}

void damage_list_release(struct damage_list *list)
{
	for (size_t i = 0; i < list->lines; i++)
		line_release(&list->line[i]);
	list->lines = 0;
	id_set_release(&list->seen);
	list->seen = (struct id_set){ .slot = NULL };
	free(list->source);
	list->source = NULL;
}

/* Each by itself. */

static void show_json(const struct damage *d)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT];
	struct json json;

	snapshot_label(&d->snapshot->record, label);
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "damaged", damage_part_name(d->part));
	json_str(&json, "snapshot", label);
	json_name(&json, "path", span_str(d->path));
	json_name(&json, "words", span_str(d->words));
	json_bool(&json, "forgotten", d->snapshot->forgotten);
	json_close_object(&json);
	json_print(&line);
}

static bool has_path(enum damage_part part)
{
	return part <= DAMAGE_DIR;
}

/* WHOSE:PATH: WORDS, without an end. */
static void show_place(const char *whose, enum damage_part part,
		       const char *path, const char *words)
{
	progress_wipe();
	name_print(stdout, span_str(whose));
	if (has_path(part)) {
		fputc(':', stdout);
		name_print(stdout, span_str(path));
	}
	fputs(": ", stdout);
	name_print(stdout, span_str(words));
}

static void show_one(const char *source, const char *name,
		     enum damage_part part, const char *path,
		     const char *words, bool forgotten)
{
	char label[LABEL_TEXT];

	snprintf(label, sizeof(label), "%s@%s", source, name);
	show_place(label, part, path, words);
	fputs(forgotten ? " (forgotten)\n" : "\n", stdout);
}

static void show_at_once(const struct damage *d)
{
	const struct record *record = &d->snapshot->record;

	show_one(record->source, record->name, d->part, d->path, d->words,
		 d->snapshot->forgotten);
}

/* Together. */

static void show_line(const struct damage_list *list,
		      const struct damage_line *line)
{
	if (line->snapshots == 1) {
		show_one(list->source, line->first, line->part, line->path,
			 line->words, line->forgotten > 0);
		return;
	}
	/* from which byte on, and of how many, may differ */
	show_place(list->source, line->part, line->path, line->differs ?
		   "its bytes" : line->words);
	printf(", in %" PRIu64 " snapshots, %s to %s", line->snapshots,
	       line->first, line->last);
	if (line->forgotten)
		printf(" (%" PRIu64 " forgotten)", line->forgotten);
	fputc('\n', stdout);
}

void damage_list_end(struct damage_list *list)
{
	for (size_t i = 0; i < list->lines; i++)
		show_line(list, &list->line[i]);
	if (!list->all && list->seen.count > list->lines) {
		name_print(stdout, span_str(list->source));
		printf(": and %s%s, which --all names\n", counted(
			list->seen.count - list->lines, "more place").s,
			list->seen.count >= DAMAGE_COUNTED ? " at least" : "");
	}
	list->distinct += list->seen.count;
	damage_list_release(list);
}

static int begin_source(struct damage_list *list, const char *source)
{
	if (list->source && !strcmp(list->source, source))
		return 0;
	if (list->source)
		damage_list_end(list);
	list->source = strdup(source);
	return list->source ? 0 : -ENOMEM;
}

/* 1: it was not seen in this source; 0: it was. */
static int is_new(struct damage_list *list, const struct damage *d)
{
	OWNED_BUF struct buf key = BUF_INIT;
	/* not none, whatever it is the sum of */
	struct id id = { .len = 1 };

	if (list->seen.count >= DAMAGE_COUNTED) {
		list->more = true;
		return 0;
	}
	buf_printf(&key, "%d %s", d->part, d->path);
	if (d->part != DAMAGE_FILE)
		buf_printf(&key, "//%s", d->words);
	if (!buf_str(&key))
		return -ENOMEM;
	sum128(buf_span(&key), id.hash);
	return id_set_add(&list->seen, &id, NULL);
}

/* Of a directory, and of an entry's attributes, there may be several. */
static struct damage_line *find_line(struct damage_list *list,
				     const struct damage *d)
{
	for (size_t i = 0; i < list->lines; i++)
		if (list->line[i].part == d->part &&
		    !strcmp(list->line[i].path, d->path) &&
		    (d->part == DAMAGE_FILE ||
		     !strcmp(list->line[i].words, d->words)))
			return &list->line[i];
	return NULL;
}

static int new_line(struct damage_list *list, const struct damage *d)
{
	struct damage_line line = {
		.part = d->part, .path = strdup(d->path),
		.words = strdup(d->words),
		.first = strdup(d->snapshot->record.name),
		.last = strdup(d->snapshot->record.name),
		.snapshots = 1, .forgotten = d->snapshot->forgotten,
	};

	if (!line.path || !line.words || !line.first || !line.last) {
		line_release(&line);
		return -ENOMEM;
	}
	list->line[list->lines++] = line;
	return 0;
}

static int add_to_line(struct damage_line *line, const struct damage *d)
{
	char *name = strdup(d->snapshot->record.name);

	if (!name)
		return -ENOMEM;
	line->differs |= strcmp(line->words, d->words) != 0;
	free(line->last);
	line->last = name;
	line->snapshots++;
	line->forgotten += d->snapshot->forgotten;
	return 0;
}

static int take(struct damage_list *list, const struct damage *d)
{
	struct damage_line *line = find_line(list, d);

	if (line)
		return add_to_line(line, d);
	return list->lines < DAMAGE_LINES ? new_line(list, d) : 0;
}

void damage_list_take(void *arg, const struct damage *d)
{
	struct damage_list *list = arg;
	int r = begin_source(list, d->snapshot->record.source);

	if (r == 0)
		r = is_new(list, d);
	if (r >= 0 && !list->all)
		r = take(list, d);
	list->more |= r < 0;
	/* none is left out for want of memory */
	if (list->tool->json)
		show_json(d);
	else if (list->all || r < 0)
		show_at_once(d);
}
