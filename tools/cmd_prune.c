#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/prune.h"

#define UNUSED_SHARE 0.05

static int parse_share(const char *text, struct prune_options *ret,
		       struct err *err)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || strcmp(end, "%") || !(percent >= 0) ||
	    percent > 100)
		return err_set(err, -EINVAL, "--max-unused '%s' is no share, "
			       "size or 'unlimited'", text);
	ret->max_unused_share = percent / 100;
	return 0;
}

static int parse_options(const struct tool *tool, struct prune_options *ret,
			 struct err *err)
{
	const char *unused = option_value(&tool->options, "max-unused");
	struct prune_options options = {
		.dry_run = option_given(&tool->options, "dry-run"),
		.force = option_given(&tool->options, "force"),
		.max_unused_share = UNUSED_SHARE,
		.max_unused = PRUNE_NO_LIMIT,
		.max_repack = PRUNE_NO_LIMIT,
		.stop = &stopped,
	};
	int r = 0;

	if (unused && !strcmp(unused, "unlimited"))
		options.max_repack = 0;
	else if (unused && strchr(unused, '%'))
		r = parse_share(unused, &options, err);
	else
		r = option_size(&tool->options, "max-unused",
				&options.max_unused, err);
	if (r >= 0 && !(unused && !strcmp(unused, "unlimited")))
		r = option_size(&tool->options, "max-repack",
				&options.max_repack, err);
	if (r >= 0)
		*ret = options;
	return r;
}

int prune_check_options(const struct tool *tool, struct err *err)
{
	struct prune_options options;

	return parse_options(tool, &options, err);
}

static void show(void *arg, enum prune_phase phase, uint64_t done,
		 uint64_t total)
{
	static const char *const words[] = {
		[PRUNE_MARK] = "looking what is needed",
		[PRUNE_REPACK] = "writing anew",
		[PRUNE_REMOVE] = "removing",
	};
	const struct progress_state state = {
		.phase = words[phase], .done = done, .total = total,
		.files = NOT_KNOWN, .grown = NOT_KNOWN,
	};

	(void)arg;
	progress_show(&state);
}

static void report_json(const struct prune_report *p, bool dry_run)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_bool(&json, "dry_run", dry_run);
	json_u64(&json, "bytes_before", p->bytes_before);
	json_u64(&json, "snapshots", p->snapshots);
	json_u64(&json, "snapshots_removed", p->snapshots_removed);
	json_u64(&json, "snapshots_held", p->snapshots_held);
	json_u64(&json, "unreachable", p->unreachable);
	json_u64(&json, "packs_removed", p->packs_removed);
	json_u64(&json, "bytes_removed", p->bytes_removed);
	json_u64(&json, "packs_repacked", p->packs_repacked);
	json_u64(&json, "bytes_repacked", p->bytes_repacked);
	json_u64(&json, "packs_waiting", p->packs_waiting);
	json_u64(&json, "bytes_waiting", p->bytes_waiting);
	json_u64(&json, "packs_short", p->packs_short);
	json_u64(&json, "bytes_short", p->bytes_short);
	json_u64(&json, "room_needed", p->room_needed);
	json_u64(&json, "room", p->room);
	json_u64(&json, "unused", p->unused);
	json_u64(&json, "packs_damaged", p->packs_damaged);
	json_u64(&json, "missing", p->missing);
	json_bool(&json, "over_half", p->over_half);
	json_bool(&json, "stopped", p->stopped);
	json_close_object(&json);
	json_print(&line);
}

/* What became of the space: what came back, what did not, and why. */
static void tell(const struct tool *tool, const struct prune_report *p,
		 bool dry_run)
{
	char back[SIZE_TEXT], anew[SIZE_TEXT], waiting[SIZE_TEXT];
	char unused[SIZE_TEXT], more[SIZE_TEXT], needed[SIZE_TEXT];
	char room[SIZE_TEXT];

	size_text(p->bytes_removed > p->bytes_repacked ?
		  p->bytes_removed - p->bytes_repacked : 0, back);
	size_text(p->bytes_repacked, anew);
	size_text(p->bytes_waiting, waiting);
	size_text(p->unused, unused);
	size_text(p->bytes_short, more);
	size_text(p->room_needed, needed);
	size_text(p->room, room);
	if (p->snapshots_removed)
		say(tool, "%s %s for good.",
		    counted(p->snapshots_removed, "forgotten snapshot").s,
		    dry_run ? "would go" : "gone");
	say(tool, "%s %s back: %s removed, %s of them written anew (%s).",
	    back, dry_run ? "would come" : "came",
	    counted(p->packs_removed, "pack").s,
	    p->packs_repacked ? counted(p->packs_repacked, "pack").s : "none",
	    anew);
	if (p->unused)
		say(tool, "%s of what is not used stays in packs that are: "
		    "--max-unused 0 takes it back as well.", unused);
	if (p->packs_short && dry_run)
		say(tool, "%s more in %s would stay: to write anew what is "
		    "needed of these, up to %s must be free, and %s are.",
		    more, counted(p->packs_short, "pack").s, needed, room);
	if (p->packs_waiting)
		say(tool, "%s in %s wait for an add that goes on%s%s; the "
		    "next prune takes them.", waiting,
		    counted(p->packs_waiting, "pack").s,
		    p->waits_for[0] ? ": " : "", p->waits_for);
	if (p->snapshots_held)
		say(tool, "%s %s still read by a mount or a command, and "
		    "%s.", counted(p->snapshots_held, "forgotten snapshot").s,
		    p->snapshots_held == 1 ? "is" : "are",
		    p->snapshots_held == 1 ? "waits" : "wait");
	if (p->over_half)
		say(tool, "Over half of all would go at once: that is refused "
		    "without --force.");
}

