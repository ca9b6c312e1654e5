/* event: events written and read back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/base/id.h"
#include "fs/catalog/event.h"

static char *text(const char *t)
{
	return t ? strdup(t) : NULL;
}

static struct event make(enum event_type type, uint8_t snapshot,
			 uint64_t number, const char *source, const char *key,
			 const char *value)
{
	struct event event = {
		.seq = 12, .type = type, .at = { 1700000000, 5 },
		.host = text("node"), .user = text("root"), .number = number,
		.source = text(source), .key = text(key), .value = text(value),
	};

	memset(event.snapshot, snapshot, sizeof(event.snapshot));
	return event;
}

static void assert_text(const char *a, const char *b)
{
	if (a)
		assert_string_equal(a, b);
	else
		assert_null(b);
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->type, b->type);
	assert_int_equal(stamp_cmp(a->at, b->at), 0);
	assert_memory_equal(a->snapshot, b->snapshot, 16);
	assert_int_equal(a->number, b->number);
	assert_text(a->host, b->host);
	assert_text(a->user, b->user);
	assert_text(a->source, b->source);
	assert_text(a->key, b->key);
	assert_text(a->value, b->value);
}

static void test_round_trip(void **state)
{
	struct event events[] = {
		make(EVENT_FORGET, 1, 3, NULL, NULL, NULL),
		make(EVENT_UNDELETE, 1, 0, NULL, NULL, NULL),
		make(EVENT_PIN, 1, 0, NULL, NULL, NULL),
		make(EVENT_UNPIN, 1, 0, NULL, NULL, NULL),
		make(EVENT_TAG, 1, 0, NULL, "env", ""),
		make(EVENT_TAG, 1, 0, NULL, "env", NULL),
		make(EVENT_POLICY, 0, 0, "cpd*/?", NULL, "keep-daily=7"),
		make(EVENT_POLICY, 0, 0, "*", NULL, NULL),
		make(EVENT_RENAME, 0, 9, "a", NULL, "b/c"),
		make(EVENT_DAMAGE, 2, 0, NULL, "00ff", "100 %\n\x01"),
		make(EVENT_HEAL, 0, 0, NULL, "00ff", NULL),
		make(EVENT_SCRUB, 0, 0, NULL, NULL, "ab"),
		make(EVENT_HIGHWATER, 0, 77, NULL, NULL, NULL),
		make(EVENT_LOG, 0, 0, NULL, "prune", "12 packs removed"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		OWNED_BUF struct buf bytes = BUF_INIT, again = BUF_INIT;
		struct err err = ERR_INIT;
		struct event event;

		assert_int_equal(event_write(&events[i], &bytes, &err), 0);
		assert_int_equal(event_parse(buf_span(&bytes), "it", &event,
					     &err), 0);
		assert_same(&events[i], &event);
		assert_int_equal(event_write(&event, &again, &err), 0);
		assert_true(span_equal(buf_span(&bytes), buf_span(&again)));
		event_release(&event);
		event_release(&events[i]);
	}
}

static void test_not_written(void **state)
{
	struct event events[] = {
		make(0, 1, 3, NULL, NULL, NULL),
		make(EVENT_LOG + 1, 1, 3, NULL, NULL, NULL),
		make(EVENT_FORGET, 0, 3, NULL, NULL, NULL),
		make(EVENT_FORGET, 1, 0, NULL, NULL, NULL),
		make(EVENT_PIN, 0, 0, NULL, NULL, NULL),
		make(EVENT_TAG, 1, 0, NULL, NULL, "x"),
		make(EVENT_TAG, 1, 0, NULL, "a b", "x"),
		make(EVENT_POLICY, 0, 0, NULL, NULL, "x"),
		make(EVENT_RENAME, 0, 9, "a", NULL, NULL),
		make(EVENT_RENAME, 0, 9, "a", NULL, "latest"),
		make(EVENT_RENAME, 0, 9, "../a", NULL, "b"),
		make(EVENT_RENAME, 0, 0, "a", NULL, "b"),
		make(EVENT_DAMAGE, 0, 0, NULL, "xyz", "w"),
		make(EVENT_DAMAGE, 0, 0, NULL, "00", NULL),
		make(EVENT_HEAL, 0, 0, NULL, NULL, NULL),
		make(EVENT_HIGHWATER, 0, 0, NULL, NULL, NULL),
		make(EVENT_HIGHWATER, 0, UINT64_MAX, NULL, NULL, NULL),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		OWNED_BUF struct buf bytes = BUF_INIT;
		struct err err = ERR_INIT;

		if (event_write(&events[i], &bytes, &err) != -EINVAL)
			fail_msg("event %zu was written", i);
		assert_int_equal(bytes.len, 0);
		assert_true(err.text[0] != '\0');
		event_release(&events[i]);
	}
}

