#include "tree_model.h"

#include "fs/tree/view_recipe.h"

struct fixture {
	struct repo *repo;
	struct model model;
	struct record record;
	struct tree *tree;
	struct view *view;
	/* while a stream is made: */
	struct view_builder *builder;
	struct buf stream, glue;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->repo = memory_repo_new(7);
	f->builder = view_builder_new(memory_deposit(f->repo));
	model_init(&f->model, 3, 3000, 3);
	model_build(&f->model, f->repo, &f->record);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leaked;

	view_close(f->view);
	tree_close(f->tree);
	view_builder_free(f->builder);
	leaked = memory_counts(f->repo)->pins != 0;
	model_release(&f->model);
	buf_release(&f->stream);
	buf_release(&f->glue);
	memory_repo_free(f->repo);
	free(f);
	return leaked ? -1 : 0;
}

static void add_glue(struct fixture *f, size_t len, uint64_t *seed)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)rnd(seed);

		buf_u8(&f->stream, byte);
		buf_u8(&f->glue, byte);
	}
	assert_ok(view_add_glue(f->builder, len, &err));
}

/* Node pos in pieces, as a reader tells of it. */
static void add_node(struct fixture *f, size_t pos, size_t from, size_t len,
		     uint64_t *seed)
{
	const char *text = f->model.nodes[pos].text;
	struct err err = ERR_INIT;

	buf_append(&f->stream, text + from, len);
	while (len > 0) {
		size_t n = 1 + rnd(seed) % len;

		assert_ok(view_add_node(f->builder, pos, from, n, &err));
		from += n;
		len -= n;
	}
}

static void add_content(struct fixture *f, size_t from, size_t len)
{
	const char *text = "bytes of a member that was replaced";
	struct entry e = text_entry(memory_deposit(f->repo), "x", text);
	struct err err = ERR_INIT;

	buf_append(&f->stream, text + from, len);
	assert_ok(view_add_content(f->builder, &e.content, e.size, from, len,
				   &err));
}

static struct content glue_content(struct fixture *f)
{
	struct content_builder *b =
		content_builder_new(memory_deposit(f->repo));
	struct content content;
	struct err err = ERR_INIT;
	uint64_t len;

	for (size_t at = 0; at < f->glue.len; at += 5000) {
		size_t n = f->glue.len - at < 5000 ? f->glue.len - at : 5000;
		struct extent x = { .type = EXTENT_CHUNK, .len = n };

		assert_ok(deposit_chunk(memory_deposit(f->repo), CHUNK_SMALL,
					span_of(f->glue.data + at, n), &x.id,
					&err));
		assert_ok(content_add(b, &x, &err));
	}
	assert_ok(content_finish(b, &content, &len, &err));
	assert_int_equal(len, f->glue.len);
	content_builder_free(b);
	return content;
}

static void finish(struct fixture *f)
{
	struct content glue = glue_content(f);
	struct err err = ERR_INIT;
	uint8_t sum[16];

	sum128(buf_span(&f->stream), sum);
	assert_ok(view_finish(f->builder, &glue, f->glue.len, sum,
			      &f->record.view, &err));
	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
	assert_ok(view_open(f->tree, &f->view, &err));
	assert_int_equal(view_size(f->view), f->stream.len);
	assert_memory_equal(view_sum(f->view), sum, 16);
}

static void check_range(struct fixture *f, uint64_t offset, size_t len)
{
	CLEANUP(free_ptr) uint8_t *out = malloc(len + 1);
	size_t size = f->stream.len;
	size_t want = offset >= size ? 0
		      : size - offset < len ? size - offset : len;
	struct err err = ERR_INIT;
	size_t got;

	memset(out, 0xee, len + 1);
	assert_ok(view_read(f->view, offset, out, len, &got, &err));
	assert_int_equal(got, want);
	if (want)
		assert_memory_equal(out, f->stream.data + offset, want);
	assert_int_equal(out[want], 0xee);
}

static void check_all(struct fixture *f, uint64_t seed)
{
	size_t size = f->stream.len;

	check_range(f, 0, size + 10);
	check_range(f, size, 10);
	check_range(f, UINT64_MAX, 10);
	for (int i = 0; i < 300 && size; i++)
		check_range(f, rnd(&seed) % size, rnd(&seed) % 9000);
}

