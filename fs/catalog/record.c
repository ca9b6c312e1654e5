#include "fs/catalog/record.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/catalog/field.h"

#define TAGS_MAX 1024		/* tags, and attributes, of one record */
#define VALUE_MAX 65536		/* bytes of a tag's or attribute's value */
#define SOURCE_PARTS 16
#define PART_MAX 255
#define TYPE "varve-record"

#define F(key, type, required, max, name) \
	{ key, type, required, max, offsetof(struct record, name) }

static const struct field fields[] = {
	F("id",           FIELD_BYTES16, true, 0, id),
	F("number",       FIELD_NUMBER, true, 0, number),
	F("source",       FIELD_TEXT, true, SOURCE_MAX, source),
	F("name",         FIELD_TEXT, true, 40, name),
	F("time",         FIELD_STAMP, true, 0, time),
	F("time-from",    FIELD_TEXT, false, 64, time_from),
	F("tz",           FIELD_TEXT, false, 256, tz),
	F("added",        FIELD_STAMP, true, 0, added),
	F("kind",         FIELD_TEXT, true, 32, kind),
	F("format",       FIELD_TEXT, false, 1024, format),
	F("input",        FIELD_TEXT, false, VALUE_MAX, input),
	F("host",         FIELD_TEXT, false, 1024, host),
	F("user",         FIELD_TEXT, false, 1024, user),
	F("version",      FIELD_TEXT, false, 128, version),
	F("root",         FIELD_ID, true, 0, root),
	F("top",          FIELD_TEXT, false, 160, top),
	F("links",        FIELD_ID, false, 0, links),
	F("origin",       FIELD_ID, false, 0, origin),
	F("view",         FIELD_ID, false, 0, view),
	F("notes",        FIELD_ID, false, 0, notes),
	F("rows",         FIELD_ID, false, 0, rows),
	F("entries",      FIELD_NUMBER, false, 0, entries),
	F("files",        FIELD_NUMBER, false, 0, files),
	F("dirs",         FIELD_NUMBER, false, 0, dirs),
	F("bytes",        FIELD_NUMBER, false, 0, bytes),
	F("stream-bytes", FIELD_NUMBER, false, 0, stream_bytes),
	F("new-bytes",    FIELD_NUMBER, false, 0, new_bytes),
	F("warnings",     FIELD_NUMBER, false, 0, warnings),
	F("incomplete",   FIELD_TEXT, false, VALUE_MAX, incomplete),
};
static const char *const lists[] = { "tag", "attr", "pack", NULL };
static const struct field_table table = {
	fields, sizeof(fields) / sizeof(fields[0]), lists,
};

/* Tags and attributes. */

