/* archive_format: an entry of libarchive's to one of ours. */
#ifndef VARVE_ARCHIVE_FORMAT_H
#define VARVE_ARCHIVE_FORMAT_H

#include "indexer/archive_internal.h"

struct archive_entry;

/* All but attributes and lists; spans borrow from ae. */
void format_entry(struct archive_entry *ae, struct entry *e);
/* Those, into attrs and e, and what an access list makes of the mode. */
int format_attrs(struct run *run, struct archive_entry *ae,
		 struct attrs *attrs, struct entry *e);

#endif
