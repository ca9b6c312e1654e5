#include "store_fixture.h"

#include <stdatomic.h>

#include "fs/base/disk.h"
#include "fs/tree/view.h"
#include "indexer/ingest.h"

/* A reader that pushes what the test says. */
static int (*script)(struct sink *sink, struct err *err);

static int read_script(const struct input *input, struct sink *sink,
		       struct err *err)
{
	(void)input;
	return script(sink, err);
}

static const struct reader reader_script = {
	.kind = "tar",
	.about = "what a test pushes",
	.read = read_script,
};

struct told {
	struct buf text;
	int progress;
	const char *at_end;
};

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct told *told = arg;

	buf_printf(&told->text, "%d %s\n", weight, sentence);
}

static void take_progress(void *arg, const struct ingest_progress *progress)
{
	struct told *told = arg;

	assert_non_null(progress->phase);
	told->progress++;
}

static const char *at_end(void *arg)
{
	return ((struct told *)arg)->at_end;
}

static struct told told;
static volatile int stop;

static struct ingest_options options(void)
{
	return (struct ingest_options){
		.source = "test/source",
		.time = { 1611343651, 0 },
		.time_from = "option",
		.input_name = "x.tar",
		.progress = take_progress,
		.warn = take_warning,
		.incomplete_at_end = at_end,
		.stop = &stop,
		.arg = &told,
	};
}

static int add(struct fixture *f, int (*what)(struct sink *, struct err *),
	       const struct ingest_options *with, struct ingest_result *result,
	       struct err *err)
{
	const struct input input = { .path = "x.tar", .fd = -1,
				     .size = UINT64_MAX };
	const struct ingest_options plain = options();

	buf_clear(&told.text);
	told.progress = 0;
	script = what;
	return ingest(f->repo, &reader_script, &input, with ? with : &plain,
		      result, err);
}

static void added(struct fixture *f,
		  int (*what)(struct sink *, struct err *),
		  struct ingest_result *result)
{
	struct err err = ERR_INIT;

	wanted(0, add(f, what, NULL, result, &err), &err);
}

/* Pushing. */

static struct entry entry_of(enum entry_type type)
{
	return (struct entry){
		.type = type,
		.mode = 0644,
		.uid = 1000,
		.gid = 100,
		.uname = span_str("ann"),
		.mtime = { -2, 250000000 },
		.size = UINT64_MAX,
		.target = span_str(type == ENTRY_SYMLINK ? "to/where" : ""),
	};
}

#define OR_RETURN(call)                                                       \
	do {                                                                  \
		int r_ = (call);                                              \
		if (r_ < 0)                                                   \
			return r_;                                            \
	} while (0)

static int push(struct sink *sink, const char *path, enum entry_type type,
		const char *text, struct err *err)
{
	struct entry entry = entry_of(type);
	size_t len = strlen(text);

	OR_RETURN(sink_begin(sink, span_str(path), &entry, err));
	if (type != ENTRY_FILE)
		return sink_end(sink, 0, err);
	OR_RETURN(sink_data(sink, 0, span_str(text), err));
	return sink_end(sink, len, err);
}

/* Looking. */

struct listing {
	struct tree *tree;
	struct buf text;
};

static int list_one(void *arg, const char *path, unsigned depth,
		    const struct node *node, struct err *err)
{
	struct listing *listing = arg;
	struct getter getter = tree_getter(listing->tree);
	char bytes[64] = "";
	size_t len = 0;

	(void)depth;
	if (node->entry.type == ENTRY_FILE)
		wanted(0, content_read_into(&getter, &node->entry.content,
					    node->entry.size, 0, bytes,
					    sizeof(bytes) - 1, &len, err),
		       err);
	buf_printf(&listing->text, "%d %s %c", (int)node->pos,
		   *path ? path : ".", "?-dlcbps"[node->entry.type]);
	if (node->nlink > 1 && node->entry.type != ENTRY_DIR)
		buf_printf(&listing->text, " =%d/%d", (int)node->inode,
			   (int)node->nlink);
	if (node->entry.type == ENTRY_FILE)
		buf_printf(&listing->text, " %s", bytes);
	buf_append_str(&listing->text, "\n");
	return 0;
}

static struct tree *open_tree(struct fixture *f,
			      const struct ingest_result *result)
{
	struct err err = ERR_INIT;
	struct tree *tree;

	wanted(0, tree_open(f->repo, &result->record, &tree, &err), &err);
	return tree;
}

static void check_tree(struct fixture *f, const struct ingest_result *result,
		       const char *want)
{
	struct listing listing = { .text = BUF_INIT };
	struct err err = ERR_INIT;
	OWNED_NODE struct node root = NODE_INIT;

	listing.tree = open_tree(f, result);
	wanted(0, tree_root(listing.tree, &root, &err), &err);
	wanted(0, tree_walk(listing.tree, &root, list_one, &listing, &err),
	       &err);
	assert_string_equal(buf_str(&listing.text), want);
	buf_release(&listing.text);
	node_release(&root);
	root = (struct node)NODE_INIT;
	tree_close(listing.tree);
}

static char *notes_of(struct fixture *f, const struct ingest_result *result)
{
	struct getter getter = { .repo = f->repo };
	struct err err = ERR_INIT;
	struct content content;
	uint64_t size;
	size_t len;
	char *text;

	wanted(0, content_load(&getter, &result->record.notes, &content, &size,
			       &err), &err);
	text = calloc(1, size + 1);
	wanted(0, content_read_into(&getter, &content, size, 0, text, size,
				    &len, &err), &err);
	assert_int_equal(len, size);
	return text;
}

