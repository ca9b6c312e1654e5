#include "fs/tree/posmap.h"

#include <stdlib.h>

#include "fs/tree/extent.h"
#include "fs/tree/posmap_format.h"

/*
 * A decoded page or node on the way from the top to where a cursor is.  It
 * answers for the positions begin <= pos < end.
 */
struct step {
	unsigned level;		/* 0: a page */
	uint64_t begin, end;
	uint32_t count;
	uint64_t *first;	/* positions: of pairs, or children's first */
	struct id *ids;		/* nodes: of the children */
	uint64_t *pairs;	/* nodes: in each child */
	uint8_t *values;	/* pages: as they stand there, by columns */
};

struct posmap_cursor {
	struct getter getter;
	struct id map;
	uint32_t width;
	unsigned depth;		/* steps held */
	struct step step[POSMAP_LEVELS + 1];
	uint8_t value[POSMAP_WIDTH_MAX];	/* what was handed out last */
};

static void step_release(struct step *step)
{
	free(step->first);
	free(step->ids);
	free(step->pairs);
	free(step->values);
	memset(step, 0, sizeof(*step));
}

static void cursor_clear(struct posmap_cursor *cursor, unsigned depth)
{
	while (cursor->depth > depth)
		step_release(&cursor->step[--cursor->depth]);
}

struct posmap_cursor *posmap_cursor_new(const struct getter *getter,
					const struct id *map, uint32_t width)
{
	struct posmap_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return NULL;
	cursor->getter = *getter;
	cursor->map = *map;
	cursor->width = width;
	return cursor;
}

void posmap_cursor_free(struct posmap_cursor *cursor)
{
	if (!cursor)
		return;
	cursor_clear(cursor, 0);
	free(cursor);
}

static int damaged(struct err *err)
{
	return err_corrupt(err, "a position map is damaged");
}

static int page_decode(struct bytes *in, uint32_t width, uint64_t first,
		       struct step *step, struct err *err)
{
	struct span values;

	for (uint32_t i = 0; i < step->count; i++) {
		if (i > 0)
			first += 1 + bytes_count(in, NODES_MAX);
		if (in->bad || first >= step->end)
			return damaged(err);
		step->first[i] = first;
	}
	values = bytes_take(in, (size_t)step->count * width);
	if (!bytes_done(in))
		return damaged(err);
	step->values = malloc(values.len);
	if (!step->values)
		return err_nomem(err);
	memcpy(step->values, values.data, values.len);
	return 0;
}

static int node_decode(struct object_in *object, uint64_t first,
		       struct step *step, uint64_t *ret_pairs,
		       struct err *err)
{
	struct bytes *in = &object->body;
	struct ref_in refs = { object, 0 };
	uint64_t sum = 0;

	step->ids = calloc(step->count, sizeof(*step->ids));
	step->pairs = calloc(step->count, sizeof(*step->pairs));
	if (!step->ids || !step->pairs)
		return err_nomem(err);
	for (uint32_t i = 0; i < step->count; i++) {
		uint64_t delta;

		ref_read(&refs, step->level == 1 ? OBJECT_POSMAP
			 : OBJECT_POSMAP_INDEX, &step->ids[i]);
		delta = bytes_count(in, NODES_MAX);
		step->pairs[i] = bytes_count(in, NODES_MAX);
		first += delta;
		sum += step->pairs[i];
		if (in->bad || (i > 0 && delta == 0) || first >= step->end)
			return damaged(err);
		step->first[i] = first;
	}
	if (!bytes_done(in))
		return damaged(err);
	*ret_pairs = sum;
	return 0;
}

/* What the node above says of a step; of the top it says nothing. */
struct expected {
	bool top;
	unsigned level;
	uint64_t first, pairs;
};

static int step_parse(struct span bytes, uint32_t width,
		      const struct expected *expected, struct step *step,
		      struct err *err)
{
	struct object_in object;
	struct bytes *in = &object.body;
	bool page;
	uint64_t pairs;
	int r;

	r = object_parse(bytes, &object, err);
	if (r < 0)
		return r;
	page = object.type == OBJECT_POSMAP;
	step->level = page ? 0 : (unsigned)bytes_count(in, POSMAP_LEVELS);
	if ((!page && object.type != OBJECT_POSMAP_INDEX) ||
	    page != (step->level == 0) || bytes_varint(in) != width ||
	    width == 0 || width > POSMAP_WIDTH_MAX ||
	    (expected->top ? page : step->level != expected->level))
		return damaged(err);
	step->count = (uint32_t)bytes_count(in, POSMAP_COUNT_MAX);
	if (step->count == 0 ||
	    step->count > bytes_left(in) / (page ? width : CHILD_BYTES_MIN))
		return damaged(err);
	step->first = calloc(step->count, sizeof(*step->first));
	if (!step->first)
		return err_nomem(err);
	pairs = step->count;
	r = page ? page_decode(in, width, expected->first, step, err)
	    : node_decode(&object, expected->first, step, &pairs, err);
	if (r < 0)
		return r;
	if (!expected->top && pairs != expected->pairs)
		return damaged(err);
	return 0;
}

