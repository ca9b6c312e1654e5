#include "indexer/rocksdb/rocks_internal.h"

#include "fs/base/checksum.h"

/*
 * A table's footer, at its end.
 *
 * Version 0 (the old magic), 48 bytes; sums are CRC-32C:
 *
 *      0  40  metaindex handle, index handle (v64 offset, v64 size each), zeros
 *     40   8  magic
 *
 * Versions 1 to 5, and from 6 on, 53 bytes:
 *
 *      0   1  kind of sum: 0 none, 1 CRC-32C, 2 xxHash32, 3 xxHash64, 4 XXH3
 *      1  40  as above;   or: 3e 00 7a 00, u32 sum of the footer, u32 context
 *             of all sums, u32 size of the metaindex, which ends before the
 *             footer and its trailer, 24 zeros
 *     41   4  version
 *     45   8  magic
 */
#define FOOTER_OLD   48u
#define FOOTER	     53u
#define MAGIC	     0x88e241b785f4cff7u
#define MAGIC_OLD    0xdb4775248b80fb57u
#define MAGIC_PLAIN  0x8242229663bf9564u
#define MAGIC_PLAIN_OLD 0x4f3418eb7a8f13b8u
#define MAGIC_CUCKOO 0x926789d0c5f17873u
#define MARK_6	     0x007a003eu
#define VERSION_MAX  7u
#define SUM_MAX	     4u
#define STRING_MAX   4096u	/* of a property that is kept */

enum { INDEX_BINARY = 0, INDEX_HASH, INDEX_PARTITIONED, INDEX_FIRST_KEY };

struct walk {
	struct rocks *rocks;
	const char *name;
	struct rocks_file *file;
	struct footer footer;
	struct block_handle properties;
	uint32_t index_type;
	bool deltas;		/* values of the index are */
	bool skipped;		/* some block could not be unpacked */
	uint64_t from[3];	/* where blocks may begin, by depth below */
	unsigned metas;
};

/* Tell it, and give 1: nothing more is to be read of this file. */
static int bad(struct walk *w, uint64_t offset, const char *why,
	       struct err *err)
{
	int r = rocks_find(w->rocks, ROCKS_DAMAGED, w->name, &offset, NULL, 0,
			   err, "%s", why);

	return r < 0 ? r : 1;
}

static int get_block(struct walk *w, struct block_handle handle,
		     struct span *ret, int *ret_skip, struct err *err)
{
	const char *why;
	int r = block_read(w->rocks, w->name, &w->footer, handle, ret,
			   ret_skip, &why, err);

	w->skipped |= *ret_skip != 0;
	return r < 0 ? r : why ? bad(w, handle.offset, why, err) : 0;
}

/* The sum of the footer itself, taken with zeros in its place. */
static bool footer_is_right(const struct footer *f, const uint8_t *bytes)
{
	uint8_t copy[FOOTER];
	uint32_t sum;

	memcpy(copy, bytes, FOOTER);
	put_le32(copy + 5, 0);
	/* There is no type byte: the last one stands in for it. */
	sum = block_sum(&(struct footer){ .checksum = f->checksum,
					  .version = 0 },
			0, span_of(copy, FOOTER), copy[FOOTER - 1]);
	if (f->context)
		sum += f->context ^ ((uint32_t)f->offset +
				     (uint32_t)(f->offset >> 32));
	return sum == get_le32(bytes + 5);
}

static const char *parse_new(struct footer *f, const uint8_t *bytes)
{
	uint32_t size = get_le32(bytes + 13);

	if (get_le32(bytes + 1) != MARK_6)
		return "the footer has no mark";
	f->context = get_le32(bytes + 9);
	if (!footer_is_right(f, bytes))
		return "the checksum of the footer is wrong";
	if (size > f->offset - BLOCK_TRAILER || f->offset < BLOCK_TRAILER)
		return "the metaindex would lie outside of the file";
	f->metaindex.size = size;
	f->metaindex.offset = f->offset - BLOCK_TRAILER - size;
	return NULL;
}

static const char *parse_footer(struct footer *f, uint64_t size,
				struct span tail)
{
	const uint8_t *end = tail.data + tail.len;
	uint64_t magic = get_le64(end - 8);
	const uint8_t *bytes;
	struct bytes in;

