#include "tools/report.h"

#include "indexer/ingest.h"

#define TRIES 5			/* where other adds took ids meanwhile */

static int put_file(struct sink *sink, const struct report *report,
		    const struct report_file *file, struct err *err)
{
	const struct entry entry = { .type = ENTRY_FILE, .mode = 0600,
				     .mtime = report->time,
				     .size = file->bytes.len };
	int r = sink_begin(sink, span_str(file->name), &entry, err);

	if (r <= 0)
		return r < 0 ? r : err_set(err, -EINVAL, "'%s' is no name for "
					   "a file", file->name);
	if (file->bytes.len)
		r = sink_data(sink, 0, file->bytes, err);
	return r < 0 ? r : sink_end(sink, file->bytes.len, err);
}

static int read_report(const struct input *input, struct sink *sink,
		       struct err *err)
{
	const struct report *report = input->given;
	const struct entry top = { .type = ENTRY_DIR, .mode = 0700,
				   .mtime = report->time };
	int r = sink_begin(sink, span_str("."), &top, err);

	for (size_t i = 0; r >= 0 && i < report->attr_count; i++)
		sink_attr(sink, report->attrs[i].key, report->attrs[i].value);
	for (size_t i = 0; r >= 0 && i < report->file_count; i++)
		r = put_file(sink, report, &report->files[i], err);
	return r < 0 ? r : 0;
}

static const struct reader reader_report = {
	.kind = "report",
	.about = "what a procedure saw or did",
	.read = read_report,
};

int report_keep(struct repo *repo, const struct report *report,
		struct record *ret, struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0 };
	const struct ingest_options options = {
		.source = report->source,
		.time = report->time,
		.time_from = "now",
		.input_name = report->input_name,
		.tags = report->tags,
		.tag_count = report->tag_count,
		.no_view = true,
	};
	const struct input input = {
		.path = report->input_name, .fd = -1, .size = UINT64_MAX,
		.given = (void *)(uintptr_t)report, .repo = repo,
	};
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = ingest(repo, &reader_report, &input, &options, &result,
			   err);
	if (r == 0 && record_copy(&result.record, ret) < 0)
		r = err_nomem(err);
	return r < 0 ? err_wrap(err, "cannot keep '%s' in the store",
				report->source) : 0;
}
