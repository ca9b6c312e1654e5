#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/disk.h"
#include "fs/base/stamp.h"
#include "fs/base/zone.h"

#define T 1611343651		/* 2021-01-22T19:27:31Z */

static void texts_are_as_promised(void **state)
{
	static const struct {
		struct stamp t;
		const char *name, *iso, *raw;
	} cases[] = {
		{ { T, 0 }, "2021-01-22T19-27-31Z", "2021-01-22T19:27:31Z",
		  "1611343651.000000000" },
		{ { T, 345 }, "2021-01-22T19-27-31Z",
		  "2021-01-22T19:27:31.000000345Z", "1611343651.000000345" },
		{ { 0, 0 }, "1970-01-01T00-00-00Z", "1970-01-01T00:00:00Z",
		  "0.000000000" },
		{ { -2, 250000000 }, "1969-12-31T23-59-58Z",
		  "1969-12-31T23:59:58.250000000Z", "-2.250000000" },
		{ { -1, 999999999 }, "1969-12-31T23-59-59Z",
		  "1969-12-31T23:59:59.999999999Z", "-1.999999999" },
		{ { 951782400, 0 }, "2000-02-29T00-00-00Z",
		  "2000-02-29T00:00:00Z", "951782400.000000000" },
		{ { 253402300800, 0 }, "10000-01-01T00-00-00Z",
		  "10000-01-01T00:00:00Z", "253402300800.000000000" },
		{ { INT64_MAX, 1 }, "292277026596-12-04T15-30-07Z",
		  "292277026596-12-04T15:30:07.000000001Z",
		  "9223372036854775807.000000001" },
		{ { INT64_MIN, 0 }, "-292277022657-01-27T08-29-52Z",
		  "-292277022657-01-27T08:29:52Z",
		  "-9223372036854775808.000000000" },
	};
	char out[STAMP_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stamp back;

		stamp_name(cases[i].t, out);
		assert_string_equal(out, cases[i].name);
		stamp_iso(cases[i].t, out);
		assert_string_equal(out, cases[i].iso);
		stamp_raw(cases[i].t, out);
		assert_string_equal(out, cases[i].raw);
		assert_int_equal(stamp_raw_parse(out, &back), 0);
		assert_int_equal(stamp_cmp(back, cases[i].t), 0);
	}
}

static void order(void **state)
{
	struct stamp a = { -2, 250000000 }, b = { -2, 250000001 },
		     c = { 1, 0 };

	(void)state;
	assert_true(stamp_cmp(a, b) < 0);
	assert_true(stamp_cmp(c, b) > 0);
	assert_int_equal(stamp_cmp(c, c), 0);
	assert_true(stamp_now().s > T);
	assert_true(stamp_now().ns < 1000000000);
}

static void raw_is_strict(void **state)
{
	static const char *const bad[] = { "", "1", "1.", "1.5",
		"1.0000000000", "+1.000000000", " 1.000000000", "-.000000000",
		".000000000", "01.000000000", "-0.000000000",
		"1.000000000 ", "1.00000000x", "1.-00000000",
		"9223372036854775808.000000000",
		"-9223372036854775809.000000000" };
	struct stamp t = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stamp_raw_parse(bad[i], &t), -EINVAL);
	assert_int_equal(t.s, 7);
}

