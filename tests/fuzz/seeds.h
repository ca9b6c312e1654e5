/* seeds: valid inputs for the harnesses, written to DIR/NAME/. */
#ifndef VARVE_SEEDS_H
#define VARVE_SEEDS_H

#include "fs/base/buf.h"

/* One seed of a harness; exits where it cannot be written. */
void seed(const char *harness, const char *name, struct span bytes);

/* seeds_store.c: blocks and packs. */
void seeds_store(void);
/* seeds_text.c: records, events, kv, times, names, patterns. */
void seeds_text(void);
/* seeds_archive.c: tars with extended headers of every sort. */
void seeds_archive(void);
/* seeds_tree.c: pages, lists, maps, views. */
void seeds_tree(void);
/* seeds_pso.c: documents of PSO, JSON and YAML. */
void seeds_pso(void);
/* seeds_rocksdb.c: checkpoints, tables, blob files, options. */
void seeds_rocksdb(void);
void seeds_pgarchive(void);

#endif