/* Files in any order, as a tar has them, and bytes of no file between. */
static void make_stream(struct fixture *f, size_t runs, uint64_t seed)
{
	const struct model *m = &f->model;

	for (size_t i = 0; i < runs; i++) {
		size_t pos = rnd(&seed) % m->count;
		size_t len = strlen(m->nodes[pos].text);

		if (rnd(&seed) % 3)
			add_glue(f, rnd(&seed) % 200, &seed);
		if (rnd(&seed) % 20 == 0)
			add_content(f, rnd(&seed) % 9, rnd(&seed) % 20);
		if (len && rnd(&seed) % 4)
			add_node(f, pos, 0, len, &seed);
		else if (len)
			add_node(f, pos, rnd(&seed) % len, 1, &seed);
	}
}

static size_t segments(const struct fixture *f)
{
	size_t n = 0;

	for (size_t i = 0; i < memory_objects(f->repo); i++) {
		OWNED_HELD struct held held = HELD_INIT;

		assert_int_equal(repo_get(f->repo,
					  memory_object(f->repo, i), &held,
					  NULL), 0);
		n += held.bytes.data[0] == OBJECT_RECIPE;
	}
	return n;
}

static void test_none(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
	assert_int_equal(view_open(f->tree, &f->view, &err), -ENOENT);
	assert_string_equal(err.text, "the snapshot has no original stream");
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	finish(f);
	assert_int_equal(segments(f), 0);
	check_all(f, 1);
}

static void test_small(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;

	make_stream(f, 10, 2);
	add_glue(f, 1024, &seed);
	finish(f);
	assert_int_equal(segments(f), 1);
	check_all(f, 1);
}

static void test_glue_only(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;

	for (int i = 0; i < 100; i++)
		add_glue(f, 300, &seed);
	finish(f);
	check_all(f, 1);
}

static void test_many_segments(void **state)
{
	struct fixture *f = *state;

	make_stream(f, 30000, 5);
	finish(f);
	assert_in_range(segments(f), 5, 40);
	check_all(f, 1);
}

/* Pieces of one member become one run. */
static void test_joined(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct content none = { .count = 0 };
	struct entry e = text_entry(memory_deposit(f->repo), "x", "abcdef");
	uint8_t sum[16] = { 0 };
	size_t before;

	for (uint64_t i = 0; i < 100000; i++)
		assert_ok(view_add_node(f->builder, 5, i * 7, 7, &err));
	for (uint64_t i = 0; i < 6; i++)
		assert_ok(view_add_content(f->builder, &e.content, 6, i, 1,
					   &err));
	assert_ok(view_finish(f->builder, &none, 0, sum, &f->record.view,
			      &err));
	before = memory_objects(f->repo);
	assert_true(memory_object(f->repo, before - 1)->len < 80);
	assert_true(memory_object(f->repo, before - 2)->len < 80);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct entry e = text_entry(memory_deposit(f->repo), "x", "abcdef");
	struct content none = { .count = 0 };
	uint8_t sum[16] = { 0 };
	struct id id;

	assert_int_equal(view_add_node(f->builder, NODES_MAX, 0, 1, &err),
			 -EINVAL);
	assert_int_equal(view_add_node(f->builder, 1, UINT64_MAX, 1, &err),
			 -EINVAL);
	assert_int_equal(view_add_glue(f->builder, RUN_MAX + 1, &err),
			 -EINVAL);
	assert_int_equal(view_add_content(f->builder, &e.content, 6, 3, 4,
					  &err), -EINVAL);
	assert_int_equal(view_add_content(f->builder, &e.content, 7, 0, 1,
					  &err), -EINVAL);
	assert_ok(view_add_glue(f->builder, 5, &err));
	assert_int_equal(view_finish(f->builder, &none, 0, sum, &id, &err),
			 -EINVAL);
	assert_string_equal(err.text, "a view has 5 bytes of glue, not 0");
	assert_int_equal(view_finish(f->builder, &e.content, 5, sum, &id,
				     &err), -EINVAL);
}

