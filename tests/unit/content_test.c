#include "tree_fixture.h"

#include "fs/tree/content_list.h"

#define CHUNKS 300

/* A file as the tests know it: its bytes, and its extents. */
struct model {
	struct repo *repo;
	struct getter getter;
	struct buf chunk[CHUNKS];
	struct id id[CHUNKS];
	struct extent *extents;		/* as told to the builder */
	size_t count;
	struct buf bytes;
};

static int setup(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t seed = 5;

	m->repo = memory_repo_new(1);
	m->getter.repo = m->repo;
	for (int i = 0; i < CHUNKS; i++) {
		size_t len = 1 + rnd(&seed) % 900;

		for (size_t k = 0; k < len; k++)
			buf_u8(&m->chunk[i], (uint8_t)rnd(&seed));
		if (deposit_chunk(memory_deposit(m->repo), CHUNK_SMALL,
				  buf_span(&m->chunk[i]), &m->id[i], NULL))
			return -1;
	}
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct model *m = *state;
	bool leaked = memory_counts(m->repo)->pins != 0;

	for (int i = 0; i < CHUNKS; i++)
		buf_release(&m->chunk[i]);
	memory_repo_free(m->repo);
	free(m->extents);
	buf_release(&m->bytes);
	free(m);
	return leaked ? -1 : 0;
}

static struct extent chunk_extent(const struct model *m, unsigned i,
				  uint32_t from, uint64_t len)
{
	return (struct extent){ .type = EXTENT_CHUNK, .id = m->id[i],
				.from = from, .len = len };
}

static struct extent hole(uint64_t len)
{
	return (struct extent){ .type = EXTENT_HOLE, .len = len };
}

static struct extent random_extent(const struct model *m, uint64_t *seed)
{
	unsigned i = (unsigned)(rnd(seed) % CHUNKS);
	uint32_t len = m->id[i].len, from;

	switch (rnd(seed) % 8) {
	case 0:
		return hole(1 + rnd(seed) % 1000);
	case 1:
		from = (uint32_t)(rnd(seed) % len);
		return chunk_extent(m, i, from,
				    1 + rnd(seed) % (len - from));
	}
	return chunk_extent(m, i, 0, len);
}

static void model_fill(struct model *m, size_t count, uint64_t seed)
{
	m->extents = realloc(m->extents, count * sizeof(*m->extents));
	m->count = count;
	buf_clear(&m->bytes);
	for (size_t i = 0; i < count; i++)
		m->extents[i] = random_extent(m, &seed);
}

static unsigned chunk_of(const struct model *m, const struct id *id)
{
	for (unsigned i = 0; i < CHUNKS; i++)
		if (id_equal(&m->id[i], id))
			return i;
	fail_msg("no such chunk");
	return 0;
}

static void model_bytes(struct model *m)
{
	buf_clear(&m->bytes);
	for (size_t i = 0; i < m->count; i++) {
		const struct extent *x = &m->extents[i];

		if (x->type == EXTENT_HOLE)
			buf_append_zero(&m->bytes, (size_t)x->len);
		else
			buf_append(&m->bytes, m->chunk[chunk_of(m, &x->id)]
				   .data + x->from, (size_t)x->len);
	}
}

static uint64_t build(struct model *m, struct content *ret)
{
	struct content_builder *b =
		content_builder_new(memory_deposit(m->repo));
	struct err err = ERR_INIT;
	uint64_t len;

	for (size_t i = 0; i < m->count; i++)
		assert_ok(content_add(b, &m->extents[i], &err));
	assert_ok(content_finish(b, ret, &len, &err));
	content_builder_free(b);
	return len;
}

