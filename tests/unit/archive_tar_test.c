#include "tests/unit/archive_test.h"

#include <stdio.h>
#include <stdlib.h>

static bool incomplete(const struct sink *sink)
{
	return sink->weights[WEIGHT_LOST] || sink->weights[WEIGHT_INPUT];
}

/* Read tar both from a file and from a pipe; the sink is that of the pipe. */
static void read_both(struct sink *sink, const struct buf *tar)
{
	struct sink first;

	assert_int_equal(read_bytes(&first, buf_span(tar), "t.tar", false), 0);
	assert_stream(&first, buf_span(tar));
	assert_int_equal(read_piped(sink, buf_span(tar), "t.tar"), 0);
	assert_stream(sink, buf_span(tar));
	assert_int_equal(first.count, sink->count);
	assert_string_equal(first.format, sink->format);
	fake_release(&first);
}

static void all_types(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct fake_entry *e;
	struct sink sink;
	size_t at;

	(void)state;
	maker_header(&tar, MAKER_USTAR, "dir/", '5', 0);
	maker_file(&tar, MAKER_USTAR, "dir/file", "hello");
	at = maker_header(&tar, MAKER_USTAR, "hard", '1', 0);
	maker_patch(&tar, at, 157, "dir/file", 8);
	at = maker_header(&tar, MAKER_USTAR, "sym", '2', 0);
	maker_patch(&tar, at, 157, "dir/file", 8);
	at = maker_header(&tar, MAKER_USTAR, "chr", '3', 0);
	maker_patch(&tar, at, 329, "0000010", 8);
	maker_patch(&tar, at, 337, "0000377", 8);
	at = maker_header(&tar, MAKER_USTAR, "blk", '4', 0);
	maker_patch(&tar, at, 329, "\x80\0\0\0\0\1\0\0", 8);
	maker_header(&tar, MAKER_USTAR, "fifo", '6', 0);
	maker_header(&tar, MAKER_USTAR, "cont", '7', 3);
	maker_text(&tar, "abc");
	at = maker_header(&tar, MAKER_USTAR, "base", '0', 0);
	maker_patch(&tar, at, 345, "a/prefix", 8);
	maker_header(&tar, MAKER_V7, "old/", '\0', 0);
	maker_header(&tar, MAKER_USTAR, "odd", 'Q', 2);
	maker_text(&tar, "qq");
	maker_end(&tar);
	read_both(&sink, &tar);

	e = fake_find(&sink, "dir/");
	assert_int_equal(e->entry.type, ENTRY_DIR);
	assert_int_equal(e->entry.mode, 0640);
	assert_int_equal(e->entry.uid, 1000);
	assert_int_equal(e->entry.gid, 100);
	assert_int_equal(e->entry.mtime.s, 0x60000001);
	assert_string_equal(e->uname, "joe");
	assert_string_equal(e->gname, "staff");
	assert_file(&sink, "dir/file", "hello");
	assert_string_equal(fake_find(&sink, "hard")->link, "dir/file");
	e = fake_find(&sink, "sym");
	assert_int_equal(e->entry.type, ENTRY_SYMLINK);
	assert_string_equal(e->target, "dir/file");
	assert_int_equal(e->entry.size, 8);
	e = fake_find(&sink, "chr");
	assert_int_equal(e->entry.type, ENTRY_CHAR);
	assert_int_equal(e->entry.dev_major, 8);
	assert_int_equal(e->entry.dev_minor, 255);
	e = fake_find(&sink, "blk");
	assert_int_equal(e->entry.type, ENTRY_BLOCK);
	assert_int_equal(e->entry.dev_major, 65536);
	assert_int_equal(fake_find(&sink, "fifo")->entry.type, ENTRY_FIFO);
	assert_file(&sink, "cont", "abc");
	assert_file(&sink, "a/prefix/base", "");
	assert_int_equal(fake_find(&sink, "old/")->entry.type, ENTRY_DIR);
	assert_file(&sink, "odd", "qq");
	assert_int_equal(sink.member_len, 5 + 3 + 2);
	assert_false(incomplete(&sink));
	fake_release(&sink);
}

