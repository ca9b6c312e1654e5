#include "tools/keep.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const rule_name[KEEP_RULES] = {
	[KEEP_LAST] = "last", [KEEP_HOURLY] = "hourly",
	[KEEP_DAILY] = "daily", [KEEP_WEEKLY] = "weekly",
	[KEEP_MONTHLY] = "monthly", [KEEP_YEARLY] = "yearly",
};

static int set_zone(struct keep *keep, const char *tz, struct err *err)
{
	if (!tz[0] || strlen(tz) >= sizeof(keep->tz) ||
	    tz[strcspn(tz, " =")])
		return err_set(err, -EINVAL, "'%s' is no time zone", tz);
	snprintf(keep->tz, sizeof(keep->tz), "%s", tz);
	return 0;
}

/* Days that were counted in another zone than was asked would be the wrong
 * ones. */
static int check_zone(const struct keep *keep, struct err *err)
{
	struct stamp t;

	if (!keep->tz[0])
		return 0;
	return stamp_parse("2021-01-22", keep->tz, &t, NULL, err);
}

static int set_duration(const char *name, const char *text, int64_t *ret,
			struct err *err)
{
	int r = duration_parse(text, ret, err);

	if (r < 0)
		return err_wrap(err, "%s", name);
	if (*ret <= 0)
		return err_set(err, -EINVAL, "%s %s is no time at all", name,
			       text);
	return 0;
}

static int add_tag(struct keep *keep, const char *tag, struct err *err)
{
	if (!tag[0] || tag[0] == '=')
		return err_set(err, -EINVAL, "'%s' is neither KEY nor "
			       "KEY=VALUE of a tag", tag);
	if (keep->tag_count == KEEP_TAGS || strlen(tag) >= KEEP_TAG_TEXT)
		return err_set(err, -EINVAL, "rules name at most %d tags, of "
			       "%d bytes each", KEEP_TAGS, KEEP_TAG_TEXT - 1);
	snprintf(keep->tag[keep->tag_count++], KEEP_TAG_TEXT, "%s", tag);
	return 0;
}

/* "keep-within" keeps all, the others the newest of each. */
static void name_of_within(int rule, char out[32])
{
	snprintf(out, 32, "keep-within%s%s", rule == KEEP_LAST ? "" : "-",
		 rule == KEEP_LAST ? "" : rule_name[rule]);
}

static int take_counts(const struct options *options, struct keep *keep,
		       struct err *err)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < KEEP_RULES; i++) {
		char name[32], option[40];
		const char *within;
		uint64_t n = 0;

		snprintf(name, sizeof(name), "keep-%s", rule_name[i]);
		r = option_u64(options, name, KEEP_MAX, &n, err);
		keep->places[i] = (uint32_t)n;
		name_of_within(i, name);
		within = option_value(options, name);
		snprintf(option, sizeof(option), "--%s", name);
		if (r >= 0 && within)
			r = set_duration(option, within, &keep->within[i],
					 err);
	}
	return r;
}

int keep_from_options(const struct options *options, struct keep *ret,
		      struct err *err)
{
	const char *by = option_value(options, "group-by");
	const char *tz = option_value(options, "tz");
	struct keep keep = { .tag_count = 0 };
	const char *tag;
	int r = take_counts(options, &keep, err);

	for (size_t i = 0; r >= 0 &&
	     (tag = option_nth(options, "keep-tag", i)); i++)
		r = add_tag(&keep, tag, err);
	if (r >= 0 && by)
		r = grouping_parse(by, &keep.by, err);
	if (r >= 0 && tz)
		r = set_zone(&keep, tz, err);
	if (r >= 0)
		r = check_zone(&keep, err);
	if (r >= 0)
		*ret = keep;
	return r;
}

bool keep_is_any(const struct keep *keep)
{
	for (int i = 0; i < KEEP_RULES; i++)
		if (keep->places[i] || keep->within[i])
			return true;
	return keep->tag_count > 0;
}

