#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/base/checksum.h"
#include "indexer/rocksdb/rocks.h"
#include "tests/unit/rocks_maker.h"

static struct rocks *opened(struct made_dir *dir, unsigned flags)
{
	struct rocks_source source = made_source(dir);
	struct err err = ERR_INIT;
	struct rocks *rocks = NULL;
	int r = rocks_open(&source, "5000", flags, &rocks, &err);

	if (r < 0)
		print_message("%s\n", err.text);
	assert_int_equal(r, 0);
	assert_int_equal(rocks->notes + rocks->incomplete + rocks->damaged,
			 rocks->finding_count);
	return rocks;
}

/* The only finding, of that weight and file. */
static void finds(struct made_dir *dir, enum rocks_weight weight,
		  const char *file, const char *text)
{
	OWNED_ROCKS struct rocks *rocks = opened(dir, ROCKS_READ_DATA);

	for (size_t i = 1; i < rocks->finding_count; i++)
		print_message("%s: %s\n", rocks->findings[i].file,
			      rocks->findings[i].text);
	assert_int_equal(rocks->finding_count, 1);
	assert_string_equal(rocks->findings[0].file, file);
	assert_string_equal(rocks->findings[0].text, text);
	assert_int_equal(rocks->findings[0].weight, weight);
	assert_int_equal(rocks_is_complete(rocks), weight == ROCKS_NOTE);
}

static bool names(const struct rocks *rocks, const char *file)
{
	for (size_t i = 0; i < rocks->finding_count; i++)
		if (!strcmp(rocks->findings[i].file, file))
			return true;
	return false;
}

static bool is(struct span have, const char *want)
{
	return span_equal(have, span_str(want));
}

static void see_files(const struct rocks *r)
{
	const struct rocks_file *f = r->files;

	assert_int_equal(r->file_count, 2);
	assert_int_equal(f[0].number, 11);
	assert_int_equal(f[0].family, 0);
	assert_int_equal(f[0].level, 2);
	assert_true(is(f[0].smallest.user, "a\\\x01"));
	assert_true(is(f[0].largest.user, "c"));
	assert_int_equal(f[0].smallest_seq, 7);
	assert_int_equal(f[0].largest_seq, 9);
	assert_true(f[0].table.known);
	assert_int_equal(f[0].table.format_version, 5);
	assert_int_equal(f[0].table.entries, 17);
	assert_int_equal(f[0].table.deletions, 3);
	assert_int_equal(f[0].table.data_blocks, 2);
	assert_int_equal(f[0].table.original_number, 11);
	assert_true(is(f[0].table.compression, "NoCompression"));
	assert_int_equal(f[1].number, 12);
	assert_int_equal(f[1].family, 1);
	assert_int_equal(f[1].level, 1);
	assert_int_equal(f[1].oldest_blob, 13);
}

static void all_of_a_checkpoint_is_told(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_ROCKS struct rocks *r = NULL;

	(void)state;
	made_checkpoint(&dir);
	r = opened(&dir, ROCKS_READ_DATA);
	for (size_t i = 0; i < r->finding_count; i++)
		print_message("%s: %s\n", r->findings[i].file,
			      r->findings[i].text);
	assert_true(rocks_is_complete(r));
	assert_int_equal(r->finding_count, 0);
	assert_true(r->has_manifest);
	assert_string_equal(r->manifest, MADE_MANIFEST);
	assert_string_equal(r->options, MADE_OPTIONS);
	assert_true(is(r->db_id, "the-id"));
	assert_string_equal(r->db_id_from, "MANIFEST");
	assert_true(is(r->version, "7.8.3"));
	assert_int_equal(r->edits, 10);
	assert_int_equal(r->next_file, 40);
	assert_int_equal(r->last_sequence, 1234567);
	assert_int_equal(r->max_family, 2);
	assert_int_equal(r->family_count, 2);
	assert_true(is(r->families[0].name, "default"));
	assert_true(is(r->families[1].name, "blocks"));
	assert_int_equal(r->families[1].id, 1);
	assert_int_equal(r->families[0].log_number, 14);
	assert_true(is(r->families[1].comparator,
		       "leveldb.BytewiseComparator"));
	see_files(r);
	assert_int_equal(r->blob_count, 1);
	assert_int_equal(r->blobs[0].number, 13);
	assert_int_equal(r->blobs[0].count, 3);
	assert_int_equal(r->blobs[0].garbage_count, 1);
	assert_int_equal(r->blobs[0].garbage_bytes, 1036);
	assert_int_equal(r->blobs[0].size, made_file(&dir, "000013.blob")->len);
	assert_int_equal(r->wal_count, 1);
	assert_int_equal(r->wals[0].number, 14);
	assert_int_equal(r->wals[0].records, 3);
}

