#include <stdio.h>
#include <stdlib.h>

#include "fs/base/json.h"
#include "fs/tree/rows.h"
#include "tools/format.h"
#include "tools/pso_ask.h"
#include "tools/target.h"

/*
 * Rows of two captures, by what they are of.  Rows have few members that
 * change by themselves, as resourceVersion and the like are not in them; those
 * that do are left out here.
 */
struct fact {
	char *key;		/* "volume fa1/k8s-pvc-…" */
	const char *kind;
	struct span name;	/* in key */
	struct jdoc doc;
	unsigned copy;		/* of those with one key, in order */
};

struct facts {
	struct fact *row;
	size_t count, cap;
};

#define FACTS_MAX (8u << 20)

static const struct {
	const char *table, *kind;
	/* members that make its name: the first of two that is there */
	const char *name[4];
	const char *within;	/* member that the name is unique in; or NULL */
} tables[] = {
	{ "pso_volume", "volume", { "handle", "volume" }, "backend" },
	{ "pso_snapshot", "snapshot", { "handle", "name" }, "backend" },
	{ "pso_backend", "backend", { "id", "mgmt", "name" }, NULL },
	{ "pso_node", "node", { "name" }, NULL },
	{ "pso_replica", "replica", { "volume", "pod" }, "backend_id" },
	{ "pso_datastore", "datastore", { "name" }, "namespace" },
	{ "pso_attachment", "attachment", { "volume" }, "host" },
	{ "pso_class", "class", { "name" }, NULL },
	{ "pso_document", "document", { "name" }, NULL },
};

static bool is_noise(struct span key)
{
	static const char *const noise[] = { "table", "as_of", "since",
					     "items", "why", NULL };

	for (size_t i = 0; noise[i]; i++)
		if (span_equal(key, span_str(noise[i])))
			return true;
	return false;
}

static void facts_release(struct facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->row[i].key);
		jdoc_release(&facts->row[i].doc);
	}
	free(facts->row);
}

static struct fact *grow(struct facts *facts, struct err *err)
{
	if (facts->count >= FACTS_MAX) {
		err_set(err, -E2BIG, "a capture has more than %u rows",
			FACTS_MAX);
		return NULL;
	}
	if (facts->count == facts->cap) {
		size_t cap = facts->cap ? 2 * facts->cap : 256;
		void *more = reallocarray(facts->row, cap,
					  sizeof(*facts->row));

		if (!more) {
			err_nomem(err);
			return NULL;
		}
		facts->row = more;
		facts->cap = cap;
	}
	facts->row[facts->count] = (struct fact){ .key = NULL };
	return &facts->row[facts->count];
}

static struct span name_of(const struct jnode *root, size_t table)
{
	struct span text = span_of(NULL, 0);

	for (size_t i = 0; i < 4 && tables[table].name[i] && !text.len; i++)
		text = jnode_text(root, tables[table].name[i]);
	return text;
}

/* A PV's volume is known by its handle wherever it lies; another by where it
 * lies as well. */
static char *make_key(const struct jnode *root, size_t table)
{
	OWNED_BUF struct buf key = BUF_INIT;
	struct span name = name_of(root, table), within = span_of(NULL, 0);
	bool handle = jnode_text(root, "handle").len > 0;

	if (tables[table].within && !handle)
		within = jnode_text(root, tables[table].within);
	buf_printf(&key, "%zu ", table);
	buf_append(&key, within.data, within.len);
	if (within.len)
		buf_append_byte(&key, '/');
	buf_append(&key, name.data, name.len);
	return buf_detach(&key);
}

static int take_row(void *arg, struct span table, struct span object,
		    struct err *err)
{
	struct facts *facts = arg;
	struct fact *fact;
	size_t t = 0, n = sizeof(tables) / sizeof(*tables);
	int r;

	while (t < n && !span_equal(table, span_str(tables[t].table)))
		t++;
	if (t == n)
		return 0;
	fact = grow(facts, err);
	if (!fact)
		return err ? err->code : -ENOMEM;
	r = jdoc_parse(object, "a row", &fact->doc, err);
	if (r < 0)
		return r;
	fact->kind = tables[t].kind;
	fact->key = make_key(fact->doc.root, t);
	if (!fact->key) {
		jdoc_release(&fact->doc);
		return err_nomem(err);
	}
	fact->name = span_str(strchr(fact->key, ' ') + 1);
	facts->count++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : x->copy < y->copy ? -1 : x->copy > y->copy;
}

static int load(struct repo *repo, const char *spec, struct facts *facts,
		char label[LABEL_TEXT], struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot s = { .damage = NULL };
	const struct getter getter = { .repo = repo };
	int r = repo_find_snapshot(repo, spec, &s, NULL, err);

	if (r < 0)
		return r;
	snapshot_label(&s.record, label);
	if (id_is_none(&s.record.rows) || strcmp(s.record.kind, "pso"))
		return err_set(err, -EINVAL, "'%s' is no capture of PSO: it "
			       "is of kind %s", label, s.record.kind);
	r = rows_each(&getter, &s.record, take_row, facts, err);
	if (r < 0)
		return err_wrap(err, "cannot read the rows of '%s'", label);
	for (size_t i = 0; i < facts->count; i++)
		facts->row[i].copy = (unsigned)i;
	if (facts->count)
		qsort(facts->row, facts->count, sizeof(*facts->row), by_key);
	for (size_t i = 0; i < facts->count; i++)
		facts->row[i].copy = i > 0 && !strcmp(facts->row[i].key,
			facts->row[i - 1].key) ? facts->row[i - 1].copy + 1 :
			0;
	return 0;
}

