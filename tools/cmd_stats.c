#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/metrics.h"
#include "tools/target.h"

struct totals {
	const char *source;
	uint64_t snapshots, incomplete, forgotten;
	uint64_t files, bytes, new_bytes;
	const struct record *newest;
};

static void add_snapshot(struct totals *t, const struct snapshot *s)
{
	if (s->forgotten) {
		t->forgotten++;
		return;
	}
	t->snapshots++;
	t->incomplete += s->record.incomplete != NULL;
	t->files += s->record.files;
	/* Holes are bytes, too: a few files may come to more than 2^64. */
	if (__builtin_add_overflow(t->bytes, s->record.bytes, &t->bytes))
		t->bytes = UINT64_MAX;
	t->new_bytes += s->record.new_bytes;
	t->newest = &s->record;
}

static double ratio(uint64_t plain, uint64_t stored)
{
	return stored ? (double)plain / (double)stored : 0;
}

static void source_row(struct table *table, const struct totals *t)
{
	char text[SIZE_TEXT];

	table_cell(table, t->source);
	table_cellf(table, "%" PRIu64, t->snapshots);
	table_cellf(table, "%" PRIu64, t->files);
	size_text(t->bytes, text);
	table_cell(table, text);
	size_text(t->new_bytes, text);
	table_cell(table, text);
	if (t->new_bytes)
		table_cellf(table, "%.1f", ratio(t->bytes, t->new_bytes));
	else
		table_cell(table, "-");
	table_cell(table, t->newest ? t->newest->name : "-");
}

static void source_json(const struct totals *t)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "source", span_str(t->source));
	json_u64(&json, "snapshots", t->snapshots);
	json_u64(&json, "incomplete", t->incomplete);
	json_u64(&json, "forgotten", t->forgotten);
	json_u64(&json, "files", t->files);
	json_u64(&json, "bytes", t->bytes);
	json_u64(&json, "new_bytes", t->new_bytes);
	json_str(&json, "newest", t->newest ? t->newest->name : "");
	json_close_object(&json);
	json_print(&line);
}

static int per_source(const struct tool *tool, const struct snapshots *list,
		      struct err *err)
{
	static const char *const heads[] = {
		"<SOURCE", ">SNAPSHOTS", ">FILES", ">SIZE", ">NEW", ">RATIO",
		"<NEWEST",
	};
	OWNED_TABLE struct table *table = table_new(stdout, heads, 7);
	size_t i = 0;

	if (!table)
		return err_nomem(err);
	while (i < list->count) {
		struct totals t = { .source = list->row[i].record.source };

		for (; i < list->count &&
		       !strcmp(list->row[i].record.source, t.source); i++)
			add_snapshot(&t, &list->row[i]);
		if (tool->json)
			source_json(&t);
		else
			source_row(table, &t);
	}
	if (!tool->json)
		table_print(table);
	return DONE;
}

static int take_bytes(void *arg, int columns, const char **names,
		      const char **values, const int *types, struct err *err)
{
	uint64_t *bytes = arg;

	(void)names;
	(void)types;
	(void)err;
	if (columns > 0 && values[0])
		*bytes = strtoull(values[0], NULL, 10);
	return 0;
}

/* The catalog may be kept elsewhere, so its size is asked of itself. */
static uint64_t catalog_bytes(struct repo *repo)
{
	OWNED_BUF struct buf path = BUF_INIT;
	uint64_t bytes = 0;
	struct stat st;

	buf_printf(&path, "%s/catalog.db", repo_path(repo));
	if (buf_str(&path) && stat((char *)path.data, &st) == 0)
		return (uint64_t)st.st_size;
	catalog_query(repo_catalog(repo),
		      "SELECT page_count * page_size FROM "
		      "pragma_page_count(), pragma_page_size()",
		      take_bytes, &bytes, NULL);
	return bytes;
}

static void size_line(const char *what, uint64_t bytes)
{
	char text[SIZE_TEXT];

	size_text(bytes, text);
	printf("%-28s %14s  (%" PRIu64 ")\n", what, text, bytes);
}

static void whole_words(const struct totals *t, uint64_t sources,
			const struct catalog_object_stats *s,
			uint64_t catalog)
{
	printf("%-28s %14" PRIu64 "\n", "sources", sources);
	printf("%-28s %14" PRIu64 "\n", "snapshots", t->snapshots);
	printf("%-28s %14" PRIu64 "\n", "  of them incomplete",
	       t->incomplete);
	printf("%-28s %14" PRIu64 "\n", "forgotten, not yet pruned",
	       t->forgotten);
	printf("%-28s %14" PRIu64 "\n", "files in all snapshots", t->files);
	size_line("bytes in all snapshots", t->bytes);
	size_line("stored in packs", s->pack_bytes);
	printf("%-28s %14.1f\n", "ratio",
	       ratio(t->bytes, s->pack_bytes));
	printf("%-28s %14" PRIu64 "\n", "packs", s->packs);
	printf("%-28s %14" PRIu64 "\n", "objects", s->objects);
	size_line("catalog", catalog);
}

