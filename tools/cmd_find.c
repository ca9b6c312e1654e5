#include <fnmatch.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>

#include "tools/barren.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/target.h"

struct size_test {		/* --size: +N over, -N under, N just */
	char sign;		/* '+', '-', '=', 0: none */
	uint64_t bytes;
};

struct search {
	const struct tool *tool;
	const char *glob;	/* NULL: every name */
	bool on_path;		/* the pattern is for the path */
	bool has_regex;
	regex_t regex;
	int fold;		/* FNM_CASEFOLD or 0 */
	struct size_test over, under;
	bool has_newer, has_older;
	struct stamp newer, older;
	const char *types;	/* "fd"; NULL: all */
	const char *source;
	bool latest;

	struct barren *barren;
	const struct snapshot *snapshot;
	char label[LABEL_TEXT];
	struct table *table;	/* -l */
	uint64_t found;
};

static bool matches_name(const struct search *s, const char *path,
			 struct span name)
{
	char last[NAME_BYTES_MAX + 1];

	if (s->has_regex)
		return regexec(&s->regex, path, 0, NULL, 0) == 0;
	if (!s->glob)
		return true;
	if (s->on_path)
		return fnmatch(s->glob, path, s->fold) == 0;
	memcpy(last, name.data, name.len);
	last[name.len] = '\0';
	return fnmatch(s->glob, last, s->fold) == 0;
}

static bool matches_size(const struct size_test *test, uint64_t size)
{
	switch (test->sign) {
	case '+':
		return size > test->bytes;
	case '-':
		return size < test->bytes;
	case '=':
		return size == test->bytes;
	}
	return true;
}

static bool matches(const struct search *s, const char *path,
		    const struct entry *e)
{
	bool sized = s->over.sign || s->under.sign;

	if (s->types && !strchr(s->types, type_letter(e->type)))
		return false;
	if (sized && e->type != ENTRY_FILE)
		return false;
	if (!matches_size(&s->over, e->size) ||
	    !matches_size(&s->under, e->size))
		return false;
	if (s->has_newer && stamp_cmp(e->mtime, s->newer) < 0)
		return false;
	if (s->has_older && stamp_cmp(e->mtime, s->older) >= 0)
		return false;
	return matches_name(s, path, e->name);
}

static void put_found_json(struct search *s, const char *path,
			   const struct node *node)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char id[SHORT_ID + 1];
	struct json json;

	snapshot_short_id(&s->snapshot->record, id);
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "snapshot", s->label);
	json_str(&json, "id", id);
	json_name(&json, "path", span_str(path));
	json_entry(&json, &node->entry);
	json_close_object(&json);
	json_print(&line);
}

static void put_found_long(struct search *s, const char *path,
			   const struct node *node)
{
	char mode[MODE_TEXT], size[SIZE_TEXT], when[STAMP_TEXT];
	OWNED_BUF struct buf name = BUF_INIT;

	mode_text(node->entry.type, node->entry.mode, mode);
	size_text(node->entry.size, size);
	stamp_local(node->entry.mtime, NULL, when);
	buf_printf(&name, "%s:%s", s->label, path);
	table_cell(s->table, mode);
	table_cell(s->table, size);
	table_cell(s->table, when);
	table_cell(s->table, buf_str(&name) ? (char *)name.data : path);
}

static void put_found(struct search *s, const char *path,
		      const struct node *node)
{
	s->found++;
	if (s->tool->json) {
		put_found_json(s, path, node);
	} else if (s->table) {
		put_found_long(s, path, node);
	} else {
		printf("%s:", s->label);
		if (option_given(&s->tool->options, "null")) {
			fwrite(path, 1, strlen(path) + 1, stdout);
			return;
		}
		name_print(stdout, span_str(path));
		fputc('\n', stdout);
	}
}

static int look_at(void *arg, const char *path, unsigned depth,
		   const struct node *node, struct err *err)
{
	struct search *s = arg;
	const struct entry *e = &node->entry;
	int r;

	if (stopped)
		return err_set(err, -ECANCELED, "stopped");
	if (depth > 0 && matches(s, path, e)) {
		put_found(s, path, node);
		barren_found(s->barren, depth);
	}
	if (e->type != ENTRY_DIR)
		return 0;
	r = barren_enter(s->barren, depth, &e->tree,
			 s->on_path || s->has_regex ? path : "", err);
	return r > 0 ? TREE_SKIP : r;
}

