#include "tools/pg_table_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_LEN 63		/* bytes of a name that PostgreSQL keeps */

/* Kinds of entries of a table, and the word behind which their statement has
 * its name. */
static const struct rule {
	const char *desc;
	const char *word;
	enum pg_thing thing;	/* what stands there */
	bool copied;		/* also under another name */
	bool makes;		/* an index, or a constraint with one */
} rules[] = {
	{ "CHECK CONSTRAINT", "TABLE", PG_THING_TABLE, true, false },
	{ "CONSTRAINT", "TABLE", PG_THING_TABLE, true, true },
	{ "DEFAULT", "TABLE", PG_THING_TABLE, true, false },
	{ "FK CONSTRAINT", "TABLE", PG_THING_TABLE, false, false },
	{ "INDEX", "ON", PG_THING_TABLE, true, true },
	{ "INDEX ATTACH", "INDEX", PG_THING_INDEX, true, false },
	{ "POLICY", "ON", PG_THING_TABLE, false, false },
	{ "ROW SECURITY", "TABLE", PG_THING_TABLE, false, false },
	{ "RULE", "TO", PG_THING_TABLE, false, false },
	{ "SEQUENCE OWNED BY", "BY", PG_THING_TABLE, true, false },
	{ "STATISTICS", "FROM", PG_THING_TABLE, false, false },
	{ "TABLE ATTACH", "TABLE", PG_THING_TABLE, true, false },
	{ "TRIGGER", "ON", PG_THING_TABLE, false, false },
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

/* Names that belong to it. */

static struct pg_owned *owned_find(struct pg_pick *pick,
				   enum pg_thing thing, struct span schema,
				   struct span name)
{
	for (size_t i = 0; i < pick->owned_count; i++) {
		struct pg_owned *o = &pick->owned[i];

		if (o->thing == thing && span_equal(span_str(o->name), name) &&
		    span_equal(span_str(o->schema), schema))
			return o;
	}
	return NULL;
}

static char *copy(struct span s)
{
	return strndup(s.data ? (const char *)s.data : "", s.len);
}

/* 1: it is new; 0: it was known. */
static int own(struct pg_pick *pick, enum pg_thing thing, struct span schema,
	       struct span name, struct err *err)
{
	struct pg_owned *o;

	if (owned_find(pick, thing, schema, name))
		return 0;
	if (pick->owned_count == pick->owned_room) {
		pick->owned_room = pick->owned_room ? pick->owned_room * 2 : 16;
		o = realloc(pick->owned, pick->owned_room * sizeof(*o));
		if (!o)
			return err_nomem(err);
		pick->owned = o;
	}
	o = &pick->owned[pick->owned_count++];
	*o = (struct pg_owned){ thing, copy(schema), copy(name), NULL };
	return o->schema && o->name ? 1 : err_nomem(err);
}

static const struct rule *rule_of(const struct jnode *entry)
{
	for (size_t i = 0; i < RULES; i++)
		if (jnode_is(entry, "desc", rules[i].desc))
			return &rules[i];
	return NULL;
}

/* Into pick->name what stands behind word in the entry's statements: 1, or 0
 * where nothing does. */
static int subject(struct pg_pick *pick, const struct jnode *entry,
		   const char *word, struct err *err)
{
	OWNED_BUF struct buf file = BUF_INIT, text = BUF_INIT;
	int r = pg_pick_text(entry, "file", &file);

	if (r < 0)
		return err_nomem(err);
	if (!file.len)
		return 0;
	r = pg_pick_read(pick, buf_span(&file), &text, err);
	if (r == 0)
		r = pg_qualified_find(buf_span(&text), pick->backslashes,
				      word, &pick->name);
	return r == -ENOMEM ? err_nomem(err) : r;
}

static bool owns_subject(struct pg_pick *pick, enum pg_thing thing)
{
	return owned_find(pick, thing, buf_span(&pick->name.schema),
			  buf_span(&pick->name.name)) != NULL;
}

/* The entry's own name. */
static int own_tag(struct pg_pick *pick, const struct jnode *entry,
		   enum pg_thing thing, struct err *err)
{
	OWNED_BUF struct buf schema = BUF_INIT, tag = BUF_INIT;

	if (pg_pick_text(entry, "schema", &schema) < 0 ||
	    pg_pick_text(entry, "tag", &tag) < 0)
		return err_nomem(err);
	return own(pick, thing, buf_span(&schema), buf_span(&tag), err);
}

static int owns_tag(struct pg_pick *pick, const struct jnode *entry,
		    enum pg_thing thing, struct err *err)
{
	OWNED_BUF struct buf schema = BUF_INIT, tag = BUF_INIT;

	if (pg_pick_text(entry, "schema", &schema) < 0 ||
	    pg_pick_text(entry, "tag", &tag) < 0)
		return err_nomem(err);
	return owned_find(pick, thing, buf_span(&schema),
			  buf_span(&tag)) != NULL;
}

static const struct jnode *first_entry(const struct pg_pick *pick)
{
	const struct jnode *entries = jnode_get(pick->toc.root, "entries");

	return entries ? entries->child : NULL;
}

/* "ALTER TABLE ONLY s.t ATTACH PARTITION s.p": 1 where p is new. */
static int own_partition(struct pg_pick *pick, const struct jnode *entry,
			 struct err *err)
{
	int r = own_tag(pick, entry, PG_THING_TAG, err);

	if (r >= 0)
		r = subject(pick, entry, "PARTITION", err);
	if (r > 0)
		r = own(pick, PG_THING_TABLE, buf_span(&pick->name.schema),
			buf_span(&pick->name.name), err);
	return r;
}

/* The table that is asked for by its tag, by its name. */
static int own_asked(struct pg_pick *pick, struct err *err)
{
	int r = own(pick, PG_THING_TAG, buf_span(&pick->schema),
		    buf_span(&pick->asked.name), err);

	for (const struct jnode *e = first_entry(pick); e && r >= 0;
	     e = e->next) {
		if (!jnode_is(e, "desc", "TABLE"))
			continue;
		r = owns_tag(pick, e, PG_THING_TAG, err);
		if (r > 0)
			r = subject(pick, e, "TABLE", err);
		if (r > 0)
			return own(pick, PG_THING_TABLE,
				   buf_span(&pick->name.schema),
				   buf_span(&pick->name.name), err);
	}
	return r;
}

/* Partitions of what is owned, and theirs. */
static int own_partitions(struct pg_pick *pick, struct err *err)
{
	const struct jnode *e;
	bool more = true;
	int r = 0;

	while (r >= 0 && more) {
		more = false;
		for (e = first_entry(pick); e && r >= 0; e = e->next) {
			if (!jnode_is(e, "desc", "TABLE ATTACH"))
				continue;
			r = subject(pick, e, "TABLE", err);
			if (r > 0 && owns_subject(pick, PG_THING_TABLE))
				r = own_partition(pick, e, err);
			else if (r > 0)
				r = 0;
			more |= r > 0;
		}
	}
	return r;
}

/* A sequence that is an identity's is made by ALTER TABLE. */
static int own_sequences(struct pg_pick *pick, struct err *err)
{
	int r = 0;

	for (const struct jnode *e = first_entry(pick); e && r >= 0;
	     e = e->next) {
		const char *word = NULL;

		if (jnode_is(e, "desc", "SEQUENCE"))
			word = "TABLE";
		else if (jnode_is(e, "desc", "SEQUENCE OWNED BY"))
			word = "BY";
		if (!word)
			continue;
		r = subject(pick, e, word, err);
		if (r > 0 && owns_subject(pick, PG_THING_TABLE))
			r = own_tag(pick, e, PG_THING_SEQUENCE, err);
	}
	return r;
}

/* A constraint's tag is "table constraint"; its index is called as it is. */
static int own_index(struct pg_pick *pick, const struct jnode *entry,
		     struct err *err)
{
	OWNED_BUF struct buf tag = BUF_INIT;
	struct span name;
	size_t skip = pick->name.name.len + 1;

	if (jnode_is(entry, "desc", "INDEX"))
		return own_tag(pick, entry, PG_THING_INDEX, err);
	if (pg_pick_text(entry, "tag", &tag) < 0)
		return err_nomem(err);
	name = buf_span(&tag);
	if (name.len <= skip)
		return 0;
	return own(pick, PG_THING_INDEX, buf_span(&pick->name.schema),
		   span_of(name.data + skip, name.len - skip), err);
}

/* What belongs to it. */

/* "TABLE t", "COLUMN t.c": comments and grants. */
static int is_about(struct pg_pick *pick, const struct jnode *entry,
		    struct err *err)
{
	static const struct {
		const char *tag, *word;
		enum pg_thing thing;
	} kinds[] = {
		{ "TABLE ", "TABLE", PG_THING_TABLE },
		{ "COLUMN ", "COLUMN", PG_THING_TABLE },
		{ "INDEX ", "INDEX", PG_THING_INDEX },
		{ "SEQUENCE ", "SEQUENCE", PG_THING_SEQUENCE },
		{ "CONSTRAINT ", "ON", PG_THING_TABLE },
		{ "TRIGGER ", "ON", PG_THING_TABLE },
		{ "POLICY ", "ON", PG_THING_TABLE },
		{ "RULE ", "ON", PG_THING_TABLE },
	};
	bool acl = jnode_is(entry, "desc", "ACL");
	struct span tag = jnode_text(entry, "tag");
	int r = 0;

	if (pick->options->as || (!acl && !jnode_is(entry, "desc", "COMMENT")))
		return 0;
	for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]);
	     i++) {
		size_t len = strlen(kinds[i].tag);
		const char *word = acl && i == 1 ? "TABLE" : kinds[i].word;

		if (tag.len < len || memcmp(tag.data, kinds[i].tag, len) != 0)
			continue;
		r = subject(pick, entry, word, err);
		if (r > 0)
			return owns_subject(pick, kinds[i].thing);
	}
	return r;
}

