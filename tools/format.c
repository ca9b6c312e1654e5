#include "tools/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

void size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	static const char unit[] = "KMGTPE";
	double v = (double)bytes;
	int u = -1;

	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT, "%" PRIu64 " B", bytes);
		return;
	}
	while (v >= 1024 && u < 5) {
		v /= 1024;
		u++;
	}
	/* 1023.96 KiB must not be shown as 1024.0 KiB. */
	if (v >= 1023.95 && u < 5) {
		v /= 1024;
		u++;
	}
	snprintf(out, SIZE_TEXT, "%.1f %ciB", v, unit[u]);
}

/* Behind the digits: "", "B", "K", "KB", "KiB", ...; false for others. */
static bool size_unit(const char *text, double *factor)
{
	static const char unit[] = "KMGTP";
	const char *at = *text ? strchr(unit, *text & ~0x20) : NULL;

	*factor = 1;
	if (at) {
		for (long i = 0; i <= at - unit; i++)
			*factor *= 1024;
		text++;
		if (text[0] == 'i' && text[1] == 'B')
			text++;
	}
	if (*text == 'B')
		text++;
	return !*text;
}

int size_parse(const char *text, uint64_t *ret, struct err *err)
{
	double v, factor = 1;
	char *end = NULL;
	bool good = text[0] >= '0' && text[0] <= '9';

	if (good) {
		v = strtod(text, &end);
		/* strtod() also takes 0x10 and 1e30: not here. */
		good = end == text + strspn(text, "0123456789.") &&
		       size_unit(end, &factor) && v * factor < 18e18;
	}
	if (!good)
		return err_set(err, -EINVAL,
			       "'%s' is not a size such as 512, 64K or 1.5GiB",
			       text);
	*ret = (uint64_t)(v * factor);
	return 0;
}

struct counted counted(uint64_t n, const char *noun)
{
	size_t len = strlen(noun);
	struct counted c;

	if (n == 1)
		snprintf(c.s, sizeof(c.s), "1 %s", noun);
	else if (noun[len - 1] == 'y')
		snprintf(c.s, sizeof(c.s), "%" PRIu64 " %.*sies", n,
			 (int)len - 1, noun);
	else
		snprintf(c.s, sizeof(c.s), "%" PRIu64 " %s%s", n, noun,
			 noun[len - 1] == 's' || noun[len - 1] == 'h' ? "es" :
			 "s");
	return c;
}

struct counted counted_held(const struct record *record)
{
	return record->files ? counted(record->files, "file") :
	       counted(record->entries - record->dirs, "entry");
}

