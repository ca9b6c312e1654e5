#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "indexer/key.h"
#include "indexer/settle.h"

struct rig {
	char path[64];
	struct disk_dir dir;
	struct settle *settle;
	struct buf warnings;	/* "refused a/b: words\n" */
	struct buf dropped;	/* " 3" */
	struct buf tree;	/* what settle_next() gave, a line each */
	struct buf links;	/* "pos:first/nlink " */
};

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	strcpy(rig->path, "/tmp/varve-settle.XXXXXX");
	assert_non_null(mkdtemp(rig->path));
	assert_int_equal(disk_open(rig->path, &rig->dir, NULL), 0);
	assert_int_equal(disk_mkdir(&rig->dir, "tmp", NULL), 0);
	*state = rig;
	return 0;
}

static void clear(struct rig *rig)
{
	settle_free(rig->settle);
	rig->settle = NULL;
	buf_release(&rig->warnings);
	buf_release(&rig->dropped);
	buf_release(&rig->tree);
	buf_release(&rig->links);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	clear(rig);
	disk_close(&rig->dir);
	nftw(rig->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

static void take_warning(void *arg, enum weight weight, struct span key,
			 const char *sentence)
{
	struct rig *rig = arg;

	buf_append_str(&rig->warnings,
		       weight == WEIGHT_REFUSED ? "refused " : "note ");
	key_print(key, true, &rig->warnings);
	buf_printf(&rig->warnings, ": %s\n", sentence);
}

static int take_dropped(void *arg, uint64_t seq, const struct entry *entry,
			struct err *err)
{
	struct rig *rig = arg;

	(void)err;
	assert_int_equal(entry->type, ENTRY_FILE);
	buf_printf(&rig->dropped, " %d", (int)seq);
	return 0;
}

static void begin(struct rig *rig, size_t budget)
{
	const struct settle_options options = {
		.dir = &rig->dir,
		.budget = budget,
		.time = { 1000, 5 },
		.warn = take_warning,
		.dropped = take_dropped,
		.arg = rig,
	};

	clear(rig);
	rig->settle = settle_new(&options);
	assert_non_null(rig->settle);
}

static void key_of(const char *path, struct buf *key)
{
	const char *why = NULL;
	bool absolute;

	assert_int_equal(key_make(span_str(path), key, &absolute, &why), 0);
}

/* uid tells which item an entry came from. */
static uint64_t put(struct rig *rig, const char *path, enum entry_type type,
		    uint64_t group)
{
	struct item item = {
		.kind = ITEM_ENTRY,
		.group = group,
		.entry = { .type = type, .mode = 0640 },
	};
	const struct content empty = { .count = 0 };
	OWNED_BUF struct buf key = BUF_INIT, bytes = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t seq;

	key_of(path, &key);
	item.entry.uid = (uint32_t)settle_seq(rig->settle);
	item_write_begin(&item, &bytes);
	item_write_end(&empty, 0, &bytes);
	if (settle_put(rig->settle, buf_span(&key), buf_span(&bytes),
		       type == ENTRY_DIR, group, &seq, &err) < 0)
		fail_msg("%s", err.text);
	return seq;
}

static uint64_t file(struct rig *rig, const char *path)
{
	return put(rig, path, ENTRY_FILE, 0);
}

static uint64_t dir(struct rig *rig, const char *path)
{
	return put(rig, path, ENTRY_DIR, 0);
}

static uint64_t link_to(struct rig *rig, const char *path, const char *target)
{
	OWNED_BUF struct buf key = BUF_INIT, to = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t seq;

	key_of(path, &key);
	key_of(target, &to);
	if (settle_put_link(rig->settle, buf_span(&key), buf_span(&to), &seq,
			    &err) < 0)
		fail_msg("%s", err.text);
	return seq;
}

static int take_link(void *arg, uint64_t pos, uint64_t first, uint64_t nlink,
		     struct err *err)
{
	struct rig *rig = arg;

	(void)err;
	buf_printf(&rig->links, "%d:%d/%d ", (int)pos, (int)first,
		   (int)nlink);
	return 0;
}

static void print(struct rig *rig, const struct settled *settled)
{
	OWNED_BUF struct buf path = BUF_INIT;
	const char *name = &"?-dlcbps"[settled->entry.type];

	key_print(settled->key, true, &path);
	assert_int_equal(settled->depth, key_depth(settled->key));
	assert_true(span_equal(settled->entry.name,
			       key_name(settled->key)));
	buf_printf(&rig->tree, "%s %c", buf_str(&path), *name);
	if (settled->made_up) {
		assert_int_equal(settled->entry.mode, 0755);
		assert_int_equal(settled->entry.mtime.s, 1000);
		buf_append_str(&rig->tree, "?\n");
		return;
	}
	assert_int_equal(settled->root, settled->entry.uid);
	buf_printf(&rig->tree, "%d\n", (int)settled->root);
}

static void run(struct rig *rig)
{
	struct settled settled;
	struct err err = ERR_INIT;
	uint64_t pos = 0;
	bool first;
	int r;

	settle_want_places(rig->settle);
	if (settle_run(rig->settle, &err) < 0)
		fail_msg("%s", err.text);
	while ((r = settle_next(rig->settle, &settled, &err)) > 0) {
		print(rig, &settled);
		assert_int_equal(settle_place(rig->settle, &settled, pos++,
					      &first, &err),
				 0);
	}
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(settle_next(rig->settle, &settled, &err), 0);
	assert_int_equal(settle_links(rig->settle, take_link, rig, &err), 0);
}

static void check(struct rig *rig, const char *tree, const char *links,
		  const char *warnings)
{
	run(rig);
	assert_string_equal(buf_str(&rig->tree), tree);
	assert_string_equal(buf_str(&rig->links), links);
	assert_string_equal(buf_str(&rig->warnings), warnings);
}

static void test_nothing(void **state)
{
	begin(*state, 1 << 16);
	check(*state, ". d?\n", "", "");
}

/* "a directory before what lies in it, names sorted by bytes, directories
 * that were never named made up" */
static void test_order(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1 << 16);
	file(rig, "b");
	file(rig, "a.b");
	file(rig, "a/z/deep");
	dir(rig, "a");
	file(rig, "a-b");
	dir(rig, ".");
	file(rig, "\xff");
	check(rig,
	      ". d6\n"
	      "a d4\na/z d?\na/z/deep -3\n"
	      "a-b -5\na.b -2\nb -1\n\xff -7\n",
	      "", "");
}

/* Rule 1: "A later entry of the same path replaces an earlier one." */
static void test_last_wins(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1 << 16);
	file(rig, "f");
	dir(rig, "d");
	file(rig, "d/x");
	file(rig, "f");
	dir(rig, "d");
	put(rig, "f", ENTRY_SYMLINK, 0);
	dir(rig, "was-dir");
	file(rig, "was-dir");
	file(rig, "was-file");
	dir(rig, "was-file");
	file(rig, "was-file/in");
	check(rig,
	      ". d?\nd d5\nd/x -3\nf l6\nwas-dir -8\nwas-file d10\n"
	      "was-file/in -11\n",
	      "",
	      "note f: is in the input more than once: the last one counts\n"
	      "note was-file: is in the input more than once: the last one "
	      "counts\n");
	assert_string_equal(buf_str(&rig->dropped), " 1 4 9");
}

