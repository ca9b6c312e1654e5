#include "fs/base/stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fs/base/zone.h"

#define DAY 86400
#define NS 1000000000u
/* A thousand years: what is longer is a slip of the finger. */
#define DURATION_MAX (1000ll * 365 * DAY)

struct civil {
	int64_t year;
	unsigned month, day, hour, minute, second;
};

struct stamp stamp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct stamp){ ts.tv_sec, (uint32_t)ts.tv_nsec };
}

int stamp_cmp(struct stamp a, struct stamp b)
{
	if (a.s != b.s)
		return a.s < b.s ? -1 : 1;
	return a.ns < b.ns ? -1 : a.ns > b.ns;
}

static struct civil to_civil(int64_t s)
{
	int64_t days = s / DAY, rest = s % DAY;
	struct civil c;

	if (rest < 0) {
		days--;
		rest += DAY;
	}
	civil_from_days(days, &c.year, &c.month, &c.day);
	c.hour = (unsigned)(rest / 3600);
	c.minute = (unsigned)(rest / 60 % 60);
	c.second = (unsigned)(rest % 60);
	return c;
}

static void print(char out[STAMP_TEXT], struct civil c, char middle,
		  char colon, const char *end)
{
	snprintf(out, STAMP_TEXT, "%04" PRId64 "-%02u-%02u%c%02u%c%02u%c%02u%s",
		 c.year, c.month, c.day, middle, c.hour, colon, c.minute,
		 colon, c.second, end);
}

void stamp_name(struct stamp t, char out[STAMP_TEXT])
{
	print(out, to_civil(t.s), 'T', '-', "Z");
}

void stamp_iso(struct stamp t, char out[STAMP_TEXT])
{
	char end[16] = "Z";

	if (t.ns)
		snprintf(end, sizeof(end), ".%09uZ", t.ns % NS);
	print(out, to_civil(t.s), 'T', ':', end);
}

void stamp_local(struct stamp t, const char *tz, char out[STAMP_TEXT])
{
	int64_t offset;

	/* UTC, and said so, beats no time at all. */
	if (zone_offset(tz, t.s, &offset, NULL) < 0)
		print(out, to_civil(t.s), ' ', ':', "Z");
	else
		print(out, to_civil(t.s + offset), ' ', ':', "");
}

void stamp_raw(struct stamp t, char out[STAMP_TEXT])
{
	snprintf(out, STAMP_TEXT, "%" PRId64 ".%09u", t.s, t.ns % NS);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly n digits. */
static bool take_digits(const char **at, unsigned n, unsigned *ret)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!is_digit((*at)[i]))
			return false;
		v = v * 10 + (unsigned)((*at)[i] - '0');
	}
	*at += n;
	*ret = v;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* 1 to 9 digits behind a point, as nanoseconds. */
static bool take_fraction(const char **at, uint32_t *ret)
{
	uint32_t v = 0;
	unsigned n = 0;

	for (; is_digit(**at) && n < 9; n++)
		v = v * 10 + (uint32_t)(*(*at)++ - '0');
	if (n == 0 || is_digit(**at))
		return false;
	for (; n < 9; n++)
		v *= 10;
	*ret = v;
	return true;
}

/* "[-]DIGITS" in shortest form. */
static bool take_seconds(const char **at, int64_t *ret)
{
	bool minus = take_char(at, '-');
	const char *from = *at;
	int64_t v = 0;

	while (is_digit(**at)) {
		int digit = *(*at)++ - '0';

		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return false;
	}
	if (*at == from || (*from == '0' && (*at - from > 1 || minus)))
		return false;
	if (!minus && v == INT64_MIN)
		return false;
	*ret = minus ? v : -v;
	return true;
}

int stamp_raw_parse(const char *text, struct stamp *ret)
{
	struct stamp t;
	const char *point;

	if (!take_seconds(&text, &t.s) || !take_char(&text, '.'))
		return -EINVAL;
	point = text;
	if (!take_fraction(&text, &t.ns) || *text || text - point != 9)
		return -EINVAL;
	*ret = t;
	return 0;
}

