#include "indexer/pgdump/pg_internal.h"

#include <stdlib.h>

/* Room for an ending and "~4294967295". */
#define BASE_MAX (NAME_BYTES_MAX - 24)

/* Kinds whose directory is not their name in lower case with an 's'. */
static const struct {
	const char *desc, *dir;
} kinds[] = {
	{ "ACL", "acls" },
	{ "ACCESS METHOD", "access_methods" },
	{ "BLOB", "large_objects" },
	{ "BLOB METADATA", "large_objects" },
	{ "BLOBS", "large_objects" },
	{ "CHECK CONSTRAINT", "constraints" },
	{ "CONSTRAINT", "constraints" },
	{ "DATABASE PROPERTIES", "databases" },
	{ "DEFAULT ACL", "default_acls" },
	{ "FK CONSTRAINT", "constraints" },
	{ "INDEX", "indexes" },
	{ "INDEX ATTACH", "index_attach" },
	{ "MATERIALIZED VIEW DATA", "materialized_view_data" },
	{ "OPERATOR CLASS", "operator_classes" },
	{ "OPERATOR FAMILY", "operator_families" },
	{ "POLICY", "policies" },
	{ "PROCEDURAL LANGUAGE", "languages" },
	{ "PUBLICATION TABLES IN SCHEMA", "publication_schemas" },
	{ "ROW SECURITY", "row_security" },
	{ "SEQUENCE OWNED BY", "sequence_owned_by" },
	{ "SEQUENCE SET", "sequence_values" },
	{ "SHELL TYPE", "shell_types" },
	{ "STATISTICS", "statistics" },
	{ "STATISTICS DATA", "statistics_data" },
	{ "TABLE ATTACH", "table_attach" },
	{ "TABLE DATA", "tables" },
	{ "TEXT SEARCH DICTIONARY", "text_search_dictionaries" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Others that are known; they are only listed so that no schema of such a name
 * shares their directory. */
static const char *const plain_kinds[] = {
	"aggregates", "casts", "collations", "comments", "conversions",
	"databases", "defaults", "domains", "event_triggers", "extensions",
	"foreign_data_wrappers", "foreign_tables", "functions",
	"materialized_views", "operators", "procedures", "publications",
	"publication_tables", "rules", "schemas", "security_labels",
	"sequences", "servers", "subscriptions", "tables", "tablespaces",
	"text_search_configurations", "text_search_parsers",
	"text_search_templates", "transforms", "triggers", "types",
	"user_mappings", "views",
};
#define PLAIN_KINDS (sizeof(plain_kinds) / sizeof(plain_kinds[0]))

static bool is_plain_kind(struct span name)
{
	for (size_t i = 0; i < PLAIN_KINDS; i++)
		if (span_equal(name, span_str(plain_kinds[i])))
			return true;
	return false;
}

void pg_path_kind(struct span desc, struct buf *ret)
{
	size_t from = ret->len;

	for (size_t i = 0; i < KINDS; i++) {
		if (span_equal(desc, span_str(kinds[i].desc))) {
			buf_append_str(ret, kinds[i].dir);
			return;
		}
	}
	for (size_t i = 0; i < desc.len && i < 64; i++) {
		uint8_t c = desc.data[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			c = '_';
		buf_append_byte(ret, c);
	}
	if (ret->len == from)
		buf_append_str(ret, "other");
	buf_append_byte(ret, 's');
	/* One that a newer PostgreSQL has. */
	if (!ret->failed &&
	    !is_plain_kind(span_of(ret->data + from, ret->len - from)))
		ret->len--;
}

/* Names. */

static bool is_safe(uint8_t c)
{
	return c > 0x20 ? c != '/' && c != '%' && c != 0x7f : c == 0x20;
}

static void escape_byte(uint8_t c, struct buf *ret)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_append_byte(ret, '%');
	buf_append_byte(ret, hex[c >> 4]);
	buf_append_byte(ret, hex[c & 15]);
}

void pg_path_escape(struct span name, struct buf *ret)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (is_safe(c) && !(i == 0 && c == '.'))
			buf_append_byte(ret, c);
		else
			escape_byte(c, ret);
	}
}

static bool is_reserved(enum pg_level level, struct span name)
{
	static const char *const root[] = {
		"restore.sql", "globals.sql", "toc.json",
	};

	if (level == PG_LEVEL_ROOT) {
		for (size_t i = 0; i < 3; i++)
			if (span_equal(name, span_str(root[i])))
				return true;
		return false;
	}
	if (level == PG_LEVEL_OBJECT)
		return false;
	for (size_t i = 0; i < KINDS; i++)
		if (span_equal(name, span_str(kinds[i].dir)))
			return true;
	return is_plain_kind(name) ||
	       span_equal(name, span_str("database.sql")) ||
	       span_equal(name, span_str("toc.json"));
}

