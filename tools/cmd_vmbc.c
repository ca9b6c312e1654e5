#include "tools/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/add_parts.h"
#include "tools/kube_act.h"
#include "tools/vmbc.h"

static int list_stored(const struct tool *tool, struct vmbc *live,
		       struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	OWNED_VMBC struct vmbc stored = VMBC_INIT;
	CLEANUP(free_ptr) char *base = NULL;
	uint64_t replicas = VMBC_LEAST;
	int r = option_u64(&tool->options, "replicas", VMBC_REPLICAS_MAX,
			   &replicas, err);

	if (r == 0)
		r = tool_open(tool, REPO_READ, &repo, err);
	if (r == 0 && !live->blockchain && !option_given(&tool->options,
							 "source"))
		r = vmbc_only_base(repo, &base, err);
	else if (r == 0)
		r = vmbc_base(tool, live, &base, err);
	if (r == 0)
		r = vmbc_stored(repo, base, &stored, err);
	if (r < 0)
		return r;
	if (stored.count == 0) {
		say(tool, "The store has no checkpoint of '%s'.", base);
		return INCOMPLETE;
	}
	if (stored.wanted < replicas)
		stored.wanted = (unsigned)replicas;
	if (stored.wanted < live->wanted)
		stored.wanted = live->wanted;
	if (live->blockchain)
		stored.blockchain = strdup(live->blockchain);
	else
		stored.blockchain = strdup(base);
	return stored.blockchain ? vmbc_show(tool, &stored, "store", err) :
	       err_nomem(err);
}

static int list(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_CLUSTER struct vmbc_cluster cluster = { .class_count = 0 };
	OWNED_VMBC struct vmbc live = VMBC_INIT;
	const char *only = option_value(o, "blockchain");
	bool stored = option_given(o, "stored");
	/* of the store alone nobody else is asked, unless an option says so */
	bool asks = vmbc_asks_cluster(tool, stored ? 0 : 1);
	bool looks = asks || o->word_count > 1;
	int status = DONE, r = 0;

	if (asks)
		r = vmbc_ask(tool, only, &cluster, err);
	if (r < 0 && !err->hint[0])
		return err_hint(err, "without a cluster: 'varve vmbc list DIR' "
				"looks into directories, --stored into the "
				"store");
	if (r == 0 && looks)
		r = vmbc_take_words(tool, 1, asks ? &cluster : NULL, &live,
				    err);
	if (r == 0 && looks)
		r = vmbc_judge(tool, &live, err);
	if (r == 0 && looks) {
		r = vmbc_show(tool, &live, "directories", err);
		status = r;
	}
	if (r < 0 || !stored)
		return r;
	if (looks && !tool->json)
		putchar('\n');
	if (!looks && only) {
		live.blockchain = strdup(only);
		if (!live.blockchain)
			return err_nomem(err);
	}
	r = list_stored(tool, &live, err);
	return r < 0 ? r : worse_status(status, r);
}

static int run(struct tool *tool, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct tool *tool, struct err *err);
	} uses[] = {
		{ "list", list }, { "add", vmbc_add },
		{ "restore", vmbc_restore }, { "status", vmbc_status },
		{ "create", vmbc_create },
	};
	static const struct option_of of[] = {
		{ "dry-run", "restore" }, { "in-place", "restore" },
		{ "lost", "restore" }, { "owner", "restore" },
		{ "yes", "restore create" }, { NULL, NULL },
	};
	const char *use = tool->options.words[0];

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (!strcmp(use, uses[i].name)) {
			int r = options_check_use(&tool->options, "vmbc", of,
						  err);

			return r < 0 ? r : uses[i].run(tool, err);
		}
	err_set(err, -EINVAL, "'varve vmbc %s' is not one of its uses", use);
	return err_hint(err, "vmbc list, vmbc status, vmbc add [N], vmbc "
			"create, vmbc restore [N]");
}

