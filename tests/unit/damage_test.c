#include "store_fixture.h"

#include "fs/repo/check.h"
#include "fs/tree/builder.h"
#include "fs/tree/damage.h"

#define MANY 4000		/* names in a directory of many pages */
#define LISTED 3000		/* extents of a file with lists */

static struct record made;
static struct id chunk_of_a, chunk_of_xattr, chunk_of_listed;

static struct entry plain(const char *name, enum entry_type type)
{
	return (struct entry){ .name = span_str(name), .type = type,
			       .mode = 0755, .mtime = { 1000, 0 } };
}

static struct entry file(struct deposit *deposit, const char *name,
			 const char *text, struct id *ret)
{
	struct entry entry = plain(name, ENTRY_FILE);
	struct extent *extent = &entry.content.extent[0];
	struct err err = ERR_INIT;

	entry.size = extent->len = strlen(text);
	entry.content.count = 1;
	extent->type = EXTENT_CHUNK;
	wanted(0, deposit_chunk(deposit, CHUNK_SMALL, span_str(text),
				&extent->id, &err), &err);
	*ret = extent->id;
	return entry;
}

/* So long that it has lists; the chunk of the middle in *ret. */
static struct entry listed(struct deposit *deposit, const char *name,
			   struct id *ret)
{
	struct content_builder *builder = content_builder_new(deposit);
	struct entry entry = plain(name, ENTRY_FILE);
	struct err err = ERR_INIT;

	for (int i = 0; i < LISTED; i++) {
		struct extent extent = { .type = EXTENT_CHUNK };
		char text[16];

		snprintf(text, sizeof(text), "listed %07d", i);
		wanted(0, deposit_chunk(deposit, CHUNK_LARGE, span_str(text),
					&extent.id, &err), &err);
		extent.len = strlen(text);
		if (i == LISTED / 2)
			*ret = extent.id;
		wanted(0, content_add(builder, &extent, &err), &err);
	}
	wanted(0, content_finish(builder, &entry.content, &entry.size, &err),
	       &err);
	assert_true(entry.content.levels > 0 ||
		    !id_is_none(&entry.content.list));
	content_builder_free(builder);
	return entry;
}

static void put(struct builder *builder, const struct entry *entry)
{
	struct err err = ERR_INIT;
	uint64_t pos;

	wanted(0, entry->type == ENTRY_DIR ?
	       builder_enter(builder, entry, &pos, &err) :
	       builder_add(builder, entry, &pos, &err), &err);
}

/*
 * a, dir/same/a (the bytes of a), dir/x (with an attribute), listed,
 * many/0000..3999.
 */
static void build(struct deposit *deposit, struct builder *builder)
{
	struct entry root = plain("", ENTRY_DIR), dir = plain("dir", ENTRY_DIR);
	struct entry same = plain("same", ENTRY_DIR);
	struct entry many = plain("many", ENTRY_DIR), entry;
	struct xattr xattr = { .name = span_str("user.k") };
	char value[300];
	struct err err = ERR_INIT;
	struct id id;

	wanted(0, builder_begin(builder, &root, &err), &err);
	entry = file(deposit, "a", "these are a's", &chunk_of_a);
	put(builder, &entry);
	put(builder, &dir);
	put(builder, &same);
	put(builder, &entry);
	wanted(0, builder_leave(builder, &err), &err);
	memset(value, 'v', sizeof(value));
	wanted(0, deposit_chunk(deposit, CHUNK_SMALL,
				span_of(value, sizeof(value)),
				&chunk_of_xattr, &err), &err);
	xattr.chunk = chunk_of_xattr;
	xattr.value_len = sizeof(value);
	entry = file(deposit, "x", "these are x's", &id);
	entry.xattrs = &xattr;
	entry.xattr_count = 1;
	put(builder, &entry);
	wanted(0, builder_leave(builder, &err), &err);
	entry = listed(deposit, "listed", &chunk_of_listed);
	put(builder, &entry);
	put(builder, &many);
	for (int i = 0; i < MANY; i++) {
		char name[80];

		snprintf(name, sizeof(name), "%04d and a rather long name, so "
			 "that there are some pages", i);
		entry = plain(name, ENTRY_FIFO);
		put(builder, &entry);
	}
	wanted(0, builder_leave(builder, &err), &err);
}

