#include "tree_model.h"

struct fixture {
	struct repo *repo;
	struct model model[2];
	struct record record[2];
	struct tree *tree[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->repo = memory_repo_new(5);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leaked;

	for (int i = 0; i < 2; i++) {
		tree_close(f->tree[i]);
		model_release(&f->model[i]);
	}
	leaked = memory_counts(f->repo)->pins != 0;
	memory_repo_free(f->repo);
	free(f);
	return leaked ? -1 : 0;
}

static void build(struct fixture *f)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 2; i++) {
		model_build(&f->model[i], f->repo, &f->record[i]);
		assert_ok(tree_open(f->repo, &f->record[i], &f->tree[i],
				    &err));
	}
}

typedef int each_change(void *arg, unsigned kind, const char *path,
			const struct node *a, const struct node *b,
			struct err *err);

static int run(struct fixture *f, each_change *each, void *arg,
	       struct err *err)
{
	OWNED_NODE struct node a = NODE_INIT, b = NODE_INIT;

	assert_int_equal(tree_root(f->tree[0], &a, err), 0);
	assert_int_equal(tree_root(f->tree[1], &b, err), 0);
	return tree_diff(f->tree[0], &a, f->tree[1], &b, each, arg, err);
}

/* Changes as lines of text: "kind path". */
static int write_line(void *arg, unsigned kind, const char *path,
		      const struct node *a, const struct node *b,
		      struct err *err)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	(void)err;
	assert_int_equal(kind == DIFF_ADDED, a == NULL);
	assert_int_equal(kind == DIFF_REMOVED, b == NULL);
	if (a)
		assert_span_equal(a->entry.name, span_str(name));
	if (b)
		assert_span_equal(b->entry.name, span_str(name));
	buf_printf(arg, "%u %s\n", kind, path);
	return 0;
}

/* The same by brute force: every path of either, whatever it costs. */
static unsigned compare(const struct model_node *a,
			const struct model_node *b)
{
	const struct entry *x = &a->entry, *y = &b->entry;
	unsigned kind = 0;

	if (x->type != y->type)
		return DIFF_TYPE;
	if (strcmp(a->text, b->text) || x->dev_major != y->dev_major ||
	    !span_equal(x->target, y->target))
		kind |= DIFF_CONTENT;
	if (x->uid != y->uid || x->mtime.s != y->mtime.s ||
	    x->mtime.ns != y->mtime.ns || x->mode != y->mode)
		kind |= DIFF_META;
	return kind;
}

static void expect(const struct model *m[2], size_t at[2], const char *path,
		   struct buf *out);

/* The children of two directories (SIZE_MAX: none), merged by name. */
static void expect_children(const struct model *m[2], const size_t dir[2],
			    const char *path, struct buf *out)
{
	size_t next[2], left[2], at[2];
	char below[1000];

	for (int i = 0; i < 2; i++) {
		bool is_dir = dir[i] != SIZE_MAX &&
			m[i]->nodes[dir[i]].entry.type == ENTRY_DIR;

		next[i] = is_dir ? dir[i] + 1 : 0;
		left[i] = is_dir ? m[i]->nodes[dir[i]].children : 0;
	}
	while (left[0] || left[1]) {
		const char *name[2];
		int r;

		for (int i = 0; i < 2; i++)
			name[i] = left[i] ? m[i]->nodes[next[i]].name : NULL;
		r = !name[0] ? 1 : !name[1] ? -1 : strcmp(name[0], name[1]);
		at[0] = r <= 0 ? next[0] : SIZE_MAX;
		at[1] = r >= 0 ? next[1] : SIZE_MAX;
		for (int i = 0; i < 2; i++) {
			if (at[i] == SIZE_MAX)
				continue;
			next[i] += 1 + m[i]->nodes[at[i]].below;
			left[i]--;
		}
		snprintf(below, sizeof(below), "%s%s%s", path,
			 *path ? "/" : "", r <= 0 ? name[0] : name[1]);
		expect(m, at, below, out);
	}
}

static void expect(const struct model *m[2], size_t at[2], const char *path,
		   struct buf *out)
{
	unsigned kind;

	if (at[0] == SIZE_MAX)
		kind = DIFF_ADDED;
	else if (at[1] == SIZE_MAX)
		kind = DIFF_REMOVED;
	else
		kind = compare(&m[0]->nodes[at[0]], &m[1]->nodes[at[1]]);
	if (kind)
		buf_printf(out, "%u %s\n", kind, path);
	expect_children(m, at, path, out);
}