static const struct option_def options[] = {
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "what the sources of the replicas begin with (default: "
		  "vmbc/ and the blockchain's id)" },
	{ .name = "blockchain", .arg = "ID",
	  .help = "which blockchain, where there are several" },
	{ .name = "replicas", .arg = "N",
	  .help = "how many replicas there are to be (default: those that are "
		  "found, and 4 at least)" },
	{ .name = "volumes", .arg = "TIME", .flags = OPT_MAYBE,
	  .help = "whole volumes instead of checkpoints: add them as they are, "
		  "or restore those of TIME" },
	{ .name = "stored",
	  .help = "the checkpoints in the store; without a DIR of these "
		  "alone" },
	{ .name = "operator", .arg = "POD",
	  .help = "create: the operator's pod, or POD/CONTAINER (default: the "
		  "only one called so)" },
	{ .name = "concop", .arg = "PROGRAM",
	  .help = "create: the operator's command (default: ./concop)" },
	{ .name = "values", .arg = "FILE", .type = WORD_FILE,
	  .help = "status: the chart's values.yaml" },
	{ .name = "descriptor", .arg = "FILE", .type = WORD_FILE,
	  .help = "status: the infrastructure descriptor" },
	{ .name = "manifest",
	  .help = "status: print the storage classes as they should be, to be "
		  "applied" },
	{ .name = "from", .arg = "DIR", .type = WORD_DIR,
	  .help = "restore from the replicas below DIR, as restored volumes "
		  "that are mounted there; may be given again" },
	{ .name = "same-device",
	  .help = "DIR of --from may be on the file system of the replicas" },
	{ .name = "lost", .arg = "WHICH",
	  .help = "'all' replicas go back to one checkpoint, or only the one of "
		  "that number; may be given again" },
	{ .letter = 'n', .name = "dry-run", .help = "only show the plan" },
	{ .letter = 'y', .name = "yes",
	  .help = "restore without asking (needed where there is no "
		  "terminal)" },
	{ .name = "stopped",
	  .help = "the replicas are stopped, and no cluster is asked" },
	{ .name = "release", .arg = "NAME",
	  .help = "stop and start the replicas by helm, with --chart" },
	{ .name = "chart", .arg = "PATH", .type = WORD_DIR,
	  .help = "the chart of --release" },
	{ .name = "count", .arg = "N",
	  .help = "the replicaCount to start with, where it is 0 already" },
	{ .name = "helm", .arg = "COMMAND", .help = "instead of helm" },
	{ .name = "scale",
	  .help = "stop and start the replicas by scaling what they are of" },
	{ .name = "validate", .arg = "COMMAND",
	  .help = "run by sh once they run again" },
	{ .name = "deadline", .arg = "TIME",
	  .help = "for each stop, start and wait (default: 10m)" },
	{ .name = "owner", .arg = "UID:GID",
	  .help = "give all of it to UID:GID (default: whose the present data "
		  "is)" },
	{ .name = "in-place",
	  .help = "where there is no room for two: write over what is there, "
		  "once the store has all of it" },
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep the journal in DIR (default: in the store)" },
	KUBE_OTHER_OPTION,
	KUBE_OPTIONS,
	{ .name = "timeout", .arg = "DURATION",
	  .help = "how long to wait for each answer (default 60s)" },
	{ .name = NULL },
};

const struct command command_vmbc = {
	.name = "vmbc",
	.words = "list [DIR...]\nstatus\nadd [N] [DIR...]\ncreate\n"
		 "restore [N] [DIR...]",
	.about = "checkpoints of VMware Blockchain, of all its replicas "
		 "together",
	.text = "Tells which checkpoints all replicas have whole, takes one of "
		"them into the store, and puts all replicas back to one: each "
		"to its own, with the owners it has, the former data kept. "
		"DIR is where replicas lie, at any depth, "
		"replica-N/rocksdbdata; without it those of the cluster's "
		"volumes on this machine. N is a checkpoint's number; without "
		"it the newest that all have. 'status' tells whether "
		"checkpoints and volumes stay; 'create' has the operator make "
		"a checkpoint. Killed at any point, 'varve resume' or 'varve "
		"rollback' bring all replicas to wholly new or wholly old.",
	.example = "varve vmbc list /tmp/hostpath-provisioner/default\n"
		   "varve vmbc restore -n\n"
		   "varve vmbc restore --lost all --release vmbc --chart "
		   "./vmbc 1500",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_DIR,
	.run = run,
};
