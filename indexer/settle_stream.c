#include "indexer/settle_internal.h"

#include <inttypes.h>

#define CHANGED "a temporary file came back changed"

/* A file's item stands before the names that mean it. */
enum { JOIN_ITEM = 0, JOIN_NAME = 1 };

static int put_join(struct sorter *pairs, uint64_t root, uint8_t what,
		    struct span value, struct err *err)
{
	uint8_t key[9];

	put_be64(key, root);
	key[8] = what;
	return sorter_put(pairs, span_of(key, sizeof(key)), value, err);
}

static int collect_one(struct settle *settle, struct sorter *pairs,
		       struct span key, uint64_t seq, struct span value,
		       struct err *err)
{
	struct event_slot event;
	struct path_slot path;
	unsigned common;
	int r = trail_move(&settle->trail, key, &common, err);

	if (r == 0)
		r = slots_get(settle->events, seq, &event, err);
	if (r == 0)
		r = slots_get(settle->paths, trail_number(&settle->trail),
			      &path, err);
	if (r == 0 && event.linked)
		r = put_join(pairs, seq, JOIN_ITEM, value, err);
	if (r == 0 && path.current == seq && event.other != seq)
		r = put_join(pairs, event.other, JOIN_NAME, key, err);
	return r;
}

static int collect(struct settle *settle, struct sorter *pairs,
		   struct err *err)
{
	struct span key, value;
	uint64_t seq;
	int r = settle_rewind(settle, err);

