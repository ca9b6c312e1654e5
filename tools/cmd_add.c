#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/tree/damage.h"
#include "tools/add_parts.h"
#include "tools/add_pvc.h"
#include "tools/add_report.h"
#include "tools/commands.h"
#include "tools/fifo.h"
#include "tools/format.h"
#include "tools/probe.h"
#include "tools/producer.h"
#include "tools/progress.h"
#include "tools/target.h"
#include "tools/pvc_visit.h"

#define TRIES 5			/* where other adds took ids meanwhile */
#define EXPAND_DEPTH 3		/* archives in archives, where not told */
#define EXPAND_MAX 16

struct adding {
	const struct tool *tool;
	struct repo *repo;
	struct exclude *exclude;
	struct record_pair *tags;
	size_t tag_count;
	uint64_t level, workers, expand;
	struct buf zone;

	/* of the input at hand */
	const char *path;	/* as given, "-", or the command's words */
	struct producer producer;
	bool produced;		/* it comes from producer */
	struct buf source;
	struct stamp time;
	const char *time_from;
	bool zoneless;
	struct add_warnings warnings;
};

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct adding *a = arg;

	add_warnings_take(&a->warnings, weight, sentence);
}

static const char *ask_producer(void *arg)
{
	struct adding *a = arg;

	return a->produced ? producer_end(&a->producer) : NULL;
}

/* When the data was captured. */
static int find_time(struct adding *a, const struct stat *st, struct err *err)
{
	const struct options *o = &a->tool->options;
	const char *tz = option_value(o, "tz");
	CLEANUP(free_ptr) char *whole = NULL;
	bool zoned;

	a->zoneless = false;
	if (option_given(o, "time")) {
		a->time_from = "option";
		if (stamp_parse(option_value(o, "time"), tz, &a->time, &zoned,
				err) < 0)
			return err_wrap(err, "--time");
		a->zoneless = !zoned;
		return 0;
	}
	if (st && !a->produced)
		whole = realpath(a->path, NULL);
	if (whole && stamp_from_path(whole, tz, &a->time) == 0) {
		a->time_from = "name";
		a->zoneless = true;
		return 0;
	}
	a->time = stamp_now();
	a->time.ns = 0;
	a->time_from = "now";
	if (st && S_ISREG(st->st_mode)) {
		a->time.s = st->st_mtim.tv_sec;
		a->time_from = "mtime";
	}
	return 0;
}

static int find_source(struct adding *a, struct err *err)
{
	const char *name = option_value(&a->tool->options, "source");
	int r;

	buf_clear(&a->source);
	if (name) {
		r = source_check_new(name, err);
		buf_append_str(&a->source, name);
		return r < 0 ? r : buf_check(&a->source, err);
	}
	if (a->produced || !strcmp(a->path, "-")) {
		r = err_set(err, -EINVAL, "a stream has no name");
		err_hint(err, "-s SOURCE names it, as -s web/etc");
		return r;
	}
	return source_from_path(a->path, &a->source, err);
}

static int ingest_again(struct adding *a, const struct reader *reader,
			const struct input *input,
			struct ingest_options *options,
			struct ingest_result *result, struct err *err)
{
	bool seekable = input->fd < 0 ||
			(!a->produced && lseek(input->fd, 0, SEEK_CUR) >= 0);
	struct input in = *input;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		in.last_try = !seekable || i + 1 == TRIES;
		if (i > 0 && input->fd >= 0 &&
		    lseek(input->fd, 0, SEEK_SET) < 0)
			return err_sys(err, "cannot read '%s' again",
				       a->path);
		add_warnings_release(&a->warnings);
		memset(result, 0, sizeof(*result));
		r = ingest(a->repo, reader, &in, options, result, err);
		if (!seekable)
			break;
	}
	if (r == -EAGAIN)
		err_hint(err, "run it again: nothing of it was kept but what "
			 "the next try finds stored");
	return r;
}

static int ingest_input(struct adding *a, const struct reader *reader,
			const struct input *input,
			struct ingest_result *result, struct err *err)
{
	struct ingest_options options = {
		.source = buf_str(&a->source),
		.time = a->time,
		.time_from = a->time_from,
		.tz = a->zoneless ? buf_str(&a->zone) : NULL,
		.time_is_guess = !strcmp(a->time_from, "now") ||
				 !strcmp(a->time_from, "mtime"),
		.zone = buf_str(&a->zone),
		.input_name = a->path,
		.tags = a->tags,
		.tag_count = a->tag_count,
		.incomplete_at_end = ask_producer,
		.workers = (unsigned)a->workers,
		.level = (int)a->level,
		.no_view = option_given(&a->tool->options, "no-view"),
		.reread = option_given(&a->tool->options, "reread"),
		.progress = add_progress,
		.warn = take_warning,
		.arg = a,
		.stop = &stopped,
	};
	int r = tool_min_free(a->tool, a->repo, &options.min_free, err);

