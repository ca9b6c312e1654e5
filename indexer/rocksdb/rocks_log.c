#include "indexer/rocksdb/rocks_internal.h"

#include "fs/base/checksum.h"

/*
 * A log is blocks of 32 KiB; no record's part crosses a block's end, and fewer
 * than 7 bytes left in a block are zeros.
 *
 *     0  4  CRC-32C, masked, of all from the type on
 *     4  2  length of the payload
 *     6  1  type: 0 none, 1 all of a record, 2 its first part, 3 one within, 4
 *           its last; 5..8 the same with the log's number; 9 and up notes
 *     7  4  the log's number, with types 5..8, 11 and 131
 *     7 or 11  payload
 */
#define HEAD	      7u
#define HEAD_RECYCLED 11u
#define MASK_DELTA    0xa282ead8u

enum part {
	PART_NONE = 0, PART_FULL, PART_FIRST, PART_MIDDLE, PART_LAST,
	PART_RECYCLED = 4,	/* and up to PART_RECYCLED + PART_LAST */
	PART_COMPRESSION = 9, PART_STAMP = 10, PART_STAMP_RECYCLED = 11,
	PART_NEW = 128, PART_PREDECESSOR_RECYCLED = 131,
};

static uint32_t unmask(uint32_t sum)
{
	sum -= MASK_DELTA;
	return sum << 15 | sum >> 17;
}

void log_reader_release(struct log_reader *reader)
{
	buf_release(&reader->data);
	buf_release(&reader->record);
}

static int ended(struct log_reader *reader, enum log_end end, uint64_t at,
		 const char *why)
{
	reader->end = end;
	reader->end_at = at;
	reader->why = why;
	return 0;
}

static bool is_zero(struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i])
			return false;
	return true;
}

/* The next block: 1, 0 where the file has no more. */
static int load(struct log_reader *reader, struct err *err)
{
	uint64_t next = reader->block + reader->data.len;
	uint64_t left;
	int r;

	if (next >= reader->size)
		return 0;
	left = reader->size - next;
	r = rocks_read(reader->rocks, reader->name, next,
		       left < LOG_BLOCK ? left : LOG_BLOCK, LOG_BLOCK,
		       &reader->data, err);
	if (r < 0)
		return r;
	reader->block = next;
	reader->at = 0;
	return 1;
}

struct log_part {
	enum part type;
	bool recycled;
	uint64_t at;		/* in the file */
	struct span payload;
};

/* What is left of the block; there is none before the first. */
static struct span rest_of(const struct log_reader *reader)
{
	if (!reader->data.data)
		return span_of(NULL, 0);
	return span_of(reader->data.data + reader->at,
		       reader->data.len - reader->at);
}

/* The rest of the file, from the next part on, is zeros. */
static int zeros_to_end(struct log_reader *reader, struct err *err)
{
	int r = 1;

	while (r > 0) {
		if (!is_zero(rest_of(reader)))
			return 0;
		reader->at = (uint32_t)reader->data.len;
		r = load(reader, err);
	}
	return r < 0 ? r : 1;
}

static int none(struct log_reader *reader, uint64_t at, struct err *err)
{
	int r = zeros_to_end(reader, err);

	if (r < 0)
		return r;
	return ended(reader, r ? LOG_CUT : LOG_BAD, at, r ?
		     "only zeros follow" :
		     "zeros stand where a record should be");
}

/* A part whose head stands in the block. */
static int part_take(struct log_reader *reader, struct log_part *part,
		     struct err *err)
{
	const uint8_t *head = reader->data.data + reader->at;
	size_t left = reader->data.len - reader->at;
	size_t len = (size_t)head[4] | (size_t)head[5] << 8;
	size_t skip = HEAD;
	bool last = reader->block + reader->data.len >= reader->size;

