#include "indexer/settle_internal.h"

#include <endian.h>
#include <stdlib.h>

/*
 * Names that collide.  What counts is what unpacking the input one entry after
 * the other into an empty directory would leave, with one difference: an entry
 * never goes through a symbolic link, or over something that others lie in.
 *
 *  1. A later entry of the same path replaces an earlier one.  A directory
 *     that comes again is the same directory with its new attributes.  A
 *     directory replaces a file, a file replaces a directory nothing lies in.
 *  2. An entry that is no directory is refused where a directory is by then
 *     that something lies in.
 *  3. An entry is refused where a component of its path is, by then, no
 *     directory.  Components not there yet are made up as directories (root's,
 *     0755), and take their attributes from a directory entry that comes
 *     later.
 *  4. A hard link means what its target's path holds at that moment, through
 *     earlier links.  It is refused where that is nothing, or a directory.  It
 *     replaces what its own path held, as any entry does.
 *  5. What is refused changes nothing: what it would have replaced stays.
 *  6. All names of a file have the attributes of the entry that brought its
 *     bytes.  A link keeps that file when another entry takes its target's
 *     name; only names that are left are counted.
 *  7. Entries of one group are names of one file, the one that came first
 *     brings the attributes.
 *
 * How.  Items are sorted by path and sequence.  One pass gives each path a
 * number and each link the number of its target's path.  Then the events are
 * replayed in their order, with a few bytes of state by path and by sequence
 * number in tables that may go to disk; a path's own state and its parents'
 * decide.  Last the sorted items are read again: what is current at each path
 * is its entry.
 */

void put_be64(uint8_t out[8], uint64_t v)
{
	v = htobe64(v);
	memcpy(out, &v, sizeof(v));
}

struct settle *settle_new(const struct settle_options *options)
{
	struct settle *settle = calloc(1, sizeof(*settle));
	size_t budget = options->budget;

	if (!settle)
		return NULL;
	settle->options = *options;
	settle->items = sorter_new(options->dir, budget);
	settle->groups = sorter_new(options->dir, budget / 8);
	settle->events = slots_new(options->dir, sizeof(struct event_slot),
				   budget / 4);
	settle->paths = slots_new(options->dir, sizeof(struct path_slot),
				  budget / 4);
	settle->names = slots_new(options->dir, 16, 0);
	if (settle->items && settle->groups && settle->events &&
	    settle->paths && settle->names && trail_init(&settle->trail) == 0)
		return settle;
	settle_free(settle);
	return NULL;
}

void settle_free(struct settle *settle)
{
	if (!settle)
		return;
	sorter_free(settle->items);
	sorter_free(settle->groups);
	sorter_free(settle->joined);
	slots_free(settle->events);
	slots_free(settle->paths);
	slots_free(settle->names);
	trail_release(&settle->trail);
	buf_release(&settle->key);
	buf_release(&settle->value);
	buf_release(&settle->winner);
	item_release(&settle->item);
	item_release(&settle->own);
	free(settle);
}

unsigned settle_runs(const struct settle *settle)
{
	return sorter_runs(settle->items);
}

void settle_time(struct settle *settle, struct stamp time)
{
	settle->options.time = time;
}

uint64_t settle_seq(const struct settle *settle)
{
	return settle->count + 1;
}

void settle_skip(struct settle *settle)
{
	settle->count++;
}

void settle_want_places(struct settle *settle)
{
	settle->want_places = true;
}

static int put(struct settle *settle, struct span key, uint64_t seq,
	       struct span bytes, struct err *err)
{
	uint8_t number[8];
	int r;

	put_be64(number, seq);
	buf_clear(&settle->key);
	buf_append(&settle->key, key.data, key.len);
	buf_append_byte(&settle->key, '\0');
	buf_append(&settle->key, number, sizeof(number));
	r = buf_check(&settle->key, err);
	if (r < 0)
		return r;
	return sorter_put(settle->items, buf_span(&settle->key), bytes, err);
}