/* Everything of each sort, in no order. */
static int push_mixture(struct sink *sink, struct err *err)
{
	OR_RETURN(push(sink, "./dir/file", ENTRY_FILE, "hello", err));
	OR_RETURN(push(sink, "link", ENTRY_SYMLINK, "", err));
	OR_RETURN(push(sink, "./", ENTRY_DIR, "", err));
	OR_RETURN(push(sink, "/abs//fifo/", ENTRY_FIFO, "", err));
	OR_RETURN(push(sink, "dir/empty", ENTRY_FILE, "", err));
	OR_RETURN(sink_link(sink, span_str("a-name"), span_str("dir/file"),
			    err));
	OR_RETURN(push(sink, "dir/", ENTRY_DIR, "", err));
	sink_format(sink, "GNU tar");
	sink_attr(sink, "checkpoint", "12");
	return 0;
}

static void test_mixture(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	OWNED_NODE struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;
	char *notes;

	added(f, push_mixture, &result);
	check_tree(f, &result,
		   "0 . d\n"
		   "1 a-name - =1/2 hello\n"
		   "2 abs d\n"
		   "3 abs/fifo p\n"
		   "4 dir d\n"
		   "5 dir/empty - \n"
		   "6 dir/file - =1/2 hello\n"
		   "7 link l\n");
	assert_int_equal(result.record.entries, 8);
	assert_int_equal(result.record.files, 3);
	assert_int_equal(result.record.dirs, 3);
	assert_int_equal(result.record.bytes, 5);
	assert_int_equal(result.record.stream_bytes, 0);
	assert_int_equal(result.record.warnings, 0);
	assert_null(result.record.incomplete);
	assert_string_equal(result.record.kind, "tar");
	assert_string_equal(result.record.format, "GNU tar");
	assert_string_equal(record_attr(&result.record, "checkpoint"), "12");
	assert_true(id_is_none(&result.record.view));
	assert_true(id_is_none(&result.record.origin));
	assert_true(told.progress >= 3);
	notes = notes_of(f, &result);
	assert_string_equal(
		notes,
		"note: '/abs//fifo/': the leading '/' is taken off this and "
		"other names\n"
		"note: 'abs': this directory is not in the input: made up as "
		"root's, mode 0755\n");
	free(notes);
	tree = open_tree(f, &result);
	wanted(0, tree_find(tree, "dir/file", &node, &err), &err);
	assert_int_equal(node.entry.mode, 0644);
	assert_int_equal(node.entry.uid, 1000);
	assert_int_equal(node.entry.mtime.s, -2);
	assert_int_equal(node.entry.mtime.ns, 250000000);
	assert_true(span_equal(node.entry.uname, span_str("ann")));
	node_release(&node);
	wanted(0, tree_find(tree, "link", &node, &err), &err);
	assert_true(span_equal(node.entry.target, span_str("to/where")));
	assert_int_equal(node.entry.size, 8);
	node_release(&node);
	wanted(0, tree_find(tree, "abs", &node, &err), &err);
	assert_int_equal(node.entry.mtime.s, 1611343651);
	assert_int_equal(node.entry.uid, 0);
	node_release(&node);
	node = (struct node)NODE_INIT;
	tree_close(tree);
	ingest_result_release(&result);
}

/* Names that are refused, each with a warning that names the entry. */
static int push_refused(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);
	struct entry odd = entry_of(ENTRY_SYMLINK);
	static char deep[5000], longest[300];

	assert_int_equal(sink_begin(sink, span_str("a/../../etc/passwd"),
				    &file, err), 0);
	assert_int_equal(sink_begin(sink, span_of("a\0b", 3), &file, err), 0);
	assert_int_equal(sink_begin(sink, span_str("./"), &file, err), 0);
	memset(longest, 'x', 256);
	assert_int_equal(sink_begin(sink, span_str(longest), &file, err), 0);
	for (int i = 0; i < 2001; i++)
		strcat(deep, "d/");
	assert_int_equal(sink_begin(sink, span_str(deep), &file, err), 0);
	odd.target = span_str("");
	assert_int_equal(sink_begin(sink, span_str("l"), &odd, err), 0);
	odd.target = span_of("x\0y", 3);
	assert_int_equal(sink_begin(sink, span_str("l"), &odd, err), 0);
	odd.type = 77;
	assert_int_equal(sink_begin(sink, span_str("odd"), &odd, err), 0);
	assert_int_equal(sink_link(sink, span_str("m"), span_str("../x"), err),
			 0);
	return push(sink, "kept\n", ENTRY_FILE, "1", err);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	char *notes;

	added(f, push_refused, &result);
	check_tree(f, &result, "0 . d\n1 kept\n - 1\n");
	assert_int_equal(result.record.warnings, 9);
	assert_null(result.record.incomplete);
	notes = notes_of(f, &result);
	assert_non_null(strstr(notes, "refused: 'a/../../etc/passwd': has "
				      "'..' in its path: refused\n"));
	assert_non_null(strstr(notes, "refused: 'a\\000b': has a zero byte"));
	assert_non_null(strstr(notes, "refused: 'm': is a hard link to '../x', "
				      "which has '..' in its path: refused"));
	free(notes);
	ingest_result_release(&result);
}

