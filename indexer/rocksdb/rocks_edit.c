#include "indexer/rocksdb/rocks_internal.h"

#include <stdlib.h>

/*
 * A version edit is fields, each a tag (varint32) and what belongs to it; v32
 * and v64 are varints, str is a v32 length and bytes, key is a str of a user's
 * key and 8 bytes (type | sequence << 8).
 *
 *       1  comparator            str
 *       2  log number            v64
 *       3  next file             v64
 *       4  last sequence         v64
 *       5  compaction cursor     v32 level, key
 *       6  deleted file          v32 level, v64 number
 *       7  new file              v32 level, v64 number, v64 size, key, key
 *       9  previous log          v64
 *      10  min log to keep       v64
 *     100  new file             the same as 7, v64 smallest, v64 largest seq
 *     102  new file             the same with v32 path behind the number
 *     103  new file             as 100, then (v32 tag, str)*, ended by tag 1
 *     200  column family         v32, of all of this edit
 *     201  adds the family       str
 *     202  drops the family
 *     203  largest family        v32
 *     300  in a group            v32 how many edits follow
 *     400  blob file             v64 number, count, bytes, str method, str sum,
 *                                (v32 tag, str)*, ended by tag 0
 *     401  garbage in it         v64 number, count, bytes, fields as before
 *    8193  database id           str
 *    8196  WAL added             v64 number, (v32 2, v64 synced)?, v32 1
 *    8197  WALs deleted          v64 number: all before it
 *    8199, 8200                  the same two as a str
 *    8192 | n  others            str, to be skipped
 */
enum tag {
	TAG_COMPARATOR = 1, TAG_LOG_NUMBER, TAG_NEXT_FILE, TAG_LAST_SEQUENCE,
	TAG_CURSOR, TAG_DELETED, TAG_NEW, TAG_PREV_LOG = 9, TAG_MIN_LOG,
	TAG_NEW2 = 100, TAG_NEW3 = 102, TAG_NEW4 = 103, TAG_FAMILY = 200,
	TAG_FAMILY_ADD, TAG_FAMILY_DROP, TAG_MAX_FAMILY, TAG_GROUP = 300,
	TAG_BLOB = 400, TAG_GARBAGE = 401, TAG_SKIP = 8192, TAG_DB_ID = 8193,
	TAG_WAL = 8196, TAG_WAL_DELETED = 8197, TAG_WAL_STR = 8199,
	TAG_WAL_DELETED_STR = 8200,
};

enum custom {
	CUSTOM_END = 1, CUSTOM_MIN_LOG = 3, CUSTOM_OLDEST_BLOB = 4,
	CUSTOM_CHECKSUM = 7, CUSTOM_CHECKSUM_NAME = 8, CUSTOM_EPOCH = 13,
	CUSTOM_FATAL = 64, CUSTOM_PATH = 65,
};

enum { WAL_END = 1, WAL_SYNCED = 2, BLOB_END = 0 };

#define KEY_TAIL    8u
#define LEVEL_MAX   1000u	/* a level beyond it is no level */
#define PATH_MAX_ID 3u

void edit_release(struct edit *edit)
{
	free(edit->deleted);
	free(edit->added);
	free(edit->blobs);
	free(edit->garbage);
	free(edit->wals);
	memset(edit, 0, sizeof(*edit));
}

static uint32_t take_v32(struct bytes *in)
{
	return (uint32_t)bytes_count(in, UINT32_MAX);
}

static struct span take_str(struct bytes *in)
{
	return bytes_string(in, UINT32_MAX);
}

static void take_key(struct bytes *in, struct rocks_key *ret)
{
	struct span key = take_str(in);
	uint64_t tail;

	if (key.len < KEY_TAIL) {
		in->bad = true;
		return;
	}
	tail = get_le64(key.data + key.len - KEY_TAIL);
	ret->user = span_of(key.data, key.len - KEY_TAIL);
	ret->seq = tail >> 8;
	ret->type = (uint8_t)tail;
}

static uint64_t varint_of(struct span field, struct bytes *in)
{
	struct bytes inner = bytes_of(field);
	uint64_t v = bytes_varint(&inner);

	in->bad |= inner.bad;
	return v;
}

