#include "tools/rocks_split.h"

#include "tools/add_parts.h"
#include "tools/add_report.h"
#include "tools/format.h"
#include "tools/target.h"

#define TRIES 5			/* where other adds took ids meanwhile */

struct splitting {
	const struct tool *tool;
	struct repo *repo;
	const struct record *of;
	struct add_warnings warnings;
};

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct splitting *s = arg;

	add_warnings_take(&s->warnings, weight, sentence);
}

static int ingest_part(struct splitting *s, const struct reader *reader,
		       const struct input *input,
		       const struct ingest_options *options,
		       struct ingest_result *result, struct err *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		add_warnings_release(&s->warnings);
		r = ingest(s->repo, reader, input, options, result, err);
	}
	return r;
}

/* What the whole was tagged with is true of its parts. */
static int add_part(void *arg, const struct reader *reader,
		    struct input *input, const char *source,
		    const char *shown, struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0,
	};
	struct splitting *s = arg;
	const struct part *part = input->part;
	const struct record *of = s->of;
	const struct ingest_options options = {
		.source = source,
		.time = part->has_time ? part->time : of->time,
		.time_from = part->has_time ? part->time_from : of->time_from,
		.tz = part->has_time ? NULL : of->tz,
		.input_name = shown,
		.tags = of->tags,
		.tag_count = of->tag_count,
		.warn = take_warning,
		.arg = s,
		.stop = &stopped,
	};
	int r = ingest_part(s, reader, input, &options, &result, err);

	if (r < 0)
		err_wrap(err, "cannot add '%s'", shown);
	else
		r = add_report(s->tool, s->repo, &result, &s->warnings);
	add_warnings_release(&s->warnings);
	return r;
}

static int split_one(const struct tool *tool, struct repo *repo,
		     const char *spec, struct err *err)
{
	OWNED_TARGET struct target target = TARGET_INIT;
	struct splitting s = { .tool = tool, .repo = repo };
	struct input input = { .path = "", .fd = -1, .size = UINT64_MAX,
			       .repo = repo, .stop = &stopped };
	char label[LABEL_TEXT];
	struct parts_add adding = {
		.tool = tool, .reader = &reader_rocksdb, .input = &input,
		.is_named = true, .shown = label, .add = add_part, .arg = &s,
	};
	int r = target_open(repo, spec, &target, err);

	if (r < 0)
		return r;
	s.of = &target.snapshot.record;
	snapshot_label(s.of, label);
	if (target.node.pos != 0)
		return err_set(err, -EINVAL, "'%s' is a part of a snapshot, "
			       "which is split as a whole", spec);
	if (!strcmp(s.of->kind, reader_rocksdb.kind))
		return err_set(err, -EINVAL, "'%s' is itself one of a "
			       "checkpoint", label);
	input.tree = target.tree;
	adding.source = s.of->source;
	r = parts_add_all(&adding, err);
	return r < 0 ? err_wrap(err, "'%s'", label) : r;
}

int rocks_split(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_REPO struct repo *repo = NULL;
	int status = DONE;
	int r = tool_open(tool, REPO_WRITE, &repo, err);

	if (r < 0)
		return r;
	catch_stop();
	for (size_t i = 1; i < o->word_count; i++) {
		r = split_one(tool, repo, o->words[i], err);
		if (r < 0)
			return r;
		status = worse_status(status, r);
	}
	return status;
}
