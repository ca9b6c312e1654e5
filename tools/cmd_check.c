#include <inttypes.h>
#include <stdlib.h>

#include "fs/repo/remember.h"
#include "tools/check.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"

#define READ_LEAST 4096		/* bytes asked for; a share without its % */

/* Of each kind so many are shown. */
struct fault_lines {
	const struct tool *tool;
	bool all;
	uint64_t count[FAULT_KINDS];
};

static void show_fault(void *arg, const struct fault *fault)
{
	struct fault_lines *lines = arg;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (lines->count[fault->kind]++ >= DAMAGE_LINES && !lines->all)
		return;
	progress_wipe();
	if (!lines->tool->json) {
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

static void show_left_out(const struct fault_lines *lines)
{
	static const char *const of[FAULT_KINDS] = {
		[FAULT_CATALOG] = "catalog fault",
		[FAULT_RECORD] = "damaged record",
		[FAULT_RECORD_LOST] = "missing record",
		[FAULT_EVENT] = "damaged event",
		[FAULT_EVENT_LOST] = "missing event",
		[FAULT_PACK] = "pack fault",
		[FAULT_PACK_LOST] = "missing pack",
		[FAULT_STRAY] = "stray file",
		[FAULT_OBJECT] = "unreadable object",
		[FAULT_OBJECT_LOST] = "missing object",
	};

	for (int kind = 1; kind < FAULT_KINDS && !lines->all; kind++)
		if (of[kind] && lines->count[kind] > DAMAGE_LINES)
			printf("and %s more, which --all names\n",
			       counted(lines->count[kind] - DAMAGE_LINES,
				       of[kind]).s);
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

static void report_json(const struct check_result *result)
{
	const struct check_report *p = &result->check;
	const struct damage_report *d = &result->damage;
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "packs", p->packs);
	json_u64(&json, "objects", p->objects);
	json_u64(&json, "snapshots", p->snapshots);
	json_u64(&json, "bytes_read", p->bytes_read);
	json_u64(&json, "packs_read", p->packs_read);
	json_u64(&json, "readers", p->readers);
	json_u64(&json, "orphaned_packs", p->orphans);
	json_u64(&json, "errors", p->errors);
	json_u64(&json, "damaged_packs", p->hurt_packs);
	json_u64(&json, "damaged_objects", p->hurt_objects);
	json_u64(&json, "damaged_snapshots", d->snapshots);
	json_u64(&json, "damaged_places", d->places);
	json_u64(&json, "distinct_places", result->places);
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
		else if (r == 0 && options->bytes < READ_LEAST) {
			r = err_set(err, -EINVAL, "'%s' is less than a block",
				    text);
			err_hint(err, "a share is 3%%, and 3\\%% in a crontab, "
				 "where a bare %% ends the line");
		}
		return r < 0 ? err_wrap(err, "--read-data") : 0;
	}
	options->share = strtod(text, &end) / 100;
	if (end == text || strcmp(end, "%") || !(options->share > 0) ||
	    options->share > 1)
		return err_set(err, -EINVAL, "--read-data: '%s' is no share, "
			       "as 3%% is", text);
	return 0;
}

static void errors_of(struct buf *out, uint64_t n, const char *noun)
{
	if (n > 0)
		buf_printf(out, "%s%s", out->len ? ", " : "",
			   counted(n, noun).s);
}

void errors_text(const struct check_report *p, struct buf *out)
{
	const uint64_t *told = p->told;

	errors_of(out, p->hurt_packs, "pack");
	errors_of(out, p->hurt_objects, "object");
	errors_of(out, told[FAULT_RECORD] + told[FAULT_RECORD_LOST], "record");
	errors_of(out, told[FAULT_EVENT] + told[FAULT_EVENT_LOST], "event");
	if (told[FAULT_CONF])
		buf_printf(out, "%svarve.conf", out->len ? ", " : "");
	if (told[FAULT_CATALOG])
		buf_printf(out, "%sthe catalog", out->len ? ", " : "");
	if (told[FAULT_STRAY])
		buf_printf(out, "%s%s in packs/", out->len ? ", " : "",
			   counted(told[FAULT_STRAY], "stray file").s);
	/* pruned meanwhile, all of it */
	if (out->len == 0)
		buf_printf(out, "nothing any more");
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
			 "or 'varve copy' from a store that has them whole, "
			 "and 'varve repair' moves what is damaged out of the "
			 "way; 'varve repair -n' shows what it would do");
	else if (d->snapshots)
		err_hint(err, "adding the same data again heals the snapshots, "
			 "or 'varve copy' from a store that has them whole");
	else
		err_hint(err, "'varve repair' makes the store sound; 'varve "
			 "repair -n' shows what it would do");
}

