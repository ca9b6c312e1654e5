#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/*
 * Behind the entries of a custom archive, a block for each that has data:
 *
 *     byte 1 (rows) | Int id | chunks | Int 0
 *     byte 3 (large objects) | Int id | { Int oid | chunks | Int 0 } | Int 0
 *
 * A chunk is Int len and that many bytes; those of one table or object are one
 * compressed stream.  Blocks stand in the order of the entries, but an archive
 * may have been put together by others: where the next one is another entry's,
 * it is looked for by its offset, or by the blocks' own lengths.
 */
#define BLOCK_ROWS  1
#define BLOCK_LARGE 3

struct block {
	uint8_t kind;
	int32_t id;
};

struct custom {
	uint64_t *begins;	/* of the blocks met, by entry; 0: not met */
	uint64_t met;		/* blocks up to here were looked at */
	bool lost;		/* in a stream: where its next block is */
	struct block held;	/* begins at met and is wanted later */
	bool holds;
	struct err strange;	/* the first block of no entry, or a second */
};

/* 1, or 0 at the end of the archive. */
static int read_block(struct pgarc *arc, struct block *ret, struct err *err)
{
	struct span some;
	int r = take_some(&arc->take, 1, &some, err);

	if (r <= 0)
		return r;
	ret->kind = some.data[0];
	if (ret->kind != BLOCK_ROWS && ret->kind != BLOCK_LARGE)
		return err_corrupt(err, "what should be a block at byte %"
				   PRIu64 " is none", arc->take.at - 1);
	r = toc_int(&arc->take, arc->own.toc.head.int_size, &ret->id, err);
	return r < 0 ? r : 1;
}

static int read_len(struct pgarc *arc, uint32_t *ret, struct err *err)
{
	int32_t len = 0;
	int r = toc_int(&arc->take, arc->own.toc.head.int_size, &len, err);

	if (r == 0 && len < 0)
		return err_corrupt(err, "a length before byte %" PRIu64
				   " is below zero", arc->take.at);
	*ret = (uint32_t)len;
	return r;
}

/* Where the bytes of a stream go.  Damage of them does not hide where the
 * stream ends: it is kept, and the rest is read over. */
struct stream {
	struct unpack *unpack;	/* NULL: nowhere */
	const struct rows *rows;
	struct err damage;	/* code 0: none */
};

static int put_chunk(struct stream *stream, struct span some, struct err *err)
{
	const struct outlet to = { stream->rows->bytes, stream->rows->arg };
	int r = unpack_put(stream->unpack, some, &to, &stream->damage);

	if (r == 0)
		stream->damage.code = 0;
	if (r == 0 || !*stream->rows->stopped)
		return 0;
	if (err)
		*err = stream->damage;
	return r;
}

static int read_chunk(struct pgarc *arc, struct stream *stream, uint32_t len,
		      struct err *err)
{
	struct span some;
	int r = 0;

	while (r == 0 && len > 0) {
		if (!stream->unpack || stream->damage.code)
			return take_skip(&arc->take, len, err);
		r = take_some(&arc->take, len, &some, err);
		if (r == 0)	/* its words */
			r = take_skip(&arc->take, len, err);
		if (r < 0)
			break;
		len -= (uint32_t)some.len;
		r = put_chunk(stream, some, err);
	}
	return r;
}

/* All chunks up to the end of the stream. */
static int read_chunks(struct pgarc *arc, struct stream *stream,
		       struct err *err)
{
	uint32_t len = 0;
	int r;

	do {
		r = read_len(arc, &len, err);
		if (r == 0 && len > 0)
			r = read_chunk(arc, stream, len, err);
	} while (r == 0 && len > 0);
	return r;
}

/* Damage of the bytes is in *damage (unless it has some) and no failure. */
static int read_stream(struct pgarc *arc, const struct rows *rows,
		       struct err *damage, struct err *err)
{
	struct stream stream = { .rows = rows };
	int r;

	stream.unpack = unpack_new(arc->own.toc.head.packing, false);
	if (!stream.unpack)
		return err_nomem(err);
	r = read_chunks(arc, &stream, err);
	if (r == 0 && !stream.damage.code)
		unpack_end(stream.unpack, &stream.damage);
	unpack_free(stream.unpack);
	if (!damage->code)
		*damage = stream.damage;
	return r;
}

