#include "tools/commands.h"

#include "tools/pg.h"

static int run(struct tool *tool, struct err *err)
{
	const char *use = tool->options.words[0];

	if (!strcmp(use, "dump"))
		return pg_dump(tool, err);
	err_set(err, -EINVAL, "'varve pg %s' is not one of its uses", use);
	return err_hint(err, "pg dump -s SOURCE, pg dump --all");
}

static const struct option_def options[] = {
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "the dump's source; in a Kubernetes cluster what the "
		  "sources begin with, NAMESPACE/NAME behind it (default: "
		  "the cluster's name)" },
	{ .letter = 'd', .name = "dbname", .arg = "DATABASE",
	  .help = "this database only, by pg_dump; may be given again" },
	{ .name = "all",
	  .help = "every PostgresCluster that kubectl can see" },
	{ .letter = 'n', .name = "namespace", .arg = "NAME",
	  .help = "only those of this namespace" },
	{ .name = "role-passwords",
	  .help = "dump the passwords (hashes) of roles, also of clusters, "
		  "whose operator has them in secrets" },
	{ .name = "no-role-passwords",
	  .help = "leave them out, also of a server of one's own" },
	KUBE_OPTIONS,
	{ .name = "timeout", .arg = "DURATION",
	  .help = "how long to wait for each answer of kubectl (default "
		  "60s); not for a dump" },
	{ .name = "tag", .arg = "KEY=VALUE",
	  .help = "a tag to find it by; may be given again" },
	{ .name = "with", .arg = "OPTION...", .flags = OPT_REST,
	  .help = "the last option: all behind it is given to pg_dumpall or "
		  "pg_dump" },
	{ .name = NULL },
};

const struct command command_pg = {
	.name = "pg",
	.words = "dump [NAMESPACE/NAME]...",
	.about = "dump PostgreSQL into the store: a server, or the clusters of "
		 "an operator",
	.text = "'dump' runs pg_dumpall, or with -d pg_dump, and takes what it "
		"prints into the store as the databases it is of. With --all, "
		"or the names of PostgresClusters, it runs in the leader's pod "
		"of each; one that cannot be dumped is told, the others are, "
		"and the exit status is 3. A dump that fails or ends early is "
		"incomplete: it never counts as a backup.",
	.example = "varve pg dump -s db/all\n"
		   "varve pg dump -s db/orders -d orders\n"
		   "varve pg dump --all -s lab --quiet",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_TEXT,
	.run = run,
};