/* A partition that goes back to a parent of its own. */
static int is_attached(struct pg_pick *pick, const struct jnode *entry,
		       const struct rule *rule, struct err *err)
{
	int r;

	if (pick->options->as || strcmp(strchr(rule->desc, ' ') + 1, "ATTACH"))
		return 0;
	r = subject(pick, entry, "PARTITION", err);
	return r > 0 ? owns_subject(pick, rule->thing) : r;
}

static int is_ruled(struct pg_pick *pick, const struct jnode *entry,
		    const struct rule *rule, struct err *err)
{
	int r;

	if (pick->options->as && !rule->copied)
		return 0;
	r = subject(pick, entry, rule->word, err);
	if (r <= 0)
		return r;
	if (!owns_subject(pick, rule->thing))
		return strchr(rule->desc, ' ') ?
			is_attached(pick, entry, rule, err) : 0;
	if (rule->makes)
		r = own_index(pick, entry, err);
	return r < 0 ? r : 1;
}

static int belongs(struct pg_pick *pick, const struct jnode *entry,
		   struct err *err)
{
	const struct rule *rule = rule_of(entry);

	if (rule)
		return is_ruled(pick, entry, rule, err);
	if (jnode_is(entry, "desc", "TABLE") ||
	    jnode_is(entry, "desc", "TABLE DATA"))
		return owns_tag(pick, entry, PG_THING_TAG, err);
	if (jnode_is(entry, "desc", "SEQUENCE") ||
	    jnode_is(entry, "desc", "SEQUENCE SET"))
		return owns_tag(pick, entry, PG_THING_SEQUENCE, err);
	return is_about(pick, entry, err);
}

