/* pg_table_internal: what pg_table.c, pg_pick.c and pg_whole.c share. */
#ifndef VARVE_PG_TABLE_INTERNAL_H
#define VARVE_PG_TABLE_INTERNAL_H

#include "fs/base/jdoc.h"
#include "indexer/pgdump/pg_token.h"
#include "tools/pg_table.h"

enum pg_thing {
	PG_THING_TABLE = 1, PG_THING_SEQUENCE, PG_THING_INDEX,
	PG_THING_TAG,		/* a table, as comments of a plain dump call it:
				 * with spaces for newlines */
};

struct pg_owned {		/* a name that belongs to what is asked for */
	enum pg_thing thing;
	char *schema, *name;
	char *to;		/* its other name, or NULL */
};

struct pg_pick {
	struct target *target;
	const struct pg_table_options *options;
	const char *dir;	/* the database's; NULL: the snapshot */
	char *chosen;
	struct jdoc toc;
	bool backslashes;
	bool lists_lost;	/* tocs tell what of the dump is not there */

	struct pg_qualified asked, as;	/* as.name empty: its own */
	struct buf schema;	/* of the table that was found */
	struct buf found;	/* all that were, in words */
	unsigned found_count;

	struct pg_owned *owned;
	size_t owned_count, owned_room;
	const struct jnode **entries;	/* in order */
	size_t count;
	bool cut;		/* it is not whole, and is written all the same */
	struct pg_change *changes;
	size_t change_count;

	struct pg_qualified name;	/* scratch */
	struct buf scratch;
};

/* A string of an entry, whatever its encoding; empty where there is none.
 * 0 or -ENOMEM. */
int pg_pick_text(const struct jnode *entry, const char *key,
		 struct buf *ret);
int pg_pick_read(struct pg_pick *pick, struct span name, struct buf *text,
		 struct err *err);

/* pg_pick.c: pick->entries, and the names to change. */
int pg_pick_entries(struct pg_pick *pick, struct err *err);
void pg_pick_forget(struct pg_pick *pick);
/* Is entry, by its schema and tag, of what is asked for or a partition of it? */
int pg_pick_owns(struct pg_pick *pick, const struct jnode *entry,
		 struct err *err);

/* pg_whole.c: why, in words, not all of the picked entries is in the dump;
 * empty: all is. */
int pg_pick_judge(struct pg_pick *pick, struct buf *why, struct err *err);
/*
 * How many bytes of the rows in node, entry's file, are whole rows: where
 * entry's rows are cut the last of them is left out, as half a value is another
 * one.
 */
int pg_pick_rows(struct pg_pick *pick, const struct jnode *entry,
		 const struct node *node, uint64_t *ret, struct err *err);

#endif
