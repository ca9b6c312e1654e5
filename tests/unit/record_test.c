/* record: records written and read back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/catalog/record.h"

static void set_id(struct id *id, uint8_t fill)
{
	memset(id->hash, fill, ID_HASH);
	id->len = fill;
	id->nth = ID_META;
}

static const struct record_top top = {
	.mode = 04755, .uid = UINT32_MAX, .gid = 7, .nlink = 2000000000000,
	.mtime = { -3, 250000000 }, .xattrs = true,
};

static void fill(struct record *record)
{
	memset(record, 0, sizeof(*record));
	for (uint8_t i = 0; i < RECORD_ID; i++)
		record->id[i] = (uint8_t)(0xa0 + i);
	record->number = 42;
	record->source = strdup("cpd30/dv");
	record->name = strdup("2021-01-22T19-27-31Z-2");
	record->time = (struct stamp){ 1611343651, 500 };
	record->time_from = strdup("header");
	record->tz = strdup("Europe/Berlin");
	record->added = (struct stamp){ 1700000000, 0 };
	record->kind = strdup("tar");
	record->format = strdup("GNU tar, gzip");
	record->input = strdup("/b/dv 100%\nback\x7fup\xff.tar.gz");
	record->host = strdup("node-1");
	record->user = strdup("root");
	record->version = strdup("0.1.0");
	set_id(&record->root, 1);
	assert_int_equal(record_set_top(record, &top), 0);
	set_id(&record->links, 2);
	set_id(&record->view, 3);
	record->entries = 300000;
	record->files = 290000;
	record->dirs = 9000;
	record->bytes = INT64_MAX;
	record->stream_bytes = 7;
	record->new_bytes = 8;
	record->warnings = 9;
	record->incomplete = strdup("the input ended early");
	assert_int_equal(record_add_tag(record, "env", "prod=1"), 0);
	assert_int_equal(record_add_tag(record, "empty", ""), 0);
	assert_int_equal(record_add_attr(record, "checkpoint", "123"), 0);
	record->packs = calloc(2, sizeof(*record->packs));
	record->pack_count = 2;
	memset(record->packs[0], 0x11, 16);
	memset(record->packs[1], 0x22, 16);
}

static void assert_same(const struct record *a, const struct record *b)
{
	assert_memory_equal(a->id, b->id, RECORD_ID);
	assert_int_equal(a->number, b->number);
	assert_string_equal(a->source, b->source);
	assert_string_equal(a->name, b->name);
	assert_int_equal(stamp_cmp(a->time, b->time), 0);
	assert_string_equal(a->time_from, b->time_from);
	assert_string_equal(a->tz, b->tz);
	assert_int_equal(stamp_cmp(a->added, b->added), 0);
	assert_string_equal(a->kind, b->kind);
	assert_string_equal(a->format, b->format);
	assert_string_equal(a->input, b->input);
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->version, b->version);
	assert_true(id_equal(&a->root, &b->root));
	assert_string_equal(a->top, b->top);
	assert_true(id_equal(&a->links, &b->links));
	assert_true(id_equal(&a->origin, &b->origin));
	assert_true(id_equal(&a->view, &b->view));
	assert_true(id_equal(&a->notes, &b->notes));
	assert_int_equal(a->entries, b->entries);
	assert_int_equal(a->files, b->files);
	assert_int_equal(a->dirs, b->dirs);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->stream_bytes, b->stream_bytes);
	assert_int_equal(a->new_bytes, b->new_bytes);
	assert_int_equal(a->warnings, b->warnings);
	assert_string_equal(a->incomplete, b->incomplete);
	assert_int_equal(a->tag_count, b->tag_count);
	assert_int_equal(a->attr_count, b->attr_count);
	assert_int_equal(a->pack_count, b->pack_count);
	assert_memory_equal(a->packs, b->packs, 16 * a->pack_count);
}

static void test_round_trip(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT, again = BUF_INIT;
	struct err err = ERR_INIT;
	struct record a, b;

	(void)state;
	fill(&a);
	assert_int_equal(record_write(&a, &bytes, &err), 0);
	assert_int_equal(record_parse(buf_span(&bytes), "it", &b, &err), 0);
	assert_same(&a, &b);
	assert_string_equal(record_tag(&b, "env"), "prod=1");
	assert_string_equal(record_tag(&b, "empty"), "");
	assert_null(record_tag(&b, "en"));
	assert_null(record_tag(&b, "environment"));
	assert_string_equal(record_attr(&b, "checkpoint"), "123");
	assert_true(id_is_none(&b.origin));
	/* Who does not know of rows must not take the record for whole. */
	assert_int_equal(memcmp(bytes.data, "varve-record 1\n", 15), 0);
	set_id(&b.rows, 4);
	assert_int_equal(record_write(&b, &again, &err), 0);
	assert_int_equal(memcmp(again.data, "varve-record 2\n", 15), 0);
	record_release(&b);
	assert_int_equal(record_parse(buf_span(&again), "it", &b, &err), 0);
	assert_int_equal(b.rows.len, 4);
	b.rows = (struct id){ .len = 0 };
	buf_clear(&again);
	assert_int_equal(record_write(&b, &again, &err), 0);
	assert_true(span_equal(buf_span(&bytes), buf_span(&again)));
	record_release(&a);
	record_release(&b);
	assert_null(b.source);
}