static void what_people_write_is_read(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
		uint32_t ns;
		bool zoned;
	} cases[] = {
		{ "2021-01-22", 1611273600, 0, false },
		{ "2021-01-22T19:27:31Z", T, 0, true },
		{ "2021-01-22T19-27-31Z", T, 0, true },
		{ "2021-01-22 19:27", T - 31, 0, false },
		{ "2021-01-22T19:27", T - 31, 0, false },
		{ "2021-01-22 19:27Z", T - 31, 0, true },
		{ "2021-01-22 19:27:31", T, 0, false },
		{ "2021-01-22-19-27-31", T, 0, false },
		{ "2021-01-22-19-27-31-0100", T + 3600, 0, true },
		{ "2021-01-22 19:27:31.5", T, 500000000, false },
		{ "2021-01-22 19:27:31,123456789Z", T, 123456789, true },
		{ "2021-01-22T19:27:31+01:00", T - 3600, 0, true },
		{ "2021-01-22T19:27:31-0530", T + 19800, 0, true },
		{ "2021-01-22 19:27:31+01", T - 3600, 0, true },
		{ "2021-01-22 19:27:31 UTC", T, 0, true },
		{ "2021-01-22 19:27:31.25 +01:00", T - 3600, 250000000, true },
		{ "2020-02-29", 1582934400, 0, false },
		{ "1969-12-31T23:59:59Z", -1, 0, true },
		{ "0001-01-01T00:00:00Z", -62135596800, 0, true },
		{ "9999-12-31T23:59:59Z", 253402300799, 0, true },
		{ "@0", 0, 0, true },
		{ "@1611343651", T, 0, true },
		{ "@1611343651.000000345", T, 345, true },
		{ "@-1", -1, 0, true },
		{ "@-1.75", -2, 250000000, true },
		{ "@-0.5", -1, 500000000, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct stamp t = { 0, 0 };
		bool zoned = !cases[i].zoned;

		if (stamp_parse(cases[i].text, "UTC", &t, &zoned, &err) < 0)
			fail_msg("%s", err.text);
		if (t.s != cases[i].s)
			print_message("%s\n", cases[i].text);
		assert_true(t.s == cases[i].s);
		assert_int_equal(t.ns, cases[i].ns);
		assert_int_equal(zoned, cases[i].zoned);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "yesterday", "2021",
		"2021-01", "2021-1-2", "2021-02-30", "2021-02-29",
		"2100-02-29", "2021-13-01", "2021-00-10", "2021-01-00",
		"2021-04-31", "0000-01-01", "21-01-22", "2021-01-22T",
		"2021-01-22 ", "2021-01-22 19", "2021-01-22T19-27",
		"2021-01-22 24:00:00", "2021-01-22 19:60",
		"2021-01-22 19:27:60", "2021-01-22 19:27-31",
		"2021-01-22 19:27:31.",
		"2021-01-22 19:27:31.1234567890", "2021-01-22 19:27:31x",
		"2021-01-22 19:27:31ZZ", "2021-01-22 19:27:31+1",
		"2021-01-22 19:27:31+16:00", "2021-01-22 19:27:31+01:60",
		"2021-01-22 19:27:31+01:", "2021-01-22 19:27:31 CET",
		"2021-01-22_19-27-31", " 2021-01-22", "2021-01-22\n",
		"+2021-01-22", "-2021-01-22", "@", "@-", "@x", "@1.",
		"@1.x", "@--1", "@1 ", "@01", "@-0", "@9223372036854775808",
		"@-9223372036854775808.5", "latest" };
	struct stamp t = { 7, 7 };
	bool zoned = true;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		int r = stamp_parse(bad[i], "UTC", &t, &zoned, &err);

		if (r != -EINVAL)
			print_message("'%s'\n", bad[i]);
		assert_int_equal(r, -EINVAL);
		assert_true(err.text[0] && err.hint[0]);
	}
	assert_int_equal(t.s, 7);
}

static bool has_zones(void)
{
	return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static void named_zones_are_read(void **state)
{
	static const struct {
		const char *text, *tz;
		int64_t s;
	} cases[] = {
		{ "2021-01-22 20:27:31", "Europe/Berlin", T },
		{ "2021-07-22 21:27:31", "Europe/Berlin", 1626982051 },
		{ "2021-01-23 00:57:31", "Asia/Kolkata", T },
		{ "2021-01-22 14:27:31", "America/New_York", T },
		{ "2021-01-23 08:27:31", "Pacific/Auckland", T },
		{ "1960-06-01 00:00:00", "Europe/Berlin", -302490000 },
		/* past the table, by the rule at the file's end */
		{ "2090-07-01 02:00:00", "Europe/Berlin", 3802550400 },
		{ "2090-01-01 01:00:00", "Europe/Berlin", 3786912000 },
		{ "2090-01-01 13:00:00", "Pacific/Auckland", 3786912000 },
		/* came twice: the first */
		{ "2021-10-31 02:30:00", "Europe/Berlin", 1635640200 },
		{ "2021-10-31 01:59:59", "Europe/Berlin", 1635638399 },
		{ "2021-10-31 03:00:00", "Europe/Berlin", 1635645600 },
		/* never came: as if clocks had not been put forward */
		{ "2021-03-28 02:30:00", "Europe/Berlin", 1616895000 },
	};
	struct stamp t;
	bool zoned;

	(void)state;
	if (!has_zones()) {
		print_message("skipped: no zone files here\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(stamp_parse(cases[i].text, cases[i].tz, &t,
					     &zoned, NULL), 0);
		if (t.s != cases[i].s)
			print_message("%s: %lld\n", cases[i].text,
				      (long long)t.s);
		assert_true(t.s == cases[i].s);
		assert_false(zoned);
	}
}

