#include "indexer/checkpoint_internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "indexer/rocks_tree.h"
#include "indexer/rocksdb/rocks_find.h"
#include "indexer/subtree.h"

#define FAMILIES_NAMED	1024	/* bytes of an attribute that lists them */
#define CHANGED_WAIT_NS 500000000
#define CHANGED_NOW_S	3	/* so young a change may be one of several */

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* path ends with the number of a checkpoint, in a directory of them. */
static bool is_numbered(const char *path)
{
	CLEANUP(free_ptr) char *whole = realpath(path, NULL);
	char *slash = whole ? strrchr(whole, '/') : NULL;
	bool unfinished;
	uint64_t number;

	if (!slash || !rocks_number(span_str(slash + 1), &number, &unfinished))
		return false;
	*slash = '\0';
	slash = strrchr(whole, '/');
	return slash && rocks_holds_checkpoints(span_str(slash + 1));
}

static int checkpoint_probe(const struct input *input, const struct stat *st,
			    struct span head)
{
	CLEANUP(close_dir) DIR *dir = NULL;
	struct rocks_marks marks = { .lock = false };
	struct dirent *entry;

	(void)head;
	if (!S_ISDIR(st->st_mode) || input->fd >= 0)
		return 0;
	dir = opendir(input->path);
	while (dir && (entry = readdir(dir)) && !rocks_marks_sure(&marks))
		if (entry->d_type != DT_DIR)
			rocks_marks_take(&marks, entry->d_name);
	if (rocks_marks_sure(&marks))
		return 80;
	return rocks_marks_any(&marks) && is_numbered(input->path) ? 80 : 0;
}

static const char *part_value(const struct input *input, const char *key)
{
	const struct part *part = input->part;

	for (size_t i = 0; part && i < part->attr_count; i++)
		if (!strcmp(part->attrs[i].key, key))
			return part->attrs[i].value;
	return NULL;
}

static int checkpoint_read(const struct input *input, struct sink *sink,
			   struct err *err)
{
	const char *consistency = part_value(input, ATTR_CONSISTENCY);
	struct input in = *input;
	int r;

	/* what is left out of a checkpoint makes it worthless */
	in.exclude = NULL;
	in.skip_caches = false;
	in.is_sealed = rocks_is_sealed;
	r = in.tree ? subtree_read(&in, sink, err) :
		      reader_dir.read(&in, sink, err);
	if (r == 0)
		sink_format(sink, consistency &&
			    !strcmp(consistency, CRASH_LEVEL) ?
			    "RocksDB database" : "RocksDB checkpoint");
	return r;
}

/* What it is. */

static void put_text(struct sink *sink, const char *key, struct buf *text)
{
	const char *value = buf_str(text);

	if (value)
		sink_attr(sink, key, value);
	else
		sink_warn(sink, WEIGHT_FLAWED, span_of(NULL, 0), "attribute "
			  "%s of the snapshot could not be kept", key);
}

static void put_span(struct sink *sink, const char *key, struct span value)
{
	OWNED_BUF struct buf text = BUF_INIT;

	if (value.len == 0)
		return;
	rocks_key_text(value, &text);
	put_text(sink, key, &text);
}

static void put_number(struct sink *sink, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	sink_attr(sink, key, text);
}

static void put_families(struct sink *sink, const struct rocks *rocks)
{
	OWNED_BUF struct buf text = BUF_INIT;
	size_t i;

	for (i = 0; i < rocks->family_count && text.len < FAMILIES_NAMED; i++) {
		if (i > 0)
			buf_append_str(&text, ", ");
		rocks_key_text(rocks->families[i].name, &text);
	}
	if (i < rocks->family_count)
		buf_printf(&text, " and %zu more", rocks->family_count - i);
	put_text(sink, "families", &text);
}

static void put_facts(struct sink *sink, const struct rocks *rocks)
{
	put_span(sink, "db_id", rocks->db_id);
	put_span(sink, "rocksdb", rocks->version);
	if (!rocks->has_manifest)
		return;
	put_number(sink, "last_sequence", rocks->last_sequence);
	put_families(sink, rocks);
	put_number(sink, "tables", rocks->file_count);
	put_number(sink, "blobs", rocks->blob_count);
}