static int skip_stream(struct pgarc *arc, struct err *err)
{
	struct stream nowhere = { .unpack = NULL };

	return read_chunks(arc, &nowhere, err);
}

static int read_oid(struct pgarc *arc, uint32_t *ret, struct err *err)
{
	int32_t oid = 0;
	int r = toc_int(&arc->take, arc->own.toc.head.int_size, &oid, err);

	/* Above 2^31 they were written as if they were below 0. */
	*ret = (uint32_t)oid;
	return r;
}

static int give_object(struct pgarc *arc, uint32_t oid,
		       const struct rows *rows, struct err *damage,
		       struct err *err)
{
	struct err own = ERR_INIT;
	int r = rows->large_begin(rows->arg, oid, err);

	if (r == 0)
		r = read_stream(arc, rows, &own, err);
	if (own.code && !damage->code) {
		err_wrap(&own, "large object %" PRIu32, oid);
		*damage = own;
	}
	if (r < 0)
		return *rows->stopped ? r :
			err_wrap(err, "large object %" PRIu32, oid);
	return rows->large_end(rows->arg, err);
}

static int read_objects(struct pgarc *arc, const struct rows *rows,
			struct err *damage, struct err *err)
{
	uint32_t oid;
	int r = read_oid(arc, &oid, err);

	while (r == 0 && oid) {
		r = rows ? give_object(arc, oid, rows, damage, err)
			 : skip_stream(arc, err);
		if (r == 0)
			r = read_oid(arc, &oid, err);
	}
	return r;
}

static int skip_block(struct pgarc *arc, const struct block *block,
		      struct err *err)
{
	return block->kind == BLOCK_ROWS ? skip_stream(arc, err)
					 : read_objects(arc, NULL, NULL, err);
}

static uint64_t *begin_of(struct pgarc *arc, int32_t id)
{
	struct custom *custom = arc->access;
	const struct pgarc_entry *entry = pgarc_find(&arc->own.toc, id);

	return entry ? &custom->begins[entry - arc->own.toc.entries] : NULL;
}

/* The next block that was not looked at: 1, 0 at the end of the archive. */
static int next_block(struct pgarc *arc, struct block *ret, struct err *err)
{
	struct custom *custom = arc->access;
	int r = 0;

	if (custom->holds) {
		custom->holds = false;
		*ret = custom->held;
		return 1;
	}
	if (arc->take.at != custom->met)
		r = take_seek(&arc->take, custom->met, err);
	return r < 0 ? r : read_block(arc, ret, err);
}

static void note_strange(struct custom *custom, const struct block *block,
			 const uint64_t *begin)
{
	if (custom->strange.code)
		return;
	if (!begin)
		err_corrupt(&custom->strange, "a block at byte %" PRIu64
			    " is of no entry (%d)", custom->met, block->id);
	else if (*begin && *begin != custom->met)
		err_corrupt(&custom->strange, "a block at byte %" PRIu64
			    " is one more of entry %d", custom->met,
			    block->id);
}

/* Block is not wanted now: remember where it is. */
static int pass_block(struct pgarc *arc, const struct block *block,
		      struct err *err)
{
	struct custom *custom = arc->access;
	uint64_t *begin = begin_of(arc, block->id);
	int r;

	note_strange(custom, block, begin);
	r = skip_block(arc, block, err);
	if (r < 0)
		return r;
	if (begin && !*begin)
		*begin = custom->met;
	custom->met = arc->take.at;
	return 0;
}

/*
 * A stream's blocks stand in the order of the entries: one of a later entry,
 * where this one's is looked for, is kept for that.
 */
static bool is_for_later(struct pgarc *arc, const struct pgarc_entry *entry,
			 const struct block *block)
{
	const struct pgarc_entry *other = pgarc_find(&arc->own.toc, block->id);

	return !arc->take.from.seek && other && other > entry;
}

/* Go on from where blocks have not been looked at, up to the entry's. */
static int look_on(struct pgarc *arc, const struct pgarc_entry *entry,
		   struct block *ret, struct err *err)
{
	struct custom *custom = arc->access;

