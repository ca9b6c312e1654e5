#include "tools/commands.h"

#include "tools/pg.h"
#include "tools/pg_table.h"

static int warn_incomplete(const struct target *target)
{
	const char *why = target->snapshot.record.incomplete;

	if (why)
		warn("the dump is incomplete, and rows may lack: %s", why);
	return why ? INCOMPLETE : DONE;
}

static int table(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	const struct pg_table_options options = {
		.table = o->words[2],
		.database = option_value(o, "dbname"),
		.as = option_value(o, "as"),
	};
	OWNED_TARGET struct target target = TARGET_INIT;
	struct repo *repo = NULL;
	int r = 0;

	if (o->word_count != 3)
		return err_set(err, -EINVAL, "'varve pg table' takes a "
			       "snapshot and a table");
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = target_open_at(repo, o->words[1], NULL, &target, err);
	if (r >= 0)
		r = pg_table_write(&target, &options, err);
	if (r >= 0)
		r = warn_incomplete(&target);
	target_close(&target);
	if (repo)
		repo_close(repo);
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;

	if (!strcmp(o->words[0], "table"))
		return table(tool, err);
	if (!strcmp(o->words[0], "dump"))
		return pg_dump(tool, err);
	err_set(err, -EINVAL, "'varve pg %s' is not one of its uses",
		o->words[0]);
	return err_hint(err, "pg dump -s SOURCE, pg dump --all, pg table "
			"SNAPSHOT TABLE");
}

static const struct option_def options[] = {
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "the dump's source; in a Kubernetes cluster what the "
		  "sources begin with, NAMESPACE/NAME behind it (default: "
		  "the cluster's name)" },
	{ .letter = 'd', .name = "dbname", .arg = "DATABASE",
	  .help = "dump this database only, by pg_dump; may be given again. "
		  "Of a dump of several, the one that the table is of" },
	{ .name = "as", .arg = "TABLE",
	  .help = "write the table under another name, as "
		  "public.orders_restored, to load it beside the one that is "
		  "there" },
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
	  .help = "a tag to find the dump by; may be given again" },
	{ .name = "with", .arg = "OPTION...", .flags = OPT_REST,
	  .help = "the last option: all behind it is given to pg_dumpall or "
		  "pg_dump" },
	{ .name = NULL },
};

const struct command command_pg = {
	.name = "pg",
	.words = "dump [NAMESPACE/NAME]...\ntable SNAPSHOT TABLE",
	.about = "dump PostgreSQL into the store; get single tables out",
	.text = "'dump' runs pg_dumpall, or with -d pg_dump, and takes what it "
		"prints into the store as the databases it is of. With --all, "
		"or the names of PostgresClusters, it runs in the leader's pod "
		"of each; one that cannot be dumped is told, the others are, "
		"and the exit status is 3. A dump that fails or ends early is "
		"incomplete: it never counts as a backup.\n"
		"\n"
		"'table' writes SQL for psql that brings TABLE back in one "
		"transaction: its definition, rows, the sequences of its "
		"columns, indexes and constraints; of a partitioned one its "
		"partitions, too. Nothing is changed where anything fails.",
	.example = "varve pg dump --all -s lab --quiet\n"
		   "varve pg table db/all shop.orders | psql -X shop\n"
		   "varve pg table db/all@-1 shop.orders --as "
		   "shop.before | psql -X shop",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
