#include "tree_fixture.h"

#include <linux/fs.h>
#include <unistd.h>

#include "fs/out/export_internal.h"

struct fixture {
	struct repo *repo;
	struct builder *builder;
	struct posmap_builder *links;
	struct record record;
	struct tree *tree;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct entry root = plain_entry("", ENTRY_DIR);
	struct err err = ERR_INIT;

	f->repo = memory_repo_new(9);
	f->builder = builder_new(memory_deposit(f->repo));
	f->links = posmap_builder_new(memory_deposit(f->repo), LINKS_WIDTH);
	assert_ok(builder_begin(f->builder, &root, &err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leaked = memory_counts(f->repo)->pins != 0;

	if (f->tree)
		tree_close(f->tree);
	builder_free(f->builder);
	posmap_builder_free(f->links);
	memory_repo_free(f->repo);
	free(f);
	return leaked ? -1 : 0;
}

/* Building. */

static void add(struct fixture *f, const struct entry *entry)
{
	struct err err = ERR_INIT;
	uint64_t pos;

	assert_ok(builder_add(f->builder, entry, &pos, &err));
}

static void add_text(struct fixture *f, const char *name, const char *text)
{
	struct entry e = text_entry(memory_deposit(f->repo), name, text);

	add(f, &e);
}

/* A name of a file of which the first stands at inode. */
static void add_name(struct fixture *f, const char *name, const char *text,
		     uint64_t inode, uint64_t nlink)
{
	struct entry e = text_entry(memory_deposit(f->repo), name, text);
	uint8_t value[LINKS_WIDTH];
	struct err err = ERR_INIT;
	uint64_t pos;

	assert_ok(builder_add(f->builder, &e, &pos, &err));
	put_le64(value, inode);
	put_le64(value + 8, nlink);
	assert_ok(posmap_add(f->links, pos, value, &err));
}

static void enter(struct fixture *f, const char *name)
{
	struct entry e = plain_entry(name, ENTRY_DIR);
	struct err err = ERR_INIT;
	uint64_t pos;

	assert_ok(builder_enter(f->builder, &e, &pos, &err));
}

static void leave(struct fixture *f)
{
	struct err err = ERR_INIT;

	assert_ok(builder_leave(f->builder, &err));
}

static void done(struct fixture *f)
{
	struct err err = ERR_INIT;

	assert_ok(builder_finish(f->builder, &f->record.root,
				 &f->record.entries, &err));
	assert_ok(posmap_finish(f->links, &f->record.links, &err));
	assert_ok(tree_open(f->repo, &f->record, &f->tree, &err));
}

/* Exporting. */

struct out {
	struct buf bytes;
	uint64_t count;		/* of bytes, also where they are not kept */
	bool only_count;
	bool full;
	char warned[400];
	uint64_t warnings;
};

static int put(void *arg, struct span bytes, struct err *err)
{
	struct out *out = arg;

	if (out->full)
		return err_set(err, -ENOSPC, "full");
	out->count += bytes.len;
	if (!out->only_count)
		buf_append(&out->bytes, bytes.data, bytes.len);
	return 0;
}

static void warned(void *arg, const char *sentence)
{
	struct out *out = arg;

	out->warnings++;
	snprintf(out->warned, sizeof(out->warned), "%.399s", sentence);
}

static int export_path(struct fixture *f, const char *path,
		       enum export_format format, struct out *out,
		       struct export_report *report, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct export_options options = {
		.format = format, .to = { put, out }, .warn = warned,
		.arg = out,
	};

	assert_int_equal(tree_find(f->tree, path, &node, err), 0);
	return export_tree(f->tree, &node, &options, report, err);
}

static void export_to(struct fixture *f, const char *path, struct out *out)
{
	struct export_report report;
	struct err err = ERR_INIT;

	assert_ok(export_path(f, path, EXPORT_TAR, out, &report, &err));
}

/* Reading back: the next member behind at; false at the end. */

struct read {
	char type;
	const char *name, *link;	/* in the header */
	uint64_t size;
	const uint8_t *data;
	char records[2048];
};

static uint64_t octal(const uint8_t *field)
{
	return strtoull((const char *)field, NULL, 8);
}

static bool next(const struct out *out, size_t *at, struct read *m)
{
	const uint8_t *h = out->bytes.data + *at;

	assert_true(*at + PAX_BLOCK <= out->bytes.len);
	m->records[0] = '\0';
	if (!h[0])
		return false;
	if (h[156] == 'x') {
		size_t len = octal(h + 124);

		assert_true(len < sizeof(m->records));
		memcpy(m->records, h + PAX_BLOCK, len);
		m->records[len] = '\0';
		*at += PAX_BLOCK + len + pax_padding(len);
		h = out->bytes.data + *at;
	}
	m->type = (char)h[156];
	m->name = (const char *)h;
	m->link = (const char *)h + 157;
	m->size = octal(h + 124);
	m->data = h + PAX_BLOCK;
	*at += PAX_BLOCK + m->size + pax_padding(m->size);
	return true;
}

/* "0 ./a [-> ./b] [=text]" of each member, with a newline behind. */
static void list(const struct out *out, struct buf *text)
{
	struct read m;
	size_t at = 0;

	while (next(out, &at, &m)) {
		buf_printf(text, "%c %.100s", m.type, m.name);
		if (m.link[0])
			buf_printf(text, " -> %.100s", m.link);
		if (m.size > 0)
			buf_printf(text, " =%.*s", (int)m.size,
				   (const char *)m.data);
		buf_append_byte(text, '\n');
	}
	assert_int_equal(out->bytes.len % PAX_ARCHIVE_BLOCK, 0);
	assert_true(out->bytes.len - at >= 2 * PAX_BLOCK);
	for (; at < out->bytes.len; at++)
		assert_int_equal(out->bytes.data[at], 0);
}

static void assert_list(struct fixture *f, const char *path,
			const char *want)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct out out = { .full = false };

	export_to(f, path, &out);
	list(&out, &text);
	assert_string_equal(buf_str(&text), want);
	buf_release(&out.bytes);
}

/* Tests. */

static void test_order_and_names(void **state)
{
	struct fixture *f = *state;
	struct entry link = plain_entry("link", ENTRY_SYMLINK);
	struct entry fifo = plain_entry("pipe", ENTRY_FIFO);

	link.target = span_str("../there");
	link.size = link.target.len;
	add_text(f, "-first", "1");
	enter(f, "a");
	leave(f);
	add_text(f, "a.x", "2");
	enter(f, "b");
	add_text(f, "bad\xff", "3");
	add(f, &link);
	leave(f);
	add(f, &fifo);
	done(f);
	assert_list(f, "", "5 ./\n0 ./-first =1\n5 ./a/\n0 ./a.x =2\n"
		    "5 ./b/\n0 ./b/bad\xff =3\n2 ./b/link -> ../there\n"
		    "6 ./pipe\n");
	assert_list(f, "b", "5 ./\n0 ./bad\xff =3\n2 ./link -> ../there\n");
	assert_list(f, "b/bad\xff", "0 bad\xff =3\n");
	assert_list(f, "a", "5 ./\n");
}

/* Positions: root 0, a 1, a/x 2, b 3, b/deep 4, b/deep/y 5, b/z 6, c 7. */
static void test_first_names(void **state)
{
	struct fixture *f = *state;

	enter(f, "a");
	add_name(f, "x", "same", 2, 4);
	leave(f);
	enter(f, "b");
	enter(f, "deep");
	add_name(f, "y", "same", 2, 4);
	leave(f);
	add_name(f, "z", "same", 2, 4);
	leave(f);
	add_name(f, "c", "same", 2, 4);
	done(f);
	assert_list(f, "", "5 ./\n5 ./a/\n0 ./a/x =same\n5 ./b/\n"
		    "5 ./b/deep/\n1 ./b/deep/y -> ./a/x\n"
		    "1 ./b/z -> ./a/x\n1 ./c -> ./a/x\n");
	assert_list(f, "b", "5 ./\n5 ./deep/\n0 ./deep/y =same\n"
		    "1 ./z -> ./deep/y\n");
	assert_list(f, "b/deep", "5 ./\n0 ./y =same\n");
	assert_list(f, "c", "0 c =same\n");
}

/* More groups than the table begins with, all first named elsewhere. */
static void test_many_first_names(void **state)
{
	struct fixture *f = *state;
	struct out out = { .full = false };
	const uint64_t n = 1000;
	struct read m;
	size_t at = 0;
	char name[32], text[32];

	enter(f, "a");
	for (uint64_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%04u", (unsigned)i);
		add_name(f, name, name, 2 + i, 3);
	}
	leave(f);
	enter(f, "b");
	for (uint64_t i = 0; i < 2 * n; i++) {
		snprintf(name, sizeof(name), "%c%04u", i < n ? 'x' : 'y',
			 (unsigned)(i % n));
		snprintf(text, sizeof(text), "%04u", (unsigned)(i % n));
		add_name(f, name, text, 2 + i % n, 3);
	}
	leave(f);
	done(f);
	export_to(f, "b", &out);
	assert_true(next(&out, &at, &m));
	for (unsigned i = 0; i < 2 * n; i++) {
		assert_true(next(&out, &at, &m));
		snprintf(text, sizeof(text), "./x%04u", (unsigned)(i % n));
		if (i >= n)
			assert_string_equal(m.link, text);
		assert_int_equal(m.type, i < n ? '0' : '1');
		if (i < n)
			assert_memory_equal(m.data, text + 3, 4);
	}
	assert_false(next(&out, &at, &m));
	buf_release(&out.bytes);
}

/* "what names begin with, and the top directory then has no member" */
static void test_prefix_and_top(void **state)
{
	static const struct export_top top = { .mode = 01750, .uid = 5,
					       .gid = 6, .mtime = { 77, 0 } };
	struct fixture *f = *state;
	struct out out = { .full = false };
	struct export_options options = {
		.format = EXPORT_TAR, .to = { put, &out }, .prefix = "/x/",
	};
	OWNED_NODE struct node node = NODE_INIT;
	OWNED_BUF struct buf text = BUF_INIT;
	struct export_report report;
	struct err err = ERR_INIT;

	enter(f, "d");
	add_name(f, "one", "1", 2, 2);
	add_name(f, "two", "1", 2, 2);
	leave(f);
	done(f);
	assert_ok(tree_find(f->tree, "", &node, &err));
	assert_ok(export_tree(f->tree, &node, &options, &report, &err));
	list(&out, &text);
	assert_string_equal(buf_str(&text), "5 /x/d/\n0 /x/d/one =1\n"
			    "1 /x/d/two -> /x/d/one\n");
	buf_clear(&out.bytes);
	options.prefix = NULL;
	options.top = &top;
	assert_ok(export_tree(f->tree, &node, &options, &report, &err));
	assert_string_equal((char *)out.bytes.data, "./");
	assert_int_equal(octal(out.bytes.data + 100), 01750);
	assert_int_equal(octal(out.bytes.data + 108), 5);
	assert_int_equal(octal(out.bytes.data + 116), 6);
	assert_int_equal(octal(out.bytes.data + 136), 77);
	buf_release(&out.bytes);
}

/* "Sockets ... are left out" */
static void test_sockets(void **state)
{
	struct fixture *f = *state;
	struct entry sock = plain_entry("sock", ENTRY_SOCKET);
	struct export_report report;
	struct out out = { .full = false };
	struct err err = ERR_INIT;

	add_text(f, "file", "12345");
	add(f, &sock);
	done(f);
	assert_ok(export_path(f, "", EXPORT_TAR, &out, &report, &err));
	assert_int_equal(report.sockets, 1);
	assert_int_equal(report.entries, 2);
	assert_int_equal(report.files, 1);
	assert_int_equal(report.bytes, 5);
	assert_int_equal(out.warnings, 1);
	assert_string_equal(out.warned, "'./sock' is a socket, which a tar "
			    "archive cannot hold; left out");
	buf_release(&out.bytes);
	assert_list(f, "", "5 ./\n0 ./file =12345\n");
}

static void test_attributes(void **state)
{
	static const uint8_t acl[] = {
		2, 0, 0, 0,
		1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
		2, 0, 7, 0, 0xd2, 4, 0, 0,
		4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
		16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
		32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
	};
	static const char want[] = "30 mtime=1611343651.000000005\n"
		"41 SCHILY.xattr.security.selinux=a_t:s0\0\n"
		"31 RHT.security.selinux=a_t:s0\n"
		"77 SCHILY.acl.access=user::rw-,user:1234:rwx,group::r--,"
		"mask::rwx,other::---\n";
	const struct xattr xattrs[] = {
		{ .name = span_str("security.selinux"),
		  .value = span_of("a_t:s0", 7), .value_len = 7 },
		{ .name = span_str("system.posix_acl_access"),
		  .value = span_of(acl, sizeof(acl)),
		  .value_len = sizeof(acl) },
	};
	struct fixture *f = *state;
	struct entry e = plain_entry("f", ENTRY_FILE);
	struct out out = { .full = false };
	struct read m;
	size_t at = 0;

	e.xattrs = xattrs;
	e.xattr_count = 2;
	e.mtime.ns = 5;
	add(f, &e);
	done(f);
	export_to(f, "", &out);
	assert_true(next(&out, &at, &m));
	assert_true(next(&out, &at, &m));
	assert_memory_equal(m.records, want, sizeof(want));
	buf_release(&out.bytes);
}

/* What is no ACL stays what it is; names as GNU tar writes them. */
static void test_odd_attributes(void **state)
{
	const struct xattr xattrs[] = {
		{ .name = span_str("system.posix_acl_default"),
		  .value = span_str("none"), .value_len = 4 },
		{ .name = span_str("user.a=%"), .value = span_str("v\n"),
		  .value_len = 2 },
		{ .name = span_str("user.empty") },
	};
	struct fixture *f = *state;
	struct entry e = plain_entry("f", ENTRY_FILE);
	struct out out = { .full = false };
	struct read m;
	size_t at = 0;

	e.xattrs = xattrs;
	e.xattr_count = 3;
	e.flags = FS_NODUMP_FL | FS_IMMUTABLE_FL;
	add(f, &e);
	done(f);
	export_to(f, "", &out);
	assert_true(next(&out, &at, &m));
	assert_true(next(&out, &at, &m));
	assert_string_equal(m.records,
		"46 SCHILY.xattr.system.posix_acl_default=none\n"
		"32 SCHILY.xattr.user.a%3D%25=v\n\n"
		"28 SCHILY.xattr.user.empty=\n"
		"29 SCHILY.fflags=schg,nodump\n");
	buf_release(&out.bytes);
}

static void test_acl_text(void **state)
{
	static const uint8_t good[] = {
		2, 0, 0, 0,
		1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
		2, 0, 7, 0, 0xd2, 4, 0, 0,
		2, 0, 1, 0, 0xfe, 0xff, 0xff, 0xff,
		4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
		8, 0, 0, 0, 0, 0, 0, 0,
		16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
		32, 0, 2, 0, 0xff, 0xff, 0xff, 0xff,
	};
	OWNED_BUF struct buf text = BUF_INIT;
	uint8_t bad[sizeof(good)];

	(void)state;
	assert_int_equal(acl_text(span_of(good, sizeof(good)), &text), 0);
	assert_string_equal(buf_str(&text), "user::rw-,user:1234:rwx,"
		"user:4294967294:--x,group::r--,group:0:---,mask::rwx,"
		"other::-w-");
	buf_clear(&text);
	for (size_t len = 0; len < sizeof(good); len++)
		assert_int_equal(acl_text(span_of(good, len), &text),
				 len > 4 && len % 8 == 4 ? 0 : -EINVAL);
	buf_clear(&text);
	for (size_t i = 0; i < 3; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i == 0 ? 0 : i == 1 ? 4 : 14] = 9;
		assert_int_equal(acl_text(span_of(bad, sizeof(bad)), &text),
				 -EINVAL);
		assert_int_equal(text.len, 0);
	}
}

