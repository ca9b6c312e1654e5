#include "tools/copy_tell.h"

#include <inttypes.h>

static void json_open(struct json *json, struct buf *line, const char *what,
		      const struct snapshot *from)
{
	json_init(json, line);
	json_open_object(json, NULL);
	json_str(json, "copy", what);
	json_snapshot(json, from);
}

void copy_tell_left_out(const struct snapshot *s)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_open(&json, &line, "left out", s);
	json_close_object(&json);
	json_print(&line);
}

void copy_other_label(const struct copy_ends *ends, uint64_t number,
		      char text[LABEL_TEXT])
{
	CLEANUP(snapshot_release) struct snapshot there = { .damage = NULL };

	strcpy(text, "?");
	if (catalog_get_snapshot(repo_catalog(ends->to), number, &there,
				 NULL) == 0)
		snapshot_label(&there.record, text);
}

void copy_tell_there(const struct copy_ends *ends, const struct snapshot *s,
		     uint64_t number)
{
	char label[LABEL_TEXT], other[LABEL_TEXT];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	copy_other_label(ends, number, other);
	snapshot_label(&s->record, label);
	if (ends->tool->json) {
		json_open(&json, &line, "there", s);
		json_name(&json, "there", span_str(other));
		json_close_object(&json);
		json_print(&line);
	} else {
		say(ends->tool, "%s is already there: %s in '%s'.", label,
		    other, repo_path(ends->to));
	}
}

static void json_sent(struct json *json, const struct copy_report *p)
{
	json_u64(json, "new_objects", p->new_objects);
	json_u64(json, "sent_bytes", p->new_bytes);
	json_u64(json, "stored_bytes", p->stored_bytes);
	json_u64(json, "read_back_bytes", p->read_back);
}

void copy_tell_copied(const struct copy_ends *ends, const struct snapshot *s,
			const struct record *record,
			const struct copy_report *p)
{
	char label[LABEL_TEXT], other[LABEL_TEXT], read[SIZE_TEXT];
	char fresh[SIZE_TEXT], grown[SIZE_TEXT], id[SHORT_ID + 1];
	char whole_id[2 * RECORD_ID + 1];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	snapshot_label(&s->record, label);
	snapshot_label(record, other);
	snapshot_short_id(record, id);
	hex_write(record->id, RECORD_ID, whole_id);
	size_text(p->bytes, read);
	size_text(p->new_bytes, fresh);
	size_text(p->stored_bytes, grown);
	if (ends->tool->json) {
		json_open(&json, &line, "copied", s);
		json_name(&json, "there", span_str(other));
		json_str(&json, "there_id", whole_id);
		json_u64(&json, "objects_read", p->objects);
		json_u64(&json, "bytes_read", p->bytes);
		json_u64(&json, "objects_known", p->known);
		json_sent(&json, p);
		json_close_object(&json);
		json_print(&line);
	} else if (!ends->tool->quiet) {
		printf("Copied %s to '%s' as %s (id:%s).\n", label,
		       repo_path(ends->to), other, id);
		printf("Read %s; %s of it was new to the store, which "
		       GREW_BY ".\n", read, fresh, grown);
	}
	fflush(stdout);
}

void copy_tell_dry(const struct copy_ends *ends, const struct snapshot *s)
{
	char label[LABEL_TEXT], size[SIZE_TEXT];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (ends->tool->json) {
		json_open(&json, &line, "absent", s);
		json_close_object(&json);
		json_print(&line);
		return;
	}
	snapshot_label(&s->record, label);
	size_text(s->record.bytes, size);
	printf("Would copy %s (%s in %s).\n", label, size,
	       counted(s->record.files, "file").s);
}

void copy_tell_healed(const struct copy_ends *ends, const struct snapshot *s,
			uint64_t number, const struct copy_report *p)
{
	char label[LABEL_TEXT], other[LABEL_TEXT], grown[SIZE_TEXT];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	snapshot_label(&s->record, label);
	copy_other_label(ends, number, other);
	size_text(p->stored_bytes, grown);
	if (ends->tool->json) {
		json_open(&json, &line, "healed", s);
		json_name(&json, "there", span_str(other));
		json_u64(&json, "objects_read", p->objects);
		json_u64(&json, "bytes_read", p->bytes);
		json_sent(&json, p);
		json_close_object(&json);
		json_print(&line);
	} else if (!ends->tool->quiet) {
		printf("Healed %s in '%s' with %s: %s put there anew, %s.\n",
		       other, repo_path(ends->to), label,
		       counted(p->new_objects, "object").s, grown);
	}
	fflush(stdout);
}

void copy_tell_dry_heal(const struct copy_ends *ends, const struct snapshot *s,
			  uint64_t number)
{
	char label[LABEL_TEXT], other[LABEL_TEXT];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	snapshot_label(&s->record, label);
	copy_other_label(ends, number, other);
	if (ends->tool->json) {
		json_open(&json, &line, "damaged", s);
		json_name(&json, "there", span_str(other));
		json_close_object(&json);
		json_print(&line);
		return;
	}
	printf("%s in '%s' is damaged, and would be healed with %s.\n", other,
	       repo_path(ends->to), label);
}