/* Where a name of at most max bytes may end: in no escape and no character. */
static size_t cut(struct span name, size_t max)
{
	size_t n = max;

	while (n > 0 && (name.data[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 1; i <= 2 && i <= n; i++)
		if (name.data[n - i] == '%')
			return n - i;
	return n;
}

/* name as one component, without an ending; what it is cut to says its hash. */
static void component(enum pg_level level, struct span name, struct buf *ret)
{
	OWNED_BUF struct buf whole = BUF_INIT;
	size_t n;

	if (is_reserved(level, name)) {
		escape_byte(name.data[0], &whole);
		name.data++;
		name.len--;
		for (size_t i = 0; i < name.len; i++)
			buf_append_byte(&whole, name.data[i]);
	} else if (name.len) {
		pg_path_escape(name, &whole);
	} else {
		buf_append_str(&whole, "%");	/* no name comes to this */
	}
	ret->failed |= whole.failed;
	if (whole.failed || whole.len <= BASE_MAX) {
		buf_append(ret, whole.data, whole.len);
		return;
	}
	n = cut(buf_span(&whole), BASE_MAX - 17);
	buf_append(ret, whole.data, n);
	buf_printf(ret, "~%016llx", (unsigned long long)sum64(name));
}

/* Which were given. */

static size_t slot_of(const struct pg_paths *paths, uint64_t key)
{
	size_t i = (size_t)key & (paths->room - 1);

	while (paths->keys[i] && paths->keys[i] != key)
		i = (i + 1) & (paths->room - 1);
	return i;
}

static int grow(struct pg_paths *paths)
{
	struct pg_paths more = { .room = paths->room ? paths->room * 2 : 1024 };

	more.keys = calloc(more.room, sizeof(*more.keys));
	more.counts = calloc(more.room, sizeof(*more.counts));
	if (!more.keys || !more.counts) {
		free(more.keys);
		free(more.counts);
		return -ENOMEM;
	}
	for (size_t i = 0; i < paths->room; i++) {
		size_t to;

		if (!paths->keys[i])
			continue;
		to = slot_of(&more, paths->keys[i]);
		more.keys[to] = paths->keys[i];
		more.counts[to] = paths->counts[i];
	}
	more.used = paths->used;
	free(paths->keys);
	free(paths->counts);
	*paths = more;
	return 0;
}

/* Two paths of one hash count as one, and the second gets a number it would not
 * need. */
uint32_t *pg_path_count(struct pg_paths *paths, struct span path)
{
	uint64_t key = sum64(path) | 1;
	size_t i;

	if (paths->used * 2 >= paths->room && grow(paths) < 0)
		return NULL;
	i = slot_of(paths, key);
	paths->used += !paths->keys[i];
	paths->keys[i] = key;
	return &paths->counts[i];
}

/* How often path was given, this time counted; or -ENOMEM. */
static int64_t give(struct pg_paths *paths, struct span path,
		    struct err *err)
{
	uint32_t *count = pg_path_count(paths, path);

	return count ? (int64_t)++*count : err_nomem(err);
}

static int number(struct pg_paths *paths, size_t base, const char *ending,
		  struct buf *path, struct err *err)
{
	int64_t times;
	int r;

	buf_append_str(path, ending);
	r = buf_check(path, err);
	if (r < 0)
		return r;
	times = give(paths, buf_span(path), err);
	while (times > 1) {
		int64_t n = times;

		path->len = base;
		buf_printf(path, "~%lld%s", (long long)n, ending);
		r = buf_check(path, err);
		if (r < 0)
			return r;
		/* Unless an object is called so. */
		times = give(paths, buf_span(path), err);
		if (times > 1)
			times = n + 1;
	}
	return times < 0 ? (int)times : 0;
}

int pg_path_add(struct pg_paths *paths, enum pg_level level,
		struct span name, const char *ending, struct buf *path,
		struct err *err)
{
	if (path->len)
		buf_append_byte(path, '/');
	component(level, name, path);
	if (level == PG_LEVEL_OBJECT)
		return number(paths, path->len, ending, path, err);
	buf_append_str(path, ending);
	return buf_check(path, err);
}

int pg_path_database(struct pg_paths *paths, struct span name,
		     struct buf *path, struct err *err)
{
	component(PG_LEVEL_ROOT, name, path);
	return number(paths, path->len, "", path, err);
}