	if (r < 0)
		return r;
	progress_start(a->tool->quiet);
	r = ingest_again(a, reader, input, &options, result, err);
	progress_end();
	if (r == -ECANCELED)
		err_set(err, -ECANCELED,
			"stopped: no snapshot was made of '%s'", a->path);
	return r < 0 && r != -ECANCELED ?
		err_wrap(err, "cannot add '%s'", a->path) : r;
}

static int add_whole(struct adding *a, const struct reader *reader,
		     const struct input *input, struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0,
	};
	int r = ingest_input(a, reader, input, &result, err);

	return r < 0 ? r : add_report(a->tool, a->repo, &result,
				      &a->warnings);
}

static int add_part(void *arg, const struct reader *reader,
		    struct input *input, const char *source,
		    const char *shown, struct err *err)
{
	struct adding *a = arg;
	const char *path = a->path;
	bool is_timed = option_given(&a->tool->options, "time");
	int r;

	buf_clear(&a->source);
	buf_append_str(&a->source, source);
	r = buf_check(&a->source, err);
	if (r < 0)
		return r;
	/* --time is that of an archive, not of what lies in it */
	if (input->part->has_time && (input->tree || !is_timed)) {
		a->time = input->part->time;
		a->time_from = input->part->time_from;
		a->zoneless = false;
	}
	a->path = shown;
	r = add_whole(a, reader, input, err);
	a->path = path;
	add_warnings_release(&a->warnings);
	return r;
}

static int add_parts(struct adding *a, const struct reader *reader,
		     struct input *input, const char *shown, struct err *err)
{
	const struct options *o = &a->tool->options;
	CLEANUP(free_ptr) char *source = NULL;
	struct parts_add adding = {
		.tool = a->tool, .reader = reader, .input = input,
		.is_named = option_given(o, "source"),
		.is_timed = option_given(o, "time") && !input->tree,
		.again = option_given(o, "reread"),
		.shown = shown, .add = add_part, .arg = a,
	};

	source = buf_str(&a->source) ? strdup(buf_str(&a->source)) : NULL;
	if (!source)
		return err_nomem(err);
	adding.source = source;
	return parts_add_all(&adding, err);
}

static void drop_tree(struct tree **tree)
{
	tree_close(*tree);
}

/* A stream in which reader's backups lie: what it is by itself, and then each
 * of them out of that snapshot. */
static int add_within(struct adding *a, const struct reader *reader,
		      struct input *input, const struct stat *st,
		      struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0,
	};
	CLEANUP(drop_tree) struct tree *tree = NULL;
	struct input inside = { .path = "", .fd = -1, .size = UINT64_MAX,
				.repo = a->repo, .stop = &stopped };
	const struct reader *outer;
	char label[LABEL_TEXT];
	int status, r = probe_reader(input, st, NULL, &outer, err);

	if (r >= 0)
		r = ingest_input(a, outer, input, &result, err);
	if (r < 0)
		return r;
	result.checkpoints = 0;		/* no news: they are asked for */
	status = add_report(a->tool, a->repo, &result, &a->warnings);
	add_warnings_release(&a->warnings);
	r = tree_open(a->repo, &result.record, &tree, err);
	if (r < 0)
		return r;
	inside.tree = tree;
	snapshot_label(&result.record, label);
	r = add_parts(a, reader, &inside, label, err);
	return r < 0 ? err_wrap(err, "'%s'", label) : worse_status(status, r);
}

/* The input is open or named; everything else is found out here. */
static int add_input(struct adding *a, struct input *input,
		     const struct stat *st, struct err *err)
{
	const struct options *o = &a->tool->options;
	const struct reader *reader;
	int r;

	r = find_source(a, err);
	if (r >= 0)
		r = find_time(a, input->fd < 0 || S_ISREG(st->st_mode) ?
			      st : NULL, err);
	if (r >= 0)
		r = probe_reader(input, st, option_value(o, "kind"), &reader,
				 err);
	if (r < 0)
		return r;
	input->expand = option_given(o, "expand");
	input->expand_depth = (unsigned)a->expand;
	input->exclude = a->exclude;
	input->one_file_system = option_given(o, "one-file-system");
	input->skip_caches = option_given(o, "exclude-caches");
	input->repo = a->repo;
	input->stop = &stopped;
	if (!reader->parts)
		return add_whole(a, reader, input, err);
	if (S_ISDIR(st->st_mode))
		return add_parts(a, reader, input, a->path, err);
	return add_within(a, reader, input, st, err);
}