void duration_text(int64_t seconds, char out[SIZE_TEXT])
{
	static const struct { int64_t seconds; char letter; } units[] = {
		{ 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' },
	};
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	snprintf(out, SIZE_TEXT, "%" PRId64 "%c", seconds / units[i].seconds,
		 units[i].letter);
}

/* A rule is a word: blanks in it are written as %20, and so is what else
 * would not come back the same. */
static void write_tag(const char *tag, struct buf *out)
{
	buf_append_str(out, "keep-tag=");
	for (; *tag; tag++) {
		if ((uint8_t)*tag <= ' ' || *tag == '%' || *tag == 0x7f)
			buf_printf(out, "%%%02x", (uint8_t)*tag);
		else
			buf_append_byte(out, (uint8_t)*tag);
	}
	buf_append_byte(out, ' ');
}

void keep_write(const struct keep *keep, struct buf *out)
{
	char name[32], text[SIZE_TEXT];

	for (int i = 0; i < KEEP_RULES; i++)
		if (keep->places[i])
			buf_printf(out, "keep-%s=%" PRIu32 " ", rule_name[i],
				   keep->places[i]);
	for (int i = 0; i < KEEP_RULES; i++) {
		if (!keep->within[i])
			continue;
		name_of_within(i, name);
		duration_text(keep->within[i], text);
		buf_printf(out, "%s=%s ", name, text);
	}
	for (size_t i = 0; i < keep->tag_count; i++)
		write_tag(keep->tag[i], out);
	if (keep->by.given) {
		buf_append_str(out, "group-by=");
		grouping_write(&keep->by, out);
		buf_append_byte(out, ' ');
	}
	if (keep->tz[0])
		buf_printf(out, "tz=%s ", keep->tz);
	if (keep->max_age) {
		duration_text(keep->max_age, text);
		buf_printf(out, "max-age=%s ", text);
	}
	/* the last blank */
	if (out->len > 0)
		out->len--;
}

static int parse_tag(struct keep *keep, const char *value, struct err *err)
{
	char tag[KEEP_TAG_TEXT];
	unsigned byte;
	size_t n = 0;

	for (; *value && n + 1 < sizeof(tag); value++) {
		if (*value == '%') {
			if (sscanf(value + 1, "%2x", &byte) != 1 || !byte ||
			    !value[2])
				return err_set(err, -EINVAL, "keep-tag=%s",
					       value);
			tag[n++] = (char)byte;
			value += 2;
		} else {
			tag[n++] = *value;
		}
	}
	tag[n] = '\0';
	if (*value)
		return err_set(err, -EINVAL, "keep-tag=%s... is too long",
			       tag);
	return add_tag(keep, tag, err);
}

static int parse_places(const char *key, const char *value, uint32_t *ret,
			struct err *err)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || end == value || n > KEEP_MAX)
		return err_set(err, -EINVAL, "%s=%s", key, value);
	*ret = (uint32_t)n;
	return 0;
}

static int parse_pair(struct keep *keep, const char *key, const char *value,
		      struct err *err)
{
	char name[32];
	int r;

	for (int i = 0; i < KEEP_RULES; i++) {
		snprintf(name, sizeof(name), "keep-%s", rule_name[i]);
		if (!strcmp(key, name))
			return parse_places(key, value, &keep->places[i], err);
		name_of_within(i, name);
		if (!strcmp(key, name))
			return set_duration(key, value, &keep->within[i], err);
	}
	if (!strcmp(key, "keep-tag"))
		return parse_tag(keep, value, err);
	if (!strcmp(key, "group-by"))
		return grouping_parse(value, &keep->by, err);
	if (!strcmp(key, "tz"))
		return set_zone(keep, value, err);
	if (!strcmp(key, "max-age"))
		return set_duration(key, value, &keep->max_age, err);
	r = err_set(err, -ENOTSUP, "rule '%s' is not known to this version",
		    key);
	err_hint(err, "a newer varve set it: use that, or set the policy "
		 "anew; nothing is forgotten by rules that are not "
		 "understood");
	return r;
}

