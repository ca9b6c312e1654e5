#include "tools/pg_scan.h"

#include <stdlib.h>

#include "fs/base/jdoc.h"

static const char *const severities[] = {
	"", "-", "warning", "high", "critical", "unknown",
};

const char *pg_severity_name(enum pg_severity severity)
{
	return severities[severity];
}

static void row_release(struct pg_row *row)
{
	free(row->namespace);
	free(row->name);
	free(row->pod);
	free(row->why);
}

void pg_scan_release(struct pg_scan *scan)
{
	for (size_t i = 0; i < scan->count; i++)
		row_release(&scan->row[i]);
	free(scan->row);
	*scan = (struct pg_scan){ .count = 0 };
}

int pg_scan_add(struct pg_scan *scan, const char *namespace, const char *name,
		const char *pod, struct pg_row **ret, struct err *err)
{
	struct pg_row row = { .code = PG_CODE_NONE }, *more;

	if (scan->count == scan->room) {
		size_t room = scan->room ? 2 * scan->room : 32;

		more = reallocarray(scan->row, room, sizeof(*more));
		if (!more)
			return err_nomem(err);
		scan->row = more;
		scan->room = room;
	}
	row.namespace = strdup(namespace);
	row.name = strdup(name);
	row.pod = pod ? strdup(pod) : NULL;
	if (!row.namespace || !row.name || (pod && !row.pod)) {
		row_release(&row);
		return err_nomem(err);
	}
	*ret = &scan->row[scan->count++];
	**ret = row;
	return 0;
}

void pg_scan_count(struct pg_scan *scan)
{
	memset(scan->outcomes, 0, sizeof(scan->outcomes));
	for (size_t i = 0; i < scan->count; i++)
		scan->outcomes[scan->row[i].outcome]++;
}

bool pg_wal_is_failing(const struct pg_wal *wal)
{
	return wal->known && !wal->standby && wal->failed > 0 &&
	       wal->last_failed >= wal->last_archived;
}

/* WAL that is not cleaned up fills what it lies on: soon, where less is left than
 * there is of it already, or less than a tenth. */
static bool is_filling(const struct pg_wal *wal)
{
	return wal->known && wal->disk_known &&
	       (wal->disk_free < wal->bytes ||
		wal->disk_free < wal->disk_bytes / 10);
}

enum pg_severity pg_row_severity(const struct pg_row *row)
{
	bool failing = pg_wal_is_failing(&row->wal);

	switch (row->outcome) {
	case PG_OKAY:
		return !failing ? PG_FINE : is_filling(&row->wal) ?
			PG_CRITICAL : PG_WARNING;
	case PG_NO_STANZA:
	case PG_TIMEOUT:
		return is_filling(&row->wal) ? PG_CRITICAL : PG_HIGH;
	case PG_ERROR:
		return is_filling(&row->wal) && failing ? PG_CRITICAL :
			row->partial ? PG_HIGH : PG_UNKNOWN;
	case PG_NO_POD:
		break;
	}
	return PG_UNKNOWN;
}

void pg_row_line(const struct pg_row *row, struct buf *out)
{
	buf_printf(out, "[%s] %s", row->namespace, row->name);
	if (row->pod)
		buf_printf(out, " (%s)", row->pod);
	buf_printf(out, ": %s", pg_outcome_name(row->outcome));
	if (row->outcome == PG_ERROR)
		buf_printf(out, ": %s", row->why ? row->why : "unknown");
}

void pg_scan_lines(const struct pg_scan *scan, struct buf *out)
{
	for (size_t i = 0; i < scan->count; i++) {
		buf_append_str(out, "INFO:root:");
		pg_row_line(&scan->row[i], out);
		buf_append_byte(out, '\n');
	}
}

static void wal_json(const struct pg_wal *wal, struct json *json)
{
	if (!wal->known)
		return;
	json_open_object(json, "wal");
	json_u64(json, "bytes", wal->bytes);
	json_u64(json, "files", wal->files);
	json_bool(json, "standby", wal->standby);
	json_u64(json, "archived", wal->archived);
	json_u64(json, "failed", wal->failed);
	json_u64(json, "last_archived", wal->last_archived);
	json_u64(json, "last_failed", wal->last_failed);
	json_bool(json, "failing", pg_wal_is_failing(wal));
	if (wal->disk_known) {
		json_u64(json, "disk_bytes", wal->disk_bytes);
		json_u64(json, "disk_free", wal->disk_free);
	}
	json_close_object(json);
}

void pg_row_json(const struct pg_row *row, struct json *json)
{
	json_open_object(json, NULL);
	json_str(json, "namespace", row->namespace);
	json_str(json, "name", row->name);
	if (row->pod)
		json_str(json, "pod", row->pod);
	json_str(json, "outcome", pg_outcome_name(row->outcome));
	if (row->why)
		json_str(json, "why", row->why);
	if (row->partial)
		json_bool(json, "partial", true);
	if (row->code != PG_CODE_NONE)
		json_u64(json, "code", row->code);
	json_str(json, "severity", pg_severity_name(pg_row_severity(row)));
	wal_json(&row->wal, json);
	json_close_object(json);
}