/* What is lost makes it incomplete; the first loss is the reason. */
static int push_losses(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	sink_warn(sink, WEIGHT_FLAWED, span_str("f"), "no owner %d", 3);
	OR_RETURN(sink_begin(sink, span_str("f"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("part"), err));
	sink_warn(sink, WEIGHT_LOST, span_str("f"), "cannot be read");
	sink_cancel(sink);
	sink_warn(sink, WEIGHT_INPUT, span_of(NULL, 0), "ends early");
	return push(sink, "g", ENTRY_FILE, "g", err);
}

/* The input says when it was captured: in no zone, in one, and nonsense. */
static const char *said;
static struct stamp answered;
static int answer;

static int push_when(struct sink *sink, struct err *err)
{
	const struct entry file = entry_of(ENTRY_FILE);

	answer = sink_when(sink, said, &answered);
	OR_RETURN(sink_begin(sink, span_str("made/up"), &file, err));
	return sink_end(sink, 0, err);
}

static void says(struct fixture *f, const char *when, bool is_guess,
		 int64_t want, const char *from, const char *tz)
{
	struct ingest_options with = options();
	struct ingest_result result;
	struct err err = ERR_INIT;

	said = when;
	with.time_from = "now";
	with.time_is_guess = is_guess;
	with.zone = "Europe/Berlin";
	wanted(0, add(f, push_when, &with, &result, &err), &err);
	assert_int_equal(result.record.time.s, want);
	assert_int_equal(answered.s, want);
	assert_string_equal(result.record.time_from, from);
	if (tz)
		assert_string_equal(result.record.tz, tz);
	else
		assert_null(result.record.tz);
	ingest_result_release(&result);
}

static void test_when(void **state)
{
	struct fixture *f = *state;

	/* 19:27:31 in winter is 18:27:31 in UTC. */
	says(f, "2021-01-22 19:27:31", true, 1611340051, "header",
	     "Europe/Berlin");
	assert_int_equal(answer, 0);
	says(f, "2021-01-22 19:27:32Z", true, 1611343652, "header", NULL);
	says(f, "2021-01-22 19:27:31", false, 1611343651, "now", NULL);
	assert_int_equal(answer, 0);
	says(f, "2021-02-30 19:27:31", true, 1611343651, "now", NULL);
	assert_int_equal(answer, -EINVAL);
}

static void test_incomplete(void **state)
{
	struct fixture *f = *state;
	struct ingest_options with = options();
	struct ingest_result result;
	struct err err = ERR_INIT;

	added(f, push_losses, &result);
	check_tree(f, &result, "0 . d\n1 g - g\n");
	assert_string_equal(result.record.incomplete,
			    "the first of 2 losses: 'f': cannot be read");
	assert_int_equal(result.record.warnings, 3);
	assert_string_equal(buf_str(&told.text),
			    "2 'f': no owner 3\n4 'f': cannot be read\n"
			    "5 ends early\n");
	ingest_result_release(&result);

	told.at_end = "the command failed";
	wanted(0, add(f, push_mixture, &with, &result, &err), &err);
	assert_string_equal(result.record.incomplete, "the command failed");
	ingest_result_release(&result);
	with.incomplete = "known before";
	wanted(0, add(f, push_mixture, &with, &result, &err), &err);
	assert_string_equal(result.record.incomplete, "known before");
	ingest_result_release(&result);
	told.at_end = NULL;
}

static int push_nothing(struct sink *sink, struct err *err)
{
	(void)sink;
	(void)err;
	return 0;
}

static void test_empty(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;

	added(f, push_nothing, &result);
	check_tree(f, &result, "0 . d\n");
	assert_true(id_is_none(&result.record.notes));
	ingest_result_release(&result);
}

static int count_one(void *arg, const struct snapshot *snapshot,
		     struct err *err)
{
	(void)snapshot;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int snapshots(struct fixture *f)
{
	struct err err = ERR_INIT;
	int count = 0;

	wanted(0, catalog_each_snapshot(repo_catalog(f->repo), NULL, true,
					count_one, &count, &err), &err);
	return count;
}

static int push_failure(struct sink *sink, struct err *err)
{
	OR_RETURN(push(sink, "f", ENTRY_FILE, "x", err));
	return err_set(err, -EIO, "the tape is torn");
}

static int push_stopped(struct sink *sink, struct err *err)
{
	OR_RETURN(push(sink, "f", ENTRY_FILE, "x", err));
	stop = 1;
	return push(sink, "g", ENTRY_FILE, "x", err);
}

static int push_unnoticed_stop(struct sink *sink, struct err *err)
{
	OR_RETURN(push(sink, "f", ENTRY_FILE, "x", err));
	stop = 1;
	return 0;
}

static int push_unended(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	OR_RETURN(sink_begin(sink, span_str("f"), &file, err));
	return 0;
}

static int push_backwards(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	OR_RETURN(sink_begin(sink, span_str("f"), &file, err));
	OR_RETURN(sink_data(sink, 10, span_str("late"), err));
	return sink_data(sink, 13, span_str("early"), err);
}

static int push_short(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	OR_RETURN(sink_begin(sink, span_str("f"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("four"), err));
	return sink_end(sink, 3, err);
}

/* "Nothing is left behind by a failure" */
static void test_failures(void **state)
{
	struct fixture *f = *state;
	struct ingest_options with = options();
	struct ingest_result result;
	struct err err = ERR_INIT;

	assert_int_equal(add(f, push_failure, NULL, &result, &err), -EIO);
	assert_string_equal(err.text, "the tape is torn");
	assert_int_equal(add(f, push_stopped, NULL, &result, &err),
			 -ECANCELED);
	stop = 0;
	assert_int_equal(add(f, push_unnoticed_stop, NULL, &result, &err),
			 -ECANCELED);
	stop = 0;
	assert_int_equal(add(f, push_unended, NULL, &result, &err), -EINVAL);
	assert_int_equal(add(f, push_backwards, NULL, &result, &err),
			 -EINVAL);
	assert_int_equal(add(f, push_short, NULL, &result, &err), -EINVAL);
	with.source = "latest";
	assert_int_equal(add(f, push_nothing, &with, &result, &err), -EINVAL);
	assert_int_equal(snapshots(f), 0);
	added(f, push_mixture, &result);
	assert_int_equal(snapshots(f), 1);
	ingest_result_release(&result);
}

/* Holes are where the reader says so; zeros in data stay data. */
#define ZEROS (300u << 10)

static int push_sparse(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);
	static uint8_t zeros[ZEROS];

	file.size = 10u << 20;
	OR_RETURN(sink_begin(sink, span_str("sparse"), &file, err));
	OR_RETURN(sink_data(sink, 1u << 20, span_of(zeros, ZEROS), err));
	OR_RETURN(sink_data(sink, 5u << 20, span_str("end"), err));
	OR_RETURN(sink_end(sink, 10u << 20, err));
	OR_RETURN(sink_begin(sink, span_str("hole"), &file, err));
	return sink_end(sink, 1ull << 40, err);
}

static void test_sparse(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	OWNED_NODE struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct getter getter;
	struct tree *tree;
	uint64_t at;

	added(f, push_sparse, &result);
	tree = open_tree(f, &result);
	getter = tree_getter(tree);
	wanted(0, tree_find(tree, "sparse", &node, &err), &err);
	assert_int_equal(node.entry.size, 10u << 20);
	wanted(0, content_seek(&getter, &node.entry.content, node.entry.size,
			       0, false, &at, &err), &err);
	assert_int_equal(at, 1u << 20);
	wanted(0, content_seek(&getter, &node.entry.content, node.entry.size,
			       at, true, &at, &err), &err);
	assert_int_equal(at, (1u << 20) + ZEROS);
	wanted(0, content_seek(&getter, &node.entry.content, node.entry.size,
			       at, false, &at, &err), &err);
	assert_int_equal(at, 5u << 20);
	wanted(0, content_data_bytes(&getter, &node.entry.content,
				     node.entry.size, &at, &err), &err);
	assert_int_equal(at, ZEROS + 3);
	node_release(&node);
	wanted(0, tree_find(tree, "hole", &node, &err), &err);
	assert_int_equal(node.entry.size, 1ull << 40);
	assert_int_equal(node.entry.content.count, 1);
	node_release(&node);
	node = (struct node)NODE_INIT;
	tree_close(tree);
	ingest_result_release(&result);
}

/* A large file, pushed in pieces of many sizes. */
#define LARGE ((6u << 20) + 12345)

static uint8_t *large;
static const char *large_path = "large";
static size_t piece;

static void make_noise(void)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < LARGE; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		put_le64(large + i, x);
	}
}

