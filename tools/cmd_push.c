#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/push.h"
#include "tools/push_pvc.h"
#include "tools/pvc_visit.h"
#include "tools/push_array.h"
#include "tools/runs.h"

static int take_owner(const struct tool *tool, const struct push_place *place,
		      struct run *run, struct err *err)
{
	const char *from = option_value(&tool->options, "owner-from");
	const char *owner = option_value(&tool->options, "owner");
	char text[PUSH_OWNER_TEXT];
	int r;

	if (owner)
		return push_learn_owner(owner, run, err);
	if (!from || !strcmp(from, "snapshot"))
		return 0;
	if (strcmp(from, "target") != 0)
		return err_set(err, -EINVAL, "--owner-from '%s' is neither "
			       "'target' nor 'snapshot'", from);
	r = push_owner_of(place, text, err);
	if (r < 0)
		return err_wrap(err, "--owner-from target");
	return run_learn(run, "owner", text, err);
}

/* All that the plan is made from. */
static int learn_facts(const struct tool *tool, const struct repo *repo,
		       const struct target *tree,
		       const struct push_place *place, struct run *run,
		       struct err *err)
{
	const char *given = option_value(&tool->options, "journal");
	/* for whoever finds the staging directory */
	CLEANUP(free_ptr) char *journal = given ? realpath(given, NULL) : NULL;
	char identity[PUSH_IDENTITY_TEXT];
	int r = push_learn(tool, repo, tree, PUSH_KIND, place->target, run,
			   err);

	if (r == 0)
		r = push_learn_flag(run, "entries", place->entries, err);
	if (r == 0)
		r = push_learn_flag(run, "keep-lost", place->keep_lost, err);
	if (r == 0 && journal)
		r = run_learn(run, "journal", journal, err);
	if (r == 0)
		r = push_learn_flag(run, "absent", place->absent, err);
	if (r == 0 && !place->absent)
		r = push_identity(place->target, identity, err);
	if (r == 0 && !place->absent)
		r = run_learn(run, "identity", identity, err);
	if (r == 0)
		r = push_learn_flag(run, "discard",
				    option_given(&tool->options,
						 "discard-old"), err);
	return r < 0 ? r : take_owner(tool, place, run, err);
}

/* What is not there by the target's own words is told by any store. */
static int check_all(const struct tool *tool, struct repo *repo,
		     const struct target *tree,
		     const struct push_place *place, struct push_room *room,
		     struct err *err)
{
	unsigned kept = 0;
	int r = push_check_place(place, repo_path(repo), err);

	if (r == 0 && option_given(&tool->options, "mountpoint"))
		r = push_check_mountpoint(place, option_value(&tool->options,
							      "mountpoint"),
					  err);
	if (r == 0)
		r = push_check_others(place, &kept, err);
	if (r == 0 && kept)
		note(tool, "%s of '%s' %s kept: 'varve push --discard-old "
		     "dir:%s' gives the room back",
		     counted(kept, "former tree").s, place->target,
		     kept == 1 ? "is" : "are", place->target);
	if (r == 0)
		r = push_measure(tree->tree, &tree->node, room, err);
	if (r == 0)
		r = push_check_room(place, room, err);
	if (r == 0 && !place->absent &&
	    !option_given(&tool->options, "stop"))
		r = push_check_use(place->target, err);
	if (r == 0 && geteuid() != 0)
		note(tool, "only root sees whether others use '%s'",
		     place->target);
	return r;
}

/* Where nothing is, nothing is replaced. */
static bool must_ask(const struct tool *tool, const struct push_place *place)
{
	if (option_given(&tool->options, "yes"))
		return false;
	return !place->empty || option_given(&tool->options, "stop");
}

static int ask(const struct tool *tool, const struct push_place *place,
	       struct err *err)
{
	OWNED_BUF struct buf question = BUF_INIT;

	if (!must_ask(tool, place))
		return true;
	buf_printf(&question, "replace what is in '%s'%s?", place->target,
		   option_given(&tool->options, "discard-old") ?
		   ", and DISCARD it" : "");
	if (!buf_str(&question))
		return err_nomem(err);
	return confirm(false, (char *)question.data, err);
}