static void whole_json(const struct totals *t, uint64_t sources,
		       const struct catalog_object_stats *s, uint64_t catalog)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "sources", sources);
	json_u64(&json, "snapshots", t->snapshots);
	json_u64(&json, "incomplete", t->incomplete);
	json_u64(&json, "forgotten", t->forgotten);
	json_u64(&json, "files", t->files);
	json_u64(&json, "bytes", t->bytes);
	json_u64(&json, "pack_bytes", s->pack_bytes);
	json_double(&json, "ratio", ratio(t->bytes, s->pack_bytes));
	json_u64(&json, "packs", s->packs);
	json_u64(&json, "objects", s->objects);
	json_u64(&json, "catalog_runs", s->runs);
	json_u64(&json, "catalog_bytes", catalog);
	json_close_object(&json);
	json_print(&line);
}

static int whole(const struct tool *tool, struct repo *repo,
		 const struct snapshots *list, struct err *err)
{
	struct catalog_object_stats stats;
	struct totals t = { .source = NULL };
	uint64_t sources = 0;
	int r;

	for (size_t i = 0; i < list->count; i++) {
		sources += i == 0 || strcmp(list->row[i].record.source,
					    list->row[i - 1].record.source);
		add_snapshot(&t, &list->row[i]);
	}
	r = catalog_object_stats(repo_catalog(repo), &stats, err);
	if (r < 0)
		return r;
	if (tool->json)
		whole_json(&t, sources, &stats, catalog_bytes(repo));
	else
		whole_words(&t, sources, &stats, catalog_bytes(repo));
	return DONE;
}

static int write_all(FILE *out, const char *name, struct span text,
		     struct err *err)
{
	if (fwrite(text.data, 1, text.len, out) != text.len || fflush(out))
		return err_sys(err, "cannot write '%s'", name);
	return 0;
}

/*
 * Whoever reads path finds the text whole, the old one or the new.  What it is
 * called until then ends in no ".prom", which the collector takes up.
 */
static int put_file(const char *path, struct span text, struct err *err)
{
	mode_t mask = umask(0);
	char fresh[4200];
	int fd, r, n;
	FILE *out;

	umask(mask);
	n = snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(fresh))
		return err_set(err, -ENAMETOOLONG, "'%s' is too long", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot make a file beside '%s'", path);
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		unlink(fresh);
		return err_nomem(err);
	}
	r = write_all(out, path, text, err);
	if (r >= 0 && (fchmod(fd, 0666 & ~mask) < 0 || fsync(fd) < 0))
		r = err_sys(err, "cannot write '%s'", path);
	fclose(out);
	if (r >= 0 && rename(fresh, path) < 0)
		r = err_sys(err, "cannot rename '%s' to '%s'", fresh, path);
	if (r < 0)
		unlink(fresh);
	return r;
}

static int prometheus(const struct tool *tool, struct repo *repo,
		      const struct snapshots *list, struct err *err)
{
	const char *path = option_value(&tool->options, "output");
	OWNED_BUF struct buf text = BUF_INIT;
	int r = metrics_write(tool, repo, list, catalog_bytes(repo), &text,
			      err);

	if (r >= 0 && path)
		r = put_file(path, buf_span(&text), err);
	else if (r >= 0)
		r = write_all(stdout, "standard output", buf_span(&text), err);
	return r < 0 ? r : DONE;
}

static int check_use(const struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;

	if (option_given(o, "prometheus") &&
	    (tool->json || option_given(o, "sources")))
		return err_set(err, -EINVAL, "either --prometheus or --%s",
			       tool->json ? "json" : "sources");
	if (option_given(o, "output") && !option_given(o, "prometheus"))
		return err_set(err, -EINVAL, "--output is of --prometheus");
	return 0;
}

static int run(struct tool *tool, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	OWNED_REPO struct repo *repo = NULL;
	const struct options *o = &tool->options;
	const char *glob = o->word_count ? o->words[0] : NULL;
	int r = check_use(tool, err);

	if (r >= 0)
		r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = snapshots_load(repo, glob, true, &list, err);
	if (r < 0)
		return r;
	if (glob && list.count == 0) {
		r = err_set(err, -ENOENT, "no source '%s' in '%s'", glob,
			    tool->store);
		err_hint(err, "'varve list' names the sources there are");
		return r;
	}
	if (option_given(o, "prometheus"))
		return prometheus(tool, repo, &list, err);
	if (glob || option_given(o, "sources"))
		return per_source(tool, &list, err);
	return whole(tool, repo, &list, err);
}

static const struct option_def options[] = {
	{ .name = "sources", .help = "one line for each source" },
	{ .name = "prometheus",
	  .help = "as the textfile collector of Prometheus' node_exporter "
		  "reads it" },
	{ .letter = 'o', .name = "output", .arg = "FILE", .type = WORD_FILE,
	  .help = "put that into FILE, whole or not at all" },
	{ .name = NULL },
};

const struct command command_stats = {
	.name = "stats",
	.words = "[SOURCE]",
	.about = "how much the store holds and what it costs",
	.text = "Shows totals of the store, or of each source that SOURCE "
		"(a name or a glob) matches. NEW is what a source's "
		"snapshots added to the store when they were taken; what "
		"others had brought before is not in it.",
	.example = "varve stats\nvarve stats 'lab/*'\n"
		   "varve stats --prometheus "
		   "-o /var/lib/prometheus/node-exporter/varve.prom",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = 1,
	.word_type = WORD_SOURCE,
	.run = run,
};