static void test_formats(void **state)
{
	static const char *const good[] = { "tar", "tar.gz", "tgz", "tar.zst",
					    "tzst" };
	static const char *const bad[] = { "", "zip", "TAR", "tar.", "gz" };
	enum export_format format = 0;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_ok(export_format_parse(good[i], &format, &err));
		assert_int_equal(format, (i + 3) / 2);
		assert_int_equal(export_format_parse(bad[i], &format, &err),
				 -EINVAL);
		assert_int_equal(format, (i + 3) / 2);
	}
	assert_string_equal(err.hint, "tar, tar.gz and tar.zst are there");
}

/* Holes. */

struct run {
	uint64_t len;
	bool hole;
};

static struct entry sparse_entry(struct fixture *f, const char *name,
				 const struct run *runs, size_t count)
{
	struct deposit *deposit = memory_deposit(f->repo);
	struct content_builder *b = content_builder_new(deposit);
	struct entry e = plain_entry(name, ENTRY_FILE);
	struct err err = ERR_INIT;
	char text[8192];

	for (size_t i = 0; i < count; i++) {
		struct extent x = { .type = EXTENT_HOLE,
				    .len = runs[i].len };

		memset(text, 'A' + (int)(i % 26), sizeof(text));
		if (!runs[i].hole) {
			x.type = EXTENT_CHUNK;
			assert_ok(deposit_chunk(deposit, CHUNK_SMALL,
						span_of(text, x.len), &x.id,
						&err));
		}
		assert_ok(content_add(b, &x, &err));
	}
	assert_ok(content_finish(b, &e.content, &e.size, &err));
	content_builder_free(b);
	return e;
}

