#include "indexer/sink_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fs/tree/rows.h"
#include "indexer/key.h"
#include "indexer/rocksdb/rocks_find.h"

#define SORT_MEMORY (24u << 20)

static int drop_item(void *arg, uint64_t seq, const struct entry *entry,
		     struct err *err)
{
	struct sink *sink = arg;

	return recipe_apart(&sink->recipe, seq, &entry->content, entry->size,
			    err);
}

static void warn_item(void *arg, enum weight weight, struct span key,
		      const char *sentence)
{
	sink_warn_key(arg, weight, key, sentence);
}

int sink_init(struct sink *sink, struct repo *repo,
	      struct deposit *deposit, const struct ingest_options *options,
	      uint64_t input_total, struct err *err)
{
	size_t budget = options->sort_memory ? options->sort_memory
					     : SORT_MEMORY;
	struct settle_options settle = {
		.dir = repo_dir(repo),
		.budget = budget,
		.time = options->time,
		.warn = warn_item,
		.dropped = drop_item,
		.stop = options->stop,
		.arg = sink,
	};
	int r;

	*sink = (struct sink){
		.repo = repo,
		.options = options,
		.deposit = deposit,
		.input_total = input_total,
		.phase = "reading",
	};
	chunker_init(&sink->chunker, repo_key(repo)->seed);
	r = cutter_init(&sink->file, deposit, &sink->chunker, err);
	sink->file.likes.find = sink_find_former;
	sink->file.likes.arg = sink;
	if (r == 0)
		r = cutter_init(&sink->rows, deposit, &sink->chunker, err);
	if (r == 0)
		r = recipe_init(&sink->recipe, deposit, &sink->chunker,
				repo_dir(repo), budget / 8, err);
	if (r < 0)
		return r;
	sink->settle = settle_new(&settle);
	sink->xattrs = calloc(XATTRS_MAX, sizeof(*sink->xattrs));
	return sink->settle && sink->xattrs ? 0 : err_nomem(err);
}

void sink_release(struct sink *sink)
{
	settle_free(sink->settle);
	tree_close(sink->own_former);
	cutter_release(&sink->file);
	cutter_release(&sink->rows);
	buf_release(&sink->row);
	recipe_release(&sink->recipe);
	buf_release(&sink->notes.text);
	free(sink->notes.incomplete);
	record_release(&sink->record);
	buf_release(&sink->key);
	buf_release(&sink->target);
	buf_release(&sink->item);
	free(sink->xattrs);
	rocks_tally_release(&sink->checkpoints);
}

bool sink_stopped(const struct sink *sink)
{
	return sink->options->stop && *sink->options->stop;
}

void sink_ahead(struct sink *sink, uint64_t files)
{
	sink->ahead += files;
}

int sink_check_stop(const struct sink *sink, struct err *err)
{
	return sink_stopped(sink) ? err_set(err, -ECANCELED, "stopped") : 0;
}

void sink_format(struct sink *sink, const char *format)
{
	char *copy = strdup(format);

	if (!copy)
		return;
	free(sink->record.format);
	sink->record.format = copy;
}

void sink_attr(struct sink *sink, const char *key, const char *value)
{
	if (record_add_attr(&sink->record, key, value) < 0)
		sink_warn(sink, WEIGHT_FLAWED, span_of(NULL, 0),
			  "attribute %s of the snapshot could not be kept",
			  key);
}

int sink_row(struct sink *sink, const char *table, struct span object,
	     struct err *err)
{
	int r;

	buf_clear(&sink->row);
	r = row_write(span_str(table), object, &sink->row, err);
	return r < 0 ? r : cutter_add(&sink->rows, buf_span(&sink->row), err);
}

struct deposit *sink_deposit(struct sink *sink)
{
	return sink->deposit;
}

void sink_group(struct sink *sink, uint64_t group)
{
	sink->group = group;
}

void sink_origin(struct sink *sink, const uint8_t origin[ORIGIN_WIDTH])
{
	memcpy(sink->origin, origin, ORIGIN_WIDTH);
	sink->has_origin = true;
}

/* Entries. */

static void tell_absolute(struct sink *sink, struct span path)
{
	if (sink->told_absolute)
		return;
	sink->told_absolute = true;
	sink_warn(sink, WEIGHT_NOTE, path,
		  "the leading '/' is taken off this and other names");
}

