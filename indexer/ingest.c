#include "indexer/sink_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/tree/rows.h"

void ingest_result_release(struct ingest_result *result)
{
	record_release(&result->record);
	*result = (struct ingest_result){ .unchanged = 0 };
}

static void drop_deposit(struct deposit **deposit)
{
	deposit_free(*deposit);
}

static void drop_tree(struct tree **tree)
{
	tree_close(*tree);
}

static void drop_snapshot(struct snapshot *snapshot)
{
	snapshot_release(snapshot);
}

/* The source's last snapshot, if it has one that can be read: without it all
 * is read anew, which is slow and right. */
static int open_previous(struct sink *sink, struct tree **ret,
			 struct err *err)
{
	CLEANUP(drop_snapshot) struct snapshot last = { .forgotten = false };
	int r = repo_latest(sink->repo, sink->options->source, &last, err);

	if (r == 0)
		r = tree_open(sink->repo, &last.record, ret, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT)
		sink_warn(sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "the last snapshot cannot be read, so every file is "
			  "read anew: %s", err->text);
	return 0;
}

static int read_input(struct sink *sink, const struct reader *reader,
		      const struct input *input, struct err *err)
{
	struct input in = *input;
	int r = 0;

	in.repo = sink->repo;
	if (sink->options->reread) {
		in.previous = NULL;
	} else if (!in.previous) {
		r = open_previous(sink, &sink->own_former, err);
		in.previous = sink->own_former;
	}
	sink->previous = sink->former = in.previous;
	if (r == 0)
		r = reader->read(&in, sink, err);
	sink->previous = NULL;
	if (r < 0)
		return r;
	if (sink->open)
		return err_set(err, -EINVAL, "the reader left a file open");
	if (sink_stopped(sink))
		return err_set(err, -ECANCELED, "stopped");
	return 0;
}

static int copy(const char *from, char **to, struct err *err)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : err_nomem(err);
}

static int fill_attrs(struct sink *sink, const struct part *part,
		      struct err *err)
{
	for (size_t i = 0; part && i < part->attr_count; i++)
		if (record_add_attr(&sink->record, part->attrs[i].key,
				    part->attrs[i].value) < 0)
			return err_nomem(err);
	return 0;
}

static int fill_record(struct sink *sink, const struct reader *reader,
		       struct err *err)
{
	const struct ingest_options *options = sink->options;
	struct record *record = &sink->record;
	const char *tz = !sink->has_when ? options->tz :
			 sink->when_zoneless ? options->zone : NULL;
	int r = copy(options->source, &record->source, err);

	if (r == 0)
		r = copy(sink->has_when ? "header" : options->time_from,
			 &record->time_from, err);
	if (r == 0)
		r = copy(tz, &record->tz, err);
	if (r == 0)
		r = copy(options->input_name, &record->input, err);
	if (r == 0)
		r = copy(reader->kind, &record->kind, err);
	if (r == 0 && !record->format)
		r = copy("", &record->format, err);
	for (size_t i = 0; r == 0 && i < options->tag_count; i++)
		if (record_add_tag(record, options->tags[i].key,
				   options->tags[i].value) < 0)
			r = err_nomem(err);
	record->time = sink->has_when ? sink->when : options->time;
	return r;
}

static int fill_incomplete(struct sink *sink, struct err *err)
{
	const struct ingest_options *options = sink->options;
	const struct notes *notes = &sink->notes;
	const char *why = options->incomplete;

	if (!why && options->incomplete_at_end)
		why = options->incomplete_at_end(options->arg);
	if (why || notes->losses < 2)
		return copy(why ? why : notes->incomplete,
			    &sink->record.incomplete, err);
	/* the notes have all of them */
	if (asprintf(&sink->record.incomplete, INGEST_FIRST_OF "%" PRIu64
		     " losses: %s", notes->losses, notes->incomplete) < 0) {
		sink->record.incomplete = NULL;
		return err_nomem(err);
	}
	return 0;
}

