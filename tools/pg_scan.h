/*
 * pg_scan: what one audit of PostgresClusters found; written, read again, and
 * compared with another.
 *
 * As text it is one JSON object a line, a cluster each, in byte order of
 * "namespace/name": what `pg audit --json` prints, and what the store keeps.
 * pg_scan.c is pure.
 */
#ifndef VARVE_PG_SCAN_H
#define VARVE_PG_SCAN_H

#include "fs/base/json.h"
#include "tools/pg.h"

#define PG_SCAN_FILE "audit.jsonl"
#define PG_SCAN_BYTES_MAX (256u << 20)

/* What it leads to. */
enum pg_severity {
	PG_FINE = 1,
	PG_WARNING,		/* it is there, but WAL is not archived now */
	PG_HIGH,		/* no backup, and WAL is not cleaned up */
	PG_CRITICAL,		/* and its disk fills up */
	PG_UNKNOWN,		/* nothing could be asked */
};
const char *pg_severity_name(enum pg_severity severity);

struct pg_row {
	char *namespace, *name, *pod;	/* pod: NULL where none runs */
	enum pg_outcome outcome;
	char *why;		/* more of it; or NULL */
	bool partial;		/* as pg_info */
	uint64_t code;		/* pgBackRest's; PG_CODE_NONE */
	struct pg_wal wal;
};

struct pg_scan {
	struct pg_row *row;
	size_t count, room;
	uint64_t outcomes[PG_OUTCOMES + 1];
};
#define OWNED_PG_SCAN CLEANUP(pg_scan_release)
void pg_scan_release(struct pg_scan *scan);
/* An empty row behind the last, but for copies of the names. */
int pg_scan_add(struct pg_scan *scan, const char *namespace, const char *name,
		const char *pod, struct pg_row **ret, struct err *err);
void pg_scan_count(struct pg_scan *scan);

enum pg_severity pg_row_severity(const struct pg_row *row);
/* "[ns] cluster (pod): Outcome", without "(pod)" where there is none. */
void pg_row_line(const struct pg_row *row, struct buf *out);
void pg_row_json(const struct pg_row *row, struct json *json);

void pg_scan_write(const struct pg_scan *scan, struct buf *out);
/* The lines that list_target_databases.py printed. */
void pg_scan_lines(const struct pg_scan *scan, struct buf *out);
/* -EBADMSG: it is no scan. */
int pg_scan_read(struct span text, struct pg_scan *ret, struct err *err);

/*
 * Both in their order, a row each of a (or NULL: it is new) and b (or NULL: it
 * is gone) that differ in what they came to, or in its severity.
 */
int pg_scan_diff(const struct pg_scan *a, const struct pg_scan *b,
		 int (*each)(void *arg, const struct pg_row *a,
			     const struct pg_row *b, struct err *err),
		 void *arg, struct err *err);

/* pg_audit_tell.c: as a table, JSON or lines; then what to do. */
int pg_audit_tell(const struct tool *tool, const struct pg_scan *scan,
		  struct err *err);
/* pg_audit_diff.c: varve pg audit --diff. */
int pg_audit_diff(struct tool *tool, struct err *err);

#endif