static int list_entries(struct pg_pick *pick, struct err *err)
{
	size_t count = jnode_count(jnode_get(pick->toc.root, "entries"));

	pick->entries = calloc(count + 1, sizeof(*pick->entries));
	if (!pick->entries)
		return err_nomem(err);
	for (const struct jnode *e = first_entry(pick); e; e = e->next) {
		int r = belongs(pick, e, err);

		if (r < 0)
			return r;
		if (r > 0)
			pick->entries[pick->count++] = e;
	}
	return 0;
}

/* Other names. */

/* No more than PostgreSQL keeps, and no half character. */
static void cut_name(struct buf *name, size_t max)
{
	if (name->len <= max)
		return;
	while (max > 0 && (name->data[max] & 0xc0) == 0x80)
		max--;
	name->len = max;
}

static bool is_taken(const struct pg_pick *pick, const struct buf *name)
{
	for (size_t i = 0; i < pick->owned_count; i++)
		if (pick->owned[i].to &&
		    span_equal(span_str(pick->owned[i].to), buf_span(name)))
			return true;
	return false;
}

/* What begins as the table does begins as its new name; all else follows
 * that. */
static int rename_one(struct pg_pick *pick, struct pg_owned *o,
		      struct err *err)
{
	OWNED_BUF struct buf name = BUF_INIT;
	const struct buf *from = &pick->asked.name, *to = &pick->as.name;
	bool begins = !strncmp(o->name, (const char *)from->data, from->len);

