#include <inttypes.h>
#include <stdlib.h>

#include "fs/out/restore.h"
#include "fs/tree/damage.h"
#include "fs/tree/view.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/target.h"

#define VIEW_STEP (1u << 20)
#define NOTED_MAX 32		/* paths remembered as damaged in one run */

struct restoring {
	const struct tool *tool;
	struct restore_options options;
	struct restore_report report;
	const char **globs;	/* storage of include and exclude */
	bool show_changes;
	bool counting;		/* a first look at what would be deleted */
	const char *phase;
	struct repo *repo;	/* damage that is met is remembered here, */
	struct tree *tree;	/* as of this snapshot, */
	const char *noted_below;	/* below this path */
	unsigned noted;
};

static void show_change(void *arg, char sign, const char *path)
{
	struct restoring *r = arg;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (r->counting || !r->show_changes)
		return;
	progress_wipe();
	if (!r->tool->json) {
		printf("%c ", sign);
		name_print(stdout, span_str(path));
		fputc('\n', stdout);
		return;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "change", sign == '+' ? "made" : sign == '-' ?
		 "deleted" : "changed");
	json_name(&json, "path", span_str(path));
	json_close_object(&json);
	json_print(&line);
}

static void show_warning(void *arg, const char *sentence)
{
	struct restoring *r = arg;

	if (!r->counting)
		warn("%s", sentence);
}

/* What was met is remembered, as what a check or a mount meets. */
static void note_damage(void *arg, const char *path, const struct err *err)
{
	struct restoring *r = arg;
	OWNED_BUF struct buf whole = BUF_INIT;
	const char *below = r->noted_below, *text;

	if (r->noted++ >= NOTED_MAX)
		return;
	buf_printf(&whole, "%s%s%s", below, *below && *path ? "/" : "", path);
	text = buf_str(&whole);
	damage_note(r->repo, tree_record(r->tree), text ? text : path, err);
}

static void note_in(struct restoring *r, struct repo *repo,
		    const struct target *t)
{
	r->repo = repo;
	r->tree = t->tree;
	r->noted_below = t->path;
}

static void show_progress(void *arg, uint64_t files, uint64_t bytes,
			  uint64_t total_files, uint64_t total_bytes)
{
	struct restoring *r = arg;
	struct progress_state state = {
		.phase = r->phase, .done = bytes, .total = total_bytes,
		.is_bytes = true, .files = files, .grown = NOT_KNOWN,
	};

	(void)total_files;
	progress_show(&state);
}

static int take_globs(struct restoring *r, struct err *err)
{
	const struct options *o = &r->tool->options;
	size_t n = 0, first;
	const char *glob;

	r->globs = calloc(o->use_count + 1, sizeof(*r->globs));
	if (!r->globs)
		return err_nomem(err);
	for (size_t i = 0; (glob = option_nth(o, "include", i)); i++)
		r->globs[n++] = glob;
	r->options.include = r->globs;
	r->options.include_count = n;
	first = n;
	for (size_t i = 0; (glob = option_nth(o, "exclude", i)); i++)
		r->globs[n++] = glob;
	r->options.exclude = r->globs + first;
	r->options.exclude_count = n - first;
	return 0;
}

static void report_json(const struct restore_report *p)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "entries", p->entries);
	json_u64(&json, "files", p->files);
	json_u64(&json, "bytes", p->bytes);
	json_u64(&json, "written_files", p->written_files);
	json_u64(&json, "written_bytes", p->written_bytes);
	json_u64(&json, "metadata_changed", p->meta_changed);
	json_u64(&json, "deleted", p->deleted);
	json_u64(&json, "same", p->same);
	json_u64(&json, "failed", p->failed);
	json_close_object(&json);
	json_print(&line);
}

