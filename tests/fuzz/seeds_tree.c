#include <stdio.h>
#include <stdlib.h>

#include "fs/tree/builder.h"
#include "fs/tree/content_list.h"
#include "fs/tree/index.h"
#include "fs/tree/posmap_format.h"
#include "fs/tree/view_recipe.h"
#include "tests/fuzz/fuzz_store.h"
#include "tests/fuzz/seeds.h"

static struct repo repo;
static struct deposit deposit = { &repo };

static void must(int r, const struct err *err)
{
	if (r < 0)
		fuzz_fail(__FILE__, __LINE__, err->text);
}

static void chunk_id(uint8_t fill, uint32_t len, struct id *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < ID_HASH; i++)
		ret->hash[i] = (uint8_t)(fill * 37 + i * 11);
	ret->len = len;
}

/* The store's objects as a seed of list, and each alone as one of page. */
static void flush(const char *name)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char each[64];

	fuzz_store_bundle(&repo, &out);
	seed("list", name, buf_span(&out));
	for (uint32_t i = 0; i < repo.count && i < 12; i++) {
		snprintf(each, sizeof(each), "%s-%u", name, i);
		seed("page", each, buf_span(&repo.object[i]));
	}
	fuzz_store_release(&repo);
	memset(&repo, 0, sizeof(repo));
}

static void put_object(struct object_out *object, struct id *ret)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;

	must(object_finish(object, &bytes, &err), &err);
	must(deposit_object(&deposit, buf_span(&bytes), ret, &err), &err);
	object_out_release(object);
}

/* Lists: a small one with holes, and two levels of index over such. */

static void put_list(uint8_t fill, struct list_child *ret)
{
	struct object_out object = OBJECT_OUT_INIT;
	struct ref_out refs = { .object = &object };
	struct extent e = { .type = EXTENT_CHUNK, .len = 300 };
	struct buf *body = &object.body;

	object_begin(&object, OBJECT_LIST);
	buf_varint(body, 300 + 4096 + 50);
	buf_varint(body, 4096);
	buf_varint(body, 3);
	chunk_id(fill, 300, &e.id);
	extent_write(&refs, body, &e);
	extent_write(&refs, body, &(struct extent){ .type = EXTENT_HOLE,
						    .len = 4096 });
	e.len = 50;
	e.from = 20;
	extent_write(&refs, body, &e);
	put_object(&object, &ret->id);
	ret->len = 300 + 4096 + 50;
	ret->holes = 4096;
}

static void put_list_index(unsigned level, const struct list_child *children,
			   uint32_t count, struct list_child *ret)
{
	struct object_out object = OBJECT_OUT_INIT;
	struct ref_out refs = { .object = &object };
	struct buf *body = &object.body;

	ret->len = ret->holes = 0;
	for (uint32_t i = 0; i < count; i++) {
		ret->len += children[i].len;
		ret->holes += children[i].holes;
	}
	object_begin(&object, OBJECT_LIST_INDEX);
	buf_varint(body, level);
	buf_varint(body, ret->len);
	buf_varint(body, ret->holes);
	buf_varint(body, count);
	for (uint32_t i = 0; i < count; i++) {
		ref_write(&refs, body,
			  level == 1 ? OBJECT_LIST : OBJECT_LIST_INDEX,
			  &children[i].id);
		buf_varint(body, children[i].len);
		buf_varint(body, children[i].holes);
	}
	put_object(&object, &ret->id);
}

static void put_lists(struct content *ret, uint64_t *ret_size)
{
	struct list_child list[3], node[2], top;

	for (uint8_t n = 0; n < 2; n++) {
		for (uint8_t i = 0; i < 3; i++)
			put_list((uint8_t)(n * 3 + i), &list[i]);
		put_list_index(1, list, 3, &node[n]);
	}
	put_list_index(2, node, 2, &top);
	*ret = (struct content){ .levels = 2, .list = top.id,
				 .holes = top.holes };
	*ret_size = top.len;
}

/* Position maps. */

static void put_posmap(uint32_t width, uint32_t pairs, struct id *ret)
{
	struct posmap_builder *map = posmap_builder_new(&deposit, width);
	uint8_t value[POSMAP_WIDTH_MAX] = { 0 };
	struct err err = ERR_INIT;

	for (uint32_t i = 0; i < pairs; i++) {
		value[0] = (uint8_t)(i & 1);
		value[8] = 2;
		must(posmap_add(map, 1 + i * 2, value, &err), &err);
	}
	must(posmap_finish(map, ret, &err), &err);
	posmap_builder_free(map);
}

/* Two levels by hand: pages of two pairs each. */
static void put_posmap_node(unsigned level, const struct id *children,
			    uint32_t pairs, uint64_t first, uint64_t step,
			    struct id *ret)
{
	struct object_out object = OBJECT_OUT_INIT;
	struct ref_out refs = { .object = &object };
	struct buf *body = &object.body;