/* Rules 2, 3, 5. */
static void test_refused(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1 << 16);
	file(rig, "d/x");
	put(rig, "d", ENTRY_SYMLINK, 0);	/* over a filled directory */
	put(rig, "s", ENTRY_SYMLINK, 0);
	file(rig, "s/x");			/* through a symbolic link */
	dir(rig, "s/y");
	file(rig, "s/y/z");
	dir(rig, "s");
	file(rig, "s/later");			/* it is a directory by now */
	check(rig,
	      ". d?\nd d?\nd/x -1\ns d7\ns/later -8\n",
	      "",
	      "refused d: would take the place of a directory that is not "
	      "empty: refused\n"
	      "note s: is in the input more than once: the last one counts\n"
	      "refused s/x: lies below a name that is a file or a symbolic "
	      "link: refused\n"
	      "refused s/y: lies below a name that is a file or a symbolic "
	      "link: refused\n"
	      "refused s/y/z: lies below a name that is a file or a symbolic "
	      "link: refused\n");
}

/* Rules 4 and 6. */
static void test_links(void **state)
{
	struct rig *rig = *state;
	uint64_t pos;

	begin(rig, 1 << 16);
	file(rig, "a");			/* 1 */
	link_to(rig, "l1", "a");	/* 2 */
	link_to(rig, "l2", "l1");	/* 3: a chain */
	file(rig, "a");			/* 4: l1, l2 keep the old file */
	link_to(rig, "m", "./a");	/* 5: the new one */
	link_to(rig, "a", "a");		/* 6: itself: nothing changes */
	file(rig, "alone");		/* 7 */
	link_to(rig, "gone", "alone");	/* 8 */
	file(rig, "alone");		/* 9: each has one name */
	check(rig,
	      ". d?\na -4\nalone -9\ngone -7\nl1 -1\nl2 -1\nm -4\n",
	      "1:1/2 4:4/2 5:4/2 6:1/2 ",
	      "note a: is in the input more than once: the last one counts\n"
	      "note alone: is in the input more than once: the last one "
	      "counts\n");
	assert_int_equal(settle_find(rig->settle, 1, &pos, NULL), 0);
	assert_int_equal(pos, 4);
	assert_int_equal(settle_find(rig->settle, 4, &pos, NULL), 0);
	assert_int_equal(pos, 1);
	assert_int_equal(settle_find(rig->settle, 7, &pos, NULL), 0);
	assert_int_equal(pos, 3);
}

