#include <inttypes.h>
#include <stdlib.h>

#include "tools/check.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"

static void show_fault(void *arg, const struct fault *fault)
{
	const struct tool *tool = arg;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	progress_wipe();
	if (!tool->json) {
		name_print(stdout, span_str(fault->words));
		fputc('\n', stdout);
		return;
	}
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_name(&json, "fault", span_str(fault->words));
	json_close_object(&json);
	json_print(&line);
}

static void damage_json(const struct damage *d, const char *label)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "damaged", damage_part_name(d->part));
	json_str(&json, "snapshot", label);
	json_name(&json, "path", span_str(d->path));
	json_name(&json, "words", span_str(d->words));
	json_bool(&json, "forgotten", d->snapshot->forgotten);
	json_close_object(&json);
	json_print(&line);
}

void show_damage(void *arg, const struct damage *d)
{
	const struct tool *tool = arg;
	char label[LABEL_TEXT];

	progress_wipe();
	snapshot_label(&d->snapshot->record, label);
	if (tool->json) {
		damage_json(d, label);
		return;
	}
	name_print(stdout, span_str(label));
	if (d->part <= DAMAGE_DIR) {
		fputc(':', stdout);
		name_print(stdout, span_str(d->path));
	}
	fputs(": ", stdout);
	name_print(stdout, span_str(d->words));
	fputs(d->snapshot->forgotten ? " (forgotten)\n" : "\n", stdout);
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

static void report_json(const struct check_report *p,
			const struct damage_report *d)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "packs", p->packs);
	json_u64(&json, "objects", p->objects);
	json_u64(&json, "snapshots", p->snapshots);
	json_u64(&json, "bytes_read", p->bytes_read);
	json_u64(&json, "packs_read", p->packs_read);
	json_u64(&json, "orphaned_packs", p->orphans);
	json_u64(&json, "errors", p->errors);
	json_u64(&json, "damaged_snapshots", d->snapshots);
	json_u64(&json, "damaged_places", d->places);
	json_u64(&json, "healed", p->healed + d->healed);
	json_close_object(&json);
	json_print(&line);
}

static void report_words(const struct tool *tool, const struct check_report *p,
			 const struct damage_report *d)
{
	char bytes[SIZE_TEXT];

	size_text(p->bytes_read, bytes);
	say(tool, "Checked %s, %s, %s; %s read.",
	    counted(p->snapshots, "snapshot").s, counted(p->packs, "pack").s,
	    counted(p->objects, "object").s, bytes);
	if (p->orphans)
		say(tool, "%s no snapshot needs: of adds that did not finish, "
		    "or of what was pruned in part; 'varve prune' takes %s.",
		    counted(p->orphans, "pack").s,
		    p->orphans == 1 ? "it" : "them");
	if (p->healed + d->healed)
		say(tool, "What was remembered of damage is whole again in "
		    "%s.", counted(p->healed + d->healed, "place").s);
}

/* "3%", "0.5%", "20G"; nothing: all of it. */
static int take_share(const struct tool *tool, struct check_options *options,
		      struct err *err)
{
	const char *text = option_value(&tool->options, "read-data");
	char *end;
	int r;

	options->read_data = option_given(&tool->options, "read-data");
	if (!text)
		return 0;
	if (!strchr(text, '%')) {
		r = size_parse(text, &options->bytes, err);
		if (r == 0 && options->bytes == 0)
			r = err_set(err, -EINVAL, "nothing would be read");
		return r < 0 ? err_wrap(err, "--read-data") : 0;
	}
	options->share = strtod(text, &end) / 100;
	if (end == text || strcmp(end, "%") || !(options->share > 0) ||
	    options->share > 1)
		return err_set(err, -EINVAL, "--read-data: '%s' is no share, "
			       "as 3%% is", text);
	return 0;
}

/* What helps against what was found, and nothing that does not.  A repair comes
 * before a rebuild, which takes away the catalog's copies; and what a catalog
 * only does not know of is not lost. */
