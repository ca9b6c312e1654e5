#include "fs/base/zone.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "fs/base/bytes.h"
#include "fs/base/disk.h"

#define ZONE_DIR "/usr/share/zoneinfo"
#define ZONE_FILE_MAX (1u << 20)
#define ZONE_NAME_MAX 128
#define ZONE_TIMES_MAX 20000
#define DAY 86400

/* When summer time begins or ends, each year. */
struct rule {
	enum { RULE_MONTH = 1, RULE_JULIAN, RULE_DAY } form;
	unsigned month, week, weekday;	/* Mm.w.d */
	unsigned day;			/* Jn, or n from 0 */
	int64_t time;			/* seconds behind midnight */
};

/* What holds after the last transition that a file lists. */
struct tail {
	bool known;
	bool has_summer;
	int64_t offset;
	int64_t summer_offset;
	struct rule begin, end;
};

struct zone {
	size_t count;
	int64_t *times;		/* of the transitions, rising */
	int32_t *offsets;	/* from each on */
	int32_t first_offset;	/* before all of them */
	struct tail tail;
};

int64_t civil_to_days(int64_t year, unsigned month, unsigned day)
{
	/* Years from March on, so that a leap day ends one. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t of_year = (153 * m + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

unsigned civil_days_in(int64_t year, unsigned month)
{
	int64_t next = month == 12 ? civil_to_days(year + 1, 1, 1) :
				     civil_to_days(year, month + 1, 1);

	return (unsigned)(next - civil_to_days(year, month, 1));
}

void civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month,
		     unsigned *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 -
		     of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*ret_day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
	*ret_month = (unsigned)(m < 10 ? m + 3 : m - 9);
	*ret_year = y + era * 400 + (m >= 10 ? 1 : 0);
}

/* ---- the line at a file's end, as POSIX has it in TZ ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static bool take_number(const char **at, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!is_digit(**at))
		return false;
	while (is_digit(**at)) {
		v = v * 10 + (unsigned)(*(*at)++ - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return true;
}

/* "CET" or "<+03>" */
static bool take_abbreviation(const char **at)
{
	const char *from = *at;

	if (take_char(at, '<')) {
		while (is_letter(**at) || is_digit(**at) || **at == '+' ||
		       **at == '-')
			++*at;
		return take_char(at, '>') && *at - from >= 5;
	}
	while (is_letter(**at))
		++*at;
	return *at - from >= 3;
}

/* "[+-]h[h[h]][:mm[:ss]]" */
static bool take_hms(const char **at, int64_t *ret)
{
	unsigned h, m = 0, s = 0;
	bool minus = **at == '-';

	if (**at == '+' || **at == '-')
		++*at;
	if (!take_number(at, 167, &h))
		return false;
	if (take_char(at, ':') && !take_number(at, 59, &m))
		return false;
	if (take_char(at, ':') && !take_number(at, 59, &s))
		return false;
	*ret = (int64_t)h * 3600 + m * 60 + s;
	if (minus)
		*ret = -*ret;
	return true;
}

/* "Mm.w.d", "Jn" or "n", then "/time" (02:00 without it) */
static bool take_rule(const char **at, struct rule *ret)
{
	struct rule rule = { .form = RULE_DAY, .time = 2 * 3600 };

	if (take_char(at, 'M')) {
		rule.form = RULE_MONTH;
		if (!take_number(at, 12, &rule.month) || rule.month < 1 ||
		    !take_char(at, '.') ||
		    !take_number(at, 5, &rule.week) || rule.week < 1 ||
		    !take_char(at, '.') ||
		    !take_number(at, 6, &rule.weekday))
			return false;
	} else {
		if (take_char(at, 'J'))
			rule.form = RULE_JULIAN;
		if (!take_number(at, 365, &rule.day) ||
		    (rule.form == RULE_JULIAN && rule.day < 1))
			return false;
	}
	if (take_char(at, '/') && !take_hms(at, &rule.time))
		return false;
	*ret = rule;
	return true;
}

static bool parse_tail(const char *text, struct tail *ret)
{
	struct tail tail = { .known = true };

	/* POSIX counts west of Greenwich. */
	if (!take_abbreviation(&text) || !take_hms(&text, &tail.offset))
		return false;
	tail.offset = -tail.offset;
	if (*text) {
		tail.has_summer = true;
		tail.summer_offset = tail.offset + 3600;
		if (!take_abbreviation(&text))
			return false;
		if (*text != ',') {
			if (!take_hms(&text, &tail.summer_offset))
				return false;
			tail.summer_offset = -tail.summer_offset;
		}
		if (!take_char(&text, ',') || !take_rule(&text, &tail.begin) ||
		    !take_char(&text, ',') || !take_rule(&text, &tail.end))
			return false;
	}
	*ret = tail;
	return *text == '\0';
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* When rule comes true in year, on clocks as they go until then. */
static int64_t rule_time(const struct rule *rule, int64_t year)
{
	int64_t day = civil_to_days(year, 1, 1);
	int64_t next;

	if (rule->form == RULE_DAY) {
		day += rule->day;
	} else if (rule->form == RULE_JULIAN) {
		day += rule->day - 1;
		if (is_leap(year) && rule->day >= 60)
			day++;
	} else {
		day = civil_to_days(year, rule->month, 1);
		next = rule->month == 12 ?
		       civil_to_days(year + 1, 1, 1) :
		       civil_to_days(year, rule->month + 1, 1);
		/* Day 0 was a Thursday. */
		day += ((int64_t)rule->weekday -
			((day % 7 + 7 + 4) % 7) + 7) % 7;
		day += 7 * (int64_t)(rule->week - 1);
		while (day >= next)
			day -= 7;
	}
	return day * DAY + rule->time;
}

static int64_t tail_offset(const struct tail *tail, int64_t utc)
{
	int64_t days = (utc + tail->offset) / DAY;
	int64_t year, begin, end;
	unsigned month, day;
	bool summer;

	if (!tail->has_summer)
		return tail->offset;
	if ((utc + tail->offset) % DAY < 0)
		days--;
	civil_from_days(days, &year, &month, &day);
	begin = rule_time(&tail->begin, year) - tail->offset;
	end = rule_time(&tail->end, year) - tail->summer_offset;
	if (begin < end)
		summer = utc >= begin && utc < end;
	else
		summer = utc >= begin || utc < end;
	return summer ? tail->summer_offset : tail->offset;
}

/* ---- zone files ---- */

/*
 * "TZif" | version | 15 bytes | six u32: isutcnt isstdcnt leapcnt timecnt
 * typecnt charcnt, then a block of
 *     timecnt times (4 bytes in the first block, 8 in the second)
 *     timecnt u8, which type holds from each
 *     typecnt types: i32 offset | u8 is summer | u8 abbreviation
 *     charcnt bytes | leapcnt (time, u32) | isstdcnt u8 | isutcnt u8
 * then a second head and block, then "\n", the tail's line, "\n".  Numbers are
 * big-endian.
 */
#define HEAD 44

struct head {
	uint8_t version;
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint64_t take_be(struct bytes *in, size_t n)
{
	struct span s = bytes_take(in, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.data[i];
	return v;
}

static bool take_head(struct bytes *in, struct head *ret)
{
	struct span magic = bytes_take(in, 4);

	if (!span_equal(magic, span_str("TZif")))
		return false;
	ret->version = bytes_u8(in);
	bytes_take(in, 15);
	ret->isut = (uint32_t)take_be(in, 4);
	ret->isstd = (uint32_t)take_be(in, 4);
	ret->leap = (uint32_t)take_be(in, 4);
	ret->time = (uint32_t)take_be(in, 4);
	ret->type = (uint32_t)take_be(in, 4);
	ret->chars = (uint32_t)take_be(in, 4);
	return !in->bad && ret->time <= ZONE_TIMES_MAX && ret->type >= 1 &&
	       ret->type <= 256;
}

static void skip_block(struct bytes *in, const struct head *head)
{
	uint64_t len = head->time * 5ull + head->type * 6ull + head->chars +
		       head->leap * 8ull + head->isstd + head->isut;

	bytes_take(in, (size_t)len);
}

static void zone_free(struct zone *zone)
{
	if (!zone)
		return;
	free(zone->times);
	free(zone->offsets);
	free(zone);
}

static void zone_release(struct zone **zone)
{
	zone_free(*zone);
}

static int take_times(struct bytes *in, const struct head *head,
		      struct zone *zone)
{
	struct span times = bytes_take(in, head->time * 8ul);
	struct span which = bytes_take(in, head->time);
	struct span types = bytes_take(in, head->type * 6ul);
	struct bytes t = bytes_of(times);

	if (in->bad)
		return -EBADMSG;
	for (size_t i = 0; i < head->time; i++) {
		struct bytes type = bytes_of(types);

		if (which.data[i] >= head->type)
			return -EBADMSG;
		bytes_take(&type, which.data[i] * 6u);
		zone->times[i] = (int64_t)take_be(&t, 8);
		zone->offsets[i] = (int32_t)take_be(&type, 4);
		if (i > 0 && zone->times[i] <= zone->times[i - 1])
			return -EBADMSG;
		if (zone->offsets[i] < -2 * DAY || zone->offsets[i] > 2 * DAY)
			return -EBADMSG;
	}
	t = bytes_of(types);
	zone->first_offset = (int32_t)take_be(&t, 4);
	zone->count = head->time;
	return 0;
}

static int take_tail(struct bytes *in, struct zone *zone)
{
	char line[64];
	size_t n = bytes_left(in);

	if (n < 2 || n - 2 >= sizeof(line) || in->at[0] != '\n' ||
	    in->at[n - 1] != '\n')
		return -EBADMSG;
	memcpy(line, in->at + 1, n - 2);
	line[n - 2] = '\0';
	/* An empty line: what the last transition set holds on. */
	if (n == 2)
		return 0;
	return parse_tail(line, &zone->tail) ? 0 : -EBADMSG;
}

static int zone_parse(struct span data, struct zone **ret)
{
	CLEANUP(zone_release) struct zone *zone = calloc(1, sizeof(*zone));
	struct bytes in = bytes_of(data);
	struct head head;
	int r;

	if (!zone)
		return -ENOMEM;
	if (!take_head(&in, &head) || head.version < '2')
		return -EBADMSG;
	skip_block(&in, &head);
	/* Files that count leap seconds are not what clocks show. */
	if (!take_head(&in, &head) || head.leap > 0)
		return -EBADMSG;
	zone->times = calloc(head.time + 1ul, sizeof(*zone->times));
	zone->offsets = calloc(head.time + 1ul, sizeof(*zone->offsets));
	if (!zone->times || !zone->offsets)
		return -ENOMEM;
	r = take_times(&in, &head, zone);
	if (r < 0)
		return r;
	bytes_take(&in, (size_t)head.chars + head.isstd + head.isut);
	r = in.bad ? -EBADMSG : take_tail(&in, zone);
	if (r < 0)
		return r;
	*ret = zone;
	zone = NULL;
	return 0;
}

static int64_t offset_at(const struct zone *zone, int64_t utc)
{
	size_t low = 0, high = zone->count;

	/* The first transition behind utc. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (zone->times[mid] <= utc)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == zone->count && zone->tail.known)
		return tail_offset(&zone->tail, utc);
	return low == 0 ? zone->first_offset : zone->offsets[low - 1];
}

int zone_file_offset(const uint8_t *data, size_t len, int64_t utc,
		     int64_t *ret)
{
	CLEANUP(zone_release) struct zone *zone = NULL;
	int r = zone_parse(span_of(data, len), &zone);

	if (r < 0)
		return r;
	*ret = offset_at(zone, utc);
	return 0;
}

/* ---- zones by name ---- */

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *last;		/* under last_lock, as the next */
static char last_name[ZONE_NAME_MAX];

/* A name of the zone database and no way out of its directory. */
static bool is_name(const char *tz)
{
	if (!*tz || *tz == '/' || strlen(tz) >= ZONE_NAME_MAX)
		return false;
	for (const char *c = tz; *c; c++)
		if (!is_letter(*c) && !is_digit(*c) && !strchr("_+-/", *c))
			return false;
	return true;
}

static bool is_utc(const char *tz)
{
	return !strcmp(tz, "UTC") || !strcmp(tz, "GMT") || !strcmp(tz, "Z") ||
	       !strcmp(tz, "Etc/UTC");
}

static int unknown(const char *tz, struct err *err)
{
	err_set(err, -EINVAL, "no time zone '%s'", tz);
	err_hint(err, "name it as in %s, 'Europe/Berlin' say, or 'UTC'",
		 ZONE_DIR);
	return -EINVAL;
}

static int zone_load(const char *tz, struct zone **ret, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_BUF struct buf data = BUF_INIT;
	int r;

	if (!is_name(tz))
		return unknown(tz, err);
	r = disk_open(ZONE_DIR, &dir, err);
	if (r == 0)
		r = disk_read_all(&dir, tz, ZONE_FILE_MAX, &data, err);
	if (r == -ENOENT || r == -ENOTDIR || r == -EBADMSG)
		return unknown(tz, err);
	if (r < 0)
		return r;
	r = zone_parse(buf_span(&data), ret);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return err_set(err, -EINVAL, "the file of the time zone '%s' "
			       "is not understood", tz);
	return 0;
}

static int named_offset(const char *tz, int64_t utc, int64_t *ret,
			struct err *err)
{
	struct zone *zone = NULL;
	int r = 0;

	pthread_mutex_lock(&last_lock);
	if (!last || strcmp(last_name, tz)) {
		r = zone_load(tz, &zone, err);
		if (r == 0) {
			zone_free(last);
			last = zone;
			strcpy(last_name, tz);
		}
	}
	if (r == 0)
		*ret = offset_at(last, utc);
	pthread_mutex_unlock(&last_lock);
	return r;
}

int zone_offset(const char *tz, int64_t utc, int64_t *ret, struct err *err)
{
	time_t t = utc;
	struct tm tm;

	if (tz && is_utc(tz)) {
		*ret = 0;
		return 0;
	}
	/* Years beyond what a calendar means; also keeps sums in range. */
	if (utc < -(1ll << 45) || utc > 1ll << 45)
		return err_set(err, -EINVAL, "no local time so far away");
	if (tz)
		return named_offset(tz, utc, ret, err);
	tzset();
	if (!localtime_r(&t, &tm))
		return err_sys(err, "cannot tell the local time");
	*ret = tm.tm_gmtoff;
	return 0;
}

int zone_to_utc(const char *tz, int64_t local, int64_t *ret, struct err *err)
{
	int64_t before, after, then = 0;
	int r;

	r = zone_offset(tz, local - DAY, &before, err);
	if (r == 0)
		r = zone_offset(tz, local + DAY, &after, err);
	if (r == 0)
		r = zone_offset(tz, local - before, &then, err);
	if (r < 0)
		return r;
	if (then != before) {
		r = zone_offset(tz, local - after, &then, err);
		if (r < 0)
			return r;
		if (then == after) {
			*ret = local - after;
			return 0;
		}
	}
	*ret = local - before;
	return 0;
}