static int go(const struct tool *tool, struct push *push, struct err *err)
{
	struct run *run = push->run;
	unsigned kept;
	struct push_place place = { .target = (char *)push->swap.target,
				    .entries = push->swap.entries };
	int r;

	/* nobody else's staging directory comes between looking and making */
	r = swap_lock(&push->swap, err);
	if (r == 0)
		r = push_check_others(&place, &kept, err);
	if (r == 0)
		r = run_start(run, err);
	if (r < 0)
		return r;
	say(tool, "Run %s.", run->id);
	return push_end(tool, push, plan_go(&push->plan, run, err), err);
}

static int push_snapshot(struct tool *tool, struct repo *repo,
			 const struct target *tree,
			 const struct push_place *place, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_PUSH struct push push = { .swap.place = -1, .tool = tool,
					.tree = TARGET_INIT };
	struct push_room room;
	int r = check_all(tool, repo, tree, place, &room, err);

	if (r == 0)
		r = run_new(NULL, &run, err);
	if (r == 0)
		r = learn_facts(tool, repo, tree, place, &run, err);
	if (r == 0)
		r = push_make_dir(tool, &run, repo, &push, err);
	if (r < 0)
		return r;
	if (option_given(&tool->options, "dry-run")) {
		push_print_plan(&push, &room);
		r = runs_refuse_plan(tool, repo, place->target, err);
		return r < 0 ? r : DONE;
	}
	if (must_ask(tool, place)) {
		push_print_plan(&push, &room);
		fflush(stdout);
	}
	r = ask(tool, place, err);
	if (r == 0)
		say(tool, "Nothing was done.");
	if (r <= 0)
		return r < 0 ? r : FAILED;
	r = runs_open(tool, repo, true, &dir, err);
	run.dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, place->target, err);
	return r < 0 ? r : go(tool, &push, err);
}

static void tell_kept(void *arg, const char *path, const char *label)
{
	const struct tool *tool = arg;

	say(tool, "    %s, from before %s", path, label);
}

/* Without a snapshot: what earlier pushes kept. */
static int discard(const struct tool *tool, struct err *err)
{
	OWNED_PLACE struct push_place place = { .target = NULL };
	OWNED_REPO struct repo *repo = NULL;
	bool dry = option_given(&tool->options, "dry-run");
	bool yes = option_given(&tool->options, "yes");
	unsigned count = 0, kept = 0;
	OWNED_BUF struct buf question = BUF_INIT;
	int r = push_place_find(tool->options.words[0], &place, err);

	if (r == 0)
		r = push_check_others(&place, &kept, err);
	if (r < 0)
		return r;
	if (kept == 0 && place.absent)
		return err_set(err, -ENOENT, "there is no '%s', and no former "
			       "tree of it is kept", place.target);
	if (kept == 0) {
		say(tool, "No former tree of '%s' is kept.", place.target);
		return DONE;
	}
	buf_printf(&question, "discard %s of '%s' for good?",
		   counted(kept, "former tree").s, place.target);
	if (!buf_str(&question))
		return err_nomem(err);
	if (dry)
		say(tool, "Would %s", (char *)question.data);
	if (dry || !yes)
		r = push_each_kept(&place, tell_kept, (void *)tool, err);
	if (r < 0 || dry)
		return r < 0 ? r : DONE;
	r = confirm(yes, (char *)question.data, err);
	if (r <= 0)
		return r < 0 ? r : FAILED;
	r = push_discard(&place, &count, err);
	if (r < 0)
		return r;
	say(tool, "Discarded %s of '%s'.", counted(count, "former tree").s,
	    place.target);
	if (tool->store && tool_open(tool, REPO_WRITE, &repo, NULL) == 0)
		tool_log(repo, "push", "discarded %s of %s",
			 counted(count, "former tree").s, place.target);
	return DONE;
}

static bool is_pvc(const char *destination)
{
	return !strncmp(destination, PVC_SCHEME, sizeof(PVC_SCHEME) - 1);
}

enum destination { TO_DIR = 1, TO_ARRAY = 2, TO_PVC = 4 };