static void test_small(void **state)
{
	struct model *m = *state;
	struct content_builder *b =
		content_builder_new(memory_deposit(m->repo));
	struct content c;
	struct extent x;
	struct err err = ERR_INIT;
	uint64_t len;

	assert_ok(content_finish(b, &c, &len, &err));
	assert_int_equal(len, 0);
	assert_int_equal(c.count, 0);
	assert_true(id_is_none(&c.list));

	x = hole(10);
	assert_ok(content_add(b, &x, &err));
	x = hole(20);
	assert_ok(content_add(b, &x, &err));
	x = chunk_extent(m, 0, 0, m->id[0].len);
	assert_ok(content_add(b, &x, &err));
	x = hole(1);
	assert_ok(content_add(b, &x, &err));
	assert_ok(content_finish(b, &c, &len, &err));
	assert_int_equal(len, 31 + m->id[0].len);
	assert_int_equal(c.count, 3);
	assert_int_equal(c.extent[0].type, EXTENT_HOLE);
	assert_int_equal(c.extent[0].len, 30);
	assert_id_equal(&c.extent[1].id, &m->id[0]);
	assert_int_equal(c.extent[2].len, 1);
	assert_int_equal(c.holes, 31);
	assert_int_equal(memory_objects(m->repo), 0);

	/* one more than fits becomes a list */
	for (unsigned i = 0; i <= INLINE_EXTENTS; i++) {
		x = chunk_extent(m, i, 0, m->id[i].len);
		assert_ok(content_add(b, &x, &err));
	}
	assert_ok(content_finish(b, &c, &len, &err));
	assert_int_equal(c.count, 0);
	assert_false(id_is_none(&c.list));
	assert_int_equal(c.levels, 0);
	assert_int_equal(memory_objects(m->repo), 1);
	content_builder_free(b);
}

static void test_refused(void **state)
{
	struct model *m = *state;
	struct content_builder *b =
		content_builder_new(memory_deposit(m->repo));
	struct extent bad[] = {
		hole(0),
		hole((uint64_t)SIZE_LIMIT + 1),
		chunk_extent(m, 0, 0, 0),
		chunk_extent(m, 0, 0, m->id[0].len + 1),
		chunk_extent(m, 0, 1, m->id[0].len),
		chunk_extent(m, 0, m->id[0].len, 1),
		{ .type = 0, .len = 1, .id = m->id[0] },
		{ .type = EXTENT_CHUNK, .len = 1 },
		{ .type = EXTENT_CHUNK, .len = 1, .id = fake_id(1, 9, true) },
	};
	struct extent x = hole(SIZE_LIMIT - 5);
	struct content c;
	struct err err = ERR_INIT;
	uint64_t len;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(content_add(b, &bad[i], &err), -EINVAL);
	assert_ok(content_add(b, &x, &err));
	x = hole(6);
	assert_int_equal(content_add(b, &x, &err), -EINVAL);
	x = hole(5);
	assert_ok(content_add(b, &x, &err));
	assert_ok(content_finish(b, &c, &len, &err));
	assert_int_equal(len, SIZE_LIMIT);
	assert_int_equal(c.count, 1);
	content_builder_free(b);
}

struct each {
	struct model *m;
	size_t next;
	uint64_t offset, data;
	int stop_at;
};

/* The extents come back as they were told, neighbouring holes as one. */
static int on_extent(void *arg, uint64_t offset, const struct extent *x,
		     struct err *err)
{
	struct each *each = arg;
	const struct extent *want = &each->m->extents[each->next];
	uint64_t len = want->len;

	(void)err;
	assert_true(each->next < each->m->count);
	assert_int_equal(offset, each->offset);
	assert_int_equal(x->type, want->type);
	if (x->type == EXTENT_CHUNK) {
		assert_id_equal(&x->id, &want->id);
		assert_int_equal(x->from, want->from);
		each->data += len;
	}
	each->next++;
	while (x->type == EXTENT_HOLE && each->next < each->m->count &&
	       each->m->extents[each->next].type == EXTENT_HOLE)
		len += each->m->extents[each->next++].len;
	assert_int_equal(x->len, len);
	each->offset += len;
	return --each->stop_at == 0 ? 7 : 0;
}

static void check_each(struct model *m, const struct content *c,
		       uint64_t size)
{
	struct each each = { .m = m };
	struct err err = ERR_INIT;
	uint64_t data;

	assert_ok(content_each(&m->getter, c, size, on_extent, &each, &err));
	assert_int_equal(each.next, m->count);
	assert_int_equal(each.offset, size);
	assert_ok(content_data_bytes(&m->getter, c, size, &data, &err));
	assert_int_equal(data, each.data);
	if (size == 0)
		return;
	each = (struct each){ .m = m, .stop_at = 1 };
	assert_int_equal(content_each(&m->getter, c, size, on_extent, &each,
				      &err), 7);
}