static void test_copy(void **state)
{
	struct record a, b;

	(void)state;
	fill(&a);
	assert_int_equal(record_copy(&a, &b), 0);
	assert_same(&a, &b);
	assert_ptr_not_equal(a.source, b.source);
	assert_ptr_not_equal(a.packs, b.packs);
	assert_ptr_not_equal(a.tags, b.tags);
	record_release(&a);
	assert_string_equal(b.source, "cpd30/dv");
	assert_string_equal(record_tag(&b, "env"), "prod=1");
	record_release(&b);
	/* What is not yet filled in can be copied as well. */
	memset(&a, 0, sizeof(a));
	assert_int_equal(record_copy(&a, &b), 0);
	assert_null(b.source);
}

static void test_top(void **state)
{
	struct record record = { .number = 0 };
	struct record_top got;

	(void)state;
	assert_false(record_top(&record, &got));
	assert_int_equal(record_set_top(&record, &top), 0);
	assert_int_equal(record_set_top(&record, &top), 0);
	assert_true(record_top(&record, &got));
	assert_int_equal(got.mode, top.mode);
	assert_int_equal(got.uid, top.uid);
	assert_int_equal(got.gid, top.gid);
	assert_int_equal(got.nlink, top.nlink);
	assert_int_equal(stamp_cmp(got.mtime, top.mtime), 0);
	assert_true(got.xattrs);
	record_release(&record);
}

static void test_tags(void **state)
{
	struct record record = { .number = 0 };
	char key[66], text[16];

	(void)state;
	assert_int_equal(record_add_tag(&record, "k", "1"), 0);
	assert_int_equal(record_add_tag(&record, "k", "2"), 0);
	assert_int_equal(record.tag_count, 1);
	assert_string_equal(record_tag(&record, "k"), "2");
	assert_int_equal(record_add_tag(&record, "", "1"), -EINVAL);
	assert_int_equal(record_add_tag(&record, "a=b", "1"), -EINVAL);
	assert_int_equal(record_add_tag(&record, "a b", "1"), -EINVAL);
	memset(key, 'x', sizeof(key));
	key[65] = '\0';
	assert_int_equal(record_add_tag(&record, key, "1"), -EINVAL);
	key[64] = '\0';
	assert_int_equal(record_add_tag(&record, key, "1"), 0);
	for (int i = 0; i < 1022; i++) {
		snprintf(text, sizeof(text), "t%d", i);
		assert_int_equal(record_add_tag(&record, text, ""), 0);
	}
	assert_int_equal(record_add_tag(&record, "more", ""), -E2BIG);
	record_release(&record);
}

/* A document of the given lines, its sum made right. */
static void seal(const char *lines, struct buf *out)
{
	buf_clear(out);
	buf_append_str(out, lines);
	buf_printf(out, "sum=%016llx\n",
		   (unsigned long long)sum64(buf_span(out)));
}

static const char good[] =
	"varve-record 1\n"
	"id=000102030405060708090a0b0c0d0e0f\n"
	"number=7\n"
	"source=a/b\n"
	"name=2021-01-22T19-27-31Z\n"
	"time=1611343651.000000000\n"
	"added=1611343652.000000000\n"
	"kind=tar\n"
	"root=0101010101010101010101010101010101000000"
	"0080\n";

/* good with one line in place of another, or more of them at its end. */
static void change(const char *line, const char *with, struct buf *out)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *at = line ? strstr(good, line) : good + strlen(good);
	const char *rest;

	assert_non_null(at);
	rest = line ? strchr(at, '\n') + 1 : at;
	buf_append(&text, good, (size_t)(at - good));
	buf_append_str(&text, with);
	buf_append_str(&text, rest);
	seal(buf_str(&text), out);
}

static int parse(const struct buf *bytes, struct err *err)
{
	struct record record;
	int r = record_parse(buf_span(bytes), "record 'x'", &record, err);

	if (r == 0)
		record_release(&record);
	return r;
}

