/*
 * rows: what a kind tells of a snapshot, for questions.
 *
 * A reader pushes rows beside its files; they are kept as one content object,
 * named by the record, of lines: one JSON object each, whose first member is
 * "table", the row's table.  So a catalog is filled from the store alone, and
 * no reader is needed for that.  The catalog learns of rows behind an add;
 * where that did not come to pass, as after a rebuild, when they are asked for.
 */
#ifndef VARVE_ROWS_H
#define VARVE_ROWS_H

#include "fs/tree/content.h"

#define ROW_MAX (1u << 20)	/* bytes of a line */
#define ROW_TABLE_MAX 64	/* bytes of a table's name: [a-z][a-z0-9_]* */

/* Is it a table's name? */
bool row_table_is_valid(struct span table);
/* Append the line of a row: object is JSON, "{...}", in one line.  -EINVAL. */
int row_write(struct span table, struct span object, struct buf *line,
	      struct err *err);

/*
 * Every row of the record, in order: its table, and its whole object.  The
 * callback's non-zero ends it.  The bytes were hashed, their form is not
 * believed.  0 also where it has no rows.  -EBADMSG.
 */
int rows_each(const struct getter *getter, const struct record *record,
	      int (*each)(void *arg, struct span table, struct span object,
			  struct err *err),
	      void *arg, struct err *err);

struct rows_report {
	uint64_t loaded;	/* snapshots whose rows the catalog learned */
	uint64_t lacking;	/* whose rows it still does not know */
	struct err why;		/* of the first of these */
};
/*
 * Have the catalog know the rows of all snapshots.  0 also where those of some
 * cannot be had: their objects are damaged, or the catalog cannot be written.
 */
int rows_level(struct repo *repo, struct rows_report *report,
	       struct err *err);

#endif
