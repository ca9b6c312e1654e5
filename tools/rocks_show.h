/*
 * rocks_show: what rocks_open() found, on standard output.
 *
 * For people: a paragraph, a table of families and levels, of blob files, and
 * at the end what is the matter.  As JSON: one object with everything.
 */
#ifndef VARVE_ROCKS_SHOW_H
#define VARVE_ROCKS_SHOW_H

#include "indexer/rocksdb/rocks.h"

/* text is how the directory was named; files: each table too.  -ENOMEM. */
int rocks_show(const struct rocks *rocks, const char *text, bool files,
	       struct err *err);
/* read_data: flags of rocks_open(). */
int rocks_show_json(const struct rocks *rocks, const char *text,
		    unsigned flags, struct err *err);

#endif