static void local_texts(void **state)
{
	char out[STAMP_TEXT];

	(void)state;
	if (!has_zones()) {
		print_message("skipped: no zone files here\n");
		skip();
	}
	stamp_local((struct stamp){ T, 5 }, "Europe/Berlin", out);
	assert_string_equal(out, "2021-01-22 20:27:31");
	stamp_local((struct stamp){ T, 0 }, "UTC", out);
	assert_string_equal(out, "2021-01-22 19:27:31");
	/* no such zone: UTC, and it says so */
	stamp_local((struct stamp){ T, 0 }, "Nowhere/At_All", out);
	assert_string_equal(out, "2021-01-22 19:27:31Z");
	stamp_local((struct stamp){ INT64_MAX, 0 }, "Europe/Berlin", out);
	assert_string_equal(out, "292277026596-12-04 15:30:07Z");
}

static void the_host_zone_is_the_librarys(void **state)
{
	struct stamp t;
	struct tm tm = { .tm_year = 121, .tm_mon = 6, .tm_mday = 22,
			 .tm_hour = 12, .tm_isdst = -1 };
	time_t want = mktime(&tm);

	(void)state;
	assert_int_equal(stamp_parse("2021-07-22 12:00", NULL, &t, NULL, NULL),
			 0);
	assert_true(t.s == want);
}