	for (;;) {
		int r = next_block(arc, ret, err);

		if (r == 0)
			return err_corrupt(err, "the archive ends without it");
		if (r < 0)
			return r;
		if (ret->id == entry->id)
			return 0;
		if (is_for_later(arc, entry, ret)) {
			custom->held = *ret;
			custom->holds = true;
			return err_corrupt(err, "it is missing in its place");
		}
		r = pass_block(arc, ret, err);
		if (r < 0)
			return r;
	}
}

/* Is the entry's block at this offset? */
static int look_at(struct pgarc *arc, uint64_t offset,
		   const struct pgarc_entry *entry, struct block *ret,
		   struct err *err)
{
	int r = arc->take.at == offset ? 0 :
		take_seek(&arc->take, offset, err);

	if (r == 0)
		r = read_block(arc, ret, err);
	if (r < 0)
		return r;
	if (r == 0 || ret->id != entry->id)
		return err_corrupt(err, "no block of it stands at byte %"
				   PRIu64, offset);
	return 0;
}

static int find_block(struct pgarc *arc, const struct pgarc_entry *entry,
		      struct block *ret, uint64_t *ret_begin, struct err *err)
{
	struct custom *custom = arc->access;
	bool seeks = arc->take.from.seek;
	int r;

	*ret_begin = *begin_of(arc, entry->id);
	if (!seeks && *ret_begin)
		return err_corrupt(err, "it stands out of order: only a file "
				   "that is not packed can be read so");
	if (!seeks && custom->lost)
		return err_corrupt(err, "it stands behind what is damaged");
	if (!*ret_begin && entry->place == PGARC_SET)
		*ret_begin = entry->offset;
	if (*ret_begin && seeks &&
	    look_at(arc, *ret_begin, entry, ret, NULL) == 0)
		return 0;
	/* The offset lies: the blocks do not. */
	r = look_on(arc, entry, ret, err);
	if (r < 0 && !custom->holds)
		custom->lost = true;
	*ret_begin = custom->met;
	return r;
}

static int custom_give(struct pgarc *arc, const struct pgarc_entry *entry,
		       const struct rows *rows, struct err *err)
{
	struct custom *custom = arc->access;
	struct err damage = ERR_INIT;
	struct block block;
	uint64_t begin;
	int r;

	if (entry->place == PGARC_NOWHERE)
		return 0;
	r = find_block(arc, entry, &block, &begin, err);
	if (r < 0)
		return r;
	r = block.kind == BLOCK_ROWS ? read_stream(arc, rows, &damage, err)
				     : read_objects(arc, rows, &damage, err);
	if (r < 0) {
		custom->lost = true;
		return r;
	}
	*begin_of(arc, entry->id) = begin;
	if (begin == custom->met)
		custom->met = arc->take.at;
	if (damage.code && err)
		*err = damage;
	return damage.code;
}

/* Blocks that are no entry's, or an entry's once more. */
static int custom_finish(struct pgarc *arc, struct err *err)
{
	struct custom *custom = arc->access;
	struct block block;
	int r = custom->lost ? 0 : 1;

	while (r > 0 && !custom->strange.code) {
		r = next_block(arc, &block, err);
		if (r <= 0)
			break;
		r = pass_block(arc, &block, err);
		if (r == 0)
			r = 1;
	}
	if (r >= 0 && custom->strange.code) {
		if (err)
			*err = custom->strange;
		return custom->strange.code;
	}
	return r;
}

static void custom_close(struct pgarc *arc)
{
	struct custom *custom = arc->access;

	if (custom)
		free(custom->begins);
	free(custom);
}

int custom_begin(struct pgarc *arc, struct err *err)
{
	struct custom *custom = calloc(1, sizeof(*custom));

	if (!custom)
		return err_nomem(err);
	arc->access = custom;
	arc->close = custom_close;
	arc->give = custom_give;
	arc->finish = custom_finish;
	custom->met = arc->take.at;
	custom->begins = calloc(arc->own.toc.count + 1,
				sizeof(*custom->begins));
	return custom->begins ? 0 : err_nomem(err);
}
