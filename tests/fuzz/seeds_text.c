#include <stdio.h>
#include <stdlib.h>

#include "fs/base/columns.h"
#include "fs/base/journal.h"
#include "fs/catalog/event.h"
#include "fs/catalog/record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"
#include "tests/unit/pg_sample.h"

static void set_id(struct id *id, uint8_t fill)
{
	memset(id->hash, fill, ID_HASH);
	id->len = fill;
	id->nth = ID_META;
}

static void small_record(struct record *record)
{
	memset(record, 0, sizeof(*record));
	memset(record->id, 0xab, RECORD_ID);
	record->number = 1;
	record->source = strdup("home");
	record->name = strdup("2021-01-22T19-27-31Z");
	record->time = (struct stamp){ 1611343651, 0 };
	record->time_from = strdup("now");
	record->added = (struct stamp){ 1700000000, 1 };
	record->kind = strdup("dir");
	record->format = strdup("directory");
	record->input = strdup("/home");
	record->host = strdup("node-1");
	record->user = strdup("root");
	record->version = strdup("0.1.0");
	set_id(&record->root, 1);
	record->entries = record->dirs = 1;
}

static void large_record(struct record *record)
{
	small_record(record);
	free(record->source);
	record->source = strdup("cpd30/dv");
	record->tz = strdup("Europe/Berlin");
	record->incomplete = strdup("the input ended early");
	set_id(&record->links, 2);
	set_id(&record->origin, 3);
	set_id(&record->view, 4);
	set_id(&record->notes, 5);
	record->entries = 300000;
	record->files = 290000;
	record->bytes = INT64_MAX;
	record->stream_bytes = 7;
	record->new_bytes = 8;
	record->warnings = 9;
	record_add_tag(record, "env", "prod=1");
	record_add_tag(record, "empty", "");
	record_add_attr(record, "checkpoint", "123%\n\xff");
	record->packs = calloc(2, sizeof(*record->packs));
	record->pack_count = 2;
	memset(record->packs[0], 0x11, 16);
	memset(record->packs[1], 0x22, 16);
}

