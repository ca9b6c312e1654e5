#include <inttypes.h>

#include "fs/repo/repair.h"
#include "tools/check.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"

static void show_deed(void *arg, const char *sentence)
{
	const struct tool *tool = arg;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	progress_wipe();
	if (!tool->json) {
		name_print(stdout, span_str(sentence));
		fputc('\n', stdout);
		return;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "repair", span_str(sentence));
	json_close_object(&json);
	json_print(&line);
}

static void show_step(void *arg, uint64_t done, uint64_t total)
{
	struct progress_state state = {
		.phase = "checking", .done = done,
		.total = total ? total : NOT_KNOWN,
		.files = NOT_KNOWN, .grown = NOT_KNOWN,
	};

	(void)arg;
	progress_show(&state);
}

static void report_json(const struct repair_report *p, bool dry_run)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_bool(&json, "dry_run", dry_run);
	json_bool(&json, "conf", p->conf);
	json_u64(&json, "records", p->records);
	json_u64(&json, "events", p->events);
	json_u64(&json, "lost", p->lost);
	json_u64(&json, "packs", p->packs);
	json_u64(&json, "packs_gone", p->packs_gone);
	json_u64(&json, "objects", p->objects);
	json_u64(&json, "bytes", p->bytes);
	json_u64(&json, "strays", p->strays);
	json_u64(&json, "left", p->left);
	json_close_object(&json);
	json_print(&line);
}

static uint64_t deeds(const struct repair_report *p)
{
	return p->conf + p->records + p->events + p->lost + p->packs +
	       p->packs_gone + p->strays;
}

static void log_repair(struct repo *repo, const struct repair_report *p)
{
	tool_log(repo, "repair", "%s and %s written anew, %s to quarantine, %s "
		 "gone, %s kept", counted(p->records, "record").s,
		 counted(p->events, "event").s, counted(p->packs, "pack").s,
		 counted(p->packs_gone, "pack").s,
		 counted(p->objects, "object").s);
}

static int tell_lost(const struct repo *repo,
		     const struct check_result *result, struct err *err)
{
	err_corrupt(err, "%s in the store '%s' lost something: %s%s",
		    counted(result->damage.snapshots, "snapshot").s,
		    repo_path(repo), result->more_places ? "more than " : "",
		    counted(result->places, "place").s);
	err_hint(err, "adding the same data again heals them; what is readable "
		 "of them stays so");
	return -EBADMSG;
}

/* What is left of damage, by path: it is remembered from here on. */
static int look_again(const struct tool *tool, struct repo *repo,
		      struct err *err)
{
	struct check_options options = { .progress = show_step,
					 .arg = (void *)tool };
	OWNED_BUF struct buf what = BUF_INIT;
	struct check_result result;
	int r = check_and_find(tool, repo, &options, &result, err);

	if (r < 0)
		return r;
	if (result.damage.snapshots)
		return tell_lost(repo, &result, err);
	if (result.check.errors == 0)
		return DONE;
	errors_text(&result.check, &what);
	err_corrupt(err, "damaged or missing in the store '%s': %s",
		    repo_path(repo), buf_str(&what) ? (char *)what.data : "");
	err_hint(err, "'varve check' names them");
	return -EBADMSG;
}

/* What a repair would end with: it does not bring back what is in bad. */
static int look_ahead(const struct tool *tool, struct repo *repo,
		      const struct repair_report *report, struct id_set *bad,
		      struct err *err)
{
	struct check_result result = { .check.more_bad = report->more_bad };
	int r = find_and_show(tool, repo, bad, true, &result, err);

	if (r < 0)
		return r;
	if (result.damage.snapshots)
		return tell_lost(repo, &result, err);
	if (report->left == 0)
		return DONE;
	err_corrupt(err, "%s in the store '%s' that a repair cannot set right",
		    counted(report->left, "fault").s, repo_path(repo));
	err_hint(err, "'varve check' names them, and what helps");
	return -EBADMSG;
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(id_set_release) struct id_set bad = { .slot = NULL };
	const struct repair_options options = {
		.bad = &bad,
		.dry_run = option_given(&tool->options, "dry-run"),
		.read_data = option_given(&tool->options, "read-data"),
		.tell = show_deed, .progress = show_step, .arg = tool,
	};
	OWNED_REPO struct repo *repo = NULL;
	struct repair_report report;
	int r = tool_open(tool, REPO_WRITE, &repo, err);

	if (r < 0)
		return r;
	progress_start(tool->quiet);
	do {
		id_set_release(&bad);
		bad = (struct id_set){ .slot = NULL };
		r = repo_repair(repo, &options, &report, err);
	} while (tool_wait(tool, r, err));
	if (r == 0 && !options.dry_run) {
		if (deeds(&report))
			log_repair(repo, &report);
		r = look_again(tool, repo, err);
	} else if (r == 0) {
		r = look_ahead(tool, repo, &report, &bad, err);
	}
	progress_end();
	if (r < 0 && r != -EBADMSG)
		return r;
	if (tool->json)
		report_json(&report, options.dry_run);
	if (deeds(&report) + report.left == 0)
		say(tool, "Nothing is to be repaired%s.", options.read_data ?
		    "" : " (the data itself was not read: --read-data does)");
	else if (options.dry_run)
		say(tool, "Nothing was changed.");
	return r;
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what would be done, and what is lost whatever is "
		  "done" },
	{ .name = "read-data",
	  .help = "look for damage in every block; else what is known of it is "
		  "repaired, and what indexes show" },
	{ .letter = 'a', .name = "all",
	  .help = "name every place that lost something in every snapshot, "
		  "however many" },
	{ .name = NULL },
};

const struct command command_repair = {
	.name = "repair",
	.words = "",
	.about = "make a damaged store sound, of what can be read",
	.text = "Writes anew what there is a copy of, stores what can be read "
		"of damaged packs in new ones, and moves what is damaged to "
		"the store's directory 'quarantine'; nothing is deleted. "
		"Snapshots that lost something are shown as damaged until "
		"the same data is added again. Each deed is one line, and "
		"then each file that lost something, which --dry-run shows "
		"as well.",
	.example = "varve repair -n\nvarve repair",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
};