/* A field of new file 103. */
static void custom(uint32_t tag, struct span field, struct bytes *in,
		   struct rocks_file *file, struct edit *edit,
		   const char **why)
{
	switch (tag) {
	case CUSTOM_MIN_LOG:
		if (field.len < 8) {
			in->bad = true;
			return;
		}
		edit->has_min_log = true;
		edit->min_log = get_le64(field.data);
		return;
	case CUSTOM_OLDEST_BLOB:
		file->oldest_blob = varint_of(field, in);
		return;
	case CUSTOM_CHECKSUM:
		file->checksum = field;
		return;
	case CUSTOM_CHECKSUM_NAME:
		file->checksum_name = field;
		return;
	case CUSTOM_EPOCH:
		file->epoch = varint_of(field, in);
		return;
	case CUSTOM_PATH:
		if (field.len != 1 || field.data[0] > PATH_MAX_ID)
			in->bad = true;
		else
			file->path = field.data[0];
		return;
	default:
		if (tag & CUSTOM_FATAL)
			*why = "a file has a field that only a newer RocksDB "
			       "knows";
	}
}

static int take_new(struct bytes *in, uint32_t tag, struct edit *edit,
		    const char **why, struct err *err)
{
	struct rocks_file file = { .level = take_v32(in) };
	uint32_t field;
	int r;

	file.number = bytes_varint(in);
	if (tag == TAG_NEW3)
		file.path = take_v32(in);
	file.size = bytes_varint(in);
	take_key(in, &file.smallest);
	take_key(in, &file.largest);
	if (tag != TAG_NEW) {
		file.smallest_seq = bytes_varint(in);
		file.largest_seq = bytes_varint(in);
	}
	while (tag == TAG_NEW4 && !in->bad && !*why) {
		field = take_v32(in);
		if (field == CUSTOM_END)
			break;
		custom(field, take_str(in), in, &file, edit, why);
	}
	if (file.level > LEVEL_MAX || file.number == 0)
		in->bad = true;
	if (in->bad || *why)
		return 0;
	r = rocks_grow((void **)&edit->added, &edit->added_room,
		       edit->added_count, sizeof(file), ROCKS_LIVE_MAX, err);
	if (r == 0)
		edit->added[edit->added_count++] = file;
	return r;
}

static int take_deleted(struct bytes *in, struct edit *edit, struct err *err)
{
	struct edit_deleted deleted = { .level = take_v32(in) };
	int r;

	deleted.number = bytes_varint(in);
	if (in->bad)
		return 0;
	r = rocks_grow((void **)&edit->deleted, &edit->deleted_room,
		       edit->deleted_count, sizeof(deleted), ROCKS_LIVE_MAX,
		       err);
	if (r == 0)
		edit->deleted[edit->deleted_count++] = deleted;
	return r;
}

static void blob_fields(struct bytes *in, const char **why)
{
	uint32_t tag;

	while (!in->bad) {
		tag = take_v32(in);
		if (tag == BLOB_END)
			return;
		if (tag & CUSTOM_FATAL) {
			*why = "a blob file has a field that only a newer "
			       "RocksDB knows";
			return;
		}
		take_str(in);
	}
}

static int take_blob(struct bytes *in, bool garbage, struct edit *edit,
		     const char **why, struct err *err)
{
	struct rocks_blob blob = { .number = bytes_varint(in) };
	struct rocks_blob **list = garbage ? &edit->garbage : &edit->blobs;
	size_t *count = garbage ? &edit->garbage_count : &edit->blob_count;
	size_t *room = garbage ? &edit->garbage_room : &edit->blob_room;
	int r;

	blob.count = bytes_varint(in);
	blob.bytes = bytes_varint(in);
	if (!garbage) {
		take_str(in);
		take_str(in);
	}
	blob_fields(in, why);
	if (blob.number == 0 || blob.bytes > UINT64_MAX - BLOB_HEADER -
	    BLOB_FOOTER)
		in->bad = true;
	if (in->bad || *why)
		return 0;
	r = rocks_grow((void **)list, room, *count, sizeof(blob),
		       ROCKS_LIVE_MAX, err);
	if (r == 0)
		(*list)[(*count)++] = blob;
	return r;
}