/* The one file's header and what follows it. */
static void export_one(struct fixture *f, const struct run *runs,
		       size_t count, struct out *out, struct read *m)
{
	struct entry e = sparse_entry(f, "s", runs, count);
	size_t at = 0;

	add(f, &e);
	done(f);
	export_to(f, "s", out);
	assert_true(next(out, &at, m));
}

static void assert_bytes(const uint8_t *data, uint8_t want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], want);
}

static void test_holes(void **state)
{
	static const struct run runs[] = {
		{ 1024, false }, { 4096, true }, { 512, false },
		{ 100000, true },
	};
	struct fixture *f = *state;
	struct out out = { .full = false };
	struct read m;

	export_one(f, runs, 4, &out, &m);
	assert_string_equal(m.name, "GNUSparseFile.0/s");
	assert_string_equal(m.records, "22 GNU.sparse.major=1\n"
			    "22 GNU.sparse.minor=0\n"
			    "21 GNU.sparse.name=s\n"
			    "30 GNU.sparse.realsize=105632\n");
	assert_int_equal(m.size, 512 + 1024 + 512);
	assert_string_equal((const char *)m.data,
			    "3\n0\n1024\n5120\n512\n105632\n0\n");
	assert_bytes(m.data + 512, 'A', 1024);
	assert_bytes(m.data + 1536, 'C', 512);
	buf_release(&out.bytes);
}