	part->at = reader->block + reader->at;
	part->type = head[6];
	part->recycled = (part->type > PART_RECYCLED &&
			  part->type <= PART_RECYCLED + PART_LAST) ||
			 part->type == PART_STAMP_RECYCLED ||
			 part->type == PART_PREDECESSOR_RECYCLED;
	if (part->type == PART_NONE && len == 0)
		return none(reader, part->at, err);
	if (part->recycled)
		skip = HEAD_RECYCLED;
	if (skip + len > left)
		return ended(reader, last ? LOG_CUT : LOG_BAD, part->at, last ?
			     "it ends within a record" :
			     "a record is longer than its block");
	if (crc32c(0, span_of(head + 6, skip - 6 + len)) !=
	    unmask(get_le32(head)))
		return ended(reader, LOG_BAD, part->at,
			     "the checksum of a record is wrong");
	if (part->recycled && reader->kind == LOG_WAL &&
	    get_le32(head + HEAD) != (uint32_t)reader->number)
		return ended(reader, LOG_OLD, part->at, NULL);
	part->payload = span_of(head + skip, len);
	reader->at += (uint32_t)(skip + len);
	return 1;
}

/* 1 and the part, 0 at the end. */
static int part_next(struct log_reader *reader, struct log_part *part,
		     struct err *err)
{
	int r;

	while (rest_of(reader).len < HEAD) {
		uint64_t at = reader->block + reader->at;
		bool whole = rest_of(reader).len == 0 ||
			     reader->data.len == LOG_BLOCK;

		if (!is_zero(rest_of(reader)) && reader->data.len == LOG_BLOCK)
			return ended(reader, LOG_BAD, at,
				     "the end of a block is not zeros");
		r = load(reader, err);
		if (r < 0)
			return r;
		if (r == 0)
			return ended(reader, whole ? LOG_WHOLE : LOG_CUT, at,
				     "it ends within the head of a record");
	}
	return part_take(reader, part, err);
}

/* What part is to a record; PART_NONE: nothing, it is to be skipped. */
static enum part part_role(const struct log_reader *reader,
			   const struct log_part *part, const char **why)
{
	if (part->type >= PART_NEW)
		return PART_NONE;
	if (reader->kind == LOG_MANIFEST && part->recycled) {
		*why = "a record of a reused log stands in a MANIFEST";
		return PART_NONE;
	}
	if (part->type == PART_STAMP || part->type == PART_STAMP_RECYCLED)
		return PART_NONE;
	if (part->type == PART_COMPRESSION && reader->kind == LOG_WAL)
		return PART_NONE;
	if (part->type > PART_RECYCLED + PART_LAST || part->type == PART_NONE) {
		*why = "a record is of a type that is not known";
		return PART_NONE;
	}
	return part->recycled ? part->type - PART_RECYCLED : part->type;
}

int log_next(struct log_reader *reader, struct err *err)
{
	struct log_part part;
	bool begun = false;
	const char *why = NULL;
	enum part role;
	int r;

	buf_clear(&reader->record);
	for (;;) {
		r = part_next(reader, &part, err);
		if (r < 0)
			return r;
		if (r == 0 && begun && reader->end == LOG_WHOLE)
			return ended(reader, LOG_CUT, reader->start,
				     "it ends within a record");
		if (r == 0)
			return 0;
		role = part_role(reader, &part, &why);
		if (why)
			return ended(reader, LOG_BAD, part.at, why);
		if (role == PART_NONE)
			continue;
		if (begun != (role == PART_MIDDLE || role == PART_LAST))
			return ended(reader, LOG_BAD, part.at,
				     "parts of a record are missing");
		if (!begun)
			reader->start = part.at;
		begun = true;
		if (reader->record.len + part.payload.len > ROCKS_RECORD_MAX)
			return err_set(err, -EFBIG, "a record of '%s' is "
				       "longer than %u bytes", reader->name,
				       ROCKS_RECORD_MAX);
		buf_append(&reader->record, part.payload.data,
			   part.payload.len);
		if (role == PART_FULL || role == PART_LAST)
			break;
	}
	r = buf_check(&reader->record, err);
	return r < 0 ? r : 1;
}