static int put_group(struct settle *settle, uint64_t group, uint64_t seq,
		     struct err *err)
{
	uint8_t key[8], value[8];

	put_be64(key, group);
	put_be64(value, seq);
	return sorter_put(settle->groups, span_of(key, sizeof(key)),
			  span_of(value, sizeof(value)), err);
}

int settle_put(struct settle *settle, struct span key, struct span bytes,
	       bool is_dir, uint64_t group, uint64_t *ret_seq,
	       struct err *err)
{
	struct event_slot event = { .kind = is_dir ? EVENT_DIR : EVENT_FILE };
	uint64_t seq = settle_seq(settle);
	int r = put(settle, key, seq, bytes, err);

	if (r == 0 && group && !is_dir)
		r = put_group(settle, group, seq, err);
	if (r == 0)
		r = slots_put(settle->events, seq, &event, err);
	if (r < 0)
		return r;
	settle->count = seq;
	if (ret_seq)
		*ret_seq = seq;
	return 0;
}

int settle_put_link(struct settle *settle, struct span key,
		    struct span target, uint64_t *ret_seq, struct err *err)
{
	const struct item query = { .kind = ITEM_QUERY };
	const struct item link = { .kind = ITEM_LINK, .target = target };
	struct event_slot event = { .kind = EVENT_JOIN };
	uint64_t seq = settle_seq(settle);
	int r;

	/* The query first: a link to itself asks what was there before. */
	buf_clear(&settle->value);
	item_write_begin(&query, &settle->value);
	r = buf_check(&settle->value, err);
	if (r == 0)
		r = put(settle, target, seq, buf_span(&settle->value), err);
	if (r < 0)
		return r;
	buf_clear(&settle->value);
	item_write_begin(&link, &settle->value);
	r = buf_check(&settle->value, err);
	if (r == 0)
		r = put(settle, key, seq, buf_span(&settle->value), err);
	if (r == 0)
		r = slots_put(settle->events, seq, &event, err);
	if (r < 0)
		return r;
	settle->count = seq;
	if (ret_seq)
		*ret_seq = seq;
	return 0;
}

int trail_init(struct trail *trail)
{
	*trail = (struct trail){ .key = BUF_INIT, .room = 16 };
	trail->levels = calloc(trail->room, sizeof(*trail->levels));
	if (!trail->levels)
		return -ENOMEM;
	trail->levels[0].number = trail->last = 1;
	return 0;
}

void trail_release(struct trail *trail)
{
	buf_release(&trail->key);
	free(trail->levels);
	trail->levels = NULL;
}

static int trail_push(struct trail *trail, size_t end, struct err *err)
{
	unsigned room = 2 * trail->room;
	struct level *levels;

	if (trail->depth + 1 == trail->room) {
		levels = realloc(trail->levels, room * sizeof(*levels));
		if (!levels)
			return err_nomem(err);
		trail->levels = levels;
		trail->room = room;
	}
	trail->depth++;
	trail->levels[trail->depth].number = ++trail->last;
	trail->levels[trail->depth].end = end;
	return 0;
}

int trail_move(struct trail *trail, struct span key, unsigned *ret_common,
	       struct err *err)
{
	size_t max = key.len < trail->key.len ? key.len : trail->key.len;
	size_t same = 0;
	int r = 0;

	while (same < max && key.data[same] == trail->key.data[same])
		same++;
	while (trail->levels[trail->depth].end > same)
		trail->depth--;
	*ret_common = trail->depth;
	same = trail->levels[trail->depth].end;
	trail->key.len = same;
	buf_append(&trail->key, key.data + same, key.len - same);
	for (size_t i = same; r == 0 && i < key.len; i++)
		if (key.data[i] == '\0')
			r = trail_push(trail, i + 1, err);
	return r < 0 ? r : buf_check(&trail->key, err);
}

