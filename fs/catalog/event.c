#include "fs/catalog/event.h"

#include <stddef.h>
#include <stdlib.h>

#include "fs/catalog/field.h"
#include "fs/catalog/record.h"

#define WORDS_MAX 65536
#define TYPE "varve-event"

#define F(key, type, required, max, name) \
	{ key, type, required, max, offsetof(struct event, name) }

static const struct field fields[] = {
	F("seq",      FIELD_NUMBER, true, 0, seq),
	F("at",       FIELD_STAMP, true, 0, at),
	F("host",     FIELD_TEXT, false, 1024, host),
	F("user",     FIELD_TEXT, false, 1024, user),
	F("snapshot", FIELD_BYTES16, false, 0, snapshot),
	F("number",   FIELD_NUMBER, false, 0, number),
	F("source",   FIELD_TEXT, false, SOURCE_MAX, source),
	F("key",      FIELD_TEXT, false, 128, key),
	F("value",    FIELD_TEXT, false, WORDS_MAX, value),
};
static const char *const lists[] = { NULL };
static const struct field_table table = {
	fields, sizeof(fields) / sizeof(fields[0]), lists,
};

/* What an event of a type must have. */
enum need {
	NEED_SNAPSHOT = 1, NEED_NUMBER = 2, NEED_SOURCE = 4, NEED_KEY = 8,
	NEED_VALUE = 16,
};

static const struct {
	const char *name;
	unsigned need;
} types[] = {
	[EVENT_FORGET] = { "forget", NEED_SNAPSHOT | NEED_NUMBER },
	[EVENT_UNDELETE] = { "undelete", NEED_SNAPSHOT },
	[EVENT_PIN] = { "pin", NEED_SNAPSHOT },
	[EVENT_UNPIN] = { "unpin", NEED_SNAPSHOT },
	[EVENT_TAG] = { "tag", NEED_SNAPSHOT | NEED_KEY },
	[EVENT_POLICY] = { "policy", NEED_SOURCE },
	[EVENT_RENAME] = { "rename",
			   NEED_SOURCE | NEED_VALUE | NEED_NUMBER },
	[EVENT_DAMAGE] = { "damage", NEED_KEY | NEED_VALUE },
	[EVENT_HEAL] = { "heal", NEED_KEY },
	[EVENT_SCRUB] = { "scrub", NEED_VALUE },
	[EVENT_HIGHWATER] = { "high-water", NEED_NUMBER },
	[EVENT_LOG] = { "log", NEED_KEY },
};
#define TYPES (sizeof(types) / sizeof(types[0]))

const char *event_type_name(enum event_type type)
{
	return (unsigned)type < TYPES && types[type].name ?
		types[type].name : "unknown";
}

static enum event_type type_of(const char *name)
{
	for (size_t i = 1; name && i < TYPES; i++)
		if (!strcmp(types[i].name, name))
			return (enum event_type)i;
	return 0;
}

void event_release(struct event *event)
{
	fields_release(&table, event);
	memset(event, 0, sizeof(*event));
}

static const char *missing(const struct event *event)
{
	unsigned need = types[event->type].need;

	if ((need & NEED_SNAPSHOT) && field_is_zero16(event->snapshot))
		return "snapshot";
	if ((need & NEED_NUMBER) && event->number == 0)
		return "number";
	if ((need & NEED_SOURCE) && (!event->source || !*event->source))
		return "source";
	if ((need & NEED_KEY) && (!event->key || !*event->key))
		return "key";
	if ((need & NEED_VALUE) && !event->value)
		return "value";
	return NULL;
}

static bool is_hex(const char *text)
{
	return !text[strspn(text, "0123456789abcdef")];
}

/* What goes beyond the form of each field alone; words without a subject. */
static int check(const struct event *event, struct err *err)
{
	const char *name;
	int r;

	if (!type_of(event_type_name(event->type)))
		return err_set(err, -EINVAL, "an event has no such type");
	name = missing(event);
	if (name)
		return err_set(err, -EINVAL, "a %s event needs a %s",
			       event_type_name(event->type), name);
	switch (event->type) {
	case EVENT_TAG:
		if (!field_is_key(event->key, strlen(event->key)))
			return err_set(err, -EINVAL,
				       "'%s' cannot be the key of a tag",
				       event->key);
		return 0;
	case EVENT_RENAME:
		r = source_check(event->source, err);
		return r < 0 ? r : source_check(event->value, err);
	case EVENT_DAMAGE:
	case EVENT_HEAL:
		if (!is_hex(event->key))
			return err_set(err, -EINVAL,
				       "'%s' names no object and no pack",
				       event->key);
		return 0;
	default:
		return 0;
	}
}

int event_write(const struct event *event, struct buf *out, struct err *err)
{
	struct kv *kv;
	int r = check(event, err);

	if (r < 0)
		return r;
	kv = kv_new(TYPE, EVENT_VERSION);
	if (!kv)
		return err_nomem(err);
	kv_put(kv, "type", event_type_name(event->type));
	r = fields_write(&table, event, "the event", kv, err);
	if (r == 0)
		r = kv_write(kv, out, err);
	kv_free(kv);
	return r;
}

static int read_type(const struct kv *kv, const char *what,
		     enum event_type *ret, struct err *err)
{
	const char *name = kv_get(kv, "type");

	if (!name)
		return err_corrupt(err, "%s has no type", what);
	*ret = type_of(name);
	if (!*ret)
		return err_corrupt(err, "%s: '%s' is no type of event", what,
				   name);
	return 0;
}

int event_parse(struct span bytes, const char *what, struct event *ret,
		struct err *err)
{
	struct event event = { .seq = 0 };
	struct err words = ERR_INIT;
	struct kv *kv;
	int r = kv_parse(bytes, TYPE, EVENT_VERSION, what, &kv, err);

	if (r == -EINVAL)
		return err_corrupt(err, "%s is not an event", what);
	if (r < 0)
		return r;
	r = read_type(kv, what, &event.type, err);
	if (r == 0)
		r = fields_read(&table, kv, what, &event, err);
	kv_free(kv);
	if (r == 0 && check(&event, &words) < 0)
		r = err_corrupt(err, "%s: %s", what, words.text);
	if (r < 0) {
		event_release(&event);
		return r;
	}
	*ret = event;
	return 0;
}