static void report_words(const struct restoring *r, const char *label,
			 const char *target)
{
	const struct restore_report *p = &r->report;
	char bytes[SIZE_TEXT], written[SIZE_TEXT];

	size_text(p->bytes, bytes);
	size_text(p->written_bytes, written);
	say(r->tool, "%s%s of %s in '%s'%s: %s written (%s), %" PRIu64
	    " changed in metadata, %" PRIu64 " deleted, %" PRIu64
	    " already as they should be.",
	    r->options.dry_run ? "Would restore " : "Restored ",
	    counted(p->entries, "entry").s, label, target,
	    r->options.dry_run ? " (nothing was changed)" : "",
	    counted(p->written_files, "file").s, written, p->meta_changed,
	    p->deleted, p->same);
}

static int run_restore(struct restoring *r, struct target *t,
		       struct err *err)
{
	int code;

	memset(&r->report, 0, sizeof(r->report));
	progress_start(r->tool->quiet);
	code = restore(t->tree, &t->node, &r->options, &r->report, err);
	progress_end();
	return code;
}

/* What --delete takes away no one can bring back: it is counted first, and
 * asked about where it is anything. */
static int ask_to_delete(struct restoring *r, struct target *t,
			 struct err *err)
{
	char question[512];
	int code;

	r->counting = true;
	r->options.dry_run = true;
	r->phase = "comparing";
	code = run_restore(r, t, err);
	r->counting = false;
	r->options.dry_run = false;
	if (code < 0 || r->report.deleted == 0)
		return code < 0 ? code : true;
	snprintf(question, sizeof(question), "delete %s in '%s' that the "
		 "snapshot has not?", counted(r->report.deleted, "entry").s,
		 r->options.target);
	return confirm(option_given(&r->tool->options, "yes"), question, err);
}

/* What is asked for by name must not be missing unnoticed.  The directory
 * itself is an entry that always counts. */
static bool is_nothing(const struct restoring *r, const struct target *t)
{
	return r->options.include_count > 0 &&
	       t->node.entry.type == ENTRY_DIR && r->report.entries <= 1 &&
	       r->report.failed == 0 && r->report.deleted == 0;
}

static int nothing_matches(const struct restoring *r, struct err *err)
{
	const struct restore_options *o = &r->options;
	const char *what = r->tool->options.words[0];

	if (o->include_count > 1)
		err_set(err, -ENOENT, "nothing in '%s' matches any --include",
			what);
	else
		err_set(err, -ENOENT, "nothing in '%s' matches '%s'", what,
			o->include[0]);
	return err_hint(err, "a GLOB with a slash is compared with whole "
			"paths below what is restored, one without with the "
			"last name; 'varve find' looks for names");
}

static int finish(struct restoring *r, struct repo *repo,
		  const struct target *t, struct err *err)
{
	char label[LABEL_TEXT];
	uint64_t failed = r->report.failed;

	snapshot_label(&t->snapshot.record, label);
	if (r->tool->json)
		report_json(&r->report);
	else
		report_words(r, label, r->options.target);
	if (!r->options.dry_run)
		tool_log(repo, "restore", "%s%s%s to %s: %s written, %" PRIu64
			 " deleted, %" PRIu64 " failed", label,
			 t->path[0] ? ":" : "", t->path, r->options.target,
			 counted(r->report.written_files, "file").s,
			 r->report.deleted, failed);
	if (failed == 0)
		return DONE;
	err_set(err, -EIO, "%s could not be restored to '%s'",
		counted(failed, "entry").s, r->options.target);
	err_hint(err, "the warnings above name them; run it again once the "
		 "cause is gone: what is right already is not written again");
	complain(err);
	return INCOMPLETE;
}

static void take_options(struct restoring *r)
{
	const struct options *o = &r->tool->options;

	r->options = (struct restore_options){
		.target = o->words[1],
		.delete = option_given(o, "delete"),
		.dry_run = option_given(o, "dry-run"),
		.no_sync = option_given(o, "no-sync"),
		.owner_names = option_given(o, "owner-names"),
		.no_owner = option_given(o, "no-owner"),
		.checksum = option_given(o, "checksum"),
		.change = show_change,
		.warn = show_warning,
		.damaged = note_damage,
		.progress = show_progress,
		.arg = r,
		.stop = &stopped,
	};
	r->show_changes = r->options.dry_run || option_given(o, "verbose");
}

static void restoring_release(struct restoring *r)
{
	free(r->globs);
}

