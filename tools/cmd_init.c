#include <unistd.h>

#include "tools/commands.h"

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	struct repo_init_options options = {
		.catalog_dir = option_value(o, "catalog"),
		.like = option_value(o, "like"),
		.group = option_value(o, "group"),
	};
	const char *path = o->word_count ? o->words[0] : tool->store;
	int r;

	if (!path) {
		r = err_set(err, -EINVAL, "where is the store to be?");
		err_hint(err, "varve init DIR, or --store DIR");
		return r;
	}
	r = repo_init(path, &options, err);
	if (r < 0)
		return r;
	say(tool, "An empty store is in '%s'.", path);
	if (!tool->store || strcmp(tool->store, path))
		say(tool, "Name it to every command: --store '%s', or once: "
		    "export VARVE_STORE='%s'", path, path);
	return DONE;
}

static const struct option_def options[] = {
	{ .name = "catalog", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep the catalog in DIR (a store on NFS needs this: the "
		  "catalog must lie on a local disk)" },
	{ .name = "like", .arg = "STORE", .type = WORD_DIR,
	  .help = "share secret and chunk sizes with STORE, so that copies "
		  "between the two send only what the other lacks" },
	{ .name = "group", .arg = "GROUP",
	  .help = "members of GROUP may read and write the store (default: "
		  "only its owner)" },
	{ .name = NULL },
};

const struct command command_init = {
	.name = "init",
	.words = "[DIR]",
	.about = "make a store",
	.text = "Makes an empty store in DIR, or in the directory named by "
		"--store or VARVE_STORE. The directory is made where it is "
		"missing and must be empty.",
	.example = "varve init /backup/store",
	.options = options,
	.common = TAKES_STORE | TAKES_QUIET,
	.min_words = 0,
	.max_words = 1,
	.word_type = WORD_DIR,
	.run = run,
};
