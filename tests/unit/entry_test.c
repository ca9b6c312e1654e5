#include "tree_fixture.h"

#include <inttypes.h>

#include "fs/tree/page.h"

static struct entry file_of(const char *name, uint64_t n)
{
	struct entry entry = plain_entry(name, ENTRY_FILE);
	struct extent *extent = &entry.content.extent[0];

	entry.size = 100 + n;
	entry.content.count = 1;
	extent->type = EXTENT_CHUNK;
	extent->id = fake_id(n, (uint32_t)entry.size, false);
	extent->len = entry.size;
	return entry;
}

static void finish(struct page_out *out, struct buf *bytes)
{
	struct err err = ERR_INIT;

	assert_ok(page_out_finish(out, OBJECT_PAGE, bytes, &err));
}

static void assert_content_equal(const struct content *a,
				 const struct content *b)
{
	assert_true(content_equal(a, b));
	assert_int_equal(a->holes, b->holes);
}

static void assert_entry_equal(const struct entry *a, const struct entry *b)
{
	assert_span_equal(a->name, b->name);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_span_equal(a->uname, b->uname);
	assert_span_equal(a->gname, b->gname);
	assert_true(a->mtime.s == b->mtime.s);
	assert_int_equal(a->mtime.ns, b->mtime.ns);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->dev_major, b->dev_major);
	assert_int_equal(a->dev_minor, b->dev_minor);
	assert_span_equal(a->target, b->target);
	assert_content_equal(&a->content, &b->content);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->xattr_count, b->xattr_count);
	for (uint32_t i = 0; i < a->xattr_count; i++) {
		const struct xattr *x = &a->xattrs[i], *y = &b->xattrs[i];

		assert_span_equal(x->name, y->name);
		assert_span_equal(x->value, y->value);
		assert_true(id_equal(&x->chunk, &y->chunk));
		assert_int_equal(x->value_len, y->value_len);
	}
	assert_int_equal(a->below, b->below);
	assert_int_equal(a->dirs_below, b->dirs_below);
	assert_true(id_equal(&a->tree, &b->tree));
	assert_int_equal(a->tree_levels, b->tree_levels);
}

#define ENTRIES 14

struct sample {
	struct entry entry[ENTRIES];
	struct xattr xattr[4];
	char value[XATTR_INLINE_MAX];
	char target[TARGET_MAX + 1];
	char name[NAME_BYTES_MAX + 1];
};