static int parse(const char *lines, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct event event;
	int r;

	buf_append_str(&bytes, lines);
	buf_printf(&bytes, "sum=%016llx\n",
		   (unsigned long long)sum64(buf_span(&bytes)));
	r = event_parse(buf_span(&bytes), "event 'x'", &event, err);
	if (r == 0)
		event_release(&event);
	return r;
}

#define HEAD "varve-event 1\n"
#define REST "seq=1\nat=5.000000000\n"
#define SNAPSHOT "snapshot=000102030405060708090a0b0c0d0e0f\n"

static void test_bad_documents(void **state)
{
	static const char *const bad[] = {
		HEAD REST SNAPSHOT,
		HEAD "type=\n" REST SNAPSHOT,
		HEAD "type=explode\n" REST SNAPSHOT,
		HEAD "type=pin\nat=5.000000000\n" SNAPSHOT,
		HEAD "type=pin\nseq=0\nat=5.000000000\n" SNAPSHOT,
		HEAD "type=pin\nseq=1\n" SNAPSHOT,
		HEAD "type=pin\nseq=1\nat=soon\n" SNAPSHOT,
		HEAD "type=pin\n" REST,
		HEAD "type=pin\n" REST "snapshot=0001\n",
		HEAD "type=pin\n" REST SNAPSHOT SNAPSHOT,
		HEAD "type=forget\n" REST SNAPSHOT,
		HEAD "type=forget\n" REST SNAPSHOT "number=x\n",
		HEAD "type=tag\n" REST SNAPSHOT "key=a%00b\nvalue=1\n",
		HEAD "type=rename\n" REST "number=1\nsource=a\nvalue=.b\n",
		HEAD "type=damage\n" REST "key=zz\nvalue=w\n",
		"varve-record 1\ntype=pin\n" REST SNAPSHOT,
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(parse(HEAD "type=pin\n" REST SNAPSHOT, &err), 0);
	assert_int_equal(parse(HEAD "type=pin\nlater=1\n" REST SNAPSHOT, &err),
			 0);
	assert_int_equal(parse("varve-event 2\ntype=pin\n" REST SNAPSHOT,
			       &err), -ENOTSUP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i], &err) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(err.text, "event 'x'"));
	}
}

static void test_damage(void **state)
{
	struct event event = make(EVENT_TAG, 1, 0, NULL, "env", "prod");
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct event found;

	(void)state;
	assert_int_equal(event_write(&event, &bytes, &err), 0);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 1;
		assert_true(event_parse(buf_span(&bytes), "it", &found,
					&err) < 0);
		bytes.data[i] ^= 1;
		assert_int_equal(event_parse(span_of(bytes.data, i), "it",
					     &found, &err), -EBADMSG);
	}
	event_release(&event);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(event_type_name(EVENT_FORGET), "forget");
	assert_string_equal(event_type_name(EVENT_HIGHWATER), "high-water");
	assert_string_equal(event_type_name(EVENT_LOG), "log");
	assert_string_equal(event_type_name(0), "unknown");
	assert_string_equal(event_type_name(999), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_not_written),
		cmocka_unit_test(test_bad_documents),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
