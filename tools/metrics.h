/*
 * metrics: what is known of a store, as Prometheus reads it.
 *
 * Text for the textfile collector of node_exporter: each family with its HELP
 * and TYPE, every sample labelled with the store.  Times are seconds since
 * 1970; what is not known has no sample, so that an alert on its age or its
 * absence is the only thing to write.  One thread.
 */
#ifndef VARVE_METRICS_H
#define VARVE_METRICS_H

#include "tools/target.h"
#include "tools/tool.h"

/* Append all of it to out.  list: every snapshot, forgotten ones as well, in
 * order of source and time. */
int metrics_write(const struct tool *tool, struct repo *repo,
		  const struct snapshots *list, uint64_t catalog_bytes,
		  struct buf *out, struct err *err);

#endif
