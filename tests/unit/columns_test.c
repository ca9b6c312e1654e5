#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fs/base/columns.h"
#include "fs/base/columns_form.h"

#define LINES 200

struct fixture {
	struct buf text, packed;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_release(&f->text);
	buf_release(&f->packed);
	free(f);
	return 0;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Whatever it is, it comes back.  The bytes it was packed to; 0: it was not. */
static size_t packed_len(struct fixture *f)
{
	struct span text = buf_span(&f->text);
	uint8_t separator = columns_detect(text), *back;
	struct err err = ERR_INIT;
	int r;

	buf_clear(&f->packed);
	if (!separator)
		return 0;
	r = columns_pack(text, separator, &f->packed, &err);
	if (r == 0) {
		assert_int_equal(0, f->packed.len);
		return 0;
	}
	assert_int_equal(1, r);
	back = malloc(text.len + 1);
	assert_int_equal(0, columns_unpack(buf_span(&f->packed), back,
					   text.len, &err));
	assert_memory_equal(text.data, back, text.len);
	/* neither more nor fewer bytes than there are */
	assert_int_equal(-EBADMSG, columns_unpack(buf_span(&f->packed), back,
						  text.len - 1, &err));
	assert_int_equal(-EBADMSG, columns_unpack(buf_span(&f->packed), back,
						  text.len + 1, &err));
	free(back);
	return f->packed.len;
}

/* The bytes that a column of the texts of make() takes, over that of a constant
 * one, with a tab and a "x" before each. */
static size_t column_len(struct fixture *f,
			 void (*make)(struct buf *out, uint32_t i))
{
	size_t constant;

	buf_clear(&f->text);
	for (uint32_t i = 0; i < LINES; i++)
		buf_append_str(&f->text, "x\tx\n");
	constant = packed_len(f);
	assert_true(constant > 0 && constant < 20);
	buf_clear(&f->text);
	for (uint32_t i = 0; i < LINES; i++) {
		buf_append_str(&f->text, "x\t");
		make(&f->text, i);
		buf_append_str(&f->text, "\n");
	}
	return packed_len(f) - constant;
}

static void make_serial(struct buf *out, uint32_t i)
{
	buf_printf(out, "%u", 4000000000u - 3 * i);
}

static void make_padded(struct buf *out, uint32_t i)
{
	buf_printf(out, "%06u", 99900 + i * 7);
}

static void make_signed(struct buf *out, uint32_t i)
{
	buf_printf(out, "%d", (int)(i % 200) - 100);
}

static void make_money(struct buf *out, uint32_t i)
{
	buf_printf(out, "%s%u.%02u", i % 3 && i ? "-" : "", i % 90, i % 100);
}

static void make_date(struct buf *out, uint32_t i)
{
	buf_printf(out, "20%02u-%02u-%02u", i % 100, 1 + i % 12, 1 + i % 28);
}

static void make_second(struct buf *out, uint32_t i)
{
	buf_printf(out, "2026-11-27 %02u:%02u:%02u", i % 24, i % 60, i % 59);
}

/* As PostgreSQL writes them: no zeros at the end. */
static void make_trimmed(struct buf *out, uint32_t i)
{
	buf_printf(out, "1999-02-28 23:59:59%s+01",
		   i % 4 == 0 ? "" : i % 4 == 1 ? ".5" :
		   i % 4 == 2 ? ".123456" : ".00001");
}

static void make_milli(struct buf *out, uint32_t i)
{
	buf_printf(out, "2000-02-29T00:00:%02u.%03uZ", i % 60, i * 10 % 1000);
}

static void make_nulls(struct buf *out, uint32_t i)
{
	if (i % 8 == 0)
		buf_append_str(out, "\\N");
	else
		buf_printf(out, "%u", i);
}

/* Each form is really used: its column takes as many bytes as its numbers. */
static void test_forms(void **state)
{
	struct fixture *f = *state;
	size_t bits = (LINES + 7) / 8;

	assert_in_range(column_len(f, make_serial), LINES, LINES * 5 + 9);
	assert_in_range(column_len(f, make_padded), LINES, LINES * 3 + 9);
	assert_in_range(column_len(f, make_signed), LINES, LINES * 2 + 9);
	assert_in_range(column_len(f, make_money), LINES, LINES * 2 + 9 +
			bits + 6);
	assert_in_range(column_len(f, make_date), LINES, LINES * 3 + 9);
	assert_in_range(column_len(f, make_second), LINES, LINES * 7 + 9);
	assert_in_range(column_len(f, make_trimmed), LINES, LINES * 4 + 12);
	assert_in_range(column_len(f, make_milli), LINES, LINES * 4 + 12);
	assert_in_range(column_len(f, make_nulls), LINES / 2,
			LINES + 9 + bits + 3 * (LINES / 8));
}

/* Texts that look like numbers and are not what a number would give. */
static void test_odd_texts(void **state)
{
	static const char *const odd[] = {
		"-0", "007", "+7", "", "-", "1e5", "12345678901234567890",
		"999999999999999999", "-999999999999999999", "1.", ".5", "\\N",
		"1.50", " 1", "1 ", "2026-02-29", "2026-13-01",
		"2024-02-29", "2026-11-27 24:00:00", "2026-11-27 23:59:60",
		"2026-11-27 23:59:59.1234567", "2026-11-27 23:59:59.10",
		"2026-11-27 23:59:59.", "0000-01-01", "9999-12-31 23:59:59.9",
		"12026-01-01 00:00:00", "infinity",
		"1234567890123456789012345678901234567890123456789",
	};
	struct fixture *f = *state;
	size_t count = sizeof(odd) / sizeof(*odd);

	for (size_t kind = 0; kind < 4; kind++) {
		buf_clear(&f->text);
		for (size_t i = 0; i < 40 * count; i++) {
			const char *text = odd[i / 40 % count];

			if (i % 40 != 7)
				text = kind == 0 ? "77" : kind == 1 ? "7.25" :
				       kind == 2 ? "2026-11-27" :
				       "2026-11-27 10:11:12.5";
			buf_printf(&f->text, "%zu\t%s\ty\n", i, text);
		}
		assert_true(packed_len(f) > 0);
	}
}

/* Rows of several tables, words between them, and a piece of a row at each end,
 * as the chunks of a dump have them. */
static void test_pieces(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf whole = BUF_INIT;
	unsigned packed = 0, all = 0;

	for (int table = 0; table < 5; table++) {
		buf_printf(&whole, "-- table %d\n\nCOPY t%d FROM stdin;\n",
			   table, table);
		for (int i = 0; i < 300; i++) {
			for (int c = 0; c <= table; c++)
				buf_printf(&whole, "%d\t", i * c);
			buf_append_str(&whole, i % 7 ? "\\N\n" : "word\n");
		}
		buf_append_str(&whole, "\\.\n");
	}
	for (size_t from = 0; from < 4000; from += 97) {
		buf_clear(&f->text);
		buf_append(&f->text, whole.data + from,
			   whole.len - from - from / 2);
		packed += packed_len(f) > 0;
		all++;
	}
	/* those that begin with other words are let be */
	assert_true(packed > all * 3 / 4 && packed < all);
}

static void test_separators(void **state)
{
	static const char separators[] = "\t|,;";
	struct fixture *f = *state;

	for (size_t i = 0; separators[i]; i++) {
		char c = separators[i];

		buf_clear(&f->text);
		for (int k = 0; k < LINES; k++)
			buf_printf(&f->text, "%d%ca%cword\n", k, c, c);
		assert_true(packed_len(f) > 0);
		assert_true(columns_are_dense(buf_span(&f->text)));
	}
	for (int k = 0; k < LINES; k++)
		buf_printf(&f->text, "%d;%s\n", k, k % 3 ? "word" : "others");
	assert_true(packed_len(f) > 0);
	assert_false(columns_are_dense(buf_span(&f->text)));
}

static void test_no_rows(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 5;

	assert_int_equal(0, columns_detect(span_of(NULL, 0)));
	assert_int_equal(0, columns_detect(span_str("one line\n")));
	for (int i = 0; i < 50000; i++)
		buf_u8(&f->text, (uint8_t)next_random(&seed));
	assert_int_equal(0, packed_len(f));
	buf_clear(&f->text);
	for (int i = 0; i < LINES; i++)
		buf_append_str(&f->text, "words, of a text\nthat has no rows\n");
	assert_int_equal(0, packed_len(f));
	/* some rows, and then mostly others */
	buf_clear(&f->text);
	for (int i = 0; i < 50; i++)
		buf_append_str(&f->text, "1\t2\n");
	for (int i = 0; i < 5000; i++)
		buf_append_str(&f->text, "words\n");
	assert_int_equal(0, packed_len(f));
}

/* Random tables, of few and of many different cells. */
static void test_random(void **state)
{
	static const char alphabet[] = "0123456789-.: TZ\\N+a";
	struct fixture *f = *state;
	uint32_t seed = 11;
	unsigned packed = 0;

	for (int round = 0; round < 400; round++) {
		unsigned columns = 1 + next_random(&seed) % 5;
		unsigned letters = 1 + next_random(&seed) % 20;
		unsigned longest = 1 + next_random(&seed) % 24;

		buf_clear(&f->text);
		for (int row = 0; row < 150; row++) {
			for (unsigned c = 0; c < columns; c++) {
				size_t n = next_random(&seed) % longest;

				if (c)
					buf_u8(&f->text, '\t');
				while (n-- > 0)
					buf_u8(&f->text, (uint8_t)alphabet[
					       next_random(&seed) % letters]);
			}
			buf_u8(&f->text, '\n');
		}
		packed += packed_len(f) > 0;
	}
	assert_true(packed > 200);
}

/* docs/format.md, "Columns", byte for byte. */
static void test_layout(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf want = BUF_INIT;

	buf_append_str(&f->text, "end\n");
	for (int i = 0; i < 40; i++)
		buf_printf(&f->text, "%d\tc\t%s\n", 1000 + i,
			   i == 9 ? "\\N" : i % 2 ? "1.5" : "-2.5");
	buf_append_str(&f->text, "10");
	assert_true(packed_len(f) > 0);

	buf_append(&want, "\t\0\4end\n", 7);	/* what is no row */
	buf_append(&want, "\50\3", 2);		/* 40 rows of 3 columns */
	buf_append(&want, "\3\0\0\0\201", 5);	/* numbers, none odd, steps */
	buf_append(&want, "\320\17", 2);	/* 1000 */
	for (int i = 1; i < 40; i++)
		buf_u8(&want, 2);
	buf_append(&want, "\1\1c", 3);		/* the same in all */
	buf_append(&want, "\3\1\0\1", 4);	/* tenths, one odd */
	buf_append(&want, "\0\2\0\0\0\\N\n\1", 9);
	for (int i = 0; i < 40; i++)
		if (i != 9)
			buf_u8(&want, i % 2 ? 30 : 49);
	buf_append(&want, "\0\00210", 4);
	assert_int_equal(want.len, f->packed.len);
	assert_memory_equal(want.data, f->packed.data, want.len);
}

/* Every byte changed, every length: an error, or some bytes; never more. */
static void test_hostile(void **state)
{
	struct fixture *f = *state;
	uint8_t *back;

	for (int i = 0; i < 64; i++)
		buf_printf(&f->text, "%d\t%s\t2026-11-27 10:00:%02d.25\t%s\n",
			   i, i % 9 ? "77" : "x", i % 60, i % 2 ? "a" : "bc");
	assert_true(packed_len(f) > 0);
	back = malloc(f->text.len);
	for (size_t at = 0; at < f->packed.len; at++) {
		uint8_t was = f->packed.data[at];

		assert_int_equal(-EBADMSG,
				 columns_unpack(span_of(f->packed.data, at),
						back, f->text.len, NULL));
		for (int v = 0; v < 256; v += at < 100 ? 1 : 17) {
			int r;

			f->packed.data[at] = (uint8_t)v;
			r = columns_unpack(buf_span(&f->packed), back,
					   f->text.len, NULL);
			assert_true(r == 0 || r == -EBADMSG);
		}
		f->packed.data[at] = was;
	}
	free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_texts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_separators, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
