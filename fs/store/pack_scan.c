#include "fs/store/pack.h"

#include <stdlib.h>

#include "fs/store/block.h"
#include "fs/store/pack_internal.h"

#define WINDOW	  (4u << 20)
#define PAGE	  4096u
#define MAGIC_LEN 4

/* What of the pack is in memory. */
struct window {
	const struct pack_file *file;
	uint64_t end;		/* no block ends behind this */
	uint64_t start;
	struct buf bytes;
};

struct scan {
	struct window window;
	struct pack_index index;
	size_t block_cap, entry_cap;
	uint64_t good;		/* bytes in good blocks */
};

static void scan_release(struct scan *scan)
{
	buf_release(&scan->window.bytes);
	pack_index_release(&scan->index);
}

/*
 * What a failing disk cannot read becomes zeros, page by page: the checksums
 * find them out, and the rest of the pack is still to be had.
 */
static int read_lossy(const struct pack_file *file, uint64_t offset,
		      uint8_t *out, size_t len, struct err *err)
{
	int r = disk_read(file->dir, file->path, file->fd, offset, out, len,
			  err);

	if (r != -EIO)
		return r;
	for (size_t at = 0; at < len; at += PAGE) {
		size_t n = len - at < PAGE ? len - at : PAGE;

		r = disk_read(file->dir, file->path, file->fd, offset + at,
			      out + at, n, err);
		if (r == -EIO)
			memset(out + at, 0, n);
		else if (r < 0)
			return r;
	}
	return 0;
}

/*
 * What stands from offset on, borrowed until the next call: at least want
 * bytes unless the end comes before.
 */
static int look(struct window *window, uint64_t offset, size_t want,
		struct span *ret, struct err *err)
{
	uint64_t left = window->end - offset;
	size_t len = want > WINDOW ? want : WINDOW;
	int r;

	if (want > left)
		want = (size_t)left;
	if (offset < window->start ||
	    offset + want > window->start + window->bytes.len) {
		if (len > left)
			len = (size_t)left;
		buf_clear(&window->bytes);
		if (buf_reserve(&window->bytes, len) < 0)
			return err_nomem(err);
		r = read_lossy(window->file, offset, window->bytes.data, len,
			       err);
		if (r < 0)
			return r;
		window->start = offset;
		window->bytes.len = len;
	}
	offset -= window->start;
	*ret = span_of(window->bytes.data + offset,
		       window->bytes.len - (size_t)offset);
	return 0;
}

static int reserve(struct scan *scan, uint32_t objects, struct err *err)
{
	struct pack_index *index = &scan->index;
	size_t blocks = scan->block_cap, entries = scan->entry_cap;
	void *p;

	while (blocks < index->block_count + 1)
		blocks = blocks * 2 + 64;
	while (entries < index->count + objects)
		entries = entries * 2 + 64;
	if (blocks > scan->block_cap) {
		if (!(p = realloc(index->blocks, blocks * sizeof(uint32_t))))
			return err_nomem(err);
		index->blocks = p;
		if (!(p = realloc(index->stored, blocks * sizeof(uint32_t))))
			return err_nomem(err);
		index->stored = p;
		if (!(p = realloc(index->head_sums,
				  blocks * sizeof(uint64_t))))
			return err_nomem(err);
		index->head_sums = p;
		if (!(p = realloc(index->codecs, blocks)))
			return err_nomem(err);
		index->codecs = p;
		scan->block_cap = blocks;
	}
	if (entries > scan->entry_cap) {
		p = realloc(index->entries, entries * sizeof(*index->entries));
		if (!p)
			return err_nomem(err);
		index->entries = p;
		scan->entry_cap = entries;
	}
	return 0;
}

/* Do its objects belong into this pack?  A damaged header leaves that to the
 * first block. */
static bool type_fits(struct scan *scan, const struct block_head *head)
{
	enum pack_type type = scan->index.type;
	struct bytes ids = bytes_of(head->ids);

	for (uint32_t i = 0; i < head->count; i++) {
		enum pack_type found;
		struct id id;

		id_parse(&ids, &id);
		found = id_is_meta(&id) ? PACK_META : PACK_DATA;
		if (type == 0)
			type = found;
		if (type != found)
			return false;
	}
	scan->index.type = type;
	return true;
}

static int keep(struct scan *scan, uint64_t offset,
		const struct block_head *head, struct err *err)
{
	struct pack_index *index = &scan->index;
	struct bytes ids = bytes_of(head->ids);
	uint32_t stored = head->head_len + head->payload_len;
	uint32_t at = 0;
	int r;

	r = reserve(scan, head->count, err);
	if (r < 0)
		return r;
	index->blocks[index->block_count] = (uint32_t)offset;
	index->stored[index->block_count] = stored;
	index->head_sums[index->block_count] = head->head_sum;
	index->codecs[index->block_count] = (uint8_t)head->codec;
	index->leans |= head->prefix_count > 0;
	index->block_count++;
	for (uint32_t i = 0; i < head->count; i++) {
		struct pack_entry *entry = &index->entries[index->count++];

		id_parse(&ids, &entry->id);
		entry->block = (uint32_t)offset;
		entry->stored = stored;
		entry->at = at;
		at += entry->id.len;
	}
	scan->good += stored;
	return 0;
}

