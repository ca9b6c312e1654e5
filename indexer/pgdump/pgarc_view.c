#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The format is described in pgarc_toc.c (where it is read) and pgarc_custom.c.
 * Written is it with numbers of 4 bytes and offsets of 8.
 */
#define VIEW_CHUNK     (1u << 20)
#define VIEW_FILES_MAX (1u << 24)
#define GLUE_MAX       (256u << 10)
#define INT_LEN        5u
#define TAIL_MAX       8u

struct data_file {
	uint64_t number, size;
	uint32_t oid;
	uint32_t entry;		/* its place in the table of contents */
};

struct data {			/* of an entry */
	bool told;
	uint8_t tail_len;
	uint8_t tail[TAIL_MAX];
	uint32_t first, count;	/* files */
	uint64_t before;	/* other text of the entry */
	uint64_t len;
	uint64_t begin;		/* of its block */
};

struct pgarc_view {
	const struct pgarc_toc *toc;
	struct data *data;
	struct data_file *files;
	size_t count, room;
};

struct pgarc_view *pgarc_view_new(const struct pgarc_toc *toc)
{
	struct pgarc_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->toc = toc;
	view->data = calloc((size_t)toc->count + 1, sizeof(*view->data));
	if (!view->data) {
		free(view);
		return NULL;
	}
	return view;
}

void pgarc_view_free(struct pgarc_view *view)
{
	if (!view)
		return;
	free(view->data);
	free(view->files);
	free(view);
}

static int room_for_file(struct pgarc_view *view, struct err *err)
{
	size_t room = view->room ? view->room * 2 : 64;
	struct data_file *files;

	if (view->count < view->room)
		return 0;
	if (view->count == VIEW_FILES_MAX)
		return err_set(err, -EFBIG, "it has more than %u tables and "
			       "large objects", VIEW_FILES_MAX);
	files = reallocarray(view->files, room, sizeof(*files));
	if (!files)
		return err_nomem(err);
	view->files = files;
	view->room = room;
	return 0;
}

int pgarc_view_file(struct pgarc_view *view, int32_t id, uint32_t oid,
		    uint64_t number, uint64_t size, struct err *err)
{
	const struct pgarc_entry *entry = pgarc_find(view->toc, id);
	struct data *data;
	int r;

	if (!entry)
		return err_set(err, -EINVAL, "there is no entry %d", id);
	r = room_for_file(view, err);
	if (r < 0)
		return r;
	data = &view->data[entry - view->toc->entries];
	if (!data->count)
		data->first = (uint32_t)view->count;
	data->count++;
	view->files[view->count++] = (struct data_file){
		.number = number, .size = size, .oid = oid,
		.entry = (uint32_t)(entry - view->toc->entries),
	};
	return 0;
}

int pgarc_view_data(struct pgarc_view *view, const struct pgarc_entry *entry,
		    uint64_t before, uint64_t len, struct span tail,
		    struct err *err)
{
	struct data *data = &view->data[entry - view->toc->entries];

	if (tail.len > TAIL_MAX)
		return err_set(err, -EINVAL, "too much of an end");
	data->told = true;
	data->before = before;
	data->len = len;
	data->tail_len = (uint8_t)tail.len;
	if (tail.len > 0)
		memcpy(data->tail, tail.data, tail.len);
	return 0;
}

static bool is_given(const struct pgarc_entry *entry)
{
	return entry->has_data && entry->place != PGARC_NOWHERE;
}

static const struct data_file *files_of(const struct pgarc_view *view,
					const struct data *data)
{
	return data->count ? view->files + data->first : NULL;
}

static bool has_objects(const struct pgarc_view *view, const struct data *data)
{
	return data->count > 0 && files_of(view, data)->oid;
}

/* Bytes of the entry's only file that are other text of it. */
static uint64_t skipped(const struct pgarc_view *view, const struct data *data)
{
	const struct data_file *file = files_of(view, data);

	if (data->count != 1 || file->oid ||
	    file->size != data->before + data->len)
		return 0;
	return data->before;
}

static int refuse(const struct pgarc_entry *entry, const char *why,
		  struct err *err)
{
	return err_set(err, -ENOTSUP, "the data of '%s' %s", entry->tag, why);
}

