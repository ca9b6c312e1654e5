/*
 * rocks_split: the RocksDB checkpoints in snapshots that are stored, as
 * snapshots of their own.
 */
#ifndef VARVE_ROCKS_SPLIT_H
#define VARVE_ROCKS_SPLIT_H

#include "tools/tool.h"

/* Of the snapshot named by each word behind the first.  Exit status, or a
 * negative errno. */
int rocks_split(struct tool *tool, struct err *err);

#endif