static void check_range(struct model *m, const struct content *c,
			uint64_t offset, size_t len)
{
	CLEANUP(free_ptr) uint8_t *out = malloc(len + 1);
	size_t want = offset >= m->bytes.len ? 0
		      : m->bytes.len - offset < len ? m->bytes.len - offset
		      : len;
	struct err err = ERR_INIT;
	size_t got;

	memset(out, 0xee, len + 1);
	assert_ok(content_read_into(&m->getter, c, m->bytes.len, offset, out,
				    len, &got, &err));
	assert_int_equal(got, want);
	if (want)
		assert_memory_equal(out, m->bytes.data + offset, want);
	assert_int_equal(out[want], 0xee);
}

static void check_pieces(struct model *m, const struct content *c,
			 uint64_t offset, uint64_t len, size_t max)
{
	struct piece pieces[8];
	struct err err = ERR_INIT;
	uint64_t at = offset;
	size_t count;

	assert_ok(content_read(&m->getter, c, m->bytes.len, offset, len,
			       pieces, max, &count, &err));
	assert_true(count <= max);
	for (size_t i = 0; i < count; i++) {
		struct piece *p = &pieces[i];

		assert_true(p->bytes.len > 0);
		assert_int_equal(p->hole, p->bytes.data == NULL);
		if (!p->hole)
			assert_memory_equal(p->bytes.data,
					    m->bytes.data + at,
					    p->bytes.len);
		at += p->bytes.len;
		held_release(&p->held);
	}
	assert_true(at <= offset + len);
	if (count < max)
		assert_int_equal(at, offset + len < m->bytes.len
				 ? offset + len : m->bytes.len);
}

/* What lseek(2) would say, by going through the extents. */
static int seek_model(const struct model *m, uint64_t offset, bool want_hole,
		      uint64_t *ret)
{
	uint64_t at = 0;

	if (offset >= m->bytes.len)
		return -ENXIO;
	for (size_t i = 0; i < m->count; i++) {
		uint64_t end = at + m->extents[i].len;

		if (end > offset &&
		    want_hole == (m->extents[i].type == EXTENT_HOLE)) {
			*ret = at > offset ? at : offset;
			return 0;
		}
		at = end;
	}
	*ret = m->bytes.len;
	return want_hole ? 0 : -ENXIO;
}

static void check_seek(struct model *m, const struct content *c,
		       uint64_t offset)
{
	struct err err = ERR_INIT;
	struct extent x;
	uint64_t want = 0, got = 0, start;

	for (int want_hole = 0; want_hole < 2; want_hole++) {
		int r = seek_model(m, offset, want_hole, &want);

		assert_int_equal(content_seek(&m->getter, c, m->bytes.len,
					      offset, want_hole, &got, &err),
				 r);
		if (r == 0)
			assert_int_equal(got, want);
	}
	if (offset >= m->bytes.len) {
		assert_int_equal(content_extent_at(&m->getter, c,
						   m->bytes.len, offset, &x,
						   &start, &err), -ENXIO);
		return;
	}
	assert_ok(content_extent_at(&m->getter, c, m->bytes.len, offset, &x,
				    &start, &err));
	assert_true(start <= offset && offset < start + x.len);
	if (x.type == EXTENT_CHUNK)
		assert_memory_equal(m->bytes.data + start,
				    m->chunk[chunk_of(m, &x.id)].data +
				    x.from, x.len);
}

static void check_all(struct model *m, const struct content *c, uint64_t seed)
{
	size_t size = m->bytes.len;

	check_each(m, c, size);
	check_range(m, c, 0, size + 100);
	check_range(m, c, size, 10);
	check_range(m, c, UINT64_MAX, 10);
	check_seek(m, c, 0);
	check_seek(m, c, size ? size - 1 : 0);
	check_seek(m, c, size);
	for (int i = 0; i < 300; i++) {
		uint64_t offset = size ? rnd(&seed) % size : 0;

		check_range(m, c, offset, rnd(&seed) % 5000);
		check_pieces(m, c, offset, 1 + rnd(&seed) % 5000,
			     1 + rnd(&seed) % 8);
		check_seek(m, c, offset);
	}
}

static void test_lists(void **state)
{
	static const size_t counts[] = { 1, 5, 8, 9, 63, 64, 65, 600, 5000,
					 60000 };
	struct model *m = *state;
	unsigned levels = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct content c;

		model_fill(m, counts[i], i);
		model_bytes(m);
		assert_int_equal(build(m, &c), m->bytes.len);
		assert_true(c.levels >= levels);
		levels = c.levels;
		assert_int_equal(id_is_none(&c.list), counts[i] <= 8);
		check_all(m, &c, i);
	}
	assert_true(levels >= 1);
}