	f->legacy = magic == MAGIC_OLD;
	if (!f->legacy && magic != MAGIC)
		return "the magic number of the footer is wrong";
	if (!f->legacy && tail.len < FOOTER)
		return "it is too short for a table";
	f->offset = size - (f->legacy ? FOOTER_OLD : FOOTER);
	bytes = end - (f->legacy ? FOOTER_OLD : FOOTER);
	f->checksum = f->legacy ? 1 : bytes[0];
	f->version = f->legacy ? 0 : get_le32(end - 12);
	if (f->checksum > SUM_MAX)
		return "its footer names a checksum that is not known";
	if (f->version > VERSION_MAX)
		return "its version is newer than any that is known";
	if (f->version >= 6)
		return parse_new(f, bytes);
	in = bytes_of(span_of(bytes + !f->legacy, 40));
	if (block_handle_parse(&in, &f->metaindex) < 0 ||
	    block_handle_parse(&in, &f->index) < 0)
		return "its footer does not follow its form";
	return NULL;
}

/* Tables of other formats are there with the right size; that is all that is
 * known. */
static bool is_other_table(struct span tail)
{
	uint64_t magic = get_le64(tail.data + tail.len - 8);

	return magic == MAGIC_PLAIN || magic == MAGIC_PLAIN_OLD ||
	       magic == MAGIC_CUCKOO;
}

static int read_footer(struct walk *w, struct err *err)
{
	uint64_t size = w->file->size;
	uint64_t len = size < FOOTER ? size : FOOTER;
	struct buf *raw = &w->rocks->own->scratch;
	const char *why;
	int r;

	if (size < FOOTER_OLD)
		return bad(w, 0, "it is too short for a table", err);
	r = rocks_read(w->rocks, w->name, size - len, len, FOOTER, raw, err);
	if (r < 0)
		return r;
	if (is_other_table(buf_span(raw))) {
		r = rocks_find(w->rocks, ROCKS_NOTE, w->name, NULL, NULL, 0,
			       err, "it is no block-based table, and only its "
			       "size was looked at");
		return r < 0 ? r : 1;
	}
	why = parse_footer(&w->footer, size, buf_span(raw));
	return why ? bad(w, size - len, why, err) : 0;
}

/* Properties. */

struct number_property {
	const char *name;
	size_t at;		/* in struct rocks_table */
};
#define NUMBER(n, f) { "rocksdb." n, offsetof(struct rocks_table, f) }
static const struct number_property numbers[] = {
	NUMBER("num.entries", entries),
	NUMBER("deleted.keys", deletions),
	NUMBER("merge.operands", merges),
	NUMBER("num.range-deletions", range_deletions),
	NUMBER("raw.key.size", raw_key_bytes),
	NUMBER("raw.value.size", raw_value_bytes),
	NUMBER("data.size", data_bytes),
	NUMBER("index.size", index_bytes),
	NUMBER("filter.size", filter_bytes),
	NUMBER("num.data.blocks", data_blocks),
	NUMBER("creation.time", creation_time),
	NUMBER("file.creation.time", file_time),
	NUMBER("original.file.number", original_number),
};
static const struct number_property strings[] = {
	NUMBER("compression", compression),
	NUMBER("comparator", comparator),
	NUMBER("column.family.name", family),
	NUMBER("creating.db.identity", db_id),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_named(struct span key, const char *name)
{
	return span_equal(key, span_str(name));
}

static int put_property(struct walk *w, struct span key, struct span value,
			struct err *err)
{
	uint8_t *table = (uint8_t *)&w->file->table;
	struct bytes in = bytes_of(value);
	uint64_t v;

	for (size_t i = 0; i < COUNT(strings); i++) {
		struct span kept;
		int r;

		if (!is_named(key, strings[i].name) || value.len > STRING_MAX)
			continue;
		r = rocks_keep(w->rocks, value, &kept, err);
		if (r == 0)
			memcpy(table + strings[i].at, &kept, sizeof(kept));
		return r;
	}
	if (is_named(key, "rocksdb.block.based.table.index.type")) {
		if (value.len == 4)
			w->index_type = get_le32(value.data);
		return 0;
	}
	v = bytes_varint(&in);
	if (in.bad)
		return 0;
	if (is_named(key, "rocksdb.index.value.is.delta.encoded"))
		w->deltas = v != 0;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (is_named(key, numbers[i].name))
			memcpy(table + numbers[i].at, &v, sizeof(v));
	return 0;
}

/* Each entry of a block that is no index; each() returns 0 or an errno. */
static int each_entry(struct walk *w, struct block_handle handle,
		      int (*each)(struct walk *w, struct span key,
				  struct span value, struct err *err),
		      struct err *err)
{
	CLEANUP(block_entry_release) struct block_entry entry;
	struct span plain;
	int skip, r;

	memset(&entry, 0, sizeof(entry));
	r = get_block(w, handle, &plain, &skip, err);
	if (r != 0 || skip)
		return r;
	r = block_entries(plain, false, &entry);
	while (r == 0 && (r = block_next(&entry)) > 0)
		r = each(w, entry.key, entry.value, err);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == -EBADMSG)
		return bad(w, handle.offset,
			   "a block does not follow its form", err);
	return r;
}

