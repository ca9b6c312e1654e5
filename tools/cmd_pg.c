#include "tools/commands.h"

#include "tools/kube_act.h"
#include "tools/pg.h"
#include "tools/pg_table.h"

/* What was written of a dump that is not whole. */
static int tell_whole(const struct tool *tool, const struct target *target,
		      const char *why)
{
	const char *name = tool->options.words[2];

	if (why && *why) {
		warn("'%s' is not whole: %s", name, why);
		return INCOMPLETE;
	}
	if (target->snapshot.record.incomplete)
		note(tool, "the dump is incomplete, but all of '%s' is in it",
		     name);
	return DONE;
}

static int table(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	const struct pg_table_options options = {
		.table = o->words[2],
		.database = option_value(o, "dbname"),
		.as = option_value(o, "as"),
		.partial = option_given(o, "incomplete"),
	};
	OWNED_BUF struct buf why = BUF_INIT;
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
		r = pg_table_write(&target, &options, &why, err);
	if (r >= 0)
		r = tell_whole(tool, &target, buf_str(&why));
	if (r == -EUCLEAN) {
		complain(err);
		r = INCOMPLETE;
	}
	target_close(&target);
	if (repo)
		repo_close(repo);
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	static const struct option_of of[] = {
		{ "dry-run", "stanza" }, { "yes", "stanza" },
		{ "journal", "stanza" }, { "other-cluster", "stanza" }, { "deadline", "stanza" },
		{ "lines", "audit" }, { "diff", "audit" },
		{ "no-keep", "audit" }, { "as", "table" }, { "incomplete", "table" },
		{ "all", "dump" },
		{ NULL, NULL },
	};
	const struct options *o = &tool->options;
	int r = options_check_use(o, "pg", of, err);

	if (r < 0)
		return r;
	if (!strcmp(o->words[0], "table"))
		return table(tool, err);
	if (!strcmp(o->words[0], "dump"))
		return pg_dump(tool, err);
	if (!strcmp(o->words[0], "audit"))
		return pg_audit(tool, err);
	if (!strcmp(o->words[0], "stanza"))
		return pg_stanza(tool, err);
	err_set(err, -EINVAL, "'varve pg %s' is not one of its uses",
		o->words[0]);
	return err_hint(err, "pg dump, pg table, pg audit, pg stanza: 'varve "
			"pg --help' shows them");
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
	{ .name = "incomplete",
	  .help = "write also what there is of a table that is not whole in "
		  "the dump" },
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
		  "60s; of an audit, for each database, 150s); not for a "
		  "dump" },
	{ .name = "lines",
	  .help = "an audit's result as lines on standard error, "
		  "'INFO:root:[NAMESPACE] CLUSTER (POD): OUTCOME'" },
	{ .name = "debug",
	  .help = "show what is asked in pods, and what they answer" },
	{ .name = "diff",
	  .help = "compare two audits that the store has, instead" },
	{ .letter = 'y', .name = "yes",
	  .help = "create the stanza without asking (needed where there is no "
		  "terminal)" },
	{ .name = "dry-run", .help = "only show the plan of a stanza" },
	{ .name = "deadline", .arg = "TIME",
	  .help = "for each of pgbackrest's commands that a stanza takes "
		  "(default: 10m)" },
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep a stanza's journal in DIR (default: in the store)" },
	KUBE_OTHER_OPTION,
	{ .name = "no-keep",
	  .help = "do not keep the audit in the store" },
	{ .name = "tag", .arg = "KEY=VALUE",
	  .help = "a tag to find the dump by; may be given again" },
	{ .name = "with", .arg = "OPTION...", .flags = OPT_REST,
	  .help = "the last option: all behind it is given to pg_dumpall or "
		  "pg_dump" },
	{ .name = NULL },
};

const struct command command_pg = {
	.name = "pg",
	.words = "dump [NAMESPACE/NAME]...\ntable SNAPSHOT TABLE\n"
		 "audit [NAMESPACE/NAME]...\naudit --diff SNAPSHOT "
		 "[SNAPSHOT]\nstanza NAMESPACE/NAME",
	.about = "dump PostgreSQL; get tables out; audit and mend its "
		 "backups",
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
		"partitions, too. Nothing is changed where anything fails, or "
		"where the dump has not all of the table.\n"
		"\n"
		"'audit' asks pgBackRest in a pod of each PostgresCluster "
		"whether its stanza is there, and keeps what it finds in the "
		"store, where one is named. Exit status: 0 all is well, 6 a "
		"stanza is missing, 3 something could not be asked.\n"
		"\n"
		"'stanza' makes a missing one: it dumps all databases from the "
		"leader into the store first, runs 'pgbackrest stanza-create' "
		"there, and shows that WAL is archived.",
	.example = "varve pg dump --all -s lab --quiet\n"
		   "varve pg table db/all shop.orders | psql -X shop\n"
		   "varve pg stanza calendar/calendar-db",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