/* What came back is kept; what there was no room for is told in any case. */
static int tell_short(const struct prune_report *p, const struct repo *repo,
		      struct err *err)
{
	char more[SIZE_TEXT], needed[SIZE_TEXT], room[SIZE_TEXT];

	size_text(p->bytes_short, more);
	size_text(p->room_needed, needed);
	size_text(p->room, room);
	err_set(err, -ENOSPC, "No space left on device: %s more in %s did not "
		"come back. To write anew what is needed of these, up to %s "
		"(%" PRIu64 " bytes) must be free on the file system of '%s', "
		"and %s are", more, counted(p->packs_short, "pack").s, needed,
		p->room_needed, repo_path(repo), room);
	err_hint(err, "make room there by other means, as by moving away what "
		 "is not the store's; what came back so far is kept");
	if (p->bytes_removed == 0)
		return -ENOSPC;
	complain(err);
	return INCOMPLETE;
}

/* Also where nothing was to do: it tells when the last one went through. */
static void log_prune(struct repo *repo, const struct prune_report *p)
{
	char removed[SIZE_TEXT], anew[SIZE_TEXT];

	size_text(p->bytes_removed, removed);
	size_text(p->bytes_repacked, anew);
	tool_log(repo, "prune", "%s%s removed, %s written anew, unused: "
		 "%" PRIu64 " B", p->packs_damaged || p->missing ?
		 "damage met; " : p->packs_short ? "no room for all; " : "",
		 removed, anew, p->unused);
}

static int end_status(const struct repo *repo, const struct prune_report *p,
		      bool dry_run, struct err *err)
{
	if (p->packs_damaged || p->missing) {
		err_corrupt(err, "%s and %s in the store '%s': what could "
			    "not be read stays as it is",
			    counted(p->packs_damaged, "damaged pack").s,
			    counted(p->missing, "missing chunk").s,
			    repo_path(repo));
		err_hint(err, "'varve check --read-data' names what is "
			 "touched");
		return -EBADMSG;
	}
	if (p->stopped)
		return err_set(err, -ECANCELED, "stopped before the end; what "
			       "is done is done, and the next prune goes on");
	if (p->packs_short && !dry_run)
		return tell_short(p, repo, err);
	return DONE;
}

int prune_run(struct tool *tool, struct repo *repo, const uint64_t *forgotten,
	      size_t count, struct err *err)
{
	struct prune_options options;
	struct prune_report report;
	int r = parse_options(tool, &options, err);

	if (r < 0)
		return r;
	options.progress = show;
	options.as_forgotten = forgotten;
	options.as_forgotten_count = options.dry_run ? count : 0;
	catch_stop();
	progress_start(tool->quiet);
	do {
		r = repo_prune(repo, &options, &report, err);
	} while (tool_wait(tool, r, err));
	progress_end();
	if (r < 0 && report.bytes_removed && !tool->json)
		tell(tool, &report, options.dry_run);
	if (r < 0)
		return r;
	if (!options.dry_run && !report.stopped)
		log_prune(repo, &report);
	if (tool->json)
		report_json(&report, options.dry_run);
	else
		tell(tool, &report, options.dry_run);
	return end_status(repo, &report, options.dry_run, err);
}

static int run(struct tool *tool, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	int r = prune_check_options(tool, err);

	tool->cache_budget = PRUNE_CACHE;
	if (r >= 0)
		r = tool_open(tool, REPO_WRITE, &repo, err);
	return r < 0 ? r : prune_run(tool, repo, NULL, 0, err);
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what would come back" },
	PRUNE_OPTIONS,
	{ .name = NULL },
};

const struct command command_prune = {
	.name = "prune",
	.words = "",
	.about = "give back the space that no snapshot needs",
	.text = "Removes what only forgotten snapshots and unfinished adds "
		"needed. Mounts, readers and adds go on meanwhile: what they "
		"may still need stays until the next prune. It can be "
		"stopped or killed at any time and goes on from there the "
		"next time.",
	.example = "varve prune -n\nvarve forget --policy --prune --quiet",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET | TAKES_WAIT,
	.min_words = 0,
	.max_words = 0,
	.word_type = WORD_TEXT,
	.run = run,
};