static void test_good_document(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct record record;

	(void)state;
	seal(good, &bytes);
	assert_int_equal(record_parse(buf_span(&bytes), "it", &record, &err),
			 0);
	assert_int_equal(record.number, 7);
	assert_int_equal(record.id[15], 15);
	assert_int_equal(record.root.len, 1);
	assert_int_equal(record.root.nth, ID_META);
	assert_null(record.tz);
	record_release(&record);
	/* A later version may add keys that may be passed over. */
	change(NULL, "colour=blue\ncolour=red\n", &bytes);
	assert_int_equal(parse(&bytes, &err), 0);
}

static void test_bad_documents(void **state)
{
	static const struct {
		const char *line, *with;
	} bad[] = {
		{ "id=", "" },
		{ "id=", "id=00\n" },
		{ "id=", "id=00000000000000000000000000000000\n" },
		{ "id=", "id=000102030405060708090A0B0C0D0E0F\n" },
		{ "number=", "" },
		{ "number=", "number=0\n" },
		{ "number=", "number=-1\n" },
		{ "number=", "number=9223372036854775808\n" },
		{ "number=", "number=99999999999999999999\n" },
		{ "source=", "source=\n" },
		{ "source=", "source=a//b\n" },
		{ "source=", "source=/a\n" },
		{ "source=", "source=a/..\n" },
		{ "source=", "source=a%00b\n" },
		{ "source=", "source=a%0Ab\n" },
		{ "source=", "source=latest\n" },
		{ "name=", "name=\n" },
		{ "name=", "name=../../etc\n" },
		{ "name=", "name=2021-01-22T19-27-31Z/x\n" },
		{ "name=", "name=2021-01-22T19-27-31Z-1\n" },
		{ "name=", "name=2021-01-22T19-27-31Z-02\n" },
		{ "name=", "name=2021-01-22T19-27-31Z-\n" },
		{ "name=", "name=2021-01-22T19:27:31Z\n" },
		{ "time=", "" },
		{ "time=", "time=\n" },
		{ "time=", "time=1.5x\n" },
		{ "time=", "time=99999999999999.000000000\n" },
		{ "added=", "" },
		{ "kind=", "kind=Tar/..\n" },
		{ "kind=", "" },
		{ NULL, "top=\n" },
		{ NULL, "top=755 0 0 2 0\n" },
		{ NULL, "top=755 0 0 2 0 \n" },
		{ NULL, "top=755 0 0 2 2 1.000000000\n" },
		{ NULL, "top=855 0 0 2 0 1.000000000\n" },
		{ NULL, "top=10000 0 0 2 0 1.000000000\n" },
		{ NULL, "top=755 -1 0 2 0 1.000000000\n" },
		{ NULL, "top=755 4294967296 0 2 0 1.000000000\n" },
		{ NULL, "top=755 0 0  2 0 1.000000000\n" },
		{ NULL, "top=755 0 0 2 0 1.000000000 \n" },
		{ NULL, "top=755 0 0 18446744073709551616 0 1.000000000\n" },
		{ "root=", "" },
		{ "root=", "root=01\n" },
		{ "root=", "root=01010101010101010101010101010101"
			   "000000000080\n" },
		{ NULL, "number=8\n" },
		{ NULL, "tag=novalue\n" },
		{ NULL, "tag==x\n" },
		{ NULL, "tag=a b=x\n" },
		{ NULL, "tag=a=x\ntag=a=y\n" },
		{ NULL, "tag=a=x%00y\n" },
		{ NULL, "attr=x\n" },
		{ NULL, "pack=12\n" },
		{ NULL, "pack=zz0102030405060708090a0b0c0d0e0f\n" },
		{ NULL, "entries=-5\n" },
		{ NULL, "view=nothing\n" },
		{ NULL, "time-from=a b\n" },
	};
	OWNED_BUF struct buf bytes = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		change(bad[i].line, bad[i].with, &bytes);
		if (parse(&bytes, &err) != -EBADMSG)
			fail_msg("taken: %s%s", bad[i].with, err.text);
		assert_non_null(strstr(err.text, "record 'x'"));
	}
}

static void test_damage_and_versions(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT, cut = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	seal(good, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 4;
		assert_true(parse(&bytes, &err) < 0);
		bytes.data[i] ^= 4;
	}
	for (size_t i = 0; i < bytes.len; i++) {
		buf_clear(&cut);
		buf_append(&cut, bytes.data, i);
		assert_int_equal(parse(&cut, &err), -EBADMSG);
	}
	change("varve-record", "varve-record 3\n", &bytes);
	assert_int_equal(parse(&bytes, &err), -ENOTSUP);
	change("varve-record", "varve-event 1\n", &bytes);
	assert_int_equal(parse(&bytes, &err), -EBADMSG);
}