/* 1: path is in sink->key; 0: refused, with a warning. */
static int take_path(struct sink *sink, struct span path, struct buf *key,
		     struct err *err)
{
	const char *why = NULL;
	bool absolute = false;
	int r = key_make(path, key, &absolute, &why);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0) {
		sink_warn(sink, WEIGHT_REFUSED, path, "%s: refused", why);
		return 0;
	}
	if (absolute)
		tell_absolute(sink, path);
	return 1;
}

/* 0, or -EINVAL and why the entry cannot be kept. */
static int check_entry(struct span key, const struct entry *entry,
		       struct err *why)
{
	struct entry alone = *entry;

	if (entry->type < ENTRY_FILE || entry->type > ENTRY_SOCKET)
		return err_set(why, -EINVAL, "is of a type that is not known");
	if (key.len == 0 && entry->type != ENTRY_DIR)
		return err_set(why, -EINVAL,
			       "has no name and is no directory");
	if (entry->type == ENTRY_SYMLINK && entry->target.len == 0)
		return err_set(why, -EINVAL, "is a symbolic link to nothing");
	alone.name = key_name(key);
	alone.content = (struct content){ .count = 0 };
	alone.size = entry->type == ENTRY_SYMLINK ? entry->target.len : 0;
	alone.below = alone.dirs_below = 0;
	alone.tree = (struct id){ .len = 0 };
	alone.tree_levels = 0;
	return entry_check(&alone, why);
}

static bool xattr_fits(const struct xattr *xattr)
{
	return xattr->name.len > 0 && xattr->name.len <= XATTR_NAME_MAX &&
	       !memchr(xattr->name.data, '\0', xattr->name.len) &&
	       xattr->value.len <= XATTR_VALUE_MAX;
}

static int take_xattr(struct sink *sink, const struct xattr *from,
		      struct xattr *to, struct err *err)
{
	*to = *from;
	if (!id_is_none(&from->chunk))
		return 0;
	to->value_len = (uint32_t)from->value.len;
	if (from->value.len <= XATTR_INLINE_MAX)
		return 0;
	to->value = span_of(NULL, 0);
	return deposit_chunk(sink->deposit, CHUNK_SMALL, from->value,
			     &to->chunk, err);
}

static int order_xattrs(const void *a, const void *b)
{
	return span_cmp(((const struct xattr *)a)->name,
			((const struct xattr *)b)->name);
}

/* Bounded, sorted by name (the order a file system lists them in is no fact of
 * the file), long values as chunks. */
static int take_xattrs(struct sink *sink, struct span path,
		       struct entry *entry, struct err *err)
{
	uint32_t count = 0, unique = 0, left_out = 0;

	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		int r;

		if (count == XATTRS_MAX || !xattr_fits(&entry->xattrs[i])) {
			left_out++;
			continue;
		}
		r = take_xattr(sink, &entry->xattrs[i],
			       &sink->xattrs[count++], err);
		if (r < 0)
			return r;
	}
	if (left_out)
		sink_warn(sink, WEIGHT_FLAWED, path,
			  "%" PRIu32 " extended attributes are too many or too "
			  "long and were left out", left_out);
	qsort(sink->xattrs, count, sizeof(*sink->xattrs), order_xattrs);
	for (uint32_t i = 0; i < count; i++) {
		if (i + 1 < count && !order_xattrs(&sink->xattrs[i],
						   &sink->xattrs[i + 1]))
			continue;
		sink->xattrs[unique++] = sink->xattrs[i];
	}
	entry->xattrs = sink->xattrs;
	entry->xattr_count = unique;
	return 0;
}

static void clean(struct entry *entry)
{
	bool is_device = entry->type == ENTRY_CHAR ||
			 entry->type == ENTRY_BLOCK;

	entry->mode &= 07777;
	if (entry->mtime.ns > 999999999)
		entry->mtime.ns = 0;
	if (entry->type != ENTRY_SYMLINK)
		entry->target = span_of(NULL, 0);
	if (!is_device)
		entry->dev_major = entry->dev_minor = 0;
	if (entry->uname.len > OWNER_NAME_MAX)
		entry->uname.len = 0;
	if (entry->gname.len > OWNER_NAME_MAX)
		entry->gname.len = 0;
}

static int tell_still_open(struct err *err)
{
	return err_set(err, -EINVAL,
		       "an entry began before the last one ended");
}