/* "each single file removed": it is named, with the bytes that it should be. */
static void a_file_that_is_missing_is_named(void **state)
{
	static const char *const files[] = {
		"000011.sst", "000012.sst", "000013.blob", "CURRENT",
		MADE_MANIFEST, MADE_OPTIONS,
	};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		OWNED_MADE struct made_dir dir = { .count = 0 };
		OWNED_ROCKS struct rocks *r = NULL;
		size_t len;

		made_checkpoint(&dir);
		len = made_file(&dir, files[i])->len;
		made_remove(&dir, files[i]);
		r = opened(&dir, 0);
		assert_false(rocks_is_complete(r));
		assert_int_equal(r->damaged, 0);
		assert_int_equal(r->finding_count, 1);
		assert_string_equal(r->findings[0].file,
				    i == 5 ? "OPTIONS-*" : files[i]);
		if (i > 2)
			continue;
		assert_true(r->findings[0].has_sizes);
		assert_int_equal(r->findings[0].want, len);
		assert_int_equal(r->findings[0].found, 0);
	}
}

static void a_size_that_is_wrong_is_told(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };

	(void)state;
	made_checkpoint(&dir);
	made_file(&dir, "000012.sst")->len = 100;
	finds(&dir, ROCKS_INCOMPLETE, "000012.sst",
	      "it is cut short: 100 of 362 bytes");
	made_file(&dir, "000012.sst")->len = 362;
	buf_append_byte(made_file(&dir, "000013.blob"), 'x');
	finds(&dir, ROCKS_INCOMPLETE, "000013.blob", "it is too long: 3171 "
	      "bytes, and the MANIFEST says 3170");
}

/* "each single file … bit-flipped is named": every bit of these. */
static void every_flipped_bit_is_named(void **state)
{
	static const char *const files[] = {
		"000011.sst", "000013.blob", "000014.log", MADE_MANIFEST,
	};
	OWNED_MADE struct made_dir dir = { .count = 0 };

	(void)state;
	made_checkpoint(&dir);
	for (size_t i = 0; i < 4; i++) {
		struct buf *b = made_file(&dir, files[i]);
		/* What guards nothing: padding and version of a footer, and
		 * two kinds of a blob file's header. */
		size_t end = i == 0 ? b->len - 52 : b->len;
		size_t begin = i == 1 ? 14 : 0;

		for (size_t bit = 8 * begin; bit < 8 * end; bit++) {
			OWNED_ROCKS struct rocks *r = NULL;

			b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			r = opened(&dir, ROCKS_READ_DATA);
			b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (rocks_is_complete(r) || !names(r, files[i]))
				print_message("%s, bit %zu\n", files[i], bit);
			assert_false(rocks_is_complete(r));
			assert_true(names(r, files[i]));
		}
	}
}

static void every_cut_of_the_manifest_is_named(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	struct buf *b;

	(void)state;
	made_checkpoint(&dir);
	b = made_file(&dir, MADE_MANIFEST);
	while (b->len > 0) {
		OWNED_ROCKS struct rocks *r = NULL;

		b->len--;
		r = opened(&dir, 0);
		assert_false(r->has_manifest);
		assert_false(rocks_is_complete(r));
		assert_string_equal(r->findings[0].file, MADE_MANIFEST);
		assert_int_equal(r->findings[0].weight, ROCKS_INCOMPLETE);
	}
}

static void a_tail_of_zeros_is_a_cut(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };

	(void)state;
	made_checkpoint(&dir);
	buf_append_zero(made_file(&dir, MADE_MANIFEST), 40000);
	finds(&dir, ROCKS_INCOMPLETE, MADE_MANIFEST, "only zeros follow");
	buf_append_byte(made_file(&dir, MADE_MANIFEST), 1);
	finds(&dir, ROCKS_DAMAGED, MADE_MANIFEST,
	      "zeros stand where a record should be");
}