/* One of everything there is, at its limits where it has some. */
static void sample_init(struct sample *s)
{
	struct entry *e = s->entry;
	struct content *c;

	memset(s, 0, sizeof(*s));
	memset(s->target, 't', TARGET_MAX);
	memset(s->name, 'n', NAME_BYTES_MAX);
	s->xattr[0] = (struct xattr){ .name = span_str("security.capability"),
				      .value = span_of(s->value, 20),
				      .value_len = 20 };
	s->xattr[1] = (struct xattr){ .name = span_str("user.empty") };
	s->xattr[2] = (struct xattr){ .name = span_str("user.long"),
				      .chunk = fake_id(7, XATTR_VALUE_MAX,
						       false),
				      .value_len = XATTR_VALUE_MAX };
	s->xattr[3] = (struct xattr){ .name = span_str("user.short"),
				      .value = span_of(s->value,
						       XATTR_INLINE_MAX),
				      .value_len = XATTR_INLINE_MAX };

	e[0] = file_of("0", 3);
	e[0].uname = span_str("root");
	e[0].gname = span_str("wheel");
	e[1] = file_of("00", 3);	/* the chunk of the one before again */
	e[1].uid = 3000000000u;
	e[1].gid = UINT32_MAX;
	e[1].mtime = (struct stamp){ -2, 250000000 };
	e[2] = plain_entry("blk", ENTRY_BLOCK);
	e[2].dev_major = 8;
	e[2].dev_minor = UINT32_MAX;
	e[3] = plain_entry("chr", ENTRY_CHAR);
	e[3].dev_major = UINT32_MAX;
	e[4] = plain_entry("dir", ENTRY_DIR);
	e[4].mode = 07777;
	e[4].below = 1234567;
	e[4].dirs_below = 3;
	e[4].tree = fake_id(9, 500, true);
	e[4].tree_levels = 2;
	e[5] = plain_entry("dir-empty", ENTRY_DIR);
	e[5].mtime = (struct stamp){ INT64_MIN, 999999999 };
	e[6] = plain_entry("dir.one", ENTRY_DIR);
	e[6].mtime = (struct stamp){ INT64_MAX, 1 };
	e[6].below = 1;
	e[6].tree = fake_id(10, 50, true);
	e[7] = plain_entry("empty\n\xff", ENTRY_FILE);
	e[7].flags = 0x80000010;
	e[8] = plain_entry("fifo", ENTRY_FIFO);
	e[8].xattrs = s->xattr;
	e[8].xattr_count = 4;
	e[9] = plain_entry("link", ENTRY_SYMLINK);
	e[9].mode = 0777;
	e[9].target = span_of(s->target, TARGET_MAX);
	e[9].size = TARGET_MAX;
	e[9].xattrs = s->xattr;
	e[9].xattr_count = 4;
	e[10] = plain_entry("list", ENTRY_FILE);
	e[10].size = SIZE_LIMIT;
	e[10].content.list = fake_id(11, 5000, true);
	e[10].content.levels = CONTENT_LEVELS;
	e[10].content.holes = 1ull << 40;
	e[11] = plain_entry("many", ENTRY_FILE);
	c = &e[11].content;
	c->count = INLINE_EXTENTS;
	for (unsigned i = 0; i < INLINE_EXTENTS; i++) {
		struct extent *x = &c->extent[i];

		x->type = i % 3 == 2 ? EXTENT_HOLE : EXTENT_CHUNK;
		x->len = 1000 + i;
		if (x->type == EXTENT_CHUNK) {
			x->id = fake_id(100 + i % 2, 5000, false);
			x->from = i;
		} else {
			x->len <<= 30;
			c->holes += x->len;
		}
		e[11].size += x->len;
	}
	e[12] = plain_entry(s->name, ENTRY_FILE);
	e[12].xattrs = s->xattr + 1;
	e[12].xattr_count = 1;
	e[13] = plain_entry("sock", ENTRY_SOCKET);
}

static void sample_page(struct sample *s, struct buf *bytes)
{
	struct page_out *out = page_out_new();
	struct err err = ERR_INIT;

	sample_init(s);
	for (int i = 0; i < ENTRIES; i++)
		assert_ok(page_out_add(out, &s->entry[i], &err));
	assert_int_equal(page_out_count(out), ENTRIES);
	finish(out, bytes);
	assert_int_equal(page_out_count(out), 0);
	page_out_free(out);
}

static void test_roundtrip(void **state)
{
	struct sample s;
	struct buf bytes = BUF_INIT;
	struct page page;
	struct err err = ERR_INIT;
	uint64_t nodes = 0;

	(void)state;
	sample_page(&s, &bytes);
	assert_ok(page_parse(buf_span(&bytes), OBJECT_PAGE, &page, &err));
	assert_int_equal(page.count, ENTRIES);
	for (int i = 0; i < ENTRIES; i++) {
		assert_entry_equal(&page.entries[i], &s.entry[i]);
		assert_int_equal(page.before[i], nodes);
		nodes += 1 + s.entry[i].below;
	}
	assert_int_equal(page.before[ENTRIES], nodes);
	assert_int_equal(entry_data_bytes(&page.entries[10]),
			 SIZE_LIMIT - (1ull << 40));
	assert_int_equal(entry_data_bytes(&page.entries[11]),
			 1000 + 1001 + 1003 + 1004 + 1006 + 1007);
	page_release(&page);
	buf_release(&bytes);
}