static int end_status(const struct repo *repo,
		      const struct check_result *result, struct err *err)
{
	const struct damage_report *d = &result->damage;
	OWNED_BUF struct buf what = BUF_INIT;

	errors_text(&result->check, &what);
	if (d->snapshots)
		buf_printf(&what, "; %s%s in %s cannot be read whole",
			   result->more_places ? "more than " : "",
			   counted(result->places, "place").s,
			   counted(d->snapshots, "snapshot").s);
	err_corrupt(err, "damaged or missing in the store '%s': %s",
		    repo_path(repo), buf_str(&what) ? (char *)what.data : "");
	hint_at_help(&result->check, d, err);
	return -EBADMSG;
}

int find_and_show(const struct tool *tool, struct repo *repo,
		  struct id_set *bad, bool only_look,
		  struct check_result *result, struct err *err)
{
	CLEANUP(damage_list_release) struct damage_list list;
	const struct damage_options options = {
		.only_look = only_look,
		.bad_is_all = !result->check.more_bad,
		.each = damage_list_take, .arg = &list,
	};
	int r;

	damage_list_init(&list, tool);
	r = damage_find(repo, bad, &options, &result->damage, err);
	damage_list_end(&list);
	result->places = list.distinct;
	result->more_places = list.more;
	if (r == 0 && result->check.more_bad)
		say(tool, "There are more damaged objects than these: not "
		    "all that suffers from them is named.");
	return r;
}

int check_and_find(const struct tool *tool, struct repo *repo,
		   struct check_options *options, struct check_result *result,
		   struct err *err)
{
	struct check_report *report = &result->check;
	struct id_set bad = { .slot = NULL };
	int r;

	*result = (struct check_result){ .places = 0 };
	options->bad = &bad;
	r = repo_check(repo, options, report, err);
	if (r == 0 && options->fault)
		show_left_out(options->arg);
	if (r == 0 && !report->blind)
		r = find_and_show(tool, repo, &bad, options->only_look,
				  result, err);
	id_set_release(&bad);
	if (r == 0 && report->unkept.code == 0)
		report->unkept = result->damage.unkept;
	if (r == 0 && report->unkept.code < 0)
		warn("what was found is not remembered: %s",
		     report->unkept.text);
	if (r == 0)
		tool_log(repo, CHECK_EVENT, "%s%s",
			 counted(report->errors, "error").s,
			 !options->read_data ? "" :
			 options->share > 0 || options->bytes ?
			 ", a part of the data read" : ", all data read");
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	struct fault_lines lines = {
		.tool = tool,
		.all = tool->json || option_given(&tool->options, "all"),
	};
	struct check_options options = { .fault = show_fault,
					 .progress = show_check,
					 .arg = &lines };
	OWNED_REPO struct repo *repo = NULL;
	struct check_result result;
	int r = take_share(tool, &options, err);

	if (r >= 0)
		r = tool_open_maybe(tool, &repo, err);
	if (r < 0)
		return r;
	progress_start(tool->quiet);
	r = check_and_find(tool, repo, &options, &result, err);
	progress_end();
	if (r < 0)
		return r;
	if (tool->json)
		report_json(&result);
	report_words(tool, &result.check, &result.damage);
	if (result.check.errors + result.damage.places > 0)
		return end_status(repo, &result, err);
	say(tool, "No errors%s.", options.read_data ? "" : " (the data itself "
	    "was not read: --read-data does)");
	return DONE;
}

static const struct option_def options[] = {
	{ .name = "read-data", .arg = "N%|SIZE", .flags = OPT_MAYBE,
	  .help = "read and check every byte, not only what refers to it; or "
		  "this share of all, or so much, going on where the last "
		  "such check ended" },
	{ .letter = 'a', .name = "all",
	  .help = "name every fault, and every place that suffers in every "
		  "snapshot, however many" },
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
		"them is one, SNAPSHOT:PATH, or SOURCE:PATH and in how many "
		"snapshots; of many the first are shown, and with --all or "
		"--json all. Exit status 4 where there is any. 'varve list' "
		"shows what is damaged until it is healed.",
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