	object_begin(&object, OBJECT_POSMAP_INDEX);
	buf_varint(body, level);
	buf_varint(body, LINKS_WIDTH);
	buf_varint(body, 2);
	for (uint32_t i = 0; i < 2; i++) {
		ref_write(&refs, body,
			  level == 1 ? OBJECT_POSMAP : OBJECT_POSMAP_INDEX,
			  &children[i]);
		buf_varint(body, i ? step : first);
		buf_varint(body, pairs);
	}
	put_object(&object, ret);
}

static void put_posmap_deep(struct id *ret)
{
	struct id page[2], node[2];

	for (unsigned n = 0; n < 2; n++) {
		for (unsigned i = 0; i < 2; i++) {
			struct object_out object = OBJECT_OUT_INIT;

			object_begin(&object, OBJECT_POSMAP);
			buf_varint(&object.body, LINKS_WIDTH);
			buf_varint(&object.body, 2);
			buf_varint(&object.body, 1);
			buf_append_zero(&object.body, LINKS_WIDTH);
			buf_append(&object.body, "\2\2\0\0\1\1\0\0", 8);
			buf_append_zero(&object.body, LINKS_WIDTH - 8);
			put_object(&object, &page[i]);
		}
		put_posmap_node(1, page, 2, 0, 10, &node[n]);
	}
	put_posmap_node(2, node, 4, 5, 100, ret);
}

/* Trees. */

static struct entry entry_of(const char *name, enum entry_type type)
{
	return (struct entry){
		.name = span_str(name), .type = type, .mode = 0644,
		.uid = 1000, .gid = 1000, .uname = span_str("joe"),
		.gname = span_str("users"), .mtime = { 1611343651, 0 },
	};
}

static void fill_files(struct builder *b, const struct content *content,
		       uint64_t size)
{
	static const struct xattr xattrs[] = {
		{ .name = { (const uint8_t *)"user.k", 6 },
		  .value = { (const uint8_t *)"value", 5 }, .value_len = 5 },
	};
	struct entry e;
	struct err err = ERR_INIT;
	uint64_t pos;

	e = entry_of("a-device", ENTRY_CHAR);
	e.dev_major = 4;
	e.dev_minor = 64;
	must(builder_add(b, &e, &pos, &err), &err);
	e = entry_of("b-empty", ENTRY_FILE);
	e.mtime.ns = 5;
	e.flags = 0x10;
	must(builder_add(b, &e, &pos, &err), &err);
	e = entry_of("c-file", ENTRY_FILE);
	e.xattrs = xattrs;
	e.xattr_count = 1;
	e.size = 100;
	e.content.count = 1;
	e.content.extent[0] = (struct extent){ .type = EXTENT_CHUNK,
					       .len = 100 };
	chunk_id(9, 100, &e.content.extent[0].id);
	must(builder_add(b, &e, &pos, &err), &err);
	e = entry_of("d-list", ENTRY_FILE);
	e.uid = 0;
	e.content = *content;
	e.size = size;
	must(builder_add(b, &e, &pos, &err), &err);
	e = entry_of("e-link", ENTRY_SYMLINK);
	e.mode = 0777;
	e.target = span_str("../c-file");
	e.size = e.target.len;
	must(builder_add(b, &e, &pos, &err), &err);
}

static void put_tree(const struct content *content, uint64_t size,
		     struct id *ret)
{
	struct builder *b = builder_new(&deposit);
	struct entry root = entry_of("", ENTRY_DIR);
	struct entry dir = entry_of("f-dir", ENTRY_DIR);
	struct err err = ERR_INIT;
	uint64_t pos;

	must(builder_begin(b, &root, &err), &err);
	fill_files(b, content, size);
	must(builder_enter(b, &dir, &pos, &err), &err);
	fill_files(b, content, size);
	must(builder_enter(b, &dir, &pos, &err), &err);
	must(builder_leave(b, &err), &err);
	must(builder_leave(b, &err), &err);
	must(builder_finish(b, ret, &pos, &err), &err);
	builder_free(b);
}

static void put_page(char first, unsigned count, struct index_child *ret)
{
	static char name[2] = "a";
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct page_out *page = page_out_new();
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < count; i++) {
		struct entry e;

		name[0] = (char)(first + (char)i);
		e = entry_of(name, ENTRY_FIFO);
		must(page_out_add(page, &e, &err), &err);
	}
	must(page_out_finish(page, OBJECT_PAGE, &bytes, &err), &err);
	must(deposit_object(&deposit, buf_span(&bytes), &ret->id, &err), &err);
	page_out_free(page);
	ret->entries = ret->nodes = count;
}

