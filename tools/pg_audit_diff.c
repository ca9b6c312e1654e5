#include "tools/pg_scan.h"

#include <stdio.h>

#include "tools/format.h"
#include "tools/target.h"

struct comparing {
	const struct tool *tool;
	struct table *table;
	uint64_t count;
};

static void json_side(struct json *json, const char *key,
		      const struct pg_row *row)
{
	json_open_object(json, key);
	json_str(json, "outcome", pg_outcome_name(row->outcome));
	json_str(json, "severity", pg_severity_name(pg_row_severity(row)));
	if (row->why)
		json_str(json, "why", row->why);
	json_close_object(json);
}

static void side_cell(struct table *table, const struct pg_row *row)
{
	if (!row)
		table_cell(table, "-");
	else if (pg_row_severity(row) == PG_FINE)
		table_cell(table, pg_outcome_name(row->outcome));
	else
		table_cellf(table, "%s (%s)", pg_outcome_name(row->outcome),
			    pg_severity_name(pg_row_severity(row)));
}

static int show_change(void *arg, const struct pg_row *a,
		       const struct pg_row *b, struct err *err)
{
	const struct pg_row *any = b ? b : a;
	struct comparing *c = arg;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	(void)err;
	c->count++;
	if (!c->tool->json) {
		table_cellf(c->table, "%s/%s", any->namespace, any->name);
		side_cell(c->table, a);
		side_cell(c->table, b);
		return 0;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "namespace", any->namespace);
	json_str(&json, "name", any->name);
	if (a)
		json_side(&json, "before", a);
	if (b)
		json_side(&json, "after", b);
	json_close_object(&json);
	json_print(&line);
	return 0;
}

static int load(struct repo *repo, const char *spec, struct pg_scan *ret,
		char label[LABEL_TEXT], struct err *err)
{
	OWNED_TARGET struct target target = TARGET_INIT;
	OWNED_BUF struct buf text = BUF_INIT;
	struct getter getter;
	uint64_t size;
	size_t got = 0;
	int r;

	r = target_open_at(repo, spec, PG_SCAN_FILE, &target, err);
	if (r < 0)
		return r;
	snapshot_label(&target.snapshot.record, label);
	size = target.node.entry.size;
	if (target.node.entry.type != ENTRY_FILE || size > PG_SCAN_BYTES_MAX)
		return err_set(err, -EBADMSG, "%s is no scan of 'varve pg "
			       "audit'", label);
	if (buf_reserve(&text, (size_t)size + 1) < 0)
		return err_nomem(err);
	getter = tree_getter(target.tree);
	while (r == 0 && text.len < size) {
		r = content_read_into(&getter, &target.node.entry.content,
				      size, text.len, text.data + text.len,
				      (size_t)size - text.len, &got, err);
		if (r == 0 && got == 0)
			r = err_corrupt(err, "it ends early");
		text.len += r == 0 ? got : 0;
	}
	if (r == 0)
		r = pg_scan_read(buf_span(&text), ret, err);
	return r < 0 ? err_wrap(err, "%s", label) : 0;
}

int pg_audit_diff(struct tool *tool, struct err *err)
{
	static const char *const heads[] = { "<CLUSTER", "<BEFORE", "<AFTER" };
	const struct options *o = &tool->options;
	OWNED_PG_SCAN struct pg_scan a = { .count = 0 }, b = { .count = 0 };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 3);
	char before[LABEL_TEXT], after[LABEL_TEXT];
	struct comparing c = { .tool = tool, .table = table };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_BUF struct buf former = BUF_INIT;
	int r;

	if (o->word_count < 2 || o->word_count > 3)
		return err_set(err, -EINVAL, "'varve pg audit --diff' takes "
			       "a source, or two snapshots");
	if (!table)
		return err_nomem(err);
	buf_printf(&former, "%s%s", o->words[1], o->word_count == 2 ? "@-1" :
		   "");
	if (!buf_str(&former))
		return err_nomem(err);
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = load(repo, (char *)former.data, &a, before, err);
	if (r >= 0)
		r = load(repo, o->words[o->word_count - 1], &b, after, err);
	if (r >= 0)
		r = pg_scan_diff(&a, &b, show_change, &c, err);
	if (r < 0)
		return r;
	if (!tool->json && c.count)
		table_print(table);
	say(tool, "%s from %s to %s.", c.count ?
	    counted(c.count, "change").s : "No change", before, after);
	return DONE;
}
