#include "indexer/pgdump/pg_archive.h"

#include <inttypes.h>
#include <stdio.h>

#include "indexer/pgdump/pg_plain.h"

#define KEY_NTH (ID_META | 0x7f00u) /* a secret that names no object */

struct archive_run {
	struct sink *sink;
	struct pgarc *arc;
	struct pg_plain *plain;
	struct pgarc_view *view;
	const struct pgarc_input *stream;
	uint64_t taken;		/* of the stream, for progress */
	bool lost;
	bool told_open;		/* of the first such entry */
};

static struct span span_or(const char *str)
{
	return str ? span_str(str) : span_of(NULL, 0);
}

static const char *packing_word(enum pgarc_packing packing)
{
	switch (packing) {
	case PGARC_GZIP: return "gzip";
	case PGARC_LZ4: return "lz4";
	case PGARC_ZSTD: return "zstd";
	case PGARC_PLAIN: break;
	}
	return "none";
}

static const char *format_word(enum pgarc_format format)
{
	switch (format) {
	case PGARC_TAR: return "tar";
	case PGARC_DIRECTORY: return "directory";
	case PGARC_CUSTOM: break;
	}
	return "custom";
}

static void tell_head(struct sink *sink, const struct pgarc_toc *toc)
{
	const struct pgarc_head *head = &toc->head;
	char text[64];

	snprintf(text, sizeof(text), "PostgreSQL %s archive, version 1.%u",
		 format_word(head->format), head->minor);
	sink_format(sink, text);
	snprintf(text, sizeof(text), "1.%u", head->minor);
	sink_attr(sink, "archive_version", text);
	/* The original's name in a mount ends by it. */
	sink_attr(sink, "format", format_word(head->format));
	sink_attr(sink, "compression",
		  head->format == PGARC_TAR ? "none"
					    : packing_word(head->packing));
	snprintf(text, sizeof(text), "%" PRIu32, toc->count);
	sink_attr(sink, "entries", text);
}

/* The dump's own time, in the clock of the host that made it. */
static struct stamp tell_time(struct sink *sink, const struct pgarc_time *t)
{
	struct stamp ret;
	char text[96];

	snprintf(text, sizeof(text), "%04" PRId64 "-%02d-%02d %02d:%02d:%02d",
		 (int64_t)t->year + 1900, t->month + 1, t->day, t->hour,
		 t->min, t->sec);
	if (sink_when(sink, text, &ret) < 0)
		sink_warn(sink, WEIGHT_NOTE, span_of(NULL, 0),
			  "the time in the archive's head is none: %s", text);
	return ret;
}

/*
 * What \restrict names must not be foreseen by who can write into the database:
 * with it, rows could end the restriction that keeps psql from running their
 * commands.  So it is a sum under the store's secret, and the same for the same
 * archive.
 */
static int make_key(const struct input *input, const struct pgarc_toc *toc,
		    char ret[PGARC_KEY_LEN + 1], struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const struct pgarc_time *t = &toc->head.time;
	struct id_hex hex;
	struct id id;

	buf_printf(&text, "pg_restore %d %d %d %d %d %d %s %s", t->year,
		   t->month, t->day, t->hour, t->min, t->sec,
		   toc->head.db ? toc->head.db : "",
		   toc->head.server ? toc->head.server : "");
	for (uint32_t i = 0; i < toc->count; i++)
		buf_printf(&text, " %d %" PRIu32, toc->entries[i].id,
			   toc->entries[i].oid);
	if (buf_failed(&text))
		return err_nomem(err);
	id_of(repo_key(input->repo), KEY_NTH, buf_span(&text), &id);
	hex = id_hex(&id);
	memcpy(ret, hex.s, 2 * ID_HASH);
	ret[2 * ID_HASH] = 0;
	return 0;
}

/* Statements of a stranger's may end anywhere; entries end where they do. */
static int begin_entry(struct archive_run *run, const struct pg_hint *hint,
		       struct err *err)
{
	int r = pg_plain_hint(run->plain, hint, err);

	if (r != -EINVAL)
		return r;
	if (!run->told_open)
		sink_warn(run->sink, WEIGHT_NOTE,
			  hint ? hint->tag : span_of(NULL, 0),
			  "%s stands behind an entry whose statements do not "
			  "end", hint ? "it" : "the end");
	run->told_open = true;
	r = pg_plain_break(run->plain, err);
	return r < 0 ? r : pg_plain_hint(run->plain, hint, err);
}

static struct pg_hint hint_of(const struct pgarc_entry *entry)
{
	return (struct pg_hint){
		.dump_id = (uint32_t)entry->id,
		.catalog = entry->table_oid,
		.oid = entry->oid,
		.desc = span_str(entry->desc),
		.tag = span_str(entry->tag),
		.schema = span_or(entry->schema),
		.owner = span_or(entry->owner),
		.tablespace = span_or(entry->tablespace),
		.depends = (const uint32_t *)entry->depends,
		.depend_count = entry->depend_count,
	};
}

static int out_entry(void *arg, const struct pgarc_entry *entry,
		     struct err *err)
{
	struct archive_run *run = arg;
	struct pg_hint hint;

	if (!entry)
		return begin_entry(run, NULL, err);
	hint = hint_of(entry);
	return begin_entry(run, &hint, err);
}

static int out_text(void *arg, struct span bytes, struct err *err)
{
	struct archive_run *run = arg;

	sink_progress(run->sink, run->taken);
	return pg_plain_feed(run->plain, bytes, err);
}

