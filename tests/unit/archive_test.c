#include "tests/unit/archive_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/archive_internal.h"

/* Reading. */

static int read_fd(struct sink *sink, int fd, const char *name, bool expand)
{
	struct input input = {
		.path = name, .fd = fd, .size = UINT64_MAX, .expand = expand,
		.expand_depth = 3,
	};
	struct err err = ERR_INIT;
	int r = reader_archive.read(&input, sink, &err);

	if (r < 0) {
		assert_int_equal(err.code, r);
		assert_true(err.text[0]);
	}
	return r;
}

static int memory_file(struct span bytes)
{
	int fd = memfd_create("archive", 0);

	assert_true(fd >= 0);
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		assert_true(n > 0);
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

int read_bytes(struct sink *sink, struct span bytes, const char *name,
	       bool expand)
{
	int fd = memory_file(bytes), r;

	fake_init(sink);
	r = read_fd(sink, fd, name, expand);
	close(fd);
	return r;
}

struct feeder {
	int fd;
	struct span bytes;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;
	struct span left = f->bytes;

	while (left.len) {
		size_t done_before = f->bytes.len - left.len;
		size_t piece = done_before < 77777 ? 777 : 17777;
		size_t n = left.len < piece ? left.len : piece;
		ssize_t done = write(f->fd, left.data, n);

		if (done < 0)
			break;
		left.data += done;
		left.len -= (size_t)done;
	}
	close(f->fd);
	return NULL;
}

int read_piped(struct sink *sink, struct span bytes, const char *name)
{
	struct feeder f = { .bytes = bytes };
	pthread_t thread;
	int fds[2], r;

	assert_int_equal(pipe(fds), 0);
	f.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	fake_init(sink);
	r = read_fd(sink, fds[0], name, false);
	pthread_join(thread, NULL);
	close(fds[0]);
	return r;
}

int read_path(struct sink *sink, const char *path, bool expand)
{
	fake_init(sink);
	return read_fd(sink, -1, path, expand);
}

void assert_stream(const struct sink *sink, struct span bytes)
{
	if (sink->broken)
		fail_msg("the sink's contract: %s", sink->broken);
	assert_int_equal(sink->stream.len, bytes.len);
	if (bytes.len)
		assert_memory_equal(sink->stream.data, bytes.data, bytes.len);
}

void assert_file(struct sink *sink, const char *path, const char *text)
{
	struct fake_entry *e = fake_find(sink, path);

	assert_non_null(e);
	assert_int_equal(e->entry.type, ENTRY_FILE);
	assert_true(e->ended);
	assert_int_equal(e->size, strlen(text));
	assert_memory_equal(e->data.data ? e->data.data : (uint8_t *)"", text,
			    strlen(text));
}

/* Pieces. */

static void numbers(void **state)
{
	static const struct {
		const char *field;
		int r;
		int64_t value;
	} cases[] = {
		{ "0000644\0", 0, 0644 },
		{ "    644 ", 0, 0644 },
		{ "644\0zzzz", 0, 0644 },
		{ "\0 000644", 0, 0644 },
		{ "        ", 0, 0 },
		{ "\0\0\0\0\0\0\0\0", 0, 0 },
		{ "77777777", 0, 077777777 },
		{ "0008644\0", -EINVAL, 0 },
		{ "-0000644", -EINVAL, 0 },
		{ "\x80\0\0\0\xb2\xd0\x5e\0", 0, 3000000000 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xfe", 0, -2 },
		{ "\x80\x80\0\0\0\0\0\0", 0, 0x80000000000000 },
	};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = 0;
		assert_int_equal(header_number(
			(const uint8_t *)cases[i].field, 8, &v), cases[i].r);
		assert_int_equal(v, cases[i].value);
	}
	assert_int_equal(header_number(
		(const uint8_t *)"\x80\0\0\x01\0\0\0\0\0\0\0\0", 12, &v),
		-ERANGE);
	assert_int_equal(header_number(
		(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0",
		12, &v), 0);
	assert_int_equal(v, -16777216);
}

/* "negative fractional mtimes": -1.75 s is { -2, 250000000 } (stamp.h). */
static void times(void **state)
{
	static const struct {
		const char *text;
		int r;
		int64_t s;
		uint32_t ns;
	} cases[] = {
		{ "0", 0, 0, 0 },
		{ "1600000000.123456789", 0, 1600000000, 123456789 },
		{ "1.5", 0, 1, 500000000 },
		{ "1.1234567899", 0, 1, 123456789 },
		{ "-1.75", 0, -2, 250000000 },
		{ "-1", 0, -1, 0 },
		{ "-0.000000001", 0, -1, 999999999 },
		{ "-0.0000000001", 0, -1, 999999999 },
		{ "-1.9999999991", 0, -2, 0 },
		{ "-0", 0, 0, 0 },
		{ "9223372036854775807", 0, INT64_MAX, 0 },
		{ "9223372036854775808", -EINVAL, 0, 0 },
		{ "", -EINVAL, 0, 0 },
		{ "-", -EINVAL, 0, 0 },
		{ ".5", -EINVAL, 0, 0 },
		{ "1.5x", -EINVAL, 0, 0 },
		{ "1e9", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stamp t = { 0, 0 };

		assert_int_equal(pax_time(span_str(cases[i].text), &t),
				 cases[i].r);
		assert_int_equal(t.s, cases[i].s);
		assert_int_equal(t.ns, cases[i].ns);
	}
}

static int give_acl(const char *text, bool is_default, uint16_t *mode,
		    struct attrs *attrs)
{
	struct acl acl = { .items = NULL };
	int r = acl_parse(span_str(text), &acl);

	if (r == 0)
		r = acl_give(&acl, is_default, attrs, mode);
	acl_release(&acl);
	return r;
}

static void access_lists(void **state)
{
	/* as getfattr showed it after setfacl -m u:101:rw,g:1:r */
	static const uint8_t want[] = {
		2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255,
		2, 0, 6, 0, 101, 0, 0, 0,
		4, 0, 4, 0, 255, 255, 255, 255,
		8, 0, 4, 0, 1, 0, 0, 0,
		16, 0, 6, 0, 255, 255, 255, 255,
		32, 0, 4, 0, 255, 255, 255, 255,
	};
	struct attrs attrs = { .list = NULL };
	const struct attr *a;
	uint16_t mode = 04644;

	(void)state;
	assert_int_equal(give_acl("user::rw-\nuser:101:rw-\ngroup::r--\n"
				  "group:daemon:r--:1\nmask::rw-\nother::r--",
				  false, &mode, &attrs), 0);
	a = attrs_find(&attrs, "system.posix_acl_access");
	assert_non_null(a);
	assert_int_equal(a->len, sizeof(want));
	assert_memory_equal(a->value, want, sizeof(want));
	assert_int_equal(mode, 04664);

	/* A list that says no more than the mode is none. */
	assert_int_equal(give_acl("user::rwx,group::r-x,other::---", false,
				  &mode, &attrs), 0);
	assert_null(attrs_find(&attrs, "system.posix_acl_access"));
	assert_int_equal(mode, 04750);

	/* A default list is kept however small. */
	assert_int_equal(give_acl("user::rwx,group::r-x,other::---", true,
				  &mode, &attrs), 0);
	a = attrs_find(&attrs, "system.posix_acl_default");
	assert_non_null(a);
	assert_int_equal(a->len, 4 + 3 * 8);
	assert_int_equal(mode, 04750);

	/* A mask that is missing is the union. */
	assert_int_equal(give_acl("u::rw-,u:7:r-x,g::-w-,o::---", false,
				  &mode, &attrs), 0);
	assert_int_equal(mode, 04670);
	attrs_release(&attrs);

	assert_int_equal(give_acl("user::rw-,group::r--", false, &mode,
				  &attrs), -EINVAL);
	assert_int_equal(give_acl("user::rw-,group::r--,other::rq-", false,
				  &mode, &attrs), -EINVAL);
	assert_int_equal(give_acl("", false, &mode, &attrs), -EINVAL);
	assert_int_equal(give_acl("user::r,user:1:r,user:1:w,group::r,other::r",
				  false, &mode, &attrs), -EINVAL);
	assert_int_equal(give_acl("user::r,user:no-such-user:r,group::r,"
				  "other::r", false, &mode, &attrs), -ENOENT);
	assert_int_equal(attrs.count, 0);
	attrs_release(&attrs);
}

static void encodings(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	uint32_t flags = 0;

	(void)state;
	assert_int_equal(base64_parse(span_str("AAH/CgA"), &out), 0);
	assert_int_equal(out.len, 5);
	assert_memory_equal(out.data, "\0\1\xff\x0a\0", 5);
	assert_int_equal(base64_parse(span_str("A!"), &out), -EINVAL);
	buf_clear(&out);
	assert_int_equal(urlencoded_parse(span_str("user.a%3db%25"), &out), 0);
	assert_string_equal(buf_str(&out), "user.a=b%");
	assert_int_equal(urlencoded_parse(span_str("a%3"), &out), -EINVAL);
	assert_int_equal(urlencoded_parse(span_str("a%zz"), &out), -EINVAL);
	assert_true(fflags_parse(span_str("nodump,schg"), &flags));
	assert_int_equal(flags, 0x50);
	assert_false(fflags_parse(span_str("schg,opaque"), &flags));
	assert_int_equal(flags, 0x10);
}

static void names_of_archives(void **state)
{
	(void)state;
	assert_true(sniff_named_tar("a.tar"));
	assert_true(sniff_named_tar("a.tar.gz"));
	assert_true(sniff_named_tar("A.TAR.XZ"));
	assert_true(sniff_named_tar("a.tgz"));
	assert_false(sniff_named_tar("a.sql.gz"));
	assert_false(sniff_named_tar(".gz"));
	assert_false(sniff_named_tar("tar"));
	assert_int_equal(sniff_plain_name("foo.sql.gz"), 7);
	assert_int_equal(sniff_plain_name("foo.tgz"), 7);
	assert_int_equal(sniff_plain_name(".gz"), 3);
}

static int probe(const char *name, struct span head)
{
	struct input input = { .path = name, .fd = -1 };
	struct stat st = { .st_mode = S_IFREG | 0644 };

	return reader_archive.probe(&input, &st, head);
}

static void probing(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	uint8_t cpio[110];

	(void)state;
	maker_file(&tar, MAKER_V7, "a", "b");
	assert_int_equal(probe("x", buf_span(&tar)), 80);
	tar.data[0] ^= 1;
	assert_int_equal(probe("x", buf_span(&tar)), 0);
	assert_int_equal(probe("x.tar", buf_span(&tar)), 60);
	assert_int_equal(probe("x", span_str("PK\3\4zip")), 80);
	assert_int_equal(probe("x", span_str("070701")), 0);
	memset(cpio, '0', sizeof(cpio));
	memcpy(cpio, "070701", 6);
	assert_int_equal(probe("x", span_of(cpio, 110)), 80);
	cpio[100] = 'x';
	assert_int_equal(probe("x", span_of(cpio, 110)), 0);
	memcpy(cpio, "070707", 6);
	assert_int_equal(probe("x", span_of(cpio, 110)), 80);
	cpio[50] = '8';
	assert_int_equal(probe("x", span_of(cpio, 110)), 0);
	memset(cpio, 0, sizeof(cpio));
	memcpy(cpio, "\xc7\x71", 2);
	assert_int_equal(probe("x", span_of(cpio, 110)), 0);
	cpio[20] = 3;
	memcpy(cpio + 26, "ab", 2);
	assert_int_equal(probe("x", span_of(cpio, 110)), 80);
	assert_int_equal(probe("x.gz", span_str("\x1f\x8b\x08")), 40);
	assert_int_equal(probe("x.tgz", span_str("\x1f\x8b\x08")), 80);
	assert_int_equal(probe("x", span_str("SQLite format 3")), 0);
	assert_int_equal(probe("x", span_of(NULL, 0)), 0);
}

int main(void)
{
	const struct CMUnitTest pieces[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(times),
		cmocka_unit_test(access_lists),
		cmocka_unit_test(encodings),
		cmocka_unit_test(names_of_archives),
		cmocka_unit_test(probing),
	};
	int failed = cmocka_run_group_tests_name("archive", pieces, NULL,
						 NULL);

	failed += _cmocka_run_group_tests("archive_tar", tar_tests,
					  tar_test_count, NULL, NULL);
	failed += _cmocka_run_group_tests("archive_format", format_tests,
					  format_test_count, NULL, NULL);
	return failed;
}
