#include "tools/rocks_show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/format.h"

#define KEY_SHOWN 60		/* characters of a key in a table */

static const char *weight_name(enum rocks_weight weight)
{
	return weight == ROCKS_DAMAGED ? "damaged" :
	       weight == ROCKS_INCOMPLETE ? "incomplete" : "note";
}

struct show {
	const struct rocks *rocks;
	bool failed;		/* no memory for some text */
};

/* Names and ids come from the files, so they are written like keys. */
static void put_text(struct show *show, struct table *table, struct span text)
{
	OWNED_BUF struct buf line = BUF_INIT;

	rocks_key_text(text, &line);
	show->failed |= !buf_str(&line);
	if (buf_failed(&line))
		return;
	if (line.len > KEY_SHOWN)
		memcpy(line.data + KEY_SHOWN - 3, "...", 4);
	table_cell(table, line.len ? (char *)line.data : "-");
}

static void print_text(struct show *show, const char *label, struct span text)
{
	OWNED_BUF struct buf line = BUF_INIT;

	rocks_key_text(text, &line);
	show->failed |= !buf_str(&line);
	if (!buf_failed(&line))
		printf("  %-14s %s\n", label, line.len ? (char *)line.data :
		       "not told");
}

static void put_size(struct table *table, uint64_t bytes)
{
	char text[SIZE_TEXT];

	size_text(bytes, text);
	table_cell(table, text);
}

/* Families and their levels. */

/* Which way keys run: 0 where only the comparator knows. */
static int direction(const struct rocks_family *family)
{
	if (span_equal(family->comparator,
		       span_str("leveldb.BytewiseComparator")))
		return 1;
	if (span_equal(family->comparator,
		       span_str("rocksdb.ReverseBytewiseComparator")))
		return -1;
	return 0;
}

struct level {
	uint32_t level;
	uint64_t files, bytes, entries, deletions;
	bool counted;		/* the entries of all of them are known */
	struct span smallest, largest;
};

/* Files [from, to) of one level. */
static struct level level_of(const struct rocks *rocks, size_t from,
			     size_t to, int way)
{
	const struct rocks_file *f = &rocks->files[from];
	struct level sum = {
		.level = f->level, .counted = true,
		.smallest = f->smallest.user, .largest = f->largest.user,
	};

	for (size_t i = from; i < to; i++, f++) {
		sum.files++;
		sum.bytes += f->size;
		sum.entries += f->table.entries;
		sum.deletions += f->table.deletions;
		sum.counted &= f->table.known;
		if (way * span_cmp(f->smallest.user, sum.smallest) < 0)
			sum.smallest = f->smallest.user;
		if (way * span_cmp(f->largest.user, sum.largest) > 0)
			sum.largest = f->largest.user;
		if (way == 0 && i > from)
			sum.smallest = sum.largest = span_of(NULL, 0);
	}
	return sum;
}

static size_t level_end(const struct rocks *rocks, size_t from)
{
	size_t to = from;

	while (to < rocks->file_count &&
	       rocks->files[to].family == rocks->files[from].family &&
	       rocks->files[to].level == rocks->files[from].level)
		to++;
	return to;
}

static void put_level(struct show *show, struct table *table,
		      const struct level *level)
{
	table_cellf(table, "%" PRIu32, level->level);
	table_cellf(table, "%" PRIu64, level->files);
	put_size(table, level->bytes);
	if (level->counted) {
		table_cellf(table, "%" PRIu64, level->entries);
		table_cellf(table, "%" PRIu64, level->deletions);
	} else {
		table_cell(table, "?");
		table_cell(table, "?");
	}
	put_text(show, table, level->smallest);
	put_text(show, table, level->largest);
}