/* The promise that equal directories are the same bytes, to the byte. */
static void test_golden(void **state)
{
	static const uint8_t want[] = {
		OBJECT_PAGE, 1, OBJECT_CHUNK,
		/* id: hash, length, nth */
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
		200, 1, 0, 0, 0, 0,
		1, 0, 10, 4, 'r', 'o', 'o', 't', 0,	/* owners */
		0,					/* xattr sets */
		2,					/* entries */
		ENTRY_FILE, 0, 2, 'a', 'b',
		0xa4, 3, 0, 200, 1,		/* 0644, owner 0, 100 s */
		1, 0,				/* one extent, a new chunk */
		ENTRY_FILE | ROW_SAME_OWNER | ROW_SAME_MODE, 1, 1, 'c',
		1,				/* a second earlier */
		1, 1 << 2,			/* the chunk one back */
	};
	struct page_out *out = page_out_new();
	struct buf bytes = BUF_INIT;
	struct entry entry = plain_entry("ab", ENTRY_FILE);
	struct extent *extent = &entry.content.extent[0];
	struct err err = ERR_INIT;

	(void)state;
	entry.gid = 10;
	entry.uname = span_str("root");
	entry.mtime.s = 100;
	entry.size = 456;
	entry.content.count = 1;
	extent->type = EXTENT_CHUNK;
	extent->len = extent->id.len = 456;
	for (uint8_t i = 0; i < ID_HASH; i++)
		extent->id.hash[i] = i + 1;
	assert_ok(page_out_add(out, &entry, &err));
	entry.name = span_str("ac");
	entry.mtime.s = 99;
	assert_ok(page_out_add(out, &entry, &err));
	finish(out, &bytes);
	assert_span_equal(buf_span(&bytes), span_of(want, sizeof(want)));
	page_out_free(out);
	buf_release(&bytes);
}

static void test_root(void **state)
{
	struct page_out *out = page_out_new();
	struct buf bytes = BUF_INIT;
	struct page page;
	struct entry root = plain_entry("", ENTRY_DIR);
	struct entry other = plain_entry("a", ENTRY_FILE);
	struct err err = ERR_INIT;

	(void)state;
	root.below = 5;
	root.tree = fake_id(1, 40, true);
	assert_ok(page_out_add(out, &root, &err));
	assert_ok(page_out_finish(out, OBJECT_ROOT, &bytes, &err));
	assert_ok(page_parse(buf_span(&bytes), OBJECT_ROOT, &page, &err));
	assert_int_equal(page.count, 1);
	assert_entry_equal(&page.entries[0], &root);
	assert_int_equal(page.before[1], 6);
	page_release(&page);
	/* the root is no page, nor a page a root */
	assert_int_equal(page_parse(buf_span(&bytes), OBJECT_PAGE, &page,
				    &err), -EBADMSG);
	bytes.data[0] = OBJECT_PAGE;
	assert_int_equal(page_parse(buf_span(&bytes), OBJECT_PAGE, &page,
				    &err), -EBADMSG);

	assert_ok(page_out_add(out, &root, &err));
	assert_int_equal(page_out_finish(out, OBJECT_PAGE, &bytes, &err),
			 -EINVAL);
	assert_ok(page_out_add(out, &other, &err));
	assert_int_equal(page_out_finish(out, OBJECT_ROOT, &bytes, &err),
			 -EINVAL);
	page_out_free(out);
	out = page_out_new();
	other.name = span_str("");
	assert_ok(page_out_add(out, &other, &err));
	assert_int_equal(page_out_finish(out, OBJECT_ROOT, &bytes, &err),
			 -EINVAL);
	page_out_free(out);
	buf_release(&bytes);
}

/* The order in which xattrs are told is no part of a directory. */
static void test_xattr_order(void **state)
{
	struct xattr x[3] = {
		{ .name = span_str("user.a"), .value = span_str("1") },
		{ .name = span_str("user.b"), .value = span_str("2") },
		{ .name = span_str("user.a"), .value = span_str("old") },
	};
	struct xattr y[3] = { x[1], x[2], x[0] };
	struct entry e = plain_entry("f", ENTRY_FIFO);
	struct page_out *out = page_out_new();
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct page page;
	struct err err = ERR_INIT;

	(void)state;
	e.xattrs = x;
	e.xattr_count = 2;
	assert_ok(page_out_add(out, &e, &err));
	finish(out, &a);
	e.xattrs = y;
	e.xattr_count = 3;
	assert_ok(page_out_add(out, &e, &err));
	finish(out, &b);
	assert_span_equal(buf_span(&a), buf_span(&b));
	assert_ok(page_parse(buf_span(&b), OBJECT_PAGE, &page, &err));
	assert_int_equal(page.entries[0].xattr_count, 2);
	assert_span_equal(page.entries[0].xattrs[0].value, span_str("1"));
	page_release(&page);
	page_out_free(out);
	buf_release(&a);
	buf_release(&b);
}

