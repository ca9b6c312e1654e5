#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/out/pax_write.h"

static struct pax_member a_file(const char *path)
{
	return (struct pax_member){
		.type = PAX_FILE, .path = span_str(path), .mode = 0644,
		.uid = 1000, .gid = 100, .uname = span_str("user"),
		.gname = span_str("users"), .mtime = { 1611343651, 0 },
		.size = 5,
	};
}

static void check_sum(const uint8_t *header)
{
	unsigned sum = 8 * ' ';
	char want[9];

	for (size_t i = 0; i < PAX_BLOCK; i++)
		sum += i >= 148 && i < 156 ? 0 : header[i];
	snprintf(want, sizeof(want), "%06o", sum);
	assert_memory_equal(header + 148, want, 7);
	assert_int_equal(header[155], ' ');
}

/* The ustar header, and the records before it ("" where there are none). */
static const uint8_t *parts(const struct buf *out, char *records, size_t cap)
{
	const uint8_t *header = out->data + out->len - PAX_BLOCK;
	size_t len;

	assert_true(out->len % PAX_BLOCK == 0);
	check_sum(header);
	*records = '\0';
	if (out->len == PAX_BLOCK)
		return header;
	check_sum(out->data);
	assert_int_equal(out->data[156], 'x');
	len = strtoul((const char *)out->data + 124, NULL, 8);
	assert_true(len < cap);
	assert_int_equal(out->len, 2 * PAX_BLOCK + len + pax_padding(len));
	memcpy(records, out->data + PAX_BLOCK, len);
	records[len] = '\0';
	return header;
}

static void write_one(const struct pax_member *m, struct buf *out)
{
	buf_clear(out);
	pax_write(m, span_of(NULL, 0), out);
	assert_false(buf_failed(out));
}

static void test_plain_needs_no_records(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pax_member m = a_file("./a/b");
	char records[600];
	const uint8_t *h;

	(void)state;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "");
	assert_string_equal((const char *)h, "./a/b");
	assert_memory_equal(h + 100, "0000644", 8);
	assert_memory_equal(h + 108, "0001750", 8);
	assert_memory_equal(h + 116, "0000144", 8);
	assert_memory_equal(h + 124, "00000000005", 12);
	assert_memory_equal(h + 136, "14002623443", 12);
	assert_int_equal(h[156], '0');
	assert_memory_equal(h + 257, "ustar\0" "00", 8);
	assert_string_equal((const char *)h + 265, "user");
	assert_string_equal((const char *)h + 297, "users");
	assert_int_equal(h[345], 0);
}

/* "LENGTH counting all of it" */
static void test_record_length(void **state)
{
	static const struct {
		size_t value;
		const char *begin;
	} cases[] = {
		{ 3, "8 k=" }, { 4, "9 k=" }, { 5, "11 k=" }, { 6, "12 k=" },
		{ 93, "99 k=" }, { 94, "101 k=" }, { 992, "999 k=" },
		{ 993, "1001 k=" }, { 0, "5 k=" },
	};
	char value[1000];

	(void)state;
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf out = BUF_INIT;

		pax_record(&out, "k", span_of(value, cases[i].value));
		assert_memory_equal(out.data, cases[i].begin,
				    strlen(cases[i].begin));
		assert_int_equal(out.len, strtoul((char *)out.data, NULL,
						  10));
		assert_int_equal(out.data[out.len - 1], '\n');
	}
}

static void test_long_names(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char dir[160], name[120], path[300], records[800], want[400];
	struct pax_member m;
	const uint8_t *h;

	(void)state;
	memset(dir, 'd', sizeof(dir));
	memset(name, 'n', sizeof(name));
	/* 100 fit */
	snprintf(path, sizeof(path), "%.100s", name);
	m = a_file(path);
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "");
	assert_memory_equal(h, path, 100);
	/* 155 and 100 with a slash between fit */
	snprintf(path, sizeof(path), "%.155s/%.100s", dir, name);
	m = a_file(path);
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "");
	assert_memory_equal(h + 345, dir, 155);
	assert_memory_equal(h, name, 100);
	/* a directory's last slash is no place to part it */
	snprintf(path, sizeof(path), "%.101s/", dir);
	m = a_file(path);
	m.type = PAX_DIR;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	snprintf(want, sizeof(want), "112 path=%s\n", path);
	assert_string_equal(records, want);
	assert_int_equal(h[345], 0);
	/* one more in either does not fit */
	snprintf(path, sizeof(path), "%.156s/%.100s", dir, name);
	m = a_file(path);
	write_one(&m, &out);
	parts(&out, records, sizeof(records));
	snprintf(want, sizeof(want), "267 path=%s\n", path);
	assert_string_equal(records, want);
	snprintf(path, sizeof(path), "d/%.101s", name);
	m = a_file(path);
	write_one(&m, &out);
	parts(&out, records, sizeof(records));
	snprintf(want, sizeof(want), "113 path=%s\n", path);
	assert_string_equal(records, want);
}