static bool ends_in_slash(const char *path)
{
	return path[0] && path[strlen(path) - 1] == '/';
}

static int restore_target(struct restoring *r, struct repo *repo,
			  struct target *t, struct err *err)
{
	uint64_t workers = 0;
	int code;

	if (option_u64(&r->tool->options, "workers", 256, &workers, err) < 0)
		return -EINVAL;
	note_in(r, repo, t);
	take_options(r);
	r->options.workers = (unsigned)workers;
	code = take_globs(r, err);
	if (code >= 0 && !option_given(&r->tool->options, "incomplete"))
		code = target_refuse_partial(t, "restores", err);
	if (code < 0)
		return code;
	if (r->options.delete && !r->options.dry_run &&
	    !option_given(&r->tool->options, "yes")) {
		code = ask_to_delete(r, t, err);
		if (code == 0)
			say(r->tool, "Nothing was done.");
		if (code <= 0)
			return code < 0 ? code : FAILED;
	}
	r->phase = "restoring";
	code = run_restore(r, t, err);
	if (code == -EINVAL && ends_in_slash(r->options.target) &&
	    t->node.entry.type != ENTRY_DIR && !err->hint[0])
		err_hint(err, "make the directory first: mkdir -p '%s'",
			 r->options.target);
	if (code < 0)
		return code;
	return is_nothing(r, t) ? nothing_matches(r, err) :
				  finish(r, repo, t, err);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(restoring_release) struct restoring r = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TARGET struct target target = TARGET_INIT;
	int code;

	/* what the older one lacks would be deleted */
	if (option_given(&tool->options, "delete"))
		target.older = OLDER_REFUSED;
	code = tool_open_maybe(tool, &repo, err);
	if (code >= 0)
		code = target_open(repo, tool->options.words[0], &target,
				   err);
	if (code < 0)
		return code;
	catch_stop();
	return restore_target(&r, repo, &target, err);
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what would be done" },
	{ .letter = 'v', .name = "verbose",
	  .help = "show what is done: '+' made, '~' changed, '-' deleted" },
	{ .name = "delete",
	  .help = "also delete what TARGET has and the snapshot has not; "
		  "asks first" },
	{ .letter = 'y', .name = "yes",
	  .help = "delete without asking (needed where there is no "
		  "terminal)" },
	{ .name = "include", .arg = "GLOB",
	  .help = "only paths like this; may be given again" },
	{ .name = "exclude", .arg = "GLOB",
	  .help = "but not paths like this; may be given again" },
	{ .name = "checksum",
	  .help = "compare bytes also where size and time agree" },
	{ .name = "no-owner", .help = "leave owners as they come" },
	{ .name = "owner-names",
	  .help = "owners by name where the name is known here (default: by "
		  "number)" },
	{ .name = "incomplete",
	  .help = "restore also what there is of an incomplete or damaged "
		  "snapshot" },
	{ .name = "no-sync",
	  .help = "do not wait for the disk (scratch copies)" },
	{ .name = "workers", .arg = "N",
	  .help = "threads (default: one per processor)" },
	{ .name = NULL },
};

const struct command command_restore = {
	.name = "restore",
	.words = "SNAPSHOT[:PATH] TARGET",
	.about = "bring files back into a directory",
	.text = "Restores a snapshot, or a part of it: what is in a "
		"directory goes into TARGET, any other file becomes TARGET "
		"or goes into it where it is a directory. Only what differs "
		"is written; every byte is checked against its hash.",
	.example = "varve restore -n web/etc@2021-01-22:nginx /etc/nginx\n"
		   "varve restore cpd30/dv /srv/dv",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 2,
	.max_words = 2,
	.word_type = WORD_NODE,
	.run = run,
};

static void view_close_ptr(struct view **view)
{
	if (*view)
		view_close(*view);
}

/* A stream that was put together from files has none: its chunks, compared when
 * they are read, vouch for it. */
static bool has_sum(const struct view *view)
{
	static const uint8_t none[16];

	return memcmp(view_sum(view), none, sizeof(none)) != 0;
}