void pg_scan_write(const struct pg_scan *scan, struct buf *out)
{
	struct json json;

	for (size_t i = 0; i < scan->count; i++) {
		json_init(&json, out);
		pg_row_json(&scan->row[i], &json);
		buf_append_byte(out, '\n');
	}
}

/* Read again. */

static char *text_of(const struct jnode *node, const char *path)
{
	struct span text = jnode_text(node, path);

	return text.data ? strndup((const char *)text.data, text.len) : NULL;
}

static enum pg_outcome outcome_of(const struct jnode *node)
{
	for (enum pg_outcome o = PG_OKAY; o <= PG_ERROR; o++)
		if (jnode_is(node, "outcome", pg_outcome_name(o)))
			return o;
	return 0;
}

static void read_wal(const struct jnode *wal, struct pg_wal *ret)
{
	ret->known = jnode_u64(wal, "bytes", &ret->bytes);
	jnode_u64(wal, "files", &ret->files);
	ret->standby = jnode_true(wal, "standby");
	jnode_u64(wal, "archived", &ret->archived);
	jnode_u64(wal, "failed", &ret->failed);
	jnode_u64(wal, "last_archived", &ret->last_archived);
	jnode_u64(wal, "last_failed", &ret->last_failed);
	ret->disk_known = jnode_u64(wal, "disk_bytes", &ret->disk_bytes) &&
			  jnode_u64(wal, "disk_free", &ret->disk_free);
}

static int read_row(const struct jnode *node, struct pg_scan *scan,
		    struct err *err)
{
	CLEANUP(free_ptr) char *namespace = text_of(node, "namespace");
	CLEANUP(free_ptr) char *name = text_of(node, "name");
	CLEANUP(free_ptr) char *pod = text_of(node, "pod");
	enum pg_outcome outcome = outcome_of(node);
	struct pg_row *row;
	int r;

	if (!namespace || !name || !outcome)
		return err_set(err, -EBADMSG, "it is no scan of 'varve pg "
			       "audit'");
	r = pg_scan_add(scan, namespace, name, pod, &row, err);
	if (r < 0)
		return r;
	row->outcome = outcome;
	row->why = text_of(node, "why");
	row->partial = jnode_true(node, "partial");
	jnode_u64(node, "code", &row->code);
	read_wal(jnode_get(node, "wal"), &row->wal);
	return 0;
}

static int compare(const struct pg_row *a, const struct pg_row *b)
{
	OWNED_BUF struct buf s = BUF_INIT, t = BUF_INIT;

	buf_printf(&s, "%s/%s", a->namespace, a->name);
	buf_printf(&t, "%s/%s", b->namespace, b->name);
	return span_cmp(buf_span(&s), buf_span(&t));
}

int pg_scan_read(struct span text, struct pg_scan *ret, struct err *err)
{
	struct pg_scan scan = { .count = 0 };
	int r = 0;

	while (r == 0 && text.len) {
		OWNED_JDOC struct jdoc doc = JDOC_INIT;
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t n = end ? (size_t)(end - text.data) : text.len;

		r = jdoc_parse(span_of(text.data, n), "the scan", &doc, err);
		if (r == 0)
			r = read_row(doc.root, &scan, err);
		if (r == 0 && scan.count > 1 &&
		    compare(&scan.row[scan.count - 2],
			    &scan.row[scan.count - 1]) >= 0)
			r = err_set(err, -EBADMSG, "the scan is not in order");
		n += end != NULL;
		text = span_of(text.data + n, text.len - n);
	}
	if (r < 0) {
		pg_scan_release(&scan);
		return r;
	}
	pg_scan_count(&scan);
	*ret = scan;
	return 0;
}

static bool differ(const struct pg_row *a, const struct pg_row *b)
{
	return a->outcome != b->outcome ||
	       pg_row_severity(a) != pg_row_severity(b);
}

int pg_scan_diff(const struct pg_scan *a, const struct pg_scan *b,
		 int (*each)(void *arg, const struct pg_row *a,
			     const struct pg_row *b, struct err *err),
		 void *arg, struct err *err)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r >= 0 && (i < a->count || j < b->count)) {
		const struct pg_row *x = i < a->count ? &a->row[i] : NULL;
		const struct pg_row *y = j < b->count ? &b->row[j] : NULL;
		int order = !x ? 1 : !y ? -1 : compare(x, y);

		if (order > 0)
			x = NULL;
		if (order < 0)
			y = NULL;
		i += x != NULL;
		j += y != NULL;
		if (!x || !y || differ(x, y))
			r = each(arg, x, y, err);
	}
	return r;
}