/* Records of many blocks, and reads that give little at a time. */
static void records_go_over_blocks(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0, .step = 1000 };
	OWNED_BUF struct buf edit = BUF_INIT;
	OWNED_ROCKS struct rocks *r = NULL;

	(void)state;
	made_checkpoint(&dir);
	buf_varint(&edit, 8192 + 1000);
	buf_varint(&edit, 100000);
	buf_append_zero(&edit, 100000);
	made_number(&edit, 4, 7654321);
	for (int i = 0; i < 40; i++)
		made_record(made_file(&dir, MADE_MANIFEST), buf_span(&edit),
			    0);
	r = opened(&dir, 0);
	assert_true(rocks_is_complete(r));
	assert_int_equal(r->edits, 50);
	assert_int_equal(r->last_sequence, 7654321);
}

static void append_edit(struct made_dir *dir, struct buf *edit)
{
	made_record(made_file(dir, MADE_MANIFEST), buf_span(edit), 0);
	buf_clear(edit);
}

static void edits_that_contradict_are_damage(void **state)
{
	static const char *const texts[] = {
		"a table is deleted that is not there",
		"a table is added that is there",
		"an edit is of a column family that is not there",
		"a column family is added that was there",
		"a blob file has more garbage than blobs",
		"an edit of a group is missing",
		"the default column family is dropped",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		OWNED_MADE struct made_dir dir = { .count = 0 };
		OWNED_BUF struct buf e = BUF_INIT;

		made_checkpoint(&dir);
		switch (i) {
		case 0:
			made_deleted(&e, 1, 11);
			break;
		case 1:
			made_new(&e, 3, 12, 433, "d", "f");
			buf_varint(&e, 1);
			break;
		case 2:
			made_number(&e, 200, 9);
			break;
		case 3:
			made_number(&e, 200, 2);
			made_string(&e, 201, "again");
			break;
		case 4:
			made_number(&e, 401, 13);
			buf_varint(&e, 3);
			buf_varint(&e, 1);
			buf_varint(&e, 0);
			break;
		case 5:
			made_number(&e, 300, 3);
			append_edit(&dir, &e);
			made_number(&e, 300, 1);
			break;
		default:
			buf_varint(&e, 202);
		}
		append_edit(&dir, &e);
		finds(&dir, ROCKS_DAMAGED, MADE_MANIFEST, texts[i]);
	}
}

static void a_group_counts_as_a_whole(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf e = BUF_INIT;

	(void)state;
	made_checkpoint(&dir);
	made_number(&e, 4, 9999999);
	made_number(&e, 300, 1);
	append_edit(&dir, &e);
	finds(&dir, ROCKS_INCOMPLETE, MADE_MANIFEST,
	      "it ends within a group of edits");
	{
		OWNED_ROCKS struct rocks *r = opened(&dir, 0);

		assert_int_equal(r->last_sequence, 1234567);
	}
	made_number(&e, 300, 0);
	append_edit(&dir, &e);
	{
		OWNED_ROCKS struct rocks *r = opened(&dir, 0);

		assert_true(rocks_is_complete(r));
		assert_int_equal(r->last_sequence, 9999999);
	}
}

static void records_of_reused_logs_are_for_wals(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf e = BUF_INIT;
	OWNED_ROCKS struct rocks *r = NULL;
	struct buf *wal;

	(void)state;
	made_checkpoint(&dir);
	wal = made_file(&dir, "000014.log");
	buf_clear(wal);
	made_record(wal, span_str("one"), 14);
	made_record(wal, span_str("two"), 14);
	made_record(wal, span_str("of an older log"), 9);
	r = opened(&dir, ROCKS_READ_DATA);
	assert_true(rocks_is_complete(r));
	assert_int_equal(r->wals[0].records, 2);
	made_number(&e, 4, 1);
	made_record(made_file(&dir, MADE_MANIFEST), buf_span(&e), 5);
	finds(&dir, ROCKS_DAMAGED, MADE_MANIFEST,
	      "a record of a reused log stands in a MANIFEST");
}