static int store_notes(struct sink *sink, struct err *err)
{
	struct notes *notes = &sink->notes;
	struct content content;
	uint64_t len;
	int r;

	if (notes->left_out)
		buf_printf(&notes->text, "and %" PRIu64 " further lines\n",
			   notes->left_out);
	r = buf_check(&notes->text, err);
	if (r < 0 || notes->text.len == 0)
		return r;
	r = cutter_begin(&sink->file, notes->text.len, err);
	if (r == 0)
		r = cutter_add(&sink->file, buf_span(&notes->text), err);
	if (r == 0)
		r = cutter_finish(&sink->file, &content, &len, err);
	if (r == 0)
		r = content_store(sink->deposit, &content, len,
				  &sink->record.notes, err);
	return r;
}

/* The snapshot as it is stored, whatever was seen of the input. */
static int judge(struct sink *sink, const struct reader *reader,
		 const struct input *input, struct err *err)
{
	const struct getter getter = {
		.repo = sink->repo, .deposit = sink->deposit,
	};
	CLEANUP(drop_tree) struct tree *tree = NULL;
	struct input in = *input;
	int r;

	in.repo = sink->repo;
	r = fill_attrs(sink, input->part, err);
	if (r < 0 || !reader->judge)
		return r;
	sink_phase(sink, "looking whether all is there");
	r = tree_open_getter(&getter, &sink->record, &tree, err);
	return r < 0 ? r : reader->judge(&in, tree, sink, err);
}

static int store_rows(struct sink *sink, struct err *err)
{
	struct content content;
	uint64_t len;
	int r;

	if (sink->rows.offset == 0)
		return 0;
	r = cutter_finish(&sink->rows, &content, &len, err);
	return r < 0 ? r : content_store(sink->deposit, &content, len,
					 &sink->record.rows, err);
}

static int finish(struct sink *sink, const struct reader *reader,
		  const struct input *input, struct err *err)
{
	int r;

	sink_phase(sink, "sorting");
	r = settle_run(sink->settle, err);
	if (r < 0)
		return r;
	sink_phase(sink, "writing the tree");
	r = ingest_build(sink, err);
	if (r == 0)
		r = judge(sink, reader, input, err);
	if (r == 0)
		r = fill_record(sink, reader, err);
	if (r == 0)
		r = store_notes(sink, err);
	if (r == 0)
		r = store_rows(sink, err);
	if (r == 0)
		r = fill_incomplete(sink, err);
	if (r < 0)
		return r;
	sink->record.warnings = sink->notes.warnings;
	if (sink_stopped(sink))
		return err_set(err, -ECANCELED, "stopped");
	sink_phase(sink, "committing");
	return deposit_commit(sink->deposit, &sink->record, err);
}

int ingest(struct repo *repo, const struct reader *reader,
	   const struct input *input, const struct ingest_options *options,
	   struct ingest_result *result, struct err *err)
{
	const struct deposit_options depositing = {
		.level = options->level,
		.workers = options->workers,
		.min_free = options->min_free,
	};
	CLEANUP(drop_deposit) struct deposit *deposit = NULL;
	CLEANUP(sink_release) struct sink sink = { .open = false };
	struct rows_report rows;
	int r = source_check_new(options->source, err);

	if (r == 0)
		r = deposit_begin(repo, &depositing, &deposit, err);
	if (r == 0)
		r = sink_init(&sink, repo, deposit, options, input->size, err);
	if (r == 0)
		r = read_input(&sink, reader, input, err);
	if (r == 0)
		r = finish(&sink, reader, input, err);
	if (r < 0)
		return r;
	rocks_tally_end(&sink.checkpoints);
	/* Whoever asks next may not be one who can write the catalog; where it
	 * cannot be told now, they follow when they are asked for. */
	if (!id_is_none(&sink.record.rows))
		rows_level(repo, &rows, NULL);
	*result = (struct ingest_result){
		.record = sink.record,
		/* of what is stored nothing might have been read again */
		.unchanged = input->tree ? 0 : sink.unchanged,
		.ahead = sink.ahead,
		.archives = sink.archives,
		.checkpoints = sink.checkpoints.count,
		.sort_runs = settle_runs(sink.settle),
	};
	memset(&sink.record, 0, sizeof(sink.record));
	deposit_get_stats(deposit, &result->stats);
	return 0;
}