static void pax_overrides(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	const struct buf *x;
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	maker_pax(&tar, 'g', "mtime=5.5", "uid=77", "gname=globals",
		  "comment=none", NULL);
	maker_file(&tar, MAKER_USTAR, "first", "1");
	maker_pax(&tar, 'x', "path=long/\xff\xfe\xc3\xa9 name", "size=4",
		  "uid=3000000000", "gid=2999999999", "mtime=-1.75",
		  "uname=\xc3\xa9", "SCHILY.xattr.user.k=v",
		  "LIBARCHIVE.xattr.user.a%3db=AAH/",
		  "RHT.security.selinux=u:r:t:s0",
		  "SCHILY.acl.access=user::rw-,user:7:r--,group::r--,"
		  "mask::r--,other::---", "SCHILY.fflags=nodump", NULL);
	maker_header(&tar, MAKER_USTAR, "short", '0', 0);
	maker_text(&tar, "four");
	maker_file(&tar, MAKER_USTAR, "after", "2");
	maker_pax(&tar, 'g', "gid=9", NULL);
	maker_file(&tar, MAKER_USTAR, "last", "3");
	maker_end(&tar);
	read_both(&sink, &tar);

	e = fake_find(&sink, "first");
	assert_int_equal(e->entry.mtime.s, 5);
	assert_int_equal(e->entry.mtime.ns, 500000000);
	assert_int_equal(e->entry.uid, 77);
	assert_string_equal(e->gname, "globals");
	e = fake_find(&sink, "long/\xff\xfe\xc3\xa9 name");
	assert_non_null(e);
	assert_int_equal(e->size, 4);
	assert_int_equal(e->entry.uid, 3000000000);
	assert_int_equal(e->entry.gid, 2999999999);
	assert_int_equal(e->entry.mtime.s, -2);
	assert_int_equal(e->entry.mtime.ns, 250000000);
	assert_string_equal(e->uname, "\xc3\xa9");
	assert_string_equal(e->gname, "globals");
	assert_int_equal(e->entry.mode, 0640);
	assert_int_equal(e->entry.flags, 0x40);
	assert_string_equal(buf_str((struct buf *)fake_xattr(e, "user.k")),
			    "v");
	x = fake_xattr(e, "user.a=b");
	assert_int_equal(x->len, 3);
	assert_memory_equal(x->data, "\0\1\xff", 3);
	x = fake_xattr(e, "security.selinux");
	assert_int_equal(x->len, 9);
	assert_memory_equal(x->data, "u:r:t:s0", 9);
	assert_int_equal(fake_xattr(e, "system.posix_acl_access")->len,
			 4 + 5 * 8);
	/* x headers are for one member, g until the next g. */
	e = fake_find(&sink, "after");
	assert_int_equal(e->entry.uid, 77);
	assert_int_equal(e->xattr_count, 0);
	e = fake_find(&sink, "last");
	assert_int_equal(e->entry.uid, 1000);
	assert_int_equal(e->entry.gid, 9);
	assert_int_equal(e->entry.mtime.s, 0x60000001);
	assert_string_equal(sink.format, "pax tar");
	assert_false(incomplete(&sink));
	fake_release(&sink);
}

