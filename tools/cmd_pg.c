#include "tools/commands.h"

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
		.database = option_value(o, "database"),
		.as = option_value(o, "as"),
	};
	OWNED_TARGET struct target target = TARGET_INIT;
	struct repo *repo = NULL;
	int r = tool_open(tool, REPO_READ, &repo, err);

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
	err_set(err, -EINVAL, "'varve pg %s' is not one of its uses",
		o->words[0]);
	return err_hint(err, "pg table SNAPSHOT TABLE");
}

static const struct option_def options[] = {
	{ .name = "as", .arg = "TABLE",
	  .help = "load it under another name, as public.orders_restored, "
		  "beside the one that is there" },
	{ .name = "database", .arg = "NAME",
	  .help = "of a dump of several, the one that the table is of" },
	{ .name = NULL },
};

const struct command command_pg = {
	.name = "pg",
	.words = "table SNAPSHOT TABLE",
	.about = "get single tables out of PostgreSQL dumps",
	.text = "Writes SQL for psql that brings TABLE back in one "
		"transaction: its definition, rows, the sequences of its "
		"columns, indexes and constraints; of a partitioned one its "
		"partitions, too. Nothing is changed where anything fails.",
	.example = "varve pg table db/all shop.orders | psql -X shop\n"
		   "varve pg table db/all@-1 shop.orders --as "
		   "shop.before | psql -X shop",
	.options = options,
	.common = TAKES_STORE | TAKES_QUIET,
	.min_words = 3,
	.max_words = 3,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