static bool is_terminal(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool is = fd >= 0 && isatty(fd) == 1;

	if (fd >= 0)
		close(fd);
	return is;
}

/* What is read as it comes, though it has a name.  *ret_fd stays where it is
 * none of these. */
static int open_stream(const char *path, const struct stat *st, int *ret_fd,
		       struct err *err)
{
	if (S_ISSOCK(st->st_mode))
		return err_set(err, -EINVAL, "cannot add '%s': it is a socket",
			       path);
	if (S_ISCHR(st->st_mode) && is_terminal(path))
		return err_set(err, -EINVAL, "'%s' is a terminal, not a stream",
			       path);
	return S_ISFIFO(st->st_mode) ? fifo_open(path, ret_fd, err) : 0;
}

static int add_named(struct adding *a, struct input *input, struct err *err)
{
	struct stat st;
	int r;

	if (stat(a->path, &st))
		return err_sys(err, "cannot add '%s'", a->path);
	if (S_ISREG(st.st_mode))
		input->size = (uint64_t)st.st_size;
	/* Before it is waited for. */
	r = find_source(a, err);
	if (r >= 0)
		r = open_stream(a->path, &st, &input->fd, err);
	if (r < 0)
		return r;
	r = add_input(a, input, &st, err);
	if (input->fd >= 0)
		close(input->fd);
	return r;
}

static int add_path(struct adding *a, const char *path, struct err *err)
{
	struct input input = { .path = path, .fd = -1, .size = UINT64_MAX };
	struct stat st;

	a->path = path;
	a->produced = false;
	if (strcmp(path, "-"))
		return add_named(a, &input, err);
	input.fd = STDIN_FILENO;
	if (isatty(STDIN_FILENO) == 1)
		return err_set(err, -EINVAL, "standard input is a terminal, "
			       "not a stream");
	if (fstat(input.fd, &st))
		return err_sys(err, "cannot add '%s'", path);
	if (S_ISREG(st.st_mode))
		input.size = (uint64_t)st.st_size;
	return add_input(a, &input, &st, err);
}

/* That the command failed says more than what was wrong with its output. */
static int blame_producer(struct producer *producer, struct err *err)
{
	const char *why = producer_failure(producer);
	struct err before = *err;

	if (!why)
		return err->code;
	err_set(err, before.code, "%s; %s", why, before.text);
	/* To write it in another form is no advice to what failed. */
	if (before.hint[0] && before.code != -EMEDIUMTYPE)
		err_hint(err, "%s", before.hint);
	return err->code;
}

static int add_command(struct adding *a, char *const *argv, struct err *err)
{
	OWNED_BUF struct buf words = BUF_INIT;
	struct input input = { .size = UINT64_MAX };
	struct stat st = { .st_mode = S_IFIFO };
	int r;

	producer_words(argv, &words);
	a->path = buf_str(&words);
	a->produced = true;
	if (!a->path)
		return err_nomem(err);
	/* Before the command runs: it may take hours. */
	r = find_source(a, err);
	if (r >= 0)
		r = find_time(a, NULL, err);
	if (r >= 0)
		r = producer_start(&a->producer, argv, err);
	if (r < 0)
		return r;
	input.path = a->path;
	input.fd = a->producer.fd;
	r = add_input(a, &input, &st, err);
	if (r < 0 && r != -ECANCELED)
		r = blame_producer(&a->producer, err);
	producer_release(&a->producer);
	return r;
}

/* Is path a directory that gets the time of now? */
static int is_of_now(struct adding *a, const char *path, bool *ret,
		     struct err *err)
{
	const struct input input = { .path = path, .fd = -1 };
	const struct reader *reader;
	struct stat st;
	int r;

	*ret = false;
	/* What is not there is told when it is its turn. */
	if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode))
		return 0;
	a->path = path;
	a->produced = false;
	r = find_time(a, &st, err);
	if (r >= 0)
		r = probe_reader(&input, &st,
				 option_value(&a->tool->options, "kind"),
				 &reader, err);
	/* backups in a directory have times of their own */
	*ret = r >= 0 && !reader->parts && !strcmp(a->time_from, "now");
	return r;
}

/* Two directories as they are now would be rivals under one source: each the
 * backup of that moment, of which only one is the latest and is kept. */