/* "all but the last are made whole blocks, with zeros of the holes" */
static void test_holes_anywhere(void **state)
{
	static const struct run runs[] = {
		{ 700, true }, { 100, false }, { 1000, true }, { 5, false },
		{ 300, true }, { 7, false }, { 2000, true }, { 3, false },
	};
	struct fixture *f = *state;
	struct out out = { .full = false };
	struct read m;

	/* data at 700..800, 1800..1805, 2105..2112, 4112..4115 */
	export_one(f, runs, 8, &out, &m);
	assert_string_equal((const char *)m.data,
			    "3\n512\n512\n1536\n1024\n4096\n19\n");
	assert_int_equal(m.size, 512 + 512 + 1024 + 19);
	assert_bytes(m.data + 512, 0, 188);
	assert_bytes(m.data + 700, 'B', 100);
	assert_bytes(m.data + 800, 0, 224);
	assert_bytes(m.data + 1024 + 264, 'D', 5);
	assert_bytes(m.data + 1024 + 269, 0, 300);
	assert_bytes(m.data + 1024 + 569, 'F', 7);
	assert_bytes(m.data + 1024 + 576, 0, 448 + 16);
	assert_bytes(m.data + 2048 + 16, 'H', 3);
	assert_bytes(m.data + 2048 + 19, 0, 512 - 19);
	buf_release(&out.bytes);
}