/*
 * 1 and the length of the good block at offset; 0 where there is none, and
 * *ret_len is what may be skipped before searching on.  The length a head
 * states is not skipped unless the payload bears it out: the head may be one
 * that somebody put into a file.
 */
static int try_block(struct scan *scan, uint64_t offset, uint32_t *ret_len,
		     struct err *err)
{
	struct block_head head;
	uint32_t whole;
	struct span bytes;
	int r;

	*ret_len = 1;
	r = look(&scan->window, offset, 1, &bytes, err);
	if (r < 0)
		return r;
	r = block_parse_head(bytes, &head, NULL);
	if (r == -ENODATA) {
		r = look(&scan->window, offset, BLOCK_HEAD_MAX, &bytes, err);
		if (r < 0)
			return r;
		r = block_parse_head(bytes, &head, NULL);
	}
	if (r < 0)
		return 0;
	whole = head.head_len + head.payload_len;
	if (whole > scan->window.end - offset)
		return 0;
	r = look(&scan->window, offset, whole, &bytes, err);
	if (r < 0)
		return r;
	/* The window may have moved from under the head's spans. */
	r = block_parse_head(bytes, &head, NULL);
	if (r < 0)
		return 0;
	if (sum64(span_of(bytes.data + head.head_len, head.payload_len)) !=
	    head.payload_sum || !type_fits(scan, &head))
		return 0;
	r = keep(scan, offset, &head, err);
	if (r < 0)
		return r;
	*ret_len = whole;
	return 1;
}

/* The next place from offset on where a block may begin, or the end. */
static int next_magic(struct window *window, uint64_t offset, uint64_t *ret,
		      struct err *err)
{
	uint8_t magic[MAGIC_LEN];

	put_le32(magic, BLOCK_MAGIC);
	while (window->end - offset >= MAGIC_LEN) {
		struct span bytes;
		const uint8_t *hit;
		int r;

		r = look(window, offset, MAGIC_LEN, &bytes, err);
		if (r < 0)
			return r;
		hit = memmem(bytes.data, bytes.len, magic, MAGIC_LEN);
		if (hit) {
			*ret = offset + (uint64_t)(hit - bytes.data);
			return 0;
		}
		offset += bytes.len - (MAGIC_LEN - 1);
	}
	*ret = window->end;
	return 0;
}

static int walk(struct scan *scan, uint64_t offset, struct err *err)
{
	while (offset < scan->window.end) {
		uint32_t len;
		int r;

		r = try_block(scan, offset, &len, err);
		if (r < 0)
			return r;
		offset += len;
		if (r == 0)
			r = next_magic(&scan->window, offset, &offset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * What is good besides the blocks: from where to where they may lie.  Damage
 * there is no error here, it is why this is done.
 */
static int find_bounds(struct scan *scan, const struct pack_name *name,
		       uint64_t *ret_start, struct err *err)
{
	const struct pack_file *file = scan->window.file;
	struct pack_index index;
	struct pack_header header = { .len = 0 }, says = header;
	uint64_t end = file->size;
	int r;

	*ret_start = 0;
	r = pack_header_read(file, &header, NULL, err);
	if (r == 0) {
		*ret_start = header.len;
		scan->index.type = header.type;
	} else if (r != -EBADMSG && r != -EIO) {
		return r;
	}
	r = pack_index_load(file, name, &index, &says, &end, err);
	if (r == 0) {
		scan->index.type = index.type;
		pack_index_release(&index);
	} else if (r != -EBADMSG && r != -EIO) {
		return r;
	}
	/* Offsets are 32 bits; no pack is longer than this. */
	scan->window.end = end < PACK_SIZE_MAX ? end : PACK_SIZE_MAX;
	if (*ret_start > scan->window.end)
		*ret_start = scan->window.end;
	return 0;
}

static int scan_run(struct scan *scan, const struct pack_name *name,
		    uint64_t *ret_lost, struct err *err)
{
	uint64_t size = scan->window.file->size;
	uint64_t start, known;
	int r;

	scan->index.size = size;
	r = find_bounds(scan, name, &start, err);
	if (r == 0)
		r = walk(scan, start, err);
	if (r < 0)
		return r;
	known = start + scan->good;
	if (scan->window.end < PACK_SIZE_MAX)
		known += size - scan->window.end;
	*ret_lost = size - known;
	return 0;
}

int pack_scan(struct disk_dir *dir, const struct pack_name *name,
	      struct pack_index *ret, uint64_t *ret_lost, struct err *err)
{
	CLEANUP(pack_file_close) struct pack_file file = PACK_FILE_INIT;
	CLEANUP(scan_release) struct scan scan = { .good = 0 };
	/* Damage that was got over must leave no words behind. */
	struct err why = ERR_INIT;
	int r;

	r = pack_file_open(dir, name, &file, err);
	if (r < 0)
		return r;
	scan.window.file = &file;
	r = scan_run(&scan, name, ret_lost, &why);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	*ret = scan.index;
	scan.index = (struct pack_index){ .size = 0 };
	return 0;
}