/* What does not belong to the destination is not passed over. */
static int refuse_options(const struct options *o, struct err *err)
{
	static const struct {
		const char *name;
		unsigned of;
	} rules[] = {
		{ "mountpoint", TO_DIR }, { "owner-from", TO_DIR },
		{ "stop", TO_DIR | TO_ARRAY }, { "start", TO_DIR | TO_ARRAY },
		{ "replace", TO_ARRAY }, { "size", TO_ARRAY },
		{ "mkfs", TO_ARRAY }, { "host", TO_ARRAY },
		{ "devices", TO_ARRAY }, { "rescan", TO_ARRAY },
		{ "nfs-address", TO_ARRAY }, { "nfs-rules", TO_ARRAY },
		{ "mount-dir", TO_ARRAY }, { "mount-options", TO_ARRAY },
		{ "mount-command", TO_ARRAY }, { "tokens", TO_ARRAY },
		{ "ca-file", TO_ARRAY }, { "insecure", TO_ARRAY },
		{ "timeout", TO_ARRAY | TO_PVC },
		{ "image", TO_PVC }, { "run-as", TO_PVC },
		{ "fs-group", TO_PVC }, { "scale", TO_PVC },
		{ "in-use", TO_PVC }, { "other-cluster", TO_PVC },
		{ "kubectl", TO_PVC }, { "context", TO_PVC },
		{ "kubeconfig", TO_PVC },
	};
	unsigned to = is_pvc(o->words[1]) ? TO_PVC :
		      push_array_is(o->words[1]) ? TO_ARRAY : TO_DIR;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (option_given(o, rules[i].name) && !(rules[i].of & to))
			return err_set(err, -EINVAL, "--%s is for %s",
				       rules[i].name,
				       rules[i].of & TO_DIR ? "a directory" :
				       rules[i].of & TO_ARRAY ? "an array" :
				       "a claim (pvc:)");
	return 0;
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_PLACE struct push_place place = { .target = NULL };
	OWNED_REPO struct repo *repo = NULL;
	OWNED_TARGET struct target tree = TARGET_INIT;
	char label[LABEL_TEXT];
	bool array;
	int r;

	tool_expect_runs(tool);
	if (o->word_count == 1 && option_given(o, "discard-old"))
		return is_pvc(o->words[0]) ? push_pvc_discard(tool, err) :
					     discard(tool, err);
	if (o->word_count < 2)
		return err_set(err, -EINVAL, "'varve push' needs a SNAPSHOT "
			       "and a DESTINATION");
	r = refuse_options(o, err);
	if (r == 0 && is_pvc(o->words[1]))
		return push_pvc(tool, err);
	array = push_array_is(o->words[1]);
	if (r >= 0 && !array)
		r = push_place_find(o->words[1], &place, err);
	if (r >= 0)
		r = tool_open_maybe(tool, &repo, err);
	tree.older = OLDER_REFUSED;
	if (r >= 0)
		r = target_open(repo, o->words[0], &tree, err);
	if (r >= 0 && !option_given(o, "incomplete"))
		r = target_refuse_partial(&tree, "pushes", err);
	if (r >= 0 && tree.node.entry.type != ENTRY_DIR) {
		snapshot_label(&tree.snapshot.record, label);
		err_set(err, -ENOTDIR, "'%s' in %s is not a directory",
			tree.path, label);
		r = err_hint(err, "'varve restore' brings single files back");
	}
	if (r < 0)
		return r;
	catch_stop();
	return array ? push_array(tool, repo, &tree, err) :
		       push_snapshot(tool, repo, &tree, &place, err);
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "dry-run", .help = "only show the plan" },
	{ .letter = 'y', .name = "yes",
	  .help = "replace what is there without asking (needed where there is "
		  "no terminal)" },
	{ .name = "mountpoint", .arg = "WHAT", .flags = OPT_MAYBE,
	  .help = "refuse where nothing is mounted on PATH; or what is has not "
		  "this source or type; or PATH does not lie on the mount "
		  "point WHAT" },
	{ .name = "owner-from", .arg = "WHOM",
	  .help = "owners from the 'snapshot' (default), or all as in the "
		  "'target' now" },
	{ .name = "owner", .arg = "UID:GID",
	  .help = "give all of it to UID:GID" },
	{ .name = "stop", .arg = "COMMAND",
	  .help = "stop what uses it, by sh; may be run twice" },
	{ .name = "start", .arg = "COMMAND",
	  .help = "start it again, only once the tree is shown to be wholly "
		  "new or wholly old" },
	{ .name = "deadline", .arg = "TIME",
	  .help = "for each of these commands, and until nothing uses it "
		  "(default: 10m)" },
	PVC_POD_OPTIONS,
	{ .name = "scale", .arg = "KIND/NAME",
	  .help = "a deployment or statefulset that uses the claim: to 0 "
		  "before the exchange, and back only once the tree is shown "
		  "to be wholly new or wholly old; may be given again" },
	{ .name = "in-use",
	  .help = "push to a claim also while pods have it; without --image "
		  "through one of them" },
	KUBE_OTHER_OPTION,
	KUBE_OPTIONS,
	{ .name = "discard-old",
	  .help = "do not keep the former tree; alone: discard what earlier "
		  "pushes kept" },
	{ .name = "replace",
	  .help = "array: also where data is, which is kept beside it" },
	{ .name = "size", .arg = "SIZE",
	  .help = "array: make it of SIZE, or at least so large" },
	{ .name = "mkfs", .arg = "TYPE",
	  .help = "FlashArray: make a file system, ext4 or xfs, on a volume "
		  "that is blank" },
	{ .name = "host", .arg = "NAME",
	  .help = "FlashArray: what the array calls this machine (default: the "
		  "host with one of its initiators)" },
	{ .name = "devices", .arg = "DIR", .type = WORD_DIR,
	  .help = "FlashArray: where devices appear (default: "
		  "/dev/disk/by-id)" },
	{ .name = "rescan", .arg = "COMMAND",
	  .help = "FlashArray: look for new volumes, by sh (default: have "
		  "each SCSI host scan)" },
	{ .name = "nfs-address", .arg = "ADDRESS",
	  .help = "FlashBlade: mount from ADDRESS (default: the array's only "
		  "one)" },
	{ .name = "nfs-rules", .arg = "RULES",
	  .help = "FlashBlade: who may mount a new file system (default: this "
		  "machine)" },
	{ .name = "mount-dir", .arg = "DIR", .type = WORD_DIR,
	  .help = "array: mount it below DIR (default: /run/varve)" },
	{ .name = "mount-options", .arg = "LIST",
	  .help = "array: options of mount(8)" },
	{ .name = "mount-command", .arg = "COMMAND",
	  .help = "array: mount by COMMAND SOURCE DIR, by sh" },
	{ .name = "tokens", .arg = "FILE", .type = WORD_FILE,
	  .help = "array: API tokens, a line 'ENDPOINT TOKEN' each (default: "
		  "VARVE_ARRAY_TOKEN)" },
	{ .name = "ca-file", .arg = "FILE", .type = WORD_FILE,
	  .help = "array: who signed its certificate" },
	{ .name = "insecure",
	  .help = "array: do not verify its certificate" },
	{ .name = "timeout", .arg = "TIME",
	  .help = "array and claim: for each call (default: 60s)" },
	{ .name = "incomplete",
	  .help = "push also what there is of an incomplete or damaged "
		  "snapshot" },
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep the journal in DIR (default: in the store)" },
	{ .name = NULL },
};

