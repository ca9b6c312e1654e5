#include "indexer/sink_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Carries the settled entries into the tree. */
struct planting {
	struct sink *sink;
	struct builder *tree;
	struct posmap_builder *origins;
	unsigned open;		/* directories entered and not left */
	bool begun;
	uint64_t made_up;
	struct buf first_made_up;
};

static void planting_release(struct planting *planting)
{
	builder_free(planting->tree);
	posmap_builder_free(planting->origins);
	buf_release(&planting->first_made_up);
}

static int plant_dir(struct planting *planting, const struct settled *settled,
		     uint64_t *ret_pos, struct err *err)
{
	int r;

	if (!planting->begun) {
		planting->begun = true;
		*ret_pos = 0;
		return builder_begin(planting->tree, &settled->entry, err);
	}
	r = builder_enter(planting->tree, &settled->entry, ret_pos, err);
	if (r == 0)
		planting->open++;
	return r;
}

/* Holes cost nothing: a few sizes may come to more than a record can tell. */
static void add_bytes(struct record *record, uint64_t size)
{
	if (size > INT64_MAX - record->bytes)
		record->bytes = INT64_MAX;
	else
		record->bytes += size;
}

static void count(struct planting *planting, const struct settled *settled,
		  bool first)
{
	struct record *record = &planting->sink->record;

	if (settled->entry.type == ENTRY_FILE) {
		record->files++;
		if (first)
			add_bytes(record, settled->entry.size);
	}
	record->dirs += settled->entry.type == ENTRY_DIR;
	if (!settled->made_up || settled->depth == 0)
		return;
	if (planting->made_up++ == 0)
		buf_append(&planting->first_made_up, settled->key.data,
			   settled->key.len);
}

static int plant(struct planting *planting, const struct settled *settled,
		 struct err *err)
{
	uint64_t pos;
	bool first;
	int r = 0;

	while (r == 0 && settled->depth && planting->open >= settled->depth) {
		r = builder_leave(planting->tree, err);
		planting->open--;
	}
	if (r < 0)
		return r;
	if (settled->entry.type == ENTRY_DIR)
		r = plant_dir(planting, settled, &pos, err);
	else
		r = builder_add(planting->tree, &settled->entry, &pos, err);
	if (r == 0)
		r = settle_place(planting->sink->settle, settled, pos, &first,
				 err);
	if (r == 0 && settled->origin)
		r = posmap_add(planting->origins, pos, settled->origin, err);
	if (r < 0)
		return r;
	count(planting, settled, first);
	return 0;
}

static void tell_made_up(struct planting *planting)
{
	char text[128];

	if (planting->made_up == 0)
		return;
	if (planting->made_up == 1)
		snprintf(text, sizeof(text), "this directory is not in the "
			 "input: made up as root's, mode 0755");
	else
		snprintf(text, sizeof(text), "this and %" PRIu64 " other "
			 "directories are not in the input: made up as "
			 "root's, mode 0755", planting->made_up - 1);
	sink_warn_key(planting->sink, WEIGHT_NOTE,
		      buf_span(&planting->first_made_up), text);
}

static int build_tree(struct planting *planting, struct err *err)
{
	struct sink *sink = planting->sink;
	struct record *record = &sink->record;
	struct record_top top;
	struct settled settled;
	int r;

	while ((r = settle_next(sink->settle, &settled, err)) > 0) {
		r = plant(planting, &settled, err);
		if (r < 0)
			return r;
		sink_progress(sink, sink->input_bytes);
	}
	while (r == 0 && planting->open > 0) {
		r = builder_leave(planting->tree, err);
		planting->open--;
	}
	if (r == 0)
		r = builder_finish(planting->tree, &record->root,
				   &record->entries, err);
	if (r == 0) {
		builder_top(planting->tree, &top);
		r = record_set_top(record, &top) < 0 ? err_nomem(err) : 0;
	}
	if (r == 0)
		r = posmap_finish(planting->origins, &record->origin, err);
	if (r < 0)
		return r;
	tell_made_up(planting);
	return 0;
}

static int add_link(void *arg, uint64_t pos, uint64_t first, uint64_t nlink,
		    struct err *err)
{
	uint8_t value[LINKS_WIDTH];

	put_le64(value, first);
	put_le64(value + 8, nlink);
	return posmap_add(arg, pos, value, err);
}

static int build_links(struct sink *sink, struct err *err)
{
	struct posmap_builder *links =
		posmap_builder_new(sink->deposit, LINKS_WIDTH);
	int r;

	if (!links)
		return err_nomem(err);
	r = settle_links(sink->settle, add_link, links, err);
	if (r == 0)
		r = posmap_finish(links, &sink->record.links, err);
	posmap_builder_free(links);
	return r;
}

/* What is new of the tree is likely like the same of the last one. */
static void lean_on(struct planting *planting, struct tree *former)
{
	const struct getter getter = tree_getter(former);

	builder_former(planting->tree, former);
	posmap_former(planting->origins, &getter,
		      &tree_record(former)->origin);
}

int ingest_build(struct sink *sink, struct err *err)
{
	CLEANUP(planting_release) struct planting planting = {
		.sink = sink,
		.tree = builder_new(sink->deposit),
		.origins = posmap_builder_new(sink->deposit, ORIGIN_WIDTH),
		.first_made_up = BUF_INIT,
	};
	int r;

	if (!planting.tree || !planting.origins)
		return err_nomem(err);
	if (sink->former)
		lean_on(&planting, sink->former);
	if (sink->recipe.len)
		settle_want_places(sink->settle);
	r = build_tree(&planting, err);
	if (r == 0)
		r = build_links(sink, err);
	if (r == 0 && sink->recipe.len)
		r = recipe_write(&sink->recipe, sink->settle,
				 &sink->record.view, err);
	return r;
}
