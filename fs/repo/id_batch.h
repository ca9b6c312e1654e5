/*
 * id_batch: ids gathered, and given in their order once there are many.
 *
 * Who asks the catalog for many ids asks in this order, so that it reads each
 * of its segments once a batch, and not once an id.  6 MiB, however many ids.
 *
 * One thread.
 */
#ifndef VARVE_ID_BATCH_H
#define VARVE_ID_BATCH_H

#include "fs/base/id.h"

#define ID_BATCH (256u << 10)	/* ids in a batch */

typedef int id_batch_each(void *arg, const struct id *id, struct err *err);

struct id_batch {
	struct id *id;
	size_t count;
	id_batch_each *each;
	void *arg;
};

int id_batch_init(struct id_batch *batch, id_batch_each *each, void *arg,
		  struct err *err);
void id_batch_release(struct id_batch *batch);
/* Both give each()'s error, and forget what it had not been given then. */
int id_batch_put(struct id_batch *batch, const struct id *id, struct err *err);
int id_batch_flush(struct id_batch *batch, struct err *err);

#endif