/* A table, whose chunks are longer. */
static void make_table(void)
{
	OWNED_BUF struct buf rows = BUF_INIT;

	for (unsigned i = 0; rows.len < LARGE; i++)
		buf_printf(&rows, "%u\t%u\t%40s\n", i, i * i % 7, "");
	memcpy(large, rows.data, LARGE);
}

static int push_large(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	file.size = LARGE;
	OR_RETURN(sink_begin(sink, span_str(large_path), &file, err));
	for (size_t at = 0; at < LARGE; at += piece) {
		size_t n = LARGE - at < piece ? LARGE - at : piece;

		OR_RETURN(sink_data(sink, at, span_of(large + at, n), err));
	}
	return sink_end(sink, LARGE, err);
}

/* "Equal results whatever the buffer boundaries", and a second snapshot of the
 * same adds no chunk. */
static uint64_t push_in_pieces(struct fixture *f)
{
	static const size_t pieces[] = { LARGE, 1u << 20, 65536, 262144, 9999,
					 262145, 511 };
	struct id root = { .len = 0 };
	uint64_t chunks = 0;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct ingest_result result;
		struct err err = ERR_INIT;
		OWNED_NODE struct node node = NODE_INIT;
		struct getter getter;
		struct tree *tree;
		uint8_t *back = malloc(LARGE);
		size_t len;

		piece = pieces[i];
		added(f, push_large, &result);
		if (i == 0)
			chunks = result.stats.new_chunks;
		else {
			assert_int_equal(result.stats.new_chunks, 0);
			assert_true(id_equal(&root, &result.record.root));
		}
		root = result.record.root;
		tree = open_tree(f, &result);
		getter = tree_getter(tree);
		wanted(0, tree_find(tree, "large", &node, &err), &err);
		wanted(0, content_read_into(&getter, &node.entry.content,
					    LARGE, 0, back, LARGE, &len,
					    &err), &err);
		assert_memory_equal(back, large, LARGE);
		node_release(&node);
		node = (struct node)NODE_INIT;
		tree_close(tree);
		free(back);
		ingest_result_release(&result);
	}
	return chunks;
}

static void test_pieces(void **state)
{
	uint64_t noise, table;

	large = malloc(LARGE + 8);
	make_noise();
	noise = push_in_pieces(*state);
	make_table();
	table = push_in_pieces(*state);
	assert_in_range(noise, 60, 200);
	assert_in_range(table, 10, 50);
	free(large);
}

/* What is called as RocksDB calls its tables is cut in longer chunks, whatever
 * reads it, so that it costs once. */
static void test_sealed(void **state)
{
	struct ingest_result result;

	large = malloc(LARGE + 8);
	piece = 65536;
	make_noise();
	large_path = "cp/000012.sst";
	added(*state, push_large, &result);
	assert_in_range(result.stats.new_chunks, 10, 50);
	ingest_result_release(&result);
	large_path = "000013.sst";
	added(*state, push_large, &result);
	assert_int_equal(result.stats.new_chunks, 0);
	ingest_result_release(&result);
	large_path = "large";
	free(large);
}

/* Of a file that changed here and there only the changes are stored, wherever
 * they moved its bytes to. */