static void test_not_written(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct record record;

	(void)state;
	fill(&record);
	record.number = 0;
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record.number = UINT64_MAX;
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record.number = 1;
	record.time.s = INT64_MAX;
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record.time.s = -62135596800;
	assert_int_equal(record_write(&record, &bytes, &err), 0);
	free(record.source);
	record.source = NULL;
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record.source = strdup("a/.b");
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record.source[2] = 'b';
	assert_int_equal(record_write(&record, &bytes, &err), 0);
	memset(&record.root, 0, sizeof(record.root));
	assert_int_equal(record_write(&record, &bytes, &err), -EINVAL);
	record_release(&record);
}

/* An add of 10 TB must not fail at its end for having many packs. */
static void test_many_packs(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct record a, b;

	(void)state;
	fill(&a);
	free(a.packs);
	a.packs = calloc(RECORD_PACKS_MAX + 1, sizeof(*a.packs));
	a.pack_count = RECORD_PACKS_MAX;
	assert_int_equal(record_write(&a, &bytes, &err), 0);
	assert_int_equal(record_parse(buf_span(&bytes), "it", &b, &err), 0);
	assert_int_equal(b.pack_count, RECORD_PACKS_MAX);
	record_release(&b);
	a.pack_count++;
	buf_clear(&bytes);
	assert_int_equal(record_write(&a, &bytes, &err), 0);
	assert_int_equal(record_parse(buf_span(&bytes), "it", &b, &err), 0);
	assert_int_equal(b.pack_count, 0);
	record_release(&a);
	record_release(&b);
}

static void test_source_check(void **state)
{
	static const char *const good_names[] = {
		"a", "cpd30/dv", "vmbc/replica-2", "a b", "\xc3\xa4/\xff",
		"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "a..b", "latest-1",
		"2021-01-22", "a/b.",
	};
	static const char *const bad_names[] = {
		"", "/", "a/", "/a", "a//b", ".", "..", ".a", "a/.b", "latest",
		"a/latest/b", "a\nb", "a\x7f", "2021-01-22T19-27-31Z",
		"a/2021-01-22T19-27-31Z-2",
		"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
	};
	char longest[SOURCE_MAX + 2];
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good_names) / sizeof(char *); i++)
		assert_int_equal(source_check(good_names[i], &err), 0);
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(char *); i++) {
		err.text[0] = '\0';
		assert_int_equal(source_check(bad_names[i], &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
	memset(longest, 'x', sizeof(longest));
	longest[255] = '/';
	longest[511] = '\0';
	assert_int_equal(source_check(longest, &err), 0);
	longest[511] = '/';
	longest[512] = 'x';
	longest[513] = '\0';
	assert_int_equal(source_check(longest, &err), -EINVAL);
	longest[256] = '\0';
	longest[255] = 'x';
	assert_int_equal(source_check(longest, &err), -EINVAL);
}

/* "What stands for something else in a command is no part of a new name." */
static void test_source_check_new(void **state)
{
	static const char *const good_names[] = {
		"a", "cpd30/dv", "a b", "\xc3\xa4/\xff", "a/-b", "a-b", "id",
		"id/abc", "a=b", "a+b,c;d", "\"x\\y", "{a}", "a!", "a#1~",
	};
	static const char *const bad_names[] = {
		"a*", "*", "a?b", "a[1]", "a/[", "user@host", "@a", "host:port",
		"a/b:c", "id:abc", "-", "-a", "--all/x", "latest", "", ".a",
	};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good_names) / sizeof(char *); i++)
		assert_int_equal(source_check_new(good_names[i], &err),
				 0);
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(char *); i++) {
		err.text[0] = '\0';
		assert_int_equal(source_check_new(bad_names[i], &err),
				 -EINVAL);
		assert_true(err.text[0] != '\0');
		/* those that stores have from before */
		if (i < 13)
			assert_int_equal(source_check(bad_names[i], &err), 0);
	}
}

static void test_name_is_time(void **state)
{
	(void)state;
	assert_true(name_is_time("2021-01-22T19-27-31Z", 20));
	assert_true(name_is_time("2021-01-22T19-27-31Z-2", 22));
	assert_false(name_is_time("2021-01-22T19-27-31", 19));
	assert_false(name_is_time("2021-01-22T19-27-31Z", 19));
	assert_false(name_is_time("2021-01-22 19-27-31Z", 20));
	assert_false(name_is_time("latest", 6));
	assert_false(name_is_time("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_good_document),
		cmocka_unit_test(test_bad_documents),
		cmocka_unit_test(test_damage_and_versions),
		cmocka_unit_test(test_not_written),
		cmocka_unit_test(test_many_packs),
		cmocka_unit_test(test_source_check),
		cmocka_unit_test(test_source_check_new),
		cmocka_unit_test(test_name_is_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
