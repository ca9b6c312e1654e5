#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define OBJECT_PIECE 16384u	/* of a large object in one statement */
#define TAIL_MAX     8u

/* How COPY's data ends in an archive. */
static const char copy_end[] = "\\.\n\n\n";

struct text {
	struct pgarc *arc;
	const struct pgarc_out *out;
	const char *key;
	struct print print;
	struct buf scratch;
	bool stopped;		/* out failed */
	bool lost;		/* out was told of a loss */
	bool object;		/* rows are a large object's */
	uint64_t entry_len;	/* text of the entry so far */
	uint64_t given;		/* of its rows */
	uint8_t tail[TAIL_MAX];	/* the last of them */
	size_t tail_len;
	size_t piece_len;
	uint8_t piece[OBJECT_PIECE];
};

static int stop(struct text *text, int r)
{
	if (r < 0)
		text->stopped = true;
	return r;
}

static int put(struct text *text, struct span bytes, struct err *err)
{
	if (!bytes.len)
		return 0;
	text->entry_len += bytes.len;
	return stop(text, text->out->text(text->out->arg, bytes, err));
}

static int put_str(struct text *text, const char *str, struct err *err)
{
	return put(text, span_str(str), err);
}

/* What was printed. */
static int put_scratch(struct text *text, struct err *err)
{
	int r = stop(text, buf_check(&text->scratch, err));

	if (r == 0)
		r = put(text, buf_span(&text->scratch), err);
	buf_clear(&text->scratch);
	return r;
}

static int put_piece(struct text *text, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	bool std_strings = text->arc->own.toc.std_strings;
	struct buf *out = &text->scratch;

	buf_printf(out, "SELECT pg_catalog.lowrite(0, '%s\\x",
		   std_strings ? "" : "\\");
	if (buf_reserve(out, 2 * (size_t)OBJECT_PIECE) == 0)
		for (size_t i = 0; i < text->piece_len; i++) {
			out->data[out->len++] =
				(uint8_t)digits[text->piece[i] >> 4];
			out->data[out->len++] =
				(uint8_t)digits[text->piece[i] & 15];
		}
	buf_append_str(out, "');\n");
	text->piece_len = 0;
	return put_scratch(text, err);
}

static int object_begin(void *arg, uint32_t oid, struct err *err)
{
	struct text *text = arg;

	/* 131072: to be written. */
	buf_printf(&text->scratch, "SELECT pg_catalog.lo_open('%" PRIu32
		   "', 131072);\n", oid);
	text->object = true;
	text->piece_len = 0;
	return put_scratch(text, err);
}

static int object_end(void *arg, struct err *err)
{
	struct text *text = arg;
	int r = text->piece_len ? put_piece(text, err) : 0;

	text->object = false;
	return r < 0 ? r : put_str(text, "SELECT pg_catalog.lo_close(0);\n\n",
				   err);
}

/* The rest stays until more comes: pieces are as long as can be. */
static int object_bytes(struct text *text, struct span bytes, struct err *err)
{
	int r = 0;

	while (r == 0 && bytes.len > 0) {
		size_t room, n;

		if (text->piece_len == OBJECT_PIECE) {
			r = put_piece(text, err);
			continue;
		}
		room = OBJECT_PIECE - text->piece_len;
		n = bytes.len < room ? bytes.len : room;
		memcpy(text->piece + text->piece_len, bytes.data, n);
		text->piece_len += n;
		bytes.data += n;
		bytes.len -= n;
	}
	return r;
}

static void keep_tail(struct text *text, struct span bytes)
{
	size_t keep, n = bytes.len < TAIL_MAX ? bytes.len : TAIL_MAX;

	keep = text->tail_len + n > TAIL_MAX ? TAIL_MAX - n : text->tail_len;
	memmove(text->tail, text->tail + text->tail_len - keep, keep);
	memcpy(text->tail + keep, bytes.data + bytes.len - n, n);
	text->tail_len = keep + n;
}

static int row_bytes(void *arg, struct span bytes, struct err *err)
{
	struct text *text = arg;

	if (!bytes.len)
		return 0;
	text->given += bytes.len;
	if (text->object)
		return object_bytes(text, bytes, err);
	keep_tail(text, bytes);
	return put(text, bytes, err);
}

static bool ends_with(const struct text *text, const char *end)
{
	size_t len = strlen(end);

	return text->tail_len >= len &&
	       !memcmp(text->tail + text->tail_len - len, end, len);
}

/* Damage ended the data: what follows must not be taken for rows. */
static int mend(struct text *text, const struct pgarc_entry *entry,
		struct err *err)
{
	int r = 0;

	if (text->object)
		r = object_end(text, err);
	if (r < 0 || str_empty(entry->copy) || ends_with(text, copy_end))
		return r;
	if (text->tail_len && text->tail[text->tail_len - 1] != '\n')
		r = put_str(text, "\n", err);
	return r < 0 ? r : put_str(text, copy_end, err);
}

static int told(struct text *text, const struct pgarc_entry *entry,
		const struct err *why, struct err *err)
{
	text->lost = true;
	return stop(text, text->out->lost(text->out->arg, entry, why, err));
}

static int give_rows(struct text *text, const struct pgarc_entry *entry,
		     struct err *err)
{
	const struct rows rows = {
		.bytes = row_bytes, .large_begin = object_begin,
		.large_end = object_end, .arg = text,
		.stopped = &text->stopped,
	};
	struct pgarc *arc = text->arc;
	struct err why = ERR_INIT;
	uint64_t before = text->entry_len;
	int r;