/* Everything but the content into sink->item.  1, or 0: refused. */
static int take_entry(struct sink *sink, struct span path,
		      const struct entry *entry, struct err *err)
{
	struct item item = {
		.kind = ITEM_ENTRY,
		.group = sink->group,
		.has_origin = sink->has_origin,
		.entry = *entry,
	};
	struct err why = ERR_INIT;
	int r;

	memcpy(item.origin, sink->origin, sizeof(item.origin));
	sink->item_group = sink->group;
	sink->group = 0;
	sink->has_origin = false;
	r = take_path(sink, path, &sink->key, err);
	if (r <= 0)
		return r;
	clean(&item.entry);
	r = take_xattrs(sink, path, &item.entry, err);
	if (r < 0)
		return r;
	if (check_entry(buf_span(&sink->key), &item.entry, &why) < 0) {
		sink_warn(sink, WEIGHT_REFUSED, path, "%s: refused", why.text);
		return 0;
	}
	sink->archives += item.entry.type == ENTRY_FILE &&
			  archive_is_named(path);
	if (item.entry.type == ENTRY_FILE)
		rocks_tally_take(&sink->checkpoints, path);
	sink_times_begin(sink, &item);
	buf_clear(&sink->item);
	item_write_begin(&item, &sink->item);
	r = buf_check(&sink->item, err);
	return r < 0 ? r : 1;
}

static int put_item(struct sink *sink, const struct content *content,
		    uint64_t size, bool is_dir, struct err *err)
{
	int r;

	item_write_end(content, size, &sink->item);
	r = buf_check(&sink->item, err);
	if (r == 0)
		r = settle_put(sink->settle, buf_span(&sink->key),
			       buf_span(&sink->item), is_dir,
			       sink->item_group, NULL, err);
	if (r < 0)
		return r;
	sink->entries++;
	sink_progress(sink, sink->input_bytes);
	return 0;
}

/* RocksDB's tables never change once they stand, of whatever kind the snapshot
 * is that has them: so they are cut alike in all. */
static bool is_sealed(struct sink *sink)
{
	struct span name = key_name(buf_span(&sink->key));
	char text[32];

	if (sink->aside || name.len >= sizeof(text))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	return rocks_is_sealed(text);
}

static int open_file(struct sink *sink, uint64_t size, struct err *err)
{
	int r = cutter_begin(&sink->file, size, err);

	if (r < 0)
		return r;
	if (is_sealed(sink))
		cutter_seal(&sink->file);
	sink->open = true;
	sink->members = 0;
	sink->data = span_of(NULL, 0);
	return 1;
}

void sink_aside(struct sink *sink)
{
	sink->aside = true;
}

int sink_begin(struct sink *sink, struct span path,
	       const struct entry *entry, struct err *err)
{
	const struct content empty = { .count = 0 };
	uint64_t size = 0;
	int r = sink_check_stop(sink, err);

	if (r == 0 && sink->open)
		r = tell_still_open(err);
	if (r == 0 && sink->aside)
		return open_file(sink, entry->size, err);
	if (r == 0)
		r = take_entry(sink, path, entry, err);
	if (r <= 0)
		return r;
	if (entry->type != ENTRY_FILE) {
		if (entry->type == ENTRY_SYMLINK)
			size = entry->target.len;
		r = put_item(sink, &empty, size, entry->type == ENTRY_DIR,
			     err);
		return r < 0 ? r : 1;
	}
	if (sink->item_group > sink->last_group)
		sink->last_group = sink->item_group;
	return open_file(sink, entry->size, err);
}

int sink_data(struct sink *sink, uint64_t offset, struct span bytes,
	      struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r < 0)
		return r;
	if (!sink->open)
		return err_set(err, -EINVAL, "data without a file begun");
	if (offset < sink->file.offset || bytes.len > INT64_MAX ||
	    offset > INT64_MAX - bytes.len)
		return err_set(err, -EINVAL,
			       "data of a file came out of order");
	if (bytes.len == 0)
		return 0;
	r = cutter_hole(&sink->file, offset - sink->file.offset, err);
	if (r == 0)
		r = cutter_add(&sink->file, bytes, err);
	if (r < 0)
		return r;
	sink->data = bytes;
	sink->data_offset = offset;
	sink->bytes += bytes.len;
	return 0;
}

int sink_join(struct sink *sink, const struct content *content,
	      uint64_t size, struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r < 0)
		return r;
	if (!sink->open)
		return err_set(err, -EINVAL, "data without a file begun");
	if (size > INT64_MAX - sink->file.offset)
		return err_set(err, -EINVAL, "a file became too long");
	sink->data = span_of(NULL, 0);
	return cutter_join(&sink->file, content, size, err);
}