static void wals_that_are_tracked_must_be_there(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf e = BUF_INIT;

	(void)state;
	made_checkpoint(&dir);
	made_number(&e, 8196, 14);
	buf_append(&e, "\x02\x3a\x01", 3);
	made_number(&e, 8196, 12);
	buf_append(&e, "\x02\x3a\x01", 3);
	made_number(&e, 8197, 13);
	append_edit(&dir, &e);
	{
		OWNED_ROCKS struct rocks *r = opened(&dir, ROCKS_READ_DATA);

		assert_true(rocks_is_complete(r));
		assert_int_equal(r->wal_count, 1);
		assert_int_equal(r->wals[0].synced, 58);
	}
	made_file(&dir, "000014.log")->len = 40;
	finds(&dir, ROCKS_INCOMPLETE, "000014.log",
	      "it is cut short: 40 of at least 58 bytes");
	made_remove(&dir, "000014.log");
	finds(&dir, ROCKS_INCOMPLETE, "000014.log",
	      "it is missing, of at least 58 bytes");
}

/* A checkpoint's WAL is a copy; that of a database ends where it ended. */
static void a_torn_wal_is_a_checkpoints_loss(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };

	(void)state;
	made_checkpoint(&dir);
	made_file(&dir, "000014.log")->len -= 3;
	finds(&dir, ROCKS_INCOMPLETE, "000014.log",
	      "it ends within a record");
	made_file(&dir, "LOCK");
	finds(&dir, ROCKS_NOTE, "000014.log", "it ends within a record");
}

static void each_version_of_a_table_is_read(void **state)
{
	(void)state;
	for (uint32_t version = 0; version <= 7; version++) {
		OWNED_MADE struct made_dir dir = { .count = 0 };
		OWNED_ROCKS struct rocks *r = NULL;
		OWNED_BUF struct buf e = BUF_INIT;
		struct buf *table;

		made_checkpoint(&dir);
		table = made_file(&dir, "000020.sst");
		made_table(table, version, version % 2 ? 4 : 1);
		made_new(&e, 4, 20, table->len, "m", "n");
		buf_varint(&e, 1);
		append_edit(&dir, &e);
		r = opened(&dir, ROCKS_READ_DATA);
		for (size_t i = 0; i < r->finding_count; i++)
			print_message("%u: %s: %s\n", version,
				      r->findings[i].file,
				      r->findings[i].text);
		assert_int_equal(r->finding_count, 0);
		assert_int_equal(r->files[1].number, 20);
		assert_int_equal(r->files[1].table.format_version, version);
		assert_int_equal(r->files[1].table.entries, 17);
	}
}

/* Big-endian and not masked, unlike all other sums. */
static void the_sum_of_a_whole_file_is_proved(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf e = BUF_INIT;
	struct buf *table;
	uint32_t sum;

	(void)state;
	made_checkpoint(&dir);
	table = made_file(&dir, "000020.sst");
	made_table(table, 5, 4);
	sum = crc32c(0, buf_span(table));
	made_new(&e, 4, 20, table->len, "m", "n");
	buf_varint(&e, 7);
	buf_varint(&e, 4);
	for (int i = 24; i >= 0; i -= 8)
		buf_u8(&e, (uint8_t)(sum >> i));
	made_string(&e, 8, "FileChecksumCrc32c");
	buf_varint(&e, 1);
	append_edit(&dir, &e);
	{
		OWNED_ROCKS struct rocks *r = opened(&dir, ROCKS_READ_DATA);

		assert_true(rocks_is_complete(r));
	}
	/* the version, which no other sum guards */
	table->data[table->len - 12] = 4;
	finds(&dir, ROCKS_DAMAGED, "000020.sst", "the checksum of the whole "
	      "file, which the MANIFEST has, is wrong");
}

static void the_footer_of_version_6_is_guarded(void **state)
{
	OWNED_BUF struct buf like = BUF_INIT;

	(void)state;
	made_table(&like, 6, 1);
	for (size_t bit = 8 * (like.len - 53); bit < 8 * like.len; bit++) {
		OWNED_MADE struct made_dir dir = { .count = 0 };
		OWNED_ROCKS struct rocks *r = NULL;
		OWNED_BUF struct buf e = BUF_INIT;
		struct buf *table;

		made_checkpoint(&dir);
		table = made_file(&dir, "000020.sst");
		made_table(table, 6, 1);
		table->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		made_new(&e, 4, 20, table->len, "m", "n");
		buf_varint(&e, 1);
		append_edit(&dir, &e);
		r = opened(&dir, 0);
		assert_true(names(r, "000020.sst"));
	}
}

