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
	if (strlen(tz) >= sizeof(keep->tz) || tz[strcspn(tz, " =")])
		return err_set(err, -EINVAL, "'%s' is no time zone", tz);
	snprintf(keep->tz, sizeof(keep->tz), "%s", tz);
	return 0;
}

static int set_within(struct keep *keep, const char *text, struct err *err)
{
	int r = duration_parse(text, &keep->within, err);

	if (r < 0)
		return err_wrap(err, "--keep-within");
	if (keep->within <= 0)
		return err_set(err, -EINVAL, "--keep-within 0 keeps nothing");
	return 0;
}

int keep_from_options(const struct options *options, struct keep *ret,
		      struct err *err)
{
	const char *within = option_value(options, "keep-within");
	const char *tz = option_value(options, "tz");
	struct keep keep = { .within = 0 };
	int r = 0;

	for (int i = 0; i < KEEP_RULES; i++) {
		uint64_t n = 0;
		char name[32];

		snprintf(name, sizeof(name), "keep-%s", rule_name[i]);
		if (option_u64(options, name, KEEP_MAX, &n, err) < 0)
			return -EINVAL;
		keep.places[i] = (uint32_t)n;
	}
	if (within)
		r = set_within(&keep, within, err);
	if (r >= 0 && tz)
		r = set_zone(&keep, tz, err);
	if (r >= 0)
		*ret = keep;
	return r;
}

bool keep_is_any(const struct keep *keep)
{
	for (int i = 0; i < KEEP_RULES; i++)
		if (keep->places[i])
			return true;
	return keep->within != 0;
}

/* In the largest unit that says it exactly. */
static void write_within(int64_t seconds, const char *before, struct buf *out)
{
	static const struct { int64_t seconds; char letter; } units[] = {
		{ 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' },
	};
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	buf_printf(out, "%skeep-within=%" PRId64 "%c", before,
		   seconds / units[i].seconds, units[i].letter);
}

void keep_write(const struct keep *keep, struct buf *out)
{
	size_t from = out->len;

	for (int i = 0; i < KEEP_RULES; i++)
		if (keep->places[i])
			buf_printf(out, "%skeep-%s=%" PRIu32,
				   out->len > from ? " " : "", rule_name[i],
				   keep->places[i]);
	if (keep->within)
		write_within(keep->within, out->len > from ? " " : "", out);
	if (keep->tz[0])
		buf_printf(out, " tz=%s", keep->tz);
}

static int parse_pair(struct keep *keep, const char *key, const char *value,
		      struct err *err)
{
	unsigned long n;
	char *end;

	if (!strcmp(key, "tz"))
		return set_zone(keep, value, err);
	if (!strcmp(key, "keep-within"))
		return set_within(keep, value, err);
	n = strtoul(value, &end, 10);
	for (int i = 0; i < KEEP_RULES && !strncmp(key, "keep-", 5); i++) {
		if (strcmp(key + 5, rule_name[i]))
			continue;
		if (*end || end == value || n > KEEP_MAX)
			return err_set(err, -EINVAL, "%s=%s", key, value);
		keep->places[i] = (uint32_t)n;
		return 0;
	}
	return err_set(err, -ENOTSUP, "rule '%s' is not known to this version",
		       key);
}

int keep_parse(const char *text, struct keep *ret, struct err *err)
{
	CLEANUP(free_ptr) char *copy = strdup(text);
	char *rest = copy, *pair, *equals;
	struct keep keep = { .within = 0 };
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
static int64_t bucket(enum keep_rule rule, const char local[STAMP_TEXT])
{
	int y = 0, m = 1, d = 1, h = 0;
	int64_t days;

	sscanf(local, "%d-%d-%d %d", &y, &m, &d, &h);
	days = days_of(y, m, d);
	switch (rule) {
	case KEEP_HOURLY:
		return days * 24 + h;
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

static bool fills_place(const struct snapshot *s, struct stamp now)
{
	return !s->record.incomplete && !s->damage && !s->forgotten &&
	       stamp_cmp(s->record.time, now) <= 0;
}

static void apply_rule(const struct keep *keep, enum keep_rule rule,
		       const struct snapshot *rows, size_t count,
		       struct stamp now, struct verdict *verdicts)
{
	uint32_t left = keep->places[rule];
	int64_t last = INT64_MIN;

	for (size_t i = count; i > 0 && left > 0; i--) {
		char local[STAMP_TEXT];
		int64_t b;

		if (!fills_place(&rows[i - 1], now))
			continue;
		stamp_local(rows[i - 1].record.time,
			    keep->tz[0] ? keep->tz : NULL, local);
		b = rule == KEEP_LAST ? (int64_t)i : bucket(rule, local);
		if (b == last)
			continue;
		last = b;
		left--;
		say_why(&verdicts[i - 1], rule_name[rule]);
	}
}

static void apply_others(const struct keep *keep, const struct snapshot *rows,
			 size_t count, struct stamp now,
			 struct verdict *verdicts)
{
	bool good_is_newer = false;

	for (size_t i = count; i > 0; i--) {
		const struct snapshot *s = &rows[i - 1];
		struct verdict *v = &verdicts[i - 1];

		if (s->pinned)
			say_why(v, "pinned");
		if (stamp_cmp(s->record.time, now) > 0)
			say_why(v, "in the future");
		else if (keep->within &&
			 s->record.time.s > now.s - keep->within)
			say_why(v, "young");
		if (fills_place(s, now) && !good_is_newer) {
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
	bool good = false;

	if (!keep_is_any(keep))
		return err_set(err, -EINVAL, "no rule says what to keep");
	memset(verdicts, 0, count * sizeof(*verdicts));
	for (size_t i = 0; i < count; i++)
		good |= fills_place(&rows[i], now);
	for (size_t i = 0; i < count && !good; i++)
		say_why(&verdicts[i], "no good one");
	for (int rule = 0; rule < KEEP_RULES && good; rule++)
		apply_rule(keep, (enum keep_rule)rule, rows, count, now,
			   verdicts);
	if (good)
		apply_others(keep, rows, count, now, verdicts);
	return 0;
}
