#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/keep.h"

#define DAY 86400

/* 2021-01-10 12:00:00, a Sunday. */
#define NOON 1610280000

static struct snapshot snapshot_at(int64_t s)
{
	return (struct snapshot){ .record = { .time = { s, 0 } } };
}

/* "k" or "-" for each row, oldest first. */
static const char *judge(const char *rules, struct snapshot *rows,
			 size_t count, int64_t now)
{
	static char text[64];
	struct verdict verdicts[64];
	struct err err = ERR_INIT;
	struct keep keep;

	assert_int_equal(keep_parse(rules, &keep, &err), 0);
	assert_int_equal(keep_judge(&keep, rows, count,
				    (struct stamp){ now, 0 }, verdicts,
				    &err), 0);
	for (size_t i = 0; i < count; i++)
		text[i] = verdicts[i].keep ? 'k' : '-';
	text[count] = '\0';
	return text;
}

static void ten_days(struct snapshot rows[10])
{
	for (int i = 0; i < 10; i++)
		rows[i] = snapshot_at(NOON - (9 - i) * DAY);
}

static void test_rules(void **state)
{
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	assert_string_equal(judge("keep-last=3", rows, 10, NOON),
			    "-------kkk");
	assert_string_equal(judge("keep-daily=4", rows, 10, NOON),
			    "------kkkk");
	/* Weeks begin on Monday: 2021-01-04; the row of the 3rd is a
	 * Sunday, the last of its week. */
	assert_string_equal(judge("keep-weekly=2", rows, 10, NOON),
			    "--k------k");
	assert_string_equal(judge("keep-monthly=5", rows, 10, NOON),
			    "---------k");
	assert_string_equal(judge("keep-yearly=5", rows, 10, NOON + DAY),
			    "---------k");
	assert_string_equal(judge("keep-within=49h", rows, 10, NOON),
			    "-------kkk");
	assert_string_equal(judge("keep-last=1 keep-weekly=2", rows, 10,
				  NOON), "--k------k");
	assert_string_equal(judge("keep-daily=100", rows, 10, NOON),
			    "kkkkkkkkkk");
}

static void test_hours_and_twins(void **state)
{
	struct snapshot rows[4] = {
		snapshot_at(NOON - 3600), snapshot_at(NOON - 3000),
		snapshot_at(NOON), snapshot_at(NOON),
	};

	(void)state;
	assert_string_equal(judge("keep-hourly=2", rows, 4, NOON), "-k-k");
	assert_string_equal(judge("keep-daily=2", rows, 4, NOON), "---k");
}

/* 23:30 UTC is the next day in Berlin. */
static void test_zone(void **state)
{
	int64_t late = NOON + 11 * 3600 + 1800;
	struct snapshot rows[2] = { snapshot_at(NOON), snapshot_at(late) };

	(void)state;
	assert_string_equal(judge("keep-daily=2 tz=UTC", rows, 2, late),
			    "-k");
	assert_string_equal(judge("keep-daily=2 tz=Europe/Berlin", rows, 2,
				  late), "kk");
}

static void test_incomplete_fill_no_place(void **state)
{
	static char why[] = "cut short";
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	rows[8].record.incomplete = why;
	assert_string_equal(judge("keep-last=2", rows, 10, NOON),
			    "-------k-k");
	/* The newest are bad: they stay until a good one is there. */
	rows[9].damage = why;
	assert_string_equal(judge("keep-last=2", rows, 10, NOON),
			    "------kkkk");
	for (int i = 0; i < 10; i++)
		rows[i].record.incomplete = why;
	assert_string_equal(judge("keep-last=2", rows, 10, NOON),
			    "kkkkkkkkkk");
}

static void test_pinned_and_future(void **state)
{
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	rows[1].pinned = true;
	assert_string_equal(judge("keep-last=2", rows, 10, NOON - DAY),
			    "-k-----kkk");
	/* A clock set far back: nothing is old enough to go. */
	assert_string_equal(judge("keep-last=1", rows, 10, 0),
			    "kkkkkkkkkk");
}

static void test_newest_good_stays(void **state)
{
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	assert_string_equal(judge("keep-within=1s", rows, 10,
				  NOON + 1000 * DAY), "---------k");
}

static void test_before_1970(void **state)
{
	struct snapshot rows[3] = { snapshot_at(-8 * DAY),
				    snapshot_at(-7 * DAY - 1),
				    snapshot_at(-1) };

	(void)state;
	assert_string_equal(judge("keep-weekly=9 tz=UTC", rows, 3, NOON),
			    "-kk");
}

static void test_text(void **state)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct keep keep;

	(void)state;
	assert_int_equal(keep_parse("keep-daily=7 keep-within=36h "
				    "tz=Europe/Berlin", &keep, &err), 0);
	assert_int_equal(keep.places[KEEP_DAILY], 7);
	assert_int_equal(keep.within, 36 * 3600);
	keep_write(&keep, &out);
	assert_string_equal(buf_str(&out),
			    "keep-daily=7 keep-within=36h tz=Europe/Berlin");
	assert_int_equal(keep_parse("keep-daily", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-daily=x", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-daily=100001", &keep, &err),
			 -EINVAL);
	assert_int_equal(keep_parse("keep-daily=", &keep, &err), -EINVAL);
	/* A newer version's rule must not be passed over. */
	assert_int_equal(keep_parse("keep-lunar=3", &keep, &err), -ENOTSUP);
	assert_int_equal(keep_parse("keep-within=soon", &keep, &err),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_hours_and_twins),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_incomplete_fill_no_place),
		cmocka_unit_test(test_pinned_and_future),
		cmocka_unit_test(test_newest_good_stays),
		cmocka_unit_test(test_before_1970),
		cmocka_unit_test(test_text),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