/* Equal xattr sets and owners are written once. */
static void test_interned(void **state)
{
	struct xattr x = { .name = span_str("user.some-long-name"),
			   .value = span_str("some long value, once") };
	struct page_out *out = page_out_new();
	struct buf bytes = BUF_INIT;
	struct page page;
	struct err err = ERR_INIT;
	char name[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct entry e = plain_entry(name, ENTRY_FIFO);

		snprintf(name, sizeof(name), "%05d", i);
		e.name = span_str(name);
		e.xattrs = &x;
		e.xattr_count = 1;
		e.uid = (uint32_t)i % 2;
		e.uname = span_str(i % 2 ? "someone-long" : "else-long");
		assert_ok(page_out_add(out, &e, &err));
	}
	finish(out, &bytes);
	assert_true(bytes.len < 8000);
	assert_ok(page_parse(buf_span(&bytes), OBJECT_PAGE, &page, &err));
	assert_int_equal(page.count, 1000);
	assert_ptr_equal(page.entries[0].xattrs, page.entries[999].xattrs);
	assert_span_equal(page.entries[999].uname, span_str("someone-long"));
	assert_span_equal(page.entries[998].uname, span_str("else-long"));
	page_release(&page);
	page_out_free(out);
	buf_release(&bytes);
}

static void refuse(const struct entry *entry, const char *words)
{
	struct page_out *out = page_out_new();
	struct err err = ERR_INIT;

	assert_int_equal(entry_check(entry, &err), -EINVAL);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
	assert_int_equal(page_out_add(out, entry, &err), -EINVAL);
	assert_int_equal(page_out_count(out), 0);
	page_out_free(out);
}

static void test_refused(void **state)
{
	char long_name[300];
	struct sample s;
	struct entry e;
	struct xattr x = { .name = span_str("") };
	static struct xattr many[XATTRS_MAX + 1];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	sample_init(&s);

	e = s.entry[0];
	e.name = span_str(".");
	refuse(&e, "name is none");
	e.name = span_str("..");
	refuse(&e, "name is none");
	e.name = span_str("a/b");
	refuse(&e, "name is none");
	e.name = span_of("a\0b", 3);
	refuse(&e, "name is none");
	e.name = span_of(long_name, NAME_BYTES_MAX + 1);
	refuse(&e, "longer than 255 bytes");

	e = s.entry[0];
	e.mode = 010000;
	refuse(&e, "mode 10000");
	e = s.entry[0];
	e.mtime.ns = 1000000000;
	refuse(&e, "nanoseconds");
	e = s.entry[0];
	e.type = 0;
	refuse(&e, "no known type");
	e = s.entry[0];
	e.uname = span_of(long_name, 256);
	refuse(&e, "user's or group's");
	e = s.entry[0];
	e.size++;
	refuse(&e, "do not make its size");
	e.size -= 2;
	refuse(&e, "extent is malformed");
	e = s.entry[0];
	e.content.extent[0].from = 1;
	refuse(&e, "extent is malformed");
	e = s.entry[11];
	e.content.extent[2].len = UINT64_MAX;
	refuse(&e, "extent is malformed");
	e = s.entry[11];
	e.content.count = INLINE_EXTENTS + 1;
	refuse(&e, "too many extents");
	e = s.entry[10];
	e.content.levels = CONTENT_LEVELS + 1;
	refuse(&e, "list is malformed");
	e = s.entry[10];
	e.content.count = 1;
	refuse(&e, "list is malformed");
	e = s.entry[10];
	e.size = UINT64_MAX;
	refuse(&e, "out of range");

	e = s.entry[4];
	e.below = 0;
	refuse(&e, "counts do not fit");
	e = s.entry[4];
	e.dirs_below = e.below + 1;
	refuse(&e, "counts do not fit");
	e = s.entry[4];
	e.tree_levels = TREE_LEVELS + 1;
	refuse(&e, "counts do not fit");
	e = s.entry[4];
	e.tree.nth = 0;
	refuse(&e, "counts do not fit");

	e = s.entry[9];
	e.target = span_of(s.target, TARGET_MAX + 1);
	refuse(&e, "target of a symbolic link");
	e.target = span_of("a\0", 2);
	refuse(&e, "target of a symbolic link");

	e = s.entry[8];
	e.xattrs = &x;
	e.xattr_count = 1;
	refuse(&e, "name of an extended attribute");
	x.name = span_str("user.x");
	x.value = span_of(long_name, XATTR_INLINE_MAX + 1);
	refuse(&e, "value of extended attribute 'user.x'");
	x.chunk = fake_id(1, XATTR_VALUE_MAX + 1, false);
	refuse(&e, "value of extended attribute 'user.x'");
	x.chunk = fake_id(1, 1000, true);
	refuse(&e, "value of extended attribute 'user.x'");
	e.xattrs = many;
	e.xattr_count = XATTRS_MAX + 1;
	refuse(&e, "more than 1024 extended attributes");
}