int keep_parse(const char *text, struct keep *ret, struct err *err)
{
	CLEANUP(free_ptr) char *copy = strdup(text);
	char *rest = copy, *pair, *equals;
	struct keep keep = { .tag_count = 0 };
	int r = 0;

	if (!copy)
		return err_nomem(err);
	while (r >= 0 && (pair = strsep(&rest, " "))) {
		equals = strchr(pair, '=');
		if (!equals)
			return err_set(err, -EINVAL, "'%s' is no rule", pair);
		*equals = '\0';
		r = parse_pair(&keep, pair, equals + 1, err);
	}
	if (r >= 0)
		*ret = keep;
	return r;
}

/* Days since 1970-01-01 of a civil date (Gregorian). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, year, day;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	year = y - era * 400;
	day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + year * 365 + year / 4 - year / 100 + day -
	       719468;
}

/* Which hour, day, week, month or year t lies in. */
static int64_t bucket(enum keep_rule rule, struct stamp t, const char *tz)
{
	int y = 0, m = 1, d = 1, h = 0, minute = 0, second = 0;
	char local[STAMP_TEXT];
	int64_t days;

	stamp_local(t, tz, local);
	sscanf(local, "%d-%d-%d %d:%d:%d", &y, &m, &d, &h, &minute, &second);
	days = days_of(y, m, d);
	switch (rule) {
	case KEEP_HOURLY:
		/* When it began: where clocks are set back an hour comes
		 * twice by its name. */
		return t.s - minute * 60 - second;
	case KEEP_DAILY:
		return days;
	case KEEP_WEEKLY:
		/* 1970-01-01 was a Thursday; +7e5 keeps it positive. */
		return (days + 3 + 700000) / 7;
	case KEEP_MONTHLY:
		return (int64_t)y * 12 + m;
	default:
		return y;
	}
}

static void say_why(struct verdict *v, const char *why)
{
	size_t n = strlen(v->why);

	v->keep = true;
	snprintf(v->why + n, sizeof(v->why) - n, "%s%s", n ? ", " : "", why);
}

struct judging {
	const struct keep *keep;
	const struct snapshot *rows;
	size_t count;
	struct stamp now, newest;	/* newest: the newest good one's time */
	bool full;		/* a good one has files: those without are none */
	struct verdict *verdicts;
};

static bool fills_place(const struct judging *j, const struct snapshot *s)
{
	return !snapshot_flaw(s, NULL) && !s->forgotten &&
	       stamp_cmp(s->record.time, j->now) <= 0 &&
	       !(j->full && record_is_empty(&s->record));
}

/* Whether a good one has files, then the newest good one; false where there is
 * none. */
static bool find_good(struct judging *j)
{
	for (size_t i = 0; i < j->count && !j->full; i++)
		j->full = fills_place(j, &j->rows[i]) &&
			  !record_is_empty(&j->rows[i].record);
	for (size_t i = j->count; i > 0; i--) {
		if (!fills_place(j, &j->rows[i - 1]))
			continue;
		j->newest = j->rows[i - 1].record.time;
		return true;
	}
	return false;
}

static bool is_within(int64_t length, const struct snapshot *s,
		      struct stamp newest)
{
	return length && s->record.time.s > newest.s - length;
}

static void say_within(struct verdict *v, enum keep_rule rule, int64_t length)
{
	static const char *const unit[KEEP_RULES] = {
		[KEEP_HOURLY] = "hour", [KEEP_DAILY] = "day",
		[KEEP_WEEKLY] = "week", [KEEP_MONTHLY] = "month",
		[KEEP_YEARLY] = "year",
	};
	char text[SIZE_TEXT], why[80];

	duration_text(length, text);
	if (unit[rule])
		snprintf(why, sizeof(why), "newest of its %s within %s",
			 unit[rule], text);
	else
		snprintf(why, sizeof(why), "within %s", text);
	say_why(v, why);
}

