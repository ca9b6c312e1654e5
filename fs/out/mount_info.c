#include "fs/out/mount_internal.h"

#include "fs/base/json.h"

static void put_str(struct json *json, const char *key, const char *value)
{
	if (value)
		json_name(json, key, span_str(value));
}

static void put_time(struct json *json, const char *key, struct stamp t)
{
	char text[STAMP_TEXT];

	stamp_iso(t, text);
	json_str(json, key, text);
}

static void put_pairs(struct json *json, const char *key,
		      const struct record_pair *pairs, size_t n)
{
	if (!n)
		return;
	json_open_object(json, key);
	for (size_t i = 0; i < n; i++)
		json_name(json, pairs[i].key, span_str(pairs[i].value));
	json_close_object(json);
}

static void put_counts(struct json *json, const struct record *record)
{
	json_u64(json, "entries", record->entries);
	json_u64(json, "files", record->files);
	json_u64(json, "dirs", record->dirs);
	json_u64(json, "bytes", record->bytes);
	if (record->stream_bytes)
		json_u64(json, "stream_bytes", record->stream_bytes);
	json_u64(json, "new_bytes", record->new_bytes);
	json_u64(json, "warnings", record->warnings);
}

static void put_state(struct json *json, const struct snapshot *row)
{
	const struct record *record = &row->record;

	json_bool(json, "complete", !record->incomplete);
	put_str(json, "incomplete", record->incomplete);
	put_str(json, "damage", row->damage);
	json_bool(json, "pinned", row->pinned);
	json_bool(json, "original", !id_is_none(&record->view));
	put_pairs(json, "tags", record->tags, record->tag_count);
	put_pairs(json, "attributes", record->attrs, record->attr_count);
}

static void put_snapshot(struct json *json, const struct snapshot *row)
{
	const struct record *record = &row->record;
	char id[2 * RECORD_ID + 1];

	hex_write(record->id, RECORD_ID, id);
	json_open_object(json, NULL);
	json_str(json, "id", id);
	json_u64(json, "number", record->number);
	put_str(json, "source", record->source);
	put_str(json, "name", record->name);
	put_time(json, "time", record->time);
	put_str(json, "time_from", record->time_from);
	put_str(json, "tz", record->tz);
	put_time(json, "added", record->added);
	put_str(json, "kind", record->kind);
	put_str(json, "format", record->format);
	put_str(json, "input", record->input);
	put_str(json, "host", record->host);
	put_str(json, "user", record->user);
	put_str(json, "version", record->version);
	put_counts(json, record);
	put_state(json, row);
	json_close_object(json);
}

int mount_info_text(struct mount *mount, uint64_t number, struct buf *out,
		    struct stamp *ret_added, struct err *err)
{
	struct snapshot row = { .forgotten = false };
	struct json json;
	bool shown;
	int r;

	pthread_rwlock_rdlock(&mount->names_lock);
	shown = names_snap(mount->names, number) != NULL;
	pthread_rwlock_unlock(&mount->names_lock);
	if (!shown)
		return err_set(err, -ESTALE, "it is gone");
	r = catalog_get_snapshot(repo_catalog(mount->repo), number, &row, err);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	json_init(&json, out);
	put_snapshot(&json, &row);
	buf_append_byte(out, '\n');
	*ret_added = row.record.added;
	snapshot_release(&row);
	return buf_check(out, err);
}