static int show_levels(struct show *show, struct err *err)
{
	const struct rocks *rocks = show->rocks;
	static const char *const heads[] = {
		"<FAMILY", ">LEVEL", ">TABLES", ">SIZE", ">ENTRIES",
		">DELETED", "<SMALLEST KEY", "<LARGEST KEY",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 8);
	size_t at = 0;

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < rocks->family_count; i++) {
		const struct rocks_family *f = &rocks->families[i];
		size_t first = at;

		while (at < rocks->file_count &&
		       rocks->files[at].family == f->id) {
			size_t to = level_end(rocks, at);
			struct level level = level_of(rocks, at, to,
						      direction(f));

			put_text(show, table, f->name);
			put_level(show, table, &level);
			at = to;
		}
		if (at > first)
			continue;
		put_text(show, table, f->name);
		for (int cell = 0; cell < 7; cell++)
			table_cell(table, "-");
	}
	putchar('\n');
	table_print(table);
	return 0;
}

static int show_files(struct show *show, struct err *err)
{
	const struct rocks *rocks = show->rocks;
	static const char *const heads[] = {
		"<TABLE", "<FAMILY", ">LEVEL", ">SIZE", ">ENTRIES", ">DELETED",
		"<SMALLEST KEY", "<LARGEST KEY",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 8);

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < rocks->file_count; i++) {
		const struct rocks_file *f = &rocks->files[i];

		table_cellf(table, "%06" PRIu64 ".sst", f->number);
		put_text(show, table, rocks_family(rocks, f->family)->name);
		table_cellf(table, "%" PRIu32, f->level);
		put_size(table, f->size);
		if (f->table.known) {
			table_cellf(table, "%" PRIu64, f->table.entries);
			table_cellf(table, "%" PRIu64, f->table.deletions);
		} else {
			table_cell(table, "?");
			table_cell(table, "?");
		}
		put_text(show, table, f->smallest.user);
		put_text(show, table, f->largest.user);
	}
	putchar('\n');
	table_print(table);
	return 0;
}

static int show_blobs(struct show *show, struct err *err)
{
	const struct rocks *rocks = show->rocks;
	static const char *const heads[] = {
		"<BLOB FILE", "<FAMILY", ">SIZE", ">BLOBS", ">GARBAGE",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 5);

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < rocks->blob_count; i++) {
		const struct rocks_blob *b = &rocks->blobs[i];

		table_cellf(table, "%06" PRIu64 ".blob", b->number);
		put_text(show, table, rocks_family(rocks, b->family)->name);
		put_size(table, b->size);
		table_cellf(table, "%" PRIu64, b->count);
		table_cellf(table, "%" PRIu64, b->garbage_count);
	}
	putchar('\n');
	table_print(table);
	return 0;
}

/* The whole. */

static void show_comparators(struct show *show)
{
	const struct rocks *rocks = show->rocks;

	for (size_t i = 0; i < rocks->family_count; i++) {
		const struct rocks_family *f = &rocks->families[i];
		OWNED_BUF struct buf line = BUF_INIT;

		rocks_key_text(f->name, &line);
		buf_append_str(&line, ", ");
		rocks_key_text(f->comparator, &line);
		show->failed |= !buf_str(&line);
		if (!buf_failed(&line))
			printf("  %-14s %" PRIu32 " %s\n", i ? "" :
			       "families", f->id, (char *)line.data);
	}
}

static void show_wals(const struct rocks *rocks)
{
	char size[SIZE_TEXT];

	for (size_t i = 0; i < rocks->wal_count; i++) {
		const struct rocks_wal *w = &rocks->wals[i];

		size_text(w->size, size);
		printf("  %-14s %06" PRIu64 ".log, %s\n", i ? "" : "WALs",
		       w->number, w->there ? size : "missing");
	}
	if (rocks->wal_count == 0)
		printf("  %-14s none\n", "WALs");
}

static void show_findings(const struct rocks *rocks)
{
	uint64_t all = rocks->notes + rocks->incomplete + rocks->damaged;

	if (rocks->finding_count)
		putchar('\n');
	for (size_t i = 0; i < rocks->finding_count; i++) {
		const struct rocks_finding *f = &rocks->findings[i];

		printf("%s: ", weight_name(f->weight));
		if (f->file[0]) {
			name_print(stdout, span_str(f->file));
			if (f->has_offset)
				printf(", byte %" PRIu64, f->offset);
			fputs(": ", stdout);
		}
		printf("%s\n", f->text);
	}
	if (all > rocks->finding_count)
		printf("and %" PRIu64 " more\n", all - rocks->finding_count);
}