static void test_links_refused(void **state)
{
	struct rig *rig = *state;
	uint64_t pos;

	begin(rig, 1 << 16);
	link_to(rig, "early", "a");	/* 1: not there yet */
	file(rig, "a");			/* 2 */
	link_to(rig, "none", "nowhere");
	link_to(rig, "none/below", "a");	/* none was not made */
	dir(rig, "d");
	link_to(rig, "todir", "d");
	link_to(rig, "toroot", ".");
	file(rig, "keep");
	link_to(rig, "keep", "nowhere");	/* what it had stays */
	link_to(rig, "chain", "early");
	check(rig,
	      ". d?\na -2\nd d5\nkeep -8\nnone d?\nnone/below -2\n",
	      "1:1/2 5:1/2 ",
	      "refused chain: is a hard link to 'early', which is not there "
	      "before it: refused\n"
	      "refused early: is a hard link to 'a', which is not there "
	      "before it: refused\n"
	      "refused keep: is a hard link to 'nowhere', which is not there "
	      "before it: refused\n"
	      "refused none: is a hard link to 'nowhere', which is not there "
	      "before it: refused\n"
	      "refused todir: is a hard link to 'd', which is a directory: "
	      "refused\n"
	      "refused toroot: is a hard link to '.', which is a directory: "
	      "refused\n");
	assert_int_equal(settle_find(rig->settle, 1, &pos, NULL), -ENOENT);
	assert_string_equal(buf_str(&rig->dropped), "");
}

/* Rule 7. */
static void test_groups(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1 << 16);
	put(rig, "z", ENTRY_FILE, 9);
	put(rig, "only", ENTRY_FILE, 3);
	put(rig, "a/x", ENTRY_FILE, 9);
	put(rig, "m", ENTRY_FILE, 9);
	settle_skip(rig->settle);
	file(rig, "n");
	check(rig,
	      ". d?\na d?\na/x -1\nm -1\nn -6\nonly -2\nz -1\n",
	      "2:2/3 3:2/3 6:2/3 ", "");
}