static void gnu_long_names(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	char name[301], link[401];
	struct sink sink;

	(void)state;
	memset(name, 'n', 300);
	memset(link, 'l', 400);
	name[300] = link[400] = '\0';
	maker_header(&tar, MAKER_GNU, "././@LongLink", 'K', 401);
	maker_data(&tar, link, 401);
	maker_header(&tar, MAKER_GNU, "././@LongLink", 'L', 301);
	maker_data(&tar, name, 301);
	maker_header(&tar, MAKER_GNU, "nnn", '2', 0);
	maker_file(&tar, MAKER_GNU, "next", "x");
	maker_header(&tar, MAKER_GNU, "label", 'V', 0);
	maker_header(&tar, MAKER_GNU, "other", 'V', 0);
	maker_header(&tar, MAKER_GNU, "dump/", 'D', 5);
	maker_text(&tar, "Ya\0\0");
	maker_file(&tar, MAKER_GNU, "end", "e");
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_string_equal(fake_find(&sink, name)->target, link);
	assert_file(&sink, "next", "x");
	assert_int_equal(fake_find(&sink, "dump/")->entry.type, ENTRY_DIR);
	assert_file(&sink, "end", "e");
	assert_string_equal(buf_str(&sink.attrs), "volume-label=label\n");
	assert_null(fake_find(&sink, "label"));
	assert_string_equal(sink.format, "GNU tar");
	fake_release(&sink);
}

/* Sparse files: AAAA at 512, BB at 2048, 4096 long. */

static void assert_sparse(struct sink *sink)
{
	struct fake_entry *e = fake_find(sink, "sparse");
	uint8_t want[4096] = { 0 };

	memset(want + 512, 'A', 4);
	memset(want + 2048, 'B', 2);
	assert_non_null(e);
	assert_int_equal(e->size, 4096);
	assert_int_equal(e->data.len, 4096);
	assert_memory_equal(e->data.data, want, 4096);
	assert_int_equal(e->region_count, 2);
	assert_int_equal(e->regions[0].offset, 512);
	assert_int_equal(e->regions[0].len, 4);
	assert_int_equal(e->regions[1].offset, 2048);
	assert_int_equal(e->regions[1].len, 2);
	assert_file(sink, "behind", "ok");
	assert_int_equal(sink->member_len, 8);
	assert_false(incomplete(sink));
}

static void finish_sparse(struct buf *tar)
{
	struct sink sink;

	maker_file(tar, MAKER_USTAR, "behind", "ok");
	maker_end(tar);
	read_both(&sink, tar);
	assert_sparse(&sink);
	fake_release(&sink);
}

static void put_region(uint8_t *at, uint64_t offset, uint64_t len)
{
	char text[25];

	snprintf(text, sizeof(text), "%011llo%c%011llo",
		 (unsigned long long)offset, '\0', (unsigned long long)len);
	memcpy(at, text, 24);
}

static void sparse_old_gnu(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	uint8_t more[512] = { 0 };
	size_t at;

	(void)state;
	at = maker_header(&tar, MAKER_GNU, "sparse", 'S', 6);
	put_region(tar.data + at + 386, 512, 1);
	put_region(tar.data + at + 410, 513, 1);
	put_region(tar.data + at + 434, 514, 1);
	put_region(tar.data + at + 458, 515, 1);
	maker_patch(&tar, at, 482, "\1", 1);
	maker_patch(&tar, at, 483, "00000010000", 12);
	put_region(more, 2048, 2);
	put_region(more + 24, 4096, 0);
	buf_append(&tar, more, 512);
	maker_text(&tar, "AAAABB");
	finish_sparse(&tar);
}

static void sparse_star(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	size_t at;

	(void)state;
	at = maker_header(&tar, MAKER_STAR, "sparse", 'S', 6);
	put_region(tar.data + at + 356, 512, 4);
	put_region(tar.data + at + 380, 2048, 2);
	maker_patch(&tar, at, 452, "00000010000", 12);
	maker_text(&tar, "AAAABB");
	finish_sparse(&tar);
}

static void sparse_pax_00(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;

	(void)state;
	maker_pax(&tar, 'x', "GNU.sparse.size=4096", "GNU.sparse.numblocks=2",
		  "GNU.sparse.offset=512", "GNU.sparse.numbytes=4",
		  "GNU.sparse.offset=2048", "GNU.sparse.numbytes=2", NULL);
	maker_header(&tar, MAKER_USTAR, "sparse", '0', 6);
	maker_text(&tar, "AAAABB");
	finish_sparse(&tar);
}