/* Three levels, of chunks that are known by their ids only. */
static void test_many_levels(void **state)
{
	struct model *m = *state;
	struct content_builder *b =
		content_builder_new(memory_deposit(m->repo));
	const uint64_t count = 700000;
	struct content c;
	struct extent x = { .type = EXTENT_CHUNK };
	struct err err = ERR_INIT;
	uint64_t len, start, data, got, gets;
	size_t largest = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (i == 500000) {
			x = hole(1 << 20);
			assert_ok(content_add(b, &x, &err));
			x.type = EXTENT_CHUNK;
		}
		x.id = fake_id(i, 1 << 20, false);
		x.len = 1 << 20;
		assert_ok(content_add(b, &x, &err));
	}
	assert_ok(content_finish(b, &c, &len, &err));
	content_builder_free(b);
	assert_int_equal(len, (count + 1) << 20);
	assert_int_equal(c.levels, 2);
	assert_ok(content_data_bytes(&m->getter, &c, len, &data, &err));
	assert_int_equal(data, count << 20);
	for (size_t i = 0; i < memory_objects(m->repo); i++)
		if (memory_object(m->repo, i)->len > largest)
			largest = memory_object(m->repo, i)->len;
	assert_true(largest < 64 << 10);

	gets = memory_counts(m->repo)->gets;
	for (uint64_t i = 0; i < 500; i++) {
		uint64_t n = i * 1399 % 500000;

		assert_ok(content_extent_at(&m->getter, &c, len,
					    (n << 20) + 77, &x, &start,
					    &err));
		assert_int_equal(start, n << 20);
		assert_id_equal(&x.id, &(struct id[]){
				fake_id(n, 1 << 20, false) }[0]);
	}
	assert_int_equal(memory_counts(m->repo)->gets - gets, 500 * 3);

	/* a hole far off is found without reading what has none */
	gets = memory_counts(m->repo)->gets;
	assert_ok(content_seek(&m->getter, &c, len, 5, true, &got, &err));
	assert_int_equal(got, 500000ull << 20);
	assert_true(memory_counts(m->repo)->gets - gets < 10);
	assert_ok(content_seek(&m->getter, &c, len, got, false, &got, &err));
	assert_int_equal(got, 500001ull << 20);
}

/* An edit in the middle writes the list it is in and those above. */
static void test_edit_is_local(void **state)
{
	struct model *m = *state;
	const struct memory_counts *counts = memory_counts(m->repo);
	uint64_t objects, bytes, worst = 0, all = 0;
	struct content a, b;

	model_fill(m, 60000, 3);
	build(m, &a);
	all = counts->object_bytes;
	for (size_t i = 100; i < 60000; i += 2500) {
		struct extent old = m->extents[i];

		m->extents[i] = chunk_extent(m, 0, 0, 1);
		objects = counts->objects;
		bytes = counts->object_bytes;
		build(m, &b);
		assert_false(content_equal(&a, &b));
		bytes = counts->object_bytes - bytes;
		worst = bytes > worst ? bytes : worst;
		assert_true(counts->objects - objects <= 6);
		m->extents[i] = old;
	}
	build(m, &b);
	assert_true(content_equal(&a, &b));
	assert_true(worst < all / 5);
}

static void test_store(void **state)
{
	static const size_t counts[] = { 0, 1, 8, 9, 600, 5000 };
	struct model *m = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct content c, back;
		uint64_t size;
		struct id id;

		model_fill(m, counts[i], i);
		model_bytes(m);
		build(m, &c);
		assert_ok(content_store(memory_deposit(m->repo), &c,
					m->bytes.len, &id, &err));
		assert_true(id_is_meta(&id));
		assert_ok(content_load(&m->getter, &id, &back, &size, &err));
		assert_int_equal(size, m->bytes.len);
		assert_true(content_equal(&c, &back));
		assert_int_equal(back.holes, c.holes);
		check_all(m, &back, i);
	}
}

static void test_equal(void **state)
{
	struct model *m = *state;
	struct content a = { .count = 2 }, b;

	a.extent[0] = chunk_extent(m, 0, 0, 1);
	a.extent[1] = hole(5);
	b = a;
	b.extent[1].from = 3;	/* means nothing in a hole */
	b.extent[5].len = 9;	/* is none of its extents */
	assert_true(content_equal(&a, &b));
	b.extent[0].id = m->id[1];
	assert_false(content_equal(&a, &b));
	b = a;
	b.extent[1].len++;
	assert_false(content_equal(&a, &b));
	b = a;
	b.count = 1;
	assert_false(content_equal(&a, &b));
}