/* The same by a plain simulation, over few names so that all collide. */
#define MODEL_PATHS 14

static const char *const names[MODEL_PATHS] = {
	"a", "a/b", "a/b/c", "a/b/d", "a/e", "b", "b/b",
	"b/b/c", "c", "c/a", "c/a/a", "c/a/a/a", "d", "d/d",
};

struct model {
	char kind[MODEL_PATHS];	/* 0 none, 'd', '-', 'l' */
	int root[MODEL_PATHS];	/* seq; 0: made up */
};

static int parent_of(int path)
{
	const char *slash = strrchr(names[path], '/');

	if (!slash)
		return -1;
	for (int i = 0; i < MODEL_PATHS; i++)
		if (strlen(names[i]) == (size_t)(slash - names[path]) &&
		    !strncmp(names[i], names[path], strlen(names[i])))
			return i;
	fail();
	return -1;
}

static bool model_may(const struct model *model, int path)
{
	int parent = parent_of(path);

	if (parent < 0)
		return true;
	if (model->kind[parent])
		return model->kind[parent] == 'd';
	return model_may(model, parent);
}

static bool model_filled(const struct model *model, int path)
{
	for (int i = 0; i < MODEL_PATHS; i++)
		if (parent_of(i) == path && model->kind[i])
			return true;
	return false;
}

static void model_put(struct model *model, int path, char kind, int root)
{
	if (!model_may(model, path))
		return;
	if (kind != 'd' && model_filled(model, path))
		return;
	for (int up = parent_of(path); up >= 0; up = parent_of(up)) {
		if (!model->kind[up])
			model->root[up] = 0;
		model->kind[up] = 'd';
	}
	model->kind[path] = kind;
	model->root[path] = root;
}

static void model_print(const struct model *model, struct buf *tree,
			struct buf *links)
{
	int pos = 1;

	buf_append_str(tree, ". d?\n");
	for (int i = 0; i < MODEL_PATHS; i++) {
		int count = 0, first = 0, at = 1;

		if (!model->kind[i])
			continue;
		buf_printf(tree, "%s %c", names[i], model->kind[i]);
		if (model->root[i])
			buf_printf(tree, "%d\n", model->root[i]);
		else
			buf_append_str(tree, "?\n");
		for (int j = 0; j < MODEL_PATHS; j++) {
			bool same = model->kind[j] && model->kind[i] != 'd' &&
				    model->kind[j] != 'd' &&
				    model->root[i] == model->root[j];

			if (same && count++ == 0)
				first = at;
			at += model->kind[j] != 0;
		}
		if (count > 1)
			buf_printf(links, "%d:%d/%d ", pos, first, count);
		pos++;
	}
}

static void test_against_model(void **state)
{
	struct rig *rig = *state;
	/* each asks the file system for a dozen files without a name */
	int rounds = getenv("EVERY") ? 30000 : 500;

	srandom(20210122);
	for (int round = 0; round < rounds; round++) {
		OWNED_BUF struct buf tree = BUF_INIT, links = BUF_INIT;
		struct model model = { .root = { 0 } };
		int count = 1 + (int)(random() % 40);

		begin(rig, round % 2 ? 1 << 16 : 1);
		for (int i = 0; i < count; i++) {
			int path = (int)(random() % MODEL_PATHS);
			int to = (int)(random() % MODEL_PATHS);
			int what = (int)(random() % 8);
			char kind = model.kind[to];

			if (what < 2) {
				model_put(&model, path, 'd',
					  (int)dir(rig, names[path]));
			} else if (what < 5) {
				model_put(&model, path, '-',
					  (int)file(rig, names[path]));
			} else {
				link_to(rig, names[path], names[to]);
				if (kind == '-')
					model_put(&model, path, '-',
						  model.root[to]);
			}
		}
		run(rig);
		model_print(&model, &tree, &links);
		assert_string_equal(buf_str(&rig->tree), buf_str(&tree));
		assert_string_equal(buf_str(&rig->links), buf_str(&links));
	}
}