static int out_lost(void *arg, const struct pgarc_entry *entry,
		    const struct err *why, struct err *err)
{
	struct archive_run *run = arg;
	OWNED_BUF struct buf name = BUF_INIT;
	const char *what = "the archive";
	struct pg_hint hint;

	run->lost = true;
	if (entry && !strcmp(entry->desc, "BLOBS")) {
		what = "large objects of the archive";
	} else if (entry) {
		what = entry->has_data ? "the data of the table"
				       : "a part of the archive";
		if (entry->schema)
			buf_printf(&name, "%s.", entry->schema);
		buf_append_str(&name, entry->tag);
	}
	sink_warn(run->sink, WEIGHT_LOST, buf_span(&name), "%s: %s", what,
		  why->text);
	if (entry)
		hint = hint_of(entry);
	return pg_plain_lost(run->plain, entry ? &hint : NULL, why->text, err);
}

static int out_data(void *arg, const struct pgarc_entry *entry,
		    uint64_t before, uint64_t len, struct span tail,
		    struct err *err)
{
	struct archive_run *run = arg;

	return pgarc_view_data(run->view, entry, before, len, tail, err);
}

static int take_file(void *arg, const struct pg_data *data, struct err *err)
{
	struct archive_run *run = arg;
	const struct pgarc_entry *entry =
		pgarc_find(pgarc_toc(run->arc), (int32_t)data->dump_id);

	if (!entry || !entry->has_data)
		return 0;
	return pgarc_view_file(run->view, entry->id,
			       data->kind == PG_DATA_OBJECT ? data->oid : 0,
			       data->number, data->size, err);
}

static int view_bytes(void *arg, struct span bytes, struct err *err)
{
	struct archive_run *run = arg;

	return sink_stream_glue(run->sink, bytes, err);
}

static int view_file(void *arg, uint64_t number, uint64_t offset, uint64_t len,
		     struct err *err)
{
	struct archive_run *run = arg;

	return sink_stream_file(run->sink, number, offset, len, err);
}

static int give_view(struct archive_run *run, struct err *err)
{
	const struct pgarc_view_out out = { view_bytes, view_file, run };
	int r;

	if (run->lost)
		return 0;
	r = pgarc_view_give(run->view, &out, err);
	if (r != -ENOTSUP)
		return r;
	sink_warn(run->sink, WEIGHT_NOTE, span_of(NULL, 0),
		  "the archive cannot be given back as one: %s", err->text);
	return 0;
}

static int give_text(struct archive_run *run, const char *key,
		     struct err *err)
{
	const struct pgarc_out out = {
		.entry = out_entry, .text = out_text, .lost = out_lost,
		.has_data = out_data, .arg = run,
	};
	const char *db = pgarc_toc(run->arc)->head.db;
	int r = 0;

	if (db && *db)
		r = pg_plain_db(run->plain, span_str(db), err);
	if (r == 0)
		r = pgarc_text(run->arc, key, &out, err);
	if (r == 0)
		r = pg_plain_finish(run->plain, NULL, err);
	return r < 0 ? r : give_view(run, err);
}

static int read_open(struct archive_run *run, const struct input *input,
		     const struct entry *like, struct err *err)
{
	const struct pgarc_toc *toc = pgarc_toc(run->arc);
	struct entry model = *like;
	const struct pg_plain_options options = {
		.like = &model, .data = take_file, .arg = run,
	};
	char key[PGARC_KEY_LEN + 1];
	int r = make_key(input, toc, key, err);

	if (r < 0)
		return r;
	tell_head(run->sink, toc);
	model.mtime = tell_time(run->sink, &toc->head.time);
	run->view = pgarc_view_new(toc);
	run->plain = pg_plain_new(run->sink, &options);
	r = run->view && run->plain ? give_text(run, key, err)
				    : err_nomem(err);
	pg_plain_free(run->plain);
	pgarc_view_free(run->view);
	return r;
}

static int counted_next(void *arg, struct span *ret, struct err *err)
{
	struct archive_run *run = arg;
	int r = run->stream->next(run->stream->arg, ret, err);

	if (r > 0)
		run->taken += ret->len;
	return r;
}

static int counted_seek(void *arg, uint64_t offset, struct err *err)
{
	struct archive_run *run = arg;

	return run->stream->seek(run->stream->arg, offset, err);
}

/* The input is damaged or something else; the store is not: no -EBADMSG. */
static int no_archive(const struct input *input, int r, struct err *err)
{
	struct err why = err ? *err : (struct err)ERR_INIT;

	if (r != -EBADMSG && r != -ENOTSUP && r != -EFBIG)
		return r;
	return err_set(err, -EPROTO, "nothing of '%s' can be read: %s",
		       input->path, why.text);
}

int pg_archive_read(const struct pgarc_input *stream,
		    const struct input *input, const struct entry *like,
		    struct sink *sink, struct err *err)
{
	struct archive_run run = { .sink = sink, .stream = stream };
	const struct pgarc_input counted = {
		.next = counted_next,
		.seek = stream->seek ? counted_seek : NULL,
		.arg = &run,
	};
	int r = pgarc_open(&counted, &run.arc, err);

	r = r < 0 ? no_archive(input, r, err)
		  : read_open(&run, input, like, err);
	pgarc_free(run.arc);
	return r;
}

int pg_archive_read_dir(int dir, const struct input *input,
			const struct entry *like, struct sink *sink,
			struct err *err)
{
	struct archive_run run = { .sink = sink };
	int r = pgarc_open_dir(dir, &run.arc, err);

	r = r < 0 ? no_archive(input, r, err)
		  : read_open(&run, input, like, err);
	pgarc_free(run.arc);
	return r;
}