void age_text(int64_t seconds, char out[SIZE_TEXT])
{
	if (seconds < 120)
		snprintf(out, SIZE_TEXT, "%" PRId64 " s", seconds);
	else if (seconds < 2 * 3600)
		snprintf(out, SIZE_TEXT, "%" PRId64 " min", seconds / 60);
	else if (seconds < 3 * 86400)
		snprintf(out, SIZE_TEXT, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(out, SIZE_TEXT, "%" PRId64 " days",
			 seconds / 86400);
}

static const struct {
	enum entry_type type;
	char find, ls;
	const char *name;
} types[] = {
	{ ENTRY_FILE, 'f', '-', "file" },
	{ ENTRY_DIR, 'd', 'd', "directory" },
	{ ENTRY_SYMLINK, 'l', 'l', "symlink" },
	{ ENTRY_CHAR, 'c', 'c', "char" },
	{ ENTRY_BLOCK, 'b', 'b', "block" },
	{ ENTRY_FIFO, 'p', 'p', "fifo" },
	{ ENTRY_SOCKET, 's', 's', "socket" },
};

char type_letter(enum entry_type type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return types[i].find;
	return '?';
}

const char *type_name(enum entry_type type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return types[i].name;
	return "unknown";
}

static char execute_letter(unsigned mode, unsigned x, unsigned special,
			   char letter)
{
	if (mode & special)
		return mode & x ? letter : (char)(letter & ~0x20);
	return mode & x ? 'x' : '-';
}

void mode_text(enum entry_type type, unsigned mode, char out[MODE_TEXT])
{
	out[0] = '?';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			out[0] = types[i].ls;
	for (unsigned i = 0; i < 9; i += 3) {
		out[1 + i] = mode & (0400u >> i) ? 'r' : '-';
		out[2 + i] = mode & (0200u >> i) ? 'w' : '-';
	}
	out[3] = execute_letter(mode, 0100, 04000, 's');
	out[6] = execute_letter(mode, 0010, 02000, 's');
	out[9] = execute_letter(mode, 0001, 01000, 't');
	out[10] = '\0';
}

void snapshot_label(const struct record *record, char out[LABEL_TEXT])
{
	snprintf(out, LABEL_TEXT, "%.*s@%.64s", SOURCE_MAX, record->source,
		 record->name);
}

void snapshot_short_id(const struct record *record, char out[SHORT_ID + 1])
{
	hex_write(record->id, SHORT_ID / 2, out);
}

const char *snapshot_flaw(const struct snapshot *snapshot,
			  const char **ret_what)
{
	const struct record *record = &snapshot->record;
	const char *flaw = record_tag(record, TAG_FLAWED);

	if (ret_what)
		*ret_what = record->incomplete ? "incomplete" :
			    snapshot->damage ? "damaged" : "flawed";
	return record->incomplete ? record->incomplete :
	       snapshot->damage ? snapshot->damage : flaw;
}

void snapshot_state(const struct snapshot *snapshot, char out[64])
{
	bool flawed = record_tag(&snapshot->record, TAG_FLAWED);
	bool bad = snapshot->record.incomplete || snapshot->damage || flawed;

	snprintf(out, 64, "%s%s%s%s%s%s", bad ? "" : ",ok",
		 snapshot->record.incomplete ? ",incomplete" : "",
		 snapshot->damage ? ",damaged" : "",
		 flawed ? ",flawed" : "",
		 snapshot->forgotten ? ",forgotten" : "",
		 snapshot->pinned ? ",pinned" : "");
	memmove(out, out + 1, strlen(out));
}

bool out_is_terminal(FILE *out)
{
	return isatty(fileno(out)) == 1;
}

/* Length of the UTF-8 sequence at the start of text, 0 where there is none
 * that may be shown (C1 control codes count as none). */
static size_t sequence(struct span text)
{
	uint8_t c = text.data[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (len == 1)
		return c >= 0x20 && c != 0x7f;
	if (len > text.len || (c == 0xc2 && text.data[1] < 0xa0))
		return 0;
	return utf8_is_valid(span_of(text.data, len)) ? len : 0;
}

void name_append(struct buf *buf, struct span name, bool harmless)
{
	while (name.len > 0) {
		size_t len = harmless ? sequence(name) : name.len;

		if (len == 0) {
			buf_printf(buf, "\\%03o", name.data[0]);
			len = 1;
		} else {
			buf_append(buf, name.data, len);
		}
		name.data += len;
		name.len -= len;
	}
}

bool output_lost;

void name_print(FILE *out, struct span name)
{
	OWNED_BUF struct buf buf = BUF_INIT;

	name_append(&buf, name, out_is_terminal(out));
	if (buf_failed(&buf))
		output_lost = true;
	else
		fwrite(buf.data, 1, buf.len, out);
}

void json_print(struct buf *buf)
{
	buf_append_byte(buf, '\n');
	if (buf_failed(buf))
		output_lost = true;
	else
		fwrite(buf->data, 1, buf->len, stdout);
	buf_clear(buf);
}

void json_stamp(struct json *json, const char *key, struct stamp t)
{
	char text[STAMP_TEXT];

	stamp_iso(t, text);
	json_str(json, key, text);
}

static void json_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_name(json, key, span_str(text));
	else
		json_null(json, key);
}

static void json_pairs(struct json *json, const char *key,
		       const struct record_pair *pairs, size_t count)
{
	json_open_object(json, key);
	for (size_t i = 0; i < count; i++)
		json_name(json, pairs[i].key, span_str(pairs[i].value));
	json_close_object(json);
}

static void json_record(struct json *json, const struct record *r)
{
	char id[2 * RECORD_ID + 1];

	hex_write(r->id, RECORD_ID, id);
	json_str(json, "id", id);
	json_u64(json, "number", r->number);
	json_text(json, "source", r->source);
	json_text(json, "name", r->name);
	json_stamp(json, "time", r->time);
	json_text(json, "time_from", r->time_from);
	json_text(json, "tz", r->tz);
	json_stamp(json, "added", r->added);
	json_text(json, "kind", r->kind);
	json_text(json, "format", r->format);
	json_text(json, "input", r->input);
	json_text(json, "host", r->host);
	json_text(json, "user", r->user);
	json_text(json, "version", r->version);
	json_u64(json, "entries", r->entries);
	json_u64(json, "files", r->files);
	json_u64(json, "directories", r->dirs);
	json_u64(json, "bytes", r->bytes);
	json_u64(json, "stream_bytes", r->stream_bytes);
	json_u64(json, "new_bytes", r->new_bytes);
	json_u64(json, "warnings", r->warnings);
	json_bool(json, "original_kept", !id_is_none(&r->view));
	json_text(json, "incomplete", r->incomplete);
	json_pairs(json, "tags", r->tags, r->tag_count);
	json_pairs(json, "attributes", r->attrs, r->attr_count);
}

void json_snapshot(struct json *json, const struct snapshot *snapshot)
{
	char state[64];

	json_record(json, &snapshot->record);
	snapshot_state(snapshot, state);
	json_str(json, "state", state);
	json_bool(json, "forgotten", snapshot->forgotten);
	json_bool(json, "pinned", snapshot->pinned);
	json_text(json, "damage", snapshot->damage);
}

void json_entry(struct json *json, const struct entry *entry)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", entry->mode & 07777u);
	json_str(json, "type", type_name(entry->type));
	json_str(json, "mode", mode);
	json_u64(json, "uid", entry->uid);
	json_u64(json, "gid", entry->gid);
	if (entry->uname.len)
		json_name(json, "user", entry->uname);
	if (entry->gname.len)
		json_name(json, "group", entry->gname);
	json_u64(json, "size", entry->size);
	json_stamp(json, "mtime", entry->mtime);
	if (entry->type == ENTRY_SYMLINK)
		json_name(json, "target", entry->target);
	if (entry->type == ENTRY_CHAR || entry->type == ENTRY_BLOCK) {
		json_u64(json, "major", entry->dev_major);
		json_u64(json, "minor", entry->dev_minor);
	}
	if (entry->xattr_count) {
		json_open_array(json, "xattrs");
		for (uint32_t i = 0; i < entry->xattr_count; i++)
			json_span(json, NULL, entry->xattrs[i].name);
		json_close_array(json);
	}
}
