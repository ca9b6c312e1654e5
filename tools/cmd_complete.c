#include <stdlib.h>

#include "indexer/reader.h"
#include "tools/commands.h"
#include "tools/target.h"

/* What Tab offers: never an error, never a word but the answers. */

#define OFFERS_MAX 2000

static void offer(const char *word, const char *end, const char *prefix)
{
	if (!strncmp(word, prefix, strlen(prefix)))
		printf("%s%s\n", word, end);
}

static void offer_snapshots(const struct snapshots *list, const char *prefix,
			    const char *end, bool with_times)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct record *r = &list->row[i].record;
		OWNED_BUF struct buf label = BUF_INIT;

		if (i == 0 || strcmp(r->source,
				     list->row[i - 1].record.source))
			offer(r->source, end, prefix);
		/* Times only once it is clear whose: there are many. */
		if (!with_times || !strchr(prefix, '@'))
			continue;
		buf_printf(&label, "%s@%s", r->source, r->name);
		if (buf_str(&label))
			offer((char *)label.data, end, prefix);
	}
}

static void offer_entry(const char *before, const struct node *node,
			const char *begun)
{
	struct span name = node->entry.name;
	OWNED_BUF struct buf word = BUF_INIT;

	/* A line is one offer. */
	if (memchr(name.data, '\n', name.len))
		return;
	buf_append(&word, name.data, name.len);
	if (buf_str(&word) &&
	    !strncmp((char *)word.data, begun, strlen(begun)))
		printf("%s%s%s\n", before, (char *)word.data,
		       node->entry.type == ENTRY_DIR ? "/" : "");
}

static void offer_nodes(struct repo *repo, const char *prefix)
{
	const char *slash = strrchr(prefix, '/');
	const char *colon = strchr(strncmp(prefix, "id:", 3) ? prefix :
				   prefix + 3, ':');
	const char *begun = slash && slash > colon ? slash + 1 : colon + 1;
	CLEANUP(free_ptr) char *before =
		strndup(prefix, (size_t)(begun - prefix));
	OWNED_TARGET struct target target = {
		.older = OLDER_UNTOLD, .node = NODE_INIT,
	};
	struct node nodes[64];
	uint64_t index = 0;
	size_t count = 1;

	if (!before || target_open(repo, before, &target, NULL) < 0 ||
	    target.node.entry.type != ENTRY_DIR)
		return;
	memset(nodes, 0, sizeof(nodes));
	while (count > 0 && index < OFFERS_MAX) {
		if (tree_list(target.tree, &target.node, index, nodes, 64,
			      &count, NULL) < 0)
			return;
		for (size_t i = 0; i < count; i++) {
			offer_entry(before, &nodes[i], begun);
			node_release(&nodes[i]);
		}
		index += count;
	}
}

static void offer_from_store(const struct tool *tool, const char *what,
			     const char *prefix)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	bool node = !strcmp(what, "node");
	bool has_path = strchr(strncmp(prefix, "id:", 3) ? prefix :
			       prefix + 3, ':') != NULL;

	if (!tool->store || tool_open(tool, REPO_READ, &repo, NULL) < 0)
		return;
	if (node && has_path) {
		offer_nodes(repo, prefix);
		return;
	}
	if (snapshots_load(repo, NULL, false, &list, NULL) < 0)
		return;
	offer_snapshots(&list, prefix, node ? ":" : "",
			strcmp(what, "source") != 0);
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	const char *what = o->words[0];
	const char *prefix = o->word_count > 1 ? o->words[1] : "";

	(void)err;
	if (!strcmp(what, "kind")) {
		for (size_t i = 0; readers[i]; i++)
			offer(readers[i]->kind, "", prefix);
		return DONE;
	}
	offer_from_store(tool, what, prefix);
	return DONE;
}

const struct command command_complete = {
	.name = "__complete",
	.words = "source|snapshot|node|kind [BEGINNING]",
	.about = "what the shell offers",
	.text = "Asked by the shell's completion.",
	.example = "varve __complete source we",
	.common = TAKES_STORE,
	.min_words = 1,
	.max_words = 2,
	.word_type = WORD_TEXT,
	.run = run,
	.hidden = true,
};