static void options_that_were_cut_are_named(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	struct buf *b;
	size_t whole = 0;

	(void)state;
	made_checkpoint(&dir);
	b = made_file(&dir, MADE_OPTIONS);
	while (--b->len > 0) {
		OWNED_ROCKS struct rocks *r = opened(&dir, 0);

		whole += rocks_is_complete(r);
	}
	assert_int_equal(whole, 0);
	b->len = 0;
	made_options(b);
	b->data[20] |= 0x80;
	finds(&dir, ROCKS_DAMAGED, MADE_OPTIONS, "bytes in it are no text");
}

static void current_is_proved(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	struct buf *b;

	(void)state;
	made_checkpoint(&dir);
	b = made_file(&dir, "CURRENT");
	b->len--;
	finds(&dir, ROCKS_INCOMPLETE, "CURRENT", "it does not end with a "
	      "newline: it was cut short, or changed");
	b->len++;
	b->data[0] ^= 1;
	finds(&dir, ROCKS_DAMAGED, "CURRENT", "it names no MANIFEST");
	buf_clear(b);
	buf_append_str(b, "MANIFEST-000006\n");
	finds(&dir, ROCKS_INCOMPLETE, "MANIFEST-000006",
	      "it is missing, and CURRENT names it");
	buf_clear(b);
	buf_append_str(b, "MANIFEST-../../etc/passwd\n");
	finds(&dir, ROCKS_DAMAGED, "CURRENT", "it names no MANIFEST");
}

static void what_is_unfinished_or_nothing(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	struct rocks_source source = made_source(&dir);
	OWNED_ROCKS struct rocks *r = NULL;
	struct rocks *none = NULL;

	(void)state;
	made_file(&dir, "some.txt");
	assert_int_equal(rocks_open(&source, "d", 0, &none, NULL), -ENODATA);
	assert_null(none);
	made_checkpoint(&dir);
	buf_append_str(made_file(&dir, "IDENTITY"), "another\n");
	assert_int_equal(rocks_open(&source, "5000.tmp", 0, &r, NULL), 0);
	assert_false(rocks_is_complete(r));
	assert_int_equal(r->incomplete, 1);
	assert_int_equal(r->notes, 1);
	assert_string_equal(r->findings[0].file, "");
	assert_string_equal(r->findings[1].file, "IDENTITY");
}

static void a_table_that_is_not_named(void **state)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };

	(void)state;
	made_checkpoint(&dir);
	made_file(&dir, "000099.sst");
	finds(&dir, ROCKS_INCOMPLETE, "000099.sst",
	      "the MANIFEST does not name it: that one was cut short, or this "
	      "file is of another checkpoint");
	made_file(&dir, "LOCK");
	finds(&dir, ROCKS_NOTE, "000099.sst", "the MANIFEST does not name it");
}

static void keys_are_written_so_that_they_can_be_read(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	rocks_key_text(span_of("a\\ \x00\x7f\xff~", 7), &out);
	assert_string_equal(buf_str(&out), "a\\\\ \\x00\\x7F\\xFF~");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_checkpoint_is_told),
		cmocka_unit_test(a_file_that_is_missing_is_named),
		cmocka_unit_test(a_size_that_is_wrong_is_told),
		cmocka_unit_test(every_flipped_bit_is_named),
		cmocka_unit_test(every_cut_of_the_manifest_is_named),
		cmocka_unit_test(a_tail_of_zeros_is_a_cut),
		cmocka_unit_test(records_go_over_blocks),
		cmocka_unit_test(edits_that_contradict_are_damage),
		cmocka_unit_test(a_group_counts_as_a_whole),
		cmocka_unit_test(records_of_reused_logs_are_for_wals),
		cmocka_unit_test(wals_that_are_tracked_must_be_there),
		cmocka_unit_test(a_torn_wal_is_a_checkpoints_loss),
		cmocka_unit_test(each_version_of_a_table_is_read),
		cmocka_unit_test(the_sum_of_a_whole_file_is_proved),
		cmocka_unit_test(the_footer_of_version_6_is_guarded),
		cmocka_unit_test(options_that_were_cut_are_named),
		cmocka_unit_test(current_is_proved),
		cmocka_unit_test(what_is_unfinished_or_nothing),
		cmocka_unit_test(a_table_that_is_not_named),
		cmocka_unit_test(keys_are_written_so_that_they_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
