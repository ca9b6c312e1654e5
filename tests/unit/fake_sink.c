#include "tests/unit/fake_sink.h"

#include <stdio.h>
#include <stdlib.h>

void fake_init(struct sink *sink)
{
	*sink = (struct sink){ .sum = sum_stream_new() };
}

void fake_release(struct sink *sink)
{
	for (size_t i = 0; i < sink->count; i++) {
		struct fake_entry *e = &sink->entries[i];

		free(e->path);
		free(e->link);
		free(e->target);
		free(e->uname);
		free(e->gname);
		for (size_t k = 0; k < e->xattr_count; k++) {
			free(e->xattrs[k].name);
			buf_release(&e->xattrs[k].value);
		}
		free(e->xattrs);
		free(e->regions);
		buf_release(&e->data);
	}
	free(sink->entries);
	buf_release(&sink->stream);
	buf_release(&sink->warnings);
	buf_release(&sink->attrs);
	sum_stream_free(sink->sum);
}

struct fake_entry *fake_find(struct sink *sink, const char *path)
{
	struct fake_entry *found = NULL;

	for (size_t i = 0; i < sink->count; i++) {
		if (!strcmp(sink->entries[i].path, path))
			found = &sink->entries[i];
	}
	return found;
}

const struct buf *fake_xattr(const struct fake_entry *entry,
			     const char *name)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		if (!strcmp(entry->xattrs[i].name, name))
			return &entry->xattrs[i].value;
	}
	return NULL;
}

bool fake_warned(const struct sink *sink, const char *words)
{
	struct buf *w = (struct buf *)&sink->warnings;

	return w->len && strstr(buf_str(w), words);
}

static int step(struct sink *sink, struct err *err)
{
	if (++sink->calls == sink->fail_at)
		return err_set(err, -ENOSPC, "the fake sink is full");
	return 0;
}

static char *text(struct span s)
{
	char *t = malloc(s.len + 1);

	if (s.len)
		memcpy(t, s.data, s.len);
	t[s.len] = '\0';
	return t;
}

static struct fake_entry *add(struct sink *sink, struct span path)
{
	struct fake_entry *e;

	if ((sink->count & (sink->count + 1)) == 0)
		sink->entries = realloc(sink->entries,
					2 * (sink->count + 1) * sizeof(*e));
	e = &sink->entries[sink->count++];
	*e = (struct fake_entry){ .path = text(path) };
	return e;
}

int sink_begin(struct sink *sink, struct span path,
	       const struct entry *entry, struct err *err)
{
	struct fake_entry *e;

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (sink->open)
		sink->broken = "begin inside an entry";
	if (!sink->aside && sink->refuse &&
	    span_equal(path, span_str(sink->refuse)))
		return 0;
	e = add(sink, path);
	e->aside = sink->aside;
	sink->aside = false;
	e->entry = *entry;
	e->target = text(entry->target);
	e->uname = text(entry->uname);
	e->gname = text(entry->gname);
	e->xattr_count = entry->xattr_count;
	e->xattrs = calloc(entry->xattr_count + 1u, sizeof(*e->xattrs));
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct xattr *x = &entry->xattrs[i];

		e->xattrs[i].name = text(x->name);
		buf_append(&e->xattrs[i].value, x->value.data, x->value.len);
		if (x->value_len != x->value.len)
			sink->broken = "an attribute's length";
	}
	sink->open = entry->type == ENTRY_FILE;
	sink->last = span_of(NULL, 0);
	return 1;
}

static void add_region(struct fake_entry *e, uint64_t offset, uint64_t len)
{
	struct fake_region *last = e->region_count
					   ? &e->regions[e->region_count - 1]
					   : NULL;

	if (last && last->offset + last->len == offset) {
		last->len += len;
		return;
	}
	e->regions = realloc(e->regions,
			     (e->region_count + 1) * sizeof(*e->regions));
	e->regions[e->region_count++] = (struct fake_region){ offset, len };
}

static void keep(struct sink *sink, struct buf *out, uint64_t offset,
		 struct span bytes)
{
	if (sink->keep_nothing || offset >= FAKE_KEEP)
		return;
	if (bytes.len > FAKE_KEEP - offset)
		bytes.len = FAKE_KEEP - offset;
	if (offset > out->len)
		buf_append_zero(out, offset - out->len);
	buf_append(out, bytes.data, bytes.len);
}

int sink_data(struct sink *sink, uint64_t offset, struct span bytes,
	      struct err *err)
{
	struct fake_entry *e = &sink->entries[sink->count - 1];

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (!sink->open)
		sink->broken = "data outside of a file";
	if (offset < e->size)
		sink->broken = "data falls back";
	keep(sink, &e->data, offset, bytes);
	add_region(e, offset, bytes.len);
	e->size = offset + bytes.len;
	sink->data_len += bytes.len;
	sink->last = bytes;
	sink->last_offset = offset;
	return 0;
}

