/*
 * pso_rows: rows of a capture, one at a time.
 *
 * Members and tables: fs/catalog/catalog_rows.c, and docs/format.md.  What is
 * not known is left out.
 */
#ifndef VARVE_PSO_ROWS_H
#define VARVE_PSO_ROWS_H

#include "indexer/pso/pso_model.h"

struct rowing {
	const struct pso_model *model;
	struct sink *sink;
	struct buf text;
	struct json json;
	struct err *err;
};

void row_begin(struct rowing *r);
/* Push it, unless it looks as if it held a secret. */
int row_end(struct rowing *r, const char *table);
/* Members; nothing is put where there is nothing. */
void row_put(struct rowing *r, const char *key, struct span text);
void row_put_str(struct rowing *r, const char *key, const char *text);
void row_put_quantity(struct rowing *r, const char *key, struct span text);
void row_put_backend(struct rowing *r, uint32_t backend);
/* The same of what stands at path below node. */
void row_copy(struct rowing *r, const char *key, const struct jnode *node,
	      const char *path);
void row_copy_u64(struct rowing *r, const char *key, const struct jnode *node,
		  const char *path);
void row_copy_bool(struct rowing *r, const char *key,
		   const struct jnode *node, const char *path);
/* Milliseconds since 1970. */
void row_copy_time(struct rowing *r, const char *key,
		   const struct jnode *node, const char *path);
/* Its strings. */
void row_copy_list(struct rowing *r, const char *key,
		   const struct jnode *list);

/* pso_rows_cluster.c: nodes, classes, the datastore, documents. */
int pso_push_cluster(struct rowing *r);

#endif
