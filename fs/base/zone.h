/*
 * zone: what local time is, for stamp.c alone.
 *
 * The C library knows one zone a process, set through the environment, which
 * no thread may change while others run.  So named zones are read here from
 * the system's zone files (RFC 8536); only the host's own zone is asked of the
 * library.  The zone used last is kept, under a lock.  Any thread.
 */
#ifndef VARVE_ZONE_H
#define VARVE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/base/err.h"

/* 1970-01-01 is day 0 of the Gregorian calendar, months 1..12. */
int64_t civil_to_days(int64_t year, unsigned month, unsigned day);
unsigned civil_days_in(int64_t year, unsigned month);
void civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month,
		     unsigned *ret_day);

/*
 * Seconds east of UTC at utc in tz ("Europe/Berlin"; NULL: the host's).
 * -EINVAL with words where there is no such zone.
 */
int zone_offset(const char *tz, int64_t utc, int64_t *ret, struct err *err);

/*
 * The instant when clocks in tz show local (seconds, as if it were UTC).  Of
 * two such instants the first; a time that clocks skipped is read with the
 * offset before the jump.
 */
int zone_to_utc(const char *tz, int64_t local, int64_t *ret, struct err *err);

/*
 * For the tests: the offset at utc by a zone file's bytes.  -EBADMSG where they
 * are malformed.
 */
int zone_file_offset(const uint8_t *data, size_t len, int64_t utc,
		     int64_t *ret);

#endif