static int search_snapshot(struct search *s, struct repo *repo,
			   const struct snapshot *snapshot, struct err *err)
{
	struct node root = NODE_INIT;
	struct tree *tree;
	int r;

	s->snapshot = snapshot;
	snapshot_label(&snapshot->record, s->label);
	r = tree_open(repo, &snapshot->record, &tree, err);
	if (r < 0)
		return err_wrap(err, "cannot search '%s'", s->label);
	r = tree_root(tree, &root, err);
	if (r >= 0)
		r = tree_walk(tree, &root, look_at, s, err);
	if (r >= 0)
		barren_finish(s->barren);
	else
		barren_abandon(s->barren);
	node_release(&root);
	tree_close(tree);
	return r < 0 ? err_wrap(err, "cannot search '%s'", s->label) : 0;
}

/* One damaged snapshot must not hide what the others hold. */
static int search_or_tell(struct search *s, struct repo *repo,
			  const struct snapshot *snapshot, int *status,
			  struct err *err)
{
	int r = search_snapshot(s, repo, snapshot, err);

	if (r == -ECANCELED || r == -ENOMEM || r >= 0)
		return r;
	complain(err);
	*status = exit_status_of(r);
	return 0;
}

static int search_named(struct search *s, struct repo *repo, int *status,
			struct err *err)
{
	const struct options *o = &s->tool->options;
	const char *spec;
	int r = 0;

	for (size_t n = 0; r >= 0 && (spec = option_nth(o, "snapshot", n));
	     n++) {
		CLEANUP(snapshot_release)
		struct snapshot one = { .forgotten = false };

		r = find_snapshot(repo, spec, OLDER_TOLD, &one, err);
		if (r >= 0)
			r = search_or_tell(s, repo, &one, status, err);
	}
	return r;
}

/* A source without a good snapshot is not searched, which is said. */
static int search_latest(struct search *s, struct repo *repo,
			 const char *source, int *status, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot one = { .forgotten = false };
	struct err why = ERR_INIT;
	int r = find_snapshot(repo, source, OLDER_TOLD, &one, &why);

	if (r == -ENOENT) {
		warn_of(&why);
		return 0;
	}
	if (r < 0) {
		*err = why;
		return r;
	}
	return search_or_tell(s, repo, &one, status, err);
}

static int search_all(struct search *s, struct repo *repo, int *status,
		      struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	int r;

	r = snapshots_load(repo, s->source, false, &list, err);
	for (size_t i = 0; r >= 0 && i < list.count; i++) {
		const char *source = list.row[i].record.source;

		/* rows of a source stand together */
		if (!s->latest)
			r = search_or_tell(s, repo, &list.row[i], status, err);
		else if (i == 0 || strcmp(list.row[i - 1].record.source,
					  source))
			r = search_latest(s, repo, source, status, err);
	}
	return r;
}

static int parse_size_test(const char *text, struct search *s,
			   struct err *err)
{
	char sign = text[0] == '+' || text[0] == '-' ? text[0] : '=';
	struct size_test *test = sign == '-' ? &s->under : &s->over;
	int r = size_parse(text + (sign != '='), &test->bytes, err);

	if (r < 0)
		return err_wrap(err, "--size");
	test->sign = sign;
	return 0;
}

/* A point in time, or a length of time before now. */
static int parse_when(const char *text, const char *name, struct stamp *ret,
		      struct err *err)
{
	struct err ignored = ERR_INIT;
	bool zoned;
	int64_t ago;

	if (duration_parse(text, &ago, &ignored) >= 0) {
		*ret = stamp_now();
		ret->s -= ago;
		return 0;
	}
	if (stamp_parse(text, NULL, ret, &zoned, err) < 0)
		return err_wrap(err, "--%s", name);
	return 0;
}

static int parse_times(struct search *s, struct err *err)
{
	const char *newer = option_value(&s->tool->options, "newer");
	const char *older = option_value(&s->tool->options, "older");
	int r = 0;

	if (newer) {
		s->has_newer = true;
		r = parse_when(newer, "newer", &s->newer, err);
	}
	if (r >= 0 && older) {
		s->has_older = true;
		r = parse_when(older, "older", &s->older, err);
	}
	return r;
}