/* Do the files of an entry hold its data, but for what is kept of its end? */
static int check_files(const struct pgarc_view *view, uint32_t place,
		       struct err *err)
{
	const struct pgarc_entry *entry = &view->toc->entries[place];
	const struct data *data = &view->data[place];
	const struct data_file *file = files_of(view, data);
	uint64_t sum = 0;

	if (!is_given(entry))
		return 0;
	if (!data->told)
		return refuse(entry, "is not whole", err);
	for (uint32_t i = 0; i < data->count; i++) {
		if (file[i].entry != place || !file[i].oid != !file[0].oid)
			return refuse(entry, "lies in files that do not "
				      "belong together", err);
		sum += file[i].size;
	}
	sum -= skipped(view, data);
	if (sum > data->len || data->len - sum > data->tail_len ||
	    (sum < data->len &&
	     (has_objects(view, data) || desc_is(entry, "BLOBS"))))
		return refuse(entry, "is not that of its files", err);
	return 0;
}

static uint64_t chunked(uint64_t len)
{
	return len + (len + VIEW_CHUNK - 1) / VIEW_CHUNK * INT_LEN;
}

/* Bytes of an entry's block. */
static uint64_t block_len(const struct pgarc_view *view, uint32_t place)
{
	const struct data *data = &view->data[place];
	const struct data_file *file = files_of(view, data);
	uint64_t len = 1 + INT_LEN + INT_LEN, sum = 0;
	uint64_t skip = skipped(view, data);

	for (uint32_t i = 0; i < data->count; i++) {
		len += chunked(file[i].size - skip);
		sum += file[i].size - skip;
		if (file[i].oid)
			len += 2 * INT_LEN;
	}
	return len + chunked(data->len - sum);
}

/* Where the bytes go, or (out NULL) how many they are. */
struct glue {
	struct buf buf;
	const struct pgarc_view_out *out;
	uint64_t sum;
};

static int glue_flush(struct glue *glue, struct err *err)
{
	int r = buf_check(&glue->buf, err);

	if (r == 0 && glue->buf.len && glue->out)
		r = glue->out->bytes(glue->out->arg, buf_span(&glue->buf),
				     err);
	glue->sum += glue->buf.len;
	buf_clear(&glue->buf);
	return r;
}

static void put_int(struct buf *out, int64_t value)
{
	buf_u8(out, value < 0);
	buf_u32(out, (uint32_t)(value < 0 ? -value : value));
}

static void put_str(struct buf *out, const char *str)
{
	if (!str) {
		put_int(out, -1);
		return;
	}
	put_int(out, (int64_t)strlen(str));
	buf_append_str(out, str);
}

static void put_number(struct buf *out, bool is_signed, uint32_t number)
{
	char text[16];

	if (is_signed)
		snprintf(text, sizeof(text), "%" PRId32, (int32_t)number);
	else
		snprintf(text, sizeof(text), "%" PRIu32, number);
	put_str(out, text);
}

static void put_head(struct buf *out, const struct pgarc_head *head)
{
	const struct pgarc_time *t = &head->time;
	const int32_t times[] = { t->sec, t->min, t->hour, t->day, t->month,
				  t->year, t->dst };

	buf_append_str(out, PGARC_MAGIC);
	buf_u8(out, 1);
	buf_u8(out, head->minor);
	buf_u8(out, head->rev);
	buf_u8(out, 4);
	buf_u8(out, 8);
	buf_u8(out, PGARC_CUSTOM);
	if (head->minor < 15)
		put_int(out, 0);
	else
		buf_u8(out, 0);
	for (size_t i = 0; i < 7; i++)
		put_int(out, times[i]);
	put_str(out, head->db);
	put_str(out, head->server);
	put_str(out, head->dumper);
}

