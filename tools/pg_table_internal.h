/* pg_table_internal: what pg_table.c and pg_pick.c share. */
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

	struct pg_qualified asked, as;	/* as.name empty: its own */
	struct buf schema;	/* of the table that was found */
	struct buf found;	/* all that were, in words */
	unsigned found_count;

	struct pg_owned *owned;
	size_t owned_count, owned_room;
	const struct jnode **entries;	/* in order */
	size_t count;
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

#endif
