/*
 * pg_table: one table out of a database's tree, as SQL that loads it.
 *
 * Takes a snapshot of a PostgreSQL dump and the table's name; finds by toc.json,
 * and by the tokens of their statements, what belongs to it, and writes that in
 * one transaction.  docs/pgdump.md has the tree.  Knows nothing of servers.  One
 * thread.
 */
#ifndef VARVE_PG_TABLE_H
#define VARVE_PG_TABLE_H

#include "tools/target.h"

struct pg_table_options {
	const char *table;	/* "shop.item", "item", "\"a.b\".t" */
	const char *database;	/* its name or directory; NULL: the only one
				 * that has the table */
	const char *as;		/* another name, or NULL */
	bool partial;		/* also what there is of one that is not whole */
};

/*
 * Write the SQL to standard output.  target is the snapshot's root.  *why (whose
 * bytes are the caller's): in words, why not all of the table is in the dump;
 * empty where all is, whatever else the dump lacks.  -EUCLEAN: that, and
 * !options->partial: what was written makes psql fail.  So it does where
 * writing failed, also in psql's own transaction.
 * -ENOENT: no such table; -ENOTUNIQ: several, whose names are in the words;
 * -ENOTSUP: the dump's statements name no schema.
 */
int pg_table_write(struct target *target,
		   const struct pg_table_options *options, struct buf *why,
		   struct err *err);

#endif
