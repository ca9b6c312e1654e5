/*
 * Directories made by hand, as no builder makes them: their pages, in a string.
 * A word is a page, each letter a name in it; what stands in parentheses is
 * under one index node.
 */
#include "tree_fixture.h"

#include <ctype.h>

#include "fs/tree/tree_internal.h"

struct fixture {
	struct repo *repo;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->repo = memory_repo_new(4);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leaked = memory_counts(f->repo)->pins != 0;

	memory_repo_free(f->repo);
	free(f);
	return leaked ? -1 : 0;
}

static struct id put(struct fixture *f, struct buf *bytes)
{
	struct err err = ERR_INIT;
	struct id id;

	assert_ok(deposit_object(memory_deposit(f->repo), buf_span(bytes),
				 &id, &err));
	buf_release(bytes);
	return id;
}

static struct index_child make_page(struct fixture *f, const char **at)
{
	struct index_child ret = { .first = span_of(*at, 1) };
	struct page_out *page = page_out_new();
	struct entry entry = plain_entry("", ENTRY_FIFO);
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;

	for (; isalpha((unsigned char)**at); ++*at) {
		entry.name = span_of(*at, 1);
		assert_ok(page_out_add(page, &entry, &err));
		ret.entries++;
	}
	ret.nodes = ret.entries;
	assert_ok(page_out_finish(page, OBJECT_PAGE, &bytes, &err));
	page_out_free(page);
	ret.id = put(f, &bytes);
	return ret;
}

/* What *at begins with, and *at behind it. */
static struct index_child make(struct fixture *f, const char **at,
			       unsigned *ret_level)
{
	struct index_child ret, child[8];
	struct index_out index = { .level = 0 };
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	unsigned count = 0;

	*ret_level = 0;
	*at += strspn(*at, " ");
	if (**at != '(')
		return make_page(f, at);
	for (++*at; **at != ')'; count++)
		child[count] = make(f, at, ret_level);
	++*at;
	assert_ok(index_out_begin(&index, ++*ret_level, &err));
	for (unsigned i = 0; i < count; i++)
		assert_ok(index_out_add(&index, &child[i], &err));
	assert_ok(index_out_finish(&index, &bytes, &ret, &err));
	index_out_release(&index);
	ret.id = put(f, &bytes);
	ret.first = child[0].first;
	return ret;
}

/* A snapshot of one directory, which says that it has so many nodes more. */
static struct tree *open_made(struct fixture *f, const char *pages,
			      uint64_t more)
{
	struct entry root = plain_entry("", ENTRY_DIR);
	struct page_out *page = page_out_new();
	struct record record = { .number = 1 };
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct index_child top;
	struct tree *tree;
	unsigned levels;

	top = make(f, &pages, &levels);
	root.tree = top.id;
	root.tree_levels = (uint8_t)levels;
	root.below = top.nodes + more;
	assert_ok(page_out_add(page, &root, &err));
	assert_ok(page_out_finish(page, OBJECT_ROOT, &bytes, &err));
	page_out_free(page);
	record.root = put(f, &bytes);
	assert_ok(tree_open(f->repo, &record, &tree, &err));
	return tree;
}

static int on_node(void *arg, const char *path, unsigned depth,
		   const struct node *node, struct err *err)
{
	char *told = arg;

	(void)depth;
	(void)node;
	(void)err;
	strcat(told, path);
	return 0;
}

static int on_change(void *arg, unsigned kind, const char *path,
		     const struct node *a, const struct node *b,
		     struct err *err)
{
	(void)kind;
	(void)a;
	(void)b;
	return on_node(arg, path, 0, NULL, err);
}

/* Who asks by name and who asks by position are told the same. */
static void check_agree(struct tree *tree, const struct node *root)
{
	struct node node, other;

	for (uint64_t pos = 1; pos <= root->entry.below; pos++) {
		if (tree_at(tree, pos, &node, NULL) < 0)
			continue;
		assert_int_equal(tree_child(tree, root, node.entry.name,
					    &other, NULL), 0);
		assert_int_equal(other.pos, pos);
		node_release(&other);
		node_release(&node);
	}
	for (char name = 'a'; name <= 'z'; name++) {
		struct span one = span_of(&name, 1);

		if (tree_child(tree, root, one, &node, NULL) < 0)
			continue;
		assert_int_equal(tree_at(tree, node.pos, &other, NULL), 0);
		assert_span_equal(other.entry.name, one);
		node_release(&other);
		node_release(&node);
	}
}