/* A copy of model a with some nodes changed, dropped and added. */
static void change(const struct model *a, struct model *b, uint64_t seed,
		   unsigned often)
{
	size_t *to = calloc(a->count, sizeof(*to));
	char name[60];

	*b = (struct model){ .seed = seed };
	model_add(b, 0, "", ENTRY_DIR);
	for (size_t i = 1; i < a->count; i++) {
		const struct model_node *n = &a->nodes[i];
		size_t parent = to[n->parent], at;
		enum entry_type type = n->entry.type;
		unsigned what = rnd(&b->seed) % often ? 9
				: (unsigned)(rnd(&b->seed) % 7);

		if (parent == SIZE_MAX || what == 0) {	/* gone */
			to[i] = SIZE_MAX;
			continue;
		}
		if (what == 1)		/* another type; a dir's is emptied */
			type = type == ENTRY_DIR ? ENTRY_FIFO : ENTRY_DIR;
		at = model_add(b, parent, n->name, type);
		to[i] = at;
		if (type == n->entry.type) {
			b->nodes[at].entry = n->entry;
			strcpy(b->nodes[at].text, n->text);
		} else if (n->entry.type == ENTRY_DIR) {
			to[i] = SIZE_MAX;
		}
		if (what == 2 && type == ENTRY_FILE)
			strcat(b->nodes[at].text, "!");
		if (what == 3)
			b->nodes[at].entry.mtime.s++;
		if (what == 4)
			b->nodes[at].entry.uid += 5;
		if (what == 5 && type == ENTRY_SYMLINK) {
			b->nodes[at].entry.target = span_str("elsewhere");
			b->nodes[at].entry.size = 9;
		}
		if (what == 6 && type != ENTRY_DIR) {
			snprintf(name, sizeof(name), "%sx", n->name);
			model_add(b, parent, name, ENTRY_DIR);
			model_add(b, b->count - 1, "new", ENTRY_FIFO);
		}
	}
	/* what is below each, from the parents */
	for (size_t i = b->count; i-- > 1;)
		b->nodes[b->nodes[i].parent].below += 1 + b->nodes[i].below;
	free(to);
}

static void test_random(void **state)
{
	struct fixture *f = *state;
	static const unsigned often[] = { 1, 4, 50, 1000, 1000000 };

	for (uint64_t round = 0; round < 10; round++) {
		const struct model *m[2] = { &f->model[0], &f->model[1] };
		size_t at[2] = { 0, 0 };
		struct buf want = BUF_INIT, got = BUF_INIT;
		struct err err = ERR_INIT;

		model_init(&f->model[0], round, round * 300, 8);
		change(&f->model[0], &f->model[1], round, often[round % 5]);
		build(f);
		expect(m, at, "", &want);
		assert_ok(run(f, write_line, &got, &err));
		if (round % 5 == 4)
			assert_int_equal(want.len, 0);
		else if (round > 0)
			assert_true(want.len > 0);
		assert_string_equal(buf_str(&got), buf_str(&want));
		buf_release(&want);
		buf_release(&got);
		for (int i = 0; i < 2; i++) {
			tree_close(f->tree[i]);
			f->tree[i] = NULL;
			model_release(&f->model[i]);
			f->model[i].nodes = NULL;
		}
	}
}

/* "equal subtrees skipped by id" */
static void test_equal_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t gets;
	char name[60];

	for (int i = 0; i < 2; i++) {
		struct model *m = &f->model[i];

		m->seed = 1;
		model_add(m, 0, "", ENTRY_DIR);
		for (int d = 0; d < 100; d++) {
			size_t dir;

			snprintf(name, sizeof(name), "dir%03d", d);
			dir = model_add(m, 0, name, ENTRY_DIR);
			for (int k = 0; k < 50; k++) {
				snprintf(name, sizeof(name), "%d-%03d", d, k);
				model_add(m, dir, name, ENTRY_FIFO);
			}
		}
		for (size_t n = m->count; n-- > 1;)
			m->nodes[m->nodes[n].parent].below +=
				1 + m->nodes[n].below;
	}
	f->model[1].nodes[777].entry.mode = 0600;
	build(f);
	gets = memory_counts(f->repo)->gets;
	assert_ok(run(f, write_line, &got, &err));
	assert_string_equal(buf_str(&got), "8 dir015/15-010\n");
	assert_in_range(memory_counts(f->repo)->gets - gets, 2, 4);
	buf_release(&got);
}

/* Differences in each single thing, told as what they are. */
static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct deposit *deposit = memory_deposit(f->repo);
	struct xattr x = { .name = span_str("user.a"),
			   .value = span_str("1") }, y = x;
	struct entry a[11], b[11];
	struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	char names[11][8];

	for (int i = 0; i < 11; i++) {
		snprintf(names[i], sizeof(names[i]), "%02d", i);
		a[i] = text_entry(deposit, names[i], "text");
		a[i].xattrs = &x;
		a[i].xattr_count = 1;
		b[i] = a[i];
	}
	y.value = span_str("2");
	b[0].mode = 0600;
	b[1].uid = 1;
	b[2].gid = 1;
	b[3].uname = span_str("u");
	b[4].gname = span_str("g");
	b[5].mtime.ns = 1;
	b[6].flags = 0x10;
	b[7].xattrs = &y;
	b[8].xattr_count = 0;
	b[9].content = text_entry(deposit, "", "TEXT").content;
	b[10] = text_entry(deposit, names[10], "more text");
	for (int i = 0; i < 2; i++) {
		struct builder *builder = builder_new(deposit);
		struct entry root = plain_entry("", ENTRY_DIR);
		uint64_t pos;

		root.mode = i ? 0700 : 0755;
		assert_ok(builder_begin(builder, &root, &err));
		for (int k = 0; k < 11; k++)
			assert_ok(builder_add(builder, i ? &b[k] : &a[k],
					      &pos, &err));
		assert_ok(builder_finish(builder, &f->record[i].root, &pos,
					 &err));
		builder_free(builder);
		assert_ok(tree_open(f->repo, &f->record[i], &f->tree[i],
				    &err));
	}
	assert_ok(run(f, write_line, &got, &err));
	assert_string_equal(buf_str(&got),
			    "8 \n8 00\n8 01\n8 02\n8 03\n8 04\n8 05\n8 06\n"
			    "8 07\n8 08\n4 09\n12 10\n");
	buf_release(&got);
}

