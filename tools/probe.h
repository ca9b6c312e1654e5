/*
 * probe: what is this input, and what may it be called?
 *
 * The first bytes of a file, a stream or a pipe are looked at without being
 * taken; names and times are worked out from paths.  One thread.
 */
#ifndef VARVE_PROBE_H
#define VARVE_PROBE_H

#include <sys/stat.h>

#include "indexer/ingest.h"

#define HEAD_BYTES 65536

/*
 * The reader that is surest of input (path or fd), or the one named by kind.
 * -EINVAL: no such kind; -ENODATA: it is empty; -EMEDIUMTYPE: no reader knows
 * what it is.
 */
int probe_reader(const struct input *input, const struct stat *st,
		 const char *kind, const struct reader **ret,
		 struct err *err);

/*
 * The source's name for path where none was given: its last name without
 * what tells of packing (.tar, .tar.gz, .tgz, .zip, .sql.zst, …) and without
 * a date at its end; where nothing is left, or the name is a time, that of the
 * directory above.  -EINVAL where no good name comes out.
 */
int source_from_path(const char *path, struct buf *ret, struct err *err);

/* The zone that times without one are read in: tz, else TZ, else what
 * /etc/localtime names, else "UTC". */
void zone_name(const char *tz, struct buf *ret);

#endif