/*
 * "Names rise from page to page": a walk, a list and a diff of pages fail at
 * the first that does not keep to it, having told of what stands before; a
 * look for a name that leads into it fails too.
 */
static void check_bad(struct fixture *f, const char *pages,
		      const char *before, char in_bad)
{
	struct tree *tree = open_made(f, pages, 0);
	struct tree *good = open_made(f, "m", 0);
	struct node root, other, node, some[20];
	struct err err = ERR_INIT;
	char told[30] = "";
	size_t count;

	assert_ok(tree_root(tree, &root, &err));
	assert_ok(tree_root(good, &other, &err));
	assert_int_equal(tree_walk(tree, &root, on_node, told, &err),
			 -EBADMSG);
	assert_string_equal(err.text, "the pages of a directory do not fit "
			    "together");
	assert_string_equal(told, before);
	assert_int_equal(tree_list(tree, &root, 0, some, 20, &count, &err),
			 -EBADMSG);
	*told = '\0';
	assert_int_equal(tree_diff(tree, &root, good, &other, on_change, told,
				   &err), -EBADMSG);
	assert_int_equal(tree_diff(good, &other, tree, &root, on_change, told,
				   &err), -EBADMSG);
	assert_int_equal(tree_at(tree, strlen(before) + 1, &node, &err),
			 -EBADMSG);
	assert_int_equal(tree_child(tree, &root, span_of(&in_bad, 1), &node,
				    &err), -EBADMSG);
	check_agree(tree, &root);
	node_release(&root);
	node_release(&other);
	tree_close(tree);
	tree_close(good);
}

static void check_good(struct fixture *f, const char *pages,
		       const char *names)
{
	struct tree *tree = open_made(f, pages, 0);
	struct node root, node;
	struct err err = ERR_INIT;
	char told[30] = "";

	assert_ok(tree_root(tree, &root, &err));
	assert_ok(tree_walk(tree, &root, on_node, told, &err));
	assert_string_equal(told, names);
	for (uint64_t pos = 1; *names; pos++, names++) {
		assert_ok(tree_child(tree, &root, span_of(names, 1), &node,
				     &err));
		assert_int_equal(node.pos, pos);
		node_release(&node);
	}
	check_agree(tree, &root);
	node_release(&root);
	tree_close(tree);
}

static void test_apart(void **state)
{
	struct fixture *f = *state;

	check_good(f, "abc", "abc");
	check_good(f, "(ab cd)", "abcd");
	check_good(f, "((ab c)(d efg))", "abcdefg");
	check_good(f, "(((a b)(c))((de f)))", "abcdef");
}

static void test_overlap(void **state)
{
	struct fixture *f = *state;

	check_bad(f, "(ac bd)", "", 'a');
	check_bad(f, "(am bn)", "", 'a');
	check_bad(f, "(ab bc)", "", 'a');
	check_bad(f, "(a bz cd)", "a", 'b');
	check_bad(f, "(ax b c)", "", 'a');
	/* the last page below one node, against the first below the next */
	check_bad(f, "((a bm)(c d))", "a", 'b');
	check_bad(f, "((a bc)(c d))", "a", 'b');
	check_bad(f, "(((a)(b cm))((d)))", "ab", 'c');
	/* nodes, before any page is looked at */
	check_bad(f, "((a d)(c e))", "", 'a');
	check_bad(f, "((a c)(c e))", "", 'a');
}

/* A directory that cannot be listed is not counted either. */
static void test_count(void **state)
{
	struct fixture *f = *state;
	struct tree *tree = open_made(f, "(ab c)", 0);
	struct err err = ERR_INIT;
	uint64_t count = 0;
	struct node root;

	assert_ok(tree_root(tree, &root, &err));
	assert_ok(tree_dir_count(tree, &root, &count, &err));
	assert_int_equal(count, 3);
	node_release(&root);
	tree_close(tree);

	tree = open_made(f, "(ab c)", 1);
	assert_ok(tree_root(tree, &root, &err));
	assert_int_equal(tree_dir_count(tree, &root, &count, &err), -EBADMSG);
	node_release(&root);
	tree_close(tree);
}

int main(void)
{
#define E(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		E(test_apart),
		E(test_overlap),
		E(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
