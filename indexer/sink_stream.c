/* sink_stream: the plain input stream, for the view of the original. */
#include "indexer/sink_internal.h"

int sink_stream_glue(struct sink *sink, struct span bytes, struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r < 0)
		return r;
	sink->record.stream_bytes += bytes.len;
	if (sink->options->no_view)
		return 0;
	return recipe_glue(&sink->recipe, bytes, err);
}

/*
 * Are these the very bytes the last sink_data() took?  The same memory is
 * proof, as nothing ran in between.  Others may still be held back by the
 * cutter, and are compared there.
 */
static bool is_proved(const struct sink *sink, uint64_t offset,
		      struct span bytes)
{
	const struct buf *held = &sink->file.held;
	uint64_t held_at = sink->file.offset - held->len;

	if (!sink->open)
		return false;
	if (sink->data.len && offset >= sink->data_offset &&
	    offset - sink->data_offset <= sink->data.len &&
	    bytes.len <= sink->data.len - (offset - sink->data_offset) &&
	    bytes.data == sink->data.data + (offset - sink->data_offset))
		return true;
	return offset >= held_at && offset - held_at <= held->len &&
	       bytes.len <= held->len - (offset - held_at) &&
	       !memcmp(held->data + (offset - held_at), bytes.data,
		       bytes.len);
}

int sink_stream_member(struct sink *sink, uint64_t file_offset,
		       struct span bytes, struct err *err)
{
	/* What is not proved costs its chunks once more and is right. */
	if (bytes.len == 0 || sink->options->no_view ||
	    !is_proved(sink, file_offset, bytes))
		return sink_stream_glue(sink, bytes, err);
	sink->record.stream_bytes += bytes.len;
	sink->members += bytes.len;
	return recipe_member(&sink->recipe, settle_seq(sink->settle),
			     file_offset, bytes, err);
}

int sink_stream_file(struct sink *sink, uint64_t number, uint64_t offset,
		     uint64_t len, struct err *err)
{
	int r = sink_check_stop(sink, err);

	if (r < 0)
		return r;
	if (number == 0 || number >= settle_seq(sink->settle))
		return err_set(err, -EINVAL,
			       "no file of this number has ended");
	sink->record.stream_bytes += len;
	if (sink->options->no_view)
		return 0;
	return recipe_refer(&sink->recipe, number, offset, len, err);
}
