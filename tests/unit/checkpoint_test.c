#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "indexer/ingest.h"
#include "rocks_maker.h"

/* A database's directory with checkpoints of it, beside the store. */
struct rig {
	struct fixture *f;
	char top[64];
	struct made_dir made;
	struct parts parts;
	struct ingest_result result;
	struct buf told;
	bool last_try;
	const char *meanwhile;	/* a shell's command, run while it is read: */
	const char *when;	/* when this phase begins */
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	fixture_setup((void **)&rig->f);
	strcpy(rig->top, "/tmp/varve-rocks.XXXXXX");
	assert_non_null(mkdtemp(rig->top));
	made_checkpoint(&rig->made);
	*state = rig;
	return 0;
}

static void PRINTF(2, 3) shell(const struct rig *rig, const char *fmt, ...)
{
	char command[512] = "cd ";
	va_list ap;

	strcat(command, rig->top);
	strcat(command, " && ");
	va_start(ap, fmt);
	vsnprintf(command + strlen(command),
		  sizeof(command) - strlen(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	shell(rig, "rm -rf %s", rig->top);
	parts_release(&rig->parts);
	ingest_result_release(&rig->result);
	made_release(&rig->made);
	buf_release(&rig->told);
	fixture_teardown((void **)&rig->f);
	free(rig);
	return 0;
}

/* The made checkpoint as a directory, all of an hour ago. */
static void put(struct rig *rig, const char *path)
{
	shell(rig, "mkdir -p %s", path);
	for (size_t i = 0; i < rig->made.count; i++) {
		const struct made_file *file = &rig->made.file[i];
		char name[256];
		FILE *out;

		snprintf(name, sizeof(name), "%s/%s/%s", rig->top, path,
			 file->name);
		out = fopen(name, "w");
		assert_non_null(out);
		fwrite(file->bytes.data, 1, file->bytes.len, out);
		assert_int_equal(fclose(out), 0);
	}
	shell(rig, "touch -d '1 hour ago' %s/* && touch -d '@1600000000.25' "
	      "%s", path, path);
}

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct rig *rig = arg;

	buf_printf(&rig->told, "%d %s\n", weight, sentence);
}

static void take_progress(void *arg, const struct ingest_progress *progress)
{
	struct rig *rig = arg;

	if (!rig->meanwhile || strcmp(progress->phase, rig->when) != 0)
		return;
	shell(rig, "%s", rig->meanwhile);
	rig->meanwhile = NULL;
}

static void find(struct rig *rig, const char *path)
{
	struct input input = { .path = path, .fd = -1, .repo = rig->f->repo };
	struct err err = ERR_INIT;

	parts_release(&rig->parts);
	buf_clear(&rig->told);
	rig->parts.warn = take_warning;
	rig->parts.arg = rig;
	wanted(0, reader_rocksdb.parts(&input, &rig->parts, &err), &err);
}

static struct input input_of(const struct rig *rig, size_t n, char *path)
{
	sprintf(path, "%s/%s", rig->top, rig->parts.part[n].path);
	return (struct input){
		.path = path, .fd = -1, .size = UINT64_MAX,
		.repo = rig->f->repo, .part = &rig->parts.part[n],
		.last_try = rig->last_try,
	};
}

static int add_input(struct rig *rig, const struct input *input,
		     const char *source, struct err *err)
{
	const struct part *part = input->part;
	const struct ingest_options options = {
		.source = source,
		.time = part && part->has_time ? part->time : stamp_now(),
		.time_from = "mtime",
		.input_name = input->path,
		.warn = take_warning,
		.progress = take_progress,
		.arg = rig,
	};

	ingest_result_release(&rig->result);
	buf_clear(&rig->told);
	return ingest(rig->f->repo, part ? &reader_rocksdb : &reader_dir,
		      input, &options, &rig->result, err);
}

static int try_add(struct rig *rig, size_t n, struct err *err)
{
	char path[256];
	struct input input = input_of(rig, n, path);

	return add_input(rig, &input, "vmbc/r1", err);
}

static void add(struct rig *rig, size_t n)
{
	struct err err = ERR_INIT;

	wanted(0, try_add(rig, n, &err), &err);
}

static const char *attr(const struct rig *rig, const char *key)
{
	const char *value = record_attr(&rig->result.record, key);

	return value ? value : "";
}

/* Is the part in the store, and complete? */
static int known(struct rig *rig, const struct input *input,
		 const char *source)
{
	struct snapshot found = { .forgotten = false };
	struct err err = ERR_INIT;
	int r = reader_rocksdb.known(input, source, &found, &err);

	assert_true(r >= 0);
	if (r == 1 && found.record.incomplete)
		r = 2;
	(void)rig;
	snapshot_release(&found);
	return r;
}

static int is_known(struct rig *rig, size_t n)
{
	char path[256];
	struct input input = input_of(rig, n, path);

	return known(rig, &input, "vmbc/r1");
}

static uint64_t snapshots(struct rig *rig, const char *source);

static void test_a_checkpoint_is_a_snapshot(void **state)
{
	struct rig *rig = *state;

	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	assert_int_equal(rig->parts.count, 1);
	assert_string_equal(rig->parts.part[0].label, "checkpoint 1500");
	assert_string_equal(rig->parts.part[0].source, "");
	add(rig, 0);
	assert_null(rig->result.record.incomplete);
	assert_string_equal(rig->result.record.kind, "rocksdb");
	assert_string_equal(attr(rig, "checkpoint"), "1500");
	assert_string_equal(attr(rig, "consistency"), "checkpoint");
	assert_string_equal(attr(rig, "families"), "default, blocks");
	assert_string_equal(attr(rig, "tables"), "2");
	assert_string_equal(attr(rig, "blobs"), "1");
	assert_int_equal(rig->result.record.time.s, 1600000000);
	assert_int_equal(rig->result.record.time.ns, 250000000);
}

static void test_each_file_that_is_gone_or_cut_makes_it_incomplete(
	void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < rig->made.count; i++) {
		const char *name = rig->made.file[i].name;
		char wanted_name[80];

		/* nothing tells of these two that they were there */
		if (strstr(name, ".log") || !strcmp(name, "IDENTITY") ||
		    strstr(name, "OPTIONS"))
			continue;
		snprintf(wanted_name, sizeof(wanted_name), "'%s': ", name);
		put(rig, "checkpoints/1500");
		find(rig, rig->top);
		shell(rig, "rm checkpoints/1500/%s && "
		      "touch -d '1 hour ago' checkpoints/1500", name);
		add(rig, 0);
		assert_non_null(rig->result.record.incomplete);
		assert_non_null(strstr(buf_str(&rig->told), wanted_name));
		put(rig, "checkpoints/1500");
		shell(rig, "truncate -s -1 checkpoints/1500/%s", name);
		add(rig, 0);
		assert_non_null(rig->result.record.incomplete);
		assert_non_null(strstr(buf_str(&rig->told), wanted_name));
	}
}