static void test_likes(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;

	large = malloc(LARGE + 8);
	make_noise();
	piece = LARGE;
	added(f, push_large, &result);
	assert_int_equal(result.stats.leaning_blocks, 0);
	assert_int_equal(result.stats.predicted, 0);
	ingest_result_release(&result);
	for (size_t at = 300000; at < LARGE; at += LARGE / 5) {
		memmove(large + at + 3, large + at, LARGE - at - 3);
		large[at] ^= 1;
	}
	added(f, push_large, &result);
	assert_in_range(result.stats.new_chunks, 4, 12);
	assert_true(result.stats.leaning_blocks > 0);
	/* what is the same is decoded before it is compared, each chunk once */
	assert_in_range(result.stats.predicted, result.stats.chunks / 2,
			result.stats.chunks);
	assert_true(result.stats.stored_bytes < 20000);
	ingest_result_release(&result);
	free(large);
}

/* 40 small directories and one that has many pages, with one file of each
 * changed from one generation to the next. */
#define FOLDERS 40
#define ALIKE 6000
static unsigned generation;

static int push_folders(struct sink *sink, struct err *err)
{
	char path[64], text[64];

	for (unsigned i = 0; i < FOLDERS * 12 + ALIKE; i++) {
		unsigned folder = i < ALIKE ? 0 : 1 + (i - ALIKE) / 12;
		bool changes = i == ALIKE / 2 || (i >= ALIKE && i % 12 == 3);

		snprintf(path, sizeof(path), "d%02u/a-file-of-number-%05u",
			 folder, i);
		snprintf(text, sizeof(text), "bytes of %u, %u", i,
			 changes ? generation : 0);
		OR_RETURN(push(sink, path, ENTRY_FILE, text, err));
	}
	return 0;
}

static struct id page_of(struct fixture *f, const struct record *record,
			 uint32_t *ret_bases)
{
	OWNED_HELD struct held held = HELD_INIT;
	OWNED_NODE struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;
	struct id id;

	wanted(0, tree_open(f->repo, record, &tree, &err), &err);
	wanted(0, tree_find(tree, "d07", &node, &err), &err);
	id = node.entry.tree;
	wanted(0, repo_get(f->repo, &id, &held, &err), &err);
	*ret_bases = held.block->base_count;
	node_release(&node);
	node = (struct node)NODE_INIT;
	tree_close(tree);
	return id;
}

/* Of a tree, too: its pages are told by those that stood in their places, in
 * each generation by those of the first, so that nothing is a chain. */
static void test_metadata_likes(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	uint64_t stored = 0;
	uint32_t bases;

	for (generation = 0; generation < 4; generation++) {
		struct id id;

		added(f, push_folders, &result);
		id = page_of(f, &result.record, &bases);
		assert_false(id_is_none(&id));
		if (generation == 0) {
			stored = result.stats.stored_bytes;
			assert_int_equal(result.stats.leaning_blocks, 0);
			assert_int_equal(bases, 0);
		} else {
			assert_in_range(result.stats.new_metas, FOLDERS + 3,
					FOLDERS + 8);
			assert_true(result.stats.leaning_blocks > 0);
			assert_true(bases > 0);
			assert_true(result.stats.stored_bytes < stored / 10);
		}
		ingest_result_release(&result);
	}
}

/* The view. */

static struct buf stream;

static int glue(struct sink *sink, const char *text, struct err *err)
{
	buf_append_str(&stream, text);
	return sink_stream_glue(sink, span_str(text), err);
}

static int member(struct sink *sink, const char *path, const char *text,
		  bool copied, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);
	CLEANUP(free_ptr) char *copy = strdup(text);

	OR_RETURN(glue(sink, "<header of ", err));
	OR_RETURN(glue(sink, path, err));
	OR_RETURN(glue(sink, ">", err));
	OR_RETURN(sink_begin(sink, span_str(path), &file, err));
	buf_append_str(&stream, text);
	OR_RETURN(sink_data(sink, 3, span_str(text), err));
	/* What was given is proved by address or by its bytes; what was not
	 * is kept as it is. */
	OR_RETURN(sink_stream_member(sink, 3, span_str(copied ? copy : text),
				     err));
	return sink_end(sink, strlen(text) + 5, err);
}

