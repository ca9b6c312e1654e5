#include "tree_fixture.h"

struct build {
	struct repo *repo;
	struct builder *builder;
	struct err err;
};

static int setup(void **state)
{
	struct build *b = calloc(1, sizeof(*b));

	b->repo = memory_repo_new(3);
	b->builder = builder_new(memory_deposit(b->repo));
	*state = b;
	return b->builder ? 0 : -1;
}

static int teardown(void **state)
{
	struct build *b = *state;
	bool leaked = memory_counts(b->repo)->pins != 0;

	builder_free(b->builder);
	memory_repo_free(b->repo);
	free(b);
	return leaked ? -1 : 0;
}

static void begin(struct build *b)
{
	struct entry root = plain_entry("", ENTRY_DIR);
	struct err err = ERR_INIT;

	assert_ok(builder_begin(b->builder, &root, &err));
}

static uint64_t enter(struct build *b, const char *name)
{
	struct entry dir = plain_entry(name, ENTRY_DIR);
	struct err err = ERR_INIT;
	uint64_t pos;

	assert_ok(builder_enter(b->builder, &dir, &pos, &err));
	return pos;
}

static void leave(struct build *b)
{
	struct err err = ERR_INIT;

	assert_ok(builder_leave(b->builder, &err));
}

static uint64_t add(struct build *b, const char *name, const char *text)
{
	struct entry e = text_entry(memory_deposit(b->repo), name, text);
	struct err err = ERR_INIT;
	uint64_t pos;

	assert_ok(builder_add(b->builder, &e, &pos, &err));
	return pos;
}

static struct id finish(struct build *b, uint64_t want_nodes)
{
	struct err err = ERR_INIT;
	uint64_t nodes;
	struct id id;

	assert_ok(builder_finish(b->builder, &id, &nodes, &err));
	assert_int_equal(nodes, want_nodes);
	return id;
}

/* Parse the object of id as a page of the given type. */
static void page_of(struct build *b, const struct id *id,
		    enum object_type type, struct held *held,
		    struct page *page)
{
	struct err err = ERR_INIT;

	*held = (struct held)HELD_INIT;
	assert_ok(repo_get(b->repo, id, held, &err));
	assert_ok(page_parse(held->bytes, type, page, &err));
}

static void test_positions(void **state)
{
	struct build *b = *state;
	struct held held;
	struct page page;
	struct id root, tree;

	begin(b);
	assert_int_equal(add(b, "a", "1"), 1);
	assert_int_equal(enter(b, "b"), 2);
	assert_int_equal(enter(b, "c"), 3);
	assert_int_equal(add(b, "x", "2"), 4);
	leave(b);
	assert_int_equal(enter(b, "d"), 5);
	leave(b);
	assert_int_equal(add(b, "e", "3"), 6);
	leave(b);
	assert_int_equal(add(b, "z", ""), 7);
	root = finish(b, 8);

	page_of(b, &root, OBJECT_ROOT, &held, &page);
	assert_int_equal(page.entries[0].below, 7);
	assert_int_equal(page.entries[0].dirs_below, 1);
	assert_int_equal(page.entries[0].tree_levels, 0);
	tree = page.entries[0].tree;
	page_release(&page);
	held_release(&held);

	page_of(b, &tree, OBJECT_PAGE, &held, &page);
	assert_int_equal(page.count, 3);
	assert_span_equal(page.entries[1].name, span_str("b"));
	assert_int_equal(page.entries[1].below, 4);
	assert_int_equal(page.entries[1].dirs_below, 2);
	assert_int_equal(page.before[2], 6);
	tree = page.entries[1].tree;
	page_release(&page);
	held_release(&held);

	page_of(b, &tree, OBJECT_PAGE, &held, &page);
	assert_int_equal(page.count, 3);
	assert_int_equal(page.entries[1].below, 0);
	assert_true(id_is_none(&page.entries[1].tree));
	page_release(&page);
	held_release(&held);
}

static void test_empty_root(void **state)
{
	struct build *b = *state;
	struct held held;
	struct page page;
	struct id root;

	begin(b);
	root = finish(b, 1);
	assert_int_equal(memory_objects(b->repo), 1);
	page_of(b, &root, OBJECT_ROOT, &held, &page);
	assert_int_equal(page.entries[0].below, 0);
	assert_true(id_is_none(&page.entries[0].tree));
	page_release(&page);
	held_release(&held);
}

static void fill_shared(struct build *b)
{
	char name[32];

	enter(b, "deep");
	add(b, "f", "same text");
	leave(b);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "shared-%05d", i);
		add(b, name, "same text");
	}
}

/* The same files at another depth, among others, by a builder that has done
 * other things before: the same objects. */
static void test_equal_dirs(void **state)
{
	struct build *b = *state;
	uint64_t objects;

	begin(b);
	enter(b, "one");
	fill_shared(b);
	leave(b);
	finish(b, 3004);
	objects = memory_counts(b->repo)->objects;

	begin(b);
	add(b, "a", "other text");
	enter(b, "b");
	enter(b, "c");
	add(b, "d", "more text");
	enter(b, "e");
	fill_shared(b);
	leave(b);
	leave(b);
	leave(b);
	finish(b, 3008);
	/* the page of c, of b, of the root, and the root itself */
	assert_int_equal(memory_counts(b->repo)->objects - objects, 4);
}