/* It is in no tree, but the stream's view may want what was read of it. */
static int set_apart(struct sink *sink, const struct content *content,
		     uint64_t size, struct err *err)
{
	int r = recipe_apart(&sink->recipe, settle_seq(sink->settle),
			     content, size, err);

	if (r < 0)
		return r;
	settle_skip(sink->settle);
	return 0;
}

static int set_apart_open(struct sink *sink, struct err *err)
{
	struct content content;
	uint64_t len;
	int r = cutter_finish(&sink->file, &content, &len, err);

	return r < 0 ? r : set_apart(sink, &content, len, err);
}

int sink_end(struct sink *sink, uint64_t size, struct err *err)
{
	uint64_t len;
	int r;

	if (!sink->open)
		return 0;
	if (size < sink->file.offset || size > INT64_MAX)
		return err_set(err, -EINVAL,
			       "a file ended before its last byte");
	r = cutter_hole(&sink->file, size - sink->file.offset, err);
	if (r == 0)
		r = cutter_finish(&sink->file, &sink->last, &len, err);
	if (r < 0)
		return r;
	sink->open = false;
	sink->has_last = true;
	sink->last_size = size;
	sink->last_number = settle_seq(sink->settle);
	if (!sink->aside) {
		sink_times_end(sink, &sink->last, size);
		return put_item(sink, &sink->last, size, false, err);
	}
	sink->aside = false;
	return set_apart(sink, &sink->last, size, err);
}

void sink_cancel(struct sink *sink)
{
	struct err err = ERR_INIT;

	if (!sink->open)
		return;
	sink->open = false;
	sink->aside = false;
	sink->has_last = false;
	/* A view that lacks it would fail at its end, loudly. */
	if (sink->members && set_apart_open(sink, &err) < 0)
		sink_warn(sink, WEIGHT_FLAWED, span_of(NULL, 0), "%s",
			  err.text);
}

int sink_same(struct sink *sink, struct span path, const struct entry *entry,
	      const struct content *old, struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r == 0 && sink->open)
		r = tell_still_open(err);
	if (r == 0)
		r = take_entry(sink, path, entry, err);
	if (r <= 0)
		return r;
	/* A further name of a file is no file that was skipped. */
	if (sink->item_group == 0 || sink->item_group > sink->last_group)
		sink->unchanged++;
	if (sink->item_group > sink->last_group)
		sink->last_group = sink->item_group;
	sink->has_last = true;
	sink->last = *old;
	sink->last_size = entry->size;
	return put_item(sink, old, entry->size, false, err);
}

uint64_t sink_last_number(const struct sink *sink)
{
	return sink->last_number;
}

int sink_last_content(struct sink *sink, struct content *ret,
		      uint64_t *ret_size)
{
	if (!sink->has_last)
		return -ENOENT;
	*ret = sink->last;
	*ret_size = sink->last_size;
	return 0;
}

/* 1: target is in sink->target; 0: the link at path is refused for it. */
static int take_target(struct sink *sink, struct span path,
		       struct span target, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *why = NULL;
	bool absolute = false;
	int r = key_make(target, &sink->target, &absolute, &why);

	if (r == 0 && absolute)
		tell_absolute(sink, target);
	if (r == 0)
		return 1;
	key_print(target, false, &text);
	if (r == -ENOMEM || !buf_str(&text))
		return err_nomem(err);
	sink_warn(sink, WEIGHT_REFUSED, path,
		  "is a hard link to '%s', which %s: refused", buf_str(&text),
		  why);
	return 0;
}

int sink_link(struct sink *sink, struct span path, struct span target,
	      struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r < 0)
		return r;
	if (sink->open)
		return tell_still_open(err);
	sink->group = 0;
	sink->has_origin = false;
	r = take_path(sink, path, &sink->key, err);
	if (r > 0)
		r = take_target(sink, path, target, err);
	if (r <= 0)
		return r;
	if (sink->key.len == 0) {
		sink_warn(sink, WEIGHT_REFUSED, path,
			  "has no name and is a hard link: refused");
		return 0;
	}
	sink->entries++;
	return settle_put_link(sink->settle, buf_span(&sink->key),
			       buf_span(&sink->target), NULL, err);
}