/* The original stream, replayed and compared with the sum of the input. */
static int verify_original(struct restoring *r, struct target *t,
			   struct err *err)
{
	CLEANUP(view_close_ptr) struct view *view = NULL;
	CLEANUP(free_ptr) uint8_t *bytes = malloc(VIEW_STEP);
	struct sum_stream *sum = sum_stream_new();
	uint8_t found[16];
	uint64_t at = 0;
	size_t got = 1;
	int code = bytes && sum ? view_open(t->tree, &view, err) :
				  err_nomem(err);

	while (code >= 0 && got > 0 && at < view_size(view)) {
		code = view_read(view, at, bytes, VIEW_STEP, &got, err);
		if (code < 0)
			break;
		sum_stream_add(sum, span_of(bytes, got));
		at += got;
		show_progress(r, 0, at, 0, view_size(view));
		if (stopped)
			code = err_set(err, -ECANCELED, "stopped");
	}
	if (code >= 0) {
		sum_stream_get(sum, found);
		if (at != view_size(view) ||
		    (has_sum(view) &&
		     memcmp(found, view_sum(view), sizeof(found))))
			code = err_corrupt(err, "the original stream of '%s' "
					   "is not what was read", t->spec);
	}
	if (sum)
		sum_stream_free(sum);
	return code;
}

static int verify_target(struct restoring *r, struct target *t,
			 struct err *err)
{
	bool original = !id_is_none(&t->snapshot.record.view) &&
			!t->path[0] &&
			!option_given(&r->tool->options, "no-original");
	char label[LABEL_TEXT], bytes[SIZE_TEXT];
	int code;

	r->options = (struct restore_options){
		.verify_only = true, .warn = show_warning,
		.damaged = note_damage,
		.change = show_change, .progress = show_progress, .arg = r,
		.stop = &stopped,
	};
	r->phase = "verifying";
	code = run_restore(r, t, err);
	if (code >= 0 && original) {
		progress_start(r->tool->quiet);
		r->phase = "verifying the original";
		code = verify_original(r, t, err);
		progress_end();
	}
	if (code < 0)
		return code;
	snapshot_label(&t->snapshot.record, label);
	size_text(r->report.bytes, bytes);
	if (r->tool->json)
		report_json(&r->report);
	if (r->report.failed) {
		err_corrupt(err, "%s of %s cannot be read",
			    counted(r->report.failed, "entry").s, label);
		err_hint(err, "adding the same data again heals what is "
			 "damaged; 'varve check --read-data' looks at all");
		return -EBADMSG;
	}
	say(r->tool, "Every byte of %s was read and is right: %s, %s%s.",
	    label, counted(r->report.entries, "entry").s, bytes,
	    original ? ", and its original stream" : "");
	return t->snapshot.record.incomplete ? INCOMPLETE : DONE;
}

static int run_verify(struct tool *tool, struct err *err)
{
	CLEANUP(restoring_release) struct restoring r = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	int code, status = DONE;

	code = tool_open_maybe(tool, &repo, err);
	catch_stop();
	for (size_t i = 0; code >= 0 && i < tool->options.word_count; i++) {
		OWNED_TARGET struct target target = TARGET_INIT;

		code = target_open(repo, tool->options.words[i], &target,
				   err);
		if (code >= 0) {
			note_in(&r, repo, &target);
			code = verify_target(&r, &target, err);
		}
		if (code > 0 && target.snapshot.record.incomplete)
			warn("'%s' is incomplete: %s", target.spec,
			     target.snapshot.record.incomplete);
		status = code > status ? code : status;
	}
	return code < 0 ? code : status;
}

static const struct option_def verify_options[] = {
	{ .name = "no-original",
	  .help = "do not replay the original stream as well" },
	{ .name = NULL },
};

const struct command command_verify = {
	.name = "verify",
	.words = "SNAPSHOT[:PATH]...",
	.about = "read all of a snapshot and check every byte",
	.text = "Reads everything a restore would, checks every byte against "
		"its hash, and writes nothing. Where the original stream can "
		"be given back it is replayed and compared with what was "
		"read at the time.",
	.example = "varve verify cpd30/dv",
	.options = verify_options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_NODE,
	.run = run_verify,
};