static void test_refused(void **state)
{
	struct build *b = *state;
	struct entry e = plain_entry("f", ENTRY_FIFO);
	struct entry d = plain_entry("d", ENTRY_DIR);
	struct entry root = plain_entry("", ENTRY_DIR);
	struct err err = ERR_INIT;
	struct id id;
	uint64_t pos, nodes;

	assert_int_equal(builder_add(b->builder, &e, &pos, &err), -EINVAL);
	assert_int_equal(builder_enter(b->builder, &d, &pos, &err), -EINVAL);
	assert_int_equal(builder_leave(b->builder, &err), -EINVAL);
	assert_int_equal(builder_finish(b->builder, &id, &nodes, &err),
			 -EINVAL);
	assert_int_equal(builder_begin(b->builder, &d, &err), -EINVAL);
	assert_int_equal(builder_begin(b->builder, &e, &err), -EINVAL);
	assert_ok(builder_begin(b->builder, &root, &err));
	assert_int_equal(builder_begin(b->builder, &root, &err), -EINVAL);
	assert_int_equal(builder_leave(b->builder, &err), -EINVAL);
	assert_int_equal(builder_add(b->builder, &d, &pos, &err), -EINVAL);
	assert_int_equal(builder_enter(b->builder, &e, &pos, &err), -EINVAL);
	assert_int_equal(builder_enter(b->builder, &root, &pos, &err),
			 -EINVAL);
	e.name = span_str("a/b");
	assert_int_equal(builder_add(b->builder, &e, &pos, &err), -EINVAL);
	d.mode = 0x8000;
	assert_int_equal(builder_enter(b->builder, &d, &pos, &err), -EINVAL);

	e.name = span_str("m");
	assert_ok(builder_add(b->builder, &e, &pos, &err));
	assert_int_equal(pos, 1);
	assert_int_equal(builder_add(b->builder, &e, &pos, &err), -EINVAL);
	d = plain_entry("l", ENTRY_DIR);
	assert_int_equal(builder_enter(b->builder, &d, &pos, &err), -EINVAL);
	d.name = span_str("n");
	assert_ok(builder_enter(b->builder, &d, &pos, &err));
	assert_int_equal(builder_finish(b->builder, &id, &nodes, &err),
			 -EINVAL);
	assert_ok(builder_leave(b->builder, &err));
	e.name = span_str("mm");
	assert_int_equal(builder_add(b->builder, &e, &pos, &err), -EINVAL);
	assert_string_equal(err.text,
			    "'mm' does not come behind the name before it");
	/* what was refused left no trace */
	assert_ok(builder_finish(b->builder, &id, &nodes, &err));
	assert_int_equal(nodes, 3);
}

static void test_depth(void **state)
{
	struct build *b = *state;
	struct entry d = plain_entry("d", ENTRY_DIR);
	struct err err = ERR_INIT;
	uint64_t pos;

	begin(b);
	for (int i = 0; i < DEPTH_MAX; i++)
		assert_ok(builder_enter(b->builder, &d, &pos, &err));
	assert_int_equal(builder_enter(b->builder, &d, &pos, &err),
			 -ENAMETOOLONG);
	assert_int_equal(add(b, "f", "text"), DEPTH_MAX + 1);
	for (int i = 0; i < DEPTH_MAX; i++)
		leave(b);
	finish(b, DEPTH_MAX + 2);
}

#define BIG 300000

/* A directory of BIG files less skip, plus one more name. */
static struct id big(struct build *b, int skip, const char *more)
{
	char name[32];
	int n = 0;

	begin(b);
	enter(b, "big");
	for (int i = 0; i < BIG; i++) {
		struct entry e = plain_entry(name, ENTRY_FILE);
		struct err err = ERR_INIT;
		uint64_t pos;

		if (i == skip)
			continue;
		snprintf(name, sizeof(name), "IMG_%08d.jpeg", i * 7);
		if (more && strcmp(more, name) < 0) {
			add(b, more, "one more");
			more = NULL;
			n++;
		}
		e.name = span_str(name);
		e.mtime.s += i * 13 % 1000;
		e.size = 100000 + (uint64_t)i % 1000;
		e.content.count = 1;
		e.content.extent[0] = (struct extent){
			.type = EXTENT_CHUNK, .len = e.size,
			.id = fake_id((uint64_t)i, (uint32_t)e.size, false) };
		assert_ok(builder_add(b->builder, &e, &pos, &err));
		n++;
	}
	leave(b);
	return finish(b, (uint64_t)n + 2);
}

/* "so that one change in a huge directory writes one page and its index
 * nodes" */