static void test_an_unfinished_one_says_so(void **state)
{
	struct rig *rig = *state;

	put(rig, "checkpoints/1500.tmp");
	find(rig, rig->top);
	add(rig, 0);
	assert_non_null(strstr(rig->result.record.incomplete, "unfinished"));
	assert_string_equal(attr(rig, "checkpoint"), "1500.tmp");
	assert_int_equal(is_known(rig, 0), 2);
}

static void test_one_that_is_there_is_known(void **state)
{
	struct rig *rig = *state;

	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	assert_int_equal(is_known(rig, 0), 0);
	add(rig, 0);
	assert_int_equal(is_known(rig, 0), 1);
	/* the next checkpoint has the same tables: their ctime changes */
	shell(rig, "cp -al checkpoints/1500 checkpoints/3000");
	assert_int_equal(is_known(rig, 0), 1);
	find(rig, rig->top);
	assert_int_equal(rig->parts.count, 2);
	assert_int_equal(is_known(rig, 0), 1);
	/* another number is another checkpoint, whatever is in it */
	assert_int_equal(is_known(rig, 1), 0);
}

static void test_what_differs_is_not_known(void **state)
{
	static const char *const changes[] = {
		"touch -d '2 hours ago' checkpoints/1500/CURRENT",
		"echo >>checkpoints/1500/MANIFEST-000005",
		"rm checkpoints/1500/OPTIONS-000007",
		"touch checkpoints/1500/LOG",
		"rm checkpoints/1500/OPTIONS-000007 && "
		"mkdir checkpoints/1500/OPTIONS-000007",
		"cp -p checkpoints/1500/CURRENT copy && "
		"mv copy checkpoints/1500/CURRENT",
		"rm -r checkpoints/1500",
	};
	struct rig *rig = *state;

	/* "size, mtime, inode": each alone */
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		shell(rig, "rm -rf checkpoints");
		put(rig, "checkpoints/1500");
		/* only of what stood still the inode is remembered */
		find(rig, rig->top);
		if (strstr(changes[i], "copy"))
			sleep(3);
		add(rig, 0);
		assert_int_equal(is_known(rig, 0), 1);
		shell(rig, "%s", changes[i]);
		assert_int_equal(is_known(rig, 0), 0);
	}
}