static void test_order(void **state)
{
	struct page_out *out = page_out_new();
	struct entry e = plain_entry("b", ENTRY_FIFO);
	struct err err = ERR_INIT;

	(void)state;
	assert_ok(page_out_add(out, &e, &err));
	assert_int_equal(page_out_add(out, &e, &err), -EINVAL);
	assert_string_equal(err.text,
			    "'b' does not come behind the name before it");
	e.name = span_str("a\xff");
	assert_int_equal(page_out_add(out, &e, &err), -EINVAL);
	e.name = span_str("b\x01");
	assert_ok(page_out_add(out, &e, &err));
	assert_int_equal(page_out_count(out), 2);
	page_out_free(out);
}

/* A page made by hand: what no writer of ours makes. */
struct forged {
	const char *what;
	const char *bytes;
	size_t len;
};

#define B(s) s, sizeof(s) - 1
static void test_forged(void **state)
{
	/* owners: one, 0:0, no names; no xattr sets */
#define PRE "\x03\x00" "\x01\x00\x00\x00\x00" "\x00"
	static const struct forged good = {
		"good", B(PRE "\x02" "\x06\x00\x01" "a" "\x00\x00\x00"
			  "\x1e\x00\x01" "b" "\x00") };
	static const struct forged forged[] = {
		{ "no entries", B(PRE "\x00") },
		{ "more entries than bytes", B(PRE "\xff\x01" "\x06\x00\x01"
					       "a" "\x00\x00\x00") },
		{ "empty name", B(PRE "\x01" "\x06\x00\x00" "\x00\x00\x00"
				  "\x00") },
		{ "dot", B(PRE "\x01" "\x06\x00\x01" "." "\x00\x00\x00") },
		{ "slash", B(PRE "\x01" "\x06\x00\x01" "/" "\x00\x00\x00") },
		{ "equal names", B(PRE "\x02" "\x06\x00\x01" "a"
				   "\x00\x00\x00" "\x1e\x01\x00" "\x00\x00") },
		{ "falling names", B(PRE "\x02" "\x06\x00\x01" "b"
				     "\x00\x00\x00" "\x1e\x00\x01" "a"
				     "\x00") },
		{ "shares more than there is",
		  B(PRE "\x02" "\x06\x00\x01" "a" "\x00\x00\x00"
		    "\x1e\x02\x01" "b" "\x00") },
		{ "no type", B(PRE "\x01" "\x00\x00\x01" "a"
			       "\x00\x00\x00") },
		{ "owner that is not there", B(PRE "\x01" "\x06\x00\x01" "a"
					       "\x00\x01\x00") },
		{ "mode", B(PRE "\x01" "\x06\x00\x01" "a" "\x80\x20\x00\x00") },
		{ "no nanoseconds", B(PRE "\x01" "\x86\x00\x01" "a"
				      "\x00\x00\x00\x00") },
		{ "flags of 0", B(PRE "\x01" "\x46\x00\x01" "a"
				  "\x00\x00\x00\x00") },
		{ "xattr set that is not there",
		  B(PRE "\x01" "\x26\x00\x01" "a" "\x00\x00\x00\x00") },
		{ "bytes behind", B(PRE "\x01" "\x06\x00\x01" "a"
				    "\x00\x00\x00" "x") },
		{ "nodes below, but no tree",
		  B(PRE "\x01" "\x02\x00\x01" "a" "\x00\x00\x00"
		    "\x01\x00\x00") },
		{ "extent of a chunk that is not there",
		  B(PRE "\x01" "\x01\x00\x01" "a" "\x00\x00\x00"
		    "\x01\x00") },
		{ "empty hole", B(PRE "\x01" "\x01\x00\x01" "a" "\x00\x00\x00"
				  "\x01\x02\x00") },
		{ "holes over the limit of a size",
		  B(PRE "\x01" "\x01\x00\x01" "a" "\x00\x00\x00"
		    "\x02\x02\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
		    "\x02\x01") },
		{ "NUL in a target", B(PRE "\x01" "\x03\x00\x01" "a"
				       "\x00\x00\x00" "\x01\x00") },
		{ "owners cut off", B("\x03\x00" "\xff\x7f" "\x00") },
	};
	struct page page;
	struct err err = ERR_INIT;

	(void)state;
	assert_ok(page_parse(span_of(good.bytes, good.len), OBJECT_PAGE,
			     &page, &err));
	assert_int_equal(page.count, 2);
	assert_span_equal(page.entries[1].name, span_str("b"));
	page_release(&page);
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
		if (page_parse(span_of(forged[i].bytes, forged[i].len),
			       OBJECT_PAGE, &page, &err) != -EBADMSG)
			fail_msg("'%s' was taken", forged[i].what);
}