/* "Memory is bounded by the budget whatever comes": tables and runs on disk
 * give what memory gives. */
static void test_outgrows_memory(void **state)
{
	struct rig *rig = *state;
	OWNED_BUF struct buf small = BUF_INIT;
	char path[64], target[64];
	const int count = 20000;

	for (int pass = 0; pass < 2; pass++) {
		begin(rig, pass ? 64 << 20 : 1 << 17);
		for (int i = 0; i < count; i++) {
			int n = (i * 7919) % count;

			snprintf(path, sizeof(path), "d%d/e%d/f%d", n % 97,
				 n % 13, n);
			if (i > 100 && i % 3 == 0) {
				n = ((i - 99) * 7919) % count;
				snprintf(target, sizeof(target),
					 "d%d/e%d/f%d", n % 97, n % 13, n);
				link_to(rig, path, target);
			} else {
				file(rig, path);
			}
		}
		run(rig);
		if (pass == 0) {
			assert_true(settle_runs(rig->settle) > 1);
			buf_append(&rig->tree, rig->links.data,
				   rig->links.len);
			buf_swap(&small, &rig->tree);
		} else {
			assert_int_equal(settle_runs(rig->settle), 0);
			buf_append(&rig->tree, rig->links.data,
				   rig->links.len);
		}
	}
	assert_int_equal(rig->warnings.len, 0);
	assert_string_equal(buf_str(&small), buf_str(&rig->tree));
}

static void test_stop(void **state)
{
	struct rig *rig = *state;
	volatile int stop = 1;
	const struct settle_options options = {
		.dir = &rig->dir,
		.budget = 1 << 16,
		.stop = &stop,
	};

	clear(rig);
	rig->settle = settle_new(&options);
	file(rig, "a");
	assert_int_equal(settle_run(rig->settle, NULL), -ECANCELED);
}

static void test_keys(void **state)
{
	OWNED_BUF struct buf key = BUF_INIT, longest = BUF_INIT;
	const char *why = NULL;
	bool absolute;

	(void)state;
	assert_int_equal(key_make(span_str("/a//./b/"), &key, &absolute,
				  &why), 0);
	assert_true(absolute);
	assert_true(span_equal(buf_span(&key), span_of("a\0b\0", 4)));
	assert_true(span_equal(key_name(buf_span(&key)), span_str("b")));
	assert_int_equal(key_make(span_str("./"), &key, &absolute, &why), 0);
	assert_false(absolute);
	assert_int_equal(key.len, 0);
	assert_int_equal(key_make(span_of(NULL, 0), &key, &absolute, &why), 0);
	assert_false(absolute);
	assert_int_equal(key.len, 0);
	assert_int_equal(key_make(span_str("a/../b"), &key, &absolute, &why),
			 -EINVAL);
	assert_int_equal(key_make(span_of("a\0b", 3), &key, &absolute, &why),
			 -EINVAL);
	why = NULL;
	assert_int_equal(key_make(span_str("..a/b.."), &key, &absolute, &why),
			 0);
	for (int i = 0; i < 256; i++)
		buf_append_str(&longest, "x");
	assert_int_equal(key_make(buf_span(&longest), &key, &absolute, &why),
			 -EINVAL);
	longest.len = 255;
	why = NULL;
	assert_int_equal(key_make(buf_span(&longest), &key, &absolute, &why),
			 0);
	buf_clear(&longest);
	for (int i = 0; i < 2000; i++)
		buf_append_str(&longest, "x/");
	assert_int_equal(key_make(buf_span(&longest), &key, &absolute, &why),
			 0);
	assert_int_equal(key_depth(buf_span(&key)), 2000);
	buf_append_str(&longest, "x");
	assert_int_equal(key_make(buf_span(&longest), &key, &absolute, &why),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_last_wins),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_links_refused),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_outgrows_memory),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