/* What an entry says of a content and what its lists hold must agree. */
static void test_disagreement(void **state)
{
	struct model *m = *state;
	struct content c;
	struct err err = ERR_INIT;
	uint8_t out[16];
	uint64_t size, data;
	size_t got;

	model_fill(m, 5000, 1);
	model_bytes(m);
	size = build(m, &c);
	assert_int_equal(c.levels, 1);
	assert_int_equal(content_read_into(&m->getter, &c, size + 1, 0, out,
					   16, &got, &err), -EBADMSG);
	assert_int_equal(content_data_bytes(&m->getter, &c, size - 1, &data,
					    &err), -EBADMSG);
	c.levels = 0;
	assert_int_equal(content_read_into(&m->getter, &c, size, 0, out, 16,
					   &got, &err), -EBADMSG);
	c.levels = 2;
	assert_int_equal(content_read_into(&m->getter, &c, size, 0, out, 16,
					   &got, &err), -EBADMSG);
	c.list = fake_id(1, 55, true);
	assert_int_equal(content_read_into(&m->getter, &c, size, 0, out, 16,
					   &got, &err), -EBADMSG);
}

static int ignore(void *arg, uint64_t offset, const struct extent *x,
		  struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	assert_int_equal(offset, *sum);
	*sum += x->len;
	return 0;
}

static void probe(struct model *m, const struct content *c, uint64_t size,
		  uint64_t *seed)
{
	uint8_t out[3000];
	struct err err = ERR_INIT;
	struct extent x;
	uint64_t sum = 0, at, offset = rnd(seed) % size;
	size_t got;

	if (content_each(&m->getter, c, size, ignore, &sum, &err) == 0)
		assert_int_equal(sum, size);
	content_read_into(&m->getter, c, size, offset, out, sizeof(out), &got,
			  &err);
	content_seek(&m->getter, c, size, offset, true, &at, &err);
	content_seek(&m->getter, c, size, offset, false, &at, &err);
	if (content_extent_at(&m->getter, c, size, offset, &x, &at, &err) == 0)
		assert_true(at <= offset && offset - at < x.len);
}

/* Lists of whatever bytes: an error or an answer within bounds. */
static void test_mutations(void **state)
{
	struct model *m = *state;
	struct content c, loaded;
	uint64_t seed = 3, size, other;

	model_fill(m, 3000, 2);
	size = build(m, &c);
	assert_int_equal(c.levels, 1);
	for (size_t round = 0; round < 4000; round++) {
		size_t n = round % memory_objects(m->repo);
		struct id id = *memory_object(m->repo, n);
		struct held held = HELD_INIT;
		struct buf bad;

		assert_int_equal(repo_get(m->repo, &id, &held, NULL), 0);
		bad = mutate(held.bytes, &seed);
		held_release(&held);
		memory_pose(m->repo, &id, buf_span(&bad));
		probe(m, &c, size, &seed);
		if (content_load(&m->getter, &id, &loaded, &other, NULL) == 0 &&
		    other > 0)
			probe(m, &loaded, other, &seed);
		memory_pose(m->repo, &id, span_of(NULL, 0));
		buf_release(&bad);
		assert_int_equal(memory_counts(m->repo)->pins, 0);
	}
}

static void test_full_disk(void **state)
{
	struct model *m = *state;
	struct err err = ERR_INIT;
	struct content c;
	uint64_t len;
	int n, r;

	model_fill(m, 5000, 9);
	for (n = 0;; n++) {
		struct content_builder *b =
			content_builder_new(memory_deposit(m->repo));

		memory_fail_after(m->repo, n);
		r = 0;
		for (size_t i = 0; i < m->count && r == 0; i++)
			r = content_add(b, &m->extents[i], &err);
		if (r == 0)
			r = content_finish(b, &c, &len, &err);
		content_builder_free(b);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOSPC);
	}
	assert_true(n >= 3);
	memory_fail_after(m->repo, -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_small),
		T(test_refused),
		T(test_lists),
		T(test_many_levels),
		T(test_edit_is_local),
		T(test_store),
		T(test_equal),
		T(test_disagreement),
		T(test_mutations),
		T(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
