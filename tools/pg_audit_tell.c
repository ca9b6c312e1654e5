#include "tools/pg_scan.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/format.h"

static void size_cell(struct table *table, bool known, uint64_t bytes)
{
	char text[SIZE_TEXT] = "?";

	if (known)
		size_text(bytes, text);
	table_cell(table, text);
}

static const char *archiver_text(const struct pg_wal *wal)
{
	if (!wal->known)
		return "?";
	if (wal->standby)
		return "(replica)";
	if (pg_wal_is_failing(wal))
		return "fails";
	return wal->archived ? "works" : "-";
}

/* With --quiet what is not well: nothing where all is. */
static int print_table(const struct tool *tool, const struct pg_scan *scan,
		       struct err *err)
{
	static const char *const heads[] = {
		"<CLUSTER", "<OUTCOME", "<SEVERITY", ">PG_WAL", ">FREE",
		"<ARCHIVER", "<POD",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 7);
	size_t shown = 0;

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < scan->count; i++) {
		const struct pg_row *row = &scan->row[i];

		if (tool->quiet && pg_row_severity(row) == PG_FINE)
			continue;
		shown++;
		table_cellf(table, "%s/%s", row->namespace, row->name);
		table_cell(table, pg_outcome_name(row->outcome));
		table_cell(table, pg_severity_name(pg_row_severity(row)));
		size_cell(table, row->wal.known, row->wal.bytes);
		size_cell(table, row->wal.disk_known, row->wal.disk_free);
		table_cell(table, archiver_text(&row->wal));
		table_cell(table, row->pod ? row->pod : "-");
	}
	if (shown)
		table_print(table);
	return 0;
}

/* The document's own lines, where it has them: on standard error. */
static int print_lines(const struct pg_scan *scan, struct err *err)
{
	OWNED_BUF struct buf lines = BUF_INIT;

	pg_scan_lines(scan, &lines);
	if (!buf_str(&lines))
		return err_nomem(err);
	fputs((char *)lines.data, stderr);
	return 0;
}

static int print_json(const struct pg_scan *scan)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	for (size_t i = 0; i < scan->count; i++) {
		json_init(&json, &line);
		pg_row_json(&scan->row[i], &json);
		json_print(&line);
	}
	return 0;
}

/* "31 databases: 23 Okay, 6 No stanza configuration, …" */
static void say_counts(const struct tool *tool, const struct pg_scan *scan)
{
	static const enum pg_outcome order[] = {
		PG_OKAY, PG_NO_STANZA, PG_TIMEOUT, PG_NO_POD, PG_ERROR,
	};
	OWNED_BUF struct buf line = BUF_INIT;

	for (size_t i = 0; i < PG_OUTCOMES; i++)
		if (scan->outcomes[order[i]])
			buf_printf(&line, "%s %" PRIu64 " %s", line.len ? "," :
				   ":", scan->outcomes[order[i]],
				   pg_outcome_name(order[i]));
	if (buf_str(&line))
		say(tool, "%s%s.", counted(scan->count, "database").s,
		    (char *)line.data);
}

static void say_of(const struct tool *tool, const struct pg_row *row,
		   const char *advice)
{
	OWNED_BUF struct buf line = BUF_INIT;

	pg_row_line(row, &line);
	if (row->outcome != PG_ERROR && row->why)
		buf_printf(&line, ": %s", row->why);
	if (buf_str(&line))
		say(tool, "%s\n    %s", (char *)line.data, advice);
}

static void advise(const struct tool *tool, const struct pg_row *row)
{
	OWNED_BUF struct buf advice = BUF_INIT;
	const char *ns = row->namespace, *name = row->name;

	switch (row->outcome) {
	case PG_OKAY:
		if (pg_row_severity(row) == PG_FINE)
			return;
		buf_printf(&advice, "but WAL is not archived now: see "
			   "archive_command in the server's log");
		break;
	case PG_NO_STANZA:
		buf_printf(&advice, "it has no backups, and WAL is not "
			   "cleaned up: varve pg stanza %s/%s", ns, name);
		break;
	case PG_TIMEOUT:
		buf_printf(&advice, "correct the way from pod to pod "
			   "(ServiceEntry), then: varve pg audit %s/%s", ns,
			   name);
		break;
	case PG_NO_POD:
		buf_printf(&advice, "%s: kubectl describe postgrescluster -n "
			   "%s %s", row->why ? "it has no pods" : "does the "
			   "operator handle it", ns, name);
		break;
	case PG_ERROR:
		if (row->partial)
			buf_printf(&advice, "it lacks on some of them: varve "
				   "pg stanza %s/%s", ns, name);
		else
			buf_printf(&advice, "--debug shows what was asked and "
				   "answered");
		break;
	}
	if (buf_str(&advice))
		say_of(tool, row, (char *)advice.data);
}

/* For when it has been corrected. */
static void say_again(const struct tool *tool, const struct pg_scan *scan)
{
	OWNED_BUF struct buf names = BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < scan->count; i++) {
		const struct pg_row *row = &scan->row[i];

		if (row->outcome != PG_TIMEOUT && row->outcome != PG_ERROR)
			continue;
		buf_printf(&names, " %s/%s", row->namespace, row->name);
		count++;
	}
	if (count > 1 && buf_str(&names))
		say(tool, "To ask these again: varve pg audit%s",
		    (char *)names.data);
}

int pg_audit_tell(const struct tool *tool, const struct pg_scan *scan,
		  struct err *err)
{
	int r;

	if (option_given(&tool->options, "lines"))
		r = print_lines(scan, err);
	else if (tool->json)
		r = print_json(scan);
	else
		r = print_table(tool, scan, err);
	fflush(stdout);
	/* the lines are for who reads nothing else */
	if (r < 0 || option_given(&tool->options, "lines"))
		return r;
	say_counts(tool, scan);
	for (size_t i = 0; i < scan->count; i++)
		advise(tool, &scan->row[i]);
	say_again(tool, scan);
	return 0;
}
