/*
 * Single metadata objects: the envelope, directory pages, the root, index
 * nodes.  What parses is written again and parses the same.
 */
#include <stdlib.h>

#include "fs/tree/content_list.h"
#include "fs/tree/index.h"
#include "fs/tree/page.h"
#include "tests/fuzz/fuzz.h"

/* References that could be: what a parser looks at first of all. */
static void mend_refs(uint8_t *data, size_t len)
{
	struct bytes in = bytes_of(span_of(data, len));
	uint64_t count;
	uint8_t *types;

	bytes_u8(&in);
	count = bytes_count(&in, OBJECT_REFS_MAX);
	types = data + (in.at - data);
	if (in.bad || bytes_left(&in) < count * (1 + ID_BYTES))
		return;
	for (uint64_t i = 0; i < count; i++) {
		uint8_t *disk = types + count + i * ID_BYTES;
		struct id id;

		types[i] = (uint8_t)(1 + (types[i] - 1u) % 10);
		id_from_disk(disk, &id);
		id.len = 1 + (id.len - 1) % OBJECT_MAX;
		id.nth = types[i] == OBJECT_CHUNK ? 0 : ID_META;
		id_to_disk(&id, disk);
	}
}

/* Insert or take out a byte of the body, where counts are near. */
static size_t change_body(uint8_t *data, size_t len, size_t max,
			  struct fuzz_rng *rng)
{
	struct object_in object;
	uint8_t *body;
	size_t left;

	if (object_parse(span_of(data, len), &object, NULL) < 0)
		return LLVMFuzzerMutate(data, len, max);
	left = bytes_left(&object.body);
	body = data + len - left;
	if (fuzz_below(rng, 4) == 0)
		return LLVMFuzzerMutate(data, len, max);
	return len - left + LLVMFuzzerMutate(body, left, max - (len - left));
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	len = change_body(data, len, max, rng);
	mend_refs(data, len);
	return len;
}

static bool same_xattrs(const struct entry *a, const struct entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (uint32_t i = 0; i < a->xattr_count; i++)
		if (!span_equal(a->xattrs[i].name, b->xattrs[i].name) ||
		    !span_equal(a->xattrs[i].value, b->xattrs[i].value) ||
		    a->xattrs[i].value_len != b->xattrs[i].value_len ||
		    !id_equal(&a->xattrs[i].chunk, &b->xattrs[i].chunk))
			return false;
	return true;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return span_equal(a->name, b->name) && a->type == b->type &&
	       a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       span_equal(a->uname, b->uname) &&
	       span_equal(a->gname, b->gname) &&
	       stamp_cmp(a->mtime, b->mtime) == 0 && a->size == b->size &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       span_equal(a->target, b->target) &&
	       content_equal(&a->content, &b->content) &&
	       a->flags == b->flags && a->below == b->below &&
	       a->dirs_below == b->dirs_below && id_equal(&a->tree, &b->tree) &&
	       a->tree_levels == b->tree_levels && same_xattrs(a, b);
}

static void same_page(const struct page *a, const struct page *b)
{
	FUZZ_CHECK(a->count == b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		FUZZ_CHECK(same_entry(&a->entries[i], &b->entries[i]));
		FUZZ_CHECK(a->before[i + 1] == b->before[i + 1]);
	}
}

static void write_page(const struct page *page, enum object_type type,
		       struct buf *ret)
{
	struct page_out *out = page_out_new();
	struct err err = ERR_INIT;
	int r = 0;

	FUZZ_CHECK(out != NULL);
	for (uint32_t i = 0; r == 0 && i < page->count; i++)
		r = page_out_add(out, &page->entries[i], &err);
	if (r == 0)
		r = page_out_finish(out, type, ret, &err);
	if (r < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	page_out_free(out);
}

/* Rows say what entries say. */
static void try_rows(struct span bytes, enum object_type type,
		     const struct page *page)
{
	struct rows rows;
	struct entry entry;
	uint32_t at;

	FUZZ_CHECK(rows_parse(bytes, type, &rows, NULL) == 0);
	FUZZ_CHECK(rows.count == page->count);
	for (uint32_t i = 0; i < rows.count; i++) {
		FUZZ_CHECK(rows_find(&rows, page->entries[i].name, &at));
		FUZZ_CHECK(at == i);
		rows_get(&rows, i, &entry);
		FUZZ_CHECK(same_entry(&entry, &page->entries[i]));
	}
	rows_find(&rows, span_str("\xff"), &at);
	FUZZ_CHECK(at <= rows.count);
	rows_release(&rows);
}

static void try_page(struct span bytes, enum object_type type)
{
	OWNED_BUF struct buf once = BUF_INIT, twice = BUF_INIT;
	struct page page, again;
	struct err err = ERR_INIT;
	int r = page_parse(bytes, type, &page, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return;
	try_rows(bytes, type, &page);
	write_page(&page, type, &once);
	FUZZ_CHECK(page_parse(buf_span(&once), type, &again, NULL) == 0);
	same_page(&page, &again);
	write_page(&again, type, &twice);
	FUZZ_CHECK(span_equal(buf_span(&once), buf_span(&twice)));
	page_release(&page);
	page_release(&again);
}

static void write_index(const struct index_in *in, struct buf *ret)
{
	struct index_out out = { .object = OBJECT_OUT_INIT };
	struct index_child child;
	struct err err = ERR_INIT;
	int r = index_out_begin(&out, in->level, &err);

	for (uint32_t i = 0; r == 0 && i < in->count; i++) {
		child = (struct index_child){
			.id = in->ids[i],
			.entries = in->entries[i + 1] - in->entries[i],
			.nodes = in->nodes[i + 1] - in->nodes[i],
			.first = index_first(in, i),
		};
		r = index_out_add(&out, &child, &err);
	}
	if (r == 0)
		r = index_out_finish(&out, ret, &child, &err);
	if (r < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	index_out_release(&out);
}

static void look_up(const struct index_in *in)
{
	for (uint32_t i = 0; i < in->count; i++) {
		FUZZ_CHECK(index_by_name(in, index_first(in, i)) == i);
		FUZZ_CHECK(index_by_ordinal(in, in->entries[i]) == i);
		FUZZ_CHECK(index_by_node(in, in->nodes[i]) == i);
		FUZZ_CHECK(index_by_node(in, in->nodes[i + 1] - 1) == i);
	}
	FUZZ_CHECK(index_by_name(in, span_str("")) == 0);
}

static void try_index(struct span bytes, unsigned level)
{
	OWNED_BUF struct buf once = BUF_INIT, twice = BUF_INIT;
	struct index_in index, again;
	struct err err = ERR_INIT;
	int r = index_parse(bytes, level, &index, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return;
	look_up(&index);
	write_index(&index, &once);
	FUZZ_CHECK(index_parse(buf_span(&once), level, &again, NULL) == 0);
	write_index(&again, &twice);
	FUZZ_CHECK(span_equal(buf_span(&once), buf_span(&twice)));
	index_release(&index);
	index_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span bytes = span_of(data, len);
	struct object_in object;
	struct list_head head;
	struct err err = ERR_INIT;
	int r = object_parse(bytes, &object, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	if (object.type == OBJECT_PAGE || object.type == OBJECT_ROOT) {
		try_page(bytes, object.type);
	} else if (object.type == OBJECT_INDEX) {
		for (unsigned level = 1; level < 4; level++)
			try_index(bytes, level);
	} else {
		list_parse(bytes, &object, &head, NULL);
	}
	return 0;
}