const struct command command_push = {
	.name = "push",
	.words = "SNAPSHOT[:PATH] dir:PATH\n"
		 "SNAPSHOT[:PATH] pvc:NAMESPACE/NAME[:PATH]\n"
		 "SNAPSHOT[:PATH] flasharray:ARRAY/VOLUME\n"
		 "SNAPSHOT[:PATH] flashblade:ARRAY/FILESYSTEM\n"
		 "--discard-old dir:PATH\n"
		 "--discard-old pvc:NAMESPACE/NAME[:PATH]",
	.about = "put a snapshot in the place of a directory or a volume",
	.text = "Shows its plan; then restores the snapshot, or a directory of "
		"it, beside what is there, reads it back, and exchanges the "
		"two. The former tree is kept until --discard-old. Killed at "
		"any point, 'varve resume' or 'varve rollback' bring it to "
		"wholly new or wholly old. A volume or file system of an "
		"array is made or taken, connected, mounted meanwhile, and "
		"disconnected again.",
	.example = "varve push -n cpd30/dv dir:/srv/dv\n"
		   "varve push --yes --mountpoint home dir:/mnt/home\n"
		   "varve push -n --size 40G --mkfs ext4 home fa:10.0.0.5/home",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = 2,
	.word_type = WORD_NODE,
	.run = run,
};