static int skip_all(void *arg, unsigned kind, const char *path,
		    const struct node *a, const struct node *b,
		    struct err *err)
{
	write_line(arg, kind, path, a, b, err);
	return TREE_SKIP;
}

static int stop(void *arg, unsigned kind, const char *path,
		const struct node *a, const struct node *b, struct err *err)
{
	write_line(arg, kind, path, a, b, err);
	return err_set(err, -EINTR, "stopped");
}

static void test_skip_and_stop(void **state)
{
	struct fixture *f = *state;
	struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	size_t dir;

	for (int i = 0; i < 2; i++)
		model_add(&f->model[i], 0, "", ENTRY_DIR);
	dir = model_add(&f->model[0], 0, "a", ENTRY_DIR);
	model_add(&f->model[0], dir, "below", ENTRY_FIFO);
	dir = model_add(&f->model[1], 0, "b", ENTRY_DIR);
	model_add(&f->model[1], dir, "below", ENTRY_FIFO);
	build(f);
	assert_ok(run(f, skip_all, &got, &err));
	assert_string_equal(buf_str(&got), "2 a\n1 b\n");
	buf_clear(&got);
	assert_int_equal(run(f, stop, &got, &err), -EINTR);
	assert_string_equal(buf_str(&got), "2 a\n");
	buf_clear(&got);
	assert_ok(run(f, write_line, &got, &err));
	assert_string_equal(buf_str(&got),
			    "2 a\n2 a/below\n1 b\n1 b/below\n");
	buf_release(&got);
}

static void test_other_secret(void **state)
{
	struct fixture *f = *state;
	struct repo *other = memory_repo_new(6);
	struct model m;
	struct record record;
	struct tree *tree;
	struct err err = ERR_INIT;
	struct node a = NODE_INIT, b = NODE_INIT;

	model_init(&m, 1, 5, 1);
	model_build(&m, other, &record);
	assert_ok(tree_open(other, &record, &tree, &err));
	for (int i = 0; i < 2; i++)
		model_init(&f->model[i], 1, 5, 1);
	build(f);
	assert_ok(tree_root(f->tree[0], &a, &err));
	assert_ok(tree_root(tree, &b, &err));
	assert_int_equal(tree_diff(f->tree[0], &a, tree, &b, write_line, NULL,
				   &err), -EINVAL);
	node_release(&a);
	node_release(&b);
	tree_close(tree);
	model_release(&m);
	memory_repo_free(other);
}

static int count_change(void *arg, unsigned kind, const char *path,
			const struct node *a, const struct node *b,
			struct err *err)
{
	(void)kind;
	(void)path;
	(void)a;
	(void)b;
	(void)err;
	++*(uint64_t *)arg;
	return 0;
}

static void test_mutations(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 3, count = 0;
	size_t objects;

	model_init(&f->model[0], 7, 800, 3);
	change(&f->model[0], &f->model[1], 7, 20);
	build(f);
	objects = memory_objects(f->repo);
	for (int round = 0; round < 1500; round++) {
		struct id id = *memory_object(f->repo, rnd(&seed) % objects);
		struct held held = HELD_INIT;
		struct err err = ERR_INIT;
		struct buf bad;

		assert_int_equal(repo_get(f->repo, &id, &held, NULL), 0);
		bad = mutate(held.bytes, &seed);
		held_release(&held);
		memory_pose(f->repo, &id, buf_span(&bad));
		for (int i = 0; i < 2; i++) {
			tree_close(f->tree[i]);
			f->tree[i] = NULL;
		}
		if (tree_open(f->repo, &f->record[0], &f->tree[0], &err) == 0 &&
		    tree_open(f->repo, &f->record[1], &f->tree[1], &err) == 0)
			run(f, count_change, &count, &err);
		memory_pose(f->repo, &id, span_of(NULL, 0));
		buf_release(&bad);
		assert_int_equal(memory_counts(f->repo)->pins, 0);
	}
	assert_true(count > 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_random),
		T(test_equal_is_skipped),
		T(test_kinds),
		T(test_skip_and_stop),
		T(test_other_secret),
		T(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