static void test_one_change(void **state)
{
	static const char *const more[] = {
		"0", "IMG_00000003.jpeg", "IMG_00700001.jpeg",
		"IMG_01234567a", "IMG_02099990.jpeg",
	};
	struct build *b = *state;
	const struct memory_counts *counts = memory_counts(b->repo);
	uint64_t objects, bytes, pages;

	big(b, -1, NULL);
	pages = counts->objects;
	print_message("%d names: %llu objects, %llu bytes\n", BIG,
		      (unsigned long long)pages,
		      (unsigned long long)counts->object_bytes);
	assert_in_range(pages, 80, 400);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		objects = counts->objects;
		bytes = counts->object_bytes;
		big(b, -1, more[i]);
		objects = counts->objects - objects;
		bytes = counts->object_bytes - bytes;
		print_message("'%s' added: %llu objects, %llu bytes\n",
			      more[i], (unsigned long long)objects,
			      (unsigned long long)bytes);
		/* page, its index, the root's page, the root */
		assert_in_range(objects, 4, 5);
		assert_true(bytes < 200 << 10);
	}
	objects = counts->objects;
	bytes = counts->object_bytes;
	big(b, 150000, NULL);
	assert_in_range(counts->objects - objects, 4, 6);
	assert_true(counts->object_bytes - bytes < 200 << 10);
	objects = counts->objects;
	big(b, -1, NULL);
	assert_int_equal(counts->objects, objects);
}

/* "about 64 KiB, 16 to 128" */
static void test_page_sizes(void **state)
{
	struct build *b = *state;
	uint64_t sum = 0, pages = 0;

	big(b, -1, NULL);
	for (size_t i = 0; i < memory_objects(b->repo); i++) {
		const struct id *id = memory_object(b->repo, i);
		OWNED_HELD struct held held = HELD_INIT;

		assert_int_equal(repo_get(b->repo, id, &held, NULL), 0);
		if (held.bytes.data[0] != OBJECT_PAGE || id->len < 1000)
			continue;
		assert_true(id->len < (128 << 10) + 1000);
		sum += id->len;
		pages++;
	}
	assert_in_range(sum / pages, 40 << 10, 90 << 10);
}

/* Entries as large as they can be go in one after the other. */
static void test_largest_entries(void **state)
{
	static struct xattr xattrs[XATTRS_MAX];
	static char names[XATTRS_MAX][XATTR_NAME_MAX + 1];
	struct build *b = *state;
	struct entry e = plain_entry("", ENTRY_FIFO);
	struct err err = ERR_INIT;
	uint8_t value[XATTR_INLINE_MAX];
	char name[16];
	uint64_t pos;

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < XATTRS_MAX; i++) {
		memset(names[i], 'n', XATTR_NAME_MAX);
		snprintf(names[i] + 250, 6, "%05d", i);
		xattrs[i].name = span_str(names[i]);
		xattrs[i].value = span_of(value, sizeof(value));
	}
	begin(b);
	e.xattrs = xattrs;
	e.xattr_count = XATTRS_MAX;
	for (int i = 0; i < 5; i++) {
		value[0] = (uint8_t)i;	/* so that sets are not shared */
		snprintf(name, sizeof(name), "%d", i);
		e.name = span_str(name);
		assert_ok(builder_add(b->builder, &e, &pos, &err));
	}
	finish(b, 6);
	for (size_t i = 0; i < memory_objects(b->repo); i++)
		assert_true(memory_object(b->repo, i)->len < PAGE_BYTES_MAX);
	assert_int_equal(memory_objects(b->repo), 5 + 1 + 1);
}

static int build_some(struct build *b, struct err *err)
{
	struct builder *builder = builder_new(memory_deposit(b->repo));
	struct entry root = plain_entry("", ENTRY_DIR);
	struct entry d = plain_entry("", ENTRY_DIR);
	struct entry e = plain_entry("", ENTRY_FIFO);
	char name[32];
	struct id id;
	uint64_t pos;
	int r = builder_begin(builder, &root, err);

	for (int i = 0; i < 20 && r == 0; i++) {
		snprintf(name, sizeof(name), "d%03d", i);
		d.name = span_str(name);
		r = builder_enter(builder, &d, &pos, err);
		for (int k = 0; k < 4000 && r == 0; k++) {
			snprintf(name, sizeof(name), "%d-%05d", i, k);
			e.name = span_str(name);
			r = builder_add(builder, &e, &pos, err);
		}
		if (r == 0)
			r = builder_leave(builder, err);
	}
	if (r == 0)
		r = builder_finish(builder, &id, &pos, err);
	builder_free(builder);
	return r;
}

static void test_full_disk(void **state)
{
	struct build *b = *state;
	struct err err = ERR_INIT;
	int n = 0, r;

	do {
		memory_fail_after(b->repo, n++);
		r = build_some(b, &err);
		if (r < 0)
			assert_int_equal(r, -ENOSPC);
	} while (r < 0);
	assert_true(n > 40);
	memory_fail_after(b->repo, -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_positions),
		T(test_empty_root),
		T(test_equal_dirs),
		T(test_refused),
		T(test_depth),
		T(test_one_change),
		T(test_page_sizes),
		T(test_largest_entries),
		T(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