static void test_only_a_hole(void **state)
{
	static const struct run runs[] = { { 1000000, true } };
	struct fixture *f = *state;
	struct out out = { .full = false };
	struct read m;

	export_one(f, runs, 1, &out, &m);
	assert_int_equal(m.size, 512);
	assert_string_equal((const char *)m.data, "1\n1000000\n0\n");
	buf_release(&out.bytes);
}

/* A hole that blocks leave nothing of is no hole. */
static void test_small_hole(void **state)
{
	static const struct run runs[] = {
		{ 100, false }, { 300, true }, { 100, false }, { 5, true },
	};
	struct fixture *f = *state;
	struct out out = { .full = false };
	struct read m;

	export_one(f, runs, 4, &out, &m);
	assert_string_equal(m.name, "s");
	assert_string_equal(m.records, "");
	assert_int_equal(m.size, 505);
	assert_bytes(m.data, 'A', 100);
	assert_bytes(m.data + 100, 0, 300);
	assert_bytes(m.data + 400, 'C', 100);
	assert_bytes(m.data + 500, 0, 5);
	buf_release(&out.bytes);
}

/* The map is bounded: small holes are written out until it is. */
static void test_too_many_holes(void **state)
{
	const size_t count = 2 * (EXPORT_REGIONS + 100);
	struct run *runs = calloc(count, sizeof(*runs));
	struct fixture *f = *state;
	struct export_report report;
	struct out out = { .only_count = true };
	struct err err = ERR_INIT;
	struct entry e;
	uint64_t data = 0;

	assert_non_null(runs);
	for (size_t i = 0; i < count; i++) {
		runs[i].hole = i % 2;
		runs[i].len = i % 2 ? 8192 : 1;
		if (i % 2 == 1 && i % 4096 != 4095)
			runs[i].len = 511;
		data += i % 4096 == 4095 ? 0 : runs[i].len;
	}
	e = sparse_entry(f, "s", runs, count);
	add(f, &e);
	done(f);
	assert_ok(export_path(f, "s", EXPORT_TAR, &out, &report, &err));
	/* 8192 is more than the first gap that is tried */
	assert_true(report.bytes >= data);
	assert_true(report.bytes <= data + 4096 * 512);
	assert_true(out.count < report.bytes + 40 * 1024);
	free(runs);
}