static const char *verdict(const struct rocks *rocks)
{
	return rocks->damaged ? "damaged" : rocks->incomplete ?
	       "incomplete" : "complete";
}

int rocks_show(const struct rocks *rocks, const char *text, bool files,
	       struct err *err)
{
	struct show show = { .rocks = rocks };
	int r = 0;

	name_print(stdout, span_str(text));
	printf(": %s\n", verdict(rocks));
	print_text(&show, rocks->db_id_from && !strcmp(rocks->db_id_from, "tables") ?
		   "id of tables" : "database id", rocks->db_id);
	print_text(&show, "RocksDB", rocks->version);
	if (rocks->manifest[0])
		printf("  %-14s %s, %s\n", "MANIFEST", rocks->manifest,
		       counted(rocks->edits, "edit").s);
	if (rocks->has_manifest) {
		printf("  %-14s %" PRIu64 "\n", "last sequence",
		       rocks->last_sequence);
		show_comparators(&show);
		show_wals(rocks);
		r = show_levels(&show, err);
		if (r == 0 && files && rocks->file_count)
			r = show_files(&show, err);
		if (r == 0 && rocks->blob_count)
			r = show_blobs(&show, err);
	}
	if (r == 0)
		show_findings(rocks);
	return r == 0 && show.failed ? err_nomem(err) : r;
}

/* JSON. */

static void json_key(struct json *json, const char *key, struct span value)
{
	OWNED_BUF struct buf text = BUF_INIT;

	rocks_key_text(value, &text);
	json_span(json, key, buf_span(&text));
}

static void json_families(struct json *json, const struct rocks *rocks)
{
	json_open_array(json, "families");
	for (size_t i = 0; i < rocks->family_count; i++) {
		const struct rocks_family *f = &rocks->families[i];

		json_open_object(json, NULL);
		json_u64(json, "id", f->id);
		json_name(json, "name", f->name);
		json_name(json, "comparator", f->comparator);
		json_u64(json, "log_number", f->log_number);
		json_close_object(json);
	}
	json_close_array(json);
}

static void json_table(struct json *json, const struct rocks_table *t)
{
	json_u64(json, "format_version", t->format_version);
	json_u64(json, "entries", t->entries);
	json_u64(json, "deletions", t->deletions);
	json_u64(json, "merges", t->merges);
	json_u64(json, "range_deletions", t->range_deletions);
	json_u64(json, "raw_key_bytes", t->raw_key_bytes);
	json_u64(json, "raw_value_bytes", t->raw_value_bytes);
	json_u64(json, "data_bytes", t->data_bytes);
	json_u64(json, "index_bytes", t->index_bytes);
	json_u64(json, "filter_bytes", t->filter_bytes);
	json_u64(json, "data_blocks", t->data_blocks);
	json_name(json, "compression", t->compression);
	json_name(json, "comparator", t->comparator);
	json_name(json, "created_by", t->db_id);
	if (t->creation_time)
		json_u64(json, "creation_time", t->creation_time);
	if (t->file_time)
		json_u64(json, "file_time", t->file_time);
	if (t->original_number)
		json_u64(json, "original_number", t->original_number);
}

static void json_files(struct json *json, const struct rocks *rocks)
{
	json_open_array(json, "files");
	for (size_t i = 0; i < rocks->file_count; i++) {
		const struct rocks_file *f = &rocks->files[i];

		json_open_object(json, NULL);
		json_u64(json, "number", f->number);
		json_name(json, "family",
			  rocks_family(rocks, f->family)->name);
		json_u64(json, "level", f->level);
		json_u64(json, "path", f->path);
		json_u64(json, "size", f->size);
		json_key(json, "smallest_key", f->smallest.user);
		json_u64(json, "smallest_key_seq", f->smallest.seq);
		json_key(json, "largest_key", f->largest.user);
		json_u64(json, "largest_key_seq", f->largest.seq);
		json_u64(json, "smallest_seq", f->smallest_seq);
		json_u64(json, "largest_seq", f->largest_seq);
		if (f->oldest_blob)
			json_u64(json, "oldest_blob", f->oldest_blob);
		if (f->epoch)
			json_u64(json, "epoch", f->epoch);
		json_bool(json, "read", f->table.known);
		if (f->table.known)
			json_table(json, &f->table);
		json_close_object(json);
	}
	json_close_array(json);
}