static void sparse_pax_01(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;

	(void)state;
	maker_pax(&tar, 'x', "GNU.sparse.size=4096", "GNU.sparse.numblocks=3",
		  "GNU.sparse.name=sparse",
		  "GNU.sparse.map=512,4,2048,2,4096,0", NULL);
	maker_header(&tar, MAKER_USTAR, "GNUSparseFile.1/sparse", '0', 6);
	maker_text(&tar, "AAAABB");
	finish_sparse(&tar);
}

static void sparse_pax_10(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;

	(void)state;
	maker_pax(&tar, 'x', "GNU.sparse.major=1", "GNU.sparse.minor=0",
		  "GNU.sparse.name=sparse", "GNU.sparse.realsize=4096", NULL);
	maker_header(&tar, MAKER_USTAR, "GNUSparseFile.1/sparse", '0', 518);
	maker_text(&tar, "3\n512\n4\n2048\n2\n4096\n0\n");
	maker_text(&tar, "AAAABB");
	finish_sparse(&tar);
}

/* Maps that make no sense: that member is lost, the next is not. */
static void sparse_absurd(void **state)
{
	static const char *const maps[] = {
		"3\n512\n4\n", "2\n2048\n2\n512\n4\n", "1\n0\n7\n",
		"99999999999999999999\n", "1\n9223372036854775807\n6\n",
		"1\n4095\n6\n", "\n\n\n", "abc", "1000000000\n",
		"2\n0\n4\n2\n2\n", "1\n9223372036854775800\n100\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		OWNED_BUF struct buf tar = BUF_INIT;
		struct sink sink;

		maker_pax(&tar, 'x', "GNU.sparse.major=1",
			  "GNU.sparse.name=sparse",
			  "GNU.sparse.realsize=4096", NULL);
		maker_header(&tar, MAKER_USTAR, "s", '0', 518);
		maker_text(&tar, maps[i]);
		maker_text(&tar, "AAAABB");
		maker_file(&tar, MAKER_USTAR, "behind", "ok");
		maker_end(&tar);
		read_both(&sink, &tar);
		assert_null(fake_find(&sink, "sparse"));
		assert_file(&sink, "behind", "ok");
		assert_int_equal(sink.weights[WEIGHT_LOST], 1);
		assert_true(fake_warned(&sink, "LOST sparse: its map of "
					"holes makes no sense"));
		fake_release(&sink);
	}
}

/* Links that tell a size: data follows only where no header does. */
static void links_with_data(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;
	size_t at;

	(void)state;
	maker_file(&tar, MAKER_USTAR, "a", "aaa");
	at = maker_header(&tar, MAKER_USTAR, "b", '1', 3);
	maker_patch(&tar, at, 157, "a", 1);
	at = maker_header(&tar, MAKER_USTAR, "c", '1', 3);
	maker_patch(&tar, at, 157, "a", 1);
	maker_text(&tar, "aaa");
	maker_header(&tar, MAKER_USTAR, "d", '5', 4096);
	maker_file(&tar, MAKER_USTAR, "e", "eee");
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_int_equal(sink.count, 5);
	assert_string_equal(fake_find(&sink, "b")->link, "a");
	assert_string_equal(fake_find(&sink, "c")->link, "a");
	assert_file(&sink, "e", "eee");
	assert_false(incomplete(&sink));
	fake_release(&sink);
}

