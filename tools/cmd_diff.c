#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

struct difference {
	const struct tool *tool;
	bool verbose;
	uint64_t added, removed, changed, meta;
};

static char letter_of(unsigned kind)
{
	if (kind & DIFF_ADDED)
		return '+';
	if (kind & DIFF_REMOVED)
		return '-';
	if (kind & DIFF_TYPE)
		return 'T';
	return kind & DIFF_CONTENT ? 'M' : 'm';
}

static void count(struct difference *d, char letter)
{
	switch (letter) {
	case '+':
		d->added++;
		return;
	case '-':
		d->removed++;
		return;
	case 'm':
		d->meta++;
		return;
	}
	d->changed++;
}

static void attr_line(const char *what, const char *old, const char *new)
{
	if (strcmp(old, new))
		printf("    %s: %s -> %s\n", what, old, new);
}

static void attr_number(const char *what, uint64_t old, uint64_t new)
{
	if (old != new)
		printf("    %s: %" PRIu64 " -> %" PRIu64 "\n", what, old,
		       new);
}

static void attr_name(const char *what, struct span old, struct span new)
{
	if (span_equal(old, new))
		return;
	printf("    %s: ", what);
	name_print(stdout, old);
	fputs(" -> ", stdout);
	name_print(stdout, new);
	fputc('\n', stdout);
}

static bool xattr_same(const struct xattr *a, const struct xattr *b)
{
	return a->value_len == b->value_len &&
	       span_equal(a->value, b->value) && id_equal(&a->chunk, &b->chunk);
}

static const struct xattr *xattr_of(const struct entry *e, struct span name)
{
	for (uint32_t i = 0; i < e->xattr_count; i++)
		if (span_equal(e->xattrs[i].name, name))
			return &e->xattrs[i];
	return NULL;
}

static void xattr_line(struct span name, const char *what)
{
	fputs("    attribute ", stdout);
	name_print(stdout, name);
	printf(": %s\n", what);
}

static void print_xattrs(const struct entry *a, const struct entry *b)
{
	for (uint32_t i = 0; i < a->xattr_count; i++) {
		const struct xattr *was = &a->xattrs[i];
		const struct xattr *is = xattr_of(b, was->name);

		if (!is)
			xattr_line(was->name, "removed");
		else if (!xattr_same(was, is))
			xattr_line(was->name, "changed");
	}
	for (uint32_t i = 0; i < b->xattr_count; i++)
		if (!xattr_of(a, b->xattrs[i].name))
			xattr_line(b->xattrs[i].name, "added");
}

static void print_attributes(const struct node *na, const struct node *nb)
{
	const struct entry *a = &na->entry, *b = &nb->entry;
	char x[STAMP_TEXT], y[STAMP_TEXT];

	attr_line("type", type_name(a->type), type_name(b->type));
	if (a->type == ENTRY_FILE && b->type == ENTRY_FILE)
		attr_number("size", a->size, b->size);
	snprintf(x, sizeof(x), "%04o", a->mode);
	snprintf(y, sizeof(y), "%04o", b->mode);
	attr_line("mode", x, y);
	attr_number("uid", a->uid, b->uid);
	attr_number("gid", a->gid, b->gid);
	attr_name("user", a->uname, b->uname);
	attr_name("group", a->gname, b->gname);
	stamp_iso(a->mtime, x);
	stamp_iso(b->mtime, y);
	attr_line("mtime", x, y);
	attr_name("target", a->target, b->target);
	attr_number("major", a->dev_major, b->dev_major);
	attr_number("minor", a->dev_minor, b->dev_minor);
	attr_number("flags", a->flags, b->flags);
	attr_number("links", na->nlink, nb->nlink);
	print_xattrs(a, b);
}

static void print_json(char letter, const char *path, const struct node *a,
		       const struct node *b)
{
	static const char *const words[] = {
		['+'] = "added", ['-'] = "removed", ['M'] = "content",
		['m'] = "metadata", ['T'] = "type",
	};
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "change", words[(int)letter]);
	json_name(&json, "path", span_str(path));
	if (a) {
		json_open_object(&json, "old");
		json_entry(&json, &a->entry);
		json_close_object(&json);
	}
	if (b) {
		json_open_object(&json, "new");
		json_entry(&json, &b->entry);
		json_close_object(&json);
	}
	json_close_object(&json);
	json_print(&line);
}

