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

/* "and so do those without a file where another good one has some" */
static void test_empty_fill_no_place(void **state)
{
	static char why[] = "cut short";
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	for (int i = 0; i < 10; i++) {
		rows[i].record.dirs = 2;
		rows[i].record.entries = i == 8 ? 2 : 5;
	}
	assert_string_equal(judge("keep-last=2", rows, 10, NOON),
			    "-------k-k");
	/* The newest have none: they stay until one with files is there. */
	rows[9].record.entries = 2;
	assert_string_equal(judge("keep-last=1", rows, 10, NOON),
			    "-------kkk");
	assert_string_equal(judge("keep-within=25h", rows, 10, NOON),
			    "------kkkk");
	assert_string_equal(judge("keep-daily=2", rows, 10, NOON),
			    "------kkkk");
	/* A link is something, a directory more is not. */
	rows[9].record.entries = rows[9].record.dirs = 3;
	rows[8].record.entries = 3;
	assert_string_equal(judge("keep-last=1", rows, 10, NOON),
			    "--------kk");
	/* Where nothing good holds a file, those without are the good ones. */
	for (int i = 0; i < 10; i++)
		rows[i].record.entries = rows[i].record.dirs = 1;
	assert_string_equal(judge("keep-last=1", rows, 10, NOON),
			    "---------k");
	rows[0].record.entries = 2;
	rows[0].record.incomplete = why;
	assert_string_equal(judge("keep-last=1", rows, 10, NOON),
			    "---------k");
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

/* "one \"within\" a time keeps the newest of each day, or all, of that long
 * before the newest good snapshot: a clock that jumped ... makes nothing old" */
static void test_within(void **state)
{
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	rows[9] = snapshot_at(NOON - 3600);
	rows[8] = snapshot_at(NOON - 7200);
	assert_string_equal(judge("keep-within=1h30m", rows, 10, NOON),
			    "--------kk");
	assert_string_equal(judge("keep-within-daily=3d", rows, 10, NOON),
			    "------kk-k");
	assert_string_equal(judge("keep-within-hourly=3d", rows, 10, NOON),
			    "------kkkk");
	assert_string_equal(judge("keep-within-weekly=30d", rows, 10, NOON),
			    "--k------k");
	assert_string_equal(judge("keep-within-daily=3d", rows, 10,
				  NOON + 4000 * (int64_t)DAY), "------kk-k");
	/* Places go on behind the time, and the time behind the places. */
	assert_string_equal(judge("keep-within-daily=2d keep-daily=5", rows,
				  10, NOON), "----kkkk-k");
	assert_string_equal(judge("keep-within-daily=5d keep-daily=1", rows,
				  10, NOON), "----kkkk-k");
	/* One that is damaged is no newest one to count from. */
	rows[9].damage = (char *)"damaged";
	assert_string_equal(judge("keep-within-daily=3d", rows, 10, NOON),
			    "------kkkk");
}

/* 02:30 comes twice in Berlin's night of 2020-10-25, at 00:30 and 01:30 UTC,
 * and each is in an hour of its own. */
static void test_hour_that_comes_twice(void **state)
{
	const int64_t first = 1603585800;	/* 2020-10-25 00:30 UTC */
	struct snapshot rows[3] = { snapshot_at(first),
				    snapshot_at(first + 3600),
				    snapshot_at(first + 7200) };

	(void)state;
	assert_string_equal(judge("keep-hourly=3 tz=Europe/Berlin", rows, 3,
				  first + 7200), "kkk");
}

static void test_tags(void **state)
{
	static struct record_pair pairs[] = {
		{ (char *)"keep", (char *)"for ever, 100%" },
		{ (char *)"keep", (char *)"a week" },
	};
	struct snapshot rows[10];

	(void)state;
	ten_days(rows);
	for (int i = 0; i < 2; i++) {
		rows[i + 2].record.tags = &pairs[i];
		rows[i + 2].record.tag_count = 1;
	}
	assert_string_equal(judge("keep-tag=keep", rows, 10, NOON),
			    "--kk-----k");
	assert_string_equal(judge("keep-tag=keep=a%20week", rows, 10, NOON),
			    "---k-----k");
	assert_string_equal(judge("keep-tag=keep=for%20ever,%20100%25 "
				  "keep-last=2", rows, 10, NOON),
			    "--k-----kk");
	assert_string_equal(judge("keep-tag=kee keep-tag=other", rows, 10,
				  NOON), "---------k");
}

static void test_reasons(void **state)
{
	struct snapshot rows[10];
	struct verdict v[10];
	struct err err = ERR_INIT;
	struct keep keep;

	(void)state;
	ten_days(rows);
	rows[0].pinned = true;
	assert_int_equal(keep_parse("keep-daily=2 keep-weekly=2 "
				    "keep-within-monthly=1d keep-within=49h",
				    &keep, &err), 0);
	assert_int_equal(keep_judge(&keep, rows, 10, (struct stamp){ NOON, 0 },
				    v, &err), 0);
	assert_string_equal(v[9].why, "daily 1 of 2, weekly 1 of 2, newest of "
			    "its month within 1d, within 49h");
	assert_string_equal(v[8].why, "daily 2 of 2, within 49h");
	assert_string_equal(v[7].why, "within 49h");
	assert_string_equal(v[2].why, "weekly 2 of 2");
	assert_string_equal(v[1].why, "");
	assert_string_equal(v[0].why, "pinned");
	assert_int_equal(keep_parse("keep-daily=2 tz=Mars/Base", &keep, &err),
			 0);
	assert_int_equal(keep_judge(&keep, rows, 10, (struct stamp){ NOON, 0 },
				    v, &err), -EINVAL);
}

static void test_groups(void **state)
{
	static struct record_pair pair = { (char *)"db", (char *)"main" };
	OWNED_BUF struct buf out = BUF_INIT;
	struct snapshot a = snapshot_at(1), b = snapshot_at(2);
	struct err err = ERR_INIT;
	struct grouping by;

	(void)state;
	a.record.source = (char *)"s";
	b.record.source = (char *)"t";
	a.record.host = b.record.host = (char *)"h";
	b.record.tags = &pair;
	b.record.tag_count = 1;
	assert_int_equal(grouping_parse("none", &by, &err), 0);
	assert_int_equal(grouping_cmp(&by, &a, &b), 0);
	assert_int_equal(grouping_parse("host", &by, &err), 0);
	assert_int_equal(grouping_cmp(&by, &a, &b), 0);
	assert_int_equal(grouping_parse("host,source", &by, &err), 0);
	assert_true(grouping_cmp(&by, &a, &b) < 0);
	assert_int_equal(grouping_parse("tag:db,host", &by, &err), 0);
	assert_true(grouping_cmp(&by, &a, &b) < 0);
	assert_true(grouping_cmp(&by, &b, &a) > 0);
	assert_false(grouping_has(&by, GROUP_SOURCE));
	grouping_write(&by, &out);
	assert_string_equal(buf_str(&out), "tag:db,host");
	buf_clear(&out);
	grouping_label(&by, &b, &out);
	assert_string_equal(buf_str(&out), "db=main, host h");
	buf_clear(&out);
	grouping_label(&by, &a, &out);
	assert_string_equal(buf_str(&out), "no tag db, host h");
	assert_int_equal(grouping_parse("", &by, &err), -EINVAL);
	assert_int_equal(grouping_parse("source,", &by, &err), -EINVAL);
	assert_int_equal(grouping_parse("tag:", &by, &err), -EINVAL);
	assert_int_equal(grouping_parse("day", &by, &err), -EINVAL);
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
	assert_int_equal(keep.within[KEEP_LAST], 36 * 3600);
	keep_write(&keep, &out);
	assert_string_equal(buf_str(&out),
			    "keep-daily=7 keep-within=36h tz=Europe/Berlin");
	/* All of them, and back. */
	const char *all = "keep-last=1 keep-hourly=2 keep-daily=3 "
			  "keep-weekly=4 keep-monthly=5 keep-yearly=6 "
			  "keep-within=90s keep-within-hourly=2h "
			  "keep-within-daily=30d keep-within-weekly=70d "
			  "keep-within-monthly=365d keep-within-yearly=3650d "
			  "keep-tag=a keep-tag=b=c%20%25%0a "
			  "group-by=source,tag:x tz=UTC max-age=26h";

	assert_int_equal(keep_parse(all, &keep, &err), 0);
	assert_string_equal(keep.tag[1], "b=c %\n");
	assert_int_equal(keep.max_age, 26 * 3600);
	buf_clear(&out);
	keep_write(&keep, &out);
	assert_string_equal(buf_str(&out), all);
	assert_int_equal(keep_parse("max-age=26h", &keep, &err), 0);
	assert_false(keep_is_any(&keep));
	assert_int_equal(keep_parse("keep-tag=", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-tag=a%2", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-tag=a%00", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-within-daily=0s", &keep, &err),
			 -EINVAL);
	assert_int_equal(keep_parse("keep-daily", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-daily=x", &keep, &err), -EINVAL);
	assert_int_equal(keep_parse("keep-daily=100001", &keep, &err),
			 -EINVAL);
	assert_int_equal(keep_parse("keep-daily=", &keep, &err), -EINVAL);
	/* A newer version's rule must not be passed over. */
	assert_int_equal(keep_parse("keep-lunar=3", &keep, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "keep-lunar"));
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
		cmocka_unit_test(test_empty_fill_no_place),
		cmocka_unit_test(test_pinned_and_future),
		cmocka_unit_test(test_newest_good_stays),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_hour_that_comes_twice),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_before_1970),
		cmocka_unit_test(test_text),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
