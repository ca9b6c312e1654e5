#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "indexer/rocksdb/rocks_internal.h"
#include "tests/unit/rocks_maker.h"

static const char *why_of(struct buf *record)
{
	CLEANUP(edit_release) struct edit edit;
	const char *why;

	assert_int_equal(edit_parse(buf_span(record), &edit, &why, NULL), 0);
	buf_clear(record);
	return why;
}

static void every_field_is_read(void **state)
{
	OWNED_BUF struct buf b = BUF_INIT;
	CLEANUP(edit_release) struct edit e;
	const char *why;

	(void)state;
	made_string(&b, 1, "cmp");
	made_number(&b, 2, 22);
	made_number(&b, 3, 33);
	made_number(&b, 4, 1ull << 50);
	made_number(&b, 5, 3);
	made_key(&b, "cursor", 1);
	made_deleted(&b, 4, 44);
	made_number(&b, 9, 99);
	made_number(&b, 10, 10);
	made_number(&b, 203, 7);
	made_number(&b, 8196, 50);
	buf_append(&b, "\x02\x85\x01\x01", 4);
	made_number(&b, 8197, 49);
	made_string(&b, 8199, "\x33\x01");
	made_string(&b, 8193, "id");
	made_string(&b, 8192 | 55, "later");
	made_number(&b, 300, 4);
	made_number(&b, 200, 5);
	made_string(&b, 201, "name");
	assert_int_equal(edit_parse(buf_span(&b), &e, &why, NULL), 0);
	assert_null(why);
	assert_true(e.has_comparator && span_equal(e.comparator,
						   span_str("cmp")));
	assert_true(e.has_log_number && e.log_number == 22);
	assert_true(e.has_next_file && e.next_file == 33);
	assert_true(e.has_last_sequence && e.last_sequence == 1ull << 50);
	assert_int_equal(e.deleted_count, 1);
	assert_int_equal(e.deleted[0].level, 4);
	assert_int_equal(e.deleted[0].number, 44);
	assert_true(e.has_prev_log && e.prev_log == 99);
	assert_true(e.has_min_log && e.min_log == 10);
	assert_true(e.has_max_family && e.max_family == 7);
	assert_int_equal(e.wal_count, 2);
	assert_int_equal(e.wals[0].number, 50);
	assert_int_equal(e.wals[0].synced, 133);
	assert_int_equal(e.wals[1].number, 0x33);
	assert_int_equal(e.wals[1].synced, 0);
	assert_true(e.has_wal_deletion && e.wals_before == 49);
	assert_true(e.has_db_id && span_equal(e.db_id, span_str("id")));
	assert_true(e.in_group && e.group_left == 4);
	assert_int_equal(e.family, 5);
	assert_true(e.adds_family && span_equal(e.family_name,
						span_str("name")));
	assert_false(e.drops_family);
}

static void each_form_of_a_new_file(void **state)
{
	static const uint32_t tags[] = { 7, 100, 102, 103 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		OWNED_BUF struct buf b = BUF_INIT;
		CLEANUP(edit_release) struct edit e;
		const struct rocks_file *f;
		const char *why;

		made_number(&b, tags[i], 3);
		buf_varint(&b, 77);
		if (tags[i] == 102)
			buf_varint(&b, 2);
		buf_varint(&b, 5000);
		made_key(&b, "aa", 11);
		made_key(&b, "zz", 12);
		if (tags[i] != 7) {
			buf_varint(&b, 11);
			buf_varint(&b, 12);
		}
		if (tags[i] == 103) {
			made_string(&b, 65, "\x03");
			made_string(&b, 3, "\x09\1\1\1\1\1\1\1");
			made_string(&b, 4, "\x21");
			made_string(&b, 13, "\x05");
			made_string(&b, 7, "sum!");
			made_string(&b, 8, "method");
			made_string(&b, 60, "of a later RocksDB");
			buf_varint(&b, 1);
		}
		assert_int_equal(edit_parse(buf_span(&b), &e, &why, NULL), 0);
		assert_null(why);
		assert_int_equal(e.added_count, 1);
		f = e.added;
		assert_int_equal(f->number, 77);
		assert_int_equal(f->level, 3);
		assert_int_equal(f->size, 5000);
		assert_true(span_equal(f->smallest.user, span_str("aa")));
		assert_int_equal(f->smallest.seq, 11);
		assert_int_equal(f->smallest.type, 1);
		assert_true(span_equal(f->largest.user, span_str("zz")));
		assert_int_equal(f->largest_seq, tags[i] == 7 ? 0 : 12);
		assert_int_equal(f->path, tags[i] == 102 ? 2 :
				 tags[i] == 103 ? 3 : 0);
		if (tags[i] != 103)
			continue;
		assert_true(e.has_min_log && e.min_log == 0x0101010101010109);
		assert_int_equal(f->oldest_blob, 0x21);
		assert_int_equal(f->epoch, 5);
		assert_true(span_equal(f->checksum, span_str("sum!")));
		assert_true(span_equal(f->checksum_name, span_str("method")));
	}
}

static void what_is_not_known_is_refused(void **state)
{
	OWNED_BUF struct buf b = BUF_INIT;

	(void)state;
	made_number(&b, 11, 1);
	assert_string_equal(why_of(&b), "an edit has a field that is not "
			    "known");
	made_new(&b, 0, 1, 2, "a", "b");
	made_string(&b, 66, "x");
	buf_varint(&b, 1);
	assert_string_equal(why_of(&b), "a file has a field that only a newer "
			    "RocksDB knows");
	made_number(&b, 400, 9);
	buf_append(&b, "\1\1\0\0\x41\0\0", 7);
	assert_string_equal(why_of(&b), "a blob file has a field that only a "
			    "newer RocksDB knows");
}

static void every_cut_is_noticed(void **state)
{
	OWNED_BUF struct buf b = BUF_INIT;
	size_t whole = 0;

	(void)state;
	made_new(&b, 0, 1, 2, "a", "b");
	made_string(&b, 4, "\x21");
	buf_varint(&b, 1);
	for (size_t cut = 1; cut < b.len; cut++) {
		OWNED_BUF struct buf part = BUF_INIT;

		buf_append(&part, b.data, cut);
		whole += why_of(&part) == NULL;
	}
	assert_int_equal(whole, 0);
	/* no key is shorter than what stands behind the user's */
	made_number(&b, 5, 1);
	made_string(&b, 0x21, "");
	assert_non_null(why_of(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_is_read),
		cmocka_unit_test(each_form_of_a_new_file),
		cmocka_unit_test(what_is_not_known_is_refused),
		cmocka_unit_test(every_cut_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