	text->given = 0;
	text->tail_len = 0;
	text->object = false;
	r = arc->give(arc, entry, &rows, &why);
	if (text->stopped || r == -ENOMEM) {
		if (err)
			*err = why;
		return r;
	}
	if (r == 0 && !str_empty(entry->copy) && !ends_with(text, copy_end))
		r = err_corrupt(&why, "its rows end without their mark");
	if (r < 0) {
		r = mend(text, entry, err);
		return r < 0 ? r : told(text, entry, &why, err);
	}
	if (!text->out->has_data)
		return 0;
	return stop(text, text->out->has_data(
				  text->out->arg, entry, before, text->given,
				  span_of(text->tail, text->tail_len), err));
}

static int give_data(struct text *text, const struct pgarc_entry *entry,
		     struct err *err)
{
	bool objects = desc_is(entry, "BLOBS");
	int r;

	print_entry(&text->print, entry, PRINT_DATA, &text->scratch);
	print_schema(&text->print,
		     objects || desc_is(entry, "BLOB COMMENTS")
			     ? "pg_catalog"
			     : entry->schema,
		     &text->scratch);
	if (objects)
		buf_append_str(&text->scratch, "BEGIN;\n\n");
	else if (!str_empty(entry->copy))
		buf_append_str(&text->scratch, entry->copy);
	r = put_scratch(text, err);
	if (r == 0)
		r = give_rows(text, entry, err);
	if (r == 0 && objects)
		r = put_str(text, "COMMIT;\n\n", err);
	return r;
}

static int tell_too_large(struct text *text, const struct pgarc_entry *entry,
			  struct err *err)
{
	struct err why = ERR_INIT;

	text->print.too_large = false;
	err_set(&why, -EFBIG, "its statements come to more than %u MiB",
		PRINT_MAX >> 20);
	return told(text, entry, &why, err);
}

static int give_entry(struct text *text, const struct pgarc_entry *entry,
		      struct err *err)
{
	unsigned want = entry->want;
	int r = stop(text, text->out->entry(text->out->arg, entry, err));

	text->entry_len = 0;
	if (r < 0)
		return r;
	print_before(&text->print, entry, &text->scratch);
	if (want & PGARC_WANT_SCHEMA ||
	    (want & PGARC_WANT_DATA && !entry->has_data))
		print_entry(&text->print, entry, PRINT_DEFINITION,
			    &text->scratch);
	if (want & PGARC_WANT_STATS)
		print_entry(&text->print, entry, PRINT_STATS, &text->scratch);
	r = put_scratch(text, err);
	if (r == 0 && text->print.too_large)
		r = tell_too_large(text, entry, err);
	if (r == 0 && want & PGARC_WANT_DATA && entry->has_data)
		r = give_data(text, entry, err);
	return r;
}

static int give_heading(struct text *text, struct err *err)
{
	const struct pgarc_head *head = &text->arc->own.toc.head;
	struct buf *out = &text->scratch;

	buf_append_str(out, "--\n-- PostgreSQL database dump\n--\n\n");
	if (head->major >= 1300)
		buf_printf(out, "\\restrict %s\n\n", text->key);
	/* Before 9.5 these two were for the verbose. */
	if (head->major >= 905) {
		if (head->server)
			buf_printf(out, "-- Dumped from database version %s\n",
				   head->server);
		if (head->dumper)
			buf_printf(out, "-- Dumped by pg_dump version %s\n",
				   head->dumper);
		buf_append_byte(out, '\n');
	}
	print_settings(&text->arc->own.toc, out);
	return put_scratch(text, err);
}

static int give_ending(struct text *text, struct err *err)
{
	struct buf *out = &text->scratch;
	int r = stop(text, text->out->entry(text->out->arg, NULL, err));

	if (r < 0)
		return r;
	buf_append_str(out, text->lost ?
		       "--\n-- This dump is incomplete: its archive is damaged "
		       "or ends early\n--\n\n" :
		       "--\n-- PostgreSQL database dump complete\n--\n\n");
	if (text->arc->own.toc.head.major >= 1300)
		buf_printf(out, "\\unrestrict %s\n\n", text->key);
	return put_scratch(text, err);
}

static int give_all(struct text *text, struct err *err)
{
	const struct pgarc_toc *toc = &text->arc->own.toc;
	struct err why = ERR_INIT;
	int r = give_heading(text, err);

	for (enum pgarc_pass pass = PGARC_MAIN; pass <= PGARC_LATE; pass++)
		for (uint32_t i = 0; i < toc->count && r == 0; i++)
			if (toc->entries[i].want &&
			    toc->entries[i].pass == pass)
				r = give_entry(text, &toc->entries[i], err);
	if (r == 0 && text->arc->finish(text->arc, &why) < 0)
		r = told(text, NULL, &why, err);
	return r < 0 ? r : give_ending(text, err);
}

int pgarc_text(struct pgarc *arc, const char *key,
	       const struct pgarc_out *out, struct err *err)
{
	struct text *text = calloc(1, sizeof(*text));
	int r;

	if (!text)
		return err_nomem(err);
	text->arc = arc;
	text->out = out;
	text->key = key;
	text->print.toc = &arc->own.toc;
	r = give_all(text, err);
	buf_release(&text->scratch);
	free(text);
	return r;
}
