#include "fs/base/columns_form.h"

#include "fs/base/zone.h"

#define DAY_US	   86400000000
#define DATE_LEN   10u
#define TIME_LEN   19u		/* "2021-01-22 19:27:31" */
#define NUMBER_END 1000000000000000000	/* 10 ^ COLUMNS_SCALE_MAX */
#define DAYS_FROM  (-719528)	/* 0000-01-01 */
#define DAYS_TO	   2932897	/* 10000-01-01 */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* len digits at p; -1: there is something else. */
static int64_t digits(const uint8_t *p, size_t len)
{
	int64_t v = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_digit(p[i]))
			return -1;
		v = 10 * v + (p[i] - '0');
	}
	return v;
}

static size_t count_digits(struct span text, size_t at)
{
	size_t n = 0;

	while (at + n < text.len && is_digit(text.data[at + n]))
		n++;
	return n;
}

static bool date_value(const uint8_t *p, int64_t *ret)
{
	int64_t year = digits(p, 4), month = digits(p + 5, 2);
	int64_t day = digits(p + 8, 2);

	if (p[4] != '-' || p[7] != '-' || year < 0 || month < 1 ||
	    month > 12 || day < 1 ||
	    (day > 28 && day > civil_days_in(year, (unsigned)month)))
		return false;
	*ret = civil_to_days(year, (unsigned)month, (unsigned)day);
	return true;
}

static bool fraction_value(const struct columns_form *form, struct span text,
			   int64_t *ret)
{
	size_t len = text.len - 1;
	int64_t v;

	*ret = 0;
	if (text.len == 0)
		return form->scale == 0 || form->scale == COLUMNS_TRIMMED;
	if (text.data[0] != '.' || len == 0 || len > COLUMNS_FRACTION_MAX)
		return false;
	if (form->scale == COLUMNS_TRIMMED ? text.data[len] == '0' :
					  form->scale != len)
		return false;
	v = digits(text.data + 1, len);
	for (; len < COLUMNS_FRACTION_MAX; len++)
		v *= 10;
	*ret = v;
	return v >= 0;
}

static bool time_value(const struct columns_form *form, struct span text,
		       int64_t *ret)
{
	size_t end = text.len - form->suffix_len;
	const uint8_t *p = text.data;
	int64_t days, hour, minute, second, us;

	if (text.len < TIME_LEN + form->suffix_len ||
	    memcmp(p + end, form->suffix, form->suffix_len) != 0 ||
	    p[DATE_LEN] != form->between || p[13] != ':' || p[16] != ':' ||
	    !date_value(p, &days))
		return false;
	hour = digits(p + 11, 2);
	minute = digits(p + 14, 2);
	second = digits(p + 17, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 59 ||
	    !fraction_value(form, span_of(p + TIME_LEN, end - TIME_LEN), &us))
		return false;
	*ret = days * DAY_US +
	       ((hour * 60 + minute) * 60 + second) * 1000000 + us;
	return true;
}

static bool number_value(const struct columns_form *form, struct span text,
			 int64_t *ret)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	size_t at = negative, whole = count_digits(text, at);
	size_t least = form->pad > 1 ? form->pad : 1;
	int64_t v;

	if (whole < least || whole + form->scale > COLUMNS_SCALE_MAX ||
	    (whole > least && text.data[at] == '0') ||
	    text.len != at + whole + (form->scale ? 1u + form->scale : 0))
		return false;
	v = digits(text.data + at, whole);
	if (form->scale) {
		int64_t rest = digits(text.data + at + whole + 1, form->scale);

		if (text.data[at + whole] != '.' || rest < 0)
			return false;
		for (unsigned i = 0; i < form->scale; i++)
			v *= 10;
		v += rest;
	}
	if (negative && v == 0)
		return false;
	*ret = negative ? -v : v;
	return true;
}

bool columns_form_value(const struct columns_form *form, struct span text,
		     int64_t *ret)
{
	switch (form->kind) {
	case COLUMNS_NUMBER:
		return number_value(form, text, ret);
	case COLUMNS_TIME:
		return time_value(form, text, ret);
	case COLUMNS_DATE:
		return text.len == DATE_LEN && date_value(text.data, ret);
	default:
		return false;
	}
}

static size_t guess_number(struct span text, struct columns_form *ret)
{
	size_t at = text.len > 0 && text.data[0] == '-';
	size_t whole = count_digits(text, at);
	size_t behind = at + whole < text.len ? text.len - at - whole - 1 : 0;
	int64_t value;

	if (whole == 0 || whole + behind > COLUMNS_SCALE_MAX)
		return 0;
	*ret = (struct columns_form){
		.kind = COLUMNS_NUMBER,
		.scale = (uint8_t)behind,
		.pad = text.data[at] == '0' && whole > 1 ? (uint8_t)whole : 0,
	};
	return columns_form_value(ret, text, &value);
}

static size_t guess_time(struct span text, struct columns_form *ret)
{
	size_t fraction = 0, at = TIME_LEN;
	struct columns_form form = { .kind = COLUMNS_TIME };
	int64_t value;

	if (at < text.len && text.data[at] == '.') {
		fraction = count_digits(text, at + 1);
		at += 1 + fraction;
	}
	if (text.len < at || text.len - at > COLUMNS_SUFFIX ||
	    fraction > COLUMNS_FRACTION_MAX)
		return 0;
	form.between = text.data[DATE_LEN];
	form.suffix_len = (uint8_t)(text.len - at);
	memcpy(form.suffix, text.data + at, form.suffix_len);
	form.scale = (uint8_t)fraction;
	if ((form.between != ' ' && form.between != 'T') ||
	    !columns_form_value(&form, text, &value))
		return 0;
	ret[0] = ret[1] = form;
	ret[1].scale = COLUMNS_TRIMMED;
	return 2;
}