/* "@SECONDS[.FRACTION]", where the fraction counts away from zero, as people
 * write numbers: "@-1.75". */
static bool take_epoch(const char **at, struct stamp *ret)
{
	bool minus;

	if (!take_char(at, '@'))
		return false;
	minus = **at == '-';
	ret->ns = 0;
	if (minus && (*at)[1] == '0' && (*at)[2] == '.') {
		ret->s = 0;
		*at += 2;
	} else if (!take_seconds(at, &ret->s)) {
		return false;
	}
	if (take_char(at, '.') && !take_fraction(at, &ret->ns))
		return false;
	if (minus && ret->ns) {
		if (ret->s == INT64_MIN)
			return false;
		ret->s--;
		ret->ns = NS - ret->ns;
	}
	return **at == '\0';
}

static bool take_date(const char **at, struct civil *c)
{
	unsigned year;

	if (!take_digits(at, 4, &year) || !take_char(at, '-') ||
	    !take_digits(at, 2, &c->month) || !take_char(at, '-') ||
	    !take_digits(at, 2, &c->day))
		return false;
	c->year = year;
	return year >= 1 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= civil_days_in(year, c->month);
}

/* "HH:MM[:SS[.FRACTION]]", or with '-', and then the seconds must stand. */
static bool take_clock(const char **at, struct civil *c, uint32_t *ns)
{
	char colon;

	if (!take_digits(at, 2, &c->hour) || (**at != ':' && **at != '-'))
		return false;
	colon = *(*at)++;
	if (!take_digits(at, 2, &c->minute))
		return false;
	if (take_char(at, colon)) {
		if (!take_digits(at, 2, &c->second))
			return false;
		if ((take_char(at, '.') || take_char(at, ',')) &&
		    !take_fraction(at, ns))
			return false;
	} else if (colon == '-') {
		return false;
	}
	return c->hour < 24 && c->minute < 60 && c->second < 60;
}

/* "Z", "UTC", "+01", "+01:00", "+0100", with a space before or not. */
static bool take_zone(const char **at, int64_t *ret_offset)
{
	unsigned hours, minutes = 0;
	bool minus;

	take_char(at, ' ');
	*ret_offset = 0;
	if (take_char(at, 'Z'))
		return true;
	if (!strncmp(*at, "UTC", 3) || !strncmp(*at, "GMT", 3)) {
		*at += 3;
		return true;
	}
	minus = **at == '-';
	if (!minus && **at != '+')
		return false;
	++*at;
	if (!take_digits(at, 2, &hours))
		return false;
	if (take_char(at, ':') || **at) {
		if (!take_digits(at, 2, &minutes))
			return false;
	}
	*ret_offset = (int64_t)hours * 3600 + minutes * 60;
	if (minus)
		*ret_offset = -*ret_offset;
	return hours <= 15 && minutes < 60;
}

struct parsed {
	struct stamp t;		/* local unless zoned */
	bool zoned;
};

static bool parse(const char *text, struct parsed *ret)
{
	struct civil c = { .hour = 0 };
	struct parsed p = { .zoned = true };
	int64_t offset = 0;

	if (*text == '@') {
		*ret = p;
		ret->zoned = true;
		return take_epoch(&text, &ret->t);
	}
	if (!take_date(&text, &c))
		return false;
	if (*text == 'T' || *text == '-' ||
	    (*text == ' ' && is_digit(text[1]))) {
		text++;
		if (!take_clock(&text, &c, &p.t.ns))
			return false;
	}
	p.zoned = *text != '\0';
	if (p.zoned && !take_zone(&text, &offset))
		return false;
	p.t.s = civil_to_days(c.year, c.month, c.day) * DAY +
		(int64_t)c.hour * 3600 + c.minute * 60 + c.second - offset;
	*ret = p;
	return *text == '\0';
}