/* A directory of two levels of index, by hand. */
static void put_deep_dir(void)
{
	struct index_out index = { .object = OBJECT_OUT_INIT };
	struct index_child node[2], top, page;
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct page_out *root = page_out_new();
	struct entry e = entry_of("", ENTRY_DIR);
	struct err err = ERR_INIT;
	char name[2] = "a";
	struct id id;

	for (int n = 0; n < 2; n++) {
		must(index_out_begin(&index, 1, &err), &err);
		for (int i = 0; i < 3; i++) {
			name[0] = (char)('a' + n * 12 + i * 4);
			put_page(name[0], 4, &page);
			page.first = span_str(name);
			must(index_out_add(&index, &page, &err), &err);
		}
		must(index_out_finish(&index, &bytes, &node[n], &err), &err);
		node[n].first = span_str(n ? "m" : "a");
		must(deposit_object(&deposit, buf_span(&bytes), &node[n].id,
				    &err), &err);
	}
	must(index_out_begin(&index, 2, &err), &err);
	must(index_out_add(&index, &node[0], &err), &err);
	must(index_out_add(&index, &node[1], &err), &err);
	must(index_out_finish(&index, &bytes, &top, &err), &err);
	must(deposit_object(&deposit, buf_span(&bytes), &e.tree, &err), &err);
	e.below = top.nodes;
	e.tree_levels = 2;
	must(page_out_add(root, &e, &err), &err);
	must(page_out_finish(root, OBJECT_ROOT, &bytes, &err), &err);
	must(deposit_object(&deposit, buf_span(&bytes), &id, &err), &err);
	page_out_free(root);
	index_out_release(&index);
}

/* Views. */

static void put_view(const struct content *glue, uint64_t glue_len)
{
	struct view_builder *view = view_builder_new(&deposit);
	struct content own = { .count = 1 };
	uint8_t sum[16] = { 1 };
	struct err err = ERR_INIT;
	struct id id;

	own.extent[0] = (struct extent){ .type = EXTENT_CHUNK, .len = 200 };
	chunk_id(3, 200, &own.extent[0].id);
	must(view_add_glue(view, 512, &err), &err);
	must(view_add_node(view, 3, 0, 100, &err), &err);
	must(view_add_glue(view, 412, &err), &err);
	must(view_add_node(view, 4, 10, 1000, &err), &err);
	must(view_add_content(view, &own, 200, 20, 180, &err), &err);
	must(view_add_glue(view, glue_len - 924, &err), &err);
	must(view_finish(view, glue, glue_len, sum, &id, &err), &err);
	view_builder_free(view);
}

/* Two levels of nodes over segments of one run each, by hand. */
static void put_recipe(uint64_t pos, struct view_child *ret)
{
	struct object_out object = OBJECT_OUT_INIT;
	struct ref_out refs = { .object = &object };
	struct run run = { .form = RUN_GLUE, .len = 100 };
	uint64_t last = pos;

	object_begin(&object, OBJECT_RECIPE);
	run_write(&refs, &object.body, &run, &last);
	run = (struct run){ .form = RUN_FILE_AT, .len = 50, .pos = pos,
			    .offset = 7 };
	run_write(&refs, &object.body, &run, &last);
	put_object(&object, &ret->id);
	ret->len = 150;
	ret->glue = 100;
	ret->base = pos;
}

static void put_view_deep(void)
{
	struct content glue = { .count = 1 };
	struct view_child child[2], node[2];
	struct object_out top = OBJECT_OUT_INIT;
	struct ref_out refs = { .object = &top };
	struct id id;

	for (int n = 0; n < 2; n++) {
		struct object_out object = OBJECT_OUT_INIT;
		struct ref_out own = { .object = &object };

		put_recipe(3, &child[0]);
		put_recipe(3, &child[1]);
		object_begin(&object, OBJECT_VIEW);
		buf_varint(&object.body, 0);
		view_children_write(&own, &object.body, 0, child, 2);
		put_object(&object, &node[n].id);
		node[n].len = 300;
		node[n].glue = 200;
		node[n].base = 3;
	}
	glue.extent[0] = (struct extent){ .type = EXTENT_CHUNK, .len = 400 };
	chunk_id(5, 400, &glue.extent[0].id);
	object_begin(&top, OBJECT_VIEW);
	buf_varint(&top.body, 1);
	buf_varint(&top.body, 600);
	buf_varint(&top.body, 400);
	buf_append_zero(&top.body, 16);
	content_write(&refs, &top.body, &glue, 400);
	view_children_write(&refs, &top.body, 1, node, 2);
	put_object(&top, &id);
}

void seeds_tree(void)
{
	struct content content;
	struct id id;
	uint64_t size;

	put_lists(&content, &size);
	flush("lists");
	put_posmap(LINKS_WIDTH, 8, &id);
	flush("links");
	put_posmap(ORIGIN_WIDTH, 20, &id);
	flush("origin");
	put_posmap_deep(&id);
	flush("posmap-deep");
	put_deep_dir();
	flush("dir-deep");
	put_lists(&content, &size);
	put_tree(&content, size, &id);
	put_posmap(LINKS_WIDTH, 2, &id);
	put_view(&content, size);
	flush("snapshot");
	put_lists(&content, &size);
	put_tree(&content, size, &id);
	put_view_deep();
	flush("view-deep");
}