size_t columns_form_guess(struct span text,
			  struct columns_form ret[COLUMNS_GUESSES])
{
	int64_t value;

	if (text.len > COLUMNS_VALUE_MAX - 1)
		return 0;
	if (text.len >= TIME_LEN)
		return guess_time(text, ret);
	if (text.len == DATE_LEN && date_value(text.data, &value)) {
		ret[0] = (struct columns_form){ .kind = COLUMNS_DATE };
		return 1;
	}
	return guess_number(text, ret);
}

/* v in at least least digits; how many. */
static size_t put_digits(uint8_t *out, uint64_t v, size_t least)
{
	size_t n = 1;

	for (uint64_t rest = v; rest >= 10; rest /= 10)
		n++;
	n = n < least ? least : n;
	for (size_t i = n; i-- > 0; v /= 10)
		out[i] = (uint8_t)('0' + v % 10);
	return n;
}

static size_t number_print(const struct columns_form *form, int64_t value,
			   uint8_t *out)
{
	uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
	uint64_t part = 1;
	size_t len = 0;

	if (v >= NUMBER_END)
		return 0;
	for (unsigned i = 0; i < form->scale; i++)
		part *= 10;
	if (value < 0)
		out[len++] = '-';
	len += put_digits(out + len, v / part, form->pad > 1 ? form->pad : 1);
	if (form->scale) {
		out[len++] = '.';
		len += put_digits(out + len, v % part, form->scale);
	}
	return len;
}

static size_t date_print(int64_t days, uint8_t *out)
{
	unsigned month, day;
	int64_t year;

	if (days < DAYS_FROM || days >= DAYS_TO)
		return 0;
	civil_from_days(days, &year, &month, &day);
	put_digits(out, (uint64_t)year, 4);
	out[4] = '-';
	put_digits(out + 5, month, 2);
	out[7] = '-';
	put_digits(out + 8, day, 2);
	return DATE_LEN;
}

static size_t fraction_print(const struct columns_form *form, uint64_t us,
			     uint8_t *out)
{
	size_t len = 1 + COLUMNS_FRACTION_MAX;

	out[0] = '.';
	put_digits(out + 1, us, COLUMNS_FRACTION_MAX);
	if (form->scale != COLUMNS_TRIMMED)
		return form->scale ? 1u + form->scale : 0;
	while (len > 1 && out[len - 1] == '0')
		len--;
	return len > 1 ? len : 0;
}

static size_t time_print(const struct columns_form *form, int64_t value,
			 uint8_t *out)
{
	int64_t days = value / DAY_US, us = value % DAY_US;
	unsigned second;
	size_t len;

	if (us < 0) {
		us += DAY_US;
		days--;
	}
	second = (unsigned)(us / 1000000);
	if (date_print(days, out) == 0)
		return 0;
	out[DATE_LEN] = form->between;
	put_digits(out + 11, second / 3600, 2);
	out[13] = ':';
	put_digits(out + 14, second / 60 % 60, 2);
	out[16] = ':';
	put_digits(out + 17, second % 60, 2);
	len = TIME_LEN;
	len += fraction_print(form, (uint64_t)(us % 1000000), out + len);
	memcpy(out + len, form->suffix, form->suffix_len);
	return len + form->suffix_len;
}

size_t columns_form_print(const struct columns_form *form, int64_t value,
		       uint8_t *out)
{
	switch (form->kind) {
	case COLUMNS_NUMBER:
		return number_print(form, value, out);
	case COLUMNS_TIME:
		return time_print(form, value, out);
	case COLUMNS_DATE:
		return date_print(value, out);
	default:
		return 0;
	}
}

void columns_form_write(const struct columns_form *form, struct buf *out)
{
	if (form->kind == COLUMNS_DATE)
		return;
	buf_u8(out, form->scale);
	if (form->kind == COLUMNS_NUMBER) {
		buf_u8(out, form->pad);
		return;
	}
	buf_u8(out, form->between);
	buf_string(out, span_of(form->suffix, form->suffix_len));
}

bool columns_form_read(struct bytes *in, enum columns_kind kind,
		    struct columns_form *ret)
{
	struct columns_form form = { .kind = kind };
	struct span suffix;

	if (kind != COLUMNS_DATE)
		form.scale = bytes_u8(in);
	if (kind == COLUMNS_NUMBER) {
		form.pad = bytes_u8(in);
		in->bad |= form.scale > COLUMNS_SCALE_MAX ||
			   form.pad > COLUMNS_SCALE_MAX;
	} else if (kind == COLUMNS_TIME) {
		form.between = bytes_u8(in);
		suffix = bytes_string(in, COLUMNS_SUFFIX);
		in->bad |= form.scale > COLUMNS_TRIMMED;
		if (!in->bad && suffix.len > 0) {
			form.suffix_len = (uint8_t)suffix.len;
			memcpy(form.suffix, suffix.data, suffix.len);
		}
	}
	if (in->bad)
		return false;
	*ret = form;
	return true;
}
