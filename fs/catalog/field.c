#include "fs/catalog/field.h"

#include <stdlib.h>

#include "fs/base/id.h"
#include "fs/base/stamp.h"

#define FIELD_KEY_MAX 64
/* Years 1 to 9999: what a snapshot's name can say. */
#define STAMP_MIN (-62135596800)
#define STAMP_MAX 253402300799

static void *member(const struct field *field, void *of)
{
	return (char *)of + field->offset;
}

static const void *member_const(const struct field *field, const void *of)
{
	return (const char *)of + field->offset;
}

bool field_is_zero16(const uint8_t bytes[16])
{
	static const uint8_t zero[16];

	return !memcmp(bytes, zero, sizeof(zero));
}

bool field_is_key(const char *key, size_t len)
{
	if (len == 0 || len > FIELD_KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = key[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

static bool stamp_is_sane(struct stamp t)
{
	return t.s >= STAMP_MIN && t.s <= STAMP_MAX && t.ns < 1000000000;
}

/* Writing. */

static int write_text(const struct field *field, const char *text,
		      const char *what, struct kv *kv, struct err *err)
{
	if (!text)
		return field->required ?
			err_set(err, -EINVAL, "%s has no %s", what,
				field->key) : 0;
	if (strlen(text) > field->max)
		return err_set(err, -EINVAL,
			       "%s: %s is longer than %zu bytes", what,
			       field->key, field->max);
	kv_put(kv, field->key, text);
	return 0;
}

static int write_number(const struct field *field, uint64_t v,
			const char *what, struct kv *kv, struct err *err)
{
	if (v > INT64_MAX || (field->required && v == 0))
		return err_set(err, -EINVAL, "%s: %s is out of range", what,
			       field->key);
	if (v > 0)
		kv_put_u64(kv, field->key, v);
	return 0;
}

static int write_stamp(const struct field *field, const struct stamp *t,
		       const char *what, struct kv *kv, struct err *err)
{
	char text[STAMP_TEXT];

	if (!stamp_is_sane(*t))
		return err_set(err, -EINVAL,
			       "%s: %s is not within the years 1 to 9999",
			       what, field->key);
	stamp_raw(*t, text);
	kv_put(kv, field->key, text);
	return 0;
}

static int write_id(const struct field *field, const struct id *id,
		    const char *what, struct kv *kv, struct err *err)
{
	uint8_t disk[ID_BYTES];

	if (id_is_none(id))
		return field->required ?
			err_set(err, -EINVAL, "%s has no %s", what,
				field->key) : 0;
	id_to_disk(id, disk);
	kv_put_hex(kv, field->key, disk, sizeof(disk));
	return 0;
}

static int write_bytes16(const struct field *field, const uint8_t *bytes,
			 const char *what, struct kv *kv, struct err *err)
{
	if (field_is_zero16(bytes))
		return field->required ?
			err_set(err, -EINVAL, "%s has no %s", what,
				field->key) : 0;
	kv_put_hex(kv, field->key, bytes, 16);
	return 0;
}

static int write_field(const struct field *field, const void *from,
		       const char *what, struct kv *kv, struct err *err)
{
	const void *at = member_const(field, from);

	switch (field->type) {
	case FIELD_TEXT:
		return write_text(field, *(char *const *)at, what, kv, err);
	case FIELD_NUMBER:
		return write_number(field, *(const uint64_t *)at, what, kv,
				    err);
	case FIELD_STAMP:
		return write_stamp(field, at, what, kv, err);
	case FIELD_ID:
		return write_id(field, at, what, kv, err);
	case FIELD_BYTES16:
		return write_bytes16(field, at, what, kv, err);
	}
	return err_set(err, -EINVAL, "%s: %s has no type", what, field->key);
}

int fields_write(const struct field_table *table, const void *from,
		 const char *what, struct kv *kv, struct err *err)
{
	for (size_t i = 0; i < table->count; i++) {
		int r = write_field(&table->fields[i], from, what, kv, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Reading. */

static const struct field *find_field(const struct field_table *table,
				      const char *key)
{
	for (size_t i = 0; i < table->count; i++)
		if (!strcmp(table->fields[i].key, key))
			return &table->fields[i];
	return NULL;
}

static bool is_list(const struct field_table *table, const char *key)
{
	for (const char *const *list = table->lists; *list; list++)
		if (!strcmp(*list, key))
			return true;
	return false;
}

/* Nothing comes twice, and no text ends before its value does. */
static int check_pairs(const struct field_table *table, const struct kv *kv,
		       const char *what, struct err *err)
{
	const char *key, *value;
	uint64_t seen = 0;
	size_t len;

	for (size_t i = 0; kv_pair(kv, i, &key, &value, &len); i++) {
		const struct field *field = find_field(table, key);
		uint64_t bit;

		if (!field && !is_list(table, key))
			continue;
		if (memchr(value, '\0', len))
			return err_corrupt(err, "%s: %s has a NUL byte", what,
					   key);
		if (!field)
			continue;
		bit = UINT64_C(1) << (field - table->fields);
		if (seen & bit)
			return err_corrupt(err, "%s: %s is there twice", what,
					   key);
		seen |= bit;
	}
	return 0;
}

static int read_text(const struct field *field, const char *value,
		     const char *what, char **ret, struct err *err)
{
	if (strlen(value) > field->max)
		return err_corrupt(err, "%s: %s is longer than %zu bytes",
				   what, field->key, field->max);
	*ret = strdup(value);
	return *ret ? 0 : err_nomem(err);
}

static int read_number(const struct field *field, const struct kv *kv,
		       const char *what, uint64_t *ret, struct err *err)
{
	int r = kv_get_u64(kv, field->key, ret, err);

	if (r < 0)
		return r;
	if (*ret > INT64_MAX || (field->required && *ret == 0))
		return err_corrupt(err, "%s: %s is out of range", what,
				   field->key);
	return 0;
}

static int read_stamp(const struct field *field, const char *value,
		      const char *what, struct stamp *ret, struct err *err)
{
	if (stamp_raw_parse(value, ret) < 0 || !stamp_is_sane(*ret))
		return err_corrupt(err, "%s: %s is not a time", what,
				   field->key);
	return 0;
}

static int read_id(const struct field *field, const char *value,
		   const char *what, struct id *ret, struct err *err)
{
	if (id_from_hex(value, ret) < 0 || id_is_none(ret))
		return err_corrupt(err, "%s: %s is not an object's id", what,
				   field->key);
	return 0;
}

static int read_bytes16(const struct field *field, const struct kv *kv,
			const char *what, uint8_t *ret, struct err *err)
{
	int r = kv_get_hex(kv, field->key, ret, 16, err);

	if (r < 0)
		return r;
	if (field_is_zero16(ret))
		return err_corrupt(err, "%s: %s is zero", what, field->key);
	return 0;
}

static int read_field(const struct field *field, const struct kv *kv,
		      const char *what, void *ret, struct err *err)
{
	const char *value = kv_get(kv, field->key);
	void *at = member(field, ret);

	if (!value)
		return field->required || field->type == FIELD_STAMP ?
			err_corrupt(err, "%s has no %s", what, field->key) :
			0;
	switch (field->type) {
	case FIELD_TEXT:
		return read_text(field, value, what, at, err);
	case FIELD_NUMBER:
		return read_number(field, kv, what, at, err);
	case FIELD_STAMP:
		return read_stamp(field, value, what, at, err);
	case FIELD_ID:
		return read_id(field, value, what, at, err);
	case FIELD_BYTES16:
		return read_bytes16(field, kv, what, at, err);
	}
	return err_corrupt(err, "%s: %s has no type", what, field->key);
}

int fields_read(const struct field_table *table, const struct kv *kv,
		const char *what, void *ret, struct err *err)
{
	int r = check_pairs(table, kv, what, err);

	for (size_t i = 0; r == 0 && i < table->count; i++)
		r = read_field(&table->fields[i], kv, what, ret, err);
	return r;
}

int fields_copy_texts(const struct field_table *table, void *ret)
{
	bool failed = false;

	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];
		char **text = member(field, ret);

		if (field->type != FIELD_TEXT || !*text)
			continue;
		*text = failed ? NULL : strdup(*text);
		failed = failed || !*text;
	}
	if (!failed)
		return 0;
	fields_release(table, ret);
	return -ENOMEM;
}

void fields_release(const struct field_table *table, void *of)
{
	for (size_t i = 0; i < table->count; i++) {
		char **text = member(&table->fields[i], of);

		if (table->fields[i].type != FIELD_TEXT)
			continue;
		free(*text);
		*text = NULL;
	}
}