static int push_stream(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	buf_clear(&stream);
	OR_RETURN(member(sink, "d/one", "first", false, err));
	OR_RETURN(member(sink, "two", "second", true, err));
	/* replaced */
	OR_RETURN(member(sink, "two", "second again", false, err));
	/* refused when all is settled */
	OR_RETURN(member(sink, "two/three", "third", false, err));
	OR_RETURN(member(sink, "d", "over a directory", false, err));
	/* refused at once: all of it is glue */
	OR_RETURN(glue(sink, "../x bytes", err));
	/* given up half-way */
	OR_RETURN(sink_begin(sink, span_str("lost"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("half"), err));
	buf_append_str(&stream, "half");
	OR_RETURN(sink_stream_member(sink, 0, span_str("half"), err));
	sink_cancel(sink);
	/* replaced, but a link still has it */
	OR_RETURN(member(sink, "old", "kept by a link", false, err));
	OR_RETURN(sink_link(sink, span_str("link"), span_str("old"), err));
	OR_RETURN(member(sink, "old", "new", false, err));
	/* not the bytes that were given */
	OR_RETURN(sink_begin(sink, span_str("liar"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("truth"), err));
	buf_append_str(&stream, "false");
	OR_RETURN(sink_stream_member(sink, 0, span_str("false"), err));
	OR_RETURN(sink_end(sink, 5, err));
	return glue(sink, "<end>", err);
}

static void test_view(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	struct err err = ERR_INIT;
	struct view *view;
	struct tree *tree;
	uint8_t sum[16];
	char *back;
	size_t len;

	added(f, push_stream, &result);
	assert_false(id_is_none(&result.record.view));
	assert_int_equal(result.record.stream_bytes, stream.len);
	tree = open_tree(f, &result);
	wanted(0, view_open(tree, &view, &err), &err);
	assert_int_equal(view_size(view), stream.len);
	back = calloc(1, stream.len);
	wanted(0, view_read(view, 0, back, stream.len, &len, &err), &err);
	assert_int_equal(len, stream.len);
	assert_memory_equal(back, stream.data, stream.len);
	sum128(buf_span(&stream), sum);
	assert_memory_equal(view_sum(view), sum, 16);
	for (size_t at = 0; at < stream.len; at += 7) {
		wanted(0, view_read(view, at, back, 11, &len, &err), &err);
		assert_memory_equal(back, stream.data + at, len);
	}
	free(back);
	view_close(view);
	tree_close(tree);
	ingest_result_release(&result);
	buf_release(&stream);
}

static void test_no_view(void **state)
{
	struct fixture *f = *state;
	struct ingest_options with = options();
	struct ingest_result result;
	struct err err = ERR_INIT;

	with.no_view = true;
	wanted(0, add(f, push_stream, &with, &result, &err), &err);
	assert_true(id_is_none(&result.record.view));
	assert_int_equal(result.record.stream_bytes, stream.len);
	ingest_result_release(&result);
	buf_release(&stream);
}

/* A file of others, and a stream that is put together when they have ended. */

static struct ended {
	struct content content;
	uint64_t size, number;
} parts[3];

static int end_part(struct sink *sink, struct ended *part, uint64_t size,
		    struct err *err)
{
	OR_RETURN(sink_end(sink, size, err));
	part->number = sink_last_number(sink);
	return sink_last_content(sink, &part->content, &part->size);
}

static int push_parts(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);

	OR_RETURN(sink_begin(sink, span_str("z/one"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("the first"), err));
	OR_RETURN(end_part(sink, &parts[0], 9, err));
	sink_aside(sink);
	OR_RETURN(sink_begin(sink, span_str("../nowhere"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_of(large, LARGE), err));
	OR_RETURN(end_part(sink, &parts[1], LARGE, err));
	sink_aside(sink);
	OR_RETURN(sink_begin(sink, span_str(""), &file, err));
	return end_part(sink, &parts[2], 0, err);
}

static int push_joined(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);
	uint64_t at = 3;

	OR_RETURN(push_parts(sink, err));
	OR_RETURN(sink_begin(sink, span_str("all"), &file, err));
	OR_RETURN(sink_data(sink, 0, span_str("<a>"), err));
	for (size_t i = 0; i < 3; i++) {
		OR_RETURN(sink_join(sink, &parts[i].content, parts[i].size,
				    err));
		at += parts[i].size;
	}
	OR_RETURN(sink_data(sink, at, span_str("<z>"), err));
	OR_RETURN(sink_end(sink, at + 3, err));
	OR_RETURN(sink_stream_glue(sink, span_str("head"), err));
	OR_RETURN(sink_stream_file(sink, parts[1].number, 5, LARGE - 9, err));
	OR_RETURN(sink_stream_glue(sink, span_str("mid"), err));
	return sink_stream_file(sink, parts[0].number, 4, 5, err);
}

static char *read_named(struct tree *tree, const char *path, uint64_t *ret_len)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct getter getter = tree_getter(tree);
	struct err err = ERR_INIT;
	char *back;
	size_t len;

	wanted(0, tree_find(tree, path, &node, &err), &err);
	back = calloc(1, node.entry.size + 1);
	wanted(0, content_read_into(&getter, &node.entry.content,
				    node.entry.size, 0, back, node.entry.size,
				    &len, &err), &err);
	assert_int_equal(len, node.entry.size);
	*ret_len = len;
	return back;
}

static void check_joined_view(struct tree *tree)
{
	static const uint8_t none[16];
	const size_t size = 4 + LARGE - 9 + 3 + 5;
	CLEANUP(free_ptr) char *back = calloc(1, size);
	struct err err = ERR_INIT;
	struct view *view;
	size_t len;

	wanted(0, view_open(tree, &view, &err), &err);
	assert_int_equal(view_size(view), size);
	assert_memory_equal(view_sum(view), none, 16);
	wanted(0, view_read(view, 0, back, size, &len, &err), &err);
	assert_int_equal(len, size);
	assert_memory_equal(back, "head", 4);
	assert_memory_equal(back + 4, large + 5, LARGE - 9);
	assert_memory_equal(back + size - 8, "midfirst", 8);
	view_close(view);
}

static void test_joined(void **state)
{
	struct fixture *f = *state;
	struct ingest_result alone, result;
	CLEANUP(free_ptr) char *all = NULL;
	struct tree *tree;
	uint64_t len;

	large = malloc(LARGE + 8);
	make_noise();
	added(f, push_parts, &alone);
	assert_true(id_is_none(&alone.record.view));
	check_tree(f, &alone, "0 . d\n1 z d\n2 z/one - the first\n");
	added(f, push_joined, &result);
	/* Of all only the two literals, of the stream only its glue. */
	assert_int_equal(result.stats.new_chunks, 3);
	tree = open_tree(f, &result);
	all = read_named(tree, "all", &len);
	assert_int_equal(len, 3 + 9 + LARGE + 3);
	assert_memory_equal(all, "<a>the first", 12);
	assert_memory_equal(all + 12, large, LARGE);
	assert_memory_equal(all + 12 + LARGE, "<z>", 3);
	check_joined_view(tree);
	tree_close(tree);
	ingest_result_release(&alone);
	ingest_result_release(&result);
	free(large);
}

static int join_without_file(struct sink *sink, struct err *err)
{
	OR_RETURN(push_parts(sink, err));
	return sink_join(sink, &parts[0].content, parts[0].size, err);
}

static int stream_without_file(struct sink *sink, struct err *err)
{
	OR_RETURN(push_parts(sink, err));
	return sink_stream_file(sink, parts[2].number + 1, 0, 1, err);
}

static void test_joined_wrongly(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	struct err err = ERR_INIT;

	large = malloc(LARGE + 8);
	make_noise();
	wanted(-EINVAL, add(f, join_without_file, NULL, &result, &err), &err);
	wanted(-EINVAL, add(f, stream_without_file, NULL, &result, &err),
	       &err);
	free(large);
}

/* Extended attributes: bounded, sorted, long ones apart. */
static uint8_t value[70000];

static int push_xattrs(struct sink *sink, struct err *err)
{
	struct xattr xattrs[] = {
		{ .name = span_str("user.z"), .value = span_str("") },
		{ .name = span_str("user.long"), .value = { value, 5000 } },
		{ .name = span_str("user.a"), .value = span_str("old") },
		{ .name = span_str("user.huge"), .value = { value, 65537 } },
		{ .name = span_str(""), .value = span_str("x") },
	};
	struct entry file = entry_of(ENTRY_FILE);

	file.xattrs = xattrs;
	file.xattr_count = 5;
	OR_RETURN(sink_begin(sink, span_str("f"), &file, err));
	return sink_end(sink, 0, err);
}

static void test_xattrs(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	OWNED_NODE struct node node = NODE_INIT;
	OWNED_BUF struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;

	memset(value, 'v', sizeof(value));
	added(f, push_xattrs, &result);
	assert_int_equal(result.record.warnings, 1);
	assert_non_null(strstr(buf_str(&told.text), "'f': 2 extended"));
	tree = open_tree(f, &result);
	wanted(0, tree_find(tree, "f", &node, &err), &err);
	assert_int_equal(node.entry.xattr_count, 3);
	assert_true(span_equal(node.entry.xattrs[0].name,
			       span_str("user.a")));
	assert_true(span_equal(node.entry.xattrs[0].value, span_str("old")));
	assert_true(span_equal(node.entry.xattrs[1].name,
			       span_str("user.long")));
	wanted(0, tree_xattr(tree, &node.entry.xattrs[1], &got, &err), &err);
	assert_true(span_equal(buf_span(&got), span_of(value, 5000)));
	node_release(&node);
	node = (struct node)NODE_INIT;
	tree_close(tree);
	ingest_result_release(&result);
}

/* Many entries in a bad order under a small budget. */
#define MANY 20000

static int push_many(struct sink *sink, struct err *err)
{
	for (unsigned i = 0; i < MANY; i++) {
		unsigned n = (i * 7919u) % MANY;
		char path[64], text[32];

		snprintf(path, sizeof(path), "%u/%u/f%u", n % 31, n % 7, n);
		snprintf(text, sizeof(text), "text %u", n % 100);
		OR_RETURN(push(sink, path, ENTRY_FILE, text, err));
	}
	for (int i = 0; i < 12000; i++)
		sink_warn(sink, WEIGHT_FLAWED, span_str("x"), "number %d", i);
	return 0;
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	struct ingest_options with = options();
	struct ingest_result a, b;
	struct err err = ERR_INIT;
	char *notes;

	with.sort_memory = 1u << 18;
	wanted(0, add(f, push_many, &with, &a, &err), &err);
	assert_true(a.sort_runs > 1);
	wanted(0, add(f, push_many, NULL, &b, &err), &err);
	assert_int_equal(b.sort_runs, 0);
	assert_true(id_equal(&a.record.root, &b.record.root));
	assert_int_equal(a.record.entries, 1 + 31 + 31 * 7 + MANY);
	assert_int_equal(a.record.files, MANY);
	/* "first 10 000 lines, then counted" */
	assert_int_equal(a.record.warnings, 12000);
	notes = notes_of(f, &a);
	assert_non_null(strstr(notes, "number 9999\n"));
	assert_null(strstr(notes, "number 10000\n"));
	assert_non_null(strstr(notes, "and 2001 further lines\n"));
	free(notes);
	ingest_result_release(&a);
	ingest_result_release(&b);
}

/* Each step that changes the store fails once: an error with words, and then
 * nothing of the snapshot is there, or all of it. */
struct failing {
	long at;
	atomic_long step;	/* any worker's */
};

static int fail_step(void *arg, enum disk_step step, const char *dir,
		     const char *name, const char *to, uint64_t offset,
		     struct span data)
{
	struct failing *failing = arg;

	(void)step;
	(void)dir;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	return atomic_fetch_add(&failing->step, 1) + 1 == failing->at ?
		-ENOSPC : 0;
}

static int push_some(struct sink *sink, struct err *err)
{
	for (unsigned i = 0; i < 1500; i++) {
		unsigned n = (i * 7919u) % 1500;
		char path[64], text[32];

		snprintf(path, sizeof(path), "%u/f%u", n % 31, n);
		snprintf(text, sizeof(text), "text %u", n);
		OR_RETURN(member(sink, path, text, false, err));
		snprintf(path, sizeof(path), "%u/l%u", n % 7, n);
		snprintf(text, sizeof(text), "%u/f%u", n % 31, n);
		OR_RETURN(sink_link(sink, span_str(path), span_str(text),
				    err));
	}
	return 0;
}

static void test_failing_steps(void **state)
{
	struct fixture *f = *state;
	struct ingest_options with = options();
	long failed = 0;

	with.sort_memory = 1u << 17;
	for (long at = 1;; at += 1 + at / 8) {
		struct failing failing = { .at = at };
		struct err err = ERR_INIT;
		struct ingest_result result;
		int before = snapshots(f), r;

		buf_clear(&stream);
		disk_set_hook(fail_step, &failing);
		r = add(f, push_some, &with, &result, &err);
		disk_set_hook(NULL, NULL);
		if (r < 0) {
			assert_int_equal(err.code, r);
			assert_int_not_equal(err.text[0], 0);
			assert_int_equal(snapshots(f), before);
			failed++;
			continue;
		}
		assert_int_equal(snapshots(f), before + 1);
		assert_int_equal(result.record.files, 3000);
		ingest_result_release(&result);
		if (atomic_load(&failing.step) < at)
			break;
	}
	assert_true(failed > 20);
	buf_release(&stream);
}

static int push_groups(struct sink *sink, struct err *err)
{
	struct entry file = entry_of(ENTRY_FILE);
	struct content content;
	uint64_t size;

	assert_int_equal(sink_last_content(sink, &content, &size), -ENOENT);
	sink_group(sink, 5);
	OR_RETURN(push(sink, "b", ENTRY_FILE, "one file", err));
	assert_int_equal(sink_last_content(sink, &content, &size), 0);
	assert_int_equal(size, 8);
	OR_RETURN(push(sink, "c", ENTRY_FILE, "other", err));
	sink_group(sink, 5);
	file.size = size;
	file.mode = 0;		/* the first's attributes count */
	return sink_same(sink, span_str("a"), &file, &content, err);
}

static void test_groups(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	OWNED_NODE struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;

	added(f, push_groups, &result);
	check_tree(f, &result,
		   "0 . d\n1 a - =1/2 one file\n2 b - =1/2 one file\n"
		   "3 c - other\n");
	assert_int_equal(result.unchanged, 0);
	assert_int_equal(result.record.bytes, 13);
	tree = open_tree(f, &result);
	wanted(0, tree_find(tree, "a", &node, &err), &err);
	assert_int_equal(node.entry.mode, 0644);
	node_release(&node);
	node = (struct node)NODE_INIT;
	tree_close(tree);
	ingest_result_release(&result);
}

/* Files that are as they were keep the time they had. */
static struct pushed {
	int64_t s;
	uint16_t mode;
	const char *changing;
} pushed;

static int push_timed(struct sink *sink, struct err *err)
{
	static const char *const paths[] = { "d/same", "d/changing", "bare" };

	sink_keep_times(sink);
	for (size_t i = 0; i < 3; i++) {
		struct entry entry = entry_of(ENTRY_FILE);
		const char *text = i == 1 ? pushed.changing : "text";

		entry.uname = span_of(NULL, 0);
		entry.mtime = (struct stamp){ pushed.s, 7 };
		entry.mode = pushed.mode;
		OR_RETURN(sink_begin(sink, span_str(paths[i]), &entry, err));
		OR_RETURN(sink_data(sink, 0, span_str(text), err));
		OR_RETURN(sink_end(sink, strlen(text), err));
		if (i == 2)
			assert_true(sink_last_mtime(sink).s <= pushed.s);
	}
	return 0;
}

/* As pushed at s with changing's text: the mtimes are these. */
static void check_times(struct fixture *f, struct pushed what, bool reread,
			int64_t same, int64_t changing)
{
	struct ingest_options with = options();
	struct ingest_result result;
	struct err err = ERR_INIT;
	struct node node;
	struct tree *tree;

	pushed = what;
	with.time.s = 1611343651 + what.s;
	with.reread = reread;
	wanted(0, add(f, push_timed, &with, &result, &err), &err);
	tree = open_tree(f, &result);
	wanted(0, tree_find(tree, "d/same", &node, &err), &err);
	assert_int_equal(node.entry.mtime.s, same);
	assert_int_equal(node.entry.mtime.ns, 7);
	node_release(&node);
	wanted(0, tree_find(tree, "bare", &node, &err), &err);
	assert_int_equal(node.entry.mtime.s, same);
	node_release(&node);
	wanted(0, tree_find(tree, "d/changing", &node, &err), &err);
	assert_int_equal(node.entry.mtime.s, changing);
	node_release(&node);
	tree_close(tree);
	ingest_result_release(&result);
}

static void test_keep_times(void **state)
{
	struct fixture *f = *state;

	check_times(f, (struct pushed){ 100, 0644, "one" }, false, 100, 100);
	check_times(f, (struct pushed){ 200, 0644, "two" }, false, 100, 200);
	check_times(f, (struct pushed){ 300, 0644, "two" }, false, 100, 200);
	/* One of before is not dated after itself. */
	check_times(f, (struct pushed){ 50, 0644, "two" }, false, 50, 50);
	/* What has another mode is another file. */
	check_times(f, (struct pushed){ 400, 0600, "two" }, false, 400, 400);
	check_times(f, (struct pushed){ 500, 0600, "two" }, true, 500, 500);
}

int main(void)
{
#define TEST(t) \
	cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_mixture),
		TEST(test_refused),
		TEST(test_when),
		TEST(test_incomplete),
		TEST(test_empty),
		TEST(test_failures),
		TEST(test_sparse),
		TEST(test_pieces),
		TEST(test_likes),
		TEST(test_metadata_likes),
		TEST(test_sealed),
		TEST(test_view),
		TEST(test_no_view),
		TEST(test_joined),
		TEST(test_joined_wrongly),
		TEST(test_xattrs),
		TEST(test_many),
		TEST(test_failing_steps),
		TEST(test_groups),
		TEST(test_keep_times),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_release(&told.text);
	return r;
}