/* More segments than one index holds.  Runs of holes, which cost no data. */
static void test_levels(void **state)
{
	struct fixture *f = *state;
	struct content c = { .count = INLINE_EXTENTS }, none = { .count = 0 };
	struct err err = ERR_INIT;
	uint8_t out[100], sum[16] = { 0 };
	const uint64_t runs = 650000;
	uint64_t size = 0, seed = 1;
	size_t got;

	for (unsigned i = 0; i < INLINE_EXTENTS; i++)
		c.extent[i] = (struct extent){ .type = EXTENT_HOLE };
	for (uint64_t i = 0; i < runs; i++) {
		uint64_t whole = 0;

		for (unsigned k = 0; k < INLINE_EXTENTS; k++) {
			c.extent[k].len = (1ull << 40) + (i << 8) + k;
			whole += c.extent[k].len;
		}
		assert_ok(view_add_content(f->builder, &c, whole, i, 10,
					   &err));
		size += 10;
	}
	assert_ok(view_finish(f->builder, &none, 0, sum, &f->record.view,
			      &err));
	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
	assert_ok(view_open(f->tree, &f->view, &err));
	assert_int_equal(view_size(f->view), size);
	assert_true(segments(f) > VIEW_CHILDREN_MAX);
	for (int i = 0; i < 200; i++) {
		memset(out, 1, sizeof(out));
		assert_ok(view_read(f->view, rnd(&seed) % (size - 100), out,
				    100, &got, &err));
		assert_int_equal(got, 100);
		for (int k = 0; k < 100; k++)
			assert_int_equal(out[k], 0);
	}
}

/* A recipe that names what the tree has not. */
static void test_not_in_tree(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct content none = { .count = 0 };
	uint8_t out[10], sum[16] = { 0 };
	const struct model *m = &f->model;
	size_t got, file = 1, dir = 1;

	while (m->nodes[file].entry.type != ENTRY_FILE)
		file++;
	while (m->nodes[dir].entry.type != ENTRY_DIR)
		dir++;
	assert_ok(view_add_node(f->builder, m->count, 0, 10, &err));
	assert_ok(view_add_node(f->builder, dir, 0, 10, &err));
	assert_ok(view_add_node(f->builder, file, 20, 10, &err));
	assert_ok(view_add_node(f->builder, file, 0, 1, &err));
	assert_ok(view_finish(f->builder, &none, 0, sum, &f->record.view,
			      &err));
	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
	assert_ok(view_open(f->tree, &f->view, &err));
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(view_read(f->view, 10 * i, out, 10, &got,
					   &err), -EBADMSG);
	assert_ok(view_read(f->view, 30, out, 10, &got, &err));
	assert_int_equal(got, 1);
	assert_int_equal(out[0], 't');
}

static void test_mutations(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;
	size_t first = memory_objects(f->repo), last;
	uint8_t out[5000];

	make_stream(f, 5000, 5);
	finish(f);
	last = memory_objects(f->repo);
	view_close(f->view);
	f->view = NULL;
	for (int round = 0; round < 4000; round++) {
		size_t n = round % 2 ? first + rnd(&seed) % (last - first)
			   : last - 1;
		struct id id = *memory_object(f->repo, n);
		struct held held = HELD_INIT;
		struct err err = ERR_INIT;
		struct view *view;
		struct buf bad;
		size_t got;

		assert_int_equal(repo_get(f->repo, &id, &held, NULL), 0);
		bad = mutate(held.bytes, &seed);
		held_release(&held);
		memory_pose(f->repo, &id, buf_span(&bad));
		if (view_open(f->tree, &view, &err) == 0) {
			for (int i = 0; i < 5; i++)
				if (view_read(view, view_size(view)
					      ? rnd(&seed) % view_size(view)
					      : 0, out, sizeof(out), &got,
					      &err) == 0)
					assert_true(got <= sizeof(out));
			view_close(view);
		}
		memory_pose(f->repo, &id, span_of(NULL, 0));
		buf_release(&bad);
		assert_int_equal(memory_counts(f->repo)->pins, 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_none),
		T(test_empty),
		T(test_small),
		T(test_glue_only),
		T(test_many_segments),
		T(test_joined),
		T(test_refused),
		T(test_levels),
		T(test_not_in_tree),
		T(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
