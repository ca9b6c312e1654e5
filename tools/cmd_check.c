#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"

static void show_fault(void *arg, const char *sentence)
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
	json_name(&json, "fault", span_str(sentence));
	json_close_object(&json);
	json_print(&line);
}

static void show_step(const char *phase, uint64_t done, uint64_t total)
{
	struct progress_state state = {
		.phase = phase, .done = done,
		.total = total ? total : NOT_KNOWN,
		.files = NOT_KNOWN, .grown = NOT_KNOWN,
	};

	progress_show(&state);
}

static void show_check(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	show_step("checking", done, total);
}

static void report_json(const struct check_report *p)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "packs", p->packs);
	json_u64(&json, "objects", p->objects);
	json_u64(&json, "snapshots", p->snapshots);
	json_u64(&json, "bytes_read", p->bytes_read);
	json_u64(&json, "orphaned_packs", p->orphans);
	json_u64(&json, "errors", p->errors);
	json_close_object(&json);
	json_print(&line);
}

static int run(struct tool *tool, struct err *err)
{
	bool data = option_given(&tool->options, "read-data");
	struct check_report report = { .errors = 0 };
	OWNED_REPO struct repo *repo = NULL;
	char bytes[SIZE_TEXT];
	int r;

	r = tool_open_maybe(tool, &repo, err);
	if (r < 0)
		return r;
	progress_start(tool->quiet);
	r = repo_check(repo, data, show_fault, tool, show_check, &report,
		       err);
	progress_end();
	if (r < 0)
		return r;
	tool_log(repo, "check", "%s%s", counted(report.errors, "error").s,
		 data ? ", all data read" : "");
	if (tool->json)
		report_json(&report);
	size_text(report.bytes_read, bytes);
	say(tool, "Checked %s, %s, %s; %s read.",
	    counted(report.snapshots, "snapshot").s,
	    counted(report.packs, "pack").s,
	    counted(report.objects, "object").s, bytes);
	if (report.orphans)
		say(tool, "%s no snapshot needs: of adds that did not finish, "
		    "or of what was pruned in part; 'varve prune' takes %s.",
		    counted(report.orphans, "pack").s,
		    report.orphans == 1 ? "it" : "them");
	if (report.errors == 0) {
		say(tool, "No errors%s.", data ? "" : " (the data itself was "
		    "not read: --read-data does)");
		return DONE;
	}
	err_corrupt(err, "%s in the store '%s'",
		    counted(report.errors, "error").s, repo_path(repo));
	err_hint(err, "adding the same data again heals what it holds; "
		 "'varve verify SNAPSHOT' names the files touched");
	return -EBADMSG;
}

static const struct option_def options[] = {
	{ .name = "read-data",
	  .help = "read and check every byte, not only what refers to it" },
	{ .name = NULL },
};

const struct command command_check = {
	.name = "check",
	.words = "",
	.about = "look for damage in the store",
	.text = "Compares records, packs and catalog, and that everything a "
		"snapshot refers to is there. With --read-data every block "
		"is decoded and every object compared with its hash. Each "
		"fault is one line; exit status 4 where there is any.",
	.example = "varve check --read-data",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
};

static void show_rebuild(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	show_step("rebuilding", done, total);
}

static void rebuild_json(const struct rebuild_report *p)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "packs", p->packs);
	json_u64(&json, "objects", p->objects);
	json_u64(&json, "records", p->records);
	json_u64(&json, "events", p->events);
	json_u64(&json, "damaged_packs", p->damaged_packs);
	json_close_object(&json);
	json_print(&line);
}

static int run_rebuild(struct tool *tool, struct err *err)
{
	struct rebuild_report p = { .packs = 0 };
	struct err ignored = ERR_INIT;
	struct repo *repo = NULL;
	int r;

	if (!tool->store)
		return tool_open(tool, REPO_WRITE, &repo, err);
	progress_start(tool->quiet);
	do {
		r = repo_rebuild(tool->store, &p, show_rebuild, NULL, err);
	} while (tool_wait(tool, r, err));
	progress_end();
	if (r < 0)
		return r;
	if (tool_open(tool, REPO_WRITE, &repo, &ignored) >= 0) {
		tool_log(repo, "rebuild", "catalog of %s",
			 counted(p.packs, "pack").s);
		repo_close(repo);
	}
	if (tool->json)
		rebuild_json(&p);
	else
		say(tool, "The catalog is new: %s, %s, %s, %s.",
		    counted(p.records, "snapshot").s,
		    counted(p.events, "event").s, counted(p.packs, "pack").s,
		    counted(p.objects, "object").s);
	if (p.damaged_packs == 0)
		return DONE;
	err_corrupt(err, "%s could not be read",
		    counted(p.damaged_packs, "pack").s);
	err_hint(err, "'varve check' names them and what is touched");
	return -EBADMSG;
}

const struct command command_rebuild = {
	.name = "rebuild",
	.words = "",
	.about = "make the catalog anew",
	.text = "Makes a new catalog from packs, records and state, and puts "
		"it in the place of the old one when it is whole. The "
		"catalog is only an index: losing it loses nothing.",
	.example = "varve rebuild",
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run_rebuild,
};