static int check_rivals(struct adding *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	const char *source = option_value(o, "source"), *first = NULL;
	int r = 0;

	for (size_t i = 0; source && i < o->word_count; i++) {
		const char *path = o->words[i];
		bool is;

		r = is_of_now(a, path, &is, err);
		if (r < 0)
			return r;
		if (is && first) {
			r = err_set(err, -EINVAL, "'%s' and '%s' would be two "
				    "backups of source '%s' at the same time",
				    first, path, source);
			err_hint(err, "an add for each, as -s %s/etc and "
				 "-s %s/src; or one add of the directory above "
				 "them", source, source);
			return r;
		}
		if (is)
			first = path;
	}
	return 0;
}

static int check_use(struct adding *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	size_t streams = 0;

	for (size_t i = 0; i < o->word_count; i++)
		streams += !strcmp(o->words[i], "-");
	if (streams > 1)
		return err_set(err, -EINVAL, "'-' was given twice");
	if (o->word_count && o->rest)
		return err_set(err, -EINVAL, "either PATH or --command: '%s'",
			       o->words[0]);
	if (o->word_count > 1 && option_given(o, "time"))
		return err_set(err, -EINVAL, "--time with several inputs "
			       "would date all of them the same");
	a->expand = EXPAND_DEPTH;
	if (option_u64(o, "level", 19, &a->level, err) < 0 ||
	    option_u64(o, "workers", 256, &a->workers, err) < 0 ||
	    option_u64(o, "expand", EXPAND_MAX, &a->expand, err) < 0)
		return -EINVAL;
	zone_name(option_value(o, "tz"), &a->zone);
	if (buf_check(&a->zone, err) < 0)
		return -ENOMEM;
	return check_rivals(a, err);
}

static int take_tags(struct adding *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	const char *tag;

	a->tags = calloc(o->use_count + 1, sizeof(*a->tags));
	if (!a->tags)
		return err_nomem(err);
	for (size_t n = 0; (tag = option_nth(o, "tag", n)); n++) {
		const char *equals = strchr(tag, '=');
		struct record_pair *pair = &a->tags[n];

		if (!equals || equals == tag)
			return err_set(err, -EINVAL,
				       "'--tag %s' is not KEY=VALUE", tag);
		a->tag_count = n + 1;
		pair->key = strndup(tag, (size_t)(equals - tag));
		pair->value = strdup(equals + 1);
		if (!pair->key || !pair->value)
			return err_nomem(err);
	}
	return 0;
}

static int take_excludes(struct adding *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	int r = 0;

	if (!option_given(o, "exclude") && !option_given(o, "exclude-from"))
		return 0;
	a->exclude = exclude_new();
	if (!a->exclude)
		return err_nomem(err);
	/* In the order given: a later "!keep" undoes an earlier pattern. */
	for (size_t i = 0; r >= 0 && i < o->use_count; i++) {
		const struct option_use *u = &o->uses[i];

		if (!strcmp(u->def->name, "exclude"))
			r = exclude_add(a->exclude, u->value, err);
		else if (!strcmp(u->def->name, "exclude-from"))
			r = exclude_add_file(a->exclude, u->value, err);
	}
	return r;
}

static int add_all(struct adding *a, struct err *err)
{
	const struct options *o = &a->tool->options;
	int status = DONE, r;

	if (o->rest)
		return add_command(a, o->rest, err);
	for (size_t i = 0; i < o->word_count; i++) {
		r = add_path(a, o->words[i], err);
		add_warnings_release(&a->warnings);
		if (r == -ECANCELED || (r < 0 && i + 1 == o->word_count &&
					status == DONE))
			return r;
		if (r < 0) {
			complain(err);
			r = exit_status_of(r);
		}
		status = worse_status(status, r);
	}
	return status;
}

static void adding_release(struct adding *a)
{
	for (size_t i = 0; i < a->tag_count; i++) {
		free(a->tags[i].key);
		free(a->tags[i].value);
	}
	free(a->tags);
	exclude_free(a->exclude);
	add_warnings_release(&a->warnings);
	buf_release(&a->zone);
	buf_release(&a->source);
	if (a->repo)
		repo_close(a->repo);
}

/* "Adding the same data again heals what it holds": what can be read again is
 * no longer shown as damaged. */