int settle_rewind(struct settle *settle, struct err *err)
{
	trail_release(&settle->trail);
	if (trail_init(&settle->trail) < 0)
		return err_nomem(err);
	return sorter_rewind(settle->items, err);
}

int settle_read(struct settle *settle, struct span *ret_key,
		uint64_t *ret_seq, struct span *ret_value, struct err *err)
{
	struct span key;
	int r;

	if (settle->options.stop && *settle->options.stop)
		return err_set(err, -ECANCELED, "stopped");
	r = sorter_next(settle->items, &key, ret_value, err);
	if (r <= 0)
		return r;
	if (key.len < 9 || ret_value->len == 0)
		return err_set(err, -EIO,
			       "a temporary file came back changed");
	*ret_key = span_of(key.data, key.len - 9);
	*ret_seq = get_be64(key.data + key.len - 8);
	return 1;
}

/* A link asks for what is at this path: its number, if it has one. */
static int number_query(struct settle *settle, struct span key, uint64_t seq,
			struct err *err)
{
	struct event_slot event;
	int r;

	if (!span_equal(key, buf_span(&settle->trail.key)))
		return 0;
	r = slots_get(settle->events, seq, &event, err);
	if (r < 0)
		return r;
	event.other = trail_number(&settle->trail);
	return slots_put(settle->events, seq, &event, err);
}

static int number_item(struct settle *settle, struct span key, uint64_t seq,
		       struct err *err)
{
	struct trail *trail = &settle->trail;
	struct event_slot event;
	unsigned common;
	int r = trail_move(trail, key, &common, err);

	for (unsigned i = common + 1; r == 0 && i <= trail->depth; i++) {
		struct path_slot path = {
			.parent = trail->levels[i - 1].number,
		};

		r = slots_put(settle->paths, trail->levels[i].number, &path,
			      err);
	}
	if (r == 0)
		r = slots_get(settle->events, seq, &event, err);
	if (r < 0)
		return r;
	event.path = trail_number(trail);
	return slots_put(settle->events, seq, &event, err);
}

