#include "tools/commands.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/rocks_place.h"
#include "tools/rocks_show.h"
#include "tools/rocks_split.h"

/* The store is well, and so no one else would see it. */
static void remember(const struct tool *tool, const struct rocks_place *place,
		     const struct rocks *rocks)
{
	const struct record *record = &place->target.snapshot.record;
	OWNED_REPO struct repo *repo = NULL;
	OWNED_BUF struct buf words = BUF_INIT;
	struct err err = ERR_INIT;
	char now[STAMP_TEXT];
	size_t i = 0;
	int r;

	if (record_tag(record, TAG_FLAWED))
		return;
	while (i < rocks->finding_count &&
	       rocks->findings[i].weight != ROCKS_DAMAGED)
		i++;
	stamp_iso(stamp_now(), now);
	buf_printf(&words, "found %.10s: %s%s", now, place->target.path,
		   place->target.path[0] ? "/" : "");
	if (i < rocks->finding_count)
		buf_printf(&words, "%s: %s", rocks->findings[i].file,
			   rocks->findings[i].text);
	r = buf_check(&words, &err);
	if (r == 0)
		r = tool_open(tool, REPO_WRITE, &repo, &err);
	if (r >= 0)
		r = snapshot_set_tag(repo, record, TAG_FLAWED, buf_str(&words),
				     &err);
	if (r < 0)
		warn("what was found is not remembered: %s", err.text);
}

static int info_one(const struct tool *tool, const char *text, bool *ret_good,
		    struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_ROCKS_PLACE struct rocks_place place = ROCKS_PLACE_INIT;
	OWNED_ROCKS struct rocks *rocks = NULL;
	unsigned flags = option_given(o, "read-data") ? ROCKS_READ_DATA : 0;
	int r = rocks_place_open(tool, text, &place, err);

	if (r >= 0)
		r = rocks_open(&place.source, place.name, flags, &rocks, err);
	if (r == -ENODATA)
		err_hint(err, "one has CURRENT, MANIFEST-NNNNNN and NNNNNN.sst "
			 "in it");
	if (r < 0)
		return r;
	*ret_good &= rocks_is_complete(rocks);
	if (flags && rocks->damaged && place.repo)
		remember(tool, &place, rocks);
	if (tool->json)
		return rocks_show_json(rocks, text, flags, err);
	return rocks_show(rocks, text, option_given(o, "files"), err);
}

static int info(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	bool good = true;
	int r = 0;

	for (size_t i = 1; r >= 0 && i < o->word_count; i++) {
		if (i > 1 && !tool->json)
			putchar('\n');
		r = info_one(tool, o->words[i], &good, err);
	}
	return r < 0 ? r : good ? DONE : INCOMPLETE;
}

static int run(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;

	if (!strcmp(o->words[0], "info"))
		return info(tool, err);
	if (strcmp(o->words[0], "split") != 0) {
		err_set(err, -EINVAL, "'varve rocksdb %s' is not one of its "
			"uses", o->words[0]);
		return err_hint(err, "rocksdb info PATH, rocksdb info "
				"SNAPSHOT:PATH, rocksdb split SNAPSHOT");
	}
	if (option_given(o, "read-data") || option_given(o, "files"))
		return err_set(err, -EINVAL, "--read-data and --files are "
			       "options of 'varve rocksdb info'");
	return rocks_split(tool, err);
}

static const struct option_def options[] = {
	{ .name = "read-data",
	  .help = "read every block of every file, and check its checksum" },
	{ .letter = 'f', .name = "files",
	  .help = "a line for each table as well" },
	{ .name = NULL },
};

const struct command command_rocksdb = {
	.name = "rocksdb",
	.words = "info PATH...\ninfo SNAPSHOT[:PATH]...\nsplit SNAPSHOT...",
	.about = "look into RocksDB checkpoints: whole or not, and what is in "
		 "them",
	.text = "Tells what a RocksDB database or checkpoint holds, and "
		"whether all files are there that its MANIFEST names, each as "
		"long as it says. PATH is a directory; where there is none of "
		"that name, it is one in a snapshot. With 'split' each "
		"checkpoint in a snapshot of a directory or an archive "
		"becomes a snapshot of its own, as by 'varve add -k rocksdb'; "
		"no data is read or stored for it.",
	.example = "varve rocksdb info rocksdbdata/checkpoints/1500\n"
		   "varve rocksdb info --read-data vmbc/replica-2:checkpoints/"
		   "1500\n"
		   "varve rocksdb split vmbc/replica-2@2021-01-22",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 2,
	.max_words = ANY_WORDS,
	.word_type = WORD_DIR,
	.run = run,
};