static int put_metaindex(struct walk *w, struct span key, struct span value,
			 struct err *err)
{
	struct block_handle handle;
	struct bytes in = bytes_of(value);

	(void)err;
	if (block_handle_parse(&in, &handle) < 0)
		return 0;
	if (is_named(key, "rocksdb.properties") ||
	    is_named(key, "rocksdb.stats"))
		w->properties = handle;
	if (is_named(key, "rocksdb.index"))
		w->footer.index = handle;
	return 0;
}

static int read_properties(struct walk *w, struct err *err)
{
	int r = each_entry(w, w->footer.metaindex, put_metaindex, err);

	if (r != 0)
		return r;
	if (w->properties.size == 0)
		return w->footer.legacy ? 0 :
		       bad(w, w->footer.metaindex.offset,
			   "the metaindex names no properties", err);
	r = each_entry(w, w->properties, put_property, err);
	if (r != 0)
		return r;
	w->file->table.known = !w->skipped;
	w->file->table.format_version = w->footer.version;
	w->file->table.checksum = w->footer.checksum;
	return 0;
}

/* Every block, for ROCKS_READ_DATA. */

#define DEPTH_MAX 2		/* an index of indexes, and no further */
#define METAS_MAX 256u

/* The handles of an index, in its own memory, as its block gives way. */
struct handles {
	struct block_handle *list;
	size_t count, room;
};

/* The handle of an entry; *handle is that of the entry before. */
static int index_value(struct block_entry *entry, bool first_keys,
		       struct block_handle *handle)
{
	struct bytes value = bytes_of(entry->value);
	struct bytes *in = entry->values_bare ? &entry->in : &value;

	if (entry->values_bare && !entry->restart) {
		handle->offset += handle->size + BLOCK_TRAILER;
		handle->size += (uint64_t)bytes_zigzag(in);
	} else if (block_handle_parse(in, handle) < 0) {
		return -EBADMSG;
	}
	if (first_keys)
		bytes_string(in, UINT32_MAX);
	return in->bad ? -EBADMSG : 0;
}

static int read_index(struct walk *w, struct block_handle at, bool first_keys,
		      struct handles *ret, int *ret_skip, struct err *err)
{
	CLEANUP(block_entry_release) struct block_entry entry;
	struct block_handle handle = { 0, 0 };
	struct span plain;
	int r;

	memset(&entry, 0, sizeof(entry));
	r = get_block(w, at, &plain, ret_skip, err);
	if (r != 0 || *ret_skip)
		return r;
	r = block_entries(plain, w->deltas, &entry);
	while (r == 0 && (r = block_next(&entry)) > 0) {
		r = index_value(&entry, first_keys, &handle);
		if (r < 0)
			break;
		r = rocks_grow((void **)&ret->list, &ret->room, ret->count,
			       sizeof(handle), BLOCK_MAX / 4, err);
		if (r < 0)
			return r;
		ret->list[ret->count++] = handle;
	}
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == -EBADMSG)
		return bad(w, at.offset, "an index does not follow its form",
			   err);
	return r;
}

static int walk_index(struct walk *w, struct block_handle at, unsigned depth,
		      bool first_keys, struct err *err)
{
	struct handles handles = { .list = NULL };
	struct span plain;
	int skip = 0;
	int r = read_index(w, at, first_keys, &handles, &skip, err);

	for (size_t i = 0; r == 0 && i < handles.count; i++) {
		struct block_handle h = handles.list[i];

		/* They lie one behind the other, so none is read twice. */
		if (h.offset < w->from[depth])
			r = bad(w, at.offset, "an index names its blocks out "
				"of order", err);
		else if (depth > 1)
			r = walk_index(w, h, depth - 1, first_keys, err);
		else
			r = get_block(w, h, &plain, &skip, err);
		if (r == 0)
			w->from[depth] = h.offset + h.size + BLOCK_TRAILER;
	}
	free_ptr(&handles.list);
	return r;
}