static void test_long_targets_and_owners(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	char text[200], records[800];
	struct pax_member m = a_file("l");
	const uint8_t *h;

	(void)state;
	memset(text, 't', sizeof(text));
	m.type = PAX_SYMLINK;
	m.size = 0;
	m.link = span_of(text, 100);
	m.uname = m.gname = span_of(text, 31);
	write_one(&m, &out);
	parts(&out, records, sizeof(records));
	assert_string_equal(records, "");
	m.link = span_of(text, 101);
	m.uname = m.gname = span_of(text, 32);
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_non_null(strstr(records, "115 linkpath=tt"));
	assert_non_null(strstr(records, "42 uname=tt"));
	assert_non_null(strstr(records, "42 gname=tt"));
	assert_int_equal(h[265 + 31], 0);
}

/* "numbers in base 256" */
static void test_large_numbers(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pax_member m = a_file("f");
	char records[800];
	const uint8_t *h;

	(void)state;
	m.uid = 2097151;
	m.gid = 2097152;
	m.size = 8589934592;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "15 gid=2097152\n19 size=8589934592\n");
	assert_memory_equal(h + 108, "7777777", 8);
	assert_memory_equal(h + 116, "\x80\0\0\0\0\x20\0\0", 8);
	assert_memory_equal(h + 124, "\x80\0\0\0\0\0\0\2\0\0\0\0", 12);
	m = a_file("f");
	m.uid = UINT32_MAX;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "18 uid=4294967295\n");
	assert_memory_equal(h + 108, "\x80\0\0\0\xff\xff\xff\xff", 8);
}

static void test_times(void **state)
{
	static const struct {
		struct stamp t;
		const char *record;
	} cases[] = {
		{ { 0, 0 }, "" },
		{ { 8589934591, 0 }, "" },
		{ { 8589934592, 0 }, "20 mtime=8589934592\n" },
		{ { 1, 1 }, "21 mtime=1.000000001\n" },
		{ { -1, 0 }, "12 mtime=-1\n" },
		{ { -1, 500000000 }, "22 mtime=-0.500000000\n" },
		{ { -2, 250000000 }, "22 mtime=-1.750000000\n" },
		{ { -2, 999999999 }, "22 mtime=-1.000000001\n" },
		{ { INT64_MIN, 0 }, "30 mtime=-9223372036854775808\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf out = BUF_INIT;
		struct pax_member m = a_file("f");
		char records[200];

		m.mtime = cases[i].t;
		write_one(&m, &out);
		parts(&out, records, sizeof(records));
		assert_string_equal(records, cases[i].record);
	}
}

static void test_negative_time_in_the_header(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pax_member m = a_file("f");
	char records[200];
	const uint8_t *h;

	(void)state;
	m.mtime = (struct stamp){ -2, 250000000 };
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_memory_equal(h + 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			    "\xff\xff\xfe", 12);
}

static void test_devices(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pax_member m = a_file("d");
	char records[200];
	const uint8_t *h;

	(void)state;
	m.type = PAX_CHAR;
	m.size = 0;
	m.dev_major = 4095;
	m.dev_minor = 1048575;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "");
	assert_int_equal(h[156], '3');
	assert_memory_equal(h + 329, "0007777", 8);
	assert_memory_equal(h + 337, "3777777", 8);
}

static void test_sparse(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pax_member m = a_file("./dir/holes");
	char records[400];
	const uint8_t *h;

	(void)state;
	m.sparse = true;
	m.real_size = 1000000;
	m.size = 1024;
	write_one(&m, &out);
	h = parts(&out, records, sizeof(records));
	assert_string_equal(records, "22 GNU.sparse.major=1\n"
			    "22 GNU.sparse.minor=0\n"
			    "31 GNU.sparse.name=./dir/holes\n"
			    "31 GNU.sparse.realsize=1000000\n");
	assert_string_equal((const char *)h, "GNUSparseFile.0/holes");
	assert_memory_equal(h + 124, "00000002000", 12);
}

static void test_given_records(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	OWNED_BUF struct buf given = BUF_INIT;
	struct pax_member m = a_file("./dir/f");
	char records[400];

	(void)state;
	m.mtime.ns = 7;
	pax_record(&given, "SCHILY.xattr.user.k", span_str("v"));
	pax_write(&m, buf_span(&given), &out);
	parts(&out, records, sizeof(records));
	assert_string_equal(records, "30 mtime=1611343651.000000007\n"
			    "25 SCHILY.xattr.user.k=v\n");
	assert_string_equal((const char *)out.data, "PaxHeaders/f");
}

static void test_end(void **state)
{
	static const struct {
		uint64_t written;
		size_t end;
	} cases[] = {
		{ 0, 10240 }, { 9216, 1024 }, { 9728, 10752 }, { 10240, 10240 },
		{ 512, 9728 },
		{ UINT64_C(1) << 50, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED_BUF struct buf out = BUF_INIT;

		pax_write_end(cases[i].written, &out);
		assert_true(out.len >= 1024);
		assert_int_equal((cases[i].written + out.len) % 10240, 0);
		assert_true(out.len < 10240 + 1024);
		for (size_t k = 0; k < out.len; k++)
			assert_int_equal(out.data[k], 0);
		if (cases[i].end)
			assert_int_equal(out.len, cases[i].end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_needs_no_records),
		cmocka_unit_test(test_record_length),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_long_targets_and_owners),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_negative_time_in_the_header),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_given_records),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