static int print_change(void *arg, unsigned kind, const char *path,
			const struct node *a, const struct node *b,
			struct err *err)
{
	struct difference *d = arg;
	char letter = letter_of(kind);
	bool both = letter != '+' && letter != '-';

	(void)err;
	count(d, letter);
	if (d->tool->json) {
		print_json(letter, path, letter == '+' ? NULL : a,
			   letter == '-' ? NULL : b);
		return 0;
	}
	printf("%c ", letter);
	name_print(stdout, span_str(path[0] ? path : "."));
	fputc('\n', stdout);
	if (d->verbose && both)
		print_attributes(a, b);
	return 0;
}

/*
 * Open text, then go on to more below it (NULL: nowhere).  1 where there is no
 * such path, which is a difference like any other.
 */
static int open_below(struct repo *repo, const char *text, const char *more,
		      struct target *ret, struct err *err)
{
	struct node node = NODE_INIT;
	struct err ignored = ERR_INIT;
	CLEANUP(free_ptr) char *path = NULL;
	int r;

	r = target_open(repo, text, ret, err);
	if (r < 0 || !more)
		return r;
	if (asprintf(&path, "%s/%s", ret->path, more) < 0) {
		path = NULL;
		return err_nomem(err);
	}
	r = tree_find(ret->tree, path, &node, &ignored);
	if (r == -ENOENT || r == -ENOTDIR)
		return 1;
	if (r < 0) {
		*err = ignored;
		return r;
	}
	node_release(&ret->node);
	ret->node = node;
	return 0;
}

static int compare(struct difference *d, struct repo *repo, struct target *a,
		   struct target *b, struct err *err)
{
	const struct options *o = &d->tool->options;
	const char *more = o->word_count > 2 ? o->words[2] : NULL;
	int no_a, no_b;

	no_a = open_below(repo, o->words[0], more, a, err);
	if (no_a < 0)
		return no_a;
	no_b = open_below(repo, o->words[1], more, b, err);
	if (no_b < 0)
		return no_b;
	if (no_a && no_b)
		return err_set(err, -ENOENT, "neither '%s' nor '%s' has '%s'",
			       o->words[0], o->words[1], more);
	if (no_a)
		return print_change(d, DIFF_ADDED, ".", NULL, &b->node, err);
	if (no_b)
		return print_change(d, DIFF_REMOVED, ".", &a->node, NULL,
				    err);
	return tree_diff(a->tree, &a->node, b->tree, &b->node, print_change,
			 d, err);
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	struct difference d = { .tool = tool,
				.verbose = option_given(o, "verbose") };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TARGET struct target a = TARGET_INIT;
	OWNED_TARGET struct target b = TARGET_INIT;
	int r;

	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = compare(&d, repo, &a, &b, err);
	if (r < 0)
		return r;
	say(tool, "%" PRIu64 " added, %" PRIu64 " removed, %" PRIu64
	    " changed, %" PRIu64 " in metadata only.", d.added, d.removed,
	    d.changed, d.meta);
	if (option_given(o, "exit-code") &&
	    d.added + d.removed + d.changed + d.meta > 0)
		return FAILED;
	return DONE;
}

static const struct option_def options[] = {
	{ .letter = 'v', .name = "verbose",
	  .help = "say which attributes changed, old -> new" },
	{ .name = "exit-code",
	  .help = "exit with 1 where there are differences" },
	{ .name = NULL },
};

const struct command command_diff = {
	.name = "diff",
	.words = "SNAPSHOT[:PATH] SNAPSHOT[:PATH] [PATH]",
	.about = "what changed between two snapshots",
	.text = "Compares two snapshots, or directories or files of them; "
		"PATH is looked up in both. Lines begin with '+' (only in "
		"the second), '-' (only in the first), 'M' (content), 'm' "
		"(metadata only) or 'T' (another type). Directories that are "
		"equal are not read.",
	.example = "varve diff web/etc@-1 web/etc\n"
		   "varve diff -v web/etc@2021-01-22 web/etc nginx",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 2,
	.max_words = 3,
	.word_type = WORD_NODE,
	.run = run,
};
