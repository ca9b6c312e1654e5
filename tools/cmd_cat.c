#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/out/export.h"
#include "fs/tree/view.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/target.h"

#define STEP (1u << 20)

static int write_out(const uint8_t *bytes, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot write to standard output");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int cat_node(struct target *t, const char *text, uint8_t *bytes,
		    struct err *err)
{
	const struct entry *e = &t->node.entry;
	struct getter getter = tree_getter(t->tree);
	uint64_t at = 0;
	size_t got;
	int r;

	if (e->type == ENTRY_SYMLINK) {
		err_set(err, -ELOOP, "'%s' is a symbolic link", text);
		err_hint(err, "it points to '%.*s'", (int)e->target.len,
			 e->target.data);
		return -ELOOP;
	}
	if (e->type != ENTRY_FILE) {
		r = err_set(err, e->type == ENTRY_DIR ? -EISDIR : -ENODEV,
			    "'%s' is a %s", text, type_name(e->type));
		if (e->type == ENTRY_DIR)
			err_hint(err, "'varve ls' lists it; --as tar packs "
				 "it");
		return r;
	}
	for (; at < e->size; at += got) {
		r = content_read_into(&getter, &e->content, e->size, at,
				      bytes, STEP, &got, err);
		if (r < 0)
			return err_wrap(err, "cannot read '%s' beyond byte "
					"%llu", text, (unsigned long long)at);
		if (got == 0)
			return err_corrupt(err, "'%s' ends early", text);
		r = write_out(bytes, got, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void view_close_ptr(struct view **view)
{
	if (*view)
		view_close(*view);
}

static int cat_view(struct target *t, const char *text, uint8_t *bytes,
		    struct err *err)
{
	CLEANUP(view_close_ptr) struct view *view = NULL;
	uint64_t at = 0;
	size_t got;
	int r;

	if (id_is_none(&t->snapshot.record.view)) {
		r = err_set(err, -ENOENT,
			    "the original stream of '%s' was not kept", text);
		err_hint(err, "its files are there: 'varve ls %s', 'varve "
			 "restore'", text);
		return r;
	}
	r = view_open(t->tree, &view, err);
	if (r < 0)
		return r;
	for (; at < view_size(view); at += got) {
		r = view_read(view, at, bytes, STEP, &got, err);
		if (r < 0)
			return err_wrap(err, "cannot read the original of "
					"'%s'", text);
		if (got == 0)
			return err_corrupt(err, "the original of '%s' ends "
					   "early", text);
		r = write_out(bytes, got, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Packing. */

static int put_out(void *arg, struct span bytes, struct err *err)
{
	(void)arg;
	return write_out(bytes.data, bytes.len, err);
}

static void show_warning(void *arg, const char *sentence)
{
	(void)arg;
	progress_wipe();
	warn("%s", sentence);
}

static void show_progress(void *arg, uint64_t files, uint64_t bytes)
{
	struct progress_state state = {
		.phase = "packing", .done = bytes, .total = NOT_KNOWN,
		.is_bytes = true, .files = files, .grown = NOT_KNOWN,
	};

	(void)arg;
	progress_show(&state);
}

static int check_pack(const struct tool *tool, enum export_format *ret,
		      struct err *err)
{
	const struct options *o = &tool->options;
	int r = export_format_parse(option_value(o, "as"), ret, err);

	if (r < 0)
		return r;
	if (option_given(o, "original"))
		return err_set(err, -EINVAL, "--as and --original exclude each "
			       "other");
	if (o->word_count > 1) {
		err_set(err, -EINVAL, "--as packs one directory at a time");
		return err_hint(err, "a snapshot is one: 'varve cat --as %s "
				"SNAPSHOT'", option_value(o, "as"));
	}
	if (isatty(STDOUT_FILENO) != 1)
		return 0;
	err_set(err, -EINVAL, "an archive is nothing for a terminal");
	return err_hint(err, "let it go to a file ('> FILE') or to a command "
			"('| tar -t')");
}

/* A line of progress would stand between what another command says. */
static bool goes_to_file(void)
{
	struct stat st;

	return fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

static int pack(const struct tool *tool, struct target *t, const char *text,
		enum export_format format, struct err *err)
{
	const struct record *record = &t->snapshot.record;
	struct export_options options = {
		.format = format, .to = { put_out, NULL },
		.warn = show_warning, .stop = &stopped,
		.progress = goes_to_file() ? show_progress : NULL,
	};
	struct export_report report;
	int r;

	if (t->node.entry.type == ENTRY_SOCKET)
		return err_set(err, -ENODEV, "'%s' is a socket, which a tar "
			       "archive cannot hold", text);
	progress_start(tool->quiet);
	r = export_tree(t->tree, &t->node, &options, &report, err);
	progress_end();
	if (r == -EBADMSG) {
		err_wrap(err, "the archive ends early");
		err_hint(err, "'varve restore' gives all that is whole of '%s'",
			 text);
	}
	if (r < 0)
		return r;
	if (!record->incomplete)
		return DONE;
	warn("'%s' is incomplete: %s", t->spec, record->incomplete);
	return INCOMPLETE;
}

static int run_pack(struct tool *tool, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TARGET struct target target = TARGET_INIT;
	const char *text = tool->options.words[0];
	enum export_format format;
	int r = check_pack(tool, &format, err);

	if (r == 0)
		r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = target_open(repo, text, &target, err);
	if (r < 0)
		return r;
	catch_stop();
	return pack(tool, &target, text, format, err);
}

static int run(struct tool *tool, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	CLEANUP(free_ptr) uint8_t *bytes = malloc(STEP);
	const struct options *o = &tool->options;
	bool original = option_given(o, "original");
	int r = 0;

	if (option_given(o, "as"))
		return run_pack(tool, err);
	if (!bytes)
		return err_nomem(err);
	r = tool_open(tool, REPO_READ, &repo, err);
	for (size_t i = 0; r >= 0 && i < o->word_count; i++) {
		OWNED_TARGET struct target target = TARGET_INIT;

		r = target_open(repo, o->words[i], &target, err);
		if (r < 0)
			break;
		r = original ? cat_view(&target, o->words[i], bytes, err) :
			       cat_node(&target, o->words[i], bytes, err);
	}
	return r < 0 ? r : DONE;
}

static const struct option_def options[] = {
	{ .name = "as", .arg = "FORMAT",
	  .help = "of a directory: all of it, packed as tar, tar.gz or "
		  "tar.zst" },
	{ .name = "original",
	  .help = "of SNAPSHOT: the stream it was read from (the .tar, "
		  "without its outer compression), byte for byte" },
	{ .name = NULL },
};

const struct command command_cat = {
	.name = "cat",
	.words = "SNAPSHOT:PATH...\n--as FORMAT SNAPSHOT[:PATH]\n"
		 "--original SNAPSHOT",
	.about = "the bytes of files of a snapshot",
	.text = "Writes the bytes of each file to standard output. Every "
		"byte was checked against its hash before it is written; "
		"holes come out as zeros. A directory comes out as an "
		"archive, with --as.",
	.example = "varve cat web/etc:nginx/nginx.conf\n"
		   "varve cat --as tar.gz web/etc:nginx | ssh host tar -xz\n"
		   "varve cat --original cpd30/dv@2021-01-22 | tar -t",
	.options = options,
	.common = TAKES_STORE | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_NODE,
	.run = run,
};