static void hint_at_help(const struct check_report *p,
			 const struct damage_report *d, struct err *err)
{
	bool repair = check_wants_repair(p);

	if (p->blind)
		err_hint(err, "'varve rebuild' makes the catalog anew; nothing "
			 "else was looked at");
	else if (p->told[FAULT_CATALOG])
		err_hint(err, "%s'varve rebuild' makes the catalog anew; "
			 "another check tells what is left then", repair ?
			 "'varve repair' first, which needs the catalog's "
			 "copies; then " : "");
	else if (d->snapshots && repair)
		err_hint(err, "adding the same data again heals the snapshots, "
			 "and 'varve repair' moves what is damaged out of the "
			 "way; 'varve repair -n' shows what it would do");
	else if (d->snapshots)
		err_hint(err, "adding the same data again heals the snapshots");
	else
		err_hint(err, "'varve repair' makes the store sound; 'varve "
			 "repair -n' shows what it would do");
}

static int end_status(const struct repo *repo, const struct check_report *p,
		      const struct damage_report *d, struct err *err)
{
	if (d->snapshots)
		err_corrupt(err, "%s in the store '%s', and %s damaged",
			    counted(p->errors, "error").s, repo_path(repo),
			    counted(d->snapshots, "snapshot").s);
	else
		err_corrupt(err, "%s in the store '%s'",
			    counted(p->errors, "error").s, repo_path(repo));
	hint_at_help(p, d, err);
	return -EBADMSG;
}

int check_and_find(const struct tool *tool, struct repo *repo,
		   struct check_options *options, struct check_report *report,
		   struct damage_report *found, struct err *err)
{
	struct id_set bad = { .slot = NULL };
	int r;

	options->bad = &bad;
	r = repo_check(repo, options, report, err);
	if (r == 0 && !report->blind)
		r = damage_find(repo, &bad, !report->more_bad, show_damage,
				(void *)tool, found, err);
	id_set_release(&bad);
	if (r == 0 && report->more_bad)
		say(tool, "There are more damaged objects than these: not "
		    "all that suffers from them is named.");
	if (r == 0 && report->unkept.code == 0)
		report->unkept = found->unkept;
	if (r == 0 && report->unkept.code < 0)
		warn("what was found is not remembered: %s",
		     report->unkept.text);
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	struct check_options options = { .fault = show_fault,
					 .progress = show_check, .arg = tool };
	struct damage_report found = { .places = 0 };
	struct check_report report = { .errors = 0 };
	OWNED_REPO struct repo *repo = NULL;
	int r = take_share(tool, &options, err);

	if (r >= 0)
		r = tool_open_maybe(tool, &repo, err);
	if (r < 0)
		return r;
	progress_start(tool->quiet);
	r = check_and_find(tool, repo, &options, &report, &found, err);
	progress_end();
	if (r < 0)
		return r;
	tool_log(repo, "check", "%s%s", counted(report.errors, "error").s,
		 !options.read_data ? "" : options.share > 0 || options.bytes ?
		 ", a part of the data read" : ", all data read");
	if (tool->json)
		report_json(&report, &found);
	report_words(tool, &report, &found);
	if (report.errors + found.places > 0)
		return end_status(repo, &report, &found, err);
	say(tool, "No errors%s.", options.read_data ? "" : " (the data itself "
	    "was not read: --read-data does)");
	return DONE;
}

static const struct option_def options[] = {
	{ .name = "read-data", .arg = "N%|SIZE", .flags = OPT_MAYBE,
	  .help = "read and check every byte, not only what refers to it; or "
		  "this share of all, or so much, going on where the last "
		  "such check ended" },
	{ .name = NULL },
};

const struct command command_check = {
	.name = "check",
	.words = "",
	.about = "look for damage in the store",
	.text = "Compares records, packs and catalog, and that everything a "
		"snapshot refers to is there. With --read-data every block "
		"is decoded and every object compared with its hash. Each "
		"fault is one line, and then each file that suffers from "
		"them is one, SNAPSHOT:PATH; exit status 4 where there is "
		"any. 'varve list' shows what is damaged until it is healed.",
	.example = "varve check --read-data\nvarve check --read-data=3%",
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