static int parse_pattern(struct search *s, struct err *err)
{
	const struct options *o = &s->tool->options;
	const char *pattern = o->word_count ? o->words[0] : NULL;
	int flags = REG_EXTENDED | REG_NOSUB | (s->fold ? REG_ICASE : 0);
	char words[256];
	int r;

	if (!option_given(o, "regex")) {
		s->glob = pattern;
		s->on_path = pattern && strchr(pattern, '/');
		if (s->on_path && pattern[0] == '/')
			s->glob++;
		return 0;
	}
	if (!pattern)
		return err_set(err, -EINVAL, "--regex needs a pattern");
	r = regcomp(&s->regex, pattern, flags);
	if (r != 0) {
		regerror(r, &s->regex, words, sizeof(words));
		return err_set(err, -EINVAL, "'%s': %s", pattern, words);
	}
	s->has_regex = true;
	return 0;
}

static int parse_search(struct search *s, struct err *err)
{
	const struct options *o = &s->tool->options;
	const char *test;
	int r;

	s->fold = option_given(o, "ignore-case") ? FNM_CASEFOLD : 0;
	s->source = option_value(o, "source");
	s->latest = option_given(o, "latest");
	s->types = option_value(o, "type");
	if (s->types && s->types[strspn(s->types, "fdlcbps,")])
		return err_set(err, -EINVAL, "'--type %s': types are f, d, l, "
			       "c, b, p and s", s->types);
	for (size_t n = 0; (test = option_nth(o, "size", n)); n++)
		if (parse_size_test(test, s, err) < 0)
			return -EINVAL;
	r = parse_times(s, err);
	return r < 0 ? r : parse_pattern(s, err);
}

static int search_everywhere(struct search *s, struct err *err)
{
	static const char *const heads[] = {
		"<MODE", ">SIZE", "<MODIFIED", "<SNAPSHOT:PATH",
	};
	OWNED_REPO struct repo *repo = NULL;
	const struct tool *tool = s->tool;
	int status = DONE, r;

	if (option_given(&tool->options, "long") && !tool->json)
		s->table = table_new(stdout, heads, 4);
	s->barren = barren_new();
	if (!s->barren)
		return err_nomem(err);
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0 && option_given(&tool->options, "snapshot"))
		r = search_named(s, repo, &status, err);
	else if (r >= 0)
		r = search_all(s, repo, &status, err);
	if (s->table && s->found)
		table_print(s->table);
	if (r >= 0 && s->found == 0)
		say(tool, "Nothing found.");
	return r < 0 ? r : status;
}

static int run(struct tool *tool, struct err *err)
{
	struct search s = { .tool = tool };
	int r;

	r = parse_search(&s, err);
	if (r >= 0) {
		catch_stop();
		r = search_everywhere(&s, err);
	}
	barren_free(s.barren);
	table_free(s.table);
	if (s.has_regex)
		regfree(&s.regex);
	return r;
}

static const struct option_def options[] = {
	{ .name = "regex",
	  .help = "PATTERN is an extended regular expression on the path" },
	{ .letter = 'i', .name = "ignore-case",
	  .help = "upper and lower case are the same" },
	{ .name = "type", .arg = "LETTERS", .type = WORD_TYPE,
	  .help = "only these: f file, d directory, l symbolic link, c and b "
		  "device, p fifo, s socket" },
	{ .name = "size", .arg = "[+|-]N",
	  .help = "files over, under or of N bytes (K, M, G, T: powers of "
		  "1024); may be given twice for a range" },
	{ .name = "newer", .arg = "TIME",
	  .help = "modified at TIME or later; also an age, as 26h or 7d" },
	{ .name = "older", .arg = "TIME", .help = "modified before TIME" },
	{ .name = "source", .arg = "GLOB", .type = WORD_SOURCE,
	  .help = "only in snapshots of these sources" },
	{ .name = "snapshot", .arg = "SNAPSHOT", .type = WORD_SNAPSHOT,
	  .help = "only in this snapshot; may be given again" },
	{ .name = "latest",
	  .help = "only in the newest good snapshot of each source" },
	{ .letter = 'l', .name = "long", .help = "mode, size and time too" },
	{ .letter = '0', .name = "null",
	  .help = "lines end in a zero byte instead of a new line" },
	{ .name = NULL },
};

const struct command command_find = {
	.name = "find",
	.words = "[PATTERN]",
	.about = "search names in all snapshots",
	.text = "Finds files by name in every snapshot and prints "
		"SNAPSHOT:PATH lines, which 'varve cat' and 'varve restore' "
		"take. PATTERN is a glob on the name; where it holds a '/' "
		"it is one on the whole path (a '*' then also spans '/'). "
		"Directories that are equal in many snapshots are searched "
		"once where they hold nothing.",
	.example = "varve find 'pg_hba.conf*'\n"
		   "varve find --latest --size +1G --newer 7d",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 1,
	.word_type = WORD_TEXT,
	.run = run,
};
