#include "tree_model.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct fixture {
	struct repo *repo;
	struct model model;
	struct record record;
	struct tree *tree;
};

static void open_tree(struct fixture *f)
{
	struct err err = ERR_INIT;

	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
}

/* Some names of the model become one file, three at a time. */
static void link_some(struct model *m)
{
	size_t group[3], n = 0;

	for (size_t i = 1; i < m->count; i += 1 + rnd(&m->seed) % 7) {
		if (m->nodes[i].entry.type == ENTRY_DIR)
			continue;
		group[n++] = i;
		if (n < 3)
			continue;
		for (size_t k = 0; k < 3; k++) {
			m->nodes[group[k]].inode = group[0];
			m->nodes[group[k]].nlink = 3;
		}
		n = 0;
	}
}

static int setup_empty(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->repo = memory_repo_new(4);
	*state = f;
	return 0;
}

/* A root of 20 000 entries (many pages), directories ten deep. */
static int setup(void **state)
{
	struct fixture *f;

	setup_empty(state);
	f = *state;
	model_init(&f->model, 11, 20000, 10);
	link_some(&f->model);
	model_build(&f->model, f->repo, &f->record);
	open_tree(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leaked = memory_counts(f->repo)->pins != 0;

	tree_close(f->tree);
	model_release(&f->model);
	memory_repo_free(f->repo);
	free(f);
	return leaked ? -1 : 0;
}

static void test_root(void **state)
{
	struct fixture *f = *state;
	OWNED_NODE struct node root = NODE_INIT;
	struct node other = NODE_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	assert_ok(tree_root(f->tree, &root, &err));
	model_check(&f->model, 0, &root);
	node_stat(&root, &st);
	assert_int_equal(st.st_ino, 1);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(st.st_nlink, 2 + f->model.nodes[0].dirs);
	assert_int_equal(tree_child(f->tree, &root, span_str("no"), &other,
				    &err), -ENOENT);
	assert_string_equal(err.text, "there is no 'no'");
	node_release(&other);	/* empty still */
	assert_id_equal(&tree_record(f->tree)->root, &f->record.root);
	assert_ptr_equal(tree_getter(f->tree).repo, f->repo);
}

static void test_at(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct node node = NODE_INIT, copy;

	assert_true(f->model.count > 30000);
	for (size_t i = 0; i < f->model.count; i++) {
		assert_ok(tree_at(f->tree, i, &node, &err));
		model_check(&f->model, i, &node);
		node_copy(&node, &copy);
		node_release(&node);
		model_check(&f->model, i, &copy);
		node_release(&copy);
	}
	assert_int_equal(tree_at(f->tree, f->model.count, &node, &err),
			 -ENOENT);
	assert_int_equal(tree_at(f->tree, UINT64_MAX, &node, &err), -ENOENT);
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	const struct model *m = &f->model;
	struct err err = ERR_INIT;
	struct node node = NODE_INIT;
	char path[1000], longer[1100];

	for (size_t i = 0; i < m->count; i += 3) {
		model_path(m, i, path);
		assert_ok(tree_find(f->tree, path, &node, &err));
		model_check(m, i, &node);
		node_release(&node);
		snprintf(longer, sizeof(longer), "//./%s/.//", path);
		assert_ok(tree_find(f->tree, longer, &node, &err));
		model_check(m, i, &node);
		node_release(&node);

		snprintf(longer, sizeof(longer), "%s/no", path);
		assert_int_equal(tree_find(f->tree, longer, &node, &err),
				 m->nodes[i].entry.type == ENTRY_DIR
				 ? -ENOENT : -ENOTDIR);
		snprintf(longer, sizeof(longer), "%s0", path);
		assert_int_equal(tree_find(f->tree, longer, &node, &err),
				 -ENOENT);
	}
	assert_int_equal(tree_find(f->tree, "a/../b", &node, &err), -ENOENT);
	assert_int_equal(tree_find(f->tree, "..", &node, &err), -EINVAL);
	assert_int_equal(tree_find(f->tree, "zzz", &node, &err), -ENOENT);
	assert_string_equal(err.text, "'zzz': there is no 'zzz'");
	assert_int_equal(tree_find(f->tree, "\x01", &node, &err), -ENOENT);
}

static void check_list(struct fixture *f, size_t dir, uint64_t from,
		       size_t max)
{
	const struct model *m = &f->model;
	struct node *nodes = malloc(max * sizeof(*nodes));
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	size_t at = dir + 1, count, want;

	assert_ok(tree_at(f->tree, dir, &node, &err));
	assert_ok(tree_list(f->tree, &node, from, nodes, max, &count, &err));
	want = from >= m->nodes[dir].children ? 0
	       : m->nodes[dir].children - from;
	assert_int_equal(count, want < max ? want : max);
	for (uint64_t i = 0; i < from && count; i++)
		at += 1 + m->nodes[at].below;
	for (size_t i = 0; i < count; i++) {
		model_check(m, at, &nodes[i]);
		node_release(&nodes[i]);
		at += 1 + m->nodes[at].below;
	}
	node_release(&node);
	free(nodes);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1, count;
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	size_t got;

	for (size_t i = 0; i < f->model.count; i++) {
		if (f->model.nodes[i].entry.type != ENTRY_DIR)
			continue;
		if (i > 0)
			check_list(f, i, rnd(&seed) % 8, 1 + rnd(&seed) % 9);
		assert_ok(tree_at(f->tree, i, &node, &err));
		assert_ok(tree_dir_count(f->tree, &node, &count, &err));
		assert_int_equal(count, f->model.nodes[i].children);
		node_release(&node);
	}
	check_list(f, 0, 0, 30000);
	for (int i = 0; i < 40; i++)
		check_list(f, 0, rnd(&seed) % 20100, 1 + rnd(&seed) % 3000);
	check_list(f, 0, UINT64_MAX, 5);

	assert_ok(tree_at(f->tree, 0, &node, &err));
	assert_ok(tree_list(f->tree, &node, 0, NULL, 0, &got, &err));
	assert_int_equal(got, 0);
	node_release(&node);
	for (size_t i = 0; f->model.nodes[i].entry.type == ENTRY_DIR; i++)
		assert_ok(tree_at(f->tree, i + 1, &node, &err));
	assert_int_equal(tree_list(f->tree, &node, 0, &node, 1, &got, &err),
			 -ENOTDIR);
	assert_int_equal(tree_dir_count(f->tree, &node, &count, &err),
			 -ENOTDIR);
	assert_int_equal(tree_child(f->tree, &node, span_str("a"), &node,
				    &err), -ENOTDIR);
	node_release(&node);
}

/* "One call costs one descent, then walks pages" */
static void test_list_cost(void **state)
{
	struct fixture *f = *state;
	static struct node nodes[30000];
	struct node root = NODE_INIT;
	struct err err = ERR_INIT;
	uint64_t gets = memory_counts(f->repo)->gets;
	size_t count;

	assert_ok(tree_root(f->tree, &root, &err));
	assert_ok(tree_list(f->tree, &root, 0, nodes, 30000, &count, &err));
	assert_int_equal(count, 20000);
	for (size_t i = 0; i < count; i++)
		node_release(&nodes[i]);
	node_release(&root);
	/* each page and the index once, the map of hard links by each of its
	 * four cursors */
	assert_in_range(memory_counts(f->repo)->gets - gets, 5, 60);
}

struct walk {
	struct fixture *f;
	size_t next;
	size_t top;
	bool skip;
	int stop_after;
};

static int on_node(void *arg, const char *path, unsigned depth,
		   const struct node *node, struct err *err)
{
	struct walk *walk = arg;
	const struct model *m = &walk->f->model;
	char whole[1000], top[1000];
	size_t at = walk->next;

	model_check(m, at, node);
	model_path(m, at, whole);
	model_path(m, walk->top, top);
	assert_int_equal(depth, m->nodes[at].depth -
				m->nodes[walk->top].depth);
	assert_memory_equal(whole, top, strlen(top));
	assert_string_equal(path, whole + strlen(top) +
			    (*top && at != walk->top));
	walk->next++;
	if (--walk->stop_after == 0)
		return err_set(err, -EINTR, "stopped");
	if (walk->skip && at != walk->top) {
		walk->next += m->nodes[at].below;
		return TREE_SKIP;
	}
	return 0;
}

static void test_walk(void **state)
{
	struct fixture *f = *state;
	struct walk walk = { .f = f };
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;

	assert_ok(tree_root(f->tree, &node, &err));
	assert_ok(tree_walk(f->tree, &node, on_node, &walk, &err));
	assert_int_equal(walk.next, f->model.count);
	walk = (struct walk){ .f = f, .skip = true };
	assert_ok(tree_walk(f->tree, &node, on_node, &walk, &err));
	assert_int_equal(walk.next, f->model.count);
	walk = (struct walk){ .f = f, .stop_after = 500 };
	assert_int_equal(tree_walk(f->tree, &node, on_node, &walk, &err),
			 -EINTR);
	assert_int_equal(walk.next, 500);
	node_release(&node);

	for (size_t i = 1; i < f->model.count; i += 977) {
		walk = (struct walk){ .f = f, .top = i, .next = i };
		assert_ok(tree_at(f->tree, i, &node, &err));
		assert_ok(tree_walk(f->tree, &node, on_node, &walk, &err));
		assert_int_equal(walk.next, i + 1 + f->model.nodes[i].below);
		node_release(&node);
	}
}

static void test_stat(void **state)
{
	struct fixture *f = *state;
	struct entry e = plain_entry("c", ENTRY_CHAR);
	struct node node = { .inode = 41, .nlink = 3 };
	struct stat st;

	(void)f;
	e.dev_major = 300;
	e.dev_minor = 70000;
	e.uid = 3000000000u;
	e.gid = 7;
	e.mode = 06750;
	e.mtime = (struct stamp){ -2, 250000000 };
	node.entry = e;
	node_stat(&node, &st);
	assert_int_equal(st.st_ino, 42);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(st.st_mode, S_IFCHR | 06750);
	assert_int_equal(major(st.st_rdev), 300);
	assert_int_equal(minor(st.st_rdev), 70000);
	assert_int_equal(st.st_uid, 3000000000u);
	assert_int_equal(st.st_gid, 7);
	assert_int_equal(st.st_mtim.tv_sec, -2);
	assert_int_equal(st.st_mtim.tv_nsec, 250000000);

	/* holes take no blocks, in the entry or in lists */
	e = plain_entry("f", ENTRY_FILE);
	e.size = 1000513;
	e.content.count = 2;
	e.content.extent[0] = (struct extent){ .type = EXTENT_HOLE,
					       .len = 1000000 };
	e.content.extent[1] = (struct extent){ .type = EXTENT_CHUNK,
					       .len = 513 };
	node.entry = e;
	node_stat(&node, &st);
	assert_int_equal(st.st_size, 1000513);
	assert_int_equal(st.st_blocks, 2);
	assert_int_equal(st.st_blksize, 128 << 10);
	node.entry.content = (struct content){ .list = fake_id(1, 5, true),
					       .holes = 1000000 };
	node_stat(&node, &st);
	assert_int_equal(st.st_blocks, 2);
	node.entry.type = ENTRY_SYMLINK;
	node.entry.size = 20;
	node_stat(&node, &st);
	assert_int_equal(st.st_mode & S_IFMT, S_IFLNK);
	assert_int_equal(st.st_size, 20);
	assert_int_equal(st.st_blocks, 0);
}

static void test_xattr(void **state)
{
	struct fixture *f = *state;
	static char value[1000] = "long";
	struct xattr x = { .name = span_str("user.k"),
			   .value = span_str("short") };
	struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	assert_ok(tree_xattr(f->tree, &x, &buf, &err));
	x.value = (struct span){ NULL, 0 };
	assert_ok(deposit_chunk(memory_deposit(f->repo), CHUNK_SMALL,
				span_of(value, sizeof(value)), &x.chunk,
				&err));
	assert_ok(tree_xattr(f->tree, &x, &buf, &err));
	assert_int_equal(buf.len, 5 + sizeof(value));
	assert_memory_equal(buf.data, "shortlong", 9);
	buf_release(&buf);
}

static int count_node(void *arg, const char *path, unsigned depth,
		      const struct node *node, struct err *err)
{
	uint64_t *count = arg;

	(void)path;
	(void)depth;
	(void)node;
	(void)err;
	++*count;
	return 0;
}

static void test_deep(void **state)
{
	struct fixture *f = *state;
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	uint64_t count = 0;
	size_t at;

	model_init(&f->model, 1, 0, 0);
	for (at = 0; at < DEPTH_MAX;)
		at = model_add(&f->model, at, "a-name-that-is-long",
			       ENTRY_DIR);
	model_add(&f->model, at, "file", ENTRY_FILE);
	for (size_t i = 0; i <= at; i++)
		f->model.nodes[i].below = f->model.count - i - 1;
	model_build(&f->model, f->repo, &f->record);
	open_tree(f);
	assert_ok(tree_root(f->tree, &node, &err));
	assert_ok(tree_walk(f->tree, &node, count_node, &count, &err));
	assert_int_equal(count, DEPTH_MAX + 2);
	node_release(&node);
	/* in leaps, so that near ones and far ones come first and last */
	for (size_t i = 0; i < 2 * f->model.count; i++) {
		size_t pos = (i * 1237) % f->model.count;

		assert_ok(tree_at(f->tree, pos, &node, &err));
		model_check(&f->model, pos, &node);
		node_release(&node);
	}
	assert_ok(tree_at(f->tree, DEPTH_MAX + 1, &node, &err));
	model_check(&f->model, DEPTH_MAX + 1, &node);
	node_release(&node);
}

static void test_empty_tree(void **state)
{
	struct fixture *f = *state;
	struct node node = NODE_INIT, some[5];
	struct err err = ERR_INIT;
	uint64_t count = 0;
	size_t got = 9;

	model_init(&f->model, 1, 0, 0);
	model_build(&f->model, f->repo, &f->record);
	assert_true(id_is_none(&f->record.links));
	open_tree(f);
	assert_ok(tree_root(f->tree, &node, &err));
	assert_ok(tree_walk(f->tree, &node, count_node, &count, &err));
	assert_int_equal(count, 1);
	assert_ok(tree_list(f->tree, &node, 0, some, 5, &got, &err));
	assert_int_equal(got, 0);
	assert_ok(tree_dir_count(f->tree, &node, &count, &err));
	assert_int_equal(count, 0);
	assert_int_equal(tree_child(f->tree, &node, span_str("a"), &node,
				    &err), -ENOENT);
	node_release(&node);
}

static void test_open_fails(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct tree *tree;

	f->record.root = fake_id(1, 100, true);
	assert_int_equal(tree_open(f->repo, &f->record, &tree, &err),
			 -EBADMSG);
	assert_memory_equal(err.text, "cannot read the root of the snapshot: ",
			    38);
	model_init(&f->model, 1, 10, 0);
	model_build(&f->model, f->repo, &f->record);
	f->record.root = *memory_object(f->repo, 0);	/* a page */
	assert_int_equal(tree_open(f->repo, &f->record, &tree, &err),
			 -EBADMSG);
}

#define THREADS 4

struct job {
	struct fixture *f;
	uint64_t seed;
	pthread_t thread;
};

static void *job_run(void *arg)
{
	struct job *job = arg;
	const struct model *m = &job->f->model;
	struct node nodes[20];
	struct err err = ERR_INIT;
	size_t count;

	for (int i = 0; i < 1500; i++) {
		size_t at = rnd(&job->seed) % m->count;

		assert_ok(tree_at(job->f->tree, at, &nodes[0], &err));
		model_check(m, at, &nodes[0]);
		node_release(&nodes[0]);
		assert_ok(tree_at(job->f->tree, 0, &nodes[0], &err));
		at = rnd(&job->seed) % 20000;
		assert_ok(tree_list(job->f->tree, &nodes[0], at, nodes + 1,
				    19, &count, &err));
		for (size_t k = 0; k <= count; k++)
			node_release(&nodes[k]);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct job jobs[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ .f = f, .seed = i };
		assert_int_equal(pthread_create(&jobs[i].thread, NULL,
						job_run, &jobs[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(jobs[i].thread, NULL);
}

/* All questions, of a tree one of whose objects has other bytes. */
static void probe(struct fixture *f, uint64_t *seed)
{
	struct node nodes[10], node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;
	uint64_t count = 0, at = rnd(seed) % f->model.count;
	char path[1000];
	size_t got;

	if (tree_open(f->repo, &f->record, &tree, &err) < 0)
		return;
	assert_ok(tree_root(tree, &node, &err));
	if (tree_walk(tree, &node, count_node, &count, &err) == 0 &&
	    count != node.entry.below + 1)
		fail_msg("a walk of %llu nodes told %llu",
			 (unsigned long long)node.entry.below + 1,
			 (unsigned long long)count);
	if (tree_list(tree, &node, rnd(seed) % 50, nodes, 10, &got, &err) == 0)
		while (got > 0)
			node_release(&nodes[--got]);
	node_release(&node);
	if (tree_at(tree, at, &node, &err) == 0) {
		assert_int_equal(node.pos, at);
		node_release(&node);
	}
	model_path(&f->model, at, path);
	if (tree_find(tree, path, &node, &err) == 0)
		node_release(&node);
	tree_close(tree);
}

static void test_mutations(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 9;

	model_init(&f->model, 2, 1500, 3);
	link_some(&f->model);
	model_build(&f->model, f->repo, &f->record);
	for (int round = 0; round < 1000; round++) {
		size_t n = rnd(&seed) % memory_objects(f->repo);
		struct id id = *memory_object(f->repo, n);
		struct held held = HELD_INIT;
		struct buf bad;

		/* the objects above all others half of the time */
		if (round % 2)
			id = *memory_object(f->repo, memory_objects(f->repo) -
					    1 - rnd(&seed) % 3);
		assert_int_equal(repo_get(f->repo, &id, &held, NULL), 0);
		bad = mutate(held.bytes, &seed);
		held_release(&held);
		memory_pose(f->repo, &id, buf_span(&bad));
		probe(f, &seed);
		memory_pose(f->repo, &id, span_of(NULL, 0));
		buf_release(&bad);
		assert_int_equal(memory_counts(f->repo)->pins, 0);
	}
	open_tree(f);	/* for teardown */
}

/* One directory's good page in place of another's: seen by its counts. */
static void test_posing_page(void **state)
{
	struct fixture *f = *state;
	struct node node = NODE_INIT;
	struct held held = HELD_INIT;
	struct err err = ERR_INIT;
	uint64_t count = 0;
	size_t at;

	model_init(&f->model, 1, 0, 0);
	at = model_add(&f->model, 0, "a", ENTRY_DIR);
	model_add(&f->model, at, "x", ENTRY_FIFO);
	at = model_add(&f->model, 0, "b", ENTRY_DIR);
	model_add(&f->model, at, "x", ENTRY_FIFO);
	model_add(&f->model, at, "y", ENTRY_FIFO);
	f->model.nodes[0].below = 5;
	model_build(&f->model, f->repo, &f->record);
	open_tree(f);
	assert_ok(repo_get(f->repo, memory_object(f->repo, 0), &held, &err));
	memory_pose(f->repo, memory_object(f->repo, 1), held.bytes);
	held_release(&held);
	assert_ok(tree_root(f->tree, &node, &err));
	assert_int_equal(tree_walk(f->tree, &node, count_node, &count, &err),
			 -EBADMSG);
	assert_string_equal(err.text, "the pages of a directory do not fit "
			    "together");
	node_release(&node);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define E(name) cmocka_unit_test_setup_teardown(name, setup_empty, teardown)
	const struct CMUnitTest tests[] = {
		T(test_root),
		T(test_at),
		T(test_find),
		T(test_list),
		T(test_list_cost),
		T(test_walk),
		T(test_stat),
		T(test_xattr),
		T(test_threads),
		E(test_deep),
		E(test_empty_tree),
		E(test_open_fails),
		E(test_mutations),
		E(test_posing_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
