#include "indexer/archive_tar.h"

/* A sparse map at the head of the data (GNU 1.0): decimal lines in whole
 * blocks: the number of regions, then offset and length of each. */
struct map_text {
	uint64_t value, count, offset;
	uint64_t seen;		/* lines */
	bool digits, bad, done;
};

static int map_line(struct map_text *text, struct map *map)
{
	uint64_t v = text->value;
	int r = 0;

	if (!text->digits)
		return -EINVAL;
	if (text->seen == 0) {
		text->count = v;
		if (v > SPARSE_MAX)
			return -E2BIG;
	} else if (text->seen % 2) {
		text->offset = v;
	} else {
		r = map_add(map, text->offset, v);
	}
	text->seen++;
	text->done = text->seen == 1 + 2 * text->count;
	text->value = 0;
	text->digits = false;
	return r;
}

static int map_block(struct map_text *text, struct span block,
		     struct map *map)
{
	int r = 0;

	for (size_t i = 0; i < block.len && !text->done && r == 0; i++) {
		unsigned digit = (unsigned)(block.data[i] - '0');

		if (block.data[i] == '\n') {
			r = map_line(text, map);
		} else if (digit > 9 || text->value > INT64_MAX / 16) {
			r = -EINVAL;
		} else {
			text->value = text->value * 10 + digit;
			text->digits = true;
		}
	}
	return r;
}

static int read_map_text(struct tar *t, struct member *m)
{
	struct map_text text = { .value = 0 };
	struct span block;
	int r = 0;

	while (r == 0 && !text.done) {
		if (m->left < TAR_BLOCK)
			return -EINVAL;
		block = window_peek(t->window, TAR_BLOCK);
		if (block.len < TAR_BLOCK)
			return -EINVAL;
		r = map_block(&text, block, &m->map);
		if (tar_take_glue(t, block) < 0)
			return t->run->fatal;
		m->left -= TAR_BLOCK;
	}
	return r;
}

/* The blocks of regions behind an old GNU or star header. */
static int read_map_blocks(struct tar *t, struct member *m)
{
	struct span block;
	int r = 1;

	while (r > 0) {
		block = window_peek(t->window, TAR_BLOCK);
		if (block.len < TAR_BLOCK)
			return -EINVAL;
		r = header_sparse_more(block.data, &m->map);
		if (tar_take_glue(t, block) < 0)
			return t->run->fatal;
	}
	return r;
}

/* Does the map fit the data and the size?  A size that could not be read is
 * where the map ends. */
static int check_map(struct member *m, bool has_size)
{
	uint64_t sum = 0, end = 0;

	for (size_t i = 0; i < m->map.count; i++) {
		end = m->map.regions[i].offset + m->map.regions[i].len;
		sum += m->map.regions[i].len;
	}
	if (!has_size)
		m->entry.size = end;
	return sum == m->left && end <= m->entry.size ? 0 : -EINVAL;
}

int tar_read_map(struct tar *t, struct member *m, int blocks_follow)
{
	struct pax *p = &t->local;
	int r = blocks_follow < 0 ? blocks_follow : 0;

	m->padding = -m->left % TAR_BLOCK;
	if (blocks_follow > 0)
		r = read_map_blocks(t, m);
	if (p->has & PAX_REAL_SIZE)
		m->entry.size = p->real_size;
	if (p->has & PAX_SPARSE_MAJOR && p->sparse_major == 1) {
		r = read_map_text(t, m);
	} else if (p->has & PAX_SPARSE_MAP) {
		map_release(&m->map);
		m->map = p->map;
		p->map = (struct map){ .regions = NULL };
		r = p->map_bad ? -EINVAL : 0;
	}
	if (r < 0)
		return r;
	return check_map(m, m->head.type == 'S' || p->has & PAX_REAL_SIZE);
}

bool tar_is_sparse(const struct tar *t, const struct member *m)
{
	return m->head.type == 'S' ||
	       t->local.has & (PAX_SPARSE_MAP | PAX_SPARSE_MAJOR);
}