	if (r < 0)
		return r;
	while ((r = settle_read(settle, &key, &seq, &value, err)) > 0) {
		if (value.data[0] == ITEM_QUERY)
			continue;
		r = collect_one(settle, pairs, key, seq, value, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int hand_out(struct settle *settle, struct sorter *pairs,
		    struct err *err)
{
	OWNED_BUF struct buf item = BUF_INIT;
	struct span key, value;
	uint64_t root = 0;
	int r = sorter_rewind(pairs, err);

	if (r < 0)
		return r;
	while ((r = sorter_next(pairs, &key, &value, err)) > 0) {
		if (key.data[8] == JOIN_ITEM) {
			root = get_be64(key.data);
			buf_clear(&item);
			buf_append(&item, value.data, value.len);
			r = buf_check(&item, err);
		} else if (get_be64(key.data) == root) {
			r = sorter_put(settle->joined, value, buf_span(&item),
				       err);
		} else {
			r = err_set(err, -EIO, CHANGED);
		}
		if (r < 0)
			return r;
	}
	return r;
}

/* For every name whose file another item brought, that item under its key. */
int settle_join(struct settle *settle, struct err *err)
{
	size_t budget = settle->options.budget / 4;
	struct sorter *pairs = sorter_new(settle->options.dir, budget);
	int r;

	settle->joined = sorter_new(settle->options.dir, budget);
	if (!pairs || !settle->joined) {
		sorter_free(pairs);
		return err_nomem(err);
	}
	r = collect(settle, pairs, err);
	if (r == 0)
		r = hand_out(settle, pairs, err);
	sorter_free(pairs);
	return r < 0 ? r : sorter_rewind(settle->joined, err);
}

static void warn(struct settle *settle, enum weight weight, struct span key,
		 const char *sentence)
{
	if (settle->options.warn)
		settle->options.warn(settle->options.arg, weight, key,
				     sentence);
}

static void warn_link(struct settle *settle, struct span key,
		      const struct item *item, const char *why)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *sentence;

	buf_append_str(&text, "is a hard link to '");
	key_print(item->target, true, &text);
	buf_append_str(&text, why);
	sentence = buf_str(&text);
	warn(settle, WEIGHT_REFUSED, key,
	     sentence ? sentence : "is a hard link to nothing: refused");
}

static void warn_refused(struct settle *settle, struct span key,
			 enum verdict verdict, const struct item *item)
{
	switch (verdict) {
	case VERDICT_UNDER:
		warn(settle, WEIGHT_REFUSED, key,
		     "lies below a name that is a file or a symbolic link: "
		     "refused");
		break;
	case VERDICT_OVER:
		warn(settle, WEIGHT_REFUSED, key,
		     "would take the place of a directory that is not empty: "
		     "refused");
		break;
	case VERDICT_NO_TARGET:
		warn_link(settle, key, item,
			  "', which is not there before it: refused");
		break;
	case VERDICT_DIR_TARGET:
		warn_link(settle, key, item,
			  "', which is a directory: refused");
		break;
	case VERDICT_ACCEPTED:
		break;
	}
}

/* A version of the path that is not the one that is left. */
static int lose(struct settle *settle, struct span key, uint64_t seq,
		struct span value, struct err *err)
{
	const struct settle_options *options = &settle->options;
	struct event_slot event;
	int r = slots_get(settle->events, seq, &event, err);

	if (r == 0)
		r = item_parse(value, &settle->own, err);
	if (r < 0)
		return r;
	if (event.verdict != VERDICT_ACCEPTED)
		warn_refused(settle, key, event.verdict, &settle->own);
	else if (event.kind != EVENT_DIR && settle->lost++ == 0)
		warn(settle, WEIGHT_NOTE, key,
		     "is in the input more than once: the last one counts");
	if (options->dropped && settle->own.kind == ITEM_ENTRY &&
	    settle->own.entry.type == ENTRY_FILE)
		return options->dropped(options->arg, seq, &settle->own.entry,
					err);
	return 0;
}

static int read_ahead(struct settle *settle, struct err *err)
{
	int r;

	do {
		r = settle_read(settle, &settle->ahead_key,
				&settle->ahead_seq, &settle->ahead_value,
				err);
	} while (r > 0 && settle->ahead_value.data[0] == ITEM_QUERY);
	settle->ahead = r > 0;
	return r < 0 ? r : 0;
}

static int begin_path(struct settle *settle, struct err *err)
{
	struct trail *trail = &settle->trail;
	struct event_slot event;
	unsigned common;
	int r = trail_move(trail, settle->ahead_key, &common, err);

	if (r < 0)
		return r;
	settle->told = settle->started ? common + 1 : 0;
	settle->lost = 0;
	buf_clear(&settle->winner);
	r = slots_get(settle->paths, trail_number(trail), &settle->path, err);
	settle->linked = false;
	if (r < 0 || settle->path.current == 0 || !settle->any_linked)
		return r;
	r = slots_get(settle->events, settle->path.root, &event, err);
	settle->linked = r == 0 && event.linked;
	return r;
}

/* Take every version of the next path.  1, or 0: there is none. */
static int read_path(struct settle *settle, struct err *err)
{
	struct span key;
	int r = 0;

	if (!settle->started)
		r = read_ahead(settle, err);
	if (r == 0 && settle->ahead)
		r = begin_path(settle, err);
	if (r < 0 || !settle->ahead)
		return r;
	key = buf_span(&settle->trail.key);
	while (settle->ahead && span_equal(settle->ahead_key, key)) {
		if (settle->ahead_seq == settle->path.current)
			buf_append(&settle->winner, settle->ahead_value.data,
				   settle->ahead_value.len);
		else
			r = lose(settle, key, settle->ahead_seq,
				 settle->ahead_value, err);
		if (r == 0)
			r = buf_check(&settle->winner, err);
		if (r == 0)
			r = read_ahead(settle, err);
		if (r < 0)
			return r;
	}
	return 1;
}

/* The attributes of a name whose file another item brought. */
static int take_joined(struct settle *settle, struct settled *ret,
		       struct err *err)
{
	struct span key, value;
	int r = sorter_next(settle->joined, &key, &value, err);

	if (r < 0)
		return r;
	if (r == 0 || !span_equal(key, ret->key))
		return err_set(err, -EIO, CHANGED);
	r = item_parse(value, &settle->item, err);
	if (r < 0)
		return r;
	if (settle->item.has_origin)
		ret->origin = settle->item.origin;
	return 0;
}

static int give_winner(struct settle *settle, struct settled *ret,
		       struct err *err)
{
	int r;

	ret->root = settle->path.root;
	ret->linked = settle->linked;
	if (ret->root != settle->path.current) {
		r = take_joined(settle, ret, err);
	} else {
		r = item_parse(buf_span(&settle->winner), &settle->item, err);
		if (r == 0 && settle->item.has_origin)
			ret->origin = settle->item.origin;
	}
	if (r < 0)
		return r;
	ret->entry = settle->item.entry;
	if (ret->root == settle->path.current)
		return 1;
	r = item_parse(buf_span(&settle->winner), &settle->own, err);
	if (r < 0)
		return r;
	if (settle->own.has_origin)
		ret->origin = settle->own.origin;
	return 1;
}

static void make_up(struct settle *settle, struct settled *ret)
{
	ret->made_up = true;
	ret->entry = (struct entry){
		.type = ENTRY_DIR,
		.mode = 0755,
		.uname = span_str("root"),
		.gname = span_str("root"),
		.mtime = settle->options.time,
	};
}

/* The next level of the trail, where it is anything.  1, or 0: it is not. */
static int give_level(struct settle *settle, struct settled *ret,
		      struct err *err)
{
	struct trail *trail = &settle->trail;
	const struct level *level = &trail->levels[settle->told];
	bool last = settle->told == trail->depth;
	struct path_slot path;
	int r = slots_get(settle->paths, level->number, &path, err);

	*ret = (struct settled){
		.key = span_of(trail->key.data, level->end),
		.depth = settle->told++,
	};
	if (r < 0 || path.state == PATH_ABSENT)
		return r;
	if (last && path.current) {
		r = give_winner(settle, ret, err);
	} else {
		make_up(settle, ret);
		r = 1;
	}
	ret->entry.name = key_name(ret->key);
	return r;
}

int settle_next(struct settle *settle, struct settled *ret, struct err *err)
{
	int r;

	for (;;) {
		if (!settle->started || settle->told > settle->trail.depth) {
			if (settle->ended)
				return 0;
			r = read_path(settle, err);
			if (r < 0)
				return r;
			settle->ended = r == 0;
			/* Of nothing at all there is still the root. */
			if (r == 0 && settle->started)
				return 0;
			settle->started = true;
		}
		r = give_level(settle, ret, err);
		if (r != 0)
			return r;
	}
}

int settle_place(struct settle *settle, const struct settled *settled,
		 uint64_t pos, bool *ret_first, struct err *err)
{
	uint64_t name[2] = { pos, settled->root };
	struct event_slot event;
	int r;

	*ret_first = true;
	if (settled->root == 0 ||
	    (!settled->linked && !settle->want_places))
		return 0;
	r = slots_get(settle->events, settled->root, &event, err);
	if (r < 0)
		return r;
	*ret_first = event.names == 0;
	if (event.names++ == 0)
		event.pos = pos + 1;
	r = slots_put(settle->events, settled->root, &event, err);
	if (r == 0 && settled->linked)
		r = slots_put(settle->names, settle->name_count++, name, err);
	return r;
}

int settle_links(struct settle *settle,
		 int (*each)(void *arg, uint64_t pos, uint64_t first,
			     uint64_t nlink, struct err *err),
		 void *arg, struct err *err)
{
	for (uint64_t i = 0; i < settle->name_count; i++) {
		struct event_slot event;
		uint64_t name[2];
		int r = slots_get(settle->names, i, name, err);

		if (r == 0)
			r = slots_get(settle->events, name[1], &event, err);
		if (r == 0 && event.names > 1)
			r = each(arg, name[0], event.pos - 1, event.names,
				 err);
		if (r < 0)
			return r;
	}
	return 0;
}

int settle_find(struct settle *settle, uint64_t seq, uint64_t *ret_pos,
		struct err *err)
{
	struct event_slot event;
	int r = slots_get(settle->events, seq, &event, err);

	if (r < 0)
		return r;
	if (event.names == 0)
		return -ENOENT;
	*ret_pos = event.pos - 1;
	return 0;
}