static int take_wal(struct bytes *in, struct edit *edit, struct err *err)
{
	struct edit_wal wal = { .number = bytes_varint(in) };
	uint32_t tag = take_v32(in);
	int r;

	while (tag == WAL_SYNCED && !in->bad) {
		wal.synced = bytes_varint(in);
		tag = take_v32(in);
	}
	if (tag != WAL_END || wal.number == 0)
		in->bad = true;
	if (in->bad)
		return 0;
	r = rocks_grow((void **)&edit->wals, &edit->wal_room,
		       edit->wal_count, sizeof(wal), ROCKS_LIVE_MAX, err);
	if (r == 0)
		edit->wals[edit->wal_count++] = wal;
	return r;
}

static void take_wal_deletion(struct bytes *in, struct edit *edit)
{
	edit->wals_before = bytes_varint(in);
	edit->has_wal_deletion = true;
}

/* Fields that are one number or one string; false where tag is another. */
static bool take_plain(struct bytes *in, uint32_t tag, struct edit *edit)
{
	struct rocks_key key;

	switch (tag) {
	case TAG_COMPARATOR:
		edit->has_comparator = true;
		edit->comparator = take_str(in);
		return true;
	case TAG_LOG_NUMBER:
		edit->has_log_number = true;
		edit->log_number = bytes_varint(in);
		return true;
	case TAG_NEXT_FILE:
		edit->has_next_file = true;
		edit->next_file = bytes_varint(in);
		return true;
	case TAG_LAST_SEQUENCE:
		edit->has_last_sequence = true;
		edit->last_sequence = bytes_varint(in);
		return true;
	case TAG_PREV_LOG:
		edit->has_prev_log = true;
		edit->prev_log = bytes_varint(in);
		return true;
	case TAG_MIN_LOG:
		edit->has_min_log = true;
		edit->min_log = bytes_varint(in);
		return true;
	case TAG_MAX_FAMILY:
		edit->has_max_family = true;
		edit->max_family = take_v32(in);
		return true;
	case TAG_FAMILY:
		edit->family = take_v32(in);
		return true;
	case TAG_FAMILY_ADD:
		edit->adds_family = true;
		edit->family_name = take_str(in);
		return true;
	case TAG_FAMILY_DROP:
		edit->drops_family = true;
		return true;
	case TAG_GROUP:
		edit->in_group = true;
		edit->group_left = take_v32(in);
		return true;
	case TAG_DB_ID:
		edit->has_db_id = true;
		edit->db_id = take_str(in);
		return true;
	case TAG_CURSOR:
		take_v32(in);
		take_key(in, &key);
		return true;
	default:
		return false;
	}
}

static int take_field(struct bytes *in, uint32_t tag, struct edit *edit,
		      const char **why, struct err *err)
{
	struct bytes inner;
	int r = 0;

	if (take_plain(in, tag, edit))
		return 0;
	switch (tag) {
	case TAG_DELETED:
		return take_deleted(in, edit, err);
	case TAG_NEW:
	case TAG_NEW2:
	case TAG_NEW3:
	case TAG_NEW4:
		return take_new(in, tag, edit, why, err);
	case TAG_BLOB:
	case TAG_GARBAGE:
		return take_blob(in, tag == TAG_GARBAGE, edit, why, err);
	case TAG_WAL:
		return take_wal(in, edit, err);
	case TAG_WAL_DELETED:
		take_wal_deletion(in, edit);
		return 0;
	case TAG_WAL_STR:
	case TAG_WAL_DELETED_STR:
		inner = bytes_of(take_str(in));
		if (tag == TAG_WAL_STR)
			r = take_wal(&inner, edit, err);
		else
			take_wal_deletion(&inner, edit);
		in->bad |= inner.bad;
		return r;
	}
	if (tag & TAG_SKIP)
		take_str(in);
	else
		*why = "an edit has a field that is not known";
	return 0;
}

int edit_parse(struct span record, struct edit *ret, const char **ret_why,
	       struct err *err)
{
	struct bytes in = bytes_of(record);
	const char *why = NULL;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	while (bytes_left(&in) > 0 && !why) {
		r = take_field(&in, take_v32(&in), ret, &why, err);
		if (r < 0)
			return r;
	}
	if (!why && in.bad)
		why = "an edit does not follow its form";
	*ret_why = why;
	return 0;
}