/* Ends. */

static void fill(struct fixture *f)
{
	enter(f, "d");
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%03d", i);
		add_text(f, name, name);
	}
	leave(f);
	done(f);
}

static void test_packed(void **state)
{
	struct fixture *f = *state;
	struct out plain = { .full = false }, again = { .full = false };
	struct out gzip = { .full = false }, zstd = { .full = false };
	struct inflate *inflate = inflate_new();
	struct unpacker *unpacker = unpacker_new();
	struct export_report report;
	struct err err = ERR_INIT;
	uint8_t *back;
	struct span in;
	size_t got;
	bool garbage;

	fill(f);
	export_to(f, "", &plain);
	export_to(f, "", &again);
	assert_span_equal(buf_span(&again.bytes), buf_span(&plain.bytes));
	assert_ok(export_path(f, "", EXPORT_TAR_GZIP, &gzip, &report, &err));
	assert_ok(export_path(f, "", EXPORT_TAR_ZSTD, &zstd, &report, &err));
	back = malloc(plain.bytes.len + 1);
	in = buf_span(&gzip.bytes);
	assert_ok(inflate_run(inflate, &in, back, plain.bytes.len + 1, &got,
			      &err));
	assert_ok(inflate_end(inflate, &garbage, &err));
	assert_span_equal(span_of(back, got), buf_span(&plain.bytes));
	assert_ok(unpacker_unpack(unpacker, buf_span(&zstd.bytes),
				  span_of(NULL, 0), back, plain.bytes.len,
				  &err));
	assert_span_equal(span_of(back, plain.bytes.len),
			  buf_span(&plain.bytes));
	free(back);
	inflate_free(inflate);
	unpacker_free(unpacker);
	buf_release(&plain.bytes);
	buf_release(&again.bytes);
	buf_release(&gzip.bytes);
	buf_release(&zstd.bytes);
}

