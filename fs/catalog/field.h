/*
 * field: members of a struct as keys of a kv document, by table.
 *
 * Records and events are written, read, copied and released by walking one
 * table each, so that a field cannot be written in one way and read in
 * another.  Reading is strict: a key of the table comes once at most, no value
 * has a NUL, every one has its form and bounds.  Keys that are in no table are
 * passed over.  Pure.
 */
#ifndef VARVE_FIELD_H
#define VARVE_FIELD_H

#include "fs/base/kv.h"

enum field_type {
	FIELD_TEXT = 1,		/* char *, owned; absent is NULL */
	FIELD_NUMBER,		/* uint64_t below 2^63; absent is 0 */
	FIELD_STAMP,		/* struct stamp */
	FIELD_ID,		/* struct id; absent is none */
	FIELD_BYTES16,		/* uint8_t[16]; absent is all zero */
};

struct field {
	const char *key;
	enum field_type type;
	bool required;
	size_t max;		/* bytes of a text */
	size_t offset;		/* in the struct */
};

struct field_table {
	const struct field *fields;
	size_t count;
	const char *const *lists;	/* keys that may come again; NULL ends */
};

/* -EINVAL where the struct has what could not be read back. */
int fields_write(const struct field_table *table, const void *from,
		 const char *what, struct kv *kv, struct err *err);
/* ret is zeroed by the caller, and released by it also after a failure.
 * -EBADMSG. */
int fields_read(const struct field_table *table, const struct kv *kv,
		const char *what, void *ret, struct err *err);
/* ret is a plain copy of from; gives it texts of its own.  -ENOMEM: ret is
 * released. */
int fields_copy_texts(const struct field_table *table, void *ret);
void fields_release(const struct field_table *table, void *of);

/* Is it a key of a tag or attribute: [A-Za-z0-9._-]{1,64}? */
bool field_is_key(const char *key, size_t len);
bool field_is_zero16(const uint8_t bytes[16]);

#endif