static void pairs_free(struct record_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void record_release(struct record *record)
{
	fields_release(&table, record);
	pairs_free(record->tags, record->tag_count);
	pairs_free(record->attrs, record->attr_count);
	free(record->packs);
	memset(record, 0, sizeof(*record));
}

static struct record_pair *find_pair(struct record_pair *pairs, size_t count,
				     const char *key, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (!strncmp(pairs[i].key, key, len) && !pairs[i].key[len])
			return &pairs[i];
	return NULL;
}

static int append_pair(struct record_pair **pairs, size_t *count,
		       const char *key, size_t len, const char *value)
{
	struct record_pair *more;
	struct record_pair pair = { NULL, NULL };

	if (*count >= TAGS_MAX)
		return -E2BIG;
	more = realloc(*pairs, (*count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	*pairs = more;
	pair.key = strndup(key, len);
	pair.value = strdup(value);
	if (!pair.key || !pair.value) {
		free(pair.key);
		free(pair.value);
		return -ENOMEM;
	}
	more[(*count)++] = pair;
	return 0;
}

static int set_pair(struct record_pair **pairs, size_t *count,
		    const char *key, const char *value)
{
	struct record_pair *found;
	char *own;

	if (!field_is_key(key, strlen(key)) || strlen(value) > VALUE_MAX)
		return -EINVAL;
	found = find_pair(*pairs, *count, key, strlen(key));
	if (!found)
		return append_pair(pairs, count, key, strlen(key), value);
	own = strdup(value);
	if (!own)
		return -ENOMEM;
	free(found->value);
	found->value = own;
	return 0;
}

int record_add_tag(struct record *record, const char *key, const char *value)
{
	return set_pair(&record->tags, &record->tag_count, key, value);
}

int record_add_attr(struct record *record, const char *key, const char *value)
{
	return set_pair(&record->attrs, &record->attr_count, key, value);
}

const char *record_tag(const struct record *record, const char *key)
{
	struct record_pair *pair = find_pair(record->tags, record->tag_count,
					     key, strlen(key));

	return pair ? pair->value : NULL;
}

const char *record_attr(const struct record *record, const char *key)
{
	struct record_pair *pair = find_pair(record->attrs,
					     record->attr_count, key,
					     strlen(key));

	return pair ? pair->value : NULL;
}

static int copy_pairs(const struct record_pair *from, size_t from_count,
		      struct record_pair **ret, size_t *ret_count)
{
	for (size_t i = 0; i < from_count; i++) {
		int r = append_pair(ret, ret_count, from[i].key,
				    strlen(from[i].key), from[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

int record_copy(const struct record *from, struct record *ret)
{
	struct record copy = *from;
	int r = 0;

	copy.tags = copy.attrs = NULL;
	copy.packs = NULL;
	copy.tag_count = copy.attr_count = copy.pack_count = 0;
	if (fields_copy_texts(&table, &copy) < 0)
		return -ENOMEM;
	if (from->pack_count > 0) {
		copy.packs = malloc(from->pack_count * sizeof(*copy.packs));
		if (!copy.packs)
			r = -ENOMEM;
		else
			memcpy(copy.packs, from->packs,
			       from->pack_count * sizeof(*copy.packs));
		copy.pack_count = r < 0 ? 0 : from->pack_count;
	}
	if (r == 0)
		r = copy_pairs(from->tags, from->tag_count, &copy.tags,
			       &copy.tag_count);
	if (r == 0)
		r = copy_pairs(from->attrs, from->attr_count, &copy.attrs,
			       &copy.attr_count);
	if (r < 0) {
		record_release(&copy);
		return r;
	}
	*ret = copy;
	return 0;
}

/* The top: "MODE UID GID NLINK XATTRS MTIME", the mode in octal. */

int record_set_top(struct record *record, const struct record_top *top)
{
	char mtime[STAMP_TEXT];
	char *text;

	stamp_raw(top->mtime, mtime);
	if (asprintf(&text, "%o %" PRIu32 " %" PRIu32 " %" PRIu64 " %d %s",
		     top->mode, top->uid, top->gid, top->nlink, top->xattrs,
		     mtime) < 0)
		return -ENOMEM;
	free(record->top);
	record->top = text;
	return 0;
}

/* A number of at most that much, and the blank behind it. */
static bool take_number(const char **at, int base, uint64_t most,
			uint64_t *ret)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, base);
	if (errno || *ret > most || *end != ' ')
		return false;
	*at = end + 1;
	return true;
}

bool record_top(const struct record *record, struct record_top *ret)
{
	uint64_t mode, uid, gid, nlink, xattrs;
	const char *at = record->top;

	if (!at || !take_number(&at, 8, 07777, &mode) ||
	    !take_number(&at, 10, UINT32_MAX, &uid) ||
	    !take_number(&at, 10, UINT32_MAX, &gid) ||
	    !take_number(&at, 10, INT64_MAX, &nlink) ||
	    !take_number(&at, 10, 1, &xattrs) ||
	    stamp_raw_parse(at, &ret->mtime) < 0)
		return false;
	ret->mode = (uint16_t)mode;
	ret->uid = (uint32_t)uid;
	ret->gid = (uint32_t)gid;
	ret->nlink = nlink;
	ret->xattrs = xattrs;
	return true;
}

/* Names. */

/* What a position of "YYYY-MM-DDTHH-MM-SSZ" must hold; 0 is a digit. */
static const char shape[] = "0000-00-00T00-00-00Z";

bool name_is_time(const char *name, size_t len)
{
	if (len < sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		bool digit = name[i] >= '0' && name[i] <= '9';

		if (shape[i] == '0' ? !digit : name[i] != shape[i])
			return false;
	}
	return true;
}

/* A time, and behind it nothing or "-2", "-3", … */
static bool is_snapshot_name(const char *name)
{
	const char *end = name + sizeof(shape) - 1;
	size_t digits;

	if (!name_is_time(name, strlen(name)))
		return false;
	if (*end == '\0')
		return true;
	digits = strspn(end + 1, "0123456789");
	return *end == '-' && digits > 0 && end[1 + digits] == '\0' &&
	       end[1] != '0' && strcmp(end, "-1") != 0;
}

static int check_part(const char *source, const char *part, size_t len,
		      struct err *err)
{
	if (len == 0)
		return err_set(err, -EINVAL,
			       "'%s' cannot be a source's name: it has an "
			       "empty component", source);
	if (len > PART_MAX)
		return err_set(err, -EINVAL,
			       "'%s' cannot be a source's name: a component is "
			       "longer than %d bytes", source, PART_MAX);
	if (part[0] == '.')
		return err_set(err, -EINVAL,
			       "'%s' cannot be a source's name: a component "
			       "begins with a dot", source);
	if (len == 6 && !memcmp(part, "latest", 6))
		return err_set(err, -EINVAL,
			       "'%s' cannot be a source's name: 'latest' stands "
			       "for the newest snapshot", source);
	if (name_is_time(part, len))
		return err_set(err, -EINVAL,
			       "'%s' cannot be a source's name: '%.*s' looks like "
			       "a snapshot's name", source, (int)len, part);
	return 0;
}

int source_check(const char *source, struct err *err)
{
	const char *part = source;
	unsigned parts = 0;

	if (!*source)
		return err_set(err, -EINVAL, "a source's name cannot be empty");
	if (strlen(source) > SOURCE_MAX)
		return err_set(err, -EINVAL,
			       "a source's name cannot be longer than %d bytes",
			       SOURCE_MAX);
	for (const char *c = source; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(err, -EINVAL,
				       "a source's name cannot have the byte "
				       "0x%02x", (unsigned char)*c);
	for (;;) {
		size_t len = strcspn(part, "/");
		int r = check_part(source, part, len, err);

		if (r < 0)
			return r;
		if (++parts > SOURCE_PARTS)
			return err_set(err, -EINVAL,
				       "'%s' cannot be a source's name: it has "
				       "more than %d components", source,
				       SOURCE_PARTS);
		if (part[len] == '\0')
			return 0;
		part += len + 1;
	}
}

int source_check_new(const char *source, struct err *err)
{
	const char *odd = strpbrk(source, "*?[@:");
	int r = source_check(source, err);

	if (r < 0)
		return r;
	if (odd)
		r = err_set(err, -EINVAL, "'%s' cannot be a new source's name: "
			    "'%c' has a meaning of its own %s", source, *odd,
			    *odd == '@' ? "before a snapshot's time" :
			    *odd == ':' ? "before a path" : "in patterns");
	else if (*source == '-')
		r = err_set(err, -EINVAL, "'%s' cannot be a new source's name: "
			    "it looks like an option", source);
	return r;
}

/* [a-z0-9-]+ : kinds, and where a time is from. */
static bool is_word(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
				     "0123456789-")];
}

/* What goes beyond the form of each field alone; words without a subject. */
static int check(const struct record *record, struct err *err)
{
	struct record_top top;
	int r = source_check(record->source, err);

	if (r < 0)
		return r;
	if (record->top && !record_top(record, &top))
		return err_set(err, -EINVAL, "'%s' is not what a directory has",
			       record->top);
	if (!is_snapshot_name(record->name))
		return err_set(err, -EINVAL, "'%s' is not a snapshot's name",
			       record->name);
	if (!is_word(record->kind))
		return err_set(err, -EINVAL, "'%s' is not a kind",
			       record->kind);
	if (record->time_from && !is_word(record->time_from))
		return err_set(err, -EINVAL, "'%s' is not where a time is from",
			       record->time_from);
	return 0;
}

/* Writing. */

static int put_pairs(struct kv *kv, const char *key,
		     const struct record_pair *pairs, size_t count,
		     struct err *err)
{
	if (count > TAGS_MAX)
		return err_set(err, -EINVAL,
			       "the record has more than %d %ss", TAGS_MAX,
			       key);
	for (size_t i = 0; i < count; i++) {
		if (!field_is_key(pairs[i].key, strlen(pairs[i].key)))
			return err_set(err, -EINVAL,
				       "'%s' cannot be the key of a %s",
				       pairs[i].key, key);
		if (strlen(pairs[i].value) > VALUE_MAX)
			return err_set(err, -EINVAL,
				       "the value of %s '%s' is longer than "
				       "%d bytes", key, pairs[i].key,
				       VALUE_MAX);
		kv_putf(kv, key, "%s=%s", pairs[i].key, pairs[i].value);
	}
	return 0;
}

static int put_record(const struct record *record, struct kv *kv,
		      struct err *err)
{
	int r = fields_write(&table, record, "the record", kv, err);

	if (r == 0)
		r = check(record, err);
	if (r == 0)
		r = put_pairs(kv, "tag", record->tags, record->tag_count, err);
	if (r == 0)
		r = put_pairs(kv, "attr", record->attrs, record->attr_count,
			      err);
	/* They only hint at what to index: a 10 TB add has more packs than a
	 * document has room for, and must not fail by that at its end. */
	if (r == 0 && record->pack_count <= RECORD_PACKS_MAX)
		for (size_t i = 0; i < record->pack_count; i++)
			kv_put_hex(kv, "pack", record->packs[i],
				   sizeof(record->packs[i]));
	return r;
}

int record_write(const struct record *record, struct buf *out,
		 struct err *err)
{
	/* A program that does not know of rows would prune them away. */
	struct kv *kv = kv_new(TYPE, id_is_none(&record->rows) ? 1 : 2);
	int r;

	if (!kv)
		return err_nomem(err);
	r = put_record(record, kv, err);
	if (r == 0)
		r = kv_write(kv, out, err);
	kv_free(kv);
	return r;
}

/* Reading. */

static int read_pair(const char *text, const char *what, const char *list,
		     struct record_pair **pairs, size_t *count,
		     struct err *err)
{
	const char *eq = strchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : 0;
	int r;

	if (!eq || !field_is_key(text, len) || strlen(eq + 1) > VALUE_MAX)
		return err_corrupt(err, "%s: a %s is malformed", what, list);
	if (find_pair(*pairs, *count, text, len))
		return err_corrupt(err, "%s: %s '%.*s' is there twice", what,
				   list, (int)len, text);
	r = append_pair(pairs, count, text, len, eq + 1);
	if (r == -E2BIG)
		return err_corrupt(err, "%s has more than %d %ss", what,
				   TAGS_MAX, list);
	return r < 0 ? err_nomem(err) : 0;
}

static size_t count_key(const struct kv *kv, const char *key)
{
	const char *k, *v;
	size_t count = 0;

	for (size_t i = 0; kv_pair(kv, i, &k, &v, NULL); i++)
		count += !strcmp(k, key);
	return count;
}

static int read_packs(const struct kv *kv, const char *what,
		      struct record *ret, struct err *err)
{
	size_t count = count_key(kv, "pack");
	const char *key, *value;

	if (count == 0)
		return 0;
	if (count > RECORD_PACKS_MAX)
		return err_corrupt(err, "%s has more than %d packs", what,
				   RECORD_PACKS_MAX);
	ret->packs = calloc(count, sizeof(*ret->packs));
	if (!ret->packs)
		return err_nomem(err);
	for (size_t i = 0; kv_pair(kv, i, &key, &value, NULL); i++) {
		if (strcmp(key, "pack") != 0)
			continue;
		if (strlen(value) != 32 ||
		    hex_parse(value, 16, ret->packs[ret->pack_count]) < 0)
			return err_corrupt(err, "%s: '%s' is not a pack's name",
					   what, value);
		ret->pack_count++;
	}
	return 0;
}

static int read_lists(const struct kv *kv, const char *what,
		      struct record *ret, struct err *err)
{
	const char *key, *value;
	int r = 0;

	for (size_t i = 0; r == 0 && kv_pair(kv, i, &key, &value, NULL); i++) {
		if (!strcmp(key, "tag"))
			r = read_pair(value, what, key, &ret->tags,
				      &ret->tag_count, err);
		else if (!strcmp(key, "attr"))
			r = read_pair(value, what, key, &ret->attrs,
				      &ret->attr_count, err);
	}
	return r < 0 ? r : read_packs(kv, what, ret, err);
}

int record_parse(struct span bytes, const char *what, struct record *ret,
		 struct err *err)
{
	struct record record = { .number = 0 };
	struct err words = ERR_INIT;
	struct kv *kv;
	int r = kv_parse(bytes, TYPE, RECORD_VERSION, what, &kv, err);

	if (r == -EINVAL)
		return err_corrupt(err, "%s is not a record", what);
	if (r < 0)
		return r;
	r = fields_read(&table, kv, what, &record, err);
	if (r == 0)
		r = read_lists(kv, what, &record, err);
	kv_free(kv);
	if (r == 0 && check(&record, &words) < 0)
		r = err_corrupt(err, "%s: %s", what, words.text);
	if (r < 0) {
		record_release(&record);
		return r;
	}
	*ret = record;
	return 0;
}