static void make_small(struct buf *tar)
{
	maker_header(tar, MAKER_USTAR, "dir/", '5', 0);
	maker_pax(tar, 'x', "mtime=1.25", "SCHILY.xattr.user.k=v", NULL);
	maker_file(tar, MAKER_USTAR, "one", "the first file");
	maker_header(tar, MAKER_GNU, "././@LongLink", 'L', 4);
	maker_text(tar, "two");
	maker_file(tar, MAKER_GNU, "t", "the second file");
	maker_pax(tar, 'x', "GNU.sparse.major=1", "GNU.sparse.name=sparse",
		  "GNU.sparse.realsize=4096", NULL);
	maker_header(tar, MAKER_USTAR, "s", '0', 518);
	maker_text(tar, "2\n512\n4\n2048\n2\n");
	maker_text(tar, "AAAABB");
	maker_end(tar);
}

/* Cut off anywhere, what is there is kept, the rest named, the stream whole. */
static void cut_anywhere(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;

	(void)state;
	make_small(&tar);
	for (size_t len = 0; len <= tar.len; len += len % 512 < 20 ? 1 : 41) {
		struct span part = span_of(tar.data, len);
		struct sink sink;
		int r = read_bytes(&sink, part, "t.tar", false);

		assert_stream(&sink, part);
		if (sink.count == 0)
			assert_int_equal(r, -EPROTO);
		else
			assert_int_equal(r, 0);
		/* one zero block is enough of an end */
		if (r == 0 && len < tar.len - 512)
			assert_true(incomplete(&sink));
		if (len >= tar.len - 512)
			assert_false(incomplete(&sink));
		if (len > 3072)
			assert_file(&sink, "one", "the first file");
		fake_release(&sink);
	}
}

static void cut_in_a_file(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;

	(void)state;
	maker_header(&tar, MAKER_USTAR, "big", '0', 100000);
	buf_append_zero(&tar, 1234);
	assert_int_equal(read_bytes(&sink, buf_span(&tar), "x.tar", false), 0);
	assert_stream(&sink, buf_span(&tar));
	assert_int_equal(fake_find(&sink, "big")->size, 1234);
	assert_true(fake_warned(&sink, "INPUT big: ends early: 1234 of 100000 "
				"bytes are there"));
	assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
	fake_release(&sink);
}

static void damaged_headers(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;

	(void)state;
	maker_file(&tar, MAKER_USTAR, "one", "1");
	maker_file(&tar, MAKER_USTAR, "two", "2");
	maker_file(&tar, MAKER_USTAR, "three", "3");
	maker_end(&tar);
	tar.data[1024 + 3] ^= 0x10;
	read_both(&sink, &tar);
	assert_file(&sink, "one", "1");
	assert_null(fake_find(&sink, "two"));
	assert_file(&sink, "three", "3");
	assert_true(fake_warned(&sink, "LOST : the header is damaged at byte "
				"1024: 1024 bytes up to the next header"));
	fake_release(&sink);

	/* 100 bytes lost: headers stand at odd places from there on. */
	memmove(tar.data + 1100, tar.data + 1200, tar.len - 1200);
	tar.len -= 100;
	read_both(&sink, &tar);
	assert_file(&sink, "three", "3");
	assert_int_equal(sink.weights[WEIGHT_LOST], 1);
	fake_release(&sink);

	/* Nothing follows. */
	tar.data[2048 - 100] ^= 1;
	read_both(&sink, &tar);
	assert_int_equal(sink.count, 1);
	assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
	fake_release(&sink);
}