	buf_append(&name, to->data, to->len);
	if (begins)
		buf_append_str(&name, o->name + from->len);
	else
		buf_printf(&name, "_%s", o->name);
	cut_name(&name, NAME_LEN);
	for (unsigned n = 2; !name.failed && is_taken(pick, &name); n++) {
		cut_name(&name, NAME_LEN - 6);
		buf_printf(&name, "_%u", n);
	}
	o->to = name.failed ? NULL : copy(buf_span(&name));
	return o->to ? 0 : err_nomem(err);
}

static int make_changes(struct pg_pick *pick, struct err *err)
{
	pick->changes = calloc(pick->owned_count, sizeof(*pick->changes));
	if (!pick->changes)
		return err_nomem(err);
	for (size_t i = 0; i < pick->owned_count; i++) {
		struct pg_owned *o = &pick->owned[i];
		int r;

		if (o->thing == PG_THING_TAG)
			continue;
		r = rename_one(pick, o, err);
		if (r < 0)
			return r;
		pick->changes[pick->change_count++] = (struct pg_change){
			.schema = span_str(o->schema),
			.from = span_str(o->name),
			.to_schema = buf_span(&pick->as.schema),
			.to = span_str(o->to),
			.alone = o->thing == PG_THING_INDEX,
		};
	}
	return 0;
}

int pg_pick_owns(struct pg_pick *pick, const struct jnode *entry,
		 struct err *err)
{
	return owns_tag(pick, entry, PG_THING_TAG, err);
}

void pg_pick_forget(struct pg_pick *pick)
{
	for (size_t i = 0; i < pick->owned_count; i++) {
		free(pick->owned[i].schema);
		free(pick->owned[i].name);
		free(pick->owned[i].to);
	}
	free(pick->owned);
	free(pick->entries);
	free(pick->changes);
}

/* Statements that name no schema stand behind a search_path, as pg_dump before
 * 10.3 wrote them. */
static int check_names(struct pg_pick *pick, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < pick->count; i++) {
		if (!jnode_is(pick->entries[i], "desc", "TABLE"))
			continue;
		r = subject(pick, pick->entries[i], "TABLE", err);
		if (r != 0)
			break;
		r = err_set(err, -ENOTSUP, "the dump's statements name no "
			    "schemas, as those of pg_dump before 10.3");
		err_hint(err, "'varve cat SNAPSHOT:restore.sql' is all of it");
	}
	return r < 0 ? r : 0;
}

int pg_pick_entries(struct pg_pick *pick, struct err *err)
{
	int r = own_asked(pick, err);

	if (r >= 0)
		r = own_partitions(pick, err);
	if (r >= 0)
		r = own_sequences(pick, err);
	if (r >= 0)
		r = list_entries(pick, err);
	if (r >= 0)
		r = check_names(pick, err);
	if (r >= 0 && pick->options->as)
		r = make_changes(pick, err);
	return r < 0 ? r : 0;
}