/* Telling. */

struct telling {
	const struct tool *tool;
	uint64_t added, removed, changed;
};

static void value_text(const struct jnode *node, struct buf *out)
{
	if (!node)
		buf_append_str(out, "nothing");
	else if (node->type == JTYPE_STRING)
		buf_append(out, node->text.data, node->text.len);
	else
		jnode_write(node, false, NULL, NULL, out, NULL);
}

static void print_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void tell_whole(struct telling *t, const struct fact *fact,
		       const char *what)
{
	if (t->tool->json) {
		OWNED_BUF struct buf line = BUF_INIT, row = BUF_INIT;
		struct json json;

		jnode_write(fact->doc.root, false, NULL, NULL, &row, NULL);
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "change", what);
		json_str(&json, "of", fact->kind);
		json_span(&json, "name", fact->name);
		json_raw(&json, "row", buf_span(&row));
		json_close_object(&json);
		json_print(&line);
		return;
	}
	printf("%-8s %-10s ", what, fact->kind);
	print_text(fact->name);
	putchar('\n');
}

static void tell_member(struct telling *t, const struct fact *fact,
			struct span key, const struct jnode *a,
			const struct jnode *b)
{
	OWNED_BUF struct buf from = BUF_INIT, to = BUF_INIT;

	value_text(a, &from);
	value_text(b, &to);
	if (t->tool->json) {
		OWNED_BUF struct buf line = BUF_INIT;
		struct json json;

		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "change", "changed");
		json_str(&json, "of", fact->kind);
		json_span(&json, "name", fact->name);
		json_span(&json, "member", key);
		json_span(&json, "from", buf_span(&from));
		json_span(&json, "to", buf_span(&to));
		json_close_object(&json);
		json_print(&line);
		return;
	}
	printf("%-8s %-10s ", "changed", fact->kind);
	print_text(fact->name);
	fputs(": ", stdout);
	print_text(key);
	fputs(": ", stdout);
	print_text(buf_span(&from));
	fputs(" -> ", stdout);
	print_text(buf_span(&to));
	putchar('\n');
}

static const struct jnode *member_of(const struct fact *fact, struct span key)
{
	const struct jnode *one = fact->doc.root->child;

	while (one && !span_equal(one->key, key))
		one = one->next;
	return one;
}

static bool same_value(const struct jnode *a, const struct jnode *b)
{
	OWNED_BUF struct buf x = BUF_INIT, y = BUF_INIT;

	if (!a || !b)
		return a == b;
	jnode_write(a, false, NULL, NULL, &x, NULL);
	jnode_write(b, false, NULL, NULL, &y, NULL);
	return !x.failed && !y.failed &&
	       span_equal(buf_span(&x), buf_span(&y));
}

static void compare(struct telling *t, const struct fact *a,
		    const struct fact *b)
{
	bool differs = false;

	for (const struct jnode *one = a->doc.root->child; one;
	     one = one->next) {
		const struct jnode *other = member_of(b, one->key);

		if (is_noise(one->key) || same_value(one, other))
			continue;
		tell_member(t, b, one->key, one, other);
		differs = true;
	}
	for (const struct jnode *one = b->doc.root->child; one;
	     one = one->next) {
		if (is_noise(one->key) || member_of(a, one->key))
			continue;
		tell_member(t, b, one->key, NULL, one);
		differs = true;
	}
	t->changed += differs;
}

static void merge(struct telling *t, const struct facts *a,
		  const struct facts *b)
{
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		int order = i == a->count ? 1 : k == b->count ? -1 :
			by_key(&a->row[i], &b->row[k]);

		if (order < 0) {
			tell_whole(t, &a->row[i++], "removed");
			t->removed++;
		} else if (order > 0) {
			tell_whole(t, &b->row[k++], "added");
			t->added++;
		} else {
			compare(t, &a->row[i++], &b->row[k++]);
		}
	}
}

int pso_diff(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	CLEANUP(facts_release) struct facts a = { .row = NULL };
	CLEANUP(facts_release) struct facts b = { .row = NULL };
	struct telling telling = { .tool = tool };
	OWNED_REPO struct repo *repo = NULL;
	char from[LABEL_TEXT], to[LABEL_TEXT];
	int r;

	if (o->word_count != 3)
		return err_set(err, -EINVAL, "'varve pso diff' takes two "
			       "snapshots");
	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = load(repo, o->words[1], &a, from, err);
	if (r >= 0)
		r = load(repo, o->words[2], &b, to, err);
	if (r < 0)
		return r;
	merge(&telling, &a, &b);
	if (!tool->json)
		say(tool, "%llu added, %llu removed, %llu changed from %s to "
		    "%s", (unsigned long long)telling.added,
		    (unsigned long long)telling.removed,
		    (unsigned long long)telling.changed, from, to);
	fflush(stdout);
	return DONE;
}
