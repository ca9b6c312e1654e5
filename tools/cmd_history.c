#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

/* A run of snapshots in which the path was the same, or was not there. */
struct version {
	const struct snapshot *first, *last;
	uint64_t snapshots;
	bool absent;
	struct node node;	/* of the first; empty where absent */
};

struct history {
	const struct tool *tool;
	struct table *table;
	struct version now;
	uint64_t versions;
};

static bool same_node(const struct node *na, const struct node *nb)
{
	const struct entry *a = &na->entry, *b = &nb->entry;

	return a->type == b->type && a->mode == b->mode &&
	       a->size == b->size && a->uid == b->uid && a->gid == b->gid &&
	       stamp_cmp(a->mtime, b->mtime) == 0 &&
	       span_equal(a->target, b->target) &&
	       id_equal(&a->tree, &b->tree) &&
	       content_equal(&a->content, &b->content);
}

static void print_json(const struct version *v)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT];
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	snapshot_label(&v->first->record, label);
	json_str(&json, "first", label);
	snapshot_label(&v->last->record, label);
	json_str(&json, "last", label);
	json_u64(&json, "snapshots", v->snapshots);
	json_bool(&json, "absent", v->absent);
	if (!v->absent)
		json_entry(&json, &v->node.entry);
	json_close_object(&json);
	json_print(&line);
}

static void put_row(struct table *table, const struct version *v)
{
	char mode[MODE_TEXT], text[STAMP_TEXT];

	table_cell(table, v->first->record.name);
	table_cell(table, v->last->record.name);
	table_cellf(table, "%" PRIu64, v->snapshots);
	if (v->absent) {
		table_cell(table, "(not there)");
		table_cell(table, "");
		table_cell(table, "");
		return;
	}
	mode_text(v->node.entry.type, v->node.entry.mode, mode);
	table_cell(table, mode);
	table_cellf(table, "%" PRIu64, v->node.entry.size);
	stamp_local(v->node.entry.mtime, NULL, text);
	table_cell(table, text);
}

/* Before its first version a file simply was not there yet. */
static void end_version(struct history *h)
{
	struct version *v = &h->now;

	if (v->first && (!v->absent || h->versions > 0)) {
		if (h->tool->json)
			print_json(v);
		else
			put_row(h->table, v);
		if (!v->absent)
			h->versions++;
	}
	node_release(&v->node);
	memset(v, 0, sizeof(*v));
}

static void take(struct history *h, const struct snapshot *s,
		 const struct node *node)
{
	struct version *v = &h->now;
	bool same = v->first && (node ? !v->absent &&
				 same_node(&v->node, node) : v->absent);

	if (!same) {
		end_version(h);
		v->first = s;
		v->absent = !node;
		if (node)
			node_copy(node, &v->node);
	}
	v->last = s;
	v->snapshots++;
}

static int look_into(struct history *h, struct repo *repo,
		     const struct snapshot *s, const char *path,
		     struct err *err)
{
	struct node node = NODE_INIT;
	struct tree *tree;
	int r;

	r = tree_open(repo, &s->record, &tree, err);
	if (r < 0)
		return r;
	r = tree_find(tree, path, &node, err);
	if (r >= 0)
		take(h, s, &node);
	else if ((r == -ENOENT || r == -ENOTDIR) && !s->record.incomplete)
		take(h, s, NULL);
	node_release(&node);
	tree_close(tree);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

static int walk(struct history *h, struct repo *repo, const char *source,
		const char *path, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	uint64_t seen = 0;
	int status = DONE, r;

	r = snapshots_load(repo, NULL, false, &list, err);
	for (size_t i = 0; r >= 0 && i < list.count; i++) {
		struct snapshot *s = &list.row[i];
		char label[LABEL_TEXT];

		if (strcmp(s->record.source, source))
			continue;
		seen++;
		r = look_into(h, repo, s, path, err);
		if (r >= 0 || r == -ENOMEM)
			continue;
		snapshot_label(&s->record, label);
		err_wrap(err, "cannot look into '%s'", label);
		complain(err);
		status = exit_status_of(r);
		r = 0;
	}
	end_version(h);
	if (r >= 0 && seen == 0) {
		r = err_set(err, -ENOENT, "no source '%s' in this store",
			    source);
		err_hint(err, "'varve list' names the sources there are");
	}
	return r < 0 ? r : status;
}

static int run(struct tool *tool, struct err *err)
{
	static const char *const heads[] = {
		"<FIRST IN", "<LAST IN", ">SNAPSHOTS", "<MODE", ">SIZE",
		"<MODIFIED",
	};
	struct history h = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TABLE struct table *table = table_new(stdout, heads, 6);
	CLEANUP(free_ptr) char *source = NULL;
	const char *path;
	int r;

	r = target_split(tool->options.words[0], &source, &path, err);
	if (r >= 0 && (!path || strchr(source, '@')))
		r = err_set(err, -EINVAL,
			    "'%s' is not SOURCE:PATH", tool->options.words[0]);
	if (r >= 0 && !table)
		r = err_nomem(err);
	if (r >= 0)
		r = tool_open(tool, REPO_READ, &repo, err);
	if (r < 0)
		return r;
	h.table = table;
	r = walk(&h, repo, source, path, err);
	if (r < 0)
		return r;
	if (h.versions == 0) {
		r = err_set(err, -ENOENT, "no snapshot of '%s' has '%s'",
			    source, path);
		err_hint(err, "'varve find' searches by name");
		return r;
	}
	if (!tool->json)
		table_print(table);
	return r;
}

const struct command command_history = {
	.name = "history",
	.words = "SOURCE:PATH",
	.about = "every distinct version of one file",
	.text = "Shows the versions of a file over all snapshots of its "
		"source: from which snapshot to which it was the same by "
		"content, size, time, mode and owner, and when it was not "
		"there. That a file is missing in an incomplete snapshot "
		"says nothing and is not counted.",
	.example = "varve history web/etc:nginx/nginx.conf",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = 1,
	.word_type = WORD_NODE,
	.run = run,
};