/* Whatever the bytes: an answer, and one that keeps the rules. */
static void test_mutations(void **state)
{
	struct sample s;
	struct buf bytes = BUF_INIT;
	struct page page;
	uint64_t seed = 1;
	unsigned taken = 0;

	(void)state;
	sample_page(&s, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		CLEANUP(free_ptr) uint8_t *cut = malloc(len + 1);

		memcpy(cut + 1, bytes.data, len);
		assert_int_equal(page_parse(span_of(cut + 1, len),
					    OBJECT_PAGE, &page, NULL),
				 -EBADMSG);
	}
	for (int i = 0; i < 30000; i++) {
		OWNED_BUF struct buf bad = mutate(buf_span(&bytes), &seed);
		struct err err = ERR_INIT;
		int r = page_parse(buf_span(&bad), OBJECT_PAGE, &page, &err);

		if (r < 0) {
			assert_int_equal(r, -EBADMSG);
			continue;
		}
		taken++;
		for (uint32_t k = 0; k < page.count; k++) {
			const struct entry *e = &page.entries[k];

			if (entry_check(e, &err) < 0)
				fail_msg("%s", err.text);
			if (k)
				assert_true(span_cmp(e[-1].name, e->name) < 0);
			assert_int_equal(page.before[k + 1] - page.before[k],
					 1 + e->below);
		}
		page_release(&page);
	}
	assert_true(taken > 100);	/* flips in ids and times */
	buf_release(&bytes);
}

/* A page need not be read from its start to be read right. */
static void test_rows(void **state)
{
	struct sample s;
	struct buf bytes = BUF_INIT;
	struct rows rows;
	struct entry entry;
	struct err err = ERR_INIT;
	uint32_t at;

	(void)state;
	sample_page(&s, &bytes);
	assert_ok(rows_parse(buf_span(&bytes), OBJECT_PAGE, &rows, &err));
	assert_int_equal(rows.count, ENTRIES);
	assert_int_equal(rows.dirs, 3);
	for (int i = ENTRIES; i-- > 0;) {
		rows_get(&rows, (uint32_t)i, &entry);
		assert_entry_equal(&entry, &s.entry[i]);
		assert_true(rows_find(&rows, s.entry[i].name, &at));
		assert_int_equal(at, i);
	}
	assert_false(rows_find(&rows, span_str("dir0"), &at));
	assert_int_equal(at, 7);
	assert_false(rows_find(&rows, span_str(""), &at));
	assert_int_equal(at, 0);
	assert_false(rows_find(&rows, span_str("zz"), &at));
	assert_int_equal(at, ENTRIES);
	rows_release(&rows);
	buf_release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_xattr_order),
		cmocka_unit_test(test_interned),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