static void put_record(const char *name, struct record *record)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (record_write(record, &out, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	seed("record", name, buf_span(&out));
	seed("kv", name, buf_span(&out));
	record_release(record);
}

static void put_event(enum event_type type)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct event event = {
		.seq = 17, .type = type, .at = { 1700000000, 5 },
		.host = (char *)"node-1", .user = (char *)"root",
	};
	struct err err = ERR_INIT;

	memset(event.snapshot, 0xcd, sizeof(event.snapshot));
	event.number = 42;
	event.source = (char *)"cpd30/dv";
	event.key = (char *)"env";
	if (type == EVENT_DAMAGE || type == EVENT_HEAL)
		event.key = (char *)"0123456789abcdef0123456789abcdef";
	event.value = (char *)"keep-daily=7";
	if (type == EVENT_RENAME)
		event.value = (char *)"calendar/db";
	if (type == EVENT_SCRUB)
		event.value = event.key =
			(char *)"0123456789abcdef0123456789abcdef";
	if (event_write(&event, &out, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	seed("event", event_type_name(type), buf_span(&out));
}

static void put_conf(void)
{
	static const uint8_t bytes[32] = { 1, 2, 3 };
	OWNED_BUF struct buf out = BUF_INIT;
	struct kv *kv = kv_new("varve-store", 1);

	kv_put_hex(kv, "store", bytes, 16);
	kv_put(kv, "hash", "xxh3-128");
	kv_put_u64(kv, "hash-bits", 128);
	kv_put_hex(kv, "seed", bytes, 32);
	kv_put(kv, "chunker", "gear-1");
	kv_put(kv, "catalog", "/var/lib/varve");
	kv_put(kv, "group", "backup");
	kv_write(kv, &out, NULL);
	kv_free(kv);
	seed("kv", "conf", buf_span(&out));
}

static void put_lines(const char *harness, const char *const *lines,
		      const char *before)
{
	for (unsigned i = 0; lines[i]; i++) {
		OWNED_BUF struct buf out = BUF_INIT;
		char name[16];

		if (before)
			buf_append_byte(&out, (uint8_t)before[0]);
		buf_append_str(&out, lines[i]);
		snprintf(name, sizeof(name), "%u", i);
		seed(harness, name, buf_span(&out));
	}
}

/* The time zone files of this host, as far as there are some. */
static void put_zones(void)
{
	static const char *const zones[] = {
		"Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC",
		"Australia/Lord_Howe", "Africa/Casablanca",
	};

	for (unsigned i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		OWNED_BUF struct buf out = BUF_INIT;
		char path[128];
		int c;
		FILE *f;

		snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s",
			 zones[i]);
		f = fopen(path, "r");
		if (!f)
			continue;
		buf_append_byte(&out, 1);
		while ((c = getc(f)) != EOF)
			buf_append_byte(&out, (uint8_t)c);
		fclose(f);
		snprintf(path, sizeof(path), "zone-%u", i);
		seed("stamp", path, buf_span(&out));
	}
}

static const char *const times[] = {
	"2021-01-22", "2021-01-22T19:27:31Z", "2021-01-22T19-27-31Z",
	"2021-01-22 19:27", "2021-01-22 19:27:31.123456789 +01:00",
	"2021-01-22-19-27-31", "@1611343651.5", "@-1.75", "1d12h", "90s",
	"5w", "26h", "12.000000345", "-2.250000000",
	"/b/2021-01-22-19-27-31/x", "2021-10-31 02:30", "2021-03-28 02:30",
	"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", NULL,
};

static const char *const paths[] = {
	"etc/passwd", "./usr//bin/../lib", "/var/log/", ".", "", "a/./b/c",
	"..", "a/..", "../../etc/shadow", "a\nb/\x7f\xff", NULL,
};

static const char *const patterns[] = {
	"*.o", "/var/tmp/", "**/cache/*\n!keep", "[a-z]*[!0-9]?\\*",
	"**\n!**/x", "# note\n\na/**/b", "*a*a*a*a*a*b", NULL,
};

static void put_patterns(void)
{
	for (unsigned i = 0; patterns[i]; i++) {
		OWNED_BUF struct buf out = BUF_INIT;
		char name[16];

		buf_append(&out, patterns[i], strlen(patterns[i]) + 1);
		buf_append_str(&out, "var/cache/a/aaaaaaaaaaaaaaaaaaab/x.o");
		snprintf(name, sizeof(name), "%u", i);
		seed("exclude", name, buf_span(&out));
	}
}

/* Behind a byte that says how it is read. */
static void put_dump(const char *name, uint8_t way, const char *text)
{
	OWNED_BUF struct buf bytes = BUF_INIT;

	buf_append_byte(&bytes, way);
	buf_append_str(&bytes, text);
	seed("pgplain", name, buf_span(&bytes));
}

static void put_dumps(void)
{
	OWNED_BUF struct buf cr = BUF_INIT;

	put_dump("dump", 0, pg_sample);
	put_dump("cluster", 0, pg_cluster);
	put_dump("refused", 1, pg_sample);
	put_dump("failed", 0x62, pg_sample);
	put_dump("hinted", 4, pg_sample);
	for (const char *c = pg_cluster; *c; c++) {
		buf_append_str(&cr, *c == '\n' ? "\r" : "");
		buf_append_byte(&cr, (uint8_t)*c);
	}
	if (buf_str(&cr))
		put_dump("terminal", 0, (const char *)cr.data);
}

/* The lines of a push that was being taken back. */
static void put_journal(void)
{
	static const char *const lines[][3] = {
		{ "fact", "kind", "push-dir" },
		{ "fact", "target", "/srv/a b\n%/\x7f" },
		{ "fact", "path", "" },	      { "run", "start", NULL },
		{ "begin", "claim", NULL },   { "done", "claim", NULL },
		{ "begin", "swap", NULL },    { "run", "back", NULL },
		{ "undo", "swap", NULL },     { "undone", "swap", NULL },
		{ "proved", "old", NULL },    { "closed", "old", NULL },
	};
	struct journal journal = { .fd = -1, .sum = "0000000000000000" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		journal_add(&journal, lines[i][0], lines[i][1], lines[i][2],
			    NULL);
	seed("journal", "push", buf_span(&journal.pending));
	buf_release(&journal.pending);
}

/* Tables to be put in order, and one that is. */
static void put_tables(void)
{
	static const char separators[] = "\t|,;";
	OWNED_BUF struct buf table = BUF_INIT, packed = BUF_INIT;
	char name[16];

	for (unsigned i = 0; separators[i]; i++) {
		char c = separators[i];

		buf_clear(&table);
		buf_append(&table, "\0\0\0", 3);
		for (unsigned row = 0; row < 48; row++)
			buf_printf(&table, "%u%c-%u.%02u%c2026-11-27 10:%02u:00"
				   ".%u+01%c2024-02-%02u%c%s\n", 7000 + row, c,
				   row, row % 100, c, row, row, c,
				   1 + row % 29, c, row % 5 ? "word" : "\\N");
		snprintf(name, sizeof(name), "table-%u", i);
		seed("columns", name, buf_span(&table));
	}
	table.data[0] = 1;
	buf_append(&packed, "\1", 1);
	buf_u16(&packed, (uint16_t)(table.len - 3));
	columns_pack(span_of(table.data + 3, table.len - 3), ';', &packed,
		     NULL);
	seed("columns", "packed", buf_span(&packed));
}

/* What pods answer, and what is kept of it. */
static void put_answers(void)
{
	static const char *const answers[] = {
		"\1[{\"Member\":\"a-0\",\"Role\":\"Leader\",\"State\":\"running\"},"
		"{\"Member\":\"b-0\",\"Role\":\"Replica\"}]",
		"\1+ Cluster: x (1) --+\n| Member | Host | Role | State |\n"
		"| a-0 | h | Leader | running |\n| b-0 | h | Replica | |\n",
		"\2{\"namespace\":\"a\",\"name\":\"b\",\"pod\":\"b-0\",\"outcome\":"
		"\"Okay\",\"code\":2,\"wal\":{\"bytes\":1,\"files\":1,\"archived\":1,"
		"\"failed\":0,\"disk_bytes\":9,\"disk_free\":3}}\n{\"namespace\":"
		"\"b\",\"name\":\"b\",\"outcome\":\"No database instance pod\"}\n",
	};
	static const char info[] = "\0[{\"archive\":[{\"database\":{\"id\":1},"
		"\"max\":\"00B\",\"min\":\"00A\"}],\"backup\":[{\"label\":\"F\","
		"\"type\":\"full\",\"info\":{\"size\":1,\"repository\":{\"size\":1}},"
		"\"timestamp\":{\"start\":1}}],\"db\":[{\"id\":1,\"version\":\"15\"}],"
		"\"name\":\"db\",\"repo\":[{\"key\":1,\"status\":{\"code\":99,"
		"\"message\":\"[HostConnectError] x\"}}],\"status\":{\"code\":0,"
		"\"message\":\"ok\"}}]";
	static const char text[] = "\0stanza: db\n    status: mixed\n        "
		"repo1: error (other)\n            [HostConnectError] x\n        "
		"repo2: ok\n    cipher: none\n\n    db (current)\n        wal "
		"archive min/max (14): A/B\n\n        full backup: F\n            "
		"timestamp start/stop: 1 / 2\n            wal start/stop: 3 / 4\n"
		"            database size: 1.3MB, database backup size: 1B\n"
		"            repo1: backup set size: 1KB, backup size: 2.0GB\n";
	char name[16];

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		snprintf(name, sizeof(name), "answer-%zu", i);
		seed("pginfo", name, span_str(answers[i]));
	}
	seed("pginfo", "json", span_of(info, sizeof(info) - 1));
	seed("pginfo", "text", span_of(text, sizeof(text) - 1));
}

void seeds_text(void)
{
	struct record record;

	small_record(&record);
	put_record("small", &record);
	large_record(&record);
	put_record("large", &record);
	for (int type = EVENT_FORGET; type <= EVENT_LOG; type++)
		put_event((enum event_type)type);
	put_conf();
	put_journal();
	put_lines("stamp", times, "\0");
	put_lines("names", paths, NULL);
	put_patterns();
	put_zones();
	put_dumps();
	put_tables();
	put_answers();
}