/* Take the top, or child number index of the last step, as the next step. */
static int descend(struct posmap_cursor *cursor, uint32_t index,
		   struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct step *step = &cursor->step[cursor->depth];
	struct expected expected = { .top = cursor->depth == 0 };
	const struct id *id = &cursor->map;
	int r;

	memset(step, 0, sizeof(*step));
	step->end = NODES_MAX;
	if (!expected.top) {
		const struct step *up = step - 1;

		id = &up->ids[index];
		expected.level = up->level - 1;
		expected.first = up->first[index];
		expected.pairs = up->pairs[index];
		step->begin = index ? up->first[index] : up->begin;
		step->end = index + 1 < up->count ? up->first[index + 1]
			    : up->end;
	}
	r = getter_get(&cursor->getter, id, &held, err);
	if (r < 0)
		return r;
	cursor->depth++;
	r = step_parse(held.bytes, cursor->width, &expected, step, err);
	if (r < 0)
		cursor_clear(cursor, 0);
	return r;
}

/* How many of step's positions are not behind pos. */
static uint32_t upto(const struct step *step, uint64_t pos)
{
	uint32_t low = 0, high = step->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (step->first[mid] <= pos)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The page (or what stands level above it) that answers for pos, as the last
 * step: what is good of the way there is kept. */
static int seek(struct posmap_cursor *cursor, uint64_t pos, unsigned level,
		const struct step **ret, struct err *err)
{
	const struct step *step;
	uint32_t n;
	int r;

	while (cursor->depth > 1) {
		step = &cursor->step[cursor->depth - 1];
		if (step->begin <= pos && pos < step->end)
			break;
		cursor_clear(cursor, cursor->depth - 1);
	}
	if (cursor->depth == 0) {
		r = descend(cursor, 0, err);
		if (r < 0)
			return r;
	}
	for (;;) {
		step = &cursor->step[cursor->depth - 1];
		if (step->level == level)
			break;
		n = upto(step, pos);
		r = descend(cursor, n ? n - 1 : 0, err);
		if (r < 0)
			return r;
	}
	*ret = step;
	return 0;
}

static void gather(const struct step *step, uint32_t row, uint32_t width,
		   uint8_t *out)
{
	for (uint32_t i = 0; i < width; i++)
		out[i] = step->values[(size_t)i * step->count + row];
}

size_t posmap_cursor_pages(struct posmap_cursor *cursor, uint64_t from,
			   uint64_t to, struct id *ret, size_t max)
{
	const struct step *step;
	size_t count = 0;
	uint32_t n;

	if (id_is_none(&cursor->map) || from >= NODES_MAX ||
	    seek(cursor, from, 1, &step, NULL) < 0)
		return 0;
	n = upto(step, from);
	for (n -= n > 0; n < step->count && count < max; n++) {
		if (count > 0 && step->first[n] > to)
			break;
		ret[count++] = step->ids[n];
	}
	return count;
}

int posmap_cursor_get(struct posmap_cursor *cursor, uint64_t pos, void *out,
		      struct err *err)
{
	const struct step *step;
	uint32_t n;
	int r;

	if (id_is_none(&cursor->map) || pos >= NODES_MAX)
		return err_set(err, -ENOENT, "nothing is kept of node %llu",
			       (unsigned long long)pos);
	r = seek(cursor, pos, 0, &step, err);
	if (r < 0)
		return r;
	n = upto(step, pos);
	if (n == 0 || step->first[n - 1] != pos)
		return err_set(err, -ENOENT, "nothing is kept of node %llu",
			       (unsigned long long)pos);
	gather(step, n - 1, cursor->width, out);
	return 0;
}

int posmap_cursor_next(struct posmap_cursor *cursor, uint64_t pos,
		       uint64_t *ret_pos, const void **ret_value,
		       struct err *err)
{
	const struct step *step;
	uint32_t n;
	int r;

	if (id_is_none(&cursor->map))
		return 0;
	for (; pos < NODES_MAX; pos = step->end) {
		r = seek(cursor, pos, 0, &step, err);
		if (r < 0)
			return r;
		n = pos ? upto(step, pos - 1) : 0;
		if (n == step->count)
			continue;
		*ret_pos = step->first[n];
		gather(step, n, cursor->width, cursor->value);
		*ret_value = cursor->value;
		return 1;
	}
	return 0;
}

int posmap_get(const struct getter *getter, const struct id *map,
	       uint32_t width, uint64_t pos, void *out, struct err *err)
{
	struct posmap_cursor *cursor = posmap_cursor_new(getter, map, width);
	int r;

	if (!cursor)
		return err_nomem(err);
	r = posmap_cursor_get(cursor, pos, out, err);
	posmap_cursor_free(cursor);
	return r;
}

int posmap_range(const struct getter *getter, const struct id *map,
		 uint32_t width, uint64_t from, uint64_t to,
		 int (*each)(void *arg, uint64_t pos, const void *value,
			     struct err *err),
		 void *arg, struct err *err)
{
	struct posmap_cursor *cursor = posmap_cursor_new(getter, map, width);
	const void *value;
	uint64_t pos;
	int r;

	if (!cursor)
		return err_nomem(err);
	while ((r = posmap_cursor_next(cursor, from, &pos, &value, err)) == 1) {
		if (pos >= to) {
			r = 0;
			break;
		}
		r = each(arg, pos, value, err);
		if (r)
			break;
		from = pos + 1;
	}
	posmap_cursor_free(cursor);
	return r;
}
