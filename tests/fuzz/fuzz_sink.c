#include "tests/fuzz/fuzz_sink.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>

static int step(struct sink *sink, struct err *err)
{
	if (++sink->calls == sink->fail_at)
		return err_set(err, -ENOSPC, "the sink is full");
	FUZZ_CHECK(sink->fail_at == 0 || sink->calls < sink->fail_at);
	return 0;
}

/* Lent, all of it?  (Reading it byte by byte costs more than the parser.) */
static void look(struct sink *sink, struct span s)
{
	FUZZ_CHECK(s.len == 0 || s.data);
	FUZZ_CHECK(s.len == 0 ||
		   !__asan_region_is_poisoned((void *)(uintptr_t)s.data,
					      s.len));
	sink->sum += s.len;
}

static void look_at_entry(struct sink *sink, const struct entry *entry)
{
	FUZZ_CHECK(entry->type >= ENTRY_FILE && entry->type <= ENTRY_SOCKET);
	FUZZ_CHECK(entry->mode <= 07777);
	FUZZ_CHECK(entry->mtime.ns < 1000000000);
	FUZZ_CHECK(entry->size <= SIZE_LIMIT || entry->size == UINT64_MAX);
	look(sink, entry->uname);
	look(sink, entry->gname);
	look(sink, entry->target);
	FUZZ_CHECK(entry->type == ENTRY_SYMLINK || entry->target.len == 0);
	FUZZ_CHECK(entry->xattr_count <= XATTRS_MAX);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		look(sink, entry->xattrs[i].name);
		look(sink, entry->xattrs[i].value);
		FUZZ_CHECK(entry->xattrs[i].value.len ==
			   entry->xattrs[i].value_len);
		FUZZ_CHECK(entry->xattrs[i].value_len <= XATTR_VALUE_MAX);
	}
}

int sink_begin(struct sink *sink, struct span path,
	       const struct entry *entry, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(!sink->open);
	look(sink, path);
	look_at_entry(sink, entry);
	sink->entries++;
	if (sink->refuse && !sink->aside && fuzz_below(&sink->rng, 4) == 0)
		return 0;
	sink->aside = false;
	sink->open = true;
	sink->file = entry->type == ENTRY_FILE;
	sink->end = 0;
	sink->data = span_of(NULL, 0);
	return 1;
}

int sink_data(struct sink *sink, uint64_t offset, struct span bytes,
	      struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(sink->open && sink->file);
	FUZZ_CHECK(offset >= sink->end);
	FUZZ_CHECK(offset <= SIZE_LIMIT && bytes.len <= SIZE_LIMIT - offset);
	look(sink, bytes);
	sink->end = offset + bytes.len;
	sink->data = bytes;
	sink->data_at = offset;
	sink->bytes += bytes.len;
	return 0;
}

int sink_end(struct sink *sink, uint64_t size, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(sink->open);
	FUZZ_CHECK(size >= sink->end && size <= SIZE_LIMIT);
	FUZZ_CHECK(sink->file || size == 0);
	sink->open = false;
	if (sink->file)
		sink->ended_size = size;
	sink->ended += sink->file;
	return 0;
}

void sink_keep_times(struct sink *sink)
{
	(void)sink;
}

struct stamp sink_last_mtime(const struct sink *sink)
{
	return (struct stamp){ (int64_t)sink->entries, 0 };
}

void sink_aside(struct sink *sink)
{
	FUZZ_CHECK(!sink->open);
	sink->aside = true;
}

uint64_t sink_last_number(const struct sink *sink)
{
	FUZZ_CHECK(sink->ended > 0);
	return sink->ended;
}

int sink_last_content(struct sink *sink, struct content *ret,
		      uint64_t *ret_size)
{
	FUZZ_CHECK(sink->ended > 0);
	*ret = (struct content){ .holes = sink->ended };
	*ret_size = sink->ended_size;
	return 0;
}

int sink_join(struct sink *sink, const struct content *content,
	      uint64_t size, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(sink->open && sink->file);
	FUZZ_CHECK(content->holes > 0 && content->holes <= sink->ended);
	FUZZ_CHECK(size <= SIZE_LIMIT - sink->end);
	sink->end += size;
	sink->data = span_of(NULL, 0);
	return 0;
}

int sink_stream_file(struct sink *sink, uint64_t number, uint64_t offset,
		     uint64_t len, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(number > 0 && number <= sink->ended);
	FUZZ_CHECK(len <= SIZE_LIMIT && offset <= SIZE_LIMIT - len);
	return 0;
}

void sink_cancel(struct sink *sink)
{
	FUZZ_CHECK(sink->open);
	FUZZ_CHECK(sink->trouble > 0);
	sink->open = false;
}

int sink_link(struct sink *sink, struct span path, struct span target,
	      struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(!sink->open);
	look(sink, path);
	look(sink, target);
	sink->entries++;
	return 0;
}

void sink_warn(struct sink *sink, enum weight weight, struct span path,
	       const char *fmt, ...)
{
	char words[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	FUZZ_CHECK(weight >= WEIGHT_NOTE && weight <= WEIGHT_INPUT);
	FUZZ_CHECK(words[0] != '\0');
	look(sink, path);
	sink->trouble++;
}

static void stream(struct sink *sink, struct span bytes)
{
	look(sink, bytes);
	sink->has_stream = true;
	sink->stream_len += bytes.len;
	if (sink->stream.len + bytes.len <= FUZZ_STREAM_KEPT)
		buf_append(&sink->stream, bytes.data, bytes.len);
}

int sink_stream_glue(struct sink *sink, struct span bytes, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	stream(sink, bytes);
	return 0;
}

int sink_stream_member(struct sink *sink, uint64_t file_offset,
		       struct span bytes, struct err *err)
{
	if (step(sink, err) < 0)
		return -ENOSPC;
	FUZZ_CHECK(sink->open && sink->file);
	FUZZ_CHECK(file_offset == sink->data_at);
	FUZZ_CHECK(bytes.data == sink->data.data &&
		   bytes.len == sink->data.len);
	sink->data = span_of(NULL, 0);	/* once only */
	stream(sink, bytes);
	return 0;
}

void sink_format(struct sink *sink, const char *format)
{
	sink->sum += strlen(format);
}

void sink_attr(struct sink *sink, const char *key, const char *value)
{
	sink->sum += strlen(key) + strlen(value);
}

int sink_when(struct sink *sink, const char *local, struct stamp *ret)
{
	sink->sum += strlen(local);
	return stamp_parse(local, "UTC", ret, NULL, NULL);
}

bool sink_stopped(const struct sink *sink)
{
	return sink->stop_at && sink->calls >= sink->stop_at;
}

void sink_progress(struct sink *sink, uint64_t input_bytes)
{
	FUZZ_CHECK(input_bytes >= sink->progress);
	sink->progress = input_bytes;
}

bool exclude_match(const struct exclude *exclude, const char *path,
		   bool is_dir)
{
	(void)exclude;
	return is_dir && path[0] == 'x';
}