static int walk_meta(struct walk *w, struct span key, struct span value,
		     struct err *err)
{
	static const char partitioned[] = "partitionedfilter.";
	struct block_handle handle;
	struct bytes in = bytes_of(value);
	struct span plain;
	int skip;

	if (block_handle_parse(&in, &handle) < 0 ||
	    is_named(key, "rocksdb.index"))
		return 0;
	if (++w->metas > METAS_MAX)
		return bad(w, w->footer.metaindex.offset,
			   "the metaindex names more than there can be", err);
	w->from[1] = 0;
	if (key.len > sizeof(partitioned) - 1 &&
	    !memcmp(key.data, partitioned, sizeof(partitioned) - 1))
		return walk_index(w, handle, 1, false, err);
	return get_block(w, handle, &plain, &skip, err);
}

/* The metaindex's own entries stay while others are read. */
static int walk_metaindex(struct walk *w, struct err *err)
{
	OWNED_BUF struct buf copy = BUF_INIT;
	CLEANUP(block_entry_release) struct block_entry entry;
	struct span plain;
	int skip, r, n;

	memset(&entry, 0, sizeof(entry));
	r = get_block(w, w->footer.metaindex, &plain, &skip, err);
	if (r != 0 || skip)
		return r;
	buf_append(&copy, plain.data, plain.len);
	if (buf_failed(&copy))
		return err_nomem(err);
	n = block_entries(buf_span(&copy), false, &entry);
	while (r == 0 && n >= 0 && (n = block_next(&entry)) > 0)
		r = walk_meta(w, entry.key, entry.value, err);
	if (r != 0 || n == 0)
		return r;
	return n == -ENOMEM ? err_nomem(err) :
	       bad(w, w->footer.metaindex.offset,
		   "a block does not follow its form", err);
}

static int walk_blocks(struct walk *w, struct err *err)
{
	bool first_keys = w->index_type == INDEX_FIRST_KEY;
	int r = walk_metaindex(w, err);

	w->from[1] = 0;
	if (r == 0)
		r = walk_index(w, w->footer.index,
			       w->index_type == INDEX_PARTITIONED ?
			       DEPTH_MAX : 1, first_keys, err);
	if (r == 0 && w->skipped)
		r = rocks_find(w->rocks, ROCKS_NOTE, w->name, NULL, NULL, 0,
			       err, "its index is packed in a way that cannot "
			       "be read here: its blocks were not checked");
	return r;
}

/* The sum of the whole file, where the MANIFEST has one. */
static int check_sum(struct walk *w, struct err *err)
{
	const struct rocks_file *f = w->file;
	struct buf *raw = &w->rocks->own->scratch;
	uint32_t sum = 0, want = 0;
	int r;

	if (!is_named(f->checksum_name, "FileChecksumCrc32c") ||
	    f->checksum.len != 4)
		return 0;
	for (uint64_t at = 0; at < f->size; at += raw->len) {
		uint64_t n = f->size - at;

		r = rocks_read(w->rocks, w->name, at, n < 1u << 20 ? n :
			       1u << 20, 1u << 20, raw, err);
		if (r < 0)
			return r;
		sum = crc32c(sum, buf_span(raw));
	}
	/* big-endian, unlike every other sum */
	for (size_t i = 0; i < 4; i++)
		want = want << 8 | f->checksum.data[i];
	return sum == want ? 0 :
	       bad(w, 0, "the checksum of the whole file, which the MANIFEST "
		   "has, is wrong", err);
}

int table_read(struct rocks *rocks, const char *name, struct rocks_file *file,
	       struct err *err)
{
	struct walk w = { .rocks = rocks, .name = name, .file = file };
	int r = read_footer(&w, err);

	if (r == 0)
		r = read_properties(&w, err);
	if (r == 0 && (rocks->own->flags & ROCKS_READ_DATA))
		r = walk_blocks(&w, err);
	if (r == 0 && (rocks->own->flags & ROCKS_READ_DATA))
		r = check_sum(&w, err);
	return r < 0 ? r : 0;
}