static int number_paths(struct settle *settle, struct err *err)
{
	struct path_slot root = { .state = PATH_DIR, .filled = true };
	struct span key, value;
	uint64_t seq;
	int r;

	r = slots_put(settle->paths, 1, &root, err);
	if (r == 0)
		r = settle_rewind(settle, err);
	if (r < 0)
		return r;
	while ((r = settle_read(settle, &key, &seq, &value, err)) > 0) {
		if (value.data[0] == ITEM_QUERY)
			r = number_query(settle, key, seq, err);
		else
			r = number_item(settle, key, seq, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int mark_groups(struct settle *settle, struct err *err)
{
	uint64_t group = 0, first = 0;
	struct event_slot event;
	struct span key, value;
	int r = sorter_rewind(settle->groups, err);

	if (r < 0)
		return r;
	while ((r = sorter_next(settle->groups, &key, &value, err)) > 0) {
		uint64_t seq = get_be64(value.data);

		if (get_be64(key.data) != group) {
			group = get_be64(key.data);
			first = seq;
			continue;
		}
		r = slots_get(settle->events, seq, &event, err);
		if (r < 0)
			return r;
		event.kind = EVENT_MEMBER;
		event.other = first;
		r = slots_put(settle->events, seq, &event, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* Could something be put below this path now?  1 or 0. */
static int may_hold(struct settle *settle, uint64_t number, struct err *err)
{
	struct path_slot path;

	for (;;) {
		int r = slots_get(settle->paths, number, &path, err);

		if (r < 0)
			return r;
		if (path.state != PATH_ABSENT)
			return path.state == PATH_DIR;
		number = path.parent;
	}
}

/* Something was put below: directories that are missing are made up. */
static int fill(struct settle *settle, uint64_t number, struct err *err)
{
	struct path_slot path;

	for (;;) {
		int r = slots_get(settle->paths, number, &path, err);

		/* One that is filled has filled parents. */
		if (r < 0 || path.filled)
			return r;
		path.filled = true;
		path.state = PATH_DIR;
		r = slots_put(settle->paths, number, &path, err);
		if (r < 0)
			return r;
		number = path.parent;
	}
}

/* Which item has the file that event means?  verdict where there is none. */
static int find_root(struct settle *settle, uint64_t seq,
		     const struct event_slot *event, uint64_t *ret_root,
		     enum verdict *ret_verdict, struct err *err)
{
	struct path_slot target;
	struct event_slot other;
	int r;

	*ret_root = seq;
	if (event->kind == EVENT_MEMBER) {
		r = slots_get(settle->events, event->other, &other, err);
		if (r == 0 && other.verdict == VERDICT_ACCEPTED)
			*ret_root = event->other;
		return r;
	}
	if (event->kind != EVENT_JOIN)
		return 0;
	*ret_verdict = VERDICT_NO_TARGET;
	if (event->other == 0)
		return 0;
	r = slots_get(settle->paths, event->other, &target, err);
	if (r < 0 || target.state == PATH_ABSENT)
		return r;
	*ret_verdict = VERDICT_DIR_TARGET;
	if (target.state == PATH_DIR)
		return 0;
	*ret_verdict = VERDICT_ACCEPTED;
	*ret_root = target.root;
	return 0;
}

static int mark_linked(struct settle *settle, uint64_t seq, struct err *err)
{
	struct event_slot event;
	int r = slots_get(settle->events, seq, &event, err);

	if (r < 0)
		return r;
	settle->any_linked = true;
	event.linked = true;
	return slots_put(settle->events, seq, &event, err);
}

static int judge(struct settle *settle, uint64_t seq,
		 struct event_slot *event, const struct path_slot *path,
		 struct err *err)
{
	enum verdict verdict = VERDICT_ACCEPTED;
	uint64_t root = seq;
	int r = 1;

	if (path->parent)
		r = may_hold(settle, path->parent, err);
	if (r == 0)
		verdict = VERDICT_UNDER;
	else if (r > 0)
		r = find_root(settle, seq, event, &root, &verdict, err);
	if (r < 0)
		return r;
	if (verdict == VERDICT_ACCEPTED && event->kind != EVENT_DIR &&
	    path->filled)
		verdict = VERDICT_OVER;
	event->verdict = (uint8_t)verdict;
	event->other = root;
	return 0;
}

static int replay_one(struct settle *settle, uint64_t seq, struct err *err)
{
	struct event_slot event;
	struct path_slot path;
	int r = slots_get(settle->events, seq, &event, err);

	if (r < 0 || event.kind == 0)
		return r;
	r = slots_get(settle->paths, event.path, &path, err);
	if (r == 0)
		r = judge(settle, seq, &event, &path, err);
	if (r == 0)
		r = slots_put(settle->events, seq, &event, err);
	if (r < 0 || event.verdict != VERDICT_ACCEPTED)
		return r;
	if (path.parent)
		r = fill(settle, path.parent, err);
	if (r == 0 && event.other != seq)
		r = mark_linked(settle, event.other, err);
	path.state = event.kind == EVENT_DIR ? PATH_DIR : PATH_FILE;
	path.current = seq;
	path.root = event.other;
	return r < 0 ? r : slots_put(settle->paths, event.path, &path, err);
}

int settle_run(struct settle *settle, struct err *err)
{
	int r = number_paths(settle, err);

	if (r == 0)
		r = mark_groups(settle, err);
	for (uint64_t seq = 1; r == 0 && seq <= settle->count; seq++)
		r = replay_one(settle, seq, err);
	if (r == 0 && settle->any_linked)
		r = settle_join(settle, err);
	if (r == 0)
		r = settle_rewind(settle, err);
	return r;
}