static void absurd_sizes(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;
	size_t at;

	(void)state;
	at = maker_header(&tar, MAKER_GNU, "negative", '0', 0);
	maker_patch(&tar, at, 124,
		    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	maker_file(&tar, MAKER_GNU, "ok", "k");
	at = maker_header(&tar, MAKER_GNU, "huge", '0', 0);
	maker_patch(&tar, at, 124,
		    "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	maker_file(&tar, MAKER_GNU, "fine", "f");
	maker_pax(&tar, 'x', "size=9223372036854775807", NULL);
	maker_file(&tar, MAKER_GNU, "pax", "p");
	read_both(&sink, &tar);
	assert_file(&sink, "ok", "k");
	assert_file(&sink, "fine", "f");
	assert_int_equal(sink.weights[WEIGHT_LOST], 2);
	assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
	fake_release(&sink);
}

/* Over 8 MiB of extended header: that member is lost, not the rest. */
static void large_headers(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	char *name = malloc(65537);
	struct sink sink;

	(void)state;
	memset(name, 'x', 65536);
	name[65536] = '\0';
	maker_header(&tar, MAKER_USTAR, "pax", 'x', 9u << 20);
	buf_append_zero(&tar, 9u << 20);
	maker_file(&tar, MAKER_USTAR, "lost", "l");
	maker_header(&tar, MAKER_GNU, "long", 'L', 65537);
	maker_data(&tar, name, 65537);
	maker_file(&tar, MAKER_GNU, "short", "n");
	maker_header(&tar, MAKER_GNU, "long", 'L', 1u << 20);
	for (int i = 0; i < 16; i++)
		maker_data(&tar, name, 65536);
	maker_file(&tar, MAKER_GNU, "too-long", "n");
	maker_file(&tar, MAKER_USTAR, "ok", "k");
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_int_equal(sink.count, 2);
	assert_file(&sink, name, "n");
	assert_file(&sink, "ok", "k");
	assert_int_equal(sink.weights[WEIGHT_LOST], 2);
	assert_true(fake_warned(&sink, "LOST lost: left out: its extended "
				"header is too large"));
	assert_true(fake_warned(&sink, "left out: its name is too long"));
	fake_release(&sink);
	free(name);
}

static void damaged_pax(void **state)
{
	static const char *const bad[] = {
		"12 path=other", "99 path=x\n", "path=x\n", "7 path\n",
		"-5 path=x\n", "18446744073709551616 path=x\n", "5 p\n", "0 \n",
		"10 path=xy",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		OWNED_BUF struct buf tar = BUF_INIT;
		struct sink sink;

		maker_header(&tar, MAKER_USTAR, "p", 'x', strlen(bad[i]));
		maker_text(&tar, bad[i]);
		maker_file(&tar, MAKER_USTAR, "kept", "k");
		maker_end(&tar);
		read_both(&sink, &tar);
		assert_file(&sink, "kept", "k");
		assert_true(fake_warned(&sink, "LOST kept: its extended "
					"header is damaged"));
		fake_release(&sink);
	}
}

/* Values that cannot be: kept without them, and said. */
static void flawed_values(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct fake_entry *e;
	struct sink sink;
	size_t at;

	(void)state;
	maker_pax(&tar, 'x', "mtime=yesterday", "uid=-5", "size=4x",
		  "SCHILY.acl.access=user::rw-,user:nobody-here:r--,group::r--,"
		  "mask::r--,other::---", "SCHILY.acl.ace=owner@:rw::allow",
		  "LIBARCHIVE.xattr.user.x=***", NULL);
	maker_file(&tar, MAKER_USTAR, "f", "1");
	at = maker_header(&tar, MAKER_USTAR, "g", '0', 0);
	maker_patch(&tar, at, 100, "rwxrwxr", 7);
	maker_header(&tar, MAKER_USTAR, "nowhere", '2', 0);
	maker_header(&tar, MAKER_USTAR, "", '0', 0);
	maker_header(&tar, MAKER_USTAR, "./.", '1', 0);
	maker_end(&tar);
	read_both(&sink, &tar);
	e = fake_find(&sink, "f");
	assert_int_equal(e->entry.mtime.s, 0x60000001);
	assert_int_equal(e->entry.uid, 0);
	assert_int_equal(e->size, 1);
	assert_int_equal(e->xattr_count, 0);
	assert_int_equal(fake_find(&sink, "g")->entry.mode, 0);
	assert_int_equal(sink.count, 2);
	assert_true(fake_warned(&sink, "FLAWED f: its owner -5 is out of "
				"range"));
	assert_true(fake_warned(&sink, "cannot read the value of 'mtime'"));
	assert_true(fake_warned(&sink, "it names someone not known here"));
	assert_true(fake_warned(&sink, "FLAWED f: its NFSv4 access list is not "
				"kept: 'owner@:rw::allow'"));
	assert_true(fake_warned(&sink, "FLAWED g: its mode cannot be read"));
	assert_int_equal(sink.weights[WEIGHT_REFUSED], 3);
	assert_false(incomplete(&sink));
	fake_release(&sink);
}

static void end_marks(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;
	size_t len;

	(void)state;
	maker_file(&tar, MAKER_USTAR, "a", "a");
	len = tar.len;

	read_both(&sink, &tar);
	assert_true(fake_warned(&sink, "without an end mark"));
	assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
	fake_release(&sink);

	buf_append_zero(&tar, 512);
	read_both(&sink, &tar);
	assert_int_equal(sink.weights[WEIGHT_NOTE], 1);
	assert_false(incomplete(&sink));
	fake_release(&sink);

	buf_append_zero(&tar, 512);
	read_both(&sink, &tar);
	assert_int_equal(sink.warnings.len, 0);
	fake_release(&sink);

	buf_append_zero(&tar, 20000);
	buf_append_str(&tar, "garbage");
	read_both(&sink, &tar);
	assert_true(fake_warned(&sink, "from byte 22048 on"));
	assert_false(incomplete(&sink));
	fake_release(&sink);

	/* GNU tar stops at the end mark unless told otherwise (-i). */
	tar.len = len + 1024;
	maker_file(&tar, MAKER_USTAR, "b", "b");
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_int_equal(sink.count, 1);
	assert_true(fake_warned(&sink, "another archive follows"));
	fake_release(&sink);

	/* Zeros that fill up a record may lie between. */
	tar.len = len + 1024;
	buf_append_zero(&tar, 8192);
	maker_file(&tar, MAKER_USTAR, "b", "b");
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_int_equal(sink.count, 1);
	assert_true(fake_warned(&sink, "another archive follows"));
	assert_int_equal(sink.weights[WEIGHT_FLAWED], 1);
	fake_release(&sink);
}

/* An archive of nothing is one; a long run of zeros is something lost. */
static void nothing_but_zeros(void **state)
{
	static const struct { size_t len; bool lost; } cases[] = {
		{ 1024, false }, { 10240, false }, { 1u << 20, false },
		{ (1u << 20) + 512, true }, { 3u << 20, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf tar = BUF_INIT;
		struct sink sink;

		buf_append_zero(&tar, cases[i].len);
		read_both(&sink, &tar);
		assert_int_equal(sink.count, 0);
		assert_int_equal(incomplete(&sink), cases[i].lost);
		assert_int_equal(sink.weights[WEIGHT_INPUT], cases[i].lost);
		assert_int_equal(sink.weights[WEIGHT_NOTE], !cases[i].lost);
		assert_int_equal(fake_warned(&sink, "holds nothing but zeros"),
				 cases[i].lost);
		fake_release(&sink);

		/* not with an entry before them */
		buf_clear(&tar);
		maker_file(&tar, MAKER_USTAR, "a", "a");
		buf_append_zero(&tar, cases[i].len);
		read_both(&sink, &tar);
		assert_int_equal(sink.warnings.len, 0);
		fake_release(&sink);
	}
}

static void sums_of_signed_bytes(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;
	char text[9];
	int sum = 8 * ' ';
	size_t at;

	(void)state;
	at = maker_header(&tar, MAKER_V7, "n\xff\xfe", '0', 0);
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? 0 : (int8_t)tar.data[at + i];
	snprintf(text, sizeof(text), "%06o", (unsigned)sum);
	memcpy(tar.data + at + 148, text, 7);
	maker_end(&tar);
	read_both(&sink, &tar);
	assert_file(&sink, "n\xff\xfe", "");
	fake_release(&sink);
}

/* A sink that fails, or is told to stop, ends it at once with that. */
static void failing_sink(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct err err;
	int fds;

	(void)state;
	make_small(&tar);
	for (uint64_t n = 1; n < 60; n++) {
		struct input input = { .path = "x.tar", .size = UINT64_MAX };
		struct sink sink;
		FILE *file = tmpfile();
		int r;

		fwrite(tar.data, 1, tar.len, file);
		fflush(file);
		rewind(file);
		fds = fileno(file);
		input.fd = fds;
		fake_init(&sink);
		if (n % 2)
			sink.fail_at = n;
		else
			sink.stop_at = n;
		r = reader_archive.read(&input, &sink, &err);
		if (sink.calls >= n)
			assert_int_equal(r, n % 2 ? -ENOSPC : -ECANCELED);
		else
			assert_int_equal(r, 0);
		if (r < 0)
			assert_true(sink.calls <= n + 1);
		fake_release(&sink);
		fclose(file);
	}
}

static void read_with(struct sink *sink, const struct buf *tar,
		      struct input input)
{
	struct err err = ERR_INIT;
	FILE *file = tmpfile();

	fwrite(tar->data, 1, tar->len, file);
	fflush(file);
	rewind(file);
	input.path = "x.tar";
	input.fd = fileno(file);
	input.size = UINT64_MAX;
	fake_init(sink);
	sink->refuse = "one";
	assert_int_equal(reader_archive.read(&input, sink, &err), 0);
	assert_stream(sink, buf_span(tar));
	fclose(file);
}

/* What is in no file of the tree is still in the stream. */
static void refused_and_excluded(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct input input = { .strip = NULL };
	struct sink sink;

	(void)state;
	make_small(&tar);
	read_with(&sink, &tar, input);
	assert_null(fake_find(&sink, "one"));
	assert_file(&sink, "two", "the second file");
	assert_false(incomplete(&sink));
	fake_release(&sink);

	tar.len = 0;
	maker_file(&tar, MAKER_USTAR, "./dir/sub/a", "a");
	maker_file(&tar, MAKER_USTAR, "dir/b", "b");
	maker_file(&tar, MAKER_USTAR, "/dir/skip/x/c", "c");
	maker_file(&tar, MAKER_USTAR, "directory/d", "d");
	maker_end(&tar);
	input.strip = "./dir/";
	/* The fake's exclude is the one path that is excluded. */
	input.exclude = (const struct exclude *)"skip";
	read_with(&sink, &tar, input);
	assert_int_equal(sink.count, 3);
	assert_file(&sink, "sub/a", "a");
	assert_file(&sink, "b", "b");
	assert_file(&sink, "directory/d", "d");
	assert_int_equal(sink.warnings.len, 0);
	fake_release(&sink);
}

const struct CMUnitTest tar_tests[] = {
	cmocka_unit_test(all_types),
	cmocka_unit_test(pax_overrides),
	cmocka_unit_test(gnu_long_names),
	cmocka_unit_test(sparse_old_gnu),
	cmocka_unit_test(sparse_star),
	cmocka_unit_test(sparse_pax_00),
	cmocka_unit_test(sparse_pax_01),
	cmocka_unit_test(sparse_pax_10),
	cmocka_unit_test(sparse_absurd),
	cmocka_unit_test(links_with_data),
	cmocka_unit_test(cut_anywhere),
	cmocka_unit_test(cut_in_a_file),
	cmocka_unit_test(damaged_headers),
	cmocka_unit_test(absurd_sizes),
	cmocka_unit_test(large_headers),
	cmocka_unit_test(damaged_pax),
	cmocka_unit_test(flawed_values),
	cmocka_unit_test(end_marks),
	cmocka_unit_test(nothing_but_zeros),
	cmocka_unit_test(sums_of_signed_bytes),
	cmocka_unit_test(failing_sink),
	cmocka_unit_test(refused_and_excluded),
};
const size_t tar_test_count = sizeof(tar_tests) / sizeof(tar_tests[0]);