static void test_nobody_takes_it(void **state)
{
	struct fixture *f = *state;
	struct export_report report;

	fill(f);
	for (int format = EXPORT_TAR; format <= EXPORT_TAR_ZSTD; format++) {
		struct out out = { .full = true };
		struct err err = ERR_INIT;

		assert_int_equal(export_path(f, "", (enum export_format)format,
					     &out, &report, &err), -ENOSPC);
		assert_string_equal(err.text, "full");
	}
}

/* "and every tar and gzip says so" */
static void check_broken(const struct out *out)
{
	char path[] = "/tmp/varve-export-XXXXXX", command[200];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, out->bytes.data, out->bytes.len),
			 out->bytes.len);
	close(fd);
	snprintf(command, sizeof(command), "tar -tf %s >/dev/null 2>&1",
		 path);
	assert_int_not_equal(system(command), 0);
	unlink(path);
}

/* Before a header: an attribute that cannot be had. */
static void test_damage_between(void **state)
{
	const struct xattr xattr = {
		.name = span_str("user.k"), .chunk = fake_id(2, 1000, false),
		.value_len = 1000,
	};
	struct fixture *f = *state;
	struct entry e = plain_entry("lost", ENTRY_FIFO);

	e.xattrs = &xattr;
	e.xattr_count = 1;
	add_text(f, "a", "before it");
	add(f, &e);
	done(f);
	for (int format = EXPORT_TAR; format <= EXPORT_TAR_ZSTD; format++) {
		struct out out = { .full = false };
		struct export_report report;
		struct err err = ERR_INIT;

		assert_int_equal(export_path(f, "", (enum export_format)format,
					     &out, &report, &err), -EBADMSG);
		assert_memory_equal(err.text, "cannot pack './lost': cannot "
				    "read attribute 'user.k': ", 53);
		if (format == EXPORT_TAR)
			assert_int_equal(out.bytes.len, 4 * PAX_BLOCK);
		check_broken(&out);
		buf_release(&out.bytes);
	}
}

static void test_damage_within(void **state)
{
	struct fixture *f = *state;
	struct entry e = plain_entry("lost", ENTRY_FILE);
	struct export_report report;
	struct out out = { .full = false };
	struct err err = ERR_INIT;

	e.size = 1000;
	e.content.count = 1;
	e.content.extent[0] = (struct extent){
		.type = EXTENT_CHUNK, .id = fake_id(1, 1000, false),
		.len = 1000,
	};
	enter(f, "d");
	add(f, &e);
	leave(f);
	add_text(f, "e", "behind it");
	done(f);
	assert_int_equal(export_path(f, "", EXPORT_TAR, &out, &report, &err),
			 -EBADMSG);
	assert_memory_equal(err.text, "cannot pack './d/lost': ", 24);
	assert_int_equal(out.bytes.len, 3 * PAX_BLOCK);
	check_broken(&out);
	buf_release(&out.bytes);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;
	OWNED_NODE struct node node = NODE_INIT;
	struct out out = { .full = false };
	volatile int stop = 1;
	struct export_options options = {
		.format = EXPORT_TAR, .to = { put, &out }, .stop = &stop,
	};
	struct export_report report;
	struct err err = ERR_INIT;

	fill(f);
	assert_ok(tree_root(f->tree, &node, &err));
	assert_int_equal(export_tree(f->tree, &node, &options, &report,
				     &err), -ECANCELED);
	assert_true(out.count <= PAX_BLOCK);
	check_broken(&out);
	buf_release(&out.bytes);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order_and_names), T(test_first_names),
		T(test_many_first_names), T(test_prefix_and_top), T(test_sockets),
		T(test_attributes), T(test_odd_attributes),
		T(test_holes), T(test_holes_anywhere), T(test_only_a_hole),
		T(test_small_hole), T(test_too_many_holes), T(test_packed),
		T(test_nobody_takes_it), T(test_damage_between),
		T(test_damage_within), T(test_stop),
		cmocka_unit_test(test_acl_text),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