static void test_tables_are_read_once(void **state)
{
	struct rig *rig = *state;
	uint64_t sealed = 0;

	for (size_t i = 0; i < rig->made.count; i++)
		sealed += strstr(rig->made.file[i].name, ".sst") ||
			  strstr(rig->made.file[i].name, ".blob");
	assert_int_equal(sealed, 3);
	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	add(rig, 0);
	assert_int_equal(rig->result.unchanged, 0);
	/* a new checkpoint: links to the tables, and copies of the others */
	shell(rig, "mkdir checkpoints/3000 && cd checkpoints && "
	      "ln 1500/*.sst 1500/*.blob 3000 && cp -n 1500/* 3000");
	find(rig, rig->top);
	add(rig, 1);
	assert_null(rig->result.record.incomplete);
	assert_string_equal(attr(rig, "checkpoint"), "3000");
	assert_int_equal(rig->result.unchanged, sealed);
}

static void test_one_that_is_removed_leaves_no_snapshot(void **state)
{
	struct rig *rig = *state;
	struct err err = ERR_INIT;

	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	rig->when = "reading";
	rig->meanwhile = "rm -r checkpoints/1500";
	assert_int_equal(try_add(rig, 0, &err), -ENOENT);
	/* also the last time that it is tried */
	put(rig, "checkpoints/1500");
	rig->last_try = true;
	rig->meanwhile = "rm -r checkpoints/1500";
	assert_int_equal(try_add(rig, 0, &err), -ENOENT);
	assert_int_equal(snapshots(rig, "vmbc/r1"), 0);
	/* what was read before is whole, and kept */
	put(rig, "checkpoints/1500");
	rig->when = "sorting";
	rig->meanwhile = "rm -r checkpoints/1500";
	add(rig, 0);
	assert_null(rig->result.record.incomplete);
}

static void test_one_that_changes_is_read_again(void **state)
{
	struct rig *rig = *state;
	struct err err = ERR_INIT;

	/* the last of its tables comes when the others were read */
	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	shell(rig, "mv checkpoints/1500/*.sst .");
	rig->when = "sorting";
	rig->meanwhile = "mv *.sst checkpoints/1500";
	assert_int_equal(try_add(rig, 0, &err), -EAGAIN);
	assert_int_equal(snapshots(rig, "vmbc/r1"), 0);
	add(rig, 0);
	assert_null(rig->result.record.incomplete);
	/* what changed a moment ago may go on changing */
	shell(rig, "mv checkpoints/1500/*.sst .");
	assert_int_equal(try_add(rig, 0, &err), -EAGAIN);
	shell(rig, "mv *.sst checkpoints/1500");
	/* there is no end to it: then it is what it is */
	shell(rig, "mv checkpoints/1500/*.sst .");
	rig->last_try = true;
	rig->meanwhile = "mv *.sst checkpoints/1500";
	add(rig, 0);
	assert_non_null(rig->result.record.incomplete);
}

static int count(void *arg, const struct snapshot *snapshot, struct err *err)
{
	(void)snapshot;
	(void)err;
	++*(uint64_t *)arg;
	return 0;
}

static uint64_t snapshots(struct rig *rig, const char *source)
{
	struct err err = ERR_INIT;
	uint64_t n = 0;

	wanted(0, catalog_each_snapshot(repo_catalog(rig->f->repo), source,
					false, count, &n, &err), &err);
	return n;
}

/* One in a snapshot of the directory above it, without reading a byte. */
static void test_one_out_of_a_snapshot(void **state)
{
	struct rig *rig = *state;
	struct input outer = { .path = rig->top, .fd = -1,
			       .size = UINT64_MAX, .repo = rig->f->repo };
	struct input inner = { .path = "", .fd = -1, .size = UINT64_MAX,
			       .repo = rig->f->repo };
	struct err err = ERR_INIT;
	struct tree *tree;
	uint64_t bytes;

	put(rig, "db/checkpoints/1500");
	put(rig, "db/checkpoints/3000");
	/* names of one file within and without */
	shell(rig, "ln db/checkpoints/1500/CURRENT db/checkpoints/1500/second "
	      "&& ln db/checkpoints/1500/CURRENT a-name");
	shell(rig, "rm db/checkpoints/3000/CURRENT");
	wanted(0, add_input(rig, &outer, "outer", &err), &err);
	assert_int_equal(rig->result.checkpoints, 1);
	wanted(0, tree_open(rig->f->repo, &rig->result.record, &tree, &err),
	       &err);
	inner.tree = tree;
	parts_release(&rig->parts);
	wanted(0, reader_rocksdb.parts(&inner, &rig->parts, &err), &err);
	assert_int_equal(rig->parts.count, 2);
	assert_string_equal(rig->parts.part[0].path, "db/checkpoints/1500");
	assert_string_equal(rig->parts.part[0].source, "db");

	inner.path = rig->parts.part[0].path;
	inner.part = &rig->parts.part[0];
	assert_int_equal(known(rig, &inner, "outer/db"), 0);
	wanted(0, add_input(rig, &inner, "outer/db", &err), &err);
	assert_null(rig->result.record.incomplete);
	assert_int_equal(rig->result.record.files, rig->made.count + 1);
	assert_int_equal(rig->result.stats.new_chunks, 0);
	/* two names of one file are one file still */
	bytes = 0;
	for (size_t i = 0; i < rig->made.count; i++)
		bytes += rig->made.file[i].bytes.len;
	assert_int_equal(rig->result.record.bytes, bytes);
	assert_int_equal(known(rig, &inner, "outer/db"), 1);

	inner.path = rig->parts.part[1].path;
	inner.part = &rig->parts.part[1];
	wanted(0, add_input(rig, &inner, "outer/db", &err), &err);
	assert_non_null(strstr(rig->result.record.incomplete, "CURRENT"));
	assert_int_equal(known(rig, &inner, "outer/db"), 2);
	tree_close(tree);
}