static void commit_tree(struct fixture *f, struct record *record,
			int64_t seconds)
{
	struct deposit *deposit;
	struct builder *builder;
	struct err err = ERR_INIT;

	fixture_record(record, "s", seconds);
	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	builder = builder_new(deposit);
	build(deposit, builder);
	wanted(0, builder_finish(builder, &record->root, &record->entries,
				 &err), &err);
	wanted(0, deposit_commit(deposit, record, &err), &err);
	builder_free(builder);
	deposit_free(deposit);
}

static int setup(void **state)
{
	fixture_setup(state);
	commit_tree(*state, &made, 100);
	return 0;
}

static int teardown(void **state)
{
	record_release(&made);
	return fixture_teardown(state);
}

/* What was told, one line each. */
static char told[4096];

static void note(void *arg, const struct damage *damage)
{
	size_t n = strlen(told);

	(void)arg;
	snprintf(told + n, sizeof(told) - n, "%s %s|%s|%s\n",
		 damage->snapshot->record.name, damage_part_name(damage->part),
		 damage->path, damage->words);
}

static struct damage_report find(struct fixture *f, const struct id *ids,
				 size_t count)
{
	const struct damage_options options = { .bad_is_all = true,
						.each = note };
	struct damage_report report;
	struct id_set bad = { .slot = NULL };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(id_set_add(&bad, &ids[i], &err), 1);
	told[0] = '\0';
	wanted(0, damage_find(f->repo, &bad, &options, &report, &err), &err);
	wanted(0, report.unkept.code, &report.unkept);
	id_set_release(&bad);
	return report;
}

#define AT "1970-01-01T00-01-40Z "
#define LATER "1970-01-01T00-03-20Z "

static void test_nothing_bad(void **state)
{
	struct damage_report report = find(*state, NULL, 0);

	assert_int_equal(report.places + report.snapshots, 0);
	assert_string_equal(told, "");
}

/* Every name of the same bytes, and no other. */
static void test_a_chunk(void **state)
{
	struct damage_report report = find(*state, &chunk_of_a, 1);

	assert_string_equal(told,
		AT "file|a|its bytes, from byte 0 of 13 on\n"
		AT "file|dir/same/a|its bytes, from byte 0 of 13 on\n");
	assert_int_equal(report.places, 2);
	assert_int_equal(report.snapshots, 1);
}

static void test_an_attribute(void **state)
{
	find(*state, &chunk_of_xattr, 1);
	assert_string_equal(told, AT "xattr|dir/x|its attribute 'user.k'\n");
}

static void test_inside_lists(void **state)
{
	find(*state, &chunk_of_listed, 1);
	assert_string_equal(told, AT "file|listed|its bytes, from byte 21000 "
			    "of 42000 on\n");
}

static struct node node_of(struct tree *tree, const char *path)
{
	struct err err = ERR_INIT;
	struct node node = NODE_INIT;

	wanted(0, tree_find(tree, path, &node, &err), &err);
	return node;
}

static void test_a_list(void **state)
{
	struct fixture *f = *state;
	struct tree *tree;
	struct err err = ERR_INIT;
	struct node node;

	wanted(0, tree_open(f->repo, &made, &tree, &err), &err);
	node = node_of(tree, "listed");
	find(f, &node.entry.content.list, 1);
	assert_string_equal(told, AT "file|listed|its bytes, from byte 0 of "
			    "42000 on\n");
	node_release(&node);
	tree_close(tree);
}

static void test_directories(void **state)
{
	struct fixture *f = *state;
	struct tree *tree;
	struct err err = ERR_INIT;
	struct node node;
	struct held held = HELD_INIT;
	struct object_in in;
	enum object_type type;
	struct id page;

	wanted(0, tree_open(f->repo, &made, &tree, &err), &err);
	node = node_of(tree, "dir");
	find(f, &node.entry.tree, 1);
	assert_string_equal(told, AT "directory|dir|everything below it\n");
	node_release(&node);
	/* a page in the middle: the others are to be had */
	node = node_of(tree, "many");
	assert_true(node.entry.tree_levels > 0);
	wanted(0, repo_get(f->repo, &node.entry.tree, &held, &err), &err);
	wanted(0, object_parse(held.bytes, &in, &err), &err);
	assert_true(in.count >= 3);
	object_get_any(&in, 1, &type, &page);
	held_release(&held);
	find(f, &page, 1);
	assert_non_null(strstr(told, AT "directory|many|everything below it "
			       "from '"));
	assert_non_null(strstr(told, "to before '"));
	assert_ptr_equal(strchr(told, '\n'), told + strlen(told) - 1);
	node_release(&node);
	tree_close(tree);
	find(f, &made.root, 1);
	assert_string_equal(told, AT "directory||everything below it\n");
}