static void apply_rule(const struct judging *j, enum keep_rule rule)
{
	int64_t within = rule == KEEP_LAST ? 0 : j->keep->within[rule];
	const char *tz = j->keep->tz[0] ? j->keep->tz : NULL;
	uint32_t places = j->keep->places[rule], place = 0;
	int64_t last = INT64_MIN;
	char why[80];

	if (!places && !within)
		return;
	for (size_t i = j->count; i > 0; i--) {
		const struct snapshot *s = &j->rows[i - 1];
		int64_t b;

		if (!fills_place(j, s))
			continue;
		b = rule == KEEP_LAST ? (int64_t)i :
					bucket(rule, s->record.time, tz);
		if (b == last)
			continue;
		last = b;
		if (place == places && !is_within(within, s, j->newest))
			break;
		if (place < places) {
			snprintf(why, sizeof(why),
				 "%s %" PRIu32 " of %" PRIu32,
				 rule_name[rule], ++place, places);
			say_why(&j->verdicts[i - 1], why);
		} else {
			say_within(&j->verdicts[i - 1], rule, within);
		}
	}
}

static bool has_tag(const struct snapshot *s, const char *tag)
{
	char key[KEEP_TAG_TEXT];
	const char *equals = strchr(tag, '='), *value;

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(tag, "="), tag);
	value = record_tag(&s->record, key);
	return value && (!equals || !strcmp(equals + 1, value));
}

static void apply_tags(const struct judging *j)
{
	char why[KEEP_TAG_TEXT + 8];

	for (size_t i = 0; i < j->count; i++) {
		for (size_t k = 0; k < j->keep->tag_count; k++) {
			if (!has_tag(&j->rows[i], j->keep->tag[k]))
				continue;
			snprintf(why, sizeof(why), "tag %s", j->keep->tag[k]);
			say_why(&j->verdicts[i], why);
		}
	}
}

static void apply_others(const struct judging *j)
{
	int64_t within = j->keep->within[KEEP_LAST];
	bool good_is_newer = false;

	for (size_t i = j->count; i > 0; i--) {
		const struct snapshot *s = &j->rows[i - 1];
		struct verdict *v = &j->verdicts[i - 1];

		if (s->pinned)
			say_why(v, "pinned");
		if (stamp_cmp(s->record.time, j->now) > 0)
			say_why(v, "in the future");
		else if (is_within(within, s, j->newest))
			say_within(v, KEEP_LAST, within);
		if (fills_place(j, s) && !good_is_newer) {
			if (!v->keep)
				say_why(v, "newest good one");
			good_is_newer = true;
		} else if (!good_is_newer && !v->keep) {
			say_why(v, "nothing good is newer");
		}
	}
}

int keep_judge(const struct keep *keep, const struct snapshot *rows,
	       size_t count, struct stamp now, struct verdict *verdicts,
	       struct err *err)
{
	struct judging j = { .keep = keep, .rows = rows, .count = count,
			     .now = now, .verdicts = verdicts };
	int r;

	if (!keep_is_any(keep))
		return err_set(err, -EINVAL, "no rule says what to keep");
	r = check_zone(keep, err);
	if (r < 0)
		return r;
	memset(verdicts, 0, count * sizeof(*verdicts));
	if (!find_good(&j)) {
		for (size_t i = 0; i < count; i++)
			say_why(&verdicts[i], "no good one");
		return 0;
	}
	for (int rule = 0; rule < KEEP_RULES; rule++)
		apply_rule(&j, (enum keep_rule)rule);
	apply_tags(&j);
	apply_others(&j);
	return 0;
}