static void test_a_database_is_crash_level(void **state)
{
	struct rig *rig = *state;

	put(rig, ".");
	shell(rig, "touch LOCK");
	find(rig, rig->top);
	assert_int_equal(rig->parts.count, 1);
	assert_false(rig->parts.part[0].has_time);
	add(rig, 0);
	assert_null(rig->result.record.incomplete);
	assert_string_equal(attr(rig, "consistency"), "crash");
	assert_string_equal(attr(rig, "checkpoint"), "");
	/* it goes on: what was true of it an hour ago is old */
	assert_int_equal(is_known(rig, 0), 0);
	/* beside checkpoints it is left out */
	put(rig, "checkpoints/1500");
	find(rig, rig->top);
	assert_int_equal(rig->parts.count, 1);
	assert_string_equal(rig->parts.part[0].path, "checkpoints/1500");
	assert_non_null(strstr(buf_str(&rig->told), "not the database"));
}

static void test_where_there_is_none(void **state)
{
	struct rig *rig = *state;
	struct input input = { .path = rig->top, .fd = -1,
			       .repo = rig->f->repo };
	struct err err = ERR_INIT;

	shell(rig, "mkdir -p checkpoints/1 a && ln -s / checkpoints/2 && "
	      "ln -s / a/checkpoints");
	rig->parts.warn = take_warning;
	rig->parts.arg = rig;
	assert_int_equal(reader_rocksdb.parts(&input, &rig->parts, &err),
			 -ENODATA);
	assert_non_null(strstr(err.text, rig->top));
	assert_string_equal(buf_str(&rig->told), "1 'a/checkpoints' is a "
			    "symbolic link, behind which no checkpoint is "
			    "looked for\n");
}

static void test_what_it_is_called_after(void **state)
{
	struct rig *rig = *state;
	char path[128];

	put(rig, "db/checkpoints/1500");
	snprintf(path, sizeof(path), "%s/db", rig->top);
	find(rig, path);
	assert_string_equal(rig->parts.named_after, path);
	strcat(path, "/checkpoints");
	find(rig, path);
	path[strlen(path) - strlen("/checkpoints")] = '\0';
	assert_string_equal(rig->parts.named_after, path);
	strcat(path, "/checkpoints/1500");
	find(rig, path);
	assert_string_equal(rig->parts.part[0].label, "checkpoint 1500");
	path[strlen(path) - strlen("/checkpoints/1500")] = '\0';
	assert_string_equal(rig->parts.named_after, path);
}

static void test_probe(void **state)
{
	struct rig *rig = *state;
	struct input input = { .fd = -1 };
	struct stat st;
	char path[128];

	put(rig, "checkpoints/1500");
	put(rig, "copy");
	shell(rig, "mkdir checkpoints/9 one && cp copy/CURRENT checkpoints/9 "
	      "&& cp copy/CURRENT one");
	input.path = path;
	for (int i = 0; i < 5; i++) {
		static const struct {
			const char *path;
			int sure;
		} cases[] = {
			{ "checkpoints/1500", 80 }, { "copy", 80 },
			{ "checkpoints/9", 80 }, { "checkpoints", 0 },
			{ "one", 0 },
		};

		snprintf(path, sizeof(path), "%s/%s", rig->top,
			 cases[i].path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(reader_rocksdb.probe(&input, &st,
						      span_of(NULL, 0)),
				 cases[i].sure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_checkpoint_is_a_snapshot),
		T(test_each_file_that_is_gone_or_cut_makes_it_incomplete),
		T(test_an_unfinished_one_says_so),
		T(test_one_that_is_there_is_known),
		T(test_what_differs_is_not_known),
		T(test_tables_are_read_once),
		T(test_one_that_is_removed_leaves_no_snapshot),
		T(test_one_that_changes_is_read_again),
		T(test_one_out_of_a_snapshot),
		T(test_a_database_is_crash_level),
		T(test_where_there_is_none),
		T(test_what_it_is_called_after),
		T(test_probe),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