static void bad_zone_names_are_refused(void **state)
{
	static const char *const bad[] = { "", "Nowhere/At_All",
		"../../../etc/passwd", "/etc/localtime", "Europe", "a b",
		"Europe/Berlin/x", "tzdata.zi", "CET-1CEST,M3.5.0,M10.5.0/3" };
	struct stamp t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(stamp_parse("2021-01-22", bad[i], &t, NULL,
					     &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
}

/* All that the C library says of a zone, twice a day for 130 years. */
static void zone_files_agree_with_the_library(void **state)
{
	static const char *const zones[] = { "Europe/Berlin", "Asia/Kolkata",
		"America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
		"America/Sao_Paulo", "Europe/Dublin", "Asia/Gaza",
		"Pacific/Apia", "Etc/GMT-14", "America/Nuuk" };
	char *old = getenv("TZ") ? strdup(getenv("TZ")) : NULL;

	(void)state;
	if (!has_zones()) {
		print_message("skipped: no zone files here\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		setenv("TZ", zones[i], 1);
		tzset();
		for (int64_t t = -1900000000; t < 4102444800; t += 43201) {
			time_t tt = t;
			struct tm tm;
			int64_t offset;

			localtime_r(&tt, &tm);
			assert_int_equal(zone_offset(zones[i], t, &offset,
						     NULL), 0);
			if (offset != tm.tm_gmtoff)
				print_message("%s at %lld\n", zones[i],
					      (long long)t);
			assert_true(offset == tm.tm_gmtoff);
		}
	}
	if (old)
		setenv("TZ", old, 1);
	else
		unsetenv("TZ");
	tzset();
	free(old);
}

static void broken_zone_files_are_refused(void **state)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_BUF struct buf data = BUF_INIT;
	int64_t offset;

	(void)state;
	if (!has_zones()) {
		print_message("skipped: no zone files here\n");
		skip();
	}
	assert_int_equal(disk_open("/usr/share/zoneinfo/Europe", &dir, NULL),
			 0);
	assert_int_equal(disk_read_all(&dir, "Berlin", 1 << 20, &data, NULL),
			 0);
	assert_int_equal(zone_file_offset(data.data, data.len, T, &offset), 0);
	assert_int_equal(offset, 3600);
	for (size_t i = 0; i < data.len; i++)
		assert_int_equal(zone_file_offset(data.data, i, T, &offset),
				 -EBADMSG);
	/* flips may go unseen, but must not hurt */
	for (size_t i = 0; i < data.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			data.data[i] ^= (uint8_t)(1u << bit);
			zone_file_offset(data.data, data.len, T, &offset);
			zone_file_offset(data.data, data.len, 1ll << 40,
					 &offset);
			data.data[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void paths_tell_times(void **state)
{
	static const struct { const char *path; int64_t s; } good[] = {
		{ "/mnt/PV/bar/2021-01-22-19-27-31/dv_backup.tar.gz", T },
		{ "2021-01-22-19-27-31", T },
		{ "/a/2021-01-22T19-27-31Z/", T },
		{ "/2020-01-01-00-00-00//2021-01-22-19-27-31/b", T },
		{ "/2021-01-22-19-27-31/2021-02-30-00-00-00", T },
		{ "/b/web-etc-2021-01-22-19-27-31.tar.gz", T },
		{ "/2020-01-01-00-00-00/web-2021-01-22-19-27-31.tar", T },
		{ "/2021-01-22-19-27-31/web-2020-01-01.tar", T },
		{ "/b-2020-01-01-00-00-00/db_2021-01-22_19-27-31.sql", T },
		{ "x2021-01-22T19-27-31Z.tar", T },
		{ "x2021-01-22T19-27-31Z", T },
		{ "2021-01-22T19-27-31", T },
		{ "a2021-01-22T19-27-31b", T },
		{ "v1-2021-01-22-19-27-31-2", T },
		{ "2020-01-01-00-00-00-2021-01-22-19-27-31.tar", T },
		{ "2021-01-22-19-27-31-2021-02-30-00-00-00.tar", T },
		{ "dir-2021-01-22-19-27-31/", T },
	};
	static const char *const none[] = { "", "/", "/mnt/2021-01-22/x",
		"x2021-01-22-19-27-31/f", "2021-01-22-19-27-31x/f",
		"2021-01-22T19:27:31Z", "2021-01-22T19-27-31/f",
		"2021-13-22-19-27-31", "@1611343651", "x-2021-01-22.tar",
		"12021-01-22-19-27-31.tar", "2021-01-22-19-27-310.tar",
		"2021-01-22 19-27-31.tar", "2021-01-22-19-27-3",
		"x-2021-02-29_00-00-00.tar", "x-2021-01-22-24-00-00.tar" };
	struct stamp t = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(stamp_from_path(good[i].path, "UTC", &t), 0);
		assert_true(t.s == good[i].s);
	}
	/* its Z says which zone it is in, in a file's name as well */
	assert_int_equal(stamp_from_path("x-2021-01-22T19-27-31Z.tar",
					 "Nowhere/At_All", &t), 0);
	assert_true(t.s == T);
	t.s = 7;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(stamp_from_path(none[i], "UTC", &t), -ENOENT);
	assert_int_equal(t.s, 7);
}

static void durations(void **state)
{
	static const struct { const char *text; int64_t s; } good[] = {
		{ "90s", 90 }, { "15m", 900 }, { "26h", 93600 },
		{ "7d", 604800 }, { "5w", 3024000 }, { "1d12h", 129600 },
		{ "0s", 0 }, { "1w1d1h1m1s", 694861 },
	};
	static const char *const bad[] = { "", "7", "d", "-1d", "+1d", "1 d",
		"1d ", "1y", "1D", "1.5h", "1d12", "99999999999999999999s",
		"999999999w" };
	int64_t s = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &s, NULL), 0);
		assert_int_equal(s, good[i].s);
	}
	s = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(duration_parse(bad[i], &s, &err), -EINVAL);
	}
	assert_int_equal(s, 7);
}

static void calendar_goes_around(void **state)
{
	int64_t year, days = civil_to_days(-801, 1, 1);
	unsigned month, day;

	(void)state;
	for (; days < civil_to_days(2801, 1, 1); days++) {
		civil_from_days(days, &year, &month, &day);
		assert_true(civil_to_days(year, month, day) == days);
		assert_in_range(month, 1, 12);
		assert_in_range(day, 1, 31);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_as_promised),
		cmocka_unit_test(order),
		cmocka_unit_test(raw_is_strict),
		cmocka_unit_test(what_people_write_is_read),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(named_zones_are_read),
		cmocka_unit_test(local_texts),
		cmocka_unit_test(the_host_zone_is_the_librarys),
		cmocka_unit_test(bad_zone_names_are_refused),
		cmocka_unit_test(zone_files_agree_with_the_library),
		cmocka_unit_test(broken_zone_files_are_refused),
		cmocka_unit_test(paths_tell_times),
		cmocka_unit_test(durations),
		cmocka_unit_test(calendar_goes_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
