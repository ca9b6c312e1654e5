/*
 * sorter: records sorted by key in bounded memory.
 *
 * Records are (key, value) byte strings.  They collect in memory up to a
 * budget, beyond which sorted runs go to unlinked temporary files (each run
 * zstd-free, sequential; sum64 per 64 KiB so that a bad temp disk is noticed)
 * and come back merged (-EIO where the disk gives back other bytes).  Equal
 * keys keep the order in which they were put.  Key order is memcmp, shorter
 * first.  Limits: key <= 1 MiB, value <= 16 MiB.
 * One thread.
 */
#ifndef VARVE_SORTER_H
#define VARVE_SORTER_H

#include "fs/base/disk.h"

struct sorter;

/* dir: the store's directory, whose tmp/ takes the runs (borrowed). */
struct sorter *sorter_new(struct disk_dir *dir, size_t budget);
void sorter_free(struct sorter *sorter);

int sorter_put(struct sorter *sorter, struct span key, struct span value,
	       struct err *err);
/* Begin, or begin again, at the first record.  No put after this. */
int sorter_rewind(struct sorter *sorter, struct err *err);
/* 1 and a record (borrowed until the next call), 0 at the end, negative. */
int sorter_next(struct sorter *sorter, struct span *ret_key,
		struct span *ret_value, struct err *err);
uint64_t sorter_count(const struct sorter *sorter);
/* Runs written to temporary files so far (tests, --stats). */
unsigned sorter_runs(const struct sorter *sorter);

#endif