static void json_blobs(struct json *json, const struct rocks *rocks)
{
	json_open_array(json, "blob_files");
	for (size_t i = 0; i < rocks->blob_count; i++) {
		const struct rocks_blob *b = &rocks->blobs[i];

		json_open_object(json, NULL);
		json_u64(json, "number", b->number);
		json_name(json, "family",
			  rocks_family(rocks, b->family)->name);
		json_u64(json, "size", b->size);
		json_u64(json, "blobs", b->count);
		json_u64(json, "blob_bytes", b->bytes);
		json_u64(json, "garbage_blobs", b->garbage_count);
		json_u64(json, "garbage_bytes", b->garbage_bytes);
		json_close_object(json);
	}
	json_close_array(json);
}

static void json_wals(struct json *json, const struct rocks *rocks,
		      unsigned flags)
{
	json_open_array(json, "wals");
	for (size_t i = 0; i < rocks->wal_count; i++) {
		const struct rocks_wal *w = &rocks->wals[i];

		json_open_object(json, NULL);
		json_u64(json, "number", w->number);
		json_bool(json, "there", w->there);
		json_u64(json, "size", w->size);
		json_bool(json, "tracked", w->needed);
		if (w->needed)
			json_u64(json, "synced", w->synced);
		if (flags & ROCKS_READ_DATA)
			json_u64(json, "records", w->records);
		json_close_object(json);
	}
	json_close_array(json);
}

static void json_findings(struct json *json, const struct rocks *rocks)
{
	json_open_array(json, "findings");
	for (size_t i = 0; i < rocks->finding_count; i++) {
		const struct rocks_finding *f = &rocks->findings[i];

		json_open_object(json, NULL);
		json_str(json, "weight", weight_name(f->weight));
		json_name(json, "file", span_str(f->file));
		json_name(json, "text", span_str(f->text));
		if (f->has_offset)
			json_u64(json, "offset", f->offset);
		if (f->has_sizes) {
			json_u64(json, "size_wanted", f->want);
			json_u64(json, "size_found", f->found);
		}
		json_close_object(json);
	}
	json_close_array(json);
}

int rocks_show_json(const struct rocks *rocks, const char *text,
		    unsigned flags, struct err *err)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "path", span_str(text));
	json_str(&json, "state", verdict(rocks));
	json_bool(&json, "data_read", (flags & ROCKS_READ_DATA) != 0);
	json_name(&json, "db_id", rocks->db_id);
	if (rocks->db_id_from)
		json_str(&json, "db_id_from", rocks->db_id_from);
	json_name(&json, "rocksdb_version", rocks->version);
	json_str(&json, "manifest", rocks->manifest);
	json_u64(&json, "manifest_size", rocks->manifest_size);
	json_bool(&json, "manifest_whole", rocks->has_manifest);
	json_u64(&json, "edits", rocks->edits);
	json_str(&json, "options", rocks->options);
	json_u64(&json, "last_sequence", rocks->last_sequence);
	json_u64(&json, "next_file", rocks->next_file);
	json_u64(&json, "min_log", rocks->min_log);
	json_u64(&json, "max_family", rocks->max_family);
	json_families(&json, rocks);
	json_files(&json, rocks);
	json_blobs(&json, rocks);
	json_wals(&json, rocks, flags);
	json_u64(&json, "incomplete", rocks->incomplete);
	json_u64(&json, "damaged", rocks->damaged);
	json_u64(&json, "notes", rocks->notes);
	json_findings(&json, rocks);
	json_close_object(&json);
	if (buf_failed(&line))
		return err_nomem(err);
	json_print(&line);
	return 0;
}
