#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

#define BATCH 256

struct listing {
	const struct tool *tool;
	struct target *target;
	struct table *table;	/* -l; else NULL */
	bool recursive, numeric, human, nul;
	const char *base;	/* of a single node: the path as given */
};

static void put_owner(struct table *table, struct span name, uint32_t number,
		      bool numeric)
{
	if (numeric || name.len == 0)
		table_cellf(table, "%" PRIu32, number);
	else
		table_cellf(table, "%.*s", (int)name.len, name.data);
}

static void put_size(const struct listing *l, const struct entry *e)
{
	char text[SIZE_TEXT];

	if (e->type == ENTRY_CHAR || e->type == ENTRY_BLOCK) {
		table_cellf(l->table, "%" PRIu32 ",%" PRIu32, e->dev_major,
			    e->dev_minor);
	} else if (l->human) {
		size_text(e->size, text);
		table_cell(l->table, text);
	} else {
		table_cellf(l->table, "%" PRIu64, e->size);
	}
}

static void put_long(const struct listing *l, const char *name,
		     const struct node *node)
{
	const struct entry *e = &node->entry;
	OWNED_BUF struct buf text = BUF_INIT;
	char mode[MODE_TEXT], when[STAMP_TEXT];

	mode_text(e->type, e->mode, mode);
	stamp_local(e->mtime, NULL, when);
	table_cellf(l->table, "%s%s", mode, e->xattr_count ? "+" : "");
	table_cellf(l->table, "%" PRIu64, node->nlink);
	put_owner(l->table, e->uname, e->uid, l->numeric);
	put_owner(l->table, e->gname, e->gid, l->numeric);
	put_size(l, e);
	table_cell(l->table, when);
	buf_append_str(&text, name);
	if (e->type == ENTRY_SYMLINK) {
		buf_append_str(&text, " -> ");
		buf_append(&text, e->target.data, e->target.len);
	}
	table_cell(l->table, buf_str(&text) ? (char *)text.data : name);
}

static void put_json(const struct listing *l, const char *name,
		     const struct node *node)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT];
	struct json json;

	snapshot_label(&l->target->snapshot.record, label);
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "snapshot", label);
	json_name(&json, "name", span_str(name));
	json_entry(&json, &node->entry);
	json_u64(&json, "links", node->nlink);
	json_close_object(&json);
	json_print(&line);
}

static void put_node(const struct listing *l, const char *name,
		     const struct node *node)
{
	if (l->tool->json) {
		put_json(l, name, node);
	} else if (l->table) {
		put_long(l, name, node);
	} else if (l->nul) {
		fwrite(name, 1, strlen(name) + 1, stdout);
	} else {
		name_print(stdout, span_str(name));
		fputc('\n', stdout);
	}
}

static int put_walked(void *arg, const char *path, unsigned depth,
		      const struct node *node, struct err *err)
{
	const struct listing *l = arg;

	(void)err;
	if (depth > 0)
		put_node(l, path, node);
	return 0;
}

static int list_dir(const struct listing *l, struct err *err)
{
	struct node nodes[BATCH];
	struct target *t = l->target;
	uint64_t index = 0;
	size_t count;
	int r;

	memset(nodes, 0, sizeof(nodes));
	do {
		r = tree_list(t->tree, &t->node, index, nodes, BATCH, &count,
			      err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++) {
			struct span s = nodes[i].entry.name;
			char name[NAME_BYTES_MAX + 1];

			memcpy(name, s.data, s.len);
			name[s.len] = '\0';
			put_node(l, name, &nodes[i]);
			node_release(&nodes[i]);
		}
		index += count;
	} while (count > 0);
	return 0;
}

static int list_target(struct listing *l, struct err *err)
{
	struct target *t = l->target;

	if (t->node.entry.type != ENTRY_DIR ||
	    option_given(&l->tool->options, "directory")) {
		put_node(l, t->path[0] ? t->path : ".", &t->node);
		return 0;
	}
	if (l->recursive)
		return tree_walk(t->tree, &t->node, put_walked, l, err);
	return list_dir(l, err);
}

static int list_one(struct listing *l, struct repo *repo, const char *text,
		    struct err *err)
{
	static const char *const heads[] = {
		"<MODE", ">LINKS", "<OWNER", "<GROUP", ">SIZE", "<MODIFIED",
		"<NAME",
	};
	OWNED_TARGET struct target target = TARGET_INIT;
	OWNED_TABLE struct table *table = NULL;
	int r;

	r = target_open(repo, text, &target, err);
	if (r < 0)
		return r;
	if (option_given(&l->tool->options, "long") && !l->tool->json) {
		table = table_new(stdout, heads, 7);
		if (!table)
			return err_nomem(err);
	}
	l->target = &target;
	l->table = table;
	r = list_target(l, err);
	if (table)
		table_print(table);
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	struct listing l = {
		.tool = tool,
		.recursive = option_given(o, "recursive"),
		.numeric = option_given(o, "numeric"),
		.human = option_given(o, "human"),
		.nul = option_given(o, "null"),
	};
	int r;

	r = tool_open(tool, REPO_READ, &repo, err);
	for (size_t i = 0; r >= 0 && i < o->word_count; i++) {
		if (o->word_count > 1 && !tool->json && !l.nul)
			printf("%s%s:\n", i ? "\n" : "", o->words[i]);
		r = list_one(&l, repo, o->words[i], err);
	}
	return r < 0 ? r : DONE;
}

static const struct option_def options[] = {
	{ .letter = 'l', .name = "long",
	  .help = "mode, links, owner, group, size, time ('+' behind the "
		  "mode: extended attributes or ACLs)" },
	{ .letter = 'R', .name = "recursive",
	  .help = "all that lies below, as paths" },
	{ .letter = 'd', .name = "directory",
	  .help = "the directory itself, not what is in it" },
	{ .letter = 'n', .name = "numeric", .help = "owners as numbers" },
	{ .letter = 'h', .name = "human", .help = "sizes as 1.5 MiB" },
	{ .letter = '0', .name = "null",
	  .help = "names end in a zero byte instead of a new line" },
	{ .letter = 'a', .name = "all",
	  .help = "taken and without effect: dot files are always shown" },
	{ .name = NULL },
};

const struct command command_ls = {
	.name = "ls",
	.words = "SNAPSHOT[:PATH]...",
	.about = "names in a directory of a snapshot, without mounting",
	.text = "Lists a directory of a snapshot, or one file. Without PATH "
		"it is the snapshot's top directory. Times are local.",
	.example = "varve ls -l web/etc:nginx\nvarve ls -R web/etc@-1:ssl",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_NODE,
	.run = run,
};