static void put_entry(struct buf *out, const struct pgarc_head *head,
		      const struct pgarc_entry *entry, uint64_t begin)
{
	put_int(out, entry->id);
	put_int(out, entry->has_data);
	put_number(out, false, entry->table_oid);
	put_number(out, false, entry->oid);
	put_str(out, entry->tag);
	put_str(out, entry->desc);
	put_int(out, entry->section);
	put_str(out, entry->defn);
	put_str(out, entry->drop);
	put_str(out, entry->copy);
	put_str(out, entry->schema);
	put_str(out, entry->tablespace);
	if (head->minor >= 14)
		put_str(out, entry->method);
	if (head->minor >= 16)
		put_int(out, entry->relkind);
	put_str(out, entry->owner);
	put_str(out, entry->with_oids ? "true" : "false");
	for (uint32_t i = 0; i < entry->depend_count; i++)
		put_number(out, true, (uint32_t)entry->depends[i]);
	put_str(out, NULL);
	buf_u8(out, is_given(entry) ? PGARC_SET : PGARC_NOWHERE);
	buf_u64(out, is_given(entry) ? begin : 0);
}

static int put_toc(const struct pgarc_view *view, struct glue *glue,
		   struct err *err)
{
	const struct pgarc_toc *toc = view->toc;
	int r = 0;

	put_head(&glue->buf, &toc->head);
	put_int(&glue->buf, toc->count);
	for (uint32_t i = 0; i < toc->count && r == 0; i++) {
		put_entry(&glue->buf, &toc->head, &toc->entries[i],
			  view->data[i].begin);
		if (glue->buf.len >= GLUE_MAX)
			r = glue_flush(glue, err);
	}
	return r < 0 ? r : glue_flush(glue, err);
}

static int put_file(struct glue *glue, const struct data_file *file,
		    uint64_t skip, struct err *err)
{
	int r = 0;

	for (uint64_t at = skip; at < file->size && r == 0; at += VIEW_CHUNK) {
		uint64_t left = file->size - at;
		uint64_t len = left < VIEW_CHUNK ? left : VIEW_CHUNK;

		put_int(&glue->buf, (int64_t)len);
		r = glue_flush(glue, err);
		if (r == 0)
			r = glue->out->file(glue->out->arg, file->number, at,
					    len, err);
		glue->sum += len;
	}
	return r;
}

static int put_block(const struct pgarc_view *view, uint32_t place,
		     struct glue *glue, struct err *err)
{
	const struct pgarc_entry *entry = &view->toc->entries[place];
	const struct data *data = &view->data[place];
	const struct data_file *file = files_of(view, data);
	bool objects = has_objects(view, data) || desc_is(entry, "BLOBS");
	struct buf *out = &glue->buf;
	uint64_t rest = data->len, skip = skipped(view, data);
	int r = 0;

	buf_u8(out, objects ? 3 : 1);
	put_int(out, entry->id);
	for (uint32_t i = 0; i < data->count && r == 0; i++) {
		if (objects)
			put_int(out, (int32_t)file[i].oid);
		r = put_file(glue, &file[i], skip, err);
		rest -= file[i].size - skip;
		if (objects)
			put_int(out, 0);
	}
	if (r == 0 && rest > 0) {
		put_int(out, (int64_t)rest);
		buf_append(out, data->tail + data->tail_len - rest, rest);
	}
	put_int(out, 0);
	return r;
}

/* Where the blocks begin, behind a table of contents that is as long whatever
 * they are. */
static int place_blocks(const struct pgarc_view *view, struct err *err)
{
	struct glue count = { .buf = BUF_INIT };
	int r = 0;

	for (uint32_t i = 0; i < view->toc->count && r == 0; i++)
		r = check_files(view, i, err);
	if (r == 0)
		r = put_toc(view, &count, err);
	buf_release(&count.buf);
	for (uint32_t i = 0; i < view->toc->count && r == 0; i++) {
		if (!is_given(&view->toc->entries[i]))
			continue;
		view->data[i].begin = count.sum;
		count.sum += block_len(view, i);
	}
	return r;
}

int pgarc_view_give(const struct pgarc_view *view,
		    const struct pgarc_view_out *out, struct err *err)
{
	struct glue glue = { .buf = BUF_INIT, .out = out };
	int r = place_blocks(view, err);

	if (r == 0)
		r = put_toc(view, &glue, err);
	for (uint32_t i = 0; i < view->toc->count && r == 0; i++)
		if (is_given(&view->toc->entries[i]))
			r = put_block(view, i, &glue, err);
	if (r == 0)
		r = glue_flush(&glue, err);
	buf_release(&glue.buf);
	return r;
}