int stamp_parse(const char *text, const char *tz, struct stamp *ret,
		bool *ret_zoned, struct err *err)
{
	struct parsed p;
	int r;

	if (!parse(text, &p)) {
		err_set(err, -EINVAL, "'%s' is not a time", text);
		err_hint(err, "write it as 2021-01-22, '2021-01-22 19:27:31' "
			 "or 2021-01-22T19:27:31Z");
		return -EINVAL;
	}
	if (!p.zoned) {
		r = zone_to_utc(tz, p.t.s, &p.t.s, err);
		if (r < 0)
			return r;
	}
	*ret = p.t;
	if (ret_zoned)
		*ret_zoned = p.zoned;
	return 0;
}

/* Does form, in which 9 is any digit, begin name? */
static bool has_form(const char *name, size_t len, const char *form)
{
	size_t n = strlen(form);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (form[i] == '9' ? !is_digit(name[i]) : form[i] != name[i])
			return false;
	return true;
}

/* The len bytes of name, of which at most the character between date and
 * clock is not what stamp_parse() reads. */
static int parse_name(const char *name, size_t len, const char *tz,
		      struct stamp *ret)
{
	char text[24];

	memcpy(text, name, len);
	text[len] = '\0';
	if (text[10] == '_')
		text[10] = '-';
	return stamp_parse(text, tz, ret, NULL, NULL);
}

static int from_directory(const char *name, size_t len, const char *tz,
			  struct stamp *ret)
{
	static const char *const forms[] = {
		"9999-99-99-99-99-99", "9999-99-99T99-99-99Z",
	};

	for (size_t f = 0; f < 2; f++)
		if (strlen(forms[f]) == len && has_form(name, len, forms[f]))
			return parse_name(name, len, tz, ret);
	return -ENOENT;
}

/* Anywhere in name, between what are no digits; the last that is a time. */
static int from_file(const char *name, size_t len, const char *tz,
		     struct stamp *ret)
{
	static const char *const forms[] = {
		"9999-99-99T99-99-99Z", "9999-99-99T99-99-99",
		"9999-99-99-99-99-99", "9999-99-99_99-99-99",
	};

	for (size_t i = len; i-- > 0;) {
		if (i > 0 && is_digit(name[i - 1]))
			continue;
		for (size_t f = 0; f < 4; f++) {
			size_t n = strlen(forms[f]);

			if (has_form(name + i, len - i, forms[f]) &&
			    (i + n == len || !is_digit(name[i + n])) &&
			    parse_name(name + i, n, tz, ret) == 0)
				return 0;
		}
	}
	return -ENOENT;
}

int stamp_from_path(const char *path, const char *tz, struct stamp *ret)
{
	int found = -ENOENT;
	struct stamp t;

	while (*path) {
		size_t len = strcspn(path, "/");
		const char *next = path + len + strspn(path + len, "/");

		if (from_directory(path, len, tz, &t) == 0 ||
		    (!*next && from_file(path, len, tz, &t) == 0)) {
			*ret = t;
			found = 0;
		}
		path = next;
	}
	return found;
}

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return DAY;
	case 'w': return 7 * DAY;
	default: return 0;
	}
}

static bool parse_duration(const char *at, int64_t *ret)
{
	int64_t sum = 0;

	if (!*at)
		return false;
	while (*at) {
		int64_t v = 0, unit;

		if (!is_digit(*at))
			return false;
		while (is_digit(*at)) {
			v = v * 10 + (*at++ - '0');
			if (v > DURATION_MAX)
				return false;
		}
		unit = unit_seconds(*at++);
		if (unit == 0 || v > (DURATION_MAX - sum) / unit)
			return false;
		sum += v * unit;
	}
	*ret = sum;
	return true;
}

int duration_parse(const char *text, int64_t *ret_seconds, struct err *err)
{
	if (parse_duration(text, ret_seconds))
		return 0;
	err_set(err, -EINVAL, "'%s' is not a length of time", text);
	err_hint(err, "write it as 90s, 15m, 26h, 7d, 5w or 1d12h");
	return -EINVAL;
}
