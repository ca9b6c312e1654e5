#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/pg_scan.h"

static struct pg_row *add(struct pg_scan *scan, const char *namespace,
			  const char *name, const char *pod,
			  enum pg_outcome outcome)
{
	struct pg_row *row;

	assert_int_equal(pg_scan_add(scan, namespace, name, pod, &row, NULL),
			 0);
	row->outcome = outcome;
	return row;
}

static const struct pg_wal roomy = {
	.known = true, .disk_known = true, .bytes = 1000, .files = 2,
	.disk_bytes = 100000, .disk_free = 50000, .archived = 9,
	.last_archived = 1677500000,
};

static void test_lines(void **state)
{
	OWNED_PG_SCAN struct pg_scan scan = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	add(&scan, "brr-b", "postgresql", "p-0", PG_OKAY);
	add(&scan, "calendar", "calendar-db", "c-0", PG_NO_STANZA);
	add(&scan, "consent", "spicedb-psql", "s-0", PG_TIMEOUT)->why =
		strdup("no answer");
	add(&scan, "x", "a3-policy-db", NULL, PG_NO_POD);
	add(&scan, "y", "odd", "o-0", PG_ERROR)->why = strdup("mixed");
	pg_scan_lines(&scan, &out);
	assert_string_equal(buf_str(&out),
		"INFO:root:[brr-b] postgresql (p-0): Okay\n"
		"INFO:root:[calendar] calendar-db (c-0): No stanza "
		"configuration\n"
		"INFO:root:[consent] spicedb-psql (s-0): Timeout occurred\n"
		"INFO:root:[x] a3-policy-db: No database instance pod\n"
		"INFO:root:[y] odd (o-0): Error: mixed\n");
}

static void test_severity(void **state)
{
	struct pg_row row = { .outcome = PG_OKAY, .wal = roomy };

	(void)state;
	assert_int_equal(pg_row_severity(&row), PG_FINE);
	row.wal.failed = 3;
	row.wal.last_failed = row.wal.last_archived - 1;
	assert_int_equal(pg_row_severity(&row), PG_FINE);
	row.wal.last_failed = row.wal.last_archived + 1;
	assert_int_equal(pg_row_severity(&row), PG_WARNING);
	/* a replica archives nothing, and its numbers tell nothing */
	row.wal.standby = true;
	assert_int_equal(pg_row_severity(&row), PG_FINE);
	row.wal.standby = false;
	row.wal.bytes = 60000;
	assert_int_equal(pg_row_severity(&row), PG_CRITICAL);
	row.outcome = PG_NO_STANZA;
	assert_int_equal(pg_row_severity(&row), PG_CRITICAL);
	row.wal = roomy;
	assert_int_equal(pg_row_severity(&row), PG_HIGH);
	row.wal.disk_free = 9999;
	assert_int_equal(pg_row_severity(&row), PG_CRITICAL);
	row.wal.disk_known = false;
	assert_int_equal(pg_row_severity(&row), PG_HIGH);
	row.outcome = PG_TIMEOUT;
	assert_int_equal(pg_row_severity(&row), PG_HIGH);
	row.outcome = PG_NO_POD;
	assert_int_equal(pg_row_severity(&row), PG_UNKNOWN);
	row.outcome = PG_ERROR;
	assert_int_equal(pg_row_severity(&row), PG_UNKNOWN);
	row.partial = true;
	assert_int_equal(pg_row_severity(&row), PG_HIGH);
}

static void test_read_again(void **state)
{
	OWNED_PG_SCAN struct pg_scan scan = { .count = 0 };
	OWNED_PG_SCAN struct pg_scan again = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT, twice = BUF_INIT;
	struct pg_row *row;

	(void)state;
	row = add(&scan, "brr-b", "postgresql", "p-0", PG_OKAY);
	row->wal = roomy;
	row->code = 2;
	add(&scan, "brr", "postgresql", NULL, PG_NO_POD);
	row = add(&scan, "id", "x", "x-0", PG_ERROR);
	row->why = strdup("\"quoted\"");
	row->partial = true;
	pg_scan_write(&scan, &out);
	assert_int_equal(pg_scan_read(buf_span(&out), &again, NULL), 0);
	assert_int_equal(again.count, 3);
	assert_int_equal(again.outcomes[PG_OKAY], 1);
	assert_int_equal(again.outcomes[PG_NO_POD], 1);
	assert_int_equal(again.row[0].wal.disk_free, roomy.disk_free);
	assert_string_equal(again.row[2].why, "\"quoted\"");
	pg_scan_write(&again, &twice);
	assert_string_equal(buf_str(&out), buf_str(&twice));
}

static void test_no_scan(void **state)
{
	static const char disorder[] =
		"{\"namespace\":\"b\",\"name\":\"b\",\"outcome\":\"Okay\"}\n"
		"{\"namespace\":\"a\",\"name\":\"b\",\"outcome\":\"Okay\"}\n";
	static const char *const texts[] = {
		"x", "{}\n", "[]\n", "{\"namespace\":\"a\",\"name\":\"b\"}\n",
		"{\"namespace\":\"a\",\"name\":\"b\",\"outcome\":\"Fine\"}\n",
		disorder,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pg_scan scan = { .count = 0 };

		assert_int_equal(pg_scan_read(span_str(texts[i]), &scan,
					      NULL), -EBADMSG);
		assert_int_equal(scan.count, 0);
	}
}

static int note_change(void *arg, const struct pg_row *a,
		       const struct pg_row *b, struct err *err)
{
	struct buf *out = arg;

	(void)err;
	buf_printf(out, "%s: %s, %s\n", (b ? b : a)->name,
		   a ? pg_outcome_name(a->outcome) : "-",
		   b ? pg_outcome_name(b->outcome) : "-");
	return 0;
}

static void test_diff(void **state)
{
	OWNED_PG_SCAN struct pg_scan a = { .count = 0 }, b = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	add(&a, "n", "gone", "g-0", PG_OKAY);
	add(&a, "n", "mended", "m-0", PG_NO_STANZA);
	add(&a, "n", "same", "s-0", PG_TIMEOUT);
	add(&b, "n", "mended", "m-1", PG_OKAY);
	add(&b, "n", "new", "n-0", PG_NO_STANZA);
	add(&b, "n", "same", "s-9", PG_TIMEOUT);
	assert_int_equal(pg_scan_diff(&a, &b, note_change, &out, NULL), 0);
	assert_string_equal(buf_str(&out),
		"gone: Okay, -\n"
		"mended: No stanza configuration, Okay\n"
		"new: -, No stanza configuration\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_severity),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_no_scan),
		cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