static char *damage_of(struct fixture *f, const struct record *record)
{
	struct snapshot row;
	struct err err = ERR_INIT;
	char *words;

	wanted(0, catalog_get_snapshot_by_id(repo_catalog(f->repo), record->id,
					     &row, &err), &err);
	words = row.damage ? strdup(row.damage) : NULL;
	snapshot_release(&row);
	return words;
}

/* A directory that is whole is walked once; one that is not, for each. */
static void test_each_snapshot_and_once_remembered(void **state)
{
	struct fixture *f = *state;
	struct damage_report report;
	struct record second;
	char *words;

	commit_tree(f, &second, 200);
	report = find(f, &chunk_of_xattr, 1);
	assert_string_equal(told, AT "xattr|dir/x|its attribute 'user.k'\n"
			    LATER "xattr|dir/x|its attribute 'user.k'\n");
	assert_int_equal(report.snapshots, 2);
	assert_int_equal(report.remembered, 2);
	words = damage_of(f, &second);
	assert_string_equal(words, "'dir/x': its attribute 'user.k'");
	free(words);
	assert_int_equal(find(f, &chunk_of_xattr, 1).remembered, 0);
	/* it can be read, so it is healed */
	{
		struct err err = ERR_INIT;
		uint64_t healed = 0;

		wanted(0, damage_heal(f->repo, &healed, &err), &err);
		assert_int_equal(healed, 1);
	}
	assert_null(damage_of(f, &second));
	assert_null(damage_of(f, &made));
	record_release(&second);
}

/* More objects than are kept one by one: as a whole, and healed as such. */
static void test_more_than_is_kept(void **state)
{
	struct fixture *f = *state;
	struct id ids[2 * DAMAGE_KEYS_MAX];
	struct damage_report report;
	struct deposit *deposit;
	struct err err = ERR_INIT;
	uint64_t healed = 0;

	wanted(0, deposit_begin(f->repo, NULL, &deposit, &err), &err);
	for (int i = 0; i < 2 * DAMAGE_KEYS_MAX; i++) {
		char text[16];

		snprintf(text, sizeof(text), "listed %07d", i);
		wanted(0, deposit_chunk(deposit, CHUNK_LARGE, span_str(text),
					&ids[i], &err), &err);
	}
	deposit_free(deposit);
	report = find(f, ids, 2 * DAMAGE_KEYS_MAX);
	assert_int_equal(report.places, 1);
	assert_int_equal(report.remembered, DAMAGE_KEYS_MAX + 1);
	wanted(0, damage_heal(f->repo, &healed, &err), &err);
	assert_int_equal(healed, DAMAGE_KEYS_MAX + 1);
	assert_null(damage_of(f, &made));
	/* and by a check that finds nothing bad */
	find(f, ids, 2 * DAMAGE_KEYS_MAX);
	wanted(0, repo_heal(f->repo, &healed, &err), &err);
	{
		char *words = damage_of(f, &made);

		assert_non_null(words);
		free(words);
	}
	assert_int_equal(find(f, NULL, 0).healed, 1);
	assert_null(damage_of(f, &made));
}

static void test_what_was_met_is_noted(void **state)
{
	struct fixture *f = *state;
	struct err met = ERR_INIT;
	char *words;

	err_corrupt(&met, "a block's payload is damaged");
	damage_note(f->repo, &made, "a", &met);
	assert_null(damage_of(f, &made));
	snprintf(met.object, sizeof(met.object), "%s", id_hex(&chunk_of_a).s);
	damage_note(f->repo, &made, "a", &met);
	damage_note(f->repo, &made, "a", &met);
	words = damage_of(f, &made);
	assert_string_equal(words, "'a': a block's payload is damaged");
	free(words);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_bad),
		TEST(test_a_chunk),
		TEST(test_an_attribute),
		TEST(test_inside_lists),
		TEST(test_a_list),
		TEST(test_directories),
		TEST(test_each_snapshot_and_once_remembered),
		TEST(test_more_than_is_kept),
		TEST(test_what_was_met_is_noted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