static void heal(struct adding *a)
{
	uint64_t healed = 0;

	if (damage_heal(a->repo, &healed, NULL) == 0 && healed > 0)
		say(a->tool, "What was remembered as damaged can be read again "
		    "(%s).", counted(healed, "place").s);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(adding_release) struct adding a = { .tool = tool };
	int r;

	if (option_given(&tool->options, "pvc"))
		return add_pvc(tool, err);
	r = check_use(&a, err);
	if (r >= 0)
		r = take_tags(&a, err);
	if (r >= 0)
		r = take_excludes(&a, err);
	if (r >= 0)
		r = tool_open(tool, REPO_WRITE, &a.repo, err);
	if (r < 0)
		return r;
	catch_stop();
	r = add_all(&a, err);
	if (r >= 0)
		heal(&a);
	return r;
}

static const struct option_def options[] = {
	{ .letter = 'k', .name = "kind", .arg = "KIND", .type = WORD_KIND,
	  .help = "what the input is (default: found by its first bytes)" },
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "what was backed up, a name such as web/etc (default: the "
		  "input's name without .tar.gz and the like)" },
	{ .letter = 't', .name = "time", .arg = "TIME",
	  .help = "when the data was captured (default: a "
		  "YYYY-MM-DD-HH-MM-SS in the file's name or the path, else "
		  "what a dump says, a file's modification time, or now)" },
	{ .name = "tz", .arg = "ZONE",
	  .help = "zone of times that name none, as Europe/Berlin" },
	{ .name = "tag", .arg = "KEY=VALUE",
	  .help = "a tag to find it by; may be given again" },
	{ .name = "expand", .arg = "DEPTH", .flags = OPT_MAYBE,
	  .help = "archives inside the archive become directories, DEPTH "
		  "levels deep (default 3)" },
	{ .name = "exclude", .arg = "PATTERN",
	  .help = "leave out, as '*.o', '/proc/*', 'cache/', '!keep'" },
	{ .name = "exclude-from", .arg = "FILE", .type = WORD_FILE,
	  .help = "patterns from FILE, one a line" },
	{ .letter = 'x', .name = "one-file-system",
	  .help = "do not go into other mounts" },
	{ .name = "exclude-caches",
	  .help = "leave out what is in directories with a CACHEDIR.TAG" },
	{ .name = "reread",
	  .help = "read all files, also those that look unchanged" },
	{ .name = "no-view",
	  .help = "do not keep what gives the original stream back" },
	{ .name = "level", .arg = "N", .help = "zstd level 1..19 (default 3)" },
	{ .name = "workers", .arg = "N",
	  .help = "compressing threads (default: one per processor)" },
	{ .name = "min-free", .arg = "SIZE|N%",
	  .help = "stop before less than this is free on the store's disk" },
	{ .name = "stats", .help = "say more about what was stored" },
	{ .name = "pvc",
	  .help = "what is named are claims in a cluster, NAMESPACE/NAME[:PATH]: "
		  "what is in their volumes, through a pod that has them, or "
		  "one that is started" },
	PVC_POD_OPTIONS,
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep the journal of that pod in DIR (default: in the store)" },
	KUBE_OPTIONS,
	{ .name = "timeout", .arg = "TIME",
	  .help = "for an answer of the cluster (default: 1m)" },
	{ .name = "command", .arg = "COMMAND [ARGUMENT]...",
	  .flags = OPT_REST,
	  .help = "run COMMAND, and its output is the input; where it fails "
		  "the snapshot is incomplete. The last option: all behind "
		  "it is the command's" },
	{ .name = NULL },
};

static void print_kinds(FILE *out)
{
	fputs("\nKinds:\n", out);
	for (size_t i = 0; readers[i]; i++) {
		int n = fprintf(out, "  %-10s", readers[i]->kind);

		text_wrap(out, readers[i]->about, n, 12);
	}
}

const struct command command_add = {
	.name = "add",
	.words = "PATH...\n-s SOURCE -\n--pvc NAMESPACE/NAME[:PATH]...\n"
		 "-s SOURCE --command COMMAND [ARGUMENT]...",
	.about = "take a backup into the store",
	.text = "Takes each PATH (an archive in any usual format and "
		"compression, a dump of PostgreSQL, or a directory) into the store as a snapshot "
		"of its own; '-' is standard input. What the store has "
		"already is not stored again. Input that ends early or is "
		"damaged is kept as far as it could be read, marked "
		"incomplete, with exit status 3.",
	.more_help = print_kinds,
	.example = "varve add -s web/etc /etc\n"
		   "varve add /backups/2021-01-22-19-27-31/dv_backup.tar.gz\n"
		   "varve add -s db/all --command bash -o pipefail "
		   "-c 'pg_dumpall | gzip -1'",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_FILE,
	.run = run,
};
