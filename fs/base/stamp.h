/*
 * stamp: points in time, as seconds since 1970 (may be negative) and
 * nanoseconds (0..999999999), so -1.75 s is { -2, 250000000 }.  Pure, but for
 * stamp_now().
 */
#ifndef VARVE_STAMP_H
#define VARVE_STAMP_H

#include "fs/base/buf.h"

struct stamp {
	int64_t s;
	uint32_t ns;
};

struct stamp stamp_now(void);
int stamp_cmp(struct stamp a, struct stamp b);

/* Room for any text made here. */
#define STAMP_TEXT 48

/* "2021-01-22T19-27-31Z": colon-free UTC, the name of a snapshot. */
void stamp_name(struct stamp t, char out[STAMP_TEXT]);
/* "2021-01-22T19:27:31Z", with ".123456789" only where ns is not 0. */
void stamp_iso(struct stamp t, char out[STAMP_TEXT]);
/* "2021-01-22 19:27:31" in local time of tz (NULL: the host's), for people. */
void stamp_local(struct stamp t, const char *tz, char out[STAMP_TEXT]);
/* "12.000000345" / "-1.75" style decimal seconds: "S.NNNNNNNNN" with s and ns
 * as kept ("-2.250000000" is s=-2 ns=250000000), for records. */
void stamp_raw(struct stamp t, char out[STAMP_TEXT]);
int stamp_raw_parse(const char *text, struct stamp *ret);

/*
 * Read what a person or a directory name writes: "2021-01-22",
 * "2021-01-22T19:27:31Z", "2021-01-22T19-27-31Z", "2021-01-22 19:27[:31]",
 * "2021-01-22-19-27-31", each with an optional fraction and an optional zone
 * ("Z", "UTC", "+01:00", "+0100", "+01"; a space may stand before it), and
 * "@SECONDS[.FRACTION]".  Without a zone it is
 * read in tz (a TZ name such as "Europe/Berlin"; NULL: the host's) and
 * *ret_zoned (may be NULL) is false; a time that came twice, when clocks were
 * set back, is the first.  -EINVAL with words for anything else, also for dates
 * that do not exist.  Any thread; the environment is left alone.
 */
int stamp_parse(const char *text, const char *tz, struct stamp *ret,
		bool *ret_zoned, struct err *err);

/*
 * Find a time in a path: a YYYY-MM-DD-HH-MM-SS (or with T or '_' before the
 * hour; behind a T also with a Z at its end) anywhere in the last component,
 * with no digit next to it; else the last component that is nothing but a
 * YYYY-MM-DD-HH-MM-SS or YYYY-MM-DDTHH-MM-SSZ.  0, or -ENOENT where there is
 * none.
 */
int stamp_from_path(const char *path, const char *tz, struct stamp *ret);

/* "90s", "15m", "26h", "7d", "5w", and sums such as "1d12h", to seconds. */
int duration_parse(const char *text, int64_t *ret_seconds, struct err *err);

#endif