static void tell_findings(struct sink *sink, const struct rocks *rocks)
{
	uint64_t all = rocks->notes + rocks->incomplete + rocks->damaged;

	for (size_t i = 0; i < rocks->finding_count; i++) {
		const struct rocks_finding *f = &rocks->findings[i];
		enum weight weight = f->weight == ROCKS_NOTE ? WEIGHT_NOTE :
							       WEIGHT_LOST;
		struct span file = span_str(f->file);

		if (f->has_offset)
			sink_warn(sink, weight, file, "byte %" PRIu64 ": %s",
				  f->offset, f->text);
		else
			sink_warn(sink, weight, file, "%s", f->text);
	}
	if (all > rocks->finding_count)
		sink_warn(sink, WEIGHT_LOST, span_of(NULL, 0), "%" PRIu64
			  " more of its files are not as they should be",
			  all - rocks->finding_count);
}

/*
 * One that is not complete may be on its way: being removed, or written.
 * -ENOENT: it is gone; -EAGAIN: it is another one now, or may be at once.
 */
static int check_still(const struct input *input, struct tree *tree,
		       struct err *err)
{
	struct timespec nap = { .tv_nsec = CHANGED_WAIT_NS };
	struct stat st = { .st_mode = 0 };
	bool is_young;
	int r;

	if (stat(input->path, &st) < 0 && errno == ENOENT)
		return err_set(err, -ENOENT, "it was removed while it was "
			       "read");
	if (input->last_try)
		return 0;
	r = checkpoint_is_as(input->path, tree, err);
	is_young = st.st_mtim.tv_sec + CHANGED_NOW_S > stamp_now().s;
	if (r < 0 || (r > 0 && !is_young))
		return r < 0 ? r : 0;
	nanosleep(&nap, NULL);
	return err_set(err, -EAGAIN, "it changed while it was read");
}

static char *last_name(const char *path)
{
	CLEANUP(free_ptr) char *whole = realpath(path, NULL);
	const char *slash;

	if (!whole)
		whole = strdup(path);
	if (!whole)
		return NULL;
	slash = strrchr(whole, '/');
	return strdup(slash ? slash + 1 : whole);
}

static char *name_of(const struct input *input)
{
	const char *slash;

	if (!input->tree)
		return last_name(input->path);
	slash = strrchr(input->path, '/');
	return strdup(slash ? slash + 1 : input->path);
}

static int checkpoint_judge(const struct input *input, struct tree *tree,
			    struct sink *sink, struct err *err)
{
	OWNED_ROCKS_TREE struct rocks_tree place = ROCKS_TREE_INIT;
	OWNED_ROCKS struct rocks *rocks = NULL;
	OWNED_NODE struct node root = NODE_INIT;
	CLEANUP(free_ptr) char *name = name_of(input);
	bool is_empty;
	int r = name ? tree_root(tree, &root, err) : err_nomem(err);

	if (r < 0)
		return r;
	rocks_tree_init(&place, tree, &root);
	r = rocks_open(&place.source, name, 0, &rocks, err);
	is_empty = r == -ENODATA;
	if (r == -EBADMSG || r == -EIO)
		err_hint(err, "what the store has of it is damaged; --reread "
			 "reads all of it anew");
	if (r < 0 && !is_empty)
		return r;
	if (!input->tree && (is_empty || !rocks_is_complete(rocks))) {
		r = check_still(input, tree, err);
		if (r < 0)
			return r;
	}
	if (is_empty) {
		sink_warn(sink, WEIGHT_LOST, span_of(NULL, 0), "there is no "
			  "file of RocksDB in it");
		return 0;
	}
	tell_findings(sink, rocks);
	put_facts(sink, rocks);
	return 0;
}

const struct reader reader_rocksdb = {
	.kind = "rocksdb",
	.about = "RocksDB checkpoints, a snapshot of each, in a directory or "
		 "an archive",
	.probe = checkpoint_probe,
	.read = checkpoint_read,
	.parts = checkpoint_parts,
	.known = checkpoint_known,
	.judge = checkpoint_judge,
};