int sink_end(struct sink *sink, uint64_t size, struct err *err)
{
	struct fake_entry *e = &sink->entries[sink->count - 1];

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (!sink->open)
		return 0;
	if (size < e->size)
		sink->broken = "a file ends before its last byte";
	if (!sink->keep_nothing && e->data.len < FAKE_KEEP)
		buf_append_zero(&e->data, (size < FAKE_KEEP ? size : FAKE_KEEP) -
						  e->data.len);
	e->size = size;
	e->ended = true;
	sink->open = false;
	sink->last_number = sink->count;
	return 0;
}

void sink_aside(struct sink *sink)
{
	if (sink->open)
		sink->broken = "aside inside an entry";
	sink->aside = true;
}

uint64_t sink_last_number(const struct sink *sink)
{
	return sink->last_number;
}

/* A content here is the number of the file it is of. */
int sink_last_content(struct sink *sink, struct content *ret,
		      uint64_t *ret_size)
{
	if (!sink->last_number)
		return -ENOENT;
	*ret = (struct content){ .holes = sink->last_number };
	*ret_size = sink->entries[sink->last_number - 1].size;
	return 0;
}

static const struct fake_entry *numbered(struct sink *sink, uint64_t number)
{
	if (number && number <= sink->count &&
	    sink->entries[number - 1].ended)
		return &sink->entries[number - 1];
	sink->broken = "a number that is no file's";
	return NULL;
}

int sink_join(struct sink *sink, const struct content *content,
	      uint64_t size, struct err *err)
{
	struct fake_entry *e = &sink->entries[sink->count - 1];
	const struct fake_entry *from = numbered(sink, content->holes);

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (!sink->open || !from || from->size != size) {
		sink->broken = "joined what is no file that ended";
		return 0;
	}
	keep(sink, &e->data, e->size, buf_span(&from->data));
	e->size += size;
	sink->last = span_of(NULL, 0);
	return 0;
}

int sink_stream_file(struct sink *sink, uint64_t number, uint64_t offset,
		     uint64_t len, struct err *err)
{
	const struct fake_entry *from = numbered(sink, number);

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (!from || offset > from->size || len > from->size - offset) {
		sink->broken = "a stream beyond the end of a file";
		return 0;
	}
	sink->unsummed = true;
	sink->member_len += len;
	if (from->data.len >= offset + len)
		keep(sink, &sink->stream, sink->stream_len,
		     span_of(from->data.data + offset, len));
	sink->stream_len += len;
	return 0;
}

void sink_cancel(struct sink *sink)
{
	sink->open = false;
	sink->count--;
}

int sink_link(struct sink *sink, struct span path, struct span target,
	      struct err *err)
{
	struct fake_entry *e;

	if (step(sink, err) < 0)
		return -ENOSPC;
	if (sink->open)
		sink->broken = "link inside an entry";
	e = add(sink, path);
	e->link = text(target);
	return 0;
}

void sink_warn(struct sink *sink, enum weight weight, struct span path,
	       const char *fmt, ...)
{
	static const char *const names[] = {
		"", "NOTE", "FLAWED", "REFUSED", "LOST", "INPUT",
	};
	char words[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	sink->weights[weight]++;
	if (sink->warnings.len > (1u << 20))
		return;
	buf_printf(&sink->warnings, "%s %.*s: %s\n", names[weight],
		   (int)(path.len < 200 ? path.len : 200),
		   (const char *)path.data, words);
}

static void stream(struct sink *sink, struct span bytes)
{
	if (!sink->keep_nothing && sink->stream.len < (64u << 20))
		buf_append(&sink->stream, bytes.data, bytes.len);
	sink->stream_len += bytes.len;
	sum_stream_add(sink->sum, bytes);
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
	if (!sink->open || file_offset != sink->last_offset ||
	    !span_equal(bytes, sink->last))
		sink->broken = "a member that is not the data before it";
	sink->member_len += bytes.len;
	stream(sink, bytes);
	return 0;
}

void sink_format(struct sink *sink, const char *format)
{
	snprintf(sink->format, sizeof(sink->format), "%s", format);
}

void sink_attr(struct sink *sink, const char *key, const char *value)
{
	buf_printf(&sink->attrs, "%s=%s\n", key, value);
}

bool sink_stopped(const struct sink *sink)
{
	return sink->stop_at && sink->calls >= sink->stop_at;
}

void sink_progress(struct sink *sink, uint64_t input_bytes)
{
	if (input_bytes < sink->progress)
		sink->broken = "progress falls back";
	sink->progress = input_bytes;
}

bool exclude_match(const struct exclude *exclude, const char *path,
		   bool is_dir)
{
	const char *want = (const char *)exclude;

	(void)is_dir;
	return !strcmp(path, want);
}

/* A test's store is no more than its directory. */
struct disk_dir *repo_dir(struct repo *repo)
{
	return (struct disk_dir *)repo;
}
